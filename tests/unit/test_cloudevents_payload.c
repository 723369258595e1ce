/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "cloudevents": attributes that are made of the payload. */
#include "cloudevents_kit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BINARY "{mode: wrap, encode: binary, attributes: {id: '1', source: /s, "
#define HEAD   "specversion: 1.0\nid: 1\nsource: /s\n"
#define JSON   "content-type: application/json\n"

static void fields(void)
{
    ce_expect("{mode: wrap, attributes: {id: '{data.n}', source: '/{line}/{data.m.hall}', "
              "type: 'com.acme.{data.kind}', time: '{data.list.1}', x: '{{{data.f}}}'}}",
              "\n{\"n\":1.10,\"m\":{\"hall\":\"S\\u00fcd 7\"},\"kind\":\"ab\",\"f\":false,"
              "\"list\":[0,\"2026-01-31T08:30:00Z\"]} ",
              "content-type: application/cloudevents+json\n\n"
              "{\"specversion\":\"1.0\",\"id\":\"1.10\",\"source\":\"/a/S%C3%BCd%207\","
              "\"type\":\"com.acme.ab\",\"time\":\"2026-01-31T08:30:00Z\",\"x\":\"{false}\","
              "\"datacontenttype\":\"application/json\",\"data\":"
              "{\"n\":1.10,\"m\":{\"hall\":\"S\\u00fcd 7\"},\"kind\":\"ab\",\"f\":false,"
              "\"list\":[0,\"2026-01-31T08:30:00Z\"]} }");
    ce_expect_reject(BINARY "type: '{data.k}'}}", "\n{\"k\":\"a\\nb\"}",
                     "attribute type: \"a\nb\" has a control character");
    ce_expect(BINARY "type: '{data}'}}", "\n\"hot\"", JSON HEAD "type: hot\n\n\"hot\"");
    ce_expect(BINARY "type: '{data.a\\.b}{property.p}{data.c}'}}",
              "p: -\n\n{\"data\":{\"a.b\":\"x\",\"c\":12345678901234567890}}",
              JSON "p: -\n" HEAD "type: x-12345678901234567890\n\n"
                   "{\"data\":{\"a.b\":\"x\",\"c\":12345678901234567890}}");
}

/* Braces that are none, and names that only begin like data. */
static void what_is_no_field(void)
{
    ce_expect(BINARY "type: '{{data.k}}{{{{data}}'}}", "\nno JSON",
              HEAD "type: {data.k}{{data}\n\nno JSON");
    ce_expect_reject(BINARY "type: '{data_type}'}}", "\nno JSON",
                     "attribute type: this event has no value for {data_type}");
}

static void values_that_are_missing(void)
{
    const char *yaml = BINARY "type: 't{data.k}', subject: 's{data.s}'}}";
    ce_expect(yaml, "\n{\"k\":1}", JSON HEAD "type: t1\n\n{\"k\":1}");
    ce_expect(yaml, "\n{\"k\":1,\"s\":null}", JSON HEAD "type: t1\n\n{\"k\":1,\"s\":null}");
    ce_expect(BINARY "type: t, subject: '{data.s}'}}", "\n{\"s\":\"\"}",
              JSON HEAD "type: t\n\n{\"s\":\"\"}");
    ce_expect_reject(yaml, "\n{\"s\":1}", "attribute type: the payload has no data.k");
    ce_expect_reject(yaml, "\n[1]", "attribute type: the payload has no data.k");
    ce_expect_reject(yaml, "\n{\"k\":null}", "attribute type: the payload has no data.k");
    ce_expect_reject(BINARY "type: '{data.k}'}}", "\n{\"k\":\"\"}",
                     "attribute type: its text is empty");
    ce_expect_reject(yaml, "\n{\"k\":[1]}", "attribute type: {data.k} is a list, not a text");
    ce_expect_reject(yaml, "\n{\"k\":1,\"s\":{}}", "attribute subject: {data.s} is an object, not");
}

static void payloads_that_cannot_be_read(void)
{
    const char *yaml = BINARY "type: t, subject: '{data.s}'}}";
    ce_expect_reject(yaml, "\n", "the payload is empty, not JSON");
    ce_expect_reject(yaml, "\n{\"s\":1,\n}", "the payload is not JSON: line 2, column 1");
    ce_expect_reject(yaml, "content-encoding: gzip\n\n{}", "content encoding gzip");
    ce_expect_reject("{max_size: 3, mode: wrap, encode: binary, attributes: {id: '1', source: /s, "
                     "type: t, subject: '{data.s}'}}",
                     "\n1234", "4 bytes are more than max_size allows, 3");
    /* Only what is wrapped is read: an event's own data may be anything, of any size. */
    ce_expect("{max_size: 3, mode: wrap, encode: binary, attributes: {id: '{data.n}', source: /s, "
              "type: t}}",
              HEAD "type: t\n\nno JSON", "pass");
}

/* A text that JSON has, under a content type that is not JSON's, stays a text. */
static void the_content_type_decides(void)
{
    ce_expect("{mode: wrap, attributes: {id: '{data}', source: /s, type: t}}",
              "content-type: text/plain\n\n7",
              "content-type: application/cloudevents+json\n\n"
              "{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/s\",\"type\":\"t\","
              "\"datacontenttype\":\"text/plain\",\"data\":\"7\"}");
    ce_expect("{mode: wrap, attributes: {id: '{data}', source: /s, type: t}}",
              "content-type: application/octet-stream\n\n7",
              "content-type: application/cloudevents+json\n\n"
              "{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/s\",\"type\":\"t\","
              "\"datacontenttype\":\"application/octet-stream\",\"data_base64\":\"Nw==\"}");
}

static char *with_text(const char *before, const char *repeated, size_t times, const char *after)
{
    char *text = NULL;
    size_t length;
    FILE *out = open_memstream(&text, &length);
    fputs(before, out);
    while (times--)
        fputs(repeated, out);
    fputs(after, out);
    fclose(out);
    return text;
}

static void limits(void)
{
    const char *yaml = BINARY "type: t, subject: '{data.s}', x: '{data.s}{data.s}'}}";
    char *half = with_text("\n{\"s\":\"", "x", 32768, "\"}");
    ce_expect_reject(yaml, half, "attribute x: its text is longer than 65535 bytes");
    free(half);
    char *deep = with_text("\n", "[", 513, "");
    ce_expect_reject(yaml, deep, "deep");
    free(deep);
    for (size_t parts = 64; parts <= 65; parts++) {
        char *many = with_text(BINARY "type: '", "{data.k}", parts, "'}}");
        struct mg_err err = {.text = ""};
        int error = mg_module(NULL)->check(ce_settings(many), &err);
        CU_ASSERT_EQUAL(error, parts > 64 ? -EINVAL : 0);
        CU_ASSERT_EQUAL(strstr(err.text, "more than 64 parts") != NULL, parts > 64);
        free(many);
    }
}

static void wrong_fields(void)
{
    static const char *const wrong[][2] = {
        {"{data.a..b}", ":4:9: \"data.a..b\" has an empty part"},
        {"{data.}", ":4:9: \"data.\" has an empty part"},
        {"{data.a}{", ":4:9: { without its }"},
        {"{data.a}}", ":4:9: } without its {"},
        {"{data.a", ":4:9: { without its }"},
        {"{payload.a}", ":4:9: {payload.a} is not known"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char yaml[200];
        struct mg_err err = {.text = ""};
        snprintf(yaml, sizeof yaml, "mode: wrap\nattributes:\n  id: '1'\n  type: '%s'\n",
                 wrong[i][0]);
        CU_ASSERT_EQUAL(mg_module(NULL)->check(ce_settings(yaml), &err), -EINVAL);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s: %s\n", wrong[i][0], err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i][1]));
    }
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        ce_with_host(name);                                                                        \
    }
TEST(fields)
TEST(what_is_no_field)
TEST(values_that_are_missing)
TEST(payloads_that_cannot_be_read)
TEST(the_content_type_decides)
TEST(limits)
TEST(wrong_fields)

int main(void)
{
    static const struct kit_test tests[] = {
        {"attributes are made of the payload", run_fields},
        {"braces and other names are none of its fields", run_what_is_no_field},
        {"a value that is missing leaves an attribute out, or the event",
         run_values_that_are_missing},
        {"a payload that cannot be read is rejected", run_payloads_that_cannot_be_read},
        {"the content type decides what data becomes", run_the_content_type_decides},
        {"texts, nesting and parts have limits", run_limits},
        {"wrong fields are refused with their place", run_wrong_fields},
        {0}};
    return kit_main("cloudevents-payload", tests);
}
