/* SPDX-License-Identifier: Apache-2.0 */
/* Which of many topic filters overlap with one: a tree of levels, so that 10,000 routes need not be
 * compared with each other. */
#include "route/model_internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct entry {
    const char *filter;
    size_t id;
    size_t next; /* in the same node; 0: none, else index + 1 */
};

struct level {
    struct mg_str text;
    size_t parent;
    size_t child, sibling, entries; /* 0: none, else index (+ 1 for entries) */
};

struct gw_overlaps {
    struct level *levels; /* 0 is the root */
    size_t level_count, level_capacity;
    struct entry *entries;
    size_t entry_count, entry_capacity;
    size_t *slots; /* a hash of (parent, text) to a level; 0: free */
    size_t slot_count;
};

static size_t hash(size_t parent, struct mg_str text)
{
    uint64_t h = 1469598103934665603u ^ parent; /* FNV-1a */
    for (size_t i = 0; i < text.len; i++)
        h = (h ^ (unsigned char)text.at[i]) * 1099511628211u;
    return (size_t)(h ^ h >> 32);
}

static bool same(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && (!a.len || !memcmp(a.at, b.at, a.len));
}

static size_t *slot_of(const struct gw_overlaps *set, size_t parent, struct mg_str text)
{
    size_t i = hash(parent, text) & (set->slot_count - 1);
    while (set->slots[i] && (set->levels[set->slots[i]].parent != parent ||
                             !same(set->levels[set->slots[i]].text, text)))
        i = (i + 1) & (set->slot_count - 1);
    return &set->slots[i];
}

static int grow_slots(struct gw_overlaps *set)
{
    size_t *old = set->slots, count = set->slot_count ? set->slot_count * 2 : 1024;
    size_t *slots = calloc(count, sizeof *slots);
    if (!slots)
        return -ENOMEM;
    set->slots = slots;
    set->slot_count = count;
    for (size_t i = 1; i < set->level_count; i++)
        *slot_of(set, set->levels[i].parent, set->levels[i].text) = i;
    free(old);
    return 0;
}

struct gw_overlaps *gw_overlaps_create(void)
{
    struct gw_overlaps *set = calloc(1, sizeof *set);
    if (!set)
        return NULL;
    set->levels = calloc(64, sizeof *set->levels);
    if (!set->levels || grow_slots(set)) {
        gw_overlaps_destroy(set);
        return NULL;
    }
    set->level_capacity = 64;
    set->level_count = 1;
    return set;
}

void gw_overlaps_destroy(struct gw_overlaps *set)
{
    if (!set)
        return;
    free(set->levels);
    free(set->entries);
    free(set->slots);
    free(set);
}

static struct mg_str first_level(const char *at)
{
    return (struct mg_str){at, strcspn(at, "/")};
}

static bool is(struct mg_str text, char c)
{
    return text.len == 1 && *text.at == c;
}

static const char *less_share(const char *filter)
{
    const char *slash = strncmp(filter, "$share/", 7) ? NULL : strchr(filter + 7, '/');
    return slash ? slash + 1 : filter;
}

static ptrdiff_t add_level(struct gw_overlaps *set, size_t parent, struct mg_str text)
{
    if (set->level_count * 2 >= set->slot_count && grow_slots(set))
        return -ENOMEM;
    size_t *slot = slot_of(set, parent, text);
    if (*slot)
        return (ptrdiff_t)*slot;
    if (set->level_count == set->level_capacity) {
        struct level *larger = realloc(set->levels, set->level_capacity * 2 * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        set->levels = larger;
        set->level_capacity *= 2;
    }
    size_t index = set->level_count++;
    set->levels[index] =
        (struct level){.text = text, .parent = parent, .sibling = set->levels[parent].child};
    set->levels[parent].child = index;
    *slot = index;
    return (ptrdiff_t)index;
}

int gw_overlaps_add(struct gw_overlaps *set, const char *filter, size_t id)
{
    if (set->entry_count == set->entry_capacity) {
        size_t capacity = set->entry_capacity ? set->entry_capacity * 2 : 64;
        struct entry *larger = realloc(set->entries, capacity * sizeof *larger);
        if (!larger)
            return -ENOMEM;
        set->entries = larger;
        set->entry_capacity = capacity;
    }
    ptrdiff_t at = 0;
    for (const char *rest = less_share(filter); rest;) {
        struct mg_str text = first_level(rest);
        at = add_level(set, (size_t)at, text);
        if (at < 0)
            return (int)at;
        rest = rest[text.len] ? rest + text.len + 1 : NULL;
    }
    set->entries[set->entry_count] = (struct entry){filter, id, set->levels[at].entries};
    set->levels[at].entries = ++set->entry_count;
    return 0;
}

struct search {
    const struct gw_overlaps *set;
    const char *filter;
    bool (*found)(void *arg, size_t id);
    void *arg;
};

static bool report(const struct search *s, size_t level)
{
    for (size_t e = s->set->levels[level].entries; e; e = s->set->entries[e - 1].next) {
        const struct entry *entry = &s->set->entries[e - 1];
        /* The tree finds candidates; the rule on '$' in the first level is only there. */
        if (gw_filters_overlap(entry->filter, s->filter) && !s->found(s->arg, entry->id))
            return false;
    }
    return true;
}

/* No deeper than the tree, and its filters have GW_LEVELS_MAX levels at most. */
static bool search_all(const struct search *s, size_t level)
{
    if (!report(s, level))
        return false;
    for (size_t c = s->set->levels[level].child; c; c = s->set->levels[c].sibling)
        if (!search_all(s, c))
            return false;
    return true;
}

static bool search(const struct search *s, size_t level, const char *rest)
{
    const struct level *levels = s->set->levels;
    struct mg_str text = rest ? first_level(rest) : (struct mg_str){0};
    if (is(text, '#'))
        return search_all(s, level);
    struct mg_str hash_text = {"#", 1}, plus_text = {"+", 1};
    size_t many = *slot_of(s->set, level, hash_text);
    if (many && !report(s, many))
        return false;
    if (!rest)
        return report(s, level);
    const char *after = rest[text.len] ? rest + text.len + 1 : NULL;
    if (is(text, '+')) {
        for (size_t c = levels[level].child; c; c = levels[c].sibling)
            if (c != many && !search(s, c, after))
                return false;
        return true;
    }
    size_t one = *slot_of(s->set, level, plus_text), literal = *slot_of(s->set, level, text);
    return (!one || search(s, one, after)) && (!literal || search(s, literal, after));
}

void gw_overlaps_find(const struct gw_overlaps *set, const char *filter,
                      bool (*found)(void *arg, size_t id), void *arg)
{
    struct search s = {set, filter, found, arg};
    search(&s, 0, less_share(filter));
}
