/* SPDX-License-Identifier: Apache-2.0 */
/* Reads rates and counts tokens. */
#include "limit.h"
#include "units.h"
#include <errno.h>
#include <stdio.h>

#define AMOUNT_MAX    (UINT64_C(1) << 50)
#define PERIOD_US_MAX (UINT64_C(86400) * 1000000)

/* "s", "10s", "250ms": a number is not needed. */
static bool read_period(const char *at, uint64_t *ret)
{
    char one[8];
    if (*at < '0' || *at > '9') {
        int length = snprintf(one, sizeof one, "1%s", at);
        at = length < (int)sizeof one ? one : "";
    }
    return units_time_us(&at, PERIOD_US_MAX, ret) && !*at && *ret;
}

int limit_parse(const char *text, enum limit_unit unit, struct limit *ret_limit,
                struct mg_err *reterr)
{
    const char *at = text;
    struct limit limit;
    bool well = unit == LIMIT_BYTES ? units_bytes(&at, AMOUNT_MAX, &limit.amount)
                                    : units_count(&at, AMOUNT_MAX, &limit.amount);
    if (!well || !limit.amount || *at != '/' || !read_period(at + 1, &limit.period_us)) {
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
