/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the compiler of expressions share. */
#pragma once
#include "expression_internal.h"

struct expression_compiler {
    struct expression *e; /* with room for the largest */
    const char *begin, *at, *end;
    size_t parts_read;
    int depth;
    char wrong[96]; /* "": nothing so far */
};

/* A piece of program; `outs` are its ends that lead nowhere yet: state * 2, + 1 for `other`, the
 * first of a list that goes on in the end itself. */
struct expression_piece {
    uint16_t start, outs;
};

/* Says why, and answers false; what was said first stays. */
bool expression_refuse(struct expression_compiler *c, const char *why);
/* A state of that kind with one end. */
bool expression_single(struct expression_compiler *c, uint8_t kind, struct expression_piece *ret);
/* To the state that was made last. */
bool expression_add_range(struct expression_compiler *c, uint32_t first, uint32_t last);

bool expression_literal(struct expression_compiler *c, uint32_t code, struct expression_piece *ret);
bool expression_class(struct expression_compiler *c, struct expression_piece *ret);  /* behind [ */
bool expression_escape(struct expression_compiler *c, struct expression_piece *ret); /* behind \ */
