/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers, durations, sizes and truth values as people write them. */
#include "config/bind_value.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

int gw_value_int(const char *text, int64_t *ret)
{
    const char *digits = *text == '-' || *text == '+' ? text + 1 : text;
    if (!*digits || digits[strspn(digits, "0123456789")])
        return -EINVAL;
    errno = 0;
    long long value = strtoll(text, NULL, 10);
    if (errno)
        return -ERANGE;
    *ret = value;
    return 0;
}

int gw_value_double(const char *text, double *ret)
{
    /* strtod takes more than YAML has: hexadecimal, "infinity", leading blanks. */
    if (!*text || text[strspn(text, "+-.eE0123456789")])
        return -EINVAL;
    char *end;
    errno = 0;
    double value = strtod(text, &end);
    if (*end || end == text)
        return -EINVAL;
    if (!isfinite(value))
        return -ERANGE;
    *ret = value;
    return 0;
}

int gw_value_bool(const char *text, bool *ret)
{
    static const char *const yes[] = {"true", "yes", "on"}, *const no[] = {"false", "no", "off"};
    for (size_t i = 0; i < 3; i++) {
        if (!strcasecmp(text, yes[i]) || !strcasecmp(text, no[i])) {
            *ret = !strcasecmp(text, yes[i]);
            return 0;
        }
    }
    return -EINVAL;
}

struct unit {
    const char *name;
    int64_t factor;
};

/* digits[.digits] and a unit; *ret is set on success only. */
static int with_unit(const char *text, const struct unit *units, size_t count, int64_t *ret)
{
    size_t whole = strspn(text, "0123456789");
    const char *unit = text + whole;
    if (!whole)
        return -EINVAL;
    if (*unit == '.') {
        size_t fraction = strspn(unit + 1, "0123456789");
        if (!fraction)
            return -EINVAL;
        unit += 1 + fraction;
    }
    size_t number = (size_t)(unit - text);
    while (*unit == ' ')
        unit++;
    for (size_t i = 0; i < count; i++) {
        if (strcmp(unit, units[i].name))
            continue;
        if (number == whole) {
            errno = 0;
            long long value = strtoll(text, NULL, 10);
            if (errno || __builtin_mul_overflow(value, units[i].factor, &value))
                return -ERANGE;
            *ret = value;
            return 0;
        }
        double value = strtod(text, NULL) * (double)units[i].factor;
        if (!(value < 9e18))
            return -ERANGE;
        *ret = (int64_t)(value + 0.5);
        return 0;
    }
    return -EINVAL;
}

int gw_value_duration(const char *text, int64_t *ret_ms)
{
    static const struct unit units[] = {
        {"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    if (!strcmp(text, "0")) {
        *ret_ms = 0;
        return 0;
    }
    return with_unit(text, units, sizeof units / sizeof units[0], ret_ms);
}

int gw_value_size(const char *text, int64_t *ret_bytes)
{
    static const struct unit units[] = {
        {"", 1},
        {"B", 1},
        {"kB", 1000},
        {"KB", 1000},
        {"MB", 1000000},
        {"GB", 1000000000},
        {"TB", 1000000000000},
        {"KiB", 1 << 10},
        {"MiB", 1 << 20},
        {"GiB", 1 << 30},
        {"TiB", (int64_t)1 << 40},
    };
    return with_unit(text, units, sizeof units / sizeof units[0], ret_bytes);
}
