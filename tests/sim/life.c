/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's lives: it starts, dies as by SIGKILL, or stops in an orderly way. */
#include "sim.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct gw_arena *arena;
static struct gw_registry *registry;

/* ---- shards without threads ---------------------------------------------------------------------
 */

int __wrap_gw_shard_run(struct mg_shard *shard);
int __wrap_gw_shard_call(struct mg_shard *shard, void (*fn)(struct mg_shard *, void *arg),
                         void *arg, uint64_t timeout_ms);

int __wrap_gw_shard_run(struct mg_shard *shard)
{
    (void)shard; /* sim_step runs its loop */
    return 0;
}

/* A call comes through the inbox, behind what is there already; and what it leaves for other shards
 * goes out before it returns. */
int __wrap_gw_shard_call(struct mg_shard *shard, void (*fn)(struct mg_shard *, void *arg),
                         void *arg, uint64_t timeout_ms)
{
    mg_shard *was = gw_shard_self();
    (void)timeout_ms;
    gw_shard_adopt(shard);
    uv_run(&shard->loop, UV_RUN_NOWAIT);
    fn(shard, arg);
    uv_run(&shard->loop, UV_RUN_NOWAIT);
    gw_shard_adopt(was);
    sim.hot[shard->index] = true;
    return 0;
}

/* ---- the configuration
 * ---------------------------------------------------------------------------- */

bool sim_life_prepare(const char *yaml)
{
    static const struct mg_module *const modules[] = {&sim_bridge_module, &sim_filter_module,
                                                      &sim_split_module, &sim_wait_step_module};
    struct gw_diags diags = {0};
    arena = gw_arena_create();
    registry = gw_registry_create();
    for (size_t i = 0; i < sizeof modules / sizeof modules[0]; i++)
        gw_registry_add(registry, modules[i], "(sim)", &diags);
    const struct mg_node *root = gw_tree_parse(arena, "sim.yaml", yaml, strlen(yaml), &diags);
    bool good = root && !gw_model_load(arena, root, registry, &sim.model, &diags);
    if (!good) {
        gw_diags_print(&diags, stderr);
        sim_fail("the configuration is refused");
    }
    gw_diags_fini(&diags);
    return good;
}

void sim_life_unprepare(void)
{
    gw_model_destroy(sim.model);
    gw_registry_destroy(registry);
    gw_arena_destroy(arena);
    sim.model = NULL;
}

/* ---- life and death
 * ------------------------------------------------------------------------------- */

bool sim_life_begin(void)
{
    struct mg_err err = {{0}, NULL};
    sim.life++;
    sim_disk_heal();
    sim_note("the gateway starts");
    int error = gw_gateway_create(sim.model, &sim.gateway, &err);
    if (!error && sim.plan.lane_most)
        sim.gateway->lane_most = sim.plan.lane_most;
    if (!error)
        error = gw_gateway_start(sim.gateway, &err);
    if (error)
        sim_fail("the gateway does not start: %d %s", error, err.text);
    return !error;
}

static void bury(void)
{
    int error = gw_gateway_stop(sim.gateway);
    if (error)
        sim_fail("stopping failed: %d", error);
    sim_jobs_finish();
    gw_gateway_destroy(sim.gateway);
    gw_shard_adopt(NULL);
    sim.gateway = NULL;
    memset(sim.hot, 0, sizeof sim.hot);
}

void sim_life_kill(bool power_cut)
{
    sim_note(power_cut ? "the power goes" : "SIGKILL");
    sim_saw_end(power_cut ? SIM_CUT : SIM_KILLED);
    for (uint32_t i = 0; i < sim.plan.link_count; i++)
        sim_link_die(&sim.links[i]);
    sim_watch_kill();
    sim_jobs_finish();
    gw_gateway_drain(sim.gateway, 0); /* only so that the memory is free again */
    bury();
    sim.dead = false;
    if (power_cut)
        sim_disk_cut();
}

void sim_life_stop(void)
{
    static const int64_t patience_ms[] = {0, 20, 2000};
    sim.drains = true;
    sim_note("the gateway is to stop");
    uint64_t left = gw_gateway_drain(sim.gateway, patience_ms[sim_below(&sim.chance, 3)]);
    sim_note("drained, %llu were given back", (unsigned long long)left);
    bury();
    sim_saw_end(SIM_STOPPED);
    sim.drains = false;
}
