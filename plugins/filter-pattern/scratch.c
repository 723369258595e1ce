/* SPDX-License-Identifier: Apache-2.0 */
/* What is noted of one event. */
#include "match.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { TEXT_BLOCK = 64 * 1024, GENERATION_MOST = (1u << 31) - 1 };

struct text_block {
    struct text_block *next; /* an older one, unused in this event */
    size_t size, used;
    char at[];
};

int scratch_init(struct scratch *s, const struct set *set)
{
    *s = (struct scratch){.set = set};
    size_t room = set->branch_count + 64;
    s->paths = calloc(set->path_count + 1, sizeof *s->paths);
    s->verdicts = calloc(set->condition_count + 1, sizeof *s->verdicts);
    s->hits = calloc(set->pattern_count + 1, sizeof *s->hits);
    s->candidates.ids = calloc(room, sizeof *s->candidates.ids);
    s->candidates.stamps = calloc(set->branch_words + 1, sizeof *s->candidates.stamps);
    if (!s->paths || !s->verdicts || !s->hits || !s->candidates.ids || !s->candidates.stamps ||
        !array_room(&s->values, &s->value_capacity, 0, sizeof *s->values) ||
        !array_room(&s->chains, &s->chain_capacity, 0, sizeof *s->chains))
        return -ENOMEM;
    s->candidates.capacity = room;
    s->candidates.branches = set->branches;
    s->chains[0] = (struct chain){0};
    return 0;
}

void scratch_fini(struct scratch *s)
{
    while (s->texts) {
        struct text_block *next = s->texts->next;
        free(s->texts);
        s->texts = next;
    }
    free(s->paths);
    free(s->verdicts);
    free(s->hits);
    free(s->candidates.ids);
    free(s->candidates.stamps);
    free(s->values);
    free(s->chains);
    free(s->fold);
    free(s->found);
    *s = (struct scratch){0};
}

size_t scratch_bytes(const struct scratch *s)
{
    size_t bytes = s->set->path_count * sizeof *s->paths +
                   s->set->condition_count * sizeof *s->verdicts +
                   s->set->pattern_count * sizeof *s->hits +
                   s->candidates.capacity * sizeof *s->candidates.ids +
                   s->set->branch_words * sizeof *s->candidates.stamps +
                   s->value_capacity * sizeof *s->values + s->chain_capacity * sizeof *s->chains +
                   s->fold_size + s->found_capacity * sizeof *s->found;
    for (const struct text_block *t = s->texts; t; t = t->next)
        bytes += sizeof *t + t->size;
    return bytes;
}

/* Stamps of two thousand million events ago must not look like new ones. */
static void forget_stamps(struct scratch *s)
{
    memset(s->paths, 0, s->set->path_count * sizeof *s->paths);
    memset(s->verdicts, 0, s->set->condition_count * sizeof *s->verdicts);
    memset(s->hits, 0, s->set->pattern_count * sizeof *s->hits);
    memset(s->candidates.stamps, 0, s->set->branch_words * sizeof *s->candidates.stamps);
    s->generation = 0;
}

void scratch_begin(struct scratch *s)
{
    if (s->generation == GENERATION_MOST)
        forget_stamps(s);
    s->generation++;
    s->candidates.generation = s->generation;
    s->candidates.count = 0;
    s->candidates.once = false;
    s->value_count = s->chain_count = 1;
    s->lists = s->steps = 0;
    s->unreadable = 0;
    s->chained = s->gave_up = s->no_memory = false;
    if (s->texts)
        s->texts->used = 0; /* the newest is the largest; older ones go once it is enough */
    while (s->texts && s->texts->next) {
        struct text_block *older = s->texts->next;
        s->texts->next = older->next;
        free(older);
    }
}

char *scratch_text(struct scratch *s, size_t size)
{
    struct text_block *t = s->texts;
    if (!t || t->size - t->used < size) {
        size_t block = t ? 2 * t->size : TEXT_BLOCK;
        block = block < size ? size : block;
        t = malloc(sizeof *t + block);
        if (!t) {
            s->no_memory = true;
            return NULL;
        }
        *t = (struct text_block){.next = s->texts, .size = block};
        s->texts = t;
    }
    char *at = t->at + t->used;
    t->used += size;
    return at;
}

uint32_t scratch_chain(struct scratch *s, uint32_t up, uint32_t list, uint32_t index)
{
    if (!array_room(&s->chains, &s->chain_capacity, s->chain_count, sizeof *s->chains)) {
        s->no_memory = true;
        return 0;
    }
    s->chains[s->chain_count] = (struct chain){up, s->chains[up].depth + 1, list, index};
    return (uint32_t)s->chain_count++;
}

/* Room for the canonical form of a value that is longer than those before. */
static bool fold_room(struct scratch *s, size_t length)
{
    size_t size = length * FOLD_GROWTH_MAX;
    if (size <= s->fold_size)
        return true;
    char *more = realloc(s->fold, size * 2);
    if (!more) {
        s->no_memory = true;
        return false;
    }
    s->fold = more;
    s->fold_size = size * 2;
    return true;
}

void scratch_value(struct scratch *s, uint32_t path, const char *at, size_t length, uint32_t chain)
{
    if (length > UINT32_MAX / 4 ||
        !array_room(&s->values, &s->value_capacity, s->value_count, sizeof *s->values)) {
        s->no_memory = true;
        return;
    }
    uint32_t id = (uint32_t)s->value_count++;
    struct value *v = &s->values[id];
    v->at = at;
    v->length = (uint32_t)length;
    v->chain = chain;
    v->next = 0;
    v->number_known = v->ip_known = 0;
    struct path_state *p = &s->paths[path];
    if (p->generation != s->generation)
        *p = (struct path_state){.generation = s->generation, .first = id};
    else
        s->values[p->last].next = id;
    p->last = id;
    p->chained |= chain != 0;
    s->chained |= chain != 0;
    const struct path *way = &s->set->paths[path];
    if (way->index && (!way->folds || fold_room(s, length)))
        index_find(way->index, v, s->fold, &s->candidates);
}
