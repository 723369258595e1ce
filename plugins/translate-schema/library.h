/* SPDX-License-Identifier: Apache-2.0 */
/* The schemas that are there: documents, the resources within them ($id), and their anchors.
 * References are resolved among these; nothing is ever fetched. */
#pragma once
#include "json_doc.h"
#include "table.h"
#include <stdarg.h>

struct schema;
enum draft { DRAFT_2020_12, DRAFT_07 };
/* A bit for each; core is always there. */
enum vocabulary {
    VOCABULARY_CORE = 1,
    VOCABULARY_APPLICATOR = 2,
    VOCABULARY_UNEVALUATED = 4,
    VOCABULARY_VALIDATION = 8,
    VOCABULARY_META_DATA = 16,
    VOCABULARY_FORMAT_ANNOTATION = 32,
    VOCABULARY_FORMAT_ASSERTION = 64,
    VOCABULARY_CONTENT = 128
};
enum { DOCUMENT_BYTES_MAX = 16 << 20, DOCUMENTS_MAX = 4096, TREE_DEPTH_MAX = 128 };

/* One file, or the schema in the configuration. */
struct document {
    const char *name;           /* for people */
    struct mg_bytes text;       /* of a file */
    const struct mg_node *tree; /* of YAML; NULL: it is a file */
    struct mg_str uri;          /* where it was found */
    struct resource *root;
    struct document *next; /* in the order in which they were added */
    bool built_in, identified, checked;
};

struct anchor {
    struct mg_str name;
    struct doc_value *value;
    const char *pointer;
    bool dynamic;
    const struct schema *schema; /* of a dynamic one, once something refers to it */
    struct anchor *next;
};

/* A schema with a URI of its own, and what is below it up to the next one. */
struct resource {
    struct mg_str uri; /* absolute, without a fragment */
    struct document *document;
    const char *pointer; /* where it is in the document, as a JSON pointer */
    struct doc_value *value;
    enum draft draft;
    uint32_t vocabularies;
    const char *refusal; /* why no schema of it can be used; NULL: it can */
    struct anchor *anchors;
    bool reached; /* something of it was compiled */
    struct resource *next;
};

struct library {
    struct arena memory;
    struct doc *doc;
    enum draft draft; /* of documents that do not say */
    struct document *documents, *last_document;
    size_t document_count;
    struct resource *resources;
    struct table by_uri, by_value; /* resources */
    bool has_metaschemas;
};

/* A place that a reference leads to. */
struct target {
    struct resource *resource;
    struct doc_value *value;
    const char *pointer;
};

/* All: 0, -EINVAL (reterr says what is wrong, and where) or -ENOMEM. */
int library_init(struct library *library, enum draft draft, struct mg_err *reterr);
void library_fini(struct library *library);
/* name and text are copied.  uri: where it was found, absolute. */
int library_add_text(struct library *library, const char *name, struct mg_str uri,
                     struct mg_bytes text, struct document **ret_document, struct mg_err *reterr);
/* node must live as long as the library. */
int library_add_tree(struct library *library, const char *name, struct mg_str uri,
                     const struct mg_node *node, struct document **ret_document,
                     struct mg_err *reterr);
/* Finds resources and anchors, once all documents are there.  The metaschemas come by themselves
 * when something leads to them. */
int library_identify(struct library *library, struct mg_err *reterr);
/* -ENOENT: there is no such schema; reterr says so, without a place. */
int library_find(struct library *library, const struct resource *base, struct mg_str reference,
                 struct target *ret_target, struct mg_err *reterr);
/* Of its metaschema.  DRAFT_UNKNOWN: it is none of ours. */
enum { DRAFT_UNKNOWN = -1 };
int draft_of_uri(struct mg_str uri);
struct mg_str draft_uri(enum draft draft);

const struct anchor *resource_anchor(const struct resource *resource, struct mg_str name);

/* "/a" and "b~c" are "/a/b~0c".  NULL: out of memory. */
const char *pointer_join(struct arena *arena, const char *pointer, struct mg_str part);
const char *pointer_join_index(struct arena *arena, const char *pointer, size_t index);

/* "FILE:LINE:COLUMN: what" about the place of a pointer.  Returns -EINVAL. */
int refuse(const struct document *document, const char *pointer, struct mg_err *reterr,
           const char *format, ...) __attribute__((format(printf, 4, 5)));
int out_of_memory(struct mg_err *reterr); /* -ENOMEM */

/* YAML as a document; tree.c. */
int doc_of_tree(struct doc *doc, const struct mg_node *node, struct doc_value **ret_value,
                struct mg_err *reterr);
