/* SPDX-License-Identifier: Apache-2.0 */
/* Compares two events field by field. */
#include "amqp_same.h"
#include <math.h>
#include <string.h>

bool amqp_same_text(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (a.at != NULL) == (b.at != NULL) &&
           (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

bool amqp_same_bytes(struct mg_bytes a, struct mg_bytes b)
{
    return a.len == b.len && (a.len == 0 || memcmp(a.at, b.at, a.len) == 0);
}

static bool same_value(const struct mg_value *a, const struct mg_value *b)
{
    if (a->type != b->type)
        return false;
    switch (a->type) {
    case MG_NULL:
        return true;
    case MG_BOOL:
        return a->as.b == b->as.b;
    case MG_INT:
        return a->as.i == b->as.i && a->width == b->width;
    case MG_UINT:
        return a->as.u == b->as.u && a->width == b->width;
    case MG_TIME:
        return a->as.i == b->as.i;
    case MG_CHAR:
        return a->as.u == b->as.u;
    case MG_FLOAT:
        return a->width == b->width && (a->as.d == b->as.d || (isnan(a->as.d) && isnan(b->as.d)));
    case MG_TEXT:
    case MG_SYMBOL:
        return amqp_same_text(a->as.text, b->as.text);
    case MG_UUID:
        return memcmp(a->as.uuid, b->as.uuid, 16) == 0;
    default:
        return amqp_same_bytes(a->as.binary, b->as.binary);
    }
}

const char *amqp_difference(const struct mg_message *a, const struct mg_message *b)
{
    const struct mg_head *x = &a->head, *y = &b->head;
    if (x->present != y->present)
        return "present";
    if (!amqp_same_text(x->address, y->address))
        return "address";
    if (!amqp_same_text(x->reply_to, y->reply_to) || !amqp_same_text(x->subject, y->subject))
        return "reply_to or subject";
    if (!amqp_same_text(x->content_type, y->content_type) ||
        !amqp_same_text(x->content_encoding, y->content_encoding))
        return "content type or encoding";
    if (!amqp_same_text(x->group, y->group) ||
        !amqp_same_text(x->reply_to_group, y->reply_to_group))
        return "groups";
    if (!same_value(&x->message_id, &y->message_id) ||
        !same_value(&x->correlation, &y->correlation))
        return "ids";
    if (!amqp_same_bytes(x->user, y->user) || (x->user.at != NULL) != (y->user.at != NULL))
        return "user";
    if (x->qos != y->qos || x->priority != y->priority || x->retain != y->retain ||
        x->durable != y->durable || x->text_payload != y->text_payload ||
        x->group_sequence != y->group_sequence)
        return "numbers and flags";
    if (x->created_us != y->created_us || x->expires_us != y->expires_us)
        return "times";
    if (!amqp_same_bytes(a->payload, b->payload))
        return "payload";
    if (a->property_count != b->property_count)
        return "property count";
    for (size_t i = 0; i < a->property_count; i++)
        if (!amqp_same_text(a->properties[i].name, b->properties[i].name) ||
            !same_value(&a->properties[i].value, &b->properties[i].value))
            return a->properties[i].name.at;
    return NULL;
}
