/* SPDX-License-Identifier: Apache-2.0 */
/* The native client: a session on a stream, on the shard's loop.  Nothing here blocks, and no
 * thread but the shard's comes here. */
#include "mqtt_native.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PARTS_MOST = 16,
    TICKS = 4,       /* of the keep-alive timer in one keep-alive */
    LINGER_MS = 500, /* for DISCONNECT and what is before it to be written and read */
};

static void wake_up(struct mqtt_client *c)
{
    if (c->woken)
        return;
    c->woken = true;
    c->host->wake(c->wake);
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Messages of QoS 0 that were read and not taken; the server has the others. */
static size_t native_backlog(struct mqtt_client *c)
{
    struct mqtt_fault fault;
    size_t count = 0, at = 0;
    while (at < c->rest_length) {
        int64_t size =
            mqtt_packet_length(&c->session.decoder, c->rest + at, c->rest_length - at, &fault);
        if (size <= 0 || (uint64_t)size > c->rest_length - at)
            break;
        count += c->rest[at] >> 4 == MQTT_PUBLISH && !(c->rest[at] & 6);
        at += (size_t)size;
    }
    return count;
}

static void close_stream(struct mqtt_client *c)
{
    c->host->timer_stop(c->keep_alive);
    c->host->timer_stop(c->linger);
    c->keep_alive = c->linger = NULL;
    mqtt_net_close(c->net);
    c->net = NULL;
    c->broken = c->blocked = c->resumed = false;
    c->rest_length = 0;
    mqtt_session_end(&c->session);
}

/* The connection is over by what came from outside. */
void mqtt_native_lost(struct mqtt_client *c, uint32_t reason, const char *why)
{
    struct mqtt_session *s = &c->session;
    char text[sizeof(s->end_why)], reference[sizeof(s->end_reference)];
    bool was_up = s->connected;
    snprintf(text, sizeof(text), "%s", why);
    snprintf(reference, sizeof(reference), "%s", s->end_reference);
    size_t left = native_backlog(c);
    close_stream(c);
    if (left)
        c->events->dropped(c->arg, (uint32_t)left);
    (was_up ? c->events->lost : c->events->refused)(c->arg, reason, text,
                                                    reference[0] ? reference : NULL);
    c->events->ended(c->arg);
}

void mqtt_native_linger_over(void *arg)
{
    struct mqtt_client *c = arg;
    close_stream(c);
    c->events->ended(c->arg);
}

/* DISCONNECT is to arrive, and what is before it: the stream is closed when the server has closed
 * its side, or after a while. */
static void linger(struct mqtt_client *c, uint64_t ms)
{
    if (c->linger)
        return;
    c->host->timer_stop(c->keep_alive);
    c->keep_alive = NULL;
    c->linger = c->host->timer_start(c->shard, ms, 0, mqtt_native_linger_over, c);
    if (c->net)
        mqtt_net_want_read(c->net, true);
}

/* ---- writing -------------------------------------------------------------------------------- */

int mqtt_native_write(struct mqtt_client *c)
{
    struct iovec parts[PARTS_MOST];
    while (c->net && c->session.outbox.unwritten && !c->blocked) {
        int count = mqtt_outbox_parts(&c->session.outbox, parts, PARTS_MOST);
        size_t all = 0;
        for (int i = 0; i < count; i++)
            all += parts[i].iov_len;
        ssize_t n = mqtt_net_write(c->net, parts, count);
        c->quiet_out = 0;
        if (n < 0 && n != -EAGAIN)
            return (int)n;
        if (n > 0)
            mqtt_outbox_wrote(&c->session.outbox, (size_t)n);
        c->blocked = n < 0 || (size_t)n < all;
    }
    return 0;
}

void mqtt_native_tell_writable(struct mqtt_client *c)
{
    if (c->session.starved && mqtt_session_has_room(&c->session)) {
        c->session.starved = false;
        c->events->writable(c->arg);
    }
}

static void on_writable(void *arg)
{
    struct mqtt_client *c = arg;
    c->blocked = false;
    if (mqtt_native_write(c)) {
        mqtt_native_lost(c, 0, mqtt_net_why(c->net));
        return;
    }
    mqtt_native_tell_writable(c);
}

static void native_flush(struct mqtt_client *c)
{
    if (!c->session.outbox.unwritten || c->session.state == SESSION_DOWN)
        return;
    if (mqtt_native_write(c))
        c->broken = true;
    if (c->broken || (c->session.starved && mqtt_session_has_room(&c->session)))
        wake_up(c);
}

/* ---- keep-alive (MQTT 5 §3.1.2.10) ---------------------------------------------------------- */

static void tick(void *arg)
{
    struct mqtt_client *c = arg;
    struct mqtt_session *s = &c->session;
    if (s->state != SESSION_UP)
        return;
    c->quiet_out++;
    if (!s->stalled)
        c->quiet_in++; /* while a full window stops the reading, silence means nothing */
    if (s->pinged && !s->stalled && ++c->unanswered > TICKS) {
        mqtt_native_lost(c, 0, "no answer to PINGREQ");
        return;
    }
    if (c->quiet_out >= TICKS - 1 || (c->quiet_in >= TICKS - 1 && !s->pinged)) {
        if (!s->pinged)
            c->unanswered = 0;
        if (mqtt_session_ping(s) || mqtt_native_write(c))
            mqtt_native_lost(c, 0, c->net ? mqtt_net_why(c->net) : "out of memory");
    }
}

void mqtt_native_up(struct mqtt_client *c)
{
    uint64_t every = (uint64_t)c->session.keep_alive_s * 1000 / TICKS;
    c->quiet_in = c->quiet_out = c->unanswered = 0;
    if (every)
        c->keep_alive = c->host->timer_start(c->shard, every, every, tick, c);
}

/* ---- the stream ----------------------------------------------------------------------------- */

static void on_open(void *arg)
{
    struct mqtt_client *c = arg;
    int rc = mqtt_session_begin(&c->session);
    if (!rc)
        rc = mqtt_native_write(c);
    if (rc)
        mqtt_native_lost(c, c->session.end_reason,
                         rc == -EACCES   ? c->session.end_why
                         : rc == -EINVAL ? "client_id, user or password is too long for CONNECT"
                         : rc == -ENOMEM ? "out of memory"
                                         : mqtt_net_why(c->net));
}

static void on_failed(void *arg, const char *why)
{
    struct mqtt_client *c = arg;
    if (c->linger)
        mqtt_native_linger_over(c);
    else
        mqtt_native_lost(c, 0, why);
}

static const struct mqtt_net_events net_events = {
    .open = on_open,
    .failed = on_failed,
    .readable = mqtt_native_readable,
    .writable = on_writable,
};

/* What a call could not say itself. */
static void on_wake(void *arg)
{
    struct mqtt_client *c = arg;
    c->woken = false;
    if (c->broken) {
        on_failed(c, c->net ? mqtt_net_why(c->net) : "the connection broke");
        return;
    }
    if (!c->net)
        return;
    mqtt_native_tell_writable(c);
    if (c->resumed && c->net) {
        c->resumed = false;
        mqtt_net_want_read(c->net, true);
        mqtt_native_read_again(c);
    }
}

/* ---- operations ----------------------------------------------------------------------------- */

static void native_destroy(struct mqtt_client *c)
{
    if (!c)
        return;
    close_stream(c);
    c->host->wake_free(c->wake);
    mqtt_session_fini(&c->session);
    free(c->rest);
    free(c);
}

static int native_create(const struct mg_host *host, mg_shard *shard,
                         const struct mqtt_client_options *options,
                         const struct mqtt_client_events *events, void *arg,
                         struct mqtt_client **ret_client, struct mg_err *reterr)
{
    struct mqtt_client *c = calloc(1, sizeof(*c));
    if (c) {
        c->host = host;
        c->shard = shard;
        c->events = events;
        c->arg = arg;
        c->wake = host->wake_new(shard, on_wake, c);
    }
    if (!c || mqtt_session_init(&c->session, options, events, arg) || !c->wake) {
        native_destroy(c);
        snprintf(reterr->text, sizeof(reterr->text), "out of memory");
        return -ENOMEM;
    }
    *ret_client = c;
    return 0;
}

static int native_connect(struct mqtt_client *c, const char *url)
{
    struct mg_err err;
    const struct mqtt_tls *tls = c->session.options.tls;
    c->session.connected = false;
    return mqtt_net_connect(c->host, c->shard, url, tls, tls ? tls->server_name : NULL, &net_events,
                            c, &c->net, &err);
}

static void native_disconnect(struct mqtt_client *c)
{
    bool is_up = c->session.state == SESSION_UP;
    mqtt_session_close(&c->session);
    linger(c, is_up && !mqtt_native_write(c) ? LINGER_MS : 0);
}

static int native_subscribe(struct mqtt_client *c, const struct mqtt_subscription *subscriptions,
                            uint32_t first, uint32_t count)
{
    return mqtt_session_subscribe(&c->session, subscriptions, first, count);
}

static int native_publish(struct mqtt_client *c, const struct mqtt_publish *publish, uint32_t id)
{
    return mqtt_session_publish(&c->session, publish, id);
}

static int native_publish_kept(struct mqtt_client *c, const struct mqtt_publish *publish,
                               uint32_t id, uint64_t delivery)
{
    return mqtt_session_publish_kept(&c->session, publish, id, delivery);
}

static void native_abandon(struct mqtt_client *c, uint32_t id)
{
    mqtt_session_abandon(&c->session, id);
}

static bool native_entry(struct mqtt_client *c, uint64_t receipt, struct mqtt_kept *ret_kept)
{
    return mqtt_session_entry(&c->session, receipt, ret_kept);
}

static void native_hold(struct mqtt_client *c, uint64_t receipt)
{
    mqtt_session_hold(&c->session, receipt);
}

static void native_settle(struct mqtt_client *c, uint64_t receipt, uint32_t outcome)
{
    mqtt_session_settle(&c->session, receipt, outcome);
}

static void native_forget(struct mqtt_client *c)
{
    mqtt_session_forget(&c->session);
}

static void native_resume(struct mqtt_client *c)
{
    if (!c->session.stalled)
        return;
    c->resumed = true;
    wake_up(c);
}

const struct mqtt_client_ops mqtt_native_client = {
    .defers_ack = true,
    .keeps_publishes = true,
    .takes_no_id = true,
    .create = native_create,
    .connect = native_connect,
    .subscribe = native_subscribe,
    .publish = native_publish,
    .publish_kept = native_publish_kept,
    .abandon = native_abandon,
    .entry = native_entry,
    .hold = native_hold,
    .settle = native_settle,
    .flush = native_flush,
    .resume = native_resume,
    .forget = native_forget,
    .disconnect = native_disconnect,
    .backlog = native_backlog,
    .destroy = native_destroy,
};
