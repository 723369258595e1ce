/* SPDX-License-Identifier: Apache-2.0 */
/* In place of flow/host_loop.c: the same services with virtual time.  Timers fire when the world
 * gets to them, jobs run when the world likes, and who sleeps lets the world go on. */
#include "sim.h"
#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct mg_timer {
    struct mg_timer *next;
    mg_shard *shard;
    int64_t due_us; /* INT64_MAX: not armed */
    uint64_t every_ms, order;
    void (*fired)(void *arg);
    void *arg;
};

struct mg_wake {
    mg_shard *shard;
    struct gw_task task;
    void (*woken)(void *arg);
    void *arg;
    bool posted, freed;
};

struct job {
    struct job *next;
    mg_shard *shard;
    void (*job)(void *arg);
    void (*done)(void *arg);
    void *arg;
    bool ran;
};

static struct mg_timer *timers;
static struct job *jobs;
static uint64_t timer_order;

/* ---- timers --------------------------------------------------------------------------------- */

static void timer_again(mg_timer *timer, uint64_t after_ms, uint64_t every_ms)
{
    timer->due_us = sim.now_us + (int64_t)after_ms * 1000;
    timer->every_ms = every_ms;
    timer->order = ++timer_order;
}

static mg_timer *timer_start(mg_shard *shard, uint64_t after_ms, uint64_t every_ms,
                             void (*fired)(void *), void *arg)
{
    struct mg_timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->shard = shard;
    t->fired = fired;
    t->arg = arg;
    t->next = timers;
    timers = t;
    timer_again(t, after_ms, every_ms);
    return t;
}

static void timer_stop(mg_timer *timer)
{
    struct mg_timer **at = &timers;
    if (!timer)
        return;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    free(timer);
}

static struct mg_timer *next_timer(void)
{
    struct mg_timer *first = NULL;
    for (struct mg_timer *t = timers; t; t = t->next)
        if (t->due_us != INT64_MAX && (!first || t->due_us < first->due_us ||
                                       (t->due_us == first->due_us && t->order < first->order)))
            first = t;
    return first;
}

bool sim_timer_next(int64_t *ret_due_us)
{
    struct mg_timer *t = next_timer();
    if (t)
        *ret_due_us = t->due_us;
    return t;
}

void sim_timer_fire(void)
{
    struct mg_timer *t = next_timer();
    if (!t)
        return;
    t->due_us = INT64_MAX;
    if (t->every_ms)
        timer_again(t, t->every_ms, t->every_ms);
    gw_shard_forget_time(t->shard);
    sim_on_shard(t->shard, t->fired, t->arg);
}

/* ---- wake-ups and jobs ---------------------------------------------------------------------- */

static void run_wake(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct mg_wake *w = (struct mg_wake *)(void *)((char *)task - offsetof(struct mg_wake, task));
    w->posted = false;
    if (w->freed)
        free(w);
    else
        w->woken(w->arg);
}

static mg_wake *wake_new(mg_shard *shard, void (*woken)(void *), void *arg)
{
    struct mg_wake *w = calloc(1, sizeof *w);
    if (!w)
        return NULL;
    *w = (struct mg_wake){.shard = shard, .task.run = run_wake, .woken = woken, .arg = arg};
    return w;
}

static void wake(mg_wake *w)
{
    if (w->posted)
        return;
    w->posted = true;
    gw_shard_queue(w->shard, &w->task);
}

static void wake_free(mg_wake *w)
{
    if (!w)
        return;
    if (w->posted)
        w->freed = true;
    else
        free(w);
}

static int work(mg_shard *shard, void (*job)(void *), void (*done)(void *), void *arg)
{
    struct job *j = malloc(sizeof *j), **last = &jobs;
    if (!j)
        return -ENOMEM;
    *j = (struct job){.shard = shard, .job = job, .done = done, .arg = arg};
    while (*last)
        last = &(*last)->next;
    *last = j;
    return 0;
}

bool sim_job_waits(void)
{
    return jobs;
}

void sim_job_run(void)
{
    uint32_t count = 0;
    for (struct job *j = jobs; j; j = j->next)
        count++;
    uint32_t which = sim_below(&sim.chance, count);
    struct job **at = &jobs;
    while (which--)
        at = &(*at)->next;
    struct job *j = *at;
    if (!j->ran) {
        mg_shard *was = gw_shard_self();
        gw_shard_adopt(NULL); /* the thread pool's */
        j->job(j->arg);
        gw_shard_adopt(was);
        j->ran = true;
        return;
    }
    *at = j->next;
    sim_on_shard(j->shard, j->done, j->arg);
    free(j);
}

void sim_jobs_finish(void)
{
    while (jobs)
        sim_job_run();
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

void gw_shard_close_handles(struct mg_shard *shard)
{
    for (struct mg_timer *t = timers, *next; t; t = next) {
        next = t->next;
        if (t->shard == shard)
            timer_stop(t);
    }
    uv_walk(&shard->loop, close_handle, shard);
}

/* ---- clocks and chance ---------------------------------------------------------------------- */

int64_t gw_now_us(mg_shard *shard)
{
    (void)shard;
    return sim.now_us;
}

int64_t gw_wall_us(mg_shard *shard)
{
    (void)shard;
    return sim.now_us + sim.wall_offset_us;
}

uint32_t gw_random(uint32_t bound)
{
    return sim_below(&sim.jitter, bound);
}

int __wrap_clock_gettime(clockid_t id, struct timespec *ret);
int __wrap_nanosleep(const struct timespec *time, struct timespec *rest);

int __wrap_clock_gettime(clockid_t id, struct timespec *ret)
{
    int64_t us =
        id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE ? gw_wall_us(NULL) : gw_now_us(NULL);
    *ret = (struct timespec){.tv_sec = us / 1000000, .tv_nsec = us % 1000000 * 1000};
    return 0;
}

int __wrap_nanosleep(const struct timespec *time, struct timespec *rest)
{
    (void)rest;
    sim_run_until(sim.now_us + (int64_t)time->tv_sec * 1000000 + time->tv_nsec / 1000);
    return 0;
}

void gw_shard_host_fill(struct mg_host *host)
{
    /* No descriptors: the simulated peers are no sockets. */
    host->timer_start = timer_start;
    host->timer_again = timer_again;
    host->timer_stop = timer_stop;
    host->wake_new = wake_new;
    host->wake = wake;
    host->wake_free = wake_free;
    host->work = work;
    host->now_us = gw_now_us;
    host->wall_us = gw_wall_us;
    host->random = gw_random;
}
