/* SPDX-License-Identifier: Apache-2.0 */
/* A table of deliveries and its free places. */
#include "amqp_slots.h"
#include <stdlib.h>

void amqp_slots_fini(struct amqp_slots *s)
{
    free(s->at);
    free(s->free);
    *s = (struct amqp_slots){.generation = s->generation};
}

static bool widen(struct amqp_slots *s)
{
    uint32_t room = s->room ? s->room * 2 : 64;
    pn_delivery_t **at = realloc(s->at, room * sizeof(*at));
    if (at)
        s->at = at;
    uint32_t *places = at ? realloc(s->free, room * sizeof(*places)) : NULL;
    if (!places)
        return false;
    s->free = places;
    for (uint32_t i = room; i-- > s->room;) {
        s->at[i] = NULL;
        s->free[s->free_count++] = i;
    }
    s->room = room;
    return true;
}

uint64_t amqp_slots_add(struct amqp_slots *s, pn_delivery_t *delivery)
{
    if (s->free_count == 0 && !widen(s))
        return 0;
    uint32_t slot = s->free[--s->free_count];
    s->at[slot] = delivery;
    return (uint64_t)s->generation << 32 | (slot + 1);
}

bool amqp_slots_hold(const struct amqp_slots *s, uint64_t cookie)
{
    uint32_t slot = (uint32_t)cookie - 1;
    return cookie >> 32 == s->generation && slot < s->room && s->at[slot];
}

pn_delivery_t *amqp_slots_take(struct amqp_slots *s, uint64_t cookie)
{
    uint32_t slot = (uint32_t)cookie - 1;
    if (!amqp_slots_hold(s, cookie))
        return NULL;
    pn_delivery_t *delivery = s->at[slot];
    s->at[slot] = NULL;
    s->free[s->free_count++] = slot;
    return delivery;
}

void amqp_slots_forget(struct amqp_slots *s)
{
    s->generation++;
    s->free_count = s->room;
    for (uint32_t i = 0; i < s->room; i++) {
        s->at[i] = NULL;
        s->free[i] = i;
    }
}
