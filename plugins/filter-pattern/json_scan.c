/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of JSON, and values that nobody asks for. */
#include "json_scan.h"

const char *json_number_end(const char *at, const char *end)
{
    at += at < end && *at == '-';
    if (at == end || *at < '0' || *at > '9')
        return NULL;
    if (*at == '0')
        at++;
    else
        while (at < end && *at >= '0' && *at <= '9')
            at++;
    if (at < end && *at == '.') {
        const char *fraction = ++at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        if (at == fraction)
            return NULL;
    }
    if (at < end && (*at == 'e' || *at == 'E')) {
        at++;
        at += at < end && (*at == '+' || *at == '-');
        const char *exponent = at;
        while (at < end && *at >= '0' && *at <= '9')
            at++;
        if (at == exponent)
            return NULL;
    }
    return at;
}

const char *json_word_end(const char *at, const char *end)
{
    static const char *const words[] = {"true", "false", "null"};
    for (size_t i = 0; i < 3; i++) {
        size_t length = strlen(words[i]);
        if ((size_t)(end - at) >= length && !memcmp(at, words[i], length))
            return at + length;
    }
    return NULL;
}

/* ---- escapes -------------------------------------------------------------------------------- */

static int32_t hex4(const char *at, const char *end)
{
    int32_t value = 0;
    if (end - at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        char c = at[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

static char *put_utf8(char *out, uint32_t code)
{
    if (code < 0x80) {
        *out++ = (char)code;
    } else if (code < 0x800) {
        *out++ = (char)(0xc0 | code >> 6);
        *out++ = (char)(0x80 | (code & 0x3f));
    } else if (code < 0x10000) {
        *out++ = (char)(0xe0 | code >> 12);
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    } else {
        *out++ = (char)(0xf0 | code >> 18);
        *out++ = (char)(0x80 | (code >> 12 & 0x3f));
        *out++ = (char)(0x80 | (code >> 6 & 0x3f));
        *out++ = (char)(0x80 | (code & 0x3f));
    }
    return out;
}

/* *at is behind "\u".  NULL: no four digits. */
static char *put_code(const char **at, const char *end, char *out)
{
    int32_t code = hex4(*at, end);
    if (code < 0)
        return NULL;
    *at += 4;
    if (code >= 0xd800 && code <= 0xdfff) {
        int32_t second = code < 0xdc00 && end - *at >= 6 && (*at)[0] == '\\' && (*at)[1] == 'u'
                             ? hex4(*at + 2, end)
                             : -1;
        if (second < 0xdc00 || second > 0xdfff) {
            *out++ = '?';
            return out;
        }
        *at += 6;
        code = 0x10000 + ((code - 0xd800) << 10) + (second - 0xdc00);
    }
    return put_utf8(out, (uint32_t)code);
}

ptrdiff_t json_unescape(const char *at, size_t length, char *out)
{
    static const char from[] = "\"\\/bfnrt", to[] = "\"\\/\b\f\n\r\t";
    const char *end = at + length;
    char *start = out;
    while (at < end) {
        if (*at != '\\') {
            *out++ = *at++;
            continue;
        }
        if (end - at < 2)
            return -1;
        char c = at[1];
        at += 2;
        if (c == 'u') {
            out = put_code(&at, end, out);
            if (!out)
                return -1;
            continue;
        }
        const char *known = c ? strchr(from, c) : NULL;
        if (!known)
            return -1;
        *out++ = to[known - from];
    }
    return out - start;
}

/* ---- values that nobody asks for ------------------------------------------------------------ */

struct skipper {
    const char *at, *end;
    uint32_t depth;
    uint64_t objects[(JSON_DEPTH_MAX + 63) / 64]; /* by depth: is it an object or a list? */
};

static bool inside_object(const struct skipper *s)
{
    return s->objects[(s->depth - 1) / 64] >> ((s->depth - 1) % 64) & 1;
}

static bool open_bracket(struct skipper *s)
{
    if (s->depth == JSON_DEPTH_MAX)
        return false;
    uint64_t bit = UINT64_C(1) << (s->depth % 64);
    if (*s->at++ == '{')
        s->objects[s->depth / 64] |= bit;
    else
        s->objects[s->depth / 64] &= ~bit;
    s->depth++;
    return true;
}

/* A string with the escapes that it may have. */
static bool skip_string(struct skipper *s)
{
    bool escapes = false;
    const char *start = s->at + 1, *close = json_string_end(start, s->end, &escapes);
    if (!close)
        return false;
    s->at = close + 1;
    for (const char *c = start; escapes && c < close; c++) {
        if (*c != '\\')
            continue;
        c++;
        if (!*c || !strchr("\"\\/bfnrtu", *c) || (*c == 'u' && hex4(c + 1, close) < 0))
            return false;
    }
    return true;
}

static bool skip_key(struct skipper *s)
{
    s->at = json_space(s->at, s->end);
    if (s->at == s->end || *s->at != '"' || !skip_string(s))
        return false;
    s->at = json_space(s->at, s->end);
    if (s->at == s->end || *s->at != ':')
        return false;
    s->at = json_space(s->at + 1, s->end);
    return true;
}

static bool skip_scalar(struct skipper *s)
{
    if (s->at == s->end)
        return false;
    if (*s->at == '"')
        return skip_string(s);
    const char *behind = *s->at == '-' || (*s->at >= '0' && *s->at <= '9')
                             ? json_number_end(s->at, s->end)
                             : json_word_end(s->at, s->end);
    s->at = behind ? behind : s->at;
    return behind;
}

/* Behind a value: closes what ends here, and goes to the next value.  *ret_done: all is closed. */
static bool go_on(struct skipper *s, bool *ret_done)
{
    while (s->depth) {
        s->at = json_space(s->at, s->end);
        if (s->at == s->end)
            return false;
        bool object = inside_object(s);
        if (*s->at == ',') {
            s->at = json_space(s->at + 1, s->end);
            return !object || skip_key(s);
        }
        if (*s->at != (object ? '}' : ']'))
            return false;
        s->at++;
        s->depth--;
    }
    *ret_done = true;
    return true;
}

const char *json_skip(const char *at, const char *end, const char **ret_wrong)
{
    struct skipper s; /* objects is written before it is read: not cleared for each short value */
    s.at = at;
    s.end = end;
    s.depth = 0;
    bool done = false, well = true;
    while (well && !done) {
        if (s.at < end && (*s.at == '{' || *s.at == '[')) {
            bool object = *s.at == '{';
            well = open_bracket(&s);
            s.at = json_space(s.at, end);
            if (well && s.at < end && *s.at == (object ? '}' : ']')) {
                s.at++;
                s.depth--;
                well = go_on(&s, &done);
            } else if (well && object) {
                well = skip_key(&s);
            }
        } else {
            well = skip_scalar(&s) && go_on(&s, &done);
        }
    }
    *ret_wrong = s.at;
    return well ? s.at : NULL;
}
