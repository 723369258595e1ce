/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the checked configuration out of the tree: gateway, bridges and routes. */
#include "plugin/instance.h"
#include "route/model_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { NAME_BYTES_MAX = 64 };

int gw_model_load_gateway(struct gw_arena *arena, const struct mg_node *root,
                          struct gw_gateway_settings *ret_gateway, struct gw_diags *diags)
{
    struct gw_bind bind = {.arena = arena, .diags = diags, .what = "gateway"};
    struct gw_gateway_settings gateway = {0};
    const struct mg_node *map = gw_tree_get(root, "gateway");
    int error = gw_bind_settings(&bind, gw_gateway_options, map, map ? map : root, &gateway);
    gw_bind_release(&bind);
    if (!error && !gateway.name) {
        char host[254] = "";
        gethostname(host, sizeof host - 1);
        gateway.name =
            gw_arena_copy(arena, *host ? host : "meshgate", strlen(*host ? host : "meshgate"));
        if (!gateway.name)
            error = -ENOMEM;
    }
    if (!error)
        *ret_gateway = gateway;
    return error;
}

/* The caller has loaded gateway: before, to find the modules, and may have said what is wrong. */
static void load_gateway(struct gw_loading *m, const struct mg_node *root)
{
    struct gw_diags found = {0};
    m->gateway_whole = !gw_model_load_gateway(m->arena, root, &m->model.gateway, &found);
    for (size_t i = 0; i < found.count; i++) {
        const struct gw_diag *d = &found.items[i];
        bool known = false;
        for (size_t k = 0; k < m->diags->count && !known; k++) {
            const struct gw_diag *e = &m->diags->items[k];
            known = e->line == d->line && e->column == d->column && e->text && d->text &&
                    !strcmp(e->text, d->text);
        }
        if (!known)
            gw_diag_add(m->diags, d->level, d->file, d->line, d->column, "%s",
                        d->text ? d->text : "out of memory");
    }
    gw_diags_fini(&found);
}

static const struct mg_node *find_option(const struct mg_node *map, const char *dotted)
{
    char name[128];
    const struct mg_node *at = map;
    /* A scalar stands for the whole map (MG_OPT_PLAIN). */
    for (; at && *dotted && !(at != map && at->type == MG_NODE_SCALAR); dotted += *dotted == '.') {
        size_t n = strcspn(dotted, ".");
        snprintf(name, sizeof name, "%.*s", (int)n, dotted);
        at = gw_tree_get(at, name);
        dotted += n;
    }
    return at;
}

static void hide_secrets(const struct mg_option *options, const struct mg_node *map, char *text,
                         size_t size)
{
    for (const struct mg_option *o = options; o && o->name; o++) {
        const struct mg_node *node = gw_tree_get(map, o->name);
        if (node && node->type == MG_NODE_SCALAR && o->type == MG_OPT_SECRET)
            gw_tree_hide(text, size, node->text, "(secret)");
        for (size_t i = 0;
             node && node->type == MG_NODE_LIST && o->type == MG_OPT_SECRET && i < node->count; i++)
            if (node->items[i]->type == MG_NODE_SCALAR)
                gw_tree_hide(text, size, node->items[i]->text, "(secret)");
        const struct mg_option *plain = gw_bind_plain(o);
        if (plain && plain->type == MG_OPT_SECRET && node && node->type == MG_NODE_SCALAR)
            gw_tree_hide(text, size, node->text, "(secret)");
        if (o->type == MG_OPT_MAP && node)
            hide_secrets(o->inside, node, text, size);
    }
}

void gw_model_refused(struct gw_loading *m, const struct mg_node *map,
                      const struct gw_bridge_config *bridge, const struct mg_module *module,
                      const struct mg_err *err)
{
    char text[512];
    snprintf(text, sizeof text, "%s%s%s", err->option ? err->option : "", err->option ? ": " : "",
             *err->text ? err->text : "refused, without a reason");
    gw_tree_redact(map, text, sizeof text);
    if (module)
        hide_secrets(module->options, map, text, sizeof text);
    if (bridge) {
        gw_tree_redact(bridge->node, text, sizeof text);
        hide_secrets(bridge->module->options, bridge->node, text, sizeof text);
        hide_secrets(bridge->module->source_options, map, text, sizeof text);
        hide_secrets(bridge->module->sink_options, map, text, sizeof text);
    }
    const struct mg_node *at = err->option ? find_option(map, err->option) : NULL;
    /* An end may speak of its bridge's options, too. */
    if (!at && err->option && bridge)
        at = find_option(bridge->node, err->option);
    gw_bind_error_at_key(&m->bind, at ? at : map, "%s", text);
}

const void *gw_model_bind_module(struct gw_loading *m, const struct mg_option *options, size_t size,
                                 const char *const *others, const struct mg_node *map)
{
    void *settings = gw_arena_alloc(m->arena, size ? size : 1);
    if (!settings) {
        gw_bind_error(&m->bind, map, "out of memory");
        return NULL;
    }
    m->bind.others = others;
    int error = gw_bind_settings(&m->bind, options, map, map, settings);
    m->bind.others = NULL;
    return error ? NULL : settings;
}

void gw_model_unknown(struct gw_loading *m, const struct mg_node *at, const char *what,
                      const char *name, const char *const *names, size_t count, const char *cure)
{
    char list[512] = "", shown[GW_SHOWN_BYTES];
    size_t used = 0;
    const char *nearest = gw_nearest(name, names, count);
    for (size_t i = 0; i < count && i < 12 && used < sizeof list; i++)
        used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", i ? ", " : "", names[i]);
    /* The name may be what a secret stands for. */
    gw_tree_shown(shown, gw_tree_origin(at) ? gw_tree_origin(at) : name);
    if (nearest)
        gw_bind_error(&m->bind, at, "there is no %s \"%s\"; did you mean \"%s\"?", what, shown,
                      nearest);
    else
        gw_bind_error(&m->bind, at, "there is no %s \"%s\"; %s%s%s", what, shown,
                      count ? "there are: " : cure, list, count > 12 ? ", ..." : "");
}

static bool valid_name(struct gw_loading *m, const struct mg_node *entry, const char *what)
{
    size_t n = strlen(entry->key);
    char shown[GW_SHOWN_BYTES];
    if (n && n <= NAME_BYTES_MAX &&
        strspn(entry->key, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-") == n)
        return true;
    m->bind.what = NULL;
    gw_bind_error_at_key(&m->bind, entry,
                         "\"%s\" is no name for a %s: 1 to 64 of A-Z, a-z, 0-9, _ and -",
                         gw_tree_shown(shown, entry->key), what);
    return false;
}

static const struct mg_module *find_bridge_module(struct gw_loading *m, const struct mg_node *map,
                                                  const char *type)
{
    const struct mg_module *module = gw_registry_find(m->registry, MG_BRIDGE, type);
    if (module)
        return module;
    for (uint32_t kind = MG_FILTER; kind <= MG_TRANSLATOR; kind++) {
        if (gw_registry_find(m->registry, kind, type)) {
            gw_bind_error(&m->bind, gw_tree_get(map, "type"),
                          "%s is no bridge, but a %s: it belongs under steps: of a "
                          "route",
                          type, gw_kind_name(kind));
            return NULL;
        }
    }
    size_t count = gw_registry_count(m->registry), used = 0;
    const char **names = calloc(count + 1, sizeof(*names));
    for (size_t i = 0; names && i < count; i++)
        if (gw_registry_at(m->registry, i)->module->kind == MG_BRIDGE)
            names[used++] = gw_registry_at(m->registry, i)->module->name;
    gw_model_unknown(m, gw_tree_get(map, "type"), "bridge module", type, names, names ? used : 0,
                     "no bridge module is loaded: see --modules");
    free(names);
    return NULL;
}

static bool load_bridge(struct gw_loading *m, const struct mg_node *map,
                        struct gw_bridge_config *bridge)
{
    static const char *const core_keys[] = {"type", "shard", NULL};
    struct gw_bridge_settings core = {.shard = -1};
    if (map->type != MG_NODE_MAP) {
        gw_bind_error_at_key(&m->bind, map, "a bridge is a map: %s: { type: mqtt, ... }", map->key);
        return false;
    }
    const struct mg_node *picked = gw_tree_pick(m->arena, map, core_keys);
    if (!picked) {
        gw_bind_error(&m->bind, map, "out of memory");
        return false;
    }
    if (gw_bind_settings(&m->bind, gw_bridge_options, picked, map, &core) && !core.type)
        return false;
    const struct mg_module *module = bridge->module = find_bridge_module(m, map, core.type);
    if (!module)
        return false;
    m->bind.what = gw_arena_printf(m->arena, "bridge %s (%s)", map->key, module->name);
    if (core.shard >= m->model.gateway.shards && m->model.gateway.shards)
        gw_bind_error(&m->bind, gw_tree_get(map, "shard"),
                      "shard %lld does not exist; gateway.shards is %lld, and they count from 0",
                      (long long)core.shard, (long long)m->model.gateway.shards);
    bridge->shard = core.shard;
    size_t first = m->bind.template_count;
    bridge->settings =
        gw_model_bind_module(m, module->options, module->settings_size, core_keys, map);
    for (size_t i = first; i < m->bind.template_count; i++) {
        const char *name = gw_template_capture(m->bind.templates[i].compiled, 0);
        if (name)
            gw_bind_error(&m->bind, m->bind.templates[i].node,
                          "{%s}: a bridge serves many routes, so it knows no capture", name);
    }
    struct mg_err err = {0};
    if (!bridge->settings)
        return false;
    if (gw_module_check(module, bridge->name, bridge->settings, &err)) {
        gw_model_refused(m, map, NULL, module, &err);
        return false;
    }
    return true;
}

static bool is_map(struct gw_loading *m, const struct mg_node *node, const char *what)
{
    if (!node || node->type == MG_NODE_MAP)
        return node;
    m->bind.what = NULL;
    if (node->type == MG_NODE_NULL)
        gw_bind_error_at_key(&m->bind, node, "%s is empty", what);
    else
        gw_bind_error(&m->bind, node, "%s must be a map of names%s", what,
                      node->type == MG_NODE_LIST ? ", not a list: leave the - away" : "");
    return false;
}

static int load_bridges(struct gw_loading *m, const struct mg_node *map)
{
    if (!is_map(m, map, "bridges"))
        return 0;
    m->model.bridges = gw_arena_alloc(m->arena, (map->count + 1) * sizeof *m->model.bridges);
    m->bridge_whole = gw_arena_alloc(m->arena, map->count + 1);
    if (!m->model.bridges || !m->bridge_whole)
        return -ENOMEM;
    m->model.bridge_count = map->count;
    for (size_t i = 0; i < map->count; i++) {
        struct gw_bridge_config *bridge = &m->model.bridges[i];
        *bridge = (struct gw_bridge_config){
            .name = map->items[i]->key, .node = map->items[i], .shard = -1};
        valid_name(m, map->items[i], "bridge");
        m->bind.what = gw_arena_printf(m->arena, "bridge %s", bridge->name);
        m->bridge_whole[i] = load_bridge(m, map->items[i], bridge);
    }
    return 0;
}

static int load_ends(struct gw_loading *m, const struct gw_route_settings *settings,
                     struct gw_route_config *route, struct gw_route_extra *extra)
{
    const struct mg_node *const *from = settings->from.items, *const *steps = settings->steps.items,
                                *const *to = settings->to.items;
    route->sources = gw_arena_alloc(m->arena, (settings->from.count + 1) * sizeof *route->sources);
    route->steps = gw_arena_alloc(m->arena, (settings->steps.count + 1) * sizeof *route->steps);
    route->sinks = gw_arena_alloc(m->arena, (settings->to.count + 1) * sizeof *route->sinks);
    if (!route->sources || !route->steps || !route->sinks)
        return -ENOMEM;
    for (size_t i = 0; i < settings->from.count; i++) {
        m->bind.what = gw_arena_printf(m->arena, "route %s, from", route->name);
        extra->whole &= gw_model_read_source(m, from[i], &route->sources[route->source_count++]);
    }
    extra->first_template = m->bind.template_count;
    for (size_t i = 0; i < settings->steps.count; i++) {
        m->bind.what = gw_arena_printf(m->arena, "route %s, step %zu", route->name, i + 1);
        gw_model_read_step(m, steps[i], route, &route->steps[route->step_count]);
        route->step_count++;
    }
    for (size_t i = 0; i < settings->to.count; i++) {
        m->bind.what = gw_arena_printf(m->arena, "route %s, to", route->name);
        extra->whole &= gw_model_read_sink(m, to[i], &route->sinks[route->sink_count++]);
    }
    extra->end_template = m->bind.template_count;
    m->bind.what = gw_arena_printf(m->arena, "route %s", route->name);
    return 0;
}

static int load_route(struct gw_loading *m, const struct mg_node *map,
                      struct gw_route_config *route, struct gw_route_extra *extra)
{
    struct gw_route_settings settings = {0};
    *route = (struct gw_route_config){.name = map->key, .node = map};
    valid_name(m, map, "route");
    m->bind.what = gw_arena_printf(m->arena, "route %s", route->name);
    if (map->type != MG_NODE_MAP) {
        gw_bind_error_at_key(&m->bind, map, "a route is a map with from and to");
        return 0;
    }
    /* What did bind is read all the same, for all errors at once. */
    extra->first_delivery = m->bind.template_count;
    bool bound = !gw_bind_settings(&m->bind, gw_route_options, map, map, &settings);
    extra->end_delivery = m->bind.template_count;
    route->delivery = settings.delivery;
    extra->loops_allowed = settings.loops == GW_LOOPS_ALLOW;
    extra->whole = bound;
    int error = load_ends(m, &settings, route, extra);
    if (error)
        return error;
    if (route->delivery.retry_first_ms > route->delivery.retry_most_ms && bound)
        gw_bind_error(&m->bind, gw_tree_get(gw_tree_get(map, "delivery"), "retry"),
                      "retry: first is longer than most");
    if (bound)
        gw_model_check_stored_keys(m, route);
    gw_model_check_captures(m, route, extra);
    if (extra->whole) {
        gw_model_check_delivery(m, route);
        gw_model_check_consumers(m, route);
    }
    /* They name the route's ends, so those must be known. */
    return extra->whole ? gw_model_read_tests(m, &settings.tests, route) : 0;
}

static int load_routes(struct gw_loading *m, const struct mg_node *map)
{
    if (!is_map(m, map, "routes"))
        return 0;
    m->model.routes = gw_arena_alloc(m->arena, (map->count + 1) * sizeof *m->model.routes);
    m->extra = gw_arena_alloc(m->arena, (map->count + 1) * sizeof *m->extra);
    if (!m->model.routes || !m->extra)
        return -ENOMEM;
    int error = 0;
    for (size_t i = 0; i < map->count && !error; i++)
        error =
            load_route(m, map->items[i], &m->model.routes[m->model.route_count++], &m->extra[i]);
    return error;
}

int gw_model_load(struct gw_arena *arena, const struct mg_node *root,
                  const struct gw_registry *registry, struct gw_model **ret_model,
                  struct gw_diags *diags)
{
    struct gw_loading *m = gw_arena_alloc(arena, sizeof *m);
    if (!m)
        return -ENOMEM;
    m->arena = arena;
    m->diags = diags;
    m->registry = registry;
    m->bind = (struct gw_bind){.arena = arena, .diags = diags};
    load_gateway(m, root);
    struct gw_root_settings top = {0};
    if (root->type != MG_NODE_MAP && root->type != MG_NODE_NULL)
        gw_bind_error(&m->bind, root, "a configuration is a map with gateway, bridges and routes");
    else
        gw_bind_settings(&m->bind, gw_root_options, root, root, &top);
    int error = load_bridges(m, top.bridges);
    if (!error)
        error = load_routes(m, top.routes);
    m->bind.what = NULL;
    if (!error) {
        /* After an error, what is unused may be what was meant. */
        if (!diags->errors)
            gw_model_check_unused(m);
        gw_model_check_collisions(m);
        gw_model_check_same_consumers(m);
        gw_model_check_graph(m);
    }
    if (error)
        gw_diag_add(diags, GW_DIAG_ERROR, root->file, 0, 0, "out of memory");
    /* Errors of before count: a value that could not be replaced leaves a hole here. */
    if (diags->errors) {
        gw_bind_release(&m->bind);
        return -EINVAL;
    }
    *ret_model = &m->model;
    return 0;
}

void gw_model_destroy(struct gw_model *model)
{
    if (model)
        gw_bind_release(&((struct gw_loading *)(void *)model)->bind);
}
