/* SPDX-License-Identifier: Apache-2.0 */
/* A field out of YAML. */
#include "field.h"
#include "constant.h"
#include "mapping.h"
#include "wrong.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORIGINS_MAX = 16, LIMIT_MAX = 1000000 };
static const char known[] =
    "from, first_of, value, each, list_of, object_of; default, type, scale, "
    "offset, unit, round, time, enum, else, trim, case, split, join";

/* ---- sources -------------------------------------------------------------------------------- */

/* A text with a field in it is a template, any other a path into the payload. */
static int compile_origin(struct origin *o, const struct mg_node *node, const struct scope *scope,
                          struct doc *doc, struct mg_err *err)
{
    struct doc_value *plain;
    const char *text;
    if (node->type != MG_NODE_SCALAR)
        return wrong(node, err, "a source is a path, as temperature, or a text, as \"{line}\"");
    if (constant_plain(node, doc, &plain))
        return out_of_memory(err);
    if (plain)
        return wrong(node, err,
                     *node->text ? "a constant is written { value: %.40s }"
                                 : "a source is a path, as temperature, or a text%.40s",
                     *node->text ? node->text : ", as \"{line}\"");
    int error = constant_text(node, &text, err);
    if (error)
        return error;
    error = strpbrk(text, "{}") ? wording_compile(text, scope, &o->wording, err)
                                : place_compile(text, scope, &o->place, NULL, err);
    if (!error && o->wording && !wording_has_fields(o->wording))
        return wrong(node, err, "a constant text is written { value: \"…\" }");
    return wrong_at(node, error, err);
}

static int compile_origins(struct field *f, const struct mg_node *node, const struct scope *scope,
                           struct mg_err *err)
{
    bool list = node->key && !strcmp(node->key, "first_of");
    if (list && (node->type != MG_NODE_LIST || !node->count || node->count > ORIGINS_MAX))
        return wrong(node, err, "first_of is a list of 1 to %d paths or texts", ORIGINS_MAX);
    size_t count = list ? node->count : 1;
    f->source = FROM_ORIGINS;
    f->origins = calloc(count, sizeof *f->origins);
    int error = f->origins ? 0 : out_of_memory(err);
    for (; f->origin_count < count && !error; f->origin_count++)
        error =
            compile_origin(&f->origins[f->origin_count], list ? node->items[f->origin_count] : node,
                           scope, scope->constants, err);
    return error;
}

/* The place of a list or of an object that is read part by part. */
static int compile_collection(struct field *f, const struct mg_node *node,
                              const struct scope *scope, struct mention **ret_mention,
                              struct mg_err *err)
{
    const char *text;
    f->origins = calloc(1, sizeof *f->origins);
    if (!f->origins)
        return out_of_memory(err);
    f->origin_count = 1;
    int error = constant_text(node, &text, err);
    if (error)
        return error;
    if (strpbrk(text, "{}"))
        return wrong(node, err, "%s is a path", node->key);
    return wrong_at(node, place_compile(text, scope, &f->origins[0].place, ret_mention, err), err);
}

/* ---- lists and objects ---------------------------------------------------------------------- */

static int member_name(const struct mg_node *map, const char *key, const char *otherwise,
                       struct mg_str *ret, struct mg_err *err)
{
    const struct mg_node *node = entry_of(map, key);
    const char *text = otherwise;
    int error = node ? constant_text(node, &text, err) : 0;
    *ret = (struct mg_str){text, strlen(text)};
    return error;
}

/* Of object_of, a list's items are read as far as their two members; of list_of, an object's are
 * read whole, since they go into the items. */
static int mention_parts(struct field *f, struct mention *at)
{
    if (f->source == FROM_LIST_OF) {
        mention_all(at);
        return 0;
    }
    struct mention *each = mention_each(at), *part;
    struct doc_path *path;
    struct mg_err err;
    for (int i = 0; each && i < 2; i++) {
        struct mg_str name = i ? f->value_as : f->name_as;
        if (doc_path_compile(name.at, false, &path, &err))
            return -ENOMEM;
        int error = mention_path(each, path, &part);
        doc_path_free(path);
        if (error)
            return error;
        mention_all(part);
    }
    return each ? 0 : -ENOMEM;
}

static int compile_items(struct field *f, const struct mg_node *map, const struct mg_node *node,
                         const struct field_rules *rules, struct mg_err *err)
{
    size_t depth = 0, own_rules = 0;
    for (const struct scope *s = rules->scope; s; s = s->outer)
        depth++;
    if (depth == LEVELS_MAX)
        return wrong(node, err, "lists in lists, more than %d levels", LEVELS_MAX);
    struct mention *at, *aside = NULL;
    int error = compile_collection(f, node, rules->scope, &at, err);
    if (!error && f->source != FROM_EACH) {
        error = member_name(map, "name", "name", &f->name_as, err);
        if (!error)
            error = member_name(map, "value", "value", &f->value_as, err);
        if (!error && f->name_as.len == f->value_as.len &&
            !memcmp(f->name_as.at, f->value_as.at, f->name_as.len))
            error = wrong(node, err, "name and value are two members, with two names");
        if (!error && mention_parts(f, at))
            error = out_of_memory(err);
    }
    for (size_t i = 0; i < map->count; i++)
        own_rules += mapping_is_key(map->items[i]->key);
    if (error || f->source == FROM_OBJECT_OF)
        return error;
    /* The items of list_of are made here: nobody else's to mention. */
    if (f->source == FROM_LIST_OF && !(aside = mention_create()))
        return out_of_memory(err);
    struct scope scope = {.constants = rules->scope->constants,
                          .mention = aside ? aside : mention_each(at),
                          .outer = rules->scope};
    if (!scope.mention)
        error = out_of_memory(err);
    else if (own_rules)
        error = mapping_compile_items(map, &scope, rules->on_missing, &f->items, err);
    else
        mention_all(scope.mention);
    mention_destroy(aside);
    return error;
}

/* ---- a field -------------------------------------------------------------------------------- */

static const char *const sources[] = {"from", "first_of", "value", "each", "list_of", "object_of"};

/* The one entry that says where the value comes from.  `value` is another thing beside list_of. */
static int find_source(const struct mg_node *map, const struct mg_node **ret, size_t *ret_source,
                       struct mg_err *err)
{
    *ret = NULL;
    for (size_t i = sizeof sources / sizeof sources[0]; i-- > 0;) {
        const struct mg_node *node = entry_of(map, sources[i]);
        if (!node || (*ret && i == 2 && *ret_source > 3))
            continue;
        if (*ret)
            return wrong(node, err, "%.60s needs either %s or %s, not both", map->key, sources[i],
                         sources[*ret_source]);
        *ret = node;
        *ret_source = i;
    }
    if (*ret)
        return 0;
    return wrong(map, err,
                 "%.60s needs from or value, or first_of, each, list_of, object_of (a nested field "
                 "is written as a dotted name)",
                 map->key);
}

static int compile_source(struct field *f, const struct mg_node *map, const struct mg_node *node,
                          size_t source, const struct field_rules *rules, struct mg_err *err)
{
    if (source < 2)
        return compile_origins(f, node, rules->scope, err);
    f->source = (enum source)(FROM_VALUE + source - 2);
    if (source > 2)
        return compile_items(f, map, node, rules, err);
    f->value = constant_of(node, rules->scope->constants);
    return f->value ? 0 : out_of_memory(err);
}

static int compile_member(struct field *f, const struct mg_node *node, const struct scope *scope,
                          struct mg_err *err)
{
    const char *key = node->key;
    bool items = f->source == FROM_EACH || f->source == FROM_LIST_OF;
    bool pairs = f->source == FROM_LIST_OF || f->source == FROM_OBJECT_OF;
    if (!strcmp(key, "default")) {
        f->fallback = constant_of(node, scope->constants);
        return f->fallback ? 0 : out_of_memory(err);
    }
    if (!strcmp(key, "limit") && f->source >= FROM_EACH)
        return constant_whole(node, 1, LIMIT_MAX, &f->limit, err);
    if ((items && mapping_is_key(key)) ||
        (pairs && (!strcmp(key, "name") || !strcmp(key, "value"))))
        return 0; /* read already */
    int error = convert_compile(&f->convert, node, scope->constants, err);
    if (error == -ENOMEM)
        return out_of_memory(err);
    if (error != 1)
        return error;
    return wrong(node, err, "unknown key \"%.40s\": %s are known", key, known);
}

/* What does not go together. */
static int check(struct field *f, const struct mg_node *node, struct mg_err *err)
{
    if (f->value && (f->fallback || f->convert.any))
        return wrong(
            node, err,
            "%.60s: default, type, scale, offset and the like go with from, not with value",
            node->key);
    if (f->convert.any && (f->items || f->source == FROM_LIST_OF))
        return wrong(node, err, "%.60s: conversions stand in the fields of the items", node->key);
    if (f->convert.any && f->source >= FROM_EACH && (f->convert.split.at || f->convert.join.at))
        return wrong(node, err, "%.60s: split and join go with from", node->key);
    return f->convert.any ? convert_check(&f->convert, node, err) : 0;
}

static int compile_target(struct field *f, const struct mg_node *node,
                          const struct field_rules *rules, struct mg_err *err)
{
    bool of_event = rules->into_payload && !rules->scope->outer;
    struct mention *at;
    f->limit = LIMIT_MAX;
    int error = doc_path_compile(node->key, of_event, &f->target, err);
    if (!error && doc_path_is_root(f->target))
        return wrong(node, err, "a field needs a name");
    if (!error && rules->into_payload) {
        error = mention_path(rules->scope->mention, f->target, &at);
        if (error)
            return out_of_memory(err);
        mention_all(at);
    }
    return wrong_at(node, error, err);
}

int field_compile(const struct mg_node *node, const struct field_rules *rules, struct field *f,
                  struct mg_err *reterr)
{
    const struct mg_node *from = node;
    size_t source = 0;
    *f = (struct field){0};
    int error = compile_target(f, node, rules, reterr);
    if (error)
        return error;
    if (node->type != MG_NODE_MAP)
        return compile_origins(f, node, rules->scope, reterr);
    error = find_source(node, &from, &source, reterr);
    if (!error)
        error = compile_source(f, node, from, source, rules, reterr);
    for (size_t i = 0; i < node->count && !error; i++)
        if (node->items[i] != from)
            error = compile_member(f, node->items[i], rules->scope, reterr);
    return error ? error : check(f, node, reterr);
}

int field_compile_set(const struct mg_node *node, const struct field_rules *rules, struct field *f,
                      struct mg_err *reterr)
{
    *f = (struct field){0};
    int error = compile_target(f, node, rules, reterr);
    if (error)
        return error;
    if (node->type == MG_NODE_SCALAR && strpbrk(node->text, "{}")) {
        f->origins = calloc(1, sizeof *f->origins);
        if (!f->origins)
            return out_of_memory(reterr);
        f->origin_count = 1;
        error = wording_compile(node->text, rules->scope, &f->origins[0].wording, reterr);
        return wrong_at(node, error, reterr);
    }
    f->source = FROM_VALUE;
    f->value = constant_of(node, rules->scope->constants);
    return f->value ? 0 : out_of_memory(reterr);
}

void field_fini(struct field *f)
{
    for (size_t i = 0; i < f->origin_count; i++) {
        place_fini(&f->origins[i].place);
        wording_free(f->origins[i].wording);
    }
    free(f->origins);
    doc_path_free(f->target);
    convert_fini(&f->convert);
    mapping_free(f->items);
    *f = (struct field){0};
}

bool field_reads(const struct field *f)
{
    for (size_t i = 0; i < f->origin_count; i++)
        if (!f->origins[i].wording || wording_reads(f->origins[i].wording))
            return true;
    return false;
}
