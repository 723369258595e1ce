/* SPDX-License-Identifier: Apache-2.0 */
/* The amqp bridge against a real RabbitMQ with rabbitmq_amqp1_0. */
#include "amqp_rig.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig_rabbitmq broker;

static const char *plain(void)
{
    return rig_text(
        "{url: 'amqp://guest:guest@127.0.0.1:%d', reconnect: {first: 50ms, most: 500ms}}",
        broker.port);
}

static const struct kit_ingested *arrived(size_t i)
{
    return kit_ingested(rig_host, i);
}

static const struct mg_head *head_of(size_t i)
{
    return kit_host_table(rig_host)->event_head(arrived(i)->event);
}

struct why {
    mg_connection *connection;
    const char *word;
};
static bool says(void *arg)
{
    const struct why *why = arg;
    return strstr(kit_connection_why(why->connection), why->word) != NULL;
}

/* Sends one text through `to` and waits for it at `from`; the connection stays open. */
static bool passes(struct rig_end *end, const char *from, const char *to, const char *template)
{
    rig_host_open();
    rig_open(end, plain(), from, "", template, "");
    rig_begin(end, 10);
    bool ok = rig_up(end);
    ok = ok && rig_outcome(end, to, "hello", NULL) == MG_ACCEPTED && rig_ingested(1);
    CU_ASSERT_TRUE(ok);
    CU_ASSERT_TRUE(ok && kit_payload_is(arrived(0)->event, "hello"));
    return ok;
}

static void done(struct rig_end *end)
{
    rig_close(end);
    rig_host_close();
}

static void test_queue_round_trip(void)
{
    struct rig_end end;
    if (passes(&end, "/queue/trip", "/queue/trip", "/queue/trip")) {
        CU_ASSERT_TRUE(kit_str_is(head_of(0)->address, "plant/a"));
        CU_ASSERT_FALSE(head_of(0)->duplicate);
        kit_settle(rig_host, 0, MG_ACCEPTED, NULL);
        kit_turn(rig_host);
    }
    done(&end);
}

static void test_topic_round_trip_by_subject(void)
{
    struct rig_end end;
    if (passes(&end, "/topic/plant.*.m1", "/topic/plant.a%252Eb.m1", "/topic/plant.{x}.m1"))
        kit_settle(rig_host, 0, MG_ACCEPTED, NULL);
    done(&end);
}

static void test_a_link_for_each_key_reaches_the_same_queue(void)
{
    struct rig_end end;
    rig_host_open();
    rig_open(&end, plain(), "/exchange/amq.topic/one/+/#", "", "/exchange/amq.topic/one.{x}",
             "{relay: link, max_links: 3}");
    rig_begin(&end, 100);
    CU_ASSERT_TRUE_FATAL(rig_up(&end));
    for (int i = 0; i < 8; i++)
        CU_ASSERT_EQUAL(rig_outcome(&end, rig_text("/exchange/amq.topic/one.k%d", i), "x", NULL),
                        MG_ACCEPTED);
    CU_ASSERT_TRUE(rig_ingested(8));
    for (size_t i = 0; i < kit_ingested_count(rig_host); i++)
        kit_settle(rig_host, i, MG_ACCEPTED, NULL);
    done(&end);
}

/* A link's address and a message's subject lead to the same binding. */
static void test_a_captured_level_meets_its_binding(void)
{
    struct rig_end end;
    char key[64], address[128];
    const struct mg_abi abi = MG_ABI_HERE;
    const struct mg_bridge_ops *ops = mg_module(&abi)->ops;
    struct mg_str level = kit_str("v1.0 50%/#+*");
    size_t n = ops->escape("/topic/t.{x}", level, key, sizeof key);
    CU_ASSERT_TRUE_FATAL(n < sizeof key);
    snprintf(address, sizeof address, "/topic/t.%.*s", (int)n, key);
    rig_host_open();
    rig_open(&end, plain(), address, "", "/topic/t.{x}", "{relay: link}");
    rig_begin(&end, 10);
    CU_ASSERT_TRUE(rig_up(&end));
    CU_ASSERT_EQUAL(rig_outcome(&end, address, "link", NULL), MG_ACCEPTED);
    CU_ASSERT_TRUE(rig_ingested(1));
    rig_close(&end);
    rig_open(&end, plain(), address, "", "/topic/t.{x}", "{relay: subject}");
    rig_begin(&end, 10);
    CU_ASSERT_TRUE(rig_up(&end));
    CU_ASSERT_EQUAL(rig_outcome(&end, address, "subject", NULL), MG_ACCEPTED);
    CU_ASSERT_TRUE(rig_ingested(2));
    done(&end);
}

static void test_a_key_beyond_ascii_keeps_its_bytes(void)
{
    struct rig_end end;
    rig_host_open();
    rig_open(&end, plain(), "/topic/eacute.#", "", "/topic/eacute.{x}", "{relay: link}");
    rig_begin(&end, 10);
    CU_ASSERT_TRUE(rig_up(&end));
    CU_ASSERT_EQUAL(rig_outcome(&end, "/topic/eacute.\xc3\xa9\xe2\x82\xac", "link", NULL),
                    MG_ACCEPTED);
    CU_ASSERT_TRUE(rig_ingested(1));
    CU_ASSERT_PTR_NULL(head_of(0)->subject.at);
    done(&end);
}

static void test_outcomes_of_a_source(uint32_t outcome, bool comes_again)
{
    struct rig_end end;
    if (passes(&end, "/queue/outcomes", "/queue/outcomes", "/queue/outcomes")) {
        kit_settle(rig_host, 0, outcome, "for the test");
        if (comes_again) {
            CU_ASSERT_TRUE(rig_ingested(2));
            CU_ASSERT_TRUE(head_of(1)->duplicate);
            kit_settle(rig_host, 1, MG_ACCEPTED, NULL);
        }
        /* The next one proves that nothing else came and that the link is whole. */
        size_t next = kit_ingested_count(rig_host);
        CU_ASSERT_EQUAL(rig_outcome(&end, "/queue/outcomes", "next", NULL), MG_ACCEPTED);
        CU_ASSERT_TRUE_FATAL(rig_ingested(next + 1));
        CU_ASSERT_TRUE(kit_payload_is(arrived(next)->event, "next"));
        kit_settle(rig_host, next, MG_ACCEPTED, NULL);
    }
    done(&end);
}

static void test_accepted_is_gone(void)
{
    test_outcomes_of_a_source(MG_ACCEPTED, false);
}

static void test_rejected_is_gone(void)
{
    test_outcomes_of_a_source(MG_REJECTED, false);
}

static void test_released_comes_again(void)
{
    test_outcomes_of_a_source(MG_RELEASED, true);
}

static void test_modified_comes_again(void)
{
    test_outcomes_of_a_source(MG_MODIFIED, true);
}

static void test_unsettled_comes_again_after_a_reconnect(void)
{
    struct rig_end end;
    if (passes(&end, "/queue/again", "/queue/again", "/queue/again")) {
        rig_close(&end);
        rig_open(&end, plain(), "/queue/again", "", NULL, "");
        rig_begin(&end, 10);
        CU_ASSERT_TRUE(rig_ingested(2));
        CU_ASSERT_TRUE(kit_payload_is(arrived(1)->event, "hello"));
        kit_settle(rig_host, 1, MG_ACCEPTED, NULL);
    }
    done(&end);
}

/* Every part of an event that 3.10 would crash on or lose is carried another way. */
static void test_a_full_event_survives(void)
{
    struct rig_end end;
    struct mg_property properties[] = {
        {kit_str("amqp.delivery-annotation:x-d"), {.type = MG_BOOL, .as.b = true}},
        {kit_str("amqp.annotation:x-opt-a"), {.type = MG_TEXT, .as.text = kit_str("note")}},
        {kit_str("amqp.annotation.raw:x-list"),
         {.type = MG_BINARY, .as.binary = {"\xc0\x03\x01\x50\x07", 5}}},
        {kit_str("amqp.annotation.raw:x-array"),
         {.type = MG_BINARY, .as.binary = {"\xe0\x04\x02\x50\x01\x02", 6}}},
        {kit_str("amqp.footer:x-f"), {.type = MG_UINT, .width = 8, .as.u = 3}},
        {kit_str("p"), {.type = MG_INT, .width = 16, .as.i = -5}},
        {kit_str("p"), {.type = MG_TEXT, .as.text = kit_str("again")}},
        {kit_str("d"), {.type = MG_DECIMAL, .width = 64, .as.binary = {"12345678", 8}}},
        {kit_str("c"), {.type = MG_CHAR, .as.u = 0x1f600}},
        {kit_str("n"), {.type = MG_FLOAT, .width = 32, .as.d = 1.5}},
    };
    char long_text[300];
    memset(long_text, 'c', sizeof long_text);
    struct mg_message message = kit_message("spBv1.0/plant/#x", "");
    message.payload = (struct mg_bytes){"\x00\xff\x01", 3};
    message.properties = properties;
    message.property_count = sizeof properties / sizeof *properties;
    message.head.present =
        MG_HAS_QOS | MG_HAS_RETAIN | MG_HAS_PRIORITY | MG_HAS_CREATED | MG_HAS_GROUP_SEQUENCE;
    message.head.qos = 2;
    message.head.retain = true;
    message.head.priority = 9;
    message.head.created_us = 1700000000123456;
    message.head.group_sequence = 77;
    message.head.group = kit_str("group");
    message.head.subject = kit_str("subject of its own");
    message.head.reply_to = kit_str("/queue/replies");
    message.head.content_type = (struct mg_str){long_text, sizeof long_text};
    message.head.user = (struct mg_bytes){"somebody", 8};
    message.head.message_id = (struct mg_value){.type = MG_UINT, .width = 64, .as.u = 12345678901};
    message.head.correlation = (struct mg_value){.type = MG_BINARY, .as.binary = {"\x00\x01", 2}};
    rig_host_open();
    rig_open(&end, plain(), "/topic/full.#", "", "/topic/full.{x}", "");
    rig_begin(&end, 10);
    CU_ASSERT_TRUE_FATAL(rig_up(&end));
    mg_event *event = kit_host_table(rig_host)->event_new(&message);
    const struct kit_sent *sent = rig_send(&end, event, "/topic/full.one");
    kit_host_table(rig_host)->event_unref(event);
    CU_ASSERT_TRUE_FATAL(sent && kit_run_until(rig_host, kit_is_settled, (void *)sent, 10000));
    CU_ASSERT_EQUAL(sent->outcome, MG_ACCEPTED);
    CU_ASSERT_TRUE_FATAL(rig_ingested(1));
    const struct mg_head *h = head_of(0);
    CU_ASSERT_EQUAL(h->present, message.head.present);
    CU_ASSERT_TRUE(kit_str_is(h->address, "spBv1.0/plant/#x"));
    CU_ASSERT_TRUE(kit_str_is(h->subject, "subject of its own"));
    CU_ASSERT_EQUAL(h->created_us, message.head.created_us);
    CU_ASSERT_TRUE(h->qos == 2 && h->retain && h->priority == 9 && h->group_sequence == 77);
    CU_ASSERT_TRUE(h->user.len == 8 && memcmp(h->user.at, "somebody", 8) == 0);
    CU_ASSERT_TRUE(h->content_type.len == sizeof long_text);
    CU_ASSERT_EQUAL(h->message_id.as.u, 12345678901);
    CU_ASSERT_EQUAL(h->correlation.as.binary.len, 2);
    size_t count;
    const struct mg_property *p =
        kit_host_table(rig_host)->event_properties(arrived(0)->event, &count);
    CU_ASSERT_EQUAL_FATAL(count, message.property_count);
    for (size_t i = 0; i < count; i++)
        CU_ASSERT_TRUE(p[i].name.len == properties[i].name.len &&
                       memcmp(p[i].name.at, properties[i].name.at, p[i].name.len) == 0 &&
                       p[i].value.type == properties[i].value.type);
    done(&end);
}

static void test_large_payloads_pass(void)
{
    struct rig_end end;
    size_t len = 16u << 20;
    char *payload = malloc(len);
    memset(payload, 'L', len);
    struct mg_message message = kit_message("large", "");
    rig_host_open();
    rig_open(&end, plain(), "/queue/large", "", "/queue/large", "");
    rig_begin(&end, 2);
    CU_ASSERT_TRUE_FATAL(rig_up(&end));
    message.payload = (struct mg_bytes){payload, len};
    mg_event *event = kit_host_table(rig_host)->event_new(&message);
    const struct kit_sent *sent = rig_send(&end, event, "/queue/large");
    kit_host_table(rig_host)->event_unref(event);
    CU_ASSERT_TRUE_FATAL(sent && kit_run_until(rig_host, kit_is_settled, (void *)sent, 30000));
    CU_ASSERT_TRUE_FATAL(rig_ingested(1));
    struct mg_bytes got = kit_host_table(rig_host)->event_payload(arrived(0)->event);
    CU_ASSERT_TRUE(got.len == len && memcmp(got.at, payload, len) == 0);
    kit_settle(rig_host, 0, MG_ACCEPTED, NULL);
    free(payload);
    done(&end);
}

static void test_a_missing_exchange_is_said_and_tried_again(void)
{
    struct rig_end end;
    rig_host_open();
    rig_open(&end, plain(), NULL, NULL, "/exchange/missing/k", "");
    rig_begin(&end, 1);
    struct why why = {end.connection, "no exchange 'missing'"};
    CU_ASSERT_TRUE(kit_run_until(rig_host, says, &why, 10000));
    CU_ASSERT_FALSE(kit_connection_up(end.connection));
    done(&end);
}

static void test_a_wrong_address_leaves_the_other_ends_alone(void)
{
    struct rig_end end;
    struct mg_err err;
    mg_source *wrong;
    const struct mg_abi abi = MG_ABI_HERE;
    rig_host_open();
    rig_open(&end, plain(), "/queue/fine", "", "/queue/fine", "");
    const void *settings =
        kit_settings(rig_host, amqp_source_options, mg_module(&abi)->source_settings_size, "");
    CU_ASSERT_EQUAL(kit_source_open(end.connection, "/exchange/missing/#", settings, &wrong, &err),
                    0);
    rig_begin(&end, 10);
    CU_ASSERT_EQUAL(rig_outcome(&end, "/queue/fine", "one", NULL), MG_ACCEPTED);
    CU_ASSERT_TRUE(rig_ingested(1));
    done(&end);
}

static void test_a_key_beyond_255_bytes_is_refused_with_words(void)
{
    struct rig_end end;
    struct mg_err err;
    char address[400] = "/topic/";
    memset(address + 7, 'k', 300);
    rig_host_open();
    rig_open(&end, plain(), NULL, NULL, "/topic/{x}", "");
    rig_begin(&end, 1);
    CU_ASSERT_TRUE(rig_up(&end));
    mg_event *event = kit_event("a", "b");
    CU_ASSERT_EQUAL(kit_send(end.sink, event, address, true, NULL, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "255"));
    kit_host_table(rig_host)->event_unref(event);
    done(&end);
}

static void connects(const char *bridge)
{
    struct rig_end end;
    rig_host_open();
    rig_open(&end, bridge, NULL, NULL, "/queue/login", "");
    rig_begin(&end, 1);
    CU_ASSERT_TRUE(rig_up(&end));
    CU_ASSERT_EQUAL(rig_outcome(&end, "/queue/login", "x", NULL), MG_ACCEPTED);
    done(&end);
}

static void test_tls_with_a_password(void)
{
    connects(rig_text(
        "{url: 'amqps://localhost:%d', user: guest, password: guest, tls: {ca: %s/ca.pem}}",
        broker.tls_port, broker.folder));
}

static void test_tls_with_a_client_certificate(void)
{
    connects(rig_text("{url: 'amqps://localhost:%d', sasl: external, "
                      "tls: {ca: %s/ca.pem, cert: %s/client.pem, key: %s/client.key}}",
                      broker.tls_port, broker.folder, broker.folder, broker.folder));
}

static void test_anonymous(void)
{
    connects(rig_text("{url: 'amqp://127.0.0.1:%d'}", broker.port));
}

static void refused(const char *bridge, const char *word)
{
    struct rig_end end;
    rig_host_open();
    rig_open(&end, bridge, NULL, NULL, "/queue/login", "");
    rig_begin(&end, 1);
    struct why why = {end.connection, word};
    CU_ASSERT_TRUE(kit_run_until(rig_host, says, &why, 20000));
    if (!strstr(kit_connection_why(end.connection), word))
        fprintf(stderr, "why: %s\n", kit_connection_why(end.connection));
    CU_ASSERT_FALSE(kit_connection_up(end.connection));
    done(&end);
}

static void test_a_wrong_password_is_said(void)
{
    refused(rig_text("{url: 'amqp://guest:wrong@127.0.0.1:%d'}", broker.port),
            "amqp:unauthorized-access");
}

static void test_an_unknown_ca_is_said(void)
{
    refused(rig_text("{url: 'amqps://guest:guest@localhost:%d'}", broker.tls_port),
            "certificate verify failed");
}

static void test_a_certificate_for_another_name_is_refused(void)
{
    refused(rig_text("{url: 'amqps://guest:guest@localhost:%d', tls: {ca: %s/ca.pem, server_name: "
                     "other.example}}",
                     broker.tls_port, broker.folder),
            "certificate");
}

static void test_the_second_url_is_tried(void)
{
    connects(
        rig_text("{url: ['amqp://guest:guest@127.0.0.1:1', 'amqp://guest:guest@127.0.0.1:%d']}",
                 broker.port));
}

static int number_of(size_t index)
{
    struct mg_bytes p = kit_host_table(rig_host)->event_payload(arrived(index)->event);
    return (int)strtol(rig_text("%.*s", (int)p.len, (const char *)p.at), NULL, 10);
}

/* Those that the broker accepted, and how many of what came so far are of them: it may also have
 * kept what it could no longer accept before it was killed. */
struct awaited {
    const struct kit_sent **sent;
    size_t accepted, looked_at, came;
};

static bool all_accepted_came(void *arg)
{
    struct awaited *a = arg;
    for (; a->looked_at < kit_ingested_count(rig_host); a->looked_at++)
        a->came += a->sent[number_of(a->looked_at)]->outcome == MG_ACCEPTED;
    return a->came >= a->accepted;
}

/* The broker is killed and started again under load: every token is settled once, the accepted ones
 * arrive, and in order (a released one may come twice). */
static void test_a_restart_under_load_settles_everything(void)
{
    enum { COUNT = 3000, BATCH = 50 };
    struct rig_end end;
    static const struct kit_sent *sent[COUNT];
    rig_host_open();
    rig_open(&end, plain(), NULL, NULL, "/queue/load", "{durable: always}");
    rig_begin(&end, 1);
    CU_ASSERT_TRUE_FATAL(rig_up(&end));
    /* RabbitMQ 3.10 writes a queue's declaration to the disk lazily, and killed within seconds of
     * it loses the queue with all that it had accepted.  An orderly restart writes it. */
    rig_rabbitmq_halt(&broker, SIGTERM);
    rig_rabbitmq_again(&broker);
    for (int i = 0; i < COUNT; i++) {
        if (i == COUNT / 3)
            CU_ASSERT_TRUE_FATAL(kit_run_until(rig_host, kit_all_settled, rig_host, 20000));
        if (i == COUNT * 2 / 3) {
            rig_rabbitmq_halt(&broker, SIGKILL);
            rig_rabbitmq_again(&broker);
        }
        mg_event *event = kit_event("load", rig_text("%d", i));
        int r = -EAGAIN;
        for (int tries = 0; tries < 100 && r == -EAGAIN; tries++) {
            struct mg_err err;
            r = kit_send(end.sink, event, "/queue/load", true, &sent[i], &err);
            if (r == -EAGAIN)
                kit_run_until(rig_host, kit_is_sendable, end.sink, 20000);
        }
        kit_host_table(rig_host)->event_unref(event);
        CU_ASSERT_EQUAL_FATAL(r, 0);
        if (i % BATCH == 0)
            kit_turn(rig_host);
    }
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 30000));
    rig_close(&end);
    rig_open(&end, plain(), "/queue/load", "", NULL, NULL);
    kit_settle_when(rig_host, KIT_SETTLE_NEXT_TURN, MG_ACCEPTED);
    rig_begin(&end, 500);
    struct awaited awaited = {.sent = sent};
    for (int i = 0; i < COUNT; i++)
        awaited.accepted += sent[i]->outcome == MG_ACCEPTED;
    CU_ASSERT_TRUE(awaited.accepted >= COUNT / 3 + COUNT / 4);
    bool all = kit_run_until(rig_host, all_accepted_came, &awaited, 20000);
    if (!all)
        fprintf(stderr, "%zu accepted, %zu of them came\n", awaited.accepted, awaited.came);
    CU_ASSERT_TRUE(all);
    for (size_t i = 1; i < kit_ingested_count(rig_host); i++)
        CU_ASSERT_TRUE(number_of(i) > number_of(i - 1));
    CU_ASSERT_EQUAL(awaited.came, awaited.accepted);
    done(&end);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"queue round trip", test_queue_round_trip},
        {"topic round trip by subject", test_topic_round_trip_by_subject},
        {"a link for each key reaches the same queue",
         test_a_link_for_each_key_reaches_the_same_queue},
        {"a captured level meets its binding", test_a_captured_level_meets_its_binding},
        {"a key beyond ASCII keeps its bytes", test_a_key_beyond_ascii_keeps_its_bytes},
        {"accepted is gone", test_accepted_is_gone},
        {"rejected is gone", test_rejected_is_gone},
        {"released comes again", test_released_comes_again},
        {"modified comes again", test_modified_comes_again},
        {"unsettled comes again after a reconnect", test_unsettled_comes_again_after_a_reconnect},
        {"a full event survives", test_a_full_event_survives},
        {"large payloads pass", test_large_payloads_pass},
        {"a missing exchange is said and tried again",
         test_a_missing_exchange_is_said_and_tried_again},
        {"a wrong address leaves the other ends alone",
         test_a_wrong_address_leaves_the_other_ends_alone},
        {"a key beyond 255 bytes is refused with words",
         test_a_key_beyond_255_bytes_is_refused_with_words},
        {"TLS with a password", test_tls_with_a_password},
        {"TLS with a client certificate", test_tls_with_a_client_certificate},
        {"anonymous", test_anonymous},
        {"a wrong password is said", test_a_wrong_password_is_said},
        {"an unknown CA is said", test_an_unknown_ca_is_said},
        {"a certificate for another name is refused",
         test_a_certificate_for_another_name_is_refused},
        {"the second url is tried", test_the_second_url_is_tried},
        {"a restart under load settles everything", test_a_restart_under_load_settles_everything},
        {NULL, NULL},
    };
    rig_rabbitmq_start(&broker);
    int status = kit_main("amqp_broker", tests);
    rig_rabbitmq_stop(&broker);
    return status;
}
