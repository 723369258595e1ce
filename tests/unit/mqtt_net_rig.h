/* SPDX-License-Identifier: Apache-2.0 */
/* One stream of the native MQTT client under the fake host, and the server that it talks to. */
#pragma once
#include "fake_host.h"
#include "native/mqtt_net.h"
#include <sys/types.h>

enum rig_event { RIG_NEVER, RIG_OPEN, RIG_READABLE, RIG_WRITABLE, RIG_FAILED, RIG_EVENTS };

struct rig {
    struct kit_host *host;
    struct rig_server *server; /* that waiting drives, may be NULL */
    struct mqtt_net *net;
    char url[200];
    struct mqtt_tls tls;
    int calls[RIG_EVENTS];
    enum rig_event close_in; /* the callback that closes the net */
    char why[1024];          /* of `failed` */
    ssize_t end;             /* what read answered that was neither bytes nor -EAGAIN */
    bool ended;
    size_t read_most;     /* bytes that one callback reads, then it wants no more; 0: all */
    size_t received;      /* and how many of them were not as rig_byte says */
    size_t wrong, expect; /* bytes that have to come */
};

/* A server in the same process, which does something only while the test waits for it. */
struct rig_server {
    int listener, fd;
    int port;
    struct ssl_ctx_st *tls; /* NULL: none */
    struct ssl_st *ssl;
    bool ready;            /* connected, and all handshakes are through */
    struct rig_ws *socket; /* NULL: no WebSocket */
};

/* The byte at a place of a stream, so that what is lost, doubled or swapped is seen. */
unsigned char rig_byte(size_t at);

void rig_begin(struct rig *rig);
void rig_end(struct rig *rig, struct rig_server *server); /* asserts that nothing is left over */
/* A loopback port where nobody listens, below those that connect() draws from. */
int rig_unused_port(void);
/* port 0: any.  false: there is no such address family. */
bool rig_listen(struct rig_server *server, int family, int port);
/* One that has no room for another connection, and so does not answer. */
void rig_listen_full(struct rig_server *server, const char *address, int port);
void rig_server_stop(struct rig_server *server);
/* What names that end in .test stand for, separated by spaces. */
extern const char *rig_names;
/* prefix:port and suffix. */
void rig_connect(struct rig *rig, const char *prefix, int port, const char *suffix);
/* Goes on with accepting and with the handshakes, as far as it can without waiting. */
void rig_serve(struct rig_server *server);
void rig_accept(struct rig *rig, struct rig_server *server); /* waits until it is through */
/* As recv and send do that do not wait. */
ssize_t rig_server_read(struct rig_server *server, void *at, size_t size);
ssize_t rig_server_write(struct rig_server *server, const void *at, size_t size);
void rig_hang_up(struct rig_server *server, bool reset);

/* Each turns the loop until it is so, ten seconds at most. */
bool rig_opens(struct rig *rig);
bool rig_opens_at_all(struct rig *rig);            /* the same, where a failure is expected */
bool rig_fails(struct rig *rig, const char *part); /* and the reason has `part` in it */
bool rig_ends(struct rig *rig);
bool rig_reads(struct rig *rig, size_t bytes); /* all that has come since the beginning */
bool rig_is_closed(struct rig *rig);
void rig_settle_jobs(struct rig *rig);
int rig_calls(const struct rig *rig);

/* Sends to a server that does not read until the stream takes no more; then the server reads. */
void rig_fill_and_drain(struct rig *rig, struct rig_server *server);
/* So many bytes each way at the same time, the client reading in small steps; asserts that all
 * arrive as they were sent. */
void rig_transfer(struct rig *rig, struct rig_server *server, size_t bytes);
