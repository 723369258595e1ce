/* SPDX-License-Identifier: Apache-2.0 */
/* Keywords about objects.  Members of one name are each looked at: whichever of them a reader
 * takes, it has been validated. */
#include "compile.h"
#include "keywords_compile.h"
#include "memory.h"
#include "run.h"
#include <errno.h>
#include <inttypes.h>

/* ---- how many, and which -------------------------------------------------------------------- */

static bool apply_min_properties(struct run *run, const struct check *check, const struct at *at)
{
    return at->value->count >= check->as.count ||
           fail(run, check, at, "must have at least %" PRIu64 " member%s, has %zu", check->as.count,
                check->as.count == 1 ? "" : "s", at->value->count);
}

static bool apply_max_properties(struct run *run, const struct check *check, const struct at *at)
{
    return at->value->count <= check->as.count ||
           fail(run, check, at, "must have at most %" PRIu64 " member%s, has %zu", check->as.count,
                check->as.count == 1 ? "" : "s", at->value->count);
}

int compile_min_properties(struct compiler *c, const struct keyword_place *p)
{
    return compile_count(c, p, apply_min_properties, ON_OBJECT);
}

int compile_max_properties(struct compiler *c, const struct keyword_place *p)
{
    return compile_count(c, p, apply_max_properties, ON_OBJECT);
}

int want_names(struct compiler *c, const struct keyword_place *p, const struct doc_value *names)
{
    bool texts = names->kind == DOC_LIST;
    for (size_t i = 0; texts && i < names->count; i++)
        texts = names->items[i]->kind == DOC_TEXT;
    return texts ? 0 : wrong(c, p, "must be a list of names");
}

static bool apply_required(struct run *run, const struct check *check, const struct at *at)
{
    const struct doc_value *names = check->as.values;
    char name[SHOWN_BYTES];
    bool holds = spend(run, names->count / 8);
    for (size_t i = 0; i < names->count && holds; i++) {
        if (doc_get(at->value, names->items[i]->text))
            continue;
        holds = false;
        if (run->report)
            fail(run, check, at, "must have the member %s",
                 shown_text(names->items[i]->text, name));
        if (!may_stop(run))
            continue;
        break;
    }
    return holds;
}

int compile_required(struct compiler *c, const struct keyword_place *p)
{
    int error = want_names(c, p, p->value);
    struct check *check = error ? NULL : add_check(c, p, apply_required, ON_OBJECT);
    if (check)
        check->as.values = p->value;
    return check ? 0 : error ? error : -ENOMEM;
}

/* ---- their members -------------------------------------------------------------------------- */

/* PCRE2 does not tell how many steps a search took.  So it gets few at first, and where those do
 * not suffice more and more of them, which are paid for. */
bool search(struct run *run, const struct regex *regex, struct mg_str text)
{
    uint32_t steps = REGEX_STEPS_MAX / 256;
    if (!spend(run, 1 + text.len / 32))
        return false;
    enum regex_found found = regex_search(regex, run->regex, text, steps);
    while (found == REGEX_TOO_MUCH && steps < REGEX_STEPS_MAX) {
        steps *= 4;
        if (steps > REGEX_STEPS_MAX)
            steps = REGEX_STEPS_MAX;
        if (!spend(run, steps / 16))
            return false;
        found = regex_search(regex, run->regex, text, steps);
    }
    if (found == REGEX_TOO_MUCH)
        return give_up(run, "a pattern takes too long on one of its texts");
    return found == REGEX_YES;
}

static bool member_holds(struct run *run, const struct check *check, const struct at *at, size_t i)
{
    struct mg_str name = at->value->members[i].name;
    const struct schema *named = table_get(&check->as.members.named, name);
    bool holds = !named || apply_member(run, named, at, i), matched = named != NULL;
    for (size_t k = 0; k < check->as.members.pattern_count && (holds || !may_stop(run)); k++) {
        const struct pattern_member *pattern = &check->as.members.patterns[k];
        if (!search(run, pattern->regex, name)) {
            if (run->gave_up)
                return false;
            continue;
        }
        matched = true;
        holds &= apply_member(run, pattern->schema, at, i);
    }
    if (!matched && check->as.members.others)
        holds &= apply_member(run, check->as.members.others, at, i);
    return holds;
}

static bool apply_members(struct run *run, const struct check *check, const struct at *at)
{
    bool holds = true;
    for (size_t i = 0; i < at->value->count; i++) {
        if (member_holds(run, check, at, i))
            continue;
        holds = false;
        if (may_stop(run))
            break;
    }
    return holds;
}

static int compile_named(struct compiler *c, const struct keyword_place *p, struct check *check)
{
    int error = p->value->kind == DOC_OBJECT ? 0 : wrong(c, p, "must be a map of schemas");
    for (size_t i = 0; !error && i < p->value->count; i++) {
        struct schema *s;
        error = compile_member(c, p, i, &s);
        if (!error &&
            table_put(&check->as.members.named, &c->library->memory, p->value->members[i].name, s))
            error = no_memory(c);
    }
    return error;
}

static int compile_patterns(struct compiler *c, const struct keyword_place *p, struct check *check)
{
    if (p->value->kind != DOC_OBJECT)
        return wrong(c, p, "must be a map of schemas");
    struct pattern_member *all = take(&c->library->memory, (p->value->count + 1) * sizeof *all);
    int error = all ? 0 : no_memory(c);
    for (size_t i = 0; !error && i < p->value->count; i++) {
        error = compile_regex(c, p, p->value->members[i].name, &all[i].regex);
        if (!error)
            error = compile_member(c, p, i, &all[i].schema);
    }
    check->as.members.patterns = all;
    check->as.members.pattern_count = p->value->count;
    return error;
}

/* properties, patternProperties and additionalProperties, at the turn of the first of them. */
int compile_members(struct compiler *c, const struct keyword_place *p)
{
    struct keyword_place named, patterns, others;
    bool has_named = beside(p, "properties", &named);
    bool has_patterns = beside(p, "patternProperties", &patterns);
    bool has_others = beside(p, "additionalProperties", &others);
    const struct doc_value *first = has_named      ? named.value
                                    : has_patterns ? patterns.value
                                                   : others.value;
    if (p->value != first)
        return 0;
    struct check *check = add_check(c, p, apply_members, ON_OBJECT);
    int error = check ? 0 : -ENOMEM;
    if (!error && has_named)
        error = compile_named(c, &named, check);
    if (!error && has_patterns)
        error = compile_patterns(c, &patterns, check);
    if (!error && has_others)
        error = compile_value(c, &others, &check->as.members.others);
    return error;
}

static bool apply_property_names(struct run *run, const struct check *check, const struct at *at)
{
    bool holds = true;
    for (size_t i = 0; i < at->value->count; i++) {
        struct mg_str name = at->value->members[i].name;
        const struct doc_value value = {.kind = DOC_TEXT, .text = name};
        char is[SHOWN_BYTES];
        if (attempt_silently(run, check->as.schema, &value, at->spot, at->scope))
            continue;
        holds = false;
        if (run->report)
            fail(run, check, at, "must not have a member with the name %s", shown_text(name, is));
        if (may_stop(run))
            break;
    }
    return holds;
}

int compile_property_names(struct compiler *c, const struct keyword_place *p)
{
    struct check *check = add_check(c, p, apply_property_names, ON_OBJECT);
    return check ? compile_value(c, p, &check->as.schema) : -ENOMEM;
}

static bool apply_unevaluated_properties(struct run *run, const struct check *check,
                                         const struct at *at)
{
    bool holds = true;
    for (size_t i = 0; i < at->value->count; i++) {
        if (is_marked(run, at->marks, i) || apply_member(run, check->as.schema, at, i))
            continue;
        holds = false;
        if (may_stop(run))
            break;
    }
    return holds;
}

int compile_unevaluated_properties(struct compiler *c, const struct keyword_place *p)
{
    struct check *check = add_check(c, p, apply_unevaluated_properties, ON_OBJECT);
    if (!check)
        return -ENOMEM;
    p->schema->marks = true;
    return compile_value(c, p, &check->as.schema);
}

/* ---- members that depend on others ---------------------------------------------------------- */

static bool names_are_there(struct run *run, const struct check *check, const struct at *at,
                            const struct dependent *d)
{
    char there[SHOWN_BYTES], wanted[SHOWN_BYTES];
    for (size_t i = 0; i < d->names->count; i++) {
        if (doc_get(at->value, d->names->items[i]->text))
            continue;
        if (!run->report)
            return false;
        return fail(run, check, at, "must have the member %s, because it has %s",
                    shown_text(d->names->items[i]->text, wanted), shown_text(d->name, there));
    }
    return true;
}

static bool apply_dependents(struct run *run, const struct check *check, const struct at *at)
{
    bool holds = spend(run, check->as.dependents.count / 8);
    for (size_t i = 0; i < check->as.dependents.count; i++) {
        const struct dependent *d = &check->as.dependents.at[i];
        if (!doc_get(at->value, d->name) ||
            (d->schema ? apply_here(run, d->schema, at) : names_are_there(run, check, at, d)))
            continue;
        holds = false;
        if (may_stop(run))
            break;
    }
    return holds;
}

/* dependentRequired has lists of names, dependentSchemas schemas, dependencies either. */
int compile_dependents(struct compiler *c, const struct keyword_place *p)
{
    if (p->value->kind != DOC_OBJECT)
        return wrong(c, p, "must be a map by names of members");
    struct check *check = add_check(c, p, apply_dependents, ON_OBJECT);
    struct dependent *all = take(&c->library->memory, (p->value->count + 1) * sizeof *all);
    int error = check && all ? 0 : no_memory(c);
    bool names = !strcmp(p->name, "dependentRequired"),
         schemas = !strcmp(p->name, "dependentSchemas");
    for (size_t i = 0; !error && i < p->value->count; i++) {
        struct doc_value *value = p->value->members[i].value;
        all[i].name = p->value->members[i].name;
        if (names || (!schemas && value->kind == DOC_LIST)) {
            all[i].names = value;
            error = want_names(c, p, value);
        } else {
            error = compile_member(c, p, i, &all[i].schema);
        }
    }
    if (!error) {
        check->as.dependents.at = all;
        check->as.dependents.count = p->value->count;
    }
    return error;
}
