/* SPDX-License-Identifier: Apache-2.0 */
/* Event ↔ AMQP 1.0 message, total and reversible (docs/mapping.md).  Pure: bytes in, bytes out. */
#pragma once
#include "amqp_codec.h"

enum { AMQP_PROPERTIES_MAX = 65535 };

/* ---- message → event ------------------------------------------------------------------------ */

struct amqp_decoder; /* keeps its memory from message to message */
struct amqp_decoder *amqp_decoder_create(void);
void amqp_decoder_destroy(struct amqp_decoder *decoder); /* NULL is fine */

struct amqp_arrival {
    int64_t wall_us;
    struct mg_str address; /* of an event that does not say its own */
    /* A subject without a `to` is a routing key, '.'-separated (RabbitMQ's exchange addresses). */
    bool subject_is_key;
};
/* ret_message points into bytes and decoder, until either changes.  -EBADMSG: malformed, -ENOMEM;
 * reterr says what. */
int amqp_decode(struct amqp_decoder *decoder, struct mg_bytes bytes,
                const struct amqp_arrival *arrival, struct mg_message *ret_message,
                struct mg_err *reterr);

/* ---- event → message ------------------------------------------------------------------------ */

/* What a peer cannot take in its place travels in message annotations or tagged properties. */
enum {
    AMQP_PEER_NO_DELIVERY_ANNOTATIONS = 1,
    AMQP_PEER_SHORT_TEXTS = 2,  /* ids are text or binary; they and the other texts ≤ 255 bytes */
    AMQP_PEER_NO_USER = 4,      /* user-id must be the connection's own */
    AMQP_PEER_PLAIN_VALUES = 8, /* no arrays, no described values, no list as amqp-value */
};
enum amqp_durable { AMQP_DURABLE_KEEP, AMQP_DURABLE_ALWAYS, AMQP_DURABLE_NEVER };

struct amqp_departure {
    int64_t wall_us;
    uint32_t peer;           /* AMQP_PEER_* */
    uint32_t durable;        /* enum amqp_durable */
    uint32_t delivery_count; /* of attempts in vain before this one */
    struct mg_str to; /* anonymous terminus: goes to properties.to; unset: the event's address */
    struct mg_str subject; /* the routing key, where the subject is one; unset: the event's */
};

struct amqp_encoder; /* keeps its memory from message to message */
struct amqp_encoder *amqp_encoder_create(void);
void amqp_encoder_destroy(struct amqp_encoder *encoder); /* NULL is fine */

/* Appends the whole message to out.  -ENOMEM, -EMSGSIZE (out's limit, too many properties). */
int amqp_encode(struct amqp_encoder *encoder, const struct mg_message *message,
                const struct amqp_departure *departure, struct amqp_buffer *out,
                struct mg_err *reterr);
/* The same, but a large payload that the message ends with is not copied: *ret_rest is what follows
 * out, message->payload or nothing. */
int amqp_encode_apart(struct amqp_encoder *encoder, const struct mg_message *message,
                      const struct amqp_departure *departure, struct amqp_buffer *out,
                      struct mg_bytes *ret_rest, struct mg_err *reterr);
