/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones and the calendar say what libc says. */
#include "unit.h"
#include "zone.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static struct mg_err err;

static struct zone *zone_of(const char *name)
{
    struct zone *z = NULL;
    int error = zone_create(name, &z, &err);
    if (error)
        fprintf(stderr, "%s: %s\n", name, err.text);
    CU_ASSERT_EQUAL_FATAL(error, 0);
    return z;
}

static uint64_t random64(uint64_t *state)
{
    *state = *state * 6364136223846793005u + 1442695040888963407u;
    return *state >> 16 ^ *state << 24;
}

/* Of libc, which has the zone of TZ. */
static int32_t offset_of_libc(int64_t utc)
{
    time_t time = (time_t)utc;
    struct tm tm;
    CU_ASSERT_PTR_NOT_NULL_FATAL(localtime_r(&time, &tm));
    return (int32_t)tm.tm_gmtoff;
}

static void days_are_those_of_libc(void)
{
    for (int64_t day = -800000; day < 800000; day++) {
        time_t time = (time_t)day * 86400;
        struct tm tm;
        struct date d = date_of_day(day);
        if (day % 97 == 0) {
            gmtime_r(&time, &tm);
            CU_ASSERT(d.year == tm.tm_year + 1900 && d.month == tm.tm_mon + 1 &&
                      d.day == tm.tm_mday && weekday_of_day(day) == tm.tm_wday);
        }
        CU_ASSERT_FATAL(day_of_date(d) == day && date_is_valid(d));
    }
    CU_ASSERT(!date_is_valid((struct date){2100, 2, 29}));
    CU_ASSERT(date_is_valid((struct date){2000, 2, 29}));
    CU_ASSERT(!date_is_valid((struct date){2026, 4, 31}));
    CU_ASSERT(!date_is_valid((struct date){2026, 13, 1}));
}

/* Names with rules of both hemispheres, none, odd offsets, changes by decree, negative summers. */
static void offsets_are_those_of_libc(void)
{
    static const char *const names[] = {"Europe/Berlin",      "Europe/Dublin",
                                        "Europe/London",      "America/New_York",
                                        "America/St_Johns",   "America/Santiago",
                                        "America/Sao_Paulo",  "America/Godthab",
                                        "Africa/Casablanca",  "Africa/Cairo",
                                        "Asia/Kolkata",       "Asia/Tehran",
                                        "Asia/Jerusalem",     "Asia/Gaza",
                                        "Asia/Kathmandu",     "Australia/Lord_Howe",
                                        "Australia/Sydney",   "Pacific/Apia",
                                        "Pacific/Kiritimati", "Antarctica/Troll",
                                        "Etc/GMT+5",          "America/Argentina/Ushuaia"};
    uint64_t state = 1;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        struct zone *z = zone_of(names[i]);
        setenv("TZ", names[i], 1);
        tzset();
        size_t differ = 0;
        int32_t before = zone_offset(z, -4000000000);
        for (int n = 0; n < 5000; n++) { /* 1843 to 2350 */
            int64_t utc = (int64_t)(random64(&state) % UINT64_C(16000000000)) - 4000000000;
            differ += zone_offset(z, utc) != offset_of_libc(utc);
        }
        for (int64_t hour = -4000000000; hour < 5000000000; hour += 3600 * 13) {
            int32_t now = zone_offset(z, hour);
            if (now != before) { /* the last second before a change, and its first one */
                int64_t low = hour - 3600 * 13, high = hour;
                while (high - low > 1) {
                    int64_t middle = low + (high - low) / 2;
                    *(zone_offset(z, middle) == before ? &low : &high) = middle;
                }
                differ += offset_of_libc(low) != before;
                differ += offset_of_libc(high) != zone_offset(z, high);
            }
            before = now;
        }
        if (differ)
            fprintf(stderr, "%s differs %zu times\n", names[i], differ);
        CU_ASSERT_EQUAL(differ, 0);
        zone_destroy(z);
    }
    unsetenv("TZ");
    tzset();
}

static void rules_are_understood(void)
{
    /* A file of the second version with nothing but a rule. */
    static const char *const rules[] = {"CET-1CEST,M3.5.0,M10.5.0/3",
                                        "XXX3EDT4,J1/0,J365/23",
                                        "EST5EDT,M3.2.0,M11.1.0",
                                        "<+0330>-3:30",
                                        "IST-1GMT0,M10.5.0,M3.5.0/1",
                                        "NZST-12NZDT,M9.5.0,M4.1.0/3",
                                        "<-02>2<-01>,M3.5.0/-1,M10.5.0/0",
                                        "XXX3EDT4,J1/0,J365/23",
                                        "AAA0BBB,59,300",
                                        "AAA0BBB,J59,J300/25:30:15",
                                        "EET-2EEST,M3.4.4/50,M10.4.4/50"};
    uint64_t state = 3;
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        unsigned char file[256] = "TZif2";
        size_t n = 0;
        for (int block = 0; block < 2; block++) {
            memcpy(file + n, "TZif2", 5);
            file[n + 39] = 1; /* one type */
            file[n + 43] = 1; /* of one character */
            n += 44 + 6 + 1;
        }
        n += (size_t)snprintf((char *)file + n, sizeof file - n, "\n%s\n", rules[i]);
        struct zone *z = NULL;
        CU_ASSERT_EQUAL_FATAL(zone_parse(file, n, &z, &err), 0);
        setenv("TZ", rules[i], 1);
        tzset();
        size_t differ = 0;
        for (int k = 0; k < 20000; k++) {
            int64_t utc = (int64_t)(random64(&state) % UINT64_C(8000000000));
            /* libc forgets an all-year summer for the first hours of a year. */
            int32_t expected = strstr(rules[i], "J365") ? -4 * 3600 : offset_of_libc(utc);
            differ += zone_offset(z, utc) != expected;
        }
        if (differ)
            fprintf(stderr, "%s differs %zu times\n", rules[i], differ);
        CU_ASSERT_EQUAL(differ, 0);
        zone_destroy(z);
        /* Cut anywhere, the file is none. */
        for (size_t cut = 0; cut < n; cut++)
            CU_ASSERT_EQUAL(zone_parse(file, cut, &z, &err), -EINVAL);
    }
    unsetenv("TZ");
    tzset();
}

static void offsets_are_zones_too(void)
{
    static const struct {
        const char *name;
        int32_t offset;
    } fixed[] = {{"UTC", 0},   {"Z", 0},          {"+02:00", 7200}, {"-0330", -12600},
                 {"+2", 7200}, {"+14:00", 50400}, {"-01", -3600},   {"+0", 0}};
    for (size_t i = 0; i < sizeof fixed / sizeof fixed[0]; i++) {
        struct zone *z = zone_of(fixed[i].name);
        CU_ASSERT_EQUAL(zone_offset(z, 0), fixed[i].offset);
        CU_ASSERT_EQUAL(zone_offset(z, INT64_MAX), fixed[i].offset);
        CU_ASSERT_EQUAL(zone_offset(z, INT64_MIN), fixed[i].offset);
        zone_destroy(z);
    }
}

static void what_is_no_zone_is_refused(void)
{
    static const char *const wrong[] = {"Mars/Olympus",
                                        "",
                                        "../../etc/passwd",
                                        "/etc/passwd",
                                        "Europe/..",
                                        "Europe//Berlin",
                                        "Europe/",
                                        "Europe",
                                        "+25:00",
                                        "+2:30",
                                        "+02:",
                                        "+02:60",
                                        "+",
                                        "Europe/Berlin ",
                                        "tzdata.zi"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct zone *z = NULL;
        err.text[0] = '\0';
        int error = zone_create(wrong[i], &z, &err);
        if (error != -EINVAL)
            fprintf(stderr, "%s: %d\n", wrong[i], error);
        CU_ASSERT_EQUAL(error, -EINVAL);
        CU_ASSERT(err.text[0]);
    }
}

int main(void)
{
    static const struct kit_test tests[] = {
        {KIT_TEST(days_are_those_of_libc)},     {KIT_TEST(offsets_are_those_of_libc)},
        {KIT_TEST(rules_are_understood)},       {KIT_TEST(offsets_are_zones_too)},
        {KIT_TEST(what_is_no_zone_is_refused)}, {0}};
    return kit_main("window-zone", tests);
}
