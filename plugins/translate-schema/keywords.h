/* SPDX-License-Identifier: Apache-2.0 */
/* The keywords: in which draft and vocabulary, what they hold, and how they are compiled. */
#pragma once
#include "library.h"

enum holds {
    HOLDS_NOTHING,
    HOLDS_ONE, /* a schema */
    HOLDS_LIST,
    HOLDS_MAP,
    HOLDS_EITHER /* a schema or a list of them */
};

struct compiler;
struct schema;
/* Where a keyword stands while it is compiled. */
struct keyword_place {
    struct schema *schema;
    const struct doc_value *object; /* the schema's */
    struct doc_value *value;        /* the keyword's */
    const char *name;
};
typedef int keyword_compile(struct compiler *, const struct keyword_place *);

struct keyword {
    const char *name;
    uint32_t drafts; /* 1 << DRAFT_… */
    uint32_t vocabulary;
    enum holds holds;
    keyword_compile *compile; /* NULL: it says nothing about validity by itself */
};
/* In the order in which they are evaluated; ends with a name of NULL. */
extern const struct keyword keywords[];

enum holds keyword_holds(struct mg_str name, enum draft draft);
