/* SPDX-License-Identifier: Apache-2.0 */
/* Writes an event as JSON, keeping every field, property, type and byte. */
#include "record.h"
#include "record_fields.h"
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void put_quoted(struct buffer *o, struct mg_str text)
{
    buffer_put(o, "\"", 1);
    size_t start = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c >= 0x20 && c != '"' && c != '\\' && c != 0x7f)
            continue;
        buffer_put(o, text.at + start, i - start);
        start = i + 1;
        const char *escape = c == '"'    ? "\\\""
                             : c == '\\' ? "\\\\"
                             : c == '\n' ? "\\n"
                             : c == '\t' ? "\\t"
                                         : NULL;
        if (escape)
            buffer_put(o, escape, 2);
        else
            buffer_format(o, "\\u%04x", c);
    }
    buffer_put(o, text.at + start, text.len - start);
    buffer_put(o, "\"", 1);
}

/* "value":"…", or "base64":"…" where it is not UTF-8. */
static void put_tagged_bytes(struct buffer *o, const void *at, size_t length, bool is_text)
{
    if (is_text && utf8_is_valid(at, length)) {
        buffer_text(o, "\"value\":");
        put_quoted(o, (struct mg_str){at, length});
    } else {
        buffer_text(o, "\"base64\":\"");
        buffer_base64(o, at, length);
        buffer_put(o, "\"", 1);
    }
}

static void put_double(struct buffer *o, double d, bool single)
{
    if (isnan(d))
        buffer_text(o, "\"NaN\"");
    else if (isinf(d))
        buffer_text(o, d < 0 ? "\"-Infinity\"" : "\"Infinity\"");
    else {
        char text[40];
        int precision = single ? 6 : 15; /* the shortest that reads back as the same */
        do
            snprintf(text, sizeof text, "%.*g", precision, d);
        while (precision++ < (single ? 9 : 17) &&
               (single ? (double)strtof(text, NULL) != d : strtod(text, NULL) != d));
        buffer_text(o, text);
        if (!strpbrk(text, ".e")) /* a reader must see a real number, not an integer */
            buffer_text(o, ".0");
    }
}

static void put_tagged(struct buffer *o, const struct mg_value *v)
{
    buffer_text(o, "{\"type\":\"");
    buffer_text(o, record_type_names[v->type]);
    buffer_text(o, "\",");
    if (v->width)
        buffer_format(o, "\"bits\":%" PRIu32 ",", v->width);
    switch (v->type) {
    case MG_INT:
    case MG_TIME:
        buffer_format(o, "\"value\":%" PRId64, v->as.i);
        break;
    case MG_UINT:
        /* Many readers of JSON have no integers above 2^63-1. */
        buffer_format(o, v->as.u > INT64_MAX ? "\"value\":\"%" PRIu64 "\"" : "\"value\":%" PRIu64,
                      v->as.u);
        break;
    case MG_CHAR:
        buffer_format(o, "\"value\":%" PRIu64, v->as.u);
        break;
    case MG_FLOAT:
        buffer_text(o, "\"value\":");
        put_double(o, v->as.d, v->width == 32);
        break;
    case MG_TEXT:
    case MG_SYMBOL:
        put_tagged_bytes(o, v->as.text.at, v->as.text.len, true);
        break;
    case MG_UUID:
        buffer_text(o, "\"value\":\"");
        for (size_t i = 0; i < 16; i++)
            buffer_format(o, "%s%02x", i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "",
                          v->as.uuid[i]);
        buffer_put(o, "\"", 1);
        break;
    case MG_BOOL:
        buffer_text(o, v->as.b ? "\"value\":true" : "\"value\":false");
        break;
    default: /* MG_BINARY, MG_DECIMAL */
        put_tagged_bytes(o, v->as.binary.at, v->as.binary.len, false);
        break;
    }
    buffer_put(o, "}", 1);
}

/* What JSON has itself stays plain: texts, booleans, null, 64-bit integers and doubles. */
static void put_value(struct buffer *o, const struct mg_value *v)
{
    if (v->type == MG_TEXT && utf8_is_valid(v->as.text.at, v->as.text.len))
        put_quoted(o, v->as.text);
    else if (v->type == MG_NULL || v->type > MG_SYMBOL)
        buffer_text(o, "null");
    else if (v->type == MG_BOOL && !v->width)
        buffer_text(o, v->as.b ? "true" : "false");
    else if (v->type == MG_INT && v->width == 64)
        buffer_format(o, "%" PRId64, v->as.i);
    else if (v->type == MG_FLOAT && v->width == 64 && isfinite(v->as.d))
        put_double(o, v->as.d, false);
    else
        put_tagged(o, v);
}

static void put_key(struct buffer *o, const char *name)
{
    buffer_text(o, o->at && o->used && o->at[o->used - 1] == '{' ? "\"" : ",\"");
    buffer_text(o, name);
    buffer_text(o, "\":");
}

static void put_head(struct buffer *o, const struct mg_head *head)
{
    for (const struct record_field *f = record_fields; f->name; f++) {
        const char *at = (const char *)head + f->offset;
        if (f->present && !(head->present & f->present))
            continue;
        switch (f->kind) {
        case FIELD_TEXT: {
            const struct mg_str *text = (const void *)at;
            if (!text->at)
                break;
            put_key(o, f->name);
            put_value(o, &(struct mg_value){.type = MG_TEXT, .as.text = *text});
            break;
        }
        case FIELD_VALUE: {
            const struct mg_value *value = (const void *)at;
            if (value->type == MG_NULL)
                break;
            put_key(o, f->name);
            put_value(o, value);
            break;
        }
        case FIELD_BYTES: {
            const struct mg_bytes *bytes = (const void *)at;
            if (!bytes->at)
                break;
            put_key(o, f->name);
            put_value(o, &(struct mg_value){.type = MG_TEXT, .as.text = {bytes->at, bytes->len}});
            break;
        }
        case FIELD_BOOL:
            if (!f->present && !*(const bool *)(const void *)at)
                break;
            put_key(o, f->name);
            buffer_text(o, *(const bool *)(const void *)at ? "true" : "false");
            break;
        case FIELD_U8:
            put_key(o, f->name);
            buffer_format(o, "%u", *(const uint8_t *)at);
            break;
        case FIELD_U32:
            put_key(o, f->name);
            buffer_format(o, "%" PRIu32, *(const uint32_t *)(const void *)at);
            break;
        case FIELD_I64:
            put_key(o, f->name);
            buffer_format(o, "%" PRId64, *(const int64_t *)(const void *)at);
            break;
        }
    }
}

/* An object says it best, but has neither two of one name nor names that no
 * reader of JSON takes as a key. */
static bool fits_object(const struct mg_property *p, size_t count)
{
    if (count > 64)
        return false;
    for (size_t i = 0; i < count; i++) {
        if (!utf8_is_valid(p[i].name.at, p[i].name.len) ||
            (p[i].name.len && memchr(p[i].name.at, 0, p[i].name.len)))
            return false;
        for (size_t k = 0; k < i; k++)
            if (p[k].name.len == p[i].name.len &&
                (!p[i].name.len || !memcmp(p[k].name.at, p[i].name.at, p[i].name.len)))
                return false;
    }
    return true;
}

static void put_properties(struct buffer *o, const struct mg_property *p, size_t count)
{
    bool object = fits_object(p, count);
    put_key(o, "properties");
    buffer_text(o, object ? "{" : "[");
    for (size_t i = 0; i < count; i++) {
        buffer_text(o, i ? "," : "");
        buffer_text(o, object ? "" : "{\"name\":");
        put_value(
            o, &(struct mg_value){.type = MG_TEXT,
                                  .as.text = {p[i].name.len ? p[i].name.at : "", p[i].name.len}});
        buffer_text(o, object ? ":" : ",\"value\":");
        put_value(o, &p[i].value);
        buffer_text(o, object ? "" : "}");
    }
    buffer_text(o, object ? "}" : "]");
}

int record_write(const struct mg_host *host, const mg_event *event, struct buffer *out)
{
    size_t start = out->used;
    const struct mg_head *head = host->event_head(event);
    struct mg_bytes payload = host->event_payload(event);
    size_t count;
    const struct mg_property *properties = host->event_properties(event, &count);

    buffer_text(out, "{");
    put_head(out, head);
    if (count)
        put_properties(out, properties, count);
    if (utf8_is_valid(payload.at, payload.len)) {
        put_key(out, "payload");
        put_quoted(out, (struct mg_str){payload.at, payload.len});
    } else {
        put_key(out, "payload_base64");
        buffer_put(out, "\"", 1);
        buffer_base64(out, payload.at, payload.len);
        buffer_put(out, "\"", 1);
    }
    buffer_text(out, "}\n");
    if (!out->failed)
        return 0;
    out->failed = false;
    out->used = start;
    return -ENOMEM;
}
