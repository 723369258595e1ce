/* SPDX-License-Identifier: Apache-2.0 */
/* A table of places with a list of the free ones; it grows by doubling. */
#include "flights.h"
#include <stdlib.h>
#include <string.h>

enum { FIRST = 64, MOST = 1 << 20 };

static bool grow(struct flights *f)
{
    uint32_t count = f->count ? f->count * 2 : FIRST;
    struct flight *places = count > MOST ? NULL : realloc(f->places, count * sizeof *places);
    if (!places)
        return false;
    memset(places + f->count, 0, (count - f->count) * sizeof *places);
    for (uint32_t i = f->count; i < count; i++)
        places[i].next_free = i + 1 < count ? i + 2 : 0;
    f->first_free = f->count + 1;
    f->places = places;
    f->count = count;
    return true;
}

uint64_t flights_add(struct flights *f, mg_token token)
{
    if (!f->first_free && !grow(f))
        return 0;
    struct flight *place = &f->places[f->first_free - 1];
    uint64_t cookie = (uint64_t)++place->generation << 32 | f->first_free;
    f->first_free = place->next_free;
    place->token = token;
    return cookie;
}

static mg_token take(struct flights *f, uint32_t index)
{
    struct flight *place = &f->places[index];
    mg_token token = place->token;
    if (token) {
        place->token = 0;
        place->next_free = f->first_free;
        f->first_free = index + 1;
    }
    return token;
}

mg_token flights_take(struct flights *f, uint64_t cookie)
{
    uint32_t place = (uint32_t)cookie;
    if (!place || place > f->count || f->places[place - 1].generation != (uint32_t)(cookie >> 32))
        return 0;
    return take(f, place - 1);
}

mg_token flights_take_any(struct flights *f)
{
    for (uint32_t i = 0; i < f->count; i++)
        if (f->places[i].token)
            return take(f, i);
    return 0;
}

void flights_fini(struct flights *f)
{
    free(f->places);
    *f = (struct flights){0};
}
