/* SPDX-License-Identifier: Apache-2.0 */
/* The keys of a conversion: type, scale, offset, unit, round, time, enum, else, trim, case, split,
 * join. */
#include "convert.h"
#include "constant.h"
#include "decimal.h"
#include "wrong.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CHOICES_MAX = 256 };

/* The place of a scalar's text among names, or -1. */
static int which(const struct mg_node *node, const char *const *names)
{
    for (int i = 0; node->type == MG_NODE_SCALAR && names[i]; i++)
        if (!strcmp(node->text, names[i]))
            return i;
    return -1;
}

static int compile_type(struct convert *c, const struct mg_node *node, struct mg_err *err)
{
    static const char *const names[] = {"number", "integer", "text", "boolean", NULL};
    int found = which(node, names);
    if (found < 0 && node->type == MG_NODE_SCALAR && !strcmp(node->text, "timestamp"))
        return wrong(node, err, "a timestamp is written time: { from: epoch_ms, to: rfc3339 }");
    if (found < 0)
        return wrong(node, err, "type must be number, integer, text or boolean");
    c->type = (enum convert_type)(TYPE_NUMBER + found);
    return 0;
}

/* The texts of { from: …, to: … } and perhaps of a third key. */
static int compile_ends(const struct mg_node *node, const char *third, const struct mg_node *ret[3],
                        struct mg_err *err)
{
    const char *const known[] = {"from", "to", third, NULL};
    ret[0] = ret[1] = ret[2] = NULL;
    for (size_t i = 0; node->type == MG_NODE_MAP && i < node->count; i++) {
        const struct mg_node *item = node->items[i];
        const char *text;
        int place = 0;
        while (known[place] && strcmp(item->key, known[place]) != 0)
            place++;
        if (!known[place])
            return wrong(item, err, "%s: unknown key \"%.40s\": from%s%s and to are known",
                         node->key, item->key, third ? ", " : "", third ? third : "");
        int error = constant_text(item, &text, err);
        if (error)
            return error;
        ret[place] = item;
    }
    if (!ret[0] || !ret[1])
        return wrong(node, err, "%s needs from and to", node->key);
    return 0;
}

static int compile_unit(struct convert *c, const struct mg_node *node, struct mg_err *err)
{
    const struct mg_node *ends[3];
    bool second;
    int error = compile_ends(node, NULL, ends, err);
    if (error)
        return error;
    c->has_unit = true;
    error = unit_change(ends[0]->text, ends[1]->text, &c->unit, &second, err);
    return wrong_at(ends[second], error, err);
}

static int compile_time(struct convert *c, const struct mg_node *node, struct mg_err *err)
{
    const struct mg_node *ends[3];
    int error = compile_ends(node, "zone", ends, err);
    for (int i = 0; i < 2 && !error; i++) {
        int form = which(ends[i], instant_forms);
        if (form < 0)
            return wrong(ends[i], err,
                         "\"%.40s\" is no form of time: epoch_s, epoch_ms, epoch_us, epoch_ns, "
                         "rfc3339, plain, compact, http or date",
                         ends[i]->text);
        *(i ? &c->time_to : &c->time_from) = (enum instant_form)form;
    }
    c->timed = true;
    if (!error && ends[2] &&
        !instant_zone((struct mg_str){ends[2]->text, ends[2]->length}, &c->zone))
        return wrong(ends[2], err, "zone is Z or an offset, as \"+01:00\"");
    return error;
}

static int compile_choice(struct choice *choice, const struct mg_node *item, struct doc *constants)
{
    const struct mg_node name = {
        .type = MG_NODE_SCALAR, .text = item->key, .length = strlen(item->key)};
    choice->name = (struct mg_str){item->key, name.length};
    choice->to = constant_of(item, constants);
    return choice->to ? constant_plain(&name, constants, &choice->same) : -ENOMEM;
}

static int compile_enum(struct convert *c, const struct mg_node *node, struct doc *constants,
                        struct mg_err *err)
{
    if (node->type != MG_NODE_MAP || !node->count || node->count > CHOICES_MAX)
        return wrong(node, err,
                     "enum must be a map of 1 to %d values to others, as { 0: off, 1: on }",
                     CHOICES_MAX);
    c->choices = calloc(node->count, sizeof *c->choices);
    if (!c->choices)
        return -ENOMEM;
    for (; c->choice_count < node->count; c->choice_count++)
        if (compile_choice(&c->choices[c->choice_count], node->items[c->choice_count], constants))
            return -ENOMEM;
    return 0;
}

static int compile_else(struct convert *c, const struct mg_node *node, struct doc *constants,
                        struct mg_err *err)
{
    static const char *const names[] = {"reject", "keep", NULL};
    int found = which(node, names);
    const struct mg_node *value = entry_of(node, "value");
    if (found < 0 && (!value || node->count != 1))
        return wrong(node, err, "else is reject, keep or { value: … }");
    c->otherwise = value ? ELSE_VALUE : (enum convert_else)(ELSE_REJECT + found);
    c->other = value ? constant_of(value, constants) : NULL;
    return value && !c->other ? -ENOMEM : 0;
}

static int compile_separator(struct mg_str *ret, const struct mg_node *node, bool empty,
                             struct mg_err *err)
{
    if (node->type != MG_NODE_SCALAR || (!node->length && !empty))
        return wrong(node, err, "%s must be the text between two parts, as \";\"", node->key);
    *ret = (struct mg_str){node->text, node->length};
    return 0;
}

static int compile_case(struct convert *c, const struct mg_node *node, struct mg_err *err)
{
    static const char *const names[] = {"upper", "lower", NULL};
    int found = which(node, names);
    c->letters = found == 0 ? 'u' : 'l';
    return found < 0 ? wrong(node, err, "case is upper or lower") : 0;
}

int convert_compile(struct convert *c, const struct mg_node *node, struct doc *constants,
                    struct mg_err *err)
{
    const char *key = node->key;
    if (!c->any)
        c->scale = 1;
    c->any = true;
    if (!strcmp(key, "type"))
        return compile_type(c, node, err);
    if (!strcmp(key, "scale") || !strcmp(key, "offset")) {
        c->scaled = true;
        return constant_number(node, *key == 's' ? &c->scale : &c->offset, err);
    }
    if (!strcmp(key, "unit"))
        return compile_unit(c, node, err);
    if (!strcmp(key, "round")) {
        c->rounded = true;
        return constant_whole(node, 0, PLACES_MOST, &c->places, err);
    }
    if (!strcmp(key, "time"))
        return compile_time(c, node, err);
    if (!strcmp(key, "enum"))
        return compile_enum(c, node, constants, err);
    if (!strcmp(key, "else"))
        return compile_else(c, node, constants, err);
    if (!strcmp(key, "trim"))
        return constant_truth(node, &c->trim, err);
    if (!strcmp(key, "case"))
        return compile_case(c, node, err);
    if (!strcmp(key, "split") || !strcmp(key, "join"))
        return compile_separator(*key == 's' ? &c->split : &c->join, node, *key == 'j', err);
    return 1;
}

int convert_check(struct convert *c, const struct mg_node *field, struct mg_err *err)
{
    const char *name = field->key;
    bool number = c->scaled || c->has_unit || c->rounded;
    if (number && c->type > TYPE_INTEGER)
        return wrong(field, err, "%.60s: scale, offset, unit and round make a number or an integer",
                     name);
    if (c->type == TYPE_INTEGER && c->rounded && c->places)
        return wrong(entry_of(field, "round"), err,
                     "%.60s: an integer has no places behind the point", name);
    if (c->timed && (number || c->type || c->choices))
        return wrong(field, err,
                     "%.60s: time says what comes out: no type, number or enum beside it", name);
    if (c->choices && (number || c->type))
        return wrong(field, err, "%.60s: enum says what comes out: no type or number beside it",
                     name);
    const struct mg_node *otherwise = entry_of(field, "else");
    if (otherwise && !c->choices)
        return wrong(otherwise, err, "%.60s: else goes with enum", name);
    return 0;
}

void convert_fini(struct convert *c)
{
    free(c->choices);
    *c = (struct convert){0};
}
