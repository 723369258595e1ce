/* SPDX-License-Identifier: Apache-2.0 */
/* One source read by several connections on several shards: each event once, order within each
 * consumer, one ledger, and nothing left behind at a stop.  Worth running under ThreadSanitizer. */
#include "flow/internal.h"
#include "unit.h"
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS_MAX = 20000, CONSUMERS_MAX = 8, SHELF_MAX = 64, SINKS_MAX = 3, WAIT_US = 60000000 };

static const struct mg_host *host;

/* ---- a peer that gives each event to whoever asks first ------------------------------------- */

static struct queue {
    atomic_uint next, refused;
    uint32_t events;
    atomic_bool holds; /* its sinks confirm nothing */
} queue;

/* One connection of the module "shop"; only its shard touches it while the gateway runs. */
static struct consumer {
    mg_connection *connection;
    mg_source *source; /* of the queue */
    mg_timer *timer;
    uint32_t number, source_count, first_credit, credit;
    uint32_t taken; /* events ingested; the cookie of each is its place, from 1 */
    bool draining;
    uint8_t settled[EVENTS_MAX + 1]; /* how often, by cookie */
    uint32_t outcomes[MG_MODIFIED + 1];
    struct shelf *shelves[SINKS_MAX];
    size_t shelf_count;
} consumers[CONSUMERS_MAX + 1];
static size_t consumer_count;

static struct shelf {
    mg_token tokens[SHELF_MAX];
    size_t count;
    uint32_t last[CONSUMERS_MAX]; /* by consumer: the place of its event that came last */
    uint8_t came[EVENTS_MAX];     /* how often, by event */
    uint32_t sends, disorder;
} shelves[SINKS_MAX];
static size_t shelf_count;

static void feed(struct consumer *c)
{
    while (c->source && c->credit && !c->draining) {
        uint32_t event = atomic_fetch_add(&queue.next, 1);
        if (event >= queue.events)
            return;
        char text[48];
        snprintf(text, sizeof text, "%u %u %u", c->number, ++c->taken, event);
        struct mg_message m = {.head = {.size = sizeof m.head, .address = {"q", 1}},
                               .payload = {text, strlen(text)}};
        c->credit--;
        if (host->ingest(c->connection, c->source, &m, c->taken))
            atomic_fetch_add(&queue.refused, 1);
    }
}

static void turn(void *arg)
{
    struct consumer *c = arg;
    feed(c);
    for (size_t i = 0; i < c->shelf_count && !atomic_load(&queue.holds); i++) {
        mg_token tokens[SHELF_MAX];
        size_t count = c->shelves[i]->count;
        memcpy(tokens, c->shelves[i]->tokens, count * sizeof *tokens);
        c->shelves[i]->count = 0;
        for (size_t k = 0; k < count; k++)
            host->settle(tokens[k], MG_ACCEPTED, NULL);
    }
    host->sendable(c->connection, NULL);
}

static int shop_open(void *self, mg_connection *connection, uint32_t index, void **ret_context,
                     struct mg_err *err)
{
    (void)self, (void)err;
    struct consumer *c = &consumers[consumer_count++];
    c->connection = connection;
    c->number = index;
    *ret_context = c;
    return 0;
}

static int shop_open_source(void *context, mg_source *source, const char *address,
                            const void *settings, void **ret_source, struct mg_err *err)
{
    (void)settings, (void)err;
    struct consumer *c = context;
    c->source_count++;
    if (!strcmp(address, "q"))
        c->source = source;
    *ret_source = !strcmp(address, "q") ? c : NULL;
    return 0;
}

static int shop_open_sink(void *context, mg_sink *sink, const char *address, const void *settings,
                          void **ret_sink, struct mg_err *err)
{
    (void)sink, (void)address, (void)settings, (void)err;
    struct consumer *c = context;
    *ret_sink = c->shelves[c->shelf_count++] = &shelves[shelf_count++];
    return 0;
}

static int shop_begin(void *context, struct mg_err *err)
{
    (void)err;
    struct consumer *c = context;
    c->timer = host->timer_start(host->connection_shard(c->connection), 1, 1, turn, c);
    return c->timer ? 0 : -ENOMEM;
}

static void shop_credit(void *context, void *source, uint32_t more)
{
    struct consumer *c = context;
    if (source != c)
        return;
    if (!c->first_credit)
        c->first_credit = more;
    c->credit += more;
}

static void shop_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                         const char *reason)
{
    (void)source, (void)reason;
    struct consumer *c = context;
    c->settled[cookie]++;
    c->outcomes[outcome]++;
}

static int shop_send(void *context, void *sink, const struct mg_delivery *d, struct mg_err *err)
{
    (void)context, (void)err;
    struct shelf *shelf = sink;
    if (shelf->count == SHELF_MAX)
        return -EAGAIN;
    unsigned number = 0, place = 0, event = 0;
    struct mg_bytes payload = host->event_payload(d->event);
    char text[48];
    snprintf(text, sizeof text, "%.*s", (int)payload.len, (const char *)payload.at);
    if (sscanf(text, "%u %u %u", &number, &place, &event) != 3)
        return -EINVAL;
    shelf->disorder += place != shelf->last[number] + 1;
    shelf->last[number] = place;
    shelf->came[event]++;
    shelf->sends++;
    shelf->tokens[shelf->count++] = d->token;
    return 0;
}

static void shop_drain(void *context)
{
    struct consumer *c = context;
    c->draining = true;
}

static void shop_close(void *context)
{
    struct consumer *c = context;
    host->timer_stop(c->timer);
    c->timer = NULL;
    host->closed(c->connection);
}

static int create(const struct mg_host *h, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *err)
{
    (void)instance, (void)settings, (void)err;
    host = h;
    *ret_self = &queue;
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
    ret_end->abilities =
        direction == MG_SOURCE ? MG_SOURCE | MG_DEFERS_ACK | MG_COMPETES : MG_SINK | MG_CONFIRMS;
    return 0;
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_bridge_ops shop_ops = {
    .size = sizeof shop_ops,
    .abilities = MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_COMPETES,
    .end = end,
    .open = shop_open,
    .open_source = shop_open_source,
    .open_sink = shop_open_sink,
    .begin = shop_begin,
    .credit = shop_credit,
    .settled = shop_settled,
    .send = shop_send,
    .drain = shop_drain,
    .close = shop_close,
    .destroy = destroy,
};
static const struct mg_module shop = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "shop",
    .version = "1",
    .summary = "A queue.",
    .life = &life,
    .ops = &shop_ops,
};

/* ---- the gateway ---------------------------------------------------------------------------- */

static struct gw_arena *arena;
static struct gw_registry *registry;
static struct gw_model *model;
static struct gw_gateway *gateway;

static void begin(const char *yaml, uint32_t events, bool holds)
{
    struct gw_diags diags = {0};
    struct mg_err err = {{0}, NULL};
    memset(consumers, 0, sizeof consumers);
    memset(shelves, 0, sizeof shelves);
    consumer_count = shelf_count = 0;
    atomic_store(&queue.next, 0);
    atomic_store(&queue.refused, 0);
    atomic_store(&queue.holds, holds);
    queue.events = events;
    arena = gw_arena_create();
    registry = gw_registry_create();
    gw_log_configure(GW_LOG_LOGFMT, MG_ERROR);
    gw_registry_add(registry, &shop, "(test)", &diags);
    const struct mg_node *root = gw_tree_parse(arena, "t.yaml", yaml, strlen(yaml), &diags);
    int error = root ? gw_model_load(arena, root, registry, &model, &diags) : -EINVAL;
    if (error)
        gw_diags_print(&diags, stderr);
    gw_diags_fini(&diags);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    CU_ASSERT_EQUAL_FATAL(gw_gateway_create(model, &gateway, &err), 0);
    CU_ASSERT_EQUAL_FATAL(gw_gateway_start(gateway, &err), 0);
}

static void finish(void)
{
    gw_gateway_destroy(gateway);
    gw_model_destroy(model);
    gw_registry_destroy(registry);
    gw_arena_destroy(arena);
}

static const json_t *route(const json_t *report, size_t i)
{
    return json_array_get(json_object_get(report, "routes"), i);
}

static uint64_t entry(const json_t *object, const char *name)
{
    return (uint64_t)json_integer_value(json_object_get(object, name));
}

/* Until the first route's ledger says so; false: not in time. */
static bool wait_for(const char *name, uint64_t value)
{
    int64_t until = gw_now_us(NULL) + WAIT_US;
    for (;;) {
        json_t *report = gw_gateway_report(gateway);
        uint64_t now = entry(route(report, 0), name);
        json_decref(report);
        if (now >= value)
            return true;
        if (gw_now_us(NULL) > until)
            return false;
        sched_yield();
    }
}

static void assert_balanced(void)
{
    json_t *report = gw_gateway_report(gateway);
    CU_ASSERT_TRUE(json_is_true(json_object_get(report, "balanced")));
    CU_ASSERT_EQUAL(entry(report, "late_settlements"), 0);
    CU_ASSERT_EQUAL(entry(route(report, 0), "in_flight"), 0);
    json_decref(report);
}

/* Every consumer heard of each event that it brought, once. */
static void assert_each_settled_once(uint32_t outcome)
{
    for (size_t i = 0; i < consumer_count; i++) {
        uint32_t wrong = 0;
        for (uint32_t k = 1; k <= consumers[i].taken; k++)
            wrong += consumers[i].settled[k] != 1;
        CU_ASSERT_EQUAL(wrong, 0);
        if (outcome)
            CU_ASSERT_EQUAL(consumers[i].outcomes[outcome], consumers[i].taken);
    }
}

static uint32_t all_taken(void)
{
    uint32_t sum = 0;
    for (size_t i = 0; i < consumer_count; i++)
        sum += consumers[i].taken;
    return sum;
}

/* ---- tests ---------------------------------------------------------------------------------- */

/* Five connections on shards 1, 2, 0, 1, 2; one sink on the first of them, one elsewhere. */
static const char five[] =
    "gateway: { shards: 3 }\n"
    "bridges:\n"
    "  a: { type: shop, shard: 1 }\n"
    "  z: { type: shop, shard: 2 }\n"
    "routes:\n"
    "  r:\n"
    "    from: { bridge: a, address: q, consumers: 5 }\n"
    "    to: [ { bridge: a, address: near }, { bridge: z, address: far } ]\n"
    "    delivery: { window: 152 }\n"
    "  other: { from: { bridge: a, address: p }, to: { bridge: z, address: p } }\n";

static void assert_connections(const json_t *report)
{
    const json_t *bridge = json_array_get(json_object_get(report, "bridges"), 0);
    const json_t *list = json_object_get(bridge, "connections");
    uint64_t received = 0;
    CU_ASSERT_EQUAL_FATAL(json_array_size(list), 5);
    for (size_t i = 0; i < 5; i++) {
        const json_t *one = json_array_get(list, i);
        CU_ASSERT_EQUAL(entry(one, "index"), i);
        CU_ASSERT_EQUAL(entry(one, "shard"), (1 + i) % 3);
        CU_ASSERT_EQUAL(entry(one, "received"), consumers[i].taken);
        received += entry(one, "received");
    }
    CU_ASSERT_EQUAL(received, EVENTS_MAX);
    CU_ASSERT_EQUAL(entry(bridge, "received"), EVENTS_MAX);
    bridge = json_array_get(json_object_get(report, "bridges"), 1);
    CU_ASSERT_EQUAL(json_array_size(json_object_get(bridge, "connections")), 1);
}

static void each_event_comes_once_and_in_its_consumer_s_order(void)
{
    begin(five, EVENTS_MAX, false);
    CU_ASSERT_TRUE(wait_for("delivered", EVENTS_MAX));
    CU_ASSERT_EQUAL(gw_gateway_drain(gateway, 5000), 0);
    json_t *report = gw_gateway_report(gateway);
    assert_balanced();
    CU_ASSERT_EQUAL(entry(route(report, 0), "received"), EVENTS_MAX);
    CU_ASSERT_EQUAL(entry(route(report, 0), "delivered"), EVENTS_MAX);
    CU_ASSERT_EQUAL(gw_gateway_stop(gateway), 0);
    assert_connections(report);
    json_decref(report);
    CU_ASSERT_EQUAL(atomic_load(&queue.refused), 0);
    CU_ASSERT_EQUAL(consumer_count, 6);
    assert_each_settled_once(MG_ACCEPTED);
    for (size_t s = 0; s < 2; s++) {
        uint32_t not_once = 0;
        for (uint32_t i = 0; i < EVENTS_MAX; i++)
            not_once += shelves[s].came[i] != 1;
        CU_ASSERT_EQUAL(not_once, 0);
        CU_ASSERT_EQUAL(shelves[s].disorder, 0);
        CU_ASSERT_EQUAL(shelves[s].sends, EVENTS_MAX);
    }
    finish();
}

/* 152 = 31 + 31 + 30 + 30 + 30; the first connection has the other source and all sinks. */
static void consumers_share_one_window_and_nothing_else_is_doubled(void)
{
    begin(five, 0, false);
    CU_ASSERT_TRUE(wait_for("received", 0));
    CU_ASSERT_EQUAL(gw_gateway_drain(gateway, 5000), 0);
    CU_ASSERT_EQUAL(gw_gateway_stop(gateway), 0);
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_EQUAL(consumers[i].number, i);
        CU_ASSERT_EQUAL(consumers[i].first_credit, i < 2 ? 31 : 30);
        CU_ASSERT_EQUAL(consumers[i].source_count, i ? 1 : 2);
        CU_ASSERT_EQUAL(consumers[i].shelf_count, i ? 0 : 1);
    }
    finish();
}

static void a_small_window_leaves_one_for_each_consumer(void)
{
    begin("bridges: { a: { type: shop } }\n"
          "routes:\n"
          "  r:\n"
          "    from: { bridge: a, address: q, consumers: 3 }\n"
          "    to: { bridge: a, address: near }\n"
          "    delivery: { window: 2 }\n",
          100, false);
    CU_ASSERT_TRUE(wait_for("delivered", 100));
    CU_ASSERT_EQUAL(gw_gateway_drain(gateway, 5000), 0);
    assert_balanced();
    CU_ASSERT_EQUAL(gw_gateway_stop(gateway), 0);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(consumers[i].first_credit, 1);
    assert_each_settled_once(MG_ACCEPTED);
    finish();
}

static void what_is_in_hand_at_a_stop_goes_back_to_its_consumer(void)
{
    begin(five, EVENTS_MAX, true);
    CU_ASSERT_TRUE(wait_for("in_flight", 152));
    CU_ASSERT_EQUAL(gw_gateway_drain(gateway, 20), 152);
    assert_balanced();
    CU_ASSERT_EQUAL(gw_gateway_stop(gateway), 0);
    assert_balanced();
    CU_ASSERT_EQUAL(all_taken(), 152);
    assert_each_settled_once(MG_RELEASED);
    finish();
}

static void a_drain_in_full_flow_loses_nothing(void)
{
    begin(five, EVENTS_MAX, false);
    CU_ASSERT_TRUE(wait_for("delivered", 500));
    CU_ASSERT_EQUAL(gw_gateway_drain(gateway, 30000), 0);
    assert_balanced();
    CU_ASSERT_EQUAL(gw_gateway_stop(gateway), 0);
    assert_each_settled_once(MG_ACCEPTED);
    for (size_t s = 0; s < 2; s++) {
        CU_ASSERT_EQUAL(shelves[s].sends, all_taken());
        CU_ASSERT_EQUAL(shelves[s].disorder, 0);
    }
    finish();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(each_event_comes_once_and_in_its_consumer_s_order)},
        {KIT_TEST(consumers_share_one_window_and_nothing_else_is_doubled)},
        {KIT_TEST(a_small_window_leaves_one_for_each_consumer)},
        {KIT_TEST(what_is_in_hand_at_a_stop_goes_back_to_its_consumer)},
        {KIT_TEST(a_drain_in_full_flow_loses_nothing)},
        {NULL, NULL},
    };
    return kit_main("flow_consumers", tests);
}
