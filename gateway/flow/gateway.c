/* SPDX-License-Identifier: Apache-2.0 */
/* The life of the whole: start, drain, stop.  All on the control thread, which reaches into shards
 * by calls only. */
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { CALL_MS = 10000, CLOSE_MS = 6000, STOP_MS = 5000, POLL_MS = 2, SWEEP_MS = 1000 };

static struct gw_gateway *running; /* tokens carry a shard's number, not its address */

mg_shard *gw_shard_of_token(mg_token token)
{
    uint32_t index = gw_token_shard(token);
    return token && running && index < running->shard_count ? &running->shards[index] : NULL;
}

int gw_gateway_create(const struct gw_model *model, struct gw_gateway **ret_gateway,
                      struct mg_err *reterr)
{
    struct gw_gateway *g = calloc(1, sizeof *g);
    if (!g)
        return -ENOMEM;
    g->model = model;
    g->lane_most = GW_LANE_MOST;
    gw_host_fill(&g->host);
    running = g;
    int error = gw_build(g, reterr);
    if (error) {
        if (error == -ENOMEM && !reterr->text[0])
            snprintf(reterr->text, sizeof reterr->text, "out of memory");
        gw_gateway_destroy(g);
        return error;
    }
    *ret_gateway = g;
    return 0;
}

void gw_gateway_destroy(struct gw_gateway *g)
{
    if (!g)
        return;
    gw_unbuild(g);
    running = NULL;
    free(g);
}

/* ---- start ---------------------------------------------------------------------------------- */

struct opening {
    struct mg_connection *connection;
    struct mg_err err;
    int error;
};

static void name_error(struct opening *o, const char *what)
{
    char text[256];
    const struct mg_connection *c = o->connection;
    snprintf(text, sizeof text, "bridge %s%s%s: %s: %.140s", c->config->name,
             c->label[0] ? ", connection " : "", c->label, what,
             o->err.text[0] ? o->err.text : strerror(-o->error));
    memcpy(o->err.text, text, sizeof text);
}

static void open_shard(mg_shard *shard, void *arg)
{
    (void)shard;
    struct opening *o = arg;
    struct mg_connection *c = o->connection;
    const char *what = "open";
    struct gw_call outer = gw_call_begin(c->instance, "open");
    o->error = c->ops->open(c->instance->self, c, c->number, &c->context, &o->err);
    c->opened = !o->error;
    for (size_t i = 0; i < c->source_count && !o->error; i++) {
        struct mg_source *s = &c->sources[i];
        what = s->config->address;
        o->error = c->ops->open_source(c->context, s, s->config->address, s->config->settings,
                                       &s->context, &o->err);
    }
    for (size_t i = 0; i < c->sink_count && !o->error; i++) {
        struct mg_sink *k = c->sinks[i];
        what = gw_template_text(k->config->address);
        o->error =
            c->ops->open_sink(c->context, k, what, k->config->settings, &k->context, &o->err);
    }
    gw_call_end(outer);
    if (o->error)
        name_error(o, what);
}

static void begin_shard(mg_shard *shard, void *arg)
{
    (void)shard;
    struct opening *o = arg;
    struct mg_connection *c = o->connection;
    struct gw_call outer = gw_call_begin(c->instance, "begin");
    o->error = c->ops->begin(c->context, &o->err);
    gw_call_end(outer);
    if (o->error)
        name_error(o, "begin");
    for (size_t i = 0; i < c->source_count; i++)
        gw_window_give_shard(c, &c->sources[i].window, c->sources[i].window.limit);
    if (c->source_count)
        gw_window_give_shard(c, &c->window, c->window.limit);
    for (size_t i = 0; i < c->sink_count && !o->error; i++)
        if (c->sinks[i]->outlet)
            gw_outlet_start_shard(c->sinks[i]);
}

struct shard_opening {
    struct gw_gateway *gateway;
    struct mg_err err;
    int error;
};

static void sweep_sink(struct mg_sink *k)
{
    if (k->first_waiting)
        gw_lane_sweep_shard(k);
    if (k->outlet)
        gw_outlet_sweep_shard(k);
}

static void sweep(void *arg)
{
    mg_shard *shard = arg;
    struct gw_gateway *g = shard->gateway;
    for (size_t i = 0; i < g->connection_count; i++) {
        struct mg_connection *c = g->connections[i];
        for (size_t s = 0; c->shard == shard && s < c->sink_count; s++)
            sweep_sink(c->sinks[s]);
    }
    gw_shared_filters_count_shard(shard);
    gw_store_count_shard(shard);
}

int gw_step_open_shard(mg_shard *shard, struct gw_route *route, size_t step, struct mg_err *reterr)
{
    const struct mg_life *life = route->steps[step].config->module->life;
    struct gw_part *part = &route->parts[shard->index];
    int error = 0;
    if (life->shard_open) {
        struct gw_call outer = gw_call_begin(route->steps[step].instance, "shard_open");
        error = life->shard_open(route->steps[step].instance->self, shard,
                                 &part->step_contexts[step], reterr);
        gw_call_end(outer);
    }
    part->first_open |= step == 0 && !error;
    return error;
}

void gw_steps_open_shard(mg_shard *shard, struct gw_gateway *g, int *ret_error, struct mg_err *err)
{
    for (size_t r = 0; r < g->model->route_count && !*ret_error; r++) {
        struct gw_route *route = &g->routes[r];
        for (size_t i = route->alone ? 0 : 1; i < route->config->step_count && !*ret_error; i++)
            *ret_error = gw_step_open_shard(shard, route, i, err);
    }
}

void gw_steps_close_shard(mg_shard *shard, struct gw_gateway *g)
{
    for (size_t r = 0; r < g->model->route_count; r++) {
        struct gw_route *route = &g->routes[r];
        for (size_t i = 0; i < route->config->step_count; i++) {
            const struct mg_life *life = route->steps[i].config->module->life;
            void **context = &route->parts[shard->index].step_contexts[i];
            struct gw_call outer = gw_call_begin(route->steps[i].instance, "shard_close");
            if (life->shard_close && *context)
                life->shard_close(route->steps[i].instance->self, *context);
            gw_call_end(outer);
            *context = NULL;
            route->parts[shard->index].first_open = false;
        }
    }
}

static void open_steps_shard(mg_shard *shard, void *arg)
{
    struct shard_opening *o = arg;
    gw_steps_open_shard(shard, o->gateway, &o->error, &o->err);
    if (!o->error && !o->gateway->host.timer_start(shard, SWEEP_MS, SWEEP_MS, sweep, shard))
        o->error = -ENOMEM;
}

static int each_connection(struct gw_gateway *g, void (*fn)(mg_shard *, void *),
                           struct mg_err *reterr)
{
    for (size_t i = 0; i < g->connection_count; i++) {
        struct opening o = {.connection = g->connections[i]};
        int error = gw_shard_call(o.connection->shard, fn, &o, CALL_MS);
        if (error || o.error) {
            *reterr = o.err;
            if (error)
                snprintf(reterr->text, sizeof reterr->text, "bridge %s: its shard does not answer",
                         o.connection->config->name);
            return error ? error : o.error;
        }
    }
    return 0;
}

int gw_gateway_start(struct gw_gateway *g, struct mg_err *reterr)
{
    int error = gw_gateway_store_open(g, reterr);
    if (!error)
        error = gw_instances_start(g->instances, g->instance_count, reterr);
    for (uint32_t i = 0; i < g->shard_count && !error; i++) {
        struct shard_opening o = {.gateway = g};
        error = gw_shard_run(&g->shards[i]);
        if (!error)
            error = gw_shard_call(&g->shards[i], open_steps_shard, &o, CALL_MS);
        if (!error && o.error) {
            *reterr = o.err;
            error = o.error;
        }
    }
    if (!error && g->shards[0].running) /* not where the caller is the shard */
        error = gw_watchdog_start(g);
    if (!error)
        error = each_connection(g, open_shard, reterr);
    if (!error)
        error = each_connection(g, begin_shard, reterr);
    return error;
}

/* ---- drain ---------------------------------------------------------------------------------- */

static void drain_shard(mg_shard *shard, void *arg)
{
    struct gw_gateway *g = arg;
    for (size_t i = 0; i < g->connection_count; i++) {
        struct mg_connection *c = g->connections[i];
        for (size_t s = 0; c->shard == shard && s < c->sink_count; s++)
            if (c->sinks[s]->outlet)
                gw_outlet_drain_shard(c->sinks[s]);
        /* Without drain it is no origin of events (the local bridge), and goes on. */
        if (c->shard != shard || !c->opened || c->draining || !c->ops->drain)
            continue;
        c->draining = true;
        struct gw_call outer = gw_call_begin(c->instance, "drain");
        c->ops->drain(c->context);
        gw_call_end(outer);
    }
}

struct counting {
    struct gw_gateway *gateway;
    uint64_t in_hand;
};

/* What the store has and a sink may have: it is better confirmed than sent again. */
static uint64_t sent_out(const struct mg_connection *c)
{
    uint64_t sent = 0;
    for (size_t s = 0; s < c->sink_count; s++)
        if (c->sinks[s]->outlet)
            sent += c->sinks[s]->sent + gw_outlet_reading_shard(c->sinks[s]);
    return sent;
}

static void count_shard(mg_shard *shard, void *arg)
{
    struct counting *n = arg;
    struct gw_gateway *g = n->gateway;
    for (size_t r = 0; r < g->model->route_count; r++)
        n->in_hand += g->routes[r].parts[shard->index].ledger.in_flight;
    for (size_t i = 0; i < g->connection_count; i++)
        if (g->connections[i]->shard == shard)
            n->in_hand += atomic_load(&g->connections[i]->inboxed) + sent_out(g->connections[i]);
}

static void release_shard(mg_shard *shard, void *arg)
{
    struct counting *n = arg;
    for (size_t r = 0; r < n->gateway->model->route_count; r++) {
        struct gw_part *part = &n->gateway->routes[r].parts[shard->index];
        part->releasing = true;
        for (; part->oldest; n->in_hand++)
            gw_passage_release_shard(part->oldest, "drain", "the gateway stops");
    }
}

static void each_shard(struct gw_gateway *g, void (*fn)(mg_shard *, void *), void *arg)
{
    for (uint32_t i = 0; i < g->shard_count; i++)
        if (gw_shard_call(&g->shards[i], fn, arg, CALL_MS))
            gw_log(MG_ERROR, "a shard does not answer", NULL);
}

static void pause_ms(int64_t ms)
{
    struct timespec t = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    nanosleep(&t, NULL);
}

uint64_t gw_gateway_drain(struct gw_gateway *g, int64_t timeout_ms)
{
    int64_t until = gw_now_us(NULL) + timeout_ms * 1000;
    gw_instances_drain(g->instances, g->instance_count);
    each_shard(g, drain_shard, g);
    for (;;) {
        struct counting left = {.gateway = g};
        each_shard(g, count_shard, &left);
        if (!left.in_hand)
            return 0;
        if (gw_now_us(NULL) >= until)
            break;
        pause_ms(POLL_MS);
    }
    struct counting released = {.gateway = g};
    each_shard(g, release_shard, &released);
    return released.in_hand;
}

/* ---- stop ----------------------------------------------------------------------------------- */

static void close_shard(mg_shard *shard, void *arg)
{
    struct gw_gateway *g = arg;
    for (size_t i = 0; i < g->connection_count; i++) {
        struct mg_connection *c = g->connections[i];
        if (c->shard != shard)
            continue;
        atomic_store(&c->closing, true);
        struct gw_call outer = gw_call_begin(c->instance, "close");
        if (c->opened && c->ops->close)
            c->ops->close(c->context);
        else
            atomic_store(&c->closed, true);
        gw_call_end(outer);
    }
}

static void end_lanes_shard(mg_shard *shard, void *arg)
{
    struct gw_gateway *g = arg;
    for (size_t i = 0; i < g->connection_count; i++) {
        struct mg_connection *c = g->connections[i];
        for (size_t s = 0; c->shard == shard && s < c->sink_count; s++)
            gw_lane_close_shard(c->sinks[s]);
    }
}

static void destroy_shard(mg_shard *shard, void *arg)
{
    struct gw_gateway *g = arg;
    for (size_t i = 0; i < g->connection_count; i++) {
        struct mg_connection *c = g->connections[i];
        if (c->shard != shard)
            continue;
        c->opened = false;
        struct gw_call outer = gw_call_begin(c->instance, "destroy");
        c->ops->destroy(c->context);
        gw_call_end(outer);
        c->context = NULL;
    }
    gw_steps_close_shard(shard, g);
}

static void nothing_shard(mg_shard *shard, void *arg)
{
    (void)shard, (void)arg;
}

static bool all_closed(struct gw_gateway *g)
{
    for (size_t i = 0; i < g->connection_count; i++)
        if (!atomic_load(&g->connections[i]->closed))
            return false;
    return true;
}

static void count_reads_shard(mg_shard *shard, void *arg)
{
    struct counting *n = arg;
    for (size_t i = 0; i < n->gateway->connection_count; i++) {
        const struct mg_connection *c = n->gateway->connections[i];
        for (size_t s = 0; c->shard == shard && s < c->sink_count; s++)
            n->in_hand += gw_outlet_reading_shard(c->sinks[s]);
    }
}

static void wait_for_reads(struct gw_gateway *g)
{
    for (;;) {
        struct counting left = {.gateway = g};
        each_shard(g, count_reads_shard, &left);
        if (!left.in_hand)
            return;
        pause_ms(POLL_MS);
    }
}

static void last_words_shard(mg_shard *shard, void *arg)
{
    (void)arg;
    gw_shared_filters_count_shard(shard);
    gw_store_count_shard(shard);
    gw_store_turn_shard(shard);
    shard->store_closed = true;
}

int gw_gateway_stop(struct gw_gateway *g)
{
    int64_t until = gw_now_us(NULL) + CLOSE_MS * 1000;
    each_shard(g, close_shard, g);
    while (!all_closed(g) && gw_now_us(NULL) < until)
        pause_ms(POLL_MS);
    for (size_t i = 0; i < g->connection_count; i++) {
        const struct mg_connection *c = g->connections[i];
        if (!atomic_load(&c->closed))
            gw_log(MG_WARN, "closing took too long, the connection is cut", "bridge",
                   c->config->name, "connection", c->label[0] ? c->label : NULL, NULL);
    }
    /* What crosses shards needs a round there and one back. */
    each_shard(g, end_lanes_shard, g);
    each_shard(g, nothing_shard, NULL);
    each_shard(g, nothing_shard, NULL);
    if (g->store) {
        wait_for_reads(g);
        each_shard(g, last_words_shard, NULL);
        gw_gateway_store_close(g);
        each_shard(g, nothing_shard, NULL); /* what the store has said at its end */
    }
    each_shard(g, destroy_shard, g);
    gw_watchdog_stop(g);
    for (uint32_t i = 0; i < g->shard_count; i++)
        gw_shard_stop(&g->shards[i]);
    return gw_instances_stop(g->instances, g->instance_count, STOP_MS);
}
