/* SPDX-License-Identifier: Apache-2.0 */
/* Reads an expression and builds its states, without a tree: a part that is repeated a number of
 * times is read as often. */
#include "expression_compile.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { DEPTH_MAX = 32, REPEAT_MAX = 255, PARTS_READ_MAX = 100000, NOWHERE = UINT16_MAX };

bool expression_refuse(struct expression_compiler *c, const char *why)
{
    if (!c->wrong[0])
        snprintf(c->wrong, sizeof c->wrong, "%s", why);
    return false;
}

/* ---- states --------------------------------------------------------------------------------- */

static bool add_state(struct expression_compiler *c, uint8_t kind, uint16_t *ret)
{
    if (c->e->count == EXPRESSION_STATES_MAX)
        return expression_refuse(c, "it is too large");
    *ret = (uint16_t)c->e->count++;
    c->e->states[*ret] = (struct state){
        .kind = kind, .next = NOWHERE, .other = NOWHERE, .from = (uint32_t)c->e->range_count};
    return true;
}

bool expression_add_range(struct expression_compiler *c, uint32_t first, uint32_t last)
{
    if (c->e->range_count == EXPRESSION_RANGES_MAX)
        return expression_refuse(c, "it is too large");
    c->e->ranges[c->e->range_count++] = (struct range){first, last};
    c->e->states[c->e->count - 1].count++;
    return true;
}

static uint16_t *out(struct expression_compiler *c, uint16_t at)
{
    struct state *state = &c->e->states[at / 2];
    return at % 2 ? &state->other : &state->next;
}

static void lead(struct expression_compiler *c, uint16_t outs, uint16_t to)
{
    while (outs != NOWHERE) {
        uint16_t *at = out(c, outs);
        outs = *at;
        *at = to;
    }
}

static uint16_t joined(struct expression_compiler *c, uint16_t outs, uint16_t more)
{
    uint16_t last = outs;
    while (*out(c, last) != NOWHERE)
        last = *out(c, last);
    *out(c, last) = more;
    return outs;
}

/* A state of that kind with one end. */
bool expression_single(struct expression_compiler *c, uint8_t kind, struct expression_piece *ret)
{
    if (!add_state(c, kind, &ret->start))
        return false;
    ret->outs = (uint16_t)(ret->start * 2);
    return true;
}

static void append(struct expression_compiler *c, struct expression_piece *to,
                   const struct expression_piece *piece)
{
    lead(c, to->outs, piece->start);
    to->outs = piece->outs;
}

static bool make_optional(struct expression_compiler *c, struct expression_piece *p)
{
    uint16_t both;
    if (!add_state(c, STATE_BOTH, &both))
        return false;
    c->e->states[both].next = p->start;
    *p = (struct expression_piece){both, joined(c, p->outs, (uint16_t)(both * 2 + 1))};
    return true;
}

static bool make_loop(struct expression_compiler *c, struct expression_piece *p, bool at_least_once)
{
    uint16_t both;
    if (!add_state(c, STATE_BOTH, &both))
        return false;
    c->e->states[both].next = p->start;
    lead(c, p->outs, both);
    *p = (struct expression_piece){at_least_once ? p->start : both, (uint16_t)(both * 2 + 1)};
    return true;
}

/* ---- the expression ------------------------------------------------------------------------- */

static bool read_choice(struct expression_compiler *c, struct expression_piece *ret);

/* Behind the parenthesis; as deep as DEPTH_MAX. */
static bool read_group(struct expression_compiler *c, struct expression_piece *ret)
{
    if (c->at < c->end && *c->at == '?') {
        if (c->end - c->at < 2 || c->at[1] != ':')
            return expression_refuse(c, "of (?, (?: is known alone, and (?i) at the begin");
        c->at += 2;
    }
    if (++c->depth > DEPTH_MAX)
        return expression_refuse(c, "it is nested too deep");
    if (!read_choice(c, ret))
        return false;
    c->depth--;
    if (c->at == c->end)
        return expression_refuse(c, "the ( has no )");
    c->at++;
    return true;
}

static bool read_atom(struct expression_compiler *c, struct expression_piece *ret)
{
    if (++c->parts_read > PARTS_READ_MAX)
        return expression_refuse(c, "it is too large");
    switch (*c->at) {
    case '(':
        c->at++;
        return read_group(c, ret);
    case '[':
        c->at++;
        return expression_class(c, ret);
    case '\\':
        c->at++;
        return expression_escape(c, ret);
    case '.':
        c->at++;
        return expression_single(c, STATE_NOT, ret);
    case '^':
    case '$':
        return expression_single(c, *c->at++ == '^' ? STATE_BEGIN : STATE_END, ret);
    case '*':
    case '+':
    case '?':
    case '{':
        return expression_refuse(
            c, "there is nothing to repeat here (a literal one has a \\ before it)");
    default:
        return expression_literal(c, expression_character(&c->at, c->end), ret);
    }
}

static bool read_count(struct expression_compiler *c, int *ret)
{
    const char *begin = c->at;
    for (*ret = 0; c->at < c->end && *c->at >= '0' && *c->at <= '9' && *ret <= REPEAT_MAX; c->at++)
        *ret = *ret * 10 + (*c->at - '0');
    return c->at > begin && *ret <= REPEAT_MAX;
}

/* "*", "+", "?", "{2}", "{2,}", "{2,5}", each perhaps with a lazy ?, which changes nothing here;
 * *ret_most -1: no limit.  Nothing of it: once. */
static bool read_repeat(struct expression_compiler *c, int *ret_least, int *ret_most)
{
    char mark = c->at < c->end ? *c->at : '\0';
    *ret_least = mark == '*' || mark == '?' ? 0 : 1;
    *ret_most = mark == '*' || mark == '+' ? -1 : 1;
    if (!mark || !strchr("*+?{", mark))
        return true;
    c->at++;
    if (mark == '{') {
        bool well = read_count(c, ret_least);
        *ret_most = *ret_least;
        if (well && c->at < c->end && *c->at == ',') {
            c->at++;
            *ret_most = -1;
            if (c->at < c->end && *c->at != '}')
                well = read_count(c, ret_most) && *ret_most >= *ret_least;
        }
        if (!well || c->at == c->end || *c->at != '}')
            return expression_refuse(c, "a count is {2}, {2,} or {2,5}, at most 255");
        c->at++;
    }
    c->at += c->at < c->end && *c->at == '?';
    if (c->at < c->end && strchr("*+?{", *c->at))
        return expression_refuse(c, "this is repeated already");
    return true;
}

static bool read_part(struct expression_compiler *c, struct expression_piece *sequence)
{
    const char *atom = c->at, *behind;
    struct expression_piece piece;
    int least, most;
    if (!read_atom(c, &piece) || !read_repeat(c, &least, &most))
        return false;
    behind = c->at;
    /* The first one is there; what it becomes depends on whether others follow. */
    for (int n = 1;; n++) {
        bool last = n >= least && (most < 0 || n >= most);
        if (most < 0 && last && !make_loop(c, &piece, least > 0))
            return false;
        if (most >= 0 && n > least && !make_optional(c, &piece))
            return false;
        if (most != 0) /* {0}: it was read to see whether it is right */
            append(c, sequence, &piece);
        if (last)
            break;
        c->at = atom;
        if (!read_atom(c, &piece))
            return false;
    }
    c->at = behind;
    return true;
}

static bool read_sequence(struct expression_compiler *c, struct expression_piece *ret)
{
    if (!expression_single(c, STATE_EMPTY, ret))
        return false;
    while (c->at < c->end && *c->at != '|' && *c->at != ')')
        if (!read_part(c, ret))
            return false;
    return true;
}

static bool read_choice(struct expression_compiler *c, struct expression_piece *ret)
{
    struct expression_piece other;
    uint16_t both;
    if (!read_sequence(c, ret))
        return false;
    while (c->at < c->end && *c->at == '|') {
        c->at++;
        if (!read_sequence(c, &other) || !add_state(c, STATE_BOTH, &both))
            return false;
        c->e->states[both].next = ret->start;
        c->e->states[both].other = other.start;
        *ret = (struct expression_piece){both, joined(c, ret->outs, other.outs)};
    }
    return true;
}

static bool read_all(struct expression_compiler *c, struct expression_piece *ret)
{
    if (c->end - c->at >= 4 && !memcmp(c->at, "(?i)", 4)) {
        c->e->any_case = true;
        c->at += 4;
    }
    if (!read_choice(c, ret))
        return false;
    return c->at == c->end || expression_refuse(c, "the ) has no (");
}

/* One block: the expression, its states, its ranges. */
static struct expression *with_room(size_t states, size_t ranges)
{
    struct expression *e =
        calloc(1, sizeof *e + states * sizeof *e->states + ranges * sizeof *e->ranges);
    if (!e)
        return NULL;
    e->states = (struct state *)(e + 1);
    e->ranges = (struct range *)(e->states + states);
    return e;
}

static struct expression *shrunk(const struct expression *e)
{
    struct expression *small = with_room(e->count, e->range_count);
    if (!small)
        return NULL;
    memcpy(small->states, e->states, e->count * sizeof *e->states);
    memcpy(small->ranges, e->ranges, e->range_count * sizeof *e->ranges);
    small->any_case = e->any_case;
    small->start = e->start;
    small->count = e->count;
    small->range_count = e->range_count;
    return small;
}

static bool read_expression(struct expression_compiler *c)
{
    struct expression_piece all;
    uint16_t match;
    if (memchr(c->at, '\0', (size_t)(c->end - c->at)))
        return expression_refuse(c, "a NUL character is not allowed here");
    if (!read_all(c, &all) || !add_state(c, STATE_MATCH, &match))
        return false;
    lead(c, all.outs, match);
    c->e->start = all.start;
    return true;
}

int expression_compile(const char *text, size_t length, struct expression **ret_expression,
                       struct mg_err *reterr)
{
    struct expression_compiler c = {.begin = text, .at = text, .end = text + length};
    struct expression *e = NULL;
    c.e = with_room(EXPRESSION_STATES_MAX, EXPRESSION_RANGES_MAX);
    bool well = c.e && read_expression(&c);
    if (well)
        e = shrunk(c.e);
    free(c.e);
    if (c.wrong[0]) {
        snprintf(reterr->text, sizeof reterr->text, "\"%.*s\", character %td: %s",
                 length < 64 ? (int)length : 64, text, c.at - c.begin + 1, c.wrong);
        return -EINVAL;
    }
    if (!e) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    *ret_expression = e;
    return 0;
}

void expression_free(struct expression *e)
{
    free(e);
}
