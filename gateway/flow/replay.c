/* SPDX-License-Identifier: Apache-2.0 */
/* Events that come in by the control thread's hand: out of an archive, or out of the dead letters.
 */
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CALL_MS = 10000, OUTSTANDING_MOST = 4096, WAIT_MS = 10000 };

struct gw_store *gw_gateway_store(struct gw_gateway *g)
{
    return g->store;
}

static struct gw_route *find_route(struct gw_gateway *g, const char *name, struct mg_err *err)
{
    for (size_t r = 0; r < g->model->route_count; r++)
        if (!strcmp(g->routes[r].config->name, name))
            return &g->routes[r];
    snprintf(err->text, sizeof err->text, "there is no route \"%.64s\"", name);
    return NULL;
}

/* ---- pause ---------------------------------------------------------------------------------- */

static void pump_shard(mg_shard *shard, void *arg)
{
    const struct gw_route *route = arg;
    for (size_t i = 0; i < route->config->sink_count; i++)
        if (route->sinks[i]->connection->shard == shard)
            gw_lane_pump_shard(route->sinks[i]);
}

int gw_gateway_pause(struct gw_gateway *g, const char *name, bool pause, const char *reason,
                     struct mg_err *reterr)
{
    struct gw_route *route = find_route(g, name, reterr);
    if (!route)
        return -ENOENT;
    if (!route->stored) {
        snprintf(reterr->text, sizeof reterr->text,
                 "route %.64s is not stored: what cannot be sent while it pauses has no place to "
                 "wait; write delivery: { guarantee: stored }",
                 name);
        return -EINVAL;
    }
    gw_route_pause(route, pause, reason ? reason : "");
    for (uint32_t i = 0; !pause && i < g->shard_count; i++)
        if (gw_shard_call(&g->shards[i], pump_shard, route, CALL_MS))
            gw_log(MG_ERROR, "a shard does not answer", "route", name, NULL);
    return 0;
}

/* ---- as it was ------------------------------------------------------------------------------ */

struct again {
    struct gw_store_append append; /* first */
    atomic_uint *outstanding;
    void *record;
    size_t length;
};

static void appended(struct gw_store_op *op)
{
    struct again *a = (struct again *)(void *)op;
    atomic_fetch_sub(a->outstanding, 1);
    free(a->record);
    free(a);
}

/* The lanes find it when they look for what came by other ways (gw_outlet_sweep_shard). */
static int append_again(struct gw_route *route, const struct gw_record *record)
{
    static atomic_uint outstanding; /* of the one gateway of the process */
    if (atomic_load(&outstanding) >= OUTSTANDING_MOST)
        return -EAGAIN;
    struct gw_record marked = *record;
    marked.flags |= GW_RECORD_REPLAYED;
    marked.expires_us = 0; /* it has had its time, and is wanted all the same */
    marked.message.head.expires_us = 0;
    marked.message.head.present &= ~(uint32_t)MG_HAS_EXPIRY;
    struct again *a = calloc(1, sizeof *a);
    int error = a ? gw_record_encode(&marked, &a->record, &a->length) : -ENOMEM;
    if (error) {
        free(a);
        return error;
    }
    a->outstanding = &outstanding;
    a->append = (struct gw_store_append){
        .op = {.kind = GW_OP_APPEND, .done = appended},
        .log = route->log,
        .records = &a->record,
        .lengths = &a->length,
        .count = 1,
    };
    atomic_fetch_add(&outstanding, 1);
    gw_store_submit(route->gateway->store, &a->append.op, &a->append.op);
    return 0;
}

/* ---- as of now ------------------------------------------------------------------------------ */

/* Asked after by the control thread; who comes last frees it. */
struct gw_replay {
    struct gw_route *route;
    mg_event *event;
    int64_t until_us;
    atomic_uint outcome; /* 0: not yet */
    atomic_uint users;
    int error; /* of the start */
};

void gw_replay_leave(struct gw_replay *r)
{
    if (!r || atomic_fetch_sub(&r->users, 1) > 1)
        return;
    gw_event_unref(r->event);
    free(r);
}

void gw_replay_told(struct gw_replay *r, uint32_t outcome)
{
    atomic_store(&r->outcome, outcome);
    gw_replay_leave(r);
}

static struct gw_entry *entry_for(const struct gw_route *route, struct mg_connection *c,
                                  struct mg_str address)
{
    struct mg_str values[GW_CAPTURES_MAX];
    for (size_t i = 0; i < c->entry_count; i++) {
        struct gw_entry *e = &c->entries[i];
        if (e->route == route && (!e->match || gw_pattern_match(e->match, address, values)))
            return e;
    }
    return NULL;
}

static void start_shard(mg_shard *shard, void *arg)
{
    struct gw_replay *r = arg;
    struct gw_route *route = r->route;
    struct mg_str address = r->event->head.address;
    struct gw_gateway *g = route->gateway;
    for (size_t i = 0; i < route->config->source_count; i++) {
        struct mg_connection *c = g->bridges[route->config->sources[i].bridge].connections[0];
        struct gw_entry *e = c->shard == shard ? entry_for(route, c, address) : NULL;
        if (!e)
            continue;
        struct gw_arrival *a = gw_pool_take(&shard->arrivals);
        if (!a) {
            r->error = -ENOMEM;
            return;
        }
        *a = (struct gw_arrival){.connection = c,
                                 .event = r->event,
                                 .untold = 1,
                                 .alive = 2,
                                 .replay = r,
                                 .holds_window = false};
        r->event->id = ++shard->next_event_id;
        r->error = 0;
        atomic_fetch_add(&r->users, 1);
        gw_passage_start_shard(e, a, shard, NULL);
        gw_arrival_leave_shard(a);
        return;
    }
}

static mg_event *marked_event(const struct gw_record *record)
{
    struct mg_message m = record->message;
    struct mg_property *properties = malloc((m.property_count + 1) * sizeof *properties);
    if (!properties)
        return NULL;
    if (m.property_count)
        memcpy(properties, m.properties, m.property_count * sizeof *properties);
    properties[m.property_count++] = (struct mg_property){
        .name = {"meshgate-replayed", strlen("meshgate-replayed")},
        .value = {.type = MG_TEXT, .as.text = {"1", 1}},
    };
    m.properties = properties;
    m.head.address = record->origin;
    m.head.expires_us = 0;
    m.head.present &= ~(uint32_t)MG_HAS_EXPIRY;
    mg_event *event = gw_event_new(&m);
    free(properties);
    return event;
}

static int begin_again(struct gw_route *route, const struct gw_record *record,
                       struct gw_replay **ret, struct mg_err *err)
{
    struct gw_gateway *g = route->gateway;
    struct gw_replay *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    atomic_init(&r->users, 1);
    r->route = route;
    r->until_us = gw_now_us(NULL) + WAIT_MS * 1000;
    r->error = -ENOENT;
    r->event = marked_event(record);
    int error = r->event ? 0 : -ENOMEM;
    for (uint32_t i = 0; i < g->shard_count && !error && r->error == -ENOENT; i++)
        error = gw_shard_call(&g->shards[i], start_shard, r, CALL_MS);
    if (!error)
        error = r->error;
    if (error == -ENOENT)
        snprintf(err->text, sizeof err->text, "no source of route %.64s takes the address \"%.*s\"",
                 route->config->name, (int)(record->origin.len < 100 ? record->origin.len : 100),
                 record->origin.at ? record->origin.at : "");
    if (error)
        gw_replay_leave(r);
    else
        *ret = r;
    return error;
}

static int outcome_of(const struct gw_replay *r, struct mg_err *err)
{
    uint32_t outcome = atomic_load(&r->outcome);
    if (outcome == MG_ACCEPTED)
        return 0;
    if (outcome)
        return outcome == MG_REJECTED ? -EINVAL : -ETIMEDOUT;
    if (gw_now_us(NULL) < r->until_us)
        return -EAGAIN;
    snprintf(err->text, sizeof err->text, "route %.64s has not taken it within %d s; it may still",
             r->route->config->name, WAIT_MS / 1000);
    return -ETIMEDOUT;
}

int gw_gateway_replay_now(struct gw_gateway *g, const char *name, const struct gw_record *record,
                          struct gw_replay **replay, struct mg_err *reterr)
{
    struct gw_route *route = find_route(g, name, reterr);
    int error = route ? 0 : -ENOENT;
    if (!error && !*replay)
        error = begin_again(route, record, replay, reterr);
    if (!error)
        error = outcome_of(*replay, reterr);
    if (error != -EAGAIN) {
        gw_replay_leave(*replay);
        *replay = NULL;
    }
    return error;
}

int gw_gateway_replay(struct gw_gateway *g, const char *name, const struct gw_record *record,
                      struct mg_err *reterr)
{
    struct gw_route *route = find_route(g, name, reterr);
    if (!route)
        return -ENOENT;
    if (!route->stored) {
        snprintf(reterr->text, sizeof reterr->text, "route %.64s is not stored", name);
        return -EINVAL;
    }
    return append_again(route, record);
}
