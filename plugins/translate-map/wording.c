/* SPDX-License-Identifier: Apache-2.0 */
/* A text cut into literals, fields of the payload, and fields that every template knows. */
#include "wording.h"
#include "json_scan.h"
#include "wrong.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PARTS_MAX = 64, FIELD_BYTES_MAX = 1024 };
enum kind { LITERAL, PAYLOAD, INDEX, COUNT, EVENT };

struct part {
    enum kind kind;
    struct mg_str literal;
    struct place place;          /* PAYLOAD */
    struct text_template *field; /* EVENT */
};
struct wording {
    size_t count;
    struct part parts[PARTS_MAX];
    char text[];
};

/* ---- at load -------------------------------------------------------------------------------- */

/* {data.x} is the event's from everywhere, {item.x} the innermost item's. */
static int compile_payload(struct part *p, const char *name, const struct scope *scope,
                           struct mg_err *err)
{
    size_t up = 0;
    if (!strncmp(name, "item", 4)) {
        if (!scope->outer) {
            snprintf(err->text, sizeof err->text, "{item} is known where a list is mapped");
            return -EINVAL;
        }
        name = name[4] ? name + 5 : ".";
    } else {
        for (; scope->outer; scope = scope->outer)
            up++;
    }
    p->kind = PAYLOAD;
    int error = place_compile(name, scope, &p->place, NULL, err);
    p->place.up += up;
    return error;
}

static int compile_field(struct part *p, const char *name, size_t length, const struct scope *scope,
                         struct mg_err *err)
{
    char text[FIELD_BYTES_MAX + 3];
    if (length >= FIELD_BYTES_MAX) {
        snprintf(err->text, sizeof err->text, "a field of more than %d bytes", FIELD_BYTES_MAX);
        return -EINVAL;
    }
    snprintf(text, sizeof text, "%.*s", (int)length, name);
    if (!strcmp(text, "data") || !strncmp(text, "data.", 5) || !strcmp(text, "item") ||
        !strncmp(text, "item.", 5))
        return compile_payload(p, text, scope, err);
    if (scope->outer && (!strcmp(text, "index") || !strcmp(text, "count"))) {
        p->kind = *text == 'i' ? INDEX : COUNT;
        return 0;
    }
    p->kind = EVENT;
    snprintf(text, sizeof text, "{%.*s}", (int)length, name);
    return text_template_compile(text, &p->field, err);
}

/* Reads one part at text and returns where the next begins; literals are unescaped in place. */
static int read_part(char *text, struct part *p, const struct scope *scope, char **ret_next,
                     struct mg_err *err)
{
    if (*text == '{' && text[1] != '{') {
        size_t n = strcspn(text + 1, "{}");
        if (text[n + 1] != '}') {
            snprintf(err->text, sizeof err->text, "{ without its }; a literal brace is written {{");
            return -EINVAL;
        }
        *ret_next = text + n + 2;
        return compile_field(p, text + 1, n, scope, err);
    }
    char *out = text, *in = text;
    while (*in && !(*in == '{' && in[1] != '{')) {
        if (*in == '}' && in[1] != '}') {
            snprintf(err->text, sizeof err->text, "} without its {; a literal brace is written }}");
            return -EINVAL;
        }
        in += *in == '{' || *in == '}';
        *out++ = *in++;
    }
    p->literal = (struct mg_str){text, (size_t)(out - text)};
    *ret_next = in;
    return 0;
}

int wording_compile(const char *text, const struct scope *scope, struct wording **ret_wording,
                    struct mg_err *reterr)
{
    size_t length = strlen(text);
    struct wording *w = calloc(1, sizeof *w + length + 1);
    if (!w)
        return out_of_memory(reterr);
    memcpy(w->text, text, length + 1);
    int error = 0;
    for (char *at = w->text; *at && !error;) {
        if (w->count == PARTS_MAX) {
            snprintf(reterr->text, sizeof reterr->text, "more than %d parts", PARTS_MAX);
            error = -EINVAL;
        } else {
            error = read_part(at, &w->parts[w->count++], scope, &at, reterr);
        }
    }
    if (error) {
        wording_free(w);
        return error;
    }
    *ret_wording = w;
    return 0;
}

void wording_free(struct wording *w)
{
    for (size_t i = 0; w && i < w->count; i++) {
        place_fini(&w->parts[i].place);
        text_template_free(w->parts[i].field);
    }
    free(w);
}

bool wording_has_fields(const struct wording *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->parts[i].kind != LITERAL)
            return true;
    return false;
}

bool wording_reads(const struct wording *w)
{
    for (size_t i = 0; i < w->count; i++)
        if (w->parts[i].kind == PAYLOAD)
            return true;
    return false;
}

/* ---- for each event ------------------------------------------------------------------------- */

static int payload_text(const struct part *p, const struct level *level, struct mg_str *ret,
                        struct mg_err *err)
{
    const struct doc_value *value = place_get(&p->place, level);
    if (!value || value->kind == DOC_NULL) {
        snprintf(err->text, sizeof err->text, "the payload has no %.120s", place_text(&p->place));
        return -ENOENT;
    }
    if (value->kind == DOC_LIST || value->kind == DOC_OBJECT) {
        snprintf(err->text, sizeof err->text, "{%.120s} is %s, not a text", place_text(&p->place),
                 value->kind == DOC_LIST ? "a list" : "an object");
        return -EINVAL;
    }
    *ret = value->kind != DOC_BOOL ? value->text
           : value->truth          ? (struct mg_str){"true", 4}
                                   : (struct mg_str){"false", 5};
    return 0;
}

static bool is_utf8(struct mg_str text)
{
    const char *end = text.at + text.len;
    uint32_t point;
    for (size_t n; text.at < end; text.at += n)
        if (!(n = (unsigned char)*text.at < 0x80 ? 1 : scan_character(text.at, end, &point)))
            return false;
    return true;
}

static int event_text(const struct part *p, struct run *run, struct mg_str *ret, struct mg_err *err)
{
    char *text;
    size_t length;
    int error =
        text_template_expand(p->field, run->host, run->instance, run->step, &text, &length, err);
    if (error)
        return error;
    char *copy = run_take(run, length ? length : 1);
    if (copy)
        memcpy(copy, text, length);
    free(text);
    *ret = (struct mg_str){copy, length};
    if (!copy)
        return out_of_memory(err);
    if (is_utf8(*ret))
        return 0;
    snprintf(err->text, sizeof err->text, "not UTF-8 text");
    return -EINVAL;
}

static int part_text(const struct part *p, struct run *run, const struct level *level, char *digits,
                     size_t size, struct mg_str *ret, struct mg_err *err)
{
    switch (p->kind) {
    case PAYLOAD:
        return payload_text(p, level, ret, err);
    case EVENT:
        return event_text(p, run, ret, err);
    case INDEX:
    case COUNT:
        ret->at = digits;
        ret->len =
            (size_t)snprintf(digits, size, "%zu", p->kind == INDEX ? level->index : level->count);
        return 0;
    default:
        *ret = p->literal;
        return 0;
    }
}

int wording_expand(const struct wording *w, struct run *run, const struct level *level,
                   struct mg_str *ret_text, struct mg_err *reterr)
{
    struct mg_str texts[PARTS_MAX];
    char digits[PARTS_MAX][24];
    size_t length = 0;
    for (size_t i = 0; i < w->count; i++) {
        int error =
            part_text(&w->parts[i], run, level, digits[i], sizeof digits[i], &texts[i], reterr);
        if (error)
            return error;
        length += texts[i].len;
    }
    if (w->count == 1) {
        *ret_text = texts[0];
        if (w->parts[0].kind != INDEX && w->parts[0].kind != COUNT)
            return 0;
    }
    char *out = run_take(run, length ? length : 1);
    if (!out)
        return out_of_memory(reterr);
    *ret_text = (struct mg_str){out, length};
    for (size_t i = 0; i < w->count; i++) {
        if (texts[i].len)
            memcpy(out, texts[i].at, texts[i].len);
        out += texts[i].len;
    }
    return 0;
}
