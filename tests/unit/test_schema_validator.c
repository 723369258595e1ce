/* SPDX-License-Identifier: Apache-2.0 */
/* JSON Schema by itself: what is said of a value that does not fit, and of a schema that is wrong.
 * What the specification says is the test suite's (test_schema_suite). */
#include "schema_kit.h"
#include "unit.h"
#include <errno.h>
#include <string.h>

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
    schema_open(order);
    CU_ASSERT_EQUAL(schema_validate("{\"id\":\"A1\",\"items\":[{\"price\":0.07}]}"), 0);
    schema_wrong("{\"id\":\"A1\",\"items\":[{},{},{},{\"price\":2}]}",
                 "data.items: must have no two equal items, [0] and [1] are "
                 "(order.json#/properties/items/uniqueItems)");
    schema_wrong("{\"id\":\"A1\",\"items\":[{\"price\":1},{\"price\":-2}]}",
                 "data.items[1].price: must be at least 0, is -2 "
                 "(order.json#/properties/items/items/properties/price/minimum)");
    schema_wrong("{\"id\":\"A1\",\"items\":[{\"price\":0.075}]}",
                 "data.items[0].price: must be a multiple of 1e-2, is 0.075 "
                 "(order.json#/properties/items/items/properties/price/multipleOf)");
    schema_wrong("{\"id\":\"A1\",\"items\":[{\"count\":1.5}]}",
                 "data.items[0].count: must be of type null or integer, is 1.5 "
                 "(order.json#/properties/items/items/properties/count/type)");
    schema_wrong("{\"id\":\"A1\",\"items\":[{\"count\":10}]}",
                 "data.items[0].count: must be below 10, is 10 "
                 "(order.json#/properties/items/items/properties/count/exclusiveMaximum)");
    schema_wrong("{\"id\":\"A1\"}", "data: must have the member \"items\" (order.json#/required)");
    schema_wrong("{\"id\":\"a1\",\"items\":[1]}",
                 "data.id: must match the pattern \"^[A-Z]\\d+$\", is \"a1\" "
                 "(order.json#/properties/id/pattern)");
    schema_wrong("{\"id\":\"A12345\",\"items\":[1]}",
                 "data.id: must have at most 5 characters, has 6: \"A12345\" "
                 "(order.json#/properties/id/maxLength)");
    schema_wrong("{\"id\":\"A1\",\"items\":[]}", "data.items: must have at least 1 item, has 0 "
                                                 "(order.json#/properties/items/minItems)");
    schema_wrong("{\"id\":\"A1\",\"items\":[1],\"x y\":1}",
                 "data[\"x y\"]: is not allowed (order.json#/additionalProperties)");
    schema_wrong("{\"id\":\"A1\",\"items\":[1],\"kind\":2}",
                 "data.kind: must be 1, is 2 (order.json#/properties/kind/const)");
    schema_wrong("{\"id\":\"A1\",\"items\":[1],\"kind\":1,\"state\":\"sent\"}",
                 "data.state: must be one of \"new\", \"paid\", is \"sent\" "
                 "(order.json#/properties/state/enum)");
    schema_wrong("{\"id\":\"A1\",\"items\":[1],\"state\":\"new\"}",
                 "data: must have the member \"kind\", because it has \"state\" "
                 "(order.json#/dependentRequired)");
    schema_wrong("[]", "data: must be of type object, is a list of 0 items (order.json#/type)");
    schema_end();
}

static void several_failures_are_named_where_that_is_wanted(void)
{
    schema_open(order);
    const char *json = "{\"items\":[{\"price\":-2},{\"price\":true}],\"extra\":1}";
    CU_ASSERT_EQUAL(schema_validate_up_to(10, json), -EINVAL);
    CU_ASSERT_EQUAL(schema_said, 4);
    CU_ASSERT_PTR_NOT_NULL(strstr(schema_entries[0].text, "must have the member \"id\""));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(schema_entries[1].text, "data.items[0].price: must be at least 0"));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(schema_entries[2].text, "data.items[1].price: must be of type number"));
    CU_ASSERT_PTR_NOT_NULL(strstr(schema_entries[3].text, "data.extra: is not allowed"));
    CU_ASSERT_EQUAL(schema_validate_up_to(2, json), -EINVAL);
    CU_ASSERT_EQUAL(schema_said, 2);
    schema_end();
}

static void of_alternatives_the_nearest_is_told(void)
{
    schema_open("{\"anyOf\":[{\"type\":\"string\"},{\"properties\":{\"a\":{\"type\":\"number\"}},"
                "\"type\":\"object\"},{\"type\":\"null\"}]}");
    schema_wrong("{\"a\":\"x\"}",
                 "data: fits none of the 3 schemas of anyOf; the nearest says: data.a: must "
                 "be of type number, is \"x\" (order.json#/anyOf/1/properties/a/type) "
                 "(order.json#/anyOf)");
    schema_end();
    schema_open("{\"oneOf\":[{\"type\":\"number\"},{\"minimum\":1},{\"type\":\"integer\"}]}");
    CU_ASSERT_EQUAL(schema_validate("0.5"), 0);
    schema_wrong(
        "1.5",
        "data: must fit one of the 3 schemas of oneOf, fits [0] and [1] (order.json#/oneOf)");
    schema_end();
}

static void long_things_are_cut_at_the_end_of_a_character(void)
{
    schema_open("{\"properties\":{\"é\":{\"type\":\"number\"}},\"additionalProperties\":false}");
    schema_wrong("{\"é\":\"äääääääääääääääääääää\"}",
                 "data[\"é\"]: must be of type number, is \"ääääääääääääääääääää…\" "
                 "(order.json#/properties/é/type)");
    char json[2000] = "{\"", *at = json + 2;
    for (int i = 0; i < 600; i++, at += 2)
        memcpy(at, "é", 2);
    memcpy(at, "\":1}", 5);
    CU_ASSERT_EQUAL(schema_validate(json), -EINVAL);
    size_t length = strlen(schema_entries[0].text);
    CU_ASSERT(length < REPORT_BYTES);
    CU_ASSERT_PTR_NOT_NULL(strstr(schema_entries[0].text, "is not allowed"));
    schema_end();
}

/* ---- schemas that are wrong ----------------------------------------------------------------- */

static void a_wrong_schema_is_refused_with_its_place(void)
{
    schema_refused("{\n  \"type\": \"obj\"\n}", "order.json:2:11: ");
    schema_refused("{\"properties\": {\n \"a\": {\"minimum\": \"1\"}}}", "order.json:2:19: ");
    schema_refused("{\"required\": [\"a\", \"a\"]}", "order.json:1:14: ");
    schema_refused("{\"pattern\": \"(\"}", "order.json:1:13: ");
    schema_refused(
        "{\"patternProperties\": {\"a**\": true}}",
        "order.json:1:23: patternProperties has a pattern that is no regular expression");
    schema_refused("{\"$ref\": \"#/$defs/no\"}",
                   "order.json:1:10: $ref leads nowhere: the schema has nothing "
                   "at #/$defs/no");
    schema_refused("{\"items\": {\"$ref\": \"other.json\"}}",
                   "order.json:1:20: $ref leads nowhere: there is no schema file:///s/other.json");
    schema_refused("{\"$schema\": \"http://json-schema.org/draft-04/schema#\"}",
                   "order.json:1:1: its $schema");
    schema_refused("[1]", "order.json:1:1: ");
    schema_refused("{\"a\": 1,}", "order.json: not JSON: line 1, column 9");
    schema_refused("{\"$defs\": {\"a\": {\"$id\": \"x\"}, \"b\": {\"$id\": \"x\"}}}",
                   "stands here twice");
    schema_refused("{\"multipleOf\": 1.0000000000000000001}",
                   "order.json:1:16: multipleOf must be a number");
}

static void endless_references_are_refused(void)
{
    schema_refused("{\"$ref\": \"#\"}", "refers to itself without end");
    schema_refused(
        "{\"$defs\": {\"a\": {\"allOf\": [{\"$ref\": \"#/$defs/b\"}]}, \"b\": {\"not\": {\"$ref\": "
        "\"#/$defs/a\"}}}, \"$ref\": \"#/$defs/a\"}",
        "refers to itself without end");
    /* These end where the value does. */
    schema_open("{\"items\": {\"$ref\": \"#\"}, \"type\": \"array\"}");
    CU_ASSERT_EQUAL(schema_validate("[[],[[]]]"), 0);
    CU_ASSERT_EQUAL(schema_validate("[[],[[1]]]"), -EINVAL);
    schema_end();
    /* Only an event tells that this one does not. */
    schema_open("{\"if\": true, \"then\": {\"$ref\": \"#\"}}");
    CU_ASSERT_EQUAL(schema_validate("1"), -EOVERFLOW);
    CU_ASSERT_PTR_NOT_NULL(strstr(schema_run.gave_up, "refers to itself without end"));
    schema_end();
}

static void references_go_to_other_files(void)
{
    schema_begin(false);
    schema_add("money.json", "file:///s/parts/money.json",
               "{\"$defs\": {\"amount\": {\"$anchor\": \"amount\", \"minimum\": 0}}}");
    schema_add("id.json", "file:///s/parts/id.json",
               "{\"$id\": \"https://example.com/id\", \"type\": \"string\"}");
    CU_ASSERT_EQUAL_FATAL(
        schema_finish("{\"properties\": {\"a\": {\"$ref\": \"parts/money.json#amount\"}, \"b\": "
                      "{\"$ref\": \"parts/money.json#/$defs/amount\"}, \"c\": {\"$ref\": "
                      "\"https://example.com/id\"}}}"),
        0);
    CU_ASSERT_EQUAL(schema_validate("{\"a\":0,\"b\":0,\"c\":\"\"}"), 0);
    schema_wrong("{\"b\":-1}",
                 "data.b: must be at least 0, is -1 (money.json#/$defs/amount/minimum)");
    schema_wrong("{\"a\":-1}",
                 "data.a: must be at least 0, is -1 (money.json#/$defs/amount/minimum)");
    schema_wrong("{\"c\":1}", "data.c: must be of type string, is 1 (id.json#/type)");
    schema_end();
    schema_begin(false); /* what is referred to is checked as well, in its own place */
    schema_add("part.json", "file:///s/part.json", "{\n\"type\": 1}");
    CU_ASSERT_EQUAL(schema_finish("{\"$ref\": \"part.json\"}"), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(schema_err.text, "part.json:2:9: "));
    schema_end();
    schema_begin(false); /* but not what is merely there */
    schema_add("part.json", "file:///s/part.json", "{\"type\": 1}");
    CU_ASSERT_EQUAL(schema_finish("{}"), 0);
    schema_end();
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
        {0}};
    return kit_main("schema-validator", tests);
}
