/* SPDX-License-Identifier: Apache-2.0 */
/* The fields of an event's head and the types of its values, by the names they have in a record. */
#pragma once
#include "meshgate/plugin.h"

enum record_kind {
    FIELD_TEXT,  /* struct mg_str */
    FIELD_VALUE, /* struct mg_value */
    FIELD_BYTES, /* struct mg_bytes */
    FIELD_BOOL,
    FIELD_U8,
    FIELD_U32,
    FIELD_I64
};

struct record_field {
    const char *name;
    enum record_kind kind;
    uint32_t present; /* the MG_HAS_ flag that goes with it, 0: none */
    size_t offset;
    uint32_t most; /* FIELD_U8 */
};

extern const struct record_field record_fields[]; /* the last has no name */
extern const char *const record_type_names[MG_SYMBOL + 1];
