/* SPDX-License-Identifier: Apache-2.0 */
/* my-plugin under a host that plays the gateway: settings from YAML, events in, verdicts out. */
#include <CUnit/CUnit.h>
#include <meshgate/kit/bind.h>
#include <meshgate/kit/fake_host.h>
#include <meshgate/kit/unit.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *translator;

static void create(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    struct mg_err err = {0};
    host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "test", settings, &translator, &err),
                          0);
}

static void destroy(void)
{
    kit_instance_destroy(translator);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0); /* nothing of the contract was broken */
}

/* As if the route's address were plant/{line}, and the event's plant/a. */
static struct kit_verdict process(const char *payload)
{
    mg_event *event = kit_event("plant/a", payload);
    const mg_scope *scope = kit_scope(host, "route", "line", "a", NULL);
    struct kit_verdict verdict = kit_process(translator, event, scope);
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static void the_prefix_stands_before_the_payload(void)
{
    create("prefix: '{line}: '");
    struct kit_verdict verdict = process("21.5");
    CU_ASSERT_EQUAL_FATAL(verdict.verdict, MG_REPLACE);
    CU_ASSERT_EQUAL_FATAL(verdict.count, 1);
    CU_ASSERT(kit_payload_is(verdict.events[0], "a: 21.5"));
    kit_verdict_fini(&verdict);
    destroy();
}

static void all_else_stays_as_it_is(void)
{
    create("prefix: '> '");
    struct kit_verdict verdict = process("");
    CU_ASSERT_EQUAL_FATAL(verdict.count, 1);
    CU_ASSERT(kit_payload_is(verdict.events[0], "> "));
    CU_ASSERT(kit_str_is(kit_host_table(host)->event_head(verdict.events[0])->address, "plant/a"));
    kit_verdict_fini(&verdict);
    destroy();
}

static void an_event_without_the_value_is_rejected(void)
{
    create("prefix: '{property.machine}: '");
    struct kit_verdict verdict = process("21.5");
    CU_ASSERT_EQUAL(verdict.verdict, MG_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(verdict.err.text, "machine"));
    kit_verdict_fini(&verdict);
    destroy();
}

static void a_gateway_takes_the_module(void)
{
    struct mg_err err = {0};
    CU_ASSERT_EQUAL(kit_module_check(mg_module(NULL), &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(the_prefix_stands_before_the_payload)},
        {KIT_TEST(all_else_stays_as_it_is)},
        {KIT_TEST(an_event_without_the_value_is_rejected)},
        {KIT_TEST(a_gateway_takes_the_module)},
        {NULL, NULL},
    };
    return kit_main("my-plugin", tests);
}
