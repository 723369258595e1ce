/* SPDX-License-Identifier: Apache-2.0 */
/* dlq.retry, dlq.drop: dead letters by the many.  First all that are meant are counted, so that
 * those that die again meanwhile are left alone; then they are handed to the store, some at a
 * time. */
#include "admin/dead_filter.h"
#include "admin/flight.h"
#include "admin/kept.h"
#include "admin/operations.h"
#include "admin/text.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

enum { FLIGHTS_MAX = 64, TAKEN_WAIT_MS = 1 };

struct arguments {
    struct gw_dead_wanted wanted;
    bool all, dry_run;
    int64_t limit;
    double rate;
};
#define ROW(field, kind, text)                                                                     \
    {                                                                                              \
        .name = #field, .type = kind, .doc = text, .offset = offsetof(struct arguments, field)     \
    }
static const struct mg_option table[] = {
    GW_DEAD_WANTED_ROWS,
    ROW(all, MG_OPT_BOOL, "Every dead letter; needed where nothing else says which."),
    ROW(dry_run, MG_OPT_BOOL, "Only counts."),
    {.name = "limit",
     .type = MG_OPT_INT,
     .least = 0,
     .most = INT64_MAX,
     .doc = "No more than so many; 0: all.",
     .offset = offsetof(struct arguments, limit)},
    {.name = "rate",
     .type = MG_OPT_DOUBLE,
     .least = 0,
     .most = 1000000,
     .doc = "So many a second; 0: as fast as it goes.",
     .offset = offsetof(struct arguments, rate)},
    {0},
};

struct act {
    struct gw_dead_filter filter;
    struct gw_pace pace;
    uint64_t next, last; /* ids */
    uint64_t begun;      /* letters handed over, skipped or failed */
    bool counted, finished, stopped;
    int error;
    struct gw_kept kept; /* a step's letter that is to be handed in */
    struct gw_replay *replay;
    uint64_t kept_id;
    char kept_route[256];
};

static int begin(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct arguments *a = run->arguments;
    struct act *act = run->state;
    if (!a->all && gw_dead_filter_is_open(&a->wanted)) {
        snprintf(reterr->text, sizeof reterr->text,
                 "say which dead letters are meant, or all of them: all (--all)");
        return -EINVAL;
    }
    int error = gw_dead_filter_init(&act->filter, &a->wanted, reterr);
    act->pace.per_s = a->rate;
    act->next = act->filter.first;
    return error;
}

/* ---- counting ------------------------------------------------------------------------------- */

static bool count_visit(void *arg, const struct gw_dead *dead)
{
    struct gw_operation_run *run = arg;
    const struct arguments *a = run->arguments;
    struct act *act = run->state;
    act->next = dead->id + 1;
    if (gw_dead_filter_takes(&act->filter, dead)) {
        act->last = dead->id;
        run->counts.matched++;
    }
    act->counted =
        dead->id >= act->filter.last || (a->limit && run->counts.matched == (uint64_t)a->limit);
    act->stopped = act->counted || gw_operation_yields(run);
    return !act->stopped;
}

static int count(struct gw_operation_run *run)
{
    const struct arguments *a = run->arguments;
    struct act *act = run->state;
    int error = gw_store_dead_each(run->target->store, act->next, count_visit, run);
    if (error)
        return error;
    if (!act->stopped)
        act->counted = true;
    if (act->counted) {
        act->next = act->filter.first;
        act->finished = a->dry_run || !run->counts.matched;
    }
    return act->finished ? GW_OPERATION_DONE : GW_OPERATION_MORE;
}

static const struct mg_err
    needs_gateway = {"died in a step: it takes the running gateway to send it through again", NULL},
    not_configured = {"its route or sink is not configured any more", NULL}, unknown = {"", NULL};

/* ---- acting --------------------------------------------------------------------------------- */

/* A step's letter goes through the steps again as a new event, so the old one is only removed.
 * Handed in before it is taken: a crash in between leaves two of it rather than none. */
static int hand_in(struct gw_operation_run *run)
{
    struct act *act = run->state;
    struct mg_err err = {{0}, NULL};
    act->kept.record.flags |= GW_RECORD_RETRIED;
    int error = gw_gateway_replay_now(run->target->gateway, act->kept_route, &act->kept.record,
                                      &act->replay, &err);
    if (error == -EAGAIN) {
        run->wait_ms = TAKEN_WAIT_MS;
        return error;
    }
    gw_kept_clear(&act->kept);
    if (!error)
        return gw_flights_dead(run->flights, act->kept_id, GW_DEAD_TAKE, NULL, 0);
    run->counts.failed++;
    return gw_operation_emit_trouble(run, "failed", act->kept_id, error, &err);
}

/* A step's letter is only put aside here, for hand_in. */
static int act_on(struct gw_operation_run *run, const struct gw_dead *dead)
{
    struct act *act = run->state;
    if (run->operation == &gw_operation_dlq_drop)
        return gw_flights_dead(run->flights, dead->id, GW_DEAD_DROP, NULL, 0);
    if (dead->sink.len)
        return gw_flights_dead(run->flights, dead->id, GW_DEAD_RETRY, NULL, 0);
    if (!run->target->gateway) {
        run->counts.skipped++;
        return gw_operation_emit_trouble(run, "skipped", dead->id, -ENOTSUP, &needs_gateway);
    }
    act->kept_id = dead->id;
    snprintf(act->kept_route, sizeof act->kept_route, "%.*s", (int)dead->route.len, dead->route.at);
    return gw_kept_set(&act->kept, &dead->record);
}

/* act->error: -EAGAIN: wait run->wait_ms, or for a flight. */
static bool act_visit(void *arg, const struct gw_dead *dead)
{
    struct gw_operation_run *run = arg;
    struct act *act = run->state;
    act->stopped = true;
    if (dead->id > act->last) {
        act->finished = true;
        return false;
    }
    if (gw_dead_filter_takes(&act->filter, dead)) {
        if (gw_flights_count(run->flights) >= FLIGHTS_MAX ||
            !gw_pace_may(&act->pace, run->now_us, &run->wait_ms))
            act->error = -EAGAIN;
        else
            act->error = act_on(run, dead);
        if (act->error)
            return false;
        act->begun++;
    }
    act->next = dead->id + 1;
    act->finished = act->begun == run->counts.matched;
    act->stopped = act->finished || act->kept.bytes || gw_operation_yields(run);
    return !act->stopped;
}

static int take_landed(struct gw_operation_run *run)
{
    struct gw_landed landed;
    int error = 0;
    while (!error && gw_flights_take(run->flights, &landed)) {
        run->counts.done += !landed.result;
        run->counts.gone += landed.result == -ENOENT;
        if (!landed.result || landed.result == -ENOENT)
            continue;
        run->counts.failed++;
        error = gw_operation_emit_trouble(run, "failed", landed.id, landed.result,
                                          landed.result == -EINVAL ? &not_configured : &unknown);
    }
    return error;
}

static void end(struct gw_operation_run *run)
{
    struct act *act = run->state;
    gw_replay_leave(act->replay);
    gw_kept_fini(&act->kept);
}

static int step(struct gw_operation_run *run, struct mg_err *reterr)
{
    (void)reterr;
    struct act *act = run->state;
    act->stopped = false;
    act->error = 0;
    if (!act->counted)
        return count(run);
    int error = take_landed(run);
    if (!error && !act->kept.bytes && !act->finished) {
        error = gw_store_dead_each(run->target->store, act->next, act_visit, run);
        if (!act->stopped)
            act->finished = true; /* fewer than were counted: somebody else was at work */
    }
    if (!error && !act->error && act->kept.bytes)
        act->error = hand_in(run);
    if (error || (act->error && act->error != -EAGAIN))
        return error ? error : act->error;
    if (act->finished && !act->kept.bytes)
        return gw_flights_count(run->flights) ? GW_OPERATION_WAIT : GW_OPERATION_DONE;
    return act->error == -EAGAIN ? GW_OPERATION_WAIT : GW_OPERATION_MORE;
}

#define FLAGS (GW_OPERATION_STORE | GW_OPERATION_ACTS | GW_OPERATION_LISTS | GW_OPERATION_SOLE)
const struct gw_operation gw_operation_dlq_retry = {
    .name = "dlq.retry",
    .doc = "Sends dead letters again: a sink's to that sink, a step's through the route's steps.",
    .flags = FLAGS,
    .arguments = table,
    .arguments_size = sizeof(struct arguments),
    .state_size = sizeof(struct act),
    .begin = begin,
    .step = step,
    .end = end,
};
const struct gw_operation gw_operation_dlq_drop = {
    .name = "dlq.drop",
    .doc = "Removes dead letters; they count as discarded.",
    .flags = FLAGS,
    .arguments = table,
    .arguments_size = sizeof(struct arguments),
    .state_size = sizeof(struct act),
    .begin = begin,
    .step = step,
    .end = end,
};
