/* SPDX-License-Identifier: Apache-2.0 */
/* The 27 properties of MQTT 5 (§2.2.2): one table, and what follows from it. */
#pragma once
#include "mqtt_packet_wire.h"

/* Where a property stands: in a packet of a type, or in the will of a CONNECT. */
#define MQTT_IN(type) (1u << (type))
#define MQTT_IN_WILL  1u

struct mqtt_property {
    uint32_t id;
    uint32_t number;       /* a byte, an integer of any size */
    struct mg_bytes data;  /* a text, binary data */
    struct mqtt_user user; /* a pair of texts */
};

/* The next property, checked: it may stand in `place`, not twice (seen: 0 at first), and has a
 * value that it may have.  0 or -EPROTO. */
int mqtt_property_read(struct mqtt_reader *reader, uint32_t place, uint64_t *seen,
                       struct mqtt_property *ret_property);

/* Room for one element more.  0 or -ENOMEM. */
int mqtt_users_grow(struct mqtt_user **users, size_t count, size_t *capacity);
int mqtt_ids_grow(struct mqtt_decoder *decoder, size_t count);

/* All of a place, with their length in front; they borrow from the decoder. 0, -EPROTO, -ENOMEM. */
int mqtt_properties_read(struct mqtt_reader *reader, struct mqtt_decoder *decoder, uint32_t place,
                         struct mqtt_properties *ret_properties);
/* With their length in front.  Bad, where one may not stand in `place` whoever sends it. */
void mqtt_properties_write(struct mqtt_writer *writer, uint32_t place,
                           const struct mqtt_properties *properties);
static inline bool mqtt_properties_any(const struct mqtt_properties *properties)
{
    return properties->has || properties->user_count || properties->subscription_id_count;
}
