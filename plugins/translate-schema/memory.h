/* SPDX-License-Identifier: Apache-2.0 */
/* What lives as long as the compiled schemas: taken from one arena, aligned for any type. */
#pragma once
#include "arena.h"
#include <string.h>

/* Cleared.  NULL: out of memory. */
static inline void *take(struct arena *arena, size_t size)
{
    void *at = arena_take(arena, (size + 15) & ~(size_t)15);
    return at ? memset(at, 0, size) : NULL;
}
