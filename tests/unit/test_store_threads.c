/* SPDX-License-Identifier: Apache-2.0 */
/* The store with its own thread: several who hand over, several who read, one who writes. */
#include "store/store.h"
#include "store_rig.h"
#include "unit.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

enum { WRITERS = 3, EVENTS = 3000 };

static const char *const sinks[] = {"one", "two"};

struct shared {
    struct rig rig;
    atomic_bool stop;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    long waiting; /* operations whose done has not run */
};

struct event {
    struct gw_store_append op;
    struct gw_store_settle settle[2];
    struct gw_settled item;
    void *record;
    size_t length;
    struct shared *shared;
    long *last; /* of its writer: dones come in the order in which it handed over */
    long number;
};

static void one_less(struct shared *shared)
{
    pthread_mutex_lock(&shared->lock);
    if (!--shared->waiting)
        pthread_cond_signal(&shared->changed);
    pthread_mutex_unlock(&shared->lock);
}

static void settled(struct gw_store_op *op)
{
    struct gw_store_settle *settle = (struct gw_store_settle *)op;
    struct event *event = (struct event *)((char *)settle->items - offsetof(struct event, item));
    struct shared *shared = event->shared;
    if (settle->sink == 1) { /* the second comes last */
        free(event->record);
        free(event);
    }
    one_less(shared);
}

static void appended(struct gw_store_op *op)
{
    struct event *event = (struct event *)op;
    if (event->number <= *event->last)
        CU_FAIL("a done out of order");
    *event->last = event->number;
    event->item = (struct gw_settled){event->op.first_sequence, GW_TERM_DELIVERED};
    for (uint32_t i = 0; i < 2; i++)
        event->settle[i] = (struct gw_store_settle){.op = {.kind = GW_OP_SETTLE, .done = settled},
                                                    .log = event->op.log,
                                                    .sink = i,
                                                    .count = 1,
                                                    .items = &event->item};
    event->settle[0].op.next = &event->settle[1].op;
    struct gw_store *store = event->shared->rig.store;
    struct shared *shared = event->shared;
    gw_store_submit(store, &event->settle[0].op, &event->settle[1].op);
    one_less(shared);
}

static void hand_over(struct shared *shared, long *last, long number)
{
    struct event *event = calloc(1, sizeof *event);
    struct gw_record_leg legs[2] = {{.sink = 0, .address = {"a", 1}},
                                    {.sink = 1, .address = {"b", 1}}};
    struct gw_record record = {.arrived_us = 1, .legs = legs, .leg_count = 2};
    if (!event || gw_record_encode(&record, &event->record, &event->length))
        abort();
    event->op = (struct gw_store_append){.op = {.kind = GW_OP_APPEND, .done = appended},
                                         .log = shared->rig.logs[0],
                                         .records = &event->record,
                                         .lengths = &event->length,
                                         .count = 1};
    event->shared = shared;
    event->last = last;
    event->number = number;
    pthread_mutex_lock(&shared->lock);
    shared->waiting += 3;
    pthread_mutex_unlock(&shared->lock);
    gw_store_submit(shared->rig.store, &event->op.op, &event->op.op);
}

static void *write_events(void *arg)
{
    long *last = calloc(1, sizeof *last);
    for (long i = 1; i <= EVENTS; i++)
        hand_over(arg, last, i);
    return last;
}

static bool look(void *arg, const struct gw_stored *stored)
{
    uint64_t *before = arg;
    bool forward = stored->record.sequence > *before;
    *before = stored->record.sequence;
    if (!forward)
        CU_FAIL("records are not read in order");
    return stored->leg < 2;
}

static void *read_events(void *arg)
{
    struct shared *shared = arg;
    while (!atomic_load(&shared->stop)) {
        struct gw_store_ledger ledger;
        struct gw_store_backlog backlog;
        uint64_t next, before = 0, sum = 0;
        gw_store_log_ledger(shared->rig.logs[0], &ledger);
        for (size_t i = 0; i < GW_TERMS; i++)
            sum += ledger.ended[i];
        if (ledger.received != sum + ledger.stored)
            CU_FAIL("a ledger that does not balance was seen");
        gw_store_read(shared->rig.logs[0], 1, 0, look, &before, &next);
        gw_store_log_backlog(shared->rig.logs[0], 1, &backlog);
        gw_store_log_sent(shared->rig.logs[0], 1, next);
        json_decref(gw_store_report(shared->rig.store));
    }
    return NULL;
}

static void run(uint32_t sync)
{
    static struct shared shared;
    struct gw_store_log_settings settings = {.route = "r", .sinks = sinks, .sink_count = 2};
    pthread_t writers[WRITERS], readers[2];
    struct mg_err err;
    void *last[WRITERS];
    memset(&shared, 0, sizeof shared);
    rig_init(&shared.rig);
    shared.rig.settings.sync = sync;
    shared.rig.settings.sync_every_ms = 5;
    pthread_mutex_init(&shared.lock, NULL);
    pthread_cond_init(&shared.changed, NULL);
    CU_ASSERT_EQUAL_FATAL(
        gw_store_open(&shared.rig.settings, NULL, NULL, NULL, &shared.rig.store, &err), 0);
    CU_ASSERT_EQUAL_FATAL(gw_store_log_open(shared.rig.store, &settings, &shared.rig.logs[0], &err),
                          0);
    for (int i = 0; i < 2; i++)
        pthread_create(&readers[i], NULL, read_events, &shared);
    for (int i = 0; i < WRITERS; i++)
        pthread_create(&writers[i], NULL, write_events, &shared);
    for (int i = 0; i < WRITERS; i++)
        pthread_join(writers[i], &last[i]);
    pthread_mutex_lock(&shared.lock);
    while (shared.waiting)
        pthread_cond_wait(&shared.changed, &shared.lock);
    pthread_mutex_unlock(&shared.lock);
    atomic_store(&shared.stop, true);
    for (int i = 0; i < 2; i++)
        pthread_join(readers[i], NULL);
    struct gw_store_ledger ledger;
    gw_store_log_ledger(shared.rig.logs[0], &ledger);
    CU_ASSERT_EQUAL(ledger.received, WRITERS * EVENTS);
    CU_ASSERT_EQUAL(ledger.ended[GW_TERM_DELIVERED], WRITERS * EVENTS);
    for (int i = 0; i < WRITERS; i++)
        free(last[i]);
    pthread_mutex_destroy(&shared.lock);
    pthread_cond_destroy(&shared.changed);
    rig_remove(&shared.rig);
}

static void many_threads_one_order_synced_always(void)
{
    run(GW_SYNC_ALWAYS);
}

static void many_threads_one_order_synced_at_intervals(void)
{
    run(GW_SYNC_INTERVAL);
}

/* What was handed over is written when the store closes. */
static void closing_writes_what_was_handed_over(void)
{
    static struct shared shared;
    struct gw_store_log_settings settings = {.route = "r", .sinks = sinks, .sink_count = 2};
    struct mg_err err;
    memset(&shared, 0, sizeof shared);
    rig_init(&shared.rig);
    CU_ASSERT_EQUAL_FATAL(
        gw_store_open(&shared.rig.settings, NULL, NULL, NULL, &shared.rig.store, &err), 0);
    CU_ASSERT_EQUAL_FATAL(gw_store_log_open(shared.rig.store, &settings, &shared.rig.logs[0], &err),
                          0);
    struct rig_append *append = rig_append_begin(&shared.rig, 0, "last", 1, 1, 0);
    rig_append_submit(append);
    gw_store_close(shared.rig.store);
    CU_ASSERT(append->done && !append->cancelled);
    rig_append_free(append);
    shared.rig.log_settings[0] = settings;
    rig_open(&shared.rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&shared.rig, 0, 0), "last");
    rig_remove(&shared.rig);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(many_threads_one_order_synced_always)},
        {KIT_TEST(many_threads_one_order_synced_at_intervals)},
        {KIT_TEST(closing_writes_what_was_handed_over)},
        {NULL, NULL},
    };
    return kit_main("store_threads", tests);
}
