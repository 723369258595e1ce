/* SPDX-License-Identifier: Apache-2.0 */
/* What the load tool and the floor forwarder know of MQTT 3.1.1: a connection, its two buffers, and
 * whole packets in them.  It shares no code with the gateway. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { WIRE_CONNACK = 2, WIRE_PUBLISH = 3, WIRE_PUBACK = 4, WIRE_SUBACK = 9 };

struct wire_buffer {
    uint8_t *at;
    size_t start, end, size;
};

struct wire {
    int fd; /* -1: there is none */
    struct wire_buffer in, out;
};

/* One packet: its bytes in the buffer, until the next read. */
struct wire_packet {
    uint8_t *at;   /* the fixed header's first byte */
    uint8_t *body; /* behind the fixed header */
    size_t size;   /* of the body */
};

/* Ends the process with status 2 and `what`, with errno's text where there is one. */
void wire_die(const char *what) __attribute__((noreturn));

/* Connects to a loopback port; ret_present: the server has kept a session.  False: nobody listens
 * there, or it ended the connection; a server that refuses ends the process. */
bool wire_connect(struct wire *wire, long port, const char *client_id, bool clean,
                  bool *ret_present);
void wire_subscribe(struct wire *wire, const char *filter, long qos);
void wire_close(struct wire *wire); /* with DISCONNECT; the buffers stay, emptied */
void wire_fini(struct wire *wire);

void wire_put(struct wire *wire, const void *bytes, size_t size);
void wire_put_text(struct wire *wire, const char *text, size_t size);
/* The fixed header (MQTT 3.1.1 §2.2). */
void wire_put_head(struct wire *wire, uint8_t first, size_t remaining);
size_t wire_unsent(const struct wire *wire);

/* False: the connection is lost. */
bool wire_write(struct wire *wire);
/* Reads what is there; ret_some: it was something.  False: the connection is lost. */
bool wire_read(struct wire *wire, bool *ret_some);
/* Takes the next whole packet out of the buffer; false: more bytes are needed. */
bool wire_next(struct wire *wire, struct wire_packet *ret_packet);
