/* SPDX-License-Identifier: Apache-2.0 */
/* What the load tool and the floor forwarder know of MQTT 3.1.1. */
#include "mqtt_wire.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BYTES = 262144, ANSWER_MS = 5000 };

void wire_die(const char *what)
{
    fprintf(stderr, "%s: %s: %s\n", program_invocation_short_name, what,
            errno ? strerror(errno) : "protocol error");
    exit(2);
}

/* Room for `more` bytes behind end. */
static uint8_t *room(struct wire_buffer *buffer, size_t more)
{
    if (buffer->start == buffer->end)
        buffer->start = buffer->end = 0;
    if (buffer->end + more > buffer->size && buffer->start) {
        memmove(buffer->at, buffer->at + buffer->start, buffer->end - buffer->start);
        buffer->end -= buffer->start;
        buffer->start = 0;
    }
    if (buffer->end + more > buffer->size) {
        buffer->size = (buffer->end + more) * 2;
        buffer->at = realloc(buffer->at, buffer->size);
        if (!buffer->at)
            wire_die("memory");
    }
    return buffer->at + buffer->end;
}

void wire_put(struct wire *wire, const void *bytes, size_t size)
{
    memcpy(room(&wire->out, size), bytes, size);
    wire->out.end += size;
}

void wire_put_text(struct wire *wire, const char *text, size_t size)
{
    wire_put(wire, (uint8_t[]){(uint8_t)(size >> 8), (uint8_t)size}, 2);
    wire_put(wire, text, size);
}

void wire_put_head(struct wire *wire, uint8_t first, size_t remaining)
{
    uint8_t head[5] = {first};
    size_t at = 1;
    do {
        head[at] = remaining & 127;
        remaining >>= 7;
        if (remaining)
            head[at] |= 128;
        at++;
    } while (remaining);
    wire_put(wire, head, at);
}

size_t wire_unsent(const struct wire *wire)
{
    return wire->out.end - wire->out.start;
}

bool wire_write(struct wire *wire)
{
    while (wire_unsent(wire)) {
        ssize_t size = send(wire->fd, wire->out.at + wire->out.start, wire_unsent(wire),
                            MSG_DONTWAIT | MSG_NOSIGNAL);
        if (size < 0)
            return errno == EAGAIN;
        wire->out.start += (size_t)size;
    }
    return true;
}

bool wire_read(struct wire *wire, bool *ret_some)
{
    ssize_t size = recv(wire->fd, room(&wire->in, READ_BYTES), READ_BYTES, MSG_DONTWAIT);
    *ret_some = size > 0;
    if (size < 0)
        return errno == EAGAIN;
    if (size == 0)
        errno = ECONNRESET;
    wire->in.end += (size_t)size;
    return size > 0;
}

bool wire_next(struct wire *wire, struct wire_packet *ret_packet)
{
    size_t have = wire->in.end - wire->in.start, size = 0, head = 1;
    uint8_t *at = wire->in.at + wire->in.start;
    for (unsigned shift = 0;; shift += 7) {
        if (head >= have || shift > 21)
            return false;
        uint8_t digit = at[head++];
        size |= (size_t)(digit & 127) << shift;
        if (!(digit & 128))
            break;
    }
    if (have < head + size)
        return false;
    *ret_packet = (struct wire_packet){.at = at, .body = at + head, .size = size};
    wire->in.start += head + size;
    return true;
}

/* The answer of this type; false: the connection is lost. */
static bool answer(struct wire *wire, uint8_t type, struct wire_packet *ret_packet)
{
    bool some;
    if (!wire_write(wire))
        return false;
    while (!wire_next(wire, ret_packet)) {
        struct pollfd ready = {.fd = wire->fd, .events = POLLIN};
        if (poll(&ready, 1, ANSWER_MS) != 1)
            wire_die("no answer");
        if (!wire_read(wire, &some))
            return false;
    }
    errno = 0;
    if (ret_packet->at[0] >> 4 != type || ret_packet->size < 2)
        wire_die("unexpected answer");
    return true;
}

bool wire_connect(struct wire *wire, long port, const char *client_id, bool clean,
                  bool *ret_present)
{
    struct sockaddr_in peer = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)port),
                               .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    wire->in.start = wire->in.end = wire->out.start = wire->out.end = 0;
    wire->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (wire->fd < 0)
        wire_die("socket");
    size_t size = strlen(client_id);
    struct wire_packet packet;
    bool connected = !connect(wire->fd, (const struct sockaddr *)&peer, sizeof peer);
    if (connected) {
        setsockopt(wire->fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        wire_put_head(wire, 0x10, 12 + size);
        wire_put_text(wire, "MQTT", 4);
        /* level 4, no keep-alive (MQTT 3.1.1 §3.1.2) */
        wire_put(wire, (uint8_t[]){4, clean ? 2 : 0, 0, 0}, 4);
        wire_put_text(wire, client_id, size);
        connected = answer(wire, WIRE_CONNACK, &packet);
    }
    if (!connected) {
        int error = errno;
        close(wire->fd);
        wire->fd = -1;
        errno = error;
        return false;
    }
    if (packet.body[1])
        wire_die("connection refused by the server");
    *ret_present = packet.body[0] & 1;
    return true;
}

void wire_subscribe(struct wire *wire, const char *filter, long qos)
{
    size_t size = strlen(filter);
    struct wire_packet packet;
    wire_put_head(wire, 0x82, 5 + size);
    wire_put(wire, (uint8_t[]){0, 1}, 2);
    wire_put_text(wire, filter, size);
    wire_put(wire, &(uint8_t){(uint8_t)qos}, 1);
    if (!answer(wire, WIRE_SUBACK, &packet))
        wire_die("subscribe");
    if (packet.size < 3 || packet.body[2] > 2)
        wire_die("subscription refused");
}

void wire_close(struct wire *wire)
{
    if (wire->fd < 0)
        return;
    wire_put(wire, (uint8_t[]){0xe0, 0}, 2);
    wire_write(wire);
    close(wire->fd);
    wire->fd = -1;
    wire->in.start = wire->in.end = wire->out.start = wire->out.end = 0;
}

void wire_fini(struct wire *wire)
{
    if (wire->fd >= 0)
        close(wire->fd);
    free(wire->in.at);
    free(wire->out.at);
}
