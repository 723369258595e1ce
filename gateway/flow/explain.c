/* SPDX-License-Identifier: Apache-2.0 */
/* Sends one event through the real routes and steps with bridges that only say what they would do.
 */
#include "flow/explain.h"
#include "flow/internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ONE_ROUTE_MS = 5000, SHOWN_BYTES = 200 };

struct explaining {
    struct gw_gateway *gateway;
    FILE *out;
    bool over;
};

/* ---- dry sinks ------------------------------------------------------------------------------ */

static FILE *dry_out;

static void show_payload(struct mg_bytes payload)
{
    size_t shown = payload.len < SHOWN_BYTES ? payload.len : SHOWN_BYTES;
    for (size_t i = 0; i < shown; i++) {
        unsigned char c = ((const unsigned char *)payload.at)[i];
        fputc(c >= 0x20 && c != 0x7f ? c : '.', dry_out);
    }
    if (shown < payload.len)
        fprintf(dry_out, "… (%zu bytes)", payload.len);
}

static int dry_send(void *context, void *sink, const struct mg_delivery *delivery,
                    struct mg_err *err)
{
    (void)context, (void)err;
    const struct mg_sink *k = sink;
    fprintf(dry_out, "  to    %s %.*s\n        ", k->connection->config->name,
            (int)delivery->address.len, delivery->address.at);
    show_payload(delivery->event->payload);
    fputc('\n', dry_out);
    return 0;
}

/* ---- what happens on the way ---------------------------------------------------------------- */

static void saw_step(void *arg, const struct gw_passage *passage, const char *step,
                     uint32_t verdict, size_t count, const char *reason)
{
    (void)passage;
    static const char *const names[] = {"passes", "replaced", "drops it", "rejects it",
                                        "wants to try again later"};
    struct explaining *x = arg;
    fprintf(x->out, "  step  %-24s %s", step, verdict <= MG_RETRY ? names[verdict] : "misbehaves");
    if (verdict == MG_REPLACE)
        fprintf(x->out, " by %zu event%s", count, count == 1 ? "" : "s");
    fprintf(x->out, "%s%s\n", reason ? ": " : "", reason ? reason : "");
    if (verdict == MG_RETRY)
        x->over = true; /* nothing is gained by waiting for it */
}

static void saw_end(void *arg, const struct gw_passage *passage, enum gw_end_kind kind,
                    const char *step, const char *reason)
{
    (void)passage;
    static const char *const names[] = {
        "it would be delivered",    "it is dropped, the source hears accepted", "it has expired",
        "it would be discarded",    "it would go back to its source",           "it is a duplicate",
        "it would be a dead letter"};
    struct explaining *x = arg;
    x->over = true;
    fprintf(x->out, "  end   %s", names[kind]);
    if (reason)
        fprintf(x->out, " (%s: %s)", step, reason);
    fputc('\n', x->out);
}

/* ---- why a source does not match ------------------------------------------------------------ */

static void say_mismatch(FILE *out, const struct gw_pattern *p, struct mg_str address)
{
    const char *at = address.at, *end = at + address.len;
    if (address.len && *at == '$' && p->levels[0].kind != GW_LEVEL_LITERAL) {
        fprintf(out, "wildcards in the first level do not match addresses that begin with $\n");
        return;
    }
    for (size_t i = 0; i < p->level_count; i++) {
        const struct gw_level *l = &p->levels[i];
        if (!at) {
            fprintf(out, "the address ends after %zu level%s, the source wants %zu\n", i,
                    i == 1 ? "" : "s", p->level_count);
            return;
        }
        const char *slash = memchr(at, '/', (size_t)(end - at));
        size_t n = (size_t)((slash ? slash : end) - at);
        if (l->kind == GW_LEVEL_LITERAL && (l->text.len != n || memcmp(l->text.at, at, n))) {
            fprintf(out, "level %zu is \"%.*s\", the source wants \"%.*s\"\n", i + 1, (int)n, at,
                    (int)l->text.len, l->text.at);
            return;
        }
        at = slash ? slash + 1 : NULL;
    }
    fprintf(out, "the address has more levels than the %zu of the source\n", p->level_count);
}

static bool say_match(FILE *out, const struct gw_entry *e, struct mg_str address)
{
    struct mg_str values[GW_CAPTURES_MAX];
    fprintf(out, "  from  %s %s: ", e->source->connection->config->name,
            e->match ? e->match->text : e->source->config->address);
    if (!e->match) {
        fprintf(out, "takes every address\n");
        return true;
    }
    if (!gw_pattern_match(e->match, address, values)) {
        fprintf(out, "no, ");
        say_mismatch(out, e->match, address);
        return false;
    }
    fprintf(out, "matches");
    for (size_t i = 0; i < e->match->capture_count; i++)
        fprintf(out, "%s %s=%.*s", i ? "," : ",", e->match->names[i].at, (int)values[i].len,
                values[i].at);
    fputc('\n', out);
    return true;
}

/* ---- the whole ------------------------------------------------------------------------------ */

static void give_up(uv_timer_t *timer)
{
    struct explaining *x = timer->data;
    fprintf(x->out, "  end   a step has not answered within %d s\n", ONE_ROUTE_MS / 1000);
    x->over = true;
}

static void walk(struct explaining *x, struct gw_entry *e, const struct mg_message *message)
{
    mg_shard *shard = &x->gateway->shards[0];
    struct mg_event event;
    struct gw_arrival *a = calloc(1, sizeof *a);
    if (!a)
        return;
    gw_event_borrow(&event, message, 1);
    *a = (struct gw_arrival){
        .connection = e->source->connection, .event = &event, .untold = 1, .alive = 2};
    x->over = false;
    gw_passage_start_shard(e, a, shard, NULL);
    a->event = NULL;
    gw_event_return(&event);
    gw_arrival_leave_shard(a);

    uv_timer_t limit;
    uv_timer_init(&shard->loop, &limit);
    limit.data = x;
    uv_timer_start(&limit, give_up, ONE_ROUTE_MS, 0);
    while (!x->over)
        uv_run(&shard->loop, UV_RUN_ONCE);
    struct gw_part *part = &e->route->parts[0];
    x->gateway->trace = NULL;
    while (part->oldest)
        gw_passage_release_shard(part->oldest, "explain", NULL);
    uv_close((uv_handle_t *)&limit, NULL);
    uv_run(&shard->loop, UV_RUN_NOWAIT);
}

static int explain_routes(struct explaining *x, const char *bridge,
                          const struct mg_message *message)
{
    struct gw_gateway *g = x->gateway;
    const struct gw_trace trace = {.step = saw_step, .end = saw_end, .arg = x};
    int taken = 0;
    for (size_t r = 0; r < g->model->route_count; r++) {
        fprintf(x->out, "route %s\n", g->routes[r].config->name);
        for (size_t i = 0; i < g->model->bridge_count; i++) {
            struct mg_connection *c = g->bridges[i].connections[0]; /* it has every source */
            for (size_t n = 0; n < c->entry_count; n++) {
                struct gw_entry *e = &c->entries[n];
                if (e->route != &g->routes[r])
                    continue;
                if (bridge && strcmp(bridge, c->config->name)) {
                    fprintf(x->out, "  from  %s: not asked for\n", c->config->name);
                } else if (say_match(x->out, e, message->head.address)) {
                    taken++;
                    g->trace = &trace;
                    walk(x, e, message);
                    g->trace = NULL;
                }
            }
        }
    }
    return taken;
}

/* Gives every bridge's first connection, which has the sinks, sinks that only talk.  Escaping
 * addresses stays the bridge's. */
static void make_dry(struct gw_gateway *g, struct mg_bridge_ops *dry)
{
    for (size_t i = 0; i < g->model->bridge_count; i++) {
        struct mg_connection *c = g->bridges[i].connections[0];
        dry[i] = (struct mg_bridge_ops){
            .size = sizeof dry[i], .send = dry_send, .escape = c->ops->escape};
        c->ops = &dry[i];
        for (size_t k = 0; k < c->sink_count; k++) {
            c->sinks[k]->context = c->sinks[k];
            c->sinks[k]->confirms = false;
        }
    }
}

int gw_explain(const struct gw_model *model, const char *bridge, const struct mg_message *message,
               FILE *out, struct mg_err *reterr)
{
    struct gw_model alone = *model;
    struct explaining x = {.out = out};
    struct mg_bridge_ops *dry = calloc(model->bridge_count + 1, sizeof *dry);
    alone.gateway.shards = 1;
    int error = dry ? gw_gateway_create(&alone, &x.gateway, reterr) : -ENOMEM;
    if (error) {
        free(dry);
        return error;
    }
    struct gw_gateway *g = x.gateway;
    mg_shard *shard = &g->shards[0];
    dry_out = out;
    gw_shard_adopt(shard);
    make_dry(g, dry);
    error = gw_instances_start(g->instances, g->instance_count, reterr);
    if (!error)
        gw_steps_open_shard(shard, g, &error, reterr);
    int taken = error ? error : explain_routes(&x, bridge, message);
    gw_steps_close_shard(shard, g);
    for (size_t i = 0; i < g->connection_count; i++)
        for (size_t k = 0; k < g->connections[i]->sink_count; k++)
            gw_lane_close_shard(g->connections[i]->sinks[k]);
    gw_gateway_destroy(g);
    gw_shard_adopt(NULL);
    free(dry);
    return taken;
}
