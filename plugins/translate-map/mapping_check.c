/* SPDX-License-Identifier: Apache-2.0 */
/* Rules that contradict each other: two that write one place, one that takes away what another
 * gives. */
#include "mapping_internal.h"
#include "wrong.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum rule { MOVE, REMOVE, RENAME, FIELDS, SET, DEFAULTS };
static const char *const names[] = {"move", "remove", "rename", "fields", "set", "defaults"};

/* One rule's hold on a place. */
struct claim {
    const struct doc_path *path;
    const struct mg_node *node;
    enum rule rule;
};
struct claims {
    size_t taken_count, written_count;
    struct claim *taken;   /* of what comes in, that is gone afterwards: moved, removed, renamed */
    struct claim *written; /* of what comes out: renamed, moved, fields, set */
    struct mg_err *err;
};

/* Do the first parts of path say where `top` is?  All of them: it is the same place. */
static bool starts_with(const struct doc_path *path, const struct doc_path *top, bool *ret_same)
{
    size_t count = doc_path_count(top);
    if (doc_path_count(path) < count)
        return false;
    for (size_t i = 0; i < count; i++) {
        struct mg_str a = doc_path_part(path, i), b = doc_path_part(top, i);
        if (a.len != b.len || memcmp(a.at, b.at, a.len) != 0)
            return false;
    }
    *ret_same = doc_path_count(path) == count;
    return true;
}

static int refuse(const struct claims *c, const struct claim *second, const char *what,
                  const struct claim *first, const char *cure)
{
    c->err->option = names[second->rule];
    return wrong(second->node, c->err, "%.50s %s%s: %.50s%s", doc_path_text(second->path), what,
                 names[first->rule], doc_path_text(first->path), cure);
}

/* What is gone with a part above it is not there for a rule that comes later; names change from the
 * inside out, so that they do not stand in each other's way. */
static int check_taken(const struct claims *c)
{
    for (size_t i = 0; i < c->taken_count; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct claim *first = &c->taken[k], *second = &c->taken[i];
            bool same;
            if (starts_with(second->path, first->path, &same) && (same || first->rule != RENAME))
                return refuse(c, second, "is gone with ", first, "");
        }
    }
    return 0;
}

static int check_written(const struct claims *c)
{
    bool same;
    for (size_t i = 0; i < c->written_count; i++) {
        for (size_t k = 0; k < i; k++) {
            const struct claim *first = &c->written[k], *second = &c->written[i];
            if (starts_with(second->path, first->path, &same) && same)
                return refuse(c, second, "is written twice, also by ", first, "");
        }
    }
    return 0;
}

/* A new name that another rule takes from where it is. */
static int check_renamed(const struct claims *c, const struct mapping *m)
{
    bool same;
    for (size_t i = 0; i < m->rename_count; i++)
        for (size_t k = 0; k < c->taken_count; k++)
            if (c->taken[k].rule == RENAME &&
                starts_with(c->written[i].path, c->taken[k].path, &same) && same)
                return refuse(c, &c->written[i], "is the old name of ", &c->taken[k],
                              " (move takes all out first)");
    return 0;
}

/* defaults for what is always there. */
static int check_defaults(const struct claims *c, const struct mapping *m,
                          const struct rules *rules)
{
    bool same;
    for (size_t i = 0; i < m->default_count; i++) {
        struct claim it = {m->fields[m->field_count + m->set_count + i].target,
                           rules->defaults->items[i], DEFAULTS};
        for (size_t k = 0; k < c->written_count; k++)
            if (c->written[k].rule == SET && starts_with(it.path, c->written[k].path, &same) &&
                same)
                return refuse(c, &it, "is always there by ", &c->written[k], "");
        for (size_t k = 0; k < c->taken_count; k++)
            if (c->taken[k].rule == REMOVE && starts_with(it.path, c->taken[k].path, &same) && same)
                return refuse(c, &it, "is never there after ", &c->taken[k], " (use set)");
        for (size_t k = 0; k < m->field_count; k++)
            if (starts_with(it.path, m->fields[k].target, &same) && same)
                m->fields[k].has_default = true;
    }
    return 0;
}

static void collect(struct claims *c, const struct mapping *m, const struct rules *r)
{
    for (size_t i = 0; i < m->move_count; i++)
        c->taken[c->taken_count++] = (struct claim){m->moves[i].from, r->move->items[i], MOVE};
    for (size_t i = 0; i < m->remove_count; i++)
        c->taken[c->taken_count++] = (struct claim){
            m->removes[i], r->remove->type == MG_NODE_LIST ? r->remove->items[i] : r->remove,
            REMOVE};
    for (size_t i = 0; i < m->rename_count; i++) {
        c->taken[c->taken_count++] =
            (struct claim){m->renames[i].path, r->rename->items[i], RENAME};
        c->written[c->written_count++] =
            (struct claim){m->renames[i].renamed, r->rename->items[i], RENAME};
    }
    for (size_t i = 0; i < m->move_count; i++)
        c->written[c->written_count++] = (struct claim){m->moves[i].to, r->move->items[i], MOVE};
    for (size_t i = 0; i < m->field_count; i++)
        c->written[c->written_count++] =
            (struct claim){m->fields[i].target, r->fields->items[i], FIELDS};
    for (size_t i = 0; i < m->set_count; i++)
        c->written[c->written_count++] =
            (struct claim){m->fields[m->field_count + i].target, r->set->items[i], SET};
}

int mapping_check(const struct mapping *m, const struct rules *rules, struct mg_err *reterr)
{
    struct claims c = {.err = reterr};
    size_t taken = m->move_count + m->remove_count + m->rename_count;
    size_t written = m->rename_count + m->move_count + m->field_count + m->set_count;
    c.taken = calloc(taken + 1, sizeof *c.taken);
    c.written = calloc(written + 1, sizeof *c.written);
    int error = c.taken && c.written ? 0 : out_of_memory(reterr);
    if (!error) {
        collect(&c, m, rules);
        error = check_taken(&c);
    }
    if (!error)
        error = check_written(&c);
    if (!error)
        error = check_renamed(&c, m);
    if (!error)
        error = check_defaults(&c, m, rules);
    free(c.taken);
    free(c.written);
    return error;
}

bool mapping_nests(const struct mapping *m)
{
    size_t count = m->field_count + m->set_count + m->default_count;
    bool same;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < count; k++)
            if (starts_with(m->fields[i].target, m->fields[k].target, &same) && !same)
                return true;
    return false;
}
