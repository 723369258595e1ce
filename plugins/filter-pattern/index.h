/* SPDX-License-Identifier: Apache-2.0 */
/* From a value to the branches that it may decide: the index of one path.  Each branch is entered
 * on one of its paths only; the rest of it is checked once a value has led there. */
#pragma once
#include "arena.h"
#include "atom.h"

struct postings { /* branches: ids[0..count) */
    const uint32_t *ids;
    uint32_t count;
};

/* Branches to look at: repeatedly, as long as there is room, each once after that. */
struct candidates {
    uint32_t *ids;
    size_t count, capacity; /* capacity: at least the number of branches */
    bool once;
    const uint32_t *branches; /* the records that ids are places of */
    uint32_t *stamps;         /* by branch: the generation in which it came in, with once */
    uint32_t generation;
};

/* Room by taking out what stands there twice. */
void candidates_add_once(struct candidates *c, struct postings p);

static inline void candidates_add(struct candidates *c, struct postings p)
{
    if (c->once || c->capacity - c->count < p.count) {
        candidates_add_once(c, p);
        return;
    }
    for (uint32_t i = 0; i < p.count; i++) {
        __builtin_prefetch(c->branches + p.ids[i]); /* it is looked at once the event is read */
        c->ids[c->count++] = p.ids[i];
    }
}

/* The ways into an index, by what is looked up. */
enum {
    KEY_TEXT,
    KEY_NUMBER, /* its eight bytes */
    KEY_FOLD,   /* this and the next two: canonical forms */
    KEY_FOLD_PREFIX,
    KEY_FOLD_SUFFIX,
    KEY_PREFIX,
    KEY_SUFFIX,
    KEY_CONTAINS, /* the longest piece of a wildcard */
    KEY_NUMBER_RANGE,
    KEY_IP_RANGE,
    KEY_ALWAYS, /* whatever the value is */
    KEY_KINDS
};
struct key {
    uint32_t path, kind;
    const char *text; /* where the kind has one */
    size_t length;
    struct ip_range range; /* of KEY_*_RANGE; of numbers: range_number */
    uint32_t branch;
};

/* Texts with postings; sorted by kind of use. */
struct entry {
    const char *at;
    size_t length;
    struct postings postings;
};
struct text_table;
struct affixes;
struct ranges;
struct contains;

struct index {
    const struct text_table *texts, *numbers, *folds;
    const struct affixes *prefixes, *suffixes, *fold_prefixes, *fold_suffixes;
    const struct contains *contains;
    const struct ranges *number_ranges, *ip_ranges;
    struct postings always;
};

/* keys: of one path, sorted by keys_sort.  -ENOMEM. */
int index_build(struct arena *arena, const struct key *keys, size_t count, struct index *ret_index);
void keys_sort(struct key *keys, size_t count);
/* fold: room for FOLD_GROWTH_MAX * value->length bytes where the index folds. */
void index_find(const struct index *index, struct value *value, char *fold, struct candidates *c);
bool index_folds(const struct index *index);
struct ip range_number(number_key n); /* in the order of numbers */

/* ---- its parts ------------------------------------------------------------------------------ */

/* NULL: out of memory. */
struct text_table *text_table_create(struct arena *arena, const struct entry *entries,
                                     size_t count);
void text_table_find(const struct text_table *t, const char *at, size_t length,
                     struct candidates *c);

/* entries: sorted by affix_compare. */
struct affixes *affixes_create(struct arena *arena, const struct entry *entries, size_t count,
                               bool backward);
void affixes_find(const struct affixes *a, const char *at, size_t length, struct candidates *c);
/* By bytes, from the front or from the back. */
int affix_compare(const char *a, size_t a_length, const char *b, size_t b_length, bool backward);

struct range {
    struct ip_range at;
    struct postings postings;
    struct ip latest; /* of all ends in its half of the tree */
};
/* Takes ranges, which lie in the arena, sorted by their first. */
struct ranges *ranges_create(struct arena *arena, struct range *ranges, size_t count);
void ranges_find(const struct ranges *r, const struct ip *point, struct candidates *c);

struct contains *contains_create(struct arena *arena, const struct entry *entries, size_t count);
void contains_find(const struct contains *k, const char *at, size_t length, struct candidates *c);
