/* SPDX-License-Identifier: Apache-2.0 */
/* The gateway's end of the control socket. */
#include "admin/control.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    CLIENTS_MAX = 16,
    REQUEST_MS = 5000,  /* from the connection to the end of the request */
    STALL_MS = 300000,  /* for a client that reads nothing: somebody may be paging through a list */
    PROGRESS_MS = 1000, /* well below what a client takes for silence */
    ROOM_BYTES = 16 << 10
};

struct gw_control {
    uv_pipe_t listener;
    struct gw_operation_target *target;
    struct client *clients;
    size_t client_count;
    char *path;
    bool closing, listener_gone;
};

struct client {
    uv_pipe_t pipe;
    uv_timer_t timer; /* for the request, for the next step, or for the client to read */
    uv_async_t wake;
    struct gw_control *control;
    struct client *next;
    char *request;
    size_t used, capacity;
    struct gw_operation_run *run;
    uv_write_t write;
    char *kept;       /* what is being written, where it is not the run's text */
    uint64_t said_ms; /* when something was last written */
    enum gw_operation_next next_step;
    bool answering, writing, woken, overlong, closing;
    int open_handles;
};

static void advance(struct client *c);

/* ---- the end -------------------------------------------------------------------------------- */

static void maybe_free(struct gw_control *control)
{
    if (control->closing && control->listener_gone && !control->client_count) {
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
    struct client **at = &control->clients;
    while (*at != c)
        at = &(*at)->next;
    *at = c->next;
    free(c->request);
    free(c->kept);
    free(c);
    control->client_count--;
    maybe_free(control);
}

static void end(struct client *c)
{
    if (c->closing)
        return;
    c->closing = true;
    if (c->run && c->writing) {
        c->kept = c->run->text;
        c->run->text = NULL;
    }
    gw_operation_finish(c->run); /* no wake comes after this */
    c->run = NULL;
    uv_close((uv_handle_t *)&c->pipe, client_closed);
    uv_close((uv_handle_t *)&c->timer, client_closed);
    uv_close((uv_handle_t *)&c->wake, client_closed);
}

/* ---- the answer ----------------------------------------------------------------------------- */

static void timer_fired(uv_timer_t *timer)
{
    struct client *c = timer->data;
    if (c->answering && !c->writing)
        advance(c);
    else
        end(c); /* the request does not come, or nobody reads the answer */
}

static void written(uv_write_t *write, int status)
{
    struct client *c = write->data;
    c->writing = false;
    if (c->closing)
        return;
    if (status < 0 || !c->run) {
        end(c);
        return;
    }
    c->run->length = 0;
    uv_timer_stop(&c->timer);
    if (c->next_step == GW_OPERATION_DONE)
        end(c);
    else if (c->next_step == GW_OPERATION_MORE || c->woken)
        advance(c);
    else
        uv_timer_start(&c->timer, timer_fired, (uint64_t)c->run->wait_ms, 0);
}

static void say(struct client *c, char *text, size_t length)
{
    uv_buf_t buffer = uv_buf_init(text, (unsigned)length);
    c->write.data = c;
    c->writing = true;
    c->said_ms = uv_now(c->pipe.loop);
    uv_timer_start(&c->timer, timer_fired, STALL_MS, 0);
    if (uv_write(&c->write, (uv_stream_t *)&c->pipe, &buffer, 1, written)) {
        c->writing = false;
        end(c);
    }
}

static void refuse(struct client *c, int error, const struct mg_err *err)
{
    json_t *value = gw_operation_error(error, err);
    c->kept = value ? json_dumps(value, JSON_COMPACT) : NULL;
    json_decref(value);
    if (!c->kept) {
        end(c);
        return;
    }
    size_t length = strlen(c->kept);
    c->kept[length] = '\n'; /* in place of the NUL */
    say(c, c->kept, length + 1);
}

/* One step; then what it emitted is written, or the next one is waited for. */
static void advance(struct client *c)
{
    if (c->closing || c->writing)
        return;
    uint64_t now_ms = uv_now(c->pipe.loop);
    c->woken = false;
    c->next_step = gw_operation_step(c->run, (int64_t)(uv_hrtime() / 1000));
    if (!c->run->length && c->next_step != GW_OPERATION_DONE &&
        now_ms - c->said_ms >= PROGRESS_MS && gw_operation_emit_progress(c->run)) {
        end(c);
        return;
    }
    if (c->next_step == GW_OPERATION_WAIT && (!c->run->wait_ms || c->run->wait_ms > PROGRESS_MS))
        c->run->wait_ms = PROGRESS_MS;
    if (c->run->length)
        say(c, c->run->text, c->run->length);
    else if (c->next_step == GW_OPERATION_DONE)
        end(c);
    else
        uv_timer_start(&c->timer, timer_fired,
                       c->next_step == GW_OPERATION_MORE ? 0 : (uint64_t)c->run->wait_ms, 0);
}

static void woken(uv_async_t *async)
{
    struct client *c = async->data;
    c->woken = true; /* for when what is being written has been */
    if (c->run && c->next_step == GW_OPERATION_WAIT)
        advance(c);
}

static void wake(void *arg)
{
    struct client *c = arg;
    uv_async_send(&c->wake);
}

/* ---- the request ---------------------------------------------------------------------------- */

static void answer(struct client *c, size_t length)
{
    struct mg_err err = {{0}, NULL};
    json_error_t parse;
    int error = -EINVAL;
    uv_timer_stop(&c->timer);
    c->answering = true;
    c->said_ms = uv_now(c->pipe.loop);
    json_t *request = c->overlong ? NULL : json_loadb(c->request, length, JSON_ALLOW_NUL, &parse);
    free(c->request);
    c->request = NULL;
    if (c->overlong)
        snprintf(err.text, sizeof err.text, "the request is longer than %d MiB",
                 GW_CONTROL_REQUEST_BYTES_MAX >> 20);
    else if (!request)
        snprintf(err.text, sizeof err.text, "the request is no JSON: %.160s", parse.text);
    else
        error = gw_operation_start(c->control->target, request, wake, c, &c->run, &err);
    json_decref(request);
    if (error)
        refuse(c, error, &err);
    else
        advance(c);
}

static void give_room(uv_handle_t *handle, size_t wanted, uv_buf_t *ret_buffer)
{
    (void)wanted;
    struct client *c = handle->data;
    *ret_buffer = uv_buf_init(NULL, 0);
    if (c->answering || c->overlong)
        c->used = 0; /* thrown away */
    if (c->capacity - c->used < ROOM_BYTES || !c->request) {
        size_t capacity = c->request ? c->capacity * 2 : ROOM_BYTES;
        char *larger = realloc(c->request, capacity);
        if (!larger)
            return;
        c->request = larger;
        c->capacity = capacity;
    }
    *ret_buffer = uv_buf_init(c->request + c->used, (unsigned)(c->capacity - c->used));
}

/* The client has closed its end, or at least says no more. */
static void hung_up(struct client *c, ssize_t status)
{
    bool acts = c->run && c->run->operation->flags & GW_OPERATION_ACTS;
    uv_read_stop((uv_stream_t *)&c->pipe);
    if (status == UV_EOF && c->answering && (!acts || c->next_step == GW_OPERATION_DONE))
        return; /* what is left of the answer can still be written, or the write fails */
    end(c);
}

static void got(uv_stream_t *stream, ssize_t count, const uv_buf_t *buffer)
{
    struct client *c = stream->data;
    if (count < 0) {
        hung_up(c, count);
        return;
    }
    if (c->answering || !count)
        return;
    char *newline = memchr(buffer->base, '\n', (size_t)count);
    c->used += (size_t)count;
    c->overlong = c->overlong || c->used > GW_CONTROL_REQUEST_BYTES_MAX;
    if (newline)
        answer(c, (size_t)(newline - c->request));
}

static void accepted(uv_stream_t *listener, int status)
{
    struct gw_control *control = listener->data;
    struct client *c = status < 0 ? NULL : calloc(1, sizeof *c);
    if (!c)
        return;
    c->control = control;
    c->open_handles = 3;
    c->next = control->clients;
    control->clients = c;
    control->client_count++;
    uv_pipe_init(listener->loop, &c->pipe, 0);
    uv_timer_init(listener->loop, &c->timer);
    uv_async_init(listener->loop, &c->wake, woken);
    c->pipe.data = c->timer.data = c->wake.data = c;
    if (uv_accept(listener, (uv_stream_t *)&c->pipe) || control->client_count > CLIENTS_MAX ||
        uv_read_start((uv_stream_t *)&c->pipe, give_room, got)) {
        end(c);
        return;
    }
    uv_timer_start(&c->timer, timer_fired, REQUEST_MS, 0);
}

/* ---- opening and closing -------------------------------------------------------------------- */

static int make_way(const char *path, struct mg_err *reterr)
{
    int fd = gw_control_dial(path, GW_CONTROL_SILENCE_S, reterr);
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
    return 0;
}

static void listener_closed(uv_handle_t *handle)
{
    struct gw_control *control = handle->data;
    control->listener_gone = true;
    maybe_free(control);
}

int gw_control_open(uv_loop_t *loop, struct gw_operation_target *target, const char *path,
                    struct gw_control **ret_control, struct mg_err *reterr)
{
    int error = make_way(path, reterr);
    if (error)
        return error;
    struct gw_control *control = calloc(1, sizeof *control);
    char *copy = strdup(path);
    if (!control || !copy) {
        free(control);
        free(copy);
        return -ENOMEM;
    }
    control->target = target;
    control->path = copy;
    uv_pipe_init(loop, &control->listener, 0);
    control->listener.data = control;
    mode_t before = umask(0177);
    error = uv_pipe_bind(&control->listener, path);
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

void gw_control_close(struct gw_control *control)
{
    if (!control)
        return;
    control->closing = true;
    for (struct client *c = control->clients; c; c = c->next)
        end(c);
    uv_close((uv_handle_t *)&control->listener, listener_closed); /* also removes the socket */
}
