/* SPDX-License-Identifier: Apache-2.0 */
/* Blocks of one size that come again: what one event gives back is the next one's, still in the
 * cache.  A pool belongs to one thread.  Every block is malloc's own, so that another thread, which
 * may not touch the pool, frees it. */
#pragma once
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

/* Sanitizers watch malloc and free: a block that is kept would hide its use after the end. */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define GW_POOL_KEEPS 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer) || __has_feature(thread_sanitizer) ||                         \
    __has_feature(memory_sanitizer)
#define GW_POOL_KEEPS 0
#endif
#endif
#ifndef GW_POOL_KEEPS
#define GW_POOL_KEEPS 1
#endif

struct gw_pool_block {
    struct gw_pool_block *next;
};

struct gw_pool {
    struct gw_pool_block *first;
    size_t size;         /* of each block */
    uint32_t kept, most; /* blocks given back and not taken; more than `most` are freed */
};

/* size: at least a pointer's. */
static inline void gw_pool_init(struct gw_pool *pool, size_t size, uint32_t most)
{
    *pool = (struct gw_pool){.size = size, .most = GW_POOL_KEEPS ? most : 0};
}

/* Not zeroed.  NULL: out of memory. */
static inline void *gw_pool_take(struct gw_pool *pool)
{
    struct gw_pool_block *block = pool->first;
    if (!block)
        return malloc(pool->size);
    pool->first = block->next;
    pool->kept--;
    return block;
}

static inline void gw_pool_give(struct gw_pool *pool, void *object)
{
    struct gw_pool_block *block = object;
    if (pool->kept == pool->most) {
        free(object);
        return;
    }
    block->next = pool->first;
    pool->first = block;
    pool->kept++;
}

static inline void gw_pool_fini(struct gw_pool *pool)
{
    while (pool->first) {
        struct gw_pool_block *next = pool->first->next;
        free(pool->first);
        pool->first = next;
    }
    pool->kept = 0;
}
