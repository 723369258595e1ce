/* SPDX-License-Identifier: Apache-2.0 */
/* Growing bytes, base64 and a UTF-8 check. */
#include "buffer.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool reserve(struct buffer *b, size_t more)
{
    if (b->failed)
        return false;
    if (b->size - b->used >= more)
        return true;
    size_t size = b->size ? b->size : 1024;
    while (size - b->used < more) {
        if (size > SIZE_MAX / 2) {
            b->failed = true;
            return false;
        }
        size *= 2;
    }
    char *at = realloc(b->at, size);
    if (!at) {
        b->failed = true;
        return false;
    }
    b->at = at;
    b->size = size;
    return true;
}

void buffer_put(struct buffer *b, const void *at, size_t length)
{
    if (!length || !reserve(b, length))
        return;
    memcpy(b->at + b->used, at, length);
    b->used += length;
}

void buffer_text(struct buffer *b, const char *text)
{
    buffer_put(b, text, strlen(text));
}

void buffer_format(struct buffer *b, const char *format, ...)
{
    char text[128];
    va_list args;
    va_start(args, format);
    int n = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (n < 0 || (size_t)n >= sizeof text)
        b->failed = true;
    else
        buffer_put(b, text, (size_t)n);
}

void buffer_free(struct buffer *b)
{
    free(b->at);
    *b = (struct buffer){0};
}

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

void buffer_base64(struct buffer *b, const void *at, size_t length)
{
    const uint8_t *s = at;
    if (length > SIZE_MAX / 2 || !reserve(b, (length + 2) / 3 * 4)) {
        b->failed = true;
        return;
    }
    char *o = b->at + b->used;
    for (; length >= 3; length -= 3, s += 3) {
        *o++ = alphabet[s[0] >> 2];
        *o++ = alphabet[(s[0] & 3) << 4 | s[1] >> 4];
        *o++ = alphabet[(s[1] & 15) << 2 | s[2] >> 6];
        *o++ = alphabet[s[2] & 63];
    }
    if (length) {
        uint8_t second = length > 1 ? s[1] : 0;
        *o++ = alphabet[s[0] >> 2];
        *o++ = alphabet[(s[0] & 3) << 4 | second >> 4];
        *o++ = length > 1 ? alphabet[(second & 15) << 2] : '=';
        *o++ = '=';
    }
    b->used = (size_t)(o - b->at);
}

int base64_decode(const char *text, size_t length, uint8_t *out, size_t *ret_length)
{
    if (length % 4)
        return -EINVAL;
    size_t n = 0, padding = 0;
    if (length)
        padding = (text[length - 1] == '=') + (text[length - 1] == '=' && text[length - 2] == '=');
    for (size_t i = 0; i < length; i += 4) {
        uint32_t group = 0;
        for (size_t k = 0; k < 4; k++) {
            uint32_t digit = 0;
            if (i + k < length - padding) {
                const char *found = text[i + k] ? strchr(alphabet, text[i + k]) : NULL;
                if (!found)
                    return -EINVAL;
                digit = (uint32_t)(found - alphabet);
            }
            group = group << 6 | digit;
        }
        out[n++] = (uint8_t)(group >> 16);
        out[n++] = (uint8_t)(group >> 8);
        out[n++] = (uint8_t)group;
    }
    *ret_length = n - padding;
    return 0;
}

bool utf8_is_valid(const void *at, size_t length)
{
    const uint8_t *s = at, *end = s + length;
    while (s < end) {
        if (*s < 0x80) {
            s++;
            continue;
        }
        size_t more = *s >= 0xf0 ? 3 : *s >= 0xe0 ? 2 : 1;
        if (*s < 0xc2 || *s > 0xf4 || (size_t)(end - s) <= more)
            return false;
        uint32_t code = *s & (0x3fu >> more);
        for (size_t i = 1; i <= more; i++) {
            if ((s[i] & 0xc0) != 0x80)
                return false;
            code = code << 6 | (s[i] & 0x3f);
        }
        if ((more == 2 && (code < 0x800 || (code >= 0xd800 && code <= 0xdfff))) ||
            (more == 3 && (code < 0x10000 || code > 0x10ffff)))
            return false;
        s += more + 1;
    }
    return true;
}
