/* SPDX-License-Identifier: Apache-2.0 */
/* From the model to the running core's structures: instances, sources, routes. */
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- sources -------------------------------------------------------------------------------- */

static bool same_node(const struct mg_node *a, const struct mg_node *b);

static bool same_entries(const struct mg_node *a, const struct mg_node *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const char *key = a->items[i]->key;
        const struct mg_node *other = key ? gw_tree_get(b, key) : i < b->count ? b->items[i] : NULL;
        if (!other || !same_node(a->items[i], other))
            return false;
    }
    return true;
}

static bool same_node(const struct mg_node *a, const struct mg_node *b)
{
    if (a->type != b->type)
        return false;
    if (a->type == MG_NODE_SCALAR)
        return a->length == b->length && !memcmp(a->text, b->text, a->length);
    return same_entries(a, b) && same_entries(b, a);
}

/* Has b all that a says to the bridge?  What else they say is the core's: the address is compared
 * as the bridge sees it, without captures. */
static bool says_no_more(const struct mg_node *a, const struct mg_node *b)
{
    static const char *const core[] = {"topic", "address", "match", "consumers"};
    for (size_t i = 0; i < a->count; i++) {
        const char *key = a->items[i]->key;
        bool ours = false;
        for (size_t k = 0; k < sizeof core / sizeof core[0]; k++)
            ours = ours || !strcmp(key, core[k]);
        const struct mg_node *other = gw_tree_get(b, key);
        if (!ours && (!other || !same_node(a->items[i], other)))
            return false;
    }
    return true;
}

/* Routes that say the same `from` share one source, so that the peer is asked once.  Captures are
 * the core's: what the bridge sees is the address and the other keys. */
static struct mg_source *find_source(struct mg_connection *c, const struct gw_source_config *config,
                                     struct mg_source **ret_same_address)
{
    ENTRY key = {.key = (char *)(uintptr_t)config->address}, *found = NULL;
    *ret_same_address = hsearch_r(key, FIND, &found, &c->by_address) ? found->data : NULL;
    for (struct mg_source *s = *ret_same_address; s; s = s->same_address)
        if (s->config->consumers == config->consumers &&
            says_no_more(s->config->node, config->node) &&
            says_no_more(config->node, s->config->node))
            return s;
    return NULL;
}

/* The window is one source's, however many consumers read it: each gets its part, at least 1. */
static uint32_t part_of_window(const struct mg_connection *c, const struct gw_source_config *config,
                               int64_t window)
{
    int64_t part = window / config->consumers + (c->number < window % config->consumers);
    return part ? (uint32_t)part : 1;
}

static struct mg_source *add_source(struct mg_connection *c, const struct gw_source_config *config,
                                    int64_t window)
{
    struct mg_source *first, *s = find_source(c, config, &first);
    uint32_t limit = part_of_window(c, config, window);
    if (!s) {
        s = &c->sources[c->source_count++];
        *s = (struct mg_source){.connection = c, .config = config};
        s->window.limit = limit;
        if (first) {
            s->same_address = first->same_address;
            first->same_address = s;
        } else {
            ENTRY entry = {.key = (char *)(uintptr_t)config->address, .data = s}, *added;
            if (!hsearch_r(entry, ENTER, &added, &c->by_address))
                return NULL;
        }
    }
    if (s->window.limit > limit)
        s->window.limit = limit;
    return s;
}

static int add_number(uint32_t **list, size_t *count, uint32_t number)
{
    /* Doubles at powers of two. */
    if ((*count & (*count - 1)) == 0) {
        uint32_t *grown = realloc(*list, (*count ? *count * 2 : 1) * sizeof *grown);
        if (!grown)
            return -ENOMEM;
        *list = grown;
    }
    (*list)[(*count)++] = number;
    return 0;
}

static int add_entry(struct mg_connection *c, struct gw_route *route,
                     const struct gw_source_config *config)
{
    struct mg_source *source = add_source(c, config, route->config->delivery.window);
    if (!source)
        return -ENOMEM;
    c->entries[c->entry_count++] =
        (struct gw_entry){.route = route, .match = config->match, .source = source};
    return 0;
}

/* What is looked up by address: the entries that stand for themselves or for others. */
static int index_entries(struct mg_connection *c)
{
    int error = 0;
    for (uint32_t i = 0; i < c->entry_count && !error; i++) {
        struct gw_entry *e = &c->entries[i];
        if (e->in_company)
            continue;
        error = add_number(&e->source->entries, &e->source->entry_count, i);
        if (!error)
            error = e->match ? gw_index_add(c->index, e->match, i)
                             : add_number(&c->any, &c->any_count, i);
    }
    return error;
}

/* ---- routes --------------------------------------------------------------------------------- */

static int add_sinks(struct gw_route *route)
{
    const struct gw_route_config *config = route->config;
    route->sinks = calloc(config->sink_count + 1, sizeof(*route->sinks));
    for (size_t i = 0; route->sinks && i < config->sink_count; i++) {
        struct mg_connection *c = route->gateway->bridges[config->sinks[i].bridge].connections[0];
        struct mg_sink *k = calloc(1, sizeof *k);
        if (!k)
            return -ENOMEM;
        k->connection = c;
        k->route = route;
        k->config = &config->sinks[i];
        k->confirms = config->sinks[i].end.abilities & MG_CONFIRMS;
        route->sinks[i] = k;
        c->sinks[c->sink_count++] = k;
    }
    return route->sinks ? 0 : -ENOMEM;
}

static int build_route(struct gw_gateway *g, struct gw_route *route,
                       const struct gw_route_config *config)
{
    route->gateway = g;
    route->config = config;
    pthread_mutex_init(&route->pause_lock, NULL);
    route->steps = calloc(config->step_count + 1, sizeof *route->steps);
    route->parts = calloc(g->shard_count, sizeof *route->parts);
    if (!route->steps || !route->parts)
        return -ENOMEM;
    for (uint32_t i = 0; i < g->shard_count; i++) {
        route->parts[i].step_contexts =
            calloc(config->step_count + 1, sizeof(*route->parts[i].step_contexts));
        if (!route->parts[i].step_contexts)
            return -ENOMEM;
    }
    int error = add_sinks(route);
    for (size_t i = 0; i < config->source_count; i++) {
        const struct gw_source_config *source = &config->sources[i];
        for (int64_t k = 0; k < source->consumers && !error; k++)
            error = add_entry(g->bridges[source->bridge].connections[k], route, source);
    }
    return error;
}

static void size_windows(struct mg_connection *c)
{
    /* What comes although no route reads here is nobody's, and settled at once. */
    if (!c->source_count)
        c->window.limit = 1;
    for (size_t i = 0; i < c->source_count; i++) {
        if (c->window.limit < c->sources[i].window.limit)
            c->window.limit = c->sources[i].window.limit;
        c->sources[i].window.source = &c->sources[i];
    }
}

/* ---- instances ------------------------------------------------------------------------------ */

static int create_instances(struct gw_gateway *g, struct mg_err *err)
{
    const struct gw_model *m = g->model;
    size_t count = m->bridge_count, next = 0;
    for (size_t r = 0; r < m->route_count; r++)
        count += m->routes[r].step_count;
    struct gw_arena *names = gw_arena_create();
    struct gw_instance_plan *plans = calloc(count + 1, sizeof *plans);
    g->instances = calloc(count + 1, sizeof(*g->instances));
    int error = names && plans && g->instances ? 0 : -ENOMEM;
    for (size_t i = 0; i < m->bridge_count && !error; i++)
        plans[next++] = (struct gw_instance_plan){m->bridges[i].module, m->bridges[i].name,
                                                  m->bridges[i].settings};
    for (size_t r = 0; r < m->route_count && !error; r++) {
        for (size_t i = 0; i < m->routes[r].step_count && !error; i++) {
            const struct gw_step_config *step = &m->routes[r].steps[i];
            char *name = gw_arena_printf(names, "%s/%s", m->routes[r].name, step->name);
            plans[next++] = (struct gw_instance_plan){step->module, name, step->settings};
            error = name ? 0 : -ENOMEM;
        }
    }
    if (!error)
        error = gw_instances_create(&g->host, m->gateway.name, plans, count, g->instances, err);
    if (!error)
        g->instance_count = count;
    free(plans);
    gw_arena_destroy(names);
    return error;
}

static void give_instances(struct gw_gateway *g)
{
    size_t next = 0;
    for (size_t i = 0; i < g->model->bridge_count; i++) {
        struct gw_bridge *bridge = &g->bridges[i];
        bridge->instance = g->instances[next++];
        for (uint32_t k = 0; k < bridge->connection_count; k++)
            bridge->connections[k]->instance = bridge->instance;
    }
    for (size_t r = 0; r < g->model->route_count; r++) {
        for (size_t i = 0; i < g->model->routes[r].step_count; i++) {
            struct gw_step *step = &g->routes[r].steps[i];
            step->config = &g->model->routes[r].steps[i];
            step->instance = g->instances[next++];
            step->ops = step->config->module->ops;
        }
    }
}

/* ---- all of it ------------------------------------------------------------------------------ */

int gw_build(struct gw_gateway *g, struct mg_err *err)
{
    const struct gw_model *m = g->model;
    g->shards = calloc((size_t)m->gateway.shards, sizeof *g->shards);
    g->routes = calloc(m->route_count + 1, sizeof *g->routes);
    if (!g->shards || !g->routes)
        return -ENOMEM;
    for (int64_t i = 0; i < m->gateway.shards; i++) {
        int error = gw_shard_init(&g->shards[i], (uint32_t)i, g);
        if (error)
            return error;
        g->shard_count++;
    }
    int error = gw_connections_create(g);
    for (size_t i = 0; i < m->route_count && !error; i++)
        error = build_route(g, &g->routes[i], &m->routes[i]);
    if (error)
        return error;
    for (size_t i = 0; i < g->connection_count; i++)
        size_windows(g->connections[i]);
    error = create_instances(g, err);
    if (error)
        return error;
    give_instances(g);
    for (size_t i = 0; i < g->connection_count && !error; i++) {
        error = gw_shared_filters_create(g->connections[i], err);
        if (!error)
            error = index_entries(g->connections[i]);
    }
    return error;
}

static void free_route(struct gw_route *route, uint32_t shards)
{
    for (uint32_t i = 0; route->parts && i < shards; i++)
        free(route->parts[i].step_contexts);
    for (size_t i = 0; route->sinks && route->sinks[i]; i++) {
        gw_outlet_destroy(route->sinks[i]);
        free(route->sinks[i]);
    }
    pthread_mutex_destroy(&route->pause_lock);
    free(route->parts);
    free(route->sinks);
    free(route->steps);
}

void gw_unbuild(struct gw_gateway *g)
{
    gw_gateway_store_close(g); /* of a start that failed */
    for (size_t i = 0; i < g->connection_count; i++)
        gw_shared_filters_destroy(g->connections[i]);
    if (g->instances)
        gw_instances_destroy(g->instances, g->instance_count);
    for (uint32_t i = 0; i < g->shard_count; i++)
        gw_shard_fini(&g->shards[i]);
    for (size_t i = 0; g->routes && i < g->model->route_count; i++)
        free_route(&g->routes[i], g->shard_count);
    gw_connections_destroy(g);
    free(g->instances);
    free(g->shards);
    free(g->routes);
}
