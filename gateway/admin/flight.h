/* SPDX-License-Identifier: Apache-2.0 */
/* Operations of the store that somebody waits for, and that outlive him if need be: the store's
 * thread ends each, whether or not anybody is still interested. */
#pragma once
#include "store/dead.h"

struct gw_flights;

/* wake is called from the store's thread for each that has landed.  NULL: out of memory. */
struct gw_flights *gw_flights_create(struct gw_store *store, void (*wake)(void *arg), void *arg);
/* No wake any more; frees now, or when the last has landed.  NULL is fine. */
void gw_flights_leave(struct gw_flights *flights);

/* Hands one action on a dead letter to the store; takes record (malloc's; NULL: none) on success.
 * 0 or -ENOMEM. */
int gw_flights_dead(struct gw_flights *flights, uint64_t id, uint32_t action, void *record,
                    size_t record_length);
size_t gw_flights_count(struct gw_flights *flights); /* on their way, or landed and not taken */

struct gw_landed {
    uint64_t id;
    int result; /* as in struct gw_store_dead_op, or -ECANCELED: the store was closed */
};
/* The next that has landed, if there is one. */
bool gw_flights_take(struct gw_flights *flights, struct gw_landed *ret_landed);
