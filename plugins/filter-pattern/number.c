/* SPDX-License-Identifier: Apache-2.0 */
/* Decimal text to doubles, and back where that is needed to know whether something was lost. */
#include "number.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXPONENT_MOST = 1000000, EXACT_POWER = 22, TEXT_BYTES = 48 };
#define DIGITS_MOST  UINT64_C(99999999999999999) /* 17 digits: more are never needed */
#define DIGITS_EXACT UINT64_C(999999999999999)   /* 15: each is a double of its own */

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
            if (d->digits > DIGITS_MOST / 10)
                return false;
            d->digits *= 10;
        }
        if (d->digits > DIGITS_MOST / 10)
            return false;
        d->digits = d->digits * 10 + (uint64_t)(**at - '0');
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

static bool read_decimal(const char *text, size_t length, struct decimal *d)
{
    const char *at = text, *end = text + length;
    uint32_t zeros = 0;
    *d = (struct decimal){.negative = length && *at == '-'};
    at += d->negative;
    if (!take_digits(&at, end, 0, d, &zeros))
        return false;
    if (at < end && *at == '.') {
        at++;
        if (!take_digits(&at, end, -1, d, &zeros))
            return false;
    }
    d->exponent += zeros;
    if (at < end)
        take_exponent(at + 1, end, d);
    return true;
}

/* Is d the shortest decimal that reads back as value? */
static bool is_shortest(const struct decimal *d, double value)
{
    char text[TEXT_BYTES];
    for (int precision = 0; precision < 17; precision++) {
        snprintf(text, sizeof text, "%.*e", precision, value);
        if (strtod(text, NULL) != value)
            continue;
        struct decimal shortest;
        return read_decimal(text, strlen(text), &shortest) && shortest.digits == d->digits &&
               shortest.exponent == d->exponent;
    }
    return false;
}

static bool to_double(const struct decimal *d, double *ret_value)
{
    static const double powers[EXACT_POWER + 1] = {1e0,  1e1,  1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                                   1e8,  1e9,  1e10, 1e11, 1e12, 1e13, 1e14, 1e15,
                                                   1e16, 1e17, 1e18, 1e19, 1e20, 1e21, 1e22};
    /* Both are exact, so the one rounding is right; and 15 digits always come back. */
    if (d->digits <= DIGITS_EXACT && d->exponent >= -EXACT_POWER && d->exponent <= EXACT_POWER) {
        double digits = (double)d->digits;
        *ret_value = d->exponent < 0 ? digits / powers[-d->exponent] : digits * powers[d->exponent];
        return true;
    }
    char text[TEXT_BYTES];
    snprintf(text, sizeof text, "%llue%lld", (unsigned long long)d->digits, (long long)d->exponent);
    *ret_value = strtod(text, NULL);
    return isfinite(*ret_value) && is_shortest(d, *ret_value);
}

bool number_read(const char *text, size_t length, number_key *ret_number)
{
    struct decimal d;
    double value = 0;
    uint64_t bits;
    if (!read_decimal(text, length, &d) || (d.digits && !to_double(&d, &value)))
        return false;
    memcpy(&bits, &value, sizeof bits);
    *ret_number = d.digits && d.negative ? ~(bits | UINT64_C(1) << 63) : bits | UINT64_C(1) << 63;
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
