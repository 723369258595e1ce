/* SPDX-License-Identifier: Apache-2.0 */
/* The bottom of a stream: a connected TCP socket. */
#include "mqtt_net_stream.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tcp {
    struct mqtt_stream base;
    int fd;
};

static int tcp_open(struct mqtt_stream *stream)
{
    (void)stream;
    return 0;
}

static ssize_t broken(struct tcp *tcp, const char *doing)
{
    int error = errno;
    mqtt_why_set(tcp->base.why, "%s %s: %s", doing, tcp->base.at, strerror(error));
    return -error;
}

static ssize_t tcp_read(struct mqtt_stream *stream, void *at, size_t size)
{
    struct tcp *tcp = (struct tcp *)stream;
    ssize_t n;
    do
        n = recv(tcp->fd, at, size, 0);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    return errno == EAGAIN ? -EAGAIN : broken(tcp, "reading from");
}

static ssize_t tcp_write(struct mqtt_stream *stream, const struct iovec *parts, int count)
{
    struct tcp *tcp = (struct tcp *)stream;
    struct msghdr message = {.msg_iov = (struct iovec *)parts, .msg_iovlen = (size_t)count};
    ssize_t n;
    do
        n = sendmsg(tcp->fd, &message, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    if (n >= 0)
        return n;
    return errno == EAGAIN ? -EAGAIN : broken(tcp, "writing to");
}

static int tcp_flush(struct mqtt_stream *stream)
{
    (void)stream;
    return 0;
}

static uint32_t tcp_wants(const struct mqtt_stream *stream, bool reading, bool writing)
{
    (void)stream;
    return (reading ? MG_IO_READ : 0u) | (writing ? MG_IO_WRITE : 0u);
}

static bool tcp_pending(const struct mqtt_stream *stream)
{
    (void)stream;
    return false;
}

static void tcp_close(struct mqtt_stream *stream)
{
    close(((struct tcp *)stream)->fd);
    free(stream);
}

static const struct mqtt_stream_ops tcp_ops = {
    .open = tcp_open,
    .read = tcp_read,
    .write = tcp_write,
    .flush = tcp_flush,
    .wants = tcp_wants,
    .pending = tcp_pending,
    .close = tcp_close,
};

struct mqtt_stream *mqtt_tcp_stream(int fd, const char *at, struct mqtt_why *why)
{
    struct tcp *tcp = malloc(sizeof(*tcp));
    if (!tcp)
        return NULL;
    *tcp = (struct tcp){.base = {.ops = &tcp_ops, .why = why, .at = at}, .fd = fd};
    return &tcp->base;
}
