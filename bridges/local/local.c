/* SPDX-License-Identifier: Apache-2.0 */
/* The local bridge: a bus inside the gateway that joins the sinks of some routes to the sources of
 * others, with settlement passed through from end to end. */
#include "flights.h"
#include "meshgate/plugin.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    int64_t queue;
};

struct bus {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
};

struct queued {
    mg_event *event;
    mg_token token;
};

/* One connection.  Everything in it belongs to its shard. */
struct line {
    struct bus *bus;
    mg_connection *connection;
    mg_wake *wake;
    struct queued *queue; /* a ring */
    size_t capacity, first, count;
    struct flights flights;
    bool blocked; /* the sources' window is full until credit is called */
    bool refused; /* a send was answered -EAGAIN */
    bool closing;
};

static const struct mg_option options[] = {
    {.name = "queue",
     .value = "1000",
     .doc = "Events that may wait for the bus's sources; beyond, sinks hold back.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = 1000000,
     .offset = offsetof(struct settings, queue)},
    {0}};

/* ---- instance ------------------------------------------------------------------------------- */

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct bus *bus = calloc(1, sizeof *bus);
    if (!bus) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    *bus = (struct bus){host, instance, settings};
    *ret_self = bus;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings;
    (void)end_settings;
    if (direction == MG_SOURCE && !strncmp(address, "$share/", 7)) {
        snprintf(reterr->text, sizeof reterr->text,
                 "a local bridge has no shared subscriptions: every source whose filter matches "
                 "gets the "
                 "event; leave out $share/…");
        return -EINVAL;
    }
    ret_end->abilities = direction == MG_SOURCE
                             ? MG_SOURCE | MG_FILTERS | MG_DEFERS_ACK | MG_ORDERED
                             : MG_SINK | MG_CONFIRMS | MG_ORDERED;
    ret_end->carries = UINT32_MAX;
    return 0;
}

/* ---- the queue ------------------------------------------------------------------------------ */

static struct queued take_first(struct line *line)
{
    struct queued q = line->queue[line->first];
    line->first = (line->first + 1) % line->capacity;
    line->count--;
    return q;
}

static void give_up(struct line *line, struct queued q, uint32_t outcome, const char *reason)
{
    line->bus->host->event_unref(q.event);
    if (q.token)
        line->bus->host->settle(q.token, outcome, reason);
}

/* Hands the first queued event to the sources.  False: it stays queued. */
static bool deliver_first(struct line *line)
{
    const struct mg_host *host = line->bus->host;
    struct queued *q = &line->queue[line->first];
    uint64_t cookie = 0;
    if (q->token) {
        cookie = flights_add(&line->flights, q->token);
        if (!cookie) {
            give_up(line, take_first(line), MG_RELEASED,
                    "too many events in flight on the local bus");
            return true;
        }
    }
    /* ingest may call settled at once, and a route may send to this very bus: the entry leaves the
     * queue before, and comes back to its head where it was not taken. */
    struct queued taken = take_first(line);
    int error = host->ingest_event(line->connection, NULL, taken.event, cookie);
    if (!error)
        return true;
    if (cookie)
        flights_take(&line->flights, cookie);
    if (error == -EAGAIN) {
        line->first = (line->first + line->capacity - 1) % line->capacity;
        line->queue[line->first] = taken;
        line->count++;
        line->blocked = true;
        return false;
    }
    give_up(line, taken, MG_RELEASED, "the routes behind the local bus take no events now");
    return true;
}

/* Only what is queued now: what routes send meanwhile waits for the next turn, so that a loop of
 * routes neither recurses nor keeps the shard from its other work. */
static void pump(void *arg)
{
    struct line *line = arg;
    size_t now = line->count;
    while (now-- && !line->blocked && line->count)
        deliver_first(line);
    if (line->count && !line->blocked)
        line->bus->host->wake(line->wake);
    if (line->refused && line->count < (size_t)line->bus->settings->queue) {
        line->refused = false;
        line->bus->host->sendable(line->connection, NULL);
    }
}

/* ---- connection ----------------------------------------------------------------------------- */

static void connection_destroy(void *context)
{
    struct line *line = context;
    if (!line)
        return;
    while (line->count)
        line->bus->host->event_unref(take_first(line).event);
    if (line->wake)
        line->bus->host->wake_free(line->wake);
    flights_fini(&line->flights);
    free(line->queue);
    free(line);
}

static int connection_open(void *self, mg_connection *connection, uint32_t index,
                           void **ret_context, struct mg_err *reterr)
{
    (void)index;
    struct bus *bus = self;
    struct line *line = calloc(1, sizeof *line);
    if (line) {
        line->bus = bus;
        line->connection = connection;
        /* One more than may be queued: the place to which an event that was not taken returns when
         * a route filled the queue meanwhile. */
        line->capacity = (size_t)bus->settings->queue + 1;
        line->queue = calloc(line->capacity, sizeof *line->queue);
        line->wake = bus->host->wake_new(bus->host->connection_shard(connection), pump, line);
    }
    if (!line || !line->queue || !line->wake) {
        connection_destroy(line);
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    *ret_context = line;
    return 0;
}

static int open_source(void *context, mg_source *source, const char *address, const void *settings,
                       void **ret_source, struct mg_err *reterr)
{
    (void)source;
    (void)address;
    (void)settings;
    (void)reterr;
    *ret_source = context; /* the core finds the sources by address: nothing to keep */
    return 0;
}

static int open_sink(void *context, mg_sink *sink, const char *address, const void *settings,
                     void **ret_sink, struct mg_err *reterr)
{
    (void)sink;
    (void)address;
    (void)settings;
    (void)reterr;
    *ret_sink = context;
    return 0;
}

static int begin(void *context, struct mg_err *reterr)
{
    (void)reterr;
    struct line *line = context;
    line->bus->host->status(line->connection, true, "in this process");
    return 0;
}

static void credit(void *context, void *source, uint32_t more)
{
    (void)source;
    struct line *line = context;
    line->blocked = line->blocked && !more;
    if (line->count || line->refused)
        line->bus->host->wake(line->wake);
}

static void settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                    const char *reason)
{
    (void)source;
    struct line *line = context;
    mg_token token = flights_take(&line->flights, cookie);
    if (token)
        line->bus->host->settle(token, outcome, reason);
}

static int send(void *context, void *sink, const struct mg_delivery *delivery,
                struct mg_err *reterr)
{
    (void)sink, (void)reterr;
    struct line *line = context;
    const struct bus *bus = line->bus;
    const struct mg_host *host = bus->host;
    if (line->closing || line->count >= (size_t)bus->settings->queue) {
        line->refused = !line->closing;
        return -EAGAIN;
    }
    mg_edit *edit = host->edit_new(delivery->event);
    if (edit)
        host->edit_head(edit)->address = delivery->address;
    mg_event *event = edit ? host->edit_publish(edit) : NULL;
    if (!event) {
        line->refused = true; /* short of memory: later, when something has left the queue */
        host->wake(line->wake);
        return -EAGAIN;
    }
    line->queue[(line->first + line->count) % line->capacity] =
        (struct queued){event, delivery->token};
    line->count++;
    return 0;
}

static void flush(void *context)
{
    struct line *line = context;
    if (line->count && !line->blocked)
        pump(line);
}

/* There is no drain: the bus is no origin of events, and lets what is under way go on. */
static void connection_close(void *context)
{
    struct line *line = context;
    line->closing = true;
    while (line->count)
        give_up(line, take_first(line), MG_RELEASED, "the gateway stops");
    for (mg_token token; (token = flights_take_any(&line->flights)) != 0;)
        line->bus->host->settle(token, MG_RELEASED, "the gateway stops");
    line->bus->host->status(line->connection, false, "closed");
    line->bus->host->closed(line->connection);
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {.create = create, .destroy = destroy};

static const struct mg_bridge_ops ops = {
    .size = sizeof ops,
    .abilities = MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_ORDERED | MG_FILTERS,
    .end = end,
    .open = connection_open,
    .open_source = open_source,
    .open_sink = open_sink,
    .begin = begin,
    .credit = credit,
    .settled = settled,
    .send = send,
    .flush = flush,
    .close = connection_close,
    .destroy = connection_destroy,
};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "local",
    .version = "1.0.0",
    .summary = "A bus inside the gateway: joins the sinks of some routes to the sources of others.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
