/* SPDX-License-Identifier: Apache-2.0 */
/* The archive of a route: a second copy of each record, in the same transaction as the first, and
 * as old and as large as the route says. */
#include "base/hash.h"
#include "store/internal.h"
#include "store/record_wire.h"
#include <string.h>

enum { PRUNE_MOST = 64 }; /* at each append: more than come in, so that it shrinks */

/* place: twice the record's sequence, or one less for the original of the event whose first record
 * it is. */
int gw_archive_put(struct gw_store_log *log, const void *bytes, size_t length, uint64_t place)
{
    struct gw_disk_head head = {.log = log->number,
                                .sequence = place,
                                .length = (uint32_t)length,
                                .kind = 3,
                                .group_count = 1};
    MDB_val key = gw_val(&place, sizeof place), value = {sizeof head + length, NULL};
    if (log->settings.archive_keep_ms <= 0 && log->settings.archive_bytes <= 0)
        return 0;
    int rc = mdb_put(log->store->txn, log->archive, &key, &value, MDB_APPEND | MDB_RESERVE);
    if (rc)
        return rc;
    uint8_t *at = value.mv_data;
    gw_head_copy_record(log, at + sizeof head, bytes, length);
    head.body_sum = gw_hash64(at + sizeof head, length);
    gw_head_seal(&head);
    memcpy(at, &head, sizeof head);
    log->store->batch_bytes += length;
    return gw_archive_prune(log);
}

static bool too_old(const struct gw_store_log *log, MDB_val value)
{
    struct gw_record_wire wire;
    if (log->settings.archive_keep_ms <= 0)
        return false;
    if (value.mv_size < sizeof(struct gw_disk_head) + sizeof wire)
        return true;
    memcpy(&wire, (const char *)value.mv_data + sizeof(struct gw_disk_head), sizeof wire);
    return wire.arrived_us < log->store->wall_us() - log->settings.archive_keep_ms * 1000;
}

/* What it takes on disk, in whole pages. */
static bool too_large(const struct gw_store_log *log)
{
    MDB_stat stat;
    if (log->settings.archive_bytes <= 0 || mdb_stat(log->store->txn, log->archive, &stat))
        return false;
    uint64_t pages = stat.ms_branch_pages + stat.ms_leaf_pages + stat.ms_overflow_pages;
    return stat.ms_entries > 1 && pages * stat.ms_psize > (uint64_t)log->settings.archive_bytes;
}

int gw_archive_prune(struct gw_store_log *log)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(log->store->txn, log->archive, &cursor);
    if (rc)
        return rc;
    for (int i = 0; i < PRUNE_MOST && !rc; i++) {
        rc = mdb_cursor_get(cursor, &key, &value, MDB_FIRST);
        if (rc || (!too_old(log, value) && !too_large(log)))
            break;
        rc = mdb_cursor_del(cursor, 0);
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}
