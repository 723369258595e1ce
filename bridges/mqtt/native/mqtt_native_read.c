/* SPDX-License-Identifier: Apache-2.0 */
/* What the native client reads: many packets at a time, most of them where the kernel put them. */
#include "mqtt_native.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    READ_BYTES = 256 * 1024,
    KEPT_MOST = 64 * 1024, /* of the memory for a packet that is not whole yet */
};

/* Every client of a shard reads here, so that a connection that is idle holds no memory. */
static _Thread_local uint8_t read_buffer[READ_BYTES];

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

/* at may be c->rest. */
static void take(struct mqtt_client *c, const uint8_t *at, size_t length)
{
    struct mqtt_session *s = &c->session;
    ptrdiff_t taken = mqtt_session_input(s, at, length);
    if (c->linger)
        return; /* a callback has ended it */
    if (taken >= 0 && keep(c, at + taken, length - (size_t)taken))
        taken = -ENOMEM;
    /* What the session says by itself.  What the core publishes meanwhile, it flushes. */
    int rc = s->answered ? mqtt_native_write(c) : 0;
    if (taken < 0) {
        mqtt_native_lost(c, s->end_reason, taken == -ENOMEM ? "out of memory" : s->end_why);
        return;
    }
    if (rc) {
        mqtt_native_lost(c, 0, mqtt_net_why(c->net));
        return;
    }
    if (s->connected && !c->keep_alive)
        mqtt_native_up(c);
    if (s->stalled)
        mqtt_net_want_read(c->net, false);
    mqtt_native_tell_writable(c);
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
    if (n == -ENOMEM)
        mqtt_native_lost(c, 0, "out of memory");
    else if (n == 0)
        mqtt_native_lost(c, 0,
                         c->session.connected
                             ? "the server closed the connection"
                             : "the server closed the connection without an answer to "
                               "CONNECT");
    else
        mqtt_native_lost(c, 0, mqtt_net_why(c->net));
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

void mqtt_native_readable(void *arg)
{
    struct mqtt_client *c = arg;
    if (c->linger) { /* nobody wants it any more */
        ssize_t n = mqtt_net_read(c->net, read_buffer, READ_BYTES);
        if (n <= 0 && n != -EAGAIN)
            mqtt_native_linger_over(c);
    } else if (c->session.stalled) {
        mqtt_net_want_read(c->net, false);
    } else if (c->rest_length > READ_BYTES / 2) {
        read_on_large(c); /* less than a packet is left over, so it is a large one */
    } else {
        read_on(c);
    }
}

void mqtt_native_read_again(struct mqtt_client *c)
{
    if (c->rest_length && c->session.state == SESSION_UP)
        take(c, c->rest, c->rest_length);
}
