/* SPDX-License-Identifier: Apache-2.0 */
/* Lower and upper case of a character, looked up in tables that a script makes. */
#include "fold.h"
#include "fold_table.h"
#include <string.h>

struct cases {
    uint32_t lower[3], upper[3]; /* 0: no more */
};

static bool special_cases(uint32_t code, struct cases *ret_cases)
{
    size_t low = 0, high = sizeof fold_specials / sizeof fold_specials[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fold_specials[middle].code < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low == sizeof fold_specials / sizeof fold_specials[0] || fold_specials[low].code != code)
        return false;
    memcpy(ret_cases->lower, fold_specials[low].lower, sizeof ret_cases->lower);
    memcpy(ret_cases->upper, fold_specials[low].upper, sizeof ret_cases->upper);
    return true;
}

static struct cases cases_of(uint32_t code)
{
    struct cases cases = {.lower = {code}, .upper = {code}};
    size_t low = 0, high = sizeof fold_ranges / sizeof fold_ranges[0];
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (fold_ranges[middle].last < code)
            low = middle + 1;
        else
            high = middle;
    }
    if (low < sizeof fold_ranges / sizeof fold_ranges[0] && fold_ranges[low].first <= code) {
        bool turns = !fold_ranges[low].lower && !fold_ranges[low].upper;
        bool odd = (code - fold_ranges[low].first) % 2;
        cases.lower[0] = code + (uint32_t)(turns ? !odd : fold_ranges[low].lower);
        cases.upper[0] = code + (uint32_t)(turns ? -(int32_t)odd : fold_ranges[low].upper);
    } else {
        special_cases(code, &cases);
    }
    return cases;
}

/* The next character; a byte that begins none is one by itself. */
static uint32_t next_code(const char **at, const char *end)
{
    unsigned char c = (unsigned char)*(*at)++;
    int more = c >= 0xf0 ? 3 : c >= 0xe0 ? 2 : c >= 0xc0 ? 1 : 0;
    if (c < 0xc0 || c >= 0xf8 || end - *at < more)
        return c;
    uint32_t code = c & (0x3fu >> more);
    for (int i = 0; i < more; i++) {
        if (((unsigned char)(*at)[i] & 0xc0) != 0x80)
            return c;
        code = code << 6 | ((unsigned char)(*at)[i] & 0x3f);
    }
    *at += more;
    return code;
}

static size_t put_code(uint32_t code, char *out)
{
    if (code < 0x80) {
        out[0] = (char)code;
        return 1;
    }
    if (code < 0x800) {
        out[0] = (char)(0xc0 | code >> 6);
        out[1] = (char)(0x80 | (code & 0x3f));
        return 2;
    }
    if (code < 0x10000) {
        out[0] = (char)(0xe0 | code >> 12);
        out[1] = (char)(0x80 | (code >> 6 & 0x3f));
        out[2] = (char)(0x80 | (code & 0x3f));
        return 3;
    }
    out[0] = (char)(0xf0 | code >> 18);
    out[1] = (char)(0x80 | (code >> 12 & 0x3f));
    out[2] = (char)(0x80 | (code >> 6 & 0x3f));
    out[3] = (char)(0x80 | (code & 0x3f));
    return 4;
}

static size_t put_codes(const uint32_t codes[3], char *out)
{
    size_t used = 0;
    for (int i = 0; i < 3 && (!i || codes[i]); i++)
        used += put_code(codes[i], out + used);
    return used;
}

struct fold *fold_compile(struct arena *arena, const char *text, size_t length)
{
    struct fold *f = arena_alloc(arena, sizeof *f + length * sizeof f->chars[0]);
    if (!f)
        return NULL;
    for (const char *at = text, *end = text + length; at < end;) {
        const char *start = at;
        uint32_t code = next_code(&at, end);
        struct fold_char *c = &f->chars[f->count++];
        if (at - start == 1 && code >= 0x80) { /* no character */
            c->lower[0] = c->upper[0] = *start;
            c->lower_length = c->upper_length = 1;
            continue;
        }
        struct cases cases = cases_of(code);
        c->lower_length = (uint8_t)put_codes(cases.lower, c->lower);
        c->upper_length = (uint8_t)put_codes(cases.upper, c->upper);
    }
    return f;
}

/* Neither case of a character begins, or ends, with the other (the script proves it): no need to go
 * back and try the other one. */
ptrdiff_t fold_prefix(const struct fold *f, const char *text, size_t length)
{
    size_t used = 0;
    for (size_t i = 0; i < f->count; i++) {
        const struct fold_char *c = &f->chars[i];
        const char *at = text + used;
        size_t left = length - used;
        if (c->lower_length <= left && !memcmp(at, c->lower, c->lower_length))
            used += c->lower_length;
        else if (c->upper_length <= left && !memcmp(at, c->upper, c->upper_length))
            used += c->upper_length;
        else
            return -1;
    }
    return (ptrdiff_t)used;
}

ptrdiff_t fold_suffix(const struct fold *f, const char *text, size_t length)
{
    size_t left = length;
    for (size_t i = f->count; i--;) {
        const struct fold_char *c = &f->chars[i];
        const char *end = text + left;
        if (c->lower_length <= left && !memcmp(end - c->lower_length, c->lower, c->lower_length))
            left -= c->lower_length;
        else if (c->upper_length <= left &&
                 !memcmp(end - c->upper_length, c->upper, c->upper_length))
            left -= c->upper_length;
        else
            return -1;
    }
    return (ptrdiff_t)(length - left);
}

size_t fold_canonical(const char *text, size_t length, char *out)
{
    size_t used = 0;
    for (const char *at = text, *end = text + length; at < end;) {
        const char *start = at;
        if ((unsigned char)*at < 0x80) {
            out[used++] = (char)(*at >= 'a' && *at <= 'z' ? *at - 'a' + 'A' : *at);
            at++;
            continue;
        }
        uint32_t code = next_code(&at, end);
        if (at - start == 1) {
            out[used++] = *start;
            continue;
        }
        struct cases lower = cases_of(code);
        for (int i = 0; i < 3 && lower.lower[i]; i++)
            used += put_codes(cases_of(lower.lower[i]).upper, out + used);
    }
    return used;
}
