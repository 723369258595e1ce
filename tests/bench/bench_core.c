/* SPDX-License-Identifier: Apache-2.0 */
/* What the core itself costs for one event: a bridge that makes events out of nothing, a route
 * without steps, and a sink that confirms at the end of the loop turn.  No socket, no broker.
 *
 *   bench_core [EVENTS]
 *
 * One JSON line for each case: nanoseconds per event, by guarantee and number of routes. */
#include "base/arena.h"
#include "base/log.h"
#include "flow/flow.h"
#include "load.h"
#include "route/model.h"
#include <errno.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WINDOW = 1000, BURST = 256, PAYLOAD_BYTES = 256, ADDRESS_BYTES = 64, ADDRESSES = 64 };

/* ---- the bridge: both ends of every route, all on one shard --------------------------------- */

static struct {
    const struct mg_host *host;
    mg_connection *connection;
    mg_wake *wake;
    long events, ingested, settled;
    uint32_t credit;
    mg_token sent[WINDOW];
    size_t sent_count;
    bool refused;
    char addresses[ADDRESSES][ADDRESS_BYTES];
    char payload[PAYLOAD_BYTES];
    uint64_t start_ns, end_ns;
    sem_t done;
} bench;

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    (void)instance, (void)settings, (void)reterr;
    bench.host = host;
    *ret_self = &bench;
    return 0;
}

static void destroy_instance(void *self)
{
    (void)self;
}

static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings, (void)address, (void)end_settings, (void)reterr;
    ret_end->abilities = direction == MG_SOURCE
                             ? MG_SOURCE | MG_FILTERS | MG_DEFERS_ACK | MG_ORDERED
                             : MG_SINK | MG_CONFIRMS | MG_ORDERED;
    ret_end->carries = UINT32_MAX;
    return 0;
}

static void pump(void *arg)
{
    (void)arg;
    if (!bench.start_ns)
        bench.start_ns = load_now_ns();
    for (int i = 0; i < BURST && bench.credit && bench.ingested < bench.events; i++) {
        const char *address = bench.addresses[bench.ingested % ADDRESSES];
        struct mg_message message = {
            .head = {.size = sizeof message.head, .address = {address, strlen(address)}},
            .payload = {bench.payload, sizeof bench.payload},
        };
        if (bench.host->ingest(bench.connection, NULL, &message, (uint64_t)bench.ingested + 1))
            break;
        bench.ingested++;
        bench.credit--;
    }
    if (bench.credit && bench.ingested < bench.events)
        bench.host->wake(bench.wake);
}

static int open_connection(void *self, mg_connection *connection, uint32_t number,
                           void **ret_context, struct mg_err *reterr)
{
    (void)number, (void)reterr;
    bench.connection = connection;
    bench.wake = bench.host->wake_new(bench.host->connection_shard(connection), pump, NULL);
    *ret_context = self;
    return bench.wake ? 0 : -1;
}

static int open_source(void *context, mg_source *source, const char *address, const void *settings,
                       void **ret_source, struct mg_err *reterr)
{
    (void)source, (void)address, (void)settings, (void)reterr;
    *ret_source = context;
    return 0;
}

static int open_sink(void *context, mg_sink *sink, const char *address, const void *settings,
                     void **ret_sink, struct mg_err *reterr)
{
    (void)sink, (void)address, (void)settings, (void)reterr;
    *ret_sink = context;
    return 0;
}

static int begin(void *context, struct mg_err *reterr)
{
    (void)context, (void)reterr;
    bench.host->status(bench.connection, true, NULL);
    return 0;
}

static void credit(void *context, void *source, uint32_t more)
{
    (void)context;
    if (source)
        return; /* every event is ingested without one: the core finds the route by address */
    bench.credit += more;
    bench.host->wake(bench.wake);
}

static void settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                    const char *reason)
{
    (void)context, (void)source, (void)cookie, (void)reason;
    if (outcome != MG_ACCEPTED)
        return; /* never counted: the run fails by its deadline */
    if (++bench.settled == bench.events) {
        bench.end_ns = load_now_ns();
        sem_post(&bench.done);
    }
}

static int send(void *context, void *sink, const struct mg_delivery *delivery,
                struct mg_err *reterr)
{
    (void)context, (void)sink, (void)reterr;
    if (!delivery->token)
        return 0;
    if (bench.sent_count == WINDOW) {
        bench.refused = true;
        return -EAGAIN;
    }
    bench.sent[bench.sent_count++] = delivery->token;
    return 0;
}

static void flush(void *context)
{
    (void)context;
    size_t count = bench.sent_count;
    if (!count)
        return;
    for (size_t i = 0; i < count; i++)
        bench.host->settle(bench.sent[i], MG_ACCEPTED, NULL);
    bench.sent_count = 0;
    if (bench.refused)
        bench.host->sendable(bench.connection, NULL);
    bench.refused = false;
}

static void close_connection(void *context)
{
    (void)context;
    bench.host->closed(bench.connection);
}

static void destroy_connection(void *context)
{
    (void)context;
    bench.host->wake_free(bench.wake);
}

static const struct mg_life life = {.create = create, .destroy = destroy_instance};
static const struct mg_bridge_ops ops = {
    .size = sizeof ops,
    .abilities = MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_ORDERED | MG_FILTERS,
    .end = end,
    .open = open_connection,
    .open_source = open_source,
    .open_sink = open_sink,
    .begin = begin,
    .credit = credit,
    .settled = settled,
    .send = send,
    .flush = flush,
    .close = close_connection,
    .destroy = destroy_connection,
};
static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "bench",
    .version = "1",
    .summary = "events out of nothing",
    .life = &life,
    .ops = &ops,
};

/* ---- one case ------------------------------------------------------------------------------- */

static char *configuration(struct gw_arena *arena, const char *guarantee, uint32_t routes)
{
    size_t size = 256 + (size_t)routes * 256, at = 0;
    char *text = gw_arena_alloc(arena, size);
    if (!text)
        return NULL;
    at += (size_t)snprintf(text, size,
                           "gateway: { name: bench }\nbridges:\n  b: { type: bench }\nroutes:\n");
    for (uint32_t i = 0; i < routes; i++)
        at += (size_t)snprintf(text + at, size - at,
                               "  r%u:\n    from: { bridge: b, topic: \"in/%u/{name}\" }\n"
                               "    to: { bridge: b, address: \"out/%u/{name}\" }\n"
                               "    delivery: { guarantee: %s, window: %d }\n",
                               i, i, i, guarantee, WINDOW);
    return text;
}

static bool run_gateway(const struct gw_model *model)
{
    struct gw_gateway *gateway;
    struct mg_err err = {{0}, NULL};
    if (gw_gateway_create(model, &gateway, &err) || gw_gateway_start(gateway, &err)) {
        fprintf(stderr, "bench_core: %s\n", err.text);
        return false;
    }
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 60;
    bool whole = sem_timedwait(&bench.done, &until) == 0;
    whole = gw_gateway_drain(gateway, 1000) == 0 && whole;
    json_t *report = gw_gateway_report(gateway);
    whole = json_is_true(json_object_get(report, "balanced")) && whole;
    json_decref(report);
    if (gw_gateway_stop(gateway))
        return false;
    gw_gateway_destroy(gateway);
    return whole;
}

static int measure(const char *guarantee, uint32_t routes, long events)
{
    struct gw_arena *arena = gw_arena_create();
    struct gw_registry *registry = gw_registry_create();
    struct gw_diags diags = {0};
    struct gw_model *model = NULL;
    char *text = arena && registry ? configuration(arena, guarantee, routes) : NULL;
    int result = 1;
    bench.events = events;
    bench.ingested = bench.settled = 0;
    bench.credit = 0;
    bench.start_ns = 0;
    for (uint32_t i = 0; i < ADDRESSES; i++)
        snprintf(bench.addresses[i], ADDRESS_BYTES, "in/%u/machine-%u", i * 2654435761u % routes,
                 i);
    const struct mg_node *root =
        text ? gw_tree_parse(arena, "bench", text, strlen(text), &diags) : NULL;
    uint64_t load_ns = load_now_ns();
    if (root && !gw_registry_add(registry, &module, "(bench)", &diags) &&
        !gw_model_load(arena, root, registry, &model, &diags)) {
        load_ns = load_now_ns() - load_ns;
        if (run_gateway(model)) {
            printf("{\"guarantee\":\"%s\",\"routes\":%u,\"events\":%ld,\"event_ns\":%.0f,\"load_"
                   "ms\":%.1f}\n",
                   guarantee, routes, events,
                   (double)(bench.end_ns - bench.start_ns) / (double)events, (double)load_ns / 1e6);
            result = 0;
        }
    }
    gw_diags_print(&diags, stderr);
    gw_diags_fini(&diags);
    gw_model_destroy(model);
    gw_registry_destroy(registry);
    gw_arena_destroy(arena);
    return result;
}

int main(int argc, char **argv)
{
    static const uint32_t counts[] = {10, 10000};
    long events = argc > 1 ? load_number(argv[1], 1000, 100000000, "EVENTS") : 1000000;
    int result = 0;
    gw_log_configure(GW_LOG_LOGFMT, MG_WARN);
    memset(bench.payload, 'x', sizeof bench.payload);
    sem_init(&bench.done, 0, 0);
    for (size_t i = 0; i < sizeof counts / sizeof *counts; i++) {
        result |= measure("best-effort", counts[i], events);
        result |= measure("direct", counts[i], events);
    }
    return result;
}
