/* SPDX-License-Identifier: Apache-2.0 */
/* The `fields:` of a mapping: compiled from YAML, then evaluated for each event. */
#pragma once
#include "json_path.h"
#include "meshgate/plugin.h"
#include "text_template.h"

enum field_type { TYPE_AS_IS, TYPE_NUMBER, TYPE_INTEGER, TYPE_TEXT, TYPE_BOOLEAN };

struct field {
    struct json_path *target;
    /* Exactly one of these three is set. */
    struct json_path *from;
    struct text_template *text;
    json_t *value;
    json_t *fallback; /* default: or NULL */
    enum field_type type;
    bool scaled;
    double scale, offset;
};

struct fields {
    size_t count;
    struct field *list;
    bool need_payload; /* some field reads it */
};

/* targets_of_event: whether a leading `data` in a target is the event's data (see json_path.h).
 * -EINVAL: reterr says file:line:column and why; -ENOMEM.  *ret_fields is for fields_fini either
 * way. */
int fields_compile(const struct mg_node *map, bool targets_of_event, struct fields *ret_fields,
                   struct mg_err *reterr);
void fields_fini(struct fields *fields);

struct field_call {
    const struct mg_host *host;
    const mg_instance *instance;
    const struct mg_step_call *step;
    json_t *payload; /* NULL where no field needs it */
};
/* The field's value in *ret_value (a new reference), or NULL where the event has none.  -EINVAL: it
 * has one that cannot be converted; reterr says why; -ENOMEM. */
int field_evaluate(const struct field *field, const struct field_call *call, json_t **ret_value,
                   struct mg_err *reterr);
