/* SPDX-License-Identifier: Apache-2.0 */
/* What a power cut leaves, under each sync; records that were flipped on the disk; files of a later
 * version. */
#include "store/format.h"
#include "store_rig.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE = 4096 };

static const char *const sinks[] = {"one"};

static void begin(struct rig *rig, uint32_t sync)
{
    struct gw_store_log_settings settings = {.route = "r", .sinks = sinks, .sink_count = 1};
    rig_init(rig);
    rig->settings.sync = sync;
    rig->settings.sync_every_ms = 1000;
    rig_open(rig);
    rig_log(rig, 0, &settings);
}

static int open_data(struct rig *rig, int flags)
{
    char path[96];
    snprintf(path, sizeof path, "%s/data.mdb", rig->path);
    return open(path, flags | O_CLOEXEC);
}

/* The file as it is now. */
static char *snapshot(struct rig *rig, size_t *ret_length)
{
    struct stat st;
    int fd = open_data(rig, O_RDONLY);
    if (fd < 0 || fstat(fd, &st))
        abort();
    char *bytes = malloc((size_t)st.st_size);
    if (!bytes || pread(fd, bytes, (size_t)st.st_size, 0) != st.st_size)
        abort();
    close(fd);
    *ret_length = (size_t)st.st_size;
    return bytes;
}

/* Of the pages written since, some did not reach the disk. */
static void cut_power(struct rig *rig, const char *old, size_t old_length, unsigned seed)
{
    char zeros[PAGE] = {0};
    struct stat st;
    int fd = open_data(rig, O_RDWR);
    if (fd < 0 || fstat(fd, &st))
        abort();
    for (off_t at = 0; at < st.st_size; at += PAGE) {
        seed = seed * 1103515245u + 12345u;
        if (seed >> 16 & 1)
            continue;
        const char *page = (size_t)at < old_length ? old + at : zeros;
        if (pwrite(fd, page, PAGE, at) != PAGE)
            abort();
    }
    close(fd);
}

static void power_off(struct rig *rig)
{
    gw_store_abandon(rig->store);
    rig->store = NULL;
    rig->boot_id = "another boot";
}

static void interval_goes_back_to_the_last_sync_whatever_reached_the_disk(void)
{
    for (unsigned seed = 1; seed <= 40; seed++) {
        struct rig rig;
        char expected[4096];
        begin(&rig, GW_SYNC_INTERVAL);
        for (int i = 0; i < 60; i++)
            rig_append(&rig, 0, "early", 1);
        for (uint64_t i = 1; i < 40; i++)
            rig_settle(&rig, 0, 0, i, GW_TERM_DELIVERED);
        rig_now_us += 2000000;
        rig_append(&rig, 0, "synced", 1);
        snprintf(expected, sizeof expected, "%s", rig_missing(&rig, 0, 0));
        struct gw_store_ledger ledger = rig_ledger(&rig, 0);
        size_t length;
        char *old = snapshot(&rig, &length);
        for (uint64_t i = 40; i < 60; i++) {
            rig_settle(&rig, 0, 0, i, GW_TERM_DELIVERED);
            rig_append(&rig, 0, "lost", 1);
        }
        power_off(&rig);
        cut_power(&rig, old, length, seed);
        free(old);
        rig_open(&rig);
        CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), expected);
        CU_ASSERT_EQUAL(rig_ledger(&rig, 0).received, ledger.received);
        CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, ledger.stored);
        CU_ASSERT_EQUAL(rig.found, 1);
        CU_ASSERT(rig_balances(&rig, 0));
        rig_append(&rig, 0, "after", 1);
        rig_reopen(&rig);
        CU_ASSERT(rig_balances(&rig, 0));
        CU_ASSERT_EQUAL(rig.found,
                        1); /* closed in an orderly way, there is nothing to go back to */
        rig_remove(&rig);
    }
}

static void interval_loses_nothing_when_the_process_dies(void)
{
    struct rig rig;
    begin(&rig, GW_SYNC_INTERVAL);
    rig_append(&rig, 0, "a", 1);
    rig_abandon(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a");
    CU_ASSERT_EQUAL(rig.found, 0);
    rig_remove(&rig);
}

static void always_keeps_what_was_done_through_a_power_cut(void)
{
    struct rig rig;
    size_t length;
    begin(&rig, GW_SYNC_ALWAYS);
    rig_append(&rig, 0, "a", 1);
    power_off(&rig);
    char *now = snapshot(&rig, &length);
    CU_ASSERT(length > 0);
    free(now);
    rig_open(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a");
    CU_ASSERT_EQUAL(rig.found, 0);
    rig_remove(&rig);
}

static void never_says_that_something_may_be_lost(void)
{
    struct rig rig;
    begin(&rig, GW_SYNC_NEVER);
    rig_append(&rig, 0, "a", 1);
    power_off(&rig);
    rig_open(&rig);
    CU_ASSERT_EQUAL(rig.found, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig.last_found, "never"));
    rig_remove(&rig);
}

/* ---- damage
 * --------------------------------------------------------------------------------------- */

/* Flips a bit of every copy of text in the file; how many there were. */
static int flip(struct rig *rig, const char *text)
{
    size_t length, text_length = strlen(text);
    int count = 0;
    char *bytes = snapshot(rig, &length);
    int fd = open_data(rig, O_RDWR);
    char *at = bytes;
    while ((at = memmem(at, length - (size_t)(at - bytes), text, text_length))) {
        char flipped = (char)(*at ^ 4);
        if (pwrite(fd, &flipped, 1, at - bytes) != 1)
            abort();
        count++;
        at++;
    }
    close(fd);
    free(bytes);
    return count;
}

static void a_flipped_record_is_put_aside_and_the_others_are_read(void)
{
    struct rig rig;
    struct stat st;
    char path[96];
    begin(&rig, GW_SYNC_ALWAYS);
    rig_append(&rig, 0, "before", 1);
    rig_append(&rig, 0, "flip-me", 1);
    rig_append(&rig, 0, "behind", 1);
    rig_close(&rig);
    CU_ASSERT(flip(&rig, "flip-me") >= 1);
    rig_open(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "before behind");
    gw_store_turn(rig.store);
    CU_ASSERT_EQUAL(rig.found, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(rig.last_found, "offset"));
    snprintf(path, sizeof path, "%s/quarantine", rig.path);
    CU_ASSERT_EQUAL(stat(path, &st), 0);
    json_t *report = gw_store_report(rig.store);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(report, "quarantined")), 1);
    json_decref(report);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DISCARDED], 1);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_flipped_record_that_is_settled_blind_goes_too(void)
{
    struct rig rig;
    begin(&rig, GW_SYNC_ALWAYS);
    rig_append(&rig, 0, "flip-me", 1);
    rig_append(&rig, 0, "b", 1);
    rig_close(&rig);
    flip(&rig, "flip-me");
    rig_open(&rig);
    rig_bury(&rig, 0, 0, 1, "no"); /* what cannot be read is no dead letter either */
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DISCARDED], 1);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "b");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_lost_cursor_sends_again_rather_than_loses(void)
{
    struct rig rig;
    begin(&rig, GW_SYNC_ALWAYS);
    for (int i = 0; i < 5; i++)
        rig_append(&rig, 0, "x", 1);
    rig_settle(&rig, 0, 0, 2, GW_TERM_DELIVERED);
    rig_close(&rig);
    CU_ASSERT(flip(&rig, "mGEc") >= 1); /* a cursor's magic number as it lies in memory */
    rig_open(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "x x x x");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_later_format_is_refused_with_a_cure(void)
{
    struct rig rig;
    struct gw_store *store;
    struct mg_err err = {{0}, NULL};
    size_t length;
    begin(&rig, GW_SYNC_ALWAYS);
    rig_close(&rig);
    char *bytes = snapshot(&rig, &length);
    int fd = open_data(&rig, O_RDWR);
    for (char *at = bytes; (at = memmem(at, length - (size_t)(at - bytes), "format\1\0\0\0", 10));
         at++)
        if (pwrite(fd, "\2", 1, at - bytes + 6) != 1)
            abort();
    close(fd);
    free(bytes);
    CU_ASSERT_EQUAL(gw_store_open(&rig.settings, NULL, NULL, NULL, &store, &err), -EPROTONOSUPPORT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "later version"));
    rig_remove(&rig);
}

static void a_file_that_is_mostly_free_is_compacted(void)
{
    struct rig rig;
    struct stat st;
    char path[96];
    begin(&rig, GW_SYNC_NEVER);
    rig.settings.size_bytes = 512 << 20;
    rig_reopen(&rig);
    char *payload = calloc(1, 1 << 20);
    struct gw_record_leg leg = {.sink = 0, .address = {"o", 1}};
    struct gw_record record = {.legs = &leg, .leg_count = 1};
    record.message.payload = (struct mg_bytes){payload, 1 << 20};
    for (int i = 0; i < 80; i++) {
        struct rig_append *append = rig_append_begin(&rig, 0, "", 0, 0, 0);
        gw_record_encode(&record, &append->records[0], &append->lengths[0]);
        append->op.count = 1;
        rig_append_submit(append);
        gw_store_turn(rig.store);
        rig_append_free(append);
    }
    free(payload);
    rig_append(&rig, 0, "last", 1);
    for (uint64_t i = 1; i <= 80; i++)
        rig_settle(&rig, 0, 0, i, GW_TERM_DELIVERED);
    rig_reopen(&rig);
    snprintf(path, sizeof path, "%s/data.mdb", rig.path);
    CU_ASSERT(!stat(path, &st) && st.st_size < 1 << 20);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "last");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_append(&rig, 0, "more", 1);
    rig_abandon(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "last more");
    rig_remove(&rig);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(interval_goes_back_to_the_last_sync_whatever_reached_the_disk)},
        {KIT_TEST(interval_loses_nothing_when_the_process_dies)},
        {KIT_TEST(always_keeps_what_was_done_through_a_power_cut)},
        {KIT_TEST(never_says_that_something_may_be_lost)},
        {KIT_TEST(a_flipped_record_is_put_aside_and_the_others_are_read)},
        {KIT_TEST(a_flipped_record_that_is_settled_blind_goes_too)},
        {KIT_TEST(a_lost_cursor_sends_again_rather_than_loses)},
        {KIT_TEST(a_later_format_is_refused_with_a_cure)},
        {KIT_TEST(a_file_that_is_mostly_free_is_compacted)},
        {NULL, NULL},
    };
    return kit_main("store_sync", tests);
}
