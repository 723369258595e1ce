/* SPDX-License-Identifier: Apache-2.0 */
/* Reads CloudEvents' JSON format (1.0.2) and leaves data as it is written. */
#include "base64.h"
#include "json_format.h"
#include <errno.h>
#include <string.h>

/* What an object said so far; data waits until datacontenttype is known. */
struct reading {
    struct ce_event *event;
    struct arena *arena;
    bool has_data, has_base64;
    struct scan_value data, base64;
};

static int unescape(struct reading *r, struct mg_str text, struct mg_str of, struct mg_str *ret,
                    struct mg_err *err)
{
    char *out = arena_take(r->arena, text.len);
    if (!out)
        return ce_no_memory(err);
    ptrdiff_t length = scan_unescape(text, out);
    if (length < 0)
        return ce_refuse(err, "%.*s: half of a surrogate pair is no character",
                         (int)(of.len < 80 ? of.len : 80), of.at);
    *ret = (struct mg_str){out, (size_t)length};
    return 0;
}

static int read_attribute(struct reading *r, struct mg_str name, const struct scan_value *v,
                          struct mg_err *err)
{
    struct mg_str value = v->text;
    enum ce_type type = v->kind == SCAN_NUMBER ? CE_INTEGER
                        : v->kind == SCAN_TEXT ? CE_STRING
                                               : CE_BOOLEAN;
    if (v->kind == SCAN_NULL) /* JSON format §2.2: as if it were not there */
        return 0;
    if (v->kind == SCAN_OBJECT || v->kind == SCAN_LIST)
        return ce_refuse(err, "attribute %.*s: %s is no type of an attribute",
                         (int)(name.len < 80 ? name.len : 80), name.at,
                         v->kind == SCAN_LIST ? "a list" : "an object");
    int error = v->kind == SCAN_TEXT ? unescape(r, v->text, name, &value, err) : 0;
    return error ? error : ce_set(r->event, name, type, value, err);
}

static int read_member(struct reading *r, struct mg_str name, const struct scan_value *v,
                       struct mg_err *err)
{
    bool base64 = ce_same(name, "data_base64");
    if (!base64 && !ce_same(name, "data"))
        return read_attribute(r, name, v, err);
    if (base64 && v->kind == SCAN_NULL)
        return 0;
    if (base64 && v->kind != SCAN_TEXT)
        return ce_refuse(err, "data_base64: it must be a text");
    if (base64 ? r->has_base64 : r->has_data)
        return ce_refuse(err, "%.*s: it is there twice", (int)name.len, name.at);
    if (base64 ? r->has_data : r->has_base64)
        return ce_refuse(err, "data and data_base64: an event has one of them");
    *(base64 ? &r->base64 : &r->data) = *v;
    *(base64 ? &r->has_base64 : &r->has_data) = true;
    return 0;
}

static int read_base64(struct reading *r, struct mg_err *err)
{
    struct mg_str text = {0};
    size_t length;
    int error = unescape(r, r->base64.text, (struct mg_str){"data_base64", 11}, &text, err);
    if (error)
        return error;
    /* In place: what is decoded is shorter, and a byte is read before its place is written. */
    char *out = (char *)(uintptr_t)text.at;
    if (base64_decode(text.at, text.len, out, &length))
        return ce_refuse(err, "data_base64: it is not base64");
    r->event->data_kind = CE_BYTES;
    r->event->data = (struct mg_str){out, length};
    return 0;
}

/* JSON format §3.1.2. */
static int read_data(struct reading *r, struct mg_err *err)
{
    struct ce_event *e = r->event;
    if (r->has_base64)
        return read_base64(r, err);
    if (!r->has_data)
        return 0;
    if (r->data.kind == SCAN_TEXT && e->content_type.at && !ce_declares_json(e->content_type)) {
        e->data_kind = CE_TEXT;
        return unescape(r, r->data.text, (struct mg_str){"data", 4}, &e->data, err);
    }
    e->data_kind = CE_JSON;
    e->data = r->data.text;
    return 0;
}

/* All up to the closing brace; `what` begins the diagnosis of what is no JSON. */
static int read_members(struct reading *r, struct scan *s, const char *what, struct mg_err *err)
{
    if (scan_take(s, '}'))
        return 0;
    for (bool more = true; more;) {
        struct scan_value name, value;
        struct mg_str plain = {0};
        if (!scan_value(s, &name))
            return scan_refuse(s, what, err);
        if (name.kind != SCAN_TEXT)
            return ce_refuse(err, "%s: a member's name is a text", what);
        if (!scan_expect(s, ':', "a colon belongs here") || !scan_value(s, &value))
            return scan_refuse(s, what, err);
        /* Before the value is judged: in 2018-04-05 the fault is not that 2018 is a number. */
        more = scan_take(s, ',');
        if (!more && !scan_expect(s, '}', "a comma or } belongs here"))
            return scan_refuse(s, what, err);
        int error = unescape(r, name.text, name.text, &plain, err);
        if (!error)
            error = read_member(r, plain, &value, err);
        if (error)
            return error;
    }
    return 0;
}

static int read_object(struct scan *s, const char *what, struct arena *arena, struct ce_event *ret,
                       struct mg_err *err)
{
    struct reading r = {.event = ret, .arena = arena};
    ce_begin(ret);
    if (!scan_take(s, '{')) {
        struct scan_value other;
        if (!scan_value(s, &other))
            return scan_refuse(s, what, err);
        return ce_refuse(err, "%s: it is no object%s", what,
                         other.kind == SCAN_LIST ? " but a list, as batches are" : "");
    }
    const char *first = s->at - 1;
    int error = read_members(&r, s, what, err);
    ret->envelope = (struct mg_str){first, (size_t)(s->at - first)};
    if (!error)
        error = read_data(&r, err);
    return error ? error : ce_complete(ret, err);
}

int json_read_event(struct mg_bytes text, struct arena *arena, struct ce_event *ret_event,
                    struct mg_err *reterr)
{
    static const char what[] = "the payload is no CloudEvent in JSON";
    struct scan s;
    scan_begin(&s, text);
    int error = read_object(&s, what, arena, ret_event, reterr);
    if (error)
        return error;
    return scan_end(&s) ? 0 : scan_refuse(&s, what, reterr);
}

int json_read_batch(struct scan *s, size_t index, struct arena *arena, struct ce_event *ret_event,
                    struct mg_err *reterr)
{
    static const char what[] = "the payload is no batch of CloudEvents in JSON";
    bool first = !index;
    if (first && !scan_expect(s, '[', "a batch is a list, and begins with ["))
        return scan_refuse(s, what, reterr);
    if (scan_take(s, ']'))
        return scan_end(s) ? 0 : scan_refuse(s, what, reterr);
    if (!first && !scan_expect(s, ',', "a comma or ] belongs here"))
        return scan_refuse(s, what, reterr);
    struct mg_err err;
    int error = read_object(s, "no CloudEvent in JSON", arena, ret_event, &err);
    if (error == -ENOMEM)
        return ce_no_memory(reterr);
    if (error)
        return ce_refuse(reterr, "event %zu of the batch: %.200s", index + 1, err.text);
    return 1;
}
