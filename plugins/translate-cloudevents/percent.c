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

int percent_encode(struct mg_str value, struct arena *arena, struct mg_str *ret_value)
{
    static const char digits[] = "0123456789ABCDEF";
    char *out = arena_take(arena, value.len * 3);
    if (!out)
        return -ENOMEM;
    *ret_value = (struct mg_str){out, 0};
    for (size_t i = 0; i < value.len; i++) {
        unsigned char c = (unsigned char)value.at[i];
        if (c > 0x20 && c < 0x7f && c != '"' && c != '%') {
            *out++ = (char)c;
            continue;
        }
        *out++ = '%';
        *out++ = digits[c >> 4];
        *out++ = digits[c & 15];
    }
    ret_value->len = (size_t)(out - ret_value->at);
    return 0;
}
