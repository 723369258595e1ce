/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "schema": options, what becomes of events, schemas out of files and YAML. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct kit_host *host;
static mg_instance *instance;
static struct mg_err err;
static char folder[64];

static int try_open(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    err = (struct mg_err){.text = ""};
    host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return kit_instance_create(host, module, "schema", settings, &instance, &err);
}

static void open_step(const char *yaml)
{
    int error = try_open(yaml);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static void close_step(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static void refused(const char *yaml, const char *option, const char *words)
{
    CU_ASSERT_EQUAL(try_open(yaml), -EINVAL);
    CU_ASSERT(err.option && !strcmp(err.option, option));
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, words));
    if (!strstr(err.text, words))
        fprintf(stderr, "said: %s\n", err.text);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t on(const char *payload)
{
    mg_event *event = kit_event("orders", payload);
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "route", NULL));
    uint32_t verdict = v.verdict;
    err = v.err;
    kit_verdict_fini(&v);
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static void says(const char *words)
{
    CU_ASSERT_STRING_EQUAL(err.text, words);
    if (strcmp(err.text, words) != 0)
        fprintf(stderr, "said: %s\n", err.text);
}

/* ---- files ---------------------------------------------------------------------------------- */

static const char *path_of(const char *name)
{
    static char path[200];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    return path;
}

static void write_file(const char *name, const char *text)
{
    FILE *out = fopen(path_of(name), "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    fputs(text, out);
    fclose(out);
}

static const char *yaml_with(const char *format)
{
    static char yaml[1000];
    const char *at = strstr(format, "DIR");
    size_t n = 0;
    for (; at; format = at + 3, at = strstr(format, "DIR"))
        n += (size_t)snprintf(yaml + n, sizeof yaml - n, "%.*s%s", (int)(at - format), format,
                              folder);
    snprintf(yaml + n, sizeof yaml - n, "%s", format);
    return yaml;
}

static void with_folder(void (*test)(void))
{
    static const char *const names[] = {"order.json", "parts/money.json", "parts/note.txt", "parts",
                                        "bad.json"};
    snprintf(folder, sizeof folder, "/tmp/meshgate-schema-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    CU_ASSERT_EQUAL_FATAL(mkdir(path_of("parts"), 0700), 0);
    write_file("order.json",
               "{\"properties\": {\"total\": {\"$ref\": \"parts/money.json#/$defs/amount\"}}}");
    write_file("parts/money.json",
               "{\"$defs\": {\"amount\": {\"type\": \"number\", \"minimum\": 0}}}");
    write_file("parts/note.txt", "no schema");
    write_file("bad.json", "{\n  \"type\": \"obj\"\n}\n");
    test();
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        remove(path_of(names[i]));
    CU_ASSERT_EQUAL(rmdir(folder), 0);
}

static void files_are_read(void)
{
    open_step(yaml_with("{file: DIR/order.json, schemas: DIR/parts}"));
    CU_ASSERT_EQUAL(on("{\"total\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("{\"total\":-1}"), MG_REJECT);
    says("data.total: must be at least 0, is -1 (money.json#/$defs/amount/minimum)");
    close_step();
    open_step(yaml_with("{schema: {$ref: 'file://DIR/order.json'}, schemas: [DIR/order.json, "
                        "DIR/parts/money.json]}"));
    CU_ASSERT_EQUAL(on("{\"total\":-1}"), MG_REJECT);
    close_step();
    refused(yaml_with("{file: DIR/order.json}"), "file", "$ref leads nowhere");
    refused(yaml_with("{file: DIR/bad.json}"), "file", "bad.json:2:11: ");
    refused(yaml_with("{file: DIR/none.json}"), "file", "none.json: No such file");
    refused(yaml_with("{file: DIR/order.json, schemas: DIR/none}"), "schemas",
            "none: No such file");
}

static uint32_t on_with(const char *payload, const char *name, const char *text)
{
    struct mg_message message = kit_message("orders", payload);
    const struct mg_property property = {kit_str(name),
                                         {.type = MG_TEXT, .as.text = kit_str(text)}};
    message.properties = &property;
    message.property_count = 1;
    mg_event *event = kit_host_table(host)->event_new(&message);
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "route", NULL));
    uint32_t verdict = v.verdict;
    err = v.err;
    kit_verdict_fini(&v);
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static void events_choose_their_schemas(void)
{
    write_file("order.json", "{\"$id\": \"https://example.com/order\", \"required\": [\"total\"]}");
    write_file("parts/money.json",
               "{\"$id\": \"https://example.com/money\", \"type\": \"number\"}");
    open_step(yaml_with("{by: dataschema, schemas: [DIR/order.json, DIR/parts]}"));
    CU_ASSERT_EQUAL(on_with("1", "dataschema", "https://example.com/money"), MG_PASS);
    CU_ASSERT_EQUAL(on_with("\"1\"", "ce-dataschema", "https://example.com/money#"), MG_REJECT);
    says("data: must be of type number, is \"1\" (money.json#/type)");
    CU_ASSERT_EQUAL(on_with("{}", "cloudEvents:dataschema", "https://example.com/order"),
                    MG_REJECT);
    says("data: must have the member \"total\" (order.json#/required)");
    CU_ASSERT_EQUAL(
        on("{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\",\"data\":"
           "{\"total\":1},\"dataschema\":\"https://example.com/order\"}"),
        MG_PASS);
    CU_ASSERT_EQUAL(on_with("1", "dataschema", "https://example.com/none"), MG_REJECT);
    says("dataschema: there is no schema https://example.com/none here");
    CU_ASSERT_EQUAL(on("1"), MG_REJECT);
    says("the event does not name its schema by dataschema");
    close_step();
    open_step(yaml_with("{by: dataschema, schemas: [DIR/order.json], schema: { type: boolean }}"));
    CU_ASSERT_EQUAL(on("true"), MG_PASS);
    CU_ASSERT_EQUAL(on("1"), MG_REJECT);
    CU_ASSERT_EQUAL(on_with("{\"total\":1}", "dataschema", "https://example.com/order"), MG_PASS);
    close_step();
    refused(yaml_with("{by: dataschema, schemas: [DIR/order.json, DIR/bad.json]}"), "schemas",
            "bad.json:2:11: ");
    refused("{by: dataschema}", "schemas", "name some");
}

static void a_schema_is_chosen_by_the_event(void)
{
    with_folder(events_choose_their_schemas);
}

static void schemas_come_out_of_files_and_folders(void)
{
    with_folder(files_are_read);
}

/* ---- settings ------------------------------------------------------------------------------- */

static void a_schema_is_needed_and_only_one(void)
{
    refused("{}", "schema", "a schema is needed");
    refused("{file: a.json, schema: {}}", "schema", "use one of them");
}

static void a_wrong_schema_in_yaml_is_refused_with_line_and_column(void)
{
    refused("schema:\n  properties:\n    a: { minimum: '1' }\n", "schema", ":3:19: ");
    refused("schema:\n  items: { pattern: '(' }\n", "schema",
            ":2:21: pattern has a pattern that is no "
            "regular expression");
    refused("schema: [1]", "schema", ":1:9: ");
}

static void yaml_means_what_json_would(void)
{
    open_step(
        "schema: { properties: { a: { const: 1 }, b: { const: '1' }, c: { const: null }, d: { "
        "const: true }, e: { const: yes }, f: { enum: [1.50, x] } } }");
    CU_ASSERT_EQUAL(on("{\"a\":1,\"b\":\"1\",\"c\":null,\"d\":true,\"e\":\"yes\",\"f\":1.5}"),
                    MG_PASS);
    CU_ASSERT_EQUAL(on("{\"b\":1}"), MG_REJECT);
    CU_ASSERT_EQUAL(on("{\"a\":\"1\"}"), MG_REJECT);
    CU_ASSERT_EQUAL(on("{\"c\":\"\"}"), MG_REJECT);
    close_step();
}

static void the_draft_is_that_of_schema_else_of_the_option(void)
{
    const char *event = "[1,2]", *items = "{ items: [ true ], additionalItems: false }";
    char yaml[200];
    snprintf(yaml, sizeof yaml, "{draft: draft-07, schema: %s}", items);
    open_step(yaml);
    CU_ASSERT_EQUAL(on(event), MG_REJECT);
    close_step();
    snprintf(yaml, sizeof yaml, "{schema: %s}", items); /* a list is no schema in 2020-12 */
    refused(yaml, "schema", "must be of type");
    open_step("schema: { $schema: 'http://json-schema.org/draft-07/schema#', items: [ true ], "
              "additionalItems: false }");
    CU_ASSERT_EQUAL(on(event), MG_REJECT);
    close_step();
}

/* ---- events --------------------------------------------------------------------------------- */

static void what_fits_passes_and_what_does_not_is_rejected(void)
{
    open_step("schema: { required: [ id ] }");
    CU_ASSERT_EQUAL(on("{\"id\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("{\"x\":1}"), MG_REJECT);
    says("data: must have the member \"id\" ((test)#/required)");
    CU_ASSERT_EQUAL(on("{"), MG_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "line 1, column 2"));
    CU_ASSERT_EQUAL(on(""), MG_REJECT);
    CU_ASSERT_EQUAL(kit_counter(instance, 0), 1);
    CU_ASSERT_EQUAL(kit_counter(instance, 1), 3);
    close_step();
    open_step("{schema: { required: [ id ] }, on_invalid: dead-letter}");
    CU_ASSERT_EQUAL(on("{}"), MG_REJECT);
    close_step();
    open_step("{schema: { required: [ id ] }, on_invalid: drop}");
    CU_ASSERT_EQUAL(on("{}"), MG_DROP);
    CU_ASSERT_NOT_EQUAL(err.text[0], '\0');
    close_step();
}

static void the_data_of_an_envelope_is_validated(void)
{
    const char *schema = "schema: { required: [ t ], type: object }";
    const char *envelope = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\","
                           "\"data\":{\"t\":1}}";
    const char *without = "{\"specversion\":\"1.0\",\"id\":\"1\",\"source\":\"s\",\"type\":\"t\","
                          "\"data_base64\":\"AA==\"}";
    char yaml[200];
    open_step(schema);
    CU_ASSERT_EQUAL(on(envelope), MG_PASS);
    CU_ASSERT_EQUAL(on("{\"t\":1}"), MG_PASS);
    CU_ASSERT_EQUAL(on("{\"data\":{\"t\":1}}"), MG_REJECT); /* no envelope */
    CU_ASSERT_EQUAL(on(without), MG_REJECT);
    says("data: the event has no data that is JSON");
    close_step();
    snprintf(yaml, sizeof yaml, "{%s, of: payload}", schema);
    open_step(yaml);
    CU_ASSERT_EQUAL(on(envelope), MG_REJECT);
    says("payload: must have the member \"t\" ((test)#/required)");
    close_step();
}

static void tagged_events_go_on_and_say_whether_they_fit(void)
{
    open_step(
        "{schema: { properties: { a: { type: number }, b: { type: number } } }, on_invalid: tag, "
        "errors: 2}");
    const struct mg_host *table = kit_host_table(host);
    for (int fits = 0; fits < 2; fits++) {
        struct mg_message message =
            kit_message("orders", fits ? "{}" : "{\"a\":\"\",\"b\":\"\",\"a\":null}");
        const struct mg_property lies[] = {
            {kit_str("schema-valid"), {.type = MG_TEXT, .as.text = kit_str("yes")}},
            {kit_str("schema-error"), {.type = MG_TEXT, .as.text = kit_str("none")}},
            {kit_str("other"), {.type = MG_TEXT, .as.text = kit_str("stays")}}};
        message.properties = lies;
        message.property_count = 3;
        mg_event *event = table->event_new(&message);
        struct kit_verdict v = kit_process(instance, event, kit_scope(host, "route", NULL));
        CU_ASSERT_EQUAL_FATAL(v.verdict, MG_REPLACE);
        size_t count;
        struct mg_value value;
        table->event_properties(v.events[0], &count);
        CU_ASSERT_EQUAL(count, fits ? 2 : 3);
        CU_ASSERT(table->event_find(v.events[0], kit_str("schema-valid"), &value));
        CU_ASSERT(value.type == MG_BOOL && value.as.b == (fits == 1));
        CU_ASSERT_EQUAL(table->event_find(v.events[0], kit_str("schema-error"), &value), !fits);
        if (!fits)
            CU_ASSERT(
                kit_str_is(value.as.text,
                           "data.a: must be of type number, is \"\" ((test)#/properties/a/type); "
                           "data.b: must be of type number, is \"\" ((test)#/properties/b/type)"));
        kit_verdict_fini(&v);
        table->event_unref(event);
    }
    close_step();
}

static void too_much_is_refused(void)
{
    open_step("{schema: true, max_size: 8}");
    CU_ASSERT_EQUAL(on("[1,2,34]"), MG_PASS);
    CU_ASSERT_EQUAL(on("[1,2,345]"), MG_REJECT);
    says("the payload of 9 bytes is larger than max_size");
    close_step();
    open_step("{schema: { pattern: '^(a+)+$' }}");
    CU_ASSERT_EQUAL(on("\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab\""), MG_REJECT);
    says("data: a pattern takes too long on one of its texts");
    CU_ASSERT_EQUAL(kit_counter(instance, 2), 1);
    close_step();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(schemas_come_out_of_files_and_folders)},
        {KIT_TEST(a_schema_is_chosen_by_the_event)},
        {KIT_TEST(a_schema_is_needed_and_only_one)},
        {KIT_TEST(a_wrong_schema_in_yaml_is_refused_with_line_and_column)},
        {KIT_TEST(yaml_means_what_json_would)},
        {KIT_TEST(the_draft_is_that_of_schema_else_of_the_option)},
        {KIT_TEST(what_fits_passes_and_what_does_not_is_rejected)},
        {KIT_TEST(the_data_of_an_envelope_is_validated)},
        {KIT_TEST(tagged_events_go_on_and_say_whether_they_fit)},
        {KIT_TEST(too_much_is_refused)},
        {0}};
    return kit_main("plugin-schema", tests);
}
