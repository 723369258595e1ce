/* SPDX-License-Identifier: Apache-2.0 */
/* The translator "map": what conversions make of single values. */
#include "map_kit.h"
#include <stdio.h>
#include <string.h>

/* One field v with these keys, one value in, one out; NULL: rejected. */
static void value(const char *keys, const char *in, const char *out)
{
    char yaml[512], payload[512], expected[512];
    snprintf(yaml, sizeof yaml, "fields: { v: { from: v, %s } }", keys);
    snprintf(payload, sizeof payload, "{\"v\":%s}", in);
    snprintf(expected, sizeof expected, "{\"v\":%s}", out ? out : "");
    map_expect(yaml, payload, out ? expected : NULL);
}

static void rounding(void)
{
    value("round: 2", "2.675", "2.68");
    value("round: 1", "-99.95", "-100.0");
    value("round: 1", "-0.04", "0.0");
    value("round: 1", "20", "20");
    value("round: 3", "1.10000", "1.1");
    value("round: 2", "12345678901234567890.125", "12345678901234567890.13");
    value("round: 0", "2.5", "3");
    value("round: 2", "1e300", "1e300");
    value("round: 2", "15e-1", "1.5");
    value("round: 0, scale: 0.1", "\"1234\"", "123");
    value("type: integer", "-2.5", "-3");
    value("type: integer", "1e3", "1000");
    value("type: integer", "99999999999999999999.5", NULL);
}

static void units(void)
{
    static const char *const rows[][4] = {
        {"°F", "°C", "68", "20.0"},
        {"°F", "°C", "-40", "-40.0"},
        {"°C", "°F", "37", "98.6"},
        {"K", "°C", "300", "26.85"},
        {"in", "mm", "1", "25.4"},
        {"mi", "km", "1", "1.609344"},
        {"psi", "Pa", "100", "689475.7293168361"},
        {"inHg", "hPa", "29.92", "1013.2074811900272"},
        {"mmHg", "Pa", "1", "133.322387415"},
        {"km/h", "m/s", "36", "10.0"},
        {"kn", "km/h", "10", "18.52"},
        {"lb", "kg", "1", "0.45359237"},
        {"kWh", "MJ", "1", "3.6"},
        {"hp", "kW", "1", "0.7456998715822702"},
        {"gal", "L", "1", "3.785411784"},
        {"gpm", "L/min", "1", "3.785411784"},
        {"m³/h", "L/s", "3.6", "1.0"},
        {"deg", "rad", "180", "3.141592653589793"},
        {"rad", "deg", "3.141592653589793", "180.0"},
        {"min", "s", "1.5", "90.0"},
        {"MiB", "MB", "1", "1.048576"},
        {"kbit", "B", "8", "1000.0"},
        {"%", "ratio", "12.5", "0.125"},
        {"rpm", "Hz", "90", "1.5"},
        {"µm", "mm", "2", "0.002"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char keys[128];
        snprintf(keys, sizeof keys, "unit: { from: \"%s\", to: \"%s\" }", rows[i][0], rows[i][1]);
        value(keys, rows[i][2], rows[i][3]);
    }
    value("unit: { from: °F, to: °C }, round: 1", "\"70\"", "21.1");
    value("unit: { from: °F, to: °C }, type: integer", "70", "21");
    value("scale: 0.1, unit: { from: bar, to: kPa }", "15", "150.0");
    value("unit: { from: °F, to: °C }", "\"warm\"", NULL);
    CU_ASSERT_STRING_EQUAL(map_err.text, "v: a text \"warm\" is not a number");
    value("unit: { from: km, to: nm }", "1e300", NULL);
    CU_ASSERT_STRING_EQUAL(map_err.text, "v: a number 1e300 is beyond what a number holds");
}

static void times(void)
{
    static const char *const rows[][4] = {
        {"epoch_s", "rfc3339", "1769848200", "\"2026-01-31T08:30:00Z\""},
        {"epoch_s", "rfc3339", "1769848200.5", "\"2026-01-31T08:30:00.5Z\""},
        {"epoch_ms", "rfc3339", "1769848200123", "\"2026-01-31T08:30:00.123Z\""},
        {"epoch_ms", "rfc3339", "\"1769848200123\"", "\"2026-01-31T08:30:00.123Z\""},
        {"epoch_us", "epoch_ms", "1769848200123999", "1769848200123"},
        {"epoch_ns", "epoch_us", "-1", "-1"},
        {"epoch_s", "epoch_ns", "253402300799", "253402300799000000000"},
        {"epoch_s", "rfc3339", "-62135596800", "\"0001-01-01T00:00:00Z\""},
        {"epoch_s", "rfc3339", "1.7698482e9", "\"2026-01-31T08:30:00Z\""},
        {"rfc3339", "epoch_ms", "\"2026-01-31T09:30:00.5+01:00\"", "1769848200500"},
        {"rfc3339", "epoch_s", "\"1969-12-31T23:59:59.5Z\"", "-1"},
        {"rfc3339", "epoch_s", "\"2016-12-31T23:59:60Z\"", "1483228800"},
        {"rfc3339", "http", "\"2026-01-31T08:30:00Z\"", "\"Sat, 31 Jan 2026 08:30:00 GMT\""},
        {"http", "rfc3339", "\"Sun, 06 Nov 1994 08:49:37 GMT\"", "\"1994-11-06T08:49:37Z\""},
        {"rfc3339", "compact", "\"2026-01-31T08:30:00Z\"", "\"20260131T083000Z\""},
        {"compact", "plain", "\"20240229T235959Z\"", "\"2024-02-29 23:59:59\""},
        {"rfc3339", "date", "\"2026-01-31T23:30:00-01:00\"", "\"2026-02-01\""},
        {"date", "epoch_s", "\"1970-01-02\"", "86400"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char keys[128];
        snprintf(keys, sizeof keys, "time: { from: %s, to: %s }", rows[i][0], rows[i][1]);
        value(keys, rows[i][2], rows[i][3]);
    }
    value("time: { from: plain, to: rfc3339, zone: \"+01:00\" }", "\"2026-01-31 09:30:00\"",
          "\"2026-01-31T09:30:00+01:00\"");
    value("time: { from: plain, to: epoch_s, zone: \"-05:30\" }", "\"2026-01-31T03:00:00\"",
          "1769848200");
    value("time: { from: epoch_s, to: date, zone: \"+14:00\" }", "1769848200", "\"2026-01-31\"");
}

static void no_times(void)
{
    static const char *const rows[][2] = {
        {"rfc3339", "\"2026-02-29T08:30:00Z\""},
        {"rfc3339", "\"2026-01-31T24:00:00Z\""},
        {"rfc3339", "\"2026-01-31T08:30:00\""},
        {"rfc3339", "\"2026-01-31T08:30:00.Z\""},
        {"rfc3339", "\"2026-01-31T08:30:00Z \""},
        {"rfc3339", "1769848200"},
        {"rfc3339", "\"0000-01-01T00:00:00Z\""},
        {"rfc3339", "\"0001-01-01T00:00:00+00:01\""},
        {"http", "\"Sat, 31 Foo 2026 08:30:00 GMT\""},
        {"http", "\"Sat, 31 Jan 2026\""},
        {"epoch_s", "253402300800"},
        {"epoch_s", "\"now\""},
        {"epoch_s", "true"},
        {"epoch_ns", "99999999999999999999999999999999999999999999999999"},
        {"epoch_s", "1e300"},
        {"compact", "\"20261331T000000Z\""},
        {"date", "\"2026-1-1\""},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char keys[128];
        snprintf(keys, sizeof keys, "time: { from: %s, to: epoch_s }", rows[i][0]);
        value(keys, rows[i][1], NULL);
        CU_ASSERT_PTR_NOT_NULL(strstr(map_err.text, "is no time as "));
    }
    /* A zone may lead out of the years of four digits. */
    map_rejects("{fields: {v: {from: v, time: {from: rfc3339, to: rfc3339, zone: '+01:00'}}}}",
                "{\"v\":\"9999-12-31T23:59:59Z\"}", "years 1 to 9999");
    map_expect("{fields: {v: {from: v, time: {from: rfc3339, to: http, zone: '+01:00'}}}}",
               "{\"v\":\"9999-12-31T23:59:59Z\"}", "{\"v\":\"Fri, 31 Dec 9999 23:59:59 GMT\"}");
}

static void choices(void)
{
    value("enum: { 0: off, 1: on }", "1", "\"on\"");
    value("enum: { 0: off, 1: on }", "0.0", "\"off\"");
    value("enum: { 0: off, 1: on }", "\"1\"", "\"on\"");
    value("enum: { true: 1, false: 0 }", "false", "0");
    value("enum: { OK: { code: 0 }, ERR: [1] }, trim: true, case: upper", "\" err \"", "[1]");
    value("enum: { 0: off, 1: on }", "2", NULL);
    CU_ASSERT_STRING_EQUAL(map_err.text, "v: a number 2 is none of those that enum knows");
    value("enum: { 0: off, 1: on }, else: keep", "2", "2");
    value("enum: { 0: off, 1: on }, else: { value: reject }", "[]", "\"reject\"");
    value("enum: { 0: off }, default: unknown", "null", "\"unknown\"");
}

static void texts(void)
{
    value("trim: true", "\"  a b\\n\"", "\"a b\"");
    value("trim: true", "7", "7");
    value("case: upper",
          "\"stra\xc3\x9f"
          "e 7\"",
          "\"STRA\xc3\x9f"
          "E 7\"");
    value("case: lower", "\"AbC\"", "\"abc\"");
    value("split: \";\"", "\"a;b;;c;\"", "[\"a\",\"b\",\"\",\"c\",\"\"]");
    value("split: \";\"", "\"\"", "[]");
    value("split: \", \", type: number, scale: 2", "\"1, 2.5\"", "[2.0,5.0]");
    value("split: \";\", trim: true", "\" a ;b \"", "[\"a\",\"b\"]");
    value("join: \"-\"", "[1,\"b\",true]", "\"1-b-true\"");
    value("join: \"\"", "[]", "\"\"");
    value("split: \",\", join: \";\", case: upper", "\"a,b\"", "\"A;B\"");
    value("split: \";\"", "7", NULL);
    CU_ASSERT_STRING_EQUAL(map_err.text, "v: a number 7 is not a text to split");
    value("join: \";\"", "\"a\"", NULL);
    value("join: \";\"", "[[]]", NULL);
    CU_ASSERT_STRING_EQUAL(map_err.text, "v: a list is not a text");
    value("type: text", "1.10", "\"1.10\"");
    value("type: boolean", "1.0", "true");
}

static void wrong_settings(void)
{
    static const char *const wrong[][3] = {
        {"fields:\n  v:\n    from: v\n    unit: { from: °F,\n      to: bar }", "fields",
         ":5:11: °F is a temperature, bar is a pressure"},
        {"fields:\n  v:\n    from: v\n    unit: { from: furlong,\n      to: m }", "fields",
         ":4:19: the unit \"furlong\" is not known"},
        {"{fields: {v: {from: v, unit: {from: m}}}}", "fields", "unit needs from and to"},
        {"{fields: {v: {from: v, unit: {from: m, to: km, by: 2}}}}", "fields",
         "unknown key \"by\""},
        {"{fields: {v: {from: v, unit: {from: m, to: km}, type: text}}}", "fields",
         "make a number or an integer"},
        {"{fields: {v: {from: v, round: -1}}}", "fields", "whole number from 0 to 12"},
        {"{fields: {v: {from: v, round: 1, type: integer}}}", "fields", "no places behind"},
        {"{fields: {v: {from: v, type: timestamp}}}", "fields", "time: { from: epoch_ms"},
        {"{fields: {v: {from: v, time: {from: iso, to: rfc3339}}}}", "fields", "no form of time"},
        {"{fields: {v: {from: v, time: {from: plain, to: rfc3339, zone: CET}}}}", "fields",
         "zone is Z or"},
        {"{fields: {v: {from: v, time: {from: date, to: http}, round: 1}}}", "fields",
         "time says what comes out"},
        {"{fields: {v: {from: v, enum: {}}}}", "fields", "1 to 256 values"},
        {"{fields: {v: {from: v, enum: {a: 1}, type: text}}}", "fields",
         "enum says what comes out"},
        {"{fields: {v: {from: v, enum: {a: 1}, else: other}}}", "fields", "reject, keep or"},
        {"{fields: {v: {from: v, else: keep}}}", "fields", "else goes with enum"},
        {"{fields: {v: {from: v, trim: yes}}}", "fields", "trim must be true or false"},
        {"{fields: {v: {from: v, case: title}}}", "fields", "upper or lower"},
        {"{fields: {v: {from: v, split: ''}}}", "fields", "the text between two parts"},
        {NULL}};
    map_refused(wrong);
}

MAP_TEST(rounding)
MAP_TEST(units)
MAP_TEST(times)
MAP_TEST(no_times)
MAP_TEST(choices)
MAP_TEST(texts)
MAP_TEST(wrong_settings)

int main(void)
{
    static const struct kit_test tests[] = {
        {"numbers are rounded as they are spelled", run_rounding},
        {"units are exact, and of one thing", run_units},
        {"times change their form, not their moment", run_times},
        {"what is no time is rejected", run_no_times},
        {"an enum says what each value is", run_choices},
        {"texts are cut, joined and tidied", run_texts},
        {"wrong conversions are refused with place and cure", run_wrong_settings},
        {0}};
    return kit_main("plugin-map-values", tests);
}
