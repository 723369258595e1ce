/* SPDX-License-Identifier: Apache-2.0 */
/* Where an enricher puts what it has found: at a path of the JSON payload, or into properties. */
#pragma once
#include "doc_path.h"

/* Of an object into properties: to set one costs a look at all of them. */
enum { PLACE_MEMBERS_MAX = 1024 };

struct place {
    struct doc_path *path; /* NULL: into properties */
    const char *property;
};

/* text: "machine", "data.machine", or "property:NAME"; it must live as long as the place.
 * -EINVAL: reterr says why, and that it is about `option`; -ENOMEM. */
int place_init(struct place *place, const char *text, const char *option, struct mg_err *reterr);
void place_fini(struct place *place); /* zeroed is fine */

/* The verdict, with MG_REPLACE the new event: a copy of event with value in that place.  value is
 * of doc; an object into properties becomes one for each member, NAME.MEMBER, and
 * one of more than PLACE_MEMBERS_MAX is rejected.  *payload is NULL at
 * first, and keeps the parsed payload when several copies of one event are made. */
uint32_t place_put(const struct place *place, const struct mg_host *host, struct doc *doc,
                   const mg_event *event, struct doc_value **payload, struct doc_value *value,
                   mg_event **ret_event, struct mg_err *reterr);
/* Says so, and answers MG_RETRY. */
uint32_t place_no_memory(struct mg_err *reterr);
