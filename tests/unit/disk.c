/* SPDX-License-Identifier: Apache-2.0 */
/* Records what is written to a folder; what a power cut leaves of it is made in disk_image.c. */
#undef _FILE_OFFSET_BITS /* both names of each call are wanted: a library may use either */
#include "disk_internal.h"
#include <dirent.h>
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

/* The recorded calls are those of the whole process, so they must be seen by its libraries. */
#define SEEN       __attribute__((visibility("default")))
#define REAL(name) ((__typeof__(&name))real(#name))

struct disk disk;
int disk_write_error, disk_sync_error;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char folder[256];

static void *real(const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    if (!found)
        abort();
    return found;
}

void *disk_grow(void *items, size_t count, size_t *capacity, size_t size)
{
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : 256;
    items = realloc(items, *capacity * size);
    if (!items)
        abort();
    return items;
}

static size_t add_event(struct disk_event event)
{
    disk.events =
        disk_grow(disk.events, disk.event_count, &disk.event_capacity, sizeof *disk.events);
    disk.events[disk.event_count] = event;
    return disk.event_count++;
}

static void *copy_of(const void *at, size_t length)
{
    void *copy = malloc(length ? length : 1);
    if (!copy)
        abort();
    memcpy(copy, at, length);
    return copy;
}

/* ---- files ---------------------------------------------------------------------------------- */

static size_t add_file(const struct stat *stat)
{
    disk.files = disk_grow(disk.files, disk.file_count, &disk.file_capacity, sizeof *disk.files);
    disk.files[disk.file_count] = (struct disk_file){.device = stat->st_dev, .inode = stat->st_ino};
    return disk.file_count++;
}

static size_t file_of_stat(const struct stat *stat)
{
    for (size_t i = disk.file_count; i-- > 0;)
        if (disk.files[i].inode == stat->st_ino && disk.files[i].device == stat->st_dev)
            return i;
    return DISK_NO_FILE;
}

static size_t file_of(int fd)
{
    struct stat stat;
    return !disk.on || fstat(fd, &stat) < 0 ? DISK_NO_FILE : file_of_stat(&stat);
}

/* The name below the folder, or NULL: it is elsewhere, or the lock file. */
static const char *name_of(const char *path)
{
    size_t length = strlen(folder);
    if (!disk.on || strncmp(path, folder, length) != 0 || path[length] != '/')
        return NULL;
    const char *name = path + length + 1;
    return strcmp(name, "lock.mdb") ? name : NULL;
}

static bool path_at(int at, const char *path, char *ret, size_t size)
{
    char link[64], base[256];
    if (at == AT_FDCWD || *path == '/')
        return (size_t)snprintf(ret, size, "%s", path) < size;
    snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    ssize_t length = readlink(link, base, sizeof base - 1);
    if (length < 0)
        return false;
    base[length] = '\0';
    return (size_t)snprintf(ret, size, "%s/%s", base, path) < size;
}

static void name_event(enum disk_kind kind, size_t file, const char *name, const char *to)
{
    add_event((struct disk_event){.kind = kind,
                                  .file = file,
                                  .name = copy_of(name, strlen(name) + 1),
                                  .to = to ? copy_of(to, strlen(to) + 1) : NULL});
}

static void read_folder(const char *path, const char *prefix)
{
    DIR *open_folder = opendir(path);
    if (!open_folder)
        return;
    for (struct dirent *entry; (entry = readdir(open_folder));) {
        char name[300], full[600];
        struct stat stat;
        snprintf(name, sizeof name, "%s%s", prefix, entry->d_name);
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        if (entry->d_name[0] == '.' || !strcmp(name, "lock.mdb") || lstat(full, &stat) < 0)
            continue;
        if (S_ISDIR(stat.st_mode)) {
            char inner[310];
            snprintf(inner, sizeof inner, "%s/", name);
            read_folder(full, inner);
            continue;
        }
        size_t file = add_file(&stat);
        name_event(DISK_CREATE, file, name, NULL);
        struct disk_file *f = &disk.files[file];
        f->base = malloc((size_t)stat.st_size + 1);
        int fd = REAL(open)(full, O_RDONLY | O_CLOEXEC);
        if (!f->base || fd < 0 || pread(fd, f->base, (size_t)stat.st_size, 0) != stat.st_size)
            abort();
        close(fd);
        f->base_length = (size_t)stat.st_size;
    }
    closedir(open_folder);
}

void disk_begin(const char *path)
{
    pthread_mutex_lock(&lock);
    snprintf(folder, sizeof folder, "%s", path);
    disk.on = true;
    read_folder(path, "");
    disk.sure_from = disk.event_count;
    pthread_mutex_unlock(&lock);
}

void disk_end(void)
{
    pthread_mutex_lock(&lock);
    for (size_t i = 0; i < disk.event_count; i++) {
        free(disk.events[i].bytes);
        free(disk.events[i].name);
        free(disk.events[i].to);
    }
    for (size_t i = 0; i < disk.file_count; i++)
        free(disk.files[i].base);
    free(disk.events);
    free(disk.files);
    disk = (struct disk){0};
    pthread_mutex_unlock(&lock);
}

void disk_note(uint64_t what)
{
    pthread_mutex_lock(&lock);
    if (disk.on)
        add_event((struct disk_event){.kind = DISK_NOTE, .what = what});
    pthread_mutex_unlock(&lock);
}

size_t disk_events(void)
{
    pthread_mutex_lock(&lock);
    size_t count = disk.event_count;
    pthread_mutex_unlock(&lock);
    return count;
}

/* ---- the calls ------------------------------------------------------------------------------ */

static bool fails(int fd, int with)
{
    struct stat stat;
    if (!with || fd <= STDERR_FILENO || fstat(fd, &stat) || !S_ISREG(stat.st_mode))
        return false;
    errno = with;
    return true;
}

static size_t begin_write(int fd, const struct iovec *parts, int count, off_t offset)
{
    size_t length = 0, done = 0;
    pthread_mutex_lock(&lock);
    size_t file = file_of(fd), event = DISK_NO_EVENT;
    if (file != DISK_NO_FILE) {
        for (int i = 0; i < count; i++)
            length += parts[i].iov_len;
        char *bytes = copy_of("", 0);
        bytes = realloc(bytes, length ? length : 1);
        if (!bytes)
            abort();
        for (int i = 0; i < count; done += parts[i++].iov_len)
            memcpy(bytes + done, parts[i].iov_base, parts[i].iov_len);
        event = add_event((struct disk_event){.kind = DISK_WRITE,
                                              .file = file,
                                              .offset = (uint64_t)offset,
                                              .length = length,
                                              .bytes = bytes,
                                              .by_itself = fcntl(fd, F_GETFL) & O_DSYNC,
                                              .end = DISK_NO_EVENT});
    }
    pthread_mutex_unlock(&lock);
    return event;
}

static ssize_t end_write(size_t event, ssize_t result)
{
    int error = errno;
    if (event != DISK_NO_EVENT) {
        pthread_mutex_lock(&lock);
        if (result < 0 || (size_t)result != disk.events[event].length)
            disk.events[event].length = result < 0 ? 0 : (size_t)result;
        size_t end = add_event((struct disk_event){.kind = DISK_END}); /* may move the events */
        disk.events[event].end = end;
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return result;
}

SEEN ssize_t pwrite(int fd, const void *bytes, size_t length, off_t offset)
{
    if (fails(fd, disk_write_error))
        return -1;
    struct iovec part = {(void *)(uintptr_t)bytes, length};
    size_t event = begin_write(fd, &part, 1, offset);
    return end_write(event, REAL(pwrite)(fd, bytes, length, offset));
}

SEEN ssize_t pwrite64(int fd, const void *bytes, size_t length, off64_t offset)
{
    return pwrite(fd, bytes, length, offset);
}

SEEN ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t offset)
{
    if (fails(fd, disk_write_error))
        return -1;
    size_t event = begin_write(fd, parts, count, offset);
    return end_write(event, REAL(pwritev)(fd, parts, count, offset));
}

SEEN ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t offset)
{
    return pwritev(fd, parts, count, offset);
}

SEEN ssize_t write(int fd, const void *bytes, size_t length)
{
    if (fails(fd, disk_write_error))
        return -1;
    struct iovec part = {(void *)(uintptr_t)bytes, length};
    off_t at = disk.on ? lseek(fd, 0, SEEK_CUR) : 0;
    if (disk.on && at >= 0 && fcntl(fd, F_GETFL) & O_APPEND)
        at = lseek(fd, 0, SEEK_END);
    size_t event = begin_write(fd, &part, 1, at);
    return end_write(event, REAL(write)(fd, bytes, length));
}

SEEN ssize_t writev(int fd, const struct iovec *parts, int count)
{
    if (fails(fd, disk_write_error))
        return -1;
    off_t at = disk.on ? lseek(fd, 0, SEEK_CUR) : 0;
    size_t event = begin_write(fd, parts, count, at);
    return end_write(event, REAL(writev)(fd, parts, count));
}

SEEN int ftruncate(int fd, off_t length)
{
    pthread_mutex_lock(&lock);
    size_t file = file_of(fd), event = DISK_NO_EVENT;
    if (file != DISK_NO_FILE)
        event = add_event((struct disk_event){
            .kind = DISK_TRUNCATE, .file = file, .offset = (uint64_t)length, .end = DISK_NO_EVENT});
    pthread_mutex_unlock(&lock);
    return (int)end_write(event, REAL(ftruncate)(fd, length));
}

SEEN int ftruncate64(int fd, off64_t length)
{
    return ftruncate(fd, length);
}

static bool is_folder(int fd)
{
    struct stat this, ours;
    return fstat(fd, &this) == 0 && stat(folder, &ours) == 0 && this.st_ino == ours.st_ino &&
           this.st_dev == ours.st_dev;
}

/* A sync of the folder is one of all names. */
static int sync_by(int fd, int (*call)(int fd))
{
    if (fails(fd, disk_sync_error))
        return -1;
    pthread_mutex_lock(&lock);
    size_t file = file_of(fd);
    bool names = disk.on && file == DISK_NO_FILE && is_folder(fd);
    size_t began = disk.event_count;
    pthread_mutex_unlock(&lock);
    int result = call(fd), error = errno;
    if (result == 0 && (names || file != DISK_NO_FILE)) {
        pthread_mutex_lock(&lock);
        add_event((struct disk_event){
            .kind = names ? DISK_SYNC_NAMES : DISK_SYNC, .file = file, .began = began});
        pthread_mutex_unlock(&lock);
    }
    errno = error;
    return result;
}

SEEN int fsync(int fd)
{
    return sync_by(fd, REAL(fsync));
}

SEEN int fdatasync(int fd)
{
    return sync_by(fd, REAL(fdatasync));
}

SEEN int rename(const char *from, const char *to)
{
    int result = REAL(rename)(from, to);
    pthread_mutex_lock(&lock);
    const char *old = name_of(from), *new = name_of(to);
    if (result == 0 && old && new)
        name_event(DISK_RENAME, DISK_NO_FILE, old, new);
    pthread_mutex_unlock(&lock);
    return result;
}

SEEN int renameat(int from_at, const char *from, int to_at, const char *to)
{
    char old[512], new[512];
    if (disk.on && path_at(from_at, from, old, sizeof old) && path_at(to_at, to, new, sizeof new))
        return rename(old, new);
    return REAL(renameat)(from_at, from, to_at, to);
}

SEEN int unlink(const char *path)
{
    int result = REAL(unlink)(path);
    pthread_mutex_lock(&lock);
    const char *name = name_of(path);
    if (result == 0 && name)
        name_event(DISK_UNLINK, DISK_NO_FILE, name, NULL);
    pthread_mutex_unlock(&lock);
    return result;
}

SEEN int unlinkat(int at, const char *path, int flags)
{
    char full[512];
    if (disk.on && !flags && path_at(at, path, full, sizeof full))
        return unlink(full);
    return REAL(unlinkat)(at, path, flags);
}

SEEN int openat(int at, const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    char full[512];
    const char *name = disk.on && path_at(at, path, full, sizeof full) ? name_of(full) : NULL;
    bool is_new = name && flags & O_CREAT && access(full, F_OK) < 0;
    int fd = REAL(openat)(at, path, flags, mode);
    struct stat stat;
    if (fd < 0 || !name || fstat(fd, &stat) < 0 || !S_ISREG(stat.st_mode))
        return fd;
    pthread_mutex_lock(&lock);
    if (is_new)
        name_event(DISK_CREATE, add_file(&stat), name, NULL);
    else if (flags & O_TRUNC && file_of_stat(&stat) != DISK_NO_FILE)
        add_event((struct disk_event){
            .kind = DISK_TRUNCATE, .file = file_of_stat(&stat), .end = disk.event_count});
    pthread_mutex_unlock(&lock);
    return fd;
}

SEEN int open(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return openat(AT_FDCWD, path, flags, mode);
}

SEEN int open64(const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return openat(AT_FDCWD, path, flags, mode);
}

SEEN int openat64(int at, const char *path, int flags, ...)
{
    mode_t mode = 0;
    if (flags & (O_CREAT | O_TMPFILE)) {
        va_list arguments;
        va_start(arguments, flags);
        mode = va_arg(arguments, mode_t);
        va_end(arguments);
    }
    return openat(at, path, flags, mode);
}
