/* SPDX-License-Identifier: Apache-2.0 */
/* The connections of all bridges: how many there are, and on which shard each lives. */
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* ---- how many ------------------------------------------------------------------------------- */

static struct mg_connection *new_connection(struct gw_gateway *g,
                                            const struct gw_bridge_config *config, uint32_t number)
{
    struct mg_connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    pthread_mutex_init(&c->status_lock, NULL);
    snprintf(c->why, sizeof c->why, "not connected yet");
    c->gateway = g;
    c->config = config;
    c->ops = config->module->ops;
    c->number = number;
    return c;
}

/* A bridge has as many connections as its source with the most consumers, and at least one. */
static void count_connections(struct gw_gateway *g)
{
    const struct gw_model *m = g->model;
    for (size_t i = 0; i < m->bridge_count; i++)
        g->bridges[i] = (struct gw_bridge){.config = &m->bridges[i], .connection_count = 1};
    for (size_t r = 0; r < m->route_count; r++) {
        for (size_t i = 0; i < m->routes[r].source_count; i++) {
            const struct gw_source_config *source = &m->routes[r].sources[i];
            struct gw_bridge *bridge = &g->bridges[source->bridge];
            if (source->consumers > bridge->connection_count)
                bridge->connection_count = (uint32_t)source->consumers;
        }
    }
}

static int make_connections(struct gw_gateway *g)
{
    size_t total = 0;
    for (size_t i = 0; i < g->model->bridge_count; i++)
        total += g->bridges[i].connection_count;
    g->connections = calloc(total + 1, sizeof(*g->connections));
    if (!g->connections)
        return -ENOMEM;
    for (size_t i = 0; i < g->model->bridge_count; i++) {
        struct gw_bridge *bridge = &g->bridges[i];
        bridge->connections = &g->connections[g->connection_count];
        for (uint32_t k = 0; k < bridge->connection_count; k++) {
            struct mg_connection *c = new_connection(g, bridge->config, k);
            if (!c)
                return -ENOMEM;
            if (bridge->connection_count > 1)
                snprintf(c->label, sizeof c->label, "%u", k);
            g->connections[g->connection_count++] = c;
        }
    }
    return 0;
}

/* ---- placement ------------------------------------------------------------------------------ */

static size_t root_of(size_t *parents, size_t i)
{
    while (parents[i] != i)
        i = parents[i] = parents[parents[i]];
    return i;
}

/* Bridges that a route joins live on one shard, so that its events never change threads; groups
 * that have nothing to do with each other are dealt out in turn.  `shard:` overrides.  A bridge's
 * further connections go to the shards after its first one's: they are there to use them. */
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
        uint32_t at = m->bridges[i].shard >= 0 ? (uint32_t)m->bridges[i].shard : shard_of[group];
        for (uint32_t k = 0; k < g->bridges[i].connection_count; k++)
            g->bridges[i].connections[k]->shard = &g->shards[(at + k) % g->shard_count];
    }
    free(parents);
    free(shard_of);
    return 0;
}

/* ---- room for what they hold ---------------------------------------------------------------- */

static int make_room(struct mg_connection *c, size_t sources, size_t sinks)
{
    c->sources = calloc(sources + 1, sizeof *c->sources);
    c->entries = calloc(sources + 1, sizeof *c->entries);
    c->sinks = calloc(sinks + 1, sizeof(*c->sinks));
    c->index = gw_index_create();
    return c->sources && c->entries && c->sinks && c->index &&
                   hcreate_r(sources + sources / 2 + 1, &c->by_address)
               ? 0
               : -ENOMEM;
}

static size_t first_of(const struct gw_gateway *g, size_t bridge)
{
    return (size_t)(g->bridges[bridge].connections - g->connections);
}

/* A connection's arrays are sized before they are filled, since handles point into them. */
static int size_connections(struct gw_gateway *g)
{
    const struct gw_model *m = g->model;
    size_t(*ends)[2] = calloc(g->connection_count + 1, sizeof(*ends)); /* sources, sinks */
    int error = ends ? 0 : -ENOMEM;
    for (size_t r = 0; r < m->route_count && !error; r++) {
        const struct gw_route_config *route = &m->routes[r];
        for (size_t i = 0; i < route->source_count; i++)
            for (int64_t k = 0; k < route->sources[i].consumers; k++)
                ends[first_of(g, route->sources[i].bridge) + (size_t)k][0]++;
        for (size_t i = 0; i < route->sink_count; i++)
            ends[first_of(g, route->sinks[i].bridge)][1]++;
    }
    for (size_t i = 0; i < g->connection_count && !error; i++)
        error = make_room(g->connections[i], ends[i][0], ends[i][1]);
    free(ends);
    return error;
}

/* ---- all of it ------------------------------------------------------------------------------ */

int gw_connections_create(struct gw_gateway *g)
{
    g->bridges = calloc(g->model->bridge_count + 1, sizeof *g->bridges);
    if (!g->bridges)
        return -ENOMEM;
    count_connections(g);
    int error = make_connections(g);
    if (!error)
        error = place_connections(g);
    return error ? error : size_connections(g);
}

static void destroy_connection(struct mg_connection *c)
{
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

void gw_connections_destroy(struct gw_gateway *g)
{
    for (size_t i = 0; i < g->connection_count; i++)
        destroy_connection(g->connections[i]);
    free(g->connections);
    free(g->bridges);
}
