/* SPDX-License-Identifier: Apache-2.0 */
/* Exact texts: a hash table that is never more than half full. */
#include "hash.h"
#include "index.h"

struct slot {
    uint32_t hash;
    uint32_t place; /* of the record, in words, + 1; 0: empty */
};
/* A record: the length of the text, the number of branches, these, and the text. */
enum { RECORD_LENGTH, RECORD_COUNT, RECORD_IDS };

struct text_table {
    size_t mask;
    const struct slot *slots;
    const uint32_t *words;
};

static size_t record_words(const struct entry *e)
{
    return RECORD_IDS + e->postings.count + (e->length + 3) / 4;
}

static void put(const struct text_table *t, struct slot *slots, uint32_t *words, size_t place,
                const struct entry *e)
{
    uint64_t hash = hash_text(e->at, e->length);
    size_t slot = hash & t->mask;
    while (slots[slot].place)
        slot = (slot + 1) & t->mask;
    slots[slot] = (struct slot){(uint32_t)(hash >> 32), (uint32_t)place + 1};
    words += place;
    words[RECORD_LENGTH] = (uint32_t)e->length;
    words[RECORD_COUNT] = e->postings.count;
    memcpy(words + RECORD_IDS, e->postings.ids, e->postings.count * sizeof *words);
    if (e->length)
        memcpy(words + RECORD_IDS + e->postings.count, e->at, e->length);
}

struct text_table *text_table_create(struct arena *arena, const struct entry *entries, size_t count)
{
    size_t size = 4, words_size = 0;
    while (size < 2 * count)
        size *= 2;
    for (size_t i = 0; i < count; i++)
        words_size += record_words(&entries[i]);
    struct text_table *t = arena_alloc(arena, sizeof *t);
    struct slot *slots = arena_alloc(arena, size * sizeof *slots);
    uint32_t *words =
        words_size < UINT32_MAX ? arena_alloc(arena, words_size * sizeof *words) : NULL;
    if (!t || !slots || !words)
        return NULL;
    *t = (struct text_table){.mask = size - 1, .slots = slots, .words = words};
    size_t place = 0;
    for (size_t i = 0; i < count; i++) {
        put(t, slots, words, place, &entries[i]);
        place += record_words(&entries[i]);
    }
    return t;
}

void text_table_find(const struct text_table *t, const char *at, size_t length,
                     struct candidates *c)
{
    uint64_t hash = hash_text(at, length);
    for (size_t i = hash & t->mask; t->slots[i].place; i = (i + 1) & t->mask) {
        if (t->slots[i].hash != (uint32_t)(hash >> 32))
            continue;
        const uint32_t *record = t->words + t->slots[i].place - 1;
        const uint32_t *ids = record + RECORD_IDS;
        if (record[RECORD_LENGTH] != length || memcmp(ids + record[RECORD_COUNT], at, length) != 0)
            continue;
        candidates_add(c, (struct postings){ids, record[RECORD_COUNT]});
        return;
    }
}
