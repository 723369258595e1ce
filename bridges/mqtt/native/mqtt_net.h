/* SPDX-License-Identifier: Apache-2.0 */
/* A byte stream to an MQTT server: TCP, TLS, WebSocket, WebSocket over TLS, on the shard's loop.
 *
 * Names are resolved on the thread pool; addresses of both families are tried in turn, a little
 * apart, and the first that answers wins (Happy Eyeballs, RFC 8305).  All calls and callbacks are
 * SHARD; no callback comes out of a call, and none after mqtt_net_close. */
#pragma once
#include "../mqtt_client.h"
#include <sys/types.h>
#include <sys/uio.h>

struct mqtt_net;

struct mqtt_net_events {
    void (*open)(void *arg); /* the stream can be written and read */
    /* Connecting failed, or what is open broke; why: in words, with the address and what to do
     * about it where that is known.  Only mqtt_net_close may follow. */
    void (*failed)(void *arg, const char *why);
    /* Bytes (or the end) can be read; comes again, without new bytes from the peer, as long as
     * something is left unread and reading is wanted. */
    void (*readable)(void *arg);
    void (*writable)(void *arg); /* once, after a write took less than everything */
};

/* url: mqtt://host:port, mqtts://, ws://host:port/path, wss://; an IPv6 host in brackets.  The
 * port's default is 1883, 8883, 80, 443, and the path's is /mqtt.  url, tls and server_name live as
 * long as the net. server_name: what the certificate is checked for and SNI says; NULL: the url's
 * host. 0, -EINVAL (url), -ENOMEM; everything else comes as `failed`. */
int mqtt_net_connect(const struct mg_host *host, mg_shard *shard, const char *url,
                     const struct mqtt_tls *tls, const char *server_name,
                     const struct mqtt_net_events *events, void *arg, struct mqtt_net **ret_net,
                     struct mg_err *reterr);
/* Bytes read (>0), 0: the peer has ended the stream, -EAGAIN, or another negative errno, with
 * mqtt_net_why in words. */
ssize_t mqtt_net_read(struct mqtt_net *net, void *at, size_t size);
/* Bytes taken, perhaps not all: then `writable` comes when it is worth trying again.  -EAGAIN:
 * none; or another negative errno. */
ssize_t mqtt_net_write(struct mqtt_net *net, const struct iovec *parts, int count);
/* Whether readable is wanted; true after open. */
void mqtt_net_want_read(struct mqtt_net *net, bool wanted);
const char *mqtt_net_why(const struct mqtt_net *net);
/* Says goodbye where that takes no waiting (TLS close_notify, WebSocket close frame), and frees.
 * NULL is fine; inside a callback, too. */
void mqtt_net_close(struct mqtt_net *net);
