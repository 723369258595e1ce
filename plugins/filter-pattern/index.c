/* SPDX-License-Identifier: Apache-2.0 */
/* Builds the index of a path out of its keys, and asks all parts of it. */
#include "index.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static void add_new(struct candidates *c, const uint32_t *ids, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        uint32_t id = ids[i];
        if (c->stamps[id] == c->generation)
            continue;
        c->stamps[id] = c->generation;
        c->ids[c->count++] = id; /* never behind ids + i: they may be the same array */
    }
}

void candidates_add_once(struct candidates *c, struct postings p)
{
    if (!c->once) {
        size_t count = c->count;
        c->count = 0;
        c->once = true;
        add_new(c, c->ids, count);
    }
    add_new(c, p.ids, p.count);
}

struct ip range_number(number_key n)
{
    return (struct ip){.low = n};
}

static int compare_keys(const void *left, const void *right)
{
    const struct key *a = left, *b = right;
    if (a->path != b->path)
        return a->path < b->path ? -1 : 1;
    if (a->kind != b->kind)
        return a->kind < b->kind ? -1 : 1;
    int order = ip_compare(&a->range.first, &b->range.first);
    if (!order)
        order = ip_compare(&a->range.last, &b->range.last);
    if (!order)
        order = affix_compare(a->text, a->length, b->text, b->length,
                              a->kind == KEY_SUFFIX || a->kind == KEY_FOLD_SUFFIX);
    return order ? order : a->branch < b->branch ? -1 : a->branch > b->branch;
}

void keys_sort(struct key *keys, size_t count)
{
    if (count)
        qsort(keys, count, sizeof *keys, compare_keys);
}

static bool same_key(const struct key *a, const struct key *b)
{
    return a->kind == b->kind && a->length == b->length &&
           !memcmp(a->text ? a->text : "", b->text ? b->text : "", a->length) &&
           !ip_compare(&a->range.first, &b->range.first) &&
           !ip_compare(&a->range.last, &b->range.last);
}

/* One kind's keys with their branches gathered. */
struct group {
    struct entry *entries;
    struct range *ranges;
    size_t count;
};

static int gather(struct arena *arena, const struct key *keys, size_t count, struct group *g)
{
    uint32_t *ids = arena_alloc(arena, count * sizeof *ids);
    g->entries = arena_alloc(arena, count * sizeof *g->entries);
    g->ranges = keys[0].kind == KEY_NUMBER_RANGE || keys[0].kind == KEY_IP_RANGE
                    ? arena_alloc(arena, count * sizeof *g->ranges)
                    : NULL;
    if (!ids || !g->entries)
        return -ENOMEM;
    for (size_t i = 0; i < count; i++) {
        bool again = i && same_key(&keys[i - 1], &keys[i]);
        if (!again)
            g->entries[g->count++] = (struct entry){keys[i].text, keys[i].length, {.ids = ids}};
        struct entry *e = &g->entries[g->count - 1];
        if (e->postings.count && ids[-1] == keys[i].branch)
            continue;
        *ids++ = keys[i].branch;
        e->postings.count++;
        if (g->ranges)
            g->ranges[g->count - 1] = (struct range){.at = keys[i].range, .postings = e->postings};
    }
    return 0;
}

static int build_kind(struct arena *arena, uint32_t kind, const struct group *g, struct index *x)
{
    const struct entry *e = g->entries;
    switch (kind) {
    case KEY_TEXT:
        return (x->texts = text_table_create(arena, e, g->count)) ? 0 : -ENOMEM;
    case KEY_NUMBER:
        return (x->numbers = text_table_create(arena, e, g->count)) ? 0 : -ENOMEM;
    case KEY_FOLD:
        return (x->folds = text_table_create(arena, e, g->count)) ? 0 : -ENOMEM;
    case KEY_FOLD_PREFIX:
        return (x->fold_prefixes = affixes_create(arena, e, g->count, false)) ? 0 : -ENOMEM;
    case KEY_FOLD_SUFFIX:
        return (x->fold_suffixes = affixes_create(arena, e, g->count, true)) ? 0 : -ENOMEM;
    case KEY_PREFIX:
        return (x->prefixes = affixes_create(arena, e, g->count, false)) ? 0 : -ENOMEM;
    case KEY_SUFFIX:
        return (x->suffixes = affixes_create(arena, e, g->count, true)) ? 0 : -ENOMEM;
    case KEY_CONTAINS:
        return (x->contains = contains_create(arena, e, g->count)) ? 0 : -ENOMEM;
    case KEY_NUMBER_RANGE:
        return (x->number_ranges = ranges_create(arena, g->ranges, g->count)) ? 0 : -ENOMEM;
    case KEY_IP_RANGE:
        return (x->ip_ranges = ranges_create(arena, g->ranges, g->count)) ? 0 : -ENOMEM;
    default:
        x->always = e[0].postings;
        return 0;
    }
}

int index_build(struct arena *arena, const struct key *keys, size_t count, struct index *ret_index)
{
    *ret_index = (struct index){0};
    for (size_t first = 0, last; first < count; first = last) {
        struct group g = {0};
        for (last = first; last < count && keys[last].kind == keys[first].kind;)
            last++;
        int error = gather(arena, keys + first, last - first, &g);
        if (!error)
            error = build_kind(arena, keys[first].kind, &g, ret_index);
        if (error)
            return error;
    }
    return 0;
}

bool index_folds(const struct index *x)
{
    return x->folds || x->fold_prefixes || x->fold_suffixes;
}

static void find_folded(const struct index *x, const struct value *v, char *fold,
                        struct candidates *c)
{
    size_t length = fold_canonical(v->at, v->length, fold);
    if (x->folds)
        text_table_find(x->folds, fold, length, c);
    if (x->fold_prefixes)
        affixes_find(x->fold_prefixes, fold, length, c);
    if (x->fold_suffixes)
        affixes_find(x->fold_suffixes, fold, length, c);
}

void index_find(const struct index *x, struct value *v, char *fold, struct candidates *c)
{
    if (x->texts)
        text_table_find(x->texts, v->at, v->length, c);
    if (x->numbers && value_number(v))
        text_table_find(x->numbers, (const char *)&v->number, sizeof v->number, c);
    if (x->prefixes)
        affixes_find(x->prefixes, v->at, v->length - 1, c); /* less the other quote */
    if (x->suffixes)
        affixes_find(x->suffixes, v->at + 1, v->length - 1, c);
    if (x->contains)
        contains_find(x->contains, v->at, v->length, c);
    if (x->number_ranges && value_number(v)) {
        struct ip point = range_number(v->number);
        ranges_find(x->number_ranges, &point, c);
    }
    if (x->ip_ranges && value_ip(v))
        ranges_find(x->ip_ranges, &v->ip, c);
    if (index_folds(x) && v->at[0] == '"')
        find_folded(x, v, fold, c);
    candidates_add(c, x->always);
}
