/* SPDX-License-Identifier: Apache-2.0 */
/* Writes every row of a store as a line of JSON, all as of one commit. */
#include "store/internal.h"
#include "store/record_json.h"
#include "store/rows.h"
#include "store/transfer.h"
#include "store/transfer_rows.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct export
{
    FILE *out;
    MDB_txn *txn;
    struct gw_record_room room;
    uint64_t lines, damaged;
    int error;
};

/* Takes body; NULL: out of memory. */
static void line(struct export *x, const char *kind, json_t *body)
{
    if (!body) {
        x->error = x->error ? x->error : -ENOMEM;
        return;
    }
    if (fprintf(x->out, "{\"%s\":", kind) < 0 || json_dumpf(body, x->out, JSON_COMPACT) < 0 ||
        fputs("}\n", x->out) < 0)
        x->error = -EIO;
    x->lines++;
    json_decref(body);
}

/* ---- records -------------------------------------------------------------------------------- */

static json_t *targets_json(uint64_t targets)
{
    json_t *list = json_array();
    for (; list && targets; targets &= targets - 1)
        json_array_append_new(list, json_integer(__builtin_ctzll(targets)));
    return list;
}

static json_t *text_json(struct mg_bytes text)
{
    return gw_json_text(text.at, text.len);
}

/* The record's own bytes, decoded; sinks stay the log's lasting numbers. */
static json_t *record_json(struct export *x, struct mg_bytes bytes)
{
    struct gw_record record;
    struct mg_err err;
    int error = gw_record_decode(bytes.at, bytes.len, &x->room, &record, &err);
    if (error == -ENOMEM)
        x->error = error;
    return error ? NULL : gw_record_to_json(&record);
}

static json_t *head_json(const struct gw_disk_head *head)
{
    json_t *json = json_object();
    bool ok = json && !json_object_set_new(json, "log", json_integer(head->log)) &&
              !json_object_set_new(json, head->kind == GW_HEAD_DEAD ? "id" : "sequence",
                                   gw_json_unsigned(head->sequence)) &&
              !json_object_set_new(json, "targets", targets_json(head->targets));
    if (ok && (head->group_index || head->group_count != 1))
        ok = !json_object_set_new(
            json, "group",
            json_pack("[I,I]", (json_int_t)head->group_index, (json_int_t)head->group_count));
    if (ok && head->flags)
        ok = !json_object_set_new(json, "flags", json_integer(head->flags));
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}

/* A dead letter's own fields; what is left of bytes is its record. */
static bool put_dead(json_t *json, struct mg_bytes *bytes)
{
    static const char *const names[] = {"route", "sink", "step", "reason"};
    struct gw_disk_dead dead;
    const char *at = bytes->at;
    if (bytes->len < sizeof dead)
        return false;
    memcpy(&dead, at, sizeof dead);
    if (dead.text_bytes > bytes->len - sizeof dead)
        return false;
    const char *text = at + sizeof dead, *end = text + dead.text_bytes;
    bool ok = !json_object_set_new(json, "died_us", json_integer(dead.died_us)) &&
              !json_object_set_new(json, "attempts", json_integer(dead.attempts));
    for (size_t i = 0; i < 4 && ok; i++) {
        const char *stop = text < end ? memchr(text, 0, (size_t)(end - text)) : NULL;
        if (!stop)
            return false;
        ok = !json_object_set_new(json, names[i],
                                  text_json((struct mg_bytes){text, (size_t)(stop - text)}));
        text = stop + 1;
    }
    *bytes = (struct mg_bytes){end, bytes->len - sizeof dead - dead.text_bytes};
    return ok;
}

static void put_headed(struct export *x, const char *name, uint16_t kind, MDB_val key,
                       MDB_val value)
{
    struct gw_disk_head head;
    uint64_t sequence = 0;
    if (key.mv_size == sizeof sequence)
        memcpy(&sequence, key.mv_data, sizeof sequence);
    if (!gw_head_read(value, kind, 0, sequence, &head) || !gw_head_body_is_whole(value, &head)) {
        x->damaged++;
        return;
    }
    struct mg_bytes bytes = {(const char *)value.mv_data + sizeof head, head.length};
    json_t *json = head_json(&head), *record = NULL;
    bool ok = json && (kind != GW_HEAD_DEAD || put_dead(json, &bytes));
    if (ok)
        record = record_json(x, bytes);
    if (record && json_object_set_new(json, "record", record) == 0) {
        line(x, name, json);
        return;
    }
    x->damaged++;
    json_decref(json);
}

/* ---- databases ------------------------------------------------------------------------------ */

struct table {
    MDB_dbi dbi;
    uint32_t log;
    const struct gw_row_kind *kind;
    const char *name; /* of lines that are no plain rows */
    uint16_t head;
};

static void put_state(struct export *x, MDB_val key, MDB_val value)
{
    struct mg_bytes name = {key.mv_data, key.mv_size}, content;
    if (!gw_rows_read_state(name, (struct mg_bytes){value.mv_data, value.mv_size}, &content)) {
        x->damaged++;
        return;
    }
    line(x, "state",
         json_pack("{s:o, s:o}", "key", gw_json_text(name.at, name.len), "value",
                   gw_json_base64(content.at, content.len)));
}

static void put_row(struct export *x, const struct table *table, MDB_val key, MDB_val value)
{
    bool damaged;
    struct gw_row row = {.log = table->log,
                         .key = {key.mv_data, key.mv_size},
                         .value = {value.mv_data, value.mv_size}};
    json_t *json = gw_row_to_json(table->kind, &row, &damaged);
    if (damaged)
        x->damaged++;
    else
        line(x, table->kind->name, json);
}

static void put_table(struct export *x, const struct table *table)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    if (x->error || mdb_cursor_open(x->txn, table->dbi, &cursor)) {
        x->error = x->error ? x->error : -EIO;
        return;
    }
    int rc = 0;
    while (!x->error && !(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        if (table->kind)
            put_row(x, table, key, value);
        else if (table->head)
            put_headed(x, table->name, table->head, key, value);
        else
            put_state(x, key, value);
    }
    mdb_cursor_close(cursor);
    if (rc && rc != MDB_NOTFOUND)
        x->error = -EIO;
}

static const struct gw_row_kind *kind_of(const char *database)
{
    const struct gw_row_kind *kind = gw_row_kinds;
    while (strcmp(kind->database, database) != 0)
        kind++;
    return kind;
}

static void put_log_entry(struct export *x, const struct gw_store_log *log)
{
    json_t *sinks = json_array();
    for (uint32_t i = 0; sinks && i < log->sink_end; i++)
        json_array_append_new(sinks,
                              log->sinks[i] ? json_string(log->sinks[i]->label) : json_null());
    line(x, "log",
         json_pack("{s:I, s:o, s:o, s:o}", "log", (json_int_t)log->number, "route",
                   gw_json_text(log->name, strlen(log->name)), "next", gw_json_unsigned(log->end),
                   "sinks", sinks));
}

static void put_log(struct export *x, const struct gw_store_log *log)
{
    put_table(x, &(struct table){.dbi = log->dbi, .name = "record", .head = GW_HEAD_LOG});
    if (log->has_latest)
        put_table(x, &(struct table){log->latest, log->number, kind_of("latest"), NULL, 0});
    if (log->has_dedup)
        put_table(x, &(struct table){log->dedup, log->number, kind_of("dedup"), NULL, 0});
    if (log->has_archive)
        put_table(
            x, &(struct table){.dbi = log->archive, .name = "archived", .head = GW_HEAD_ARCHIVE});
}

static void put_next_dead(struct export *x, struct gw_store *store)
{
    uint64_t next;
    MDB_val key = gw_val("dead", 4), value;
    if (mdb_get(x->txn, store->dbs[DB_META], &key, &value) || value.mv_size != sizeof next)
        return;
    memcpy(&next, value.mv_data, sizeof next);
    line(x, "dead_letters", json_pack("{s:o}", "next", gw_json_unsigned(next)));
}

/* The log with the lowest number above that one; NULL: none.  Always the same order, so that two
 * exports can be compared. */
static const struct gw_store_log *next_log(const struct gw_store *store, uint32_t number)
{
    const struct gw_store_log *next = NULL;
    for (size_t i = 0; i < store->log_count; i++)
        if (store->logs[i]->number > number && (!next || store->logs[i]->number < next->number))
            next = store->logs[i];
    return next;
}

static void put_all(struct export *x, struct gw_store *store)
{
    const struct gw_store_log *log;
    static const struct {
        int db;
        const char *database;
    } plain[] = {{DB_LEDGER, "ledger"}, {DB_CURSORS, "cursors"}, {DB_DONE, "done"},
                 {DB_MARKS, "marks"},   {DB_GROUPS, "groups"},   {DB_LEASES, "leases"}};
    line(x, "meshgate_store",
         json_pack("{s:i, s:I, s:s}", "format", GW_STORE_FORMAT, "exported_us",
                   (json_int_t)store->wall_us(), "by", MESHGATE_VERSION));
    for (uint32_t number = 0; (log = next_log(store, number)); number = log->number)
        put_log_entry(x, log);
    for (size_t i = 0; i < sizeof plain / sizeof *plain; i++)
        put_table(x,
                  &(struct table){store->dbs[plain[i].db], 0, kind_of(plain[i].database), NULL, 0});
    for (uint32_t number = 0; (log = next_log(store, number)); number = log->number)
        put_log(x, log);
    put_next_dead(x, store);
    put_table(x, &(struct table){.dbi = store->dbs[DB_DEAD], .name = "dead", .head = GW_HEAD_DEAD});
    put_table(x, &(struct table){.dbi = store->dbs[DB_STATE]});
    line(x, "end", json_pack("{s:I}", "lines", (json_int_t)x->lines));
}

int gw_store_export(struct gw_store *store, FILE *out, struct mg_err *reterr)
{
    struct export x = {.out = out};
    if (gw_engine_read_begin(store, &x.txn))
        return gw_store_fail(reterr, -EIO, "the store cannot be read");
    put_all(&x, store);
    gw_engine_read_end(store, x.txn);
    gw_record_room_fini(&x.room);
    if (!x.error && fflush(out) != 0)
        x.error = -EIO;
    if (x.error)
        return gw_store_fail(reterr, x.error, "%s",
                             x.error == -ENOMEM ? "out of memory" : "it could not be written");
    if (x.damaged)
        return gw_store_fail(reterr, -EBADMSG,
                             "%" PRIu64 " damaged entries are left out; the others are all there",
                             x.damaged);
    return 0;
}
