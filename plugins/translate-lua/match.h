/* SPDX-License-Identifier: Apache-2.0 */
/* Lua's string patterns (reference manual 5.1, §5.4.1), by a matcher that counts its work: the
 * library's own may take exponential time, in which no hook runs. */
#pragma once
#include <lua.h>
#include <stddef.h>

enum { CAPTURES_MAX = 32 };
enum { CAPTURE_OPEN = -1, CAPTURE_PLACE = -2 };

struct match {
    lua_State *lua;
    const char *begin, *end, *pattern_end;
    int depth;
    int captures;
    struct {
        const char *at;
        ptrdiff_t length; /* or CAPTURE_ */
    } capture[CAPTURES_MAX];
};

void match_init(struct match *m, lua_State *L, const char *text, size_t length, const char *pattern,
                size_t pattern_length);
/* The end of what matches at exactly that place, or NULL.  A pattern that is none, and too much
 * work, raise an error. */
const char *match_here(struct match *m, const char *at, const char *pattern);
/* Pushes the capture of that number, or where there are none and it is 0, all that matched. */
void match_push(struct match *m, int number, const char *at, const char *end);
/* Pushes all captures, or all that matched where there are none; returns how many. */
int match_push_all(struct match *m, const char *at, const char *end);
