/* SPDX-License-Identifier: Apache-2.0 */
/* Templates inside the raw YAML that a module parses itself; the same fields as everywhere:
 * {capture} {event.FIELD} {property.NAME} {route.name} {gateway.name} and {{ }} for braces. */
#pragma once
#include "meshgate/plugin.h"

struct text_template;

/* -EINVAL: reterr says why; -ENOMEM. */
int text_template_compile(const char *text, struct text_template **ret_template,
                          struct mg_err *reterr);
void text_template_free(struct text_template *t); /* NULL is fine */
/* Is there any field in it? */
bool text_template_has_fields(const struct text_template *t);
/* malloc'ed, NUL-terminated.  -ENOENT: a field has no value (said in reterr); -ENOMEM. */
int text_template_expand(const struct text_template *t, const struct mg_host *host,
                         const mg_instance *instance, const struct mg_step_call *call,
                         char **ret_text, size_t *ret_length, struct mg_err *reterr);
