/* SPDX-License-Identifier: Apache-2.0 */
/* Both directions go as deep as a document may be nested, and no deeper. */
#include "jq_value.h"
#include "event_doc.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>

static jv text_of(struct mg_str text)
{
    return jv_string_sized(text.at, (int)text.len);
}

static int short_of(struct mg_str text)
{
    return text.len < 80 ? (int)text.len : 80;
}

static int number_of(const struct doc_value *value, bool approximate, jv *ret_value,
                     struct mg_err *reterr)
{
    double number;
    bool exact = event_doc_exact(value->text, &number);
    if (!exact && !(approximate && doc_as_double(value, &number))) {
        snprintf(reterr->text, sizeof reterr->text,
                 "jq would change the number %.*s (numbers: approximate permits it)",
                 short_of(value->text), value->text.at);
        return -EINVAL;
    }
    *ret_value = jv_number(number);
    return 0;
}

static int list_of(const struct doc_value *value, bool approximate, jv *ret_value,
                   struct mg_err *reterr)
{
    jv list = jv_array_sized(value->count < 1024 ? (int)value->count : 1024);
    for (size_t i = 0; i < value->count; i++) {
        jv item;
        int error = jq_value_of(value->items[i], approximate, &item, reterr);
        if (error) {
            jv_free(list);
            return error;
        }
        list = jv_array_append(list, item);
    }
    *ret_value = list;
    return 0;
}

static int object_of(const struct doc_value *value, bool approximate, jv *ret_value,
                     struct mg_err *reterr)
{
    jv object = jv_object();
    int error = 0;
    for (size_t i = 0; i < value->count && !error; i++) {
        const struct doc_member *m = &value->members[i];
        jv name = text_of(m->name), item;
        if (jv_object_has(jv_copy(object), jv_copy(name))) {
            snprintf(reterr->text, sizeof reterr->text, "jq would lose one of two members \"%.*s\"",
                     short_of(m->name), m->name.at);
            error = -EINVAL;
        }
        if (!error)
            error = jq_value_of(m->value, approximate, &item, reterr);
        if (!error)
            object = jv_object_set(object, name, item);
        else
            jv_free(name);
    }
    if (error)
        jv_free(object);
    else
        *ret_value = object;
    return error;
}

int jq_value_of(const struct doc_value *value, bool approximate, jv *ret_value,
                struct mg_err *reterr)
{
    switch (value->kind) {
    case DOC_NUMBER:
        return number_of(value, approximate, ret_value, reterr);
    case DOC_LIST:
        return list_of(value, approximate, ret_value, reterr);
    case DOC_OBJECT:
        return object_of(value, approximate, ret_value, reterr);
    case DOC_TEXT:
        *ret_value = text_of(value->text);
        return 0;
    case DOC_BOOL:
        *ret_value = jv_bool(value->truth);
        return 0;
    case DOC_NULL:
        break;
    }
    *ret_value = jv_null();
    return 0;
}

/* ---- back ----------------------------------------------------------------------------------- */

static int doc_of(struct doc *doc, struct jq_watch *watch, jv value, int depth,
                  struct doc_value **ret_value, struct mg_err *reterr);

static int doc_of_list(struct doc *doc, struct jq_watch *watch, jv value, int depth,
                       struct doc_value **ret_value, struct mg_err *reterr)
{
    int error = 0, count = jv_array_length(jv_copy(value));
    *ret_value = doc_list(doc);
    for (int i = 0; i < count && !error && *ret_value; i++) {
        struct doc_value *item = NULL;
        error = doc_of(doc, watch, jv_array_get(jv_copy(value), i), depth, &item, reterr);
        if (!error)
            error = doc_append(doc, *ret_value, item);
    }
    return error;
}

static int doc_of_object(struct doc *doc, struct jq_watch *watch, jv value, int depth,
                         struct doc_value **ret_value, struct mg_err *reterr)
{
    int error = 0;
    *ret_value = doc_object(doc);
    for (int at = jv_object_iter(value); jv_object_iter_valid(value, at) && !error && *ret_value;
         at = jv_object_iter_next(value, at)) {
        jv name = jv_object_iter_key(value, at);
        struct doc_value *item = NULL;
        error = doc_of(doc, watch, jv_object_iter_value(value, at), depth, &item, reterr);
        struct mg_str text = {jv_string_value(name), (size_t)jv_string_length_bytes(jv_copy(name))};
        if (!error)
            error = doc_set(doc, *ret_value, text, item);
        jv_free(name);
    }
    return error;
}

static int doc_of_scalar(struct doc *doc, jv value, struct doc_value **ret_value,
                         struct mg_err *reterr)
{
    switch (jv_get_kind(value)) {
    case JV_KIND_TRUE:
    case JV_KIND_FALSE:
        *ret_value = doc_bool(doc, jv_get_kind(value) == JV_KIND_TRUE);
        return 0;
    case JV_KIND_NUMBER:
        if (!isfinite(jv_number_value(value))) {
            snprintf(reterr->text, sizeof reterr->text,
                     "the program made a number that is not finite, which JSON has no form for");
            return -EINVAL;
        }
        *ret_value = event_doc_number(doc, jv_number_value(value));
        return 0;
    case JV_KIND_STRING:
        *ret_value = doc_text(doc, (struct mg_str){jv_string_value(value),
                                                   (size_t)jv_string_length_bytes(jv_copy(value))});
        return 0;
    default:
        *ret_value = doc_null(doc);
        return 0;
    }
}

static int doc_of(struct doc *doc, struct jq_watch *watch, jv value, int depth,
                  struct doc_value **ret_value, struct mg_err *reterr)
{
    int error;
    *ret_value = NULL;
    /* What [., .] makes again and again is small, and without end once it is written out. */
    if (watch && jq_watch_is_halted(watch)) {
        error = -ETIME;
    } else if (depth > DOC_DEPTH_MAX) {
        snprintf(reterr->text, sizeof reterr->text,
                 "the program made something nested deeper than %d", DOC_DEPTH_MAX);
        error = -EINVAL;
    } else if (jv_get_kind(value) == JV_KIND_ARRAY) {
        error = doc_of_list(doc, watch, value, depth + 1, ret_value, reterr);
    } else if (jv_get_kind(value) == JV_KIND_OBJECT) {
        error = doc_of_object(doc, watch, value, depth + 1, ret_value, reterr);
    } else {
        error = doc_of_scalar(doc, value, ret_value, reterr);
    }
    jv_free(value);
    if (!error && !*ret_value)
        error = -ENOMEM;
    if (error == -ENOMEM)
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return error;
}

int jq_value_doc(struct doc *doc, struct jq_watch *watch, jv value, struct doc_value **ret_value,
                 struct mg_err *reterr)
{
    return doc_of(doc, watch, value, 0, ret_value, reterr);
}
