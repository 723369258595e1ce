/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes as properties, for each binding. */
#include "binary.h"
#include "base64.h"
#include "percent.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static const struct binding {
    const char *prefix;
    bool typed;   /* values have types, not only texts */
    bool headers; /* names in any case, values percent-encoded */
} bindings[CE_BINDINGS] = {
    [CE_MQTT] = {.prefix = ""},
    [CE_AMQP] = {.prefix = "cloudEvents:", .typed = true},
    [CE_AMQP_UNDERSCORE] = {.prefix = "cloudEvents_", .typed = true},
    [CE_HTTP] = {.prefix = "ce-", .headers = true},
    [CE_KAFKA] = {.prefix = "ce_"},
};

/* What follows the binding's prefix; unset: it has another, or none. */
static struct mg_str name_in(const struct binding *b, struct mg_str property)
{
    size_t length = strlen(b->prefix);
    if (property.len < length)
        return (struct mg_str){0};
    int other = b->headers ? strncasecmp(property.at, b->prefix, length)
                : length   ? memcmp(property.at, b->prefix, length)
                           : 0;
    return other ? (struct mg_str){0}
                 : (struct mg_str){property.at + length, property.len - length};
}

bool binary_find(const struct mg_host *host, const mg_event *event, enum ce_binding *ret_binding)
{
    size_t count;
    const struct mg_property *p = host->event_properties(event, &count);
    /* Names without a prefix come last: any message may have one. */
    for (int b = CE_BINDINGS - 1; b >= 0; b--) {
        for (size_t i = 0; i < count; i++) {
            struct mg_str name = name_in(&bindings[b], p[i].name);
            if (name.at && name.len == strlen("specversion") &&
                !(bindings[b].headers ? strncasecmp : strncmp)(name.at, "specversion", name.len)) {
                *ret_binding = (enum ce_binding)b;
                return true;
            }
        }
    }
    return false;
}

/* ---- reading -------------------------------------------------------------------------------- */

static int read_time(int64_t ms, struct arena *arena, struct mg_str *ret, struct mg_err *err)
{
    struct tm tm;
    time_t s = (time_t)(ms >= 0 ? ms / 1000 : -((-ms + 999) / 1000));
    int rest = (int)(ms - (int64_t)s * 1000);
    char *out = arena_take(arena, 64), fraction[8] = "";
    if (!out)
        return ce_no_memory(err);
    if (ms < -62167219200000 || ms >= 253402300800000 || !gmtime_r(&s, &tm))
        return ce_refuse(err, "a time outside of the years 0 to 9999");
    if (rest)
        snprintf(fraction, sizeof fraction, ".%03d", rest);
    int n = snprintf(out, 64, "%04d-%02d-%02dT%02d:%02d:%02d%sZ", tm.tm_year + 1900, tm.tm_mon + 1,
                     tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, fraction);
    *ret = (struct mg_str){out, (size_t)n};
    return 0;
}

static int read_binary(struct mg_bytes bytes, struct arena *arena, struct mg_str *ret,
                       struct mg_err *err)
{
    char *out = arena_take(arena, base64_length(bytes.len));
    if (!out)
        return ce_no_memory(err);
    base64_encode(bytes.at, bytes.len, out);
    *ret = (struct mg_str){out, base64_length(bytes.len)};
    return 0;
}

static int read_number(const struct mg_value *v, struct arena *arena, struct mg_str *ret,
                       struct mg_err *err)
{
    char *out = arena_take(arena, 64);
    if (!out)
        return ce_no_memory(err);
    int n = v->type == MG_INT ? snprintf(out, 64, "%" PRId64, v->as.i)
                              : snprintf(out, 64, "%" PRIu64, v->as.u);
    *ret = (struct mg_str){out, (size_t)n};
    return 0;
}

static int read_uuid(const uint8_t uuid[16], struct arena *arena, struct mg_str *ret,
                     struct mg_err *err)
{
    char *out = arena_take(arena, 64);
    int n = 0;
    if (!out)
        return ce_no_memory(err);
    for (int i = 0; i < 16; i++)
        n += snprintf(out + n, 64 - (size_t)n, "%s%02x",
                      i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", uuid[i]);
    *ret = (struct mg_str){out, (size_t)n};
    return 0;
}

/* AMQP binding §3.1.3.2: native types and canonical texts; a few more types are taken, too. */
static int read_value(const struct binding *b, const struct mg_value *v, struct arena *arena,
                      enum ce_type *ret_type, struct mg_str *ret, struct mg_err *err)
{
    *ret_type = CE_STRING;
    switch (v->type) {
    case MG_TEXT:
    case MG_SYMBOL:
        *ret = v->as.text.at ? v->as.text : (struct mg_str){"", 0};
        return b->headers ? percent_decode(*ret, arena, ret, err) : 0;
    case MG_BOOL:
        *ret_type = CE_BOOLEAN;
        *ret = v->as.b ? (struct mg_str){"true", 4} : (struct mg_str){"false", 5};
        return 0;
    case MG_INT:
    case MG_UINT:
        *ret_type = CE_INTEGER;
        return read_number(v, arena, ret, err);
    case MG_TIME:
        return read_time(v->as.i, arena, ret, err);
    case MG_BINARY:
        *ret_type = CE_BINARY;
        return read_binary(v->as.binary, arena, ret, err);
    case MG_UUID:
        return read_uuid(v->as.uuid, arena, ret, err);
    default:
        return ce_refuse(err, "its type is none that CloudEvents has");
    }
}

/* Header names come in any case. */
static int lower_case(struct mg_str *name, struct arena *arena, struct mg_err *err)
{
    char *out = arena_take(arena, name->len);
    if (!out)
        return ce_no_memory(err);
    for (size_t i = 0; i < name->len; i++)
        out[i] =
            (char)(name->at[i] >= 'A' && name->at[i] <= 'Z' ? name->at[i] | 0x20 : name->at[i]);
    name->at = out;
    return 0;
}

static int read_property(const struct binding *b, struct mg_str name, const struct mg_value *v,
                         struct arena *arena, struct ce_event *e, struct mg_err *err)
{
    enum ce_type type;
    struct mg_str value;
    struct mg_err why;
    /* Without a prefix, what cannot be an attribute is a property like any other. */
    if (v->type == MG_NULL || (!*b->prefix && ce_wrong_name(name)))
        return 0;
    int error = b->headers ? lower_case(&name, arena, err) : 0;
    if (error)
        return error;
    error = read_value(b, v, arena, &type, &value, &why);
    if (error)
        return error == -ENOMEM
                   ? ce_no_memory(err)
                   : ce_refuse(err, "attribute %.*s: %.150s", (int)(name.len < 80 ? name.len : 80),
                               name.at, why.text);
    return ce_set(e, name, type, value, err);
}

/* The content type is datacontenttype; some senders repeat it as an attribute. */
static int read_content_type(struct mg_str head, struct ce_event *e, struct mg_err *err)
{
    struct mg_str said = e->content_type;
    if (!head.len)
        return 0;
    if (said.at && (said.len != head.len || strncasecmp(said.at, head.at, said.len) != 0))
        return ce_refuse(err, "attribute datacontenttype: \"%.*s\", and the content type is %.*s",
                         (int)(said.len < 80 ? said.len : 80), said.at,
                         (int)(head.len < 80 ? head.len : 80), head.at);
    e->content_type = (struct mg_str){0};
    return ce_set(e, (struct mg_str){"datacontenttype", 15}, CE_STRING, head, err);
}

int binary_read(const struct mg_host *host, const mg_event *message, enum ce_binding binding,
                struct arena *arena, struct ce_event *ret, bool *ret_mixed, struct mg_err *reterr)
{
    size_t count;
    const struct mg_property *p = host->event_properties(message, &count);
    struct mg_bytes payload = host->event_payload(message);
    int error = 0;
    ce_begin(ret);
    *ret_mixed = false;
    for (size_t i = 0; i < count && !error; i++) {
        for (int b = 0; b < CE_BINDINGS && !error; b++) {
            bool other = (enum ce_binding)b != binding;
            struct mg_str name = name_in(&bindings[b], p[i].name);
            if (!name.at || (other && !(bindings[b].typed && bindings[binding].typed)))
                continue;
            *ret_mixed |= other;
            error = read_property(&bindings[b], name, &p[i].value, arena, ret, reterr);
        }
    }
    if (!error)
        error = read_content_type(host->event_head(message)->content_type, ret, reterr);
    ret->data = (struct mg_str){payload.at ? payload.at : "", payload.len};
    ret->data_kind = payload.len ? CE_BYTES : CE_NO_DATA;
    return error ? error : ce_complete(ret, reterr);
}

/* ---- writing -------------------------------------------------------------------------------- */

int binary_remove(const struct mg_host *host, const mg_event *message, const struct ce_event *e,
                  unsigned in, mg_edit *edit)
{
    size_t count;
    const struct mg_property *p = host->event_properties(message, &count);
    int error = 0;
    for (size_t i = 0; i < count && !error; i++) {
        struct mg_str name = p[i].name;
        bool remove = in & 1u << CE_MQTT && (ce_is_core(name) || ce_find(e, name));
        for (int b = CE_MQTT + 1; b < CE_BINDINGS; b++)
            remove |= in & 1u << b && name_in(&bindings[b], name).at;
        if (remove)
            error = host->edit_property(edit, name, NULL);
    }
    return error;
}

static struct mg_str prefixed(const char *prefix, struct mg_str name, struct arena *arena)
{
    size_t length = strlen(prefix);
    char *out = arena_take(arena, length + name.len);
    if (!out)
        return (struct mg_str){0};
    memcpy(out, prefix, length);
    memcpy(out + length, name.at, name.len);
    return (struct mg_str){out, length + name.len};
}

/* A Timestamp goes as its text: AMQP's has milliseconds and no zone, and would change some. */
static int native(const struct ce_attribute *a, struct arena *arena, struct mg_value *ret)
{
    size_t length;
    char *out;
    switch (a->type) {
    case CE_INTEGER:
        *ret = (struct mg_value){.type = MG_INT, .width = 64};
        for (size_t i = a->value.at[0] == '-'; i < a->value.len; i++)
            ret->as.i = ret->as.i * 10 + (a->value.at[i] - '0');
        ret->as.i = a->value.at[0] == '-' ? -ret->as.i : ret->as.i;
        return 0;
    case CE_BOOLEAN:
        *ret = (struct mg_value){.type = MG_BOOL, .as.b = a->value.at[0] == 't'};
        return 0;
    case CE_BINARY:
        out = arena_take(arena, a->value.len);
        if (!out || base64_decode(a->value.at, a->value.len, out, &length))
            return -ENOMEM;
        *ret = (struct mg_value){.type = MG_BINARY, .as.binary = {out, length}};
        return 0;
    default:
        *ret = (struct mg_value){.type = MG_TEXT, .as.text = a->value};
        return 0;
    }
}

static int write_one(const struct mg_host *host, const struct binding *b,
                     const struct ce_attribute *a, struct arena *arena, mg_edit *edit)
{
    struct mg_value value = {.type = MG_TEXT, .as.text = a->value};
    struct mg_str name = prefixed(b->prefix, a->name, arena);
    int error = name.at ? 0 : -ENOMEM;
    if (!error && b->typed)
        error = native(a, arena, &value);
    if (!error && b->headers)
        error = percent_encode(a->value, arena, &value.as.text);
    return error ? error : host->edit_property(edit, name, &value);
}

static int write_all(const struct mg_host *host, const struct binding *b, const struct ce_event *e,
                     struct arena *arena, mg_edit *edit)
{
    const struct ce_attribute version = {{"specversion", 11}, {"1.0", 3}, CE_STRING};
    int error = write_one(host, b, &version, arena, edit);
    for (size_t i = 0; i < e->count && !error; i++)
        error = write_one(host, b, &e->attributes[i], arena, edit);
    return error;
}

int binary_write(const struct mg_host *host, const struct ce_event *e, enum ce_binding binding,
                 struct arena *arena, mg_edit *edit)
{
    return write_all(host, &bindings[binding], e, arena, edit);
}

int binary_write_texts(const struct mg_host *host, const struct ce_event *e, const char *prefix,
                       struct arena *arena, mg_edit *edit)
{
    const struct binding b = {.prefix = prefix};
    const struct ce_attribute type = {{"datacontenttype", 15}, e->content_type, CE_STRING};
    int error = write_all(host, &b, e, arena, edit);
    return error || !e->content_type.at ? error : write_one(host, &b, &type, arena, edit);
}
