/* SPDX-License-Identifier: Apache-2.0 */
/* The window of identities that were seen: on disk in the order in which they came, in memory as a
 * set; an identity enters with its event's transaction. */
#include "store/internal.h"
#include <string.h>

int gw_dedup_load(struct gw_store_log *log)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    gw_identities_fini(&log->identities);
    log->dedup_first = log->dedup_next = 1;
    log->dedup_oldest = 0;
    int rc = mdb_cursor_open(log->store->txn, log->dedup, &cursor);
    if (rc)
        return rc;
    bool any = false;
    while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT))) {
        struct gw_disk_identity entry;
        uint64_t number;
        memcpy(&number, key.mv_data, sizeof number);
        if (!any)
            log->dedup_first = number;
        any = true;
        log->dedup_next = number + 1;
        if (value.mv_size != sizeof entry)
            continue;
        memcpy(&entry, value.mv_data, sizeof entry);
        rc = gw_identities_add(&log->identities, entry.identity);
        if (rc)
            break;
    }
    mdb_cursor_close(cursor);
    return rc == MDB_NOTFOUND ? 0 : rc;
}

bool gw_dedup_has(struct gw_store_log *log, const uint64_t identity[2])
{
    return gw_identities_has(&log->identities, identity);
}

/* Looks at the oldest entry again only once it can have left the window. */
int gw_dedup_prune(struct gw_store_log *log)
{
    struct gw_store *store = log->store;
    int64_t oldest_us = store->wall_us() - log->settings.dedup_window_ms * 1000;
    bool timed = log->settings.dedup_window_ms > 0;
    while (log->dedup_first < log->dedup_next) {
        struct gw_disk_identity entry;
        uint64_t number = log->dedup_first;
        bool over = log->dedup_next - number > (uint64_t)log->settings.dedup_count;
        if (!over && (!timed || (log->dedup_oldest == number && log->dedup_oldest_us >= oldest_us)))
            return 0;
        MDB_val key = gw_val(&number, sizeof number), value;
        int rc = mdb_get(store->txn, log->dedup, &key, &value);
        if (rc && rc != MDB_NOTFOUND)
            return rc;
        if (!rc && value.mv_size == sizeof entry) {
            memcpy(&entry, value.mv_data, sizeof entry);
            log->dedup_oldest = number;
            log->dedup_oldest_us = entry.seen_us;
            if (!over && entry.seen_us >= oldest_us)
                return 0;
            gw_identities_remove(&log->identities, entry.identity);
        }
        gw_log_touch(log);
        if (!rc && (rc = mdb_del(store->txn, log->dedup, &key, NULL)))
            return rc;
        log->dedup_first++;
    }
    return 0;
}

int gw_dedup_add(struct gw_store_log *log, const uint64_t identity[2])
{
    struct gw_disk_identity entry = {{identity[0], identity[1]}, log->store->wall_us()};
    uint64_t number = log->dedup_next;
    MDB_val key = gw_val(&number, sizeof number), value = gw_val(&entry, sizeof entry);
    gw_log_touch(log);
    int rc = mdb_put(log->store->txn, log->dedup, &key, &value, MDB_APPEND);
    if (!rc)
        rc = gw_identities_add(&log->identities, identity);
    if (rc)
        return rc;
    log->dedup_next++;
    return gw_dedup_prune(log);
}
