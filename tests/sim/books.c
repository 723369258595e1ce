/* SPDX-License-Identifier: Apache-2.0 */
/* A second book of what the store holds, kept from its interface alone: every commit is entered
 * here, and what the store says and shows is compared with it. */
#include "sim.h"
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#define U64(n) ((unsigned long long)(n))

void sim_books_begin(void)
{
    for (uint32_t r = 0; r < SIM_ROUTES; r++) {
        sim.books[r] = (struct sim_book){0};
    }
}

void sim_books_end(void)
{
    for (uint32_t r = 0; r < SIM_ROUTES; r++) {
        free(sim.books[r].records);
        sim.books[r].records = NULL;
    }
}

bool sim_route_drops(uint32_t route)
{
    return sim.plan.routes[route].full >= GW_FULL_DROP_OLDEST;
}

struct sim_record *sim_record_at(uint32_t route, uint64_t sequence)
{
    struct sim_book *b = &sim.books[route];
    return sequence < b->end && b->records[sequence].kept ? &b->records[sequence] : NULL;
}

static struct sim_record *new_record(uint32_t route, uint64_t sequence)
{
    struct sim_book *b = &sim.books[route];
    if (sequence >= b->capacity) {
        size_t capacity = (sequence + 1) * 2;
        b->records = realloc(b->records, capacity * sizeof *b->records);
        if (!b->records)
            abort();
        memset(b->records + b->capacity, 0, (capacity - b->capacity) * sizeof *b->records);
        b->capacity = capacity;
    }
    if (b->end > 0 && sequence != b->end)
        sim_fail("r%u: sequence %llu follows %llu", route, U64(sequence), U64(b->end - 1));
    b->end = sequence + 1;
    return &b->records[sequence];
}

static uint32_t route_of(const struct gw_store_log *log)
{
    uint32_t r = 0;
    while (r < SIM_ROUTES - 1 && sim.books[r].log != log)
        r++;
    return r;
}

/* ---- settling ---------------------------------------------------------------------------------
 */

static uint32_t weight(uint32_t term)
{
    return term == GW_TERM_DEAD_LETTERED ? 3
           : term == GW_TERM_DISCARDED   ? 2
           : term == GW_TERM_EXPIRED     ? 1
                                         : 0;
}

static uint32_t worse(uint32_t a, uint32_t b)
{
    return weight(a) >= weight(b) ? a : b;
}

static void end_record(uint32_t route, uint64_t sequence, uint32_t term)
{
    struct sim_book *b = &sim.books[route];
    struct sim_record *r = &b->records[sequence], *first = r - r->index;
    first->event_worst = worse(first->event_worst, term);
    if (--first->records_left == 0) {
        b->ledger.stored--;
        b->ledger.ended[first->event_worst]++;
    }
}

static void settle(uint32_t route, uint64_t sequence, uint32_t sink, uint32_t term)
{
    const struct sim_route_plan *plan = &sim.plan.routes[route];
    struct sim_record *r = sim_record_at(route, sequence);
    if (!r || r->legs[sink].settled)
        return;
    r->legs[sink].settled = true;
    r->legs[sink].term = term;
    r->worst = worse(r->worst, term);
    r->left--;
    if (plan->any && term == GW_TERM_DELIVERED) {
        for (uint32_t k = 0; k < plan->sinks; k++)
            r->legs[k].settled = true;
        r->left = 0;
        r->worst = GW_TERM_DELIVERED;
    }
    if (!r->left)
        end_record(route, sequence, r->worst);
}

void sim_books_close(uint32_t route)
{
    struct sim_book *b = &sim.books[route];
    for (uint64_t s = 0; s < b->end; s++)
        for (uint32_t k = 0; b->records[s].kept && k < sim.plan.routes[route].sinks; k++)
            settle(route, s, k, GW_TERM_DISCARDED);
}

/* ---- what the core hands over -------------------------------------------------------------------
 */

bool sim_may_refuse(uint32_t route, const struct sim_leg *leg)
{
    const struct sim_route_plan *plan = &sim.plan.routes[route];
    return leg->rejects || (plan->max_attempts && leg->modifies >= plan->max_attempts) ||
           (plan->poison_after && leg->kills >= plan->poison_after);
}

static void check_settle(uint32_t route, uint32_t sink, const struct gw_settled *item)
{
    const struct sim_route_plan *plan = &sim.plan.routes[route];
    struct sim_record *r = sim_record_at(route, item->sequence);
    struct sim_leg *leg = r ? &r->legs[sink] : NULL;
    bool buries = plan->on_error == GW_ON_ERROR_RETRY && plan->dead_letter;
    if (!leg)
        sim_fail("r%uk%u: settles %llu, which nobody stored", route, sink, U64(item->sequence));
    else if (item->term == GW_TERM_DELIVERED && !leg->accepts)
        sim_fail("r%uk%u: %llu (m%u) counts as delivered, and the peer never said so", route, sink,
                 U64(item->sequence), r->message);
    else if (item->term == GW_TERM_EXPIRED && !sim.plan.jumps &&
             (!r->expires_us || r->expires_us > gw_wall_us(NULL)))
        sim_fail("r%uk%u: %llu (m%u) counts as expired before its time", route, sink,
                 U64(item->sequence), r->message);
    else if (item->term == GW_TERM_DISCARDED && (!sim_may_refuse(route, leg) || buries))
        sim_fail("r%uk%u: %llu (m%u) is discarded without a reason", route, sink,
                 U64(item->sequence), r->message);
    else if (leg->out)
        sim_fail("r%uk%u: %llu (m%u) is settled while the peer has it", route, sink,
                 U64(item->sequence), r->message);
}

static void check_bury(uint32_t route, const struct gw_store_bury *op)
{
    if (op->sink == UINT32_MAX)
        return;
    struct sim_record *r = sim_record_at(route, op->sequence);
    if (!r)
        sim_fail("r%uk%u: buries %llu, which nobody stored", route, op->sink, U64(op->sequence));
    else if (!sim_may_refuse(route, &r->legs[op->sink]))
        sim_fail("r%uk%u: %llu (m%u) becomes a dead letter without a reason: %s", route, op->sink,
                 U64(op->sequence), r->message, op->reason);
}

void sim_saw_submit(struct gw_store_op *op)
{
    if (op->kind == GW_OP_SETTLE) {
        const struct gw_store_settle *s = (const struct gw_store_settle *)(const void *)op;
        for (uint32_t i = 0; i < s->count; i++)
            check_settle(route_of(s->log), s->sink, &s->items[i]);
    } else if (op->kind == GW_OP_BURY) {
        const struct gw_store_bury *b = (const struct gw_store_bury *)(const void *)op;
        check_bury(route_of(b->log), b);
    }
}

/* ---- what was committed
 * -------------------------------------------------------------------------- */

static bool copy_of(const struct gw_record *record, uint32_t *ret_message, uint32_t *ret_part,
                    uint32_t *ret_copy)
{
    const struct mg_message *m = &record->message;
    if (!sim_parse(m->payload, ret_message, ret_part))
        return false;
    for (size_t i = 0; i < m->property_count; i++) {
        if (m->properties[i].name.len == 4 && !memcmp(m->properties[i].name.at, "copy", 4)) {
            *ret_copy = (uint32_t)m->properties[i].value.as.u;
            return *ret_copy < sim.message_count && sim.messages[*ret_copy].ident == *ret_message;
        }
    }
    return false;
}

static void decode(const void *bytes, size_t length, struct sim_record *r, uint32_t *ret_copy)
{
    struct gw_record_room room = {0};
    struct gw_record record;
    struct mg_err err = {{0}, NULL};
    if (gw_record_decode(bytes, length, &room, &record, &err))
        sim_fail("a record cannot be decoded: %s", err.text);
    else if (!copy_of(&record, &r->message, &r->part, ret_copy))
        sim_fail("a record of an event that nobody sent");
    else
        r->expires_us = record.expires_us;
    gw_record_room_fini(&room);
}

/* The first time that a copy gets there: after those of its key that its source gave before. */
static void check_source_order(uint32_t route, uint32_t copy)
{
    struct sim_book *b = &sim.books[route];
    const struct sim_message *m = &sim.messages[copy];
    const struct sim_route_plan *p = &sim.plan.routes[route];
    uint32_t *newest = &b->newest[m->source][m->key];
    if (b->known[copy] || (p->waits && m->retries && p->max_attempts))
        return; /* its step may have given it up, and now not */
    if (copy + 1 < *newest && !m->returned)
        sim_fail("r%u: copy %u of key%u is stored after copy %u", route, copy, m->key, *newest - 1);
    if (copy + 1 > *newest)
        *newest = copy + 1;
}

static void saw_append(struct gw_store_append *op)
{
    uint32_t route = route_of(op->log), copy = 0;
    struct sim_book *b = &sim.books[route];
    const struct sim_route_plan *plan = &sim.plan.routes[route];
    struct sim_record probe = {0};
    decode(op->records[0], op->lengths[0], &probe, &copy);
    b->ledger.received++;
    if (op->duplicate) {
        b->ledger.ended[GW_TERM_DUPLICATE]++;
        sim_note("kept r%u copy %u: a duplicate", route, copy);
        if (!b->identified[probe.message])
            sim_fail("r%u: copy %u is a duplicate of nothing", route, copy);
        b->known[copy] |= SIM_DUPLICATE;
        return;
    }
    sim_note("kept r%u copy %u as %llu (%zu)", route, copy, U64(op->first_sequence), op->count);
    if (sim_dedups_all(route) && b->identified[probe.message])
        sim_fail("r%u: m%u is stored a second time in spite of dedup", route, probe.message);
    check_source_order(route, copy);
    b->known[copy] |= SIM_KEPT;
    b->identified[probe.message] = true;
    b->ledger.stored++;
    for (uint32_t i = 0; i < op->count; i++) {
        struct sim_record *r = new_record(route, op->first_sequence + i);
        uint32_t same;
        *r = (struct sim_record){.kept = true,
                                 .key = sim.messages[copy].key,
                                 .parts = (uint32_t)op->count,
                                 .index = i,
                                 .left = plan->sinks,
                                 .records_left = (uint32_t)op->count};
        decode(op->records[i], op->lengths[i], r, &same);
    }
    for (uint32_t i = 0; i < op->count; i++)
        for (uint32_t k = 0; k < plan->sinks; k++)
            if (op->refused >> k & 1)
                settle(route, op->first_sequence + i, k, GW_TERM_DISCARDED);
}

static void saw_settle(const struct gw_store_settle *op)
{
    uint32_t route = route_of(op->log);
    for (uint32_t i = 0; i < op->count; i++) {
        sim_note("settled r%uk%u %llu: %u", route, op->sink, U64(op->items[i].sequence),
                 op->items[i].term);
        settle(route, op->items[i].sequence, op->sink, op->items[i].term);
    }
}

static void saw_bury(const struct gw_store_bury *op)
{
    uint32_t route = route_of(op->log), copy = 0;
    struct sim_book *b = &sim.books[route];
    struct sim_record probe = {0};
    if (op->sink != UINT32_MAX) {
        sim_note("buried r%uk%u %llu: %s", route, op->sink, U64(op->sequence), op->reason);
        settle(route, op->sequence, op->sink, GW_TERM_DEAD_LETTERED);
        return;
    }
    decode(op->record, op->record_length, &probe, &copy);
    sim_note("buried r%u copy %u: %s", route, copy, op->reason);
    b->known[copy] |= SIM_BURIED;
    b->ledger.received++;
    b->ledger.ended[GW_TERM_DEAD_LETTERED]++;
}

static void saw_count(const struct gw_store_count *op)
{
    struct gw_store_ledger *l = &sim.books[route_of(op->log)].ledger;
    for (uint32_t t = 0; t < GW_TERMS; t++) {
        l->ended[t] += op->ended[t];
        l->received += op->ended[t];
    }
    l->retries += op->retries;
}

void sim_saw_commit(struct gw_store_op *op)
{
    switch (op->kind) {
    case GW_OP_APPEND:
        saw_append((struct gw_store_append *)(void *)op);
        break;
    case GW_OP_SETTLE:
        saw_settle((const struct gw_store_settle *)(const void *)op);
        break;
    case GW_OP_BURY:
        saw_bury((const struct gw_store_bury *)(const void *)op);
        break;
    case GW_OP_COUNT:
        saw_count((const struct gw_store_count *)(const void *)op);
        break;
    case GW_OP_NOTE: {
        const struct gw_store_note *n = (const struct gw_store_note *)(const void *)op;
        struct sim_record *r = sim_record_at(route_of(n->log), n->sequence);
        if (r)
            r->legs[n->sink].notes = n->attempts;
        break;
    }
    default:
        break;
    }
}

/* ---- what the store shows
 * ------------------------------------------------------------------------- */

static void check_gap(uint32_t route, uint32_t sink, uint64_t from, uint64_t to)
{
    for (uint64_t s = from; s < to && !sim_route_drops(route); s++) {
        const struct sim_record *r = sim_record_at(route, s);
        if (r && !r->legs[sink].settled)
            sim_fail("r%uk%u: reading passes over %llu (m%u), which the sink misses", route, sink,
                     U64(s), r->message);
    }
}

void sim_saw_shown(uint32_t route, uint32_t sink, uint64_t next, const struct gw_stored *stored)
{
    const struct sim_book *b = &sim.books[route];
    if (!stored) {
        check_gap(route, sink, next, b->end);
        return;
    }
    uint64_t sequence = stored->record.sequence;
    const struct sim_record *r = sim_record_at(route, sequence);
    uint32_t message, part, copy;
    check_gap(route, sink, next, sequence);
    if (!r || sequence < next) {
        sim_fail("r%uk%u: reading from %llu shows %llu", route, sink, U64(next), U64(sequence));
        return;
    }
    const struct sim_leg *leg = &r->legs[sink];
    if (!copy_of(&stored->record, &message, &part, &copy) || message != r->message ||
        part != r->part)
        sim_fail("r%uk%u: %llu is shown with other bytes than were stored", route, sink,
                 U64(sequence));
    else if (leg->settled && !sim_route_drops(route))
        sim_fail("r%uk%u: %llu is shown although it is settled", route, sink, U64(sequence));
    else if (stored->attempts != leg->notes)
        sim_fail("r%uk%u: %llu has %u attempts in the store, and %u were noted", route, sink,
                 U64(sequence), stored->attempts, leg->notes);
    else if (leg->kills && !stored->deaths && !leg->unsure)
        sim_fail("r%uk%u: %llu (m%u) was in hand at a kill, and the store does not know", route,
                 sink, U64(sequence), r->message);
    else if (stored->deaths > leg->kills && !leg->settled && !leg->unsure)
        sim_fail("r%uk%u: %llu (m%u) was in hand at %u kills, and the store says %u", route, sink,
                 U64(sequence), r->message, leg->kills, stored->deaths);
}
