/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "last-value": one step remembers, another recalls. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct kit_host *host;
static const struct mg_host *table;
static struct mg_err err;
enum { COUNT_REMEMBERED, COUNT_FORGOTTEN, COUNT_WITHOUT_VALUE, COUNT_MISSING };

static void open_host(void)
{
    host = kit_host_create();
    table = kit_host_table(host);
    kit_clock_by_hand(host);
}

static void close_host(mg_instance *one, mg_instance *two)
{
    kit_instance_destroy(one);
    kit_instance_destroy(two);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static mg_instance *step(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    mg_instance *instance = NULL;
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    int error = kit_instance_create(host, module, "last-value", settings, &instance, &err);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    return instance;
}

static struct kit_verdict process(mg_instance *instance, const char *machine, const char *payload)
{
    mg_event *event = kit_event("plant/a", payload);
    struct kit_verdict v = kit_process(instance, event,
                                       machine ? kit_scope(host, "route", "machine", machine, NULL)
                                               : kit_scope(host, "route", NULL));
    err = v.err;
    table->event_unref(event);
    return v;
}

static void expect(mg_instance *instance, const char *machine, const char *payload,
                   uint32_t verdict, const char *expected)
{
    struct kit_verdict v = process(instance, machine, payload);
    CU_ASSERT_EQUAL(v.verdict, verdict);
    if (v.verdict != verdict)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(v.count, expected ? 1 : 0);
    if (expected && !kit_payload_is(v.events[0], expected)) {
        struct mg_bytes p = table->event_payload(v.events[0]);
        fprintf(stderr, "%.*s\n", (int)p.len, (const char *)p.at);
    }
    CU_ASSERT_TRUE(!expected || kit_payload_is(v.events[0], expected));
    kit_verdict_fini(&v);
}

static void the_latest_state_is_joined(void)
{
    open_host();
    mg_instance *state = step("{ remember: shift, key: '{machine}' }");
    mg_instance *event = step("{ recall: shift, key: '{machine}', into: data.shift }");
    expect(event, "m1", "{\"t\":1.0}", MG_PASS, NULL);
    expect(state, "m1", "{\"who\": \"ann\", \"n\":98765432109876543210}", MG_PASS, NULL);
    expect(state, "m2", "[1]", MG_PASS, NULL);
    expect(event, "m1", "{\"t\":1.0}", MG_REPLACE,
           "{\"t\":1.0,\"shift\":{\"who\":\"ann\",\"n\":98765432109876543210}}");
    expect(state, "m1", "{\"who\":\"bob\"}", MG_PASS, NULL);
    expect(event, "m1", "{\"data\":{}}", MG_REPLACE, "{\"data\":{\"shift\":{\"who\":\"bob\"}}}");
    expect(event, "m2", "{}", MG_REPLACE, "{\"shift\":[1]}");
    expect(event, "m1", "no json", MG_REJECT, NULL);
    CU_ASSERT_EQUAL(kit_counter(state, COUNT_REMEMBERED), 3);
    CU_ASSERT_EQUAL(kit_counter(event, COUNT_MISSING), 1);
    close_host(event, state);
}

static void one_value_goes_into_a_property(void)
{
    open_host();
    mg_instance *state = step("{ remember: t, key: '{machine}', value: data.t, then: drop }");
    mg_instance *event = step("{ recall: t, key: '{machine}', into: 'property:t' }");
    expect(state, "m1", "{\"t\":20.5}", MG_DROP, NULL);
    expect(state, "m1", "{\"other\":1}", MG_DROP, NULL); /* it says nothing of t */
    CU_ASSERT_EQUAL(kit_counter(state, COUNT_WITHOUT_VALUE), 1);
    struct kit_verdict v = process(event, "m1", "\xff any bytes");
    struct mg_value value;
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    CU_ASSERT_TRUE_FATAL(table->event_find(v.events[0], kit_str("t"), &value));
    CU_ASSERT_EQUAL(value.type, MG_FLOAT);
    CU_ASSERT_EQUAL(value.as.d, 20.5);
    kit_verdict_fini(&v);
    close_host(state, event);
}

static void a_text_is_remembered_as_one(void)
{
    open_host();
    mg_instance *state = step("{ remember: lamp, key: '{machine}', as: text }");
    mg_instance *event = step("{ recall: lamp, key: '{machine}', into: lamp }");
    expect(state, "m1", "ON \"now\"", MG_PASS, NULL);
    expect(event, "m1", "{}", MG_REPLACE, "{\"lamp\":\"ON \\\"now\\\"\"}");
    expect(state, "m1", "\xff", MG_REJECT, NULL);
    expect(event, "m1", "{}", MG_REPLACE, "{\"lamp\":\"ON \\\"now\\\"\"}");
    close_host(state, event);
}

/* As MQTT removes a retained message. */
static void an_empty_payload_forgets(void)
{
    open_host();
    mg_instance *state = step("{ remember: s, key: '{machine}' }");
    mg_instance *event = step("{ recall: s, key: '{machine}', into: s, on_missing: drop }");
    expect(state, "m1", "1", MG_PASS, NULL);
    expect(event, "m1", "{}", MG_REPLACE, "{\"s\":1}");
    expect(state, "m1", "", MG_PASS, NULL);
    expect(event, "m1", "{}", MG_DROP, NULL);
    expect(state, "m1", "{\"broken\":", MG_REJECT, NULL);
    expect(state, NULL, "1", MG_REJECT, NULL); /* whose is it? */
    expect(event, NULL, "{}", MG_DROP, NULL);
    close_host(state, event);
}

static void an_old_value_is_missing(void)
{
    open_host();
    mg_instance *state = step("{ remember: s, key: '{machine}' }");
    mg_instance *event =
        step("{ recall: s, key: '{machine}', into: s, max_age: 10s, on_missing: reject }");
    expect(state, "m1", "1", MG_PASS, NULL);
    kit_clock_advance_ms(host, 10000);
    expect(event, "m1", "{}", MG_REPLACE, "{\"s\":1}");
    kit_clock_advance_ms(host, 1);
    expect(event, "m1", "{}", MG_REJECT, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "\"m1\" is too old"));
    close_host(state, event);
}

static void an_event_can_wait_for_its_state(void)
{
    open_host();
    mg_instance *state = step("{ remember: s, key: '{machine}' }");
    mg_instance *event = step("{ recall: s, key: '{machine}', into: s, on_missing: retry }");
    expect(event, "m1", "{}", MG_RETRY, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "nothing is remembered of \"m1\""));
    expect(state, "m1", "1", MG_PASS, NULL);
    expect(event, "m1", "{}", MG_REPLACE, "{\"s\":1}");
    close_host(state, event);
}

static void one_step_can_do_both(void)
{
    open_host();
    mg_instance *both =
        step("{ remember: last, recall: last, key: '{machine}', value: t, into: before }");
    expect(both, "m1", "{\"t\":1}", MG_PASS, NULL);
    expect(both, "m1", "{\"t\":2}", MG_REPLACE, "{\"t\":2,\"before\":1}");
    expect(both, "m1", "{\"t\":3}", MG_REPLACE, "{\"t\":3,\"before\":2}");
    expect(both, "m1", "[]", MG_REJECT, NULL); /* no place for it */
    expect(both, "m1", "{\"t\":4}", MG_REPLACE, "{\"t\":4,\"before\":3}");
    close_host(both, NULL);
}

static void names_are_apart(void)
{
    open_host();
    mg_instance *one = step("{ remember: one, recall: two, key: k, into: two }");
    mg_instance *two = step("{ remember: two, recall: one, key: k, into: one }");
    expect(one, NULL, "{}", MG_PASS, NULL);
    expect(two, NULL, "{\"x\":1}", MG_REPLACE, "{\"x\":1,\"one\":{}}");
    expect(one, NULL, "{}", MG_REPLACE, "{\"two\":{\"x\":1}}");
    close_host(one, two);
}

static void the_end_forgets_all(void)
{
    for (int i = 0; i < 2; i++) {
        open_host();
        mg_instance *both = step("{ remember: s, recall: s, key: k, into: s }");
        expect(both, NULL, "{}", MG_PASS, NULL);
        close_host(both, NULL);
    }
}

/* A payload says how many there are, and each costs a look at all of them. */
static void an_object_becomes_so_many_properties_and_no_more(void)
{
    static char text[32 * 1025 + 2];
    for (size_t members = 1024; members <= 1025; members++) {
        open_host();
        mg_instance *state = step("{ remember: s, key: k }");
        mg_instance *event = step("{ recall: s, key: k, into: 'property:s' }");
        size_t used = 0;
        for (size_t i = 0; i < members; i++)
            used += (size_t)snprintf(text + used, sizeof text - used, "%c\"m%zu\":%zu",
                                     i ? ',' : '{', i, i);
        snprintf(text + used, sizeof text - used, "}");
        expect(state, "m1", text, MG_PASS, NULL);
        struct kit_verdict v = process(event, "m1", "any");
        CU_ASSERT_EQUAL(v.verdict, members <= 1024 ? MG_REPLACE : MG_REJECT);
        CU_ASSERT_TRUE(v.verdict == MG_REPLACE || strstr(err.text, "more than 1024 members"));
        kit_verdict_fini(&v);
        close_host(state, event);
    }
}

static void a_name_that_nobody_remembers_stops_the_start(void)
{
    open_host();
    mg_instance *event = step("{ recall: typo, key: k, into: s }");
    CU_ASSERT_EQUAL(kit_instance_start(event, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "under the name \"typo\""));
    mg_instance *state = step("{ remember: typo, key: k }");
    CU_ASSERT_EQUAL(kit_instance_start(event, &err), 0);
    kit_instance_stop(event);
    close_host(state, event);
}

static void the_key_unused_for_longest_is_forgotten(void)
{
    open_host();
    mg_instance *both = step("{ remember: s, recall: s, key: '{machine}', into: s, max_keys: 2 }");
    expect(both, "a", "{}", MG_PASS, NULL);
    expect(both, "b", "{}", MG_PASS, NULL);
    expect(both, "a", "{}", MG_REPLACE, "{\"s\":{}}");
    expect(both, "c", "{}", MG_PASS, NULL);
    CU_ASSERT_EQUAL(kit_counter(both, COUNT_FORGOTTEN), 1);
    expect(both, "a", "{}", MG_REPLACE, "{\"s\":{}}");
    expect(both, "b", "{}", MG_PASS, NULL);
    close_host(both, NULL);
}

static void wrong_settings_are_refused(void)
{
    static const char *const wrong[][2] = {
        {"{ key: k }", "remember"},
        {"{ key: k, recall: a }", "into"},
        {"{ key: k, recall: a, into: . }", "into"},
        {"{ key: k, recall: a, into: data }", "into"},
        {"{ key: k, recall: a, into: 'property:' }", "into"},
        {"{ key: k, remember: a, into: x }", "into"},
        {"{ key: k, remember: a, max_age: 1s }", "max_age"},
        {"{ key: k, remember: a, on_missing: drop }", "on_missing"},
        {"{ key: k, remember: a, value: a..b }", "value"},
        {"{ key: k, remember: a, value: a, as: text }", "value"},
        {"{ key: k, recall: a, into: x, value: a }", "value"},
        {"{ key: k, recall: a, remember: b, into: x, then: drop }", "then"},
        {"{ key: k, recall: a, remember: a, into: x, on_missing: retry }", "on_missing"},
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
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(the_latest_state_is_joined)},
        {KIT_TEST(one_value_goes_into_a_property)},
        {KIT_TEST(a_text_is_remembered_as_one)},
        {KIT_TEST(an_empty_payload_forgets)},
        {KIT_TEST(an_old_value_is_missing)},
        {KIT_TEST(an_event_can_wait_for_its_state)},
        {KIT_TEST(one_step_can_do_both)},
        {KIT_TEST(names_are_apart)},
        {KIT_TEST(the_end_forgets_all)},
        {KIT_TEST(an_object_becomes_so_many_properties_and_no_more)},
        {KIT_TEST(a_name_that_nobody_remembers_stops_the_start)},
        {KIT_TEST(the_key_unused_for_longest_is_forgotten)},
        {KIT_TEST(wrong_settings_are_refused)},
        {0}};
    return kit_main("plugin-last-value", tests);
}
