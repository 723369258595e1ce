/* SPDX-License-Identifier: Apache-2.0 */
/* The compiled address index: which of many patterns match one address, at a cost that depends on
 * the address and on what matches, not on how many patterns there are.
 *
 * Built once, then immutable: any number of threads may match at the same time. */
#pragma once
#include "route/pattern.h"

struct gw_index;

struct gw_index *gw_index_create(void);        /* NULL: out of memory */
void gw_index_destroy(struct gw_index *index); /* NULL is fine */
/* id: the caller's name for the pattern, reported by match.  The pattern's texts are copied.
 * 0 or -ENOMEM. */
int gw_index_add(struct gw_index *index, const struct gw_pattern *pattern, uint32_t id);

/* A growing result list that the caller keeps from match to match, so that none allocates. */
struct gw_matches {
    uint32_t *ids;
    size_t count, capacity;
};
void gw_matches_fini(struct gw_matches *matches);

/* Replaces *matches by the ids of all patterns that match, in ascending order.  0 or -ENOMEM. */
int gw_index_match(const struct gw_index *index, struct mg_str address, struct gw_matches *matches);
