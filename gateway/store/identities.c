/* SPDX-License-Identifier: Apache-2.0 */
/* A set of identities in memory: open addressing, at most three quarters full. */
#include "store/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* {0, 0} marks a free slot, so the identity of that value takes its neighbour's place. */
static void normal(const uint64_t identity[2], uint64_t ret[2])
{
    ret[0] = identity[0];
    ret[1] = identity[0] | identity[1] ? identity[1] : 1;
}

static size_t home(const struct gw_identities *set, const uint64_t identity[2])
{
    return (identity[0] ^ identity[1] * UINT64_C(0x9e3779b97f4a7c15)) >> 7 & (set->capacity - 1);
}

static bool is_free(const uint64_t slot[2])
{
    return !(slot[0] | slot[1]);
}

/* Where it is, or where it would go. */
static size_t place(const struct gw_identities *set, const uint64_t identity[2])
{
    size_t at = home(set, identity);
    while (!is_free(set->slots[at]) &&
           (set->slots[at][0] != identity[0] || set->slots[at][1] != identity[1]))
        at = (at + 1) & (set->capacity - 1);
    return at;
}

bool gw_identities_has(const struct gw_identities *set, const uint64_t identity[2])
{
    uint64_t i[2];
    normal(identity, i);
    return set->count && !is_free(set->slots[place(set, i)]);
}

static int grow(struct gw_identities *set)
{
    struct gw_identities more = {.capacity = set->capacity ? set->capacity * 2 : 64};
    more.slots = calloc(more.capacity, sizeof *more.slots);
    if (!more.slots)
        return ENOMEM;
    for (size_t i = 0; i < set->capacity; i++)
        if (!is_free(set->slots[i]))
            memcpy(more.slots[place(&more, set->slots[i])], set->slots[i], sizeof *more.slots);
    more.count = set->count;
    free(set->slots);
    *set = more;
    return 0;
}

int gw_identities_add(struct gw_identities *set, const uint64_t identity[2])
{
    uint64_t i[2];
    normal(identity, i);
    if (set->count >= set->capacity / 4 * 3) {
        int rc = grow(set);
        if (rc)
            return rc;
    }
    size_t at = place(set, i);
    set->count += is_free(set->slots[at]);
    memcpy(set->slots[at], i, sizeof i);
    return 0;
}

void gw_identities_remove(struct gw_identities *set, const uint64_t identity[2])
{
    uint64_t i[2];
    normal(identity, i);
    size_t mask = set->capacity - 1;
    size_t hole = set->count ? place(set, i) : 0;
    if (!set->count || is_free(set->slots[hole]))
        return;
    set->count--;
    /* Those behind move up where their way from home leads through the hole. */
    for (size_t at = (hole + 1) & mask; !is_free(set->slots[at]); at = (at + 1) & mask) {
        size_t distance = (at - home(set, set->slots[at])) & mask;
        if (distance < ((at - hole) & mask))
            continue;
        memcpy(set->slots[hole], set->slots[at], sizeof *set->slots);
        hole = at;
    }
    memset(set->slots[hole], 0, sizeof *set->slots);
}

void gw_identities_fini(struct gw_identities *set)
{
    free(set->slots);
    *set = (struct gw_identities){0};
}
