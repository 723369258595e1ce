/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as JSON spells them, without rounding. */
#pragma once
#include "meshgate/plugin.h"

enum { DIVISOR_DIGITS_MAX = 18 };
struct divisor {
    uint64_t digits; /* × 10^power; not divisible by 10 */
    int64_t power;
};

/* 1.0 and 1e400 are, too. */
bool number_is_whole(struct mg_str number);
/* false: not above zero, or of more than 18 digits. */
bool number_divisor(struct mg_str number, struct divisor *ret_divisor);
bool number_is_multiple(struct mg_str number, const struct divisor *divisor);
/* The same for all spellings of a number. */
uint64_t number_hash(struct mg_str number);
/* Of a keyword that counts: beyond 64 bits it is the largest.  false: no whole number from 0. */
bool number_count(struct mg_str number, uint64_t *ret_count);
