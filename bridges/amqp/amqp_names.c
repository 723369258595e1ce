/* SPDX-License-Identifier: Apache-2.0 */
/* The reserved names of the mapping: what they are and when they apply. */
#include "amqp_names.h"
#include <stdlib.h>

const char *const amqp_fact_names[AMQP_FACTS] = {
    [AMQP_FACT_QOS] = AMQP_MESH "qos",
    [AMQP_FACT_RETAIN] = AMQP_MESH "retain",
    [AMQP_FACT_TEXT] = AMQP_MESH "text",
    [AMQP_FACT_DURABLE] = AMQP_MESH "durable",
    [AMQP_FACT_CREATED] = AMQP_MESH "created",
    [AMQP_FACT_EXPIRES] = AMQP_MESH "expires",
    [AMQP_FACT_ADDRESS] = AMQP_MESH "address",
    [AMQP_FACT_SUBJECT] = AMQP_MESH "subject",
    [AMQP_FACT_USER] = AMQP_MESH "user",
    [AMQP_FACT_MESSAGE_ID] = AMQP_MESH "message-id",
    [AMQP_FACT_CORRELATION] = AMQP_MESH "correlation-id",
    [AMQP_FACT_REPLY_TO] = AMQP_MESH "reply-to",
    [AMQP_FACT_CONTENT_TYPE] = AMQP_MESH "content-type",
    [AMQP_FACT_CONTENT_ENCODING] = AMQP_MESH "content-encoding",
    [AMQP_FACT_ORDER] = AMQP_MESH "order",
};

const char *const amqp_part_names[AMQP_PART_PROPERTY + 1] = {
    [AMQP_PART_TTL] = AMQP_RESERVED "ttl",
    [AMQP_PART_DELIVERY] = AMQP_RESERVED "delivery-annotation",
    [AMQP_PART_ANNOTATION] = AMQP_RESERVED "annotation",
    [AMQP_PART_TO] = AMQP_RESERVED "to",
    [AMQP_PART_ABSOLUTE_EXPIRY] = AMQP_RESERVED "absolute-expiry-time",
    [AMQP_PART_BODY] = AMQP_RESERVED "body",
    [AMQP_PART_FOOTER] = AMQP_RESERVED "footer",
    [AMQP_PART_PROPERTY] = AMQP_RESERVED "property",
};

const char *const amqp_body_names[AMQP_BODY_SEQUENCE + 1] = {
    [AMQP_BODY_DATA] = "data",           [AMQP_BODY_SECTIONS] = "data:",
    [AMQP_BODY_NONE] = "none",           [AMQP_BODY_NULL] = "value:null",
    [AMQP_BODY_STRING] = "value:string", [AMQP_BODY_BINARY] = "value:binary",
    [AMQP_BODY_SYMBOL] = "value:symbol", [AMQP_BODY_RAW] = "value:raw",
    [AMQP_BODY_SEQUENCE] = "sequence",
};

static bool id_type(uint32_t type, uint32_t width)
{
    return type == MG_TEXT || type == MG_BINARY || type == MG_UUID ||
           (type == MG_UINT && width == 64);
}

enum amqp_fact amqp_fact_of(struct mg_str key, const struct amqp_item *item)
{
    if (!amqp_starts(key, AMQP_MESH) || item->kind != AMQP_SIMPLE)
        return AMQP_FACT_NONE;
    enum amqp_fact fact = 0;
    while (fact < AMQP_FACTS && !amqp_is(key, amqp_fact_names[fact]))
        fact++;
    const struct mg_value *v = &item->value;
    bool fits = false;
    switch (fact) {
    case AMQP_FACT_QOS:
        fits = v->type == MG_UINT && v->width == 8 && v->as.u <= 2;
        break;
    case AMQP_FACT_RETAIN:
    case AMQP_FACT_TEXT:
        fits = v->type == MG_BOOL;
        break;
    case AMQP_FACT_DURABLE:
        fits = v->type == MG_BOOL && v->as.b;
        break;
    case AMQP_FACT_CREATED:
        fits = v->type == MG_UINT && v->width == 32 && v->as.u >= 1 && v->as.u <= 999;
        break;
    case AMQP_FACT_EXPIRES:
        fits = v->type == MG_TIME && v->as.i > INT64_MIN / 1000 && v->as.i < INT64_MAX / 1000;
        break;
    case AMQP_FACT_SUBJECT:
        fits = v->type == MG_TEXT || v->type == MG_NULL;
        break;
    case AMQP_FACT_USER:
    case AMQP_FACT_ORDER:
        fits = v->type == MG_BINARY;
        break;
    case AMQP_FACT_MESSAGE_ID:
    case AMQP_FACT_CORRELATION:
        fits = id_type(v->type, v->width);
        break;
    case AMQP_FACT_ADDRESS:
    case AMQP_FACT_REPLY_TO:
    case AMQP_FACT_CONTENT_TYPE:
    case AMQP_FACT_CONTENT_ENCODING:
        fits = v->type == MG_TEXT;
        break;
    default:
        break;
    }
    return fits ? fact : AMQP_FACT_NONE;
}

void amqp_census_fini(struct amqp_census *census)
{
    free(census->slots);
    *census = (struct amqp_census){0};
}

void amqp_census_reset(struct amqp_census *census)
{
    if (census->room > 256)
        amqp_census_fini(census);
    else if (census->used)
        memset(census->slots, 0, census->room * sizeof *census->slots);
    census->used = 0;
}

static struct amqp_census_slot *find(const struct amqp_census *census, struct mg_str name)
{
    uint64_t hash = 1469598103934665603u ^ census->seed;
    for (size_t i = 0; i < name.len; i++)
        hash = (hash ^ (uint8_t)name.at[i]) * 1099511628211u;
    size_t at = (size_t)(hash ^ hash >> 32) & (census->room - 1);
    while (census->slots[at].count &&
           (census->slots[at].name.len != name.len ||
            (name.len && memcmp(census->slots[at].name.at, name.at, name.len) != 0)))
        at = (at + 1) & (census->room - 1);
    return &census->slots[at];
}

static bool widen(struct amqp_census *census)
{
    struct amqp_census next = {.room = census->room ? census->room * 2 : 32, .used = census->used};
    next.slots = calloc(next.room, sizeof *next.slots);
    if (!next.slots)
        return false;
    next.seed = (uint64_t)(uintptr_t)next.slots * 0x9e3779b97f4a7c15u;
    for (size_t i = 0; i < census->room; i++)
        if (census->slots[i].count)
            *find(&next, census->slots[i].name) = census->slots[i];
    free(census->slots);
    *census = next;
    return true;
}

uint32_t amqp_census_add(struct amqp_census *census, struct mg_str name)
{
    if (census->used * 2 >= census->room && !widen(census))
        return 0;
    struct amqp_census_slot *slot = find(census, name);
    if (slot->count++ == 0) {
        slot->name = name;
        census->used++;
    }
    return slot->count;
}

uint32_t amqp_census_peek(const struct amqp_census *census, struct mg_str name)
{
    return census->room ? find(census, name)->count : 0;
}

bool amqp_tag_parse(struct mg_str key, uint32_t *ret_count, struct mg_str *ret_name)
{
    size_t at = strlen(AMQP_TAG), start = at;
    uint32_t count = 0;
    if (!amqp_starts(key, AMQP_TAG))
        return false;
    while (at < key.len && key.at[at] >= '0' && key.at[at] <= '9' && at - start < 6)
        count = count * 10 + (uint32_t)(key.at[at++] - '0');
    if (at == start || at >= key.len || key.at[at] != ':' || key.at[start] == '0')
        return false;
    *ret_count = count;
    *ret_name = (struct mg_str){key.at + at + 1, key.len - at - 1};
    return true;
}

bool amqp_tag_needed(struct mg_str name, uint32_t count)
{
    return count > 1 || amqp_starts(name, AMQP_TAG) || amqp_starts(name, AMQP_RESERVED);
}

bool amqp_key_foreign(struct mg_str key, const struct amqp_census *before)
{
    uint32_t count;
    struct mg_str name;
    if (amqp_tag_parse(key, &count, &name))
        return count != amqp_census_peek(before, name) + 1 || !amqp_tag_needed(name, count);
    return amqp_starts(key, AMQP_TAG) || amqp_starts(key, AMQP_RESERVED) ||
           amqp_census_peek(before, key) > 0;
}

bool amqp_is_sequences(struct mg_bytes bytes, bool plain)
{
    struct amqp_cursor c = {bytes.at, (const uint8_t *)bytes.at + bytes.len};
    if (bytes.len == 0)
        return false;
    while (c.at < c.end) {
        struct amqp_item section, code, list;
        if (amqp_read(&c, &section) < 0 || section.kind != AMQP_DESCRIBED)
            return false;
        struct amqp_cursor in = section.inside;
        if (amqp_read(&in, &code) < 0 || amqp_descriptor(&code) != 0x76 ||
            amqp_read(&in, &list) < 0 || list.kind != AMQP_LIST ||
            !amqp_well_formed(list.raw, plain))
            return false;
    }
    return true;
}
