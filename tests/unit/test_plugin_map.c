/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "map": what it makes of payloads, and what it refuses in its settings. */
#include "map_kit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static void paths(void)
{
    map_expect("{fields: {tempC: data.temperature, line: '{line}'}}", "{\"temperature\":91}",
               "{\"tempC\":91,\"line\":\"a\"}");
    map_expect("{fields: {tempC: data.temperature}}", "{\"data\":{\"temperature\":20.1}}",
               "{\"tempC\":20.1}");
    map_expect("{fields: {a.b: x.1.y, a.c: 'n\\.m', data.z: x.0}}",
               "{\"x\":[1,{\"y\":true}],\"n.m\":null}",
               "{\"a\":{\"b\":true,\"c\":null},\"data\":{\"z\":1}}");
    map_expect("{fields: {all: ., copy: list}}", "{\"list\":[]}",
               "{\"all\":{\"list\":[]},\"copy\":[]}");
}

static void templates(void)
{
    struct mg_property p = {kit_str("unit"), {.type = MG_UINT, .width = 8, .as.u = 7}};
    struct mg_message m = kit_message("plant/a/m1", "not json at all");
    m.properties = &p;
    m.property_count = 1;
    m.head.message_id = (struct mg_value){.type = MG_TEXT, .as.text = kit_str("id-1")};
    mg_event *event = kit_host_table(map_host)->event_new(&m);
    map_expect_event(
        "{fields: {t: '{line}/{machine} {{x}}', r: '{route.name}', u: '{property.unit}', "
        "a: '{event.address}', i: '{event.message_id}', k: {value: [1, '2', {x: null}, 2.5, "
        "1e3]}}}",
        event,
        "{\"t\":\"a/m1 {x}\",\"r\":\"hot\",\"u\":\"7\",\"a\":\"plant/a/m1\",\"i\":\"id-1\","
        "\"k\":[1,\"2\",{\"x\":null},2.5,1e3]}");
    kit_host_table(map_host)->event_unref(event);
}

static void conversions(void)
{
    map_expect("{fields: {v: {from: v, type: number}}}", "{\"v\":\"20.50\"}", "{\"v\":20.50}");
    map_expect("{fields: {v: {from: v, type: number}}}", "{\"v\":\"+.50\"}", "{\"v\":0.5}");
    map_expect("{fields: {v: {from: v, type: number}}}", "{\"v\":\"9007199254740993\"}",
               "{\"v\":9007199254740993}");
    map_expect("{fields: {v: {from: v, type: integer}}}", "{\"v\":2.5}", "{\"v\":3}");
    map_expect("{fields: {v: {from: v, type: text}}}", "{\"v\":0.1}", "{\"v\":\"0.1\"}");
    map_expect("{fields: {v: {from: v, type: text}}}", "{\"v\":true}", "{\"v\":\"true\"}");
    map_expect("{fields: {v: {from: v, type: boolean}}}", "{\"v\":\"0\"}", "{\"v\":false}");
    map_expect("{fields: {v: {from: v, scale: 1.8, offset: 32}}}", "{\"v\":20}", "{\"v\":68.0}");
    map_expect("{fields: {v: {from: v, scale: 10, type: integer}}}", "{\"v\":\"2.04\"}",
               "{\"v\":20}");
    map_expect("{fields: {v: {from: '{line}', type: number}}}", "{}", NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(map_err.text, "v: a text \"a\" is not a number"));
    map_expect("{fields: {v: {from: v, type: integer}}}", "{\"v\":1e300}", NULL);
    map_expect("{fields: {v: {from: v, type: boolean}}}", "{\"v\":2}", NULL);
    map_expect("{fields: {v: {from: v, type: text}}}", "{\"v\":[]}", NULL);
    map_expect(
        "{fields: {v: v, n: {from: v, type: number}, i: {from: v, type: integer}}}",
        "{\"v\":123456789012345678901}",
        "{\"v\":123456789012345678901,\"n\":123456789012345678901,\"i\":123456789012345678901}");
}

static void missing_values(void)
{
    map_expect("{fields: {a: a, b: b, t: '{property.none}'}}", "{\"b\":1}", "{\"b\":1}");
    map_expect("{fields: {a: a, b: b}, on_missing: set-null}", "{\"b\":1}", "{\"a\":null,\"b\":1}");
    map_expect("{fields: {a: a, b: b}, on_missing: reject}", "{\"b\":1}", NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(map_err.text, "has no a"));
    map_expect("{fields: {a: {from: a, default: {x: 1}}, b: {from: b, type: number, default: 0}}}",
               "{\"b\":null}", "{\"a\":{\"x\":1},\"b\":0}");
}

static void merging(void)
{
    map_expect("{mode: merge, fields: {b: '{line}', c.d: a}, remove: [x, y.1, nothing.at.all]}",
               "{\"a\":1.10,\"x\":2,\"y\":[1,2,3]}",
               "{\"a\":1.10,\"y\":[1,3],\"b\":\"a\",\"c\":{\"d\":1.10}}");
    map_expect("{mode: merge, fields: {a: b, b: a}}", "{\"a\":1,\"b\":2}", "{\"a\":2,\"b\":1}");
    map_expect("{mode: merge, fields: {data.n: {value: 1}}}", "{\"v\":0}", "{\"v\":0,\"n\":1}");
    map_expect("{mode: merge, fields: {data.n: {value: 1}}, remove: data.v}",
               "{\"data\":{\"v\":0}}", "{\"data\":{\"n\":1}}");
    map_expect("{mode: merge, fields: {a.b: {value: 1}}}", "{\"a\":7}", NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(map_err.text, "neither object nor list"));
    map_expect("{mode: merge, fields: {a: {value: 1}}}", "[]", NULL);
    map_expect("{mode: merge, remove: a}", "{\"a\":{\"b\":1}}", "{}");
    /* A field put into what another one copied does not change the original's other places. */
    map_expect("{mode: merge, fields: {copy: o, copy.x: {value: 1}, again: o}}", "{\"o\":{}}",
               "{\"o\":{},\"copy\":{\"x\":1},\"again\":{}}");
}

static void bad_payloads(void)
{
    map_expect("{fields: {a: a}}", "{\"a\":", NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(map_err.text, "line 1, column"));
    map_expect("{fields: {a: a}}", "", NULL);
    map_expect("{fields: {a: a}}", "{\"a\":\"\\u0000\\ud83d\\ude00\\\"\"}",
               "{\"a\":\"\\u0000\\ud83d\\ude00\\\"\"}");
}

static void the_rest_of_the_event_stays(void)
{
    struct mg_property p = {kit_str("p"), {.type = MG_TEXT, .as.text = kit_str("q")}};
    struct mg_message m = kit_message("x/y", "{}");
    m.properties = &p;
    m.property_count = 1;
    m.head.qos = 2;
    m.head.present = MG_HAS_QOS;
    const struct mg_host *table = kit_host_table(map_host);
    mg_event *event = table->event_new(&m);
    mg_instance *instance;
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(map_host, mg_module(NULL), "map",
                                              map_settings("{fields: {a: {value: 1}}}"), &instance,
                                              &map_err),
                          0);
    struct kit_verdict v = kit_process(instance, event, kit_scope(map_host, "hot", NULL));
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[0])->address, "x/y"));
    CU_ASSERT_EQUAL(table->event_head(v.events[0])->qos, 2);
    struct mg_value value;
    CU_ASSERT_TRUE(table->event_find(v.events[0], kit_str("p"), &value));
    CU_ASSERT_TRUE(kit_payload_is(event, "{}"));
    kit_verdict_fini(&v);
    table->event_unref(event);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

static void wrong_settings(void)
{
    static const char *const wrong[][3] = {
        {"{}", "fields", "without fields"},
        {"{fields: [a]}", "fields", "must be a map"},
        {"{fields: {a: }}", "fields", "a source is a path"},
        {"{fields: {a: 7}}", "fields", "{ value: 7 }"},
        {"{fields: {a: true}}", "fields", "{ value: true }"},
        {"{fields: {a: '{Line}'}}", "fields", "{Line} is not known"},
        {"{fields: {a: '{line'}}", "fields", "without its }"},
        {"{fields: {a: 'x}'}}", "fields", "without its {"},
        {"{fields: {a: '{{x}}'}}", "fields", "a constant text"},
        {"{fields: {a: b..c}}", "fields", "empty part"},
        {"{fields: {a..b: c}}", "fields", "empty part"},
        {"{fields: {.: c}}", "fields", "needs a name"},
        {"{fields: {a: {}}}", "fields", "from or value"},
        {"{fields: {a: {from: b, value: 1}}}", "fields", "not both"},
        {"{fields: {a: {value: 1, type: text}}}", "fields", "go with from"},
        {"{fields: {a: {from: b, typ: text}}}", "fields", "unknown key \"typ\""},
        {"{fields: {a: {from: b, type: float}}}", "fields", "number, integer"},
        {"{fields: {a: {from: b, scale: much}}}", "fields", "must be a number"},
        {"{fields: {a: {from: b, scale: 2, type: text}}}", "fields", "number or an integer"},
        {"{fields: {a: b}, remove: c}", "remove", "mode: merge"},
        {"{mode: merge, remove: 'a..'}", "remove", "empty part"},
        {"fields:\n  a: b\n  c: { from: d, type: odd }\n", "fields", ":3:"},
        {NULL}};
    map_refused(wrong);
}

MAP_TEST(paths)
MAP_TEST(templates)
MAP_TEST(conversions)
MAP_TEST(missing_values)
MAP_TEST(merging)
MAP_TEST(bad_payloads)
MAP_TEST(the_rest_of_the_event_stays)
MAP_TEST(wrong_settings)

int main(void)
{
    static const struct kit_test tests[] = {
        {"paths read and write where they say", run_paths},
        {"templates and constants need no JSON", run_templates},
        {"values are converted or refused, never bent", run_conversions},
        {"a missing value is a choice", run_missing_values},
        {"merging changes only what it names", run_merging},
        {"bad payloads are rejected with their place", run_bad_payloads},
        {"the rest of the event stays", run_the_rest_of_the_event_stays},
        {"wrong settings are refused with place and cure", run_wrong_settings},
        {0}};
    return kit_main("plugin-map", tests);
}
