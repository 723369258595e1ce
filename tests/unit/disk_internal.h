/* SPDX-License-Identifier: Apache-2.0 */
/* What disk.c records, and disk_image.c builds folders from. */
#pragma once
#include "disk.h"
#include <sys/types.h>

#define DISK_NO_FILE  SIZE_MAX
#define DISK_NO_EVENT SIZE_MAX

enum disk_kind {
    DISK_NOTE,
    DISK_WRITE,
    DISK_TRUNCATE,
    DISK_END, /* of a write */
    DISK_SYNC,
    DISK_SYNC_NAMES,
    DISK_CREATE,
    DISK_RENAME,
    DISK_UNLINK
};

struct disk_event {
    enum disk_kind kind;
    size_t file;
    uint64_t offset; /* or the new length */
    size_t length;
    char *bytes;
    bool by_itself; /* O_DSYNC: on the disk for sure with its end */
    size_t end;     /* the event at which the call had returned */
    size_t began;   /* of a sync: how many events there were */
    char *name, *to;
    uint64_t what;
};

struct disk_file {
    dev_t device;
    ino_t inode;
    char *base; /* what it was in the beginning */
    size_t base_length;
};

struct disk {
    bool on;
    struct disk_event *events;
    size_t event_count, event_capacity;
    struct disk_file *files;
    size_t file_count, file_capacity;
    size_t sure_from; /* events before are those of disk_begin */
};
extern struct disk disk;

void *disk_grow(void *items, size_t count, size_t *capacity, size_t size);
