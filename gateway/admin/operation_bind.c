/* SPDX-License-Identifier: Apache-2.0 */
/* A request's arguments, out of JSON into the struct that the operation's table describes. */
#include "admin/operation.h"
#include "config/bind.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { ARGUMENTS_MAX = 32 };

static int refuse(struct mg_err *err, const struct mg_option *o, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s %s", o->name, why);
    err->option = o->name;
    return -EINVAL;
}

static int bind_number(const struct mg_option *o, const json_t *value, void *at, struct mg_err *err)
{
    double number = json_number_value(value);
    if (!json_is_number(value) || (o->type == MG_OPT_INT && !json_is_integer(value)))
        return refuse(err, o, o->type == MG_OPT_INT ? "takes a whole number" : "takes a number");
    if ((o->least || o->most) && (number < (double)o->least || number > (double)o->most)) {
        char why[96];
        snprintf(why, sizeof why, "is out of bounds: %" PRId64 " to %" PRId64, o->least, o->most);
        return refuse(err, o, why);
    }
    if (o->type == MG_OPT_INT)
        *(int64_t *)at = json_integer_value(value);
    else
        *(double *)at = number;
    return 0;
}

static int bind_one(const struct mg_option *o, const json_t *value, void *at, struct mg_err *err)
{
    switch (o->type) {
    case MG_OPT_TEXT:
        if (!json_is_string(value))
            return refuse(err, o, "takes a text");
        if (strlen(json_string_value(value)) != json_string_length(value))
            return refuse(err, o, "has a NUL in it");
        *(const char **)at = json_string_value(value);
        return 0;
    case MG_OPT_INT:
    case MG_OPT_DOUBLE:
        return bind_number(o, value, at, err);
    case MG_OPT_BOOL:
        if (!json_is_boolean(value))
            return refuse(err, o, "is true or false");
        *(bool *)at = json_is_true(value);
        return 0;
    default:
        *(const json_t **)at = value;
        return 0;
    }
}

static const struct mg_option *find(const struct mg_option *arguments, const char *name,
                                    struct mg_err *err)
{
    const char *names[ARGUMENTS_MAX];
    size_t count = 0;
    for (const struct mg_option *o = arguments; o && o->name && count < ARGUMENTS_MAX; o++) {
        if (!strcmp(o->name, name))
            return o;
        names[count++] = o->name;
    }
    const char *nearest = gw_nearest(name, names, count);
    snprintf(err->text, sizeof err->text, "there is no argument \"%.64s\"%s%s%s", name,
             nearest ? "; did you mean \"" : "", nearest ? nearest : "", nearest ? "\"?" : "");
    return NULL;
}

int gw_operation_bind(const struct mg_option *arguments, const json_t *request, void *into,
                      struct mg_err *reterr)
{
    const char *name;
    json_t *value;
    json_object_foreach((json_t *)request, name, value)
    {
        if (!strcmp(name, "op"))
            continue;
        const struct mg_option *o = find(arguments, name, reterr);
        if (!o || bind_one(o, value, (char *)into + o->offset, reterr))
            return -EINVAL;
    }
    for (const struct mg_option *o = arguments; o && o->name; o++)
        if ((o->flags & MG_OPT_REQUIRED) && !json_object_get(request, o->name))
            return refuse(reterr, o, "is missing");
    return 0;
}
