/* SPDX-License-Identifier: Apache-2.0 */
/* The filter "rules": what holds of which event. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *instance;
static struct mg_err err;

enum { TOO_LONG, NO_CAPTURE };

static const void *settings_of(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static void open_filter(const char *yaml)
{
    host = kit_host_create();
    kit_clock_by_hand(host);
    int error =
        kit_instance_create(host, mg_module(NULL), "rules", settings_of(yaml), &instance, &err);
    if (error)
        fprintf(stderr, "%s: %s\n", yaml, err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static void close_filter(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t verdict_of(const struct mg_message *m)
{
    mg_event *event = kit_host_table(host)->event_new(m);
    struct kit_verdict v = kit_process(
        instance, event, kit_scope(host, "route", "line", "north", "number", "07", NULL));
    uint32_t verdict = v.verdict;
    err = v.err;
    kit_verdict_fini(&v);
    kit_host_table(host)->event_unref(event);
    return verdict;
}

/* Do these rules hold of that event? */
static bool hold(const char *rules, const struct mg_message *m)
{
    char yaml[1024];
    snprintf(yaml, sizeof yaml, "match: %s", rules);
    open_filter(yaml);
    uint32_t verdict = verdict_of(m);
    CU_ASSERT(verdict == MG_PASS || verdict == MG_DROP);
    close_filter();
    return verdict == MG_PASS;
}

static bool holds_as(const char *rules, const struct mg_message *m, bool expected)
{
    bool as = hold(rules, m) == expected;
    if (!as)
        fprintf(stderr, "%s: %s\n", rules, expected ? err.text : "holds");
    return as;
}

#define HOLDS(rules, m) CU_ASSERT(holds_as(rules, m, true))
#define FAILS(rules, m) CU_ASSERT(holds_as(rules, m, false))

static void attributes_are_looked_at(void)
{
    struct mg_message m = kit_message("plant/north/press", "12345");
    m.head.subject = kit_str("alarm");
    m.head.content_type = kit_str("application/json; charset=utf-8");
    m.head.group = kit_str("g1");
    m.head.qos = 1;
    m.head.priority = 7;
    m.head.retain = true;
    m.head.present = MG_HAS_QOS | MG_HAS_PRIORITY | MG_HAS_RETAIN | MG_HAS_GROUP_SEQUENCE;
    m.head.group_sequence = 4000000000u;
    m.head.message_id = (struct mg_value){.type = MG_UUID, .as.uuid = {0x12, 0x34, [15] = 0xff}};
    m.head.correlation = (struct mg_value){.type = MG_BINARY, .as.binary = {"c1", 2}};
    m.head.user = (struct mg_bytes){"bob", 3};
    HOLDS("{event.address: plant/north/press}", &m);
    HOLDS("{event.address: {prefix: plant/}, event.subject: [alarm, warning]}", &m);
    FAILS("{event.address: {prefix: plant/}, event.subject: [info, warning]}", &m);
    HOLDS("{event.content_type: {prefix: application/json}}", &m);
    HOLDS("{event.qos: [1, 2], event.priority: {above: 5}, event.retain: true}", &m);
    FAILS("{event.qos: 0}", &m);
    HOLDS("{event.group: g1, event.group_sequence: 4000000000, event.correlation: c1}", &m);
    HOLDS("{event.message_id: 12340000-0000-0000-0000-0000000000ff, event.user: bob}", &m);
    HOLDS("{event.size: 5, event.duplicate: false}", &m);
    FAILS("{event.size: {at_least: 1KiB}}", &m);
    HOLDS("{event.size: {between: [5B, 1MiB]}}", &m);
    FAILS("{event.reply_to: {prefix: a}}", &m);
    HOLDS("{event.reply_to: {exists: false}, event.created: {exists: false}}", &m);
}

static void defaults_count_and_do_not_exist(void)
{
    struct mg_message m = kit_message("a", "");
    HOLDS("{event.qos: 0, event.retain: false, event.priority: 4}", &m);
    HOLDS("{event.qos: {exists: false}, event.retain: {exists: false}}", &m);
    FAILS("{event.qos: {is: 0, exists: true}}", &m);
    FAILS("{event.age: {below: 1d}}", &m);
}

static void times_are_durations(void)
{
    open_filter("match: {event.age: {at_most: 10s}, event.expires_in: {above: 1.5m}}");
    struct mg_message m = kit_message("a", "");
    int64_t now = kit_host_table(host)->wall_us(kit_shard(host, 0));
    m.head.present = MG_HAS_CREATED | MG_HAS_EXPIRY;
    m.head.created_us = now - 9000000;
    m.head.expires_us = now + 95000000;
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    kit_clock_advance_ms(host, 1000);
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    kit_clock_advance_ms(host, 1);
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    CU_ASSERT_STRING_EQUAL(err.text, "event.age (line 1) does not hold");
    m.head.created_us = now;
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    kit_clock_advance_ms(host, 5000);
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    CU_ASSERT_STRING_EQUAL(err.text, "event.expires_in (line 1) does not hold");
    m.head.created_us = INT64_MIN; /* whatever a peer says */
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    m.head.created_us = INT64_MAX;
    m.head.expires_us = INT64_MAX;
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    close_filter();
}

static struct mg_property properties[16];

static void properties_are_typed(void)
{
    struct mg_message m = kit_message("a", "");
    properties[0] =
        (struct mg_property){kit_str("site"), {.type = MG_TEXT, .as.text = kit_str("berlin")}};
    properties[1] = (struct mg_property){kit_str("count"), {.type = MG_INT, .as.i = INT64_MIN}};
    properties[2] = (struct mg_property){kit_str("total"), {.type = MG_UINT, .as.u = UINT64_MAX}};
    properties[3] = (struct mg_property){kit_str("ratio"), {.type = MG_FLOAT, .as.d = 0.1}};
    properties[4] = (struct mg_property){kit_str("urgent"), {.type = MG_BOOL, .as.b = true}};
    properties[5] =
        (struct mg_property){kit_str("spelled"), {.type = MG_TEXT, .as.text = kit_str("21.50")}};
    properties[6] = (struct mg_property){kit_str("nan"), {.type = MG_FLOAT, .as.d = NAN}};
    properties[7] = (struct mg_property){kit_str("char"), {.type = MG_CHAR, .as.u = 0x20ac}};
    properties[8] = (struct mg_property){kit_str("null"), {.type = MG_NULL}};
    properties[9] =
        (struct mg_property){kit_str("yes"), {.type = MG_TEXT, .as.text = kit_str("true")}};
    properties[10] = (struct mg_property){kit_str("at"), {.type = MG_TIME, .as.i = 1700000000000}};
    properties[11] =
        (struct mg_property){kit_str("a.b"), {.type = MG_SYMBOL, .as.text = kit_str("s")}};
    m.properties = properties;
    m.property_count = 12;
    HOLDS("{property.site: berlin, property.a.b: s}", &m);
    HOLDS("{property.count: -9223372036854775808, property.total: 18446744073709551615}", &m);
    FAILS("{property.count: -9223372036854775807}", &m);
    FAILS("{property.total: 18446744073709551614}", &m);
    FAILS("{property.total: {at_least: 18446744073709551616}}", &m);
    HOLDS("{property.total: {below: 1.8446744073709552e19}}", &m); /* which is 2 to the 64 */
    HOLDS("{property.ratio: 0.1, property.urgent: true}", &m);
    FAILS("{property.ratio: {above: 0.1}}", &m);
    FAILS("{property.ratio: {at_most: 0}}", &m);
    HOLDS("{property.ratio: {between: [0, 1]}}", &m);
    HOLDS("{property.spelled: 21.5}", &m);
    HOLDS("{property.spelled: {between: [21, 22]}}", &m);
    FAILS("{property.spelled: '21.5'}", &m);
    HOLDS("{property.spelled: '21.50'}", &m);
    FAILS("{property.site: {at_least: 0}}", &m);
    FAILS("{property.nan: {at_least: -1e308}}", &m);
    HOLDS("{property.nan: {exists: true}, property.null: {exists: true}}", &m);
    FAILS("{property.null: 'null'}", &m);
    HOLDS("{property.char: '€', property.yes: true, property.at: {above: 1600000000000}}", &m);
    FAILS("{property.yes: false}", &m);
    FAILS("{property.urgent: 'true'}", &m); /* a text is not a truth */
    FAILS("{property.none: {not: {exists: false}}}", &m);
    HOLDS("{property.none: {not: x}}", &m);
    FAILS("{property.none: {exists: true, not: x}}", &m);
    HOLDS("{property.site: {not: [paris, rome]}}", &m);
    FAILS("{property.site: {not: {prefix: ber}}}", &m);
}

static void numbers_in_texts_are_numbers(void)
{
    static const struct {
        const char *text, *rules;
        bool holds;
    } list[] = {
        {"-0.5", "{property.n: {at_least: 0}}", false},
        {"-0.5", "{property.n: {between: [-1, 0]}}", true},
        {"12345678901234567890123456789012345678",
         "{property.n: 12345678901234567890123456789012345678}", true},
        {"12345678901234567890123456789012345678",
         "{property.n: {above: 12345678901234567890123456789012345677}}", true},
        {"-12345678901234567890123456789012345678", "{property.n: {below: -1e37}}", true},
        {"1e300", "{property.n: {above: 12345678901234567890123456789012345678}}", true},
        {"-1e300", "{property.n: {below: -12345678901234567890123456789012345678}}", true},
        {"1e400", "{property.n: {above: 0}}", false}, /* beyond every double */
        {"0000000000000000000000000000000000000000000000000000000000000001",
         "{property.n: {above: 0}}", false}, /* 64 digits */
        {"000000000000000000000000000000000000000000000000000000000000001", "{property.n: 1}",
         true},
        {"+5", "{property.n: 5}", true},
        {"5.", "{property.n: 5}", false},
        {".5", "{property.n: 0.5}", false},
        {"5e", "{property.n: 5}", false},
        {"5e+", "{property.n: 5}", false},
        {"50E-1", "{property.n: 5}", true},
        {" 5", "{property.n: 5}", false},
        {"0x5", "{property.n: 5}", false},
        {"", "{property.n: 0}", false},
        {"-", "{property.n: 0}", false},
        {"-0", "{property.n: 0}", true},
        {"inf", "{property.n: {above: 0}}", false},
    };
    struct mg_message m = kit_message("a", "");
    m.properties = properties;
    m.property_count = 1;
    for (size_t i = 0; i < sizeof list / sizeof list[0]; i++) {
        properties[0] =
            (struct mg_property){kit_str("n"), {.type = MG_TEXT, .as.text = kit_str(list[i].text)}};
        CU_ASSERT(holds_as(list[i].rules, &m, list[i].holds));
    }
}

static void of_a_repeated_property_one_is_enough(void)
{
    struct mg_message m = kit_message("a", "");
    static const char *const tags[] = {"new", "north-1", "9"};
    for (size_t i = 0; i < 3; i++)
        properties[i] =
            (struct mg_property){kit_str("tag"), {.type = MG_TEXT, .as.text = kit_str(tags[i])}};
    m.properties = properties;
    m.property_count = 3;
    HOLDS("{property.tag: north-1}", &m);
    HOLDS("{property.tag: {above: 8}}", &m);
    FAILS("{property.tag: {prefix: n, suffix: '9'}}", &m); /* no single one does both */
    HOLDS("{property.tag: {prefix: n, suffix: '1'}}", &m);
    FAILS("{property.tag: {not: new}}", &m); /* one of them is */
    HOLDS("{property.tag: {not: old, suffix: w}}", &m);
}

static void captures_are_texts(void)
{
    struct mg_message m = kit_message("a", "");
    HOLDS("{line: north, number: 7}", &m);
    HOLDS("{'{line}': {in: [south, north]}}", &m);
    FAILS("{number: '7'}", &m);
    open_filter("match: {lime: {not: north}}");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    CU_ASSERT_EQUAL(kit_counter(instance, NO_CAPTURE), 2);
    CU_ASSERT(kit_logged(host, MG_WARN, "the rule in line 1 asks for lime, which is not captured"));
    close_filter();
    HOLDS("{lime: {exists: false}}", &m);
}

static void texts_are_compared_in_several_ways(void)
{
    struct mg_message m = kit_message("plant/north/press7/state", "");
    HOLDS("{event.address: {suffix: [/alarm, /state]}}", &m);
    FAILS("{event.address: {suffix: [/alarm, /status]}}", &m);
    HOLDS("{event.address: {contains: north}}", &m);
    FAILS("{event.address: {contains: south}}", &m);
    HOLDS("{event.address: {glob: 'plant/*/press?/*'}}", &m);
    HOLDS("{event.address: {glob: [x, '*state']}}", &m);
    FAILS("{event.address: {glob: 'press?'}}", &m);
    HOLDS("{event.address: {regex: 'press[0-9]/'}}", &m);
    FAILS("{event.address: {regex: '^press[0-9]'}}", &m);
    HOLDS("{event.address: {topic: plant/+/+/state}}", &m);
    HOLDS("{event.address: {topic: plant/north/press7/state/#}}", &m);
    HOLDS("{event.address: {topic: [a/#, 'plant/#']}}", &m);
    HOLDS("{event.address: {topic: '#'}}", &m);
    FAILS("{event.address: {topic: plant/+/state}}", &m);
    FAILS("{event.address: {topic: plant/north}}", &m);
    FAILS("{event.address: {topic: plant/north/press7/stat}}", &m);
    FAILS("{event.address: {topic: plant/north/press7/state/+}}", &m);
    struct mg_message odd = kit_message("a//", "");
    HOLDS("{event.address: {topic: a/+/+}}", &odd);
    FAILS("{event.address: {topic: a/+}}", &odd);
    HOLDS("{event.address: {topic: a//#}}", &odd);
    struct mg_message system = kit_message("$SYS/load", "");
    FAILS("{event.address: {topic: '#'}}", &system);
    FAILS("{event.address: {topic: +/load}}", &system);
    HOLDS("{event.address: {topic: $SYS/+}}", &system);
}

static void trees_are_and_or_and_not(void)
{
    struct mg_message m = kit_message("a", "");
    m.head.qos = 1;
    HOLDS("{any: [{event.qos: 2}, {event.address: a}]}", &m);
    FAILS("{any: [{event.qos: 2}, {event.address: b}]}", &m);
    HOLDS("{all: [{event.qos: 1}, {event.address: a}]}", &m);
    FAILS("{all: [{event.qos: 1}, {event.address: b}]}", &m);
    HOLDS("{none: [{event.qos: 2}, {event.address: b}]}", &m);
    FAILS("{none: [{event.qos: 2}, {event.address: a}]}", &m);
    HOLDS("{not: {event.qos: 1, event.address: b}}", &m);
    FAILS("{not: {event.qos: 1, event.address: a}}", &m);
    HOLDS("{event.qos: 1, not: {any: [{event.address: b}, {not: {event.address: a}}]}}", &m);
    open_filter("match:\n  event.qos: 1\n  any:\n    - event.address: b\n    - event.address: c\n"
                "otherwise: reject");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_REJECT);
    CU_ASSERT_STRING_EQUAL(err.text, "any (line 4) does not hold");
    close_filter();
}

static void long_texts_are_not_matched_by_expressions(void)
{
    char *address = calloc(1, 5000);
    memset(address, 'a', 4097);
    struct mg_message m = kit_message(address, "");
    open_filter("match: {event.address: {not: {glob: 'b*'}}}");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "longer than the 4096 bytes"));
    CU_ASSERT_EQUAL(kit_counter(instance, TOO_LONG), 1);
    address[4096] = '\0';
    m = kit_message(address, "");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    close_filter();
    free(address);
}

static void long_lists_are_searched(void)
{
    char *yaml = malloc(200000);
    size_t used = (size_t)snprintf(yaml, 200000, "match: {event.address: [");
    for (int i = 0; i < 9000; i++)
        used +=
            (size_t)snprintf(yaml + used, 200000 - used, i % 2 ? "%d, " : "m%d, ", i * 7 % 9001);
    snprintf(yaml + used, 200000 - used, "end]}");
    open_filter(yaml);
    for (int i = 0; i < 9000; i++) {
        char name[16];
        snprintf(name, sizeof name, i % 2 ? "0%d" : "m%d", i * 7 % 9001);
        struct mg_message m = kit_message(name, "");
        CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
        snprintf(name, sizeof name, i % 2 ? "m%d" : "%d", i * 7 % 9001);
        CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    }
    close_filter();
    free(yaml);
}

static void wrong_rules_are_refused_with_their_place(void)
{
    static const char *const wrong[][2] = {
        {"match: {}", ":1:8: rules are a map"},
        {"match: [a]", "of a list, say all: [...] or any: [...]"},
        {"match: a", "rules are a map"},
        {"match: {any: []}", ":1:14: there are no rules in it"},
        {"match: {any: [a]}", ":1:15: rules are a map"},
        {"match: {not: [{event.qos: 1}]}", "of a list, write none"},
        {"match:\n  event.qos: 1\n  event.quality: 1", ":3:18: \"event.quality\" is not known"},
        {"match: {qos: 1}", "write event.qos; a capture of that name is written \"{qos}\""},
        {"match: {Line: 1}", "\"Line\" is nothing to look at"},
        {"match: {'{line': 1}", "is nothing to look at"},
        {"match: {property.: 1}", "is nothing to look at"},
        {"match: {line: {like: a}}", "unknown operator \"like\"; there are: is, in, not"},
        {"match: {line: {}}", "there is nothing to compare with"},
        {"match: {line: []}", "1 to 10000 values"},
        {"match: {line: [[a]]}", "a value is wanted here, not a list"},
        {"match: {line: [{a: b}]}", "a value is wanted here, not a map"},
        {"match: {line: }", "there is no value here"},
        {"match: {line: null}", "what is absent is exists: false"},
        {"match: {line: {above: b}}", "a number is wanted here"},
        {"match: {line: {above: '5'}}", "a number is wanted here, without quotes"},
        {"match: {line: {above: 5, at_least: 6}}", "a bound on this side already"},
        {"match: {line: {above: 5, below: 5}}", "nothing lies between"},
        {"match: {line: {between: [5]}}", "between takes the least and the most"},
        {"match: {line: {between: [6, 5]}}", "nothing lies between"},
        {"match: {event.age: {above: 5}}", "a duration, as 10s or 5m,"},
        {"match: {event.age: 5}", "a duration, as 10s or 5m,"},
        {"match: {event.size: {above: 5s}}", "a size, as 64KiB,"},
        {"match: {line: {exists: maybe}}", "exists is true or false"},
        {"match: {line: {exists: false, is: a}}", "what does not exist cannot be asked"},
        {"match: {line: {prefix: ''}}", "a text is wanted here"},
        {"match: {line: {regex: 'a('}}", ":1:23: \"a(\", character 3: the ( has no )"},
        {"match: {line: {glob: ['a', 'b\\']}}", "nothing behind the \\"},
        {"match: {line: {topic: a/#/b}}", "is no topic filter"},
        {"match: {line: {topic: a+/b}}", "is no topic filter"},
    };
    host = kit_host_create();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const void *settings = settings_of(wrong[i][0]);
        err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(mg_module(NULL)->check(settings, &err), -EINVAL);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s: %s\n", wrong[i][0], err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i][1]));
        CU_ASSERT_STRING_EQUAL(err.option, "match");
    }
    static const char *const deep[] = {"{not: ", "{line: {not: "};
    for (size_t i = 0; i < 2; i++) {
        char yaml[1024] = "match: ";
        for (int n = 0; n < 33; n++)
            strncat(yaml, n && i ? "{not: " : deep[i], sizeof yaml - strlen(yaml) - 1);
        strncat(yaml, i ? "a" : "{line: a}", sizeof yaml - strlen(yaml) - 1);
        for (size_t n = 0; n < 33 + i; n++)
            strncat(yaml, "}", sizeof yaml - strlen(yaml) - 1);
        CU_ASSERT_EQUAL(mg_module(NULL)->check(settings_of(yaml), &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "nested deeper than 32 levels"));
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {{KIT_TEST(attributes_are_looked_at)},
                                            {KIT_TEST(defaults_count_and_do_not_exist)},
                                            {KIT_TEST(times_are_durations)},
                                            {KIT_TEST(properties_are_typed)},
                                            {KIT_TEST(numbers_in_texts_are_numbers)},
                                            {KIT_TEST(of_a_repeated_property_one_is_enough)},
                                            {KIT_TEST(captures_are_texts)},
                                            {KIT_TEST(texts_are_compared_in_several_ways)},
                                            {KIT_TEST(trees_are_and_or_and_not)},
                                            {KIT_TEST(long_texts_are_not_matched_by_expressions)},
                                            {KIT_TEST(long_lists_are_searched)},
                                            {KIT_TEST(wrong_rules_are_refused_with_their_place)},
                                            {0}};
    return kit_main("plugin-rules", tests);
}
