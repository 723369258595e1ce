/* SPDX-License-Identifier: Apache-2.0 */
/* Operations that take the running gateway: what was sent is sent again, routes pause. */
#include "dead_kit.h"
#include "flow_probe.h"
#include "unit.h"
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];
static struct probe_sink *sink;

static void open_gateway(const char *delivery)
{
    char yaml[1024];
    snprintf(folder, sizeof folder, "/tmp/operations-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    snprintf(yaml, sizeof yaml,
             "gateway: { store: { path: %s, sync: never } }\n"
             "bridges: { b: { type: probe } }\n"
             "routes:\n"
             "  r:\n"
             "    from: { bridge: b, topic: \"in/{x}\" }\n"
             "    to: { bridge: b, topic: \"out/{x}\" }\n"
             "    delivery: { guarantee: stored, retry: { first: 1ms, most: 2ms }%s }\n",
             folder, delivery);
    probe_open(yaml);
    sink = probe_sink("out/{x}");
}

static int remove_entry(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    (void)s, (void)flag, (void)ftw;
    return remove(path);
}

static void close_gateway(void)
{
    probe_close();
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

static void turn(void *arg)
{
    (void)arg;
    probe_turn();
}

static void until_sent(size_t count)
{
    int64_t limit = gw_now_us(NULL) + 10000000;
    while (sink->sent_count < count && gw_now_us(NULL) < limit)
        probe_turn();
    CU_ASSERT_EQUAL_FATAL(sink->sent_count, count);
}

static void until_ledger(const char *term, long wanted)
{
    int64_t limit = gw_now_us(NULL) + 10000000;
    while (probe_ledger("r", term) != wanted && gw_now_us(NULL) < limit)
        probe_turn();
    CU_ASSERT_EQUAL(probe_ledger("r", term), wanted);
}

static void ingest(const char *address, const char *payload)
{
    static uint64_t cookie;
    CU_ASSERT_EQUAL_FATAL(probe_ingest(address, payload, ++cookie), 0);
}

/* Five events, sent and confirmed. */
static void five(void)
{
    static const char *const addresses[] = {"in/a", "in/b", "in/a", "in/b", "in/a"};
    for (int i = 0; i < 5; i++)
        ingest(addresses[i], (char[]){(char)('0' + i), 0});
    until_sent(5);
    for (size_t i = 0; i < 5; i++)
        probe_settle(sink, i, MG_ACCEPTED, NULL);
    until_ledger("delivered", 5);
}

static json_t *ask(const char *request)
{
    struct gw_operation_target target = {.gateway = probe.gateway,
                                         .store = gw_gateway_store(probe.gateway)};
    return dead_kit_drive(&target, turn, NULL, request);
}

static void expect_replay(const char *arguments, long matched, long done)
{
    char request[256];
    snprintf(request, sizeof request, "{\"op\":\"replay\",\"route\":\"r\"%s}", arguments);
    json_t *lines = ask(request);
    CU_ASSERT_STRING_EQUAL(dead_kit_error(lines), "");
    if (dead_kit_count(lines, "matched") != matched || dead_kit_count(lines, "done") != done) {
        fprintf(stderr, "%s: %ld of %ld\n", arguments, dead_kit_count(lines, "done"),
                dead_kit_count(lines, "matched"));
        CU_FAIL("another count");
    }
    json_decref(lines);
}

static void what_was_sent_is_sent_again_once_and_in_order(void)
{
    open_gateway(", archive: 1h");
    five();
    expect_replay(",\"from\":\"1h\"", 5, 5);
    until_sent(10);
    for (size_t i = 0; i < 5; i++) {
        CU_ASSERT_STRING_EQUAL(sink->sent[5 + i].payload, sink->sent[i].payload);
        CU_ASSERT_STRING_EQUAL(sink->sent[5 + i].address, sink->sent[i].address);
        probe_settle(sink, 5 + i, MG_ACCEPTED, NULL);
    }
    until_ledger("delivered", 10);
    CU_ASSERT_EQUAL(probe_ledger("r", "received"), 10);
    expect_replay(",\"from\":\"1h\",\"dry_run\":true", 5, 0);
    close_gateway();
}

static void only_what_is_meant_is_sent_again(void)
{
    open_gateway(", archive: 1h");
    five();
    expect_replay(",\"from\":\"1h\",\"address\":\"in/b\"", 2, 2);
    until_sent(7);
    CU_ASSERT_STRING_EQUAL(sink->sent[5].payload, "1");
    CU_ASSERT_STRING_EQUAL(sink->sent[6].payload, "3");
    expect_replay(",\"from\":\"1h\",\"limit\":2", 2, 2);
    until_sent(9);
    CU_ASSERT_STRING_EQUAL(sink->sent[7].payload, "0");
    CU_ASSERT_STRING_EQUAL(sink->sent[8].payload, "1");
    expect_replay(",\"from\":\"2h\",\"to\":\"1h\"", 0, 0);
    expect_replay(",\"from\":\"1h\",\"address\":\"out/#\"", 0, 0);
    expect_replay(",\"from\":\"1h\",\"dry_run\":true", 5, 0);
    CU_ASSERT_EQUAL(sink->sent_count, 9);
    close_gateway();
}

static void a_replay_keeps_its_rate(void)
{
    open_gateway(", archive: 1h");
    five();
    int64_t begun_us = gw_now_us(NULL);
    expect_replay(",\"from\":\"1h\",\"rate\":20", 5, 5);
    CU_ASSERT(gw_now_us(NULL) - begun_us >= 90000); /* 5 at 20/s, of which some may catch up */
    until_sent(10);
    close_gateway();
}

static void expect_error(const char *request, const char *part)
{
    json_t *lines = ask(request);
    if (!strstr(dead_kit_error(lines), part)) {
        fprintf(stderr, "%s: %s\n", request, dead_kit_error(lines));
        CU_FAIL("another error");
    }
    json_decref(lines);
}

static void a_replay_without_an_archive_is_refused(void)
{
    open_gateway("");
    five();
    expect_error("{\"op\":\"replay\",\"route\":\"r\",\"from\":\"1h\"}", "has no archive");
    expect_error("{\"op\":\"replay\",\"route\":\"x\",\"from\":\"1h\"}", "\"x\"");
    expect_error("{\"op\":\"replay\",\"route\":\"r\",\"from\":\"1h\",\"to\":\"2h\"}",
                 "later than to");
    expect_error("{\"op\":\"replay\",\"route\":\"r\",\"from\":\"1h\",\"address\":\"a/#/b\"}", "#");
    close_gateway();
}

static void a_route_pauses_and_goes_on(void)
{
    open_gateway("");
    json_t *lines = ask("{\"op\":\"pause\",\"route\":\"r\",\"reason\":\"moving\"}");
    CU_ASSERT(json_is_true(json_object_get(json_array_get(lines, 0), "paused")));
    json_decref(lines);
    ingest("in/a", "x");
    until_ledger("stored", 1);
    CU_ASSERT_EQUAL(sink->sent_count, 0);
    lines = ask("{\"op\":\"report\"}");
    json_t *route = json_array_get(json_object_get(json_array_get(lines, 0), "routes"), 0);
    CU_ASSERT_STRING_EQUAL(json_string_value(json_object_get(route, "pause_reason")), "moving");
    json_decref(lines);
    lines = ask("{\"op\":\"resume\",\"route\":\"r\"}");
    CU_ASSERT(json_is_false(json_object_get(json_array_get(lines, 0), "paused")));
    json_decref(lines);
    until_sent(1);
    expect_error("{\"op\":\"pause\",\"route\":\"x\"}", "there is no route \"x\"");
    close_gateway();
}

static void a_letter_of_the_running_gateway_is_retried(void)
{
    open_gateway("");
    ingest("in/a", "x");
    until_sent(1);
    probe_settle(sink, 0, MG_REJECTED, "schema 7 expected");
    until_ledger("dead_lettered", 1);
    json_t *lines = ask("{\"op\":\"dlq.retry\",\"reason\":\"schema\"}");
    CU_ASSERT_EQUAL(dead_kit_count(lines, "done"), 1);
    json_decref(lines);
    until_sent(2);
    CU_ASSERT_STRING_EQUAL(sink->sent[1].payload, "x");
    probe_settle(sink, 1, MG_ACCEPTED, NULL);
    until_ledger("delivered", 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "dead_lettered"), 0);
    close_gateway();
}

static const struct kit_test tests[] = {
    {KIT_TEST(what_was_sent_is_sent_again_once_and_in_order)},
    {KIT_TEST(only_what_is_meant_is_sent_again)},
    {KIT_TEST(a_replay_keeps_its_rate)},
    {KIT_TEST(a_replay_without_an_archive_is_refused)},
    {KIT_TEST(a_route_pauses_and_goes_on)},
    {KIT_TEST(a_letter_of_the_running_gateway_is_retried)},
    {NULL, NULL},
};

int main(void)
{
    return kit_main("operations-gateway", tests);
}
