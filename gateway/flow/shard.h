/* SPDX-License-Identifier: Apache-2.0 */
/* A shard: one thread with one event loop, an inbox, and the end of each of its turns. */
#pragma once
#include "base/pool.h"
#include "meshgate/plugin.h"
#include <pthread.h>
#include <stdatomic.h>
#include <uv.h>

struct gw_call_place;
struct gw_gateway;

/* Something for a shard to do, embedded in what it is about. */
struct gw_task {
    struct gw_task *next;
    void (*run)(struct mg_shard *, struct gw_task *); /* SHARD */
};

/* Tasks for another shard, gathered so that one lock and one wake-up serve many. */
struct gw_outbox {
    struct gw_task *first, **last;
    uint32_t count;
};

/* Operations for the store, gathered in a turn. */
struct gw_store_chain {
    struct gw_store_op *first, *last;
};

/* A place in the table of obligations; see token.c. */
struct gw_slot {
    void *object;
    void (*settled)(struct mg_shard *, void *object, uint32_t outcome, const char *reason);
    uint32_t generation, next_free;
};

struct mg_shard {
    uint32_t index;
    struct gw_gateway *gateway;
    uv_loop_t loop;
    pthread_t thread;
    bool running;
    _Atomic(struct gw_call_place *) place; /* its thread's; NULL: that has not begun */

    pthread_mutex_t inbox_lock; /* protects the two below */
    struct gw_task *inbox_first, **inbox_last;
    uv_async_t inbox_wake;
    struct gw_outbox *outboxes; /* one for each shard; this shard's own */
    uint32_t outbox_count;
    bool outboxes_used;        /* something is in them */
    struct gw_outbox gathered; /* for this shard, of the one thread that gathers */

    uv_prepare_t before_poll; /* both run gw_shard_turn_end */
    uv_check_t after_poll;
    uv_idle_t again; /* keeps the loop from sleeping while something is left to do */

    struct gw_slot *slots;
    uint32_t slot_count, slot_capacity, free_slot;
    uint64_t late_settlements;

    struct gw_tap_part *taps; /* who looks at its events (tap.c) */

    struct mg_connection *dirty; /* connections with something to flush or credit to give */
    uint64_t next_event_id, next_arrival;
    struct gw_pool arrivals, passages;
    struct gw_outlet *settling; /* those with settlements of this turn */
    struct gw_store_chain settles, states;
    bool store_closed;       /* nothing goes there any more */
    int64_t now_us, wall_us; /* as first asked for in this turn; 0: not asked for yet */
};

/* A thread that leaves the signals to the control thread, but those of a crash.  0 or a negative
 * errno. */
int gw_thread_create(pthread_t *ret_thread, const char *name, void *(*run)(void *arg), void *arg);

/* 0 or a negative errno. */
int gw_shard_init(struct mg_shard *shard, uint32_t index, struct gw_gateway *gateway);
int gw_shard_run(struct mg_shard *shard);   /* starts the thread */
void gw_shard_stop(struct mg_shard *shard); /* ends loop and thread; the handles must be closed */
void gw_shard_fini(struct mg_shard *shard);

/* The shard that the calling thread is, or NULL.  Each function named *_shard asserts on it. */
struct mg_shard *gw_shard_self(void);
/* Makes the calling thread the shard: explain and unit tests run a loop without a thread. */
void gw_shard_adopt(struct mg_shard *shard);

/* Hands a task over; runs it at once where the caller is the shard.  ANY. */
void gw_shard_post(struct mg_shard *shard, struct gw_task *task);
/* Queues it even then.  What one shard queues for another goes out when a number has gathered, or
 * at the end of the turn. */
void gw_shard_queue(struct mg_shard *shard, struct gw_task *task);
/* In between, what the calling thread queues is gathered in the same way.  One thread at a time. */
void gw_shards_gather(struct gw_gateway *gateway, bool begins);
/* Runs fn on the shard and waits for it.  -ETIMEDOUT: the shard did not get to it within
 * timeout_ms, and never will call fn.  CONTROL. */
int gw_shard_call(struct mg_shard *shard, void (*fn)(struct mg_shard *, void *arg), void *arg,
                  uint64_t timeout_ms);

/* The clocks of this turn are read again. */
void gw_shard_forget_time(struct mg_shard *shard);

/* Fills the loop services of a host table. */
void gw_shard_host_fill(struct mg_host *host);
