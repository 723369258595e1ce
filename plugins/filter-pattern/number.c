/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal text to millionths without a detour over binary fractions. */
#include "number.h"

enum { EXPONENT_MOST = 1000000 };

struct decimal { /* digits * 10^exponent; no trailing zero in digits */
    uint64_t digits;
    int64_t exponent;
    bool negative;
};

static bool digit(const char *at, const char *end)
{
    return at < end && *at >= '0' && *at <= '9';
}

/* Takes the digits at *at; each of them counts `weight` (0 before the point, -1 behind it). */
static bool take_digits(const char **at, const char *end, int weight, struct decimal *d,
                        uint32_t *zeros)
{
    for (; digit(*at, end); ++*at) {
        d->exponent += weight;
        if (**at == '0') {
            ++*zeros; /* perhaps trailing: they are multiplied in before the next other digit */
            continue;
        }
        for (; *zeros; --*zeros) {
            if (d->digits > (uint64_t)NUMBER_MOST)
                return false;
            d->digits *= 10;
        }
        d->digits = d->digits * 10 + (uint64_t)(**at - '0');
        if (d->digits > (uint64_t)NUMBER_MOST)
            return false;
    }
    return true;
}

static void take_exponent(const char *at, const char *end, struct decimal *d)
{
    bool negative = at < end && *at == '-';
    if (at < end && (*at == '-' || *at == '+'))
        at++;
    int64_t exponent = 0;
    for (; digit(at, end); at++)
        if (exponent < EXPONENT_MOST)
            exponent = exponent * 10 + (*at - '0');
    d->exponent += negative ? -exponent : exponent;
}

bool number_millionths(const char *text, size_t length, int64_t *ret_millionths)
{
    const char *at = text, *end = text + length;
    struct decimal d = {.negative = length && *at == '-'};
    uint32_t zeros = 0;
    at += d.negative;
    if (!take_digits(&at, end, 0, &d, &zeros))
        return false;
    if (at < end && *at == '.') {
        at++;
        if (!take_digits(&at, end, -1, &d, &zeros))
            return false;
    }
    d.exponent += zeros;
    if (at < end)
        take_exponent(at + 1, end, &d);
    if (!d.digits) {
        *ret_millionths = 0;
        return true;
    }
    if (d.exponent < -6)
        return false;
    for (int64_t e = d.exponent + 6; e > 0; e--) {
        if (d.digits > (uint64_t)NUMBER_MOST / 10)
            return false;
        d.digits *= 10;
    }
    *ret_millionths = d.negative ? -(int64_t)d.digits : (int64_t)d.digits;
    return true;
}

bool number_is_json(const char *text, size_t length)
{
    const char *at = text, *end = text + length;
    at += at < end && *at == '-';
    if (!digit(at, end))
        return false;
    if (*at == '0')
        at++;
    else
        while (digit(at, end))
            at++;
    if (at < end && *at == '.') {
        at++;
        if (!digit(at, end))
            return false;
        while (digit(at, end))
            at++;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        if (!digit(at, end))
            return false;
        while (digit(at, end))
            at++;
    }
    return at == end;
}
