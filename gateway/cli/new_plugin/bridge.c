/* SPDX-License-Identifier: Apache-2.0 */
/* my-plugin: a bridge for meshgate.  Its events are datagrams of local (Unix) sockets: a source
 * binds one and reads it, a sink sends to one that somebody else has bound.
 *
 * What holds for a bridge:
 *  - A connection lives on one shard, a thread with one event loop, and so do its sources and
 *    sinks.  All but create, destroy and end runs there, and none of it may block: io_watch and
 *    timer_start call back when there is something to do.
 *  - A source brings no more events than it has credit for; what waits, waits at the peer.
 *  - A sink answers 0 (taken), -EAGAIN (not now: sendable will say when) or another error (this
 *    event can never be sent).  A peer that is away is -EAGAIN and status(false), no error.
 *  - An end declares what is true: this source cannot hold an acknowledgement back (no
 *    MG_DEFERS_ACK), this sink does not know what became of a datagram (no MG_CONFIRMS). */
#include <meshgate/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { DATAGRAM_BYTES_MAX = 65536, DATAGRAMS_A_TURN = 64 };

/* What the user may configure: the gateway fills these structs from the YAML by the tables below,
 * and refuses what does not fit. */
struct settings {
    int64_t retry_ms;
};

struct end_settings {
    const char *path;
};

static const struct mg_option options[] = {
    {.name = "retry",
     .type = MG_OPT_DURATION_MS,
     .value = "1s",
     .least = 1,
     .most = 3600000,
     .doc = "How long a sink waits, about, before it tries a socket again that nobody reads.",
     .offset = offsetof(struct settings, retry_ms)},
    {0},
};

static const struct mg_option source_options[] = {
    {.name = "path",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_REQUIRED,
     .doc = "The socket that is made, and read.",
     .offset = offsetof(struct end_settings, path)},
    {0},
};

static const struct mg_option sink_options[] = {
    {.name = "path",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_REQUIRED,
     .doc = "The socket that events are sent to.",
     .offset = offsetof(struct end_settings, path)},
    {0},
};

enum { COUNT_TOO_LARGE };
static const char *const counters[] = {"too_large", NULL};

struct bridge {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings; /* live until destroy */
};

struct source {
    struct source *next;
    struct connection *connection;
    mg_source *handle;   /* the gateway's name for it */
    const char *address; /* lives as long as the source */
    struct sockaddr_un at;
    int fd; /* -1: not bound */
    mg_io *io;
    uint32_t credit;
};

struct sink {
    struct sink *next;
    struct connection *connection;
    mg_sink *handle;
    struct sockaddr_un at;
    mg_timer *retry; /* NULL: the last datagram was taken */
};

struct connection {
    const struct bridge *bridge;
    const struct mg_host *host;
    mg_connection *handle;
    mg_shard *shard;
    struct source *sources;
    struct sink *sinks;
    int fd; /* what sinks send from */
    char datagram[DATAGRAM_BYTES_MAX];
};

/* ---- on the control thread ------------------------------------------------------------------ */

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct bridge *self = calloc(1, sizeof *self);
    (void)reterr;
    if (!self)
        return -ENOMEM;
    *self = (struct bridge){.host = host, .instance = instance, .settings = settings};
    *ret_self = self;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

/* Is this end possible, and what can it do?  Asked when a configuration is checked, so that the
 * user reads what is wrong with file, line and column. */
static int end(const void *settings, uint32_t direction, const char *address,
               const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    const struct end_settings *s = end_settings;
    struct sockaddr_un at;
    (void)settings;
    if (strlen(s->path) >= sizeof at.sun_path) {
        snprintf(reterr->text, sizeof reterr->text,
                 "the path of a socket has at most %zu bytes, this one %zu", sizeof at.sun_path - 1,
                 strlen(s->path));
        reterr->option = "path";
        return -ENAMETOOLONG;
    }
    if (direction == MG_SOURCE && strpbrk(address, "+#")) {
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%s\" is the address of all that comes in here: no wildcards", address);
        return -EINVAL;
    }
    ret_end->abilities = (direction == MG_SOURCE ? MG_SOURCE : MG_SINK) | MG_ORDERED;
    ret_end->carries = MG_CARRIES_BINARY;
    return 0;
}

/* ---- on the shard --------------------------------------------------------------------------- */

static int open_connection(void *self, mg_connection *handle, uint32_t index, void **ret_context,
                           struct mg_err *reterr)
{
    const struct bridge *bridge = self;
    struct connection *c = calloc(1, sizeof *c);
    (void)index, (void)reterr;
    if (!c)
        return -ENOMEM;
    c->bridge = bridge;
    c->host = bridge->host;
    c->handle = handle;
    c->shard = c->host->connection_shard(handle);
    c->fd = -1;
    *ret_context = c;
    return 0;
}

static struct sockaddr_un socket_at(const struct end_settings *settings)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    memcpy(at.sun_path, settings->path, strlen(settings->path)); /* end has seen that it fits */
    return at;
}

static int open_source(void *context, mg_source *handle, const char *address, const void *settings,
                       void **ret_source, struct mg_err *reterr)
{
    struct connection *c = context;
    struct source *s = calloc(1, sizeof *s);
    (void)reterr;
    if (!s)
        return -ENOMEM;
    *s = (struct source){.next = c->sources,
                         .connection = c,
                         .handle = handle,
                         .address = address,
                         .at = socket_at(settings),
                         .fd = -1};
    c->sources = s;
    *ret_source = s;
    return 0;
}

static int open_sink(void *context, mg_sink *handle, const char *address, const void *settings,
                     void **ret_sink, struct mg_err *reterr)
{
    struct connection *c = context;
    struct sink *k = calloc(1, sizeof *k);
    (void)address, (void)reterr;
    if (!k)
        return -ENOMEM;
    *k = (struct sink){
        .next = c->sinks, .connection = c, .handle = handle, .at = socket_at(settings)};
    c->sinks = k;
    *ret_sink = k;
    return 0;
}

/* ---- sources -------------------------------------------------------------------------------- */

static void take(struct source *s, size_t length)
{
    struct connection *c = s->connection;
    const struct mg_message message = {
        .head = {.size = sizeof message.head,
                 .address = {s->address, strlen(s->address)},
                 .priority = 4},
        .payload = {c->datagram, length},
    };
    if (length > sizeof c->datagram) /* what MSG_TRUNC says: the rest is lost */
        c->host->count(c->bridge->instance, COUNT_TOO_LARGE, 1);
    /* Cookie 0: nobody waits for the outcome, since no datagram can be had again. */
    else if (!c->host->ingest(c->handle, s->handle, &message, 0))
        s->credit--;
}

static void readable(void *arg, uint32_t events)
{
    struct source *s = arg;
    struct connection *c = s->connection;
    (void)events;
    for (int i = 0; i < DATAGRAMS_A_TURN && s->credit > 0; i++) {
        ssize_t length = recv(s->fd, c->datagram, sizeof c->datagram, MSG_DONTWAIT | MSG_TRUNC);
        if (length < 0)
            return;
        take(s, (size_t)length);
    }
    if (s->credit == 0)
        c->host->io_events(s->io, 0); /* the socket fills up, and its senders wait */
}

static void credit(void *context, void *source, uint32_t more)
{
    struct connection *c = context;
    struct source *s = source;
    if (!s)
        return;
    if (s->credit == 0 && s->io)
        c->host->io_events(s->io, MG_IO_READ);
    s->credit += more;
}

static int bind_source(struct source *s, struct mg_err *reterr)
{
    struct stat old;
    s->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s->fd < 0)
        return -errno;
    /* What a gateway that was killed has left is in the way of the next. */
    if (!lstat(s->at.sun_path, &old) && S_ISSOCK(old.st_mode))
        unlink(s->at.sun_path);
    if (bind(s->fd, (const struct sockaddr *)&s->at, sizeof s->at)) {
        int error = -errno;
        snprintf(reterr->text, sizeof reterr->text, "%s: %s", s->at.sun_path, strerror(-error));
        close(s->fd);
        s->fd = -1;
        return error;
    }
    s->io = s->connection->host->io_watch(s->connection->shard, s->fd, 0, readable, s);
    return s->io ? 0 : -ENOMEM;
}

static int begin(void *context, struct mg_err *reterr)
{
    struct connection *c = context;
    c->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (c->fd < 0)
        return -errno;
    for (struct source *s = c->sources; s; s = s->next) {
        int error = bind_source(s, reterr);
        if (error)
            return error;
    }
    c->host->status(c->handle, true, "open");
    return 0;
}

/* ---- sinks ---------------------------------------------------------------------------------- */

static void try_again(void *arg)
{
    struct sink *k = arg;
    struct connection *c = k->connection;
    c->host->timer_stop(k->retry);
    k->retry = NULL;
    c->host->sendable(c->handle, k->handle);
}

/* A socket that is full, or that nobody has bound.  Neither says when that ends. */
static int not_now(struct sink *k, int error)
{
    struct connection *c = k->connection;
    uint32_t retry_ms = (uint32_t)c->bridge->settings->retry_ms;
    char why[256];
    snprintf(why, sizeof why, "%s: %s", k->at.sun_path, strerror(error));
    c->host->status(c->handle, false, why);
    if (!k->retry) /* jitter: sinks that fail together do not come back together */
        k->retry = c->host->timer_start(c->shard, retry_ms / 2 + c->host->random(retry_ms) + 1, 0,
                                        try_again, k);
    return k->retry ? -EAGAIN : -ENOMEM;
}

static int send_event(void *context, void *sink, const struct mg_delivery *delivery,
                      struct mg_err *reterr)
{
    struct connection *c = context;
    struct sink *k = sink;
    struct mg_bytes payload = c->host->event_payload(delivery->event);
    if (payload.len > DATAGRAM_BYTES_MAX) {
        snprintf(reterr->text, sizeof reterr->text, "%zu bytes, a datagram has at most %d",
                 payload.len, DATAGRAM_BYTES_MAX);
        return -EMSGSIZE;
    }
    if (sendto(c->fd, payload.at, payload.len, MSG_NOSIGNAL, (const struct sockaddr *)&k->at,
               sizeof k->at) < 0)
        return not_now(k, errno);
    c->host->status(c->handle, true, "open");
    if (delivery->token) /* 0: nobody waits for it, as this sink does not confirm */
        c->host->settle(delivery->token, MG_ACCEPTED, NULL);
    return 0;
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Sources take no more; sinks go on. */
static void drain(void *context)
{
    struct connection *c = context;
    for (struct source *s = c->sources; s; s = s->next) {
        c->host->io_stop(s->io); /* NULL is fine */
        s->io = NULL;
    }
}

static void close_connection(void *context)
{
    struct connection *c = context;
    drain(c);
    for (struct sink *k = c->sinks; k; k = k->next) {
        c->host->timer_stop(k->retry);
        k->retry = NULL;
    }
    c->host->closed(c->handle);
}

/* Also of a connection that was not begun, or whose begin failed. */
static void destroy_connection(void *context)
{
    struct connection *c = context;
    if (!c)
        return;
    for (struct source *s; (s = c->sources);) {
        c->sources = s->next;
        c->host->io_stop(s->io);
        if (s->fd >= 0) {
            close(s->fd);
            unlink(s->at.sun_path);
        }
        free(s);
    }
    for (struct sink *k; (k = c->sinks);) {
        c->sinks = k->next;
        c->host->timer_stop(k->retry);
        free(k);
    }
    if (c->fd >= 0)
        close(c->fd);
    free(c);
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_bridge_ops ops = {
    .size = sizeof ops,
    .abilities = MG_SOURCE | MG_SINK | MG_ORDERED,
    .end = end,
    .open = open_connection,
    .open_source = open_source,
    .open_sink = open_sink,
    .begin = begin,
    .credit = credit,
    .send = send_event,
    .drain = drain,
    .close = close_connection,
    .destroy = destroy_connection,
};
static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "my-plugin",
    .version = "0.1.0",
    .summary = "Carries events as datagrams of local sockets.",
    .options = options,
    .source_options = source_options,
    .sink_options = sink_options,
    .settings_size = sizeof(struct settings),
    .source_settings_size = sizeof(struct end_settings),
    .sink_settings_size = sizeof(struct end_settings),
    .counters = counters,
    .life = &life,
    .ops = &ops,
};

/* The one exported symbol. */
const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
