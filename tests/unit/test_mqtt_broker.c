/* SPDX-License-Identifier: Apache-2.0 */
/* The mqtt bridge against a real Mosquitto: both ways, versions, QoS, retain, outages, TLS. */
#include "mqtt_rig.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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

static int send_event(mg_event *event, const char *address, bool wanted,
                      const struct kit_sent **ret_sent)
{
    struct mg_err err = {{0}, NULL};
    int rc = kit_send(out.sink, event, address, wanted, ret_sent, &err);
    if (rc && rc != -EAGAIN)
        fprintf(stderr, "send: %s\n", err.text);
    return rc;
}

static int send_text(const char *address, const char *payload, bool wanted,
                     const struct kit_sent **ret_sent)
{
    struct mg_message message = kit_message(address, payload);
    message.head.present |= MG_HAS_QOS | MG_HAS_RETAIN;
    mg_event *event = kit_host_table(rig_host)->event_new(&message);
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
        CU_ASSERT_EQUAL(head->qos, (uint8_t)(qos[0] - '0'));
        CU_ASSERT_PTR_EQUAL(got->source, in.source);
        CU_ASSERT_EQUAL(got->cookie != 0, rig_native && qos[0] != '0');
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

/* ---- what arrives --------------------------------------------------------------------------- */

static const struct mg_head *head_of(size_t index)
{
    return kit_host_table(rig_host)->event_head(kit_ingested(rig_host, index)->event);
}

static void settled_as(const struct kit_sent *sent, uint32_t outcome)
{
    CU_ASSERT_TRUE_FATAL(kit_run_until(rig_host, kit_is_settled, (void *)sent, 10000));
    if (sent->outcome != outcome)
        fprintf(stderr, "outcome %u: %s\n", sent->outcome, sent->reason);
    CU_ASSERT_EQUAL(sent->outcome, outcome);
}

static void all_that_an_event_says_comes_back(void)
{
    open_both("version: 5", "t", "{}", "{}");
    static const struct mg_property properties[] = {
        {{"k", 1}, {.type = MG_TEXT, .as.text = {"v", 1}}},
        {{"k", 1}, {.type = MG_TEXT, .as.text = {"line\nbreak", 10}}},
        {{"", 0}, {.type = MG_INT, .width = 32, .as.i = -7}},
        {{"mg:i32:x", 8}, {.type = MG_TEXT, .as.text = {"-7", 2}}},
    };
    struct mg_message message = kit_message("t", "{}");
    message.head.present =
        MG_HAS_PRIORITY | MG_HAS_EXPIRY | MG_HAS_TEXT_PAYLOAD | MG_HAS_QOS | MG_HAS_RETAIN;
    message.head.priority = 9;
    message.head.text_payload = true;
    message.head.expires_us =
        kit_host_table(rig_host)->wall_us(kit_shard(rig_host, 0)) + 3600000000;
    message.head.reply_to = kit_str("re/ply");
    message.head.subject = kit_str("subject");
    message.head.content_type = kit_str("application/json");
    message.head.message_id = (struct mg_value){.type = MG_UINT, .width = 64, .as.u = 42};
    message.head.correlation = (struct mg_value){.type = MG_BINARY, .as.binary = {"\xff\0", 2}};
    message.properties = properties;
    message.property_count = 4;
    mg_event *event = kit_host_table(rig_host)->event_new(&message);
    const struct kit_sent *sent;
    CU_ASSERT_EQUAL_FATAL(send_event(event, "t", true, &sent), 0);
    settled_as(sent, MG_ACCEPTED);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(1, 5000));
    const struct mg_head *head = head_of(0);
    size_t count;
    const struct mg_property *got =
        kit_host_table(rig_host)->event_properties(kit_ingested(rig_host, 0)->event, &count);
    CU_ASSERT_EQUAL(head->present & ~MG_HAS_QOS, message.head.present & ~MG_HAS_QOS);
    CU_ASSERT_EQUAL(head->priority, 9);
    CU_ASSERT_TRUE(head->text_payload);
    CU_ASSERT_TRUE(kit_str_is(head->reply_to, "re/ply"));
    CU_ASSERT_TRUE(kit_str_is(head->subject, "subject"));
    CU_ASSERT_TRUE(kit_str_is(head->content_type, "application/json"));
    CU_ASSERT_EQUAL(head->message_id.as.u, 42);
    CU_ASSERT_TRUE(head->correlation.type == MG_BINARY && head->correlation.as.binary.len == 2);
    CU_ASSERT_TRUE(llabs((long long)(head->expires_us - message.head.expires_us)) < 3000000);
    CU_ASSERT_EQUAL_FATAL(count, 4);
    CU_ASSERT_TRUE(kit_str_is(got[1].value.as.text, "line\nbreak"));
    CU_ASSERT_TRUE(got[2].value.type == MG_INT && got[2].value.as.i == -7);
    CU_ASSERT_TRUE(kit_str_is(got[3].name, "mg:i32:x"));
    kit_host_table(rig_host)->event_unref(event);
    close_both();
}

static void payloads_of_every_size_arrive_whole(void)
{
    enum { MOST = 16 << 20 };
    static const size_t sizes[] = {0, 1, 127, 128, 65536, 2097152, MOST};
    open_both("version: 5", "t", "{}", "{}");
    char *bytes = malloc(MOST);
    CU_ASSERT_PTR_NOT_NULL_FATAL(bytes);
    for (size_t i = 0; i < MOST; i++)
        bytes[i] = (char)(i * 2654435761u >> 13);
    for (size_t i = 0; i < 7; i++) {
        struct mg_message message = kit_message("t", "");
        message.payload = (struct mg_bytes){bytes, sizes[i]};
        mg_event *event = kit_host_table(rig_host)->event_new(&message);
        const struct kit_sent *sent;
        CU_ASSERT_EQUAL_FATAL(send_event(event, "t", true, &sent), 0);
        settled_as(sent, MG_ACCEPTED);
        CU_ASSERT_TRUE_FATAL(rig_wait_ingested(i + 1, 20000));
        struct mg_bytes got =
            kit_host_table(rig_host)->event_payload(kit_ingested(rig_host, i)->event);
        CU_ASSERT_EQUAL_FATAL(got.len, sizes[i]);
        CU_ASSERT_TRUE(!got.len || !memcmp(got.at, bytes, got.len));
        kit_host_table(rig_host)->event_unref(event);
    }
    free(bytes);
    close_both();
}

static void retain(const char *sink, bool in_event, bool expected)
{
    open_both("version: 5", "retained/t", "{}", sink);
    struct mg_message message = kit_message("retained/t", "x");
    message.head.present = MG_HAS_RETAIN | MG_HAS_QOS;
    message.head.retain = in_event;
    mg_event *event = kit_host_table(rig_host)->event_new(&message);
    const struct kit_sent *sent;
    CU_ASSERT_EQUAL_FATAL(send_event(event, "retained/t", true, &sent), 0);
    settled_as(sent, MG_ACCEPTED);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(1, 5000));
    CU_ASSERT_EQUAL(head_of(0)->retain, expected);
    kit_host_table(rig_host)->event_unref(event);
    /* who subscribes later gets it, or not */
    struct rig_end late;
    rig_end_open(&late, "late", rig_url(&broker, "mqtt", NULL), "retained/#", "{}", NULL);
    rig_end_begin(&late, 100);
    rig_end_up(&late);
    CU_ASSERT_EQUAL(send_text("retained/end", "", true, &sent),
                    0); /* comes behind what was retained */
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(expected ? 3 : 2, 5000));
    CU_ASSERT_EQUAL(head_of(1)->retain, expected);
    CU_ASSERT_TRUE(kit_str_is(head_of(1)->address, expected ? "retained/t" : "retained/end"));
    rig_end_close(&late);
    close_both();
    rig_shell(&broker,
              "mosquitto_pub -p %d -t retained/t -n -r; mosquitto_pub -p %d -t retained/end -n -r",
              broker.port, broker.port);
}

static void retain_is_kept_set_or_cleared(void)
{
    retain("{retain: keep}", true, true);
    retain("{retain: keep}", false, false);
    retain("{retain: set}", false, true);
    retain("{retain: clear}", true, false);
}

static void what_cannot_go_is_refused(void)
{
    struct mg_err err = {{0}, NULL};
    open_both("version: 5", "t", "{}", "{}");
    mg_event *event = kit_event("t", "x");
    static const struct {
        const char *topic, *words;
    } cases[] = {{"", "at least one"}, {"a/#", "wildcard"}, {"a\nb", "control"}, {"\xff", "UTF-8"}};
    for (size_t i = 0; i < 4; i++) {
        CU_ASSERT_EQUAL(kit_send(out.sink, event, cases[i].topic, true, NULL, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, cases[i].words));
    }
    kit_host_table(rig_host)->event_unref(event);
    close_both();
}

/* ---- subscriptions -------------------------------------------------------------------------- */

/* Opens sources on one connection; the sink's broker is the same. */
static size_t overlapping(const char *version, const char *const *filters, size_t count,
                          mg_source **sources)
{
    char more[64];
    struct mg_err err = {{0}, NULL};
    snprintf(more, sizeof(more), "version: %s", version);
    rig_host_open();
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", more), filters[0], "{}", NULL);
    sources[0] = in.source;
    const struct mg_module *module = mg_module(NULL);
    for (size_t i = 1; i < count; i++) {
        const void *settings =
            kit_settings(rig_host, module->source_options, module->source_settings_size, "{}");
        CU_ASSERT_EQUAL_FATAL(
            kit_source_open(in.connection, filters[i], settings, &sources[i], &err), 0);
    }
    rig_end_open(&out, "out", rig_url(&broker, "mqtt", NULL), NULL, NULL, "{}");
    rig_end_begin(&in, 1000);
    rig_end_begin(&out, 0);
    rig_end_up(&in);
    rig_end_up(&out);
    const struct kit_sent *sent;
    CU_ASSERT_EQUAL_FATAL(send_text("a/b", "x", true, &sent), 0);
    CU_ASSERT_EQUAL_FATAL(send_text("end", "x", true, &sent), 0);
    size_t ends = 0;
    for (int i = 0; i < 1000 && !ends; i++) {
        kit_turn(rig_host);
        usleep(5000);
        for (size_t k = 0; k < kit_ingested_count(rig_host); k++)
            ends += kit_str_is(head_of(k)->address, "end");
    }
    return kit_ingested_count(rig_host) - ends;
}

static void each_source_gets_an_event_once(const char *version, const char *const *filters,
                                           size_t count, size_t expected)
{
    mg_source *sources[8];
    size_t got = overlapping(version, filters, count, sources);
    CU_ASSERT_EQUAL(got, expected);
    for (size_t i = 0; i + 1 < count; i++) {
        size_t hits = 0;
        for (size_t k = 0; k < kit_ingested_count(rig_host); k++)
            hits += kit_ingested(rig_host, k)->source == sources[i];
        CU_ASSERT_EQUAL(hits, 1);
    }
    close_both();
}

static void overlapping_filters_give_each_source_one_copy(void)
{
    static const char *const filters[] = {"a/#", "a/b", "+/b", "a/b", "end"};
    each_source_gets_an_event_once("5", filters, 5, 4);
}

static void a_covered_filter_is_not_subscribed_on_3_1_1(void)
{
    static const char *const filters[] = {"a/b", "a/#", "a/b", "end"};
    each_source_gets_an_event_once("3.1.1", filters, 4, 3);
}

static void filters_that_overlap_in_part_are_refused_on_3_1_1(void)
{
    struct mg_err err = {{0}, NULL};
    mg_source *second;
    rig_host_open();
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", "version: 3.1.1"), "a/+", "{}", NULL);
    const struct mg_module *module = mg_module(NULL);
    const void *settings =
        kit_settings(rig_host, module->source_options, module->source_settings_size, "{}");
    CU_ASSERT_EQUAL_FATAL(kit_source_open(in.connection, "+/b", settings, &second, &err), 0);
    CU_ASSERT_EQUAL(kit_connection_begin(in.connection, 10, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "overlap"));
    rig_end_close(&in);
    rig_host_close();
}

static void shared_subscriptions_share(const char *version)
{
    enum { EVENTS = 60 };
    char more[64];
    struct rig_end ends[2];
    size_t hits[2] = {0, 0};
    snprintf(more, sizeof(more), "version: %s", version);
    rig_host_open();
    for (size_t i = 0; i < 2; i++) {
        rig_end_open(&ends[i], i ? "two" : "one", rig_url(&broker, "mqtt", more),
                     "$share/g/shared/#", "{}", NULL);
        rig_end_begin(&ends[i], 1000);
        rig_end_up(&ends[i]);
    }
    rig_end_open(&out, "out", rig_url(&broker, "mqtt", more), NULL, NULL, "{}");
    rig_end_begin(&out, 0);
    rig_end_up(&out);
    for (int i = 0; i < EVENTS;) {
        int rc = send_text("shared/x", "x", true, NULL);
        if (rc)
            CU_ASSERT_TRUE_FATAL(kit_run_until(rig_host, kit_is_sendable, out.sink, 5000));
        i += !rc;
    }
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(EVENTS, 10000));
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    CU_ASSERT_EQUAL(kit_ingested_count(rig_host), EVENTS);
    for (size_t i = 0; i < EVENTS; i++)
        for (size_t k = 0; k < 2; k++)
            hits[k] += kit_ingested(rig_host, i)->source == ends[k].source;
    CU_ASSERT_TRUE(hits[0] > 0 && hits[1] > 0 && hits[0] + hits[1] == EVENTS);
    rig_end_close(&ends[0]);
    rig_end_close(&ends[1]);
    rig_end_close(&out);
    rig_host_close();
}

static void shared_subscriptions_share_on_both_versions(void)
{
    shared_subscriptions_share("5");
    shared_subscriptions_share("3.1.1");
}

static void a_connection_does_not_hear_itself(void)
{
    rig_host_open();
    rig_end_open(&in, "both", rig_url(&broker, "mqtt", NULL), "echo/#", "{}", "{}");
    rig_end_open(&out, "other", rig_url(&broker, "mqtt", NULL), NULL, NULL, "{}");
    rig_end_begin(&in, 100);
    rig_end_begin(&out, 100);
    rig_end_up(&in);
    rig_end_up(&out);
    const struct kit_sent *sent;
    mg_event *event = kit_event("echo/own", "x");
    struct mg_err err = {{0}, NULL};
    CU_ASSERT_EQUAL_FATAL(kit_send(in.sink, event, "echo/own", true, &sent, &err), 0);
    settled_as(sent, MG_ACCEPTED);
    CU_ASSERT_EQUAL_FATAL(send_text("echo/other", "x", true, &sent), 0);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(1, 5000));
    CU_ASSERT_TRUE(kit_str_is(head_of(0)->address, "echo/other"));
    kit_host_table(rig_host)->event_unref(event);
    close_both();
}

/* ---- limits --------------------------------------------------------------------------------- */

static void the_servers_receive_maximum_is_obeyed(void)
{
    /* Mosquitto grants 20 and ends the connection of whoever has more under way. */
    enum { EVENTS = 500 };
    open_both("max_inflight: 1000", "t", "{qos: 0}", "{qos: 2}");
    size_t refusals = 0;
    for (int i = 0; i < EVENTS;) {
        int rc = send_text("t", "x", true, NULL);
        if (rc) {
            refusals++;
            CU_ASSERT_TRUE_FATAL(kit_run_until(rig_host, kit_is_sendable, out.sink, 5000));
        }
        i += !rc;
    }
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 10000));
    CU_ASSERT_TRUE(refusals > 0);
    CU_ASSERT_EQUAL(kit_status_changes(out.connection), 1);
    CU_ASSERT_TRUE(rig_wait_ingested(EVENTS, 10000));
    close_both();
}

/* Paho has acknowledged it, so it is lost, and said. */
static void what_comes_at_the_stop_is_counted(void)
{
    kit_connection_drain(in.connection);
    CU_ASSERT_EQUAL(rig_shell(&broker, "grep -c 'PUBACK from meshgate-kit-in' log > before"), 0);
    CU_ASSERT_EQUAL(send_text("full", "x", true, NULL), 0);
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    CU_ASSERT_EQUAL(
        rig_shell(&broker,
                  "for i in $(seq 200); do test $(grep -c 'PUBACK from meshgate-kit-in' log)"
                  " -gt $(cat before) && exit 0; sleep 0.05; done; exit 1"),
        0);
    struct mg_err err = {{0}, NULL};
    CU_ASSERT_EQUAL(kit_connection_close(in.connection, 5000), 0);
    kit_connection_destroy(in.connection);
    CU_ASSERT_EQUAL(kit_counter(in.instance, 6), 1);
    CU_ASSERT_EQUAL(kit_connection_open(in.instance, 0, &in.connection, &err), 0);
}

static void a_full_window_drops_and_counts_in_the_end(void)
{
    enum { EVENTS = 50, WINDOW = 10 };
    rig_host_open();
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", NULL), "full", rig_native ? "{qos: 0}" : "{}",
                 NULL);
    rig_end_open(&out, "out", rig_url(&broker, "mqtt", "max_inflight: 1000"), NULL, NULL, "{}");
    rig_end_begin(&in, WINDOW);
    rig_end_begin(&out, 0);
    rig_end_up(&in);
    rig_end_up(&out);
    kit_ingest_answer(rig_host, -EAGAIN);
    for (int i = 0; i < EVENTS;) {
        int rc = send_text("full", "x", true, NULL);
        if (rc)
            CU_ASSERT_TRUE_FATAL(kit_run_until(rig_host, kit_is_sendable, out.sink, 5000));
        i += !rc;
    }
    CU_ASSERT_TRUE(kit_run_until(rig_host, kit_all_settled, rig_host, 5000));
    for (int i = 0; i < 500 && kit_counter(in.instance, 5) < EVENTS; i++)
        kit_turn(rig_host), usleep(10000);
    CU_ASSERT_EQUAL(kit_counter(in.instance, 5), EVENTS);
    CU_ASSERT_TRUE(kit_logged(rig_host, MG_WARN, "dropped"));
    kit_ingest_answer(rig_host, 0);
    CU_ASSERT_EQUAL(send_text("full", "x", true, NULL), 0);
    CU_ASSERT_TRUE(rig_wait_ingested(1, 5000));
    if (!rig_native)
        what_comes_at_the_stop_is_counted();
    close_both();
}

static bool has_been_lost(void *arg)
{
    (void)arg;
    return kit_logged(rig_host, MG_WARN, "mqtt://");
}

static void the_will_is_published_when_the_connection_breaks(void)
{
    rig_host_open();
    rig_end_open(&in, "in", rig_url(&broker, "mqtt", NULL), "will/#", "{}", NULL);
    rig_end_begin(&in, 100);
    rig_end_up(&in);
    rig_end_open(&out, "out",
                 rig_url(&broker, "mqtt",
                         "client_id: taken, will: {topic: will/out, payload: gone, qos: 1}"),
                 NULL, NULL, "{}");
    rig_end_begin(&out, 0);
    rig_end_up(&out);
    /* Another client of that name makes the server end the connection, which publishes the will. */
    CU_ASSERT_EQUAL(rig_shell(&broker, "mosquitto_pub -V 5 -p %d -i taken -t x -n", broker.port),
                    0);
    CU_ASSERT_TRUE_FATAL(rig_wait_ingested(1, 5000));
    CU_ASSERT_TRUE(kit_str_is(head_of(0)->address, "will/out"));
    CU_ASSERT_TRUE(kit_payload_is(kit_ingested(rig_host, 0)->event, "gone"));
    CU_ASSERT_TRUE(kit_run_until(rig_host, has_been_lost, NULL, 5000));
    rig_end_up(&out); /* and it connects again */
    close_both();
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
        {"all that an event says comes back", all_that_an_event_says_comes_back},
        {"payloads of every size arrive whole", payloads_of_every_size_arrive_whole},
        {"retain is kept, set or cleared", retain_is_kept_set_or_cleared},
        {"what cannot go is refused", what_cannot_go_is_refused},
        {"overlapping filters give each source one copy",
         overlapping_filters_give_each_source_one_copy},
        {"a covered filter is not subscribed on 3.1.1",
         a_covered_filter_is_not_subscribed_on_3_1_1},
        {"filters that overlap in part are refused on 3.1.1",
         filters_that_overlap_in_part_are_refused_on_3_1_1},
        {"shared subscriptions share, on both versions",
         shared_subscriptions_share_on_both_versions},
        {"a connection does not hear itself", a_connection_does_not_hear_itself},
        {"the server's Receive Maximum is obeyed", the_servers_receive_maximum_is_obeyed},
        {"a full window drops and counts in the end", a_full_window_drops_and_counts_in_the_end},
        {"the will is published when the connection breaks",
         the_will_is_published_when_the_connection_breaks},
        {NULL, NULL},
    };
    return kit_main(rig_native ? "mqtt-broker-native" : "mqtt-broker-paho", tests);
}

int main(int argc, char **argv)
{
    rig_choose(argc, argv);
    rig_broker_start(&broker, NULL);
    int rc = run();
    rig_broker_stop(&broker);
    return rc;
}
