/* SPDX-License-Identifier: Apache-2.0 */
/* Packets written down as text, compared, and the tables of good and bad ones that several test
 * programs go through. */
#pragma once
#include "../../bridges/mqtt/native/mqtt_packet.h"

struct packet_bytes {
    uint8_t at[512];
    size_t length;
};
/* Notation: hex bytes, 'texts', and for lengths under 128: @ the remaining length, ( … ) the bytes
 * between with their length in front.  What depends on the version: ^ the protocol's level, ~ the
 * length of no properties (nothing in 3.1.1). */
struct packet_bytes packet_bytes(const char *notation, bool v5);

/* A copy that ends where memory ends: reading behind it is a crash.  Until the next call. */
const uint8_t *packet_at_fence(const uint8_t *at, size_t length);

/* Says all that the type has, as the version has it. */
bool packet_same(const struct mqtt_packet *a, const struct mqtt_packet *b, bool v5);

enum { V3 = 1, V5 = 2 };
enum { TO_SERVER = 1, TO_CLIENT = 2 };

struct packet_golden {
    const char *bytes; /* lengths in it are written by hand */
    uint8_t versions, receivers;
    struct mqtt_packet packet;
};
extern const struct packet_golden packet_golden[];
extern const size_t packet_golden_count;

struct packet_bad {
    const char *what, *bytes;
    uint8_t versions, receivers, reason;
    uint8_t suffered; /* the versions in which Mosquitto does not end the connection for it … */
    const char *why;  /* … and what it does */
};
extern const struct packet_bad packet_bad[];
extern const size_t packet_bad_count;
