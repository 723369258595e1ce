/* SPDX-License-Identifier: Apache-2.0 */
/* Leases, for consumers that pull: a record is taken for a time; not settled in time, it is offered
 * again; taken too often, it becomes a dead letter (the visibility time-out of queues). */
#pragma once
#include "store/store.h"

struct gw_lease {
    uint64_t sequence;
    uint32_t receives; /* how often it has been taken, this time included */
};
struct gw_store_lease {
    struct gw_store_op op;
    struct gw_store_log *log;
    uint32_t sink;
    int64_t for_ms;
    uint32_t max_receives;   /* 0: no limit */
    struct gw_lease *leases; /* room for `most`, the caller's */
    uint32_t most;
    uint32_t count; /* the answer */
};
void gw_store_lease_init(struct gw_store_lease *op);
/* Settles by gw_store_settle; gives back before its time (for_ms 0) or holds on to it longer. */
struct gw_store_lease_extend {
    struct gw_store_op op;
    struct gw_store_log *log;
    uint32_t sink;
    uint64_t sequence;
    int64_t for_ms;
    int result; /* -ENOENT: not leased */
};
void gw_store_lease_extend_init(struct gw_store_lease_extend *op);
/* One record of the log, for who holds the lease.  -ENOENT. */
int gw_store_get(struct gw_store_log *log, uint32_t sink, uint64_t sequence,
                 void (*show)(void *arg, const struct gw_stored *stored), void *arg);
