/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 1.0 type encodings: writing. */
#include "amqp_codec.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void amqp_buffer_fini(struct amqp_buffer *b)
{
    free(b->at);
    *b = (struct amqp_buffer){.limit = b->limit};
}

void amqp_buffer_reset(struct amqp_buffer *b, size_t keep)
{
    if (b->room > keep) {
        free(b->at);
        b->at = NULL;
        b->room = 0;
    }
    b->len = 0;
    b->failed = 0;
}

uint8_t *amqp_grow_slowly(struct amqp_buffer *b, size_t more)
{
    if (b->failed)
        return NULL;
    size_t limit = b->limit ? b->limit : SIZE_MAX / 4, room = b->room ? b->room : 512;
    if (more > limit || b->len > limit - more) {
        b->failed = -EMSGSIZE;
        return NULL;
    }
    if (more > b->room - b->len) {
        while (room < b->len + more)
            room *= 2;
        uint8_t *at = realloc(b->at, room);
        if (!at) {
            b->failed = -ENOMEM;
            return NULL;
        }
        b->at = at;
        b->room = room;
    }
    uint8_t *at = b->at + b->len;
    b->len += more;
    return at;
}

static void put_number(struct amqp_buffer *b, uint8_t code, uint64_t value, unsigned len)
{
    uint8_t *to = amqp_grow(b, 1 + (size_t)len);
    if (!to)
        return;
    *to++ = code;
    for (unsigned i = len; i-- > 0;)
        *to++ = (uint8_t)(value >> (8 * i));
}

void amqp_put_null(struct amqp_buffer *b)
{
    amqp_put_byte(b, 0x40);
}

void amqp_put_bool(struct amqp_buffer *b, bool value)
{
    amqp_put_byte(b, value ? 0x41 : 0x42);
}

void amqp_put_ubyte(struct amqp_buffer *b, uint8_t value)
{
    put_number(b, 0x50, value, 1);
}

void amqp_put_uint(struct amqp_buffer *b, uint32_t value)
{
    if (value == 0)
        amqp_put_byte(b, 0x43);
    else
        put_number(b, value < 256 ? 0x52 : 0x70, value, value < 256 ? 1 : 4);
}

void amqp_put_ulong(struct amqp_buffer *b, uint64_t value)
{
    if (value == 0)
        amqp_put_byte(b, 0x44);
    else
        put_number(b, value < 256 ? 0x53 : 0x80, value, value < 256 ? 1 : 8);
}

void amqp_put_time(struct amqp_buffer *b, int64_t value_ms)
{
    put_number(b, 0x83, (uint64_t)value_ms, 8);
}

static void put_variable(struct amqp_buffer *b, uint8_t code, const void *at, size_t len)
{
    if (!at && code != 0xa0) {
        amqp_put_null(b);
        return;
    }
    if (len > UINT32_MAX) {
        b->failed = -EMSGSIZE;
        return;
    }
    size_t head = len < 256 ? 2 : 5;
    uint8_t *to = amqp_grow(b, head + len);
    if (!to)
        return;
    to[0] = (uint8_t)(len < 256 ? code : code + 0x10);
    for (size_t i = 1; i < head; i++)
        to[i] = (uint8_t)(len >> 8 * (head - 1 - i));
    if (len)
        memcpy(to + head, at, len);
}

void amqp_put_string(struct amqp_buffer *b, struct mg_str text)
{
    put_variable(b, 0xa1, text.at, text.len);
}

void amqp_put_symbol(struct amqp_buffer *b, struct mg_str text)
{
    put_variable(b, 0xa3, text.at, text.len);
}

void amqp_put_binary(struct amqp_buffer *b, struct mg_bytes bytes)
{
    put_variable(b, 0xa0, bytes.at, bytes.len);
}

void amqp_put_descriptor(struct amqp_buffer *b, uint8_t code)
{
    amqp_put(b, (const uint8_t[]){0x00, 0x53, code}, 3);
}

/* The width that it came from, or the next one that holds the number. */
static void put_int(struct amqp_buffer *b, int64_t i, uint32_t width)
{
    if (width == 8 && i >= INT8_MIN && i <= INT8_MAX)
        put_number(b, 0x51, (uint64_t)i, 1);
    else if (width && width <= 16 && i >= INT16_MIN && i <= INT16_MAX)
        put_number(b, 0x61, (uint64_t)i, 2);
    else if (width && width <= 32 && i >= INT32_MIN && i <= INT32_MAX)
        put_number(b, i >= INT8_MIN && i <= INT8_MAX ? 0x54 : 0x71, (uint64_t)i,
                   i >= INT8_MIN && i <= INT8_MAX ? 1 : 4);
    else
        put_number(b, i >= INT8_MIN && i <= INT8_MAX ? 0x55 : 0x81, (uint64_t)i,
                   i >= INT8_MIN && i <= INT8_MAX ? 1 : 8);
}

static void put_uint(struct amqp_buffer *b, uint64_t u, uint32_t width)
{
    if (width == 8 && u <= UINT8_MAX)
        put_number(b, 0x50, u, 1);
    else if (width && width <= 16 && u <= UINT16_MAX)
        put_number(b, 0x60, u, 2);
    else if (width && width <= 32 && u <= UINT32_MAX)
        amqp_put_uint(b, (uint32_t)u);
    else
        amqp_put_ulong(b, u);
}

static void put_float(struct amqp_buffer *b, double d, uint32_t width)
{
    if (width == 32 && (isnan(d) || (double)(float)d == d)) {
        float single = (float)d;
        uint32_t bits = 0x7fc00000u;
        if (!isnan(d))
            memcpy(&bits, &single, sizeof bits);
        put_number(b, 0x72, bits, 4);
        return;
    }
    uint64_t bits;
    memcpy(&bits, &d, sizeof bits);
    put_number(b, 0x82, bits, 8);
}

void amqp_put_value(struct amqp_buffer *b, const struct mg_value *value)
{
    switch (value->type) {
    case MG_BOOL:
        amqp_put_bool(b, value->as.b);
        break;
    case MG_INT:
        put_int(b, value->as.i, value->width);
        break;
    case MG_UINT:
        put_uint(b, value->as.u, value->width);
        break;
    case MG_FLOAT:
        put_float(b, value->as.d, value->width);
        break;
    case MG_DECIMAL: {
        size_t len = value->as.binary.len;
        if (len == 4 || len == 8 || len == 16) {
            amqp_put_byte(b, len == 4 ? 0x74 : len == 8 ? 0x84 : 0x94);
            amqp_put(b, value->as.binary.at, len);
        } else {
            amqp_put_binary(b, value->as.binary);
        }
        break;
    }
    case MG_CHAR:
        put_number(b, 0x73, value->as.u & 0xffffffffu, 4);
        break;
    case MG_TEXT:
        amqp_put_string(b, value->as.text);
        break;
    case MG_BINARY:
        amqp_put_binary(b, value->as.binary);
        break;
    case MG_TIME:
        amqp_put_time(b, value->as.i);
        break;
    case MG_UUID:
        amqp_put_byte(b, 0x98);
        amqp_put(b, value->as.uuid, 16);
        break;
    case MG_SYMBOL:
        amqp_put_symbol(b, value->as.text);
        break;
    default:
        amqp_put_null(b);
        break;
    }
}

static void open_compound(struct amqp_buffer *b, uint8_t code, struct amqp_compound *ret)
{
    ret->start = b->len;
    ret->count = 0;
    uint8_t *to = amqp_grow(b, 9); /* constructor, size and count as they are at their longest */
    if (to)
        *to = code;
}

void amqp_open_list(struct amqp_buffer *b, struct amqp_compound *ret)
{
    open_compound(b, 0xd0, ret);
}

void amqp_open_map(struct amqp_buffer *b, struct amqp_compound *ret)
{
    open_compound(b, 0xd1, ret);
}

void amqp_close(struct amqp_buffer *b, const struct amqp_compound *compound)
{
    if (b->failed)
        return;
    uint8_t *at = b->at + compound->start;
    size_t size = b->len - compound->start - 5;
    if (size - 4 < 255 && compound->count < 256) {
        /* The small form (part 1 §1.6.22): six bytes shorter, and most are small. */
        at[0] = (uint8_t)(at[0] - 0x10);
        at[1] = (uint8_t)(size - 4 + 1);
        at[2] = (uint8_t)compound->count;
        memmove(at + 3, at + 9, size - 4);
        b->len -= 6;
        return;
    }
    if (size > UINT32_MAX) {
        b->failed = -EMSGSIZE;
        return;
    }
    for (unsigned i = 0; i < 4; i++) {
        at[1 + i] = (uint8_t)(size >> (24 - 8 * i));
        at[5 + i] = (uint8_t)(compound->count >> (24 - 8 * i));
    }
}
