/* SPDX-License-Identifier: Apache-2.0 */
/* Reading: regular files in chunks on the thread pool, streams when they are readable. */
#include "source.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MISSING_MS = 1000 };

/* ---- on the thread pool --------------------------------------------------------------------- */

static int open_input(struct file_source *s, struct read_job *r)
{
    struct stat st;
    bool is_stdin = !strcmp(s->settings->path, "-");
    int flags = O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC;
    if (!is_stdin && stat(s->path, &st))
        return -errno;
    /* A followed FIFO is held open for writing, too: it then has no end when a writer goes. */
    if (!is_stdin && S_ISFIFO(st.st_mode) && s->settings->follow)
        flags = O_RDWR | O_NONBLOCK | O_CLOEXEC;
    int fd = is_stdin ? STDIN_FILENO : open(s->path, flags);
    if (fd < 0 || fstat(fd, &st)) {
        int error = -errno;
        if (fd > STDIN_FILENO)
            close(fd);
        return error;
    }
    if (S_ISDIR(st.st_mode)) {
        if (!is_stdin)
            close(fd);
        return -EISDIR;
    }
    r->fd = fd;
    r->is_stream = !S_ISREG(st.st_mode);
    r->in_order = false;
    r->inode = st.st_ino;
    off_t here = is_stdin && !r->is_stream ? lseek(fd, 0, SEEK_CUR) : 0;
    r->offset = here > 0 ? (uint64_t)here : 0;
    if (r->is_stream)
        return 0;
    /* A file that came later than we did is read from its start, and so is another one than that
     * of which the position was saved. */
    uint64_t offset, inode;
    if (!r->tried && s->settings->start == START_END)
        r->offset = (uint64_t)st.st_size;
    if (!r->positioned && s->position_path &&
        !file_position_load(s->position_path, &offset, &inode))
        r->offset = inode == r->inode && offset <= (uint64_t)st.st_size ? offset : 0;
    r->positioned = true;
    return 0;
}

static void look_for_rotation(struct file_source *s, struct read_job *r)
{
    struct stat by_name, ours;
    if (fstat(r->fd, &ours))
        return;
    r->truncated = (uint64_t)ours.st_size < r->offset;
    r->replaced = !stat(s->path, &by_name) &&
                  (by_name.st_ino != ours.st_ino || by_name.st_dev != ours.st_dev);
}

static void read_job(void *arg)
{
    struct file_source *s = arg;
    struct read_job *r = &s->reader;
    r->got = 0;
    r->replaced = r->truncated = false;
    r->error = r->fd < 0 ? open_input(s, r) : 0;
    r->tried = true;
    if (r->error || r->is_stream)
        return;
    do
        r->got = r->in_order ? read(r->fd, r->data, sizeof r->data)
                             : pread(r->fd, r->data, sizeof r->data, (off_t)r->offset);
    while (r->got < 0 && errno == EINTR);
    if (r->got < 0)
        r->error = -errno;
    else if (r->got == 0 && s->settings->follow && !r->in_order)
        look_for_rotation(s, r);
}

/* ---- on the shard --------------------------------------------------------------------------- */

static void close_input(struct file_source *s)
{
    if (s->io)
        s->connection->host->io_stop(s->io);
    s->io = NULL;
    if (s->reader.fd > STDIN_FILENO)
        close(s->reader.fd);
    s->reader.fd = -1;
}

static void look(void *arg)
{
    struct file_source *s = arg;
    s->paused = false;
    file_source_advance(s);
}

static void look_in(struct file_source *s, uint64_t ms)
{
    struct file_connection *c = s->connection;
    if (s->timer)
        c->host->timer_again(s->timer, ms, 0);
    else
        s->timer = c->host->timer_start(c->shard, ms, 0, look, s);
    s->paused = s->timer != NULL; /* without a timer the next credit looks */
}

/* Appends what was read; false: no memory, the bytes are read again later. */
static bool append(struct file_source *s, const char *at, size_t length)
{
    if (s->at) {
        memmove(s->data, s->data + s->at, s->used - s->at);
        s->used -= s->at;
        s->at = 0;
    }
    if (s->size - s->used < length) {
        size_t size = s->used + length;
        size = size < 2 * CHUNK ? 2 * CHUNK : size + size / 2;
        char *data = realloc(s->data, size);
        if (!data)
            return false;
        s->data = data;
        s->size = size;
    }
    memcpy(s->data + s->used, at, length);
    s->used += length;
    return true;
}

static void finish(struct file_source *s)
{
    struct file_connection *c = s->connection;
    close_input(s);
    s->ended = true;
    c->host->log(c->bridge->instance, MG_INFO, "%s: read to its end", s->path);
}

static void begin_anew(struct file_source *s)
{
    close_input(s);
    s->last = s->skipping = false;
    s->at = s->used = s->searched = 0;
    s->data_offset = 0;
}

static void stream_ready(void *arg, uint32_t events)
{
    struct file_source *s = arg;
    struct file_connection *c = s->connection;
    (void)events;
    if (!s->credit || c->draining) {
        c->host->io_events(s->io, 0);
        return;
    }
    ssize_t n = read(s->reader.fd, s->reader.data, sizeof s->reader.data);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (n < 0 || (n > 0 && !append(s, s->reader.data, (size_t)n))) {
        char why[160];
        snprintf(why, sizeof why, "%.100s: %s", s->path, n < 0 ? strerror(errno) : "out of memory");
        file_source_say(s, why);
        n = 0; /* a stream cannot be read again: this is its end */
    }
    if (n == 0) {
        c->host->io_stop(s->io);
        s->io = NULL;
        s->last = true;
    }
    file_source_advance(s);
    if (s->io && (!s->credit || s->again_count)) /* credit watches again */
        c->host->io_events(s->io, 0);
}

static void watch_stream(struct file_source *s)
{
    struct file_connection *c = s->connection;
    s->io = c->host->io_watch(c->shard, s->reader.fd, MG_IO_READ, stream_ready, s);
    if (s->io)
        return;
    s->reader.is_stream = false; /* a device that is always ready, and that epoll does not know */
    s->reader.in_order = true;
    file_source_read(s);
}

static void took_chunk(struct file_source *s)
{
    struct file_connection *c = s->connection;
    struct read_job *r = &s->reader;
    if (s->used == s->at)
        s->data_offset = r->offset;
    if (r->is_stream) {
        watch_stream(s);
    } else if (r->got > 0) {
        if (append(s, r->data, (size_t)r->got)) {
            r->offset += (uint64_t)r->got;
            file_source_advance(s);
        } else {
            look_in(s, MISSING_MS);
        }
    } else if (!s->settings->follow || r->replaced) {
        s->last = true; /* what is left without a line feed is a line, too */
        file_source_advance(s);
    } else if (r->truncated) {
        c->host->log(c->bridge->instance, MG_INFO, "%s: truncated, read from its beginning",
                     s->path);
        begin_anew(s);
        file_source_read(s);
    } else {
        look_in(s, (uint64_t)s->settings->poll_ms);
    }
}

static void read_done(void *arg)
{
    struct file_source *s = arg;
    struct file_connection *c = s->connection;
    s->reading = false;
    if (!c->orphaned && !c->closing) {
        if (s->reader.error) {
            char why[160];
            snprintf(why, sizeof why, "%.100s: %s", s->path, strerror(-s->reader.error));
            file_source_say(s, why);
            look_in(s, MISSING_MS);
        } else {
            file_source_say(s, "");
            took_chunk(s);
        }
    }
    file_job_done(c);
}

void file_source_read(struct file_source *s)
{
    struct file_connection *c = s->connection;
    if (s->reading || s->ended || s->paused || c->draining)
        return;
    if (s->io) {
        c->host->io_events(s->io, MG_IO_READ);
        return;
    }
    if (s->last) {
        if (!s->settings->follow || s->reader.is_stream || s->reader.in_order) {
            finish(s);
            return;
        }
        begin_anew(s);
    }
    s->reading = true;
    if (file_job(c, read_job, read_done, s)) {
        s->reading = false;
        look_in(s, MISSING_MS);
    }
}
