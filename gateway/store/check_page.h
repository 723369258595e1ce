/* SPDX-License-Identifier: Apache-2.0 */
/* A walk at work, and what it knows of single pages. */
#pragma once
#include "store/check_disk.h"
#include "store/check_walk.h"

enum { GW_PAGE_HEAD = sizeof(struct gw_lmdb_page) };

struct gw_walk_tree;

struct gw_walk_state {
    struct gw_walk *walk;
    uint64_t page_count; /* whole pages in the file */
    uint64_t last_page;
    uint8_t *seen;                      /* a bit for each page up to last_page */
    char *pages[GW_LMDB_DEPTH_MAX + 1]; /* one buffer for each level */
    char *idl;                          /* of the free list: an overflow run */
    size_t idl_size;
    struct gw_walk_tree *tree; /* at work on; NULL: none yet */
    int error;
    bool stop;
};

/* One tree. */
struct gw_walk_tree {
    struct mg_str name;
    struct gw_lmdb_database db;
    uint64_t entries, damages;
    uint16_t key_bytes; /* of integer keys: the first one's */
    bool is_free_list, is_main;
};

/* walk: said, counted, and perhaps the end of the walk. */
void gw_walk_damage(struct gw_walk_state *s, uint64_t offset, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
uint64_t gw_walk_offset(const struct gw_walk_state *s, uint64_t page);

/* Of a page whose offsets are within it. */
uint16_t gw_page_slot(const char *page, uint32_t index);
struct gw_lmdb_node gw_page_node(const char *page, uint16_t offset);
struct mg_bytes gw_page_key(const char *page, uint16_t offset);

/* Everything within one page: nodes, keys, order.  low and high bound its keys (at NULL: not). */
bool gw_page_is_sound(struct gw_walk_state *s, struct gw_walk_tree *t, const char *page,
                      uint64_t number, bool leaf, struct mg_bytes low, struct mg_bytes high);
