/* SPDX-License-Identifier: Apache-2.0 */
/* The size filter under a fake host: the example of how a module is tested. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"

static struct kit_host *host;
static mg_instance *size;

static void create_size(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    struct mg_err err = {0};
    host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "size", settings, &size, &err), 0);
}

static void destroy_size(void)
{
    kit_instance_destroy(size);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0); /* nothing of the contract was broken */
}

static struct kit_verdict process(const char *payload)
{
    mg_event *event = kit_event("plant/a", payload);
    struct kit_verdict verdict = kit_process(size, event, kit_scope(host, "route", NULL));
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static void events_up_to_the_limit_pass(void)
{
    create_size("limit: 4");
    CU_ASSERT_EQUAL(process("").verdict, MG_PASS);
    CU_ASSERT_EQUAL(process("1234").verdict, MG_PASS);
    CU_ASSERT_EQUAL(kit_counter(size, 0), 0);
    destroy_size();
}

static void larger_events_are_dropped_and_counted(void)
{
    create_size("limit: 4");
    struct kit_verdict verdict = process("12345");
    CU_ASSERT_EQUAL(verdict.verdict, MG_DROP);
    CU_ASSERT_STRING_EQUAL(verdict.err.text, "5 bytes, at most 4 may pass");
    CU_ASSERT_EQUAL(kit_counter(size, 0), 1);
    destroy_size();
}

static void larger_events_are_rejected_where_it_says_so(void)
{
    create_size("{ limit: 0, otherwise: reject }");
    CU_ASSERT_EQUAL(process("1").verdict, MG_REJECT);
    destroy_size();
}

static void a_missing_limit_is_refused(void)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    CU_ASSERT_PTR_NULL(
        kit_settings(host, module->options, module->settings_size, "otherwise: drop"));
    CU_ASSERT_STRING_EQUAL(kit_settings_error(), "1:1: limit is missing\n");
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"events up to the limit pass", events_up_to_the_limit_pass},
        {"larger events are dropped and counted", larger_events_are_dropped_and_counted},
        {"larger events are rejected where it says so",
         larger_events_are_rejected_where_it_says_so},
        {"a missing limit is refused", a_missing_limit_is_refused},
        {NULL, NULL},
    };
    return kit_main("size", tests);
}
