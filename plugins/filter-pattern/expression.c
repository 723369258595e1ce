/* SPDX-License-Identifier: Apache-2.0 */
/* The entries of a list of values: constants, and the operators of event patterns. */
#include "compile.h"
#include "json_tree.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum quotes { BOTH, OPENING, CLOSING };

struct expression {
    struct arena *arena;
    struct mg_err *err;
};

/* ---- nodes ---------------------------------------------------------------------------------- */

static bool is_word(const struct mg_node *node, const char *word)
{
    return node->type == MG_NODE_SCALAR && !node->quoted && !strcmp(node->text, word);
}

bool node_is_number(const struct mg_node *node)
{
    return node->type == MG_NODE_SCALAR && !node->quoted &&
           number_is_json(node->text, node->length);
}

bool node_is_text(const struct mg_node *node)
{
    return node->type == MG_NODE_SCALAR && !node_is_number(node) && !is_word(node, "true") &&
           !is_word(node, "false");
}

static int want_text(const struct expression *x, const struct mg_node *node)
{
    if (node_is_text(node))
        return 0;
    return wrong_at(node, x->err, "%.40s takes a text", node->key ? node->key : "this operator");
}

/* ---- texts ---------------------------------------------------------------------------------- */

static int quoted_text(const struct expression *x, const struct mg_node *node, enum quotes quotes,
                       struct atom *atom)
{
    char *text = arena_alloc(x->arena, node->length + 3);
    size_t used = 0;
    if (!text)
        return -ENOMEM;
    if (node->length > UINT32_MAX / 4)
        return wrong_at(node, x->err, "a text that is too long");
    if (quotes != CLOSING)
        text[used++] = '"';
    if (node->length)
        memcpy(text + used, node->text, node->length);
    used += node->length;
    if (quotes != OPENING)
        text[used++] = '"';
    atom->text = text;
    atom->length = (uint32_t)used;
    return 0;
}

static int text_atom(const struct expression *x, const struct mg_node *node, uint32_t type,
                     struct atom *atom)
{
    int error = want_text(x, node);
    atom->type = type;
    if (error)
        return error;
    return quoted_text(x, node,
                       type == ATOM_PREFIX   ? OPENING
                       : type == ATOM_SUFFIX ? CLOSING
                                             : BOTH,
                       atom);
}

static int fold_atom(const struct expression *x, const struct mg_node *node, uint32_t type,
                     struct atom *atom)
{
    int error = want_text(x, node);
    if (!error)
        error = quoted_text(x, node,
                            type == ATOM_FOLD_PREFIX   ? OPENING
                            : type == ATOM_FOLD_SUFFIX ? CLOSING
                                                       : BOTH,
                            atom);
    if (error)
        return error;
    atom->type = type;
    atom->as.fold = fold_compile(x->arena, atom->text, atom->length);
    char *canonical = arena_alloc(x->arena, (size_t)atom->length * FOLD_GROWTH_MAX);
    if (!atom->as.fold || !canonical)
        return -ENOMEM;
    atom->length = (uint32_t)fold_canonical(atom->text, atom->length, canonical);
    atom->text = canonical;
    return 0;
}

/* { equals-ignore-case: text } below prefix and suffix. */
static int folded_inside(const struct expression *x, const struct mg_node *map, uint32_t type,
                         struct atom *atom)
{
    if (map->count != 1 || strcmp(map->items[0]->key, "equals-ignore-case") != 0)
        return wrong_at(map, x->err, "%.40s takes a text or one equals-ignore-case", map->key);
    return fold_atom(x, map->items[0], type, atom);
}

/* * is any text, \* and \\ are these characters. */
static int wildcard_atom(const struct expression *x, const struct mg_node *node, struct atom *atom)
{
    int error = want_text(x, node);
    if (!error)
        error = quoted_text(x, node, BOTH, atom);
    if (error)
        return error;
    size_t stars = 0;
    for (uint32_t i = 0; i < atom->length; i++)
        stars += atom->text[i] == '*';
    struct wildcard *w = arena_alloc(x->arena, sizeof *w + (stars + 1) * sizeof w->pieces[0]);
    char *text = arena_copy(x->arena, atom->text, atom->length), *out = text;
    if (!w || !text)
        return -ENOMEM;
    w->pieces[w->count++].at = out;
    for (const char *at = text, *end = text + atom->length; at < end; at++) {
        if (*at == '*') {
            if (at[1] == '*')
                return wrong_at(node, x->err, "a wildcard with ** in it: one * is any text");
            w->pieces[w->count - 1].length = (size_t)(out - w->pieces[w->count - 1].at);
            w->pieces[w->count++].at = out;
            continue;
        }
        if (*at == '\\' && at[1] != '*' && at[1] != '\\')
            return wrong_at(node, x->err, "a wildcard with a \\ before neither * nor \\");
        at += *at == '\\';
        *out++ = *at;
    }
    w->pieces[w->count - 1].length = (size_t)(out - w->pieces[w->count - 1].at);
    *atom = (struct atom){.type = ATOM_WILDCARD, .as.wildcard = w};
    return 0;
}

/* ---- numbers and addresses ------------------------------------------------------------------ */

static int comparable(const struct expression *x, const struct mg_node *node,
                      number_key *ret_number)
{
    if (!node_is_number(node))
        return wrong_at(node, x->err, "behind an operator of numeric comes a number");
    if (number_read(node->text, node->length, ret_number))
        return 0;
    return wrong_at(
        node, x->err,
        "%.40s cannot be compared: it has more digits, or is larger, than a double can be",
        node->text);
}

/* The bounds of numeric: [">", 0, "<=", 5], [op, number] by itself. */
static int numeric_atom(const struct expression *x, const struct mg_node *list, struct atom *atom)
{
    number_key first = NUMBER_FIRST, last = NUMBER_LAST, bound = 0;
    bool open_first = false, open_last = false;
    if (list->type != MG_NODE_LIST || (list->count != 2 && list->count != 4))
        return wrong_at(list, x->err,
                        "numeric takes a list of an operator and a number, or of two of each");
    for (size_t i = 0; i < list->count; i += 2) {
        const struct mg_node *op = list->items[i];
        int error = comparable(x, list->items[i + 1], &bound);
        if (error)
            return error;
        const char *sign = node_is_text(op) ? op->text : "";
        bool lower = !strcmp(sign, ">") || !strcmp(sign, ">=");
        bool upper = !strcmp(sign, "<") || !strcmp(sign, "<=");
        if (!strcmp(sign, "=") && list->count == 2) {
            atom->as.number.first = atom->as.number.last = bound;
            atom->type = ATOM_NUMBER;
            return 0;
        }
        if (lower && i == 0) {
            first = bound;
            open_first = !sign[1];
        } else if (upper && (i == 2 || list->count == 2)) {
            last = bound;
            open_last = !sign[1];
        } else {
            return wrong_at(op, x->err,
                            "numeric takes =, <, <=, >, >= and one number, or a lower bound and "
                            "then an upper one");
        }
    }
    if (first >= last)
        return wrong_at(list, x->err, "the lower bound must be less than the upper one");
    atom->type = ATOM_NUMBER;
    atom->as.number.first = first + open_first;
    atom->as.number.last = last - open_last;
    return 0;
}

static int cidr_atom(const struct expression *x, const struct mg_node *node, struct atom *atom)
{
    int error = want_text(x, node);
    if (error)
        return error;
    const char *problem = ip_parse_cidr(node->text, node->length, &atom->as.ip);
    atom->type = ATOM_IP;
    return problem ? wrong_at(node, x->err, "cidr: %s", problem) : 0;
}

/* ---- anything-but --------------------------------------------------------------------------- */

static int excluded_atom(const struct expression *x, const struct mg_node *node, uint32_t type,
                         struct atom *atom)
{
    if (type == ATOM_NUMBER) {
        atom->type = ATOM_NUMBER;
        int error = comparable(x, node, &atom->as.number.first);
        atom->as.number.last = atom->as.number.first;
        return error;
    }
    if ((type == ATOM_PREFIX || type == ATOM_SUFFIX) && node_is_text(node) && !node->length)
        return wrong_at(node, x->err, "an empty text excludes everything");
    return type == ATOM_FOLD       ? fold_atom(x, node, type, atom)
           : type == ATOM_WILDCARD ? wildcard_atom(x, node, atom)
                                   : text_atom(x, node, type, atom);
}

/* One value or a list of values of one kind. */
static int exclude(const struct expression *x, const struct mg_node *node, uint32_t type,
                   struct atom *atom)
{
    bool list = node->type == MG_NODE_LIST;
    const struct mg_node *const *items = list ? node->items : &node;
    size_t count = list ? node->count : 1;
    struct atom *atoms = calloc(count + 1, sizeof *atoms);
    int error = atoms ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++)
        error = excluded_atom(x, items[i], type, &atoms[i]);
    if (!error) {
        atom->type = ATOM_NONE_OF;
        atom->as.none_of = choice_create(x->arena, atoms, count);
        error = atom->as.none_of ? 0 : -ENOMEM;
    }
    free(atoms);
    return error;
}

static int anything_but(const struct expression *x, const struct mg_node *node, struct atom *atom)
{
    if (node->type == MG_NODE_MAP) {
        const char *name = node->count == 1 ? node->items[0]->key : "";
        uint32_t type = !strcmp(name, "prefix")               ? ATOM_PREFIX
                        : !strcmp(name, "suffix")             ? ATOM_SUFFIX
                        : !strcmp(name, "equals-ignore-case") ? ATOM_FOLD
                        : !strcmp(name, "wildcard")           ? ATOM_WILDCARD
                                                              : ATOM_EXISTS;
        if (type == ATOM_EXISTS)
            return wrong_at(node, x->err,
                            "anything-but takes one of prefix, suffix, equals-ignore-case and "
                            "wildcard, or values");
        return exclude(x, node->items[0], type, atom);
    }
    bool list = node->type == MG_NODE_LIST;
    if (list && !node->count)
        return wrong_at(node, x->err, "anything-but with an empty list excludes nothing");
    const struct mg_node *first = list ? node->items[0] : node;
    if (!node_is_text(first) && !node_is_number(first))
        return wrong_at(first, x->err, "anything-but takes texts or numbers");
    uint32_t type = node_is_number(first) ? ATOM_NUMBER : ATOM_TEXT;
    for (size_t i = 1; list && i < node->count; i++)
        if (type == ATOM_NUMBER ? !node_is_number(node->items[i]) : !node_is_text(node->items[i]))
            return wrong_at(node->items[i], x->err,
                            "anything-but takes texts alone or numbers alone");
    return exclude(x, node, type, atom);
}

/* ---- one entry ------------------------------------------------------------------------------ */

static int exists(const struct expression *x, const struct mg_node *node, struct atom *atom,
                  bool *ret_absent)
{
    if (!is_word(node, "true") && !is_word(node, "false"))
        return wrong_at(node, x->err, "exists takes true or false");
    atom->type = ATOM_EXISTS;
    *ret_absent = is_word(node, "false");
    return 0;
}

static int operator(const struct expression *x, const struct mg_node *map, struct atom *atom,
                    bool *ret_absent)
{
    if (map->count != 1)
        return wrong_at(map, x->err, "a map in a list of values has one operator, not %zu",
                        map->count);
    const struct mg_node *node = map->items[0];
    const char *name = node->key;
    if (!strcmp(name, "exactly"))
        return text_atom(x, node, ATOM_TEXT, atom);
    if (!strcmp(name, "prefix"))
        return node->type == MG_NODE_MAP ? folded_inside(x, node, ATOM_FOLD_PREFIX, atom)
                                         : text_atom(x, node, ATOM_PREFIX, atom);
    if (!strcmp(name, "suffix"))
        return node->type == MG_NODE_MAP ? folded_inside(x, node, ATOM_FOLD_SUFFIX, atom)
                                         : text_atom(x, node, ATOM_SUFFIX, atom);
    if (!strcmp(name, "equals-ignore-case"))
        return fold_atom(x, node, ATOM_FOLD, atom);
    if (!strcmp(name, "wildcard"))
        return wildcard_atom(x, node, atom);
    if (!strcmp(name, "anything-but"))
        return anything_but(x, node, atom);
    if (!strcmp(name, "numeric"))
        return numeric_atom(x, node, atom);
    if (!strcmp(name, "cidr"))
        return cidr_atom(x, node, atom);
    if (!strcmp(name, "exists"))
        return exists(x, node, atom, ret_absent);
    return wrong_at(node, x->err,
                    "\"%.40s\" is no operator: prefix, suffix, equals-ignore-case, wildcard, "
                    "anything-but, numeric, cidr, exists, exactly",
                    name);
}

/* Texts that are addresses are compared as such, and numbers by their value, if they have one. */
static int constant(const struct expression *x, const struct mg_node *node, struct atom *atom)
{
    struct ip ip;
    if (node_is_number(node) && number_read(node->text, node->length, &atom->as.number.first)) {
        atom->type = ATOM_NUMBER;
        atom->as.number.last = atom->as.number.first;
        return 0;
    }
    if (node_is_text(node) && ip_parse(node->text, node->length, &ip)) {
        atom->type = ATOM_IP;
        atom->as.ip = (struct ip_range){ip, ip};
        return 0;
    }
    if (node_is_text(node))
        return text_atom(x, node, ATOM_TEXT, atom);
    atom->type = ATOM_TEXT;
    const char *text = node->type == MG_NODE_NULL ? "null" : node->text;
    atom->length = (uint32_t)strlen(text);
    atom->text = arena_copy(x->arena, text, atom->length);
    return atom->text ? 0 : -ENOMEM;
}

int expression_compile(struct arena *arena, const struct mg_node *node, struct atom *ret_atom,
                       bool *ret_absent, struct mg_err *reterr)
{
    struct expression x = {arena, reterr};
    *ret_atom = (struct atom){0};
    if (node->type == MG_NODE_MAP)
        return operator(&x, node, ret_atom, ret_absent);
    if (node->type == MG_NODE_LIST)
        return wrong_at(node, reterr, "a list inside a list of values");
    return constant(&x, node, ret_atom);
}
