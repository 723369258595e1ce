/* SPDX-License-Identifier: Apache-2.0 */
/* The matcher.  It goes deeper for captures and repetitions only, and no deeper than DEPTH_MAX. */
#include "match.h"
#include "sandbox.h"
#include <ctype.h>
#include <string.h>

enum { DEPTH_MAX = 200, ESCAPE = '%' };

void match_init(struct match *m, lua_State *L, const char *text, size_t length, const char *pattern,
                size_t pattern_length)
{
    m->lua = L;
    m->begin = text;
    m->end = text + length;
    m->pattern_end = pattern + pattern_length;
    m->depth = 0;
    m->captures = 0;
}

static int wrong(struct match *m, const char *what)
{
    return luaL_error(m->lua, "malformed pattern (%s)", what);
}

/* ---- one character -------------------------------------------------------------------------- */

/* Where the item that begins at p ends: a character, a class, a set. */
static const char *item_end(struct match *m, const char *p)
{
    if (*p == ESCAPE) {
        if (p + 1 >= m->pattern_end)
            wrong(m, "ends with '%'");
        return p + 2;
    }
    if (*p++ != '[')
        return p;
    p += p < m->pattern_end && *p == '^';
    do { /* a ']' in the first place is a character */
        if (p >= m->pattern_end)
            wrong(m, "missing ']'");
        if (*p++ == ESCAPE)
            p++;
    } while (p >= m->pattern_end || *p != ']');
    return p + 1;
}

static bool is_of_class(unsigned char c, unsigned char class)
{
    bool is;
    switch (tolower(class)) {
    case 'a':
        is = isalpha(c);
        break;
    case 'c':
        is = iscntrl(c);
        break;
    case 'd':
        is = isdigit(c);
        break;
    case 'l':
        is = islower(c);
        break;
    case 'p':
        is = ispunct(c);
        break;
    case 's':
        is = isspace(c);
        break;
    case 'u':
        is = isupper(c);
        break;
    case 'w':
        is = isalnum(c);
        break;
    case 'x':
        is = isxdigit(c);
        break;
    case 'z':
        is = c == 0;
        break;
    default:
        return class == c;
    }
    return isupper(class) ? !is : is;
}

/* p at the '[', last at its ']'. */
static bool is_in_set(unsigned char c, const char *p, const char *last)
{
    bool wanted = true;
    if (p[1] == '^') {
        wanted = false;
        p++;
    }
    while (++p < last) {
        if (*p == ESCAPE) {
            p++;
            if (is_of_class(c, (unsigned char)*p))
                return wanted;
        } else if (p[1] == '-' && p + 2 < last) {
            p += 2;
            if ((unsigned char)p[-2] <= c && c <= (unsigned char)*p)
                return wanted;
        } else if ((unsigned char)*p == c) {
            return wanted;
        }
    }
    return !wanted;
}

static bool is_item(struct match *m, const char *at, const char *p, const char *p_end)
{
    if (at >= m->end)
        return false;
    unsigned char c = (unsigned char)*at;
    switch (*p) {
    case '.':
        return true;
    case ESCAPE:
        return is_of_class(c, (unsigned char)p[1]);
    case '[':
        sandbox_charge(m->lua, (size_t)(p_end - p) / BYTES_PER_STEP);
        return is_in_set(c, p, p_end - 1);
    default:
        return (unsigned char)*p == c;
    }
}

/* ---- what needs more than one --------------------------------------------------------------- */

static const char *balanced(struct match *m, const char *at, const char *p)
{
    if (p + 1 >= m->pattern_end)
        wrong(m, "missing arguments to '%b'");
    if (at >= m->end || *at != *p)
        return NULL;
    const char *from = at;
    for (int depth = 1; ++at < m->end;) {
        if (*at == p[1]) {
            if (!--depth) {
                sandbox_charge(m->lua, (size_t)(at - from) / 8);
                return at + 1;
            }
        } else if (*at == *p) {
            depth++;
        }
    }
    sandbox_charge(m->lua, (size_t)(at - from) / 8);
    return NULL;
}

static const char *expand_most(struct match *m, const char *at, const char *p, const char *p_end)
{
    ptrdiff_t count = 0;
    while (is_item(m, at + count, p, p_end))
        count++;
    sandbox_charge(m->lua, (size_t)count / 8);
    for (; count >= 0; count--) {
        const char *end = match_here(m, at + count, p_end + 1);
        if (end)
            return end;
    }
    return NULL;
}

static const char *expand_least(struct match *m, const char *at, const char *p, const char *p_end)
{
    for (;; at++) {
        const char *end = match_here(m, at, p_end + 1);
        if (end)
            return end;
        if (!is_item(m, at, p, p_end))
            return NULL;
    }
}

static const char *capture_begin(struct match *m, const char *at, const char *p, ptrdiff_t kind)
{
    if (m->captures >= CAPTURES_MAX)
        luaL_error(m->lua, "too many captures");
    m->capture[m->captures].at = at;
    m->capture[m->captures].length = kind;
    m->captures++;
    const char *end = match_here(m, at, p);
    if (!end)
        m->captures--;
    return end;
}

static const char *capture_end(struct match *m, const char *at, const char *p)
{
    int i = m->captures;
    while (--i >= 0 && m->capture[i].length != CAPTURE_OPEN)
        ;
    if (i < 0)
        luaL_error(m->lua, "invalid pattern capture");
    m->capture[i].length = at - m->capture[i].at;
    const char *end = match_here(m, at, p);
    if (!end)
        m->capture[i].length = CAPTURE_OPEN;
    return end;
}

static const char *same_as_capture(struct match *m, const char *at, char digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].length < 0)
        luaL_error(m->lua, "invalid capture index");
    size_t length = (size_t)m->capture[i].length;
    sandbox_charge(m->lua, length / BYTES_PER_STEP);
    if ((size_t)(m->end - at) < length || memcmp(m->capture[i].at, at, length))
        return NULL;
    return at + length;
}

static bool at_frontier(struct match *m, const char *at, const char *p, const char *p_end)
{
    unsigned char before = at == m->begin ? 0 : (unsigned char)at[-1];
    unsigned char here = at == m->end ? 0 : (unsigned char)*at;
    return !is_in_set(before, p, p_end - 1) && is_in_set(here, p, p_end - 1);
}

/* ---- the pattern ---------------------------------------------------------------------------- */

/* An item and what follows it: 1: at and p went on, 0: *ret_end is the result. */
static bool match_item(struct match *m, const char **at, const char **p, const char **ret_end)
{
    const char *end = item_end(m, *p);
    sandbox_charge(m->lua, (size_t)(end - *p) / BYTES_PER_STEP);
    char suffix = '\0';
    if (end < m->pattern_end)
        suffix = *end;
    bool is = is_item(m, *at, *p, end);
    switch (suffix) {
    case '?':
        *ret_end = is ? match_here(m, *at + 1, end + 1) : NULL;
        if (*ret_end)
            return false;
        *p = end + 1;
        return true;
    case '*':
        *ret_end = expand_most(m, *at, *p, end);
        return false;
    case '+':
        *ret_end = is ? expand_most(m, *at + 1, *p, end) : NULL;
        return false;
    case '-':
        *ret_end = expand_least(m, *at, *p, end);
        return false;
    default:
        *ret_end = NULL;
        if (!is)
            return false;
        ++*at;
        *p = end;
        return true;
    }
}

/* %b, %f and %1: as above; *ret_known false: it is another escape. */
static bool match_special(struct match *m, const char **at, const char **p, const char **ret_end,
                          bool *ret_known)
{
    char kind = '\0';
    if (*p + 1 < m->pattern_end)
        kind = (*p)[1];
    *ret_known = true;
    *ret_end = NULL;
    if (kind == 'b') {
        *at = balanced(m, *at, *p + 2);
        *p += 4;
        return *at;
    }
    if (kind == 'f') {
        const char *set = *p + 2;
        if (set >= m->pattern_end || *set != '[')
            wrong(m, "missing '[' after '%f'");
        *p = item_end(m, set);
        sandbox_charge(m->lua, (size_t)(*p - set) / (BYTES_PER_STEP / 2));
        return at_frontier(m, *at, set, *p);
    }
    if (isdigit((unsigned char)kind)) {
        *at = same_as_capture(m, *at, kind);
        *p += 2;
        return *at;
    }
    *ret_known = false;
    return false;
}

const char *match_here(struct match *m, const char *at, const char *p)
{
    const char *end = NULL;
    if (++m->depth > DEPTH_MAX)
        luaL_error(m->lua, "pattern too complex");
    for (bool on = true; on;) {
        sandbox_charge(m->lua, 1);
        bool known = false;
        if (p == m->pattern_end) {
            end = at;
            break;
        }
        if (*p == '(') {
            bool place = p + 1 < m->pattern_end && p[1] == ')';
            end = capture_begin(m, at, p + 1 + place, place ? CAPTURE_PLACE : CAPTURE_OPEN);
            break;
        }
        if (*p == ')') {
            end = capture_end(m, at, p + 1);
            break;
        }
        if (*p == '$' && p + 1 == m->pattern_end) {
            end = at == m->end ? at : NULL;
            break;
        }
        if (*p == ESCAPE)
            on = match_special(m, &at, &p, &end, &known);
        if (!known)
            on = match_item(m, &at, &p, &end);
    }
    m->depth--;
    return end;
}

void match_push(struct match *m, int number, const char *at, const char *end)
{
    if (number >= m->captures) {
        if (number)
            luaL_error(m->lua, "invalid capture index");
        lua_pushlstring(m->lua, at, (size_t)(end - at));
        return;
    }
    ptrdiff_t length = m->capture[number].length;
    if (length == CAPTURE_OPEN)
        luaL_error(m->lua, "unfinished capture");
    if (length == CAPTURE_PLACE)
        lua_pushinteger(m->lua, m->capture[number].at - m->begin + 1);
    else
        lua_pushlstring(m->lua, m->capture[number].at, (size_t)length);
}

int match_push_all(struct match *m, const char *at, const char *end)
{
    int count = m->captures ? m->captures : 1;
    luaL_checkstack(m->lua, count, "too many captures");
    for (int i = 0; i < count; i++)
        match_push(m, i, at, end);
    return count;
}
