/* SPDX-License-Identifier: Apache-2.0 */
/* Space: how full the store is, room kept on the disk for settlements, memory given back. */
#include "store/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
    RESERVE_LEAST = 4 << 20,
    RESERVE_MOST = 64 << 20,
    RESERVE_PART = 256 << 10,
    ROOM_LEAST = 1 << 20, /* settlements need little: what they free they use again */
    TRIM_EVERY = 16 << 20,
    COMPACT_LEAST = 64 << 20,
    REFUSED_FOR_MS = 200
};

uint64_t gw_engine_used_bytes(struct gw_store *store)
{
    MDB_envinfo info;
    if (!store->env || mdb_env_info(store->env, &info))
        return 0;
    return ((uint64_t)info.me_last_pgno + 1) * store->page_bytes;
}

/* Pages of the file that a later transaction can use again: LMDB's list of them is database 0,
 * whose values begin with how many page numbers follow. */
static uint64_t free_bytes(struct gw_store *store)
{
    MDB_txn *txn;
    MDB_cursor *cursor;
    MDB_val key, value;
    uint64_t pages = 0;
    if (gw_engine_read_begin(store, &txn))
        return 0;
    if (!mdb_cursor_open(txn, 0, &cursor)) {
        while (!mdb_cursor_get(cursor, &key, &value, MDB_NEXT)) {
            size_t count;
            memcpy(&count, value.mv_data, sizeof count);
            pages += count;
        }
        mdb_cursor_close(cursor);
    }
    gw_engine_read_end(store, txn);
    return pages * store->page_bytes;
}

static int64_t monotonic_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Keeps space behind the file's end allocated, so that a disk that becomes full stops what comes in
 * while settlements still have room.  false: the disk gives no more. */
static bool reserve(struct gw_store *store, uint64_t end)
{
    uint64_t step = store->limit_bytes / 8;
    step = step < RESERVE_LEAST ? RESERVE_LEAST : step > RESERVE_MOST ? RESERVE_MOST : step;
    if (end + RESERVE_LEAST <= store->reserved_bytes)
        return true;
    /* Some filesystems take long to say no. */
    int64_t now_ms = monotonic_ms();
    if (store->refused_ms && now_ms - store->refused_ms < REFUSED_FOR_MS)
        return false;
    store->refused_ms = 0;
    uint64_t from = end > store->reserved_bytes ? end : store->reserved_bytes;
    for (; step >= RESERVE_PART; step /= 2) {
        if (!fallocate(store->data_fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)step)) {
            store->reserved_bytes = from + step;
            return end + RESERVE_LEAST <= store->reserved_bytes;
        }
        if (errno == EOPNOTSUPP || errno == ENOSYS) {
            store->reserved_bytes = UINT64_MAX / 2; /* then the writes themselves will say */
            return true;
        }
    }
    if (errno != ENOSPC && errno != EDQUOT)
        return true;
    store->refused_ms = now_ms;
    return false;
}

/* On a disk that gives no more, what the file has is used again, in transactions that fit. */
static bool has_room(struct gw_store *store, uint64_t used)
{
    if (reserve(store, used))
        return true;
    uint64_t ready = store->reserved_bytes > used ? store->reserved_bytes - used : 0;
    uint64_t room = ready + free_bytes(store);
    store->tight = room < 4 * ROOM_LEAST;
    store->batch_most = room / 4 < store->batch_most ? room / 4 : store->batch_most;
    return room >= (store->full ? 2 : 1) * ROOM_LEAST;
}

void gw_engine_look_for_room(struct gw_store *store)
{
    uint64_t used = gw_engine_used_bytes(store), percent = store->limit_bytes / 100;
    /* Once full, a little more has to be free before anything comes in again. */
    uint64_t most = percent * (store->full ? 88 : 90);
    uint64_t filled = used > most || store->told ? used - free_bytes(store) : used;
    store->full_why = NULL;
    store->tight = filled > percent * 75;
    store->batch_most = GW_BATCH_BYTES;
    if (filled > most)
        store->full_why = "it has reached its size";
    else if (!has_room(store, used))
        store->full_why = "the disk is full";
    if (store->full && !store->full_why)
        store->retry_held = true;
    store->full = store->full_why != NULL;
}

/* ---- the map --------------------------------------------------------------------------------- */

static char *find_map(struct gw_store *store)
{
    char line[512];
    struct stat st;
    FILE *maps = fopen("/proc/self/maps", "re");
    char *found = NULL;
    bool known = maps && !fstat(store->data_fd, &st);
    while (known && !found && fgets(line, sizeof line, maps)) {
        unsigned long from, to, offset, inode;
        unsigned major_of, minor_of;
        if (sscanf(line, "%lx-%lx %*s %lx %x:%x %lu", &from, &to, &offset, &major_of, &minor_of,
                   &inode) == 6 &&
            inode == st.st_ino && offset == 0 && to - from >= store->map_bytes / 2)
            found = (char *)from;
    }
    if (maps)
        fclose(maps);
    return found;
}

uint64_t gw_engine_offset(struct gw_store *store, const void *at)
{
    uintptr_t base = (uintptr_t)find_map(store), value = (uintptr_t)at;
    if (!base || value < base || value - base >= store->map_bytes)
        return UINT64_MAX; /* a page of the open transaction, not the file's */
    return value - base;
}

/* A shared map's pages count as the process's memory once they are touched; given back, they stay
 * in the kernel's cache. */
void gw_engine_trim(struct gw_store *store)
{
    store->trimmed_bytes += store->batch_bytes + store->batch_count * 64;
    if (store->trimmed_bytes < TRIM_EVERY)
        return;
    store->trimmed_bytes = 0;
    if (!store->map_at)
        store->map_at = find_map(store);
    if (store->map_at)
        madvise(store->map_at, store->map_bytes, MADV_DONTNEED);
}

/* ---- a file that is mostly free -----------------------------------------------------------------
 */

static int copy_compact(struct gw_store *store)
{
    int fd = openat(store->folder_fd, "compact.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd < 0)
        return errno;
    int rc = mdb_env_copyfd2(store->env, fd, MDB_CP_COMPACT);
    if (!rc && fsync(fd))
        rc = errno;
    close(fd);
    return rc;
}

/* The note of the last sync is of the old file: it goes first, and before that all of the old file
 * is on the disk. */
static int replace(struct gw_store *store)
{
    if (fsync(store->data_fd) || (unlinkat(store->folder_fd, "synced", 0) && errno != ENOENT) ||
        fsync(store->folder_fd) ||
        renameat(store->folder_fd, "compact.tmp", store->folder_fd, "data.mdb") ||
        fsync(store->folder_fd))
        return errno;
    return 0;
}

int gw_engine_compact(struct gw_store *store, bool always, struct mg_err *reterr)
{
    uint64_t used = gw_engine_used_bytes(store);
    unlinkat(store->folder_fd, "compact.tmp", 0);
    if (!always && (used < COMPACT_LEAST || free_bytes(store) < used / 100 * 75))
        return 0;
    int rc = copy_compact(store);
    if (!rc) {
        mdb_env_close(store->env);
        store->env = NULL;
        rc = replace(store);
        gw_engine_close(store);
        store->map_bytes = 0;
    }
    if (rc)
        gw_store_find(store, MG_WARN, "%s: could not be compacted: %s", store->path,
                      mdb_strerror(rc));
    else if (!always)
        gw_store_find(store, MG_INFO, "%s: compacted, it was mostly free space", store->path);
    unlinkat(store->folder_fd, "compact.tmp", 0);
    if (rc && always)
        return gw_store_fail(reterr, rc > 0 ? -rc : -EIO, "%s: could not be compacted: %s",
                             store->path, mdb_strerror(rc));
    return store->env ? 0 : gw_engine_open(store, reterr);
}

void gw_engine_give_back(struct gw_store *store)
{
    struct stat st;
    /* Cutting a file to its own length frees what is allocated behind its end. */
    if (!fstat(store->data_fd, &st) && ftruncate(store->data_fd, st.st_size))
        return; /* then it stays allocated until the next life uses it */
}
