/* SPDX-License-Identifier: Apache-2.0 */
/* Rounding of decimal digits. */
#include "decimal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* With an exponent: written out.  Unset: it has no digits to round, or is too long. */
static struct mg_str written_out(struct mg_str number, char *out)
{
    char text[64];
    if (number.len >= sizeof text)
        return (struct mg_str){0};
    memcpy(text, number.at, number.len);
    text[number.len] = '\0';
    double real = strtod(text, NULL);
    if (real > 1e17 || real < -1e17)
        return (struct mg_str){0};
    int n = snprintf(out, DECIMAL_BYTES - 2, "%.*f", PLACES_MOST + 8, real);
    return (struct mg_str){out, (size_t)n};
}

/* One more in the last place of digits; returns whether there is one to carry in front of them. */
static bool count_up(char *digits, size_t length)
{
    while (length-- > 0) {
        if (digits[length] == '.')
            continue;
        if (digits[length] != '9') {
            digits[length]++;
            return false;
        }
        digits[length] = '0';
    }
    return true;
}

struct mg_str decimal_round(struct mg_str number, long places, char *out)
{
    bool exponent = memchr(number.at, 'e', number.len) || memchr(number.at, 'E', number.len);
    char room[DECIMAL_BYTES];
    if (exponent)
        number = written_out(number, room);
    if (!number.at || number.len > DECIMAL_BYTES - 2)
        return (struct mg_str){0};
    const char *point = memchr(number.at, '.', number.len);
    bool negative = number.at[0] == '-';
    size_t whole = point ? (size_t)(point - number.at) : number.len;
    size_t kept =
        point && whole + 1 + (size_t)places < number.len ? whole + 1 + (size_t)places : number.len;
    bool up = kept < number.len && number.at[kept] >= '5';
    if (!places)
        kept = whole;
    /* A digit in front for what is carried. */
    size_t begin = 1;
    memcpy(out + begin, number.at + negative, kept - negative);
    size_t length = kept - negative;
    if (up && count_up(out + begin, length)) {
        out[--begin] = '1';
        length++;
    }
    if (point && places)
        while (out[begin + length - 1] == '0' && out[begin + length - 2] != '.')
            length--;
    bool zero = true;
    for (size_t i = begin; i < begin + length; i++)
        zero = zero && (out[i] == '0' || out[i] == '.');
    if (negative && !zero) {
        memmove(out + 1, out + begin, length);
        out[0] = '-';
        return (struct mg_str){out, length + 1};
    }
    return (struct mg_str){out + begin, length};
}
