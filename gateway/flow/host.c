/* SPDX-License-Identifier: Apache-2.0 */
/* The table of services that modules get; each part is filled by the file that owns it. */
#include "flow/internal.h"
#include <stdio.h>
#include <string.h>

mg_timer *gw_core_timer_start(const struct mg_host *host, mg_shard *shard, uint64_t after_ms,
                              void (*fired)(void *), void *arg)
{
    struct gw_call outer = gw_call_leave();
    mg_timer *t = host->timer_start(shard, after_ms, 0, fired, arg);
    gw_call_end(outer);
    return t;
}

static struct mg_str scope_route(const mg_scope *scope)
{
    return scope->route;
}

static struct mg_str scope_capture(const mg_scope *scope, struct mg_str name)
{
    const struct gw_captures *c = scope->captures;
    for (size_t i = 0; c && i < c->count; i++)
        if (c->names[i].len == name.len && !memcmp(c->names[i].at, name.at, name.len))
            return c->values[i];
    return (struct mg_str){0};
}

static ptrdiff_t expand(const mg_template *t, const mg_scope *scope, const mg_event *event,
                        char *buffer, size_t size, struct mg_err *reterr)
{
    return gw_template_expand(t, scope, event, NULL, buffer, size, reterr);
}

static void run_sendable(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct mg_connection *c =
        (struct mg_connection *)(void *)((char *)task -
                                         offsetof(struct mg_connection, sendable_task));
    atomic_store(&c->sendable_posted, false);
    gw_lane_sendable_shard(c, NULL);
}

static void sendable(mg_connection *c, mg_sink *sink)
{
    if (gw_shard_self() == c->shard) {
        gw_lane_sendable_shard(c, sink);
        return;
    }
    if (atomic_exchange(&c->sendable_posted, true))
        return; /* one is on its way, for all sinks */
    c->sendable_task.run = run_sendable;
    gw_shard_queue(c->shard, &c->sendable_task);
}

static void closed(mg_connection *c)
{
    atomic_store(&c->closed, true);
}

static mg_shard *connection_shard(mg_connection *c)
{
    return c->shard;
}

static void status(mg_connection *c, bool up, const char *why)
{
    if (!why)
        why = "";
    pthread_mutex_lock(&c->status_lock);
    bool changed = c->up != up || strncmp(c->why, why, sizeof c->why - 1);
    bool expected = up || !c->seen || atomic_load(&c->closing); /* nothing to warn of */
    c->seen = true;
    c->up = up;
    snprintf(c->why, sizeof c->why, "%s", why);
    pthread_mutex_unlock(&c->status_lock);
    if (changed)
        gw_log(expected ? MG_INFO : MG_WARN, up ? "connection up" : "connection down", "bridge",
               c->config->name, "connection", c->label[0] ? c->label : NULL, "reason",
               *why ? why : NULL, NULL);
}

void gw_host_fill(struct mg_host *host)
{
    *host = (struct mg_host){.size = sizeof *host};
    gw_event_host_fill(host);
    gw_shard_host_fill(host);
    gw_ingest_host_fill(host);
    gw_settle_host_fill(host);
    gw_instance_host_fill(host);
    gw_store_host_fill(host);
    host->scope_route = scope_route;
    host->scope_capture = scope_capture;
    host->expand = expand;
    host->sendable = sendable;
    host->closed = closed;
    host->connection_shard = connection_shard;
    host->status = status;
}
