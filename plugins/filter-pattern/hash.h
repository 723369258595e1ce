/* SPDX-License-Identifier: Apache-2.0 */
/* The hash of names and texts.  Tables hold what patterns say and do not grow with events: it need
 * not be a secret one. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <string.h>

static inline uint64_t hash_mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

static inline uint64_t hash_text(const char *at, size_t length)
{
    uint64_t hash = length;
    while (length > 8) {
        uint64_t word;
        memcpy(&word, at, 8);
        hash = hash_mix(hash, word);
        at += 8;
        length -= 8;
    }
    if (length >= 4) { /* they may overlap */
        uint32_t low, high;
        memcpy(&low, at, 4);
        memcpy(&high, at + length - 4, 4);
        return hash_mix(hash, (uint64_t)high << 32 | low);
    }
    if (!length)
        return hash;
    return hash_mix(hash, (uint64_t)(unsigned char)at[0] |
                              (uint64_t)(unsigned char)at[length / 2] << 8 |
                              (uint64_t)(unsigned char)at[length - 1] << 16);
}
