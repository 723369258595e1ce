/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks, each twice as large as the one before, up to a limit. */
#include "arena.h"
#include <stdlib.h>
#include <string.h>

enum { BLOCK_LEAST = 4096, BLOCK_MOST = 1 << 20, ALIGN = 16 };

struct arena_block {
    struct arena_block *older;
    size_t size;
    _Alignas(ALIGN) char at[];
};

void *arena_alloc(struct arena *a, size_t size)
{
    if (size > SIZE_MAX / 2)
        return NULL;
    size = (size + ALIGN - 1) / ALIGN * ALIGN;
    if (!a->blocks || a->blocks->size - a->used < size) {
        size_t block = a->blocks ? a->blocks->size * 2 : BLOCK_LEAST;
        block = block > BLOCK_MOST ? BLOCK_MOST : block;
        block = block < size ? size : block;
        struct arena_block *b = calloc(1, sizeof *b + block);
        if (!b)
            return NULL;
        b->older = a->blocks;
        b->size = block;
        a->blocks = b;
        a->used = 0;
        a->bytes += sizeof *b + block;
    }
    void *at = a->blocks->at + a->used;
    a->used += size;
    return at;
}

char *arena_copy(struct arena *a, const char *at, size_t length)
{
    char *copy = arena_alloc(a, length + 1);
    if (copy && length)
        memcpy(copy, at, length);
    return copy;
}

void arena_fini(struct arena *a)
{
    while (a->blocks) {
        struct arena_block *older = a->blocks->older;
        free(a->blocks);
        a->blocks = older;
    }
    *a = (struct arena){0};
}

bool array_room(void *array, size_t *capacity, size_t count, size_t size)
{
    if (count < *capacity)
        return true;
    size_t more = *capacity ? *capacity * 2 : 16;
    void *at;
    memcpy(&at, array, sizeof at);
    void *grown = more > SIZE_MAX / 2 / size ? NULL : realloc(at, more * size);
    if (!grown)
        return false;
    memcpy(array, &grown, sizeof grown);
    *capacity = more;
    return true;
}
