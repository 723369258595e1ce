/* SPDX-License-Identifier: Apache-2.0 */
/* The enricher "lookup": tables, what goes where, waiting for the first load, and reloading. */
#include "bind.h"
#include "fake_host.h"
#include "table.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static struct kit_host *host;
static const struct mg_host *table_of_host;
static mg_instance *instance;
static char folder[64];
static struct mg_err err;

/* ---- tables --------------------------------------------------------------------------------- */

static struct table *parse(const struct table_options *options, const char *text, const char *fault)
{
    struct table *t = NULL;
    err.text[0] = '\0';
    int error = table_parse(options, text, strlen(text), &t, &err);
    if (!fault) {
        if (error)
            fprintf(stderr, "%s\n%s\n", text, err.text);
        CU_ASSERT_EQUAL_FATAL(error, 0);
        return t;
    }
    CU_ASSERT_EQUAL(error, -EINVAL);
    if (!strstr(err.text, fault))
        fprintf(stderr, "%s\n%s\n", text, err.text);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, fault));
    return NULL;
}

static bool row_is(const struct table *t, const char *key, const char *expected)
{
    json_t *row = table_find(t, key);
    char *text = row ? json_dumps(row, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
    bool same = text && !strcmp(text, expected);
    if (!same)
        fprintf(stderr, "%s: %s\n", key, text ? text : "none");
    free(text);
    return same;
}

static void csv_is_read_as_rfc_4180_says(void)
{
    struct table_options o = {.format = TABLE_CSV, .delimiter = ','};
    struct table *t = parse(&o,
                            "\xef\xbb\xbf"
                            "id,a,b\r\n"
                            "\r\n"
                            "1,\"x, \"\"y\"\"\r\nz\",\n"
                            "\"2\",,\" \"\n"
                            "3,7,true",
                            NULL);
    CU_ASSERT_EQUAL(table_count(t), 3);
    CU_ASSERT_TRUE(row_is(t, "1", "{\"a\":\"x, \\\"y\\\"\\r\\nz\",\"b\":\"\"}"));
    CU_ASSERT_TRUE(row_is(t, "2", "{\"a\":\"\",\"b\":\" \"}"));
    CU_ASSERT_TRUE(row_is(t, "3", "{\"a\":\"7\",\"b\":\"true\"}"));
    table_unref(t);
    o.typed = true;
    o.delimiter = ';';
    o.key_column = "b";
    t = parse(&o, "a;b;c\n7;k;\"7\"\n-1.5;l;x\n;m;null\n", NULL);
    CU_ASSERT_TRUE(row_is(t, "k", "{\"a\":7,\"c\":\"7\"}"));
    CU_ASSERT_TRUE(row_is(t, "l", "{\"a\":-1.5,\"c\":\"x\"}"));
    CU_ASSERT_TRUE(row_is(t, "m", "{\"a\":\"\",\"c\":null}"));
    table_unref(t);
}

static void columns_are_chosen(void)
{
    static const char *const two[] = {"c", "id"};
    struct table_options o = {
        .format = TABLE_CSV, .delimiter = ',', .columns = two, .column_count = 2};
    struct table *t = parse(&o, "id,b,c\nx,1,2\n", NULL);
    CU_ASSERT_TRUE(row_is(t, "x", "{\"id\":\"x\",\"c\":\"2\"}"));
    table_unref(t);
    o.column_count = 0;
    o.column = "b";
    t = parse(&o, "id,b,c\nx,1,2\n", NULL);
    CU_ASSERT_TRUE(row_is(t, "x", "\"1\""));
    table_unref(t);
    o.format = TABLE_JSON;
    t = parse(&o, "{\"x\":{\"b\":[1]},\"y\":{\"c\":2}}", NULL);
    CU_ASSERT_TRUE(row_is(t, "x", "[1]"));
    CU_ASSERT_PTR_NULL(table_find(t, "y"));
    table_unref(t);
}

static void json_tables_are_objects_or_lists(void)
{
    struct table_options o = {.format = TABLE_JSON};
    struct table *t = parse(&o, "{\"m1\":{\"hall\":\"north\"},\"m2\":7}", NULL);
    CU_ASSERT_TRUE(row_is(t, "m1", "{\"hall\":\"north\"}"));
    CU_ASSERT_TRUE(row_is(t, "m2", "7"));
    table_unref(t);
    o.key_column = "id";
    t = parse(&o, "[{\"id\":1,\"a\":2},{\"id\":\"x\",\"a\":null}]", NULL);
    CU_ASSERT_TRUE(row_is(t, "1", "{\"a\":2}"));
    CU_ASSERT_TRUE(row_is(t, "x", "{\"a\":null}"));
    table_unref(t);
}

static void faults_of_tables_name_their_place(void)
{
    struct table_options csv = {.format = TABLE_CSV, .delimiter = ','},
                         json = {.format = TABLE_JSON};
    parse(&csv, "", "line 1");
    parse(&csv, "a,a\n", "two columns \"a\"");
    parse(&csv, "a,\n", "column 2 has no name");
    parse(&csv, "a,b\n1,2\n3\n", "line 3: 1 cells where there are 2");
    parse(&csv, "a,b\n1,2\n\n1,3\n", "line 4: the key \"1\" is there twice");
    parse(&csv, "a,b\n1,\"2\n\n", "line 2: a quoted cell without");
    parse(&csv, "a,b\n1,\"2\"x\n", "line 2: text behind");
    parse(&csv, "a,b\n1,\xff\n", "line 2: column 2 is not UTF-8");
    csv.key_column = "id";
    parse(&csv, "a,b\n", "no column \"id\"; there are a, b");
    parse(&json, "{\"a\":1,\n\"a\":2}", "line 2");
    parse(&json, "[]", "needs key_column");
    json.key_column = "id";
    parse(&json, "{}", "key_column is for a list");
    parse(&json, "[{\"id\":1},{\"x\":1}]", "row 2: \"id\" must be there");
    parse(&json, "[{\"id\":1},{\"id\":\"1\"}]", "there twice");
}

static void damaged_csv_never_crashes(void)
{
    static const char good[] = "id,a,b\r\n1,\"x, \"\"y\"\"\n\",2\n\"2\",,3\n";
    struct table_options o = {.format = TABLE_CSV, .delimiter = ','};
    uint32_t state = 99;
    for (int i = 0; i < 20000; i++) {
        char text[sizeof good];
        memcpy(text, good, sizeof good);
        size_t n = sizeof good - 1;
        for (int k = 0; k < 3; k++) {
            state = state * 1664525u + 1013904223u;
            static const char bytes[] = "\",\r\n\0x1";
            text[(state >> 8) % n] = bytes[(state >> 20) % 7];
        }
        struct table *t = NULL;
        if (!table_parse(&o, text, n - (state >> 28), &t, &err))
            table_unref(t);
    }
}

/* ---- the enricher --------------------------------------------------------------------------- */

static const char *in_folder(const char *name)
{
    static char path[128];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_table(const char *name, const char *text)
{
    char final[128];
    snprintf(final, sizeof final, "%s", in_folder(name));
    FILE *f = fopen(in_folder("new"), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
    CU_ASSERT_EQUAL(rename(in_folder("new"), final), 0);
}

static void open_lookup(const char *name, const char *more)
{
    const struct mg_module *module = mg_module(NULL);
    char yaml[512];
    snprintf(yaml, sizeof yaml, "{table: %s, key: '{machine}', reload: 10ms, %s}", in_folder(name),
             more);
    host = kit_host_create();
    table_of_host = kit_host_table(host);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    int error = kit_instance_create(host, module, "lookup", settings, &instance, &err);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static bool no_job(void *unused)
{
    (void)unused;
    return kit_live_handles(host) == 0;
}

static void close_lookup(void)
{
    kit_instance_drain(instance);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_TRUE(
        kit_run_until(host, no_job, NULL, 5000)); /* a last look at the file may be under way */
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static struct kit_verdict enrich(const char *machine, const char *payload)
{
    mg_event *event = kit_event("plant/a/x", payload);
    struct kit_verdict v =
        kit_process(instance, event, kit_scope(host, "route", "machine", machine, NULL));
    err = v.err;
    table_of_host->event_unref(event);
    return v;
}

static void expect(const char *machine, const char *payload, uint32_t verdict, const char *expected)
{
    struct kit_verdict v = enrich(machine, payload);
    CU_ASSERT_EQUAL(v.verdict, verdict);
    CU_ASSERT_EQUAL_FATAL(v.count, expected ? 1 : 0);
    if (expected && !kit_payload_is(v.events[0], expected)) {
        struct mg_bytes p = table_of_host->event_payload(v.events[0]);
        fprintf(stderr, "%.*s\n", (int)p.len, (const char *)p.at);
    }
    if (expected)
        CU_ASSERT_TRUE(kit_payload_is(v.events[0], expected));
    kit_verdict_fini(&v);
}

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

static bool loaded_twice(void *unused)
{
    (void)unused;
    return kit_counter(instance, 1) >= 2;
}

static bool load_failed(void *unused)
{
    (void)unused;
    return kit_counter(instance, 2) >= 1;
}

static void a_changed_file_replaces_the_table_and_a_bad_one_does_not(void)
{
    write_table("t.csv", "machine,hall\nm1,north\n");
    open_lookup("t.csv", "into: h, column: hall");
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"north\"}");
    write_table("t.csv", "machine,hall\nm1,north\nm1,twice\n");
    CU_ASSERT_TRUE(kit_run_until(host, load_failed, NULL, 5000));
    CU_ASSERT_TRUE(kit_logged(host, MG_ERROR, "line 3"));
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"north\"}");
    write_table("t.csv", "machine,hall\nm1,south\n");
    CU_ASSERT_TRUE(kit_run_until(host, loaded_twice, NULL, 5000));
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"south\"}");
    unlink(in_folder("t.csv"));
    kit_run_until(host, NULL, NULL, 50);
    expect("m1", "{}", MG_REPLACE, "{\"h\":\"south\"}");
    CU_ASSERT_EQUAL(kit_counter(instance, 2), 2); /* said once, not at every look */
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
    CU_ASSERT_TRUE(kit_run_until(host, load_failed, NULL, 5000));
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
    CU_ASSERT_TRUE(kit_run_until(host, no_job, NULL, 5000));
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

static void wrong_settings_are_refused(void)
{
    static const char *const wrong[][2] = {
        {"into: 'property:'", "into"},
        {"into: a..b", "into"},
        {"into: .", "into"},
        {"into: data", "into"},
        {"into: m, column: a, columns: [b]", "columns"},
        {"into: m, delimiter: '\"'", "delimiter"},
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

static void in_a_folder_of_its_own(void (*run)(void))
{
    snprintf(folder, sizeof folder, "/tmp/meshgate-lookup-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    run();
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CU_ASSERT_EQUAL(system(command), 0);
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
TEST(what_cannot_wait_is_tried_again_and_the_end_frees_the_rest)
TEST(a_table_that_is_not_there_stops_the_start)

int main(void)
{
    static const struct kit_test tests[] = {
        {"CSV is read as RFC 4180 says", csv_is_read_as_rfc_4180_says},
        {"columns are chosen", columns_are_chosen},
        {"JSON tables are objects or lists", json_tables_are_objects_or_lists},
        {"faults of tables name their place", faults_of_tables_name_their_place},
        {"damaged CSV never crashes", damaged_csv_never_crashes},
        {"the row goes into the payload", run_the_row_goes_into_the_payload},
        {"one column goes into a property", run_one_column_goes_into_a_property},
        {"a row goes into properties", run_a_row_goes_into_properties},
        {"a missing key is a choice", run_a_missing_key_is_a_choice},
        {"a changed file replaces the table, a bad one not",
         run_a_changed_file_replaces_the_table_and_a_bad_one_does_not},
        {"what cannot wait is tried again, the end frees",
         run_what_cannot_wait_is_tried_again_and_the_end_frees_the_rest},
        {"a table that is not there stops the start",
         run_a_table_that_is_not_there_stops_the_start},
        {"wrong settings are refused", wrong_settings_are_refused},
        {0}};
    return kit_main("plugin-lookup", tests);
}
