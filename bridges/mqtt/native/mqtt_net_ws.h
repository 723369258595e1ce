/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the WebSocket layer (RFC 6455, the client's side): what is pure of it. */
#pragma once
#include "mqtt_net_stream.h"

/* ---- the upgrade (§4.1) --------------------------------------------------------------------- */

enum { MQTT_WS_KEY_SIZE = 25, MQTT_WS_HEAD_MOST = 16 * 1024 };

/* The request, for free(); NULL: out of memory.  key: 16 random bytes in base64. */
char *mqtt_ws_request(const struct mqtt_where *where, const char *key);
/* 0: the server has agreed, in the first *ret_length of the bytes; -EAGAIN: there has to come more;
 * -EPROTO: it has not, with why. */
int mqtt_ws_response(const char *at, size_t length, const struct mqtt_where *where, const char *key,
                     struct mqtt_why *why, size_t *ret_length);

/* ---- frames (§5.2) -------------------------------------------------------------------------- */

enum {
    MQTT_WS_CONTINUATION = 0,
    MQTT_WS_BINARY = 2,
    MQTT_WS_CLOSE = 8,
    MQTT_WS_PING = 9,
    MQTT_WS_PONG = 10,
    MQTT_WS_CONTROL_MOST = 125,
    MQTT_WS_HEAD_SIZE = 8, /* of a masked frame of at most 64 KiB */
};
enum { MQTT_WS_NORMAL = 1000, MQTT_WS_PROTOCOL = 1002, MQTT_WS_UNSUPPORTED = 1003 };

struct mqtt_ws_reader {
    uint8_t head[10], head_length;
    uint8_t opcode;
    bool final, in_payload, in_message;
    uint64_t left; /* of the payload */
    uint8_t control[MQTT_WS_CONTROL_MOST], control_length;
    /* What has come, for the caller to see to. */
    bool pinged, closed;
    uint8_t ping[MQTT_WS_CONTROL_MOST], ping_length; /* the last one (§5.5.3) */
    uint16_t close_code;                             /* 0: none was said */
    char close_text[MQTT_WS_CONTROL_MOST];           /* printable */
    uint16_t fault;                                  /* what to close with; 0: all is well */
    const char *fault_text;
};

/* Takes bytes of the server and moves what is payload to their beginning; returns its length.
 * Nothing is taken behind a close frame or a fault. */
size_t mqtt_ws_take(struct mqtt_ws_reader *reader, uint8_t *at, size_t length);

/* Writes the head of a masked frame that is final; returns its length. */
size_t mqtt_ws_head(uint8_t *at, uint8_t opcode, size_t length, const uint8_t mask[4]);
void mqtt_ws_mask(uint8_t *at, size_t length, const uint8_t mask[4]);
