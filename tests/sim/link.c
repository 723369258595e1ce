/* SPDX-License-Identifier: Apache-2.0 */
/* A connection of the gateway with a peer: comes up, breaks, dies with the gateway, closes. */
#include "sim.h"

static void pump_all(struct sim_link *link)
{
    for (uint32_t i = 0; i < sim.plan.source_count; i++)
        if (sim.sources[i].link == link)
            sim_source_pump_soon(&sim.sources[i]);
}

static void say_sendable(void *arg)
{
    struct sim_link *link = arg;
    sim.gateway->host.sendable(link->connection, NULL);
}

static void come_up(void *arg, uint64_t epoch)
{
    struct sim_link *link = arg;
    if (epoch != link->epoch || link->closing || !sim.gateway)
        return;
    link->up = true;
    sim_note("link %u is up", link->number);
    sim.gateway->host.status(link->connection, true, "");
    pump_all(link);
    for (uint32_t r = 0; r < sim.plan.route_count; r++)
        for (uint32_t k = 0; k < sim.plan.routes[r].sinks; k++)
            if (sim.sinks[r][k].link == link)
                sim.sinks[r][k].blocked = false;
    sim_on_shard(link->connection->shard, say_sendable, link);
}

void sim_link_open(struct sim_link *link, mg_connection *connection)
{
    link->connection = connection;
    link->up = link->closing = link->draining = false;
    link->epoch++;
    link->first = NULL;
    link->last = &link->first;
    link->first_ack = NULL;
    link->last_ack = &link->first_ack;
    link->last_arrival_us = link->last_answer_us = 0;
}

void sim_link_begin(struct sim_link *link)
{
    sim_after(sim_between(&sim.chance, 0, sim.plan.wire_us * 3), come_up, link, link->epoch);
}

static void lose(struct sim_link *link, bool tell)
{
    link->up = false;
    sim_sink_lose(link, tell);
    sim_source_lose(link);
    link->epoch++;
}

static void lose_shard(void *arg)
{
    struct sim_link *link = arg;
    sim.gateway->host.status(link->connection, false, "lost");
    lose(link, true);
}

void sim_link_lose(struct sim_link *link)
{
    if (!link->up || link->closing)
        return;
    sim_note("link %u breaks", link->number);
    sim_on_shard(link->connection->shard, lose_shard, link);
    int64_t away = sim_chance(&sim.chance, 20) ? 2000000 : sim.plan.wire_us * 20;
    sim_after(sim_between(&sim.chance, 0, away), come_up, link, link->epoch);
}

void sim_link_die(struct sim_link *link)
{
    lose(link, false);
}

void sim_link_flush(struct sim_link *link)
{
    sim_sink_flush(link);
    sim_source_flush(link);
}

static void close_shard(void *arg)
{
    struct sim_link *link = arg;
    lose(link, true);
    sim.gateway->host.closed(link->connection);
}

static void close_now(void *arg, uint64_t epoch)
{
    struct sim_link *link = arg;
    if (epoch == link->epoch && sim.gateway && !sim.dead)
        sim_on_shard(link->connection->shard, close_shard, link);
}

void sim_link_close(struct sim_link *link)
{
    link->closing = true;
    sim_note("link %u closes", link->number);
    if (sim_chance(&sim.chance, 50))
        close_shard(link);
    else
        sim_after(sim_between(&sim.chance, 0, 100000), close_now, link, link->epoch);
}
