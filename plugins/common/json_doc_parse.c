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

/* What a text that was found means; it points into raw where nothing is escaped. */
static int unquote(struct parse *p, struct mg_str raw, struct mg_str *ret_text)
{
    *ret_text = (struct mg_str){raw.at + 1, raw.len - 2};
    if (!memchr(raw.at, '\\', raw.len))
        return 0;
    char *out = doc_take(p->doc, raw.len);
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

static int take_scalar(struct parse *p, struct doc_value *value)
{
    struct scan_value found;
    if (!scan_value(&p->scan, &found))
        return -EINVAL;
    switch (found.kind) {
    case SCAN_TEXT:
        value->kind = DOC_TEXT;
        value->raw = found.text;
        return unquote(p, found.text, &value->text);
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
    struct scan_value found;
    struct doc_member *m = doc_add(p->doc, object);
    if (!m)
        return -ENOMEM;
    scan_space(&p->scan);
    if (p->scan.at == p->scan.end || *p->scan.at != '"') {
        p->scan.wrong =
            p->scan.at == p->scan.end ? "it ends too early" : "a member's name belongs here";
        return -EINVAL;
    }
    if (!scan_value(&p->scan, &found))
        return -EINVAL;
    *m = (struct doc_member){.raw = found.text};
    int error = unquote(p, found.text, &m->name);
    if (error)
        return error;
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
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
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
