/* SPDX-License-Identifier: Apache-2.0 */
/* An arena as a list of blocks; what a reset keeps is bounded. */
#include "arena.h"
#include <stdlib.h>

enum { BLOCK_BYTES = 16 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t size;
    char bytes[];
};

char *arena_take(struct arena *a, size_t size)
{
    if (!a->now || a->now->size - a->used < size) {
        size_t room = size > BLOCK_BYTES ? size : BLOCK_BYTES;
        struct arena_block *block = malloc(sizeof *block + room);
        if (!block)
            return NULL;
        *block = (struct arena_block){.size = room};
        if (a->now)
            a->now->next = block;
        else
            a->first = block;
        a->now = block;
        a->used = 0;
    }
    char *at = a->now->bytes + a->used;
    a->used += size;
    return at;
}

/* The first block stays where it is of the usual size, so that most calls allocate nothing. */
void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->first && a->first->size == BLOCK_BYTES ? a->first : NULL;
    struct arena_block *block = keep ? keep->next : a->first;
    while (block) {
        struct arena_block *next = block->next;
        free(block);
        block = next;
    }
    if (keep)
        keep->next = NULL;
    *a = (struct arena){.first = keep, .now = keep};
}

void arena_fini(struct arena *a)
{
    arena_reset(a);
    free(a->first);
    *a = (struct arena){0};
}
