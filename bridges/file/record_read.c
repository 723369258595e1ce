/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an event from JSON; anything that is not understood is an error, never ignored. */
#include "record.h"
#include "record_fields.h"
#include <errno.h>
#include <float.h>
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROPERTIES_MAX = 65535 };

static int wrong(struct mg_err *err, const char *key, const char *what)
{
    snprintf(err->text, sizeof err->text, "\"%.64s\": %s", key, what);
    return -EINVAL;
}

/* Decoded bytes are never longer than the line they came from, so r->bytes has room for all. */
static int take_base64(struct record *r, json_t *j, const void **ret_at, size_t *ret_length)
{
    uint8_t *at = r->bytes + r->bytes_used;
    if (!json_is_string(j) ||
        base64_decode(json_string_value(j), json_string_length(j), at, ret_length))
        return -EINVAL;
    r->bytes_used += *ret_length;
    *ret_at = at;
    return 0;
}

static int take_uuid(json_t *j, uint8_t uuid[16])
{
    const char *s = json_string_value(j);
    if (!s || json_string_length(j) != 36)
        return -EINVAL;
    for (size_t i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-')
            return -EINVAL;
        unsigned byte;
        int used = 0;
        if (strspn(s, "0123456789abcdefABCDEF") < 2 || sscanf(s, "%2x%n", &byte, &used) != 1 ||
            used != 2)
            return -EINVAL;
        uuid[i] = (uint8_t)byte;
        s += 2;
    }
    return 0;
}

static int take_double(json_t *j, double *ret)
{
    const char *s = json_string_value(j);
    if (json_is_number(j))
        *ret = json_number_value(j);
    else if (s && !strcmp(s, "NaN"))
        *ret = NAN;
    else if (s && (!strcmp(s, "Infinity") || !strcmp(s, "-Infinity")))
        *ret = *s == '-' ? -INFINITY : INFINITY;
    else
        return -EINVAL;
    return 0;
}

static int take_unsigned(json_t *j, uint64_t *ret)
{
    const char *s = json_string_value(j);
    if (s) {
        char *end;
        errno = 0;
        *ret = strtoull(s, &end, 10);
        return *s < '0' || *s > '9' || *end || errno ? -EINVAL : 0;
    }
    if (!json_is_integer(j) || json_integer_value(j) < 0)
        return -EINVAL;
    *ret = (uint64_t)json_integer_value(j);
    return 0;
}

static bool width_fits(uint32_t type, json_int_t bits)
{
    switch (type) {
    case MG_INT:
    case MG_UINT:
        return bits == 0 || bits == 8 || bits == 16 || bits == 32 || bits == 64;
    case MG_FLOAT:
        return bits == 0 || bits == 32 || bits == 64;
    case MG_DECIMAL:
        return bits == 32 || bits == 64 || bits == 128;
    default: /* a type of one width may have it said */
        return bits >= 0 && bits <= 128;
    }
}

static bool in_width(const struct mg_value *v)
{
    if (!v->width || v->width == 64)
        return true;
    if (v->type == MG_UINT)
        return v->as.u >> v->width == 0;
    if (v->type == MG_INT)
        return v->as.i >= -((int64_t)1 << (v->width - 1)) && v->as.i < (int64_t)1 << (v->width - 1);
    return true;
}

static int take_text(struct record *r, json_t *value, json_t *base64, struct mg_str *ret)
{
    if (base64) {
        const void *at;
        if (value || take_base64(r, base64, &at, &ret->len))
            return -EINVAL;
        ret->at = at;
        return 0;
    }
    if (!json_is_string(value))
        return -EINVAL;
    *ret = (struct mg_str){json_string_value(value), json_string_length(value)};
    return 0;
}

/* {"type":"uint","bits":8,"value":200} */
static int take_tagged(struct record *r, json_t *j, struct mg_value *v)
{
    const char *name = json_string_value(json_object_get(j, "type"));
    json_t *value = json_object_get(j, "value"), *base64 = json_object_get(j, "base64");
    json_t *bits = json_object_get(j, "bits");
    if (!name || (bits && !json_is_integer(bits)) ||
        json_object_size(j) != 1u + !!value + !!base64 + !!bits || !value == !base64)
        return -EINVAL;
    for (v->type = 0; v->type <= MG_SYMBOL; v->type++)
        if (!strcmp(name, record_type_names[v->type]))
            break;
    if (v->type > MG_SYMBOL || !width_fits(v->type, json_integer_value(bits)))
        return -EINVAL;
    v->width = (uint32_t)json_integer_value(bits);
    int error = 0;
    switch (v->type) {
    case MG_TEXT:
    case MG_SYMBOL:
        return take_text(r, value, base64, &v->as.text);
    case MG_BINARY:
    case MG_DECIMAL:
        error = take_base64(r, base64, &v->as.binary.at, &v->as.binary.len);
        return error || (v->type == MG_DECIMAL && v->as.binary.len * 8 != v->width) ? -EINVAL : 0;
    case MG_BOOL:
        v->as.b = json_is_true(value);
        return json_is_boolean(value) ? 0 : -EINVAL;
    case MG_INT:
    case MG_TIME:
        v->as.i = json_integer_value(value);
        return json_is_integer(value) && in_width(v) ? 0 : -EINVAL;
    case MG_UINT:
        error = take_unsigned(value, &v->as.u);
        return error || !in_width(v) ? -EINVAL : 0;
    case MG_CHAR:
        error = take_unsigned(value, &v->as.u);
        return error || v->as.u > 0x10ffff ? -EINVAL : 0;
    case MG_FLOAT:
        error = take_double(value, &v->as.d);
        if (!error && v->width == 32) {
            if (isfinite(v->as.d) && fabs(v->as.d) > FLT_MAX)
                return -EINVAL;
            v->as.d = (float)v->as.d;
        }
        return error;
    case MG_UUID:
        return take_uuid(value, v->as.uuid);
    default:
        return json_is_null(value) ? 0 : -EINVAL;
    }
}

static int take_value(struct record *r, json_t *j, struct mg_value *ret)
{
    struct mg_value v = {.type = MG_NULL};
    switch (json_typeof(j)) {
    case JSON_STRING:
        v.type = MG_TEXT;
        v.as.text = (struct mg_str){json_string_value(j), json_string_length(j)};
        break;
    case JSON_TRUE:
    case JSON_FALSE:
        v.type = MG_BOOL;
        v.as.b = json_is_true(j);
        break;
    case JSON_INTEGER:
        v = (struct mg_value){.type = MG_INT, .width = 64, .as.i = json_integer_value(j)};
        break;
    case JSON_REAL:
        v = (struct mg_value){.type = MG_FLOAT, .width = 64, .as.d = json_real_value(j)};
        break;
    case JSON_NULL:
        break;
    case JSON_OBJECT:
        if (take_tagged(r, j, &v))
            return -EINVAL;
        break;
    default:
        return -EINVAL;
    }
    *ret = v;
    return 0;
}

static int take_field(struct record *r, const struct record_field *f, json_t *j, struct mg_err *err)
{
    char *at = (char *)&r->message.head + f->offset;
    struct mg_value v;
    json_int_t i = json_integer_value(j);
    switch (f->kind) {
    case FIELD_TEXT:
        if (take_value(r, j, &v) || v.type != MG_TEXT)
            return wrong(err, f->name, "must be a text");
        memcpy(at, &v.as.text, sizeof v.as.text);
        break;
    case FIELD_BYTES:
        if (take_value(r, j, &v) || v.type != MG_TEXT)
            return wrong(err, f->name, "must be a text, or {\"type\":\"text\",\"base64\":…}");
        memcpy(at, &(struct mg_bytes){v.as.text.at, v.as.text.len}, sizeof(struct mg_bytes));
        break;
    case FIELD_VALUE:
        if (take_value(r, j, &v))
            return wrong(err, f->name, "must be a text, a number, or {\"type\":…,\"value\":…}");
        if (v.type == MG_INT && v.width == 64 && v.as.i >= 0)
            v = (struct mg_value){.type = MG_UINT, .width = 64, .as.u = (uint64_t)v.as.i};
        if (v.type != MG_TEXT && v.type != MG_BINARY && v.type != MG_UINT && v.type != MG_UUID)
            return wrong(err, f->name, "must be a text, binary, an unsigned number or a UUID");
        memcpy(at, &v, sizeof v);
        break;
    case FIELD_BOOL:
        if (!json_is_boolean(j))
            return wrong(err, f->name, "must be true or false");
        memcpy(at, &(bool){json_is_true(j)}, sizeof(bool));
        break;
    case FIELD_U8:
        if (!json_is_integer(j) || i < 0 || i > f->most)
            return wrong(err, f->name, f->most == 2 ? "must be 0, 1 or 2" : "must be 0 to 255");
        *at = (char)i;
        break;
    case FIELD_U32:
        if (!json_is_integer(j) || i < 0 || i > UINT32_MAX)
            return wrong(err, f->name, "must be 0 to 4294967295");
        memcpy(at, &(uint32_t){(uint32_t)i}, sizeof(uint32_t));
        break;
    case FIELD_I64:
        if (!json_is_integer(j))
            return wrong(err, f->name, "must be a number of microseconds");
        memcpy(at, &(int64_t){i}, sizeof(int64_t));
        break;
    }
    r->message.head.present |= f->present;
    return 0;
}

static int take_property(struct record *r, json_t *name, json_t *value, struct mg_err *err)
{
    struct mg_property *p = &r->properties[r->message.property_count];
    struct mg_value v;
    if (!name || !value || take_value(r, name, &v) || v.type != MG_TEXT ||
        take_value(r, value, &p->value))
        return wrong(err, "properties",
                     "each must be a name and a plain value or {\"type\":…,\"value\":…}");
    p->name = v.as.text;
    r->message.property_count++;
    return 0;
}

static int take_properties(struct record *r, json_t *j, struct mg_err *err)
{
    size_t count = json_is_object(j) ? json_object_size(j) : json_array_size(j);
    if ((!json_is_object(j) && !json_is_array(j)) || count > PROPERTIES_MAX)
        return wrong(err, "properties", "must be an object, or a list of {\"name\":…,\"value\":…}");
    r->properties = calloc(count ? count : 1, sizeof *r->properties);
    if (!r->properties)
        return -ENOMEM;
    r->message.properties = r->properties;
    int error = 0;
    if (json_is_array(j)) {
        for (size_t i = 0; i < count && !error; i++) {
            json_t *item = json_array_get(j, i);
            error = json_object_size(item) == 2
                        ? take_property(r, json_object_get(item, "name"),
                                        json_object_get(item, "value"), err)
                        : wrong(err, "properties", "each must have a name and a value");
        }
        return error;
    }
    for (void *at = json_object_iter(j); at && !error; at = json_object_iter_next(j, at)) {
        const char *key = json_object_iter_key(at);
        struct mg_property *p = &r->properties[r->message.property_count];
        if (take_value(r, json_object_iter_value(at), &p->value))
            return wrong(err, key, "must be a plain value or {\"type\":…,\"value\":…}");
        p->name = (struct mg_str){key, strlen(key)};
        r->message.property_count++;
    }
    return error;
}

static int take_payload(struct record *r, json_t *j, bool base64, struct mg_err *err)
{
    if (r->message.payload.at)
        return wrong(err, "payload", "is there twice: as payload and as payload_base64");
    if (base64)
        return take_base64(r, j, &r->message.payload.at, &r->message.payload.len)
                   ? wrong(err, "payload_base64", "is not base64")
                   : 0;
    if (json_is_string(j)) {
        r->message.payload = (struct mg_bytes){json_string_value(j), json_string_length(j)};
        return 0;
    }
    /* Any other JSON value is the payload itself. */
    r->payload_text = json_dumps(j, JSON_COMPACT | JSON_ENCODE_ANY);
    if (!r->payload_text)
        return -ENOMEM;
    r->message.payload = (struct mg_bytes){r->payload_text, strlen(r->payload_text)};
    return 0;
}

static int take_member(struct record *r, const char *key, json_t *value, struct mg_err *err)
{
    if (!strcmp(key, "payload") || !strcmp(key, "payload_base64"))
        return take_payload(r, value, key[7] != '\0', err);
    if (!strcmp(key, "properties"))
        return take_properties(r, value, err);
    for (const struct record_field *f = record_fields; f->name; f++)
        if (!strcmp(key, f->name))
            return take_field(r, f, value, err);
    return wrong(err, key,
                 "is not a field of an event (for lines that are payloads: format: lines)");
}

int record_read(const char *line, size_t length, struct record *ret_record, struct mg_err *reterr)
{
    json_error_t at;
    struct record r = {.message.head.size = sizeof r.message.head, .message.head.priority = 4};
    json_t *json = json_loadb(line, length, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &at);
    if (!json) {
        snprintf(reterr->text, sizeof reterr->text, "not JSON: %s at column %d", at.text,
                 at.column);
        return -EINVAL;
    }
    r.json = json;
    r.bytes = malloc(length + 4);
    int error = r.bytes ? 0 : -ENOMEM;
    if (!error && !json_is_object(json)) {
        snprintf(reterr->text, sizeof reterr->text,
                 "must be a JSON object with address, payload, …");
        error = -EINVAL;
    }
    if (!error)
        for (void *it = json_object_iter(json); it && !error; it = json_object_iter_next(json, it))
            error = take_member(&r, json_object_iter_key(it), json_object_iter_value(it), reterr);
    if (error) {
        if (error == -ENOMEM)
            snprintf(reterr->text, sizeof reterr->text, "out of memory");
        record_fini(&r);
        return error;
    }
    *ret_record = r;
    return 0;
}

void record_fini(struct record *r)
{
    json_decref(r->json);
    free(r->payload_text);
    free(r->bytes);
    free(r->properties);
}
