/* SPDX-License-Identifier: Apache-2.0 */
/* Which sequences a sink has settled beyond its cursor: a bit each, in places of 512. */
#include "store/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct gw_place *gw_places_at(struct gw_places *places, uint64_t place)
{
    if (place < places->base || place - places->base >= places->count)
        return NULL;
    return &places->items[places->head + (size_t)(place - places->base)];
}

bool gw_places_has(const struct gw_places *places, uint64_t sequence)
{
    uint64_t place = sequence / PLACE_BITS;
    if (place < places->base || place - places->base >= places->count)
        return false;
    const struct gw_place *p = &places->items[places->head + (size_t)(place - places->base)];
    return p->bits[sequence % PLACE_BITS / 64] >> sequence % 64 & 1;
}

/* Room for `count` places behind head. */
static int make_room(struct gw_places *places, size_t count)
{
    if (places->head && places->head + count > places->capacity) {
        memmove(places->items, places->items + places->head, places->count * sizeof *places->items);
        places->head = 0;
    }
    if (count <= places->capacity)
        return 0;
    size_t capacity = count + count / 2 + 2;
    struct gw_place *more = realloc(places->items, capacity * sizeof *more);
    if (!more)
        return ENOMEM;
    places->items = more;
    places->capacity = capacity;
    return 0;
}

int gw_places_set(struct gw_places *places, uint64_t sequence, uint64_t first)
{
    uint64_t place = sequence / PLACE_BITS;
    if (!places->count)
        places->base = first / PLACE_BITS;
    if (place < places->base)
        return EINVAL; /* nobody settles what is before the cursor */
    if (place - places->base >= places->count) {
        size_t count = (size_t)(place - places->base) + 1;
        int rc = make_room(places, count);
        if (rc)
            return rc;
        memset(places->items + places->head + places->count, 0,
               (count - places->count) * sizeof *places->items);
        places->count = count;
    }
    struct gw_place *p = gw_places_at(places, place);
    p->bits[sequence % PLACE_BITS / 64] |= UINT64_C(1) << sequence % 64;
    p->dirty = true;
    if (places->dirty_first == places->dirty_end) {
        places->dirty_first = place;
        places->dirty_end = place + 1;
    } else {
        places->dirty_first = place < places->dirty_first ? place : places->dirty_first;
        places->dirty_end = place >= places->dirty_end ? place + 1 : places->dirty_end;
    }
    return 0;
}

int gw_places_set_range(struct gw_places *places, uint64_t from, uint64_t end, uint64_t first)
{
    int rc = 0;
    for (uint64_t sequence = from > first ? from : first; sequence < end && !rc; sequence++)
        rc = gw_places_set(places, sequence, first);
    return rc;
}

uint64_t gw_places_next_clear(const struct gw_places *places, uint64_t from, uint64_t end)
{
    while (from < end) {
        uint64_t place = from / PLACE_BITS;
        if (place < places->base || place - places->base >= places->count)
            return from;
        const struct gw_place *p = &places->items[places->head + (size_t)(place - places->base)];
        uint64_t clear = ~p->bits[from % PLACE_BITS / 64] >> from % 64;
        if (clear) {
            from += (uint64_t)__builtin_ctzll(clear);
            return from < end ? from : end;
        }
        from = (from / 64 + 1) * 64;
    }
    return end;
}

int gw_places_forget(struct gw_places *places, uint64_t place,
                     int (*gone)(void *arg, uint64_t place), void *arg)
{
    while (places->count && places->base < place) {
        if (places->items[places->head].on_disk) {
            int rc = gone(arg, places->base);
            if (rc)
                return rc;
        }
        places->base++;
        places->head++;
        places->count--;
    }
    if (!places->count)
        places->head = 0;
    return 0;
}

void gw_places_fini(struct gw_places *places)
{
    free(places->items);
    *places = (struct gw_places){0};
}
