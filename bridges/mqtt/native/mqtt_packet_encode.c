/* SPDX-License-Identifier: Apache-2.0 */
/* Packets written: their size first, then their bytes. */
#include "mqtt_property.h"

/* ---- PUBLISH: the hot path ------------------------------------------------------------------ */

static inline uint8_t *put_u16(uint8_t *at, size_t value)
{
    at[0] = (uint8_t)(value >> 8);
    at[1] = (uint8_t)value;
    return at + 2;
}

static inline uint8_t *put_data(uint8_t *at, const void *data, size_t length)
{
    at = put_u16(at, length);
    if (length)
        memcpy(at, data, length);
    return at + length;
}

static inline uint8_t *put_text(uint8_t *at, uint8_t id, struct mg_str text)
{
    *at = id;
    return put_data(at + 1, text.at, text.len);
}

/* The bytes of the properties; `lengths` gathers the bits of all texts' lengths. */
static size_t publish_properties_size(const struct mqtt_publish *publish, uint16_t alias,
                                      size_t *lengths)
{
    size_t size =
        (publish->has_format ? 2u : 0u) + (publish->has_expiry ? 5u : 0u) + (alias ? 3u : 0u);
    if (publish->content_type.at) {
        size += 3 + publish->content_type.len;
        *lengths |= publish->content_type.len;
    }
    if (publish->response_topic.at) {
        size += 3 + publish->response_topic.len;
        *lengths |= publish->response_topic.len;
    }
    if (publish->has_correlation) {
        size += 3 + publish->correlation.len;
        *lengths |= publish->correlation.len;
    }
    for (size_t i = 0; i < publish->user_count; i++) {
        const struct mqtt_user *user = &publish->users[i];
        size += 5 + user->name.len + user->value.len;
        *lengths |= user->name.len | user->value.len;
    }
    for (size_t i = 0; i < publish->subscription_id_count; i++)
        size += 1 + mqtt_varint_size(publish->subscription_ids[i]);
    return size;
}

static uint8_t *put_publish_properties(const struct mqtt_publish *publish, uint16_t alias,
                                       uint8_t *at)
{
    if (publish->has_format) {
        *at++ = MQTT_PROP_FORMAT;
        *at++ = publish->format;
    }
    if (publish->has_expiry) {
        *at++ = MQTT_PROP_MESSAGE_EXPIRY;
        at = put_u16(at, publish->expiry_s >> 16);
        at = put_u16(at, publish->expiry_s);
    }
    if (publish->content_type.at)
        at = put_text(at, MQTT_PROP_CONTENT_TYPE, publish->content_type);
    if (publish->response_topic.at)
        at = put_text(at, MQTT_PROP_RESPONSE_TOPIC, publish->response_topic);
    if (publish->has_correlation) {
        *at++ = MQTT_PROP_CORRELATION;
        at = put_data(at, publish->correlation.at, publish->correlation.len);
    }
    for (size_t i = 0; i < publish->subscription_id_count; i++) {
        *at++ = MQTT_PROP_SUBSCRIPTION_ID;
        at = mqtt_varint_put(at, publish->subscription_ids[i]);
    }
    if (alias) {
        *at++ = MQTT_PROP_TOPIC_ALIAS;
        at = put_u16(at, alias);
    }
    for (size_t i = 0; i < publish->user_count; i++) {
        const struct mqtt_user *user = &publish->users[i];
        at = put_text(at, MQTT_PROP_USER, user->name);
        at = put_data(at, user->value.at, user->value.len);
    }
    return at;
}

size_t mqtt_publish_encode(const struct mqtt_publish *publish, uint16_t id, uint16_t alias, bool v5,
                           uint8_t *at, size_t size)
{
    size_t lengths = publish->topic.len;
    size_t properties = v5 ? publish_properties_size(publish, alias, &lengths) : 0;
    if (lengths > MQTT_TEXT_MOST || properties > MQTT_VARINT_MOST ||
        publish->payload.len > MQTT_VARINT_MOST)
        return 0;
    size_t left = 2 + publish->topic.len + (publish->qos ? 2 : 0) +
                  (v5 ? mqtt_varint_size(properties) + properties : 0) + publish->payload.len;
    if (left > MQTT_VARINT_MOST)
        return 0;
    size_t whole = 1 + mqtt_varint_size(left) + left;
    if (whole > size)
        return whole;
    *at++ = (uint8_t)(MQTT_PUBLISH << 4 | publish->dup << 3 | publish->qos << 1 | publish->retain);
    at = mqtt_varint_put(at, left);
    at = put_data(at, publish->topic.at, publish->topic.len);
    if (publish->qos)
        at = put_u16(at, id);
    if (v5) {
        at = mqtt_varint_put(at, properties);
        if (properties)
            at = put_publish_properties(publish, alias, at);
    }
    if (publish->payload.len)
        memcpy(at, publish->payload.at, publish->payload.len);
    return whole;
}

/* ---- the others ----------------------------------------------------------------------------- */

static void write_will(struct mqtt_writer *writer, const struct mqtt_connect *connect, bool v5)
{
    if (v5)
        mqtt_properties_write(writer, MQTT_IN_WILL, &connect->will_properties);
    mqtt_write_text(writer, connect->will_topic);
    mqtt_write_binary(writer, connect->will_payload.at, connect->will_payload.len);
}

static void write_connect(struct mqtt_writer *writer, const struct mqtt_packet *packet, bool v5)
{
    const struct mqtt_connect *connect = &packet->connect;
    unsigned flags = (connect->clean_start ? 2u : 0u) | (connect->user.at ? 0x80u : 0u) |
                     (connect->password.at ? 0x40u : 0u);
    if (connect->has_will)
        flags |= 4u | (connect->will_qos & 3u) << 3 | (connect->will_retain ? 0x20u : 0u);
    writer->bad = writer->bad || (!v5 && connect->password.at && !connect->user.at);
    mqtt_write_binary(writer, "MQTT", 4);
    mqtt_write_u8(writer, v5 ? 5 : 4);
    mqtt_write_u8(writer, flags);
    mqtt_write_u16(writer, connect->keep_alive_s);
    if (v5)
        mqtt_properties_write(writer, MQTT_IN(MQTT_CONNECT), &packet->properties);
    mqtt_write_text(writer, connect->client_id);
    if (connect->has_will)
        write_will(writer, connect, v5);
    if (connect->user.at)
        mqtt_write_text(writer, connect->user);
    if (connect->password.at)
        mqtt_write_binary(writer, connect->password.at, connect->password.len);
}

/* Reason and properties, less what says nothing (§3.4.2.1, §3.14.2.1, §3.15.2.1). */
static void write_end(struct mqtt_writer *writer, const struct mqtt_packet *packet)
{
    bool properties = mqtt_properties_any(&packet->properties);
    if (!packet->reason && !properties)
        return;
    mqtt_write_u8(writer, packet->reason);
    if (properties || packet->type == MQTT_AUTH)
        mqtt_properties_write(writer, MQTT_IN(packet->type), &packet->properties);
}

static void write_filters(struct mqtt_writer *writer, const struct mqtt_packet *packet, bool v5)
{
    for (size_t i = 0; i < packet->filter_count; i++) {
        const struct mqtt_filter *filter = &packet->filters[i];
        mqtt_write_text(writer, filter->filter);
        unsigned options = filter->qos;
        if (v5)
            options |= (filter->no_local ? 4u : 0u) | (filter->retain_as_published ? 8u : 0u) |
                       (unsigned)filter->retain_handling << 4;
        if (packet->type == MQTT_SUBSCRIBE)
            mqtt_write_u8(writer, options);
    }
}

static void write_reasons(struct mqtt_writer *writer, const struct mqtt_packet *packet, bool v5)
{
    if (v5 || packet->type == MQTT_SUBACK) /* 3.1.1's UNSUBACK has no payload */
        for (size_t i = 0; i < packet->reason_count; i++)
            mqtt_write_u8(writer, packet->reasons[i]);
}

static void write_body(struct mqtt_writer *writer, const struct mqtt_packet *packet, bool v5)
{
    switch (packet->type) {
    case MQTT_CONNECT:
        write_connect(writer, packet, v5);
        break;
    case MQTT_CONNACK:
        mqtt_write_u8(writer, packet->session_present);
        mqtt_write_u8(writer, packet->reason);
        if (v5)
            mqtt_properties_write(writer, MQTT_IN(MQTT_CONNACK), &packet->properties);
        break;
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        mqtt_write_u16(writer, packet->id);
        if (v5)
            write_end(writer, packet);
        break;
    case MQTT_SUBSCRIBE:
    case MQTT_SUBACK:
    case MQTT_UNSUBSCRIBE:
    case MQTT_UNSUBACK:
        mqtt_write_u16(writer, packet->id);
        if (v5)
            mqtt_properties_write(writer, MQTT_IN(packet->type), &packet->properties);
        write_filters(writer, packet, v5);
        write_reasons(writer, packet, v5);
        break;
    case MQTT_DISCONNECT:
    case MQTT_AUTH:
        if (v5)
            write_end(writer, packet);
        break;
    default: /* PINGREQ, PINGRESP: nothing in them */
        break;
    }
}

static bool has_flag_two(enum mqtt_type type)
{
    return type == MQTT_PUBREL || type == MQTT_SUBSCRIBE || type == MQTT_UNSUBSCRIBE;
}

size_t mqtt_packet_encode(const struct mqtt_packet *packet, bool v5, uint8_t *at, size_t size)
{
    if (packet->type == MQTT_PUBLISH)
        return mqtt_publish_encode(&packet->publish, packet->id, packet->topic_alias, v5, at, size);
    struct mqtt_writer body = {.at = NULL};
    write_body(&body, packet, v5);
    if (body.bad || body.length > MQTT_VARINT_MOST || (packet->type == MQTT_AUTH && !v5))
        return 0;
    size_t whole = 1 + mqtt_varint_size(body.length) + body.length;
    if (whole > size)
        return whole;
    *at = (uint8_t)((unsigned)packet->type << 4 | (has_flag_two(packet->type) ? 2 : 0));
    body = (struct mqtt_writer){.at = mqtt_varint_put(at + 1, body.length)};
    write_body(&body, packet, v5);
    return whole;
}
