/* SPDX-License-Identifier: Apache-2.0 */
/* What the keywords' compile functions share.  Nothing here recurses: a subschema is made empty,
 * and waits until it is its turn. */
#pragma once
#include "keywords.h"
#include "schema.h"

struct wanted_anchor {
    struct mg_str name;
    struct wanted_anchor *next;
};
struct owned_regex {
    struct regex *regex;
    struct owned_regex *next;
};

struct compiler {
    struct library *library;
    struct table schemas; /* by their values */
    struct schema *waiting, *done;
    struct owned_regex *regexes;
    struct wanted_anchor *wanted; /* of dynamic references */
    bool assert_formats;
    struct mg_err *err;
};

/* Returns NULL where memory is short, which compile_check tells. */
struct check *add_check(struct compiler *c, const struct keyword_place *p, check_apply *apply,
                        uint32_t kinds);
/* "FILE:LINE:COLUMN: KEYWORD …" */
int wrong(struct compiler *c, const struct keyword_place *p, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int no_memory(struct compiler *c);

/* The schemas in a keyword's value: itself, a member, an item. */
int compile_value(struct compiler *c, const struct keyword_place *p, struct schema **ret);
int compile_member(struct compiler *c, const struct keyword_place *p, size_t index,
                   struct schema **ret);
int compile_list(struct compiler *c, const struct keyword_place *p, struct schema_list *ret);
int compile_target(struct compiler *c, const struct target *t, struct schema **ret);
int compile_regex(struct compiler *c, const struct keyword_place *p, struct mg_str pattern,
                  const struct regex **ret);

/* A whole resource, and all that it refers to. */
int compile_all(struct compiler *c, struct resource *root, struct schema **ret);
void compiler_fini(struct compiler *c);

/* Another keyword of the same schema, if it is there and of this draft. */
bool beside(const struct keyword_place *p, const char *name, struct keyword_place *ret);
static inline enum draft draft_of(const struct keyword_place *p)
{
    return p->schema->resource->draft;
}
