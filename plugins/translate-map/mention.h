/* SPDX-License-Identifier: Apache-2.0 */
/* Which parts of a payload the rules of a mapping mention, and which parts of an event's payload
 * none of them does. */
#pragma once
#include "doc_path.h"

/* One place in the payload: a tree of names, a level of lists as `each`. */
struct mention;

struct mention *mention_create(void); /* of a whole payload; NULL: out of memory */
void mention_destroy(struct mention *root);
/* The path's end, which is not mentioned by that, in *ret (may be NULL).  -ENOMEM. */
int mention_path(struct mention *from, const struct doc_path *path, struct mention **ret);
/* Every item of the list that stands there.  NULL: out of memory. */
struct mention *mention_each(struct mention *at);
void mention_all(struct mention *at); /* it, with all that it holds */

/* Calls each for every value that is not mentioned, uppermost first, with its path; the places of
 * lists are `*`.  A path is cut at 256 bytes. */
void mention_missing(const struct mention *root, const struct doc_value *payload,
                     void (*each)(void *arg, struct mg_str path), void *arg);
