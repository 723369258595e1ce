/* SPDX-License-Identifier: Apache-2.0 */
/* From a seed to a configuration, peers and faults. */
#include "sim.h"
#include <stdio.h>
#include <string.h>

static void plan_delivery(struct sim_random *r, struct sim_route_plan *p)
{
    p->any = p->sinks > 1 && sim_chance(r, 25);
    p->ordered = sim_chance(r, 50);
    p->dead_letter = sim_chance(r, 75);
    p->on_error = sim_chance(r, 60) ? GW_ON_ERROR_RETRY : sim_below(r, 3);
    p->dedup_by = sim_chance(r, 50) ? GW_DEDUP_OFF : 1 + sim_below(r, 5);
    if (p->dedup_by == GW_DEDUP_CLOUDEVENT)
        p->dedup_by = GW_DEDUP_FIELD;
    p->dedup_count = sim_chance(r, 80) ? 100000 : sim_between(r, 1, 50);
    p->dedup_window_ms = sim_chance(r, 80) ? 86400000 : sim_between(r, 1, 2000);
    /* Nobody is there who would take away what stops a route. */
    p->poison_after =
        p->on_error == GW_ON_ERROR_PAUSE || sim_chance(r, 60) ? 0 : sim_between(r, 1, 4);
    p->max_attempts = sim_chance(r, 60) ? 0 : sim_between(r, 1, 6);
    p->breaker = sim_chance(r, 50) ? 0 : sim_between(r, 1, 5);
    p->full = p->ordered && sim_chance(r, 20) ? GW_FULL_LATEST_PER_KEY : sim_below(r, 3);
    p->backlog_count = sim_chance(r, 60) ? 0 : sim_between(r, 1, 40);
    if (!p->backlog_count)
        p->full = GW_FULL_BLOCK;
    p->ttl_ms = sim_chance(r, 80) ? 0 : sim_between(r, 1, 3000);
    p->window = sim_chance(r, 50) ? sim_between(r, 1, 8) : sim_between(r, 8, 200);
    p->archive = sim_chance(r, 10);
}

static void plan_route(struct sim_plan *plan, struct sim_random *r, struct sim_route_plan *p)
{
    p->source = sim_below(r, plan->source_count);
    p->sinks = 1 + sim_below(r, SIM_SINKS);
    for (uint32_t k = 0; k < p->sinks; k++)
        p->links[k] = sim_below(r, plan->link_count);
    plan_delivery(r, p);
    p->filters = sim_chance(r, 40);
    p->splits = sim_chance(r, 40);
    p->waits = sim_chance(r, 40);
}

static uint32_t percent(struct sim_random *r, uint32_t most)
{
    return sim_chance(r, 50) ? 0 : 1 + sim_below(r, most);
}

void sim_plan_make(struct sim_plan *ret_plan, uint64_t seed)
{
    struct sim_random random = sim_random_of(seed, 1), *r = &random;
    struct sim_plan p = {.seed = seed};
    p.shards = sim_chance(r, 30) ? 2 : 1;
    p.link_count = 1 + sim_below(r, SIM_LINKS);
    p.source_count = 1 + sim_below(r, SIM_SOURCES);
    p.route_count = 1 + sim_below(r, SIM_ROUTES);
    for (uint32_t i = 0; i < p.link_count; i++)
        p.link_shard[i] = sim_below(r, p.shards);
    for (uint32_t i = 0; i < p.source_count; i++)
        p.source_link[i] = sim_below(r, p.link_count);
    for (uint32_t i = 0; i < p.route_count; i++)
        plan_route(&p, r, &p.routes[i]);
    p.messages = (uint32_t)(sim_chance(r, 10) ? sim_between(r, 300, 1500) : sim_between(r, 5, 200));
    p.keys = 1 + sim_below(r, sim_chance(r, 50) ? 3 : 40);
    p.twin_percent = percent(r, 25);
    p.reject_percent = percent(r, 8);
    p.huge_percent = percent(r, 4);
    p.trouble_percent = percent(r, 80);
    p.expiry_percent = percent(r, 10);
    p.event_weight = 1 + sim_below(r, 20);
    p.shard_weight = 1 + sim_below(r, 20);
    p.store_weight = 1 + sim_below(r, 20);
    p.job_weight = 1 + sim_below(r, 20);
    p.kills = sim_below(r, 10);
    p.stops = sim_below(r, 4);
    p.losses = sim_below(r, 12);
    p.pauses = sim_chance(r, 20) ? sim_below(r, 4) : 0;
    p.jumps = sim_chance(r, 20) ? sim_below(r, 4) : 0;
    p.produce_us = sim_between(r, 100, 50000);
    p.wire_us = sim_between(r, 50, 20000);
    p.peer_us = sim_between(r, 50, 50000);
    p.sync = sim_below(r, 3);
    p.troubles = sim_chance(r, 20) ? 1 + sim_below(r, 4) : 0;
    p.cuts = p.sync == GW_SYNC_ALWAYS && sim_chance(r, 25) ? 1 + sim_below(r, 4) : 0;
    p.lane_most = sim_chance(r, 60) ? (uint32_t)sim_between(r, 2, 60) : 0;
    *ret_plan = p;
}

/* ---- as YAML ----------------------------------------------------------------------------------
 */

struct text {
    char *at;
    size_t size, used;
};

static void put(struct text *t, const char *format, ...) __attribute__((format(printf, 2, 3)));

static void put(struct text *t, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int n = vsnprintf(t->at + t->used, t->size - t->used, format, args);
    va_end(args);
    if (n > 0 && t->used + (size_t)n < t->size)
        t->used += (size_t)n;
}

static void put_steps(struct text *t, const struct sim_route_plan *p)
{
    if (!p->filters && !p->splits && !p->waits)
        return;
    put(t, "    steps:\n");
    if (p->filters)
        put(t, "      - filter: { type: sim-filter }\n");
    if (p->waits)
        put(t, "      - enrich: { type: sim-wait }\n");
    if (p->splits)
        put(t, "      - translate: { type: sim-split }\n");
}

static void put_delivery(struct text *t, const struct sim_route_plan *p)
{
    static const char *const errors[] = {"retry", "discard", "pause"};
    static const char *const fulls[] = {"block", "drop-newest", "drop-oldest", "latest-per-key"};
    static const char *const dedups[] = {"off",        "auto",  "cloudevent",
                                         "message-id", "field", "hash"};
    put(t, "    delivery:\n      guarantee: stored\n      require: %s\n      window: %d\n",
        p->any ? "any" : "all", (int)p->window);
    put(t, "      retry: { first: 2ms, most: 200ms, max_attempts: %d }\n", (int)p->max_attempts);
    put(t, "      on_error: %s\n      dead_letter: %s\n      poison_after: %d\n      breaker: %d\n",
        errors[p->on_error], p->dead_letter ? "true" : "false", (int)p->poison_after,
        (int)p->breaker);
    if (p->ordered)
        put(t, "      order_by: \"{key}\"\n");
    if (p->ttl_ms)
        put(t, "      ttl: %dms\n", (int)p->ttl_ms);
    if (p->backlog_count)
        put(t, "      backlog: { count: %d, when_full: %s }\n", (int)p->backlog_count,
            fulls[p->full]);
    if (p->dedup_by)
        put(t, "      dedup: { by: %s, window: %dms, count: %d%s }\n", dedups[p->dedup_by],
            (int)p->dedup_window_ms, (int)p->dedup_count,
            p->dedup_by == GW_DEDUP_FIELD ? ", field: \"{property.ident}\"" : "");
    if (p->archive)
        put(t, "      archive: { size: 1MiB }\n");
}

void sim_plan_yaml(const struct sim_plan *plan, const char *folder, char *buffer, size_t size)
{
    static const char *const syncs[] = {"always", "interval", "never"};
    struct text t = {buffer, size, 0};
    put(&t, "gateway: { name: sim, shards: %u, store: { path: %s, sync: %s } }\nbridges:\n",
        plan->shards, folder, syncs[plan->sync]);
    for (uint32_t i = 0; i < plan->link_count; i++)
        put(&t, "  b%u: { type: sim, shard: %u }\n", i, plan->link_shard[i]);
    put(&t, "routes:\n");
    for (uint32_t r = 0; r < plan->route_count; r++) {
        const struct sim_route_plan *p = &plan->routes[r];
        put(&t, "  r%u:\n    from: { bridge: b%u, topic: \"in%u/{key}\" }\n", r,
            plan->source_link[p->source], p->source);
        put_steps(&t, p);
        put(&t, "    to:\n");
        for (uint32_t k = 0; k < p->sinks; k++)
            put(&t, "      - { bridge: b%u, topic: \"r%uk%u/{key}\" }\n", p->links[k], r, k);
        put_delivery(&t, p);
    }
}
