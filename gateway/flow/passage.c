/* SPDX-License-Identifier: Apache-2.0 */
/* settle and ack: one event's way through one route, and how it is accounted for. */
#include "flow/internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LOGS_A_SECOND = 10 };

/* ---- logs ----------------------------------------------------------------------------------- */

static bool may_log(struct gw_part *part, int64_t now, char *ret_suppressed, size_t size)
{
    *ret_suppressed = '\0';
    if (now - part->log_second_us >= 1000000) {
        if (part->suppressed)
            snprintf(ret_suppressed, size, "%" PRIu32, part->suppressed);
        part->log_second_us = now;
        part->logged = part->suppressed = 0;
    }
    if (part->logged < LOGS_A_SECOND) {
        part->logged++;
        return true;
    }
    part->suppressed++;
    return false;
}

void gw_route_log_shard(struct gw_route *route, mg_shard *shard, uint32_t level,
                        const char *message, const mg_event *event, uint64_t event_id,
                        const char *step, const char *reason)
{
    char suppressed[16], id[32], address[256];
    if (!gw_log_wanted(level) ||
        !may_log(&route->parts[shard->index], gw_now_us(shard), suppressed, sizeof suppressed))
        return;
    struct mg_str a = event ? event->head.address : (struct mg_str){"", 0};
    snprintf(id, sizeof id, "%" PRIu32 "-%" PRIu64, shard->index, event_id);
    snprintf(address, sizeof address, "%.*s", (int)(a.len < 255 ? a.len : 255), a.at ? a.at : "");
    gw_log(level, message, "route", route->config->name, "event", id, "step", step, "address",
           address, "reason", reason, "suppressed", suppressed[0] ? suppressed : NULL, NULL);
}

void gw_passage_log_shard(struct gw_passage *p, uint32_t level, const char *message,
                          const char *step, const char *reason)
{
    gw_route_log_shard(p->route, p->shard, level, message, p->event_count ? p->events[0] : NULL,
                       p->event_id, step, reason);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void append(struct gw_part *part, struct gw_passage *p)
{
    p->older = part->newest;
    if (part->newest)
        part->newest->newer = p;
    else
        part->oldest = p;
    part->newest = p;
}

static void unlink_passage(struct gw_part *part, struct gw_passage *p)
{
    *(p->older ? &p->older->newer : &part->oldest) = p->newer;
    *(p->newer ? &p->newer->older : &part->newest) = p->older;
    p->older = p->newer = NULL;
}

static void unref_events(const mg_event **events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gw_event_unref((mg_event *)(uintptr_t)events[i]);
}

static void free_passage(struct gw_passage *p)
{
    if (!p->borrowed)
        unref_events(p->events, p->event_count);
    if (!p->origin_borrowed)
        gw_event_unref((mg_event *)(uintptr_t)p->origin);
    unref_events(p->next_events, p->next_count);
    if (p->events != p->only_event)
        free(p->events);
    free(p->next_events);
    gw_legs_free(p);
    if (gw_shard_self() == p->shard)
        gw_pool_give(&p->shard->passages, p);
    else
        free(p);
}

void gw_passage_ref(struct gw_passage *p)
{
    atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
}

void gw_passage_unref(struct gw_passage *p)
{
    /* Who has the only reference need not count it down: nobody is left to take another. */
    if (atomic_load_explicit(&p->refs, memory_order_acquire) == 1 ||
        atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel) == 1)
        free_passage(p);
}

void gw_passage_hold_shard(struct gw_passage *p)
{
    p->holds++;
}

void gw_passage_drop_shard(struct gw_passage *p)
{
    if (--p->holds == 0)
        gw_passage_unref(p);
}

static void cancel_legs(struct gw_passage *p)
{
    if (p->stage != GW_STAGED)
        return; /* never offered */
    for (size_t i = 0; i < p->leg_count; i++) {
        struct gw_leg *leg = &p->legs[i];
        mg_shard *shard = leg->sink->connection->shard;
        /* The state of a leg on another shard is that shard's to read. */
        if (shard == p->shard && leg->state == GW_LEG_DONE)
            continue;
        leg->cancel.run = gw_lane_cancel_task;
        gw_passage_ref(p);
        gw_shard_post(shard, &leg->cancel);
    }
}

/* It is in hand no longer, and its source hears so. */
static void leave_shard(struct gw_passage *p, uint32_t outcome, const char *reason)
{
    p->ended = true;
    p->part->ledger.in_flight--;
    unlink_passage(p->part, p);
    gw_steps_leave_shard(p);
    if (p->pending)
        gw_token_free_shard(p->shard, p->pending);
    p->pending = 0;
    if (p->retry)
        p->route->gateway->host.timer_stop(p->retry);
    p->retry = NULL;
    cancel_legs(p);
    struct gw_arrival *arrival = p->arrival;
    p->arrival = NULL;
    if (!p->told)
        gw_arrival_tell_shard(arrival, outcome, reason);
    gw_arrival_leave_shard(arrival);
    gw_passage_drop_shard(p);
}

void gw_passage_end_shard(struct gw_passage *p, enum gw_end_kind kind, uint32_t outcome,
                          const char *step, const char *reason)
{
    static const char *const messages[] = {"delivered", "dropped", "expired", "discarded",
                                           "returned to the source"};
    if (p->ended)
        return;
    p->part->ledger.ended[kind]++;
    uint32_t level = kind == GW_DISCARDED || (kind == GW_RETURNED && outcome == MG_REJECTED)
                         ? MG_WARN
                     : kind == GW_EXPIRED ? MG_INFO
                                          : MG_DEBUG;
    gw_passage_log_shard(p, level, messages[kind], step, reason);
    const struct gw_trace *trace = p->route->gateway->trace;
    if (trace)
        trace->end(trace->arg, p, kind, step, reason);
    leave_shard(p, outcome, reason);
}

void gw_passage_moved_shard(struct gw_passage *p)
{
    p->part->ledger.received--; /* the store counts it */
    leave_shard(p, MG_ACCEPTED, NULL);
}

/* An event that a step or sink refused, or that nobody could take: `direct` tells the source. */
static void end_badly(struct gw_passage *p, uint32_t outcome, const char *step, const char *reason)
{
    bool returns = p->route->config->delivery.guarantee != GW_BEST_EFFORT;
    gw_passage_end_shard(p, returns ? GW_RETURNED : GW_DISCARDED, outcome, step, reason);
}

void gw_passage_reject_shard(struct gw_passage *p, const char *step, const char *reason)
{
    const struct gw_delivery_settings *d = &p->route->config->delivery;
    if (p->route->stored && d->on_error == GW_ON_ERROR_PAUSE)
        gw_route_pause(p->route, true, reason ? reason : "refused, without a reason");
    if (p->route->stored && d->on_error == GW_ON_ERROR_DISCARD) {
        gw_passage_end_shard(p, GW_DISCARDED, MG_ACCEPTED, step, reason);
        return;
    }
    if (p->route->stored && d->dead_letter && gw_passage_bury_shard(p, step, reason))
        return;
    end_badly(p, MG_REJECTED, step, reason);
}

void gw_passage_release_shard(struct gw_passage *p, const char *step, const char *reason)
{
    end_badly(p, MG_RELEASED, step, reason);
}

static void capture(struct gw_passage *p)
{
    if (!p->match)
        return;
    const struct mg_str address = p->origin->head.address;
    if (p->match->capture_count && gw_pattern_match(p->match, address, p->values))
        p->captures = (struct gw_captures){p->match->capture_count, p->match->names, p->values};
}

int gw_passage_keep_shard(struct gw_passage *p)
{
    if (!p->origin_borrowed)
        return 0;
    const mg_event *old = p->origin, *kept = gw_event_ref(old);
    if (!kept)
        return -ENOMEM;
    p->origin = kept;
    p->origin_borrowed = false;
    if (p->borrowed)
        p->events[0] = kept;
    for (size_t i = 0; i < p->leg_count; i++)
        if (p->legs[i].event == old)
            p->legs[i].event = kept;
    if (!p->leg_count)
        capture(p); /* steps and templates will still ask for them */
    return 0;
}

static int64_t expiry(const struct gw_delivery_settings *d, const struct mg_head *head,
                      mg_shard *shard)
{
    int64_t own = head->present & MG_HAS_EXPIRY ? head->expires_us : 0;
    if (!d->ttl_ms)
        return own;
    int64_t by_route = gw_wall_us(shard) + d->ttl_ms * 1000;
    return own && own < by_route ? own : by_route;
}

/* What a full route that drops (overflow: drop-newest, drop-oldest) does with one event more. */
static bool make_room(struct gw_passage *p)
{
    const struct gw_delivery_settings *d = &p->route->config->delivery;
    if (p->arrival->holds_window || d->guarantee != GW_BEST_EFFORT ||
        p->part->ledger.in_flight <= (uint64_t)d->window)
        return true;
    /* The oldest that still waits: what was sent may well arrive, and would be counted wrong. */
    const struct mg_sink *first = p->route->sinks[0];
    if (d->overflow == GW_OVERFLOW_DROP_OLDEST && first->connection->shard == p->shard &&
        first->first_waiting) {
        gw_passage_end_shard(first->first_waiting->passage, GW_DISCARDED, MG_ACCEPTED, "send",
                             "the window is full: oldest dropped");
        return true;
    }
    gw_passage_end_shard(p, GW_DISCARDED, MG_ACCEPTED, "match", "the window is full");
    return false;
}

void gw_passage_start_shard(struct gw_entry *entry, struct gw_arrival *arrival, mg_shard *shard,
                            const struct gw_company *company)
{
    struct gw_route *route = entry->route;
    struct gw_part *part = &route->parts[shard->index];
    part->ledger.received++;
    struct gw_passage *p = gw_pool_take(&shard->passages);
    if (!p) {
        bool returns = route->config->delivery.guarantee != GW_BEST_EFFORT;
        part->ledger.ended[returns ? GW_RETURNED : GW_DISCARDED]++;
        gw_arrival_tell_shard(arrival, MG_RELEASED, "out of memory");
        gw_arrival_leave_shard(arrival);
        return;
    }
    memset(p, 0, offsetof(struct gw_passage, values));
    p->route = route;
    p->part = part;
    p->shard = shard;
    p->arrival = arrival;
    p->match = entry->match;
    p->arrived_us = gw_now_us(shard);
    p->arrived_wall_us = gw_wall_us(shard);
    p->event_id = arrival->event->id;
    p->step = company && company->passed;
    p->events = p->only_event;
    p->origin = p->events[0] = arrival->event;
    p->event_count = p->event_capacity = 1;
    p->borrowed = p->origin_borrowed = true;
    p->holds = 2; /* its own, and this function's */
    atomic_init(&p->refs, 1);
    p->scope = (struct mg_scope){
        .route = {route->config->name, strlen(route->config->name)},
        .gateway = {route->gateway->model->gateway.name,
                    strlen(route->gateway->model->gateway.name)},
        .captures = &p->captures,
    };
    p->expires_us = expiry(&route->config->delivery, &arrival->event->head, shard);
    part->ledger.in_flight++;
    append(part, p);
    capture(p);

    uint32_t deaths = company ? company->deaths : 0;
    bool looks = (route->stored || deaths) && route->config->step_count;
    if (make_room(p) && !(looks && gw_poison_stops_shard(p, deaths)))
        gw_steps_run_shard(p);
    if (!p->ended && gw_passage_keep_shard(p))
        gw_passage_release_shard(p, "stage", "out of memory");
    if (!p->ended && route->config->delivery.guarantee == GW_BEST_EFFORT) {
        p->told = true;
        gw_arrival_tell_shard(arrival, MG_ACCEPTED, NULL);
    }
    gw_passage_drop_shard(p);
}

/* ---- decide --------------------------------------------------------------------------------- */

static void finish(struct gw_passage *p)
{
    bool rejected = false;
    for (size_t i = 0; i < p->event_count; i++)
        rejected = rejected || p->outputs[i].rejected;
    if (p->satisfied == p->event_count)
        gw_passage_end_shard(p, GW_DELIVERED, MG_ACCEPTED, "settle", NULL);
    else if (rejected)
        gw_passage_reject_shard(p, "confirm", p->reason);
    else if (p->expired)
        gw_passage_end_shard(p, GW_EXPIRED, MG_ACCEPTED, "send", p->reason);
    else
        gw_passage_release_shard(p, "send", p->reason);
}

void gw_passage_decide_shard(struct gw_passage *p)
{
    if (p->satisfied < p->event_count && p->open_legs)
        return;
    if (p->satisfied == p->event_count)
        p->part->ledger.missed += p->open_legs;
    finish(p);
}

/* ---- settle --------------------------------------------------------------------------------- */

void gw_passage_leg_done_shard(struct gw_leg *leg)
{
    struct gw_passage *p = leg->passage;
    if (p->ended)
        return;
    struct gw_output *output = &p->outputs[leg->output];
    output->open--;
    p->open_legs--;
    if (leg->attempts > 1)
        p->part->ledger.retries += leg->attempts - 1;
    if (leg->outcome == MG_ACCEPTED)
        output->accepted++;
    else if (leg->outcome == MG_REJECTED)
        output->rejected++;
    else if (leg->outcome == 0)
        p->expired = true;
    if (leg->outcome != MG_ACCEPTED && !p->reason)
        p->reason = leg->reason;

    bool any = p->route->config->delivery.require == GW_REQUIRE_ANY;
    if (any ? output->accepted == 1 && leg->outcome == MG_ACCEPTED
            : output->open == 0 && output->accepted == p->route->config->sink_count)
        p->satisfied++;
    if (p->stage == GW_STAGED)
        gw_passage_decide_shard(p);
}
