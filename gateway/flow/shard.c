/* SPDX-License-Identifier: Apache-2.0 */
/* The shard's thread, its inbox and calls into it. */
#include "flow/shard.h"
#include "flow/internal.h"
#include "plugin/crash.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

/* Most tasks that wait for the end of a turn: another shard should not idle for long. */
enum { OUTBOX_MOST = 64 };
/* Most arrivals and passages, each, that a shard keeps for later events: the default window. */
enum { POOLED_MOST = 1024 };

static _Thread_local struct mg_shard *self;
static _Thread_local bool gathers; /* gw_shards_gather */

struct mg_shard *gw_shard_self(void)
{
    return self;
}

void gw_shard_adopt(struct mg_shard *shard)
{
    self = shard;
}

/* ---- inbox ---------------------------------------------------------------------------------- */

static void drain_inbox(uv_async_t *async)
{
    struct mg_shard *shard = async->data;
    pthread_mutex_lock(&shard->inbox_lock);
    struct gw_task *task = shard->inbox_first;
    shard->inbox_first = NULL;
    shard->inbox_last = &shard->inbox_first;
    pthread_mutex_unlock(&shard->inbox_lock);
    while (task) {
        struct gw_task *next = task->next; /* running it may free it */
        task->run(shard, task);
        task = next;
    }
}

static void append_inbox(struct mg_shard *shard, struct gw_task *first, struct gw_task **last)
{
    pthread_mutex_lock(&shard->inbox_lock);
    bool was_empty = !shard->inbox_first;
    *shard->inbox_last = first;
    shard->inbox_last = last;
    pthread_mutex_unlock(&shard->inbox_lock);
    if (was_empty)
        uv_async_send(&shard->inbox_wake);
}

static void empty_outbox(struct mg_shard *to, struct gw_outbox *box)
{
    if (box->count)
        append_inbox(to, box->first, box->last);
    box->last = &box->first;
    box->count = 0;
}

static void empty_outboxes(struct mg_shard *shard)
{
    if (!shard->outboxes_used)
        return;
    shard->outboxes_used = false;
    for (uint32_t i = 0; i < shard->outbox_count; i++)
        empty_outbox(&shard->gateway->shards[i], &shard->outboxes[i]);
}

void gw_shards_gather(struct gw_gateway *gateway, bool begins)
{
    gathers = begins;
    for (uint32_t i = 0; !begins && i < gateway->shard_count; i++)
        empty_outbox(&gateway->shards[i], &gateway->shards[i].gathered);
}

void gw_shard_queue(struct mg_shard *shard, struct gw_task *task)
{
    task->next = NULL;
    if (!gathers && (!self || self == shard)) {
        append_inbox(shard, task, &task->next);
        return;
    }
    struct gw_outbox *box = gathers ? &shard->gathered : &self->outboxes[shard->index];
    *box->last = task;
    box->last = &task->next;
    if (!gathers)
        self->outboxes_used = true;
    if (++box->count == OUTBOX_MOST)
        empty_outbox(shard, box);
}

void gw_shard_post(struct mg_shard *shard, struct gw_task *task)
{
    if (shard == self)
        task->run(shard, task);
    else
        gw_shard_queue(shard, task);
}

/* ---- calls ---------------------------------------------------------------------------------- */

enum call_state { WAITING, TAKEN, DONE, ABANDONED };

struct call {
    struct gw_task task;
    void (*fn)(struct mg_shard *, void *arg);
    void *arg;
    pthread_mutex_t lock; /* protects state */
    pthread_cond_t moved;
    enum call_state state; /* who abandons it leaves it to the other side to free */
};

static void free_call(struct call *call)
{
    pthread_cond_destroy(&call->moved);
    pthread_mutex_destroy(&call->lock);
    free(call);
}

static enum call_state move_call(struct call *call, enum call_state from, enum call_state to)
{
    pthread_mutex_lock(&call->lock);
    enum call_state was = call->state;
    if (was == from)
        call->state = to;
    pthread_cond_signal(&call->moved);
    pthread_mutex_unlock(&call->lock);
    return was;
}

static void run_call(struct mg_shard *shard, struct gw_task *task)
{
    struct call *call = (struct call *)task;
    if (move_call(call, WAITING, TAKEN) == ABANDONED) {
        free_call(call);
        return;
    }
    call->fn(shard, call->arg);
    empty_outboxes(shard); /* the caller may count on what fn queued: it is on its way */
    move_call(call, TAKEN, DONE);
}

static struct timespec after_ms(uint64_t ms)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    t.tv_sec += (time_t)(ms / 1000);
    t.tv_nsec += (long)(ms % 1000) * 1000000;
    if (t.tv_nsec >= 1000000000) {
        t.tv_nsec -= 1000000000;
        t.tv_sec++;
    }
    return t;
}

static struct call *new_call(void (*fn)(struct mg_shard *, void *arg), void *arg)
{
    struct call *call = calloc(1, sizeof *call);
    pthread_condattr_t monotonic;
    if (!call)
        return NULL;
    call->task.run = run_call;
    call->fn = fn;
    call->arg = arg;
    pthread_mutex_init(&call->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&call->moved, &monotonic);
    pthread_condattr_destroy(&monotonic);
    return call;
}

int gw_shard_call(struct mg_shard *shard, void (*fn)(struct mg_shard *, void *arg), void *arg,
                  uint64_t timeout_ms)
{
    if (shard == self &&
        !shard->running) { /* adopted: as in its thread, what is there goes first */
        drain_inbox(&shard->inbox_wake);
        fn(shard, arg);
        empty_outboxes(shard);
        return 0;
    }
    if (shard == self || !shard->running) {
        fn(shard, arg);
        return 0;
    }
    struct call *call = new_call(fn, arg);
    if (!call)
        return -ENOMEM;
    const struct timespec until = after_ms(timeout_ms);
    gw_shard_queue(shard, &call->task);

    pthread_mutex_lock(&call->lock);
    int error = 0;
    while (call->state != DONE && !(error && call->state == WAITING)) {
        /* Once taken it is waited for, however long: fn has the caller's stack in its hands. */
        error = call->state == WAITING ? pthread_cond_timedwait(&call->moved, &call->lock, &until)
                                       : pthread_cond_wait(&call->moved, &call->lock);
    }
    bool done = call->state == DONE;
    if (!done)
        call->state = ABANDONED;
    pthread_mutex_unlock(&call->lock);
    if (!done)
        return -ETIMEDOUT;
    free_call(call);
    return 0;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void run_again(uv_idle_t *idle)
{
    (void)idle; /* its being active is its purpose: the poll does not block */
}

void gw_shard_forget_time(struct mg_shard *shard)
{
    shard->now_us = shard->wall_us = 0;
}

/* Runs in front of the poll and behind it, so that what comes out of timers and what comes out of
 * sockets is one turn each. */
static void turn_end(struct mg_shard *shard)
{
    if (gw_turn_end_shard(shard))
        uv_idle_start(&shard->again, run_again);
    else
        uv_idle_stop(&shard->again);
    gw_store_turn_shard(shard);
    empty_outboxes(shard);
    gw_shard_forget_time(shard);
}

static void before_poll(uv_prepare_t *prepare)
{
    turn_end(prepare->data);
}

static void after_poll(uv_check_t *check)
{
    turn_end(check->data);
}

static int init_loop(struct mg_shard *shard)
{
    int error = uv_loop_init(&shard->loop);
    if (error)
        return error;
    shard->loop.data = shard;
    pthread_mutex_init(&shard->inbox_lock, NULL);
    shard->inbox_last = &shard->inbox_first;
    error = uv_async_init(&shard->loop, &shard->inbox_wake, drain_inbox);
    if (error) {
        uv_loop_close(&shard->loop);
        return error;
    }
    uv_prepare_init(&shard->loop, &shard->before_poll);
    uv_check_init(&shard->loop, &shard->after_poll);
    uv_idle_init(&shard->loop, &shard->again);
    shard->inbox_wake.data = shard->before_poll.data = shard->after_poll.data = shard->again.data =
        shard;
    uv_prepare_start(&shard->before_poll, before_poll);
    uv_check_start(&shard->after_poll, after_poll);
    return 0;
}

int gw_shard_init(struct mg_shard *shard, uint32_t index, struct gw_gateway *gateway)
{
    *shard = (struct mg_shard){.index = index, .gateway = gateway, .free_slot = UINT32_MAX};
    gw_pool_init(&shard->arrivals, sizeof(struct gw_arrival), POOLED_MOST);
    gw_pool_init(&shard->passages, sizeof(struct gw_passage), POOLED_MOST);
    shard->gathered.last = &shard->gathered.first;
    shard->outbox_count = (uint32_t)gateway->model->gateway.shards;
    shard->outboxes = calloc(shard->outbox_count, sizeof *shard->outboxes);
    if (!shard->outboxes)
        return -ENOMEM;
    for (uint32_t i = 0; i < shard->outbox_count; i++)
        shard->outboxes[i].last = &shard->outboxes[i].first;
    int error = init_loop(shard);
    if (error)
        free(shard->outboxes);
    return error;
}

static void *run_shard(void *arg)
{
    self = arg;
    atomic_store(&self->place, &gw_call_here);
    void *stack = gw_crash_stack_begin();
    uv_run(&self->loop, UV_RUN_DEFAULT);
    gw_crash_stack_end(stack);
    return NULL;
}

int gw_thread_create(pthread_t *ret_thread, const char *name, void *(*run)(void *arg), void *arg)
{
    sigset_t all, before;
    sigfillset(&all);
    gw_crash_unblock(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int error = pthread_create(ret_thread, NULL, run, arg);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (!error)
        pthread_setname_np(*ret_thread, name);
    return -error;
}

int gw_shard_run(struct mg_shard *shard)
{
    if (self == shard)
        return 0; /* adopted: the caller runs the loop itself */
    shard->running = true;
    int error = gw_thread_create(&shard->thread, "mg-shard", run_shard, shard);
    if (error)
        shard->running = false;
    return error;
}

static void stop_loop(struct mg_shard *shard, struct gw_task *task)
{
    (void)task;
    uv_stop(&shard->loop);
}

void gw_shard_stop(struct mg_shard *shard)
{
    if (!shard->running)
        return;
    struct gw_task stop = {.run = stop_loop};
    gw_shard_queue(shard, &stop);
    pthread_join(shard->thread, NULL);
    shard->running = false;
}

void gw_shard_fini(struct mg_shard *shard)
{
    gw_shard_close_handles(shard);
    uv_run(&shard->loop, UV_RUN_DEFAULT);
    drain_inbox(&shard->inbox_wake);
    uv_loop_close(&shard->loop);
    pthread_mutex_destroy(&shard->inbox_lock);
    gw_pool_fini(&shard->arrivals);
    gw_pool_fini(&shard->passages);
    free(shard->outboxes);
    free(shard->slots);
    shard->slots = NULL;
}
