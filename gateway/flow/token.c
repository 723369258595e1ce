/* SPDX-License-Identifier: Apache-2.0 */
/* Obligations as tokens: shard (8 bits), generation (32), place in the table (24).  A place that is
 * freed gets a new generation, so a token is good once. */
#include "flow/internal.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>

enum { PLACE_BITS = 24, FIRST_SLOTS = 256 };

uint32_t gw_token_shard(mg_token token)
{
    return (uint32_t)(token >> 56);
}

static int grow(mg_shard *shard)
{
    uint32_t capacity = shard->slot_capacity ? shard->slot_capacity * 2 : FIRST_SLOTS;
    if (capacity > 1u << PLACE_BITS)
        return -ENOMEM;
    struct gw_slot *slots = realloc(shard->slots, capacity * sizeof *slots);
    if (!slots)
        return -ENOMEM;
    shard->slots = slots;
    shard->slot_capacity = capacity;
    return 0;
}

int gw_token_new_shard(mg_shard *shard, void *object,
                       void (*settled)(mg_shard *, void *object, uint32_t outcome,
                                       const char *reason),
                       mg_token *ret_token)
{
    uint32_t place = shard->free_slot;
    if (place != UINT32_MAX) {
        shard->free_slot = shard->slots[place].next_free;
    } else {
        if (shard->slot_count == shard->slot_capacity) {
            int error = grow(shard);
            if (error)
                return error;
        }
        place = shard->slot_count++;
        shard->slots[place].generation = 1; /* so that no token is 0 */
    }
    struct gw_slot *slot = &shard->slots[place];
    slot->object = object;
    slot->settled = settled;
    *ret_token = (mg_token)shard->index << 56 | (mg_token)slot->generation << PLACE_BITS | place;
    return 0;
}

static struct gw_slot *find(mg_shard *shard, mg_token token)
{
    uint32_t place = token & ((1u << PLACE_BITS) - 1);
    if (place >= shard->slot_count || gw_token_shard(token) != shard->index)
        return NULL;
    struct gw_slot *slot = &shard->slots[place];
    return slot->object && slot->generation == (uint32_t)(token >> PLACE_BITS) ? slot : NULL;
}

void *gw_token_object_shard(mg_shard *shard, mg_token token)
{
    struct gw_slot *slot = token ? find(shard, token) : NULL;
    return slot ? slot->object : NULL;
}

void gw_token_free_shard(mg_shard *shard, mg_token token)
{
    struct gw_slot *slot = find(shard, token);
    assert(slot);
    slot->object = NULL;
    if (++slot->generation == 0)
        slot->generation = 1;
    slot->next_free = shard->free_slot;
    shard->free_slot = (uint32_t)(slot - shard->slots);
}
