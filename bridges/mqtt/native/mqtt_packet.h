/* SPDX-License-Identifier: Apache-2.0 */
/* MQTT control packets, 3.1.1 and 5: bytes to structs and back.  Pure, both directions of every
 * packet, so that a test can play the server.
 *
 * Decoding is strict: whatever the specification calls malformed or a protocol error is refused,
 * with the reason code that it names; but a client takes a Response Topic or a payload format that
 * is none, which servers pass on.  What is decoded points into the bytes given and into the
 * decoder, until its next packet.  Nothing is allocated in steady state. */
#pragma once
#include "../mqtt_mapping.h"

enum mqtt_type {
    MQTT_CONNECT = 1,
    MQTT_CONNACK,
    MQTT_PUBLISH,
    MQTT_PUBACK,
    MQTT_PUBREC,
    MQTT_PUBREL,
    MQTT_PUBCOMP,
    MQTT_SUBSCRIBE,
    MQTT_SUBACK,
    MQTT_UNSUBSCRIBE,
    MQTT_UNSUBACK,
    MQTT_PINGREQ,
    MQTT_PINGRESP,
    MQTT_DISCONNECT,
    MQTT_AUTH
};

/* The identifiers of the 27 properties (MQTT 5 §2.2.2.2). */
enum mqtt_property_id {
    MQTT_PROP_FORMAT = 0x01,
    MQTT_PROP_MESSAGE_EXPIRY = 0x02,
    MQTT_PROP_CONTENT_TYPE = 0x03,
    MQTT_PROP_RESPONSE_TOPIC = 0x08,
    MQTT_PROP_CORRELATION = 0x09,
    MQTT_PROP_SUBSCRIPTION_ID = 0x0b,
    MQTT_PROP_SESSION_EXPIRY = 0x11,
    MQTT_PROP_ASSIGNED_CLIENT_ID = 0x12,
    MQTT_PROP_SERVER_KEEP_ALIVE = 0x13,
    MQTT_PROP_AUTH_METHOD = 0x15,
    MQTT_PROP_AUTH_DATA = 0x16,
    MQTT_PROP_REQUEST_PROBLEM = 0x17,
    MQTT_PROP_WILL_DELAY = 0x18,
    MQTT_PROP_REQUEST_RESPONSE = 0x19,
    MQTT_PROP_RESPONSE_INFORMATION = 0x1a,
    MQTT_PROP_SERVER_REFERENCE = 0x1c,
    MQTT_PROP_REASON_STRING = 0x1f,
    MQTT_PROP_RECEIVE_MAXIMUM = 0x21,
    MQTT_PROP_TOPIC_ALIAS_MAXIMUM = 0x22,
    MQTT_PROP_TOPIC_ALIAS = 0x23,
    MQTT_PROP_MAXIMUM_QOS = 0x24,
    MQTT_PROP_RETAIN_AVAILABLE = 0x25,
    MQTT_PROP_USER = 0x26,
    MQTT_PROP_MAXIMUM_PACKET = 0x27,
    MQTT_PROP_WILDCARD_AVAILABLE = 0x28,
    MQTT_PROP_SUBSCRIPTION_IDS_AVAILABLE = 0x29,
    MQTT_PROP_SHARED_AVAILABLE = 0x2a,
};
#define MQTT_HAS(id) (UINT64_C(1) << (id))

/* A member is good only where its bit is in `has`; users and subscription_ids by their counts. */
struct mqtt_properties {
    uint64_t has; /* MQTT_HAS(id) */
    uint8_t format, request_problem, request_response, maximum_qos, retain_available,
        wildcard_available, subscription_ids_available, shared_available;
    uint16_t server_keep_alive_s, receive_maximum, topic_alias_maximum, topic_alias;
    uint32_t message_expiry_s, session_expiry_s, will_delay_s, maximum_packet;
    struct mg_str content_type, response_topic, assigned_client_id, auth_method,
        response_information, server_reference, reason_string;
    struct mg_bytes correlation, auth_data;
    const struct mqtt_user *users;
    size_t user_count;
    const uint32_t *subscription_ids;
    size_t subscription_id_count;
};

struct mqtt_connect {
    struct mg_str client_id, user; /* user.at NULL: none */
    struct mg_bytes password;      /* at NULL: none */
    uint16_t keep_alive_s;
    bool v5, clean_start, has_will, will_retain;
    uint8_t will_qos;
    struct mg_str will_topic;
    struct mg_bytes will_payload;
    struct mqtt_properties will_properties; /* MQTT 5 */
};

struct mqtt_filter {
    struct mg_str filter;
    uint8_t qos, retain_handling; /* the latter three: MQTT 5 */
    bool no_local, retain_as_published;
};

/* One packet; which members count depends on its type. */
struct mqtt_packet {
    enum mqtt_type type;
    uint16_t id;          /* PUBLISH with QoS 1 or 2, and PUBACK to UNSUBACK */
    uint8_t reason;       /* CONNACK (3.1.1: return code), PUBACK to PUBCOMP, DISCONNECT, AUTH */
    bool session_present; /* CONNACK */
    /* PUBLISH, its properties in it (not in `properties`), and its topic alias, 0: none; an empty
     * topic with an alias is for the receiver to fill in. */
    struct mqtt_publish publish;
    uint16_t topic_alias;
    struct mqtt_connect connect;
    const struct mqtt_filter *filters; /* SUBSCRIBE, UNSUBSCRIBE (filter alone) */
    const uint8_t *reasons;            /* SUBACK, UNSUBACK (MQTT 5) */
    size_t filter_count, reason_count;
    struct mqtt_properties properties; /* of all but PUBLISH */
};

/* Why a packet is refused: what to tell the peer in DISCONNECT, and a person. */
struct mqtt_fault {
    uint8_t reason; /* 0x81 malformed, 0x82 protocol error, 0x84, 0x85, 0x90, 0x95, 0x99, … */
    char text[160];
};

/* Grows with the user properties and filters of a packet, at most with its bytes; used again. */
struct mqtt_decoder {
    bool v5;
    bool server; /* which side's packets are taken: false, those that a client receives */
    struct mqtt_user *users;
    uint32_t *subscription_ids;
    struct mqtt_filter *filters;
    size_t user_capacity, id_capacity, filter_capacity;
    struct mqtt_user *will_users;
    size_t will_user_capacity;
};
void mqtt_decoder_fini(struct mqtt_decoder *decoder);

/* The whole packet's length in bytes as its fixed header says (2 to MQTT_PACKET_MOST), 0: more
 * bytes are needed to say, -EPROTO: malformed.  Also refuses, before its body came, a type and
 * flags that this side never gets. */
int64_t mqtt_packet_length(const struct mqtt_decoder *decoder, const uint8_t *at, size_t length,
                           struct mqtt_fault *ret_fault);
/* One whole packet.  0, -EPROTO (ret_fault), -ENOMEM.  A CONNECT says its version itself, whatever
 * the decoder's is. */
int mqtt_packet_decode(struct mqtt_decoder *decoder, const uint8_t *at, size_t length,
                       struct mqtt_packet *ret_packet, struct mqtt_fault *ret_fault);

/* The whole packet; size is the length of `at`.  Returns the length, which is written only where it
 * fits; 0: this cannot be said in MQTT (a text too long, a packet too long).  The version is the
 * decoder's `v5` of the peer.  PUBLISH: `publish`, `topic_alias` and `id`, with publish.topic empty
 * where the alias alone is to travel; reason and properties of PUBACK to PUBCOMP and DISCONNECT are
 * left out where they say nothing. */
size_t mqtt_packet_encode(const struct mqtt_packet *packet, bool v5, uint8_t *at, size_t size);
/* The hot path of it. alias 0: none. */
size_t mqtt_publish_encode(const struct mqtt_publish *publish, uint16_t id, uint16_t alias, bool v5,
                           uint8_t *at, size_t size);

/* The name of a packet type, "PUBLISH"; and of a property, "Topic Alias". */
const char *mqtt_type_name(enum mqtt_type type);
const char *mqtt_property_name(uint32_t id);
