/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with chains, and a list by last use. */
#include "keyed.h"
#include <errno.h>
#include <stdalign.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { KEY_BYTES_MAX = 65535, BUCKETS_MIN = 64, BUCKETS_MAX = 1 << 22 };

struct entry {
    struct entry *chain; /* in its bucket */
    struct entry *newer, *older;
    struct hash128 key;
    alignas(max_align_t) unsigned char value[];
};

struct keyed {
    const struct mg_host *host;
    struct hash128 secret;
    size_t keys_max, count, value_size, bucket_mask;
    struct entry *newest, *oldest;
    char *text; /* KEY_BYTES_MAX + 1 */
    struct entry *buckets[];
};

struct keyed *keyed_create(const struct mg_host *host, size_t keys_max, size_t value_size)
{
    size_t buckets = BUCKETS_MIN;
    while (buckets < keys_max && buckets < BUCKETS_MAX)
        buckets *= 2;
    /* The system gives pages of zeros as they are used, so a large table of few keys is small. */
    struct keyed *k = calloc(1, sizeof *k + buckets * sizeof k->buckets[0]);
    if (!k)
        return NULL;
    k->host = host;
    k->keys_max = keys_max;
    k->value_size = value_size;
    k->bucket_mask = buckets - 1;
    k->text = malloc(KEY_BYTES_MAX + 1);
    /* The host's random is not for secrets. */
    if (!k->text || getentropy(&k->secret, sizeof k->secret)) {
        free(k->text);
        free(k);
        return NULL;
    }
    return k;
}

void keyed_destroy(struct keyed *k)
{
    if (!k)
        return;
    while (k->newest) {
        struct entry *older = k->newest->older;
        free(k->newest);
        k->newest = older;
    }
    free(k->text);
    free(k);
}

int keyed_key(struct keyed *k, const mg_template *key, const struct mg_step_call *call,
              struct hash128 *ret_key, struct mg_str *ret_text, struct mg_err *reterr)
{
    ptrdiff_t length = 0;
    if (key)
        length = k->host->expand(key, call->scope, call->event, k->text, KEY_BYTES_MAX + 1, reterr);
    if (length == -ENOSPC)
        snprintf(reterr->text, sizeof reterr->text, "the key is longer than %d bytes",
                 KEY_BYTES_MAX);
    if (length < 0)
        return (int)length;
    *ret_text = (struct mg_str){k->text, (size_t)length};
    *ret_key = keyed_hash(k, k->text, (size_t)length);
    return 0;
}

struct hash128 keyed_hash(const struct keyed *k, const void *at, size_t length)
{
    return hash128_of(&k->secret, at, length);
}

static struct entry **bucket(struct keyed *k, const struct hash128 *key)
{
    return &k->buckets[key->word[0] & k->bucket_mask];
}

static void unlink_use(struct keyed *k, struct entry *e)
{
    *(e->newer ? &e->newer->older : &k->newest) = e->older;
    *(e->older ? &e->older->newer : &k->oldest) = e->newer;
}

static void make_newest(struct keyed *k, struct entry *e)
{
    e->newer = NULL;
    e->older = k->newest;
    *(k->newest ? &k->newest->newer : &k->oldest) = e;
    k->newest = e;
}

void *keyed_find(struct keyed *k, const struct hash128 *key)
{
    for (struct entry *e = *bucket(k, key); e; e = e->chain) {
        if (!hash128_equal(&e->key, key))
            continue;
        if (e != k->newest) {
            unlink_use(k, e);
            make_newest(k, e);
        }
        return e->value;
    }
    return NULL;
}

/* The oldest entry, out of the table. */
static struct entry *forget_oldest(struct keyed *k)
{
    struct entry *e = k->oldest, **at = bucket(k, &e->key);
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlink_use(k, e);
    k->count--;
    return e;
}

void *keyed_add(struct keyed *k, const struct hash128 *key, bool *ret_forgotten)
{
    bool full = k->count >= k->keys_max;
    size_t size = sizeof(struct entry) + k->value_size;
    struct entry *e = full ? forget_oldest(k) : malloc(size);
    if (!e)
        return NULL;
    memset(e, 0, size);
    e->key = *key;
    struct entry **at = bucket(k, key);
    e->chain = *at;
    *at = e;
    make_newest(k, e);
    k->count++;
    *ret_forgotten = full;
    return e->value;
}
