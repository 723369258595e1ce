/* SPDX-License-Identifier: Apache-2.0 */
/* AMQP 1.0 message → event: header, properties, and the maps. */
#include "amqp_decode.h"
#include <errno.h>

static struct mg_value raw_value(const void *from, const void *to)
{
    return (struct mg_value){.type = MG_BINARY,
                             .as.binary = {from, (size_t)((const char *)to - (const char *)from)}};
}

/* Reads the next pair of a map; what is not simple must be whole, since it travels as it is. */
static int next_pair(struct amqp_decoder *d, const char *section, struct amqp_cursor *c,
                     struct amqp_item *key, struct amqp_item *value)
{
    if (amqp_read(c, key) < 0 || amqp_read(c, value) < 0 ||
        (key->kind != AMQP_SIMPLE && !amqp_well_formed(key->raw, false)) ||
        (value->kind != AMQP_SIMPLE && !amqp_well_formed(value->raw, false)))
        return amqp_decode_bad(d, section, "malformed map");
    return 0;
}

int amqp_decode_annotations(struct amqp_decoder *d, enum amqp_part part,
                            const struct amqp_item *map, struct said *said)
{
    const char *section = amqp_part_names[part];
    struct amqp_cursor c = map->inside;
    if (map->kind != AMQP_MAP)
        return amqp_decode_bad(d, section, "not a map");
    for (uint32_t i = 0; i < map->count; i += 2) {
        struct amqp_item key, value;
        int r = next_pair(d, section, &c, &key, &value);
        if (r < 0)
            return r;
        bool symbol = key.kind == AMQP_SIMPLE && key.value.type == MG_SYMBOL, fact_name = false;
        if (symbol && part == AMQP_PART_ANNOTATION) {
            enum amqp_fact fact = amqp_fact_of(key.value.as.text, &value);
            if (fact != AMQP_FACT_NONE && !(said->has_facts & 1u << fact)) {
                said->facts[fact] = value.value;
                said->has_facts |= 1u << fact;
                continue;
            }
            fact_name = amqp_starts(key.value.as.text, AMQP_MESH);
        }
        struct mg_value raw;
        if (!symbol || fact_name) {
            raw = raw_value(key.raw.at, (const char *)value.raw.at + value.raw.len);
            r = amqp_decode_add_entry(d, part, AMQP_FORM_PAIR, (struct mg_str){0}, &raw);
        } else if (value.kind != AMQP_SIMPLE) {
            raw = raw_value(value.raw.at, (const char *)value.raw.at + value.raw.len);
            r = amqp_decode_add_entry(d, part, AMQP_FORM_RAW, key.value.as.text, &raw);
        } else {
            r = amqp_decode_add_entry(d, part, AMQP_FORM_PLAIN, key.value.as.text, &value.value);
        }
        if (r < 0)
            return r;
    }
    return c.at == c.end ? 0 : amqp_decode_bad(d, section, "malformed map");
}

int amqp_decode_application(struct amqp_decoder *d, const struct amqp_item *map)
{
    const char *section = "application-properties";
    struct amqp_cursor c = map->inside;
    if (map->kind != AMQP_MAP)
        return amqp_decode_bad(d, section, "not a map");
    amqp_census_reset(&d->census);
    for (uint32_t i = 0; i < map->count; i += 2) {
        struct amqp_item key, value;
        struct mg_value raw;
        struct mg_str name = {0};
        uint32_t count;
        int r = next_pair(d, section, &c, &key, &value);
        if (r < 0)
            return r;
        bool text = key.kind == AMQP_SIMPLE && key.value.type == MG_TEXT;
        if (text)
            name = key.value.as.text;
        if (!text) {
            raw = raw_value(key.raw.at, (const char *)value.raw.at + value.raw.len);
            r = amqp_decode_add_entry(d, AMQP_PART_PROPERTY, AMQP_FORM_PAIR, name, &raw);
        } else if (value.kind != AMQP_SIMPLE) {
            raw = raw_value(value.raw.at, (const char *)value.raw.at + value.raw.len);
            r = amqp_decode_add_entry(d, AMQP_PART_PROPERTY, AMQP_FORM_RAW, name, &raw);
        } else if (amqp_key_foreign(name, &d->census)) {
            r = amqp_decode_add_entry(d, AMQP_PART_PROPERTY, AMQP_FORM_PLAIN, name, &value.value);
        } else {
            amqp_tag_parse(name, &count, &name);
            r = amqp_census_add(&d->census, name) ? amqp_decode_add(d, name, &value.value)
                                                  : amqp_decode_no_memory(d);
        }
        if (r < 0)
            return r;
    }
    return c.at == c.end ? 0 : amqp_decode_bad(d, section, "malformed map");
}

/* ---- header and properties ------------------------------------------------------------------ */

/* The next field of a list; null once the list is at its end (AMQP 1.0 part 1 §1.4). */
static int field(struct amqp_decoder *d, const char *section, struct amqp_cursor *c, uint32_t *left,
                 struct mg_value *ret_value)
{
    *ret_value = (struct mg_value){0};
    if (*left == 0)
        return 0;
    struct amqp_item item;
    (*left)--;
    if (amqp_read(c, &item) < 0 || item.kind != AMQP_SIMPLE)
        return amqp_decode_bad(d, section, "malformed or unexpected field");
    *ret_value = item.value;
    return 0;
}

static bool as_uint(const struct mg_value *v, uint64_t most, uint64_t *ret)
{
    if (v->type == MG_UINT)
        *ret = v->as.u;
    else if (v->type == MG_INT && v->as.i >= 0)
        *ret = (uint64_t)v->as.i;
    else
        return false;
    return *ret <= most;
}

int amqp_decode_header(struct amqp_decoder *d, const struct amqp_item *list, struct mg_head *head,
                       struct said *said)
{
    const char *section = "header";
    struct amqp_cursor c = list->inside;
    uint32_t left = list->count;
    uint64_t number;
    if (list->kind != AMQP_LIST)
        return amqp_decode_bad(d, section, "not a list");
    for (unsigned i = 0; i < 5; i++) {
        struct mg_value v;
        int r = field(d, section, &c, &left, &v);
        if (r < 0)
            return r;
        if (v.type == MG_NULL)
            continue;
        if ((i == 0 || i == 3) != (v.type == MG_BOOL))
            return amqp_decode_bad(d, section, "a field has another type");
        if (i == 0) {
            head->durable = v.as.b;
            head->present |= MG_HAS_DURABLE;
        } else if (i == 3) {
            head->duplicate |= !v.as.b;
        } else if (!as_uint(&v, i == 1 ? UINT8_MAX : UINT32_MAX, &number)) {
            return amqp_decode_bad(d, section, "a field has another type");
        } else if (i == 1) {
            head->priority = (uint8_t)number;
            head->present |= MG_HAS_PRIORITY;
        } else if (i == 2) {
            said->has_ttl = true;
            said->ttl_ms = (uint32_t)number;
        } else {
            head->duplicate |= number > 0;
        }
    }
    return 0;
}

enum {
    FIELD_MESSAGE_ID,
    FIELD_USER,
    FIELD_TO,
    FIELD_SUBJECT,
    FIELD_REPLY_TO,
    FIELD_CORRELATION,
    FIELD_CONTENT_TYPE,
    FIELD_CONTENT_ENCODING,
    FIELD_ABSOLUTE_EXPIRY,
    FIELD_CREATED,
    FIELD_GROUP,
    FIELD_GROUP_SEQUENCE,
    FIELD_REPLY_TO_GROUP,
    FIELDS
};

static struct mg_str *text_field(struct mg_head *head, struct said *said, unsigned i)
{
    switch (i) {
    case FIELD_TO:
        return &said->to;
    case FIELD_SUBJECT:
        return &said->subject;
    case FIELD_REPLY_TO:
        return &head->reply_to;
    case FIELD_CONTENT_TYPE:
        return &head->content_type;
    case FIELD_CONTENT_ENCODING:
        return &head->content_encoding;
    case FIELD_GROUP:
        return &head->group;
    case FIELD_REPLY_TO_GROUP:
        return &head->reply_to_group;
    default:
        return NULL;
    }
}

static bool decode_field(struct mg_head *head, struct said *said, unsigned i, struct mg_value *v)
{
    uint64_t number;
    struct mg_str *text = text_field(head, said, i);
    if (text) {
        *text = v->as.text;
        return v->type == MG_TEXT || v->type == MG_SYMBOL;
    }
    switch (i) {
    case FIELD_MESSAGE_ID:
    case FIELD_CORRELATION:
        if (v->type != MG_TEXT && v->type != MG_BINARY && v->type != MG_UUID) {
            if (!as_uint(v, UINT64_MAX, &number))
                return false;
            *v = (struct mg_value){.type = MG_UINT, .width = 64, .as.u = number};
        }
        *(i == FIELD_MESSAGE_ID ? &head->message_id : &head->correlation) = *v;
        return true;
    case FIELD_USER: /* RabbitMQ writes a string here for what came by AMQP 0-9-1 */
        head->user =
            v->type == MG_TEXT ? (struct mg_bytes){v->as.text.at, v->as.text.len} : v->as.binary;
        return v->type == MG_BINARY || v->type == MG_TEXT;
    case FIELD_GROUP_SEQUENCE:
        if (!as_uint(v, UINT32_MAX, &number))
            return false;
        head->group_sequence = (uint32_t)number;
        head->present |= MG_HAS_GROUP_SEQUENCE;
        return true;
    default: /* the two times; years beyond 292,000 do not fit microseconds */
        if (v->type != MG_TIME || v->as.i > INT64_MAX / 1000 - 1 || v->as.i < INT64_MIN / 1000 + 1)
            return false;
        if (i == FIELD_CREATED) {
            head->created_us = v->as.i * 1000;
            head->present |= MG_HAS_CREATED;
        } else {
            said->absolute_ms = v->as.i;
            said->has_absolute = true;
        }
        return true;
    }
}

int amqp_decode_properties(struct amqp_decoder *d, const struct amqp_item *list,
                           struct mg_head *head, struct said *said)
{
    static const char *const names[FIELDS] = {
        "message-id",       "user-id",          "to",
        "subject",          "reply-to",         "correlation-id",
        "content-type",     "content-encoding", "absolute-expiry-time",
        "creation-time",    "group-id",         "group-sequence",
        "reply-to-group-id"};
    struct amqp_cursor c = list->inside;
    uint32_t left = list->count;
    if (list->kind != AMQP_LIST)
        return amqp_decode_bad(d, "properties", "not a list");
    for (unsigned i = 0; i < FIELDS && left; i++) {
        struct mg_value v;
        int r = field(d, "properties", &c, &left, &v);
        if (r < 0)
            return r;
        if (v.type != MG_NULL && !decode_field(head, said, i, &v))
            return amqp_decode_bad(d, names[i],
                                   "has a type or value that AMQP does not allow here");
    }
    return 0;
}
