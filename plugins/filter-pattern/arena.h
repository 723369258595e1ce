/* SPDX-License-Identifier: Apache-2.0 */
/* Memory that dies together: what a set of patterns is made of. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    struct arena_block *blocks;
    size_t used, bytes; /* of the newest block; of all */
};

/* Zeroed, aligned for any type.  NULL: out of memory. */
void *arena_alloc(struct arena *a, size_t size);
/* A copy with a NUL behind it. */
char *arena_copy(struct arena *a, const char *at, size_t length);
void arena_fini(struct arena *a);

/* Makes room for one more of `size` bytes behind *count in a malloc'ed array.  false: no memory. */
bool array_room(void *array, size_t *capacity, size_t count, size_t size);
