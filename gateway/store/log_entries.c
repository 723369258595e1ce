/* SPDX-License-Identifier: Apache-2.0 */
/* The list of logs on disk: a route's name, its number, and what its sinks are. */
#include "base/hash.h"
#include "store/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static uint64_t entry_sum(struct gw_disk_log entry, const uint8_t *tail, size_t tail_bytes)
{
    uint64_t parts[2];
    entry.sum = 0;
    parts[0] = gw_hash64(&entry, sizeof entry);
    parts[1] = gw_hash64(tail, tail_bytes);
    return gw_hash64(parts, sizeof parts);
}

int gw_log_save_entry(struct gw_store_log *log)
{
    struct gw_disk_log entry = {.magic = GW_DISK_LOG_MAGIC,
                                .number = log->number,
                                .next_sequence = log->end,
                                .sink_count = log->sink_end,
                                .name_bytes = (uint32_t)strlen(log->name)};
    for (uint32_t i = 0; i < log->sink_end; i++)
        entry.label_bytes += 1 + (log->sinks[i] ? (uint32_t)strlen(log->sinks[i]->label) : 0);
    size_t tail = (size_t)entry.name_bytes + entry.label_bytes;
    uint8_t *bytes = malloc(sizeof entry + tail);
    if (!bytes)
        return ENOMEM;
    uint8_t *at = bytes + sizeof entry;
    memcpy(at, log->name, entry.name_bytes);
    at += entry.name_bytes;
    for (uint32_t i = 0; i < log->sink_end; i++) {
        const char *label = log->sinks[i] ? log->sinks[i]->label : "";
        size_t length = strlen(label) + 1;
        memcpy(at, label, length);
        at += length;
    }
    entry.sum = entry_sum(entry, bytes + sizeof entry, tail);
    memcpy(bytes, &entry, sizeof entry);
    MDB_val key = gw_val(log->name, entry.name_bytes), value = gw_val(bytes, sizeof entry + tail);
    int rc = mdb_put(log->store->txn, log->store->dbs[DB_LOGS], &key, &value, 0);
    free(bytes);
    return rc;
}

static bool entry_is_whole(MDB_val value, struct gw_disk_log *ret)
{
    if (value.mv_size < sizeof *ret)
        return false;
    memcpy(ret, value.mv_data, sizeof *ret);
    const uint8_t *tail = (const uint8_t *)value.mv_data + sizeof *ret;
    uint64_t tail_bytes = (uint64_t)ret->name_bytes + ret->label_bytes;
    return ret->magic == GW_DISK_LOG_MAGIC && tail_bytes == value.mv_size - sizeof *ret &&
           ret->sink_count <= GW_RECORD_SINKS_MAX && ret->number && ret->number <= UINT16_MAX &&
           ret->sum == entry_sum(*ret, tail, (size_t)tail_bytes);
}

static int add_sinks(struct gw_store_log *log, const struct gw_disk_log *entry, const char *at)
{
    const char *end = at + entry->label_bytes;
    for (uint32_t i = 0; i < entry->sink_count && at < end; i++) {
        const char *stop = memchr(at, 0, (size_t)(end - at));
        if (!stop)
            break;
        if (*at && !gw_log_add_sink(log, i, at))
            return ENOMEM;
        at = stop + 1;
    }
    return 0;
}

static int read_entry(struct gw_store *store, MDB_val value)
{
    struct gw_disk_log entry;
    if (!entry_is_whole(value, &entry)) {
        gw_quarantine(store, "log", value);
        return 0;
    }
    const char *tail = (const char *)value.mv_data + sizeof entry;
    char *name = strndup(tail, entry.name_bytes);
    struct gw_store_log *log = name ? gw_log_new(store, name, entry.number) : NULL;
    free(name);
    if (!log)
        return ENOMEM;
    log->end = entry.next_sequence;
    log->on_disk = true;
    int rc = add_sinks(log, &entry, tail + entry.name_bytes);
    if (!rc)
        rc = gw_log_keep(log);
    if (rc)
        gw_log_free(log);
    return rc;
}

int gw_logs_load(struct gw_store *store)
{
    MDB_cursor *cursor;
    MDB_val key, value;
    int rc = mdb_cursor_open(store->txn, store->dbs[DB_LOGS], &cursor);
    if (rc)
        return rc;
    while (!(rc = mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) &&
           !(rc = read_entry(store, value)))
        ;
    mdb_cursor_close(cursor);
    rc = rc == MDB_NOTFOUND ? 0 : rc;
    for (size_t i = 0; i < store->log_count && !rc; i++) {
        rc = gw_log_open_handles(store->logs[i]);
        if (!rc)
            rc = gw_log_load(store->logs[i]);
        if (!rc)
            gw_log_publish(store->logs[i]);
    }
    return rc;
}
