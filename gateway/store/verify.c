/* SPDX-License-Identifier: Apache-2.0 */
/* Looks at everything in a store that nobody has open: pages, records, and whether what is counted
 * is what is there.  A walk shows databases in the order of their names: cursors, settled places,
 * groups and ledgers come before the logs. */
#include "base/hash.h"
#include "store/rows.h"
#include "store/salvage_scan.h"
#include "store/transfer.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

struct cursor {
    struct gw_disk_cursor cursor;
    uint64_t offset, count, bytes; /* found */
};

struct ledger {
    uint32_t log;
    uint64_t offset;
    struct gw_disk_ledger ledger;
    int64_t stored; /* found */
};

struct verify {
    int fd;
    gw_store_finding_fn *finding;
    void *arg;
    struct gw_store_verified *ret;
    struct gw_record_room room;
    struct cursor *cursors;
    size_t cursor_count, cursor_capacity;
    struct gw_rows_place *places;
    size_t place_count, place_capacity;
    struct ledger *ledgers;
    size_t ledger_count, ledger_capacity;
    char *far;
    size_t far_size;
    uint32_t format;
    int error;
};

static void __attribute__((format(printf, 3, 4)))
find(struct verify *v, uint64_t offset, const char *format, ...)
{
    char text[256];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    v->ret->findings++;
    if (v->finding)
        v->finding(v->arg, offset, text);
}

static bool damage(void *arg, uint64_t offset, const char *text)
{
    find(arg, offset, "%s", text);
    return true;
}

static bool grow(struct verify *v, void **items, size_t count, size_t *capacity, size_t size)
{
    if (gw_scan_grow(items, count, capacity, size))
        return true;
    v->error = -ENOMEM;
    return false;
}

/* ---- what is counted ------------------------------------------------------------------------ */

static void take_cursor(struct verify *v, const struct gw_walk_entry *e)
{
    struct cursor row = {.offset = e->offset};
    const struct gw_disk_sink_key *key = e->key.at;
    if (e->value && e->length == sizeof row.cursor)
        memcpy(&row.cursor, e->value, sizeof row.cursor);
    if (e->key.len != sizeof *key || !gw_scan_is_cursor(&row.cursor) ||
        row.cursor.log != gw_rows_big(key->log, 4) || row.cursor.sink != gw_rows_big(key->sink, 4))
        find(v, e->offset, "a damaged cursor");
    else if (grow(v, (void **)&v->cursors, v->cursor_count, &v->cursor_capacity, sizeof row))
        v->cursors[v->cursor_count++] = row;
}

static void take_place(struct verify *v, const struct gw_walk_entry *e)
{
    struct gw_rows_place place;
    if (!gw_rows_read_place(e, &place))
        find(v, e->offset, "a damaged row of settled places");
    else if (grow(v, (void **)&v->places, v->place_count, &v->place_capacity, sizeof place))
        v->places[v->place_count++] = place;
}

static struct ledger *ledger_of(struct verify *v, uint32_t log)
{
    for (size_t i = 0; i < v->ledger_count; i++)
        if (v->ledgers[i].log == log)
            return &v->ledgers[i];
    if (!grow(v, (void **)&v->ledgers, v->ledger_count, &v->ledger_capacity, sizeof *v->ledgers))
        return NULL;
    v->ledgers[v->ledger_count] = (struct ledger){.log = log, .offset = UINT64_MAX};
    return &v->ledgers[v->ledger_count++];
}

static void take_ledger(struct verify *v, const struct gw_walk_entry *e)
{
    uint32_t log;
    struct ledger *row;
    if (!e->value || e->key.len != sizeof log || e->length != sizeof row->ledger) {
        find(v, e->offset, "a damaged ledger");
        return;
    }
    memcpy(&log, e->key.at, sizeof log);
    row = ledger_of(v, log);
    if (!row)
        return;
    row->offset = e->offset;
    memcpy(&row->ledger, e->value, sizeof row->ledger);
}

/* An event of several records counts once. */
static void take_group(struct verify *v, const struct gw_walk_entry *e)
{
    const struct gw_disk_place_key *key = e->key.at;
    struct gw_disk_group group;
    if (!e->value || e->key.len != sizeof *key || e->length != sizeof group) {
        find(v, e->offset, "a damaged row of groups");
        return;
    }
    memcpy(&group, e->value, sizeof group);
    struct ledger *row = ledger_of(v, (uint32_t)gw_rows_big(key->log, 4));
    if (row && !gw_rows_big(key->sink, 4))
        row->stored += 1 - (int64_t)group.left;
}

/* ---- records -------------------------------------------------------------------------------- */

static const char *value_of(struct verify *v, const struct gw_walk_entry *e)
{
    if (e->value)
        return e->value;
    if (e->length > v->far_size) {
        free(v->far);
        v->far_size = e->length;
        v->far = malloc(v->far_size);
    }
    if (!v->far)
        v->error = -ENOMEM;
    else if (pread(v->fd, v->far, e->length, (off_t)e->offset) == (ssize_t)e->length)
        return v->far;
    else
        find(v, e->offset, "the disk cannot read this");
    return NULL;
}

/* How many bytes stand in front of a dead letter's record; SIZE_MAX: they are damaged. */
static size_t dead_bytes(const char *body, size_t length)
{
    struct gw_disk_dead dead;
    if (length < sizeof dead)
        return SIZE_MAX;
    memcpy(&dead, body, sizeof dead);
    return dead.text_bytes > length - sizeof dead ? SIZE_MAX : sizeof dead + dead.text_bytes;
}

/* The head of an entry that is sound in every respect; false: said already. */
static bool read_record(struct verify *v, const struct gw_walk_entry *e, uint16_t kind,
                        struct gw_disk_head *ret)
{
    const char *value = value_of(v, e);
    uint64_t sequence = 0;
    if (!value)
        return false;
    if (e->key.len == sizeof sequence)
        memcpy(&sequence, e->key.at, sizeof sequence);
    if (e->length >= sizeof *ret)
        memcpy(ret, value, sizeof *ret);
    if (e->length < sizeof *ret || !gw_scan_is_head(ret) || ret->kind != kind ||
        ret->sequence != sequence || ret->length != e->length - sizeof *ret) {
        find(v, e->offset, "the head of entry %" PRIu64 " of %.*s is damaged", sequence,
             (int)e->database.len, e->database.at);
        return false;
    }
    const char *body = value + sizeof *ret;
    if (gw_hash64(body, ret->length) != ret->body_sum) {
        find(v, e->offset, "entry %" PRIu64 " of %.*s is damaged", sequence, (int)e->database.len,
             e->database.at);
        return false;
    }
    struct gw_record record;
    struct mg_err err = {{0}};
    size_t before = kind == GW_HEAD_DEAD ? dead_bytes(body, ret->length) : 0;
    int error = before == SIZE_MAX ? -EBADMSG
                                   : gw_record_decode(body + before, ret->length - before, &v->room,
                                                      &record, &err);
    if (error == -ENOMEM)
        v->error = error;
    else if (error)
        find(v, e->offset, "entry %" PRIu64 " of %.*s: %s", sequence, (int)e->database.len,
             e->database.at, err.text[0] ? err.text : "its texts are damaged");
    return !error;
}

static void count_record(struct verify *v, const struct gw_disk_head *head)
{
    struct ledger *ledger = ledger_of(v, head->log);
    if (ledger)
        ledger->stored++;
    for (size_t i = 0; i < v->cursor_count; i++) {
        struct cursor *c = &v->cursors[i];
        if (c->cursor.log != head->log || !(head->targets >> (c->cursor.sink & 63) & 1) ||
            head->sequence < c->cursor.first ||
            gw_rows_place_has(v->places, v->place_count, head->log, c->cursor.sink, head->sequence))
            continue;
        c->count++;
        c->bytes += head->length;
    }
}

static void take_format(struct verify *v, const struct gw_walk_entry *e)
{
    if (e->value && e->key.len == 6 && !memcmp(e->key.at, "format", 6) &&
        e->length == sizeof v->format)
        memcpy(&v->format, e->value, sizeof v->format);
}

static void take_log(struct verify *v, const struct gw_walk_entry *e)
{
    const char *value = value_of(v, e);
    if (value && !gw_scan_is_log(value, e->length))
        find(v, e->offset, "the entry of route %.*s is damaged", (int)e->key.len,
             (const char *)e->key.at);
}

static void take_state(struct verify *v, const struct gw_walk_entry *e)
{
    struct mg_bytes content;
    const char *value = value_of(v, e);
    if (value && !gw_rows_read_state(e->key, (struct mg_bytes){value, e->length}, &content))
        find(v, e->offset, "an entry of a bridge's state is damaged");
}

static bool entry(void *arg, const struct gw_walk_entry *e)
{
    struct verify *v = arg;
    struct gw_disk_head head;
    if (gw_rows_is(e->database, "cursors"))
        take_cursor(v, e);
    else if (gw_rows_is(e->database, "done"))
        take_place(v, e);
    else if (gw_rows_is(e->database, "groups"))
        take_group(v, e);
    else if (gw_rows_is(e->database, "ledger"))
        take_ledger(v, e);
    else if (gw_rows_is(e->database, "logs"))
        take_log(v, e);
    else if (gw_rows_is(e->database, "state"))
        take_state(v, e);
    else if (gw_rows_is(e->database, "meta"))
        take_format(v, e);
    else if (gw_rows_is(e->database, "dead"))
        v->ret->dead += read_record(v, e, GW_HEAD_DEAD, &head);
    else if (gw_rows_begins(e->database, "archive."))
        v->ret->archived += read_record(v, e, GW_HEAD_ARCHIVE, &head);
    else if (gw_rows_begins(e->database, "log.") && read_record(v, e, GW_HEAD_LOG, &head)) {
        v->ret->records++;
        if (head.log != gw_rows_number(e->database, "log."))
            find(v, e->offset, "a record of another log");
        count_record(v, &head);
    }
    return !v->error;
}

/* ---- whether it agrees ---------------------------------------------------------------------- */

static void compare(struct verify *v)
{
    for (size_t i = 0; i < v->cursor_count; i++) {
        const struct cursor *c = &v->cursors[i];
        if (c->count != c->cursor.count || c->bytes != c->cursor.bytes)
            find(v, c->offset,
                 "the cursor of log %" PRIu32 ", sink %" PRIu32 " says %" PRIu64
                 " records of %" PRIu64 " bytes, and %" PRIu64 " of %" PRIu64 " are there",
                 c->cursor.log, c->cursor.sink, c->cursor.count, c->cursor.bytes, c->count,
                 c->bytes);
    }
    for (size_t i = 0; i < v->ledger_count; i++) {
        const struct ledger *l = &v->ledgers[i];
        uint64_t sum = (uint64_t)l->stored;
        for (size_t k = 0; k < GW_TERMS; k++)
            sum += l->ledger.ended[k];
        if (l->offset == UINT64_MAX)
            find(v, l->offset, "log %" PRIu32 " has no ledger", l->log);
        else if (sum != l->ledger.received)
            find(v, l->offset,
                 "the ledger of log %" PRIu32 " does not balance: %" PRIu64
                 " received, and %" PRIu64 " ended or stored (%" PRId64 ")",
                 l->log, l->ledger.received, sum, l->stored);
    }
}

/* The file that says who has the store open; -1: nobody has, -EBUSY. */
static int take_owner(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/owner", folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return -1;
    if (flock(fd, LOCK_EX | LOCK_NB) == 0)
        return fd;
    close(fd);
    return -EBUSY;
}

static int fail(struct mg_err *reterr, int error, const char *folder, const char *what)
{
    snprintf(reterr->text, sizeof reterr->text, "%.160s: %s", folder, what);
    return error;
}

static int walk(struct verify *v)
{
    struct gw_walk walk = {.fd = v->fd, .entry = entry, .damage = damage, .arg = v};
    int error = gw_walk_file(&walk);
    v->ret->pages = walk.pages;
    v->ret->bytes = walk.file_bytes;
    error = error ? error : v->error;
    if (!error && v->format <= GW_STORE_FORMAT)
        compare(v);
    gw_record_room_fini(&v->room);
    free(v->cursors);
    free(v->places);
    free(v->ledgers);
    free(v->far);
    return error;
}

int gw_store_verify(const char *folder, gw_store_finding_fn *finding, void *arg,
                    struct gw_store_verified *ret, struct mg_err *reterr)
{
    char path[4096];
    struct verify v = {.finding = finding, .arg = arg, .ret = ret};
    *ret = (struct gw_store_verified){0};
    int owner = take_owner(folder);
    if (owner == -EBUSY)
        return fail(reterr, -EBUSY, folder, "another process has this store open");
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    v.fd = open(path, O_RDONLY | O_CLOEXEC);
    int error = v.fd < 0 ? -errno : walk(&v);
    if (v.fd >= 0)
        close(v.fd);
    if (owner >= 0)
        close(owner);
    if (error)
        return fail(reterr, error, folder, error == -ENOENT ? "no store there" : strerror(-error));
    if (v.format > GW_STORE_FORMAT)
        return fail(reterr, -EPROTONOSUPPORT, folder, "written by a later version");
    return 0;
}
