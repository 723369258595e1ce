/* SPDX-License-Identifier: Apache-2.0 */
/* FOLDER/ab/cd/abcd…: one file for each payload, written beside and renamed.
 *
 * A file that is there already is locked (shared) while it is compared and touched or replaced, and
 * the sweep removes only under an exclusive lock: so it never takes what was just relied upon. */
#include "store.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { DIR_MODE = 0700, FILE_MODE = 0600, READ_BYTES = 65536 };

static int system_said(struct mg_err *err, const char *what, const char *name)
{
    int error = -errno;
    snprintf(err->text, sizeof err->text, "%s %.120s: %s", what, name, strerror(-error));
    return error;
}

int folder_open(const struct store *s, bool make, struct mg_err *err)
{
    if (make && mkdir(s->folder, DIR_MODE) && errno != EEXIST)
        return system_said(err, "cannot make", s->folder);
    int fd = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return system_said(err, "cannot open", s->folder);
    int error = make && faccessat(fd, ".", W_OK | X_OK, AT_EACCESS)
                    ? system_said(err, "cannot write into", s->folder)
                    : 0;
    close(fd);
    return error;
}

/* "ab/cd" and "ab/cd/abcd…" */
static void paths_of(const char *sha256, char *dir, char *file)
{
    snprintf(dir, 6, "%.2s/%.2s", sha256, sha256 + 2);
    snprintf(file, 6 + HASH_TEXT_BYTES + 1, "%.2s/%.2s/%s", sha256, sha256 + 2, sha256);
}

static bool has_same(int fd, struct mg_bytes bytes)
{
    char part[READ_BYTES];
    size_t at = 0;
    for (ssize_t n; at < bytes.len; at += (size_t)n) {
        n = pread(fd, part, sizeof part, (off_t)at);
        if (n <= 0 || (size_t)n > bytes.len - at ||
            memcmp(part, (const char *)bytes.at + at, (size_t)n) != 0)
            return false;
    }
    return true;
}

/* 1: the same is there, and is young again.  0: it is not; *ret_lock (or -1) is to be closed after
 * the new one is in its place. */
static int know(int dir, const char *file, struct mg_bytes bytes, bool sync, int *ret_lock)
{
    struct stat st;
    int fd = *ret_lock = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || flock(fd, LOCK_SH) || fstat(fd, &st))
        return 0;
    return st.st_nlink && S_ISREG(st.st_mode) && (uint64_t)st.st_size == bytes.len &&
           has_same(fd, bytes) && !futimens(fd, NULL) && !(sync && fsync(fd));
}

static int write_all(int fd, struct mg_bytes bytes)
{
    const char *at = bytes.at;
    for (size_t left = bytes.len; left;) {
        ssize_t n = write(fd, at, left);
        if (n < 0 && errno != EINTR)
            return -errno;
        at += n > 0 ? n : 0;
        left -= n > 0 ? (size_t)n : 0;
    }
    return 0;
}

/* Some network file systems cannot sync a folder (EINVAL); there a name is as safe as the server
 * makes it. */
static int sync_dir(int dir, const char *path)
{
    int fd = openat(dir, path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || (fsync(fd) && errno != EINVAL) ? -errno : 0;
    if (fd >= 0)
        close(fd);
    return error;
}

/* Both levels; their own entries are synced when they are new. */
static int make_dirs(int dir, const char *path, bool sync)
{
    char first[3] = {path[0], path[1], '\0'};
    bool fresh = !mkdirat(dir, first, DIR_MODE);
    if (!fresh && errno != EEXIST)
        return -errno;
    int error = fresh && sync ? sync_dir(dir, ".") : 0;
    if (error)
        return error;
    fresh = !mkdirat(dir, path, DIR_MODE);
    if (!fresh && errno != EEXIST)
        return -errno;
    return fresh && sync ? sync_dir(dir, first) : 0;
}

static int write_new(const struct store *s, int dir, const char *sha256, struct mg_bytes bytes)
{
    char path[6], file[6 + HASH_TEXT_BYTES + 1], beside[128];
    uint64_t chance;
    paths_of(sha256, path, file);
    if (getrandom(&chance, sizeof chance, 0) != sizeof chance)
        return -EIO;
    snprintf(beside, sizeof beside, "new/%s.%016llx", sha256, (unsigned long long)chance);
    if (mkdirat(dir, "new", DIR_MODE) && errno != EEXIST)
        return -errno;
    int fd = openat(dir, beside, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
    if (fd < 0)
        return -errno;
    int error = write_all(fd, bytes);
    if (!error && s->sync && fsync(fd))
        error = -errno;
    if (close(fd) && !error)
        error = -errno;
    if (!error)
        error = make_dirs(dir, path, s->sync);
    if (!error && renameat(dir, beside, dir, file))
        error = -errno;
    if (error)
        unlinkat(dir, beside, 0);
    return error || !s->sync ? error : sync_dir(dir, path);
}

static bool has_room(const struct store *s, int dir, size_t length, struct mg_err *err)
{
    struct statvfs fs;
    if (!s->least_free || fstatvfs(dir, &fs))
        return true;
    uint64_t left = (uint64_t)fs.f_bavail * fs.f_frsize;
    if (left >= (uint64_t)s->least_free && left - (uint64_t)s->least_free >= length)
        return true;
    snprintf(err->text, sizeof err->text, "%.120s: %llu bytes are free, and least_free keeps %lld",
             s->folder, (unsigned long long)left, (long long)s->least_free);
    return false;
}

int folder_put(const struct store *s, const char *sha256, struct mg_bytes bytes, bool *ret_known,
               struct mg_err *err)
{
    char path[6], file[6 + HASH_TEXT_BYTES + 1];
    int lock = -1, error = 0, dir = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return system_said(err, "cannot open", s->folder);
    paths_of(sha256, path, file);
    *ret_known = know(dir, file, bytes, s->sync, &lock);
    if (!*ret_known) {
        error = has_room(s, dir, bytes.len, err) ? write_new(s, dir, sha256, bytes) : -ENOSPC;
    } else if (s->sync) {
        error = sync_dir(dir, path); /* who wrote it may not have come so far */
    }
    if (error && !err->text[0]) {
        errno = -error;
        system_said(err, "cannot write into", s->folder);
    }
    if (lock >= 0)
        close(lock);
    close(dir);
    return error;
}

static int read_all(int fd, char *to, uint64_t size)
{
    for (uint64_t at = 0; at < size;) {
        ssize_t n = read(fd, to + at, size - at);
        if (n < 0 && errno != EINTR)
            return -errno;
        if (n == 0)
            return -EBADMSG;
        at += n > 0 ? (uint64_t)n : 0;
    }
    return 0;
}

static int get(int fd, uint64_t size, void **ret_bytes, struct mg_err *err)
{
    struct stat st;
    if (fstat(fd, &st))
        return system_said(err, "cannot read", "a payload");
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size != size) {
        snprintf(err->text, sizeof err->text, "the payload has %lld bytes, not %llu",
                 (long long)st.st_size, (unsigned long long)size);
        return -EBADMSG;
    }
    char *bytes = malloc(size + 1);
    int error = bytes ? read_all(fd, bytes, size) : -ENOMEM;
    if (!error) {
        *ret_bytes = bytes;
        return 0;
    }
    free(bytes);
    errno = -error;
    return system_said(err, "cannot read", "a payload");
}

int folder_get(const struct store *s, const char *sha256, uint64_t size, void **ret_bytes,
               struct mg_err *err)
{
    char path[6], file[6 + HASH_TEXT_BYTES + 1];
    int dir = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0) {
        int error = system_said(err, "cannot open", s->folder);
        return error == -ENOENT ? -ENOTDIR : error; /* nothing is known of the payload */
    }
    paths_of(sha256, path, file);
    int fd = openat(dir, file, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    int error = fd < 0 ? system_said(err, "no payload", sha256) : get(fd, size, ret_bytes, err);
    if (fd >= 0)
        close(fd);
    close(dir);
    return error;
}
