/* SPDX-License-Identifier: Apache-2.0 */
/* By which of its conditions a branch is entered, and the indexes of these. */
#include "entries.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* How often, roughly, a value passes such an atom, in relation to an exact text. */
static double weight_of(const struct atom *a)
{
    switch (a->type) {
    case ATOM_TEXT:
        return 1;
    case ATOM_NUMBER:
        return a->as.number.first == a->as.number.last ? 1 : 16;
    case ATOM_FOLD:
        return 1.5;
    case ATOM_IP:
        return 2;
    case ATOM_PREFIX:
    case ATOM_SUFFIX:
    case ATOM_FOLD_PREFIX:
    case ATOM_FOLD_SUFFIX:
        return a->length > 2 ? 3 : 1000;
    case ATOM_WILDCARD:
        return 12;
    default:
        return 10000;
    }
}

/* A condition's share of events; known: how many different values patterns name on its path. */
static double share_of(const struct choice *c, uint32_t known)
{
    double share = (double)(c->text_count + c->number_count);
    for (size_t i = 0; i < c->other_count; i++)
        share += weight_of(&c->others[i]);
    return share / (1.0 + known);
}

/* The condition by which to enter a branch: the one that the fewest events pass.  NO_CONDITION:
 * each holds without a value as well. */
static uint32_t way_in(const struct set *s, const uint32_t *branch, const uint32_t *known)
{
    uint32_t best = NO_CONDITION;
    double least = 0;
    for (uint32_t i = 0; i < branch[BRANCH_COUNT]; i++) {
        uint32_t id = branch[BRANCH_CONDITIONS + i];
        const struct set_condition *c = &s->conditions[id];
        if (c->choice->absent)
            continue;
        double share = share_of(c->choice, known[c->path]);
        if (best == NO_CONDITION || share < least) {
            best = id;
            least = share;
        }
    }
    return best;
}

static const struct piece *longest_piece(const struct wildcard *w)
{
    const struct piece *best = &w->pieces[0];
    for (size_t i = 1; i < w->count; i++)
        if (w->pieces[i].length > best->length)
            best = &w->pieces[i];
    return best;
}

static struct key key_of(const struct atom *a)
{
    struct key key = {.kind = KEY_ALWAYS, .text = a->text, .length = a->length};
    switch (a->type) {
    case ATOM_TEXT:
        key.kind = KEY_TEXT;
        break;
    case ATOM_NUMBER:
        if (a->as.number.first == a->as.number.last) {
            key.kind = KEY_NUMBER;
            key.text = (const char *)&a->as.number.first;
            key.length = sizeof a->as.number.first;
        } else {
            key.kind = KEY_NUMBER_RANGE;
            key.range.first = range_number(a->as.number.first);
            key.range.last = range_number(a->as.number.last);
        }
        break;
    case ATOM_IP:
        key.kind = KEY_IP_RANGE;
        key.range = a->as.ip;
        break;
    case ATOM_PREFIX:
    case ATOM_SUFFIX:
        key.kind = a->type == ATOM_PREFIX ? KEY_PREFIX : KEY_SUFFIX;
        break;
    case ATOM_FOLD:
    case ATOM_FOLD_PREFIX:
    case ATOM_FOLD_SUFFIX:
        key.kind = KEY_FOLD + (a->type - ATOM_FOLD);
        break;
    case ATOM_WILDCARD: {
        const struct wildcard *w = a->as.wildcard;
        const struct piece *piece = longest_piece(w);
        key.kind = w->count == 1                       ? KEY_TEXT
                   : piece == &w->pieces[0]            ? KEY_PREFIX
                   : piece == &w->pieces[w->count - 1] ? KEY_SUFFIX
                                                       : KEY_CONTAINS;
        key.text = piece->at;
        key.length = piece->length;
        break;
    }
    default:
        key.text = NULL;
        key.length = 0;
        break;
    }
    return key;
}

/* Does an index lead only to what meets the condition?  Others than these are looked at again. */
static bool is_exact(const struct choice *c)
{
    bool exact = true;
    for (size_t i = 0; i < c->other_count; i++)
        exact &= c->others[i].type <= ATOM_SUFFIX || c->others[i].type == ATOM_EXISTS;
    return exact;
}

struct keys {
    struct key *at;
    size_t count, capacity;
};

static int add_keys(struct keys *keys, const struct atom *atoms, size_t count, uint32_t path,
                    uint32_t branch)
{
    for (size_t i = 0; i < count; i++) {
        if (!array_room(&keys->at, &keys->capacity, keys->count, sizeof *keys->at))
            return -ENOMEM;
        struct key key = key_of(&atoms[i]);
        key.path = path;
        key.branch = branch;
        keys->at[keys->count++] = key;
    }
    return 0;
}

static int add_branch_keys(struct set *s, struct keys *keys, uint32_t condition, uint32_t branch)
{
    const struct set_condition *c = &s->conditions[condition];
    int error = add_keys(keys, c->choice->texts, c->choice->text_count, c->path, branch);
    if (!error)
        error = add_keys(keys, c->choice->numbers, c->choice->number_count, c->path, branch);
    if (!error)
        error = add_keys(keys, c->choice->others, c->choice->other_count, c->path, branch);
    return error;
}

/* Moves branches so that those of one key stand together: whoever looks at one looks at the next.
 */
static int order_branches(struct set *s, struct keys *keys, uint32_t *always)
{
    uint32_t *moved = malloc((s->branch_words + 1) * sizeof *moved);
    uint32_t *places = calloc(s->branch_words + 1, sizeof *places); /* new + 1, by old */
    size_t used = 0, count = keys->count + s->always.count;
    int error = moved && places ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++) {
        uint32_t *id = i < keys->count ? &keys->at[i].branch : &always[i - keys->count];
        if (!places[*id]) {
            const uint32_t *branch = s->branches + *id;
            size_t words = BRANCH_CONDITIONS + branch[BRANCH_COUNT];
            memcpy(moved + used, branch, words * sizeof *moved);
            places[*id] = (uint32_t)used + 1;
            used += words;
        }
        *id = places[*id] - 1;
    }
    free(places);
    if (error) {
        free(moved);
        return error;
    }
    free(s->branches);
    s->branches = moved;
    s->branch_capacity = s->branch_words + 1;
    return 0;
}

static int build_indexes(struct set *s, struct keys *keys)
{
    for (size_t first = 0, last; first < keys->count; first = last) {
        struct index *index = arena_alloc(&s->arena, sizeof *index);
        for (last = first; last < keys->count && keys->at[last].path == keys->at[first].path;)
            last++;
        if (!index || index_build(&s->arena, keys->at + first, last - first, index))
            return -ENOMEM;
        s->paths[keys->at[first].path].index = index;
        s->paths[keys->at[first].path].folds = index_folds(index);
    }
    return 0;
}

/* Chooses the way into each branch; the keys are sorted then. */
static int choose_ways(struct set *s, struct keys *keys, const uint32_t *known, uint32_t *always)
{
    int error = 0;
    for (size_t at = 0; at < s->branch_words && !error;) {
        uint32_t *branch = s->branches + at;
        uint32_t condition = way_in(s, branch, known);
        if (condition == NO_CONDITION)
            always[s->always.count++] = (uint32_t)at;
        else
            error = add_branch_keys(s, keys, condition, (uint32_t)at);
        if (condition != NO_CONDITION && is_exact(s->conditions[condition].choice))
            branch[BRANCH_ENTRY] = condition;
        at += BRANCH_CONDITIONS + branch[BRANCH_COUNT];
    }
    keys_sort(keys->at, keys->count);
    return error;
}

int set_enter_branches(struct set *s)
{
    struct keys keys = {0};
    uint32_t *always = arena_alloc(&s->arena, s->branch_count * sizeof *always);
    uint32_t *known = calloc(s->path_count + 1, sizeof *known);
    int error = always && known ? 0 : -ENOMEM;
    s->always.ids = always;
    for (size_t i = 0; i < s->condition_count && !error; i++)
        known[s->conditions[i].path] +=
            (uint32_t)(s->conditions[i].choice->text_count + s->conditions[i].choice->number_count);
    if (!error)
        error = choose_ways(s, &keys, known, always);
    if (!error)
        error = order_branches(s, &keys, always);
    if (!error)
        error = build_indexes(s, &keys);
    free(keys.at);
    free(known);
    return error;
}
