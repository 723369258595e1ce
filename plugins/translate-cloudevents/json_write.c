/* SPDX-License-Identifier: Apache-2.0 */
/* Writes CloudEvents' JSON format (1.0.2). */
#include "base64.h"
#include "json_format.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct out {
    char *at;
    size_t used, size;
    bool failed;
};

/* Room for so many bytes more; NULL: out of memory, now and from now on. */
static char *room(struct out *o, size_t length)
{
    if (o->failed)
        return NULL;
    if (o->size - o->used < length) {
        size_t size = o->size * 2 > o->used + length ? o->size * 2 : o->used + length;
        char *grown = realloc(o->at, size);
        if (!grown) {
            o->failed = true;
            return NULL;
        }
        o->at = grown;
        o->size = size;
    }
    char *at = o->at + o->used;
    o->used += length;
    return at;
}

static void put(struct out *o, const char *text, size_t length)
{
    char *at = room(o, length);
    if (at && length)
        memcpy(at, text, length);
}

static void put_word(struct out *o, const char *word)
{
    put(o, word, strlen(word));
}

static void put_text(struct out *o, struct mg_str text)
{
    size_t begun = 0;
    put(o, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.at[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        char escape[8];
        int n = c == '"' || c == '\\' ? snprintf(escape, sizeof escape, "\\%c", c)
                : c == '\n'           ? snprintf(escape, sizeof escape, "\\n")
                : c == '\t'           ? snprintf(escape, sizeof escape, "\\t")
                : c == '\r'           ? snprintf(escape, sizeof escape, "\\r")
                                      : snprintf(escape, sizeof escape, "\\u%04x", c);
        put(o, text.at + begun, i - begun);
        put(o, escape, (size_t)n);
        begun = i + 1;
    }
    put(o, text.at + begun, text.len - begun);
    put(o, "\"", 1);
}

static void put_member(struct out *o, struct mg_str name, enum ce_type type, struct mg_str value)
{
    put(o, ",", 1);
    put_text(o, name);
    put(o, ":", 1);
    if (type == CE_INTEGER || type == CE_BOOLEAN)
        put(o, value.at, value.len);
    else
        put_text(o, value);
}

static bool is_utf8(struct mg_str text)
{
    uint32_t point;
    for (size_t i = 0, length; i < text.len; i += length)
        if (!(length = scan_character(text.at + i, text.at + text.len, &point)))
            return false;
    return true;
}

/* Bytes that are what their content type says go as that; all others in base64, whole. */
static void put_data(struct out *o, const struct ce_event *e)
{
    struct mg_bytes bytes = {e->data.at, e->data.len};
    bool utf8 = ce_declares_utf8(e->content_type);
    bool json = e->data_kind == CE_JSON || (utf8 && ce_declares_json(e->content_type) &&
                                            (e->known_json || scan_is_json(bytes)));
    bool text =
        e->data_kind == CE_TEXT || (utf8 && ce_declares_text(e->content_type) && is_utf8(e->data));
    if (e->data_kind == CE_NO_DATA)
        return;
    put_word(o, json || text ? ",\"data\":" : ",\"data_base64\":\"");
    if (json) {
        put(o, e->data.at, e->data.len);
    } else if (text) {
        put_text(o, e->data);
    } else {
        char *at = room(o, base64_length(e->data.len));
        if (at)
            base64_encode(e->data.at, e->data.len, at);
        put(o, "\"", 1);
    }
}

int json_write_event(const struct ce_event *e, bool batch, struct mg_bytes *ret_text)
{
    /* Most events fit at once, data in base64 among them. */
    struct out o = {.size = 512 + (e->envelope.at ? e->envelope.len : base64_length(e->data.len))};
    o.at = malloc(o.size);
    o.failed = !o.at;
    put(&o, "[", batch);
    if (e->envelope.at) {
        put(&o, e->envelope.at, e->envelope.len);
    } else {
        put_word(&o, "{\"specversion\":\"1.0\"");
        for (size_t i = 0; i < e->count; i++) {
            const struct ce_attribute *a = &e->attributes[i];
            put_member(&o, a->name, a->type, a->value);
        }
        if (e->content_type.at)
            put_member(&o, (struct mg_str){"datacontenttype", 15}, CE_STRING, e->content_type);
        put_data(&o, e);
        put(&o, "}", 1);
    }
    put(&o, "]", batch);
    if (o.failed) {
        free(o.at);
        return -ENOMEM;
    }
    *ret_text = (struct mg_bytes){o.at, o.used};
    return 0;
}
