/* SPDX-License-Identifier: Apache-2.0 */
/* Choices out of the memory of a compiler, where there are many that nobody needs any more, into
 * that of a set, where those of one path stand together. */
#include "copy.h"
#include <string.h>

static void *copy_bytes(struct arena *arena, const void *at, size_t length, bool *ret_failed)
{
    void *copy = arena_alloc(arena, length);
    *ret_failed |= !copy;
    if (copy && length)
        memcpy(copy, at, length);
    return copy;
}

static const struct wildcard *copy_wildcard(struct arena *arena, const struct wildcard *w,
                                            bool *ret_failed)
{
    struct wildcard *copy =
        copy_bytes(arena, w, sizeof *w + w->count * sizeof w->pieces[0], ret_failed);
    for (size_t i = 0; copy && i < copy->count; i++)
        copy->pieces[i].at = copy_bytes(arena, w->pieces[i].at, w->pieces[i].length, ret_failed);
    return copy;
}

/* The texts of a list stand behind it. */
static struct atom *copy_atoms(struct arena *arena, const struct atom *atoms, size_t count,
                               bool *ret_failed)
{
    struct atom *copy = copy_bytes(arena, atoms, count * sizeof *atoms, ret_failed);
    for (size_t i = 0; i < count && !*ret_failed; i++) {
        struct atom *a = &copy[i];
        if (a->text)
            a->text = copy_bytes(arena, a->text, a->length, ret_failed);
        if (a->type == ATOM_FOLD || a->type == ATOM_FOLD_PREFIX || a->type == ATOM_FOLD_SUFFIX)
            a->as.fold = copy_bytes(
                arena, a->as.fold,
                sizeof *a->as.fold + a->as.fold->count * sizeof a->as.fold->chars[0], ret_failed);
        else if (a->type == ATOM_WILDCARD)
            a->as.wildcard = copy_wildcard(arena, a->as.wildcard, ret_failed);
        else if (a->type == ATOM_NONE_OF) /* which has none inside it */
            a->as.none_of = choice_copy(arena, a->as.none_of, ret_failed);
    }
    return copy;
}

struct choice *choice_copy(struct arena *arena, const struct choice *choice, bool *ret_failed)
{
    struct choice *copy = copy_bytes(arena, choice, sizeof *choice, ret_failed);
    if (!copy)
        return NULL;
    copy->texts = copy_atoms(arena, choice->texts, choice->text_count, ret_failed);
    copy->numbers = copy_atoms(arena, choice->numbers, choice->number_count, ret_failed);
    copy->others = copy_atoms(arena, choice->others, choice->other_count, ret_failed);
    return copy;
}
