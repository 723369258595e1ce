/* SPDX-License-Identifier: Apache-2.0 */
/* Logs in memory, and reading them from disk: their entry, cursors, settled places, ledger. */
#include "base/hash.h"
#include "store/internal.h"
#include <errno.h>
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
    sink->first = sink->loaded = sink->drop_from = log->end;
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

/* Counts what a sink misses, where its cursor cannot say: after damage. */
static int recount(struct gw_store_log *log, struct gw_store_sink *sink)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    bool any = false;
    int rc = mdb_cursor_open(log->store->txn, log->dbi, &cursor);
    if (rc)
        return rc;
    sink->count = sink->bytes = 0;
    while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        struct gw_disk_head head;
        uint64_t sequence;
        memcpy(&sequence, key.mv_data, sizeof sequence);
        if (!any)
            sink->first = sink->loaded = sequence;
        any = true;
        bool wanted = gw_head_read(value, 1, log->number, sequence, &head) &&
                      head.targets >> sink->number & 1 && !gw_places_has(&sink->settled, sequence);
        if (!wanted) {
            rc = gw_places_set(&sink->settled, sequence, sink->first);
            if (rc)
                break;
            continue;
        }
        sink->count++;
        sink->bytes += head.length;
    }
    mdb_cursor_close(cursor);
    if (!any)
        sink->first = sink->loaded = log->end;
    sink->dirty = true;
    gw_log_touch(log);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

/* Where the ledger that knows the end is lost, settled places tell of records that are gone. */
enum { PLACES_BEYOND = 4096 };

static int load_settled(struct gw_store_log *log, struct gw_store_sink *sink)
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
        uint64_t place = 0;
        if (key.mv_size != sizeof from || memcmp(key.mv_data, &from, 8))
            break;
        for (size_t i = 0; i < 8; i++)
            place = place << 8 | ((const uint8_t *)key.mv_data)[8 + i];
        /* A place far beyond the end is damage; room for all up to it must not be asked for. */
        if (value.mv_size != sizeof(uint64_t[8]) || place > log->end / PLACE_BITS + PLACES_BEYOND)
            continue;
        rc = gw_places_set(&sink->settled, place * PLACE_BITS, sink->first);
        if (rc)
            break;
        struct gw_place *p = gw_places_at(&sink->settled, place);
        memcpy(p->bits, value.mv_data, sizeof p->bits);
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
        sink->loaded = cursor.loaded;
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
    sink->drop_from = sink->loaded;
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
        rc = load_settled(log, log->sinks[i]);
        if (!rc && !whole[i])
            rc = recount(log, log->sinks[i]);
    }
    if (!rc)
        rc = load_stored(log);
    if (!known)
        log->ledger.received = log->stored;
    if (!rc)
        rc = count_marks(log);
    if (!rc && log->has_dedup)
        rc = gw_dedup_load(log);
    return rc;
}
