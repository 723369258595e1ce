/* SPDX-License-Identifier: Apache-2.0 */
/* What a transaction changed of its logs: written once before the commit, shown after it. */
#include "base/hash.h"
#include "store/internal.h"
#include "store/record_wire.h"
#include "store/rows.h"
#include <string.h>

void gw_log_touch(struct gw_store_log *log)
{
    if (log->dirty)
        return;
    log->dirty = true;
    log->next_dirty = log->store->dirty;
    log->store->dirty = log;
}

void gw_sink_touch(struct gw_store_sink *sink, struct gw_store_log *log)
{
    sink->dirty = true;
    gw_log_touch(log);
}

struct gw_store_sink *gw_log_sink(const struct gw_store_log *log, uint32_t place)
{
    return place < log->places ? log->sinks[log->lasting[place]] : NULL;
}

bool gw_sink_misses(const struct gw_store_log *log, const struct gw_store_sink *sink,
                    uint64_t sequence)
{
    return sequence >= sink->first && sequence < log->end &&
           !gw_places_has(&sink->settled, sequence);
}

struct gone {
    struct gw_store_log *log;
    struct gw_store_sink *sink;
};

static int place_gone(void *arg, uint64_t place)
{
    const struct gone *gone = arg;
    struct gw_disk_place_key name = gw_place_key(gone->log->number, gone->sink->number, place);
    MDB_val key = gw_val(&name, sizeof name);
    int rc = mdb_del(gone->log->store->txn, gone->log->store->dbs[DB_DONE], &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int gw_sink_advance(struct gw_store_log *log, struct gw_store_sink *sink)
{
    struct gone gone = {log, sink};
    sink->first = gw_places_next_clear(&sink->settled, sink->first, log->end);
    return gw_places_forget(&sink->settled, sink->first / PLACE_BITS, place_gone, &gone);
}

/* ---- writing ----------------------------------------------------------------------------------
 */

static int write_places(struct gw_store_log *log, struct gw_store_sink *sink)
{
    struct gw_places *places = &sink->settled;
    uint64_t from = places->dirty_first < places->base ? places->base : places->dirty_first;
    for (uint64_t place = from; place < places->dirty_end; place++) {
        struct gw_place *p = gw_places_at(places, place);
        if (!p || !p->dirty)
            continue;
        struct gw_disk_place_key name = gw_place_key(log->number, sink->number, place);
        struct gw_disk_place row;
        memcpy(row.bits, p->bits, sizeof row.bits);
        row.sum = gw_rows_place_sum(&name, row.bits);
        MDB_val key = gw_val(&name, sizeof name), value = gw_val(&row, sizeof row);
        int rc = mdb_put(log->store->txn, log->store->dbs[DB_DONE], &key, &value, 0);
        if (rc)
            return rc;
        p->dirty = false;
        p->on_disk = true;
    }
    places->dirty_first = places->dirty_end = 0;
    return 0;
}

/* When the oldest record that it misses arrived. */
static void look_at_oldest(struct gw_store_log *log, struct gw_store_sink *sink)
{
    struct gw_disk_head head;
    struct gw_record_wire wire;
    uint64_t sequence = sink->first;
    MDB_val key = gw_val(&sequence, sizeof sequence), value;
    if (!sink->count || sink->oldest == sequence)
        return;
    sink->oldest = sequence;
    sink->oldest_us = 0;
    if (mdb_get(log->store->txn, log->dbi, &key, &value) ||
        value.mv_size < sizeof head + sizeof wire)
        return;
    memcpy(&wire, (const char *)value.mv_data + sizeof head, sizeof wire);
    sink->oldest_us = wire.arrived_us;
}

static int write_cursor(struct gw_store_log *log, struct gw_store_sink *sink)
{
    struct gw_disk_cursor cursor = {.magic = GW_DISK_CURSOR_MAGIC,
                                    .log = log->number,
                                    .sink = sink->number,
                                    .first = sink->first,
                                    .count = sink->count,
                                    .bytes = sink->bytes,
                                    .commit = log->store->commit_number};
    cursor.sum = gw_hash64(&cursor, offsetof(struct gw_disk_cursor, sum));
    struct gw_disk_sink_key name = gw_sink_key(log->number, sink->number);
    MDB_val key = gw_val(&name, sizeof name), value = gw_val(&cursor, sizeof cursor);
    int rc = mdb_put(log->store->txn, log->store->dbs[DB_CURSORS], &key, &value, 0);
    if (!rc)
        rc = write_places(log, sink);
    look_at_oldest(log, sink);
    return rc;
}

int gw_logs_write_dirty(struct gw_store *store)
{
    for (struct gw_store_log *log = store->dirty; log; log = log->next_dirty) {
        uint32_t number = log->number;
        log->ledger.next_sequence = log->end;
        MDB_val key = gw_val(&number, sizeof number);
        MDB_val value = gw_val(&log->ledger, sizeof log->ledger);
        int rc = mdb_put(store->txn, store->dbs[DB_LEDGER], &key, &value, 0);
        for (uint32_t i = 0; i < log->sink_end && !rc; i++)
            if (log->sinks[i] && log->sinks[i]->dirty)
                rc = write_cursor(log, log->sinks[i]);
        if (rc)
            return rc;
    }
    store->commit_number++;
    return 0;
}

/* ---- afterwards -------------------------------------------------------------------------------
 */

void gw_log_publish(struct gw_store_log *log)
{
    struct gw_store_ledger ledger = {
        .received = log->ledger.received, .stored = log->stored, .retries = log->ledger.retries};
    for (size_t i = 0; i < GW_TERMS; i++)
        ledger.ended[i] = log->ledger.ended[i];
    pthread_mutex_lock(&log->show_lock);
    log->shown = ledger;
    for (uint32_t i = 0; i < log->places; i++) {
        const struct gw_store_sink *sink = log->sinks[log->lasting[i]];
        log->shown_sinks[i] = (struct gw_store_backlog){
            .count = sink->count,
            .bytes = sink->bytes,
            .first = sink->first,
            .end = log->end,
            .oldest_us = sink->count && sink->oldest == sink->first ? sink->oldest_us : 0};
    }
    pthread_mutex_unlock(&log->show_lock);
}

static struct gw_store_log *take_dirty(struct gw_store *store)
{
    struct gw_store_log *log = store->dirty;
    if (!log)
        return NULL;
    store->dirty = log->next_dirty;
    log->dirty = false;
    log->next_dirty = NULL;
    log->finger = NULL; /* LMDB closed it with its transaction */
    return log;
}

void gw_logs_publish_dirty(struct gw_store *store)
{
    struct gw_store_log *log;
    while ((log = take_dirty(store))) {
        for (uint32_t i = 0; i < log->sink_end; i++)
            if (log->sinks[i])
                log->sinks[i]->dirty = false;
        gw_log_publish(log);
    }
}

/* After an abort.  A log that cannot be read stays dirty. */
int gw_logs_reload_dirty(struct gw_store *store)
{
    struct gw_store_log *log;
    int rc = store->env ? mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->txn) : MDB_PANIC;
    if (rc == MDB_PANIC) { /* a commit failed where LMDB gives up: it has to open the file anew */
        rc = gw_engine_reopen(store);
        if (!rc)
            rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &store->txn);
    }
    if (rc)
        return rc;
    while ((log = store->dirty)) {
        if (log->on_disk)
            log->end = 1;
        rc = log->on_disk ? gw_log_load(log) : 0;
        if (rc)
            break;
        take_dirty(store);
    }
    gw_engine_abort(store);
    return rc;
}

uint32_t gw_store_log_number(const struct gw_store_log *log)
{
    return log->number;
}

void gw_store_log_ledger(struct gw_store_log *log, struct gw_store_ledger *ret_ledger)
{
    pthread_mutex_lock(&log->show_lock);
    *ret_ledger = log->shown;
    pthread_mutex_unlock(&log->show_lock);
}

void gw_store_log_backlog(struct gw_store_log *log, uint32_t sink, struct gw_store_backlog *ret)
{
    pthread_mutex_lock(&log->show_lock);
    *ret = sink < log->places ? log->shown_sinks[sink] : (struct gw_store_backlog){0};
    pthread_mutex_unlock(&log->show_lock);
}

void gw_store_log_sent(struct gw_store_log *log, uint32_t sink, uint64_t end)
{
    struct gw_store_sink *s = gw_log_sink(log, sink);
    if (s)
        atomic_store_explicit(&s->sent_end, end, memory_order_relaxed);
}

void gw_store_hand(struct gw_store_log *log, uint32_t sink, uint64_t sequence, bool in_hand)
{
    struct gw_store_sink *s = gw_log_sink(log, sink);
    if (s && in_hand)
        gw_hand_take(s->hand, sequence);
    else if (s)
        gw_hand_give(s->hand, sequence);
}

void gw_store_not_sent(struct gw_store_log *log, uint32_t sink, uint64_t sequence)
{
    struct gw_store_sink *s = gw_log_sink(log, sink);
    if (s)
        gw_hand_not_sent(s->hand, sequence);
}

void gw_store_step(struct gw_store *store, uint32_t shard, const uint64_t identity[2])
{
    if (store)
        gw_hand_step(store->hand, shard, identity);
}

void gw_store_was_in_step(const struct gw_store *store, uint32_t shard, uint64_t ret_identity[2])
{
    gw_hand_was_in_step(store->hand, shard, ret_identity);
}
