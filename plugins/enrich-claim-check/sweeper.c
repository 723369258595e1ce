/* SPDX-License-Identifier: Apache-2.0 */
/* Has the folder swept, in the background and a part at a time. */
#include "claim.h"
#include <errno.h>
#include <stdlib.h>

enum { FIRST_MS = 1000, PAUSE_MS = 100, CLOCK_STEP_S = 60 };

/* It owns all that it uses, since it may outlive the instance. */
struct sweep_job {
    struct context *context; /* NULL: nobody waits for it any more */
    struct store *store;
    struct sweep sweep;
    int error;
    struct mg_err err;
};

static void job_free(struct sweep_job *j)
{
    store_unref(j->store);
    free(j);
}

static void sweep_part(void *arg)
{
    struct sweep_job *j = arg;
    j->error = folder_sweep(j->store, &j->sweep, &j->err);
}

static void again(struct context *c, int64_t after_ms);

static void note(struct context *c, const struct sweep_job *j)
{
    const struct claim *p = c->claim;
    bool failed = j->error && j->error != -EAGAIN;
    if (j->sweep.removed)
        p->host->count(p->instance, COUNT_REMOVED, (int64_t)j->sweep.removed);
    if (failed && !c->sweep_failing)
        p->host->log(p->instance, MG_WARN, "%s", j->err.text);
    c->sweep_failing = failed;
}

static void part_swept(void *arg)
{
    struct sweep_job *j = arg;
    struct context *c = j->context;
    if (!c) {
        job_free(j);
        return;
    }
    note(c, j);
    bool more = !j->error && !j->sweep.ended;
    if (!more)
        j->sweep = (struct sweep){0};
    again(c, more ? PAUSE_MS : c->claim->settings->sweep_ms);
}

static int64_t clock_gap_us(const struct context *c)
{
    const struct mg_host *host = c->claim->host;
    return host->wall_us(c->shard) - host->now_us(c->shard);
}

/* A clock that is set (a machine that had no time when it started) makes everything old at once.
 * So then nothing is removed until all that is on its way has had its time. */
static bool rests(struct context *c)
{
    const struct claim *p = c->claim;
    int64_t gap_us = clock_gap_us(c), now_us = p->host->now_us(c->shard);
    int64_t step_us = gap_us - c->clock_gap_us;
    int64_t step_s = (step_us + (step_us < 0 ? -500000 : 500000)) / 1000000;
    if (step_s > CLOCK_STEP_S || step_s < -CLOCK_STEP_S) {
        p->host->log(p->instance, MG_WARN,
                     "the clock was set by %lld s: nothing is removed for the time of keep",
                     (long long)step_s);
        c->clock_gap_us = gap_us;
        c->rest_until_us = now_us + p->settings->keep_ms * 1000;
    }
    return now_us < c->rest_until_us;
}

static void due(void *arg)
{
    struct context *c = arg;
    if (rests(c)) {
        c->sweep->sweep = (struct sweep){0};
        again(c, c->claim->settings->sweep_ms);
        return;
    }
    c->sweep->err.text[0] = '\0';
    c->sweep->context = c;
    if (c->claim->host->work(c->shard, sweep_part, part_swept, c->sweep))
        again(c, c->claim->settings->sweep_ms);
}

static void again(struct context *c, int64_t after_ms)
{
    c->sweep->context = NULL; /* no job is under way */
    c->claim->host->timer_again(c->sweep_timer, (uint64_t)after_ms, 0);
}

void sweeper_begin_shard(struct context *c)
{
    struct claim *p = c->claim;
    if (p->settings->mode != MODE_STORE || !p->store->folder || !p->settings->keep_ms ||
        atomic_exchange(&p->has_sweeper, true))
        return;
    c->sweep = calloc(1, sizeof *c->sweep);
    c->sweep_timer = c->sweep ? p->host->timer_start(c->shard, FIRST_MS, 0, due, c) : NULL;
    c->sweeps = c->sweep_timer;
    if (!c->sweeps) {
        free(c->sweep);
        c->sweep = NULL;
        p->host->log(p->instance, MG_ERROR, "out of memory: nothing old is removed");
        return;
    }
    c->sweep->store = store_ref(p->store);
    c->clock_gap_us = clock_gap_us(c);
}

void sweeper_end_shard(struct context *c)
{
    if (!c->sweeps)
        return;
    c->claim->host->timer_stop(c->sweep_timer);
    if (c->sweep->context)
        c->sweep->context = NULL; /* the job frees it */
    else
        job_free(c->sweep);
    c->sweep = NULL;
}
