/* SPDX-License-Identifier: Apache-2.0 */
/* A token bucket in whole numbers: what is left of a token is kept, so that no rate is rounded. */
#pragma once
#include "meshgate/plugin.h"

/* `amount` tokens come evenly in each period_us; at most `burst` are kept.  amount 0: no limit. */
struct limit {
    uint64_t amount, period_us, burst;
};

/* What is left; zeros are a bucket that was never asked, which is full. */
struct bucket {
    int64_t tokens;     /* below 0: a debt */
    uint64_t remainder; /* of a token, in 1/period_us */
};

enum limit_unit { LIMIT_EVENTS, LIMIT_BYTES };

/* "100/s", "10/m", "5/250ms"; bytes: "64KiB/s".  burst becomes the amount.  -EINVAL: reterr says
 * why. */
int limit_parse(const char *text, enum limit_unit unit, struct limit *ret_limit,
                struct mg_err *reterr);

void bucket_fill(struct bucket *b, const struct limit *limit);
/* Puts in what came in that time. */
void bucket_earn(struct bucket *b, const struct limit *limit, uint64_t elapsed_us);
/* Is there enough?  A full bucket is enough for anything, or some events would never pass. */
bool bucket_has(const struct bucket *b, const struct limit *limit, uint64_t tokens);
void bucket_take(struct bucket *b, const struct limit *limit, uint64_t tokens);
