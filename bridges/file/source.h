/* SPDX-License-Identifier: Apache-2.0 */
/* A source: a reader on the thread pool (or a watched stream), lines, and what is not settled yet.
 */
#pragma once
#include "file.h"
#include <sys/types.h>

enum { CHUNK = 65536 };

/* An event that the core has, in the order of the file. */
struct outstanding {
    mg_event *event; /* NULL once it is settled for good */
    uint64_t end;    /* offset after its line */
    uint64_t inode;
    bool again; /* it was released: the timer gives it to the core again */
};

/* One read by the thread pool.  It has the whole struct for itself while running is set. */
struct read_job {
    struct file_source *source;
    int fd;
    bool is_stream;  /* to be watched */
    bool in_order;   /* not seekable, and not watchable either, as /dev/null: plain reads */
    bool tried;      /* to open it, at least once */
    bool positioned; /* the saved position has been looked at */
    uint64_t offset, inode;
    ssize_t got;
    bool replaced, truncated; /* seen at the end of a followed file */
    int error;
    char data[CHUNK];
};

struct position_job {
    struct file_source *source;
    uint64_t offset, inode;
    int error;
};

struct file_source {
    struct file_source *next;
    struct file_connection *connection;
    mg_source *core;
    const struct file_source_settings *settings;
    const char *address; /* a filter; literal: also the address of events that say none */
    bool literal;
    char *path, *position_path;
    char trouble[160];

    struct read_job reader;
    bool reading;
    mg_io *io;       /* of a stream */
    mg_timer *timer; /* the next look at the file */
    bool ended, paused;

    char *data; /* read, not yet ingested: from `at` to `used` */
    size_t at, used, size;
    size_t searched;      /* bytes from `at` on that have no line feed */
    uint64_t data_offset; /* of data[at] in the file */
    bool skipping;        /* inside a line that is too long */
    bool last;            /* no more bytes follow: the rest is a line, too */
    int64_t complained_us;
    uint32_t credit;
    bool advancing;

    struct outstanding *ring;
    size_t ring_size, ring_first, ring_count;
    uint64_t first_cookie; /* of the oldest outstanding */
    size_t again_count;    /* entries with `again` set */
    bool again_due;        /* the timer has fired since the last of them was released */
    mg_timer *again;

    uint64_t settled_offset, settled_inode;
    bool position_dirty, saving, save_armed, save_failed;
    struct position_job saver;
    mg_timer *save_timer;
};

/* source.c */
void file_source_advance(struct file_source *source);
void file_source_say(struct file_source *source, const char *trouble); /* "": all is well */

/* source_read.c */
void file_source_read(
    struct file_source *source); /* starts to read more, where nothing is under way */

/* source_settle.c */
/* 0; -EAGAIN: the core takes no more now, or there is no memory; credit says when to go on. */
int file_source_ingest(struct file_source *source, const struct mg_message *message, uint64_t end);
/* Gives released events to the core again.  True: none is left that has to go before new ones. */
bool file_source_give_again(struct file_source *source);
/* All lines up to data_offset are done with, where no event is outstanding. */
void file_source_reached(struct file_source *source);
void file_source_save(struct file_source *source); /* the position, where it has moved */

/* position.c; both on the thread pool */
int file_position_load(const char *path, uint64_t *ret_offset,
                       uint64_t *ret_inode); /* -ENOENT: none */
int file_position_store(const char *path, uint64_t offset, uint64_t inode);
