/* SPDX-License-Identifier: Apache-2.0 */
/* Modules that load and then misbehave, in a whole gateway: what they did is said, counted, and
 * harms nobody else. */
#include "base/diag.h"
#include "capture.h"
#include "config/tree.h"
#include "flow/flow.h"
#include "plugin/registry.h"
#include "route/model.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct gw_arena *arena;
static struct gw_registry *registry;
static struct gw_diags diags;
static struct gw_model *model;
static struct gw_gateway *gateway;

static void load_modules(const char *const *names)
{
    const char *folder = getenv("MODULE_TEST_FOLDER");
    char path[4096];
    for (; *names; names++) {
        snprintf(path, sizeof path, "%s/%s.so", folder ? folder : ".", *names);
        gw_registry_load_file(registry, path, &diags);
    }
}

static int create(const char *yaml, struct mg_err *err)
{
    static const char *const names[] = {"clock",           "create-half-way",
                                        "filter-rewrites", "nonsense-verdict",
                                        "settles-twice",   "size",
                                        "stop-hangs",      NULL};
    arena = gw_arena_create();
    registry = gw_registry_create();
    load_modules(names);
    const struct mg_node *root = gw_tree_parse(arena, "test.yaml", yaml, strlen(yaml), &diags);
    if (root)
        gw_model_load(arena, root, registry, &model, &diags);
    if (diags.errors)
        gw_diags_print(&diags, stderr);
    CU_ASSERT_EQUAL_FATAL(diags.errors, 0);
    return gw_gateway_create(model, &gateway, err);
}

static void start(const char *yaml)
{
    struct mg_err err = {0};
    CU_ASSERT_EQUAL_FATAL(create(yaml, &err), 0);
    CU_ASSERT_EQUAL_FATAL(gw_gateway_start(gateway, &err), 0);
}

static void let_go(void)
{
    gw_gateway_destroy(gateway);
    gateway = NULL;
    gw_model_destroy(model);
    model = NULL;
    gw_registry_destroy(registry);
    gw_diags_fini(&diags);
    diags = (struct gw_diags){0};
    gw_arena_destroy(arena);
}

static void stop(void)
{
    gw_gateway_drain(gateway, 2000);
    CU_ASSERT_EQUAL(gw_gateway_stop(gateway), 0);
    let_go();
}

/* A count of the report: of the gateway (list NULL), or of the first of its routes, or of a bridge.
 */
static int64_t count(const char *list, const char *bridge, const char *name)
{
    json_t *report = gw_gateway_report(gateway), *of = report, *item;
    size_t i;
    if (list)
        of = json_array_get(json_object_get(report, list), 0);
    json_array_foreach(
        json_object_get(report, "bridges"), i,
        item) if (bridge && !strcmp(json_string_value(json_object_get(item, "bridge")), bridge))
        of = item;
    json_t *value = json_object_get(of, name);
    CU_ASSERT_PTR_NOT_NULL(value);
    int64_t result = json_is_boolean(value) ? json_is_true(value) : json_integer_value(value);
    json_decref(report);
    return result;
}

/* Until the route has counted so many; the gateway runs on its own threads. */
static void wait_for(const char *name, int64_t least)
{
    struct timespec pause = {.tv_nsec = 2000000};
    for (int i = 0; i < 5000 && count("routes", NULL, name) < least; i++)
        nanosleep(&pause, NULL);
    CU_ASSERT(count("routes", NULL, name) >= least);
}

#define FROM_CLOCK(step)                                                                           \
    "gateway: { name: t }\n"                                                                       \
    "bridges: { clock: { type: clock }, out: { type: settles-twice } }\n"                          \
    "routes:\n"                                                                                    \
    "  r:\n"                                                                                       \
    "    from: { bridge: clock, address: time/tick, every: 1ms }\n"                                \
    "    steps: [ " step " ]\n"                                                                    \
    "    to: { bridge: out, address: out }\n"                                                      \
    "    delivery: { guarantee: best-effort }\n"

static void double_and_late_settlements_are_counted_and_harmless(void)
{
    start("gateway: { name: t }\n"
          "bridges: { b: { type: settles-twice } }\n"
          "routes:\n"
          "  r:\n"
          "    from: { bridge: b, address: events }\n"
          "    to: { bridge: b, address: out }\n"
          "    delivery: { guarantee: direct, window: 16 }\n");
    wait_for("delivered", 200);
    gw_gateway_drain(gateway, 2000);
    CU_ASSERT_EQUAL(count("routes", NULL, "received"), 200);
    CU_ASSERT_EQUAL(count("routes", NULL, "delivered"), 200);
    CU_ASSERT_EQUAL(count("routes", NULL, "retries"), 0);
    CU_ASSERT_EQUAL(count(NULL, NULL, "balanced"), 1);
    CU_ASSERT_EQUAL(count(NULL, "b", "told"), 200);
    CU_ASSERT_EQUAL(count(NULL, "b", "told_again"), 0);
    CU_ASSERT_EQUAL(count(NULL, "b", "told_wrong"), 0);
    CU_ASSERT(count(NULL, NULL, "late_settlements") >= 200); /* each of the second ones, at least */
    stop();
}

static void run_the_rewriting_filter(void)
{
    start(FROM_CLOCK("filter: { type: filter-rewrites }"));
    wait_for("discarded", 3);
    CU_ASSERT_EQUAL(count("routes", NULL, "delivered"), 0);
    CU_ASSERT_EQUAL(count(NULL, NULL, "balanced"), 1);
    stop();
}

static void a_filter_that_rewrites_is_named_and_nothing_forged_leaves(void)
{
    CU_ASSERT(capture_has(run_the_rewriting_filter,
                          "module filter-rewrites is a filter and rewrote an event"));
}

static void run_the_nonsense(void)
{
    start(FROM_CLOCK("filter: { type: nonsense-verdict }"));
    wait_for("discarded", 3);
    CU_ASSERT_EQUAL(count("routes", NULL, "delivered"), 0);
    CU_ASSERT_EQUAL(count(NULL, NULL, "balanced"), 1);
    stop();
}

static void an_unknown_verdict_is_a_rejection_that_names_the_module(void)
{
    CU_ASSERT(
        capture_has(run_the_nonsense, "module nonsense-verdict answered with an unknown verdict"));
}

static void a_module_from_outside_does_its_work(void)
{
    start(FROM_CLOCK("filter: { type: size, limit: 1 }"));
    wait_for("dropped", 3); /* from the tenth tick on, its number has two digits */
    CU_ASSERT_EQUAL(count("routes", NULL, "delivered"), 9);
    CU_ASSERT_EQUAL(count(NULL, NULL, "balanced"), 1);
    stop();
}

static void a_create_that_fails_names_the_step_and_leaves_no_gateway(void)
{
    struct mg_err err = {0};
    CU_ASSERT_EQUAL(
        create(FROM_CLOCK("filter: { type: size, limit: 1 }, filter: { type: create-half-way }"),
               &err),
        -ENXIO);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "the other half is missing"));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "create-half-way"));
    CU_ASSERT_PTR_NULL(gateway);
    let_go();
}

static int stop_result;

static void run_the_hanging_stop(void)
{
    start(FROM_CLOCK("filter: { type: stop-hangs }"));
    wait_for("delivered", 1);
    gw_gateway_drain(gateway, 2000);
    CU_ASSERT_EQUAL(count(NULL, NULL, "balanced"), 1);
    stop_result = gw_gateway_stop(gateway);
}

/* The last of all: gateway, registry and the module's thread stay, as in a process about to end. */
static void a_stop_that_hangs_does_not_keep_the_process(void)
{
    CU_ASSERT(capture_has(run_the_hanging_stop, "the module is given up"));
    CU_ASSERT_EQUAL(stop_result, -ETIMEDOUT);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(double_and_late_settlements_are_counted_and_harmless)},
        {KIT_TEST(a_filter_that_rewrites_is_named_and_nothing_forged_leaves)},
        {KIT_TEST(an_unknown_verdict_is_a_rejection_that_names_the_module)},
        {KIT_TEST(a_module_from_outside_does_its_work)},
        {KIT_TEST(a_create_that_fails_names_the_step_and_leaves_no_gateway)},
        {KIT_TEST(a_stop_that_hangs_does_not_keep_the_process)},
        {NULL, NULL},
    };
    return kit_main("module containment", tests);
}
