/* SPDX-License-Identifier: Apache-2.0 */
/* Many patterns as one: a tree of names to read events by, an index for each path, and each
 * condition once, however many patterns have it. */
#pragma once
#include "compile.h"
#include "hash.h"
#include "index.h"

struct name {             /* one step of a path, in the tree of names */
    uint64_t marks;       /* of the names of its children: a bit for each */
    uint32_t path;        /* number + 1; 0: no condition has this path */
    uint32_t count, mask; /* of children; slots is NULL where there is none */
    struct name_slot *slots;
};
struct name_slot {
    uint32_t hash, child; /* child 0: empty */
    uint32_t length;
    const char *text;
};

struct path {
    const struct index *index; /* NULL: no branch is entered here */
    bool folds;                /* it needs room for canonical forms */
    uint32_t of_payload;       /* READS_*: it depends on what is in the payload */
};

struct set_condition {
    uint32_t path;
    const struct choice *choice;
};
/* A branch is a record of words, so that checking it touches one place in memory; its number is the
 * place of the record. */
enum {
    BRANCH_PATTERN,
    BRANCH_ENTRY, /* the condition that a value has met that led here; NO_CONDITION: none for sure
                   */
    BRANCH_COUNT,
    BRANCH_CONDITIONS /* in the order of their paths */
};
#define NO_CONDITION UINT32_MAX

enum { ROOT_EVENT, ROOT_PAYLOAD, ROOTS }; /* the first names of the tree */
enum { READS_DATA = 1, READS_DOCUMENT = 2 };

struct set {
    struct arena arena;
    struct name *names;
    size_t name_count, name_capacity;
    struct path *paths;
    size_t path_count, path_capacity;
    struct set_condition *conditions;
    size_t condition_count;
    uint32_t *branches; /* words */
    size_t branch_words, branch_capacity, branch_count;
    struct postings always; /* branches that hold, perhaps, without any value */
    size_t pattern_count;
    uint32_t data; /* the name that the payload is read under for ROOT_EVENT; 0: nobody asks */
    bool payload;  /* some pattern is over the payload alone */
};

struct asked { /* one use of a condition: its number goes to that word of the branches */
    struct set_condition condition;
    uint32_t word;
};

/* What a set is made of; patterns have the numbers in which they were added. */
struct set_builder {
    struct set *set;
    struct arena compiled; /* what the patterns' choices live in until the set is finished */
    struct asked *asked;
    size_t asked_count, asked_capacity;
};

/* -ENOMEM; the set is destroyed by set_builder_fini where it was not finished. */
int set_builder_init(struct set_builder *b);
/* root: where its names begin.  The pattern's choices live in b->compiled. */
int set_add(struct set_builder *b, const struct pattern *pattern, uint32_t root);
int set_finish(struct set_builder *b, struct set **ret_set);
void set_builder_fini(struct set_builder *b);
void set_destroy(struct set *set); /* NULL is fine */
size_t set_bytes(const struct set *set);

static inline uint64_t name_mark(const char *text, size_t length)
{
    return UINT64_C(1) << ((length + (length ? (unsigned char)text[0] * 5u : 0)) % 64);
}

/* The child of that name; 0: there is none.  Names have no dots in the tree. */
static inline uint32_t name_child(const struct set *set, uint32_t name, const char *text,
                                  size_t length)
{
    const struct name *n = &set->names[name];
    if (!(n->marks & name_mark(text, length))) /* most of what nobody asks for ends here */
        return 0;
    uint32_t hash = (uint32_t)hash_text(text, length);
    for (uint32_t place = hash & n->mask; n->slots[place].child; place = (place + 1) & n->mask) {
        const struct name_slot *s = &n->slots[place];
        if (s->hash == hash && s->length == length && same_text(s->text, text, length))
            return s->child;
    }
    return 0;
}

/* The same with a name that may have dots, each of which is a step down. */
uint32_t name_descend(const struct set *set, uint32_t name, const char *text, size_t length);
