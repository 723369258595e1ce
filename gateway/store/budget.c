/* SPDX-License-Identifier: Apache-2.0 */
/* Backlogs that are full: wait, refuse what comes, or discard what waits. */
#include "store/internal.h"
#include "store/record_wire.h"
#include <string.h>

struct size {
    uint64_t count, bytes;
};

static int64_t arrival_of(struct gw_store_log *log, uint64_t sequence)
{
    struct gw_record_wire wire;
    MDB_val key = gw_val(&sequence, sizeof sequence), value;
    if (mdb_get(log->store->txn, log->dbi, &key, &value) ||
        value.mv_size < sizeof(struct gw_disk_head) + sizeof wire)
        return 0;
    memcpy(&wire, (const char *)value.mv_data + sizeof(struct gw_disk_head), sizeof wire);
    return wire.arrived_us;
}

static bool too_old(struct gw_store_log *log, struct gw_store_sink *sink)
{
    if (log->settings.backlog_age_ms <= 0 || !sink->count)
        return false;
    if (sink->oldest != sink->first) {
        sink->oldest = sink->first;
        sink->oldest_us = arrival_of(log, sink->first);
    }
    return sink->oldest_us < log->store->wall_us() - log->settings.backlog_age_ms * 1000;
}

/* What is larger than the whole budget passes where nothing else waits: it could never. */
static bool over(struct gw_store_log *log, struct gw_store_sink *sink, struct size more)
{
    const struct gw_store_log_settings *s = &log->settings;
    if (!sink->count)
        return false;
    return (s->backlog_count > 0 && sink->count + more.count > (uint64_t)s->backlog_count) ||
           (s->backlog_bytes > 0 && sink->bytes + more.bytes > (uint64_t)s->backlog_bytes) ||
           too_old(log, sink);
}

static bool over_any(struct gw_store_log *log, uint64_t targets, struct size more,
                     uint64_t *ret_over)
{
    *ret_over = 0;
    for (uint32_t i = 0; i < log->sink_end; i++)
        if (targets >> i & 1 && log->sinks[i] && over(log, log->sinks[i], more))
            *ret_over |= UINT64_C(1) << i;
    return *ret_over != 0;
}

/* ---- discarding ---------------------------------------------------------------------------------
 */

/* MDB_NOTFOUND: all that waits is in the lane's hand. */
static int drop_oldest(struct gw_store_log *log, struct gw_store_sink *sink)
{
    uint64_t from = sink->drop_from > sink->loaded ? sink->drop_from : sink->loaded;
    uint64_t sequence = gw_places_next_clear(&sink->settled, from, log->end);
    if (sequence >= log->end)
        return MDB_NOTFOUND;
    sink->drop_from = sequence + 1;
    return gw_log_settle(log, sink, sequence, GW_TERM_DISCARDED);
}

struct latest_key {
    uint8_t sink[4], key[8];
};

static struct latest_key latest_key(const struct gw_store_sink *sink, uint64_t key)
{
    struct latest_key name;
    struct gw_disk_place_key numbers = gw_place_key(0, sink->number, key);
    memcpy(name.sink, numbers.sink, sizeof name.sink);
    memcpy(name.key, numbers.place, sizeof name.key);
    return name;
}

static int latest_get(struct gw_store_log *log, const struct gw_store_sink *sink, uint64_t key,
                      uint64_t *ret_sequence)
{
    struct latest_key name = latest_key(sink, key);
    MDB_val k = gw_val(&name, sizeof name), value;
    int rc = mdb_get(log->store->txn, log->latest, &k, &value);
    if (rc)
        return rc;
    if (value.mv_size != sizeof *ret_sequence)
        return MDB_NOTFOUND;
    memcpy(ret_sequence, value.mv_data, sizeof *ret_sequence);
    return 0;
}

int gw_latest_note(struct gw_store_log *log, uint64_t targets, uint64_t key, uint64_t sequence)
{
    int rc = 0;
    for (; key && targets && !rc; targets &= targets - 1) {
        struct latest_key name = latest_key(log->sinks[__builtin_ctzll(targets)], key);
        MDB_val k = gw_val(&name, sizeof name), value = gw_val(&sequence, sizeof sequence);
        rc = mdb_put(log->store->txn, log->latest, &k, &value, 0);
    }
    return rc;
}

int gw_latest_forget(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t key,
                     uint64_t sequence)
{
    uint64_t noted;
    int rc = latest_get(log, sink, key, &noted);
    if (rc || noted != sequence)
        return rc == MDB_NOTFOUND ? 0 : rc;
    struct latest_key name = latest_key(sink, key);
    MDB_val k = gw_val(&name, sizeof name);
    return mdb_del(log->store->txn, log->latest, &k, NULL);
}

/* Of the keys of the event's records, those that wait already; else the oldest. */
static int drop_same_key(struct gw_store_log *log, struct gw_store_sink *sink,
                         const struct gw_store_append *op)
{
    for (size_t i = 0; i < op->count; i++) {
        struct gw_record_wire wire;
        uint64_t sequence;
        memcpy(&wire, op->records[i], sizeof wire);
        int rc = wire.key ? latest_get(log, sink, wire.key, &sequence) : MDB_NOTFOUND;
        if (!rc && sequence >= sink->loaded && gw_sink_misses(log, sink, sequence))
            return gw_log_settle(log, sink, sequence, GW_TERM_DISCARDED);
        if (rc && rc != MDB_NOTFOUND)
            return rc;
    }
    return drop_oldest(log, sink);
}

static int make_room(struct gw_store_log *log, struct gw_store_sink *sink,
                     const struct gw_store_append *op, struct size more)
{
    int rc = 0;
    while (!rc && over(log, sink, more))
        rc = log->settings.when_full == GW_FULL_LATEST_PER_KEY ? drop_same_key(log, sink, op)
                                                               : drop_oldest(log, sink);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int gw_budget_admit(struct gw_store_log *log, const struct gw_store_append *op, uint64_t targets,
                    uint64_t *ret_admitted)
{
    struct size more = {op->count, 0};
    uint64_t full;
    int rc = 0;
    for (size_t i = 0; i < op->count; i++)
        more.bytes += op->lengths[i];
    *ret_admitted = targets;
    if (!over_any(log, targets, more, &full))
        return 0;
    switch (log->settings.when_full) {
    case GW_FULL_BLOCK:
        return RC_BLOCKED;
    case GW_FULL_DROP_NEWEST:
        *ret_admitted &= ~full;
        return 0;
    default:
        for (; full && !rc; full &= full - 1)
            rc = make_room(log, log->sinks[__builtin_ctzll(full)], op, more);
        return rc;
    }
}
