/* SPDX-License-Identifier: Apache-2.0 */
/* The store: appending, settling, reading, opening again; the ledger balances after each. */
#include "store_rig.h"
#include "unit.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

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

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(what_is_appended_is_read_in_order_until_it_is_settled)},
        {KIT_TEST(a_store_that_is_opened_again_knows_everything)},
        {NULL, NULL},
    };
    return kit_main("store", tests);
}
