/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema, drafts 2020-12 and 07: schemas are added, one of them is compiled with all that it
 * refers to, and values are validated by it. */
#pragma once
#include "run.h"

struct validator;
struct validator_options {
    enum draft draft;    /* of schemas without $schema */
    bool assert_formats; /* format is more than an annotation */
};

/* All that answer int: 0, -EINVAL (reterr says what and where) or -ENOMEM. */
int validator_create(const struct validator_options *options, struct validator **ret_validator,
                     struct mg_err *reterr);
void validator_destroy(struct validator *validator); /* NULL is fine */
/* Where schemas are added (library_add_text, library_add_tree), before validator_compile. */
struct library *validator_library(struct validator *validator);
/* Once, after all schemas are there; afterwards the validator is read-only.  all: every
 * schema that was added, to be found by its URI; else document, which may be NULL with all. */
int validator_compile(struct validator *validator, struct document *document, bool all,
                      struct mg_err *reterr);
/* Of the document; NULL: there was none. */
const struct schema *validator_schema(const struct validator *validator);
/* The whole schema with that URI, as its $id spells it; NULL: there is none. */
const struct schema *validator_find(const struct validator *validator, struct mg_str uri);
