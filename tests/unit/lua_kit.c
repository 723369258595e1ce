/* SPDX-License-Identifier: Apache-2.0 */
/* Runs scripts and compares what comes out. */
#include "lua_kit.h"
#include "bind.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kit_host *host;
mg_instance *instance;
struct mg_err err;

const void *settings_of(const char *script, const char *more)
{
    size_t size = strlen(script) * 2 + strlen(more) + 64;
    char *yaml = malloc(size), *out = yaml;
    out += snprintf(out, size, "%s\nscript: |2\n  ", more);
    for (; *script; script++) {
        *out++ = *script;
        if (*script == '\n') {
            *out++ = ' ';
            *out++ = ' ';
        }
    }
    *out++ = '\n';
    *out = '\0';
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n%s\n", yaml, kit_settings_error());
    free(yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

void begin(const char *script, const char *more)
{
    int error = kit_instance_create(host, mg_module(NULL), "lua", settings_of(script, more),
                                    &instance, &err);
    if (error)
        fprintf(stderr, "%s\n%s\n", script, err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
}

void end(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

struct kit_verdict step(const mg_event *event)
{
    return kit_process(instance, event, kit_scope(host, "hot", "line", "a", "machine", "m1", NULL));
}

struct kit_verdict step_payload(const char *payload)
{
    mg_event *event = kit_event("plant/a/m1", payload);
    struct kit_verdict v = step(event);
    kit_host_table(host)->event_unref(event);
    return v;
}

void show(const char *script, const struct kit_verdict *v)
{
    fprintf(stderr, "%s\nverdict %u: %s\n", script, v->verdict, v->err.text);
    for (size_t i = 0; i < v->count; i++) {
        struct mg_bytes payload = kit_host_table(host)->event_payload(v->events[i]);
        fprintf(stderr, "%.*s\n", (int)payload.len, (const char *)payload.at);
    }
}

char *function_of(const char *body)
{
    size_t size = strlen(body) + 64;
    char *script = malloc(size);
    snprintf(script, size, "function translate(e) %s\nend", body);
    return script;
}

void expect_with(const char *body, const char *payload, const char *expected)
{
    char *script = function_of(body);
    begin(script, "");
    struct kit_verdict v = step_payload(payload);
    bool same = v.verdict == MG_REPLACE && v.count == 1 && kit_payload_is(v.events[0], expected);
    if (!same)
        show(script, &v);
    CU_ASSERT_TRUE(same);
    kit_verdict_fini(&v);
    end();
    free(script);
}

void expect(const char *body, const char *expected)
{
    expect_with(body, "{}", expected);
}

void expect_verdict(const char *body, const char *payload, uint32_t verdict, const char *reason)
{
    char *script = function_of(body);
    begin(script, "");
    struct kit_verdict v = step_payload(payload);
    bool right = v.verdict == verdict && (!reason || strstr(v.err.text, reason));
    if (!right)
        show(script, &v);
    CU_ASSERT_TRUE(right);
    kit_verdict_fini(&v);
    end();
    free(script);
}

void with_host(void (*run)(void))
{
    host = kit_host_create();
    run();
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}
