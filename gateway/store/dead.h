/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters: what no sink or step would take, kept whole so that somebody can look at it, edit
 * it and send it again. */
#pragma once
#include "store/store.h"

struct gw_dead {
    uint64_t id; /* 1 …, never used again */
    struct mg_str route, sink /* empty: a step's */, step, reason;
    uint32_t attempts;
    int64_t died_us; /* wall clock */
    struct gw_record record;
};

/* In order of id, from `from` on, until visit returns false.  Any thread but a shard's. */
int gw_store_dead_each(struct gw_store *store, uint64_t from,
                       bool (*visit)(void *arg, const struct gw_dead *dead), void *arg);

/* All of these are operations' work, done when done has run.  result: 0, -ENOENT: no such entry,
 * -EINVAL: its route or sink is not configured any more. */
enum gw_dead_action {
    GW_DEAD_RETRY, /* to the sink that refused it: dead_lettered less, stored more */
    GW_DEAD_DROP,  /* dead_lettered less, discarded more */
    GW_DEAD_TAKE,  /* removed, and counted neither way: the caller ingests it again (a step's) */
    GW_DEAD_EDIT   /* replaces the record */
};
struct gw_store_dead_op {
    struct gw_store_op op;
    uint64_t id;
    uint32_t action;
    const void *record; /* GW_DEAD_EDIT: gw_record_encode's bytes */
    size_t record_length;
    int result;
};
void gw_store_dead_op_init(struct gw_store_dead_op *op, uint64_t id, uint32_t action);
