/* SPDX-License-Identifier: Apache-2.0 */
/* Dotted paths into a JSON document: "machine.hall", "items.0.name", "a\.b" (a dot in a name), "."
 * (all of it).
 *
 * A part that is a number is a place in a list where it meets one.  In a path of an event, a
 * leading `data` is the event's data: the document's member of that name where it has one (a
 * CloudEvents envelope), else the document itself, so that data.temperature means the same in both.
 */
#pragma once
#include "json_doc.h"

struct doc_path;

enum { DOC_PATH_PARTS_MAX = 64, DOC_PATH_LIST_MAX = 65536 };

/* of_event: `data` is understood as above.  -EINVAL: reterr says why; -ENOMEM. */
int doc_path_compile(const char *text, bool of_event, struct doc_path **ret_path,
                     struct mg_err *reterr);
void doc_path_free(struct doc_path *path); /* NULL is fine */
const char *doc_path_text(const struct doc_path *path);
/* "." */
bool doc_path_is_root(const struct doc_path *path);
size_t doc_path_count(const struct doc_path *path);
struct mg_str doc_path_part(const struct doc_path *path, size_t index);

/* NULL: there is nothing. */
struct doc_value *doc_path_get(const struct doc_path *path, struct doc_value *root);
/* Puts value there, making objects on the way.  root is changed in place, hence "." is -EINVAL.
 * -EINVAL: something on the way is neither object nor list; -ENOMEM, also where value is NULL. */
int doc_path_set(const struct doc_path *path, struct doc *doc, struct doc_value *root,
                 struct doc_value *value);
/* true: there was something. */
bool doc_path_remove(const struct doc_path *path, struct doc_value *root);
