/* SPDX-License-Identifier: Apache-2.0 */
/* YAML files as a tree of mg_node with positions, secrets resolved, limits kept. */
#pragma once
#include "base/arena.h"
#include "base/diag.h"
#include "meshgate/plugin.h"

enum {
    GW_TREE_FILE_BYTES_MAX = 16 << 20,
    GW_TREE_DEPTH_MAX = 64,
    GW_TREE_NODES_MAX = 2000000, /* after aliases are expanded */
    GW_TREE_FILES_MAX = 10000,   /* of one folder */
    GW_SECRET_FILE_BYTES_MAX = 65536,
    GW_SHOWN_BYTES = 72,
};

/* Reads one YAML file, or every *.yaml and *.yml of a folder in the order of their names, merged:
 * the maps under gateway, bridges and routes are united, one name twice is an error that names both
 * places.  ${env:NAME}, ${env:NAME:-default}, ${file:/path} (its text less one trailing newline)
 * are replaced inside scalars; $${ is a literal ${.  All errors go to diags; NULL where there were
 * any that leave no tree.  Everything lives in the arena. */
const struct mg_node *gw_tree_load(struct gw_arena *arena, const char *path,
                                   struct gw_diags *diags);

/* The same from memory, for tests and fuzzing; file is the name shown in errors. */
const struct mg_node *gw_tree_parse(struct gw_arena *arena, const char *file, const char *text,
                                    size_t length, struct gw_diags *diags);

/* The entry of a map, or NULL. */
const struct mg_node *gw_tree_get(const struct mg_node *map, const char *key);

/* ---- what follows takes nodes of this module only ------------------------------------------- */

/* Where the key of a map's entry stands (line and column of a node are its value's). */
void gw_tree_key_place(const struct mg_node *entry, uint32_t *ret_line, uint32_t *ret_column);
/* How a scalar was written in which something was replaced, e.g. "${env:PASSWORD}"; NULL where
 * nothing was.  Such a text must not be shown to anybody: show this. */
const char *gw_tree_origin(const struct mg_node *scalar);
/* Its replacement failed, which has been said: its text means nothing. */
bool gw_tree_broken(const struct mg_node *node);
/* Replaces in text, which has `size` bytes of room, every result of a replacement under `node` by
 * how it was written: for texts that others composed out of values. */
void gw_tree_redact(const struct mg_node *node, char *text, size_t size);
/* Replaces one value there; one of less than four bytes only where it stands as a word. */
void gw_tree_hide(char *text, size_t size, const char *value, const char *by);

/* A scalar at the place of another node, and a map with those entries of another that have one of
 * the NULL-ended names.  NULL: out of memory. */
const struct mg_node *gw_tree_scalar(struct gw_arena *arena, const struct mg_node *place,
                                     const char *text);
const struct mg_node *gw_tree_pick(struct gw_arena *arena, const struct mg_node *map,
                                   const char *const *names);

/* A text as messages show it: cut at some 60 bytes, control characters as '?'.  Returns buffer. */
const char *gw_tree_shown(char buffer[GW_SHOWN_BYTES], const char *text);
