/* SPDX-License-Identifier: Apache-2.0 */
/* What the core keeps from one event to the next, and what of it the next event must not see. */
#include "base/pool.h"
#include "flow_probe.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ONE_ROUTE                                                                                  \
    "bridges: { b: { type: probe } }\n"                                                            \
    "routes:\n"                                                                                    \
    "  r:\n"                                                                                       \
    "    from: { bridge: b, topic: \"in/{x}\" }\n"                                                 \
    "    to: { bridge: b, topic: \"out/{x}\" }\n"

static void a_pool_gives_back_the_last_block_and_keeps_no_more_than_it_may(void)
{
    struct gw_pool pool;
    gw_pool_init(&pool, 100, 2);
    void *blocks[3];
    for (size_t i = 0; i < 3; i++) {
        blocks[i] = gw_pool_take(&pool);
        CU_ASSERT_PTR_NOT_NULL_FATAL(blocks[i]);
        memset(blocks[i], 0xff, 100);
    }
    for (size_t i = 0; i < 3; i++)
        gw_pool_give(&pool, blocks[i]);
    CU_ASSERT_EQUAL(pool.kept, GW_POOL_KEEPS ? 2 : 0);
    if (GW_POOL_KEEPS) {
        CU_ASSERT_PTR_EQUAL(gw_pool_take(&pool), blocks[1]);
        gw_pool_give(&pool, blocks[1]);
    }
    gw_pool_fini(&pool);
    CU_ASSERT_EQUAL(pool.kept, 0);
    CU_ASSERT_PTR_NULL(pool.first);
}

static void a_passage_knows_nothing_of_the_one_before(void)
{
    probe_open(ONE_ROUTE "    delivery: { guarantee: direct, ttl: 1h }\n");
    struct probe_sink *k = probe_sink("out/{x}");
    char address[100];
    memset(address, 'a', sizeof address);
    memcpy(address, "in/", 3);
    address[sizeof address - 1] = '\0';
    for (size_t i = 0; i < 300; i += 3) {
        k->mode = PROBE_INVALID;
        CU_ASSERT_EQUAL(probe_ingest(address, "poison", i + 1), 0);
        k->mode = PROBE_ACCEPT;
        CU_ASSERT_EQUAL(probe_ingest("in/b", "good", i + 2), 0);
        k->mode = PROBE_HOLD;
        CU_ASSERT_EQUAL(probe_ingest("in/c", "held", i + 3), 0);
        probe_settle(k, k->sent_count - 1, MG_REJECTED, NULL);
        CU_ASSERT_EQUAL_FATAL(probe.settled_count, i + 3);
        CU_ASSERT_EQUAL(probe.settled[i].outcome, MG_REJECTED);
        CU_ASSERT_STRING_EQUAL(probe.settled[i].reason, "too large for this peer");
        CU_ASSERT_EQUAL(probe.settled[i + 1].outcome, MG_ACCEPTED);
        CU_ASSERT_STRING_EQUAL(probe.settled[i + 1].reason, "");
        CU_ASSERT_EQUAL(probe.settled[i + 2].outcome, MG_REJECTED);
        CU_ASSERT_STRING_EQUAL(probe.settled[i + 2].reason, "");
        CU_ASSERT_STRING_EQUAL(k->sent[k->sent_count - 2].address, "out/b");
        CU_ASSERT_STRING_EQUAL(k->sent[k->sent_count - 1].address, "out/c");
    }
    CU_ASSERT_EQUAL(probe_ledger("r", "delivered"), 100);
    CU_ASSERT_EQUAL(probe_ledger("r", "returned"), 200);
    probe_close();
}

/* Around the size that a leg has room for. */
static void addresses_of_every_length_arrive_whole(void)
{
    probe_open(ONE_ROUTE);
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_ACCEPT;
    for (size_t length = 1; length < 120; length++) {
        char in[128] = "in/", out[128] = "out/";
        memset(in + 3, 'x', length);
        memset(out + 4, 'x', length);
        probe_ingest(in, "", length);
        CU_ASSERT_EQUAL_FATAL(k->sent_count, length);
        CU_ASSERT_STRING_EQUAL(k->sent[length - 1].address, out);
    }
    probe_close();
}

static void the_reason_of_one_route_is_kept_until_the_last_has_an_outcome(void)
{
    probe_open("bridges: { b: { type: probe } }\n"
               "routes:\n"
               "  r: { from: { bridge: b, topic: \"in/#\" }, to: { bridge: b, topic: one } }\n"
               "  s: { from: { bridge: b, topic: \"in/+\" }, to: { bridge: b, topic: two } }\n"
               "  t: { from: { bridge: b, topic: \"+/a\" }, to: { bridge: b, topic: three } }\n");
    char passing[] = "bad";
    probe_ingest("in/a", "x", 1);
    probe_settle(probe_sink("one"), 0, MG_REJECTED, passing);
    memset(passing, '!', 3);
    probe_settle(probe_sink("two"), 0, MG_ACCEPTED, "fine");
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    probe_settle(probe_sink("three"), 0, MG_REJECTED, "as bad");
    CU_ASSERT_EQUAL_FATAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_REJECTED);
    CU_ASSERT_STRING_EQUAL(probe.settled[0].reason, "bad");
    probe_close();
}

static void the_clock_stands_still_within_a_turn(void)
{
    probe_open(ONE_ROUTE);
    mg_shard *shard = &probe.gateway->shards[0];
    int64_t now = gw_now_us(shard), wall = gw_wall_us(shard);
    for (int64_t before = gw_now_us(NULL); gw_now_us(NULL) < before + 2000;)
        CU_ASSERT_EQUAL(gw_now_us(shard), now);
    CU_ASSERT_EQUAL(gw_wall_us(shard), wall);
    probe_turn();
    CU_ASSERT_TRUE(gw_now_us(shard) >= now + 2000);
    CU_ASSERT_TRUE(gw_now_us(shard) <= gw_now_us(NULL));
    CU_ASSERT_TRUE(gw_wall_us(shard) != wall);
    probe_close();
}

static struct {
    mg_timer *timer;
    int64_t until_us;
    size_t fired;
    bool over;
} waiting;

static void wait_for_the_time(void *arg)
{
    const struct mg_host *host = &probe.gateway->host;
    mg_shard *shard = arg;
    waiting.over = host->now_us(shard) >= waiting.until_us;
    if (!waiting.over && ++waiting.fired < 10000000)
        host->timer_again(waiting.timer, 0, 0);
}

static void a_timer_that_asks_again_at_once_sees_the_time_go_by(void)
{
    probe_open(ONE_ROUTE);
    mg_shard *shard = &probe.gateway->shards[0];
    waiting.over = false;
    waiting.until_us = gw_now_us(NULL) + 3000;
    waiting.timer = probe.gateway->host.timer_start(shard, 0, 0, wait_for_the_time, shard);
    for (size_t i = 0; i < 1000 && !waiting.over; i++)
        probe_turn();
    CU_ASSERT_TRUE(waiting.over);
    probe.gateway->host.timer_stop(waiting.timer);
    probe_close();
}

static void a_filter_that_passes_an_event_ends_its_probation(void)
{
    probe_open("bridges: { b: { type: probe } }\n"
               "routes:\n"
               "  r:\n"
               "    from: { bridge: b, topic: \"in/#\" }\n"
               "    steps: [ { filter: { type: odd } } ]\n"
               "    to: { bridge: b, topic: out }\n");
    struct mg_instance *filter = probe.gateway->routes[0].steps[0].instance;
    atomic_store(&filter->on_probation, true);
    probe_ingest("in", "pass", 1);
    CU_ASSERT_EQUAL(probe_sink("out")->sent_count, 1);
    CU_ASSERT_FALSE(atomic_load(&filter->on_probation));
    probe_close();
}

/* While a sink is asked, another content sink ends the passage; then the first refuses. */
static void a_leg_that_nobody_waits_for_any_more_does_not_queue_again(void)
{
    probe_open("bridges: { b: { type: probe } }\n"
               "routes:\n"
               "  r:\n"
               "    from: { bridge: b, topic: \"in/#\" }\n"
               "    to: [ { bridge: b, topic: one }, { bridge: b, topic: two } ]\n"
               "    delivery: { guarantee: direct, require: any }\n");
    struct probe_sink *one = probe_sink("one"), *two = probe_sink("two");
    two->mode = PROBE_FULL;
    probe_ingest("in", "x", 1);
    CU_ASSERT_EQUAL_FATAL(one->sent_count, 1);
    two->mode = PROBE_SETTLES_THE_FIRST;
    probe.gateway->host.sendable(probe.connections[0], NULL);
    CU_ASSERT_EQUAL(probe.settled_count, 1);
    two->mode = PROBE_ACCEPT;
    probe.gateway->host.sendable(probe.connections[0], NULL);
    CU_ASSERT_EQUAL(two->sent_count, 0);
    probe_ingest("in", "y", 2);
    CU_ASSERT_EQUAL(two->sent_count, 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "delivered"), 2);
    probe_close();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_pool_gives_back_the_last_block_and_keeps_no_more_than_it_may)},
        {KIT_TEST(a_passage_knows_nothing_of_the_one_before)},
        {KIT_TEST(addresses_of_every_length_arrive_whole)},
        {KIT_TEST(the_reason_of_one_route_is_kept_until_the_last_has_an_outcome)},
        {KIT_TEST(the_clock_stands_still_within_a_turn)},
        {KIT_TEST(a_timer_that_asks_again_at_once_sees_the_time_go_by)},
        {KIT_TEST(a_filter_that_passes_an_event_ends_its_probation)},
        {KIT_TEST(a_leg_that_nobody_waits_for_any_more_does_not_queue_again)},
        {NULL, NULL},
    };
    return kit_main("flow_reuse", tests);
}
