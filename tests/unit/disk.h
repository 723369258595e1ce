/* SPDX-License-Identifier: Apache-2.0 */
/* What a disk keeps when the power goes: records what this process writes to the files of one
 * folder, and builds the folder as it may be found afterwards.
 *
 * The calls are taken in at link time: a program that has disk.c in it has pwrite and its like go
 * through here, from the libraries as well.  A write is on the disk for sure once a sync of its
 * file that began after it has returned; before, each of its sectors may be there or not.  Names
 * are taken to be kept in the order in which they were made: after a rename either the old state or
 * the new one is found, until the folder is synced. */
#pragma once
#include "record_kit.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Begins: the folder as it is now is taken to be on the disk.  One folder at a time. */
void disk_begin(const char *folder);
/* Ends, and forgets everything. */
void disk_end(void);

/* The errno that writes and syncs of all regular files fail with; 0: they work. */
extern int disk_write_error, disk_sync_error;

/* An entry of the caller's in the sequence of events (any thread). */
void disk_note(uint64_t what);

/* How many events there are: writes, syncs, notes. */
size_t disk_events(void);

enum disk_variant {
    DISK_DROPPED, /* nothing but what is there for sure */
    DISK_WHOLE,   /* everything, as after the end of the process alone */
    DISK_WRITES,  /* of what is not sure, some writes */
    DISK_SECTORS, /* of what is not sure, some sectors of 512 bytes */
    DISK_VARIANTS
};
/* Writes into the empty folder `to` what is found after a cut behind the first `events` events. */
void disk_image(struct kit_random *random, size_t events, enum disk_variant variant,
                const char *to);

/* How many events there were when that sync of the file began which is the last to have returned
 * before the cut: what came before them is on the disk for sure.  0: none. */
size_t disk_synced(size_t events, const char *name);

/* The event that was the end of that sync; 0: none. */
size_t disk_sync_end(size_t events, const char *name);

/* The notes among the first `events` events, in order; position begins as 0.  false: no more. */
bool disk_next_note(size_t events, size_t *position, uint64_t *ret_what);
