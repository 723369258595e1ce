/* SPDX-License-Identifier: Apache-2.0 */
/* From the model to the running core's structures: instances, connections, routes, who lives where.
 */
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- placement ------------------------------------------------------------------------------ */

static size_t root_of(size_t *parents, size_t i)
{
    while (parents[i] != i)
        i = parents[i] = parents[parents[i]];
    return i;
}

/* Bridges that a route joins live on one shard, so that its events never change threads; groups
 * that have nothing to do with each other are dealt out in turn.  `shard:` overrides. */
static int place_connections(struct gw_gateway *g)
{
    const struct gw_model *m = g->model;
    size_t *parents = calloc(m->bridge_count + 1, sizeof *parents);
    uint32_t *shard_of = calloc(m->bridge_count + 1, sizeof *shard_of);
    if (!parents || !shard_of) {
        free(parents);
        free(shard_of);
        return -ENOMEM;
    }
    for (size_t i = 0; i < m->bridge_count; i++) {
        parents[i] = i;
        shard_of[i] = UINT32_MAX;
    }
    for (size_t r = 0; r < m->route_count; r++) {
        const struct gw_route_config *route = &m->routes[r];
        size_t first = root_of(parents, route->sources[0].bridge);
        for (size_t i = 1; i < route->source_count; i++)
            parents[root_of(parents, route->sources[i].bridge)] = first;
        for (size_t i = 0; i < route->sink_count; i++)
            parents[root_of(parents, route->sinks[i].bridge)] = first;
    }
    uint32_t next = 0;
    for (size_t i = 0; i < m->bridge_count; i++) {
        size_t group = root_of(parents, i);
        if (shard_of[group] == UINT32_MAX)
            shard_of[group] = next++ % g->shard_count;
        uint32_t at = m->bridges[i].shard >= 0 ? (uint32_t)m->bridges[i].shard % g->shard_count
                                               : shard_of[group];
        g->bridges[i].connection->shard = &g->shards[at];
    }
    free(parents);
    free(shard_of);
    return 0;
}

/* ---- sources -------------------------------------------------------------------------------- */

static bool same_node(const struct mg_node *a, const struct mg_node *b);

static bool same_entries(const struct mg_node *a, const struct mg_node *b)
{
    for (size_t i = 0; i < a->count; i++) {
        const char *key = a->items[i]->key;
        if (key && !strcmp(key, "match"))
            continue; /* the core's own, of no concern to the bridge */
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

/* Routes that say the same `from` share one source, so that the peer is asked once.  Captures are
 * the core's: what the bridge sees is the address and the other keys. */
static struct mg_source *find_source(struct mg_connection *c, const struct gw_source_config *config,
                                     struct mg_source **ret_same_address)
{
    ENTRY key = {.key = (char *)(uintptr_t)config->address}, *found = NULL;
    *ret_same_address = hsearch_r(key, FIND, &found, &c->by_address) ? found->data : NULL;
    for (struct mg_source *s = *ret_same_address; s; s = s->same_address)
        if (s->config->node == config->node || same_node(s->config->node, config->node))
            return s;
    return NULL;
}

static struct mg_source *add_source(struct mg_connection *c, const struct gw_source_config *config,
                                    int64_t window)
{
    struct mg_source *first, *s = find_source(c, config, &first);
    if (!s) {
        s = &c->sources[c->source_count++];
        *s = (struct mg_source){.connection = c, .config = config};
        s->window.limit = (uint32_t)window;
        if (first) {
            s->same_address = first->same_address;
            first->same_address = s;
        } else {
            ENTRY entry = {.key = (char *)(uintptr_t)config->address, .data = s}, *added;
            if (!hsearch_r(entry, ENTER, &added, &c->by_address))
                return NULL;
        }
    }
    if (s->window.limit > (uint32_t)window)
        s->window.limit = (uint32_t)window;
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

static int add_entry(struct gw_route *route, const struct gw_source_config *config)
{
    struct mg_connection *c = route->gateway->bridges[config->bridge].connection;
    struct mg_source *source = add_source(c, config, route->config->delivery.window);
    if (!source)
        return -ENOMEM;
    uint32_t number = (uint32_t)c->entry_count;
    c->entries[c->entry_count++] =
        (struct gw_entry){.route = route, .match = config->match, .source = source};
    int error = add_number(&source->entries, &source->entry_count, number);
    if (error)
        return error;
    return config->match ? gw_index_add(c->index, config->match, number)
                         : add_number(&c->any, &c->any_count, number);
}

/* A connection's arrays are sized before they are filled, since handles point into them. */
static int size_connections(struct gw_gateway *g)
{
    const struct gw_model *m = g->model;
    size_t *sources = calloc(m->bridge_count + 1, sizeof *sources);
    size_t *sinks = calloc(m->bridge_count + 1, sizeof *sinks);
    int error = sources && sinks ? 0 : -ENOMEM;
    for (size_t r = 0; r < m->route_count && !error; r++) {
        for (size_t i = 0; i < m->routes[r].source_count; i++)
            sources[m->routes[r].sources[i].bridge]++;
        for (size_t i = 0; i < m->routes[r].sink_count; i++)
            sinks[m->routes[r].sinks[i].bridge]++;
    }
    for (size_t i = 0; i < m->bridge_count && !error; i++) {
        struct mg_connection *c = g->bridges[i].connection;
        c->sources = calloc(sources[i] + 1, sizeof *c->sources);
        c->entries = calloc(sources[i] + 1, sizeof *c->entries);
        c->sinks = calloc(sinks[i] + 1, sizeof *c->sinks);
        c->index = gw_index_create();
        if (!c->sources || !c->entries || !c->sinks || !c->index ||
            !hcreate_r(sources[i] + sources[i] / 2 + 1, &c->by_address))
            error = -ENOMEM;
    }
    free(sources);
    free(sinks);
    return error;
}

/* ---- routes --------------------------------------------------------------------------------- */

static int add_sinks(struct gw_route *route)
{
    const struct gw_route_config *config = route->config;
    route->sinks = calloc(config->sink_count + 1, sizeof(*route->sinks));
    for (size_t i = 0; route->sinks && i < config->sink_count; i++) {
        struct mg_connection *c = route->gateway->bridges[config->sinks[i].bridge].connection;
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
    for (size_t i = 0; i < config->source_count && !error; i++)
        error = add_entry(route, &config->sources[i]);
    return error;
}

static void size_windows(struct mg_connection *c)
{
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
    for (size_t i = 0; i < g->model->bridge_count; i++)
        g->bridges[i].connection->instance = g->bridges[i].instance = g->instances[next++];
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

static int create_connections(struct gw_gateway *g)
{
    const struct gw_model *m = g->model;
    g->bridges = calloc(m->bridge_count + 1, sizeof *g->bridges);
    if (!g->bridges)
        return -ENOMEM;
    for (size_t i = 0; i < m->bridge_count; i++) {
        struct mg_connection *c = calloc(1, sizeof *c);
        if (!c)
            return -ENOMEM;
        pthread_mutex_init(&c->status_lock, NULL);
        snprintf(c->why, sizeof c->why, "not connected yet");
        c->gateway = g;
        c->config = &m->bridges[i];
        c->ops = m->bridges[i].module->ops;
        g->bridges[i] = (struct gw_bridge){.config = c->config, .connection = c};
    }
    int error = place_connections(g);
    return error ? error : size_connections(g);
}

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
    int error = create_connections(g);
    for (size_t i = 0; i < m->route_count && !error; i++)
        error = build_route(g, &g->routes[i], &m->routes[i]);
    if (error)
        return error;
    for (size_t i = 0; i < m->bridge_count; i++)
        size_windows(g->bridges[i].connection);
    error = create_instances(g, err);
    if (!error)
        give_instances(g);
    return error;
}

static void free_route(struct gw_route *route, uint32_t shards)
{
    for (uint32_t i = 0; route->parts && i < shards; i++)
        free(route->parts[i].step_contexts);
    for (size_t i = 0; route->sinks && route->sinks[i]; i++)
        free(route->sinks[i]);
    free(route->parts);
    free(route->sinks);
    free(route->steps);
}

static void free_connection(struct mg_connection *c)
{
    if (!c)
        return;
    for (size_t i = 0; i < c->source_count; i++)
        free(c->sources[i].entries);
    free(c->sources);
    free(c->sinks);
    free(c->entries);
    free(c->any);
    hdestroy_r(&c->by_address);
    gw_index_destroy(c->index);
    gw_matches_fini(&c->matches);
    pthread_mutex_destroy(&c->status_lock);
    free(c);
}

void gw_unbuild(struct gw_gateway *g)
{
    if (g->instances)
        gw_instances_destroy(g->instances, g->instance_count);
    for (uint32_t i = 0; i < g->shard_count; i++)
        gw_shard_fini(&g->shards[i]);
    for (size_t i = 0; g->routes && i < g->model->route_count; i++)
        free_route(&g->routes[i], g->shard_count);
    for (size_t i = 0; g->bridges && i < g->model->bridge_count; i++)
        free_connection(g->bridges[i].connection);
    free(g->instances);
    free(g->shards);
    free(g->routes);
    free(g->bridges);
}
