/* SPDX-License-Identifier: Apache-2.0 */
/* Operations on the store of a stopped gateway: what is meant, what is done, and how it counts. */
#include "admin/text.h"
#include "config/bind_value.h"
#include "dead_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Five letters: 1 and 2 of hot's sinks, 3 to 5 of steps. */
static void open_five(struct dead_kit *kit)
{
    dead_kit_open(kit, true);
    uint64_t first = dead_kit_append(kit, "in/1", "one"),
             second = dead_kit_append(kit, "in/2", "two");
    dead_kit_bury(kit, 0, first, "Not authorised");
    dead_kit_bury(kit, 1, second, "too large");
    dead_kit_bury_steps(kit, kit->hot, 2, "translate:map", "no field temperature");
    dead_kit_bury_steps(kit, kit->cold, 1, "filter:pattern", "no JSON\xff");
}

static long matched(struct dead_kit *kit, const char *arguments)
{
    char request[512];
    snprintf(request, sizeof request, "{\"op\":\"dlq.ls\"%s}", arguments);
    json_t *lines = dead_kit_ask(kit, request);
    long count = dead_kit_count(lines, "matched");
    CU_ASSERT_EQUAL(count, (long)json_array_size(lines) - 1);
    json_decref(lines);
    return count;
}

static void ls_lists_what_the_filters_mean(void)
{
    struct dead_kit kit;
    open_five(&kit);
    static const struct {
        const char *arguments;
        long count;
    } rows[] = {
        {"", 5},
        {",\"route\":\"hot\"", 4},
        {",\"route\":\"ho\"", 0},
        {",\"sink\":\"out\"", 1},
        {",\"sink\":\"side b\"", 1},
        {",\"sink\":\"b\"", 0},
        {",\"step\":\"translate\"", 2},
        {",\"step\":\"translate:map\"", 2},
        {",\"step\":\"trans\"", 0},
        {",\"reason\":\"AUTHORISED\"", 1},
        {",\"since\":\"1h\"", 5},
        {",\"until\":\"1h\"", 0},
        {",\"since\":\"1h\",\"route\":\"cold\"", 1},
        {",\"id\":\"2\"", 1},
        {",\"id\":\"2-4\"", 3},
        {",\"id\":\"4-\"", 2},
        {",\"id\":\"-2\"", 2},
        {",\"id\":\"9\"", 0},
        {",\"limit\":2", 2},
        {",\"limit\":2,\"id\":\"4-\"", 2},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (matched(&kit, rows[i].arguments) != rows[i].count) {
            fprintf(stderr, "%s: not %ld\n", rows[i].arguments, rows[i].count);
            CU_FAIL("a filter");
        }
    dead_kit_close(&kit);
}

static void an_entry_says_where_when_and_why(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.ls\"}"), *entry = json_array_get(lines, 0);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(entry, "route")), "hot");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(entry, "sink")), "out a/{x}");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(entry, "step")), "confirm");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(entry, "reason")), "Not authorised");
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(entry, "address")), "in/1");
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(entry, "attempts")), 3);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(entry, "bytes")), 3);
    int64_t died = 0;
    CU_ASSERT_EQUAL(gw_value_time(json_string_value(json_object_get(entry, "died")), 0, &died), 0);
    CU_ASSERT(died > gw_clock_us() - 60000000 && died <= gw_clock_us());
    CU_ASSERT(json_is_null(json_object_get(json_array_get(lines, 2), "sink")));
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(json_array_get(lines, 4), "reason")),
                           "no JSON?");
    json_decref(lines);
    dead_kit_close(&kit);
}

static void show_has_the_whole_record(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.show\",\"id\":2}");
    json_t *record = json_object_get(json_array_get(lines, 0), "record");
    CU_ASSERT_EQUAL(json_array_size(lines), 1);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(record, "origin")), "in/2");
    CU_ASSERT_STRING_EQUAL(
        json_string_value(json_object_get(json_object_get(record, "message"), "payload")), "two");
    json_decref(lines);
    lines = dead_kit_ask(&kit, "{\"op\":\"dlq.show\",\"id\":7}");
    CU_ASSERT_STRING_EQUAL(dead_kit_error(lines), "there is no dead letter 7");
    json_decref(lines);
    dead_kit_close(&kit);
}

static json_t *letter(struct dead_kit *kit, int id)
{
    char request[64];
    snprintf(request, sizeof request, "{\"op\":\"dlq.show\",\"id\":%d}", id);
    json_t *lines = dead_kit_ask(kit, request);
    json_t *record = json_deep_copy(json_object_get(json_array_get(lines, 0), "record"));
    CU_ASSERT_PTR_NOT_NULL_FATAL(record);
    json_decref(lines);
    return record;
}

static json_t *edit(struct dead_kit *kit, int id, json_t *record)
{
    json_t *request = json_pack("{s:s, s:i, s:O}", "op", "dlq.edit", "id", id, "record", record);
    char *text = json_dumps(request, 0);
    json_t *lines = dead_kit_ask(kit, text);
    free(text);
    json_decref(request);
    return lines;
}

static void edit_replaces_the_record_and_nothing_else(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *record = letter(&kit, 2);
    json_object_set_new(json_object_get(record, "message"), "payload", json_string("three"));
    json_t *lines = edit(&kit, 2, record);
    CU_ASSERT_STRING_EQUAL(dead_kit_error(lines), "");
    json_decref(lines);
    json_t *now = letter(&kit, 2);
    CU_ASSERT(json_equal(now, record));
    json_decref(now);
    CU_ASSERT_EQUAL(matched(&kit, ",\"reason\":\"too large\",\"sink\":\"side b\",\"id\":\"2\""), 1);

    lines = edit(&kit, 9, record);
    CU_ASSERT_STRING_EQUAL(dead_kit_error(lines), "there is no dead letter 9");
    json_decref(lines);
    json_object_set_new(json_object_get(record, "message"), "qos", json_string("high"));
    lines = edit(&kit, 2, record);
    CU_ASSERT(strlen(dead_kit_error(lines)) > 0);
    json_decref(lines);
    json_decref(record);
    dead_kit_close(&kit);
}

static void edit_does_not_give_a_leg_to_another_sink(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *record = letter(&kit, 1), *legs = json_object_get(record, "legs");
    CU_ASSERT_FATAL(json_array_size(legs) > 0);
    json_object_set_new(json_array_get(legs, 0), "sink", json_integer(5));
    json_t *lines = edit(&kit, 1, record);
    CU_ASSERT_PTR_NOT_NULL(strstr(dead_kit_error(lines), "legs say which sink"));
    json_decref(lines);
    json_array_clear(legs);
    lines = edit(&kit, 1, record);
    CU_ASSERT_PTR_NOT_NULL(strstr(dead_kit_error(lines), "legs say which sink"));
    json_decref(lines);
    json_decref(record);
    dead_kit_close(&kit);
}

/* ---- the ledger ----------------------------------------------------------------------------- */

static long term(struct dead_kit *kit, const char *route, const char *name)
{
    json_t *lines = dead_kit_ask(kit, "{\"op\":\"ledger\"}"), *reply = json_array_get(lines, 0), *r;
    long value = -1;
    size_t i;
    CU_ASSERT(json_is_true(json_object_get(reply, "balanced")));
    CU_ASSERT(json_is_true(json_object_get(reply, "stopped")));
    json_array_foreach(json_object_get(reply, "routes"), i, r)
    {
        if (!strcmp(json_string_value(json_object_get(r, "route")), route))
            value = (long)json_integer_value(json_object_get(r, name));
    }
    json_decref(lines);
    return value;
}

static void the_ledger_of_a_stopped_gateway_balances(void)
{
    struct dead_kit kit;
    open_five(&kit);
    dead_kit_reopen(&kit);
    CU_ASSERT_EQUAL(term(&kit, "hot", "received"), 4);
    CU_ASSERT_EQUAL(term(&kit, "hot", "stored"), 2);
    CU_ASSERT_EQUAL(term(&kit, "hot", "dead_lettered"), 2);
    CU_ASSERT_EQUAL(term(&kit, "cold", "dead_lettered"), 1);
    dead_kit_close(&kit);
}

/* What waits for one sink of route hot. */
static long backlog(struct dead_kit *kit, const char *sink)
{
    json_t *lines = dead_kit_ask(kit, "{\"op\":\"store.info\"}"), *route, *s;
    long count = -1;
    size_t i, j;
    json_array_foreach(json_object_get(json_array_get(lines, 0), "routes"), i, route)
    {
        if (strcmp(json_string_value(json_object_get(route, "route")), "hot"))
            continue;
        json_array_foreach(json_object_get(route, "sinks"), j, s)
        {
            if (!strcmp(json_string_value(json_object_get(s, "sink")), sink))
                count = (long)json_integer_value(json_object_get(s, "backlog"));
        }
    }
    json_decref(lines);
    return count;
}

static void info_has_the_backlog_of_every_sink(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"store.info\"}"),
           *store = json_object_get(json_array_get(lines, 0), "store");
    CU_ASSERT(json_is_true(json_object_get(store, "healthy")));
    json_decref(lines);
    CU_ASSERT_EQUAL(backlog(&kit, "out a/{x}"), 1);
    CU_ASSERT_EQUAL(backlog(&kit, "side b"), 1);
    dead_kit_close(&kit);
}

/* ---- retry, drop ---------------------------------------------------------------------------- */

static void a_letter_of_a_sink_goes_back_to_that_sink(void)
{
    struct dead_kit kit;
    open_five(&kit);
    dead_kit_reopen(&kit);
    CU_ASSERT_EQUAL(term(&kit, "hot", "stored"), 2); /* which also opens the logs as they are */
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.retry\",\"sink\":\"out\"}");
    CU_ASSERT_STRING_EQUAL(dead_kit_error(lines), "");
    CU_ASSERT_EQUAL(dead_kit_count(lines, "matched"), 1);
    CU_ASSERT_EQUAL(dead_kit_count(lines, "done"), 1);
    json_decref(lines);
    CU_ASSERT_EQUAL(matched(&kit, ""), 4);
    CU_ASSERT_EQUAL(matched(&kit, ",\"id\":\"1\""), 0);
    CU_ASSERT_EQUAL(backlog(&kit, "out a/{x}"), 2);
    CU_ASSERT_EQUAL(backlog(&kit, "side b"), 1);
    dead_kit_close(&kit);
}

static void a_letter_of_a_step_waits_for_the_gateway(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.retry\",\"step\":\"translate\"}");
    CU_ASSERT_EQUAL(dead_kit_count(lines, "matched"), 2);
    CU_ASSERT_EQUAL(dead_kit_count(lines, "skipped"), 2);
    CU_ASSERT_EQUAL(dead_kit_count(lines, "done"), 0);
    CU_ASSERT_EQUAL(json_array_size(lines), 3);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(
                        json_object_get(json_array_get(lines, 0), "skipped"), "id")),
                    3);
    json_decref(lines);
    CU_ASSERT_EQUAL(matched(&kit, ""), 5);
    dead_kit_close(&kit);
}

static void dropped_letters_count_as_discarded(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.drop\",\"route\":\"hot\",\"id\":\"3-\"}");
    CU_ASSERT_EQUAL(dead_kit_count(lines, "done"), 2);
    json_decref(lines);
    CU_ASSERT_EQUAL(term(&kit, "hot", "discarded"), 2);
    CU_ASSERT_EQUAL(term(&kit, "hot", "dead_lettered"), 0);
    lines = dead_kit_ask(&kit, "{\"op\":\"dlq.drop\",\"all\":true,\"limit\":2}");
    CU_ASSERT_EQUAL(dead_kit_count(lines, "done"), 2);
    json_decref(lines);
    CU_ASSERT_EQUAL(matched(&kit, ""), 1);
    CU_ASSERT_EQUAL(matched(&kit, ",\"route\":\"cold\""), 1);
    dead_kit_close(&kit);
}

static void many_are_dropped_some_at_a_time(void)
{
    struct dead_kit kit;
    open_five(&kit);
    dead_kit_bury_steps(&kit, kit.cold, 5000, "filter:pattern", "no JSON");
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.drop\",\"route\":\"cold\"}");
    CU_ASSERT_EQUAL(dead_kit_count(lines, "matched"), 5001);
    CU_ASSERT_EQUAL(dead_kit_count(lines, "done"), 5001);
    json_decref(lines);
    CU_ASSERT_EQUAL(matched(&kit, ""), 4);
    CU_ASSERT_EQUAL(term(&kit, "cold", "discarded"), 5001);
    dead_kit_close(&kit);
}

static void a_dry_run_only_counts(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.drop\",\"all\":true,\"dry_run\":true}");
    CU_ASSERT_EQUAL(dead_kit_count(lines, "matched"), 5);
    CU_ASSERT_EQUAL(dead_kit_count(lines, "done"), 0);
    json_decref(lines);
    CU_ASSERT_EQUAL(matched(&kit, ""), 5);
    dead_kit_close(&kit);
}

static void all_has_to_be_said(void)
{
    struct dead_kit kit;
    open_five(&kit);
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.drop\",\"limit\":3}");
    CU_ASSERT_PTR_NOT_NULL(strstr(dead_kit_error(lines), "--all"));
    json_decref(lines);
    CU_ASSERT_EQUAL(matched(&kit, ""), 5);
    dead_kit_close(&kit);
}

static void a_rate_is_kept(void)
{
    struct dead_kit kit;
    open_five(&kit);
    dead_kit_bury_steps(&kit, kit.cold, 30, "filter:pattern", "no JSON");
    int64_t begun_us = gw_clock_us();
    json_t *lines = dead_kit_ask(&kit, "{\"op\":\"dlq.drop\",\"route\":\"cold\",\"rate\":100}");
    CU_ASSERT_EQUAL(dead_kit_count(lines, "done"), 31);
    CU_ASSERT(gw_clock_us() - begun_us >= 150000); /* 31 at 100/s, of which some may catch up */
    json_decref(lines);
    dead_kit_close(&kit);
}

/* ---- requests ------------------------------------------------------------------------------- */

static void wrong_requests_are_refused_with_the_cure(void)
{
    struct dead_kit kit;
    open_five(&kit);
    static const struct {
        const char *request, *error;
    } rows[] = {
        {"{}", "a request is a JSON object on one line"},
        {"[1]", "a request is a JSON object on one line"},
        {"{\"op\":\"dlq.list\"}", "there are: report ledger"},
        {"{\"op\":\"dlq.ls\",\"rout\":\"hot\"}", "did you mean \"route\"?"},
        {"{\"op\":\"dlq.ls\",\"route\":7}", "route takes a text"},
        {"{\"op\":\"dlq.ls\",\"route\":\"a\\u0000b\"}", "route has a NUL in it"},
        {"{\"op\":\"dlq.ls\",\"limit\":\"2\"}", "limit takes a whole number"},
        {"{\"op\":\"dlq.ls\",\"limit\":-1}", "limit is out of bounds"},
        {"{\"op\":\"dlq.ls\",\"since\":\"yesterday\"}", "it is written like"},
        {"{\"op\":\"dlq.ls\",\"id\":\"9-7\"}", "no range of ids"},
        {"{\"op\":\"dlq.ls\",\"id\":\"-\"}", "no range of ids"},
        {"{\"op\":\"dlq.ls\",\"id\":\"x\"}", "no range of ids"},
        {"{\"op\":\"dlq.show\"}", "id is missing"},
        {"{\"op\":\"dlq.edit\",\"id\":1}", "record is missing"},
        {"{\"op\":\"dlq.drop\",\"all\":1}", "all is true or false"},
        {"{\"op\":\"replay\",\"route\":\"hot\",\"from\":\"1h\"}", "needs the running gateway"},
        {"{\"op\":\"pause\",\"route\":\"hot\"}", "needs the running gateway"},
        {"{\"op\":\"report\"}", "needs the running gateway"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        json_t *lines = dead_kit_ask(&kit, rows[i].request);
        if (!strstr(dead_kit_error(lines), rows[i].error)) {
            fprintf(stderr, "%s: %s\n", rows[i].request, dead_kit_error(lines));
            CU_FAIL("not refused as expected");
        }
        json_decref(lines);
    }
    dead_kit_close(&kit);
}

static void every_operation_has_a_schema(void)
{
    for (size_t i = 0; gw_operations[i]; i++) {
        const struct gw_operation *o = gw_operations[i];
        CU_ASSERT(o->name && o->doc && o->step);
        for (const struct mg_option *a = o->arguments; a && a->name; a++) {
            CU_ASSERT(a->doc && a->type);
            CU_ASSERT(a->offset < o->arguments_size);
        }
    }
}

static void moments_are_read_and_written(void)
{
    static const struct {
        const char *text;
        int error;
        int64_t us;
    } rows[] = {
        {"2h", 0, INT64_C(1000000000000000) - INT64_C(7200000000)},
        {"1970-01-01T00:00:00Z", 0, 0},
        {"2026-03-01T08:00:00Z", 0, INT64_C(1772352000000000)},
        {"2026-03-01 09:00+01:00", 0, INT64_C(1772352000000000)},
        {"2026-03-01t08:00:00.25z", 0, INT64_C(1772352000250000)},
        {"2026-03-01", 0, INT64_C(1772323200000000)},
        {"2024-02-29", 0, INT64_C(1709164800000000)},
        {"2025-02-29", -EINVAL, 0},
        {"2026-13-01", -EINVAL, 0},
        {"2026-03-01T", -EINVAL, 0},
        {"2026-03-01T08", -EINVAL, 0},
        {"2026-03-01T08:00:00.", -EINVAL, 0},
        {"2026-03-01T08:00:00Zulu", -EINVAL, 0},
        {"2026-03-01Z", -EINVAL, 0},
        {"99999999d", -ERANGE, 0},
        {"", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t us = 0;
        int error = gw_value_time(rows[i].text, INT64_C(1000000000000000), &us);
        if (error != rows[i].error || us != rows[i].us) {
            fprintf(stderr, "%s: %d, %lld\n", rows[i].text, error, (long long)us);
            CU_FAIL("a moment");
        }
        char text[GW_VALUE_TIME_BYTES];
        int64_t again = -1;
        CU_ASSERT_EQUAL(gw_value_time(gw_value_time_text(us, text), 0, &again), 0);
        CU_ASSERT_EQUAL(again, us);
    }
}

static const struct kit_test tests[] = {
    {KIT_TEST(moments_are_read_and_written)},
    {KIT_TEST(every_operation_has_a_schema)},
    {KIT_TEST(wrong_requests_are_refused_with_the_cure)},
    {KIT_TEST(ls_lists_what_the_filters_mean)},
    {KIT_TEST(an_entry_says_where_when_and_why)},
    {KIT_TEST(show_has_the_whole_record)},
    {KIT_TEST(edit_replaces_the_record_and_nothing_else)},
    {KIT_TEST(edit_does_not_give_a_leg_to_another_sink)},
    {KIT_TEST(the_ledger_of_a_stopped_gateway_balances)},
    {KIT_TEST(info_has_the_backlog_of_every_sink)},
    {KIT_TEST(a_letter_of_a_sink_goes_back_to_that_sink)},
    {KIT_TEST(a_letter_of_a_step_waits_for_the_gateway)},
    {KIT_TEST(dropped_letters_count_as_discarded)},
    {KIT_TEST(many_are_dropped_some_at_a_time)},
    {KIT_TEST(a_dry_run_only_counts)},
    {KIT_TEST(all_has_to_be_said)},
    {KIT_TEST(a_rate_is_kept)},
    {NULL, NULL},
};

int main(void)
{
    return kit_main("operations", tests);
}
