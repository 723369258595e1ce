/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles the maps of stamps. */
#include "settings.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STAMPS_MAX = 64, NAME_BYTES_MAX = 255 };

static const char *const names[] = {
    [STAMP_TIME] = "time",         [STAMP_TIME_MS] = "time.ms",
    [STAMP_CREATED] = "created",   [STAMP_CREATED_MS] = "created.ms",
    [STAMP_GATEWAY] = "gateway",   [STAMP_ROUTE] = "route",
    [STAMP_HOST] = "host",         [STAMP_HOPS] = "hops",
    [STAMP_UUID] = "uuid",         [STAMP_UUID7] = "uuid.v7",
    [STAMP_HASH] = "hash",         [STAMP_RUN] = "run",
    [STAMP_SEQUENCE] = "sequence",
};
enum { NAME_COUNT = sizeof names / sizeof names[0] };

static const char *const ids[] = {"none", "uuid", "uuid.v7", "hash", NULL};
static const char *const traces[] = {"off", "start", "child", NULL};

#define AT(field) offsetof(struct settings, field)
const struct mg_option stamp_options[] = {
    {.name = "properties",
     .doc = "Names of properties, and what each is set to: time, time.ms, created, created.ms, "
            "gateway, route, host, hops, uuid, uuid.v7, hash, run or sequence.",
     .type = MG_OPT_TREE,
     .offset = AT(properties)},
    {.name = "payload",
     .doc = "The same for places in a JSON payload: paths, as meta.received.",
     .type = MG_OPT_TREE,
     .offset = AT(payload)},
    {.name = "overwrite",
     .value = "false",
     .doc = "Also where the event has such a property or such a place already; false: what is "
            "there stays.",
     .type = MG_OPT_BOOL,
     .offset = AT(overwrite)},
    {.name = "message_id",
     .value = "none",
     .doc = "The id that an event without one gets; one that it has always stays.",
     .type = MG_OPT_ENUM,
     .choices = ids,
     .offset = AT(message_id)},
    {.name = "created",
     .value = "false",
     .doc = "The time of creation of an event without one becomes now.",
     .type = MG_OPT_BOOL,
     .offset = AT(created)},
    {.name = "max_hops",
     .value = "0",
     .doc = "An event whose hops become more than this goes in circles, and is rejected; 0: no "
            "limit.",
     .type = MG_OPT_INT,
     .least = 0,
     .most = 1000000,
     .offset = AT(max_hops)},
    {.name = "trace",
     .value = "off",
     .doc = "W3C Trace Context in the properties traceparent and tracestate; start: an event "
            "without a valid one begins a trace; child: and in one that goes on, this step is a "
            "span of its own.",
     .type = MG_OPT_ENUM,
     .choices = traces,
     .offset = AT(trace)},
    {.name = "sample",
     .value = "100%",
     .doc = "How many of the traces that begin here are flagged as sampled.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 32,
     .offset = AT(sample)},
    {.name = "trace_prefix",
     .value = "\"\"",
     .doc = "What stands before the names of the two properties, as cloudEvents: does over AMQP.",
     .type = MG_OPT_TEXT,
     .least = 0,
     .most = 200,
     .offset = AT(trace_prefix)},
    {0}};

/* ---- faults --------------------------------------------------------------------------------- */

__attribute__((format(printf, 4, 5))) static int wrong(const struct mg_node *node,
                                                       const char *option, struct mg_err *err,
                                                       const char *format, ...)
{
    char what[180];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(err->text, sizeof err->text, "%.64s:%u:%u: %s", node->file ? node->file : option,
             node->line, node->column, what);
    err->option = option;
    return -EINVAL;
}

static int refuse(struct mg_err *err, const char *option, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    err->option = option;
    return -EINVAL;
}

static int out_of_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return -ENOMEM;
}

/* ---- one entry ------------------------------------------------------------------------------ */

static int compile_kind(const struct mg_node *node, const char *option, enum stamp_kind *ret,
                        struct mg_err *err)
{
    if (node->type != MG_NODE_SCALAR)
        return wrong(node, option, err, "one word belongs here, as time or gateway");
    for (size_t i = 0; i < NAME_COUNT; i++)
        if (!strcmp(node->text, names[i])) {
            *ret = (enum stamp_kind)i;
            return 0;
        }
    char known[128];
    size_t used = 0;
    for (size_t i = 0; i < NAME_COUNT && used < sizeof known; i++)
        used +=
            (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "", names[i]);
    return wrong(node, option, err, "\"%.32s\" is none of %s", node->text, known);
}

static int compile_path(const struct mg_node *node, struct stamp *stamp, struct mg_err *err)
{
    char what[160];
    int error = doc_path_compile(node->key, true, &stamp->path, err);
    if (!error && (doc_path_is_root(stamp->path) || !strcmp(node->key, "data")))
        return wrong(node, "payload", err, "a place in the payload is needed, not all of it");
    if (error == -EINVAL) {
        snprintf(what, sizeof what, "%.159s", err->text);
        return wrong(node, "payload", err, "%s", what);
    }
    return error;
}

static int compile_map(const struct mg_node *map, bool to_payload, struct stamps *stamps,
                       struct mg_err *err)
{
    const char *option = to_payload ? "payload" : "properties";
    if (!map || map->type == MG_NODE_NULL)
        return 0;
    if (map->type != MG_NODE_MAP)
        return wrong(map, option, err, "a map belongs here, as { received: time }");
    if (stamps->count + map->count > STAMPS_MAX)
        return wrong(map, option, err, "more than %d stamps", STAMPS_MAX);
    int error = 0;
    for (size_t i = 0; i < map->count && !error; i++) {
        const struct mg_node *node = map->items[i];
        struct stamp *stamp = &stamps->items[stamps->count++];
        error = compile_kind(node, option, &stamp->kind, err);
        if (!error && to_payload)
            error = compile_path(node, stamp, err);
        else if (!error && (!*node->key || strlen(node->key) > NAME_BYTES_MAX))
            error = wrong(node, option, err, "a name has 1 to %d bytes", NAME_BYTES_MAX);
        else
            stamp->property = (struct mg_str){node->key, strlen(node->key)};
    }
    return error;
}

/* "1%" or "0.01", 0 to 1. */
static int compile_share(const char *text, double *ret, struct mg_err *err)
{
    char *end;
    double share = strtod(text, &end);
    bool percent = *end == '%';
    share = percent ? share / 100 : share;
    if (end == text || end[percent] || !(share >= 0 && share <= 1)) {
        snprintf(err->text, sizeof err->text,
                 "\"%.31s\" is neither a percentage, as 1%%, nor a number from 0 to 1", text);
        err->option = "sample";
        return -EINVAL;
    }
    *ret = share;
    return 0;
}

int stamps_compile(const struct settings *s, struct stamps *ret, struct mg_err *reterr)
{
    *ret = (struct stamps){.items = calloc(STAMPS_MAX, sizeof *ret->items)};
    if (!ret->items)
        return out_of_memory(reterr);
    int error = compile_map(s->properties, false, ret, reterr);
    if (!error)
        error = compile_map(s->payload, true, ret, reterr);
    return error ? error : compile_share(s->sample, &ret->sample, reterr);
}

void stamps_fini(struct stamps *stamps)
{
    for (size_t i = 0; stamps->items && i < stamps->count; i++)
        doc_path_free(stamps->items[i].path);
    free(stamps->items);
    *stamps = (struct stamps){0};
}

/* ---- all of it ------------------------------------------------------------------------------ */

static bool counts_hops(const struct stamps *stamps)
{
    for (size_t i = 0; i < stamps->count; i++)
        if (stamps->items[i].kind == STAMP_HOPS)
            return true;
    return false;
}

int stamp_check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct stamps stamps;
    int error = stamps_compile(s, &stamps, reterr);
    bool has_hops = !error && counts_hops(&stamps);
    size_t count = stamps.count;
    stamps_fini(&stamps);
    if (error)
        return error;
    if (s->max_hops && !has_hops)
        return refuse(reterr, "max_hops",
                      "nothing counts hops: properties: { hops: hops } does, in each gateway");
    if (s->trace == TRACE_OFF && (strcmp(s->sample, "100%") != 0 || *s->trace_prefix))
        return refuse(reterr, *s->trace_prefix ? "trace_prefix" : "sample",
                      "this belongs to trace, and trace is off");
    if (!count && !s->created && s->message_id == ID_NONE && s->trace == TRACE_OFF)
        return refuse(reterr, "properties",
                      "nothing would be stamped: set properties, payload, message_id, created or "
                      "trace");
    return 0;
}
