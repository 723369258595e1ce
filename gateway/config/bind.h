/* SPDX-License-Identifier: Apache-2.0 */
/* Fills a settings struct from a YAML map by its table of options, and says what does not fit. */
#pragma once
#include "config/tree.h"
#include "event/template.h"

/* A template that binding compiled, with its place: whoever knows the captures checks them. */
struct gw_bound_template {
    const mg_template *compiled;
    const struct mg_node *node;
};

struct gw_bind {
    struct gw_arena *arena;
    struct gw_diags *diags;
    const char *what; /* "bridge factory (mqtt)", for messages */
    /* Keys that are somebody else's (type, bridge, address, …), NULL-ended; may be NULL. */
    const char *const *others;
    /* Out: the templates bound, in the arena; they are freed by gw_bind_release. */
    struct gw_bound_template *templates;
    size_t template_count, template_capacity;
};

/* settings: zeroed, as large as the table says.  map NULL or a null node: defaults only (required
 * options are then missing, at `place`).  Adds a diagnosis for each: unknown key (with the nearest
 * known name), duplicate, wrong type, out of bounds, bad enum value (with the nearest), missing.
 * Texts with a NUL byte are refused.  Returns 0 or -EINVAL. */
int gw_bind_settings(struct gw_bind *bind, const struct mg_option *options,
                     const struct mg_node *map, const struct mg_node *place, void *settings);
void gw_bind_release(struct gw_bind *bind);

/* The option that a scalar in place of the map sets (MG_OPT_PLAIN); NULL: none, or no MG_OPT_MAP.
 */
const struct mg_option *gw_bind_plain(const struct mg_option *map);

/* One text (less NUL bytes, not NULL) and one template out of a scalar, as gw_bind_settings does
 * it; `name` is the key for messages.  0 or -EINVAL with a diagnosis. */
int gw_bind_text(struct gw_bind *bind, const char *name, const struct mg_node *node,
                 const char **ret_text);
int gw_bind_template(struct gw_bind *bind, const char *name, const struct mg_node *node,
                     const mg_template **ret_template);

/* Adds an error at the value, or at the key, of a node. */
void gw_bind_error(struct gw_bind *bind, const struct mg_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
void gw_bind_error_at_key(struct gw_bind *bind, const struct mg_node *at, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The candidate nearest to `name` by edit distance (transpositions count one), or NULL where none
 * is near enough to be a typing error. */
const char *gw_nearest(const char *name, const char *const *candidates, size_t count);
