/* SPDX-License-Identifier: Apache-2.0 */
/* What is received, between its two files. */
#pragma once
#include "mqtt_session.h"

static inline struct mqtt_receipt *mqtt_receipt_at(struct mqtt_session *s, uint64_t number)
{
    return &s->receipts[number & (s->receipt_capacity - 1)];
}

static inline bool mqtt_is_marked(const uint64_t *bits, uint16_t id)
{
    return bits && bits[id >> 6] >> (id & 63) & 1;
}

static inline void mqtt_mark(uint64_t *bits, uint16_t id, bool set)
{
    uint64_t bit = UINT64_C(1) << (id & 63);
    if (set)
        bits[id >> 6] |= bit;
    else if (bits)
        bits[id >> 6] &= ~bit;
}

/* mqtt_session_in.c */
int mqtt_in_acknowledge(struct mqtt_session *session); /* what is settled, in order */

/* mqtt_session_entry.c */
bool mqtt_in_has_entries(const struct mqtt_session *session, uint8_t qos);
/* A refusal ends the exchange (MQTT 5 §4.3.3); 3.1.1 cannot say one. */
bool mqtt_in_is_refusal(const struct mqtt_session *session, const struct mqtt_receipt *receipt);
/* All have let it go: its entry follows. */
void mqtt_in_settle_entry(struct mqtt_session *session, struct mqtt_receipt *receipt,
                          uint64_t number);
/* It was of an exchange that the server has forgotten. */
void mqtt_in_settle_void(struct mqtt_session *session, const struct mqtt_receipt *receipt);
int mqtt_in_release_entry(struct mqtt_session *session, uint16_t id); /* then PUBCOMP */
void mqtt_in_forget_all(struct mqtt_session *session);
