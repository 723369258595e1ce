/* SPDX-License-Identifier: Apache-2.0 */
/* Draws and writes ids. */
#include "ids.h"
#include "trace.h"
#include <string.h>
#include <sys/random.h>
#define XXH_INLINE_ALL
#include <xxhash.h>

bool random_take(struct random_pool *pool, void *out, size_t length)
{
    if (pool->left < length) {
        /* So few bytes come whole or not at all; never wait for a kernel that has just started. */
        if (getrandom(pool->bytes, sizeof pool->bytes, GRND_NONBLOCK) != sizeof pool->bytes)
            return false;
        pool->left = sizeof pool->bytes;
    }
    uint8_t *from = pool->bytes + (pool->left -= length);
    memcpy(out, from, length);
    explicit_bzero(from, length); /* what was given out is nowhere else */
    return true;
}

static void write_uuid(uint8_t bytes[16], int version, char *out)
{
    static const uint8_t ends[] = {4, 6, 8, 10, 16};
    bytes[6] = (uint8_t)((bytes[6] & 0x0f) | version << 4);
    bytes[8] = (uint8_t)((bytes[8] & 0x3f) | 0x80);
    for (size_t i = 0, at = 0; i < sizeof ends; at = ends[i++]) {
        hex_write(bytes + at, ends[i] - at, out);
        out += 2 * (ends[i] - at);
        *out++ = ends[i] == 16 ? '\0' : '-';
    }
}

void uuid_v4(const uint8_t random[16], char out[static UUID_TEXT_SIZE])
{
    uint8_t bytes[16];
    memcpy(bytes, random, sizeof bytes);
    write_uuid(bytes, 4, out);
}

void uuid_v7(const uint8_t random[16], int64_t wall_ms, char out[static UUID_TEXT_SIZE])
{
    uint8_t bytes[16];
    memcpy(bytes, random, sizeof bytes);
    for (int i = 5; i >= 0; i--, wall_ms >>= 8)
        bytes[i] = (uint8_t)(wall_ms & 0xff);
    write_uuid(bytes, 7, out);
}

void content_hash(struct mg_str address, struct mg_bytes payload, char out[static HASH_TEXT_SIZE])
{
    XXH3_state_t state;
    XXH128_canonical_t canonical;
    XXH3_128bits_reset(&state);
    XXH3_128bits_update(&state, address.at, address.len);
    XXH3_128bits_update(&state, "", 1); /* a NUL, which no address has: where one ends counts */
    XXH3_128bits_update(&state, payload.at, payload.len);
    XXH128_canonicalFromHash(&canonical, XXH3_128bits_digest(&state));
    hex_write(canonical.digest, sizeof canonical.digest, out);
}
