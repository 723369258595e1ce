/* SPDX-License-Identifier: Apache-2.0 */
/* Bump allocation in chunks that double up to a limit. */
#include "base/arena.h"
#include <stdarg.h>
#include <stdint.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_CHUNK_BYTES = 4096, LARGEST_CHUNK_BYTES = 1 << 20 };

struct chunk {
    struct chunk *next;
    size_t used, size;
    max_align_t bytes[];
};

struct gw_arena {
    struct chunk *chunks;
    size_t next_size;
};

struct gw_arena *gw_arena_create(void)
{
    struct gw_arena *arena = calloc(1, sizeof *arena);
    if (arena)
        arena->next_size = FIRST_CHUNK_BYTES;
    return arena;
}

void gw_arena_destroy(struct gw_arena *arena)
{
    if (!arena)
        return;
    for (struct chunk *c = arena->chunks, *next; c; c = next) {
        next = c->next;
        free(c);
    }
    free(arena);
}

void *gw_arena_alloc(struct gw_arena *arena, size_t size)
{
    size_t align = sizeof(max_align_t);
    if (size > SIZE_MAX - align - sizeof(struct chunk))
        return NULL;
    size = (size + align - 1) / align * align;
    struct chunk *c = arena->chunks;
    if (!c || c->size - c->used < size) {
        size_t room = size > arena->next_size ? size : arena->next_size;
        c = calloc(1, sizeof *c + room);
        if (!c)
            return NULL;
        c->size = room;
        c->next = arena->chunks;
        arena->chunks = c;
        if (arena->next_size < LARGEST_CHUNK_BYTES)
            arena->next_size *= 2;
    }
    void *at = (char *)c->bytes + c->used;
    c->used += size;
    return at;
}

char *gw_arena_copy(struct gw_arena *arena, const char *text, size_t length)
{
    char *copy = gw_arena_alloc(arena, length + 1);
    if (copy && length)
        memcpy(copy, text, length);
    return copy;
}

char *gw_arena_printf(struct gw_arena *arena, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    int length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    char *text = length < 0 ? NULL : gw_arena_alloc(arena, (size_t)length + 1);
    if (text) {
        va_start(args, format);
        vsnprintf(text, (size_t)length + 1, format, args);
        va_end(args);
    }
    return text;
}
