/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "map": lists mapped item by item, objects as lists, one event as several. */
#include "map_kit.h"
#include <stdio.h>
#include <string.h>

static void each_item(void)
{
    map_expect(
        "fields: { r: { each: items, fields: { n: id, c: { from: t, unit: { from: °F, to: °C } },"
        " at: '{line}{index}/{count}', m: ^.m } } }",
        "{\"m\":\"x\",\"items\":[{\"id\":1,\"t\":68},{\"id\":2}]}",
        "{\"r\":[{\"n\":1,\"c\":20.0,\"at\":\"a0/2\",\"m\":\"x\"},"
        "{\"n\":2,\"at\":\"a1/2\",\"m\":\"x\"}]}");
    map_expect("fields: { r: { each: data.v, type: number, round: 1 } }",
               "{\"data\":{\"v\":[1.26,\"2\",3]}}", "{\"r\":[1.3,2,3]}");
    map_expect("{mode: merge, fields: {v: {each: v, rename: {a: b}, remove: x, set: {n: "
               "'{item.a}'}}, w: v.0}}",
               "{\"v\":[{\"a\":1,\"x\":2,\"y\":3}]}",
               "{\"v\":[{\"b\":1,\"y\":3,\"n\":\"1\"}],\"w\":{\"a\":1,\"x\":2,\"y\":3}}");
    map_expect(
        "fields: { r: { each: l, fields: { i: { each: ., fields: { v: ., up: ^.1, top: ^.^.t, t: "
        "'{item}{data.t}' } } } } }",
        "{\"t\":7,\"l\":[[1,2]]}",
        "{\"r\":[{\"i\":[{\"v\":1,\"up\":2,\"top\":7,\"t\":\"17\"},"
        "{\"v\":2,\"up\":2,\"top\":7,\"t\":\"27\"}]}]}");
    map_expect("{fields: {r: {each: none, default: []}, s: {each: none}}}", "{}", "{\"r\":[]}");
    map_expect("{fields: {r: {each: l, limit: 2, type: text}}}", "{\"l\":[1,2]}",
               "{\"r\":[\"1\",\"2\"]}");
    map_rejects("{fields: {r: {each: l, limit: 2, type: text}}}", "{\"l\":[1,2,3]}",
                "r: l has 3 items, more than the limit of 2");
    map_rejects("{fields: {r: {each: l, fields: {a: a}}}}", "{\"l\":{}}",
                "r: l is an object, not a list");
    map_rejects("{fields: {r: {each: l, fields: {a: {from: a, type: integer}}}}}",
                "{\"l\":[{\"a\":1},{\"a\":\"x\"}]}", "r.1: a: a text \"x\" is not a number");
    map_rejects("{fields: {r: {each: l, remove: a}}}", "{\"l\":[7]}", "r.0: the item is a number");
}

static void objects_and_lists(void)
{
    map_expect("{fields: {m: {list_of: v, name: n, value: x}}}", "{\"v\":{\"a\":1.0,\"b\":[2]}}",
               "{\"m\":[{\"n\":\"a\",\"x\":1.0},{\"n\":\"b\",\"x\":[2]}]}");
    map_expect("{fields: {m: {list_of: data, fields: {k: name, v: {from: value, type: text}}}}}",
               "{\"a\":1.0}", "{\"m\":[{\"k\":\"a\",\"v\":\"1.0\"}]}");
    map_expect(
        "{fields: {m: {object_of: metrics, type: number}}}",
        "{\"metrics\":[{\"name\":\"t\",\"value\":\"1.50\"},{\"name\":\"p\",\"value\":2,\"x\":1},"
        "{\"name\":\"none\"}]}",
        "{\"m\":{\"t\":1.50,\"p\":2}}");
    map_rejects("{fields: {m: {object_of: l, name: n}}}", "{\"l\":[{\"n\":1,\"value\":2}]}",
                "m: item 0 of l has no n, a text");
    map_rejects("{fields: {m: {list_of: l}}}", "{\"l\":[]}", "m: l is a list, not an object");
    map_rejects("{strict: true, fields: {m: {object_of: l}}}",
                "{\"l\":[{\"name\":\"a\",\"value\":2,\"unit\":\"K\"}]}",
                "no rule mentions l.*.unit");
    map_expect("{strict: true, fields: {m: {list_of: l, fields: {n: name}}}}",
               "{\"l\":{\"a\":{\"b\":1}}}", "{\"m\":[{\"n\":\"a\"}]}");
}

static void splitting(void)
{
    map_expect("{split: data.items}", "{\"items\":[{\"a\":1.0},2,null]}", "{\"a\":1.0}\n2\nnull");
    map_expect(
        "{split: items, fields: {i: '{index}/{count}', v: a, m: ^.m, t: '{data.m}{item.a}'}}",
        "{\"m\":\"x\",\"items\":[{\"a\":1},{\"a\":2}]}",
        "{\"i\":\"0/2\",\"v\":1,\"m\":\"x\",\"t\":\"x1\"}\n"
        "{\"i\":\"1/2\",\"v\":2,\"m\":\"x\",\"t\":\"x2\"}");
    map_expect("{split: items, rename: {a: b}, defaults: {c: 0}}",
               "{\"items\":[{\"a\":1},{\"c\":2}]}", "{\"b\":1,\"c\":0}\n{\"c\":2}");
    map_expect("{split: .}", "[1,2]", "1\n2");
    map_expect("{split: items}", "{\"items\":[]}", "");
    CU_ASSERT_STRING_EQUAL(map_err.text, "split: items is empty");
    map_rejects("{split: items}", "{}", "split: items is not there");
    map_rejects("{split: items}", "{\"items\":{}}", "split: items is no list");
    map_rejects("{split: items, fields: {a: {from: a, type: number}}}",
                "{\"items\":[{},{\"a\":[]}]}", "items.1: a: a list is not a number");
    map_rejects("{strict: true, split: items, fields: {a: a}}",
                "{\"items\":[{\"a\":1,\"b\":2}],\"c\":3}", "no rule mentions items.*.b, c");
    map_expect("{strict: true, split: items}", "{\"items\":[{\"b\":2}]}", "{\"b\":2}");
    map_expect("{split: null, mode: merge}", "{\"b\":2}", "{\"b\":2}");
}

static void no_more_than_fits(void)
{
    static char payload[5000], expected[5000];
    size_t n = 0, m = 0;
    for (int i = 0; i < MG_EMIT_MAX; i++) {
        n += (size_t)snprintf(payload + n, sizeof payload - n, "%s7", i ? "," : "[");
        m += (size_t)snprintf(expected + m, sizeof expected - m, "%s7", i ? "\n" : "");
    }
    snprintf(payload + n, sizeof payload - n, "]");
    map_expect("{split: .}", payload, expected);
    snprintf(payload + n, sizeof payload - n, ",7]");
    map_rejects("{split: .}", payload, "split: . has 1025 items, more than 1024");
}

/* Makes one event of a message, and looks at what comes out. */
static struct kit_verdict process(const char *yaml, const struct mg_message *message,
                                  mg_instance **ret_instance)
{
    const struct mg_host *table = kit_host_table(map_host);
    mg_event *event = table->event_new(message);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(map_host, mg_module(NULL), "map", map_settings(yaml),
                                              ret_instance, &map_err),
                          0);
    struct kit_verdict v = kit_process(*ret_instance, event, kit_scope(map_host, "hot", NULL));
    table->event_unref(event);
    return v;
}

static void end(struct kit_verdict *v, mg_instance *instance)
{
    kit_verdict_fini(v);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

static bool property_is(const mg_event *event, const char *name, const char *expected)
{
    struct mg_value value;
    return kit_host_table(map_host)->event_find(event, kit_str(name), &value) &&
           value.type == MG_TEXT && kit_str_is(value.as.text, expected);
}

static void identities(void)
{
    const struct mg_host *table = kit_host_table(map_host);
    struct mg_property properties[] = {
        {kit_str("cloudEvents:specversion"), {.type = MG_TEXT, .as.text = kit_str("1.0")}},
        {kit_str("cloudEvents:id"), {.type = MG_TEXT, .as.text = kit_str("ce")}},
        {kit_str("id"), {.type = MG_TEXT, .as.text = kit_str("mine")}}};
    struct mg_message m = kit_message("x", "[1,2]");
    m.properties = properties;
    m.property_count = 3;
    m.head.message_id = (struct mg_value){.type = MG_UINT, .width = 64, .as.u = 7};
    mg_instance *instance;
    struct kit_verdict v = process("{split: .}", &m, &instance);
    CU_ASSERT_EQUAL_FATAL(v.count, 2);
    const struct mg_value *id = &table->event_head(v.events[1])->message_id;
    CU_ASSERT_TRUE(id->type == MG_TEXT && kit_str_is(id->as.text, "7/1"));
    CU_ASSERT_TRUE(property_is(v.events[0], "cloudEvents:id", "ce/0"));
    CU_ASSERT_TRUE(property_is(v.events[1], "cloudEvents:id", "ce/1"));
    CU_ASSERT_TRUE(property_is(v.events[1], "id", "mine"));
    CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[1])->address, "x"));
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 2);
    end(&v, instance);

    m.head.message_id = (struct mg_value){.type = MG_UUID};
    m.property_count = 0;
    v = process("{split: .}", &m, &instance);
    CU_ASSERT_EQUAL_FATAL(v.count, 2);
    id = &table->event_head(v.events[0])->message_id;
    CU_ASSERT_TRUE(kit_str_is(id->as.text, "00000000-0000-0000-0000-000000000000/0"));
    end(&v, instance);
}

static void properties(void)
{
    const struct mg_host *table = kit_host_table(map_host);
    struct mg_property properties[] = {
        {kit_str("gone"), {.type = MG_TEXT, .as.text = kit_str("1")}},
        {kit_str("kept"), {.type = MG_TEXT, .as.text = kit_str("2")}},
        {kit_str("unit"), {.type = MG_TEXT, .as.text = kit_str("F")}},
        {kit_str("unit"), {.type = MG_TEXT, .as.text = kit_str("K")}}};
    struct mg_message m = kit_message("x", "{\"u\":\"C\", \"n\":7}");
    m.properties = properties;
    m.property_count = 4;
    mg_instance *instance;
    struct kit_verdict v =
        process("{properties: {gone: null, unit: '{data.u}', none: '{data.none}', n: "
                "'n={data.n}'}, content_type: application/json}",
                &m, &instance);
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    size_t count;
    table->event_properties(v.events[0], &count);
    CU_ASSERT_EQUAL(count, 3);
    CU_ASSERT_TRUE(property_is(v.events[0], "kept", "2"));
    CU_ASSERT_TRUE(property_is(v.events[0], "unit", "C"));
    CU_ASSERT_TRUE(property_is(v.events[0], "n", "n=7"));
    CU_ASSERT_TRUE(kit_str_is(table->event_head(v.events[0])->content_type, "application/json"));
    /* Without rules the payload stays byte by byte. */
    CU_ASSERT_TRUE(kit_payload_is(v.events[0], "{\"u\":\"C\", \"n\":7}"));
    end(&v, instance);
    v = process("{properties: {none: '{data.none}'}, on_missing: reject}", &m, &instance);
    CU_ASSERT_EQUAL(v.verdict, MG_REJECT);
    CU_ASSERT_STRING_EQUAL(v.err.text, "none: the payload has no data.none");
    end(&v, instance);
    m = kit_message("x", "no JSON");
    v = process("{properties: {gone: null, a: b}}", &m, &instance);
    CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
    end(&v, instance);
}

static void wrong_settings(void)
{
    static const char *const wrong[][3] = {
        {"{fields: {a: {each: b, fields: {c: d}, type: number}}}", "fields",
         "in the fields of the items"},
        {"{fields: {a: {each: b, from: c}}}", "fields", "not both"},
        {"{fields: {a: {each: b, fields: {c: ^.^.d}}}}", "fields", "goes up farther"},
        {"{fields: {a: {each: '{b}'}}}", "fields", "each is a path"},
        {"{fields: {a: {each: b, limit: 0}}}", "fields", "whole number from 1"},
        {"{fields: {a: {from: b, limit: 1}}}", "fields", "unknown key \"limit\""},
        {"{fields: {a: {each: b, split: ','}}}", "fields", "split and join go with from"},
        {"{fields: {a: {each: b, mode: other, fields: {}}}}", "fields", "mode is replace or merge"},
        {"{fields: {a: {list_of: b, name: v, value: v}}}", "fields", "two names"},
        {"{fields: {a: {each: b, fields: {c: d}, remove: e}}}", "fields", "use mode: merge"},
        {"{fields: {a: {each: b, fields: {c: {each: d, fields: {e: {each: f, fields: {g: {each: h, "
         "fields: {i: "
         "{each: j, fields: {k: {each: l, fields: {m: {each: n, fields: {o: {each: "
         "p}}}}}}}}}}}}}}}}}",
         "fields", "more than 8 levels"},
        {"{split: [a]}", "split", "must be a text"},
        {"split: a..b\n", "split", ":1:8: \"a..b\" has an empty part"},
        {"{split: a, fields: {b: ^.^.c}}", "fields", "goes up farther"},
        {NULL}};
    map_refused(wrong);
}

MAP_TEST(each_item)
MAP_TEST(objects_and_lists)
MAP_TEST(splitting)
MAP_TEST(no_more_than_fits)
MAP_TEST(identities)
MAP_TEST(properties)
MAP_TEST(wrong_settings)

int main(void)
{
    static const struct kit_test tests[] = {
        {"each item of a list is mapped, with what is around it in reach", run_each_item},
        {"objects become lists of names and values, and back", run_objects_and_lists},
        {"one event becomes as many as a list has items", run_splitting},
        {"as many events as the gateway takes, and not one more", run_no_more_than_fits},
        {"parts of an event are told apart, the same way each time", run_identities},
        {"properties and content type are set and removed", run_properties},
        {"wrong settings of lists are refused with place and cure", run_wrong_settings},
        {0}};
    return kit_main("plugin-map-lists", tests);
}
