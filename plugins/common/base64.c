/* SPDX-License-Identifier: Apache-2.0 */
/* Base64: three bytes to four characters, and back. */
#include "base64.h"
#include <errno.h>
#include <stdint.h>

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

size_t base64_length(size_t length)
{
    return (length + 2) / 3 * 4;
}

void base64_encode(const void *bytes, size_t length, char *out)
{
    const uint8_t *at = bytes;
    for (; length > 0; out += 4) {
        size_t take = length < 3 ? length : 3;
        uint32_t bits = (uint32_t)at[0] << 16;
        if (take > 1)
            bits |= (uint32_t)at[1] << 8;
        if (take > 2)
            bits |= at[2];
        out[0] = alphabet[bits >> 18];
        out[1] = alphabet[bits >> 12 & 63];
        out[2] = take > 1 ? alphabet[bits >> 6 & 63] : '=';
        out[3] = take > 2 ? alphabet[bits & 63] : '=';
        at += take;
        length -= take;
    }
}

static int value_of(char c)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    return c == '+' ? 62 : c == '/' ? 63 : -1;
}

int base64_decode(const char *text, size_t length, void *out, size_t *ret_length)
{
    uint8_t *at = out;
    if (length % 4 != 0)
        return -EINVAL;
    for (size_t i = 0; i < length; i += 4) {
        size_t padding = 0;
        if (i + 4 == length)
            padding = text[i + 3] != '=' ? 0 : text[i + 2] != '=' ? 1 : 2;
        uint32_t bits = 0;
        for (size_t k = 0; k < 4; k++) {
            int value = k < 4 - padding ? value_of(text[i + k]) : 0;
            if (value < 0)
                return -EINVAL;
            bits = bits << 6 | (uint32_t)value;
        }
        /* Bits that no byte holds must be zero, so that each text stands for one sequence. */
        if ((padding == 1 && bits & 0xff) || (padding == 2 && bits & 0xffff))
            return -EINVAL;
        *at++ = (uint8_t)(bits >> 16);
        if (padding < 2)
            *at++ = (uint8_t)(bits >> 8);
        if (padding < 1)
            *at++ = (uint8_t)bits;
    }
    *ret_length = (size_t)(at - (uint8_t *)out);
    return 0;
}
