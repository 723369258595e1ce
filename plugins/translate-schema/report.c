/* SPDX-License-Identifier: Apache-2.0 */
/* Failures in words: data.items[3].price: must be at least 0, is -2 (order.json#/…/minimum). */
#include "run.h"
#include <stdio.h>
#include <string.h>

enum { PATH_BYTES = 200, WORDS_BYTES = 160, LOCATION_BYTES = 110 };

/* Not in the middle of a character. */
static size_t cut(const char *at, size_t length, size_t most)
{
    if (length <= most)
        return length;
    while (most && ((unsigned char)at[most] & 0xc0) == 0x80)
        most--;
    return most;
}

const char *shown_text(struct mg_str text, char out[SHOWN_BYTES])
{
    size_t n = cut(text.at, text.len, 40), length = 0;
    out[length++] = '"';
    for (size_t i = 0; i < n; i++)
        out[length++] = (unsigned char)text.at[i] < 0x20 ? ' ' : text.at[i];
    snprintf(out + length, SHOWN_BYTES - length, "%s", n < text.len ? "…\"" : "\"");
    return out;
}

const char *shown(const struct doc_value *v, char out[SHOWN_BYTES])
{
    switch (v->kind) {
    case DOC_NULL:
        snprintf(out, SHOWN_BYTES, "null");
        break;
    case DOC_BOOL:
        snprintf(out, SHOWN_BYTES, v->truth ? "true" : "false");
        break;
    case DOC_NUMBER:
        snprintf(out, SHOWN_BYTES, "%.*s%s", (int)(v->text.len < 40 ? v->text.len : 40), v->text.at,
                 v->text.len > 40 ? "…" : "");
        break;
    case DOC_TEXT:
        return shown_text(v->text, out);
    case DOC_LIST:
        snprintf(out, SHOWN_BYTES, "a list of %zu item%s", v->count, v->count == 1 ? "" : "s");
        break;
    default:
        snprintf(out, SHOWN_BYTES, "an object of %zu member%s", v->count, v->count == 1 ? "" : "s");
    }
    return out;
}

struct line {
    char *at;
    size_t length, size;
};

static void put(struct line *l, const char *at, size_t length)
{
    if (l->length + 1 >= l->size)
        return;
    size_t n = cut(at, length, l->size - 1 - l->length);
    memcpy(l->at + l->length, at, n);
    l->length += n;
    l->at[l->length] = '\0';
    if (n < length)
        l->size = 0; /* nothing behind a gap */
}

static bool is_plain(struct mg_str name)
{
    for (size_t i = 0; i < name.len; i++) {
        char c = name.at[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == '$';
        if (!letter && (i == 0 || ((c < '0' || c > '9') && c != '-')))
            return false;
    }
    return name.len > 0;
}

/* The way to a value, from the whole document on. */
enum { WAY_MAX = 64 };
static size_t way_of(const struct spot *spot, const struct spot *way[WAY_MAX])
{
    size_t count = spot->depth < WAY_MAX ? spot->depth : WAY_MAX;
    for (; spot->depth > count; spot = spot->in)
        ;
    for (size_t i = count; i > 0; i--, spot = spot->in)
        way[i - 1] = spot;
    return count;
}

static void put_path(struct line *l, const char *root, const struct spot *spot)
{
    const struct spot *way[WAY_MAX];
    char text[SHOWN_BYTES];
    size_t count = way_of(spot, way);
    put(l, root, strlen(root));
    for (size_t i = 0; i < count; i++) {
        if (!way[i]->name.at) {
            snprintf(text, sizeof text, "[%zu]", way[i]->index);
            put(l, text, strlen(text));
        } else if (is_plain(way[i]->name)) {
            put(l, ".", 1);
            put(l, way[i]->name.at, way[i]->name.len);
        } else {
            put(l, "[", 1);
            shown_text(way[i]->name, text);
            put(l, text, strlen(text));
            put(l, "]", 1);
        }
    }
}

static void put_pointer(struct line *l, const struct spot *spot)
{
    const struct spot *way[WAY_MAX];
    size_t count = way_of(spot, way);
    l->at[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        char text[24];
        struct mg_str part = way[i]->name;
        if (!part.at)
            part = (struct mg_str){text, (size_t)snprintf(text, sizeof text, "%zu", way[i]->index)};
        put(l, "/", 1);
        for (size_t k = 0; k < part.len; k++) {
            if (part.at[k] == '~' || part.at[k] == '/')
                put(l, part.at[k] == '~' ? "~0" : "~1", 2);
            else
                put(l, part.at + k, 1);
        }
    }
}

/* "order.json#/properties/price/minimum", its middle left out where it is long. */
static void put_location(struct line *l, const struct schema *s, const char *keyword)
{
    const char *name = s->resource->document->name, *slash = strrchr(name, '/');
    char text[80];
    name = slash && slash[1] ? slash + 1 : name;
    put(l, name, strlen(name) < 48 ? strlen(name) : 48);
    put(l, "#", 1);
    size_t length = strlen(s->pointer);
    const char *tail = s->pointer;
    if (length > sizeof text - 20) {
        tail = strchr(tail + length - (sizeof text - 20), '/');
        put(l, "/…", strlen("/…"));
        tail = tail ? tail : "";
    }
    put(l, tail, strlen(tail));
    if (*keyword) {
        put(l, "/", 1);
        put(l, keyword, strlen(keyword));
    }
}

static void add(struct run *run, const struct schema *s, const char *keyword,
                const struct spot *spot, const char *words)
{
    struct report *r = run->report;
    if (!r || r->count >= r->limit)
        return;
    struct report_entry *e = &r->entries[r->count];
    if (r->pointer && r->count == 0) {
        struct line line = {r->pointer, 0, REPORT_BYTES};
        put_pointer(&line, spot);
    }
    char path[PATH_BYTES] = "", location[LOCATION_BYTES] = "";
    struct line p = {path, 0, sizeof path}, l = {location, 0, sizeof location};
    put_path(&p, r->root, spot);
    put_location(&l, s, keyword);
    snprintf(e->text, sizeof e->text, "%s: %s (%s)", path, words, location);
    e->depth = spot->depth;
    e->document = s->resource->document;
    r->count++;
}

bool fail(struct run *run, const struct check *check, const struct at *at, const char *format, ...)
{
    if (run->report) {
        char words[WORDS_BYTES];
        va_list args;
        va_start(args, format);
        vsnprintf(words, sizeof words, format, args);
        va_end(args);
        add(run, at->schema, check->keyword, at->spot, words);
    }
    return false;
}

bool fail_never(struct run *run, const struct schema *s, const struct spot *spot)
{
    if (run->report)
        add(run, s, "", spot, "is not allowed");
    return false;
}
