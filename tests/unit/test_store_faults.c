/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails: nothing is acknowledged, nothing is lost, and all goes on when it is well. */
#include "store_rig.h"
#include "unit.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const sinks[] = {"one"};
static int sync_error; /* what fdatasync fails with; 0: it works */

/* In place of libc's, also for LMDB. */
__attribute__((visibility("default"))) int fdatasync(int fd);
int fdatasync(int fd)
{
    if (sync_error) {
        errno = sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

static void begin(struct rig *rig, uint32_t sync)
{
    struct gw_store_log_settings settings = {
        .route = "r", .sinks = sinks, .sink_count = 1, .dedup_count = 100};
    rig_init(rig);
    rig->settings.sync = sync;
    rig->settings.sync_every_ms = 1000;
    rig_open(rig);
    rig_log(rig, 0, &settings);
}

static bool is_healthy(struct rig *rig, const char *reason)
{
    json_t *report = gw_store_report(rig->store);
    bool healthy = json_boolean_value(json_object_get(report, "healthy"));
    const char *said = json_string_value(json_object_get(report, "reason"));
    if (!healthy && reason)
        CU_ASSERT_PTR_NOT_NULL(strstr(said, reason));
    json_decref(report);
    return healthy;
}

static void a_sync_that_fails_acknowledges_nothing(void)
{
    struct rig rig;
    begin(&rig, GW_SYNC_ALWAYS);
    rig_append_identified(&rig, 0, "a", 1);
    sync_error = EIO;
    struct rig_append *b = rig_append_begin(&rig, 0, "b", 1, 1, 0);
    b->op.identified = true;
    b->op.identity[0] = 2;
    rig_append_submit(b);
    rig_settle_later(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    for (int i = 0; i < 3; i++)
        gw_store_turn(rig.store);
    CU_ASSERT(!b->done);
    CU_ASSERT(!is_healthy(&rig, "Input/output error"));
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a"); /* as of the last commit */
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).received, 1);
    sync_error = 0;
    gw_store_turn(rig.store);
    CU_ASSERT(b->done && !b->op.duplicate && b->op.first_sequence == 2);
    CU_ASSERT(is_healthy(&rig, NULL));
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "b");
    CU_ASSERT(rig_append_identified(&rig, 0, "b", 2));
    CU_ASSERT(rig_balances(&rig, 0));
    rig_append_free(b);
    rig_reopen(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "b");
    rig_remove(&rig);
}

static void what_a_failing_disk_never_took_is_lost_at_a_kill(void)
{
    struct rig rig;
    begin(&rig, GW_SYNC_ALWAYS);
    rig_append(&rig, 0, "a", 1);
    sync_error = EIO;
    struct rig_append *b = rig_append_begin(&rig, 0, "b", 1, 1, 0);
    rig_append_submit(b);
    gw_store_turn(rig.store);
    gw_store_abandon(rig.store);
    rig.store = NULL;
    sync_error = 0;
    CU_ASSERT(b->done && b->cancelled);
    rig_append_free(b);
    rig_open(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void an_interval_that_cannot_be_kept_stops_the_store(void)
{
    struct rig rig;
    begin(&rig, GW_SYNC_INTERVAL);
    rig_append(&rig, 0, "a", 1);
    sync_error = EIO;
    rig_now_us += 1500000;
    rig_append(&rig, 0, "b", 1); /* done, and its sync, due now, fails */
    struct rig_append *c = rig_append_begin(&rig, 0, "c", 1, 1, 0);
    rig_append_submit(c);
    gw_store_turn(rig.store);
    CU_ASSERT(!c->done);
    CU_ASSERT(!is_healthy(&rig, "Input/output error"));
    sync_error = 0;
    gw_store_turn(rig.store);
    CU_ASSERT(c->done);
    CU_ASSERT(is_healthy(&rig, NULL));
    rig_append_free(c);
    rig_remove(&rig);
}

/* The kernel refuses to let files grow, as a full disk does. */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_FSIZE, &limit))
        abort();
    limit.rlim_cur = bytes < limit.rlim_max ? bytes : limit.rlim_max;
    if (setrlimit(RLIMIT_FSIZE, &limit))
        abort();
}

static void a_file_that_cannot_grow_holds_appends_and_settles_on(void)
{
    enum { PART = 100000, MOST = 100 };
    struct rig rig;
    struct rig_append *appends[MOST];
    char *payload = calloc(1, PART);
    struct gw_record_leg leg = {.sink = 0, .address = {"o", 1}};
    struct gw_record record = {.legs = &leg, .leg_count = 1};
    size_t count = 0;
    record.message.payload = (struct mg_bytes){payload, PART};
    begin(&rig, GW_SYNC_NEVER);
    signal(SIGXFSZ, SIG_IGN);
    limit_files(4 << 20);
    do {
        appends[count] = rig_append_begin(&rig, 0, "", 0, 0, 0);
        if (gw_record_encode(&record, &appends[count]->records[0], &appends[count]->lengths[0]))
            abort();
        appends[count]->op.count = 1;
        rig_append_submit(appends[count]);
        gw_store_turn(rig.store);
    } while (appends[count++]->done && count < MOST);
    CU_ASSERT(count > 20 && count < 45);
    CU_ASSERT(!is_healthy(&rig, NULL));
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, count - 1);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DELIVERED], 1);
    rig_settle(&rig, 0, 0, 2, GW_TERM_DELIVERED);
    rig_settle(&rig, 0, 0, 3, GW_TERM_DELIVERED);
    CU_ASSERT(appends[count - 1]->done); /* into the space that was given back */
    CU_ASSERT(is_healthy(&rig, NULL));
    limit_files(RLIM_INFINITY);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_abandon(&rig);
    CU_ASSERT(rig_balances(&rig, 0));
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, count - 3);
    for (size_t i = 0; i < count; i++)
        rig_append_free(appends[i]);
    free(payload);
    rig_remove(&rig);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_sync_that_fails_acknowledges_nothing)},
        {KIT_TEST(what_a_failing_disk_never_took_is_lost_at_a_kill)},
        {KIT_TEST(an_interval_that_cannot_be_kept_stops_the_store)},
        {KIT_TEST(a_file_that_cannot_grow_holds_appends_and_settles_on)},
        {NULL, NULL},
    };
    return kit_main("store_faults", tests);
}
