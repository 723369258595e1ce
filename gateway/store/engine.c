/* SPDX-License-Identifier: Apache-2.0 */
/* The LMDB environment: opening it, its transactions, the size of its map. */
#include "store/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAP_FIRST_BYTES = 16 << 20, LIMIT_LEAST_BYTES = 4 << 20, READERS = 510 };

static const struct {
    const char *name;
    unsigned flags;
} tables[DB_COUNT] = {
    [DB_META] = {"meta", 0},
    [DB_LOGS] = {"logs", 0},
    [DB_CURSORS] = {"cursors", 0},
    [DB_DONE] = {"done", 0},
    [DB_MARKS] = {"marks", 0},
    [DB_GROUPS] = {"groups", 0},
    [DB_LEDGER] = {"ledger", MDB_INTEGERKEY},
    [DB_DEAD] = {"dead", MDB_INTEGERKEY},
    [DB_LEASES] = {"leases", 0},
    [DB_STATE] = {"state", 0},
};

static size_t round_up(size_t bytes, size_t to)
{
    return (bytes + to - 1) / to * to;
}

static void choose_sizes(struct gw_store *store)
{
    struct stat st;
    size_t page = (size_t)sysconf(_SC_PAGESIZE);
    size_t file = fstat(store->data_fd, &st) ? 0 : (size_t)st.st_size;
    size_t size =
        store->settings.size_bytes > 0 ? (size_t)store->settings.size_bytes : (size_t)1 << 40;
    store->page_bytes = page;
    store->limit_bytes = round_up(size < LIMIT_LEAST_BYTES ? LIMIT_LEAST_BYTES : size, page);
    size_t map = store->map_bytes;
    if (map < MAP_FIRST_BYTES)
        map = MAP_FIRST_BYTES < store->limit_bytes ? MAP_FIRST_BYTES : store->limit_bytes;
    if (map < file + file / 4)
        map = file + file / 4;
    store->map_bytes = round_up(map, page);
}

static unsigned env_flags(const struct gw_store *store)
{
    /* Without MDB_NOMEMINIT: it would write to disk whatever else lay in memory. */
    unsigned flags = MDB_NOTLS | MDB_NORDAHEAD;
    if (store->read_only)
        return flags | MDB_RDONLY | MDB_NOLOCK;
    return flags | (store->settings.sync == GW_SYNC_ALWAYS ? 0 : MDB_NOSYNC);
}

static int open_tables(struct gw_store *store)
{
    MDB_txn *txn;
    int rc = mdb_txn_begin(store->env, NULL, store->read_only ? MDB_RDONLY : 0, &txn);
    if (rc)
        return rc;
    for (size_t i = 0; i < DB_COUNT && !rc; i++)
        rc = mdb_dbi_open(txn, tables[i].name,
                          tables[i].flags | (store->read_only ? 0 : MDB_CREATE), &store->dbs[i]);
    if (rc) {
        mdb_txn_abort(txn);
        return rc;
    }
    store->used_dbs = DB_COUNT;
    return mdb_txn_commit(txn);
}

static int open_env(struct gw_store *store)
{
    choose_sizes(store);
    int rc = mdb_env_create(&store->env);
    if (rc)
        return rc;
    mdb_env_set_maxdbs(store->env, store->max_dbs);
    mdb_env_set_maxreaders(store->env, READERS);
    mdb_env_set_mapsize(store->env, store->map_bytes);
    rc = mdb_env_open(store->env, store->path, env_flags(store), 0600);
    if (!rc)
        rc = open_tables(store);
    if (rc) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    store->map_at = NULL;
    return rc;
}

int gw_engine_open(struct gw_store *store, struct mg_err *reterr)
{
    if (!store->max_dbs)
        store->max_dbs = 256;
    store->data_fd =
        openat(store->folder_fd, "data.mdb",
               store->read_only ? O_RDONLY | O_CLOEXEC : O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->data_fd < 0)
        return gw_store_fail(reterr, -errno, "%s/data.mdb: %s", store->path, strerror(errno));
    int rc = open_env(store);
    if (rc)
        return gw_store_fail(reterr, rc > 0 ? -rc : -EIO, "%s/data.mdb: %s", store->path,
                             mdb_strerror(rc));
    return 0;
}

void gw_engine_close(struct gw_store *store)
{
    if (store->env)
        mdb_env_close(store->env);
    if (store->data_fd >= 0)
        close(store->data_fd);
    store->env = NULL;
    store->data_fd = -1;
}

static int open_all_handles(struct gw_store *store)
{
    int rc = mdb_txn_begin(store->env, NULL, 0, &store->txn);
    if (rc)
        return rc;
    for (size_t i = 0; i < store->log_count && !rc; i++)
        rc = gw_log_open_handles(store->logs[i]);
    if (rc) {
        gw_engine_abort(store);
        return rc;
    }
    rc = mdb_txn_commit(store->txn);
    store->txn = NULL;
    return rc;
}

void gw_engine_lock_map(struct gw_store *store)
{
    if (!store->map_locked++)
        pthread_rwlock_wrlock(&store->map_lock);
}

void gw_engine_unlock_map(struct gw_store *store)
{
    if (!--store->map_locked)
        pthread_rwlock_unlock(&store->map_lock);
}

int gw_engine_reopen(struct gw_store *store)
{
    gw_sync_release(store);
    gw_engine_lock_map(store);
    if (store->env)
        mdb_env_close(store->env);
    store->env = NULL;
    int rc = open_env(store);
    if (!rc)
        rc = open_all_handles(store);
    int sync_rc = gw_sync_again(store);
    rc = rc ? rc : sync_rc;
    if (rc && store->env) {
        mdb_env_close(store->env);
        store->env = NULL;
    }
    gw_engine_unlock_map(store);
    return rc;
}

int gw_engine_room_for_dbs(struct gw_store *store, unsigned more)
{
    if (store->used_dbs + more <= store->max_dbs)
        return 0;
    store->max_dbs = (store->used_dbs + more) * 2;
    return gw_engine_reopen(store);
}

int gw_engine_open_named(struct gw_store *store, const char *kind, uint32_t number, bool create,
                         MDB_dbi *ret)
{
    char name[32];
    snprintf(name, sizeof name, "%s.%u", kind, number);
    /* latest.N alone is found by the bytes of its key. */
    unsigned flags = strcmp(kind, "latest") ? MDB_INTEGERKEY : 0;
    int rc = mdb_dbi_open(store->txn, name, flags | (create ? MDB_CREATE : 0), ret);
    store->used_dbs += !rc;
    return rc;
}

/* ---- transactions ---------------------------------------------------------------------------- */

int gw_engine_begin(struct gw_store *store)
{
    MDB_envinfo info;
    if (!store->env) {
        int rc = gw_engine_reopen(store);
        if (rc)
            return rc;
    }
    mdb_env_info(store->env, &info);
    if ((info.me_last_pgno + 1) * store->page_bytes > store->map_bytes / 4 * 3)
        gw_engine_grow(store, false);
    return mdb_txn_begin(store->env, NULL, 0, &store->txn);
}

int gw_engine_commit(struct gw_store *store)
{
    pthread_mutex_lock(&store->commit_lock);
    int rc = mdb_txn_commit(store->txn);
    store->commits += !rc;
    pthread_mutex_unlock(&store->commit_lock);
    store->txn = NULL;
    return rc;
}

void gw_engine_abort(struct gw_store *store)
{
    if (store->txn)
        mdb_txn_abort(store->txn);
    store->txn = NULL;
}

bool gw_engine_grow(struct gw_store *store, bool beyond)
{
    size_t bytes = store->map_bytes * 2;
    if (bytes > store->limit_bytes)
        bytes = store->limit_bytes;
    if (bytes <= store->map_bytes) {
        if (!beyond)
            return false;
        bytes = store->map_bytes + LIMIT_LEAST_BYTES;
    }
    gw_engine_lock_map(store);
    pthread_mutex_lock(&store->commit_lock);
    int rc = mdb_env_set_mapsize(store->env, bytes);
    pthread_mutex_unlock(&store->commit_lock);
    store->map_at = NULL;
    gw_engine_unlock_map(store);
    if (rc)
        return false;
    store->map_bytes = bytes;
    return true;
}

int gw_engine_read_begin(struct gw_store *store, MDB_txn **ret)
{
    pthread_rwlock_rdlock(&store->map_lock);
    int rc = store->env ? mdb_txn_begin(store->env, NULL, MDB_RDONLY, ret) : EIO;
    if (rc)
        pthread_rwlock_unlock(&store->map_lock);
    return rc;
}

void gw_engine_read_end(struct gw_store *store, MDB_txn *txn)
{
    mdb_txn_abort(txn);
    pthread_rwlock_unlock(&store->map_lock);
}
