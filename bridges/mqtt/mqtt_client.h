/* SPDX-License-Identifier: Apache-2.0 */
/* What the bridge needs of an MQTT client: one connection at a time, no reconnecting by itself.
 *
 * Every call and every callback happens on the shard that the client was created for; a client with
 * threads of its own crosses inside.  No callback comes out of a call but `closed`, out of destroy
 * none at all.
 *
 * A session of the client: connect → connected or refused → … → lost (or, after disconnect, ended).
 * Between lost and ended the client clears up: connect is not called before ended, and every
 * publish that was not confirmed by then never will be.  After refused comes ended, too. */
#pragma once
#include "mqtt_mapping.h"

struct mqtt_client;

struct mqtt_will {
    const char *topic, *payload;
    uint8_t qos;
    bool retain;
    uint32_t delay_s;
};

enum mqtt_verify { MQTT_VERIFY_FULL, MQTT_VERIFY_CHAIN, MQTT_VERIFY_NONE };
struct mqtt_tls {
    const char *ca, *ca_path, *cert, *key, *key_password;
    enum mqtt_verify verify;
    const unsigned char *alpn; /* as TLS has it: each name behind its length */
    uint32_t alpn_length;
};

/* Lives as long as the client. */
struct mqtt_client_options {
    bool v5, clean_start;
    const char *client_id, *user, *password;
    uint32_t session_expiry_s; /* v5 */
    uint16_t keep_alive_s;
    uint16_t receive_maximum;     /* v5; 0: not said */
    uint32_t max_packet;          /* v5; 0: not said */
    uint32_t in_flight_most;      /* publish ids are below it */
    const struct mqtt_will *will; /* may be NULL */
    const struct mqtt_tls *tls;   /* for mqtts and wss */
};

/* What CONNACK granted; 3.1.1: the defaults of MQTT 5. */
struct mqtt_connack {
    bool session_present, retain_available, subscription_ids_available, shared_available;
    uint8_t maximum_qos;
    uint16_t receive_maximum;
    uint32_t maximum_packet; /* 0: no limit */
};

struct mqtt_subscription {
    const char *filter; /* with its $share prefix */
    uint8_t qos, retain_handling;
    bool no_local, retain_as_published;
    uint32_t id; /* subscription identifier, 1…; 0: none */
};

struct mqtt_client_events {
    void (*connected)(void *arg, const struct mqtt_connack *connack);
    /* reason: MQTT 5 reason code, 0 where the peer gave none; why: in words. */
    void (*refused)(void *arg, uint32_t reason, const char *why);
    void (*lost)(void *arg, uint32_t reason, const char *why);
    void (*ended)(void *arg);
    /* index: of the call's array. */
    void (*subscribed)(void *arg, uint32_t index, uint32_t reason);
    /* 0: taken; -EAGAIN: not now, the same message is offered again after resume. */
    int (*message)(void *arg, const struct mqtt_publish *publish);
    /* The peer has taken responsibility for id (QoS 0: it was written), or has refused it. */
    void (*confirmed)(void *arg, uint32_t id, uint32_t reason);
    /* Messages were dropped since nobody took them. */
    void (*dropped)(void *arg, uint32_t count);
};

struct mqtt_client_ops {
    bool defers_ack; /* acknowledges a message when the bridge says so */
    int (*create)(const struct mg_host *host, mg_shard *shard,
                  const struct mqtt_client_options *options,
                  const struct mqtt_client_events *events, void *arg,
                  struct mqtt_client **ret_client, struct mg_err *reterr);
    /* url lives as long as the client.  0, -EINVAL, -ENOMEM. */
    int (*connect)(struct mqtt_client *client, const char *url);
    int (*subscribe)(struct mqtt_client *client, const struct mqtt_subscription *subscriptions,
                     uint32_t first, uint32_t count);
    /* Copies what it needs.  0; -EAGAIN: too many bytes are unconfirmed; -ENOMEM. */
    int (*publish)(struct mqtt_client *client, const struct mqtt_publish *publish, uint32_t id);
    void (*flush)(struct mqtt_client *client); /* writes what was published and subscribed */
    void (*resume)(struct mqtt_client *client);
    /* Says DISCONNECT where it can, and ends the session; `ended` follows. */
    void (*disconnect)(struct mqtt_client *client);
    /* Messages that came and were not taken; destroy drops them. */
    size_t (*backlog)(struct mqtt_client *client);
    void (*destroy)(struct mqtt_client *client); /* at once; NULL is fine */
};

extern const struct mqtt_client_ops mqtt_paho_client;
int mqtt_paho_load(void); /* CONTROL; once per instance, before its first client */
void mqtt_paho_unload(
    void); /* CONTROL; once per instance, after its last client: ends the threads */
