/* SPDX-License-Identifier: Apache-2.0 */
/* confirm and settle, under `stored`: what becomes of a leg that was sent or will not be.  Done
 * with, refused and buried, tried again later, and the breaker of a sink that fails.  All on the
 * sink's shard. */
#include "flow/outlet.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static mg_shard *shard_of(const struct mg_sink *k)
{
    return k->connection->shard;
}

static const struct gw_delivery_settings *settings_of(const struct mg_sink *k)
{
    return &k->route->config->delivery;
}

/* ---- out of the lane ------------------------------------------------------------------------ */

void gw_outlet_leave_shard(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    struct gw_passage *p = leg->passage;
    struct gw_leg *next = gw_keys_leave(o, leg);
    o->in_hand--;
    o->bytes -= leg->event->payload.len;
    if (leg->attempts > 1)
        k->route->parts[shard_of(k)->index].ledger.retries += leg->attempts - 1;
    leg->state = GW_LEG_DONE;
    gw_passage_unref(p);
    if (next && !o->draining)
        gw_lane_put_shard(k, next);
    gw_outlet_read_shard(k);
}

static void done_with(struct mg_sink *k, struct gw_leg *leg, uint32_t term)
{
    gw_store_settle_shard(k, leg->sequence, term);
    gw_outlet_leave_shard(k, leg);
}

static void log_leg(struct mg_sink *k, const struct gw_leg *leg, uint32_t level,
                    const char *message, const char *step, const char *reason)
{
    gw_route_log_shard(k->route, shard_of(k), level, message, leg->event, leg->sequence, step,
                       reason);
}

/* ---- refused -------------------------------------------------------------------------------- */

struct burial {
    struct gw_store_bury bury; /* first */
    struct gw_task task;
    struct gw_leg *leg; /* with a reference to its passage */
    char texts[];
};

static void leave_buried(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct burial *b = (struct burial *)(void *)((char *)task - offsetof(struct burial, task));
    struct gw_passage *p = b->leg->passage;
    if (b->leg->state == GW_LEG_BURIED) /* else the lane was closed meanwhile */
        gw_outlet_leave_shard(b->leg->sink, b->leg);
    gw_passage_unref(p);
    free(b);
}

/* On the store's thread. */
static void buried(struct gw_store_op *op)
{
    struct burial *b = (struct burial *)op;
    gw_shard_queue(shard_of(b->leg->sink), &b->task);
}

/* The leg keeps its place until the store has the dead letter: were the next of its key sent
 * before, and the process killed, this one would come again behind it. */
static void bury(struct mg_sink *k, struct gw_leg *leg, const char *step, const char *reason)
{
    size_t n = strlen(step) + 1, m = strlen(reason) + 1;
    struct burial *b = malloc(sizeof *b + n + m);
    if (!b) {
        gw_lane_back_shard(k, leg); /* it is tried again, and refused again */
        gw_lane_back_off_shard(k);
        return;
    }
    memcpy(b->texts, step, n);
    memcpy(b->texts + n, reason, m);
    b->task = (struct gw_task){.run = leave_buried};
    b->leg = leg;
    b->bury = (struct gw_store_bury){
        .op = {.kind = GW_OP_BURY, .done = buried},
        .log = k->route->log,
        .sink = k->outlet->place,
        .sequence = leg->sequence,
        .step = b->texts,
        .reason = b->texts + n,
        .attempts = leg->attempts,
    };
    log_leg(k, leg, MG_WARN, "dead letter", step, reason);
    leg->state = GW_LEG_BURIED;
    gw_passage_ref(leg->passage);
    gw_store_add_shard(shard_of(k), &b->bury.op);
}

/* A leg that no repetition will help. */
void gw_outlet_refuse_shard(struct mg_sink *k, struct gw_leg *leg, const char *step,
                            const char *reason)
{
    const struct gw_delivery_settings *d = settings_of(k);
    const char *why = reason ? reason : "refused, without a reason";
    if (d->on_error == GW_ON_ERROR_PAUSE) {
        gw_route_pause(k->route, true, why);
        leg->pardoned = true;
        gw_lane_back_shard(k, leg);
    } else if (d->on_error == GW_ON_ERROR_RETRY && d->dead_letter) {
        bury(k, leg, step, why);
    } else {
        const struct gw_trace *trace = k->route->gateway->trace;
        log_leg(k, leg, MG_WARN, "discarded", step, why);
        if (trace)
            trace->end(trace->arg, leg->passage, GW_DISCARDED, step, why);
        done_with(k, leg, GW_TERM_DISCARDED);
    }
}

/* ---- again later ---------------------------------------------------------------------------- */

static uint64_t next_delay(const struct gw_delivery_settings *d, uint64_t last)
{
    uint64_t first = (uint64_t)d->retry_first_ms, most = (uint64_t)d->retry_most_ms;
    uint64_t upper = last * 3 > first ? last * 3 : first;
    uint64_t delay =
        first + gw_random((uint32_t)(upper - first < UINT32_MAX ? upper - first + 1 : UINT32_MAX));
    return delay < most ? delay : most;
}

static void arm(const struct mg_host *host, mg_shard *shard, mg_timer **timer, uint64_t after_ms,
                void (*fired)(void *arg), void *arg)
{
    if (*timer)
        host->timer_again(*timer, after_ms, 0);
    else
        *timer = gw_core_timer_start(host, shard, after_ms, fired, arg);
}

static void let_go(void *arg);

static void arm_held(struct mg_sink *k)
{
    struct gw_outlet *o = k->outlet;
    int64_t now = gw_now_us(shard_of(k)), first = INT64_MAX;
    for (const struct gw_leg *leg = o->held; leg; leg = leg->next_held)
        if (leg->due_us < first)
            first = leg->due_us;
    if (o->held)
        arm(&k->route->gateway->host, shard_of(k), &o->held_timer,
            first > now ? (uint64_t)(first - now) / 1000 + 1 : 0, let_go, k);
}

/* Those that are due go back to the lane. */
static void let_go(void *arg)
{
    struct mg_sink *k = arg;
    struct gw_outlet *o = k->outlet;
    int64_t now = gw_now_us(shard_of(k));
    for (struct gw_leg **at = &o->held; *at;) {
        struct gw_leg *leg = *at;
        if (leg->due_us > now) {
            at = &leg->next_held;
            continue;
        }
        *at = leg->next_held;
        gw_lane_back_shard(k, leg);
    }
    arm_held(k);
    gw_lane_pump_shard(k);
}

/* With order_by only this leg's key waits; without, the whole lane. */
static void try_again(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    if (!o->keys || !leg->key) {
        gw_lane_back_shard(k, leg);
        gw_lane_back_off_shard(k);
        return;
    }
    leg->delay_ms = next_delay(settings_of(k), leg->delay_ms);
    leg->due_us = gw_now_us(shard_of(k)) + (int64_t)leg->delay_ms * 1000;
    leg->state = GW_LEG_HELD;
    leg->next_held = o->held;
    o->held = leg;
    arm_held(k);
}

/* ---- the breaker ---------------------------------------------------------------------------- */

static void try_breaker(void *arg)
{
    struct mg_sink *k = arg;
    k->outlet->breaker = GW_BREAKER_TRYING; /* one leg goes, and decides */
    gw_lane_pump_shard(k);
}

static void works(struct mg_sink *k)
{
    struct gw_outlet *o = k->outlet;
    o->failures = 0;
    if (o->breaker == GW_BREAKER_CLOSED)
        return;
    o->breaker = GW_BREAKER_CLOSED;
    o->breaker_ms = 0;
    gw_log(MG_INFO, "the sink takes events again", "route", k->route->config->name, "bridge",
           k->connection->config->name, NULL);
}

/* What fails together (a connection lost) is one failure. */
static void fails(struct mg_sink *k, const char *reason)
{
    struct gw_outlet *o = k->outlet;
    const struct gw_delivery_settings *d = settings_of(k);
    int64_t now = gw_now_us(shard_of(k));
    if (now == o->failed_turn)
        return;
    o->failed_turn = now;
    o->failures++;
    bool opens =
        o->breaker == GW_BREAKER_TRYING || (o->breaker == GW_BREAKER_CLOSED && d->breaker_after &&
                                            o->failures >= (uint64_t)d->breaker_after);
    if (!opens)
        return;
    if (o->breaker == GW_BREAKER_CLOSED)
        gw_log(MG_WARN, "the sink fails again and again and is left alone for a while", "route",
               k->route->config->name, "bridge", k->connection->config->name, "reason", reason,
               NULL);
    o->breaker = GW_BREAKER_OPEN;
    snprintf(o->breaker_reason, sizeof o->breaker_reason, "%s", reason ? reason : "");
    o->breaker_ms = next_delay(d, o->breaker_ms);
    arm(&k->route->gateway->host, shard_of(k), &o->breaker_timer, o->breaker_ms, try_breaker, k);
    if (!o->breaker_timer)
        o->breaker = GW_BREAKER_TRYING; /* without memory for a timer: at once */
}

/* ---- outcomes -------------------------------------------------------------------------------- */

void gw_outlet_settled_shard(struct mg_sink *k, struct gw_leg *leg, uint32_t outcome,
                             const char *reason)
{
    const struct gw_delivery_settings *d = settings_of(k);
    gw_outlet_back_shard(k, leg);
    if (outcome == MG_ACCEPTED) {
        works(k);
        done_with(k, leg, GW_TERM_DELIVERED);
    } else if (outcome == MG_REJECTED) {
        gw_outlet_refuse_shard(k, leg, "confirm", reason);
    } else {
        char text[160];
        /* AMQP 1.0 §3.4.4: only modified says that the attempt was one. */
        if (outcome == MG_MODIFIED)
            leg->counted++;
        fails(k, reason);
        if (d->max_attempts && leg->counted >= (uint64_t)d->max_attempts) {
            snprintf(text, sizeof text, "gave up after %u attempts: %.110s", leg->counted,
                     reason ? reason : "modified");
            gw_outlet_refuse_shard(k, leg, "confirm", text);
        } else {
            if (outcome == MG_MODIFIED && d->max_attempts)
                gw_store_note_shard(k, leg->sequence, leg->counted);
            try_again(k, leg);
        }
    }
    gw_lane_pump_shard(k);
}

void gw_outlet_ended_shard(struct mg_sink *k, struct gw_leg *leg, uint32_t outcome,
                           const char *reason)
{
    gw_outlet_back_shard(k, leg);
    if (outcome == MG_ACCEPTED) {
        done_with(k, leg, GW_TERM_DELIVERED);
    } else if (outcome == MG_REJECTED) {
        gw_outlet_refuse_shard(k, leg, "send", reason);
    } else if (outcome == 0) {
        log_leg(k, leg, MG_INFO, "expired", "send", reason);
        done_with(k, leg, GW_TERM_EXPIRED);
    } else {
        gw_outlet_leave_shard(k, leg); /* the gateway stops: the store keeps it */
    }
}
