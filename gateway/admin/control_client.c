/* SPDX-License-Identifier: Apache-2.0 */
/* The client's end of the control socket. */
#include "admin/control.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_BYTES = 64 << 10, LINE_BYTES_MAX = 1 << 30 };

int gw_control_dial(const char *path, int silence_s, struct mg_err *err)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof address.sun_path) {
        snprintf(err->text, sizeof err->text, "the path of a socket has at most %zu bytes: %s",
                 sizeof address.sun_path - 1, path);
        return -EINVAL;
    }
    memcpy(address.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    struct timeval limit = {.tv_sec = silence_s};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof limit);
    if (connect(fd, (struct sockaddr *)&address, sizeof address)) {
        int error = -errno;
        snprintf(err->text, sizeof err->text, "%s: %s", path, strerror(-error));
        close(fd);
        return error;
    }
    return fd;
}

struct answer {
    const char *path;
    bool (*line)(void *arg, const json_t *line);
    void *arg;
    struct mg_err *err;
    char *text;
    size_t used, capacity, searched;
    bool whole; /* the last byte was the end of a line */
    bool enough;
};

static int failed(struct answer *a, int error, const char *why)
{
    snprintf(a->err->text, sizeof a->err->text, "%s: %s", a->path, why);
    return error;
}

static int send_request(int fd, const json_t *request, struct answer *a)
{
    char *text = json_dumps(request, JSON_COMPACT);
    if (!text)
        return -ENOMEM;
    size_t length = strlen(text), sent = 0;
    text[length++] = '\n'; /* in place of the NUL */
    while (sent < length) {
        ssize_t n = send(fd, text + sent, length - sent, MSG_NOSIGNAL);
        if (n < 0)
            break;
        sent += (size_t)n;
    }
    free(text);
    /* The gateway may have answered and hung up before it had read all. */
    return sent == length || errno == EPIPE || errno == ECONNRESET
               ? 0
               : failed(a, -errno, "the gateway does not take the request");
}

/* Every whole line of the text; what is left of it moves to the front. */
static int take_lines(struct answer *a)
{
    size_t begin = 0;
    char *newline;
    while (!a->enough && (newline = memchr(a->text + a->searched, '\n', a->used - a->searched))) {
        size_t length = (size_t)(newline - a->text) - begin;
        json_error_t error;
        json_t *value = json_loadb(a->text + begin, length, JSON_ALLOW_NUL, &error);
        if (!value)
            return failed(a, -EBADMSG, "the gateway's answer is no JSON");
        a->enough = !a->line(a->arg, value);
        json_decref(value);
        begin += length + 1;
        a->searched = begin;
    }
    a->whole = begin == a->used;
    memmove(a->text, a->text + begin, a->used - begin);
    a->used -= begin;
    a->searched = a->used;
    return 0;
}

static int make_room(struct answer *a)
{
    if (a->capacity - a->used >= READ_BYTES)
        return 0;
    size_t capacity = a->capacity ? a->capacity * 2 : 2 * READ_BYTES;
    char *larger = capacity > LINE_BYTES_MAX ? NULL : realloc(a->text, capacity);
    if (!larger)
        return failed(a, -ENOMEM, "the answer does not fit into memory");
    a->text = larger;
    a->capacity = capacity;
    return 0;
}

static int read_answer(int fd, struct answer *a)
{
    for (;;) {
        int error = make_room(a);
        if (error)
            return error;
        ssize_t n = read(fd, a->text + a->used, READ_BYTES);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && errno != ECONNRESET)
            return failed(a, -ETIMEDOUT, "the gateway did not answer in time");
        if (n <= 0)
            return a->whole ? 0 : failed(a, -EPIPE, "the gateway hung up before the answer's end");
        a->used += (size_t)n;
        error = take_lines(a);
        if (error || a->enough)
            return error;
    }
}

int gw_control_ask(const char *path, int silence_s, const json_t *request,
                   bool (*line)(void *arg, const json_t *line), void *arg, struct mg_err *reterr)
{
    struct answer a = {.path = path, .line = line, .arg = arg, .err = reterr};
    int fd = gw_control_dial(path, silence_s, reterr);
    if (fd < 0)
        return fd;
    int error = send_request(fd, request, &a);
    if (!error)
        error = read_answer(fd, &a);
    free(a.text);
    close(fd);
    return error;
}
