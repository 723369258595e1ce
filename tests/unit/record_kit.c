/* SPDX-License-Identifier: Apache-2.0 */
/* Records at random: every type of value, empty and unset texts, bytes that are not UTF-8. */
#include "record_kit.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

void kit_random_seed(struct kit_random *random, uint64_t seed)
{
    random->state = seed * 0x9e3779b97f4a7c15u + 0x1234567;
    for (int i = 0; i < 4; i++)
        kit_random64(random);
}

uint64_t kit_random64(struct kit_random *random)
{
    if (!random->state)
        random->state = 1;
    random->state ^= random->state << 13;
    random->state ^= random->state >> 7;
    random->state ^= random->state << 17;
    return random->state * 0x2545f4914f6cdd1du;
}

uint32_t kit_random(struct kit_random *random, uint32_t bound)
{
    return (uint32_t)((kit_random64(random) >> 32) * bound >> 32);
}

enum { POOL = 1 << 18, POOLS = 4 };
static char pools[POOLS][POOL];
static size_t pool, used;

static void *take(size_t size)
{
    size = (size + 15) & ~(size_t)15;
    if (used + size > POOL)
        abort();
    used += size;
    return pools[pool] + used - size;
}

static struct mg_bytes bytes(struct kit_random *r, uint32_t most)
{
    size_t length = kit_random(r, most + 1);
    uint8_t *at = take(length + 1);
    for (size_t i = 0; i < length; i++)
        at[i] = (uint8_t)kit_random(r, 256);
    return (struct mg_bytes){at, length};
}

static struct mg_str text(struct kit_random *r)
{
    static const char *const bits[] = {"a", "plant/", "\"", "\\", "\n",  "\xc3\xa9",
                                       "1", "{x}",    " ",  "#",  "\x7f"};
    uint32_t kind = kit_random(r, 20);
    if (kind == 0) { /* not UTF-8 */
        struct mg_bytes b = bytes(r, 20);
        return (struct mg_str){b.at, b.len};
    }
    if (kind == 1)
        return (struct mg_str){memcpy(take(3), "a\0b", 3), 3};
    char *at = take(64);
    size_t length = 0;
    for (uint32_t i = kit_random(r, 7); i > 0; i--) {
        const char *bit = bits[kit_random(r, sizeof bits / sizeof *bits)];
        memcpy(at + length, bit, strlen(bit));
        length += strlen(bit);
    }
    return (struct mg_str){at, length};
}

static struct mg_str text_or_unset(struct kit_random *r)
{
    return kit_random(r, 2) ? text(r) : (struct mg_str){0};
}

static double real(struct kit_random *r)
{
    static const double special[] = {0.0, -0.0, NAN, INFINITY, -INFINITY, 5e-324, 1e308, 0.1};
    uint32_t kind = kit_random(r, 10);
    if (kind < 8)
        return special[kind];
    uint64_t bits = kit_random64(r);
    double d;
    memcpy(&d, &bits, sizeof d);
    return d;
}

static struct mg_value value(struct kit_random *r)
{
    static const uint32_t widths[] = {8, 16, 32, 64};
    struct mg_value v = {.type = kit_random(r, MG_SYMBOL + 1)};
    uint32_t width = widths[kit_random(r, 4)];
    struct mg_bytes b;
    switch (v.type) {
    case MG_BOOL:
        v.as.b = kit_random(r, 2);
        break;
    case MG_INT:
        v.width = width;
        v.as.i = (int64_t)(kit_random64(r) << (64 - width)) >> (64 - width);
        break;
    case MG_UINT:
        v.width = width;
        v.as.u = kit_random64(r) >> (64 - width);
        break;
    case MG_FLOAT:
        v.width = kit_random(r, 2) ? 32 : 64;
        v.as.d = v.width == 32 ? (double)(float)real(r) : real(r);
        break;
    case MG_DECIMAL:
        v.width = 32u << kit_random(r, 3);
        v.as.binary = (struct mg_bytes){memcpy(take(16), "0123456789abcdef", 16), v.width / 8};
        break;
    case MG_CHAR:
        v.as.u = kit_random(r, 0x110000);
        break;
    case MG_TIME:
        v.as.i = (int64_t)kit_random64(r);
        break;
    case MG_UUID:
        for (size_t i = 0; i < 16; i++)
            v.as.uuid[i] = (uint8_t)kit_random(r, 256);
        break;
    case MG_BINARY:
        v.as.binary = bytes(r, 40);
        break;
    case MG_TEXT:
        v.as.text = text(r);
        break;
    case MG_SYMBOL:
        b = (struct mg_bytes){memcpy(take(8), "a-symbol", 8), 8};
        v.as.text = (struct mg_str){b.at, b.len};
        break;
    default:
        break;
    }
    return v;
}

static const struct mg_property *properties(struct kit_random *r, uint32_t most, size_t *ret_count)
{
    *ret_count = kit_random(r, most + 1);
    struct mg_property *p = take((*ret_count + 1) * sizeof *p);
    for (size_t i = 0; i < *ret_count; i++)
        p[i] = (struct mg_property){text(r), value(r)};
    return p;
}

static struct mg_value id(struct kit_random *r)
{
    struct mg_value v;
    do
        v = value(r);
    while (v.type != MG_NULL && v.type != MG_TEXT && v.type != MG_BINARY && v.type != MG_UUID &&
           !(v.type == MG_UINT && v.width == 64));
    return v;
}

static void head(struct kit_random *r, struct mg_head *h)
{
    *h = (struct mg_head){.size = sizeof *h, .priority = 4};
    h->address = text(r);
    h->reply_to = text_or_unset(r);
    h->subject = text_or_unset(r);
    h->content_type = text_or_unset(r);
    h->content_encoding = text_or_unset(r);
    h->group = text_or_unset(r);
    h->reply_to_group = text_or_unset(r);
    h->message_id = id(r);
    h->correlation = id(r);
    if (kit_random(r, 2))
        h->user = bytes(r, 20);
    h->present = kit_random(r, 256);
    if (kit_random(r, 2)) {
        h->group_sequence = kit_random(r, UINT32_MAX);
        h->qos = (uint8_t)kit_random(r, 3);
        h->priority = (uint8_t)kit_random(r, 256);
        h->retain = kit_random(r, 2);
        h->duplicate = kit_random(r, 2);
        h->durable = kit_random(r, 2);
        h->text_payload = kit_random(r, 2);
        h->created_us = (int64_t)kit_random64(r);
        h->expires_us = (int64_t)kit_random64(r);
    }
}

void kit_random_record(struct kit_random *r, uint32_t sinks, struct gw_record *ret)
{
    pool = (pool + 1) % POOLS;
    used = 0;
    *ret = (struct gw_record){.arrived_us = 1700000000000000 + (int64_t)kit_random(r, 1000000),
                              .expires_us = kit_random(r, 3) ? 0 : (int64_t)kit_random64(r),
                              .key = kit_random(r, 3) ? kit_random64(r) : 0,
                              .flags = kit_random(r, 3) ? 0 : kit_random(r, 8),
                              .origin = text(r)};
    head(r, &ret->message.head);
    ret->message.payload = bytes(r, 400);
    if (kit_random(r, 2))
        ret->message.payload = (struct mg_bytes){"{\"a\":\"\\u00e9\"}", 14};
    ret->message.properties = properties(r, 8, &ret->message.property_count);
    struct gw_record_leg *legs = take((sinks + 1) * sizeof *legs);
    for (uint32_t i = 0; i < sinks; i++) {
        legs[i] = (struct gw_record_leg){.sink = i, .address = text(r)};
        legs[i].properties = properties(r, 2, &legs[i].property_count);
    }
    ret->legs = legs;
    ret->leg_count = sinks;
}

/* ---- comparing ------------------------------------------------------------------------------ */

static bool same_bytes(const void *a, size_t a_length, const void *b, size_t b_length)
{
    return a_length == b_length && (!a_length || !memcmp(a, b, a_length));
}

/* Unset is not empty. */
static bool same_text(struct mg_str a, struct mg_str b)
{
    return !a.at == !b.at && same_bytes(a.at, a.len, b.at, b.len);
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
    case MG_TEXT:
    case MG_SYMBOL:
        return same_bytes(a->as.text.at, a->as.text.len, b->as.text.at, b->as.text.len);
    case MG_BINARY:
    case MG_DECIMAL:
        return same_bytes(a->as.binary.at, a->as.binary.len, b->as.binary.at, b->as.binary.len);
    case MG_UUID:
        return !memcmp(a->as.uuid, b->as.uuid, 16);
    default:
        return a->as.u == b->as.u; /* of a float: its bits */
    }
}

static bool same_properties(const struct mg_property *a, size_t a_count,
                            const struct mg_property *b, size_t b_count)
{
    bool same = a_count == b_count;
    for (size_t i = 0; same && i < a_count; i++)
        same = same_bytes(a[i].name.at, a[i].name.len, b[i].name.at, b[i].name.len) &&
               same_value(&a[i].value, &b[i].value);
    return same;
}

static const char *head_difference(const struct mg_head *a, const struct mg_head *b)
{
    if (!same_text(a->address, b->address))
        return "address";
    if (!same_text(a->reply_to, b->reply_to) || !same_text(a->subject, b->subject) ||
        !same_text(a->content_type, b->content_type) ||
        !same_text(a->content_encoding, b->content_encoding) || !same_text(a->group, b->group) ||
        !same_text(a->reply_to_group, b->reply_to_group))
        return "a text of the head";
    if (!same_value(&a->message_id, &b->message_id) ||
        !same_value(&a->correlation, &b->correlation))
        return "an id";
    if (!a->user.at != !b->user.at || !same_bytes(a->user.at, a->user.len, b->user.at, b->user.len))
        return "user";
    if (a->present != b->present)
        return "present";
    if (a->group_sequence != b->group_sequence || a->qos != b->qos || a->priority != b->priority ||
        a->retain != b->retain || a->duplicate != b->duplicate || a->durable != b->durable ||
        a->text_payload != b->text_payload || a->created_us != b->created_us ||
        a->expires_us != b->expires_us)
        return "a number of the head";
    return NULL;
}

const char *kit_record_difference(const struct gw_record *a, const struct gw_record *b)
{
    if (a->arrived_us != b->arrived_us || a->expires_us != b->expires_us || a->key != b->key ||
        a->flags != b->flags || !same_text(a->origin, b->origin))
        return "a number of the record, or its origin";
    const struct mg_message *m = &a->message, *n = &b->message;
    const char *difference = head_difference(&m->head, &n->head);
    if (difference)
        return difference;
    if (!same_bytes(m->payload.at, m->payload.len, n->payload.at, n->payload.len))
        return "payload";
    if (!same_properties(m->properties, m->property_count, n->properties, n->property_count))
        return "properties";
    if (a->leg_count != b->leg_count)
        return "number of legs";
    for (size_t i = 0; i < a->leg_count; i++)
        if (a->legs[i].sink != b->legs[i].sink ||
            !same_text(a->legs[i].address, b->legs[i].address) ||
            !same_properties(a->legs[i].properties, a->legs[i].property_count,
                             b->legs[i].properties, b->legs[i].property_count))
            return "a leg";
    return NULL;
}
