/* SPDX-License-Identifier: Apache-2.0 */
/* A mapping applied to one value: first all that is read is read, then the rules do their work. */
#include "mapping_internal.h"
#include "wrong.h"
#include <errno.h>
#include <stdio.h>

struct apply {
    const struct mapping *m;
    struct run *run;
    const struct level *level;
    struct doc_value **values; /* of fields, set and defaults; NULL: none */
    struct doc_value **moved;
    struct doc_value *out;
    struct mg_err *err;
};

/* ---- what is read --------------------------------------------------------------------------- */

static int missing(struct apply *a, const struct field *f, struct doc_value **ret)
{
    if (a->m->on_missing == MISSING_OMIT || f->has_default)
        return 0;
    if (a->m->on_missing == MISSING_NULL) {
        *ret = doc_null(a->run->doc);
        return *ret ? 0 : out_of_memory(a->err);
    }
    bool place = f->origin_count == 1 && !f->origins[0].wording;
    snprintf(a->err->text, sizeof a->err->text, "%.80s: the event has no %.120s",
             doc_path_text(f->target),
             place ? place_text(&f->origins[0].place) : "value for its text");
    return -EINVAL;
}

static int evaluate(struct apply *a)
{
    size_t always = a->m->field_count + a->m->set_count, count = always + a->m->default_count;
    for (size_t i = 0; i < count; i++) {
        const struct field *f = &a->m->fields[i];
        struct doc_value **value = &a->values[i];
        int error = field_evaluate(f, a->run, a->level, value, a->err);
        if (!error && !*value && i < always)
            error = missing(a, f, value);
        if (error)
            return error;
        /* The payload, and constants, stay as they are where a rule writes into what this one puts.
         */
        if (*value && a->m->copies &&
            ((*value)->kind == DOC_LIST || (*value)->kind == DOC_OBJECT) &&
            !(*value = doc_copy(a->run->doc, *value)))
            return out_of_memory(a->err);
    }
    return 0;
}

/* ---- what is changed ------------------------------------------------------------------------ */

static void take_away(struct apply *a)
{
    const struct mapping *m = a->m;
    for (size_t i = 0; i < m->move_count; i++)
        a->moved[i] = doc_path_get(m->moves[i].from, a->out);
    for (size_t i = 0; i < m->move_count + m->remove_count; i++)
        doc_path_remove(m->taken[i], a->out);
}

static int taken(struct apply *a, const char *rule, const struct doc_path *from,
                 const struct doc_path *to)
{
    snprintf(a->err->text, sizeof a->err->text,
             "%s: %.80s cannot become %.80s, which is there already", rule, doc_path_text(from),
             doc_path_text(to));
    return -EINVAL;
}

static int rename_all(struct apply *a)
{
    for (size_t i = 0; i < a->m->rename_count; i++) {
        const struct renaming *r = &a->m->renames[i];
        struct doc_value *parent = doc_path_get(r->parent, a->out);
        struct mg_str old = doc_path_part(r->path, doc_path_count(r->path) - 1);
        if (!doc_get(parent, old))
            continue;
        if (doc_get(parent, r->name))
            return taken(a, "rename", r->path, r->renamed);
        doc_rename(parent, old, r->name);
    }
    return 0;
}

static int put(struct apply *a, const struct doc_path *target, struct doc_value *value)
{
    int error = doc_path_set(target, a->run->doc, a->out, value);
    if (error == -EINVAL)
        snprintf(a->err->text, sizeof a->err->text,
                 "%.120s: something on the way there is neither object nor list",
                 doc_path_text(target));
    return error == -ENOMEM ? out_of_memory(a->err) : error;
}

static int put_moved(struct apply *a)
{
    int error = 0;
    for (size_t i = 0; i < a->m->move_count && !error; i++) {
        const struct movement *move = &a->m->moves[i];
        if (!a->moved[i])
            continue;
        if (doc_path_get(move->to, a->out))
            return taken(a, "move", move->from, move->to);
        error = put(a, move->to, a->moved[i]);
    }
    return error;
}

static int put_fields(struct apply *a)
{
    size_t always = a->m->field_count + a->m->set_count, count = always + a->m->default_count;
    int error = 0;
    for (size_t i = 0; i < count && !error; i++) {
        const struct doc_path *target = a->m->fields[i].target;
        const struct doc_value *now = i < always ? NULL : doc_path_get(target, a->out);
        if (a->values[i] && (!now || now->kind == DOC_NULL))
            error = put(a, target, a->values[i]);
    }
    return error;
}

/* ---- all ------------------------------------------------------------------------------------ */

static int begin(struct apply *a)
{
    const struct mapping *m = a->m;
    size_t count = m->field_count + m->set_count + m->default_count + m->move_count;
    a->values = run_take(a->run, (count + 1) * sizeof *a->values);
    if (!a->values)
        return out_of_memory(a->err);
    for (size_t i = 0; i < count; i++)
        a->values[i] = NULL;
    a->moved = a->values + (count - m->move_count);
    return 0;
}

/* What is changed in place: the payload, which is this event's own, or a copy of an item, which
 * other rules may read as it came. */
static int begin_out(struct apply *a)
{
    if (!a->m->merge) {
        a->out = doc_object(a->run->doc);
    } else if (a->level->value->kind != DOC_OBJECT) {
        snprintf(a->err->text, sizeof a->err->text,
                 a->level->outer
                     ? "the item is %s, no object, so nothing can be merged into it"
                     : "the payload is no JSON object, so nothing can be merged into it%.0s",
                 kind_of(a->level->value));
        return -EINVAL;
    } else {
        a->out = a->level->outer ? doc_copy(a->run->doc, a->level->value) : a->level->value;
    }
    return a->out ? 0 : out_of_memory(a->err);
}

int mapping_apply(const struct mapping *m, struct run *run, const struct level *level,
                  struct doc_value **ret_out, struct mg_err *reterr)
{
    struct apply a = {.m = m, .run = run, .level = level, .err = reterr};
    int error = begin(&a);
    if (!error)
        error = evaluate(&a);
    if (!error)
        error = begin_out(&a);
    if (error)
        return error;
    take_away(&a);
    error = rename_all(&a);
    if (!error)
        error = put_moved(&a);
    if (!error)
        error = put_fields(&a);
    if (!error)
        *ret_out = a.out;
    return error;
}
