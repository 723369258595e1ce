/* SPDX-License-Identifier: Apache-2.0 */
/* Backlogs that are full, in each way; the window of identities; a store that is full. */
#include "store_rig.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sinks[] = {"one", "two"};

static void begin(struct rig *rig, struct gw_store_log_settings settings)
{
    settings.route = "r";
    settings.sinks = sinks;
    settings.sink_count = settings.sink_count ? settings.sink_count : 1;
    rig_init(rig);
    rig_open(rig);
    rig_log(rig, 0, &settings);
}

/* The lane has nothing in hand, so everything may be dropped. */
static void nothing_in_hand(struct rig *rig)
{
    gw_store_log_loaded(rig->logs[0], 0, 1);
    gw_store_turn(rig->store);
}

static void a_blocked_append_goes_on_after_a_settlement(void)
{
    struct rig rig;
    begin(&rig, (struct gw_store_log_settings){.backlog_count = 2});
    rig_append(&rig, 0, "a", 1);
    rig_append(&rig, 0, "b", 1);
    struct rig_append *c = rig_append_begin(&rig, 0, "c", 1, 1, 0);
    struct rig_append *d = rig_append_begin(&rig, 0, "d", 1, 1, 0);
    rig_append_submit(c);
    rig_append_submit(d);
    gw_store_turn(rig.store);
    CU_ASSERT(!c->done && !d->done);
    json_t *report = gw_store_report(rig.store);
    CU_ASSERT_EQUAL(json_integer_value(json_object_get(report, "waiting")), 2);
    json_decref(report);
    rig_settle(&rig, 0, 0, 2, GW_TERM_DELIVERED);
    CU_ASSERT(c->done && !d->done);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    CU_ASSERT(d->done);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "c d");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_append_free(c);
    rig_append_free(d);
    rig_remove(&rig);
}

static void other_logs_and_what_came_before_in_the_chain_go_on(void)
{
    struct rig rig;
    struct gw_store_log_settings free_log = {.route = "s", .sinks = sinks, .sink_count = 1};
    begin(&rig, (struct gw_store_log_settings){.backlog_count = 1});
    rig_log(&rig, 1, &free_log);
    rig_append(&rig, 0, "full", 1);
    struct rig_append *chain[4];
    for (uint32_t i = 0; i < 4; i++) { /* other, full, other, settle of the full one */
        chain[i] = rig_append_begin(&rig, i == 1 ? 0 : 1, i == 1 ? "w" : i ? "2" : "1", 1, 1, 0);
        rig.pending++;
    }
    for (uint32_t i = 0; i < 2; i++)
        chain[i]->op.op.next = &chain[i + 1]->op.op;
    gw_store_submit(rig.store, &chain[0]->op.op, &chain[2]->op.op);
    gw_store_submit(rig.store, &chain[3]->op.op, &chain[3]->op.op);
    gw_store_turn(rig.store);
    CU_ASSERT(chain[0]->done && !chain[1]->done && !chain[2]->done);
    CU_ASSERT(!chain[3]->done); /* it must not overtake chain[2] in that log */
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    CU_ASSERT(chain[1]->done && chain[2]->done && chain[3]->done);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 1, 0), "1 2 2");
    for (uint32_t i = 0; i < 4; i++)
        rig_append_free(chain[i]);
    rig_remove(&rig);
}

static void count_entry(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    (void)key;
    (void)value;
    ++*(int *)arg;
}

static void state_of_one_key_is_never_overtaken(void)
{
    struct rig rig;
    begin(&rig, (struct gw_store_log_settings){.backlog_count = 1});
    rig_append(&rig, 0, "full", 1);
    struct rig_append *a = rig_append_begin(&rig, 0, "a", 1, 1, 0);
    a->op.state_key = (struct mg_bytes){"k", 1};
    a->op.state_value = (struct mg_bytes){"old", 3};
    rig_append_submit(a);
    rig_state(&rig, "k", NULL); /* later, so it has to win */
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    CU_ASSERT(a->done);
    rig_append_free(a);
    rig_reopen(&rig);
    struct mg_bytes none = {"", 0};
    int count = 0;
    gw_store_state_each(rig.store, none, count_entry, &count);
    CU_ASSERT_EQUAL(count, 0);
    rig_remove(&rig);
}

static void drop_newest_refuses_for_the_sink_that_is_full(void)
{
    struct rig rig;
    begin(&rig, (struct gw_store_log_settings){
                    .sink_count = 2, .backlog_count = 2, .when_full = GW_FULL_DROP_NEWEST});
    rig_append(&rig, 0, "a", 3);
    rig_append(&rig, 0, "b", 3);
    rig_settle(&rig, 0, 1, 1, GW_TERM_DELIVERED);
    struct rig_append *c = rig_append_begin(&rig, 0, "c", 1, 3, 0);
    rig_append_submit(c);
    gw_store_turn(rig.store);
    CU_ASSERT(c->done);
    CU_ASSERT_EQUAL(c->op.refused, 1);
    rig_append_free(c);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a b");
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 1), "b c");
    rig_append(&rig, 0, "d", 3); /* both are full */
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DISCARDED], 1);
    rig_settle(&rig, 0, 1, 3, GW_TERM_DELIVERED);
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DISCARDED], 2);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_reopen(&rig);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void drop_oldest_spares_what_is_in_hand(void)
{
    struct rig rig;
    begin(&rig,
          (struct gw_store_log_settings){.backlog_count = 3, .when_full = GW_FULL_DROP_OLDEST});
    rig_append(&rig, 0, "hand", 1);
    gw_store_log_loaded(rig.logs[0], 0, 2);
    rig_append(&rig, 0, "a", 1);
    gw_store_log_loaded(rig.logs[0], 0, 2);
    gw_store_turn(rig.store);
    rig_append(&rig, 0, "b", 1);
    rig_append(&rig, 0, "c", 1);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "hand b c");
    rig_append(&rig, 0, "d", 1);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "hand c d");
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DISCARDED], 2);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void append_keyed(struct rig *rig, const char *text, uint64_t key)
{
    struct rig_append *append = rig_append_begin(rig, 0, text, 1, 1, key);
    rig_append_submit(append);
    gw_store_turn(rig->store);
    CU_ASSERT(append->done);
    rig_append_free(append);
}

static void latest_per_key_discards_the_older_of_the_same_key(void)
{
    struct rig rig;
    begin(&rig,
          (struct gw_store_log_settings){.backlog_count = 3, .when_full = GW_FULL_LATEST_PER_KEY});
    append_keyed(&rig, "k1", 1);
    nothing_in_hand(&rig);
    append_keyed(&rig, "k2", 2);
    append_keyed(&rig, "k3", 3);
    append_keyed(&rig, "k2'", 2);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "k1 k3 k2'");
    rig_reopen(&rig);
    append_keyed(&rig, "k3'", 3);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "k1 k2' k3'");
    append_keyed(&rig, "k4", 4); /* no older one: the oldest */
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "k2' k3' k4");
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

static void bytes_and_age_are_budgets_too(void)
{
    struct rig rig;
    begin(&rig,
          (struct gw_store_log_settings){.backlog_bytes = 200, .when_full = GW_FULL_DROP_NEWEST});
    for (int i = 0; i < 10; i++)
        rig_append(&rig, 0, "x", 1);
    struct gw_store_backlog backlog;
    gw_store_log_backlog(rig.logs[0], 0, &backlog);
    CU_ASSERT(backlog.bytes <= 200 && backlog.count >= 2 && backlog.count < 10);
    rig_remove(&rig);

    begin(&rig, (struct gw_store_log_settings){.backlog_age_ms = 1000});
    rig_append(&rig, 0, "old", 1);
    rig_append(&rig, 0, "too", 1);
    rig_now_us += 2000000;
    struct rig_append *c = rig_append_begin(&rig, 0, "c", 1, 1, 0);
    rig_append_submit(c);
    gw_store_turn(rig.store);
    CU_ASSERT(!c->done);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    CU_ASSERT(!c->done);
    rig_settle(&rig, 0, 0, 2, GW_TERM_DELIVERED);
    CU_ASSERT(c->done);
    rig_append_free(c);
    rig_remove(&rig);
}

static void what_is_larger_than_a_whole_budget_passes_alone(void)
{
    struct rig rig;
    begin(&rig, (struct gw_store_log_settings){.backlog_bytes = 10});
    CU_ASSERT_EQUAL(rig_append(&rig, 0, "a", 1), 1);
    struct rig_append *b = rig_append_begin(&rig, 0, "b", 1, 1, 0);
    rig_append_submit(b);
    gw_store_turn(rig.store);
    CU_ASSERT(!b->done);
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    CU_ASSERT(b->done);
    rig_append_free(b);
    rig_remove(&rig);
}

/* ---- dedup
 * --------------------------------------------------------------------------------------- */

static void what_comes_twice_goes_on_once(void)
{
    struct rig rig;
    begin(&rig, (struct gw_store_log_settings){.dedup_count = 100, .dedup_window_ms = 1000});
    CU_ASSERT(!rig_append_identified(&rig, 0, "a", 1));
    CU_ASSERT(rig_append_identified(&rig, 0, "a", 1));
    CU_ASSERT(!rig_append_identified(&rig, 0, "zero", 0));
    CU_ASSERT(rig_append_identified(&rig, 0, "zero", 0));
    rig_settle(&rig, 0, 0, 1, GW_TERM_DELIVERED);
    rig_abandon(&rig);
    CU_ASSERT(rig_append_identified(&rig, 0, "a", 1)); /* also after it has gone, and a kill */
    CU_ASSERT_EQUAL(rig_ledger(&rig, 0).ended[GW_TERM_DUPLICATE], 3);
    CU_ASSERT(rig_balances(&rig, 0));
    rig_now_us += 1500000; /* the window has passed */
    CU_ASSERT(!rig_append_identified(&rig, 0, "a", 1));
    rig_remove(&rig);
}

static void duplicates_in_one_commit_are_found(void)
{
    struct rig rig;
    struct rig_append *both[2];
    begin(&rig, (struct gw_store_log_settings){.dedup_count = 100});
    for (int i = 0; i < 2; i++) {
        both[i] = rig_append_begin(&rig, 0, "a", 1, 1, 0);
        both[i]->op.identified = true;
        both[i]->op.identity[1] = 5;
        rig_append_submit(both[i]);
    }
    gw_store_turn(rig.store);
    CU_ASSERT(!both[0]->op.duplicate && both[1]->op.duplicate);
    rig_append_free(both[0]);
    rig_append_free(both[1]);
    CU_ASSERT_STRING_EQUAL(rig_missing(&rig, 0, 0), "a");
    rig_remove(&rig);
}

static void an_identity_of_a_lost_transaction_is_not_known(void)
{
    struct rig rig;
    begin(&rig, (struct gw_store_log_settings){.dedup_count = 100});
    struct rig_append *lost = rig_append_begin(&rig, 0, "a", 1, 1, 0);
    lost->op.identified = true;
    lost->op.identity[0] = 9;
    rig_append_submit(lost);
    rig_abandon(&rig);
    rig_append_free(lost);
    CU_ASSERT(!rig_append_identified(&rig, 0, "a", 9));
    rig_remove(&rig);
}

static void the_window_holds_as_many_as_it_says(void)
{
    struct rig rig;
    begin(&rig, (struct gw_store_log_settings){.dedup_count = 1000});
    for (uint64_t i = 0; i < 3000; i++)
        CU_ASSERT(!rig_append_identified(&rig, 0, "x", i));
    CU_ASSERT(rig_append_identified(&rig, 0, "x", 2000));
    CU_ASSERT(!rig_append_identified(&rig, 0, "x", 1999));
    rig_reopen(&rig);
    CU_ASSERT(!rig_append_identified(&rig, 0, "x", 2000)); /* 1999 has pushed it out */
    CU_ASSERT(rig_append_identified(&rig, 0, "x", 2999));
    CU_ASSERT(rig_balances(&rig, 0));
    rig_remove(&rig);
}

/* ---- the whole store
 * ------------------------------------------------------------------------------ */

static struct rig_append *large(struct rig *rig, const char *payload, size_t length)
{
    struct gw_record_leg leg = {.sink = 0, .address = {"o", 1}};
    struct gw_record record = {.legs = &leg, .leg_count = 1};
    struct rig_append *append = rig_append_begin(rig, 0, "", 0, 0, 0);
    record.message.payload = (struct mg_bytes){payload, length};
    if (gw_record_encode(&record, &append->records[0], &append->lengths[0]))
        abort();
    append->op.count = 1;
    return append;
}

static uint64_t first_missing(struct rig *rig)
{
    struct gw_store_backlog backlog;
    gw_store_log_backlog(rig->logs[0], 0, &backlog);
    return backlog.first;
}

static void a_full_store_holds_appends_and_lets_settlements_through(void)
{
    enum { SIZE = 8 << 20, PART = 3000, MOST = 4000 };
    static struct rig_append *appends[MOST];
    char *payload = calloc(1, PART);
    struct rig rig;
    struct gw_store_log_settings settings = {.route = "r", .sinks = sinks, .sink_count = 1};
    size_t count = 0;
    rig_init(&rig);
    rig.settings.size_bytes = SIZE;
    rig_open(&rig);
    rig_log(&rig, 0, &settings);
    do {
        appends[count] = large(&rig, payload, PART);
        rig_append_submit(appends[count]);
        gw_store_turn(rig.store);
    } while (appends[count++]->done && count < MOST);
    CU_ASSERT(count > 1000 && count < MOST);
    json_t *report = gw_store_report(rig.store);
    CU_ASSERT(!json_boolean_value(json_object_get(report, "healthy")));
    CU_ASSERT(json_integer_value(json_object_get(report, "bytes")) <= SIZE);
    json_decref(report);
    for (uint64_t i = 1; i < count && !appends[count - 1]->done; i++)
        rig_settle(&rig, 0, 0, i, GW_TERM_DELIVERED);
    CU_ASSERT(appends[count - 1]->done);
    /* Ten times its size goes through it, since what is settled gives its space back. */
    for (int i = 0; i < 20000; i++) {
        struct rig_append *append = large(&rig, payload, PART);
        rig_append_submit(append);
        gw_store_turn(rig.store);
        for (int turns = 0; !append->done && turns < 100; turns++)
            rig_settle(&rig, 0, 0, first_missing(&rig), GW_TERM_DELIVERED);
        if (!append->done) {
            CU_FAIL("an append waits although there is room");
            break;
        }
        rig_append_free(append);
    }
    CU_ASSERT(rig_balances(&rig, 0));
    for (size_t i = 0; i < count; i++)
        rig_append_free(appends[i]);
    free(payload);
    rig_remove(&rig);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_blocked_append_goes_on_after_a_settlement)},
        {KIT_TEST(other_logs_and_what_came_before_in_the_chain_go_on)},
        {KIT_TEST(state_of_one_key_is_never_overtaken)},
        {KIT_TEST(drop_newest_refuses_for_the_sink_that_is_full)},
        {KIT_TEST(drop_oldest_spares_what_is_in_hand)},
        {KIT_TEST(latest_per_key_discards_the_older_of_the_same_key)},
        {KIT_TEST(bytes_and_age_are_budgets_too)},
        {KIT_TEST(what_is_larger_than_a_whole_budget_passes_alone)},
        {KIT_TEST(what_comes_twice_goes_on_once)},
        {KIT_TEST(duplicates_in_one_commit_are_found)},
        {KIT_TEST(an_identity_of_a_lost_transaction_is_not_known)},
        {KIT_TEST(the_window_holds_as_many_as_it_says)},
        {KIT_TEST(a_full_store_holds_appends_and_lets_settlements_through)},
        {NULL, NULL},
    };
    return kit_main("store_budget", tests);
}
