/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket frames (RFC 6455 §5): those of the server are read in place, since MQTT is a stream in
 * them (MQTT 5 §6) and no frame has to be whole. */
#include "mqtt_net_ws.h"
#include <string.h>

static void fault(struct mqtt_ws_reader *reader, uint16_t code, const char *text)
{
    reader->fault = code;
    reader->fault_text = text;
}

/* The first two bytes say all but a long length. */
static void check_head(struct mqtt_ws_reader *reader)
{
    const uint8_t *head = reader->head;
    bool is_control = reader->opcode & 8;
    if (head[0] & 0x70)
        fault(reader, MQTT_WS_PROTOCOL, "a frame with reserved bits, which no extension uses");
    else if (head[1] & 0x80)
        fault(reader, MQTT_WS_PROTOCOL, "a masked frame");
    else if (reader->opcode == 1)
        fault(reader, MQTT_WS_UNSUPPORTED, "a text message, where MQTT is binary");
    else if ((reader->opcode > MQTT_WS_BINARY && !is_control) || reader->opcode > MQTT_WS_PONG)
        fault(reader, MQTT_WS_PROTOCOL, "a frame of a reserved type");
    else if (is_control && (!reader->final || head[1] > MQTT_WS_CONTROL_MOST))
        fault(reader, MQTT_WS_PROTOCOL, "a control frame in parts, or of more than 125 bytes");
    else if (!is_control && (reader->opcode == MQTT_WS_CONTINUATION) != reader->in_message)
        fault(reader, MQTT_WS_PROTOCOL,
              reader->in_message ? "a new message inside another one"
                                 : "the continuation of a message that was not begun");
}

/* One byte more of a head; §5.2: 2 bytes, and then 0, 2 or 8 of the length. */
static void take_head(struct mqtt_ws_reader *reader, uint8_t byte)
{
    reader->head[reader->head_length++] = byte;
    if (reader->head_length < 2)
        return;
    uint8_t said = reader->head[1] & 0x7f;
    size_t length_size = said < 126 ? 0 : said == 126 ? 2 : 8;
    if (reader->head_length == 2) {
        reader->opcode = reader->head[0] & 15;
        reader->final = reader->head[0] & 0x80;
        check_head(reader);
    }
    if (reader->fault || reader->head_length < 2 + length_size)
        return;
    reader->left = length_size ? 0 : said;
    for (size_t i = 0; i < length_size; i++)
        reader->left = reader->left << 8 | reader->head[2 + i];
    if (length_size && reader->left < (length_size == 2 ? 126u : 65536u))
        fault(reader, MQTT_WS_PROTOCOL, "a length in more bytes than it needs");
    else if (reader->left >> 63)
        fault(reader, MQTT_WS_PROTOCOL, "a frame with a length of 64 bits");
    reader->in_payload = true;
    reader->head_length = reader->control_length = 0;
}

static void take_close(struct mqtt_ws_reader *reader)
{
    size_t length = reader->control_length;
    const uint8_t *at = reader->control;
    if (length == 1 || (length && (at[0] << 8 | at[1]) < 1000)) {
        fault(reader, MQTT_WS_PROTOCOL, "a close frame without a status code");
        return;
    }
    reader->closed = true;
    reader->close_code = length ? (uint16_t)(at[0] << 8 | at[1]) : 0;
    for (size_t i = 2; i < length; i++)
        reader->close_text[i - 2] = at[i] < ' ' || at[i] == 0x7f ? '?' : (char)at[i];
}

static void end_frame(struct mqtt_ws_reader *reader)
{
    reader->in_payload = false;
    if (!(reader->opcode & 8)) {
        reader->in_message = !reader->final;
    } else if (reader->opcode == MQTT_WS_CLOSE) {
        take_close(reader);
    } else if (reader->opcode == MQTT_WS_PING) {
        memcpy(reader->ping, reader->control, reader->control_length);
        reader->ping_length = reader->control_length;
        reader->pinged = true;
    }
}

size_t mqtt_ws_take(struct mqtt_ws_reader *reader, uint8_t *at, size_t length)
{
    size_t taken = 0, payload = 0;
    while (taken < length && !reader->fault && !reader->closed) {
        if (!reader->in_payload) {
            take_head(reader, at[taken++]);
        } else {
            size_t n = reader->left < length - taken ? (size_t)reader->left : length - taken;
            if (reader->opcode & 8) {
                memcpy(reader->control + reader->control_length, at + taken, n);
                reader->control_length += (uint8_t)n;
            } else {
                memmove(at + payload, at + taken, n);
                payload += n;
            }
            taken += n;
            reader->left -= n;
        }
        if (reader->in_payload && !reader->left && !reader->fault)
            end_frame(reader);
    }
    return payload;
}

size_t mqtt_ws_head(uint8_t *at, uint8_t opcode, size_t length, const uint8_t mask[4])
{
    size_t size = 2;
    at[0] = 0x80 | opcode;
    at[1] = 0x80 | (length < 126 ? (uint8_t)length : 126);
    if (length >= 126) {
        at[size++] = (uint8_t)(length >> 8);
        at[size++] = (uint8_t)length;
    }
    memcpy(at + size, mask, 4);
    return size + 4;
}

void mqtt_ws_mask(uint8_t *at, size_t length, const uint8_t mask[4])
{
    uint64_t wide, word;
    size_t i = 0;
    memcpy(&wide, mask, 4);
    memcpy((uint8_t *)&wide + 4, mask, 4);
    for (; i + 8 <= length; i += 8) {
        memcpy(&word, at + i, 8);
        word ^= wide;
        memcpy(at + i, &word, 8);
    }
    for (; i < length; i++)
        at[i] ^= mask[i & 3];
}
