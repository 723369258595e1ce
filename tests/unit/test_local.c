/* SPDX-License-Identifier: Apache-2.0 */
/* The local bridge under the fake host: settlement through it, back-pressure, loops, the end. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *instance;
static mg_connection *connection;
static mg_sink *sink;
static mg_source *source;
static struct mg_err err;

static void open_bus(const char *yaml, uint32_t window)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "bus", settings, &instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_source_open(connection, "a/#", NULL, &source, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_sink_open(connection, "a/b", NULL, &sink, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_begin(connection, window, &err), 0);
}

static void close_bus(void)
{
    kit_connection_drain(connection);
    CU_ASSERT_EQUAL(kit_connection_close(connection, 2000), 0);
    CU_ASSERT_EQUAL(kit_unsettled_count(host), 0);
    kit_connection_destroy(connection);
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static int send(const char *address, const struct kit_sent **ret_sent)
{
    mg_event *event = kit_event("from/elsewhere", "payload");
    int error = kit_send(sink, event, address, ret_sent != NULL, ret_sent, &err);
    kit_host_table(host)->event_unref(event);
    return error;
}

static void the_sources_outcome_is_the_sinks(void)
{
    open_bus("", 10);
    static const uint32_t outcomes[] = {MG_ACCEPTED, MG_REJECTED, MG_RELEASED, MG_MODIFIED};
    for (size_t i = 0; i < 4; i++) {
        const struct kit_sent *sent;
        struct kit_count count = {host, i + 1};
        CU_ASSERT_EQUAL_FATAL(send("a/b", &sent), 0);
        CU_ASSERT_TRUE_FATAL(kit_run_until(host, kit_has_ingested, &count, 2000));
        const struct kit_ingested *in = kit_ingested(host, i);
        CU_ASSERT_PTR_NULL(in->source);
        CU_ASSERT_TRUE(kit_str_is(kit_host_table(host)->event_head(in->event)->address, "a/b"));
        CU_ASSERT_TRUE(kit_payload_is(in->event, "payload"));
        CU_ASSERT_EQUAL(sent->outcome, 0);
        kit_settle(host, i, outcomes[i], "because");
        CU_ASSERT_TRUE(kit_run_until(host, kit_is_settled, (void *)sent, 2000));
        CU_ASSERT_EQUAL(sent->outcome, outcomes[i]);
        CU_ASSERT_STRING_EQUAL(sent->reason, "because");
    }
    close_bus();
}

static void best_effort_owes_nothing(void)
{
    open_bus("", 10);
    struct kit_count count = {host, 1};
    CU_ASSERT_EQUAL(send("a/b", NULL), 0);
    CU_ASSERT_TRUE(kit_run_until(host, kit_has_ingested, &count, 2000));
    CU_ASSERT_EQUAL(kit_ingested(host, 0)->cookie, 0);
    close_bus();
}

static void a_full_window_holds_the_sink_and_credit_frees_it(void)
{
    open_bus("queue: 3", 2);
    int taken = 0;
    const struct kit_sent *sent[16];
    while (taken < 16 && send("a/b", &sent[taken]) == 0) {
        taken++;
        kit_turn(host);
    }
    CU_ASSERT_EQUAL(taken, 5); /* two in the window, three in the queue */
    size_t before = kit_sendable_count(sink);
    kit_settle(host, 0, MG_ACCEPTED, NULL);
    struct kit_count count = {host, 3};
    CU_ASSERT_TRUE(kit_run_until(host, kit_has_ingested, &count, 2000));
    CU_ASSERT_TRUE(kit_run_until(host, kit_is_sendable, sink, 2000));
    CU_ASSERT_EQUAL(kit_sendable_count(sink), before + 1);
    CU_ASSERT_EQUAL(send("a/b", &sent[5]), 0);
    for (size_t i = 1; i < 6; i++) {
        count.least = i + 1;
        CU_ASSERT_TRUE(kit_run_until(host, kit_has_ingested, &count, 2000));
        kit_settle(host, i, MG_ACCEPTED, NULL);
    }
    CU_ASSERT_TRUE(kit_run_until(host, kit_all_settled, host, 2000));
    close_bus();
}

static void order_is_kept_across_a_full_window(void)
{
    open_bus("", 2);
    kit_settle_when(host, KIT_SETTLE_NEXT_TURN, MG_ACCEPTED);
    for (int i = 0; i < 50; i++) {
        char address[16];
        snprintf(address, sizeof address, "a/%d", i);
        const struct kit_sent *sent;
        CU_ASSERT_EQUAL(send(address, &sent), 0);
    }
    struct kit_count count = {host, 50};
    CU_ASSERT_TRUE_FATAL(kit_run_until(host, kit_has_ingested, &count, 5000));
    for (int i = 0; i < 50; i++) {
        char address[16];
        snprintf(address, sizeof address, "a/%d", i);
        CU_ASSERT_TRUE(kit_str_is(
            kit_host_table(host)->event_head(kit_ingested(host, (size_t)i)->event)->address,
            address));
    }
    CU_ASSERT_TRUE(kit_run_until(host, kit_all_settled, host, 2000));
    close_bus();
}

static void closing_releases_what_is_queued_and_in_flight(void)
{
    open_bus("", 1);
    const struct kit_sent *first, *second;
    CU_ASSERT_EQUAL(send("a/b", &first), 0);
    CU_ASSERT_EQUAL(send("a/b", &second), 0);
    struct kit_count count = {host, 1};
    CU_ASSERT_TRUE(kit_run_until(host, kit_has_ingested, &count, 2000));
    CU_ASSERT_EQUAL(kit_connection_close(connection, 2000), 0);
    CU_ASSERT_EQUAL(send("a/b", NULL), -EAGAIN);
    CU_ASSERT_EQUAL(first->outcome, MG_RELEASED);
    CU_ASSERT_EQUAL(second->outcome, MG_RELEASED);
    kit_connection_destroy(connection);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void a_shared_subscription_is_refused(void)
{
    const struct mg_bridge_ops *ops = mg_module(NULL)->ops;
    struct mg_end end;
    CU_ASSERT_EQUAL(ops->end(NULL, MG_SOURCE, "$share/g/a", NULL, &end, &err), -EINVAL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "$share"));
    CU_ASSERT_EQUAL(ops->end(NULL, MG_SOURCE, "a/+/#", NULL, &end, &err), 0);
    CU_ASSERT_EQUAL(end.abilities, MG_SOURCE | MG_FILTERS | MG_DEFERS_ACK | MG_ORDERED);
    CU_ASSERT_EQUAL(ops->end(NULL, MG_SINK, "a/b", NULL, &end, &err), 0);
    CU_ASSERT_EQUAL(end.abilities, MG_SINK | MG_CONFIRMS | MG_ORDERED);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"the source's outcome is the sink's", the_sources_outcome_is_the_sinks},
        {"best effort owes nothing", best_effort_owes_nothing},
        {"a full window holds the sink, credit frees it",
         a_full_window_holds_the_sink_and_credit_frees_it},
        {"order is kept across a full window", order_is_kept_across_a_full_window},
        {"closing releases what is queued and in flight",
         closing_releases_what_is_queued_and_in_flight},
        {"a shared subscription is refused", a_shared_subscription_is_refused},
        {0}};
    return kit_main("local", tests);
}
