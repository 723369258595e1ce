/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of gateway.store and of stored routes: what they become, and what is said about wrong
 * ones. */
#include "../kit/unit.h"
#include "event/template.h"
#include "model_fakes.h"
#include "route/model.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct gw_arena *arena;
static struct gw_registry *registry;
static struct gw_diags diags;
static struct gw_model *model;

static int load(const char *text)
{
    gw_model_destroy(model);
    gw_arena_destroy(arena);
    gw_diags_fini(&diags);
    model = NULL;
    arena = gw_arena_create();
    const struct mg_node *root = gw_tree_parse(arena, "dir/c.yaml", text, strlen(text), &diags);
    return root ? gw_model_load(arena, root, registry, &model, &diags) : -1;
}

#define STORE "gateway: { store: data }\n"
#define PEERS                                                                                      \
    "bridges: { b: { type: bus }, q: { type: quick, url: 'mqtt://h' }, o: { type: out } }\n"
/* Uses every bridge, so that no warning disturbs. */
#define USED                                                                                       \
    "routes:\n  used: { from: { bridge: q, topic: used }, to: [ { bridge: o, topic: x }, "         \
    "{ bridge: b, topic: x } ], delivery: { guarantee: best-effort } }\n"

/* A stored route from b to b, with this in its delivery beside the guarantee (line 5). */
static int load_stored(const char *delivery)
{
    char text[4096];
    snprintf(
        text, sizeof text,
        STORE PEERS USED
        "  r: { from: { bridge: b, topic: 'a/{x}' }, to: { bridge: b, topic: z }, delivery: {\n"
        "    guarantee: stored, %s } }\n",
        delivery);
    return load(text);
}

/* Is the only diagnosis one of that level, in that line, with that text? */
static bool only(enum gw_diag_level level, uint32_t line, const char *part)
{
    bool right = diags.count == 1 && diags.items[0].level == level && diags.items[0].line == line &&
                 strstr(diags.items[0].text, part);
    if (!right) {
        fprintf(stderr, "expected in line %u alone: %s; there is:\n", line, part);
        gw_diags_print(&diags, stderr);
    }
    return right;
}

static bool nothing(void)
{
    if (diags.count)
        gw_diags_print(&diags, stderr);
    return !diags.count;
}

static const struct gw_delivery_settings *delivery(void)
{
    return &model->routes[1].delivery;
}

static void a_store_is_a_path_or_a_map(void)
{
    CU_ASSERT_EQUAL_FATAL(load(STORE PEERS USED), 0);
    CU_ASSERT_TRUE(nothing());
    const struct gw_store_settings *store = &model->gateway.store;
    CU_ASSERT_STRING_EQUAL(store->path, "dir/data");
    CU_ASSERT_EQUAL(store->sync, GW_SYNC_ALWAYS);
    CU_ASSERT_EQUAL(store->sync_every_ms, 200);
    CU_ASSERT_EQUAL(store->size_bytes, (int64_t)10 << 30);
    CU_ASSERT_EQUAL_FATAL(
        load("gateway: { store: { path: /d, sync: interval, sync_every: 1s, size: 16MiB } }\n" PEERS
                 USED),
        0);
    store = &model->gateway.store;
    CU_ASSERT_STRING_EQUAL(store->path, "/d");
    CU_ASSERT_EQUAL(store->sync, GW_SYNC_INTERVAL);
    CU_ASSERT_EQUAL(store->sync_every_ms, 1000);
    CU_ASSERT_EQUAL(store->size_bytes, 16 << 20);
    CU_ASSERT_EQUAL_FATAL(load("gateway: { store: { path: /d, sync: never } }\n" PEERS USED), 0);
    CU_ASSERT_EQUAL(model->gateway.store.sync, GW_SYNC_NEVER);
    CU_ASSERT_EQUAL_FATAL(load("gateway: { name: x }\n" PEERS USED), 0);
    CU_ASSERT_PTR_NULL(model->gateway.store.path);
    CU_ASSERT_NOT_EQUAL(load("gateway: { store: { sync: never } }\n" PEERS USED), 0);
    CU_ASSERT_TRUE(only(GW_DIAG_ERROR, 1, "gateway: path is missing"));
    CU_ASSERT_NOT_EQUAL(load("gateway: { store: { path: d, size: 1MiB } }\n" PEERS USED), 0);
    CU_ASSERT_TRUE(only(GW_DIAG_ERROR, 1, "\"1MiB\" is out of bounds: 16MiB to 64TiB"));
}

static void a_stored_route_has_its_defaults(void)
{
    CU_ASSERT_EQUAL_FATAL(load_stored(""), 0);
    CU_ASSERT_TRUE(nothing());
    const struct gw_delivery_settings *d = delivery();
    CU_ASSERT_EQUAL(d->guarantee, GW_STORED);
    CU_ASSERT_PTR_NULL(d->order_by);
    CU_ASSERT_EQUAL(d->on_error, GW_ON_ERROR_RETRY);
    CU_ASSERT_TRUE(d->dead_letter);
    CU_ASSERT_EQUAL(d->poison_after, 5);
    CU_ASSERT_EQUAL(d->breaker_after, 10);
    CU_ASSERT_EQUAL(d->backlog_bytes, 0);
    CU_ASSERT_EQUAL(d->backlog_count, 0);
    CU_ASSERT_EQUAL(d->backlog_age_ms, 0);
    CU_ASSERT_EQUAL(d->backlog_full, GW_FULL_BLOCK);
    CU_ASSERT_EQUAL(d->dedup_by, GW_DEDUP_OFF);
    CU_ASSERT_PTR_NULL(d->dedup_field);
    CU_ASSERT_EQUAL(d->dedup_window_ms, 600000);
    CU_ASSERT_EQUAL(d->dedup_count, 100000);
    CU_ASSERT_EQUAL(d->archive_keep_ms, 0);
    CU_ASSERT_EQUAL(d->archive_bytes, 0);
}

static void every_key_of_a_stored_route_is_read(void)
{
    CU_ASSERT_EQUAL_FATAL(
        load_stored("order_by: '{x}', on_error: pause, dead_letter: no, poison_after: 0,\n"
                    "breaker: { after: 3 }, archive: { keep: 7d, size: 1GiB },\n"
                    "backlog: { bytes: 1GiB, count: 7, age: 1d, when_full: latest-per-key },\n"
                    "dedup: { by: field, field: '{property.id}', window: 30d, count: 5 }"),
        0);
    CU_ASSERT_TRUE(nothing());
    const struct gw_delivery_settings *d = delivery();
    CU_ASSERT_STRING_EQUAL(gw_template_text(d->order_by), "{x}");
    CU_ASSERT_EQUAL(d->on_error, GW_ON_ERROR_PAUSE);
    CU_ASSERT_FALSE(d->dead_letter);
    CU_ASSERT_EQUAL(d->poison_after, 0);
    CU_ASSERT_EQUAL(d->breaker_after, 3);
    CU_ASSERT_EQUAL(d->backlog_bytes, 1 << 30);
    CU_ASSERT_EQUAL(d->backlog_count, 7);
    CU_ASSERT_EQUAL(d->backlog_age_ms, 86400000);
    CU_ASSERT_EQUAL(d->backlog_full, GW_FULL_LATEST_PER_KEY);
    CU_ASSERT_EQUAL(d->dedup_by, GW_DEDUP_FIELD);
    CU_ASSERT_STRING_EQUAL(gw_template_text(d->dedup_field), "{property.id}");
    CU_ASSERT_EQUAL(d->dedup_window_ms, (int64_t)30 * 86400000);
    CU_ASSERT_EQUAL(d->dedup_count, 5);
    CU_ASSERT_EQUAL(d->archive_keep_ms, (int64_t)7 * 86400000);
    CU_ASSERT_EQUAL(d->archive_bytes, 1 << 30);
}

static void short_forms_and_choices_mean_what_they_say(void)
{
    static const struct {
        const char *text;
        uint32_t value;
    } dedups[] = {{"off", GW_DEDUP_OFF},
                  {"auto", GW_DEDUP_AUTO},
                  {"cloudevent", GW_DEDUP_CLOUDEVENT},
                  {"message-id", GW_DEDUP_MESSAGE_ID},
                  {"hash", GW_DEDUP_HASH}},
      fulls[] = {{"block", GW_FULL_BLOCK},
                 {"drop-newest", GW_FULL_DROP_NEWEST},
                 {"drop-oldest", GW_FULL_DROP_OLDEST}};
    char text[200];
    for (size_t i = 0; i < sizeof dedups / sizeof dedups[0]; i++) {
        snprintf(text, sizeof text, "dedup: %s, breaker: 4, archive: 2h", dedups[i].text);
        CU_ASSERT_EQUAL_FATAL(load_stored(text), 0);
        CU_ASSERT_EQUAL(delivery()->dedup_by, dedups[i].value);
        CU_ASSERT_EQUAL(delivery()->dedup_count, 100000);
        CU_ASSERT_EQUAL(delivery()->breaker_after, 4);
        CU_ASSERT_EQUAL(delivery()->archive_keep_ms, 7200000);
    }
    for (size_t i = 0; i < sizeof fulls / sizeof fulls[0]; i++) {
        snprintf(text, sizeof text, "backlog: { count: 1, when_full: %s }", fulls[i].text);
        CU_ASSERT_EQUAL_FATAL(load_stored(text), 0);
        CU_ASSERT_EQUAL(delivery()->backlog_full, fulls[i].value);
    }
    CU_ASSERT_EQUAL_FATAL(load_stored("on_error: discard"), 0);
    CU_ASSERT_EQUAL(delivery()->on_error, GW_ON_ERROR_DISCARD);
}

static void stored_needs_a_store(void)
{
    static const char route[] =
        "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: z },\n"
        "       delivery: { guarantee: stored } }\n";
    char text[2048];
    snprintf(text, sizeof text, PEERS USED "%s", route);
    CU_ASSERT_NOT_EQUAL(load(text), 0);
    CU_ASSERT_TRUE(only(GW_DIAG_ERROR, 5, "guarantee: stored needs a store; write gateway: {"));
    /* Where gateway: is wrong, that is the error. */
    snprintf(text, sizeof text, "gateway: { stoer: x }\n" PEERS USED "%s", route);
    CU_ASSERT_NOT_EQUAL(load(text), 0);
    CU_ASSERT_TRUE(only(GW_DIAG_ERROR, 1, "did you mean \"store\"?"));
}

static void stored_needs_sinks_that_confirm_and_tells_of_sources_that_do_not_wait(void)
{
    CU_ASSERT_NOT_EQUAL(load(STORE PEERS USED
                             "  r: { from: { bridge: b, topic: a }, to: { bridge: o, topic: z },\n"
                             "       delivery: { guarantee: stored } }\n"),
                        0);
    CU_ASSERT_TRUE(
        only(GW_DIAG_ERROR, 5, "guarantee: stored needs sinks that confirm; bridge o (out)"));
    CU_ASSERT_EQUAL(load(STORE PEERS USED
                         "  r: { from: { bridge: q, topic: a }, to: { bridge: b, topic: z },\n"
                         "       delivery: { guarantee: stored } }\n"),
                    0);
    CU_ASSERT_TRUE(only(GW_DIAG_NOTE, 5, "is promised from the store on, not before"));
    /* The same source under direct is an error, and stored the cure. */
    CU_ASSERT_NOT_EQUAL(
        load(STORE PEERS USED
             "  r: { from: { bridge: q, topic: a }, to: { bridge: b, topic: z } }\n"),
        0);
    CU_ASSERT_TRUE(only(GW_DIAG_ERROR, 5, "Write delivery: { guarantee: stored }, or best-effort"));
}

static void more_sinks_than_a_record_has_room_for_are_refused(void)
{
    char text[16384];
    for (int sinks = GW_RECORD_SINKS_MAX; sinks <= GW_RECORD_SINKS_MAX + 1; sinks++) {
        int used = snprintf(text, sizeof text,
                            STORE PEERS USED "  r: { from: { bridge: b, topic: a }, to: [\n");
        for (int i = 0; i < sinks; i++)
            used += snprintf(text + used, sizeof text - (size_t)used,
                             "{ bridge: b, topic: z/%d },\n", i);
        snprintf(text + used, sizeof text - (size_t)used, "], delivery: { guarantee: stored } }\n");
        CU_ASSERT_EQUAL(load(text) != 0, sinks > GW_RECORD_SINKS_MAX);
    }
    CU_ASSERT_TRUE(only(GW_DIAG_ERROR, 5, "a stored route has at most 64 sinks, and this one 65"));
}

static void templates_of_delivery_are_checked_against_the_captures(void)
{
    CU_ASSERT_NOT_EQUAL(load_stored("order_by: '{y}'"), 0);
    CU_ASSERT_TRUE(
        only(GW_DIAG_ERROR, 6, "{y}: the source in line 5, \"a/{x}\", does not capture"));
    CU_ASSERT_NOT_EQUAL(load_stored("dedup: { by: field, field: '{y}' }"), 0);
    CU_ASSERT_TRUE(only(GW_DIAG_ERROR, 6, "{y}: the source in line 5"));
    CU_ASSERT_NOT_EQUAL(load_stored("order_by: '{event.x}'"), 0);
    CU_ASSERT_TRUE(only(GW_DIAG_ERROR, 6, "order_by: {event.x} is not known"));
}

static void keys_that_need_each_other_are_missed(void)
{
    static const struct {
        const char *delivery;
        enum gw_diag_level level;
        const char *part;
    } cases[] = {
        {"dedup: { by: auto, field: '{x}' }", GW_DIAG_ERROR,
         "field is for by: field, and by is auto"},
        {"dedup: { field: '{x}' }", GW_DIAG_ERROR, "by is off (the default) here; write by: field"},
        {"dedup: field", GW_DIAG_ERROR, "by: field needs the field"},
        {"dedup: { by: field, field: id }", GW_DIAG_ERROR, "field has no {field} in it"},
        {"dedup: { window: 1h }", GW_DIAG_WARNING, "without by: nothing is looked at"},
        {"backlog: { count: 1, when_full: latest-per-key }", GW_DIAG_ERROR,
         "latest-per-key needs order_by"},
        {"backlog: { when_full: drop-oldest }", GW_DIAG_WARNING, "has no effect without a limit"},
        {"order_by: x", GW_DIAG_WARNING, "order_by has no {field} in it"},
        {"on_error: pause, dead_letter: yes", GW_DIAG_NOTE,
         "with on_error: pause, dead_letter is only for"},
        {"on_error: discard, dead_letter: yes", GW_DIAG_NOTE, "no effect with on_error: discard"},
        {"overflow: drop-oldest", GW_DIAG_WARNING,
         "overflow: drop-oldest has no effect under stored"},
        {"archive: 1x", GW_DIAG_ERROR, "archive: \"1x\" is not a duration"},
        {"breaker: -1", GW_DIAG_ERROR, "breaker: \"-1\" is out of bounds: 0 to 1000000"},
        {"backlog: { bytes: 1, age: -1 }", GW_DIAG_ERROR,
         "age: \"-1\" is a duration without its unit"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        CU_ASSERT_EQUAL(load_stored(cases[i].delivery) != 0, cases[i].level == GW_DIAG_ERROR);
        CU_ASSERT_TRUE(only(cases[i].level, 6, cases[i].part));
    }
    CU_ASSERT_EQUAL(load_stored("on_error: pause, dead_letter: no"), 0);
    CU_ASSERT_TRUE(nothing());
}

static void what_only_stored_has_is_told_elsewhere(void)
{
    static const char *const keys[] = {
        "order_by: '{x}'", "on_error: pause",       "dead_letter: no", "poison_after: 1",
        "breaker: 1",      "backlog: { count: 1 }", "dedup: auto",     "archive: 1d"};
    char text[2048], part[100];
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        snprintf(text, sizeof text,
                 PEERS USED "  r: { from: { bridge: b, topic: 'a/{x}' }, to: { bridge: b, topic: z"
                            " },\n       delivery: { %s } }\n",
                 keys[i]);
        snprintf(part, sizeof part, "%.*s has no effect under direct", (int)strcspn(keys[i], ":"),
                 keys[i]);
        CU_ASSERT_EQUAL(load(text), 0);
        CU_ASSERT_TRUE(only(GW_DIAG_WARNING, 5, part));
    }
}

static void an_identity_that_nobody_brings_is_told(void)
{
    /* The bus of these tests carries no message ids, and nothing that one could be in. */
    CU_ASSERT_EQUAL(load_stored("dedup: message-id"), 0);
    CU_ASSERT_TRUE(only(GW_DIAG_WARNING, 6, "events of bridge b (bus) have no message id here, "));
    CU_ASSERT_EQUAL(load_stored("dedup: { by: message-id }"), 0);
    CU_ASSERT_TRUE(only(GW_DIAG_WARNING, 6, "have no message id here"));
    CU_ASSERT_EQUAL(load_stored("dedup: auto"), 0);
    CU_ASSERT_TRUE(nothing());
    /* quick has properties. */
    CU_ASSERT_EQUAL(load(STORE PEERS USED
                         "  r: { from: { bridge: q, topic: a }, to: { bridge: b, topic: z },\n"
                         "       delivery: { guarantee: stored, dedup: message-id } }\n"),
                    0);
    CU_ASSERT_EQUAL_FATAL(diags.count, 2); /* the other: q does not wait */
    CU_ASSERT_PTR_NOT_NULL(strstr(diags.items[1].text, "unless another meshgate sent them"));
    CU_ASSERT_EQUAL(diags.items[1].level, GW_DIAG_NOTE);
}

static void stored_sinks_do_not_hold_each_other(void)
{
    static const char *const deliveries[] = {
        "guarantee: stored", "guarantee: stored, backlog: { count: 9 }",
        "guarantee: stored, require: any, backlog: { count: 9 }",
        "guarantee: stored, backlog: { count: 9, when_full: drop-oldest }"};
    char text[2048];
    for (size_t i = 0; i < sizeof deliveries / sizeof deliveries[0]; i++) {
        snprintf(text, sizeof text,
                 STORE PEERS USED "  r: { from: { bridge: b, topic: a }, to: [ { bridge: b, topic: "
                                  "y }, { bridge: q, topic: z } ],\n delivery: { %s } }\n",
                 deliveries[i]);
        CU_ASSERT_EQUAL(load(text), 0);
        if (i == 1)
            CU_ASSERT_TRUE(only(GW_DIAG_NOTE, 6, "until its backlog is full"));
        if (i != 1)
            CU_ASSERT_TRUE(nothing());
    }
    /* Under direct they do, and stored is named as the cure. */
    CU_ASSERT_EQUAL(load(STORE PEERS USED "  r: { from: { bridge: b, topic: a }, to: [ { bridge: b,"
                                          " topic: y }, { bridge: q, topic: z } ] }\n"),
                    0);
    CU_ASSERT_TRUE(only(GW_DIAG_WARNING, 5, "write guarantee: stored, which keeps for each sink"));
}

static void a_direct_route_holds_a_stored_one_of_its_source(void)
{
    static const char text[] = STORE PEERS USED
        "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: y }, delivery: { guarantee: "
        "%s } }\n"
        "  s: { from: { bridge: b, topic: a }, to: { bridge: b, topic: z }, delivery: { guarantee: "
        "%s } }\n";
    static const char *const names[] = {"stored", "direct", "best-effort"};
    char filled[2048];
    for (int i = 0; i < 9; i++) {
        const char *first = names[i / 3], *second = names[i % 3];
        snprintf(filled, sizeof filled, text, first, second);
        CU_ASSERT_EQUAL(load(filled), 0);
        bool held = (i / 3 == 1 || i % 3 == 1) && i / 3 != 2 && i % 3 != 2;
        if (held)
            CU_ASSERT_TRUE(only(GW_DIAG_WARNING, 5, "routes r, s share events of bridge b"));
        if (!held)
            CU_ASSERT_TRUE(nothing());
    }
}

static void order_by_does_not_reach_before_the_store(void)
{
    CU_ASSERT_EQUAL(
        load("gateway: { store: data, shards: 2 }\n" PEERS USED
             "  r: { from: { bridge: b, topic: '$share/g/a/{x}', consumers: 2 }, to: { bridge: b, "
             "topic: z },\n       delivery: { guarantee: stored, order_by: '{x}' } }\n"),
        0);
    CU_ASSERT_TRUE(only(GW_DIAG_WARNING, 5, "order_by keeps the order in which they were stored"));
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_store_is_a_path_or_a_map)},
        {KIT_TEST(a_stored_route_has_its_defaults)},
        {KIT_TEST(every_key_of_a_stored_route_is_read)},
        {KIT_TEST(short_forms_and_choices_mean_what_they_say)},
        {KIT_TEST(stored_needs_a_store)},
        {KIT_TEST(stored_needs_sinks_that_confirm_and_tells_of_sources_that_do_not_wait)},
        {KIT_TEST(more_sinks_than_a_record_has_room_for_are_refused)},
        {KIT_TEST(templates_of_delivery_are_checked_against_the_captures)},
        {KIT_TEST(keys_that_need_each_other_are_missed)},
        {KIT_TEST(what_only_stored_has_is_told_elsewhere)},
        {KIT_TEST(an_identity_that_nobody_brings_is_told)},
        {KIT_TEST(stored_sinks_do_not_hold_each_other)},
        {KIT_TEST(a_direct_route_holds_a_stored_one_of_its_source)},
        {KIT_TEST(order_by_does_not_reach_before_the_store)},
        {NULL, NULL},
    };
    registry = model_fakes_create();
    int status = registry ? kit_main("model stored", tests) : 1;
    gw_model_destroy(model);
    gw_arena_destroy(arena);
    gw_registry_destroy(registry);
    gw_diags_fini(&diags);
    return status;
}
