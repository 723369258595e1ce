/* SPDX-License-Identifier: Apache-2.0 */
/* The file bridge: options, checks, and the life of a connection. */
#include "file.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const formats[] = {"ndjson", "lines", NULL};
static const char *const starts[] = {"begin", "end", NULL};
static const char *const counters[] = {"bad_records", "oversize_lines", "other_address",
                                       "write_failed", NULL};

static const struct mg_option options[] = {
    {.name = "folder",
     .value = ".",
     .doc = "Where relative paths begin; sinks never write outside it.",
     .type = MG_OPT_FILE,
     .offset = offsetof(struct file_settings, folder)},
    {0}};

#define SOURCE(field) offsetof(struct file_source_settings, field)
static const struct mg_option source_options[] = {
    {.name = "path",
     .doc = "The file to read, below the bridge's folder unless absolute; \"-\" is the standard "
            "input.",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_REQUIRED,
     .least = 1,
     .most = 4095,
     .offset = SOURCE(path)},
    {.name = "format",
     .value = "ndjson",
     .doc = "ndjson: one event as a JSON object on each line; lines: each line is a payload.",
     .type = MG_OPT_ENUM,
     .choices = formats,
     .offset = SOURCE(format)},
    {.name = "follow",
     .value = "false",
     .doc = "Goes on at the end, as tail -F does, also when the file is rotated or truncated.",
     .type = MG_OPT_BOOL,
     .offset = SOURCE(follow)},
    {.name = "start",
     .value = "begin",
     .doc = "Where a file without a saved position is read from.",
     .type = MG_OPT_ENUM,
     .choices = starts,
     .offset = SOURCE(start)},
    {.name = "position",
     .doc = "A file that keeps how far the events are settled, so that a restart goes on there; "
            "below the "
            "bridge's folder unless absolute.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 4095,
     .offset = SOURCE(position)},
    {.name = "max_line",
     .value = "1MiB",
     .doc = "Longer lines are skipped, counted and logged.",
     .type = MG_OPT_SIZE,
     .least = 16,
     .most = 256 << 20,
     .offset = SOURCE(max_line)},
    {.name = "poll",
     .value = "250ms",
     .doc = "How often a followed file is looked at when it has ended.",
     .type = MG_OPT_DURATION_MS,
     .least = 10,
     .most = 3600000,
     .offset = SOURCE(poll_ms)},
    {.name = "content_type",
     .doc = "The content type of events that are read as lines.",
     .type = MG_OPT_TEXT,
     .offset = SOURCE(content_type)},
    {0}};

#define SINK(field) offsetof(struct file_sink_settings, field)
static const struct mg_option sink_options[] = {
    {.name = "format",
     .value = "ndjson",
     .doc = "ndjson: the whole event as a JSON object on each line; lines: the payload only.",
     .type = MG_OPT_ENUM,
     .choices = formats,
     .offset = SINK(format)},
    {.name = "rotate_size",
     .value = "0",
     .doc = "A file that would grow beyond is renamed to NAME.1, and a new one begun; 0: never.",
     .type = MG_OPT_SIZE,
     .least = 0,
     .most = INT64_MAX,
     .offset = SINK(rotate_size)},
    {.name = "keep",
     .value = "5",
     .doc = "How many rotated files to keep.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = 999,
     .offset = SINK(keep)},
    {.name = "sync",
     .value = "false",
     .doc = "Confirms an event only when it is on the disk (fdatasync, one for many events).",
     .type = MG_OPT_BOOL,
     .offset = SINK(sync)},
    {.name = "buffer",
     .value = "1MiB",
     .doc = "Bytes that may wait for a file to be written.",
     .type = MG_OPT_SIZE,
     .least = 4096,
     .most = 1 << 30,
     .offset = SINK(buffer)},
    {0}};

/* ---- instance ------------------------------------------------------------------------------- */

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct file_bridge *bridge = calloc(1, sizeof *bridge);
    if (!bridge) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    *bridge = (struct file_bridge){host, instance, settings};
    *ret_self = bridge;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static int refuse(struct mg_err *err, const char *option, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    err->option = option;
    return -EINVAL;
}

enum {
    ALL_CARRIED = -1,
    LINES_BRING = MG_CARRIES_CONTENT_TYPE,
};

static int source_end(const char *address, const struct file_source_settings *s, struct mg_end *ret,
                      struct mg_err *err)
{
    bool is_stdin = !strcmp(s->path, "-");
    if (!strncmp(address, "$share/", 7))
        return refuse(err, NULL, "a file has no shared subscriptions; leave out $share/…");
    if (s->format == FORMAT_LINES && strpbrk(address, "+#"))
        return refuse(err, "format",
                      "lines carry no addresses: the source's address becomes that of every "
                      "event and cannot have wildcards or captures (or use format: ndjson)");
    if (s->content_type && s->format != FORMAT_LINES)
        return refuse(err, "content_type",
                      "records say their content type themselves; this is for format: lines");
    if (is_stdin && (s->follow || s->position || s->start == START_END))
        return refuse(err,
                      s->follow     ? "follow"
                      : s->position ? "position"
                                    : "start",
                      "the standard input can be read only once, from its beginning");
    if (s->position && !strcmp(s->position, s->path))
        return refuse(err, "position", "the position needs a file of its own");
    ret->abilities = MG_SOURCE | MG_ORDERED | MG_FILTERS;
    /* What is read again after a restart may be acknowledged late. */
    if (s->position || (!is_stdin && s->start == START_BEGIN))
        ret->abilities |= MG_DEFERS_ACK;
    ret->carries = s->format == FORMAT_LINES ? LINES_BRING : (uint32_t)ALL_CARRIED;
    return 0;
}

static int sink_end(const char *address, const struct file_sink_settings *s, struct mg_end *ret,
                    struct mg_err *err)
{
    const char *fault = file_sink_path_fault(address, strlen(address));
    if (fault)
        return refuse(err, NULL, fault);
    if (!strcmp(address, "-") && s->rotate_size)
        return refuse(err, "rotate_size", "the standard output cannot be rotated");
    ret->abilities = MG_SINK | MG_CONFIRMS | MG_ORDERED;
    ret->carries = s->format == FORMAT_LINES ? 0 : (uint32_t)ALL_CARRIED;
    return 0;
}

static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings;
    return direction == MG_SOURCE ? source_end(address, end_settings, ret_end, reterr)
                                  : sink_end(address, end_settings, ret_end, reterr);
}

/* ---- shared by sources and sinks ------------------------------------------------------------ */

char *file_path(const struct file_bridge *bridge, const char *path)
{
    const char *folder = bridge->settings->folder ? bridge->settings->folder : ".";
    char *whole = NULL;
    int n = *path == '/' ? asprintf(&whole, "%s", path) : asprintf(&whole, "%s/%s", folder, path);
    return n < 0 ? NULL : whole;
}

void file_status(struct file_connection *c)
{
    const char *trouble = file_sinks_trouble(c);
    for (struct file_source *s = c->sources; s && !*trouble; s = file_source_next(s))
        trouble = file_source_trouble(s);
    c->host->status(c->connection, !*trouble, *trouble ? trouble : "ready");
}

int file_job(struct file_connection *c, void (*job)(void *), void (*done)(void *), void *arg)
{
    int error = c->host->work(c->shard, job, done, arg);
    if (!error)
        c->jobs++;
    return error;
}

static void close_when_idle(struct file_connection *c)
{
    if (!c->closing || c->closed || c->jobs)
        return;
    c->closed = true;
    c->host->status(c->connection, false, "closed");
    c->host->closed(c->connection);
}

static void free_connection(struct file_connection *c)
{
    while (c->sources) {
        struct file_source *next = file_source_next(c->sources);
        file_source_destroy(c->sources);
        c->sources = next;
    }
    file_sinks_destroy(c);
    free(c);
}

void file_job_done(struct file_connection *c)
{
    c->jobs--;
    if (c->orphaned && !c->jobs)
        free_connection(c);
    else if (!c->orphaned)
        close_when_idle(c);
}

/* ---- connection ----------------------------------------------------------------------------- */

static int connection_open(void *self, mg_connection *connection, uint32_t index,
                           void **ret_context, struct mg_err *reterr)
{
    (void)index;
    struct file_bridge *bridge = self;
    struct file_connection *c = calloc(1, sizeof *c);
    if (!c) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    c->host = bridge->host;
    c->bridge = bridge;
    c->connection = connection;
    c->shard = bridge->host->connection_shard(connection);
    *ret_context = c;
    return 0;
}

static int begin(void *context, struct mg_err *reterr)
{
    (void)reterr;
    struct file_connection *c = context;
    c->begun = true;
    file_status(c);
    for (struct file_source *s = c->sources; s; s = file_source_next(s))
        file_source_begin(s);
    return 0;
}

static void flush(void *context)
{
    struct file_connection *c = context;
    if (c->dirty)
        file_sinks_flush(c);
}

static void drain(void *context)
{
    struct file_connection *c = context;
    c->draining = true;
}

static void connection_close(void *context)
{
    struct file_connection *c = context;
    c->draining = true;
    c->closing = true;
    for (struct file_source *s = c->sources; s; s = file_source_next(s))
        file_source_close(s);
    file_sinks_close(c);
    close_when_idle(c);
}

static void connection_destroy(void *context)
{
    struct file_connection *c = context;
    if (!c)
        return;
    for (struct file_source *s = c->sources; s; s = file_source_next(s))
        file_source_quiet(s);
    if (c->retry)
        c->host->timer_stop(c->retry);
    c->retry = NULL;
    c->orphaned = true;
    if (!c->jobs)
        free_connection(c);
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {.create = create, .destroy = destroy};

static const struct mg_bridge_ops ops = {
    .size = sizeof ops,
    .abilities = MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_ORDERED | MG_FILTERS,
    .end = end,
    .open = connection_open,
    .open_source = file_source_open,
    .open_sink = file_sink_open,
    .begin = begin,
    .credit = file_source_credit,
    .settled = file_source_settled,
    .send = file_sink_send,
    .flush = flush,
    .drain = drain,
    .close = connection_close,
    .destroy = connection_destroy,
};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "file",
    .version = "1.0.0",
    .summary = "Reads events from files and the standard input, writes them to files and the "
               "standard output.",
    .options = options,
    .source_options = source_options,
    .sink_options = sink_options,
    .settings_size = sizeof(struct file_settings),
    .source_settings_size = sizeof(struct file_source_settings),
    .sink_settings_size = sizeof(struct file_sink_settings),
    .counters = counters,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
