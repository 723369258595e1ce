/* SPDX-License-Identifier: Apache-2.0 */
/* The peers that events come from.  Each is a queue of a broker: what a gateway was given and has
 * not acknowledged comes again, in its order, when the connection or the gateway is a new one. */
#include "sim.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH_MOST = 12 };

/* ---- messages ------------------------------------------------------------------------------- */

static struct sim_message invent(uint32_t number)
{
    struct sim_random *r = &sim.chance;
    const struct sim_plan *p = &sim.plan;
    if (number && sim_chance(r, p->twin_percent)) {
        uint32_t back = 1 + sim_below(r, number < 20 ? number : 20);
        struct sim_message twin = sim.messages[sim.messages[number - back].ident];
        twin.state = SIM_NEW;
        twin.offers = 0;
        twin.returned = twin.has_entry = false;
        return twin;
    }
    struct sim_message m = {
        .source = p->routes[sim_below(r, p->route_count)].source,
        .key = sim_below(r, p->keys),
        .ident = number,
        .parts = sim_chance(r, 30) ? 2 + sim_below(r, SIM_PARTS - 1) : 1,
        .drops = sim_chance(r, 5),
        .rejects = sim_chance(r, 5),
        .waits = sim_chance(r, 20),
        .retries = sim_chance(r, 10),
    };
    for (uint32_t i = 0; i < SIM_ROUTES * SIM_SINKS; i++) {
        m.refused_by |= (uint32_t)sim_chance(r, p->reject_percent) << i;
        m.huge_for |= (uint32_t)sim_chance(r, p->huge_percent) << i;
    }
    if (sim_chance(r, p->expiry_percent))
        m.expires_us = gw_wall_us(NULL) + sim_between(r, 1000, 2000000);
    return m;
}

static void produce(void *arg, uint64_t left)
{
    (void)arg;
    uint32_t batch = 1 + sim_below(&sim.chance, 8);
    for (; batch && left; batch--, left--) {
        uint32_t number = sim.message_count;
        sim.messages[number] = invent(number);
        sim.message_count++;
        sim_source_pump_soon(&sim.sources[sim.messages[number].source]);
    }
    if (left)
        sim_after(sim_between(&sim.chance, 0, sim.plan.produce_us), produce, NULL, left);
}

void sim_produce_begin(void)
{
    sim_after(0, produce, NULL, sim.plan.messages);
}

bool sim_sources_done(void)
{
    if (sim.message_count < sim.plan.messages)
        return false;
    for (uint32_t i = 0; i < sim.message_count; i++)
        if (sim.messages[i].state == SIM_NEW || sim.messages[i].state == SIM_SENT)
            return false;
    return true;
}

bool sim_parse(struct mg_bytes payload, uint32_t *ret_message, uint32_t *ret_part)
{
    char text[32];
    unsigned message, part;
    snprintf(text, sizeof text, "%.*s", (int)(payload.len < 31 ? payload.len : 31),
             (const char *)payload.at);
    if (sscanf(text, "m%u/%u", &message, &part) != 2 || message >= sim.message_count ||
        part >= SIM_PARTS)
        return false;
    *ret_message = message;
    *ret_part = part;
    return true;
}

/* ---- handing over --------------------------------------------------------------------------- */

struct texts {
    char address[24], payload[24], id[24];
    struct mg_property properties[2];
};

static struct mg_message message_of(uint32_t number, struct texts *t)
{
    const struct sim_message *m = &sim.messages[number];
    int a = snprintf(t->address, sizeof t->address, "in%u/key%u", m->source, m->key);
    int p = snprintf(t->payload, sizeof t->payload, "m%u/0", m->ident);
    int i = snprintf(t->id, sizeof t->id, "id-%u", m->ident);
    t->properties[0] = (struct mg_property){
        .name = {"copy", 4}, .value = {.type = MG_UINT, .width = 32, .as.u = number}};
    t->properties[1] = (struct mg_property){
        .name = {"ident", 5}, .value = {.type = MG_TEXT, .as.text = {t->id, (size_t)i}}};
    struct mg_message message = {
        .head = {.size = sizeof message.head,
                 .address = {t->address, (size_t)a},
                 .message_id = {.type = MG_TEXT, .as.text = {t->id, (size_t)i}}},
        .payload = {t->payload, (size_t)p},
        .properties = t->properties,
        .property_count = 2,
    };
    if (m->expires_us) {
        message.head.present |= MG_HAS_EXPIRY;
        message.head.expires_us = m->expires_us;
    }
    return message;
}

static int hand_over(struct sim_source *s, uint32_t number)
{
    const struct mg_host *host = &sim.gateway->host;
    mg_connection *c = s->link->connection;
    struct texts t;
    struct mg_message message = message_of(number, &t);
    uint64_t cookie = (uint64_t)s->epoch << 32 | (number + 1);
    if (sim_chance(&sim.chance, sim.messages[number].has_entry ? 100 : 10))
        return sim_state_ingest(s, &message, cookie, number);
    if (sim_chance(&sim.chance, 80))
        return host->ingest(c, s->handle, &message, cookie);
    mg_event *event = host->event_new(&message);
    int error = event ? host->ingest_event(c, s->handle, event, cookie) : -EAGAIN;
    if (error)
        host->event_unref(event);
    return error;
}

static void pump(void *arg)
{
    struct sim_source *s = arg;
    uint32_t left = 1 + sim_below(&sim.chance, BATCH_MOST);
    for (uint32_t i = 0; i < sim.message_count && left && s->credit; i++) {
        struct sim_message *m = &sim.messages[i];
        if (m->source != s->number || m->state != SIM_NEW)
            continue;
        m->state = SIM_SENT; /* it may be answered before ingest returns */
        m->in_gateway++;
        int error = hand_over(s, i);
        if (error) {
            m->state = SIM_NEW;
            m->in_gateway--;
            sim_fail("source %u: ingest answered %d although there was credit", s->number, error);
            return;
        }
        s->credit--;
        left--;
        m->offers++;
        sim_note("source %u gives m%u copy %u key%u%s", s->number, m->ident, i, m->key,
                 m->offers > 1 ? " again" : "");
    }
    if (!left)
        sim_source_pump_soon(s);
}

static void run_pump(void *arg, uint64_t number)
{
    struct sim_source *s = arg;
    (void)number;
    s->pump_planned = false;
    const struct sim_link *link = s->link;
    if (sim.gateway && link && link->up && !link->closing && !link->draining)
        sim_on_shard(link->connection->shard, pump, s);
}

void sim_source_pump_soon(struct sim_source *s)
{
    if (s->pump_planned)
        return;
    s->pump_planned = true;
    sim_after(sim_between(&sim.chance, 0, sim.plan.wire_us), run_pump, s, 0);
}

/* ---- acknowledgements ----------------------------------------------------------------------- */

struct sim_ack {
    struct sim_ack *next;
    uint32_t message, outcome;
    bool flushed;
};

void sim_source_answer(struct sim_source *s, uint64_t cookie, uint32_t outcome)
{
    uint32_t number = (uint32_t)cookie - 1;
    sim_note("source %u hears of copy %u: %u", s->number, number, outcome);
    sim_saw_ack(number, outcome);
    sim.messages[number].in_gateway--;
    sim_state_answered(s, cookie, outcome);
    /* At the end of a drain everything goes back, and keeps its order. */
    if (outcome != MG_ACCEPTED && (outcome == MG_REJECTED || !sim.drains))
        sim.messages[number].returned = true;
    if (cookie >> 32 != s->epoch)
        return; /* of a connection that is no more */
    struct sim_ack *ack = malloc(sizeof *ack);
    if (!ack)
        abort();
    *ack = (struct sim_ack){.message = number, .outcome = outcome};
    *s->link->last_ack = ack;
    s->link->last_ack = &ack->next;
}

static void take_first_ack(struct sim_link *link, bool arrives)
{
    struct sim_ack *ack = link->first_ack;
    struct sim_message *m = &sim.messages[ack->message];
    link->first_ack = ack->next;
    if (!link->first_ack)
        link->last_ack = &link->first_ack;
    if (arrives && m->state == SIM_SENT) {
        bool back = ack->outcome == MG_RELEASED || ack->outcome == MG_MODIFIED;
        m->state = ack->outcome == MG_ACCEPTED ? SIM_ACKED : back ? SIM_NEW : SIM_REFUSED;
        if (m->state == SIM_ACKED)
            sim_state_over(link, ack->message);
        if (back)
            sim_source_pump_soon(&sim.sources[m->source]);
    }
    free(ack);
}

static void ack_arrives(void *arg, uint64_t epoch)
{
    struct sim_link *link = arg;
    if (epoch == link->epoch && link->first_ack)
        take_first_ack(link, true);
}

void sim_source_flush(struct sim_link *link)
{
    for (struct sim_ack *ack = link->first_ack; ack; ack = ack->next) {
        if (ack->flushed)
            continue;
        ack->flushed = true;
        sim_after(sim_between(&sim.chance, 0, sim.plan.wire_us), ack_arrives, link, link->epoch);
    }
}

/* Some of what was on its way arrives all the same; then what was not answered comes again. */
void sim_source_lose(struct sim_link *link)
{
    bool arrives = true;
    while (link->first_ack) {
        arrives = arrives && link->first_ack->flushed && sim_chance(&sim.chance, 70);
        take_first_ack(link, arrives || link->closing);
    }
    for (uint32_t i = 0; i < sim.plan.source_count; i++)
        if (sim.sources[i].link == link)
            sim_source_reset(&sim.sources[i]);
}

void sim_source_reset(struct sim_source *s)
{
    s->epoch++;
    for (uint32_t i = 0; i < sim.message_count; i++)
        if (sim.messages[i].source == s->number && sim.messages[i].state == SIM_SENT)
            sim.messages[i].state = SIM_NEW;
}
