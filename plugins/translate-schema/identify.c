/* SPDX-License-Identifier: Apache-2.0 */
/* Finds what has a name in a document: resources ($id) and anchors, and the dialect ($schema,
 * $vocabulary) that each resource is written in. */
#include "keywords.h"
#include "library.h"
#include "memory.h"
#include "uri.h"
#include <errno.h>
#include <stdio.h>

enum { METASCHEMA_CHAIN_MAX = 8 };

static struct doc_value *get(const struct doc_value *object, const char *name)
{
    return doc_get(object, (struct mg_str){name, strlen(name)});
}

static struct doc_value *text_of(const struct doc_value *object, const char *name)
{
    struct doc_value *value = get(object, name);
    return value && value->kind == DOC_TEXT ? value : NULL;
}

static bool is_text(struct mg_str text, const char *expected)
{
    return text.len == strlen(expected) && !memcmp(text.at, expected, text.len);
}

/* ---- dialects ------------------------------------------------------------------------------- */

static const struct {
    const char *name; /* behind https://json-schema.org/draft/2020-12/vocab/ */
    uint32_t bit;
} vocabularies[] = {
    {"core", VOCABULARY_CORE},
    {"applicator", VOCABULARY_APPLICATOR},
    {"unevaluated", VOCABULARY_UNEVALUATED},
    {"validation", VOCABULARY_VALIDATION},
    {"meta-data", VOCABULARY_META_DATA},
    {"format-annotation", VOCABULARY_FORMAT_ANNOTATION},
    {"format-assertion", VOCABULARY_FORMAT_ASSERTION},
    {"content", VOCABULARY_CONTENT},
};

enum { VOCABULARIES_USUAL = 0xff & ~VOCABULARY_FORMAT_ASSERTION };

static uint32_t vocabulary_bit(struct mg_str uri)
{
    static const char prefix[] = "https://json-schema.org/draft/2020-12/vocab/";
    size_t n = sizeof prefix - 1;
    if (uri.len < n || memcmp(uri.at, prefix, n) != 0)
        return 0;
    for (size_t i = 0; i < sizeof vocabularies / sizeof *vocabularies; i++)
        if (is_text((struct mg_str){uri.at + n, uri.len - n}, vocabularies[i].name))
            return vocabularies[i].bit;
    return 0;
}

/* What the $vocabulary of a metaschema says about schemas written in it. */
static void take_vocabulary(struct resource *r, const struct doc_value *vocabulary)
{
    r->vocabularies = VOCABULARY_CORE;
    for (size_t i = 0; i < vocabulary->count; i++) {
        const struct doc_member *m = &vocabulary->members[i];
        uint32_t bit = vocabulary_bit(m->name);
        r->vocabularies |= bit;
        if (!bit && m->value->kind == DOC_BOOL && m->value->truth)
            r->refusal = "its metaschema requires a vocabulary that is not known here";
    }
}

/* The dialect that $schema names, by way of metaschemas that are documents here. */
static void take_dialect(struct library *l, struct resource *r, struct mg_str name)
{
    r->refusal = NULL;
    r->vocabularies = VOCABULARIES_USUAL;
    const struct doc_value *vocabulary = NULL;
    for (int i = 0; i < METASCHEMA_CHAIN_MAX; i++) {
        struct mg_str uri;
        if (!uri_resolve(&l->memory, (struct mg_str){0}, name, &uri))
            break;
        int draft = draft_of_uri(uri);
        if (draft != DRAFT_UNKNOWN) {
            r->draft = (enum draft)draft;
            if (vocabulary && r->draft == DRAFT_2020_12)
                take_vocabulary(r, vocabulary);
            return;
        }
        struct resource *meta = table_get(&l->by_uri, uri);
        struct doc_value *next = meta ? text_of(meta->value, "$schema") : NULL;
        if (!next)
            break;
        struct doc_value *said = get(meta->value, "$vocabulary");
        if (!vocabulary && said && said->kind == DOC_OBJECT)
            vocabulary = said;
        name = next->text;
    }
    r->refusal = "its $schema is neither draft-07 nor 2020-12, nor a metaschema named in schemas";
}

/* ---- names ---------------------------------------------------------------------------------- */

struct seek {
    struct library *library;
    struct document *document;
    struct mg_err *err;
};

static int add_anchor(struct seek *s, struct resource *r, struct doc_value *value,
                      const char *pointer, struct mg_str name, bool dynamic)
{
    const struct anchor *same = resource_anchor(r, name);
    if (same && same->value != value)
        return refuse(s->document, pointer, s->err, "the anchor \"%.*s\" stands here twice",
                      (int)(name.len < 60 ? name.len : 60), name.at);
    struct anchor *a = take(&s->library->memory, sizeof *a);
    if (!a)
        return out_of_memory(s->err);
    *a = (struct anchor){name, value, pointer, dynamic, NULL, r->anchors};
    r->anchors = a;
    return 0;
}

/* $id begins a resource; in draft-07 a mere fragment is an anchor. */
static int take_id(struct seek *s, struct resource **r, struct doc_value *value,
                   const char *pointer)
{
    struct library *l = s->library;
    struct doc_value *id = text_of(value, "$id");
    bool old = (*r)->draft == DRAFT_07;
    if (!id || (old && get(value, "$ref")))
        return 0;
    struct mg_str fragment = uri_split(id->text).fragment;
    if (value != (*r)->value && !(old && id->text.len && *id->text.at == '#')) {
        struct resource *inner = take(&l->memory, sizeof *inner);
        if (!inner)
            return out_of_memory(s->err);
        *inner = **r;
        inner->document = s->document;
        inner->pointer = pointer;
        inner->value = value;
        inner->anchors = NULL;
        if (!uri_resolve(&l->memory, (*r)->uri, id->text, &inner->uri))
            return out_of_memory(s->err);
        struct resource *same = table_get(&l->by_uri, inner->uri);
        if (same && same->document == s->document && same->value != value)
            return refuse(s->document, pointer, s->err, "the $id %.*s stands here twice",
                          (int)(inner->uri.len < 80 ? inner->uri.len : 80), inner->uri.at);
        inner->next = l->resources;
        l->resources = inner;
        if ((!same && table_put(&l->by_uri, &l->memory, inner->uri, inner)) ||
            table_put(&l->by_value, &l->memory, table_key_of(value), inner))
            return out_of_memory(s->err);
        *r = inner;
    }
    struct doc_value *schema = text_of(value, "$schema");
    if (schema && value == (*r)->value)
        take_dialect(l, *r, schema->text);
    if (old && fragment.len)
        return add_anchor(s, *r, value, pointer, fragment, false);
    return 0;
}

static int take_anchors(struct seek *s, struct resource *r, struct doc_value *value,
                        const char *pointer)
{
    struct doc_value *anchor = text_of(value, "$anchor"),
                     *dynamic = text_of(value, "$dynamicAnchor");
    int error = 0;
    if (r->draft != DRAFT_2020_12)
        return 0;
    if (anchor)
        error = add_anchor(s, r, value, pointer, anchor->text, false);
    if (!error && dynamic)
        error = add_anchor(s, r, value, pointer, dynamic->text, true);
    return error;
}

static int seek(struct seek *s, struct resource *r, struct doc_value *value, const char *pointer);

static int seek_parts(struct seek *s, struct resource *r, const struct doc_value *in,
                      const char *pointer)
{
    struct arena *memory = &s->library->memory;
    int error = 0;
    for (size_t i = 0; !error && i < in->count; i++) {
        bool list = in->kind == DOC_LIST;
        const char *at = list ? pointer_join_index(memory, pointer, i)
                              : pointer_join(memory, pointer, in->members[i].name);
        error =
            at ? seek(s, r, list ? in->items[i] : in->members[i].value, at) : out_of_memory(s->err);
    }
    return error;
}

/* Through all subschemas, no deeper than a document is nested. */
static int seek(struct seek *s, struct resource *r, struct doc_value *value, const char *pointer)
{
    if (value->kind != DOC_OBJECT)
        return 0;
    int error = take_id(s, &r, value, pointer);
    if (!error)
        error = take_anchors(s, r, value, pointer);
    for (size_t i = 0; !error && i < value->count; i++) {
        const struct doc_member *m = &value->members[i];
        enum holds holds = keyword_holds(m->name, r->draft);
        if (holds == HOLDS_NOTHING)
            continue;
        const char *at = pointer_join(&s->library->memory, pointer, m->name);
        if (!at)
            return out_of_memory(s->err);
        if (m->value->kind == DOC_OBJECT && holds != HOLDS_MAP && holds != HOLDS_LIST)
            error = seek(s, r, m->value, at);
        else if ((m->value->kind == DOC_LIST && (holds == HOLDS_LIST || holds == HOLDS_EITHER)) ||
                 (m->value->kind == DOC_OBJECT && holds == HOLDS_MAP))
            error = seek_parts(s, r, m->value, at);
    }
    return error;
}

int library_identify(struct library *l, struct mg_err *reterr)
{
    for (struct document *d = l->documents; d; d = d->next) {
        struct seek s = {l, d, reterr};
        if (d->identified)
            continue;
        d->identified = true;
        struct doc_value *schema = text_of(d->root->value, "$schema");
        d->root->draft = l->draft;
        d->root->vocabularies = VOCABULARIES_USUAL;
        if (schema)
            take_dialect(l, d->root, schema->text);
        int error = seek(&s, d->root, d->root->value, "");
        if (error)
            return error;
    }
    return 0;
}
