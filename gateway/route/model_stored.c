/* SPDX-License-Identifier: Apache-2.0 */
/* What guarantee: stored needs, and what of delivery only it has. */
#include "route/model_internal.h"
#include <string.h>

static const struct mg_node *delivery_key(const struct gw_route_config *route, const char *name)
{
    return gw_tree_get(gw_tree_get(route->node, "delivery"), name);
}

static void say(struct gw_loading *m, int level, const struct mg_node *at, const char *route,
                const char *text)
{
    uint32_t line = at->line, column = at->column;
    gw_tree_key_place(at, &line, &column);
    gw_diag_add(m->diags, level, at->file, line, column, "route %s: %s", route, text);
}

/* ---- keys that say nothing here ---------------------------------------------------------------
 */

static void check_elsewhere(struct gw_loading *m, const struct gw_route_config *route)
{
    static const char *const keys[] = {"order_by", "on_error", "dead_letter", "poison_after",
                                       "breaker",  "backlog",  "dedup",       "archive"};
    const char *guarantee = route->delivery.guarantee == GW_DIRECT ? "direct" : "best-effort";
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++) {
        const struct mg_node *at = delivery_key(route, keys[i]);
        uint32_t line, column;
        if (!at)
            continue;
        gw_tree_key_place(at, &line, &column);
        gw_diag_add(m->diags, GW_DIAG_WARNING, at->file, line, column,
                    "route %s: %s has no effect under %s; write guarantee: stored (with "
                    "gateway.store), or leave it away",
                    route->name, keys[i], guarantee);
    }
}

/* ---- keys that need each other ----------------------------------------------------------------
 */

static bool is_constant(const mg_template *t)
{
    size_t length;
    return t && gw_template_literal(t, &length);
}

static void check_order(struct gw_loading *m, const struct gw_route_config *route)
{
    const struct gw_delivery_settings *d = &route->delivery;
    if (is_constant(d->order_by))
        gw_diag_add(m->diags, GW_DIAG_WARNING, delivery_key(route, "order_by")->file,
                    delivery_key(route, "order_by")->line, delivery_key(route, "order_by")->column,
                    "route %s: order_by has no {field} in it, so all events have one key and wait "
                    "for each other; write a template, like \"{machine}\"",
                    route->name);
}

static void check_dedup(struct gw_loading *m, const struct gw_route_config *route)
{
    const struct gw_delivery_settings *d = &route->delivery;
    const struct mg_node *dedup = delivery_key(route, "dedup");
    const struct mg_node *by = gw_tree_get(dedup, "by"), *field = gw_tree_get(dedup, "field");
    if (field && d->dedup_by != GW_DEDUP_FIELD)
        gw_bind_error_at_key(&m->bind, field,
                             "dedup: field is for by: field, and by is %s here; write by: field, "
                             "or leave field away",
                             by ? by->text : "off (the default)");
    else if (!field && d->dedup_by == GW_DEDUP_FIELD)
        gw_bind_error(&m->bind, by ? by : dedup,
                      "dedup: by: field needs the field: write dedup: { by: field, field: "
                      "\"{property.order_id}\" }");
    else if (field && is_constant(d->dedup_field))
        gw_bind_error(&m->bind, field,
                      "dedup: field has no {field} in it, so every event would be the same one "
                      "and all but the first be dropped; write a template, like "
                      "\"{property.order_id}\"");
    else if (dedup && dedup->type == MG_NODE_MAP && !by)
        say(m, GW_DIAG_WARNING, dedup, route->name,
            "dedup: without by: nothing is looked at; write by: auto");
}

static void check_backlog(struct gw_loading *m, const struct gw_route_config *route)
{
    const struct gw_delivery_settings *d = &route->delivery;
    const struct mg_node *backlog = delivery_key(route, "backlog"),
                         *full = gw_tree_get(backlog, "when_full");
    bool limited = d->backlog_bytes || d->backlog_count || d->backlog_age_ms;
    if (d->backlog_full == GW_FULL_BLOCK && limited && route->sink_count > 1 &&
        d->require == GW_REQUIRE_ALL)
        say(m, GW_DIAG_NOTE, backlog, route->name,
            "a sink that is away until its backlog is full (when_full: block) holds the source, "
            "and with it the other sinks");
    if (!full || d->backlog_full == GW_FULL_BLOCK)
        return;
    if (d->backlog_full == GW_FULL_LATEST_PER_KEY && !d->order_by)
        gw_bind_error(&m->bind, full,
                      "backlog: when_full: latest-per-key needs order_by, which says what the key "
                      "of an event is; write order_by: \"{machine}\", or when_full: drop-oldest");
    else if (!limited)
        say(m, GW_DIAG_WARNING, full, route->name,
            "backlog: when_full has no effect without a limit, since a full store always holds "
            "the source back; write bytes, count or age beside it");
}

static void check_errors(struct gw_loading *m, const struct gw_route_config *route)
{
    const struct mg_node *dead = delivery_key(route, "dead_letter");
    if (!dead || !route->delivery.dead_letter || route->delivery.on_error == GW_ON_ERROR_RETRY)
        return;
    say(m, GW_DIAG_NOTE, dead, route->name,
        route->delivery.on_error == GW_ON_ERROR_PAUSE
            ? "with on_error: pause, dead_letter is only for what a step refuses; what a sink "
              "refuses stays in its place"
            : "dead_letter has no effect with on_error: discard, which throws the event away");
}

void gw_model_check_stored_keys(struct gw_loading *m, const struct gw_route_config *route)
{
    if (route->delivery.guarantee != GW_STORED) {
        check_elsewhere(m, route);
        return;
    }
    check_order(m, route);
    check_dedup(m, route);
    check_backlog(m, route);
    check_errors(m, route);
    const struct mg_node *guarantee = delivery_key(route, "guarantee");
    /* Of a gateway that did not bind, nobody knows whether it has one. */
    if (!m->model.gateway.store.path && m->gateway_whole)
        gw_bind_error(&m->bind, guarantee,
                      "guarantee: stored needs a store; write gateway: { store: "
                      "/var/lib/meshgate }, a folder for it");
}

/* ---- ends -------------------------------------------------------------------------------------
 */

static void check_source(struct gw_loading *m, const struct gw_route_config *route,
                         const struct gw_source_config *s)
{
    const struct gw_bridge_config *b = &m->model.bridges[s->bridge];
    if (s->end.abilities & (MG_DEFERS_ACK | MG_STORES))
        return;
    gw_diag_add(m->diags, GW_DIAG_NOTE, s->node->file, s->node->line, s->node->column,
                "route %s: what this source brings is promised from the store on, not before: with "
                "bridge %s (%s) here, the peer may have forgotten what a gateway that dies has not "
                "stored yet%s%s",
                route->name, b->name, b->module->name, s->end.cannot_defer ? ": " : "",
                s->end.cannot_defer ? s->end.cannot_defer : "");
}

static void check_identity(struct gw_loading *m, const struct gw_route_config *route,
                           const struct gw_source_config *s)
{
    const struct mg_node *dedup = delivery_key(route, "dedup");
    const struct mg_node *by = gw_tree_get(dedup, "by");
    if (route->delivery.dedup_by != GW_DEDUP_MESSAGE_ID || (s->end.carries & MG_CARRIES_MESSAGE_ID))
        return;
    if (!by)
        by = dedup;
    /* Another gateway may have put it into a property, as the MQTT bridge's tags do. */
    bool perhaps = s->end.carries & MG_CARRIES_PROPERTIES;
    gw_diag_add(m->diags, perhaps ? GW_DIAG_NOTE : GW_DIAG_WARNING, by->file, by->line, by->column,
                "route %s: events of bridge %s (%s) have no message id here%s, and what has none "
                "goes on unseen; to look at something else, write dedup: { by: field, field: "
                "\"{property.NAME}\" }, or dedup: hash",
                route->name, m->model.bridges[s->bridge].name,
                m->model.bridges[s->bridge].module->name,
                perhaps ? ", unless another meshgate sent them" : "");
}

void gw_model_check_stored(struct gw_loading *m, const struct gw_route_config *route)
{
    const struct mg_node *overflow = delivery_key(route, "overflow");
    if (overflow && route->delivery.overflow != GW_OVERFLOW_BLOCK)
        gw_diag_add(m->diags, GW_DIAG_WARNING, overflow->file, overflow->line, overflow->column,
                    "route %s: overflow: %s has no effect under stored; what a full backlog does "
                    "is said by backlog: { count: 100000, when_full: drop-oldest }",
                    route->name, overflow->text);
    if (route->sink_count > GW_RECORD_SINKS_MAX)
        gw_bind_error_at_key(&m->bind, gw_tree_get(route->node, "to"),
                             "a stored route has at most %d sinks, and this one %zu; write two "
                             "routes, each with a part of them",
                             GW_RECORD_SINKS_MAX, route->sink_count);
    for (size_t i = 0; i < route->source_count; i++) {
        check_source(m, route, &route->sources[i]);
        check_identity(m, route, &route->sources[i]);
    }
}
