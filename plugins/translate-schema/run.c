/* SPDX-License-Identifier: Apache-2.0 */
/* Evaluation: the checks of a schema one after the other, first only for yes or no, and once more
 * for the words where it is no. */
#include "run.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { FIRST_WORDS = 256, KEPT_WORDS = 1 << 14, WORDS_MAX = 1 << 22 };

int run_init(struct run *run)
{
    *run = (struct run){.room = FIRST_WORDS};
    run->words = malloc(FIRST_WORDS * sizeof *run->words);
    run->regex = regex_room_create();
    if (run->words && run->regex)
        return 0;
    run_fini(run);
    return -ENOMEM;
}

void run_fini(struct run *run)
{
    free(run->words);
    regex_room_destroy(run->regex);
    *run = (struct run){0};
}

bool give_up(struct run *run, const char *why)
{
    if (!run->gave_up)
        run->gave_up = why;
    return false;
}

bool spend(struct run *run, size_t steps)
{
    run->steps += steps;
    return run->steps <= RUN_STEPS_MAX || give_up(run, "it takes too many steps to validate");
}

bool take_words(struct run *run, size_t count, size_t *ret_at)
{
    if (run->room - run->used < count) {
        size_t room = run->room;
        while (room - run->used < count)
            room *= 2;
        uint64_t *words = room <= WORDS_MAX ? realloc(run->words, room * sizeof *words) : NULL;
        if (!words)
            return give_up(run, "it takes too much memory to validate");
        run->words = words;
        run->room = room;
    }
    *ret_at = run->used;
    memset(run->words + run->used, 0, count * sizeof *run->words);
    run->used += count;
    return true;
}

static size_t mark_words(const struct doc_value *value)
{
    return (value->count + 63) / 64;
}

static void add_marks(struct run *run, size_t to, size_t from, const struct doc_value *value)
{
    for (size_t i = 0; i < mark_words(value); i++)
        run->words[to + i] |= run->words[from + i];
}

static bool evaluate_checks(struct run *run, const struct at *at)
{
    const struct schema *s = at->schema;
    uint32_t kind = 1u << at->value->kind;
    bool holds = true;
    for (size_t i = 0; i < s->count; i++) {
        if (!(s->checks[i].kinds & kind) || s->checks[i].apply(run, &s->checks[i], at))
            continue;
        holds = false;
        if (run->gave_up || !run->report || run->report->count >= run->report->limit)
            break;
    }
    return holds;
}

bool evaluate(struct run *run, const struct schema *s, const struct doc_value *value,
              const struct spot *spot, const struct scope *scope, size_t marks)
{
    if (s->form != SCHEMA_CHECKS)
        return s->form == SCHEMA_ALWAYS || fail_never(run, s, spot);
    if (run->depth >= RUN_DEPTH_MAX)
        return give_up(run, "it is nested too deeply, or the schema refers to itself without end");
    if (!spend(run, 1))
        return false;
    struct scope inner = {scope, s->resource};
    size_t used = run->used;
    struct at at = {s, value, spot, scope->resource == s->resource ? scope : &inner, marks};
    if (s->marks && (value->kind == DOC_LIST || value->kind == DOC_OBJECT) &&
        !take_words(run, mark_words(value), &at.marks))
        return false;
    run->depth++;
    bool holds = evaluate_checks(run, &at);
    run->depth--;
    if (holds && at.marks != marks && marks != NO_MARKS)
        add_marks(run, marks, at.marks, value);
    run->used = used;
    return holds && !run->gave_up;
}

bool attempt(struct run *run, const struct schema *s, const struct at *at)
{
    size_t used = run->used, marks = NO_MARKS;
    if (at->marks != NO_MARKS && !take_words(run, mark_words(at->value), &marks))
        return false;
    bool holds = evaluate(run, s, at->value, at->spot, at->scope, marks);
    if (holds && marks != NO_MARKS)
        add_marks(run, at->marks, marks, at->value);
    run->used = used;
    return holds;
}

bool attempt_silently(struct run *run, const struct schema *s, const struct doc_value *value,
                      const struct spot *spot, const struct scope *scope)
{
    struct report *report = run->report;
    run->report = NULL;
    bool holds = evaluate(run, s, value, spot, scope, NO_MARKS);
    run->report = report;
    return holds;
}

bool apply_member(struct run *run, const struct schema *s, const struct at *at, size_t index)
{
    const struct doc_member *m = &at->value->members[index];
    struct spot spot = {at->spot, m->name, 0, at->spot->depth + 1};
    mark(run, at->marks, index);
    return evaluate(run, s, m->value, &spot, at->scope, NO_MARKS);
}

bool apply_item(struct run *run, const struct schema *s, const struct at *at, size_t index)
{
    struct spot spot = {at->spot, {NULL, 0}, index, at->spot->depth + 1};
    mark(run, at->marks, index);
    return evaluate(run, s, at->value->items[index], &spot, at->scope, NO_MARKS);
}

static bool pass(struct run *run, const struct schema *schema, const struct doc_value *value,
                 struct report *report)
{
    const struct spot whole = {0};
    const struct scope scope = {NULL, schema->resource};
    run->used = run->depth = run->steps = 0;
    run->gave_up = NULL;
    run->report = report;
    bool holds = evaluate(run, schema, value, &whole, &scope, NO_MARKS);
    run->report = NULL;
    return holds;
}

/* One large event is no reason to keep its room for ever. */
static void shrink(struct run *run)
{
    uint64_t *words =
        run->room > KEPT_WORDS ? realloc(run->words, FIRST_WORDS * sizeof *words) : NULL;
    if (!words)
        return;
    run->words = words;
    run->room = FIRST_WORDS;
}

static int validate(struct run *run, const struct schema *schema, const struct doc_value *value,
                    struct report *report)
{
    report->count = 0;
    if (pass(run, schema, value, NULL))
        return 0;
    if (run->gave_up)
        return -EOVERFLOW;
    pass(run, schema, value, report);
    /* The words may take more than the verdict did, which stands. */
    if (!report->count) {
        struct check none = {.keyword = ""};
        const struct spot whole = {0};
        struct at at = {schema, value, &whole, NULL, NO_MARKS};
        run->report = report;
        fail(run, &none, &at, "does not fit the schema");
        run->report = NULL;
    }
    return -EINVAL;
}

int run_validate(struct run *run, const struct schema *schema, const struct doc_value *value,
                 struct report *report)
{
    int error = validate(run, schema, value, report);
    shrink(run);
    return error;
}
