/* SPDX-License-Identifier: Apache-2.0 */
/* An event that kills the process in a step comes again from its source, and would kill it for
 * ever. Which event was in a step is left behind by the dying process (gw_store_step); the next
 * life counts it, and after `poison_after` deaths the event becomes a dead letter before a step
 * sees it. */
#include "base/hash.h"
#include "flow/internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* An event that nobody sends again is remembered for ever, so there is a limit. */
enum { REMEMBERED_MOST = 1024, KEY_BYTES = 2 + 2 * sizeof(uint64_t) };

static const char prefix[] = "x"; /* of keys in the store: then NUL and the identity */

struct gw_poison {
    uint64_t identity[2];
    atomic_uint deaths; /* 0: it has survived */
};

struct poison_op {
    struct gw_store_state state; /* first */
    char key[KEY_BYTES];
    uint32_t deaths;
};

static void free_op(struct gw_store_op *op)
{
    free(op);
}

/* deaths 0: forgets it. */
static void keep(struct gw_store *store, const uint64_t identity[2], uint32_t deaths)
{
    struct poison_op *op = malloc(sizeof *op);
    if (!op)
        return; /* it will have to kill once more */
    op->deaths = deaths;
    memcpy(op->key, prefix, sizeof prefix);
    memcpy(op->key + sizeof prefix, identity, 2 * sizeof identity[0]);
    op->state = (struct gw_store_state){.op = {.kind = GW_OP_STATE, .done = free_op},
                                        .key = {op->key, KEY_BYTES}};
    if (deaths)
        op->state.value = (struct mg_bytes){&op->deaths, sizeof op->deaths};
    gw_store_submit(store, &op->state.op, &op->state.op);
}

static struct gw_poison *find(struct gw_gateway *g, const uint64_t identity[2])
{
    for (size_t i = 0; i < g->poison_count; i++)
        if (g->poison[i].identity[0] == identity[0] && g->poison[i].identity[1] == identity[1])
            return &g->poison[i];
    return NULL;
}

static void load_entry(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    struct gw_gateway *g = arg;
    uint32_t deaths;
    if (key.len != KEY_BYTES || value.len != sizeof deaths || g->poison_count == REMEMBERED_MOST)
        return;
    struct gw_poison *entry = &g->poison[g->poison_count++];
    memcpy(entry->identity, (const char *)key.at + sizeof prefix, sizeof entry->identity);
    memcpy(&deaths, value.at, sizeof deaths);
    atomic_init(&entry->deaths, deaths);
}

static void count_death(struct gw_gateway *g, const uint64_t identity[2])
{
    struct gw_poison *entry = find(g, identity);
    char deaths[16];
    if (!entry) {
        if (g->poison_count == REMEMBERED_MOST)
            return;
        entry = &g->poison[g->poison_count++];
        memcpy(entry->identity, identity, sizeof entry->identity);
        atomic_init(&entry->deaths, 0);
    }
    uint32_t n = atomic_fetch_add(&entry->deaths, 1) + 1;
    snprintf(deaths, sizeof deaths, "%" PRIu32, n);
    gw_log(MG_WARN, "the process ended while a step had an event", "times", deaths, NULL);
    keep(g->store, entry->identity, n);
}

int gw_poison_load(struct gw_gateway *g)
{
    g->poison = calloc(REMEMBERED_MOST, sizeof *g->poison);
    if (!g->poison)
        return -ENOMEM;
    int error =
        gw_store_state_each(g->store, (struct mg_bytes){prefix, sizeof prefix}, load_entry, g);
    for (uint32_t i = 0; i < g->shard_count && !error; i++) {
        uint64_t identity[2];
        gw_store_was_in_step(g->store, i, identity);
        if (identity[0] || identity[1])
            count_death(g, identity);
    }
    return error;
}

void gw_poison_identity(const mg_event *event, uint64_t number, uint64_t ret_identity[2])
{
    struct gw_hash128 payload = gw_hash128(event->payload.at, event->payload.len);
    uint64_t mixed[] = {payload.low, payload.high,
                        gw_hash64(event->head.address.at, event->head.address.len), number};
    struct gw_hash128 identity = gw_hash128(mixed, sizeof mixed);
    ret_identity[0] = identity.low;
    ret_identity[1] = identity.high;
}

uint32_t gw_poison_deaths(struct gw_gateway *g, const uint64_t identity[2])
{
    struct gw_poison *entry = g->poison_count ? find(g, identity) : NULL;
    return entry ? atomic_load(&entry->deaths) : 0;
}

void gw_poison_forget(struct gw_gateway *g, const uint64_t identity[2])
{
    struct gw_poison *entry = g->poison_count ? find(g, identity) : NULL;
    if (entry && atomic_exchange(&entry->deaths, 0))
        keep(g->store, identity, 0);
}

bool gw_poison_stops_shard(struct gw_passage *p, uint32_t deaths_in_company)
{
    struct gw_gateway *g = p->route->gateway;
    int64_t most = p->route->config->delivery.poison_after;
    uint32_t deaths = deaths_in_company;
    if (p->route->stored) {
        gw_poison_identity(p->origin, gw_store_log_number(p->route->log), p->poison_identity);
        uint32_t alone = gw_poison_deaths(g, p->poison_identity);
        deaths = alone > deaths ? alone : deaths;
        if (!most || deaths < (uint64_t)most)
            return false;
        /* Who sends it again out of the dead letters means it. */
        gw_poison_forget(g, p->poison_identity);
    }
    char text[100];
    snprintf(text, sizeof text, "poison: in a step at %" PRIu32 " ends of the process", deaths);
    gw_passage_reject_shard(p, "steps", text);
    return true;
}
