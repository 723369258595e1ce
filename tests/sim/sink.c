/* SPDX-License-Identifier: Apache-2.0 */
/* The peers that events go to: they take, refuse, give back, are slow, full, or say nothing. */
#include "sim.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static uint64_t serials;

static struct sim_parcel *find(const struct sim_link *link, uint64_t serial)
{
    struct sim_parcel *p = link->first;
    while (p && p->serial != serial)
        p = p->next;
    return p;
}

static void unlink_parcel(struct sim_link *link, struct sim_parcel *p)
{
    struct sim_parcel **at = &link->first;
    while (*at != p)
        at = &(*at)->next;
    *at = p->next;
    if (!p->next)
        link->last = at;
    p->sink->unanswered--;
}

/* ---- what the peer says --------------------------------------------------------------------- */

/* Of a bit for each sink.  In the end a sink takes what a route would stop for. */
static bool minds(const struct sim_sink *k, uint32_t bits)
{
    bool pauses = sim.plan.routes[k->route].on_error == GW_ON_ERROR_PAUSE;
    return (bits >> (k->route * SIM_SINKS + k->number) & 1) && !(pauses && sim.calm);
}

static uint32_t judge(const struct sim_parcel *p)
{
    const struct sim_sink *k = p->sink;
    uint32_t drawn = sim_below(&sim.chance, 100);
    if (minds(k, sim.messages[p->message].refused_by))
        return MG_REJECTED;
    if (k->mood != SIM_FLAKY || sim.calm)
        return MG_ACCEPTED;
    return drawn < 20   ? MG_RELEASED
           : drawn < 40 ? MG_MODIFIED
           : drawn < 43 ? MG_REJECTED
                        : MG_ACCEPTED;
}

static void arrive(struct sim_parcel *p)
{
    p->arrived = true;
    p->verdict = judge(p);
    if (p->verdict != MG_ACCEPTED) {
        sim_saw_refusal(p->sink, p);
        return;
    }
    if (sim.plan.lie == SIM_LOSES && sim_chance(&sim.chance, 2))
        return;
    sim_saw_take(p->sink, p);
    if (sim.plan.lie == SIM_DOUBLES && sim_chance(&sim.chance, 2))
        sim_saw_take(p->sink, p);
}

struct answering {
    struct sim_link *link;
    struct sim_parcel *parcel;
};

static void settle_again(void *token, uint64_t life)
{
    if (sim.gateway && life == sim.life)
        sim.gateway->host.settle((mg_token)(uintptr_t)token, MG_REJECTED, "late");
}

static void answer_shard(void *arg)
{
    struct answering *a = arg;
    struct sim_parcel *p = a->parcel;
    struct sim_sink *k = p->sink;
    const struct mg_host *host = &sim.gateway->host;
    mg_token token = p->token;
    uint32_t verdict = p->verdict;
    unlink_parcel(a->link, p);
    sim_note("sink r%uk%u answers m%u/%u: %u", k->route, k->number, p->message, p->part, verdict);
    sim_saw_answer(k, p, verdict);
    free(p);
    host->settle(token, verdict, verdict == MG_ACCEPTED ? NULL : "so says the peer");
    if (sim_chance(&sim.chance, 3))
        host->settle(token, MG_RELEASED, "twice");
    if (sim_chance(&sim.chance, 3))
        sim_after(sim_between(&sim.chance, 0, 200000), settle_again, (void *)(uintptr_t)token,
                  sim.life);
    if (k->blocked && k->mood != SIM_FULL) {
        k->blocked = false;
        host->sendable(a->link->connection, sim_chance(&sim.chance, 50) ? k->handle : NULL);
    }
}

static void answers(void *arg, uint64_t serial)
{
    struct answering a = {arg, find(arg, serial)};
    if (!a.parcel)
        return;
    if (a.parcel->sink->mood == SIM_HANGS && !sim.calm)
        sim_after(100000, answers, arg, serial);
    else
        sim_on_shard(a.link->connection->shard, answer_shard, &a);
}

static void arrives(void *arg, uint64_t serial)
{
    struct sim_link *link = arg;
    struct sim_parcel *p = find(link, serial);
    if (!p)
        return;
    arrive(p);
    int64_t most = sim.plan.peer_us * (p->sink->mood == SIM_SLOW ? 20 : 1);
    int64_t at = sim.now_us + sim_between(&sim.chance, 0, most);
    if (link->in_order && at < link->last_answer_us)
        at = link->last_answer_us;
    link->last_answer_us = at;
    sim_after(at - sim.now_us, answers, link, serial);
}

/* ---- what the bridge does ------------------------------------------------------------------- */

static int take_at_once(struct sim_sink *k, struct sim_parcel *p)
{
    p->verdict = MG_ACCEPTED;
    p->arrived = true;
    sim_saw_take(k, p);
    sim_saw_answer(k, p, MG_ACCEPTED);
    mg_token token = p->token;
    free(p);
    sim.gateway->host.settle(token, MG_ACCEPTED, NULL);
    return 0;
}

int sim_sink_send(struct sim_sink *k, const struct mg_delivery *d, struct mg_err *err)
{
    struct sim_link *link = k->link;
    const struct mg_host *host = &sim.gateway->host;
    uint32_t message, part;
    if (!link->up || link->closing || (k->mood == SIM_FULL && !sim.calm) ||
        k->unanswered >= k->capacity) {
        k->blocked = true;
        return -EAGAIN;
    }
    if (!sim_parse(host->event_payload(d->event), &message, &part)) {
        sim_fail("r%uk%u was sent an event that nobody sent", k->route, k->number);
        return -EINVAL;
    }
    sim_saw_send(k, d, message, part);
    struct sim_parcel *p = malloc(sizeof *p);
    if (!p)
        abort();
    *p = (struct sim_parcel){
        .sink = k,
        .token = d->token,
        .serial = ++serials,
        .sequence = d->id & ((UINT64_C(1) << 42) - 1),
        .message = message,
        .part = part,
    };
    if (minds(k, sim.messages[message].huge_for)) {
        snprintf(err->text, sizeof err->text, "too large for this peer");
        sim_saw_answer(k, p, MG_REJECTED);
        free(p);
        return -EMSGSIZE;
    }
    if (!k->unanswered && sim_chance(&sim.chance, 5))
        return take_at_once(k, p);
    *link->last = p;
    link->last = &p->next;
    k->unanswered++;
    return 0;
}

/* In a lie, the later of two overtakes. */
static void swap_arrivals(struct sim_link *link)
{
    struct sim_parcel *a = link->first, *b = a ? a->next : NULL;
    if (sim.plan.lie != SIM_REORDERS || !b || a->flushed || a->sink != b->sink)
        return;
    a->next = b->next;
    b->next = a;
    link->first = b;
    if (!a->next)
        link->last = &a->next;
}

void sim_sink_flush(struct sim_link *link)
{
    swap_arrivals(link);
    for (struct sim_parcel *p = link->first; p; p = p->next) {
        if (p->flushed)
            continue;
        p->flushed = true;
        int64_t at = sim.now_us + sim_between(&sim.chance, 0, sim.plan.wire_us);
        if (at < link->last_arrival_us)
            at = link->last_arrival_us;
        link->last_arrival_us = at;
        sim_after(at - sim.now_us, arrives, link, p->serial);
    }
}

/* Some of what was on the wire arrives; no answer comes back.  tell: the bridge gives everything
 * back, in order. */
void sim_sink_lose(struct sim_link *link, bool tell)
{
    bool arrives_still = true;
    for (struct sim_parcel *p = link->first; p; p = p->next) {
        arrives_still =
            arrives_still && (p->arrived || (p->flushed && sim_chance(&sim.chance, 70)));
        if (arrives_still && !p->arrived)
            arrive(p);
    }
    while (link->first) {
        struct sim_parcel *p = link->first;
        mg_token token = p->token;
        unlink_parcel(link, p);
        sim_saw_answer(p->sink, p, 0);
        free(p);
        if (tell)
            sim.gateway->host.settle(token, MG_RELEASED, "connection lost");
    }
}

/* ---- moods ---------------------------------------------------------------------------------- */

static void say_sendable(void *arg)
{
    struct sim_sink *k = arg;
    k->blocked = false;
    sim.gateway->host.sendable(k->link->connection, k->handle);
}

static void unblock(struct sim_sink *k)
{
    if (sim.gateway && k->blocked && k->link && k->link->up && k->unanswered < k->capacity)
        sim_on_shard(k->link->connection->shard, say_sendable, k);
}

static void change_mood(void *arg, uint64_t number)
{
    struct sim_sink *k = arg;
    (void)number;
    if (sim.calm)
        return;
    k->mood = sim_chance(&sim.chance, sim.plan.trouble_percent)
                  ? 1 + sim_below(&sim.chance, SIM_MOODS - 1)
                  : SIM_GOOD;
    if (k->mood != SIM_FULL)
        unblock(k);
    sim_after(sim_between(&sim.chance, 1000, 400000), change_mood, k, 0);
}

void sim_sink_moods(void)
{
    for (uint32_t r = 0; r < sim.plan.route_count; r++)
        for (uint32_t i = 0; i < sim.plan.routes[r].sinks; i++)
            change_mood(&sim.sinks[r][i], 0);
}

void sim_sinks_heal(void)
{
    for (uint32_t r = 0; r < sim.plan.route_count; r++) {
        for (uint32_t i = 0; i < sim.plan.routes[r].sinks; i++) {
            sim.sinks[r][i].mood = SIM_GOOD;
            unblock(&sim.sinks[r][i]);
        }
    }
}
