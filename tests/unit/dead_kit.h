/* SPDX-License-Identifier: Apache-2.0 */
/* A store in a folder of its own, with dead letters in it as a gateway would have buried them. */
#pragma once
#include "admin/operation.h"
#include "store/dead.h"

/* Two routes: "hot" to "out a/{x}" and "side b", with an archive; "cold" to "out c". */
struct dead_kit {
    char folder[64];
    bool manual;
    struct gw_store *store;
    struct gw_store_log *hot, *cold;
};

void dead_kit_open(struct dead_kit *kit, bool manual);
/* Closes and opens again, without its logs. */
void dead_kit_reopen(struct dead_kit *kit);
void dead_kit_close(struct dead_kit *kit); /* and removes the folder */

/* One event of route hot, kept; its first sequence. */
uint64_t dead_kit_append(struct dead_kit *kit, const char *address, const char *payload);
/* The event at that sequence refused by its sink; returns when it is kept. */
void dead_kit_bury(struct dead_kit *kit, uint32_t sink, uint64_t sequence, const char *reason);
/* `count` events of a route that died in a step. */
void dead_kit_bury_steps(struct dead_kit *kit, struct gw_store_log *log, size_t count,
                         const char *step, const char *reason);

/* Runs one request to its end, with a turn after each step, and returns its lines as an array. */
json_t *dead_kit_drive(struct gw_operation_target *target, void (*turn)(void *arg), void *arg,
                       const char *request);
/* The same on the kit's store. */
json_t *dead_kit_ask(struct dead_kit *kit, const char *request);
/* The member `name` of the end, -1 where there is none; of the first line, where not of a list. */
long dead_kit_count(const json_t *lines, const char *name);
const char *dead_kit_error(const json_t *lines); /* "": none */
