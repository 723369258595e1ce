/* SPDX-License-Identifier: Apache-2.0 */
/* Several consumers of one source: what they mean for order, for what steps remember, and for other
 * routes of the same source. */
#include "route/model_internal.h"
#include <stdlib.h>
#include <string.h>

/* A filter changes nothing, so what it has on each shard is what it remembers, unless it says else.
 */
static bool remembers(const struct mg_module *module)
{
    return module->kind == MG_FILTER && module->life->shard_open &&
           !(gw_step_traits(module) & MG_STEP_STATELESS);
}

static void warn(struct gw_loading *m, const struct gw_route_config *route,
                 const struct gw_source_config *source)
{
    const struct mg_node *at = gw_tree_get(source->node, "consumers");
    char shown[GW_SHOWN_BYTES];
    uint32_t line, column;
    gw_tree_key_place(at, &line, &column);
    gw_diag_add(m->diags, GW_DIAG_WARNING, at->file, line, column,
                "route %s: the peer shares the events of \"%s\" out among %lld connections, and "
                "order is kept within each of them only: events of one key keep theirs where the "
                "peer gives them all to one consumer%s (docs/delivery.md, Several consumers)",
                route->name, gw_tree_shown(shown, source->address), (long long)source->consumers,
                route->delivery.order_by ? "; order_by keeps the order in which they were stored"
                                         : "");
    for (size_t i = 0; i < route->step_count && m->model.gateway.shards > 1; i++) {
        const struct gw_step_config *step = &route->steps[i];
        if (step->module && remembers(step->module))
            gw_diag_add(m->diags, GW_DIAG_WARNING, at->file, line, column,
                        "route %s: %s remembers on each shard what came there, and consumers "
                        "live on several: it compares events of one key only where the peer gives "
                        "them all to one consumer; else write consumers: 1",
                        route->name, step->name);
    }
    if (m->model.gateway.shards == 1)
        gw_diag_add(m->diags, GW_DIAG_NOTE, at->file, line, column,
                    "route %s: gateway.shards is 1, so one thread serves all %lld consumers",
                    route->name, (long long)source->consumers);
}

void gw_model_check_consumers(struct gw_loading *m, const struct gw_route_config *route)
{
    for (size_t i = 0; i < route->source_count; i++)
        if (route->sources[i].consumers > 1)
            warn(m, route, &route->sources[i]);
}

/* ---- across routes --------------------------------------------------------------------------- */

struct reader {
    const struct gw_route_config *route;
    const struct gw_source_config *source;
};

static int compare_places(const struct reader *x, const struct reader *y)
{
    if (x->source->bridge != y->source->bridge)
        return x->source->bridge < y->source->bridge ? -1 : 1;
    return strcmp(x->source->address, y->source->address);
}

static int compare_readers(const void *a, const void *b)
{
    const struct reader *x = a, *y = b;
    int order = compare_places(x, y);
    return order ? order : (x->source > y->source) - (x->source < y->source);
}

static void check_readers(struct gw_loading *m, const struct reader *first,
                          const struct reader *second)
{
    if (compare_places(first, second) || first->source->consumers == second->source->consumers)
        return;
    const struct gw_source_config *s = second->source;
    char shown[GW_SHOWN_BYTES];
    gw_bind_error(&m->bind, s->node,
                  "routes %s and %s read \"%s\" of bridge %s with %lld and %lld consumers: events "
                  "that come to a connection of only one of them miss the other; write the same "
                  "number in both",
                  first->route->name, second->route->name, gw_tree_shown(shown, s->address),
                  m->model.bridges[s->bridge].name, (long long)first->source->consumers,
                  (long long)s->consumers);
}

/* On one connection, sources of one topic filter share a subscription.  So each must be on every
 * connection that has it. */
void gw_model_check_same_consumers(struct gw_loading *m)
{
    size_t count = 0, used = 0;
    for (size_t i = 0; i < m->model.route_count; i++)
        count += m->model.routes[i].source_count;
    struct reader *all = calloc(count + 1, sizeof *all);
    for (size_t i = 0; all && i < m->model.route_count; i++) {
        const struct gw_route_config *route = &m->model.routes[i];
        for (size_t k = 0; k < route->source_count && m->extra[i].whole; k++) {
            const uint32_t both = MG_COMPETES | MG_FILTERS;
            if ((route->sources[k].end.abilities & both) == both)
                all[used++] = (struct reader){route, &route->sources[k]};
        }
    }
    if (used)
        qsort(all, used, sizeof *all, compare_readers);
    for (size_t i = 1; i < used; i++)
        check_readers(m, &all[i - 1], &all[i]);
    free(all);
}
