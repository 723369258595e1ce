/* SPDX-License-Identifier: Apache-2.0 */
/* Reads texts, bytes and typed values from JSON. */
#include "base/arena.h"
#include "base/base64.h"
#include "store/record_json_internal.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int gw_json_wrong(struct gw_json_reader *r, const char *key, const char *what)
{
    snprintf(r->err->text, sizeof r->err->text, "\"%.64s\": %s", key, what);
    return -EINVAL;
}

void *gw_json_room(struct gw_json_reader *r, size_t count, size_t size)
{
    return gw_arena_alloc(r->arena, count ? count * size : 1);
}

static int take_base64(struct gw_json_reader *r, const json_t *j, const void **ret_at,
                       size_t *ret_length)
{
    if (!json_is_string(j))
        return -EINVAL;
    size_t length = json_string_length(j);
    void *at = gw_json_room(r, length / 4 + 1, 3);
    if (!at)
        return -ENOMEM;
    *ret_at = at;
    return gw_base64_decode(json_string_value(j), length, at, ret_length);
}

static int take_uuid(const json_t *j, uint8_t uuid[16])
{
    const char *s = json_string_value(j);
    if (!s || json_string_length(j) != 36)
        return -EINVAL;
    for (size_t i = 0; i < 16; i++) {
        if ((i == 4 || i == 6 || i == 8 || i == 10) && *s++ != '-')
            return -EINVAL;
        if (strspn(s, "0123456789abcdefABCDEF") < 2)
            return -EINVAL;
        uuid[i] = (uint8_t)strtoul((char[]){s[0], s[1], '\0'}, NULL, 16);
        s += 2;
    }
    return 0;
}

int gw_json_take_hex64(const char *s, uint64_t *ret)
{
    if (strlen(s) != 16 || strspn(s, "0123456789abcdefABCDEF") != 16)
        return -EINVAL;
    *ret = strtoull(s, NULL, 16);
    return 0;
}

static int take_double(const json_t *j, double *ret)
{
    const char *s = json_string_value(j);
    uint64_t bits;
    if (json_is_number(j)) {
        *ret = json_number_value(j);
        return 0;
    }
    if (!s)
        return -EINVAL;
    if (!strcmp(s, "NaN"))
        *ret = NAN;
    else if (!strcmp(s, "Infinity") || !strcmp(s, "-Infinity"))
        *ret = *s == '-' ? -INFINITY : INFINITY;
    else if (!strncmp(s, "NaN:", 4) && gw_json_take_hex64(s + 4, &bits) == 0)
        memcpy(ret, &bits, sizeof bits);
    else
        return -EINVAL;
    return 0;
}

int gw_json_take_unsigned(const json_t *j, uint64_t *ret)
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

int gw_json_take_bytes(struct gw_json_reader *r, const json_t *value, const json_t *base64,
                       bool is_text, struct mg_bytes *ret)
{
    if (base64)
        return value ? -EINVAL : take_base64(r, base64, &ret->at, &ret->len);
    if (!is_text || !json_is_string(value))
        return -EINVAL;
    *ret = (struct mg_bytes){json_string_value(value), json_string_length(value)};
    return 0;
}

int gw_json_take_text(struct gw_json_reader *r, const json_t *j, struct mg_str *ret)
{
    struct mg_bytes bytes;
    int error;
    if (json_is_object(j)) {
        const char *type = json_string_value(json_object_get(j, "type"));
        if (!type || strcmp(type, "text") != 0 || json_object_size(j) != 2)
            return -EINVAL;
        error = take_base64(r, json_object_get(j, "base64"), &bytes.at, &bytes.len);
    } else {
        error = gw_json_take_bytes(r, j, NULL, true, &bytes);
    }
    if (!error)
        *ret = (struct mg_str){bytes.at, bytes.len};
    return error;
}

static bool in_width(const struct mg_value *v)
{
    if (!v->width || v->width >= 64)
        return true;
    if (v->type == MG_UINT)
        return v->as.u >> v->width == 0;
    return v->as.i >= -((int64_t)1 << (v->width - 1)) && v->as.i < (int64_t)1 << (v->width - 1);
}

static int take_content(struct gw_json_reader *r, const json_t *value, const json_t *base64,
                        struct mg_value *v)
{
    struct mg_bytes bytes;
    int error;
    switch (v->type) {
    case MG_TEXT:
    case MG_SYMBOL:
        error = gw_json_take_bytes(r, value, base64, true, &bytes);
        if (!error)
            v->as.text = (struct mg_str){bytes.at, bytes.len};
        return error;
    case MG_BINARY:
    case MG_DECIMAL:
        error = gw_json_take_bytes(r, value, base64, false, &v->as.binary);
        return !error && v->type == MG_DECIMAL && v->as.binary.len * 8 != v->width ? -EINVAL
                                                                                   : error;
    case MG_BOOL:
        v->as.b = json_is_true(value);
        return json_is_boolean(value) ? 0 : -EINVAL;
    case MG_INT:
    case MG_TIME:
        v->as.i = json_integer_value(value);
        return json_is_integer(value) && (v->type == MG_TIME || in_width(v)) ? 0 : -EINVAL;
    case MG_UINT:
        error = gw_json_take_unsigned(value, &v->as.u);
        return !error && !in_width(v) ? -EINVAL : error;
    case MG_CHAR:
        return gw_json_take_unsigned(value, &v->as.u);
    case MG_FLOAT:
        return take_double(value, &v->as.d);
    case MG_UUID:
        return take_uuid(value, v->as.uuid);
    default:
        return json_is_null(value) ? 0 : -EINVAL;
    }
}

int gw_json_take_typed(struct gw_json_reader *r, const json_t *j, size_t more, struct mg_value *v)
{
    const char *name = json_string_value(json_object_get(j, "type"));
    json_t *value = json_object_get(j, "value"), *base64 = json_object_get(j, "base64");
    json_t *bits = json_object_get(j, "bits");
    if (!name || (bits && !json_is_integer(bits)) ||
        json_object_size(j) != more + 1u + !!value + !!base64 + !!bits || !value == !base64)
        return -EINVAL;
    for (v->type = 0; v->type <= MG_SYMBOL; v->type++)
        if (!strcmp(name, gw_json_types[v->type]))
            break;
    json_int_t width = json_integer_value(bits);
    if (v->type > MG_SYMBOL || width < 0 || width > UINT32_MAX)
        return -EINVAL;
    v->width = (uint32_t)width;
    return take_content(r, value, base64, v);
}

int gw_json_take_plain(const json_t *j, struct mg_value *v)
{
    switch (json_typeof(j)) {
    case JSON_STRING:
        v->type = MG_TEXT;
        v->as.text = (struct mg_str){json_string_value(j), json_string_length(j)};
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        v->type = MG_BOOL;
        v->as.b = json_is_true(j);
        return 0;
    case JSON_INTEGER:
        *v = (struct mg_value){.type = MG_INT, .width = 64, .as.i = json_integer_value(j)};
        return 0;
    case JSON_REAL:
        *v = (struct mg_value){.type = MG_FLOAT, .width = 64, .as.d = json_real_value(j)};
        return 0;
    case JSON_NULL:
        return 0;
    default:
        return -EINVAL;
    }
}

int gw_json_take_id(struct gw_json_reader *r, const json_t *j, struct mg_value *ret)
{
    struct mg_value v = {.type = MG_NULL};
    int error = json_is_object(j) ? gw_json_take_typed(r, j, 0, &v) : gw_json_take_plain(j, &v);
    if (error)
        return error;
    if (json_is_integer(j) && v.as.i >= 0)
        v = (struct mg_value){.type = MG_UINT, .width = 64, .as.u = (uint64_t)v.as.i};
    if (v.type != MG_TEXT && v.type != MG_BINARY && v.type != MG_UINT && v.type != MG_UUID)
        return -EINVAL;
    *ret = v;
    return 0;
}
