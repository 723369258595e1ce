/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of one value: the entries of a list such as ["a", {"prefix": "b"}]. */
#pragma once
#include "fold.h"
#include "ip.h"
#include "number.h"

/* A scalar of an event.  Texts keep their quotes, so that "5" and 5, or "true" and true, are told
 * apart by their bytes. */
struct value {
    const char *at;
    uint32_t length;
    uint32_t chain;                 /* the list elements that it is in; 0: none */
    uint32_t next;                  /* of the same path */
    uint8_t number_known, ip_known; /* 0: not looked at yet; 1: it is none; 2: below */
    number_key number;
    struct ip ip;
};

enum {
    ATOM_TEXT, /* bytes, with quotes where it is a text */
    ATOM_NUMBER,
    ATOM_IP,
    ATOM_PREFIX,
    ATOM_SUFFIX,
    ATOM_FOLD, /* the three of equals-ignore-case */
    ATOM_FOLD_PREFIX,
    ATOM_FOLD_SUFFIX,
    ATOM_WILDCARD,
    ATOM_EXISTS,
    ATOM_NONE_OF /* anything-but */
};

struct piece {
    const char *at;
    size_t length;
};
/* Between two pieces there is one *, so there is at least one piece; the first and the last are
 * anchored, the others are not empty. */
struct wildcard {
    size_t count;
    struct piece pieces[];
};

struct choice;
struct atom {
    uint32_t type;
    uint32_t length; /* of text: TEXT, PREFIX, SUFFIX, and the canonical form of FOLD* */
    const char *text;
    union {
        struct {
            number_key first, last;
        } number;
        struct ip_range ip;
        const struct fold *fold;
        const struct wildcard *wildcard;
        const struct choice *none_of;
    } as;
};

/* One of these holds for a value.  texts are sorted, numbers too (single ones; ranges are among the
 * others). */
struct choice {
    struct atom *texts, *numbers, *others;
    size_t text_count, number_count, other_count;
    bool absent; /* { exists: false }: there is no value */
};

bool atom_holds(const struct atom *atom, struct value *value);
bool choice_holds(const struct choice *choice, struct value *value);
/* Orders atoms, and choices; 0: the same. */
int atom_compare(const struct atom *a, const struct atom *b);
int choice_compare(const struct choice *a, const struct choice *b);

bool value_number(struct value *value); /* is it a number that can be compared? */
bool value_ip(struct value *value);
