/* SPDX-License-Identifier: Apache-2.0 */
/* Text to document, without recursion: the open lists and objects are a stack. */
#include "json_doc_internal.h"
#include "json_scan.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

struct parse {
    struct doc *doc;
    struct scan scan;
    size_t depth;
};

/* ---- what most documents are made of -------------------------------------------------------- */

/* Texts of plain ASCII and short numbers are found here, in one pass; all else, and all that is
 * wrong, is the scanner's. */
static bool quick_text(struct parse *p, struct mg_str *ret_raw)
{
    const char *from = p->scan.at, *end = p->scan.end, *at = doc_skip_plain(from + 1, end);
    while (at < end && (unsigned char)*at >= 0x20 && (unsigned char)*at < 0x80 && *at != '"' &&
           *at != '\\')
        at++;
    if (at == end || *at != '"')
        return false;
    *ret_raw = (struct mg_str){from, (size_t)(at + 1 - from)};
    p->scan.at = at + 1;
    return true;
}

static bool is_digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

static bool quick_number(struct parse *p, struct mg_str *ret_spelling)
{
    const char *from = p->scan.at, *at = from + (*from == '-'), *end = p->scan.end;
    if (!is_digit(at, end) || (*at == '0' && is_digit(at + 1, end)))
        return false;
    while (is_digit(at, end))
        at++;
    if (at < end && *at == '.') {
        if (!is_digit(++at, end))
            return false;
        while (is_digit(at, end))
            at++;
    }
    if (at < end && (*at == 'e' || *at == 'E'))
        return false;
    *ret_spelling = (struct mg_str){from, (size_t)(at - from)};
    p->scan.at = at;
    return true;
}

/* ---- values --------------------------------------------------------------------------------- */

/* A text, with quotes and escapes in *ret_raw, and what it means, which points into that where
 * nothing is escaped. */
static int take_text(struct parse *p, struct mg_str *ret_raw, struct mg_str *ret_text)
{
    struct scan_value found;
    bool quick = quick_text(p, ret_raw);
    if (!quick && !scan_value(&p->scan, &found))
        return -EINVAL;
    if (!quick)
        *ret_raw = found.text;
    struct mg_str raw = *ret_raw;
    *ret_text = (struct mg_str){raw.at + 1, raw.len - 2};
    if (quick || !memchr(raw.at, '\\', raw.len))
        return 0;
    char *out = arena_take(&p->doc->arena, raw.len);
    if (!out)
        return -ENOMEM;
    ptrdiff_t length = scan_unescape(raw, out);
    if (length < 0) {
        p->scan.at = raw.at;
        p->scan.wrong = "half of a surrogate pair in this text";
        return -EINVAL;
    }
    *ret_text = (struct mg_str){out, (size_t)length};
    return 0;
}

/* Space has been skipped. */
static int take_scalar(struct parse *p, struct doc_value *value)
{
    struct scan_value found;
    char first = p->scan.at < p->scan.end ? *p->scan.at : '\0';
    if (first == '"') {
        value->kind = DOC_TEXT;
        return take_text(p, &value->raw, &value->text);
    }
    if ((first == '-' || (first >= '0' && first <= '9')) && quick_number(p, &value->text)) {
        value->kind = DOC_NUMBER;
        return 0;
    }
    if (!scan_value(&p->scan, &found))
        return -EINVAL;
    switch (found.kind) {
    case SCAN_NUMBER:
        value->kind = DOC_NUMBER;
        value->text = found.text;
        return 0;
    case SCAN_TRUE:
    case SCAN_FALSE:
        value->kind = DOC_BOOL;
        value->truth = found.kind == SCAN_TRUE;
        return 0;
    default:
        value->kind = DOC_NULL;
        return 0;
    }
}

/* The name of a member, and its colon; its value comes next. */
static int take_name(struct parse *p, struct doc_value *object)
{
    struct doc_member *m = doc_add(p->doc, object);
    if (!m)
        return -ENOMEM;
    scan_space(&p->scan);
    if (p->scan.at == p->scan.end || *p->scan.at != '"') {
        p->scan.wrong =
            p->scan.at == p->scan.end ? "it ends too early" : "a member's name belongs here";
        return -EINVAL;
    }
    m->value = NULL;
    int error = take_text(p, &m->raw, &m->name);
    if (error)
        return error;
    if (p->scan.at < p->scan.end && *p->scan.at == ':') {
        p->scan.at++;
        return 0;
    }
    return scan_expect(&p->scan, ':', "a colon belongs here") ? 0 : -EINVAL;
}

static int put(struct parse *p, struct doc_value *value)
{
    struct doc_value *in = p->doc->open[p->depth - 1];
    if (in->kind == DOC_LIST)
        return doc_append(p->doc, in, value);
    in->members[in->count++].value = value;
    return 0;
}

/* Behind a value: closes what ends here, up to where another value follows. */
static int close_levels(struct parse *p)
{
    while (p->depth) {
        struct doc_value *in = p->doc->open[p->depth - 1];
        bool object = in->kind == DOC_OBJECT;
        if (scan_take(&p->scan, ','))
            return object ? take_name(p, in) : 0;
        if (!scan_expect(&p->scan, object ? '}' : ']',
                         object ? "a comma or } belongs here" : "a comma or ] belongs here"))
            return -EINVAL;
        if (object && doc_index(p->doc, in))
            return -ENOMEM;
        p->depth--;
    }
    return 0;
}

/* *ret_ended: it is empty, and closed again. */
static int open_level(struct parse *p, struct doc_value *value, bool *ret_ended)
{
    bool object = *p->scan.at == '{';
    if (p->depth == DOC_DEPTH_MAX) {
        p->scan.wrong = "nested deeper than 512 levels";
        return -EINVAL;
    }
    p->scan.at++;
    value->kind = object ? DOC_OBJECT : DOC_LIST;
    *ret_ended = scan_take(&p->scan, object ? '}' : ']');
    if (*ret_ended)
        return 0;
    p->doc->open[p->depth++] = value;
    return object ? take_name(p, value) : 0;
}

static int take_value(struct parse *p, struct doc_value **ret)
{
    *ret = NULL;
    do {
        bool ended = true;
        struct doc_value *value = doc_new(p->doc, DOC_NULL);
        if (!value)
            return -ENOMEM;
        int error = *ret ? put(p, value) : 0;
        if (error)
            return error;
        if (!*ret)
            *ret = value;
        scan_space(&p->scan);
        bool nests = p->scan.at < p->scan.end && (*p->scan.at == '{' || *p->scan.at == '[');
        error = nests ? open_level(p, value, &ended) : take_scalar(p, value);
        if (!error && ended)
            error = close_levels(p);
        if (error)
            return error;
    } while (p->depth);
    return 0;
}

static int parse(struct doc *doc, struct mg_bytes text, const char *what,
                 struct doc_value **ret_value, struct mg_err *reterr)
{
    struct parse p = {.doc = doc};
    struct doc_value *value;
    scan_begin(&p.scan, text);
    int error = take_value(&p, &value);
    if (!error && !scan_end(&p.scan))
        error = -EINVAL;
    if (error == -ENOMEM)
        snprintf(reterr->text, sizeof reterr->text, "%s: no memory for its values (at most 1 GiB)",
                 what);
    if (error == -EINVAL)
        scan_refuse(&p.scan, what, reterr);
    if (!error)
        *ret_value = value;
    return error;
}

int doc_parse(struct doc *doc, struct mg_bytes text, struct doc_value **ret_value,
              struct mg_err *reterr)
{
    return parse(doc, text, "not JSON", ret_value, reterr);
}

int doc_of_payload(struct doc *doc, const struct mg_host *host, const mg_event *event,
                   struct doc_value **ret_value, struct mg_err *reterr)
{
    struct mg_bytes payload = host->event_payload(event);
    if (!payload.len) {
        snprintf(reterr->text, sizeof reterr->text, "the payload is empty, not JSON");
        return -EINVAL;
    }
    return parse(doc, payload, "the payload is not JSON", ret_value, reterr);
}
