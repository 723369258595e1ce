/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the AMQP mapping: are two events the same, and events at random. */
#pragma once
#include "../../bridges/amqp/amqp_mapping.h"

/* NULL, or what differs (duplicate, which is per hop, does not count). */
const char *amqp_difference(const struct mg_message *a, const struct mg_message *b);
bool amqp_same_text(struct mg_str a, struct mg_str b);
bool amqp_same_bytes(struct mg_bytes a, struct mg_bytes b);

/* A seeded generator of events that are full of what the mapping treats specially. */
extern const int64_t amqp_random_wall_us;
void amqp_random_seed(uint64_t seed);
uint32_t amqp_random(uint32_t bound);
/* Points into static memory, until the next call. */
void amqp_random_event(struct mg_message *ret_message);
