/* SPDX-License-Identifier: Apache-2.0 */
/* The name that somebody probably meant. */
#include "config/bind.h"
#include <ctype.h>
#include <string.h>

enum { NAME_MAX_BYTES = 64 };

/* - and _ are one to a person who types from memory, and so are the cases. */
static int fold(char c)
{
    return c == '-' ? '_' : tolower((unsigned char)c);
}

/* Optimal string alignment: insertions, deletions, replacements and transpositions cost one. */
static size_t distance(const char *a, size_t na, const char *b, size_t nb)
{
    size_t rows[3][NAME_MAX_BYTES + 1];
    size_t *before = rows[0], *last = rows[1], *row = rows[2];
    for (size_t k = 0; k <= nb; k++)
        last[k] = k;
    for (size_t i = 1; i <= na; i++) {
        row[0] = i;
        for (size_t k = 1; k <= nb; k++) {
            size_t best = last[k - 1] + (fold(a[i - 1]) != fold(b[k - 1]));
            if (last[k] + 1 < best)
                best = last[k] + 1;
            if (row[k - 1] + 1 < best)
                best = row[k - 1] + 1;
            if (i > 1 && k > 1 && fold(a[i - 1]) == fold(b[k - 2]) &&
                fold(a[i - 2]) == fold(b[k - 1]) && before[k - 2] + 1 < best)
                best = before[k - 2] + 1;
            row[k] = best;
        }
        size_t *free_row = before;
        before = last;
        last = row;
        row = free_row;
    }
    return last[nb];
}

const char *gw_nearest(const char *name, const char *const *candidates, size_t count)
{
    size_t length = strlen(name);
    if (!length || length > NAME_MAX_BYTES)
        return NULL;
    /* About one error in three letters; more would be guessing. */
    size_t least = (length + 2) / 3 + 1;
    const char *nearest = NULL;
    for (size_t i = 0; i < count; i++) {
        size_t n = strlen(candidates[i]);
        if (n > NAME_MAX_BYTES || (n > length ? n - length : length - n) >= least)
            continue;
        size_t d = distance(name, length, candidates[i], n);
        if (d < least && d < n) {
            least = d;
            nearest = candidates[i];
        }
    }
    return nearest;
}
