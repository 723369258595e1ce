/* SPDX-License-Identifier: Apache-2.0 */
/* How far the data file is on the disk.
 *
 * With sync: interval LMDB writes and does not wait, so after a power cut the file may hold a later
 * commit's meta page and not its tree.  Therefore: every sync_every_ms the syncer notes a commit's
 * meta page, waits for the file, and only then writes the note to PATH/synced; a read transaction
 * keeps all pages of the noted commit from being used again until the next note is on the disk.
 * After a power cut recover.c puts the noted meta page back. */
#include "base/hash.h"
#include "store/internal.h"
#include "store/sync.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TXNID_AT = 144, REWRITE_BYTES = 1 << 20 };

struct gw_syncer {
    struct gw_store *store;
    pthread_t thread;
    pthread_mutex_t lock; /* held for a whole sync */
    pthread_mutex_t wait_lock;
    pthread_cond_t wake;
    bool threaded, stopping;
    int fd;
    uint64_t number;
    MDB_txn *pin;      /* on the commit that PATH/synced names */
    uint64_t commits;  /* as many had been made then */
    int64_t synced_us; /* manual: when, by the store's clock */
    bool rewrite;      /* a failed sync left pages that the kernel takes for written */
};

bool gw_synced_is_whole(const struct gw_disk_synced *slot)
{
    return slot->magic == GW_DISK_SYNCED_MAGIC && slot->version == 1 &&
           slot->sum == gw_hash64(slot, offsetof(struct gw_disk_synced, sum)) &&
           memchr(slot->boot, 0, sizeof slot->boot);
}

bool gw_synced_read(int folder_fd, struct gw_disk_synced *ret)
{
    struct gw_disk_synced slot;
    bool any = false;
    int fd = openat(folder_fd, "synced", O_RDONLY | O_CLOEXEC);
    for (int i = 0; fd >= 0 && i < 2; i++) {
        if (pread(fd, &slot, sizeof slot, (off_t)i * GW_DISK_SYNCED_STEP) != sizeof slot ||
            !gw_synced_is_whole(&slot) || (any && slot.number < ret->number))
            continue;
        *ret = slot;
        any = true;
    }
    if (fd >= 0)
        close(fd);
    return any;
}

/* The meta page of a commit that is not older than the one before the last. */
static int copy_meta(struct gw_store *store, uint64_t txnid, uint8_t ret[GW_DISK_META_BYTES])
{
    for (int i = 0; i < 2; i++) {
        uint64_t id;
        if (pread(store->data_fd, ret, GW_DISK_META_BYTES, (off_t)i * (off_t)store->page_bytes) !=
            GW_DISK_META_BYTES)
            return errno ? errno : EIO;
        memcpy(&id, ret + TXNID_AT, sizeof id);
        if (id == txnid)
            return 0;
    }
    return EIO;
}

static int write_slot(struct gw_syncer *s, struct gw_disk_synced *slot, bool clean)
{
    struct gw_store *store = s->store;
    slot->magic = GW_DISK_SYNCED_MAGIC;
    slot->version = 1;
    slot->number = s->number + 1;
    slot->sync = store->settings.sync;
    slot->clean = clean;
    slot->page_bytes = (uint32_t)store->page_bytes;
    snprintf(slot->boot, sizeof slot->boot, "%s", store->boot);
    slot->sum = gw_hash64(slot, offsetof(struct gw_disk_synced, sum));
    if (pwrite(s->fd, slot, sizeof *slot, (off_t)(slot->number % 2) * GW_DISK_SYNCED_STEP) !=
            sizeof *slot ||
        fdatasync(s->fd))
        return errno ? errno : EIO;
    s->number = slot->number;
    return 0;
}

/* After a sync that failed the kernel may take pages for written that are not: they are written
 * once more.  Nobody else writes meanwhile. */
static int rewrite(struct gw_store *store)
{
    uint64_t end = gw_engine_used_bytes(store);
    char *part = malloc(REWRITE_BYTES);
    int rc = part ? 0 : ENOMEM;
    for (uint64_t at = 0; at < end && !rc; at += REWRITE_BYTES) {
        size_t length = end - at < REWRITE_BYTES ? (size_t)(end - at) : REWRITE_BYTES;
        ssize_t got = pread(store->data_fd, part, length, (off_t)at);
        if (got < 0 || (got && pwrite(store->data_fd, part, (size_t)got, (off_t)at) != got))
            rc = errno ? errno : EIO;
    }
    free(part);
    return rc;
}

/* With s->lock held. */
static int sync_once(struct gw_syncer *s, bool clean)
{
    struct gw_store *store = s->store;
    struct gw_disk_synced slot = {0};
    MDB_txn *pin = NULL;
    uint64_t commits = 0;
    pthread_mutex_lock(&store->commit_lock);
    int rc = store->env ? mdb_txn_begin(store->env, NULL, MDB_RDONLY, &pin) : EIO;
    if (!rc) {
        slot.txnid = mdb_txn_id(pin);
        commits = store->commits;
        rc = copy_meta(store, slot.txnid, slot.meta);
    }
    pthread_mutex_unlock(&store->commit_lock);
    /* Under sync: never the note says no more than that, so there is nothing to wait for. */
    bool wait = clean || store->settings.sync != GW_SYNC_NEVER;
    if (!rc && wait && fdatasync(store->data_fd)) {
        rc = errno ? errno : EIO;
        s->rewrite = true;
    }
    if (!rc)
        rc = write_slot(s, &slot, clean);
    if (rc) {
        if (pin)
            mdb_txn_abort(pin);
        return rc;
    }
    if (s->pin)
        mdb_txn_abort(s->pin);
    s->pin = pin;
    /* Otherwise nobody goes back to it, and its pages are to be used again. */
    if (clean || store->settings.sync != GW_SYNC_INTERVAL) {
        mdb_txn_abort(s->pin);
        s->pin = NULL;
    }
    s->commits = commits;
    s->synced_us = store->wall_us();
    return 0;
}

static bool is_due(struct gw_syncer *s)
{
    pthread_mutex_lock(&s->store->commit_lock);
    bool due = s->store->commits != s->commits;
    pthread_mutex_unlock(&s->store->commit_lock);
    return due || s->rewrite || atomic_load(&s->store->sync_failed);
}

static void sync_now(struct gw_syncer *s)
{
    struct gw_store *store = s->store;
    int rc = 0;
    bool alone = s->rewrite && s->threaded; /* by hand the caller is the writer */
    if (alone)
        pthread_mutex_lock(&store->turning);
    pthread_mutex_lock(&s->lock);
    if (s->rewrite) {
        rc = rewrite(store);
        s->rewrite = rc != 0;
    }
    if (alone)
        pthread_mutex_unlock(&store->turning);
    if (!rc)
        rc = sync_once(s, false);
    pthread_mutex_unlock(&s->lock);
    if (atomic_exchange(&store->sync_failed, rc) != rc)
        gw_writer_wake(store);
}

static void *run(void *arg)
{
    struct gw_syncer *s = arg;
    bool stop = false;
    while (!stop) {
        struct timespec until;
        int64_t ms = s->store->settings.sync_every_ms > 0 ? s->store->settings.sync_every_ms : 1000;
        clock_gettime(CLOCK_MONOTONIC, &until);
        until.tv_sec += ms / 1000;
        until.tv_nsec += ms % 1000 * 1000000;
        until.tv_sec += until.tv_nsec / 1000000000;
        until.tv_nsec %= 1000000000;
        pthread_mutex_lock(&s->wait_lock);
        while (!s->stopping && !pthread_cond_timedwait(&s->wake, &s->wait_lock, &until))
            ;
        stop = s->stopping;
        pthread_mutex_unlock(&s->wait_lock);
        if (!stop && is_due(s))
            sync_now(s);
    }
    return NULL;
}

/* ---- its life ----------------------------------------------------------------------------------
 */

int gw_sync_start(struct gw_store *store)
{
    struct gw_syncer *s = calloc(1, sizeof *s);
    struct gw_disk_synced last;
    pthread_condattr_t monotonic;
    if (!s)
        return ENOMEM;
    store->syncer = s;
    s->store = store;
    s->fd = -1;
    pthread_mutex_init(&s->lock, NULL);
    pthread_mutex_init(&s->wait_lock, NULL);
    pthread_condattr_init(&monotonic);
    pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC);
    pthread_cond_init(&s->wake, &monotonic);
    pthread_condattr_destroy(&monotonic);
    if (gw_synced_read(store->folder_fd, &last))
        s->number = last.number;
    s->fd = openat(store->folder_fd, "synced", O_RDWR | O_CREAT | O_CLOEXEC, 0640);
    if (s->fd < 0)
        return errno;
    int rc = sync_once(s, false);
    if (!rc)
        rc = fsync(store->folder_fd) ? errno : 0;
    if (rc || store->settings.sync != GW_SYNC_INTERVAL || store->manual)
        return rc;
    rc = pthread_create(&s->thread, NULL, run, s);
    s->threaded = !rc;
    return rc;
}

void gw_sync_release(struct gw_store *store)
{
    struct gw_syncer *s = store->syncer;
    if (!s)
        return;
    pthread_mutex_lock(&s->lock);
    if (s->pin)
        mdb_txn_abort(s->pin);
    s->pin = NULL;
}

int gw_sync_again(struct gw_store *store)
{
    struct gw_syncer *s = store->syncer;
    if (!s)
        return 0;
    /* What is noted is no longer kept from being used again: first of all, a new note. */
    int rc = store->env && store->settings.sync == GW_SYNC_INTERVAL ? sync_once(s, false) : 0;
    pthread_mutex_unlock(&s->lock);
    return rc;
}

void gw_sync_after_commit(struct gw_store *store)
{
    struct gw_syncer *s = store->syncer;
    if (!s || s->threaded || store->settings.sync != GW_SYNC_INTERVAL)
        return;
    if (store->wall_us() - s->synced_us >= store->settings.sync_every_ms * 1000 && is_due(s))
        sync_now(s);
}

void gw_sync_try_again(struct gw_store *store)
{
    if (store->syncer && !store->syncer->threaded)
        sync_now(store->syncer);
}

void gw_sync_stop(struct gw_store *store)
{
    struct gw_syncer *s = store->syncer;
    if (!s || !s->threaded)
        return;
    pthread_mutex_lock(&s->wait_lock);
    s->stopping = true;
    pthread_cond_signal(&s->wake);
    pthread_mutex_unlock(&s->wait_lock);
    pthread_join(s->thread, NULL);
    s->threaded = false;
}

void gw_sync_end(struct gw_store *store, bool clean)
{
    struct gw_syncer *s = store->syncer;
    if (!s)
        return;
    if (clean) {
        pthread_mutex_lock(&s->lock);
        if (!s->rewrite || !rewrite(store))
            sync_once(s, true);
        pthread_mutex_unlock(&s->lock);
    }
    if (s->pin)
        mdb_txn_abort(s->pin);
    if (s->fd >= 0)
        close(s->fd);
    pthread_cond_destroy(&s->wake);
    pthread_mutex_destroy(&s->wait_lock);
    pthread_mutex_destroy(&s->lock);
    free(s);
    store->syncer = NULL;
}
