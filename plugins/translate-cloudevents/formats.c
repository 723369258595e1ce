/* SPDX-License-Identifier: Apache-2.0 */
/* String, URI, Timestamp, media type and Integer as CloudEvents 1.0 §2.2 and its references say. */
#include "formats.h"
#include "json_scan.h"
#include <string.h>

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_alpha(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

static bool is_one_of(char c, const char *set)
{
    return c && strchr(set, c);
}

const char *wrong_string(struct mg_str text)
{
    const char *at = text.at, *end = text.at + text.len;
    while (at < end) {
        uint32_t point;
        if (*at >= 0x20 && *at < 0x7f) {
            at++;
            continue;
        }
        size_t length = scan_character(at, end, &point);
        if (!length)
            return "is not UTF-8";
        if (point < 0x20 || (point >= 0x7f && point <= 0x9f))
            return "has a control character";
        if ((point & 0xfffe) == 0xfffe || (point >= 0xfdd0 && point <= 0xfdef))
            return "has a code point that is no character";
        at += length;
    }
    return NULL;
}

/* ---- URI ------------------------------------------------------------------------------------ */

static const char not_a_character_of_uris[] =
    "has a character that a URI can only have as %XX, as a space is %20";

/* Characters of one component: unreserved, sub-delims, what `more` has, and %XX. */
static bool all_allowed(const char *at, const char *end, const char *more)
{
    for (; at < end; at++) {
        if (*at == '%') {
            if (end - at < 3 || !is_hex(at[1]) || !is_hex(at[2]))
                return false;
            at += 2;
        } else if (!is_alpha(*at) && !is_digit(*at) && !is_one_of(*at, "-._~!$&'()*+,;=") &&
                   !is_one_of(*at, more)) {
            return false;
        }
    }
    return true;
}

/* [userinfo@]host[:port] */
static bool is_authority(const char *at, const char *end)
{
    const char *host = memchr(at, '@', (size_t)(end - at)), *port;
    if (host && !all_allowed(at, host, ":"))
        return false;
    host = host ? host + 1 : at;
    if (host < end && *host == '[') {
        const char *close = memchr(host, ']', (size_t)(end - host));
        if (!close || close == host + 1 || !all_allowed(host + 1, close, ":"))
            return false;
        port = close + 1;
        if (port < end && *port != ':')
            return false;
    } else {
        port = memchr(host, ':', (size_t)(end - host));
        port = port ? port : end;
        if (!all_allowed(host, port, ""))
            return false;
    }
    for (port += port < end; port < end; port++)
        if (!is_digit(*port))
            return false;
    return true;
}

static bool is_scheme(const char *at, const char *end)
{
    if (at == end || !is_alpha(*at))
        return false;
    for (; at < end; at++)
        if (!is_alpha(*at) && !is_digit(*at) && !is_one_of(*at, "+-."))
            return false;
    return true;
}

static const char *first_of(const char *at, const char *end, const char *set)
{
    while (at < end && !is_one_of(*at, set))
        at++;
    return at;
}

/* Split as RFC 3986 appendix B does. */
static const char *wrong_uri_kind(struct mg_str text, bool absolute)
{
    const char *at = text.at, *end = text.at + text.len;
    const char *colon = first_of(at, end, ":/?#");
    if (colon < end && *colon == ':') {
        if (!is_scheme(at, colon))
            return "has a colon in its first part, and what stands before it is no scheme";
        at = colon + 1;
    } else if (absolute) {
        return "is no absolute URI: it has no scheme, as https:";
    }
    if (end - at >= 2 && at[0] == '/' && at[1] == '/') {
        const char *rest = first_of(at + 2, end, "/?#");
        if (!is_authority(at + 2, rest))
            return "has no valid authority (user@host:port) behind //";
        at = rest;
    }
    const char *query = first_of(at, end, "?#");
    const char *fragment = first_of(query, end, "#");
    if (!all_allowed(at, query, ":@/") ||
        (query < fragment && !all_allowed(query + 1, fragment, ":@/?")) ||
        (fragment < end && !all_allowed(fragment + 1, end, ":@/?")))
        return not_a_character_of_uris;
    return NULL;
}

const char *wrong_uri(struct mg_str text)
{
    return wrong_uri_kind(text, true);
}

const char *wrong_uri_reference(struct mg_str text)
{
    return wrong_uri_kind(text, false);
}

/* ---- Timestamp ------------------------------------------------------------------------------ */

/* Takes `count` digits and the character behind them (0: none); -1: not there. */
static int take_number(const char **at, const char *end, int count, char behind)
{
    int number = 0;
    if (end - *at < count + (behind != 0))
        return -1;
    for (int i = 0; i < count; i++, (*at)++) {
        if (!is_digit(**at))
            return -1;
        number = number * 10 + (**at - '0');
    }
    if (behind && (**at | 0x20) != (behind | 0x20))
        return -1;
    *at += behind != 0;
    return number;
}

static int days_of(int year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool is_zone(const char *at, const char *end)
{
    if (end - at == 1)
        return (*at | 0x20) == 'z';
    if (end - at != 6 || !is_one_of(*at, "+-"))
        return false;
    at++;
    int hours = take_number(&at, end, 2, ':'), minutes = take_number(&at, end, 2, 0);
    return hours >= 0 && hours <= 23 && minutes >= 0 && minutes <= 59;
}

const char *wrong_timestamp(struct mg_str text)
{
    static const char form[] =
        "is no timestamp of RFC 3339, as 2026-01-31T08:30:00Z or 2026-01-31T09:30:00.5+01:00";
    const char *at = text.at, *end = text.at + text.len;
    int year = take_number(&at, end, 4, '-');
    int month = year < 0 ? -1 : take_number(&at, end, 2, '-');
    int day = month < 0 ? -1 : take_number(&at, end, 2, 'T');
    int hour = day < 0 ? -1 : take_number(&at, end, 2, ':');
    int minute = hour < 0 ? -1 : take_number(&at, end, 2, ':');
    int second = minute < 0 ? -1 : take_number(&at, end, 2, 0);
    if (second < 0)
        return form;
    if (at < end && *at == '.') {
        const char *first = ++at;
        while (at < end && is_digit(*at))
            at++;
        if (at == first)
            return form;
    }
    if (!is_zone(at, end))
        return form;
    if (month < 1 || month > 12 || day < 1 || day > days_of(year, month))
        return "is no date that the calendar has";
    /* 60: a leap second, RFC 3339 §5.6 */
    return hour > 23 || minute > 59 || second > 60 ? "is no time that a day has" : NULL;
}

/* ---- media type and Integer ----------------------------------------------------------------- */

static bool take_token(const char **at, const char *end)
{
    const char *first = *at;
    while (*at<end &&* * at> 0x20 && **at < 0x7f && !is_one_of(**at, "()<>@,;:\\\"/[]?="))
        (*at)++;
    return *at > first;
}

static bool take_quoted(const char **at, const char *end)
{
    for ((*at)++; *at < end && **at != '"'; (*at)++)
        *at += **at == '\\' && end - *at > 1;
    return *at < end && *(*at)++ == '"';
}

static void skip_blanks(const char **at, const char *end)
{
    while (*at < end && (**at == ' ' || **at == '\t'))
        (*at)++;
}

const char *wrong_media_type(struct mg_str text)
{
    const char *at = text.at, *end = text.at + text.len;
    bool right = take_token(&at, end) && at < end && *at++ == '/' && take_token(&at, end);
    for (skip_blanks(&at, end); right && at < end; skip_blanks(&at, end)) {
        right = *at++ == ';';
        skip_blanks(&at, end);
        if (!right || at == end) /* a semicolon at the end is common, and harms nobody */
            break;
        right = take_token(&at, end) && at < end && *at++ == '=' && at < end &&
                (*at == '"' ? take_quoted(&at, end) : take_token(&at, end));
    }
    return right ? NULL : "is no media type, as application/json";
}

const char *wrong_integer(struct mg_str text)
{
    static const char beyond[] = "is beyond an Integer, which has 32 bits";
    const char *at = text.at, *end = text.at + text.len;
    bool negative = at < end && *at == '-';
    int64_t number = 0;
    at += negative;
    if (at == end)
        return "is no Integer";
    for (; at < end; at++) {
        if (!is_digit(*at))
            return "is no Integer, and CloudEvents has no other number";
        number = number * 10 + (*at - '0');
        if (number > (int64_t)INT32_MAX + negative)
            return beyond;
    }
    return NULL;
}
