/* SPDX-License-Identifier: Apache-2.0 */
/* Opens and closes the bridge for one test, and looks at what it did. */
#include "file_fixture.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct kit_host *host;
const struct mg_host *table;
mg_instance *instance;
mg_connection *connection;
static char folder[64];
struct mg_err err;

/* ---- files ---------------------------------------------------------------------------------- */

const char *in_folder(const char *name)
{
    static char paths[4][256];
    static unsigned next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof paths[0], "%s/%s", folder, name);
    return path;
}

void append(const char *name, const char *text)
{
    FILE *f = fopen(in_folder(name), "a");
    CU_ASSERT_PTR_NOT_NULL_FATAL(f);
    fputs(text, f);
    fclose(f);
}

bool file_is(const char *name, const char *expected)
{
    char text[8192];
    FILE *f = fopen(in_folder(name), "r");
    if (!f)
        return false;
    size_t n = fread(text, 1, sizeof text - 1, f);
    fclose(f);
    text[n] = '\0';
    if (strcmp(text, expected))
        fprintf(stderr, "%s is: %s\n", name, text);
    return !strcmp(text, expected);
}

/* ---- the bridge ----------------------------------------------------------------------------- */

void open_bridge(void)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    table = kit_host_table(host);
    char yaml[128];
    snprintf(yaml, sizeof yaml, "folder: %s", folder);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "files", settings, &instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_connection_open(instance, 0, &connection, &err), 0);
}

const struct mg_bridge_ops *ops(void)
{
    return mg_module(NULL)->ops;
}

mg_source *add_source(const char *address, const char *yaml, uint32_t *ret_abilities)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings =
        kit_settings(host, module->source_options, module->source_settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    struct mg_end end;
    CU_ASSERT_EQUAL_FATAL(ops()->end(NULL, MG_SOURCE, address, settings, &end, &err), 0);
    if (ret_abilities)
        *ret_abilities = end.abilities;
    mg_source *source;
    CU_ASSERT_EQUAL_FATAL(kit_source_open(connection, address, settings, &source, &err), 0);
    return source;
}

mg_sink *add_sink(const char *address, const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings =
        kit_settings(host, module->sink_options, module->sink_settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    mg_sink *sink;
    CU_ASSERT_EQUAL_FATAL(kit_sink_open(connection, address, settings, &sink, &err), 0);
    return sink;
}

void begin(uint32_t window)
{
    CU_ASSERT_EQUAL_FATAL(kit_connection_begin(connection, window, &err), 0);
}

void close_bridge(void)
{
    kit_connection_drain(connection);
    CU_ASSERT_EQUAL(kit_connection_close(connection, 5000), 0);
    CU_ASSERT_EQUAL(kit_unsettled_count(host), 0);
    kit_connection_destroy(connection);
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

bool come(size_t least)
{
    struct kit_count count = {host, least};
    return kit_run_until(host, kit_has_ingested, &count, 5000);
}

bool payload_at(size_t index, const char *expected)
{
    return index < kit_ingested_count(host) &&
           kit_payload_is(kit_ingested(host, index)->event, expected);
}

bool address_at(size_t index, const char *expected)
{
    return kit_str_is(table->event_head(kit_ingested(host, index)->event)->address, expected);
}

int send_to(mg_sink *sink, const char *payload, const char *path, const struct kit_sent **ret_sent)
{
    mg_event *event = kit_event("some/address", payload);
    int error = kit_send(sink, event, path, true, ret_sent, &err);
    table->event_unref(event);
    return error;
}

bool all_settled(void)
{
    return kit_run_until(host, kit_all_settled, host, 5000);
}

void in_a_folder_of_its_own(void (*run)(void))
{
    snprintf(folder, sizeof folder, "/tmp/meshgate-file-XXXXXX");
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(folder));
    run();
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    CU_ASSERT_EQUAL(system(command), 0);
}
