/* SPDX-License-Identifier: Apache-2.0 */
/* The filter "window": at which times what passes. */
#include "bind.h"
#include "fake_host.h"
#include "unit.h"
#include "zone.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct kit_host *host;
static mg_instance *instance;
static struct mg_err err;

static const void *settings_of(const char *yaml)
{
    const struct mg_module *module = mg_module(NULL);
    const void *settings = kit_settings(host, module->options, module->settings_size, yaml);
    if (!settings)
        fprintf(stderr, "%s\n", kit_settings_error());
    CU_ASSERT_PTR_NOT_NULL_FATAL(settings);
    return settings;
}

static void open_filter(const char *yaml)
{
    host = kit_host_create();
    kit_clock_by_hand(host);
    int error =
        kit_instance_create(host, mg_module(NULL), "window", settings_of(yaml), &instance, &err);
    if (error)
        fprintf(stderr, "%s\n", err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    CU_ASSERT_EQUAL_FATAL(kit_instance_start(instance, &err), 0);
}

static void close_filter(void)
{
    kit_instance_stop(instance);
    kit_instance_destroy(instance);
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

static uint32_t verdict_of(const struct mg_message *m)
{
    mg_event *event = kit_host_table(host)->event_new(m);
    struct kit_verdict v = kit_process(instance, event, kit_scope(host, "route", NULL));
    uint32_t verdict = v.verdict;
    err = v.err;
    kit_verdict_fini(&v);
    kit_host_table(host)->event_unref(event);
    return verdict;
}

/* Of an event created at that time, UTC: "2026-11-28 08:00:00". */
static uint32_t at(const char *utc)
{
    int year, month, day, hour, minute, second;
    CU_ASSERT_EQUAL_FATAL(
        sscanf(utc, "%d-%d-%d %d:%d:%d", &year, &month, &day, &hour, &minute, &second), 6);
    struct mg_message m = kit_message("a", "");
    m.head.present = MG_HAS_CREATED;
    int64_t seconds =
        day_of_date((struct date){year, month, day}) * 86400 + hour * 3600 + minute * 60 + second;
    m.head.created_us = seconds * 1000000;
    return verdict_of(&m);
}

struct expected {
    const char *utc;
    bool passes;
};

static void expect(const char *yaml, const struct expected *list)
{
    open_filter(yaml);
    for (; list->utc; list++) {
        bool passes = at(list->utc) == MG_PASS;
        if (passes != list->passes)
            fprintf(stderr, "%s: %s %s\n", yaml, list->utc, passes ? "passes" : "does not pass");
        CU_ASSERT_EQUAL(passes, list->passes);
    }
    close_filter();
}

static void from_belongs_to_a_window_and_to_does_not(void)
{
    static const struct expected utc[] = {{"2026-11-27 07:59:59", false},
                                          {"2026-11-27 08:00:00", true}, /* a Friday */
                                          {"2026-11-27 17:29:59", true},
                                          {"2026-11-27 17:30:00", false},
                                          {"2026-11-28 12:00:00", false},
                                          {"2026-11-30 12:00:00", true},
                                          {0}};
    expect("{by: created, windows: {weekdays: [mon-fri], from: 08:00, to: '17:30'}}", utc);
    static const struct expected berlin[] = {{"2026-11-27 06:59:59", false},
                                             {"2026-11-27 07:00:00", true},
                                             {"2026-07-24 05:59:59", false},
                                             {"2026-07-24 06:00:00", true},
                                             {"2026-07-24 15:29:59", true},
                                             {"2026-07-24 15:30:00", false},
                                             {0}};
    expect("{by: created, zone: Europe/Berlin, windows: [{weekdays: mon-fri, from: 08:00, to: "
           "17:30:00}]}",
           berlin);
}

static void a_window_over_midnight_belongs_to_its_first_day(void)
{
    static const struct expected list[] = {
        {"2026-11-28 21:59:59", false}, {"2026-11-28 22:00:00", true}, /* a Saturday */
        {"2026-11-29 00:00:00", true},  {"2026-11-29 03:59:59", true},
        {"2026-11-29 04:00:00", false}, {"2026-11-29 22:00:00", false},
        {"2026-11-28 01:00:00", false}, {0}};
    expect("{by: created, windows: {weekdays: [sat], from: 22:00, to: 04:00}}", list);
    static const struct expected holiday[] = {{"2026-12-25 01:00:00", false},
                                              {"2026-12-26 01:00:00", true},
                                              {"2026-12-24 01:00:00", true},
                                              {0}};
    expect("{by: created, windows: {from: 22:00, to: 04:00}, except: 12-24}", holiday);
}

static void dates_are_of_one_year_or_of_all(void)
{
    static const struct expected list[] = {
        {"2026-12-31 12:00:00", true},  {"2027-01-01 12:00:00", true},
        {"2027-01-06 23:59:59", true},  {"2027-01-07 00:00:00", false},
        {"2026-12-23 23:59:59", false}, {"2026-12-24 00:00:00", true},
        {"2026-08-31 00:00:00", true},  {"2027-08-31 00:00:00", false},
        {"2028-02-29 00:00:00", true},  {"2027-03-01 00:00:00", false},
        {"2026-05-01 00:00:00", true},  {0}};
    expect("{by: created, windows: {dates: [12-24..01-06, 2026-08-01..2026-08-31, 02-29, "
           "2026-05-01]}}",
           list);
}

static void one_of_several_is_enough_but_for_exceptions(void)
{
    static const struct expected list[] = {
        {"2026-11-27 09:00:00", true}, {"2026-11-27 12:30:00", false},
        {"2026-11-27 13:00:00", true}, {"2026-11-26 09:00:00", false},
        {"2026-11-29 23:59:59", true}, {0}};
    expect(
        "{by: created, windows: [{from: 08:00, to: 12:00, weekdays: [mon-fri]}, {from: 13:00, to: "
        "17:00, weekdays: [mon-fri]}, {weekdays: [sat-sun], to: 24:00}], except: [2026-11-26]}",
        list);
    static const struct expected inverted[] = {{"2026-11-27 09:00:00", false},
                                               {"2026-11-27 13:00:00", true},
                                               {"2026-11-26 09:00:00", true},
                                               {0}};
    expect("{by: created, invert: true, windows: {from: 08:00, to: 12:00}, except: 11-26}",
           inverted);
}

static void clock_changes_leave_out_an_hour_or_repeat_it(void)
{
    static const struct expected spring[] = {/* at 01:00 UTC it becomes 03:00 */
                                             {"2026-03-29 00:59:59", false},
                                             {"2026-03-29 01:00:00", false},
                                             {"2026-03-29 01:20:00", false},
                                             {"2026-03-28 01:20:00", true},
                                             {0}};
    expect("{by: created, zone: Europe/Berlin, windows: {from: 02:00, to: 03:00}}", spring);
    static const struct expected autumn[] = {/* at 01:00 UTC it becomes 02:00 again */
                                             {"2026-10-24 23:59:59", false},
                                             {"2026-10-25 00:00:00", true},
                                             {"2026-10-25 01:30:00", true},
                                             {"2026-10-25 02:00:00", false},
                                             {0}};
    expect("{by: created, zone: Europe/Berlin, windows: {from: 02:00, to: 03:00}}", autumn);
}

static void the_clock_counts_where_the_event_has_no_time(void)
{
    for (int created = 0; created < 2; created++) {
        open_filter(created ? "{by: created, windows: {from: 08:00, to: 09:00}, otherwise: reject}"
                            : "{windows: {from: 08:00, to: 09:00}, otherwise: reject}");
        int64_t day_ms = 86400000,
                of_day = kit_host_table(host)->wall_us(kit_shard(host, 0)) / 1000 % day_ms;
        kit_clock_advance_ms(host, (uint64_t)((8 * 3600000 - 1000 - of_day + day_ms) % day_ms));
        struct mg_message m = kit_message("a", "");
        m.head.duplicate = true; /* is judged like any other */
        CU_ASSERT_EQUAL(verdict_of(&m), MG_REJECT);
        CU_ASSERT_STRING_EQUAL(err.text, "it is outside of the windows");
        kit_clock_advance_ms(host, 1000);
        CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
        kit_clock_advance_ms(host, 3600000);
        CU_ASSERT_EQUAL(verdict_of(&m), MG_REJECT);
        CU_ASSERT_EQUAL(kit_counter(instance, 0), 2);
        CU_ASSERT_EQUAL(at("2026-01-01 08:30:00"), created ? MG_PASS : MG_REJECT);
        close_filter();
    }
}

static void wrong_settings_are_refused_with_their_place(void)
{
    static const struct {
        const char *yaml, *option, *text;
    } wrong[] = {
        {"{windows: {}}", "windows", ":1:11: a window is a map"},
        {"{windows: []}", "windows", "1 to 256 windows"},
        {"{windows: now}", "windows", ":1:11: a window is a map"},
        {"windows:\n  - from: 08:00\n  - from: 25:00", "windows", ":3:11: \"25:00\" is no time"},
        {"{windows: {from: 8:00}}", "windows", "\"8:00\" is no time of the day"},
        {"{windows: {from: 24:00}}", "windows", "there is no time between"},
        {"{windows: {from: 24:00, to: 05:00}}", "windows", "there is no time between"},
        {"{windows: {to: 24:00:01}}", "windows", "is no time of the day"},
        {"{windows: {from: 08:00, to: 08:00}}", "windows", "there is no time between"},
        {"{windows: {weekdays: [mon-fry]}}", "windows", ":1:23: \"mon-fry\" is no weekday"},
        {"{windows: {weekdays: []}}", "windows", "there is no weekday in it"},
        {"{windows: {dates: [2026-02-29]}}", "windows", "\"2026-02-29\" is no date"},
        {"{windows: {dates: [2026-02-01..03-01]}}", "windows", "is no date"},
        {"{windows: {dates: [2026-02-02..2026-02-01]}}", "windows", "is no date"},
        {"{windows: {dates: [02-30]}}", "windows", "is no date"},
        {"{windows: {dates: [[]]}}", "windows", "is no date"},
        {"{windows: {day: mon}}", "windows", "unknown key \"day\""},
        {"{windows: {to: 12:00}, except: [tomorrow]}", "except", ":1:33: \"tomorrow\" is no date"},
        {"{windows: {to: 12:00}, zone: Europe/Berlyn}", "zone",
         "there is no time zone \"Europe/Berlyn\""},
    };
    host = kit_host_create();
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        const void *settings = settings_of(wrong[i].yaml);
        err = (struct mg_err){.text = ""};
        CU_ASSERT_EQUAL(mg_module(NULL)->check(settings, &err), -EINVAL);
        if (!strstr(err.text, wrong[i].text))
            fprintf(stderr, "%s: %s\n", wrong[i].yaml, err.text);
        CU_ASSERT_PTR_NOT_NULL(strstr(err.text, wrong[i].text));
        CU_ASSERT_STRING_EQUAL(err.option, wrong[i].option);
    }
    CU_ASSERT_EQUAL(kit_host_destroy(host), 0);
}

/* A sender may say any time. */
static void the_ends_of_time_are_times(void)
{
    static const int64_t ends[] = {INT64_MIN, INT64_MIN + 1, -1, INT64_MAX};
    open_filter("{by: created, zone: Europe/Berlin, windows: {from: 00:00, to: 24:00}}");
    for (size_t i = 0; i < sizeof ends / sizeof ends[0]; i++) {
        struct mg_message m = kit_message("a", "");
        m.head.present = MG_HAS_CREATED;
        m.head.created_us = ends[i];
        CU_ASSERT_EQUAL(verdict_of(&m), MG_PASS);
    }
    close_filter();
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(from_belongs_to_a_window_and_to_does_not)},
        {KIT_TEST(a_window_over_midnight_belongs_to_its_first_day)},
        {KIT_TEST(dates_are_of_one_year_or_of_all)},
        {KIT_TEST(one_of_several_is_enough_but_for_exceptions)},
        {KIT_TEST(clock_changes_leave_out_an_hour_or_repeat_it)},
        {KIT_TEST(the_clock_counts_where_the_event_has_no_time)},
        {KIT_TEST(the_ends_of_time_are_times)},
        {KIT_TEST(wrong_settings_are_refused_with_their_place)},
        {0}};
    return kit_main("plugin-window", tests);
}
