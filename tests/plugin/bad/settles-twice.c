/* SPDX-License-Identifier: Apache-2.0 */
/* A bridge whose sinks settle everything three times: at once, once more, and again much later.
 * Its source brings EVENTS events and counts how often it hears of each. */
#include "meshgate/plugin.h"
#include <errno.h>
#include <stdlib.h>

enum { EVENTS = 200 };
enum { COUNT_TOLD, COUNT_TOLD_AGAIN, COUNT_TOLD_WRONG };
static const char *const counters[] = {"told", "told_again", "told_wrong", NULL};

struct bridge {
    const struct mg_host *host;
    mg_instance *instance;
};

struct connection {
    const struct bridge *bridge;
    mg_connection *handle;
    mg_source *source;
    mg_timer *timer;
    uint32_t credit, brought, sent;
    bool told[EVENTS + 1];
    mg_token tokens[EVENTS];
};

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct bridge *bridge = calloc(1, sizeof *bridge);
    (void)settings, (void)reterr;
    if (!bridge)
        return -ENOMEM;
    *bridge = (struct bridge){host, instance};
    *ret_self = bridge;
    return 0;
}

static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings, (void)address, (void)end_settings, (void)reterr;
    ret_end->abilities =
        direction == MG_SOURCE ? MG_SOURCE | MG_DEFERS_ACK | MG_NO_ECHO : MG_SINK | MG_CONFIRMS;
    return 0;
}

static int open_connection(void *self, mg_connection *handle, uint32_t index, void **ret_context,
                           struct mg_err *reterr)
{
    struct connection *c = calloc(1, sizeof *c);
    (void)index, (void)reterr;
    if (!c)
        return -ENOMEM;
    c->bridge = self;
    c->handle = handle;
    *ret_context = c;
    return 0;
}

static int open_source(void *context, mg_source *handle, const char *address, const void *settings,
                       void **ret_source, struct mg_err *reterr)
{
    (void)address, (void)settings, (void)reterr;
    ((struct connection *)context)->source = handle;
    *ret_source = context;
    return 0;
}

static int open_sink(void *context, mg_sink *handle, const char *address, const void *settings,
                     void **ret_sink, struct mg_err *reterr)
{
    (void)handle, (void)address, (void)settings, (void)reterr;
    *ret_sink = context;
    return 0;
}

static void tick(void *arg)
{
    static const struct mg_message message = {
        .head = {.size = sizeof message.head, .address = {"events", 6}, .priority = 4},
        .payload = {"x", 1}};
    struct connection *c = arg;
    const struct mg_host *host = c->bridge->host;
    for (uint32_t i = 0; i < c->sent; i++)
        host->settle(c->tokens[i], MG_RELEASED, "late");
    c->sent = 0;
    while (c->source && c->credit && c->brought < EVENTS &&
           !host->ingest(c->handle, c->source, &message, c->brought + 1)) {
        c->brought++;
        c->credit--;
    }
}

static int begin(void *context, struct mg_err *reterr)
{
    struct connection *c = context;
    const struct mg_host *host = c->bridge->host;
    (void)reterr;
    c->timer = host->timer_start(host->connection_shard(c->handle), 1, 1, tick, c);
    return c->timer ? 0 : -ENOMEM;
}

static void credit(void *context, void *source, uint32_t more)
{
    if (source)
        ((struct connection *)context)->credit += more;
}

static void settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                    const char *reason)
{
    struct connection *c = context;
    (void)source, (void)reason;
    uint32_t counter = c->told[cookie]          ? COUNT_TOLD_AGAIN
                       : outcome == MG_ACCEPTED ? COUNT_TOLD
                                                : COUNT_TOLD_WRONG;
    c->told[cookie] = true;
    c->bridge->host->count(c->bridge->instance, counter, 1);
}

static int send_event(void *context, void *sink, const struct mg_delivery *delivery,
                      struct mg_err *reterr)
{
    struct connection *c = context;
    const struct mg_host *host = c->bridge->host;
    (void)sink, (void)reterr;
    if (c->sent == EVENTS)
        return -EAGAIN;
    if (delivery->token)
        c->tokens[c->sent++] = delivery->token;
    host->settle(delivery->token, MG_ACCEPTED, NULL);
    host->settle(delivery->token, MG_REJECTED, "double");
    return 0;
}

static void close_connection(void *context)
{
    struct connection *c = context;
    const struct mg_host *host = c->bridge->host;
    if (c->timer)
        host->timer_stop(c->timer);
    c->timer = NULL;
    host->closed(c->handle);
}

static const struct mg_life life = {.create = create, .destroy = free};
static const struct mg_bridge_ops ops = {
    .size = sizeof ops,
    .abilities = MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_NO_ECHO,
    .end = end,
    .open = open_connection,
    .open_source = open_source,
    .open_sink = open_sink,
    .begin = begin,
    .credit = credit,
    .settled = settled,
    .send = send_event,
    .close = close_connection,
    .destroy = free,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static const struct mg_module module = {
        .abi = MG_ABI_HERE,
        .kind = MG_BRIDGE,
        .name = "settles-twice",
        .version = "1.0.0",
        .summary = "settles what it settled",
        .counters = counters,
        .life = &life,
        .ops = &ops,
    };
    (void)host_abi;
    return &module;
}
