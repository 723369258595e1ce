/* SPDX-License-Identifier: Apache-2.0 */
/* The rules of one mapping, of an event's payload or of one item of a list in it.
 *
 * What is read is the payload as it came.  Then, whatever the order in the YAML: what is moved is
 * taken out; what is removed goes; names change; what was moved is put; fields are written, in
 * their order; what is set; defaults, where nothing is yet. */
#pragma once
#include "field.h"

enum mode { MODE_AUTO, MODE_REPLACE, MODE_MERGE };

struct rules {
    const struct mg_node *self; /* the map that they stand in; NULL: the module's options */
    const struct mg_node *fields, *rename, *move, *remove, *set, *defaults;
    uint32_t mode, on_missing;
};

/* -EINVAL: reterr says file:line:column and why, its option which of rules; -ENOMEM. */
int mapping_compile(const struct rules *rules, const struct scope *scope,
                    struct mapping **ret_mapping, struct mg_err *reterr);
/* Rules that stand beside `each:`. */
int mapping_compile_items(const struct mg_node *map, const struct scope *scope, uint32_t on_missing,
                          struct mapping **ret_mapping, struct mg_err *reterr);
bool mapping_is_key(const char *key);                /* of rules that stand beside `each:` */
void mapping_free(struct mapping *mapping);          /* NULL is fine */
bool mapping_reads(const struct mapping *mapping);   /* the payload */
bool mapping_changes(const struct mapping *mapping); /* something: it has rules */

/* *ret_out may share parts with the level's value, which it may have changed. */
int mapping_apply(const struct mapping *mapping, struct run *run, const struct level *level,
                  struct doc_value **ret_out, struct mg_err *reterr);
