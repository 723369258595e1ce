/* SPDX-License-Identifier: Apache-2.0 */
/* Between the core and its store (ld --wrap): gives the store virtual time, takes it away when the
 * gateway dies, and keeps books of what was committed, so that each answer can be checked. */
#include "sim.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- operations on their way ------------------------------------------------------------------
 */

enum { BUCKETS = 512 };

struct pending {
    struct pending *next;
    struct gw_store_op *op;
    void (*done)(struct gw_store_op *op);
};
static struct pending *pending[BUCKETS];

static struct pending **bucket_of(const struct gw_store_op *op)
{
    return &pending[(uintptr_t)op / 16 % BUCKETS];
}

static void op_done(struct gw_store_op *op)
{
    struct pending **at = bucket_of(op);
    while ((*at)->op != op)
        at = &(*at)->next;
    struct pending *p = *at;
    void (*done)(struct gw_store_op *) = p->done;
    *at = p->next;
    free(p);
    sim.outstanding--;
    if (!op->error)
        sim_saw_commit(op);
    else if (!sim.dead && !sim.drains)
        sim_fail("an operation failed with %d", op->error);
    done(op);
}

static void cancel(struct gw_store_op *first, struct gw_store_op *last)
{
    for (struct gw_store_op *op = first, *next; op; op = next) {
        next = op == last ? NULL : op->next;
        op->error = -ECANCELED;
        op->done(op);
    }
}

void __real_gw_store_submit(struct gw_store *store, struct gw_store_op *first,
                            struct gw_store_op *last);
void __wrap_gw_store_submit(struct gw_store *store, struct gw_store_op *first,
                            struct gw_store_op *last);

void __wrap_gw_store_submit(struct gw_store *store, struct gw_store_op *first,
                            struct gw_store_op *last)
{
    if (sim.dead) {
        cancel(first, last);
        return;
    }
    for (struct gw_store_op *op = first;; op = op->next) {
        struct pending *p = malloc(sizeof *p), **at = bucket_of(op);
        if (!p)
            abort();
        *p = (struct pending){*at, op, op->done};
        *at = p;
        op->done = op_done;
        sim.outstanding++;
        sim_saw_submit(op);
        if (op == last)
            break;
    }
    sim.store_idle = false;
    __real_gw_store_submit(store, first, last);
}

bool sim_store_turn(void)
{
    mg_shard *was = gw_shard_self();
    gw_shard_adopt(NULL); /* the store's own thread */
    bool worked = gw_store_turn(sim.store);
    gw_shard_adopt(was);
    return worked;
}

/* ---- opening and closing ----------------------------------------------------------------------
 */

static int64_t wall_us(void)
{
    return gw_wall_us(NULL);
}

int __real_gw_store_open(const struct gw_store_settings *settings,
                         const struct gw_store_options *options, gw_store_found_fn *found,
                         void *arg, struct gw_store **ret_store, struct mg_err *reterr);
int __wrap_gw_store_open(const struct gw_store_settings *settings,
                         const struct gw_store_options *options, gw_store_found_fn *found,
                         void *arg, struct gw_store **ret_store, struct mg_err *reterr);

int __wrap_gw_store_open(const struct gw_store_settings *settings,
                         const struct gw_store_options *options, gw_store_found_fn *found,
                         void *arg, struct gw_store **ret_store, struct mg_err *reterr)
{
    struct gw_store_options mine = options ? *options : (struct gw_store_options){0};
    mine.manual = true;
    mine.wall_us = wall_us;
    mine.boot_id = sim_boot_id();
    int error = __real_gw_store_open(settings, &mine, found, arg, ret_store, reterr);
    if (!error) {
        sim.store = *ret_store;
        sim.store_idle = false;
    }
    return error;
}

void __real_gw_store_close(struct gw_store *store);
void __wrap_gw_store_close(struct gw_store *store);

void __wrap_gw_store_close(struct gw_store *store)
{
    mg_shard *was = gw_shard_self();
    gw_shard_adopt(NULL);
    if (!sim.dead)
        __real_gw_store_close(store);
    sim.store = NULL;
    gw_shard_adopt(was);
}

void sim_watch_kill(void)
{
    mg_shard *was = gw_shard_self();
    gw_shard_adopt(NULL);
    sim.dead = true;
    gw_store_abandon(sim.store);
    sim.store = NULL;
    gw_shard_adopt(was);
}

int __real_gw_store_log_open(struct gw_store *store, const struct gw_store_log_settings *settings,
                             struct gw_store_log **ret_log, struct mg_err *reterr);
int __wrap_gw_store_log_open(struct gw_store *store, const struct gw_store_log_settings *settings,
                             struct gw_store_log **ret_log, struct mg_err *reterr);

int __wrap_gw_store_log_open(struct gw_store *store, const struct gw_store_log_settings *settings,
                             struct gw_store_log **ret_log, struct mg_err *reterr)
{
    int error = __real_gw_store_log_open(store, settings, ret_log, reterr);
    if (!error)
        sim.books[settings->route[1] - '0'].log = *ret_log; /* "r0" … */
    return error;
}

/* ---- what a dead gateway asks ------------------------------------------------------------------
 */

void __real_gw_store_log_backlog(struct gw_store_log *log, uint32_t sink,
                                 struct gw_store_backlog *ret);
void __wrap_gw_store_log_backlog(struct gw_store_log *log, uint32_t sink,
                                 struct gw_store_backlog *ret);
void __wrap_gw_store_log_backlog(struct gw_store_log *log, uint32_t sink,
                                 struct gw_store_backlog *ret)
{
    if (sim.dead)
        *ret = (struct gw_store_backlog){0};
    else
        __real_gw_store_log_backlog(log, sink, ret);
}

uint32_t __real_gw_store_log_number(const struct gw_store_log *log);
uint32_t __wrap_gw_store_log_number(const struct gw_store_log *log);
uint32_t __wrap_gw_store_log_number(const struct gw_store_log *log)
{
    return sim.dead ? 0 : __real_gw_store_log_number(log);
}

void __real_gw_store_log_sent(struct gw_store_log *log, uint32_t sink, uint64_t end);
void __wrap_gw_store_log_sent(struct gw_store_log *log, uint32_t sink, uint64_t end);
void __wrap_gw_store_log_sent(struct gw_store_log *log, uint32_t sink, uint64_t end)
{
    if (sim.dead)
        return;
    sim.store_idle = false;
    __real_gw_store_log_sent(log, sink, end);
}

void __real_gw_store_hand(struct gw_store_log *log, uint32_t sink, uint64_t sequence, bool in_hand);
void __wrap_gw_store_hand(struct gw_store_log *log, uint32_t sink, uint64_t sequence, bool in_hand);
void __wrap_gw_store_hand(struct gw_store_log *log, uint32_t sink, uint64_t sequence, bool in_hand)
{
    if (!sim.dead)
        __real_gw_store_hand(log, sink, sequence, in_hand);
}

void __real_gw_store_not_sent(struct gw_store_log *log, uint32_t sink, uint64_t sequence);
void __wrap_gw_store_not_sent(struct gw_store_log *log, uint32_t sink, uint64_t sequence);
void __wrap_gw_store_not_sent(struct gw_store_log *log, uint32_t sink, uint64_t sequence)
{
    if (!sim.dead)
        __real_gw_store_not_sent(log, sink, sequence);
}

void __real_gw_store_step(struct gw_store *store, uint32_t shard, const uint64_t identity[2]);
void __wrap_gw_store_step(struct gw_store *store, uint32_t shard, const uint64_t identity[2]);
void __wrap_gw_store_step(struct gw_store *store, uint32_t shard, const uint64_t identity[2])
{
    if (!sim.dead)
        __real_gw_store_step(store, shard, identity);
}

/* ---- reading ------------------------------------------------------------------------------------
 */

struct reading {
    uint32_t route, sink;
    uint64_t next; /* everything before it was shown, or needed not to be */
    bool (*visit)(void *arg, const struct gw_stored *stored);
    void *arg;
    bool enough;
};

static bool show(void *arg, const struct gw_stored *stored)
{
    struct reading *r = arg;
    sim_saw_shown(r->route, r->sink, r->next, stored);
    r->next = stored->record.sequence + 1;
    r->enough = !r->visit(r->arg, stored);
    return !r->enough;
}

int __real_gw_store_read(struct gw_store_log *log, uint32_t sink, uint64_t from,
                         bool (*visit)(void *arg, const struct gw_stored *stored), void *arg,
                         uint64_t *ret_next);
int __wrap_gw_store_read(struct gw_store_log *log, uint32_t sink, uint64_t from,
                         bool (*visit)(void *arg, const struct gw_stored *stored), void *arg,
                         uint64_t *ret_next);
int __wrap_gw_store_read(struct gw_store_log *log, uint32_t sink, uint64_t from,
                         bool (*visit)(void *arg, const struct gw_stored *stored), void *arg,
                         uint64_t *ret_next)
{
    struct reading r = {.sink = sink, .next = from, .visit = visit, .arg = arg};
    if (sim.dead)
        return -ECANCELED;
    while (sim.books[r.route].log != log)
        r.route++;
    int error = __real_gw_store_read(log, sink, from, show, &r, ret_next);
    sim_note("read r%uk%u from %llu to %llu", r.route, sink, (unsigned long long)from,
             (unsigned long long)*ret_next);
    if (error)
        sim_fail("reading failed with %d", error);
    else if (!r.enough)
        sim_saw_shown(r.route, r.sink, r.next, NULL);
    return error;
}
