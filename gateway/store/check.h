/* SPDX-License-Identifier: Apache-2.0 */
/* Is an LMDB file sound?  Answered without LMDB, which trusts what it maps: a damaged page makes it
 * crash or answer anything.  Knows the data format 1 of LMDB 0.9 on 64-bit machines. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct gw_check {
    uint64_t file_bytes;
    uint64_t transaction; /* of the meta page that counts */
    uint64_t pages;       /* that belong to a tree of that transaction */
    uint64_t entries;     /* of all databases but the free list */
    uint64_t offset;      /* of what is damaged, in bytes from the file's beginning */
    char text[160];       /* what is damaged */
};

/* Walks every page that can be reached.  0: sound; -ENOENT: no file there, or an empty one;
 * -EBADMSG: damaged, said in ret; -ENOMEM, or what open and read fail with.  Nobody may write the
 * file meanwhile.  ANY; takes its time. */
int gw_check_file(const char *data_path, struct gw_check *ret);
