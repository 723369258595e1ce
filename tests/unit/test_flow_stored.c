/* SPDX-License-Identifier: Apache-2.0 */
/* The way of an event under `stored`: kept before it is acknowledged, sent from the store, retried,
 * refused, told from its repetition, and all of it over restarts. */
#include "flow_probe.h"
#include "unit.h"
#include <errno.h>
#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[64];

/* The route's own keys, with the probe's bridge and a store in this test's folder. */
static void open_stored(const char *rest)
{
    char yaml[2048];
    snprintf(yaml, sizeof yaml,
             "gateway: { store: { path: %s, sync: never } }\n"
             "bridges: { b: { type: probe } }\n"
             "routes:\n"
             "  r:\n"
             "    from: { bridge: b, topic: \"in/{x}\" }\n"
             "%s",
             folder, rest);
    probe_open(yaml);
}

#define TO_OUT "    to: { bridge: b, topic: \"out/{x}\" }\n"
#define STORED(delivery)                                                                           \
    TO_OUT "    delivery: { guarantee: stored, retry: { first: 1ms, most: 2ms }" delivery " }\n"

static int remove_entry(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    (void)s, (void)flag, (void)ftw;
    return remove(path);
}

static void fresh_folder(void)
{
    snprintf(folder, sizeof folder, "/tmp/flow-stored-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
}

static void remove_folder(void)
{
    nftw(folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* Turns until value() is wanted; the store has a thread of its own. */
static void until(long (*value)(const void *arg), const void *arg, long wanted)
{
    int64_t limit = gw_now_us(NULL) + 60000000;
    while (value(arg) != wanted && gw_now_us(NULL) < limit)
        probe_turn();
    CU_ASSERT_EQUAL(value(arg), wanted);
}

static long settled_count(const void *arg)
{
    (void)arg;
    return (long)probe.settled_count;
}

static long sent_count(const void *arg)
{
    return (long)((const struct probe_sink *)arg)->sent_count;
}

static long ledger_of_r(const void *entry)
{
    return probe_ledger("r", entry);
}

static void ingest(const char *address, const char *payload, uint64_t cookie)
{
    int64_t limit = gw_now_us(NULL) + 60000000;
    int error;
    while ((error = probe_ingest(address, payload, cookie)) == -EAGAIN && gw_now_us(NULL) < limit)
        probe_turn();
    CU_ASSERT_EQUAL(error, 0);
}

static void ingest_numbers(const char *address, int from, int count)
{
    char text[16];
    for (int i = from; i < from + count; i++) {
        snprintf(text, sizeof text, "%d", i);
        ingest(address, text, (uint64_t)i + 1);
    }
}

static void sendable(void)
{
    probe.gateway->host.sendable(probe.connections[0], NULL);
}

static void check_numbers(const struct probe_sink *k, size_t at, int from, int count)
{
    for (int i = 0; i < count; i++)
        CU_ASSERT_EQUAL(strtol(k->sent[at + (size_t)i].payload, NULL, 10), from + i);
}

static void the_source_hears_accepted_once_the_store_has_it(void)
{
    fresh_folder();
    open_stored(STORED(""));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "hello", 7);
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    until(settled_count, NULL, 1);
    CU_ASSERT_EQUAL(probe.settled[0].cookie, 7);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_ACCEPTED);
    until(sent_count, k, 1);
    CU_ASSERT_STRING_EQUAL(k->sent[0].address, "out/a");
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "in_flight"), 0);
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    until(ledger_of_r, "delivered", 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), 0);
    CU_ASSERT_EQUAL(probe_ledger("r", "received"), 1);
    probe_close();
    remove_folder();
}

static void what_no_sink_has_taken_is_sent_after_a_restart_in_order(void)
{
    fresh_folder();
    open_stored("    to: { bridge: b, topic: \"out/{x}\", properties: { p: \"{x}!\" } }\n"
                "    delivery: { guarantee: stored }\n");
    probe_sink("out/{x}")->mode = PROBE_FULL;
    ingest_numbers("in/a", 0, 5);
    until(settled_count, NULL, 5);
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), 5);
    probe_close();
    open_stored("    to: { bridge: b, topic: \"out/{x}\", properties: { p: \"{x}!\" } }\n"
                "    delivery: { guarantee: stored }\n");
    struct probe_sink *k = probe_sink("out/{x}"); /* it may have had them already */
    until(sent_count, k, 5);
    check_numbers(k, 0, 0, 5);
    for (size_t i = 0; i < 5; i++)
        probe_settle(k, i, MG_ACCEPTED, NULL);
    CU_ASSERT_STRING_EQUAL(k->sent[4].address, "out/a");
    CU_ASSERT_STRING_EQUAL(k->sent[4].property, "a!");
    until(ledger_of_r, "delivered", 5);
    CU_ASSERT_EQUAL(probe_ledger("r", "received"), 5);
    probe_close();
    open_stored(STORED(""));
    CU_ASSERT_EQUAL(probe_ledger("r", "delivered"), 5);
    probe_turn();
    CU_ASSERT_EQUAL(probe_sink("out/{x}")->sent_count, 0);
    probe_close();
    remove_folder();
}

static void a_long_backlog_is_read_from_the_store_in_order_and_once(void)
{
    enum { MANY = 20000 };
    fresh_folder();
    open_stored(STORED(""));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    ingest_numbers("in/a", 0, MANY);
    until(settled_count, NULL, MANY);
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), MANY);
    CU_ASSERT_TRUE(k->handle->outlet->in_hand <= 4096);
    k->mode = PROBE_ACCEPT;
    sendable();
    ingest_numbers("in/a", MANY, 1000);
    until(ledger_of_r, "delivered", MANY + 1000);
    CU_ASSERT_EQUAL(k->sent_count, MANY + 1000);
    check_numbers(k, 0, 0, MANY + 1000);
    probe_close();
    remove_folder();
}

static void a_dead_sink_keeps_its_own_backlog_and_no_other(void)
{
    fresh_folder();
    open_stored("    to: [ { bridge: b, topic: live }, { bridge: b, topic: dead } ]\n"
                "    delivery: { guarantee: stored }\n");
    struct probe_sink *live = probe_sink("live"), *dead = probe_sink("dead");
    live->mode = PROBE_ACCEPT;
    dead->mode = PROBE_FULL;
    ingest_numbers("in/a", 0, 6000);
    until(sent_count, live, 6000);
    CU_ASSERT_EQUAL(dead->sent_count, 0);
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), 6000);
    dead->mode = PROBE_ACCEPT;
    sendable();
    until(sent_count, dead, 6000);
    check_numbers(dead, 0, 0, 6000);
    until(ledger_of_r, "delivered", 6000);
    CU_ASSERT_EQUAL(live->sent_count, 6000);
    probe_close();
    remove_folder();
}

static void what_a_broken_link_held_is_sent_again_first_and_in_order(void)
{
    fresh_folder();
    open_stored(STORED(""));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest_numbers("in/a", 0, 4);
    until(sent_count, k, 4);
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    for (size_t i = 1; i < 4; i++)
        probe_settle(k, i, MG_RELEASED, "connection lost");
    ingest_numbers("in/a", 4, 1);
    until(sent_count, k, 8);
    check_numbers(k, 4, 1, 4);
    CU_ASSERT_EQUAL(k->sent[4].attempt, 2);
    for (size_t i = 4; i < 8; i++)
        probe_settle(k, i, MG_ACCEPTED, NULL);
    until(ledger_of_r, "delivered", 5);
    probe_close();
    remove_folder();
}

static void a_key_that_fails_holds_its_own_events_only(void)
{
    fresh_folder();
    open_stored(STORED(", order_by: \"{x}\""));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "1", 1);
    ingest("in/a", "2", 2);
    ingest("in/b", "3", 3);
    ingest("in/b", "4", 4);
    until(settled_count, NULL, 4);
    until(sent_count, k, 2); /* one of each key */
    CU_ASSERT_STRING_EQUAL(k->sent[0].payload, "1");
    CU_ASSERT_STRING_EQUAL(k->sent[1].payload, "3");
    probe_settle(k, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL_FATAL(k->sent_count, 3);
    CU_ASSERT_STRING_EQUAL(k->sent[2].payload, "4");
    probe_settle(k, 2, MG_ACCEPTED, NULL);
    probe_settle(k, 0, MG_RELEASED, "busy");
    until(sent_count, k, 4);
    CU_ASSERT_STRING_EQUAL(k->sent[3].payload, "1");
    probe_settle(k, 3, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL_FATAL(k->sent_count, 5);
    CU_ASSERT_STRING_EQUAL(k->sent[4].payload, "2");
    probe_settle(k, 4, MG_ACCEPTED, NULL);
    until(ledger_of_r, "delivered", 4);
    probe_close();
    remove_folder();
}

static void what_a_sink_refuses_becomes_a_dead_letter(void)
{
    fresh_folder();
    open_stored(STORED(""));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "bad", 1);
    ingest("in/a", "good", 2);
    until(sent_count, k, 2);
    probe_settle(k, 0, MG_REJECTED, "no such queue");
    probe_settle(k, 1, MG_ACCEPTED, NULL);
    until(ledger_of_r, "dead_lettered", 1);
    until(ledger_of_r, "delivered", 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), 0);
    CU_ASSERT_EQUAL(probe.settled[0].outcome, MG_ACCEPTED);
    probe_close();
    open_stored(STORED(""));
    CU_ASSERT_EQUAL(probe_ledger("r", "dead_lettered"), 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "received"), 2);
    probe_close();
    remove_folder();
}

static void attempts_are_counted_over_restarts(void)
{
    static const char three[] = TO_OUT
        "    delivery: { guarantee: stored, retry: { max_attempts: 3, first: 1ms, most: 1ms } }\n";
    fresh_folder();
    open_stored(three);
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "x", 1);
    until(sent_count, k, 1);
    probe_settle(k, 0, MG_MODIFIED, "busy");
    until(sent_count, k, 2);
    probe_settle(k, 1, MG_RELEASED, "does not count");
    until(sent_count, k, 3);
    probe_settle(k, 2, MG_MODIFIED, "busy");
    until(sent_count, k, 4);
    probe_close();
    open_stored(three);
    k = probe_sink("out/{x}");
    until(sent_count, k, 1);
    probe_settle(k, 0, MG_MODIFIED, "busy");
    until(ledger_of_r, "dead_lettered", 1);
    CU_ASSERT_EQUAL(k->sent_count, 1);
    probe_close();
    remove_folder();
}

static void on_error_discard_counts_and_goes_on(void)
{
    fresh_folder();
    open_stored(STORED(", on_error: discard"));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "x", 1);
    until(sent_count, k, 1);
    probe_settle(k, 0, MG_REJECTED, "no");
    until(ledger_of_r, "discarded", 1);
    probe_close();
    remove_folder();
}

static void on_error_pause_stops_the_route_until_it_is_resumed(void)
{
    struct mg_err err;
    fresh_folder();
    open_stored(STORED(", on_error: pause"));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "0", 1);
    until(sent_count, k, 1);
    probe_settle(k, 0, MG_REJECTED, "schema 7 expected");
    ingest("in/a", "1", 2);
    until(settled_count, NULL, 2); /* the source goes on */
    CU_ASSERT_EQUAL(k->sent_count, 1);
    CU_ASSERT_TRUE(atomic_load(&probe.gateway->routes[0].paused));
    probe_close();
    open_stored(STORED(", on_error: pause"));
    k = probe_sink("out/{x}");
    CU_ASSERT_TRUE(atomic_load(&probe.gateway->routes[0].paused));
    CU_ASSERT_STRING_EQUAL(probe.gateway->routes[0].pause_reason, "schema 7 expected");
    k->mode = PROBE_ACCEPT;
    probe_turn();
    CU_ASSERT_EQUAL(k->sent_count, 0);
    CU_ASSERT_EQUAL(gw_gateway_pause(probe.gateway, "r", false, NULL, &err), 0);
    until(sent_count, k, 2);
    check_numbers(k, 0, 0, 2);
    until(ledger_of_r, "delivered", 2);
    probe_close();
    open_stored(STORED(""));
    CU_ASSERT_FALSE(atomic_load(&probe.gateway->routes[0].paused));
    probe_close();
    remove_folder();
}

static void what_comes_twice_goes_on_once_also_after_a_restart(void)
{
    static const char dedup[] = STORED(", dedup: { by: hash }");
    fresh_folder();
    open_stored(dedup);
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_ACCEPT;
    for (uint64_t i = 1; i <= 3; i++)
        ingest("in/a", "same", i);
    ingest("in/b", "same", 4);
    until(settled_count, NULL, 4);
    for (size_t i = 0; i < 4; i++)
        CU_ASSERT_EQUAL(probe.settled[i].outcome, MG_ACCEPTED);
    until(ledger_of_r, "delivered", 2);
    CU_ASSERT_EQUAL(probe_ledger("r", "duplicates"), 2);
    probe_close();
    open_stored(dedup);
    k = probe_sink("out/{x}");
    ingest("in/a", "same", 1);
    until(settled_count, NULL, 1);
    CU_ASSERT_EQUAL(k->sent_count, 0);
    CU_ASSERT_EQUAL(probe_ledger("r", "duplicates"), 3);
    CU_ASSERT_EQUAL(probe_ledger("r", "received"), 5);
    probe_close();
    remove_folder();
}

/* A CloudEvent in binary mode over AMQP, with a property of the sender's own. */
static void ingest_cloudevent(const char *prefix, const char *id, uint64_t cookie)
{
    static const char *const names[] = {"specversion", "id", "source"};
    const char *values[] = {"1.0", id, "/m1"};
    char full[3][64];
    struct mg_property properties[4] = {
        {.name = {"id", 2}, .value = {.type = MG_TEXT, .as.text = {"mine", 4}}}};
    for (size_t i = 0; i < 3; i++) {
        snprintf(full[i], sizeof full[i], "%s%s", prefix, names[i]);
        properties[i + 1] = (struct mg_property){
            .name = {full[i], strlen(full[i])},
            .value = {.type = MG_TEXT, .as.text = {values[i], strlen(values[i])}}};
    }
    struct mg_message m = {.head = {.size = sizeof m.head, .address = {"in/a", 4}},
                           .properties = properties,
                           .property_count = 4};
    CU_ASSERT_EQUAL(probe.gateway->host.ingest(probe.connections[0], NULL, &m, cookie), 0);
}

static void a_cloudevent_is_known_by_the_attributes_of_one_binding(void)
{
    static const char *const prefixes[] = {"cloudEvents:", "cloudEvents_"};
    for (size_t i = 0; i < 2; i++) {
        fresh_folder();
        open_stored(STORED(", dedup: { by: cloudevent }"));
        struct probe_sink *k = probe_sink("out/{x}");
        k->mode = PROBE_ACCEPT;
        ingest_cloudevent(prefixes[i], "1", 1);
        ingest_cloudevent(prefixes[i], "2", 2);
        ingest_cloudevent(prefixes[i], "1", 3);
        until(settled_count, NULL, 3);
        until(ledger_of_r, "delivered", 2);
        CU_ASSERT_EQUAL(probe_ledger("r", "duplicates"), 1);
        probe_close();
        remove_folder();
    }
}

static void one_event_that_became_three_counts_once(void)
{
    fresh_folder();
    open_stored("    steps: [ translate: { type: split } ]\n" STORED(""));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "x", 1);
    until(sent_count, k, 3);
    check_numbers(k, 0, 1, 3);
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), 1);
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    probe_settle(k, 2, MG_ACCEPTED, NULL);
    probe_close();
    open_stored("    steps: [ translate: { type: split } ]\n" STORED(""));
    k = probe_sink("out/{x}");
    until(sent_count, k, 1);
    CU_ASSERT_STRING_EQUAL(k->sent[0].payload, "2");
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), 1);
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    until(ledger_of_r, "delivered", 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "received"), 1);
    probe_close();
    remove_folder();
}

static void what_a_step_refuses_becomes_a_dead_letter_and_the_source_goes_on(void)
{
    fresh_folder();
    open_stored("    steps: [ filter: { type: odd } ]\n" STORED(""));
    probe_sink("out/{x}")->mode = PROBE_ACCEPT;
    ingest("in/a", "rotten", 1);
    ingest("in/a", "dull", 2);
    ingest("in/a", "ok", 3);
    until(settled_count, NULL, 3);
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(probe.settled[i].outcome, MG_ACCEPTED);
    until(ledger_of_r, "delivered", 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "dead_lettered"), 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "dropped"), 1);
    probe_close();
    open_stored(STORED(""));
    CU_ASSERT_EQUAL(probe_ledger("r", "dropped"), 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "received"), 3);
    probe_close();
    remove_folder();
}

static void a_full_backlog_holds_the_source_and_lets_it_go_on(void)
{
    fresh_folder();
    open_stored(STORED(", window: 10, backlog: { count: 20 }"));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    ingest_numbers("in/a", 0, 30);
    until(settled_count, NULL, 20);
    CU_ASSERT_EQUAL(probe_ingest("in/a", "30", 31), -EAGAIN);
    CU_ASSERT_EQUAL(probe_ledger("r", "in_flight"), 10);
    k->mode = PROBE_ACCEPT;
    sendable();
    until(settled_count, NULL, 30);
    until(ledger_of_r, "delivered", 30);
    check_numbers(k, 0, 0, 30);
    probe_close();
    remove_folder();
}

static void what_a_full_backlog_refuses_is_not_sent(void)
{
    fresh_folder();
    open_stored(STORED(", backlog: { count: 2, when_full: drop-newest }"));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    ingest_numbers("in/a", 0, 3);
    until(settled_count, NULL, 3);
    k->mode = PROBE_ACCEPT;
    sendable();
    until(ledger_of_r, "delivered", 2);
    ingest_numbers("in/a", 3, 1);
    until(ledger_of_r, "delivered", 3);
    CU_ASSERT_EQUAL(k->sent_count, 3);
    check_numbers(k, 0, 0, 2);
    check_numbers(k, 2, 3, 1);
    CU_ASSERT_EQUAL(probe_ledger("r", "discarded"), 1);
    probe_close();
    remove_folder();
}

static void what_goes_back_at_the_end_of_a_drain_lets_nothing_overtake_it(void)
{
    static const char waits[] = "    steps: [ enrich: { type: wait } ]\n" STORED("");
    fresh_folder();
    open_stored(waits);
    ingest("in/a", "w1", 1);
    ingest("in/a", "2", 2); /* behind it */
    CU_ASSERT_EQUAL(gw_gateway_drain(probe.gateway, 0), 2);
    for (size_t i = 0; i < 2; i++)
        CU_ASSERT_EQUAL(probe.settled[i].outcome, MG_RELEASED);
    probe_close();
    open_stored(waits);
    CU_ASSERT_EQUAL(probe_ledger("r", "stored"), 0);
    CU_ASSERT_EQUAL(probe_ledger("r", "returned"), 2);
    probe_close();
    remove_folder();
}

static void what_expires_in_the_store_is_not_sent(void)
{
    fresh_folder();
    open_stored(STORED(", ttl: 1ms"));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    ingest_numbers("in/a", 0, 3);
    until(ledger_of_r, "expired", 3);
    k->mode = PROBE_ACCEPT;
    sendable();
    probe_turn();
    CU_ASSERT_EQUAL(k->sent_count, 0);
    probe_close();
    remove_folder();
}

/* MQTT 5 §3.3.2.3.3: the time that is left never becomes longer.  The clock of a turn stands still,
 * so what it showed when the event came is what the test says. */
static void a_clock_that_goes_back_makes_no_life_longer(void)
{
    enum { HOUR = 3600 };
    fresh_folder();
    open_stored(TO_OUT "    delivery: { guarantee: stored, retry: { first: 1ms, most: 1ms } }\n");
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    struct mg_shard *shard = probe.gateway->shards;
    int64_t second = 1000000, came = gw_wall_us(NULL) + 24 * HOUR * second;
    shard->wall_us = came;
    CU_ASSERT_EQUAL(probe_ingest_until("in/a", "x", 1, came + HOUR * second), 0);
    until(settled_count, NULL, 1);
    k->mode = PROBE_HOLD;
    sendable();
    until(sent_count, k, 1);
    int64_t left = k->sent[0].expires_us - gw_wall_us(NULL);
    CU_ASSERT(left <= HOUR * second && left > (HOUR - 60) * second);
    probe_settle(k, 0, MG_RELEASED, "again");
    until(sent_count, k, 2);
    left = k->sent[1].expires_us - gw_wall_us(NULL);
    CU_ASSERT(left <= HOUR * second && left > (HOUR - 60) * second);
    probe_close();
    open_stored(STORED("")); /* from the disk it is the same */
    k = probe_sink("out/{x}");
    until(sent_count, k, 1);
    left = k->sent[0].expires_us - gw_wall_us(NULL);
    CU_ASSERT(left <= HOUR * second && left > (HOUR - 60) * second);
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    until(ledger_of_r, "delivered", 1);
    probe_close();
    remove_folder();
}

static long in_hand(const void *arg)
{
    char path[96];
    unsigned char bits[16] = {0}; /* of sequences 0 to 63, behind the head and the row's own */
    snprintf(path, sizeof path, "%s/hand", (const char *)arg);
    FILE *file = fopen(path, "rb");
    if (!file || fseek(file, 4096, SEEK_SET) || fread(bits, 1, 16, file) != 16 ||
        fread(bits, 1, 8, file) != 8)
        bits[0] = 255;
    if (file)
        fclose(file);
    return bits[0];
}

/* Who dies before its confirmation is written down sends it again: it has to be in doubt then. */
static void what_was_sent_is_in_hand_until_it_is_settled(void)
{
    fresh_folder();
    open_stored(STORED(""));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest_numbers("in/a", 0, 3);
    until(sent_count, k, 3);
    CU_ASSERT_EQUAL(in_hand(folder), 1 << 1 | 1 << 2 | 1 << 3);
    probe_settle(k, 0, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(in_hand(folder), 1 << 2 | 1 << 3);
    until(ledger_of_r, "delivered", 1);
    probe_settle(k, 1, MG_REJECTED, "no");
    probe_settle(k, 2, MG_ACCEPTED, NULL);
    until(in_hand, folder, 0);
    probe_close();
    remove_folder();
}

static void an_event_in_hand_at_too_many_deaths_is_a_dead_letter(void)
{
    /* Orderly ends do not count, so the count in the store is what the lane is shown. */
    fresh_folder();
    open_stored(STORED(", poison_after: 2"));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    ingest("in/a", "x", 1);
    until(settled_count, NULL, 1);
    struct gw_leg *leg = k->handle->first_waiting;
    CU_ASSERT_PTR_NOT_NULL_FATAL(leg);
    leg->deaths = 2;
    k->mode = PROBE_ACCEPT;
    sendable();
    until(ledger_of_r, "dead_lettered", 1);
    CU_ASSERT_EQUAL(k->sent_count, 0);
    probe_close();
    remove_folder();
}

static void what_a_route_was_paused_for_is_tried_when_it_resumes(void)
{
    struct mg_err err;
    fresh_folder();
    open_stored(STORED(", poison_after: 2, on_error: pause"));
    struct probe_sink *k = probe_sink("out/{x}");
    k->mode = PROBE_FULL;
    ingest("in/a", "x", 1);
    until(settled_count, NULL, 1);
    CU_ASSERT_PTR_NOT_NULL_FATAL(k->handle->first_waiting);
    k->handle->first_waiting->deaths = 2;
    k->mode = PROBE_ACCEPT;
    sendable();
    CU_ASSERT_TRUE(atomic_load(&probe.gateway->routes[0].paused));
    CU_ASSERT_EQUAL(k->sent_count, 0);
    CU_ASSERT_EQUAL(gw_gateway_pause(probe.gateway, "r", false, NULL, &err), 0);
    until(ledger_of_r, "delivered", 1);
    CU_ASSERT_FALSE(atomic_load(&probe.gateway->routes[0].paused));
    probe_close();
    remove_folder();
}

static void the_next_of_a_key_waits_until_the_dead_letter_is_kept(void)
{
    fresh_folder();
    open_stored(STORED(", order_by: \"{x}\""));
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "bad", 1);
    ingest("in/a", "good", 2);
    until(settled_count, NULL, 2);
    CU_ASSERT_EQUAL(k->sent_count, 1);
    probe_settle(k, 0, MG_REJECTED, "no");
    CU_ASSERT_EQUAL(k->sent_count, 1);
    until(sent_count, k, 2);
    CU_ASSERT_EQUAL(probe_ledger("r", "dead_lettered"), 1);
    probe_settle(k, 1, MG_ACCEPTED, NULL);
    until(ledger_of_r, "delivered", 1);
    probe_close();
    remove_folder();
}

static void a_sink_that_fails_again_and_again_is_tried_with_one_event(void)
{
    fresh_folder();
    open_stored(TO_OUT "    delivery: { guarantee: stored, order_by: \"{x}\", breaker: 2,\n"
                       "                retry: { first: 1ms, most: 1ms } }\n");
    struct probe_sink *k = probe_sink("out/{x}");
    ingest("in/a", "1", 1);
    until(sent_count, k, 1);
    probe_settle(k, 0, MG_RELEASED, "busy");
    until(sent_count, k, 2);
    probe_settle(k, 1, MG_RELEASED, "busy");
    CU_ASSERT_NOT_EQUAL(k->handle->outlet->breaker, GW_BREAKER_CLOSED);
    for (int i = 0; i < 5; i++)
        ingest((char[]){'i', 'n', '/', (char)('b' + i), 0}, "2", 2 + (uint64_t)i);
    until(sent_count, k, 3);
    for (int i = 0; i < 5; i++)
        probe_turn();
    CU_ASSERT_EQUAL(k->sent_count, 3); /* alone */
    probe_settle(k, 2, MG_ACCEPTED, NULL);
    until(sent_count, k, 8);
    CU_ASSERT_EQUAL(k->handle->outlet->breaker, GW_BREAKER_CLOSED);
    for (size_t i = 3; i < 8; i++)
        probe_settle(k, i, MG_ACCEPTED, NULL);
    until(ledger_of_r, "delivered", 6);
    probe_close();
    remove_folder();
}

/* ---- state of bridges ----------------------------------------------------------------------- */

static long kept_calls;

static void state_is_kept(void *arg)
{
    kept_calls += *(int *)arg;
}

static long kept_count(const void *arg)
{
    (void)arg;
    return kept_calls;
}

static char entries[256];

static void note_entry(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    (void)arg;
    size_t n = strlen(entries);
    snprintf(entries + n, sizeof entries - n, "%.*s=%.*s;", (int)key.len, (const char *)key.at,
             (int)value.len, (const char *)value.at);
}

static const char *all_entries(const char *prefix)
{
    entries[0] = '\0';
    probe.gateway->host.state_each(probe.connections[0], (struct mg_bytes){prefix, strlen(prefix)},
                                   note_entry, NULL);
    return entries;
}

static struct mg_bytes bytes(const char *text)
{
    return (struct mg_bytes){text, strlen(text)};
}

static void bridges_state_outlives_the_gateway(void)
{
    static int one = 1;
    fresh_folder();
    open_stored(STORED(""));
    const struct mg_host *host = &probe.gateway->host;
    kept_calls = 0;
    CU_ASSERT_EQUAL(
        host->state_put(probe.connections[0], bytes("o2"), bytes("x"), state_is_kept, &one), 0);
    CU_ASSERT_EQUAL(
        host->state_put(probe.connections[0], bytes("o1"), bytes("y"), state_is_kept, &one), 0);
    CU_ASSERT_EQUAL(host->state_put(probe.connections[0], bytes("i9"), bytes(""), NULL, NULL), 0);
    CU_ASSERT_EQUAL(kept_calls, 0);
    until(kept_count, NULL, 2);
    CU_ASSERT_EQUAL(host->state_put(probe.connections[0], bytes("o2"), (struct mg_bytes){0},
                                    state_is_kept, &one),
                    0);
    until(kept_count, NULL, 3);
    probe_close();
    open_stored(STORED(""));
    CU_ASSERT_STRING_EQUAL(all_entries(""), "i9=;o1=y;");
    CU_ASSERT_STRING_EQUAL(all_entries("o"), "o1=y;");
    probe_close();
    remove_folder();
}

static void an_entry_is_kept_before_its_event_is_acknowledged(void)
{
    fresh_folder();
    open_stored("    steps: [ filter: { type: odd } ]\n" STORED(""));
    const struct mg_host *host = &probe.gateway->host;
    probe_sink("out/{x}")->mode = PROBE_ACCEPT;
    static const char *const payloads[] = {"ok", "dropped by the step"};
    for (uint64_t i = 0; i < 2; i++) {
        struct mg_message m = {.head = {.size = sizeof m.head, .address = {"in/a", 4}},
                               .payload = bytes(payloads[i])};
        CU_ASSERT_EQUAL(host->ingest_state(probe.connections[0], NULL, &m, i + 1,
                                           bytes(i ? "k1" : "k0"), bytes("v")),
                        0);
    }
    CU_ASSERT_EQUAL(probe.settled_count, 0);
    until(settled_count, NULL, 2);
    CU_ASSERT_STRING_EQUAL(all_entries("k"), "k0=v;k1=v;");
    until(ledger_of_r, "delivered", 1);
    probe_close();
    remove_folder();
}

static void entries_of_one_turn_are_kept_in_their_order(void)
{
    fresh_folder();
    open_stored(STORED(""));
    const struct mg_host *host = &probe.gateway->host;
    struct mg_message m = {.head = {.size = sizeof m.head, .address = {"in/a", 4}}};
    CU_ASSERT_EQUAL(host->state_put(probe.connections[0], bytes("k"), bytes("1"), NULL, NULL), 0);
    CU_ASSERT_EQUAL(host->ingest_state(probe.connections[0], NULL, &m, 1, bytes("k"), bytes("2")),
                    0);
    CU_ASSERT_EQUAL(host->state_put(probe.connections[0], bytes("j"), bytes("1"), NULL, NULL), 0);
    until(settled_count, NULL, 1);
    CU_ASSERT_STRING_EQUAL(all_entries("k"), "k=2;");
    probe_close();
    open_stored(STORED(""));
    CU_ASSERT_STRING_EQUAL(all_entries(""), "j=1;k=2;");
    until(sent_count, probe_sink("out/{x}"), 1);
    probe_close();
    remove_folder();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(the_source_hears_accepted_once_the_store_has_it)},
        {KIT_TEST(what_no_sink_has_taken_is_sent_after_a_restart_in_order)},
        {KIT_TEST(a_long_backlog_is_read_from_the_store_in_order_and_once)},
        {KIT_TEST(a_dead_sink_keeps_its_own_backlog_and_no_other)},
        {KIT_TEST(what_a_broken_link_held_is_sent_again_first_and_in_order)},
        {KIT_TEST(a_key_that_fails_holds_its_own_events_only)},
        {KIT_TEST(what_a_sink_refuses_becomes_a_dead_letter)},
        {KIT_TEST(attempts_are_counted_over_restarts)},
        {KIT_TEST(on_error_discard_counts_and_goes_on)},
        {KIT_TEST(on_error_pause_stops_the_route_until_it_is_resumed)},
        {KIT_TEST(what_comes_twice_goes_on_once_also_after_a_restart)},
        {KIT_TEST(a_cloudevent_is_known_by_the_attributes_of_one_binding)},
        {KIT_TEST(one_event_that_became_three_counts_once)},
        {KIT_TEST(what_a_step_refuses_becomes_a_dead_letter_and_the_source_goes_on)},
        {KIT_TEST(a_full_backlog_holds_the_source_and_lets_it_go_on)},
        {KIT_TEST(what_a_full_backlog_refuses_is_not_sent)},
        {KIT_TEST(what_goes_back_at_the_end_of_a_drain_lets_nothing_overtake_it)},
        {KIT_TEST(what_expires_in_the_store_is_not_sent)},
        {KIT_TEST(a_clock_that_goes_back_makes_no_life_longer)},
        {KIT_TEST(what_was_sent_is_in_hand_until_it_is_settled)},
        {KIT_TEST(an_event_in_hand_at_too_many_deaths_is_a_dead_letter)},
        {KIT_TEST(what_a_route_was_paused_for_is_tried_when_it_resumes)},
        {KIT_TEST(the_next_of_a_key_waits_until_the_dead_letter_is_kept)},
        {KIT_TEST(a_sink_that_fails_again_and_again_is_tried_with_one_event)},
        {KIT_TEST(bridges_state_outlives_the_gateway)},
        {KIT_TEST(an_entry_is_kept_before_its_event_is_acknowledged)},
        {KIT_TEST(entries_of_one_turn_are_kept_in_their_order)},
        {NULL, NULL},
    };
    return kit_main("flow_stored", tests);
}
