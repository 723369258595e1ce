/* SPDX-License-Identifier: Apache-2.0 */
#include "mqtt_player.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void say(char *words, size_t size, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

static void say(char *words, size_t size, const char *format, ...)
{
    size_t length = strlen(words);
    va_list args;
    if (length && length + 2 < size) {
        memcpy(words + length, "; ", 3);
        length += 2;
    }
    va_start(args, format);
    vsnprintf(words + length, size - length, format, args);
    va_end(args);
}
#define TELL(player, ...) say((player)->events, sizeof((player)->events), __VA_ARGS__)
#define SEND(player, ...) say((player)->sent, sizeof((player)->sent), __VA_ARGS__)

/* ---- what the session tells ----------------------------------------------------------------- */

static void on_connected(void *arg, const struct mqtt_connack *connack)
{
    TELL((struct player *)arg, "connected%s", connack->session_present ? " again" : "");
}

static void on_subscribed(void *arg, uint32_t index, uint32_t reason)
{
    TELL((struct player *)arg, "subscribed %u %u", index, reason);
}

static int on_message(void *arg, const struct mqtt_publish *publish, uint64_t receipt)
{
    struct player *player = arg;
    bool refused = player->refuse > 0;
    if (receipt && player->keep_holds && !refused)
        mqtt_session_hold(&player->session, receipt);
    TELL(player, "%s %.*s #%llu%s", refused ? "offered" : "message", (int)publish->topic.len,
         publish->topic.at, (unsigned long long)receipt, publish->dup ? " dup" : "");
    if (!refused)
        return 0;
    player->refuse--;
    return -EAGAIN;
}

static void on_confirmed(void *arg, uint32_t id, uint32_t reason)
{
    if (reason)
        TELL((struct player *)arg, "confirmed %u 0x%02x", id, reason);
    else
        TELL((struct player *)arg, "confirmed %u", id);
}

static void on_returned(void *arg, uint32_t id)
{
    TELL((struct player *)arg, "returned %u", id);
}

static const struct mqtt_client_events events = {
    .connected = on_connected,
    .subscribed = on_subscribed,
    .message = on_message,
    .confirmed = on_confirmed,
    .returned = on_returned,
};

/* ---- what it sends -------------------------------------------------------------------------- */

static void say_packet(struct player *player, const struct mqtt_packet *packet)
{
    const char *name = mqtt_type_name(packet->type);
    const struct mqtt_publish *publish = &packet->publish;
    switch (packet->type) {
    case MQTT_PUBLISH:
        SEND(player, "%s %.*s q%u", name, (int)publish->topic.len, publish->topic.at, publish->qos);
        if (publish->qos)
            snprintf(player->sent + strlen(player->sent), 16, " %u", packet->id);
        if (packet->topic_alias)
            snprintf(player->sent + strlen(player->sent), 16, " a%u", packet->topic_alias);
        if (publish->dup)
            snprintf(player->sent + strlen(player->sent), 8, " dup");
        break;
    case MQTT_SUBSCRIBE:
        SEND(player, "%s %.*s", name, (int)packet->filters[0].filter.len,
             packet->filters[0].filter.at);
        break;
    case MQTT_CONNECT:
        SEND(player, "%s%s", name, packet->connect.clean_start ? " clean" : "");
        break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        if (packet->reason)
            SEND(player, "%s %u 0x%02x", name, packet->id, packet->reason);
        else
            SEND(player, "%s %u", name, packet->id);
        break;
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        SEND(player, "%s 0x%02x", name, packet->reason);
        break;
    default:
        SEND(player, "%s", name);
    }
}

/* Reads what lies in the outbox, as a server does. */
static void read_sent(struct player *player)
{
    struct iovec parts[16];
    size_t length = 0, at = 0;
    uint8_t *bytes = malloc(player->session.outbox.unwritten + 1);
    for (int count; (count = mqtt_outbox_parts(&player->session.outbox, parts, 16)) > 0;) {
        memcpy(bytes + length, parts[0].iov_base, parts[0].iov_len);
        length += parts[0].iov_len;
        mqtt_outbox_wrote(&player->session.outbox, parts[0].iov_len);
    }
    while (at < length) {
        struct mqtt_packet packet;
        struct mqtt_fault fault = {0, ""};
        int64_t size = mqtt_packet_length(&player->decoder, bytes + at, length - at, &fault);
        if (size <= 0 ||
            mqtt_packet_decode(&player->decoder, bytes + at, (size_t)size, &packet, &fault)) {
            SEND(player, "MALFORMED %s", fault.text);
            break;
        }
        say_packet(player, &packet);
        at += (size_t)size;
    }
    free(bytes);
}

static bool reads(char *words, const char *expected, const char *what)
{
    bool same = !strcmp(words, expected);
    if (!same)
        fprintf(stderr, "%s: %s\nexpected: %s\n", what, words, expected);
    words[0] = '\0';
    return same;
}

bool player_sent(struct player *player, const char *words)
{
    read_sent(player);
    return reads(player->sent, words, "sent");
}

bool player_told(struct player *player, const char *words)
{
    return reads(player->events, words, "told");
}

void player_clear(struct player *player)
{
    read_sent(player);
    player->sent[0] = player->events[0] = '\0';
}

/* ---- what happens to it --------------------------------------------------------------------- */

void player_open(struct player *player, bool v5)
{
    struct mqtt_client_options options = player->options;
    options.v5 = v5;
    if (!options.client_id)
        options.client_id = "player";
    if (!options.in_flight_most)
        options.in_flight_most = 16;
    player->decoder = (struct mqtt_decoder){.v5 = v5, .server = true};
    mqtt_session_init(&player->session, &options, &events, player);
}

void player_close(struct player *player)
{
    mqtt_session_fini(&player->session);
    mqtt_decoder_fini(&player->decoder);
}

void player_bytes(struct player *player, const void *at, size_t length)
{
    ptrdiff_t taken = mqtt_session_input(&player->session, at, length);
    player->result = taken < 0 ? (int)taken : 0;
}

void player_server(struct player *player, const struct mqtt_packet *packet, size_t step)
{
    size_t size = mqtt_packet_encode(packet, player->session.options.v5, NULL, 0), have = 0;
    uint8_t *bytes = malloc(size + 1);
    mqtt_packet_encode(packet, player->session.options.v5, bytes, size);
    for (size_t at = 0; have < size; have = at) {
        at = step && have + step < size ? have + step : size;
        player_bytes(player, bytes, at);
    }
    free(bytes);
}

void player_connect(struct player *player, bool session_present)
{
    struct mqtt_packet connack = {.type = MQTT_CONNACK, .session_present = session_present};
    mqtt_session_begin(&player->session);
    player_server(player, &connack, 0);
}

void player_lose(struct player *player)
{
    read_sent(player);
    mqtt_session_end(&player->session);
}

void player_message(struct player *player, const char *topic, uint8_t qos, uint16_t id, bool dup)
{
    struct mqtt_packet packet = {
        .type = MQTT_PUBLISH,
        .id = id,
        .publish = {.topic = {topic, strlen(topic)}, .payload = {"x", 1}, .qos = qos, .dup = dup},
    };
    player_server(player, &packet, 0);
}

void player_answer(struct player *player, enum mqtt_type type, uint16_t id, uint8_t reason)
{
    struct mqtt_packet packet = {.type = type, .id = id, .reason = reason};
    player_server(player, &packet, 0);
}

int player_publish(struct player *player, const char *topic, uint8_t qos, uint32_t id)
{
    struct mqtt_publish publish = {
        .topic = {topic, strlen(topic)}, .payload = {"x", 1}, .qos = qos};
    return mqtt_session_publish(&player->session, &publish, id);
}
