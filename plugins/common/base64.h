/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 as RFC 4648 §4 has it: with padding, without line breaks. */
#pragma once
#include <stddef.h>

/* The characters that `length` bytes take, without a NUL. */
size_t base64_length(size_t length);
/* Into out, which has room for base64_length(length) characters. */
void base64_encode(const void *bytes, size_t length, char *out);
/* Into out, which has room for length / 4 * 3 bytes, or is text.  -EINVAL: not base64, or not
 * what base64_encode would write: bits beyond the last byte must be zero (§3.5). */
int base64_decode(const char *text, size_t length, void *out, size_t *ret_length);
