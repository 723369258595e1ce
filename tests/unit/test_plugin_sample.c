/* SPDX-License-Identifier: Apache-2.0 */
/* The filter "sample": which of many events pass. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *instance;
static struct mg_err err;

enum { LEFT_OUT, FORGOTTEN, REPEATED };

static void open_filter(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "sample", settings, &instance, &err),
                          0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static void close_filter(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t send(const char *address, bool duplicate)
{
    struct mg_message m = kit_message(address, "");
    m.head.duplicate = duplicate;
    mg_event *event = kit_host_table(host)->event_new(&m);
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "route", NULL));
    uint32_t verdict = v.verdict;
    err = v.err;
    kit_verdict_fini(&v);
    kit_host_table(host)->event_unref(event);
    return verdict;
}

static uint32_t on(const char *address)
{
    return send(address, false);
}

static void the_first_of_each_n_passes(void)
{
    open_filter("{every: 3}");
    for (int i = 0; i < 10; i++)
        CU_ASSERT_EQUAL(on(i % 2 ? "a" : "b"), i % 3 ? MG_DROP : MG_PASS);
    CU_ASSERT_EQUAL(kit_counter(instance, LEFT_OUT), 6);
    CU_ASSERT_STRING_EQUAL(err.text, "");
    CU_ASSERT_EQUAL(on("a"), MG_DROP);
    CU_ASSERT_STRING_EQUAL(err.text, "not in the sample");
    close_filter();
    open_filter("{every: 1}");
    CU_ASSERT_EQUAL(on("a"), MG_PASS);
    CU_ASSERT_EQUAL(on("a"), MG_PASS);
    close_filter();
}

static void keys_are_counted_apart(void)
{
    open_filter("{every: 2, key: '{event.address}', max_keys: 2}");
    CU_ASSERT_EQUAL(on("a"), MG_PASS);
    CU_ASSERT_EQUAL(on("b"), MG_PASS);
    CU_ASSERT_EQUAL(on("a"), MG_DROP);
    CU_ASSERT_EQUAL(on("a"), MG_PASS);
    CU_ASSERT_EQUAL(on("c"), MG_PASS); /* b is forgotten */
    CU_ASSERT_EQUAL(kit_counter(instance, FORGOTTEN), 1);
    CU_ASSERT_EQUAL(on("b"), MG_PASS); /* a is */
    CU_ASSERT_EQUAL(on("c"), MG_DROP);
    close_filter();
}

static void a_repetition_passes_uncounted(void)
{
    open_filter("{every: 2}");
    CU_ASSERT_EQUAL(on("a"), MG_PASS);
    CU_ASSERT_EQUAL(send("a", true), MG_PASS);
    CU_ASSERT_EQUAL(send("a", true), MG_PASS);
    CU_ASSERT_EQUAL(on("a"), MG_DROP);
    CU_ASSERT_EQUAL(on("a"), MG_PASS);
    CU_ASSERT_EQUAL(kit_counter(instance, REPEATED), 2);
    close_filter();
    open_filter("{share: 0%}");
    CU_ASSERT_EQUAL(on("a"), MG_DROP);
    CU_ASSERT_EQUAL(send("a", true), MG_PASS);
    close_filter();
    open_filter("{share: 0%, key: '{event.address}'}"); /* the verdict is the same each time */
    CU_ASSERT_EQUAL(send("a", true), MG_DROP);
    close_filter();
}

/* Of keys 0..count-1. */
static size_t chosen(const char *yaml, size_t count, bool *ret_in)
{
    size_t sum = 0;
    open_filter(yaml);
    for (size_t i = 0; i < count; i++) {
        char name[24];
        snprintf(name, sizeof name, "trace-%zu", i);
        bool in = on(name) == MG_PASS;
        CU_ASSERT_EQUAL(on(name) == MG_PASS, in);
        sum += in;
        if (ret_in)
            ret_in[i] = in;
    }
    close_filter();
    return sum;
}

static void a_share_of_keys_is_the_same_everywhere(void)
{
    enum { COUNT = 4000 };
    static bool ten[COUNT], again[COUNT], twenty[COUNT], other[COUNT];
    size_t sum = chosen("{share: 10%, key: '{event.address}'}", COUNT, ten);
    CU_ASSERT(sum > COUNT / 10 - 80 && sum < COUNT / 10 + 80); /* four times what chance does */
    chosen("{share: '0.1', key: '{event.address}'}", COUNT, again);
    CU_ASSERT_EQUAL(memcmp(ten, again, sizeof ten), 0);
    chosen("{share: 20%, key: '{event.address}'}", COUNT, twenty);
    for (size_t i = 0; i < COUNT; i++)
        CU_ASSERT(!ten[i] || twenty[i]);
    sum = chosen("{share: 10%, key: '{event.address}', salt: other}", COUNT, other);
    CU_ASSERT(sum > COUNT / 10 - 80 && sum < COUNT / 10 + 80);
    CU_ASSERT_NOT_EQUAL(memcmp(ten, other, sizeof ten), 0);
    CU_ASSERT_EQUAL(chosen("{share: 100%, key: '{event.address}'}", 100, NULL), 100);
    CU_ASSERT_EQUAL(chosen("{share: 0.0, key: '{event.address}'}", 100, NULL), 0);
}

static void a_share_by_chance_is_about_that_many(void)
{
    enum { COUNT = 10000 };
    size_t sum = 0;
    open_filter("{share: 25%}");
    for (int i = 0; i < COUNT; i++)
        sum += on("a") == MG_PASS;
    CU_ASSERT(sum > COUNT / 4 - 300 && sum < COUNT / 4 + 300); /* seven times what chance does */
    close_filter();
    open_filter("{share: 1.0}");
    for (int i = 0; i < 100; i++)
        CU_ASSERT_EQUAL(on("a"), MG_PASS);
    close_filter();
}

static void without_a_key_an_event_is_rejected(void)
{
    open_filter("{every: 2, key: '{property.none}'}");
    CU_ASSERT_EQUAL(on("a"), MG_REJECT);
    CU_ASSERT_PTR_NOT_NULL(strstr(err.text, "none"));
    close_filter();
}

static void wrong_settings_are_refused(void)
{
    static const char *const wrong[][2] = {
        {"{}", "every"},
        {"{every: 2, share: 1%}", "share"},
        {"{share: 101%}", "share"},
        {"{share: '5'}", "share"},
        {"{share: -1%}", "share"},
        {"{share: nan}", "share"},
        {"{share: 1%%}", "share"},
        {"{share: half}", "share"},
        {"{every: 2, salt: x}", "salt"},
        {"{share: 1%, salt: x}", "salt"},
    };
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const void *settings =
            kit_settings(host, module->options, module->settings_size, wrong[i][0]);
        CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
        err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(module->check(settings, &err), -EINVAL);
        CU_ASSERT_PTR_NOT_NULL_FATAL(err.option);
        CU_ASSERT_STRING_EQUAL(err.option, wrong[i][1]);
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

int main(void)
{
    static const struct kit_test tests[] = {{KIT_TEST(the_first_of_each_n_passes)},
                                            {KIT_TEST(keys_are_counted_apart)},
                                            {KIT_TEST(a_repetition_passes_uncounted)},
                                            {KIT_TEST(a_share_of_keys_is_the_same_everywhere)},
                                            {KIT_TEST(a_share_by_chance_is_about_that_many)},
                                            {KIT_TEST(without_a_key_an_event_is_rejected)},
                                            {KIT_TEST(wrong_settings_are_refused)},
                                            {0}};
    return kit_main("plugin-sample", tests);
}
