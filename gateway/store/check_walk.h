/* SPDX-License-Identifier: Apache-2.0 */
/* Walks the trees of an LMDB file (data format 1, little-endian, 64 bits) page by page, trusting
 * nothing in it. */
#pragma once
#include "meshgate/plugin.h"

struct gw_walk_entry {
    struct mg_str database;
    struct mg_bytes key;
    uint64_t offset, length; /* of the value, in the file */
    const void *value;       /* NULL: not read; it lies in an overflow run */
};

struct gw_walk {
    int fd;
    /* Every entry of the named databases, in order; NULL: nobody wants them. */
    bool (*entry)(void *arg, const struct gw_walk_entry *entry); /* false: stop */
    /* What hangs on a damaged page is passed over. */
    bool (*damage)(void *arg, uint64_t offset, const char *text); /* false: stop */
    /* After each database; sound: no damage in its own pages.  The main one is "(main)", and comes
     * last; NULL: nobody wants to know. */
    void (*done)(void *arg, struct mg_str database, bool sound);
    void *arg;
    bool without_free_list; /* does not matter to who only reads */

    /* The answer. */
    uint64_t file_bytes, transaction, pages, entries, damages;
    uint32_t page_bytes;
};

/* 0, also where there was damage; -ENOENT: the file is empty; -ENOMEM; what pread fails with. */
int gw_walk_file(struct gw_walk *walk);
