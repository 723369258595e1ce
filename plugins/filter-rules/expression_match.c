/* SPDX-License-Identifier: Apache-2.0 */
/* Follows all ways through an expression at once (K. Thompson, 1968). */
#include "expression_internal.h"
#include <stdlib.h>
#include <string.h>

enum { BAD_BYTE = 0x110000 }; /* plus the byte */

struct expression_scratch {
    uint32_t step; /* marks of other steps are old */
    uint32_t marks[EXPRESSION_STATES_MAX];
    uint16_t now[EXPRESSION_STATES_MAX], then[EXPRESSION_STATES_MAX];
    uint16_t stack[EXPRESSION_STATES_MAX];
};

struct expression_scratch *expression_scratch_create(void)
{
    return calloc(1, sizeof(struct expression_scratch));
}

void expression_scratch_destroy(struct expression_scratch *s)
{
    free(s);
}

uint32_t expression_character(const char **at, const char *end)
{
    static const uint32_t least[] = {0, 0x80, 0x800, 0x10000};
    const unsigned char *p = (const unsigned char *)*at;
    uint32_t c = *p++;
    int more = c < 0x80 ? 0 : c >> 5 == 6 ? 1 : c >> 4 == 14 ? 2 : c >> 3 == 30 ? 3 : -1;
    (*at)++;
    if (!more)
        return c;
    if (more < 0 || (const unsigned char *)end - p < more)
        return BAD_BYTE + c;
    uint32_t code = c & (0x3fu >> more);
    for (int i = 0; i < more; i++) {
        if (p[i] >> 6 != 2)
            return BAD_BYTE + c;
        code = code << 6 | (p[i] & 0x3f);
    }
    if (code < least[more] || code > 0x10ffff)
        return BAD_BYTE + c;
    *at += more;
    return code;
}

static bool in_ranges(const struct expression *e, const struct state *state, uint32_t c)
{
    const struct range *r = e->ranges + state->from;
    for (uint32_t i = 0; i < state->count; i++)
        if (c - r[i].first <= r[i].last - r[i].first)
            return true;
    return false;
}

static bool takes(const struct expression *e, const struct state *state, uint32_t c)
{
    bool in = in_ranges(e, state, c);
    if (!in && e->any_case && ((c | 32) >= 'a' && (c | 32) <= 'z'))
        in = in_ranges(e, state, c ^ 32);
    return in == (state->kind == STATE_RANGES);
}

struct place {
    bool begin, end; /* of the text */
};

/* Each state once in a step, so that lists and stack have room for all. */
static inline void push(struct expression_scratch *s, uint16_t state, size_t *depth)
{
    if (s->marks[state] == s->step)
        return;
    s->marks[state] = s->step;
    s->stack[(*depth)++] = state;
}

/* Adds a state and all that can be reached from it without a character.  true: a match is. */
static bool reach(const struct expression *e, struct expression_scratch *s, uint16_t first,
                  struct place place, uint16_t *list, size_t *count)
{
    size_t depth = 0;
    push(s, first, &depth);
    while (depth) {
        uint16_t at = s->stack[--depth];
        const struct state *state = &e->states[at];
        switch (state->kind) {
        case STATE_MATCH:
            return true;
        case STATE_BOTH:
            push(s, state->other, &depth);
            push(s, state->next, &depth);
            break;
        case STATE_BEGIN:
        case STATE_END:
            if (state->kind == STATE_BEGIN ? place.begin : place.end)
                push(s, state->next, &depth);
            break;
        case STATE_EMPTY:
            push(s, state->next, &depth);
            break;
        default:
            list[(*count)++] = at;
            break;
        }
    }
    return false;
}

static void next_step(struct expression_scratch *s)
{
    if (++s->step == 0) {
        memset(s->marks, 0, sizeof s->marks);
        s->step = 1;
    }
}

bool expression_matches(const struct expression *e, struct expression_scratch *s,
                        struct mg_str text)
{
    const char *at = text.at, *end = text.at + text.len;
    uint16_t *now = s->now, *then = s->then;
    size_t count = 0;
    next_step(s);
    if (reach(e, s, e->start, (struct place){true, at == end}, now, &count))
        return true;
    while (at < end) {
        uint32_t c = expression_character(&at, end);
        struct place place = {false, at == end};
        size_t more = 0;
        next_step(s);
        for (size_t i = 0; i < count; i++) {
            const struct state *state = &e->states[now[i]];
            if (takes(e, state, c) && reach(e, s, state->next, place, then, &more))
                return true;
        }
        if (reach(e, s, e->start, place, then, &more))
            return true;
        uint16_t *swap = now;
        now = then;
        then = swap;
        count = more;
    }
    return false;
}
