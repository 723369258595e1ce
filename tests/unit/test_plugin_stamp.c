/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "stamp": what it sets, what it leaves alone, and the trace that goes on. */
#include "bind.h"
#include "fake_host.h"
#include "trace.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_host *host;
static const struct mg_host *table;
static mg_instance *instance;
static struct mg_err err;
enum { COUNT_STARTED, COUNT_CONTINUED, COUNT_INVALID, COUNT_CIRCLES };

static void open_stamp(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    table = kit_host_table(host);
    kit_clock_by_hand(host); /* as a gateway's stands still while a step runs */
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    int error = kit_instance_create(host, module, "stamp", settings, &instance, &err);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
}

static void close_stamp(void)
{
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

/* Of a message with those two properties, where they have a value. */
static struct kit_verdict stamp_with(const char *payload, const char *name, const char *value,
                                     const char *name2, const char *value2)
{
    struct mg_property properties[2] = {
        {kit_str(name), {.type = MG_TEXT, .as.text = kit_str(value)}},
        {kit_str(name2), {.type = MG_TEXT, .as.text = kit_str(value2)}}};
    struct mg_message m = kit_message("plant/a", payload);
    m.properties = properties;
    m.property_count = value2 ? 2 : value ? 1 : 0;
    mg_event *event = table->event_new(&m);
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "hot", NULL));
    table->event_unref(event);
    return v;
}

static struct kit_verdict stamp(const char *payload)
{
    return stamp_with(payload, NULL, NULL, NULL, NULL);
}

static struct mg_value property(const struct kit_verdict *v, const char *name)
{
    struct mg_value value = {.type = MG_NULL};
    if (v->count == 1)
        table->event_find(v->events[0], kit_str(name), &value);
    return value;
}

static bool property_is(const struct kit_verdict *v, const char *name, const char *expected)
{
    struct mg_value value = property(v, name);
    bool same = expected ? value.type == MG_TEXT && kit_str_is(value.as.text, expected)
                         : value.type == MG_NULL;
    if (!same)
        fprintf(stderr, "%s: type %u %.*s\n", name, value.type,
                value.type == MG_TEXT ? (int)value.as.text.len : 0, value.as.text.at);
    return same;
}

/* Numbers are texts there. */
static int64_t number(const struct kit_verdict *v, const char *name)
{
    struct mg_value value = property(v, name);
    char text[32];
    if (value.type != MG_TEXT || !value.as.text.len || value.as.text.len >= sizeof text)
        return -1;
    snprintf(text, sizeof text, "%.*s", (int)value.as.text.len, value.as.text.at);
    return strtoll(text, NULL, 10);
}

static void times_and_names_become_properties(void)
{
    open_stamp("properties: { t: time, ms: time.ms, gw: gateway, r: route, h: host, c: created }");
    struct kit_verdict v = stamp("\xff any bytes");
    CU_ASSERT_EQUAL_FATAL(v.verdict, MG_REPLACE);
    CU_ASSERT_TRUE(property_is(&v, "r", "hot"));
    CU_ASSERT_TRUE(property_is(&v, "c", NULL)); /* it has none */
    CU_ASSERT_EQUAL(property(&v, "gw").type, MG_TEXT);
    CU_ASSERT_EQUAL(property(&v, "h").type, MG_TEXT);
    int64_t ms = number(&v, "ms");
    struct mg_value t = property(&v, "t");
    CU_ASSERT_TRUE(ms > INT64_C(1600000000000));
    CU_ASSERT_EQUAL_FATAL(t.type, MG_TEXT);
    CU_ASSERT_EQUAL(t.as.text.len, strlen("2026-01-02T03:04:05.678Z"));
    int year, month, day, hour, minute, second, milli;
    CU_ASSERT_EQUAL(sscanf(t.as.text.at, "%4d-%2d-%2dT%2d:%2d:%2d.%3dZ", &year, &month, &day, &hour,
                           &minute, &second, &milli),
                    7);
    CU_ASSERT_EQUAL(milli, ms % 1000);
    CU_ASSERT_EQUAL(second, ms / 1000 % 60);
    CU_ASSERT_EQUAL(hour, ms / 3600000 % 24);
    CU_ASSERT_TRUE(kit_payload_is(v.events[0], "\xff any bytes"));
    kit_verdict_fini(&v);
    close_stamp();
}

static void stamps_go_into_the_payload_and_leave_the_rest_as_it_was(void)
{
    open_stamp("payload: { meta.route: route, meta.hops: hops, data.n: sequence }");
    struct kit_verdict v = stamp("{\"t\": 20.50, \"meta\": {\"hops\": 4}}");
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    CU_ASSERT_TRUE(kit_payload_is(v.events[0],
                                  "{\"t\":20.50,\"meta\":{\"hops\":5,\"route\":\"hot\"},\"n\":1}"));
    kit_verdict_fini(&v);
    v = stamp("{\"meta\":1}");
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(v.err.text, "no place for meta.route"));
    kit_verdict_fini(&v);
    v = stamp("no json");
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    kit_verdict_fini(&v);
    v = stamp("{\"n\":null}");
    CU_ASSERT_TRUE(
        kit_payload_is(v.events[0], "{\"n\":2,\"meta\":{\"route\":\"hot\",\"hops\":1}}"));
    kit_verdict_fini(&v);
    close_stamp();
}

static void what_is_there_stays_unless_asked(void)
{
    open_stamp("{ properties: { id: uuid }, payload: { route: route } }");
    struct kit_verdict v = stamp_with("{\"route\":\"mine\"}", "id", "mine", NULL, NULL);
    CU_ASSERT_EQUAL(v.verdict, MG_PASS); /* nothing was left to do */
    kit_verdict_fini(&v);
    close_stamp();
    open_stamp("{ properties: { id: route }, payload: { route: route }, overwrite: true }");
    v = stamp_with("{\"route\":\"mine\"}", "id", "mine", NULL, NULL);
    CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
    CU_ASSERT_TRUE(property_is(&v, "id", "hot"));
    CU_ASSERT_TRUE(kit_payload_is(v.events[0], "{\"route\":\"hot\"}"));
    kit_verdict_fini(&v);
    close_stamp();
}

static void hops_count_and_circles_end(void)
{
    open_stamp("{ properties: { hops: hops }, max_hops: 3 }");
    static const struct {
        const char *before;
        int64_t after;
    } cases[] = {{NULL, 1}, {"1", 2}, {"2", 3}, {"junk", 1}, {"", 1}, {"-7", 1}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct kit_verdict v = stamp_with("x", "hops", cases[i].before, NULL, NULL);
        CU_ASSERT_EQUAL(number(&v, "hops"), cases[i].after);
        kit_verdict_fini(&v);
    }
    close_stamp();
    /* Who has made a text of it has made no new event of it. */
    open_stamp("{ payload: { hops: hops }, max_hops: 3 }");
    struct kit_verdict text = stamp("{\"hops\":\"2\"}");
    CU_ASSERT_TRUE_FATAL(text.verdict == MG_REPLACE);
    CU_ASSERT_TRUE(kit_payload_is(text.events[0], "{\"hops\":3}"));
    kit_verdict_fini(&text);
    text = stamp("{\"hops\":\"3\"}");
    CU_ASSERT_EQUAL(text.verdict, MG_REJECT);
    kit_verdict_fini(&text);
    close_stamp();
    open_stamp("{ properties: { hops: hops }, max_hops: 3 }");
    static const char *const too_many[] = {"3", "99", "9223372036854775806",
                                           "99999999999999999999"};
    for (size_t i = 0; i < 4; i++) {
        struct kit_verdict v = stamp_with("x", "hops", too_many[i], NULL, NULL);
        CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
        CU_ASSERT_PTR_NOT_NULL(strstr(v.err.text, "circles"));
        kit_verdict_fini(&v);
    }
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_CIRCLES), 4);
    close_stamp();
}

static bool is_uuid(struct mg_str text, char version)
{
    static const char form[] = "xxxxxxxx-xxxx-Vxxx-Nxxx-xxxxxxxxxxxx";
    if (text.len != sizeof form - 1)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        const char *allowed = form[i] == 'x' ? "0123456789abcdef" : form[i] == 'N' ? "89ab" : "-";
        if (form[i] == 'V' ? text.at[i] != version : !strchr(allowed, text.at[i]))
            return false;
    }
    return true;
}

static void ids_are_uuids_and_one_for_each_event(void)
{
    open_stamp("{ properties: { id: uuid, run: run }, payload: { id: uuid }, message_id: uuid }");
    char last[40] = "", run[40] = "";
    for (int i = 0; i < 100; i++) {
        struct kit_verdict v = stamp("{}");
        struct mg_value id = property(&v, "id"), of_run = property(&v, "run");
        char payload[64];
        CU_ASSERT_TRUE_FATAL(id.type == MG_TEXT && is_uuid(id.as.text, '4'));
        CU_ASSERT_TRUE_FATAL(of_run.type == MG_TEXT && is_uuid(of_run.as.text, '4'));
        CU_ASSERT_FALSE(kit_str_is(id.as.text, last));
        CU_ASSERT_TRUE(!*run || kit_str_is(of_run.as.text, run));
        snprintf(last, sizeof last, "%.*s", (int)id.as.text.len, id.as.text.at);
        snprintf(run, sizeof run, "%.*s", (int)of_run.as.text.len, of_run.as.text.at);
        snprintf(payload, sizeof payload, "{\"id\":\"%s\"}", last);
        CU_ASSERT_TRUE(kit_payload_is(v.events[0], payload));
        const struct mg_head *head = table->event_head(v.events[0]);
        CU_ASSERT_EQUAL(head->message_id.type, MG_TEXT);
        CU_ASSERT_TRUE(kit_str_is(head->message_id.as.text, last));
        kit_verdict_fini(&v);
    }
    close_stamp();
}

static void an_id_of_version_7_begins_with_the_time(void)
{
    open_stamp("properties: { id: uuid.v7, ms: time.ms }");
    struct kit_verdict v = stamp("");
    struct mg_value id = property(&v, "id");
    unsigned high, low;
    CU_ASSERT_TRUE_FATAL(id.type == MG_TEXT && is_uuid(id.as.text, '7'));
    CU_ASSERT_EQUAL(sscanf(id.as.text.at, "%8x-%4x", &high, &low), 2);
    CU_ASSERT_EQUAL(((int64_t)high << 16 | low), number(&v, "ms"));
    kit_verdict_fini(&v);
    close_stamp();
}

static void equal_events_have_equal_hashes(void)
{
    open_stamp("properties: { h: hash }");
    struct kit_verdict a = stamp("x"), b = stamp("x"), c = stamp("y");
    CU_ASSERT_EQUAL(property(&a, "h").as.text.len, 32);
    CU_ASSERT_EQUAL(memcmp(property(&a, "h").as.text.at, property(&b, "h").as.text.at, 32), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(property(&a, "h").as.text.at, property(&c, "h").as.text.at, 32), 0);
    /* Of "plant/a", a NUL and "x": it must never change, stores compare by it. */
    CU_ASSERT_TRUE(property_is(&a, "h", "95082de0cf1bb87ec9e5ba05a9a6dc59"));
    kit_verdict_fini(&a);
    kit_verdict_fini(&b);
    kit_verdict_fini(&c);
    close_stamp();
}

static void an_id_and_a_time_that_are_there_stay(void)
{
    open_stamp("{ message_id: hash, created: true, properties: { c: created.ms } }");
    struct mg_message m = kit_message("a", "x");
    m.head.message_id = (struct mg_value){.type = MG_UINT, .width = 64, .as.u = 7};
    m.head.created_us = 5000;
    m.head.present = MG_HAS_CREATED;
    mg_event *event = table->event_new(&m);
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "r", NULL));
    CU_ASSERT_EQUAL(number(&v, "c"), 5);
    CU_ASSERT_EQUAL(table->event_head(v.events[0])->message_id.as.u, 7);
    kit_verdict_fini(&v);
    table->event_unref(event);
    v = stamp("x");
    const struct mg_head *head = table->event_head(v.events[0]);
    CU_ASSERT_EQUAL(head->message_id.type, MG_TEXT);
    CU_ASSERT_TRUE(head->present & MG_HAS_CREATED);
    CU_ASSERT_EQUAL(head->created_us / 1000, number(&v, "c"));
    kit_verdict_fini(&v);
    close_stamp();
}

#define PARENT "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

static bool reads(const struct kit_verdict *v, const char *name, struct trace *ret)
{
    struct mg_value value = property(v, name);
    return value.type == MG_TEXT && trace_parse(value.as.text, ret);
}

static void a_trace_begins_where_there_is_none(void)
{
    struct trace one, two;
    open_stamp("{ trace: start, trace_prefix: 'cloudEvents:' }");
    struct kit_verdict a = stamp("x"), b = stamp("x");
    CU_ASSERT_TRUE_FATAL(reads(&a, "cloudEvents:traceparent", &one));
    CU_ASSERT_TRUE_FATAL(reads(&b, "cloudEvents:traceparent", &two));
    CU_ASSERT_EQUAL(one.flags, TRACE_SAMPLED);
    CU_ASSERT_NOT_EQUAL(memcmp(one.trace_id, two.trace_id, 16), 0);
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_STARTED), 2);
    kit_verdict_fini(&a);
    kit_verdict_fini(&b);
    close_stamp();
}

static void a_trace_goes_on(void)
{
    struct trace before, after;
    trace_parse(kit_str(PARENT), &before);
    open_stamp("trace: start");
    struct kit_verdict v = stamp_with("x", "traceparent", PARENT, "tracestate", "a=1");
    CU_ASSERT_EQUAL(v.verdict, MG_PASS);
    kit_verdict_fini(&v);
    v = stamp_with("x", "traceparent", PARENT, "tracestate", "not one");
    CU_ASSERT_TRUE(property_is(&v, "traceparent", PARENT));
    CU_ASSERT_TRUE(property_is(&v, "tracestate", NULL));
    kit_verdict_fini(&v);
    close_stamp();
    open_stamp("trace: child");
    v = stamp_with("x", "traceparent", PARENT, "tracestate", "a=1");
    CU_ASSERT_TRUE_FATAL(reads(&v, "traceparent", &after));
    CU_ASSERT_EQUAL(memcmp(after.trace_id, before.trace_id, 16), 0);
    CU_ASSERT_NOT_EQUAL(memcmp(after.parent_id, before.parent_id, 8), 0);
    CU_ASSERT_EQUAL(after.flags, before.flags);
    CU_ASSERT_TRUE(property_is(&v, "tracestate", "a=1"));
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_CONTINUED), 1);
    kit_verdict_fini(&v);
    close_stamp();
}

static void a_broken_trace_begins_anew(void)
{
    struct trace t, parent;
    CU_ASSERT_TRUE_FATAL(trace_parse(kit_str(PARENT), &parent));
    open_stamp("{ trace: child, sample: 0 }");
    struct kit_verdict v = stamp_with("x", "traceparent", "00-broken", "tracestate", "a=1");
    CU_ASSERT_TRUE_FATAL(reads(&v, "traceparent", &t));
    CU_ASSERT_EQUAL(t.flags, 0);
    CU_ASSERT_TRUE(property_is(&v, "tracestate", NULL));
    kit_verdict_fini(&v);
    v = stamp_with("x", "traceparent", PARENT, "traceparent", PARENT); /* which of the two? */
    CU_ASSERT_TRUE_FATAL(reads(&v, "traceparent", &t));
    CU_ASSERT_NOT_EQUAL(memcmp(t.trace_id, parent.trace_id, sizeof t.trace_id), 0);
    size_t count;
    table->event_properties(v.events[0], &count);
    CU_ASSERT_EQUAL(count, 1);
    CU_ASSERT_EQUAL(kit_counter(instance, COUNT_INVALID), 2);
    kit_verdict_fini(&v);
    close_stamp();
}

static void a_share_of_the_traces_is_sampled(void)
{
    int sampled = 0;
    open_stamp("{ trace: start, sample: 25% }");
    for (int i = 0; i < 4000; i++) {
        struct trace t;
        struct kit_verdict v = stamp("x");
        CU_ASSERT_TRUE_FATAL(reads(&v, "traceparent", &t));
        sampled += t.flags;
        kit_verdict_fini(&v);
    }
    /* 27 is its standard deviation: beyond ten of them chance has never been. */
    CU_ASSERT_TRUE(sampled > 730 && sampled < 1270);
    close_stamp();
}

static void wrong_settings_are_refused(void)
{
    static const char *const wrong[][3] = {
        {"{}", "properties", "nothing would be stamped"},
        {"{ properties: { a: tim } }", "properties", "\"tim\" is none of time, time.ms"},
        {"{ properties: { a: [time] } }", "properties", "one word"},
        {"{ properties: [time] }", "properties", "a map belongs here"},
        {"{ payload: { a..b: time } }", "payload", "empty part"},
        {"{ payload: { data: time } }", "payload", "not all of it"},
        {"{ properties: { a: time }, max_hops: 3 }", "max_hops", "nothing counts hops"},
        {"{ trace: start, sample: much }", "sample", "percentage"},
        {"{ trace: start, sample: 101% }", "sample", "percentage"},
        {"{ trace: start, sample: nan }", "sample", "percentage"},
        {"{ created: true, sample: 1% }", "sample", "trace is off"},
    };
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const void *settings =
            kit_settings(host, module->options, module->settings_size, wrong[i][0]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
        err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(module->check(settings, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(err.option);
        CU_ASSERT_STRING_EQUAL(err.option, wrong[i][1]);
        if (!strstr(err.text, wrong[i][2]))
            fprintf(stderr, "%s: %s\n", wrong[i][0], err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i][2]));
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(times_and_names_become_properties)},
        {KIT_TEST(stamps_go_into_the_payload_and_leave_the_rest_as_it_was)},
        {KIT_TEST(what_is_there_stays_unless_asked)},
        {KIT_TEST(hops_count_and_circles_end)},
        {KIT_TEST(ids_are_uuids_and_one_for_each_event)},
        {KIT_TEST(an_id_of_version_7_begins_with_the_time)},
        {KIT_TEST(equal_events_have_equal_hashes)},
        {KIT_TEST(an_id_and_a_time_that_are_there_stay)},
        {KIT_TEST(a_trace_begins_where_there_is_none)},
        {KIT_TEST(a_trace_goes_on)},
        {KIT_TEST(a_broken_trace_begins_anew)},
        {KIT_TEST(a_share_of_the_traces_is_sampled)},
        {KIT_TEST(wrong_settings_are_refused)},
        {0}};
    return kit_main("plugin-stamp", tests);
}
