/* SPDX-License-Identifier: Apache-2.0 */
/* Document to text. */
#include "json_doc_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct text {
    char *at;
    size_t used, size;
    bool failed;
};

static bool make_room(struct text *t, size_t length)
{
    if (t->size - t->used >= length)
        return !t->failed;
    size_t size = t->size ? t->size : 512;
    while (size - t->used < length)
        size *= 2;
    char *grown = t->failed ? NULL : realloc(t->at, size);
    if (!grown) {
        t->failed = true;
        return false;
    }
    t->at = grown;
    t->size = size;
    return true;
}

static void put(struct text *t, const char *at, size_t length)
{
    if (!length || !make_room(t, length))
        return;
    memcpy(t->at + t->used, at, length);
    t->used += length;
}

static void put_character(struct text *t, char c)
{
    if (make_room(t, 1))
        t->at[t->used++] = c;
}

static void put_quoted(struct text *t, struct mg_str s)
{
    static const char named[] = "\"\\\b\f\n\r\t", names[] = "\"\\bfnrt";
    put_character(t, '"');
    size_t start = 0;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.at[i];
        if (c >= 0x20 && c != '"' && c != '\\')
            continue;
        char escape[8];
        const char *name = c ? strchr(named, c) : NULL;
        int n = name ? snprintf(escape, sizeof escape, "\\%c", names[name - named])
                     : snprintf(escape, sizeof escape, "\\u%04x", c);
        put(t, s.at + start, i - start);
        put(t, escape, (size_t)n);
        start = i + 1;
    }
    put(t, s.at + start, s.len - start);
    put_character(t, '"');
}

static void put_text(struct text *t, struct mg_str text, struct mg_str raw)
{
    if (raw.at)
        put(t, raw.at, raw.len);
    else
        put_quoted(t, text);
}

/* As deep as the parser and the modules' settings let a value be. */
static void put_value(struct text *t, const struct doc_value *value)
{
    switch (value->kind) {
    case DOC_NULL:
        put(t, "null", 4);
        break;
    case DOC_BOOL:
        put(t, value->truth ? "true" : "false", value->truth ? 4 : 5);
        break;
    case DOC_NUMBER:
        put(t, value->text.at, value->text.len);
        break;
    case DOC_TEXT:
        put_text(t, value->text, value->raw);
        break;
    case DOC_LIST:
        put_character(t, '[');
        for (size_t i = 0; i < value->count; i++) {
            if (i)
                put_character(t, ',');
            put_value(t, value->items[i]);
        }
        put_character(t, ']');
        break;
    default:
        put_character(t, '{');
        for (size_t i = 0; i < value->count; i++) {
            if (i)
                put_character(t, ',');
            put_text(t, value->members[i].name, value->members[i].raw);
            put_character(t, ':');
            put_value(t, value->members[i].value);
        }
        put_character(t, '}');
        break;
    }
}

char *doc_write(const struct doc_value *value, size_t *ret_length)
{
    struct text t = {0};
    put_value(&t, value);
    put_character(&t, '\0');
    if (t.failed) {
        free(t.at);
        return NULL;
    }
    *ret_length = t.used - 1;
    return t.at;
}

mg_event *doc_event(const struct mg_host *host, const mg_event *base, const struct doc_value *value)
{
    size_t length;
    char *text = doc_write(value, &length);
    mg_edit *edit = text ? host->edit_new(base) : NULL;
    if (!edit || host->edit_payload(edit, (struct mg_bytes){text, length}, free, text)) {
        host->edit_free(edit);
        free(text);
        return NULL;
    }
    return host->edit_publish(edit);
}
