/* SPDX-License-Identifier: Apache-2.0 */
/* Whether two events, or two packets, are the same to the last bit. */
#include "mqtt_same.h"
#include <string.h>

bool mqtt_same_bytes(const void *a, size_t a_length, const void *b, size_t b_length)
{
    return a_length == b_length && (!a_length || !memcmp(a, b, a_length));
}

bool mqtt_same_text(struct mg_str a, struct mg_str b)
{
    return !a.at == !b.at && mqtt_same_bytes(a.at, a.len, b.at, b.len);
}

static bool same_value(const struct mg_value *a, const struct mg_value *b)
{
    if (a->type != b->type || a->width != b->width)
        return false;
    switch (a->type) {
    case MG_NULL:
        return true;
    case MG_BOOL:
        return a->as.b == b->as.b;
    case MG_FLOAT:
    case MG_INT:
    case MG_UINT:
    case MG_TIME:
    case MG_CHAR:
        return a->as.u == b->as.u;
    case MG_UUID:
        return !memcmp(a->as.uuid, b->as.uuid, 16);
    case MG_BINARY:
    case MG_DECIMAL:
        return mqtt_same_bytes(a->as.binary.at, a->as.binary.len, b->as.binary.at,
                               b->as.binary.len);
    default:
        return mqtt_same_bytes(a->as.text.at, a->as.text.len, b->as.text.at, b->as.text.len);
    }
}

static bool same_head(const struct mg_head *a, const struct mg_head *b)
{
    return a->present == b->present && mqtt_same_text(a->address, b->address) &&
           mqtt_same_text(a->reply_to, b->reply_to) && mqtt_same_text(a->subject, b->subject) &&
           mqtt_same_text(a->content_type, b->content_type) &&
           mqtt_same_text(a->content_encoding, b->content_encoding) &&
           mqtt_same_text(a->group, b->group) &&
           mqtt_same_text(a->reply_to_group, b->reply_to_group) &&
           same_value(&a->message_id, &b->message_id) &&
           same_value(&a->correlation, &b->correlation) && !a->user.at == !b->user.at &&
           mqtt_same_bytes(a->user.at, a->user.len, b->user.at, b->user.len) &&
           a->group_sequence == b->group_sequence && a->qos == b->qos &&
           a->priority == b->priority && a->retain == b->retain && a->duplicate == b->duplicate &&
           a->durable == b->durable && a->text_payload == b->text_payload &&
           a->created_us == b->created_us && a->expires_us == b->expires_us;
}

bool mqtt_same_message(const struct mg_message *a, const struct mg_message *b)
{
    if (!same_head(&a->head, &b->head) || a->property_count != b->property_count ||
        !mqtt_same_bytes(a->payload.at, a->payload.len, b->payload.at, b->payload.len))
        return false;
    for (size_t i = 0; i < a->property_count; i++)
        if (!mqtt_same_bytes(a->properties[i].name.at, a->properties[i].name.len,
                             b->properties[i].name.at, b->properties[i].name.len) ||
            !same_value(&a->properties[i].value, &b->properties[i].value))
            return false;
    return true;
}

bool mqtt_same_publish(const struct mqtt_publish *a, const struct mqtt_publish *b)
{
    if (!mqtt_same_text(a->topic, b->topic) || a->qos != b->qos || a->retain != b->retain ||
        !mqtt_same_bytes(a->payload.at, a->payload.len, b->payload.at, b->payload.len) ||
        a->has_format != b->has_format || a->format != b->format ||
        a->has_expiry != b->has_expiry || a->expiry_s != b->expiry_s ||
        !mqtt_same_text(a->content_type, b->content_type) ||
        !mqtt_same_text(a->response_topic, b->response_topic) ||
        a->has_correlation != b->has_correlation ||
        !mqtt_same_bytes(a->correlation.at, a->correlation.len, b->correlation.at,
                         b->correlation.len) ||
        a->user_count != b->user_count)
        return false;
    for (size_t i = 0; i < a->user_count; i++)
        if (!mqtt_same_bytes(a->users[i].name.at, a->users[i].name.len, b->users[i].name.at,
                             b->users[i].name.len) ||
            !mqtt_same_bytes(a->users[i].value.at, a->users[i].value.len, b->users[i].value.at,
                             b->users[i].value.len))
            return false;
    return true;
}
