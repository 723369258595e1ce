/* SPDX-License-Identifier: Apache-2.0 */
/* An arena as a list of blocks, each twice as large as the one before up to a size that is mapped:
 * malloc keeps much of what many small blocks were, a mapping is gone once it is given back. */
#include "arena.h"
#include <stdalign.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>

enum { FIRST_BYTES = 16 * 1024, MAPPED_BYTES = 1024 * 1024, ALIGN = alignof(max_align_t) };

struct arena_block {
    struct arena_block *next;
    size_t size; /* of all of it */
    alignas(max_align_t) char bytes[];
};

static struct arena_block *block_new(size_t size)
{
    if (size < MAPPED_BYTES)
        return malloc(size);
    void *at = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    return at == MAP_FAILED ? NULL : at;
}

static void block_free(struct arena_block *block)
{
    if (block->size < MAPPED_BYTES)
        free(block);
    else
        munmap(block, block->size);
}

static struct arena_block *add_block(struct arena *a, size_t size)
{
    size_t room = FIRST_BYTES, wanted = sizeof(struct arena_block) + size;
    if (a->now)
        room = a->now->size < MAPPED_BYTES / 2 ? a->now->size * 2 : MAPPED_BYTES;
    room = room < wanted ? wanted : room;
    struct arena_block *block = a->most && room > a->most - a->bytes ? NULL : block_new(room);
    if (!block)
        return NULL;
    block->next = NULL;
    block->size = room;
    a->bytes += room;
    if (a->now)
        a->now->next = block;
    else
        a->first = block;
    a->now = block;
    a->used = 0;
    return block;
}

void *arena_take(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    if ((!a->now || a->now->size - sizeof(struct arena_block) - a->used < size) &&
        !add_block(a, size))
        return NULL;
    char *at = a->now->bytes + a->used;
    a->used += size;
    return at;
}

/* The first block stays where it is of the usual size, so that most calls allocate nothing. */
void arena_reset(struct arena *a)
{
    struct arena_block *keep = a->first && a->first->size == FIRST_BYTES ? a->first : NULL;
    struct arena_block *block = keep ? keep->next : a->first;
    while (block) {
        struct arena_block *next = block->next;
        block_free(block);
        block = next;
    }
    if (keep)
        keep->next = NULL;
    *a =
        (struct arena){.first = keep, .now = keep, .bytes = keep ? keep->size : 0, .most = a->most};
}

void arena_fini(struct arena *a)
{
    arena_reset(a);
    free(a->first);
    *a = (struct arena){0};
}
