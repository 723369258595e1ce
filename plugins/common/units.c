/* SPDX-License-Identifier: Apache-2.0 */
/* Digits, perhaps with decimals, and a unit; all in whole numbers. */
#include "units.h"
#include <stddef.h>
#include <string.h>

#define WHOLE_MAX (UINT64_C(1) << 60)
enum { DECIMALS_MAX = 1000000 };

struct unit {
    const char *name; /* the longer ones first where they begin alike */
    uint64_t factor;
};
static const struct unit sizes[] = {{"KiB", UINT64_C(1) << 10},
                                    {"MiB", UINT64_C(1) << 20},
                                    {"GiB", UINT64_C(1) << 30},
                                    {"kB", 1000},
                                    {"KB", 1000},
                                    {"MB", 1000000},
                                    {"GB", 1000000000},
                                    {"B", 1},
                                    {"", 1}};
static const struct unit times[] = {{"ms", 1000},
                                    {"s", 1000000},
                                    {"m", 60 * UINT64_C(1000000)},
                                    {"h", 3600 * UINT64_C(1000000)},
                                    {"d", 86400 * UINT64_C(1000000)}};
static const struct unit none = {"", 1};

struct number {
    uint64_t whole, part, part_of;
};

static bool read_number(const char **at, struct number *n)
{
    const char *p = *at;
    *n = (struct number){.part_of = 1};
    for (; *p >= '0' && *p <= '9'; p++) {
        if (n->whole > WHOLE_MAX / 10)
            return false;
        n->whole = n->whole * 10 + (uint64_t)(*p - '0');
    }
    if (p == *at)
        return false;
    if (*p == '.') {
        const char *digits = ++p;
        for (; *p >= '0' && *p <= '9' && n->part_of < DECIMALS_MAX; p++) {
            n->part = n->part * 10 + (uint64_t)(*p - '0');
            n->part_of *= 10;
        }
        if (p == digits)
            return false;
    }
    *at = p;
    return true;
}

static bool read_quantity(const char **at, const struct unit *units, size_t count, uint64_t most,
                          uint64_t *ret)
{
    struct number n;
    if (!read_number(at, &n))
        return false;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(units[i].name);
        if (strncmp(*at, units[i].name, length) != 0)
            continue;
        *at += length;
        uint64_t factor = units[i].factor;
        uint64_t fraction = n.part * factor; /* below 10^6 times a day's 8.64 * 10^10 */
        if (n.whole > most / factor || fraction % n.part_of)
            return false;
        *ret = n.whole * factor + fraction / n.part_of;
        return *ret <= most;
    }
    return false;
}

bool units_count(const char **at, uint64_t most, uint64_t *ret)
{
    return read_quantity(at, &none, 1, most, ret);
}

bool units_bytes(const char **at, uint64_t most, uint64_t *ret)
{
    return read_quantity(at, sizes, sizeof sizes / sizeof sizes[0], most, ret);
}

bool units_time_us(const char **at, uint64_t most, uint64_t *ret)
{
    return read_quantity(at, times, sizeof times / sizeof times[0], most, ret);
}
