/* SPDX-License-Identifier: Apache-2.0 */
/* QoS 2 in and out through a real Mosquitto, with a store, while the bridge's process dies again
 * and again: everything arrives once, in order. */
#include "mqtt_rig.h"
#include <stdio.h>
#include <stdlib.h>

enum { EVENTS = 600, CRASHES = 30 };

static struct rig_broker broker;
static struct rig_end gateway, publisher, subscriber;
static const char *gateway_settings;

/* The core's part: an event that is kept on its way in goes out until its settlement is kept. */
static struct stored {
    mg_event *event;
    const struct kit_sent *sent;
    bool done;
} stored[EVENTS + 1];
static size_t stored_count, done_count, life_from, seen;

static void start(void)
{
    rig_end_open(&gateway, "gateway", rig_url(&broker, "mqtt", gateway_settings), "in/#",
                 "{qos: 2}", "{qos: 2}");
    life_from = kit_ingested_count(rig_host);
    rig_end_begin(&gateway, 20);
}

static void note_done(void)
{
    while (done_count < stored_count) {
        struct stored *s = &stored[done_count];
        s->done = s->done || (s->sent && s->sent->kept && s->sent->outcome == MG_ACCEPTED);
        if (!s->done)
            return;
        done_count++;
    }
}

static void crash(void)
{
    kit_store_crash(rig_host);
    for (size_t i = done_count; i < stored_count; i++) {
        struct stored *s = &stored[i];
        s->done = s->done || (s->sent && s->sent->kept && s->sent->outcome == MG_ACCEPTED);
        s->sent = NULL;
    }
    kit_connection_destroy(gateway.connection);
    kit_instance_stop(gateway.instance);
    kit_instance_destroy(gateway.instance);
    start();
    /* Mosquitto 2.0.11 forgets that it has sent PUBREL where that cannot be written on a resumed
     * session, and publishes anew on the next: a life is at least long enough for its repetitions.
     */
    rig_end_up(&gateway);
}

static int number_of(const mg_event *event)
{
    struct mg_bytes payload = kit_host_table(rig_host)->event_payload(event);
    char text[16];
    snprintf(text, sizeof text, "%.*s", (int)payload.len, (const char *)payload.at);
    return (int)strtol(text, NULL, 10);
}

/* Settles what has come, and takes over what is kept. */
static void take(void)
{
    for (size_t i = seen; i < kit_ingested_count(rig_host); i++) {
        const struct kit_ingested *in = kit_ingested(rig_host, i);
        bool here = in->connection == subscriber.connection || i >= life_from;
        if (!in->outcome && here)
            kit_settle(rig_host, i, MG_ACCEPTED, NULL);
        if (i == seen && (in->outcome || !here)) {
            seen++;
            if (in->connection != subscriber.connection && in->kept && stored_count <= EVENTS)
                stored[stored_count++].event = kit_host_table(rig_host)->event_ref(in->event);
        }
    }
}

static void offer(void)
{
    struct mg_err err = {{0}, NULL};
    for (size_t i = done_count; i < stored_count; i++) {
        struct stored *s = &stored[i];
        if (s->done || (s->sent && s->sent->outcome < MG_REJECTED))
            continue;
        s->sent = NULL;
        if (kit_send_stored(gateway.sink, s->event, "out/t", i + 1, &s->sent, &err)) {
            s->sent = NULL;
            return;
        }
    }
}

static void publish(int *number)
{
    struct mg_err err = {{0}, NULL};
    char text[16];
    if (*number == EVENTS)
        return;
    snprintf(text, sizeof text, "%d", *number);
    mg_event *event = kit_event("in/t", text);
    if (!kit_send(publisher.sink, event, "in/t", true, NULL, &err))
        ++*number;
    kit_host_table(rig_host)->event_unref(event);
}

/* One round of everything; the loop waits a millisecond at most, since commits come from here. */
static void round_of(int *number)
{
    publish(number);
    take();
    offer();
    note_done();
    if (rand() % 3 == 0)
        kit_store_commit(rig_host, 1 + (size_t)(rand() % 3));
    kit_run_until(rig_host, NULL, NULL, 1);
}

static bool arrived_in_order(void)
{
    int expected = 0;
    for (size_t i = 0; i < kit_ingested_count(rig_host); i++) {
        const struct kit_ingested *in = kit_ingested(rig_host, i);
        if (in->source != subscriber.source)
            continue;
        if (number_of(in->event) != expected++) {
            fprintf(stderr, "%d where %d was due\n", number_of(in->event), expected - 1);
            return false;
        }
    }
    return expected == EVENTS;
}

static bool nothing_waits(void *arg)
{
    take();
    (void)arg;
    return !kit_store_commit(rig_host, 0) && !kit_store_count(rig_host);
}

static void through(const char *version)
{
    static char settings[256];
    int number = 0;
    snprintf(settings, sizeof settings,
             "client_id: gateway, clean_start: false, max_inflight: 15, reconnect: {first: 10ms, "
             "most: 50ms}, %s",
             version);
    gateway_settings = settings;
    stored_count = done_count = seen = 0;
    for (size_t i = 0; i <= EVENTS; i++)
        stored[i] = (struct stored){NULL, NULL, false};
    rig_broker_start(&broker, NULL);
    rig_host_open();
    kit_settle_when(rig_host, KIT_SETTLE_BY_HAND, MG_ACCEPTED);
    kit_store_open(rig_host);
    rig_end_open(&subscriber, "subscriber", rig_url(&broker, "mqtt", ""), "out/#", "{qos: 2}",
                 NULL);
    rig_end_begin(&subscriber, 100000);
    rig_end_up(&subscriber);
    start();
    rig_end_up(&gateway);
    rig_end_open(&publisher, "publisher", rig_url(&broker, "mqtt", ""), NULL, NULL, "{qos: 2}");
    rig_end_begin(&publisher, 0);
    rig_end_up(&publisher);
    srand(1);
    int crashes = 0, rounds = 0;
    while (done_count < EVENTS && ++rounds < 20000) {
        round_of(&number);
        if (crashes < CRASHES && rand() % 8 == 0) {
            crash();
            crashes++;
        }
    }
    if (done_count < EVENTS)
        fprintf(stderr, "%d published, %zu stored, %zu done\n", number, stored_count, done_count);
    CU_ASSERT_EQUAL(done_count, EVENTS);
    CU_ASSERT(kit_run_until(rig_host, nothing_waits, NULL, 5000)); /* and no entry is left */
    CU_ASSERT_EQUAL(crashes, CRASHES);
    CU_ASSERT(arrived_in_order());
    CU_ASSERT_EQUAL(kit_counter(gateway.instance, 9), 0);
    for (size_t i = 0; i < stored_count; i++)
        kit_host_table(rig_host)->event_unref(stored[i].event);
    kit_settle_when(rig_host, KIT_SETTLE_NEXT_TURN, MG_ACCEPTED);
    kit_store_automatic(rig_host, true);
    rig_end_close(&publisher);
    rig_end_close(&gateway);
    rig_end_close(&subscriber);
    rig_host_close();
    rig_broker_stop(&broker);
}

static void exactly_once_with_mqtt_5(void)
{
    through("session_expiry: 1h");
}

static void exactly_once_with_mqtt_3_1_1(void)
{
    through("version: 3.1.1");
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(exactly_once_with_mqtt_5)},
        {KIT_TEST(exactly_once_with_mqtt_3_1_1)},
        {NULL, NULL},
    };
    return kit_main("mqtt-stored", tests);
}
