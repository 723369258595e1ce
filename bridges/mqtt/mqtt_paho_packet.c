/* SPDX-License-Identifier: Apache-2.0 */
/* A PUBLISH of ours to Paho's structs and back. */
#include "mqtt_paho.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct paho_op *paho_op_new(enum paho_op_kind kind, size_t behind)
{
    struct paho_op *op = malloc(sizeof(*op) + behind);
    if (op) {
        memset(op, 0, sizeof(*op));
        op->kind = kind;
    }
    return op;
}

void paho_op_free(struct paho_op *op)
{
    free(op);
}

/* ---- received ----------------------------------------------------------------------------- */

int paho_fill_properties(struct mqtt_client *client, MQTTAsync_message *message)
{
    struct mqtt_publish *publish = &client->publish;
    size_t count = (size_t)message->properties.count;
    if (count > client->user_capacity) {
        struct mqtt_user *users = realloc(client->users, count * sizeof(*users));
        if (users)
            client->users = users;
        uint32_t *ids = realloc(client->subscription_ids, count * sizeof(*ids));
        if (ids)
            client->subscription_ids = ids;
        if (!users || !ids)
            return -ENOMEM;
        client->user_capacity = count;
    }
    for (size_t i = 0; i < count; i++) {
        const MQTTProperty *property = &message->properties.array[i];
        const MQTTLenString *data = &property->value.data;
        struct mg_str text = {data->data ? data->data : "", (size_t)data->len};
        switch (property->identifier) {
        case MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR:
            publish->has_format = true;
            publish->format = property->value.byte;
            break;
        case MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL:
            publish->has_expiry = true;
            publish->expiry_s = property->value.integer4;
            break;
        case MQTTPROPERTY_CODE_CONTENT_TYPE:
            publish->content_type = text;
            break;
        case MQTTPROPERTY_CODE_RESPONSE_TOPIC:
            publish->response_topic = text;
            break;
        case MQTTPROPERTY_CODE_CORRELATION_DATA:
            publish->has_correlation = true;
            publish->correlation = (struct mg_bytes){text.at, text.len};
            break;
        case MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER:
            client->subscription_ids[publish->subscription_id_count++] = property->value.integer4;
            break;
        case MQTTPROPERTY_CODE_USER_PROPERTY:
            client->users[publish->user_count++] =
                (struct mqtt_user){text,
                                   {property->value.value.data ? property->value.value.data : "",
                                    (size_t)property->value.value.len}};
            break;
        default:
            break;
        }
    }
    publish->users = client->users;
    publish->subscription_ids = client->subscription_ids;
    return 0;
}

/* ---- to be sent --------------------------------------------------------------------------- */

static char *append(char **end, const void *from, size_t length)
{
    char *at = *end;
    if (length)
        memcpy(at, from, length);
    *end += length;
    return at;
}

static void put_text(MQTTProperty **next, enum MQTTPropertyCodes code, char **end, const void *text,
                     size_t length)
{
    MQTTProperty *property = (*next)++;
    property->identifier = code;
    property->value.data.data = append(end, text, length);
    property->value.data.len = (int)length;
}

static void put_properties(const struct mqtt_publish *publish, MQTTProperty *next, char **end)
{
    if (publish->has_format) {
        next->identifier = MQTTPROPERTY_CODE_PAYLOAD_FORMAT_INDICATOR;
        next++->value.byte = publish->format;
    }
    if (publish->has_expiry) {
        next->identifier = MQTTPROPERTY_CODE_MESSAGE_EXPIRY_INTERVAL;
        next++->value.integer4 = publish->expiry_s;
    }
    if (publish->content_type.at)
        put_text(&next, MQTTPROPERTY_CODE_CONTENT_TYPE, end, publish->content_type.at,
                 publish->content_type.len);
    if (publish->response_topic.at)
        put_text(&next, MQTTPROPERTY_CODE_RESPONSE_TOPIC, end, publish->response_topic.at,
                 publish->response_topic.len);
    if (publish->has_correlation)
        put_text(&next, MQTTPROPERTY_CODE_CORRELATION_DATA, end, publish->correlation.at,
                 publish->correlation.len);
    for (size_t i = 0; i < publish->user_count; i++) {
        MQTTProperty *property = next;
        const struct mqtt_user *user = &publish->users[i];
        put_text(&next, MQTTPROPERTY_CODE_USER_PROPERTY, end, user->name.at, user->name.len);
        property->value.value.data = append(end, user->value.at, user->value.len);
        property->value.value.len = (int)user->value.len;
    }
}

static size_t property_count(const struct mqtt_publish *publish)
{
    return (size_t)publish->has_format + publish->has_expiry + !!publish->content_type.at +
           !!publish->response_topic.at + publish->has_correlation + publish->user_count;
}

struct paho_op *paho_op_publish(const struct mqtt_publish *publish, bool v5, size_t bytes)
{
    size_t count = v5 ? property_count(publish) : 0;
    struct paho_op *op = paho_op_new(PAHO_PUBLISH, count * sizeof(MQTTProperty) + bytes + 1);
    if (!op)
        return NULL;
    MQTTAsync_message message = MQTTAsync_message_initializer;
    MQTTProperty *properties = (MQTTProperty *)(op + 1);
    memset(properties, 0, count * sizeof(*properties));
    char *end = (char *)(properties + count);
    op->topic = append(&end, publish->topic.at, publish->topic.len);
    *end++ = 0;
    message.payload = append(&end, publish->payload.at, publish->payload.len);
    message.payloadlen = (int)publish->payload.len;
    message.qos = publish->qos;
    message.retained = publish->retain;
    if (v5)
        put_properties(publish, properties, &end);
    message.properties.array = properties;
    message.properties.count = message.properties.max_count = (int)count;
    op->message = message;
    return op;
}
