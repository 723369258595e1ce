/* SPDX-License-Identifier: Apache-2.0 */
/* Rows of the store as a walk of its file shows them. */
#pragma once
#include "store/check_walk.h"
#include "store/format.h"

bool gw_rows_is(struct mg_str database, const char *name);
bool gw_rows_begins(struct mg_str database, const char *prefix); /* and is longer */
/* The number behind prefix; 0: none. */
uint32_t gw_rows_number(struct mg_str database, const char *prefix);
/* Of keys, which are compared as bytes. */
uint64_t gw_rows_big(const uint8_t *at, size_t length);

/* What is settled beyond a cursor: a bit for each of 512 sequences. */
enum { GW_ROWS_PLACE_BITS = 512 };
struct gw_rows_place {
    uint32_t log, sink;
    uint64_t place;
    uint64_t bits[GW_ROWS_PLACE_BITS / 64];
};
/* false: damaged. */
bool gw_rows_read_place(const struct gw_walk_entry *entry, struct gw_rows_place *ret);
uint64_t gw_rows_place_sum(const struct gw_disk_place_key *key,
                           const uint64_t bits[GW_ROWS_PLACE_BITS / 64]);
uint64_t gw_rows_state_sum(struct mg_bytes key, struct mg_bytes value);
/* The value of a row of `state`; false: damaged. */
bool gw_rows_read_state(struct mg_bytes key, struct mg_bytes row, struct mg_bytes *ret_value);
/* places: in the order of a walk. */
bool gw_rows_place_has(const struct gw_rows_place *places, size_t count, uint32_t log,
                       uint32_t sink, uint64_t sequence);
