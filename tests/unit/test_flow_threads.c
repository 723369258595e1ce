/* SPDX-License-Identifier: Apache-2.0 */
/* Events across threads: ingested from a thread of the source's own, routed on one shard, sent on
 * another, settled from a thread of the sink's own.  Worth running under ThreadSanitizer. */
#include "flow/internal.h"
#include "flow/tap.h"
#include "unit.h"
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS = 30000, SOURCES = 2 };

static const struct mg_host *host;

/* ---- a source with a thread that pumps numbered events in ----------------------------------- */

static struct pump {
    mg_connection *connection;
    mg_source *source;
    pthread_t thread;
    bool running;
    atomic_uint credit, settled[MG_MODIFIED + 1];
    atomic_bool stop;
    uint32_t ingested;
} pumps[SOURCES];
static size_t pump_count;

static void *pump_run(void *arg)
{
    struct pump *p = arg;
    for (uint32_t i = 1; i <= EVENTS && !atomic_load(&p->stop);) {
        char text[32];
        snprintf(text, sizeof text, "%u", i);
        struct mg_message m = {.head = {.address = {"in", 2}}, .payload = {text, strlen(text)}};
        mg_event *event = host->event_new(&m);
        while (!atomic_load(&p->credit) && !atomic_load(&p->stop))
            sched_yield();
        if (atomic_load(&p->stop) || host->ingest_event(p->connection, p->source, event, i)) {
            host->event_unref(event);
            continue;
        }
        atomic_fetch_sub(&p->credit, 1);
        p->ingested = i++;
    }
    return NULL;
}

static int pump_open(void *self, mg_connection *c, uint32_t index, void **ret_context,
                     struct mg_err *err)
{
    (void)self, (void)index, (void)err;
    *ret_context = &pumps[pump_count];
    pumps[pump_count++].connection = c;
    return 0;
}

static int pump_open_source(void *context, mg_source *source, const char *address,
                            const void *settings, void **ret_source, struct mg_err *err)
{
    (void)address, (void)settings, (void)err;
    struct pump *p = context;
    p->source = source;
    *ret_source = p;
    return 0;
}

static int pump_begin(void *context, struct mg_err *err)
{
    (void)err;
    struct pump *p = context;
    p->running = !pthread_create(&p->thread, NULL, pump_run, p);
    return 0;
}

static void pump_credit(void *context, void *source, uint32_t more)
{
    struct pump *p = context;
    if (source)
        atomic_fetch_add(&p->credit, more);
}

static void pump_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                         const char *reason)
{
    (void)source, (void)cookie, (void)reason;
    struct pump *p = context;
    atomic_fetch_add(&p->settled[outcome], 1);
}

static void pump_drain(void *context)
{
    struct pump *p = context;
    atomic_store(&p->stop, true);
}

static void pump_close(void *context)
{
    struct pump *p = context;
    atomic_store(&p->stop, true);
    if (p->running)
        pthread_join(p->thread, NULL);
    p->running = false;
    host->closed(p->connection);
}

/* ---- a sink with a thread that settles ------------------------------------------------------ */

enum { PIT_MAX = 64 };

static struct pit {
    mg_connection *connection;
    pthread_t thread;
    pthread_mutex_t lock; /* protects the three below */
    pthread_cond_t more;
    mg_token tokens[PIT_MAX];
    size_t count;
    bool stop;
    uint64_t sends;
    uint32_t last[SOURCES];
    bool disorder;
} pit;

static void *pit_run(void *arg)
{
    (void)arg;
    uint32_t turn = 0;
    pthread_mutex_lock(&pit.lock);
    while (!pit.stop || pit.count) {
        if (!pit.count) {
            pthread_cond_wait(&pit.more, &pit.lock);
            continue;
        }
        mg_token tokens[PIT_MAX];
        size_t count = pit.count;
        memcpy(tokens, pit.tokens, count * sizeof *tokens);
        pit.count = 0;
        pthread_mutex_unlock(&pit.lock);
        for (size_t i = 0; i < count; i++)
            host->settle(tokens[i], ++turn % 5000 ? MG_ACCEPTED : MG_REJECTED,
                         "every five thousandth");
        host->sendable(pit.connection, NULL);
        pthread_mutex_lock(&pit.lock);
    }
    pthread_mutex_unlock(&pit.lock);
    return NULL;
}

static int pit_open(void *self, mg_connection *c, uint32_t index, void **ret_context,
                    struct mg_err *err)
{
    (void)self, (void)index, (void)err;
    pit.connection = c;
    *ret_context = &pit;
    return 0;
}

static int pit_open_sink(void *context, mg_sink *sink, const char *address, const void *settings,
                         void **ret_sink, struct mg_err *err)
{
    (void)context, (void)sink, (void)settings, (void)err;
    *ret_sink = &pit.last[address[0] - '0'];
    return 0;
}

static int pit_begin(void *context, struct mg_err *err)
{
    (void)context, (void)err;
    return -pthread_create(&pit.thread, NULL, pit_run, NULL);
}

static int pit_send(void *context, void *sink, const struct mg_delivery *d, struct mg_err *err)
{
    (void)context, (void)err;
    uint32_t *last = sink;
    struct mg_bytes payload = host->event_payload(d->event);
    pthread_mutex_lock(&pit.lock);
    bool full = pit.count == PIT_MAX;
    if (!full) {
        pit.tokens[pit.count++] = d->token;
        pthread_cond_signal(&pit.more);
    }
    pthread_mutex_unlock(&pit.lock);
    if (full)
        return -EAGAIN;
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)payload.len, (const char *)payload.at);
    uint32_t number = (uint32_t)strtoul(text, NULL, 10);
    pit.disorder = pit.disorder || number != *last + 1;
    *last = number;
    pit.sends++;
    return 0;
}

static void pit_close(void *context)
{
    (void)context;
    pthread_mutex_lock(&pit.lock);
    pit.stop = true;
    pthread_cond_signal(&pit.more);
    pthread_mutex_unlock(&pit.lock);
    pthread_join(pit.thread, NULL);
    host->closed(pit.connection);
}

/* ---- modules -------------------------------------------------------------------------------- */

static int create(const struct mg_host *h, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *err)
{
    (void)instance, (void)settings, (void)err;
    host = h;
    *ret_self = &pit;
    return 0;
}

static void destroy(void *self)
{
    (void)self;
}

static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *err)
{
    (void)settings, (void)address, (void)end_settings, (void)err;
    ret_end->abilities = direction == MG_SOURCE ? MG_SOURCE | MG_DEFERS_ACK : MG_SINK | MG_CONFIRMS;
    return 0;
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_bridge_ops pump_ops = {
    .size = sizeof pump_ops,
    .abilities = MG_SOURCE | MG_DEFERS_ACK,
    .end = end,
    .open = pump_open,
    .open_source = pump_open_source,
    .begin = pump_begin,
    .credit = pump_credit,
    .settled = pump_settled,
    .drain = pump_drain,
    .close = pump_close,
    .destroy = destroy,
};
static const struct mg_bridge_ops pit_ops = {
    .size = sizeof pit_ops,
    .abilities = MG_SINK | MG_CONFIRMS,
    .end = end,
    .open = pit_open,
    .open_sink = pit_open_sink,
    .begin = pit_begin,
    .send = pit_send,
    .close = pit_close,
    .destroy = destroy,
};
static const struct mg_module modules[] = {
    {.abi = MG_ABI_HERE,
     .kind = MG_BRIDGE,
     .name = "pump",
     .version = "1",
     .summary = "Pumps.",
     .life = &life,
     .ops = &pump_ops},
    {.abi = MG_ABI_HERE,
     .kind = MG_BRIDGE,
     .name = "pit",
     .version = "1",
     .summary = "Swallows.",
     .life = &life,
     .ops = &pit_ops},
};

static json_int_t ledger(json_t *report, size_t route, const char *entry)
{
    return json_integer_value(
        json_object_get(json_array_get(json_object_get(report, "routes"), route), entry));
}

/* ---- taps ----------------------------------------------------------------------------------- */

/* What a tap has shown or counted as missed. */
static uint64_t take(struct gw_tap *tap)
{
    uint64_t count = gw_tap_missed(tap);
    for (struct gw_tapped *t = gw_tap_take(tap), *next; t; t = next, count++) {
        next = t->next;
        gw_tapped_free(t);
    }
    return count;
}

static struct gw_tap *tap_at(struct gw_gateway *g, uint32_t point, const char *route)
{
    struct gw_tap *tap = NULL;
    struct mg_err err = {{0}, NULL};
    CU_ASSERT_EQUAL(
        gw_tap_open(g, &(struct gw_tap_settings){.point = point, .route = route}, &tap, &err), 0);
    return tap;
}

static void every_event_crosses_once_in_order_and_is_settled(void)
{
    static const char yaml[] =
        "gateway: { shards: 2 }\n"
        "bridges:\n"
        "  a: { type: pump, shard: 0 }\n"
        "  b: { type: pump, shard: 1 }\n"
        "  z: { type: pit, shard: 1 }\n"
        "routes:\n"
        "  far: { from: { bridge: a, address: in }, to: { bridge: z, address: \"0\" } }\n"
        "  near: { from: { bridge: b, address: in }, to: { bridge: z, address: \"1\" } }\n";
    struct gw_arena *arena = gw_arena_create();
    struct gw_registry *registry = gw_registry_create();
    struct gw_diags diags = {0};
    struct gw_model *model = NULL;
    struct gw_gateway *g = NULL;
    struct mg_err err = {{0}, NULL};
    pthread_mutex_init(&pit.lock, NULL);
    pthread_cond_init(&pit.more, NULL);
    gw_log_configure(GW_LOG_LOGFMT, MG_ERROR);
    for (size_t i = 0; i < 2; i++)
        gw_registry_add(registry, &modules[i], "(test)", &diags);
    const struct mg_node *root = gw_tree_parse(arena, "t.yaml", yaml, strlen(yaml), &diags);
    CU_ASSERT_EQUAL_FATAL(gw_model_load(arena, root, registry, &model, &diags), 0);
    CU_ASSERT_EQUAL_FATAL(gw_gateway_create(model, &g, &err), 0);
    struct gw_tap *taps[] = {tap_at(g, GW_TAP_IN, NULL), tap_at(g, GW_TAP_OUT, "far")};
    uint64_t tapped[2] = {0};
    CU_ASSERT_EQUAL_FATAL(gw_gateway_start(g, &err), 0);

    uint32_t accepted, rejected;
    int64_t limit = gw_now_us(NULL) + 60000000;
    do {
        accepted = rejected = 0;
        for (size_t i = 0; i < SOURCES; i++) {
            accepted += atomic_load(&pumps[i].settled[MG_ACCEPTED]);
            rejected += atomic_load(&pumps[i].settled[MG_REJECTED]);
        }
        json_decref(gw_gateway_report(g)); /* reading it meanwhile must be safe, too */
        struct gw_tap *brief = tap_at(g, GW_TAP_IN, "near");
        for (size_t i = 0; i < 2; i++)
            tapped[i] += take(taps[i]);
        gw_tap_close(brief);
    } while (accepted + rejected < SOURCES * EVENTS && gw_now_us(NULL) < limit);

    CU_ASSERT_EQUAL(gw_gateway_drain(g, 5000), 0);
    json_t *report = gw_gateway_report(g);
    CU_ASSERT_EQUAL(accepted + rejected, SOURCES * EVENTS);
    CU_ASSERT_EQUAL(rejected, SOURCES * EVENTS / 5000);
    CU_ASSERT_TRUE(json_is_true(json_object_get(report, "balanced")));
    for (size_t r = 0; r < SOURCES; r++) {
        CU_ASSERT_EQUAL(ledger(report, r, "received"), EVENTS);
        CU_ASSERT_EQUAL(ledger(report, r, "in_flight"), 0);
    }
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(report, "late_settlements")), 0);
    json_decref(report);
    for (size_t i = 0; i < 2; i++) {
        tapped[i] += take(taps[i]);
        gw_tap_close(taps[i]);
    }
    CU_ASSERT_EQUAL(tapped[0], SOURCES * EVENTS);
    CU_ASSERT_EQUAL(tapped[1], EVENTS);
    CU_ASSERT_EQUAL(gw_gateway_stop(g), 0);
    CU_ASSERT_FALSE(pit.disorder);
    CU_ASSERT_EQUAL(pit.sends, SOURCES * EVENTS);
    gw_gateway_destroy(g);
    gw_model_destroy(model);
    gw_registry_destroy(registry);
    gw_arena_destroy(arena);
    gw_diags_fini(&diags);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"every event crosses once, in order, and is settled",
         every_event_crosses_once_in_order_and_is_settled},
        {NULL, NULL},
    };
    return kit_main("flow_threads", tests);
}
