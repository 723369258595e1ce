/* SPDX-License-Identifier: Apache-2.0 */
/* replay: what a route's archive has of some time, once more.  First all that are meant are
 * counted, up to the end of the archive as it is now; then they are handed in, as fast as the route
 * takes them or slower. */
#include "admin/kept.h"
#include "admin/operations.h"
#include "admin/text.h"
#include "base/arena.h"
#include "route/pattern.h"
#include "store/browse.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

enum { FULL_WAIT_MS = 20, TAKEN_WAIT_MS = 1, BURST = 256 };

struct arguments {
    const char *route, *from, *to, *address;
    bool as_of_now, dry_run;
    int64_t limit;
    double rate;
};
#define ROW(field, kind, flag, text)                                                               \
    {                                                                                              \
        .name = #field, .type = kind, .flags = flag, .doc = text,                                  \
        .offset = offsetof(struct arguments, field)                                                \
    }
static const struct mg_option table[] = {
    ROW(route, MG_OPT_TEXT, MG_OPT_REQUIRED, "The route's name."),
    ROW(from, MG_OPT_TEXT, MG_OPT_REQUIRED, "Arrived then or later: RFC 3339, or \"2h\" ago."),
    ROW(to, MG_OPT_TEXT, 0, "Arrived then or before; without: until now."),
    ROW(address, MG_OPT_TEXT, 0, "Came in with an address that matches: plant/+/m1, plant/#."),
    ROW(as_of_now, MG_OPT_BOOL, 0, "Through the route's steps as they are now, as a new event."),
    ROW(dry_run, MG_OPT_BOOL, 0, "Only counts."),
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
     .doc = "So many a second; 0: as fast as the route takes them.",
     .offset = offsetof(struct arguments, rate)},
    {0},
};

struct replay {
    struct gw_arena *arena;
    struct gw_pattern *pattern; /* NULL: every address */
    struct gw_pace pace;
    int64_t from_us, to_us;
    uint64_t after; /* sequence of the last record that was dealt with */
    uint64_t last;  /* the last that is meant */
    uint32_t burst;
    bool counted, finished, stopped;
    int error;
    struct mg_err err;
    struct gw_kept kept; /* as of now: the record that is to be handed in */
    struct gw_replay *replay;
};

static int begin(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct arguments *a = run->arguments;
    struct replay *r = run->state;
    r->to_us = gw_clock_us();
    r->pace.per_s = a->rate;
    int error = gw_read_time("from", a->from, &r->from_us, reterr);
    if (!error && a->to)
        error = gw_read_time("to", a->to, &r->to_us, reterr);
    if (!error && r->from_us > r->to_us) {
        snprintf(reterr->text, sizeof reterr->text, "from is later than to");
        error = -EINVAL;
    }
    if (error || !a->address)
        return error;
    r->arena = gw_arena_create();
    return r->arena ? gw_pattern_compile(r->arena, a->address, &r->pattern, reterr) : -ENOMEM;
}

static void end(struct gw_operation_run *run)
{
    struct replay *r = run->state;
    gw_arena_destroy(r->arena);
    gw_replay_leave(r->replay);
    gw_kept_fini(&r->kept);
}

/* As of now: the core says so in a property. */
static bool was_replayed(const struct gw_record *record)
{
    static const char name[] = "meshgate-replayed";
    const struct mg_message *m = &record->message;
    if (record->flags & GW_RECORD_REPLAYED)
        return true;
    for (size_t i = 0; i < m->property_count; i++)
        if (m->properties[i].name.len == strlen(name) &&
            !memcmp(m->properties[i].name.at, name, strlen(name)))
            return true;
    return false;
}

/* What was replayed before is in the archive twice: only the first is meant.  Through the steps as
 * they are now goes what came in, else what they made of it then. */
static bool is_meant(const struct gw_operation_run *run, const struct gw_record *record)
{
    const struct replay *r = run->state;
    const struct arguments *a = run->arguments;
    struct mg_str values[GW_CAPTURES_MAX];
    if (record->flags & (a->as_of_now ? GW_RECORD_STEPPED : GW_RECORD_ORIGINAL))
        return false;
    if (record->arrived_us < r->from_us || record->arrived_us > r->to_us || was_replayed(record))
        return false;
    return !r->pattern || gw_pattern_match(r->pattern, record->origin, values);
}

static int each(struct gw_operation_run *run, bool (*visit)(void *, const struct gw_record *),
                struct mg_err *reterr)
{
    const struct arguments *a = run->arguments;
    struct replay *r = run->state;
    int error = gw_store_archive_after(run->target->store, a->route, r->after, visit, run);
    if (error == -ENOENT)
        snprintf(reterr->text, sizeof reterr->text,
                 "route \"%.64s\" has no archive; routes.NAME.delivery.archive makes one",
                 a->route);
    return error;
}

static bool count_visit(void *arg, const struct gw_record *record)
{
    struct gw_operation_run *run = arg;
    const struct arguments *a = run->arguments;
    struct replay *r = run->state;
    r->after = record->sequence;
    if (is_meant(run, record)) {
        r->last = record->sequence;
        run->counts.matched++;
    }
    r->counted = a->limit && run->counts.matched == (uint64_t)a->limit;
    r->stopped = r->counted || gw_operation_yields(run);
    return !r->stopped;
}

static int count(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct arguments *a = run->arguments;
    struct replay *r = run->state;
    int error = each(run, count_visit, reterr);
    if (error)
        return error;
    if (!r->stopped)
        r->counted = true;
    if (r->counted) {
        r->after = 0;
        r->finished = a->dry_run || !run->counts.matched;
    }
    return r->finished ? GW_OPERATION_DONE : GW_OPERATION_MORE;
}

static int hand_in(struct gw_operation_run *run, const struct gw_record *record)
{
    const struct arguments *a = run->arguments;
    struct replay *r = run->state;
    struct gw_record again = *record;
    again.flags |= GW_RECORD_REPLAYED;
    struct gw_gateway *g = run->target->gateway;
    int error = a->as_of_now ? gw_gateway_replay_now(g, a->route, &again, &r->replay, &r->err)
                             : gw_gateway_replay(g, a->route, &again, &r->err);
    if (error == -EAGAIN)
        run->wait_ms = a->as_of_now ? TAKEN_WAIT_MS : FULL_WAIT_MS;
    run->counts.done += !error;
    return error;
}

/* One that the route does not want any more does not keep the others. */
static int hand_in_kept(struct gw_operation_run *run)
{
    struct replay *r = run->state;
    int error = hand_in(run, &r->kept.record);
    if (error == -EAGAIN)
        return error;
    if (error == -EINVAL || error == -ENOENT) {
        run->counts.failed++;
        error = gw_operation_emit_trouble(run, "failed", r->after, error, &r->err);
        r->err.text[0] = '\0';
    }
    gw_kept_clear(&r->kept);
    return error;
}

static bool replay_visit(void *arg, const struct gw_record *record)
{
    struct gw_operation_run *run = arg;
    const struct arguments *a = run->arguments;
    struct replay *r = run->state;
    r->stopped = true;
    if (record->sequence > r->last) {
        r->finished = true;
        return false;
    }
    if (is_meant(run, record)) {
        if (!gw_pace_may(&r->pace, run->now_us, &run->wait_ms)) {
            r->error = -EAGAIN;
            return false;
        }
        r->error = a->as_of_now ? gw_kept_set(&r->kept, record) : hand_in(run, record);
        if (r->error)
            return false;
        r->burst++;
    }
    r->after = record->sequence;
    r->finished = r->after == r->last;
    r->stopped = r->finished || r->kept.bytes || r->burst == BURST || gw_operation_yields(run);
    return !r->stopped;
}

static int step(struct gw_operation_run *run, struct mg_err *reterr)
{
    struct replay *r = run->state;
    r->stopped = false;
    r->error = 0;
    r->burst = 0;
    if (!r->counted)
        return count(run, reterr);
    if (!r->kept.bytes && !r->finished) {
        int error = each(run, replay_visit, reterr);
        if (error)
            return error;
        /* What is left has grown too old for the archive meanwhile. */
        r->finished = r->finished || !r->stopped;
    }
    if (!r->error && r->kept.bytes)
        r->error = hand_in_kept(run);
    if (r->error && r->error != -EAGAIN) {
        *reterr = r->err;
        return r->error;
    }
    if (r->finished && !r->kept.bytes) {
        run->counts.gone = run->counts.matched - run->counts.done - run->counts.failed;
        return GW_OPERATION_DONE;
    }
    return r->error ? GW_OPERATION_WAIT : GW_OPERATION_MORE;
}

const struct gw_operation gw_operation_replay = {
    .name = "replay",
    .doc = "Sends again what a route's archive has of some time.",
    .flags = GW_OPERATION_GATEWAY | GW_OPERATION_STORE | GW_OPERATION_ACTS | GW_OPERATION_LISTS,
    .arguments = table,
    .arguments_size = sizeof(struct arguments),
    .state_size = sizeof(struct replay),
    .begin = begin,
    .step = step,
    .end = end,
};
