/* SPDX-License-Identifier: Apache-2.0 */
/* One JSON Schema for the whole YAML: the core's tables, and each module's where its type is named.
 */
#include "route/model_schema.h"
#include "config/schema.h"
#include "route/model_tests_internal.h"
#include <stdio.h>
#include <string.h>

static const struct {
    const char *name;
    const struct mg_option *options;
} sections[] = {
    {"gateway", gw_gateway_options},   {"bridge", gw_bridge_options}, {"route", gw_route_options},
    {"from", gw_source_options},       {"to", gw_sink_options},       {"step", gw_step_options},
    {"delivery", gw_delivery_options}, {"test", gw_test_options},     {"given", gw_given_options},
    {"when", gw_when_options},         {"expect", gw_expect_options},
};

const struct mg_option *gw_model_section(const char *name)
{
    for (size_t i = 0; i < sizeof sections / sizeof sections[0]; i++)
        if (!strcmp(sections[i].name, name))
            return sections[i].options;
    return NULL;
}

static const char name_pattern[] = "^[A-Za-z0-9_-]{1,64}$";

/* Names to what `ref` says. */
static json_t *named(const char *ref, const char *description)
{
    return json_pack("{s:[s,s], s:s, s:{s:s}, s:{s:s}}", "type", "object", "null", "description",
                     description, "propertyNames", "pattern", name_pattern, "additionalProperties",
                     "$ref", ref);
}

static json_t *one_or_list(const char *ref, const char *description, bool required)
{
    json_t *list = json_pack("{s:s, s:{s:s}}", "type", "array", "items", "$ref", ref);
    if (required)
        json_object_set_new(list, "minItems", json_integer(1));
    return json_pack("{s:s, s:[{s:s}, o]}", "description", description, "anyOf", "$ref", ref, list);
}

static void describe(json_t *schema, const char *property, json_t *value)
{
    json_object_set_new(json_object_get(schema, "properties"), property, value);
}

/* The map of a module of this kind: what else it holds follows from its type. */
static json_t *by_type(const struct gw_registry *registry, uint32_t kind,
                       const struct mg_option *core, json_t *defs)
{
    json_t *types = json_array(), *rules = json_array();
    for (size_t i = 0; i < gw_registry_count(registry); i++) {
        const struct mg_module *module = gw_registry_at(registry, i)->module;
        char name[128], ref[160];
        if (module->kind != kind)
            continue;
        snprintf(name, sizeof name, "%s-%s", gw_kind_name(kind), module->name);
        snprintf(ref, sizeof ref, "#/$defs/%s", name);
        json_array_append_new(types, json_pack("{s:s, s:s}", "const", module->name, "description",
                                               module->summary ? module->summary : ""));
        json_array_append_new(rules, json_pack("{s:{s:{s:{s:s}}, s:[s]}, s:{s:s}}", "if",
                                               "properties", "type", "const", module->name,
                                               "required", "type", "then", "$ref", ref));
        json_t *schema = gw_schema_of_options(core);
        gw_schema_add_options(schema, module->options);
        describe(schema, "type", json_pack("{s:s}", "const", module->name));
        if (module->summary)
            json_object_set_new(schema, "description", json_string(module->summary));
        json_object_set_new(defs, name, schema);
    }
    if (!json_array_size(types)) {
        json_decref(types);
        json_decref(rules);
        return json_pack("{s:s, s:{}}", "description", "No module of this kind is loaded.", "not");
    }
    /* In the outer schema every property is open: the rule of its type closes it. */
    return json_pack("{s:s, s:[s], s:{s:{s:o}}, s:o}", "type", "object", "required", "type",
                     "properties", "type", "anyOf", types, "allOf", rules);
}

/* An end names a bridge, not a type, so it may hold what any bridge takes there. */
static json_t *end_schema(const struct gw_registry *registry, const struct mg_option *core,
                          bool source)
{
    json_t *schema = gw_schema_of_options(core),
           *properties = json_object_get(schema, "properties");
    for (size_t i = 0; i < gw_registry_count(registry); i++) {
        const struct mg_module *module = gw_registry_at(registry, i)->module;
        json_t *own =
            module->kind == MG_BRIDGE
                ? gw_schema_of_options(source ? module->source_options : module->sink_options)
                : NULL;
        const char *name;
        json_t *value;
        json_object_foreach(json_object_get(own, "properties"), name, value)
        {
            json_t *known = json_object_get(properties, name);
            json_t *ways = json_object_get(known, "x-bridges");
            json_t *way = json_pack("{s:s, s:[O]}", "description", module->name, "allOf", value);
            if (known && !ways)
                json_decref(way); /* a core key */
            else if (ways)
                json_array_append_new(ways, way);
            else
                json_object_set_new(properties, name, json_pack("{s:[o]}", "x-bridges", way));
        }
        json_decref(own);
    }
    const char *name;
    json_t *value;
    json_object_foreach(properties, name, value)
    {
        json_t *ways = json_object_get(value, "x-bridges");
        if (!ways)
            continue;
        json_incref(ways);
        json_object_clear(value);
        json_object_set_new(value, "anyOf", ways);
    }
    json_object_set_new(
        schema, "oneOf",
        json_pack("[{s:[s]}, {s:[s]}]", "required", "topic", "required", "address"));
    return schema;
}

static json_t *step_schema(void)
{
    return json_pack("{s:s, s:i, s:i, s:b, s:{s:{s:s}, s:{s:s}, s:{s:s}}}", "type", "object",
                     "minProperties", 1, "maxProperties", 1, "additionalProperties", 0,
                     "properties", "filter", "$ref", "#/$defs/filter", "enrich", "$ref",
                     "#/$defs/enrich", "translate", "$ref", "#/$defs/translate");
}

static void add_tests(json_t *defs)
{
    json_t *test = gw_schema_of_options(gw_test_options);
    describe(test, "given", one_or_list("#/$defs/given", "The events given.", true));
    describe(test, "when", one_or_list("#/$defs/when", "What goes wrong meanwhile.", false));
    describe(test, "expect", one_or_list("#/$defs/expect", "The events that sinks take.", false));
    json_object_set_new(defs, "test", test);
    json_object_set_new(defs, "given", gw_schema_of_options(gw_given_options));
    json_object_set_new(defs, "when", gw_schema_of_options(gw_when_options));
    json_object_set_new(defs, "expect", gw_schema_of_options(gw_expect_options));
}

json_t *gw_model_schema(const struct gw_registry *registry)
{
    json_t *defs = json_object(), *route = gw_schema_of_options(gw_route_options);
    describe(route, "from", one_or_list("#/$defs/from", "One source, or a list.", true));
    describe(route, "to", one_or_list("#/$defs/to", "One sink, or a list.", true));
    describe(route, "steps",
             one_or_list("#/$defs/step",
                         "What happens to each event, in order: filter, enrich, translate.",
                         false));
    describe(route, "tests",
             one_or_list("#/$defs/test", "What `meshgate test` tries on the route.", false));
    add_tests(defs);
    json_object_set_new(defs, "gateway", gw_schema_of_options(gw_gateway_options));
    json_object_set_new(defs, "bridge", by_type(registry, MG_BRIDGE, gw_bridge_options, defs));
    json_object_set_new(defs, "route", route);
    json_object_set_new(defs, "from", end_schema(registry, gw_source_options, true));
    json_object_set_new(defs, "to", end_schema(registry, gw_sink_options, false));
    json_object_set_new(defs, "step", step_schema());
    json_object_set_new(defs, "filter", by_type(registry, MG_FILTER, gw_step_options, defs));
    json_object_set_new(defs, "enrich", by_type(registry, MG_ENRICHER, gw_step_options, defs));
    json_object_set_new(defs, "translate", by_type(registry, MG_TRANSLATOR, gw_step_options, defs));
    /* Nothing is required at the top: in a folder, each file holds a part. */
    return json_pack(
        "{s:s, s:s, s:s, s:s, s:b, s:{s:o, s:o, s:o}, s:o}", "$schema",
        "https://json-schema.org/draft/2020-12/schema", "title", "meshgate configuration",
        "description",
        "Generated by `meshgate schema` from the tables that the gateway itself reads.", "type",
        "object", "additionalProperties", 0, "properties", "gateway",
        json_pack("{s:[{s:s}, {s:s}]}", "anyOf", "$ref", "#/$defs/gateway", "type", "null"),
        "bridges", named("#/$defs/bridge", "The peers, each under a name."), "routes",
        named("#/$defs/route", "The ways of events, each under a name."), "$defs", defs);
}
