/* SPDX-License-Identifier: Apache-2.0 */
/* What is malformed or a protocol error is refused, with the reason code and in words. */
#include "mqtt_packet_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool is_refused(const struct packet_bad *row, bool v5, bool server)
{
    struct packet_bytes bytes = packet_bytes(row->bytes, v5);
    struct mqtt_decoder decoder = {.v5 = v5, .server = server};
    struct mqtt_packet packet;
    struct mqtt_fault fault = {0};
    const uint8_t *at = packet_at_fence(bytes.at, bytes.length);
    int rc = mqtt_packet_decode(&decoder, at, bytes.length, &packet, &fault);
    const char *name = mqtt_type_name((enum mqtt_type)(bytes.at[0] >> 4));
    bool well = rc == -EPROTO && fault.reason == row->reason &&
                !strncmp(fault.text, name, strlen(name)) && strlen(fault.text) > strlen(name) + 8;
    if (!well)
        fprintf(stderr, "%s (%s, to a %s): %d, 0x%02x, wanted 0x%02x: %s\n", row->what,
                v5 ? "5" : "3.1.1", server ? "server" : "client", rc, fault.reason, row->reason,
                fault.text);
    mqtt_decoder_fini(&decoder);
    return well;
}

static void bad_packets_are_refused_by_their_reason(void)
{
    for (size_t i = 0; i < packet_bad_count; i++)
        for (int v5 = 0; v5 < 2; v5++)
            for (int server = 0; server < 2; server++)
                if (packet_bad[i].versions & (v5 ? V5 : V3) &&
                    packet_bad[i].receivers & (server ? TO_SERVER : TO_CLIENT))
                    CU_ASSERT_TRUE(is_refused(&packet_bad[i], v5, server));
}

/* Nobody waits for the body of a packet that cannot come. */
static void a_bad_header_is_refused_before_its_body(void)
{
    static const struct {
        uint8_t at[2];
        bool v5, server;
        uint8_t reason;
    } rows[] = {
        {{0x00, 0xff}, true, false, 0x81},  {{0xf0, 0xff}, false, false, 0x81},
        {{0x10, 0xff}, true, false, 0x82},  {{0x20, 0xff}, true, true, 0x82},
        {{0x36, 0xff}, false, false, 0x81}, {{0x60, 0xff}, true, false, 0x81},
        {{0xe0, 0xff}, false, false, 0x82}, {{0x38, 0xff}, true, true, 0x81},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
        for (size_t length = 1; length <= 2; length++) {
            struct mqtt_decoder decoder = {.v5 = rows[i].v5, .server = rows[i].server};
            struct mqtt_fault fault = {0};
            CU_ASSERT_EQUAL(
                mqtt_packet_length(&decoder, packet_at_fence(rows[i].at, length), length, &fault),
                -EPROTO);
            CU_ASSERT_EQUAL(fault.reason, rows[i].reason);
        }
}

/* 3.1.1 does not ask for the shortest length (§2.2.3), as MQTT 5 does (§1.5.5). */
static void a_length_of_3_1_1_may_be_longer_than_needed(void)
{
    static const uint8_t bytes[] = {0x30, 0x83, 0x80, 0x00, 0, 1, 't'};
    struct mqtt_decoder decoder = {.v5 = false};
    struct mqtt_packet packet;
    struct mqtt_fault fault;
    CU_ASSERT_EQUAL(mqtt_packet_length(&decoder, bytes, 4, &fault), 7);
    CU_ASSERT_EQUAL(mqtt_packet_decode(&decoder, bytes, sizeof(bytes), &packet, &fault), 0);
    CU_ASSERT_EQUAL(packet.publish.topic.len, 1);
    CU_ASSERT_EQUAL(packet.publish.payload.len, 0);
}

/* What a receiver may take for malformed (§1.5.4, §3.3.2.3.2), it takes. */
static void doubtful_texts_and_payloads_pass(void)
{
    static const char *const rows[] = {
        "30 @ 00 03 'a' 01 'b' ()",             /* a control character */
        "30 @ 00 03 ef bf bf ()",               /* U+FFFF */
        "30 @ 00 03 ef bb bf ()",               /* U+FEFF */
        "30 @ 00 04 f4 8f bf bf ()",            /* U+10FFFF */
        "30 @ 00 03 ed 9f bf ()",               /* U+D7FF */
        "30 @ 00 03 ee 80 80 ()",               /* U+E000 */
        "30 @ 00 01 't' ( 01 01 ) ff fe",       /* called text, and is none */
        "30 @ 00 01 't' ( 26 00 00 00 00 )",    /* an empty pair */
        "30 @ 00 01 't' ( 03 00 00 09 00 00 )", /* nothing in them, but there */
        "30 @ 00 01 't' ( 01 02 )",             /* what a server passes on as it came */
        "30 @ 00 01 't' ( 08 00 03 'a/+' )",
        "30 @ 00 01 't' ( 08 00 00 )",
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        struct packet_bytes bytes = packet_bytes(rows[i], true);
        struct mqtt_decoder decoder = {.v5 = true};
        struct mqtt_packet packet;
        struct mqtt_fault fault = {0};
        int rc = mqtt_packet_decode(&decoder, bytes.at, bytes.length, &packet, &fault);
        if (rc)
            fprintf(stderr, "%s: %s\n", rows[i], fault.text);
        CU_ASSERT_EQUAL(rc, 0);
        mqtt_decoder_fini(&decoder);
    }
}

/* Topics of every length around the eight bytes that are looked at together, with one bad byte at
 * every place. */
static void a_bad_byte_is_found_at_every_place(void)
{
    static const uint8_t bad[] = {0x00, '+', '#', 0x80, 0xff};
    for (size_t length = 1; length <= 40; length++)
        for (size_t place = 0; place < length; place++)
            for (size_t b = 0; b <= sizeof(bad); b++) {
                uint8_t bytes[64] = {0x30, (uint8_t)(length + 2), 0, (uint8_t)length};
                for (size_t i = 0; i < length; i++)
                    bytes[4 + i] = (uint8_t)("/*,\"$~!\x01\x7f az"[(i + length) % 12]);
                if (b < sizeof(bad))
                    bytes[4 + place] = bad[b];
                struct mqtt_decoder decoder = {.v5 = false};
                struct mqtt_packet packet;
                struct mqtt_fault fault;
                int rc = mqtt_packet_decode(&decoder, packet_at_fence(bytes, length + 4),
                                            length + 4, &packet, &fault);
                CU_ASSERT_EQUAL(rc, b < sizeof(bad) ? -EPROTO : 0);
            }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(bad_packets_are_refused_by_their_reason)},
        {KIT_TEST(a_bad_header_is_refused_before_its_body)},
        {KIT_TEST(a_length_of_3_1_1_may_be_longer_than_needed)},
        {KIT_TEST(doubtful_texts_and_payloads_pass)},
        {KIT_TEST(a_bad_byte_is_found_at_every_place)},
        {NULL, NULL},
    };
    return kit_main("mqtt_packet_bad", tests);
}
