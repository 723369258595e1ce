/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of an outlet share: a stored route's lane and the store behind it. */
#pragma once
#include "flow/internal.h"

/* Of one lane's legs in memory; how many legs, says gw_gateway.lane_most.  Whichever is reached
 * first: the rest waits in the store. */
enum { GW_BYTES_MOST = 8 << 20 };

/* outlet.c */
void gw_outlet_take_shard(struct mg_sink *sink, struct gw_leg *leg, bool again);
/* Those that were offered during a read. */
void gw_outlet_take_late_shard(struct mg_sink *sink);

/* outlet_settled.c: the leg is in no list.  It may be gone when these return. */
void gw_outlet_leave_shard(struct mg_sink *sink, struct gw_leg *leg); /* nothing is owed for it */
/* It can never be sent: a dead letter, discarded, or the route pauses, as the route says. */
void gw_outlet_refuse_shard(struct mg_sink *sink, struct gw_leg *leg, const char *step,
                            const char *reason);

/* outlet_record.c: a passage that begins in the store, with this one leg; NULL: out of memory. ANY.
 */
struct gw_leg *gw_outlet_leg(struct mg_sink *sink, const struct gw_stored *stored);

/* outlet_read.c: reads on where there is room and something to read. */
void gw_outlet_read_shard(struct mg_sink *sink);

/* outlet_keys.c */
/* A key whose records from `from` on are in the store alone. */
struct gw_spilled {
    uint64_t key, from;
    struct gw_spilled *next;
};
/* false: it stands behind another leg of its key. */
bool gw_keys_enter(struct gw_outlet *outlet, struct gw_leg *leg);
/* The first of its key goes; the one behind it, if any, is the first now, and is returned. */
struct gw_leg *gw_keys_leave(struct gw_outlet *outlet, struct gw_leg *leg);
bool gw_keys_has(const struct gw_outlet *outlet, uint64_t key);
struct gw_spilled *gw_keys_spilled(const struct gw_outlet *outlet,
                                   uint64_t key); /* NULL: it is not */
void gw_keys_unspill(struct gw_outlet *outlet, struct gw_spilled *spilled);
void gw_keys_spill_held(struct gw_outlet *outlet);
