/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger and the state of connections, as JSON. */
#include "flow/internal.h"
#include <stdlib.h>
#include <string.h>

enum { REPORT_MS = 2000 };

static const char *const end_names[GW_END_KINDS] = {"delivered", "dropped", "expired", "discarded",
                                                    "returned"};

struct snapshot {
    struct gw_gateway *gateway;
    struct gw_ledger *ledgers; /* one for each route */
    int64_t *oldest_us;        /* monotonic, of the oldest passage in hand; 0: none */
    uint64_t late;
    struct connection_counts {
        uint64_t received, unmatched, refused, waiting, sent;
    } * connections; /* as gw_gateway.connections */
};

static void snap_shard(mg_shard *shard, void *arg)
{
    struct snapshot *s = arg;
    struct gw_gateway *g = s->gateway;
    s->late += shard->late_settlements;
    for (size_t r = 0; r < g->model->route_count; r++) {
        const struct gw_part *part = &g->routes[r].parts[shard->index];
        struct gw_ledger *sum = &s->ledgers[r];
        sum->received += part->ledger.received;
        for (size_t k = 0; k < GW_END_KINDS; k++)
            sum->ended[k] += part->ledger.ended[k];
        sum->in_flight += part->ledger.in_flight;
        sum->retries += part->ledger.retries;
        sum->missed += part->ledger.missed;
        if (part->oldest && (!s->oldest_us[r] || part->oldest->arrived_us < s->oldest_us[r]))
            s->oldest_us[r] = part->oldest->arrived_us;
    }
    for (size_t i = 0; i < g->connection_count; i++) {
        const struct mg_connection *c = g->connections[i];
        if (c->shard != shard)
            continue;
        s->connections[i] = (struct connection_counts){c->received, c->unmatched, c->refused, 0, 0};
        for (size_t k = 0; k < c->sink_count; k++) {
            s->connections[i].waiting += c->sinks[k]->waiting;
            s->connections[i].sent += c->sinks[k]->sent;
        }
    }
}

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *route_report(const struct gw_route *route, const struct gw_ledger *l,
                            int64_t oldest_us, bool *balanced)
{
    json_t *o = json_object();
    uint64_t sum = l->in_flight;
    json_object_set_new(o, "route", json_string(route->config->name));
    set_count(o, "received", l->received);
    for (size_t k = 0; k < GW_END_KINDS; k++) {
        set_count(o, end_names[k], l->ended[k]);
        sum += l->ended[k];
    }
    set_count(o, "dead_lettered", 0);
    set_count(o, "in_flight", l->in_flight);
    set_count(o, "stored", 0);
    set_count(o, "retries", l->retries);
    set_count(o, "missed", l->missed);
    set_count(o, "oldest_ms", oldest_us ? (uint64_t)(gw_now_us(NULL) - oldest_us) / 1000 : 0);
    json_object_set_new(o, "balanced", json_boolean(sum == l->received));
    *balanced = *balanced && sum == l->received;
    return o;
}

static json_t *connection_report(struct mg_connection *c, const struct connection_counts *counts)
{
    json_t *o = json_object();
    set_count(o, "index", c->number);
    set_count(o, "shard", c->shard->index);
    pthread_mutex_lock(&c->status_lock);
    json_object_set_new(o, "up", json_boolean(c->up));
    json_object_set_new(o, "why", json_string(c->why));
    pthread_mutex_unlock(&c->status_lock);
    set_count(o, "received", counts->received);
    return o;
}

static json_t *bridge_report(const struct gw_bridge *bridge, const struct connection_counts *counts)
{
    json_t *o = json_object(), *list = json_array();
    struct connection_counts sum = {0};
    for (uint32_t i = 0; i < bridge->connection_count; i++) {
        json_array_append_new(list, connection_report(bridge->connections[i], &counts[i]));
        sum.received += counts[i].received;
        sum.unmatched += counts[i].unmatched;
        sum.refused += counts[i].refused;
        sum.waiting += counts[i].waiting;
        sum.sent += counts[i].sent;
    }
    json_object_set_new(o, "bridge", json_string(bridge->config->name));
    json_object_set_new(o, "type", json_string(bridge->config->module->name));
    json_object_set_new(o, "connections", list);
    set_count(o, "received", sum.received);
    set_count(o, "unmatched", sum.unmatched);
    set_count(o, "refused", sum.refused);
    set_count(o, "waiting", sum.waiting);
    set_count(o, "unconfirmed", sum.sent);
    const char *const *names = bridge->instance->module->counters;
    for (size_t i = 0; names && names[i]; i++)
        set_count(o, names[i], (uint64_t)atomic_load(&bridge->instance->counters[i]));
    return o;
}

json_t *gw_gateway_report(struct gw_gateway *g)
{
    size_t routes = g->model->route_count, bridges = g->model->bridge_count;
    struct snapshot s = {
        .gateway = g,
        .ledgers = calloc(routes + 1, sizeof *s.ledgers),
        .oldest_us = calloc(routes + 1, sizeof *s.oldest_us),
        .connections = calloc(g->connection_count + 1, sizeof *s.connections),
    };
    bool balanced = true, answered = true;
    json_t *o = json_object(), *list = json_array(), *bridge_list = json_array();
    if (s.ledgers && s.oldest_us && s.connections) {
        for (uint32_t i = 0; i < g->shard_count; i++)
            answered = !gw_shard_call(&g->shards[i], snap_shard, &s, REPORT_MS) && answered;
        for (size_t r = 0; r < routes; r++)
            json_array_append_new(
                list, route_report(&g->routes[r], &s.ledgers[r], s.oldest_us[r], &balanced));
        for (size_t i = 0; i < bridges; i++) {
            const struct gw_bridge *bridge = &g->bridges[i];
            json_array_append_new(
                bridge_list,
                bridge_report(bridge, &s.connections[bridge->connections - g->connections]));
        }
    }
    json_object_set_new(o, "gateway", json_string(g->model->gateway.name));
    json_object_set_new(o, "version", json_string(MESHGATE_VERSION));
    json_object_set_new(o, "answers", json_boolean(answered));
    json_object_set_new(o, "balanced", json_boolean(balanced));
    set_count(o, "late_settlements", s.late);
    json_object_set_new(o, "routes", list);
    json_object_set_new(o, "bridges", bridge_list);
    free(s.ledgers);
    free(s.oldest_us);
    free(s.connections);
    return o;
}
