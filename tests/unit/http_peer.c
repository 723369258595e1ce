/* SPDX-License-Identifier: Apache-2.0 */
/* A thread that accepts, and one for each connection. */
#include "http_peer.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum { CONNECTIONS_MAX = 256, ANSWERS_MAX = 64, REQUESTS_MAX = 4096, REQUEST_BYTES_MAX = 1 << 18 };

struct answer {
    char *path, *bytes;
    size_t length;
    bool close_after;
};
struct connection {
    struct http_peer *peer;
    pthread_t thread;
    int fd;
    bool used;
};
struct http_peer {
    int fd, port;
    pthread_t thread;
    pthread_mutex_t lock; /* all below */
    pthread_cond_t changed;
    bool silent, stopping;
    struct connection connections[CONNECTIONS_MAX];
    size_t connection_count;
    struct answer answers[ANSWERS_MAX];
    size_t answer_count;
    char *requests[REQUESTS_MAX];
    size_t request_count;
};

static void fail(const char *what)
{
    perror(what);
    abort();
}

static bool send_all(int fd, const char *bytes, size_t length)
{
    while (length) {
        ssize_t n = send(fd, bytes, length, MSG_NOSIGNAL);
        if (n <= 0)
            return false;
        bytes += n;
        length -= (size_t)n;
    }
    return true;
}

/* One whole request into buffer, NUL-terminated; *used: what of the next is there already. */
static bool read_request(int fd, char *buffer, size_t *used, size_t *ret_length)
{
    for (;;) {
        buffer[*used] = '\0';
        char *end = strstr(buffer, "\r\n\r\n");
        if (end) {
            const char *at = strcasestr(buffer, "\r\ncontent-length:");
            size_t body = at && at < end ? strtoul(at + 17, NULL, 10) : 0;
            *ret_length = (size_t)(end - buffer) + 4 + body;
            if (*used >= *ret_length)
                return true;
        }
        if (*used >= REQUEST_BYTES_MAX - 1)
            return false;
        ssize_t n = recv(fd, buffer + *used, REQUEST_BYTES_MAX - 1 - *used, 0);
        if (n <= 0)
            return false;
        *used += (size_t)n;
    }
}

/* Under the lock. */
static const struct answer *find(const struct http_peer *p, const char *request)
{
    const char *path = strchr(request, ' ');
    size_t length = path ? strcspn(++path, " ") : 0;
    for (size_t i = 0; path && i < p->answer_count; i++)
        if (strlen(p->answers[i].path) == length && !memcmp(p->answers[i].path, path, length))
            return &p->answers[i];
    return NULL;
}

static bool answer(struct http_peer *p, int fd, const char *request, size_t length)
{
    static const char none[] = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n";
    pthread_mutex_lock(&p->lock);
    if (p->request_count < REQUESTS_MAX)
        p->requests[p->request_count++] = strndup(request, length);
    while (p->silent && !p->stopping)
        pthread_cond_wait(&p->changed, &p->lock);
    const struct answer *a = find(p, request);
    size_t size = a ? a->length : sizeof none - 1;
    char *bytes = malloc(size + 1);
    if (!bytes)
        fail("malloc");
    memcpy(bytes, a ? a->bytes : none, size);
    bool go_on = !(a && a->close_after) && !p->stopping;
    pthread_mutex_unlock(&p->lock);
    go_on = send_all(fd, bytes, size) && go_on;
    free(bytes);
    return go_on;
}

static void *serve(void *arg)
{
    struct connection *c = arg;
    char *buffer = malloc(REQUEST_BYTES_MAX);
    size_t used = 0, length = 0;
    while (buffer && read_request(c->fd, buffer, &used, &length) &&
           answer(c->peer, c->fd, buffer, length)) {
        used -= length;
        memmove(buffer, buffer + length, used);
    }
    free(buffer);
    shutdown(c->fd, SHUT_RDWR); /* closed by http_peer_stop, so that the number stays its own */
    return NULL;
}

static void *accept_all(void *arg)
{
    struct http_peer *p = arg;
    for (int fd; (fd = accept(p->fd, NULL, NULL)) >= 0;) {
        pthread_mutex_lock(&p->lock);
        if (p->stopping || p->connection_count == CONNECTIONS_MAX) {
            close(fd);
        } else {
            struct connection *c = &p->connections[p->connection_count++];
            *c = (struct connection){.peer = p, .fd = fd, .used = true};
            if (pthread_create(&c->thread, NULL, serve, c))
                fail("pthread_create");
        }
        pthread_mutex_unlock(&p->lock);
    }
    return NULL;
}

struct http_peer *http_peer_start(int port)
{
    struct http_peer *p = calloc(1, sizeof *p);
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t size = sizeof at;
    if (!p)
        fail("calloc");
    p->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    int one = 1;
    setsockopt(p->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(p->fd, (struct sockaddr *)&at, size) || listen(p->fd, 128) ||
        getsockname(p->fd, (struct sockaddr *)&at, &size))
        fail("bind");
    p->port = ntohs(at.sin_port);
    pthread_mutex_init(&p->lock, NULL);
    pthread_cond_init(&p->changed, NULL);
    if (pthread_create(&p->thread, NULL, accept_all, p))
        fail("pthread_create");
    return p;
}

void http_peer_stop(struct http_peer *p)
{
    pthread_mutex_lock(&p->lock);
    p->stopping = true;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
    shutdown(p->fd, SHUT_RDWR);
    pthread_join(p->thread, NULL);
    close(p->fd);
    for (size_t i = 0; i < p->connection_count; i++) {
        shutdown(p->connections[i].fd, SHUT_RDWR);
        pthread_join(p->connections[i].thread, NULL);
        close(p->connections[i].fd);
    }
    p->connection_count = 0;
}

void http_peer_free(struct http_peer *p)
{
    for (size_t i = 0; i < p->answer_count; i++) {
        free(p->answers[i].path);
        free(p->answers[i].bytes);
    }
    for (size_t i = 0; i < p->request_count; i++)
        free(p->requests[i]);
    pthread_mutex_destroy(&p->lock);
    pthread_cond_destroy(&p->changed);
    free(p);
}

int http_peer_port(const struct http_peer *p)
{
    return p->port;
}

void http_peer_answer(struct http_peer *p, const char *path, const char *bytes, size_t length,
                      bool close_after)
{
    pthread_mutex_lock(&p->lock);
    size_t i = 0;
    while (i < p->answer_count && strcmp(p->answers[i].path, path) != 0)
        i++;
    if (i == ANSWERS_MAX)
        abort();
    if (i == p->answer_count)
        p->answers[p->answer_count++].path = strdup(path);
    struct answer *a = &p->answers[i];
    free(a->bytes);
    a->bytes = malloc(length + 1);
    if (!a->bytes)
        fail("malloc");
    memcpy(a->bytes, bytes, length);
    a->length = length;
    a->close_after = close_after;
    pthread_mutex_unlock(&p->lock);
}

void http_peer_says(struct http_peer *p, const char *path, const char *status, const char *headers,
                    const char *body)
{
    char *text;
    int n = asprintf(&text, "HTTP/1.1 %s\r\n%sContent-Length: %zu\r\n\r\n%s", status, headers,
                     strlen(body), body);
    if (n < 0)
        abort();
    http_peer_answer(p, path, text, (size_t)n, false);
    free(text);
}

void http_peer_silent(struct http_peer *p, bool silent)
{
    pthread_mutex_lock(&p->lock);
    p->silent = silent;
    pthread_cond_broadcast(&p->changed);
    pthread_mutex_unlock(&p->lock);
}

size_t http_peer_count(struct http_peer *p)
{
    pthread_mutex_lock(&p->lock);
    size_t count = p->request_count;
    pthread_mutex_unlock(&p->lock);
    return count;
}

bool http_peer_got(struct http_peer *p, size_t index, char *text, size_t size)
{
    pthread_mutex_lock(&p->lock);
    bool there = index < p->request_count;
    snprintf(text, size, "%s", there ? p->requests[index] : "");
    pthread_mutex_unlock(&p->lock);
    return there;
}

size_t http_peer_connections(struct http_peer *p)
{
    pthread_mutex_lock(&p->lock);
    size_t count = p->connection_count;
    pthread_mutex_unlock(&p->lock);
    return count;
}
