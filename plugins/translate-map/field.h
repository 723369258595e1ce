/* SPDX-License-Identifier: Apache-2.0 */
/* One field of a mapping: where its value comes from, what is made of it, and where it goes. */
#pragma once
#include "convert.h"

enum missing { MISSING_OMIT, MISSING_NULL, MISSING_REJECT };
enum source { FROM_ORIGINS, FROM_VALUE, FROM_EACH, FROM_LIST_OF, FROM_OBJECT_OF };

struct mapping;

/* A path or a text with fields in it. */
struct origin {
    struct place place;
    struct wording *wording; /* NULL: the place */
};
struct field {
    struct doc_path *target;
    enum source source;
    size_t origin_count; /* the first that has a value counts; of a list or an object: one place */
    struct origin *origins;
    struct doc_value *value;    /* FROM_VALUE */
    struct doc_value *fallback; /* default: or NULL */
    struct convert convert;
    struct mapping *items; /* what is made of each item; NULL: convert */
    long limit;            /* of items */
    struct mg_str name_as, value_as;
    bool has_default; /* one of `defaults:`, so that it may be missing */
};

/* What all of a mapping's fields have in common. */
struct field_rules {
    const struct scope *scope;
    bool into_payload; /* targets are places of the payload, not of something new */
    uint32_t on_missing;
};

/* A field of `fields:`: its key is the target.  -EINVAL: reterr says file:line:column and why;
 * -ENOMEM.  *ret_field is for field_fini either way. */
int field_compile(const struct mg_node *node, const struct field_rules *rules,
                  struct field *ret_field, struct mg_err *reterr);
/* One of `set:` or `defaults:`: a constant, or a text with fields in it. */
int field_compile_set(const struct mg_node *node, const struct field_rules *rules,
                      struct field *ret_field, struct mg_err *reterr);
void field_fini(struct field *field);
bool field_reads(const struct field *field); /* the payload */

/* The field's value, NULL where the event has none.  It may be a part of the payload or a constant:
 * see doc_copy.  -EINVAL: it cannot be converted, reterr says why; -ENOMEM. */
int field_evaluate(const struct field *field, struct run *run, const struct level *level,
                   struct doc_value **ret_value, struct mg_err *reterr);
