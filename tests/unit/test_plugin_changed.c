/* SPDX-License-Identifier: Apache-2.0 */
/* The filter "changed": what passes, what is dropped, what is refused. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *instance;
static struct mg_err err;

static void open_filter(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    kit_clock_by_hand(host);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "changed", settings, &instance, &err),
                          0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static void close_filter(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t verdict_of(mg_event *event)
{
    struct kit_verdict v =
        kit_process(instance, event, kit_scope(host, "route", "machine", "m1", NULL));
    uint32_t verdict = v.verdict;
    err = v.err;
    kit_verdict_fini(&v);
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static uint32_t on(const char *address, const char *payload)
{
    return verdict_of(kit_event(address, payload));
}

static void small_changes_are_dropped_and_do_not_move_the_reference(void)
{
    open_filter("{value: t, deadband: 0.5}");
    CU_ASSERT_EQUAL(on("a", "{\"t\":20}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"t\":20.4}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"t\":20.5}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"t\":20.51}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"t\":20.1}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"t\":20.0}"), MG_PASS);
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 3);
    close_filter();
}

static void decimal_fractions_do_not_cross_the_deadband_by_rounding(void)
{
    open_filter("{deadband: 0.1}");
    CU_ASSERT_EQUAL(on("a", "0.2"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "0.3"), MG_DROP);
    close_filter();
    open_filter("{}");
    CU_ASSERT_EQUAL(on("a", "9007199254740992"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "9007199254740994"), MG_PASS);
    close_filter();
}

static void a_percentage_is_of_the_last_passed(void)
{
    open_filter("{value: data.t, deadband: 10%}");
    CU_ASSERT_EQUAL(on("a", "{\"t\":-100}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"data\":{\"t\":-109}}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"data\":{\"t\":-111}}"), MG_PASS);
    close_filter();
}

static void keys_are_apart(void)
{
    open_filter("{value: t}");
    CU_ASSERT_EQUAL(on("a", "{\"t\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("b", "{\"t\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"t\":1}"), MG_DROP);
    close_filter();
    open_filter("{value: t, key: '{machine}'}");
    CU_ASSERT_EQUAL(on("a", "{\"t\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("b", "{\"t\":1}"), MG_DROP);
    close_filter();
}

static void what_is_no_number_is_compared_whole(void)
{
    open_filter("{value: s, deadband: 5}");
    CU_ASSERT_EQUAL(on("a", "{\"s\":{\"x\":1,\"y\":2}}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"s\":{\"y\":2,\"x\":1}}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"s\":{\"y\":2,\"x\":3}}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"s\":\"on\"}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"s\":\"on\"}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"s\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"s\":true}"), MG_PASS);
    close_filter();
}

static void without_a_path_the_payload_is_the_value(void)
{
    open_filter("{deadband: 1}");
    CU_ASSERT_EQUAL(on("a", "21.5"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", " 22\n"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "23"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "not { json"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "not { json"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", ""), MG_PASS);
    CU_ASSERT_EQUAL(on("a", ""), MG_DROP);
    close_filter();
}

static void time_lets_pass_and_holds_back(void)
{
    open_filter("{value: t, at_least_every: 10s, at_most_every: 1s}");
    CU_ASSERT_EQUAL(on("a", "{\"t\":1}"), MG_PASS);
    kit_clock_advance_ms(host, 999);
    CU_ASSERT_EQUAL(on("a", "{\"t\":2}"), MG_DROP);
    kit_clock_advance_ms(host, 1);
    CU_ASSERT_EQUAL(on("a", "{\"t\":2}"), MG_PASS);
    kit_clock_advance_ms(host, 9999);
    CU_ASSERT_EQUAL(on("a", "{\"t\":2}"), MG_DROP);
    kit_clock_advance_ms(host, 1);
    CU_ASSERT_EQUAL(on("a", "{\"t\":2}"), MG_PASS);
    close_filter();
}

static void a_repetition_of_the_last_passed_passes(void)
{
    open_filter("{}");
    for (int i = 0; i < 2; i++) {
        struct mg_message m = kit_message("a", "7");
        m.head.duplicate = i;
        CU_ASSERT_EQUAL(verdict_of(kit_host_table(host)->event_new(&m)), MG_PASS);
    }
    CU_ASSERT_EQUAL(on("a", "7"), MG_DROP);
    close_filter();
}

static void poison_is_rejected_and_a_missing_value_is_a_choice(void)
{
    open_filter("{value: t}");
    CU_ASSERT_EQUAL(on("a", "{\"t\":"), MG_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line 1"));
    CU_ASSERT_EQUAL(on("a", ""), MG_REJECT);
    CU_ASSERT_EQUAL(on("a", "{}"), MG_PASS);
    close_filter();
    open_filter("{value: t, on_missing: drop}");
    CU_ASSERT_EQUAL(on("a", "[]"), MG_DROP);
    close_filter();
    open_filter("{value: t, on_missing: reject, key: '{property.none}'}");
    CU_ASSERT_EQUAL(on("a", "7"), MG_REJECT);
    CU_ASSERT_EQUAL(on("a", "{\"t\":1}"), MG_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "none"));
    close_filter();
}

static void the_oldest_keys_are_forgotten(void)
{
    open_filter("{max_keys: 2}");
    CU_ASSERT_EQUAL(on("a", "1"), MG_PASS);
    CU_ASSERT_EQUAL(on("b", "1"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "1"), MG_DROP); /* used: now b is the oldest */
    CU_ASSERT_EQUAL(on("c", "1"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "1"), MG_DROP);
    CU_ASSERT_EQUAL(on("b", "1"), MG_PASS);
    CU_ASSERT_EQUAL(kit_counter(instance, 1), 2);
    close_filter();
}

static void numbers_are_compared_as_they_are_written(void)
{
    open_filter("{value: n}");
    CU_ASSERT_EQUAL(on("a", "{\"n\":9007199254740993}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"n\":9007199254740992}"), MG_PASS); /* one and the same double */
    CU_ASSERT_EQUAL(on("a", "{\"n\":9007199254740992.0}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"n\":9007199254740992e0}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"n\":123456789012345678901234567890}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"n\":123456789012345678901234567891}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"n\":0}"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "{\"n\":-0.00}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"n\":1e400}"), MG_PASS); /* beyond every double */
    CU_ASSERT_EQUAL(on("a", "{\"n\":10E+399}"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "{\"n\":1e401}"), MG_PASS);
    close_filter();
    open_filter("{}");
    CU_ASSERT_EQUAL(on("a", "+12.50"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "1250e-2"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "0.0125e3"), MG_DROP);
    CU_ASSERT_EQUAL(on("a", "0.0125e4"), MG_PASS);
    CU_ASSERT_EQUAL(on("a", "125\n"), MG_DROP);
    close_filter();
}

/* Each differs from the one before it, and is the same as its second spelling. */
static void documents_are_the_same_in_every_spelling(void)
{
    static const char *const each[][2] = {
        {"null", " null "},
        {"true", "true"},
        {"false", "false"},
        {"0", "0.0"},
        {"\"\"", "\"\""},
        {"[]", "[ ]"},
        {"{}", "{ }"},
        {"[null]", "[ null ]"},
        {"[[1],2]", "[[1.0],2e0]"},
        {"[1,[2]]", "[1,[0.2e1]]"},
        {"[[1,2]]", "[[1,2]]"},
        {"{\"a\":1,\"b\":[2]}", "{\"b\":[2],\"\\u0061\":1}"},
        {"{\"a\":[2],\"b\":1}", "{\"a\":3,\"b\":1,\"a\":[2]}"},
        {"{\"a\":{\"b\":1}}", "{\"a\":{\"b\":0.1e1}}"},
        {"{\"b\":{\"a\":1}}", "{\"b\":{\"a\":1}}"},
        {"\"1\"", "\"\\u0031\""},
        {"\"12345678901234567890123456789012345678901234567890\"",
         "\"12345678901234567890123456789012345678901234567890\""},
        {"[12345678901234567890123456789012345678901234567890]",
         "[1.2345678901234567890123456789012345678901234567890E49]"},
        {"[12345678901234567890123456789012345678901234567891]",
         "[123456789012345678901234567890123456789012345678.91e2]"},
    };
    open_filter("{value: .}");
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        CU_ASSERT_EQUAL(on("a", each[i][0]), MG_PASS);
        CU_ASSERT_EQUAL(on("a", each[i][1]), MG_DROP);
    }
    close_filter();
}

static void wrong_settings_are_refused(void)
{
    static const char *const wrong[][2] = {
        {"{deadband: much}", "deadband"},
        {"{deadband: -1}", "deadband"},
        {"{deadband: 5%%}", "deadband"},
        {"{deadband: nan}", "deadband"},
        {"{value: a..b}", "value"},
        {"{at_least_every: 1s, at_most_every: 2s}", "at_least_every"},
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
        {"small changes are dropped, the reference stays",
         small_changes_are_dropped_and_do_not_move_the_reference},
        {"decimal fractions do not cross by rounding",
         decimal_fractions_do_not_cross_the_deadband_by_rounding},
        {"a percentage is of the last passed", a_percentage_is_of_the_last_passed},
        {"keys are apart", keys_are_apart},
        {"what is no number is compared whole", what_is_no_number_is_compared_whole},
        {"without a path the payload is the value", without_a_path_the_payload_is_the_value},
        {"time lets pass and holds back", time_lets_pass_and_holds_back},
        {"a repetition of the last passed passes", a_repetition_of_the_last_passed_passes},
        {"poison is rejected, a missing value is a choice",
         poison_is_rejected_and_a_missing_value_is_a_choice},
        {"the oldest keys are forgotten", the_oldest_keys_are_forgotten},
        {"numbers are compared as they are written", numbers_are_compared_as_they_are_written},
        {"documents are the same in every spelling", documents_are_the_same_in_every_spelling},
        {"wrong settings are refused", wrong_settings_are_refused},
        {0}};
    return kit_main("plugin-changed", tests);
}
