/* SPDX-License-Identifier: Apache-2.0 */
/* Memory for one call: taken piece by piece, given back all at once and kept for the next call. */
#pragma once
#include <stddef.h>

struct arena_block;
struct arena {
    struct arena_block *first, *now;
    size_t used;  /* of now */
    size_t bytes; /* of all blocks */
    size_t most;  /* of bytes; 0: no limit.  Kept by arena_reset */
};

/* Uninitialised bytes, aligned for any type, that stay where they are until arena_reset.  NULL: out
 * of memory, or more than most. */
void *arena_take(struct arena *arena, size_t size);
/* Gives back all but one small block. */
void arena_reset(struct arena *arena);
void arena_fini(struct arena *arena);
