/* SPDX-License-Identifier: Apache-2.0 */
/* The table of MQTT 5's properties, reading and writing by it. */
#include "mqtt_property.h"
#include <stddef.h>
#include <stdlib.h>

enum wire { UNKNOWN, BYTE, TWO, FOUR, VARINT, TEXT, TOPIC, BINARY, PAIR };

/* By whom it is received; packets that either side sends are in both. */
#define EITHER_ACK                                                                                 \
    (MQTT_IN(MQTT_PUBACK) | MQTT_IN(MQTT_PUBREC) | MQTT_IN(MQTT_PUBREL) | MQTT_IN(MQTT_PUBCOMP))
#define CONNECT    MQTT_IN(MQTT_CONNECT)
#define CONNACK    MQTT_IN(MQTT_CONNACK)
#define PUBLISH    MQTT_IN(MQTT_PUBLISH)
#define SUBSCRIBE  MQTT_IN(MQTT_SUBSCRIBE)
#define DISCONNECT MQTT_IN(MQTT_DISCONNECT)
#define AUTH       MQTT_IN(MQTT_AUTH)
#define IN_ANSWER                                                                                  \
    (CONNACK | EITHER_ACK | MQTT_IN(MQTT_SUBACK) | MQTT_IN(MQTT_UNSUBACK) | DISCONNECT | AUTH)
#define AT(member) offsetof(struct mqtt_properties, member)
#define NOT_LISTED 0 /* kept in an array of its own */
#define ANY_TWO    UINT16_MAX
#define ANY_FOUR   UINT32_MAX
#define NEVER      0
#define EVERYWHERE 0xffff

/* MQTT 5 §2.2.2.2, table 2-4; the values from each property's own section. */
static const struct row {
    const char *name;
    uint8_t wire;
    uint16_t to_server, to_client; /* where it may stand */
    uint16_t repeats;              /* where it may stand more than once */
    uint16_t at;                   /* in struct mqtt_properties */
    uint32_t least, most;
} rows[] = {
    [MQTT_PROP_FORMAT] = {"Payload Format Indicator", BYTE, PUBLISH | MQTT_IN_WILL, PUBLISH, NEVER,
                          AT(format), 0, 1},
    [MQTT_PROP_MESSAGE_EXPIRY] = {"Message Expiry Interval", FOUR, PUBLISH | MQTT_IN_WILL, PUBLISH,
                                  NEVER, AT(message_expiry_s), 0, ANY_FOUR},
    [MQTT_PROP_CONTENT_TYPE] = {"Content Type", TEXT, PUBLISH | MQTT_IN_WILL, PUBLISH, NEVER,
                                AT(content_type)},
    [MQTT_PROP_RESPONSE_TOPIC] = {"Response Topic", TOPIC, PUBLISH | MQTT_IN_WILL, PUBLISH, NEVER,
                                  AT(response_topic)},
    [MQTT_PROP_CORRELATION] = {"Correlation Data", BINARY, PUBLISH | MQTT_IN_WILL, PUBLISH, NEVER,
                               AT(correlation)},
    /* From a client to a server in SUBSCRIBE alone (§3.3.4-6). */
    [MQTT_PROP_SUBSCRIPTION_ID] = {"Subscription Identifier", VARINT, SUBSCRIBE, PUBLISH, PUBLISH,
                                   NOT_LISTED, 1, MQTT_VARINT_MOST},
    /* Not in a server's DISCONNECT (§3.14.2.2.2). */
    [MQTT_PROP_SESSION_EXPIRY] = {"Session Expiry Interval", FOUR, CONNECT | DISCONNECT, CONNACK,
                                  NEVER, AT(session_expiry_s), 0, ANY_FOUR},
    [MQTT_PROP_ASSIGNED_CLIENT_ID] = {"Assigned Client Identifier", TEXT, NEVER, CONNACK, NEVER,
                                      AT(assigned_client_id)},
    [MQTT_PROP_SERVER_KEEP_ALIVE] = {"Server Keep Alive", TWO, NEVER, CONNACK, NEVER,
                                     AT(server_keep_alive_s), 0, ANY_TWO},
    [MQTT_PROP_AUTH_METHOD] = {"Authentication Method", TEXT, CONNECT | AUTH, CONNACK | AUTH, NEVER,
                               AT(auth_method)},
    [MQTT_PROP_AUTH_DATA] = {"Authentication Data", BINARY, CONNECT | AUTH, CONNACK | AUTH, NEVER,
                             AT(auth_data)},
    [MQTT_PROP_REQUEST_PROBLEM] = {"Request Problem Information", BYTE, CONNECT, NEVER, NEVER,
                                   AT(request_problem), 0, 1},
    [MQTT_PROP_WILL_DELAY] = {"Will Delay Interval", FOUR, MQTT_IN_WILL, NEVER, NEVER,
                              AT(will_delay_s), 0, ANY_FOUR},
    [MQTT_PROP_REQUEST_RESPONSE] = {"Request Response Information", BYTE, CONNECT, NEVER, NEVER,
                                    AT(request_response), 0, 1},
    [MQTT_PROP_RESPONSE_INFORMATION] = {"Response Information", TEXT, NEVER, CONNACK, NEVER,
                                        AT(response_information)},
    [MQTT_PROP_SERVER_REFERENCE] = {"Server Reference", TEXT, DISCONNECT, CONNACK | DISCONNECT,
                                    NEVER, AT(server_reference)},
    [MQTT_PROP_REASON_STRING] = {"Reason String", TEXT, EITHER_ACK | DISCONNECT | AUTH, IN_ANSWER,
                                 NEVER, AT(reason_string)},
    [MQTT_PROP_RECEIVE_MAXIMUM] = {"Receive Maximum", TWO, CONNECT, CONNACK, NEVER,
                                   AT(receive_maximum), 1, ANY_TWO},
    [MQTT_PROP_TOPIC_ALIAS_MAXIMUM] = {"Topic Alias Maximum", TWO, CONNECT, CONNACK, NEVER,
                                       AT(topic_alias_maximum), 0, ANY_TWO},
    [MQTT_PROP_TOPIC_ALIAS] = {"Topic Alias", TWO, PUBLISH, PUBLISH, NEVER, AT(topic_alias), 1,
                               ANY_TWO},
    [MQTT_PROP_MAXIMUM_QOS] = {"Maximum QoS", BYTE, NEVER, CONNACK, NEVER, AT(maximum_qos), 0, 1},
    [MQTT_PROP_RETAIN_AVAILABLE] = {"Retain Available", BYTE, NEVER, CONNACK, NEVER,
                                    AT(retain_available), 0, 1},
    [MQTT_PROP_USER] = {"User Property", PAIR, EVERYWHERE, EVERYWHERE, EVERYWHERE, NOT_LISTED},
    [MQTT_PROP_MAXIMUM_PACKET] = {"Maximum Packet Size", FOUR, CONNECT, CONNACK, NEVER,
                                  AT(maximum_packet), 1, ANY_FOUR},
    [MQTT_PROP_WILDCARD_AVAILABLE] = {"Wildcard Subscription Available", BYTE, NEVER, CONNACK,
                                      NEVER, AT(wildcard_available), 0, 1},
    [MQTT_PROP_SUBSCRIPTION_IDS_AVAILABLE] = {"Subscription Identifiers Available", BYTE, NEVER,
                                              CONNACK, NEVER, AT(subscription_ids_available), 0, 1},
    [MQTT_PROP_SHARED_AVAILABLE] = {"Shared Subscription Available", BYTE, NEVER, CONNACK, NEVER,
                                    AT(shared_available), 0, 1},
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

const char *mqtt_property_name(uint32_t id)
{
    return id < ROWS && rows[id].name ? rows[id].name : "unknown property";
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_number(struct mqtt_reader *reader, const struct row *row, uint32_t *ret_number)
{
    uint8_t byte = 0;
    uint16_t two = 0;
    int rc;
    if (row->wire == BYTE) {
        rc = mqtt_read_u8(reader, row->name, &byte);
        *ret_number = byte;
    } else if (row->wire == TWO) {
        rc = mqtt_read_u16(reader, row->name, &two);
        *ret_number = two;
    } else if (row->wire == FOUR) {
        rc = mqtt_read_u32(reader, row->name, ret_number);
    } else {
        rc = mqtt_read_varint(reader, row->name, ret_number);
    }
    /* A Payload Format that is none: see read_text. */
    if (!rc && row == &rows[MQTT_PROP_FORMAT] && !reader->server)
        return 0;
    if (!rc && (*ret_number < row->least || *ret_number > row->most))
        rc = mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "its %s is %u; %u to %u can be",
                                row->name, *ret_number, row->least, row->most);
    return rc;
}

/* A client takes a Response Topic that is none.  Mosquitto, for one, passes it on as some other
 * client said it, and a connection that is ended for a message (§4.13.1) gets it again as the next
 * one begins: for ever, since nobody acknowledges it. */
static int read_text(struct mqtt_reader *reader, const struct row *row, struct mg_bytes *ret_data)
{
    struct mg_str text = {NULL, 0};
    bool topic = row->wire == TOPIC && reader->server;
    int rc = topic ? mqtt_read_topic(reader, row->name, &text)
                   : mqtt_read_text(reader, row->name, &text);
    *ret_data = (struct mg_bytes){text.at, text.len};
    if (!rc && topic && !text.len) /* §4.7.3 */
        rc = mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "its %s is empty", row->name);
    return rc;
}

static int read_value(struct mqtt_reader *reader, const struct row *row,
                      struct mqtt_property *property)
{
    int rc;
    switch ((enum wire)row->wire) {
    case PAIR:
        rc = mqtt_read_text(reader, "User Property's name", &property->user.name);
        return rc ? rc : mqtt_read_text(reader, "User Property", &property->user.value);
    case TEXT:
    case TOPIC:
        return read_text(reader, row, &property->data);
    case BINARY:
        return mqtt_read_binary(reader, row->name, &property->data);
    default:
        return read_number(reader, row, &property->number);
    }
}

int mqtt_property_read(struct mqtt_reader *reader, uint32_t place, uint64_t *seen,
                       struct mqtt_property *ret_property)
{
    uint32_t id = 0;
    int rc = mqtt_read_varint(reader, "property identifier", &id);
    if (rc)
        return rc;
    const struct row *row = id < ROWS && rows[id].name ? &rows[id] : NULL;
    if (!row) /* §2.2.2.2, as for one that stands in the wrong packet */
        return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "there is no property 0x%02x", id);
    if (!(place & (reader->server ? row->to_server : row->to_client)))
        return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "no %s may stand %s", row->name,
                                  place == MQTT_IN_WILL ? "in a will" : "in it");
    if (*seen & MQTT_HAS(id) && !(place & row->repeats))
        return mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "it has two of %s", row->name);
    *seen |= MQTT_HAS(id);
    ret_property->id = id;
    return read_value(reader, row, ret_property);
}

/* ---- all of a packet ------------------------------------------------------------------------ */

static size_t doubled(size_t capacity)
{
    return capacity ? capacity * 2 : 16;
}

int mqtt_users_grow(struct mqtt_user **users, size_t count, size_t *capacity)
{
    if (count < *capacity)
        return 0;
    struct mqtt_user *grown = realloc(*users, doubled(*capacity) * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    *users = grown;
    *capacity = doubled(*capacity);
    return 0;
}

int mqtt_ids_grow(struct mqtt_decoder *decoder, size_t count)
{
    if (count < decoder->id_capacity)
        return 0;
    size_t capacity = doubled(decoder->id_capacity);
    uint32_t *grown = realloc(decoder->subscription_ids, capacity * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    decoder->subscription_ids = grown;
    decoder->id_capacity = capacity;
    return 0;
}

static void keep_value(struct mqtt_properties *properties, const struct mqtt_property *property)
{
    const struct row *row = &rows[property->id];
    char *at = (char *)properties + row->at;
    properties->has |= MQTT_HAS(property->id);
    switch ((enum wire)row->wire) {
    case BYTE:
        *(uint8_t *)at = (uint8_t)property->number;
        break;
    case TWO:
        *(uint16_t *)at = (uint16_t)property->number;
        break;
    case FOUR:
        *(uint32_t *)at = property->number;
        break;
    case BINARY:
        *(struct mg_bytes *)at = property->data;
        break;
    default:
        *(struct mg_str *)at = (struct mg_str){property->data.at, property->data.len};
        break;
    }
}

static int keep(struct mqtt_properties *properties, struct mqtt_decoder *decoder, bool will,
                const struct mqtt_property *property)
{
    int rc = 0;
    if (property->id == MQTT_PROP_SUBSCRIPTION_ID) {
        rc = mqtt_ids_grow(decoder, properties->subscription_id_count);
        if (!rc)
            decoder->subscription_ids[properties->subscription_id_count++] = property->number;
    } else if (property->id == MQTT_PROP_USER) {
        struct mqtt_user **users = will ? &decoder->will_users : &decoder->users;
        rc = mqtt_users_grow(users, properties->user_count,
                             will ? &decoder->will_user_capacity : &decoder->user_capacity);
        if (!rc)
            (*users)[properties->user_count++] = property->user;
    } else {
        keep_value(properties, property);
    }
    return rc;
}

int mqtt_properties_read(struct mqtt_reader *reader, struct mqtt_decoder *decoder, uint32_t place,
                         struct mqtt_properties *ret_properties)
{
    uint32_t length = 0;
    int rc = mqtt_read_varint(reader, "property length", &length);
    if (!rc && length > mqtt_left(reader))
        rc = mqtt_short(reader, "properties");
    if (rc)
        return rc;
    struct mqtt_reader inner = *reader;
    inner.end = reader->at + length;
    reader->at += length;
    uint64_t seen = 0;
    while (inner.at < inner.end && !rc) {
        struct mqtt_property property;
        rc = mqtt_property_read(&inner, place, &seen, &property);
        if (!rc)
            rc = keep(ret_properties, decoder, place == MQTT_IN_WILL, &property);
    }
    ret_properties->users = place == MQTT_IN_WILL ? decoder->will_users : decoder->users;
    ret_properties->subscription_ids = decoder->subscription_ids;
    return rc;
}

/* ---- writing -------------------------------------------------------------------------------- */

static void write_value(struct mqtt_writer *writer, uint32_t id,
                        const struct mqtt_properties *properties)
{
    const struct row *row = &rows[id];
    const char *at = (const char *)properties + row->at;
    mqtt_write_u8(writer, id);
    switch ((enum wire)row->wire) {
    case BYTE:
        mqtt_write_u8(writer, *(const uint8_t *)at);
        break;
    case TWO:
        mqtt_write_u16(writer, *(const uint16_t *)at);
        break;
    case FOUR:
        mqtt_write_u32(writer, *(const uint32_t *)at);
        break;
    case BINARY:
        mqtt_write_binary(writer, ((const struct mg_bytes *)at)->at,
                          ((const struct mg_bytes *)at)->len);
        break;
    default:
        mqtt_write_text(writer, *(const struct mg_str *)at);
        break;
    }
}

static bool may_stand(uint32_t id, uint32_t place)
{
    return id < ROWS && rows[id].at != NOT_LISTED &&
           (rows[id].to_server | rows[id].to_client) & place;
}

static void write_all(struct mqtt_writer *writer, uint32_t place,
                      const struct mqtt_properties *properties)
{
    static const uint64_t counted = MQTT_HAS(MQTT_PROP_SUBSCRIPTION_ID) | MQTT_HAS(MQTT_PROP_USER);
    for (uint64_t left = properties->has & ~counted; left; left &= left - 1) {
        uint32_t id = (uint32_t)__builtin_ctzll(left);
        if (may_stand(id, place))
            write_value(writer, id, properties);
        else
            writer->bad = true;
    }
    if (properties->subscription_id_count && !(place & (PUBLISH | SUBSCRIBE)))
        writer->bad = true;
    for (size_t i = 0; i < properties->subscription_id_count; i++) {
        mqtt_write_u8(writer, MQTT_PROP_SUBSCRIPTION_ID);
        mqtt_write_varint(writer, properties->subscription_ids[i]);
    }
    for (size_t i = 0; i < properties->user_count; i++) {
        mqtt_write_u8(writer, MQTT_PROP_USER);
        mqtt_write_text(writer, properties->users[i].name);
        mqtt_write_text(writer, properties->users[i].value);
    }
}

void mqtt_properties_write(struct mqtt_writer *writer, uint32_t place,
                           const struct mqtt_properties *properties)
{
    struct mqtt_writer count = {.at = NULL};
    write_all(&count, place, properties);
    mqtt_write_varint(writer, count.length);
    write_all(writer, place, properties);
}
