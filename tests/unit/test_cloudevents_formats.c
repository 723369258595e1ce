/* SPDX-License-Identifier: Apache-2.0 */
/* Formats of attribute values, and the JSON scanner, by tables of right and wrong. */
#include "formats.h"
#include "json_scan.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct mg_str text(const char *s)
{
    return (struct mg_str){s, strlen(s)};
}

static void expect_all(const char *(*wrong)(struct mg_str), const char *const *list, bool right)
{
    for (; *list; list++) {
        const char *why = wrong(text(*list));
        if (right != !why)
            fprintf(stderr, "\"%s\": %s\n", *list, why ? why : "taken");
        CU_ASSERT_EQUAL(right, !why);
    }
}

static void timestamps(void)
{
    static const char *const right[] = {"2018-04-05T17:31:00Z",
                                        "2018-04-05t17:31:00z",
                                        "2018-04-05T17:31:00.123456789012Z",
                                        "2020-02-29T00:00:00Z",
                                        "2000-02-29T23:59:60+23:59",
                                        "0000-01-01T00:00:00-00:00",
                                        "9999-12-31T23:59:59.9Z",
                                        NULL};
    static const char *const wrong[] = {"",
                                        "2018-04-05",
                                        "2018-04-05T17:31Z",
                                        "2018-04-05 17:31:00Z",
                                        "2018-04-05T17:31:00",
                                        "2018-04-05T17:31:00.Z",
                                        "2018-04-05T17:31:00Zx",
                                        "2018-04-05T17:31:00+0100",
                                        "2018-04-05T17:31:00+24:00",
                                        "2018-04-05T24:00:00Z",
                                        "2018-04-05T17:60:00Z",
                                        "2018-04-05T17:31:61Z",
                                        "2018-04-31T00:00:00Z",
                                        "2018-13-01T00:00:00Z",
                                        "2018-00-01T00:00:00Z",
                                        "2018-01-00T00:00:00Z",
                                        "1900-02-29T00:00:00Z",
                                        "18-04-05T17:31:00Z",
                                        "2018-04-05T03:56;24Z",
                                        "+018-04-05T17:31:00Z",
                                        NULL};
    expect_all(wrong_timestamp, right, true);
    expect_all(wrong_timestamp, wrong, false);
}

static void uris(void)
{
    static const char *const absolute[] = {"https://github.com/cloudevents/spec/pull",
                                           "mailto:cncf-wg-serverless@lists.cncf.io",
                                           "urn:uuid:6e8bc430-9c3a-11d9-9669-0800200c9a66",
                                           "http://u:p@[::1]:80/a?b=c/?#d?/",
                                           "file:///a",
                                           "a:",
                                           "x+y-1.z:%20",
                                           NULL};
    static const char *const relative[] = {"/cloudevents/spec/pull/123",
                                           "/sensors/tn-1234567/alerts",
                                           "1-555-123-4567",
                                           "",
                                           "#a",
                                           "?q=1",
                                           "a/b:c",
                                           "./a:b",
                                           "//host:1/x",
                                           "//",
                                           NULL};
    static const char *const wrong[] = {
        "a b",   "a%2", "%zz", "1a:b", ":a",         "http://[::1", "http://h:x/", "http://a b/",
        "a#b#c", "<a>", "ü",   "a\\b", "http://[]/", "a[b]",        "{x}",         "http://[::1]x/",
        NULL};
    expect_all(wrong_uri, absolute, true);
    expect_all(wrong_uri_reference, absolute, true);
    expect_all(wrong_uri_reference, relative, true);
    expect_all(wrong_uri, relative, false);
    expect_all(wrong_uri_reference, wrong, false);
}

static void media_types(void)
{
    static const char *const right[] = {"application/json",
                                        "text/xml; charset=utf-8",
                                        "a/b;c=\"d;\\\"\"",
                                        "application/vnd.a+json ; v=1;w=2",
                                        "a/b;",
                                        NULL};
    static const char *const wrong[] = {"",        "json",  "a/",         "/b",     "a/b;c",
                                        "a/b;c=",  "a b/c", "a/b c",      "a/b;=d", "a/b;c=\"d",
                                        "a/b,c/d", "a/b/c", "\xc3\xbc/b", NULL};
    expect_all(wrong_media_type, right, true);
    expect_all(wrong_media_type, wrong, false);
}

static void strings_and_integers(void)
{
    static const char *const strings[] = {"", "a", "ü€😀", " ", NULL};
    static const char *const no_strings[] = {
        "\x1f", "\x7f",         "\xc2\x9f",         "\xef\xbf\xbe", "\xef\xb7\x90",
        "\xff", "\xed\xa0\x80", "\xf0\x9f\xbf\xbf", "\xc0\x80",     NULL};
    static const char *const integers[] = {"0", "-1", "2147483647", "-2147483648", "-0", NULL};
    static const char *const no_integers[] = {
        "", "-", "1.0", "1e2", "2147483648", "-2147483649", "99999999999999999999999", "+1", NULL};
    expect_all(wrong_string, strings, true);
    expect_all(wrong_string, no_strings, false);
    expect_all(wrong_integer, integers, true);
    expect_all(wrong_integer, no_integers, false);
}

static void json_values(void)
{
    static const char *const right[] = {"null",
                                        " true ",
                                        "-0",
                                        "0.5e-10",
                                        "1E+2",
                                        "123456789012345678901234567890",
                                        "[]",
                                        "{}",
                                        "[1,[2,{\"a\":[]}],{}]",
                                        "{\"a\":{\"b\":{}},\"a\":1}",
                                        "\"\\u00e4\\ud800\\\"\\/\"",
                                        "\"\x7f\"",
                                        NULL};
    static const char *const wrong[] = {"",           " ",           "nul",      "01",
                                        "1.",         ".5",          "-",        "1e",
                                        "+1",         "[",           "[1,]",     "[,1]",
                                        "[1 2]",      "{\"a\"}",     "{\"a\":}", "{a:1}",
                                        "{\"a\":1,}", "[}",          "{]",       "\"",
                                        "\"\\x\"",    "\"\\u12g4\"", "\"\n\"",   "\"\xc3\"",
                                        "1 2",        "[1]]",        "tru e",    "\xef\xbb\xbf{}",
                                        "{,}",        "\"\\",        "\"\\u",    "'a'",
                                        "NaN",        NULL};
    for (const char *const *p = right; *p; p++)
        CU_ASSERT_TRUE(scan_is_json((struct mg_bytes){*p, strlen(*p)}));
    for (const char *const *p = wrong; *p; p++) {
        if (scan_is_json((struct mg_bytes){*p, strlen(*p)}))
            fprintf(stderr, "taken: %s\n", *p);
        CU_ASSERT_FALSE(scan_is_json((struct mg_bytes){*p, strlen(*p)}));
    }
}

static void values_keep_their_bytes(void)
{
    const char *json = "\n [ 1.50 , {\"a\" : [ ]}] x";
    struct scan s;
    struct scan_value v;
    struct mg_err err;
    scan_begin(&s, (struct mg_bytes){json, strlen(json)});
    CU_ASSERT_TRUE_FATAL(scan_value(&s, &v));
    CU_ASSERT_EQUAL(v.kind, SCAN_LIST);
    CU_ASSERT_EQUAL(v.text.len, strlen(json) - 4);
    CU_ASSERT_EQUAL(memcmp(v.text.at, "[ 1.50 , {\"a\" : [ ]}]", v.text.len), 0);
    CU_ASSERT_FALSE(scan_end(&s));
    scan_refuse(&s, "it", &err);
    CU_ASSERT_STRING_EQUAL(err.text, "it: line 2, column 24: something follows behind the end");
}

static void nesting_has_a_limit(void)
{
    for (size_t deep = SCAN_DEPTH_MAX; deep <= SCAN_DEPTH_MAX + 1; deep++) {
        char *json = malloc(2 * deep);
        CU_ASSERT_PTR_NOT_NULL_FATAL(json);
        memset(json, '[', deep);
        memset(json + deep, ']', deep);
        CU_ASSERT_EQUAL(scan_is_json((struct mg_bytes){json, 2 * deep}), deep == SCAN_DEPTH_MAX);
        free(json);
    }
}

static void escapes(void)
{
    char out[64];
    ptrdiff_t n = scan_unescape(text("\"a\\n\\u20ac\\ud83d\\ude00\\u0041\\\\\""), out);
    CU_ASSERT_EQUAL(n, 11);
    CU_ASSERT_EQUAL(memcmp(out, "a\n€😀A\\", 11), 0);
    CU_ASSERT_TRUE(scan_unescape(text("\"\\ud83d\""), out) < 0);
    CU_ASSERT_TRUE(scan_unescape(text("\"\\ud83d\\u0041\""), out) < 0);
    CU_ASSERT_TRUE(scan_unescape(text("\"\\ude00\""), out) < 0);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"timestamps are RFC 3339 with real days", timestamps},
        {"URIs and references are RFC 3986", uris},
        {"media types have two parts and parameters", media_types},
        {"strings and Integers as the type system says", strings_and_integers},
        {"the scanner takes JSON and nothing else", json_values},
        {KIT_TEST(values_keep_their_bytes)},
        {KIT_TEST(nesting_has_a_limit)},
        {"escapes are characters, halves of pairs are none", escapes},
        {0}};
    return kit_main("cloudevents-formats", tests);
}
