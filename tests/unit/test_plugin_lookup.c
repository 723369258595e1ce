/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "lookup": what goes where, waiting for the first load, and reloading. */
#include "lookup_kit.h"
#include "bind.h"
#include "table.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void the_row_goes_into_the_payload(void)
{
    write_table("t.csv", "machine,hall,model\nm1,north,press\nm2,south,drill\n");
    open_lookup("t.csv", "into: data.machine");
    struct kit_verdict v = enrich("m1", "{\"t\":20.1}");
    CU_ASSERT_TRUE(v.pended); /* the first waits for the table */
    CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
    CU_ASSERT_TRUE(
        v.count == 1 &&
        kit_payload_is(v.events[0],
                       "{\"t\":20.1,\"machine\":{\"hall\":\"north\",\"model\":\"press\"}}"));
    kit_verdict_fini(&v);
    v = enrich("m2", "{}");
    CU_ASSERT_FALSE(v.pended);
    kit_verdict_fini(&v);
    expect("m2", "{\"data\":{}}", MG_REPLACE,
           "{\"data\":{\"machine\":{\"hall\":\"south\",\"model\":\"drill\"}}}");
    expect("m1", "not json", MG_REJECT, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "not JSON"));
    expect("m1", "[]", MG_REJECT, NULL);
    expect("m3", "not json", MG_PASS, NULL);
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 1);
    close_lookup();
}

static void one_column_goes_into_a_property(void)
{
    write_table("t.json", "{\"m1\":{\"limit\":80,\"x\":1}}");
    open_lookup("t.json", "into: 'property:limit', column: limit");
    struct mg_property old[] = {{kit_str("limit"), {.type = MG_TEXT, .as.text = kit_str("old")}},
                                {kit_str("other"), {.type = MG_TEXT, .as.text = kit_str("stays")}}};
    struct mg_message m = kit_message("a", "\xff any bytes");
    m.properties = old;
    m.property_count = 2;
    mg_event *event = table_of_host->event_new(&m);
    struct kit_verdict v =
        kit_process(instance, event, kit_scope(host, "r", "machine", "m1", NULL));
    CU_ASSERT_EQUAL_FATAL(v.verdict, MG_REPLACE);
    size_t count;
    table_of_host->event_properties(v.events[0], &count);
    CU_ASSERT_EQUAL(count, 2);
    struct mg_value value;
    CU_ASSERT_TRUE_FATAL(table_of_host->event_find(v.events[0], kit_str("limit"), &value));
    CU_ASSERT_EQUAL(value.type, MG_INT);
    CU_ASSERT_EQUAL(value.as.i, 80);
    kit_verdict_fini(&v);
    table_of_host->event_unref(event);
    close_lookup();
}

static void a_row_goes_into_properties(void)
{
    write_table("t.csv", "machine,hall,model\nm1,north,press\n");
    open_lookup("t.csv", "into: 'property:m'");
    struct kit_verdict v = enrich("m1", "any");
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    struct mg_value value;
    CU_ASSERT_TRUE(table_of_host->event_find(v.events[0], kit_str("m.hall"), &value));
    CU_ASSERT_TRUE(kit_str_is(value.as.text, "north"));
    CU_ASSERT_TRUE(table_of_host->event_find(v.events[0], kit_str("m.model"), &value));
    CU_ASSERT_FALSE(table_of_host->event_find(v.events[0], kit_str("m.machine"), &value));
    kit_verdict_fini(&v);
    close_lookup();
}

static void a_missing_key_is_a_choice(void)
{
    write_table("t.csv", "machine,hall\nm1,north\n");
    open_lookup("t.csv", "into: m, on_missing: drop");
    expect("none", "{}", MG_DROP, NULL);
    close_lookup();
    open_lookup("t.csv", "into: m, on_missing: reject");
    expect("none", "{}", MG_REJECT, NULL);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "no \"none\""));
    close_lookup();
}

static void a_changed_file_replaces_the_table_and_a_bad_one_does_not(void)
{
    write_table("t.csv", "machine,hall\nm1,north\n");
    open_lookup("t.csv", "into: h, column: hall");
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"north\"}");
    write_table("t.csv", "machine,hall\nm1,north\nm1,twice\n");
    CU_ASSERT_TRUE(counts(COUNTED_FAILED, 1));
    CU_ASSERT_TRUE(kit_logged(host, MG_ERROR, "line 3"));
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"north\"}");
    write_table("t.csv", "machine,hall\nm1,south\n");
    CU_ASSERT_TRUE(counts(COUNTED_LOADS, 2));
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"south\"}");
    unlink(in_folder("t.csv"));
    kit_run_until(host, NULL, NULL, 50);
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"south\"}");
    CU_ASSERT_EQUAL(kit_counter(instance, 2), 2); /* said once, not at every look */
    close_lookup();
}

/* Who may read a file shows neither in its size nor in the time of its last change of content. */
static void a_change_of_rights_is_a_change(void)
{
    struct table_stamp before, after;
    bool settled;
    write_table("t.csv", "machine,hall\nm1,north\n");
    CU_ASSERT_EQUAL(chmod(in_folder("t.csv"), 0), 0);
    CU_ASSERT_EQUAL(table_stamp_of(in_folder("t.csv"), TABLE_AUTO, &before, &settled), 0);
    bool same = true;
    for (int i = 0; i < 100000 && same; i++) { /* until the file system's clock has moved */
        chmod(in_folder("t.csv"), 0600);
        table_stamp_of(in_folder("t.csv"), TABLE_AUTO, &after, &settled);
        same = !memcmp(&before, &after, sizeof before);
    }
    CU_ASSERT_FALSE(same);
}

/* It is read once there are, though it is the same file. */
static void a_file_that_no_descriptor_was_left_for_is_read_later(void)
{
    write_table("t.csv", "machine,hall\nm1,north\n");
    open_lookup("t.csv", "into: h, column: hall");
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"north\"}");
    write_table("next.csv", "machine,hall\nm1,south\n");
    comes_without_descriptors("next.csv", "t.csv");
    CU_ASSERT_TRUE(counts(COUNTED_LOADS, 2));
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"south\"}");
    close_lookup();
}

/* process without waiting for a pending verdict, so that several wait at once */
static void what_cannot_wait_is_tried_again_and_the_end_frees_the_rest(void)
{
    write_table("t.csv", "machine,hall\nm1,north\nm1,broken\n");
    open_lookup("t.csv", "into: h, waiting: 1");
    const struct mg_step_ops *ops = mg_module(NULL)->ops;
    const struct mg_life *life = mg_module(NULL)->life;
    void *context;
    CU_ASSERT_EQUAL_FATAL(
        life->shard_open(kit_instance_self(instance), kit_shard(host, 1), &context, &err), 0);
    CU_ASSERT_TRUE(counts(COUNTED_FAILED, 1));
    CU_ASSERT_TRUE(kit_logged(host, MG_ERROR, "events wait"));
    mg_event *event = kit_event("a", "{}");
    struct mg_step_call call = {.event = event,
                                .scope = kit_scope(host, "r", "machine", "m1", NULL)};
    struct mg_step_result result = {0};
    struct kit_verdict v;
    CU_ASSERT_EQUAL(ops->process(kit_instance_self(instance), context, &call, &result), MG_PENDING);
    CU_ASSERT_EQUAL(ops->process(kit_instance_self(instance), context, &call, &result), MG_RETRY);
    CU_ASSERT_PTR_NOT_NULL(strstr(result.err.text, "not loaded"));
    size_t faults = kit_faults(host);
    write_table("t.csv", "machine,hall\nm1,north\n");
    v = kit_process(instance, event, call.scope); /* on shard 0: waits until it is loaded */
    CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
    kit_verdict_fini(&v);
    kit_turn(host);
    CU_ASSERT_EQUAL(ops->process(kit_instance_self(instance), context, &call, &result), MG_REPLACE);
    table_of_host->event_unref(result.events[0]);
    life->shard_close(kit_instance_self(instance), context);
    table_of_host->event_unref(event);
    faults = kit_faults(host) - faults; /* the token of the one that waited was not the host's */
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_TRUE(jobs_end());
    CU_ASSERT_EQUAL(kit_host_destroy(host), faults);
}

static void a_table_that_is_not_there_stops_the_start(void)
{
    write_table("t.csv", "a\n");
    open_lookup("t.csv", "into: m");
    unlink(in_folder("t.csv"));
    const struct mg_life *life = mg_module(NULL)->life;
    CU_ASSERT_EQUAL(life->start(kit_instance_self(instance), &err), -ENOENT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "t.csv"));
    close_lookup();
}

static void a_large_table_is_swapped_too(void)
{
    char *text = malloc(400000);
    for (int version = 1; version <= 2; version++) {
        size_t used = (size_t)snprintf(text, 400000, "machine,v\n");
        for (int i = 0; i < 20000; i++)
            used += (size_t)snprintf(text + used, 400000 - used, "m%d,%d\n", i, version);
        write_table("t.csv", text);
        if (version == 1) {
            open_lookup("t.csv", "into: v, column: v, typed: true");
            expect("m19999", "{}", MG_REPLACE, "{\"v\":1}");
        }
    }
    CU_ASSERT_TRUE(counts(COUNTED_LOADS, 2));
    expect("m19999", "{}", MG_REPLACE, "{\"v\":2}");
    close_lookup();
    free(text);
}

static void rows_of_a_key_become_a_list_or_events(void)
{
    write_table("t.csv", "machine,part\nm1,a\nm2,b\nm1,c\n");
    open_lookup("t.csv", "into: part, column: part, multiple: list");
    expect("m1", "{\"part\":0}", MG_REPLACE, "{\"part\":[\"a\",\"c\"]}");
    expect("m2", "{}", MG_REPLACE, "{\"part\":[\"b\"]}");
    close_lookup();
    open_lookup("t.csv", "into: part, column: part, multiple: events");
    for (int waits = 1; waits >= 0; waits--) {
        struct kit_verdict v = enrich("m1", "{\"n\":1.0}");
        CU_ASSERT_EQUAL(v.pended, waits);
        CU_ASSERT_EQUAL(v.verdict, MG_REPLACE);
        CU_ASSERT_EQUAL_FATAL(v.count, 2);
        CU_ASSERT_TRUE(kit_payload_is(v.events[0], "{\"n\":1.0,\"part\":\"a\"}"));
        CU_ASSERT_TRUE(kit_payload_is(v.events[1], "{\"n\":1.0,\"part\":\"c\"}"));
        kit_verdict_fini(&v);
    }
    expect("m1", "[]", MG_REJECT, NULL);
    close_lookup();
}

static void each_row_finds_the_payload_as_it_came(void)
{
    write_table("t.csv", "machine,part\nm1,a\nm1,c\n");
    open_lookup("t.csv", "into: data.data, column: part, multiple: events");
    struct kit_verdict v = enrich("m1", "{\"n\":1}");
    CU_ASSERT_EQUAL_FATAL(v.count, 2);
    CU_ASSERT_TRUE(kit_payload_is(v.events[0], "{\"n\":1,\"data\":\"a\"}"));
    CU_ASSERT_TRUE(kit_payload_is(v.events[1], "{\"n\":1,\"data\":\"c\"}"));
    kit_verdict_fini(&v);
    v = enrich("m1", "{\"data\":{\"n\":1}}");
    CU_ASSERT_EQUAL_FATAL(v.count, 2);
    CU_ASSERT_TRUE(kit_payload_is(v.events[1], "{\"data\":{\"n\":1,\"data\":\"c\"}}"));
    kit_verdict_fini(&v);
    close_lookup();
}

static void the_payload_keeps_its_numbers(void)
{
    write_table("t.json", "{\"m1\":{\"serial\":123456789012345678901234567890}}");
    open_lookup("t.json", "into: m");
    expect("m1", "{\"t\": 20.50, \"big\":98765432109876543210, \"t\": 1}", MG_REPLACE,
           "{\"t\":20.50,\"big\":98765432109876543210,\"t\":1,"
           "\"m\":{\"serial\":123456789012345678901234567890}}");
    close_lookup();
    open_lookup("t.json", "into: 'property:m'");
    struct kit_verdict v = enrich("m1", "any");
    struct mg_value value;
    CU_ASSERT_EQUAL_FATAL(v.count, 1);
    CU_ASSERT_TRUE_FATAL(table_of_host->event_find(v.events[0], kit_str("m.serial"), &value));
    CU_ASSERT_EQUAL(value.type, MG_TEXT); /* no whole number of AMQP holds it */
    CU_ASSERT_TRUE(kit_str_is(value.as.text, "123456789012345678901234567890"));
    kit_verdict_fini(&v);
    close_lookup();
}

static void wrong_settings_are_refused(void)
{
    static const char *const wrong[][2] = {
        {"into: 'property:'", "into"},
        {"into: a..b", "into"},
        {"into: .", "into"},
        {"into: data", "into"},
        {"into: m, column: a, columns: [b]", "columns"},
        {"into: m, delimiter: '\"'", "delimiter"},
        {"into: m, query: SELECT 1", "query"},
        {"into: m, format: sqlite", "query"},
        {"into: m, format: sqlite, query: SELECT 1, from_table: t", "from_table"},
    };
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char yaml[256];
        snprintf(yaml, sizeof yaml, "{table: x, key: k, %s}", wrong[i][0]);
        const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
        CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
        err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(module->check(settings, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(err.option);
        CU_ASSERT_STRING_EQUAL(err.option, wrong[i][1]);
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

#define TEST(name)                                                                                 \
    static void run_##name(void)                                                                   \
    {                                                                                              \
        in_a_folder_of_its_own(name);                                                              \
    }
TEST(the_row_goes_into_the_payload)
TEST(one_column_goes_into_a_property)
TEST(a_row_goes_into_properties)
TEST(a_missing_key_is_a_choice)
TEST(a_changed_file_replaces_the_table_and_a_bad_one_does_not)
TEST(a_change_of_rights_is_a_change)
TEST(a_file_that_no_descriptor_was_left_for_is_read_later)
TEST(what_cannot_wait_is_tried_again_and_the_end_frees_the_rest)
TEST(a_table_that_is_not_there_stops_the_start)
TEST(a_large_table_is_swapped_too)
TEST(rows_of_a_key_become_a_list_or_events)
TEST(each_row_finds_the_payload_as_it_came)
TEST(the_payload_keeps_its_numbers)

int main(void)
{
    static const struct kit_test tests[] = {
        {"the row goes into the payload", run_the_row_goes_into_the_payload},
        {"one column goes into a property", run_one_column_goes_into_a_property},
        {"a row goes into properties", run_a_row_goes_into_properties},
        {"a missing key is a choice", run_a_missing_key_is_a_choice},
        {"a changed file replaces the table, a bad one not",
         run_a_changed_file_replaces_the_table_and_a_bad_one_does_not},
        {"a change of rights is a change", run_a_change_of_rights_is_a_change},
        {"a file that no descriptor was left for is read later",
         run_a_file_that_no_descriptor_was_left_for_is_read_later},
        {"what cannot wait is tried again, the end frees",
         run_what_cannot_wait_is_tried_again_and_the_end_frees_the_rest},
        {"a table that is not there stops the start",
         run_a_table_that_is_not_there_stops_the_start},
        {"a large table is swapped, too", run_a_large_table_is_swapped_too},
        {"rows of a key become a list or events", run_rows_of_a_key_become_a_list_or_events},
        {"each row finds the payload as it came", run_each_row_finds_the_payload_as_it_came},
        {"the payload keeps its numbers", run_the_payload_keeps_its_numbers},
        {"wrong settings are refused", wrong_settings_are_refused},
        {0}};
    return kit_main("plugin-lookup", tests);
}
