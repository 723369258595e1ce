/* SPDX-License-Identifier: Apache-2.0 */
/* An event pattern as alternatives of conditions: every $or is multiplied out. */
#pragma once
#include "arena.h"
#include "atom.h"
#include "meshgate/plugin.h"

enum {
    PATTERN_BRANCHES_MAX = 1024,      /* alternatives after $or is multiplied out */
    PATTERN_CONDITIONS_MAX = 256,     /* of one alternative */
    PATTERN_PATH_BYTES_MAX = 4096,    /* names of one condition, joined by dots */
    PATTERN_EXPANDED_MAX = 128 * 1024 /* conditions of all alternatives together */
};

struct condition {
    const char *path; /* joined by dots; NUL-terminated */
    const struct choice *choice;
};
struct branch {                   /* all of its conditions hold */
    struct condition *conditions; /* in the order of their paths, each path once */
    size_t count, capacity;
};
struct pattern { /* one of its branches holds */
    struct branch *branches;
    size_t count, capacity;
};

/* What paths and choices are lives in the arena, branches and the tree that node is in passing.
 * -EINVAL: reterr says what is wrong and where; -ENOMEM. */
int pattern_compile(struct arena *arena, struct arena *passing, const struct mg_node *node,
                    struct pattern *ret_pattern, struct mg_err *reterr);

/* ---- expressions, by the compiler only ------------------------------------------------------ */

/* One entry of a list of values: a constant, or a map such as {prefix: a}.  *ret_absent is set for
 * {exists: false}, which is no atom. */
int expression_compile(struct arena *arena, const struct mg_node *node, struct atom *ret_atom,
                       bool *ret_absent, struct mg_err *reterr);
/* Sorts count atoms into a new choice. */
struct choice *choice_create(struct arena *arena, const struct atom *atoms, size_t count);
bool node_is_text(const struct mg_node *node);
bool node_is_number(const struct mg_node *node);
