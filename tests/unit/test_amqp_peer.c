/* SPDX-License-Identifier: Apache-2.0 */
/* The amqp bridge against a scripted peer that does what brokers do on bad days. */
#include "amqp_rig.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct rig_peer peer;

static const char *url(const char *more)
{
    return rig_text("{url: 'amqp://127.0.0.1:%d', reconnect: {first: 20ms, most: 100ms}%s}",
                    peer.port, more);
}

/* The peer's next line that begins with word; false: it ended. */
static bool peer_says(const char *word, char *ret_line, size_t size)
{
    size_t n = 0;
    char c;
    while (read(peer.out, &c, 1) == 1) {
        if (c != '\n') {
            if (n + 1 < size)
                ret_line[n++] = c;
            continue;
        }
        ret_line[n] = 0;
        n = 0;
        if (strncmp(ret_line, word, strlen(word)) == 0)
            return true;
    }
    return false;
}

static void start(struct rig_end *end, const char *mode, const char *more, const char *from,
                  const char *source, const char *to, const char *sink)
{
    rig_peer_start(&peer, mode);
    rig_host_open();
    rig_open(end, url(more), from, source, to, sink);
    rig_begin(end, 10);
}

static void finish(struct rig_end *end)
{
    rig_close(end);
    rig_host_close();
    rig_peer_stop(&peer);
}

static struct mg_bytes payload(size_t i)
{
    return kit_host_table(rig_host)->event_payload(kit_ingested(rig_host, i)->event);
}

/* ---- sinks ---------------------------------------------------------------------------------- */

static void outcome_is(const char *mode, uint32_t outcome, const char *reason)
{
    struct rig_end end;
    char got[256] = "";
    start(&end, mode, "", NULL, NULL, "q", "");
    CU_ASSERT_EQUAL(rig_outcome(&end, "q", "x", got), outcome);
    CU_ASSERT_STRING_EQUAL(got, reason);
    finish(&end);
}

static void test_accepted(void)
{
    outcome_is("accept", MG_ACCEPTED, "");
}

static void test_rejected_with_the_condition_in_words(void)
{
    outcome_is("reject", MG_REJECTED, "amqp:precondition-failed: not on a Sunday");
}

static void test_released(void)
{
    outcome_is("release", MG_RELEASED, "");
}

static void test_modified(void)
{
    outcome_is("modify", MG_MODIFIED, "");
}

static void test_settled_without_an_outcome_is_tried_again(void)
{
    outcome_is("nostate", MG_MODIFIED, "settled by the peer without an outcome");
}

static void test_without_credit_nothing_is_taken(void)
{
    struct rig_end end;
    struct mg_err err;
    start(&end, "nocredit", "", NULL, NULL, "q", "");
    CU_ASSERT_TRUE(rig_up(&end));
    mg_event *event = kit_event("a", "b");
    CU_ASSERT_EQUAL(kit_send(end.sink, event, "q", true, NULL, &err), -EAGAIN);
    CU_ASSERT_FALSE(kit_run_until(rig_host, kit_is_sendable, end.sink, 300));
    kit_host_table(rig_host)->event_unref(event);
    finish(&end);
}

static void test_presettled_is_accepted_once_written(void)
{
    struct rig_end end;
    char line[256];
    start(&end, "unconfirmed", "", NULL, NULL, "q", "{presettled: true}");
    CU_ASSERT_EQUAL(rig_outcome(&end, "q", "x", NULL), MG_ACCEPTED);
    CU_ASSERT_TRUE(peer_says("message", line, sizeof line));
    CU_ASSERT_STRING_EQUAL(line, "message x plant/a True q");
    finish(&end);
}

static void test_a_confirmation_that_never_comes_releases(void)
{
    struct rig_end end;
    char reason[256] = "";
    start(&end, "unconfirmed", "", NULL, NULL, "q", "{confirm_timeout: 200ms}");
    CU_ASSERT_EQUAL(rig_outcome(&end, "q", "first", reason), MG_RELEASED);
    CU_ASSERT_STRING_EQUAL(reason, "the peer did not confirm a message in time");
    CU_ASSERT_EQUAL(rig_outcome(&end, "q", "again", NULL), MG_ACCEPTED);
    finish(&end);
}

/* Three are on their way when it happens: all released, in order, once, and the next one passes. */
static void loss_releases(const char *mode, const char *word)
{
    struct rig_end end;
    const struct kit_sent *sent[3];
    start(&end, mode, "", NULL, NULL, "q", "");
    mg_event *event = kit_event("a", "x");
    for (int i = 0; i < 3; i++)
        sent[i] = rig_send(&end, event, "q");
    CU_ASSERT_TRUE_FATAL(sent[0] && sent[1] && sent[2]);
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    for (int i = 0; i < 3; i++) {
        CU_ASSERT_EQUAL(sent[i]->outcome, MG_RELEASED);
        CU_ASSERT_PTR_NOT_NULL(strstr(sent[i]->reason, word));
    }
    CU_ASSERT_EQUAL(rig_outcome(&end, "q", "next", NULL), MG_ACCEPTED);
    CU_ASSERT_TRUE(rig_up(&end));
    kit_host_table(rig_host)->event_unref(event);
    finish(&end);
}

static void test_a_detached_link_releases_and_attaches_again(void)
{
    loss_releases("vanish", "amqp:resource-deleted: gone");
}

static void test_a_lost_connection_releases_and_connects_again(void)
{
    loss_releases("drop", "closed the connection");
}

static void test_close_releases_what_is_unconfirmed(void)
{
    struct rig_end end;
    start(&end, "unconfirmed", "", NULL, NULL, "q", "");
    mg_event *event = kit_event("a", "x");
    const struct kit_sent *sent = rig_send(&end, event, "q");
    kit_host_table(rig_host)->event_unref(event);
    CU_ASSERT_EQUAL(kit_connection_close(end.connection, 3000), 0);
    CU_ASSERT_TRUE(sent && sent->outcome == MG_RELEASED);
    kit_connection_destroy(end.connection);
    kit_instance_stop(end.instance);
    kit_instance_destroy(end.instance);
    rig_host_close();
    rig_peer_stop(&peer);
}

static void test_a_refused_attach_is_said_and_tried_again(void)
{
    struct rig_end end;
    start(&end, "refuse", "", NULL, NULL, "q", "");
    CU_ASSERT_EQUAL(rig_outcome(&end, "q", "x", NULL), MG_ACCEPTED);
    CU_ASSERT_TRUE(kit_logged(rig_host, MG_WARN, "amqp:not-found: no such node here"));
    finish(&end);
}

static void test_a_refused_address_does_not_hold_up_the_others(void)
{
    struct rig_end end;
    char reason[256] = "";
    start(&end, "refuse", "", NULL, NULL, "q.{x}", "");
    CU_ASSERT_EQUAL(rig_outcome(&end, "q.a", "x", reason), MG_MODIFIED);
    CU_ASSERT_PTR_NOT_NULL(strstr(reason, "amqp:not-found"));
    finish(&end);
}

static void test_a_message_beyond_the_peers_limit_is_refused(void)
{
    struct rig_end end;
    struct mg_err err;
    char large[2000];
    memset(large, 'x', sizeof large);
    large[sizeof large - 1] = 0;
    start(&end, "small", "", NULL, NULL, "q", "");
    CU_ASSERT_EQUAL(rig_outcome(&end, "q", "x", NULL), MG_ACCEPTED);
    mg_event *event = kit_event("a", large);
    CU_ASSERT_EQUAL(kit_send(end.sink, event, "q", true, NULL, &err), -EMSGSIZE);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "1000"));
    kit_host_table(rig_host)->event_unref(event);
    finish(&end);
}

static void test_the_anonymous_relay_is_used_where_offered(void)
{
    struct rig_end end;
    char line[256];
    start(&end, "anonymous", "", NULL, NULL, "q/{x}", "");
    CU_ASSERT_EQUAL(rig_outcome(&end, "q/one", "x", NULL), MG_ACCEPTED);
    CU_ASSERT_TRUE(peer_says("message", line, sizeof line));
    CU_ASSERT_STRING_EQUAL(line, "message x q/one False None");
    finish(&end);
}

static void test_links_are_bounded(void)
{
    struct rig_end end;
    start(&end, "accept", "", NULL, NULL, "q/{x}", "{max_links: 2}");
    for (int i = 0; i < 6; i++)
        CU_ASSERT_EQUAL(rig_outcome(&end, rig_text("q/%d", i % 4), "x", NULL), MG_ACCEPTED);
    finish(&end);
}

static void test_a_busy_link_makes_others_wait(void)
{
    struct rig_end end;
    start(&end, "accept", "", NULL, NULL, "q/{x}", "{max_links: 1}");
    mg_event *event = kit_event("a", "x");
    for (int i = 0; i < 4; i++)
        CU_ASSERT_PTR_NOT_NULL(rig_send(&end, event, rig_text("q/%d", i)));
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    kit_host_table(rig_host)->event_unref(event);
    finish(&end);
}

/* ---- sources -------------------------------------------------------------------------------- */

static void test_credit_is_exactly_the_window(void)
{
    struct rig_end end;
    rig_peer_start(&peer, "source");
    rig_host_open();
    rig_open(&end, url(""), "q", "", NULL, NULL);
    rig_begin(&end, 2);
    CU_ASSERT_TRUE(rig_ingested(2));
    kit_run_until(rig_host, NULL, NULL, 200);
    CU_ASSERT_EQUAL(kit_ingested_count(rig_host), 2);
    kit_settle(rig_host, 0, MG_ACCEPTED, NULL);
    kit_settle(rig_host, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(rig_ingested(4));
    kit_settle(rig_host, 2, MG_ACCEPTED, NULL);
    kit_settle(rig_host, 3, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(rig_ingested(5));
    CU_ASSERT_TRUE(
        kit_str_is(kit_host_table(rig_host)->event_head(kit_ingested(rig_host, 4)->event)->address,
                   "plant/m4"));
    finish(&end);
}

static void test_the_peer_hears_each_outcome(void)
{
    static const char *const lines[] = {"outcome ACCEPTED False - -",
                                        "outcome REJECTED False amqp:precondition-failed poison",
                                        "outcome RELEASED False - -", "outcome MODIFIED True - -"};
    struct rig_end end;
    start(&end, "source", "", "q", "", NULL, NULL);
    CU_ASSERT_TRUE_FATAL(rig_ingested(5));
    for (uint32_t i = 0; i < 4; i++) {
        char line[256];
        kit_settle(rig_host, i, MG_ACCEPTED + i, i == 1 ? "poison" : NULL);
        kit_turn(rig_host);
        CU_ASSERT_TRUE_FATAL(peer_says("outcome", line, sizeof line));
        CU_ASSERT_STRING_EQUAL(line, lines[i]);
    }
    finish(&end);
}

static void the_second_is_refused(const char *mode, const char *more, const char *line_expected)
{
    struct rig_end end;
    char line[256];
    start(&end, mode, more, "q", "", NULL, NULL);
    CU_ASSERT_TRUE_FATAL(rig_ingested(4));
    CU_ASSERT_TRUE(payload(1).len == 2 && memcmp(payload(1).at, "m2", 2) == 0);
    if (line_expected) {
        CU_ASSERT_TRUE_FATAL(peer_says("outcome", line, sizeof line));
        CU_ASSERT_STRING_EQUAL(line, line_expected);
    }
    finish(&end);
}

static void test_garbage_is_rejected_with_a_reason(void)
{
    the_second_is_refused("garbage", "",
                          "outcome REJECTED False amqp:decode-error message: malformed section");
}

static void test_a_message_beyond_our_limit_is_rejected(void)
{
    the_second_is_refused("toolarge", ", max_message: 2000",
                          "outcome REJECTED False amqp:link:message-size-exceeded larger than the "
                          "gateway's max_message");
}

static void test_an_aborted_delivery_is_nothing(void)
{
    the_second_is_refused("aborted", "", NULL);
}

static void test_a_full_core_gets_it_later(void)
{
    struct rig_end end;
    rig_peer_start(&peer, "source");
    rig_host_open();
    rig_open(&end, url(""), "q", "", NULL, NULL);
    kit_ingest_answer(rig_host, -EAGAIN);
    rig_begin(&end, 10);
    CU_ASSERT_TRUE(rig_up(&end));
    kit_run_until(rig_host, NULL, NULL, 200);
    CU_ASSERT_EQUAL(kit_ingested_count(rig_host), 0);
    kit_ingest_answer(rig_host, 0);
    const struct mg_abi abi = MG_ABI_HERE;
    const struct mg_bridge_ops *ops = mg_module(&abi)->ops;
    struct amqp_connection *c = kit_connection_context(end.connection);
    ops->credit(c, c->sources, 1);
    CU_ASSERT_TRUE(rig_ingested(5));
    CU_ASSERT_TRUE(payload(0).len == 2 && memcmp(payload(0).at, "m0", 2) == 0);
    finish(&end);
}

static void test_drain_takes_no_more(void)
{
    struct rig_end end;
    char line[256];
    rig_peer_start(&peer, "source");
    rig_host_open();
    rig_open(&end, url(""), "q", "", NULL, NULL);
    rig_begin(&end, 2);
    CU_ASSERT_TRUE(rig_ingested(2));
    kit_connection_drain(end.connection);
    kit_settle(rig_host, 0, MG_ACCEPTED, NULL);
    kit_settle(rig_host, 1, MG_ACCEPTED, NULL);
    kit_run_until(rig_host, NULL, NULL, 200);
    CU_ASSERT_EQUAL(kit_ingested_count(rig_host), 2);
    CU_ASSERT_TRUE(peer_says("outcome ACCEPTED", line, sizeof line));
    finish(&end);
}

static void test_a_detached_source_attaches_again(void)
{
    struct rig_end end;
    char line[256];
    start(&end, "detach", "", "q", "", NULL, NULL);
    CU_ASSERT_TRUE_FATAL(rig_ingested(5));
    kit_settle(rig_host, 0, MG_ACCEPTED, NULL); /* late: its link is gone */
    kit_settle(rig_host, 4, MG_ACCEPTED, NULL);
    kit_turn(rig_host);
    CU_ASSERT_TRUE(peer_says("end", line, sizeof line));
    CU_ASSERT_TRUE(peer_says("outcome ACCEPTED", line, sizeof line));
    CU_ASSERT_TRUE(rig_up(&end));
    CU_ASSERT_TRUE(kit_logged(rig_host, MG_WARN, "amqp:resource-deleted: gone"));
    finish(&end);
}

static void test_a_dynamic_source_gets_its_node(void)
{
    struct rig_end end;
    start(&end, "source", "", "label", "{dynamic: true}", NULL, NULL);
    CU_ASSERT_TRUE(rig_ingested(5));
    CU_ASSERT_TRUE(kit_logged(rig_host, MG_INFO, "made/by/peer"));
    finish(&end);
}

static void test_a_durable_subscription_says_so(void)
{
    struct rig_end end;
    char line[256];
    start(&end, "source", ", container_id: box", "q",
          "{durable: messages, expiry: never, name: sub, distribution: copy}", NULL, NULL);
    CU_ASSERT_TRUE(rig_up(&end));
    CU_ASSERT_TRUE(peer_says("open", line, sizeof line));
    CU_ASSERT_STRING_EQUAL(line, "open box");
    CU_ASSERT_TRUE(peer_says("source", line, sizeof line));
    CU_ASSERT_STRING_EQUAL(line, "source q 2 3 1 sub 0");
    finish(&end);
}

static void test_presettled_events_have_no_cookie(void)
{
    struct rig_end end;
    start(&end, "accept", "", "q", "{presettled: true}", NULL, NULL);
    CU_ASSERT_TRUE_FATAL(rig_ingested(5));
    CU_ASSERT_EQUAL(kit_ingested(rig_host, 0)->cookie, 0);
    finish(&end);
}

/* ---- connections ---------------------------------------------------------------------------- */

static void test_a_silent_peer_is_given_up(void)
{
    struct rig_end end;
    char line[64];
    start(&end, "silent", ", connect_timeout: 200ms", NULL, NULL, "q", "");
    for (int i = 0; i < 2; i++) { /* and tried again */
        kit_run_until(rig_host, NULL, NULL, 500);
        CU_ASSERT_TRUE(peer_says("open", line, sizeof line));
    }
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_connection_why(end.connection), "does not answer"));
    finish(&end);
}

static void test_close_beats_a_silent_peer(void)
{
    struct rig_end end;
    start(&end, "silent", "", NULL, NULL, "q", "");
    kit_run_until(rig_host, NULL, NULL, 100);
    finish(&end);
}

static void test_an_unknown_host_is_said(void)
{
    struct rig_end end;
    rig_host_open();
    rig_open(&end, "{url: 'amqp://no-such-host.invalid', reconnect: {first: 10s, most: 20s}}", NULL,
             NULL, "q", "");
    rig_begin(&end, 1);
    for (int i = 0; i < 100 && !strstr(kit_connection_why(end.connection), "cannot resolve"); i++)
        kit_run_until(rig_host, NULL, NULL, 100);
    CU_ASSERT_PTR_NOT_NULL(
        strstr(kit_connection_why(end.connection), "cannot resolve no-such-host.invalid"));
    rig_close(&end);
    rig_host_close();
}

static void test_every_peer_down_at_start_is_fine(void)
{
    struct rig_end end;
    struct mg_err err;
    rig_host_open();
    rig_open(&end, "{url: 'amqp://127.0.0.1:1', reconnect: {first: 20ms, most: 40ms}}", "q", "",
             "q", "");
    rig_begin(&end, 1);
    kit_run_until(rig_host, NULL, NULL, 200);
    mg_event *event = kit_event("a", "b");
    CU_ASSERT_EQUAL(kit_send(end.sink, event, "q", true, NULL, &err), -EAGAIN);
    kit_host_table(rig_host)->event_unref(event);
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_connection_why(end.connection), "Connection refused"));
    CU_ASSERT_TRUE(kit_counter(end.instance, AMQP_COUNT_RECONNECTS) > 1);
    rig_close(&end);
    rig_host_close();
}

static void test_wrong_urls_and_options_are_refused(void)
{
    static const struct {
        const char *yaml, *words;
    } wrong[] = {
        {"{url: 'http://x'}", "amqp://"},
        {"{url: 'amqp://:5672'}", "no host"},
        {"{url: 'amqp://h:99999'}", "port"},
        {"{url: 'amqp://[::1:5672'}", "not closed"},
        {"{url: 'amqp://u:secret@h:x'}", "port"},
        {"{url: 'amqp://h', sasl: plain}", "user and password"},
        {"{url: 'amqp://h', sasl: external}", "EXTERNAL"},
        {"{url: 'amqp://h', user: u}", "password"},
        {"{url: 'amqp://h', reconnect: {first: 2s, most: 1s}}", "reconnect.first"},
        {"{url: 'amqps://h', tls: {key: k}}", "tls.cert"},
    };
    rig_host_open();
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mg_err err = {{0}, NULL};
        const void *settings =
            kit_settings(rig_host, amqp_options, sizeof(struct amqp_settings), wrong[i].yaml);
        if (!settings) {
            fprintf(stderr, "%s: %s\n", wrong[i].yaml, kit_settings_error());
            CU_FAIL("the YAML does not fit");
            continue;
        }
        CU_ASSERT_EQUAL(amqp_check(settings, &err), -EINVAL);
        if (!strstr(err.text, wrong[i].words))
            fprintf(stderr, "%s: %s\n", wrong[i].yaml, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i].words));
        CU_ASSERT_PTR_NULL(strstr(err.text, "secret"));
    }
    rig_host_close();
}

static void test_wrong_ends_are_refused(void)
{
    static const struct {
        uint32_t direction;
        const char *address, *yaml, *words;
    } wrong[] = {
        {MG_SOURCE, "", "", "address"},
        {MG_SOURCE, "/exchange/x", "", "key"},
        {MG_SOURCE, "/topic/", "", "key"},
        {MG_SOURCE, "/topic/\xc3\xa9", "", "ASCII"},
        {MG_SINK, "/exchange/{x}/k", "", "exchange's name"},
        {MG_SINK, "/exchange//k", "", "name"},
        {MG_SINK, "/queue/a/b", "", "%2F"},
        {MG_SINK, "", "", "address"},
        {MG_SINK, "plain", "{relay: subject}", "RabbitMQ"},
    };
    const struct mg_abi abi = MG_ABI_HERE;
    const struct mg_bridge_ops *ops = mg_module(&abi)->ops;
    rig_host_open();
    const void *settings =
        kit_settings(rig_host, amqp_options, sizeof(struct amqp_settings), "{url: 'amqp://h'}");
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct mg_err err = {{0}, NULL};
        struct mg_end end;
        const void *own = wrong[i].direction == MG_SOURCE
                              ? kit_settings(rig_host, amqp_source_options,
                                             sizeof(struct amqp_source_settings), wrong[i].yaml)
                              : kit_settings(rig_host, amqp_sink_options,
                                             sizeof(struct amqp_sink_settings), wrong[i].yaml);
        CU_ASSERT_EQUAL(ops->end(settings, wrong[i].direction, wrong[i].address, own, &end, &err),
                        -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i].words));
    }
    rig_host_close();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"accepted", test_accepted},
        {"rejected, with the condition in words", test_rejected_with_the_condition_in_words},
        {"released", test_released},
        {"modified", test_modified},
        {"settled without an outcome is tried again",
         test_settled_without_an_outcome_is_tried_again},
        {"without credit nothing is taken", test_without_credit_nothing_is_taken},
        {"presettled is accepted once written", test_presettled_is_accepted_once_written},
        {"a confirmation that never comes releases", test_a_confirmation_that_never_comes_releases},
        {"a detached link releases and attaches again",
         test_a_detached_link_releases_and_attaches_again},
        {"a lost connection releases and connects again",
         test_a_lost_connection_releases_and_connects_again},
        {"close releases what is unconfirmed", test_close_releases_what_is_unconfirmed},
        {"a refused attach is said and tried again", test_a_refused_attach_is_said_and_tried_again},
        {"a refused address does not hold up the others",
         test_a_refused_address_does_not_hold_up_the_others},
        {"a message beyond the peer's limit is refused",
         test_a_message_beyond_the_peers_limit_is_refused},
        {"the anonymous relay is used where offered",
         test_the_anonymous_relay_is_used_where_offered},
        {"links are bounded", test_links_are_bounded},
        {"a busy link makes others wait", test_a_busy_link_makes_others_wait},
        {"credit is exactly the window", test_credit_is_exactly_the_window},
        {"the peer hears each outcome", test_the_peer_hears_each_outcome},
        {"garbage is rejected with a reason", test_garbage_is_rejected_with_a_reason},
        {"a message beyond our limit is rejected", test_a_message_beyond_our_limit_is_rejected},
        {"an aborted delivery is nothing", test_an_aborted_delivery_is_nothing},
        {"a full core gets it later", test_a_full_core_gets_it_later},
        {"drain takes no more", test_drain_takes_no_more},
        {"a detached source attaches again", test_a_detached_source_attaches_again},
        {"a dynamic source gets its node", test_a_dynamic_source_gets_its_node},
        {"a durable subscription says so", test_a_durable_subscription_says_so},
        {"presettled events have no cookie", test_presettled_events_have_no_cookie},
        {"a silent peer is given up", test_a_silent_peer_is_given_up},
        {"close beats a silent peer", test_close_beats_a_silent_peer},
        {"an unknown host is said", test_an_unknown_host_is_said},
        {"every peer down at start is fine", test_every_peer_down_at_start_is_fine},
        {"wrong urls and options are refused", test_wrong_urls_and_options_are_refused},
        {"wrong ends are refused", test_wrong_ends_are_refused},
        {NULL, NULL},
    };
    return kit_main("amqp_peer", tests);
}
