/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the file bridge share: settings, the connection, its sources and sinks. */
#pragma once
#include "buffer.h"
#include "meshgate/plugin.h"

enum file_format { FORMAT_NDJSON, FORMAT_LINES };
enum file_start { START_BEGIN, START_END };

struct file_settings {
    const char *folder;
};

struct file_source_settings {
    const char *path, *position, *content_type;
    uint32_t format, start;
    bool follow;
    int64_t max_line, poll_ms;
};

struct file_sink_settings {
    uint32_t format;
    bool sync;
    int64_t rotate_size, keep, buffer;
};

enum { COUNT_BAD_RECORDS, COUNT_OVERSIZE_LINES, COUNT_OTHER_ADDRESS, COUNT_WRITE_FAILED };

struct file_bridge {
    const struct mg_host *host;
    mg_instance *instance;
    const struct file_settings *settings;
};

struct file_source;
struct file_sink;
struct out_file;

/* One connection.  Everything in it belongs to its shard; jobs on the thread pool have what they
 * touch for themselves while they run. */
struct file_connection {
    const struct mg_host *host;
    struct file_bridge *bridge;
    mg_connection *connection;
    mg_shard *shard;
    struct file_source *sources;
    struct file_sink *sinks;
    struct out_file *files; /* the most recently used first */
    size_t file_count;
    mg_timer *retry; /* of files that failed */
    unsigned jobs;   /* on the thread pool */
    bool begun, draining, closing, closed;
    bool refused;  /* a send was answered -EAGAIN */
    bool dirty;    /* something waits for flush */
    bool orphaned; /* destroyed while jobs ran: the last of them frees it */
};

/* A path below the bridge's folder; an absolute one stays.  malloc'ed. */
char *file_path(const struct file_bridge *bridge, const char *path);
/* Says the first trouble of any end, or that all is well. */
void file_status(struct file_connection *connection);
/* Runs a job; it is counted until file_job_done.  0 or a negative errno. */
int file_job(struct file_connection *connection, void (*job)(void *), void (*done)(void *),
             void *arg);
/* The last thing in done: a connection that waits for its jobs closes, or is freed. */
void file_job_done(struct file_connection *connection);

/* ---- sources (source.c) --------------------------------------------------------------------- */

int file_source_open(void *context, mg_source *source, const char *address, const void *settings,
                     void **ret_source, struct mg_err *reterr);
void file_source_begin(struct file_source *source);
void file_source_credit(void *context, void *source, uint32_t more);
void file_source_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                         const char *reason);
void file_source_close(struct file_source *source); /* starts no more jobs, but for the position */
void file_source_quiet(struct file_source *source); /* ends its watch and timers */
void file_source_destroy(struct file_source *source);
struct file_source *file_source_next(struct file_source *source);
const char *file_source_trouble(const struct file_source *source); /* "" when there is none */

/* ---- sinks (sink.c) ------------------------------------------------------------------------- */

int file_sink_open(void *context, mg_sink *sink, const char *address, const void *settings,
                   void **ret_sink, struct mg_err *reterr);
int file_sink_send(void *context, void *sink, const struct mg_delivery *delivery,
                   struct mg_err *reterr);
void file_sinks_flush(struct file_connection *connection);
bool file_sinks_busy(const struct file_connection *connection);
void file_sinks_close(struct file_connection *connection); /* releases what is not being written */
void file_sinks_destroy(struct file_connection *connection);
const char *file_sinks_trouble(const struct file_connection *connection);
/* Why a path cannot be that of a sink, or NULL.  checks a template's text as well as a path. */
const char *file_sink_path_fault(const char *path, size_t length);
