/* SPDX-License-Identifier: Apache-2.0 */
/* A store full of everything, at random, and what has to be in it. */
#pragma once
#include "record_kit.h"
#include "store_rig.h"

enum { WORLD_LOGS = 3, WORLD_SINKS = 3 };

/* Fills the rig's store: logs with one to three sinks, records small and large, settled in and out
 * of order, noted, buried; archives, identities, state. */
void world_make(struct rig *rig, struct kit_random *random, uint32_t appends);
/* Opens rig's store with the logs that world_make gave it. */
void world_open(struct rig *rig);

/* What each sink misses: hashes of payloads, sorted. */
struct world_missing {
    uint64_t *items[WORLD_LOGS][WORLD_SINKS];
    size_t counts[WORLD_LOGS][WORLD_SINKS];
    uint64_t doubtful; /* of all that are marked so */
    uint64_t dead, archived, states;
};
void world_look(struct rig *rig, struct world_missing *ret);
void world_missing_fini(struct world_missing *missing);
/* How many of a are not in b. */
size_t world_lost(const struct world_missing *a, const struct world_missing *b);
