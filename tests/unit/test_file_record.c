/* SPDX-License-Identifier: Apache-2.0 */
/* Events as lines of JSON: the round trip keeps everything, and what is not understood is refused.
 */
#include "fake_host.h"
#include "record.h"
#include "record_fields.h"
#include "unit.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct kit_host *host;
static const struct mg_host *table;

static bool same_value(const struct mg_value *a, const struct mg_value *b)
{
    if (a->type != b->type || a->width != b->width)
        return false;
    switch (a->type) {
    case MG_NULL:
        return true;
    case MG_BOOL:
        return a->as.b == b->as.b;
    case MG_UUID:
        return !memcmp(a->as.uuid, b->as.uuid, 16);
    case MG_TEXT:
    case MG_SYMBOL:
    case MG_BINARY:
    case MG_DECIMAL:
        return a->as.text.len == b->as.text.len &&
               (!a->as.text.len || !memcmp(a->as.text.at, b->as.text.at, a->as.text.len));
    case MG_FLOAT:
        return a->as.d == b->as.d || (isnan(a->as.d) && isnan(b->as.d));
    default:
        return a->as.u == b->as.u;
    }
}

static bool same_text(const void *a, const void *b)
{
    const struct mg_str *x = a, *y = b;
    return !x->at == !y->at && x->len == y->len && (!x->len || !memcmp(x->at, y->at, x->len));
}

static void check_same(const mg_event *event, const struct record *r)
{
    const struct mg_head *a = table->event_head(event), *b = &r->message.head;
    CU_ASSERT_EQUAL(a->present, b->present);
    for (const struct record_field *f = record_fields; f->name; f++) {
        const void *x = (const char *)a + f->offset, *y = (const char *)b + f->offset;
        if (f->kind == FIELD_TEXT || f->kind == FIELD_BYTES)
            CU_ASSERT_TRUE(same_text(x, y));
        if (f->kind == FIELD_VALUE)
            CU_ASSERT_TRUE(same_value(x, y));
        if (f->kind == FIELD_U32 && (a->present & f->present))
            CU_ASSERT_EQUAL(memcmp(x, y, sizeof(uint32_t)), 0);
        if (f->kind == FIELD_I64 && (a->present & f->present))
            CU_ASSERT_EQUAL(memcmp(x, y, sizeof(int64_t)), 0);
        if ((f->kind == FIELD_U8 || f->kind == FIELD_BOOL) &&
            (!f->present || (a->present & f->present)))
            CU_ASSERT_EQUAL(memcmp(x, y, 1), 0);
    }
    struct mg_bytes payload = table->event_payload(event);
    CU_ASSERT_EQUAL_FATAL(payload.len, r->message.payload.len);
    if (payload.len)
        CU_ASSERT_EQUAL(memcmp(payload.at, r->message.payload.at, payload.len), 0);
    size_t count;
    const struct mg_property *p = table->event_properties(event, &count);
    CU_ASSERT_EQUAL_FATAL(count, r->message.property_count);
    for (size_t i = 0; i < count; i++) {
        const struct mg_property *q = &r->message.properties[i];
        CU_ASSERT_EQUAL_FATAL(p[i].name.len, q->name.len);
        CU_ASSERT_TRUE(!p[i].name.len || !memcmp(p[i].name.at, q->name.at, q->name.len));
        CU_ASSERT_TRUE(same_value(&p[i].value, &q->value));
    }
}

static void round_trip(const struct mg_message *message)
{
    mg_event *event = table->event_new(message);
    struct buffer line = {0};
    struct record record;
    struct mg_err err = {.text = ""};
    CU_ASSERT_EQUAL_FATAL(record_write(table, event, &line), 0);
    CU_ASSERT_EQUAL(line.at[line.used - 1], '\n');
    CU_ASSERT_PTR_EQUAL(memchr(line.at, '\n', line.used), line.at + line.used - 1);
    int error = record_read(line.at, line.used - 1, &record, &err);
    if (error)
        fprintf(stderr, "%.*s%s\n", (int)line.used, line.at, err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    check_same(event, &record);
    record_fini(&record);
    buffer_free(&line);
    table->event_unref(event);
}

static void every_field_and_type_survives(void)
{
    host = kit_host_create();
    table = kit_host_table(host);
    struct mg_property properties[] = {
        {kit_str("text"), {.type = MG_TEXT, .as.text = kit_str("täxt \"q\" \\ \n\t\x01")}},
        {kit_str("text"), {.type = MG_TEXT, .as.text = kit_str("again")}},
        {{"\xff\x00n", 3}, {.type = MG_TEXT, .as.text = {"\xc0\x80", 2}}},
        {{"", 0}, {.type = MG_TEXT, .as.text = {"a\0b", 3}}},
        {kit_str("null"), {.type = MG_NULL}},
        {kit_str("bool"), {.type = MG_BOOL, .as.b = true}},
        {kit_str("i8"), {.type = MG_INT, .width = 8, .as.i = -128}},
        {kit_str("i64"), {.type = MG_INT, .width = 64, .as.i = INT64_MIN}},
        {kit_str("u16"), {.type = MG_UINT, .width = 16, .as.u = 65535}},
        {kit_str("u64"), {.type = MG_UINT, .width = 64, .as.u = UINT64_MAX}},
        {kit_str("f32"), {.type = MG_FLOAT, .width = 32, .as.d = 0.1f}},
        {kit_str("f64"), {.type = MG_FLOAT, .width = 64, .as.d = 1e300}},
        {kit_str("whole"), {.type = MG_FLOAT, .width = 64, .as.d = 3}},
        {kit_str("nan"), {.type = MG_FLOAT, .width = 64, .as.d = NAN}},
        {kit_str("inf"), {.type = MG_FLOAT, .width = 32, .as.d = -INFINITY}},
        {kit_str("dec"), {.type = MG_DECIMAL, .width = 32, .as.binary = {"\0\1\2\3", 4}}},
        {kit_str("char"), {.type = MG_CHAR, .as.u = 0x1f600}},
        {kit_str("bin"), {.type = MG_BINARY, .as.binary = {"\0\xff", 2}}},
        {kit_str("empty"), {.type = MG_BINARY, .as.binary = {"", 0}}},
        {kit_str("time"), {.type = MG_TIME, .as.i = -1}},
        {kit_str("uuid"),
         {.type = MG_UUID, .as.uuid = {0xde, 0xad, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 255}}},
        {kit_str("sym"), {.type = MG_SYMBOL, .as.text = kit_str("amqp:symbol")}},
    };
    struct mg_message m = {
        .head = {.size = sizeof m.head,
                 .present = MG_HAS_QOS | MG_HAS_RETAIN | MG_HAS_DURABLE | MG_HAS_PRIORITY |
                            MG_HAS_GROUP_SEQUENCE | MG_HAS_CREATED | MG_HAS_EXPIRY |
                            MG_HAS_TEXT_PAYLOAD,
                 .address = kit_str("a/b"),
                 .reply_to = kit_str("r"),
                 .subject = {"", 0},
                 .content_type = kit_str("text/plain"),
                 .content_encoding = kit_str("gzip"),
                 .group = kit_str("g"),
                 .reply_to_group = kit_str("rg"),
                 .message_id = {.type = MG_UINT, .width = 64, .as.u = UINT64_MAX},
                 .correlation = {.type = MG_BINARY, .as.binary = {"\x80\0", 2}},
                 .user = {"\xfe", 1},
                 .group_sequence = UINT32_MAX,
                 .qos = 2,
                 .priority = 255,
                 .retain = true,
                 .duplicate = true,
                 .durable = true,
                 .text_payload = true,
                 .created_us = 1700000000123456,
                 .expires_us = INT64_MAX},
        .payload = {"\0\x80\xff", 3},
        .properties = properties,
        .property_count = sizeof properties / sizeof properties[0],
    };
    round_trip(&m);
    m.head.present = 0;
    m.head.message_id = (struct mg_value){.type = MG_TEXT, .as.text = kit_str("id")};
    m.property_count = 1;
    m.payload = (struct mg_bytes){"{\"a\": [1, 2 ]}", 14};
    round_trip(&m);
    m.property_count = 0;
    m.payload = (struct mg_bytes){"", 0};
    round_trip(&m);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t state = 12345;
static uint32_t next_random(uint32_t bound)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % bound;
}

static void any_bytes_survive_as_payload_and_text(void)
{
    host = kit_host_create();
    table = kit_host_table(host);
    for (int i = 0; i < 2000; i++) {
        char bytes[64], text[64];
        size_t n = next_random(sizeof bytes), t = next_random(sizeof text);
        for (size_t k = 0; k < sizeof bytes; k++) {
            bytes[k] = (char)next_random(256);
            text[k] = (char)(next_random(8) ? 0x20 + next_random(95) : next_random(256));
        }
        struct mg_property p = {{text, t}, {.type = MG_TEXT, .as.text = {text, t}}};
        struct mg_message m = {.head = {.size = sizeof m.head, .address = {text, t}},
                               .payload = {bytes, n},
                               .properties = &p,
                               .property_count = 1};
        round_trip(&m);
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void what_people_write_is_understood(void)
{
    static const char *const lines[] = {
        "{\"address\":\"a\",\"payload\":{\"t\":91,\"x\":[1,2.5]}}",
        "{\"t\":91,\"x\":[1,2.5]}",
        "{\"address\":\"a\",\"payload\":\"plain\"}",
        "plain",
        "{\"address\":\"a\",\"payload\":7}",
        "7",
        "{\"address\":\"a\",\"payload_base64\":\"aGk=\"}",
        "hi",
        " {\"payload\":null} ",
        "null",
        "{}",
        "",
    };
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i += 2) {
        struct record r;
        struct mg_err err;
        CU_ASSERT_EQUAL_FATAL(record_read(lines[i], strlen(lines[i]), &r, &err), 0);
        CU_ASSERT_EQUAL_FATAL(r.message.payload.len, strlen(lines[i + 1]));
        if (r.message.payload.len)
            CU_ASSERT_EQUAL(memcmp(r.message.payload.at, lines[i + 1], r.message.payload.len), 0);
        record_fini(&r);
    }
}

static void what_is_not_understood_is_refused_with_the_reason(void)
{
    static const char *const wrong[][2] = {
        {"{\"address\":\"a\",", "not JSON"},
        {"[1]", "must be a JSON object"},
        {"{\"adress\":\"a\"}", "\"adress\""},
        {"{\"temperature\":91}", "format: lines"},
        {"{\"address\":7}", "must be a text"},
        {"{\"qos\":3}", "0, 1 or 2"},
        {"{\"priority\":-1}", "0 to 255"},
        {"{\"retain\":1}", "true or false"},
        {"{\"group_sequence\":4294967296}", "4294967295"},
        {"{\"payload\":\"a\",\"payload_base64\":\"\"}", "twice"},
        {"{\"payload_base64\":\"a\"}", "not base64"},
        {"{\"payload_base64\":\"====\"}", "not base64"},
        {"{\"address\":\"a\",\"address\":\"b\"}", "duplicate"},
        {"{\"properties\":7}", "properties"},
        {"{\"properties\":{\"a\":[1]}}", "plain value"},
        {"{\"properties\":[{\"name\":\"a\"}]}", "name and a value"},
        {"{\"properties\":{\"a\":{\"type\":\"uint\",\"bits\":8,\"value\":256}}}", "plain value"},
        {"{\"properties\":{\"a\":{\"type\":\"uint\",\"bits\":9,\"value\":1}}}", "plain value"},
        {"{\"properties\":{\"a\":{\"type\":\"uuid\",\"value\":\"+1ad0001-0203-0405-0607-"
         "08090a0b0cff\"}}}",
         "plain"},
        {"{\"properties\":{\"a\":{\"type\":\"nonsense\",\"value\":1}}}", "plain value"},
        {"{\"message_id\":true}", "message_id"},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct record r;
        struct mg_err err = {.text = ""};
        int error = record_read(wrong[i][0], strlen(wrong[i][0]), &r, &err);
        CU_ASSERT_EQUAL(error, -EINVAL);
        if (!strstr(err.text, wrong[i][1]))
            fprintf(stderr, "%s: \"%s\"\n", wrong[i][0], err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i][1]));
        if (!error)
            record_fini(&r);
    }
}

static void damaged_lines_never_crash(void)
{
    static const char good[] =
        "{\"address\":\"a\",\"user\":{\"type\":\"text\",\"base64\":\"/w==\"},\"message_id\":"
        "{\"type\":\"uuid\",\"value\":\"dead0001-0203-0405-0607-08090a0b0cff\"},\"properties\":"
        "[{\"name\":\"x\",\"value\":{\"type\":\"decimal\",\"bits\":32,\"base64\":\"AAECAw==\"}}],"
        "\"payload_base64\":\"AAAA\"}";
    for (int i = 0; i < 20000; i++) {
        char line[sizeof good];
        memcpy(line, good, sizeof good);
        size_t n = sizeof good - 1 - (next_random(4) ? 0 : next_random(40));
        for (uint32_t k = next_random(4); k; k--)
            line[next_random((uint32_t)n)] = (char)next_random(256);
        char *exact = malloc(n); /* so that a read beyond its end is seen */
        memcpy(exact, line, n);
        struct record r;
        struct mg_err err;
        if (!record_read(exact, n, &r, &err))
            record_fini(&r);
        free(exact);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"every field and type survives", every_field_and_type_survives},
        {"any bytes survive as payload and text", any_bytes_survive_as_payload_and_text},
        {"what people write is understood", what_people_write_is_understood},
        {"what is not understood is refused with the reason",
         what_is_not_understood_is_refused_with_the_reason},
        {"damaged lines never crash", damaged_lines_never_crash},
        {0}};
    return kit_main("file-record", tests);
}
