/* SPDX-License-Identifier: Apache-2.0 */
/* What stands in each packet but PUBLISH, read. */
#include "mqtt_packet_body.h"
#include "mqtt_property.h"
#include <stdlib.h>

/* ---- reason codes --------------------------------------------------------------------------- */

#define CONNACK    MQTT_IN(MQTT_CONNACK)
#define RECEIVED   (MQTT_IN(MQTT_PUBACK) | MQTT_IN(MQTT_PUBREC))
#define RELEASED   (MQTT_IN(MQTT_PUBREL) | MQTT_IN(MQTT_PUBCOMP))
#define SUBACK     MQTT_IN(MQTT_SUBACK)
#define UNSUBACK   MQTT_IN(MQTT_UNSUBACK)
#define DISCONNECT MQTT_IN(MQTT_DISCONNECT)
#define AUTH       MQTT_IN(MQTT_AUTH)

/* MQTT 5 §2.4, table 2-6, and who sends it (§3.14.2.1, §3.15.2.1): packets to servers, to clients.
 */
static const struct {
    uint8_t code;
    uint16_t to_server, to_client;
} reasons[] = {
    {0x00, RECEIVED | RELEASED | DISCONNECT,
     CONNACK | RECEIVED | RELEASED | SUBACK | UNSUBACK | DISCONNECT | AUTH},
    {0x01, 0, SUBACK},
    {0x02, 0, SUBACK},
    {0x04, DISCONNECT, 0},
    {0x10, RECEIVED, RECEIVED},
    {0x11, 0, UNSUBACK},
    {0x18, AUTH, AUTH},
    {0x19, AUTH, 0},
    {0x80, RECEIVED | DISCONNECT, CONNACK | RECEIVED | SUBACK | UNSUBACK | DISCONNECT},
    {0x81, DISCONNECT, CONNACK | DISCONNECT},
    {0x82, DISCONNECT, CONNACK | DISCONNECT},
    {0x83, RECEIVED | DISCONNECT, CONNACK | RECEIVED | SUBACK | UNSUBACK | DISCONNECT},
    {0x84, 0, CONNACK},
    {0x85, 0, CONNACK},
    {0x86, 0, CONNACK},
    {0x87, RECEIVED, CONNACK | RECEIVED | SUBACK | UNSUBACK | DISCONNECT},
    {0x88, 0, CONNACK},
    {0x89, 0, CONNACK | DISCONNECT},
    {0x8a, 0, CONNACK},
    {0x8b, 0, DISCONNECT},
    {0x8c, 0, CONNACK | DISCONNECT},
    {0x8d, 0, DISCONNECT},
    {0x8e, 0, DISCONNECT},
    {0x8f, 0, SUBACK | UNSUBACK | DISCONNECT},
    {0x90, RECEIVED | DISCONNECT, CONNACK | RECEIVED | DISCONNECT},
    {0x91, RECEIVED, RECEIVED | SUBACK | UNSUBACK},
    {0x92, RELEASED, RELEASED},
    {0x93, DISCONNECT, DISCONNECT},
    {0x94, DISCONNECT, DISCONNECT},
    {0x95, DISCONNECT, CONNACK | DISCONNECT},
    {0x96, DISCONNECT, DISCONNECT},
    {0x97, RECEIVED | DISCONNECT, CONNACK | RECEIVED | SUBACK | DISCONNECT},
    {0x98, DISCONNECT, DISCONNECT},
    {0x99, RECEIVED | DISCONNECT, CONNACK | RECEIVED | DISCONNECT},
    {0x9a, 0, CONNACK | DISCONNECT},
    {0x9b, 0, CONNACK | DISCONNECT},
    {0x9c, 0, CONNACK | DISCONNECT},
    {0x9d, 0, CONNACK | DISCONNECT},
    {0x9e, 0, SUBACK | DISCONNECT},
    {0x9f, 0, CONNACK | DISCONNECT},
    {0xa0, 0, DISCONNECT},
    {0xa1, 0, SUBACK | DISCONNECT},
    {0xa2, 0, SUBACK | DISCONNECT},
};

static bool reason_may_stand(const struct mqtt_reader *reader, bool v5, uint8_t code)
{
    if (!v5 && reader->type == MQTT_CONNACK) /* return codes, 3.1.1 §3.2.2.3 */
        return code <= 5;
    if (!v5 && reader->type == MQTT_SUBACK) /* 3.1.1 §3.9.3 */
        return code <= 2 || code == 0x80;
    for (size_t i = 0; i < sizeof(reasons) / sizeof(reasons[0]); i++)
        if (reasons[i].code == code)
            return (reader->server ? reasons[i].to_server : reasons[i].to_client) &
                   MQTT_IN(reader->type);
    return false;
}

static int check_reason(const struct mqtt_reader *reader, bool v5, uint8_t code)
{
    if (reason_may_stand(reader, v5, code))
        return 0;
    return mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "the %s code 0x%02x may not stand in it",
                              v5 ? "reason" : "return", code);
}

/* ---- answers -------------------------------------------------------------------------------- */

/* The reason and the properties at a packet's end may be left out from the right (§3.4.2.1,
 * §3.14.2.1), but AUTH says its property length as soon as it says its reason (§3.15.2.1). */
static int read_end(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                    struct mqtt_packet *packet)
{
    if (!decoder->v5)
        return 0;
    if (!mqtt_left(reader))
        return check_reason(reader, true, 0);
    packet->reason = *reader->at++;
    int rc = check_reason(reader, true, packet->reason);
    if (rc || (!mqtt_left(reader) && reader->type != MQTT_AUTH))
        return rc;
    return mqtt_properties_read(reader, decoder, MQTT_IN(reader->type), &packet->properties);
}

static int read_ack(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                    struct mqtt_packet *packet)
{
    int rc = mqtt_read_id(reader, &packet->id);
    return rc || reader->at == reader->end ? rc : read_end(reader, decoder, packet);
}

static int read_auth(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                     struct mqtt_packet *packet)
{
    bool says_nothing = !mqtt_left(reader);
    int rc = read_end(reader, decoder, packet);
    if (!rc && !says_nothing && !(packet->properties.has & MQTT_HAS(MQTT_PROP_AUTH_METHOD)))
        rc = mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "it has no Authentication Method");
    return rc; /* §3.15.2.2.2 */
}

static int read_connack(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                        struct mqtt_packet *packet)
{
    uint8_t flags = 0;
    int rc = mqtt_read_u8(reader, "flags", &flags);
    if (!rc && flags & 0xfe)
        rc = mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "its reserved flags are 0x%02x",
                                flags);
    if (!rc)
        rc = mqtt_read_u8(reader, "reason code", &packet->reason);
    if (!rc && decoder->v5 && packet->reason == 1 && !mqtt_left(reader)) /* 3.1.1 §3.1.2.2 */
        return mqtt_packet_refuse(reader, 0x84,
                                  "it is one of MQTT 3.1.1: the server does not speak MQTT 5");
    if (!rc)
        rc = check_reason(reader, decoder->v5, packet->reason);
    packet->session_present = flags & 1;
    if (!rc && packet->reason && packet->session_present) /* §3.2.2.1.1 */
        rc = mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "it refuses and says Session Present");
    if (!rc && decoder->v5)
        rc = mqtt_properties_read(reader, decoder, MQTT_IN(MQTT_CONNACK), &packet->properties);
    return rc;
}

static int read_suback(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                       struct mqtt_packet *packet)
{
    int rc = mqtt_read_id(reader, &packet->id);
    if (!rc && decoder->v5)
        rc = mqtt_properties_read(reader, decoder, MQTT_IN(reader->type), &packet->properties);
    if (rc || (!decoder->v5 && reader->type == MQTT_UNSUBACK)) /* 3.1.1 §3.11.3: no payload */
        return rc;
    packet->reasons = reader->at;
    packet->reason_count = mqtt_left(reader);
    if (!packet->reason_count) /* one for each filter, and there is one at least */
        return mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "it has no reason codes");
    for (; !rc && reader->at < reader->end; reader->at++)
        rc = check_reason(reader, decoder->v5, *reader->at);
    return rc;
}

/* ---- SUBSCRIBE, UNSUBSCRIBE ----------------------------------------------------------------- */

/* A filter behind $share/group/ (§4.8.2); 3.1.1 knows no shared subscriptions. */
static int read_filter(struct mqtt_reader *reader, bool v5, struct mg_str *ret_filter, bool *shared)
{
    int rc = mqtt_read_text(reader, "topic filter", ret_filter);
    if (rc)
        return rc;
    struct mg_str filter = *ret_filter;
    *shared = v5 && filter.len >= 7 && !memcmp(filter.at, "$share/", 7);
    if (*shared) {
        const char *group = filter.at + 7;
        const char *slash = memchr(group, '/', filter.len - 7);
        size_t length = slash ? (size_t)(slash - group) : 0;
        if (!length || memchr(group, '+', length) || memchr(group, '#', length))
            return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED,
                                      "a shared subscription is $share/group/filter");
        filter = (struct mg_str){slash + 1, filter.len - 8 - length};
    }
    if (!filter.len)
        return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "a topic filter is empty");
    for (size_t i = 0; i < filter.len; i++) {
        char c = filter.at[i];
        bool fine = (c != '+' && c != '#') ||
                    ((i == 0 || filter.at[i - 1] == '/') &&
                     (i + 1 == filter.len || (c == '+' && filter.at[i + 1] == '/')));
        if (!fine) /* §4.7.1 */
            return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED,
                                      "a topic filter has a wildcard that does not fill its level");
    }
    return 0;
}

static int read_subscription_options(struct mqtt_reader *reader, bool v5, bool shared,
                                     struct mqtt_filter *filter)
{
    uint8_t options = 0;
    int rc = mqtt_read_u8(reader, "subscription options", &options);
    if (rc)
        return rc;
    if (options & (v5 ? 0xc0 : 0xfc)) /* §3.8.3.1 */
        return mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED,
                                  "its subscription options are 0x%02x", options);
    filter->qos = options & 3;
    filter->no_local = options >> 2 & 1;
    filter->retain_as_published = options >> 3 & 1;
    filter->retain_handling = options >> 4;
    if (filter->qos == 3 || filter->retain_handling == 3)
        return mqtt_packet_refuse(reader, v5 ? MQTT_FAULT_PROTOCOL : MQTT_FAULT_MALFORMED,
                                  "its %s is 3; 0 to 2 can be",
                                  filter->qos == 3 ? "QoS" : "Retain Handling");
    if (filter->no_local && shared)
        return mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL,
                                  "No Local with a shared subscription");
    return 0;
}

static int filters_grow(struct mqtt_decoder *decoder, size_t count)
{
    if (count < decoder->filter_capacity)
        return 0;
    size_t capacity = count ? count * 2 : 16;
    struct mqtt_filter *grown = realloc(decoder->filters, capacity * sizeof(*grown));
    if (!grown)
        return -ENOMEM;
    decoder->filters = grown;
    decoder->filter_capacity = capacity;
    return 0;
}

static int read_subscribe(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                          struct mqtt_packet *packet)
{
    int rc = mqtt_read_id(reader, &packet->id);
    if (!rc && decoder->v5)
        rc = mqtt_properties_read(reader, decoder, MQTT_IN(reader->type), &packet->properties);
    if (!rc && !mqtt_left(reader)) /* §3.8.3, §3.10.3 */
        rc = mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL, "it has no topic filter");
    while (!rc && mqtt_left(reader)) {
        bool shared = false;
        rc = filters_grow(decoder, packet->filter_count);
        if (rc)
            return rc;
        struct mqtt_filter *filter = &decoder->filters[packet->filter_count++];
        *filter = (struct mqtt_filter){.qos = 0};
        rc = read_filter(reader, decoder->v5, &filter->filter, &shared);
        if (!rc && reader->type == MQTT_SUBSCRIBE)
            rc = read_subscription_options(reader, decoder->v5, shared, filter);
    }
    packet->filters = decoder->filters;
    return rc;
}

/* ---- CONNECT -------------------------------------------------------------------------------- */

static int read_will(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                     struct mqtt_connect *connect)
{
    int rc = 0;
    if (connect->v5)
        rc = mqtt_properties_read(reader, decoder, MQTT_IN_WILL, &connect->will_properties);
    if (!rc)
        rc = mqtt_read_topic(reader, "will topic", &connect->will_topic);
    if (!rc && !connect->will_topic.len)
        rc = mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "its will topic is empty");
    return rc ? rc : mqtt_read_binary(reader, "will payload", &connect->will_payload);
}

/* §3.1.2.3 */
static int check_connect_flags(const struct mqtt_reader *reader, bool v5, uint8_t flags)
{
    const char *why = NULL;
    if (flags & 1)
        why = "the reserved one is set";
    else if (!(flags & 4) && flags & 0x38)
        why = "QoS or retain of a will, and no will";
    else if ((flags & 0x18) == 0x18)
        why = "a will of QoS 3";
    else if (!v5 && (flags & 0xc0) == 0x40) /* 3.1.1 §3.1.2.9 */
        why = "a password without a user name";
    return why ? mqtt_packet_refuse(reader, MQTT_FAULT_MALFORMED, "its flags are 0x%02x: %s", flags,
                                    why)
               : 0;
}

static int read_protocol(struct mqtt_reader *reader, bool *ret_v5)
{
    struct mg_str name = {NULL, 0};
    uint8_t level = 0;
    int rc = mqtt_read_text(reader, "protocol name", &name);
    if (!rc && (name.len != 4 || memcmp(name.at, "MQTT", 4)))
        return mqtt_packet_refuse(reader, 0x84, "its protocol is not 'MQTT'");
    if (!rc)
        rc = mqtt_read_u8(reader, "protocol version", &level);
    if (!rc && level != 4 && level != 5)
        return mqtt_packet_refuse(reader, 0x84, "its protocol version is %u; 4 and 5 can be",
                                  level);
    *ret_v5 = level == 5;
    return rc;
}

/* §3.1.3: what stands there, in this order. */
static int read_connect_payload(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                                uint8_t flags, struct mqtt_connect *connect)
{
    int rc = mqtt_read_text(reader, "client identifier", &connect->client_id);
    if (!rc && !connect->client_id.len && !connect->v5 &&
        !connect->clean_start) /* 3.1.1 §3.1.3.1 */
        rc = mqtt_packet_refuse(reader, 0x85, "an empty client identifier, and no Clean Session");
    if (!rc && connect->has_will)
        rc = read_will(reader, decoder, connect);
    if (!rc && flags & 0x80)
        rc = mqtt_read_text(reader, "user name", &connect->user);
    if (!rc && flags & 0x40)
        rc = mqtt_read_binary(reader, "password", &connect->password);
    return rc;
}

static int read_connect(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                        struct mqtt_packet *packet)
{
    struct mqtt_connect *connect = &packet->connect;
    uint8_t flags = 0;
    *connect = (struct mqtt_connect){.keep_alive_s = 0};
    int rc = read_protocol(reader, &connect->v5);
    if (!rc)
        rc = mqtt_read_u8(reader, "flags", &flags);
    if (!rc)
        rc = check_connect_flags(reader, connect->v5, flags);
    if (!rc)
        rc = mqtt_read_u16(reader, "keep alive", &connect->keep_alive_s);
    if (!rc && connect->v5)
        rc = mqtt_properties_read(reader, decoder, MQTT_IN(MQTT_CONNECT), &packet->properties);
    if (rc)
        return rc;
    if ((packet->properties.has &
         (MQTT_HAS(MQTT_PROP_AUTH_METHOD) | MQTT_HAS(MQTT_PROP_AUTH_DATA))) ==
        MQTT_HAS(MQTT_PROP_AUTH_DATA)) /* §3.1.2.11.10 */
        return mqtt_packet_refuse(reader, MQTT_FAULT_PROTOCOL,
                                  "Authentication Data without Authentication Method");
    connect->clean_start = flags >> 1 & 1;
    connect->has_will = flags >> 2 & 1;
    connect->will_qos = flags >> 3 & 3;
    connect->will_retain = flags >> 5 & 1;
    return read_connect_payload(reader, decoder, flags, connect);
}

/* ---- all but PUBLISH ------------------------------------------------------------------------ */

int mqtt_body_read(struct mqtt_reader *reader, struct mqtt_decoder *decoder,
                   struct mqtt_packet *packet)
{
    packet->id = 0;
    packet->reason = 0;
    packet->session_present = false;
    packet->filter_count = 0;
    packet->reason_count = 0;
    packet->properties.has = 0;
    packet->properties.user_count = 0;
    packet->properties.subscription_id_count = 0;
    switch (packet->type) {
    case MQTT_CONNECT:
        return read_connect(reader, decoder, packet);
    case MQTT_CONNACK:
        return read_connack(reader, decoder, packet);
    case MQTT_PUBACK:
    case MQTT_PUBREC:
    case MQTT_PUBREL:
    case MQTT_PUBCOMP:
        return read_ack(reader, decoder, packet);
    case MQTT_SUBSCRIBE:
    case MQTT_UNSUBSCRIBE:
        return read_subscribe(reader, decoder, packet);
    case MQTT_SUBACK:
    case MQTT_UNSUBACK:
        return read_suback(reader, decoder, packet);
    case MQTT_DISCONNECT:
        return read_end(reader, decoder, packet);
    case MQTT_AUTH:
        return read_auth(reader, decoder, packet);
    default: /* PINGREQ, PINGRESP: nothing in them */
        return 0;
    }
}
