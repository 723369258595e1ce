/* SPDX-License-Identifier: Apache-2.0 */
/* Checks branches.  Conditions of one branch may be met by different elements of one list only
 * where the list has scalars; elements that are objects or lists must be the same (event-ruler's
 * array consistency). */
#include "match.h"
#include <errno.h>
#include <stdlib.h>

/* The first value of this event at a path; 0: none. */
static uint32_t first_value(const struct scratch *s, uint32_t path)
{
    const struct path_state *p = &s->paths[path];
    return p->generation == s->generation ? p->first : 0;
}

/* What depends on a payload that is no JSON is neither there nor absent. */
static bool readable(const struct scratch *s, uint32_t path)
{
    return !(s->unreadable & s->set->paths[path].of_payload);
}

static bool judge(struct scratch *s, const struct set_condition *c)
{
    if (!readable(s, c->path))
        return false;
    uint32_t id = first_value(s, c->path);
    if (!id)
        return c->choice->absent;
    for (; id; id = s->values[id].next)
        if (choice_holds(c->choice, &s->values[id]))
            return true;
    return false;
}

/* Does some value at its path, or that there is none, meet it? */
static bool condition_holds(struct scratch *s, uint32_t condition)
{
    uint32_t verdict = s->verdicts[condition];
    if (verdict >> 1 != s->generation) {
        verdict = s->generation << 1 | judge(s, &s->set->conditions[condition]);
        s->verdicts[condition] = verdict;
    }
    return verdict & 1;
}

/* ---- values that are in lists of objects ---------------------------------------------------- */

/* Not in different elements of the same list? */
static bool consistent(const struct scratch *s, uint32_t a, uint32_t b)
{
    const struct chain *chains = s->chains;
    while (chains[a].depth > chains[b].depth)
        a = chains[a].up;
    while (chains[b].depth > chains[a].depth)
        b = chains[b].up;
    while (a != b) {
        if (chains[a].list == chains[b].list)
            return false;
        a = chains[a].up;
        b = chains[b].up;
    }
    return true;
}

struct seat { /* one condition of a branch: the chains of the values that meet it */
    uint32_t path;
    bool absent;
    uint32_t first, count; /* in s->found */
    uint32_t chosen;       /* the chain */
};

static bool note_chain(struct scratch *s, size_t at, uint32_t chain)
{
    if (!array_room(&s->found, &s->found_capacity, at, sizeof *s->found)) {
        s->no_memory = true;
        return false;
    }
    s->found[at] = chain;
    return true;
}

/* Fills the seat; returns the number of chains found so far. */
static size_t take_seat(struct scratch *s, uint32_t condition, size_t found, struct seat *seat)
{
    const struct set_condition *c = &s->set->conditions[condition];
    *seat = (struct seat){.path = c->path, .absent = c->choice->absent, .first = (uint32_t)found};
    for (uint32_t id = first_value(s, c->path); id; id = s->values[id].next) {
        struct value *v = &s->values[id];
        bool again = seat->count && s->found[found - 1] == v->chain;
        if (again || !choice_holds(c->choice, v))
            continue;
        if (!note_chain(s, found, v->chain))
            break;
        found++;
        seat->count++;
    }
    return found;
}

static bool fits(struct scratch *s, const struct seat *seats, size_t count, uint32_t chain)
{
    for (size_t i = 0; i < count; i++) {
        if (++s->steps > MATCH_STEPS_MAX)
            s->gave_up = true;
        if (s->gave_up || !consistent(s, seats[i].chosen, chain))
            return false;
    }
    return true;
}

/* Is there no value of that path that goes with what was chosen for the paths before it? */
static bool absent_beside(struct scratch *s, const struct seat *seats, size_t place)
{
    for (uint32_t id = first_value(s, seats[place].path); id; id = s->values[id].next)
        if (fits(s, seats, place, s->values[id].chain))
            return false;
    return !s->gave_up;
}

/* Depth: the conditions of a branch, at most PATTERN_CONDITIONS_MAX. */
static bool seat_from(struct scratch *s, struct seat *seats, size_t count, size_t place)
{
    if (place == count)
        return true;
    struct seat *seat = &seats[place];
    for (uint32_t i = 0; i < seat->count; i++) {
        seat->chosen = s->found[seat->first + i];
        if (fits(s, seats, place, seat->chosen) && seat_from(s, seats, count, place + 1))
            return true;
    }
    if (!seat->absent || s->gave_up || !absent_beside(s, seats, place))
        return false;
    seat->chosen = 0;
    return seat_from(s, seats, count, place + 1);
}

static int by_count(const void *left, const void *right)
{
    const struct seat *a = left, *b = right;
    return a->count < b->count ? -1 : a->count > b->count;
}

static bool seats_hold(struct scratch *s, const uint32_t *branch)
{
    struct seat seats[PATTERN_CONDITIONS_MAX];
    size_t found = 0;
    bool any_absent = false;
    uint32_t count = branch[BRANCH_COUNT];
    for (uint32_t i = 0; i < count; i++) {
        found = take_seat(s, branch[BRANCH_CONDITIONS + i], found, &seats[i]);
        any_absent |= seats[i].absent;
        if (!seats[i].count && !seats[i].absent)
            return false;
    }
    /* What is absent depends on the paths before it alone, and so on their order. */
    if (!any_absent)
        qsort(seats, count, sizeof seats[0], by_count);
    return seat_from(s, seats, count, 0);
}

/* ---- branches ------------------------------------------------------------------------------- */

static bool is_chained(const struct scratch *s, uint32_t path)
{
    return s->paths[path].generation == s->generation && s->paths[path].chained;
}

static bool branch_holds(struct scratch *s, const uint32_t *branch)
{
    const uint32_t *id = branch + BRANCH_CONDITIONS, *end = id + branch[BRANCH_COUNT];
    for (; id < end; id++)
        if (*id != branch[BRANCH_ENTRY] && !condition_holds(s, *id))
            return false;
    return true;
}

/* The same with lists of objects in the event. */
static bool branch_holds_in_lists(struct scratch *s, const uint32_t *branch)
{
    uint32_t chained = 0, count = branch[BRANCH_COUNT];
    for (uint32_t i = 0; i < count; i++) {
        uint32_t id = branch[BRANCH_CONDITIONS + i];
        const struct set_condition *c = &s->set->conditions[id];
        chained += is_chained(s, c->path);
        /* A value that is there may be absent beside those chosen for other paths. */
        if (!condition_holds(s, id) && !(c->choice->absent && readable(s, c->path)))
            return false;
    }
    return !chained
               ? branch_holds(s, branch)
               : (chained == 1 && count == 1 && branch_holds(s, branch)) || seats_hold(s, branch);
}

ptrdiff_t scratch_finish(struct scratch *s, uint32_t *ret_patterns)
{
    const struct set *set = s->set;
    ptrdiff_t count = 0;
    candidates_add(&s->candidates, set->always);
    for (size_t i = 0; i < s->candidates.count; i++) {
        const uint32_t *branch = set->branches + s->candidates.ids[i];
        uint32_t *hit = &s->hits[branch[BRANCH_PATTERN]];
        if (s->chained ? !branch_holds_in_lists(s, branch) : !branch_holds(s, branch))
            continue;
        if (*hit == s->generation)
            continue;
        *hit = s->generation;
        ret_patterns[count++] = branch[BRANCH_PATTERN];
    }
    return s->no_memory ? -ENOMEM : count;
}
