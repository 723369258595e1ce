/* SPDX-License-Identifier: Apache-2.0 */
/* The one place that sees xxHash. */
#define XXH_INLINE_ALL
#include "base/hash.h"
#include <xxhash.h>

uint64_t gw_hash64(const void *bytes, size_t length)
{
    return XXH3_64bits(bytes, length);
}

struct gw_hash128 gw_hash128(const void *bytes, size_t length)
{
    XXH128_hash_t h = XXH3_128bits(bytes, length);
    return (struct gw_hash128){.low = h.low64, .high = h.high64};
}
