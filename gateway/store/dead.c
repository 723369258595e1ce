/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: writing them, and what operators do with them.
 *
 * The ledger counts events, and several sinks may bury one event, each with its dead letter.  The
 * one that ended the event carries its count: what becomes of that one moves the count.  The others
 * count as events of their own once they are sent again. */
#include "base/hash.h"
#include "store/dead_internal.h"
#include "store/record_wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int next_id(struct gw_store *store, uint64_t *ret)
{
    static const char name[] = "dead";
    MDB_val key = gw_val(name, sizeof name - 1), value;
    int rc = 0;
    if (!store->dead_next_known) {
        store->dead_next = 1;
        rc = mdb_get(store->txn, store->dbs[DB_META], &key, &value);
        if (!rc && value.mv_size == sizeof store->dead_next)
            memcpy(&store->dead_next, value.mv_data, sizeof store->dead_next);
        if (rc && rc != MDB_NOTFOUND)
            return rc;
        store->dead_next_known = true;
    }
    *ret = store->dead_next++;
    value = gw_val(&store->dead_next, sizeof store->dead_next);
    return mdb_put(store->txn, store->dbs[DB_META], &key, &value, 0);
}

static int put_entry(struct gw_store *store, struct gw_disk_head *head, uint8_t *bytes,
                     size_t length)
{
    uint64_t id = head->sequence;
    MDB_val key = gw_val(&id, sizeof id), value = gw_val(bytes, length);
    head->length = (uint32_t)(length - sizeof *head);
    head->kind = 2;
    head->body_sum = gw_hash64(bytes + sizeof *head, head->length);
    gw_head_seal(head);
    memcpy(bytes, head, sizeof *head);
    return mdb_put(store->txn, store->dbs[DB_DEAD], &key, &value, 0);
}

/* The bytes of an entry but for its head. */
static uint8_t *compose(const struct gw_store_log *log, const char *sink,
                        const struct gw_store_bury *op, const void *record, size_t record_length,
                        size_t *ret_length)
{
    const char *texts[] = {log->name, sink, op->step ? op->step : "", op->reason ? op->reason : ""};
    struct gw_disk_dead dead = {.died_us = log->store->wall_us(), .attempts = op->attempts};
    for (size_t i = 0; i < 4; i++)
        dead.text_bytes += (uint32_t)strlen(texts[i]) + 1;
    *ret_length = sizeof(struct gw_disk_head) + sizeof dead + dead.text_bytes + record_length;
    uint8_t *bytes = malloc(*ret_length);
    if (!bytes)
        return NULL;
    uint8_t *at = bytes + sizeof(struct gw_disk_head);
    memcpy(at, &dead, sizeof dead);
    at += sizeof dead;
    for (size_t i = 0; i < 4; i++) {
        size_t length = strlen(texts[i]) + 1;
        memcpy(at, texts[i], length);
        at += length;
    }
    memcpy(at, record, record_length);
    return bytes;
}

/* ---- burying ------------------------------------------------------------------------------------
 */

static int bury_steps(struct gw_store *store, struct gw_store_bury *op)
{
    struct gw_store_log *log = op->log;
    struct gw_disk_head head = {.log = log->number, .flags = DEAD_CARRIES};
    size_t length;
    uint8_t *bytes = compose(log, "", op, op->record, op->record_length, &length);
    int rc = bytes ? next_id(store, &head.sequence) : ENOMEM;
    if (!rc)
        rc = put_entry(store, &head, bytes, length);
    free(bytes);
    log->ledger.received++;
    log->ledger.ended[GW_TERM_DEAD_LETTERED]++;
    gw_log_touch(log);
    return rc;
}

int gw_log_bury(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence,
                const struct gw_store_bury *op)
{
    struct gw_store *store = log->store;
    struct gw_disk_head of, head = {.log = log->number, .targets = UINT64_C(1) << sink->number};
    MDB_val key = gw_val(&sequence, sizeof sequence), value;
    size_t length;
    if (!gw_sink_misses(log, sink, sequence))
        return 0;
    int rc = mdb_get(store->txn, log->dbi, &key, &value);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    if (rc || !gw_head_read(value, 1, log->number, sequence, &of) ||
        !gw_head_body_is_whole(value, &of))
        return gw_log_lose(log, sequence);
    uint8_t *bytes = compose(log, sink->label, op, (const uint8_t *)value.mv_data + sizeof of,
                             of.length, &length);
    rc = bytes ? next_id(store, &head.sequence) : ENOMEM;
    log->ended_event = false;
    log->burying = (uint32_t)head.sequence;
    if (!rc)
        rc = gw_log_settle(log, sink, sequence, GW_TERM_DEAD_LETTERED);
    log->burying = 0;
    head.flags = log->ended_event ? DEAD_CARRIES : 0;
    head.group_index = (uint32_t)sequence;
    head.group_count = (uint32_t)(sequence >> 32);
    if (!rc)
        rc = put_entry(store, &head, bytes, length);
    free(bytes);
    return rc;
}

int gw_op_bury(struct gw_store *store, struct gw_store_bury *op)
{
    if (!op->sequence)
        return bury_steps(store, op);
    struct gw_store_sink *sink = gw_log_sink(op->log, op->sink);
    return sink ? gw_log_bury(op->log, sink, op->sequence, op) : 0;
}

/* ---- what operators do --------------------------------------------------------------------------
 */

bool gw_dead_read(MDB_val value, uint64_t id, struct gw_dead_entry *ret)
{
    const char *at, *end;
    if (!gw_head_read(value, 2, 0, id, &ret->head) || !gw_head_body_is_whole(value, &ret->head) ||
        ret->head.length < sizeof ret->dead)
        return false;
    at = (const char *)value.mv_data + sizeof ret->head;
    end = at + ret->head.length;
    memcpy(&ret->dead, at, sizeof ret->dead);
    at += sizeof ret->dead;
    if (ret->dead.text_bytes > (size_t)(end - at))
        return false;
    const char *texts_end = at + ret->dead.text_bytes;
    for (size_t i = 0; i < 4; i++) {
        const char *stop = at < texts_end ? memchr(at, 0, (size_t)(texts_end - at)) : NULL;
        if (!stop)
            return false;
        ret->texts[i] = (struct mg_str){at, (size_t)(stop - at)};
        at = stop + 1;
    }
    ret->record = texts_end;
    ret->record_length = (size_t)(end - texts_end);
    return true;
}

/* Its leg bears the number that the sink had when it was buried; now it may have another. */
static bool renumber(uint8_t *record, size_t length, uint32_t from, uint32_t to)
{
    struct gw_record_wire wire;
    bool found = false;
    if (length < sizeof wire)
        return false;
    memcpy(&wire, record, sizeof wire);
    if (wire.leg_count > length - sizeof wire)
        return false;
    uint8_t *sinks = record + sizeof wire;
    wire.sinks = 0;
    for (uint16_t i = 0; i < wire.leg_count; i++) {
        uint32_t sink = sinks[i];
        found |= sink == from;
        sinks[i] = (uint8_t)(sink == from ? to : sink == to ? from : sink);
        wire.sinks |= UINT64_C(1) << (sinks[i] & 63);
    }
    wire.flags |= GW_RECORD_RETRIED;
    memcpy(record, &wire, sizeof wire);
    return found;
}

static struct gw_store_sink *sink_of(const struct gw_store_log *log,
                                     const struct gw_dead_entry *entry)
{
    for (uint32_t i = 0; log && log->configured && i < log->sink_end; i++)
        if (log->sinks[i] && log->sinks[i]->place != UINT32_MAX &&
            strlen(log->sinks[i]->label) == entry->texts[1].len &&
            !memcmp(log->sinks[i]->label, entry->texts[1].at, entry->texts[1].len))
            return log->sinks[i];
    return NULL;
}

static uint64_t buried_sequence(const struct gw_dead_entry *entry)
{
    return entry->head.group_index | (uint64_t)entry->head.group_count << 32;
}

static int retry(struct gw_store_log *log, const struct gw_dead_entry *entry, int *ret_result)
{
    struct gw_store_sink *sink = sink_of(log, entry);
    uint8_t *record = sink && entry->head.targets ? malloc(entry->record_length) : NULL;
    *ret_result = -EINVAL;
    if (!sink || !entry->head.targets)
        return 0;
    if (!record)
        return ENOMEM;
    memcpy(record, entry->record, entry->record_length);
    uint32_t from = (uint32_t)__builtin_ctzll(entry->head.targets);
    int rc = 0;
    if (renumber(record, entry->record_length, from, sink->number)) {
        *ret_result = 0;
        if (entry->head.flags & DEAD_CARRIES)
            log->ledger.ended[GW_TERM_DEAD_LETTERED]--;
        else
            log->ledger.received++;
        log->stored++;
        rc = gw_log_put(log, record, entry->record_length,
                        &(struct gw_put){UINT64_C(1) << sink->number, 0, 1, true});
    }
    free(record);
    return rc;
}

static void move_count(struct gw_store_log *log, const struct gw_dead_entry *entry, uint32_t action)
{
    if (!log || !(entry->head.flags & DEAD_CARRIES))
        return;
    log->ledger.ended[GW_TERM_DEAD_LETTERED]--;
    if (action == GW_DEAD_DROP)
        log->ledger.ended[GW_TERM_DISCARDED]++;
    else
        log->ledger.received--;
    gw_log_touch(log);
}

/* Where its event goes on without it. */
static int leave_event(struct gw_store_log *log, const struct gw_dead_entry *entry, uint32_t action)
{
    uint64_t sequence = buried_sequence(entry);
    if (!log || entry->head.flags & DEAD_CARRIES || !sequence)
        return 0;
    int rc = gw_log_partial_undo(log, sequence, (uint32_t)entry->head.sequence);
    if (!rc && action == GW_DEAD_DROP)
        rc = gw_log_partial(log, sequence, GW_TERM_DISCARDED, 0);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int edit(struct gw_store *store, struct gw_store_log *log, struct gw_store_dead_op *op,
                struct gw_dead_entry *entry)
{
    struct gw_record_room room = {0};
    struct gw_record record;
    size_t before = sizeof entry->head + sizeof entry->dead + entry->dead.text_bytes;
    int error = gw_record_decode(op->record, op->record_length, &room, &record, NULL);
    gw_record_room_fini(&room);
    if (error) {
        op->result = error == -ENOMEM ? error : -EINVAL;
        return 0;
    }
    uint8_t *bytes = malloc(before + op->record_length);
    if (!bytes)
        return ENOMEM;
    memcpy(bytes, (const uint8_t *)entry->record - before, before);
    if (log && log->configured)
        gw_head_copy_record(log, bytes + before, op->record, op->record_length);
    else
        memcpy(bytes + before, op->record, op->record_length);
    int rc = put_entry(store, &entry->head, bytes, before + op->record_length);
    free(bytes);
    return rc;
}

int gw_op_dead(struct gw_store *store, struct gw_store_dead_op *op)
{
    struct gw_dead_entry entry;
    MDB_val key = gw_val(&op->id, sizeof op->id), value;
    int rc = mdb_get(store->txn, store->dbs[DB_DEAD], &key, &value);
    op->result = -ENOENT;
    if (rc)
        return rc == MDB_NOTFOUND ? 0 : rc;
    op->result = 0;
    if (!gw_dead_read(value, op->id, &entry)) {
        gw_quarantine(store, "dead-letter", value);
        op->result = -ENOENT;
        return mdb_del(store->txn, store->dbs[DB_DEAD], &key, NULL);
    }
    struct gw_store_log *log = gw_log_find(store, entry.head.log);
    if (op->action == GW_DEAD_EDIT)
        return edit(store, log, op, &entry);
    if (op->action == GW_DEAD_RETRY) {
        rc = retry(log, &entry, &op->result);
        if (rc || op->result)
            return rc;
        /* The put may have moved what value pointed to; the numbers are copies. */
    } else {
        move_count(log, &entry, op->action);
    }
    rc = leave_event(log, &entry, op->action);
    return rc ? rc : mdb_del(store->txn, store->dbs[DB_DEAD], &key, NULL);
}

void gw_store_dead_op_init(struct gw_store_dead_op *op, uint64_t id, uint32_t action)
{
    *op = (struct gw_store_dead_op){.op = {.kind = OP_DEAD}, .id = id, .action = action};
}
