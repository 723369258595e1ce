/* SPDX-License-Identifier: Apache-2.0 */
/* One instance for each expectation. */
#include "map_kit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct kit_host *map_host;
struct mg_err map_err;

const void *map_settings(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(map_host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n%s\n", yaml, kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static bool same_payloads(const struct kit_verdict *v, const char *expected)
{
    char got[8192] = "";
    size_t used = 0;
    for (size_t i = 0; i < v->count && used < sizeof got; i++) {
        struct mg_bytes payload = kit_host_table(map_host)->event_payload(v->events[i]);
        used += (size_t)snprintf(got + used, sizeof got - used, "%s%.*s", i ? "\n" : "",
                                 (int)payload.len, (const char *)payload.at);
    }
    bool same = v->verdict == MG_REPLACE && !strcmp(got, expected);
    if (!same)
        fprintf(stderr, "expected %s\n     got %s%s\n", expected, v->count ? got : "", v->err.text);
    return same;
}

void map_expect_event(const char *yaml, const mg_event *event, const char *expected)
{
    mg_instance *instance;
    int error = kit_instance_create(map_host, mg_module(NULL), "map", map_settings(yaml), &instance,
                                    &map_err);
    if (error)
        fprintf(stderr, "%s\n%s\n", yaml, map_err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    struct kit_verdict v = kit_process(
        instance, event, kit_scope(map_host, "hot", "line", "a", "machine", "m1", NULL));
    map_err = v.err;
    if (!expected)
        CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    if (expected && !*expected)
        CU_ASSERT_EQUAL(v.verdict, MG_DROP);
    if (expected && *expected)
        CU_ASSERT_TRUE(same_payloads(&v, expected));
    kit_verdict_fini(&v);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

void map_expect(const char *yaml, const char *payload, const char *expected)
{
    mg_event *event = kit_event("plant/a/m1", payload);
    map_expect_event(yaml, event, expected);
    kit_host_table(map_host)->event_unref(event);
}

void map_rejects(const char *yaml, const char *payload, const char *reason)
{
    map_expect(yaml, payload, NULL);
    bool says_so = reason && strstr(map_err.text, reason);
    if (!says_so)
        fprintf(stderr, "expected %s\n     got %s\n", reason ? reason : "a reason", map_err.text);
    CU_ASSERT_TRUE(says_so);
}

void map_refused(const char *const wrong[][3])
{
    for (size_t i = 0; wrong[i][0]; i++) {
        const void *settings = map_settings(wrong[i][0]);
        map_err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(mg_module(NULL)->check(settings, &map_err), -EINVAL);
        bool option = map_err.option && !strcmp(map_err.option, wrong[i][1]);
        if (!strstr(map_err.text, wrong[i][2]) || !option)
            fprintf(stderr, "%s: %s: %s\n", wrong[i][0], map_err.option ? map_err.option : "-",
                    map_err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(map_err.text, wrong[i][2]));
        CU_ASSERT_TRUE(option);
    }
}

void map_with_host(void (*run)(void))
{
    map_host = kit_host_create();
    run();
    CU_ASSERT_EQUAL(kit_host_destroy(map_host), 0);
}
