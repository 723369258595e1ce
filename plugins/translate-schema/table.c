/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing.  A slow table for chosen keys is no danger: keys are those of a schema. */
#include "table.h"
#include "memory.h"
#include <errno.h>
#include <string.h>

enum { FIRST_ROOM = 8 };

static uint64_t hash_of(struct mg_str key)
{
    uint64_t hash = 0xcbf29ce484222325u ^ key.len;
    if (key.len == SIZE_MAX)
        return ((uint64_t)(uintptr_t)key.at >> 4) * 0x9e3779b97f4a7c15u;
    const unsigned char *at = (const unsigned char *)key.at;
    size_t left = key.len;
    for (uint64_t word; left >= sizeof word; at += sizeof word, left -= sizeof word) {
        memcpy(&word, at, sizeof word);
        hash = (hash ^ word) * 0x9e3779b97f4a7c15u;
        hash ^= hash >> 32;
    }
    for (; left; at++, left--)
        hash = (hash ^ *at) * 0x100000001b3u;
    return hash ^ hash >> 29;
}

static bool same(struct mg_str a, struct mg_str b)
{
    if (a.len != b.len)
        return false;
    return a.len == SIZE_MAX ? a.at == b.at : !a.len || !memcmp(a.at, b.at, a.len);
}

/* The entry of that key, or the free one where it belongs. */
static struct table_entry *place(const struct table *t, struct mg_str key, uint64_t hash)
{
    size_t mask = t->room - 1;
    for (size_t i = hash & mask;; i = (i + 1) & mask) {
        struct table_entry *e = &t->entries[i];
        if (!e->value || (e->hash == hash && same(e->key, key)))
            return e;
    }
}

void *table_get(const struct table *t, struct mg_str key)
{
    return t->count ? place(t, key, hash_of(key))->value : NULL;
}

static int grow(struct table *t, struct arena *arena)
{
    struct table old = *t;
    size_t room = old.room ? old.room * 2 : FIRST_ROOM;
    struct table_entry *entries = take(arena, room * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    t->entries = entries;
    t->room = room;
    for (size_t i = 0; i < old.room; i++)
        if (old.entries[i].value)
            *place(t, old.entries[i].key, old.entries[i].hash) = old.entries[i];
    return 0;
}

int table_put(struct table *t, struct arena *arena, struct mg_str key, void *value)
{
    if (t->count * 2 >= t->room && grow(t, arena))
        return -ENOMEM;
    uint64_t hash = hash_of(key);
    struct table_entry *e = place(t, key, hash);
    t->count += !e->value;
    *e = (struct table_entry){hash, key, value};
    return 0;
}
