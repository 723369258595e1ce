/* SPDX-License-Identifier: Apache-2.0 */
/* One table for writing rows and for reading them, so that the two cannot differ. */
#include "store/transfer_rows.h"
#include "base/arena.h"
#include "base/hash.h"
#include "store/format.h"
#include "store/rows.h"
#include "store/store.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define ENDED(term) offsetof(struct gw_disk_ledger, ended) + 8 * (term)

static const struct gw_row_field ledger[] = {
    {"log", GW_ROW_U32, true, 0},
    {"received", GW_ROW_U64, false, offsetof(struct gw_disk_ledger, received)},
    {"delivered", GW_ROW_U64, false, ENDED(GW_TERM_DELIVERED)},
    {"dropped", GW_ROW_U64, false, ENDED(GW_TERM_DROPPED)},
    {"expired", GW_ROW_U64, false, ENDED(GW_TERM_EXPIRED)},
    {"discarded", GW_ROW_U64, false, ENDED(GW_TERM_DISCARDED)},
    {"returned", GW_ROW_U64, false, ENDED(GW_TERM_RETURNED)},
    {"duplicate", GW_ROW_U64, false, ENDED(GW_TERM_DUPLICATE)},
    {"dead_lettered", GW_ROW_U64, false, ENDED(GW_TERM_DEAD_LETTERED)},
    {"retries", GW_ROW_U64, false, offsetof(struct gw_disk_ledger, retries)},
    {"next", GW_ROW_U64, false, offsetof(struct gw_disk_ledger, next_sequence)},
    {0}};

#define SINK_KEY                                                                                   \
    {"log", GW_ROW_BIG32, true, 0},                                                                \
    {                                                                                              \
        "sink", GW_ROW_BIG32, true, 4                                                              \
    }
#define PLACE_KEY(name)                                                                            \
    SINK_KEY,                                                                                      \
    {                                                                                              \
        name, GW_ROW_BIG64, true, 8                                                                \
    }

static const struct gw_row_field cursor[] = {
    SINK_KEY,
    {"first", GW_ROW_U64, false, offsetof(struct gw_disk_cursor, first)},
    {"count", GW_ROW_U64, false, offsetof(struct gw_disk_cursor, count)},
    {"bytes", GW_ROW_U64, false, offsetof(struct gw_disk_cursor, bytes)},
    {"commit", GW_ROW_U64, false, offsetof(struct gw_disk_cursor, commit)},
    {0}};

static void seal_cursor(void *value, const void *key)
{
    struct gw_disk_cursor *c = value;
    const struct gw_disk_sink_key *k = key;
    c->magic = GW_DISK_CURSOR_MAGIC;
    for (size_t i = 0; i < sizeof k->log; i++) {
        c->log = c->log << 8 | k->log[i];
        c->sink = c->sink << 8 | k->sink[i];
    }
    c->sum = gw_hash64(c, offsetof(struct gw_disk_cursor, sum));
}

static const struct gw_row_field settled[] = {
    PLACE_KEY("place"), {"bits", GW_ROW_PLACE, false, 0}, {0}};

static void seal_settled(void *value, const void *key)
{
    struct gw_disk_place *place = value;
    place->sum = gw_rows_place_sum(key, place->bits);
}

static const struct gw_row_field mark[] = {
    PLACE_KEY("sequence"),
    {"attempts", GW_ROW_U32, false, offsetof(struct gw_disk_mark, attempts)},
    {"deaths", GW_ROW_U32, false, offsetof(struct gw_disk_mark, deaths)},
    {0}};

/* What stands at a sink's place says what is counted: 0: records of an event, 1: how sinks of a
 * record ended. */
static const struct gw_row_field group[] = {
    {"log", GW_ROW_BIG32, true, 0},
    {"of", GW_ROW_BIG32, true, 4},
    {"sequence", GW_ROW_BIG64, true, 8},
    {"left", GW_ROW_U32, false, offsetof(struct gw_disk_group, left)},
    {"worst", GW_ROW_U32, false, offsetof(struct gw_disk_group, worst)},
    {0}};

static const struct gw_row_field lease[] = {
    PLACE_KEY("sequence"),
    {"until_us", GW_ROW_I64, false, offsetof(struct gw_disk_lease, until_us)},
    {"receives", GW_ROW_U32, false, offsetof(struct gw_disk_lease, receives)},
    {0}};

static const struct gw_row_field latest[] = {{"sink", GW_ROW_BIG32, true, 0},
                                             {"key", GW_ROW_BIG64, true, 4},
                                             {"sequence", GW_ROW_U64, false, 0},
                                             {0}};

static const struct gw_row_field identity[] = {
    {"number", GW_ROW_U64, true, 0},
    {"first", GW_ROW_HEX64, false, offsetof(struct gw_disk_identity, identity)},
    {"second", GW_ROW_HEX64, false, offsetof(struct gw_disk_identity, identity) + 8},
    {"seen_us", GW_ROW_I64, false, offsetof(struct gw_disk_identity, seen_us)},
    {0}};

enum { PLACE_KEY_BYTES = sizeof(struct gw_disk_place_key) };

const struct gw_row_kind gw_row_kinds[] = {
    {"ledger", "ledger", false, true, 4, sizeof(struct gw_disk_ledger), ledger, NULL},
    {"cursor", "cursors", false, false, sizeof(struct gw_disk_sink_key),
     sizeof(struct gw_disk_cursor), cursor, seal_cursor},
    {"settled", "done", false, false, PLACE_KEY_BYTES, sizeof(struct gw_disk_place), settled,
     seal_settled},
    {"mark", "marks", false, false, PLACE_KEY_BYTES, sizeof(struct gw_disk_mark), mark, NULL},
    {"group", "groups", false, false, PLACE_KEY_BYTES, sizeof(struct gw_disk_group), group, NULL},
    {"lease", "leases", false, false, PLACE_KEY_BYTES, sizeof(struct gw_disk_lease), lease, NULL},
    {"latest", "latest", true, false, 12, 8, latest, NULL},
    {"identity", "dedup", true, true, 8, sizeof(struct gw_disk_identity), identity, NULL},
    {0}};

/* ---- one field ------------------------------------------------------------------------------ */

static uint64_t big(const uint8_t *at, size_t length)
{
    uint64_t number = 0;
    for (size_t i = 0; i < length; i++)
        number = number << 8 | at[i];
    return number;
}

static void put_big(uint8_t *to, uint64_t number, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = (uint8_t)(number >> 8 * (length - 1 - i));
}

static json_t *field_json(enum gw_row_field_kind kind, const uint8_t *at)
{
    uint64_t number = 0;
    switch (kind) {
    case GW_ROW_BIG32:
        return json_integer((json_int_t)big(at, 4));
    case GW_ROW_BIG64:
        return gw_json_unsigned(big(at, 8));
    case GW_ROW_U32:
        memcpy(&number, at, 4);
        return json_integer((json_int_t)number);
    case GW_ROW_U64:
        memcpy(&number, at, 8);
        return gw_json_unsigned(number);
    case GW_ROW_I64:
        memcpy(&number, at, 8);
        return json_integer((json_int_t)number);
    case GW_ROW_HEX64:
        memcpy(&number, at, 8);
        return json_sprintf("%016" PRIx64, number);
    default:
        return gw_json_base64(at, 64);
    }
}

static int take_place(const json_t *json, uint8_t *at)
{
    struct mg_bytes bytes;
    struct gw_json_reader reader = {.arena = gw_arena_create()};
    int error = reader.arena ? gw_json_take_bytes(&reader, NULL, json, false, &bytes) : -ENOMEM;
    if (!error && bytes.len != 64)
        error = -EINVAL;
    if (!error)
        memcpy(at, bytes.at, bytes.len);
    gw_arena_destroy(reader.arena);
    return error;
}

static int take_field(enum gw_row_field_kind kind, const json_t *json, uint8_t *at)
{
    uint64_t number = 0;
    int64_t integer = json_integer_value(json);
    if (kind == GW_ROW_PLACE)
        return take_place(json, at);
    if (kind == GW_ROW_I64) {
        memcpy(at, &integer, sizeof integer);
        return json_is_integer(json) ? 0 : -EINVAL;
    }
    if (kind == GW_ROW_HEX64) {
        int error =
            json_is_string(json) ? gw_json_take_hex64(json_string_value(json), &number) : -EINVAL;
        memcpy(at, &number, sizeof number);
        return error;
    }
    int error = gw_json_take_unsigned(json, &number);
    bool narrow = kind == GW_ROW_U32 || kind == GW_ROW_BIG32;
    if (error || (narrow && number > UINT32_MAX))
        return -EINVAL;
    if (kind == GW_ROW_BIG32 || kind == GW_ROW_BIG64)
        put_big(at, number, narrow ? 4 : 8);
    else
        memcpy(at, &number, narrow ? 4 : 8);
    return 0;
}

/* ---- rows ----------------------------------------------------------------------------------- */

json_t *gw_row_to_json(const struct gw_row_kind *kind, const struct gw_row *row, bool *ret_damaged)
{
    *ret_damaged = row->key.len != kind->key_bytes || row->value.len != kind->value_bytes;
    json_t *json = *ret_damaged ? NULL : json_object();
    bool ok =
        json && (!kind->numbered || json_object_set_new(json, "log", json_integer(row->log)) == 0);
    for (const struct gw_row_field *f = kind->fields; ok && f->name; f++) {
        const uint8_t *at = f->in_key ? row->key.at : row->value.at;
        ok = json_object_set_new(json, f->name, field_json(f->kind, at + f->offset)) == 0;
    }
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}

static int wrong(struct mg_err *err, const char *name, const char *what)
{
    snprintf(err->text, sizeof err->text, "\"%.64s\" %s", name, what);
    return -EINVAL;
}

int gw_row_from_json(const struct gw_row_kind *kind, json_t *json, uint32_t *ret_log, void *key,
                     void *value, struct mg_err *err)
{
    size_t fields = 0;
    json_int_t log = json_integer_value(json_object_get(json, "log"));
    memset(key, 0, kind->key_bytes);
    memset(value, 0, kind->value_bytes);
    if (kind->numbered && (log < 1 || log > UINT16_MAX))
        return wrong(err, "log", "must be the number of a log");
    *ret_log = kind->numbered ? (uint32_t)log : 0;
    for (const struct gw_row_field *f = kind->fields; f->name; f++, fields++) {
        const json_t *member = json_object_get(json, f->name);
        uint8_t *at = f->in_key ? key : value;
        int error = member ? take_field(f->kind, member, at + f->offset) : -EINVAL;
        if (error == -EINVAL)
            return wrong(err, f->name, member ? "is not what it must be" : "is missing");
        if (error)
            return error;
    }
    if (json_object_size(json) != fields + kind->numbered)
        return wrong(err, kind->name, "has members that are not understood");
    if (kind->seal)
        kind->seal(value, key);
    return 0;
}
