/* SPDX-License-Identifier: Apache-2.0 */
/* Dates and times of RFC 3339, with days that exist and leap seconds where they may be. */
#include "format.h"

struct rest {
    const char *at, *end;
};

static bool take(struct rest *r, const char *any_of)
{
    for (; r->at < r->end && *any_of; any_of++) {
        if (*r->at == *any_of) {
            r->at++;
            return true;
        }
    }
    return false;
}

static bool digit(const struct rest *r)
{
    return r->at < r->end && *r->at >= '0' && *r->at <= '9';
}

static bool number(struct rest *r, int digits, int *ret)
{
    *ret = 0;
    for (; digits > 0; digits--, r->at++) {
        if (!digit(r))
            return false;
        *ret = *ret * 10 + (*r->at - '0');
    }
    return true;
}

static bool take_date(struct rest *r)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!number(r, 4, &year) || !take(r, "-") || !number(r, 2, &month) || !take(r, "-") ||
        !number(r, 2, &day) || month < 1 || month > 12 || day < 1)
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return day <= days[month - 1] + (month == 2 && leap);
}

static bool take_time(struct rest *r)
{
    int hour, minute, second, off_hour = 0, off_minute = 0;
    if (!number(r, 2, &hour) || !take(r, ":") || !number(r, 2, &minute) || !take(r, ":") ||
        !number(r, 2, &second) || hour > 23 || minute > 59 || second > 60)
        return false;
    if (take(r, ".")) {
        if (!digit(r))
            return false;
        while (digit(r))
            r->at++;
    }
    if (!take(r, "Zz")) {
        int sign = r->at < r->end && *r->at == '-' ? -1 : 1;
        if (!take(r, "+-") || !number(r, 2, &off_hour) || !take(r, ":") ||
            !number(r, 2, &off_minute) || off_hour > 23 || off_minute > 59)
            return false;
        off_hour *= sign;
        off_minute *= sign;
    }
    int utc = (hour * 60 + minute - off_hour * 60 - off_minute + 2 * 1440) % 1440;
    return second < 60 || utc == 1439; /* a leap second ends a day of UTC */
}

static struct rest all(struct mg_str text)
{
    return (struct rest){text.at, text.at + text.len};
}

bool is_date(struct mg_str text)
{
    struct rest r = all(text);
    return take_date(&r) && r.at == r.end;
}

bool is_time(struct mg_str text)
{
    struct rest r = all(text);
    return take_time(&r) && r.at == r.end;
}

bool is_date_time(struct mg_str text)
{
    struct rest r = all(text);
    return take_date(&r) && take(&r, "Tt") && take_time(&r) && r.at == r.end;
}

/* Numbers with units, in their order and without a gap between the first and the last one. */
static bool take_units(struct rest *r, const char *units, int *ret_count)
{
    int last = -1, count = 0;
    while (digit(r)) {
        while (digit(r))
            r->at++;
        int unit = 0;
        while (units[unit] && !(r->at < r->end && *r->at == units[unit]))
            unit++;
        if (!units[unit] || (count && unit != last + 1))
            return false;
        r->at++;
        last = unit;
        count++;
    }
    *ret_count = count;
    return true;
}

/* RFC 3339, appendix A. */
bool is_duration(struct mg_str text)
{
    struct rest r = all(text);
    int dates = 0, times = 0, weeks = 0;
    if (!take(&r, "P"))
        return false;
    struct rest ahead = r;
    if (take_units(&ahead, "W", &weeks) && weeks == 1)
        return ahead.at == ahead.end;
    if (!take_units(&r, "YMD", &dates))
        return false;
    if (take(&r, "T") && (!take_units(&r, "HMS", &times) || !times))
        return false;
    return r.at == r.end && dates + times > 0;
}
