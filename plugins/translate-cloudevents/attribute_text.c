/* SPDX-License-Identifier: Apache-2.0 */
/* A text cut into fields of the payload and what stands between them, which is a template. */
#include "attribute_text.h"
#include "text_template.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 64 };
struct part {
    struct text_template *between; /* NULL: a field of the payload */
    struct doc_path *path;
};
struct attribute_text {
    size_t count;
    struct part parts[PARTS_MAX];
};

/* ---- at load -------------------------------------------------------------------------------- */

/* The length of {data} or {data.PATH}, with its braces; 0: something else stands there. */
static size_t payload_field(const char *at)
{
    size_t end = 1 + strcspn(at + 1, "{}");
    return !strncmp(at, "{data", 5) && at[end] == '}' && (at[5] == '.' || at[5] == '}') ? end + 1
                                                                                        : 0;
}

/* The length of what stands before the next such field, or before the end. */
static size_t up_to_field(const char *text)
{
    const char *at = text;
    while (*at && !(*at == '{' && payload_field(at)))
        at += (*at == '{' || *at == '}') && at[1] == *at ? 2 : 1;
    return (size_t)(at - text);
}

static int add_part(struct attribute_text *t, const char *at, size_t length, bool field,
                    struct mg_err *err)
{
    if (t->count == PARTS_MAX)
        return ce_refuse(err, "more than %d parts", PARTS_MAX);
    char *text = strndup(at, length);
    if (!text)
        return ce_no_memory(err);
    struct part *p = &t->parts[t->count++];
    int error = field ? doc_path_compile(text, true, &p->path, err)
                      : text_template_compile(text, &p->between, err);
    free(text);
    return error;
}

int attribute_text_compile(const char *text, struct attribute_text **ret, struct mg_err *reterr)
{
    struct attribute_text *t = calloc(1, sizeof *t);
    if (!t)
        return ce_no_memory(reterr);
    int error = 0;
    while (*text && !error) {
        size_t length = up_to_field(text), field = payload_field(text + length);
        if (length)
            error = add_part(t, text, length, false, reterr);
        if (field && !error)
            error = add_part(t, text + length + 1, field - 2, true, reterr);
        text += length + field;
    }
    if (error) {
        attribute_text_free(t);
        return error;
    }
    *ret = t;
    return 0;
}

void attribute_text_free(struct attribute_text *t)
{
    for (size_t i = 0; t && i < t->count; i++) {
        text_template_free(t->parts[i].between);
        doc_path_free(t->parts[i].path);
    }
    free(t);
}

bool attribute_text_reads(const struct attribute_text *t)
{
    for (size_t i = 0; i < t->count; i++)
        if (t->parts[i].path)
            return true;
    return false;
}

/* ---- for each event ------------------------------------------------------------------------- */

static int payload_text(const struct doc_path *path, struct doc_value *payload, struct mg_str *ret,
                        struct mg_err *err)
{
    const struct doc_value *value = doc_path_get(path, payload);
    if (!value || value->kind == DOC_NULL) {
        ce_refuse(err, "the payload has no %.120s", doc_path_text(path));
        return -ENOENT;
    }
    if (value->kind == DOC_LIST || value->kind == DOC_OBJECT)
        return ce_refuse(err, "{%.120s} is %s, not a text", doc_path_text(path),
                         value->kind == DOC_LIST ? "a list" : "an object");
    *ret = value->kind != DOC_BOOL ? value->text
           : value->truth          ? (struct mg_str){"true", 4}
                                   : (struct mg_str){"false", 5};
    return 0;
}

static int between_text(const struct text_template *t, const struct attribute_source *s,
                        struct arena *arena, struct mg_str *ret, struct mg_err *err)
{
    char *text;
    size_t length;
    int error = text_template_expand(t, s->host, s->instance, s->call, &text, &length, err);
    if (error)
        return error;
    char *copy = arena_take(arena, length);
    if (copy)
        memcpy(copy, text, length);
    free(text);
    *ret = (struct mg_str){copy, length};
    return copy ? 0 : ce_no_memory(err);
}

int attribute_text_expand(const struct attribute_text *t, const struct attribute_source *s,
                          struct arena *arena, struct mg_str *ret, struct mg_err *err)
{
    struct mg_str texts[PARTS_MAX];
    size_t length = 0;
    for (size_t i = 0; i < t->count; i++) {
        const struct part *p = &t->parts[i];
        int error = p->path ? payload_text(p->path, s->payload, &texts[i], err)
                            : between_text(p->between, s, arena, &texts[i], err);
        if (error)
            return error;
        length += texts[i].len;
        /* Before it is put together: a payload can be large, and named often. */
        if (length > CE_VALUE_BYTES_MAX)
            return ce_refuse(err, "its text is longer than %d bytes", CE_VALUE_BYTES_MAX);
    }
    *ret = texts[0];
    if (t->count == 1)
        return 0;
    char *out = arena_take(arena, length);
    if (!out)
        return ce_no_memory(err);
    *ret = (struct mg_str){out, length};
    for (size_t i = 0; i < t->count; i++) {
        if (texts[i].len)
            memcpy(out, texts[i].at, texts[i].len);
        out += texts[i].len;
    }
    return 0;
}
