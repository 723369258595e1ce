/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema by itself: what is said of a value that does not fit, of a schema that is wrong, and
 * where the limits are.  What the specification says is the test suite's (test_schema_suite). */
#include "unit.h"
#include "validator.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct validator *v;
static struct run run;
static struct mg_err err;
static struct report_entry entries[REPORT_ENTRIES_MAX];
static size_t said;

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

static struct mg_bytes bytes(const char *text)
{
    return (struct mg_bytes){text, strlen(text)};
}

static void begin(bool formats)
{
    const struct validator_options options = {DRAFT_2020_12, formats};
    err.text[0] = '\0';
    CU_ASSERT_EQUAL_FATAL(validator_create(&options, &v, &err), 0);
    CU_ASSERT_EQUAL_FATAL(run_init(&run), 0);
}

static void end(void)
{
    validator_destroy(v);
    v = NULL;
    run_fini(&run);
}

static void add(const char *name, const char *uri, const char *text)
{
    struct document *document;
    CU_ASSERT_EQUAL(
        library_add_text(validator_library(v), name, str(uri), bytes(text), &document, &err), 0);
}

static int finish(const char *text)
{
    struct document *document = NULL;
    int error = library_add_text(validator_library(v), "order.json", str("file:///s/order.json"),
                                 bytes(text), &document, &err);
    return error ? error : validator_compile(v, document, false, &err);
}

static void open_schema(const char *text)
{
    begin(false);
    int error = finish(text);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
}

static int validate_up_to(size_t limit, const char *json)
{
    struct report report = {"data", 0, limit, entries, NULL};
    struct doc *doc = doc_create();
    struct doc_value *value = NULL;
    entries[0].text[0] = '\0';
    CU_ASSERT_EQUAL_FATAL(doc_parse(doc, bytes(json), &value, &err), 0);
    int error = run_validate(&run, validator_schema(v), value, &report);
    said = report.count;
    doc_destroy(doc);
    return error;
}

static int validate(const char *json)
{
    return validate_up_to(1, json);
}

/* The one thing that is wrong with it, in words. */
static void wrong(const char *json, const char *words)
{
    CU_ASSERT_EQUAL(validate(json), -EINVAL);
    CU_ASSERT_STRING_EQUAL(entries[0].text, words);
    if (strcmp(entries[0].text, words) != 0)
        fprintf(stderr, "said: %s\n", entries[0].text);
}

static void refused(const char *schema, const char *words)
{
    begin(false);
    CU_ASSERT_EQUAL(finish(schema), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
    if (!strstr(err.text, words))
        fprintf(stderr, "said: %s\n", err.text);
    end();
}

/* ---- words ---------------------------------------------------------------------------------- */

static const char order[] =
    "{\"type\":\"object\",\"required\":[\"id\",\"items\"],\"properties\":{"
    "\"id\":{\"type\":\"string\",\"pattern\":\"^[A-Z]\\\\d+$\",\"maxLength\":5},"
    "\"state\":{\"enum\":[\"new\",\"paid\"]},\"kind\":{\"const\":1},"
    "\"items\":{\"type\":\"array\",\"minItems\":1,\"uniqueItems\":true,\"items\":{\"properties\":{"
    "\"price\":{\"type\":\"number\",\"minimum\":0,\"multipleOf\":0.01},"
    "\"count\":{\"type\":[\"integer\",\"null\"],\"exclusiveMaximum\":10}}}}},"
    "\"additionalProperties\":false,\"dependentRequired\":{\"state\":[\"kind\"]}}";

static void a_failure_names_the_place_the_rule_and_the_value(void)
{
    open_schema(order);
    CU_ASSERT_EQUAL(validate("{\"id\":\"A1\",\"items\":[{\"price\":0.07}]}"), 0);
    wrong("{\"id\":\"A1\",\"items\":[{},{},{},{\"price\":2}]}",
          "data.items: must have no two equal items, [0] and [1] are "
          "(order.json#/properties/items/uniqueItems)");
    wrong("{\"id\":\"A1\",\"items\":[{\"price\":1},{\"price\":-2}]}",
          "data.items[1].price: must be at least 0, is -2 "
          "(order.json#/properties/items/items/properties/price/minimum)");
    wrong("{\"id\":\"A1\",\"items\":[{\"price\":0.075}]}",
          "data.items[0].price: must be a multiple of 1e-2, is 0.075 "
          "(order.json#/properties/items/items/properties/price/multipleOf)");
    wrong("{\"id\":\"A1\",\"items\":[{\"count\":1.5}]}",
          "data.items[0].count: must be of type null or integer, is 1.5 "
          "(order.json#/properties/items/items/properties/count/type)");
    wrong("{\"id\":\"A1\",\"items\":[{\"count\":10}]}",
          "data.items[0].count: must be below 10, is 10 "
          "(order.json#/properties/items/items/properties/count/exclusiveMaximum)");
    wrong("{\"id\":\"A1\"}", "data: must have the member \"items\" (order.json#/required)");
    wrong("{\"id\":\"a1\",\"items\":[1]}",
          "data.id: must match the pattern \"^[A-Z]\\d+$\", is \"a1\" "
          "(order.json#/properties/id/pattern)");
    wrong("{\"id\":\"A12345\",\"items\":[1]}",
          "data.id: must have at most 5 characters, has 6: \"A12345\" "
          "(order.json#/properties/id/maxLength)");
    wrong("{\"id\":\"A1\",\"items\":[]}", "data.items: must have at least 1 item, has 0 "
                                          "(order.json#/properties/items/minItems)");
    wrong("{\"id\":\"A1\",\"items\":[1],\"x y\":1}",
          "data[\"x y\"]: is not allowed (order.json#/additionalProperties)");
    wrong("{\"id\":\"A1\",\"items\":[1],\"kind\":2}",
          "data.kind: must be 1, is 2 (order.json#/properties/kind/const)");
    wrong("{\"id\":\"A1\",\"items\":[1],\"kind\":1,\"state\":\"sent\"}",
          "data.state: must be one of \"new\", \"paid\", is \"sent\" "
          "(order.json#/properties/state/enum)");
    wrong("{\"id\":\"A1\",\"items\":[1],\"state\":\"new\"}",
          "data: must have the member \"kind\", because it has \"state\" "
          "(order.json#/dependentRequired)");
    wrong("[]", "data: must be of type object, is a list of 0 items (order.json#/type)");
    end();
}

static void several_failures_are_named_where_that_is_wanted(void)
{
    open_schema(order);
    const char *json = "{\"items\":[{\"price\":-2},{\"price\":true}],\"extra\":1}";
    CU_ASSERT_EQUAL(validate_up_to(10, json), -EINVAL);
    CU_ASSERT_EQUAL(said, 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(entries[0].text, "must have the member \"id\""));
    CU_ASSERT_PTR_NOT_NULL(strstr(entries[1].text, "data.items[0].price: must be at least 0"));
    CU_ASSERT_PTR_NOT_NULL(strstr(entries[2].text, "data.items[1].price: must be of type number"));
    CU_ASSERT_PTR_NOT_NULL(strstr(entries[3].text, "data.extra: is not allowed"));
    CU_ASSERT_EQUAL(validate_up_to(2, json), -EINVAL);
    CU_ASSERT_EQUAL(said, 2);
    end();
}

static void of_alternatives_the_nearest_is_told(void)
{
    open_schema("{\"anyOf\":[{\"type\":\"string\"},{\"properties\":{\"a\":{\"type\":\"number\"}},"
                "\"type\":\"object\"},{\"type\":\"null\"}]}");
    wrong("{\"a\":\"x\"}",
          "data: fits none of the 3 schemas of anyOf; the nearest says: data.a: must "
          "be of type number, is \"x\" (order.json#/anyOf/1/properties/a/type) "
          "(order.json#/anyOf)");
    end();
    open_schema("{\"oneOf\":[{\"type\":\"number\"},{\"minimum\":1},{\"type\":\"integer\"}]}");
    CU_ASSERT_EQUAL(validate("0.5"), 0);
    wrong("1.5",
          "data: must fit one of the 3 schemas of oneOf, fits [0] and [1] (order.json#/oneOf)");
    end();
}

static void long_things_are_cut_at_the_end_of_a_character(void)
{
    open_schema("{\"properties\":{\"é\":{\"type\":\"number\"}},\"additionalProperties\":false}");
    wrong("{\"é\":\"äääääääääääääääääääää\"}",
          "data[\"é\"]: must be of type number, is \"ääääääääääääääääääää…\" "
          "(order.json#/properties/é/type)");
    char json[2000] = "{\"", *at = json + 2;
    for (int i = 0; i < 600; i++, at += 2)
        memcpy(at, "é", 2);
    memcpy(at, "\":1}", 5);
    CU_ASSERT_EQUAL(validate(json), -EINVAL);
    size_t length = strlen(entries[0].text);
    CU_ASSERT(length < REPORT_BYTES);
    CU_ASSERT_PTR_NOT_NULL(strstr(entries[0].text, "is not allowed"));
    end();
}

/* ---- schemas that are wrong ----------------------------------------------------------------- */

static void a_wrong_schema_is_refused_with_its_place(void)
{
    refused("{\n  \"type\": \"obj\"\n}", "order.json:2:11: ");
    refused("{\"properties\": {\n \"a\": {\"minimum\": \"1\"}}}", "order.json:2:19: ");
    refused("{\"required\": [\"a\", \"a\"]}", "order.json:1:14: ");
    refused("{\"pattern\": \"(\"}", "order.json:1:13: ");
    refused("{\"patternProperties\": {\"a**\": true}}",
            "order.json:1:23: patternProperties has a pattern that is no regular expression");
    refused("{\"$ref\": \"#/$defs/no\"}",
            "order.json:1:10: $ref leads nowhere: the schema has nothing "
            "at #/$defs/no");
    refused("{\"items\": {\"$ref\": \"other.json\"}}",
            "order.json:1:20: $ref leads nowhere: there is no schema file:///s/other.json");
    refused("{\"$schema\": \"http://json-schema.org/draft-04/schema#\"}",
            "order.json:1:1: its $schema");
    refused("[1]", "order.json:1:1: ");
    refused("{\"a\": 1,}", "order.json: not JSON: line 1, column 9");
    refused("{\"$defs\": {\"a\": {\"$id\": \"x\"}, \"b\": {\"$id\": \"x\"}}}", "stands here twice");
    refused("{\"multipleOf\": 1.0000000000000000001}",
            "order.json:1:16: multipleOf must be a number");
}

static void endless_references_are_refused(void)
{
    refused("{\"$ref\": \"#\"}", "refers to itself without end");
    refused(
        "{\"$defs\": {\"a\": {\"allOf\": [{\"$ref\": \"#/$defs/b\"}]}, \"b\": {\"not\": {\"$ref\": "
        "\"#/$defs/a\"}}}, \"$ref\": \"#/$defs/a\"}",
        "refers to itself without end");
    /* These end where the value does. */
    open_schema("{\"items\": {\"$ref\": \"#\"}, \"type\": \"array\"}");
    CU_ASSERT_EQUAL(validate("[[],[[]]]"), 0);
    CU_ASSERT_EQUAL(validate("[[],[[1]]]"), -EINVAL);
    end();
    /* Only an event tells that this one does not. */
    open_schema("{\"if\": true, \"then\": {\"$ref\": \"#\"}}");
    CU_ASSERT_EQUAL(validate("1"), -EOVERFLOW);
    CU_ASSERT_PTR_NOT_NULL(strstr(run.gave_up, "refers to itself without end"));
    end();
}

static void references_go_to_other_files(void)
{
    begin(false);
    add("money.json", "file:///s/parts/money.json",
        "{\"$defs\": {\"amount\": {\"$anchor\": \"amount\", \"minimum\": 0}}}");
    add("id.json", "file:///s/parts/id.json",
        "{\"$id\": \"https://example.com/id\", \"type\": \"string\"}");
    CU_ASSERT_EQUAL_FATAL(
        finish("{\"properties\": {\"a\": {\"$ref\": \"parts/money.json#amount\"}, \"b\": "
               "{\"$ref\": \"parts/money.json#/$defs/amount\"}, \"c\": {\"$ref\": "
               "\"https://example.com/id\"}}}"),
        0);
    CU_ASSERT_EQUAL(validate("{\"a\":0,\"b\":0,\"c\":\"\"}"), 0);
    wrong("{\"b\":-1}", "data.b: must be at least 0, is -1 (money.json#/$defs/amount/minimum)");
    wrong("{\"a\":-1}", "data.a: must be at least 0, is -1 (money.json#/$defs/amount/minimum)");
    wrong("{\"c\":1}", "data.c: must be of type string, is 1 (id.json#/type)");
    end();
    begin(false); /* what is referred to is checked as well, in its own place */
    add("part.json", "file:///s/part.json", "{\n\"type\": 1}");
    CU_ASSERT_EQUAL(finish("{\"$ref\": \"part.json\"}"), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "part.json:2:9: "));
    end();
    begin(false); /* but not what is merely there */
    add("part.json", "file:///s/part.json", "{\"type\": 1}");
    CU_ASSERT_EQUAL(finish("{}"), 0);
    end();
}

/* ---- numbers, patterns, formats ------------------------------------------------------------- */

static void numbers_are_not_rounded(void)
{
    open_schema("{\"maximum\": 9007199254740992, \"type\": \"integer\"}");
    CU_ASSERT_EQUAL(validate("9007199254740992.0"), 0);
    CU_ASSERT_EQUAL(validate("9007199254740993"), -EINVAL);
    CU_ASSERT_EQUAL(validate("1e1"), 0);
    CU_ASSERT_EQUAL(validate("1e-1"), -EINVAL);
    CU_ASSERT_EQUAL(validate("-1e999999999999"), 0);
    end();
    open_schema("{\"multipleOf\": 0.1}");
    CU_ASSERT_EQUAL(validate("0.3"), 0);
    CU_ASSERT_EQUAL(validate("1e300"), 0);
    CU_ASSERT_EQUAL(validate("123456789012345678901234567890.7"), 0);
    CU_ASSERT_EQUAL(validate("0.35"), -EINVAL);
    CU_ASSERT_EQUAL(validate("0.30000000000000004"), -EINVAL);
    end();
    open_schema("{\"multipleOf\": 7e2}");
    CU_ASSERT_EQUAL(validate("0"), 0);
    CU_ASSERT_EQUAL(validate("-4900"), 0);
    CU_ASSERT_EQUAL(validate("70"), -EINVAL);
    CU_ASSERT_EQUAL(validate("49e2000000"), 0);
    CU_ASSERT_EQUAL(validate("5e2000000"), -EINVAL);
    end();
    open_schema("{\"uniqueItems\": true}");
    CU_ASSERT_EQUAL(validate("[1,1.0]"), -EINVAL);
    CU_ASSERT_EQUAL(validate("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,100e-1]"), -EINVAL);
    CU_ASSERT_EQUAL(validate("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,\"1\",{\"a\":1},{\"a\":2}]"), 0);
    CU_ASSERT_EQUAL(
        validate("[1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,{\"a\":1,\"b\":0},{\"b\":0.0,\"a\":1}]"),
        -EINVAL);
    end();
}

static void a_pattern_without_end_is_ended(void)
{
    open_schema("{\"pattern\": \"^(a+)+$\"}");
    CU_ASSERT_EQUAL(validate("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
                    -EOVERFLOW);
    CU_ASSERT_STRING_EQUAL(run.gave_up, "a pattern takes too long on one of its texts");
    CU_ASSERT_EQUAL(validate("\"aaa\""), 0);
    end();
    open_schema("{\"not\": {\"pattern\": \"^(a+)+$\"}}"); /* which is no proof of the contrary */
    CU_ASSERT_EQUAL(validate("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""),
                    -EOVERFLOW);
    end();
}

static void formats_count_where_they_are_asserted(void)
{
    begin(false);
    CU_ASSERT_EQUAL_FATAL(finish("{\"format\": \"date-time\"}"), 0);
    CU_ASSERT_EQUAL(validate("\"soon\""), 0);
    end();
    begin(true);
    CU_ASSERT_EQUAL_FATAL(finish("{\"format\": \"date-time\"}"), 0);
    CU_ASSERT_EQUAL(validate("\"2024-02-29T23:59:60Z\""), 0);
    CU_ASSERT_EQUAL(validate("1"), 0);
    wrong("\"2023-02-29T00:00:00Z\"", "data: must be of the format date-time, is "
                                      "\"2023-02-29T00:00:00Z\" (order.json#/format)");
    end();
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
    open_schema(whole);
    CU_ASSERT_EQUAL(validate("1"), -EOVERFLOW);
    CU_ASSERT_STRING_EQUAL(run.gave_up, "it takes too many steps to validate");
    CU_ASSERT_EQUAL(validate("null"), 0);
    end();
    free(whole);
    free(schema);
}

static void deep_values_are_validated_to_their_ends(void)
{
    open_schema("{\"$defs\":{\"list\":{\"type\":\"array\",\"items\":{\"$ref\":\"#/$defs/list\"}}},"
                "\"$ref\":\"#/$defs/list\"}");
    char *open = repeated("", "[", 500, ""), *json = repeated(open, "]", 500, "");
    CU_ASSERT_EQUAL(validate(json), 0);
    free(json);
    json = repeated(open, "1", 1, "");
    char *bad = repeated(json, "]", 500, "");
    CU_ASSERT_EQUAL(validate(bad), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(entries[0].text, "must be of type array, is 1"));
    free(bad);
    free(json);
    free(open);
    end();
}

static void all_of_a_large_list_is_looked_at(void)
{
    open_schema(
        "{\"uniqueItems\": true, \"unevaluatedItems\": {\"type\": \"integer\"}, \"prefixItems\": "
        "[true], \"contains\": {\"const\": 7.5}}");
    size_t room = 400000, at = 0;
    char *json = malloc(room);
    CU_ASSERT_PTR_NOT_NULL_FATAL(json);
    at += (size_t)snprintf(json, room, "[\"x\",7.5");
    for (int i = 0; i < 50000; i++)
        at += (size_t)snprintf(json + at, room - at, ",%d", i);
    snprintf(json + at, room - at, "]");
    CU_ASSERT_EQUAL(validate(json), 0);
    snprintf(json + at, room - at, ",49999]");
    wrong(json,
          "data: must have no two equal items, [50001] and [50002] are (order.json#/uniqueItems)");
    snprintf(json + at, room - at, ",0.25]");
    wrong(json,
          "data[50002]: must be of type integer, is 0.25 (order.json#/unevaluatedItems/type)");
    free(json);
    end();
}

static void each_of_two_members_of_one_name_must_fit(void)
{
    open_schema("{\"properties\": {\"a\": {\"type\": \"number\"}}}");
    CU_ASSERT_EQUAL(validate("{\"a\":1,\"a\":2}"), 0);
    CU_ASSERT_EQUAL(validate("{\"a\":1,\"a\":\"x\"}"), -EINVAL);
    CU_ASSERT_EQUAL(validate("{\"a\":\"x\",\"a\":1}"), -EINVAL);
    end();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_failure_names_the_place_the_rule_and_the_value)},
        {KIT_TEST(several_failures_are_named_where_that_is_wanted)},
        {KIT_TEST(of_alternatives_the_nearest_is_told)},
        {KIT_TEST(long_things_are_cut_at_the_end_of_a_character)},
        {KIT_TEST(a_wrong_schema_is_refused_with_its_place)},
        {KIT_TEST(endless_references_are_refused)},
        {KIT_TEST(references_go_to_other_files)},
        {KIT_TEST(numbers_are_not_rounded)},
        {KIT_TEST(a_pattern_without_end_is_ended)},
        {KIT_TEST(formats_count_where_they_are_asserted)},
        {KIT_TEST(work_that_grows_without_measure_is_ended)},
        {KIT_TEST(deep_values_are_validated_to_their_ends)},
        {KIT_TEST(all_of_a_large_list_is_looked_at)},
        {KIT_TEST(each_of_two_members_of_one_name_must_fit)},
        {0}};
    return kit_main("schema-validator", tests);
}
