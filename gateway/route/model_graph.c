/* SPDX-License-Identifier: Apache-2.0 */
/* Which route may receive what another sends: loops, and sources that several sinks hold. */
#include "route/model_internal.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Overlaps that are looked at; beyond, the configuration is one great overlap and a warning says
 * so. */
enum { OVERLAPS_MAX = 2000000, NAMED_MAX = 8, URLS_MAX = 32 };

struct source_ref {
    size_t route, bridge;
    const struct gw_source_config *source;
};

struct graph {
    struct gw_loading *m;
    size_t *places;            /* per bridge: the first bridge that has the same peer */
    struct gw_overlaps **sets; /* per place: the sources whose addresses are topic filters */
    struct source_ref *refs;
    size_t ref_count;
    struct source_ref **exact; /* the others, sorted by place and address */
    size_t exact_count;
    size_t *first, *next, *target; /* edges from route to route, as lists; index + 1, 0: none */
    size_t edge_count, edge_capacity;
    size_t *owner; /* union-find over routes: who shares a source with whom */
    size_t looked_at;
    bool failed;
    /* The search that runs. */
    size_t route;
    const struct gw_sink_config *sink;
    const struct source_ref *ref;
};

static bool is_filter(const struct source_ref *ref)
{
    return ref->source->end.abilities & MG_FILTERS;
}

/* Two bridges with one type and a URL in common stand at one broker. */
static bool same_peer(const struct gw_bridge_config *a, const struct gw_bridge_config *b)
{
    const struct mg_node *x = gw_tree_get(a->node, "url"), *y = gw_tree_get(b->node, "url");
    if (a->module != b->module || !x || !y)
        return false;
    const struct mg_node *const *left = x->type == MG_NODE_LIST ? x->items : &x,
                                *const *right = y->type == MG_NODE_LIST ? y->items : &y;
    size_t left_count = x->type == MG_NODE_LIST ? x->count : 1,
           right_count = y->type == MG_NODE_LIST ? y->count : 1;
    for (size_t i = 0; i < left_count && i < URLS_MAX; i++)
        for (size_t k = 0; k < right_count && k < URLS_MAX; k++)
            if (left[i]->type == MG_NODE_SCALAR && right[k]->type == MG_NODE_SCALAR &&
                !strcmp(left[i]->text, right[k]->text))
                return true;
    return false;
}

static int compare_exact(const struct graph *g, size_t place, const char *address,
                         const struct source_ref *ref)
{
    size_t other = g->places[ref->bridge];
    if (place != other)
        return place < other ? -1 : 1;
    return strcmp(address, ref->source->address);
}

static int compare_refs(const void *a, const void *b, void *arg)
{
    const struct source_ref *x = *(const struct source_ref *const *)a,
                            *y = *(const struct source_ref *const *)b;
    const struct graph *g = arg;
    int order = compare_exact(g, g->places[x->bridge], x->source->address, y);
    return order ? order : (x > y) - (x < y);
}

/* Calls found for each exact source of a place with that address. */
static void find_exact(struct graph *g, size_t place, const char *address,
                       bool (*found)(void *, size_t))
{
    size_t low = 0, high = g->exact_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (compare_exact(g, place, address, g->exact[middle]) > 0)
            low = middle + 1;
        else
            high = middle;
    }
    for (; low < g->exact_count && !compare_exact(g, place, address, g->exact[low]); low++)
        if (!found(g, (size_t)(g->exact[low] - g->refs)))
            return;
}

static bool build(struct graph *g)
{
    const struct gw_model *model = &g->m->model;
    size_t sources = 0;
    for (size_t i = 0; i < model->route_count; i++)
        sources += model->routes[i].source_count;
    g->places = calloc(model->bridge_count + 1, sizeof *g->places);
    g->sets = calloc(model->bridge_count + 1, sizeof(*g->sets));
    g->refs = calloc(sources + 1, sizeof *g->refs);
    g->exact = calloc(sources + 1, sizeof(*g->exact));
    g->first = calloc(model->route_count + 1, sizeof *g->first);
    g->owner = calloc(model->route_count + 1, sizeof *g->owner);
    if (!g->places || !g->sets || !g->refs || !g->exact || !g->first || !g->owner)
        return false;
    for (size_t i = 0; i < model->bridge_count; i++)
        while (g->places[i] < i && !same_peer(&model->bridges[g->places[i]], &model->bridges[i]))
            g->places[i]++;
    for (size_t i = 0; i < model->route_count; i++) {
        const struct gw_route_config *r = &model->routes[i];
        g->owner[i] = i;
        for (size_t k = 0; k < r->source_count && g->m->extra[i].whole; k++) {
            struct source_ref *ref = &g->refs[g->ref_count++];
            *ref = (struct source_ref){i, r->sources[k].bridge, &r->sources[k]};
            struct gw_overlaps **set = &g->sets[g->places[ref->bridge]];
            if (!is_filter(ref)) {
                g->exact[g->exact_count++] = ref;
                continue;
            }
            if (!*set && !(*set = gw_overlaps_create()))
                return false;
            if (gw_overlaps_add(*set, ref->source->address, g->ref_count - 1))
                return false;
        }
    }
    if (g->exact_count)
        qsort_r(g->exact, g->exact_count, sizeof(*g->exact), compare_refs, g);
    return true;
}

static void tear_down(struct graph *g)
{
    for (size_t i = 0; g->sets && i < g->m->model.bridge_count; i++)
        gw_overlaps_destroy(g->sets[i]);
    free(g->places);
    free(g->sets);
    free(g->refs);
    free(g->exact);
    free(g->first);
    free(g->next);
    free(g->target);
    free(g->owner);
}

static bool enough(struct graph *g)
{
    return g->failed || ++g->looked_at > OVERLAPS_MAX;
}

/* ---- loops ----------------------------------------------------------------------------------- */

static bool add_edge(void *arg, size_t id)
{
    struct graph *g = arg;
    const struct source_ref *ref = &g->refs[id];
    if (enough(g))
        return false;
    if ((ref->source->end.abilities & MG_NO_ECHO) && ref->bridge == g->sink->bridge)
        return true;
    if (g->m->extra[ref->route].loops_allowed)
        return true;
    if (g->edge_count && g->first[g->route] && g->target[g->first[g->route] - 1] == ref->route)
        return true;
    if (g->edge_count == g->edge_capacity) {
        size_t capacity = g->edge_capacity ? g->edge_capacity * 2 : 256;
        size_t *next = realloc(g->next, capacity * sizeof *next);
        if (next)
            g->next = next;
        size_t *target = realloc(g->target, capacity * sizeof *target);
        if (target)
            g->target = target;
        g->failed = !next || !target;
        if (g->failed)
            return false;
        g->edge_capacity = capacity;
    }
    g->target[g->edge_count] = ref->route;
    g->next[g->edge_count] = g->first[g->route];
    g->first[g->route] = ++g->edge_count;
    return true;
}

static bool is_many(void *arg, const char *name)
{
    const struct gw_route_config *route = arg;
    for (size_t i = 0; i < route->source_count; i++) {
        const struct gw_pattern *p = route->sources[i].match;
        for (size_t k = 0; p && k < p->capture_count; k++)
            if (p->many[k] && !strcmp(p->names[k].at, name))
                return true;
    }
    return false;
}

static void find_edges(struct graph *g, size_t route)
{
    struct gw_route_config *r = &g->m->model.routes[route];
    for (size_t i = 0; i < r->sink_count; i++) {
        g->route = route;
        g->sink = &r->sinks[i];
        size_t place = g->places[g->sink->bridge], length;
        const char *literal = gw_template_literal(g->sink->address, &length);
        if (literal)
            find_exact(g, place, literal, add_edge);
        if (!g->sets[place])
            continue;
        char *cover = gw_template_cover(g->sink->address, is_many, r);
        if (cover)
            gw_overlaps_find(g->sets[place], cover, add_edge, g);
        g->failed |= !cover;
        free(cover);
    }
}

static void report_loop(struct graph *g, const size_t *path, size_t count)
{
    const char *cure =
        "Let them send to addresses that nothing of theirs receives, use an MQTT 5 bridge with "
        "no_local "
        "where one connection does both, or write loops: allow on a route that ends it otherwise";
    const struct gw_route_config *routes = g->m->model.routes, *first = &routes[path[0]];
    char names[600] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && used < sizeof names; i++) {
        if (i == NAMED_MAX) {
            used += (size_t)snprintf(names + used, sizeof names - used, "... -> ");
            break;
        }
        used += (size_t)snprintf(names + used, sizeof names - used, "%s -> ", routes[path[i]].name);
    }
    if (count == 1)
        gw_bind_error_at_key(&g->m->bind, first->node,
                             "route %s receives again what it sends, an endless loop. %s",
                             first->name, cure);
    else
        gw_bind_error_at_key(
            &g->m->bind, first->node,
            "routes %s%s: each receives what the one before it sends, an endless loop. %s", names,
            first->name, cure);
}

/* Depth first, without recursion: a path may be as long as there are routes. */
static void find_loops(struct graph *g)
{
    enum { WHITE, GREY, BLACK };
    size_t count = g->m->model.route_count, depth = 0;
    unsigned char *colour = calloc(count + 1, 1), *said = calloc(count + 1, 1);
    size_t *path = calloc(count + 1, sizeof *path), *edge = calloc(count + 1, sizeof *edge);
    for (size_t start = 0; colour && said && path && edge && start < count; start++) {
        if (colour[start] != WHITE)
            continue;
        path[depth] = start;
        edge[depth++] = g->first[start];
        colour[start] = GREY;
        while (depth) {
            size_t e = edge[depth - 1];
            if (!e) {
                colour[path[--depth]] = BLACK;
                continue;
            }
            edge[depth - 1] = g->next[e - 1];
            size_t to = g->target[e - 1];
            if (colour[to] == GREY && !said[to]) {
                size_t from = depth - 1;
                while (path[from] != to)
                    from--;
                report_loop(g, path + from, depth - from);
                said[to] = 1;
            } else if (colour[to] == WHITE) {
                colour[to] = GREY;
                path[depth] = to;
                edge[depth++] = g->first[to];
            }
        }
    }
    g->failed |= !colour || !said || !path || !edge;
    free(colour);
    free(said);
    free(path);
    free(edge);
}

/* ---- sources that several sinks hold --------------------------------------------------------- */

static size_t owner_of(struct graph *g, size_t route)
{
    while (g->owner[route] != route)
        route = g->owner[route] = g->owner[g->owner[route]];
    return route;
}

static bool is_direct(const struct graph *g, size_t route)
{
    return g->m->model.routes[route].delivery.guarantee == GW_DIRECT;
}

static bool share(void *arg, size_t id)
{
    struct graph *g = arg;
    if (enough(g))
        return false;
    /* A stored route holds no other, but is held by a direct one. */
    const struct gw_route_config *other = &g->m->model.routes[g->refs[id].route];
    if (g->refs[id].bridge != g->ref->bridge || other->delivery.guarantee == GW_BEST_EFFORT)
        return true;
    size_t a = owner_of(g, g->refs[id].route), b = owner_of(g, g->ref->route);
    g->owner[a < b ? b : a] = a < b ? a : b;
    return true;
}

/* What an owner stands for: its routes, and the sinks that each can hold the others. */
static void warn_shared(struct graph *g, size_t owner, const size_t *members, size_t count)
{
    const struct gw_route_config *routes = g->m->model.routes, *r = &routes[owner];
    const struct mg_node *at = r->sources[0].node;
    const char *store = g->m->model.gateway.store.path ? "" : " (with gateway.store)";
    char names[600] = "";
    size_t used = 0;
    for (size_t i = 0; i < count && i < NAMED_MAX && used < sizeof names; i++)
        used += (size_t)snprintf(names + used, sizeof names - used, "%s%s", i ? ", " : "",
                                 routes[members[i]].name);
    if (count > NAMED_MAX && used < sizeof names)
        snprintf(names + used, sizeof names - used, " and %zu more", count - NAMED_MAX);
    if (count > 1)
        gw_diag_add(
            g->m->diags, GW_DIAG_WARNING, at->file, at->line, at->column,
            "routes %s share events of bridge %s: under direct, a dead sink of one in the end "
            "holds the source's window and with it the others; write guarantee: stored%s, which "
            "keeps for each sink what it has not had, or give each a bridge (and a queue, where "
            "that is the source) of its own, or several sinks under require: any",
            names, g->m->model.bridges[r->sources[0].bridge].name, store);
    else if (is_direct(g, owner) && r->sink_count > 1 && r->delivery.require == GW_REQUIRE_ALL)
        gw_diag_add(
            g->m->diags, GW_DIAG_WARNING, at->file, at->line, at->column,
            "route %s: under direct and require: all, one dead sink of its %zu in the end "
            "holds the source's window and with it the others; write guarantee: stored%s, which "
            "keeps for each sink what it has not had, or give each a route with a bridge (and a "
            "queue, where that is the source) of its own, or write require: any",
            r->name, r->sink_count, store);
}

static void check_shared(struct graph *g)
{
    size_t count = g->m->model.route_count;
    for (size_t i = 0; i < g->ref_count; i++) {
        g->ref = &g->refs[i];
        size_t place = g->places[g->ref->bridge];
        if (!is_direct(g, g->ref->route))
            continue;
        if (!is_filter(g->ref))
            find_exact(g, place, g->ref->source->address, share);
        else if (g->sets[place])
            gw_overlaps_find(g->sets[place], g->ref->source->address, share, g);
    }
    /* Members by owner: counted, then laid out one owner after the other. */
    size_t *start = calloc(count + 2, sizeof *start), *members = calloc(count + 1, sizeof *members);
    size_t *used = calloc(count + 1, sizeof *used);
    g->failed |= !start || !members || !used;
    for (size_t i = 0; i < count && !g->failed; i++)
        start[owner_of(g, i) + 1]++;
    for (size_t i = 0; i < count && !g->failed; i++)
        start[i + 1] += start[i];
    for (size_t i = 0; i < count && !g->failed; i++)
        members[start[owner_of(g, i)] + used[owner_of(g, i)]++] = i;
    for (size_t i = 0; i < count && !g->failed; i++)
        if (used[i] && g->m->extra[i].whole)
            warn_shared(g, i, members + start[i], used[i]);
    free(start);
    free(members);
    free(used);
}

void gw_model_check_graph(struct gw_loading *m)
{
    struct graph g = {.m = m};
    g.failed = !build(&g);
    for (size_t i = 0; i < m->model.route_count && !g.failed; i++)
        if (m->extra[i].whole && !m->extra[i].loops_allowed)
            find_edges(&g, i);
    bool all = g.looked_at <= OVERLAPS_MAX;
    if (!g.failed)
        find_loops(&g);
    g.looked_at = 0;
    if (!g.failed)
        check_shared(&g);
    all &= g.looked_at <= OVERLAPS_MAX;
    if (g.failed)
        gw_diag_add(m->diags, GW_DIAG_ERROR, NULL, 0, 0, "out of memory");
    else if (!all)
        gw_diag_add(m->diags, GW_DIAG_WARNING, NULL, 0, 0,
                    "more than %d pairs of routes overlap; not all were checked for loops",
                    OVERLAPS_MAX);
    tear_down(&g);
}
