/* SPDX-License-Identifier: Apache-2.0 */
/* The shard's thread, its inbox and calls into it. */
#include "flow/shard.h"
#include "flow/internal.h"
#include <assert.h>
#include <errno.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

static _Thread_local struct mg_shard *self;

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

void gw_shard_queue(struct mg_shard *shard, struct gw_task *task)
{
    task->next = NULL;
    pthread_mutex_lock(&shard->inbox_lock);
    bool first = !shard->inbox_first;
    *shard->inbox_last = task;
    shard->inbox_last = &task->next;
    pthread_mutex_unlock(&shard->inbox_lock);
    if (first)
        uv_async_send(&shard->inbox_wake);
}

void gw_shard_post(struct mg_shard *shard, struct gw_task *task)
{
    if (shard == self)
        task->run(shard, task);
    else
        gw_shard_queue(shard, task);
}

/* ---- calls ---------------------------------------------------------------------------------- */

enum { WAITING, TAKEN, ABANDONED };

struct call {
    struct gw_task task;
    void (*fn)(struct mg_shard *, void *arg);
    void *arg;
    sem_t done;
    atomic_int state; /* whoever moves it away from WAITING decides */
};

static void run_call(struct mg_shard *shard, struct gw_task *task)
{
    struct call *call = (struct call *)task;
    int expected = WAITING;
    if (!atomic_compare_exchange_strong(&call->state, &expected, TAKEN)) {
        sem_destroy(&call->done);
        free(call);
        return;
    }
    call->fn(shard, call->arg);
    sem_post(&call->done);
}

int gw_shard_call(struct mg_shard *shard, void (*fn)(struct mg_shard *, void *arg), void *arg, uint64_t timeout_ms)
{
    if (shard == self || !shard->running) {
        fn(shard, arg);
        return 0;
    }
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return -ENOMEM;
    call->task.run = run_call;
    call->fn = fn;
    call->arg = arg;
    sem_init(&call->done, 0, 0);
    gw_shard_queue(shard, &call->task);

    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += (time_t)(timeout_ms / 1000);
    until.tv_nsec += (long)(timeout_ms % 1000) * 1000000;
    if (until.tv_nsec >= 1000000000) {
        until.tv_nsec -= 1000000000;
        until.tv_sec++;
    }
    int error;
    while ((error = sem_clockwait(&call->done, CLOCK_MONOTONIC, &until)) && errno == EINTR)
        continue;
    if (error) {
        int expected = WAITING;
        if (atomic_compare_exchange_strong(&call->state, &expected, ABANDONED))
            return -ETIMEDOUT; /* the shard frees it */
        while (sem_wait(&call->done) && errno == EINTR)
            continue;
    }
    sem_destroy(&call->done);
    free(call);
    return 0;
}

/* ---- the loop ------------------------------------------------------------------------------- */

static void run_again(uv_idle_t *idle)
{
    (void)idle; /* its being active is its purpose: the poll does not block */
}

static void turn_end(struct mg_shard *shard)
{
    if (gw_turn_end_shard(shard))
        uv_idle_start(&shard->again, run_again);
    else
        uv_idle_stop(&shard->again);
}

static void before_poll(uv_prepare_t *prepare)
{
    turn_end(prepare->data);
}

static void after_poll(uv_check_t *check)
{
    turn_end(check->data);
}

int gw_shard_init(struct mg_shard *shard, uint32_t index, struct gw_gateway *gateway)
{
    *shard = (struct mg_shard){.index = index, .gateway = gateway, .free_slot = UINT32_MAX};
    int error = uv_loop_init(&shard->loop);
    if (error)
        return error;
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
    shard->inbox_wake.data = shard->before_poll.data = shard->after_poll.data = shard->again.data = shard;
    uv_prepare_start(&shard->before_poll, before_poll);
    uv_check_start(&shard->after_poll, after_poll);
    return 0;
}

static void *run_shard(void *arg)
{
    self = arg;
    uv_run(&self->loop, UV_RUN_DEFAULT);
    return NULL;
}

int gw_shard_run(struct mg_shard *shard)
{
    sigset_t all, before;
    if (self == shard)
        return 0; /* adopted: the caller runs the loop itself */
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the control thread's */
    shard->running = true;
    int error = pthread_create(&shard->thread, NULL, run_shard, shard);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (error)
        shard->running = false;
    else
        pthread_setname_np(shard->thread, "mg-shard");
    return -error;
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
    free(shard->slots);
    shard->slots = NULL;
}
