/* SPDX-License-Identifier: Apache-2.0 */
/* The guard's thread looks at all watches a few times per limit, and sleeps where nothing runs. */
#include "jq_guard.h"
#include <stdlib.h>

enum { LOOKS_PER_LIMIT = 4, IDLE_LOOKS = 40 };

struct jq_guard {
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct jq_watch *watches;
    atomic_bool asleep;
    bool quit;
    int64_t limit_ns;
};

static int64_t now_ns(clockid_t clock)
{
    struct timespec now = {0};
    clock_gettime(clock, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The time begins when a look first sees the call, so that calls need not ask for it. */
static void look_at(struct jq_guard *g, struct jq_watch *w)
{
    int64_t used_ns = now_ns(w->clock);
    if (w->seen_call != w->calls) {
        w->seen_call = w->calls;
        w->seen_ns = used_ns;
    } else if (used_ns - w->seen_ns > g->limit_ns && !w->halted) {
        w->halted = true;
        jq_halt(w->jq, jv_invalid(), jv_invalid());
    }
}

/* The number of calls so far, and whether one is in progress. */
static uint64_t look(struct jq_guard *g, bool *ret_busy)
{
    uint64_t calls = 0;
    *ret_busy = false;
    for (struct jq_watch *w = g->watches; w; w = w->next) {
        pthread_mutex_lock(&w->lock);
        calls += w->calls;
        *ret_busy |= w->running;
        if (w->running)
            look_at(g, w);
        pthread_mutex_unlock(&w->lock);
    }
    return calls;
}

static void wait_for(struct jq_guard *g, int64_t ns)
{
    int64_t until = now_ns(CLOCK_MONOTONIC) + ns;
    struct timespec at = {until / 1000000000, until % 1000000000};
    pthread_cond_timedwait(&g->wake, &g->lock, &at);
}

static void *run(void *arg)
{
    struct jq_guard *g = arg;
    uint64_t last = 0;
    bool busy;
    pthread_mutex_lock(&g->lock);
    for (int idle = 0; !g->quit;) {
        uint64_t calls = look(g, &busy);
        idle = busy || calls != last ? 0 : idle + 1;
        last = calls;
        if (idle < IDLE_LOOKS) {
            wait_for(g, g->limit_ns / LOOKS_PER_LIMIT);
            continue;
        }
        /* A call that begins now sees asleep, or is seen. */
        atomic_store(&g->asleep, true);
        if (look(g, &busy) == last && !busy)
            pthread_cond_wait(&g->wake, &g->lock);
        atomic_store(&g->asleep, false);
        idle = 0;
    }
    pthread_mutex_unlock(&g->lock);
    return NULL;
}

struct jq_guard *jq_guard_create(int64_t limit_ms)
{
    struct jq_guard *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    pthread_condattr_t attributes;
    pthread_condattr_init(&attributes);
    pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
    pthread_cond_init(&g->wake, &attributes);
    pthread_condattr_destroy(&attributes);
    pthread_mutex_init(&g->lock, NULL);
    g->limit_ns = limit_ms * 1000000;
    if (!pthread_create(&g->thread, NULL, run, g))
        return g;
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g);
    return NULL;
}

void jq_guard_destroy(struct jq_guard *g)
{
    if (!g)
        return;
    pthread_mutex_lock(&g->lock);
    g->quit = true;
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
    pthread_join(g->thread, NULL);
    pthread_cond_destroy(&g->wake);
    pthread_mutex_destroy(&g->lock);
    free(g);
}

void jq_watch_init(struct jq_watch *w, struct jq_guard *guard, jq_state *jq)
{
    *w = (struct jq_watch){.guard = guard, .jq = jq};
    pthread_mutex_init(&w->lock, NULL);
    if (pthread_getcpuclockid(pthread_self(), &w->clock))
        w->clock = CLOCK_MONOTONIC;
    pthread_mutex_lock(&guard->lock);
    w->next = guard->watches;
    guard->watches = w;
    pthread_mutex_unlock(&guard->lock);
}

void jq_watch_fini(struct jq_watch *w)
{
    if (!w->guard)
        return;
    pthread_mutex_lock(&w->guard->lock);
    struct jq_watch **at = &w->guard->watches;
    while (*at != w)
        at = &(*at)->next;
    *at = w->next;
    pthread_mutex_unlock(&w->guard->lock);
    pthread_mutex_destroy(&w->lock);
}

void jq_watch_begin(struct jq_watch *w)
{
    struct jq_guard *g = w->guard;
    pthread_mutex_lock(&w->lock);
    w->running = true;
    w->halted = false;
    w->calls++;
    pthread_mutex_unlock(&w->lock);
    if (!atomic_load(&g->asleep))
        return;
    pthread_mutex_lock(&g->lock);
    pthread_cond_signal(&g->wake);
    pthread_mutex_unlock(&g->lock);
}

bool jq_watch_is_halted(struct jq_watch *w)
{
    return atomic_load_explicit(&w->halted, memory_order_relaxed);
}

bool jq_watch_end(struct jq_watch *w)
{
    pthread_mutex_lock(&w->lock);
    w->running = false;
    bool halted = w->halted;
    pthread_mutex_unlock(&w->lock);
    return halted;
}
