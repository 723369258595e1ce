/* SPDX-License-Identifier: Apache-2.0 */
/* Dotted paths into a JSON document: "machine.hall", "items.0.name", "a\.b" (a dot in a name), "."
 * (all of it).
 *
 * A part that is a number is a place in a list where it meets one.  In a path of an event, a
 * leading `data` is the event's data: the document's member of that name where it has one (a
 * CloudEvents envelope), else the document itself, so that data.temperature means the same in both.
 */
#pragma once
#include "meshgate/plugin.h"
#include <jansson.h>

struct json_path;

enum { JSON_PATH_PARTS_MAX = 64, JSON_PATH_LIST_MAX = 65536 };

/* of_event: `data` is understood as above.  -EINVAL: reterr says why; -ENOMEM. */
int json_path_compile(const char *text, bool of_event, struct json_path **ret_path,
                      struct mg_err *reterr);
void json_path_free(struct json_path *path); /* NULL is fine */
const char *json_path_text(const struct json_path *path);

/* Borrowed from root; NULL: there is nothing. */
json_t *json_path_get(const struct json_path *path, json_t *root);
/* Puts value there, making objects on the way; takes value, also on failure.  root is changed in
 * place, hence "." is -EINVAL.  -EINVAL: something on the way is neither object nor list; -ENOMEM.
 */
int json_path_set(const struct json_path *path, json_t *root, json_t *value);
void json_path_remove(const struct json_path *path, json_t *root);
