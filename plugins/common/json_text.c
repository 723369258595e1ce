/* SPDX-License-Identifier: Apache-2.0 */
/* A writer of JSON of our own, since jansson's prints 0.1 as 0.10000000000000001. */
#include "json_text.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

json_t *json_of_payload(const struct mg_host *host, const mg_event *event, struct mg_err *reterr)
{
    struct mg_bytes payload = host->event_payload(event);
    json_error_t at;
    json_t *json = json_loadb(payload.len ? payload.at : "", payload.len,
                              JSON_DECODE_ANY | JSON_ALLOW_NUL, &at);
    if (!json && !payload.len)
        snprintf(reterr->text, sizeof reterr->text, "the payload is empty, not JSON");
    else if (!json)
        snprintf(reterr->text, sizeof reterr->text,
                 "the payload is not JSON: %.160s at line %d, column %d", at.text, at.line,
                 at.column);
    return json;
}

int json_format_double(double value, char *out, size_t size)
{
    int n = 0;
    for (int precision = 15; precision <= 17; precision++) {
        n = snprintf(out, size, "%.*g", precision, value);
        if (strtod(out, NULL) == value)
            break;
    }
    return n;
}

struct text {
    char *at;
    size_t used, size;
    bool failed;
};

static void put(struct text *t, const char *at, size_t length)
{
    if (t->failed)
        return;
    if (t->size - t->used < length) {
        size_t size = t->size ? t->size : 256;
        while (size - t->used < length)
            size *= 2;
        char *grown = realloc(t->at, size);
        if (!grown) {
            t->failed = true;
            return;
        }
        t->at = grown;
        t->size = size;
    }
    if (length)
        memcpy(t->at + t->used, at, length);
    t->used += length;
}

static void put_string(struct text *t, const char *s, size_t length)
{
    put(t, "\"", 1);
    size_t start = 0;
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)s[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        char escape[8];
        int n = c == '"' || c == '\\' ? snprintf(escape, sizeof escape, "\\%c", c)
                : c == '\n'           ? snprintf(escape, sizeof escape, "\\n")
                : c == '\t'           ? snprintf(escape, sizeof escape, "\\t")
                : c == '\r'           ? snprintf(escape, sizeof escape, "\\r")
                                      : snprintf(escape, sizeof escape, "\\u%04x", c);
        put(t, s + start, i - start);
        put(t, escape, (size_t)n);
        start = i + 1;
    }
    put(t, s + start, length - start);
    put(t, "\"", 1);
}

/* As deep as the parser lets a document be (2048). */
static void put_json(struct text *t, const json_t *json)
{
    char number[40];
    int n;
    switch (json_typeof(json)) {
    case JSON_OBJECT: {
        const char *separator = "{";
        json_t *object = (json_t *)(uintptr_t)json; /* iterators want it so; nothing is changed */
        for (void *at = json_object_iter(object); at; at = json_object_iter_next(object, at)) {
            put(t, separator, 1);
            put_string(t, json_object_iter_key(at), strlen(json_object_iter_key(at)));
            put(t, ":", 1);
            put_json(t, json_object_iter_value(at));
            separator = ",";
        }
        put(t, *separator == '{' ? "{}" : "}", *separator == '{' ? 2 : 1);
        break;
    }
    case JSON_ARRAY:
        put(t, "[", 1);
        for (size_t i = 0; i < json_array_size(json); i++) {
            if (i)
                put(t, ",", 1);
            put_json(t, json_array_get(json, i));
        }
        put(t, "]", 1);
        break;
    case JSON_STRING:
        put_string(t, json_string_value(json), json_string_length(json));
        break;
    case JSON_INTEGER:
        n = snprintf(number, sizeof number, "%" JSON_INTEGER_FORMAT, json_integer_value(json));
        put(t, number, (size_t)n);
        break;
    case JSON_REAL:
        n = json_format_double(json_real_value(json), number, sizeof number);
        put(t, number, (size_t)n);
        if (!strpbrk(number, ".e")) /* a real stays a real */
            put(t, ".0", 2);
        break;
    case JSON_TRUE:
        put(t, "true", 4);
        break;
    case JSON_FALSE:
        put(t, "false", 5);
        break;
    default:
        put(t, "null", 4);
        break;
    }
}

char *json_to_text(const json_t *json, size_t *ret_length)
{
    struct text t = {0};
    put_json(&t, json);
    put(&t, "", 1);
    if (t.failed) {
        free(t.at);
        return NULL;
    }
    *ret_length = t.used - 1;
    return t.at;
}

mg_event *json_event(const struct mg_host *host, const mg_event *base, const json_t *json)
{
    size_t length;
    char *text = json_to_text(json, &length);
    mg_edit *edit = text ? host->edit_new(base) : NULL;
    if (!edit || host->edit_payload(edit, (struct mg_bytes){text, length}, free, text)) {
        host->edit_free(edit);
        free(text);
        return NULL;
    }
    return host->edit_publish(edit);
}
