/* SPDX-License-Identifier: Apache-2.0 */
/* JSON documents: what is read, kept as it was, changed, compared and written; and paths. */
#include "arena.h"
#include "doc_path.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct doc *doc;
static struct mg_err err;

static struct mg_bytes bytes(const char *text)
{
    return (struct mg_bytes){text, strlen(text)};
}

static struct doc_value *parse(const char *text)
{
    struct doc_value *value;
    int error = doc_parse(doc, bytes(text), &value, &err);
    if (error)
        fprintf(stderr, "%s\n%s\n", text, err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    return value;
}

static void expect_text(const struct doc_value *value, const char *expected)
{
    size_t length;
    char *text = doc_write(value, &length);
    CU_ASSERT_PTR_NOT_NULL_FATAL(text);
    CU_ASSERT_EQUAL(length, strlen(expected));
    if (strcmp(text, expected) != 0)
        fprintf(stderr, "expected %s\n     got %s\n", expected, text);
    CU_ASSERT_STRING_EQUAL(text, expected);
    free(text);
}

static void with_doc(void (*run)(void))
{
    doc = doc_create();
    CU_ASSERT_PTR_NOT_NULL_FATAL(doc);
    run();
    doc_destroy(doc);
}

static void kept(void)
{
    static const char *const same[] = {
        "null",
        "true",
        "0",
        "-0",
        "-0.0",
        "1.10",
        "1E+400",
        "123456789012345678901234567890",
        "\"\"",
        "\"\\u00e9\\/\\n\"",
        "[]",
        "{}",
        "[[],{},[1]]",
        "{\"b\":1,\"a\":2,\"b\":3,\"\":\"\",\"\\u0061\":4}",
        "{\"a\":{\"b\":{\"c\":[1,2,{\"d\":null}]}}}",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        expect_text(parse(same[i]), same[i]);
        expect_text(doc_copy(doc, parse(same[i])), same[i]);
        doc_reset(doc);
    }
    expect_text(parse(" { \"a\" :\t[ 1 ,\n2 ] }\r\n"), "{\"a\":[1,2]}");
}

static void keeping(void)
{
    with_doc(kept);
}

static void refuse(const char *text, const char *why)
{
    struct doc_value *value;
    err.text[0] = '\0';
    CU_ASSERT_EQUAL(doc_parse(doc, bytes(text), &value, &err), -EINVAL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s: \"%s\", and not \"%s\"\n", text, err.text, why);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, why));
}

static void refused(void)
{
    refuse("", "line 1, column 1: it ends too early");
    refuse("{\"a\":1,}", "line 1, column 8: a member's name belongs here");
    refuse("[1\n,2", "line 2, column 3: it ends too early");
    refuse("[1,]", "column 4: a value belongs here");
    refuse("{\"a\" 1}", "column 6: a colon belongs here");
    refuse("{\"a\":1 \"b\":2}", "a comma or } belongs here");
    refuse("[1 2]", "a comma or ] belongs here");
    refuse("01", "something follows behind the end");
    refuse("1 2", "something follows behind the end");
    refuse("nul", "a value belongs here");
    refuse("\"\\ud800\"", "column 1: half of a surrogate pair");
    refuse("{\"\\udc00\":1}", "column 2: half of a surrogate pair");
    refuse("\"\x80\"", "this is not UTF-8");
    refuse("\"a\tb\"", "a control character");
    refuse("]", "a value belongs here");
    char deep[2 * DOC_DEPTH_MAX + 4];
    memset(deep, '[', DOC_DEPTH_MAX);
    memset(deep + DOC_DEPTH_MAX, ']', DOC_DEPTH_MAX);
    deep[2 * DOC_DEPTH_MAX] = '\0';
    expect_text(parse(deep), deep);
    memset(deep, '[', DOC_DEPTH_MAX + 1);
    refuse(deep, "column 513: nested deeper than 512 levels");
}

static void refusals(void)
{
    with_doc(refused);
}

static void changed(void)
{
    struct doc_value *v = parse("{\"a\":1.50,\"b\":\"x\\u0020y\",\"a\":2}");
    CU_ASSERT_TRUE(kit_str_is(doc_get(v, kit_str("b"))->text, "x y"));
    CU_ASSERT_TRUE(kit_str_is(doc_get(v, kit_str("a"))->text, "2"));
    CU_ASSERT_PTR_NULL(doc_get(v, kit_str("c")));
    CU_ASSERT_EQUAL(doc_set(doc, v, kit_str("a"), doc_text(doc, kit_str("q\"\n\x01"))), 0);
    CU_ASSERT_EQUAL(doc_set(doc, v, kit_str("c"), doc_list(doc)), 0);
    CU_ASSERT_EQUAL(doc_append(doc, doc_get(v, kit_str("c")), doc_double(doc, 0.1)), 0);
    CU_ASSERT_EQUAL(doc_append(doc, doc_get(v, kit_str("c")), doc_double(doc, 3)), 0);
    CU_ASSERT_EQUAL(doc_append(doc, doc_get(v, kit_str("c")), doc_int(doc, INT64_MIN)), 0);
    CU_ASSERT_EQUAL(doc_append(doc, doc_get(v, kit_str("c")), doc_uint(doc, UINT64_MAX)), 0);
    expect_text(v, "{\"a\":1.50,\"b\":\"x\\u0020y\",\"a\":\"q\\\"\\n\\u0001\","
                   "\"c\":[0.1,3.0,-9223372036854775808,18446744073709551615]}");
    doc_remove_at(doc_get(v, kit_str("c")), 1);
    CU_ASSERT_EQUAL(doc_remove(v, kit_str("a")), 2);
    CU_ASSERT_EQUAL(doc_remove(v, kit_str("a")), 0);
    expect_text(v, "{\"b\":\"x\\u0020y\",\"c\":[0.1,-9223372036854775808,18446744073709551615]}");
    CU_ASSERT_PTR_NULL(doc_at(doc_get(v, kit_str("c")), 3));
    CU_ASSERT_PTR_NULL(doc_at(v, 0));
}

static void changes(void)
{
    with_doc(changed);
}

/* Names of a large object, against an array that is looked through. */
static void large(void)
{
    enum { NAMES = 300 };
    struct doc_value *object = doc_object(doc);
    int64_t model[NAMES];
    uint32_t seed = 12345;
    memset(model, 0xff, sizeof model);
    for (int turn = 0; turn < 20000; turn++) {
        char name[16];
        seed = seed * 1664525u + 1013904223u;
        uint32_t which = (seed >> 8) % NAMES;
        snprintf(name, sizeof name, "n%u", which);
        if ((seed >> 24) % 8 == 0) {
            CU_ASSERT_EQUAL(doc_remove(object, kit_str(name)), model[which] >= 0);
            model[which] = -1;
        } else if ((seed >> 24) % 2) {
            CU_ASSERT_EQUAL_FATAL(doc_set(doc, object, kit_str(name), doc_int(doc, turn)), 0);
            model[which] = turn;
        }
        int64_t number = -1;
        struct doc_value *found = doc_get(object, kit_str(name));
        CU_ASSERT_EQUAL(found && doc_as_int(found, &number), model[which] >= 0);
        CU_ASSERT_EQUAL(number, model[which]);
    }
    size_t length;
    char *text = doc_write(object, &length);
    struct doc_value *again = parse(text);
    CU_ASSERT_TRUE(again->count > 100);
    CU_ASSERT_TRUE(doc_equal(object, again));
    for (int i = 0; i < NAMES; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d", i);
        CU_ASSERT_EQUAL(doc_get(again, kit_str(name)) != NULL, model[i] >= 0);
    }
    free(text);
}

/* Names come in any order, and more than the index takes at a time. */
static void put_one_by_one(void)
{
    enum { NAMES = 5000, STEP = 1777 }; /* without a common divisor */
    struct doc_value *object = doc_object(doc);
    char name[16];
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "n%d", (int)((long)i * STEP % NAMES));
        CU_ASSERT_EQUAL_FATAL(doc_set(doc, object, kit_str(name), doc_int(doc, i)), 0);
        snprintf(name, sizeof name, "n%d", (int)((long)(i / 2) * STEP % NAMES));
        int64_t number = -1;
        CU_ASSERT_TRUE(doc_as_int(doc_get(object, kit_str(name)), &number));
        CU_ASSERT_EQUAL(number, i / 2);
    }
    CU_ASSERT_EQUAL(object->count, NAMES);
    for (int i = 0; i < NAMES; i++) {
        snprintf(name, sizeof name, "n%d", i);
        CU_ASSERT_EQUAL(doc_set(doc, object, kit_str(name), doc_int(doc, -i)), 0);
        snprintf(name, sizeof name, "m%d", i);
        CU_ASSERT_PTR_NULL(doc_get(object, kit_str(name)));
    }
    CU_ASSERT_EQUAL(object->count, NAMES);
    for (int i = 0; i < NAMES; i++) {
        int64_t number = 1;
        snprintf(name, sizeof name, "n%d", i);
        CU_ASSERT_TRUE(doc_as_int(doc_get(object, kit_str(name)), &number));
        CU_ASSERT_EQUAL(number, -i);
    }
}

static void large_objects(void)
{
    with_doc(large);
    with_doc(put_one_by_one);
}

static void memory(void)
{
    struct arena arena = {.most = 4 << 20};
    static const size_t sizes[] = {1, 3, 17, 4000, 0, 40000, 5, 1 << 20, 7};
    for (int turn = 0; turn < 3; turn++) {
        for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
            char *at = arena_take(&arena, sizes[i]);
            CU_ASSERT_PTR_NOT_NULL_FATAL(at);
            CU_ASSERT_EQUAL((uintptr_t)at % 16, 0);
            memset(at, 0xff, sizes[i]);
        }
        CU_ASSERT_PTR_NULL(arena_take(&arena, SIZE_MAX));
        CU_ASSERT_PTR_NULL(arena_take(&arena, 3 << 20));
        size_t taken = 0;
        while (arena_take(&arena, 1000))
            CU_ASSERT_TRUE_FATAL(++taken < (4 << 20) / 1000);
        CU_ASSERT_TRUE(arena.bytes > 3 << 20 && arena.bytes <= 4 << 20);
        arena_reset(&arena);
        CU_ASSERT_TRUE(arena.bytes <= 16384); /* the rest has been given back */
        CU_ASSERT_EQUAL(arena.most, 4 << 20);
    }
    arena_fini(&arena);
}

static void compared(void)
{
    static const char *const ascending[] = {
        "-1e400",
        "-1e2",
        "-99.5",
        "-1",
        "-1e-400",
        "0",
        "1e-400",
        "0.1",
        "0.11",
        "1",
        "1.5",
        "9",
        "10",
        "10.01",
        "99999999999999999999",
        "100000000000000000000",
        "100000000000000000001",
        "1e400",
    };
    enum { COUNT = sizeof ascending / sizeof ascending[0] };
    for (int i = 0; i < COUNT; i++)
        for (int j = 0; j < COUNT; j++) {
            int order = doc_number_compare(kit_str(ascending[i]), kit_str(ascending[j]));
            CU_ASSERT_EQUAL((order > 0) - (order < 0), (i > j) - (i < j));
        }
    static const char *const equal[][2] = {
        {"0", "-0.0e5"},
        {"1", "1.0"},
        {"1e2", "100"},
        {"100.00", "1E+2"},
        {"0.001", "1e-3"},
        {"-12.50", "-1.25e1"},
        {"1200e-2", "12"},
        {"0.00120", "12e-4"},
        {"1e00000000000000000012", "1e12"},
        {"10e99999999999", "1e100000000000"},
    };
    static const char *const less[][2] = {
        {"1e1000000000", "1e10000000000"},    {"1e12345678901", "1e12345678902"},
        {"1e-12345678902", "1e-12345678901"}, {"1e99999999999999999", "1e999999999999999998"},
        {"-1e12345678902", "-1e12345678901"}, {"1e999999999999999998", "1e9999999999999999999999"},
    };
    for (size_t i = 0; i < sizeof less / sizeof less[0]; i++) {
        CU_ASSERT_TRUE(doc_number_compare(kit_str(less[i][0]), kit_str(less[i][1])) < 0);
        CU_ASSERT_TRUE(doc_number_compare(kit_str(less[i][1]), kit_str(less[i][0])) > 0);
    }
    for (size_t i = 0; i < sizeof equal / sizeof equal[0]; i++)
        CU_ASSERT_EQUAL(doc_number_compare(kit_str(equal[i][0]), kit_str(equal[i][1])), 0);
    CU_ASSERT_TRUE(doc_equal(parse("{\"a\":[1,\"x\"],\"b\":null}"),
                             parse("{\"b\":null,\"a\":[1.0,\"\\u0078\"]}")));
    CU_ASSERT_FALSE(doc_equal(parse("{\"a\":1}"), parse("{\"a\":1,\"b\":1}")));
    CU_ASSERT_FALSE(doc_equal(parse("{\"a\":1,\"a\":2}"), parse("{\"a\":2,\"b\":1}")));
    CU_ASSERT_TRUE(doc_equal(parse("{\"a\":1,\"a\":2}"), parse("{\"a\":2}")));
    CU_ASSERT_FALSE(doc_equal(parse("[1,2]"), parse("[1]")));
    CU_ASSERT_FALSE(doc_equal(parse("true"), parse("false")));
    CU_ASSERT_FALSE(doc_equal(parse("0"), parse("false")));
}

static void comparing(void)
{
    with_doc(compared);
}

static void numbers_read(void)
{
    static const struct {
        const char *text;
        bool whole;
        int64_t number;
    } ints[] = {
        {"0", true, 0},
        {"-0.0", true, 0},
        {"1e2", true, 100},
        {"12.0", true, 12},
        {"9223372036854775807", true, INT64_MAX},
        {"-9223372036854775808", true, INT64_MIN},
        {"9223372036854775808", false, 0},
        {"-9223372036854775809", false, 0},
        {"1.5", false, 0},
        {"0.1", false, 0},
        {"1e19", false, 0},
        {"1e99999999999", false, 0},
        {"120e-1", true, 12},
        {"12.5e1", true, 125},
        {"\"1\"", false, 0},
        {"5e-1", false, 0},
    };
    for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
        int64_t number = 0;
        bool whole = doc_as_int(parse(ints[i].text), &number);
        if (whole != ints[i].whole || number != ints[i].number)
            fprintf(stderr, "%s\n", ints[i].text);
        CU_ASSERT_EQUAL(whole, ints[i].whole);
        CU_ASSERT_EQUAL(number, ints[i].number);
    }
    static const char *const doubles[] = {
        "0",
        "-1.5",
        "0.1",
        "123456789012345",
        "1234567890123456",
        "1e22",
        "1.7976931348623157e308",
        "0.000000000000001",
        "-0.30000000000000004",
        "5e-324",
        "20.10",
    };
    for (size_t i = 0; i < sizeof doubles / sizeof doubles[0]; i++) {
        double number;
        CU_ASSERT_TRUE(doc_as_double(parse(doubles[i]), &number));
        CU_ASSERT_EQUAL(number, strtod(doubles[i], NULL));
    }
    double number;
    CU_ASSERT_FALSE(doc_as_double(parse("1e999"), &number));
    CU_ASSERT_FALSE(doc_as_double(parse("\"1\""), &number));
    CU_ASSERT_FALSE(doc_as_double(doc_get(NULL, kit_str("a")), &number));
    int64_t whole;
    CU_ASSERT_FALSE(doc_as_int(NULL, &whole));
    expect_text(doc_double(doc, 1e300), "1e+300");
    expect_text(doc_double(doc, 1.0 / 0.0), "null");
}

static void numbers(void)
{
    with_doc(numbers_read);
}

/* ---- paths ---------------------------------------------------------------------------------- */

static struct doc_path *path(const char *text)
{
    struct doc_path *p;
    CU_ASSERT_EQUAL_FATAL(doc_path_compile(text, true, &p, &err), 0);
    return p;
}

static void expect_get(const char *where, const char *in, const char *expected)
{
    struct doc_path *p = path(where);
    struct doc_value *found = doc_path_get(p, parse(in));
    CU_ASSERT_EQUAL(found == NULL, expected == NULL);
    if (found && expected)
        expect_text(found, expected);
    doc_path_free(p);
}

static void expect_set(const char *where, const char *in, const char *expected)
{
    struct doc_path *p = path(where);
    struct doc_value *root = parse(in);
    int error = doc_path_set(p, doc, root, doc_int(doc, 7));
    CU_ASSERT_EQUAL(error, expected ? 0 : -EINVAL);
    if (expected)
        expect_text(root, expected);
    doc_path_free(p);
}

static void expect_remove(const char *where, const char *in, const char *expected)
{
    struct doc_path *p = path(where);
    struct doc_value *root = parse(in);
    CU_ASSERT_EQUAL(doc_path_remove(p, root), strcmp(in, expected) != 0);
    expect_text(root, expected);
    doc_path_free(p);
}

static void along_paths(void)
{
    expect_get("a.b", "{\"a\":{\"b\":1}}", "1");
    expect_get("a.1.b", "{\"a\":[0,{\"b\":2}]}", "2");
    expect_get("a.2", "{\"a\":[0,1]}", NULL);
    expect_get("a.x", "{\"a\":[0,1]}", NULL);
    expect_get("a.b.c", "{\"a\":{\"b\":1}}", NULL);
    expect_get("1", "{\"1\":true}", "true");
    expect_get(".", "[1]", "[1]");
    expect_get("a\\.b.c\\\\", "{\"a.b\":{\"c\\\\\":3}}", "3");
    expect_get("data.t", "{\"t\":1}", "1");
    expect_get("data.t", "{\"t\":1,\"data\":{\"t\":2}}", "2");
    expect_get("data", "{\"t\":1}", "{\"t\":1}");
    expect_set("a.b", "{}", "{\"a\":{\"b\":7}}");
    expect_set("a.b", "{\"a\":null}", "{\"a\":{\"b\":7}}");
    expect_set("a.3", "{\"a\":[1]}", "{\"a\":[1,null,null,7]}");
    expect_set("a.0.x", "{\"a\":[{}]}", "{\"a\":[{\"x\":7}]}");
    expect_set("a.b", "{\"a\":1}", NULL);
    expect_set("a.x", "{\"a\":[1]}", NULL);
    expect_set("a.70000", "{\"a\":[1]}", NULL);
    expect_set(".", "{}", NULL);
    expect_set("a", "1", NULL);
    expect_remove("a.b", "{\"a\":{\"b\":1,\"c\":2}}", "{\"a\":{\"c\":2}}");
    expect_remove("a.0", "{\"a\":[1,2]}", "{\"a\":[2]}");
    expect_remove("a.9", "{\"a\":[1,2]}", "{\"a\":[1,2]}");
    expect_remove("x.y", "{\"a\":1}", "{\"a\":1}");
    struct doc_path *p;
    CU_ASSERT_EQUAL(doc_path_compile("", true, &p, &err), -EINVAL);
    CU_ASSERT_EQUAL(doc_path_compile("a..b", true, &p, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "\"a..b\" has an empty part"));
    CU_ASSERT_EQUAL(doc_path_compile("a.", true, &p, &err), -EINVAL);
}

static void paths(void)
{
    with_doc(along_paths);
}

static void names_changed(void)
{
    struct doc_value *v = parse("{\"\\u0061\":1,\"b\":2,\"a\":3}");
    CU_ASSERT_EQUAL(doc_rename(v, kit_str("a"), kit_str("\"")), 2);
    CU_ASSERT_EQUAL(doc_rename(v, kit_str("a"), kit_str("c")), 0);
    CU_ASSERT_EQUAL(doc_rename(parse("[]"), kit_str("a"), kit_str("c")), 0);
    expect_text(v, "{\"\\\"\":1,\"b\":2,\"\\\"\":3}");
    /* The order of a large object's index is another one afterwards. */
    struct doc_value *large = doc_object(doc);
    char name[8];
    for (int i = 0; i < 100; i++) {
        snprintf(name, sizeof name, "k%02d", i);
        CU_ASSERT_EQUAL_FATAL(doc_set(doc, large, kit_str(name), doc_int(doc, i)), 0);
    }
    CU_ASSERT_EQUAL(doc_rename(large, kit_str("k50"), kit_str("a")), 1);
    CU_ASSERT_EQUAL_FATAL(doc_set(doc, large, kit_str("z"), doc_int(doc, 100)), 0);
    CU_ASSERT_PTR_NULL(doc_get(large, kit_str("k50")));
    expect_text(doc_get(large, kit_str("a")), "50");
    expect_text(doc_get(large, kit_str("k51")), "51");
    expect_text(doc_get(large, kit_str("z")), "100");
}

static void renaming(void)
{
    with_doc(names_changed);
}

/* What printf finds, one precision after the other. */
static void expect_shortest(double number)
{
    char expected[40] = "", text[40];
    for (int precision = 15; precision <= 17; precision++) {
        snprintf(expected, sizeof expected, "%.*g", precision, number);
        if (strtod(expected, NULL) == number)
            break;
    }
    int n = doc_format_double(number, text, sizeof text);
    CU_ASSERT_STRING_EQUAL(text, expected);
    CU_ASSERT_EQUAL(n, (int)strlen(expected));
}

static void spelled(void)
{
    static const double edges[] = {0.0,    -0.0,        1.0,  0.001,  0.0009, 999999999.999999,
                                   1e9,    1e15,        1e16, 0.1,    0.3,    1.0 / 3,
                                   -20.05, 123456.7891, 1e-7, 5e-324, 2.5,    -999999999};
    uint64_t random = 88172645463325252u;
    for (size_t i = 0; i < sizeof edges / sizeof edges[0]; i++)
        expect_shortest(edges[i]);
    for (int i = 0; i < 200000; i++) {
        random ^= random << 13;
        random ^= random >> 7;
        random ^= random << 17;
        double power = 1, number;
        for (uint64_t places = random % 9; places > 0; places--)
            power *= 10;
        expect_shortest((double)(int64_t)(random >> 16) / 1000 / power);
        memcpy(&number, &random, sizeof number);
        if (number - number == 0)
            expect_shortest(number);
    }
    expect_text(doc_uint(doc, UINT64_MAX), "18446744073709551615");
    expect_text(doc_int(doc, INT64_MIN), "-9223372036854775808");
    expect_text(doc_int(doc, 0), "0");
}

static void spelling(void)
{
    with_doc(spelled);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"what is not changed stays as it was written", keeping},
        {"what is no JSON is refused with its place", refusals},
        {"members and items are put and taken away", changes},
        {"a large object finds its names", large_objects},
        {"memory is aligned, limited and given back", memory},
        {"numbers and documents are compared without rounding", comparing},
        {"numbers are read where they fit", numbers},
        {"paths lead to values", paths},
        {"names change in their place", renaming},
        {"numbers are spelled in the shortest way", spelling},
        {0}};
    return kit_main("json-doc", tests);
}
