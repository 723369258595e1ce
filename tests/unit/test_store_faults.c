/* SPDX-License-Identifier: Apache-2.0 */
/* A disk that fails: nothing is acknowledged, nothing is lost, and all goes on when it is well. */
#include "store_rig.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *const sinks[] = {"one"};
static int sync_error;  /* what fdatasync fails with; 0: it works */
static int meta_error;  /* likewise for writes shorter than a page: LMDB's meta pages */
static off_t disk_most; /* the disk does not let a file grow beyond; 0: it does */

/* In place of libc's, also for LMDB. */
__attribute__((visibility("default"))) int fdatasync(int fd);
/* The headers of a build with large files would call it pwrite64, LMDB does not. */
__attribute__((visibility("default"))) ssize_t plain_pwrite(int fd, const void *bytes, size_t size,
                                                            off_t at) __asm__("pwrite");
__attribute__((visibility("default"))) int fallocate(int fd, int mode, off_t at, off_t size);
int fdatasync(int fd)
{
    if (sync_error) {
        errno = sync_error;
        return -1;
    }
    return (int)syscall(SYS_fdatasync, fd);
}

ssize_t plain_pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    if (meta_error && size < 4096) {
        errno = meta_error;
        return -1;
    }
    if (disk_most && at + (off_t)size > disk_most) {
        errno = ENOSPC;
        return -1;
    }
    return syscall(SYS_pwrite64, fd, bytes, size, at);
}

int fallocate(int fd, int mode, off_t at, off_t size)
{
    (void)fd, (void)mode;
    errno = ENOSPC;
    return disk_most && at + size > disk_most ? -1 : 0;
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

/* LMDB gives its environment up where a meta page cannot be written. */
static void a_meta_page_that_cannot_be_written_stops_nothing_for_good(void)
{
    struct rig rig;
    begin(&rig, GW_SYNC_ALWAYS);
    rig_append(&rig, 0, "a", 1);
    meta_error = EIO;
    struct rig_append *b = rig_append_begin(&rig, 0, "b", 1, 1, 0);
    rig_append_submit(b);
    for (int i = 0; i < 3; i++)
        gw_store_turn(rig.store);
    CU_ASSERT(!b->done);
    CU_ASSERT(!is_healthy(&rig, NULL));
    meta_error = 0;
    for (int i = 0; i < 3; i++)
        gw_store_turn(rig.store);
    CU_ASSERT(b->done);
    CU_ASSERT(is_healthy(&rig, NULL));
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a b");
    rig_append_free(b);
    rig_reopen(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a b");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void append_large(struct rig *rig, struct rig_append **ret)
{
    static char payload[3000];
    struct gw_record_leg leg = {.sink = 0, .address = {"o", 1}};
    struct gw_record record = {.legs = &leg, .leg_count = 1};
    record.message.payload = (struct mg_bytes){payload, sizeof payload};
    *ret = rig_append_begin(rig, 0, "", 0, 0, 0);
    if (gw_record_encode(&record, &(*ret)->records[0], &(*ret)->lengths[0]))
        abort();
    (*ret)->op.count = 1;
    rig_append_submit(*ret);
    gw_store_turn(rig->store);
}

/* What was full goes on by itself, and often, though the file never becomes smaller. */
static void a_disk_that_stays_full_is_used_again(off_t bytes)
{
    enum { ROUNDS = 3, MOST = 8000 };
    static struct rig_append *appends[MOST];
    struct rig rig;
    uint64_t settled = 0, sent = 0;
    begin(&rig, GW_SYNC_NEVER);
    disk_most = bytes;
    for (int round = 0; round < ROUNDS; round++) {
        uint32_t found = rig.found;
        size_t count = 0;
        do {
            append_large(&rig, &appends[count]);
        } while (appends[count++]->done && count < MOST);
        CU_ASSERT((off_t)count * 4096 > bytes / 4 && (off_t)count * 3000 < bytes);
        CU_ASSERT(!is_healthy(&rig, "the disk is full"));
        CU_ASSERT_EQUAL(rig.found, found + 1);
        sent += count;
        while (settled < sent - 1 && !appends[count - 1]->done)
            rig_settle(&rig, 0, 0, ++settled, GW_TERM_DELIVERED);
        CU_ASSERT(appends[count - 1]->done);
        while (settled < sent)
            rig_settle(&rig, 0, 0, ++settled, GW_TERM_DELIVERED);
        CU_ASSERT(is_healthy(&rig, NULL));
        CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 0);
        for (size_t i = 0; i < count; i++)
            rig_append_free(appends[i]);
    }
    CU_ASSERT(rig_balances(&rig, 0));
    rig_abandon(&rig);
    CU_ASSERT(is_healthy(&rig, NULL));
    disk_most = 0;
    rig_remove(&rig);
}

static void a_disk_that_was_full_is_used_again(void)
{
    a_disk_that_stays_full_is_used_again(8 << 20);
    a_disk_that_stays_full_is_used_again(24 << 20);
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
        {KIT_TEST(a_meta_page_that_cannot_be_written_stops_nothing_for_good)},
        {KIT_TEST(a_disk_that_was_full_is_used_again)},
        {KIT_TEST(a_file_that_cannot_grow_holds_appends_and_settles_on)},
        {NULL, NULL},
    };
    return kit_main("store_faults", tests);
}
