/* SPDX-License-Identifier: Apache-2.0 */
/* The writer: takes what was handed over, makes one transaction of it, and tells everybody.
 *
 * An append that has to wait is held back with what follows it in its chain, but for settlements,
 * notes, dead letters and counts: they never wait, since they are what makes room.  Held chains are
 * tried again, in their order, after a transaction that settled something.  What is held back of a
 * log keeps later appends to it behind, and an entry of state later ones of the same key. */
#include "base/hash.h"
#include "store/internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { BATCH_OPS = 4096, PAUSE_FIRST_MS = 20, PAUSE_MOST_MS = 5000 };
enum { GATHER_OP_NS = 100000, GATHER_SLICE_NS = 250000, GATHER_MOST_NS = 2000000 };

static void push(struct gw_ops *list, struct gw_store_op *first, struct gw_store_op *last)
{
    last->next = NULL;
    if (list->last)
        list->last->next = first;
    else
        list->first = first;
    list->last = last;
}

static void join(struct gw_ops *list, struct gw_ops *tail)
{
    if (tail->first)
        push(list, tail->first, tail->last);
    *tail = (struct gw_ops){0};
}

static struct gw_store_op *pop(struct gw_ops *list)
{
    struct gw_store_op *op = list->first;
    list->first = op->next;
    if (!list->first)
        list->last = NULL;
    return op;
}

void gw_store_submit(struct gw_store *store, struct gw_store_op *first, struct gw_store_op *last)
{
    for (struct gw_store_op *op = first; op != last; op = op->next)
        op->error = 0;
    last->error = 0;
    last->kind |= OP_END;
    pthread_mutex_lock(&store->lock);
    bool sleeps = !store->queue.first;
    push(&store->queue, first, last);
    pthread_mutex_unlock(&store->lock);
    if (sleeps)
        pthread_cond_signal(&store->wake);
}

void gw_writer_wake(struct gw_store *store)
{
    pthread_mutex_lock(&store->lock);
    pthread_cond_signal(&store->wake);
    pthread_mutex_unlock(&store->lock);
}

/* ---- one operation ------------------------------------------------------------------------------
 */

static bool never_waits(const struct gw_store_op *op)
{
    switch (op->kind & ~OP_END) {
    case GW_OP_APPEND:
    case GW_OP_STATE:
        return false;
    default:
        return true;
    }
}

static struct mg_bytes state_key(const struct gw_store_op *op)
{
    switch (op->kind & ~OP_END) {
    case GW_OP_APPEND:
        return ((const struct gw_store_append *)op)->state_key;
    case GW_OP_STATE:
        return ((const struct gw_store_state *)op)->key;
    default:
        return (struct mg_bytes){NULL, 0};
    }
}

static uint16_t *held_key(struct gw_store *store, const struct gw_store_op *op)
{
    struct mg_bytes key = state_key(op);
    return key.at ? &store->held_keys[gw_hash64(key.at, key.len) % HELD_KEYS] : NULL;
}

static int execute(struct gw_store *store, struct gw_store_op *op)
{
    const uint16_t *held = store->held.first ? held_key(store, op) : NULL;
    if (held && *held)
        return RC_BLOCKED;
    switch (op->kind & ~OP_END) {
    case GW_OP_APPEND:
        return gw_op_append(store, (struct gw_store_append *)op);
    case GW_OP_SETTLE:
        return gw_op_settle(store, (struct gw_store_settle *)op);
    case GW_OP_NOTE:
        return gw_op_note(store, (struct gw_store_note *)op);
    case GW_OP_BURY:
        return gw_op_bury(store, (struct gw_store_bury *)op);
    case GW_OP_COUNT:
        return gw_op_count(store, (struct gw_store_count *)op);
    case GW_OP_STATE:
        return gw_op_state(store, (struct gw_store_state *)op);
    case OP_DEAD:
        return gw_op_dead(store, (struct gw_store_dead_op *)op);
    case OP_LEASE:
        return gw_op_lease(store, (struct gw_store_lease *)op);
    case OP_EXTEND:
        return gw_op_extend(store, (struct gw_store_lease_extend *)op);
    case OP_LOST:
        return gw_op_lost(store, op);
    default:
        op->error = -EINVAL;
        return 0;
    }
}

/* ---- holding back -------------------------------------------------------------------------------
 */

static void hold(struct gw_store *store, struct gw_store_op *op)
{
    uint16_t *held = held_key(store, op);
    if (held && *held < UINT16_MAX)
        ++*held;
    if ((op->kind & ~OP_END) == GW_OP_APPEND)
        ((struct gw_store_append *)op)->log->stuck = true;
    push(&store->held, op, op);
    store->held_count++;
}

static void let_go(struct gw_store *store)
{
    memset(store->held_keys, 0, sizeof store->held_keys);
    for (size_t i = 0; i < store->log_count; i++)
        store->logs[i]->stuck = false;
    join(&store->held, &store->todo);
    store->todo = store->held;
    store->held = (struct gw_ops){0};
    store->held_count = 0;
}

/* Puts what ran of a chain that failed back in front of todo. */
static void take_back(struct gw_store *store, struct gw_store_op *before)
{
    struct gw_ops ran = {before ? before->next : store->batch.first, store->batch.last};
    if (!ran.first)
        return;
    store->batch.last = before;
    if (before)
        before->next = NULL;
    else
        store->batch.first = NULL;
    join(&ran, &store->todo);
    store->todo = ran;
}

static void failed(struct gw_store *store, struct gw_store_op *op, struct gw_store_op *before,
                   bool holding)
{
    struct gw_ops alone = {0};
    if (holding) /* it was to run alone, apart from what is held of its chain */
        op->kind |= OP_END;
    push(&alone, op, op);
    join(&alone, &store->todo);
    store->todo = alone;
    if (holding)
        store->held.last->kind |= OP_END;
    else
        take_back(store, before);
}

/* Runs the chain at the head of todo.  On an error all of it is back there, but for what is held or
 * ran apart from it. */
static int run_chain(struct gw_store *store)
{
    struct gw_store_op *before = store->batch.last;
    bool holding = false, end = false;
    while (!end) {
        struct gw_store_op *op = pop(&store->todo);
        end = op->kind & OP_END;
        int rc = holding && !never_waits(op) ? RC_BLOCKED : execute(store, op);
        if (rc == RC_BLOCKED) {
            if (!holding && store->batch.last)
                store->batch.last->kind |= OP_END; /* what ran of it is a chain of its own now */
            holding = true;
            hold(store, op);
        } else if (rc) {
            failed(store, op, before, holding);
            return rc;
        } else {
            op->kind |= holding ? OP_END : 0u;
            push(&store->batch, op, op);
            store->batch_count++;
        }
    }
    if (holding)
        store->held.last->kind |= OP_END;
    return 0;
}

/* ---- a transaction ------------------------------------------------------------------------------
 */

static void finish_batch(struct gw_store *store)
{
    if (store->telling)
        store->telling(store->telling_arg, true);
    while (store->batch.first) {
        struct gw_store_op *op = pop(&store->batch);
        op->kind &= ~OP_END;
        op->done(op);
    }
    if (store->telling)
        store->telling(store->telling_arg, false);
}

/* Into the log once, not as often as a store that is nearly full goes to and fro. */
static void tell(struct gw_store *store, const char *reason)
{
    if (*reason && !store->told) {
        store->told = true;
        gw_store_find(store, MG_WARN, "%s: %s; what comes in waits", store->path, reason);
    } else if (!*reason && store->told && !store->tight) {
        store->told = false;
        gw_store_find(store, MG_INFO, "%s: goes on", store->path);
    }
}

static void say(struct gw_store *store, const char *reason)
{
    tell(store, reason);
    pthread_mutex_lock(&store->lock);
    snprintf(store->said.reason, sizeof store->said.reason, "%s", reason);
    store->said.waiting = store->held_count;
    store->said.bytes = gw_engine_used_bytes(store);
    pthread_mutex_unlock(&store->lock);
}

static int transact(struct gw_store *store, uint64_t cap)
{
    store->batch_bytes = store->batch_count = 0;
    store->settled = false;
    int rc = gw_engine_begin(store);
    if (rc)
        return rc;
    while (!rc && store->todo.first && store->batch_count < cap &&
           store->batch_bytes < store->batch_most)
        rc = run_chain(store);
    if (!rc)
        rc = gw_logs_write_dirty(store);
    if (rc) {
        gw_engine_abort(store);
        return rc;
    }
    return gw_engine_commit(store);
}

/* Puts everything back as it was before the transaction. */
static void undo(struct gw_store *store)
{
    struct gw_ops rest = store->todo;
    store->todo = store->batch;
    store->batch = (struct gw_ops){0};
    join(&store->todo, &store->held);
    store->held_count = 0;
    join(&store->todo, &rest);
    let_go(store);
    store->dead_next_known = false;
    store->stale = gw_logs_reload_dirty(store) != 0;
}

static void committed(struct gw_store *store)
{
    gw_logs_publish_dirty(store);
    store->retry_held |= store->settled;
    store->failures = 0;
    store->batch_cap = store->batch_cap * 2 < BATCH_OPS ? store->batch_cap * 2 : BATCH_OPS;
    gw_sync_after_commit(store);
    gw_engine_trim(store);
    pthread_mutex_lock(&store->lock);
    store->said.commits++;
    pthread_mutex_unlock(&store->lock);
    say(store, store->full ? store->full_why : "");
    finish_batch(store);
}

/* How many operations at the head of todo make room; those are moved there. */
static uint64_t settlements_first(struct gw_store *store)
{
    struct gw_ops room = {0}, rest = {0};
    uint64_t count = 0;
    while (store->todo.first) {
        struct gw_store_op *op = pop(&store->todo);
        if (never_waits(op)) {
            if (op->kind & OP_END && rest.last)
                rest.last->kind |= OP_END;
            op->kind |= OP_END;
            push(&room, op, op);
            count++;
        } else {
            push(&rest, op, op);
        }
    }
    join(&room, &rest);
    store->todo = room;
    return count;
}

/* False: it failed, and is to be tried again after a pause. */
static bool attempt(struct gw_store *store)
{
    uint64_t first = store->failures ? settlements_first(store) : 0;
    int rc = transact(store, first && first < store->batch_cap ? first : store->batch_cap);
    if (!rc) {
        committed(store);
        return true;
    }
    undo(store);
    if (rc == MDB_MAP_FULL && gw_engine_grow(store, store->batch_cap == 1))
        return true;
    if (rc == MDB_MAP_FULL || rc == MDB_TXN_FULL || rc == ENOSPC || rc == EIO)
        store->batch_cap = store->batch_cap > 1 ? store->batch_cap / 2 : 1;
    store->failures++;
    char reason[160];
    snprintf(reason, sizeof reason, "a transaction failed: %s", gw_store_rc_text(rc));
    say(store, reason);
    return rc == MDB_MAP_FULL || rc == MDB_TXN_FULL;
}

static void take_queue(struct gw_store *store)
{
    pthread_mutex_lock(&store->lock);
    join(&store->todo, &store->queue);
    pthread_mutex_unlock(&store->lock);
}

bool gw_writer_pass(struct gw_store *store)
{
    bool worked = false;
    if (atomic_load(&store->sync_failed))
        gw_sync_try_again(store);
    if (atomic_load(&store->sync_failed)) {
        char reason[160];
        snprintf(reason, sizeof reason, "the disk does not take what was written: %s",
                 strerror(atomic_load(&store->sync_failed)));
        say(store, reason);
        return false;
    }
    if (store->stale && (store->stale = gw_logs_reload_dirty(store) != 0))
        return false;
    do {
        take_queue(store);
        gw_engine_look_for_room(store);
        if (store->retry_held && store->held.first && !store->full)
            let_go(store);
        store->retry_held = false;
        if (!store->todo.first) {
            say(store, store->full ? store->full_why : "");
            return worked;
        }
        if (!attempt(store))
            return worked;
        worked = true;
    } while (store->todo.first || (store->retry_held && store->held.first));
    return worked;
}

/* ---- the thread ---------------------------------------------------------------------------------
 */

static int64_t pause_ms(const struct gw_store *store)
{
    if (store->failures) {
        uint32_t doublings = store->failures < 9 ? store->failures - 1 : 8;
        int64_t ms = (int64_t)PAUSE_FIRST_MS << doublings;
        return ms < PAUSE_MOST_MS ? ms : PAUSE_MOST_MS;
    }
    return store->held.first || store->stale ? 200
                                             : -1; /* budgets of age, a disk with room again */
}

static void wait_for_work(struct gw_store *store)
{
    int64_t ms = pause_ms(store);
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_sec += ms / 1000;
    until.tv_nsec += ms % 1000 * 1000000;
    until.tv_sec += until.tv_nsec / 1000000000;
    until.tv_nsec %= 1000000000;
    pthread_mutex_lock(&store->lock);
    while (!store->stopping &&
           (store->failures || atomic_load(&store->sync_failed) || !store->queue.first)) {
        if (ms < 0) {
            pthread_cond_wait(&store->wake, &store->lock);
        } else if (pthread_cond_timedwait(&store->wake, &store->lock, &until)) {
            store->retry_held = true;
            break;
        }
    }
    pthread_mutex_unlock(&store->lock);
}

static int64_t monotonic_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

/* Without a disk to wait for, commits would be of one operation each, and cost more than what is in
 * them.  So the next one waits a little: the longer, the more the last one had, and only as long as
 * something comes. */
static void gather(struct gw_store *store, int64_t last_ns)
{
    int64_t rest = (int64_t)store->batch_count * GATHER_OP_NS, before = store->gather_ns;
    rest =
        rest > before - before / 8 ? rest : before - before / 8; /* what comes, comes in bursts */
    store->gather_ns = rest < GATHER_MOST_NS ? rest : GATHER_MOST_NS;
    int64_t until = last_ns + store->gather_ns;
    const struct gw_store_op *seen = NULL;
    for (;;) {
        pthread_mutex_lock(&store->lock);
        const struct gw_store_op *last = store->stopping ? seen : store->queue.last;
        pthread_mutex_unlock(&store->lock);
        rest = until - monotonic_ns();
        if (last == seen || rest <= 0)
            return;
        seen = last;
        struct timespec slice = {.tv_nsec = rest < GATHER_SLICE_NS ? rest : GATHER_SLICE_NS};
        nanosleep(&slice, NULL);
    }
}

void *gw_writer_run(void *arg)
{
    struct gw_store *store = arg;
    int64_t last_ns = 0;
    bool stop = false;
    while (!stop) {
        wait_for_work(store);
        if (store->settings.sync != GW_SYNC_ALWAYS)
            gather(store, last_ns);
        last_ns = monotonic_ns();
        pthread_mutex_lock(&store->lock);
        stop = store->stopping;
        pthread_mutex_unlock(&store->lock);
        pthread_mutex_lock(&store->turning);
        gw_writer_pass(store);
        pthread_mutex_unlock(&store->turning);
    }
    return NULL;
}

void gw_writer_cancel(struct gw_store *store)
{
    take_queue(store);
    join(&store->held, &store->todo);
    while (store->held.first) {
        struct gw_store_op *op = pop(&store->held);
        op->kind &= ~OP_END;
        op->error = -ECANCELED;
        op->done(op);
    }
}

bool gw_store_turn(struct gw_store *store)
{
    pthread_mutex_lock(&store->turning);
    store->retry_held = true;
    bool worked = gw_writer_pass(store);
    pthread_mutex_unlock(&store->turning);
    return worked;
}
