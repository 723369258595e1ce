/* SPDX-License-Identifier: Apache-2.0 */
/* What the tree keeps of a node beyond the SDK's view of it; for the files tree*.c only. */
#pragma once
#include "config/tree.h"

struct gw_tree_value {
    struct gw_tree_value *next;
    const char *text, *written; /* "hunter2", "${env:PASSWORD}" */
};

struct gw_tree_node {
    struct mg_node node; /* first: the SDK's pointer is ours */
    uint32_t key_line, key_column;
    const char *origin;           /* the scalar as written, where something in it was replaced */
    struct gw_tree_value *values; /* what was put in */
    bool broken;
    size_t weight;   /* nodes in it, aliases expanded */
    uint32_t height; /* 1: a leaf */
};

/* The key place where there is one, else the node's own. */
void gw_tree_error(struct gw_diags *diags, const struct gw_tree_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* Replaces ${…} in the scalar; what is wrong goes to diags and marks the node broken.  -ENOMEM. */
int gw_tree_replace(struct gw_arena *arena, struct gw_tree_node *scalar, struct gw_diags *diags);

/* Sets the entries of a map or the items of a list, and weight and height.  -ENOMEM. */
int gw_tree_set_items(struct gw_arena *arena, struct gw_tree_node *node,
                      struct gw_tree_node *const *items, size_t count);

/* Says which names come twice among the entries of a map and drops the later ones; `scope` goes in
 * front of the name ("bridges." or ""). Returns how many are left, or -ENOMEM. */
ptrdiff_t gw_tree_drop_duplicates(struct gw_tree_node **entries, size_t count, const char *scope,
                                  struct gw_diags *diags);

/* Reads at most `limit` bytes of a file; regular_only refuses pipes and devices.  Returns 0 or a
 * negative errno: -EFBIG above the limit.  NUL-terminated, in the arena. */
int gw_tree_read_file(struct gw_arena *arena, const char *path, size_t limit, bool regular_only,
                      char **ret_text, size_t *ret_length);
/* path, relative to the folder of `file`.  NULL: out of memory. */
const char *gw_tree_relative(struct gw_arena *arena, const char *file, const char *path);

/* Says why the parser stopped, or where the text stops being UTF-8.  -EINVAL, or -ENOMEM. */
struct yaml_parser_s;
int gw_tree_syntax_error(const struct yaml_parser_s *parser, const char *file, const char *text,
                         size_t length, struct gw_diags *diags);
int gw_tree_utf8_error(const char *file, const char *text, size_t length, struct gw_diags *diags);
