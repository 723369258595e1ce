/* SPDX-License-Identifier: Apache-2.0 */
/* One AMQP transport: look-up and connecting; then a pump between socket and Proton. */
#include "amqp_lookup.h"
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/sasl.h>
#include <proton/ssl.h>
#include <proton/transport.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READS_PER_TURN = 16, READ_BYTES = 64 * 1024 };

struct amqp_io {
    const struct mg_host *host;
    mg_shard *shard;
    const struct amqp_io_events *events;
    void *arg;
    enum { IDLE, LOOKING_UP, CONNECTING, OPEN } state;
    const struct amqp_target *target;
    struct amqp_lookup *lookup;
    struct addrinfo *address; /* the one that is being tried */
    int fd;
    mg_io *watch;
    uint32_t watched; /* MG_IO_* */
    mg_timer *timer;  /* connect timeout, then Proton's tick */
    pn_connection_driver_t driver;
    bool has_driver, pumping, again, aborted, written_due;
    char why[AMQP_WHY_MAX];
};

static void io_ready(void *arg, uint32_t events);
static void pump(struct amqp_io *io);
static void timer_fired(void *arg);

struct amqp_io *amqp_io_create(const struct mg_host *host, mg_shard *shard,
                               const struct amqp_io_events *events, void *arg)
{
    struct amqp_io *io = calloc(1, sizeof *io);
    if (io) {
        *io =
            (struct amqp_io){.host = host, .shard = shard, .events = events, .arg = arg, .fd = -1};
        io->timer = host->timer_start(shard, UINT32_MAX, 0, timer_fired, io);
        if (!io->timer) {
            free(io);
            io = NULL;
        }
    }
    return io;
}

static void drop_socket(struct amqp_io *io)
{
    if (io->watch)
        io->host->io_stop(io->watch);
    io->watch = NULL;
    if (io->fd >= 0)
        close(io->fd);
    io->fd = -1;
}

static void reset(struct amqp_io *io)
{
    drop_socket(io);
    io->host->timer_again(io->timer, UINT32_MAX, 0);
    if (io->has_driver)
        pn_connection_driver_destroy(&io->driver);
    io->has_driver = false;
    if (io->lookup) {
        if (io->state == LOOKING_UP)
            io->lookup->io = NULL; /* the job's end frees it */
        else
            amqp_lookup_free(io->lookup);
        io->lookup = NULL;
    }
    io->state = IDLE;
    io->aborted = io->again = io->written_due = false;
}

static void end(struct amqp_io *io, const char *why)
{
    char text[AMQP_WHY_MAX];
    snprintf(text, sizeof text, "%s", why);
    reset(io);
    io->events->ended(io->arg, text);
}

void amqp_io_destroy(struct amqp_io *io)
{
    if (!io)
        return;
    reset(io);
    io->host->timer_stop(io->timer);
    free(io);
}

pn_connection_t *amqp_io_connection(const struct amqp_io *io)
{
    return io->has_driver ? io->driver.connection : NULL;
}

/* ---- look-up -------------------------------------------------------------------------------- */

static void try_next(struct amqp_io *io);

static void lookup_done(void *arg)
{
    struct amqp_lookup *l = arg;
    struct amqp_io *io = l->io;
    if (!io) {
        amqp_lookup_free(l);
        return;
    }
    io->state = CONNECTING;
    if (io->aborted || l->why[0]) {
        end(io, io->aborted ? io->why : l->why);
        return;
    }
    io->address = l->addresses;
    try_next(io);
}

int amqp_io_start(struct amqp_io *io, const struct amqp_target *target)
{
    if (io->state != IDLE)
        return -EBUSY;
    struct amqp_lookup *l = amqp_lookup_create(target);
    if (!l || io->host->work(io->shard, amqp_lookup_job, lookup_done, l) < 0) {
        amqp_lookup_free(l);
        return -ENOMEM;
    }
    l->io = io;
    io->target = target;
    io->lookup = l;
    io->state = LOOKING_UP;
    io->why[0] = 0;
    return 0;
}

/* ---- connecting ----------------------------------------------------------------------------- */

static void not_this_one(struct amqp_io *io, int error)
{
    snprintf(io->why, sizeof io->why, "%.160s port %s: %s", io->target->host, io->target->port,
             strerror(error));
    drop_socket(io);
    io->address = io->address->ai_next;
}

static void try_next(struct amqp_io *io)
{
    while (io->address) {
        const struct addrinfo *a = io->address;
        io->fd =
            socket(a->ai_family, a->ai_socktype | SOCK_NONBLOCK | SOCK_CLOEXEC, a->ai_protocol);
        if (io->fd < 0) {
            not_this_one(io, errno);
            continue;
        }
        int one = 1;
        setsockopt(io->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
        if (connect(io->fd, a->ai_addr, a->ai_addrlen) < 0 && errno != EINPROGRESS) {
            not_this_one(io, errno);
            continue;
        }
        io->watched = MG_IO_WRITE;
        io->watch = io->host->io_watch(io->shard, io->fd, io->watched, io_ready, io);
        if (!io->watch) {
            not_this_one(io, ENOMEM);
            continue;
        }
        io->host->timer_again(io->timer, io->target->connect_timeout_ms, 0);
        return;
    }
    end(io, io->why[0] ? io->why : "no address to connect to");
}

static const char *mechanisms(const struct amqp_target *t)
{
    switch (t->sasl) {
    case AMQP_SASL_ANONYMOUS:
        return "ANONYMOUS";
    case AMQP_SASL_PLAIN:
        return "PLAIN";
    case AMQP_SASL_EXTERNAL:
        return "EXTERNAL";
    default:
        return t->user ? "PLAIN" : t->tls && t->cert ? "EXTERNAL" : "ANONYMOUS";
    }
}

static bool open_driver(struct amqp_io *io)
{
    const struct amqp_target *t = io->target;
    pn_connection_t *c = pn_connection();
    pn_transport_t *transport = c ? pn_transport() : NULL;
    if (!transport || pn_connection_driver_init(&io->driver, c, transport) != 0) {
        if (c && !transport)
            pn_connection_free(c);
        return false;
    }
    io->has_driver = true;
    pn_connection_set_container(c, t->container);
    pn_connection_set_hostname(c, t->hostname);
    if (t->user)
        pn_connection_set_user(c, t->user);
    if (t->password)
        pn_connection_set_password(c, t->password);
    pn_transport_set_max_frame(transport, t->max_frame);
    pn_transport_set_idle_timeout(transport, t->idle_ms);
    if (t->tls) {
        pn_ssl_t *ssl = pn_ssl(transport);
        if (!ssl || pn_ssl_init(ssl, io->lookup->domain, NULL) != 0 ||
            pn_ssl_set_peer_hostname(ssl, t->server_name ? t->server_name : t->host) != 0)
            return false;
    }
    pn_sasl_t *sasl = pn_sasl(transport);
    pn_sasl_allowed_mechs(sasl, mechanisms(t));
    pn_sasl_set_allow_insecure_mechs(
        sasl, true); /* PLAIN without TLS was asked for, or is refused by check */
    pn_connection_open(c);
    return pn_connection_driver_bind(&io->driver) == 0;
}

static void connected(struct amqp_io *io)
{
    int error = 0;
    socklen_t len = sizeof error;
    if (getsockopt(io->fd, SOL_SOCKET, SO_ERROR, &error, &len) < 0)
        error = errno;
    if (error) {
        not_this_one(io, error);
        try_next(io);
        return;
    }
    if (!open_driver(io)) {
        end(io, "cannot set up the AMQP transport");
        return;
    }
    io->state = OPEN;
    io->why[0] = 0; /* of an address tried before */
    pump(io);
}

/* ---- the pump ------------------------------------------------------------------------------- */

static void read_socket(struct amqp_io *io)
{
    for (int i = 0; i < READS_PER_TURN; i++) {
        pn_rwbytes_t room = pn_connection_driver_read_buffer_sized(&io->driver, READ_BYTES);
        if (room.size == 0)
            return;
        ssize_t n = recv(io->fd, room.start, room.size, 0);
        if (n > 0) {
            pn_connection_driver_read_done(&io->driver, (size_t)n);
            if ((size_t)n < room.size)
                return;
        } else if (n == 0) {
            pn_connection_driver_read_close(&io->driver);
            return;
        } else {
            if (errno != EAGAIN && errno != EINTR) {
                pn_connection_driver_errorf(&io->driver, "amqp:connection:forced", "%s",
                                            strerror(errno));
                pn_connection_driver_close(&io->driver);
            }
            return;
        }
    }
}

/* True: more to write than the socket took. */
static bool write_socket(struct amqp_io *io)
{
    for (;;) {
        pn_bytes_t bytes = pn_connection_driver_write_buffer(&io->driver);
        if (bytes.size == 0)
            return false;
        ssize_t n = send(io->fd, bytes.start, bytes.size, MSG_NOSIGNAL);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno == EAGAIN)
            return true;
        if (n < 0) {
            pn_connection_driver_errorf(&io->driver, "amqp:connection:forced", "%s",
                                        strerror(errno));
            pn_connection_driver_close(&io->driver);
            return false;
        }
        pn_connection_driver_write_done(&io->driver, (size_t)n);
    }
}

static const char *condition_text(struct amqp_io *io)
{
    pn_condition_t *c = pn_transport_condition(io->driver.transport);
    if (io->why[0])
        return io->why;
    if (!pn_condition_is_set(c))
        return "the peer closed the connection";
    const char *what = pn_condition_get_description(c);
    snprintf(io->why, sizeof io->why, "%s: %s", pn_condition_get_name(c), what ? what : "");
    return io->why;
}

static void tick(struct amqp_io *io)
{
    int64_t now = io->host->now_us(io->shard) / 1000,
            next = pn_transport_tick(io->driver.transport, now ? now : 1);
    uint64_t after = next > now ? (uint64_t)(next - now) : next ? 1 : UINT32_MAX;
    io->host->timer_again(io->timer, after, 0);
}

/* A change of what is watched costs a system call or two. */
static void watch(struct amqp_io *io, uint32_t events)
{
    if (io->watched == events)
        return;
    io->watched = events;
    io->host->io_events(io->watch, events);
}

static void pump(struct amqp_io *io)
{
    if (io->pumping) {
        io->again = true;
        return;
    }
    io->pumping = true;
    bool blocked = false;
    do {
        pn_event_t *event;
        io->again = false;
        while (!io->aborted && (event = pn_connection_driver_next_event(&io->driver)))
            io->events->event(io->arg, event);
        if (io->aborted)
            break;
        tick(io);
        blocked = write_socket(io);
        if (!blocked && io->written_due) {
            io->written_due = false;
            io->events->written(io->arg);
        }
    } while (!io->aborted && (io->again || pn_connection_driver_has_event(&io->driver)));
    io->pumping = false;
    if (io->aborted || pn_connection_driver_finished(&io->driver)) {
        end(io, condition_text(io));
        return;
    }
    watch(io, (pn_connection_driver_read_closed(&io->driver) ? 0 : MG_IO_READ) |
                  (blocked ? MG_IO_WRITE : 0));
}

void amqp_io_flush(struct amqp_io *io)
{
    if (io->state != OPEN)
        return;
    io->written_due = true;
    if (!io->pumping)
        pump(io);
}

static void io_ready(void *arg, uint32_t events)
{
    struct amqp_io *io = arg;
    if (io->state == CONNECTING) {
        connected(io);
        return;
    }
    if (events & MG_IO_READ)
        read_socket(io);
    pump(io);
}

static void timer_fired(void *arg)
{
    struct amqp_io *io = arg;
    if (io->state == OPEN) {
        pump(io);
    } else if (io->aborted) {
        end(io, io->why);
    } else if (io->state == CONNECTING && io->fd >= 0) {
        not_this_one(io, ETIMEDOUT);
        try_next(io);
    }
}

void amqp_io_abort(struct amqp_io *io, const char *why)
{
    bool waits = io->state == LOOKING_UP && !io->aborted;
    if (io->state == IDLE || (io->aborted && io->state != LOOKING_UP))
        return;
    if (!io->why[0] || io->state == OPEN)
        snprintf(io->why, sizeof io->why, "%s", why);
    io->aborted = true;
    if (waits || (io->state == OPEN && io->pumping))
        return;
    io->host->timer_again(io->timer, 0, 0);
}
