/* SPDX-License-Identifier: Apache-2.0 */
/* Times read and written; days are counted as in the proleptic Gregorian calendar (RFC 3339). */
#include "instant.h"
#include "constant.h"
#include <stdio.h>
#include <string.h>

const char *const instant_forms[] = {"epoch_s", "epoch_ms", "epoch_us", "epoch_ns", "rfc3339",
                                     "plain",   "compact",  "http",     "date",     NULL};
static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
static const char weekdays[] = "ThuFriSatSunMonTueWed"; /* 1970 began on a Thursday */

enum { DAY = 86400 };
static const int64_t least_s = -62135596800, most_s = 253402300799; /* years 1 to 9999 */

/* ---- the calendar --------------------------------------------------------------------------- */

/* Years that begin in March, so that the leap day is the last: 400 of them have 146,097 days. */
static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400, of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

static void date_of(int64_t days, int *ret_year, int *ret_month, int *ret_day)
{
    days += 719468;
    int64_t era = (days >= 0 ? days : days - 146096) / 146097, day = days - era * 146097;
    int64_t year = (day - day / 1460 + day / 36524 - day / 146096) / 365;
    int64_t of_year = day - (365 * year + year / 4 - year / 100), month = (5 * of_year + 2) / 153;
    *ret_day = (int)(of_year - (153 * month + 2) / 5 + 1);
    *ret_month = (int)(month < 10 ? month + 3 : month - 9);
    *ret_year = (int)(year + era * 400 + (*ret_month <= 2));
}

struct clock_time {
    int year, month, day, hour, minute, second;
};

/* A leap second is the first of the next minute. */
static bool count(const struct clock_time *c, uint32_t ns, int zone, struct instant *ret)
{
    static const int lengths[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (c->year < 1 || c->month < 1 || c->month > 12 || c->day < 1 || c->hour > 23 ||
        c->minute > 59 || c->second > 60)
        return false;
    bool leap = c->year % 4 == 0 && (c->year % 100 != 0 || c->year % 400 == 0);
    if (c->day > lengths[c->month - 1] + (c->month == 2 && leap))
        return false;
    ret->s = days_of(c->year, c->month, c->day) * DAY + c->hour * 3600 + c->minute * 60 +
             c->second - zone * 60;
    ret->ns = ns;
    return ret->s >= least_s && ret->s <= most_s;
}

/* ---- reading -------------------------------------------------------------------------------- */

struct text {
    const char *at, *end;
};

static bool take(struct text *t, char wanted)
{
    bool there = t->at < t->end && *t->at == wanted;
    t->at += there;
    return there;
}

static bool take_digits(struct text *t, int digits, int *ret)
{
    int number = 0;
    for (; digits > 0; digits--, t->at++) {
        if (t->at == t->end || *t->at < '0' || *t->at > '9')
            return false;
        number = number * 10 + (*t->at - '0');
    }
    *ret = number;
    return true;
}

/* Nothing, or a point and digits, of which nine count. */
static bool take_fraction(struct text *t, uint32_t *ret_ns)
{
    uint32_t ns = 0, worth = 100000000;
    if (take(t, '.') || take(t, ',')) {
        const char *from = t->at;
        for (; t->at < t->end && *t->at >= '0' && *t->at <= '9'; t->at++, worth /= 10)
            ns += worth * (uint32_t)(*t->at - '0');
        if (t->at == from)
            return false;
    }
    *ret_ns = ns;
    return true;
}

static bool take_zone(struct text *t, int *ret_minutes)
{
    int hours, minutes;
    if (take(t, 'Z') || take(t, 'z')) {
        *ret_minutes = 0;
        return true;
    }
    bool west = take(t, '-');
    if ((!west && !take(t, '+')) || !take_digits(t, 2, &hours) || !take(t, ':') ||
        !take_digits(t, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *ret_minutes = (west ? -1 : 1) * (hours * 60 + minutes);
    return true;
}

bool instant_zone(struct mg_str text, int *ret_minutes)
{
    struct text t = {text.at, text.at + text.len};
    return take_zone(&t, ret_minutes) && t.at == t.end;
}

static bool take_date(struct text *t, bool dashes, struct clock_time *c)
{
    return take_digits(t, 4, &c->year) && (!dashes || take(t, '-')) &&
           take_digits(t, 2, &c->month) && (!dashes || take(t, '-')) && take_digits(t, 2, &c->day);
}

static bool take_time(struct text *t, bool colons, struct clock_time *c)
{
    return take_digits(t, 2, &c->hour) && (!colons || take(t, ':')) &&
           take_digits(t, 2, &c->minute) && (!colons || take(t, ':')) &&
           take_digits(t, 2, &c->second);
}

/* RFC 9110 §5.6.7, IMF-fixdate; the day of the week is not compared with the date. */
static bool take_http(struct text *t, struct clock_time *c)
{
    if (t->end - t->at != 29 || memcmp(t->at + 3, ", ", 2) != 0 ||
        memcmp(t->end - 4, " GMT", 4) != 0)
        return false;
    t->at += 5;
    if (!take_digits(t, 2, &c->day) || !take(t, ' '))
        return false;
    for (c->month = 1; c->month <= 12 && memcmp(months + 3 * (c->month - 1), t->at, 3); c->month++)
        ;
    t->at += 3;
    bool fine =
        take(t, ' ') && take_digits(t, 4, &c->year) && take(t, ' ') && take_time(t, true, c);
    t->at += 4;
    return fine;
}

static bool read_text(struct mg_str text, enum instant_form form, int zone, struct instant *ret)
{
    struct text t = {text.at, text.at + text.len};
    struct clock_time c = {0};
    uint32_t ns = 0;
    bool fine;
    if (form == INSTANT_HTTP) {
        zone = 0;
        fine = take_http(&t, &c);
    } else if (form == INSTANT_DATE) {
        fine = take_date(&t, true, &c);
    } else if (form == INSTANT_COMPACT) {
        fine = take_date(&t, false, &c) && take(&t, 'T') && take_time(&t, false, &c) &&
               take_fraction(&t, &ns);
        if (fine && take(&t, 'Z'))
            zone = 0;
    } else {
        fine = take_date(&t, true, &c) && (take(&t, 'T') || take(&t, 't') || take(&t, ' ')) &&
               take_time(&t, true, &c) && take_fraction(&t, &ns);
        if (form == INSTANT_RFC3339)
            fine = fine && take_zone(&t, &zone);
    }
    return fine && t.at == t.end && count(&c, ns, zone, ret);
}

__extension__ typedef __int128 wide;

/* A number of units of `worth` nanoseconds, exact to the nanosecond as it is spelled. */
static bool read_number(struct mg_str s, int64_t worth, struct instant *ret)
{
    bool negative = s.len && s.at[0] == '-';
    wide ns = 0, most = (wide)1 << 100;
    int64_t behind = 0;
    for (size_t i = negative; i < s.len; i++) {
        if (s.at[i] == '.' && !behind) {
            behind = worth;
        } else if (s.at[i] < '0' || s.at[i] > '9' || ns > most) {
            return false;
        } else if (!behind) {
            ns = ns * 10 + (s.at[i] - '0') * (wide)worth;
        } else if (behind > 1) {
            behind /= 10;
            ns += (s.at[i] - '0') * (wide)behind;
        }
    }
    ns = negative ? -ns : ns;
    wide seconds = ns / 1000000000 - (ns % 1000000000 < 0);
    if (seconds < least_s || seconds > most_s)
        return false;
    *ret = (struct instant){(int64_t)seconds, (uint32_t)(ns - seconds * 1000000000)};
    return true;
}

static const int64_t worths[] = {1000000000, 1000000, 1000, 1};

bool instant_read(const struct doc_value *value, enum instant_form form, int zone,
                  struct instant *ret_instant)
{
    if (form > INSTANT_EPOCH_NS)
        return value->kind == DOC_TEXT && read_text(value->text, form, zone, ret_instant);
    if (value->kind != DOC_NUMBER && (value->kind != DOC_TEXT || !is_json_number(value->text)))
        return false;
    if (!memchr(value->text.at, 'e', value->text.len) &&
        !memchr(value->text.at, 'E', value->text.len))
        return read_number(value->text, worths[form], ret_instant);
    struct doc_value number = {.kind = DOC_NUMBER, .text = value->text};
    char digits[64];
    double real;
    if (!doc_as_double(&number, &real) || real < -1e22 || real > 1e22)
        return false;
    int n = snprintf(digits, sizeof digits, "%.9f", real);
    return read_number((struct mg_str){digits, (size_t)n}, worths[form], ret_instant);
}

/* ---- writing -------------------------------------------------------------------------------- */

static int write_number(struct instant i, int64_t worth, char *out, size_t size)
{
    wide number = ((wide)i.s * 1000000000 + i.ns) / worth;
    if (number * worth > (wide)i.s * 1000000000 + i.ns)
        number--; /* before 1970, the whole one below as well */
    uint64_t magnitude = (uint64_t)((number < 0 ? -number : number) % 1000000000000000000);
    uint64_t above = (uint64_t)((number < 0 ? -number : number) / 1000000000000000000);
    const char *sign = number < 0 ? "-" : "";
    if (above)
        return snprintf(out, size, "%s%llu%018llu", sign, (unsigned long long)above,
                        (unsigned long long)magnitude);
    return snprintf(out, size, "%s%llu", sign, (unsigned long long)magnitude);
}

/* In so many digits, zeros in front; returns what is behind them. */
static char *put_digits(char *out, uint32_t number, int digits)
{
    for (int i = digits; i-- > 0; number /= 10)
        out[i] = (char)('0' + number % 10);
    return out + digits;
}

static char *put_date(char *out, int64_t days, bool dashes)
{
    int year, month, day;
    date_of(days, &year, &month, &day);
    out = put_digits(out, (uint32_t)year, 4);
    if (dashes)
        *out++ = '-';
    out = put_digits(out, (uint32_t)month, 2);
    if (dashes)
        *out++ = '-';
    return put_digits(out, (uint32_t)day, 2);
}

static char *put_time(char *out, uint32_t second, bool colons)
{
    out = put_digits(out, second / 3600, 2);
    if (colons)
        *out++ = ':';
    out = put_digits(out, second / 60 % 60, 2);
    if (colons)
        *out++ = ':';
    return put_digits(out, second % 60, 2);
}

static char *put_fraction(char *out, uint32_t ns)
{
    if (!ns)
        return out;
    *out++ = '.';
    out = put_digits(out, ns, 9);
    while (out[-1] == '0')
        out--;
    return out;
}

static char *put_zone(char *out, int zone)
{
    uint32_t east = (uint32_t)(zone < 0 ? -zone : zone);
    *out++ = !zone ? 'Z' : zone < 0 ? '-' : '+';
    if (!zone)
        return out;
    out = put_digits(out, east / 60, 2);
    *out++ = ':';
    return put_digits(out, east % 60, 2);
}

static char *put_http(char *out, int64_t days, uint32_t second)
{
    int year, month, day;
    date_of(days, &year, &month, &day);
    out = mempcpy(out, weekdays + 3 * ((days % 7 + 7) % 7), 3);
    out = put_digits(mempcpy(out, ", ", 2), (uint32_t)day, 2);
    *out++ = ' ';
    out = mempcpy(out, months + 3 * (month - 1), 3);
    *out++ = ' ';
    out = put_digits(out, (uint32_t)year, 4);
    *out++ = ' ';
    return mempcpy(put_time(out, second, true), " GMT", 4);
}

/* HTTP's and the compact form are always of UTC. */
static int64_t local_time(struct instant i, enum instant_form form, int zone)
{
    return i.s + (form == INSTANT_COMPACT || form == INSTANT_HTTP ? 0 : zone * 60);
}

bool instant_fits(struct instant i, enum instant_form form, int zone)
{
    int64_t local = local_time(i, form, zone);
    return form <= INSTANT_EPOCH_NS || (local >= least_s && local <= most_s);
}

struct doc_value *instant_write(struct instant i, enum instant_form form, int zone, struct doc *doc)
{
    char out[64], *end = out;
    if (form <= INSTANT_EPOCH_NS) {
        int n = write_number(i, worths[form], out, sizeof out);
        return doc_number(doc, (struct mg_str){out, (size_t)n});
    }
    if (form == INSTANT_COMPACT || form == INSTANT_HTTP)
        zone = 0;
    int64_t local = local_time(i, form, zone), days = local / DAY - (local % DAY < 0);
    uint32_t second = (uint32_t)(local - days * DAY);
    if (form == INSTANT_HTTP) {
        end = put_http(out, days, second);
    } else {
        end = put_date(end, days, form != INSTANT_COMPACT);
        if (form != INSTANT_DATE) {
            *end++ = form == INSTANT_PLAIN ? ' ' : 'T';
            end = put_time(end, second, form != INSTANT_COMPACT);
        }
        if (form == INSTANT_RFC3339 || form == INSTANT_PLAIN)
            end = put_fraction(end, i.ns);
        if (form == INSTANT_RFC3339 || form == INSTANT_COMPACT)
            end = put_zone(end, zone);
    }
    return doc_text(doc, (struct mg_str){out, (size_t)(end - out)});
}
