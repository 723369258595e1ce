/* SPDX-License-Identifier: Apache-2.0 */
/* Writes batches: whole records or nothing, rotated in time, never outside the folder. */
#include "out_file.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    ENTRIES_KEPT = 4096,
    BYTES_KEPT = 1 << 20,
    STREAM_CHUNK = 4096 /* PIPE_BUF: does not block */
};

/* ---- batches -------------------------------------------------------------------------------- */

int batch_reserve(struct batch *b)
{
    if (b->count < b->capacity)
        return 0;
    size_t capacity = b->capacity ? b->capacity * 2 : 64;
    struct batch_entry *entries = realloc(b->entries, capacity * sizeof *entries);
    if (!entries)
        return -ENOMEM;
    b->entries = entries;
    b->capacity = capacity;
    return 0;
}

static void batch_free(struct batch *b)
{
    buffer_free(&b->bytes);
    free(b->entries);
    *b = (struct batch){0};
}

void batch_clear(struct batch *b)
{
    if (b->capacity > ENTRIES_KEPT || b->bytes.size > BYTES_KEPT)
        batch_free(b);
    b->count = 0;
    b->sync = false;
    b->bytes.used = 0;
}

/* ---- opening -------------------------------------------------------------------------------- */

static void close_file(struct out_file *f)
{
    if (f->fd >= 0 && f->fd != STDOUT_FILENO)
        close(f->fd);
    if (f->folder_fd >= 0)
        close(f->folder_fd);
    f->fd = f->folder_fd = -1;
}

/* Part by part without following links, so that no path leads out of the folder.  A descriptor of
 * the folder that holds the file, or a negative errno. */
static int open_folder(const struct out_file *f)
{
    if (mkdir(f->folder, 0777) && errno != EEXIST)
        return -errno;
    int at = open(f->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    for (const char *part = f->path; at >= 0 && part < f->name;) {
        char name[NAME_MAX + 1];
        size_t n = strcspn(part, "/");
        int next = -1;
        if (n < sizeof name) {
            memcpy(name, part, n);
            name[n] = '\0';
            if (!mkdirat(at, name, 0777) || errno == EEXIST)
                next = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        } else {
            errno = ENAMETOOLONG;
        }
        int error = errno;
        close(at);
        errno = error;
        at = next;
        part += n + 1;
    }
    return at < 0 ? -errno : at;
}

/* A line that a crash or a full disk cut off must not swallow the next one. */
static int end_torn_line(struct out_file *f)
{
    char last;
    if (!f->size || pread(f->fd, &last, 1, (off_t)f->size - 1) != 1 || last == '\n')
        return 0;
    if (write(f->fd, "\n", 1) != 1)
        return errno ? -errno : -EIO;
    f->size++;
    return 0;
}

static int open_file(struct out_file *f)
{
    if (!strcmp(f->path, "-")) {
        f->fd = STDOUT_FILENO;
        f->stream = true;
        return 0;
    }
    f->folder_fd = open_folder(f);
    if (f->folder_fd < 0) {
        int error = f->folder_fd;
        f->folder_fd = -1;
        return error;
    }
    f->fd =
        openat(f->folder_fd, f->name,
               O_RDWR | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    struct stat st;
    int error = f->fd < 0 || fstat(f->fd, &st) ? -errno : 0;
    if (!error && !S_ISREG(st.st_mode))
        error = -EINVAL;
    if (!error) {
        f->size = (uint64_t)st.st_size;
        error = end_torn_line(f);
    }
    if (error)
        close_file(f);
    return error;
}

/* Somebody else may have rotated it. */
static bool was_replaced(const struct out_file *f)
{
    struct stat now, ours;
    if (f->stream || f->fd < 0)
        return false;
    return fstatat(f->folder_fd, f->name, &now, AT_SYMLINK_NOFOLLOW) || fstat(f->fd, &ours) ||
           now.st_ino != ours.st_ino || now.st_dev != ours.st_dev;
}

static int rotate(struct out_file *f)
{
    char from[NAME_MAX + 16], to[NAME_MAX + 16];
    for (unsigned i = f->keep; i > 0; i--) {
        snprintf(to, sizeof to, "%.*s.%u", NAME_MAX, f->name, i);
        if (i > 1)
            snprintf(from, sizeof from, "%.*s.%u", NAME_MAX, f->name, i - 1);
        else
            snprintf(from, sizeof from, "%.*s", NAME_MAX, f->name);
        if (renameat(f->folder_fd, from, f->folder_fd, to) && errno != ENOENT)
            return -errno;
    }
    close_file(f);
    return open_file(f);
}

/* ---- writing -------------------------------------------------------------------------------- */

static int wait_writable(struct out_file *f)
{
    struct pollfd p = {f->fd, POLLOUT, 0};
    for (;;) {
        int n = poll(&p, 1, 100);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n > 0)
            return p.revents & (POLLERR | POLLNVAL) ? -EPIPE : 0;
        if (atomic_load(&f->stop))
            return -ECANCELED;
    }
}

static int write_all(struct out_file *f, const char *at, size_t length)
{
    while (length) {
        size_t n = length;
        if (f->stream) {
            int error = wait_writable(f);
            if (error)
                return error;
            n = n < STREAM_CHUNK ? n : STREAM_CHUNK;
        }
        ssize_t done = write(f->fd, at, n);
        if (done < 0 && (errno == EINTR || errno == EAGAIN))
            continue;
        if (done < 0)
            return -errno;
        at += done;
        length -= (size_t)done;
    }
    return 0;
}

/* How many entries from `first` on still fit into the file; at least one into an empty one. */
static size_t fitting(const struct out_file *f, size_t first, size_t start)
{
    const struct batch *b = &f->writing;
    if (!f->rotate_size || f->stream)
        return b->count - first;
    size_t n = 0;
    while (first + n < b->count && f->size + (b->entries[first + n].end - start) <= f->rotate_size)
        n++;
    return n || f->size ? n : 1;
}

static int sync_file(struct out_file *f)
{
    if (!f->writing.sync || f->stream || !fdatasync(f->fd))
        return 0;
    int error = -errno;
    f->result.written = 0; /* nobody knows what of it is on the disk */
    close_file(f);         /* the kernel reports a lost write once: the next open starts afresh */
    return error;
}

static int write_batch(struct out_file *f)
{
    struct batch *b = &f->writing;
    if (was_replaced(f))
        close_file(f);
    int error = f->fd < 0 ? open_file(f) : 0;
    size_t first = 0, start = 0;
    while (!error && first < b->count) {
        size_t n = fitting(f, first, start);
        if (!n) {
            /* What is confirmed must be on the disk before the name moves on. */
            error = sync_file(f);
            if (!error)
                error = rotate(f);
            continue;
        }
        size_t end = b->entries[first + n - 1].end;
        error = write_all(f, b->bytes.at + start, end - start);
        if (error) {
            if (!f->stream && ftruncate(f->fd, (off_t)f->size))
                close_file(f); /* opening it again ends the torn line */
            break;
        }
        f->size += end - start;
        start = end;
        first += n;
        f->result.written = first;
    }
    int unsynced = f->fd >= 0 && f->result.written ? sync_file(f) : 0;
    return unsynced ? unsynced : error;
}

void out_file_write_job(void *file)
{
    struct out_file *f = file;
    f->result.written = 0;
    f->result.error = write_batch(f);
    if (f->result.error == -EINVAL)
        snprintf(f->result.why, sizeof f->result.why, "%.100s: not a regular file", f->path);
    else if (f->result.error == -ELOOP)
        snprintf(f->result.why, sizeof f->result.why, "%.100s: a symbolic link is not followed",
                 f->path);
    else if (f->result.error)
        snprintf(f->result.why, sizeof f->result.why, "%.100s: %s", f->path,
                 strerror(-f->result.error));
}

/* ---- life ----------------------------------------------------------------------------------- */

struct out_file *out_file_create(struct file_connection *c, struct mg_str path)
{
    struct out_file *f = calloc(1, sizeof *f);
    if (!f)
        return NULL;
    f->connection = c;
    f->fd = f->folder_fd = -1;
    f->path = strndup(path.at, path.len);
    f->folder = file_path(c->bridge, "");
    if (!f->path || !f->folder) {
        out_file_destroy(f);
        return NULL;
    }
    const char *slash = strrchr(f->path, '/');
    f->name = slash ? slash + 1 : f->path;
    return f;
}

void out_file_destroy(struct out_file *f)
{
    if (!f)
        return;
    close_file(f);
    batch_free(&f->filling);
    batch_free(&f->writing);
    free(f->path);
    free(f->folder);
    free(f);
}
