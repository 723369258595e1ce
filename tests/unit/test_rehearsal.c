/* SPDX-License-Identifier: Apache-2.0 */
/* A rehearsal's clock: it jumps over waiting, stands still for work outside, and is the same twice.
 */
#include "cli/folder.h"
#include "config/tree.h"
#include "flow/internal.h"
#include "flow/rehearsal.h"
#include "flow/virtual_time.h"
#include "unit.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* ---- modules -------------------------------------------------------------------------------- */

static const struct mg_host *host;

static int create(const struct mg_host *h, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *err)
{
    (void)instance, (void)settings, (void)err;
    host = h;
    *ret_self = &host;
    return 0;
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *err)
{
    (void)self, (void)err;
    *ret_context = shard;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self, (void)context;
}

static void destroy(void *self)
{
    (void)self;
}

static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *err)
{
    (void)settings, (void)direction, (void)address, (void)end_settings, (void)err;
    *ret_end = (struct mg_end){MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_ORDERED |
                                   MG_FILTERS | MG_NO_ECHO,
                               UINT32_MAX, NULL};
    return 0;
}

/* What an enricher of these tests waits for. */
struct waiting {
    mg_shard *shard;
    mg_token token;
    mg_timer *timer;
    mg_io *io;
    pthread_t thread;
    int pipe[2];
    bool has_thread;
    uint32_t sum;
};

static void goes_on(void *arg)
{
    struct waiting *w = arg;
    host->timer_stop(w->timer);
    host->io_stop(w->io);
    if (w->has_thread)
        pthread_join(w->thread, NULL);
    if (w->io) {
        close(w->pipe[0]);
        close(w->pipe[1]);
    }
    host->resume(w->token, MG_PASS, NULL, 0, NULL);
    free(w);
}

static void heard(void *arg, uint32_t events)
{
    (void)events;
    goes_on(arg);
}

static void computes(void *arg)
{
    struct waiting *w = arg;
    for (uint32_t i = 0; i < 1000000; i++)
        w->sum = w->sum * 31 + i;
}

static void *answers(void *arg)
{
    struct waiting *w = arg;
    computes(w);
    CU_ASSERT_EQUAL(write(w->pipe[1], "x", 1), 1);
    return NULL;
}

/* The payload says what it waits for. */
static uint32_t wait_step(void *self, void *context, const struct mg_step_call *call,
                          struct mg_step_result *ret)
{
    (void)self, (void)ret;
    struct mg_bytes payload = host->event_payload(call->event);
    char what = payload.len ? *(const char *)payload.at : ' ';
    struct waiting *w = what == ' ' ? NULL : calloc(1, sizeof *w);
    if (!w)
        return MG_PASS;
    w->shard = context;
    w->token = call->pending;
    if (what == 'a' || what == 's') { /* asks somebody who answers, or who is silent */
        CU_ASSERT_EQUAL_FATAL(pipe(w->pipe), 0);
        w->io = host->io_watch(w->shard, w->pipe[0], MG_IO_READ, heard, w);
        w->has_thread = what == 'a' && !pthread_create(&w->thread, NULL, answers, w);
    }
    if (what == 'j')
        CU_ASSERT_EQUAL(host->work(w->shard, computes, goes_on, w), 0);
    if (what == 't' || what == 's')
        w->timer = host->timer_start(w->shard, 3600000, 0, goes_on, w);
    return MG_PENDING;
}

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_life bridge_life = {.create = create, .destroy = destroy};
static const struct mg_bridge_ops bridge_ops = {
    .size = sizeof bridge_ops,
    .abilities = MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_FILTERS | MG_NO_ECHO,
    .end = end,
    /* Never called: these peers are played. */
    .open = (void *)abort,
    .open_source = (void *)abort,
    .open_sink = (void *)abort,
    .begin = (void *)abort,
    .credit = (void *)abort,
    .settled = (void *)abort,
    .send = (void *)abort,
    .close = (void *)abort,
    .destroy = (void *)abort,
};
static const struct mg_module bridge_module = {.abi = MG_ABI_HERE,
                                               .kind = MG_BRIDGE,
                                               .name = "real",
                                               .version = "1",
                                               .summary = "Must not be touched.",
                                               .life = &bridge_life,
                                               .ops = &bridge_ops};
static const struct mg_step_ops step_ops = {.size = sizeof step_ops, .process = wait_step};
static const struct mg_module step_module = {.abi = MG_ABI_HERE,
                                             .kind = MG_ENRICHER,
                                             .name = "wait",
                                             .version = "1",
                                             .summary = "Waits.",
                                             .life = &life,
                                             .ops = &step_ops};

/* ---- a rehearsal ---------------------------------------------------------------------------- */

enum { SEEN_MOST = 64 };

static struct {
    struct gw_arena *arena;
    struct gw_registry *registry;
    struct gw_model *model;
    struct gw_rehearsal *rehearsal;
    char folder[GW_FOLDER_BYTES];
    size_t count;
    int64_t at_us[SEEN_MOST];
    char payload[SEEN_MOST][16];
} play;

static void arrived(void *arg, uint32_t route, uint32_t sink, const struct mg_delivery *d,
                    bool lost)
{
    (void)arg, (void)route, (void)sink, (void)lost;
    CU_ASSERT_FATAL(play.count < SEEN_MOST);
    struct mg_bytes payload = d->event->payload;
    play.at_us[play.count] = gw_rehearsal_now_us(play.rehearsal);
    snprintf(play.payload[play.count++], sizeof play.payload[0], "%.*s", (int)payload.len,
             (const char *)payload.at);
}

static void open_rehearsal(const char *yaml)
{
    static const struct gw_rehearsal_seen seen = {.arrived = arrived};
    struct gw_diags diags = {0};
    struct mg_err err = {{0}, NULL};
    memset(&play, 0, sizeof play);
    play.arena = gw_arena_create();
    play.registry = gw_registry_create();
    CU_ASSERT_EQUAL_FATAL(gw_registry_add(play.registry, &bridge_module, "(test)", &diags), 0);
    CU_ASSERT_EQUAL_FATAL(gw_registry_add(play.registry, &step_module, "(test)", &diags), 0);
    const struct mg_node *root = gw_tree_parse(play.arena, "test.yaml", yaml, strlen(yaml), &diags);
    if (!root || gw_model_load(play.arena, root, play.registry, &play.model, &diags))
        gw_diags_print(&diags, stderr);
    gw_diags_fini(&diags);
    CU_ASSERT_PTR_NOT_NULL_FATAL(play.model);
    CU_ASSERT_EQUAL_FATAL(gw_folder_make(play.folder, &err), 0);
    struct gw_rehearsal_settings settings = {.model = play.model,
                                             .route = GW_REHEARSAL_ANY,
                                             .folder = play.folder,
                                             .wall_us = 1000000,
                                             .outside_ms = 50,
                                             .seen = &seen};
    CU_ASSERT_EQUAL_FATAL(gw_rehearsal_create(&settings, &play.rehearsal, &err), 0);
}

static void close_rehearsal(void)
{
    gw_rehearsal_destroy(play.rehearsal);
    gw_model_destroy(play.model);
    gw_registry_destroy(play.registry);
    gw_arena_destroy(play.arena);
    gw_folder_remove(play.folder);
    CU_ASSERT_FALSE(gw_virtual_time_is_on());
}

static void give(const char *address, const char *payload, int64_t at_us, int taken)
{
    struct mg_message message = {
        .head = {.size = sizeof message.head, .address = {address, strlen(address)}},
        .payload = {payload, strlen(payload)}};
    CU_ASSERT_EQUAL(gw_rehearsal_give(play.rehearsal, GW_REHEARSAL_ANY, true, &message, at_us),
                    taken);
}

static void run(int64_t until_us, int expected)
{
    struct mg_err err = {{0}, NULL};
    CU_ASSERT_EQUAL(gw_rehearsal_run(play.rehearsal, until_us, &err), expected);
}

#define HOUR_US (INT64_C(3600) * 1000000)
#define DIRECT                                                                                     \
    "bridges: { a: { type: real }, b: { type: real } }\n"                                          \
    "routes: { r: { from: { bridge: a, topic: \"in/#\" }, steps: [{ enrich: { type: wait } }],\n"  \
    "  to: { bridge: b, topic: out }, delivery: { guarantee: direct } } }\n"
#define STORED                                                                                     \
    "gateway: { store: /nowhere }\n"                                                               \
    "bridges: { a: { type: real }, b: { type: real } }\n"                                          \
    "routes: { r: { from: { bridge: a, topic: \"in/#\" }, to: { bridge: b, topic: out },\n"        \
    "  delivery: { guarantee: stored, retry: { first: 1s, most: 10s } } } }\n"

static void time_passes_only_where_something_waits_for_it(void)
{
    open_rehearsal(DIRECT);
    give("in/x", " 1", 0, 1);
    give("in/x", "t", HOUR_US, 1);
    give("in/x", " 2", 7 * HOUR_US, 1);
    give("elsewhere", " 3", 0, 0);
    run(24 * HOUR_US, 0);
    CU_ASSERT_EQUAL(play.count, 3);
    CU_ASSERT_EQUAL(play.at_us[0], 0);
    CU_ASSERT_EQUAL(play.at_us[1], 2 * HOUR_US);
    CU_ASSERT_EQUAL(play.at_us[2], 7 * HOUR_US);
    close_rehearsal();
}

/* Sweeping for each second of them would take days. */
static void centuries_without_an_event_pass_at_once(void)
{
    static const char *const routes[] = {DIRECT, STORED};
    const int64_t century_us = 100 * 366 * 24 * HOUR_US;
    for (size_t i = 0; i < 2; i++) {
        open_rehearsal(routes[i]);
        give("in/x", " 1", 0, 1);
        give("in/x", " 2", 10 * century_us, 1);
        run(10 * century_us + HOUR_US, 0);
        CU_ASSERT_EQUAL(play.count, 2);
        CU_ASSERT_EQUAL(play.at_us[1], 10 * century_us);
        close_rehearsal();
    }
}

static void work_outside_takes_no_virtual_time(void)
{
    open_rehearsal(DIRECT);
    give("in/x", "job", 0, 1);
    give("in/x", "asks", HOUR_US, 1);
    run(24 * HOUR_US, 0);
    CU_ASSERT_EQUAL(play.count, 2);
    CU_ASSERT_EQUAL(play.at_us[0], 0);
    CU_ASSERT_EQUAL(play.at_us[1], HOUR_US);
    close_rehearsal();
}

static void who_is_silent_is_not_waited_for_for_ever(void)
{
    open_rehearsal(DIRECT);
    give("in/x", "silent", 0, 1);
    run(24 * HOUR_US, 0);
    CU_ASSERT_EQUAL(play.count, 1);
    CU_ASSERT_EQUAL(play.at_us[0], HOUR_US); /* the step's own time-out */
    close_rehearsal();
}

static void what_does_not_settle_in_time_is_said(void)
{
    struct gw_rehearsed_ledger l;
    open_rehearsal(DIRECT);
    give("in/x", "t", 0, 1);
    run(HOUR_US / 2, 1);
    CU_ASSERT_EQUAL(play.count, 0);
    CU_ASSERT_EQUAL(gw_rehearsal_now_us(play.rehearsal), HOUR_US / 2);
    gw_rehearsal_ledger(play.rehearsal, 0, &l);
    CU_ASSERT_EQUAL(l.in_flight, 1);
    CU_ASSERT_EQUAL(l.unbalanced, 0);
    run(2 * HOUR_US, 0);
    CU_ASSERT_EQUAL(play.count, 1);
    close_rehearsal();
}

static size_t fail_and_note(int64_t *ret_at_us)
{
    open_rehearsal(STORED);
    struct gw_fault busy = {.kind = GW_FAULT_FAILS, .sink = GW_REHEARSAL_ANY, .times = 5};
    struct gw_fault restart = {.kind = GW_FAULT_RESTART, .at_us = 4000000};
    CU_ASSERT_EQUAL(gw_rehearsal_fault(play.rehearsal, &busy), 0);
    CU_ASSERT_EQUAL(gw_rehearsal_fault(play.rehearsal, &restart), 0);
    give("in/x", "1", 0, 1);
    give("in/x", "2", 1, 1);
    run(HOUR_US, 0);
    size_t count = play.count;
    memcpy(ret_at_us, play.at_us, sizeof play.at_us);
    CU_ASSERT_STRING_EQUAL(play.payload[0], "1");
    CU_ASSERT_STRING_EQUAL(play.payload[1], "2");
    struct gw_rehearsed_ledger l;
    gw_rehearsal_ledger(play.rehearsal, 0, &l);
    CU_ASSERT_EQUAL(l.ledger.received, 2);
    CU_ASSERT_EQUAL(l.ledger.ended[GW_TERM_DELIVERED], 2);
    CU_ASSERT_EQUAL(l.unbalanced, 0);
    close_rehearsal();
    return count;
}

static void jitter_and_restarts_are_the_same_twice(void)
{
    int64_t first[SEEN_MOST], again[SEEN_MOST];
    CU_ASSERT_EQUAL(fail_and_note(first), 2);
    CU_ASSERT_EQUAL(fail_and_note(again), 2);
    CU_ASSERT_EQUAL(memcmp(first, again, sizeof first), 0);
    CU_ASSERT(first[0] >= 3000000); /* after some waits of a second and more */
}

int main(void)
{
    gw_log_configure(GW_LOG_LOGFMT, MG_ERROR);
    static const struct kit_test tests[] = {
        {KIT_TEST(time_passes_only_where_something_waits_for_it)},
        {KIT_TEST(centuries_without_an_event_pass_at_once)},
        {KIT_TEST(work_outside_takes_no_virtual_time)},
        {KIT_TEST(who_is_silent_is_not_waited_for_for_ever)},
        {KIT_TEST(what_does_not_settle_in_time_is_said)},
        {KIT_TEST(jitter_and_restarts_are_the_same_twice)},
        {NULL},
    };
    return kit_main("rehearsal", tests);
}
