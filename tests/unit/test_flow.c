/* SPDX-License-Identifier: Apache-2.0 */
/* The way of an event through the core: settlement, order, back-pressure, fan-out, steps, ledger.
 */
#include "flow_probe.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define ONE_ROUTE(delivery)                                                                        \
    "bridges: { b: { type: probe } }\n"                                                            \
    "routes:\n"                                                                                    \
    "  r:\n"                                                                                       \
    "    from: { bridge: b, topic: \"in/{x}\" }\n"                                                 \
    "    to: { bridge: b, topic: \"out/{x}\", properties: { p: \"{x}!\" } }\n"                     \
    "    delivery: " delivery "\n"
#define STEPS(steps)                                                                               \
    "bridges: { b: { type: probe } }\n"                                                            \
    "routes:\n"                                                                                    \
    "  r:\n"                                                                                       \
    "    from: { bridge: b, topic: \"in/#\" }\n"                                                   \
    "    steps: [" steps "]\n"                                                                     \
    "    to: { bridge: b, topic: out }\n"                                                          \
    "    delivery: { retry: { max_attempts: 3, first: 1ms, most: 2ms } }\n"

/* Until *count reaches `wanted`; back-off timers are real here. */
static void turn_until(const size_t *count, size_t wanted)
{
    int64_t limit = gw_now_us(NULL) + 5000000;
    while (*count < wanted && gw_now_us(NULL) < limit)
        probe_turn();
    CU_ASSERT_EQUAL(*count, wanted);
}

static void turn_until_later(int64_t later_us)
{
    for (int64_t limit = gw_wall_us(NULL) + later_us; gw_wall_us(NULL) < limit;)
        probe_turn();
}

static void direct_tells_the_source_only_after_the_sink_has_confirmed(void)
{
    probe_open(ONE_ROUTE("{ guarantee: direct }"));
    struct probe_sink *k = probe_sink("out/{x}");
    CU_ASSERT_EQUAL(probe_ingest("in/a.b", "hello", 7), 0);
    CU_ASSERT_EQUAL(k->sent_count, 1);
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    CU_ASSERT_STRING_EQUAL(k->sent[0].address, "out/a_b");
    CU_ASSERT_STRING_EQUAL(k->sent[0].payload, "hello");
    CU_ASSERT_STRING_EQUAL(k->sent[0].property, "a.b!");
    CU_ASSERT_EQUAL(probe_ledger("r", "in_flight"), 1);
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL_FATAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe.settled[0].cookie, 7);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_ACCEPTED);
    CU_ASSERT_EQUAL(probe_ledger("r", "delivered"), 1);
    probe_close();
}

static void best_effort_tells_the_source_at_once(void)
{
    probe_open(ONE_ROUTE("{ guarantee: best-effort }"));
    probe_ingest("in/a", "x", 7);
    CU_ASSERT_EQUAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "in_flight"), 1);
    probe_settle(probe_sink("out/{x}"), 0, MG_REJECTED, "no");
    CU_ASSERT_EQUAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "discarded"), 1);
    probe_close();
}

static void a_full_sink_is_waited_for_and_order_is_kept(void)
{
    probe_open(ONE_ROUTE("{ guarantee: direct }"));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    for (int i = 0; i < 5; i++)
        probe_ingest("in/a", (char[]){(char)('0' + i), 0}, (uint64_t)i + 1);
    CU_ASSERT_EQUAL(k->sent_count, 0);
    k->mode = PROBE_ACCEPT;
    probe.gateway->host.sendable(probe.connections[0], NULL);
    CU_ASSERT_EQUAL_FATAL(k->sent_count, 5);
    for (int i = 0; i < 5; i++)
        CU_ASSERT_EQUAL(k->sent[i].payload[0], '0' + i);
    CU_ASSERT_EQUAL(probe.settled_count, 5);
    probe_close();
}

static void what_a_broken_link_held_is_sent_again_first_and_in_order(void)
{
    probe_open(ONE_ROUTE("{ guarantee: direct, retry: { first: 1ms, most: 2ms } }"));
    struct probe_sink *k = probe_sink("out/{x}");
    for (int i = 0; i < 4; i++)
        probe_ingest("in/a", (char[]){(char)('0' + i), 0}, (uint64_t)i + 1);
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    for (size_t i = 1; i < 4; i++)
        probe_settle(k, i, MG_RELEASED, "connection lost");
    probe_ingest("in/a", "4", 5);
    CU_ASSERT_EQUAL(k->sent_count, 4);
    turn_until(&k->sent_count, 8);
    for (size_t i = 4; i < 8; i++) {
        CU_ASSERT_EQUAL(k->sent[i].payload[0], (char)('1' + i - 4));
        CU_ASSERT_EQUAL(k->sent[i].attempt, i < 7 ? 2u : 1u);
        probe_settle(k, i, MG_ACCEPTED, NULL);
    }
    CU_ASSERT_EQUAL(probe.settled_count, 5);
    CU_ASSERT_EQUAL(probe_ledger("r", "retries"), 3);
    probe_close();
}

static void modified_counts_as_an_attempt_and_released_does_not(void)
{
    probe_open(
        ONE_ROUTE("{ guarantee: direct, retry: { max_attempts: 2, first: 1ms, most: 1ms } }"));
    struct probe_sink *k = probe_sink("out/{x}");
    probe_ingest("in/a", "x", 9);
    for (size_t i = 0; i < 3; i++) {
        turn_until(&k->sent_count, i + 1);
        probe_settle(k, i, MG_RELEASED, NULL);
    }
    turn_until(&k->sent_count, 4);
    probe_settle(k, 3, MG_MODIFIED, "busy");
    turn_until(&k->sent_count, 5);
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    probe_settle(k, 4, MG_MODIFIED, "busy");
    CU_ASSERT_EQUAL_FATAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_REJECTED);
    CU_ASSERT_STRING_EQUAL(probe.settled[0].reason, "gave up after 2 attempts: busy");
    CU_ASSERT_EQUAL(probe_ledger("r", "returned"), 1);
    probe_close();
}

static void an_event_that_a_sink_can_never_take_goes_back_rejected(void)
{
    probe_open(ONE_ROUTE("{ guarantee: direct }"));
    probe_sink("out/{x}")->mode = PROBE_INVALID;
    probe_ingest("in/a", "x", 1);
    CU_ASSERT_EQUAL_FATAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_REJECTED);
    CU_ASSERT_STRING_EQUAL(probe.settled[0].reason, "too large for this peer");
    probe_close();
}

static void double_and_late_settlements_are_counted_and_harmless(void)
{
    probe_open(ONE_ROUTE("{ guarantee: direct }"));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_SETTLES_TWICE;
    probe_ingest("in/a", "x", 1);
    probe_settle(k, 0, MG_REJECTED, "late");
    probe_ingest("in/a", "y", 2);
    probe.gateway->host.settle(0, MG_ACCEPTED, NULL);
    probe.gateway->host.settle(UINT64_MAX, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(probe.settled_count, 2);
    CU_ASSERT_EQUAL(probe_ledger("r", "delivered"), 2);
    CU_ASSERT_EQUAL(probe_report("late_settlements"), 3);
    probe_close();
}

static void the_window_stops_a_source_and_credit_lets_it_go_on(void)
{
    probe_open(ONE_ROUTE("{ guarantee: direct, window: 8 }"));
    struct probe_sink *k = probe_sink("out/{x}");
    CU_ASSERT_EQUAL(probe.credit, 8);
    for (uint64_t i = 1; i <= 8; i++)
        CU_ASSERT_EQUAL(probe_ingest("in/a", "x", i), 0);
    CU_ASSERT_EQUAL(probe_ingest("in/a", "x", 9), -EAGAIN);
    for (size_t i = 0; i < 3; i++)
        probe_settle(k, i, MG_ACCEPTED, NULL);
    probe_turn();
    CU_ASSERT_EQUAL(probe.credit, 11);
    CU_ASSERT_EQUAL(probe_ingest("in/a", "x", 9), 0);
    CU_ASSERT_EQUAL(probe_ledger("r", "received"), 9);
    probe_close();
}

static void a_full_route_does_as_its_overflow_policy_says(void)
{
    static const char *const policies[] = {"drop-newest", "drop-oldest", "block"};
    for (size_t p = 0; p < 3; p++) {
        char yaml[512];
        snprintf(yaml, sizeof yaml,
                 "bridges: { b: { type: probe } }\n"
                 "routes:\n  r:\n    from: { bridge: b, topic: \"in/#\", lazy: true }\n"
                 "    to: { bridge: b, topic: out }\n"
                 "    delivery: { guarantee: best-effort, window: 3, overflow: %s }\n",
                 policies[p]);
        probe_open(yaml);
        struct probe_sink *k = probe_sink("out");
        k->mode = PROBE_FULL;
        for (int i = 0; i < 5; i++) {
            int error = probe_ingest("in/a", (char[]){(char)('0' + i), 0}, 0);
            CU_ASSERT_EQUAL(error, p == 2 && i >= 3 ? -EAGAIN : 0);
        }
        CU_ASSERT_EQUAL(probe_ledger("r", "discarded"), p == 2 ? 0 : 2);
        k->mode = PROBE_ACCEPT;
        probe.gateway->host.sendable(probe.connections[0], k->handle);
        CU_ASSERT_EQUAL_FATAL(k->sent_count, 3);
        CU_ASSERT_EQUAL(k->sent[0].payload[0], p == 1 ? '2' : '0');
        CU_ASSERT_EQUAL(probe_ledger("r", "delivered"), 3);
        probe_close();
    }
}

#define FAN_OUT(require)                                                                           \
    "bridges: { b: { type: probe } }\n"                                                            \
    "routes:\n"                                                                                    \
    "  r:\n"                                                                                       \
    "    from: { bridge: b, topic: \"in/#\" }\n"                                                   \
    "    to: [ { bridge: b, topic: one }, { bridge: b, topic: two } ]\n"                           \
    "    delivery: { guarantee: direct, require: " require                                         \
    ", retry: { first: 1ms, most: 1ms } }\n"

static void require_all_waits_for_every_sink_and_repeats_only_the_missing(void)
{
    probe_open(FAN_OUT("all"));
    struct probe_sink *one = probe_sink("one"), *two = probe_sink("two");
    one->mode = PROBE_ACCEPT;
    probe_ingest("in", "x", 1);
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    probe_settle(two, 0, MG_RELEASED, NULL);
    turn_until(&two->sent_count, 2);
    CU_ASSERT_EQUAL(one->sent_count, 1);
    probe_settle(two, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(probe.settled_count, 1);
    probe_close();
}

static void require_any_is_content_with_one_and_gives_the_waiting_up(void)
{
    probe_open(FAN_OUT("any"));
    struct probe_sink *one = probe_sink("one"), *two = probe_sink("two");
    one->mode = PROBE_FULL;
    probe_ingest("in", "x", 1);
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    probe_settle(two, 0, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "missed"), 1);
    one->mode = PROBE_HOLD;
    probe.gateway->host.sendable(probe.connections[0], NULL);
    CU_ASSERT_EQUAL(one->sent_count, 0);
    /* The same the other way round: what was sent is left to arrive. */
    probe_ingest("in", "y", 2);
    probe_settle(two, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(probe.settled_count, 2);
    probe_settle(one, 0, MG_RELEASED, "gone");
    probe_turn();
    CU_ASSERT_EQUAL(one->sent_count, 1);
    CU_ASSERT_EQUAL(probe_report("late_settlements"), 0);
    probe_close();
}

static void require_all_with_a_rejection_goes_back_rejected(void)
{
    probe_open(FAN_OUT("all"));
    probe_ingest("in", "x", 1);
    probe_settle(probe_sink("one"), 0, MG_REJECTED, "bad");
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    probe_settle(probe_sink("two"), 0, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL_FATAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_REJECTED);
    CU_ASSERT_STRING_EQUAL(probe.settled[0].reason, "bad");
    probe_close();
}

static void an_event_of_two_routes_is_settled_once_by_the_worse_outcome(void)
{
    probe_open("bridges: { b: { type: probe } }\n"
               "routes:\n"
               "  r: { from: { bridge: b, topic: \"in/#\" }, to: { bridge: b, topic: one } }\n"
               "  s: { from: { bridge: b, topic: \"in/+\" }, to: { bridge: b, topic: two } }\n");
    probe_ingest("in/a", "x", 1);
    probe_settle(probe_sink("one"), 0, MG_REJECTED, "bad");
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    probe_settle(probe_sink("two"), 0, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL_FATAL(probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_REJECTED);
    probe_ingest("nowhere", "x", 2);
    CU_ASSERT_EQUAL(probe.settled[1].outcome, MG_ACCEPTED);
    probe_close();
}

static void what_expires_while_waiting_is_counted_and_not_sent(void)
{
    probe_open(ONE_ROUTE("{ guarantee: direct, ttl: 5ms }"));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    probe_ingest("in/a", "x", 1);
    turn_until_later(10000);
    k->mode = PROBE_HOLD;
    probe.gateway->host.sendable(probe.connections[0], NULL);
    CU_ASSERT_EQUAL(k->sent_count, 0);
    CU_ASSERT_EQUAL(probe_ledger("r", "expired"), 1);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_ACCEPTED);
    probe_close();
}

static void the_sweep_expires_what_a_dead_sink_holds(void)
{
    probe_open(ONE_ROUTE("{ guarantee: direct, ttl: 5ms }"));
    probe_sink("out/{x}")->mode = PROBE_FULL;
    for (uint64_t i = 1; i <= 100; i++)
        probe_ingest("in/a", "x", i);
    turn_until(&probe.settled_count, 100);
    CU_ASSERT_EQUAL(probe_ledger("r", "expired"), 100);
    probe_close();
}

static void steps_drop_reject_and_split(void)
{
    probe_open(STEPS("{ filter: { type: odd } }, { translate: { type: split } }"));
    struct probe_sink *k = probe_sink("out");
    probe_ingest("in", "drop", 1);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_ACCEPTED);
    CU_ASSERT_EQUAL(probe_ledger("r", "dropped"), 1);
    probe_ingest("in", "reject", 2);
    CU_ASSERT_EQUAL(probe.settled[1].outcome, MG_REJECTED);
    CU_ASSERT_STRING_EQUAL(probe.settled[1].reason, "poison");
    probe_ingest("in", "pass", 3);
    CU_ASSERT_EQUAL_FATAL(k->sent_count, 3);
    CU_ASSERT_STRING_EQUAL(k->sent[2].payload, "3");
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    probe_settle(k, 2, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(probe.settled_count, 2);
    probe_settle(k, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(probe.settled_count, 3);
    CU_ASSERT_EQUAL(probe_ledger("r", "delivered"), 1);
    probe_close();
}

static void a_pending_step_holds_back_what_came_after_it(void)
{
    probe_open(STEPS("{ enrich: { type: wait } }"));
    struct probe_sink *k = probe_sink("out");
    k->mode = PROBE_ACCEPT;
    probe_ingest("in", "w1", 1);
    probe_ingest("in", "2", 2);
    probe_ingest("in", "w3", 3);
    probe_ingest("in", "4", 4);
    CU_ASSERT_EQUAL(k->sent_count, 0);
    probe.gateway->host.resume(probe.pending[1], MG_PASS, NULL, 0, NULL);
    probe_turn();
    CU_ASSERT_EQUAL(k->sent_count, 0);
    probe.gateway->host.resume(probe.pending[0], MG_DROP, NULL, 0, NULL);
    probe.gateway->host.resume(probe.pending[0], MG_PASS, NULL, 0, NULL);
    probe_turn();
    CU_ASSERT_EQUAL_FATAL(k->sent_count, 3);
    CU_ASSERT_STRING_EQUAL(k->sent[0].payload, "2");
    CU_ASSERT_STRING_EQUAL(k->sent[1].payload, "w3");
    CU_ASSERT_STRING_EQUAL(k->sent[2].payload, "4");
    CU_ASSERT_EQUAL(probe_report("late_settlements"), 1);
    probe_close();
}

static void a_step_that_cannot_now_is_tried_again_and_given_up(void)
{
    probe_open(STEPS("{ enrich: { type: again } }"));
    probe_ingest("in", "x", 1);
    turn_until(&probe.settled_count, 1);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_REJECTED);
    CU_ASSERT_STRING_EQUAL(probe.settled[0].reason, "not now");
    probe_close();
}

static void modules_that_break_their_promise_are_named(void)
{
    probe_open(STEPS("{ filter: { type: rewrite } }"));
    probe_ingest("in", "x", 1);
    CU_ASSERT_STRING_EQUAL(probe.settled[0].reason,
                           "module rewrite is a filter and rewrote an event");
    probe_close();
    probe_open(STEPS("{ translate: { type: nonsense } }"));
    probe_ingest("in", "x", 1);
    CU_ASSERT_STRING_EQUAL(probe.settled[0].reason,
                           "module nonsense answered with an unknown verdict");
    probe_close();
}

static void stopping_with_events_everywhere_leaks_nothing(void)
{
    probe_open(STEPS("{ enrich: { type: wait } }"));
    struct probe_sink *k = probe_sink("out");
    probe_ingest("in", "sent", 1);
    k->mode = PROBE_FULL;
    probe_ingest("in", "waiting", 2);
    k->mode = PROBE_HOLD;
    probe_ingest("in", "w-pending", 3);
    probe_ingest("in", "behind it", 4);
    CU_ASSERT_EQUAL(gw_gateway_drain(probe.gateway, 0), 4);
    CU_ASSERT_EQUAL_FATAL(probe.settled_count, 4);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(probe.settled[i].outcome, MG_RELEASED);
    CU_ASSERT_EQUAL(probe_ledger("r", "returned"), 4);
    probe_close();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"direct tells the source only after the sink has confirmed",
         direct_tells_the_source_only_after_the_sink_has_confirmed},
        {"best effort tells the source at once", best_effort_tells_the_source_at_once},
        {"a full sink is waited for and order is kept",
         a_full_sink_is_waited_for_and_order_is_kept},
        {"what a broken link held is sent again first and in order",
         what_a_broken_link_held_is_sent_again_first_and_in_order},
        {"modified counts as an attempt and released does not",
         modified_counts_as_an_attempt_and_released_does_not},
        {"an event that a sink can never take goes back rejected",
         an_event_that_a_sink_can_never_take_goes_back_rejected},
        {"double and late settlements are counted and harmless",
         double_and_late_settlements_are_counted_and_harmless},
        {"the window stops a source and credit lets it go on",
         the_window_stops_a_source_and_credit_lets_it_go_on},
        {"a full route does as its overflow policy says",
         a_full_route_does_as_its_overflow_policy_says},
        {"require all waits for every sink and repeats only the missing",
         require_all_waits_for_every_sink_and_repeats_only_the_missing},
        {"require any is content with one and gives the waiting up",
         require_any_is_content_with_one_and_gives_the_waiting_up},
        {"require all with a rejection goes back rejected",
         require_all_with_a_rejection_goes_back_rejected},
        {"an event of two routes is settled once by the worse outcome",
         an_event_of_two_routes_is_settled_once_by_the_worse_outcome},
        {"what expires while waiting is counted and not sent",
         what_expires_while_waiting_is_counted_and_not_sent},
        {"the sweep expires what a dead sink holds", the_sweep_expires_what_a_dead_sink_holds},
        {"steps drop, reject and split", steps_drop_reject_and_split},
        {"a pending step holds back what came after it",
         a_pending_step_holds_back_what_came_after_it},
        {"a step that cannot now is tried again and given up",
         a_step_that_cannot_now_is_tried_again_and_given_up},
        {"modules that break their promise are named", modules_that_break_their_promise_are_named},
        {"stopping with events everywhere leaks nothing",
         stopping_with_events_everywhere_leaks_nothing},
        {NULL, NULL},
    };
    return kit_main("flow", tests);
}
