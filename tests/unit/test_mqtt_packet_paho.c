/* SPDX-License-Identifier: Apache-2.0 */
/* Eclipse Paho MQTT C against the codec as a server: each side reads what the other wrote. */
#include "mqtt_packet_kit.h"
#include "mqtt_same.h"
#include "unit.h"
#include <MQTTAsync.h>
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

/* ---- Paho ----------------------------------------------------------------------------------- */

/* What Paho's threads saw, in words. */
static struct {
    pthread_mutex_t lock;
    pthread_cond_t changed;
    char arrived[8][300];
    int count;
    MQTTAsync client;
    bool v5;
} paho = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

static size_t say_property(const MQTTProperty *property, char *at, size_t size)
{
    int used;
    switch (MQTTProperty_getType(property->identifier)) {
    case MQTTPROPERTY_TYPE_BYTE:
        used = snprintf(at, size, " %02x=%u", property->identifier, property->value.byte);
        break;
    case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER:
        used = snprintf(at, size, " %02x=%u", property->identifier, property->value.integer2);
        break;
    case MQTTPROPERTY_TYPE_UTF_8_STRING_PAIR:
        used = snprintf(at, size, " %02x=%.*s:%.*s", property->identifier, property->value.data.len,
                        property->value.data.data, property->value.value.len,
                        property->value.value.data);
        break;
    case MQTTPROPERTY_TYPE_BINARY_DATA:
    case MQTTPROPERTY_TYPE_UTF_8_ENCODED_STRING:
        used = snprintf(at, size, " %02x=%.*s", property->identifier, property->value.data.len,
                        property->value.data.data);
        break;
    default:
        used = snprintf(at, size, " %02x=%u", property->identifier, property->value.integer4);
        break;
    }
    return (size_t)used;
}

static int on_message(void *context, char *topic, int length, MQTTAsync_message *message)
{
    (void)context;
    (void)length;
    pthread_mutex_lock(&paho.lock);
    char *at = paho.arrived[paho.count % 8];
    size_t size = sizeof(paho.arrived[0]);
    size_t used = (size_t)snprintf(at, size, "%s %.*s qos %d retain %d", topic, message->payloadlen,
                                   (const char *)message->payload, message->qos, message->retained);
    for (int i = 0; i < message->properties.count && used < size; i++)
        used += say_property(&message->properties.array[i], at + used, size - used);
    paho.count++;
    pthread_cond_broadcast(&paho.changed);
    pthread_mutex_unlock(&paho.lock);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static void wait_for_messages(int count)
{
    struct timespec until;
    clock_gettime(CLOCK_REALTIME, &until);
    until.tv_sec += 10;
    pthread_mutex_lock(&paho.lock);
    while (paho.count < count && !pthread_cond_timedwait(&paho.changed, &paho.lock, &until))
        continue;
    CU_ASSERT_EQUAL(paho.count, count);
    pthread_mutex_unlock(&paho.lock);
}

static void add_text(MQTTProperties *properties, enum MQTTPropertyCodes id, const char *text,
                     const char *value)
{
    MQTTProperty property = {.identifier = id};
    property.value.data = (MQTTLenString){(int)strlen(text), (char *)text};
    if (value)
        property.value.value = (MQTTLenString){(int)strlen(value), (char *)value};
    CU_ASSERT_EQUAL(MQTTProperties_add(properties, &property), 0);
}

static void add_number(MQTTProperties *properties, enum MQTTPropertyCodes id, uint32_t number)
{
    MQTTProperty property = {.identifier = id};
    switch (MQTTProperty_getType(id)) {
    case MQTTPROPERTY_TYPE_BYTE:
        property.value.byte = (unsigned char)number;
        break;
    case MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER:
        property.value.integer2 = (unsigned short)number;
        break;
    default:
        property.value.integer4 = number;
        break;
    }
    CU_ASSERT_EQUAL(MQTTProperties_add(properties, &property), 0);
}

static void say_publish(int qos)
{
    MQTTAsync_message message = MQTTAsync_message_initializer;
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    char payload[] = "from paho"; /* copied by sendMessage */
    message.payload = payload;
    message.payloadlen = 9;
    message.qos = qos;
    message.retained = qos == 1;
    if (paho.v5) {
        add_number(&message.properties, MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR, 1);
        add_number(&message.properties, MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL, 100000);
        add_text(&message.properties, MQTTPROPERTY_CODE_CONTENT_TYPE, "text/plain", NULL);
        add_text(&message.properties, MQTTPROPERTY_CODE_RESPONSE_TOPIC, "re/ply", NULL);
        add_text(&message.properties, MQTTPROPERTY_CODE_CORRELATION_DATA, "\x01\xff", NULL);
        add_number(&message.properties, MQTTPROPERTY_CODE_TOPIC_ALIAS, 3);
        add_text(&message.properties, MQTTPROPERTY_CODE_USER_PROPERTY, "k", "v1");
        add_text(&message.properties, MQTTPROPERTY_CODE_USER_PROPERTY, "k", "");
    }
    CU_ASSERT_EQUAL(MQTTAsync_sendMessage(paho.client, "up/\xc3\xa4", &message, &options), 0);
    MQTTProperties_free(&message.properties);
}

static void say_subscriptions(void)
{
    char down[] = "down/#", shared[] = "$share/g/x", *filters[] = {down, shared};
    int qos[] = {2, 1};
    MQTTAsync_responseOptions options = MQTTAsync_responseOptions_initializer;
    MQTTSubscribe_options each[2] = {MQTTSubscribe_options_initializer,
                                     MQTTSubscribe_options_initializer};
    if (paho.v5) {
        each[0].noLocal = 1;
        each[0].retainAsPublished = 1;
        each[0].retainHandling = 2;
        options.subscribeOptionsList = each;
        options.subscribeOptionsCount = 2;
        add_number(&options.properties, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER, 300);
    }
    CU_ASSERT_EQUAL(MQTTAsync_subscribeMany(paho.client, 2, filters, qos, &options), 0);
    MQTTProperties_free(&options.properties);
    MQTTAsync_responseOptions plain = MQTTAsync_responseOptions_initializer;
    CU_ASSERT_EQUAL(MQTTAsync_unsubscribeMany(paho.client, 2, filters, &plain), 0);
}

/* Paho's thread, once CONNACK came. */
static void on_connected(void)
{
    say_subscriptions();
    for (int qos = 0; qos < 3; qos++)
        say_publish(qos);
}

static void on_connected3(void *context, MQTTAsync_successData *data)
{
    (void)context;
    (void)data;
    on_connected();
}

static void on_connected5(void *context, MQTTAsync_successData5 *data)
{
    (void)context;
    (void)data;
    on_connected();
}

static void paho_connect(int port)
{
    char url[64];
    snprintf(url, sizeof(url), "tcp://127.0.0.1:%d", port);
    MQTTAsync_createOptions create = MQTTAsync_createOptions_initializer;
    MQTTAsync_connectOptions options3 = MQTTAsync_connectOptions_initializer,
                             options5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions *options = paho.v5 ? &options5 : &options3;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;
    MQTTProperties properties = MQTTProperties_initializer, will_properties = properties;
    create.MQTTVersion = paho.v5 ? MQTTVERSION_5 : MQTTVERSION_3_1_1;
    CU_ASSERT_EQUAL_FATAL(MQTTAsync_createWithOptions(&paho.client, url, "paho",
                                                      MQTTCLIENT_PERSISTENCE_NONE, NULL, &create),
                          0);
    CU_ASSERT_EQUAL(MQTTAsync_setCallbacks(paho.client, NULL, NULL, on_message, NULL), 0);
    will.topicName = "will/t";
    will.message = "gone";
    will.qos = 1;
    will.retained = 1;
    options->will = &will;
    options->username = "user";
    options->password = "secret";
    options->keepAliveInterval = 77;
    if (paho.v5) {
        add_number(&properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, 3600);
        add_number(&properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, 100);
        add_text(&properties, MQTTPROPERTY_CODE_USER_PROPERTY, "a", "b");
        add_number(&will_properties, MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL, 9);
        options->cleanstart = 1;
        options->connectProperties = &properties;
        options->willProperties = &will_properties;
        options->onSuccess5 = on_connected5;
    } else {
        options->MQTTVersion = MQTTVERSION_3_1_1;
        options->cleansession = 1;
        options->onSuccess = on_connected3;
    }
    CU_ASSERT_EQUAL_FATAL(MQTTAsync_connect(paho.client, options), 0);
    MQTTProperties_free(&properties);
    MQTTProperties_free(&will_properties);
}

/* ---- the server ----------------------------------------------------------------------------- */

struct peer {
    int fd;
    struct mqtt_decoder decoder;
    uint8_t buffer[4096];
    size_t have, used; /* used: of the packet before */
};

/* The next packet, until the one after; the test ends where there is none. */
static struct mqtt_packet next_packet(struct peer *peer)
{
    struct mqtt_packet packet;
    struct mqtt_fault fault = {0};
    peer->have -= peer->used;
    memmove(peer->buffer, peer->buffer + peer->used, peer->have);
    peer->used = 0;
    for (;;) {
        int64_t length = mqtt_packet_length(&peer->decoder, peer->buffer, peer->have, &fault);
        if (length > 0 && (size_t)length <= peer->have) {
            peer->used = (size_t)length;
            break;
        }
        ssize_t got = length < 0 ? 0
                                 : recv(peer->fd, peer->buffer + peer->have,
                                        sizeof(peer->buffer) - peer->have, 0);
        if (got <= 0) {
            fprintf(stderr, "no packet of Paho: %s %s\n", fault.text, strerror(errno));
            CU_FAIL_FATAL("no packet");
        }
        peer->have += (size_t)got;
    }
    int rc = mqtt_packet_decode(&peer->decoder, peer->buffer, peer->used, &packet, &fault);
    if (rc)
        fprintf(stderr, "what Paho wrote is refused: %s\n", fault.text);
    CU_ASSERT_EQUAL_FATAL(rc, 0);
    /* It is as long as the codec would have written it, but for acknowledgements: Paho says a
     * success that may be left out. */
    uint8_t again[4096];
    if (packet.type < MQTT_PUBACK || packet.type > MQTT_PUBCOMP)
        CU_ASSERT_EQUAL(mqtt_packet_encode(&packet, peer->decoder.v5, again, sizeof(again)),
                        peer->used);
    return packet;
}

static void answer(struct peer *peer, const struct mqtt_packet *packet)
{
    uint8_t bytes[1024];
    size_t length = mqtt_packet_encode(packet, peer->decoder.v5, bytes, sizeof(bytes));
    CU_ASSERT_TRUE_FATAL(length > 0 && length <= sizeof(bytes));
    CU_ASSERT_EQUAL(send(peer->fd, bytes, length, MSG_NOSIGNAL), (ssize_t)length);
}

static void answer_id(struct peer *peer, enum mqtt_type type, uint16_t id)
{
    struct mqtt_packet packet = {.type = type, .id = id};
    answer(peer, &packet);
}

static bool is(struct mg_str text, const char *expected)
{
    return mqtt_same_text(text, (struct mg_str){expected, strlen(expected)});
}

static void check_connect(const struct mqtt_packet *packet, bool v5)
{
    const struct mqtt_connect *connect = &packet->connect;
    CU_ASSERT_EQUAL_FATAL(packet->type, MQTT_CONNECT);
    CU_ASSERT_EQUAL(connect->v5, v5);
    CU_ASSERT_TRUE(connect->clean_start && is(connect->client_id, "paho"));
    CU_ASSERT_TRUE(is(connect->user, "user") && connect->keep_alive_s == 77);
    CU_ASSERT_TRUE(mqtt_same_bytes(connect->password.at, connect->password.len, "secret", 6));
    CU_ASSERT_TRUE(connect->has_will && connect->will_qos == 1 && connect->will_retain);
    CU_ASSERT_TRUE(is(connect->will_topic, "will/t"));
    CU_ASSERT_TRUE(mqtt_same_bytes(connect->will_payload.at, connect->will_payload.len, "gone", 4));
    if (!v5)
        return;
    const struct mqtt_properties *properties = &packet->properties;
    CU_ASSERT_EQUAL(properties->has,
                    MQTT_HAS(MQTT_PROP_SESSION_EXPIRY) | MQTT_HAS(MQTT_PROP_RECEIVE_MAXIMUM));
    CU_ASSERT_TRUE(properties->session_expiry_s == 3600 && properties->receive_maximum == 100);
    CU_ASSERT_TRUE(properties->user_count == 1 && is(properties->users[0].value, "b"));
    CU_ASSERT_EQUAL(connect->will_properties.has, MQTT_HAS(MQTT_PROP_WILL_DELAY));
    CU_ASSERT_EQUAL(connect->will_properties.will_delay_s, 9);
}

static void check_publish(const struct mqtt_packet *packet, bool v5)
{
    const struct mqtt_publish *publish = &packet->publish;
    CU_ASSERT_TRUE(is(publish->topic, "up/\xc3\xa4") && publish->retain == (publish->qos == 1));
    CU_ASSERT_TRUE(mqtt_same_bytes(publish->payload.at, publish->payload.len, "from paho", 9));
    if (!v5)
        return;
    CU_ASSERT_TRUE(publish->has_format && publish->format == 1);
    CU_ASSERT_TRUE(publish->has_expiry && publish->expiry_s == 100000);
    CU_ASSERT_TRUE(is(publish->content_type, "text/plain") &&
                   is(publish->response_topic, "re/ply"));
    CU_ASSERT_TRUE(
        mqtt_same_bytes(publish->correlation.at, publish->correlation.len, "\x01\xff", 2));
    CU_ASSERT_EQUAL(packet->topic_alias, 3);
    CU_ASSERT_TRUE(publish->user_count == 2 && is(publish->users[0].value, "v1") &&
                   is(publish->users[1].value, ""));
}

static void check_subscribe(struct peer *peer, const struct mqtt_packet *packet)
{
    static const uint8_t granted[] = {2, 1}, ended[] = {0, 0x11};
    bool v5 = peer->decoder.v5, subscribe = packet->type == MQTT_SUBSCRIBE;
    CU_ASSERT_EQUAL_FATAL(packet->filter_count, 2);
    CU_ASSERT_TRUE(is(packet->filters[0].filter, "down/#"));
    CU_ASSERT_TRUE(is(packet->filters[1].filter, "$share/g/x"));
    if (subscribe) {
        CU_ASSERT_TRUE(packet->filters[0].qos == 2 && packet->filters[1].qos == 1);
        CU_ASSERT_EQUAL(packet->filters[0].no_local, v5);
        CU_ASSERT_EQUAL(packet->filters[0].retain_as_published, v5);
        CU_ASSERT_EQUAL(packet->filters[0].retain_handling, v5 ? 2 : 0);
        CU_ASSERT_EQUAL(packet->properties.subscription_id_count, v5);
        CU_ASSERT_TRUE(!v5 || packet->properties.subscription_ids[0] == 300);
    }
    struct mqtt_packet back = {.type = subscribe ? MQTT_SUBACK : MQTT_UNSUBACK,
                               .id = packet->id,
                               .reasons = subscribe ? granted : ended,
                               .reason_count = 2};
    answer(peer, &back);
}

static void greet(struct peer *peer)
{
    struct mqtt_packet hello = {.type = MQTT_CONNACK};
    if (peer->decoder.v5) {
        hello.properties = (struct mqtt_properties){
            .has = MQTT_HAS(MQTT_PROP_RECEIVE_MAXIMUM) | MQTT_HAS(MQTT_PROP_MAXIMUM_PACKET) |
                   MQTT_HAS(MQTT_PROP_TOPIC_ALIAS_MAXIMUM) | MQTT_HAS(MQTT_PROP_REASON_STRING) |
                   MQTT_HAS(MQTT_PROP_SHARED_AVAILABLE),
            .receive_maximum = 9,
            .maximum_packet = 1000000,
            .topic_alias_maximum = 5,
            .reason_string = {"welcome", 7},
            .shared_available = 1};
    }
    answer(peer, &hello);
}

/* Everything that on_connected said, in whatever order, each answered. */
static void serve(struct peer *peer)
{
    unsigned seen = 0;
    while (seen != 63) {
        struct mqtt_packet packet = next_packet(peer);
        switch (packet.type) {
        case MQTT_SUBSCRIBE:
        case MQTT_UNSUBSCRIBE:
            seen |= packet.type == MQTT_SUBSCRIBE ? 1 : 2;
            check_subscribe(peer, &packet);
            break;
        case MQTT_PUBLISH:
            seen |= 4u << packet.publish.qos;
            check_publish(&packet, peer->decoder.v5);
            if (packet.publish.qos)
                answer_id(peer, packet.publish.qos == 1 ? MQTT_PUBACK : MQTT_PUBREC, packet.id);
            break;
        default:
            CU_ASSERT_EQUAL_FATAL(packet.type, MQTT_PUBREL);
            seen |= 32;
            answer_id(peer, MQTT_PUBCOMP, packet.id);
            break;
        }
    }
}

static void deliver(struct peer *peer, uint8_t qos)
{
    static const struct mqtt_user users[] = {{{"n", 1}, {"w", 1}}, {{"n", 1}, {"", 0}}};
    static const uint32_t ids[] = {300, 1};
    struct mqtt_packet packet = {
        .type = MQTT_PUBLISH,
        .id = qos ? (uint16_t)(40 + qos) : 0,
        .publish = {
            .topic = {"down/x", 6}, .payload = {"to paho", 7}, .qos = qos, .retain = qos == 0}};
    if (peer->decoder.v5) {
        packet.publish.has_expiry = true;
        packet.publish.expiry_s = 60;
        packet.publish.content_type = (struct mg_str){"c/t", 3};
        packet.publish.users = users;
        packet.publish.user_count = 2;
        packet.publish.subscription_ids = ids;
        packet.publish.subscription_id_count = 2;
    }
    answer(peer, &packet);
    if (qos == 1) {
        packet = next_packet(peer);
        CU_ASSERT_TRUE(packet.type == MQTT_PUBACK && packet.id == 41 && !packet.reason);
    } else if (qos == 2) {
        packet = next_packet(peer);
        CU_ASSERT_TRUE(packet.type == MQTT_PUBREC && packet.id == 42 && !packet.reason);
        answer_id(peer, MQTT_PUBREL, 42);
        packet = next_packet(peer);
        CU_ASSERT_TRUE(packet.type == MQTT_PUBCOMP && packet.id == 42);
    }
}

static int listener(int *ret_port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t length = sizeof(address);
    struct timeval limit = {.tv_sec = 10};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CU_ASSERT_TRUE_FATAL(fd >= 0 && !bind(fd, (struct sockaddr *)&address, sizeof(address)) &&
                         !listen(fd, 1) && !getsockname(fd, (struct sockaddr *)&address, &length) &&
                         !setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
    *ret_port = ntohs(address.sin_port);
    return fd;
}

static void talk(bool v5)
{
    static struct peer peer;
    int port = 0, door = listener(&port);
    struct timeval limit = {.tv_sec = 10};
    paho.v5 = v5;
    paho.count = 0;
    paho_connect(port);
    peer = (struct peer){.fd = accept(door, NULL, NULL), .decoder = {.v5 = v5, .server = true}};
    close(door);
    CU_ASSERT_TRUE_FATAL(peer.fd >= 0 &&
                         !setsockopt(peer.fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)));
    struct mqtt_packet packet = next_packet(&peer);
    check_connect(&packet, v5);
    greet(&peer);
    serve(&peer);
    for (uint8_t qos = 0; qos < 3; qos++)
        deliver(&peer, qos);
    wait_for_messages(3);
    for (int qos = 0; qos < 3; qos++) {
        char expected[300];
        snprintf(expected, sizeof(expected), "down/x to paho qos %d retain %d%s", qos, qos == 0,
                 v5 ? " 02=60 03=c/t 0b=300 0b=1 26=n:w 26=n:" : "");
        CU_ASSERT_STRING_EQUAL(paho.arrived[qos], expected);
    }
    MQTTAsync_disconnectOptions options = MQTTAsync_disconnectOptions_initializer,
                                options5 = MQTTAsync_disconnectOptions_initializer5;
    if (v5) {
        options = options5;
        options.reasonCode = MQTTREASONCODE_DISCONNECT_WITH_WILL_MESSAGE;
        add_number(&options.properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL, 5);
    }
    CU_ASSERT_EQUAL(MQTTAsync_disconnect(paho.client, &options), 0);
    packet = next_packet(&peer);
    CU_ASSERT_EQUAL(packet.type, MQTT_DISCONNECT);
    CU_ASSERT_EQUAL(packet.reason, v5 ? 4 : 0);
    CU_ASSERT_TRUE(!v5 || packet.properties.session_expiry_s == 5);
    MQTTProperties_free(&options.properties);
    close(peer.fd);
    mqtt_decoder_fini(&peer.decoder);
    MQTTAsync_destroy(&paho.client);
}

static void paho_and_the_codec_understand_each_other_in_mqtt_5(void)
{
    talk(true);
}

static void paho_and_the_codec_understand_each_other_in_3_1_1(void)
{
    talk(false);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(paho_and_the_codec_understand_each_other_in_mqtt_5)},
        {KIT_TEST(paho_and_the_codec_understand_each_other_in_3_1_1)},
        {NULL, NULL},
    };
    return kit_main("mqtt_packet_paho", tests);
}
