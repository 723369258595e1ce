/* SPDX-License-Identifier: Apache-2.0 */
/* A spelling is its digits without zeros around them, times a power of ten. */
#include "number.h"

enum { POWER_MAX = 1000000000 };

struct digits {
    const char *at, *end; /* the first digit that is not 0, behind the last one; a point between */
    int64_t power;        /* of the last digit */
    bool negative;
};

static int64_t read_power(const char *at, const char *end)
{
    int64_t power = 0;
    bool negative = at < end && *at == '-';
    for (at += at < end && (*at == '-' || *at == '+'); at < end; at++)
        power = power < POWER_MAX ? power * 10 + (*at - '0') : power;
    return negative ? -power : power;
}

/* false: it is zero. */
static bool read_digits(struct mg_str number, struct digits *ret)
{
    const char *at = number.at, *stop = at + number.len, *end, *point = NULL;
    bool negative = at < stop && *at == '-';
    at += negative;
    for (end = at; end < stop && *end != 'e' && *end != 'E'; end++)
        point = *end == '.' ? end : point;
    int64_t power = end < stop ? read_power(end + 1, stop) : 0;
    power -= point ? end - point - 1 : 0;
    while (at < end && (*at == '0' || *at == '.'))
        at++;
    if (at == end)
        return false;
    for (; end[-1] == '0' || end[-1] == '.'; end--)
        power += end[-1] == '0';
    *ret = (struct digits){at, end, power, negative};
    return true;
}

bool number_is_whole(struct mg_str number)
{
    struct digits d;
    return !read_digits(number, &d) || d.power >= 0;
}

bool number_divisor(struct mg_str number, struct divisor *ret)
{
    struct digits d;
    uint64_t digits = 0;
    int count = 0;
    if (!read_digits(number, &d) || d.negative)
        return false;
    for (const char *at = d.at; at < d.end; at++) {
        if (*at == '.')
            continue;
        if (++count > DIVISOR_DIGITS_MAX)
            return false;
        digits = digits * 10 + (uint64_t)(*at - '0');
    }
    *ret = (struct divisor){digits, d.power};
    return true;
}

static uint64_t multiply(uint64_t a, uint64_t b, uint64_t modulus)
{
    return (uint64_t)((unsigned __int128)a * b % modulus);
}

bool number_is_multiple(struct mg_str number, const struct divisor *by)
{
    struct digits d;
    if (!read_digits(number, &d))
        return true;
    /* The last digit is not 0: what is finer than the divisor's last digit is no multiple. */
    if (d.power < by->power)
        return false;
    uint64_t rest = 0, ten = 10 % by->digits;
    for (const char *at = d.at; at < d.end; at++)
        if (*at != '.')
            rest = (multiply(rest, 10, by->digits) + (uint64_t)(*at - '0')) % by->digits;
    for (uint64_t power = (uint64_t)(d.power - by->power); power; power >>= 1) {
        if (power & 1)
            rest = multiply(rest, ten, by->digits);
        ten = multiply(ten, ten, by->digits);
    }
    return rest == 0;
}

uint64_t number_hash(struct mg_str number)
{
    struct digits d;
    uint64_t hash = 0xcbf29ce484222325u;
    if (!read_digits(number, &d))
        return hash;
    hash ^= (uint64_t)d.power * 2 + d.negative;
    for (const char *at = d.at; at < d.end; at++)
        if (*at != '.')
            hash = (hash ^ (uint64_t)*at) * 0x100000001b3u;
    return hash;
}

bool number_count(struct mg_str number, uint64_t *ret)
{
    struct digits d;
    *ret = 0;
    if (!read_digits(number, &d))
        return true;
    if (d.negative || d.power < 0)
        return false;
    uint64_t count = 0;
    int64_t zeros = d.power;
    for (const char *at = d.at; at < d.end || zeros;) {
        uint64_t digit = 0;
        if (at < d.end && *at == '.') {
            at++;
            continue;
        }
        if (at < d.end)
            digit = (uint64_t)(*at++ - '0');
        else
            zeros--;
        if (count > (UINT64_MAX - digit) / 10) {
            *ret = UINT64_MAX;
            return true;
        }
        count = count * 10 + digit;
    }
    *ret = count;
    return true;
}
