/* SPDX-License-Identifier: Apache-2.0 */
/* The fake host itself: what it promises to tests of modules. */
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static struct kit_host *host;
static const struct mg_host *table;

static void open_host(void)
{
    host = kit_host_create();
    table = kit_host_table(host);
}

/* ---- a bridge that hands everything back: what is sent comes in at its source --------------- */

struct echo {
    mg_connection *connection;
    mg_source *source;
    uint32_t credit, flushed;
    uint32_t outcomes[8];
};

static int echo_create(const struct mg_host *h, mg_instance *instance, const void *settings,
                       void **ret_self, struct mg_err *reterr)
{
    (void)h, (void)reterr;
    *ret_self = instance;
    return settings ? 0 : -EINVAL;
}

static void echo_destroy(void *self)
{
    (void)self;
}

static int echo_open(void *self, mg_connection *connection, uint32_t index, void **ret_context,
                     struct mg_err *reterr)
{
    (void)self, (void)index, (void)reterr;
    struct echo *echo = calloc(1, sizeof *echo);
    echo->connection = connection;
    *ret_context = echo;
    return 0;
}

static int echo_open_source(void *context, mg_source *source, const char *address,
                            const void *settings, void **ret_source, struct mg_err *reterr)
{
    (void)address, (void)settings, (void)reterr;
    ((struct echo *)context)->source = source;
    *ret_source = context;
    return 0;
}

static int echo_open_sink(void *context, mg_sink *sink, const char *address, const void *settings,
                          void **ret_sink, struct mg_err *reterr)
{
    (void)sink, (void)address, (void)settings, (void)reterr;
    *ret_sink = context;
    return 0;
}

static void echo_credit(void *context, void *source, uint32_t more)
{
    if (source)
        ((struct echo *)context)->credit += more;
}

static void echo_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                         const char *reason)
{
    (void)source, (void)reason;
    ((struct echo *)context)->outcomes[cookie] = outcome;
}

static int echo_send(void *context, void *sink, const struct mg_delivery *delivery,
                     struct mg_err *reterr)
{
    (void)sink, (void)reterr;
    struct echo *echo = context;
    struct mg_message message = kit_message("echo", NULL);
    message.payload = table->event_payload(delivery->event);
    int result = table->ingest(echo->connection, echo->source, &message, delivery->attempt);
    if (!result && delivery->token)
        table->settle(delivery->token, MG_ACCEPTED, "echoed");
    return result;
}

static void echo_flush(void *context)
{
    ((struct echo *)context)->flushed++;
}

static void echo_close(void *context)
{
    table->closed(((struct echo *)context)->connection);
}

static const struct mg_life echo_life = {.create = echo_create, .destroy = echo_destroy};
static const struct mg_bridge_ops echo_ops = {.size = sizeof echo_ops,
                                              .abilities = MG_SOURCE | MG_SINK,
                                              .open = echo_open,
                                              .open_source = echo_open_source,
                                              .open_sink = echo_open_sink,
                                              .credit = echo_credit,
                                              .settled = echo_settled,
                                              .send = echo_send,
                                              .flush = echo_flush,
                                              .close = echo_close,
                                              .destroy = free};
static const struct mg_module echo_module = {.abi = MG_ABI_HERE,
                                             .kind = MG_BRIDGE,
                                             .name = "echo",
                                             .version = "1",
                                             .life = &echo_life,
                                             .ops = &echo_ops};

static void a_bridge_is_driven_through_its_whole_life(void)
{
    open_host();
    struct mg_err err = {0};
    mg_instance *instance = NULL;
    mg_connection *connection = NULL;
    mg_source *source = NULL;
    mg_sink *sink = NULL;
    CU_ASSERT_EQUAL(kit_instance_create(host, &echo_module, "e", NULL, &instance, &err), -EINVAL);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, &echo_module, "e", "settings", &instance, &err),
                          0);
    CU_ASSERT(kit_str_is(table->instance_name(instance), "e"));
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
    CU_ASSERT_EQUAL(kit_source_open(connection, "in", NULL, &source, &err), 0);
    CU_ASSERT_EQUAL(kit_sink_open(connection, "out", NULL, &sink, &err), 0);
    CU_ASSERT_EQUAL(kit_connection_begin(connection, 1, &err), 0);
    struct echo *echo = kit_connection_context(connection);
    CU_ASSERT_EQUAL(echo->credit, 1);

    mg_event *event = kit_event("a/b", "hello");
    const struct kit_sent *sent = NULL;
    CU_ASSERT_EQUAL(kit_send(sink, event, "out", true, &sent, &err), 0);
    CU_ASSERT_EQUAL(sent->outcome, MG_ACCEPTED);
    CU_ASSERT_STRING_EQUAL(sent->reason, "echoed");
    CU_ASSERT_EQUAL(kit_ingested_count(host), 1);
    CU_ASSERT(kit_payload_is(kit_ingested(host, 0)->event, "hello"));
    /* The window of one is full until the first event is settled. */
    CU_ASSERT_EQUAL(kit_send(sink, event, "out", false, NULL, &err), -EAGAIN);
    kit_settle(host, 0, MG_RELEASED, NULL);
    CU_ASSERT_EQUAL(echo->outcomes[1], MG_RELEASED);
    CU_ASSERT_EQUAL(echo->credit, 2);
    CU_ASSERT_FALSE(kit_is_sendable(sink));
    table->sendable(connection, NULL);
    CU_ASSERT(kit_is_sendable(sink));
    kit_turn(host);
    CU_ASSERT_EQUAL(echo->flushed, 1);
    kit_ingest_answer(host, -ENOMEM);
    CU_ASSERT_EQUAL(kit_send(sink, event, "out", true, NULL, &err), -ENOMEM);
    CU_ASSERT_EQUAL(kit_unsettled_count(host), 0);
    table->event_unref(event);
    CU_ASSERT_EQUAL(kit_connection_close(connection, 1000), 0);
    kit_connection_destroy(connection);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

/* ---- the loop ------------------------------------------------------------------------------- */

struct seen {
    mg_timer *timer;
    mg_io *io;
    mg_wake *wake;
    size_t count;
    int64_t last_us;
};

static void timer_fired(void *arg)
{
    struct seen *seen = arg;
    seen->count++;
    seen->last_us = table->now_us(kit_shard(host, 0));
    if (seen->count == 3)
        table->timer_stop(seen->timer); /* inside its own callback */
}

static void the_clock_moves_by_hand_and_fires_what_is_due_in_order(void)
{
    open_host();
    kit_clock_by_hand(host);
    struct seen periodic = {0}, once = {.count = 10};
    int64_t start = table->now_us(kit_shard(host, 0));
    periodic.timer = table->timer_start(kit_shard(host, 0), 1000, 1000, timer_fired, &periodic);
    once.timer = table->timer_start(kit_shard(host, 0), 2500, 0, timer_fired, &once);
    CU_ASSERT_EQUAL(kit_next_timer_ms(host), 1000);
    kit_clock_advance_ms(host, 999);
    CU_ASSERT_EQUAL(periodic.count, 0);
    kit_clock_advance_ms(host, 3600 * 1000);
    CU_ASSERT_EQUAL(periodic.count, 3);
    CU_ASSERT_EQUAL(periodic.last_us, start + 3000000);
    CU_ASSERT_EQUAL(once.count, 11);
    CU_ASSERT_EQUAL(once.last_us, start + 2500000);
    table->timer_stop(once.timer);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void pipe_ready(void *arg, uint32_t events)
{
    struct seen *seen = arg;
    char byte;
    CU_ASSERT_EQUAL(events, MG_IO_READ);
    seen->count++;
    CU_ASSERT_EQUAL(read((int)seen->last_us, &byte, 1), 1);
    table->io_stop(seen->io);
}

static bool was_seen(void *arg)
{
    return ((struct seen *)arg)->count;
}

static void a_watched_descriptor_calls_back_until_it_is_stopped(void)
{
    open_host();
    int fds[2];
    CU_ASSERT_EQUAL_FATAL(pipe(fds), 0);
    struct seen seen = {.last_us = fds[0]};
    seen.io = table->io_watch(kit_shard(host, 0), fds[0], MG_IO_READ, pipe_ready, &seen);
    CU_ASSERT_PTR_NOT_NULL_FATAL(seen.io);
    CU_ASSERT_FALSE(kit_run_until(host, was_seen, &seen, 1));
    CU_ASSERT_EQUAL(write(fds[1], "xy", 2), 2);
    CU_ASSERT(kit_run_until(host, was_seen, &seen, 5000));
    kit_turn(host);
    CU_ASSERT_EQUAL(seen.count, 1);
    close(fds[0]);
    close(fds[1]);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void woken(void *arg)
{
    ((struct seen *)arg)->count++;
}

static void *wake_from_afar(void *arg)
{
    struct seen *seen = arg;
    table->wake(seen->wake);
    return NULL;
}

static void a_wake_from_another_thread_ends_the_wait(void)
{
    open_host();
    struct seen seen = {0};
    seen.wake = table->wake_new(kit_shard(host, 1), woken, &seen);
    pthread_t thread;
    CU_ASSERT_EQUAL_FATAL(pthread_create(&thread, NULL, wake_from_afar, &seen), 0);
    CU_ASSERT(kit_run_until(host, was_seen, &seen, 5000));
    pthread_join(thread, NULL);
    table->wake_free(seen.wake);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

struct job {
    pthread_t job_thread;
    bool done;
};

static void job_do(void *arg)
{
    ((struct job *)arg)->job_thread = pthread_self();
}

static void job_done(void *arg)
{
    struct job *job = arg;
    CU_ASSERT_FALSE(pthread_equal(job->job_thread, pthread_self()));
    job->done = true;
}

static bool job_is_done(void *arg)
{
    return ((struct job *)arg)->done;
}

static void a_job_runs_on_another_thread_and_is_done_on_the_shard(void)
{
    open_host();
    struct job job = {0};
    CU_ASSERT_EQUAL(table->work(kit_shard(host, 0), job_do, job_done, &job), 0);
    CU_ASSERT(kit_run_until(host, job_is_done, &job, 5000));
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

/* ---- steps ---------------------------------------------------------------------------------- */

struct late {
    mg_token token;
    mg_event *event;
};
static struct late late;
static mg_timer *late_timer;

static void late_fired(void *arg)
{
    (void)arg;
    table->timer_stop(late_timer);
    table->resume(late.token, MG_REPLACE, &late.event, 1, NULL);
}

static uint32_t late_process(void *self, void *context, const struct mg_step_call *call,
                             struct mg_step_result *ret_result)
{
    (void)self, (void)context, (void)ret_result;
    CU_ASSERT(kit_str_is(table->scope_route(call->scope), "r"));
    CU_ASSERT(kit_str_is(table->scope_capture(call->scope, kit_str("line")), "7"));
    late.token = call->pending;
    late.event = table->event_ref(call->event);
    late_timer = table->timer_start(kit_shard(host, 0), 1, 0, late_fired, NULL);
    return MG_PENDING;
}

static const struct mg_step_ops late_ops = {.size = sizeof late_ops, .process = late_process};

static size_t faults_of_pending(uint32_t kind)
{
    open_host();
    const struct mg_module module = {.abi = MG_ABI_HERE,
                                     .kind = kind,
                                     .name = "late",
                                     .version = "1",
                                     .life = &echo_life,
                                     .ops = &late_ops};
    struct mg_err err = {0};
    mg_instance *instance = NULL;
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, &module, "l", "settings", &instance, &err), 0);
    mg_event *event = kit_event("a", "b");
    struct kit_verdict verdict =
        kit_process(instance, event, kit_scope(host, "r", "line", "7", NULL));
    CU_ASSERT(verdict.pended);
    CU_ASSERT_EQUAL(verdict.verdict, MG_REPLACE);
    CU_ASSERT_EQUAL_FATAL(verdict.count, 1);
    CU_ASSERT(kit_payload_is(verdict.events[0], "b"));
    kit_verdict_fini(&verdict);
    table->event_unref(event);
    kit_instance_destroy(instance);
    return kit_host_destroy(host);
}

static void a_pending_verdict_is_waited_for(void)
{
    CU_ASSERT_EQUAL(faults_of_pending(MG_ENRICHER), 0);
}

/* The next two print the faults that they provoke; that output is part of the promise. */
static void a_verdict_that_the_kind_may_not_give_is_a_fault(void)
{
    CU_ASSERT_EQUAL(faults_of_pending(MG_FILTER), 2); /* pending, and rewriting */
}

static void what_breaks_the_contract_is_counted(void)
{
    open_host();
    table->settle(7, MG_ACCEPTED, NULL);
    table->resume(9, MG_PASS, NULL, 0, NULL);
    CU_ASSERT_EQUAL(kit_faults(host), 2);
    table->wake_new(kit_shard(host, 0), woken, NULL);
    CU_ASSERT_EQUAL(kit_live_handles(host), 1);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 3);
}

struct standing {
    mg_shard *shard;
    bool called, stood;
};

static void look_until_time_has_passed(void *arg)
{
    struct standing *s = arg;
    int64_t now = table->now_us(s->shard), wall = table->wall_us(s->shard);
    struct timespec first, later;
    clock_gettime(CLOCK_MONOTONIC, &first);
    do
        clock_gettime(CLOCK_MONOTONIC, &later);
    while (later.tv_sec == first.tv_sec && later.tv_nsec - first.tv_nsec < 2000000);
    s->stood = table->now_us(s->shard) == now && table->wall_us(s->shard) == wall;
    s->called = true;
}

static void the_clocks_stand_still_in_a_callback(void)
{
    open_host();
    struct standing s = {.shard = kit_shard(host, 0)};
    int64_t before = table->now_us(s.shard);
    mg_timer *timer = table->timer_start(s.shard, 0, 0, look_until_time_has_passed, &s);
    while (!s.called)
        kit_turn(host);
    CU_ASSERT_TRUE(s.stood);
    CU_ASSERT_TRUE(table->now_us(s.shard) >= before + 2000);
    table->timer_stop(timer);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void a_descriptor_is_judged_as_a_gateway_would(void)
{
    struct mg_err err = {0};
    struct mg_step_ops ops = late_ops;
    const struct mg_module module = {.abi = MG_ABI_HERE,
                                     .kind = MG_ENRICHER,
                                     .name = "late",
                                     .version = "1",
                                     .life = &echo_life,
                                     .ops = &ops};
    CU_ASSERT_EQUAL(kit_module_check(&module, &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
    ops.process = NULL;
    CU_ASSERT_EQUAL(kit_module_check(&module, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "lacks ops->process"));
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"a bridge is driven through its whole life", a_bridge_is_driven_through_its_whole_life},
        {KIT_TEST(a_descriptor_is_judged_as_a_gateway_would)},
        {KIT_TEST(the_clocks_stand_still_in_a_callback)},
        {"the clock moves by hand and fires what is due in order",
         the_clock_moves_by_hand_and_fires_what_is_due_in_order},
        {"a watched descriptor calls back until it is stopped",
         a_watched_descriptor_calls_back_until_it_is_stopped},
        {"a wake from another thread ends the wait", a_wake_from_another_thread_ends_the_wait},
        {"a job runs on another thread and is done on the shard",
         a_job_runs_on_another_thread_and_is_done_on_the_shard},
        {"a pending verdict is waited for", a_pending_verdict_is_waited_for},
        {"a verdict that the kind may not give is a fault",
         a_verdict_that_the_kind_may_not_give_is_a_fault},
        {"what breaks the contract is counted", what_breaks_the_contract_is_counted},
        {NULL, NULL},
    };
    return kit_main("kit", tests);
}
