/* SPDX-License-Identifier: Apache-2.0 */
/* Settling: one sink is done with a record; when all are, the record goes; when all records of its
 * event are gone, the ledger hears of it. */
#include "store/internal.h"
#include "store/record_wire.h"
#include <string.h>

enum { OF_EVENT = 0, OF_RECORD = 1 }; /* what an entry of DB_GROUPS is about */

static int weight(uint32_t term)
{
    return term == GW_TERM_DEAD_LETTERED ? 3
           : term == GW_TERM_DISCARDED   ? 2
           : term == GW_TERM_EXPIRED     ? 1
                                         : 0;
}

static uint32_t worse(uint32_t one, uint32_t other)
{
    return weight(one) >= weight(other) ? one : other;
}

static int group_get(struct gw_store_log *log, uint32_t what, uint64_t sequence,
                     struct gw_disk_group *ret)
{
    struct gw_disk_place_key name = gw_place_key(log->number, what, sequence);
    MDB_val key = gw_val(&name, sizeof name), value;
    int rc = mdb_get(log->store->txn, log->store->dbs[DB_GROUPS], &key, &value);
    if (rc)
        return rc;
    if (value.mv_size != sizeof *ret)
        return MDB_NOTFOUND;
    memcpy(ret, value.mv_data, sizeof *ret);
    return 0;
}

static int group_put(struct gw_store_log *log, uint32_t what, uint64_t sequence,
                     const struct gw_disk_group *group)
{
    struct gw_disk_place_key name = gw_place_key(log->number, what, sequence);
    MDB_val key = gw_val(&name, sizeof name), value = gw_val(group, sizeof *group);
    return mdb_put(log->store->txn, log->store->dbs[DB_GROUPS], &key, &value, 0);
}

static int group_remove(struct gw_store_log *log, uint32_t what, uint64_t sequence)
{
    struct gw_disk_place_key name = gw_place_key(log->number, what, sequence);
    MDB_val key = gw_val(&name, sizeof name);
    return mdb_del(log->store->txn, log->store->dbs[DB_GROUPS], &key, NULL);
}

/* One sink ended a record otherwise than delivered while others are still to get it. */
int gw_log_partial(struct gw_store_log *log, uint64_t sequence, uint32_t term, uint32_t dead)
{
    struct gw_disk_group group = {dead, term};
    int rc = log->partial ? group_get(log, OF_RECORD, sequence, &group) : MDB_NOTFOUND;
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    log->partial += rc == MDB_NOTFOUND;
    if (weight(term) > weight(group.worst))
        group = (struct gw_disk_group){dead, term};
    gw_log_touch(log);
    return group_put(log, OF_RECORD, sequence, &group);
}

/* A dead letter leaves while other sinks still miss its record: it no longer says how that ends. */
int gw_log_partial_undo(struct gw_store_log *log, uint64_t sequence, uint32_t dead)
{
    struct gw_disk_group group;
    int rc = log->partial ? group_get(log, OF_RECORD, sequence, &group) : MDB_NOTFOUND;
    if (rc || group.left != dead || group.worst != GW_TERM_DEAD_LETTERED)
        return rc;
    log->partial--;
    gw_log_touch(log);
    return group_remove(log, OF_RECORD, sequence);
}

static void event_ended(struct gw_store_log *log, uint32_t term)
{
    log->ledger.ended[term]++;
    log->stored--;
}

/* The last sink is done with a record. */
static int record_ended(struct gw_store_log *log, const struct gw_disk_head *head, uint32_t term)
{
    struct gw_disk_group group;
    uint64_t first = head->sequence - head->group_index;
    int rc = log->partial ? group_get(log, OF_RECORD, head->sequence, &group) : MDB_NOTFOUND;
    if (!rc) {
        if (!log->settings.any || term != GW_TERM_DELIVERED)
            term = worse(term, group.worst);
        log->partial--;
        rc = group_remove(log, OF_RECORD, head->sequence);
    }
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    log->ended_event = false;
    rc = head->group_count > 1 ? group_get(log, OF_EVENT, first, &group) : MDB_NOTFOUND;
    if (rc == MDB_NOTFOUND) {
        log->ended_event = true;
        event_ended(log, term);
        return 0;
    }
    if (rc)
        return rc;
    group.worst = worse(group.worst, term);
    if (--group.left)
        return group_put(log, OF_EVENT, first, &group);
    log->ended_event = true;
    event_ended(log, group.worst);
    return group_remove(log, OF_EVENT, first);
}

/* ---- one record --------------------------------------------------------------------------------
 */

static int find(struct gw_store_log *log, uint64_t sequence, MDB_val *ret)
{
    MDB_val key = gw_val(&sequence, sizeof sequence);
    int rc = log->finger ? 0 : mdb_cursor_open(log->store->txn, log->dbi, &log->finger);
    return rc ? rc : mdb_cursor_get(log->finger, &key, ret, MDB_SET);
}

static int tick(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence,
                uint64_t length)
{
    if (sink->count)
        sink->count--;
    sink->bytes = sink->bytes > length ? sink->bytes - length : 0;
    gw_sink_touch(sink, log);
    log->store->settled = true;
    if (sequence == sink->first) {
        sink->first++;
        return gw_sink_advance(log, sink);
    }
    return gw_places_set(&sink->settled, sequence, sink->first);
}

/* What is kept of a record for one sink goes with it. */
static int forget(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence,
                  uint64_t key)
{
    int rc = 0;
    if (log->marks) {
        struct gw_disk_place_key name = gw_place_key(log->number, sink->number, sequence);
        MDB_val at = gw_val(&name, sizeof name);
        rc = mdb_del(log->store->txn, log->store->dbs[DB_MARKS], &at, NULL);
        log->marks -= !rc;
        rc = rc == MDB_NOTFOUND ? 0 : rc;
    }
    if (!rc && log->store->has_leases)
        rc = gw_lease_forget(log, sink, sequence);
    if (!rc && log->has_latest && key)
        rc = gw_latest_forget(log, sink, key, sequence);
    return rc;
}

static uint64_t key_of(const struct gw_store_log *log, MDB_val value)
{
    struct gw_record_wire wire;
    if (!log->has_latest || value.mv_size < sizeof(struct gw_disk_head) + sizeof wire)
        return 0;
    memcpy(&wire, (const char *)value.mv_data + sizeof(struct gw_disk_head), sizeof wire);
    return wire.key;
}

/* Sinks (by lasting number) of `of` that still miss it. */
static uint64_t missing(const struct gw_store_log *log, uint64_t of, uint64_t sequence)
{
    uint64_t left = 0;
    for (; of; of &= of - 1) {
        uint32_t number = (uint32_t)__builtin_ctzll(of);
        if (log->sinks[number] && gw_sink_misses(log, log->sinks[number], sequence))
            left |= UINT64_C(1) << number;
    }
    return left;
}

/* Ticks it off for all of sinks. */
static int tick_all(struct gw_store_log *log, uint64_t sinks, uint64_t sequence, uint64_t length,
                    uint64_t key)
{
    int rc = 0;
    for (; sinks && !rc; sinks &= sinks - 1) {
        struct gw_store_sink *sink = log->sinks[__builtin_ctzll(sinks)];
        rc = tick(log, sink, sequence, length);
        if (!rc && (log->marks || log->has_latest || log->store->has_leases))
            rc = forget(log, sink, sequence, key);
    }
    return rc;
}

int gw_log_settle(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence,
                  uint32_t term)
{
    struct gw_disk_head head;
    MDB_val value;
    if (!gw_sink_misses(log, sink, sequence))
        return 0;
    int rc = find(log, sequence, &value);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    if (rc || !gw_head_read(value, 1, log->number, sequence, &head))
        return gw_log_lose(log, sequence);
    uint64_t key = key_of(log, value), mine = UINT64_C(1) << sink->number;
    uint64_t others = missing(log, head.targets & ~mine, sequence), done = mine;
    if (log->settings.any && term == GW_TERM_DELIVERED) {
        done |= others;
        others = 0;
    }
    rc = tick_all(log, done, sequence, head.length, key);
    if (rc)
        return rc;
    if (others)
        return term == GW_TERM_DELIVERED ? 0 : gw_log_partial(log, sequence, term, log->burying);
    /* The entries of others may have moved the cursor's page, not its place. */
    rc = mdb_cursor_del(log->finger, 0);
    return rc ? rc : record_ended(log, &head, term);
}

int gw_log_end_unwanted(struct gw_store_log *log, uint64_t sequence)
{
    struct gw_disk_head head;
    MDB_val value;
    int rc = find(log, sequence, &value);
    if (rc)
        return rc;
    if (!gw_head_read(value, 1, log->number, sequence, &head) || head.targets)
        return 0;
    rc = mdb_cursor_del(log->finger, 0);
    return rc ? rc : record_ended(log, &head, GW_TERM_DISCARDED);
}

int gw_log_lose(struct gw_store_log *log, uint64_t sequence)
{
    struct gw_disk_head head = {.sequence = sequence, .group_count = 1};
    MDB_val value;
    uint64_t sinks = missing(log, UINT64_MAX, sequence);
    if (!sinks)
        return 0;
    int rc = find(log, sequence, &value);
    bool there = !rc;
    if (there)
        gw_quarantine(log->store, "record", value);
    else if (rc != MDB_NOTFOUND)
        return rc;
    if (there && !gw_head_read(value, 1, log->number, sequence, &head))
        head = (struct gw_disk_head){.sequence = sequence, .group_count = 1};
    rc = tick_all(log, sinks, sequence, head.length, 0);
    if (rc || !there)
        return rc;
    rc = mdb_cursor_del(log->finger, 0);
    return rc ? rc : record_ended(log, &head, GW_TERM_DISCARDED);
}

int gw_op_settle(struct gw_store *store, struct gw_store_settle *op)
{
    struct gw_store_sink *sink = gw_log_sink(op->log, op->sink);
    int rc = 0;
    (void)store;
    for (uint32_t i = 0; sink && i < op->count && !rc; i++) {
        uint32_t term = op->items[i].term;
        rc = gw_log_settle(
            op->log, sink, op->items[i].sequence,
            term == GW_TERM_DELIVERED || term == GW_TERM_EXPIRED ? term : GW_TERM_DISCARDED);
    }
    return rc;
}
