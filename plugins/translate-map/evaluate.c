/* SPDX-License-Identifier: Apache-2.0 */
/* A field's value for one event: found, converted, scaled. */
#include "fields.h"
#include "json_text.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *kind_of(const json_t *json)
{
    switch (json_typeof(json)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "a list";
    case JSON_STRING:
        return "a text";
    case JSON_NULL:
        return "null";
    case JSON_TRUE:
    case JSON_FALSE:
        return "a boolean";
    default:
        return "a number";
    }
}

static int cannot(const struct field *f, const json_t *in, const char *what, struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "%.80s: %s%s%.40s%s %s", json_path_text(f->target),
             kind_of(in), json_is_string(in) ? " \"" : "",
             json_is_string(in) ? json_string_value(in) : "", json_is_string(in) ? "\"" : "", what);
    return -EINVAL;
}

/* A number as such or as a text; integers stay exact. */
static int to_number(const json_t *in, json_int_t *ret_integer, double *ret_real, bool *ret_exact)
{
    const char *s = json_string_value(in);
    char *end;
    if (json_is_integer(in)) {
        *ret_integer = json_integer_value(in);
        *ret_real = (double)*ret_integer;
        *ret_exact = true;
        return 0;
    }
    *ret_exact = false;
    if (json_is_real(in)) {
        *ret_real = json_real_value(in);
        return 0;
    }
    if (!s || !*s || strspn(s, "0123456789+-.eE") != json_string_length(in))
        return -EINVAL;
    errno = 0;
    *ret_integer = strtoll(s, &end, 10);
    *ret_exact = !*end && !errno;
    *ret_real = *ret_exact ? (double)*ret_integer : strtod(s, &end);
    return *end || !isfinite(*ret_real) ? -EINVAL : 0;
}

static int convert_number(const struct field *f, const json_t *in, json_t **ret, struct mg_err *err)
{
    json_int_t integer = 0;
    double real;
    bool exact;
    if (to_number(in, &integer, &real, &exact))
        return cannot(f, in, "is not a number", err);
    if (f->scaled) {
        real = real * f->scale + f->offset;
        exact = false;
    }
    if (f->type == TYPE_INTEGER && !exact) {
        if (!(fabs(real) < 9.2e18))
            return cannot(f, in, "is beyond 64 bits", err);
        integer = llround(real);
        exact = true;
    }
    if (!exact && !isfinite(real))
        return cannot(f, in, "is beyond what a number holds", err);
    *ret = exact ? json_integer(integer) : json_real(real);
    return *ret ? 0 : -ENOMEM;
}

static int convert_text(const struct field *f, const json_t *in, json_t **ret, struct mg_err *err)
{
    if (json_is_object(in) || json_is_array(in) || json_is_null(in))
        return cannot(f, in, "is not a text", err);
    if (json_is_string(in)) {
        *ret = json_stringn(json_string_value(in), json_string_length(in));
        return *ret ? 0 : -ENOMEM;
    }
    size_t length;
    char *text = json_to_text(in, &length);
    *ret = text ? json_stringn(text, length) : NULL;
    free(text);
    return *ret ? 0 : -ENOMEM;
}

static int convert_boolean(const struct field *f, const json_t *in, json_t **ret,
                           struct mg_err *err)
{
    const char *s = json_string_value(in);
    bool yes = json_is_true(in) || (json_is_number(in) && json_number_value(in) == 1) ||
               (s && (!strcmp(s, "true") || !strcmp(s, "1")));
    bool no = json_is_false(in) || (json_is_number(in) && json_number_value(in) == 0) ||
              (s && (!strcmp(s, "false") || !strcmp(s, "0")));
    if (!yes && !no)
        return cannot(f, in, "is neither true nor false", err);
    *ret = json_boolean(yes);
    return 0;
}

static int convert(const struct field *f, json_t *in, json_t **ret, struct mg_err *err)
{
    if (f->scaled || f->type == TYPE_NUMBER || f->type == TYPE_INTEGER)
        return convert_number(f, in, ret, err);
    if (f->type == TYPE_TEXT)
        return convert_text(f, in, ret, err);
    if (f->type == TYPE_BOOLEAN)
        return convert_boolean(f, in, ret, err);
    *ret = json_incref(in);
    return 0;
}

static int expand(const struct field *f, const struct field_call *call, json_t **ret,
                  struct mg_err *err)
{
    char *text;
    size_t length;
    int error =
        text_template_expand(f->text, call->host, call->instance, call->step, &text, &length, err);
    if (error == -ENOENT) {
        *ret = NULL;
        return 0;
    }
    if (error)
        return error;
    *ret = json_stringn(text, length);
    free(text);
    if (!*ret) {
        snprintf(err->text, sizeof err->text, "%.80s: not UTF-8 text", json_path_text(f->target));
        return -EINVAL;
    }
    return 0;
}

int field_evaluate(const struct field *f, const struct field_call *call, json_t **ret_value,
                   struct mg_err *reterr)
{
    json_t *in = NULL;
    *ret_value = NULL;
    if (f->value) {
        *ret_value = json_incref(f->value);
        return 0;
    }
    if (f->text) {
        int error = expand(f, call, &in, reterr);
        if (error)
            return error;
    } else {
        in = json_incref(json_path_get(f->from, call->payload));
    }
    /* A null is a value only where it may stay one. */
    if (!in || (json_is_null(in) && (f->fallback || f->scaled || f->type))) {
        json_decref(in);
        *ret_value = json_incref(f->fallback);
        return 0;
    }
    int error = convert(f, in, ret_value, reterr);
    json_decref(in);
    if (error == -ENOMEM)
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return error;
}
