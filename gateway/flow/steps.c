/* SPDX-License-Identifier: Apache-2.0 */
/* steps: an event goes through a route's modules, which may drop, rewrite, multiply, refuse or
 * delay it.  Passages leave the steps in the order in which they entered, also where some had to
 * wait. */
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- the queue of those in steps ------------------------------------------------------------ */

static void enter_queue(struct gw_passage *p)
{
    struct gw_part *part = p->part;
    p->in_step_queue = true;
    p->before = part->last_step;
    *(part->last_step ? &part->last_step->after : &part->first_step) = p;
    part->last_step = p;
}

static void stage_ready(struct gw_part *part)
{
    while (part->first_step && part->first_step->stage == GW_STEPPED && !part->releasing) {
        struct gw_passage *p = part->first_step;
        gw_passage_hold_shard(p);
        part->first_step = p->after;
        *(p->after ? &p->after->before : &part->last_step) = NULL;
        p->before = p->after = NULL;
        p->in_step_queue = false;
        gw_passage_stage_shard(p);
        gw_passage_drop_shard(p);
    }
}

void gw_steps_leave_shard(struct gw_passage *p)
{
    struct gw_part *part = p->part;
    if (!p->in_step_queue)
        return;
    *(p->before ? &p->before->after : &part->first_step) = p->after;
    *(p->after ? &p->after->before : &part->last_step) = p->before;
    p->before = p->after = NULL;
    p->in_step_queue = false;
    stage_ready(part);
}

static void all_done(struct gw_passage *p)
{
    p->stage = GW_STEPPED;
    if (!p->in_step_queue && !p->part->first_step) {
        gw_passage_stage_shard(p);
        return;
    }
    /* Others are still in steps before it. */
    if (!p->in_step_queue)
        enter_queue(p);
    stage_ready(p->part);
}

/* ---- verdicts ------------------------------------------------------------------------------- */

static int push(struct gw_passage *p, const mg_event *event)
{
    if (p->next_count == p->next_capacity) {
        size_t capacity = p->next_capacity ? p->next_capacity * 2 : 1;
        const mg_event **events = realloc(p->next_events, capacity * sizeof *events);
        if (!events)
            return -ENOMEM;
        p->next_events = events;
        p->next_capacity = capacity;
    }
    p->next_events[p->next_count++] = event;
    return 0;
}

static void drop_events(mg_event *const *events, size_t count)
{
    for (size_t i = 0; i < count; i++)
        gw_event_unref(events[i]);
}

static const char *misbehaves(const struct gw_step *step, uint32_t verdict, size_t count)
{
    uint32_t kind = step->config->module->kind;
    if (verdict > MG_PENDING)
        return "answered with an unknown verdict";
    if (kind == MG_FILTER && verdict == MG_REPLACE)
        return "is a filter and rewrote an event";
    if (kind != MG_ENRICHER && (verdict == MG_PENDING || verdict == MG_RETRY))
        return "is not an enricher and asked to wait";
    if (verdict == MG_REPLACE && (count == 0 || count > MG_EMIT_MAX))
        return "replaced an event by none or by too many";
    return NULL;
}

static void retry_fired(void *arg)
{
    struct gw_passage *p = arg;
    p->route->gateway->host.timer_stop(p->retry);
    p->retry = NULL;
    gw_steps_run_shard(p);
}

static void retry_later(struct gw_passage *p, const char *name, const char *reason)
{
    const struct gw_delivery_settings *d = &p->route->config->delivery;
    if (d->max_attempts && ++p->step_attempts >= (uint64_t)d->max_attempts) {
        gw_passage_reject_shard(p, name, reason);
        return;
    }
    uint64_t first = (uint64_t)d->retry_first_ms, most = (uint64_t)d->retry_most_ms;
    uint64_t upper = p->retry_ms * 3 > first ? p->retry_ms * 3 : first;
    p->retry_ms =
        first + gw_random((uint32_t)(upper - first < UINT32_MAX ? upper - first + 1 : UINT32_MAX));
    if (p->retry_ms > most)
        p->retry_ms = most;
    p->retry = gw_core_timer_start(&p->route->gateway->host, p->shard, p->retry_ms, retry_fired, p);
    if (!p->retry)
        gw_passage_release_shard(p, name, "out of memory");
}

/* Moves the event in front of the step to the next list.  1: a lone event stays where it is. */
static int pass(struct gw_passage *p)
{
    if (p->event_count == 1)
        return 1;
    int error = push(p, p->events[p->position]);
    if (!error)
        p->events[p->position] = NULL;
    return error;
}

static int replace(struct gw_passage *p, mg_event *const *events, size_t count)
{
    if (p->next_count + count + (p->event_count - p->position - 1) > MG_EMIT_MAX)
        return -E2BIG;
    for (size_t i = 0; i < count; i++) {
        if (!events[i] || push(p, events[i])) {
            drop_events(events + i, count - i);
            return -ENOMEM;
        }
        if (!events[i]->id)
            events[i]->id = p->event_id;
    }
    return 0;
}

/* 1: go on with the next event, 2: the step leaves everything as it is, 0: stop here. */
static int apply(struct gw_passage *p, uint32_t verdict, mg_event *const *events, size_t count,
                 const char *reason)
{
    const struct gw_step *step = &p->route->steps[p->step];
    const char *name = step->config->name;
    const char *fault = misbehaves(step, verdict, count);
    const struct gw_trace *trace = p->route->gateway->trace;
    int error = 0;
    if (trace)
        trace->step(trace->arg, p, name, verdict, count, fault ? fault : reason);
    if (fault) {
        char text[200];
        snprintf(text, sizeof text, "module %s %s", step->config->module->name, fault);
        gw_instance_error(step->instance, gw_now_us(p->shard), fault);
        if (verdict == MG_REPLACE && events)
            drop_events(events, count);
        gw_passage_reject_shard(p, name, text);
        return 0;
    }
    switch (verdict) {
    case MG_PASS:
        error = pass(p);
        break;
    case MG_REPLACE:
        error = replace(p, events, count);
        break;
    case MG_DROP:
        break;
    case MG_RETRY:
        retry_later(p, name, reason);
        return 0;
    default:
        gw_passage_reject_shard(p, name, reason);
        return 0;
    }
    gw_instance_ok(step->instance);
    p->step_attempts = 0;
    p->retry_ms = 0;
    if (error == 1)
        return 2;
    if (error == -E2BIG)
        gw_passage_reject_shard(p, name, "more than 1024 events out of one");
    else if (error)
        gw_passage_release_shard(p, name, "out of memory");
    return !error;
}

static void next_step(struct gw_passage *p)
{
    p->position = 0;
    p->step++;
}

/* What the step has let through becomes the passage's events. */
static void step_over(struct gw_passage *p)
{
    if (!p->borrowed)
        for (size_t i = 0; i < p->event_count; i++)
            gw_event_unref((mg_event *)(uintptr_t)p->events[i]);
    if (p->events != p->only_event)
        free(p->events);
    p->borrowed = false;
    p->events = p->next_events;
    p->event_count = p->next_count;
    p->event_capacity = p->next_capacity;
    p->next_events = NULL;
    p->next_count = p->next_capacity = 0;
    next_step(p);
}

/* Calls the step for the event in front of it.  As apply. */
static int call(struct gw_passage *p)
{
    struct gw_step *step = &p->route->steps[p->step];
    struct mg_step_result result;
    struct mg_step_call call = {.event = p->events[p->position], .scope = &p->scope};
    bool may_wait = step->config->module->kind == MG_ENRICHER;
    result.err.text[0] = '\0'; /* no need to clear the rest of it for every event */
    if (gw_instance_ready_at_us(step->instance) &&
        !gw_instance_ready(step->instance, gw_now_us(p->shard))) {
        retry_later(p, step->config->name,
                    "the module failed too often and is left alone for a while");
        return 0;
    }
    if (!p->step && !p->part->first_open &&
        gw_step_open_shard(p->shard, p->route, 0, &result.err)) {
        gw_passage_release_shard(p, step->config->name, result.err.text);
        return 0;
    }
    if (may_wait) {
        /* While it is pending everything that it was shown must stay. */
        if (gw_passage_keep_shard(p) || gw_token_new_shard(p->shard, p, NULL, &p->pending)) {
            gw_passage_release_shard(p, step->config->name, "out of memory");
            return 0;
        }
        call.event = p->events[p->position];
        call.pending = p->pending;
    }
    result.events = NULL;
    result.count = 0;
    bool noted = p->route->stored;
    if (noted)
        gw_store_step(p->route->gateway->store, p->shard->index, p->poison_identity);
    void *context = p->part->step_contexts[p->step];
    struct gw_call outer = gw_call_begin(step->instance, "process");
    uint32_t verdict = step->ops->process(step->instance->self, context, &call, &result);
    gw_call_end(outer);
    if (noted)
        gw_store_step(p->route->gateway->store, p->shard->index, (const uint64_t[2]){0, 0});
    if (may_wait && verdict == MG_PENDING) {
        if (!p->in_step_queue)
            enter_queue(p);
        return 0;
    }
    if (may_wait) {
        gw_token_free_shard(p->shard, p->pending);
        p->pending = 0;
    }
    return apply(p, verdict, result.events, result.count,
                 result.err.text[0] ? result.err.text : NULL);
}

static void run(struct gw_passage *p)
{
    while (p->step < p->route->config->step_count) {
        int go_on = 1;
        while (p->position < p->event_count && go_on == 1) {
            go_on = call(p);
            if (go_on == 1)
                p->position++;
        }
        if (go_on == 0)
            return; /* ended, pending, or waiting to try again */
        if (go_on == 2) {
            next_step(p);
            continue;
        }
        const char *name = p->route->steps[p->step].config->name;
        step_over(p);
        if (p->event_count == 0) {
            gw_passage_end_shard(p, GW_DROPPED, MG_ACCEPTED, name, NULL);
            return;
        }
    }
    if (p->route->stored && p->route->config->step_count)
        gw_poison_forget(p->route->gateway, p->poison_identity);
    all_done(p);
}

void gw_steps_run_shard(struct gw_passage *p)
{
    gw_passage_hold_shard(p);
    run(p);
    if (!p->ended && p->stage == GW_STEPPING && !p->in_step_queue)
        enter_queue(p); /* it waits to try again */
    gw_passage_drop_shard(p);
}

void gw_steps_resumed_shard(struct gw_passage *p, uint32_t verdict, mg_event *const *events,
                            size_t count, const char *reason)
{
    gw_passage_hold_shard(p);
    if (verdict == MG_PENDING)
        verdict = MG_PENDING + 1; /* no verdict to end a pending one with */
    if (verdict != MG_REPLACE)
        drop_events(events, count);
    int go_on = apply(p, verdict, events, count, reason);
    if (go_on == 1)
        p->position++;
    else if (go_on == 2)
        next_step(p);
    if (go_on)
        run(p);
    gw_passage_drop_shard(p);
}
