/* SPDX-License-Identifier: Apache-2.0 */
/* Host services on the shard's loop: descriptors, timers, wake-ups, jobs, clocks.  Every wrapper
 * has its libuv handle first, so that one close callback frees them all. */
#include "flow/internal.h"
#include "flow/virtual_time.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <time.h>

struct mg_io {
    uv_poll_t poll;
    int wanted; /* UV_READABLE, UV_WRITABLE */
    void (*ready)(void *arg, uint32_t events);
    void *arg;
    struct mg_instance *owner; /* who asked for it; here and below */
};

struct mg_timer {
    uv_timer_t timer;
    void (*fired)(void *arg);
    void *arg;
    struct mg_instance *owner;
};

struct mg_wake {
    uv_async_t async;
    void (*woken)(void *arg);
    void *arg;
    struct mg_instance *owner;
};

struct job {
    uv_work_t work;
    void (*job)(void *arg);
    void (*done)(void *arg);
    void *arg;
    struct mg_instance *owner;
};

static void free_handle(uv_handle_t *handle)
{
    free(handle);
}

static void close_handle(uv_handle_t *handle, void *arg)
{
    struct mg_shard *shard = arg;
    if (!uv_is_closing(handle))
        uv_close(handle, handle->data == shard ? NULL : free_handle);
}

/* Also ends what a module left open; nothing of the module may run any more. */
void gw_shard_close_handles(struct mg_shard *shard)
{
    gw_virtual_timers_close(shard);
    uv_walk(&shard->loop, close_handle, shard);
}

/* ---- descriptors ---------------------------------------------------------------------------- */

/* libuv ends the watch of a descriptor that is in error.  What the peer had sent before is still to
 * be read, and the error comes behind it: so the watch goes on for as long as the module wants it.
 */
static void io_ready(uv_poll_t *poll, int status, int events)
{
    struct mg_io *io = (struct mg_io *)poll;
    uint32_t ready =
        (events & UV_READABLE ? MG_IO_READ : 0u) | (events & UV_WRITABLE ? MG_IO_WRITE : 0u);
    if (status < 0) /* the module's next read or write tells it what is wrong */
        ready = MG_IO_READ | MG_IO_WRITE;
    struct gw_call outer = gw_call_begin(io->owner, "ready");
    io->ready(io->arg, ready);
    gw_call_end(outer);
    if (status < 0 && io->wanted && !uv_is_closing((uv_handle_t *)poll))
        uv_poll_start(poll, io->wanted, io_ready);
}

static int io_events(mg_io *io, uint32_t events)
{
    io->wanted = (events & MG_IO_READ ? UV_READABLE : 0) | (events & MG_IO_WRITE ? UV_WRITABLE : 0);
    return io->wanted ? uv_poll_start(&io->poll, io->wanted, io_ready) : uv_poll_stop(&io->poll);
}

static void io_stop(mg_io *io)
{
    if (!io)
        return;
    uv_poll_stop(&io->poll);
    uv_close((uv_handle_t *)&io->poll, free_handle);
}

static mg_io *io_watch(mg_shard *shard, int fd, uint32_t events, void (*ready)(void *, uint32_t),
                       void *arg)
{
    assert(gw_shard_self() == shard);
    struct mg_io *io = calloc(1, sizeof *io);
    if (!io || uv_poll_init(&shard->loop, &io->poll, fd)) {
        free(io);
        return NULL;
    }
    io->poll.data = io;
    io->ready = ready;
    io->arg = arg;
    io->owner = gw_call_owner();
    if (io_events(io, events)) {
        io_stop(io);
        return NULL;
    }
    return io;
}

/* ---- timers --------------------------------------------------------------------------------- */

static void timer_fired(uv_timer_t *timer)
{
    struct mg_timer *t = (struct mg_timer *)timer;
    /* Who has waited for a time finds that it has come: one that asks again with a delay of 0 would
     * otherwise be called for ever in this same turn. */
    gw_shard_forget_time(timer->loop->data);
    struct gw_call outer = gw_call_begin(t->owner, "fired");
    t->fired(t->arg);
    gw_call_end(outer);
}

static void timer_again(mg_timer *timer, uint64_t after_ms, uint64_t every_ms)
{
    uv_update_time(timer->timer.loop); /* a long callback before must not shorten the delay */
    uv_timer_start(&timer->timer, timer_fired, after_ms, every_ms);
}

static mg_timer *timer_start(mg_shard *shard, uint64_t after_ms, uint64_t every_ms,
                             void (*fired)(void *), void *arg)
{
    assert(gw_shard_self() == shard);
    struct mg_timer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    uv_timer_init(&shard->loop, &t->timer);
    t->timer.data = t;
    t->fired = fired;
    t->arg = arg;
    t->owner = gw_call_owner();
    timer_again(t, after_ms, every_ms);
    return t;
}

static void timer_stop(mg_timer *timer)
{
    if (!timer)
        return;
    uv_timer_stop(&timer->timer);
    uv_close((uv_handle_t *)&timer->timer, free_handle);
}

/* ---- wake-ups and jobs ---------------------------------------------------------------------- */

static void woken(uv_async_t *async)
{
    struct mg_wake *w = (struct mg_wake *)async;
    struct gw_call outer = gw_call_begin(w->owner, "woken");
    w->woken(w->arg);
    gw_call_end(outer);
}

static mg_wake *wake_new(mg_shard *shard, void (*fn)(void *), void *arg)
{
    assert(gw_shard_self() == shard);
    struct mg_wake *w = calloc(1, sizeof *w);
    if (!w || uv_async_init(&shard->loop, &w->async, woken)) {
        free(w);
        return NULL;
    }
    w->async.data = w;
    w->woken = fn;
    w->arg = arg;
    w->owner = gw_call_owner();
    return w;
}

static void wake(mg_wake *w)
{
    uv_async_send(&w->async);
}

static void wake_free(mg_wake *w)
{
    if (w)
        uv_close((uv_handle_t *)&w->async, free_handle);
}

static void run_job(uv_work_t *work)
{
    struct job *j = (struct job *)work;
    struct gw_call outer = gw_call_begin(j->owner, "job");
    j->job(j->arg);
    gw_call_end(outer);
}

static void job_done(uv_work_t *work, int status)
{
    (void)status; /* jobs are never cancelled */
    struct job *j = (struct job *)work;
    struct gw_call outer = gw_call_begin(j->owner, "done");
    j->done(j->arg);
    gw_call_end(outer);
    free(j);
}

static int work(mg_shard *shard, void (*job)(void *), void (*done)(void *), void *arg)
{
    assert(gw_shard_self() == shard);
    struct job *j = calloc(1, sizeof *j);
    if (!j)
        return -ENOMEM;
    *j = (struct job){.job = job, .done = done, .arg = arg, .owner = gw_call_owner()};
    int error = uv_queue_work(&shard->loop, &j->work, run_job, job_done);
    if (error)
        free(j);
    return error;
}

/* ---- clocks and chance ---------------------------------------------------------------------- */

static int64_t clock_us(clockid_t id)
{
    struct timespec t;
    if (gw_virtual_time_is_on())
        return id == CLOCK_REALTIME ? gw_virtual_wall_us() : gw_virtual_now_us();
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

/* One reading serves the whole turn: at some hundred nanoseconds for an event, a look at the clock
 * is no small part of it. */
static int64_t of_this_turn(int64_t *known, clockid_t id)
{
    if (!*known)
        *known = clock_us(id);
    return *known;
}

int64_t gw_now_us(mg_shard *shard)
{
    return shard && shard == gw_shard_self() ? of_this_turn(&shard->now_us, CLOCK_MONOTONIC)
                                             : clock_us(CLOCK_MONOTONIC);
}

int64_t gw_wall_us(mg_shard *shard)
{
    return shard && shard == gw_shard_self() ? of_this_turn(&shard->wall_us, CLOCK_REALTIME)
                                             : clock_us(CLOCK_REALTIME);
}

/* xorshift64*, seeded per thread: jitter only. */
uint32_t gw_random(uint32_t bound)
{
    static _Thread_local uint64_t state;
    if (gw_virtual_time_is_on())
        return gw_virtual_random(bound);
    if (!state)
        state = ((uint64_t)clock_us(CLOCK_REALTIME) << 20 ^ (uint64_t)(uintptr_t)&state) | 1;
    state ^= state >> 12;
    state ^= state << 25;
    state ^= state >> 27;
    return bound ? (uint32_t)((state * 0x2545f4914f6cdd1du >> 32) % bound) : 0;
}

void gw_shard_host_fill(struct mg_host *host)
{
    host->io_watch = io_watch;
    host->io_events = io_events;
    host->io_stop = io_stop;
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
    if (gw_virtual_time_is_on())
        gw_virtual_host_fill(host);
}
