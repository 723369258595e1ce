/* SPDX-License-Identifier: Apache-2.0 */
/* What an MQTT PUBLISH says, and how it becomes an event and back.  Pure: no client library in it.
 *
 * The mapping to MQTT 5 is a bijection between events and packets: what MQTT has no field for
 * travels in user properties whose names begin with "mg:" (MAPPING.md has the table), and genuine
 * user properties that look like those are escaped. */
#pragma once
#include "mqtt_topic.h"

struct mqtt_user {
    struct mg_str name, value;
};

/* A PUBLISH less what belongs to one hop (packet id, topic alias).  Texts: at == NULL is absent. */
struct mqtt_publish {
    struct mg_str topic;
    struct mg_bytes payload;
    uint8_t qos;
    bool retain, dup;
    /* MQTT 5 only */
    bool has_format, has_expiry, has_correlation;
    uint8_t format;
    uint32_t expiry_s;
    struct mg_str content_type, response_topic;
    struct mg_bytes correlation;
    const struct mqtt_user *users;
    size_t user_count;
    const uint32_t *subscription_ids; /* received packets only */
    size_t subscription_id_count;
};

/* Memory that one conversion at a time borrows from; grows as needed and is used again. */
struct mqtt_scratch {
    struct mqtt_scratch_block *blocks;
    size_t used;             /* of the first block */
    struct mqtt_user *users; /* of mqtt_from_event */
    size_t user_capacity;
    struct mg_property *properties; /* of mqtt_to_message */
    size_t property_capacity;
};
void mqtt_scratch_fini(struct mqtt_scratch *scratch);

enum mqtt_retain { MQTT_RETAIN_KEEP, MQTT_RETAIN_SET, MQTT_RETAIN_CLEAR };
struct mqtt_encoding {
    bool v5;
    bool tags;     /* reserved user properties for what MQTT has no field for */
    bool doubtful; /* control and non-characters are sent as they are, not tagged */
    enum mqtt_retain retain;
};

/* Fills *ret_message, which borrows from publish and scratch until the next conversion. 0 or
 * -ENOMEM. wall_us: microseconds since 1970, for the expiry. */
int mqtt_to_message(const struct mqtt_publish *publish, int64_t wall_us,
                    struct mqtt_scratch *scratch, struct mg_message *ret_message);

/* Fills *ret_publish but for qos, which the sink decides, and dup; it borrows from all arguments.
 * 0, -ENOMEM, or -EINVAL: this event cannot be said in MQTT (reterr). */
int mqtt_from_event(const struct mg_head *head, struct mg_str topic, struct mg_bytes payload,
                    const struct mg_property *properties, size_t property_count,
                    const struct mqtt_encoding *encoding, int64_t wall_us,
                    struct mqtt_scratch *scratch, struct mqtt_publish *ret_publish,
                    struct mg_err *reterr);

/* Bytes of the whole PUBLISH packet on the wire (without topic alias). */
uint64_t mqtt_publish_size(const struct mqtt_publish *publish, bool v5);
/* The largest that MQTT can say (§2.1.4: a remaining length of 268,435,455). */
#define MQTT_PACKET_MOST UINT64_C(268435460)
