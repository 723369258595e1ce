/* SPDX-License-Identifier: Apache-2.0 */
/* Addresses: '/'-separated topics ↔ '.'-separated routing keys ↔ RabbitMQ's address forms.  Pure.
 */
#pragma once
#include "meshgate/plugin.h"

enum { AMQP_KEY_MAX = 255 }; /* AMQP 0-9-1 shortstr, which RabbitMQ keeps keys in */

/* A bijection of byte strings: '/' ↔ '.', and what would collide becomes "%2E", "%2A" and the like.
 * Both write at most size bytes and return the length needed. */
size_t amqp_topic_to_key(struct mg_str topic, char *buffer, size_t size);
size_t amqp_key_to_topic(struct mg_str key, char *buffer, size_t size);

/* One segment of a RabbitMQ address.  RabbitMQ 3 turns "%2F" into '/' and leaves all else alone, so
 * '/' becomes "%2F", and "%2F" one step up, "%252F", and so on.  As above. */
size_t amqp_segment_escape(struct mg_str text, char *buffer, size_t size);
size_t amqp_segment_unescape(struct mg_str text, char *buffer, size_t size);

/* Undoes a URI's percent-encoding; a stray '%' stands for itself.  As above. */
size_t amqp_uri_unescape(struct mg_str text, char *buffer, size_t size);

/* RabbitMQ's forms (rabbitmq_amqp1_0, 3.x). */
enum amqp_form_kind {
    AMQP_ADDRESS_PLAIN,    /* any other text: a queue for RabbitMQ */
    AMQP_ADDRESS_QUEUE,    /* /queue/NAME, /amq/queue/NAME */
    AMQP_ADDRESS_EXCHANGE, /* /exchange/NAME[/KEY] */
    AMQP_ADDRESS_TOPIC,    /* /topic/KEY */
};
struct amqp_address {
    enum amqp_form_kind kind;
    struct mg_str node; /* "/exchange/NAME", "/topic"; else the whole */
    struct mg_str key;  /* after the node's '/'; unset: none */
};
struct amqp_address amqp_address_parse(struct mg_str text);
/* Is there a '*' or '#' word in the key? */
bool amqp_key_is_pattern(struct mg_str key);

/* The address that a source attaches to: '/' between the words of a binding key becomes '.', a
 * level
 * '+' becomes '*'.  malloc'ed; NULL: out of memory. */
char *amqp_binding_address(const char *address);
/* The topic of every message that such an address brings, where its key has no wildcards; else a
 * copy of otherwise.  malloc'ed; NULL: out of memory. */
char *amqp_binding_topic(const char *binding, const char *otherwise);
