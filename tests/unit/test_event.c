/* SPDX-License-Identifier: Apache-2.0 */
/* Events: borrowing, sharing, editing; templates over them. */
#include "event/event.h"
#include "event/template.h"
#include "unit.h"
#include <CUnit/CUnit.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(s) ((struct mg_str){(s), sizeof(s) - 1})

static struct mg_host host;

static struct mg_message example(void)
{
    static const struct mg_property properties[] = {
        {TEXT("site"), {.type = MG_TEXT, .as.text = {"north", 5}}},
        {TEXT("count"), {.type = MG_INT, .width = 32, .as.i = -7}},
        {TEXT("site"), {.type = MG_TEXT, .as.text = {"south", 5}}},
    };
    struct mg_message m = {
        .head = {.size = sizeof m.head, .address = TEXT("plant/a/m1"), .subject = TEXT("")},
        .payload = {"\0\1payload", 9},
        .properties = properties,
        .property_count = 3,
    };
    m.head.correlation = (struct mg_value){.type = MG_BINARY, .as.binary = {"\xff\0c", 3}};
    return m;
}

static void a_new_event_owns_copies_of_everything(void)
{
    char address[] = "plant/x";
    struct mg_message m = {.head = {.address = {address, 7}}, .payload = {address, 7}};
    mg_event *e = gw_event_new(&m);
    memset(address, '!', 7);
    CU_ASSERT_EQUAL(memcmp(host.event_head(e)->address.at, "plant/x", 7), 0);
    CU_ASSERT_EQUAL(memcmp(host.event_payload(e).at, "plant/x", 7), 0);
    gw_event_unref(e);
}

static void unset_and_empty_texts_stay_apart(void)
{
    struct mg_message m = example();
    mg_event *e = gw_event_new(&m);
    CU_ASSERT_PTR_NOT_NULL(host.event_head(e)->subject.at);
    CU_ASSERT_EQUAL(host.event_head(e)->subject.len, 0);
    CU_ASSERT_PTR_NULL(host.event_head(e)->reply_to.at);
    gw_event_unref(e);
}

static void a_borrowed_event_is_copied_once_when_kept(void)
{
    struct mg_message m = example();
    struct mg_event borrowed;
    gw_event_borrow(&borrowed, &m, 42);
    mg_event *one = gw_event_ref(&borrowed), *two = gw_event_ref(&borrowed);
    CU_ASSERT_PTR_EQUAL(one, two);
    CU_ASSERT_PTR_NOT_EQUAL(one, &borrowed);
    CU_ASSERT_EQUAL(one->id, 42);
    gw_event_return(&borrowed);
    CU_ASSERT_EQUAL(host.event_payload(two).len, 9);
    gw_event_unref(one);
    gw_event_unref(two);
}

static void an_edit_that_leaves_the_payload_shares_it(void)
{
    struct mg_message m = example();
    mg_event *base = gw_event_new(&m);
    mg_edit *edit = host.edit_new(base);
    host.edit_head(edit)->address = TEXT("other");
    mg_event *edited = host.edit_publish(edit);
    const void *payload = host.event_payload(base).at;
    gw_event_unref(base);
    CU_ASSERT_PTR_EQUAL(host.event_payload(edited).at, payload);
    CU_ASSERT_EQUAL(host.event_head(edited)->address.len, 5);
    gw_event_unref(edited);
}

static int freed;
static void count_free(void *arg)
{
    freed++;
    free(arg);
}

static void a_given_payload_is_freed_with_the_last_event_that_shares_it(void)
{
    freed = 0;
    char *bytes = malloc(4);
    memcpy(bytes, "give", 4);
    mg_edit *edit = host.edit_new(NULL);
    CU_ASSERT_EQUAL(host.edit_payload(edit, (struct mg_bytes){bytes, 4}, count_free, bytes), 0);
    mg_event *one = host.edit_publish(edit);
    mg_event *two = host.edit_publish(host.edit_new(one));
    gw_event_unref(one);
    CU_ASSERT_EQUAL(freed, 0);
    CU_ASSERT_EQUAL(memcmp(host.event_payload(two).at, "give", 4), 0);
    gw_event_unref(two);
    CU_ASSERT_EQUAL(freed, 1);
}

static void properties_append_and_are_removed_by_name(void)
{
    struct mg_message m = example();
    mg_event *base = gw_event_new(&m);
    mg_edit *edit = host.edit_new(base);
    struct mg_value value = {.type = MG_BINARY, .as.binary = {"\0\1", 2}};
    CU_ASSERT_EQUAL(host.edit_property(edit, TEXT("site"), NULL), 0);
    for (int i = 0; i < 20; i++)
        CU_ASSERT_EQUAL(host.edit_property(edit, TEXT("new"), &value), 0);
    mg_event *edited = host.edit_publish(edit);
    size_t count;
    const struct mg_property *p = host.event_properties(edited, &count);
    CU_ASSERT_EQUAL(count, 21);
    CU_ASSERT_EQUAL(p[0].value.as.i, -7);
    CU_ASSERT_EQUAL(memcmp(p[20].value.as.binary.at, "\0\1", 2), 0);
    CU_ASSERT_FALSE(host.event_find(edited, TEXT("site"), &value));
    CU_ASSERT_TRUE(host.event_find(base, TEXT("site"), &value));
    CU_ASSERT_EQUAL(memcmp(value.as.text.at, "north", 5), 0);
    gw_event_unref(base);
    gw_event_unref(edited);
}

/* ---- templates ------------------------------------------------------------------------------ */

static ptrdiff_t expand_of(const struct mg_message *m, const char *text, char *buffer, size_t size,
                           struct mg_err *err)
{
    static const struct mg_str names[] = {{"line", 4}}, values[] = {{"a.b", 3}};
    const struct gw_captures captures = {1, names, values};
    const mg_scope scope = {TEXT("r1"), TEXT("g1"), &captures};
    mg_event *e = gw_event_new(m);
    mg_template *t = NULL;
    size_t offset;
    ptrdiff_t n = gw_template_compile(text, &t, &offset, err);
    if (n == 0)
        n = gw_template_expand(t, &scope, e, NULL, buffer, size, err);
    gw_template_destroy(t);
    gw_event_unref(e);
    return n;
}

static ptrdiff_t expand(const char *text, char *buffer, size_t size, struct mg_err *err)
{
    struct mg_message m = example();
    return expand_of(&m, text, buffer, size, err);
}

static void templates_expand_every_kind_of_field(void)
{
    char out[200];
    struct mg_err err;
    CU_ASSERT_EQUAL(
        expand(
            "x.{line}/{event.address} {property.count}{{}} {route.name}@{gateway.name} {event.qos}",
            out, sizeof out, &err),
        29);
    CU_ASSERT_STRING_EQUAL(out, "x.a.b/plant/a/m1 -7{} r1@g1 0");
}

static void templates_make_identities_of_what_the_peer_said(void)
{
    char out[100];
    struct mg_err err;
    struct mg_message m = example();
    m.head.present = MG_HAS_GROUP_SEQUENCE | MG_HAS_CREATED;
    m.head.group = TEXT("g");
    m.head.group_sequence = 4294967295u;
    m.head.user = (struct mg_bytes){"ann", 3};
    m.head.content_encoding = TEXT("gzip");
    m.head.created_us = 1700000000123456;
    CU_ASSERT_EQUAL(expand_of(&m,
                              "{event.user} {event.group}/{event.group_sequence} {event.created} "
                              "{event.content_encoding}",
                              out, sizeof out, &err),
                    35);
    CU_ASSERT_STRING_EQUAL(out, "ann g/4294967295 1700000000123 gzip");
    /* A number that nobody said is no 0. */
    m.head.present = 0;
    CU_ASSERT_EQUAL(expand_of(&m, "{event.group_sequence}", out, sizeof out, &err), -ENOENT);
    CU_ASSERT_EQUAL(expand_of(&m, "{event.created}", out, sizeof out, &err), -ENOENT);
}

static void equal_values_are_in_one_partition(void)
{
    /* FNV-1a of 32 bits, by hand: "m1" 3 of 4, "press-7" 0 of 4, "x" 20615 of 65536. */
    static const struct {
        const char *value, *expanded;
    } cases[] = {{"m1", "3/4 0 m1"}, {"press-7", "0/4 0 press-7"}, {"", "1/4 0 "}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        char out[100];
        struct mg_err err;
        struct mg_message m = example();
        m.head.group = (struct mg_str){cases[i].value, strlen(cases[i].value)};
        CU_ASSERT_TRUE(expand_of(&m, "{event.group % 4}/4 {event.group % 1} {event.group}", out,
                                 sizeof out, &err) > 0);
        CU_ASSERT_STRING_EQUAL(out, cases[i].expanded);
    }
    char out[100];
    struct mg_err err;
    CU_ASSERT_EQUAL(expand("{line % 65536}", out, sizeof out, &err), 5);
    CU_ASSERT_EQUAL(expand("{property.a % b}", out, sizeof out, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "property.a % b"));
}

static void a_field_without_a_value_is_named(void)
{
    char out[10];
    struct mg_err err;
    CU_ASSERT_EQUAL(expand("{property.nowhere}", out, sizeof out, &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "property.nowhere"));
    CU_ASSERT_EQUAL(expand("0123456789a", out, sizeof out, &err), -ENOSPC);
}

static void wrong_templates_say_where(void)
{
    static const struct {
        const char *text;
        size_t offset;
    } cases[] = {{"ab{line", 2},
                 {"ab}", 2},
                 {"{Line}", 6},
                 {"x{}", 3},
                 {"{event.nothing}", 15},
                 {"{line % 0}", 10},
                 {"{line % 65537}", 14},
                 {"{line % 99999999999999999999}", 29},
                 {"{ % 4}", 6}};
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_template *t;
        struct mg_err err = {{0}, NULL};
        size_t offset = 99;
        CU_ASSERT_EQUAL(gw_template_compile(cases[i].text, &t, &offset, &err), -EINVAL);
        CU_ASSERT_TRUE(err.text[0] != 0);
        CU_ASSERT_EQUAL(offset, cases[i].offset);
    }
}

static bool rest_is_many(void *arg, const char *name)
{
    (void)arg;
    return !strcmp(name, "rest");
}

static void covers_contain_all_that_a_template_can_become(void)
{
    static const char *const cases[][2] = {
        {"a/{line}/b", "a/+/b"},   {"a/x{line}y/b", "a/+/b"},    {"a/{rest}", "a/#"},
        {"plain/x", "plain/x"},    {"a/{event.address}", "a/#"}, {"{line}", "+"},
        {"a/{line}{line}", "a/+"}, {"a/x{rest}/b", "a/#"},       {"a/{rest % 4}/b", "a/+/b"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        mg_template *t;
        struct mg_err err;
        size_t offset;
        CU_ASSERT_EQUAL_FATAL(gw_template_compile(cases[i][0], &t, &offset, &err), 0);
        char *cover = gw_template_cover(t, rest_is_many, NULL);
        CU_ASSERT_STRING_EQUAL(cover, cases[i][1]);
        free(cover);
        gw_template_destroy(t);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"a new event owns copies of everything", a_new_event_owns_copies_of_everything},
        {"unset and empty texts stay apart", unset_and_empty_texts_stay_apart},
        {"a borrowed event is copied once when kept", a_borrowed_event_is_copied_once_when_kept},
        {"an edit that leaves the payload shares it", an_edit_that_leaves_the_payload_shares_it},
        {"a given payload is freed with its last event",
         a_given_payload_is_freed_with_the_last_event_that_shares_it},
        {"properties append and are removed by name", properties_append_and_are_removed_by_name},
        {"templates expand every kind of field", templates_expand_every_kind_of_field},
        {KIT_TEST(templates_make_identities_of_what_the_peer_said)},
        {KIT_TEST(equal_values_are_in_one_partition)},
        {"a field without a value is named", a_field_without_a_value_is_named},
        {"wrong templates say where", wrong_templates_say_where},
        {"covers contain all that a template can become",
         covers_contain_all_that_a_template_can_become},
        {NULL, NULL},
    };
    gw_event_host_fill(&host);
    return kit_main("event", tests);
}
