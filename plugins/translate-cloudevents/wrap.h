/* SPDX-License-Identifier: Apache-2.0 */
/* A plain message's way to become an event: `attributes:`, compiled from YAML. */
#pragma once
#include "event.h"
#include "text_template.h"

struct wrap_field {
    struct mg_str name, literal;
    struct text_template *text; /* NULL: literal */
};
struct wrap {
    size_t count;
    struct wrap_field *fields;
};

/* Checks names, what is required, and values without fields in them.  -EINVAL: reterr says
 * file:line:column and why; -ENOMEM.  *ret_wrap is for wrap_fini either way, and points into
 * the YAML. */
int wrap_compile(const struct mg_node *map, struct wrap *ret_wrap, struct mg_err *reterr);
void wrap_fini(struct wrap *wrap);
/* The event of a plain message.  -EINVAL: reterr says which attribute and why; -ENOMEM. */
int wrap_message(const struct wrap *wrap, const struct mg_host *host, const mg_instance *instance,
                 const struct mg_step_call *call, struct arena *arena, struct ce_event *ret_event,
                 struct mg_err *reterr);
