/* SPDX-License-Identifier: Apache-2.0 */
/* A chained hash table that grows, and a list by last use. */
#include "cache.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BUCKETS_FIRST = 64, OVERHEAD_BYTES = 256 }; /* what an entry costs beside its value */

int cache_init(struct cache *c, int64_t most_entries, int64_t most_bytes)
{
    *c = (struct cache){
        .buckets = calloc(BUCKETS_FIRST, sizeof *c->buckets),
        .bucket_count = BUCKETS_FIRST,
        .most_entries = (size_t)most_entries,
        .most_bytes = (size_t)most_bytes,
    };
    return c->buckets ? 0 : -ENOMEM;
}

static struct entry **bucket_of(const struct cache *c, const uint8_t *key)
{
    uint64_t hash; /* a digest is its own */
    memcpy(&hash, key, sizeof hash);
    return &c->buckets[hash & (c->bucket_count - 1)];
}

static void unchain(struct cache *c, struct entry *e)
{
    struct entry **at = bucket_of(c, e->key);
    while (*at != e)
        at = &(*at)->next_in_bucket;
    *at = e->next_in_bucket;
    e->next_in_bucket = NULL;
    c->count--;
}

static size_t cost(const struct entry *e)
{
    return e->length + OVERHEAD_BYTES;
}

static void unlist(struct cache *c, struct entry *e)
{
    *(e->newer ? &e->newer->older : &c->newest) = e->older;
    *(e->older ? &e->older->newer : &c->oldest) = e->newer;
    e->newer = e->older = NULL;
    c->kept_count--;
    c->kept_bytes -= cost(e);
}

static void list_newest(struct cache *c, struct entry *e)
{
    e->older = c->newest;
    *(c->newest ? &c->newest->newer : &c->oldest) = e;
    c->newest = e;
    c->kept_count++;
    c->kept_bytes += cost(e);
}

static void forget(struct cache *c, struct entry *e)
{
    unlist(c, e);
    unchain(c, e);
    free(e->value);
    free(e);
}

void cache_fini(struct cache *c)
{
    while (c->oldest)
        forget(c, c->oldest);
    free(c->buckets);
    c->buckets = NULL;
}

struct entry *cache_find(struct cache *c, const uint8_t *key, int64_t now_us)
{
    struct entry *e = *bucket_of(c, key);
    while (e && memcmp(e->key, key, CACHE_KEY_BYTES) != 0)
        e = e->next_in_bucket;
    if (!e || e->state == ENTRY_ASKING)
        return e;
    if (e->until_us <= now_us) {
        forget(c, e);
        return NULL;
    }
    unlist(c, e);
    list_newest(c, e);
    return e;
}

/* Where memory is short it stays as it is, and is slower. */
static void grow(struct cache *c)
{
    struct entry **old = c->buckets, **buckets = calloc(c->bucket_count * 2, sizeof *buckets);
    size_t old_count = c->bucket_count;
    if (!buckets)
        return;
    c->buckets = buckets;
    c->bucket_count *= 2;
    for (size_t i = 0; i < old_count; i++) {
        for (struct entry *e; (e = old[i]);) {
            struct entry **to = bucket_of(c, e->key);
            old[i] = e->next_in_bucket;
            e->next_in_bucket = *to;
            *to = e;
        }
    }
    free(old);
}

static void chain(struct cache *c, struct entry *e)
{
    if (c->count >= c->bucket_count)
        grow(c);
    struct entry **bucket = bucket_of(c, e->key);
    e->next_in_bucket = *bucket;
    *bucket = e;
    c->count++;
}

void cache_add(struct cache *c, struct entry *e)
{
    e->state = ENTRY_ASKING;
    chain(c, e);
}

void cache_remove(struct cache *c, struct entry *e)
{
    unchain(c, e);
}

void cache_keep(struct cache *c, const uint8_t *key, enum entry_state state, char *value,
                size_t length, int64_t until_us)
{
    struct entry *e = calloc(1, sizeof *e);
    if (!e) {
        free(value);
        return;
    }
    *e = (struct entry){.state = state, .value = value, .length = length, .until_us = until_us};
    memcpy(e->key, key, sizeof e->key);
    chain(c, e);
    list_newest(c, e);
    while (c->oldest && (c->kept_count > c->most_entries || c->kept_bytes > c->most_bytes))
        forget(c, c->oldest);
}
