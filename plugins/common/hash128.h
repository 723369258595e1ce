/* SPDX-License-Identifier: Apache-2.0 */
/* SipHash-2-4 with 128 bits: names a text by a few bytes.  With a secret key nobody can choose
 * texts that collide; with a known one it says the same on every machine. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct hash128 {
    uint64_t word[2];
};

struct hash128 hash128_of(const struct hash128 *key, const void *at, size_t length);
bool hash128_equal(const struct hash128 *a, const struct hash128 *b);
