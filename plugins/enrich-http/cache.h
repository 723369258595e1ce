/* SPDX-License-Identifier: Apache-2.0 */
/* Questions and their answers by the digest of the question: those being asked, and those kept for
 * a while, the least lately used of which give way. */
#pragma once
#include "meshgate/plugin.h"

enum { CACHE_KEY_BYTES = 32 };
enum entry_state { ENTRY_ASKING, ENTRY_FOUND, ENTRY_ABSENT };

/* ASKING: the head of a larger struct, which the owner makes and frees; else the cache's own. */
struct entry {
    uint8_t key[CACHE_KEY_BYTES];
    enum entry_state state;
    char *value; /* FOUND: malloc'ed, with a NUL behind it */
    size_t length;
    int64_t until_us;
    struct entry *next_in_bucket;
    struct entry *newer, *older; /* of those kept */
};

struct cache {
    struct entry **buckets;
    size_t bucket_count; /* a power of two */
    size_t count;        /* in the buckets */
    size_t kept_count, kept_bytes;
    size_t most_entries, most_bytes;
    struct entry *newest, *oldest;
};

int cache_init(struct cache *cache, int64_t most_entries, int64_t most_bytes); /* -ENOMEM */
void cache_fini(struct cache *cache); /* no ENTRY_ASKING may be left */

/* NULL: nobody has asked, or the answer is too old (and forgotten).  A use makes it the newest. */
struct entry *cache_find(struct cache *cache, const uint8_t *key, int64_t now_us);
/* The key of the entry is set, and is not in the cache. */
void cache_add(struct cache *cache, struct entry *entry); /* as ENTRY_ASKING */
/* Takes an ENTRY_ASKING out again. */
void cache_remove(struct cache *cache, struct entry *entry);
/* Keeps an answer; takes value, also where it cannot be kept.  Others may be forgotten for it, and
 * itself where it alone is too large. */
void cache_keep(struct cache *cache, const uint8_t *key, enum entry_state state, char *value,
                size_t length, int64_t until_us);
