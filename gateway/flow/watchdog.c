/* SPDX-License-Identifier: Apache-2.0 */
/* Watches for callbacks that hold their shard up.  Shards only note whose code they are in
 * (plugin/call.h); the clock is read in here, a few times in the time that a callback may take. */
#include "flow/internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

enum { LOOKS = 4, SHORTEST_LOOK_MS = 5, LONGEST_LOOK_MS = 250 };

/* What was seen of a shard. */
struct seen {
    uint64_t calls;
    int64_t since_ms;
    int64_t report_ms; /* the length that is reported next; it doubles */
    mg_instance *blamed;
    const char *operation;
};

struct gw_watchdog {
    struct gw_gateway *gateway;
    int64_t limit_ms;
    pthread_t thread;
    pthread_mutex_t lock; /* protects ending */
    pthread_cond_t end;
    bool ending;
    struct seen seen[]; /* of each shard */
};

static void say(const struct seen *seen, uint32_t shard, const char *message, int64_t ms)
{
    char index[16], length[24];
    snprintf(index, sizeof index, "%" PRIu32, shard);
    snprintf(length, sizeof length, "%" PRId64, ms);
    const struct mg_module *m = seen->blamed->module;
    gw_log(MG_WARN, message, "instance", seen->blamed->name, "module", m->name, "version",
           m->version, "operation", seen->operation, "shard", index, "ms", length, NULL);
}

static void look(struct gw_watchdog *w, uint32_t shard, int64_t now_ms)
{
    struct seen *seen = &w->seen[shard];
    struct gw_call_place *place = atomic_load(&w->gateway->shards[shard].place);
    if (!place)
        return;
    uint64_t calls = atomic_load_explicit(&place->calls, memory_order_relaxed);
    mg_instance *instance = atomic_load_explicit(&place->instance, memory_order_relaxed);
    int64_t ms = now_ms - seen->since_ms;
    if (!instance || calls != seen->calls) {
        if (seen->blamed)
            say(seen, shard, "the callback that held its shard up has returned", ms);
        *seen = (struct seen){.calls = calls, .since_ms = now_ms, .report_ms = w->limit_ms};
    } else if (ms >= seen->report_ms) {
        if (!seen->blamed)
            atomic_fetch_add_explicit(&instance->slow, 1, memory_order_relaxed);
        seen->blamed = instance;
        seen->operation = atomic_load_explicit(&place->operation, memory_order_relaxed);
        seen->report_ms = 2 * ms;
        say(seen, shard, "a callback holds its shard up", ms);
    }
}

static void *run(void *arg)
{
    struct gw_watchdog *w = arg;
    int64_t every_ms = w->limit_ms / LOOKS;
    every_ms = every_ms < SHORTEST_LOOK_MS  ? SHORTEST_LOOK_MS
               : every_ms > LONGEST_LOOK_MS ? LONGEST_LOOK_MS
                                            : every_ms;
    pthread_mutex_lock(&w->lock);
    while (!w->ending) {
        struct timespec until;
        clock_gettime(CLOCK_MONOTONIC, &until);
        int64_t ns = until.tv_nsec + every_ms * 1000000;
        until.tv_sec += (time_t)(ns / 1000000000);
        until.tv_nsec = (long)(ns % 1000000000);
        pthread_cond_timedwait(&w->end, &w->lock, &until);
        int64_t now_ms = gw_now_us(NULL) / 1000;
        for (uint32_t i = 0; i < w->gateway->shard_count && !w->ending; i++)
            look(w, i, now_ms);
    }
    pthread_mutex_unlock(&w->lock);
    return NULL;
}

static void destroy(struct gw_watchdog *w)
{
    pthread_cond_destroy(&w->end);
    pthread_mutex_destroy(&w->lock);
    free(w);
}

int gw_watchdog_start(struct gw_gateway *g)
{
    int64_t limit_ms = g->model->gateway.slow_callback_ms;
    if (!limit_ms)
        return 0;
    struct gw_watchdog *w = calloc(1, sizeof *w + g->shard_count * sizeof w->seen[0]);
    pthread_condattr_t monotonic;
    if (!w)
        return -ENOMEM;
    w->gateway = g;
    w->limit_ms = limit_ms;
    pthread_mutex_init(&w->lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&w->end, &monotonic);
    pthread_condattr_destroy(&monotonic);
    int error = gw_thread_create(&w->thread, "mg-watch", run, w);
    if (error) {
        destroy(w);
        return error;
    }
    g->watchdog = w;
    return 0;
}

void gw_watchdog_stop(struct gw_gateway *g)
{
    struct gw_watchdog *w = g->watchdog;
    if (!w)
        return;
    g->watchdog = NULL;
    pthread_mutex_lock(&w->lock);
    w->ending = true;
    pthread_cond_signal(&w->end);
    pthread_mutex_unlock(&w->lock);
    pthread_join(w->thread, NULL);
    destroy(w);
}
