/* SPDX-License-Identifier: Apache-2.0 */
/* Option tables as JSON Schema, for editors that complete and check the YAML. */
#include "config/schema.h"
#include "config/bind.h"
#include "config/bind_value.h"
#include <errno.h>
#include <string.h>

/* Every scalar may come from the environment or a file. */
static json_t *or_replaced(json_t *schema)
{
    return json_pack("{s:[o, {s:s, s:s}]}", "anyOf", schema, "type", "string", "pattern",
                     "\\$\\{(env|file):");
}

static json_t *number(const struct mg_option *o, const char *type)
{
    json_t *schema = json_pack("{s:s}", "type", type);
    if (schema && (o->least || o->most)) {
        json_object_set_new(schema, "minimum", json_integer(o->least));
        json_object_set_new(schema, "maximum", json_integer(o->most));
    }
    return or_replaced(schema);
}

static json_t *text(const struct mg_option *o)
{
    /* An unquoted 5 is a good text, too, and editors see a number. */
    json_t *schema = json_pack("{s:[s,s]}", "type", "string", "number");
    if (schema && (o->least || o->most)) {
        json_object_set_new(schema, "minLength", json_integer(o->least));
        json_object_set_new(schema, "maxLength", json_integer(o->most));
    }
    return schema;
}

static json_t *choices(const struct mg_option *o)
{
    json_t *values = json_array();
    for (const char *const *choice = o->choices; values && *choice; choice++) {
        int64_t whole;
        bool flag;
        json_array_append_new(values, json_string(*choice));
        /* Unquoted, editors see a number or a truth value. */
        if (!gw_value_int(*choice, &whole))
            json_array_append_new(values, json_integer(whole));
        else if (!gw_value_bool(*choice, &flag))
            json_array_append_new(values, json_boolean(flag));
    }
    return or_replaced(json_pack("{s:o}", "enum", values));
}

static json_t *pattern(const char *regex)
{
    return json_pack("{s:s, s:s}", "type", "string", "pattern", regex);
}

static json_t *of_type(const struct mg_option *o);

/* A map, or the one value in it that may stand alone. */
static json_t *of_map(const struct mg_option *o)
{
    const struct mg_option *plain = gw_bind_plain(o);
    json_t *schema = gw_schema_of_options(o->inside);
    return plain ? json_pack("{s:[o, o]}", "anyOf", schema, of_type(plain)) : schema;
}

static json_t *of_type(const struct mg_option *o)
{
    switch (o->type) {
    case MG_OPT_INT:
        return number(o, "integer");
    case MG_OPT_DOUBLE:
        return number(o, "number");
    case MG_OPT_BOOL:
        return or_replaced(json_pack("{s:s}", "type", "boolean"));
    case MG_OPT_DURATION_MS:
        return json_pack("{s:[o, {s:i}]}", "anyOf",
                         pattern("^([0-9]+(\\.[0-9]+)? *(ms|s|m|h|d)|0)$|\\$\\{(env|file):"),
                         "const", 0);
    case MG_OPT_SIZE:
        return json_pack("{s:[{s:s, s:i}, o]}", "anyOf", "type", "integer", "minimum", 0,
                         pattern("^[0-9]+(\\.[0-9]+)? *([kKMGT]B|[KMGT]iB|B)?$|\\$\\{(env|file):"));
    case MG_OPT_ENUM:
        return choices(o);
    case MG_OPT_URL:
        return pattern("^[a-z0-9+.-]+://\\S+$|\\$\\{(env|file):");
    case MG_OPT_PAIRS:
        return json_pack("{s:[s,s], s:{s:[s,s,s]}}", "type", "object", "null",
                         "additionalProperties", "type", "string", "number", "boolean");
    case MG_OPT_MAP:
        return of_map(o);
    case MG_OPT_TREE:
        return json_object();
    default:
        return text(o);
    }
}

static json_t *default_value(const struct mg_option *o)
{
    int64_t whole;
    double real;
    bool flag;
    if (o->flags & MG_OPT_LIST || !o->value || *o->value == '[' || *o->value == '{')
        return NULL;
    if (o->type == MG_OPT_INT || o->type == MG_OPT_SIZE)
        if (!gw_value_int(o->value, &whole))
            return json_integer(whole);
    if (o->type == MG_OPT_DOUBLE && !gw_value_double(o->value, &real))
        return json_real(real);
    if (o->type == MG_OPT_BOOL && !gw_value_bool(o->value, &flag))
        return json_boolean(flag);
    return o->type == MG_OPT_SECRET ? NULL : json_string(o->value);
}

static json_t *of_option(const struct mg_option *o)
{
    json_t *schema = of_type(o);
    if (schema && o->flags & MG_OPT_LIST) {
        json_t *items = json_pack("{s:s, s:O}", "type", "array", "items", schema);
        if (items && o->flags & MG_OPT_REQUIRED)
            json_object_set_new(items, "minItems", json_integer(1));
        schema = json_pack("{s:[o, o]}", "anyOf", schema, items);
    }
    if (!schema)
        return NULL;
    if (o->doc)
        json_object_set_new(schema, "description", json_string(o->doc));
    json_t *value = default_value(o);
    if (value)
        json_object_set_new(schema, "default", value);
    return schema;
}

int gw_schema_add_options(json_t *schema, const struct mg_option *options)
{
    json_t *properties = json_object_get(schema, "properties"),
           *required = json_object_get(schema, "required");
    for (const struct mg_option *o = options; o && o->name; o++) {
        if (json_object_set_new(properties, o->name, of_option(o)))
            return -ENOMEM;
        if (!(o->flags & MG_OPT_REQUIRED) || o->value)
            continue;
        if (!required) {
            if (json_object_set_new(schema, "required", required = json_array()))
                return -ENOMEM;
        }
        if (json_array_append_new(required, json_string(o->name)))
            return -ENOMEM;
    }
    return 0;
}

json_t *gw_schema_of_options(const struct mg_option *options)
{
    json_t *schema =
        json_pack("{s:s, s:{}, s:b}", "type", "object", "properties", "additionalProperties", 0);
    if (schema && gw_schema_add_options(schema, options)) {
        json_decref(schema);
        return NULL;
    }
    return schema;
}
