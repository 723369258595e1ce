/* SPDX-License-Identifier: Apache-2.0 */
/* Base64 as RFC 4648 §4 has it: with padding, without line breaks. */
#pragma once
#include <stddef.h>
#include <stdint.h>

/* The characters that `length` bytes take, without a NUL. */
size_t gw_base64_length(size_t length);
/* Into out, which has room for gw_base64_length(length) characters. */
void gw_base64_encode(const void *bytes, size_t length, char *out);
/* Into out, which has room for length / 4 * 3 bytes.  -EINVAL: not base64. */
int gw_base64_decode(const char *text, size_t length, void *out, size_t *ret_length);
