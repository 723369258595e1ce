/* SPDX-License-Identifier: Apache-2.0 */
/* Sources, steps and sinks of one route: each bound to its module and asked what it can do. */
#include "plugin/call.h"
#include "route/model_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const source_keys[] = {"bridge", "topic", "address", "match", "consumers", NULL};
static const char *const sink_keys[] = {"bridge", "topic", "address", "properties", NULL};

/* The bridge of an end; false where there is none of that name.  *ret_whole: it can be asked. */
static bool find_bridge(struct gw_loading *m, const struct mg_node *map, size_t *ret_index)
{
    const struct mg_node *node = gw_tree_get(map, "bridge");
    const char *name = NULL;
    if (!node) {
        gw_bind_error(&m->bind, map, "bridge is missing");
        return false;
    }
    if (gw_bind_text(&m->bind, "bridge", node, &name))
        return false;
    /* Without any bridge, that is the error, not what refers to them. */
    if (!m->model.bridges)
        return false;
    const char **names = calloc(m->model.bridge_count + 1, sizeof(*names));
    for (size_t i = 0; i < m->model.bridge_count; i++) {
        if (!strcmp(m->model.bridges[i].name, name)) {
            *ret_index = i;
            free(names);
            return true;
        }
        if (names)
            names[i] = m->model.bridges[i].name;
    }
    gw_model_unknown(m, node, "bridge", name, names, names ? m->model.bridge_count : 0,
                     "there are none");
    free(names);
    return false;
}

/* topic and address are one; NULL where neither or both stand there, which has been said. */
static const struct mg_node *find_address(struct gw_loading *m, const struct mg_node *map)
{
    const struct mg_node *topic = gw_tree_get(map, "topic"), *address = gw_tree_get(map, "address");
    if (!topic && !address)
        gw_bind_error(&m->bind, map, "topic (or address, the same) is missing");
    else if (topic && address)
        gw_bind_error_at_key(&m->bind, address,
                             "topic and address are the same; write one of them");
    return topic && address ? NULL : topic ? topic : address;
}

static bool is_map(struct gw_loading *m, const struct mg_node *node)
{
    if (node->type == MG_NODE_MAP)
        return true;
    gw_bind_error(&m->bind, node, "this must be a map: { bridge: NAME, topic: ... }");
    return false;
}

static bool ask_end(struct gw_loading *m, const struct mg_node *map,
                    const struct gw_bridge_config *bridge, uint32_t direction, const char *address,
                    const void *settings, struct mg_end *ret_end)
{
    const struct mg_bridge_ops *ops = bridge->module->ops;
    struct mg_err err = {0};
    if (!(ops->abilities & direction)) {
        gw_bind_error(&m->bind, gw_tree_get(map, "bridge"), "bridge %s (%s) cannot be a %s",
                      bridge->name, bridge->module->name,
                      direction == MG_SOURCE ? "source" : "sink");
        return false;
    }
    if (!ops->end) {
        *ret_end = (struct mg_end){ops->abilities, UINT32_MAX};
        return true;
    }
    struct mg_instance planned = {.module = bridge->module,
                                  .name = (char *)(uintptr_t)bridge->name};
    struct gw_call outer = gw_call_begin(&planned, "end");
    int error = ops->end(bridge->settings, direction, address, settings, ret_end, &err);
    gw_call_end(outer);
    if (!error)
        return true;
    /* Whichever of the two words the module knows, the other may be what was written. */
    if (err.option && (!strcmp(err.option, "topic") || !strcmp(err.option, "address")))
        err.option = gw_tree_get(map, "topic") ? "topic" : "address";
    gw_model_refused(m, map, bridge, NULL, &err);
    return false;
}

/* match:, or the topic itself where it is a topic filter. */
static bool choose_pattern(struct gw_loading *m, const struct mg_node *map,
                           const struct mg_node *address, struct gw_pattern *pattern,
                           const struct mg_err *pattern_err, struct gw_source_config *source)
{
    const struct mg_node *match = gw_tree_get(map, "match");
    bool filters = source->end.abilities & MG_FILTERS;
    bool right = true;
    if (filters && !pattern) {
        struct mg_err shown = *pattern_err;
        gw_tree_redact(address, shown.text, sizeof shown.text);
        gw_bind_error(&m->bind, address, "%s: %s", address->key, shown.text);
        right = false;
    }
    if (!filters && (pattern ? pattern->capture_count > 0 : strchr(address->text, '{') != NULL)) {
        gw_bind_error(&m->bind, address,
                      "%s: addresses of this bridge are no topic filters, so nothing is captured "
                      "in them; put the "
                      "pattern with {captures} under match:",
                      address->key);
        right = false;
    }
    source->match = NULL;
    if (!match) {
        source->match = filters ? pattern : NULL;
        return right;
    }
    const char *text = NULL;
    struct mg_err err = {0};
    struct gw_pattern *compiled = NULL;
    if (gw_bind_text(&m->bind, "match", match, &text))
        return false;
    if (gw_pattern_compile(m->arena, text, &compiled, &err)) {
        gw_tree_redact(match, err.text, sizeof err.text);
        gw_bind_error(&m->bind, match, "match: %s", *err.text ? err.text : "out of memory");
        return false;
    }
    source->match = compiled;
    return right;
}

static void read_consumers(struct gw_loading *m, const struct mg_node *map,
                           struct gw_source_config *source)
{
    static const char *const key[] = {"consumers", NULL};
    const struct mg_option *o = gw_source_options;
    while (strcmp(o->name, key[0]))
        o++;
    const struct mg_option table[] = {*o, {NULL}};
    const struct mg_node *picked = gw_tree_pick(m->arena, map, key);
    struct gw_end_settings settings = {0};
    source->consumers = 1;
    if (picked && !gw_bind_settings(&m->bind, table, picked, map, &settings))
        source->consumers = settings.consumers;
}

/* Do several connections get each event once, and not each of them every event? */
static bool check_shared_out(struct gw_loading *m, const struct mg_node *map,
                             const struct gw_bridge_config *bridge, struct gw_source_config *source)
{
    if (source->consumers == 1)
        return true;
    /* What its first connection sends, the others are not kept from hearing. */
    source->end.abilities &= ~(uint32_t)MG_NO_ECHO;
    if (source->end.abilities & MG_COMPETES)
        return true;
    const struct mg_bridge_ops *ops = bridge->module->ops;
    const char *cure = !(ops->abilities & MG_COMPETES) ? "leave consumers away"
                       : source->end.abilities & MG_FILTERS
                           ? "write $share/NAME/ in front of the topic, or leave consumers away"
                           : "read a queue (see the bridge's README), or leave consumers away";
    gw_bind_error_at_key(&m->bind, gw_tree_get(map, "consumers"),
                         "consumers: bridge %s (%s) is not given its share of the events here: "
                         "each of the %lld connections would get every event; %s",
                         bridge->name, bridge->module->name, (long long)source->consumers, cure);
    return false;
}

/* Where the bridge is not known, captures still say what was meant, so that what uses them can be
 * checked in the same run. */
static void guess_pattern(struct gw_loading *m, const struct mg_node *map, const char *topic,
                          struct gw_source_config *source)
{
    const struct mg_node *match = gw_tree_get(map, "match");
    const char *text = match && match->type == MG_NODE_SCALAR ? match->text : topic;
    struct mg_err unused = {0};
    struct gw_pattern *pattern = NULL;
    if (text && !gw_pattern_compile(m->arena, text, &pattern, &unused) && pattern->capture_count)
        source->match = pattern;
}

bool gw_model_read_source(struct gw_loading *m, const struct mg_node *node,
                          struct gw_source_config *ret)
{
    *ret = (struct gw_source_config){.node = node, .consumers = 1};
    if (gw_tree_broken(node) || !is_map(m, node))
        return false;
    read_consumers(m, node, ret);
    const struct mg_node *address = find_address(m, node);
    const char *text = NULL;
    bool right = address && !gw_bind_text(&m->bind, address->key, address, &text);
    guess_pattern(m, node, text, ret);
    if (!find_bridge(m, node, &ret->bridge))
        return false;
    const struct gw_bridge_config *bridge = &m->model.bridges[ret->bridge];
    const struct mg_module *module = bridge->module;
    if (!module)
        return false;
    size_t first = m->bind.template_count;
    ret->settings = gw_model_bind_module(m, module->source_options, module->source_settings_size,
                                         source_keys, node);
    if (!ret->settings || !right || !m->bridge_whole[ret->bridge])
        return false;
    struct gw_pattern *pattern = NULL;
    struct mg_err err = {0};
    if (gw_pattern_compile(m->arena, text, &pattern, &err))
        pattern = NULL;
    ret->address = pattern ? pattern->filter : text;
    right = ask_end(m, node, bridge, MG_SOURCE, ret->address, ret->settings, &ret->end) &&
            choose_pattern(m, node, address, pattern, &err, ret) &&
            check_shared_out(m, node, bridge, ret);
    /* Unknown ends are left out of what is checked across ends. */
    if (!right)
        ret->end = (struct mg_end){0};
    for (size_t i = first; i < m->bind.template_count; i++) {
        const char *name = gw_template_capture(m->bind.templates[i].compiled, 0);
        if (name)
            gw_bind_error(&m->bind, m->bind.templates[i].node,
                          "{%s}: nothing is captured before an event comes", name);
    }
    return right;
}

bool gw_model_read_sink(struct gw_loading *m, const struct mg_node *node,
                        struct gw_sink_config *ret)
{
    *ret = (struct gw_sink_config){.node = node};
    if (gw_tree_broken(node) || !is_map(m, node))
        return false;
    const struct mg_node *address = find_address(m, node);
    bool right = address && !gw_bind_template(&m->bind, address->key, address, &ret->address);
    if (right && !*gw_template_text(ret->address)) {
        gw_bind_error(&m->bind, address, "%s is empty", address->key);
        right = false;
    }
    static const struct mg_option properties[] = {
        {.name = "properties", .type = MG_OPT_PAIRS, .offset = 0},
        {NULL},
    };
    static const char *const properties_key[] = {"properties", NULL};
    const struct mg_node *picked = gw_tree_pick(m->arena, node, properties_key);
    if (!picked || gw_bind_settings(&m->bind, properties, picked, node, &ret->properties))
        right = false;
    if (!find_bridge(m, node, &ret->bridge))
        return false;
    const struct gw_bridge_config *bridge = &m->model.bridges[ret->bridge];
    const struct mg_module *module = bridge->module;
    if (!module)
        return false;
    ret->settings =
        gw_model_bind_module(m, module->sink_options, module->sink_settings_size, sink_keys, node);
    if (!ret->settings || !right || !m->bridge_whole[ret->bridge])
        return false;
    return ask_end(m, node, bridge, MG_SINK, gw_template_text(ret->address), ret->settings,
                   &ret->end);
}

static const struct {
    const char *key;
    uint32_t kind;
} step_kinds[] = {{"filter", MG_FILTER}, {"enrich", MG_ENRICHER}, {"translate", MG_TRANSLATOR}};
enum { STEP_KINDS = sizeof step_kinds / sizeof step_kinds[0] };

static const struct mg_module *find_step_module(struct gw_loading *m, const struct mg_node *at,
                                                uint32_t kind, const char *key, const char *type)
{
    const struct mg_module *module = gw_registry_find(m->registry, kind, type);
    if (module)
        return module;
    for (size_t i = 0; i < STEP_KINDS; i++) {
        if (gw_registry_find(m->registry, step_kinds[i].kind, type)) {
            gw_bind_error(&m->bind, at, "%s is a module for %s:, not for %s:", type,
                          step_kinds[i].key, key);
            return NULL;
        }
    }
    size_t count = gw_registry_count(m->registry), used = 0;
    const char **names = calloc(count + 1, sizeof(*names));
    for (size_t i = 0; names && i < count; i++)
        if (gw_registry_at(m->registry, i)->module->kind == kind)
            names[used++] = gw_registry_at(m->registry, i)->module->name;
    char what[64];
    snprintf(what, sizeof what, "%s module", gw_kind_name(kind));
    gw_model_unknown(m, at, what, type, names, names ? used : 0, "none is loaded: see --modules");
    free(names);
    return NULL;
}

/* "filter:changed", and "filter:changed#2" for the second of them in a route. */
static const char *step_name(struct gw_loading *m, const char *key, const char *type,
                             const struct gw_route_config *route, const struct mg_module *module)
{
    size_t before = 0;
    for (size_t i = 0; i < route->step_count; i++)
        before += route->steps[i].module == module;
    return before ? gw_arena_printf(m->arena, "%s:%s#%zu", key, type, before + 1)
                  : gw_arena_printf(m->arena, "%s:%s", key, type);
}

static size_t find_kind(struct gw_loading *m, const struct mg_node *node)
{
    if (node->type != MG_NODE_MAP || node->count != 1) {
        gw_bind_error(&m->bind, node, "a step is a map of one key: - filter: { type: ... }%s",
                      node->type == MG_NODE_MAP ? "; indent what belongs to it" : "");
        return STEP_KINDS;
    }
    const struct mg_node *entry = node->items[0];
    const char *names[STEP_KINDS];
    for (size_t i = 0; i < STEP_KINDS; i++) {
        names[i] = step_kinds[i].key;
        if (!strcmp(entry->key, names[i]))
            return i;
    }
    char shown[GW_SHOWN_BYTES];
    const char *nearest = gw_nearest(entry->key, names, STEP_KINDS);
    gw_bind_error_at_key(&m->bind, entry,
                         "\"%s\" is no kind of step; there are filter, enrich and translate%s%s%s",
                         gw_tree_shown(shown, entry->key), nearest ? "; did you mean \"" : "",
                         nearest ? nearest : "", nearest ? "\"?" : "");
    return STEP_KINDS;
}

bool gw_model_read_step(struct gw_loading *m, const struct mg_node *node,
                        const struct gw_route_config *route, struct gw_step_config *ret)
{
    static const char *const keys[] = {"type", NULL};
    *ret = (struct gw_step_config){.node = node};
    if (gw_tree_broken(node))
        return false;
    size_t kind = find_kind(m, node);
    if (kind == STEP_KINDS)
        return false;
    const struct mg_node *map = node->items[0];
    const char *key = step_kinds[kind].key, *type = NULL;
    if (map->type != MG_NODE_MAP) {
        gw_bind_error(&m->bind, map, "%s takes a map: %s: { type: ... }", key, key);
        return false;
    }
    const struct mg_node *type_node = gw_tree_get(map, "type");
    if (!type_node)
        gw_bind_error_at_key(&m->bind, map, "type is missing");
    if (!type_node || gw_bind_text(&m->bind, "type", type_node, &type))
        return false;
    ret->module = find_step_module(m, type_node, step_kinds[kind].kind, key, type);
    if (!ret->module)
        return false;
    ret->name = step_name(m, key, type, route, ret->module);
    m->bind.what =
        gw_arena_printf(m->arena, "route %s, %s", route->name, ret->name ? ret->name : key);
    ret->settings =
        gw_model_bind_module(m, ret->module->options, ret->module->settings_size, keys, map);
    struct mg_err err = {0};
    if (ret->settings &&
        gw_module_check(ret->module, ret->name ? ret->name : key, ret->settings, &err)) {
        gw_model_refused(m, map, NULL, ret->module, &err);
        return false;
    }
    return ret->settings && ret->name;
}
