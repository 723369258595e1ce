/* SPDX-License-Identifier: Apache-2.0 */
/* Reading what a sink misses, as of one commit.  A read transaction keeps its pages from being used
 * again, so a long walk is made of many short ones. */
#include "store/internal.h"
#include "store/record_wire.h"
#include "store/rows.h"
#include <errno.h>
#include <string.h>

enum { PART_RECORDS = 1024, PART_BYTES = 8 << 20 };

struct reading {
    struct gw_store_log *log;
    struct gw_store_sink *sink;
    MDB_txn *txn;
    struct gw_record_room room;
    uint64_t first; /* of the sink, as of this transaction */
    uint64_t end;   /* of the log, likewise */
    uint64_t place; /* whose bits are in `bits` */
    uint64_t bits[PLACE_BITS / 64];
    bool marks;
};

static void load_place(struct reading *r, uint64_t place)
{
    struct gw_disk_place_key name = gw_place_key(r->log->number, r->sink->number, place);
    MDB_val key = gw_val(&name, sizeof name), value;
    r->place = place;
    struct gw_disk_place row;
    memset(r->bits, 0, sizeof r->bits);
    if (mdb_get(r->txn, r->log->store->dbs[DB_DONE], &key, &value) || value.mv_size != sizeof row)
        return;
    memcpy(&row, value.mv_data, sizeof row);
    if (row.sum == gw_rows_place_sum(&name, row.bits))
        memcpy(r->bits, row.bits, sizeof r->bits);
}

static bool is_settled(struct reading *r, uint64_t sequence)
{
    if (sequence < r->first)
        return true;
    if (sequence / PLACE_BITS != r->place)
        load_place(r, sequence / PLACE_BITS);
    return r->bits[sequence % PLACE_BITS / 64] >> sequence % 64 & 1;
}

static int begin(struct reading *r)
{
    struct gw_disk_sink_key name = gw_sink_key(r->log->number, r->sink->number);
    struct gw_disk_cursor cursor;
    MDB_val key = gw_val(&name, sizeof name), value;
    MDB_stat stat;
    int rc = gw_engine_read_begin(r->log->store, &r->txn);
    if (rc)
        return rc;
    r->place = UINT64_MAX;
    r->first = 0;
    if (!mdb_get(r->txn, r->log->store->dbs[DB_CURSORS], &key, &value) &&
        value.mv_size == sizeof cursor) {
        memcpy(&cursor, value.mv_data, sizeof cursor);
        r->first = cursor.first;
    }
    uint32_t number = r->log->number;
    struct gw_disk_ledger ledger;
    key = gw_val(&number, sizeof number);
    r->end = r->first;
    if (!mdb_get(r->txn, r->log->store->dbs[DB_LEDGER], &key, &value) &&
        value.mv_size == sizeof ledger) {
        memcpy(&ledger, value.mv_data, sizeof ledger);
        r->end = ledger.next_sequence > r->end ? ledger.next_sequence : r->end;
    }
    r->marks = !mdb_stat(r->txn, r->log->store->dbs[DB_MARKS], &stat) && stat.ms_entries;
    return 0;
}

/* Decodes it for the sink.  -EBADMSG: damaged. */
static int decode(struct reading *r, uint64_t sequence, MDB_val value,
                  const struct gw_disk_head *head, struct gw_stored *ret)
{
    struct gw_disk_mark mark = {0, 0};
    bool there = false;
    if (!gw_head_body_is_whole(value, head))
        return -EBADMSG;
    int error = gw_record_decode((const char *)value.mv_data + sizeof *head, head->length, &r->room,
                                 &ret->record, NULL);
    if (error)
        return error == -ENOMEM ? error : -EBADMSG;
    ret->record.sequence = sequence;
    ret->leg = UINT32_MAX;
    gw_head_to_places(r->log, &ret->record, &r->room);
    for (size_t i = 0; i < ret->record.leg_count; i++)
        if (r->room.legs[i].sink == r->sink->place)
            ret->leg = (uint32_t)i;
    if (r->marks)
        gw_mark_get(r->log->store, r->txn, r->log->number, r->sink->number, sequence, &mark,
                    &there);
    ret->attempts = mark.attempts;
    ret->deaths = mark.deaths;
    if (there) /* whatever it says, it was sent */
        ret->record.flags |= GW_RECORD_DOUBTFUL;
    return ret->leg == UINT32_MAX ? -EBADMSG : 0;
}

/* 0: not for this sink; 1: shown; 2: shown, and enough; or a negative errno. */
static int show(struct reading *r, uint64_t sequence, MDB_val value,
                bool (*visit)(void *arg, const struct gw_stored *stored), void *arg)
{
    struct gw_disk_head head;
    struct gw_stored stored;
    if (is_settled(r, sequence))
        return 0;
    bool whole = gw_head_read(value, 1, r->log->number, sequence, &head);
    if (whole && !(head.targets >> r->sink->number & 1))
        return 0;
    int error = whole ? decode(r, sequence, value, &head, &stored) : -EBADMSG;
    if (error == -EBADMSG) {
        gw_quarantine_later(r->log, sequence);
        return 0;
    }
    if (error)
        return error;
    return visit(arg, &stored) ? 1 : 2;
}

/* One transaction's part.  *from moves on; *ret_done: visit has enough, or nothing is left. */
static int read_part(struct reading *r, uint64_t *from, bool *ret_done,
                     bool (*visit)(void *arg, const struct gw_stored *stored), void *arg)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    size_t count = 0, bytes = 0;
    int rc = begin(r), shown = 0;
    if (rc)
        return -EIO;
    if (*from < r->first)
        *from = r->first;
    rc = mdb_cursor_open(r->txn, r->log->dbi, &cursor);
    if (rc) {
        gw_engine_read_end(r->log->store, r->txn);
        return -EIO;
    }
    key = gw_val(from, sizeof *from);
    for (rc = mdb_cursor_get(cursor, &key, &value, MDB_SET_RANGE);
         !rc && shown >= 0 && shown < 2 && count < PART_RECORDS && bytes < PART_BYTES;
         rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
        uint64_t sequence;
        memcpy(&sequence, key.mv_data, sizeof sequence);
        shown = show(r, sequence, value, visit, arg);
        if (shown >= 0)
            *from = sequence + 1;
        count++;
        bytes += value.mv_size;
    }
    *ret_done = shown == 2 || rc;
    if (rc == MDB_NOTFOUND && shown >= 0 && shown < 2 && *from < r->end)
        *from = r->end; /* the last records are settled and gone */
    mdb_cursor_close(cursor);
    gw_engine_read_end(r->log->store, r->txn);
    return shown < 0 ? shown : rc && rc != MDB_NOTFOUND ? -EIO : 0;
}

int gw_store_read(struct gw_store_log *log, uint32_t sink, uint64_t from,
                  bool (*visit)(void *arg, const struct gw_stored *stored), void *arg,
                  uint64_t *ret_next)
{
    struct reading r = {.log = log, .sink = gw_log_sink(log, sink)};
    bool done = false;
    int error = 0;
    if (!r.sink)
        return -EINVAL;
    from = from ? from : 1;
    while (!done && !error)
        error = read_part(&r, &from, &done, visit, arg);
    gw_record_room_fini(&r.room);
    *ret_next = from;
    return error;
}

struct once {
    uint64_t sequence;
    bool found;
    void (*show)(void *arg, const struct gw_stored *stored);
    void *arg;
};

static bool show_once(void *arg, const struct gw_stored *stored)
{
    struct once *once = arg;
    once->found = stored->record.sequence == once->sequence;
    if (once->found)
        once->show(once->arg, stored);
    return false;
}

int gw_store_get(struct gw_store_log *log, uint32_t sink, uint64_t sequence,
                 void (*show_it)(void *arg, const struct gw_stored *stored), void *arg)
{
    struct once once = {sequence, false, show_it, arg};
    uint64_t next;
    int error = gw_store_read(log, sink, sequence, show_once, &once, &next);
    return error ? error : once.found ? 0 : -ENOENT;
}
