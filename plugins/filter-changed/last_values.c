/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with chains, and a list by last use. */
#include "last_values.h"
#include <stdlib.h>
#include <string.h>

struct last_values {
    size_t keys_max, count, bucket_mask;
    uint64_t seed;
    struct last_value *newest, *oldest;
    struct last_value *buckets[];
};

static uint64_t fnv(uint64_t hash, const unsigned char *at, size_t length)
{
    for (size_t i = 0; i < length; i++)
        hash = (hash ^ at[i]) * 0x100000001b3u;
    return hash;
}

void value_hash(uint64_t hash[2], const void *at, size_t length)
{
    hash[0] = fnv(hash[0] ? hash[0] : 0xcbf29ce484222325u, at, length);
    hash[1] = fnv(hash[1] ? hash[1] : 0x9e3779b97f4a7c15u, at, length);
}

struct last_values *last_values_create(size_t keys_max, uint64_t seed)
{
    size_t buckets = 64;
    while (buckets < keys_max && buckets < (size_t)1 << 20)
        buckets *= 2;
    struct last_values *v = calloc(1, sizeof *v + buckets * sizeof v->buckets[0]);
    if (!v)
        return NULL;
    v->keys_max = keys_max;
    v->bucket_mask = buckets - 1;
    v->seed = seed | 1;
    return v;
}

void last_values_destroy(struct last_values *v)
{
    if (!v)
        return;
    while (v->newest) {
        struct last_value *older = v->newest->older;
        free(v->newest);
        v->newest = older;
    }
    free(v);
}

static struct last_value **bucket(struct last_values *v, uint64_t hash)
{
    return &v->buckets[(hash ^ hash >> 32) & v->bucket_mask];
}

static void unlink_use(struct last_values *v, struct last_value *e)
{
    *(e->newer ? &e->newer->older : &v->newest) = e->older;
    *(e->older ? &e->older->newer : &v->oldest) = e->newer;
}

static void make_newest(struct last_values *v, struct last_value *e)
{
    e->newer = NULL;
    e->older = v->newest;
    *(v->newest ? &v->newest->newer : &v->oldest) = e;
    v->newest = e;
}

struct last_value *last_values_find(struct last_values *v, const char *key, size_t length)
{
    uint64_t hash = fnv(v->seed, (const unsigned char *)key, length);
    for (struct last_value *e = *bucket(v, hash); e; e = e->chain) {
        if (e->key_hash != hash || e->key_length != length || memcmp(e->key, key, length) != 0)
            continue;
        if (e != v->newest) {
            unlink_use(v, e);
            make_newest(v, e);
        }
        return e;
    }
    return NULL;
}

static void forget_oldest(struct last_values *v)
{
    struct last_value *e = v->oldest, **at = bucket(v, e->key_hash);
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlink_use(v, e);
    v->count--;
    free(e);
}

struct last_value *last_values_add(struct last_values *v, const char *key, size_t length,
                                   bool *ret_forgotten)
{
    struct last_value *e = calloc(1, sizeof *e + length + 1);
    if (!e)
        return NULL;
    *ret_forgotten = v->count >= v->keys_max;
    if (*ret_forgotten)
        forget_oldest(v);
    if (length)
        memcpy(e->key, key, length);
    e->key_length = length;
    e->key_hash = fnv(v->seed, (const unsigned char *)key, length);
    struct last_value **at = bucket(v, e->key_hash);
    e->chain = *at;
    *at = e;
    make_newest(v, e);
    v->count++;
    return e;
}
