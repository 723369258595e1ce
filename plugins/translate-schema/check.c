/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of the library is compiled together with the metaschemas, and forgotten. */
#include "check.h"
#include "compile.h"
#include "run.h"
#include <errno.h>

/* The metaschema that the document names, or that of its draft. */
static int metaschema_of(struct compiler *c, struct document *d, struct resource **ret)
{
    struct doc_value *said = doc_get(d->root->value, (struct mg_str){"$schema", 7});
    struct target t;
    int error = library_find(
        c->library, d->root,
        said && said->kind == DOC_TEXT ? said->text : draft_uri(d->root->draft), &t, c->err);
    *ret = error ? NULL : t.resource;
    return error;
}

static int check_document(struct compiler *c, struct document *d)
{
    struct run run;
    struct schema *meta = NULL;
    struct report_entry entry;
    char pointer[REPORT_BYTES];
    struct report report = {"the schema", 0, 1, &entry, pointer};
    if (d->root->refusal)
        return refuse(d, "", c->err, "%s", d->root->refusal);
    struct resource *resource;
    int error = metaschema_of(c, d, &resource);
    if (!error)
        error = compile_all(c, resource, &meta);
    if (error)
        return error;
    if (run_init(&run))
        return no_memory(c);
    error = run_validate(&run, meta, d->root->value, &report);
    if (error)
        error = refuse(d, error == -EINVAL ? pointer : "", c->err, "%.190s",
                       error == -EINVAL ? entry.text : run.gave_up);
    run_fini(&run);
    return error;
}

/* Documents that were reached are looked at before what is in them is trusted; since checking may
 * reach further ones, until none is new. */
static int check_reached(struct compiler *c)
{
    for (bool again = true; again;) {
        again = false;
        for (struct resource *r = c->library->resources; r; r = r->next) {
            struct document *d = r->document;
            if (!r->reached || d->built_in || d->checked)
                continue;
            d->checked = again = true;
            int error = check_document(c, d);
            if (error)
                return error;
        }
    }
    return 0;
}

static int check_root(struct compiler *c, struct document *d)
{
    struct schema *schema;
    int error = d->checked ? 0 : check_document(c, d);
    d->checked = true;
    return error ? error : compile_all(c, d->root, &schema);
}

static int copy_library(struct library *to, const struct library *from,
                        const struct document *document, struct document **ret,
                        struct mg_err *reterr)
{
    int error = library_init(to, from->draft, reterr);
    *ret = NULL;
    for (const struct document *d = from->documents; d && !error; d = d->next) {
        struct document *copy;
        error = d->tree ? library_add_tree(to, d->name, d->uri, d->tree, &copy, reterr)
                        : library_add_text(to, d->name, d->uri, d->text, &copy, reterr);
        if (d == document)
            *ret = copy;
    }
    return error ? error : library_identify(to, reterr);
}

int check_schemas(const struct library *library, const struct document *document, bool all,
                  struct mg_err *reterr)
{
    struct library copy;
    struct document *root;
    struct compiler c = {.library = &copy, .err = reterr};
    int error = copy_library(&copy, library, document, &root, reterr);
    if (!error && root)
        error = check_root(&c, root);
    for (struct document *d = copy.documents; d && all && !error; d = d->next)
        error = d->built_in ? 0 : check_root(&c, d);
    if (!error)
        error = check_reached(&c);
    compiler_fini(&c);
    library_fini(&copy);
    return error;
}
