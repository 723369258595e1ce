/* SPDX-License-Identifier: Apache-2.0 */
/* One seed from its beginning to its end. */
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CHAOS_STEPS = 60000, CALM_STEPS = 400000, CHECK_EVERY = 16 };

/* ---- faults -----------------------------------------------------------------------------------
 */

enum fault { KILL, STOP, LOSS, PAUSE, JUMP, TROUBLE, CUT, FAULTS };

struct faults {
    uint32_t left[FAULTS];
    uint64_t next_step;
};

static void next_fault(struct faults *f)
{
    /* Often soon, so that one comes while the last is still being dealt with. */
    static const uint32_t spans[] = {30, 300, 3000};
    f->next_step = sim.steps + 1 + sim_below(&sim.chance, spans[sim_below(&sim.chance, 3)]);
}

static void restart(enum sim_end how)
{
    if (how == SIM_STOPPED)
        sim_life_stop();
    else
        sim_life_kill(how == SIM_CUT);
    if (!sim.over)
        sim_life_begin();
}

static void pause_some_route(void)
{
    struct mg_err err;
    uint32_t r = sim_below(&sim.chance, sim.plan.route_count);
    char name[] = {'r', (char)('0' + r), '\0'};
    bool pause = sim_chance(&sim.chance, 50);
    sim_note("route r%u: %s", r, pause ? "pause" : "resume");
    gw_gateway_pause(sim.gateway, name, pause, "somebody wants it", &err);
}

static void jump(void)
{
    int64_t us = sim_between(&sim.chance, -3000000, 3000000);
    sim_note("the wall clock jumps by %lld ms", (long long)(us / 1000));
    sim.wall_offset_us += us;
}

static void maybe_fault(struct faults *f)
{
    uint32_t sum = 0, what = 0;
    if (sim.steps < f->next_step)
        return;
    for (uint32_t i = 0; i < FAULTS; i++)
        sum += f->left[i];
    next_fault(f);
    if (!sum)
        return;
    uint32_t drawn = sim_below(&sim.chance, sum);
    while (drawn >= f->left[what])
        drawn -= f->left[what++];
    f->left[what]--;
    if (what == KILL || what == STOP || what == CUT)
        restart(what == STOP ? SIM_STOPPED : what == KILL ? SIM_KILLED : SIM_CUT);
    else if (what == TROUBLE)
        sim_disk_ail();
    else if (what == LOSS)
        sim_link_lose(&sim.links[sim_below(&sim.chance, sim.plan.link_count)]);
    else if (what == PAUSE)
        pause_some_route();
    else
        jump();
}

/* ---- the two halves ---------------------------------------------------------------------------
 */

static void one_step(void)
{
    sim_step();
    if (sim.steps % CHECK_EVERY == 0 && sim.gateway && !sim.over)
        sim_check_balance();
}

static bool at_rest(void)
{
    if (!sim_sources_done() || sim.outstanding || sim_job_waits())
        return false;
    for (uint32_t r = 0; r < sim.plan.route_count; r++) {
        struct gw_store_ledger l;
        gw_store_log_ledger(sim.books[r].log, &l);
        if (l.stored)
            return false;
        for (uint32_t s = 0; s < sim.gateway->shard_count; s++)
            if (sim.gateway->routes[r].parts[s].ledger.in_flight)
                return false;
        /* require: any: what another sink has already may still be on its way here. */
        for (uint32_t k = 0; k < sim.plan.routes[r].sinks; k++)
            if (sim.gateway->routes[r].sinks[k]->outlet->in_hand)
                return false;
    }
    return true;
}

/* Who is to blame that it does not. */
static void note_unrest(void)
{
    for (uint32_t i = 0; i < sim.message_count; i++)
        if (sim.messages[i].state == SIM_NEW || sim.messages[i].state == SIM_SENT)
            sim_note("copy %u of source %u is not acknowledged", i, sim.messages[i].source);
    for (uint32_t r = 0; r < sim.plan.route_count; r++) {
        const struct gw_route *route = &sim.gateway->routes[r];
        struct gw_store_ledger l;
        gw_store_log_ledger(sim.books[r].log, &l);
        sim_note("r%u: stored %llu%s", r, (unsigned long long)l.stored,
                 atomic_load(&route->paused) ? ", paused" : "");
        for (uint32_t k = 0; k < sim.plan.routes[r].sinks; k++) {
            const struct mg_sink *s = route->sinks[k];
            struct gw_store_backlog b;
            gw_store_log_backlog(sim.books[r].log, k, &b);
            sim_note("r%uk%u: backlog %llu from %llu to %llu, in memory %u next %llu, waiting %llu "
                     "sent %llu%s%s%s breaker %d held %d",
                     r, k, (unsigned long long)b.count, (unsigned long long)b.first,
                     (unsigned long long)b.end, s->outlet->in_hand,
                     (unsigned long long)s->outlet->next, (unsigned long long)s->waiting,
                     (unsigned long long)s->sent, s->blocked ? " blocked" : "",
                     s->backing_off ? " backing off" : "", s->outlet->reading ? " reading" : "",
                     s->outlet->breaker, s->outlet->held != NULL);
        }
    }
}

static void chaos(void)
{
    const struct sim_plan *p = &sim.plan;
    struct faults f = {
        .left = {p->kills, p->stops, p->losses, p->pauses, p->jumps, p->troubles, p->cuts}};
    uint64_t end = sim.steps + CHAOS_STEPS;
    next_fault(&f);
    sim_produce_begin();
    sim_sink_moods();
    while (!sim.over && sim.steps < end) {
        one_step();
        maybe_fault(&f);
        bool faults_left = false;
        for (uint32_t i = 0; i < FAULTS; i++)
            faults_left = faults_left || f.left[i];
        if (!faults_left && sim.steps % 64 == 0 && sim_chance(&sim.chance, 20))
            break;
    }
}

static void resume_all(void *arg, uint64_t number)
{
    struct mg_err err;
    (void)arg, (void)number;
    for (uint32_t r = 0; sim.gateway && r < sim.plan.route_count; r++)
        if (atomic_load(&sim.gateway->routes[r].paused))
            gw_gateway_pause(sim.gateway, (char[]){'r', (char)('0' + r), '\0'}, false, "", &err);
    if (sim.calm)
        sim_after(300000, resume_all, NULL, 0);
}

static void calm(void)
{
    uint64_t end = sim.steps + CALM_STEPS;
    sim_note("calm");
    sim.calm = true;
    sim_sinks_heal();
    sim_disk_heal();
    resume_all(NULL, 0);
    while (!sim.over && sim.steps < end && !at_rest())
        one_step();
    /* Whatever is still on its way: late settlements, turns, the sweep. */
    sim_run_until(sim.now_us + 3000000);
    if (!sim.over && !at_rest())
        note_unrest();
    if (!sim.over && !at_rest())
        sim_fail("it does not come to rest");
    if (!sim.over)
        sim_check_balance();
    if (!sim.over)
        sim_check_end();
}

/* Once more: nothing is sent any more, and the books are what they were. */
static void epilogue(void)
{
    uint32_t sends = 0, again = 0;
    for (uint32_t r = 0; r < sim.plan.route_count; r++)
        for (uint32_t k = 0; k < SIM_SINKS; k++)
            sends += sim.sinks[r][k].takes;
    restart(sim_chance(&sim.chance, 50) ? SIM_STOPPED : SIM_KILLED);
    sim_run_until(sim.now_us + 3000000);
    for (uint32_t r = 0; r < sim.plan.route_count; r++)
        for (uint32_t k = 0; k < SIM_SINKS; k++)
            again += sim.sinks[r][k].takes;
    if (again != sends)
        sim_fail("something was sent again after everything was done");
    if (!sim.over)
        sim_check_end();
}

/* ---- one seed ---------------------------------------------------------------------------------
 */

static void set_up(uint64_t seed, const struct sim_options *options)
{
    struct sim_message *messages = sim.messages;
    sim = (struct sim){
        .chance = sim_random_of(seed, 2),
        .jitter = sim_random_of(seed, 3),
        .now_us = 1000000,
        .wall_offset_us = 1700000000000000,
        .messages = messages ? messages : calloc(SIM_MESSAGES, sizeof *messages),
    };
    if (!sim.messages)
        abort();
    sim_plan_make(&sim.plan, seed);
    sim.plan.lie = options->lie;
    sim_trace_begin(options->aloud);
    sim_world_begin();
    sim_books_begin();
    for (uint32_t i = 0; i < SIM_LINKS; i++) {
        sim.links[i].number = i;
        sim.links[i].in_order = sim_chance(&sim.chance, 50);
        sim.links[i].last = &sim.links[i].first;
        sim.links[i].last_ack = &sim.links[i].first_ack;
    }
    for (uint32_t i = 0; i < SIM_SOURCES; i++)
        sim.sources[i].number = i;
    for (uint32_t r = 0; r < SIM_ROUTES; r++)
        for (uint32_t k = 0; k < SIM_SINKS; k++) {
            sim.sinks[r][k].route = r;
            sim.sinks[r][k].number = k;
            sim.sinks[r][k].capacity = 1 + sim_below(&sim.chance, 30);
        }
}

void sim_run(uint64_t seed, const struct sim_options *options, struct sim_result *ret_result)
{
    char yaml[8192];
    set_up(seed, options);
    sim_disk_begin();
    sim_plan_yaml(&sim.plan, sim.folder, yaml, sizeof yaml);
    if (options->aloud)
        puts(yaml);
    if (sim_life_prepare(yaml) && sim_life_begin()) {
        chaos();
        if (!sim.over)
            calm();
        if (!sim.over)
            epilogue();
    }
    if (sim.over && !options->aloud && !options->quiet) {
        sim_trace_print();
        puts(yaml);
    }
    bool was_over = sim.over;
    if (sim.gateway)
        sim_life_kill(false);
    sim_life_unprepare();
    sim_world_end();
    sim_books_end();
    sim_disk_end();
    *ret_result = (struct sim_result){.failed = was_over,
                                      .hash = sim.hash,
                                      .steps = sim.steps,
                                      .lives = sim.life,
                                      .messages = sim.message_count};
    for (uint32_t r = 0; r < SIM_ROUTES; r++)
        for (uint32_t k = 0; k < SIM_SINKS; k++)
            ret_result->takes += sim.sinks[r][k].takes;
    memcpy(ret_result->failure, sim.failure, sizeof ret_result->failure);
}
