/* SPDX-License-Identifier: Apache-2.0 */
/* Texts anywhere in a value, all in one pass: the automaton of Aho and Corasick. */
#include "index.h"
#include <string.h>

struct state {
    uint32_t child, sibling; /* 0: none; state 0 is the root */
    uint32_t fail;           /* the longest end of what was read that another text begins with */
    uint32_t output;         /* the nearest on the way of fails that ends a text; 0: none */
    struct postings postings;
    unsigned char byte;
};
struct contains {
    struct state *states;
    uint32_t count;
    uint32_t first[256]; /* from the root */
};

static uint32_t step(const struct contains *k, uint32_t state, unsigned char byte)
{
    if (!state)
        return k->first[byte];
    for (uint32_t s = k->states[state].child; s; s = k->states[s].sibling)
        if (k->states[s].byte == byte)
            return s;
    return 0;
}

static uint32_t add(struct contains *k, uint32_t state, unsigned char byte)
{
    uint32_t next = step(k, state, byte);
    if (next)
        return next;
    next = k->count++;
    k->states[next] = (struct state){.sibling = k->states[state].child, .byte = byte};
    k->states[state].child = next;
    if (!state)
        k->first[byte] = next;
    return next;
}

static uint32_t follow(const struct contains *k, uint32_t state, unsigned char byte)
{
    for (;;) {
        uint32_t next = step(k, state, byte);
        if (next || !state)
            return next;
        state = k->states[state].fail;
    }
}

/* Breadth first, so that whatever a state falls back to is done before it. */
static void link_fails(struct contains *k, uint32_t *queue)
{
    size_t head = 0, tail = 0;
    for (uint32_t s = k->states[0].child; s; s = k->states[s].sibling)
        queue[tail++] = s;
    while (head < tail) {
        uint32_t state = queue[head++];
        for (uint32_t s = k->states[state].child; s; s = k->states[s].sibling) {
            struct state *child = &k->states[s];
            child->fail = follow(k, k->states[state].fail, child->byte);
            child->output =
                k->states[child->fail].postings.count ? child->fail : k->states[child->fail].output;
            queue[tail++] = s;
        }
    }
}

struct contains *contains_create(struct arena *arena, const struct entry *entries, size_t count)
{
    size_t bytes = 1;
    for (size_t i = 0; i < count; i++)
        bytes += entries[i].length;
    struct contains *k = bytes < UINT32_MAX ? arena_alloc(arena, sizeof *k) : NULL;
    uint32_t *queue = arena_alloc(arena, bytes * sizeof *queue);
    if (!k || !queue)
        return NULL;
    k->states = arena_alloc(arena, bytes * sizeof *k->states);
    if (!k->states)
        return NULL;
    k->count = 1;
    for (size_t i = 0; i < count; i++) {
        uint32_t state = 0;
        for (size_t b = 0; b < entries[i].length; b++)
            state = add(k, state, (unsigned char)entries[i].at[b]);
        k->states[state].postings = entries[i].postings;
    }
    link_fails(k, queue);
    return k;
}

void contains_find(const struct contains *k, const char *at, size_t length, struct candidates *c)
{
    uint32_t state = 0;
    for (size_t i = 0; i < length; i++) {
        state = follow(k, state, (unsigned char)at[i]);
        for (uint32_t s = state; s; s = k->states[s].output)
            candidates_add(c, k->states[s].postings);
    }
}
