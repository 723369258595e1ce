/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as they are spelled in JSON: compared without rounding, read where they fit. */
#include "json_doc.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A spelling: its significant digits, and the power of ten of the first of them. */
struct decimal {
    const char *at, *end; /* the first digit that is not 0; behind the last; a point in between */
    int64_t power;        /* 0: the first digit stands for ones */
    bool negative;
};

/* Larger exponents are as this one; below INT64_MAX, since places are added to it. */
#define POWER_MOST INT64_C(1000000000000000000)

static int64_t read_power(const char *at, const char *end)
{
    int64_t power = 0;
    bool negative = at < end && *at == '-';
    for (at += at < end && (*at == '-' || *at == '+'); at < end; at++)
        power = power < POWER_MOST / 10 ? power * 10 + (*at - '0') : POWER_MOST;
    return negative ? -power : power;
}

/* false: it is zero. */
static bool read_decimal(struct mg_str s, struct decimal *ret)
{
    const char *at = s.at, *end = s.at + s.len, *digits_end = at, *point = NULL;
    bool negative = at < end && *at == '-';
    at += negative;
    for (digits_end = at; digits_end < end && *digits_end != 'e' && *digits_end != 'E';
         digits_end++)
        if (*digits_end == '.')
            point = digits_end;
    int64_t power = digits_end < end ? read_power(digits_end + 1, end) : 0;
    const char *whole_end = point ? point : digits_end;
    while (at < digits_end && (*at == '0' || *at == '.'))
        at++;
    if (at == digits_end)
        return false;
    while (digits_end[-1] == '0' || digits_end[-1] == '.')
        digits_end--;
    power += at < whole_end ? whole_end - at - 1 : whole_end - at;
    *ret = (struct decimal){at, digits_end, power, negative};
    return true;
}

static int compare_digits(const struct decimal *a, const struct decimal *b)
{
    const char *p = a->at, *q = b->at;
    for (;; p++, q++) {
        p += p < a->end && *p == '.';
        q += q < b->end && *q == '.';
        if (p == a->end || q == b->end)
            return (p < a->end) - (q < b->end);
        if (*p != *q)
            return *p < *q ? -1 : 1;
    }
}

int doc_number_compare(struct mg_str a, struct mg_str b)
{
    struct decimal x, y;
    bool some = read_decimal(a, &x), other = read_decimal(b, &y);
    if (!some || !other)
        return some ? (x.negative ? -1 : 1) : other ? (y.negative ? 1 : -1) : 0;
    if (x.negative != y.negative)
        return x.negative ? -1 : 1;
    int order = x.power != y.power ? (x.power < y.power ? -1 : 1) : compare_digits(&x, &y);
    return x.negative ? -order : order;
}

bool doc_as_int(const struct doc_value *value, int64_t *ret_number)
{
    struct decimal d;
    if (!value || value->kind != DOC_NUMBER)
        return false;
    if (!read_decimal(value->text, &d)) {
        *ret_number = 0;
        return true;
    }
    uint64_t number = 0, most = (uint64_t)INT64_MAX + d.negative;
    int64_t power = d.power;
    if (power < 0 || power > 18)
        return false;
    for (const char *at = d.at; power >= 0; power--) {
        at += at < d.end && *at == '.';
        uint64_t digit = at < d.end ? (uint64_t)(*at++ - '0') : 0;
        if (number > (most - digit) / 10)
            return false;
        number = number * 10 + digit;
        if (power == 0 && at < d.end)
            return false; /* there is a fraction */
    }
    *ret_number = d.negative ? (int64_t)(0 - number) : (int64_t)number;
    return true;
}

/* A spelling of at most 15 digits and a small power is one rounding away from its double. */
static bool short_double(struct mg_str s, double *ret)
{
    static const double powers[] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
                                    1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
    uint64_t digits = 0;
    size_t count = 0, behind = 0;
    bool point = false;
    size_t i = s.len && s.at[0] == '-';
    for (; i < s.len; i++) {
        if (s.at[i] == '.') {
            point = true;
            continue;
        }
        if (s.at[i] < '0' || s.at[i] > '9' || ++count > 15)
            return false;
        digits = digits * 10 + (uint64_t)(s.at[i] - '0');
        behind += point;
    }
    double number = (double)digits / powers[behind];
    *ret = s.at[0] == '-' ? -number : number;
    return count > 0;
}

bool doc_as_double(const struct doc_value *value, double *ret_number)
{
    char few[64], *text = few;
    if (!value || value->kind != DOC_NUMBER)
        return false;
    struct mg_str s = value->text;
    if (short_double(s, ret_number))
        return true;
    if (s.len >= sizeof few && !(text = malloc(s.len + 1)))
        return false;
    memcpy(text, s.at, s.len);
    text[s.len] = '\0';
    *ret_number = strtod(text, NULL);
    if (text != few)
        free(text);
    return isfinite(*ret_number);
}

/* Most numbers have few places: number * 10^places is whole, and that over 10^places, which is
 * rounded once since both are exact, is the number again.  Such a spelling of at most 15 digits is
 * the shortest (any decimal of 15 digits survives the way to a double and back).  0: none is found.
 */
static int format_few_places(double value, char *out, size_t size)
{
    double magnitude = fabs(value), power = 1;
    if (!(magnitude >= 1e-3 && magnitude < 1e9) || size < 24)
        return 0;
    for (int places = 0; places <= 6; places++, power *= 10) {
        uint64_t digits = (uint64_t)(magnitude * power + 0.5);
        if ((double)digits / power != magnitude)
            continue;
        char text[24], *at = text + sizeof text;
        for (int i = 0; digits || i <= places; i++) {
            if (i && i == places)
                *--at = '.';
            *--at = (char)('0' + digits % 10);
            digits /= 10;
        }
        if (value < 0)
            *--at = '-';
        size_t length = (size_t)(text + sizeof text - at);
        memcpy(out, at, length);
        out[length] = '\0';
        return (int)length;
    }
    return 0;
}

int doc_format_double(double value, char *out, size_t size)
{
    int n = format_few_places(value, out, size);
    for (int precision = 15; !n && precision <= 17; precision++) {
        n = snprintf(out, size, "%.*g", precision, value);
        if (precision < 17 && strtod(out, NULL) != value)
            n = 0;
    }
    return n;
}

struct doc_value *doc_double(struct doc *doc, double number)
{
    char text[40];
    if (!isfinite(number))
        return doc_null(doc);
    int n = doc_format_double(number, text, sizeof text - 2);
    if (!strpbrk(text, ".e")) { /* what was computed with a fraction keeps one */
        memcpy(text + n, ".0", 3);
        n += 2;
    }
    return doc_number(doc, (struct mg_str){text, (size_t)n});
}
