/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the trees as far as they hang together, and searches the raw bytes. */
#include "base/hash.h"
#include "store/check_walk.h"
#include "store/salvage_internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- which databases are sound -------------------------------------------------------------- */

static bool damaged(void *arg, uint64_t offset, const char *text)
{
    gw_salvage_say(arg, MG_WARN, "byte %" PRIu64 ": %s", offset, text);
    return true;
}

static bool already_said(void *arg, uint64_t offset, const char *text)
{
    (void)arg, (void)offset, (void)text;
    return true;
}

static void judged(void *arg, struct mg_str database, bool sound)
{
    struct gw_salvage_work *work = arg;
    if (gw_rows_is(database, "(main)")) {
        work->main_sound = sound;
        return;
    }
    if (!gw_scan_grow((void **)&work->databases, work->database_count, &work->database_capacity,
                      sizeof *work->databases)) {
        work->error = -ENOMEM;
        return;
    }
    struct gw_salvage_database *d = &work->databases[work->database_count];
    if (database.len >= sizeof d->name)
        return;
    memset(d, 0, sizeof *d);
    memcpy(d->name, database.at, database.len);
    d->sound = sound;
    work->database_count++;
}

bool gw_salvage_is_sound(const struct gw_salvage_work *work, const char *database)
{
    for (size_t i = 0; i < work->database_count; i++)
        if (!strcmp(work->databases[i].name, database))
            return work->main_sound && work->databases[i].sound;
    return work->main_sound; /* it is not there, and is not to be */
}

/* ---- what is in them ------------------------------------------------------------------------ */

static bool grow(struct gw_salvage_work *work, void **items, size_t count, size_t *capacity,
                 size_t size)
{
    if (gw_scan_grow(items, count, capacity, size))
        return true;
    work->error = -ENOMEM;
    return false;
}

static void take_place(struct gw_salvage_work *work, const struct gw_walk_entry *e)
{
    struct gw_rows_place place;
    if (!gw_rows_read_place(e, &place)) {
        work->done_sound = false;
        gw_salvage_say(work, MG_WARN, "byte %" PRIu64 ": what was settled is damaged", e->offset);
        return;
    }
    if (!grow(work, (void **)&work->places, work->place_count, &work->place_capacity, sizeof place))
        return;
    work->places[work->place_count++] = place;
}

static void take_ledger(struct gw_salvage_work *work, const struct gw_walk_entry *e)
{
    struct gw_salvage_ledger row = {0};
    if (!e->value || e->key.len != sizeof row.log || e->length != sizeof row.ledger ||
        !grow(work, (void **)&work->ledgers, work->ledger_count, &work->ledger_capacity,
              sizeof row))
        return;
    memcpy(&row.log, e->key.at, sizeof row.log);
    memcpy(&row.ledger, e->value, sizeof row.ledger);
    work->ledgers[work->ledger_count++] = row;
}

/* Rows that are taken as they are; the value may lie in an overflow run. */
static void copy_row(struct gw_salvage_work *work, const struct gw_walk_entry *e, bool integer_key)
{
    char name[32];
    void *far = NULL;
    if (e->database.len >= sizeof name)
        return;
    memcpy(name, e->database.at, e->database.len);
    name[e->database.len] = '\0';
    if (!e->value) {
        far = malloc(e->length);
        if (!far) {
            work->error = -ENOMEM;
            return;
        }
        if (pread(work->fd, far, e->length, (off_t)e->offset) != (ssize_t)e->length) {
            gw_salvage_say(work, MG_WARN, "byte %" PRIu64 ": an entry of %s cannot be read",
                           e->offset, name);
            free(far);
            return;
        }
    }
    struct mg_bytes value = {e->value ? e->value : far, e->length}, content;
    bool state = gw_rows_is(e->database, "state");
    if (state && !gw_rows_read_state(e->key, value, &content)) {
        work->counts->damaged++;
        gw_salvage_say(work, MG_WARN, "byte %" PRIu64 ": an entry of a bridge's state is damaged",
                       e->offset);
    } else {
        work->error =
            gw_rebuild_put(work->rebuild, name, integer_key, e->key, value, (struct mg_bytes){0});
        work->counts->states += state;
    }
    free(far);
}

/* The key says which record is to be here, also where the record does not. */
static void take_record(struct gw_salvage_work *work, const struct gw_walk_entry *e, uint16_t kind,
                        uint32_t log)
{
    struct gw_scan *tree = &work->tree;
    struct gw_scan_record r = {.offset = e->offset, .head = {.kind = kind, .log = log}};
    size_t before = tree->record_count;
    if (e->key.len != sizeof r.head.sequence || (kind != GW_HEAD_DEAD && !log))
        return;
    memcpy(&r.head.sequence, e->key.at, sizeof r.head.sequence);
    work->error = gw_scan_piece(tree, e->offset, e->length);
    if (work->error)
        return;
    if (tree->record_count > before) {
        const struct gw_disk_head *head = &tree->records[before].head;
        if (head->kind == kind && (!log || head->log == log) && head->sequence == r.head.sequence)
            return;
        tree->record_count = before;
    }
    if (grow(work, (void **)&tree->records, before, &tree->record_capacity, sizeof r))
        tree->records[tree->record_count++] = r;
}

static void take_group(struct gw_salvage_work *work, const struct gw_walk_entry *e)
{
    struct gw_salvage_group row;
    if (!e->value || e->key.len != sizeof row.key || e->length != sizeof row.group ||
        !grow(work, (void **)&work->groups, work->group_count, &work->group_capacity, sizeof row))
        return;
    memcpy(&row.key, e->key.at, sizeof row.key);
    memcpy(&row.group, e->value, sizeof row.group);
    work->groups[work->group_count++] = row;
}

static void take_meta(struct gw_salvage_work *work, const struct gw_walk_entry *e)
{
    if (e->value && e->key.len == 4 && !memcmp(e->key.at, "dead", 4) &&
        e->length == sizeof work->next_dead)
        memcpy(&work->next_dead, e->value, sizeof work->next_dead);
}

/* What was the only thing to be said of a log whose records are in their places. */
static void take_latest(struct gw_salvage_work *work, const struct gw_walk_entry *e)
{
    char name[32];
    snprintf(name, sizeof name, "log.%" PRIu32, gw_rows_number(e->database, "latest."));
    if (gw_salvage_is_sound(work, name))
        copy_row(work, e, false);
}

static bool entry(void *arg, const struct gw_walk_entry *e)
{
    struct gw_salvage_work *work = arg;
    if (gw_rows_is(e->database, "done"))
        take_place(work, e);
    else if (gw_rows_is(e->database, "ledger"))
        take_ledger(work, e);
    else if (gw_rows_is(e->database, "meta"))
        take_meta(work, e);
    else if (gw_rows_is(e->database, "groups"))
        take_group(work, e);
    else if (gw_rows_is(e->database, "logs") || gw_rows_is(e->database, "cursors"))
        work->error = gw_scan_piece(&work->tree, e->offset, e->length);
    else if (gw_rows_is(e->database, "dead"))
        take_record(work, e, GW_HEAD_DEAD, 0);
    else if (gw_rows_begins(e->database, "log."))
        take_record(work, e, GW_HEAD_LOG, gw_rows_number(e->database, "log."));
    else if (gw_rows_begins(e->database, "archive."))
        take_record(work, e, GW_HEAD_ARCHIVE, gw_rows_number(e->database, "archive."));
    else if (gw_rows_begins(e->database, "latest."))
        take_latest(work, e);
    else if (gw_rows_is(e->database, "state"))
        copy_row(work, e, false);
    else if (gw_rows_begins(e->database, "dedup."))
        copy_row(work, e, true);
    else if (gw_rows_is(e->database, "marks"))
        copy_row(work, e, false);
    return !work->error;
}

/* ---- records -------------------------------------------------------------------------------- */

/* By kind, log and sequence; of several, the sound ones first. */
static int order(const struct gw_disk_head *a, const struct gw_disk_head *b)
{
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    if (a->kind != GW_HEAD_DEAD && a->log != b->log)
        return a->log < b->log ? -1 : 1;
    return a->sequence < b->sequence ? -1 : a->sequence > b->sequence;
}

static int order_records(const void *a, const void *b)
{
    const struct gw_scan_record *x = a, *y = b;
    int first = order(&x->head, &y->head);
    if (first)
        return first;
    if (x->sound != y->sound)
        return x->sound ? -1 : 1;
    return x->offset < y->offset ? -1 : x->offset > y->offset;
}

static int same_record(const void *a, const void *b)
{
    const struct gw_scan_record *x = a, *y = b;
    return order(&x->head, &y->head);
}

/* Whoever rewrites a page leaves the old one: often a damaged record has a copy that is whole. */
static void sort_records(struct gw_salvage_work *work)
{
    struct gw_scan *scan = &work->scan, *tree = &work->tree;
    if (scan->record_count)
        qsort(scan->records, scan->record_count, sizeof *scan->records, order_records);
    for (size_t i = 0; i < tree->record_count && scan->record_count; i++) {
        struct gw_scan_record *r = &tree->records[i];
        const struct gw_scan_record *other;
        if (r->sound)
            continue;
        other = bsearch(r, scan->records, scan->record_count, sizeof *r, same_record);
        while (other && other > scan->records && !same_record(other - 1, r))
            other--;
        if (other && other->sound && (!r->head.magic || r->head.body_sum == other->head.body_sum))
            *r = *other;
    }
    if (tree->record_count)
        qsort(tree->records, tree->record_count, sizeof *tree->records, order_records);
}

int gw_salvage_find(struct gw_salvage_work *work)
{
    struct gw_walk walk = {
        .fd = work->fd, .damage = damaged, .done = judged, .arg = work, .without_free_list = true};
    int error = gw_walk_file(&walk);
    if (error && error != -ENOENT)
        return error;
    work->counts->file_bytes = walk.file_bytes;
    error = gw_scan_file(work->fd, &work->scan);
    if (error || work->error)
        return error ? error : work->error;
    if (work->scan.unreadable)
        gw_salvage_say(work, MG_WARN, "%" PRIu64 " bytes of it cannot be read from the disk",
                       work->scan.unreadable);
    work->tree = (struct gw_scan){.fd = work->fd, .file_bytes = work->scan.file_bytes};
    work->logs_sound = gw_salvage_is_sound(work, "logs");
    work->cursors_sound = gw_salvage_is_sound(work, "cursors");
    work->done_sound = gw_salvage_is_sound(work, "done");
    walk.entry = entry;
    walk.damage = already_said;
    walk.done = NULL;
    error = gw_walk_file(&walk);
    sort_records(work);
    return error && error != -ENOENT ? error : work->error;
}
