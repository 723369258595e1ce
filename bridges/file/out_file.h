/* SPDX-License-Identifier: Apache-2.0 */
/* One file that events are written to: batches, opening, rotation. */
#pragma once
#include "file.h"
#include <stdatomic.h>

struct batch_entry {
    mg_token token;
    size_t end; /* of its bytes in the batch */
};

struct batch {
    struct buffer bytes;
    struct batch_entry *entries;
    size_t count, capacity;
    bool sync; /* some sink of its entries wants them on the disk */
};

int batch_reserve(struct batch *batch); /* room for one more entry; 0 or -ENOMEM */
void batch_clear(struct batch *batch);  /* keeps some of its memory */

struct out_file {
    struct out_file *next;
    struct file_connection *connection;
    char *path; /* as the sink's address says it; "-": standard output */
    uint64_t rotate_size;
    unsigned keep;
    struct batch filling;
    bool running; /* the job has what follows up to `failed` for itself */

    struct batch writing;
    char *folder;
    const char *name; /* the last part of path */
    int fd, folder_fd;
    uint64_t size;
    bool stream; /* not a regular file: no rotation, no truncation */
    struct {
        size_t written; /* entries */
        int error;
        char why[160];
    } result;

    bool failed; /* takes nothing until the retry timer fires */
    char trouble[160];
    atomic_bool stop; /* a write that waits for a reader gives up */
};

struct out_file *out_file_create(struct file_connection *connection,
                                 struct mg_str path); /* NULL: memory */
void out_file_destroy(struct out_file *file);         /* not while running; NULL is fine */
/* Writes file->writing and fills file->result.  On the thread pool. */
void out_file_write_job(void *file);
