/* SPDX-License-Identifier: Apache-2.0 */
/* The frame of a pattern: names, lists of values, $or. */
#include "compile.h"
#include "json_tree.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

struct compiler {
    struct arena *arena, *passing;
    struct mg_err *err;
    size_t conditions; /* of all branches */
    char path[PATTERN_PATH_BYTES_MAX + 1];
    size_t path_length;
};

/* What event-ruler keeps for itself inside $or, so that a forgotten field name is found. */
static bool is_reserved(const char *name)
{
    static const char *const names[] = {"exactly",
                                        "equals-ignore-case",
                                        "prefix",
                                        "suffix",
                                        "anything-but",
                                        "exists",
                                        "wildcard",
                                        "numeric",
                                        "cidr",
                                        "html",
                                        "=",
                                        "<",
                                        "<=",
                                        ">",
                                        ">=",
                                        "regex",
                                        "not-wildcard",
                                        "not-equals-ignore-case",
                                        "date-after",
                                        "date-on-or-after",
                                        "date-before",
                                        "date-on-or-before",
                                        "in-date-range",
                                        "ip-address-in-range",
                                        "ip-address-not-in-range"};
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (!strcmp(names[i], name))
            return true;
    return false;
}

/* ---- branches ------------------------------------------------------------------------------- */

static bool add_branch(struct compiler *c, struct pattern *p, const struct branch *like)
{
    if (p->count == p->capacity) {
        size_t capacity = p->capacity ? p->capacity * 2 : 4;
        struct branch *more = arena_alloc(c->passing, capacity * sizeof *more);
        if (!more)
            return false;
        if (p->count)
            memcpy(more, p->branches, p->count * sizeof *more);
        p->branches = more;
        p->capacity = capacity;
    }
    struct branch copy = {.count = like->count, .capacity = like->count};
    if (like->count) {
        copy.conditions = arena_alloc(c->passing, like->count * sizeof *copy.conditions);
        if (!copy.conditions)
            return false;
        memcpy(copy.conditions, like->conditions, like->count * sizeof *copy.conditions);
    }
    c->conditions += like->count;
    p->branches[p->count++] = copy;
    return true;
}

/* The last of several conditions on one path counts. */
static int put_condition(struct compiler *c, struct branch *b, const struct mg_node *node,
                         const char *path, const struct choice *choice)
{
    size_t place = 0;
    int order = 1;
    while (place < b->count && (order = strcmp(b->conditions[place].path, path)) < 0)
        place++;
    if (place < b->count && !order) {
        b->conditions[place].choice = choice;
        return 0;
    }
    if (b->count == PATTERN_CONDITIONS_MAX || ++c->conditions > PATTERN_EXPANDED_MAX)
        return wrong_at(node, c->err, "more conditions than a pattern may have");
    if (b->count == b->capacity) {
        size_t capacity = b->capacity ? b->capacity * 2 : 4;
        struct condition *more = arena_alloc(c->passing, capacity * sizeof *more);
        if (!more)
            return -ENOMEM;
        if (b->count)
            memcpy(more, b->conditions, b->count * sizeof *more);
        b->conditions = more;
        b->capacity = capacity;
    }
    memmove(b->conditions + place + 1, b->conditions + place,
            (b->count - place) * sizeof *b->conditions);
    b->conditions[place] = (struct condition){path, choice};
    b->count++;
    return 0;
}

/* ---- lists of values ------------------------------------------------------------------------ */

static int by_atom(const void *a, const void *b)
{
    return atom_compare(a, b);
}

struct choice *choice_create(struct arena *arena, const struct atom *atoms, size_t count)
{
    struct choice *choice = arena_alloc(arena, sizeof *choice);
    struct atom *sorted = arena_alloc(arena, count * sizeof *sorted);
    if (!choice || !sorted)
        return NULL;
    if (count) {
        memcpy(sorted, atoms, count * sizeof *sorted);
        qsort(sorted, count, sizeof *sorted, by_atom);
    }
    choice->texts = sorted;
    for (size_t i = 0; i < count; i++) {
        struct atom *a = &sorted[i]; /* texts come first, then numbers */
        if (a->type == ATOM_TEXT)
            choice->text_count++;
        else if (a->type == ATOM_NUMBER && a->as.number.first == a->as.number.last)
            choice->number_count++;
        else
            choice->other_count++;
    }
    /* Ranges stand among the single numbers: the latter go in front. */
    struct atom *others = arena_alloc(arena, choice->other_count * sizeof *others);
    if (!others)
        return NULL;
    struct atom *numbers = sorted + choice->text_count;
    size_t single = 0, rest = 0;
    for (size_t i = choice->text_count; i < count; i++) {
        if (sorted[i].type == ATOM_NUMBER && sorted[i].as.number.first == sorted[i].as.number.last)
            numbers[single++] = sorted[i];
        else
            others[rest++] = sorted[i];
    }
    choice->numbers = numbers;
    choice->others = others;
    return choice;
}

static int compile_choice(struct compiler *c, const struct mg_node *list,
                          const struct choice **ret_choice)
{
    if (!list->count)
        return wrong_at(list, c->err, "an empty list matches nothing");
    struct atom *atoms = calloc(list->count, sizeof *atoms);
    size_t count = 0;
    bool absent = false;
    int error = atoms ? 0 : -ENOMEM;
    for (size_t i = 0; i < list->count && !error; i++) {
        bool is_absent = false;
        error = expression_compile(c->arena, list->items[i], &atoms[count], &is_absent, c->err);
        absent |= is_absent;
        count += !is_absent;
    }
    struct choice *choice = error ? NULL : choice_create(c->arena, atoms, count);
    free(atoms);
    if (!choice)
        return error ? error : -ENOMEM;
    choice->absent = absent;
    *ret_choice = choice;
    return 0;
}

/* ---- objects -------------------------------------------------------------------------------- */

/* Makes path that of the member; returns the old length, or -EINVAL. */
static int push(struct compiler *c, const struct mg_node *node, bool first, size_t *ret_old)
{
    size_t length = strlen(node->key), dot = !first;
    if (c->path_length + dot + length > PATTERN_PATH_BYTES_MAX)
        return wrong_at(node, c->err, "names of more than %d bytes together",
                        PATTERN_PATH_BYTES_MAX);
    *ret_old = c->path_length;
    if (dot)
        c->path[c->path_length] = '.';
    memcpy(c->path + c->path_length + dot, node->key, length + 1);
    c->path_length += dot + length;
    return 0;
}

static void pop(struct compiler *c, size_t old)
{
    c->path[old] = '\0';
    c->path_length = old;
}

static int compile_list(struct compiler *c, const struct mg_node *node, struct pattern *p)
{
    size_t old = 0;
    const struct choice *choice = NULL;
    int error = push(c, node, !c->path_length, &old);
    if (error)
        return error;
    const char *path = arena_copy(c->arena, c->path, c->path_length);
    pop(c, old);
    error = path ? compile_choice(c, node, &choice) : -ENOMEM;
    if (!error && !p->count && !add_branch(c, p, &(struct branch){0}))
        error = -ENOMEM;
    for (size_t i = 0; i < p->count && !error; i++)
        error = put_condition(c, &p->branches[i], node, path, choice);
    return error;
}

static int compile_object(struct compiler *c, const struct mg_node *map, bool inside_or, int depth,
                          struct pattern *p);

/* Each alternative continues every branch that there was before. */
static int compile_or(struct compiler *c, const struct mg_node *list, int depth, struct pattern *p)
{
    struct pattern before = *p;
    if (list->type != MG_NODE_LIST || list->count < 2)
        return wrong_at(list, c->err, "$or takes a list of at least two maps");
    *p = (struct pattern){0};
    for (size_t i = 0; i < list->count; i++) {
        struct pattern one = {0};
        if (list->items[i]->type != MG_NODE_MAP)
            return wrong_at(list->items[i], c->err, "$or takes a list of maps alone");
        for (size_t k = 0; k < before.count; k++)
            if (!add_branch(c, &one, &before.branches[k]))
                return -ENOMEM;
        if (!before.count && !add_branch(c, &one, &(struct branch){0}))
            return -ENOMEM;
        int error = compile_object(c, list->items[i], true, depth, &one);
        if (error)
            return error;
        if (p->count + one.count > PATTERN_BRANCHES_MAX || c->conditions > PATTERN_EXPANDED_MAX)
            return wrong_at(list, c->err, "its $or make more than %d alternatives together",
                            PATTERN_BRANCHES_MAX);
        for (size_t k = 0; k < one.count; k++)
            if (!add_branch(c, p, &one.branches[k]))
                return -ENOMEM;
    }
    return 0;
}

static int compile_member(struct compiler *c, const struct mg_node *node, bool inside_or, int depth,
                          struct pattern *p)
{
    if (!strcmp(node->key, "$or"))
        return compile_or(c, node, depth, p);
    if (inside_or && is_reserved(node->key))
        return wrong_at(node, c->err,
                        "\"%.40s\" is an operator: inside $or each map has names of fields, and "
                        "operators stand in their lists",
                        node->key);
    if (node->type == MG_NODE_LIST)
        return compile_list(c, node, p);
    if (node->type != MG_NODE_MAP)
        return wrong_at(node, c->err, "\"%.40s\" takes a list of values, or a map of names",
                        node->key);
    size_t old = 0;
    /* As event-ruler joins names: only the first has no dot before it, even where it is empty. */
    int error = push(c, node, depth == 1 && !c->path_length, &old);
    if (!error)
        error = compile_object(c, node, inside_or, depth + 1, p);
    pop(c, old);
    return error;
}

static int compile_object(struct compiler *c, const struct mg_node *map, bool inside_or, int depth,
                          struct pattern *p)
{
    if (depth > TREE_DEPTH_MAX)
        return wrong_at(map, c->err, "nested more than %d deep", TREE_DEPTH_MAX);
    if (!map->count)
        return wrong_at(map, c->err, "an empty map matches nothing");
    int error = 0;
    for (size_t i = 0; i < map->count && !error; i++)
        error = compile_member(c, map->items[i], inside_or, depth, p);
    return error;
}

int pattern_compile(struct arena *arena, struct arena *passing, const struct mg_node *node,
                    struct pattern *ret_pattern, struct mg_err *reterr)
{
    struct compiler *c = malloc(sizeof *c);
    if (!c)
        return -ENOMEM;
    c->arena = arena;
    c->passing = passing;
    c->err = reterr;
    c->conditions = c->path_length = 0;
    *ret_pattern = (struct pattern){0};
    int error = node->type == MG_NODE_MAP
                    ? compile_object(c, node, false, 1, ret_pattern)
                    : wrong_at(node, reterr, "a pattern is a map of names to lists of values");
    free(c);
    return error;
}
