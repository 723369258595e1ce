/* SPDX-License-Identifier: Apache-2.0 */
/* Records to bytes.  Written twice by the same code: first to learn the length, then for good. */
#include "store/record.h"
#include "store/record_wire.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* at NULL: only counts. */
struct out {
    uint8_t *at;
    size_t length;
    bool invalid;
};

static void put(struct out *o, const void *bytes, size_t length)
{
    if (o->at && length)
        memcpy(o->at + o->length, bytes, length);
    o->length += length;
}

static void put_number(struct out *o, uint64_t number)
{
    uint8_t bytes[10];
    size_t length = 0;
    for (; number >= 0x80; number >>= 7)
        bytes[length++] = (uint8_t)(number | 0x80);
    bytes[length++] = (uint8_t)number;
    put(o, bytes, length);
}

static void put_signed(struct out *o, int64_t number)
{
    put_number(o, ((uint64_t)number << 1) ^ (uint64_t)(number >> 63));
}

static void put_bytes(struct out *o, const void *at, size_t length)
{
    put_number(o, at ? (uint64_t)length + 1 : 0);
    put(o, at, at ? length : 0);
}

static void put_text(struct out *o, struct mg_str text)
{
    put_bytes(o, text.at, text.len);
}

static void put_value(struct out *o, const struct mg_value *value)
{
    uint8_t type = (uint8_t)value->type;
    put(o, &type, 1);
    put_number(o, value->width);
    switch (value->type) {
    case MG_NULL:
        break;
    case MG_BOOL:
        put(o, &(uint8_t){value->as.b}, 1);
        break;
    case MG_INT:
    case MG_TIME:
        put_signed(o, value->as.i);
        break;
    case MG_UINT:
    case MG_CHAR:
        put_number(o, value->as.u);
        break;
    case MG_FLOAT:
        put(o, &value->as.d, sizeof value->as.d);
        break;
    case MG_DECIMAL:
    case MG_BINARY:
        put_bytes(o, value->as.binary.at, value->as.binary.len);
        break;
    case MG_TEXT:
    case MG_SYMBOL:
        put_text(o, value->as.text);
        break;
    case MG_UUID:
        put(o, value->as.uuid, sizeof value->as.uuid);
        break;
    default:
        o->invalid = true;
    }
}

static void put_properties(struct out *o, const struct mg_property *properties, size_t count)
{
    put_number(o, count);
    for (size_t i = 0; i < count; i++) {
        put_text(o, properties[i].name);
        put_value(o, &properties[i].value);
    }
}

static uint32_t parts_of(const struct gw_record *r)
{
    const struct mg_head *h = &r->message.head;
    uint32_t parts = 0;
    bool same = r->origin.at && h->address.at && r->origin.len == h->address.len &&
                !memcmp(r->origin.at, h->address.at, r->origin.len);
    parts |= same ? GW_WIRE_ORIGIN_IS_ADDRESS : r->origin.at ? GW_WIRE_ORIGIN : 0;
    parts |= h->address.at ? GW_WIRE_ADDRESS : 0;
    parts |= h->reply_to.at ? GW_WIRE_REPLY_TO : 0;
    parts |= h->subject.at ? GW_WIRE_SUBJECT : 0;
    parts |= h->content_type.at ? GW_WIRE_CONTENT_TYPE : 0;
    parts |= h->content_encoding.at ? GW_WIRE_CONTENT_ENCODING : 0;
    parts |= h->group.at ? GW_WIRE_GROUP : 0;
    parts |= h->reply_to_group.at ? GW_WIRE_REPLY_TO_GROUP : 0;
    parts |= h->user.at ? GW_WIRE_USER : 0;
    parts |= h->message_id.type != MG_NULL ? GW_WIRE_MESSAGE_ID : 0;
    parts |= h->correlation.type != MG_NULL ? GW_WIRE_CORRELATION : 0;
    parts |= h->group_sequence ? GW_WIRE_GROUP_SEQUENCE : 0;
    parts |= h->created_us ? GW_WIRE_CREATED : 0;
    parts |= h->expires_us ? GW_WIRE_EXPIRES : 0;
    parts |= r->expires_us ? GW_WIRE_RECORD_EXPIRES : 0;
    parts |= r->message.payload.at ? GW_WIRE_PAYLOAD : 0;
    return parts;
}

static void put_parts(struct out *o, const struct gw_record *r, uint32_t parts)
{
    const struct mg_head *h = &r->message.head;
    const struct mg_str texts[] = {r->origin,           {NULL, 0},
                                   h->address,          h->reply_to,
                                   h->subject,          h->content_type,
                                   h->content_encoding, h->group,
                                   h->reply_to_group,   {h->user.at, h->user.len}};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (parts & ~(uint32_t)GW_WIRE_ORIGIN_IS_ADDRESS & 1u << i)
            put_text(o, texts[i]);
    if (parts & GW_WIRE_MESSAGE_ID)
        put_value(o, &h->message_id);
    if (parts & GW_WIRE_CORRELATION)
        put_value(o, &h->correlation);
    if (parts & GW_WIRE_GROUP_SEQUENCE)
        put_number(o, h->group_sequence);
    if (parts & GW_WIRE_CREATED)
        put_signed(o, h->created_us);
    if (parts & GW_WIRE_EXPIRES)
        put_signed(o, h->expires_us);
    if (parts & GW_WIRE_RECORD_EXPIRES)
        put_signed(o, r->expires_us);
}

static void put_record(struct out *o, const struct gw_record *r, struct gw_record_wire *wire)
{
    put(o, wire, sizeof *wire);
    for (size_t i = 0; i < r->leg_count; i++)
        put(o, &(uint8_t){(uint8_t)r->legs[i].sink}, 1);
    for (size_t i = 0; i < r->leg_count; i++) {
        put_text(o, r->legs[i].address);
        put_properties(o, r->legs[i].properties, r->legs[i].property_count);
    }
    put_parts(o, r, wire->parts);
    put_properties(o, r->message.properties, r->message.property_count);
    if (wire->parts & GW_WIRE_PAYLOAD)
        put_bytes(o, r->message.payload.at, r->message.payload.len);
}

static bool wire_of(const struct gw_record *r, struct gw_record_wire *ret)
{
    const struct mg_head *h = &r->message.head;
    uint64_t sinks = 0, total = r->message.property_count;
    if (r->leg_count > GW_RECORD_SINKS_MAX)
        return false;
    for (size_t i = 0; i < r->leg_count; i++) {
        if (r->legs[i].sink >= GW_RECORD_SINKS_MAX || sinks & UINT64_C(1) << r->legs[i].sink)
            return false;
        sinks |= UINT64_C(1) << r->legs[i].sink;
        total += r->legs[i].property_count;
    }
    *ret = (struct gw_record_wire){
        .magic = GW_RECORD_MAGIC,
        .version = GW_RECORD_VERSION,
        .leg_count = (uint16_t)r->leg_count,
        .flags = r->flags,
        .arrived_us = r->arrived_us,
        .key = r->key,
        .sinks = sinks,
        .parts = parts_of(r),
        .property_total = (uint32_t)total,
        .present = h->present,
        .qos = h->qos,
        .priority = h->priority,
        .bits =
            (uint8_t)((h->retain ? GW_WIRE_RETAIN : 0) | (h->duplicate ? GW_WIRE_DUPLICATE : 0) |
                      (h->durable ? GW_WIRE_DURABLE : 0) |
                      (h->text_payload ? GW_WIRE_TEXT_PAYLOAD : 0)),
    };
    return total <= GW_RECORD_BYTES_MAX && h->qos <= 2;
}

int gw_record_encode(const struct gw_record *record, void **ret_bytes, size_t *ret_length)
{
    struct gw_record_wire wire;
    struct out o = {NULL, 0, false};
    if (!wire_of(record, &wire))
        return -EINVAL;
    put_record(&o, record, &wire);
    if (o.invalid)
        return -EINVAL;
    if (o.length > GW_RECORD_BYTES_MAX)
        return -EMSGSIZE;
    wire.length = (uint32_t)o.length;
    o = (struct out){malloc(o.length), 0, false};
    if (!o.at)
        return -ENOMEM;
    put_record(&o, record, &wire);
    *ret_bytes = o.at;
    *ret_length = o.length;
    return 0;
}
