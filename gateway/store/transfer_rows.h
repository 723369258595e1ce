/* SPDX-License-Identifier: Apache-2.0 */
/* How a row of the store and a line of an export become one another. */
#pragma once
#include "meshgate/plugin.h"
#include "store/record.h"
#include "store/record_json_internal.h"

enum { GW_ROW_KEY_MOST = 511 };

/* A row of a database; key and value are borrowed. */
struct gw_row {
    const char *database; /* "dedup.7" is kept as "dedup" and log 7 */
    uint32_t log;         /* 0: the database's name has no number */
    struct mg_bytes key, value;
};

enum gw_row_field_kind {
    GW_ROW_BIG32, /* of keys, which are compared as bytes */
    GW_ROW_BIG64,
    GW_ROW_U32,
    GW_ROW_U64,
    GW_ROW_I64,
    GW_ROW_HEX64,
    GW_ROW_PLACE /* 64 bytes */
};
struct gw_row_field {
    const char *name;
    enum gw_row_field_kind kind;
    bool in_key;
    size_t offset;
};
/* Rows that are structs. */
struct gw_row_kind {
    const char *name; /* in the export */
    const char *database;
    bool numbered; /* one database for each log */
    bool integer_key;
    size_t key_bytes, value_bytes;
    const struct gw_row_field *fields; /* ended by a NULL name */
    void (*seal)(void *value, const void *key);
};
extern const struct gw_row_kind gw_row_kinds[]; /* ended by a NULL name */

/* A new reference; NULL: out of memory, or (*ret_damaged) not a row of that kind. */
json_t *gw_row_to_json(const struct gw_row_kind *kind, const struct gw_row *row, bool *ret_damaged);
/* Into key and value, which have room for the kind's.  -EINVAL: err says what is wrong. */
int gw_row_from_json(const struct gw_row_kind *kind, json_t *json, uint32_t *ret_log, void *key,
                     void *value, struct mg_err *err);
