/* SPDX-License-Identifier: Apache-2.0 */
/* The byte stream to a server: dials, puts the layers that the url names upon each other, and turns
 * what the socket is ready for into the callbacks of mqtt_net.h. */
#include "mqtt_net_stream.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct mqtt_net {
    const struct mg_host *host;
    mg_shard *shard;
    const struct mqtt_net_events *events;
    void *arg;
    const struct mqtt_tls *tls;
    const char *server_name;
    struct mqtt_where where;
    struct mqtt_why why;
    struct mqtt_tls_setup *setup;
    struct ssl_ctx_st *context; /* the setup's */
    struct mqtt_dial *dial;
    struct mqtt_stream *stream; /* the topmost layer */
    mg_io *watch;
    mg_wake *again; /* what a layer holds can be read */
    uint32_t watched;
    bool is_open, wants_read;
    bool wants_write; /* a write took less than everything */
    bool closed;
    uint32_t inside; /* callbacks under way: the last one frees */
};

void mqtt_why_set(struct mqtt_why *why, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(why->text, sizeof(why->text), format, args);
    va_end(args);
}

/* ---- callbacks ------------------------------------------------------------------------------ */

static void release(struct mqtt_net *net)
{
    mqtt_tls_setup_stop(net->setup);
    net->setup = NULL;
    mqtt_dial_stop(net->dial);
    net->dial = NULL;
    net->host->io_stop(net->watch); /* before its descriptor is closed */
    net->watch = NULL;
    mqtt_stream_close(net->stream);
    net->stream = NULL;
    net->host->wake_free(net->again);
    net->again = NULL;
}

/* Everything that calls out is between these two; leave: false where the net is gone. */
static void enter(struct mqtt_net *net)
{
    net->inside++;
}

static bool leave(struct mqtt_net *net)
{
    if (--net->inside || !net->closed)
        return !net->closed;
    free(net);
    return false;
}

static void fail(struct mqtt_net *net)
{
    net->is_open = false;
    net->host->io_stop(net->watch);
    net->watch = NULL;
    enter(net);
    net->events->failed(net->arg, net->why.text);
    leave(net);
}

static bool call(struct mqtt_net *net, void (*event)(void *arg))
{
    enter(net);
    event(net->arg);
    return leave(net);
}

/* Watches for what is wanted now. */
static void arm(struct mqtt_net *net)
{
    if (!net->watch)
        return;
    bool reading = !net->is_open || net->wants_read;
    uint32_t wants = net->stream->ops->wants(net->stream, reading, net->wants_write);
    if (wants != net->watched)
        net->host->io_events(net->watch, wants);
    net->watched = wants;
    if (net->is_open && net->wants_read && net->stream->ops->pending(net->stream))
        net->host->wake(net->again);
}

/* ---- an open stream ------------------------------------------------------------------------- */

static void on_again(void *arg)
{
    struct mqtt_net *net = arg;
    if (net->is_open && net->wants_read && net->stream->ops->pending(net->stream) &&
        call(net, net->events->readable))
        arm(net);
}

static bool write_on(struct mqtt_net *net)
{
    int rc = net->stream->ops->flush(net->stream);
    if (rc == -EAGAIN)
        return true;
    if (rc) {
        fail(net);
        return false;
    }
    if (!net->wants_write)
        return true;
    net->wants_write = false;
    return call(net, net->events->writable);
}

static void on_open(struct mqtt_net *net, uint32_t events)
{
    const struct mqtt_stream_ops *ops = net->stream->ops;
    if ((events & ops->wants(net->stream, false, net->wants_write)) && !write_on(net))
        return;
    if (net->wants_read && (events & ops->wants(net->stream, true, false)) &&
        !call(net, net->events->readable))
        return;
    arm(net);
}

/* ---- opening -------------------------------------------------------------------------------- */

static void go_on(struct mqtt_net *net)
{
    int rc = net->stream->ops->open(net->stream);
    if (rc && rc != -EAGAIN) {
        fail(net);
        return;
    }
    if (!rc) {
        net->is_open = net->wants_read = true;
        if (!call(net, net->events->open))
            return;
    }
    arm(net);
}

static void on_ready(void *arg, uint32_t events)
{
    struct mqtt_net *net = arg;
    if (net->is_open)
        on_open(net, events);
    else
        go_on(net);
}

/* Puts a layer on top of those that there are. */
static bool add(struct mqtt_net *net, struct mqtt_stream *layer)
{
    if (layer)
        net->stream = layer;
    return layer;
}

static bool build(struct mqtt_net *net, int fd)
{
    if (!add(net, mqtt_tcp_stream(fd, net->where.at, &net->why))) {
        close(fd);
        return false;
    }
    if (net->where.tls &&
        !add(net, mqtt_tls_stream(net->stream, net->context, net->tls,
                                  net->server_name ? net->server_name : net->where.host)))
        return false;
    if (net->where.web_socket && !add(net, mqtt_ws_stream(net->stream, &net->where)))
        return false;
    net->watched = net->stream->ops->wants(net->stream, true, false);
    net->watch = net->host->io_watch(net->shard, fd, net->watched, on_ready, net);
    return net->watch;
}

static void on_connected(void *arg, int fd)
{
    struct mqtt_net *net = arg;
    mqtt_dial_stop(net->dial);
    net->dial = NULL;
    bool built = build(net, fd);
    mqtt_tls_setup_stop(net->setup);
    net->setup = NULL;
    if (built) {
        go_on(net);
    } else {
        if (!net->why.text[0])
            mqtt_why_set(&net->why, "%s: out of memory", net->where.at);
        fail(net);
    }
}

static void on_begin_failed(void *arg)
{
    fail(arg);
}

static const struct mqtt_dial_events dial_events = {
    .connected = on_connected,
    .failed = on_begin_failed,
};

static bool dial(struct mqtt_net *net)
{
    net->dial = mqtt_dial_start(net->host, net->shard, &net->where, &net->why, &dial_events, net);
    return net->dial;
}

static void on_setup(void *arg, struct ssl_ctx_st *context)
{
    struct mqtt_net *net = arg;
    net->context = context;
    if (dial(net))
        return;
    mqtt_why_set(&net->why, "%s: out of memory", net->where.at);
    fail(net);
}

static const struct mqtt_tls_setup_events setup_events = {
    .ready = on_setup,
    .failed = on_begin_failed,
};

/* With TLS, its files come first: where they are wrong, no connection is of use. */
static bool begin(struct mqtt_net *net)
{
    net->again = net->host->wake_new(net->shard, on_again, net);
    if (!net->again)
        return false;
    if (!net->where.tls)
        return dial(net);
    net->setup =
        mqtt_tls_setup_start(net->host, net->shard, net->tls, &net->why, &setup_events, net);
    return net->setup;
}

/* ---- calls ---------------------------------------------------------------------------------- */

static const struct mqtt_tls no_options;

int mqtt_net_connect(const struct mg_host *host, mg_shard *shard, const char *url,
                     const struct mqtt_tls *tls, const char *server_name,
                     const struct mqtt_net_events *events, void *arg, struct mqtt_net **ret_net,
                     struct mg_err *reterr)
{
    struct mqtt_where where;
    if (mqtt_where_parse(url, &where, reterr))
        return -EINVAL;
    struct mqtt_net *net = calloc(1, sizeof(*net));
    if (net) {
        *net = (struct mqtt_net){.host = host,
                                 .shard = shard,
                                 .events = events,
                                 .arg = arg,
                                 .tls = tls ? tls : &no_options,
                                 .server_name = server_name,
                                 .where = where};
    }
    if (!net || !begin(net)) {
        mqtt_net_close(net);
        snprintf(reterr->text, sizeof(reterr->text), "out of memory");
        return -ENOMEM;
    }
    *ret_net = net;
    return 0;
}

ssize_t mqtt_net_read(struct mqtt_net *net, void *at, size_t size)
{
    return net->is_open ? net->stream->ops->read(net->stream, at, size) : -ENOTCONN;
}

ssize_t mqtt_net_write(struct mqtt_net *net, const struct iovec *parts, int count)
{
    if (!net->is_open)
        return -ENOTCONN;
    size_t all = 0;
    for (int i = 0; i < count; i++)
        all += parts[i].iov_len;
    ssize_t n = net->stream->ops->write(net->stream, parts, count);
    net->wants_write = n == -EAGAIN || (n >= 0 && (size_t)n < all);
    arm(net);
    return n;
}

void mqtt_net_want_read(struct mqtt_net *net, bool wanted)
{
    net->wants_read = wanted;
    arm(net);
}

const char *mqtt_net_why(const struct mqtt_net *net)
{
    return net->why.text;
}

void mqtt_net_close(struct mqtt_net *net)
{
    if (!net)
        return;
    release(net);
    net->is_open = false;
    net->closed = true;
    if (!net->inside)
        free(net);
}
