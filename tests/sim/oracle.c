/* SPDX-License-Identifier: Apache-2.0 */
/* What must hold of what the peers see, checked as it happens and when everything has come to rest.
 */
#include "sim.h"
#include <string.h>

#define U64(n) ((unsigned long long)(n))

bool sim_dedups_all(uint32_t route)
{
    const struct sim_route_plan *p = &sim.plan.routes[route];
    return p->dedup_by != GW_DEDUP_OFF && p->dedup_count >= SIM_MESSAGES &&
           p->dedup_window_ms >= 86400000;
}

/* ---- the sinks' side --------------------------------------------------------------------------
 */

static struct sim_leg *leg_of(const struct sim_sink *k, uint64_t sequence)
{
    struct sim_record *r = sim_record_at(k->route, sequence);
    return r ? &r->legs[k->number] : NULL;
}

static bool key_is_out(const struct sim_sink *k, const struct sim_record *of)
{
    const struct sim_book *b = &sim.books[k->route];
    for (uint64_t s = 1; s < b->end; s++)
        if (&b->records[s] != of && b->records[s].kept && b->records[s].key == of->key &&
            b->records[s].legs[k->number].out)
            return true;
    return false;
}

/* One that was in hand at two kills goes alone. */
static bool disturbs_a_suspect(const struct sim_sink *k, const struct sim_leg *leg)
{
    const struct sim_book *b = &sim.books[k->route];
    if (leg->kills >= 2 && !leg->unsure)
        return k->unanswered;
    for (uint64_t s = 1; s < b->end; s++)
        if (b->records[s].kept && b->records[s].legs[k->number].out &&
            b->records[s].legs[k->number].kills >= 2 && !b->records[s].legs[k->number].unsure)
            return true;
    return false;
}

static bool marked(const mg_event *event)
{
    struct mg_value value;
    return sim.gateway->host.event_find(
        event, (struct mg_str){"meshgate-redelivered", strlen("meshgate-redelivered")}, &value);
}

void sim_saw_send(struct sim_sink *k, const struct mg_delivery *d, uint32_t message, uint32_t part)
{
    const struct sim_route_plan *plan = &sim.plan.routes[k->route];
    uint64_t sequence = d->id & ((UINT64_C(1) << 42) - 1);
    struct sim_record *r = sim_record_at(k->route, sequence);
    sim_note("send r%uk%u %llu m%u/%u attempt %u%s", k->route, k->number, U64(sequence), message,
             part, d->attempt, marked(d->event) ? " marked" : "");
    if (!r || r->message != message || r->part != part) {
        sim_fail("r%uk%u: m%u/%u is sent as %llu, which is not in the store", k->route, k->number,
                 message, part, U64(sequence));
        return;
    }
    struct sim_leg *leg = &r->legs[k->number];
    if (leg->settled && !plan->any && !sim_route_drops(k->route))
        sim_fail("r%uk%u: %llu (m%u) is sent after it was settled", k->route, k->number,
                 U64(sequence), message);
    else if (leg->out)
        sim_fail("r%uk%u: %llu (m%u) is sent while the peer has it", k->route, k->number,
                 U64(sequence), message);
    else if (r->expires_us && r->expires_us <= gw_wall_us(NULL))
        sim_fail("r%uk%u: %llu (m%u) is sent after it expired", k->route, k->number, U64(sequence),
                 message);
    else if (plan->ordered && key_is_out(k, r))
        sim_fail("r%uk%u: %llu (m%u) is sent while another of key%u is", k->route, k->number,
                 U64(sequence), message, r->key);
    else if (atomic_load(&sim.gateway->routes[k->route].paused))
        sim_fail("r%uk%u: %llu is sent although the route is paused", k->route, k->number,
                 U64(sequence));
    else if (leg->takes && d->attempt == 1 && !leg->unsure && !marked(d->event))
        sim_fail("r%uk%u: %llu (m%u), which the peer has, is repeated without a mark", k->route,
                 k->number, U64(sequence), message);
    else if (disturbs_a_suspect(k, leg))
        sim_fail("r%uk%u: %llu (m%u) is sent beside another, and one was in hand at two kills",
                 k->route, k->number, U64(sequence), message);
    leg->sends++;
    leg->out = leg->in_hand = true;
}

void sim_saw_take(struct sim_sink *k, const struct sim_parcel *p)
{
    const struct sim_route_plan *plan = &sim.plan.routes[k->route];
    struct sim_record *r = sim_record_at(k->route, p->sequence);
    if (!r)
        return;
    struct sim_leg *leg = &r->legs[k->number];
    uint64_t *highest = &k->highest[plan->ordered ? r->key : 0];
    sim_note("take r%uk%u %llu m%u/%u", k->route, k->number, U64(p->sequence), p->message, p->part);
    /* What a kill keeps from being discarded comes again, and late; a dead letter holds its key. */
    bool buries = plan->ordered && plan->on_error == GW_ON_ERROR_RETRY && plan->dead_letter;
    bool late = (leg->loose && !plan->ordered) || leg->again ||
                (sim_may_refuse(k->route, leg) && !buries) ||
                (r->expires_us && sim.plan.jumps); /* it had expired, and now has not */
    if (!leg->takes && p->sequence < *highest && !late)
        sim_fail("r%uk%u: %llu (m%u) is taken after %llu", k->route, k->number, U64(p->sequence),
                 p->message, U64(*highest));
    if (leg->takes >= leg->sends)
        sim_fail("r%uk%u: %llu (m%u) is taken more often than sent", k->route, k->number,
                 U64(p->sequence), p->message);
    if (p->sequence > *highest)
        *highest = p->sequence;
    leg->takes++;
    k->takes++;
}

/* The peer will answer so, if it still can. */
void sim_saw_refusal(struct sim_sink *k, const struct sim_parcel *p)
{
    struct sim_leg *leg = leg_of(k, p->sequence);
    sim_note("refuse r%uk%u %llu m%u/%u: %u", k->route, k->number, U64(p->sequence), p->message,
             p->part, p->verdict);
    if (leg)
        leg->loose = true;
}

/* outcome 0: nobody answered, the connection was lost. */
void sim_saw_answer(struct sim_sink *k, const struct sim_parcel *p, uint32_t outcome)
{
    struct sim_leg *leg = leg_of(k, p->sequence);
    if (!leg)
        return;
    leg->out = false;
    leg->accepts += outcome == MG_ACCEPTED;
    leg->rejects += outcome == MG_REJECTED;
    leg->modifies += outcome == MG_MODIFIED;
    if (outcome && outcome != MG_ACCEPTED)
        leg->in_hand = false;
}

void sim_saw_end(enum sim_end how)
{
    for (uint32_t r = 0; r < sim.plan.route_count; r++) {
        struct sim_book *b = &sim.books[r];
        for (uint64_t s = 0; s < b->end; s++) {
            for (uint32_t k = 0; b->records[s].kept && k < sim.plan.routes[r].sinks; k++) {
                struct sim_leg *leg = &b->records[s].legs[k];
                leg->kills += how == SIM_KILLED && leg->out;
                leg->unsure = leg->unsure || (how == SIM_CUT && leg->sends);
                leg->out = leg->in_hand = false;
            }
        }
    }
}

/* ---- the sources' side ------------------------------------------------------------------------
 */

static bool may_be_refused(uint32_t route, const struct sim_message *m)
{
    const struct sim_route_plan *p = &sim.plan.routes[route];
    return p->filters && m->rejects && !m->drops && p->on_error != GW_ON_ERROR_DISCARD &&
           !p->dead_letter;
}

static void check_accepted(uint32_t route, uint32_t copy)
{
    const struct sim_route_plan *p = &sim.plan.routes[route];
    const struct sim_message *m = &sim.messages[copy];
    uint8_t known = sim.books[route].known[copy];
    bool stopped = p->filters && (m->drops || m->rejects);
    bool buries = stopped && !m->drops && p->on_error != GW_ON_ERROR_DISCARD;
    bool gave_up = p->waits && m->retries && p->max_attempts;
    if (gave_up && p->on_error == GW_ON_ERROR_DISCARD)
        return; /* its step asked for another try too often */
    if (buries ? !(known & SIM_BURIED) : !stopped && !known)
        sim_fail("r%u: copy %u (m%u) is acknowledged, and the store does not have it", route, copy,
                 m->ident);
}

void sim_saw_ack(uint32_t copy, uint32_t outcome)
{
    const struct sim_message *m = &sim.messages[copy];
    bool may_refuse = false;
    for (uint32_t r = 0; r < sim.plan.route_count; r++) {
        const struct sim_route_plan *p = &sim.plan.routes[r];
        if (p->source != m->source)
            continue;
        if (outcome == MG_ACCEPTED)
            check_accepted(r, copy);
        bool gave_up = p->waits && m->retries && p->max_attempts && !p->dead_letter;
        may_refuse = may_refuse || may_be_refused(r, m) || gave_up;
    }
    if (outcome == MG_REJECTED && !may_refuse)
        sim_fail("copy %u (m%u) is given back as rejected without a reason", copy, m->ident);
    if (outcome != MG_ACCEPTED && outcome != MG_REJECTED && !sim.drains)
        sim_fail("copy %u (m%u) is given back: outcome %u", copy, m->ident, outcome);
}

/* ---- the ledger -------------------------------------------------------------------------------
 */

static const char *const term_names[GW_TERMS] = {
    "delivered", "dropped", "expired", "discarded", "returned", "duplicates", "dead letters"};

/* What a full backlog drops while the lane has it is discarded, and delivered all the same. */
static bool blurred(uint32_t route, uint32_t term)
{
    return (sim_route_drops(route) || sim.books[route].blurred) && term != GW_TERM_DUPLICATE &&
           term != GW_TERM_DROPPED && term != GW_TERM_RETURNED;
}

static void compare_ledger(uint32_t route, const struct gw_store_ledger *is)
{
    const struct gw_store_ledger *own = &sim.books[route].ledger;
    for (uint32_t t = 0; t < GW_TERMS; t++)
        if (is->ended[t] != own->ended[t] && !blurred(route, t))
            sim_fail("r%u: the store counts %llu %s, and there were %llu", route, U64(is->ended[t]),
                     term_names[t], U64(own->ended[t]));
    if (is->received != own->received || is->stored != own->stored || is->retries != own->retries)
        sim_fail("r%u: received %llu stored %llu retries %llu, and there were %llu %llu %llu",
                 route, U64(is->received), U64(is->stored), U64(is->retries), U64(own->received),
                 U64(own->stored), U64(own->retries));
}

void sim_check_balance(void)
{
    struct gw_gateway *g = sim.gateway;
    for (uint32_t r = 0; r < sim.plan.route_count && !sim.over; r++) {
        struct gw_route *route = &g->routes[r];
        struct gw_store_ledger l = {0};
        uint64_t received = 0, ended = 0;
        gw_store_log_ledger(route->log, &l);
        if (!sim_route_drops(r))
            compare_ledger(r, &l);
        for (uint32_t s = 0; s < g->shard_count; s++) {
            const struct gw_ledger *part = &route->parts[s].ledger;
            received += part->received;
            ended += part->in_flight;
            for (uint32_t t = 0; t < GW_TERMS; t++)
                ended += part->ended[t];
        }
        received += l.received;
        ended += l.stored;
        for (uint32_t t = 0; t < GW_TERMS; t++)
            ended += l.ended[t];
        if (received != ended)
            sim_fail("r%u: the ledger does not balance: received %llu, ended or in hand %llu", r,
                     U64(received), U64(ended));
        for (uint32_t k = 0; k < sim.plan.routes[r].sinks; k++) {
            const struct gw_outlet *o = route->sinks[k]->outlet;
            if (o->in_hand > g->lane_most)
                sim_fail("r%uk%u: %u legs in memory", r, k, o->in_hand);
        }
    }
}

/* ---- the end ----------------------------------------------------------------------------------
 */

static void check_record(uint32_t route, uint64_t sequence)
{
    const struct sim_route_plan *p = &sim.plan.routes[route];
    const struct sim_record *r = sim_record_at(route, sequence);
    uint32_t takes = 0;
    bool delivered = false;
    if (!r)
        return;
    for (uint32_t k = 0; k < p->sinks; k++) {
        const struct sim_leg *leg = &r->legs[k];
        takes += leg->takes;
        delivered = delivered || (leg->settled && leg->term == GW_TERM_DELIVERED && !p->any);
        if (!leg->settled && !sim_route_drops(route))
            sim_fail("r%uk%u: %llu (m%u) is still not settled", route, k, U64(sequence),
                     r->message);
        else if (leg->settled && leg->term == GW_TERM_DELIVERED && !p->any && !leg->takes)
            sim_fail("r%uk%u: %llu (m%u) is lost", route, k, U64(sequence), r->message);
    }
    if (p->any && r->worst == GW_TERM_DELIVERED && !r->left && !takes)
        sim_fail("r%u: %llu (m%u) is lost", route, U64(sequence), r->message);
}

static void check_tokens(void)
{
    for (uint32_t i = 0; i < sim.gateway->shard_count; i++)
        for (uint32_t s = 0; s < sim.gateway->shards[i].slot_count; s++)
            if (sim.gateway->shards[i].slots[s].object)
                sim_fail("an obligation is left open on shard %u", i);
}

void sim_check_end(void)
{
    for (uint32_t i = 0; i < sim.message_count; i++)
        if (sim.messages[i].state != SIM_ACKED && sim.messages[i].state != SIM_REFUSED)
            sim_fail("copy %u is not acknowledged at the end", i);
    for (uint32_t r = 0; r < sim.plan.route_count && !sim.over; r++) {
        for (uint64_t s = 0; s < sim.books[r].end; s++)
            check_record(r, s);
        struct gw_store_ledger l;
        gw_store_log_ledger(sim.books[r].log, &l);
        sim_books_close(r);
        compare_ledger(r, &l);
        for (uint32_t k = 0; k < sim.plan.routes[r].sinks; k++)
            if (sim.gateway->routes[r].sinks[k]->outlet->in_hand)
                sim_fail("r%uk%u: legs in memory after the end", r, k);
    }
    check_tokens();
    if (!sim.over)
        sim_dead_check();
}
