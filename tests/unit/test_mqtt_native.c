/* SPDX-License-Identifier: Apache-2.0 */
/* What the native client alone can promise, against a real Mosquitto: acknowledgement after the
 * settlement, back-pressure by the Receive Maximum, and sessions that outlive connections. */
#include "mqtt_rig.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define QUICK "reconnect: {first: 50ms, most: 300ms}"
#define KEPT  "clean_start: false, session_expiry: 1h, " QUICK

static struct rig_broker broker;
static struct rig_end in, out;

static void open_in(const char *more, const char *source, uint32_t window)
{
    char settings[256];
    snprintf(settings, sizeof(settings), "client_id: in, " KEPT "%s%s", *more ? ", " : "", more);
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", settings), "seq/#", source, NULL);
    rig_end_begin(&in, window);
    rig_end_up(&in);
}

static void open_out(const char *more, const char *sink)
{
    rig_end_open(&out, "out", rig_url(&broker, "mqtt", more), NULL, NULL, sink);
    rig_end_begin(&out, 0);
    rig_end_up(&out);
}

static int send_to(const char *topic, int number, const struct kit_sent **ret_sent)
{
    char text[16];
    struct mg_err err = {{0}, NULL};
    snprintf(text, sizeof(text), "%d", number);
    mg_event *event = kit_event(topic, text);
    int rc = kit_send(out.sink, event, topic, true, ret_sent, &err);
    kit_host_table(rig_host)->event_unref(event);
    return rc;
}

static void send_numbers(const char *topic, int first, int end)
{
    for (int i = first; i < end; i++) {
        int rc = send_to(topic, i, NULL);
        if (rc) {
            CU_ASSERT_TRUE_FATAL(kit_run_until(rig_host, kit_is_sendable, out.sink, 5000));
            CU_ASSERT_EQUAL_FATAL(send_to(topic, i, NULL), 0);
        }
    }
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
}

static int number_of(size_t index)
{
    struct mg_bytes payload =
        kit_host_table(rig_host)->event_payload(kit_ingested(rig_host, index)->event);
    char text[16];
    snprintf(text, sizeof(text), "%.*s", (int)payload.len, (const char *)payload.at);
    return (int)strtol(text, NULL, 10);
}

static void expect_log(const char *pattern, int least)
{
    CU_ASSERT_EQUAL(rig_shell(&broker,
                              "for i in $(seq 100); do test $(grep -c '%s' log) -ge %d && exit 0; "
                              "sleep 0.05; done; grep PUB log >&2; exit 1",
                              pattern, least),
                    0);
}

static void open_hosts(void)
{
    rig_broker_start(&broker, NULL);
    rig_host_open();
    kit_settle_when(rig_host, KIT_SETTLE_BY_HAND, 0);
}

static void close_hosts(void)
{
    rig_host_close();
    rig_broker_stop(&broker);
}

/* ---- acknowledgements ----------------------------------------------------------------------- */

static void what_is_not_settled_comes_again(const char *source)
{
    open_hosts();
    open_in("", source, 100);
    open_out("", "{qos: 2}");
    send_numbers("seq", 0, 6);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(6, 5000));
    kit_settle(rig_host, 1, MG_ACCEPTED, NULL); /* waits for the one before it */
    kit_settle(rig_host, 4, MG_ACCEPTED, NULL);
    kit_settle(rig_host, 0, MG_ACCEPTED, NULL);
    kit_settle(rig_host, 2, MG_REJECTED, "poison");
    rig_end_close(&in);
    /* 0, 1 and 2 are acknowledged.  4 is settled, and waits for 3: acknowledgements keep the order
     * of arrival (MQTT 5 §4.6). */
    open_in("", source, 100);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(9, 5000));
    for (size_t i = 6; i < 9; i++)
        CU_ASSERT_EQUAL(number_of(i), (int)i - 3);
    for (size_t i = 6; i < 9; i++)
        kit_settle(rig_host, i, MG_ACCEPTED, NULL);
    send_numbers("seq", 6, 7);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(10, 5000));
    CU_ASSERT_EQUAL(number_of(9), 6);
    rig_end_close(&in);
    rig_end_close(&out);
    close_hosts();
}

static void at_qos_1_what_is_not_settled_comes_again(void)
{
    what_is_not_settled_comes_again("{qos: 1}");
}

static void at_qos_2_what_is_not_settled_comes_again(void)
{
    what_is_not_settled_comes_again("{qos: 2}");
}

static void a_rejection_is_said_with_a_reason(void)
{
    open_hosts();
    open_in("", "{qos: 1}", 100);
    open_out("", "{}");
    send_numbers("seq", 0, 1);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(1, 5000));
    kit_settle(rig_host, 0, MG_REJECTED, "poison");
    kit_turn(rig_host);
    expect_log("PUBACK from in (Mid: 1, RC:131)", 1);
    rig_end_close(&in);
    rig_end_close(&out);
    close_hosts();
}

static void an_event_given_back_comes_again_on_a_new_connection(void)
{
    open_hosts();
    open_in("", "{qos: 1}", 100);
    open_out("", "{}");
    send_numbers("seq", 0, 1);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(1, 5000));
    kit_settle(rig_host, 0, MG_RELEASED, "not now");
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(2, 5000));
    CU_ASSERT_EQUAL(number_of(1), 0);
    rig_end_up(&in);
    CU_ASSERT_EQUAL(kit_status_changes(in.connection), 3);
    kit_settle(rig_host, 1, MG_ACCEPTED, NULL);
    kit_turn(rig_host);
    expect_log("PUBACK from in (Mid: 1, RC:0)", 1);
    rig_end_close(&in);
    rig_end_close(&out);
    close_hosts();
}

/* ---- back-pressure -------------------------------------------------------------------------- */

static void the_server_stops_at_our_receive_maximum(void)
{
    enum { MOST = 7, EVENTS = 30 };
    open_hosts();
    open_in("receive_maximum: 7", "{qos: 1}", 1000);
    open_out("", "{}");
    send_numbers("seq", 0, EVENTS);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(MOST, 5000));
    /* What comes on another way is behind all that the server would have sent. */
    expect_log("Received PUBLISH from meshgate-kit-out", EVENTS);
    kit_run_until(rig_host, NULL, NULL, 100);
    CU_ASSERT_EQUAL(kit_ingested_count(rig_host), MOST);
    for (size_t i = 0; i < EVENTS; i++) {
        CU_ASSERT_TRUE_FATAL(rig_wait_ingested(i + 1, 5000));
        CU_ASSERT_EQUAL(number_of(i), (int)i);
        kit_settle(rig_host, i, MG_ACCEPTED, NULL);
    }
    rig_end_close(&in);
    rig_end_close(&out);
    close_hosts();
}

static void a_full_source_leaves_the_others_of_its_connection_alone(void)
{
    mg_source *other;
    struct mg_err err = {{0}, NULL};
    const struct mg_module *module = mg_module(NULL);
    open_hosts();
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", KEPT ", keep_alive: 1s"), "seq/#", "{}", NULL);
    CU_ASSERT_EQUAL_FATAL(kit_source_open(in.connection, "other",
                                          kit_settings(rig_host, module->source_options,
                                                       module->source_settings_size, "{}"),
                                          &other, &err),
                          0);
    rig_end_begin(&in, 3);
    rig_end_up(&in);
    open_out("", "{}");
    send_numbers("seq", 0, 15);
    send_numbers("other", 100, 103);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(6, 5000));
    size_t hits = 0;
    for (size_t i = 0; i < 6; i++)
        hits += kit_ingested(rig_host, i)->source == other;
    CU_ASSERT_EQUAL(hits, 3);
    kit_run_until(rig_host, NULL, NULL, 2500); /* more than two keep-alives */
    CU_ASSERT_EQUAL(kit_status_changes(in.connection), 1);
    int next = 0;
    for (size_t i = 0; i < 18; i++) { /* the parked ones follow in order */
        CU_ASSERT_TRUE_FATAL(rig_wait_ingested(i + 1, 5000));
        if (kit_ingested(rig_host, i)->source != other)
            CU_ASSERT_EQUAL(number_of(i), next++);
        kit_settle(rig_host, i, MG_ACCEPTED, NULL);
    }
    CU_ASSERT_EQUAL(next, 15);
    rig_end_close(&in);
    rig_end_close(&out);
    close_hosts();
}

/* ---- sessions ------------------------------------------------------------------------------- */

/* Numbers go out at QoS 2 and come back at QoS 2 while the broker is restarted: each once. */
static void exactly_once_over_restarts_of_the_broker(void)
{
    /* Mosquitto 2.0 sends all that it has queued when a session comes back, and what is then above
     * its limit of 20 has forgotten its PUBREC after another restart. */
    enum { EVENTS = 1000, RESTARTS = 3, UNDER_WAY = 15 };
    static const struct kit_sent *sent[EVENTS];
    static uint8_t seen[EVENTS];
    int next = 0, restarts = 0;
    memset(seen, 0, sizeof(seen));
    rig_broker_start(&broker, "allow_anonymous true\npersistence true\npersistence_location %s/\n");
    rig_host_open();
    open_in("", "{qos: 2}", 1000000);
    open_out("client_id: out, " KEPT ", max_inflight: 50", "{qos: 2}");
    time_t end = time(NULL) + 60;
    while (
        (next < EVENTS || kit_unsettled_count(rig_host) || kit_ingested_count(rig_host) < EVENTS) &&
        time(NULL) < end) {
        if (restarts < RESTARTS && next > (restarts + 1) * EVENTS / (RESTARTS + 1)) {
            restarts++;
            rig_broker_end(&broker);
            rig_broker_again(&broker);
        }
        bool room = next < (int)kit_ingested_count(rig_host) + UNDER_WAY;
        if (next < EVENTS && room && !send_to("seq", next, &sent[next]))
            next++;
        else
            usleep(200);
        kit_turn(rig_host);
    }
    CU_ASSERT_EQUAL(restarts, RESTARTS);
    CU_ASSERT_EQUAL(kit_unsettled_count(rig_host), 0);
    CU_ASSERT_EQUAL(kit_ingested_count(rig_host), EVENTS);
    for (int i = 0; i < next; i++)
        CU_ASSERT_EQUAL(sent[i]->outcome, MG_ACCEPTED);
    for (size_t i = 0; i < kit_ingested_count(rig_host); i++)
        seen[number_of(i)]++;
    int wrong = 0, first_wrong = -1;
    for (int i = 0; i < EVENTS; i++) {
        wrong += seen[i] != 1;
        first_wrong = seen[i] != 1 && first_wrong < 0 ? i : first_wrong;
    }
    if (wrong)
        fprintf(stderr, "%d not once, the first is %d: %u times; %zu in all\n", wrong, first_wrong,
                seen[first_wrong], kit_ingested_count(rig_host));
    CU_ASSERT_EQUAL(wrong, 0);
    rig_end_close(&in);
    rig_end_close(&out);
    rig_host_close();
    rig_broker_stop(&broker);
}

static void what_was_not_confirmed_is_sent_again_by_the_client(void)
{
    enum { EVENTS = 20 };
    static const struct kit_sent *sent[EVENTS];
    rig_broker_start(&broker, "allow_anonymous true\npersistence true\npersistence_location %s/\n");
    rig_host_open();
    open_in("", "{qos: 1}", 1000);
    open_out("client_id: out, " KEPT, "{qos: 1}");
    rig_broker_end(&broker);
    for (int i = 0; i < EVENTS; i++) /* the loss is not noticed yet */
        CU_ASSERT_EQUAL(send_to("seq", i, &sent[i]), 0);
    rig_broker_again(&broker);
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 10000));
    for (int i = 0; i < EVENTS; i++)
        CU_ASSERT_EQUAL(sent[i]->outcome, MG_ACCEPTED);
    CU_ASSERT_TRUE(rig_wait_ingested(EVENTS, 5000));
    for (int i = 0; i < EVENTS; i++)
        CU_ASSERT_EQUAL(number_of((size_t)i), i);
    rig_end_close(&in);
    rig_end_close(&out);
    rig_host_close();
    rig_broker_stop(&broker);
}

/* ---- other servers -------------------------------------------------------------------------- */

static void a_server_that_has_moved_is_followed(void)
{
    int port;
    char url[128];
    rig_broker_start(&broker, NULL);
    rig_refer_to = broker.port;
    pid_t fake = rig_fake_start(RIG_NOT_HERE, &port);
    rig_host_open();
    snprintf(url, sizeof(url), "{url: \"mqtt://127.0.0.1:%d\", " QUICK "}", port);
    rig_end_open(&out, "out", url, NULL, NULL, "{}");
    rig_end_begin(&out, 0);
    rig_end_up(&out);
    send_numbers("seq", 0, 1);
    rig_end_close(&out);
    rig_host_close();
    rig_fake_stop(fake);
    rig_refer_to = 0;
    rig_broker_stop(&broker);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(at_qos_1_what_is_not_settled_comes_again)},
        {KIT_TEST(at_qos_2_what_is_not_settled_comes_again)},
        {KIT_TEST(a_rejection_is_said_with_a_reason)},
        {KIT_TEST(an_event_given_back_comes_again_on_a_new_connection)},
        {KIT_TEST(the_server_stops_at_our_receive_maximum)},
        {KIT_TEST(a_full_source_leaves_the_others_of_its_connection_alone)},
        {KIT_TEST(exactly_once_over_restarts_of_the_broker)},
        {KIT_TEST(what_was_not_confirmed_is_sent_again_by_the_client)},
        {KIT_TEST(a_server_that_has_moved_is_followed)},
        {NULL, NULL},
    };
    return kit_main("mqtt-native", tests);
}
