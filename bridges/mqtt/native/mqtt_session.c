/* SPDX-License-Identifier: Apache-2.0 */
/* A session's connections: CONNECT, what comes in, and how they end. */
#include "mqtt_session.h"
#include "../mqtt_reason.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int mqtt_session_init(struct mqtt_session *s, const struct mqtt_client_options *options,
                      const struct mqtt_client_events *events, void *arg)
{
    *s = (struct mqtt_session){
        .options = *options,
        .events = events,
        .arg = arg,
        .decoder = {.v5 = options->v5},
        .first_sent = MQTT_NO_ID,
        .last_sent = MQTT_NO_ID,
        .resend = MQTT_NO_ID,
        .ready_first = MQTT_NO_ID,
        .ready_last = MQTT_NO_ID,
        .receipt_first = 1, /* 0 is no receipt */
        .receipt_next = 1,
    };
    s->sent = calloc(options->in_flight_most + 1, sizeof(*s->sent));
    s->asked = malloc(MQTT_SUBSCRIBES_MOST * sizeof(*s->asked));
    if (!s->sent || !s->asked)
        return -ENOMEM;
    for (uint32_t i = 0; i < MQTT_SUBSCRIBES_MOST; i++)
        s->asked[i] = MQTT_NO_ID;
    return options->keeper ? mqtt_session_restore(s) : 0;
}

void mqtt_session_fini(struct mqtt_session *s)
{
    mqtt_session_out_fini(s);
    mqtt_session_in_fini(s);
    mqtt_session_kept_fini(s);
    mqtt_outbox_fini(&s->outbox);
    mqtt_outbox_fini(&s->waiting);
    mqtt_decoder_fini(&s->decoder);
}

bool mqtt_session_kept(const struct mqtt_session *s)
{
    return s->options.v5 ? s->options.session_expiry_s > 0 : !s->options.clean_start;
}

uint64_t mqtt_hash(uint64_t seed, const void *at, size_t length)
{
    const unsigned char *bytes = at;
    uint64_t hash = seed ^ (length * UINT64_C(0x9e3779b97f4a7c15));
    while (length) {
        uint64_t word = 0;
        size_t part = length < 8 ? length : 8;
        memcpy(&word, bytes, part);
        hash = (hash ^ word) * UINT64_C(0xff51afd7ed558ccd);
        hash ^= hash >> 32;
        bytes += part;
        length -= part;
    }
    return hash;
}

/* ---- packets out ---------------------------------------------------------------------------- */

int mqtt_session_put(struct mqtt_session *s, const struct mqtt_packet *packet)
{
    struct mqtt_slab *slab;
    uint8_t *at = mqtt_outbox_room(&s->outbox, 64, &slab);
    if (!at)
        return -ENOMEM;
    size_t room = slab->size - slab->used;
    size_t length = mqtt_packet_encode(packet, s->options.v5, at, room);
    if (!length)
        return -EINVAL;
    if (length > room) {
        at = mqtt_outbox_room(&s->outbox, length, &slab);
        if (!at)
            return -ENOMEM;
        mqtt_packet_encode(packet, s->options.v5, at, length);
    }
    mqtt_outbox_add(&s->outbox, slab, length);
    s->answered = s->answered || s->in_input;
    return 0;
}

/* By hand, since there is one for each event. */
int mqtt_session_answer(struct mqtt_session *s, enum mqtt_type type, uint16_t id, uint8_t reason)
{
    struct mqtt_slab *slab;
    uint8_t *at = mqtt_outbox_room(&s->outbox, 5, &slab);
    if (!at)
        return -ENOMEM;
    bool said = s->options.v5 && reason;
    at[0] = (uint8_t)(type << 4 | (type == MQTT_PUBREL ? 2 : 0));
    at[1] = said ? 3 : 2;
    at[2] = (uint8_t)(id >> 8);
    at[3] = (uint8_t)id;
    if (said)
        at[4] = reason;
    mqtt_outbox_add(&s->outbox, slab, said ? 5 : 4);
    s->answered = s->answered || s->in_input;
    return 0;
}

int mqtt_session_ping(struct mqtt_session *s)
{
    struct mqtt_packet ping = {.type = MQTT_PINGREQ};
    s->pinged = true;
    return mqtt_session_put(s, &ping);
}

static void disconnect(struct mqtt_session *s, uint8_t reason)
{
    struct mqtt_packet packet = {.type = MQTT_DISCONNECT, .reason = reason};
    mqtt_session_put(s, &packet); /* without memory for it the server sees the stream end */
    s->state = SESSION_CLOSING;
}

void mqtt_session_close(struct mqtt_session *s)
{
    if (s->state == SESSION_UP)
        disconnect(s, 0);
    s->state = SESSION_CLOSING;
}

int mqtt_session_fault(struct mqtt_session *s, uint8_t reason, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(s->end_why, sizeof(s->end_why), format, args);
    va_end(args);
    s->end_reason = reason;
    if (s->options.v5 && s->state == SESSION_UP)
        disconnect(s, reason);
    s->state = SESSION_CLOSING;
    return -EPROTO;
}

/* ---- the end, as the server says it
 * -------------------------------------------------------------- */

/* "words (0x9c): what the server says; it names another server" */
void mqtt_session_note_end(struct mqtt_session *s, const char *what, uint32_t reason,
                           const struct mqtt_properties *p)
{
    int length = snprintf(s->end_why, sizeof(s->end_why), "%s%s", what, mqtt_reason_text(reason));
    s->end_reason = reason;
    if (p->has & MQTT_HAS(MQTT_PROP_REASON_STRING) && length < 200) {
        size_t said = p->reason_string.len < 100 ? p->reason_string.len : 100;
        length += snprintf(s->end_why + length, sizeof(s->end_why) - (size_t)length, ": %.*s",
                           (int)said, p->reason_string.at);
    }
    if (p->has & MQTT_HAS(MQTT_PROP_SERVER_REFERENCE)) {
        snprintf(s->end_reference, sizeof(s->end_reference), "%.*s",
                 (int)(p->server_reference.len < 255 ? p->server_reference.len : 255),
                 p->server_reference.at);
        snprintf(s->end_why + length, sizeof(s->end_why) - (size_t)length,
                 "; the server names %.60s", s->end_reference);
    }
    s->state = SESSION_CLOSING;
}

/* ---- packets in ----------------------------------------------------------------------------- */

static int dispatch(struct mqtt_session *s, struct mqtt_packet *packet)
{
    if (packet->type == MQTT_PUBLISH && s->state == SESSION_UP)
        return mqtt_session_message(s, packet);
    if (packet->type == MQTT_CONNACK)
        return mqtt_session_connack(s, packet);
    if (packet->type == MQTT_AUTH)
        return mqtt_session_auth(s, packet);
    if (packet->type == MQTT_DISCONNECT) {
        mqtt_session_note_end(s, "the server disconnects: ", packet->reason, &packet->properties);
        return -ECONNRESET;
    }
    if (s->state != SESSION_UP)
        return mqtt_session_fault(s, 0x82, "%s before CONNACK", mqtt_type_name(packet->type));
    switch (packet->type) {
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBCOMP:
        return mqtt_session_confirm(s, packet);
    case MQTT_PUBREL:
        return mqtt_session_release(s, packet);
    case MQTT_SUBACK:
        return mqtt_session_subscribed(s, packet);
    case MQTT_PINGRESP:
        s->pinged = false;
        return 0;
    default: /* UNSUBACK: nothing is ever unsubscribed */
        return mqtt_session_fault(s, 0x82, "%s, which nobody asked for",
                                  mqtt_type_name(packet->type));
    }
}

static int decode_fault(struct mqtt_session *s, const struct mqtt_fault *fault)
{
    return mqtt_session_fault(s, fault->reason, "a packet of the server is refused: %s (%s)",
                              fault->text, mqtt_reason_text(fault->reason));
}

static ptrdiff_t input(struct mqtt_session *s, const uint8_t *at, size_t length)
{
    size_t taken = 0;
    uint32_t most = s->options.v5 ? s->options.max_packet : 0;
    s->wants = 0;
    while (s->state == SESSION_CONNECTING || s->state == SESSION_UP) {
        struct mqtt_fault fault;
        struct mqtt_packet packet;
        int64_t size = mqtt_packet_length(&s->decoder, at + taken, length - taken, &fault);
        if (size < 0)
            return decode_fault(s, &fault);
        if (most && size > most)
            return mqtt_session_fault(s, 0x95,
                                      "the server sends a packet of %lld bytes; %u were "
                                      "allowed (max_packet)",
                                      (long long)size, most);
        if (!size || (uint64_t)size > length - taken) {
            s->wants = (size_t)size;
            break;
        }
        int rc = mqtt_packet_decode(&s->decoder, at + taken, (size_t)size, &packet, &fault);
        if (rc == -EPROTO)
            return decode_fault(s, &fault);
        if (!rc)
            rc = dispatch(s, &packet);
        if (rc == -EAGAIN)
            break;
        if (rc)
            return rc;
        taken += (size_t)size;
    }
    return (ptrdiff_t)taken;
}

ptrdiff_t mqtt_session_input(struct mqtt_session *s, const uint8_t *at, size_t length)
{
    s->in_input = true;
    s->answered = false;
    ptrdiff_t taken = input(s, at, length);
    s->in_input = false;
    return taken;
}

/* ---- the end of a connection ---------------------------------------------------------------- */

void mqtt_session_end(struct mqtt_session *s)
{
    mqtt_session_out_end(s);
    mqtt_session_in_end(s);
    s->state = SESSION_DOWN;
    s->pinged = false;
}
