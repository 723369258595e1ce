/* SPDX-License-Identifier: Apache-2.0 */
/* Patterns into a set, in which equal conditions become one. */
#include "set.h"
#include "copy.h"
#include "entries.h"
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
    arena_fini(&b->compiled);
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
    bool failed = false;
    for (size_t i = 0; i < b->asked_count && !failed; i++) {
        const struct set_condition *c = &b->asked[i].condition;
        if (!i || by_condition(&b->asked[i - 1], &b->asked[i]))
            s->conditions[s->condition_count++] =
                (struct set_condition){c->path, choice_copy(&s->arena, c->choice, &failed)};
        s->branches[b->asked[i].word] = (uint32_t)s->condition_count - 1;
    }
    return failed ? -ENOMEM : 0;
}

int set_finish(struct set_builder *b, struct set **ret_set)
{
    int error = unite_conditions(b);
    if (!error)
        error = set_enter_branches(b->set);
    if (error)
        return error;
    b->set->data = name_child(b->set, ROOT_EVENT, "data", 4);
    *ret_set = b->set;
    b->set = NULL;
    return 0;
}
