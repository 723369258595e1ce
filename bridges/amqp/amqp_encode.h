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
