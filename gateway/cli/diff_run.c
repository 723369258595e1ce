/* SPDX-License-Identifier: Apache-2.0 */
/* Hands recorded events to a gateway that rehearses, each after the one before has settled, so that
 * what comes of it is known to be of that event. */
#include "cli/diff_run.h"
#include "cli/folder.h"
#include "event/template.h"
#include "store/dead.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Of events without a time: when the first comes, and the time between two. */
#define BEGIN_US (INT64_C(1767225600) * 1000000) /* 2026-01-01 */
enum { BETWEEN_US = 1000000, OUTCOMES_MOST = 10000000 };
#define SETTLE_US (INT64_C(600) * 1000000)

struct running {
    const struct gw_model *model;
    struct gw_rehearsal *rehearsal;
    struct gw_outcomes *outcomes;
    uint64_t next_dead;
    bool out_of_memory;
};

static void add(struct running *r, const struct gw_outcome *o)
{
    struct gw_outcomes *list = r->outcomes;
    size_t n = list->count;
    if (n < OUTCOMES_MOST && (n & (n - 1)) == 0) { /* doubles at powers of two */
        struct gw_outcome *grown = realloc(list->items, (n ? n * 2 : 1) * sizeof *grown);
        if (grown)
            list->items = grown;
        else
            r->out_of_memory = true;
    }
    r->out_of_memory |= n >= OUTCOMES_MOST;
    if (!r->out_of_memory) {
        list->items[list->count++] = *o;
        return;
    }
    gw_event_unref(o->event);
    free(o->address);
    free(o->step);
    free(o->reason);
}

static char *copy(struct mg_str text)
{
    return text.at ? strndup(text.at, text.len) : NULL;
}

static void saw_arrival(void *arg, uint32_t route, uint32_t sink, const struct mg_delivery *d,
                        bool lost)
{
    struct running *r = arg;
    const struct gw_route_config *config = &r->model->routes[route];
    struct gw_outcome o = {.kind = GW_OUTCOME_ARRIVED,
                           .route = config->name,
                           .bridge = r->model->bridges[config->sinks[sink].bridge].name,
                           .address = copy(d->address),
                           .event = gw_event_ref(d->event)};
    (void)lost;
    r->out_of_memory |= !o.address || !o.event;
    add(r, &o);
}

static void saw_end(void *arg, uint32_t route, enum gw_rehearsed_kind kind, struct mg_str address,
                    const char *step, const char *reason)
{
    static const enum gw_outcome_kind kinds[] = {
        [GW_REHEARSED_DROPPED] = GW_OUTCOME_DROPPED,
        [GW_REHEARSED_EXPIRED] = GW_OUTCOME_EXPIRED,
        [GW_REHEARSED_DISCARDED] = GW_OUTCOME_DISCARDED,
        [GW_REHEARSED_RETURNED] = GW_OUTCOME_RETURNED,
    };
    struct running *r = arg;
    (void)address;
    add(r, &(struct gw_outcome){.kind = kinds[kind],
                                .route = r->model->routes[route].name,
                                .step = step ? strdup(step) : NULL,
                                .reason = reason ? strdup(reason) : NULL});
}

static bool saw_dead(void *arg, const struct gw_dead *dead)
{
    struct running *r = arg;
    const char *route = NULL;
    for (size_t i = 0; i < r->model->route_count; i++)
        if (strlen(r->model->routes[i].name) == dead->route.len &&
            !memcmp(r->model->routes[i].name, dead->route.at, dead->route.len))
            route = r->model->routes[i].name;
    add(r, &(struct gw_outcome){.kind = GW_OUTCOME_DEAD,
                                .route = route,
                                .step = copy(dead->step),
                                .reason = copy(dead->reason)});
    r->next_dead = dead->id + 1;
    return !r->out_of_memory;
}

/* 0, -ENOENT: it has no bridge of that name. */
static int find_bridge(const struct gw_model *model, const char *name, uint32_t *ret)
{
    *ret = GW_REHEARSAL_ANY;
    for (uint32_t i = 0; name && i < model->bridge_count; i++)
        if (!strcmp(model->bridges[i].name, name))
            *ret = i;
    return name && *ret == GW_REHEARSAL_ANY ? -ENOENT : 0;
}

static int run_one(struct running *r, const struct gw_recorded *e, int64_t at_us,
                   struct mg_err *err)
{
    uint32_t bridge;
    struct mg_message message = gw_event_message(e->event);
    struct gw_store *store = gw_rehearsal_store(r->rehearsal);
    int taken = 0, error = 0;
    if (!find_bridge(r->model, e->bridge, &bridge))
        taken = gw_rehearsal_give(r->rehearsal, bridge, true, &message, at_us);
    if (taken == 0)
        add(r, &(struct gw_outcome){.kind = GW_OUTCOME_UNTAKEN});
    if (taken > 0)
        error = gw_rehearsal_run(r->rehearsal, at_us + SETTLE_US, err);
    if (error >= 0 && store)
        error = gw_store_dead_each(store, r->next_dead, saw_dead, r);
    return taken < 0 ? taken : error < 0 ? error : r->out_of_memory ? -ENOMEM : 0;
}

static int run_all(struct running *r, const struct gw_recorded_list *events, int64_t begin_us,
                   struct mg_err *err)
{
    int64_t last_us = -BETWEEN_US;
    for (size_t i = 0; i < events->count; i++) {
        const struct gw_recorded *e = &events->items[i];
        int64_t at_us = e->at_us ? e->at_us - begin_us : last_us + BETWEEN_US;
        int64_t now_us = gw_rehearsal_now_us(r->rehearsal);
        at_us = at_us > now_us ? at_us : now_us; /* time does not go back */
        last_us = at_us;
        r->outcomes->first[i] = r->outcomes->count;
        int error = run_one(r, e, at_us, err);
        if (error)
            return error;
    }
    r->outcomes->first[events->count] = r->outcomes->count;
    return 0;
}

int gw_diff_run(const struct gw_model *model, const struct gw_recorded_list *events,
                struct gw_outcomes *ret, struct mg_err *err)
{
    char folder[GW_FOLDER_BYTES];
    struct running r = {.model = model, .outcomes = ret};
    const struct gw_rehearsal_seen seen = {.arrived = saw_arrival, .ended = saw_end, .arg = &r};
    struct gw_rehearsal_settings settings = {
        .model = model, .route = GW_REHEARSAL_ANY, .folder = folder, .seen = &seen};
    bool timed = events->count && events->items[0].at_us > 0;
    settings.wall_us = timed ? events->items[0].at_us : BEGIN_US;
    *ret = (struct gw_outcomes){.first = calloc(events->count + 1, sizeof *ret->first)};
    int error = ret->first ? gw_folder_make(folder, err) : -ENOMEM;
    if (error)
        return error;
    error = gw_rehearsal_create(&settings, &r.rehearsal, err);
    if (!error)
        error = run_all(&r, events, settings.wall_us, err);
    gw_rehearsal_destroy(r.rehearsal);
    gw_folder_remove(folder);
    return error;
}

void gw_outcomes_fini(struct gw_outcomes *outcomes)
{
    for (size_t i = 0; i < outcomes->count; i++) {
        gw_event_unref(outcomes->items[i].event);
        free(outcomes->items[i].address);
        free(outcomes->items[i].step);
        free(outcomes->items[i].reason);
    }
    free(outcomes->items);
    free(outcomes->first);
    *outcomes = (struct gw_outcomes){0};
}
