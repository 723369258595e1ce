/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords about lists. */
#include "compile.h"
#include "keywords_compile.h"
#include "run.h"
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

enum { FEW_ITEMS = 12 };

/* ---- their length --------------------------------------------------------------------------- */

static bool apply_min_items(struct run *run, const struct check *check, const struct at *at)
{
    return at->value->count >= check->as.count ||
           fail(run, check, at, "must have at least %" PRIu64 " item%s, has %zu", check->as.count,
                check->as.count == 1 ? "" : "s", at->value->count);
}

static bool apply_max_items(struct run *run, const struct check *check, const struct at *at)
{
    return at->value->count <= check->as.count ||
           fail(run, check, at, "must have at most %" PRIu64 " item%s, has %zu", check->as.count,
                check->as.count == 1 ? "" : "s", at->value->count);
}

int compile_min_items(struct compiler *c, const struct keyword_place *p)
{
    return compile_count(c, p, apply_min_items, ON_LIST);
}

int compile_max_items(struct compiler *c, const struct keyword_place *p)
{
    return compile_count(c, p, apply_max_items, ON_LIST);
}

/* ---- their items ---------------------------------------------------------------------------- */

static bool apply_items(struct run *run, const struct check *check, const struct at *at)
{
    const struct schema_list *first = &check->as.items.first;
    bool holds = true;
    for (size_t i = 0; i < at->value->count; i++) {
        const struct schema *s = i < first->count ? first->at[i] : check->as.items.rest;
        if (!s)
            break;
        if (apply_item(run, s, at, i))
            continue;
        holds = false;
        if (may_stop(run))
            break;
    }
    return holds;
}

/* prefixItems and items; in draft-07 items and additionalItems. */
int compile_items(struct compiler *c, const struct keyword_place *p)
{
    struct keyword_place first = *p, rest = *p;
    bool old = draft_of(p) == DRAFT_07, has_first, has_rest;
    if (old) {
        has_first = p->value->kind == DOC_LIST;
        has_rest = !has_first || beside(p, "additionalItems", &rest);
    } else {
        has_first = beside(p, "prefixItems", &first);
        has_rest = beside(p, "items", &rest);
        if (has_first && p->value != first.value)
            return 0; /* prefixItems had its turn, with items */
    }
    struct check *check = add_check(c, p, apply_items, ON_LIST);
    if (!check)
        return -ENOMEM;
    int error = has_first ? compile_list(c, &first, &check->as.items.first) : 0;
    if (!error && has_rest)
        error = compile_value(c, &rest, &check->as.items.rest);
    return error;
}

static bool apply_contains(struct run *run, const struct check *check, const struct at *at)
{
    uint64_t found = 0;
    for (size_t i = 0; i < at->value->count && !run->gave_up; i++) {
        struct spot spot = {at->spot, {NULL, 0}, i, at->spot->depth + 1};
        if (!attempt_silently(run, check->as.contains.schema, at->value->items[i], &spot,
                              at->scope))
            continue;
        found++;
        if (check->as.contains.marks)
            mark(run, at->marks, i);
        if (found >= check->as.contains.least && check->as.contains.most == UINT64_MAX &&
            at->marks == NO_MARKS)
            return true;
    }
    if (run->gave_up)
        return false;
    if (found < check->as.contains.least)
        return fail(run, check, at,
                    "must contain at least %" PRIu64 " item%s as contains says, has %" PRIu64,
                    check->as.contains.least, check->as.contains.least == 1 ? "" : "s", found);
    return found <= check->as.contains.most ||
           fail(run, check, at,
                "must contain at most %" PRIu64 " item%s as contains says, has %" PRIu64,
                check->as.contains.most, check->as.contains.most == 1 ? "" : "s", found);
}

int compile_contains(struct compiler *c, const struct keyword_place *p)
{
    struct keyword_place count;
    uint64_t least = 1, most = UINT64_MAX;
    int error = beside(p, "minContains", &count) ? count_of(c, &count, &least) : 0;
    if (!error && beside(p, "maxContains", &count))
        error = count_of(c, &count, &most);
    struct check *check = error ? NULL : add_check(c, p, apply_contains, ON_LIST);
    if (!check)
        return error ? error : -ENOMEM;
    check->as.contains.least = least;
    check->as.contains.most = most;
    check->as.contains.marks = draft_of(p) == DRAFT_2020_12;
    return compile_value(c, p, &check->as.contains.schema);
}

static bool apply_unevaluated_items(struct run *run, const struct check *check, const struct at *at)
{
    bool holds = true;
    for (size_t i = 0; i < at->value->count; i++) {
        if (is_marked(run, at->marks, i) || apply_item(run, check->as.schema, at, i))
            continue;
        holds = false;
        if (may_stop(run))
            break;
    }
    return holds;
}

int compile_unevaluated_items(struct compiler *c, const struct keyword_place *p)
{
    struct check *check = add_check(c, p, apply_unevaluated_items, ON_LIST);
    if (!check)
        return -ENOMEM;
    p->schema->marks = true;
    return compile_value(c, p, &check->as.schema);
}

/* ---- no two of them equal ------------------------------------------------------------------- */

static uint64_t mix(uint64_t hash, uint64_t more)
{
    hash = (hash ^ more) * 0x9e3779b97f4a7c15u;
    return hash ^ hash >> 31;
}

static uint64_t hash_text(struct mg_str text)
{
    uint64_t hash = 0xcbf29ce484222325u;
    for (size_t i = 0; i < text.len; i++)
        hash = (hash ^ (unsigned char)text.at[i]) * 0x100000001b3u;
    return hash;
}

/* The same for values that doc_equal finds equal; no deeper than a document is nested.  *size grows
 * by what it took, which a comparison takes again. */
static uint64_t hash_value(const struct doc_value *v, size_t *size)
{
    uint64_t hash = mix(0, v->kind == DOC_BOOL ? 8u + v->truth : (uint64_t)v->kind);
    ++*size;
    switch (v->kind) {
    case DOC_NUMBER:
        *size += v->text.len / 32;
        return mix(hash, number_hash(v->text));
    case DOC_TEXT:
        *size += v->text.len / 32;
        return mix(hash, hash_text(v->text));
    case DOC_LIST:
        for (size_t i = 0; i < v->count; i++)
            hash = mix(hash, hash_value(v->items[i], size));
        return hash;
    case DOC_OBJECT:
        for (size_t i = 0; i < v->count; i++)
            if (doc_get(v, v->members[i].name) == v->members[i].value)
                hash += mix(hash_text(v->members[i].name), hash_value(v->members[i].value, size));
        return hash;
    default:
        return hash;
    }
}

static bool fail_unique(struct run *run, const struct check *check, const struct at *at, size_t i,
                        size_t j)
{
    return fail(run, check, at, "must have no two equal items, [%zu] and [%zu] are", i < j ? i : j,
                i < j ? j : i);
}

static bool few_are_unique(struct run *run, const struct check *check, const struct at *at)
{
    for (size_t i = 1; i < at->value->count; i++)
        for (size_t j = 0; j < i; j++)
            if (doc_equal(at->value->items[i], at->value->items[j]))
                return fail_unique(run, check, at, i, j);
    return true;
}

struct hashed {
    uint64_t hash, index, size;
};

static int compare_hashed(const void *a, const void *b)
{
    const struct hashed *x = a, *y = b;
    if (x->hash != y->hash)
        return x->hash < y->hash ? -1 : 1;
    return (x->index > y->index) - (x->index < y->index);
}

static bool apply_unique_items(struct run *run, const struct check *check, const struct at *at)
{
    size_t count = at->value->count, base;
    if (count <= FEW_ITEMS)
        return few_are_unique(run, check, at);
    size_t used = run->used, words = sizeof(struct hashed) / sizeof *run->words;
    if (!take_words(run, count * words, &base))
        return false;
    struct hashed *all = (struct hashed *)(run->words + base);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct hashed){.index = i};
        all[i].hash = hash_value(at->value->items[i], &all[i].size);
        if (!spend(run, all[i].size))
            return false;
    }
    qsort(all, count, sizeof *all, compare_hashed);
    bool unique = true;
    for (size_t i = 1; unique && i < count; i++)
        for (size_t j = i; unique && j-- > 0 && all[j].hash == all[i].hash;)
            if (!spend(run, all[i].size))
                unique = false;
            else if (doc_equal(at->value->items[all[i].index], at->value->items[all[j].index]))
                unique = fail_unique(run, check, at, all[i].index, all[j].index);
    run->used = used;
    return unique;
}

int compile_unique_items(struct compiler *c, const struct keyword_place *p)
{
    if (p->value->kind != DOC_BOOL)
        return wrong(c, p, "must be true or false");
    return !p->value->truth || add_check(c, p, apply_unique_items, ON_LIST) ? 0 : -ENOMEM;
}
