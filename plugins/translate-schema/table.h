/* SPDX-License-Identifier: Apache-2.0 */
/* A hash table that only grows, in an arena: by text, or by the address of something. */
#pragma once
#include "arena.h"
#include "meshgate/plugin.h"

struct table_entry {
    uint64_t hash;
    struct mg_str key; /* len SIZE_MAX: `at` itself is the key */
    void *value;       /* NULL: the place is free */
};
struct table {
    struct table_entry *entries;
    size_t count, room; /* room: a power of two, or 0 */
};

/* NULL: there is none.  Texts are borrowed, and must live as long as the table. */
void *table_get(const struct table *table, struct mg_str key);
/* Replaces what the key had.  -ENOMEM. */
int table_put(struct table *table, struct arena *arena, struct mg_str key, void *value);

static inline struct mg_str table_key_of(const void *address)
{
    return (struct mg_str){address, SIZE_MAX};
}
