/* SPDX-License-Identifier: Apache-2.0 */
/* What the mqtt bridge makes of a client that defers its acknowledgements: receipts, parking,
 * what is given back, what outlives a connection, and where servers refer to others. */
#include "bind.h"
#include "fake_host.h"
#include "mqtt_fake_client.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define KEPT "clean_start: false, session_expiry: 1h"

enum { DROPPED_FULL = 5, DROPPED_AT_STOP = 6, REJECTED = 8 }; /* counters */

static struct kit_host *host;
static mg_instance *instance;
static mg_connection *connection;
static mg_source *sources[4];
static mg_sink *sink;

static void *bound(const struct mg_option *options, size_t size, const char *yaml)
{
    const void *settings = kit_settings(host, options, size, yaml);
    if (!settings)
        fprintf(stderr, "%s: %s\n", yaml, kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return (void *)settings;
}

/* filters: NULL-ended, or NULL.  The connection is begun; nothing has answered yet. */
static void open_with(const char *more, const char *const *filters, uint32_t window)
{
    const struct mg_module *module = mg_module(NULL);
    struct mg_err err = {{0}, NULL};
    char yaml[512];
    fake_reset();
    host = kit_host_create();
    kit_clock_by_hand(host);
    bool has_url = more && strstr(more, "url:");
    snprintf(yaml, sizeof(yaml), "{%s%s%s}", has_url ? "" : "url: \"mqtt://here:1883\"",
             more && !has_url ? ", " : "", more ? more : "");
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "m",
                                              bound(module->options, module->settings_size, yaml),
                                              &instance, &err),
                          0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
    for (size_t i = 0; filters && filters[i]; i++)
        CU_ASSERT_EQUAL_FATAL(
            kit_source_open(connection, filters[i],
                            bound(module->source_options, module->source_settings_size, "{}"),
                            &sources[i], &err),
            0);
    CU_ASSERT_EQUAL_FATAL(
        kit_sink_open(connection, "{address}",
                      bound(module->sink_options, module->sink_settings_size, "{qos: keep}"), &sink,
                      &err),
        0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_begin(connection, window, &err), 0);
}

static void up_with(const char *more, const char *const *filters, uint32_t window)
{
    open_with(more, filters, window);
    fake_connected(fake_connack(false));
    CU_ASSERT_TRUE(kit_connection_up(connection));
}

static void close_all(void)
{
    kit_connection_drain(connection);
    CU_ASSERT_EQUAL(kit_connection_close(connection, 1000), 0);
    CU_ASSERT_EQUAL(kit_unsettled_count(host), 0);
    kit_connection_destroy(connection);
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void reconnected(bool session_present)
{
    size_t before = fake.connects;
    for (int i = 0; i < 100 && fake.connects == before; i++)
        kit_clock_advance_ms(host, 1000);
    CU_ASSERT_EQUAL_FATAL(fake.connects, before + 1);
    fake_connected(fake_connack(session_present));
}

static bool payloads_are(const char *expected)
{
    char got[64] = "";
    for (size_t i = 0; i < kit_ingested_count(host) && i < 30; i++) {
        struct mg_bytes payload = kit_host_table(host)->event_payload(kit_ingested(host, i)->event);
        strncat(got, payload.at, payload.len);
    }
    if (strcmp(got, expected))
        fprintf(stderr, "ingested '%s', not '%s'\n", got, expected);
    return !strcmp(got, expected);
}

static bool settled_last(uint64_t receipt, uint32_t outcome)
{
    const struct fake_settle *last = &fake.settles[fake.settle_count - 1];
    return fake.settle_count && last->receipt == receipt && last->outcome == outcome;
}

/* ---- receipts ------------------------------------------------------------------------------- */

static const char *const one_filter[] = {"a/#", NULL};
static const char *const two_filters[] = {"a/#", "b/#", NULL};

static void a_message_is_acknowledged_as_its_event_is_settled(void)
{
    up_with(KEPT, one_filter, 10);
    CU_ASSERT_EQUAL(fake_message("a/1", "1", 1, 11, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "2", 2, 12, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "3", 0, 0, 1), 0);
    CU_ASSERT_TRUE(payloads_are("123"));
    CU_ASSERT_EQUAL(fake.hold_count, 2);
    CU_ASSERT_EQUAL(fake.settle_count, 0);
    CU_ASSERT_EQUAL(kit_ingested(host, 2)->cookie, 0);
    kit_settle(host, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(settled_last(12, MG_ACCEPTED));
    kit_settle(host, 0, MG_REJECTED, "poison");
    CU_ASSERT_TRUE(settled_last(11, MG_REJECTED));
    CU_ASSERT_EQUAL(kit_counter(instance, REJECTED), 1);
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "refused by their routes"));
    CU_ASSERT_EQUAL(fake.settle_count, 2);
    close_all();
}

static void every_source_that_gets_a_message_holds_it(void)
{
    static const char *const same[] = {"a/#", "a/#", NULL};
    up_with(KEPT, same, 10);
    CU_ASSERT_EQUAL(fake_message("a/1", "1", 1, 5, 1), 0);
    CU_ASSERT_TRUE(payloads_are("11"));
    CU_ASSERT_EQUAL(fake.hold_count, 2);
    kit_settle(host, 0, MG_ACCEPTED, NULL);
    kit_settle(host, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(fake.settle_count, 2);
    close_all();
}

static void a_full_source_parks_its_messages_while_others_flow(void)
{
    up_with(KEPT, two_filters, 2);
    for (uint64_t i = 1; i <= 5; i++) {
        char text[2] = {(char)('0' + i), 0};
        CU_ASSERT_EQUAL(fake_message("a/1", text, 1, i, 1), 0);
    }
    CU_ASSERT_TRUE(payloads_are("12"));
    CU_ASSERT_EQUAL(fake.hold_count, 5);
    CU_ASSERT_EQUAL(fake_message("b/1", "x", 1, 6, 2), 0);
    CU_ASSERT_TRUE(payloads_are("12x"));
    /* QoS 0 does not overtake, and waits in the socket for a while. */
    CU_ASSERT_EQUAL(fake_message("a/1", "z", 0, 0, 1), -EAGAIN);
    kit_settle(host, 0, MG_ACCEPTED, NULL); /* gives credit for one more */
    CU_ASSERT_TRUE(payloads_are("12x3"));
    CU_ASSERT_EQUAL(fake.resumes, 1);
    CU_ASSERT_EQUAL(fake_message("a/1", "z", 0, 0, 1), -EAGAIN);
    kit_settle(host, 3, MG_ACCEPTED, NULL);
    kit_settle(host, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(payloads_are("12x345"));
    kit_settle(host, 4, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(fake_message("a/1", "z", 0, 0, 1), 0);
    CU_ASSERT_TRUE(payloads_are("12x345z"));
    CU_ASSERT_EQUAL(kit_counter(instance, DROPPED_FULL), 0);
    kit_settle(host, 5, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(settled_last(5, MG_ACCEPTED));
    close_all();
}

static void a_source_that_stays_full_drops_qos_0_in_the_end(void)
{
    up_with(KEPT, one_filter, 1);
    CU_ASSERT_EQUAL(fake_message("a/1", "1", 1, 1, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "2", 0, 0, 1), -EAGAIN);
    kit_clock_advance_ms(host, 1100);
    CU_ASSERT_EQUAL(fake.resumes, 1);
    CU_ASSERT_EQUAL(fake_message("a/1", "2", 0, 0, 1), 0);
    CU_ASSERT_EQUAL(kit_counter(instance, DROPPED_FULL), 1);
    CU_ASSERT_TRUE(payloads_are("1"));
    close_all();
}

static void what_is_parked_has_a_limit(void)
{
    enum { MOST = 10000 };
    up_with("version: 3.1.1, clean_start: false", one_filter, 1);
    for (uint64_t i = 1; i <= MOST + 1; i++)
        CU_ASSERT_EQUAL(fake_message("a/1", "x", 1, i, 0), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "x", 1, MOST + 2, 0), -EAGAIN);
    CU_ASSERT_EQUAL(fake.hold_count, MOST + 1);
    kit_settle(host, 0, MG_ACCEPTED, NULL);
    CU_ASSERT_EQUAL(fake.resumes, 1);
    CU_ASSERT_EQUAL(fake_message("a/1", "x", 1, MOST + 2, 0), 0);
    CU_ASSERT_EQUAL(kit_ingested_count(host), 2);
    close_all();
}

/* ---- what is given back --------------------------------------------------------------------- */

static void an_event_that_is_given_back_costs_the_connection(void)
{
    up_with(KEPT, one_filter, 10);
    CU_ASSERT_EQUAL(fake_message("a/1", "1", 1, 1, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "2", 1, 2, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "3", 1, 3, 1), 0);
    kit_settle(host, 0, MG_RELEASED, "no");
    CU_ASSERT_TRUE(settled_last(1, MG_RELEASED));
    kit_turn(host);
    CU_ASSERT_EQUAL(fake.disconnects, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_connection_why(connection), "given back"));
    reconnected(true);
    /* Another one of before has come again with the new connection: that one stays. */
    CU_ASSERT_EQUAL(fake_message("a/1", "2", 1, 4, 1), 0);
    kit_settle(host, 1, MG_MODIFIED, NULL);
    kit_turn(host);
    CU_ASSERT_EQUAL(fake.disconnects, 1);
    /* Nor does one cost it while the gateway stops. */
    kit_connection_drain(connection);
    kit_settle(host, 3, MG_RELEASED, NULL);
    kit_turn(host);
    CU_ASSERT_EQUAL(fake.disconnects, 1);
    CU_ASSERT_TRUE(settled_last(4, MG_RELEASED));
    close_all();
}

static void without_a_session_what_is_given_back_is_lost_and_counted(void)
{
    up_with(NULL, one_filter, 10);
    CU_ASSERT_EQUAL(fake_message("a/1", "1", 1, 1, 1), 0);
    kit_settle(host, 0, MG_RELEASED, NULL);
    kit_turn(host);
    CU_ASSERT_TRUE(settled_last(1, MG_REJECTED));
    CU_ASSERT_EQUAL(fake.disconnects, 0);
    CU_ASSERT_EQUAL(kit_counter(instance, DROPPED_FULL), 1);
    close_all();
}

static void park_three(const char *more)
{
    up_with(more, one_filter, 1);
    CU_ASSERT_EQUAL(fake_message("a/1", "1", 1, 1, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "2", 1, 2, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "3", 2, 3, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "4", 1, 4, 1), 0);
    fake_lost(0, NULL);
    kit_settle(host, 0, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(payloads_are("1")); /* nothing moves while the link is down */
}

static void what_the_server_sends_again_is_not_kept_here_too(void)
{
    park_three(KEPT);
    reconnected(true);
    /* QoS 1 comes again; of QoS 2 the client knows that it is here. */
    CU_ASSERT_TRUE(payloads_are("13"));
    kit_settle(host, 1, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(payloads_are("13"));
    CU_ASSERT_TRUE(settled_last(3, MG_ACCEPTED));
    close_all();
}

static void what_no_server_keeps_is_kept_here(void)
{
    park_three(NULL);
    reconnected(false);
    CU_ASSERT_TRUE(payloads_are("12"));
    kit_settle(host, 1, MG_ACCEPTED, NULL);
    kit_settle(host, 2, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(payloads_are("1234"));
    close_all();
}

static void what_comes_while_the_gateway_stops_is_left_to_the_server(void)
{
    up_with(KEPT, one_filter, 1);
    CU_ASSERT_EQUAL(fake_message("a/1", "1", 1, 1, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "2", 1, 2, 1), 0);
    kit_connection_drain(connection);
    CU_ASSERT_EQUAL(fake_message("a/1", "3", 1, 3, 1), 0);
    CU_ASSERT_EQUAL(fake_message("a/1", "4", 0, 0, 1), 0);
    CU_ASSERT_EQUAL(fake.hold_count, 3);
    kit_settle(host, 0, MG_ACCEPTED, NULL);
    CU_ASSERT_TRUE(payloads_are("1"));
    CU_ASSERT_EQUAL(fake.settle_count, 1);
    CU_ASSERT_EQUAL(kit_connection_close(connection, 1000), 0);
    kit_connection_destroy(connection);
    CU_ASSERT_EQUAL(kit_counter(instance, DROPPED_AT_STOP), 1);
    struct mg_err err;
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
    close_all();
}

static void old_subscription_identifiers_are_checked(void)
{
    open_with(KEPT, two_filters, 10);
    fake_connected(fake_connack(true)); /* of a process before this one */
    CU_ASSERT_EQUAL(fake_message("b/1", "1", 1, 1, 1), 0);
    CU_ASSERT_EQUAL(fake_message("b/1", "2", 1, 2, 77), 0);
    CU_ASSERT_EQUAL(fake_message("b/1", "3", 1, 3, 2), 0);
    CU_ASSERT_TRUE(payloads_are("123"));
    for (size_t i = 0; i < 3; i++)
        CU_ASSERT_PTR_EQUAL(kit_ingested(host, i)->source, sources[1]);
    close_all();
}

/* ---- sinks ---------------------------------------------------------------------------------- */

static int send_as(const char *payload, uint8_t qos, bool wanted, const struct kit_sent **ret_sent)
{
    struct mg_message message = kit_message("t", payload);
    struct mg_err err = {{0}, NULL};
    message.head.present = MG_HAS_QOS;
    message.head.qos = qos;
    mg_event *event = kit_host_table(host)->event_new(&message);
    int rc = kit_send(sink, event, "t", wanted, ret_sent, &err);
    kit_host_table(host)->event_unref(event);
    return rc;
}

static void qos_0_that_nobody_waits_for_needs_no_id(void)
{
    up_with(NULL, NULL, 1);
    CU_ASSERT_EQUAL(send_as("1", 0, false, NULL), 0);
    CU_ASSERT_EQUAL(fake.publishes[0].id, MQTT_NO_ID);
    fake.publish_answer = -EAGAIN;
    CU_ASSERT_EQUAL(send_as("2", 0, false, NULL), -EAGAIN);
    CU_ASSERT_FALSE(kit_is_sendable(sink));
    fake.publish_answer = 0;
    fake_writable();
    CU_ASSERT_TRUE(kit_is_sendable(sink));
    CU_ASSERT_EQUAL(send_as("2", 0, false, NULL), 0);
    close_all();
}

static void what_is_not_confirmed_outlives_a_connection(void)
{
    const struct kit_sent *sent[3];
    up_with(KEPT ", confirm_timeout: 10s", NULL, 1);
    for (int i = 0; i < 3; i++)
        CU_ASSERT_EQUAL(send_as("x", 1, true, &sent[i]), 0);
    kit_clock_advance_ms(host, 9000);
    fake_lost(0, NULL);
    CU_ASSERT_EQUAL(fake.forgets, 0);
    reconnected(true);
    kit_clock_advance_ms(host, 9000); /* their time begins with the connection */
    CU_ASSERT_EQUAL(fake.disconnects, 0);
    fake_confirmed(fake.publishes[1].id, 0);
    CU_ASSERT_EQUAL(sent[0]->outcome, 0);
    CU_ASSERT_EQUAL(sent[1]->outcome, MG_ACCEPTED);
    kit_clock_advance_ms(host, 1100);
    CU_ASSERT_EQUAL(fake.disconnects, 1);
    CU_ASSERT_PTR_NOT_NULL(strstr(kit_connection_why(connection), "not confirmed in time"));
    kit_turn(host);
    CU_ASSERT_EQUAL(sent[0]->outcome, 0);
    fake_returned(fake.publishes[0].id); /* this time the session is gone */
    CU_ASSERT_EQUAL(sent[0]->outcome, MG_RELEASED);
    CU_ASSERT_EQUAL(sent[2]->outcome, 0);
    fake_returned(fake.publishes[2].id);
    CU_ASSERT_EQUAL(sent[2]->outcome, MG_RELEASED);
    reconnected(false);
    CU_ASSERT_EQUAL(send_as("x", 1, true, &sent[0]), 0);
    fake_lost(0, NULL);
    CU_ASSERT_EQUAL(sent[0]->outcome, 0);
    close_all();
    CU_ASSERT_TRUE(fake.forgets > 0);
}

static void without_a_session_what_is_not_confirmed_is_released(void)
{
    const struct kit_sent *sent;
    up_with(NULL, NULL, 1);
    CU_ASSERT_EQUAL(send_as("x", 1, true, &sent), 0);
    fake_lost(0, NULL);
    CU_ASSERT_EQUAL(sent->outcome, MG_RELEASED);
    CU_ASSERT_EQUAL(fake.forgets, 1);
    close_all();
}

/* ---- connections ---------------------------------------------------------------------------- */

static void what_the_server_does_not_have_is_not_asked_for(void)
{
    static const char *const filters[] = {"a/b", "c/#", "d", NULL};
    struct mqtt_connack connack = fake_connack(false);
    connack.wildcard_available = false;
    open_with(NULL, filters, 1);
    fake_connected(connack);
    CU_ASSERT_EQUAL(fake.subscribed_count, 2);
    CU_ASSERT_FALSE(kit_connection_up(connection));
    CU_ASSERT_PTR_NOT_NULL(
        strstr(kit_connection_why(connection), "'c/#' refused: wildcard subscriptions"));
    kit_clock_advance_ms(host, 60000);
    CU_ASSERT_EQUAL(fake.subscribed_count, 2);
    close_all();
}

static void next_is(const char *url)
{
    size_t before = fake.connects;
    for (int i = 0; i < 100 && fake.connects == before; i++)
        kit_clock_advance_ms(host, 1000);
    if (strcmp(fake.url, url))
        fprintf(stderr, "%s, not %s\n", fake.url, url);
    CU_ASSERT_STRING_EQUAL(fake.url, url);
    fake_connected(fake_connack(false));
}

static void a_server_that_refers_to_another_is_followed(void)
{
    up_with("url: [\"ws://one:80/mqtt\", \"ws://two/mqtt\"]", NULL, 1);
    CU_ASSERT_STRING_EQUAL(fake.url, "ws://one:80/mqtt");
    fake_lost(0x9c, "three:8080 four");
    next_is("ws://three:8080/mqtt");
    fake_lost(0, NULL); /* that was for one connection */
    next_is("ws://two/mqtt");
    fake_lost(0x9d, "[::1]:81");
    next_is("ws://[::1]:81/mqtt");
    fake_lost(0, NULL);
    next_is("ws://one:80/mqtt");
    fake_lost(0, NULL); /* and that until the restart */
    next_is("ws://[::1]:81/mqtt");
    fake_lost(0x9c, "user@evil/x");
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "not followed"));
    next_is("ws://one:80/mqtt");
    close_all();
}

static void redirects_can_be_refused(void)
{
    up_with("redirects: refuse", NULL, 1);
    fake_lost(0x9d, "elsewhere");
    CU_ASSERT_TRUE(kit_logged(host, MG_WARN, "not followed (redirects: refuse)"));
    next_is("mqtt://here:1883");
    close_all();
}

static void scram_keeps_the_password_out_of_connect(void)
{
    up_with("user: u, password: p, auth: {method: SCRAM-SHA-256}", NULL, 1);
    CU_ASSERT_PTR_NULL(fake.options.password);
    CU_ASSERT_PTR_NULL(fake.options.user);
    CU_ASSERT_PTR_NOT_NULL_FATAL(fake.options.auth);
    struct mg_bytes answer = {NULL, 0};
    struct mg_err err;
    const struct mqtt_auth *auth = fake.options.auth;
    CU_ASSERT_EQUAL(auth->answer(auth->arg, (struct mg_bytes){NULL, 0}, &answer, &err), 0);
    CU_ASSERT_TRUE(answer.len > 8 && !memcmp(answer.at, "n,,n=u,r=", 9));
    close_all();
    up_with("user: u, password: p, auth: {method: TOKEN, data: secret}", NULL, 1);
    auth = fake.options.auth;
    CU_ASSERT_STRING_EQUAL(fake.options.password, "p");
    CU_ASSERT_EQUAL(auth->answer(auth->arg, (struct mg_bytes){NULL, 0}, &answer, &err), 0);
    CU_ASSERT_TRUE(answer.len == 6 && !memcmp(answer.at, "secret", 6));
    CU_ASSERT_EQUAL(auth->answer(auth->arg, (struct mg_bytes){"?", 1}, &answer, &err), -EACCES);
    CU_ASSERT_PTR_NULL(strstr(err.text, "secret"));
    close_all();
}

/* ---- what an end can do --------------------------------------------------------------------- */

static void a_source_says_why_it_cannot_defer(void)
{
    static const struct {
        const char *bridge, *source, *words; /* NULL: it can */
    } cases[] = {
        {KEPT, "{}", NULL},
        {KEPT, "{qos: 2}", NULL},
        {KEPT, "{qos: 0}", "write qos: 1"},
        {"clean_start: true", "{}", "clean_start: false and session_expiry: 1d"},
        {"session_expiry: 1h", "{}", "clean_start: false and session_expiry: 1d"},
        {"version: 3.1.1, clean_start: false", "{}", NULL},
        {"version: 3.1.1", "{}", "clean_start: false in the bridge"},
        {KEPT ", client: paho", "{}", "client: native"},
    };
    const struct mg_module *module = mg_module(NULL);
    const struct mg_bridge_ops *ops = module->ops;
    host = kit_host_create();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char yaml[256];
        struct mg_end end = {0};
        struct mg_err err = {{0}, NULL};
        snprintf(yaml, sizeof(yaml), "{url: \"mqtt://x\", %s}", cases[i].bridge);
        CU_ASSERT_EQUAL(
            ops->end(bound(module->options, module->settings_size, yaml), MG_SOURCE, "a/#",
                     bound(module->source_options, module->source_settings_size, cases[i].source),
                     &end, &err),
            0);
        CU_ASSERT_EQUAL(!!(end.abilities & MG_DEFERS_ACK), !cases[i].words);
        CU_ASSERT_EQUAL(!end.cannot_defer, !cases[i].words);
        if (cases[i].words && end.cannot_defer)
            CU_ASSERT_PTR_NOT_NULL(strstr(end.cannot_defer, cases[i].words));
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(a_message_is_acknowledged_as_its_event_is_settled)},
        {KIT_TEST(every_source_that_gets_a_message_holds_it)},
        {KIT_TEST(a_full_source_parks_its_messages_while_others_flow)},
        {KIT_TEST(a_source_that_stays_full_drops_qos_0_in_the_end)},
        {KIT_TEST(what_is_parked_has_a_limit)},
        {KIT_TEST(an_event_that_is_given_back_costs_the_connection)},
        {KIT_TEST(without_a_session_what_is_given_back_is_lost_and_counted)},
        {KIT_TEST(what_the_server_sends_again_is_not_kept_here_too)},
        {KIT_TEST(what_no_server_keeps_is_kept_here)},
        {KIT_TEST(what_comes_while_the_gateway_stops_is_left_to_the_server)},
        {KIT_TEST(old_subscription_identifiers_are_checked)},
        {KIT_TEST(qos_0_that_nobody_waits_for_needs_no_id)},
        {KIT_TEST(what_is_not_confirmed_outlives_a_connection)},
        {KIT_TEST(without_a_session_what_is_not_confirmed_is_released)},
        {KIT_TEST(what_the_server_does_not_have_is_not_asked_for)},
        {KIT_TEST(a_server_that_refers_to_another_is_followed)},
        {KIT_TEST(redirects_can_be_refused)},
        {KIT_TEST(scram_keeps_the_password_out_of_connect)},
        {KIT_TEST(a_source_says_why_it_cannot_defer)},
        {NULL, NULL},
    };
    return kit_main("mqtt-bridge", tests);
}
