/* SPDX-License-Identifier: Apache-2.0 */
/* Reads rates and counts tokens. */
#include "limit.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define AMOUNT_MAX    (UINT64_C(1) << 50)
#define PERIOD_US_MAX (UINT64_C(86400) * 1000000)

struct unit {
    const char *name;
    uint64_t factor;
};

/* Digits, perhaps with decimals; scaled by the unit behind them, which must be a known one. */
static bool read_number(const char **at, uint64_t *ret_whole, uint64_t *ret_part,
                        uint64_t *ret_part_of)
{
    const char *p = *at;
    *ret_whole = *ret_part = 0;
    *ret_part_of = 1;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (*ret_whole > AMOUNT_MAX)
            return false;
        *ret_whole = *ret_whole * 10 + (uint64_t)(*p - '0');
    }
    if (p == *at)
        return false;
    if (*p == '.') {
        const char *digits = ++p;
        for (; *p >= '0' && *p <= '9' && *ret_part_of < 1000000; p++) {
            *ret_part = *ret_part * 10 + (uint64_t)(*p - '0');
            *ret_part_of *= 10;
        }
        if (p == digits)
            return false;
    }
    *at = p;
    return true;
}

/* The product must be whole and in 1..most. */
static bool scaled(uint64_t whole, uint64_t part, uint64_t part_of, uint64_t factor, uint64_t most,
                   uint64_t *ret)
{
    uint64_t fraction = part * factor; /* below 10^6 times the largest factor, which is 10^12 */
    if (whole > most / factor || fraction % part_of)
        return false;
    *ret = whole * factor + fraction / part_of;
    return *ret >= 1 && *ret <= most;
}

static bool read_amount(const char **at, enum limit_unit unit, uint64_t *ret)
{
    static const struct unit sizes[] = {{"KiB", 1 << 10},   {"MiB", 1 << 20}, {"GiB", 1 << 30},
                                        {"kB", 1000},       {"KB", 1000},     {"MB", 1000000},
                                        {"GB", 1000000000}, {"B", 1},         {"", 1}};
    uint64_t whole, part, part_of;
    if (!read_number(at, &whole, &part, &part_of))
        return false;
    size_t first = unit == LIMIT_BYTES ? 0 : sizeof sizes / sizeof sizes[0] - 1;
    for (size_t i = first; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t length = strlen(sizes[i].name);
        if (strncmp(*at, sizes[i].name, length) != 0)
            continue;
        *at += length;
        return scaled(whole, part, part_of, sizes[i].factor, AMOUNT_MAX, ret);
    }
    return false;
}

/* "s", "10s", "250ms": a number is not needed. */
static bool read_period(const char *at, uint64_t *ret)
{
    static const struct unit times[] = {
        {"ms", 1000}, {"s", 1000000}, {"m", 60000000}, {"h", 3600000000}, {"d", PERIOD_US_MAX}};
    uint64_t whole = 1, part = 0, part_of = 1;
    if (*at >= '0' && *at <= '9' && !read_number(&at, &whole, &part, &part_of))
        return false;
    for (size_t i = 0; i < sizeof times / sizeof times[0]; i++)
        if (!strcmp(at, times[i].name))
            return scaled(whole, part, part_of, times[i].factor, PERIOD_US_MAX, ret);
    return false;
}

int limit_parse(const char *text, enum limit_unit unit, struct limit *ret_limit,
                struct mg_err *reterr)
{
    const char *at = text;
    struct limit limit;
    if (!read_amount(&at, unit, &limit.amount) || *at != '/' ||
        !read_period(at + 1, &limit.period_us)) {
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%.40s\" is no rate: %s, with ms, s, m, h or d behind the slash, at most a day",
                 text, unit == LIMIT_BYTES ? "64KiB/s or 10MB/5m" : "100/s, 10/m or 1/30s");
        return -EINVAL;
    }
    limit.burst = limit.amount;
    *ret_limit = limit;
    return 0;
}

void bucket_fill(struct bucket *b, const struct limit *limit)
{
    *b = (struct bucket){.tokens = (int64_t)limit->burst};
}

void bucket_earn(struct bucket *b, const struct limit *limit, uint64_t elapsed_us)
{
    uint64_t product;
    if (!limit->amount || b->tokens >= (int64_t)limit->burst)
        return;
    if (__builtin_mul_overflow(elapsed_us, limit->amount, &product) ||
        __builtin_add_overflow(product, b->remainder, &product)) {
        unsigned __int128 wide = (unsigned __int128)elapsed_us * limit->amount + b->remainder;
        unsigned __int128 earned = wide / limit->period_us;
        b->remainder = (uint64_t)(wide % limit->period_us);
        /* No debt is larger than the largest payload, far below that. */
        product = earned > INT64_MAX / 2 ? INT64_MAX / 2 : (uint64_t)earned;
    } else {
        b->remainder = product % limit->period_us;
        product /= limit->period_us;
    }
    b->tokens += (int64_t)product;
    if (b->tokens >= (int64_t)limit->burst)
        bucket_fill(b, limit);
}

bool bucket_has(const struct bucket *b, const struct limit *limit, uint64_t tokens)
{
    uint64_t least = tokens < limit->burst ? tokens : limit->burst;
    return !limit->amount || b->tokens >= (int64_t)least;
}

void bucket_take(struct bucket *b, const struct limit *limit, uint64_t tokens)
{
    if (limit->amount)
        b->tokens -= (int64_t)tokens;
}
