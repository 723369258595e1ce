/* SPDX-License-Identifier: Apache-2.0 */
/* What lives as long as the compiled schemas: taken from one arena. */
#pragma once
#include "arena.h"
#include <string.h>

/* Cleared.  NULL: out of memory. */
static inline void *take(struct arena *arena, size_t size)
{
    void *at = arena_take(arena, size);
    return at ? memset(at, 0, size) : NULL;
}
