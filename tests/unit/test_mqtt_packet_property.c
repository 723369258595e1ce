/* SPDX-License-Identifier: Apache-2.0 */
/* Each of the 27 properties of MQTT 5 in every place: where it may stand, how often, and with which
 * values (§2.2.2.2 and each one's own section), written down here once more by hand. */
#include "mqtt_packet_kit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The places, one letter each. */
static const struct place {
    char letter;
    const char *name;
    const char *before, *after; /* the packet around the properties */
    uint8_t receivers;
} places[] = {
    {'C', "CONNECT", "10 @ 00 04 'MQTT' 05 02 00 3c", "00 01 'c'", TO_SERVER},
    {'W', "will", "10 @ 00 04 'MQTT' 05 06 00 3c 00 00 01 'c'", "00 01 't' 00 01 'p'", TO_SERVER},
    {'K', "CONNACK", "20 @ 00 00", "", TO_CLIENT},
    {'P', "PUBLISH to a server", "30 @ 00 01 't'", "'x'", TO_SERVER},
    {'p', "PUBLISH to a client", "32 @ 00 01 't' 00 07", "'x'", TO_CLIENT},
    {'1', "PUBACK", "40 @ 00 07 10", "", TO_SERVER | TO_CLIENT},
    {'2', "PUBREC", "50 @ 00 07 00", "", TO_SERVER | TO_CLIENT},
    {'3', "PUBREL", "62 @ 00 07 92", "", TO_SERVER | TO_CLIENT},
    {'4', "PUBCOMP", "70 @ 00 07 00", "", TO_SERVER | TO_CLIENT},
    {'S', "SUBSCRIBE", "82 @ 00 07", "00 01 't' 00", TO_SERVER},
    {'s', "SUBACK", "90 @ 00 07", "02", TO_CLIENT},
    {'U', "UNSUBSCRIBE", "a2 @ 00 07", "00 01 't'", TO_SERVER},
    {'u', "UNSUBACK", "b0 @ 00 07", "11", TO_CLIENT},
    {'D', "DISCONNECT to a server", "e0 @ 00", "", TO_SERVER},
    {'d', "DISCONNECT to a client", "e0 @ 8b", "", TO_CLIENT},
    {'A', "AUTH", "f0 @ 18", "", TO_SERVER | TO_CLIENT},
};
enum { PLACES = sizeof(places) / sizeof(places[0]) };

static const struct property {
    uint8_t id;
    const char *name;
    const char *in, *repeats; /* letters of places */
    const char *good[3];      /* values that it may have */
    const char *bad[2];       /* and that are a protocol error */
} properties[] = {
    {0x01, "Payload Format Indicator", "WPp", "", {"00", "01"}, {"02", "ff"}},
    {0x02, "Message Expiry Interval", "WPp", "", {"00 00 00 00", "ff ff ff ff"}},
    {0x03, "Content Type", "WPp", "", {"00 00", "00 04 'a/b+'"}},
    {0x08, "Response Topic", "WPp", "", {"00 03 'a/b'"}},
    {0x09, "Correlation Data", "WPp", "", {"00 00", "00 02 00 ff"}},
    {0x0b, "Subscription Identifier", "pS", "p", {"01", "80 01", "ff ff ff 7f"}, {"00"}},
    {0x11, "Session Expiry Interval", "CKD", "", {"00 00 00 00", "ff ff ff ff"}},
    {0x12, "Assigned Client Identifier", "K", "", {"00 02 'id'"}},
    {0x13, "Server Keep Alive", "K", "", {"00 00", "ff ff"}},
    {0x15, "Authentication Method", "CKA", "", {"00 05 'SCRAM'"}},
    {0x16, "Authentication Data", "CKA", "", {"00 00", "00 02 00 ff"}},
    {0x17, "Request Problem Information", "C", "", {"00", "01"}, {"02", "80"}},
    {0x18, "Will Delay Interval", "W", "", {"00 00 00 00", "ff ff ff ff"}},
    {0x19, "Request Response Information", "C", "", {"00", "01"}, {"02"}},
    {0x1a, "Response Information", "K", "", {"00 01 'r'"}},
    {0x1c, "Server Reference", "KDd", "", {"00 05 's:188'"}},
    {0x1f, "Reason String", "K1234suDdA", "", {"00 00", "00 02 c3 a4"}},
    {0x21, "Receive Maximum", "CK", "", {"00 01", "ff ff"}, {"00 00"}},
    {0x22, "Topic Alias Maximum", "CK", "", {"00 00", "ff ff"}},
    {0x23, "Topic Alias", "Pp", "", {"00 01", "ff ff"}, {"00 00"}},
    {0x24, "Maximum QoS", "K", "", {"00", "01"}, {"02"}},
    {0x25, "Retain Available", "K", "", {"00", "01"}, {"02"}},
    {0x26,
     "User Property",
     "CWKPp1234SsUuDdA",
     "CWKPp1234SsUuDdA",
     {"00 01 'k' 00 01 'v'", "00 00 00 00"}},
    {0x27, "Maximum Packet Size", "CK", "", {"00 00 00 01", "ff ff ff ff"}, {"00 00 00 00"}},
    {0x28, "Wildcard Subscription Available", "K", "", {"00", "01"}, {"02"}},
    {0x29, "Subscription Identifiers Available", "K", "", {"00", "01"}, {"02"}},
    {0x2a, "Shared Subscription Available", "K", "", {"00", "01"}, {"02"}},
};
enum { PROPERTIES = sizeof(properties) / sizeof(properties[0]) };

/* The packet with `times` of the property, and the method without which AUTH and Authentication
 * Data cannot be. */
static struct packet_bytes around(const struct place *place, const struct property *property,
                                  const char *value, int times)
{
    char text[400], one[64];
    bool method = property->id != 0x15 && (place->letter == 'A' || property->id == 0x16);
    /* lower identifiers are written first */
    bool first = method && property->id > 0x15;
    snprintf(one, sizeof(one), "%02x %s ", property->id, value);
    snprintf(text, sizeof(text), "%s ( %s %s %s %s ) %s", place->before,
             first ? "15 00 01 'm'" : "", one, times > 1 ? one : "",
             method && !first ? "15 00 01 'm'" : "", place->after);
    return packet_bytes(text, true);
}

/* What decoding says, and, where it is taken, whether the same bytes come out of it again. */
static int judge(const struct packet_bytes *bytes, bool server, struct mqtt_fault *ret_fault)
{
    struct mqtt_decoder decoder = {.v5 = true, .server = server};
    struct mqtt_packet packet;
    uint8_t again[512];
    memset(&packet, 0xa5, sizeof(packet));
    *ret_fault = (struct mqtt_fault){.reason = 0};
    const uint8_t *at = packet_at_fence(bytes->at, bytes->length);
    int rc = mqtt_packet_decode(&decoder, at, bytes->length, &packet, ret_fault);
    if (!rc) {
        size_t length = mqtt_packet_encode(&packet, true, again, sizeof(again));
        if (length != bytes->length || memcmp(again, bytes->at, length))
            rc = -EBADMSG;
    }
    mqtt_decoder_fini(&decoder);
    return rc;
}

static void expect(const struct property *property, const struct place *place, const char *value,
                   int times, uint8_t reason)
{
    struct packet_bytes bytes = around(place, property, value, times);
    for (int server = 0; server < 2; server++) {
        if (!(place->receivers & (server ? TO_SERVER : TO_CLIENT)))
            continue;
        struct mqtt_fault fault;
        int rc = judge(&bytes, server, &fault);
        bool well = reason ? rc == -EPROTO && fault.reason == reason : !rc;
        if (!well)
            fprintf(stderr, "%s, %s, %d times in %s: %d, 0x%02x, wanted 0x%02x: %s\n",
                    property->name, value, times, place->name, rc, fault.reason, reason,
                    fault.text);
        CU_ASSERT_TRUE(well);
    }
}

static void a_property_stands_where_it_may(void)
{
    int right = 0, wrong = 0;
    for (size_t i = 0; i < PROPERTIES; i++)
        for (size_t p = 0; p < PLACES; p++) {
            bool may = strchr(properties[i].in, places[p].letter);
            for (int v = 0; v < 3 && properties[i].good[v]; v++)
                expect(&properties[i], &places[p], properties[i].good[v], 1, may ? 0 : 0x81);
            right += may;
            wrong += !may;
        }
    CU_ASSERT_EQUAL(right + wrong, 27 * PLACES);
}

static void a_property_stands_once_where_it_may_not_repeat(void)
{
    for (size_t i = 0; i < PROPERTIES; i++)
        for (const char *letter = properties[i].in; *letter; letter++)
            for (size_t p = 0; p < PLACES; p++)
                if (places[p].letter == *letter)
                    expect(&properties[i], &places[p], properties[i].good[0], 2,
                           strchr(properties[i].repeats, *letter) ? 0 : 0x82);
}

static void a_value_out_of_range_is_a_protocol_error(void)
{
    int count = 0;
    for (size_t i = 0; i < PROPERTIES; i++)
        for (int v = 0; v < 2 && properties[i].bad[v]; v++)
            for (size_t p = 0; p < PLACES; p++)
                if (strchr(properties[i].in, places[p].letter)) {
                    /* a client takes what a server passes on */
                    bool passes = properties[i].id == 0x01 && places[p].letter == 'p';
                    expect(&properties[i], &places[p], properties[i].bad[v], 1, passes ? 0 : 0x82);
                    count++;
                }
    CU_ASSERT_TRUE(count > 15);
}

/* Cut by one byte, with all lengths made to fit. */
static void a_value_cut_short_is_malformed(void)
{
    for (size_t i = 0; i < PROPERTIES; i++)
        for (size_t p = 0; p < PLACES; p++) {
            if (!strchr(properties[i].in, places[p].letter))
                continue;
            for (int v = 0; v < 3 && properties[i].good[v]; v++) {
                char value[64];
                struct packet_bytes bare = packet_bytes(properties[i].good[v], true);
                size_t used = 0;
                for (size_t k = 0; k + 1 < bare.length; k++)
                    used +=
                        (size_t)snprintf(value + used, sizeof(value) - used, "%02x ", bare.at[k]);
                value[used] = 0;
                /* where the method follows, what is missing would be taken from it */
                if (properties[i].id == 0x15 ||
                    (places[p].letter != 'A' && properties[i].id != 0x16))
                    expect(&properties[i], &places[p], value, 1, 0x81);
            }
        }
}

static void names_are_the_specifications(void)
{
    size_t known = 0;
    for (uint32_t id = 0; id < 300; id++)
        known += strcmp(mqtt_property_name(id), "unknown property") != 0;
    CU_ASSERT_EQUAL(known, 27);
    for (size_t i = 0; i < PROPERTIES; i++)
        CU_ASSERT_STRING_EQUAL(mqtt_property_name(properties[i].id), properties[i].name);
}

/* More than the decoder's first array holds, and fewer in the next packet. */
static void many_pairs_and_identifiers_are_all_kept(void)
{
    static uint8_t bytes[60000];
    static struct mqtt_user users[1000], will_users[700];
    static uint32_t ids[1000];
    static char texts[1000][8];
    for (size_t i = 0; i < 1000; i++) {
        snprintf(texts[i], sizeof(texts[i]), "n%zu", i);
        struct mg_str text = {texts[i], strlen(texts[i])};
        users[i] = (struct mqtt_user){text, text};
        if (i < 700)
            will_users[i] = (struct mqtt_user){text, {texts[i], 1}};
        ids[i] = (uint32_t)(i + 1) * 10007;
    }
    struct mqtt_decoder decoder = {.v5 = true}, server = {.v5 = true, .server = true};
    struct mqtt_packet back;
    struct mqtt_fault fault;
    for (size_t count = 1000; count; count /= 3) {
        struct mqtt_packet packet = {.type = MQTT_PUBLISH,
                                     .publish = {.topic = {"t", 1},
                                                 .users = users,
                                                 .user_count = count,
                                                 .subscription_ids = ids,
                                                 .subscription_id_count = count}};
        size_t length = mqtt_packet_encode(&packet, true, bytes, sizeof(bytes));
        CU_ASSERT_EQUAL(mqtt_packet_decode(&decoder, bytes, length, &back, &fault), 0);
        CU_ASSERT_TRUE(packet_same(&packet, &back, true));
        packet = (struct mqtt_packet){
            .type = MQTT_CONNECT,
            .connect = {.v5 = true,
                        .client_id = {"c", 1},
                        .has_will = true,
                        .will_topic = {"w", 1},
                        .will_payload = {"", 0},
                        .will_properties = {.users = will_users, .user_count = count * 7 / 10}},
            .properties = {.users = users, .user_count = count}};
        length = mqtt_packet_encode(&packet, true, bytes, sizeof(bytes));
        CU_ASSERT_EQUAL(mqtt_packet_decode(&server, bytes, length, &back, &fault), 0);
        CU_ASSERT_TRUE(packet_same(&packet, &back, true));
    }
    mqtt_decoder_fini(&decoder);
    mqtt_decoder_fini(&server);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_property_stands_where_it_may)},
        {KIT_TEST(a_property_stands_once_where_it_may_not_repeat)},
        {KIT_TEST(a_value_out_of_range_is_a_protocol_error)},
        {KIT_TEST(a_value_cut_short_is_malformed)},
        {KIT_TEST(names_are_the_specifications)},
        {KIT_TEST(many_pairs_and_identifiers_are_all_kept)},
        {NULL, NULL},
    };
    return kit_main("mqtt_packet_property", tests);
}
