/* SPDX-License-Identifier: Apache-2.0 */
/* A source through Paho whose route stores: Paho acknowledges after the settlement, and not before,
 * and what comes while the gateway stops is kept. */
#include "mqtt_rig.h"
#include <stdio.h>

static struct rig_broker broker;
static struct rig_end in, out;

static void open_in(const char *more, const char *source, uint32_t window)
{
    char settings[256];
    snprintf(settings, sizeof settings,
             "client_id: in, clean_start: false, reconnect: {first: 50ms, most: 300ms}, %s", more);
    rig_native = false;
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", settings), "in/#", source, NULL);
    kit_source_stored(in.source);
    rig_end_begin(&in, window);
    rig_end_up(&in);
}

static void open_all(const char *more, const char *source, uint32_t window)
{
    rig_broker_start(&broker, NULL);
    rig_host_open();
    kit_settle_when(rig_host, KIT_SETTLE_BY_HAND, MG_ACCEPTED);
    kit_store_open(rig_host);
    kit_store_automatic(rig_host, true);
    open_in(more, source, window);
    rig_native = true;
    rig_end_open(&out, "out", rig_url(&broker, "mqtt", ""), NULL, NULL, "{qos: 2}");
    rig_end_begin(&out, 0);
    rig_end_up(&out);
}

static void close_all(void)
{
    rig_end_close(&out);
    rig_end_close(&in);
    rig_host_close();
    rig_broker_stop(&broker);
}

static void send(const char *text)
{
    struct mg_err err = {{0}, NULL};
    mg_event *event = kit_event("in/t", text);
    CU_ASSERT_EQUAL(kit_send(out.sink, event, "in/t", true, NULL, &err), 0);
    kit_host_table(rig_host)->event_unref(event);
    CU_ASSERT(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
}

/* Mosquitto's log has so many lines with this. */
struct lines {
    const char *part;
    int count;
};
static bool logged(void *arg)
{
    const struct lines *lines = arg;
    return !rig_shell(&broker, "test $(grep -c '%s' log) -eq %d", lines->part, lines->count);
}

static bool acknowledged(const char *what, int count)
{
    struct lines lines = {what, count};
    return kit_run_until(rig_host, logged, &lines, 3000);
}

static bool payload_is(size_t index, const char *text)
{
    return kit_payload_is(kit_ingested(rig_host, index)->event, text);
}

static void acknowledges_after_the_settlement(const char *more, const char *source,
                                              const char *packet)
{
    open_all(more, source, 10);
    send("0");
    send("1");
    CU_ASSERT(rig_wait_ingested(1, 5000));
    CU_ASSERT(acknowledged("Sending PUBLISH to in", 2));
    CU_ASSERT(acknowledged(packet, 0));
    CU_ASSERT_EQUAL(kit_ingested_count(rig_host), 1); /* Paho waits with the first one */
    kit_settle(rig_host, 0, MG_ACCEPTED, NULL);
    CU_ASSERT(acknowledged(packet, 1));
    CU_ASSERT(rig_wait_ingested(2, 5000));
    kit_settle(rig_host, 1, MG_REJECTED, "to the dead letters");
    CU_ASSERT(acknowledged(packet, 2));
    CU_ASSERT(payload_is(1, "1"));
    close_all();
}

static void qos_1_is_acknowledged_after_the_settlement(void)
{
    acknowledges_after_the_settlement("session_expiry: 1h", "{qos: 1}", "Received PUBACK from in");
    acknowledges_after_the_settlement("version: 3.1.1", "{qos: 1}", "Received PUBACK from in");
}

static void qos_2_of_mqtt_5_too(void)
{
    acknowledges_after_the_settlement("session_expiry: 1h", "{qos: 2}", "Received PUBREC from in");
}

static void what_is_given_back_is_offered_again(void)
{
    open_all("session_expiry: 1h", "{qos: 1}", 10);
    send("0");
    CU_ASSERT(rig_wait_ingested(1, 5000));
    kit_settle(rig_host, 0, MG_RELEASED, NULL);
    CU_ASSERT(rig_wait_ingested(2, 5000));
    CU_ASSERT(payload_is(1, "0"));
    CU_ASSERT(acknowledged("Received PUBACK from in", 0));
    kit_settle(rig_host, 1, MG_ACCEPTED, NULL);
    CU_ASSERT(acknowledged("Received PUBACK from in", 1));
    close_all();
}

/* From here on everything is accepted: the server may send again what was acknowledged last, since
 * the end of the connection can overtake its PUBACK, and Paho subscribes to nothing meanwhile. */
static void restart(void)
{
    kit_connection_drain(in.connection);
    for (size_t i = 0; i < kit_ingested_count(rig_host); i++)
        if (!kit_ingested(rig_host, i)->outcome)
            kit_settle(rig_host, i, MG_RELEASED, "the gateway stops");
    rig_end_close(&in);
    CU_ASSERT_EQUAL(kit_store_count(rig_host), 1);
    kit_settle_when(rig_host, KIT_SETTLE_NEXT_TURN, MG_ACCEPTED);
    open_in("session_expiry: 1h", "{qos: 1}", 10);
}

static bool store_is_empty(void *arg)
{
    (void)arg;
    return !kit_store_count(rig_host);
}

/* "0" has come as event number `first`, and what comes now comes behind it. */
static void comes_first(size_t first)
{
    CU_ASSERT_FATAL(rig_wait_ingested(first + 1, 5000));
    CU_ASSERT(payload_is(first, "0"));
    CU_ASSERT(kit_run_until(rig_host, store_is_empty, NULL, 5000));
    send("1");
    size_t next = first + 1;
    while (rig_wait_ingested(next + 1, 5000) && payload_is(next, "0"))
        next++;
    CU_ASSERT(payload_is(next, "1"));
    close_all();
}

static void what_is_given_back_at_the_stop_is_kept(void)
{
    open_all("session_expiry: 1h", "{qos: 1}", 10);
    send("0");
    CU_ASSERT(rig_wait_ingested(1, 5000));
    restart();
    comes_first(1);
}

static bool has_refused(void *arg)
{
    (void)arg;
    return kit_refused_count(rig_host);
}

static void what_finds_no_room_at_the_stop_is_kept(void)
{
    open_all("session_expiry: 1h", "{qos: 1}", 0);
    send("0");
    CU_ASSERT(kit_run_until(rig_host, has_refused, NULL, 5000));
    restart();
    comes_first(0);
}

static void what_comes_while_the_gateway_stops_is_kept(void)
{
    open_all("session_expiry: 1h", "{qos: 1}", 10);
    kit_connection_drain(in.connection);
    send("0");
    CU_ASSERT(acknowledged("Received PUBACK from in", 1));
    CU_ASSERT_EQUAL(kit_ingested_count(rig_host), 0);
    restart();
    comes_first(0);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(qos_1_is_acknowledged_after_the_settlement)},
        {KIT_TEST(qos_2_of_mqtt_5_too)},
        {KIT_TEST(what_is_given_back_is_offered_again)},
        {KIT_TEST(what_is_given_back_at_the_stop_is_kept)},
        {KIT_TEST(what_finds_no_room_at_the_stop_is_kept)},
        {KIT_TEST(what_comes_while_the_gateway_stops_is_kept)},
        {NULL, NULL},
    };
    return kit_main("mqtt-paho-stored", tests);
}
