/* SPDX-License-Identifier: Apache-2.0 */
/* The AMQP 1.0 mapping: golden messages, and seeded random ones through both directions. */
#include "amqp_same.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ROUNDS = 20000 };
#define NOW amqp_random_wall_us

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, text ? strlen(text) : 0};
}

/* ---- round trips ---------------------------------------------------------------------------- */

static struct amqp_decoder *decoder;
static struct amqp_encoder *encoder;
static struct amqp_buffer out;

static struct amqp_departure departure(uint32_t peer)
{
    return (struct amqp_departure){.wall_us = NOW, .peer = peer};
}

static void events_survive(uint32_t peer, bool anonymous, bool key)
{
    struct amqp_arrival arrival = {.wall_us = NOW, .address = str("elsewhere")};
    amqp_random_seed(0x9e3779b97f4a7c15u + peer);
    for (int i = 0; i < ROUNDS; i++) {
        struct mg_message event, back;
        struct mg_err err;
        struct amqp_departure to = departure(peer);
        amqp_random_event(&event);
        if (anonymous)
            to.to = str("/queue/q");
        if (key)
            to.subject = str("plant.a");
        amqp_buffer_reset(&out, 1 << 16);
        int r = amqp_encode(encoder, &event, &to, &out, &err);
        CU_ASSERT_EQUAL_FATAL(r, 0);
        r = amqp_decode(decoder, (struct mg_bytes){out.at, out.len}, &arrival, &back, &err);
        CU_ASSERT_EQUAL_FATAL(r, 0);
        const char *differs = amqp_difference(&event, &back);
        if (differs)
            fprintf(stderr, "round %d, peer %u: %s differs\n", i, peer, differs);
        CU_ASSERT_PTR_NULL_FATAL(differs);
    }
}

static void test_every_event_survives(void)
{
    events_survive(0, false, false);
}

static void test_every_event_survives_a_peer_with_limits(void)
{
    events_survive(AMQP_PEER_NO_DELIVERY_ANNOTATIONS | AMQP_PEER_SHORT_TEXTS | AMQP_PEER_NO_USER |
                       AMQP_PEER_PLAIN_VALUES,
                   false, false);
}

static void test_every_event_survives_a_routing_key_in_the_subject(void)
{
    events_survive(0, false, true);
}

static void test_message_encodings_are_reproduced(void)
{
    struct amqp_arrival arrival = {.wall_us = NOW, .address = str("elsewhere")};
    struct amqp_buffer again = {0};
    amqp_random_seed(42);
    for (int i = 0; i < ROUNDS; i++) {
        struct mg_message event, back;
        struct mg_err err;
        struct amqp_departure to = departure(0);
        amqp_random_event(&event);
        amqp_buffer_reset(&out, 1 << 16);
        amqp_buffer_reset(&again, 1 << 16);
        CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &event, &to, &out, &err), 0);
        CU_ASSERT_EQUAL_FATAL(
            amqp_decode(decoder, (struct mg_bytes){out.at, out.len}, &arrival, &back, &err), 0);
        CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &back, &to, &again, &err), 0);
        bool same = again.len == out.len && memcmp(again.at, out.at, out.len) == 0;
        if (!same)
            fprintf(stderr, "round %d: %zu bytes became %zu\n", i, out.len, again.len);
        CU_ASSERT_TRUE_FATAL(same);
    }
    amqp_buffer_fini(&again);
}

/* ---- golden --------------------------------------------------------------------------------- */

static int decode(const char *bytes, size_t len, struct mg_message *m, struct mg_err *err)
{
    struct amqp_arrival arrival = {.wall_us = NOW, .address = str("/queue/q")};
    return amqp_decode(decoder, (struct mg_bytes){bytes, len}, &arrival, m, err);
}
#define DECODE(literal, m, err) decode(literal, sizeof literal - 1, m, err)

static bool reproduced(const struct mg_message *m, const char *bytes, size_t len)
{
    struct mg_err err;
    struct amqp_departure to = departure(0);
    amqp_buffer_reset(&out, 1 << 16);
    return amqp_encode(encoder, m, &to, &out, &err) == 0 && out.len == len &&
           memcmp(out.at, bytes, len) == 0;
}

static void test_a_message_of_every_section(void)
{
    static const char bytes[] =
        "\x00\x53\x70\xc0\x05\x03\x41\x50\x07\x43" /* durable, priority 7, ttl 0 */
        "\x00\x53\x71\xc1\x07\x02\xa3\x01"
        "d\xa1\x01"
        "D" /* delivery annotation d */
        "\x00\x53\x72\xc1\x05\x02\xa3\x01"
        "a\x41" /* annotation a: true */
        "\x00\x53\x73\xc0\x0e\x06\x53\x05\x40\xa1\x03"
        "x/y\xa1\x01s\x40\x40"
        "\x00\x53\x74\xc1\x06\x02\xa1\x01"
        "p\x54\xff" /* p: -1 */
        "\x00\x53\x75\xa0\x03"
        "abc"
        "\x00\x53\x78\xc1\x05\x02\xa3\x01"
        "f\x42";
    struct mg_message m;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(DECODE(bytes, &m, &err), 0);
    CU_ASSERT_TRUE(amqp_same_text(m.head.address, str("x/y")));
    CU_ASSERT_TRUE(amqp_same_text(m.head.subject, str("s")));
    CU_ASSERT_TRUE(m.head.durable && m.head.priority == 7 && m.head.expires_us == NOW);
    CU_ASSERT_EQUAL(m.head.message_id.as.u, 5);
    CU_ASSERT_TRUE(amqp_same_bytes(m.payload, (struct mg_bytes){"abc", 3}));
    CU_ASSERT_EQUAL_FATAL(m.property_count, 4);
    CU_ASSERT_TRUE(amqp_same_text(m.properties[0].name, str("amqp.delivery-annotation:d")));
    CU_ASSERT_TRUE(amqp_same_text(m.properties[1].name, str("amqp.annotation:a")));
    CU_ASSERT_TRUE(amqp_same_text(m.properties[2].name, str("amqp.footer:f")));
    CU_ASSERT_TRUE(amqp_same_text(m.properties[3].name, str("p")));
    CU_ASSERT_EQUAL(m.properties[3].value.as.i, -1);
    CU_ASSERT_TRUE(reproduced(&m, bytes, sizeof bytes - 1));
}

static void test_a_redelivery_is_a_duplicate(void)
{
    struct mg_message m;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(
        DECODE("\x00\x53\x70\xc0\x06\x05\x40\x40\x40\x41\x43\x00\x53\x75\xa0\x00", &m, &err), 0);
    CU_ASSERT_FALSE(m.head.duplicate);
    CU_ASSERT_TRUE(amqp_same_text(m.head.address, str("/queue/q")));
    CU_ASSERT_EQUAL_FATAL(
        DECODE("\x00\x53\x70\xc0\x07\x05\x40\x40\x40\x41\x52\x02\x00\x53\x75\xa0\x00", &m, &err),
        0);
    CU_ASSERT_TRUE(m.head.duplicate);
    CU_ASSERT_EQUAL_FATAL(
        DECODE("\x00\x53\x70\xc0\x05\x04\x40\x40\x40\x42\x00\x53\x75\xa0\x00", &m, &err), 0);
    CU_ASSERT_TRUE(m.head.duplicate);
}

static void test_an_attempt_in_vain_is_counted(void)
{
    struct mg_message m = {.head = {.size = sizeof m.head, .address = {"a", 1}}}, back;
    struct amqp_departure to = {.delivery_count = 2};
    struct mg_err err;
    struct amqp_buffer sent = {.limit = 1000};
    CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &m, &to, &sent, &err), 0);
    CU_ASSERT_EQUAL(memcmp(sent.at, "\x00\x53\x70\xc0\x07\x05\x40\x40\x40\x40\x52\x02", 12), 0);
    struct amqp_arrival arrival = {.address = {"a", 1}};
    CU_ASSERT_EQUAL(
        amqp_decode(decoder, (struct mg_bytes){sent.at, sent.len}, &arrival, &back, &err), 0);
    CU_ASSERT_TRUE(back.head.duplicate);
    amqp_buffer_fini(&sent);
}

static void test_a_string_body_is_text(void)
{
    struct mg_message m;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(DECODE("\x00\x53\x77\xa1\x02hi", &m, &err), 0);
    CU_ASSERT_TRUE(amqp_same_bytes(m.payload, (struct mg_bytes){"hi", 2}));
    CU_ASSERT_TRUE(m.head.text_payload);
    CU_ASSERT_TRUE(amqp_same_text(m.properties[0].value.as.text, str("value:string")));
}

static void test_a_routing_key_becomes_the_address(void)
{
    static const char bytes[] = "\x00\x53\x73\xc0\x11\x04\x40\x40\x40\xa1\x0b"
                                "plant.a%2Em\x00\x53\x75\xa0\x00";
    struct amqp_arrival arrival = {
        .wall_us = NOW, .address = str("/topic/#"), .subject_is_key = true};
    struct mg_message m;
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(
        amqp_decode(decoder, (struct mg_bytes){bytes, sizeof bytes - 1}, &arrival, &m, &err), 0);
    CU_ASSERT_TRUE(amqp_same_text(m.head.address, str("plant/a.m")));
}

static void test_an_unset_durable_follows_the_qos(void)
{
    struct mg_message m = {
        .head = {.size = sizeof m.head, .present = MG_HAS_QOS, .qos = 1, .address = str("t")}};
    struct mg_err err;
    struct amqp_departure to = departure(0);
    amqp_buffer_reset(&out, 1 << 16);
    CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &m, &to, &out, &err), 0);
    CU_ASSERT_TRUE(out.len > 7 && memcmp(out.at, "\x00\x53\x70\xc0\x02\x01\x41", 7) == 0);
}

static void test_the_unexpected_is_refused_with_words(void)
{
    static const struct {
        const char *bytes;
        size_t len;
        const char *words;
    } wrong[] = {
        {"", 0, "empty"},
        {"\x41", 1, "malformed section"},
        {"\x00\x53\x75\xa0\x05"
         "a",
         6, "malformed section"},
        {"\x00\x53\x79\x40", 4, "unknown section"},
        {"\x00\x53\x75\xa0\x00\x00\x53\x70\x45", 9, "out of order"},
        {"\x00\x53\x77\x40\x00\x53\x77\x40", 8, "different kinds"},
        {"\x00\x53\x73\xc0\x02\x01\x41\x00\x53\x75\xa0\x00", 12, "message-id"},
        {"\x00\x53\x74\xc1\x03\x02\x40\xc0\x00\x53\x75\xa0\x00", 13, "malformed"},
        {"\x00\x53\x74\xc1\x05\x02\xa1\x01\xff\x41\x00\x53\x75\xa0\x00", 15, NULL},
    };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mg_message m;
        struct mg_err err = {{0}, NULL};
        int r = decode(wrong[i].bytes, wrong[i].len, &m, &err);
        if (!wrong[i].words) {
            CU_ASSERT_EQUAL(r, 0); /* a key that is not UTF-8 travels raw */
            continue;
        }
        CU_ASSERT_EQUAL(r, -EBADMSG);
        if (!strstr(err.text, wrong[i].words))
            fprintf(stderr, "%zu: %s\n", i, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i].words));
    }
}

static void test_truncated_and_damaged_messages_do_no_harm(void)
{
    struct mg_message event, m;
    struct mg_err err;
    struct amqp_departure to = departure(0);
    amqp_random_seed(7);
    for (int i = 0; i < 300; i++) {
        amqp_random_event(&event);
        amqp_buffer_reset(&out, 1 << 16);
        CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &event, &to, &out, &err), 0);
        for (int k = 0; k < 50; k++) {
            size_t len = amqp_random(2) ? out.len : amqp_random((uint32_t)out.len + 1);
            char *copy = malloc(len + 1); /* exactly: the sanitizer sees a step beyond */
            memcpy(copy, out.at, len);
            if (len)
                copy[amqp_random((uint32_t)len)] ^= (char)(1 << amqp_random(8));
            decode(copy, len, &m, &err);
            free(copy);
        }
    }
    CU_PASS("survived");
}

static void test_a_message_beyond_the_limit_is_refused(void)
{
    static const char zeros[5000];
    struct mg_message m = {.head = {.size = sizeof m.head, .address = str("t")},
                           .payload = {zeros, 5000}};
    struct mg_err err;
    struct amqp_departure to = departure(0);
    struct amqp_buffer small = {.limit = 4096};
    CU_ASSERT_EQUAL(amqp_encode(encoder, &m, &to, &small, &err), -EMSGSIZE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "4096"));
    /* Room that a larger message has left behind is no leave to fill it. */
    struct amqp_buffer wide = {.limit = 8192};
    CU_ASSERT_EQUAL(amqp_encode(encoder, &m, &to, &wide, &err), 0);
    amqp_buffer_reset(&wide, SIZE_MAX);
    wide.limit = 4096;
    CU_ASSERT_EQUAL(amqp_encode(encoder, &m, &to, &wide, &err), -EMSGSIZE);
    struct mg_bytes rest;
    amqp_buffer_reset(&wide, SIZE_MAX);
    CU_ASSERT_EQUAL(amqp_encode_apart(encoder, &m, &to, &wide, &rest, &err), -EMSGSIZE);
    amqp_buffer_fini(&wide);
    amqp_buffer_fini(&small);
}

/* Whether the payload is copied or follows, the message is the same. */
static void test_a_payload_apart_is_the_same_message(void)
{
    static char body[5000];
    static const struct mg_property footer = {.name = {"amqp.footer:sum", 15},
                                              .value = {.type = MG_INT, .width = 32, .as.i = 7}};
    struct amqp_departure to = departure(0);
    struct amqp_buffer head = {0};
    struct mg_err err;
    memset(body, 'b', sizeof body);
    for (size_t len = 0; len <= sizeof body; len += 1000)
        for (size_t properties = 0; properties <= 1; properties++) {
            struct mg_message m = {.head = {.size = sizeof m.head, .address = str("t")},
                                   .payload = {body, len},
                                   .properties = &footer,
                                   .property_count = properties};
            struct mg_bytes rest;
            amqp_buffer_reset(&out, 1 << 16);
            amqp_buffer_reset(&head, 1 << 16);
            CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &m, &to, &out, &err), 0);
            CU_ASSERT_EQUAL_FATAL(amqp_encode_apart(encoder, &m, &to, &head, &rest, &err), 0);
            CU_ASSERT_EQUAL(rest.len, len < 2048 || properties ? 0 : len); /* a footer comes last */
            CU_ASSERT_TRUE(rest.len == 0 || rest.at == body);
            amqp_put(&head, rest.at, rest.len);
            CU_ASSERT_TRUE(amqp_same_bytes((struct mg_bytes){out.at, out.len},
                                           (struct mg_bytes){head.at, head.len}));
        }
    amqp_buffer_fini(&head);
}

static void test_sixteen_megabytes_pass(void)
{
    size_t len = 16u << 20;
    char *payload = calloc(1, len);
    struct mg_message m = {.head = {.size = sizeof m.head, .address = str("t")},
                           .payload = {payload, len}},
                      back;
    struct mg_err err;
    struct amqp_departure to = departure(0);
    amqp_buffer_reset(&out, 1 << 16);
    CU_ASSERT_EQUAL_FATAL(amqp_encode(encoder, &m, &to, &out, &err), 0);
    CU_ASSERT_EQUAL_FATAL(decode((char *)out.at, out.len, &back, &err), 0);
    CU_ASSERT_TRUE(amqp_same_bytes(m.payload, back.payload));
    free(payload);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"every event survives", test_every_event_survives},
        {"every event survives a peer with limits", test_every_event_survives_a_peer_with_limits},
        {"every event survives a routing key in the subject",
         test_every_event_survives_a_routing_key_in_the_subject},
        {"message encodings are reproduced", test_message_encodings_are_reproduced},
        {"a message of every section", test_a_message_of_every_section},
        {"a redelivery is a duplicate", test_a_redelivery_is_a_duplicate},
        {"an attempt in vain is counted", test_an_attempt_in_vain_is_counted},
        {"a string body is text", test_a_string_body_is_text},
        {"a routing key becomes the address", test_a_routing_key_becomes_the_address},
        {"an unset durable follows the QoS", test_an_unset_durable_follows_the_qos},
        {"the unexpected is refused with words", test_the_unexpected_is_refused_with_words},
        {"truncated and damaged messages do no harm",
         test_truncated_and_damaged_messages_do_no_harm},
        {"a message beyond the limit is refused", test_a_message_beyond_the_limit_is_refused},
        {"a payload apart is the same message", test_a_payload_apart_is_the_same_message},
        {"sixteen megabytes pass", test_sixteen_megabytes_pass},
        {NULL, NULL},
    };
    decoder = amqp_decoder_create();
    encoder = amqp_encoder_create();
    int status = kit_main("amqp_mapping", tests);
    amqp_decoder_destroy(decoder);
    amqp_encoder_destroy(encoder);
    amqp_buffer_fini(&out);
    return status;
}
