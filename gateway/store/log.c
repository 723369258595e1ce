/* SPDX-License-Identifier: Apache-2.0 */
/* Logs in memory, and reading them from disk: their entry, cursors, settled places, ledger. */
#include "base/hash.h"
#include "store/internal.h"
#include "store/rows.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

struct gw_store_log *gw_log_new(struct gw_store *store, const char *name, uint32_t number)
{
    struct gw_store_log *log = calloc(1, sizeof *log);
    if (!log)
        return NULL;
    log->store = store;
    log->number = number;
    log->end = 1;
    pthread_mutex_init(&log->show_lock, NULL);
    log->name = strdup(name);
    if (!log->name) {
        gw_log_free(log);
        return NULL;
    }
    return log;
}

void gw_sink_free(struct gw_store_sink *sink)
{
    if (!sink)
        return;
    gw_places_fini(&sink->settled);
    free(sink->label);
    free(sink);
}

void gw_log_free(struct gw_store_log *log)
{
    if (!log)
        return;
    for (uint32_t i = 0; i < log->sink_end; i++)
        gw_sink_free(log->sinks[i]);
    gw_identities_fini(&log->identities);
    pthread_mutex_destroy(&log->show_lock);
    free(log->name);
    free(log);
}

int gw_log_keep(struct gw_store_log *log)
{
    struct gw_store *store = log->store;
    void *more = realloc(store->logs, (store->log_count + 1) * sizeof(struct gw_store_log *));
    if (!more)
        return ENOMEM;
    store->logs = more;
    store->logs[store->log_count++] = log;
    return 0;
}

struct gw_store_log *gw_log_find(struct gw_store *store, uint32_t number)
{
    for (size_t i = 0; i < store->log_count; i++)
        if (store->logs[i]->number == number)
            return store->logs[i];
    return NULL;
}

struct gw_store_sink *gw_log_add_sink(struct gw_store_log *log, uint32_t number, const char *label)
{
    struct gw_store_sink *sink = calloc(1, sizeof *sink);
    if (!sink || !(sink->label = strdup(label))) {
        free(sink);
        return NULL;
    }
    sink->number = number;
    sink->place = UINT32_MAX;
    sink->first = sink->drop_from = log->end;
    log->sinks[number] = sink;
    if (number >= log->sink_end)
        log->sink_end = number + 1;
    return sink;
}

int gw_log_open_handles(struct gw_store_log *log)
{
    struct gw_store *store = log->store;
    const struct {
        const char *kind;
        MDB_dbi *dbi;
        bool *has;
    } others[] = {{"dedup", &log->dedup, &log->has_dedup},
                  {"archive", &log->archive, &log->has_archive},
                  {"latest", &log->latest, &log->has_latest}};
    int rc = gw_engine_open_named(store, "log", log->number, !store->read_only, &log->dbi);
    for (size_t i = 0; i < sizeof others / sizeof *others && !rc; i++) {
        rc = gw_engine_open_named(store, others[i].kind, log->number, false, others[i].dbi);
        *others[i].has = !rc;
        rc = rc == MDB_NOTFOUND ? 0 : rc;
    }
    return rc;
}

/* ---- reading ----------------------------------------------------------------------------------
 */

enum { GAP_MOST = 1 << 24 };

/* Counts what a sink misses, where its cursor or its settled places cannot say: after damage.  What
 * has no record any more is settled; a record that cannot be read is not, so that a reader meets
 * it. */
static int recount(struct gw_store_log *log, struct gw_store_sink *sink)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t next = sink->first;
    int rc = mdb_cursor_open(log->store->txn, log->dbi, &cursor);
    if (rc)
        return rc;
    sink->count = sink->bytes = 0;
    while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        struct gw_disk_head head = {.targets = UINT64_MAX};
        uint64_t sequence;
        memcpy(&sequence, key.mv_data, sizeof sequence);
        if (sequence < sink->first)
            continue;
        if (!gw_head_read(value, 1, log->number, sequence, &head))
            head = (struct gw_disk_head){.targets = UINT64_MAX};
        if (!(head.targets >> sink->number & 1) || gw_places_has(&sink->settled, sequence))
            continue;
        if (!sink->count++ && sequence - next > GAP_MOST)
            next = sink->first = sequence; /* nothing is known of what was before */
        sink->bytes += head.length;
        rc = gw_places_set_range(&sink->settled, next, sequence, sink->first);
        if (rc)
            break;
        next = sequence + 1;
    }
    mdb_cursor_close(cursor);
    if (rc == MDB_NOTFOUND && !sink->count)
        next = sink->first = log->end;
    if (rc == MDB_NOTFOUND)
        rc = gw_places_set_range(&sink->settled, next, log->end, sink->first);
    sink->first = gw_places_next_clear(&sink->settled, sink->first, log->end);
    gw_sink_touch(sink, log);
    return rc;
}

/* Where the ledger that knows the end is lost, settled places tell of records that are gone. */
enum { PLACES_BEYOND = 4096 };

/* false: damaged, or nonsense. */
static bool read_place(const struct gw_store_log *log, MDB_val key, MDB_val value,
                       uint64_t *ret_place, struct gw_disk_place *ret)
{
    struct gw_disk_place_key name;
    memcpy(&name, key.mv_data, sizeof name);
    *ret_place = gw_rows_big(name.place, sizeof name.place);
    if (value.mv_size != sizeof *ret)
        return false;
    memcpy(ret, value.mv_data, sizeof *ret);
    /* Room for all up to a place far beyond the end must not be asked for. */
    return ret->sum == gw_rows_place_sum(&name, ret->bits) &&
           *ret_place <= log->end / PLACE_BITS + PLACES_BEYOND;
}

/* *ret_whole becomes false where some of them are damaged. */
static int load_settled(struct gw_store_log *log, struct gw_store_sink *sink, bool *ret_whole)
{
    MDB_cursor *cursor;
    struct gw_disk_place_key from =
        gw_place_key(log->number, sink->number, sink->first / PLACE_BITS);
    MDB_val key = gw_val(&from, sizeof from), value;
    gw_places_fini(&sink->settled);
    int rc = mdb_cursor_open(log->store->txn, log->store->dbs[DB_DONE], &cursor);
    if (rc)
        return rc;
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); !rc;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        uint64_t place;
        struct gw_disk_place row;
        if (key.mv_size != sizeof from || memcmp(key.mv_data, &from, 8))
            break;
        if (!read_place(log, key, value, &place, &row)) {
            gw_quarantine(log->store, "row-of-settled-places", value);
            gw_store_find(log->store, MG_WARN,
                          "route %s: what sink \"%s\" had settled of some 512 records is lost; "
                          "those that are there are sent again",
                          log->name, sink->label);
            *ret_whole = false;
            if (!log->store->read_only)
                rc = mdb_cursor_del(cursor, 0);
            if (rc && rc != EACCES) /* read again after a failure, in a transaction that reads */
                break;
            continue;
        }
        rc = gw_places_set(&sink->settled, place * PLACE_BITS, sink->first);
        if (rc)
            break;
        struct gw_place *p = gw_places_at(&sink->settled, place);
        memcpy(p->bits, row.bits, sizeof p->bits);
        p->dirty = false;
        p->on_disk = true;
        for (uint64_t i = 0; i < PLACE_BITS; i++)
            if (p->bits[i / 64] >> i % 64 & 1 && place * PLACE_BITS + i >= log->end)
                log->end = place * PLACE_BITS + i + 1;
    }
    sink->settled.dirty_first = sink->settled.dirty_end = 0;
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static bool cursor_is_whole(const struct gw_store_log *log, const struct gw_store_sink *sink,
                            MDB_val value, struct gw_disk_cursor *ret)
{
    if (value.mv_size != sizeof *ret)
        return false;
    memcpy(ret, value.mv_data, sizeof *ret);
    return ret->magic == GW_DISK_CURSOR_MAGIC && ret->log == log->number &&
           ret->sink == sink->number &&
           ret->sum == gw_hash64(ret, offsetof(struct gw_disk_cursor, sum));
}

/* Before the settled places and the end are known. */
static int load_cursor(struct gw_store_log *log, struct gw_store_sink *sink, bool *ret_whole)
{
    struct gw_disk_sink_key name = gw_sink_key(log->number, sink->number);
    struct gw_disk_cursor cursor;
    MDB_val key = gw_val(&name, sizeof name), value;
    int rc = mdb_get(log->store->txn, log->store->dbs[DB_CURSORS], &key, &value);
    *ret_whole = !rc && cursor_is_whole(log, sink, value, &cursor);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    if (*ret_whole) {
        sink->first = cursor.first;
        sink->count = cursor.count;
        sink->bytes = cursor.bytes;
        if (cursor.commit >= log->store->commit_number)
            log->store->commit_number = cursor.commit + 1;
        if (cursor.first > log->end)
            log->end = cursor.first;
    } else {
        sink->first = 0;
        if (!rc)
            gw_quarantine(log->store, "cursor", value);
        gw_store_find(log->store, MG_WARN,
                      "route %s: the cursor of sink \"%s\" is lost; all records of the log that it "
                      "may be missing are sent again",
                      log->name, sink->label);
    }
    sink->drop_from = sink->first;
    sink->oldest = 0;
    sink->dirty = false;
    return 0;
}

static int load_end(struct gw_store_log *log)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(log->store->txn, log->dbi, &cursor);
    if (rc)
        return rc;
    rc = mdb_cursor_get(cursor, &key, &value, MDB_LAST);
    if (!rc) {
        uint64_t last;
        memcpy(&last, key.mv_data, sizeof last);
        if (last >= log->end)
            log->end = last + 1;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Events that are not done: a record each, but for those of several. */
static int load_stored(struct gw_store_log *log)
{
    MDB_cursor *cursor;
    MDB_stat stat;
    struct gw_disk_place_key from = gw_place_key(log->number, 0, 0);
    MDB_val key = gw_val(&from, sizeof from), value;
    int rc = mdb_stat(log->store->txn, log->dbi, &stat);
    if (!rc)
        rc = mdb_cursor_open(log->store->txn, log->store->dbs[DB_GROUPS], &cursor);
    if (rc)
        return rc;
    log->stored = stat.ms_entries;
    log->partial = 0;
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE); !rc;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        struct gw_disk_group group;
        const uint8_t *bytes = key.mv_data;
        if (key.mv_size != sizeof from || memcmp(bytes, &from, 4))
            break;
        if (value.mv_size != sizeof group)
            continue;
        memcpy(&group, value.mv_data, sizeof group);
        if (bytes[7]) /* of one record, not of an event */
            log->partial++;
        else
            log->stored = log->stored + 1 - group.left;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int load_ledger(struct gw_store_log *log, bool *ret_known)
{
    uint32_t number = log->number;
    MDB_val key = gw_val(&number, sizeof number), value;
    int rc = mdb_get(log->store->txn, log->store->dbs[DB_LEDGER], &key, &value);
    if (rc && rc != MDB_NOTFOUND)
        return rc;
    *ret_known = !rc && value.mv_size == sizeof log->ledger;
    log->ledger = (struct gw_disk_ledger){0};
    if (*ret_known)
        memcpy(&log->ledger, value.mv_data, sizeof log->ledger);
    if (log->ledger.next_sequence > log->end)
        log->end = log->ledger.next_sequence;
    return 0;
}

static int count_marks(struct gw_store_log *log)
{
    MDB_cursor *cursor;
    struct gw_disk_place_key from = gw_place_key(log->number, 0, 0);
    MDB_val key = gw_val(&from, sizeof from), value;
    int rc = mdb_cursor_open(log->store->txn, log->store->dbs[DB_MARKS], &cursor);
    if (rc)
        return rc;
    log->marks = 0;
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
         !rc && key.mv_size == sizeof from && !memcmp(key.mv_data, &from, 4);
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))
        log->marks++;
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* A ledger has no sum of its own: its sums are. */
static void balance(struct gw_store_log *log)
{
    uint64_t sum = log->stored;
    for (size_t i = 0; i < GW_TERMS; i++)
        sum += log->ledger.ended[i];
    if (sum == log->ledger.received)
        return;
    gw_store_find(log->store, MG_ERROR,
                  "route %s: the ledger does not balance: %" PRIu64 " received, %" PRIu64
                  " ended or stored; from here on it says the latter",
                  log->name, log->ledger.received, sum);
    log->ledger.received = sum;
    gw_log_touch(log);
}

int gw_log_load(struct gw_store_log *log)
{
    bool whole[GW_RECORD_SINKS_MAX], known = false;
    int rc = load_end(log);
    if (!rc)
        rc = load_ledger(log, &known);
    for (uint32_t i = 0; i < log->sink_end && !rc; i++)
        if (log->sinks[i])
            rc = load_cursor(log, log->sinks[i], &whole[i]);
    for (uint32_t i = 0; i < log->sink_end && !rc; i++) {
        if (!log->sinks[i])
            continue;
        rc = load_settled(log, log->sinks[i], &whole[i]);
        if (!rc && !whole[i])
            rc = recount(log, log->sinks[i]);
    }
    if (!rc)
        rc = load_stored(log);
    if (!known)
        log->ledger.received = log->stored;
    if (!rc)
        balance(log);
    if (!rc)
        rc = count_marks(log);
    if (!rc && log->has_dedup)
        rc = gw_dedup_load(log);
    return rc;
}

/* Sequences that later commits gave are known outside: a sink's peer may have seen them as delivery
 * ids.  They are not given again. */
enum { JUMP = 1 << 20 };

int gw_logs_jump(struct gw_store *store)
{
    int rc = 0;
    for (size_t i = 0; i < store->log_count; i++) {
        struct gw_store_log *log = store->logs[i];
        uint64_t from = log->end;
        log->end += JUMP;
        gw_log_touch(log);
        for (uint32_t k = 0; k < log->sink_end && !rc; k++) {
            struct gw_store_sink *sink = log->sinks[k];
            if (!sink)
                continue;
            if (sink->count)
                rc = gw_places_set_range(&sink->settled, from, log->end, sink->first);
            else
                sink->first = log->end;
            if (!rc)
                rc = gw_sink_advance(log, sink);
            gw_sink_touch(sink, log);
        }
    }
    return rc;
}
