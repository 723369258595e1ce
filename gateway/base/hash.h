/* SPDX-License-Identifier: Apache-2.0 */
/* Hashes that may be written down: XXH3 is frozen since xxHash 0.8, so what one build wrote another
 * one reads.  Not for secrets. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct gw_hash128 {
    uint64_t low, high;
};

uint64_t gw_hash64(const void *bytes, size_t length);
struct gw_hash128 gw_hash128(const void *bytes, size_t length);
