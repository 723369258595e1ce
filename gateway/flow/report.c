/* SPDX-License-Identifier: Apache-2.0 */
/* The ledger and the state of connections, as JSON. */
#include "flow/internal.h"
#include <stdlib.h>
#include <string.h>

enum { REPORT_MS = 2000 };

static const char *const end_names[GW_END_KINDS] = {
    "delivered", "dropped", "expired", "discarded", "returned", "duplicates", "dead_lettered"};
_Static_assert((int)GW_END_KINDS == (int)GW_TERMS,
               "a passage ends where the store's ledger counts");

struct snapshot {
    struct gw_gateway *gateway;
    struct gw_ledger *ledgers; /* one for each route */
    int64_t *oldest_us;        /* monotonic, of the oldest passage in hand; 0: none */
    struct outlet_state {
        uint32_t breaker;
        char reason[160];
        uint64_t in_hand;
    } * outlets; /* of all sinks of all routes, in order */
    uint64_t late;
    struct connection_counts {
        uint64_t received, unmatched, refused, waiting, sent;
    } * connections; /* as gw_gateway.connections */
};

static void snap_outlets(mg_shard *shard, struct snapshot *s)
{
    struct gw_gateway *g = s->gateway;
    struct outlet_state *state = s->outlets;
    for (size_t r = 0; r < g->model->route_count; r++) {
        for (size_t i = 0; i < g->routes[r].config->sink_count; i++, state++) {
            const struct mg_sink *k = g->routes[r].sinks[i];
            if (!k->outlet || k->connection->shard != shard)
                continue;
            state->breaker = k->outlet->breaker;
            state->in_hand = k->outlet->in_hand;
            memcpy(state->reason, k->outlet->breaker_reason, sizeof state->reason);
        }
    }
}

static void snap_shard(mg_shard *shard, void *arg)
{
    struct snapshot *s = arg;
    struct gw_gateway *g = s->gateway;
    gw_shared_filters_count_shard(shard);
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
    snap_outlets(shard, s);
}

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

struct gw_store_ledger gw_route_ledger(const struct gw_route *route, const struct gw_ledger *l)
{
    struct gw_store_ledger sum = {0};
    if (route->log)
        gw_store_log_ledger(route->log, &sum);
    sum.received += l->received;
    sum.retries += l->retries;
    for (size_t k = 0; k < GW_END_KINDS; k++)
        sum.ended[k] += l->ended[k];
    return sum;
}

static json_t *outlet_report(const struct mg_sink *k, const struct outlet_state *state)
{
    static const char *const breakers[] = {"closed", "open", "trying"};
    struct gw_store_backlog b;
    json_t *o = json_object();
    gw_store_log_backlog(k->route->log, k->outlet->place, &b);
    json_object_set_new(o, "bridge", json_string(k->connection->config->name));
    json_object_set_new(o, "address", json_string(gw_template_text(k->config->address)));
    set_count(o, "backlog", b.count);
    set_count(o, "backlog_bytes", b.bytes);
    set_count(o, "oldest_ms",
              b.oldest_us && b.oldest_us < gw_wall_us(NULL)
                  ? (uint64_t)(gw_wall_us(NULL) - b.oldest_us) / 1000
                  : 0);
    set_count(o, "in_memory", state->in_hand);
    json_object_set_new(o, "breaker", json_string(breakers[state->breaker]));
    if (state->breaker != GW_BREAKER_CLOSED)
        json_object_set_new(o, "reason", json_string(state->reason));
    return o;
}

static void add_stored(json_t *o, struct gw_route *route, const struct outlet_state *outlets)
{
    bool paused = atomic_load(&route->paused);
    json_t *sinks = json_array();
    json_object_set_new(o, "paused", json_boolean(paused));
    if (paused) {
        pthread_mutex_lock(&route->pause_lock);
        json_object_set_new(o, "pause_reason", json_string(route->pause_reason));
        pthread_mutex_unlock(&route->pause_lock);
    }
    for (size_t i = 0; i < route->config->sink_count; i++)
        json_array_append_new(sinks, outlet_report(route->sinks[i], &outlets[i]));
    json_object_set_new(o, "sinks", sinks);
}

static json_t *route_report(struct gw_route *route, const struct gw_ledger *l, int64_t oldest_us,
                            const struct outlet_state *outlets, bool *balanced)
{
    json_t *o = json_object();
    struct gw_store_ledger all = gw_route_ledger(route, l);
    uint64_t sum = l->in_flight + all.stored;
    json_object_set_new(o, "route", json_string(route->config->name));
    set_count(o, "received", all.received);
    for (size_t k = 0; k < GW_END_KINDS; k++) {
        set_count(o, end_names[k], all.ended[k]);
        sum += all.ended[k];
    }
    set_count(o, "in_flight", l->in_flight);
    set_count(o, "stored", all.stored);
    set_count(o, "retries", all.retries);
    set_count(o, "missed", l->missed);
    set_count(o, "oldest_ms", oldest_us ? (uint64_t)(gw_now_us(NULL) - oldest_us) / 1000 : 0);
    json_object_set_new(o, "balanced", json_boolean(sum == all.received));
    *balanced = *balanced && sum == all.received;
    json_object_set_new(o, "steps", gw_steps_report(route));
    if (route->stored && route->log) /* the store is closed last of all */
        add_stored(o, route, outlets);
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
    set_count(o, "slow_callbacks", atomic_load(&bridge->instance->slow));
    const char *const *names = bridge->instance->module->counters;
    for (size_t i = 0; names && names[i]; i++)
        set_count(o, names[i], (uint64_t)atomic_load(&bridge->instance->counters[i]));
    return o;
}

static size_t count_sinks(const struct gw_gateway *g)
{
    size_t count = 0;
    for (size_t r = 0; r < g->model->route_count; r++)
        count += g->routes[r].config->sink_count;
    return count;
}

json_t *gw_gateway_report(struct gw_gateway *g)
{
    size_t routes = g->model->route_count, bridges = g->model->bridge_count;
    struct snapshot s = {
        .gateway = g,
        .ledgers = calloc(routes + 1, sizeof *s.ledgers),
        .oldest_us = calloc(routes + 1, sizeof *s.oldest_us),
        .connections = calloc(g->connection_count + 1, sizeof *s.connections),
        .outlets = calloc(count_sinks(g) + 1, sizeof *s.outlets),
    };
    bool balanced = true, answered = true;
    json_t *o = json_object(), *list = json_array(), *bridge_list = json_array();
    if (s.ledgers && s.oldest_us && s.connections && s.outlets) {
        for (uint32_t i = 0; i < g->shard_count; i++)
            answered = !gw_shard_call(&g->shards[i], snap_shard, &s, REPORT_MS) && answered;
        const struct outlet_state *outlets = s.outlets;
        for (size_t r = 0; r < routes; r++) {
            json_array_append_new(list, route_report(&g->routes[r], &s.ledgers[r], s.oldest_us[r],
                                                     outlets, &balanced));
            outlets += g->routes[r].config->sink_count;
        }
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
    if (g->store)
        json_object_set_new(o, "store", gw_store_report(g->store));
    free(s.outlets);
    free(s.ledgers);
    free(s.oldest_us);
    free(s.connections);
    return o;
}
