/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "cloudevents": what it makes of messages and events, in each mode and binding. */
#include "cloudevents_kit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OBJECT "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\""
#define JSON   "content-type: application/cloudevents+json\n\n"
#define BATCH  "content-type: application/cloudevents-batch+json\n\n"
#define MQTT   "specversion: 1.0\nid: 1\nsource: /s\ntype: t\n"
#define AMQP                                                                                       \
    "cloudEvents:specversion: 1.0\ncloudEvents:id: 1\ncloudEvents:source: /s\ncloudEvents:type: "  \
    "t\n"
#define WRAP "mode: wrap, attributes: {id: '{property.n}', source: '/plants/{line}', type: t"

static void wrapping(void)
{
    ce_expect("{" WRAP "}}", "content-type: application/json\nn: 7\n\n{\"a\":1.0}\n",
              "content-type: application/cloudevents+json\nn: 7\n\n"
              "{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/plants/a\",\"type\":\"t\","
              "\"datacontenttype\":\"application/json\",\"data\":{\"a\":1.0}\n}");
    ce_expect("{encode: binary, " WRAP ", subject: '{machine}'}}",
              "content-type: text/plain\nn: 7\nsite: Graz\n\nhot",
              "content-type: text/plain\nn: 7\nsite: Graz\nspecversion: 1.0\nid: 7\n"
              "source: /plants/a\ntype: t\nsubject: m1\n\nhot");
    ce_expect("{encode: batch, " WRAP "}}", "n: 7\n\n",
              "content-type: application/cloudevents-batch+json\nn: 7\n\n"
              "[{\"specversion\":\"1.0\",\"id\":\"7\",\"source\":\"/plants/a\",\"type\":\"t\"}]");
}

static void what_a_payload_becomes(void)
{
    const char *yaml = "{mode: wrap, attributes: {id: '1', source: /s, type: t}}";
    ce_expect(yaml, "\n 12345678901234567890.10 ",
              JSON OBJECT ",\"datacontenttype\":\"application/json\","
                          "\"data\": 12345678901234567890.10 }");
    ce_expect(yaml, "\nnot JSON", JSON OBJECT ",\"data_base64\":\"bm90IEpTT04=\"}");
    ce_expect(yaml, "content-type: application/json\n\n{broken",
              JSON OBJECT ",\"datacontenttype\":\"application/json\",\"data_base64\":"
                          "\"e2Jyb2tlbg==\"}");
    ce_expect(yaml, "content-type: text/xml; charset=utf-8\n\n<a b=\"ü\">\n</a>",
              JSON OBJECT ",\"datacontenttype\":\"text/xml; charset=utf-8\","
                          "\"data\":\"<a b=\\\"ü\\\">\\n</a>\"}");
    ce_expect(yaml, "content-type: text/plain\n\n\xff",
              JSON OBJECT ",\"datacontenttype\":\"text/plain\",\"data_base64\":\"/w==\"}");
    ce_expect(yaml, "content-type: application/vnd.a+json\n\n\"x\"",
              JSON OBJECT ",\"datacontenttype\":\"application/vnd.a+json\",\"data\":\"x\"}");
    ce_expect("{mode: wrap, attributes: {id: '1', source: /s, type: t, datacontenttype: a/b}}",
              "content-type: text/plain\n\nx",
              JSON OBJECT ",\"datacontenttype\":\"a/b\",\"data_base64\":\"eA==\"}");
    ce_expect_reject(yaml, "content-type: odd\n\nx",
                     "attribute datacontenttype: \"odd\" is no media");
    ce_expect_reject(yaml, "content-encoding: gzip\n\nx", "content encoding gzip");
    ce_expect_reject("{max_size: 3, mode: wrap, attributes: {id: '1', source: /s, type: t}}",
                     "\n1234", "4 bytes are more than max_size allows, 3");
}

/* A text in another charset is nothing that JSON can hold: its bytes go whole, or not at all. */
static void charsets(void)
{
    const char *yaml = "{mode: wrap, attributes: {id: '1', source: /s, type: t}}";
    ce_expect(yaml, "content-type: text/plain; charset=\"ISO-8859-1\"\n\nx",
              JSON OBJECT ",\"datacontenttype\":\"text/plain; charset=\\\"ISO-8859-1\\\"\","
                          "\"data_base64\":\"eA==\"}");
    ce_expect(yaml, "content-type: text/plain;Charset=US-ASCII\n\nx",
              JSON OBJECT ",\"datacontenttype\":\"text/plain;Charset=US-ASCII\",\"data\":\"x\"}");
    ce_expect_reject("{mode: unwrap}",
                     JSON OBJECT ",\"datacontenttype\":\"a/b;charset=utf-16\",\"data\":\"x\"}",
                     "data: a text cannot be taken out into the charset of a/b;charset=utf-16");
    ce_expect("{mode: convert}",
              JSON OBJECT ",\"datacontenttype\":\"a/b;charset=utf-16\",\"data\":\"x\"}", "pass");
}

/* What comes from topics and properties may have any character. */
static void sources_become_uris(void)
{
    const char *yaml =
        "{mode: wrap, encode: binary, prefix: ce_, "
        "attributes: {id: '1', source: '/{property.hall}', type: '{property.hall}'}}";
    ce_expect(yaml, "hall: Süd 7/100%/%20?a=b\n\n",
              "hall: Süd 7/100%/%20?a=b\nce_specversion: 1.0\nce_id: 1\n"
              "ce_source: /S%C3%BCd%207/100%25/%20?a=b\nce_type: Süd 7/100%/%20?a=b\n\n");
    ce_expect_reject(yaml, "hall: a#b#c\n\n", "attribute source: \"/a#b#c\" has a character");
}

static void missing_values(void)
{
    ce_expect_reject("{" WRAP "}}", "\n1",
                     "attribute id: this event has no value for {property.n}");
    ce_expect_reject("{" WRAP "}}", "n: \n\n1", "attribute id: its text is empty");
    ce_expect("{" WRAP ", subject: '{property.s}', x: '{property.s}'}}", "n: 1\ns: \n\n",
              "content-type: application/cloudevents+json\nn: 1\ns: \n\n"
              "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/plants/a\",\"type\":\"t\"}");
    ce_expect_reject("{" WRAP ", time: '{property.t}'}}", "n: 1\nt: noon\n\n",
                     "attribute time: \"noon\" is no timestamp");
}

static void events_are_not_wrapped_again(void)
{
    ce_expect("{" WRAP "}}", JSON OBJECT "}", "pass");
    ce_expect("{encode: binary, " WRAP "}}", JSON OBJECT "}", MQTT "\n");
    /* A plain message's own properties of these names would be taken for the event's. */
    ce_expect("{encode: binary, " WRAP "}}", "n: 1\nsubject: other\ntype: x\n\n",
              "n: 1\nspecversion: 1.0\nid: 1\nsource: /plants/a\ntype: t\n\n");
}

static void unwrapping(void)
{
    const char *yaml = "{mode: unwrap}";
    ce_expect(yaml, JSON OBJECT ",\"data\": {\"n\" : 1.10, \"big\":123456789012345678901}  }",
              "content-type: application/json\n\n{\"n\" : 1.10, \"big\":123456789012345678901}");
    ce_expect(yaml, JSON OBJECT ",\"data\":\"ja\"}", "content-type: application/json\n\n\"ja\"");
    ce_expect(yaml,
              JSON OBJECT ",\"datacontenttype\":\"text/plain\",\"data\":\"a\\n\\ud83d\\ude00\\/\"}",
              "content-type: text/plain\n\na\n😀/");
    ce_expect(yaml, JSON OBJECT ",\"data_base64\":\"aGk\\u003d\"}", "\nhi");
    ce_expect(yaml, JSON OBJECT ",\"data\":null}", "content-type: application/json\n\nnull");
    ce_expect(yaml, JSON OBJECT "}", "\n");
    ce_expect(yaml, "content-type: a/b\nsite: Graz\nx: 1\nNoAttribute: 2\n" MQTT "\nbytes",
              "content-type: a/b\nNoAttribute: 2\n\nbytes");
    ce_expect(yaml, "id: own\n" AMQP "\nbytes", "id: own\n\nbytes");
    ce_expect("{mode: unwrap, as_properties: 'event.'}",
              JSON OBJECT ",\"n\":5,\"gone\":null,\"b\":true,\"datacontenttype\":\"a/b\"}",
              "content-type: a/b\nevent.specversion: 1.0\nevent.id: 1\nevent.source: /s\n"
              "event.type: t\nevent.n: 5\nevent.b: true\nevent.datacontenttype: a/b\n\n");
}

static void what_is_no_event(void)
{
    ce_expect_reject("{mode: unwrap}", "content-type: application/json\n\n{}", "no CloudEvent");
    ce_expect("{mode: convert, on_plain: pass}", "id: 1\n\nx", "pass");
    ce_expect("{mode: convert, on_plain: drop}",
              "content-type: application/cloudeventstore+json\n\nx", "drop");
    ce_expect_reject("{mode: convert, on_plain: pass}", JSON "{}", "attribute specversion");
    ce_expect_reject("{mode: convert, on_plain: pass}",
                     "content-type: application/cloudevents+avro\n\nx",
                     "the event format of application/cloudevents+avro is not known");
    ce_expect_reject("{mode: unwrap, decode: binary}", JSON OBJECT "}", "no property specversion");
}

static void converting(void)
{
    const char *to_json = "{mode: convert}", *to_mqtt = "{mode: convert, encode: binary}";
    const char *to_amqp = "{mode: convert, encode: binary, prefix: 'cloudEvents:'}";
    ce_expect(to_json, "content-type: application/json\nsite: Graz\nX-Y: 1\n" MQTT "\n{}",
              "content-type: application/cloudevents+json\nX-Y: 1\n\n{\"specversion\":\"1.0\","
              "\"site\":\"Graz\",\"id\":\"1\",\"source\":\"/s\",\"type\":\"t\","
              "\"datacontenttype\":\"application/json\",\"data\":{}}");
    ce_expect(to_mqtt, JSON OBJECT ",\"n\":-2147483648,\"b\":false,\"data\":[1e400]}",
              "content-type: application/json\n" MQTT "n: -2147483648\nb: false\n\n[1e400]");
    ce_expect(to_amqp, JSON OBJECT ",\"n\":-2147483648,\"b\":false,\"data\":1}",
              "content-type: application/json\n" AMQP
              "cloudEvents:n: (int) -2147483648\ncloudEvents:b: (bool) false\n\n1");
    ce_expect(to_amqp, "id: 7\nn: 5\n" AMQP "cloudEvents:x: 1\n\nd", "pass");
    ce_expect(to_amqp, AMQP "cloudEvents_x: 1\n\nd", AMQP "cloudEvents:x: 1\n\nd");
    ce_expect(to_mqtt, "id: 7\nn: 5\n" AMQP "\nd", "n: 5\n" MQTT "\nd");
    ce_expect(to_mqtt, "datacontenttype: a/b\n" MQTT "\nd", "pass");
    ce_expect(to_json, JSON OBJECT " , \"x\" : 1.0e0 }",
              "reject: attribute x: \"1.0e0\" is no "
              "Integer, and CloudEvents has no other "
              "number");
    ce_expect(to_json,
              "content-type: Application/CloudEvents+JSON; charset=UTF-8\n\n " OBJECT " } ",
              "pass");
    ce_expect("{mode: convert, encode: batch}", JSON " " OBJECT " } ", BATCH "[" OBJECT " }]");
    /* A structured event may carry its attributes as properties, too. */
    ce_expect(to_amqp, "content-type: application/cloudevents+json\nown: 1\n" MQTT "\n" OBJECT "}",
              "own: 1\n" AMQP "\n");
}

static void amqp_types(void)
{
    ce_expect("{mode: convert}",
              AMQP "cloudEvents:time: (time) 1522949404250\ncloudEvents:n: (uint) 5\n"
                   "cloudEvents:f: (bool) true\ncloudEvents:raw: (binary) hi\n"
                   "cloudEvents:u: (uuid)\ncloudEvents:none: (null)\n\n",
              JSON OBJECT
              ",\"time\":\"2018-04-05T17:30:04.250Z\",\"n\":5,\"f\":true,\"raw\":\"aGk=\","
              "\"u\":\"ab000000-0000-0000-0000-000000000001\"}");
    ce_expect("{mode: convert, encode: binary, prefix: cloudEvents_}",
              AMQP "cloudEvents:raw: (binary) hi\ncloudEvents:time: (time) -1\n\n",
              "cloudEvents_specversion: 1.0\ncloudEvents_id: 1\ncloudEvents_source: /s\n"
              "cloudEvents_type: t\ncloudEvents_raw: (binary) hi\n"
              "cloudEvents_time: 1969-12-31T23:59:59.999Z\n\n");
    ce_expect_reject("{mode: convert}", AMQP "cloudEvents:n: (int) 2147483648\n\n",
                     "attribute n: \"2147483648\" is beyond an Integer");
    ce_expect_reject("{mode: convert}", AMQP "cloudEvents:n: (float) 1.5\n\n",
                     "attribute n: its type is none that CloudEvents has");
    ce_expect_reject("{mode: convert}", AMQP "cloudEvents:subject: (int) 1\n\n",
                     "attribute subject: \"1\" is a number, and must be a String");
}

static void headers(void)
{
    ce_expect(
        "{mode: unwrap, as_properties: e.}",
        "CE-SpecVersion: 1.0\nce-id: \"a \\\" b\"\nce-source: /s\nce-type: Euro%20%E2%82%AC%25\n\n",
        "e.specversion: 1.0\ne.id: a \" b\ne.source: /s\ne.type: Euro €%\n\n");
    ce_expect("{mode: convert, encode: binary, prefix: ce-}",
              JSON "{\"specversion\":\"1.0\",\"id\":\"a b\",\"source\":\"/s\",\"type\":\"€\\\"%\"}",
              "ce-specversion: 1.0\nce-id: a%20b\nce-source: /s\nce-type: %E2%82%AC%22%25\n\n");
    ce_expect_reject("{mode: unwrap}", "ce-specversion: 1.0\nce-id: 100%\n\n",
                     "attribute id: % without two");
    ce_expect_reject("{mode: unwrap}", "ce-specversion: 1.0\nce-id: %FF\n\n",
                     "attribute id: \"\xff\" is not UTF-8");
}

static void batches(void)
{
    const char *yaml = "{mode: convert}";
    ce_expect(yaml, BATCH "[ " OBJECT ", \"n\" : 1 } , " OBJECT "}]",
              JSON OBJECT ", \"n\" : 1 }\n---\n" JSON OBJECT "}");
    ce_expect("{mode: unwrap}", BATCH "[" OBJECT ",\"data\":1}," OBJECT ",\"data_base64\":\"\"}]",
              "content-type: application/json\n\n1\n---\n\n");
    ce_expect("{mode: convert, encode: batch}", BATCH "[" OBJECT "}," OBJECT "}]", "pass");
    ce_expect("{mode: convert, encode: batch}", BATCH "[]", "pass");
    ce_expect_reject("{mode: convert, encode: batch}", BATCH "[" OBJECT "},{}]",
                     "event 2 of the batch: attribute specversion");
    ce_expect(yaml, BATCH " [ ] ", "drop");
    ce_expect_reject(yaml, BATCH "[" OBJECT "},{}]",
                     "event 2 of the batch: attribute specversion: it is required");
    ce_expect_reject(yaml, BATCH "[" OBJECT "},]", "line 1, column 58: a value belongs here");
    ce_expect_reject(yaml, BATCH "[" OBJECT "} 1]", "a comma or ] belongs here");
    ce_expect_reject(yaml, BATCH "[1]",
                     "event 1 of the batch: no CloudEvent in JSON: it is no object");
    ce_expect_reject(yaml, BATCH OBJECT "}", "a batch is a list");
    ce_expect_reject(yaml, JSON "[" OBJECT "}]", "it is no object but a list, as batches are");
}

/* Where nothing says that a batch came, it is one message all the same, and says so from then on.
 */
static void a_batch_stays_whole(void)
{
    const char *yaml = "{mode: convert, decode: batch, encode: batch}";
    ce_expect(yaml, "n: 1\n\n[ " OBJECT " } , " OBJECT ",\"data\":1.10}]",
              "content-type: application/cloudevents-batch+json\nn: 1\n\n"
              "[ " OBJECT " } , " OBJECT ",\"data\":1.10}]");
    ce_expect(yaml, "content-type: application/json\n\n[]", BATCH "[]");
    ce_expect(yaml, BATCH "[" OBJECT "}," OBJECT "}]", "pass");
    ce_expect("{encode: batch, " WRAP "}}", BATCH "[" OBJECT "}," OBJECT "}]", "pass");
    ce_expect_reject(yaml, "\n[" OBJECT "},{}]",
                     "event 2 of the batch: attribute specversion: it is required");
    ce_expect_reject(yaml, "\n[" OBJECT "}", "line 1, column 57: it ends too early");
}

static void a_batch_has_a_limit(void)
{
    char *text = NULL;
    size_t length;
    for (int count = MG_EMIT_MAX; count <= MG_EMIT_MAX + 1; count++) {
        FILE *out = open_memstream(&text, &length);
        fputs(BATCH, out);
        for (int i = 0; i < count; i++)
            fprintf(out, "%c" OBJECT "}", i ? ',' : '[');
        fputs("]", out);
        fclose(out);
        if (count > MG_EMIT_MAX) {
            ce_expect_reject("{mode: unwrap}", text, "a batch of more than 1024 events");
            ce_expect("{mode: convert, encode: batch}", text, "pass");
        } else {
            char *got = ce_translate("{mode: unwrap}", text);
            CU_ASSERT_EQUAL(strlen(got), (size_t)count + (size_t)(count - 1) * strlen("\n---\n"));
            free(got);
        }
        free(text);
    }
}

/* MQTT 3.1.1 has no content type: the route says what comes. */
static void without_content_type(void)
{
    ce_expect("{mode: convert, decode: structured}", "\n" OBJECT "}", JSON OBJECT "}");
    ce_expect("{mode: unwrap, decode: structured}", "\n" OBJECT ",\"data\":1}",
              "content-type: application/json\n\n1");
    ce_expect("{mode: unwrap, decode: batch}", "\n[" OBJECT ",\"data\":1}]",
              "content-type: application/json\n\n1");
    ce_expect_reject(
        "{mode: unwrap, decode: structured}", "\nhot",
        "the payload is no CloudEvent in JSON: line 1, column 1: a value belongs here");
}

static void wrong_settings(void)
{
    static const char *const wrong[][3] = {
        {"{mode: wrap}", "attributes", "attribute id is missing"},
        {"{mode: wrap, attributes: {id: '1', source: /s}}", "attributes",
         "attribute type is missing"},
        {"{mode: wrap, attributes: [id]}", "attributes", "must be a map"},
        {"{mode: wrap, attributes: {Id: '1'}}", "attributes", "\"Id\": a name has lower-case"},
        {"{mode: wrap, attributes: {specversion: '1.0'}}", "attributes", "always 1.0"},
        {"{mode: wrap, attributes: {data: '1.0'}}", "attributes", "reserved for the data"},
        {"{mode: wrap, attributes: {id: ''}}", "attributes", "attribute id: \"\" is empty"},
        {"{mode: wrap, attributes: {source: a b}}", "attributes", "as a space is %20"},
        {"{mode: wrap, attributes: {time: noon}}", "attributes", "attribute time: \"noon\" is no"},
        {"{mode: wrap, attributes: {dataschema: /a}}", "attributes", "no absolute URI"},
        {"{mode: wrap, attributes: {datacontenttype: json}}", "attributes", "no media type"},
        {"{mode: wrap, attributes: {id: '{line'}}", "attributes", "without its }"},
        {"{mode: wrap, attributes: {id: [1]}}", "attributes", "must be a text"},
        {"{mode: convert, attributes: {id: '1'}}", "attributes", "only mode: wrap"},
        {"{decode: binary, " WRAP "}}", "decode", "takes plain messages"},
        {"{on_plain: drop, " WRAP "}}", "on_plain", "takes plain messages"},
        {"{as_properties: x, mode: convert}", "as_properties", "for mode: unwrap"},
        {"{prefix: ce-, mode: convert}", "prefix", "only encode: binary"},
        {"{prefix: ce-, mode: unwrap, encode: binary}", "prefix", "only encode: binary"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        ce_err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(mg_module(NULL)->check(ce_settings(wrong[i][0]), &ce_err), -EINVAL);
        if (!strstr(ce_err.text, wrong[i][2]))
            fprintf(stderr, "%s: %s\n", wrong[i][0], ce_err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(ce_err.text, wrong[i][2]));
        CU_ASSERT_PTR_NOT_NULL_FATAL(ce_err.option);
        CU_ASSERT_STRING_EQUAL(ce_err.option, wrong[i][1]);
    }
    const char *third_line = "mode: wrap\nattributes:\n  time: soon\n";
    CU_ASSERT_EQUAL(mg_module(NULL)->check(ce_settings(third_line), &ce_err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(ce_err.text, ":3:9: attribute time"));
}

static void invalid_events(void)
{
    static const char *const wrong[][2] = {
        {"{\"specversion\":\"0.3\"", "attribute specversion: \"0.3\" is not supported, only 1.0"},
        {"{\"specversion\":1.0", "attribute specversion: \"1.0\" is a number, and must be"},
        {"{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"/s\"",
         "attribute type: it is required"},
        {"{\"specversion\":\"1.0\",\"id\":\"\"", "attribute id: \"\" is empty"},
        {"{\"specversion\":\"1.0\",\"id\":null", "attribute id: it is required, and not there"},
        {OBJECT ",\"id\":\"2\"", "attribute id: it is there twice"},
        {OBJECT ",\"a_b\":1", "attribute \"a_b\": a name has lower-case letters"},
        {OBJECT ",\"\":1", "attribute \"\": an attribute needs a name"},
        {OBJECT ",\"x\":{}", "attribute x: an object is no type of an attribute"},
        {OBJECT ",\"x\":[]", "attribute x: a list is no type of an attribute"},
        {OBJECT ",\"x\":2147483648", "attribute x: \"2147483648\" is beyond an Integer"},
        {OBJECT ",\"x\":\"a\\u0007\"", "has a control character"},
        {OBJECT ",\"x\":\"\\ud800\"", "x: half of a surrogate pair"},
        {OBJECT ",\"time\":\"2026-02-29T00:00:00Z\"", "is no date that the calendar has"},
        {OBJECT ",\"subject\":\"\"", "attribute subject: \"\" is empty"},
        {OBJECT ",\"dataschema\":\"#a\"", "attribute dataschema: \"#a\" is no absolute URI"},
        {OBJECT ",\"data\":1,\"data_base64\":\"\"", "an event has one of them"},
        {OBJECT ",\"data\":1,\"data\":1", "data: it is there twice"},
        {OBJECT ",\"data_base64\":\"a\"", "data_base64: it is not base64"},
        {OBJECT ",\"data_base64\":\"aGl=\"", "data_base64: it is not base64"},
        {OBJECT ",\"data_base64\":\"aR==\"", "data_base64: it is not base64"},
        {OBJECT ",\"data_base64\":1", "data_base64: it must be a text"},
        {OBJECT ",\"datacontenttype\":\"text/plain\",\"data\":1",
         "data: a JSON value that is no text cannot be of datacontenttype text/plain"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char text[400];
        snprintf(text, sizeof text, JSON "%s}", wrong[i][0]);
        ce_expect_reject("{mode: unwrap}", text, wrong[i][1]);
    }
    ce_expect_reject("{mode: unwrap}", MQTT "id: 2\n\n", "attribute id: it is there twice");
    ce_expect_reject("{mode: unwrap}", AMQP "cloudEvents:Big: 2\n\n", "attribute \"Big\"");
    ce_expect_reject("{mode: unwrap}", "specversion: 1.0\n\n", "attribute id: it is required");
    ce_expect_reject("{mode: unwrap}", "content-type: a/b\ndatacontenttype: c/d\n" MQTT "\n",
                     "\"c/d\", and the content type is a/b");
    ce_expect_reject("{mode: unwrap}",
                     "content-type: application/cloudevents+json\n"
                     "content-encoding: gzip\n\nx",
                     "content encoding gzip");
    ce_expect_reject("{mode: unwrap}", JSON "{1:2}", "a member's name is a text");
    ce_expect_reject("{mode: unwrap}", JSON OBJECT "} x", "line 1, column 57: something follows");
    ce_expect_reject("{mode: unwrap}", JSON "{\"specversion\":\"1.0\",\n \"id\":01}",
                     "line 2, column 8: a comma or } belongs here");
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        ce_with_host(name);                                                                        \
    }
TEST(wrapping)
TEST(what_a_payload_becomes)
TEST(charsets)
TEST(sources_become_uris)
TEST(missing_values)
TEST(events_are_not_wrapped_again)
TEST(unwrapping)
TEST(what_is_no_event)
TEST(converting)
TEST(amqp_types)
TEST(headers)
TEST(batches)
TEST(a_batch_stays_whole)
TEST(a_batch_has_a_limit)
TEST(without_content_type)
TEST(wrong_settings)
TEST(invalid_events)

int main(void)
{
    static const struct kit_test tests[] = {
        {"a plain message becomes an event", run_wrapping},
        {"a payload becomes data by its content type, whole", run_what_a_payload_becomes},
        {"a text in another charset is not changed", run_charsets},
        {"a source from names becomes a URI", run_sources_become_uris},
        {"a template without a value leaves an attribute out, or the event", run_missing_values},
        {"an event is not wrapped again", run_events_are_not_wrapped_again},
        {"an event becomes a plain message", run_unwrapping},
        {"what is no event is a choice", run_what_is_no_event},
        {"an event goes from one mode to another", run_converting},
        {"AMQP's types are CloudEvents'", run_amqp_types},
        {"header values are percent-encoded", run_headers},
        {"a batch becomes events, all or none", run_batches},
        {KIT_TEST(run_a_batch_stays_whole)},
        {KIT_TEST(run_a_batch_has_a_limit)},
        {"MQTT 3.1.1 is decoded as said", run_without_content_type},
        {"wrong settings are refused with place and cure", run_wrong_settings},
        {"invalid events are rejected with attribute and reason", run_invalid_events},
        {0}};
    return kit_main("plugin-cloudevents", tests);
}
