/* SPDX-License-Identifier: Apache-2.0 */
/* The store: appending, settling, reading, opening again; the ledger balances after each. */
#include "store_rig.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const two_sinks[] = {"first", "second"};

static struct gw_store_log_settings plain(size_t sinks)
{
    return (struct gw_store_log_settings){.route = "r", .sinks = two_sinks, .sink_count = sinks};
}

static void begin(struct rig *rig, size_t sinks)
{
    struct gw_store_log_settings settings = plain(sinks);
    rig_init(rig);
    rig_open(rig);
    rig_log(rig, 0, &settings);
}

static void what_is_appended_is_read_in_order_until_it_is_settled(void)
{
    struct rig rig;
    begin(&rig, 1);
    CU_ASSERT_EQUAL(rig_append(&rig, 0, "a", 1), 1);
    CU_ASSERT_EQUAL(rig_append(&rig, 0, "b", 1), 2);
    CU_ASSERT_EQUAL(rig_append(&rig, 0, "c", 1), 3);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a b c");
    rig_settle(&rig, 0, 0, 2, GW_TERM_DELIVERED);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a c");
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "c");
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).received, 3);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DELIVERED], 2);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 1);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_store_that_is_opened_again_knows_everything(void)
{
    struct rig rig;
    begin(&rig, 2);
    for (int i = 0; i < 600; i++)
        rig_append(&rig, 0, "x", 3);
    rig_settle(&rig, 0, 0, 600, GW_TERM_DELIVERED); /* far beyond the cursor, and the last */
    rig_settle(&rig, 0, 1, 600, GW_TERM_EXPIRED);
    for (uint64_t i = 2; i < 590; i++)
        rig_settle(&rig, 0, 0, i, GW_TERM_DELIVERED);
    rig_reopen(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "x x x x x x x x x x x");
    struct gw_store_backlog backlog;
    gw_store_log_backlog(rig.logs[0], 0, &backlog);
    CU_ASSERT_EQUAL(backlog.count, 11);
    CU_ASSERT_EQUAL(backlog.first, 1);
    CU_ASSERT_EQUAL(backlog.end, 601);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_EXPIRED], 1);
    CU_ASSERT(rig_balances(&rig, 0));
    CU_ASSERT_EQUAL(rig_append(&rig, 0, "y", 3), 601); /* a number is never given again */
    CU_ASSERT_EQUAL(rig.found, 0);
    rig_remove(&rig);
}

static void an_event_of_several_records_is_one_event(void)
{
    struct rig rig;
    begin(&rig, 1);
    struct rig_append *append = rig_append_begin(&rig, 0, "g", 3, 1, 0);
    rig_append_submit(append);
    gw_store_turn(rig.store);
    CU_ASSERT_EQUAL(append->op.first_sequence, 1);
    rig_append_free(append);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "g g+1 g+2");
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).received, 1);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 1);
    rig_settle(&rig, 0, 0, 2, GW_TERM_EXPIRED);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    rig_abandon(&rig);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 1);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_settle(&rig, 0, 0, 3, GW_TERM_DELIVERED);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 0);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_EXPIRED], 1);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void the_worst_of_two_sinks_counts_also_after_a_restart(void)
{
    struct rig rig;
    begin(&rig, 2);
    rig_append(&rig, 0, "a", 3);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DISCARDED);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 1);
    rig_abandon(&rig);
    rig_settle(&rig, 0, 1, 1, GW_TERM_DELIVERED);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DISCARDED], 1);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_record_is_for_the_sinks_of_its_legs(void)
{
    struct rig rig;
    begin(&rig, 2);
    rig_append(&rig, 0, "both", 3);
    rig_append(&rig, 0, "second", 2);
    rig_append(&rig, 0, "first", 1);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "both first");
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "both second");
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    rig_abandon(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "first");
    rig_settle(&rig, 0, 0, 3, GW_TERM_DELIVERED);
    struct gw_store_backlog backlog;
    gw_store_log_backlog(rig.logs[0], 0, &backlog);
    CU_ASSERT_EQUAL(backlog.first, 4);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void any_is_content_with_the_first(void)
{
    struct rig rig;
    struct gw_store_log_settings settings = plain(2);
    settings.any = true;
    rig_init(&rig);
    rig_open(&rig);
    rig_log(&rig, 0, &settings);
    rig_append(&rig, 0, "a", 3);
    rig_append(&rig, 0, "b", 3);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DISCARDED);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "a b");
    rig_settle(&rig, 0, 1, 1, GW_TERM_DELIVERED);
    rig_settle(&rig, 0, 0, 2, GW_TERM_DELIVERED);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "");
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DELIVERED], 2);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void what_was_not_turned_is_lost_at_a_kill_and_nothing_else(void)
{
    struct rig rig;
    begin(&rig, 1);
    rig_append(&rig, 0, "kept", 1);
    struct rig_append *append = rig_append_begin(&rig, 0, "lost", 1, 1, 0);
    rig_append_submit(append);
    rig_abandon(&rig);
    CU_ASSERT(append->done && append->cancelled);
    rig_append_free(append);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "kept");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static bool note_stored(void *arg, const struct gw_stored *stored)
{
    struct gw_stored *ret = arg;
    *ret = *stored;
    return false;
}

static struct gw_stored first_of(struct rig *rig)
{
    struct gw_stored stored = {.attempts = 99};
    uint64_t next;
    gw_store_read(rig->logs[0], 0, 0, note_stored, &stored, &next);
    return stored;
}

/* A process that dies in its start, before it has written down what the last one left. */
static void a_start_that_fails_leaves_what_was_in_hand(void)
{
    struct rig rig;
    char data[96], away[96];
    struct mg_err err;
    begin(&rig, 1);
    rig_append(&rig, 0, "a", 1);
    gw_store_hand(rig.logs[0], 0, 1, true);
    gw_store_abandon(rig.store);
    rig.store = NULL;
    snprintf(data, sizeof data, "%s/data.mdb", rig.path);
    snprintf(away, sizeof away, "%s/away", rig.path);
    CU_ASSERT(!rename(data, away) && !mkdir(data, 0700)); /* it cannot be opened */
    CU_ASSERT(gw_store_open(&rig.settings, NULL, NULL, NULL, &rig.store, &err) < 0);
    CU_ASSERT(!rmdir(data) && !rename(away, data));
    rig_open(&rig);
    rig_log(&rig, 0, &rig.log_settings[0]);
    CU_ASSERT_EQUAL(first_of(&rig).deaths, 1);
    rig_remove(&rig);
}

static void what_was_in_hand_at_a_kill_is_marked(void)
{
    struct rig rig;
    begin(&rig, 1);
    rig_append(&rig, 0, "a", 1);
    gw_store_hand(rig.logs[0], 0, 1, true);
    rig_note(&rig, 0, 0, 1, 7);
    CU_ASSERT_EQUAL(first_of(&rig).deaths, 0);
    rig_abandon(&rig);
    CU_ASSERT_EQUAL(first_of(&rig).deaths, 1);
    CU_ASSERT_EQUAL(first_of(&rig).attempts, 7);
    CU_ASSERT(first_of(&rig).record.flags & GW_RECORD_DOUBTFUL);
    rig_abandon(&rig); /* nobody had it in hand this time */
    CU_ASSERT_EQUAL(first_of(&rig).deaths, 1);
    gw_store_hand(rig.logs[0], 0, 1, true);
    gw_store_hand(rig.logs[0], 0, 1, false); /* it came back */
    rig_abandon(&rig);
    CU_ASSERT_EQUAL(first_of(&rig).deaths, 1);
    gw_store_hand(rig.logs[0], 0, 1, true);
    rig_abandon(&rig);
    CU_ASSERT_EQUAL(first_of(&rig).deaths, 2);
    gw_store_hand(rig.logs[0], 0, 1, true);
    rig_reopen(&rig); /* in an orderly way: no death */
    CU_ASSERT_EQUAL(first_of(&rig).deaths, 2);
    rig_remove(&rig);
}

static bool is_doubtful(struct rig *rig)
{
    return first_of(rig).record.flags & GW_RECORD_DOUBTFUL;
}

static void what_was_sent_is_in_doubt_in_the_next_life(void)
{
    struct rig rig;
    begin(&rig, 1);
    rig_append(&rig, 0, "a", 1);
    gw_store_hand(rig.logs[0], 0, 1, true);
    gw_store_not_sent(rig.logs[0], 0, 1);
    rig_abandon(&rig);
    CU_ASSERT(!is_doubtful(&rig));
    gw_store_hand(rig.logs[0], 0, 1, true);
    gw_store_hand(rig.logs[0], 0, 1, false); /* a connection was lost: who knows */
    rig_reopen(&rig);
    CU_ASSERT(is_doubtful(&rig));
    CU_ASSERT_EQUAL(first_of(&rig).deaths, 0);
    rig_reopen(&rig);
    CU_ASSERT(is_doubtful(&rig));
    rig_remove(&rig);
}

struct entries {
    char text[256];
};

static void list_entry(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    struct entries *e = arg;
    size_t length = strlen(e->text);
    snprintf(e->text + length, sizeof e->text - length, "%.*s=%.*s ", (int)key.len,
             (const char *)key.at, (int)value.len, (const char *)value.at);
}

static const char *state_of(struct rig *rig, const char *prefix)
{
    static struct entries entries;
    entries.text[0] = '\0';
    gw_store_state_each(rig->store, (struct mg_bytes){prefix, strlen(prefix)}, list_entry,
                        &entries);
    return entries.text;
}

static void state_is_kept_in_order_and_by_prefix(void)
{
    struct rig rig;
    begin(&rig, 1);
    rig_state(&rig, "m/2", "two");
    rig_state(&rig, "m/1", "one");
    rig_state(&rig, "n/1", "other");
    rig_state(&rig, "m/3", "three");
    rig_state(&rig, "m/3", NULL);
    rig_abandon(&rig);
    CU_ASSERT_STRING_EQUAL(state_of(&rig, "m/"), "m/1=one m/2=two ");
    CU_ASSERT_STRING_EQUAL(state_of(&rig, ""), "m/1=one m/2=two n/1=other ");
    rig_remove(&rig);
}

static void state_of_an_append_is_kept_with_it_or_not_at_all(void)
{
    struct rig rig;
    begin(&rig, 1);
    for (int i = 0; i < 2; i++) {
        struct rig_append *append = rig_append_begin(&rig, 0, i ? "b" : "a", 1, 1, 0);
        append->op.state_key = (struct mg_bytes){i ? "2" : "1", 1};
        append->op.state_value = (struct mg_bytes){"x", 1};
        rig_append_submit(append);
        if (!i)
            gw_store_turn(rig.store);
        else
            rig_abandon(&rig);
        rig_append_free(append);
    }
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a");
    CU_ASSERT_STRING_EQUAL(state_of(&rig, ""), "1=x ");
    rig_remove(&rig);
}

static void counts_are_received_and_ended(void)
{
    struct rig rig;
    begin(&rig, 1);
    rig_count(&rig, 0, GW_TERM_DROPPED, 5);
    rig_abandon(&rig);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).received, 5);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DROPPED], 5);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_second_owner_is_refused_with_the_path(void)
{
    struct rig rig;
    struct gw_store *second;
    struct mg_err err = {{0}, NULL};
    begin(&rig, 1);
    CU_ASSERT_EQUAL(gw_store_open(&rig.settings, NULL, NULL, NULL, &second, &err), -EBUSY);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, rig.path));
    rig_remove(&rig);
}

static void the_map_grows_with_what_comes(void)
{
    struct rig rig;
    struct gw_store_log_settings settings = plain(1);
    rig_init(&rig);
    rig.settings.size_bytes = 256 << 20;
    rig_open(&rig);
    rig_log(&rig, 0, &settings);
    char *payload = calloc(1, 1 << 20);
    struct gw_record_leg leg = {.sink = 0, .address = {"o", 1}};
    struct gw_record record = {.legs = &leg, .leg_count = 1};
    record.message.payload = (struct mg_bytes){payload, 1 << 20};
    for (int i = 0; i < 100; i++) { /* six times what is mapped at first, and no smaller parts */
        struct rig_append *append = rig_append_begin(&rig, 0, "", 0, 0, 0);
        CU_ASSERT_EQUAL(gw_record_encode(&record, &append->records[0], &append->lengths[0]), 0);
        append->op.count = 1;
        rig_append_submit(append);
        if (i % 10 == 9)
            gw_store_turn(rig.store);
        if (i % 10 == 9)
            CU_ASSERT(append->done);
        if (!append->done)
            gw_store_turn(rig.store);
        rig_append_free(append);
    }
    free(payload);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 100);
    rig_abandon(&rig);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void a_sink_that_is_not_named_any_more_is_given_up(void)
{
    static const char *const others[] = {"second", "third"};
    struct rig rig;
    struct gw_store_log_settings settings = plain(2);
    begin(&rig, 2);
    for (int i = 0; i < 5000; i++)
        rig_append(&rig, 0, "x", i ? 1 : 3);
    rig_close(&rig);
    rig.log_settings[0].sinks = settings.sinks = others;
    rig_open(&rig);
    CU_ASSERT(rig.found >= 1 && strstr(rig.last_found, "first"));
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "x"); /* second is now the first */
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "");
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).stored, 1);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DISCARDED], 4999);
    rig_append(&rig, 0, "y", 3);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "x y");
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "y");
    rig_reopen(&rig);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "x y");
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "y");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void logs_of_routes_are_apart(void)
{
    struct rig rig;
    struct gw_store_log_settings settings = plain(1);
    begin(&rig, 1);
    settings.route = "other";
    rig_log(&rig, 1, &settings);
    CU_ASSERT_EQUAL(rig_append(&rig, 1, "b", 1), 1);
    CU_ASSERT_EQUAL(rig_append(&rig, 0, "a", 1), 1);
    CU_ASSERT_NOT_EQUAL(gw_store_log_number(rig.logs[0]), gw_store_log_number(rig.logs[1]));
    uint32_t number = gw_store_log_number(rig.logs[1]);
    rig_reopen(&rig);
    CU_ASSERT_EQUAL(gw_store_log_number(rig.logs[1]), number);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a");
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 1, 0), "b");
    rig_remove(&rig);
}

static void a_hundred_routes_find_room(void)
{
    struct rig rig;
    struct gw_store_log_settings settings = plain(1);
    char name[16];
    begin(&rig, 1);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < 100; i++) {
            snprintf(name, sizeof name, "route-%d", i);
            settings.route = name;
            settings.dedup_count = 10;
            settings.archive_bytes = 1 << 20;
            rig_log(&rig, 1, &settings);
            CU_ASSERT_EQUAL(rig_append(&rig, 1, "a", 1), (uint64_t)round + 1);
        }
        rig.log_settings[1].route = NULL;
        rig_reopen(&rig);
    }
    rig_remove(&rig);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(what_is_appended_is_read_in_order_until_it_is_settled)},
        {KIT_TEST(a_store_that_is_opened_again_knows_everything)},
        {KIT_TEST(an_event_of_several_records_is_one_event)},
        {KIT_TEST(the_worst_of_two_sinks_counts_also_after_a_restart)},
        {KIT_TEST(a_record_is_for_the_sinks_of_its_legs)},
        {KIT_TEST(any_is_content_with_the_first)},
        {KIT_TEST(what_was_not_turned_is_lost_at_a_kill_and_nothing_else)},
        {KIT_TEST(a_start_that_fails_leaves_what_was_in_hand)},
        {KIT_TEST(what_was_in_hand_at_a_kill_is_marked)},
        {KIT_TEST(what_was_sent_is_in_doubt_in_the_next_life)},
        {KIT_TEST(state_is_kept_in_order_and_by_prefix)},
        {KIT_TEST(state_of_an_append_is_kept_with_it_or_not_at_all)},
        {KIT_TEST(counts_are_received_and_ended)},
        {KIT_TEST(a_second_owner_is_refused_with_the_path)},
        {KIT_TEST(the_map_grows_with_what_comes)},
        {KIT_TEST(a_sink_that_is_not_named_any_more_is_given_up)},
        {KIT_TEST(logs_of_routes_are_apart)},
        {KIT_TEST(a_hundred_routes_find_room)},
        {NULL, NULL},
    };
    return kit_main("store", tests);
}
