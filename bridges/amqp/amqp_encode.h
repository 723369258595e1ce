/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the encoder share: the event, and where each of its properties goes. */
#pragma once
#include "amqp_names.h"

/* Where one property of the event goes. */
struct plan {
    uint8_t part, form;
    bool foreign;      /* an "amqp.property:KEY" that keeps its key */
    struct mg_str key; /* PLAIN, RAW */
    uint32_t index;    /* in the event */
};

struct amqp_encoder {
    struct plan *plans, *sorted;
    size_t room;
    struct amqp_census census;
    const struct mg_message *m;
    const struct amqp_departure *to;
    struct amqp_buffer *out;
    enum amqp_body body;
    const struct mg_value *ttl, *absolute, *body_sizes;
    struct mg_str to_field;
    bool apart; /* the payload may be left out */
    struct mg_bytes rest;
};

static inline bool amqp_peer_is(const struct amqp_encoder *e, uint32_t flag)
{
    return (e->to->peer & flag) != 0;
}

static inline const struct mg_property *amqp_property(const struct amqp_encoder *e,
                                                      const struct plan *plan)
{
    return &e->m->properties[plan->index];
}

/* Plans every property, then sorts stably by part.  *ret_moved: the order must be noted.  0,
 * -ENOMEM, -EMSGSIZE: too many. */
int amqp_plan(struct amqp_encoder *e, bool *ret_moved);

/* One of the map sections, left out where it would be empty. */
int amqp_put_map(struct amqp_encoder *e, uint8_t code, enum amqp_part part, bool moved);

/* What header and properties say, for the annotations that say the rest. */
enum amqp_durable_from { AMQP_DURABLE_UNSAID, AMQP_DURABLE_SAID, AMQP_DURABLE_BY_QOS };
enum amqp_durable_from amqp_durable_of(const struct amqp_encoder *e, bool *ret_durable);
/* Milliseconds left, rounded up; AMQP's ttl has 32 bits. */
bool amqp_ttl_of(const struct amqp_encoder *e, uint32_t *ret_ttl_ms, bool *ret_clamped);
int64_t amqp_created_ms(const struct mg_head *head);
struct mg_str amqp_to_of(const struct amqp_encoder *e);
/* Fields that this peer cannot take in their place go into an annotation. */
bool amqp_id_displaced(const struct amqp_encoder *e, const struct mg_value *id);
bool amqp_text_displaced(const struct amqp_encoder *e, struct mg_str text);
