/* SPDX-License-Identifier: Apache-2.0 */
/* Exact texts: a hash table that is never more than half full. */
#include "index.h"
#include <string.h>

struct slot {
    uint32_t hash;
    uint32_t entry; /* number + 1; 0: empty */
};
struct text_table {
    size_t mask;
    const struct slot *slots;
    const struct entry *entries;
};

static uint64_t word_at(const char *at, size_t length)
{
    uint64_t word = 0;
    memcpy(&word, at, length < sizeof word ? length : sizeof word);
    return word;
}

static uint64_t mix(uint64_t hash, uint64_t word)
{
    hash = (hash ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    return hash ^ hash >> 32;
}

/* Tables hold what patterns say and do not grow with events: no need to hide from collisions. */
uint64_t text_hash(const char *at, size_t length)
{
    uint64_t hash = length;
    while (length > 8) {
        hash = mix(hash, word_at(at, 8));
        at += 8;
        length -= 8;
    }
    if (length >= 4) {
        uint32_t low, high;
        memcpy(&low, at, 4);
        memcpy(&high, at + length - 4, 4);
        return mix(hash, (uint64_t)high << 32 | low);
    }
    if (!length)
        return mix(hash, 0);
    return mix(hash, (uint64_t)(unsigned char)at[0] | (uint64_t)(unsigned char)at[length / 2] << 8 |
                         (uint64_t)(unsigned char)at[length - 1] << 16);
}

struct text_table *text_table_create(struct arena *arena, const struct entry *entries, size_t count)
{
    size_t size = 4;
    while (size < 2 * count)
        size *= 2;
    struct text_table *t = arena_alloc(arena, sizeof *t);
    struct slot *slots = arena_alloc(arena, size * sizeof *slots);
    if (!t || !slots)
        return NULL;
    *t = (struct text_table){.mask = size - 1, .slots = slots, .entries = entries};
    for (size_t i = 0; i < count; i++) {
        uint64_t hash = text_hash(entries[i].at, entries[i].length);
        size_t place = hash & t->mask;
        while (slots[place].entry)
            place = (place + 1) & t->mask;
        slots[place] = (struct slot){(uint32_t)(hash >> 32), (uint32_t)i + 1};
    }
    return t;
}

void text_table_find(const struct text_table *t, const char *at, size_t length,
                     struct candidates *c)
{
    uint64_t hash = text_hash(at, length);
    for (size_t place = hash & t->mask; t->slots[place].entry; place = (place + 1) & t->mask) {
        if (t->slots[place].hash != (uint32_t)(hash >> 32))
            continue;
        const struct entry *e = &t->entries[t->slots[place].entry - 1];
        if (e->length == length && !memcmp(e->at, at, length)) {
            candidates_add(c, e->postings);
            return;
        }
    }
}
