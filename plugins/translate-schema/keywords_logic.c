/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords that apply other schemas to the same value. */
#include "compile.h"
#include "keywords_compile.h"
#include "loops.h"
#include "memory.h"
#include "run.h"
#include <errno.h>
#include <stdio.h>

/* ---- references ----------------------------------------------------------------------------- */

static bool apply_ref(struct run *run, const struct check *check, const struct at *at)
{
    return apply_here(run, check->as.schema, at);
}

static int find_target(struct compiler *c, const struct keyword_place *p, struct target *ret)
{
    struct mg_err why;
    if (p->value->kind != DOC_TEXT)
        return wrong(c, p, "must be the URI of a schema");
    int error = library_find(c->library, p->schema->resource, p->value->text, ret, &why);
    if (error == -ENOENT)
        return wrong(c, p, "leads nowhere: %.140s", why.text);
    return error ? no_memory(c) : 0;
}

int compile_ref(struct compiler *c, const struct keyword_place *p)
{
    struct target target;
    int error = find_target(c, p, &target);
    struct check *check = error ? NULL : add_check(c, p, apply_ref, ON_ALL);
    if (!check)
        return error ? error : -ENOMEM;
    return compile_target(c, &target, &check->as.schema);
}

/* The outermost resource on the way here that has the dynamic anchor. */
static bool apply_dynamic_ref(struct run *run, const struct check *check, const struct at *at)
{
    const struct schema *target = check->as.dynamic.schema;
    for (const struct scope *s = at->scope; s; s = s->outer)
        for (const struct anchor *a = s->resource->anchors; a; a = a->next)
            if (a->dynamic && a->schema && a->name.len == check->as.dynamic.anchor.len &&
                !memcmp(a->name.at, check->as.dynamic.anchor.at, a->name.len))
                target = a->schema;
    return apply_here(run, target, at);
}

/* Only where it leads to a $dynamicAnchor at first it is more than a $ref. */
int compile_dynamic_ref(struct compiler *c, const struct keyword_place *p)
{
    struct target target;
    struct mg_str name = {NULL, 0};
    int error = find_target(c, p, &target);
    if (error)
        return error;
    const char *hash = memrchr(p->value->text.at, '#', p->value->text.len);
    if (hash)
        name =
            (struct mg_str){hash + 1, p->value->text.len - (size_t)(hash - p->value->text.at) - 1};
    const struct anchor *anchor = name.len ? resource_anchor(target.resource, name) : NULL;
    bool dynamic = anchor && anchor->dynamic && anchor->value == target.value;
    struct check *check = add_check(c, p, dynamic ? apply_dynamic_ref : apply_ref, ON_ALL);
    if (!check)
        return -ENOMEM;
    if (!dynamic)
        return compile_target(c, &target, &check->as.schema);
    struct wanted_anchor *wanted = take(&c->library->memory, sizeof *wanted);
    if (!wanted)
        return no_memory(c);
    *wanted = (struct wanted_anchor){name, c->wanted};
    c->wanted = wanted;
    check->as.dynamic.anchor = name;
    return compile_target(c, &target, &check->as.dynamic.schema);
}

/* ---- all, any, one, not --------------------------------------------------------------------- */

static bool apply_all_of(struct run *run, const struct check *check, const struct at *at)
{
    bool holds = true;
    for (size_t i = 0; i < check->as.schemas.count; i++) {
        if (apply_here(run, check->as.schemas.at[i], at))
            continue;
        holds = false;
        if (may_stop(run))
            break;
    }
    return holds;
}

/* Tries the alternatives until so many hold.  nearest: what the one that went deepest into the
 * value says against it.  Apart from the common path, since its frame is large. */
static __attribute__((noinline)) size_t explain(struct run *run, const struct check *check,
                                                const struct at *at, size_t enough, size_t found[2])
{
    struct report *outer = run->report;
    struct report_entry entry, nearest;
    size_t count = 0;
    nearest.text[0] = '\0';
    for (size_t i = 0; i < check->as.schemas.count && count < enough && !run->gave_up; i++) {
        struct report inner = {outer->root, 0, 1, &entry, NULL};
        run->report = &inner;
        if (attempt(run, check->as.schemas.at[i], at))
            found[count++ ? 1 : 0] = i;
        else if (inner.count && (!nearest.text[0] || entry.depth > nearest.depth))
            nearest = entry;
    }
    run->report = outer;
    if (!count && !run->gave_up)
        fail(run, check, at, "fits none of the %zu schemas of %s; the nearest says: %.100s",
             check->as.schemas.count, check->keyword, nearest.text);
    return count;
}

static size_t count_fitting(struct run *run, const struct check *check, const struct at *at,
                            size_t enough, size_t found[2])
{
    if (run->report)
        return explain(run, check, at, enough, found);
    size_t count = 0;
    for (size_t i = 0; i < check->as.schemas.count && count < enough && !run->gave_up; i++)
        count += attempt(run, check->as.schemas.at[i], at);
    return count;
}

/* All alternatives count where somebody asks what they looked at. */
static bool apply_any_of(struct run *run, const struct check *check, const struct at *at)
{
    size_t found[2], enough = at->marks == NO_MARKS ? 1 : SIZE_MAX;
    return count_fitting(run, check, at, enough, found) > 0 && !run->gave_up;
}

static bool apply_one_of(struct run *run, const struct check *check, const struct at *at)
{
    size_t found[2] = {0, 0}, count = count_fitting(run, check, at, 2, found);
    if (count < 2 || run->gave_up)
        return count == 1 && !run->gave_up;
    return fail(run, check, at, "must fit one of the %zu schemas of oneOf, fits [%zu] and [%zu]",
                check->as.schemas.count, found[0], found[1]);
}

static int compile_schemas(struct compiler *c, const struct keyword_place *p, check_apply *apply)
{
    struct check *check = add_check(c, p, apply, ON_ALL);
    return check ? compile_list(c, p, &check->as.schemas) : -ENOMEM;
}

int compile_all_of(struct compiler *c, const struct keyword_place *p)
{
    return compile_schemas(c, p, apply_all_of);
}

int compile_any_of(struct compiler *c, const struct keyword_place *p)
{
    return compile_schemas(c, p, apply_any_of);
}

int compile_one_of(struct compiler *c, const struct keyword_place *p)
{
    return compile_schemas(c, p, apply_one_of);
}

static bool apply_not(struct run *run, const struct check *check, const struct at *at)
{
    if (!attempt_silently(run, check->as.schema, at->value, at->spot, at->scope))
        return !run->gave_up;
    return fail(run, check, at, "must not fit the schema of not");
}

int compile_not(struct compiler *c, const struct keyword_place *p)
{
    struct check *check = add_check(c, p, apply_not, ON_ALL);
    return check ? compile_value(c, p, &check->as.schema) : -ENOMEM;
}

/* ---- if ------------------------------------------------------------------------------------- */

static bool apply_if(struct run *run, const struct check *check, const struct at *at)
{
    struct report *report = run->report;
    run->report = NULL;
    bool holds = attempt(run, check->as.condition.when, at);
    run->report = report;
    if (run->gave_up)
        return false;
    const struct schema *s = holds ? check->as.condition.then : check->as.condition.otherwise;
    return !s || apply_here(run, s, at);
}

int compile_if(struct compiler *c, const struct keyword_place *p)
{
    struct keyword_place then, otherwise;
    struct check *check = add_check(c, p, apply_if, ON_ALL);
    if (!check)
        return -ENOMEM;
    int error = compile_value(c, p, &check->as.condition.when);
    if (!error && beside(p, "then", &then))
        error = compile_value(c, &then, &check->as.condition.then);
    if (!error && beside(p, "else", &otherwise))
        error = compile_value(c, &otherwise, &check->as.condition.otherwise);
    return error;
}

/* ---- loops ---------------------------------------------------------------------------------- */

/* Of anyOf and oneOf only the first is sure to be applied. */
static const struct schema *sure(const struct check *check, size_t index)
{
    if (check->apply == apply_ref || check->apply == apply_not)
        return index ? NULL : check->as.schema;
    if (check->apply == apply_if)
        return index ? NULL : check->as.condition.when;
    if (check->apply == apply_all_of)
        return index < check->as.schemas.count ? check->as.schemas.at[index] : NULL;
    if (check->apply == apply_any_of || check->apply == apply_one_of)
        return index || !check->as.schemas.count ? NULL : check->as.schemas.at[0];
    return NULL;
}

const struct schema *always_applied(const struct schema *s, size_t *step)
{
    size_t count = 0;
    for (size_t i = 0; i < s->count; i++) {
        const struct schema *next;
        for (size_t k = 0; (next = sure(&s->checks[i], k)); k++)
            if (count++ == *step) {
                ++*step;
                return next;
            }
    }
    return NULL;
}
