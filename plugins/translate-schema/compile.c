/* SPDX-License-Identifier: Apache-2.0 */
/* Compilation: from the schema that is wanted to all that it can reach. */
#include "compile.h"
#include "check.h"
#include "loops.h"
#include "memory.h"
#include "validator.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct validator {
    struct library library;
    struct compiler compiler;
    const struct schema *schema;
};

int no_memory(struct compiler *c)
{
    return out_of_memory(c->err);
}

int wrong(struct compiler *c, const struct keyword_place *p, const char *format, ...)
{
    char what[160];
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    const char *at = pointer_join(&c->library->memory, p->schema->pointer,
                                  (struct mg_str){p->name, strlen(p->name)});
    if (!at)
        return no_memory(c);
    return refuse(p->schema->resource->document, at, c->err, "%s %s", p->name, what);
}

struct check *add_check(struct compiler *c, const struct keyword_place *p, check_apply *apply,
                        uint32_t kinds)
{
    struct schema *s = p->schema;
    if (!s->checks) /* no more than there are members */
        s->checks = take(&c->library->memory, p->object->count * sizeof *s->checks);
    if (!s->checks) {
        no_memory(c);
        return NULL;
    }
    struct check *check = &s->checks[s->count++];
    *check = (struct check){.apply = apply, .kinds = kinds, .keyword = p->name};
    return check;
}

/* ---- subschemas ----------------------------------------------------------------------------- */

int compile_target(struct compiler *c, const struct target *t, struct schema **ret)
{
    struct arena *memory = &c->library->memory;
    struct schema *s = table_get(&c->schemas, table_key_of(t->value));
    *ret = s;
    if (s)
        return 0;
    if (t->value->kind != DOC_OBJECT && t->value->kind != DOC_BOOL)
        return refuse(t->resource->document, t->pointer, c->err,
                      "a schema is an object, true or false");
    if (t->resource->refusal)
        return refuse(t->resource->document, t->resource->pointer, c->err, "%s",
                      t->resource->refusal);
    s = take(memory, sizeof *s);
    if (!s || table_put(&c->schemas, memory, table_key_of(t->value), s))
        return no_memory(c);
    *s = (struct schema){.resource = t->resource, .pointer = t->pointer, .value = t->value};
    s->resource->reached = true;
    if (t->value->kind == DOC_BOOL)
        s->form = t->value->truth ? SCHEMA_ALWAYS : SCHEMA_NEVER;
    s->next = c->waiting;
    c->waiting = s;
    *ret = s;
    return 0;
}

static int compile_at(struct compiler *c, const struct keyword_place *p, struct doc_value *value,
                      const char *pointer, struct schema **ret)
{
    struct resource *own = table_get(&c->library->by_value, table_key_of(value));
    struct target t = {own ? own : p->schema->resource, value, pointer};
    return pointer ? compile_target(c, &t, ret) : no_memory(c);
}

static const char *pointer_of(struct compiler *c, const struct keyword_place *p)
{
    return pointer_join(&c->library->memory, p->schema->pointer,
                        (struct mg_str){p->name, strlen(p->name)});
}

int compile_value(struct compiler *c, const struct keyword_place *p, struct schema **ret)
{
    return compile_at(c, p, p->value, pointer_of(c, p), ret);
}

int compile_member(struct compiler *c, const struct keyword_place *p, size_t index,
                   struct schema **ret)
{
    const struct doc_member *m = &p->value->members[index];
    const char *in = pointer_of(c, p);
    return compile_at(c, p, m->value, in ? pointer_join(&c->library->memory, in, m->name) : NULL,
                      ret);
}

int compile_list(struct compiler *c, const struct keyword_place *p, struct schema_list *ret)
{
    struct arena *memory = &c->library->memory;
    const char *in = pointer_of(c, p);
    if (p->value->kind != DOC_LIST)
        return wrong(c, p, "must be a list of schemas");
    ret->at = take(memory, (p->value->count + 1) * sizeof(struct schema *));
    if (!in || !ret->at)
        return no_memory(c);
    int error = 0;
    for (size_t i = 0; !error && i < p->value->count; i++)
        error =
            compile_at(c, p, p->value->items[i], pointer_join_index(memory, in, i), &ret->at[i]);
    ret->count = p->value->count;
    return error;
}

int compile_regex(struct compiler *c, const struct keyword_place *p, struct mg_str pattern,
                  const struct regex **ret)
{
    struct mg_err why = {.text = ""};
    struct regex *regex;
    struct owned_regex *owned = take(&c->library->memory, sizeof *owned);
    if (!owned)
        return no_memory(c);
    int error = regex_compile(pattern, &regex, &why);
    if (error)
        return error == -ENOMEM
                   ? no_memory(c)
                   : wrong(c, p, "has a pattern that is no regular expression: %.100s", why.text);
    *owned = (struct owned_regex){regex, c->regexes};
    c->regexes = owned;
    *ret = regex;
    return 0;
}

/* ---- one schema ----------------------------------------------------------------------------- */

static bool speaks(const struct keyword *k, const struct resource *r)
{
    return (k->drafts >> r->draft & 1) && (k->vocabulary & r->vocabularies);
}

bool beside(const struct keyword_place *p, const char *name, struct keyword_place *ret)
{
    struct doc_value *value = doc_get(p->object, (struct mg_str){name, strlen(name)});
    for (const struct keyword *k = keywords; value && k->name; k++) {
        if (strcmp(k->name, name) != 0 || !speaks(k, p->schema->resource))
            continue;
        *ret = (struct keyword_place){p->schema, p->object, value, k->name};
        return true;
    }
    return false;
}

static int compile_keywords(struct compiler *c, struct schema *s)
{
    bool only_ref = s->resource->draft == DRAFT_07 &&
                    doc_get(s->value, (struct mg_str){"$ref", 4}); /* all beside it is ignored */
    for (const struct keyword *k = keywords; k->name; k++) {
        if (!k->compile || !speaks(k, s->resource) || (only_ref && strcmp(k->name, "$ref") != 0))
            continue;
        struct doc_value *value = doc_get(s->value, (struct mg_str){k->name, strlen(k->name)});
        const struct keyword_place place = {s, s->value, value, k->name};
        int error = value ? k->compile(c, &place) : 0;
        if (error)
            return error;
    }
    if (!s->count)
        s->form = SCHEMA_ALWAYS;
    return 0;
}

static int compile_waiting(struct compiler *c)
{
    for (struct schema *s; (s = c->waiting);) {
        c->waiting = s->next;
        s->next = c->done;
        c->done = s;
        int error = s->value->kind == DOC_OBJECT ? compile_keywords(c, s) : 0;
        if (error)
            return error;
    }
    return 0;
}

/* The schemas that dynamic references may lead to, in all resources that were reached. */
static int compile_dynamic(struct compiler *c, bool *ret_more)
{
    *ret_more = false;
    for (struct resource *r = c->library->resources; r; r = r->next) {
        for (struct anchor *a = r->reached ? r->anchors : NULL; a; a = a->next) {
            const struct target t = {r, a->value, a->pointer};
            struct schema *s;
            bool wanted = false;
            for (const struct wanted_anchor *w = c->wanted; w && !wanted; w = w->next)
                wanted = a->dynamic && w->name.len == a->name.len &&
                         !memcmp(w->name.at, a->name.at, a->name.len);
            int error = wanted ? compile_target(c, &t, &s) : 0;
            if (error)
                return error;
            if (wanted)
                a->schema = s;
        }
    }
    *ret_more = c->waiting != NULL;
    return 0;
}

int compile_all(struct compiler *c, struct resource *root, struct schema **ret)
{
    const struct target t = {root, root->value, root->pointer};
    bool more = true;
    int error = compile_target(c, &t, ret);
    while (!error && more) {
        error = compile_waiting(c);
        if (!error)
            error = compile_dynamic(c, &more);
    }
    return error;
}

/* ---- a validator ---------------------------------------------------------------------------- */

int validator_create(const struct validator_options *options, struct validator **ret,
                     struct mg_err *reterr)
{
    struct validator *v = calloc(1, sizeof *v);
    if (!v)
        return out_of_memory(reterr);
    v->compiler.library = &v->library;
    v->compiler.assert_formats = options->assert_formats;
    int error = library_init(&v->library, options->draft, reterr);
    if (error) {
        validator_destroy(v);
        return error;
    }
    *ret = v;
    return 0;
}

void compiler_fini(struct compiler *c)
{
    for (struct owned_regex *r = c->regexes; r; r = r->next)
        regex_free(r->regex);
    c->regexes = NULL;
}

void validator_destroy(struct validator *v)
{
    if (!v)
        return;
    compiler_fini(&v->compiler);
    library_fini(&v->library);
    free(v);
}

struct library *validator_library(struct validator *v)
{
    return &v->library;
}

const struct schema *validator_schema(const struct validator *v)
{
    return v->schema;
}

const struct schema *validator_find(const struct validator *v, struct mg_str uri)
{
    if (uri.len && uri.at[uri.len - 1] == '#')
        uri.len--;
    const struct resource *r = table_get(&v->library.by_uri, uri);
    return r ? table_get(&v->compiler.schemas, table_key_of(r->value)) : NULL;
}

int validator_compile(struct validator *v, struct document *document, bool all,
                      struct mg_err *reterr)
{
    struct compiler *c = &v->compiler;
    struct schema *schema = NULL, *any;
    c->err = reterr;
    int error = check_schemas(&v->library, document, all, reterr);
    if (!error)
        error = library_identify(&v->library, reterr);
    if (!error && document)
        error = compile_all(c, document->root, &schema);
    for (struct document *d = v->library.documents; d && all && !error; d = d->next)
        error = compile_all(c, d->root, &any);
    if (!error)
        error = refuse_loops(c);
    if (!error)
        v->schema = schema;
    return error;
}
