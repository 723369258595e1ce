/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns into a set: equal conditions become one, and each branch gets its way in. */
#include "set.h"
#include "names.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

int set_builder_init(struct set_builder *b)
{
    *b = (struct set_builder){.set = calloc(1, sizeof *b->set)};
    struct set *s = b->set;
    if (!s || !array_room(&s->names, &s->name_capacity, 0, sizeof *s->names))
        return -ENOMEM;
    for (int i = 0; i < ROOTS; i++)
        s->names[s->name_count++] = (struct name){0};
    return 0;
}

void set_destroy(struct set *s)
{
    if (!s)
        return;
    free(s->names);
    free(s->paths);
    free(s->branches);
    free(s->conditions);
    arena_fini(&s->arena);
    free(s);
}

void set_builder_fini(struct set_builder *b)
{
    free(b->asked);
    set_destroy(b->set);
    *b = (struct set_builder){0};
}

size_t set_bytes(const struct set *s)
{
    return sizeof *s + s->arena.bytes + s->name_capacity * sizeof *s->names +
           s->path_capacity * sizeof *s->paths + s->branch_capacity * sizeof *s->branches +
           s->condition_count * sizeof *s->conditions;
}

static bool add_word(struct set *s, uint32_t word)
{
    if (s->branch_words == UINT32_MAX ||
        !array_room(&s->branches, &s->branch_capacity, s->branch_words, sizeof *s->branches))
        return false;
    s->branches[s->branch_words++] = word;
    return true;
}

static int add_branch(struct set_builder *b, const struct branch *branch, uint32_t root)
{
    struct set *s = b->set;
    if (!add_word(s, (uint32_t)s->pattern_count) || !add_word(s, NO_CONDITION) ||
        !add_word(s, (uint32_t)branch->count))
        return -ENOMEM;
    s->branch_count++;
    for (size_t i = 0; i < branch->count; i++) {
        struct asked asked = {.word = (uint32_t)s->branch_words,
                              .condition.choice = branch->conditions[i].choice};
        int error = name_add_path(s, root, branch->conditions[i].path, &asked.condition.path);
        if (error)
            return error;
        if (!array_room(&b->asked, &b->asked_capacity, b->asked_count, sizeof asked) ||
            !add_word(s, NO_CONDITION))
            return -ENOMEM;
        b->asked[b->asked_count++] = asked;
    }
    return 0;
}

int set_add(struct set_builder *b, const struct pattern *pattern, uint32_t root)
{
    int error = 0;
    for (size_t i = 0; i < pattern->count && !error; i++)
        error = add_branch(b, &pattern->branches[i], root);
    b->set->pattern_count++;
    b->set->payload |= root == ROOT_PAYLOAD;
    return error;
}

/* ---- equal conditions ----------------------------------------------------------------------- */

static int by_condition(const void *left, const void *right)
{
    const struct set_condition *a = &((const struct asked *)left)->condition;
    const struct set_condition *b = &((const struct asked *)right)->condition;
    if (a->path != b->path)
        return a->path < b->path ? -1 : 1;
    return a->choice == b->choice ? 0 : choice_compare(a->choice, b->choice);
}

static int unite_conditions(struct set_builder *b)
{
    struct set *s = b->set;
    s->conditions = calloc(b->asked_count + 1, sizeof *s->conditions);
    if (!s->conditions)
        return -ENOMEM;
    if (b->asked_count)
        qsort(b->asked, b->asked_count, sizeof *b->asked, by_condition);
    for (size_t i = 0; i < b->asked_count; i++) {
        if (!i || by_condition(&b->asked[i - 1], &b->asked[i]))
            s->conditions[s->condition_count++] = b->asked[i].condition;
        s->branches[b->asked[i].word] = (uint32_t)s->condition_count - 1;
    }
    return 0;
}

/* ---- the way into a branch ------------------------------------------------------------------ */

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

static int build_indexes(struct set *s, struct keys *keys)
{
    keys_sort(keys->at, keys->count);
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

static int enter_branches(struct set *s)
{
    struct keys keys = {0};
    uint32_t *always = arena_alloc(&s->arena, s->branch_count * sizeof *always);
    uint32_t *known = calloc(s->path_count + 1, sizeof *known);
    int error = always && known ? 0 : -ENOMEM;
    for (size_t i = 0; i < s->condition_count && !error; i++)
        known[s->conditions[i].path] +=
            (uint32_t)(s->conditions[i].choice->text_count + s->conditions[i].choice->number_count);
    for (size_t at = 0; at < s->branch_words && !error;) {
        uint32_t *branch = s->branches + at;
        uint32_t condition = way_in(s, branch, known);
        if (condition == NO_CONDITION)
            always[s->always.count++] = (uint32_t)at;
        else
            error = add_branch_keys(s, &keys, condition, (uint32_t)at);
        if (condition != NO_CONDITION && is_exact(s->conditions[condition].choice))
            branch[BRANCH_ENTRY] = condition;
        at += BRANCH_CONDITIONS + branch[BRANCH_COUNT];
    }
    s->always.ids = always;
    if (!error)
        error = build_indexes(s, &keys);
    free(keys.at);
    free(known);
    return error;
}

int set_finish(struct set_builder *b, struct set **ret_set)
{
    int error = unite_conditions(b);
    if (!error)
        error = enter_branches(b->set);
    if (error)
        return error;
    b->set->data = name_child(b->set, ROOT_EVENT, "data", 4);
    *ret_set = b->set;
    b->set = NULL;
    free(b->asked);
    b->asked = NULL;
    return 0;
}
