/* SPDX-License-Identifier: Apache-2.0 */
/* What the files model*.c share: the option tables of the core and a model under construction. */
#pragma once
#include "config/bind.h"
#include "route/model.h"

extern const struct mg_option gw_root_options[], gw_gateway_options[], gw_bridge_options[],
    gw_route_options[], gw_source_options[], gw_sink_options[], gw_delivery_options[],
    gw_step_options[];

struct gw_root_settings {
    const struct mg_node *gateway, *bridges, *routes;
};
struct gw_bridge_settings {
    const char *type;
    int64_t shard;
};
struct gw_end_settings { /* of a source or a sink */
    const char *bridge, *topic, *address, *match;
    struct mg_list properties;
    int64_t consumers;
};
struct gw_step_settings {
    const char *type;
};
struct gw_route_settings {
    struct mg_list from, steps, to, tests; /* of const struct mg_node * */
    struct gw_delivery_settings delivery;
    uint32_t loops; /* enum gw_loops */
};
enum gw_loops { GW_LOOPS_REFUSE, GW_LOOPS_ALLOW };

/* What the checks need and the running gateway does not. */
struct gw_route_extra {
    bool loops_allowed;
    bool whole; /* all its ends are known, so that rules across them can be checked */
    size_t first_template, end_template; /* those of its steps and sinks */
    size_t first_delivery, end_delivery; /* templates of its delivery */
};

struct gw_loading {
    struct gw_model model; /* first: the caller's pointer is ours */
    struct gw_arena *arena;
    struct gw_diags *diags;
    struct gw_bind bind;
    const struct gw_registry *registry;
    bool gateway_whole;           /* its section was bound */
    bool *bridge_whole;           /* per bridge: bound and checked */
    struct gw_route_extra *extra; /* per route */
};

/* model_ends.c: each fills one entry and says what is wrong; false: it is not usable. */
bool gw_model_read_source(struct gw_loading *m, const struct mg_node *node,
                          struct gw_source_config *ret);
bool gw_model_read_sink(struct gw_loading *m, const struct mg_node *node,
                        struct gw_sink_config *ret);
bool gw_model_read_step(struct gw_loading *m, const struct mg_node *node,
                        const struct gw_route_config *route, struct gw_step_config *ret);
/* model.c: says what check() or end() refused, less secrets; err.option leads to the place inside
 * map. bridge: of an end, else NULL; module: whose options map has, where that is no bridge's end.
 */
void gw_model_refused(struct gw_loading *m, const struct mg_node *map,
                      const struct gw_bridge_config *bridge, const struct mg_module *module,
                      const struct mg_err *err);
/* map: the YAML of a module's settings, without the keys `others`.  NULL: refused, and said. */
const void *gw_model_bind_module(struct gw_loading *m, const struct mg_option *options, size_t size,
                                 const char *const *others, const struct mg_node *map);
/* "bridge", with the nearest name and all names there are, for a name that is none. */
void gw_model_unknown(struct gw_loading *m, const struct mg_node *at, const char *what,
                      const char *name, const char *const *names, size_t count, const char *cure);

/* model_tests.c: behind the route's ends and steps.  -ENOMEM. */
int gw_model_read_tests(struct gw_loading *m, const struct mg_list *nodes,
                        struct gw_route_config *route);

/* model_check.c: the rules across a route, and across routes. */
void gw_model_check_captures(struct gw_loading *m, const struct gw_route_config *route,
                             const struct gw_route_extra *extra);
void gw_model_check_delivery(struct gw_loading *m, const struct gw_route_config *route);
/* model_stored.c: what only stored has, and what it needs of the ends (beside sinks that confirm).
 */
void gw_model_check_stored_keys(struct gw_loading *m, const struct gw_route_config *route);
void gw_model_check_stored(struct gw_loading *m, const struct gw_route_config *route);
/* model_consumers.c: what several connections of one source mean. */
void gw_model_check_consumers(struct gw_loading *m, const struct gw_route_config *route);
void gw_model_check_same_consumers(struct gw_loading *m);
void gw_model_check_unused(struct gw_loading *m);
void gw_model_check_collisions(struct gw_loading *m);
/* model_graph.c: loops, and sources that several sinks hold. */
void gw_model_check_graph(struct gw_loading *m);

/* A set of MQTT topic filters, asked which of them overlap with one. */
struct gw_overlaps;
struct gw_overlaps *gw_overlaps_create(void);
void gw_overlaps_destroy(struct gw_overlaps *set); /* NULL is fine */
/* filter is borrowed until destroy.  -ENOMEM. */
int gw_overlaps_add(struct gw_overlaps *set, const char *filter, size_t id);
/* Calls found for each that overlaps, until it returns false. */
void gw_overlaps_find(const struct gw_overlaps *set, const char *filter,
                      bool (*found)(void *arg, size_t id), void *arg);
