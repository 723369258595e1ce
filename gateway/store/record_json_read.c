/* SPDX-License-Identifier: Apache-2.0 */
/* Reads a record from JSON; anything that is not understood is an error, never ignored. */
#include "base/arena.h"
#include "store/record_json.h"
#include "store/record_json_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROPERTIES_MAX = 65535 };

static int take_number(struct gw_json_reader *r, const struct gw_json_field *f, const json_t *j,
                       void *at)
{
    json_int_t i = json_integer_value(j);
    switch (f->kind) {
    case GW_JSON_BOOL:
        if (!json_is_boolean(j))
            return gw_json_wrong(r, f->name, "must be true or false");
        *(bool *)at = json_is_true(j);
        return 0;
    case GW_JSON_U8:
        if (!json_is_integer(j) || i < 0 || i > f->most)
            return gw_json_wrong(r, f->name,
                                 f->most == 2 ? "must be 0, 1 or 2" : "must be 0 to 255");
        *(uint8_t *)at = (uint8_t)i;
        return 0;
    case GW_JSON_U32:
        if (!json_is_integer(j) || i < 0 || i > UINT32_MAX)
            return gw_json_wrong(r, f->name, "must be 0 to 4294967295");
        *(uint32_t *)at = (uint32_t)i;
        return 0;
    default:
        if (!json_is_integer(j))
            return gw_json_wrong(r, f->name, "must be a number of microseconds");
        *(int64_t *)at = i;
        return 0;
    }
}

static int take_field(struct gw_json_reader *r, const struct gw_json_field *f, const json_t *j,
                      struct mg_head *head)
{
    void *at = (char *)head + f->offset;
    struct mg_str text;
    int error = 0;
    head->present |= f->present;
    switch (f->kind) {
    case GW_JSON_TEXT:
    case GW_JSON_BYTES:
        error = gw_json_take_text(r, j, &text);
        if (error == -EINVAL)
            return gw_json_wrong(r, f->name, "must be a text, or {\"type\":\"text\",\"base64\":…}");
        if (!error && f->kind == GW_JSON_TEXT)
            *(struct mg_str *)at = text;
        else if (!error)
            *(struct mg_bytes *)at = (struct mg_bytes){text.at, text.len};
        return error;
    case GW_JSON_VALUE:
        error = gw_json_take_id(r, j, at);
        return error == -EINVAL
                   ? gw_json_wrong(r, f->name,
                                   "must be a text, an unsigned number, or "
                                   "{\"type\":…,\"value\":…} of text, binary, uint or uuid")
                   : error;
    default:
        return take_number(r, f, j, at);
    }
}

static int take_property(struct gw_json_reader *r, const json_t *j, struct mg_property *p)
{
    const json_t *name = json_object_get(j, "name");
    int error = gw_json_take_text(r, name, &p->name);
    if (!error && json_object_get(j, "type"))
        error = gw_json_take_typed(r, j, 1, &p->value);
    else if (!error)
        error = json_object_size(j) == 2 && json_object_get(j, "value")
                    ? gw_json_take_plain(json_object_get(j, "value"), &p->value)
                    : -EINVAL;
    return error == -EINVAL
               ? gw_json_wrong(
                     r, json_is_string(name) ? json_string_value(name) : "properties",
                     "must be {\"name\":…,\"type\":…,\"value\":…}, with a value of its type")
               : error;
}

static int take_properties(struct gw_json_reader *r, const json_t *j,
                           const struct mg_property **ret, size_t *ret_count)
{
    size_t count = json_array_size(j);
    if (!json_is_array(j) || count > PROPERTIES_MAX)
        return gw_json_wrong(r, "properties",
                             "must be a list of {\"name\":…,\"type\":…,\"value\":…}");
    struct mg_property *p = gw_json_room(r, count, sizeof *p);
    int error = p ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++)
        error = take_property(r, json_array_get(j, i), &p[i]);
    *ret = p;
    *ret_count = count;
    return error;
}

/* What the peer said, where it differs from what is there. */
static int take_said(struct gw_json_reader *r, const json_t *j, struct mg_head *head)
{
    uint32_t present = 0;
    if (!json_is_array(j))
        return gw_json_wrong(r, "said", "must be a list of fields");
    for (size_t i = 0; i < json_array_size(j); i++) {
        const char *name = json_string_value(json_array_get(j, i));
        const struct gw_json_field *f = gw_json_fields;
        while (f->name && !(name && f->present && !strcmp(name, f->name)))
            f++;
        if (!f->name)
            return gw_json_wrong(r, "said", "has something in it that is no such field");
        present |= f->present;
    }
    head->present = present;
    return 0;
}

static int take_payload(struct gw_json_reader *r, const json_t *j, bool base64,
                        struct mg_bytes *ret)
{
    if (ret->at)
        return gw_json_wrong(r, "payload", "is there twice: as payload and as payload_base64");
    int error = gw_json_take_bytes(r, base64 ? NULL : j, base64 ? j : NULL, true, ret);
    return error == -EINVAL
               ? gw_json_wrong(r, base64 ? "payload_base64" : "payload",
                               base64 ? "is not base64" : "must be a text (or be payload_base64)")
               : error;
}

static int take_message(struct gw_json_reader *r, json_t *json, struct mg_message *m)
{
    int error = json_is_object(json) ? 0 : gw_json_wrong(r, "message", "must be an object");
    m->head.size = sizeof m->head;
    for (const struct gw_json_field *f = gw_json_fields; f->name; f++)
        if (f->absent) /* the priority: a byte */
            *((char *)&m->head + f->offset) = (char)f->absent;
    for (void *it = json_object_iter(json); it && !error; it = json_object_iter_next(json, it)) {
        const char *key = json_object_iter_key(it);
        json_t *value = json_object_iter_value(it);
        const struct gw_json_field *f = gw_json_fields;
        while (f->name && strcmp(f->name, key) != 0)
            f++;
        if (f->name)
            error = take_field(r, f, value, &m->head);
        else if (!strcmp(key, "payload") || !strcmp(key, "payload_base64"))
            error = take_payload(r, value, key[7] != '\0', &m->payload);
        else if (!strcmp(key, "properties"))
            error = take_properties(r, value, &m->properties, &m->property_count);
        else if (strcmp(key, "said") != 0)
            error = gw_json_wrong(r, key, "is not a field of a message");
    }
    json_t *said = json_object_get(json, "said");
    if (!error && said)
        error = take_said(r, said, &m->head);
    if (!m->payload.at)
        m->payload.at = "";
    return error;
}

static int take_leg(struct gw_json_reader *r, const json_t *j, struct gw_record_leg *leg)
{
    const json_t *sink = json_object_get(j, "sink"), *address = json_object_get(j, "address");
    const json_t *properties = json_object_get(j, "properties");
    json_int_t number = json_integer_value(sink);
    if (!json_is_integer(sink) || number < 0 || number >= GW_RECORD_SINKS_MAX ||
        json_object_size(j) != 1u + !!address + !!properties)
        return gw_json_wrong(r, "legs",
                             "each must have a sink (0 to 63), an address and no more than "
                             "properties beside");
    leg->sink = (uint32_t)number;
    int error = address ? gw_json_take_text(r, address, &leg->address) : 0;
    if (error == -EINVAL)
        return gw_json_wrong(r, "address", "must be a text");
    if (!error && properties)
        error = take_properties(r, properties, &leg->properties, &leg->property_count);
    return error;
}

static int take_legs(struct gw_json_reader *r, const json_t *j, struct gw_record *record)
{
    size_t count = json_array_size(j);
    if (!json_is_array(j) || count > GW_RECORD_SINKS_MAX)
        return gw_json_wrong(r, "legs", "must be a list, one for each sink");
    struct gw_record_leg *legs = gw_json_room(r, count, sizeof *legs);
    int error = legs ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++)
        error = take_leg(r, json_array_get(j, i), &legs[i]);
    record->legs = legs;
    record->leg_count = count;
    return error;
}

static int take_flags(struct gw_json_reader *r, const json_t *j, uint32_t *ret)
{
    if (!json_is_array(j))
        return gw_json_wrong(r, "flags", "must be a list");
    for (size_t i = 0; i < json_array_size(j); i++) {
        const json_t *flag = json_array_get(j, i);
        const char *name = json_string_value(flag);
        json_int_t bits = json_integer_value(flag);
        for (size_t k = 0; name && gw_json_flags[k] && !bits; k++)
            if (!strcmp(name, gw_json_flags[k]))
                bits = 1 << k;
        if (bits <= 0 || bits > UINT32_MAX)
            return gw_json_wrong(r, "flags",
                                 "may be replayed, doubtful, retried, original and stepped");
        *ret |= (uint32_t)bits;
    }
    return 0;
}

static int take_time(struct gw_json_reader *r, const char *key, const json_t *j, int64_t *ret)
{
    if (!json_is_integer(j))
        return gw_json_wrong(r, key, "must be a number of microseconds since 1970");
    *ret = json_integer_value(j);
    return 0;
}

static int take_member(struct gw_json_reader *r, const char *key, json_t *j,
                       struct gw_record *record)
{
    int error;
    if (!strcmp(key, "sequence"))
        return gw_json_take_unsigned(j, &record->sequence)
                   ? gw_json_wrong(r, key, "must be a number")
                   : 0;
    if (!strcmp(key, "arrived_us"))
        return take_time(r, key, j, &record->arrived_us);
    if (!strcmp(key, "expires_us"))
        return take_time(r, key, j, &record->expires_us);
    if (!strcmp(key, "key"))
        return !json_is_string(j) || gw_json_take_hex64(json_string_value(j), &record->key)
                   ? gw_json_wrong(r, key, "must be a text of 16 hexadecimal digits")
                   : 0;
    if (!strcmp(key, "flags"))
        return take_flags(r, j, &record->flags);
    if (!strcmp(key, "origin")) {
        error = gw_json_take_text(r, j, &record->origin);
        return error == -EINVAL ? gw_json_wrong(r, key, "must be a text") : error;
    }
    if (!strcmp(key, "message"))
        return take_message(r, j, &record->message);
    if (!strcmp(key, "legs"))
        return take_legs(r, j, record);
    return gw_json_wrong(r, key, "is not a part of a record");
}

int gw_record_from_json(const json_t *json, struct gw_record_parsed *ret_parsed,
                        struct mg_err *reterr)
{
    struct gw_record_parsed parsed = {.arena = gw_arena_create()};
    struct gw_json_reader r = {parsed.arena, reterr};
    json_t *object = (json_t *)json; /* jansson counts references in what it calls const */
    int error = parsed.arena ? 0 : -ENOMEM;
    if (!error && !json_object_get(object, "message"))
        error = gw_json_wrong(&r, "message", "is missing");
    for (void *it = json_object_iter(object); it && !error; it = json_object_iter_next(object, it))
        error =
            take_member(&r, json_object_iter_key(it), json_object_iter_value(it), &parsed.record);
    if (error) {
        if (error == -ENOMEM)
            snprintf(reterr->text, sizeof reterr->text, "out of memory");
        gw_arena_destroy(parsed.arena);
        return error;
    }
    parsed.json = json_incref(object);
    *ret_parsed = parsed;
    return 0;
}

void gw_record_parsed_fini(struct gw_record_parsed *parsed)
{
    json_decref(parsed->json);
    gw_arena_destroy(parsed->arena);
    *parsed = (struct gw_record_parsed){0};
}
