/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a record as JSON, keeping every field, property, type and byte. */
#include "store/record_json.h"
#include "base/base64.h"
#include "base/utf8.h"
#include "store/record_json_internal.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *gw_json_base64(const void *at, size_t length)
{
    size_t size = gw_base64_length(length);
    char *text = malloc(size + 1);
    if (!text)
        return NULL;
    gw_base64_encode(at, length, text);
    json_t *json = json_stringn_nocheck(text, size);
    free(text);
    return json;
}

/* json_object_set_new, which takes the value, also where there is none. */
static bool set(json_t *object, const char *key, json_t *value)
{
    return json_object_set_new_nocheck(object, key, value) == 0;
}

static bool is_utf8(const void *at, size_t length)
{
    return !length || gw_utf8_valid(at, length);
}

static json_t *plain_text(const void *at, size_t length)
{
    return json_stringn_nocheck(length ? at : "", length);
}

json_t *gw_json_text(const void *at, size_t length)
{
    if (is_utf8(at, length))
        return plain_text(at, length);
    json_t *json = json_object();
    if (json && set(json, "type", json_string("text")) &&
        set(json, "base64", gw_json_base64(at, length)))
        return json;
    json_decref(json);
    return NULL;
}

static json_t *double_json(double d)
{
    if (isfinite(d))
        return json_real(d);
    if (isinf(d))
        return json_string(d < 0 ? "-Infinity" : "Infinity");
    uint64_t bits, usual;
    memcpy(&bits, &d, sizeof bits);
    memcpy(&usual, &(double){NAN}, sizeof usual);
    return bits == usual ? json_string("NaN") : json_sprintf("NaN:%016" PRIx64, bits);
}

static json_t *uuid_json(const uint8_t *u)
{
    return json_sprintf("%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x",
                        u[0], u[1], u[2], u[3], u[4], u[5], u[6], u[7], u[8], u[9], u[10], u[11],
                        u[12], u[13], u[14], u[15]);
}

/* Many readers of JSON, this one among them, have no integers above 2^63-1. */
json_t *gw_json_unsigned(uint64_t u)
{
    return u > INT64_MAX ? json_sprintf("%" PRIu64, u) : json_integer((json_int_t)u);
}

static bool set_bytes(json_t *json, const void *at, size_t length, bool is_text)
{
    if (is_text && is_utf8(at, length))
        return set(json, "value", plain_text(at, length));
    return set(json, "base64", gw_json_base64(at, length));
}

/* "type", "bits" where there is a width, and "value" or "base64". */
static bool put_value(json_t *json, const struct mg_value *v)
{
    if (v->type > MG_SYMBOL || !set(json, "type", json_string(gw_json_types[v->type])) ||
        (v->width && !set(json, "bits", json_integer(v->width))))
        return false;
    switch (v->type) {
    case MG_NULL:
        return set(json, "value", json_null());
    case MG_BOOL:
        return set(json, "value", json_boolean(v->as.b));
    case MG_INT:
    case MG_TIME:
        return set(json, "value", json_integer(v->as.i));
    case MG_UINT:
    case MG_CHAR:
        return set(json, "value", gw_json_unsigned(v->as.u));
    case MG_FLOAT:
        return set(json, "value", double_json(v->as.d));
    case MG_TEXT:
    case MG_SYMBOL:
        return set_bytes(json, v->as.text.at, v->as.text.len, true);
    case MG_UUID:
        return set(json, "value", uuid_json(v->as.uuid));
    default: /* MG_BINARY, MG_DECIMAL */
        return set_bytes(json, v->as.binary.at, v->as.binary.len, false);
    }
}

static json_t *value_json(const struct mg_value *v)
{
    if (v->type == MG_TEXT && !v->width)
        return gw_json_text(v->as.text.at, v->as.text.len);
    json_t *json = json_object();
    if (json && put_value(json, v))
        return json;
    json_decref(json);
    return NULL;
}

static int64_t number_of(const struct gw_json_field *f, const void *at)
{
    switch (f->kind) {
    case GW_JSON_BOOL:
        return *(const bool *)at;
    case GW_JSON_U8:
        return *(const uint8_t *)at;
    case GW_JSON_U32:
        return *(const uint32_t *)at;
    default:
        return *(const int64_t *)at;
    }
}

static bool put_field(json_t *json, const struct gw_json_field *f, const struct mg_head *head)
{
    const void *at = (const char *)head + f->offset;
    int64_t number;
    switch (f->kind) {
    case GW_JSON_TEXT: {
        const struct mg_str *text = at;
        return !text->at || set(json, f->name, gw_json_text(text->at, text->len));
    }
    case GW_JSON_BYTES: {
        const struct mg_bytes *bytes = at;
        return !bytes->at || set(json, f->name, gw_json_text(bytes->at, bytes->len));
    }
    case GW_JSON_VALUE: {
        const struct mg_value *value = at;
        return value->type == MG_NULL || set(json, f->name, value_json(value));
    }
    default:
        number = number_of(f, at);
        if (number == f->absent && !(head->present & f->present))
            return true;
        return set(json, f->name,
                   f->kind == GW_JSON_BOOL ? json_boolean(number) : json_integer(number));
    }
}

/* Only where a field is there that the peer did not say. */
static bool put_said(json_t *json, const struct mg_head *head)
{
    const struct gw_json_field *f = gw_json_fields;
    while (f->name &&
           !(f->present && !(head->present & f->present) && json_object_get(json, f->name)))
        f++;
    if (!f->name)
        return true;
    json_t *list = json_array();
    bool ok = list;
    for (f = gw_json_fields; ok && f->name; f++)
        if (f->present && head->present & f->present)
            ok = json_array_append_new(list, json_string(f->name)) == 0;
    if (ok)
        return set(json, "said", list);
    json_decref(list);
    return false;
}

static bool put_properties(json_t *json, const struct mg_property *p, size_t count)
{
    if (!count)
        return true;
    json_t *list = json_array();
    bool ok = list;
    for (size_t i = 0; ok && i < count; i++) {
        json_t *item = json_object();
        ok = item && set(item, "name", gw_json_text(p[i].name.at, p[i].name.len)) &&
             put_value(item, &p[i].value) && json_array_append(list, item) == 0;
        json_decref(item);
    }
    if (ok)
        return set(json, "properties", list);
    json_decref(list);
    return false;
}

static json_t *message_json(const struct mg_message *m)
{
    json_t *json = json_object();
    bool ok = json;
    for (const struct gw_json_field *f = gw_json_fields; ok && f->name; f++)
        ok = put_field(json, f, &m->head);
    ok = ok && put_said(json, &m->head) && put_properties(json, m->properties, m->property_count);
    if (ok && is_utf8(m->payload.at, m->payload.len))
        ok = set(json, "payload", plain_text(m->payload.at, m->payload.len));
    else if (ok)
        ok = set(json, "payload_base64", gw_json_base64(m->payload.at, m->payload.len));
    if (ok)
        return json;
    json_decref(json);
    return NULL;
}

static json_t *leg_json(const struct gw_record_leg *leg)
{
    json_t *json = json_object();
    if (json && set(json, "sink", json_integer(leg->sink)) &&
        (!leg->address.at ||
         set(json, "address", gw_json_text(leg->address.at, leg->address.len))) &&
        put_properties(json, leg->properties, leg->property_count))
        return json;
    json_decref(json);
    return NULL;
}

static bool put_legs(json_t *json, const struct gw_record *record)
{
    json_t *list = json_array();
    bool ok = list;
    for (size_t i = 0; ok && i < record->leg_count; i++)
        ok = json_array_append_new(list, leg_json(&record->legs[i])) == 0;
    if (ok)
        return set(json, "legs", list);
    json_decref(list);
    return false;
}

static bool put_flags(json_t *json, uint32_t flags)
{
    if (!flags)
        return true;
    json_t *list = json_array();
    bool ok = list;
    for (size_t i = 0; ok && i < 32; i++) {
        if (!(flags & UINT32_C(1) << i))
            continue;
        const char *name = NULL;
        for (size_t k = 0; k <= i && (name = gw_json_flags[k]); k++)
            ;
        ok = json_array_append_new(list, name ? json_string(name)
                                              : json_integer((json_int_t)(UINT32_C(1) << i))) == 0;
    }
    if (ok)
        return set(json, "flags", list);
    json_decref(list);
    return false;
}

json_t *gw_record_to_json(const struct gw_record *r)
{
    json_t *json = json_object();
    if (json && (!r->sequence || set(json, "sequence", gw_json_unsigned(r->sequence))) &&
        set(json, "arrived_us", json_integer(r->arrived_us)) &&
        (!r->expires_us || set(json, "expires_us", json_integer(r->expires_us))) &&
        (!r->key || set(json, "key", json_sprintf("%016" PRIx64, r->key))) &&
        put_flags(json, r->flags) &&
        (!r->origin.at || set(json, "origin", gw_json_text(r->origin.at, r->origin.len))) &&
        set(json, "message", message_json(&r->message)) && put_legs(json, r))
        return json;
    json_decref(json);
    return NULL;
}
