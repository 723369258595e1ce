/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of the enricher "http" share. */
#include "http_kit.h"
#include "bind.h"
#include "unit.h"
#include <stdio.h>
#include <string.h>

struct kit_host *host;
const struct mg_host *table;
mg_instance *instance;
struct http_peer *peer;
struct mg_err err;

const void *bind_settings(const char *url, const char *more)
{
    const struct mg_module *module = mg_module(NULL);
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "{url: '%s', %s}", url, more);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

void open_url(const char *url, const char *more)
{
    host = kit_host_create();
    table = kit_host_table(host);
    int error = kit_instance_create(host, mg_module(NULL), "http", bind_settings(url, more),
                                    &instance, &err);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

void open_http(const char *path, const char *more)
{
    char url[512];
    peer = http_peer_start(0);
    snprintf(url, sizeof url, "http://127.0.0.1:%d%s", http_peer_port(peer), path);
    open_url(url, more);
}

void close_host(void)
{
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

void close_http(void)
{
    CU_ASSERT_EQUAL(kit_counter(instance, IN_FLIGHT), 0);
    close_host();
    http_peer_stop(peer);
    http_peer_free(peer);
}

struct kit_pending *begin_event(const char *machine, const char *payload)
{
    mg_event *event = kit_event("plant/a", payload);
    struct kit_pending *p =
        kit_process_begin(instance, event, kit_scope(host, "route", "m", machine, NULL));
    table->event_unref(event);
    return p;
}

struct kit_verdict end_event(struct kit_pending *pending)
{
    struct kit_verdict v = kit_process_end(host, pending);
    err = v.err;
    return v;
}

void verdict_is(struct kit_verdict v, uint32_t verdict, const char *expected)
{
    if (v.verdict != verdict)
        fprintf(stderr, "verdict %u: %s\n", v.verdict, v.err.text);
    CU_ASSERT_EQUAL(v.verdict, verdict);
    CU_ASSERT_EQUAL_FATAL(v.count, expected ? 1 : 0);
    if (expected && !kit_payload_is(v.events[0], expected)) {
        struct mg_bytes p = table->event_payload(v.events[0]);
        fprintf(stderr, "%.*s\n", (int)p.len, (const char *)p.at);
        CU_FAIL("another payload");
    }
    kit_verdict_fini(&v);
}

void expect(const char *machine, const char *payload, uint32_t verdict, const char *expected)
{
    verdict_is(end_event(begin_event(machine, payload)), verdict, expected);
}

bool err_says(const char *part)
{
    if (!strstr(err.text, part))
        fprintf(stderr, "%s\n", err.text);
    return strstr(err.text, part);
}

bool peer_got(size_t index, const char *part)
{
    char text[8192];
    bool there = http_peer_got(peer, index, text, sizeof text) && strstr(text, part);
    if (!there)
        fprintf(stderr, "%s\n", text);
    return there;
}
