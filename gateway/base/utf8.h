/* SPDX-License-Identifier: Apache-2.0 */
/* UTF-8 as RFC 3629 has it: shortest forms, no surrogates, nothing above U+10FFFF. */
#pragma once
#include <stdbool.h>
#include <stddef.h>

bool gw_utf8_valid(const char *text, size_t length);

/* How many bytes of a text to show, at most so many, so that no character is cut in two. */
size_t gw_utf8_cut(const char *text, size_t length, size_t most);
