/* SPDX-License-Identifier: Apache-2.0 */
/* The forms in which events are written down, all read as a record of the store. */
#include "cli/recorded.h"
#include "cli/documents.h"
#include "store/record_json.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { NESTED_MOST = 3 };
#define YEAR_9999_US                                                                               \
    (INT64_C(253402300799) * 1000000) /* its end; sums of times stay far from one */

/* ---- properties of the file bridge's short form --------------------------------------------- */

static const char *type_of(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_STRING:
        return "text";
    case JSON_TRUE:
    case JSON_FALSE:
        return "bool";
    case JSON_INTEGER:
        return "int";
    case JSON_REAL:
        return "float";
    default:
        return "null";
    }
}

/* {"name":…,"type":…,"value":…} out of a plain value or one that has its type. */
static json_t *typed(const char *name, json_t *value)
{
    json_t *p = json_is_object(value)
                    ? json_copy(value)
                    : json_pack("{s:s, s:O}", "type", type_of(value), "value", value);
    if (json_is_integer(value) || json_is_real(value))
        json_object_set_new(p, "bits", json_integer(64));
    json_object_set_new(p, "name", json_string(name));
    return p;
}

static json_t *typed_list(json_t *properties)
{
    json_t *list = json_array(), *value;
    const char *name;
    size_t i;
    json_object_foreach(properties, name, value) json_array_append_new(list, typed(name, value));
    json_array_foreach(properties, i, value)
    {
        json_t *plain = json_object_get(value, "value");
        const char *text = json_string_value(json_object_get(value, "name"));
        if (text && plain && !json_object_get(value, "type"))
            json_array_append_new(list, typed(text, plain));
        else
            json_array_append(list, value);
    }
    return list;
}

/* ---- one line ------------------------------------------------------------------------------- */

/* The object that has the message, and its text, in a line that has something around it. */
static json_t *find_record(json_t *line, struct gw_text *text)
{
    static const char *const around[] = {"record", "archived", "dead"};
    for (int depth = 0; depth < NESTED_MOST; depth++) {
        json_t *inner = NULL;
        for (size_t i = 0; i < sizeof around / sizeof around[0] && !inner; i++) {
            inner = json_object_get(line, around[i]);
            if (inner)
                *text = gw_json_member(*text, around[i]);
        }
        if (!json_is_object(inner) || json_object_get(line, "message"))
            break;
        line = inner;
    }
    return line;
}

/* As the store writes it.  A payload that is no text is the JSON itself, as it was spelled:
 * *ret_payload. */
static json_t *as_record(json_t *line, struct gw_text text, struct gw_text *ret_payload)
{
    static const char *const members[] = {"arrived_us", "expires_us", "origin", "flags"};
    json_t *message = json_object_get(line, "message");
    json_t *record = json_object(), *copy = json_copy(message ? message : line);
    for (size_t i = 0; i < sizeof members / sizeof members[0] && message; i++)
        if (json_object_get(line, members[i]))
            json_object_set(record, members[i], json_object_get(line, members[i]));
    json_t *properties = json_object_get(copy, "properties");
    if (json_is_object(properties) || json_is_array(properties))
        json_object_set_new(copy, "properties", typed_list(properties));
    json_t *payload = json_object_get(copy, "payload");
    *ret_payload = (struct gw_text){NULL, 0};
    if (payload && !json_is_string(payload)) {
        *ret_payload = gw_json_member(message ? gw_json_member(text, "message") : text, "payload");
        json_object_del(copy, "payload");
    }
    json_object_set_new(record, "message", copy);
    return record;
}

int gw_recorded_line(const char *line_text, size_t length, struct gw_recorded *ret,
                     struct mg_err *err)
{
    struct gw_text text = {line_text, length};
    json_error_t at;
    json_t *whole = json_loadb(text.at, text.length, JSON_ALLOW_NUL | JSON_DECODE_ANY, &at);
    if (!json_is_object(whole)) {
        snprintf(err->text, sizeof err->text, "%.80s%s",
                 whole ? "an event is an object" : "not JSON: ", whole ? "" : at.text);
        json_decref(whole);
        return -EINVAL;
    }
    json_t *line = find_record(whole, &text);
    if (!json_object_get(line, "message") && !json_object_get(line, "address")) {
        bool export = json_object_size(whole) == 1 && line == whole;
        snprintf(err->text, sizeof err->text,
                 "this is no event: neither message nor address is there");
        json_decref(whole);
        return export ? GW_RECORDED_NONE : -EINVAL;
    }
    struct gw_text payload;
    struct gw_record_parsed parsed = {0};
    json_t *record = as_record(line, text, &payload);
    const char *bridge = json_string_value(json_object_get(whole, "bridge"));
    int error = gw_record_from_json(record, &parsed, err);
    if (!error && (parsed.record.arrived_us < 0 || parsed.record.arrived_us > YEAR_9999_US)) {
        snprintf(err->text, sizeof err->text, "arrived_us: must be between 1970 and 9999");
        error = -EINVAL;
    }
    bool stepped = !error && parsed.record.flags & GW_RECORD_STEPPED;
    if (!error && !stepped) {
        struct mg_message message = parsed.record.message;
        if (parsed.record.origin.at && parsed.record.flags & GW_RECORD_ORIGINAL)
            message.head.address = parsed.record.origin;
        if (payload.at)
            message.payload = (struct mg_bytes){payload.at, payload.length};
        ret->event = gw_event_new(&message);
        ret->bridge = bridge ? strdup(bridge) : NULL;
        ret->at_us = parsed.record.arrived_us;
        error = ret->event && (!bridge || ret->bridge) ? 0 : -ENOMEM;
    }
    gw_record_parsed_fini(&parsed);
    json_decref(record);
    json_decref(whole);
    return error ? error : stepped ? GW_RECORDED_STEPPED : GW_RECORDED_EVENT;
}

/* ---- the file ------------------------------------------------------------------------------- */

static int add(struct gw_recorded_list *list, const struct gw_recorded *r)
{
    size_t n = list->count;
    if ((n & (n - 1)) == 0) { /* doubles at powers of two */
        struct gw_recorded *grown = realloc(list->items, (n ? n * 2 : 1) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        list->items = grown;
    }
    list->items[list->count++] = *r;
    return 0;
}

static int read_all(struct gw_documents *d, struct gw_recorded_list *list)
{
    struct gw_text text;
    int64_t bytes = 0;
    int more;
    while ((more = gw_documents_next(d, &text)) > 0) {
        struct gw_recorded r = {.line = d->line};
        struct mg_err err = {{0}, NULL};
        int taken = gw_recorded_line(text.at, text.length, &r, &err);
        bytes += (int64_t)text.length;
        list->stepped += taken == GW_RECORDED_STEPPED;
        if (taken == GW_RECORDED_EVENT &&
            (list->count == GW_RECORDED_MOST || bytes > GW_RECORDED_BYTES_MOST)) {
            snprintf(err.text, sizeof err.text,
                     "more than %d events, or than 1 GiB of them: split it", GW_RECORDED_MOST);
            taken = -EFBIG;
        }
        if (taken == GW_RECORDED_EVENT && add(list, &r))
            taken = -ENOMEM;
        if (taken == GW_RECORDED_EVENT)
            continue;
        gw_event_unref(r.event);
        free(r.bridge);
        if (taken < 0) {
            fprintf(stderr, "%s:%u: %s\n", d->path, d->line,
                    err.text[0] ? err.text : strerror(-taken));
            return taken;
        }
    }
    return more;
}

int gw_recorded_read(const char *path, struct gw_recorded_list *ret)
{
    struct gw_documents d;
    *ret = (struct gw_recorded_list){0};
    int error = gw_documents_open(&d, path);
    if (error)
        return error;
    error = read_all(&d, ret);
    gw_documents_close(&d);
    return error;
}

void gw_recorded_fini(struct gw_recorded_list *list)
{
    for (size_t i = 0; i < list->count; i++) {
        gw_event_unref(list->items[i].event);
        free(list->items[i].bridge);
    }
    free(list->items);
    *list = (struct gw_recorded_list){0};
}
