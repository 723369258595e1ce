/* SPDX-License-Identifier: Apache-2.0 */
/* Documents are added, references are looked up. */
#include "library.h"
#include "memory.h"
#include "metaschemas.h"
#include "uri.h"
#include <errno.h>
#include <stdio.h>

static const struct mg_str draft_uris[] = {
    [DRAFT_2020_12] = {"https://json-schema.org/draft/2020-12/schema", 44},
    [DRAFT_07] = {"http://json-schema.org/draft-07/schema", 38},
};

static bool same(struct mg_str a, struct mg_str b)
{
    return a.len == b.len && !memcmp(a.at, b.at, a.len);
}

int draft_of_uri(struct mg_str uri)
{
    for (enum draft draft = DRAFT_2020_12; draft <= DRAFT_07; draft++)
        if (same(uri, draft_uris[draft]))
            return (int)draft;
    return DRAFT_UNKNOWN;
}

struct mg_str draft_uri(enum draft draft)
{
    return draft_uris[draft];
}

int library_init(struct library *l, enum draft draft, struct mg_err *reterr)
{
    *l = (struct library){.draft = draft, .doc = doc_create()};
    return l->doc ? 0 : out_of_memory(reterr);
}

void library_fini(struct library *l)
{
    doc_destroy(l->doc);
    arena_fini(&l->memory);
    *l = (struct library){0};
}

static char *copied(struct arena *arena, const void *at, size_t length)
{
    char *copy = take(arena, length + 1);
    if (copy && length)
        memcpy(copy, at, length);
    return copy;
}

/* The root of a document is a resource under the place where it was found, and under its $id. */
static int add(struct library *l, struct document *d, struct mg_str found_uri,
               struct doc_value *value, struct document **ret, struct mg_err *reterr)
{
    struct resource *r = take(&l->memory, sizeof *r);
    struct doc_value *id = doc_get(value, (struct mg_str){"$id", 3});
    if (!r || !uri_resolve(&l->memory, found_uri, (struct mg_str){0}, &found_uri))
        return out_of_memory(reterr);
    *r = (struct resource){.uri = found_uri, .document = d, .pointer = "", .value = value};
    if (id && id->kind == DOC_TEXT && !uri_resolve(&l->memory, found_uri, id->text, &r->uri))
        return out_of_memory(reterr);
    d->root = r;
    d->uri = found_uri;
    *(l->last_document ? &l->last_document->next : &l->documents) = d;
    l->last_document = d;
    r->next = l->resources;
    l->resources = r;
    bool taken = table_get(&l->by_uri, r->uri) != NULL; /* the first one counts */
    if ((!taken && table_put(&l->by_uri, &l->memory, r->uri, r)) ||
        table_put(&l->by_uri, &l->memory, found_uri, r) ||
        table_put(&l->by_value, &l->memory, table_key_of(value), r))
        return out_of_memory(reterr);
    *ret = d;
    return 0;
}

int library_add_text(struct library *l, const char *name, struct mg_str uri, struct mg_bytes text,
                     struct document **ret, struct mg_err *reterr)
{
    struct mg_err wrong = {.text = ""};
    struct doc_value *value;
    struct document *d = take(&l->memory, sizeof *d);
    char *copy = d ? copied(&l->memory, text.at, text.len) : NULL;
    if (!copy || !(d->name = copied(&l->memory, name, strlen(name))))
        return out_of_memory(reterr);
    d->text = (struct mg_bytes){copy, text.len};
    if (text.len > DOCUMENT_BYTES_MAX || l->document_count++ == DOCUMENTS_MAX) {
        snprintf(reterr->text, sizeof reterr->text, "%.80s: %s", name,
                 text.len > DOCUMENT_BYTES_MAX ? "larger than 16 MiB" : "more than 4096 schemas");
        return -EINVAL;
    }
    int error = doc_parse(l->doc, d->text, &value, &wrong);
    if (error) {
        snprintf(reterr->text, sizeof reterr->text, "%.80s: %.160s", name, wrong.text);
        return error;
    }
    return add(l, d, uri, value, ret, reterr);
}

int library_add_tree(struct library *l, const char *name, struct mg_str uri,
                     const struct mg_node *node, struct document **ret, struct mg_err *reterr)
{
    struct doc_value *value;
    struct document *d = take(&l->memory, sizeof *d);
    if (!d || !(d->name = copied(&l->memory, name, strlen(name))))
        return out_of_memory(reterr);
    d->tree = node;
    int error = doc_of_tree(l->doc, node, &value, reterr);
    return error ? error : add(l, d, uri, value, ret, reterr);
}

/* ---- references ----------------------------------------------------------------------------- */

const struct anchor *resource_anchor(const struct resource *r, struct mg_str name)
{
    for (const struct anchor *a = r->anchors; a; a = a->next)
        if (a->name.len == name.len && !memcmp(a->name.at, name.at, name.len))
            return a;
    return NULL;
}

static size_t unescape_part(const char *at, size_t length, char *out)
{
    size_t n = 0;
    for (size_t i = 0; i < length; i++) {
        if (at[i] == '~' && i + 1 < length && (at[i + 1] == '0' || at[i + 1] == '1'))
            out[n++] = at[++i] == '0' ? '~' : '/';
        else
            out[n++] = at[i];
    }
    return n;
}

static struct doc_value *step(const struct doc_value *value, const char *part, size_t length)
{
    size_t index = 0;
    if (value->kind != DOC_LIST)
        return doc_get(value, (struct mg_str){part, length});
    if (!length || length > 9 || (length > 1 && *part == '0'))
        return NULL;
    for (size_t i = 0; i < length; i++) {
        if (part[i] < '0' || part[i] > '9')
            return NULL;
        index = index * 10 + (size_t)(part[i] - '0');
    }
    return doc_at(value, index);
}

/* Follows a JSON pointer; where it crosses into another resource, that one is the base. */
static int follow(struct library *l, struct mg_str pointer, struct target *t)
{
    char *part = take(&l->memory, pointer.len + 1);
    if (!part)
        return -ENOMEM;
    for (const char *at = pointer.at, *end = at + pointer.len; at < end;) {
        const char *next = memchr(at + 1, '/', (size_t)(end - at - 1));
        next = next ? next : end;
        size_t length = unescape_part(at + 1, (size_t)(next - at - 1), part);
        t->value = step(t->value, part, length);
        if (!t->value)
            return -ENOENT;
        if (!(t->pointer = pointer_join(&l->memory, t->pointer, (struct mg_str){part, length})))
            return -ENOMEM;
        struct resource *inner = table_get(&l->by_value, table_key_of(t->value));
        t->resource = inner ? inner : t->resource;
        at = next;
    }
    return 0;
}

static int add_metaschemas(struct library *l, struct mg_err *reterr)
{
    for (const struct metaschema *m = metaschemas; m->name; m++) {
        struct document *document;
        struct mg_str uri = {"meshgate:metaschema", 19};
        int error = library_add_text(l, m->name, uri, m->text, &document, reterr);
        if (error)
            return error;
        document->built_in = true;
    }
    return library_identify(l, reterr);
}

/* The metaschemas of both drafts come when one is asked for. */
static int find_resource(struct library *l, struct mg_str uri, struct resource **ret,
                         struct mg_err *reterr)
{
    static const char prefix[] = "https://json-schema.org/draft/2020-12/";
    *ret = table_get(&l->by_uri, uri);
    bool built_in = draft_of_uri(uri) != DRAFT_UNKNOWN ||
                    (uri.len > sizeof prefix && !memcmp(uri.at, prefix, sizeof prefix - 1));
    if (*ret || !built_in || l->has_metaschemas)
        return 0;
    l->has_metaschemas = true;
    int error = add_metaschemas(l, reterr);
    *ret = table_get(&l->by_uri, uri);
    return error;
}

int library_find(struct library *l, const struct resource *base, struct mg_str reference,
                 struct target *ret, struct mg_err *reterr)
{
    struct mg_str uri, fragment = uri_split(reference).fragment;
    if (!uri_resolve(&l->memory, base->uri, reference, &uri) ||
        !uri_unescape(&l->memory, fragment, &fragment))
        return out_of_memory(reterr);
    struct resource *r;
    int error = find_resource(l, uri, &r, reterr);
    if (error)
        return error;
    if (!r) {
        snprintf(reterr->text, sizeof reterr->text,
                 "there is no schema %.*s here; schemas are not fetched: name its file in schemas",
                 (int)(uri.len < 100 ? uri.len : 100), uri.at);
        return -ENOENT;
    }
    *ret = (struct target){r, r->value, r->pointer};
    if (!fragment.len)
        return 0;
    error = -ENOENT;
    const struct anchor *anchor = *fragment.at == '/' ? NULL : resource_anchor(r, fragment);
    if (anchor) {
        *ret = (struct target){r, anchor->value, anchor->pointer};
        error = 0;
    } else if (*fragment.at == '/') {
        error = follow(l, fragment, ret);
    }
    if (error == -ENOENT)
        snprintf(reterr->text, sizeof reterr->text, "the schema has nothing at #%.*s",
                 (int)(fragment.len < 100 ? fragment.len : 100), fragment.at);
    return error == -ENOMEM ? out_of_memory(reterr) : error;
}
