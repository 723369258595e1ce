/* SPDX-License-Identifier: Apache-2.0 */
/* Percent-encoding of header values, and the quoted strings of RFC 7230 §3.2.6 on their way in. */
#include "percent.h"
#include <errno.h>
#include <string.h>

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                  : -1;
}

int percent_decode(struct mg_str value, struct arena *arena, struct mg_str *ret_value,
                   struct mg_err *reterr)
{
    bool quoted = value.len >= 2 && value.at[0] == '"' && value.at[value.len - 1] == '"';
    const char *in = value.at + quoted, *end = value.at + value.len - quoted;
    char *out = arena_take(arena, value.len);
    if (!out)
        return ce_no_memory(reterr);
    *ret_value = (struct mg_str){out, 0};
    for (; in < end; in++) {
        if (quoted && *in == '\\' && end - in > 1) {
            in++;
        } else if (*in == '%') {
            int high = end - in > 2 ? hex_digit(in[1]) : -1, low = high < 0 ? -1 : hex_digit(in[2]);
            if (low < 0)
                return ce_refuse(reterr, "%% without two hexadecimal digits");
            *out++ = (char)(high << 4 | low);
            in += 2;
            continue;
        }
        *out++ = *in;
    }
    ret_value->len = (size_t)(out - ret_value->at);
    return 0;
}

/* Each character that `plain` does not take, as %XX. */
static int encode(struct mg_str text, bool (*plain)(const char *at, const char *end),
                  struct arena *arena, struct mg_str *ret)
{
    static const char digits[] = "0123456789ABCDEF";
    const char *end = text.at + text.len;
    char *out = arena_take(arena, text.len * 3);
    if (!out)
        return -ENOMEM;
    *ret = (struct mg_str){out, 0};
    for (const char *at = text.at; at < end; at++) {
        unsigned char c = (unsigned char)*at;
        if (plain(at, end)) {
            *out++ = *at;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    ret->len = (size_t)(out - ret->at);
    return 0;
}

static bool plain_in_header(const char *at, const char *end)
{
    (void)end;
    return *at > 0x20 && *at < 0x7f && *at != '"' && *at != '%';
}

static bool plain_in_uri(const char *at, const char *end)
{
    if (*at == '%')
        return end - at > 2 && hex_digit(at[1]) >= 0 && hex_digit(at[2]) >= 0;
    return *at > 0x20 && *at < 0x7f && !strchr("\"<>\\^`{|}", *at);
}

int percent_encode(struct mg_str value, struct arena *arena, struct mg_str *ret_value)
{
    return encode(value, plain_in_header, arena, ret_value);
}

int percent_encode_uri(struct mg_str text, struct arena *arena, struct mg_str *ret_text)
{
    return encode(text, plain_in_uri, arena, ret_text);
}
