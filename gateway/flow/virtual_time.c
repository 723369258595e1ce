/* SPDX-License-Identifier: Apache-2.0 */
/* Timers in a list and a clock that is moved by hand; one gateway at a time, all on one thread. */
#include "flow/virtual_time.h"
#include "flow/internal.h"
#include <errno.h>
#include <stdlib.h>

/* Monotonic time begins here: zero stands for "never" in more than one place. */
enum { BEGIN_US = 1000000 };

struct mg_timer {
    struct mg_timer *next;
    mg_shard *shard;
    int64_t due_us; /* INT64_MAX: not armed */
    uint64_t every_ms, order;
    struct mg_instance *owner;
    void (*fired)(void *arg);
    void *arg;
};

struct job {
    void (*job)(void *arg);
    void (*done)(void *arg);
    void *arg;
};

static struct {
    bool on;
    int64_t now_us, wall_offset_us;
    uint64_t order, chance;
    struct mg_timer *timers;
    uint32_t jobs, watches;
    struct mg_host loop; /* the services of the loop */
} time_of;

void gw_virtual_time_begin(int64_t wall_us)
{
    time_of.on = true;
    time_of.now_us = BEGIN_US;
    time_of.wall_offset_us = wall_us - BEGIN_US;
    time_of.chance = 0x9e3779b97f4a7c15u;
    time_of.jobs = time_of.watches = 0;
}

void gw_virtual_time_end(void)
{
    gw_virtual_timers_close(NULL);
    time_of.on = false;
}

bool gw_virtual_time_is_on(void)
{
    return time_of.on;
}

/* ---- clocks and chance ---------------------------------------------------------------------- */

int64_t gw_virtual_now_us(void)
{
    return time_of.now_us;
}

int64_t gw_virtual_wall_us(void)
{
    return time_of.now_us + time_of.wall_offset_us;
}

void gw_virtual_time_move(int64_t now_us)
{
    if (now_us > time_of.now_us)
        time_of.now_us = now_us;
}

/* xorshift64*, as in host_loop.c */
uint32_t gw_virtual_random(uint32_t bound)
{
    uint64_t x = time_of.chance;
    x ^= x >> 12;
    x ^= x << 25;
    x ^= x >> 27;
    time_of.chance = x;
    return bound ? (uint32_t)((x * 0x2545f4914f6cdd1du >> 32) % bound) : 0;
}

static int64_t shard_now_us(mg_shard *shard)
{
    (void)shard;
    return time_of.now_us;
}

static int64_t shard_wall_us(mg_shard *shard)
{
    (void)shard;
    return gw_virtual_wall_us();
}

/* ---- timers --------------------------------------------------------------------------------- */

static void timer_again(mg_timer *timer, uint64_t after_ms, uint64_t every_ms)
{
    uint64_t most = (uint64_t)(INT64_MAX - 1 - time_of.now_us) / 1000;
    timer->due_us = time_of.now_us + (int64_t)(after_ms < most ? after_ms : most) * 1000;
    timer->every_ms = every_ms;
    timer->order = ++time_of.order;
}

static mg_timer *timer_start(mg_shard *shard, uint64_t after_ms, uint64_t every_ms,
                             void (*fired)(void *), void *arg)
{
    struct mg_timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    *t = (struct mg_timer){.next = time_of.timers, .shard = shard, .fired = fired, .arg = arg};
    t->owner = gw_call_owner();
    time_of.timers = t;
    timer_again(t, after_ms, every_ms);
    return t;
}

static void timer_stop(mg_timer *timer)
{
    struct mg_timer **at = &time_of.timers;
    if (!timer)
        return;
    while (*at != timer)
        at = &(*at)->next;
    *at = timer->next;
    free(timer);
}

void gw_virtual_timers_close(const mg_shard *shard)
{
    for (struct mg_timer *t = time_of.timers, *next; t; t = next) {
        next = t->next;
        if (!shard || t->shard == shard)
            timer_stop(t);
    }
}

/* Of two that are due at one time the one that was armed first. */
static struct mg_timer *first_timer(void)
{
    struct mg_timer *first = NULL;
    for (struct mg_timer *t = time_of.timers; t; t = t->next)
        if (t->due_us != INT64_MAX && (!first || t->due_us < first->due_us ||
                                       (t->due_us == first->due_us && t->order < first->order)))
            first = t;
    return first;
}

int64_t gw_virtual_time_next(void)
{
    const struct mg_timer *t = first_timer();
    return t ? t->due_us : INT64_MAX;
}

void gw_virtual_time_skip(int64_t until_us)
{
    for (struct mg_timer *t = time_of.timers; t; t = t->next) {
        int64_t every_us = (int64_t)t->every_ms * 1000;
        if (!t->owner && every_us && t->due_us < until_us)
            t->due_us += (until_us - t->due_us) / every_us * every_us;
    }
}

bool gw_virtual_time_fire(void)
{
    struct mg_timer *t = first_timer();
    if (!t || t->due_us > time_of.now_us)
        return false;
    t->due_us = INT64_MAX;
    if (t->every_ms)
        timer_again(t, t->every_ms, t->every_ms);
    gw_shard_forget_time(t->shard);
    struct gw_call outer = gw_call_begin(t->owner, "fired");
    t->fired(t->arg);
    gw_call_end(outer);
    return true;
}

/* ---- what goes on outside ------------------------------------------------------------------- */

static void run_job(void *arg)
{
    struct job *j = arg;
    j->job(j->arg);
}

static void job_done(void *arg)
{
    struct job *j = arg;
    time_of.jobs--;
    j->done(j->arg);
    free(j);
}

static int work(mg_shard *shard, void (*job)(void *), void (*done)(void *), void *arg)
{
    struct job *j = malloc(sizeof *j);
    if (!j)
        return -ENOMEM;
    *j = (struct job){job, done, arg};
    int error = time_of.loop.work(shard, run_job, job_done, j);
    if (error)
        free(j);
    else
        time_of.jobs++;
    return error;
}

static mg_io *io_watch(mg_shard *shard, int fd, uint32_t events, void (*ready)(void *, uint32_t),
                       void *arg)
{
    mg_io *io = time_of.loop.io_watch(shard, fd, events, ready, arg);
    time_of.watches += io != NULL;
    return io;
}

static void io_stop(mg_io *io)
{
    time_of.watches -= io != NULL;
    time_of.loop.io_stop(io);
}

static mg_wake *wake_new(mg_shard *shard, void (*woken)(void *), void *arg)
{
    mg_wake *w = time_of.loop.wake_new(shard, woken, arg);
    time_of.watches += w != NULL;
    return w;
}

static void wake_free(mg_wake *w)
{
    time_of.watches -= w != NULL;
    time_of.loop.wake_free(w);
}

uint32_t gw_virtual_jobs(void)
{
    return time_of.jobs;
}

bool gw_virtual_is_watching(void)
{
    return time_of.watches;
}

void gw_virtual_host_fill(struct mg_host *host)
{
    time_of.loop = *host;
    host->timer_start = timer_start;
    host->timer_again = timer_again;
    host->timer_stop = timer_stop;
    host->now_us = shard_now_us;
    host->wall_us = shard_wall_us;
    host->random = gw_virtual_random;
    host->work = work;
    host->io_watch = io_watch;
    host->io_stop = io_stop;
    host->wake_new = wake_new;
    host->wake_free = wake_free;
}
