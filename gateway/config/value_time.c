/* SPDX-License-Identifier: Apache-2.0 */
/* Moments as people write them. */
#include "config/bind_value.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Exactly `count` digits at *at, which moves behind them. */
static bool digits(const char **at, int count, int least, int most, int *ret)
{
    int value = 0;
    for (int i = 0; i < count; i++) {
        char c = (*at)[i];
        if (c < '0' || c > '9')
            return false;
        value = value * 10 + (c - '0');
    }
    *at += count;
    *ret = value;
    return value >= least && value <= most;
}

static bool expect(const char **at, char c)
{
    if (**at != c)
        return false;
    ++*at;
    return true;
}

/* ".5", ".123456", or nothing; what is finer than a microsecond is cut off. */
static bool fraction(const char **at, int64_t *ret_us)
{
    *ret_us = 0;
    if (!expect(at, '.'))
        return true;
    int64_t unit = 100000;
    const char *first = *at;
    for (; **at >= '0' && **at <= '9'; ++*at, unit /= 10)
        *ret_us += (**at - '0') * unit;
    return *at > first;
}

static bool offset(const char **at, int64_t *ret_s)
{
    int sign = **at == '+' ? 1 : **at == '-' ? -1 : 0, hours, minutes;
    *ret_s = 0;
    if (!sign)
        return !**at || ((expect(at, 'Z') || expect(at, 'z')) && !**at);
    ++*at;
    if (!digits(at, 2, 0, 23, &hours) || !expect(at, ':') || !digits(at, 2, 0, 59, &minutes))
        return false;
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return !**at;
}

static bool date(const char **at, struct tm *tm)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    int year, month, day;
    if (!digits(at, 4, 1970, 9999, &year) || !expect(at, '-') || !digits(at, 2, 1, 12, &month) ||
        !expect(at, '-') || !digits(at, 2, 1, 31, &day))
        return false;
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    *tm = (struct tm){.tm_year = year - 1900, .tm_mon = month - 1, .tm_mday = day};
    return day <= days[month - 1] + (month == 2 && leap);
}

int gw_value_time(const char *text, int64_t now_us, int64_t *ret_us)
{
    int64_t ms, us = 0, off_s = 0;
    int error = gw_value_duration(text, &ms);
    if (!error) {
        if (ms > now_us / 1000)
            return -ERANGE;
        *ret_us = now_us - ms * 1000;
        return 0;
    }
    const char *at = text;
    struct tm tm;
    if (error == -ERANGE || !date(&at, &tm))
        return error;
    if (expect(&at, 'T') || expect(&at, 't') || expect(&at, ' ')) {
        if (!digits(&at, 2, 0, 23, &tm.tm_hour) || !expect(&at, ':') ||
            !digits(&at, 2, 0, 59, &tm.tm_min))
            return -EINVAL;
        if (expect(&at, ':') && (!digits(&at, 2, 0, 60, &tm.tm_sec) || !fraction(&at, &us)))
            return -EINVAL;
        if (!offset(&at, &off_s))
            return -EINVAL;
    }
    if (*at)
        return -EINVAL;
    *ret_us = ((int64_t)timegm(&tm) - off_s) * 1000000 + us;
    return 0;
}

char *gw_value_time_text(int64_t us, char buffer[GW_VALUE_TIME_BYTES])
{
    time_t seconds = (time_t)(us / 1000000);
    int64_t rest = us % 1000000;
    if (rest < 0) {
        seconds--;
        rest += 1000000;
    }
    struct tm tm;
    char stem[24] = "";
    if (!gmtime_r(&seconds, &tm) || !strftime(stem, sizeof stem, "%Y-%m-%dT%H:%M:%S", &tm))
        snprintf(stem, sizeof stem, "?");
    snprintf(buffer, GW_VALUE_TIME_BYTES, "%s.%06dZ", stem, (int)rest);
    return buffer;
}
