/* SPDX-License-Identifier: Apache-2.0 */
/* Walks over the dead letters and the archives, in parts of a short read transaction each. */
#include "store/browse.h"
#include "store/dead_internal.h"
#include <errno.h>
#include <string.h>

enum { PART_ENTRIES = 256 };

/* Calls each for the entries from key `from` on; each says whether to go on. */
static int walk(struct gw_store *store, MDB_dbi dbi, uint64_t from,
                bool (*each)(void *arg, uint64_t number, MDB_val value), void *arg)
{
    bool more = true;
    while (more) {
        MDB_txn *txn;
        MDB_cursor *cursor;
        MDB_val key = gw_val(&from, sizeof from), value;
        int count = 0, rc = gw_engine_read_begin(store, &txn);
        if (rc)
            return -EIO;
        rc = mdb_cursor_open(txn, dbi, &cursor);
        if (!rc) {
            rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
            for (; !rc && more && count < PART_ENTRIES;
                 rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT), count++) {
                uint64_t number;
                memcpy(&number, key.mv_data, sizeof number);
                more = each(arg, number, value);
                from = number + 1;
            }
            mdb_cursor_close(cursor);
        }
        gw_engine_read_end(store, txn);
        if (rc && rc != MDB_NOTFOUND)
            return -EIO;
        more = more && !rc;
    }
    return 0;
}

struct dead_walk {
    struct gw_store *store;
    bool (*visit)(void *arg, const struct gw_dead *dead);
    void *arg;
    struct gw_record_room room;
};

static bool show_dead(void *arg, uint64_t id, MDB_val value)
{
    struct dead_walk *w = arg;
    struct gw_dead_entry entry;
    struct gw_dead dead = {.id = id};
    if (!gw_dead_read(value, id, &entry) ||
        gw_record_decode(entry.record, entry.record_length, &w->room, &dead.record, NULL)) {
        gw_quarantine(w->store, "dead-letter", value);
        return true;
    }
    dead.route = entry.texts[0];
    dead.sink = entry.texts[1];
    dead.step = entry.texts[2];
    dead.reason = entry.texts[3];
    dead.attempts = entry.dead.attempts;
    dead.died_us = entry.dead.died_us;
    gw_head_to_places(gw_log_find(w->store, entry.head.log), &dead.record, &w->room);
    return w->visit(w->arg, &dead);
}

int gw_store_dead_each(struct gw_store *store, uint64_t from,
                       bool (*visit)(void *arg, const struct gw_dead *dead), void *arg)
{
    struct dead_walk w = {store, visit, arg, {0}};
    int error = walk(store, store->dbs[DB_DEAD], from, show_dead, &w);
    gw_record_room_fini(&w.room);
    return error;
}

struct archive_walk {
    struct gw_store_log *log;
    bool (*visit)(void *arg, const struct gw_record *record);
    void *arg;
    struct gw_record_room room;
};

static bool show_archived(void *arg, uint64_t sequence, MDB_val value)
{
    struct archive_walk *w = arg;
    struct gw_disk_head head;
    struct gw_record record;
    if (!gw_head_read(value, 3, w->log->number, sequence, &head) ||
        !gw_head_body_is_whole(value, &head) ||
        gw_record_decode((const char *)value.mv_data + sizeof head, head.length, &w->room, &record,
                         NULL)) {
        gw_quarantine(w->log->store, "archived-record", value);
        return true;
    }
    record.sequence = sequence;
    gw_head_to_places(w->log, &record, &w->room);
    return w->visit(w->arg, &record);
}

int gw_store_archive_after(struct gw_store *store, const char *route, uint64_t after,
                           bool (*visit)(void *arg, const struct gw_record *record), void *arg)
{
    struct archive_walk w = {NULL, visit, arg, {0}};
    for (size_t i = 0; i < store->log_count; i++)
        if (!strcmp(store->logs[i]->name, route))
            w.log = store->logs[i];
    if (!w.log || !w.log->has_archive)
        return -ENOENT;
    int error = walk(store, w.log->archive, after + 1, show_archived, &w);
    gw_record_room_fini(&w.room);
    return error;
}

struct period {
    int64_t from_us, to_us;
    bool (*visit)(void *arg, const struct gw_record *record);
    void *arg;
};

static bool show_of_period(void *arg, const struct gw_record *record)
{
    const struct period *p = arg;
    bool in = record->arrived_us >= p->from_us && (!p->to_us || record->arrived_us <= p->to_us);
    return !in || p->visit(p->arg, record);
}

int gw_store_archive_each(struct gw_store *store, const char *route, int64_t from_us, int64_t to_us,
                          bool (*visit)(void *arg, const struct gw_record *record), void *arg)
{
    struct period p = {from_us, to_us, visit, arg};
    return gw_store_archive_after(store, route, 0, show_of_period, &p);
}
