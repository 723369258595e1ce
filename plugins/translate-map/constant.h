/* SPDX-License-Identifier: Apache-2.0 */
/* Constants: YAML as the JSON that it means. */
#pragma once
#include "json_doc.h"

/* A plain scalar that is null, a boolean or a number by YAML's core schema; a number that JSON
 * spells so, too, keeps its spelling.  0 with NULL: it is a text, or no scalar; -ENOMEM. */
int constant_plain(const struct mg_node *node, struct doc *doc, struct doc_value **ret_value);
/* Any node, all of it.  NULL: out of memory. */
struct doc_value *constant_of(const struct mg_node *node, struct doc *doc);
/* -EINVAL: node is no finite number; reterr says so. */
int constant_number(const struct mg_node *node, double *ret_number, struct mg_err *reterr);
/* -EINVAL: node is no whole number between least and most. */
int constant_whole(const struct mg_node *node, long least, long most, long *ret_number,
                   struct mg_err *reterr);
/* -EINVAL: node is neither true nor false. */
int constant_truth(const struct mg_node *node, bool *ret_truth, struct mg_err *reterr);
/* -EINVAL: node is no text of at least one byte, or has a NUL in it. */
int constant_text(const struct mg_node *node, const char **ret_text, struct mg_err *reterr);

/* Is it a number as JSON spells one? */
bool is_json_number(struct mg_str text);
/* A text that is a number as people spell one (+5, .5, 007): out, of 40 bytes or more, has it as
 * JSON spells it.  false: it is none. */
bool spell_number(struct mg_str text, char *out, size_t size, struct mg_str *ret_spelling);
