/* SPDX-License-Identifier: Apache-2.0 */
/* Bytes to records.  Nothing in them is believed before it is checked; a decoder that met an error
 * reads zeros from there on, so one check at the end of each part is enough. */
#include "store/record.h"
#include "store/record_wire.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct in {
    const uint8_t *at, *end;
    const char *wrong;              /* NULL: nothing yet */
    struct mg_property *properties; /* the room's, used from the first on */
    size_t used, total;
};

static void fail(struct in *in, const char *what)
{
    if (!in->wrong)
        in->wrong = what;
    in->at = in->end;
}

static const uint8_t *take(struct in *in, size_t length)
{
    const uint8_t *at = in->at;
    if ((size_t)(in->end - in->at) < length) {
        fail(in, "it ends in the middle of a value");
        return NULL;
    }
    in->at += length;
    return at;
}

static uint8_t take_byte(struct in *in)
{
    const uint8_t *at = take(in, 1);
    return at ? *at : 0;
}

static uint64_t take_number(struct in *in)
{
    uint64_t number = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        uint8_t byte = take_byte(in);
        if (shift == 63 && byte > 1)
            break;
        number |= (uint64_t)(byte & 0x7f) << shift;
        if (!(byte & 0x80))
            return number;
    }
    fail(in, "a number is too long");
    return 0;
}

static int64_t take_signed(struct in *in)
{
    uint64_t number = take_number(in);
    return (int64_t)(number >> 1 ^ (0 - (number & 1)));
}

static struct mg_bytes take_bytes(struct in *in)
{
    uint64_t length = take_number(in);
    if (!length)
        return (struct mg_bytes){NULL, 0};
    if (length - 1 > (uint64_t)(in->end - in->at)) {
        fail(in, "a text is longer than the record");
        return (struct mg_bytes){NULL, 0};
    }
    return (struct mg_bytes){take(in, (size_t)length - 1), (size_t)length - 1};
}

static struct mg_str take_text(struct in *in)
{
    struct mg_bytes bytes = take_bytes(in);
    return (struct mg_str){bytes.at, bytes.len};
}

static struct mg_value take_value(struct in *in)
{
    struct mg_value value = {.type = take_byte(in)};
    uint64_t width = take_number(in);
    const uint8_t *at;
    if (width > 1024)
        fail(in, "a value has no possible width");
    value.width = (uint32_t)width;
    switch (value.type) {
    case MG_NULL:
        break;
    case MG_BOOL:
        value.as.b = take_byte(in) != 0;
        break;
    case MG_INT:
    case MG_TIME:
        value.as.i = take_signed(in);
        break;
    case MG_UINT:
    case MG_CHAR:
        value.as.u = take_number(in);
        break;
    case MG_FLOAT:
        if ((at = take(in, sizeof value.as.d)))
            memcpy(&value.as.d, at, sizeof value.as.d);
        break;
    case MG_DECIMAL:
    case MG_BINARY:
        value.as.binary = take_bytes(in);
        break;
    case MG_TEXT:
    case MG_SYMBOL:
        value.as.text = take_text(in);
        break;
    case MG_UUID:
        if ((at = take(in, sizeof value.as.uuid)))
            memcpy(value.as.uuid, at, sizeof value.as.uuid);
        break;
    default:
        fail(in, "a value is of no known type");
    }
    return value;
}

static const struct mg_property *take_properties(struct in *in, size_t *ret_count)
{
    uint64_t count = take_number(in);
    struct mg_property *first = in->properties + in->used;
    *ret_count = 0;
    if (count > in->total - in->used) {
        fail(in, "it has more properties than it says");
        return NULL;
    }
    for (uint64_t i = 0; i < count && !in->wrong; i++) {
        first[i].name = take_text(in);
        first[i].value = take_value(in);
    }
    in->used += (size_t)count;
    *ret_count = (size_t)count;
    return count ? first : NULL;
}

/* Room for everything that the fixed part announces; what it announces has to fit in the bytes, so
 * hostile ones cannot ask for more than a small multiple of themselves. */
static int make_room(struct gw_record_room *room, const struct gw_record_wire *wire)
{
    if (wire->property_total > room->property_capacity) {
        size_t capacity = wire->property_total + 16;
        struct mg_property *more = realloc(room->properties, capacity * sizeof *more);
        if (!more)
            return -ENOMEM;
        room->properties = more;
        room->property_capacity = capacity;
    }
    if (wire->leg_count > room->leg_capacity) {
        size_t capacity = wire->leg_count + 2u;
        struct gw_record_leg *more = realloc(room->legs, capacity * sizeof *more);
        if (!more)
            return -ENOMEM;
        room->legs = more;
        room->leg_capacity = capacity;
    }
    return 0;
}

static void take_legs(struct in *in, struct gw_record_leg *legs, const struct gw_record_wire *wire)
{
    const uint8_t *sinks = take(in, wire->leg_count);
    uint64_t seen = 0;
    for (size_t i = 0; i < wire->leg_count && !in->wrong; i++) {
        if (sinks[i] >= GW_RECORD_SINKS_MAX || seen & UINT64_C(1) << sinks[i])
            fail(in, "a leg has no possible sink");
        else
            seen |= UINT64_C(1) << sinks[i];
        legs[i] = (struct gw_record_leg){.sink = sinks[i], .address = take_text(in)};
        legs[i].properties = take_properties(in, &legs[i].property_count);
    }
    if (seen != wire->sinks)
        fail(in, "its sinks are not those of its legs");
}

static void take_parts(struct in *in, struct gw_record *r, uint32_t parts)
{
    struct mg_head *h = &r->message.head;
    struct mg_str user = {NULL, 0};
    struct mg_str *const texts[] = {&r->origin,           NULL,
                                    &h->address,          &h->reply_to,
                                    &h->subject,          &h->content_type,
                                    &h->content_encoding, &h->group,
                                    &h->reply_to_group,   &user};
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++)
        if (texts[i] && parts & 1u << i)
            *texts[i] = take_text(in);
    h->user = (struct mg_bytes){user.at, user.len};
    if (parts & GW_WIRE_ORIGIN_IS_ADDRESS)
        r->origin = h->address;
    if (parts & GW_WIRE_MESSAGE_ID)
        h->message_id = take_value(in);
    if (parts & GW_WIRE_CORRELATION)
        h->correlation = take_value(in);
    if (parts & GW_WIRE_GROUP_SEQUENCE) {
        uint64_t number = take_number(in);
        if (number > UINT32_MAX)
            fail(in, "a group sequence is too large");
        h->group_sequence = (uint32_t)number;
    }
    if (parts & GW_WIRE_CREATED)
        h->created_us = take_signed(in);
    if (parts & GW_WIRE_EXPIRES)
        h->expires_us = take_signed(in);
    if (parts & GW_WIRE_RECORD_EXPIRES)
        r->expires_us = take_signed(in);
}

static int refuse(int error, const char *why, struct mg_err *reterr)
{
    if (reterr) {
        snprintf(reterr->text, sizeof reterr->text, "not a record: %s", why);
        reterr->option = NULL;
    }
    return error;
}

static int check_wire(const void *bytes, size_t length, struct gw_record_wire *wire,
                      struct mg_err *reterr)
{
    if (length < sizeof *wire || length > GW_RECORD_BYTES_MAX)
        return refuse(-EBADMSG, "its length", reterr);
    memcpy(wire, bytes, sizeof *wire);
    if (wire->magic != GW_RECORD_MAGIC)
        return refuse(-EBADMSG, "its first bytes", reterr);
    if (wire->version > GW_RECORD_VERSION)
        return refuse(-EPROTONOSUPPORT, "a later version wrote it", reterr);
    if (wire->version != GW_RECORD_VERSION || wire->length != length)
        return refuse(-EBADMSG, "its length or version", reterr);
    /* A property takes three bytes at least, a leg three. */
    if (wire->property_total > length / 3 || wire->leg_count > GW_RECORD_SINKS_MAX ||
        wire->parts & ~(uint32_t)GW_WIRE_ALL || wire->bits & ~GW_WIRE_BITS || wire->qos > 2)
        return refuse(-EBADMSG, "a number that cannot be", reterr);
    return 0;
}

int gw_record_decode(const void *bytes, size_t length, struct gw_record_room *room,
                     struct gw_record *ret_record, struct mg_err *reterr)
{
    struct gw_record_wire wire;
    int error = check_wire(bytes, length, &wire, reterr);
    if (!error)
        error = make_room(room, &wire);
    if (error)
        return error;
    struct in in = {.at = (const uint8_t *)bytes + sizeof wire,
                    .end = (const uint8_t *)bytes + length,
                    .properties = room->properties,
                    .total = wire.property_total};
    struct gw_record r = {.arrived_us = wire.arrived_us,
                          .key = wire.key,
                          .flags = wire.flags,
                          .legs = wire.leg_count ? room->legs : NULL,
                          .leg_count = wire.leg_count};
    r.message.head = (struct mg_head){.size = sizeof r.message.head,
                                      .present = wire.present,
                                      .qos = wire.qos,
                                      .priority = wire.priority,
                                      .retain = wire.bits & GW_WIRE_RETAIN,
                                      .duplicate = wire.bits & GW_WIRE_DUPLICATE,
                                      .durable = wire.bits & GW_WIRE_DURABLE,
                                      .text_payload = wire.bits & GW_WIRE_TEXT_PAYLOAD};
    take_legs(&in, room->legs, &wire);
    take_parts(&in, &r, wire.parts);
    r.message.properties = take_properties(&in, &r.message.property_count);
    if (wire.parts & GW_WIRE_PAYLOAD)
        r.message.payload = take_bytes(&in);
    if (!in.wrong && (in.at != in.end || in.used != in.total))
        fail(&in, "bytes are left over");
    if (in.wrong)
        return refuse(-EBADMSG, in.wrong, reterr);
    *ret_record = r;
    return 0;
}

void gw_record_room_fini(struct gw_record_room *room)
{
    free(room->properties);
    free(room->legs);
    *room = (struct gw_record_room){0};
}
