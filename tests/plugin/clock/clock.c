/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge that is a source of ticks: the smallest whole bridge, shown in docs/writing-a-module.md.
 */
#include <meshgate/plugin.h>
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What stands inside `from:` of a route, beside the bridge and its address. */
struct source_settings {
    int64_t every_ms;
};

static const struct mg_option source_options[] = {
    {.name = "every",
     .type = MG_OPT_DURATION_MS,
     .value = "1s",
     .least = 1,
     .most = 86400000,
     .doc = "The time from one tick to the next.",
     .offset = offsetof(struct source_settings, every_ms)},
    {0},
};

enum { COUNT_MISSED };
static const char *const counters[] = {"missed", NULL};

struct source {
    struct source *next;
    struct connection *connection;
    mg_source *handle; /* the core's name for it */
    const char *address;
    int64_t every_ms;
    mg_timer *timer;
    uint32_t credit; /* events that the core can take */
    uint64_t ticks;
};

struct connection {
    const struct mg_host *host;
    mg_instance *instance;
    mg_connection *handle;
    struct source *sources;
};

struct bridge {
    const struct mg_host *host;
    mg_instance *instance;
};

/* ---- on the control thread ------------------------------------------------------------------ */

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct bridge *self = calloc(1, sizeof *self);
    (void)settings, (void)reterr;
    if (!self)
        return -ENOMEM;
    self->host = host;
    self->instance = instance;
    *ret_self = self;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

/* Pure: is this end possible, and what can it do? */
static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings, (void)end_settings;
    if (direction == MG_SINK) {
        snprintf(reterr->text, sizeof reterr->text, "a clock cannot be set: use it in from: only");
        return -EINVAL;
    }
    if (strpbrk(address, "+#")) {
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%s\" is the address of the ticks: no wildcards", address);
        return -EINVAL;
    }
    ret_end->abilities = MG_SOURCE | MG_ORDERED;
    ret_end->carries = MG_CARRIES_CREATED;
    return 0;
}

/* ---- on the shard --------------------------------------------------------------------------- */

static int open_connection(void *self, mg_connection *handle, uint32_t index, void **ret_context,
                           struct mg_err *reterr)
{
    const struct bridge *bridge = self;
    struct connection *c = calloc(1, sizeof *c);
    (void)index, (void)reterr;
    if (!c)
        return -ENOMEM;
    c->host = bridge->host;
    c->instance = bridge->instance;
    c->handle = handle;
    *ret_context = c;
    return 0;
}

static int open_source(void *context, mg_source *handle, const char *address, const void *settings,
                       void **ret_source, struct mg_err *reterr)
{
    struct connection *c = context;
    const struct source_settings *source_settings = settings;
    struct source *s = calloc(1, sizeof *s);
    (void)reterr;
    if (!s)
        return -ENOMEM;
    s->connection = c;
    s->handle = handle;
    s->address = address; /* lives as long as the source */
    s->every_ms = source_settings->every_ms;
    s->next = c->sources;
    c->sources = s;
    *ret_source = s;
    return 0;
}

static void tick(void *arg)
{
    struct source *s = arg;
    const struct mg_host *host = s->connection->host;
    mg_shard *shard = host->connection_shard(s->connection->handle);
    char text[32];
    int length = snprintf(text, sizeof text, "%" PRIu64, ++s->ticks);
    const struct mg_message message = {
        .head = {.size = sizeof message.head,
                 .present = MG_HAS_CREATED,
                 .address = {s->address, strlen(s->address)},
                 .priority = 4,
                 .created_us = host->wall_us(shard)},
        .payload = {text, (size_t)length},
    };
    /* Cookie 0: nobody waits for the outcome, since no tick can be had again. */
    if (s->credit == 0 || host->ingest(s->connection->handle, s->handle, &message, 0))
        host->count(s->connection->instance, COUNT_MISSED, 1);
    else
        s->credit--;
}

static int begin(void *context, struct mg_err *reterr)
{
    struct connection *c = context;
    (void)reterr;
    for (struct source *s = c->sources; s; s = s->next) {
        uint64_t every_ms = (uint64_t)s->every_ms;
        s->timer =
            c->host->timer_start(c->host->connection_shard(c->handle), every_ms, every_ms, tick, s);
        if (!s->timer)
            return -ENOMEM;
    }
    c->host->status(c->handle, true, "ticking");
    return 0;
}

static void credit(void *context, void *source, uint32_t more)
{
    (void)context;
    if (source)
        ((struct source *)source)->credit += more;
}

/* Also the first half of close and destroy. */
static void drain(void *context)
{
    struct connection *c = context;
    for (struct source *s = c->sources; s; s = s->next) {
        if (s->timer)
            c->host->timer_stop(s->timer);
        s->timer = NULL;
    }
}

static void close_connection(void *context)
{
    struct connection *c = context;
    drain(c);
    c->host->closed(c->handle);
}

static void destroy_connection(void *context)
{
    struct connection *c = context;
    if (!c)
        return;
    drain(c);
    for (struct source *s; (s = c->sources);) {
        c->sources = s->next;
        free(s);
    }
    free(c);
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_bridge_ops ops = {
    .size = sizeof ops,
    .abilities = MG_SOURCE | MG_ORDERED,
    .end = end,
    .open = open_connection,
    .open_source = open_source,
    .begin = begin,
    .credit = credit,
    .drain = drain,
    .close = close_connection,
    .destroy = destroy_connection,
};
static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "clock",
    .version = "1.0.0",
    .summary = "A source of ticks.",
    .source_options = source_options,
    .source_settings_size = sizeof(struct source_settings),
    .counters = counters,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
