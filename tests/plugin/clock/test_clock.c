/* SPDX-License-Identifier: Apache-2.0 */
/* The clock bridge under a fake host, with a clock that the test moves. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>

static struct kit_host *host;
static mg_instance *instance;
static mg_connection *connection;

/* Half a minute between two ticks. */
static void start_clock(uint32_t window)
{
    const struct mg_module *module = mg_module(NULL);
    struct mg_err err = {0};
    mg_source *source;
    host = kit_host_create();
    kit_clock_by_hand(host);
    const void *settings =
        kit_settings(host, module->source_options, module->source_settings_size, "every: 30s");
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "clock", NULL, &instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_source_open(connection, "time/tick", settings, &source, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_begin(connection, window, &err), 0);
    CU_ASSERT(kit_connection_up(connection));
}

static void stop_clock(void)
{
    CU_ASSERT_EQUAL(kit_connection_close(connection, 1000), 0);
    kit_connection_destroy(connection);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void it_ticks_at_its_rate(void)
{
    start_clock(100);
    kit_clock_advance_ms(host, 29999);
    CU_ASSERT_EQUAL(kit_ingested_count(host), 0);
    kit_clock_advance_ms(host, 60001);
    CU_ASSERT_EQUAL_FATAL(kit_ingested_count(host), 3);
    const mg_event *last = kit_ingested(host, 2)->event;
    CU_ASSERT(kit_payload_is(last, "3"));
    CU_ASSERT(kit_str_is(kit_host_table(host)->event_head(last)->address, "time/tick"));
    stop_clock();
}

static void what_the_window_does_not_take_is_counted_as_missed(void)
{
    start_clock(2);
    kit_clock_advance_ms(host, 5 * 30000);
    CU_ASSERT_EQUAL(kit_ingested_count(host), 2);
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 3);
    kit_settle(host, 0, MG_ACCEPTED, NULL); /* room for one more */
    kit_clock_advance_ms(host, 30000);
    CU_ASSERT(kit_payload_is(kit_ingested(host, 2)->event, "6"));
    stop_clock();
}

static void a_drained_clock_ticks_no_more(void)
{
    start_clock(100);
    kit_connection_drain(connection);
    kit_clock_advance_ms(host, 3600000);
    CU_ASSERT_EQUAL(kit_ingested_count(host), 0);
    stop_clock();
}

static void it_is_no_sink_and_takes_no_wildcards(void)
{
    const struct mg_bridge_ops *ops = mg_module(NULL)->ops;
    struct mg_end end = {0};
    struct mg_err err = {0};
    CU_ASSERT_EQUAL(ops->end(NULL, MG_SINK, "time", NULL, &end, &err), -EINVAL);
    CU_ASSERT_EQUAL(ops->end(NULL, MG_SOURCE, "time/#", NULL, &end, &err), -EINVAL);
    CU_ASSERT_STRING_EQUAL(err.text, "\"time/#\" is the address of the ticks: no wildcards");
    CU_ASSERT_EQUAL(ops->end(NULL, MG_SOURCE, "time", NULL, &end, &err), 0);
    CU_ASSERT_EQUAL(end.abilities, MG_SOURCE | MG_ORDERED);
}

int main(void)
{
    static const struct kit_test tests[] = {
        {"it ticks at its rate", it_ticks_at_its_rate},
        {"what the window does not take is counted as missed",
         what_the_window_does_not_take_is_counted_as_missed},
        {"a drained clock ticks no more", a_drained_clock_ticks_no_more},
        {"it is no sink and takes no wildcards", it_is_no_sink_and_takes_no_wildcards},
        {NULL, NULL},
    };
    return kit_main("clock", tests);
}
