/* SPDX-License-Identifier: Apache-2.0 */
/* An MQTT client that does what a test says, behind the interface of the native one: the bridge's
 * own logic runs without a network.  One client at a time. */
#pragma once
#include "../../bridges/mqtt/mqtt_client.h"

enum { FAKE_MOST = 64 };

struct fake_settle {
    uint64_t receipt;
    uint32_t outcome;
};
struct fake_publish {
    uint32_t id;
    uint8_t qos;
    char payload[16];
};

/* What the bridge did, and what the client is to answer. */
extern struct fake {
    struct mqtt_client_options options;
    char url[256];
    size_t connects, disconnects, resumes, forgets;
    char subscribed[FAKE_MOST][64];
    size_t subscribed_count;
    uint64_t holds[FAKE_MOST];
    size_t hold_count;
    struct fake_settle settles[FAKE_MOST];
    size_t settle_count;
    struct fake_publish publishes[FAKE_MOST];
    size_t publish_count;
    int publish_answer; /* 0: taken */
} fake;

void fake_reset(void);
/* CONNACK: all is available, or what the caller takes away. */
struct mqtt_connack fake_connack(bool session_present);
void fake_connected(struct mqtt_connack connack);       /* and every subscription is granted */
void fake_lost(uint32_t reason, const char *reference); /* and ended */
/* What the bridge answered.  id: subscription identifier, 0: none. */
int fake_message(const char *topic, const char *payload, uint8_t qos, uint64_t receipt,
                 uint32_t id);
void fake_confirmed(uint32_t id, uint32_t reason);
void fake_returned(uint32_t id);
void fake_writable(void);
