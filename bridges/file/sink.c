/* SPDX-License-Identifier: Apache-2.0 */
/* Sinks: events become bytes on the shard, and are written in batches by jobs (out_file.c). */
#include "file.h"
#include "out_file.h"
#include "record.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILES_MAX = 128, RETRY_MS = 1000, PATH_BYTES_MAX = 4095 };

struct file_sink {
    struct file_sink *next;
    struct file_connection *connection;
    const struct file_sink_settings *settings;
};

/* ---- paths ---------------------------------------------------------------------------------- */

const char *file_sink_path_fault(const char *path, size_t length)
{
    if (!length)
        return "an empty path";
    if (length > PATH_BYTES_MAX || memchr(path, 0, length))
        return "not a path: too long, or with a NUL byte in it";
    if (*path == '/')
        return "a sink's path is below the bridge's folder and cannot begin with /";
    for (size_t at = 0; at <= length;) {
        const char *slash = memchr(path + at, '/', length - at);
        size_t n = slash ? (size_t)(slash - path) - at : length - at;
        if (!n)
            return "a path with an empty part, between two / or at its end";
        if ((n == 1 && path[at] == '.') || (n == 2 && path[at] == '.' && path[at + 1] == '.'))
            return "a path with a part . or .. could leave the bridge's folder";
        at += n + 1;
    }
    return NULL;
}

/* ---- files ---------------------------------------------------------------------------------- */

static bool make_room(struct file_connection *c)
{
    if (c->file_count < FILES_MAX)
        return true;
    struct out_file **oldest = NULL;
    for (struct out_file **at = &c->files; *at; at = &(*at)->next)
        if (!(*at)->running && !(*at)->filling.count)
            oldest = at;
    if (!oldest)
        return false;
    struct out_file *f = *oldest;
    *oldest = f->next;
    c->file_count--;
    out_file_destroy(f);
    return true;
}

/* -EAGAIN: all files are busy; -ENOMEM. */
static int find_file(struct file_sink *sink, struct mg_str path, struct out_file **ret_file)
{
    struct file_connection *c = sink->connection;
    for (struct out_file **at = &c->files; *at; at = &(*at)->next) {
        struct out_file *f = *at;
        if (strlen(f->path) != path.len || memcmp(f->path, path.at, path.len))
            continue;
        *at = f->next;
        f->next = c->files;
        c->files = f;
        *ret_file = f;
        return 0;
    }
    if (!make_room(c))
        return -EAGAIN;
    struct out_file *f = out_file_create(c, path);
    if (!f)
        return -ENOMEM;
    f->rotate_size = (uint64_t)sink->settings->rotate_size;
    f->keep = (unsigned)sink->settings->keep;
    f->next = c->files;
    c->files = f;
    c->file_count++;
    *ret_file = f;
    return 0;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void release(struct file_connection *c, struct batch *batch, size_t from, const char *reason)
{
    for (size_t i = from; i < batch->count; i++) {
        c->host->count(c->bridge->instance, COUNT_WRITE_FAILED, 1);
        if (batch->entries[i].token)
            c->host->settle(batch->entries[i].token, MG_RELEASED, reason);
    }
    batch_clear(batch);
}

static void retry(void *arg)
{
    struct file_connection *c = arg;
    for (struct out_file *f = c->files; f; f = f->next)
        f->failed = false; /* trouble stays until a write succeeds */
    c->refused = false;
    c->host->sendable(c->connection, NULL);
}

static void failed(struct out_file *f, const char *why)
{
    struct file_connection *c = f->connection;
    bool news = strcmp(f->trouble, why) != 0;
    snprintf(f->trouble, sizeof f->trouble, "%s", why);
    if (news) {
        c->host->log(c->bridge->instance, MG_WARN, "%s", why);
        file_status(c);
    }
    f->failed = true;
    if (c->closing)
        return;
    if (c->retry)
        c->host->timer_again(c->retry, RETRY_MS, 0);
    else
        c->retry = c->host->timer_start(c->shard, RETRY_MS, 0, retry, c);
    if (!c->retry) /* without a timer nothing would call sendable: let the next send try */
        f->failed = false;
}

static void start_write(struct out_file *f);

static void written(void *arg)
{
    struct out_file *f = arg;
    struct file_connection *c = f->connection;
    f->running = false;
    if (c->orphaned) {
        file_job_done(c);
        return;
    }
    struct batch *b = &f->writing;
    for (size_t i = 0; i < f->result.written; i++)
        if (b->entries[i].token)
            c->host->settle(b->entries[i].token, MG_ACCEPTED, NULL);
    if (f->result.error) {
        release(c, b, f->result.written, f->result.why);
        failed(f, f->result.why);
        release(c, &f->filling, 0, f->result.why);
    } else {
        batch_clear(b);
        if (*f->trouble) {
            *f->trouble = '\0';
            c->host->log(c->bridge->instance, MG_INFO, "%s: written again", f->path);
            file_status(c);
        }
        if (f->filling.count)
            start_write(f);
    }
    if (c->refused && !f->failed && !c->closing) {
        c->refused = false;
        c->host->sendable(c->connection, NULL);
    }
    file_job_done(c);
}

static void start_write(struct out_file *f)
{
    struct file_connection *c = f->connection;
    struct batch full = f->filling;
    f->filling = f->writing; /* empty, but with its memory */
    f->writing = full;
    f->running = true;
    if (!file_job(c, out_file_write_job, written, f))
        return;
    f->running = false;
    release(c, &f->writing, 0, "out of memory");
}

void file_sinks_flush(struct file_connection *c)
{
    c->dirty = false;
    for (struct out_file *f = c->files; f; f = f->next)
        if (f->filling.count && !f->running)
            start_write(f);
}

/* ---- sending -------------------------------------------------------------------------------- */

static int refuse(struct mg_err *err, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    return -EINVAL;
}

/* Appends the event's bytes; -EINVAL, -ENOMEM: as before. */
static int encode(struct file_sink *sink, const mg_event *event, struct buffer *out,
                  struct mg_err *err)
{
    const struct mg_host *host = sink->connection->host;
    if (sink->settings->format == FORMAT_NDJSON)
        return record_write(host, event, out);
    struct mg_bytes payload = host->event_payload(event);
    if (payload.len && memchr(payload.at, '\n', payload.len))
        return refuse(
            err, "the payload has a line feed in it and cannot be one line (use format: ndjson)");
    size_t before = out->used;
    buffer_put(out, payload.at, payload.len);
    buffer_put(out, "\n", 1);
    if (!out->failed)
        return 0;
    out->failed = false;
    out->used = before;
    return -ENOMEM;
}

static int again(struct file_connection *c)
{
    c->refused = true;
    return -EAGAIN;
}

/* Short of memory, with nothing under way that would call sendable when it ends. */
static int again_later(struct file_connection *c)
{
    if (c->retry)
        c->host->timer_again(c->retry, RETRY_MS, 0);
    else
        c->retry = c->host->timer_start(c->shard, RETRY_MS, 0, retry, c);
    return again(c);
}

int file_sink_send(void *context, void *end, const struct mg_delivery *delivery,
                   struct mg_err *reterr)
{
    (void)context;
    struct file_sink *sink = end;
    struct file_connection *c = sink->connection;
    const char *fault = file_sink_path_fault(delivery->address.at, delivery->address.len);
    if (fault)
        return refuse(reterr, fault);
    if (c->closing)
        return again(c);
    struct out_file *f;
    int error = find_file(sink, delivery->address, &f);
    if (error)
        return error == -EAGAIN ? again(c) : again_later(c);
    if (f->failed || f->filling.bytes.used >= (size_t)sink->settings->buffer)
        return again(c);
    f->filling.sync = f->filling.sync || sink->settings->sync;
    error = batch_reserve(&f->filling);
    if (!error)
        error = encode(sink, delivery->event, &f->filling.bytes, reterr);
    if (error == -ENOMEM)
        return again_later(c);
    if (error)
        return error;
    f->filling.entries[f->filling.count++] =
        (struct batch_entry){delivery->token, f->filling.bytes.used};
    c->dirty = true;
    return 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

int file_sink_open(void *context, mg_sink *core_sink, const char *address, const void *settings,
                   void **ret_sink, struct mg_err *reterr)
{
    (void)core_sink;
    (void)address;
    struct file_connection *c = context;
    struct file_sink *sink = calloc(1, sizeof *sink);
    if (!sink) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    *sink = (struct file_sink){.next = c->sinks, .connection = c, .settings = settings};
    c->sinks = sink;
    *ret_sink = sink;
    return 0;
}

void file_sinks_close(struct file_connection *c)
{
    file_sinks_flush(c); /* what was taken is still written, if that can be done */
    for (struct out_file *f = c->files; f; f = f->next)
        atomic_store(&f->stop, true);
}

void file_sinks_destroy(struct file_connection *c)
{
    while (c->files) {
        struct out_file *next = c->files->next;
        out_file_destroy(c->files);
        c->files = next;
    }
    while (c->sinks) {
        struct file_sink *next = c->sinks->next;
        free(c->sinks);
        c->sinks = next;
    }
}

const char *file_sinks_trouble(const struct file_connection *c)
{
    for (const struct out_file *f = c->files; f; f = f->next)
        if (*f->trouble)
            return f->trouble;
    return "";
}
