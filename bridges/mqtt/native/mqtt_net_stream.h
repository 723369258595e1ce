/* SPDX-License-Identifier: Apache-2.0 */
/* Inside the byte stream: layers upon each other (TCP, TLS, WebSocket), and dialling. */
#pragma once
#include "mqtt_net.h"
#include "mqtt_net_url.h"

/* The reason for people, in the net's memory; every layer writes there. */
struct mqtt_why {
    char text[1024];
};
void mqtt_why_set(struct mqtt_why *why, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* ---- layers --------------------------------------------------------------------------------- */

struct ssl_ctx_st;

struct mqtt_stream {
    const struct mqtt_stream_ops *ops;
    struct mqtt_stream *under; /* owned; NULL: this is the socket */
    struct mqtt_why *why;
    const char *at; /* host:port, for messages */
};

/* Nothing here blocks or calls back. */
struct mqtt_stream_ops {
    /* Goes on with the handshake.  0: the stream is open; -EAGAIN: again when what `wants` says has
     * happened; another negative errno, with why. */
    int (*open)(struct mqtt_stream *stream);
    /* As mqtt_net_read and mqtt_net_write. */
    ssize_t (*read)(struct mqtt_stream *stream, void *at, size_t size);
    ssize_t (*write)(struct mqtt_stream *stream, const struct iovec *parts, int count);
    /* Writes what was taken and is still here.  0: nothing is left; -EAGAIN; or a negative errno.
     */
    int (*flush)(struct mqtt_stream *stream);
    /* MG_IO_*: what of the socket lets reading, or writing, or before `open` the handshake go on.
     * writing counts, too, where the layer has something of its own to write. */
    uint32_t (*wants)(const struct mqtt_stream *stream, bool reading, bool writing);
    /* read would return something although the socket has nothing. */
    bool (*pending)(const struct mqtt_stream *stream);
    /* Says goodbye where that takes no waiting, and frees the stream with all that is under it. */
    void (*close)(struct mqtt_stream *stream);
};

static inline void mqtt_stream_close(struct mqtt_stream *stream)
{
    if (stream)
        stream->ops->close(stream);
}

/* Each takes fd, or `under`, on success; NULL: out of memory. */
struct mqtt_stream *mqtt_tcp_stream(int fd, const char *at, struct mqtt_why *why);

/* context: of mqtt_tls_setup_start, borrowed for the call.  name: what the certificate is checked
 * for; alpn: what was offered; both live as long as the stream. */
struct mqtt_stream *mqtt_tls_stream(struct mqtt_stream *under, struct ssl_ctx_st *context,
                                    const struct mqtt_tls *tls, const char *name);

/* where lives as long as the stream. */
struct mqtt_stream *mqtt_ws_stream(struct mqtt_stream *under, const struct mqtt_where *where);

/* ---- TLS: certificates and keys, read away from the loop, anew for each connection ----------- */

struct mqtt_tls_setup;
struct mqtt_tls_setup_events {
    void (*ready)(void *arg, struct ssl_ctx_st *context); /* the setup's */
    void (*failed)(void *arg);                            /* with why */
};
/* Reads what tls names.  why lives as long as the setup.  No callback comes out of the call.
 * NULL: out of memory. */
struct mqtt_tls_setup *mqtt_tls_setup_start(const struct mg_host *host, mg_shard *shard,
                                            const struct mqtt_tls *tls, struct mqtt_why *why,
                                            const struct mqtt_tls_setup_events *events, void *arg);
void mqtt_tls_setup_stop(struct mqtt_tls_setup *setup); /* NULL is fine; inside a callback, too */

/* ---- dialling ------------------------------------------------------------------------------- */

struct mqtt_dial;
struct mqtt_dial_events {
    void (*connected)(void *arg, int fd); /* takes fd */
    void (*failed)(void *arg);            /* with why */
};
/* Looks up where->host and connects.  where and why live as long as the dial.  No callback comes
 * out of the call; in a callback only mqtt_dial_stop may follow.  NULL: out of memory. */
struct mqtt_dial *mqtt_dial_start(const struct mg_host *host, mg_shard *shard,
                                  const struct mqtt_where *where, struct mqtt_why *why,
                                  const struct mqtt_dial_events *events, void *arg);
void mqtt_dial_stop(struct mqtt_dial *dial); /* NULL is fine; inside a callback, too */
