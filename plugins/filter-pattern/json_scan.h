/* SPDX-License-Identifier: Apache-2.0 */
/* The lowest layer of reading JSON, in place: where tokens end, and what escapes mean. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum { JSON_DEPTH_MAX = 1000 };

/* Does any of eight bytes need a look inside a string: a quote, a backslash, a control character?
 * The usual arithmetic on bytes in a word; it may say yes for a byte behind a true one. */
static inline uint64_t json_special(uint64_t word)
{
    const uint64_t ones = UINT64_C(0x0101010101010101), tops = UINT64_C(0x8080808080808080);
    uint64_t quote = word ^ ones * '"', backslash = word ^ ones * '\\';
    return (((quote - ones) & ~quote) | ((backslash - ones) & ~backslash) |
            ((word - ones * 0x20) & ~word)) &
           tops;
}

/* at is behind the opening quote.  The place of the closing quote, or NULL: the text ends, or has a
 * control character, before there is one.  *ret_escapes is set where there is a backslash. */
static inline const char *json_string_end(const char *at, const char *end, bool *ret_escapes)
{
    for (;;) {
        uint64_t word, special = 0;
        while (end - at >= (ptrdiff_t)sizeof word) {
            memcpy(&word, at, sizeof word);
            special = json_special(word);
            if (special)
                break;
            at += sizeof word;
        }
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
        if (special)
            at += __builtin_ctzll(special) / 8;
#endif
        while (at < end && *at != '"' && *at != '\\' && (unsigned char)*at >= 0x20)
            at++;
        if (at == end || (unsigned char)*at < 0x20)
            return NULL;
        if (*at == '"')
            return at;
        *ret_escapes = true;
        if (end - at < 2)
            return NULL;
        at += 2;
    }
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
