/* SPDX-License-Identifier: Apache-2.0 */
/* Opening and closing a store. */
#include "store/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static int64_t machine_wall_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static void read_boot_id(struct gw_store *store, const struct gw_store_options *options)
{
    if (options && options->boot_id) {
        snprintf(store->boot, sizeof store->boot, "%s", options->boot_id);
        return;
    }
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t length = fd < 0 ? 0 : read(fd, store->boot, sizeof store->boot - 1);
    if (fd >= 0)
        close(fd);
    store->boot[length > 0 ? (size_t)length : 0] = '\0';
    store->boot[strcspn(store->boot, "\n")] = '\0';
}

static struct gw_store *new_store(const struct gw_store_settings *settings,
                                  const struct gw_store_options *options, gw_store_found_fn *found,
                                  void *arg)
{
    struct gw_store *store = calloc(1, sizeof *store);
    pthread_condattr_t monotonic;
    pthread_rwlockattr_t fair;
    if (!store)
        return NULL;
    store->settings = *settings;
    store->path = strdup(settings->path);
    store->settings.path = store->path;
    store->manual = options && options->manual;
    store->telling = options ? options->telling : NULL;
    store->telling_arg = options ? options->telling_arg : NULL;
    store->read_only = options && options->read_only;
    store->wall_us = options && options->wall_us ? options->wall_us : machine_wall_us;
    store->found = found;
    store->found_arg = arg;
    store->folder_fd = store->owner_fd = store->data_fd = -1;
    store->batch_cap = 4096;
    pthread_mutex_init(&store->turning, NULL);
    pthread_mutex_init(&store->lock, NULL);
    pthread_mutex_init(&store->commit_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&store->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    /* Readers come all the time; the writer that wants to grow the map must get its turn. */
    pthread_rwlockattr_init(&fair);
    pthread_rwlockattr_setkind_np(&fair, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&store->map_lock, &fair);
    pthread_rwlockattr_destroy(&fair);
    read_boot_id(store, options);
    if (store->path)
        return store;
    free(store);
    return NULL;
}

static void destroy(struct gw_store *store, bool clean)
{
    gw_sync_stop(store);
    gw_sync_end(store, false);
    gw_hand_close(store->hand, clean);
    for (size_t i = 0; i < store->log_count; i++)
        gw_log_free(store->logs[i]);
    free(store->logs);
    gw_engine_close(store);
    if (store->owner_fd >= 0)
        close(store->owner_fd);
    if (store->folder_fd >= 0)
        close(store->folder_fd);
    pthread_rwlock_destroy(&store->map_lock);
    pthread_cond_destroy(&store->wake);
    pthread_mutex_destroy(&store->lock);
    pthread_mutex_destroy(&store->commit_lock);
    pthread_mutex_destroy(&store->turning);
    free(store->path);
    free(store);
}

static int own(struct gw_store *store, struct mg_err *reterr)
{
    if (!store->read_only && mkdir(store->path, 0700) && errno != EEXIST)
        return gw_store_fail(reterr, -errno, "%s: %s", store->path, strerror(errno));
    store->folder_fd = open(store->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (store->folder_fd < 0)
        return gw_store_fail(reterr, -errno, "%s: %s", store->path, strerror(errno));
    store->owner_fd = openat(store->folder_fd, "owner", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (store->owner_fd < 0)
        return gw_store_fail(reterr, -errno, "%s/owner: %s", store->path, strerror(errno));
    if (!flock(store->owner_fd, LOCK_EX | LOCK_NB))
        return 0;
    if (errno == EWOULDBLOCK)
        return gw_store_fail(reterr, -EBUSY, "%s: another process has this store open",
                             store->path);
    return gw_store_fail(reterr, -errno, "%s/owner: %s", store->path, strerror(errno));
}

/* ---- what the store says of itself ---------------------------------------------------------- */

static int meta_get(struct gw_store *store, const char *name, void *ret, size_t length)
{
    MDB_val key = gw_val(name, strlen(name)), value;
    int rc = mdb_get(store->txn, store->dbs[DB_META], &key, &value);
    if (!rc && value.mv_size == length)
        memcpy(ret, value.mv_data, length);
    return rc ? rc : value.mv_size == length ? 0 : MDB_NOTFOUND;
}

static int meta_put(struct gw_store *store, const char *name, const void *at, size_t length)
{
    MDB_val key = gw_val(name, strlen(name)), value = gw_val(at, length);
    return mdb_put(store->txn, store->dbs[DB_META], &key, &value, 0);
}

/* 0, or a negative errno with reterr set. */
static int check_format(struct gw_store *store, struct mg_err *reterr)
{
    uint32_t format = GW_STORE_FORMAT;
    int rc = meta_get(store, "format", &format, sizeof format);
    if (rc && rc != MDB_NOTFOUND)
        return gw_store_fail(reterr, -EIO, "%s: %s", store->path, mdb_strerror(rc));
    if (format > GW_STORE_FORMAT)
        return gw_store_fail(reterr, -EPROTONOSUPPORT,
                             "%s: written by a later version (format %u, this one knows %d); use "
                             "that version, or export it there and import it here",
                             store->path, format, GW_STORE_FORMAT);
    return 0;
}

static int begin_life(struct gw_store *store)
{
    uint32_t format = GW_STORE_FORMAT;
    uint8_t clean = 1, unclean = 0;
    int rc = meta_get(store, "clean", &clean, sizeof clean);
    store->was_clean = rc == MDB_NOTFOUND || clean;
    rc = meta_put(store, "format", &format, sizeof format);
    if (!rc)
        rc = meta_put(store, "boot", store->boot, strlen(store->boot) + 1);
    if (!rc)
        rc = meta_put(store, "clean", &unclean, sizeof unclean);
    return rc;
}

static int end_life(struct gw_store *store)
{
    uint8_t clean = 1;
    int rc = mdb_txn_begin(store->env, NULL, 0, &store->txn);
    if (rc)
        return rc;
    rc = meta_put(store, "clean", &clean, sizeof clean);
    if (!rc)
        return gw_engine_commit(store);
    gw_engine_abort(store);
    return rc;
}

static int count_logs(struct gw_store *store, size_t *ret)
{
    MDB_txn *txn;
    MDB_stat stat;
    int rc = mdb_txn_begin(store->env, NULL, MDB_RDONLY, &txn);
    if (rc)
        return rc;
    rc = mdb_stat(txn, store->dbs[DB_LOGS], &stat);
    *ret = rc ? 0 : stat.ms_entries;
    mdb_txn_abort(txn);
    return rc;
}

/* Reads everything, and writes that this life has begun. */
static int load(struct gw_store *store, struct mg_err *reterr)
{
    size_t logs;
    int rc = count_logs(store, &logs);
    if (!rc)
        rc = gw_engine_room_for_dbs(store, (unsigned)logs * 4);
    if (!rc)
        rc = mdb_txn_begin(store->env, NULL, store->read_only ? MDB_RDONLY : 0, &store->txn);
    if (rc)
        return gw_store_fail(reterr, -EIO, "%s: %s", store->path, mdb_strerror(rc));
    int error = check_format(store, reterr);
    if (error) {
        gw_engine_abort(store);
        return error;
    }
    if (!store->read_only)
        rc = begin_life(store);
    if (!rc)
        rc = gw_logs_load(store);
    if (!rc && store->went_back)
        rc = gw_logs_jump(store);
    if (!rc)
        rc = gw_leases_look(store);
    if (!rc && !store->read_only)
        rc = gw_marks_of_crash(store);
    if (!rc && !store->read_only)
        rc = gw_logs_write_dirty(store);
    if (rc)
        gw_engine_abort(store);
    else
        rc = gw_engine_commit(store);
    if (rc)
        return gw_store_fail(reterr, rc > 0 ? -rc : -EIO, "%s: %s", store->path, mdb_strerror(rc));
    gw_logs_publish_dirty(store);
    return 0;
}

static int start(struct gw_store *store, struct mg_err *reterr)
{
    int error;
    if (store->read_only)
        return 0;
    error = 0;
    if (!store->manual) {
        error = pthread_create(&store->thread, NULL, gw_writer_run, store);
        store->threaded = !error;
    }
    return error ? gw_store_fail(reterr, -error, "the store's thread: %s", strerror(error)) : 0;
}

int gw_store_open(const struct gw_store_settings *settings, const struct gw_store_options *options,
                  gw_store_found_fn *found, void *arg, struct gw_store **ret_store,
                  struct mg_err *reterr)
{
    struct gw_store *store = new_store(settings, options, found, arg);
    if (!store)
        return gw_store_fail(reterr, -ENOMEM, "out of memory");
    int error = own(store, reterr);
    if (!error && !store->read_only && gw_hand_open(store->folder_fd, &store->hand))
        gw_store_find(store, MG_WARN,
                      "there is no room for %s/hand: what is in hand when the process "
                      "dies will not be known",
                      store->path);
    if (!error)
        error = gw_recover(store, reterr);
    if (!error)
        error = gw_engine_open(store, reterr);
    if (!error && !store->read_only)
        error = gw_engine_compact(store, options && options->compact, reterr);
    /* Before anything is written: what the last note of a sync names is kept from then on. */
    if (!error && !store->read_only) {
        int rc = gw_sync_start(store);
        if (rc)
            error = gw_store_fail(reterr, -rc, "%s/synced: %s", store->path, strerror(rc));
    }
    if (!error)
        error = load(store, reterr);
    /* Who dies before this has the same left behind him as who died before. */
    if (!error)
        gw_hand_begin(store->hand);
    if (!error)
        error = start(store, reterr);
    if (error) {
        destroy(store, false);
        return error;
    }
    *ret_store = store;
    return 0;
}

void gw_store_close(struct gw_store *store)
{
    if (!store)
        return;
    if (store->threaded) {
        pthread_mutex_lock(&store->lock);
        store->stopping = true;
        pthread_cond_signal(&store->wake);
        pthread_mutex_unlock(&store->lock);
        pthread_join(store->thread, NULL);
    }
    bool clean = false;
    if (!store->read_only) {
        gw_store_turn(store);
        gw_writer_cancel(store);
        gw_sync_stop(store);
        clean = store->env && !end_life(store);
        gw_sync_end(store, clean);
        gw_engine_give_back(store);
    }
    destroy(store, clean);
}

void gw_store_abandon(struct gw_store *store)
{
    if (!store)
        return;
    gw_writer_cancel(store);
    destroy(store, false);
}
