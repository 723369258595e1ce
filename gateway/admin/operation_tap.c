/* SPDX-License-Identifier: Apache-2.0 */
/* tap: events as they pass, a line each, until there were enough or whoever asked hangs up. */
#include "admin/operations.h"
#include "flow/tap.h"
#include "store/record_json.h"
#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

/* The queue is looked into so often: shards do not wake anybody up for each event. */
enum { LOOK_MS = 20 };

struct arguments {
    const char *route, *bridge, *point;
    int64_t count, rate;
    double seconds;
};
#define ROW(field, kind, text)                                                                     \
    {                                                                                              \
        .name = #field, .type = kind, .doc = text, .offset = offsetof(struct arguments, field)     \
    }
static const struct mg_option table[] = {
    ROW(route, MG_OPT_TEXT, "Events of this route alone."),
    ROW(bridge, MG_OPT_TEXT, "Events of this bridge alone."),
    ROW(point, MG_OPT_TEXT, "in: as they come; out: as the sinks' bridges take them."),
    {.name = "count",
     .type = MG_OPT_INT,
     .least = 0,
     .most = INT64_MAX,
     .doc = "Ends after so many; 0: never.",
     .offset = offsetof(struct arguments, count)},
    {.name = "rate",
     .type = MG_OPT_INT,
     .least = 0,
     .most = 1000000000,
     .doc = "The most in a second, on each shard; what is above is counted alone; 0: any number.",
     .offset = offsetof(struct arguments, rate)},
    {.name = "seconds",
     .type = MG_OPT_DOUBLE,
     .least = 0,
     .most = 1000000000,
     .doc = "Ends after so many seconds; 0: never.",
     .offset = offsetof(struct arguments, seconds)},
    {0},
};

struct tapping {
    struct gw_tap *tap;
    struct gw_tapped *waiting; /* taken, and not yet emitted */
    struct gw_record_room room;
    int64_t until_us; /* 0: never */
};

static int begin(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct arguments *a = run->arguments;
    struct tapping *t = run->state;
    struct gw_tap_settings settings = {.route = a->route, .bridge = a->bridge};
    settings.rate = json_object_get(run->request, "rate") ? (uint64_t)a->rate : GW_TAP_RATE_DEFAULT;
    if (a->point && !strcmp(a->point, "out")) {
        settings.point = GW_TAP_OUT;
    } else if (a->point && strcmp(a->point, "in") != 0) {
        snprintf(reterr->text, sizeof reterr->text, "point is in or out, not \"%.40s\"", a->point);
        return -EINVAL;
    }
    return gw_tap_open(run->target->gateway, &settings, &t->tap, reterr);
}

static void end(struct gw_operation_run *run)
{
    struct tapping *t = run->state;
    gw_tap_close(t->tap);
    for (struct gw_tapped *e = t->waiting, *next; e; e = next) {
        next = e->next;
        gw_tapped_free(e);
    }
    gw_record_room_fini(&t->room);
}

static int emit(struct gw_operation_run *run, const struct gw_tapped *e, struct mg_err *reterr)
{
    struct tapping *t = run->state;
    struct gw_record record;
    int error = gw_record_decode(e->record, e->length, &t->room, &record, reterr);
    json_t *line = error ? NULL : gw_record_to_json(&record);
    if (!line)
        return error ? error : -ENOMEM;
    json_object_del(line, "legs"); /* it is on its way, not in the store */
    json_object_set_new(line, "bridge", json_string(e->bridge));
    if (e->route)
        json_object_set_new(line, "route", json_string(e->route));
    if (e->attempt > 1)
        json_object_set_new(line, "attempt", json_integer(e->attempt));
    run->counts.matched++;
    return gw_operation_emit(run, line);
}

static bool has_enough(const struct gw_operation_run *run)
{
    const struct arguments *a = run->arguments;
    return a->count && run->counts.matched >= (uint64_t)a->count;
}

static int emit_waiting(struct gw_operation_run *run, struct mg_err *reterr)
{
    struct tapping *t = run->state;
    int error = 0;
    while (t->waiting && !error && !has_enough(run) && !gw_operation_yields(run)) {
        struct gw_tapped *e = t->waiting;
        t->waiting = e->next;
        error = emit(run, e, reterr);
        gw_tapped_free(e);
    }
    return error;
}

static int step(struct gw_operation_run *run, struct mg_err *reterr)
{
    const struct arguments *a = run->arguments;
    struct tapping *t = run->state;
    if (a->seconds > 0 && !t->until_us)
        t->until_us = run->now_us + (int64_t)(a->seconds * 1e6);
    if (!t->waiting)
        t->waiting = gw_tap_take(t->tap);
    int error = emit_waiting(run, reterr);
    uint64_t missed = gw_tap_missed(t->tap);
    if (!error && missed)
        error = gw_operation_emit(run, json_pack("{s:I}", "missed", (json_int_t)missed));
    if (error)
        return error;
    if (has_enough(run) || (t->until_us && run->now_us >= t->until_us && !t->waiting))
        return GW_OPERATION_DONE;
    run->wait_ms = LOOK_MS;
    return t->waiting ? GW_OPERATION_MORE : GW_OPERATION_WAIT;
}

const struct gw_operation gw_operation_tap = {
    .name = "tap",
    .doc = "Shows events as they pass.",
    .flags = GW_OPERATION_GATEWAY | GW_OPERATION_LISTS,
    .arguments = table,
    .arguments_size = sizeof(struct arguments),
    .state_size = sizeof(struct tapping),
    .begin = begin,
    .step = step,
    .end = end,
};
