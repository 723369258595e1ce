/* SPDX-License-Identifier: Apache-2.0 */
/* URLs with fields: what is refused, and that values can be nothing but values. */
#include "address.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct kit_host *host;
static struct mg_err err;
static char url[ADDRESS_BYTES_MAX];

static void refuses(const char *text, const char *why)
{
    struct address *a = NULL;
    err.text[0] = '\0';
    CU_ASSERT_EQUAL(address_compile(text, &a, &err), -EINVAL);
    CU_ASSERT_PTR_NULL(a);
    if (!strstr(err.text, why))
        fprintf(stderr, "%s: %s\n", text, err.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, why));
}

static ptrdiff_t expand(const char *text, const char *value)
{
    struct address *a = NULL;
    int error = address_compile(text, &a, &err);
    if (error)
        fprintf(stderr, "%s: %s\n", text, err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    host = kit_host_create();
    mg_event *event = kit_event("plant/a", "{}");
    const struct mg_step_call call = {.event = event,
                                      .scope = kit_scope(host, "r", "m", value, NULL)};
    ptrdiff_t length = address_expand(a, kit_host_table(host), NULL, &call, url, &err);
    kit_host_table(host)->event_unref(event);
    address_free(a);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
    return length;
}

static void becomes(const char *text, const char *value, const char *expected)
{
    ptrdiff_t length = expand(text, value);
    CU_ASSERT_EQUAL(length, (ptrdiff_t)strlen(expected));
    if (length < 0 || strcmp(url, expected) != 0)
        fprintf(stderr, "%s\n", length < 0 ? err.text : url);
    CU_ASSERT_STRING_EQUAL(url, expected);
}

static void the_server_is_fixed(void)
{
    refuses("ftp://h/", "http:// or https://");
    refuses("h/x", "http:// or https://");
    refuses("http://", "names no server");
    refuses("http:///x", "names no server");
    refuses("http://:80/x", "names no server");
    refuses("http://{m}/x", "fields");
    refuses("http://h{m}", "fields");
    refuses("http://u:p@h/", "options of their own");
    refuses("http://h}}x/", "another character");
    refuses("http://h\\x/", "another character");
    refuses("http://h/a b", "percent-encoded");
    refuses("http://h/\xc3\xa4", "percent-encoded");
    refuses("http://h/#x", "percent-encoded");
    refuses("http://h/{m", "{ without its }");
    refuses("http://h/m}", "} without its {");
    refuses("http://h/{m{x}", "{ without its }");
    refuses("http://h/{no.such}", "is not known");
}

static void values_are_encoded(void)
{
    becomes("http://h/m/{m}?x={m}", "a-b_c.d~9", "http://h/m/a-b_c.d~9?x=a-b_c.d~9");
    becomes("HTTPS://[::1]:1/{m}", "a/b?c#d&e=f%g h\r\n",
            "HTTPS://[::1]:1/a%2Fb%3Fc%23d%26e%3Df%25g%20h%0D%0A");
    becomes("http://h?q={m}", "ä\x01", "http://h?q=%C3%A4%01");
    becomes("http://h/{{x}}/{event.address}", "-", "http://h/{x}/plant%2Fa");
    becomes("http://h", "", "http://h");
}

/* Those that the gateway's own templates have. */
static void all_fields_of_an_event_are_known(void)
{
    static const char *const names[] = {"content_encoding", "group_sequence", "user", "created"};
    struct address *a = NULL;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        char text[64];
        snprintf(text, sizeof text, "http://h/{event.%s}", names[i]);
        CU_ASSERT_EQUAL(expand(text, "x"), -ENOENT);
    }
    host = kit_host_create();
    struct mg_message m = kit_message("plant/a", "");
    m.head.present = MG_HAS_CREATED | MG_HAS_GROUP_SEQUENCE;
    m.head.created_us = 1700000000123456;
    m.head.group_sequence = 4000000000u;
    m.head.user = (struct mg_bytes){"ann", 3};
    m.head.content_encoding = kit_str("gzip");
    mg_event *event = kit_host_table(host)->event_new(&m);
    const struct mg_step_call call = {.event = event, .scope = kit_scope(host, "r", NULL)};
    CU_ASSERT_EQUAL_FATAL(address_compile("http://h/{event.created}/{event.group_sequence}/"
                                          "{event.user}/{event.content_encoding}",
                                          &a, &err),
                          0);
    CU_ASSERT_TRUE(address_expand(a, kit_host_table(host), NULL, &call, url, &err) > 0);
    CU_ASSERT_STRING_EQUAL(url, "http://h/1700000000123/4000000000/ann/gzip");
    address_free(a);
    kit_host_table(host)->event_unref(event);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void no_value_climbs_out_of_the_path(void)
{
    static const char *const bad[] = {".", "..", "a/../b", "../x", "x/..", "\\..\\x"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        CU_ASSERT_EQUAL(expand("http://h/m/{m}", bad[i]), -EINVAL);
        CU_ASSERT_EQUAL(expand("http://h/m/{m}/more?x=1", bad[i]), -EINVAL);
    }
    CU_ASSERT_EQUAL(expand("http://h/m/.{m}", "."), -EINVAL);
    CU_ASSERT_EQUAL(expand("http://h/m%2f{m}", ".."), -EINVAL);
    CU_ASSERT_EQUAL(expand("http://h/m%5c{m}/x", ".."), -EINVAL);
    becomes("http://h/m/{m}", "...", "http://h/m/...");
    becomes("http://h/?x={m}", "..", "http://h/?x=..");
    becomes("http://h?x=/{m}", "..", "http://h?x=/..");
}

static void no_part_of_the_path_is_empty(void)
{
    CU_ASSERT_EQUAL(expand("http://h/m/{m}/state", ""), -ENOENT);
    CU_ASSERT_EQUAL(expand("http://h/m/{m}", ""), -ENOENT);
    CU_ASSERT_EQUAL(expand("http://h/{m}{m}?x=1", ""), -ENOENT);
    becomes("http://h/m{m}/state", "", "http://h/m/state");
    becomes("http://h/m?x={m}&p=/{m}", "", "http://h/m?x=&p=/");
}

static void what_lacks_or_is_too_long_is_said(void)
{
    static char many[ADDRESS_BYTES_MAX];
    CU_ASSERT_EQUAL(expand("http://h/{other}", "x"), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "{other}"));
    memset(many, 'a', sizeof many - 1);
    CU_ASSERT_EQUAL(expand("http://h/{m}", many), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "longer than"));
    many[ADDRESS_BYTES_MAX / 3] = '\0';
    memset(many, ' ', strlen(many));
    CU_ASSERT_EQUAL(expand("http://h/{m}", many), -EINVAL);
    CU_ASSERT_EQUAL(expand("http://h/{m}/0123456789", many), -EINVAL);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(the_server_is_fixed)},
        {KIT_TEST(values_are_encoded)},
        {KIT_TEST(all_fields_of_an_event_are_known)},
        {KIT_TEST(no_value_climbs_out_of_the_path)},
        {KIT_TEST(no_part_of_the_path_is_empty)},
        {KIT_TEST(what_lacks_or_is_too_long_is_said)},
        {NULL, NULL},
    };
    return kit_main("http-address", tests);
}
