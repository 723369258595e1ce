/* SPDX-License-Identifier: Apache-2.0 */
/* What the core itself costs for one event: a bridge that makes events out of nothing, routes, and
 * a bridge that takes them.  No socket, no broker.
 *
 *   bench_core [EVENTS [CASE]]
 *
 * One JSON line for each case: nanoseconds per event.  CASE is one of those names, for a profiler.
 * A sink of a best-effort case takes the event and owes nothing; one of a direct case confirms in
 * order, all that it has at a time, in the loop turn after the one in which it was sent. */
#include "base/arena.h"
#include "base/log.h"
#include "flow/flow.h"
#include "load.h"
#include "route/model.h"
#include <errno.h>
#include <semaphore.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { WINDOW = 1000, BURST = 256, PAYLOAD_BYTES = 256, ADDRESS_BYTES = 64, ADDRESSES = 64 };
enum { SINKS_MAX = 100 };

static const struct bench_case {
    const char *name, *guarantee;
    uint32_t routes, sinks; /* sinks of each route */
    bool step, crosses;     /* through a filter that passes everything; to another shard */
} cases[] = {
    {.name = "best-effort", .guarantee = "best-effort", .routes = 10, .sinks = 1},
    {.name = "direct", .guarantee = "direct", .routes = 10, .sinks = 1},
    {.name = "best-effort-routes", .guarantee = "best-effort", .routes = 10000, .sinks = 1},
    {.name = "direct-routes", .guarantee = "direct", .routes = 10000, .sinks = 1},
    {.name = "best-effort-step", .guarantee = "best-effort", .routes = 10, .sinks = 1, .step = 1},
    {.name = "best-effort-to-10", .guarantee = "best-effort", .routes = 10, .sinks = 10},
    {.name = "best-effort-to-100", .guarantee = "best-effort", .routes = 10, .sinks = 100},
    {.name = "direct-to-10", .guarantee = "direct", .routes = 10, .sinks = 10},
    {.name = "direct-to-100", .guarantee = "direct", .routes = 10, .sinks = 100},
    {.name = "direct-shards", .guarantee = "direct", .routes = 10, .sinks = 1, .crosses = true},
};

/* ---- the two bridges: one makes events, one takes them -------------------------------------- */

struct side {
    mg_connection *connection;
    mg_wake *wake;
};

static struct {
    const struct mg_host *host;
    long events, ingested, settled; /* the maker's shard */
    uint32_t credit;
    mg_token sent[WINDOW * SINKS_MAX]; /* the taker's shard */
    size_t sent_count;
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
    *ret_self = calloc(1, sizeof(struct side));
    return *ret_self ? 0 : -ENOMEM;
}

static int maker_end(const void *settings, uint32_t direction, const char *address,
                     const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings, (void)direction, (void)address, (void)end_settings, (void)reterr;
    ret_end->abilities = MG_SOURCE | MG_FILTERS | MG_DEFERS_ACK | MG_ORDERED;
    ret_end->carries = UINT32_MAX;
    return 0;
}

static int taker_end(const void *settings, uint32_t direction, const char *address,
                     const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    (void)settings, (void)direction, (void)address, (void)reterr;
    const bool *confirms = end_settings;
    ret_end->abilities = MG_SINK | MG_ORDERED | (*confirms ? (uint32_t)MG_CONFIRMS : 0);
    ret_end->carries = UINT32_MAX;
    return 0;
}

static void make(void *arg)
{
    struct side *maker = arg;
    if (!bench.start_ns)
        bench.start_ns = load_now_ns();
    for (int i = 0; i < BURST && bench.credit && bench.ingested < bench.events; i++) {
        const char *address = bench.addresses[bench.ingested % ADDRESSES];
        struct mg_message message = {
            .head = {.size = sizeof message.head, .address = {address, strlen(address)}},
            .payload = {bench.payload, sizeof bench.payload},
        };
        if (bench.host->ingest(maker->connection, NULL, &message, (uint64_t)bench.ingested + 1))
            break;
        bench.ingested++;
        bench.credit--;
    }
    if (bench.credit && bench.ingested < bench.events)
        bench.host->wake(maker->wake);
}

static void confirm(void *arg)
{
    (void)arg;
    size_t count = bench.sent_count;
    bench.sent_count = 0;
    for (size_t i = 0; i < count; i++)
        bench.host->settle(bench.sent[i], MG_ACCEPTED, NULL);
}

static int open_side(struct side *side, mg_connection *connection, void (*woken)(void *),
                     void **ret_context)
{
    side->connection = connection;
    side->wake = bench.host->wake_new(bench.host->connection_shard(connection), woken, side);
    *ret_context = side;
    return side->wake ? 0 : -ENOMEM;
}

static int open_maker(void *self, mg_connection *connection, uint32_t number, void **ret_context,
                      struct mg_err *reterr)
{
    (void)number, (void)reterr;
    return open_side(self, connection, make, ret_context);
}

static int open_taker(void *self, mg_connection *connection, uint32_t number, void **ret_context,
                      struct mg_err *reterr)
{
    (void)number, (void)reterr;
    return open_side(self, connection, confirm, ret_context);
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
    (void)reterr;
    struct side *side = context;
    bench.host->status(side->connection, true, NULL);
    return 0;
}

static void credit(void *context, void *source, uint32_t more)
{
    struct side *maker = context;
    if (source)
        return; /* every event is ingested without one: the core finds the route by address */
    bench.credit += more;
    bench.host->wake(maker->wake);
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
    if (delivery->token) /* the window keeps it within the places */
        bench.sent[bench.sent_count++] = delivery->token;
    return 0;
}

static void flush(void *context)
{
    struct side *taker = context;
    if (bench.sent_count)
        bench.host->wake(taker->wake);
}

static void close_side(void *context)
{
    struct side *side = context;
    bench.host->closed(side->connection);
}

static void destroy_side(void *context)
{
    struct side *side = context;
    bench.host->wake_free(side->wake);
}

static const struct mg_life life = {.create = create, .destroy = free};
static const struct mg_bridge_ops maker_ops = {
    .size = sizeof maker_ops,
    .abilities = MG_SOURCE | MG_DEFERS_ACK | MG_ORDERED | MG_FILTERS,
    .end = maker_end,
    .open = open_maker,
    .open_source = open_source,
    .begin = begin,
    .credit = credit,
    .settled = settled,
    .close = close_side,
    .destroy = destroy_side,
};
static const struct mg_bridge_ops taker_ops = {
    .size = sizeof taker_ops,
    .abilities = MG_SINK | MG_CONFIRMS | MG_ORDERED,
    .end = taker_end,
    .open = open_taker,
    .open_sink = open_sink,
    .begin = begin,
    .send = send,
    .flush = flush,
    .close = close_side,
    .destroy = destroy_side,
};

/* ---- the step ------------------------------------------------------------------------------- */

static int create_step(const struct mg_host *host, mg_instance *instance, const void *settings,
                       void **ret_self, struct mg_err *reterr)
{
    (void)host, (void)instance, (void)settings, (void)reterr;
    *ret_self = NULL;
    return 0;
}

static uint32_t pass(void *self, void *context, const struct mg_step_call *call,
                     struct mg_step_result *ret_result)
{
    (void)self, (void)context, (void)call, (void)ret_result;
    return MG_PASS;
}

static const struct mg_life step_life = {.create = create_step, .destroy = free};
static const struct mg_step_ops step_ops = {.size = sizeof step_ops, .process = pass};

static const struct mg_option taker_options[] = {
    {.name = "confirms", .type = MG_OPT_BOOL, .value = "false", .doc = "Owes a settlement."},
    {.name = NULL},
};
static const struct mg_module modules[] = {
    {.abi = MG_ABI_HERE,
     .kind = MG_BRIDGE,
     .name = "maker",
     .version = "1",
     .summary = "Events out of nothing.",
     .life = &life,
     .ops = &maker_ops},
    {.abi = MG_ABI_HERE,
     .kind = MG_BRIDGE,
     .name = "taker",
     .version = "1",
     .summary = "Takes every event.",
     .sink_options = taker_options,
     .sink_settings_size = sizeof(bool),
     .life = &life,
     .ops = &taker_ops},
    {.abi = MG_ABI_HERE,
     .kind = MG_FILTER,
     .name = "pass",
     .version = "1",
     .summary = "Passes every event.",
     .life = &step_life,
     .ops = &step_ops},
};

/* ---- one case ------------------------------------------------------------------------------- */

static char *configuration(struct gw_arena *arena, const struct bench_case *b)
{
    size_t size = 512 + (size_t)b->routes * (256 + b->sinks * 80), at = 0;
    char *text = gw_arena_alloc(arena, size);
    if (!text)
        return NULL;
    at += (size_t)snprintf(text, size,
                           "gateway: { name: bench, shards: %d }\nbridges:\n"
                           "  a: { type: maker, shard: 0 }\n  z: { type: taker, shard: %d }\n"
                           "routes:\n",
                           b->crosses ? 2 : 1, b->crosses ? 1 : 0);
    const char *confirms = strcmp(b->guarantee, "direct") ? "false" : "true";
    for (uint32_t i = 0; i < b->routes; i++) {
        at += (size_t)snprintf(text + at, size - at,
                               "  r%u:\n    from: { bridge: a, topic: \"in/%u/{name}\" }\n"
                               "    delivery: { guarantee: %s, window: %d }\n"
                               "%s    to:\n",
                               i, i, b->guarantee, WINDOW,
                               b->step ? "    steps: [ { filter: { type: pass } } ]\n" : "");
        for (uint32_t k = 0; k < b->sinks; k++)
            at += (size_t)snprintf(text + at, size - at,
                                   "      - { bridge: z, address: \"out/%u/%u/{name}\", "
                                   "confirms: %s }\n",
                                   i, k, confirms);
    }
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

static void prepare(const struct bench_case *b, long events)
{
    bench.events = events;
    bench.ingested = bench.settled = 0;
    bench.credit = 0;
    bench.start_ns = 0;
    bench.sent_count = 0;
    for (uint32_t i = 0; i < ADDRESSES; i++)
        snprintf(bench.addresses[i], ADDRESS_BYTES, "in/%u/machine-%u", i * 2654435761u % b->routes,
                 i);
}

static int measure(const struct bench_case *b, long events)
{
    struct gw_arena *arena = gw_arena_create();
    struct gw_registry *registry = gw_registry_create();
    struct gw_diags diags = {0};
    struct gw_model *model = NULL;
    char *text = arena && registry ? configuration(arena, b) : NULL;
    int result = 1;
    events = events / b->sinks + 1; /* as many sends in every case */
    prepare(b, events);
    for (size_t i = 0; text && i < sizeof modules / sizeof modules[0]; i++)
        if (gw_registry_add(registry, &modules[i], "(bench)", &diags))
            text = NULL;
    const struct mg_node *root =
        text ? gw_tree_parse(arena, "bench", text, strlen(text), &diags) : NULL;
    uint64_t load_ns = load_now_ns();
    if (root && !gw_model_load(arena, root, registry, &model, &diags)) {
        load_ns = load_now_ns() - load_ns;
        if (run_gateway(model)) {
            printf("{\"case\":\"%s\",\"guarantee\":\"%s\",\"routes\":%u,\"sinks\":%u,"
                   "\"steps\":%d,\"shards\":%d,\"events\":%ld,\"event_ns\":%.0f,\"load_ms\":%.1f}"
                   "\n",
                   b->name, b->guarantee, b->routes, b->sinks, b->step, b->crosses ? 2 : 1, events,
                   (double)(bench.end_ns - bench.start_ns) / (double)events, (double)load_ns / 1e6);
            result = 0;
        }
    }
    if (!model) /* what it warns of is not what is measured */
        gw_diags_print(&diags, stderr);
    gw_diags_fini(&diags);
    gw_model_destroy(model);
    gw_registry_destroy(registry);
    gw_arena_destroy(arena);
    return result;
}

int main(int argc, char **argv)
{
    long events = argc > 1 ? load_number(argv[1], 1000, 100000000, "EVENTS") : 1000000;
    bool found = false;
    int result = 0;
    gw_log_configure(GW_LOG_LOGFMT, MG_WARN);
    memset(bench.payload, 'x', sizeof bench.payload);
    sem_init(&bench.done, 0, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        if (argc > 2 && strcmp(argv[2], cases[i].name))
            continue;
        found = true;
        result |= measure(&cases[i], events);
    }
    if (!found)
        fprintf(stderr, "bench_core: no such case: %s\n", argv[2]);
    return found ? result : 2;
}
