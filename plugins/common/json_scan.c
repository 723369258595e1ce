/* SPDX-License-Identifier: Apache-2.0 */
/* A scanner without recursion: what is open is one bit a level. */
#include "json_scan.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static bool wrong(struct scan *s, const char *what)
{
    s->wrong = what;
    return false;
}

void scan_space(struct scan *s)
{
    while (s->at < s->end && (*s->at == ' ' || *s->at == '\n' || *s->at == '\t' || *s->at == '\r'))
        s->at++;
}

void scan_begin(struct scan *s, struct mg_bytes text)
{
    const char *at = text.at ? text.at : "";
    *s = (struct scan){.begin = at, .at = at, .end = at + text.len};
}

bool scan_take(struct scan *s, char wanted)
{
    scan_space(s);
    if (s->at == s->end || *s->at != wanted)
        return false;
    s->at++;
    return true;
}

bool scan_expect(struct scan *s, char wanted, const char *otherwise)
{
    return scan_take(s, wanted) || wrong(s, s->at == s->end ? "it ends too early" : otherwise);
}

bool scan_end(struct scan *s)
{
    scan_space(s);
    return s->at == s->end || wrong(s, "something follows behind the end");
}

/* ---- characters and texts ------------------------------------------------------------------- */

/* RFC 3629: shortest forms, no surrogates, nothing above U+10FFFF. */
size_t scan_character(const char *at, const char *end, uint32_t *ret_point)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)at;
    if (*p < 0x80) {
        *ret_point = *p;
        return 1;
    }
    size_t more = *p >= 0xf0 ? 3 : *p >= 0xe0 ? 2 : 1;
    if (*p < 0xc2 || *p > 0xf4 || (size_t)(end - at) <= more)
        return 0;
    uint32_t point = *p & (0x3fu >> more);
    for (size_t i = 1; i <= more; i++) {
        if ((p[i] & 0xc0) != 0x80)
            return 0;
        point = point << 6 | (p[i] & 0x3fu);
    }
    if (point < least[more] || point > 0x10ffff || (point >= 0xd800 && point <= 0xdfff))
        return 0;
    *ret_point = point;
    return more + 1;
}

bool scan_is_utf8(const char *at, size_t length)
{
    uint32_t point;
    for (size_t i = 0, size; i < length; i += size)
        if (!(size = scan_character(at + i, at + length, &point)))
            return false;
    return true;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

static bool skip_escape(struct scan *s)
{
    if (s->end - s->at < 2)
        return wrong(s, "it ends within a text");
    if (s->at[1] != 'u') {
        if (!strchr("\"\\/bfnrt", s->at[1]) || !s->at[1])
            return wrong(s, "an unknown escape");
        s->at += 2;
        return true;
    }
    for (int i = 2; i < 6; i++)
        if (s->end - s->at <= i || hex_digit(s->at[i]) < 0)
            return wrong(s, "\\u needs four hexadecimal digits");
    s->at += 6;
    return true;
}

static bool is_plain(unsigned char c)
{
    return c >= 0x20 && c < 0x80 && c != '"' && c != '\\';
}

static bool skip_text(struct scan *s)
{
    for (s->at++;;) {
        while (s->at < s->end && is_plain((unsigned char)*s->at))
            s->at++;
        if (s->at == s->end)
            return wrong(s, "it ends within a text");
        unsigned char c = (unsigned char)*s->at;
        uint32_t point;
        size_t length;
        if (c == '"') {
            s->at++;
            return true;
        }
        if (c < 0x20)
            return wrong(s, "a control character within a text");
        if (c == '\\') {
            if (!skip_escape(s))
                return false;
            continue;
        }
        if (!(length = scan_character(s->at, s->end, &point)))
            return wrong(s, "this is not UTF-8");
        s->at += length;
    }
}

static uint32_t unit_at(const char *hex)
{
    uint32_t unit = 0;
    for (int i = 0; i < 4; i++)
        unit = unit << 4 | (uint32_t)hex_digit(hex[i]);
    return unit;
}

static size_t put_character(uint32_t point, char *out)
{
    size_t length = point < 0x80 ? 1 : point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = length - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)(length == 1 ? point : (0xf00u >> length & 0xf0) | point);
    return length;
}

ptrdiff_t scan_unescape(struct mg_str text, char *out)
{
    static const char names[] = "\"\\/bfnrt", meant[] = "\"\\/\b\f\n\r\t";
    const char *in = text.at + 1, *end = text.at + text.len - 1;
    char *begin = out;
    while (in < end) {
        const char *escape = memchr(in, '\\', (size_t)(end - in));
        size_t plain = (size_t)((escape ? escape : end) - in);
        memcpy(out, in, plain);
        out += plain;
        in += plain;
        if (!escape)
            break;
        if (in[1] != 'u') {
            *out++ = meant[strchr(names, in[1]) - names];
            in += 2;
            continue;
        }
        uint32_t point = unit_at(in + 2);
        in += 6;
        if (point >= 0xd800 && point <= 0xdbff && end - in >= 6 && in[0] == '\\' && in[1] == 'u') {
            uint32_t low = unit_at(in + 2);
            if (low >= 0xdc00 && low <= 0xdfff) {
                point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
                in += 6;
            }
        }
        if (point >= 0xd800 && point <= 0xdfff)
            return -EINVAL;
        out += put_character(point, out);
    }
    return out - begin;
}

/* ---- values --------------------------------------------------------------------------------- */

static bool skip_digits(struct scan *s)
{
    const char *first = s->at;
    while (s->at < s->end && *s->at >= '0' && *s->at <= '9')
        s->at++;
    return s->at > first || wrong(s, "a digit belongs here");
}

static bool skip_number(struct scan *s)
{
    s->at += *s->at == '-';
    if (s->at < s->end && *s->at == '0')
        s->at++; /* a digit that follows is no part of the number, and nothing else either */
    else if (!skip_digits(s))
        return false;
    if (s->at < s->end && *s->at == '.') {
        s->at++;
        if (!skip_digits(s))
            return false;
    }
    if (s->at < s->end && (*s->at == 'e' || *s->at == 'E')) {
        s->at++;
        s->at += s->at < s->end && (*s->at == '+' || *s->at == '-');
        if (!skip_digits(s))
            return false;
    }
    return true;
}

static bool skip_word(struct scan *s, const char *word)
{
    size_t length = strlen(word);
    if ((size_t)(s->end - s->at) < length || memcmp(s->at, word, length) != 0)
        return wrong(s, "a value belongs here");
    s->at += length;
    return true;
}

static bool skip_scalar(struct scan *s, enum scan_kind *ret_kind)
{
    switch (*s->at) {
    case '"':
        *ret_kind = SCAN_TEXT;
        return skip_text(s);
    case 't':
        *ret_kind = SCAN_TRUE;
        return skip_word(s, "true");
    case 'f':
        *ret_kind = SCAN_FALSE;
        return skip_word(s, "false");
    case 'n':
        *ret_kind = SCAN_NULL;
        return skip_word(s, "null");
    default:
        *ret_kind = SCAN_NUMBER;
        if (*s->at != '-' && !(*s->at >= '0' && *s->at <= '9'))
            return wrong(s, "a value belongs here");
        return skip_number(s);
    }
}

static bool skip_member_name(struct scan *s)
{
    scan_space(s);
    if (s->at == s->end || *s->at != '"')
        return wrong(s, s->at == s->end ? "it ends too early" : "a member's name belongs here");
    return skip_text(s) && scan_expect(s, ':', "a colon belongs here");
}

/* The levels that are open, a bit each: 1, an object. */
struct levels {
    size_t count;
    uint8_t object[SCAN_DEPTH_MAX / 8];
};

static bool in_object(const struct levels *l)
{
    return l->object[(l->count - 1) / 8] >> (l->count - 1) % 8 & 1;
}

/* Opens a level.  *ret_ended: it is empty and closed again. */
static bool open_level(struct scan *s, struct levels *l, bool *ret_ended)
{
    bool object = *s->at == '{';
    if (l->count == SCAN_DEPTH_MAX)
        return wrong(s, "nested deeper than 2048 levels");
    s->at++;
    if (scan_take(s, object ? '}' : ']')) {
        *ret_ended = true;
        return true;
    }
    size_t bit = l->count++;
    l->object[bit / 8] =
        (uint8_t)((l->object[bit / 8] & ~(1u << bit % 8)) | (unsigned)object << bit % 8);
    return !object || skip_member_name(s);
}

/* Behind a value: closes the levels that end here, up to where another value follows. */
static bool close_levels(struct scan *s, struct levels *l)
{
    while (l->count) {
        bool object = in_object(l);
        if (scan_take(s, ','))
            return !object || skip_member_name(s);
        if (!scan_expect(s, object ? '}' : ']',
                         object ? "a comma or } belongs here" : "a comma or ] belongs here"))
            return false;
        l->count--;
    }
    return true;
}

bool scan_value(struct scan *s, struct scan_value *ret)
{
    struct levels levels;
    levels.count = 0;
    scan_space(s);
    const char *first = s->at;
    do {
        enum scan_kind kind = SCAN_NULL;
        bool ended = true;
        scan_space(s);
        if (s->at == s->end)
            return wrong(s, "it ends too early");
        if (*s->at == '{' || *s->at == '[') {
            ended = false;
            kind = *s->at == '{' ? SCAN_OBJECT : SCAN_LIST;
            if (s->at == first)
                ret->kind = kind;
            if (!open_level(s, &levels, &ended))
                return false;
        } else {
            const char *at = s->at;
            if (!skip_scalar(s, &kind))
                return false;
            if (at == first)
                ret->kind = kind;
        }
        if (ended && !close_levels(s, &levels))
            return false;
    } while (levels.count);
    ret->text = (struct mg_str){first, (size_t)(s->at - first)};
    return true;
}

bool scan_is_json(struct mg_bytes text)
{
    struct scan s;
    struct scan_value value;
    scan_begin(&s, text);
    return scan_value(&s, &value) && scan_end(&s);
}

int scan_refuse(const struct scan *s, const char *what, struct mg_err *reterr)
{
    size_t line = 1, column = 1;
    for (const char *at = s->begin; at < s->at; at++) {
        if (*at == '\n') {
            line++;
            column = 1;
        } else {
            column += ((unsigned char)*at & 0xc0) != 0x80;
        }
    }
    snprintf(reterr->text, sizeof reterr->text, "%s: line %zu, column %zu: %s", what, line, column,
             s->wrong);
    return -EINVAL;
}
