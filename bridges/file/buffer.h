/* SPDX-License-Identifier: Apache-2.0 */
/* A byte buffer that grows, and base64. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct buffer {
    char *at;
    size_t used, size;
    bool failed; /* memory ran out; what was put since is lost */
};

void buffer_put(struct buffer *buffer, const void *at, size_t length);
void buffer_text(struct buffer *buffer, const char *text);
void buffer_format(struct buffer *buffer, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void buffer_base64(struct buffer *buffer, const void *at, size_t length);
void buffer_free(struct buffer *buffer); /* and makes it empty */

/* Into out, which has room for length / 4 * 3 + 3 bytes.  -EINVAL: not base64 (RFC 4648 §4,
 * padded). */
int base64_decode(const char *text, size_t length, uint8_t *out, size_t *ret_length);
/* RFC 3629: no surrogates, no overlong forms, nothing above U+10FFFF. */
bool utf8_is_valid(const void *at, size_t length);
