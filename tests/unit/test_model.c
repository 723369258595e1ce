/* SPDX-License-Identifier: Apache-2.0 */
/* The model: what a configuration becomes, and what is said about a wrong one. */
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
    const struct mg_node *root = gw_tree_parse(arena, "c.yaml", text, strlen(text), &diags);
    return root ? gw_model_load(arena, root, registry, &model, &diags) : -1;
}

/* Is there a diagnosis at that place that has both texts in it? */
static bool says(enum gw_diag_level level, uint32_t line, uint32_t column, const char *part)
{
    for (size_t i = 0; i < diags.count; i++) {
        const struct gw_diag *d = &diags.items[i];
        if (d->level == level && d->line == line && d->column == column && strstr(d->text, part))
            return true;
    }
    fprintf(stderr, "missing at %u:%u: %s; there is:\n", line, column, part);
    gw_diags_print(&diags, stderr);
    return false;
}

static bool refuses(const char *text, uint32_t line, uint32_t column, const char *part)
{
    return load(text) && says(GW_DIAG_ERROR, line, column, part) && diags.errors == 1;
}

/* No error, and this many warnings and notes. */
static bool loads(const char *text, size_t others)
{
    bool right = !load(text) && diags.count == others;
    if (!right)
        gw_diags_print(&diags, stderr);
    return right;
}

#define PEERS                                                                                      \
    "bridges:\n"                                                                                   \
    "  q: { type: quick, url: 'mqtt://h' }\n"                                                      \
    "  l: { type: late }\n"                                                                        \
    "  b: { type: bus }\n"                                                                         \
    "  n: { type: bus, no_local: true }\n"                                                         \
    "  o: { type: out }\n"                                                                         \
    "routes:\n" /* line 8 is the first of a route */

/* Uses every bridge, so that no warning disturbs. */
#define USED                                                                                       \
    "  used: { from: { bridge: n, topic: used/n }, to: [ { bridge: o, topic: x }, { bridge: q, "   \
    "topic: x },\n"                                                                                \
    "    { bridge: l, topic: /x }, { bridge: b, topic: x } ],\n"                                   \
    "    delivery: { guarantee: best-effort } }\n"

static void binds_the_whole_of_a_configuration(void)
{
    static const char text[] =
        "gateway: { name: g1, shards: 2, log: { format: json, level: debug }, modules: m, report: "
        "5s }\n"
        "bridges:\n"
        "  in: { type: late, shard: 1, password: x, user: 5 }\n"
        "  out: { type: quick, url: \"mqtt://h\", client_id: c }\n"
        "routes:\n"
        "  r-1:\n"
        "    from: { bridge: in, address: /queue/a, match: \"plant/{line}/{rest...}\" }\n"
        "    steps:\n"
        "      - filter: { type: changed }\n"
        "      - filter: { type: changed, key: \"{line}\" }\n"
        "      - translate: { type: map, fields: { a: b } }\n"
        "    to:\n"
        "      - { bridge: out, topic: \"x/{line}\", qos: 2, properties: { from: \"{route.name}\", "
        "n: 1 } }\n"
        "    delivery: { window: 7, ttl: 1m, retry: { max_attempts: 3 } }\n";
    CU_ASSERT_TRUE_FATAL(loads(text, 0));
    CU_ASSERT_STRING_EQUAL(model->gateway.name, "g1");
    CU_ASSERT_EQUAL(model->gateway.shards, 2);
    CU_ASSERT_EQUAL(model->gateway.log_format, 1);
    CU_ASSERT_EQUAL(model->gateway.log_level, MG_DEBUG);
    CU_ASSERT_EQUAL(model->gateway.report_every_ms, 5000);
    CU_ASSERT_EQUAL(model->gateway.drain_timeout_ms, 10000);
    CU_ASSERT_EQUAL(model->gateway.modules.count, 1);
    CU_ASSERT_EQUAL(model->bridge_count, 2);
    CU_ASSERT_EQUAL(model->bridges[0].shard, 1);
    CU_ASSERT_EQUAL(model->bridges[1].shard, -1);
    CU_ASSERT_EQUAL_FATAL(model->route_count, 1);
    const struct gw_route_config *r = &model->routes[0];
    CU_ASSERT_STRING_EQUAL(r->name, "r-1");
    CU_ASSERT_EQUAL(r->source_count, 1);
    CU_ASSERT_STRING_EQUAL(r->sources[0].address, "/queue/a");
    CU_ASSERT_STRING_EQUAL(r->sources[0].match->filter, "plant/+/#");
    CU_ASSERT_EQUAL_FATAL(r->step_count, 3);
    CU_ASSERT_STRING_EQUAL(r->steps[0].name, "filter:changed");
    CU_ASSERT_STRING_EQUAL(r->steps[1].name, "filter:changed#2");
    CU_ASSERT_STRING_EQUAL(r->steps[2].name, "translate:map");
    CU_ASSERT_EQUAL_FATAL(r->sink_count, 1);
    CU_ASSERT_EQUAL(r->sinks[0].bridge, 1);
    CU_ASSERT_STRING_EQUAL(gw_template_text(r->sinks[0].address), "x/{line}");
    CU_ASSERT_EQUAL(r->sinks[0].properties.count, 2);
    CU_ASSERT_EQUAL(r->delivery.guarantee, GW_DIRECT);
    CU_ASSERT_EQUAL(r->delivery.window, 7);
    CU_ASSERT_EQUAL(r->delivery.ttl_ms, 60000);
    CU_ASSERT_EQUAL(r->delivery.max_attempts, 3);
    CU_ASSERT_EQUAL(r->delivery.retry_first_ms, 100);
    CU_ASSERT_EQUAL(r->delivery.retry_most_ms, 30000);
}

static void a_topic_filter_is_its_own_pattern(void)
{
    CU_ASSERT_TRUE_FATAL(loads("bridges: { b: { type: bus } }\n"
                               "routes: { r: { from: { bridge: b, topic: \"$share/g/a/{x}/#\" },\n"
                               "               to: { bridge: b, topic: \"z/{x}\" } } }\n",
                               0));
    CU_ASSERT_STRING_EQUAL(model->routes[0].sources[0].address, "$share/g/a/+/#");
    CU_ASSERT_STRING_EQUAL(model->routes[0].sources[0].match->text, "a/{x}/#");
}

static void a_missing_name_is_the_host_s(void)
{
    CU_ASSERT_TRUE_FATAL(
        loads("bridges: { b: { type: bus } }\n"
              "routes: { r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: z } } }\n",
              0));
    CU_ASSERT_PTR_NOT_NULL_FATAL(model->gateway.name);
    CU_ASSERT_TRUE(strlen(model->gateway.name) > 0);
}

static void all_errors_come_at_once(void)
{
    CU_ASSERT_NOT_EQUAL(
        load("gatway: { name: x }\n"
             "gateway: { shards: 0, nmae: x }\n"
             "bridges:\n"
             "  a b: { type: quick, url: 'mqtt://h' }\n"
             "  c: { type: quik }\n"
             "  d: { type: quick, keepalive: 1s }\n"
             "  e: [ 1 ]\n"
             "  f: { type: changed }\n"
             "  g: { url: 'x://y' }\n"
             "routes:\n"
             "  r: { from: { bridge: cc, topic: a }, to: { bridge: zzzzz, topic: a, qos: 3 } }\n"
             "  s: { form: { bridge: c, topic: a }, steps: [ { filtr: { type: x } } ] }\n"),
        0);
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 1, 1, "unknown key \"gatway\"; did you mean \"gateway\"?"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 2, 20, "shards: \"0\" is out of bounds: 1 to 64"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 2, 23, "unknown key \"nmae\"; did you mean \"name\"?"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 4, 3, "\"a b\" is no name for a bridge"));
    CU_ASSERT_TRUE(
        says(GW_DIAG_ERROR, 5, 14, "there is no bridge module \"quik\"; did you mean \"quick\"?"));
    CU_ASSERT_TRUE(
        says(GW_DIAG_ERROR, 6, 21, "unknown key \"keepalive\"; did you mean \"keep_alive\"?"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 6, 3, "url is missing"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 7, 3, "a bridge is a map"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 8, 14, "changed is no bridge, but a filter"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 9, 3, "type is missing"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 11, 24, "there is no bridge \"cc\"; there are: a b, c"));
    CU_ASSERT_TRUE(
        says(GW_DIAG_ERROR, 11, 54, "there is no bridge \"zzzzz\"; there are: a b, c, d"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 12, 8, "unknown key \"form\"; did you mean \"from\"?"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 12, 3, "to is missing"));
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 12, 50, "\"filtr\" is no kind of step"));
}

static void names_the_capture_that_a_source_lacks(void)
{
    CU_ASSERT_TRUE(refuses(
        PEERS "  r: { from: { bridge: b, topic: \"a/{line}\" }, to: { bridge: b, topic: "
              "\"z/{lime}\" } }\n",
        8, 75,
        "{lime}: the source in line 8, \"a/{line}\", does not capture it; did you mean {line}?"));
    CU_ASSERT_TRUE(refuses(PEERS "  r:\n    from:\n      - { bridge: b, topic: \"a/{x}\" }\n"
                                 "      - { bridge: b, topic: \"b/{y}\" }\n"
                                 "    to: { bridge: b, topic: z, properties: { p: \"{x}\" } }\n",
                           12, 50, "{x}: the source in line 11"));
    CU_ASSERT_TRUE(refuses(
        PEERS "  r: { from: { bridge: l, address: /q }, to: { bridge: b, topic: \"z/{x}\" } }\n", 8,
        69, "captures nothing: give it a match: pattern with {x}"));
    CU_ASSERT_TRUE(refuses(
        PEERS "  r: { from: { bridge: l, address: \"/q/{x}\" }, to: { bridge: b, topic: z } }\n", 8,
        36, "nothing is captured in them"));
    CU_ASSERT_TRUE(refuses(
        PEERS "  r: { from: { bridge: b, topic: \"a/x{x}\" }, to: { bridge: b, topic: z } }\n", 8,
        34, "a capture must fill its level"));
    CU_ASSERT_TRUE(refuses(
        PEERS
        "  r: { from: { bridge: b, topic: a }, steps: [ enrich: { type: lookup, key: \"{x}\" } ],"
        " to: { bridge: b, topic: z } }\n",
        8, 78, "{x}: the source in line 8"));
}

static void a_broken_end_hides_nothing_and_adds_nothing(void)
{
    /* The bridge is unknown; what its topic captures is not. */
    CU_ASSERT_NOT_EQUAL(load(PEERS "  r: { from: { bridge: zzz, topic: \"a/{line}\" },\n"
                                   "       to: { bridge: b, topic: \"z/{lime}/{line}\" } }\n"),
                        0);
    CU_ASSERT_EQUAL(diags.errors, 2);
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 9, 35, "{lime}: the source in line 8"));
    /* A match that does not compile is one error, not one for each capture. */
    CU_ASSERT_TRUE(refuses(PEERS "  r: { from: { bridge: l, topic: /q, match: \"a/{x\" },\n"
                                 "       to: { bridge: b, topic: \"z/{x}\" } }\n",
                           8, 45, "match: a capture must fill its level"));
}

static void refuses_direct_where_it_cannot_be_kept(void)
{
    CU_ASSERT_TRUE(refuses(
        PEERS "  r: { from: { bridge: q, topic: a }, to: { bridge: b, topic: z } }\n", 8, 14,
        "guarantee: direct (the default) needs a source that is acknowledged only after"));
    CU_ASSERT_TRUE(refuses(PEERS
                           "  r: { from: { bridge: b, topic: a }, to: { bridge: o, topic: z },\n"
                           "       delivery: { guarantee: direct } }\n",
                           8, 43, "guarantee: direct needs sinks that confirm; bridge o (out)"));
    CU_ASSERT_TRUE(refuses(
        PEERS "  r: { from: { bridge: b, topic: a }, to: { bridge: q, topic: z, qos: 0 } }\n", 8,
        43, "needs sinks that confirm"));
    CU_ASSERT_TRUE(loads(PEERS USED
                         "  r: { from: { bridge: q, topic: a }, to: { bridge: o, topic: z },"
                         " delivery: { guarantee: best-effort } }\n",
                         0));
}

static void a_module_s_refusal_lands_on_its_key(void)
{
    CU_ASSERT_TRUE(
        refuses("bridges:\n  l: { type: late, sasl: plain }\n"
                "routes: { r: { from: { bridge: l, topic: /a }, to: { bridge: l, topic: /b } } }\n",
                2, 20, "bridge l (late): sasl: plain needs a user and a password"));
    CU_ASSERT_TRUE(refuses(PEERS
                           "  r: { from: { bridge: l, topic: a }, to: { bridge: b, topic: z } }\n",
                           8, 27, "route r, from: topic: an address begins with /: a"));
    CU_ASSERT_TRUE(
        refuses(PEERS "  r: { from: { bridge: b, topic: a }, to: { bridge: q, address: a//b } }\n",
                8, 56, "address: an empty level: a//b"));
    CU_ASSERT_TRUE(refuses(PEERS
                           "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: z },\n"
                           "       steps: [ translate: { type: map, fields: [ 1 ] } ] }\n",
                           9, 41, "fields: must be: a map"));
    CU_ASSERT_TRUE(refuses(PEERS
                           "  r: { from: { bridge: o, topic: a }, to: { bridge: b, topic: z } }\n",
                           8, 24, "bridge o (out) cannot be a source"));
    CU_ASSERT_TRUE(refuses(PEERS
                           "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: z },\n"
                           "       steps: [ filter: { type: lookup } ] }\n",
                           9, 33, "lookup is a module for enrich:, not for filter:"));
}

static void never_shows_what_a_secret_stands_for(void)
{
    static const char *const texts[] = {
        "bridges:\n  l: { type: late, password: \"${env:MESHGATE_TEST}\" }\n",
        "bridges:\n  l: { type: late, url: \"${env:MESHGATE_TEST}\" }\n",
        "bridges:\n  l: { type: late, ratio: \"${env:MESHGATE_TEST}\" }\n",
        "bridges:\n  l: { type: late, frame: \"x${env:MESHGATE_TEST}\" }\n",
        "bridges:\n  l: { type: late, sasl: \"${env:MESHGATE_TEST}\" }\n",
        "bridges:\n  l: { type: \"${env:MESHGATE_TEST}\" }\n",
        "bridges:\n  l: { type: late, password: [ hunter2 ], user: { hunter2: 1 } }\n",
        PEERS "  r: { from: { bridge: \"${env:MESHGATE_TEST}\", topic: a }, to: { bridge: b, "
              "topic: a } }\n",
        PEERS "  r: { from: { bridge: l, topic: \"${env:MESHGATE_TEST}\" }, to: { bridge: b, "
              "topic: a } }\n",
        PEERS "  r: { from: { bridge: l, topic: /a, match: \"x${env:MESHGATE_TEST}{\" }, to: { "
              "bridge: b, topic: a } }\n",
        PEERS "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: "
              "\"{${env:MESHGATE_TEST}}\" } }\n",
    };
    setenv("MESHGATE_TEST", "hunter2", 1);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        CU_ASSERT_NOT_EQUAL(load(texts[i]), 0);
        CU_ASSERT_TRUE(diags.errors > 0);
        for (size_t k = 0; k < diags.count; k++) {
            if (strstr(diags.items[k].text, "hunter2"))
                fprintf(stderr, "%zu: %s\n", i, diags.items[k].text);
            CU_ASSERT_PTR_NULL(strstr(diags.items[k].text, "hunter2"));
        }
    }
    CU_ASSERT_NOT_EQUAL(load("bridges:\n  l: { type: late, password: hunter2 }\nroutes: {}\n"), 0);
    CU_ASSERT_TRUE(says(GW_DIAG_ERROR, 2, 20, "password: without a user"));
    CU_ASSERT_PTR_NULL(strstr(diags.items[0].text, "hunter2"));
}

static void finds_loops_over_several_routes(void)
{
    CU_ASSERT_TRUE(refuses(
        PEERS "  r: { from: { bridge: b, topic: \"a/#\" }, to: { bridge: b, topic: a/x } }\n", 8, 3,
        "route r receives again what it sends, an endless loop"));
    CU_ASSERT_TRUE(refuses(
        PEERS "  r1: { from: { bridge: b, topic: \"a/#\" }, to: { bridge: l, address: /q } }\n"
              "  r2: { from: { bridge: l, address: /q, match: \"{all...}\" },"
              " to: { bridge: b, topic: \"a/{all}\" } }\n",
        8, 3, "routes r1 -> r2 -> r1: each receives what the one before it sends"));
    CU_ASSERT_TRUE(refuses(
        "bridges:\n  x: { type: quick, url: 'mqtt://h' }\n  y: { type: quick, url: 'mqtt://h' }\n"
        "routes:\n"
        "  r: { from: { bridge: x, topic: a }, to: { bridge: y, topic: a },"
        " delivery: { guarantee: best-effort } }\n",
        5, 3, "an endless loop"));
}

static void warns_of_drops_that_direct_never_makes(void)
{
    CU_ASSERT_TRUE(loads(PEERS USED
                         "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: z },\n"
                         "       delivery: { overflow: drop-oldest } }\n",
                         1));
    CU_ASSERT_TRUE(
        says(GW_DIAG_WARNING, 12, 30, "overflow: drop-oldest has no effect under direct"));
    CU_ASSERT_TRUE(loads(PEERS USED
                         "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: z },\n"
                         "       delivery: { overflow: drop-oldest, guarantee: best-effort } }\n",
                         0));
}

static void no_loop_where_none_is(void)
{
    /* no_local keeps a connection from hearing itself. */
    CU_ASSERT_TRUE(loads(
        PEERS USED "  r: { from: { bridge: n, topic: \"a/#\" }, to: { bridge: n, topic: a/x } }\n",
        0));
    /* Addresses that do not overlap. */
    CU_ASSERT_TRUE(loads(
        PEERS USED
        "  r: { from: { bridge: b, topic: \"a/{x}\" }, to: { bridge: b, topic: \"b/{x}\" } }\n",
        0));
    /* A chain is not a loop. */
    CU_ASSERT_TRUE(loads(PEERS USED
                         "  r1: { from: { bridge: b, topic: a }, to: { bridge: b, topic: b } }\n"
                         "  r2: { from: { bridge: b, topic: b }, to: { bridge: b, topic: c } }\n",
                         0));
    /* Somebody knows better. */
    CU_ASSERT_TRUE(
        loads(PEERS USED
              "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: a }, loops: allow }\n",
              0));
}

static void warns_where_one_dead_sink_holds_others(void)
{
    CU_ASSERT_TRUE(loads(PEERS USED
                         "  r: { from: { bridge: l, address: /q }, to: { bridge: b, topic: y } }\n"
                         "  s: { from: { bridge: l, address: /q }, to: { bridge: b, topic: z } }\n",
                         1));
    CU_ASSERT_TRUE(says(GW_DIAG_WARNING, 11, 14, "routes r, s share events of bridge l"));
    CU_ASSERT_TRUE(loads(PEERS USED
                         "  r: { from: { bridge: b, topic: a/b }, to: { bridge: b, topic: y } }\n"
                         "  s: { from: { bridge: b, topic: a/+ }, to: { bridge: b, topic: z } }\n",
                         1));
    CU_ASSERT_TRUE(says(GW_DIAG_WARNING, 11, 14, "routes r, s share events of bridge b"));
    CU_ASSERT_TRUE(loads(PEERS USED
                         "  r: { from: { bridge: b, topic: a },"
                         " to: [ { bridge: b, topic: y }, { bridge: l, topic: /z } ] }\n",
                         1));
    CU_ASSERT_TRUE(says(GW_DIAG_WARNING, 11, 14, "one dead sink of its 2"));
    CU_ASSERT_TRUE(loads(PEERS USED
                         "  r: { from: { bridge: b, topic: a }, delivery: { require: any },"
                         " to: [ { bridge: b, topic: y }, { bridge: l, topic: /z } ] }\n",
                         0));
}

static void warns_of_an_unused_bridge_and_notes_a_collision(void)
{
    CU_ASSERT_TRUE(loads("bridges:\n  b: { type: bus }\n  c: { type: bus }\n"
                         "routes:\n"
                         "  r: { from: { bridge: b, topic: a }, to: { bridge: b, topic: z } }\n"
                         "  s: { from: { bridge: b, topic: b }, to: { bridge: b, topic: z } }\n",
                         2));
    CU_ASSERT_TRUE(says(GW_DIAG_WARNING, 3, 3, "bridge c is used by no route"));
    CU_ASSERT_TRUE(says(GW_DIAG_NOTE, 6, 43, "routes r and s both send to \"z\" of bridge b"));
}

static void reports_what_a_leg_cannot_carry(void)
{
    CU_ASSERT_TRUE_FATAL(loads(
        "bridges:\n  q: { type: quick, url: 'mqtt://h' }\n  l: { type: late }\n  b: { type: bus }\n"
        "routes:\n"
        "  r: { from: { bridge: q, topic: a }, delivery: { guarantee: best-effort },\n"
        "       to: [ { bridge: l, topic: /z }, { bridge: b, topic: z } ] }\n"
        "  s: { from: { bridge: b, topic: y }, to: { bridge: q, topic: q } }\n",
        0));
    gw_model_report_fidelity(model, &diags);
    CU_ASSERT_EQUAL(diags.count, 2);
    CU_ASSERT_TRUE(says(GW_DIAG_NOTE, 7, 14,
                        "route r, from bridge q to bridge l: not carried: the retain flag"));
    CU_ASSERT_TRUE(
        says(GW_DIAG_NOTE, 7, 40,
             "from bridge q to bridge b: not carried: properties, the expiry, the retain flag"));
}

static void reads_a_source_with_several_consumers(void)
{
    CU_ASSERT_TRUE_FATAL(loads("gateway: { shards: 2 }\n" PEERS USED "  r:\n"
                               "    from:\n"
                               "      - { bridge: l, address: /queue/a, consumers: 3 }\n"
                               "      - { bridge: l, address: /queue/b }\n"
                               "    to: { bridge: b, topic: z }\n",
                               1));
    CU_ASSERT_EQUAL(model->routes[1].sources[0].consumers, 3);
    CU_ASSERT_EQUAL(model->routes[1].sources[1].consumers, 1);
    CU_ASSERT_TRUE(says(GW_DIAG_WARNING, 14, 41,
                        "route r: the peer shares the events of \"/queue/a\" out among 3 "
                        "connections, and order is kept within each"));
}

static void consumers_need_a_peer_that_shares_out(void)
{
    CU_ASSERT_TRUE(refuses(PEERS "  r:\n"
                                 "    from: { bridge: q, topic: a/+, consumers: 2 }\n"
                                 "    to: { bridge: o, topic: z }\n"
                                 "    delivery: { guarantee: best-effort }\n",
                           9, 36, "write $share/NAME/ in front of the topic"));
    CU_ASSERT_TRUE(refuses(PEERS "  r:\n"
                                 "    from: { bridge: l, address: /topic/a, consumers: 2 }\n"
                                 "    to: { bridge: b, topic: z }\n",
                           9, 43, "each of the 2 connections would get every event; read a queue"));
    for (size_t i = 0; i < 2; i++) {
        char text[600];
        snprintf(text, sizeof text,
                 PEERS "  r:\n"
                       "    from: { bridge: l, address: /queue/a, consumers: %s }\n"
                       "    to: { bridge: b, topic: z }\n",
                 i ? "65" : "0");
        CU_ASSERT_TRUE(refuses(text, 9, 54, "consumers: "));
    }
}

static void routes_of_one_subscription_have_as_many_consumers(void)
{
    static const char text[] = PEERS "  r:\n"
                                     "    from: { bridge: q, topic: $share/g/a, consumers: 2 }\n"
                                     "    to: { bridge: o, topic: z }\n"
                                     "    delivery: { guarantee: best-effort }\n"
                                     "  s:\n"
                                     "    from: { bridge: q, topic: $share/g/a%s }\n"
                                     "    to: { bridge: o, topic: z }\n"
                                     "    delivery: { guarantee: best-effort }\n";
    char yaml[sizeof text + 32];
    snprintf(yaml, sizeof yaml, text, "");
    CU_ASSERT_TRUE(refuses(yaml, 13, 11, "with 2 and 1 consumers"));
    snprintf(yaml, sizeof yaml, text, ", consumers: 2");
    CU_ASSERT_EQUAL(load(yaml), 0);
    snprintf(yaml, sizeof yaml, text, "b"); /* another subscription */
    CU_ASSERT_EQUAL(load(yaml), 0);
}

/* What the first connection sends, the others of the bridge hear. */
static void consumers_hear_what_their_bridge_sends(void)
{
    static const char text[] = PEERS "  r:\n"
                                     "    from: { bridge: n, topic: $share/g/a%s }\n"
                                     "    to: { bridge: n, topic: a }\n";
    char yaml[sizeof text + 32];
    snprintf(yaml, sizeof yaml, text, "");
    CU_ASSERT_EQUAL(load(yaml), 0);
    snprintf(yaml, sizeof yaml, text, ", consumers: 2");
    CU_ASSERT_TRUE(refuses(yaml, 8, 3, "route r receives again what it sends"));
}

static void warns_of_filters_that_remember_on_each_shard(void)
{
    static const char text[] = "gateway: { shards: %d }\n" PEERS "  r:\n"
                               "    from: { bridge: l, address: /queue/a, consumers: 2 }\n"
                               "    steps: [ { filter: { type: changed } } ]\n"
                               "    to: { bridge: b, topic: z }\n";
    char yaml[sizeof text + 32];
    snprintf(yaml, sizeof yaml, text, 2);
    CU_ASSERT_EQUAL(load(yaml), 0);
    CU_ASSERT_TRUE(says(GW_DIAG_WARNING, 10, 43, "filter:changed remembers on each shard"));
    snprintf(yaml, sizeof yaml, text, 1);
    CU_ASSERT_EQUAL(load(yaml), 0);
    CU_ASSERT_TRUE(says(GW_DIAG_NOTE, 10, 43, "one thread serves all 2 consumers"));
    for (size_t i = 0; i < diags.count; i++)
        CU_ASSERT_PTR_NULL(strstr(diags.items[i].text, "remembers"));
}

static void ten_thousand_routes_are_checked_in_time(void)
{
    enum { ROUTES = 10000 };
    char *text = malloc(ROUTES * 128 + 256), *at = text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    at += snprintf(at, 128, "bridges: { b: { type: bus } }\nroutes:\n");
    for (int i = 0; i < ROUTES; i++)
        at += snprintf(at, 128,
                       "  r%d: { from: { bridge: b, topic: \"in/%d/{x}\" }, to: { bridge: b, "
                       "topic: \"out/%d/{x}\" } }\n",
                       i, i, i);
    CU_ASSERT_TRUE_FATAL(loads(text, 0));
    CU_ASSERT_EQUAL(model->route_count, ROUTES);
    free(text);
}

static void a_great_overlap_ends(void)
{
    enum { ROUTES = 2000 };
    char *text = malloc(ROUTES * 128 + 256), *at = text;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    at += snprintf(at, 128, "bridges: { b: { type: bus } }\nroutes:\n");
    for (int i = 0; i < ROUTES; i++)
        at += snprintf(
            at, 128,
            "  r%d: { from: { bridge: b, topic: \"#\" }, to: { bridge: b, topic: \"x/%d\" } }\n", i,
            i);
    CU_ASSERT_NOT_EQUAL(load(text), 0);
    CU_ASSERT_TRUE(diags.errors > 0);
    free(text);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"binds the whole of a configuration", binds_the_whole_of_a_configuration},
        {"a topic filter is its own pattern", a_topic_filter_is_its_own_pattern},
        {"a missing name is the host's", a_missing_name_is_the_host_s},
        {"all errors come at once", all_errors_come_at_once},
        {"names the capture that a source lacks", names_the_capture_that_a_source_lacks},
        {"a broken end hides nothing and adds nothing",
         a_broken_end_hides_nothing_and_adds_nothing},
        {"refuses direct where it cannot be kept", refuses_direct_where_it_cannot_be_kept},
        {"a module's refusal lands on its key", a_module_s_refusal_lands_on_its_key},
        {"never shows what a secret stands for", never_shows_what_a_secret_stands_for},
        {"finds loops over several routes", finds_loops_over_several_routes},
        {"warns of drops that direct never makes", warns_of_drops_that_direct_never_makes},
        {"no loop where none is", no_loop_where_none_is},
        {"warns where one dead sink holds others", warns_where_one_dead_sink_holds_others},
        {"warns of an unused bridge and notes a collision",
         warns_of_an_unused_bridge_and_notes_a_collision},
        {"reports what a leg cannot carry", reports_what_a_leg_cannot_carry},
        {KIT_TEST(reads_a_source_with_several_consumers)},
        {KIT_TEST(consumers_need_a_peer_that_shares_out)},
        {KIT_TEST(routes_of_one_subscription_have_as_many_consumers)},
        {KIT_TEST(consumers_hear_what_their_bridge_sends)},
        {KIT_TEST(warns_of_filters_that_remember_on_each_shard)},
        {"ten thousand routes are checked in time", ten_thousand_routes_are_checked_in_time},
        {"a great overlap ends", a_great_overlap_ends},
        {NULL, NULL},
    };
    registry = model_fakes_create();
    int status = registry ? kit_main("model", tests) : 1;
    gw_model_destroy(model);
    gw_arena_destroy(arena);
    gw_registry_destroy(registry);
    gw_diags_fini(&diags);
    return status;
}
