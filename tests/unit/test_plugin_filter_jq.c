/* SPDX-License-Identifier: Apache-2.0 */
/* The filter "jq": what passes, what does not, and what becomes of errors. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct kit_host *host;
static struct mg_err err;

static const void *settings_of(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n%s\n", yaml, kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static void with_host(void (*run)(void))
{
    host = kit_host_create();
    run();
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void expect(const char *yaml, const char *payload, uint32_t verdict, int64_t errors)
{
    mg_instance *instance;
    CU_ASSERT_EQUAL_FATAL(
        kit_instance_create(host, mg_module(NULL), "jq", settings_of(yaml), &instance, &err), 0);
    mg_event *event = kit_event("plant/a/m1", payload);
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "hot", "line", "a", NULL));
    if (v.verdict != verdict)
        fprintf(stderr, "%s: verdict %u: %s\n", yaml, v.verdict, v.err.text);
    CU_ASSERT_EQUAL(v.verdict, verdict);
    CU_ASSERT_TRUE(v.verdict != MG_REJECT || v.err.text[0]);
    CU_ASSERT_EQUAL(kit_counter(instance, 0) + kit_counter(instance, 1), errors);
    kit_verdict_fini(&v);
    kit_host_table(host)->event_unref(event);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

static void truth(void)
{
    static const char *const passes[] = {"true",
                                         "0",
                                         "\"\"",
                                         "{}",
                                         "[]",
                                         ".t > 80",
                                         "true, false",
                                         "true, error(\"never reached\")",
                                         "$captures.line == \"a\"",
                                         "$event.address | startswith(\"plant/\")"};
    static const char *const drops[] = {"false",   "null",  "empty",         "false, true",
                                        ".t > 90", ".none", "$captures.none"};
    char yaml[128];
    for (size_t i = 0; i < sizeof passes / sizeof passes[0]; i++) {
        snprintf(yaml, sizeof yaml, "program: '%s'", passes[i]);
        expect(yaml, "{\"t\":85}", MG_PASS, 0);
    }
    for (size_t i = 0; i < sizeof drops / sizeof drops[0]; i++) {
        snprintf(yaml, sizeof yaml, "program: '%s'", drops[i]);
        expect(yaml, "{\"t\":85}", MG_DROP, 0);
    }
}

static void errors(void)
{
    static const char *const payloads[] = {"not json", "[]", "{\"a\":123456789012345678901}"};
    for (size_t i = 0; i < sizeof payloads / sizeof payloads[0]; i++) {
        expect("program: .a.b", payloads[i], MG_REJECT, 1);
        expect("{program: .a.b, on_error: drop}", payloads[i], MG_DROP, 1);
        expect("{program: .a.b, on_error: pass}", payloads[i], MG_PASS, 1);
    }
    expect("{program: 'last(range(1e12))', time_limit: 10ms}", "0", MG_REJECT, 1);
    expect("{program: 'true, last(range(1e12))', time_limit: 10ms}", "0", MG_PASS, 0);
}

/* Stopping in the middle of a program's outputs leaves nothing behind for the next event. */
static void one_after_another(void)
{
    mg_instance *instance;
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, mg_module(NULL), "jq",
                                              settings_of("program: '.[]'"), &instance, &err),
                          0);
    for (int i = 0; i < 1000; i++) {
        mg_event *event = kit_event("x", i % 2 ? "[false,true,{}]" : "[[1,2],null]");
        struct kit_verdict v = kit_process(instance, event, kit_scope(host, "hot", NULL));
        CU_ASSERT_EQUAL(v.verdict, i % 2 ? MG_DROP : MG_PASS);
        kit_verdict_fini(&v);
        kit_host_table(host)->event_unref(event);
    }
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

static void wrong_settings(void)
{
    static const char *const wrong[][2] = {{"{}", "one of program and file"},
                                           {"{program: ., file: x}", "one of program and file"},
                                           {"program: '.a['", "syntax error"},
                                           {"program: 'input'", "not available"}};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        CU_ASSERT_EQUAL(mg_module(NULL)->check(settings_of(wrong[i][0]), &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i][1]));
    }
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        with_host(name);                                                                           \
    }
TEST(truth)
TEST(errors)
TEST(one_after_another)
TEST(wrong_settings)

int main(void)
{
    static const struct kit_test tests[] = {
        {"the first output says what passes", run_truth},
        {"errors are a choice, and counted", run_errors},
        {"one event leaves nothing for the next", run_one_after_another},
        {"wrong settings are refused", run_wrong_settings},
        {0}};
    return kit_main("plugin-filter-jq", tests);
}
