/* SPDX-License-Identifier: Apache-2.0 */
/* The filter "pattern": what of an event a pattern sees, what is refused, and sets of many. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *instance;
static struct mg_err err;

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
    CU_ASSERT_EQUAL_FATAL(
        kit_instance_create(host, mg_module(NULL), "pattern", settings_of(yaml), &instance, &err),
        0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static void close_filter(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t verdict_of(const struct mg_message *message)
{
    mg_event *event = kit_host_table(host)->event_new(message);
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "route", NULL));
    uint32_t verdict = v.verdict;
    err = v.err;
    kit_verdict_fini(&v);
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static uint32_t on(const char *address, const char *payload)
{
    struct mg_message message = kit_message(address, payload);
    return verdict_of(&message);
}

/* What check says of settings, NULL: nothing. */
static const char *refused(const char *yaml)
{
    static char text[sizeof err.text];
    host = kit_host_create();
    err.text[0] = '\0';
    int error = mg_module(NULL)->check(settings_of(yaml), &err);
    CU_ASSERT_EQUAL(error < 0, err.text[0] != '\0');
    snprintf(text, sizeof text, "%s", err.text);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    return error ? text : NULL;
}

static bool is_refused(const char *yaml, const char *part)
{
    const char *text = refused(yaml);
    bool well = text && strstr(text, part);
    if (!well)
        fprintf(stderr, "%s: %s\n", yaml, text ? text : "accepted");
    return well;
}

/* ---- what a pattern sees -------------------------------------------------------------------- */

static void all_parts_of_an_event_are_seen(void)
{
    open_filter("match:\n"
                "  address: [{prefix: plant/}]\n"
                "  attributes: {content_type: [application/json], qos: [1], message_id: [42]}\n"
                "  properties: {site: [berlin], urgent: [true], weight: [{numeric: ['<', 2.5]}]}\n"
                "  data: {temperature: [{numeric: ['>', 80]}]}\n");
    struct mg_property properties[] = {
        {kit_str("site"), {.type = MG_TEXT, .as.text = kit_str("paris")}},
        {kit_str("site"), {.type = MG_TEXT, .as.text = kit_str("berlin")}},
        {kit_str("urgent"), {.type = MG_BOOL, .as.b = true}},
        {kit_str("weight"), {.type = MG_FLOAT, .width = 64, .as.d = 2.25}}};
    struct mg_message m = kit_message("plant/a", "{\"temperature\":81}");
    m.head.content_type = kit_str("application/json");
    m.head.qos = 1;
    m.head.present |= MG_HAS_QOS;
    m.head.message_id = (struct mg_value){.type = MG_UINT, .as.u = 42};
    m.properties = properties;
    m.property_count = 4;
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    m.property_count = 3; /* without weight */
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    m.property_count = 4;
    m.head.present &= ~(uint32_t)MG_HAS_QOS; /* the peer did not say one */
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    m.head.present |= MG_HAS_QOS;
    m.head.address = kit_str("hall/plant/a");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    CU_ASSERT_STRING_EQUAL(err.text, "the pattern does not match");
    close_filter();
}

static void without_json_only_data_fails(void)
{
    open_filter("match: {$or: [{data: {x: [1]}}, {address: [a]}, {data: {x: [{exists: false}]}, "
                "address: [b]}]}");
    CU_ASSERT_EQUAL(on("a", "no json"), MG_PASS);
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 1);
    CU_ASSERT_EQUAL(on("b", "no json"), MG_DROP);
    CU_ASSERT_STRING_EQUAL(err.text, "the payload is not JSON, at byte 1");
    CU_ASSERT_EQUAL(on("b", "{\"x\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("b", "{\"x\":1} {"), MG_DROP);
    CU_ASSERT_EQUAL(on("b", "{}"), MG_PASS);
    CU_ASSERT_EQUAL(on("b", ""), MG_PASS); /* nothing is there to say no to */
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 3);
    close_filter();
}

static void data_is_what_an_envelope_has(void)
{
    open_filter("match: {data: {x: [1]}}");
    CU_ASSERT_EQUAL(on("a", "{\"x\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"data\":{\"x\":1}}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"x\":1,\"data\":{\"x\":2}}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"data\":{\"x\":2},\"x\":1}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "[{\"x\":2},{\"x\":1}]"), MG_PASS);
    close_filter();
    open_filter("match: {data: [5]}");
    CU_ASSERT_EQUAL(on("a", "5"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "[4, 5]"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "6"), MG_DROP);
    close_filter();
}

static void cloudevents_have_their_attributes_in_each_mode(void)
{
    open_filter("match: {attributes: {type: [order.paid]}, data: {x: [1]}}");
    struct mg_message m = kit_message("a", "{\"type\":\"order.paid\",\"data\":{\"x\":1}}");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP); /* nobody said that it is one */
    m.head.content_type = kit_str("application/cloudevents+json; charset=utf-8");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    m.head.content_type = kit_str("Application/CloudEvents+JSON");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    m.head.content_type = kit_str("application/cloudeventstore+json");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    m.head.content_type = kit_str("application/cloudevents-batch+json");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    struct mg_property bare[] = {
        {kit_str("type"), {.type = MG_TEXT, .as.text = kit_str("order.paid")}},
        {kit_str("specversion"), {.type = MG_TEXT, .as.text = kit_str("1.0")}}};
    m = kit_message("a", "{\"x\":1}");
    m.properties = bare;
    m.property_count = 2;
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    m.property_count = 1;
    CU_ASSERT_EQUAL(verdict_of(&m), MG_DROP);
    bare[0].name = kit_str("cloudEvents:type");
    CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    close_filter();
}

static void over_the_payload_names_are_its_own(void)
{
    open_filter("{match: {data: {x: [1]}, y: [{exists: false}]}, over: payload}");
    CU_ASSERT_EQUAL(on("a", "{\"data\":{\"x\":1}}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"x\":1}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"data\":{\"x\":1},\"y\":null}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "[{\"data\":{\"x\":1}}]"), MG_DROP);
    CU_ASSERT_STRING_EQUAL(err.text, "the payload is no JSON object");
    close_filter();
}

static void a_pattern_may_be_a_text_of_json(void)
{
    open_filter("match: |\n  {\"data\": {\"x\": [{\"wildcard\": \"a*z\"}],\n   \"x\": [2.50]}}\n");
    CU_ASSERT_EQUAL(on("a", "{\"x\":25e-1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"x\":\"az\"}"), MG_DROP);
    close_filter();
}

static void escapes_and_repeated_members_are_read(void)
{
    open_filter("match: {data: {\"ä\": [\"€\\n😀\"]}}");
    CU_ASSERT_EQUAL(on("a", "{\"\\u00e4\":\"\\u20ac\\n\\ud83d\\ude00\"}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"ä\":1,\"ä\":\"€\\n😀\"}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"ä\":\"€\\n\\ud83d\"}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"b\":\"\\x\",\"ä\":\"€\\n😀\"}"), MG_DROP);
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 1);
    close_filter();
}

static void nesting_has_a_limit_and_no_recursion_without(void)
{
    enum { DEEP = 200000 };
    static char payload[2 * DEEP + 1];
    open_filter("match: {data: {a: [1]}}");
    for (int unasked = 0; unasked < 2; unasked++) {
        memset(payload, unasked ? '[' : '{', sizeof payload - 1);
        for (size_t i = 0; !unasked && i + 5 < sizeof payload; i += 5)
            memcpy(payload + i, "{\"a\":", 5);
        CU_ASSERT_EQUAL(on("a", payload), MG_DROP);
    }
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 2);
    close_filter();
}

/* ---- what is refused ------------------------------------------------------------------------ */

static void mistakes_are_named_with_their_place(void)
{
    CU_ASSERT(is_refused("match: {data: {a: 1}}", ":1:19: \"a\" takes a list of values"));
    CU_ASSERT(
        is_refused("match:\n  data:\n    a:\n      - prefx: x\n", ":4:16: \"prefx\" is no op"));
    CU_ASSERT(is_refused("match: {date: {a: [1]}}", "an event has address, attributes, prop"));
    CU_ASSERT(is_refused("match: {data: {a: []}}", "an empty list"));
    CU_ASSERT(is_refused("match: {data: {}}", "an empty map"));
    CU_ASSERT(is_refused("match: '{\"data\": {\"a\": [1,]}}'", "line 1, column 19: "));
    CU_ASSERT(is_refused("match: {data: {a: [{numeric: ['>', 5, '<', 5]}]}}", "must be less"));
    CU_ASSERT(is_refused("match: {data: {a: [{numeric: ['=', 12345678901234567890]}]}}",
                         "cannot be compared"));
    CU_ASSERT(is_refused("match: {$or: [{data: {prefix: [1]}}, {data: {a: [1]}}]}", "operator"));
    CU_ASSERT(is_refused("match: {$or: [{data: {a: [1]}}]}", "at least two"));
    CU_ASSERT(is_refused("{}", "say one of match and file"));
    CU_ASSERT(is_refused("{file: /nowhere/p.json}", "/nowhere/p.json: No such file"));
    CU_ASSERT_PTR_NULL(refused("match: {data.a: [1], data: {b: [2]}}"));
}

static void what_or_multiplies_out_to_has_a_limit(void)
{
    char yaml[4096] = "match: {data: {";
    for (int i = 0; i < 11; i++) { /* 2^11 alternatives */
        size_t used = strlen(yaml);
        snprintf(yaml + used, sizeof yaml - used, "%s\"$or\": [{a%d: [1]}, {b%d: [1]}]",
                 i ? ", x: {" : "", i, i);
    }
    size_t used = strlen(yaml);
    snprintf(yaml + used, sizeof yaml - used, "}}}}}}}}}}}}");
    CU_ASSERT(is_refused(yaml, "more than 1024 alternatives"));
}

static void a_pattern_may_be_in_a_file(void)
{
    char path[] = "/tmp/pattern-XXXXXX", yaml[64];
    int fd = mkstemp(path);
    FILE *f = fd < 0 ? NULL : fdopen(fd, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs("{\n \"data\": {\"x\": [1, 2 3]}\n}\n", f);
    fflush(f);
    snprintf(yaml, sizeof yaml, "{file: %s}", path);
    CU_ASSERT(is_refused(yaml, ":2:22: here comes a comma or ]"));
    rewind(f);
    fputs("{\n \"data\": {\"x\": [1, 2,3]}\n}\n", f);
    fclose(f);
    open_filter(yaml);
    CU_ASSERT_EQUAL(on("a", "{\"x\":3}"), MG_PASS);
    close_filter();
    remove(path);
}

/* ---- sets ----------------------------------------------------------------------------------- */

static void a_set_says_which_of_many_pass(void)
{
    const struct mg_step_ops *ops = mg_module(NULL)->ops;
    host = kit_host_create();
    const void *settings[] = {settings_of("match: {data: {x: [1, 2]}}"),
                              settings_of("match: {address: [a], data: {x: [{exists: false}]}}"),
                              settings_of("{match: {x: [2]}, over: payload}"),
                              settings_of("match: {data: {x: [2]}, address: [{suffix: a}]}")};
    void *set = NULL, *context = NULL;
    uint32_t passes[4];
    CU_ASSERT_EQUAL_FATAL(ops->set_create(kit_host_table(host), settings, 4, &set, &err), 0);
    CU_ASSERT_EQUAL_FATAL(ops->set_open(set, &context), 0);
    const struct {
        const char *address, *payload;
        uint32_t expected; /* a bit for each that passes */
    } rows[] = {{"a", "{\"x\":1}", 1}, {"aa", "{\"x\":2}", 1 | 4 | 8},
                {"a", "{}", 2},        {"b", "{\"x\":[3,[2]]}", 1 | 4},
                {"a", "?", 0},         {"a", "[]", 2}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mg_event *event = kit_event(rows[i].address, rows[i].payload);
        uint32_t found = 0;
        ptrdiff_t count = ops->set_match(set, context, event, passes, NULL);
        for (ptrdiff_t k = 0; k < count; k++)
            found |= 1u << passes[k];
        CU_ASSERT_EQUAL(found, rows[i].expected);
        kit_host_table(host)->event_unref(event);
    }
    ops->set_close(set, context);
    ops->set_destroy(set);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(all_parts_of_an_event_are_seen)},
        {KIT_TEST(without_json_only_data_fails)},
        {KIT_TEST(data_is_what_an_envelope_has)},
        {KIT_TEST(cloudevents_have_their_attributes_in_each_mode)},
        {KIT_TEST(over_the_payload_names_are_its_own)},
        {KIT_TEST(a_pattern_may_be_a_text_of_json)},
        {KIT_TEST(escapes_and_repeated_members_are_read)},
        {KIT_TEST(nesting_has_a_limit_and_no_recursion_without)},
        {KIT_TEST(mistakes_are_named_with_their_place)},
        {KIT_TEST(what_or_multiplies_out_to_has_a_limit)},
        {KIT_TEST(a_pattern_may_be_in_a_file)},
        {KIT_TEST(a_set_says_which_of_many_pass)},
        {NULL, NULL}};
    return kit_main("plugin_pattern", tests);
}
