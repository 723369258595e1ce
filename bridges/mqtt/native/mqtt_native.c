/* SPDX-License-Identifier: Apache-2.0 */
/* The native client: a session on a stream, on the shard's loop.  Nothing here blocks, and no
 * thread but the shard's comes here. */
#include "mqtt_net.h"
#include "mqtt_session.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_BYTES = 256 * 1024,
    KEPT_MOST = 64 * 1024, /* of the memory for a packet that is not whole yet */
    PARTS_MOST = 16,
    TICKS = 4,       /* of the keep-alive timer in one keep-alive */
    LINGER_MS = 500, /* for DISCONNECT and what is before it to be written and read */
};

struct mqtt_client {
    const struct mg_host *host;
    mg_shard *shard;
    const struct mqtt_client_events *events;
    void *arg;
    struct mqtt_session session;
    struct mqtt_net *net;
    mg_wake *wake;
    mg_timer *keep_alive, *linger;
    bool woken, blocked; /* blocked: the stream takes no more for now */
    bool broken;         /* a write failed, which flush may not say itself */
    bool resumed;        /* the message at the front is to be offered again */
    /* What was read and not taken yet. */
    uint8_t *rest;
    size_t rest_length, rest_capacity;
    /* Keep-alive: ticks without a byte, and since PINGREQ. */
    uint8_t quiet_out, quiet_in, unanswered;
};

/* Every client of a shard reads here, so that a connection that is idle holds no memory. */
static _Thread_local uint8_t read_buffer[READ_BYTES];

static void wake_up(struct mqtt_client *c)
{
    if (c->woken)
        return;
    c->woken = true;
    c->host->wake(c->wake);
}

/* ---- the end -------------------------------------------------------------------------------- */

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
static void lost(struct mqtt_client *c, uint32_t reason, const char *why)
{
    struct mqtt_session *s = &c->session;
    char text[sizeof(s->end_why)], reference[sizeof(s->end_reference)];
    bool was_up = s->connected;
    snprintf(text, sizeof(text), "%s", why);
    snprintf(reference, sizeof(reference), "%s", s->end_reference);
    close_stream(c);
    (was_up ? c->events->lost : c->events->refused)(c->arg, reason, text,
                                                    reference[0] ? reference : NULL);
    c->events->ended(c->arg);
}

static void linger_over(void *arg)
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
    c->linger = c->host->timer_start(c->shard, ms, 0, linger_over, c);
    if (c->net)
        mqtt_net_want_read(c->net, true);
}

/* ---- writing -------------------------------------------------------------------------------- */

static int write_out(struct mqtt_client *c)
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

static void tell_writable(struct mqtt_client *c)
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
    if (write_out(c)) {
        lost(c, 0, mqtt_net_why(c->net));
        return;
    }
    tell_writable(c);
}

static void native_flush(struct mqtt_client *c)
{
    if (!c->session.outbox.unwritten || c->session.state == SESSION_DOWN)
        return;
    if (write_out(c))
        c->broken = true;
    if (c->broken || (c->session.starved && mqtt_session_has_room(&c->session)))
        wake_up(c);
}

/* ---- reading -------------------------------------------------------------------------------- */

/* Keeps what was not taken. */
static int keep(struct mqtt_client *c, const uint8_t *at, size_t length)
{
    if (length > c->rest_capacity) {
        uint8_t *grown = malloc(length);
        if (!grown)
            return -ENOMEM;
        memcpy(grown, at, length);
        free(c->rest);
        c->rest = grown;
        c->rest_capacity = length;
    } else if (length) {
        memmove(c->rest, at, length);
    } else if (c->rest_capacity > KEPT_MOST) {
        free(c->rest);
        c->rest = NULL;
        c->rest_capacity = 0;
    }
    c->rest_length = length;
    return 0;
}

static void begin_keep_alive(struct mqtt_client *c);

/* at may be c->rest. */
static void take(struct mqtt_client *c, const uint8_t *at, size_t length)
{
    struct mqtt_session *s = &c->session;
    ptrdiff_t taken = mqtt_session_input(s, at, length);
    if (c->linger)
        return; /* a callback has ended it */
    if (taken >= 0 && keep(c, at + taken, length - (size_t)taken))
        taken = -ENOMEM;
    int rc = write_out(c); /* acknowledgements at once, DISCONNECT where there was a fault */
    if (taken < 0) {
        lost(c, s->end_reason, taken == -ENOMEM ? "out of memory" : s->end_why);
        return;
    }
    if (rc) {
        lost(c, 0, mqtt_net_why(c->net));
        return;
    }
    if (s->connected && !c->keep_alive)
        begin_keep_alive(c);
    if (s->stalled)
        mqtt_net_want_read(c->net, false);
    tell_writable(c);
}

/* The rest of a packet that is larger than the common buffer: into memory of its own, which grows
 * with what has come, not with what was announced. */
static ssize_t read_large(struct mqtt_client *c)
{
    if (c->rest_length == c->rest_capacity) {
        size_t capacity =
            c->rest_capacity * 2 < c->session.wants ? c->rest_capacity * 2 : c->session.wants;
        uint8_t *grown = realloc(c->rest, capacity);
        if (!grown)
            return -ENOMEM;
        c->rest = grown;
        c->rest_capacity = capacity;
    }
    ssize_t n = mqtt_net_read(c->net, c->rest + c->rest_length, c->rest_capacity - c->rest_length);
    if (n > 0)
        c->rest_length += (size_t)n;
    return n;
}

static void end_of_stream(struct mqtt_client *c, ssize_t n)
{
    if (c->linger)
        linger_over(c);
    else if (n == -ENOMEM)
        lost(c, 0, "out of memory");
    else if (n == 0)
        lost(c, 0,
             c->session.connected ? "the server closed the connection"
                                  : "the server closed the connection without an answer to "
                                    "CONNECT");
    else
        lost(c, 0, mqtt_net_why(c->net));
}

static void read_on(struct mqtt_client *c)
{
    size_t before = c->rest_length;
    if (before)
        memcpy(read_buffer, c->rest, before);
    ssize_t n = mqtt_net_read(c->net, read_buffer + before, READ_BYTES - before);
    if (n > 0) {
        c->quiet_in = c->unanswered = 0;
        take(c, read_buffer, before + (size_t)n);
    } else if (n != -EAGAIN) {
        end_of_stream(c, n);
    }
}

static void read_on_large(struct mqtt_client *c)
{
    ssize_t n = read_large(c);
    if (n > 0) {
        c->quiet_in = c->unanswered = 0;
        if (c->rest_length == c->session.wants)
            take(c, c->rest, c->rest_length);
    } else if (n != -EAGAIN) {
        end_of_stream(c, n);
    }
}

static void on_readable(void *arg)
{
    struct mqtt_client *c = arg;
    if (c->linger) { /* nobody wants it any more */
        ssize_t n = mqtt_net_read(c->net, read_buffer, READ_BYTES);
        if (n <= 0 && n != -EAGAIN)
            linger_over(c);
    } else if (c->session.stalled) {
        mqtt_net_want_read(c->net, false);
    } else if (c->rest_length > READ_BYTES / 2) {
        read_on_large(c); /* less than a packet is left over, so it is a large one */
    } else {
        read_on(c);
    }
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
        lost(c, 0, "no answer to PINGREQ");
        return;
    }
    if (c->quiet_out >= TICKS - 1 || (c->quiet_in >= TICKS - 1 && !s->pinged)) {
        if (!s->pinged)
            c->unanswered = 0;
        if (mqtt_session_ping(s) || write_out(c))
            lost(c, 0, c->net ? mqtt_net_why(c->net) : "out of memory");
    }
}

static void begin_keep_alive(struct mqtt_client *c)
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
        rc = write_out(c);
    if (rc)
        lost(c, c->session.end_reason,
             rc == -EACCES   ? c->session.end_why
             : rc == -EINVAL ? "client_id, user or password is too long for CONNECT"
             : rc == -ENOMEM ? "out of memory"
                             : mqtt_net_why(c->net));
}

static void on_failed(void *arg, const char *why)
{
    struct mqtt_client *c = arg;
    if (c->linger)
        linger_over(c);
    else
        lost(c, 0, why);
}

static const struct mqtt_net_events net_events = {
    .open = on_open,
    .failed = on_failed,
    .readable = on_readable,
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
    tell_writable(c);
    if (c->resumed && c->net) {
        c->resumed = false;
        mqtt_net_want_read(c->net, true);
        if (c->rest_length && c->session.state == SESSION_UP)
            take(c, c->rest, c->rest_length);
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
    linger(c, is_up && !write_out(c) ? LINGER_MS : 0);
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

const struct mqtt_client_ops mqtt_native_client = {
    .defers_ack = true,
    .keeps_publishes = true,
    .takes_no_id = true,
    .create = native_create,
    .connect = native_connect,
    .subscribe = native_subscribe,
    .publish = native_publish,
    .hold = native_hold,
    .settle = native_settle,
    .flush = native_flush,
    .resume = native_resume,
    .forget = native_forget,
    .disconnect = native_disconnect,
    .backlog = native_backlog,
    .destroy = native_destroy,
};
