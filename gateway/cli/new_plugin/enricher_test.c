/* SPDX-License-Identifier: Apache-2.0 */
/* my-plugin under a host that plays the gateway: settings from YAML, events in, verdicts out. */
#include <CUnit/CUnit.h>
#include <meshgate/kit/bind.h>
#include <meshgate/kit/fake_host.h>
#include <meshgate/kit/unit.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static struct kit_host *host;
static mg_instance *enricher;
static char file[] = "/tmp/my-plugin-XXXXXX";

static void write_file(const char *text)
{
    FILE *out = fopen(file, "w");
    CU_ASSERT_PTR_NOT_NULL_FATAL(out);
    CU_ASSERT(fputs(text, out) >= 0);
    CU_ASSERT_EQUAL(fclose(out), 0);
}

static void create(void)
{
    const struct mg_module *module = mg_module(NULL);
    struct mg_err err = {0};
    char yaml[128];
    host = kit_host_create();
    snprintf(yaml, sizeof yaml, "{ file: %s, into: shift }", file);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "test", settings, &enricher, &err), 0);
}

static void destroy(void)
{
    kit_instance_destroy(enricher);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0); /* nothing of the contract was broken */
}

static struct kit_verdict process(void)
{
    mg_event *event = kit_event("plant/a", "21.5");
    struct kit_verdict verdict = kit_process(enricher, event, kit_scope(host, "route", NULL));
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static void the_first_line_becomes_a_property(void)
{
    struct mg_value value = {0};
    write_file("night\nday\n");
    create();
    struct kit_verdict verdict = process();
    CU_ASSERT(verdict.pended); /* the shard did not wait for the disk */
    CU_ASSERT_EQUAL_FATAL(verdict.verdict, MG_REPLACE);
    CU_ASSERT_EQUAL_FATAL(verdict.count, 1);
    CU_ASSERT(kit_host_table(host)->event_find(verdict.events[0], kit_str("shift"), &value) &&
              kit_str_is(value.as.text, "night"));
    CU_ASSERT(kit_payload_is(verdict.events[0], "21.5"));
    kit_verdict_fini(&verdict);
    destroy();
}

static void a_file_that_is_away_is_tried_again(void)
{
    CU_ASSERT_EQUAL(unlink(file), 0);
    create();
    struct kit_verdict verdict = process();
    CU_ASSERT_EQUAL(verdict.verdict, MG_RETRY);
    CU_ASSERT_EQUAL(kit_counter(enricher, 0), 1);
    kit_verdict_fini(&verdict);
    write_file("day");
    verdict = process();
    CU_ASSERT_EQUAL(verdict.verdict, MG_REPLACE);
    kit_verdict_fini(&verdict);
    destroy();
}

static void a_gateway_takes_the_module(void)
{
    struct mg_err err = {0};
    CU_ASSERT_EQUAL(kit_module_check(mg_module(NULL), &err), 0);
    CU_ASSERT_STRING_EQUAL(err.text, "");
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(the_first_line_becomes_a_property)},
        {KIT_TEST(a_file_that_is_away_is_tried_again)},
        {KIT_TEST(a_gateway_takes_the_module)},
        {NULL, NULL},
    };
    int made = mkstemp(file);
    if (made < 0)
        return 1;
    close(made);
    int result = kit_main("my-plugin", tests);
    unlink(file);
    return result;
}
