/* SPDX-License-Identifier: Apache-2.0 */
/* The life of one connection: connect, reconnect, close; what is due. */
#include "amqp_connection.h"
#include <errno.h>
#include <proton/connection.h>
#include <proton/session.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CLOSE_MS = 5000, STABLE_MS = 10000 };

static void connect_now(struct amqp_connection *c);

uint64_t amqp_backoff_next(struct amqp_backoff *backoff, const struct amqp_bridge *bridge)
{
    uint64_t first = (uint64_t)bridge->settings->reconnect.first_ms;
    uint64_t most = (uint64_t)bridge->settings->reconnect.most_ms;
    uint64_t span = backoff->last_ms ? backoff->last_ms * 3 - first : first;
    uint64_t next =
        first + bridge->host->random((uint32_t)(span < UINT32_MAX ? span + 1 : UINT32_MAX));
    backoff->last_ms = next < most ? next : most;
    return backoff->last_ms;
}

void amqp_backoff_settle(struct amqp_backoff *backoff, struct amqp_connection *c,
                         int64_t up_since_us)
{
    int64_t now = c->host->now_us(c->shard);
    if (up_since_us <= now && now - up_since_us >= (int64_t)STABLE_MS * 1000)
        backoff->last_ms = 0;
}

/* ---- status --------------------------------------------------------------------------------- */

static void set_status(struct amqp_connection *c, bool up, const char *why)
{
    if (c->status_up == up && strcmp(c->status_why, why) == 0)
        return;
    c->status_up = up;
    snprintf(c->status_why, sizeof c->status_why, "%s", why);
    c->host->status(c->core, up, c->status_why);
}

void amqp_report(struct amqp_connection *c)
{
    const char *missing = NULL;
    if (c->state != AMQP_UP)
        return;
    for (struct amqp_source *s = c->sources; s && !missing; s = amqp_source_next(s))
        missing = amqp_source_missing(s);
    for (struct amqp_sink *s = c->sinks; s && !missing; s = amqp_sink_next(s))
        missing = amqp_sink_missing(s);
    set_status(c, !missing, missing ? missing : "connected");
}

/* ---- what is due ---------------------------------------------------------------------------- */

void amqp_links_soon(struct amqp_connection *c, uint64_t after_ms)
{
    int64_t due = c->host->now_us(c->shard) + (int64_t)after_ms * 1000;
    if (due >= c->links_due_us)
        return;
    c->links_due_us = due;
    c->host->timer_again(c->links_timer, after_ms, 0);
}

static void links_due(void *arg)
{
    struct amqp_connection *c = arg;
    int64_t now = c->host->now_us(c->shard), next = INT64_MAX;
    c->links_due_us = INT64_MAX;
    if (c->state != AMQP_UP)
        return;
    for (struct amqp_source *s = c->sources; s; s = amqp_source_next(s)) {
        int64_t due = amqp_source_due(s, now);
        next = due < next ? due : next;
    }
    for (struct amqp_sink *s = c->sinks; s && c->state == AMQP_UP; s = amqp_sink_next(s)) {
        int64_t due = amqp_sink_due(s, now);
        next = due < next ? due : next;
    }
    if (next != INT64_MAX)
        amqp_links_soon(c, next <= now ? 1 : (uint64_t)((next - now) / 1000 + 1));
    amqp_io_flush(c->io);
}

/* ---- down and up ---------------------------------------------------------------------------- */

static void forget_links(struct amqp_connection *c, const char *why)
{
    for (struct amqp_source *s = c->sources; s; s = amqp_source_next(s))
        amqp_source_forget(s);
    for (struct amqp_sink *s = c->sinks; s; s = amqp_sink_next(s))
        amqp_sink_forget(s, why);
}

static void closed(struct amqp_connection *c)
{
    c->state = AMQP_CLOSED;
    c->host->timer_again(c->timer, UINT32_MAX, 0);
    c->host->closed(c->core);
}

static void io_ended(void *arg, const char *why)
{
    struct amqp_connection *c = arg;
    bool was_up = c->state == AMQP_UP;
    if (c->state == AMQP_CLOSING) {
        forget_links(c, "the gateway closed the connection");
        closed(c);
        return;
    }
    c->state = AMQP_DOWN;
    set_status(c, false, why);
    forget_links(c, why);
    if (c->state != AMQP_DOWN)
        return; /* closed from within a settlement */
    amqp_backoff_settle(&c->backoff, c, was_up ? c->up_since_us : INT64_MAX);
    c->url = (c->url + 1) % c->bridge->url_count;
    uint64_t after = c->url == 0 || was_up ? amqp_backoff_next(&c->backoff, c->bridge) : 0;
    c->host->timer_again(c->timer, after, 0);
}

static void connect_now(struct amqp_connection *c)
{
    c->target = c->bridge->urls[c->url].target;
    c->target.container = c->container;
    int r = amqp_io_start(c->io, &c->target);
    if (r < 0) {
        c->host->timer_again(c->timer, amqp_backoff_next(&c->backoff, c->bridge), 0);
        return;
    }
    c->state = AMQP_CONNECTING;
    /* Look-up and each address have their own limits; this one is for a peer that is silent. */
    c->host->timer_again(c->timer, UINT32_MAX, 0);
}

static void timer_fired(void *arg)
{
    struct amqp_connection *c = arg;
    switch (c->state) {
    case AMQP_DOWN:
        c->host->count(c->bridge->instance, AMQP_COUNT_RECONNECTS, 1);
        connect_now(c);
        break;
    case AMQP_CONNECTING:
        amqp_io_abort(c->io, "the peer accepted the connection and does not answer");
        break;
    case AMQP_CLOSING:
        amqp_io_abort(c->io, "the peer does not answer the close");
        break;
    default:
        break;
    }
}

static void io_written(void *arg)
{
    struct amqp_connection *c = arg;
    for (struct amqp_sink *s = c->has_presettled ? c->sinks : NULL; s; s = amqp_sink_next(s))
        amqp_sink_written(s);
}

/* ---- what the module calls ------------------------------------------------------------------ */

struct amqp_connection *amqp_connection_create(struct amqp_bridge *bridge, mg_connection *core,
                                               uint32_t index)
{
    static const struct amqp_io_events events = {amqp_event, io_written, io_ended};
    struct amqp_connection *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->bridge = bridge;
    c->host = bridge->host;
    c->core = core;
    c->index = index;
    c->links_due_us = INT64_MAX;
    /* Brokers take two connections of one container id for one client. */
    snprintf(c->container, sizeof c->container, "%s", bridge->container);
    if (index)
        snprintf(c->container, sizeof c->container, "%s-%u", bridge->container, index);
    c->shard = c->host->connection_shard(core);
    c->io = amqp_io_create(c->host, c->shard, &events, c);
    c->timer = c->host->timer_start(c->shard, UINT32_MAX, 0, timer_fired, c);
    c->links_timer = c->host->timer_start(c->shard, UINT32_MAX, 0, links_due, c);
    if (!c->io || !c->timer || !c->links_timer) {
        amqp_connection_destroy(c);
        return NULL;
    }
    return c;
}

void amqp_connection_destroy(struct amqp_connection *c)
{
    if (!c)
        return;
    amqp_io_destroy(c->io); /* with it all of Proton's links and deliveries */
    if (c->timer)
        c->host->timer_stop(c->timer);
    if (c->links_timer)
        c->host->timer_stop(c->links_timer);
    while (c->sources) {
        struct amqp_source *next = amqp_source_next(c->sources);
        amqp_source_destroy(c->sources);
        c->sources = next;
    }
    while (c->sinks) {
        struct amqp_sink *next = amqp_sink_next(c->sinks);
        amqp_sink_destroy(c->sinks);
        c->sinks = next;
    }
    free(c);
}

int amqp_connection_begin(struct amqp_connection *c, struct mg_err *err)
{
    (void)err;
    set_status(c, false, "connecting");
    connect_now(c);
    return 0;
}

void amqp_connection_flush(struct amqp_connection *c)
{
    c->sent_us = 0;
    if (c->state == AMQP_UP)
        amqp_io_flush(c->io);
}

void amqp_connection_drain(struct amqp_connection *c)
{
    c->draining = true;
    for (struct amqp_source *s = c->sources; s; s = amqp_source_next(s))
        amqp_source_drain(s);
    if (c->state == AMQP_UP)
        amqp_io_flush(c->io);
}

/* A session's end comes back when the peer has handled all that was sent before it; a connection's
 * close does not: RabbitMQ then delivers again what its sessions have not got to yet. */
void amqp_connection_sessions_ended(struct amqp_connection *c)
{
    pn_connection_t *pn = amqp_io_connection(c->io);
    if (c->close_sent || !pn || pn_session_head(pn, PN_REMOTE_ACTIVE))
        return;
    c->close_sent = true;
    pn_connection_close(pn);
}

void amqp_connection_close(struct amqp_connection *c)
{
    pn_connection_t *pn = amqp_io_connection(c->io);
    if (c->state == AMQP_CLOSING || c->state == AMQP_CLOSED)
        return;
    bool was_up = c->state == AMQP_UP && pn;
    if (!was_up) {
        bool connecting = c->state == AMQP_CONNECTING;
        c->state = AMQP_CLOSING;
        c->host->timer_again(c->timer, CLOSE_MS, 0);
        if (connecting)
            amqp_io_abort(c->io, "the gateway closes the connection");
        else
            io_ended(c, "");
        return;
    }
    c->state = AMQP_CLOSING;
    c->host->timer_again(c->timer, CLOSE_MS, 0);
    for (pn_session_t *session = pn_session_head(pn, PN_LOCAL_ACTIVE); session;
         session = pn_session_next(session, PN_LOCAL_ACTIVE))
        pn_session_close(session);
    amqp_connection_sessions_ended(c);
    amqp_io_flush(c->io);
}
