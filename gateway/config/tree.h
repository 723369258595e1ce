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
    GW_SECRET_FILE_BYTES_MAX = 65536,
};

/* Reads one YAML file, or every *.yaml and *.yml of a folder in the order of their names, merged:
 * the maps under gateway, bridges and routes are united, one name twice is an error that names both
 * places.  ${env:NAME}, ${env:NAME:-default}, ${file:/path} (its text less one trailing newline) are
 * replaced inside scalars; $${ is a literal ${.  All errors go to diags; NULL where there were any
 * that leave no tree.  Everything lives in the arena. */
const struct mg_node *gw_tree_load(struct gw_arena *arena, const char *path, struct gw_diags *diags);

/* The same from memory, for tests and fuzzing; file is the name shown in errors. */
const struct mg_node *gw_tree_parse(struct gw_arena *arena, const char *file, const char *text,
                                    size_t length, struct gw_diags *diags);

/* The entry of a map, or NULL. */
const struct mg_node *gw_tree_get(const struct mg_node *map, const char *key);
