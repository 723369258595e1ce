/* SPDX-License-Identifier: Apache-2.0 */
/* A pattern's JSON text as the tree that YAML would give: places, spelling of numbers and repeated
 * keys are kept. */
#pragma once
#include "arena.h"
#include "meshgate/plugin.h"

enum { TREE_DEPTH_MAX = 64, TREE_ENTRIES_MAX = 1000000 };

/* file: shown in errors, may be NULL.  Strings are quoted scalars, numbers, true and false plain
 * ones.  -EINVAL: reterr says what and where; -ENOMEM. */
int json_tree(struct arena *arena, const char *file, const char *text, size_t length,
              const struct mg_node **ret_node, struct mg_err *reterr);

/* Puts the place of a node in front of the text.  Returns -EINVAL. */
int wrong_at(const struct mg_node *node, struct mg_err *reterr, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
