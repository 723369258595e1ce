/* SPDX-License-Identifier: Apache-2.0 */
/* The durable state of the simulated bridge: for some events an entry that has to be kept no later
 * than their acknowledgement, and goes again some time after it. */
#include "sim.h"
#include <stdio.h>
#include <string.h>

enum { ENTRY_KEPT = 1, ENTRY_GOING = 2, ENTRY_GONE = 4 };

static size_t key_of(uint32_t copy, char *buffer, size_t size)
{
    return (size_t)snprintf(buffer, size, "i%u", copy);
}

int sim_state_ingest(struct sim_source *s, const struct mg_message *message, uint64_t cookie,
                     uint32_t copy)
{
    char key[16];
    size_t n = key_of(copy, key, sizeof key);
    struct sim_message *m = &sim.messages[copy];
    m->entry = 0;
    m->has_entry = true;
    m->entry_epoch = (uint32_t)(cookie >> 32);
    sim_note("state of copy %u comes with it", copy);
    return sim.gateway->host.ingest_state(s->link->connection, s->handle, message, cookie,
                                          (struct mg_bytes){key, n}, (struct mg_bytes){"v", 1});
}

struct removal {
    struct sim_link *link;
    uint32_t copy;
};

static void removed(void *arg)
{
    struct sim_message *m = arg;
    sim_note("state of copy %u is gone", (uint32_t)(m - sim.messages));
    if (m->entry & ENTRY_GOING)
        m->entry = m->in_gateway ? 0 : ENTRY_GONE; /* what is still there may bring it back */
}

static void remove_shard(void *arg)
{
    struct removal *r = arg;
    struct sim_message *m = &sim.messages[r->copy];
    char key[16];
    size_t n = key_of(r->copy, key, sizeof key);
    m->entry |= ENTRY_GOING;
    sim_note("state of copy %u is to go", r->copy);
    int error = sim.gateway->host.state_put(r->link->connection, (struct mg_bytes){key, n},
                                            (struct mg_bytes){NULL, 0}, removed, m);
    if (error)
        sim_fail("state_put answered %d", error);
}

static void forget(void *arg, uint64_t copy)
{
    struct removal r = {arg, (uint32_t)copy};
    const struct sim_message *m = &sim.messages[copy];
    if (sim.gateway && r.link->up && (m->entry & ENTRY_KEPT) && !m->in_gateway)
        sim_on_shard(r.link->connection->shard, remove_shard, &r);
}

void sim_state_answered(struct sim_source *s, uint64_t cookie, uint32_t outcome)
{
    (void)s;
    uint32_t copy = (uint32_t)cookie - 1;
    struct sim_message *m = &sim.messages[copy];
    if (!m->has_entry || outcome != MG_ACCEPTED || m->entry || m->entry_epoch != cookie >> 32)
        return;
    m->entry = ENTRY_KEPT;
}

/* The peer knows, and will not send it again. */
void sim_state_over(struct sim_link *link, uint32_t copy)
{
    if (sim.messages[copy].has_entry && sim_chance(&sim.chance, 50))
        sim_after(sim_between(&sim.chance, 0, 500000), forget, link, copy);
}

/* ---- what is there when the gateway starts ----------------------------------------------------
 */

struct found {
    const struct sim_link *link;
    bool entries[SIM_MESSAGES];
};

static void note_entry(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    struct found *found = arg;
    char text[16];
    unsigned copy;
    snprintf(text, sizeof text, "%.*s", (int)(key.len < 15 ? key.len : 15), (const char *)key.at);
    if (sscanf(text, "i%u", &copy) != 1 || copy >= sim.message_count || value.len != 1)
        sim_fail("state of link %u that nobody kept: %s", found->link->number, text);
    else
        found->entries[copy] = true;
}

void sim_state_check(struct sim_link *link)
{
    static struct found found;
    found = (struct found){.link = link};
    int error = sim.gateway->host.state_each(link->connection, (struct mg_bytes){"i", 1},
                                             note_entry, &found);
    if (error)
        sim_fail("state_each answered %d", error);
    for (uint32_t i = 0; i < sim.message_count; i++) {
        struct sim_message *m = &sim.messages[i];
        m->in_gateway = 0;
        if (!m->has_entry || sim.sources[m->source].link != link)
            continue;
        if (m->entry == ENTRY_KEPT && !found.entries[i])
            sim_fail("the state kept with copy %u is lost", i);
        if (m->entry == ENTRY_GONE && found.entries[i])
            sim_fail("the state of copy %u is back", i);
    }
}
