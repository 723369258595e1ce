/* SPDX-License-Identifier: Apache-2.0 */
/* Runs one test: a fresh gateway, the events and faults that it names, and what came of them. */
#include "cli/trial.h"
#include "cli/folder.h"
#include "store/dead.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { HOUR_MS = 3600000, ENDS_MOST = 1000000 };

/* ---- what is seen --------------------------------------------------------------------------- */

/* Doubles at powers of two. */
static bool grow(void **list, size_t count, size_t size)
{
    if (count & (count - 1))
        return true;
    void *grown = realloc(*list, (count ? count * 2 : 1) * size);
    if (grown)
        *list = grown;
    return grown;
}

static char *copy(struct mg_str text)
{
    return text.at ? strndup(text.at, text.len) : NULL;
}

static void saw_arrival(void *arg, uint32_t route, uint32_t sink, const struct mg_delivery *d,
                        bool lost)
{
    struct gw_trial *t = arg;
    (void)route;
    if (t->arrival_count >= ENDS_MOST ||
        !grow((void **)&t->arrivals, t->arrival_count, sizeof *t->arrivals)) {
        t->out_of_memory = true;
        return;
    }
    struct gw_trial_arrival a = {.sink = sink,
                                 .at_us = gw_rehearsal_now_us(t->rehearsal),
                                 .event = gw_event_ref(d->event),
                                 .address = copy(d->address),
                                 .lost = lost};
    if (!a.event || !a.address) {
        t->out_of_memory = true;
        gw_event_unref(a.event);
        free(a.address);
        return;
    }
    t->arrivals[t->arrival_count++] = a;
    t->coverage->sinks[sink]++;
}

static void saw_step(void *arg, uint32_t route, uint32_t step, uint32_t verdict, size_t count,
                     const char *reason)
{
    struct gw_trial *t = arg;
    (void)route, (void)count, (void)reason;
    if (verdict < GW_TRIAL_VERDICTS)
        t->coverage->steps[step][verdict]++;
}

static void add_end(struct gw_trial *t, const struct gw_trial_end *end)
{
    if (t->end_count >= ENDS_MOST || !grow((void **)&t->ends, t->end_count, sizeof *t->ends)) {
        t->out_of_memory = true;
        return;
    }
    t->ends[t->end_count++] = *end;
}

static void saw_end(void *arg, uint32_t route, enum gw_rehearsed_kind kind, struct mg_str address,
                    const char *step, const char *reason)
{
    static const enum gw_trial_end_kind kinds[] = {
        [GW_REHEARSED_DROPPED] = GW_TRIAL_DROPPED,
        [GW_REHEARSED_EXPIRED] = GW_TRIAL_EXPIRED,
        [GW_REHEARSED_DISCARDED] = GW_TRIAL_DISCARDED,
        [GW_REHEARSED_RETURNED] = GW_TRIAL_RETURNED,
    };
    (void)route;
    add_end(arg, &(struct gw_trial_end){.kind = kinds[kind],
                                        .address = copy(address),
                                        .step = step ? strdup(step) : NULL,
                                        .reason = reason ? strdup(reason) : NULL});
}

static bool saw_dead(void *arg, const struct gw_dead *dead)
{
    struct gw_trial *t = arg;
    struct mg_str origin = dead->record.origin;
    add_end(t, &(struct gw_trial_end){
                   .kind = GW_TRIAL_DEAD,
                   .address = copy(origin.at ? origin : dead->record.message.head.address),
                   .step = copy(dead->step),
                   .sink = copy(dead->sink),
                   .reason = copy(dead->reason),
                   .attempts = dead->attempts,
               });
    return !t->out_of_memory;
}

/* A stored route ends events at its sinks, where nobody asks which; the ledger has their number. */
static void add_counted(struct gw_trial *t, enum gw_trial_end_kind kind, uint64_t count)
{
    for (size_t i = 0; i < t->end_count && count; i++)
        count -= t->ends[i].kind == kind;
    for (; count && !t->out_of_memory; count--)
        add_end(t, &(struct gw_trial_end){.kind = kind});
}

/* ---- the run -------------------------------------------------------------------------------- */

static int give_one(struct gw_trial *t, const struct gw_test_given *g, int64_t at_ms)
{
    struct mg_message message = g->message;
    if (g->expires_ms) {
        message.head.present |= MG_HAS_EXPIRY;
        message.head.expires_us = t->test->wall_us + (at_ms + g->expires_ms) * 1000;
    }
    int taken = gw_rehearsal_give(t->rehearsal, g->bridge, false, &message, at_ms * 1000);
    t->given++;
    t->unmatched += taken == 0;
    return taken < 0 ? taken : 0;
}

/* Everything is planned before the clock moves.  ret_last_ms: when the last of it is over. */
static int plan(struct gw_trial *t, int64_t *ret_last_ms)
{
    const struct gw_test_config *test = t->test;
    int error = 0;
    *ret_last_ms = 0;
    for (size_t i = 0; i < test->fault_count && !error; i++) {
        const struct gw_test_fault *f = &test->faults[i];
        struct gw_fault fault = {.kind = f->kind,
                                 .sink = f->sink,
                                 .at_us = f->at_ms * 1000,
                                 .for_us = f->for_ms * 1000,
                                 .times = (uint64_t)f->times,
                                 .reason = f->reason};
        error = gw_rehearsal_fault(t->rehearsal, &fault);
        if (f->at_ms + f->for_ms > *ret_last_ms)
            *ret_last_ms = f->at_ms + f->for_ms;
    }
    for (size_t i = 0; i < test->given_count; i++) {
        const struct gw_test_given *g = &test->given[i];
        int64_t at_ms = g->at_ms;
        for (int64_t k = 0; k < g->times && !error; k++, at_ms += g->every_ms) {
            error = give_one(t, g, at_ms);
            if (at_ms > *ret_last_ms)
                *ret_last_ms = at_ms;
        }
    }
    return error;
}

_Static_assert((int)GW_TEST_DOWN == (int)GW_FAULT_DOWN &&
                   (int)GW_TEST_RESTART == (int)GW_FAULT_RESTART &&
                   (int)GW_TEST_ANY == (int)GW_REHEARSAL_ANY,
               "what a test says is what a rehearsal does");

static int rehearse(struct gw_trial *t, struct mg_err *err)
{
    int64_t last_ms;
    uint32_t route = (uint32_t)(t->route - t->model->routes);
    int error = plan(t, &last_ms);
    if (!error) {
        int64_t run_ms = t->test->run_for_ms ? t->test->run_for_ms : last_ms + HOUR_MS;
        error = gw_rehearsal_run(t->rehearsal, run_ms * 1000, err);
    }
    if (error < 0)
        return error;
    gw_rehearsal_ledger(t->rehearsal, route, &t->ledger);
    const struct gw_store_ledger *l = &t->ledger.ledger;
    add_counted(t, GW_TRIAL_EXPIRED, l->ended[GW_TERM_EXPIRED]);
    add_counted(t, GW_TRIAL_DISCARDED, l->ended[GW_TERM_DISCARDED]);
    struct gw_store *store = gw_rehearsal_store(t->rehearsal);
    return store ? gw_store_dead_each(store, 0, saw_dead, t) : 0;
}

/* ---- the whole ------------------------------------------------------------------------------ */

bool gw_trial_problem(struct gw_trial *t)
{
    t->problem_count++;
    if (t->problem_count <= GW_TRIAL_PROBLEMS_MOST)
        fputs("    ", t->out);
    return t->problem_count <= GW_TRIAL_PROBLEMS_MOST;
}

static int compare(struct gw_trial *t)
{
    t->out = open_memstream(&t->problems, &t->problems_length);
    if (!t->out)
        return -ENOMEM;
    gw_trial_check_arrivals(t);
    gw_trial_check_ends(t);
    if (t->problem_count > GW_TRIAL_PROBLEMS_MOST)
        fprintf(t->out, "    and %zu more\n", t->problem_count - GW_TRIAL_PROBLEMS_MOST);
    bool failed = fclose(t->out);
    t->out = NULL;
    return failed || t->out_of_memory ? -ENOMEM : 0;
}

static uint64_t now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000;
}

int gw_trial_run(struct gw_trial *t, struct mg_err *reterr)
{
    char folder[GW_FOLDER_BYTES];
    uint64_t begin_us = now_us();
    const struct gw_rehearsal_seen seen = {saw_arrival, saw_step, saw_end, t};
    struct gw_rehearsal_settings settings = {.model = t->model,
                                             .route = (uint32_t)(t->route - t->model->routes),
                                             .folder = folder,
                                             .wall_us = t->test->wall_us,
                                             .seen = &seen};
    int error = gw_folder_make(folder, reterr);
    if (error)
        return error;
    error = gw_rehearsal_create(&settings, &t->rehearsal, reterr);
    if (!error)
        error = rehearse(t, reterr);
    gw_rehearsal_destroy(t->rehearsal);
    t->rehearsal = NULL;
    gw_folder_remove(folder);
    if (!error)
        error = compare(t);
    t->took_us = now_us() - begin_us;
    if (error && !reterr->text[0])
        snprintf(reterr->text, sizeof reterr->text, "%s", strerror(-error));
    return error;
}

void gw_trial_fini(struct gw_trial *t)
{
    for (size_t i = 0; i < t->arrival_count; i++) {
        gw_event_unref(t->arrivals[i].event);
        free(t->arrivals[i].address);
    }
    for (size_t i = 0; i < t->end_count; i++) {
        free(t->ends[i].address);
        free(t->ends[i].step);
        free(t->ends[i].sink);
        free(t->ends[i].reason);
    }
    free(t->arrivals);
    free(t->ends);
    free(t->problems);
}
