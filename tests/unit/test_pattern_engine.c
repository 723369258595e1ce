/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the filter "pattern": numbers, addresses, cases of letters, JSON, the indexes. */
#include "index.h"
#include "json_scan.h"
#include "json_tree.h"
#include "match.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool same_number(const char *a, const char *b)
{
    number_key x, y;
    return number_read(a, strlen(a), &x) && number_read(b, strlen(b), &y) && x == y;
}

static bool less(const char *a, const char *b)
{
    number_key x, y;
    return number_read(a, strlen(a), &x) && number_read(b, strlen(b), &y) && x < y;
}

static void numbers_are_equal_by_value_and_ordered(void)
{
    CU_ASSERT(same_number("1", "1.0"));
    CU_ASSERT(same_number("100", "1E+2"));
    CU_ASSERT(same_number("0", "-0.0e5"));
    CU_ASSERT(same_number("0.1", "1000000e-7"));
    CU_ASSERT(same_number("12345678901234560000", "1234567890123456e4"));
    CU_ASSERT(!same_number("0.1", "0.10000000000000001"));
    static const char *const ascending[] = {"-1.7976931348623157e308",
                                            "-5e9",
                                            "-1.5",
                                            "-1",
                                            "-1e-320",
                                            "0",
                                            "5E-324",
                                            "1e-7",
                                            "0.3",
                                            "1",
                                            "9007199254740992",
                                            "1e22",
                                            "1.5e300"};
    for (size_t i = 1; i < sizeof ascending / sizeof ascending[0]; i++)
        CU_ASSERT(less(ascending[i - 1], ascending[i]));
}

static void what_is_no_double_is_no_number(void)
{
    static const char *const texts[] = {"9007199254740993",
                                        "1e309",
                                        "1e-325",
                                        "123456789012345678901",
                                        "0.1234567890123456789",
                                        "1e99999999999999999999"};
    number_key n;
    for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
        CU_ASSERT(!number_read(texts[i], strlen(texts[i]), &n));
}

static void numbers_of_every_double_come_back(void)
{
    uint64_t seed = 7;
    for (int i = 0; i < 20000; i++) {
        double value;
        char text[40];
        number_key a, b;
        seed = seed * 6364136223846793005u + 1442695040888963407u;
        uint64_t bits = seed & ~(UINT64_C(1) << 63);
        memcpy(&value, &bits, sizeof value);
        if (!(value <= 1.7e308))
            continue;
        int precision = 0; /* the shortest form is one, 17 digits are only where it has 17 */
        do
            snprintf(text, sizeof text, "%.*e", precision, value);
        while (strtod(text, NULL) != value && precision++ < 17);
        CU_ASSERT_FATAL(number_read(text, strlen(text), &a));
        CU_ASSERT_EQUAL(a, bits | UINT64_C(1) << 63);
        char negative[41];
        snprintf(negative, sizeof negative, "-%s", text);
        CU_ASSERT(number_read(negative, strlen(negative), &b) && b == ~a);
    }
}

static bool inside(const char *cidr, const char *address)
{
    struct ip_range r;
    struct ip ip;
    return !ip_parse_cidr(cidr, strlen(cidr), &r) && ip_parse(address, strlen(address), &ip) &&
           ip_compare(&r.first, &ip) <= 0 && ip_compare(&ip, &r.last) <= 0;
}

static void blocks_have_their_addresses_and_no_others(void)
{
    CU_ASSERT(inside("10.0.0.77/24", "10.0.0.0"));
    CU_ASSERT(inside("10.0.0.77/24", "10.0.0.255"));
    CU_ASSERT(!inside("10.0.0.77/24", "10.0.1.0"));
    CU_ASSERT(inside("0.0.0.0/0", "255.255.255.255"));
    CU_ASSERT(!inside("0.0.0.0/0", "::1"));
    CU_ASSERT(inside("0.0.0.0/0", "::ffff:0a00:0001"));
    CU_ASSERT(inside("2001:db8::/32", "2001:DB8:ffff::1"));
    CU_ASSERT(!inside("2001:db8::/127", "2001:db8::2"));
    CU_ASSERT(inside("::/0", "ffff::"));
    static const char *const wrong[] = {"10.0.0.0",     "10.0.0.0/32", "::/128",      "10.0.0/8",
                                        "10.0.0.256/8", "a/8",         "10.0.0.0/-1", "10.0.0.0/",
                                        "10.0.0.0/8/8", "/8"};
    struct ip_range r;
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT_PTR_NOT_NULL(ip_parse_cidr(wrong[i], strlen(wrong[i]), &r));
}

static bool folds_to(const char *pattern, const char *text)
{
    struct arena arena = {0};
    char canonical[2][256];
    struct fold *f = fold_compile(&arena, pattern, strlen(pattern));
    bool same = fold_prefix(f, text, strlen(text)) == (ptrdiff_t)strlen(text);
    CU_ASSERT_EQUAL(same, fold_suffix(f, text, strlen(text)) == (ptrdiff_t)strlen(text));
    size_t a = fold_canonical(pattern, strlen(pattern), canonical[0]);
    size_t b = fold_canonical(text, strlen(text), canonical[1]);
    CU_ASSERT(!same || (a == b && !memcmp(canonical[0], canonical[1], a)));
    arena_fini(&arena);
    return same;
}

static void letters_have_the_cases_of_unicode(void)
{
    CU_ASSERT(folds_to("Straße", "STRASSE"));
    CU_ASSERT(folds_to("straße", "sTRAße"));
    CU_ASSERT(!folds_to("Strasse", "Straße"));
    CU_ASSERT(folds_to("\u03b0", "\u03a5\u0308\u0301"));
    CU_ASSERT(folds_to("Ⱥ", "ⱥ"));
    CU_ASSERT(folds_to("𐐀", "𐐨"));
    CU_ASSERT(folds_to("ﬃ", "FFI"));
    CU_ASSERT(!folds_to("i", "İ"));
    CU_ASSERT(folds_to("\xff\xc3x", "\xff\xc3X")); /* bytes that are no text stand for themselves */
}

static bool skips(const char *json)
{
    const char *wrong, *end = json + strlen(json);
    return json_skip(json, end, &wrong) == end;
}

static void values_that_nobody_asks_for_are_checked(void)
{
    static const char *const well[] = {"{}",
                                       "[]",
                                       "{\"a\":[1,-2.5e+3,{}],\"b\":{\"c\":null}}",
                                       "\"\\u00e4\\\"\"",
                                       "[[],[[]],true,false]",
                                       "0",
                                       "[ 1 , 2 ]"};
    static const char *const wrong[] = {"{",       "[1,]",        "{\"a\"}", "{\"a\":}", "{a:1}",
                                        "[1 2]",   "01",          "1.",      "-",        "1e",
                                        "\"\\x\"", "\"\\u12g4\"", "\"\n\"",  "\"",       "tru",
                                        "[}",      "{]",          "[1]]",    "",         "nul"};
    for (size_t i = 0; i < sizeof well / sizeof well[0]; i++)
        CU_ASSERT(skips(well[i]));
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        CU_ASSERT(!skips(wrong[i]));
}

/* Every length, so that each way of looking at blocks and at what is left of them is taken. */
static void strings_end_where_they_end(void)
{
    char text[64];
    for (size_t length = 0; length < 60; length++) {
        for (size_t special = 0; special <= length; special++) {
            bool escapes = false;
            memset(text, 'x', sizeof text);
            text[length] = '"';
            CU_ASSERT_PTR_EQUAL(json_string_end(text, text + length + 1, &escapes), text + length);
            CU_ASSERT_PTR_NULL(json_string_end(text, text + length, &escapes));
            text[special] = '\t';
            CU_ASSERT_PTR_NULL(json_string_end(text, text + length + 1, &escapes));
            text[special] = '\\';
            CU_ASSERT(!escapes);
            const char *end = json_string_end(text, text + length + 1, &escapes);
            CU_ASSERT_PTR_EQUAL(end, special + 1 < length ? text + length : NULL);
        }
    }
}

/* ---- candidates ----------------------------------------------------------------------------- */

static struct set *set_of(const char *const *patterns, size_t count)
{
    struct set_builder b;
    struct set *set = NULL;
    struct mg_err err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(set_builder_init(&b), 0);
    for (size_t i = 0; i < count; i++) {
        struct arena passing = {0};
        struct pattern pattern;
        const struct mg_node *tree;
        int error = json_tree(&passing, NULL, patterns[i], strlen(patterns[i]), &tree, &err);
        if (!error)
            error = pattern_compile(&b.compiled, &passing, tree, &pattern, &err);
        if (!error)
            error = set_add(&b, &pattern, ROOT_PAYLOAD);
        if (error)
            fprintf(stderr, "%s: %s\n", patterns[i], err.text);
        CU_ASSERT_EQUAL_FATAL(error, 0);
        arena_fini(&passing);
    }
    CU_ASSERT_EQUAL_FATAL(set_finish(&b, &set), 0);
    set_builder_fini(&b);
    return set;
}

static ptrdiff_t hits_of(struct scratch *s, const char *event, uint32_t *ret_hits)
{
    const struct payload_mode mode = {.name = ROOT_PAYLOAD};
    bool object;
    size_t wrong;
    scratch_begin(s);
    CU_ASSERT_EQUAL(read_payload(s, &mode, event, strlen(event), &object, &wrong), 0);
    return scratch_finish(s, ret_hits);
}

/* Values that lead to every branch again and again do not fill the list of candidates. */
static void candidates_are_bounded_by_branches(void)
{
    enum { VALUES = 2000 };
    static char event[VALUES * 4 + 32];
    static const char *const patterns[] = {
        "{\"a\":[1],\"b\":[1]}", "{\"a\":[{\"numeric\":[\">\",0]}]}", "{\"a\":[1],\"b\":[2]}"};
    struct set *set = set_of(patterns, 3);
    struct scratch s;
    uint32_t hits[3];
    CU_ASSERT_EQUAL_FATAL(scratch_init(&s, set), 0);
    strncat(event, "{\"a\":[", sizeof event - 1);
    size_t used = strlen(event);
    for (int i = 0; i < VALUES; i++)
        used += (size_t)snprintf(event + used, sizeof event - used, "%s1", i ? "," : "");
    snprintf(event + used, sizeof event - used, "],\"b\":2}");
    CU_ASSERT_EQUAL(hits_of(&s, event, hits), 2);
    CU_ASSERT(s.candidates.once && s.candidates.count <= s.candidates.capacity);
    CU_ASSERT_EQUAL(hits_of(&s, "{\"a\":1,\"b\":1}", hits), 2);
    CU_ASSERT(!s.candidates.once);
    scratch_fini(&s);
    set_destroy(set);
}

static void the_search_for_list_elements_has_an_end(void)
{
    static char event[1 << 16] = "{\"l\":[";
    static const char *const patterns[] = {"{\"l\":{\"a\":[1],\"b\":[1]}}"};
    struct set *set = set_of(patterns, 1);
    struct scratch s;
    uint32_t hits[1];
    size_t used = strlen(event);
    CU_ASSERT_EQUAL_FATAL(scratch_init(&s, set), 0);
    for (int i = 0; i < 4000; i++) /* no element has both */
        used += (size_t)snprintf(event + used, sizeof event - used, "%s{\"%c\":1}", i ? "," : "",
                                 i < 2000 ? 'a' : 'b');
    snprintf(event + used, sizeof event - used, "]}");
    CU_ASSERT_EQUAL(hits_of(&s, event, hits), 0);
    CU_ASSERT(s.gave_up);
    CU_ASSERT_EQUAL(hits_of(&s, "{\"l\":[{\"a\":1},{\"b\":1,\"a\":1}]}", hits), 1);
    CU_ASSERT(!s.gave_up);
    scratch_fini(&s);
    set_destroy(set);
}

static void stamps_of_long_ago_are_forgotten(void)
{
    static const char *const patterns[] = {"{\"a\":[1]}", "{\"a\":[{\"exists\":false}]}"};
    struct set *set = set_of(patterns, 2);
    struct scratch s;
    uint32_t hits[2];
    CU_ASSERT_EQUAL_FATAL(scratch_init(&s, set), 0);
    CU_ASSERT_EQUAL(hits_of(&s, "{\"a\":1}", hits), 1);
    s.generation = (1u << 31) - 2;
    for (int i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(hits_of(&s, "{\"a\":1}", hits), 1);
        CU_ASSERT_EQUAL(hits[0], 0);
        CU_ASSERT_EQUAL(hits_of(&s, "{}", hits), 1);
        CU_ASSERT_EQUAL(hits[0], 1);
    }
    CU_ASSERT(s.generation < 10);
    scratch_fini(&s);
    set_destroy(set);
}

int main(void)
{
    static const struct kit_test tests[] = {{KIT_TEST(numbers_are_equal_by_value_and_ordered)},
                                            {KIT_TEST(what_is_no_double_is_no_number)},
                                            {KIT_TEST(numbers_of_every_double_come_back)},
                                            {KIT_TEST(blocks_have_their_addresses_and_no_others)},
                                            {KIT_TEST(letters_have_the_cases_of_unicode)},
                                            {KIT_TEST(values_that_nobody_asks_for_are_checked)},
                                            {KIT_TEST(strings_end_where_they_end)},
                                            {KIT_TEST(candidates_are_bounded_by_branches)},
                                            {KIT_TEST(the_search_for_list_elements_has_an_end)},
                                            {KIT_TEST(stamps_of_long_ago_are_forgotten)},
                                            {NULL, NULL}};
    return kit_main("pattern_engine", tests);
}
