/* SPDX-License-Identifier: Apache-2.0 */
/* Records to bytes and back: every field, every type, and bytes that somebody else wrote. */
#include "store/record.h"
#include "store/record_wire.h"
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define TEXT(s) ((struct mg_str){(s), sizeof(s) - 1})

static bool same_text(struct mg_str a, struct mg_str b)
{
    return !a.at == !b.at && a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static bool same_bytes(struct mg_bytes a, struct mg_bytes b)
{
    return same_text((struct mg_str){a.at, a.len}, (struct mg_str){b.at, b.len});
}

static bool same_value(const struct mg_value *a, const struct mg_value *b)
{
    if (a->type != b->type || a->width != b->width)
        return false;
    switch (a->type) {
    case MG_NULL:
        return true;
    case MG_BOOL:
        return a->as.b == b->as.b;
    case MG_TEXT:
    case MG_SYMBOL:
        return same_text(a->as.text, b->as.text);
    case MG_BINARY:
    case MG_DECIMAL:
        return same_bytes(a->as.binary, b->as.binary);
    case MG_UUID:
        return !memcmp(a->as.uuid, b->as.uuid, 16);
    default: /* all that is 64 bits, a NaN included */
        return a->as.u == b->as.u;
    }
}

static bool same_properties(const struct mg_property *a, size_t a_count,
                            const struct mg_property *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++)
        same = same_text(a[i].name, b[i].name) && same_value(&a[i].value, &b[i].value);
    return same;
}

static bool same_head(const struct mg_head *a, const struct mg_head *b)
{
    return a->present == b->present && same_text(a->address, b->address) &&
           same_text(a->reply_to, b->reply_to) && same_text(a->subject, b->subject) &&
           same_text(a->content_type, b->content_type) &&
           same_text(a->content_encoding, b->content_encoding) && same_text(a->group, b->group) &&
           same_text(a->reply_to_group, b->reply_to_group) &&
           same_value(&a->message_id, &b->message_id) &&
           same_value(&a->correlation, &b->correlation) && same_bytes(a->user, b->user) &&
           a->group_sequence == b->group_sequence && a->qos == b->qos &&
           a->priority == b->priority && a->retain == b->retain && a->duplicate == b->duplicate &&
           a->durable == b->durable && a->text_payload == b->text_payload &&
           a->created_us == b->created_us && a->expires_us == b->expires_us;
}

static bool same_record(const struct gw_record *a, const struct gw_record *b)
{
    bool same = a->arrived_us == b->arrived_us && a->expires_us == b->expires_us &&
                a->key == b->key && a->flags == b->flags && same_text(a->origin, b->origin) &&
                same_head(&a->message.head, &b->message.head) &&
                same_bytes(a->message.payload, b->message.payload) &&
                same_properties(a->message.properties, a->message.property_count,
                                b->message.properties, b->message.property_count) &&
                a->leg_count == b->leg_count;
    for (size_t i = 0; same && i < a->leg_count; i++)
        same = a->legs[i].sink == b->legs[i].sink &&
               same_text(a->legs[i].address, b->legs[i].address) &&
               same_properties(a->legs[i].properties, a->legs[i].property_count,
                               b->legs[i].properties, b->legs[i].property_count);
    return same;
}

/* Decodes from a copy of exactly that length, so that a sanitizer sees a read beyond it. */
static int decode_copy(const void *bytes, size_t length, struct gw_record_room *room,
                       struct gw_record *ret, void **ret_copy)
{
    struct mg_err err = {{0}, NULL};
    *ret_copy = malloc(length ? length : 1);
    if (length)
        memcpy(*ret_copy, bytes, length);
    int error = gw_record_decode(*ret_copy, length, room, ret, &err);
    if (error && !err.text[0])
        CU_FAIL("an error says nothing");
    return error;
}

static bool survives(const struct gw_record *record)
{
    struct gw_record_room room = {0};
    struct gw_record back;
    void *bytes, *copy;
    size_t length;
    if (gw_record_encode(record, &bytes, &length))
        return false;
    bool same = !decode_copy(bytes, length, &room, &back, &copy) && same_record(record, &back);
    /* And encodes to the same bytes again. */
    void *again = NULL;
    size_t again_length;
    if (same)
        same = !gw_record_encode(&back, &again, &again_length) && again_length == length &&
               !memcmp(bytes, again, length);
    free(again);
    free(bytes);
    free(copy);
    gw_record_room_fini(&room);
    return same;
}

static const struct mg_property properties[] = {
    {TEXT("null"), {.type = MG_NULL}},
    {TEXT("bool"), {.type = MG_BOOL, .as.b = true}},
    {TEXT("int"), {.type = MG_INT, .width = 8, .as.i = -128}},
    {TEXT("int"), {.type = MG_INT, .width = 64, .as.i = INT64_MIN}},
    {TEXT("uint"), {.type = MG_UINT, .width = 64, .as.u = UINT64_MAX}},
    {TEXT("float"), {.type = MG_FLOAT, .width = 32, .as.d = -0.1}},
    {TEXT("decimal"), {.type = MG_DECIMAL, .width = 128, .as.binary = {"0123456789abcdef", 16}}},
    {TEXT("char"), {.type = MG_CHAR, .as.u = 0x1f600}},
    {TEXT("text"), {.type = MG_TEXT, .as.text = {"t", 1}}},
    {TEXT("empty"), {.type = MG_TEXT, .as.text = {"", 0}}},
    {TEXT("binary"), {.type = MG_BINARY, .as.binary = {"\0\1\2", 3}}},
    {TEXT("time"), {.type = MG_TIME, .as.i = -1}},
    {TEXT("uuid"), {.type = MG_UUID, .as.uuid = {1, 2, 3, 250, 255}}},
    {TEXT("symbol"), {.type = MG_SYMBOL, .as.text = {"s", 1}}},
    {TEXT(""), {.type = MG_INT, .as.i = 1}},
};
enum { PROPERTIES = sizeof properties / sizeof *properties };

static struct gw_record_leg legs[] = {
    {.sink = 5, .address = {"to/five", 7}, .properties = properties, .property_count = 3},
    {.sink = 63, .address = {"", 0}},
    {.sink = 0, .properties = properties + 3, .property_count = PROPERTIES - 3},
};

static struct gw_record full(void)
{
    struct gw_record record = {
        .arrived_us = 1234567890123,
        .expires_us = 9999,
        .key = UINT64_MAX,
        .flags = GW_RECORD_REPLAYED | GW_RECORD_RETRIED,
        .origin = TEXT("in/here"),
        .message = {.head = {.size = sizeof(struct mg_head),
                             .present = MG_HAS_QOS | MG_HAS_CREATED,
                             .address = TEXT("plant/a"),
                             .reply_to = TEXT("reply"),
                             .subject = TEXT(""),
                             .content_type = TEXT("application/json"),
                             .content_encoding = TEXT("gzip"),
                             .group = TEXT("g"),
                             .reply_to_group = TEXT("rg"),
                             .message_id = {.type = MG_UUID, .as.uuid = {9, 8, 7}},
                             .correlation = {.type = MG_BINARY, .as.binary = {"\xff\0c", 3}},
                             .user = {"user", 4},
                             .group_sequence = UINT32_MAX,
                             .qos = 2,
                             .priority = 255,
                             .retain = true,
                             .duplicate = true,
                             .durable = true,
                             .text_payload = true,
                             .created_us = -5,
                             .expires_us = INT64_MAX},
                    .payload = {"\0\1payload", 9},
                    .properties = properties,
                    .property_count = PROPERTIES},
        .legs = legs,
        .leg_count = sizeof legs / sizeof *legs,
    };
    return record;
}

static void every_field_and_type_survives(void)
{
    struct gw_record record = full();
    CU_ASSERT(survives(&record));
    record.origin = record.message.head.address; /* said once */
    CU_ASSERT(survives(&record));
    CU_ASSERT(survives(&(struct gw_record){0}));
}

static void unset_and_empty_stay_apart(void)
{
    struct gw_record record = full();
    record.origin = (struct mg_str){"", 0};
    record.message.head.address = (struct mg_str){NULL, 0};
    record.message.payload = (struct mg_bytes){"", 0};
    CU_ASSERT(survives(&record));
    record.origin = (struct mg_str){NULL, 0};
    record.message.payload = (struct mg_bytes){NULL, 0};
    CU_ASSERT(survives(&record));
}

static void each_flag_survives_alone(void)
{
    for (int i = 0; i < 6; i++) {
        struct gw_record record = {0};
        record.message.head.retain = i == 0;
        record.message.head.duplicate = i == 1;
        record.message.head.durable = i == 2;
        record.message.head.text_payload = i == 3;
        record.message.head.qos = i == 4 ? 1 : 0;
        record.message.head.priority = i == 5 ? 4 : 0;
        CU_ASSERT(survives(&record));
    }
}

static void a_large_payload_survives(void)
{
    size_t size = 3 << 20;
    char *payload = malloc(size);
    struct gw_record record = full();
    memset(payload, 'x', size);
    record.message.payload = (struct mg_bytes){payload, size};
    CU_ASSERT(survives(&record));
    free(payload);
}

static void what_cannot_be_a_record_is_not_encoded(void)
{
    struct gw_record record = full();
    struct gw_record_leg twice[2] = {{.sink = 1}, {.sink = 1}};
    struct mg_property odd = {TEXT("x"), {.type = 99}};
    void *bytes;
    size_t length;
    record.legs = twice;
    record.leg_count = 2;
    CU_ASSERT_EQUAL(gw_record_encode(&record, &bytes, &length), -EINVAL);
    twice[1].sink = GW_RECORD_SINKS_MAX;
    CU_ASSERT_EQUAL(gw_record_encode(&record, &bytes, &length), -EINVAL);
    record = full();
    record.message.properties = &odd;
    record.message.property_count = 1;
    CU_ASSERT_EQUAL(gw_record_encode(&record, &bytes, &length), -EINVAL);
    record = full();
    record.message.payload.len = (size_t)GW_RECORD_BYTES_MAX + 1; /* measured, never read */
    CU_ASSERT_EQUAL(gw_record_encode(&record, &bytes, &length), -EMSGSIZE);
}

/* Whatever comes out of damaged bytes can be read, and nothing beyond them is. */
static void touch_all(const struct gw_record *record)
{
    size_t sum = record->origin.len + record->message.payload.len;
    for (size_t i = 0; i < record->message.property_count; i++)
        sum += record->message.properties[i].name.len;
    for (size_t i = 0; i < record->leg_count; i++)
        sum += record->legs[i].address.len + record->legs[i].property_count;
    CU_ASSERT(sum < GW_RECORD_BYTES_MAX);
}

static void every_prefix_is_refused(void)
{
    struct gw_record record = full(), back;
    struct gw_record_room room = {0};
    void *bytes, *copy;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(gw_record_encode(&record, &bytes, &length), 0);
    for (size_t i = 0; i < length; i++) {
        struct gw_record_wire wire;
        if (i >= sizeof wire) { /* a length that agrees lets it get further */
            memcpy(&wire, bytes, sizeof wire);
            wire.length = (uint32_t)i;
            memcpy(bytes, &wire, sizeof wire);
        }
        CU_ASSERT_EQUAL(decode_copy(bytes, i, &room, &back, &copy), -EBADMSG);
        free(copy);
    }
    free(bytes);
    gw_record_room_fini(&room);
}

static void flipped_bits_are_refused_or_harmless(void)
{
    struct gw_record record = full(), back;
    struct gw_record_room room = {0};
    void *bytes, *copy;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(gw_record_encode(&record, &bytes, &length), 0);
    for (size_t bit = 0; bit < length * 8; bit++) {
        ((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1u << bit % 8);
        if (!decode_copy(bytes, length, &room, &back, &copy))
            touch_all(&back);
        free(copy);
        ((uint8_t *)bytes)[bit / 8] ^= (uint8_t)(1u << bit % 8);
    }
    free(bytes);
    gw_record_room_fini(&room);
}

static void a_later_version_is_told_apart_from_damage(void)
{
    struct gw_record record = full(), back;
    struct gw_record_room room = {0};
    struct mg_err err = {{0}, NULL};
    void *bytes;
    size_t length;
    CU_ASSERT_EQUAL_FATAL(gw_record_encode(&record, &bytes, &length), 0);
    ((uint8_t *)bytes)[offsetof(struct gw_record_wire, version)] = GW_RECORD_VERSION + 1;
    CU_ASSERT_EQUAL(gw_record_decode(bytes, length, &room, &back, &err), -EPROTONOSUPPORT);
    free(bytes);
    gw_record_room_fini(&room);
}

static void a_room_is_used_again(void)
{
    struct gw_record small = {.origin = TEXT("x")}, large = full(), back;
    struct gw_record_room room = {0};
    for (int i = 0; i < 4; i++) {
        struct gw_record *record = i % 2 ? &large : &small;
        void *bytes;
        size_t length;
        CU_ASSERT_EQUAL_FATAL(gw_record_encode(record, &bytes, &length), 0);
        CU_ASSERT_EQUAL(gw_record_decode(bytes, length, &room, &back, NULL), 0);
        CU_ASSERT(same_record(record, &back));
        free(bytes);
    }
    gw_record_room_fini(&room);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(every_field_and_type_survives)},
        {KIT_TEST(unset_and_empty_stay_apart)},
        {KIT_TEST(each_flag_survives_alone)},
        {KIT_TEST(a_large_payload_survives)},
        {KIT_TEST(what_cannot_be_a_record_is_not_encoded)},
        {KIT_TEST(every_prefix_is_refused)},
        {KIT_TEST(flipped_bits_are_refused_or_harmless)},
        {KIT_TEST(a_later_version_is_told_apart_from_damage)},
        {KIT_TEST(a_room_is_used_again)},
        {NULL, NULL},
    };
    return kit_main("store_record", tests);
}
