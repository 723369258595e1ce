/* SPDX-License-Identifier: Apache-2.0 */
/* Appending: what one event became, at the end of its route's log. */
#include "base/hash.h"
#include "store/internal.h"
#include "store/record_wire.h"
#include <errno.h>
#include <string.h>

int gw_log_put(struct gw_store_log *log, const void *bytes, size_t length, const struct gw_put *how)
{
    struct gw_store *store = log->store;
    uint64_t sequence = log->end;
    struct gw_disk_head head = {.log = log->number,
                                .sequence = sequence,
                                .targets = how->targets,
                                .length = (uint32_t)length,
                                .kind = 1,
                                .group_index = how->group_index,
                                .group_count = how->group_count};
    MDB_val key = gw_val(&sequence, sizeof sequence), value = {sizeof head + length, NULL};
    gw_log_touch(log);
    int rc = mdb_put(store->txn, log->dbi, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (rc)
        return rc;
    uint8_t *at = value.mv_data;
    if (how->translated)
        memcpy(at + sizeof head, bytes, length);
    else
        gw_head_copy_record(log, at + sizeof head, bytes, length);
    head.body_sum = gw_hash64(at + sizeof head, length);
    gw_head_seal(&head);
    memcpy(at, &head, sizeof head);
    log->end++;
    store->batch_bytes += length;
    for (uint32_t i = 0; i < log->sink_end && !rc; i++) {
        struct gw_store_sink *sink = log->sinks[i];
        if (!sink)
            continue;
        sink->dirty = true;
        if (how->targets >> i & 1) {
            sink->count++;
            sink->bytes += length;
        } else if (sink->first == sequence) {
            sink->first++;
            rc = gw_sink_advance(log, sink);
        } else {
            rc = gw_places_set(&sink->settled, sequence, sink->first);
        }
    }
    return rc;
}

/* Whom the records of an event are for, all together. */
static bool targets_of(const struct gw_store_append *op, uint64_t *ret_targets)
{
    *ret_targets = 0;
    for (size_t i = 0; i < op->count; i++) {
        uint64_t targets;
        if (!gw_head_record_sinks(op->log, op->records[i], op->lengths[i], &targets))
            return false;
        *ret_targets |= targets;
    }
    return true;
}

static int put_group(struct gw_store_log *log, uint64_t first, uint32_t left)
{
    struct gw_disk_group group = {left, GW_TERM_DELIVERED};
    struct gw_disk_place_key name = gw_place_key(log->number, 0, first);
    MDB_val key = gw_val(&name, sizeof name), value = gw_val(&group, sizeof group);
    return mdb_put(log->store->txn, log->store->dbs[DB_GROUPS], &key, &value, 0);
}

/* targets: those that the budgets let have it; refused: those that they did not. */
static int put_record(struct gw_store_append *op, size_t index, uint64_t admitted)
{
    struct gw_store_log *log = op->log;
    struct gw_record_wire wire;
    uint64_t targets, sequence = log->end;
    gw_head_record_sinks(log, op->records[index], op->lengths[index], &targets);
    int rc = gw_log_put(
        log, op->records[index], op->lengths[index],
        &(struct gw_put){targets & admitted, (uint32_t)index, (uint32_t)op->count, false});
    if (!rc && targets & ~admitted)
        rc = gw_log_partial(log, sequence, GW_TERM_DISCARDED, 0);
    if (!rc && log->settings.when_full == GW_FULL_LATEST_PER_KEY) {
        memcpy(&wire, op->records[index], sizeof wire);
        rc = gw_latest_note(log, targets & admitted, wire.key, sequence);
    }
    if (!rc && log->has_archive)
        rc = gw_archive_put(log, op->records[index], op->lengths[index], 2 * sequence);
    return rc;
}

/* Records of which no sink is left are done as soon as they are there. */
static int end_unwanted(struct gw_store_log *log, uint64_t first, size_t count)
{
    int rc = 0;
    for (size_t i = 0; i < count && !rc; i++)
        rc = gw_log_end_unwanted(log, first + i);
    return rc;
}

static int put_event(struct gw_store *store, struct gw_store_append *op, uint64_t admitted)
{
    struct gw_store_log *log = op->log;
    uint64_t first = log->end;
    int rc = 0;
    log->ledger.received++;
    log->stored++;
    if (op->count > 1)
        rc = put_group(log, first, (uint32_t)op->count);
    if (!rc && log->has_archive && op->original)
        rc = gw_archive_put(log, op->original, op->original_length, 2 * first - 1);
    for (size_t i = 0; i < op->count && !rc; i++)
        rc = put_record(op, i, admitted);
    if (!rc)
        rc = end_unwanted(log, first, op->count);
    if (!rc && op->identified && log->settings.dedup_count > 0)
        rc = gw_dedup_add(log, op->identity);
    if (!rc && op->state_key.at)
        rc = gw_state_put(store, op->state_key, op->state_value);
    op->first_sequence = first;
    return rc;
}

int gw_op_append(struct gw_store *store, struct gw_store_append *op)
{
    struct gw_store_log *log = op->log;
    uint64_t targets, admitted;
    op->duplicate = false;
    op->first_sequence = op->refused = 0;
    if (log->stuck)
        return RC_BLOCKED;
    if (!op->count || !targets_of(op, &targets) ||
        (op->state_key.at && !gw_state_fits(op->state_key))) {
        op->op.error = -EINVAL;
        return 0;
    }
    if (op->identified && log->settings.dedup_count > 0) {
        int rc = gw_dedup_prune(log);
        if (rc)
            return rc;
        if (gw_dedup_has(log, op->identity)) {
            op->duplicate = true;
            log->ledger.received++;
            log->ledger.ended[GW_TERM_DUPLICATE]++;
            gw_log_touch(log);
            return op->state_key.at ? gw_state_put(store, op->state_key, op->state_value) : 0;
        }
    }
    if (store->full)
        return RC_BLOCKED;
    int rc = gw_budget_admit(log, op, targets, &admitted);
    if (rc)
        return rc;
    for (uint32_t i = 0; i < log->places; i++)
        if ((targets & ~admitted) >> log->lasting[i] & 1)
            op->refused |= UINT64_C(1) << i;
    return put_event(store, op, admitted);
}
