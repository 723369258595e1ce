/* SPDX-License-Identifier: Apache-2.0 */
/* Leases: records that a consumer took for a time.  What is not settled when it ends is offered
 * again, and what was taken too often becomes a dead letter. */
#include "store/internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static int get(struct gw_store_log *log, const struct gw_store_sink *sink, uint64_t sequence,
               struct gw_disk_lease *ret)
{
    struct gw_disk_place_key name = gw_place_key(log->number, sink->number, sequence);
    MDB_val key = gw_val(&name, sizeof name), value;
    *ret = (struct gw_disk_lease){0};
    int rc = mdb_get(log->store->txn, log->store->dbs[DB_LEASES], &key, &value);
    if (!rc && value.mv_size == sizeof *ret)
        memcpy(ret, value.mv_data, sizeof *ret);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

static int put(struct gw_store_log *log, const struct gw_store_sink *sink, uint64_t sequence,
               const struct gw_disk_lease *lease)
{
    struct gw_disk_place_key name = gw_place_key(log->number, sink->number, sequence);
    MDB_val key = gw_val(&name, sizeof name), value = gw_val(lease, sizeof *lease);
    log->store->has_leases = true;
    return mdb_put(log->store->txn, log->store->dbs[DB_LEASES], &key, &value, 0);
}

int gw_lease_forget(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence)
{
    struct gw_disk_place_key name = gw_place_key(log->number, sink->number, sequence);
    MDB_val key = gw_val(&name, sizeof name);
    int rc = mdb_del(log->store->txn, log->store->dbs[DB_LEASES], &key, NULL);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

int gw_leases_look(struct gw_store *store)
{
    MDB_stat stat;
    int rc = mdb_stat(store->txn, store->dbs[DB_LEASES], &stat);
    store->has_leases = !rc && stat.ms_entries;
    return rc;
}

static int bury(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence,
                uint32_t receives)
{
    char reason[64];
    snprintf(reason, sizeof reason, "taken %u times and never settled", receives);
    return gw_log_bury(
        log, sink, sequence,
        &(struct gw_store_bury){.step = "lease", .reason = reason, .attempts = receives});
}

int gw_op_lease(struct gw_store *store, struct gw_store_lease *op)
{
    struct gw_store_log *log = op->log;
    struct gw_store_sink *sink = gw_log_sink(log, op->sink);
    int64_t now_us = store->wall_us();
    op->count = 0;
    if (!sink)
        return 0;
    for (uint64_t s = gw_places_next_clear(&sink->settled, sink->first, log->end);
         s < log->end && op->count < op->most;
         s = gw_places_next_clear(&sink->settled, s + 1, log->end)) {
        struct gw_disk_lease lease;
        int rc = get(log, sink, s, &lease);
        if (!rc && lease.until_us > now_us)
            continue;
        if (!rc && op->max_receives && lease.receives >= op->max_receives) {
            rc = bury(log, sink, s, lease.receives);
            if (rc)
                return rc;
            continue;
        }
        lease.until_us = now_us + op->for_ms * 1000;
        lease.receives++;
        if (!rc)
            rc = put(log, sink, s, &lease);
        if (rc)
            return rc;
        op->leases[op->count++] = (struct gw_lease){s, lease.receives};
    }
    return 0;
}

int gw_op_extend(struct gw_store *store, struct gw_store_lease_extend *op)
{
    struct gw_store_sink *sink = gw_log_sink(op->log, op->sink);
    int64_t now_us = store->wall_us();
    struct gw_disk_lease lease;
    op->result = -ENOENT;
    if (!sink || !gw_sink_misses(op->log, sink, op->sequence))
        return 0;
    int rc = get(op->log, sink, op->sequence, &lease);
    if (rc || lease.until_us <= now_us)
        return rc;
    op->result = 0;
    lease.until_us = now_us + op->for_ms * 1000;
    return put(op->log, sink, op->sequence, &lease);
}

void gw_store_lease_init(struct gw_store_lease *op)
{
    *op = (struct gw_store_lease){.op = {.kind = OP_LEASE}};
}

void gw_store_lease_extend_init(struct gw_store_lease_extend *op)
{
    *op = (struct gw_store_lease_extend){.op = {.kind = OP_EXTEND}};
}
