/* SPDX-License-Identifier: Apache-2.0 */
/* Searches the raw bytes of a store's file for what begins with a magic number and has a sum. */
#pragma once
#include "store/format.h"
#include <stdbool.h>
#include <stddef.h>

/* A head, its body sound or not. */
struct gw_scan_record {
    struct gw_disk_head head;
    uint64_t offset; /* of the head */
    bool sound;      /* the body's sum is right */
};
struct gw_scan_log {
    struct gw_disk_log log;
    char *name;   /* NUL behind it */
    char *labels; /* sink_count texts, each with its NUL */
};

/* Everything in the order in which it lies in the file; copies that a later transaction wrote
 * elsewhere are there as well. */
struct gw_scan {
    int fd;
    uint64_t file_bytes;
    struct gw_scan_record *records;
    size_t record_count, record_capacity;
    struct gw_scan_log *logs;
    size_t log_count, log_capacity;
    struct gw_disk_cursor *cursors;
    size_t cursor_count, cursor_capacity;
    uint64_t *broken; /* offsets of heads whose own sum is wrong, and that look as if in use */
    size_t broken_count, broken_capacity;
    uint64_t unreadable; /* bytes that the disk would not read */
};

/* Reads the whole file.  fd stays the caller's.  -ENOMEM; -EIO and the like: not even its size. */
int gw_scan_file(int fd, struct gw_scan *ret);
/* What begins at that place, of that length, added to ret (of which fd and file_bytes are set). */
int gw_scan_piece(struct gw_scan *ret, uint64_t offset, uint64_t length);
void gw_scan_fini(struct gw_scan *scan);
/* The bytes behind a sound record's head, an allocation of the caller's.  -EIO, -ENOMEM. */
int gw_scan_body(const struct gw_scan *scan, const struct gw_scan_record *record, void **ret);

/* Room for one more item; false: out of memory. */
bool gw_scan_grow(void **items, size_t count, size_t *capacity, size_t size);
/* Are these a log's entry, a cursor, a head, with the right sum? */
bool gw_scan_is_head(const struct gw_disk_head *head);
bool gw_scan_is_cursor(const struct gw_disk_cursor *cursor);
/* Also checks that name and labels are as long as said; bytes has all of the entry. */
bool gw_scan_is_log(const void *bytes, size_t length);
