/* SPDX-License-Identifier: Apache-2.0 */
/* Plays the server for a session of the native MQTT client, packet by packet, without a socket. */
#pragma once
#include "../../bridges/mqtt/native/mqtt_session.h"

struct player {
    struct mqtt_client_options options;
    struct mqtt_session session;
    char events[8192]; /* what the session has told, in words */
    char sent[8192];   /* what it has sent, in words, since player_sent */
    struct mqtt_decoder decoder;
    bool keep_holds; /* each message is held once more: settle it */
    int refuse;      /* so many messages are answered -EAGAIN */
    int result;      /* of the last input: 0, or the error */
};

void player_open(struct player *player, bool v5);
void player_close(struct player *player);
/* The stream opens, and the server answers CONNECT with success. */
void player_connect(struct player *player, bool session_present);
void player_lose(struct player *player);
/* One packet from the server, `step` bytes at a time (0: all). */
void player_server(struct player *player, const struct mqtt_packet *packet, size_t step);
void player_bytes(struct player *player, const void *at, size_t length);
/* PUBLISH of the server with payload "x". */
void player_message(struct player *player, const char *topic, uint8_t qos, uint16_t id, bool dup);
void player_answer(struct player *player, enum mqtt_type type, uint16_t id, uint8_t reason);
/* Publishes "x"; the session's result. */
int player_publish(struct player *player, const char *topic, uint8_t qos, uint32_t id);
/* Whether everything sent, or told, since the last call reads like this; says so where it does not.
 */
bool player_sent(struct player *player, const char *words);
bool player_told(struct player *player, const char *words);
void player_clear(struct player *player); /* forgets both */
