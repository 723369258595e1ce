/* SPDX-License-Identifier: Apache-2.0 */
/* Routes of one source that begin with filters are asked in one pass, and nobody can tell from
 * ledgers, settlements and sinks that they were. */
#include "flow_probe.h"
#include "unit.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUTE(name, topic, with, rest)                                                             \
    "  " name ": { from: { bridge: b, topic: \"" topic "\" }, steps: [{ filter: { type: begins, "  \
    "with: " with " } }" rest " }\n"
#define TO(address) "], to: { bridge: b, topic: \"" address "\" }"
#define BRIDGE      "bridges: { b: { type: probe } }\nroutes:\n"

static void one_pass_finds_the_routes_that_want_an_event(void)
{
    probe_open(BRIDGE ROUTE("x", "in/{n}", "x", TO("x/{n}")) ROUTE("y", "in/{m}", "y", TO("y/{m}"))
                   ROUTE("x2", "in/+", "x", ", { filter: { type: odd } }" TO("x2"))
                       ROUTE("other", "in/#", "x", TO("other")));
    for (size_t i = 0; i < probe.sink_count; i++)
        probe.sinks[i].mode = PROBE_ACCEPT;
    CU_ASSERT_EQUAL(probe_ingest("in/a", "x1", 1), 0);
    CU_ASSERT_EQUAL(probe_ingest("in/a", "y1", 2), 0);
    CU_ASSERT_EQUAL(probe_ingest("in/b", "z1", 3), 0);
    CU_ASSERT_EQUAL(probe_ingest("in/b/c", "x2", 4), 0);
    CU_ASSERT_EQUAL(probe_ingest("out", "x3", 5), 0);
    CU_ASSERT_EQUAL(probe.settled_count, 5);
    for (size_t i = 0; i < probe.settled_count; i++)
        CU_ASSERT_EQUAL(probe.settled[i].outcome, MG_ACCEPTED);
    CU_ASSERT_EQUAL(probe.asked_together, 3);
    CU_ASSERT_EQUAL(probe.asked, 4); /* the one with addresses of its own */
    CU_ASSERT_EQUAL(probe_sink("x/{n}")->sent_count, 1);
    CU_ASSERT_STRING_EQUAL(probe_sink("x/{n}")->sent[0].address, "x/a");
    CU_ASSERT_EQUAL(probe_sink("y/{m}")->sent_count, 1);
    CU_ASSERT_EQUAL(probe_sink("x2")->sent_count, 1);
    CU_ASSERT_EQUAL(probe_sink("other")->sent_count, 2);
    static const char *const routes[] = {"x", "y", "x2"};
    for (size_t i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(probe_ledger(routes[i], "received"), 3);
        CU_ASSERT_EQUAL(probe_ledger(routes[i], "delivered"), 1);
        CU_ASSERT_EQUAL(probe_ledger(routes[i], "dropped"), 2);
    }
    CU_ASSERT_EQUAL(probe_ledger("other", "received"), 4);
    probe_close();
}

static void what_follows_the_filter_goes_on(void)
{
    probe_open(BRIDGE ROUTE("d", "in/#", "d", ", { filter: { type: odd } }" TO("d"))
                   ROUTE("r", "in/#", "r", ", { filter: { type: odd } }" TO("r"))
                       ROUTE("w", "in/#", "w", ", { enrich: { type: wait } }" TO("w")));
    probe_ingest("in/a", "d", 1);
    CU_ASSERT_EQUAL(probe_ledger("d", "dropped"), 1);
    probe_ingest("in/a", "r", 2);
    CU_ASSERT_EQUAL(probe.settled[1].outcome, MG_REJECTED);
    probe_ingest("in/a", "w", 3);
    CU_ASSERT_EQUAL(probe.settled_count, 2);
    CU_ASSERT_EQUAL(probe_ledger("w", "in_flight"), 1);
    CU_ASSERT_EQUAL(probe_ledger("w", "dropped"), 2);
    CU_ASSERT_EQUAL_FATAL(probe.pending_count, 1);
    probe.gateway->host.resume(probe.pending[0], MG_PASS, NULL, 0, NULL);
    probe_turn();
    CU_ASSERT_EQUAL(probe_sink("w")->sent_count, 1);
    probe_settle(probe_sink("w"), 0, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(probe.settled_count, 3);
    CU_ASSERT_EQUAL(probe.asked, 0);
    probe_close();
}

static void two_sources_of_a_route_do_not_share(void)
{
    probe_open(
        BRIDGE
        "  a: { from: [{ bridge: b, topic: in/# }, { bridge: b, topic: in/+ }],\n"
        "       steps: [{ filter: { type: begins, with: x } }], to: { bridge: b, topic: o } }\n"
        "  c: { from: { bridge: b, topic: in/# }, steps: [{ filter: { type: begins, with: x } }],"
        " to: { bridge: b, topic: p } }\n");
    probe_ingest("in/a", "x", 1);
    CU_ASSERT_EQUAL(probe.asked_together, 0);
    CU_ASSERT_EQUAL(probe.asked, 2);
    CU_ASSERT_EQUAL(probe_ledger("a", "received"), 1);
    probe_close();
}

static void want_of_memory_is_a_full_window(void)
{
    probe_open(BRIDGE ROUTE("a", "in/#", "a", TO("a")) ROUTE("b", "in/#", "b", TO("b")));
    CU_ASSERT_EQUAL(probe_ingest("in/a", "!", 1), -EAGAIN);
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    CU_ASSERT_EQUAL(probe_ledger("a", "received"), 0);
    probe_close();
}

static void an_answer_that_is_none_makes_each_be_asked(void)
{
    probe_open(BRIDGE ROUTE("a", "in/#", "'?'", TO("a")) ROUTE("b", "in/#", "b", TO("b")));
    CU_ASSERT_EQUAL(probe_ingest("in/a", "?", 1), 0);  /* a place that is not there */
    CU_ASSERT_EQUAL(probe_ingest("in/a", "??", 2), 0); /* one twice */
    CU_ASSERT_EQUAL(probe.asked_together, 2);
    CU_ASSERT_EQUAL(probe.asked, 4);
    CU_ASSERT_EQUAL(probe_sink("a")->sent_count, 2);
    CU_ASSERT_EQUAL(probe_ledger("a", "received"), 2);
    CU_ASSERT_EQUAL(probe_ledger("b", "dropped"), 2);
    CU_ASSERT_EQUAL(probe_ingest("in/a", "b", 3), 0);
    CU_ASSERT_EQUAL(probe.asked, 4);
    CU_ASSERT_EQUAL(probe_ledger("a", "received"), 3);
    CU_ASSERT_EQUAL(probe_ledger("a", "dropped"), 1);
    probe_close();
}

static void who_is_only_asked_in_company_opens_nothing(void)
{
    probe_open(BRIDGE ROUTE("a", "in/#", "'?'", TO("a")) ROUTE("b", "in/#", "b", TO("b"))
                   ROUTE("alone", "out", "a", TO("c")));
    CU_ASSERT_EQUAL(probe.begins_opened, 1);
    probe_ingest("in/a", "b", 1);
    CU_ASSERT_EQUAL(probe.begins_opened, 1);
    probe.begins_fails = true;
    probe_ingest("in/a", "?", 2); /* no answer for all of them, and no way to ask each */
    CU_ASSERT_EQUAL(probe.asked, 0);
    CU_ASSERT_EQUAL(probe_ledger("a", "returned"), 1);
    probe.begins_fails = false;
    probe_ingest("in/a", "?", 3);
    probe_ingest("in/a", "?", 4);
    CU_ASSERT_EQUAL(probe.asked, 4);
    CU_ASSERT_EQUAL(probe.begins_opened, 3);
    CU_ASSERT_EQUAL(probe_ledger("a", "received"), 4);
    probe_close();
    CU_ASSERT_EQUAL(probe.begins_opened, 0);
}

/* ---- many ----------------------------------------------------------------------------------- */

static void many_routes_agree_with_their_ledgers(void)
{
    enum { ROUTES = 500, EVENTS = 2000 };
    size_t size = 256 * ROUTES, used = 0;
    char *yaml = malloc(size);
    CU_ASSERT_PTR_NOT_NULL_FATAL(yaml);
    used += (size_t)snprintf(yaml, size, BRIDGE);
    for (int i = 0; i < ROUTES; i++)
        used +=
            (size_t)snprintf(yaml + used, size - used,
                             "  r%d: { from: { bridge: b, topic: \"in/{x}\" }, steps: [{ filter: "
                             "{ type: begins, with: \"%c\" } }], to: { bridge: b, topic: o } }\n",
                             i, 'a' + i % 26);
    probe_open(yaml);
    free(yaml);
    for (size_t i = 0; i < probe.sink_count; i++)
        probe.sinks[i].mode = PROBE_ACCEPT;
    size_t sent = 0;
    for (int i = 0; i < EVENTS; i++) {
        char payload[2] = {(char)('a' + i * 7 % 26), 0};
        CU_ASSERT_EQUAL(probe_ingest("in/a", payload, (uint64_t)i + 1), 0);
        sent += (size_t)(ROUTES / 26 + (i * 7 % 26 < ROUTES % 26));
        if (i % 500 == 17) /* the ledger may be asked at any time */
            CU_ASSERT_EQUAL(probe_ledger("r0", "received"), i + 1);
    }
    size_t arrived = 0;
    for (size_t i = 0; i < probe.sink_count; i++)
        arrived += probe.sinks[i].sent_count;
    CU_ASSERT_EQUAL(arrived, sent);
    CU_ASSERT_EQUAL(probe.asked_together, EVENTS);
    CU_ASSERT_EQUAL(probe_ledger("r499", "received"), EVENTS);
    CU_ASSERT_EQUAL(probe_ledger("r499", "delivered") + probe_ledger("r499", "dropped"), EVENTS);
    probe_close();
}

/* ---- poison --------------------------------------------------------------------------------- */

static int remove_entry(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    (void)s, (void)flag, (void)ftw;
    return remove(path);
}

/* A life of the gateway: 9 where the event has killed it, else what became of it. */
static int live(const char *folder)
{
    char yaml[1024];
    snprintf(
        yaml, sizeof yaml,
        "gateway: { store: { path: %s } }\n" BRIDGE ROUTE(
            "a", "in/#", "k", TO("a") ", delivery: { guarantee: stored, poison_after: 2 }")
            ROUTE("b", "in/#", "b", TO("b") ", delivery: { guarantee: stored, poison_after: 2 }")
                ROUTE("c", "in/#", "c", TO("c") ", delivery: { guarantee: best-effort }"),
        folder);
    pid_t child = fork();
    if (child == 0) {
        probe_open(yaml);
        if (probe_ingest("in/x", "*", 1))
            _exit(1);
        int64_t limit = gw_now_us(NULL) + 60000000;
        while (probe.settled_count < 1 && gw_now_us(NULL) < limit)
            probe_turn();
        bool buried =
            probe_ledger("a", "dead_lettered") == 1 && probe_ledger("b", "dead_lettered") == 1 &&
            probe_ledger("c", "discarded") == 1 && probe.asked_together == 0 && probe.asked == 0;
        probe_close();
        _exit(buried && !CU_get_number_of_failures() ? 0 : 2);
    }
    int status;
    CU_ASSERT_EQUAL_FATAL(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void an_event_that_kills_in_the_pass_is_buried(void)
{
    char folder[] = "/tmp/flow-shared-XXXXXX";
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    /* A death is counted by the next life, which may end before the store has the count. */
    int lives = 0, end;
    while ((end = live(folder)) == 9 && lives < 20)
        lives++;
    CU_ASSERT_TRUE(lives >= 2);
    CU_ASSERT_EQUAL(end, 0);
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(one_pass_finds_the_routes_that_want_an_event)},
        {KIT_TEST(what_follows_the_filter_goes_on)},
        {KIT_TEST(two_sources_of_a_route_do_not_share)},
        {KIT_TEST(want_of_memory_is_a_full_window)},
        {KIT_TEST(an_answer_that_is_none_makes_each_be_asked)},
        {KIT_TEST(who_is_only_asked_in_company_opens_nothing)},
        {KIT_TEST(many_routes_agree_with_their_ledgers)},
        {KIT_TEST(an_event_that_kills_in_the_pass_is_buried)},
        {0}};
    return kit_main("flow-shared-filter", tests);
}
