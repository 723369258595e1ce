/* SPDX-License-Identifier: Apache-2.0 */
/* The lowest layer of reading JSON, in place: where tokens end, and what escapes mean. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#ifdef __SSE2__
#include <emmintrin.h>
#endif

enum { JSON_DEPTH_MAX = 1000 };

/* How many bytes there are from `at`, of the JSON_BLOCK that may be read, before one that needs a
 * look inside a string: a quote, a backslash, a control character; JSON_BLOCK: all of them. */
#ifdef __SSE2__ /* half the time of the other one, for payloads of short strings */
enum { JSON_BLOCK = 16 };
static inline unsigned json_plain(const char *at)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
    __m128i special = _mm_or_si128(_mm_cmpeq_epi8(block, _mm_set1_epi8('"')),
                                   _mm_cmpeq_epi8(block, _mm_set1_epi8('\\')));
    special =
        _mm_or_si128(special, _mm_cmpeq_epi8(_mm_min_epu8(block, _mm_set1_epi8(0x1f)), block));
    unsigned mask = (unsigned)_mm_movemask_epi8(special);
    return mask ? (unsigned)__builtin_ctz(mask) : JSON_BLOCK;
}
static inline bool json_has_dot(const char *at, unsigned length)
{
    __m128i block = _mm_loadu_si128((const __m128i *)(const void *)at);
    unsigned mask = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(block, _mm_set1_epi8('.')));
    return mask & ((1u << length) - 1);
}
#else
static inline bool json_has_dot(const char *at, unsigned length)
{
    return memchr(at, '.', length);
}
enum { JSON_BLOCK = 8 };
static inline unsigned json_plain(const char *at)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t word;
    memcpy(&word, at, sizeof word);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    uint64_t special = (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
                        ((word - ones * 0x20) & ~word)) &
                       tops;
    unsigned count = 0; /* the first of those that it marks is one; those behind it may not be */
    while (count < JSON_BLOCK && special && (unsigned char)at[count] >= 0x20 && at[count] != '"' &&
           at[count] != '\\')
        count++;
    return special ? count : JSON_BLOCK;
}
#endif

/* at is behind the opening quote.  The place of the closing quote, or NULL: the text ends, or has a
 * control character, before there is one.  *ret_escapes is set where there is a backslash. */
static inline const char *json_string_end(const char *at, const char *end, bool *ret_escapes)
{
    for (;;) {
        unsigned plain = JSON_BLOCK;
        while (plain == JSON_BLOCK && end - at >= JSON_BLOCK) {
            plain = json_plain(at);
            at += plain;
        }
        if (plain == JSON_BLOCK)
            while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
                at++;
        if (at < end && *at == '"')
            return at;
        if (end - at < 2 || *at != '\\')
            return NULL;
        *ret_escapes = true;
        at += 2;
    }
}

/* Behind a name that is short and plain, as most are; NULL: it is to be read with care. */
static inline const char *json_short_name(const char *at, const char *end, bool *ret_dots)
{
    if (end - at < JSON_BLOCK)
        return NULL;
    unsigned length = json_plain(at);
    if (length == JSON_BLOCK || at[length] != '"')
        return NULL;
    *ret_dots = json_has_dot(at, length);
    return at + length;
}

static inline const char *json_space(const char *at, const char *end)
{
    while (at < end && (*at == ' ' || *at == '\n' || *at == '\r' || *at == '\t'))
        at++;
    return at;
}

/* at is at the first character of a number; behind it, or NULL: there is none. */
const char *json_number_end(const char *at, const char *end);
/* The same for true, false and null. */
const char *json_word_end(const char *at, const char *end);
/* What is between the quotes, with its escapes replaced; out has room for length bytes, and may be
 * at.  Returns the length, or -1: there is a wrong escape.  Half a surrogate pair becomes '?'. */
ptrdiff_t json_unescape(const char *at, size_t length, char *out);
/* Behind the value that begins at `at` (no space before it), whatever it is, checked to be
 * well-formed.  NULL: it is not; *ret_wrong is where. */
const char *json_skip(const char *at, const char *end, const char **ret_wrong);
