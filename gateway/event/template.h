/* SPDX-License-Identifier: Apache-2.0 */
/* Address and text templates: "plant.{line}.{event.subject}" compiled once, expanded per event.
 *
 * {name}            a capture of the route's source pattern ([a-z_][a-z0-9_]*)
 * {event.FIELD}     address, reply_to, subject, content_type, content_encoding, message_id,
 *                   correlation, group, group_sequence, user, created (milliseconds since 1970),
 *                   qos
 * {property.NAME}   the first property of that name, as text
 * {route.name} {gateway.name}
 * {FIELD % N}       of any of these, the partition of N that it is in: FNV-1a (32 bits) of it,
 * modulo N
 * {{ and }}         literal braces */
#pragma once
#include "meshgate/plugin.h"

/* Text without NUL bytes.  On -EINVAL ret_error says what is wrong, *ret_offset where (bytes).
 * The result is one allocation, freed by gw_template_destroy. */
int gw_template_compile(const char *text, mg_template **ret_template, size_t *ret_offset,
                        struct mg_err *reterr);
void gw_template_destroy(mg_template *);           /* NULL is fine */
const char *gw_template_text(const mg_template *); /* as written */

/* The captures that it needs, by index; NULL past the end.  Lives as long as the template. */
const char *gw_template_capture(const mg_template *, size_t index);
/* NULL unless the template is one literal without fields. */
const char *gw_template_literal(const mg_template *, size_t *ret_length);
/* An MQTT filter that covers every address it can expand to where fields expand to one level each
 * ('+' for each level with a field in it; '#' at the end for a {name...} of the pattern).
 * Arena-free: caller frees.  many(arg, name): is this capture a {name...}? */
char *gw_template_cover(const mg_template *, bool (*many)(void *arg, const char *name), void *arg);

/* What expansion draws from. */
struct mg_scope {
    struct mg_str route, gateway;
    const struct gw_captures *captures; /* may be NULL */
};
struct gw_captures {
    size_t count;
    const struct mg_str *names, *values;
};

typedef size_t gw_escape_fn(const char *address_template, struct mg_str value, char *buffer,
                            size_t size);

/* As mg_host.expand; every field (not the literals) passes through escape, if given. */
ptrdiff_t gw_template_expand(const mg_template *, const mg_scope *, const mg_event *,
                             gw_escape_fn *escape, char *buffer, size_t size,
                             struct mg_err *reterr);
