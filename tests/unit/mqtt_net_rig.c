/* SPDX-License-Identifier: Apache-2.0 */
/* A stream under the fake host, and a server in the same process. */
#include "mqtt_net_ws_rig.h"
#include <CUnit/CUnit.h>
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { PATIENCE_MS = 10000 };

unsigned char rig_byte(size_t at)
{
    return (unsigned char)(at * 2654435761u >> 13 ^ at >> 20);
}

static void *give_up(const char *what)
{
    fprintf(stderr, "mqtt_net tests: %s: %s\n", what, strerror(errno));
    exit(1);
}

/* ---- callbacks ------------------------------------------------------------------------------ */

static bool called(struct rig *rig, enum rig_event event)
{
    rig->calls[event]++;
    if (rig->close_in != event)
        return false;
    mqtt_net_close(rig->net);
    rig->net = NULL;
    return true;
}

static void on_open(void *arg)
{
    called(arg, RIG_OPEN);
}

static void on_failed(void *arg, const char *why)
{
    struct rig *rig = arg;
    snprintf(rig->why, sizeof(rig->why), "%s", why);
    called(rig, RIG_FAILED);
}

static void on_writable(void *arg)
{
    called(arg, RIG_WRITABLE);
}

static void on_readable(void *arg)
{
    struct rig *rig = arg;
    static unsigned char bytes[256 * 1024];
    if (called(rig, RIG_READABLE))
        return;
    ssize_t n = mqtt_net_read(rig->net, bytes, rig->read_most ? rig->read_most : sizeof(bytes));
    for (ssize_t i = 0; i < n; i++)
        rig->wrong += bytes[i] != rig_byte(rig->received + (size_t)i);
    if (n > 0)
        rig->received += (size_t)n;
    if (n <= 0 && n != -EAGAIN) {
        rig->end = n;
        rig->ended = true;
        mqtt_net_want_read(rig->net, false);
    } else if (rig->read_most && n > 0) {
        mqtt_net_want_read(rig->net, false);
    }
}

static const struct mqtt_net_events events = {
    .open = on_open,
    .failed = on_failed,
    .readable = on_readable,
    .writable = on_writable,
};

/* ---- the client's end ----------------------------------------------------------------------- */

void rig_begin(struct rig *rig)
{
    memset(rig, 0, sizeof(*rig));
    rig->host = kit_host_create();
}

void rig_server_stop(struct rig_server *server)
{
    if (server->fd >= 0)
        close(server->fd);
    if (server->listener >= 0)
        close(server->listener);
    SSL_free(server->ssl);
    SSL_CTX_free(server->tls);
    rig_ws_free(server->socket);
    *server = (struct rig_server){.listener = -1, .fd = -1};
}

void rig_end(struct rig *rig, struct rig_server *server)
{
    mqtt_net_close(rig->net);
    rig_settle_jobs(rig);
    if (server)
        rig_server_stop(server);
    CU_ASSERT_EQUAL(kit_host_destroy(rig->host), 0);
}

void rig_connect(struct rig *rig, const char *prefix, int port, const char *suffix)
{
    struct mg_err err = {0};
    snprintf(rig->url, sizeof(rig->url), "%s:%d%s", prefix, port, suffix);
    memset(rig->calls, 0, sizeof(rig->calls));
    int rc = mqtt_net_connect(kit_host_table(rig->host), kit_shard(rig->host, 0), rig->url,
                              &rig->tls, rig->tls.server_name, &events, rig, &rig->net, &err);
    if (rc) {
        fprintf(stderr, "%s: %s\n", rig->url, err.text);
        exit(1);
    }
    CU_ASSERT_EQUAL(rig_calls(rig), 0);
}

int rig_calls(const struct rig *rig)
{
    int all = 0;
    for (int i = 0; i < RIG_EVENTS; i++)
        all += rig->calls[i];
    return all;
}

static bool opened_or_failed(void *arg)
{
    struct rig *rig = arg;
    return rig->calls[RIG_OPEN] || rig->calls[RIG_FAILED];
}

static bool has_failed(void *arg)
{
    return ((struct rig *)arg)->calls[RIG_FAILED];
}

static bool has_ended(void *arg)
{
    return ((struct rig *)arg)->ended;
}

static bool has_received(void *arg)
{
    struct rig *rig = arg;
    return rig->received >= rig->expect;
}

static bool is_closed(void *arg)
{
    return !((struct rig *)arg)->net;
}

static bool has_no_handles(void *arg)
{
    return !kit_live_handles(arg);
}

/* Turns the loop, and the server between. */
static bool run(struct rig *rig, bool (*done)(void *arg))
{
    const struct mg_host *table = kit_host_table(rig->host);
    int64_t until_us = table->now_us(kit_shard(rig->host, 0)) + PATIENCE_MS * INT64_C(1000);
    for (;;) {
        if (rig->server)
            rig_serve(rig->server);
        if (kit_run_until(rig->host, done, rig, rig->server ? 2 : PATIENCE_MS))
            return true;
        if (table->now_us(kit_shard(rig->host, 0)) > until_us)
            return false;
    }
}

bool rig_opens_at_all(struct rig *rig)
{
    run(rig, opened_or_failed);
    return rig->calls[RIG_OPEN] == 1 && !rig->calls[RIG_FAILED];
}

bool rig_opens(struct rig *rig)
{
    if (rig_opens_at_all(rig))
        return true;
    fprintf(stderr, "%s: %s\n", rig->url, rig->why);
    return false;
}

bool rig_fails(struct rig *rig, const char *part)
{
    bool so = run(rig, has_failed) && rig->calls[RIG_FAILED] == 1 && strstr(rig->why, part);
    if (!so)
        fprintf(stderr, "%s: expected '%s', said '%s'\n", rig->url, part, rig->why);
    return so;
}

bool rig_ends(struct rig *rig)
{
    return run(rig, has_ended);
}

bool rig_reads(struct rig *rig, size_t bytes)
{
    rig->expect = bytes;
    return run(rig, has_received);
}

bool rig_is_closed(struct rig *rig)
{
    return run(rig, is_closed);
}

void rig_settle_jobs(struct rig *rig)
{
    kit_run_until(rig->host, has_no_handles, rig->host, 60000);
}

/* ---- the server's end ----------------------------------------------------------------------- */

static socklen_t loopback(struct sockaddr_storage *ret_address, int family, int port)
{
    memset(ret_address, 0, sizeof(*ret_address));
    ret_address->ss_family = (sa_family_t)family;
    if (family == AF_INET6) {
        struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)ret_address;
        v6->sin6_addr = in6addr_loopback;
        v6->sin6_port = htons((uint16_t)port);
        return sizeof(*v6);
    }
    struct sockaddr_in *v4 = (struct sockaddr_in *)ret_address;
    v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    v4->sin_port = htons((uint16_t)port);
    return sizeof(*v4);
}

int rig_unused_port(void)
{
    static unsigned seed;
    if (!seed)
        seed = (unsigned)getpid() * 2654435761u;
    for (int i = 0; i < 1000; i++) {
        struct rig_server server;
        int port = 20000 + rand_r(&seed) % 12000;
        if (rig_listen(&server, AF_INET, port)) {
            close(server.listener);
            return port;
        }
    }
    give_up("no free port");
    return 0;
}

bool rig_listen(struct rig_server *server, int family, int port)
{
    struct sockaddr_storage address;
    socklen_t length = loopback(&address, family, port);
    int one = 1;
    *server = (struct rig_server){.fd = -1};
    server->listener = socket(family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (server->listener < 0)
        return false;
    int small = 64 * 1024; /* so that a slow server is felt soon */
    setsockopt(server->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    setsockopt(server->listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
    if (bind(server->listener, (struct sockaddr *)&address, length) ||
        listen(server->listener, 8) ||
        getsockname(server->listener, (struct sockaddr *)&address, &length)) {
        close(server->listener);
        return false;
    }
    /* Both families have it at the same place. */
    server->port = ntohs(((struct sockaddr_in *)&address)->sin_port);
    return true;
}

void rig_listen_full(struct rig_server *server, const char *address, int port)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
    inet_pton(AF_INET, address, &at.sin_addr);
    *server = (struct rig_server){.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)};
    server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (bind(server->listener, (struct sockaddr *)&at, sizeof(at)) || listen(server->listener, 0) ||
        connect(server->fd, (struct sockaddr *)&at, sizeof(at)))
        give_up("a listener without room");
}

void rig_serve(struct rig_server *server)
{
    if (server->fd < 0)
        server->fd = accept4(server->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (server->fd < 0 || server->ready)
        return;
    if (server->tls && !server->ssl) {
        server->ssl = SSL_new(server->tls);
        if (!server->ssl || !SSL_set_fd(server->ssl, server->fd))
            give_up("a TLS connection");
        SSL_set_accept_state(server->ssl);
        SSL_set_mode(server->ssl,
                     SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    }
    server->ready = (!server->ssl || SSL_do_handshake(server->ssl) == 1) &&
                    (!server->socket || rig_ws_upgrade(server));
}

static bool is_ready(void *arg)
{
    return ((struct rig *)arg)->server->ready;
}

void rig_accept(struct rig *rig, struct rig_server *server)
{
    rig->server = server;
    if (!run(rig, is_ready))
        give_up("nobody connects");
}

ssize_t rig_server_read(struct rig_server *server, void *at, size_t size)
{
    if (!server->ssl)
        return recv(server->fd, at, size, MSG_DONTWAIT);
    int n = SSL_read(server->ssl, at, (int)size);
    return n > 0 ? n : SSL_get_error(server->ssl, n) == SSL_ERROR_ZERO_RETURN ? 0 : -1;
}

ssize_t rig_server_write(struct rig_server *server, const void *at, size_t size)
{
    if (!server->ssl)
        return send(server->fd, at, size, MSG_DONTWAIT | MSG_NOSIGNAL);
    int n = SSL_write(server->ssl, at, (int)size);
    return n > 0 ? n : -1;
}

void rig_hang_up(struct rig_server *server, bool reset)
{
    struct linger linger = {.l_onoff = reset};
    setsockopt(server->fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
    close(server->fd);
    server->fd = -1;
}

/* ---- traffic -------------------------------------------------------------------------------- */

/* Writes the bytes from `at` on, in parts of uneven sizes, as many as the stream takes. */
static size_t write_from(struct rig *rig, size_t at, size_t until)
{
    static unsigned char bytes[40000];
    size_t length = until - at < sizeof(bytes) ? until - at : sizeof(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = rig_byte(at + i);
    struct iovec parts[] = {
        {bytes, length < 3 ? length : 3},
        {bytes + 3, length < 3 ? 0 : length / 2},
        {bytes + 3 + length / 2, length < 3 ? 0 : length - 3 - length / 2},
    };
    if (length < 10) {
        parts[0].iov_len = length;
        parts[1].iov_len = parts[2].iov_len = 0;
    }
    ssize_t n = mqtt_net_write(rig->net, parts, 3);
    if (n < 0 && n != -EAGAIN) {
        fprintf(stderr, "%s\n", mqtt_net_why(rig->net));
        CU_FAIL("write");
    }
    return n > 0 ? (size_t)n : 0;
}

/* What the server has, checked; nothing: false. */
static bool serve_read(struct rig_server *server, size_t *at, size_t *wrong)
{
    static unsigned char bytes[8192];
    ssize_t n = server->socket ? rig_ws_read(server, bytes, sizeof(bytes))
                               : rig_server_read(server, bytes, sizeof(bytes));
    for (ssize_t i = 0; i < n; i++)
        *wrong += bytes[i] != rig_byte(*at + (size_t)i);
    if (n > 0)
        *at += (size_t)n;
    return n > 0;
}

static bool serve_write(struct rig_server *server, size_t *at, size_t until)
{
    unsigned char bytes[5000];
    size_t length = until - *at < sizeof(bytes) ? until - *at : sizeof(bytes);
    for (size_t i = 0; i < length; i++)
        bytes[i] = rig_byte(*at + i);
    ssize_t n = !length          ? 0
                : server->socket ? rig_ws_write(server, bytes, length)
                                 : rig_server_write(server, bytes, length);
    if (n > 0)
        *at += (size_t)n;
    return n > 0;
}

void rig_fill_and_drain(struct rig *rig, struct rig_server *server)
{
    size_t sent = 0, served = 0, wrong = 0;
    for (size_t n; (n = write_from(rig, sent, SIZE_MAX / 2));)
        sent += n;
    CU_ASSERT_EQUAL(rig->calls[RIG_WRITABLE], 0);
    for (int i = 0; i < 100000 && rig->net && served < sent; i++) {
        serve_read(server, &served, &wrong);
        kit_turn(rig->host);
    }
    CU_ASSERT_EQUAL(wrong, 0);
}

struct transfer {
    struct rig *rig;
    struct rig_server *server;
    size_t bytes, sent, served, answered, wrong;
    int writables;
    unsigned turn;
    bool blocked;
};

static bool transferred(void *arg)
{
    struct transfer *t = arg;
    struct rig *rig = t->rig;
    t->turn++;
    if (t->blocked && rig->calls[RIG_WRITABLE] > t->writables)
        t->blocked = false;
    while (!t->blocked && t->sent < t->bytes) {
        t->writables = rig->calls[RIG_WRITABLE];
        size_t n = write_from(rig, t->sent, t->bytes);
        t->sent += n;
        t->blocked = n < 40000 && t->sent < t->bytes;
    }
    if (t->turn % 3 == 0) /* the server is slow */
        serve_read(t->server, &t->served, &t->wrong);
    for (int i = 0; i < 8 && serve_write(t->server, &t->answered, t->bytes); i++)
        continue;
    if (t->turn % 2 == 0) /* and so is the client */
        mqtt_net_want_read(rig->net, true);
    return rig->ended || rig->calls[RIG_FAILED] ||
           (t->served == t->bytes && rig->received == t->bytes);
}

/* Runs in short waits, since the server's end does not wake the loop. */
void rig_transfer(struct rig *rig, struct rig_server *server, size_t bytes)
{
    struct transfer t = {.rig = rig, .server = server, .bytes = bytes};
    rig->read_most = 7000;
    bool done = false;
    for (int i = 0; i < 100000 && !(done = transferred(&t)); i++)
        kit_turn(rig->host);
    CU_ASSERT(done);
    CU_ASSERT_EQUAL(t.served, bytes);
    CU_ASSERT_EQUAL(rig->received, bytes);
    CU_ASSERT_EQUAL(t.wrong + rig->wrong, 0);
    CU_ASSERT(rig->calls[RIG_WRITABLE] > 0); /* back-pressure was met at all */
}
