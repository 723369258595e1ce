/* SPDX-License-Identifier: Apache-2.0 */
/* Exact comparison of whole numbers with each other and with doubles. */
#include "amount.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WHOLE_DIGITS_MAX = 38, TEXT_BYTES_MAX = 63 };

struct amount amount_of_int(int64_t i)
{
    return (struct amount){.whole = true, .i = i};
}

struct amount amount_of_uint(uint64_t u)
{
    return (struct amount){.whole = true, .i = u};
}

bool amount_of_double(double d, struct amount *ret)
{
    *ret = (struct amount){.d = d};
    return isfinite(d);
}

static size_t digits(const char *at, const char *end)
{
    const char *begin = at;
    while (at < end && *at >= '0' && *at <= '9')
        at++;
    return (size_t)(at - begin);
}

/* Behind the sign: digits, a fraction, a power. */
static bool is_number(const char *at, const char *end, bool *ret_whole)
{
    size_t n = digits(at, end);
    at += n;
    *ret_whole = n && at == end;
    if (at < end && *at == '.') {
        size_t fraction = digits(at + 1, end);
        if (!n || !fraction)
            return false;
        at += 1 + fraction;
    }
    if (n && at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        size_t power = digits(at, end);
        if (!power)
            return false;
        at += power;
    }
    return n && at == end;
}

bool amount_of_text(const char *text, size_t length, struct amount *ret)
{
    const char *at = text, *end = text + length;
    bool whole, negative = length && *at == '-';
    at += length && (*at == '-' || *at == '+');
    if (length > TEXT_BYTES_MAX || !is_number(at, end, &whole))
        return false;
    if (whole && end - at <= WHOLE_DIGITS_MAX) {
        *ret = (struct amount){.whole = true};
        for (; at < end; at++)
            ret->i = ret->i * 10 + (*at - '0');
        ret->i = negative ? -ret->i : ret->i;
        return true;
    }
    char copy[TEXT_BYTES_MAX + 1];
    memcpy(copy, text, length);
    copy[length] = '\0';
    return amount_of_double(strtod(copy, NULL), ret);
}

static int compare_whole(__int128 i, double d)
{
    if (d >= 0x1p127)
        return -1;
    if (d < -0x1p127)
        return 1;
    double floored = floor(d);
    __int128 other = (__int128)floored;
    if (i != other)
        return i < other ? -1 : 1;
    return d > floored ? -1 : 0;
}

int amount_compare(const struct amount *a, const struct amount *b)
{
    if (a->whole && b->whole)
        return a->i < b->i ? -1 : a->i > b->i;
    if (a->whole)
        return compare_whole(a->i, b->d);
    if (b->whole)
        return -compare_whole(b->i, a->d);
    return a->d < b->d ? -1 : a->d > b->d;
}
