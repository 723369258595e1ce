/* SPDX-License-Identifier: Apache-2.0 */
/* A field's value for one event: found, or made of the items of a list, and converted. */
#include "field.h"
#include "mapping.h"
#include "wrong.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* NULL: it has none. */
static int find(const struct field *f, struct run *run, const struct level *level,
                struct doc_value **ret, struct mg_err *err)
{
    struct doc_value *null = NULL;
    for (size_t i = 0; i < f->origin_count; i++) {
        const struct origin *o = &f->origins[i];
        struct mg_str text;
        if (!o->wording) {
            *ret = place_get(&o->place, level);
            if (*ret && (*ret)->kind != DOC_NULL)
                return 0;
            null = *ret ? *ret : null;
            continue;
        }
        int error = wording_expand(o->wording, run, level, &text, err);
        if (!error) {
            *ret = doc_text(run->doc, text);
            return *ret ? 0 : out_of_memory(err);
        }
        if (error != -ENOENT) {
            char what[160];
            snprintf(what, sizeof what, "%.159s", err->text);
            snprintf(err->text, sizeof err->text, "%.80s: %s", doc_path_text(f->target), what);
            return error;
        }
    }
    *ret = null;
    return 0;
}

static int not_a(const struct field *f, const struct doc_value *value, const char *what,
                 struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "%.80s: %.80s is %s, not %s", doc_path_text(f->target),
             place_text(&f->origins[0].place), kind_of(value), what);
    return -EINVAL;
}

static int too_many(const struct field *f, const struct doc_value *value, struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "%.80s: %.80s has %zu items, more than the limit of %ld",
             doc_path_text(f->target), place_text(&f->origins[0].place), value->count, f->limit);
    return -EINVAL;
}

/* ---- items ---------------------------------------------------------------------------------- */

static int make_item(const struct field *f, struct run *run, const struct level *level,
                     struct doc_value **ret, struct mg_err *err)
{
    char what[160];
    *ret = NULL;
    int error = f->items ? mapping_apply(f->items, run, level, ret, err)
                         : convert_value(&f->convert, doc_path_text(f->target), run, level->value,
                                         ret, err);
    if (error == -EINVAL && f->items) {
        snprintf(what, sizeof what, "%.159s", err->text);
        snprintf(err->text, sizeof err->text, "%.80s.%zu: %s", doc_path_text(f->target),
                 level->index, what);
    }
    return error;
}

static int each(const struct field *f, struct run *run, const struct level *outer,
                const struct doc_value *list, struct doc_value **ret, struct mg_err *err)
{
    if (list->kind != DOC_LIST)
        return not_a(f, list, "a list", err);
    if (list->count > (size_t)f->limit)
        return too_many(f, list, err);
    struct doc_value *out = doc_list(run->doc);
    for (size_t i = 0; out && i < list->count; i++) {
        struct level level = {
            .value = list->items[i], .outer = outer, .index = i, .count = list->count};
        struct doc_value *item;
        int error = make_item(f, run, &level, &item, err);
        if (error)
            return error;
        if (doc_append(run->doc, out, item))
            return out_of_memory(err);
    }
    *ret = out;
    return out ? 0 : out_of_memory(err);
}

/* {"a":1} as [{"name":"a","value":1}]; of a name that repeats, each. */
static int list_of(const struct field *f, struct run *run, const struct level *outer,
                   const struct doc_value *object, struct doc_value **ret, struct mg_err *err)
{
    if (object->kind != DOC_OBJECT)
        return not_a(f, object, "an object", err);
    if (object->count > (size_t)f->limit)
        return too_many(f, object, err);
    struct doc_value *out = doc_list(run->doc);
    for (size_t i = 0; out && i < object->count; i++) {
        const struct doc_member *m = &object->members[i];
        struct doc_value *item = doc_object(run->doc);
        if (!item || doc_set(run->doc, item, f->name_as, doc_text(run->doc, m->name)) ||
            doc_set(run->doc, item, f->value_as, m->value))
            return out_of_memory(err);
        struct level level = {.value = item, .outer = outer, .index = i, .count = object->count};
        int error = f->items ? make_item(f, run, &level, &item, err) : 0;
        if (error)
            return error;
        if (doc_append(run->doc, out, item))
            return out_of_memory(err);
    }
    *ret = out;
    return out ? 0 : out_of_memory(err);
}

/* The other way round; of two items of one name the later counts. */
static int object_of(const struct field *f, struct run *run, const struct doc_value *list,
                     struct doc_value **ret, struct mg_err *err)
{
    if (list->kind != DOC_LIST)
        return not_a(f, list, "a list", err);
    if (list->count > (size_t)f->limit)
        return too_many(f, list, err);
    struct doc_value *out = doc_object(run->doc);
    for (size_t i = 0; out && i < list->count; i++) {
        const struct doc_value *name = doc_get(list->items[i], f->name_as);
        struct doc_value *value = doc_get(list->items[i], f->value_as);
        if (!name || name->kind != DOC_TEXT) {
            snprintf(err->text, sizeof err->text, "%.80s: item %zu of %.60s has no %.40s, a text",
                     doc_path_text(f->target), i, place_text(&f->origins[0].place), f->name_as.at);
            return -EINVAL;
        }
        if (!value)
            continue;
        int error = convert_value(&f->convert, doc_path_text(f->target), run, value, &value, err);
        if (error)
            return error;
        if (doc_set(run->doc, out, name->text, value))
            return out_of_memory(err);
    }
    *ret = out;
    return out ? 0 : out_of_memory(err);
}

int field_evaluate(const struct field *f, struct run *run, const struct level *level,
                   struct doc_value **ret_value, struct mg_err *reterr)
{
    struct doc_value *in = f->value;
    *ret_value = in;
    if (f->source == FROM_VALUE)
        return 0;
    int error = find(f, run, level, &in, reterr);
    if (error)
        return error;
    /* A null is a value only where it may stay one. */
    if (!in ||
        (in->kind == DOC_NULL && (f->fallback || f->convert.any || f->source >= FROM_EACH))) {
        *ret_value = f->fallback;
        return 0;
    }
    switch (f->source) {
    case FROM_EACH:
        return each(f, run, level, in, ret_value, reterr);
    case FROM_LIST_OF:
        return list_of(f, run, level, in, ret_value, reterr);
    case FROM_OBJECT_OF:
        return object_of(f, run, in, ret_value, reterr);
    default:
        *ret_value = in;
        return f->convert.any ? convert_value(&f->convert, doc_path_text(f->target), run, in,
                                              ret_value, reterr)
                              : 0;
    }
}
