/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "map": rules that change a payload, what they mention, and what contradicts
 * itself. */
#include "map_kit.h"
#include <stdio.h>
#include <string.h>

static void renaming(void)
{
    map_expect("{rename: {b: x}}", "{\"a\":1,\"b\":2.50,\"c\":3}", "{\"a\":1,\"x\":2.50,\"c\":3}");
    map_expect("{rename: {a: 'n\\.m', a.b: c}}", "{\"a\":{\"b\":1}}", "{\"n.m\":{\"c\":1}}");
    map_expect("{rename: {data.t: temp}}", "{\"data\":{\"t\":1}}", "{\"data\":{\"temp\":1}}");
    map_expect("{rename: {data.t: temp}}", "{\"t\":1}", "{\"temp\":1}");
    map_expect("{rename: {none: x, list.0: y}}", "{\"list\":[1]}", "{\"list\":[1]}");
    map_expect("{rename: {a: b}}", "{\"a\":1,\"a\":2}", "{\"b\":1,\"b\":2}");
    map_rejects("{rename: {m.a: b}}", "{\"m\":{\"a\":1,\"b\":2}}",
                "rename: m.a cannot become m.b, which is there already");
}

static void moving(void)
{
    /* Places of a list are those of the payload as it came. */
    map_expect("{move: {l.0: a, l.1: b, l.3.x: c}, remove: [l.2, l.10]}",
               "{\"l\":[0,1,2,{\"x\":3,\"y\":4},4,5,6,7,8,9,10,11]}",
               "{\"l\":[{\"y\":4},4,5,6,7,8,9,11],\"a\":0,\"b\":1,\"c\":3}");
    map_expect("{move: {a.b: x, a: y}}", "{\"a\":{\"b\":1,\"c\":2}}", "{\"x\":1,\"y\":{\"c\":2}}");
    map_expect("{move: {a: x.y, b.c: c}}", "{\"a\":1,\"b\":{\"c\":2,\"d\":3}}",
               "{\"b\":{\"d\":3},\"x\":{\"y\":1},\"c\":2}");
    map_expect("{move: {a: b, b: a}}", "{\"a\":1,\"b\":2}", "{\"b\":1,\"a\":2}");
    map_expect("{move: {a.b: x, a: y}}", "{\"a\":{\"b\":1,\"c\":2}}", "{\"x\":1,\"y\":{\"c\":2}}");
    map_expect("{move: {a: m.a}, rename: {m: n}}", "{\"m\":{},\"a\":1}",
               "{\"n\":{},\"m\":{\"a\":1}}");
    map_rejects("{move: {a: b}}", "{\"a\":1,\"b\":2}", "move: a cannot become b");
    map_rejects("{move: {a: b.c}}", "{\"a\":1,\"b\":2}", "b.c: something on the way there");
}

static void setting(void)
{
    map_expect("{set: {unit: °C, at: '{line}/{data.n}', l.x: [1, {y: null}], n: '{{7}}'}}",
               "{\"n\":5,\"unit\":\"F\"}",
               "{\"n\":\"{7}\",\"unit\":\"°C\",\"at\":\"a/5\",\"l\":{\"x\":[1,{\"y\":null}]}}");
    map_expect("{set: {a: '{data.none}'}}", "{}", "{}");
    map_rejects("{set: {a: '{data.none}'}, on_missing: reject}", "{}", "a: the event has no value");
    map_expect("{defaults: {a: 1, b: 2, c.d: '{line}'}}", "{\"a\":null,\"b\":0}",
               "{\"a\":1,\"b\":0,\"c\":{\"d\":\"a\"}}");
    map_expect("{fields: {a: a, b: b}, defaults: {b: 7}, on_missing: reject}", "{\"a\":1}",
               "{\"a\":1,\"b\":7}");
    /* Constants are every event's: what one rule writes into a copy is not there for the next. */
    map_expect("{set: {a: {x: 1}}, fields: {k: {value: {y: 1}}, k.z: n}}", "{\"n\":1}",
               "{\"k\":{\"y\":1,\"z\":1},\"a\":{\"x\":1}}");
}

static void the_order_of_things(void)
{
    map_expect("{mode: merge, defaults: {d: 1}, set: {s: 2}, fields: {f: old}, remove: gone, "
               "rename: {old: new}, move: {out: in}}",
               "{\"gone\":0,\"old\":\"o\",\"out\":\"x\",\"d\":null}",
               "{\"new\":\"o\",\"d\":1,\"in\":\"x\",\"f\":\"o\",\"s\":2}");
    map_expect("{mode: merge, fields: {id: machine.id}, remove: machine}",
               "{\"machine\":{\"id\":7,\"x\":1}}", "{\"id\":7}");
    map_expect("{remove: [a, b], move: {a.keep: kept}}", "{\"a\":{\"keep\":1,\"x\":2},\"b\":3}",
               "{\"kept\":1}");
    map_rejects("{rename: {a: b}}", "[1]", "no JSON object");
}

/* An object of many members has an index, which renaming must not leave behind. */
static void many_members(void)
{
    char payload[1024], expected[1024];
    size_t n = 0, m = 0;
    for (int i = 0; i < 40; i++) {
        char name = i == 3 || i == 20 ? 'z' : 'k';
        n += (size_t)snprintf(payload + n, sizeof payload - n, "%s\"k%d\":%d", i ? "," : "{", i, i);
        m += (size_t)snprintf(expected + m, sizeof expected - m, "%s\"%c%d\":%d", i ? "," : "{",
                              name, i, i == 5 ? 99 : i);
    }
    snprintf(payload + n, sizeof payload - n, "}");
    snprintf(expected + m, sizeof expected - m, ",\"k3\":1}");
    map_expect("{rename: {k3: z3, k20: z20}, set: {k5: 99, k3: 1}}", payload, expected);
    map_rejects("{rename: {k3: k9}}", payload, "which is there already");
}

static void first_of(void)
{
    static const char yaml[] =
        "{fields: {v: {first_of: [a, b.c, '{property.p}', '{line}'], default: 0}}}";
    map_expect(yaml, "{\"a\":1,\"b\":{\"c\":2}}", "{\"v\":1}");
    map_expect(yaml, "{\"a\":null,\"b\":{\"c\":false}}", "{\"v\":false}");
    map_expect(yaml, "{}", "{\"v\":\"a\"}");
    map_expect("{fields: {v: {first_of: [a, b]}}}", "{\"b\":null}", "{\"v\":null}");
    map_expect("{fields: {v: {first_of: [a, b], type: number, default: 3}}}", "{\"b\":null}",
               "{\"v\":3}");
}

static void payload_in_texts(void)
{
    map_expect("{fields: {t: '{data.m.id}-{line}-{data.n}-{data.b}'}}",
               "{\"m\":{\"id\":\"x\\u00e9\"},\"n\":1.10,\"b\":true}",
               "{\"t\":\"x\xc3\xa9-a-1.10-true\"}");
    map_expect("{fields: {t: '{data}'}}", "21.50", "{\"t\":\"21.50\"}");
    map_expect("{fields: {t: '{data.none}x'}}", "{}", "{}");
    map_rejects("{fields: {t: '{data.l}'}}", "{\"l\":[]}", "t: {data.l} is a list, not a text");
}

static void strictness(void)
{
    map_rejects("{strict: true, split: ., fields: {a: a}}", "[{\"a\":1},{\"a\":2,\"b\":3}]",
                "no rule mentions *.b");
    map_expect("{strict: true, split: ., fields: {a: a}}", "[{\"a\":1},{\"a\":2}]",
               "{\"a\":1}\n{\"a\":2}");
    map_rejects("{strict: true, fields: {a: a}}", "[7]", "no rule mentions *");
    map_rejects("{strict: true, fields: {a: {value: 1}}}", "7", "no rule mentions .");
    map_expect("{strict: true, fields: {a: {value: 1}}}", "{}", "{\"a\":1}");
    map_expect("{strict: true, fields: {a: a, b: data.b.c}, ignore: [x, y.z]}",
               "{\"a\":{\"q\":1},\"b\":{\"c\":1},\"x\":1,\"y\":{\"z\":1}}",
               "{\"a\":{\"q\":1},\"b\":1}");
    map_rejects("{strict: true, fields: {a: a, b: data.b.c}, ignore: y.z}",
                "{\"a\":1,\"b\":{\"c\":1,\"d\":2},\"x\":[1],\"y\":{\"z\":1,\"w\":{}}}",
                "no rule mentions b.d, x, y.w");
    map_rejects("{strict: true, fields: {b: b.c}}", "{\"b\":7}", "no rule mentions b");
    map_expect(
        "{strict: true, rename: {a: b}, move: {c: d}, remove: e, set: {f: 1}, defaults: {g: 2}}",
        "{\"a\":1,\"c\":2,\"e\":3,\"f\":4,\"g\":5}", "{\"b\":1,\"f\":1,\"g\":5,\"d\":2}");
    map_expect("{strict: true, fields: {t: '{data.a}'}, properties: {p: '{data.b}'}}",
               "{\"data\":{\"a\":1,\"b\":2}}", "{\"t\":\"1\"}");
    map_rejects("{strict: true, fields: {l: {each: l, fields: {a: a}}}}",
                "{\"l\":[{\"a\":1},{\"a\":1,\"b\":2},{\"b\":3,\"c\":4}]}",
                "no rule mentions l.*.b, l.*.c");
    map_expect("{strict: true, fields: {all: .}}", "{\"l\":1}", "{\"all\":{\"l\":1}}");
}

static void warnings_once(void)
{
    mg_instance *instance;
    const void *settings = map_settings("{strict: warn, fields: {a: a}}");
    CU_ASSERT_EQUAL_FATAL(
        kit_instance_create(map_host, mg_module(NULL), "map", settings, &instance, &map_err), 0);
    static const char *const payloads[] = {"{\"a\":1,\"b\":2}", "{\"a\":1,\"b\":2,\"c\":3}",
                                           "{\"a\":1}", "{\"a\":1,\"c\":4}"};
    for (size_t i = 0; i < 4; i++) {
        mg_event *event = kit_event("x", payloads[i]);
        struct kit_verdict v = kit_process(instance, event, kit_scope(map_host, "hot", NULL));
        CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
        kit_verdict_fini(&v);
        kit_host_table(map_host)->event_unref(event);
    }
    CU_ASSERT_TRUE(kit_logged(map_host, MG_WARN, "no rule mentions b"));
    CU_ASSERT_TRUE(kit_logged(map_host, MG_WARN, "no rule mentions c"));
    CU_ASSERT_FALSE(kit_logged(map_host, MG_WARN, "mentions b, c"));
    CU_ASSERT_EQUAL(kit_counter(instance, 1), 3);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
}

static void contradictions(void)
{
    static const char *const wrong[][3] = {
        {"{}", "fields", "without fields"},
        {"{mode: merge, fields: {a: b}, set: {a: 1}}", "set",
         "a is written twice, also by fields: a"},
        {"{mode: merge, fields: {a: b}, move: {c: a}}", "fields",
         "is written twice, also by move: a"},
        {"{rename: {a: b}, move: {c: b}}", "move", "is written twice, also by rename: b"},
        {"{rename: {a: b, b: c}}", "rename",
         "is the old name of rename: b (move takes all out first)"},
        {"{rename: {a.b: c}, remove: a}", "rename", "a.b is gone with remove: a"},
        {"{remove: [a, a.b]}", "remove", "a.b is gone with remove: a"},
        {"{move: {a: x, a.b: y}}", "move", "a.b is gone with move: a"},
        {"{move: {a: x}, rename: {a: y}}", "rename", "a is gone with move: a"},
        {"{set: {a: 1}, defaults: {a: 2}}", "defaults", "is always there by set: a"},
        {"{remove: a, defaults: {a: 2}}", "defaults", "is never there after remove: a (use set)"},
        {"{rename: {a: b.c}}", "rename", "must be a name"},
        {"{rename: {.: b}}", "rename", "the whole payload"},
        {"{rename: [a]}", "rename", "rename must be a map"},
        {"{move: {a: }}", "move", "must be a text"},
        {"{move: {a: '{line}'}}", "move", "is no path"},
        {"{fields: {a: b}, rename: {c: d}}", "rename", "use mode: merge"},
        {"{mode: replace, rename: {c: d}}", "rename", "use mode: merge"},
        {"{mode: replace, defaults: {c: d}}", "fields", "without fields"},
        {"{remove: {a: b}}", "remove", "must be a text"},
        {"{set: {a: '{Line}'}}", "set", "{Line} is not known"},
        {"{fields: {a: '{item.x}'}}", "fields", "{item} is known where a list is mapped"},
        {"{fields: {a: {first_of: a}}}", "fields", "first_of is a list"},
        {"{strict: 1, fields: {a: b}}", "strict", "true, warn or false"},
        {"{fields: {a: b}, ignore: c}", "ignore", "ignore goes with strict"},
        {"{properties: [a]}", "properties", "map of names"},
        {"properties:\n  a: '{x'\n", "properties", ":2:6: { without its }"},
        {"{content_type: '{x}}'}", "content_type", "without its {"},
        {"remove:\n  - a\n  - b..c\n", "remove", ":3:5: \"b..c\" has an empty part"},
        {NULL}};
    map_refused(wrong);
}

MAP_TEST(renaming)
MAP_TEST(moving)
MAP_TEST(setting)
MAP_TEST(the_order_of_things)
MAP_TEST(many_members)
MAP_TEST(first_of)
MAP_TEST(payload_in_texts)
MAP_TEST(strictness)
MAP_TEST(warnings_once)
MAP_TEST(contradictions)

int main(void)
{
    static const struct kit_test tests[] = {
        {"what is renamed keeps its place", run_renaming},
        {"what is moved is taken out before it is put", run_moving},
        {"what is set, and defaults where nothing is", run_setting},
        {"the order of rules is not that of the YAML", run_the_order_of_things},
        {"names in a large object", run_many_members},
        {"the first value that is there counts", run_first_of},
        {"texts have fields of the payload", run_payload_in_texts},
        {"strict: what no rule mentions rejects the event", run_strictness},
        {"strict: warn names each path once", run_warnings_once},
        {"rules that contradict each other are refused", run_contradictions},
        {0}};
    return kit_main("plugin-map-rules", tests);
}
