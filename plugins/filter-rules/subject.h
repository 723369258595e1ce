/* SPDX-License-Identifier: Apache-2.0 */
/* What a rule looks at: an attribute of the event, a property, a capture. */
#pragma once
#include "amount.h"
#include "meshgate/plugin.h"

enum subject_kind {
    SUBJECT_CAPTURE,
    SUBJECT_PROPERTY,
    SUBJECT_TEXT,  /* a struct mg_str of the head */
    SUBJECT_VALUE, /* a struct mg_value of the head */
    SUBJECT_USER,
    SUBJECT_BYTE, /* a number or flag of the head, which is there when `present` says so */
    SUBJECT_FLAG,
    SUBJECT_GROUP_SEQUENCE,
    SUBJECT_CREATED,    /* milliseconds since 1970 */
    SUBJECT_AGE,        /* microseconds */
    SUBJECT_EXPIRES_IN, /* microseconds */
    SUBJECT_SIZE
};

struct subject {
    enum subject_kind kind;
    size_t offset;      /* in struct mg_head */
    uint32_t present;   /* MG_HAS_*; 0: always there */
    struct mg_str name; /* of a capture or property; lives as long as the text it came from */
};

/* "event.address", "property.site", "line" or "{line}".  -EINVAL: reterr says why. */
int subject_parse(const char *text, struct subject *ret_subject, struct mg_err *reterr);

struct value {
    enum { VALUE_NONE, VALUE_OTHER, VALUE_TEXT, VALUE_NUMBER, VALUE_BOOL } kind;
    struct mg_str text;
    struct amount number;
    bool truth;
    char scratch[40];
};

struct look { /* at one event */
    const struct mg_host *host;
    const mg_event *event;
    const mg_scope *scope;
    int64_t wall_us;
};

/* The place of the next value, from *at on (0 first): only properties have several.  false: there
 * is none.  VALUE_OTHER: one that nothing can be compared with.  *ret_said: the sender said so, it
 * is no default. */
bool subject_next(const struct subject *s, const struct look *look, size_t *at,
                  struct value *ret_value, bool *ret_said);
