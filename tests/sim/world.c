/* SPDX-License-Identifier: Apache-2.0 */
/* The world: its events in the order of virtual time, and who of all that could go on goes on. */
#include "sim.h"
#include <stdlib.h>
#include <string.h>

struct sim sim;

/* ---- chance --------------------------------------------------------------------------------- */

/* splitmix64 */
static uint64_t draw(struct sim_random *r)
{
    uint64_t z = r->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

/* Seeds that are neighbours share nothing. */
struct sim_random sim_random_of(uint64_t seed, uint64_t purpose)
{
    struct sim_random r = {seed * 0xd1342543de82ef95u ^ purpose * 0xaf251af3b0f025b5u};
    r.state = draw(&r) ^ draw(&r) << 1;
    return r;
}

uint32_t sim_below(struct sim_random *random, uint32_t bound)
{
    return bound ? (uint32_t)((draw(random) >> 32) % bound) : 0;
}

bool sim_chance(struct sim_random *random, uint32_t percent)
{
    return sim_below(random, 100) < percent;
}

int64_t sim_between(struct sim_random *random, int64_t low, int64_t high)
{
    return low + (int64_t)(draw(random) % (uint64_t)(high - low + 1));
}

/* ---- events: a heap ------------------------------------------------------------------------- */

struct event {
    int64_t due_us;
    uint64_t order;
    void (*run)(void *arg, uint64_t number);
    void *arg;
    uint64_t number;
};

static struct event *heap;
static size_t count, capacity;
static uint64_t planned;

static bool before(const struct event *a, const struct event *b)
{
    return a->due_us < b->due_us || (a->due_us == b->due_us && a->order < b->order);
}

void sim_after(int64_t us, void (*run)(void *arg, uint64_t number), void *arg, uint64_t number)
{
    if (count == capacity) {
        capacity = capacity ? capacity * 2 : 64;
        heap = realloc(heap, capacity * sizeof *heap);
        if (!heap)
            abort();
    }
    struct event e = {sim.now_us + us, planned++, run, arg, number};
    size_t at = count++;
    for (; at && before(&e, &heap[(at - 1) / 2]); at = (at - 1) / 2)
        heap[at] = heap[(at - 1) / 2];
    heap[at] = e;
}

static struct event take_event(void)
{
    struct event first = heap[0], moved = heap[--count];
    size_t at = 0;
    for (size_t child; (child = at * 2 + 1) < count; at = child) {
        if (child + 1 < count && before(&heap[child + 1], &heap[child]))
            child++;
        if (!before(&heap[child], &moved))
            break;
        heap[at] = heap[child];
    }
    heap[at] = moved;
    return first;
}

void sim_world_begin(void)
{
    count = 0;
    planned = 0;
}

void sim_world_end(void)
{
    free(heap);
    heap = NULL;
    count = capacity = 0;
}

/* ---- who goes on ---------------------------------------------------------------------------- */

void sim_on_shard(mg_shard *shard, void (*fn)(void *arg), void *arg)
{
    mg_shard *was = gw_shard_self();
    gw_shard_adopt(shard);
    fn(arg);
    gw_shard_adopt(was);
    sim.hot[shard->index] = true;
}

static bool shard_waits(const mg_shard *s)
{
    return sim.hot[s->index] || s->inbox_first || s->outboxes_used || s->dirty || s->settling ||
           s->settles.first || s->states.first;
}

static void turn_shard(mg_shard *shard)
{
    mg_shard *was = gw_shard_self();
    sim.hot[shard->index] = false;
    gw_shard_adopt(shard);
    uv_run(&shard->loop, UV_RUN_NOWAIT);
    gw_shard_adopt(was);
}

static bool next_due(int64_t *ret_due_us, bool *ret_is_timer)
{
    int64_t timer = INT64_MAX;
    bool any = sim_timer_next(&timer);
    *ret_is_timer = any && (!count || timer < heap[0].due_us);
    *ret_due_us = *ret_is_timer ? timer : count ? heap[0].due_us : INT64_MAX;
    return any || count;
}

static void next_event(void)
{
    int64_t due;
    bool is_timer;
    if (!next_due(&due, &is_timer))
        return;
    if (due > sim.now_us)
        sim.now_us = due;
    if (sim.outstanding || sim_chance(&sim.chance, 5))
        sim.store_idle = false; /* time itself may make room there */
    if (is_timer) {
        sim_timer_fire();
    } else {
        struct event e = take_event();
        e.run(e.arg, e.number);
    }
}

enum { ACT_STORE = SIM_SHARDS, ACT_JOB, ACT_EVENT, ACTS };

void sim_step(void)
{
    const struct sim_plan *p = &sim.plan;
    struct gw_gateway *g = sim.gateway;
    uint32_t weights[ACTS] = {0}, sum = 0;
    for (uint32_t i = 0; g && i < g->shard_count; i++)
        weights[i] = shard_waits(&g->shards[i]) ? p->shard_weight : 0;
    weights[ACT_STORE] = sim.store && !sim.store_idle ? p->store_weight : 0;
    weights[ACT_JOB] = sim_job_waits() ? p->job_weight : 0;
    for (uint32_t i = 0; i < ACT_EVENT; i++)
        sum += weights[i];
    int64_t due;
    bool is_timer;
    if (next_due(&due, &is_timer))
        /* What is far away can wait until everybody else has had a turn. */
        weights[ACT_EVENT] = !sum || due < sim.now_us + 50000 ? p->event_weight : 0;
    sum += weights[ACT_EVENT];
    uint32_t drawn = sim_below(&sim.chance, sum), act = 0;
    while (act < ACTS && drawn >= weights[act])
        drawn -= weights[act++];
    sim.steps++;
    sim.now_us += 1 + sim_below(&sim.chance, 20);
    if (act < SIM_SHARDS)
        turn_shard(&g->shards[act]);
    else if (act == ACT_STORE)
        sim.store_idle = !sim_store_turn();
    else if (act == ACT_JOB)
        sim_job_run();
    else if (act == ACT_EVENT)
        next_event();
}

void sim_run_until(int64_t us)
{
    uint64_t most = sim.steps + 100000;
    mg_shard *was = gw_shard_self();
    gw_shard_adopt(NULL);
    while (sim.now_us < us && !sim.over && sim.steps < most) {
        int64_t due;
        bool is_timer, waits = sim_job_waits() || (sim.store && !sim.store_idle);
        for (uint32_t i = 0; sim.gateway && i < sim.gateway->shard_count; i++)
            waits = waits || shard_waits(&sim.gateway->shards[i]);
        if (!waits && (!next_due(&due, &is_timer) || due > us))
            sim.now_us = us;
        else
            sim_step();
    }
    if (sim.over)
        sim_jobs_finish();
    if (sim.now_us < us)
        sim.now_us = us;
    gw_shard_adopt(was);
}
