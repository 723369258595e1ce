/* SPDX-License-Identifier: Apache-2.0 */
/* Attributes from templates. */
#include "wrap.h"
#include "json_scan.h"
#include "percent.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- compiling ------------------------------------------------------------------------------ */

static int wrong_at(const struct mg_node *node, struct mg_err *err, const char *what)
{
    char text[sizeof err->text];
    snprintf(text, sizeof text, "%s", what); /* `what` may be err's own text */
    return ce_refuse(err, "%.48s:%u:%u: %.180s", node->file ? node->file : "attributes", node->line,
                     node->column, text);
}

static int compile_field(struct wrap_field *f, const struct mg_node *node, struct mg_err *err)
{
    char what[160];
    f->name = (struct mg_str){node->key, strlen(node->key)};
    const char *wrong = ce_wrong_name(f->name);
    if (!wrong && ce_same(f->name, "specversion"))
        wrong = "it is always 1.0";
    if (wrong) {
        snprintf(what, sizeof what, "attribute \"%.60s\": %s", node->key, wrong);
        return wrong_at(node, err, what);
    }
    if (node->type != MG_NODE_SCALAR || strlen(node->text) != node->length) {
        snprintf(what, sizeof what, "attribute %.60s: it must be a text, as \"{machine}\"",
                 node->key);
        return wrong_at(node, err, what);
    }
    if (strpbrk(node->text, "{}")) {
        int error = attribute_text_compile(node->text, &f->text, err);
        return error == -EINVAL ? wrong_at(node, err, err->text) : error;
    }
    f->literal = (struct mg_str){node->text, node->length};
    wrong = ce_wrong_value(f->name, CE_STRING, f->literal);
    if (wrong) {
        snprintf(what, sizeof what, "attribute %.40s: \"%.40s\" %s", node->key, node->text, wrong);
        return wrong_at(node, err, what);
    }
    return 0;
}

static int missing(const struct wrap *w, struct mg_err *err)
{
    static const char *const required[] = {"id", "source", "type"};
    for (size_t r = 0; r < sizeof required / sizeof required[0]; r++) {
        bool found = false;
        for (size_t i = 0; i < w->count; i++)
            found |= ce_same(w->fields[i].name, required[r]);
        if (!found)
            return ce_refuse(err, "attribute %s is missing: an event needs id, source and type",
                             required[r]);
    }
    return 0;
}

int wrap_compile(const struct mg_node *map, struct wrap *ret, struct mg_err *reterr)
{
    *ret = (struct wrap){0};
    if (!map || map->type == MG_NODE_NULL)
        return missing(ret, reterr);
    if (map->type != MG_NODE_MAP || map->count > CE_ATTRIBUTES_MAX)
        return wrong_at(map, reterr, "attributes must be a map of names to texts, at most 128");
    ret->fields = calloc(map->count + 1, sizeof *ret->fields);
    if (!ret->fields)
        return ce_no_memory(reterr);
    for (size_t i = 0; i < map->count; i++) {
        int error = compile_field(&ret->fields[ret->count++], map->items[i], reterr);
        if (error)
            return error;
        const struct attribute_text *text = ret->fields[i].text;
        ret->reads |= text && attribute_text_reads(text);
    }
    return missing(ret, reterr);
}

void wrap_fini(struct wrap *w)
{
    for (size_t i = 0; i < w->count; i++)
        attribute_text_free(w->fields[i].text);
    free(w->fields);
    *w = (struct wrap){0};
}

/* ---- one message ---------------------------------------------------------------------------- */

/* An unset *ret: this event has no value for it. */
static int value_of(const struct wrap_field *f, const struct attribute_source *source,
                    struct arena *arena, struct mg_str *ret, struct mg_err *err)
{
    *ret = f->literal;
    if (!f->text)
        return 0;
    int error = attribute_text_expand(f->text, source, arena, ret, err);
    if (error) {
        *ret = (struct mg_str){0};
        return error == -ENOENT ? 0 : error;
    }
    /* "/plants/{hall}", and a hall is called "Süd 7". */
    if (ret->len && ce_is_uri(f->name) && percent_encode_uri(*ret, arena, ret))
        return ce_no_memory(err);
    return 0;
}

/* Of what was read as JSON already, nobody asks again. */
static int set_content_type(struct mg_str head, struct ce_event *e, struct mg_err *err)
{
    if (e->content_type.at)
        return 0;
    if (!head.len) {
        struct mg_bytes data = {e->data.at, e->data.len};
        e->known_json = e->known_json || (data.len && scan_is_json(data));
        if (!e->known_json)
            return 0;
        head = (struct mg_str){"application/json", strlen("application/json")};
    }
    return ce_set(e, (struct mg_str){"datacontenttype", 15}, CE_STRING, head, err);
}

int wrap_message(const struct wrap *w, const struct attribute_source *source, struct arena *arena,
                 struct ce_event *ret, struct mg_err *reterr)
{
    const mg_event *message = source->call->event;
    struct mg_bytes payload = source->host->event_payload(message);
    ce_begin(ret);
    ret->has_version = true;
    ret->data = (struct mg_str){payload.at ? payload.at : "", payload.len};
    ret->data_kind = payload.len ? CE_BYTES : CE_NO_DATA;
    ret->known_json = source->payload != NULL;
    for (size_t i = 0; i < w->count; i++) {
        const struct wrap_field *f = &w->fields[i];
        struct mg_str value;
        struct mg_err why = {.text = ""};
        int error = value_of(f, source, arena, &value, &why);
        if (error == -ENOMEM)
            return ce_no_memory(reterr);
        if (error || (!value.len && ce_is_required(f->name)))
            return ce_refuse(reterr, "attribute %.*s: %.180s", (int)f->name.len, f->name.at,
                             why.text[0] ? why.text : "its text is empty");
        error = value.len ? ce_set(ret, f->name, CE_STRING, value, reterr) : 0;
        if (error)
            return error;
    }
    return set_content_type(source->host->event_head(message)->content_type, ret, reterr);
}
