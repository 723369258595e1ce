/* SPDX-License-Identifier: Apache-2.0 */
/* POSIX's TZ rules (IEEE 1003.1 §8.3, with the wider hours of RFC 8536 §3.3.1). */
#include "zone_internal.h"
#include <string.h>

enum { HOURS_MAX = 167, DAY_SECONDS = 86400 };

struct text {
    const char *at, *end;
};

static bool take(struct text *t, char c)
{
    bool there = t->at < t->end && *t->at == c;
    t->at += there;
    return there;
}

static bool number(struct text *t, int least, int most, int *ret)
{
    const char *begin = t->at;
    int n = 0;
    for (; t->at < t->end && *t->at >= '0' && *t->at <= '9' && t->at - begin < 3; t->at++)
        n = n * 10 + (*t->at - '0');
    *ret = n;
    return t->at > begin && n >= least && n <= most;
}

/* "CET", "<+0330>" */
static bool name(struct text *t)
{
    bool quoted = take(t, '<');
    const char *begin = t->at;
    while (t->at < t->end && (quoted ? *t->at != '>' : !strchr("0123456789+-,/", *t->at)))
        t->at++;
    return t->at > begin && (!quoted || take(t, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool seconds(struct text *t, int32_t *ret)
{
    int hour, minute = 0, second = 0;
    bool negative = take(t, '-');
    if (!negative)
        take(t, '+');
    if (!number(t, 0, HOURS_MAX, &hour))
        return false;
    if (take(t, ':') && !number(t, 0, 59, &minute))
        return false;
    if (take(t, ':') && !number(t, 0, 59, &second))
        return false;
    int32_t all = hour * 3600 + minute * 60 + second;
    *ret = negative ? -all : all;
    return true;
}

static bool date(struct text *t, struct rule_date *d)
{
    *d = (struct rule_date){.kind = RULE_DAY_OF_YEAR, .seconds = 2 * 3600};
    bool well;
    if (take(t, 'M')) {
        d->kind = RULE_MONTH_WEEK_DAY;
        well = number(t, 1, 12, &d->month) && take(t, '.') && number(t, 1, 5, &d->week) &&
               take(t, '.') && number(t, 0, 6, &d->day);
    } else if (take(t, 'J')) {
        d->kind = RULE_JULIAN_NO_LEAP;
        well = number(t, 1, 365, &d->day);
    } else {
        well = number(t, 0, 365, &d->day);
    }
    return well && (!take(t, '/') || seconds(t, &d->seconds));
}

bool rule_parse(const char *text, size_t length, struct rule *r)
{
    struct text t = {text, text + length};
    int32_t west;
    *r = (struct rule){0};
    if (!name(&t) || !seconds(&t, &west))
        return false;
    r->standard = r->summer = -west;
    if (t.at == t.end)
        return true;
    r->has_summer = true;
    r->summer = r->standard + 3600;
    if (!name(&t))
        return false;
    if (t.at < t.end && *t.at != ',') {
        if (!seconds(&t, &west))
            return false;
        r->summer = -west;
    }
    return take(&t, ',') && date(&t, &r->begin) && take(&t, ',') && date(&t, &r->end) &&
           t.at == t.end;
}

/* Local seconds since 1970 at which it is in that year. */
static int64_t local_of(const struct rule_date *d, int64_t year)
{
    int64_t day = day_of_date((struct date){year, 1, 1});
    if (d->kind == RULE_MONTH_WEEK_DAY) {
        int64_t first = day_of_date((struct date){year, d->month, 1});
        int from = (d->day - weekday_of_day(first) + 7) % 7 + 7 * (d->week - 1);
        while (from >= days_of_month(year, d->month)) /* the fifth: the last one */
            from -= 7;
        day = first + from;
    } else if (d->kind == RULE_JULIAN_NO_LEAP) {
        day += d->day - 1 + (d->day >= 60 && days_of_month(year, 2) == 29);
    } else {
        day += d->day;
    }
    return day * DAY_SECONDS + d->seconds;
}

static int64_t year_of(int64_t local)
{
    return date_of_day((local - (local < 0 ? DAY_SECONDS - 1 : 0)) / DAY_SECONDS).year;
}

int32_t rule_offset(const struct rule *r, int64_t utc)
{
    if (!r->has_summer)
        return r->standard;
    /* The last change before that instant decides; hours may carry one over a year's end. */
    int64_t latest = INT64_MIN, year = year_of(utc + r->standard);
    int32_t offset = r->standard;
    for (int64_t y = year - 1; y <= year + 1; y++) {
        int64_t begin = local_of(&r->begin, y) - r->standard,
                end = local_of(&r->end, y) - r->summer;
        if (begin <= utc && begin >= latest) {
            latest = begin;
            offset = r->summer;
        }
        /* A summer that ends where the next one begins goes on: hence not the same condition. */
        if (end <= utc && end > latest) {
            latest = end;
            offset = r->standard;
        }
    }
    return offset;
}
