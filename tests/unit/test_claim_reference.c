/* SPDX-License-Identifier: Apache-2.0 */
/* References of the claim check: what is one, what only looks like one, and what is neither. */
#include "reference.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HASH "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

static struct doc *doc;
static struct reference got;
static struct mg_err err;

static int read_text(const char *text)
{
    err.text[0] = '\0';
    return reference_read(doc, (struct mg_bytes){text, strlen(text)}, &got, &err);
}

static void refuses(const char *text, const char *why)
{
    CU_ASSERT_EQUAL(read_text(text), -EINVAL);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s: %s\n", text, err.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, why));
}

static void what_is_written_is_read(void)
{
    struct reference r = {.sha256 = HASH, .size = 70000};
    size_t length;
    doc = doc_create();
    char *text = reference_write(doc, &r, &length);
    CU_ASSERT_STRING_EQUAL(text, "{\"claimCheck\":{\"sha256\":\"" HASH "\",\"size\":70000}}");
    CU_ASSERT_EQUAL(read_text(text), 1);
    CU_ASSERT_STRING_EQUAL(got.sha256, HASH);
    CU_ASSERT_EQUAL(got.size, 70000);
    CU_ASSERT_PTR_NULL(got.content_type.at);
    CU_ASSERT_PTR_NULL(got.content_encoding.at);
    free(text);
    r.content_type = (struct mg_str){"a/\"b\"\n\xc3\xa4", 9};
    r.content_encoding = (struct mg_str){"", 0};
    text = reference_write(doc, &r, &length);
    CU_ASSERT_EQUAL(read_text(text), 1);
    CU_ASSERT_EQUAL(got.content_type.len, 9);
    CU_ASSERT_EQUAL(memcmp(got.content_type.at, "a/\"b\"\n\xc3\xa4", 9), 0);
    CU_ASSERT_TRUE(got.content_encoding.at && !got.content_encoding.len); /* set, and empty */
    free(text);
    doc_destroy(doc);
}

static void the_longest_types_fit(void)
{
    static char type[REFERENCE_TYPE_BYTES_MAX];
    struct reference r = {.sha256 = HASH,
                          .size = UINT32_MAX,
                          .content_type = {type, sizeof type},
                          .content_encoding = {type, sizeof type}};
    size_t length;
    memset(type, 1, sizeof type); /* \u0001: six characters each */
    doc = doc_create();
    char *text = reference_write(doc, &r, &length);
    CU_ASSERT_TRUE(length <= REFERENCE_BYTES_MAX);
    CU_ASSERT_EQUAL(read_text(text), 1);
    CU_ASSERT_EQUAL(got.content_encoding.len, sizeof type);
    free(text);
    doc_destroy(doc);
}

static void other_payloads_are_none(void)
{
    static const char *const others[] = {
        "",
        "claimCheck",
        "{\"claimCheck\":",
        "[\"claimCheck\"]",
        "{\"claimCheck\":1}",
        "{\"claimCheck\":{}}",
        "{\"claimCheck\":{\"id\":7}}",
        "{\"claimCheck\":{\"sha256\":7}}",
        "{\"x\":{\"claimCheck\":{\"sha256\":\"" HASH "\",\"size\":1}}}",
        "{\"claimCheck\":{\"sha256\":\"" HASH "\",\"size\":1},\"x\":1}",
    };
    doc = doc_create();
    for (size_t i = 0; i < sizeof others / sizeof others[0]; i++)
        CU_ASSERT_EQUAL(read_text(others[i]), 0);
    doc_destroy(doc);
}

static void wrong_references_say_why(void)
{
    doc = doc_create();
    refuses("{\"claimCheck\":{\"sha256\":\"../../etc/passwd\",\"size\":1}}", "sha256");
    refuses("{\"claimCheck\":{\"sha256\":\"0" HASH "\",\"size\":1}}", "sha256");
    refuses("{\"claimCheck\":{\"sha256\":"
            "\"0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF\",\"size\":1}}",
            "sha256");
    refuses("{\"claimCheck\":{\"sha256\":\"" HASH "\"}}", "size");
    refuses("{\"claimCheck\":{\"sha256\":\"" HASH "\",\"size\":-1}}", "size");
    refuses("{\"claimCheck\":{\"sha256\":\"" HASH "\",\"size\":1e99}}", "size");
    refuses("{\"claimCheck\":{\"sha256\":\"" HASH "\",\"size\":\"1\"}}", "size");
    refuses("{\"claimCheck\":{\"sha256\":\"" HASH "\",\"size\":1,\"contentType\":1}}",
            "contentType");
    refuses("{\"claimCheck\":{\"sha256\":\"" HASH "\",\"size\":1,\"contentEncoding\":null}}",
            "contentEncoding");
    CU_ASSERT_EQUAL(
        read_text(" { \"claimCheck\" : { \"later\":[], \"size\":1,\"sha256\":\"" HASH "\"} }\n"),
        1);
    doc_destroy(doc);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(what_is_written_is_read)},
        {KIT_TEST(the_longest_types_fit)},
        {KIT_TEST(other_payloads_are_none)},
        {KIT_TEST(wrong_references_say_why)},
        {NULL, NULL},
    };
    return kit_main("claim-reference", tests);
}
