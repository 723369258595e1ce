/* SPDX-License-Identifier: Apache-2.0 */
/* LMDB 0.9's structs on disk, as far as a walk needs them. */
#pragma once
#include <stdint.h>

#define GW_LMDB_MAGIC 0xbeefc0deu
#define GW_LMDB_NONE  UINT64_MAX /* no such page: the root of an empty tree */

enum { GW_LMDB_VERSION = 1, GW_LMDB_KEY_MAX = 511, GW_LMDB_DEPTH_MAX = 32 };
enum { GW_LMDB_BRANCH = 1, GW_LMDB_LEAF = 2, GW_LMDB_OVERFLOW = 4, GW_LMDB_META = 8 };
enum { GW_LMDB_BIG = 1, GW_LMDB_SUB = 2 }; /* flags of a leaf's node */
enum { GW_LMDB_INTEGERKEY = 8 };

struct gw_lmdb_page {
    uint64_t number;
    uint16_t pad, flags;
    union {
        struct {
            uint16_t lower, upper; /* the free space between the offsets and the nodes */
        };
        uint32_t pages; /* of an overflow run */
    };
    /* uint16_t offsets[] of nodes */
};

struct gw_lmdb_node {
    uint16_t low, high; /* length of the value; of a branch: low bits of the page number */
    uint16_t flags;     /* of a branch: high bits of the page number */
    uint16_t key_bytes;
    /* key, value */
};

struct gw_lmdb_database {
    uint32_t pad; /* of the free list: the size of a page */
    uint16_t flags, depth;
    uint64_t branches, leaves, overflows, entries, root;
};

struct gw_lmdb_meta {
    uint32_t magic, version;
    uint64_t address, map_bytes;
    struct gw_lmdb_database free_list, main;
    uint64_t last_page, transaction;
};
