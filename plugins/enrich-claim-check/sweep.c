/* SPDX-License-Identifier: Apache-2.0 */
/* Removes what is older than the folder's time, a part of the folder at a time. */
#include "store.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { LOOKS_MAX = 2000, PLACES_MAX = 8192, NEW_MOST_S = 86400 };

/* Looks again under the lock: since the name was read, the file may have been relied upon, or a new
 * one may have come in its place (see folder.c).  Open for writing, without which there is no
 * exclusive lock over NFS. */
bool sweep_take_away(int dir, int fd, const char *name, int64_t before_s)
{
    struct stat st, named;
    return !flock(fd, LOCK_EX | LOCK_NB) && !fstat(fd, &st) && S_ISREG(st.st_mode) &&
           !fstatat(dir, name, &named, AT_SYMLINK_NOFOLLOW) && named.st_ino == st.st_ino &&
           named.st_dev == st.st_dev && st.st_mtim.tv_sec < before_s && !unlinkat(dir, name, 0);
}

static bool take_away(int dir, const char *name, int64_t before_s)
{
    int fd = openat(dir, name, O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return false;
    bool gone = sweep_take_away(dir, fd, name, before_s);
    close(fd);
    return gone;
}

/* Removes what is older in one folder; returns how many files it looked at. */
static uint32_t sweep_dir(int parent, const char *path, int64_t before_s, uint64_t *removed)
{
    uint32_t looks = 0;
    int fd = openat(parent, path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    if (!dir) {
        if (fd >= 0)
            close(fd);
        return 0;
    }
    for (const struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (strlen(e->d_name) < HASH_TEXT_BYTES) /* . and .., and nothing of ours */
            continue;
        looks++;
        if (!fstatat(fd, e->d_name, &st, AT_SYMLINK_NOFOLLOW) && st.st_mtim.tv_sec < before_s)
            *removed += take_away(fd, e->d_name, before_s);
    }
    closedir(dir);
    return looks;
}

/* The lock is a file whose time says when the last sweep began.  It is written by the clock that
 * the payloads' times are from, which over a network is the server's: so ages are those of one
 * clock. A mark from the future (the clock has been set back) does not put off the next sweep until
 * then. */
static int take_turn(const struct store *s, int dir, struct sweep *w, int *ret_lock)
{
    struct stat st;
    int fd = *ret_lock = openat(dir, "sweep", O_RDWR | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    if (flock(fd, LOCK_EX | LOCK_NB) || fstat(fd, &st))
        return -errno;
    if (w->began_s)
        return 0;
    if (st.st_size && llabs((long long)(time(NULL) - st.st_mtim.tv_sec)) <= s->sweep_ms / 2000)
        return -EAGAIN;
    if (ftruncate(fd, 0) || write(fd, "swept\n", 6) != 6 || fstat(fd, &st))
        return -EIO;
    w->began_s = st.st_mtim.tv_sec;
    return 0;
}

int folder_sweep(const struct store *s, struct sweep *w, struct mg_err *err)
{
    int lock = -1, dir = open(s->folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = dir < 0 ? -errno : take_turn(s, dir, w, &lock);
    if (error == -EWOULDBLOCK)
        error = -EAGAIN;
    w->removed = 0;
    w->ended = false;
    if (!error && w->place == 0) { /* what a gateway that died had begun to write */
        uint64_t left_behind = 0;
        sweep_dir(dir, "new", w->began_s - NEW_MOST_S, &left_behind);
    }
    for (uint32_t looks = 0, n = 0; !error && !w->ended && looks < LOOKS_MAX && n < PLACES_MAX;
         n++) {
        char path[16];
        snprintf(path, sizeof path, "%02x/%02x", w->place >> 8, w->place & 255);
        looks += sweep_dir(dir, path, w->began_s - s->keep_ms / 1000, &w->removed);
        w->ended = ++w->place == SWEEP_PLACES;
    }
    if (w->ended)
        *w = (struct sweep){.removed = w->removed, .ended = true};
    if (lock >= 0)
        close(lock);
    if (dir >= 0)
        close(dir);
    if (error)
        snprintf(err->text, sizeof err->text, "cannot sweep %.160s: %s", s->folder,
                 strerror(-error));
    return error;
}
