/* SPDX-License-Identifier: Apache-2.0 */
/* Two JSON texts beside each other: whether they are the same, and how the differences are said. */
#include "cli/json_same.h"
#include "unit.h"
#include <stdlib.h>
#include <string.h>

static struct mg_bytes bytes(const char *text)
{
    return (struct mg_bytes){text, strlen(text)};
}

struct row {
    const char *expected, *actual;
    enum gw_json_how how;
    const char *said; /* NULL: the same */
};

static const struct row rows[] = {
    {"1", "1.0", GW_JSON_EXPECTED, NULL},
    {"{\"a\":1,\"b\":[true,null]}", " {\"b\" : [true, null], \"a\":1e0}", GW_JSON_EXPECTED, NULL},
    {"12345678901234567890", "12345678901234567891", GW_JSON_EXPECTED,
     "        the whole: expected 12345678901234567890, got 12345678901234567891\n"},
    {"1", "\"1\"", GW_JSON_EXPECTED, "        the whole: expected 1, got \"1\"\n"},
    {"{\"a\":{\"b\":[1,{\"c\":2}]}}", "{\"a\":{\"b\":[1,{\"c\":3}]}}", GW_JSON_EXPECTED,
     "        a.b[1].c: expected 2, got 3\n"},
    {"{\"a\":1}", "{\"b\":1}", GW_JSON_EXPECTED,
     "        a: expected 1, is not there\n        b: not expected: 1\n"},
    {"{\"a\":1}", "{\"b\":1}", GW_JSON_CHANGE, "        a: was 1, is gone\n        b: is new: 1\n"},
    {"{\"a\":{}}", "{\"a\":{\"x\":1},\"b\":2}", GW_JSON_PART, NULL},
    {"{\"a\":[1]}", "{\"a\":[1,2]}", GW_JSON_PART, "        a[1]: not expected: 2\n"},
    {"{\"a\":null}", "{}", GW_JSON_PART, "        a: expected null, is not there\n"},
    {"[]", "{}", GW_JSON_EXPECTED, "        the whole: expected [], got {}\n"},
    {"\"a\"", "\"\\u0061\"", GW_JSON_EXPECTED, NULL},
};

static void they_are_the_same_or_it_is_said_where_not(void)
{
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const struct row *r = &rows[i];
        char *said = NULL;
        size_t length;
        FILE *out = open_memstream(&said, &length);
        CU_ASSERT_PTR_NOT_NULL_FATAL(out);
        bool same = gw_json_same(bytes(r->expected), bytes(r->actual), r->how, out);
        fclose(out);
        CU_ASSERT_EQUAL(same, !r->said);
        CU_ASSERT_EQUAL(gw_json_same(bytes(r->expected), bytes(r->actual), r->how, NULL), same);
        CU_ASSERT_STRING_EQUAL(said, r->said ? r->said : "");
        if (strcmp(said, r->said ? r->said : "") != 0)
            fprintf(stderr, "row %zu: %s", i, said);
        free(said);
    }
}

static void what_is_no_json_is_not_the_same(void)
{
    static const char *const texts[] = {"", "{", "{\"a\":1}}", "\xff", "nope"};
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
        char *said = NULL;
        size_t length;
        FILE *out = open_memstream(&said, &length);
        CU_ASSERT_FALSE(gw_json_same(bytes("1"), bytes(texts[i]), GW_JSON_EXPECTED, out));
        fclose(out);
        CU_ASSERT_PTR_NOT_NULL(strstr(said, "it is no JSON ("));
        free(said);
    }
}

/* Deep, wide and long input is cut in what is said, and takes no stack that it could choose. */
static void large_differences_are_cut(void)
{
    enum { DEPTH = 500, WIDTH = 1000 };
    static char deep[2][2 * DEPTH + 2], wide[WIDTH * 8 + 2];
    for (size_t k = 0; k < 2; k++) {
        memset(deep[k], '[', DEPTH);
        deep[k][DEPTH] = (char)('1' + k);
        memset(deep[k] + DEPTH + 1, ']', DEPTH);
    }
    size_t used = 1;
    wide[0] = '[';
    for (size_t i = 0; i < WIDTH; i++)
        used += (size_t)snprintf(wide + used, sizeof wide - used, "%zu%s", i,
                                 i + 1 < WIDTH ? "," : "]");
    char *said = NULL;
    size_t length;
    FILE *out = open_memstream(&said, &length);
    CU_ASSERT_FALSE(gw_json_same(bytes(deep[0]), bytes(deep[1]), GW_JSON_EXPECTED, out));
    CU_ASSERT_FALSE(gw_json_same(bytes("[]"), bytes(wide), GW_JSON_EXPECTED, out));
    fclose(out);
    CU_ASSERT(length < 1500);
    free(said);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(they_are_the_same_or_it_is_said_where_not)},
        {KIT_TEST(what_is_no_json_is_not_the_same)},
        {KIT_TEST(large_differences_are_cut)},
        {NULL},
    };
    return kit_main("json_same", tests);
}
