/* SPDX-License-Identifier: Apache-2.0 */
/* As the authors' reference has it (J.-P. Aumasson, D. J. Bernstein: SipHash, 2012), output of 16
 * bytes. */
#include "hash128.h"
#include <string.h>

struct state {
    uint64_t v[4];
};

static inline uint64_t rotated(uint64_t x, unsigned bits)
{
    return x << bits | x >> (64 - bits);
}

static inline void rounds(struct state *s, int count)
{
    uint64_t a = s->v[0], b = s->v[1], c = s->v[2], d = s->v[3];
    while (count--) {
        a += b, c += d;
        b = rotated(b, 13) ^ a, d = rotated(d, 16) ^ c;
        a = rotated(a, 32) + d, c += b;
        d = rotated(d, 21) ^ a, b = rotated(b, 17) ^ c;
        c = rotated(c, 32);
    }
    *s = (struct state){{a, b, c, d}};
}

static inline void mix(struct state *s, uint64_t word)
{
    s->v[3] ^= word;
    rounds(s, 2);
    s->v[0] ^= word;
}

/* Little-endian, whatever the machine: a hash may have to be the same on another one. */
static inline uint64_t word_of(const unsigned char *at, size_t length)
{
    uint64_t word = 0;
    for (size_t i = 0; i < length; i++)
        word |= (uint64_t)at[i] << 8 * i;
    return word;
}

struct hash128 hash128_of(const struct hash128 *key, const void *at, size_t length)
{
    const unsigned char *byte = at;
    uint64_t k0 = key->word[0], k1 = key->word[1];
    struct state s = {{k0 ^ 0x736f6d6570736575u, k1 ^ 0x646f72616e646f6du ^ 0xee,
                       k0 ^ 0x6c7967656e657261u, k1 ^ 0x7465646279746573u}};
    struct hash128 hash;
    size_t left = length;
    for (; left >= 8; left -= 8, byte += 8)
        mix(&s, word_of(byte, 8));
    mix(&s, word_of(byte, left) | (uint64_t)length << 56);
    s.v[2] ^= 0xee;
    rounds(&s, 4);
    hash.word[0] = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
    s.v[1] ^= 0xdd;
    rounds(&s, 4);
    hash.word[1] = s.v[0] ^ s.v[1] ^ s.v[2] ^ s.v[3];
    return hash;
}

bool hash128_equal(const struct hash128 *a, const struct hash128 *b)
{
    return a->word[0] == b->word[0] && a->word[1] == b->word[1];
}
