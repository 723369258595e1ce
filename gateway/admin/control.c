/* SPDX-License-Identifier: Apache-2.0 */
/* Both ends of the control socket. */
#include "admin/control.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CLIENTS_MAX = 16, REQUEST_BYTES_MAX = 256, REQUEST_MS = 5000, ANSWER_BYTES_MAX = 256 << 20 };

struct gw_control {
    uv_pipe_t listener;
    struct gw_gateway *gateway;
    size_t clients;
    char *path;
    bool closing;
};

struct client {
    uv_pipe_t pipe;
    uv_timer_t deadline;
    struct gw_control *control;
    char request[REQUEST_BYTES_MAX];
    size_t used;
    uv_write_t write;
    char *answer;
    int open_handles;
};

static void maybe_free(struct gw_control *control)
{
    if (control->closing && !control->clients && uv_is_closing((uv_handle_t *)&control->listener)) {
        free(control->path);
        free(control);
    }
}

static void client_closed(uv_handle_t *handle)
{
    struct client *c = handle->data;
    if (--c->open_handles)
        return;
    struct gw_control *control = c->control;
    free(c->answer);
    free(c);
    control->clients--;
    if (control->closing)
        maybe_free(control);
}

static void end(struct client *c)
{
    if (uv_is_closing((uv_handle_t *)&c->pipe))
        return;
    uv_close((uv_handle_t *)&c->pipe, client_closed);
    uv_close((uv_handle_t *)&c->deadline, client_closed);
}

static void written(uv_write_t *write, int status)
{
    (void)status;
    end(write->data);
}

static void answer(struct client *c)
{
    json_t *reply;
    if (!strcmp(c->request, "report")) {
        reply = gw_gateway_report(c->control->gateway);
    } else {
        reply = json_object();
        json_object_set_new(reply, "error",
                            json_string("unknown request; this gateway knows: report"));
    }
    c->answer = reply ? json_dumps(reply, JSON_COMPACT) : NULL;
    json_decref(reply);
    if (!c->answer) {
        end(c);
        return;
    }
    uv_buf_t buffer = uv_buf_init(c->answer, (unsigned)strlen(c->answer));
    c->write.data = c;
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buffer, 1, written))
        end(c);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret_buffer)
{
    (void)wanted;
    struct client *c = handle->data;
    *ret_buffer = uv_buf_init(c->request + c->used, (unsigned)(sizeof c->request - 1 - c->used));
}

static void got(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    (void)buffer;
    struct client *c = stream->data;
    if (count < 0) {
        end(c); /* also a request that is too long: UV_ENOBUFS */
        return;
    }
    c->used += (size_t)count;
    c->request[c->used] = '\0';
    char *newline = strchr(c->request, '\n');
    if (newline) {
        *newline = '\0';
        uv_read_stop(stream);
        answer(c);
    }
}

static void too_slow(uv_timer_t *timer)
{
    end(timer->data);
}

static void accepted(uv_stream_t *listener, int status)
{
    struct gw_control *control = listener->data;
    struct client *c = status < 0 ? NULL : calloc(1, sizeof *c);
    if (!c)
        return;
    c->control = control;
    c->open_handles = 2;
    control->clients++;
    uv_pipe_init(listener->loop, &c->pipe, 0);
    uv_timer_init(listener->loop, &c->deadline);
    c->pipe.data = c->deadline.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) || control->clients > CLIENTS_MAX ||
        uv_read_start((uv_stream_t *)&c->pipe, give_room, got)) {
        end(c);
        return;
    }
    uv_timer_start(&c->deadline, too_slow, REQUEST_MS, 0);
}

/* ---- connecting: also how a stale socket is told from a live one ---------------------------- */

static int dial(const char *path, struct mg_err *err)
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
    struct timeval limit = {.tv_sec = REQUEST_MS / 1000};
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

int gw_control_open(uv_loop_t *loop, struct gw_gateway *gateway, const char *path,
                    struct gw_control **ret_control, struct mg_err *reterr)
{
    int fd = dial(path, reterr);
    if (fd >= 0) {
        close(fd);
        snprintf(reterr->text, sizeof reterr->text,
                 "control socket %s: another gateway answers there; give each a path of its own",
                 path);
        return -EADDRINUSE;
    }
    if (fd == -EINVAL)
        return fd;
    struct stat existing;
    if (!lstat(path, &existing) && S_ISSOCK(existing.st_mode))
        unlink(path); /* left behind by a gateway that was killed */

    struct gw_control *control = calloc(1, sizeof *control);
    char *copy = strdup(path);
    if (!control || !copy) {
        free(control);
        free(copy);
        return -ENOMEM;
    }
    control->gateway = gateway;
    control->path = copy;
    uv_pipe_init(loop, &control->listener, 0);
    control->listener.data = control;
    mode_t before = umask(0177);
    int error = uv_pipe_bind(&control->listener, path);
    umask(before);
    if (!error)
        error = uv_listen((uv_stream_t *)&control->listener, 16, accepted);
    if (error) {
        snprintf(reterr->text, sizeof reterr->text,
                 "control socket %s: %s; gateway.control must name a file in a folder that this "
                 "user may write",
                 path, uv_strerror(error));
        gw_control_close(control);
        return error;
    }
    *ret_control = control;
    return 0;
}

static void listener_closed(uv_handle_t *handle)
{
    maybe_free(handle->data);
}

void gw_control_close(struct gw_control *control)
{
    if (!control)
        return;
    control->closing = true;
    uv_close((uv_handle_t *)&control->listener, listener_closed); /* also removes the socket */
}

json_t *gw_control_ask(const char *path, const char *request, struct mg_err *reterr)
{
    int fd = dial(path, reterr);
    if (fd < 0)
        return NULL;
    char line[REQUEST_BYTES_MAX];
    int length = snprintf(line, sizeof line, "%s\n", request);
    char *text = NULL;
    size_t used = 0, capacity = 0;
    ssize_t n = write(fd, line, (size_t)length);
    while (n > 0 && used < ANSWER_BYTES_MAX) {
        if (used + 65536 > capacity) {
            capacity = capacity ? capacity * 2 : 1 << 18;
            char *grown = realloc(text, capacity);
            if (!grown)
                break;
            text = grown;
        }
        n = read(fd, text + used, capacity - used);
        used += n > 0 ? (size_t)n : 0;
    }
    close(fd);
    json_error_t error;
    json_t *reply = used ? json_loadb(text, used, 0, &error) : NULL;
    free(text);
    if (!reply)
        snprintf(reterr->text, sizeof reterr->text, "%s: the gateway did not answer", path);
    return reply;
}
