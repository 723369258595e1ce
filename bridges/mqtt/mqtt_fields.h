/* SPDX-License-Identifier: Apache-2.0 */
/* The tags of an event's head: what MQTT has no field for.  Pure. */
#pragma once
#include "mqtt_mapping.h"

/* What MQTT has no field for, in the order in which it is written; a reader takes them as tags only
 * in this order and before every other user property. */
enum mqtt_field {
    MQTT_FIELD_UNSET,
    MQTT_FIELD_DURABLE,
    MQTT_FIELD_PRIORITY,
    MQTT_FIELD_CREATED,
    MQTT_FIELD_REPLY_TO,
    MQTT_FIELD_SUBJECT,
    MQTT_FIELD_CONTENT_TYPE,
    MQTT_FIELD_CONTENT_ENCODING,
    MQTT_FIELD_GROUP,
    MQTT_FIELD_GROUP_SEQUENCE,
    MQTT_FIELD_REPLY_TO_GROUP,
    MQTT_FIELD_MESSAGE_ID,
    MQTT_FIELD_CORRELATION,
    MQTT_FIELD_USER,
    MQTT_FIELDS
};

/* MQTT's own field takes it.  doubtful: control and non-characters, too. */
bool mqtt_field_is_native(const struct mg_head *head, enum mqtt_field field, bool doubtful);
/* 1: *ret_user is the field's tag; 0: it needs none; negative: -ENOMEM, -EINVAL. */
int mqtt_field_encode(const struct mg_head *head, enum mqtt_field field, bool doubtful,
                      struct mqtt_scratch *scratch, struct mqtt_user *ret_user);
/* Reads a tag of a field after *last into head and moves *last on.  -EINVAL: it is none. */
int mqtt_field_decode(struct mg_head *head, int *last, const struct mqtt_user *user,
                      struct mqtt_scratch *scratch);
