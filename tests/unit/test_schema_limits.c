/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema by itself: numbers that no double holds, and where the limits are. */
#include "schema_kit.h"
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- numbers, patterns, formats ------------------------------------------------------------- */

static void numbers_are_not_rounded(void)
{
    schema_open("{\"maximum\": 9007199254740992, \"type\": \"integer\"}");
    CU_ASSERT_EQUAL(schema_validate("9007199254740992.0"), 0);
    CU_ASSERT_EQUAL(schema_validate("9007199254740993"), -EINVAL);
    CU_ASSERT_EQUAL(schema_validate("1e1"), 0);
    CU_ASSERT_EQUAL(schema_validate("1e-1"), -EINVAL);
    CU_ASSERT_EQUAL(schema_validate("-1e999999999999"), 0);
    schema_end();
    schema_open("{\"multipleOf\": 0.1}");
    CU_ASSERT_EQUAL(schema_validate("0.3"), 0);
    CU_ASSERT_EQUAL(schema_validate("1e300"), 0);
    CU_ASSERT_EQUAL(schema_validate("123456789012345678901234567890.7"), 0);
    CU_ASSERT_EQUAL(schema_validate("0.35"), -EINVAL);
    CU_ASSERT_EQUAL(schema_validate("0.30000000000000004"), -EINVAL);
    schema_end();
    schema_open("{\"multipleOf\": 7e2}");
    CU_ASSERT_EQUAL(schema_validate("0"), 0);
    CU_ASSERT_EQUAL(schema_validate("-4900"), 0);
    CU_ASSERT_EQUAL(schema_validate("70"), -EINVAL);
    CU_ASSERT_EQUAL(schema_validate("49e2000000"), 0);
    CU_ASSERT_EQUAL(schema_validate("5e2000000"), -EINVAL);
    schema_end();
    schema_open("{\"uniqueItems\": true}");
    CU_ASSERT_EQUAL(schema_validate("[1,1.0]"), -EINVAL);
    CU_ASSERT_EQUAL(schema_validate("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,100e-1]"), -EINVAL);
    CU_ASSERT_EQUAL(
        schema_validate("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,\"1\",{\"a\":1},{\"a\":2}]"), 0);
    CU_ASSERT_EQUAL(
        schema_validate(
            "[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,{\"a\":1,\"b\":0},{\"b\":0.0,\"a\":1}]"),
        -EINVAL);
    schema_end();
}

static void a_pattern_without_end_is_ended(void)
{
    schema_open("{\"pattern\": \"^(a+)+$\"}");
    CU_ASSERT_EQUAL(schema_validate("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
                    -EOVERFLOW);
    CU_ASSERT_STRING_EQUAL(schema_run.gave_up, "a pattern takes too long on one of its texts");
    CU_ASSERT_EQUAL(schema_validate("\"aaa\""), 0);
    schema_end();
    schema_open("{\"not\": {\"pattern\": \"^(a+)+$\"}}"); /* which is no proof of the contrary */
    CU_ASSERT_EQUAL(schema_validate("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
                    -EOVERFLOW);
    schema_end();
}

static void formats_count_where_they_are_asserted(void)
{
    schema_begin(false);
    CU_ASSERT_EQUAL_FATAL(schema_finish("{\"format\": \"date-time\"}"), 0);
    CU_ASSERT_EQUAL(schema_validate("\"soon\""), 0);
    schema_end();
    schema_begin(true);
    CU_ASSERT_EQUAL_FATAL(schema_finish("{\"format\": \"date-time\"}"), 0);
    CU_ASSERT_EQUAL(schema_validate("\"2024-02-29T23:59:60Z\""), 0);
    CU_ASSERT_EQUAL(schema_validate("1"), 0);
    schema_wrong("\"2023-02-29T00:00:00Z\"", "data: must be of the format date-time, is "
                                             "\"2023-02-29T00:00:00Z\" (order.json#/format)");
    schema_end();
}

/* ---- limits --------------------------------------------------------------------------------- */

static char *repeated(const char *before, const char *part, size_t count, const char *after)
{
    size_t length = strlen(part), at = strlen(before);
    char *text = malloc(at + length * count + strlen(after) + 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    memcpy(text, before, at);
    for (size_t i = 0; i < count; i++, at += length)
        memcpy(text + at, part, length);
    memcpy(text + at, after, strlen(after) + 1);
    return text;
}

static void work_that_grows_without_measure_is_ended(void)
{
    /* Each level tries the next one twice: 2^30 ways to fail. */
    char *schema = NULL, level[200];
    for (int i = 0; i < 30; i++) {
        snprintf(level, sizeof level,
                 "\"d%d\":{\"anyOf\":[{\"$ref\":\"#/$defs/d%d\"},{\"$ref\":\"#/$defs/d%d\"}]},", i,
                 i + 1, i + 1);
        char *longer =
            repeated(schema ? schema : "{\"$ref\":\"#/$defs/d0\",\"$defs\":{", level, 1, "");
        free(schema);
        schema = longer;
    }
    char *whole = repeated(schema, "\"d30\":{\"type\":\"null\"}}}", 1, "");
    schema_open(whole);
    CU_ASSERT_EQUAL(schema_validate("1"), -EOVERFLOW);
    CU_ASSERT_STRING_EQUAL(schema_run.gave_up, "it takes too many steps to validate");
    CU_ASSERT_EQUAL(schema_validate("null"), 0);
    schema_end();
    free(whole);
    free(schema);
}

static void deep_values_are_validated_to_their_ends(void)
{
    schema_open("{\"$defs\":{\"list\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/list\"}}},"
                "\"$ref\":\"#/$defs/list\"}");
    char *open = repeated("", "[", 500, ""), *json = repeated(open, "]", 500, "");
    CU_ASSERT_EQUAL(schema_validate(json), 0);
    free(json);
    json = repeated(open, "1", 1, "");
    char *bad = repeated(json, "]", 500, "");
    CU_ASSERT_EQUAL(schema_validate(bad), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(schema_entries[0].text, "must be of type array, is 1"));
    free(bad);
    free(json);
    free(open);
    schema_end();
}

static void all_of_a_large_list_is_looked_at(void)
{
    schema_open(
        "{\"uniqueItems\": true, \"unevaluatedItems\": {\"type\": \"integer\"}, \"prefixItems\": "
        "[true], \"contains\": {\"const\": 7.5}}");
    size_t room = 400000, at = 0;
    char *json = malloc(room);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    at += (size_t)snprintf(json, room, "[\"x\",7.5");
    for (int i = 0; i < 50000; i++)
        at += (size_t)snprintf(json + at, room - at, ",%d", i);
    snprintf(json + at, room - at, "]");
    CU_ASSERT_EQUAL(schema_validate(json), 0);
    snprintf(json + at, room - at, ",49999]");
    schema_wrong(
        json,
        "data: must have no two equal items, [50001] and [50002] are (order.json#/uniqueItems)");
    snprintf(json + at, room - at, ",0.25]");
    schema_wrong(
        json, "data[50002]: must be of type integer, is 0.25 (order.json#/unevaluatedItems/type)");
    free(json);
    schema_end();
}

static void each_of_two_members_of_one_name_must_fit(void)
{
    schema_open("{\"properties\": {\"a\": {\"type\": \"number\"}}}");
    CU_ASSERT_EQUAL(schema_validate("{\"a\":1,\"a\":2}"), 0);
    CU_ASSERT_EQUAL(schema_validate("{\"a\":1,\"a\":\"x\"}"), -EINVAL);
    CU_ASSERT_EQUAL(schema_validate("{\"a\":\"x\",\"a\":1}"), -EINVAL);
    schema_end();
}

/* Each is little enough by itself. */
static void many_small_works_are_one_large_work(void)
{
    char *text = malloc(1 << 20);
    size_t n = 0;
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    for (int i = 0; i < 1000; i++)
        n += (size_t)snprintf(text + n, (1 << 20) - n, "%c\"aaaaaaaaaaaaaaaaaab\"", i ? ',' : '[');
    memcpy(text + n, "]", 2);
    schema_open("{\"items\": {\"not\": {\"pattern\": \"^(a+)+$\"}}}");
    CU_ASSERT_EQUAL(schema_validate(text), -EOVERFLOW);
    CU_ASSERT_EQUAL(schema_validate("[\"aaaaaaaaaaaaaaaaaab\",\"aaaaaaaaaaaaaaaaaab\"]"), 0);
    schema_end();
    n = 0;
    for (int i = 0; i < 500; i++)
        n += (size_t)snprintf(text + n, (1 << 20) - n, "[1,2,3,4,5,6,7,8,9,10,11,12,");
    for (int i = 0; i < 20000; i++)
        n += (size_t)snprintf(text + n, (1 << 20) - n, "%c%d", i ? ',' : '[', i);
    memset(text + n, ']', 501);
    text[n + 501] = '\0';
    schema_open("{\"uniqueItems\": true, \"items\": {\"$ref\": \"#\"}}");
    CU_ASSERT_EQUAL(schema_validate(text), -EOVERFLOW);
    schema_end();
    free(text);
}

/* ---- threads -------------------------------------------------------------------------------- */

enum { THREADS = 4, ROUNDS = 300 };

/* NULL: each verdict was right. */
static void *validate_often(void *json)
{
    struct run run;
    struct report_entry entry;
    struct report report = {"data", 0, 1, &entry, NULL};
    struct doc *doc = doc_create();
    struct doc_value *value;
    struct mg_err err;
    struct mg_bytes text = {json, strlen(json)};
    size_t wrong = run_init(&run) || doc_parse(doc, text, &value, &err);
    for (int i = 0; !wrong && i < ROUNDS; i++)
        wrong += run_validate(&run, schema_now(), value, &report) != -EINVAL;
    run_fini(&run);
    doc_destroy(doc);
    return wrong ? json : NULL;
}

static void several_threads_use_one_schema_at_once(void)
{
    static const char *const wrong[THREADS] = {"[[\"b1\"]]", "[{\"x\":2}]", "[[[1,1.0]]]",
                                               "[{\"a\":1,\"b\":2,\"c\":3}]"};
    pthread_t threads[THREADS];
    schema_open(
        "{\"$dynamicAnchor\": \"n\", \"items\": {\"$dynamicRef\": \"#n\"}, \"uniqueItems\": true, "
        "\"pattern\": \"^a\\\\d+$\", \"enum\": [\"a1\", [], 1], \"if\": {\"type\": [\"array\", "
        "\"object\"]}, \"properties\": {\"x\": {\"const\": {\"y\": 1}}}, "
        "\"unevaluatedProperties\": "
        "false}");
    for (int i = 0; i < THREADS; i++)
        CU_ASSERT_EQUAL_FATAL(pthread_create(&threads[i], NULL, validate_often, (void *)wrong[i]),
                              0);
    for (int i = 0; i < THREADS; i++) {
        void *failed;
        pthread_join(threads[i], &failed);
        CU_ASSERT_PTR_NULL(failed);
    }
    schema_end();
}

int main(void)
{
    static const struct kit_test tests[] = {{KIT_TEST(numbers_are_not_rounded)},
                                            {KIT_TEST(a_pattern_without_end_is_ended)},
                                            {KIT_TEST(formats_count_where_they_are_asserted)},
                                            {KIT_TEST(work_that_grows_without_measure_is_ended)},
                                            {KIT_TEST(many_small_works_are_one_large_work)},
                                            {KIT_TEST(deep_values_are_validated_to_their_ends)},
                                            {KIT_TEST(all_of_a_large_list_is_looked_at)},
                                            {KIT_TEST(each_of_two_members_of_one_name_must_fit)},
                                            {KIT_TEST(several_threads_use_one_schema_at_once)},
                                            {0}};
    return kit_main("schema-limits", tests);
}
