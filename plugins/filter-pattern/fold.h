/* SPDX-License-Identifier: Apache-2.0 */
/* Comparison without regard to case, character by character: a character of the pattern stands for
 * its lower case and for its upper case, which may have other lengths (Unicode's full mappings).
 */
#pragma once
#include "arena.h"
#include <stdbool.h>

enum { FOLD_BYTES_MAX = 9, FOLD_GROWTH_MAX = 3 };

struct fold_char {
    uint8_t lower_length, upper_length;
    char lower[FOLD_BYTES_MAX], upper[FOLD_BYTES_MAX];
};
struct fold {
    size_t count;
    struct fold_char chars[];
};

/* NULL: out of memory. */
struct fold *fold_compile(struct arena *arena, const char *text, size_t length);
/* The length of what `fold` matches at the beginning of text, or -1. */
ptrdiff_t fold_prefix(const struct fold *fold, const char *text, size_t length);
/* The same at its end. */
ptrdiff_t fold_suffix(const struct fold *fold, const char *text, size_t length);

/* Texts that one pattern matches have the same canonical form.  out has room for FOLD_GROWTH_MAX *
 * length bytes; returns the length.  It is made character by character. */
size_t fold_canonical(const char *text, size_t length, char *out);
