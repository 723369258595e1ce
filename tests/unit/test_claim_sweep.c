/* SPDX-License-Identifier: Apache-2.0 */
/* The sweep of the claim check's folder: what is old goes, what is relied upon stays. */
#include "claim_kit.h"
#include "unit.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static int sweep_all(const struct store *s, uint64_t *removed)
{
    struct sweep w = {0};
    int error;
    *removed = 0;
    do {
        error = folder_sweep(s, &w, &err);
        *removed += w.removed;
    } while (!error && !w.ended);
    return error;
}

static void store_all(const char *const *payloads, size_t count)
{
    open_with("store", "threshold: 3");
    for (size_t i = 0; i < count; i++)
        free(after(payloads[i], MG_REPLACE));
    close_claim();
}

static void what_is_old_is_removed_and_what_is_used_again_is_not(void)
{
    static const char *const payloads[] = {"payload one", "payload two", "payload three"};
    struct store s = {.folder = folder, .keep_ms = 100000, .sweep_ms = 1000};
    uint64_t removed;
    store_all(payloads, 3);
    make_older("payload one", 200);
    make_older("payload two", 200);
    make_older("payload three", 50);
    store_all(payloads + 1, 1); /* again: it is young */
    CU_ASSERT_EQUAL(sweep_all(&s, &removed), 0);
    CU_ASSERT_EQUAL(removed, 1);
    CU_ASSERT_FALSE(is_kept("payload one"));
    CU_ASSERT_TRUE(is_kept("payload two") && is_kept("payload three"));
    s.sweep_ms = 600000;
    CU_ASSERT_EQUAL(sweep_all(&s, &removed), -EAGAIN); /* it has just been swept */
}

/* Of a clock that was wrong. */
static void a_mark_from_the_future_puts_nothing_off(void)
{
    static const char *const payloads[] = {"payload one"};
    static const struct timespec far[2] = {{.tv_sec = 4000000000}, {.tv_sec = 4000000000}};
    const struct store s = {.folder = folder, .keep_ms = 100000, .sweep_ms = 600000};
    char path[128];
    uint64_t removed;
    store_all(payloads, 1);
    make_older("payload one", 200);
    CU_ASSERT_EQUAL(sweep_all(&s, &removed), 0);
    CU_ASSERT_EQUAL(removed, 1);
    store_all(payloads, 1);
    make_older("payload one", 200);
    snprintf(path, sizeof path, "%s/sweep", folder);
    CU_ASSERT_EQUAL(utimensat(AT_FDCWD, path, far, 0), 0);
    CU_ASSERT_EQUAL(sweep_all(&s, &removed), 0);
    CU_ASSERT_EQUAL(removed, 1);
    CU_ASSERT_EQUAL(sweep_all(&s, &removed), -EAGAIN); /* marked anew */
}

static time_t machine_is_ahead_by; /* of the file system, whose clock a server may have */

time_t time(time_t *unused)
{
    struct timespec now;
    (void)unused;
    clock_gettime(CLOCK_REALTIME, &now);
    return now.tv_sec + machine_is_ahead_by;
}

static void ages_are_by_the_file_systems_clock(void)
{
    static const char *const payloads[] = {"payload one", "payload two"};
    const struct store s = {.folder = folder, .keep_ms = 100000, .sweep_ms = 1000};
    uint64_t removed;
    store_all(payloads, 2);
    make_older("payload one", 50);
    make_older("payload two", 200);
    for (machine_is_ahead_by = -3600; machine_is_ahead_by <= 3600; machine_is_ahead_by += 7200) {
        CU_ASSERT_EQUAL(sweep_all(&s, &removed), 0);
        CU_ASSERT_EQUAL(removed, machine_is_ahead_by < 0);
    }
    machine_is_ahead_by = 0;
    CU_ASSERT_TRUE(is_kept("payload one"));
    CU_ASSERT_FALSE(is_kept("payload two"));
}

static bool has_removed(void *unused)
{
    (void)unused;
    return kit_counter(instance, COUNT_REMOVED) == 1;
}

/* Moves the clock until something was removed, or so many sweeps were due. */
static bool removes_within(int parts)
{
    for (int i = 0; i < parts && !has_removed(NULL); i++) {
        /* A part at a time: the job, then the pause. */
        kit_run_until(host, has_removed, NULL, 20);
        kit_clock_advance_ms(host, 100);
    }
    return has_removed(NULL);
}

static void begin_old_and_young(void)
{
    static const char *const payloads[] = {"payload one", "payload two"};
    char path[128];
    store_all(payloads, 2);
    make_older("payload one", 90000);
    snprintf(path, sizeof path, "%s/sweep", folder);
    unlink(path);
    open_with("store", "keep: 1d, threshold: 3, sweep: 1s");
    free(after("any", MG_PASS));
    kit_clock_by_hand(host);
}

static void the_module_sweeps_by_itself(void)
{
    begin_old_and_young();
    kit_clock_advance_ms(host, 1000);
    CU_ASSERT_TRUE(removes_within(100));
    CU_ASSERT_FALSE(is_kept("payload one"));
    CU_ASSERT_TRUE(is_kept("payload two"));
    close_claim();
}

static int64_t (*kit_wall_us)(mg_shard *);

static int64_t wall_an_hour_later(mg_shard *shard)
{
    return kit_wall_us(shard) + (int64_t)3600 * 1000000;
}

static void a_clock_that_was_set_makes_nothing_old(void)
{
    begin_old_and_young();
    kit_wall_us = table->wall_us;
    ((struct mg_host *)(uintptr_t)table)->wall_us = wall_an_hour_later;
    kit_clock_advance_ms(host, 5000);
    CU_ASSERT_EQUAL(kit_live_handles(host), 1); /* the timer, and no job */
    CU_ASSERT_FALSE(has_removed(NULL));
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "the clock was set by 3600 s"));
    CU_ASSERT_TRUE(is_kept("payload one"));
    kit_clock_advance_ms(host, 86400000);
    CU_ASSERT_TRUE(removes_within(100));
    close_claim();
}

/* Of two that store and one that sweeps all the time, none may lose what the others rely on. */
static void a_sweep_never_takes_what_is_being_stored(void)
{
    enum { ROUNDS = 300 };
    static const char payload[] = "payload of the race";
    struct store s = {.folder = folder, .keep_ms = 10000, .sweep_ms = 0};
    int status = 0, lost = 0;
    struct mg_bytes bytes = {payload, sizeof payload - 1};
    char hash[HASH_TEXT_BYTES + 1];
    bool known;
    CU_ASSERT_EQUAL_FATAL(hash_text(bytes, hash), 0);
    CU_ASSERT_EQUAL_FATAL(folder_open(&s, true, &err), 0);
    pid_t sweeper = fork();
    if (!sweeper) {
        struct sweep at = {0};
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        for (;;) {
            at.began_s = time(NULL);
            at.place = (uint32_t)strtoul((char[]){hash[0], hash[1], hash[2], hash[3], 0}, NULL, 16);
            folder_sweep(&s, &at, &err);
        }
    }
    for (int i = 0; i < ROUNDS; i++) {
        err.text[0] = '\0';
        CU_ASSERT_EQUAL(folder_put(&s, hash, bytes, &known, &err), 0);
        lost += !is_kept(payload); /* it is younger than keep: nobody may have taken it */
        char path[256];
        struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
        path_of(payload, path, sizeof path);
        utimensat(AT_FDCWD, path, old, 0); /* now it may go, or not yet */
    }
    CU_ASSERT_EQUAL(lost, 0);
    kill(sweeper, SIGKILL);
    waitpid(sweeper, &status, 0);
}

/* The sweep has opened the damaged file; before it has the lock a whole one takes its place. */
static void a_sweep_never_takes_what_has_replaced_a_damaged_file(void)
{
    static const char payload[] = "payload of the race";
    const struct store s = {.folder = folder};
    const struct mg_bytes bytes = {payload, sizeof payload - 1};
    char path[256];
    bool known;
    free(reference_to(payload));
    overwrite(payload, "damaged");
    make_older(payload, 200);
    path_of(payload, path, sizeof path);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    CU_ASSERT_FATAL(fd >= 0);
    CU_ASSERT_EQUAL(folder_put(&s, path + strlen(path) - HASH_TEXT_BYTES, bytes, &known, &err), 0);
    CU_ASSERT_FALSE(known);
    CU_ASSERT_FALSE(sweep_take_away(AT_FDCWD, fd, path, time(NULL) - 10));
    CU_ASSERT_TRUE(is_kept(payload));
    close(fd);
    make_older(payload, 200);
    fd = open(path, O_RDWR | O_CLOEXEC);
    CU_ASSERT_TRUE(sweep_take_away(AT_FDCWD, fd, path, time(NULL) - 10)); /* as it is, it goes */
    CU_ASSERT_FALSE(is_kept(payload));
    close(fd);
}

IN_FOLDER(what_is_old_is_removed_and_what_is_used_again_is_not)
IN_FOLDER(a_mark_from_the_future_puts_nothing_off)
IN_FOLDER(ages_are_by_the_file_systems_clock)
IN_FOLDER(the_module_sweeps_by_itself)
IN_FOLDER(a_clock_that_was_set_makes_nothing_old)
IN_FOLDER(a_sweep_never_takes_what_is_being_stored)
IN_FOLDER(a_sweep_never_takes_what_has_replaced_a_damaged_file)

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(in_folder_what_is_old_is_removed_and_what_is_used_again_is_not)},
        {KIT_TEST(in_folder_a_mark_from_the_future_puts_nothing_off)},
        {KIT_TEST(in_folder_ages_are_by_the_file_systems_clock)},
        {KIT_TEST(in_folder_the_module_sweeps_by_itself)},
        {KIT_TEST(in_folder_a_clock_that_was_set_makes_nothing_old)},
        {KIT_TEST(in_folder_a_sweep_never_takes_what_is_being_stored)},
        {KIT_TEST(in_folder_a_sweep_never_takes_what_has_replaced_a_damaged_file)},
        {NULL, NULL},
    };
    return kit_main("claim-sweep", tests);
}
