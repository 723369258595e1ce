/* SPDX-License-Identifier: Apache-2.0 */
/* Where rules read: the payload, or inside of it one item of a list that is mapped item by item. */
#pragma once
#include "doc_path.h"
#include "mention.h"

enum { LEVELS_MAX = 8 }; /* of lists in lists */

/* At load: what rules are about.  outer NULL: the payload. */
struct scope {
    struct doc *constants; /* as long as the mapping */
    struct mention *mention;
    const struct scope *outer;
};
/* For one event: the same with values. */
struct level {
    struct doc_value *value;
    const struct level *outer;
    size_t index, count; /* of an item in its list */
};

/* A path; in an item of a list ^.path is one of what is around that list. */
struct place {
    size_t up;
    struct doc_path *path;
};
/* Mentions the place, too: all of it, or, with ret_mention, as the caller will say.  -EINVAL,
 * -ENOMEM.
 */
int place_compile(const char *text, const struct scope *scope, struct place *ret_place,
                  struct mention **ret_mention, struct mg_err *reterr);
void place_fini(struct place *place);
struct doc_value *place_get(const struct place *place, const struct level *level); /* or NULL */
const char *place_text(const struct place *place);
