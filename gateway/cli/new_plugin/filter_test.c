/* SPDX-License-Identifier: Apache-2.0 */
/* my-plugin under a host that plays the gateway: settings from YAML, events in, verdicts out. */
#include <CUnit/CUnit.h>
#include <meshgate/kit/bind.h>
#include <meshgate/kit/fake_host.h>
#include <meshgate/kit/unit.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *filter;

static void create(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    struct mg_err err = {0};
    host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "test", settings, &filter, &err), 0);
}

static void destroy(void)
{
    kit_instance_destroy(filter);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0); /* nothing of the contract was broken */
}

static struct kit_verdict process(const char *payload)
{
    mg_event *event = kit_event("plant/a", payload);
    struct kit_verdict verdict = kit_process(filter, event, kit_scope(host, "route", NULL));
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static void what_contains_the_text_passes(void)
{
    create("contains: warm");
    CU_ASSERT_EQUAL(process("warm").verdict, MG_PASS);
    CU_ASSERT_EQUAL(process("it is warm").verdict, MG_PASS);
    CU_ASSERT_EQUAL(kit_counter(filter, 0), 0);
    destroy();
}

static void the_rest_is_dropped_and_counted(void)
{
    create("contains: warm");
    struct kit_verdict verdict = process("it is war");
    CU_ASSERT_EQUAL(verdict.verdict, MG_DROP);
    CU_ASSERT_STRING_EQUAL(verdict.err.text, "does not contain \"warm\"");
    CU_ASSERT_EQUAL(process("").verdict, MG_DROP);
    CU_ASSERT_EQUAL(kit_counter(filter, 0), 2);
    destroy();
}

static void the_text_is_required(void)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    CU_ASSERT_PTR_NULL(kit_settings(host, module->options, module->settings_size, "contains: ''"));
    CU_ASSERT_PTR_NULL(kit_settings(host, module->options, module->settings_size, "contain: x"));
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_settings_error(), "contains"));
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
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
        {KIT_TEST(what_contains_the_text_passes)},
        {KIT_TEST(the_rest_is_dropped_and_counted)},
        {KIT_TEST(the_text_is_required)},
        {KIT_TEST(a_gateway_takes_the_module)},
        {NULL, NULL},
    };
    return kit_main("my-plugin", tests);
}
