/* SPDX-License-Identifier: Apache-2.0 */
/* The deliveries that a source owes an outcome, by cookie: generation << 32 | index + 1. */
#pragma once
#include <proton/types.h>
#include <stdbool.h>
#include <stdint.h>

struct amqp_slots {
    uint32_t generation; /* begins at 1, so that no cookie is 0 */
    pn_delivery_t **at;
    uint32_t *free;
    uint32_t room, free_count;
};
void amqp_slots_fini(struct amqp_slots *slots);
/* The cookie of one more delivery; 0: out of memory. */
uint64_t amqp_slots_add(struct amqp_slots *slots, pn_delivery_t *delivery);
/* The delivery of a cookie, which ends with this call; NULL: ended, or of an older generation. */
pn_delivery_t *amqp_slots_take(struct amqp_slots *slots, uint64_t cookie);
bool amqp_slots_hold(const struct amqp_slots *slots, uint64_t cookie);
/* Begins a new generation: the cookies so far find nothing any more. */
void amqp_slots_forget(struct amqp_slots *slots);
