/* SPDX-License-Identifier: Apache-2.0 */
/* Every packet type in both versions: its bytes, cut short at every place, and at random. */
#include "mqtt_packet_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct way {
    bool v5, server;
};

/* All ways in which packets of these versions come to these receivers. */
static size_t ways(unsigned versions, unsigned receivers, struct way *ret_ways)
{
    size_t count = 0;
    for (int v5 = 0; v5 < 2; v5++)
        for (int server = 0; server < 2; server++)
            if (versions & (v5 ? V5 : V3) && receivers & (server ? TO_SERVER : TO_CLIENT))
                ret_ways[count++] = (struct way){v5, server};
    return count;
}

static int decode(struct mqtt_decoder *decoder, const uint8_t *at, size_t length,
                  struct mqtt_packet *ret_packet, struct mqtt_fault *ret_fault)
{
    memset(ret_packet, 0xa5, sizeof(*ret_packet)); /* what it does not set is nobody's */
    memset(ret_fault, 0, sizeof(*ret_fault));
    return mqtt_packet_decode(decoder, packet_at_fence(at, length), length, ret_packet, ret_fault);
}

static void every_packet_has_the_bytes_of_the_specification(void)
{
    for (size_t i = 0; i < packet_golden_count; i++) {
        const struct packet_golden *row = &packet_golden[i];
        struct way way[4];
        for (size_t count = ways(row->versions, row->receivers, way); count--;) {
            struct packet_bytes bytes = packet_bytes(row->bytes, way[count].v5);
            struct mqtt_decoder decoder = {.v5 = way[count].v5, .server = way[count].server};
            struct mqtt_packet packet;
            struct mqtt_fault fault;
            uint8_t again[512];
            memset(again, 0xee, sizeof(again));
            size_t size = mqtt_packet_encode(&row->packet, decoder.v5, again, sizeof(again));
            bool same = size == bytes.length && !memcmp(again, bytes.at, size);
            CU_ASSERT_EQUAL(again[size], 0xee);
            int rc = decode(&decoder, bytes.at, bytes.length, &packet, &fault);
            CU_ASSERT_EQUAL(rc, 0);
            CU_ASSERT_TRUE(same);
            if (rc || !same || !packet_same(&row->packet, &packet, decoder.v5)) {
                fprintf(stderr, "%s: %d %s\n", row->bytes, rc, fault.text);
                CU_FAIL("not the same packet");
            }
            CU_ASSERT_EQUAL(mqtt_packet_length(&decoder, bytes.at, bytes.length, &fault),
                            (int64_t)bytes.length);
            mqtt_decoder_fini(&decoder);
        }
    }
}

static void a_packet_that_does_not_fit_is_not_written(void)
{
    for (size_t i = 0; i < packet_golden_count; i++) {
        const struct packet_golden *row = &packet_golden[i];
        bool v5 = row->versions & V5;
        uint8_t at[512];
        size_t length = mqtt_packet_encode(&row->packet, v5, at, sizeof(at));
        memset(at, 0xee, sizeof(at));
        CU_ASSERT_EQUAL(mqtt_packet_encode(&row->packet, v5, at, length - 1), length);
        CU_ASSERT_EQUAL(mqtt_packet_encode(&row->packet, v5, NULL, 0), length);
        for (size_t k = 0; k < sizeof(at); k++)
            CU_ASSERT_EQUAL(at[k], 0xee);
    }
}

static void a_packet_that_is_not_all_there_waits_for_more(void)
{
    for (size_t i = 0; i < packet_golden_count; i++) {
        const struct packet_golden *row = &packet_golden[i];
        struct way way[4];
        for (size_t count = ways(row->versions, row->receivers, way); count--;) {
            struct packet_bytes bytes = packet_bytes(row->bytes, way[count].v5);
            struct mqtt_decoder decoder = {.v5 = way[count].v5, .server = way[count].server};
            struct mqtt_packet packet;
            struct mqtt_fault fault;
            for (size_t cut = 0; cut < bytes.length; cut++) {
                int64_t length =
                    mqtt_packet_length(&decoder, packet_at_fence(bytes.at, cut), cut, &fault);
                CU_ASSERT_EQUAL(length, cut < 2 ? 0 : (int64_t)bytes.length);
                CU_ASSERT_EQUAL(decode(&decoder, bytes.at, cut, &packet, &fault), -EPROTO);
                CU_ASSERT_EQUAL(fault.reason, 0x81);
            }
            mqtt_decoder_fini(&decoder);
        }
    }
}

/* What was taken is encoded and taken again as the same. */
static bool is_stable(const struct mqtt_packet *packet, struct way way)
{
    struct mqtt_decoder decoder = {.v5 = way.v5, .server = way.server};
    struct mqtt_packet back;
    struct mqtt_fault fault;
    uint8_t bytes[1024];
    bool v5 = packet->type == MQTT_CONNECT ? packet->connect.v5 : way.v5;
    size_t length = mqtt_packet_encode(packet, v5, bytes, sizeof(bytes));
    bool same = length && length <= sizeof(bytes) &&
                !mqtt_packet_decode(&decoder, bytes, length, &back, &fault) &&
                packet_same(packet, &back, v5);
    mqtt_decoder_fini(&decoder);
    return same;
}

/* 1: taken, 0: refused with a reason in words. */
static int is_taken(struct way way, const struct packet_bytes *bytes)
{
    struct mqtt_decoder decoder = {.v5 = way.v5, .server = way.server};
    struct mqtt_packet packet;
    struct mqtt_fault fault;
    int rc = decode(&decoder, bytes->at, bytes->length, &packet, &fault);
    CU_ASSERT_TRUE(!rc ? is_stable(&packet, way)
                       : rc == -EPROTO && fault.reason >= 0x81 && strlen(fault.text) > 10);
    mqtt_decoder_fini(&decoder);
    return !rc;
}

/* The length in the header is made to fit, so that what is cut is inside the packet. */
static void a_body_that_is_cut_short_is_refused_or_another_packet(void)
{
    int refused = 0, taken = 0;
    for (size_t i = 0; i < packet_golden_count; i++) {
        const struct packet_golden *row = &packet_golden[i];
        struct way way[4];
        for (size_t count = ways(row->versions, row->receivers, way); count--;) {
            struct packet_bytes bytes = packet_bytes(row->bytes, way[count].v5);
            for (bytes.length--; bytes.length >= 2; bytes.length--) {
                bytes.at[1] = (uint8_t)(bytes.length - 2);
                int yes = is_taken(way[count], &bytes);
                taken += yes;
                refused += !yes;
            }
        }
    }
    CU_ASSERT_TRUE(refused > 500 && taken > 20);
}

static uint32_t next(uint32_t *seed)
{
    *seed = *seed * 1664525 + 1013904223;
    return *seed >> 8;
}

static void a_packet_with_changed_bytes_is_refused_or_another_packet(void)
{
    uint32_t seed = 5;
    int refused = 0, taken = 0;
    for (int turn = 0; turn < 200; turn++)
        for (size_t i = 0; i < packet_golden_count; i++) {
            const struct packet_golden *row = &packet_golden[i];
            struct way way[4];
            for (size_t count = ways(row->versions, row->receivers, way); count--;) {
                struct packet_bytes bytes = packet_bytes(row->bytes, way[count].v5);
                for (uint32_t changes = 1 + next(&seed) % 3; changes--;)
                    bytes.at[next(&seed) % bytes.length] ^= (uint8_t)(1u << next(&seed) % 8);
                int yes = is_taken(way[count], &bytes);
                taken += yes;
                refused += !yes;
            }
        }
    CU_ASSERT_TRUE(refused > 1000 && taken > 1000);
}

/* ASCII and a letter of two bytes, which the quick look at eight bytes leaves to the slow one. */
static struct mg_str random_text(uint32_t *seed, char *at, size_t most)
{
    size_t length = next(seed) % (most + 1);
    for (size_t i = 0; i < length; i++)
        at[i] = (char)(' ' + 4 + next(seed) % 6);
    if (length >= 2 && next(seed) % 4 == 0)
        memcpy(at + next(seed) % (length - 1), "\xc3\xa4", 2);
    return (struct mg_str){at, length};
}

static void publishes_come_back_as_they_went_and_as_long_as_said(void)
{
    uint32_t seed = 77;
    static char texts[16][300];
    static uint8_t bytes[8000];
    struct mqtt_user users[4];
    for (int turn = 0; turn < 20000; turn++) {
        bool v5 = turn % 2;
        uint32_t dice = next(&seed);
        struct mqtt_packet packet = {.type = MQTT_PUBLISH}, back;
        struct mqtt_publish *publish = &packet.publish;
        publish->topic = random_text(&seed, texts[0], 299);
        publish->qos = (uint8_t)(dice % 3);
        publish->retain = dice & 8;
        publish->dup = publish->qos && dice & 16;
        packet.id = publish->qos ? (uint16_t)(1 + next(&seed) % 65535) : 0;
        struct mg_str payload = random_text(&seed, texts[1], dice & 32 ? 299 : 3);
        publish->payload = (struct mg_bytes){payload.at, payload.len};
        if (!publish->topic.len)
            publish->topic = (struct mg_str){"t", 1};
        if (v5) {
            publish->has_format = dice & 64;
            publish->format = publish->has_format && dice & 128;
            publish->has_expiry = dice & 256;
            publish->expiry_s = publish->has_expiry ? next(&seed) : 0;
            if (dice & 512)
                publish->content_type = random_text(&seed, texts[2], 40);
            if (dice & 1024)
                publish->response_topic = (struct mg_str){"r/t", 3};
            publish->has_correlation = dice & 2048;
            if (publish->has_correlation)
                publish->correlation = publish->payload;
            for (size_t i = 0; i < (dice >> 12) % 5; i++)
                users[publish->user_count++] = (struct mqtt_user){
                    random_text(&seed, texts[4 + i], 20), random_text(&seed, texts[8 + i], 299)};
            publish->users = users;
        }
        size_t length = mqtt_publish_encode(publish, packet.id, 0, v5, bytes, sizeof(bytes));
        struct mqtt_decoder decoder = {.v5 = v5, .server = dice & 1 << 18};
        struct mqtt_fault fault;
        CU_ASSERT_EQUAL(length, mqtt_publish_size(publish, v5));
        CU_ASSERT_EQUAL(decode(&decoder, bytes, length, &back, &fault), 0);
        CU_ASSERT_TRUE(packet_same(&packet, &back, v5));
        mqtt_decoder_fini(&decoder);
    }
}

static void what_mqtt_cannot_say_is_not_encoded(void)
{
    static char text[70000];
    memset(text, 'a', sizeof(text));
    struct mqtt_user user = {{"n", 1}, {text, 65536}};
    struct mqtt_packet packet = {.type = MQTT_PUBLISH};
    packet.publish.topic = (struct mg_str){text, 65535};
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, false, NULL, 0), 1 + 3 + 2 + 65535);
    packet.publish.topic.len = 65536;
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, false, NULL, 0), 0);
    packet.publish.topic.len = 1;
    packet.publish.users = &user;
    packet.publish.user_count = 1;
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, true, NULL, 0), 0);
    packet.publish.user_count = 0;
    /* The largest packet, whose payload nobody touches since it does not fit. */
    packet.publish.payload = (struct mg_bytes){text, 268435455 - 3};
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, false, NULL, 0), MQTT_PACKET_MOST);
    packet.publish.payload.len++;
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, false, NULL, 0), 0);
    packet = (struct mqtt_packet){.type = MQTT_DISCONNECT, .reason = 0x82};
    packet.properties.has = MQTT_HAS(MQTT_PROP_REASON_STRING);
    packet.properties.reason_string = (struct mg_str){text, 65536};
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, true, NULL, 0), 0);
    packet.properties.has = MQTT_HAS(MQTT_PROP_WILL_DELAY); /* of no DISCONNECT */
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, true, NULL, 0), 0);
    packet = (struct mqtt_packet){.type = MQTT_CONNECT, .connect.password = {"p", 1}};
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, false, NULL, 0), 0);
    packet = (struct mqtt_packet){.type = MQTT_AUTH};
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, false, NULL, 0), 0);
}

/* An AUTH that says its reason says its property length, too (§3.15.2.1); the others need not. */
static void what_says_nothing_is_left_out(void)
{
    uint8_t at[8];
    struct mqtt_packet packet = {.type = MQTT_AUTH, .reason = 0x18};
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, true, at, sizeof(at)), 4);
    CU_ASSERT_EQUAL(memcmp(at, "\xf0\x02\x18\x00", 4), 0);
    packet.type = MQTT_DISCONNECT;
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, true, at, sizeof(at)), 3);
    packet.type = MQTT_PUBACK;
    packet.id = 1;
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, true, at, sizeof(at)), 5);
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, false, at, sizeof(at)), 4);
    packet.reason = 0;
    CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, true, at, sizeof(at)), 4);
}

static void names_are_known_for_all_types(void)
{
    CU_ASSERT_STRING_EQUAL(mqtt_type_name(MQTT_CONNECT), "CONNECT");
    CU_ASSERT_STRING_EQUAL(mqtt_type_name(MQTT_AUTH), "AUTH");
    CU_ASSERT_STRING_EQUAL(mqtt_type_name((enum mqtt_type)0), "packet");
    CU_ASSERT_STRING_EQUAL(mqtt_type_name((enum mqtt_type)77), "packet");
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(every_packet_has_the_bytes_of_the_specification)},
        {KIT_TEST(a_packet_that_does_not_fit_is_not_written)},
        {KIT_TEST(a_packet_that_is_not_all_there_waits_for_more)},
        {KIT_TEST(a_body_that_is_cut_short_is_refused_or_another_packet)},
        {KIT_TEST(a_packet_with_changed_bytes_is_refused_or_another_packet)},
        {KIT_TEST(publishes_come_back_as_they_went_and_as_long_as_said)},
        {KIT_TEST(what_mqtt_cannot_say_is_not_encoded)},
        {KIT_TEST(what_says_nothing_is_left_out)},
        {KIT_TEST(names_are_known_for_all_types)},
        {NULL, NULL},
    };
    return kit_main("mqtt_packet", tests);
}
