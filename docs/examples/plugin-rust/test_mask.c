/* SPDX-License-Identifier: Apache-2.0 */
/* The shared object itself under the fake host: test_mask target/release/libmask.so */
#include <meshgate/kit/bind.h>
#include <meshgate/kit/fake_host.h>
#include <meshgate/kit/unit.h>
#include <stdio.h>
#include <string.h>

static const struct mg_module *module;
static struct kit_host *host;

static void a_payload_is_replaced_and_given_back(void)
{
    struct mg_err err = {0};
    mg_instance *instance = NULL;
    host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, "with: x");
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "test", settings, &instance, &err), 0);
    mg_event *event = kit_event("plant/a", "21.5 C");
    struct kit_verdict verdict = kit_process(instance, event, kit_scope(host, "route", NULL));
    CU_ASSERT_EQUAL_FATAL(verdict.verdict, MG_REPLACE);
    CU_ASSERT(kit_payload_is(verdict.events[0], "xx.x C"));
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 1);
    kit_verdict_fini(&verdict);
    kit_host_table(host)->event_unref(event);
    event = kit_event("plant/a", "");
    CU_ASSERT_EQUAL(kit_process(instance, event, kit_scope(host, "route", NULL)).verdict, MG_PASS);
    kit_host_table(host)->event_unref(event);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void a_digit_is_no_mask(void)
{
    struct mg_err err = {0};
    mg_instance *instance = NULL;
    host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, "with: '7'");
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT(kit_instance_create(host, module, "test", settings, &instance, &err) < 0);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "hides nothing"));
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void a_gateway_takes_the_module(void)
{
    struct mg_err err = {0};
    CU_ASSERT_EQUAL(kit_module_check(module, &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
}

int main(int argc, char **argv)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_payload_is_replaced_and_given_back)},
        {KIT_TEST(a_digit_is_no_mask)},
        {KIT_TEST(a_gateway_takes_the_module)},
        {NULL, NULL},
    };
    struct mg_err err = {0};
    module = argc == 2 ? kit_module_load(argv[1], &err) : NULL;
    if (!module) {
        fprintf(stderr, "test_mask FILE.so: %s\n", err.text);
        return 2;
    }
    return kit_main("mask", tests);
}
