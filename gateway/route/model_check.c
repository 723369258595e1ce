/* SPDX-License-Identifier: Apache-2.0 */
/* Rules within a route (captures, what a guarantee needs) and simple ones across routes. */
#include "route/model_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- captures -------------------------------------------------------------------------------- */

static bool captures(const struct gw_source_config *source, const char *name)
{
    for (size_t i = 0; source->match && i < source->match->capture_count; i++)
        if (!strcmp(source->match->names[i].at, name))
            return true;
    return false;
}

/* The place of {name} inside a scalar that stands in one line as it was written. */
static struct gw_diag place_of(const struct mg_node *node, const char *name)
{
    struct gw_diag place = {.line = node->line, .column = node->column};
    char field[72];
    snprintf(field, sizeof field, "{%s}", name);
    const char *at = gw_tree_origin(node) ? NULL : strstr(node->text, field);
    if (!at || strchr(node->text, '\n'))
        return place;
    place.column += node->quoted;
    for (const char *s = node->text; s < at; s++)
        place.column += ((unsigned char)*s & 0xc0) != 0x80;
    return place;
}

static void check_capture(struct gw_loading *m, const struct gw_route_config *route,
                          const struct mg_node *node, const char *name)
{
    const struct gw_source_config *without = NULL;
    for (size_t i = 0; i < route->source_count && !without; i++)
        if (!captures(&route->sources[i], name))
            without = &route->sources[i];
    if (!without)
        return;
    struct gw_diag place = place_of(node, name);
    size_t count = without->match ? without->match->capture_count : 0;
    const char *names[GW_CAPTURES_MAX] = {0};
    for (size_t i = 0; i < count; i++)
        names[i] = without->match->names[i].at;
    const char *nearest = gw_nearest(name, names, count);
    char text[512], shown[GW_SHOWN_BYTES], shown_name[GW_SHOWN_BYTES];
    gw_tree_shown(shown_name, name);
    gw_tree_redact(node, shown_name, sizeof shown_name);
    if (!without->match)
        snprintf(text, sizeof text,
                 "the source in line %u captures nothing: give it a match: pattern with {%s} in it",
                 without->node->line, shown_name);
    else
        snprintf(text, sizeof text, "the source in line %u, \"%s\", does not capture it%s%s%s",
                 without->node->line, gw_tree_shown(shown, without->match->text),
                 nearest ? "; did you mean {" : "", nearest ? nearest : "", nearest ? "}?" : "");
    gw_tree_redact(without->node, text, sizeof text);
    gw_diag_add(m->diags, GW_DIAG_ERROR, node->file, place.line, place.column, "route %s: {%s}: %s",
                route->name, shown_name, text);
}

static void check_templates(struct gw_loading *m, const struct gw_route_config *route, size_t first,
                            size_t end)
{
    for (size_t i = first; i < end; i++) {
        const struct gw_bound_template *t = &m->bind.templates[i];
        const char *name;
        for (size_t k = 0; (name = gw_template_capture(t->compiled, k)); k++) {
            bool again = false;
            for (size_t j = 0; j < k && !again; j++)
                again = !strcmp(gw_template_capture(t->compiled, j), name);
            if (!again)
                check_capture(m, route, t->node, name);
        }
    }
}

void gw_model_check_captures(struct gw_loading *m, const struct gw_route_config *route,
                             const struct gw_route_extra *extra)
{
    /* Of a source that did not load, nobody knows what it captures. */
    for (size_t i = 0; i < route->source_count; i++)
        if (!route->sources[i].end.abilities && !route->sources[i].match)
            return;
    if (!route->source_count)
        return;
    check_templates(m, route, extra->first_delivery, extra->end_delivery);
    check_templates(m, route, extra->first_template, extra->end_template);
}

/* ---- what a guarantee needs ------------------------------------------------------------------ */

static void check_direct_source(struct gw_loading *m, const struct gw_source_config *s,
                                const char *direct)
{
    const struct gw_bridge_config *b = &m->model.bridges[s->bridge];
    const char *store = m->model.gateway.store.path ? "" : ", with gateway: { store: PATH }";
    if (s->end.abilities & MG_DEFERS_ACK)
        return;
    if (s->end.cannot_defer)
        gw_bind_error(&m->bind, s->node,
                      "%s needs a source that is acknowledged only after the sinks have "
                      "confirmed; bridge %s (%s) is not that here: %s. Or write delivery: { "
                      "guarantee: stored }%s, or best-effort",
                      direct, b->name, b->module->name, s->end.cannot_defer, store);
    else
        gw_bind_error(&m->bind, s->node,
                      "%s needs a source that is acknowledged only after the sinks have confirmed; "
                      "bridge %s (%s) acknowledges by itself, so an event in hand would be lost "
                      "with the gateway. Write delivery: { guarantee: stored }%s, or best-effort, "
                      "or use a bridge, or a client of it, that can defer",
                      direct, b->name, b->module->name, store);
}

static void check_direct(struct gw_loading *m, const struct gw_route_config *route,
                         const char *direct)
{
    const struct mg_node *overflow = gw_tree_get(gw_tree_get(route->node, "delivery"), "overflow");
    if (route->delivery.overflow != GW_OVERFLOW_BLOCK && overflow)
        gw_diag_add(
            m->diags, GW_DIAG_WARNING, overflow->file, overflow->line, overflow->column,
            "route %s: overflow: %s has no effect under direct, which holds the source back "
            "and drops nothing; leave it away, or write guarantee: best-effort",
            route->name, overflow->text);
    for (size_t i = 0; i < route->source_count; i++)
        check_direct_source(m, &route->sources[i], direct);
}

void gw_model_check_delivery(struct gw_loading *m, const struct gw_route_config *route)
{
    if (route->delivery.guarantee == GW_BEST_EFFORT)
        return;
    const struct mg_node *written = gw_tree_get(gw_tree_get(route->node, "delivery"), "guarantee");
    const char *guarantee = route->delivery.guarantee == GW_STORED ? "guarantee: stored"
                            : written                              ? "guarantee: direct"
                                      : "guarantee: direct (the default)";
    if (route->delivery.guarantee == GW_STORED)
        gw_model_check_stored(m, route);
    else
        check_direct(m, route, guarantee);
    for (size_t i = 0; i < route->sink_count; i++) {
        const struct gw_sink_config *s = &route->sinks[i];
        const struct gw_bridge_config *b = &m->model.bridges[s->bridge];
        if (!(s->end.abilities & MG_CONFIRMS))
            gw_bind_error(
                &m->bind, s->node,
                "%s needs sinks that confirm; bridge %s (%s) does not here. Write "
                "delivery: { guarantee: best-effort }, or configure this end so that it confirms",
                guarantee, b->name, b->module->name);
    }
}

/* ---- across routes --------------------------------------------------------------------------- */

void gw_model_check_unused(struct gw_loading *m)
{
    bool *used = gw_arena_alloc(m->arena, m->model.bridge_count + 1);
    for (size_t i = 0; used && i < m->model.route_count; i++) {
        const struct gw_route_config *r = &m->model.routes[i];
        /* An end that did not load says bridge 0: a warning less, no warning too many. */
        for (size_t k = 0; k < r->source_count; k++)
            used[r->sources[k].bridge] = true;
        for (size_t k = 0; k < r->sink_count; k++)
            used[r->sinks[k].bridge] = true;
    }
    for (size_t i = 0; used && i < m->model.bridge_count; i++) {
        const struct mg_node *node = m->model.bridges[i].node;
        uint32_t line, column;
        gw_tree_key_place(node, &line, &column);
        if (!used[i])
            gw_diag_add(m->diags, GW_DIAG_WARNING, node->file, line, column,
                        "bridge %s is used by no route", m->model.bridges[i].name);
    }
}

struct landing {
    size_t bridge, route, sink;
    const char *address;
};

static int compare_landings(const void *a, const void *b)
{
    const struct landing *x = a, *y = b;
    if (x->bridge != y->bridge)
        return x->bridge < y->bridge ? -1 : 1;
    int order = strcmp(x->address, y->address);
    if (order)
        return order;
    if (x->route != y->route)
        return x->route < y->route ? -1 : 1;
    return (x->sink > y->sink) - (x->sink < y->sink);
}

/* Two routes that write one constant address: often meant, and sometimes a copied line. */
void gw_model_check_collisions(struct gw_loading *m)
{
    size_t count = 0, used = 0;
    for (size_t i = 0; i < m->model.route_count; i++)
        count += m->model.routes[i].sink_count;
    struct landing *all = calloc(count + 1, sizeof *all);
    for (size_t i = 0; all && i < m->model.route_count; i++) {
        const struct gw_route_config *r = &m->model.routes[i];
        for (size_t k = 0; k < r->sink_count && m->extra[i].whole; k++) {
            size_t length;
            const char *literal = gw_template_literal(r->sinks[k].address, &length);
            if (literal)
                all[used++] = (struct landing){r->sinks[k].bridge, i, k, literal};
        }
    }
    if (used)
        qsort(all, used, sizeof *all, compare_landings);
    for (size_t i = 1; i < used; i++) {
        const struct landing *first = &all[i - 1], *second = &all[i];
        if (first->bridge != second->bridge || strcmp(first->address, second->address) ||
            first->route == second->route)
            continue;
        const struct mg_node *node = m->model.routes[second->route].sinks[second->sink].node;
        char shown[GW_SHOWN_BYTES];
        gw_diag_add(m->diags, GW_DIAG_NOTE, node->file, node->line, node->column,
                    "routes %s and %s both send to \"%s\" of bridge %s",
                    m->model.routes[first->route].name, m->model.routes[second->route].name,
                    gw_tree_shown(shown, second->address), m->model.bridges[second->bridge].name);
    }
    free(all);
}
