/* SPDX-License-Identifier: Apache-2.0 */
/* What the two files of the translation of patterns share. */
#pragma once
#include "regex.h"

struct ecma {
    const char *begin, *at, *end;
    char *out;
    size_t length, room;
    bool no_memory, in_class;
    bool repeatable; /* what came last may be repeated */
    struct mg_err *err;
};

void ecma_put(struct ecma *e, const char *text, size_t length);
void ecma_put_text(struct ecma *e, const char *text);
bool ecma_wrong(struct ecma *e, const char *what); /* false; the first one counts */
static inline char ecma_peek(const struct ecma *e, size_t ahead)
{
    return (size_t)(e->end - e->at) > ahead ? e->at[ahead] : '\0';
}
/* From a backslash on. */
bool ecma_take_escape(struct ecma *e);
/* Up to and with `close`. */
bool ecma_take_group_name(struct ecma *e, char close);
