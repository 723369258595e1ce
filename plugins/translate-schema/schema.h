/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled schema: a list of checks, each a function and what it needs.  Read-only once it is
 * compiled, so that all shards use it at once. */
#pragma once
#include "format.h"
#include "library.h"
#include "number.h"
#include "regex.h"

struct run;
struct schema;
struct check;

/* One schema applied to one value. */
struct at {
    const struct schema *schema;
    const struct doc_value *value;
    const struct spot *spot; /* where the value is in its document */
    const struct scope *scope;
    size_t marks; /* which members or items were looked at, or NO_MARKS: nobody asks */
};
typedef bool check_apply(struct run *, const struct check *, const struct at *);

/* 1 << enum doc_kind */
enum {
    ON_NUMBER = 1 << DOC_NUMBER,
    ON_TEXT = 1 << DOC_TEXT,
    ON_LIST = 1 << DOC_LIST,
    ON_OBJECT = 1 << DOC_OBJECT,
    ON_ALL = 0x3f,
    TYPE_INTEGER = 0x40 /* of a type's mask alone */
};

struct schema_list {
    struct schema **at;
    size_t count;
};
struct pattern_member {
    const struct regex *regex;
    struct schema *schema;
};
struct dependent {
    struct mg_str name;
    const struct doc_value *names; /* that must be there, too */
    struct schema *schema;         /* that must hold, too */
};

struct check {
    check_apply *apply;
    uint32_t kinds; /* of values that it says something about; all others pass */
    const char *keyword;
    union {
        uint32_t types;
        struct mg_str number;
        struct divisor divisor;
        uint64_t count;
        const struct doc_value *values; /* a list; const: the value */
        const struct regex *regex;
        const struct format *format;
        struct schema *schema;
        struct schema_list schemas;
        struct {
            struct schema_list first;
            struct schema *rest; /* NULL: anything */
        } items;
        struct {
            struct schema *schema;
            uint64_t least, most;
            bool marks;
        } contains;
        struct {
            struct table named; /* schemas */
            struct pattern_member *patterns;
            size_t pattern_count;
            struct schema *others; /* NULL: anything */
        } members;
        struct {
            struct dependent *at;
            size_t count;
        } dependents;
        struct {
            struct schema *schema;
            struct mg_str anchor; /* of a $dynamicAnchor */
        } dynamic;
        struct {
            struct schema *when, *then, *otherwise;
        } condition;
    } as;
};

enum schema_form { SCHEMA_CHECKS, SCHEMA_ALWAYS, SCHEMA_NEVER };
struct schema {
    enum schema_form form;
    bool marks; /* it asks what its own keywords have looked at */
    struct resource *resource;
    const char *pointer; /* in the resource's document */
    struct doc_value *value;
    struct check *checks;
    size_t count;
    struct schema *next; /* that is still to be compiled; then, of all */
    uint8_t visit;       /* while loops are looked for */
};
