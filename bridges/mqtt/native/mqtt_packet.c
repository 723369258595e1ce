/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of MQTT's packets: type, flags and length; which side gets what; why one is refused.
 * And PUBLISH, read. */
#include "mqtt_packet_body.h"
#include "mqtt_property.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

enum { NOT = 0, V3 = 1, V5 = 2, BOTH = 3 };

/* MQTT 5 §2.1.2 and §2.1.3, tables 2-1 and 2-2; the flags of PUBLISH mean something. */
static const struct kind {
    const char *name;
    uint8_t flags, to_server, to_client; /* in which versions */
} kinds[16] = {
    [MQTT_CONNECT] = {"CONNECT", 0, BOTH, NOT},
    [MQTT_CONNACK] = {"CONNACK", 0, NOT, BOTH},
    [MQTT_PUBLISH] = {"PUBLISH", 0, BOTH, BOTH},
    [MQTT_PUBACK] = {"PUBACK", 0, BOTH, BOTH},
    [MQTT_PUBREC] = {"PUBREC", 0, BOTH, BOTH},
    [MQTT_PUBREL] = {"PUBREL", 2, BOTH, BOTH},
    [MQTT_PUBCOMP] = {"PUBCOMP", 0, BOTH, BOTH},
    [MQTT_SUBSCRIBE] = {"SUBSCRIBE", 2, BOTH, NOT},
    [MQTT_SUBACK] = {"SUBACK", 0, NOT, BOTH},
    [MQTT_UNSUBSCRIBE] = {"UNSUBSCRIBE", 2, BOTH, NOT},
    [MQTT_UNSUBACK] = {"UNSUBACK", 0, NOT, BOTH},
    [MQTT_PINGREQ] = {"PINGREQ", 0, BOTH, NOT},
    [MQTT_PINGRESP] = {"PINGRESP", 0, NOT, BOTH},
    [MQTT_DISCONNECT] = {"DISCONNECT", 0, BOTH, V5},
    [MQTT_AUTH] = {"AUTH", 0, V5, V5},
};

const char *mqtt_type_name(enum mqtt_type type)
{
    return (unsigned)type < 16 && kinds[type].name ? kinds[type].name : "packet";
}

/* ---- why ------------------------------------------------------------------------------------ */

int mqtt_packet_refuse(const struct mqtt_reader *reader, uint8_t reason, const char *format, ...)
{
    struct mqtt_fault *fault = reader->fault;
    if (fault) {
        fault->reason = reason;
        int used = snprintf(fault->text, sizeof(fault->text), "%s: ", mqtt_type_name(reader->type));
        va_list args;
        va_start(args, format);
        vsnprintf(fault->text + used, sizeof(fault->text) - (size_t)used, format, args);
        va_end(args);
    }
    return -EPROTO;
}

void mqtt_refuse_short(const struct mqtt_reader *reader, const char *what)
{
    mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "it ends inside its %s", what);
}

#define NOT_UTF8 "its %s is not UTF-8 without U+0000" /* §1.5.4 */

bool mqtt_text_is_utf8(struct mg_str text)
{
    return mqtt_text_kind(text) != MQTT_TEXT_NEVER;
}

void mqtt_refuse_text(const struct mqtt_reader *reader, const char *what)
{
    mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, NOT_UTF8, what);
}

int mqtt_read_odd_topic(const struct mqtt_reader *reader, const char *what, struct mg_str topic)
{
    if (!mqtt_text_is_utf8(topic))
        return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, NOT_UTF8, what);
    if (memchr(topic.at, '+', topic.len) || memchr(topic.at, '#', topic.len))
        return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "its %s holds a wildcard", what);
    return 0;
}

/* ---- the fixed header ----------------------------------------------------------------------- */

static int refuse_first(const struct mqtt_reader *reader, uint8_t first, bool v5)
{
    const struct kind *kind = &kinds[first >> 4];
    uint8_t to = reader->server ? kind->to_server : kind->to_client;
    if (!((kind->to_server | kind->to_client) & (v5 ? V5 : V3)))
        return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "MQTT %s has no packet of type %u",
                                  v5 ? "5" : "3.1.1", first >> 4);
    if (!(to & (v5 ? V5 : V3)))
        return mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "a %s never sends one",
                                  reader->server ? "client" : "server");
    return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "its first byte is 0x%02x: %s", first,
                              first >> 4 != MQTT_PUBLISH ? "reserved flags"
                              : (first & 6) == 6         ? "QoS 3"
                                                         : "DUP with QoS 0");
}

static inline int check_first(const struct mqtt_reader *reader, uint8_t first, bool v5)
{
    const struct kind *kind = &kinds[first >> 4];
    if (!((reader->server ? kind->to_server : kind->to_client) & (v5 ? V5 : V3)))
        return refuse_first(reader, first, v5);
    if (reader->type == MQTT_PUBLISH) {
        if ((first & 6) == 6 || (first & 14) == 8) /* §3.3.1-4, §3.3.1-2 */
            return refuse_first(reader, first, v5);
    } else if ((first & 15) != kind->flags) {
        return refuse_first(reader, first, v5);
    }
    return 0;
}

/* The whole length, and reader->at behind the header; 0: more bytes are needed. */
static inline int64_t read_header(struct mqtt_reader *reader, bool v5)
{
    size_t length = mqtt_left(reader);
    if (!length)
        return 0;
    const uint8_t *at = reader->at;
    reader->type = (enum mqtt_type)(at[0] >> 4);
    int rc = check_first(reader, at[0], v5);
    if (rc)
        return rc;
    uint32_t left = 0;
    for (unsigned i = 1; i < 5; i++) {
        if (i == length)
            return 0;
        left |= (uint32_t)(at[i] & 0x7f) << (7 * (i - 1));
        if (at[i] >= 0x80)
            continue;
        if (!at[i] && i > 1 && v5) /* §1.5.5; 3.1.1 does not ask for the shortest form */
            return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED,
                                      "its remaining length takes more bytes than it needs");
        reader->at += i + 1;
        return (int64_t)i + 1 + left;
    }
    return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED,
                              "its remaining length is longer than four bytes");
}

/* ---- PUBLISH: the hot path ------------------------------------------------------------------ */

static void publish_keep(struct mqtt_packet *packet, const struct mqtt_property *property)
{
    struct mqtt_publish *publish = &packet->publish;
    struct mg_str text = {property->data.at, property->data.len};
    switch ((enum mqtt_property_id)property->id) {
    case MQTT_PROP_FORMAT:
        publish->has_format = true;
        publish->format = (uint8_t)property->number;
        break;
    case MQTT_PROP_MESSAGE_EXPIRY:
        publish->has_expiry = true;
        publish->expiry_s = property->number;
        break;
    case MQTT_PROP_CONTENT_TYPE:
        publish->content_type = text;
        break;
    case MQTT_PROP_RESPONSE_TOPIC:
        publish->response_topic = text;
        break;
    case MQTT_PROP_CORRELATION:
        publish->has_correlation = true;
        publish->correlation = property->data;
        break;
    default: /* the table lets no other pass */
        packet->topic_alias = (uint16_t)property->number;
        break;
    }
}

static int publish_property(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                            struct mqtt_packet *packet, uint64_t *seen)
{
    struct mqtt_publish *publish = &packet->publish;
    struct mqtt_property property;
    int rc = mqtt_property_read(reader, MQTT_IN(MQTT_PUBLISH), seen, &property);
    if (rc)
        return rc;
    if (property.id == MQTT_PROP_SUBSCRIPTION_ID) {
        rc = mqtt_ids_grow(decoder, publish->subscription_id_count);
        if (!rc)
            decoder->subscription_ids[publish->subscription_id_count++] = property.number;
        return rc;
    }
    publish_keep(packet, &property);
    return 0;
}

/* User properties are the many: they go past the table. */
static int publish_user(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                        struct mqtt_publish *publish)
{
    int rc = mqtt_users_grow(&decoder->users, publish->user_count, &decoder->user_capacity);
    if (rc)
        return rc;
    struct mqtt_user *user = &decoder->users[publish->user_count++];
    reader->at++;
    rc = mqtt_read_text(reader, "User Property's name", &user->name);
    return rc ? rc : mqtt_read_text(reader, "User Property", &user->value);
}

static int publish_properties(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                              struct mqtt_packet *packet)
{
    uint32_t length = 0;
    int rc = mqtt_read_varint(reader, "property length", &length);
    if (!rc && length > mqtt_left(reader))
        rc = mqtt_short(reader, "properties");
    if (rc || !length)
        return rc;
    struct mqtt_reader inner = *reader;
    inner.end = reader->at + length;
    reader->at += length;
    uint64_t seen = 0;
    while (inner.at < inner.end && !rc)
        rc = *inner.at == MQTT_PROP_USER ? publish_user(&inner, decoder, &packet->publish)
                                         : publish_property(&inner, decoder, packet, &seen);
    packet->publish.users = decoder->users;
    packet->publish.subscription_ids = decoder->subscription_ids;
    return rc;
}

static int publish_read(struct mqtt_reader *reader, struct mqtt_decoder *decoder, uint8_t first,
                        struct mqtt_packet *packet)
{
    struct mqtt_publish *publish = &packet->publish;
    *publish = (struct mqtt_publish){
        .qos = first >> 1 & 3,
        .retain = first & 1,
        .dup = first >> 3 & 1,
    };
    packet->id = 0;
    packet->topic_alias = 0;
    int rc = mqtt_read_topic(reader, "topic", &publish->topic);
    if (!rc && publish->qos)
        rc = mqtt_read_id(reader, &packet->id);
    if (!rc && decoder->v5)
        rc = publish_properties(reader, decoder, packet);
    if (rc)
        return rc;
    if (!publish->topic.len && !packet->topic_alias) /* §3.3.2.1, §4.7.3 */
        return mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "its topic is empty%s",
                                  decoder->v5 ? ", and it has no Topic Alias" : "");
    publish->payload = (struct mg_bytes){reader->at, mqtt_left(reader)};
    reader->at = reader->end;
    return 0;
}

/* ---- packets -------------------------------------------------------------------------------- */

static struct mqtt_reader reader_of(const struct mqtt_decoder *decoder, const uint8_t *at,
                                    size_t length, struct mqtt_fault *fault)
{
    return (struct mqtt_reader){
        .at = at, .end = at + length, .server = decoder->server, .fault = fault};
}

int64_t mqtt_packet_length(const struct mqtt_decoder *decoder, const uint8_t *at, size_t length,
                           struct mqtt_fault *ret_fault)
{
    struct mqtt_reader reader = reader_of(decoder, at, length, ret_fault);
    return read_header(&reader, decoder->v5);
}

int mqtt_packet_decode(struct mqtt_decoder *decoder, const uint8_t *at, size_t length,
                       struct mqtt_packet *ret_packet, struct mqtt_fault *ret_fault)
{
    struct mqtt_reader reader = reader_of(decoder, at, length, ret_fault);
    int64_t whole = read_header(&reader, decoder->v5);
    if (whole < 0)
        return (int)whole;
    if (!whole || (uint64_t)whole > length)
        return mqtt_short(&reader, whole ? "body" : "header");
    reader.end = at + whole;
    ret_packet->type = reader.type;
    int rc = reader.type == MQTT_PUBLISH ? publish_read(&reader, decoder, at[0], ret_packet)
                                         : mqtt_body_read(&reader, decoder, ret_packet);
    if (!rc && reader.at != reader.end)
        rc = mqtt_packet_refuse(&reader, MQTT_FAULT_MALFORMED, "%zu bytes are left over behind it",
                                mqtt_left(&reader));
    return rc;
}

void mqtt_decoder_fini(struct mqtt_decoder *decoder)
{
    free(decoder->users);
    free(decoder->subscription_ids);
    free(decoder->filters);
    free(decoder->will_users);
    *decoder = (struct mqtt_decoder){.v5 = decoder->v5, .server = decoder->server};
}
