/* SPDX-License-Identifier: Apache-2.0 */
/* A plain message's way to become an event: `attributes:`, compiled from YAML. */
#pragma once
#include "attribute_text.h"

struct wrap_field {
    struct mg_str name, literal;
    struct attribute_text *text; /* NULL: literal */
};
struct wrap {
    size_t count;
    struct wrap_field *fields;
    bool reads; /* some text needs the payload */
};

/* Checks names, what is required, and values without fields in them.  -EINVAL: reterr says
 * file:line:column and why; -ENOMEM.  *ret_wrap is for wrap_fini either way, and points into
 * the YAML. */
int wrap_compile(const struct mg_node *map, struct wrap *ret_wrap, struct mg_err *reterr);
void wrap_fini(struct wrap *wrap);
/* The event of a plain message; source->payload is its document where wrap->reads.  -EINVAL: reterr
 * says which attribute and why; -ENOMEM. */
int wrap_message(const struct wrap *wrap, const struct attribute_source *source,
                 struct arena *arena, struct ce_event *ret_event, struct mg_err *reterr);
