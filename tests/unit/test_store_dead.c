/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters, archives and leases; the ledger balances whatever an operator does. */
#include "store_rig.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sinks[] = {"one", "two"};

static void begin(struct rig *rig, size_t count)
{
    struct gw_store_log_settings settings = {.route = "r", .sinks = sinks, .sink_count = count};
    rig_init(rig);
    rig_open(rig);
    rig_log(rig, 0, &settings);
}

static bool list_dead(void *arg, const struct gw_dead *dead)
{
    char *text = arg;
    size_t length = strlen(text);
    struct mg_bytes payload = dead->record.message.payload;
    snprintf(text + length, 1024 - length, "%llu:%.*s>%.*s(%.*s,%.*s,%u)%.*s ",
             (unsigned long long)dead->id, (int)dead->route.len, dead->route.at,
             (int)dead->sink.len, dead->sink.at, (int)dead->step.len, dead->step.at,
             (int)dead->reason.len, dead->reason.at, dead->attempts, (int)payload.len,
             (const char *)payload.at);
    return true;
}

static const char *dead_of(struct rig *rig, uint64_t from)
{
    static char text[1024];
    text[0] = '\0';
    CU_ASSERT_EQUAL(gw_store_dead_each(rig->store, from, list_dead, text), 0);
    return text;
}

static uint64_t ended(struct rig *rig, uint32_t term)
{
    return rig_ledger(rig, 0).ended[term];
}

static void a_buried_record_keeps_everything(void)
{
    struct rig rig;
    begin(&rig, 1);
    rig_append(&rig, 0, "a", 1);
    rig_bury(&rig, 0, 0, 1, "unknown address");
    rig_bury(&rig, 0, 0, 1, "twice is once");
    rig_bury_step(&rig, 0, "raw", "not JSON");
    rig_abandon(&rig);
    CU_ASSERT_STRING_EQUAL(dead_of(&rig, 1), "1:r>one(confirm,unknown address,3)a "
                                             "2:r>(translate:map,not JSON,0)raw ");
    CU_ASSERT_STRING_EQUAL(dead_of(&rig, 2), "2:r>(translate:map,not JSON,0)raw ");
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "");
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 2);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).received, 2);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static bool note_flags(void *arg, const struct gw_stored *stored)
{
    *(uint32_t *)arg = stored->record.flags;
    return false;
}

static void a_retried_letter_is_stored_for_its_sink_alone(void)
{
    struct rig rig;
    uint32_t flags = 0;
    uint64_t next;
    begin(&rig, 2);
    rig_append(&rig, 0, "a", 3);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    rig_bury(&rig, 0, 1, 1, "no");
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 1);
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_RETRY), 0);
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_RETRY), -ENOENT);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "");
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "a");
    gw_store_read(rig.logs[0], 1, 0, note_flags, &flags, &next);
    CU_ASSERT(flags & GW_RECORD_RETRIED);
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 0);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 1);
    rig_settle(&rig, 0, 1, 2, GW_TERM_DELIVERED);
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DELIVERED), 1);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).received, 1);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_bury_step(&rig, 0, "x", "y");
    CU_ASSERT_STRING_EQUAL(dead_of(&rig, 0), "2:r>(translate:map,y,0)x "); /* 1 is not used again */
    rig_remove(&rig);
}

static void two_letters_of_one_event_never_count_twice(void)
{
    struct rig rig;
    begin(&rig, 2);
    rig_append(&rig, 0, "a", 3);
    rig_bury(&rig, 0, 0, 1, "no");
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 0); /* the other sink still misses it */
    rig_bury(&rig, 0, 1, 1, "no");
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 1);
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_DROP), 0);
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 1);
    CU_ASSERT_EQUAL(rig_dead(&rig, 2, GW_DEAD_RETRY), 0);
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 0);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "a");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_letter_that_leaves_early_does_not_mark_its_event(void)
{
    struct rig rig;
    begin(&rig, 2);
    rig_append(&rig, 0, "a", 3);
    rig_bury(&rig, 0, 0, 1, "no");
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_RETRY), 0);
    rig_settle(&rig, 0, 1, 1, GW_TERM_DELIVERED);
    rig_settle(&rig, 0, 0, 2, GW_TERM_DELIVERED);
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DELIVERED), 2);
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 0);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void drop_and_take_move_the_count(void)
{
    struct rig rig;
    begin(&rig, 1);
    for (int i = 0; i < 2; i++)
        rig_bury_step(&rig, 0, "raw", "no");
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_RETRY), -EINVAL);
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_DROP), 0);
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DISCARDED), 1);
    CU_ASSERT_EQUAL(rig_dead(&rig, 2, GW_DEAD_TAKE), 0);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).received, 1);
    CU_ASSERT_STRING_EQUAL(dead_of(&rig, 0), "");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void an_edited_letter_is_sent_as_edited(void)
{
    struct rig rig;
    begin(&rig, 1);
    rig_append(&rig, 0, "a", 1);
    rig_bury(&rig, 0, 0, 1, "typo");
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_EDIT), 0);
    CU_ASSERT_STRING_EQUAL(dead_of(&rig, 0), "1:r>one(confirm,typo,3)edited ");
    rig_reopen(&rig);
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_RETRY), 0);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "edited");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_letter_finds_its_sink_in_another_place(void)
{
    static const char *const turned[] = {"three", "two", "one"};
    struct rig rig;
    begin(&rig, 2);
    rig_append(&rig, 0, "a", 3);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    rig_bury(&rig, 0, 1, 1, "no");
    rig_append(&rig, 0, "b", 3);
    rig_settle(&rig, 0, 1, 2, GW_TERM_DELIVERED);
    rig_bury(&rig, 0, 0, 2, "no");
    rig_close(&rig);
    rig.log_settings[0].sinks = turned;
    rig.log_settings[0].sink_count = 2; /* one is gone */
    rig_open(&rig);
    CU_ASSERT_EQUAL(rig_dead(&rig, 1, GW_DEAD_RETRY), 0);
    CU_ASSERT_EQUAL(rig_dead(&rig, 2, GW_DEAD_RETRY), -EINVAL);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "");
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "a");
    rig_close(&rig);
    rig.log_settings[0].sink_count = 3; /* and comes again, under another number */
    rig_open(&rig);
    CU_ASSERT_EQUAL(rig_dead(&rig, 2, GW_DEAD_RETRY), 0);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 2), "b");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_store_that_is_only_read_shows_its_letters(void)
{
    struct rig rig;
    struct gw_store_options options = {.read_only = true};
    struct gw_store_log *log;
    struct mg_err err;
    begin(&rig, 1);
    rig_append(&rig, 0, "a", 1);
    rig_bury(&rig, 0, 0, 1, "no");
    rig_close(&rig);
    CU_ASSERT_EQUAL_FATAL(gw_store_open(&rig.settings, &options, NULL, NULL, &rig.store, &err), 0);
    CU_ASSERT_STRING_EQUAL(dead_of(&rig, 0), "1:r>one(confirm,no,3)a ");
    CU_ASSERT_EQUAL(gw_store_log_open(rig.store, &rig.log_settings[0], &log, &err), -EROFS);
    rig_close(&rig);
    rig_open(&rig);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

/* ---- the archive
 * ----------------------------------------------------------------------------------- */

static bool list_record(void *arg, const struct gw_record *record)
{
    char *text = arg;
    size_t length = strlen(text);
    snprintf(text + length, 1024 - length, "%.*s ", (int)record->message.payload.len,
             (const char *)record->message.payload.at);
    return true;
}

static const char *archived(struct rig *rig, int64_t from_us, int64_t to_us)
{
    static char text[1024];
    text[0] = '\0';
    CU_ASSERT_EQUAL(gw_store_archive_each(rig->store, "r", from_us, to_us, list_record, text), 0);
    return text;
}

static void the_archive_keeps_what_passed_for_a_time(void)
{
    struct rig rig;
    struct gw_store_log_settings settings = {
        .route = "r", .sinks = sinks, .sink_count = 1, .archive_keep_ms = 10000};
    rig_init(&rig);
    rig_open(&rig);
    rig_log(&rig, 0, &settings);
    int64_t start_us = rig_now_us;
    for (int i = 0; i < 4; i++) {
        char text[2] = {(char)('a' + i), '\0'};
        rig_settle(&rig, 0, 0, rig_append(&rig, 0, text, 1), GW_TERM_DELIVERED);
        rig_now_us += 4000000;
    }
    CU_ASSERT_STRING_EQUAL(archived(&rig, 0, 0), "b c d "); /* a is older than ten seconds */
    CU_ASSERT_STRING_EQUAL(archived(&rig, start_us + 1000000, start_us + 8000000), "b c ");
    rig_append(&rig, 0, "e", 1);
    CU_ASSERT_STRING_EQUAL(archived(&rig, 0, 0), "c d e ");
    rig_reopen(&rig);
    CU_ASSERT_STRING_EQUAL(archived(&rig, 0, 0), "c d e ");
    CU_ASSERT_EQUAL(gw_store_archive_each(rig.store, "no", 0, 0, list_record, NULL), -ENOENT);
    rig_remove(&rig);
}

static bool count_records(void *arg, const struct gw_record *record)
{
    (void)record;
    ++*(uint64_t *)arg;
    return true;
}

static void the_archive_keeps_to_its_size(void)
{
    struct rig rig;
    struct gw_store_log_settings settings = {
        .route = "r", .sinks = sinks, .sink_count = 1, .archive_bytes = 1 << 17};
    uint64_t count = 0;
    rig_init(&rig);
    rig_open(&rig);
    rig_log(&rig, 0, &settings);
    for (int i = 0; i < 3000; i++)
        rig_settle(&rig, 0, 0, rig_append(&rig, 0, "x", 1), GW_TERM_DELIVERED);
    gw_store_archive_each(rig.store, "r", 0, 0, count_records, &count);
    CU_ASSERT(count > 400 && count < 1100); /* some 130 bytes each, and what pages leave free */
    rig_remove(&rig);
}

/* ---- leases
 * ------------------------------------------------------------------------------------------ */

struct taking {
    struct gw_store_lease op;
    struct gw_lease leases[8];
};

static void nothing(struct gw_store_op *op)
{
    (void)op;
}

static struct taking take(struct rig *rig, uint32_t most, uint32_t max_receives)
{
    struct taking t;
    memset(t.leases, 0, sizeof t.leases);
    gw_store_lease_init(&t.op);
    t.op.op.done = nothing;
    t.op.log = rig->logs[0];
    t.op.for_ms = 1000;
    t.op.max_receives = max_receives;
    t.op.leases = t.leases;
    t.op.most = most;
    gw_store_submit(rig->store, &t.op.op, &t.op.op);
    gw_store_turn(rig->store);
    return t;
}

static int extend(struct rig *rig, uint64_t sequence, int64_t for_ms)
{
    struct gw_store_lease_extend e;
    gw_store_lease_extend_init(&e);
    e.op.done = nothing;
    e.log = rig->logs[0];
    e.sink = 0;
    e.sequence = sequence;
    e.for_ms = for_ms;
    gw_store_submit(rig->store, &e.op, &e.op);
    gw_store_turn(rig->store);
    return e.result;
}

static void show(void *arg, const struct gw_stored *stored)
{
    snprintf(arg, 16, "%.*s", (int)stored->record.message.payload.len,
             (const char *)stored->record.message.payload.at);
}

static void what_is_not_settled_in_time_is_offered_again(void)
{
    struct rig rig;
    char text[16] = "";
    begin(&rig, 1);
    rig_append(&rig, 0, "a", 1);
    rig_append(&rig, 0, "b", 1);
    rig_append(&rig, 0, "c", 1);
    struct taking t = take(&rig, 2, 0);
    CU_ASSERT(t.op.count == 2 && t.leases[0].sequence == 1 && t.leases[1].sequence == 2);
    CU_ASSERT_EQUAL(gw_store_get(rig.logs[0], 0, 2, show, text), 0);
    CU_ASSERT_STRING_EQUAL(text, "b");
    t = take(&rig, 8, 0);
    CU_ASSERT(t.op.count == 1 && t.leases[0].sequence == 3);
    CU_ASSERT_EQUAL(extend(&rig, 2, 5000), 0);
    CU_ASSERT_EQUAL(extend(&rig, 3, 0), 0); /* given back */
    CU_ASSERT_EQUAL(extend(&rig, 3, 1000), -ENOENT);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    CU_ASSERT_EQUAL(extend(&rig, 1, 1000), -ENOENT);
    rig_abandon(&rig);
    rig_now_us += 1500000;
    t = take(&rig, 8, 0);
    rig_now_us += 1500000;
    CU_ASSERT(t.op.count == 1 && t.leases[0].sequence == 3 && t.leases[0].receives == 2);
    CU_ASSERT_EQUAL(gw_store_get(rig.logs[0], 0, 1, show, text), -ENOENT);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void what_is_taken_too_often_is_a_dead_letter(void)
{
    struct rig rig;
    begin(&rig, 1);
    rig_append(&rig, 0, "a", 1);
    for (uint32_t i = 1; i <= 2; i++) {
        struct taking t = take(&rig, 8, 2);
        CU_ASSERT(t.op.count == 1 && t.leases[0].receives == i);
        rig_now_us += 2000000;
    }
    struct taking t = take(&rig, 8, 2);
    CU_ASSERT_EQUAL(t.op.count, 0);
    CU_ASSERT_STRING_EQUAL(dead_of(&rig, 0), "1:r>one(lease,taken 2 times and never settled,2)a ");
    CU_ASSERT_EQUAL(ended(&rig, GW_TERM_DEAD_LETTERED), 1);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_buried_record_keeps_everything)},
        {KIT_TEST(a_retried_letter_is_stored_for_its_sink_alone)},
        {KIT_TEST(two_letters_of_one_event_never_count_twice)},
        {KIT_TEST(a_letter_that_leaves_early_does_not_mark_its_event)},
        {KIT_TEST(drop_and_take_move_the_count)},
        {KIT_TEST(an_edited_letter_is_sent_as_edited)},
        {KIT_TEST(a_letter_finds_its_sink_in_another_place)},
        {KIT_TEST(a_store_that_is_only_read_shows_its_letters)},
        {KIT_TEST(the_archive_keeps_what_passed_for_a_time)},
        {KIT_TEST(the_archive_keeps_to_its_size)},
        {KIT_TEST(what_is_not_settled_in_time_is_offered_again)},
        {KIT_TEST(what_is_taken_too_often_is_a_dead_letter)},
        {NULL, NULL},
    };
    return kit_main("store_dead", tests);
}
