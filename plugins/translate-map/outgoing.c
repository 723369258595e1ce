/* SPDX-License-Identifier: Apache-2.0 */
/* Edits of events. */
#include "outgoing.h"
#include "constant.h"
#include "wrong.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { PROPERTIES_MAX = 256 };

struct outgoing {
    struct wording *content_type;
    size_t count;
    struct {
        struct mg_str name;
        struct wording *value; /* NULL: it goes */
    } properties[];
};

/* ---- at load -------------------------------------------------------------------------------- */

static int compile_text(const struct mg_node *node, const struct scope *scope, struct wording **ret,
                        struct mg_err *err)
{
    const char *text;
    int error = constant_text(node, &text, err);
    return error ? error : wrong_at(node, wording_compile(text, scope, ret, err), err);
}

int outgoing_compile(const struct mg_node *properties, const struct mg_node *content_type,
                     const struct scope *scope, struct outgoing **ret_outgoing,
                     struct mg_err *reterr)
{
    reterr->option = "properties";
    if (properties && (properties->type != MG_NODE_MAP || properties->count > PROPERTIES_MAX))
        return wrong(properties, reterr,
                     "properties must be a map of names to texts or null, at most %d",
                     PROPERTIES_MAX);
    size_t count = properties ? properties->count : 0;
    struct outgoing *o = calloc(1, sizeof *o + count * sizeof o->properties[0]);
    int error = o ? 0 : out_of_memory(reterr);
    for (size_t i = 0; i < count && !error; i++, o->count++) {
        const struct mg_node *node = properties->items[i];
        o->properties[i].name = (struct mg_str){node->key, strlen(node->key)};
        bool null = node->type == MG_NODE_NULL ||
                    (node->type == MG_NODE_SCALAR && !node->quoted &&
                     (!strcmp(node->text, "null") || !strcmp(node->text, "~") || !*node->text));
        if (!null)
            error = compile_text(node, scope, &o->properties[i].value, reterr);
    }
    if (!error && content_type) {
        reterr->option = "content_type";
        error = compile_text(content_type, scope, &o->content_type, reterr);
    }
    if (error) {
        outgoing_free(o);
        return error;
    }
    reterr->option = NULL;
    *ret_outgoing = o;
    return 0;
}

void outgoing_free(struct outgoing *o)
{
    if (!o)
        return;
    for (size_t i = 0; i < o->count; i++)
        wording_free(o->properties[i].value);
    wording_free(o->content_type);
    free(o);
}

bool outgoing_reads(const struct outgoing *o)
{
    bool reads = o->content_type && wording_reads(o->content_type);
    for (size_t i = 0; i < o->count; i++)
        reads = reads || (o->properties[i].value && wording_reads(o->properties[i].value));
    return reads;
}

bool outgoing_changes(const struct outgoing *o)
{
    return o->count || o->content_type;
}

/* ---- who it is ------------------------------------------------------------------------------ */

/* The id as text or bytes, with "/INDEX" behind: the same again when the event comes again. */
static struct mg_str numbered(struct run *run, struct mg_str id, size_t index)
{
    char *out = run_take(run, id.len + 24);
    if (!out)
        return (struct mg_str){0};
    if (id.len)
        memcpy(out, id.at, id.len);
    int n = snprintf(out + id.len, 24, "/%zu", index);
    return (struct mg_str){out, id.len + (size_t)n};
}

static bool number_message_id(struct run *run, struct mg_value *id, size_t index)
{
    char text[40];
    struct mg_str now = {text, 0};
    switch (id->type) {
    case MG_TEXT:
        now = id->as.text;
        break;
    case MG_BINARY:
        now = (struct mg_str){id->as.binary.at, id->as.binary.len};
        break;
    case MG_UINT:
        now.len = (size_t)snprintf(text, sizeof text, "%" PRIu64, id->as.u);
        break;
    case MG_UUID:
        for (size_t i = 0; i < 16; i++)
            now.len +=
                (size_t)snprintf(text + now.len, sizeof text - now.len, "%s%02x",
                                 i == 4 || i == 6 || i == 8 || i == 10 ? "-" : "", id->as.uuid[i]);
        break;
    default:
        return true;
    }
    now = numbered(run, now, index);
    if (id->type == MG_BINARY)
        *id = (struct mg_value){.type = MG_BINARY, .as.binary = {now.at, now.len}};
    else
        *id = (struct mg_value){.type = MG_TEXT, .as.text = now};
    return now.at;
}

static int set_property(struct run *run, mg_edit *edit, struct mg_str name, struct mg_str text)
{
    struct mg_value value = {.type = MG_TEXT, .as.text = text};
    int error = run->host->edit_property(edit, name, NULL);
    return error ? error : run->host->edit_property(edit, name, &value);
}

/* CloudEvents in binary mode have their attributes as properties, with one of these in front. */
static int number_cloudevent(struct run *run, mg_edit *edit, size_t index)
{
    static const char *const prefixes[] = {"", "cloudEvents:", "cloudEvents_", "ce-", "ce_"};
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++) {
        char name[32];
        struct mg_value value;
        int n = snprintf(name, sizeof name, "%sspecversion", prefixes[i]);
        if (!run->host->event_find(run->step->event, (struct mg_str){name, (size_t)n}, &value))
            continue;
        n = snprintf(name, sizeof name, "%sid", prefixes[i]);
        struct mg_str key = {name, (size_t)n};
        if (!run->host->event_find(run->step->event, key, &value) || value.type != MG_TEXT)
            continue;
        struct mg_str id = numbered(run, value.as.text, index);
        return id.at ? set_property(run, edit, key, id) : -ENOMEM;
    }
    return 0;
}

/* ---- making --------------------------------------------------------------------------------- */

/* 1: it has no value, and may go without. */
static int expand(const struct wording *w, const char *name, struct run *run,
                  const struct level *level, bool strict, struct mg_str *ret, struct mg_err *err)
{
    char what[160];
    int error = wording_expand(w, run, level, ret, err);
    if (error == -ENOENT && !strict)
        return 1;
    if (error == -ENOENT || error == -EINVAL) {
        snprintf(what, sizeof what, "%.159s", err->text);
        snprintf(err->text, sizeof err->text, "%.80s: %s", name, what);
        return -EINVAL;
    }
    return error;
}

static int edit_all(const struct outgoing *o, struct run *run, const struct level *level, bool part,
                    bool strict, mg_edit *edit, struct mg_err *err)
{
    struct mg_head *head = run->host->edit_head(edit);
    struct mg_str text;
    int error = 0;
    if (part && (!number_message_id(run, &head->message_id, level->index) ||
                 number_cloudevent(run, edit, level->index)))
        return out_of_memory(err);
    if (o->content_type) {
        error = expand(o->content_type, "content_type", run, level, strict, &text, err);
        if (!error)
            head->content_type = text;
    }
    for (size_t i = 0; i < o->count && error >= 0; i++) {
        struct mg_str name = o->properties[i].name;
        const struct wording *value = o->properties[i].value;
        error = value ? expand(value, name.at, run, level, strict, &text, err) : 0;
        if (!error && (value ? set_property(run, edit, name, text)
                             : run->host->edit_property(edit, name, NULL)))
            return out_of_memory(err);
    }
    return error < 0 ? error : 0;
}

int outgoing_make(const struct outgoing *o, struct run *run, const struct level *level, bool part,
                  bool strict, const struct doc_value *payload, mg_event **ret_event,
                  struct mg_err *reterr)
{
    size_t length;
    const struct mg_host *host = run->host;
    mg_edit *edit = host->edit_new(run->step->event);
    char *text = payload && edit ? doc_write(payload, &length) : NULL;
    int error = 0;
    if (!edit || (payload && !text) ||
        (text && host->edit_payload(edit, (struct mg_bytes){text, length}, free, text))) {
        free(text);
        error = out_of_memory(reterr);
    }
    if (!error && (part || outgoing_changes(o)))
        error = edit_all(o, run, level, part, strict, edit, reterr);
    if (error) {
        host->edit_free(edit);
        return error;
    }
    *ret_event = host->edit_publish(edit);
    return *ret_event ? 0 : out_of_memory(reterr);
}
