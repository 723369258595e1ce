/* SPDX-License-Identifier: Apache-2.0 */
/* The filter "rate": what passes in which time. */
#include "bind.h"
#include "fake_host.h"
#include "limit.h"
#include "unit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *instance;
static struct mg_err err;

enum { OVER, FORGOTTEN, REPEATED };

static void open_filter(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    host = kit_host_create();
    kit_clock_by_hand(host);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    CU_ASSERT_EQUAL_FATAL(kit_instance_create(host, module, "rate", settings, &instance, &err), 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static void close_filter(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t send(const char *address, const char *payload, bool duplicate)
{
    struct mg_message m = kit_message(address, payload);
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
    return send(address, "", false);
}

/* How many of `count` events pass at once. */
static int burst(const char *address, int count)
{
    int passed = 0;
    for (int i = 0; i < count; i++)
        passed += on(address) == MG_PASS;
    return passed;
}

static void a_burst_passes_and_then_the_rate(void)
{
    open_filter("{rate: 10/s, burst: 3}");
    CU_ASSERT_EQUAL(burst("a", 5), 3);
    CU_ASSERT_EQUAL(kit_counter(instance, OVER), 2);
    CU_ASSERT_STRING_EQUAL(err.text, "more than 10/s");
    kit_clock_advance_ms(host, 99);
    CU_ASSERT_EQUAL(on("a"), MG_DROP);
    kit_clock_advance_ms(host, 1);
    CU_ASSERT_EQUAL(burst("b", 2), 1); /* no key: all together */
    kit_clock_advance_ms(host, 250);   /* half a token is kept */
    CU_ASSERT_EQUAL(burst("a", 5), 2);
    kit_clock_advance_ms(host, 50);
    CU_ASSERT_EQUAL(burst("a", 5), 1);
    kit_clock_advance_ms(host, 3600000); /* no more than the burst */
    CU_ASSERT_EQUAL(burst("a", 10), 3);
    close_filter();
}

static void without_a_burst_it_is_the_rates_own_number(void)
{
    open_filter("{rate: 4/m}");
    CU_ASSERT_EQUAL(burst("a", 9), 4);
    kit_clock_advance_ms(host, 14999);
    CU_ASSERT_EQUAL(burst("a", 9), 0);
    kit_clock_advance_ms(host, 1);
    CU_ASSERT_EQUAL(burst("a", 9), 1);
    close_filter();
    open_filter("{rate: 1/30s}");
    CU_ASSERT_EQUAL(burst("a", 9), 1);
    kit_clock_advance_ms(host, 29999);
    CU_ASSERT_EQUAL(burst("a", 9), 0);
    kit_clock_advance_ms(host, 1);
    CU_ASSERT_EQUAL(burst("a", 9), 1);
    close_filter();
}

static void each_key_has_its_own(void)
{
    open_filter("{rate: 2/s, key: '{event.address}', max_keys: 2, otherwise: reject}");
    CU_ASSERT_EQUAL(burst("a", 3), 2);
    CU_ASSERT_EQUAL(burst("b", 3), 2);
    CU_ASSERT_EQUAL(on("a"), MG_REJECT);
    CU_ASSERT_STRING_EQUAL(err.text, "more than 2/s of \"a\"");
    CU_ASSERT_EQUAL(burst("c", 3), 2); /* b is forgotten */
    CU_ASSERT_EQUAL(on("a"), MG_REJECT);
    CU_ASSERT_EQUAL(burst("b", 3), 2);
    CU_ASSERT_EQUAL(kit_counter(instance, FORGOTTEN), 2);
    close_filter();
}

static void bytes_are_limited_too(void)
{
    open_filter("{bytes: 10B/s, burst_bytes: 20}");
    CU_ASSERT_EQUAL(send("a", "123456789012", false), MG_PASS);
    CU_ASSERT_EQUAL(send("a", "123456789", false), MG_DROP); /* 8 left */
    CU_ASSERT_STRING_EQUAL(err.text, "more than 10B/s");
    CU_ASSERT_EQUAL(send("a", "12345678", false), MG_PASS);
    CU_ASSERT_EQUAL(send("a", "", false), MG_PASS);
    CU_ASSERT_EQUAL(send("a", "1", false), MG_DROP);
    kit_clock_advance_ms(host, 100);
    CU_ASSERT_EQUAL(send("a", "1", false), MG_PASS);
    close_filter();
}

static void what_is_larger_than_a_burst_is_paid_back(void)
{
    open_filter("{bytes: 4B/s}");
    CU_ASSERT_EQUAL(send("a", "123456789012", false), MG_PASS); /* 8 too much */
    kit_clock_advance_ms(host, 2000);
    CU_ASSERT_EQUAL(send("a", "1", false), MG_DROP);
    kit_clock_advance_ms(host, 250);
    CU_ASSERT_EQUAL(send("a", "1", false), MG_PASS);
    kit_clock_advance_ms(host, 999);
    CU_ASSERT_EQUAL(send("a", "123456789012", false), MG_DROP);
    kit_clock_advance_ms(host, 1);
    CU_ASSERT_EQUAL(send("a", "123456789012", false), MG_PASS);
    close_filter();
}

static void both_limits_must_have_room(void)
{
    open_filter("{rate: 2/s, bytes: 5B/s}");
    CU_ASSERT_EQUAL(send("a", "12345", false), MG_PASS);
    CU_ASSERT_EQUAL(send("a", "1", false), MG_DROP);
    CU_ASSERT_STRING_EQUAL(err.text, "more than 5B/s");
    CU_ASSERT_EQUAL(send("a", "", false), MG_PASS); /* what was dropped has taken nothing */
    CU_ASSERT_EQUAL(send("a", "", false), MG_DROP);
    CU_ASSERT_STRING_EQUAL(err.text, "more than 2/s");
    close_filter();
}

static void a_repetition_passes_or_counts(void)
{
    open_filter("{rate: 1/s}");
    CU_ASSERT_EQUAL(send("a", "", true), MG_PASS);
    CU_ASSERT_EQUAL(on("a"), MG_PASS);
    CU_ASSERT_EQUAL(send("a", "", true), MG_PASS);
    CU_ASSERT_EQUAL(on("a"), MG_DROP);
    CU_ASSERT_EQUAL(kit_counter(instance, REPEATED), 2);
    close_filter();
    open_filter("{rate: 1/s, repeated: count}");
    CU_ASSERT_EQUAL(send("a", "", true), MG_PASS);
    CU_ASSERT_EQUAL(send("a", "", true), MG_DROP);
    close_filter();
}

/* Over any time no rate is rounded: each microsecond counts, and so does a year. */
static void no_token_is_lost_or_made(void)
{
    static const struct limit limits[] = {
        {3, 1000000, 3},
        {7, 3000, 100},
        {1, UINT64_C(86400000000), 1},
        {UINT64_C(1) << 50, UINT64_C(86400000000), UINT64_C(1) << 50},
        {UINT64_C(1) << 50, 1000, UINT64_C(1) << 40},
        {999999937, UINT64_C(86399999999), 5},
    };
    uint32_t state = 7;
    for (size_t i = 0; i < sizeof limits / sizeof limits[0]; i++) {
        const struct limit *l = &limits[i];
        struct bucket b;
        unsigned __int128 elapsed = 0, taken = 0;
        bucket_fill(&b, l);
        bucket_take(&b, l, l->burst);
        for (int step = 0; step < 5000; step++) {
            state = state * 1664525u + 1013904223u;
            uint64_t us = state >> (state & 31);
            bucket_earn(&b, l, us);
            elapsed += us;
            uint64_t have = b.tokens > 0 ? (uint64_t)b.tokens : 0;
            if (have == l->burst) { /* full: what came beyond is gone; begin again */
                bucket_take(&b, l, have);
                elapsed = taken = 0;
                continue;
            }
            bucket_take(&b, l, have);
            taken += have;
            CU_ASSERT(taken == elapsed * l->amount / l->period_us);
        }
    }
    struct bucket b = {.tokens = -5};
    bucket_earn(&b, &limits[4], UINT64_MAX);
    CU_ASSERT(b.tokens == (int64_t)limits[4].burst);
}

static void rates_are_read(void)
{
    static const struct {
        const char *text;
        enum limit_unit unit;
        uint64_t amount, period_us; /* amount 0: refused */
    } rates[] = {
        {"100/s", LIMIT_EVENTS, 100, 1000000},
        {"1/30s", LIMIT_EVENTS, 1, 30000000},
        {"5/250ms", LIMIT_EVENTS, 5, 250000},
        {"2/0.5s", LIMIT_EVENTS, 2, 500000},
        {"10/m", LIMIT_EVENTS, 10, 60000000},
        {"10/h", LIMIT_EVENTS, 10, 3600000000},
        {"1000000/d", LIMIT_EVENTS, 1000000, 86400000000},
        {"64KiB/s", LIMIT_BYTES, 65536, 1000000},
        {"1.5MiB/s", LIMIT_BYTES, 1572864, 1000000},
        {"10MB/5m", LIMIT_BYTES, 10000000, 300000000},
        {"500/s", LIMIT_BYTES, 500, 1000000},
        {"500B/s", LIMIT_BYTES, 500, 1000000},
        {"64KiB/s", LIMIT_EVENTS, 0, 0},
        {"0/s", LIMIT_EVENTS, 0, 0},
        {"1.5/s", LIMIT_EVENTS, 0, 0},
        {"-1/s", LIMIT_EVENTS, 0, 0},
        {"1/0s", LIMIT_EVENTS, 0, 0},
        {"1/2d", LIMIT_EVENTS, 0, 0},
        {"1/", LIMIT_EVENTS, 0, 0},
        {"/s", LIMIT_EVENTS, 0, 0},
        {"1", LIMIT_EVENTS, 0, 0},
        {"1/s/s", LIMIT_EVENTS, 0, 0},
        {"1/us", LIMIT_EVENTS, 0, 0},
        {"1./s", LIMIT_EVENTS, 0, 0},
        {"99999999999999999999/s", LIMIT_EVENTS, 0, 0},
        {"9999999GiB/s", LIMIT_BYTES, 0, 0},
        {"1/0.0000001s", LIMIT_EVENTS, 0, 0},
    };
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        struct limit l = {0};
        err.text[0] = '\0';
        int error = limit_parse(rates[i].text, rates[i].unit, &l, &err);
        bool as_expected = rates[i].amount
                               ? !error && l.amount == rates[i].amount && l.burst == l.amount &&
                                     l.period_us == rates[i].period_us
                               : error == -EINVAL && strstr(err.text, rates[i].text);
        if (!as_expected)
            fprintf(stderr, "%s: %d %s\n", rates[i].text, error, err.text);
        CU_ASSERT(as_expected);
    }
}

static void wrong_settings_are_refused(void)
{
    static const char *const wrong[][2] = {
        {"{}", "rate"},
        {"{rate: fast}", "rate"},
        {"{bytes: 1/x}", "bytes"},
        {"{bytes: 1KiB/s, burst: 3}", "burst"},
        {"{rate: 1/s, burst_bytes: 3}", "burst_bytes"},
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
    static const struct kit_test tests[] = {{KIT_TEST(a_burst_passes_and_then_the_rate)},
                                            {KIT_TEST(without_a_burst_it_is_the_rates_own_number)},
                                            {KIT_TEST(each_key_has_its_own)},
                                            {KIT_TEST(bytes_are_limited_too)},
                                            {KIT_TEST(what_is_larger_than_a_burst_is_paid_back)},
                                            {KIT_TEST(both_limits_must_have_room)},
                                            {KIT_TEST(a_repetition_passes_or_counts)},
                                            {KIT_TEST(no_token_is_lost_or_made)},
                                            {KIT_TEST(rates_are_read)},
                                            {KIT_TEST(wrong_settings_are_refused)},
                                            {0}};
    return kit_main("plugin-rate", tests);
}
