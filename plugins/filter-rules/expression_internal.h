/* SPDX-License-Identifier: Apache-2.0 */
/* An expression as a program of states. */
#pragma once
#include "expression.h"

enum {
    STATE_RANGES, /* a character that is in one of the ranges from..from + count */
    STATE_NOT,    /* a character that is in none of them */
    STATE_EMPTY,  /* goes on at `next` */
    STATE_BOTH,   /* goes on at `next` and at `other` */
    STATE_BEGIN,  /* the text's begin */
    STATE_END,    /* the text's end */
    STATE_MATCH
};
struct state {
    uint8_t kind;
    uint16_t next, other;
    uint32_t from, count;
};
struct range {
    uint32_t first, last;
};

enum { EXPRESSION_RANGES_MAX = 4096 };

struct expression {
    bool any_case; /* of ASCII */
    uint16_t start;
    size_t count, range_count;
    struct state *states;
    struct range *ranges;
};

/* The character at *at as one code point; a byte that is no UTF-8 is one of its own kind. */
uint32_t expression_character(const char **at, const char *end);
