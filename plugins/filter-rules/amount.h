/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers that compare exactly: whole ones of up to 38 digits, and doubles. */
#pragma once
#include "meshgate/plugin.h"

struct amount {
    bool whole;
    __int128 i; /* whole */
    double d;   /* not: finite */
};

struct amount amount_of_int(int64_t i);
struct amount amount_of_uint(uint64_t u);
bool amount_of_double(double d, struct amount *ret); /* false: infinite, or no number */
/* A decimal number and nothing else: "-21", "+3.5", "1e3". */
bool amount_of_text(const char *at, size_t length, struct amount *ret);
int amount_compare(const struct amount *a, const struct amount *b); /* negative, 0, positive */
