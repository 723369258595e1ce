/* SPDX-License-Identifier: Apache-2.0 */
/* A compiled mapping, as its files share it. */
#pragma once
#include "mapping.h"

struct renaming {
    struct doc_path *path, *parent, *renamed; /* renamed: the whole path afterwards */
    struct mg_str name;                       /* the last part of it */
};
struct movement {
    struct doc_path *from, *to;
};
struct mapping {
    bool merge;
    bool copies; /* a rule may write into what another one has put */
    uint32_t on_missing;
    size_t field_count, set_count, default_count; /* of fields, in this order */
    struct field *fields;
    size_t rename_count, move_count, remove_count;
    struct renaming *renames; /* the innermost first, so that no path changes under the next */
    struct movement *moves;
    struct doc_path **removes;
    const struct doc_path **taken; /* from of all moves, and removes: so that no place shifts */
};

/* Do the rules go together?  -EINVAL: reterr says file:line:column and why, and its option which.
 */
int mapping_check(const struct mapping *mapping, const struct rules *rules, struct mg_err *reterr);
/* Does a rule write below what another one writes? */
bool mapping_nests(const struct mapping *mapping);
