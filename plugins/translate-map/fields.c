/* SPDX-License-Identifier: Apache-2.0 */
/* Compiles the YAML of `fields:`. */
#include "fields.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIELDS_MAX = 1024 };

__attribute__((format(printf, 3, 4))) static int wrong(const struct mg_node *node,
                                                       struct mg_err *err, const char *format, ...)
{
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    snprintf(err->text, sizeof err->text, "%.64s:%u:%u: %s", node->file ? node->file : "fields",
             node->line, node->column, what);
    return -EINVAL;
}

/* Puts the place in front of what a compiler of paths or templates said. */
static int wrong_at(const struct mg_node *node, struct mg_err *err)
{
    char what[160];
    snprintf(what, sizeof what, "%.159s", err->text);
    return wrong(node, err, "%s", what);
}

/* ---- constants ------------------------------------------------------------------------------ */

/* Plain scalars by YAML's core schema; NULL: a text. */
static json_t *plain_scalar(const struct mg_node *node)
{
    const char *s = node->text;
    char *end;
    if (!*s || !strcmp(s, "~") || !strcmp(s, "null"))
        return json_null();
    if (!strcmp(s, "true") || !strcmp(s, "false"))
        return json_boolean(*s == 't');
    if (strspn(s, "0123456789+-.eE") != strlen(s) || strpbrk(s, "0123456789") == NULL)
        return NULL;
    errno = 0;
    long long i = strtoll(s, &end, 10);
    if (!*end && !errno)
        return json_integer(i);
    double d = strtod(s, &end);
    return *end || !isfinite(d) ? NULL : json_real(d);
}

static json_t *constant(const struct mg_node *node)
{
    json_t *json = NULL;
    if (node->type == MG_NODE_NULL)
        return json_null();
    if (node->type == MG_NODE_SCALAR) {
        json = node->quoted ? NULL : plain_scalar(node);
        return json ? json : json_stringn(node->text, node->length);
    }
    json = node->type == MG_NODE_LIST ? json_array() : json_object();
    for (size_t i = 0; json && i < node->count; i++) {
        json_t *item = constant(node->items[i]);
        int error = !item ? -1
                    : node->type == MG_NODE_LIST
                        ? json_array_append_new(json, item)
                        : json_object_set_new(json, node->items[i]->key, item);
        if (error) {
            json_decref(json);
            return NULL;
        }
    }
    return json;
}

/* ---- one field ------------------------------------------------------------------------------ */

/* A text with a field in it is a template, any other a path into the payload. */
static int compile_source(struct field *f, const struct mg_node *node, struct mg_err *err)
{
    if (node->type != MG_NODE_SCALAR)
        return wrong(node, err, "a source is a path, as temperature, or a text, as \"{line}\"");
    if (!node->quoted) {
        json_t *plain = plain_scalar(node);
        json_decref(plain);
        if (plain)
            return wrong(node, err, "a constant is written { value: %.40s }", node->text);
    }
    if (strlen(node->text) != node->length)
        return wrong(node, err, "a NUL character is not allowed here");
    int error = strpbrk(node->text, "{}") ? text_template_compile(node->text, &f->text, err)
                                          : json_path_compile(node->text, true, &f->from, err);
    if (!error && f->text && !text_template_has_fields(f->text))
        return wrong(node, err, "a constant text is written { value: \"…\" }");
    return error == -EINVAL ? wrong_at(node, err) : error;
}

static int compile_number(double *ret, const struct mg_node *node, struct mg_err *err)
{
    json_t *json = node->type == MG_NODE_SCALAR && !node->quoted ? plain_scalar(node) : NULL;
    bool is_number = json_is_number(json);
    if (is_number)
        *ret = json_number_value(json);
    json_decref(json);
    return is_number ? 0 : wrong(node, err, "%s must be a number", node->key);
}

static int compile_type(struct field *f, const struct mg_node *node, struct mg_err *err)
{
    static const char *const names[] = {[TYPE_NUMBER] = "number",
                                        [TYPE_INTEGER] = "integer",
                                        [TYPE_TEXT] = "text",
                                        [TYPE_BOOLEAN] = "boolean"};
    for (uint32_t i = TYPE_NUMBER; i <= TYPE_BOOLEAN; i++) {
        if (node->type == MG_NODE_SCALAR && !strcmp(node->text, names[i])) {
            f->type = i;
            return 0;
        }
    }
    return wrong(node, err, "type must be number, integer, text or boolean");
}

static int compile_member(struct field *f, const struct mg_node *node, struct mg_err *err)
{
    const char *key = node->key;
    if (!strcmp(key, "from"))
        return compile_source(f, node, err);
    if (!strcmp(key, "type"))
        return compile_type(f, node, err);
    if (!strcmp(key, "scale") || !strcmp(key, "offset")) {
        f->scaled = true;
        return compile_number(*key == 's' ? &f->scale : &f->offset, node, err);
    }
    if (!strcmp(key, "value") || !strcmp(key, "default")) {
        json_t *json = constant(node);
        *(*key == 'v' ? &f->value : &f->fallback) = json;
        return json ? 0 : -ENOMEM;
    }
    return wrong(node, err,
                 "unknown key \"%.40s\": from, value, default, type, scale and offset are known",
                 key);
}

static int compile_field(struct field *f, const struct mg_node *node, bool target_of_event,
                         struct mg_err *err)
{
    f->scale = 1;
    int error = json_path_compile(node->key, target_of_event, &f->target, err);
    if (!error && !strcmp(node->key, "."))
        return wrong(node, err, "a field needs a name");
    if (error)
        return error == -EINVAL ? wrong_at(node, err) : error;
    if (node->type != MG_NODE_MAP)
        return compile_source(f, node, err);
    for (size_t i = 0; i < node->count && !error; i++)
        error = compile_member(f, node->items[i], err);
    if (error)
        return error;
    bool has_source = f->from || f->text;
    if (has_source == !!f->value)
        return wrong(node, err, "%.60s needs %s (a nested field is written as a dotted name)",
                     node->key, has_source ? "either from or value, not both" : "from or value");
    if (f->value && (f->fallback || f->type || f->scaled))
        return wrong(node, err,
                     "%.60s: default, type, scale and offset go with from, not with value",
                     node->key);
    if (f->scaled && f->type > TYPE_INTEGER)
        return wrong(node, err, "%.60s: scale and offset make a number or an integer", node->key);
    return 0;
}

/* ---- all ------------------------------------------------------------------------------------ */

int fields_compile(const struct mg_node *map, bool targets_of_event, struct fields *ret_fields,
                   struct mg_err *reterr)
{
    *ret_fields = (struct fields){0};
    if (!map)
        return 0;
    if (map->type != MG_NODE_MAP || map->count > FIELDS_MAX)
        return wrong(map, reterr, "fields must be a map of targets to sources, at most %d",
                     FIELDS_MAX);
    ret_fields->list = calloc(map->count ? map->count : 1, sizeof *ret_fields->list);
    int error = ret_fields->list ? 0 : -ENOMEM;
    for (size_t i = 0; i < map->count && !error; i++) {
        struct field *f = &ret_fields->list[ret_fields->count++];
        error = compile_field(f, map->items[i], targets_of_event, reterr);
        ret_fields->need_payload = ret_fields->need_payload || f->from;
    }
    if (error == -ENOMEM)
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return error;
}

void fields_fini(struct fields *fields)
{
    for (size_t i = 0; i < fields->count; i++) {
        struct field *f = &fields->list[i];
        json_path_free(f->target);
        json_path_free(f->from);
        text_template_free(f->text);
        json_decref(f->value);
        json_decref(f->fallback);
    }
    free(fields->list);
    *fields = (struct fields){0};
}
