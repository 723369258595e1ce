/* SPDX-License-Identifier: Apache-2.0 */
/* Rules out of YAML. */
#include "constant.h"
#include "mapping_internal.h"
#include "wrong.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { RULES_MAX = 1024, PATH_BYTES_MAX = 1024 };

struct compile {
    struct mapping *m;
    const struct rules *rules;
    const struct scope *scope;
    struct mg_err *err;
};

static size_t count_of(const struct mg_node *node)
{
    return node && node->type == MG_NODE_MAP ? node->count : 0;
}

/* NULL, or { }: nothing. */
static int need_map(const struct mg_node *node, const char *name, const char *what,
                    struct mg_err *err)
{
    err->option = name;
    if (node && (node->type != MG_NODE_MAP || node->count > RULES_MAX))
        return wrong(node, err, "%s must be a map of %s, at most %d", name, what, RULES_MAX);
    return 0;
}

/* ---- fields, set, defaults ------------------------------------------------------------------ */

static int compile_fields(struct compile *c)
{
    const struct rules *r = c->rules;
    struct mapping *m = c->m;
    const struct mg_node *const maps[] = {r->fields, r->set, r->defaults};
    size_t *const counts[] = {&m->field_count, &m->set_count, &m->default_count};
    struct field_rules common = {c->scope, m->merge, r->on_missing};
    int error = need_map(r->fields, "fields", "targets to sources", c->err);
    if (!error)
        error = need_map(r->set, "set", "targets to constants and texts", c->err);
    if (!error)
        error = need_map(r->defaults, "defaults", "targets to constants and texts", c->err);
    if (error)
        return error;
    size_t count = count_of(r->fields) + count_of(r->set) + count_of(r->defaults), place = 0;
    m->fields = calloc(count ? count : 1, sizeof *m->fields);
    if (!m->fields)
        return out_of_memory(c->err);
    for (size_t k = 0; k < 3 && !error; k++) {
        const char *option = k == 0 ? "fields" : k == 1 ? "set" : "defaults";
        c->err->option = option;
        for (size_t i = 0; i < count_of(maps[k]) && !error; i++) {
            struct field *f = &m->fields[place++];
            ++*counts[k];
            error = k == 0 ? field_compile(maps[k]->items[i], &common, f, c->err)
                           : field_compile_set(maps[k]->items[i], &common, f, c->err);
            c->err->option = option; /* not that of a mapping inside of it */
        }
    }
    return error;
}

/* ---- remove, rename, move ------------------------------------------------------------------- */

/* A place of what comes in, which is mentioned so. */
static int compile_path(struct compile *c, const struct mg_node *node, const char *text, bool new,
                        struct doc_path **ret)
{
    struct mention *at;
    if (!new && (strpbrk(text, "{}") || strlen(text) >= PATH_BYTES_MAX))
        return wrong(node, c->err, "\"%.40s\" is no path", text);
    int error = doc_path_compile(text, !c->scope->outer, ret, c->err);
    if (!error && doc_path_is_root(*ret))
        return wrong(node, c->err, "\".\" is the whole payload: name a part of it");
    if (!error) {
        error = mention_path(c->scope->mention, *ret, &at);
        if (error)
            return out_of_memory(c->err);
        mention_all(at);
    }
    return wrong_at(node, error, c->err);
}

/* One path, or a list of them. */
static int compile_removes(struct compile *c)
{
    const struct mg_node *node = c->rules->remove;
    c->err->option = "remove";
    if (!node || node->type == MG_NODE_NULL)
        return 0;
    bool list = node->type == MG_NODE_LIST;
    size_t count = list ? node->count : 1;
    if (count > RULES_MAX)
        return wrong(node, c->err, "more than %d paths to remove", RULES_MAX);
    c->m->removes = calloc(count ? count : 1, sizeof(struct doc_path *));
    int error = c->m->removes ? 0 : out_of_memory(c->err);
    for (; c->m->remove_count < count && !error; c->m->remove_count++) {
        const struct mg_node *item = list ? node->items[c->m->remove_count] : node;
        const char *text;
        error = constant_text(item, &text, c->err);
        if (!error)
            error = compile_path(c, item, text, false, &c->m->removes[c->m->remove_count]);
    }
    return error;
}

/* Where the last part of a path begins: behind its last dot that is none of a name. */
static size_t last_part(const char *path)
{
    size_t begin = 0;
    for (size_t i = 0; path[i]; i++) {
        if (path[i] == '\\' && path[i + 1])
            i++;
        else if (path[i] == '.')
            begin = i + 1;
    }
    return begin;
}

static int compile_rename(struct compile *c, const struct mg_node *node, struct renaming *r)
{
    char text[2 * PATH_BYTES_MAX];
    const char *name;
    int error = constant_text(node, &name, c->err);
    if (!error)
        error = compile_path(c, node, node->key, false, &r->path);
    if (error)
        return error;
    if (last_part(name) || strpbrk(name, "{}") || strlen(name) >= PATH_BYTES_MAX)
        return wrong(node, c->err,
                     "\"%.60s\" must be a name: what is renamed stays where it is; to put it "
                     "elsewhere is to move it (a dot in a name is written \\.)",
                     name);
    size_t parent = last_part(node->key);
    snprintf(text, sizeof text, "%.*s", parent ? (int)parent - 1 : 1, parent ? node->key : ".");
    error = doc_path_compile(text, !c->scope->outer, &r->parent, c->err);
    if (error)
        return wrong_at(node, error, c->err);
    snprintf(text, sizeof text, "%.*s%s", (int)parent, node->key, name);
    error = compile_path(c, node, text, true, &r->renamed);
    if (!error)
        r->name = doc_path_part(r->renamed, doc_path_count(r->renamed) - 1);
    return error;
}

/* Of a list's places the last first, and what is inside of something before that: then each path
 * leads to what it did in the payload as it came. */
static int last_first(const void *a, const void *b)
{
    const struct doc_path *x = *(const struct doc_path *const *)a;
    const struct doc_path *y = *(const struct doc_path *const *)b;
    size_t m = doc_path_count(x), n = doc_path_count(y);
    for (size_t i = 0; i < m && i < n; i++) {
        struct mg_str p = doc_path_part(x, i), q = doc_path_part(y, i);
        int order = p.len != q.len ? (p.len < q.len ? -1 : 1) : memcmp(p.at, q.at, p.len);
        if (order)
            return -order;
    }
    return (m < n) - (m > n);
}

static int collect_taken(struct compile *c)
{
    struct mapping *m = c->m;
    size_t count = 0;
    if (!m->move_count && !m->remove_count)
        return 0;
    m->taken = calloc(m->move_count + m->remove_count, sizeof *m->taken);
    if (!m->taken)
        return out_of_memory(c->err);
    for (size_t i = 0; i < m->move_count; i++)
        m->taken[count++] = m->moves[i].from;
    for (size_t i = 0; i < m->remove_count; i++)
        m->taken[count++] = m->removes[i];
    qsort(m->taken, count, sizeof *m->taken, last_first);
    return 0;
}

static int deeper_first(const void *a, const void *b)
{
    size_t x = doc_path_count(((const struct renaming *)a)->path);
    size_t y = doc_path_count(((const struct renaming *)b)->path);
    return (x < y) - (x > y);
}

static int compile_renames(struct compile *c)
{
    const struct mg_node *map = c->rules->rename;
    int error = need_map(map, "rename", "paths to new names", c->err);
    if (error || !count_of(map))
        return error;
    c->m->renames = calloc(map->count, sizeof *c->m->renames);
    if (!c->m->renames)
        return out_of_memory(c->err);
    for (; c->m->rename_count < map->count && !error; c->m->rename_count++)
        error =
            compile_rename(c, map->items[c->m->rename_count], &c->m->renames[c->m->rename_count]);
    return error;
}

static int compile_moves(struct compile *c)
{
    const struct mg_node *map = c->rules->move;
    int error = need_map(map, "move", "paths to other paths", c->err);
    if (error || !count_of(map))
        return error;
    c->m->moves = calloc(map->count, sizeof *c->m->moves);
    if (!c->m->moves)
        return out_of_memory(c->err);
    for (; c->m->move_count < map->count && !error; c->m->move_count++) {
        const struct mg_node *node = map->items[c->m->move_count];
        struct movement *move = &c->m->moves[c->m->move_count];
        const char *to;
        error = constant_text(node, &to, c->err);
        if (!error)
            error = compile_path(c, node, node->key, false, &move->from);
        if (!error)
            error = compile_path(c, node, to, false, &move->to);
    }
    return error;
}

/* ---- all ------------------------------------------------------------------------------------ */

static bool is_there(const struct mg_node *node)
{
    return node && node->type != MG_NODE_NULL && (node->type == MG_NODE_SCALAR || node->count > 0);
}

static int choose_mode(struct compile *c)
{
    const struct rules *r = c->rules;
    uint32_t mode = r->mode ? r->mode : is_there(r->fields) ? MODE_REPLACE : MODE_MERGE;
    c->m->merge = mode == MODE_MERGE;
    if (c->m->merge)
        return 0;
    const struct mg_node *const changes[] = {r->remove, r->rename, r->move};
    static const char *const names[] = {"remove", "rename", "move"};
    for (size_t i = 0; i < 3; i++) {
        if (!is_there(changes[i]))
            continue;
        c->err->option = names[i];
        return wrong(changes[i], c->err,
                     "mode: replace takes over nothing but the fields, so there is nothing to %s "
                     "(use mode: merge)",
                     names[i]);
    }
    if (is_there(r->fields) || is_there(r->set))
        return 0;
    c->err->option = "fields";
    snprintf(c->err->text, sizeof c->err->text,
             "mode: replace without fields would make every payload {}");
    return -EINVAL;
}

int mapping_compile(const struct rules *rules, const struct scope *scope,
                    struct mapping **ret_mapping, struct mg_err *reterr)
{
    struct mapping *m = calloc(1, sizeof *m);
    if (!m)
        return out_of_memory(reterr);
    m->on_missing = rules->on_missing;
    struct compile c = {m, rules, scope, reterr};
    int error = choose_mode(&c);
    if (!error)
        error = compile_moves(&c);
    if (!error)
        error = compile_removes(&c);
    if (!error)
        error = collect_taken(&c);
    if (!error)
        error = compile_renames(&c);
    if (!error)
        error = compile_fields(&c);
    if (!error)
        error = mapping_check(m, rules, reterr);
    if (error) {
        mapping_free(m);
        return error;
    }
    m->copies = m->merge || mapping_nests(m);
    if (m->rename_count)
        qsort(m->renames, m->rename_count, sizeof *m->renames, deeper_first);
    reterr->option = NULL;
    *ret_mapping = m;
    return 0;
}

static const char *const keys[] = {"fields", "mode", "rename", "move", "remove", "set", "defaults"};

bool mapping_is_key(const char *key)
{
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!strcmp(keys[i], key))
            return true;
    return false;
}

int mapping_compile_items(const struct mg_node *map, const struct scope *scope, uint32_t on_missing,
                          struct mapping **ret_mapping, struct mg_err *reterr)
{
    const struct mg_node *mode = entry_of(map, "mode");
    struct rules rules = {.self = map,
                          .fields = entry_of(map, "fields"),
                          .rename = entry_of(map, "rename"),
                          .move = entry_of(map, "move"),
                          .remove = entry_of(map, "remove"),
                          .set = entry_of(map, "set"),
                          .defaults = entry_of(map, "defaults"),
                          .on_missing = on_missing};
    if (mode && mode->type == MG_NODE_SCALAR)
        rules.mode = !strcmp(mode->text, "replace") ? MODE_REPLACE
                     : !strcmp(mode->text, "merge") ? MODE_MERGE
                                                    : MODE_AUTO;
    if (mode && !rules.mode)
        return wrong(mode, reterr, "mode is replace or merge");
    return mapping_compile(&rules, scope, ret_mapping, reterr);
}

void mapping_free(struct mapping *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->fields && i < m->field_count + m->set_count + m->default_count; i++)
        field_fini(&m->fields[i]);
    for (size_t i = 0; i < m->rename_count; i++) {
        doc_path_free(m->renames[i].path);
        doc_path_free(m->renames[i].parent);
        doc_path_free(m->renames[i].renamed);
    }
    for (size_t i = 0; i < m->move_count; i++) {
        doc_path_free(m->moves[i].from);
        doc_path_free(m->moves[i].to);
    }
    for (size_t i = 0; i < m->remove_count; i++)
        doc_path_free(m->removes[i]);
    free(m->fields);
    free(m->renames);
    free(m->moves);
    free(m->removes);
    free(m->taken);
    free(m);
}

bool mapping_changes(const struct mapping *m)
{
    return m->field_count || m->set_count || m->default_count || m->rename_count || m->move_count ||
           m->remove_count;
}

bool mapping_reads(const struct mapping *m)
{
    bool reads = m->merge;
    for (size_t i = 0; i < m->field_count + m->set_count + m->default_count; i++)
        reads = reads || field_reads(&m->fields[i]);
    return reads;
}
