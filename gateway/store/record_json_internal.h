/* SPDX-License-Identifier: Apache-2.0 */
/* One table for writing a record as JSON and for reading it, so that the two cannot differ; and how
 * values are read. */
#pragma once
#include "meshgate/plugin.h"
#include <jansson.h>

enum gw_json_kind {
    GW_JSON_TEXT,
    GW_JSON_VALUE,
    GW_JSON_BYTES, /* written as a text */
    GW_JSON_BOOL,
    GW_JSON_U8,
    GW_JSON_U32,
    GW_JSON_I64
};

struct gw_json_field {
    const char *name;
    enum gw_json_kind kind;
    uint32_t present; /* MG_HAS_*, or 0 */
    size_t offset;    /* in struct mg_head */
    int64_t most;     /* GW_JSON_U8 */
    int64_t absent;   /* what a number is where the field is not there */
};

extern const struct gw_json_field gw_json_fields[];    /* ended by a NULL name */
extern const char *const gw_json_types[MG_SYMBOL + 1]; /* of values */
extern const char *const gw_json_flags[];              /* bit by bit, ended by NULL */

/* New references; NULL: out of memory. */
json_t *gw_json_text(const void *at, size_t length); /* a string, or {"type":"text","base64":…} */
json_t *gw_json_base64(const void *at, size_t length);
json_t *gw_json_unsigned(uint64_t number); /* a string where it is above 2^63-1 */

struct gw_json_reader {
    struct gw_arena *arena; /* for what is not in the JSON as such */
    struct mg_err *err;
};

/* All of these: 0, -EINVAL or -ENOMEM; only gw_json_wrong writes the error's text. */
int gw_json_wrong(struct gw_json_reader *r, const char *key, const char *what); /* -EINVAL */
void *gw_json_room(struct gw_json_reader *r, size_t count, size_t size); /* NULL: out of memory */
/* A plain string, or {"type":"text","base64":…}. */
int gw_json_take_text(struct gw_json_reader *r, const json_t *j, struct mg_str *ret);
/* A string (where is_text), or base64; the other is NULL. */
int gw_json_take_bytes(struct gw_json_reader *r, const json_t *value, const json_t *base64,
                       bool is_text, struct mg_bytes *ret);
/* {"type":"uint","bits":8,"value":200}, with `more` further members that are the caller's. */
int gw_json_take_typed(struct gw_json_reader *r, const json_t *j, size_t more,
                       struct mg_value *ret);
int gw_json_take_plain(const json_t *j, struct mg_value *ret); /* what JSON has itself */
int gw_json_take_id(struct gw_json_reader *r, const json_t *j, struct mg_value *ret);
int gw_json_take_unsigned(const json_t *j, uint64_t *ret);
int gw_json_take_hex64(const char *text, uint64_t *ret); /* 16 digits */
