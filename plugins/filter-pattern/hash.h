/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of names and texts.  Tables hold what patterns say and do not grow with events: it need
 * not be a secret one. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define HASH_FACTOR UINT64_C(0x9e3779b97f4a7c15)

static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * HASH_FACTOR;
    return hash ^ hash >> 32;
}

/* The last word of a text of 1 to 8 bytes. */
static inline uint64_t hash_tail(const char *at, size_t length)
{
    if (length >= 4) { /* they may overlap */
        uint32_t low, high;
        memcpy(&low, at, 4);
        memcpy(&high, at + length - 4, 4);
        return (uint64_t)high << 32 | low;
    }
    return (uint64_t)(unsigned char)at[0] | (uint64_t)(unsigned char)at[length / 2] << 8 |
           (uint64_t)(unsigned char)at[length - 1] << 16;
}

static inline uint64_t hash_text(const char *at, size_t length)
{
    uint64_t hash = length;
    for (; length > 8; at += 8, length -= 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = hash_mix(hash, word);
    }
    if (length)
        hash = hash_mix(hash, hash_tail(at, length));
    hash *= HASH_FACTOR; /* high bits alone may differ, as those of small numbers do */
    return hash ^ hash >> 32;
}

/* memcmp for texts that are as short as names. */
static inline bool same_text(const char *a, const char *b, size_t length)
{
    for (; length > 8; a += 8, b += 8, length -= 8) {
        uint64_t x, y;
        memcpy(&x, a, 8);
        memcpy(&y, b, 8);
        if (x != y)
            return false;
    }
    return !length || hash_tail(a, length) == hash_tail(b, length);
}
