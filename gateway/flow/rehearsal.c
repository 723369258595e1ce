/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a gateway that rehearses, and how its time passes. */
#include "flow/rehearsal_internal.h"
#include "flow/virtual_time.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { OUTSIDE_MS = 5000 };
enum { STORE_BYTES = 256 << 20 };

static int64_t store_wall_us(void)
{
    return gw_virtual_wall_us();
}

/* ---- what is seen --------------------------------------------------------------------------- */

static uint32_t route_of(const struct gw_rehearsal *r, const struct gw_passage *p)
{
    return (uint32_t)(p->route - r->gateway->routes) + r->first_route;
}

static void saw_step(void *arg, const struct gw_passage *p, const char *step, uint32_t verdict,
                     size_t count, const char *reason)
{
    struct gw_rehearsal *r = arg;
    (void)step;
    r->gave_up = false;
    if (r->seen.step)
        r->seen.step(r->seen.arg, route_of(r, p), (uint32_t)p->step, verdict, count, reason);
}

static void saw_end(void *arg, const struct gw_passage *p, enum gw_end_kind kind, const char *step,
                    const char *reason)
{
    struct gw_rehearsal *r = arg;
    enum gw_rehearsed_kind seen;
    if (kind == GW_DROPPED)
        seen = GW_REHEARSED_DROPPED;
    else if (kind == GW_EXPIRED)
        seen = GW_REHEARSED_EXPIRED;
    else if (kind == GW_DISCARDED)
        seen = GW_REHEARSED_DISCARDED;
    else if (kind == GW_RETURNED && !r->stopping) /* what a restart gives back comes again */
        seen = GW_REHEARSED_RETURNED;
    else
        return;
    if (r->seen.ended)
        r->seen.ended(r->seen.arg, route_of(r, p), seen, p->origin->head.address, step, reason);
}

/* ---- start and stop ------------------------------------------------------------------------- */

static int start(struct gw_rehearsal *r, struct mg_err *err)
{
    int error = gw_gateway_create(&r->model, &r->gateway, err);
    if (error) {
        r->gateway = NULL;
        return error;
    }
    r->gateway->trace = &r->trace;
    r->gateway->store_options = &r->store_options;
    for (size_t i = 0; i < r->model.bridge_count; i++)
        r->players[i].connection = r->gateway->bridges[i].connections[0];
    mg_shard *shard = &r->gateway->shards[0];
    gw_shard_adopt(shard);
    error = gw_gateway_start(r->gateway, err);
    if (!error)
        return 0;
    gw_steps_close_shard(shard, r->gateway);
    gw_gateway_destroy(r->gateway);
    gw_shard_adopt(NULL);
    r->gateway = NULL;
    return error;
}

/* What the store's thread would do.  The shard is not itself meanwhile: what the store tells it
 * comes through the inbox. */
static bool turn_store(struct gw_rehearsal *r)
{
    mg_shard *shard = &r->gateway->shards[0];
    if (!r->gateway->store)
        return false;
    gw_shard_adopt(NULL);
    bool worked = gw_store_turn(r->gateway->store);
    gw_shard_adopt(shard);
    return worked;
}

static bool shard_waits(const mg_shard *s)
{
    return s->inbox_first || s->outboxes_used || s->dirty || s->settling || s->settles.first ||
           s->states.first;
}

static void turn_shard(struct gw_rehearsal *r, uv_run_mode mode)
{
    uv_run(&r->gateway->shards[0].loop, mode);
}

/* Until only time can bring anything further. */
static void come_to_rest(struct gw_rehearsal *r)
{
    mg_shard *shard = &r->gateway->shards[0];
    bool more;
    do {
        turn_shard(r, UV_RUN_NOWAIT);
        more = turn_store(r);
        more |= gw_rehearsal_answer(r);
        more |= !r->stopping && gw_rehearsal_hand_over(r);
        if (!more && !shard_waits(shard) && gw_virtual_jobs()) {
            turn_shard(r, UV_RUN_ONCE); /* the thread pool is at work, and will be done */
            more = true;
        }
    } while (more || shard_waits(shard));
}

static void check_balance(struct gw_rehearsal *r)
{
    for (uint32_t i = 0; i < r->model.route_count; i++) {
        struct gw_rehearsed_ledger l;
        gw_rehearsal_ledger(r, i + r->first_route, &l);
        r->unbalanced[i] = l.unbalanced;
    }
}

static void stop(struct gw_rehearsal *r)
{
    struct gw_gateway *g = r->gateway;
    r->stopping = true;
    gw_gateway_drain(g, 0);
    come_to_rest(r);
    gw_gateway_stop(g);
    gw_rehearsal_forget(r);
    gw_gateway_destroy(g);
    gw_shard_adopt(NULL);
    r->gateway = NULL;
    r->stopping = false;
}

static int restart(struct gw_rehearsal *r, struct mg_err *err)
{
    check_balance(r);
    stop(r);
    for (struct gw_given *g = r->given; g; g = g->next)
        if (g->state != GW_GIVEN_DONE)
            g->state = GW_GIVEN_WAITS;
    return start(r, err);
}

/* ---- time ----------------------------------------------------------------------------------- */

static bool step_waits(const struct gw_rehearsal *r)
{
    for (size_t i = 0; i < r->model.route_count; i++)
        for (const struct gw_passage *p = r->gateway->routes[i].parts[0].first_step; p;
             p = p->after)
            if (p->pending)
                return true;
    return false;
}

static void enough(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* A step that has asked somebody outside gets the time to hear from there. */
static void wait_outside(struct gw_rehearsal *r)
{
    mg_shard *shard = &r->gateway->shards[0];
    uv_timer_t limit;
    bool over = false;
    if (r->gave_up || !step_waits(r) || !gw_virtual_is_watching())
        return;
    uv_timer_init(&shard->loop, &limit);
    limit.data = &over;
    uv_timer_start(&limit, enough, (uint64_t)r->outside_ms, 0);
    while (!over && step_waits(r) && gw_virtual_is_watching()) {
        turn_shard(r, UV_RUN_ONCE);
        come_to_rest(r);
    }
    r->gave_up = over;
    uv_close((uv_handle_t *)&limit, NULL);
    turn_shard(r, UV_RUN_NOWAIT);
}

/* What peers have yet to send is not looked at. */
static bool is_idle(const struct gw_rehearsal *r)
{
    for (const struct gw_given *g = r->given; g; g = g->next)
        if (g->state == GW_GIVEN_IN_HAND ||
            (g->state == GW_GIVEN_WAITS && g->at_us <= gw_virtual_now_us()))
            return false;
    for (size_t i = 0; i < r->model.route_count; i++) {
        const struct gw_route *route = &r->gateway->routes[i];
        struct gw_store_ledger l = {0};
        if (route->stored)
            gw_store_log_ledger(route->log, &l);
        if (route->parts[0].ledger.in_flight || l.stored)
            return false;
        /* require: any: what one sink has may still be on its way to another. */
        for (size_t k = 0; route->stored && k < route->config->sink_count; k++)
            if (route->sinks[k]->outlet->in_hand || route->sinks[k]->outlet->reading)
                return false;
    }
    return true;
}

static const struct gw_given *next_given(const struct gw_rehearsal *r)
{
    const struct gw_given *g = r->given;
    while (g && g->state != GW_GIVEN_WAITS)
        g = g->next;
    return g;
}

static bool restart_is_planned(const struct gw_rehearsal *r)
{
    for (const struct gw_planned_fault *f = r->faults; f; f = f->next)
        if (f->fault.kind == GW_FAULT_RESTART && !f->over)
            return true;
    return false;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* When something will happen of itself.  A core that is idle is not swept a million times for two
 * events that are weeks apart. */
static int64_t next_us(const struct gw_rehearsal *r, bool idle)
{
    int64_t now = gw_virtual_now_us(), next = INT64_MAX;
    for (const struct gw_given *g = r->given; g; g = g->next) {
        if (g->state == GW_GIVEN_WAITS && g->at_us > now) {
            next = g->at_us;
            break;
        }
    }
    for (const struct gw_planned_fault *f = r->faults; f; f = f->next) {
        if (!f->over && f->fault.kind == GW_FAULT_RESTART)
            next = sooner(next, f->from_us);
        if (!f->over && f->fault.kind == GW_FAULT_DOWN)
            next = sooner(next, f->to_us > now ? f->to_us : now);
    }
    if (idle && next != INT64_MAX)
        gw_virtual_time_skip(next);
    return sooner(next, gw_virtual_time_next());
}

static int restart_if_due(struct gw_rehearsal *r, struct mg_err *err)
{
    for (struct gw_planned_fault *f = r->faults; f; f = f->next) {
        if (f->fault.kind != GW_FAULT_RESTART || f->over || f->from_us > gw_virtual_now_us())
            continue;
        f->over = true;
        int error = restart(r, err);
        if (error)
            return error;
    }
    return 0;
}

int gw_rehearsal_run(struct gw_rehearsal *r, int64_t until_us, struct mg_err *err)
{
    if (!r->gateway)
        return -EINVAL; /* it did not come up again */
    for (;;) {
        come_to_rest(r);
        wait_outside(r);
        bool idle = is_idle(r);
        if (idle && !next_given(r) && !restart_is_planned(r))
            return 0;
        int64_t next = next_us(r, idle);
        if (next > r->begin_us + until_us)
            break;
        gw_virtual_time_move(next);
        gw_shard_forget_time(&r->gateway->shards[0]);
        gw_virtual_time_fire();
        gw_rehearsal_sendable(r);
        int error = restart_if_due(r, err);
        if (error)
            return error;
    }
    gw_virtual_time_move(r->begin_us + until_us);
    return 1;
}

int64_t gw_rehearsal_now_us(const struct gw_rehearsal *r)
{
    return gw_virtual_now_us() - r->begin_us;
}

int gw_rehearsal_fault(struct gw_rehearsal *r, const struct gw_fault *fault)
{
    struct gw_planned_fault *f = calloc(1, sizeof *f), **last = &r->faults;
    if (!f)
        return -ENOMEM;
    f->fault = *fault;
    f->from_us = r->begin_us + fault->at_us;
    f->to_us = fault->for_us ? f->from_us + fault->for_us : INT64_MAX;
    while (*last)
        last = &(*last)->next;
    *last = f;
    return 0;
}

/* ---- what came of it ------------------------------------------------------------------------ */

void gw_rehearsal_ledger(const struct gw_rehearsal *r, uint32_t route,
                         struct gw_rehearsed_ledger *ret)
{
    uint32_t i = route - r->first_route;
    const struct gw_ledger *here = &r->gateway->routes[i].parts[0].ledger;
    *ret = (struct gw_rehearsed_ledger){
        .ledger = gw_route_ledger(&r->gateway->routes[i], here),
        .in_flight = here->in_flight,
        .unbalanced = r->unbalanced[i],
    };
    uint64_t sum = ret->in_flight + ret->ledger.stored;
    for (size_t k = 0; k < GW_TERMS; k++)
        sum += ret->ledger.ended[k];
    ret->unbalanced += sum != ret->ledger.received;
}

struct gw_store *gw_rehearsal_store(const struct gw_rehearsal *r)
{
    return r->gateway->store;
}

/* ---- create and destroy --------------------------------------------------------------------- */

static int make_model(struct gw_rehearsal *r, const struct gw_rehearsal_settings *s)
{
    bool stored = false;
    r->model = *s->model;
    if (s->route != GW_REHEARSAL_ANY) {
        r->first_route = s->route;
        r->model.routes += s->route;
        r->model.route_count = 1;
    }
    size_t count = r->model.bridge_count + 1;
    r->bridges = calloc(count, sizeof *r->bridges);
    r->modules = calloc(count, sizeof *r->modules);
    r->ops = calloc(count, sizeof *r->ops);
    r->players = calloc(count, sizeof *r->players);
    r->unbalanced = calloc(r->model.route_count + 1, sizeof *r->unbalanced);
    if (!r->bridges || !r->modules || !r->ops || !r->players || !r->unbalanced)
        return -ENOMEM;
    for (size_t i = 0; i < r->model.bridge_count; i++)
        gw_rehearsal_play(r, i, s->model->bridges[i].module);
    for (size_t i = 0; i < r->model.route_count; i++)
        stored |= r->model.routes[i].delivery.guarantee == GW_STORED;
    r->model.bridges = r->bridges;
    r->model.gateway.shards = 1;
    r->model.gateway.control = NULL;
    r->model.gateway.slow_callback_ms = 0; /* a clock that jumps tells nothing about callbacks */
    /* It lives as long as the rehearsal: nothing has to be forced onto the disk. */
    r->model.gateway.store = (struct gw_store_settings){
        .path = stored ? s->folder : NULL, .sync = GW_SYNC_NEVER, .size_bytes = STORE_BYTES};
    return 0;
}

int gw_rehearsal_create(const struct gw_rehearsal_settings *settings, struct gw_rehearsal **ret,
                        struct mg_err *reterr)
{
    struct gw_rehearsal *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    r->seen = *settings->seen;
    r->outside_ms = settings->outside_ms ? settings->outside_ms : OUTSIDE_MS;
    r->trace = (struct gw_trace){.step = saw_step, .end = saw_end, .arg = r};
    r->store_options = (struct gw_store_options){.manual = true, .wall_us = store_wall_us};
    gw_virtual_time_begin(settings->wall_us);
    r->begin_us = gw_virtual_now_us();
    int error = make_model(r, settings);
    if (!error)
        error = start(r, reterr);
    if (error) {
        if (error == -ENOMEM && !reterr->text[0])
            snprintf(reterr->text, sizeof reterr->text, "out of memory");
        gw_rehearsal_destroy(r);
        return error;
    }
    *ret = r;
    return 0;
}

void gw_rehearsal_destroy(struct gw_rehearsal *r)
{
    if (!r)
        return;
    if (r->gateway)
        stop(r);
    gw_virtual_time_end();
    for (struct gw_planned_fault *f = r->faults, *next; f; f = next) {
        next = f->next;
        free(f);
    }
    for (struct gw_given *g = r->given, *next; g; g = next) {
        next = g->next;
        gw_event_unref(g->event);
        free(g);
    }
    free(r->bridges);
    free(r->modules);
    free(r->ops);
    free(r->players);
    free(r->unbalanced);
    free(r);
}
