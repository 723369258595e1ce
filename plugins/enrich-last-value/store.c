/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table with chains, and a list by last use. */
#include "store.h"
#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

/* A large value may push out many small ones: so many at a time, for others wait for the lock. */
enum { BUCKETS_MIN = 64, BUCKETS_MAX = 1 << 20, EXCESS_AT_ONCE = 64 };

struct entry {
    struct entry *chain; /* in its bucket */
    struct entry *newer, *older;
    struct value *value;
    uint64_t hash;
    size_t key_length;
    char key[];
};

struct store {
    struct store *next; /* this and refs: under the registry's lock */
    size_t refs;
    char *gateway, *name;
    uint64_t seed;
    pthread_mutex_t lock; /* protects the rest */
    size_t keys_max, bytes_max, bucket_mask;
    size_t count, bytes;
    struct entry *newest, *oldest;
    struct entry **buckets; /* NULL: nobody remembers here */
};

static pthread_mutex_t registry_lock = PTHREAD_MUTEX_INITIALIZER;
static struct store *registry;

/* ---- the registry --------------------------------------------------------------------------- */

static void destroy(struct store *s)
{
    if (!s)
        return;
    while (s->newest) {
        struct entry *older = s->newest->older;
        value_unref(s->newest->value);
        free(s->newest);
        s->newest = older;
    }
    pthread_mutex_destroy(&s->lock);
    free(s->buckets);
    free(s->gateway);
    free(s->name);
    free(s);
}

static struct store *create(struct mg_str gateway, const char *name, uint64_t seed)
{
    struct store *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    pthread_mutex_init(&s->lock, NULL);
    s->gateway = strndup(gateway.at ? gateway.at : "", gateway.len);
    s->name = strdup(name);
    s->seed = seed | 1;
    if (s->gateway && s->name)
        return s;
    destroy(s);
    return NULL;
}

struct store *store_get(struct mg_str gateway, const char *name, uint64_t seed)
{
    pthread_mutex_lock(&registry_lock);
    struct store *s = registry;
    while (s && (strcmp(s->name, name) != 0 || strlen(s->gateway) != gateway.len ||
                 strncmp(s->gateway, gateway.at ? gateway.at : "", gateway.len) != 0))
        s = s->next;
    if (!s && (s = create(gateway, name, seed))) {
        s->next = registry;
        registry = s;
    }
    if (s)
        s->refs++;
    pthread_mutex_unlock(&registry_lock);
    return s;
}

void store_release(struct store *s)
{
    if (!s)
        return;
    pthread_mutex_lock(&registry_lock);
    bool last = --s->refs == 0;
    struct store **at = &registry;
    while (last && *at != s)
        at = &(*at)->next;
    if (last)
        *at = s->next;
    pthread_mutex_unlock(&registry_lock);
    if (last)
        destroy(s);
}

const char *store_name(const struct store *s)
{
    return s->name;
}

/* ---- entries, under the lock ---------------------------------------------------------------- */

static uint64_t hash_of(const struct store *s, struct mg_str key)
{
    uint64_t hash = s->seed;
    for (size_t i = 0; i < key.len; i++)
        hash = (hash ^ (unsigned char)key.at[i]) * 0x100000001b3u;
    return hash;
}

static struct entry **bucket(struct store *s, uint64_t hash)
{
    return &s->buckets[(hash ^ hash >> 32) & s->bucket_mask];
}

static struct entry *find(struct store *s, uint64_t hash, struct mg_str key)
{
    struct entry *e = s->buckets ? *bucket(s, hash) : NULL;
    while (e && (e->hash != hash || e->key_length != key.len ||
                 (key.len && memcmp(e->key, key.at, key.len) != 0)))
        e = e->chain;
    return e;
}

static void unlink_use(struct store *s, struct entry *e)
{
    *(e->newer ? &e->newer->older : &s->newest) = e->older;
    *(e->older ? &e->older->newer : &s->oldest) = e->newer;
}

static void make_newest(struct store *s, struct entry *e)
{
    e->newer = NULL;
    e->older = s->newest;
    *(s->newest ? &s->newest->newer : &s->oldest) = e;
    s->newest = e;
}

static void touch(struct store *s, struct entry *e)
{
    if (e == s->newest)
        return;
    unlink_use(s, e);
    make_newest(s, e);
}

static size_t size_of(size_t key_length, const struct value *v)
{
    return sizeof(struct entry) + key_length + sizeof *v + v->length + 1;
}

static void add(struct store *s, struct entry *e)
{
    struct entry **at = bucket(s, e->hash);
    e->chain = *at;
    *at = e;
    make_newest(s, e);
    s->count++;
    s->bytes += size_of(e->key_length, e->value);
}

static void take_off(struct store *s, struct entry *e)
{
    struct entry **at = bucket(s, e->hash);
    while (*at != e)
        at = &(*at)->chain;
    *at = e->chain;
    unlink_use(s, e);
    s->count--;
    s->bytes -= size_of(e->key_length, e->value);
}

/* A chain of what is too much now, at most EXCESS_AT_ONCE and never the newest; they are added to
 * count. */
static struct entry *take_off_excess(struct store *s, size_t *count)
{
    struct entry *excess = NULL;
    for (int i = 0; i < EXCESS_AT_ONCE && s->oldest != s->newest &&
                    (s->count > s->keys_max || s->bytes > s->bytes_max);
         i++) {
        struct entry *e = s->oldest;
        take_off(s, e);
        e->chain = excess;
        excess = e;
        ++*count;
    }
    return excess;
}

static void free_entries(struct entry *e)
{
    while (e) {
        struct entry *next = e->chain;
        value_unref(e->value);
        free(e);
        e = next;
    }
}

/* ---- what the steps do ---------------------------------------------------------------------- */

int store_grow(struct store *s, size_t keys_max, size_t bytes_max)
{
    size_t count = BUCKETS_MIN;
    while (count < keys_max && count < BUCKETS_MAX)
        count *= 2;
    struct entry **buckets = calloc(count, sizeof(struct entry *)), **old = buckets;
    if (!buckets)
        return -ENOMEM;
    pthread_mutex_lock(&s->lock);
    if (!s->buckets || count > s->bucket_mask + 1) {
        old = s->buckets;
        s->buckets = buckets;
        s->bucket_mask = count - 1;
        for (struct entry *e = s->newest; e; e = e->older) {
            struct entry **at = bucket(s, e->hash);
            e->chain = *at;
            *at = e;
        }
    }
    s->keys_max = keys_max > s->keys_max ? keys_max : s->keys_max;
    s->bytes_max = bytes_max > s->bytes_max ? bytes_max : s->bytes_max;
    pthread_mutex_unlock(&s->lock);
    free(old);
    return 0;
}

bool store_is_fed(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    bool fed = s->buckets;
    pthread_mutex_unlock(&s->lock);
    return fed;
}

int store_set(struct store *s, struct mg_str key, struct mg_bytes text, int64_t now_us,
              size_t *ret_forgotten)
{
    struct value *value = malloc(sizeof *value + text.len + 1);
    struct entry *fresh = malloc(sizeof *fresh + key.len);
    if (!value || !fresh) {
        free(value);
        free(fresh);
        return -ENOMEM;
    }
    atomic_init(&value->refs, 1);
    value->since_us = now_us;
    value->length = text.len;
    if (text.len)
        memcpy(value->text, text.at, text.len);
    value->text[text.len] = '\0';
    *fresh = (struct entry){.value = value, .hash = hash_of(s, key), .key_length = key.len};
    if (key.len)
        memcpy(fresh->key, key.at, key.len);

    struct entry *old = NULL, *excess = fresh;
    *ret_forgotten = 0;
    pthread_mutex_lock(&s->lock);
    bool fits = size_of(key.len, value) <= s->bytes_max;
    if (fits) {
        old = find(s, fresh->hash, key);
        if (old)
            take_off(s, old);
        add(s, fresh);
        excess = take_off_excess(s, ret_forgotten);
    }
    pthread_mutex_unlock(&s->lock);

    if (old)
        old->chain = NULL;
    free_entries(old);
    while (excess) {
        free_entries(excess);
        pthread_mutex_lock(&s->lock);
        excess = take_off_excess(s, ret_forgotten);
        pthread_mutex_unlock(&s->lock);
    }
    return fits ? 0 : -EFBIG;
}

bool store_remove(struct store *s, struct mg_str key)
{
    uint64_t hash = hash_of(s, key);
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, hash, key);
    if (e)
        take_off(s, e);
    pthread_mutex_unlock(&s->lock);
    if (e)
        e->chain = NULL;
    free_entries(e);
    return e;
}

struct value *store_find(struct store *s, struct mg_str key)
{
    uint64_t hash = hash_of(s, key);
    struct value *value = NULL;
    pthread_mutex_lock(&s->lock);
    struct entry *e = find(s, hash, key);
    if (e) {
        touch(s, e);
        value = e->value;
        atomic_fetch_add(&value->refs, 1);
    }
    pthread_mutex_unlock(&s->lock);
    return value;
}

void value_unref(struct value *value)
{
    if (value && atomic_fetch_sub(&value->refs, 1) == 1)
        free(value);
}

size_t store_count(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    size_t count = s->count;
    pthread_mutex_unlock(&s->lock);
    return count;
}

size_t store_bytes(struct store *s)
{
    pthread_mutex_lock(&s->lock);
    size_t bytes = s->bytes;
    pthread_mutex_unlock(&s->lock);
    return bytes;
}
