/* SPDX-License-Identifier: Apache-2.0 */
/* Ranges of numbers or addresses: a balanced tree in a sorted array, each node with the last end of
 * all below it, so that a point finds its ranges without a look at the others. */
#include "index.h"

struct ranges {
    struct range *sorted;
    size_t count;
};

/* The tree over [low, high) has its root in the middle.  Depth: the logarithm of count. */
static const struct ip *set_latest(struct range *sorted, size_t low, size_t high)
{
    if (low >= high)
        return NULL;
    struct range *root = &sorted[low + (high - low) / 2];
    size_t middle = (size_t)(root - sorted);
    const struct ip *left = set_latest(sorted, low, middle);
    const struct ip *right = set_latest(sorted, middle + 1, high);
    root->latest = root->at.last;
    if (left && ip_compare(left, &root->latest) > 0)
        root->latest = *left;
    if (right && ip_compare(right, &root->latest) > 0)
        root->latest = *right;
    return &root->latest;
}

struct ranges *ranges_create(struct arena *arena, struct range *sorted, size_t count)
{
    struct ranges *r = arena_alloc(arena, sizeof *r);
    if (!r || !sorted)
        return NULL;
    *r = (struct ranges){.sorted = sorted, .count = count};
    set_latest(sorted, 0, count);
    return r;
}

static void find(const struct range *sorted, size_t low, size_t high, const struct ip *point,
                 struct candidates *c)
{
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const struct range *root = &sorted[middle];
        if (ip_compare(&root->latest, point) < 0)
            return;
        find(sorted, low, middle, point, c);
        if (ip_compare(&root->at.first, point) > 0)
            return;
        if (ip_compare(&root->at.last, point) >= 0)
            candidates_add(c, root->postings);
        low = middle + 1;
    }
}

void ranges_find(const struct ranges *r, const struct ip *point, struct candidates *c)
{
    find(r->sorted, 0, r->count, point, c);
}
