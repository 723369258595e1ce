/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 1.0 type encodings: reading, and the checks on what was read. */
#include "amqp_codec.h"
#include <errno.h>
#include <math.h>
#include <string.h>

static uint64_t big_endian(const uint8_t *at, size_t len)
{
    uint64_t value = 0;
    for (size_t i = 0; i < len; i++)
        value = value << 8 | at[i];
    return value;
}

bool amqp_ascii(const void *at, size_t len)
{
    const uint8_t *byte = at;
    for (size_t i = 0; i < len; i++)
        if (byte[i] > 0x7f)
            return false;
    return true;
}

bool amqp_utf8(const void *at, size_t len)
{
    const uint8_t *p = at, *end = p + len;
    while (p < end) {
        if (*p < 0x80) {
            p++;
            continue;
        }
        size_t more = *p >= 0xc2 && *p <= 0xdf   ? 1
                      : *p >= 0xe0 && *p <= 0xef ? 2
                      : *p >= 0xf0 && *p <= 0xf4 ? 3
                                                 : 0;
        if (!more || (size_t)(end - p) <= more)
            return false;
        /* Shortest form only, no surrogates, nothing above U+10FFFF (RFC 3629 §4). */
        if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) ||
            (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
            return false;
        for (size_t i = 1; i <= more; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        p += more + 1;
    }
    return true;
}

static void set_int(struct mg_value *value, uint32_t width, int64_t i)
{
    value->type = MG_INT;
    value->width = width;
    value->as.i = i;
}

static void set_uint(struct mg_value *value, uint32_t width, uint64_t u)
{
    value->type = MG_UINT;
    value->width = width;
    value->as.u = u;
}

/* A NaN keeps its payload bits only where no conversion touches it; the others travel raw. */
static bool set_float(struct mg_value *value, const uint8_t *at)
{
    uint32_t bits = (uint32_t)big_endian(at, 4);
    float single;
    memcpy(&single, &bits, sizeof single);
    if (isnan(single) && bits != 0x7fc00000u)
        return false;
    value->type = MG_FLOAT;
    value->width = 32;
    value->as.d = isnan(single) ? NAN : (double)single;
    return true;
}

static void set_double(struct mg_value *value, const uint8_t *at)
{
    uint64_t bits = big_endian(at, 8);
    value->type = MG_FLOAT;
    value->width = 64;
    memcpy(&value->as.d, &bits, sizeof bits);
}

/* Types of a fixed width.  False: not one that an mg_value can hold. */
static bool fixed_value(uint8_t code, const uint8_t *at, struct mg_value *value)
{
    switch (code) {
    case 0x40:
        value->type = MG_NULL;
        return true;
    case 0x41:
        value->type = MG_BOOL;
        value->as.b = true;
        return true;
    case 0x42:
        value->type = MG_BOOL;
        value->as.b = false;
        return true;
    case 0x56:
        value->type = MG_BOOL;
        value->as.b = at[0] != 0;
        return true;
    case 0x50:
        set_uint(value, 8, at[0]);
        return true;
    case 0x60:
        set_uint(value, 16, big_endian(at, 2));
        return true;
    case 0x70:
        set_uint(value, 32, big_endian(at, 4));
        return true;
    case 0x52:
        set_uint(value, 32, at[0]);
        return true;
    case 0x43:
        set_uint(value, 32, 0);
        return true;
    case 0x80:
        set_uint(value, 64, big_endian(at, 8));
        return true;
    case 0x53:
        set_uint(value, 64, at[0]);
        return true;
    case 0x44:
        set_uint(value, 64, 0);
        return true;
    case 0x51:
        set_int(value, 8, (int8_t)at[0]);
        return true;
    case 0x61:
        set_int(value, 16, (int16_t)big_endian(at, 2));
        return true;
    case 0x71:
        set_int(value, 32, (int32_t)big_endian(at, 4));
        return true;
    case 0x54:
        set_int(value, 32, (int8_t)at[0]);
        return true;
    case 0x81:
        set_int(value, 64, (int64_t)big_endian(at, 8));
        return true;
    case 0x55:
        set_int(value, 64, (int8_t)at[0]);
        return true;
    case 0x72:
        return set_float(value, at);
    case 0x82:
        set_double(value, at);
        return true;
    case 0x74:
    case 0x84:
    case 0x94:
        value->type = MG_DECIMAL;
        value->width = code == 0x74 ? 32 : code == 0x84 ? 64 : 128;
        value->as.binary = (struct mg_bytes){at, value->width / 8};
        return true;
    case 0x73:
        value->type = MG_CHAR;
        value->as.u = big_endian(at, 4);
        return value->as.u <= 0x10ffff;
    case 0x83:
        value->type = MG_TIME;
        value->as.i = (int64_t)big_endian(at, 8);
        return true;
    case 0x98:
        value->type = MG_UUID;
        memcpy(value->as.uuid, at, 16);
        return true;
    default:
        return false;
    }
}

static bool variable_value(uint8_t code, const uint8_t *at, size_t len, struct mg_value *value)
{
    switch (code & 0x0f) {
    case 0x00:
        value->type = MG_BINARY;
        value->as.binary = (struct mg_bytes){at, len};
        return true;
    case 0x01:
        value->type = MG_TEXT;
        value->as.text = (struct mg_str){(const char *)at, len};
        return amqp_utf8(at, len);
    case 0x03:
        value->type = MG_SYMBOL;
        value->as.text = (struct mg_str){(const char *)at, len};
        return amqp_ascii(at, len);
    default:
        return false;
    }
}

/* The extent of a primitive: size of its header after the constructor, and of what follows. */
static int primitive_extent(uint8_t code, const struct amqp_cursor *c, size_t *ret_head,
                            size_t *ret_len)
{
    static const uint8_t fixed[16] = {[0x5] = 1, [0x6] = 2, [0x7] = 4, [0x8] = 8, [0x9] = 16};
    size_t left = (size_t)(c->end - c->at), head = 0, len;
    unsigned class = code >> 4;
    if (class < 0x4)
        return -EBADMSG;
    if (class <= 0x9) {
        len = fixed[class];
    } else {
        head = class & 1 ? 4 : 1; /* 0xa, 0xc, 0xe: one byte of size; 0xb, 0xd, 0xf: four */
        if (left < head)
            return -EBADMSG;
        len = (size_t)big_endian(c->at, head);
    }
    if (left - head < len)
        return -EBADMSG;
    *ret_head = head;
    *ret_len = len;
    return 0;
}

static int skip(struct amqp_cursor *c, unsigned depth)
{
    if (depth > AMQP_DEPTH_MAX || c->at >= c->end)
        return -EBADMSG;
    uint8_t code = *c->at++;
    if (code == 0) {
        int r = skip(c, depth + 1);
        return r < 0 ? r : skip(c, depth + 1);
    }
    size_t head, len;
    int r = primitive_extent(code, c, &head, &len);
    if (r == 0)
        c->at += head + len;
    return r;
}

static bool known_code(uint8_t code)
{
    /* The second digits that stand behind each first one (AMQP 1.0 part 1 §1.6). */
    static const uint16_t known[16] = {
        [0x4] = 0x003f, [0x5] = 0x007f, [0x6] = 0x0003, [0x7] = 0x001f,
        [0x8] = 0x001f, [0x9] = 0x0110, [0xa] = 0x000b, [0xb] = 0x000b,
        [0xc] = 0x0003, [0xd] = 0x0003, [0xe] = 0x0001, [0xf] = 0x0001};
    return known[code >> 4] >> (code & 0x0f) & 1;
}

int amqp_read(struct amqp_cursor *c, struct amqp_item *item)
{
    const uint8_t *start = c->at;
    if (c->at >= c->end)
        return -EBADMSG;
    uint8_t code = *c->at;
    if (code == 0) {
        int r = skip(c, 0);
        if (r < 0)
            return r;
        item->kind = AMQP_DESCRIBED;
        item->inside = (struct amqp_cursor){start + 1, c->at};
        item->raw = (struct mg_bytes){start, (size_t)(c->at - start)};
        return 0;
    }
    if (!known_code(code))
        return -EBADMSG;
    c->at++;
    size_t head, len;
    int r = primitive_extent(code, c, &head, &len);
    if (r < 0)
        return r;
    const uint8_t *at = c->at + head;
    c->at = at + len;
    item->raw = (struct mg_bytes){start, (size_t)(c->at - start)};
    item->value.width = 0;
    item->kind = AMQP_SIMPLE;
    unsigned class = code >> 4;
    if (code == 0x45) {
        item->kind = AMQP_LIST;
        item->count = 0;
        item->inside = (struct amqp_cursor){at, at};
    } else if (class <= 0x9) {
        if (!fixed_value(code, at, &item->value))
            item->kind = AMQP_OTHER;
    } else if (class <= 0xb) {
        if (!variable_value(code, at, len, &item->value))
            item->kind = AMQP_OTHER;
    } else {
        if (len < head)
            return -EBADMSG;
        item->kind = class >= 0xe ? AMQP_ARRAY : (code & 0x0f) == 1 ? AMQP_MAP : AMQP_LIST;
        item->count = (uint32_t)big_endian(at, head);
        item->inside = (struct amqp_cursor){at + head, at + len};
        /* Every element of a list or map takes a byte at least. */
        if (item->kind != AMQP_ARRAY &&
            (item->count > len - head || (item->kind == AMQP_MAP && item->count % 2)))
            return -EBADMSG;
    }
    return 0;
}

static bool check_array(struct amqp_cursor in, uint32_t count, unsigned depth);

static bool check(struct amqp_cursor *c, bool plain, unsigned depth)
{
    struct amqp_item item;
    if (depth > AMQP_DEPTH_MAX || amqp_read(c, &item) < 0)
        return false;
    struct amqp_cursor in = item.inside;
    switch (item.kind) {
    case AMQP_SIMPLE:
        return true;
    case AMQP_OTHER: /* odd NaNs, texts that are not UTF-8: whole, but nothing that we vouch for */
        return !plain;
    case AMQP_ARRAY:
        return !plain && check_array(in, item.count, depth + 1);
    case AMQP_DESCRIBED:
        return !plain && check(&in, plain, depth + 1) && check(&in, plain, depth + 1) &&
               in.at == in.end;
    default:
        for (uint32_t i = 0; i < item.count; i++)
            if (!check(&in, plain, depth + 1))
                return false;
        return in.at == in.end;
    }
}

/* Elements share one constructor, which a descriptor may precede (AMQP 1.0 part 1 §1.6.24). */
static bool check_array(struct amqp_cursor in, uint32_t count, unsigned depth)
{
    if (depth > AMQP_DEPTH_MAX || in.at >= in.end)
        return false;
    while (in.at < in.end && *in.at == 0) {
        in.at++;
        if (!check(&in, false, depth + 1))
            return false;
    }
    if (in.at >= in.end || !known_code(*in.at))
        return false;
    uint8_t code = *in.at++;
    if (code >> 4 == 0x4)
        return in.at == in.end; /* elements without a byte */
    for (uint32_t i = 0; i < count; i++) {
        size_t head, len;
        if (primitive_extent(code, &in, &head, &len) < 0)
            return false;
        in.at += head + len;
    }
    return in.at == in.end;
}

bool amqp_well_formed(struct mg_bytes raw, bool plain)
{
    struct amqp_cursor c = {raw.at, (const uint8_t *)raw.at + raw.len};
    return raw.len > 0 && check(&c, plain, 0) && c.at == c.end;
}

uint64_t amqp_descriptor(const struct amqp_item *item)
{
    static const struct {
        const char *name;
        uint64_t code;
    } names[] = {
        {"amqp:header:list", 0x70},
        {"amqp:delivery-annotations:map", 0x71},
        {"amqp:message-annotations:map", 0x72},
        {"amqp:properties:list", 0x73},
        {"amqp:application-properties:map", 0x74},
        {"amqp:data:binary", 0x75},
        {"amqp:amqp-sequence:list", 0x76},
        {"amqp:amqp-value:*", 0x77},
        {"amqp:footer:map", 0x78},
    };
    if (item->kind != AMQP_SIMPLE)
        return 0;
    if (item->value.type == MG_UINT && item->value.width == 64)
        return item->value.as.u;
    if (item->value.type == MG_SYMBOL)
        for (size_t i = 0; i < sizeof names / sizeof *names; i++)
            if (strlen(names[i].name) == item->value.as.text.len &&
                memcmp(names[i].name, item->value.as.text.at, item->value.as.text.len) == 0)
                return names[i].code;
    return 0;
}
