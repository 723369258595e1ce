/* SPDX-License-Identifier: Apache-2.0 */
/* Prefixes, or suffixes: sorted, each with the longest other one that it begins (ends) with.
 *
 * All of them that a text begins with are on the way from the last one that is not greater than the
 * text up to the root: whatever lies between a prefix and the text in order begins with the prefix.
 */
#include "index.h"
#include <string.h>

struct affix {
    struct entry entry;
    uint32_t parent; /* number + 1; 0: none */
};
struct affixes {
    bool backward;
    size_t count;
    struct affix sorted[];
};

static size_t common(const char *a, size_t a_length, const char *b, size_t b_length, bool backward)
{
    size_t least = a_length < b_length ? a_length : b_length, i = 0;
    if (backward)
        while (i < least && a[a_length - 1 - i] == b[b_length - 1 - i])
            i++;
    else
        while (i < least && a[i] == b[i])
            i++;
    return i;
}

int affix_compare(const char *a, size_t a_length, const char *b, size_t b_length, bool backward)
{
    size_t same = common(a, a_length, b, b_length, backward);
    if (same == a_length || same == b_length)
        return a_length < b_length ? -1 : a_length > b_length;
    unsigned char x = (unsigned char)(backward ? a[a_length - 1 - same] : a[same]);
    unsigned char y = (unsigned char)(backward ? b[b_length - 1 - same] : b[same]);
    return x < y ? -1 : 1;
}

struct affixes *affixes_create(struct arena *arena, const struct entry *entries, size_t count,
                               bool backward)
{
    struct affixes *a = arena_alloc(arena, sizeof *a + count * sizeof a->sorted[0]);
    if (!a)
        return NULL;
    a->backward = backward;
    a->count = count;
    for (size_t i = 0; i < count; i++) {
        const struct entry *e = &entries[i];
        uint32_t parent = (uint32_t)i; /* the one before it, or one of its parents */
        while (parent) {
            const struct affix *p = &a->sorted[parent - 1];
            if (common(p->entry.at, p->entry.length, e->at, e->length, backward) == p->entry.length)
                break;
            parent = p->parent;
        }
        a->sorted[i] = (struct affix){.entry = *e, .parent = parent};
    }
    return a;
}

void affixes_find(const struct affixes *a, const char *at, size_t length, struct candidates *c)
{
    size_t low = 0, high = a->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const struct entry *e = &a->sorted[middle].entry;
        if (affix_compare(e->at, e->length, at, length, a->backward) <= 0)
            low = middle + 1;
        else
            high = middle;
    }
    if (!low)
        return;
    const struct affix *last = &a->sorted[low - 1];
    size_t same = common(last->entry.at, last->entry.length, at, length, a->backward);
    for (size_t i = low; i; i = a->sorted[i - 1].parent)
        if (a->sorted[i - 1].entry.length <= same)
            candidates_add(c, a->sorted[i - 1].entry.postings);
}
