/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an export, line by line, into a new data file. */
#include "base/arena.h"
#include "base/hash.h"
#include "store/format.h"
#include "store/rebuild.h"
#include "store/record_json.h"
#include "store/rows.h"
#include "store/salvage_scan.h"
#include "store/transfer.h"
#include "store/transfer_rows.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct import {
    struct gw_rebuild *rebuild;
    struct gw_store_imported *counts;
    struct mg_err *err;
    bool ended;
};

static int wrong(struct import *x, const char *what)
{
    snprintf(x->err->text, sizeof x->err->text, "%s", what);
    return -EINVAL;
}

static struct mg_bytes bytes(const void *at, size_t length)
{
    return (struct mg_bytes){at, length};
}

static int put(struct import *x, const char *database, bool integer_key, struct mg_bytes key,
               struct mg_bytes head, struct mg_bytes tail)
{
    int error = gw_rebuild_put(x->rebuild, database, integer_key, key, head, tail);
    return error == -EINVAL ? wrong(x, "its key is too long, or empty") : error;
}

/* ---- rows ----------------------------------------------------------------------------------- */

static int take_row(struct import *x, const struct gw_row_kind *kind, json_t *json)
{
    _Alignas(8) uint8_t key[GW_ROW_KEY_MOST], value[256];
    char database[32];
    uint32_t log;
    int error = gw_row_from_json(kind, json, &log, key, value, x->err);
    if (error)
        return error;
    if (kind->numbered)
        snprintf(database, sizeof database, "%s.%" PRIu32, kind->database, log);
    else
        snprintf(database, sizeof database, "%s", kind->database);
    x->counts->identities += !strcmp(kind->name, "identity");
    return put(x, database, kind->integer_key, bytes(key, kind->key_bytes),
               bytes(value, kind->value_bytes), bytes(NULL, 0));
}

static int put_log(struct import *x, struct gw_disk_log *entry, struct mg_str name,
                   const char *tail, size_t length)
{
    uint64_t parts[2];
    entry->name_bytes = (uint32_t)name.len;
    entry->label_bytes = (uint32_t)(length - name.len);
    parts[0] = gw_hash64(entry, sizeof *entry);
    parts[1] = gw_hash64(tail, length);
    entry->sum = gw_hash64(parts, sizeof parts);
    char database[32];
    snprintf(database, sizeof database, "log.%" PRIu32, entry->number);
    int error = gw_rebuild_make(x->rebuild, database, true);
    return error ? error
                 : put(x, "logs", false, bytes(name.at, name.len), bytes(entry, sizeof *entry),
                       bytes(tail, length));
}

static int take_log(struct import *x, json_t *json)
{
    struct gw_json_reader reader = {gw_arena_create(), x->err};
    json_t *sinks = json_object_get(json, "sinks");
    json_int_t number = json_integer_value(json_object_get(json, "log"));
    struct gw_disk_log entry = {.magic = GW_DISK_LOG_MAGIC, .number = (uint32_t)number};
    struct mg_str name = {NULL, 0};
    char *tail = NULL;
    size_t length = 0;
    FILE *out = reader.arena ? open_memstream(&tail, &length) : NULL;
    int error = out ? 0 : -ENOMEM;
    if (!error && (number < 1 || number > UINT16_MAX || json_object_size(json) != 4 ||
                   json_array_size(sinks) > GW_RECORD_SINKS_MAX ||
                   gw_json_take_unsigned(json_object_get(json, "next"), &entry.next_sequence) ||
                   gw_json_take_text(&reader, json_object_get(json, "route"), &name)))
        error = wrong(x, "a log has log, route, next and sinks");
    if (out && !error)
        fwrite(name.at, 1, name.len, out);
    entry.sink_count = (uint32_t)json_array_size(sinks);
    for (size_t i = 0; !error && i < entry.sink_count; i++) {
        const json_t *label = json_array_get(sinks, i);
        const char *text = json_string_value(label);
        if (!json_is_null(label) && (!text || strlen(text) != json_string_length(label)))
            error = wrong(x, "a sink must be a text or null");
        else
            fwrite(text ? text : "", 1, text ? strlen(text) + 1 : 1, out);
    }
    if (out && fclose(out) != 0 && !error)
        error = -ENOMEM;
    if (!error)
        error = put_log(x, &entry, name, tail, length);
    free(tail);
    gw_arena_destroy(reader.arena);
    return error;
}

static int take_state(struct import *x, json_t *json)
{
    struct gw_json_reader reader = {gw_arena_create(), x->err};
    struct mg_str key;
    struct mg_bytes value;
    int error = reader.arena ? 0 : -ENOMEM;
    if (!error &&
        (json_object_size(json) != 2 ||
         gw_json_take_text(&reader, json_object_get(json, "key"), &key) ||
         gw_json_take_bytes(&reader, NULL, json_object_get(json, "value"), false, &value)))
        error = wrong(x, "a state has a key, and a value in base64");
    if (!error) {
        uint64_t sum = gw_rows_state_sum(bytes(key.at, key.len), value);
        error = put(x, "state", false, bytes(key.at, key.len), bytes(&sum, sizeof sum), value);
    }
    x->counts->states += !error;
    gw_arena_destroy(reader.arena);
    return error;
}

/* ---- records -------------------------------------------------------------------------------- */

static int take_head(struct import *x, json_t *json, struct gw_disk_head *head)
{
    json_t *targets = json_object_get(json, "targets"), *group = json_object_get(json, "group");
    json_int_t log = json_integer_value(json_object_get(json, "log"));
    const char *name = head->kind == GW_HEAD_DEAD ? "id" : "sequence";
    if (log < 0 || log > UINT16_MAX ||
        gw_json_take_unsigned(json_object_get(json, name), &head->sequence) ||
        !json_is_array(targets) || (group && json_array_size(group) != 2))
        return wrong(x, "a record has log, sequence (or id), targets and record");
    head->magic = GW_DISK_HEAD_MAGIC;
    head->log = (uint32_t)log;
    head->group_count = 1;
    if (group) {
        head->group_index = (uint32_t)json_integer_value(json_array_get(group, 0));
        head->group_count = (uint32_t)json_integer_value(json_array_get(group, 1));
    }
    head->flags = (uint16_t)json_integer_value(json_object_get(json, "flags"));
    for (size_t i = 0; i < json_array_size(targets); i++) {
        json_int_t sink = json_integer_value(json_array_get(targets, i));
        if (!json_is_integer(json_array_get(targets, i)) || sink < 0 || sink >= GW_RECORD_SINKS_MAX)
            return wrong(x, "targets must be a list of sinks, 0 to 63");
        head->targets |= UINT64_C(1) << sink;
    }
    return 0;
}

/* An allocation; behind `before` bytes that the caller fills. */
static int take_record(struct import *x, json_t *json, size_t before, char **ret,
                       size_t *ret_length)
{
    struct gw_record_parsed parsed;
    void *encoded = NULL;
    size_t length = 0;
    int error = gw_record_from_json(json_object_get(json, "record"), &parsed, x->err);
    if (error)
        return error;
    error = gw_record_encode(&parsed.record, &encoded, &length);
    gw_record_parsed_fini(&parsed);
    if (error)
        return error == -ENOMEM ? error : wrong(x, "its record is too long, or contradicts itself");
    *ret = malloc(before + length);
    if (*ret) {
        memcpy(*ret + before, encoded, length);
        *ret_length = before + length;
    }
    free(encoded);
    return *ret ? 0 : -ENOMEM;
}

/* gw_disk_dead and its texts: an allocation. */
static int take_dead(struct import *x, json_t *json, char **ret, size_t *ret_length)
{
    static const char *const names[] = {"route", "sink", "step", "reason"};
    json_t *died = json_object_get(json, "died_us"), *attempts = json_object_get(json, "attempts");
    struct gw_disk_dead dead = {.died_us = json_integer_value(died),
                                .attempts = (uint32_t)json_integer_value(attempts)};
    struct gw_json_reader reader = {gw_arena_create(), x->err};
    FILE *out = reader.arena ? open_memstream(ret, ret_length) : NULL;
    int error = out ? 0 : -ENOMEM;
    if (!error && (!json_is_integer(died) || !json_is_integer(attempts)))
        error = wrong(x, "a dead letter has died_us, attempts, route, sink, step and reason");
    if (out)
        fwrite(&dead, 1, sizeof dead, out);
    for (size_t i = 0; i < 4 && !error; i++) {
        struct mg_str text;
        error = gw_json_take_text(&reader, json_object_get(json, names[i]), &text);
        if (!error && memchr(text.at, 0, text.len))
            error = -EINVAL;
        if (error == -EINVAL)
            error = wrong(x, "a dead letter has died_us, attempts, route, sink, step and reason");
        if (!error) {
            fwrite(text.at, 1, text.len, out);
            fputc('\0', out);
        }
    }
    if (out && fclose(out) != 0 && !error)
        error = -ENOMEM;
    if (!error) {
        dead.text_bytes = (uint32_t)(*ret_length - sizeof dead);
        memcpy(*ret, &dead, sizeof dead);
    }
    gw_arena_destroy(reader.arena);
    return error;
}

static int put_headed(struct import *x, const struct gw_disk_head *head, const char *body)
{
    char database[32] = "dead";
    if (head->kind != GW_HEAD_DEAD)
        snprintf(database, sizeof database, "%s.%" PRIu32,
                 head->kind == GW_HEAD_LOG ? "log" : "archive", head->log);
    x->counts->records += head->kind == GW_HEAD_LOG;
    x->counts->dead += head->kind == GW_HEAD_DEAD;
    x->counts->archived += head->kind == GW_HEAD_ARCHIVE;
    return put(x, database, true, bytes(&head->sequence, sizeof head->sequence),
               bytes(head, sizeof *head), bytes(body, head->length));
}

static int take_headed(struct import *x, uint16_t kind, json_t *json)
{
    struct gw_disk_head head = {.kind = kind};
    char *texts = NULL, *body = NULL;
    size_t before = 0, length = 0;
    size_t members = 4u + !!json_object_get(json, "group") + !!json_object_get(json, "flags") +
                     (kind == GW_HEAD_DEAD ? 6u : 0u);
    int error = json_object_size(json) == members ? take_head(x, json, &head)
                                                  : wrong(x, "a member is missing, or too much");
    if (!error && kind == GW_HEAD_DEAD)
        error = take_dead(x, json, &texts, &before);
    if (!error)
        error = take_record(x, json, before, &body, &length);
    if (!error) {
        if (before)
            memcpy(body, texts, before);
        head.length = (uint32_t)length;
        head.body_sum = gw_hash64(body, length);
        head.head_sum = gw_hash64(&head, offsetof(struct gw_disk_head, head_sum));
        error = put_headed(x, &head, body);
    }
    free(texts);
    free(body);
    return error;
}

/* The ids of dead letters are never used again. */
static int take_next_dead(struct import *x, json_t *json)
{
    uint64_t next;
    if (json_object_size(json) != 1 || gw_json_take_unsigned(json_object_get(json, "next"), &next))
        return wrong(x, "dead_letters has next");
    return put(x, "meta", false, bytes("dead", 4), bytes(&next, sizeof next), bytes(NULL, 0));
}

/* ---- lines ---------------------------------------------------------------------------------- */

static int take_header(struct import *x, json_t *json)
{
    json_int_t format = json_integer_value(json_object_get(json, "format"));
    uint32_t written = GW_STORE_FORMAT;
    if (format > GW_STORE_FORMAT) {
        snprintf(x->err->text, sizeof x->err->text,
                 "exported by a later version (format %d, this one knows %d)", (int)format,
                 GW_STORE_FORMAT);
        return -EPROTONOSUPPORT;
    }
    if (format < 1)
        return wrong(x, "not the beginning of an export of a store");
    return put(x, "meta", false, bytes("format", 6), bytes(&written, sizeof written),
               bytes(NULL, 0));
}

static int take_line(struct import *x, const char *text, size_t length)
{
    json_error_t at;
    json_t *json = json_loadb(text, length, JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &at);
    void *member = json_object_iter(json);
    const char *name = member ? json_object_iter_key(member) : "";
    json_t *body = member ? json_object_iter_value(member) : NULL;
    const struct gw_row_kind *kind = gw_row_kinds;
    int error;
    while (kind->name && strcmp(kind->name, name) != 0)
        kind++;
    if (!json)
        snprintf(x->err->text, sizeof x->err->text, "not JSON: %s at column %d", at.text,
                 at.column);
    if (!json_is_object(body) || json_object_size(json) != 1)
        error = json ? wrong(x, "must be an object in an object") : -EINVAL;
    else if (x->ended)
        error = wrong(x, "comes after the end");
    else if ((x->counts->lines == 0) != !strcmp(name, "meshgate_store"))
        error = wrong(x, "an export of a store begins with meshgate_store");
    else if (!strcmp(name, "meshgate_store"))
        error = take_header(x, body);
    else if (kind->name)
        error = take_row(x, kind, body);
    else if (!strcmp(name, "log"))
        error = take_log(x, body);
    else if (!strcmp(name, "record"))
        error = take_headed(x, GW_HEAD_LOG, body);
    else if (!strcmp(name, "archived"))
        error = take_headed(x, GW_HEAD_ARCHIVE, body);
    else if (!strcmp(name, "dead"))
        error = take_headed(x, GW_HEAD_DEAD, body);
    else if (!strcmp(name, "state"))
        error = take_state(x, body);
    else if (!strcmp(name, "dead_letters"))
        error = take_next_dead(x, body);
    else if (!strcmp(name, "end")) {
        x->ended = true;
        error = (uint64_t)json_integer_value(json_object_get(body, "lines")) == x->counts->lines
                    ? 0
                    : wrong(x, "lines are missing before it");
    } else
        error = wrong(x, "of a kind that this version does not know");
    json_decref(json);
    return error;
}

static int take_lines(struct import *x, FILE *in)
{
    char *text = NULL;
    size_t size = 0;
    ssize_t length;
    int error = 0;
    while (!error && (length = getline(&text, &size, in)) >= 0) {
        struct mg_err inner = {{0}}, *outer = x->err;
        x->err = &inner;
        error = take_line(x, text, (size_t)length);
        x->err = outer;
        x->counts->lines++;
        if (error)
            snprintf(outer->text, sizeof outer->text, "line %" PRIu64 ": %.200s", x->counts->lines,
                     inner.text[0] ? inner.text : strerror(-error));
    }
    free(text);
    if (!error && ferror(in))
        error = -EIO;
    if (!error && !x->ended)
        error = wrong(x, "it ends before its end");
    return error;
}

int gw_store_import(const char *folder, FILE *in, struct gw_store_imported *ret,
                    struct mg_err *reterr)
{
    struct import x = {.counts = ret, .err = reterr};
    *ret = (struct gw_store_imported){0};
    *reterr = (struct mg_err){{0}};
    int error = mkdir(folder, 0750) < 0 && errno != EEXIST ? -errno : 0;
    if (!error)
        error = gw_rebuild_begin(folder, &x.rebuild);
    if (error) {
        snprintf(reterr->text, sizeof reterr->text, "%s: %s", folder,
                 error == -EEXIST ? "there is a store already" : strerror(-error));
        return error;
    }
    error = take_lines(&x, in);
    int ended = gw_rebuild_end(x.rebuild, !error);
    error = error ? error : ended;
    if (error && !reterr->text[0])
        snprintf(reterr->text, sizeof reterr->text, "%s", strerror(-error));
    return error;
}
