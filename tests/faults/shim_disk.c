/* SPDX-License-Identifier: Apache-2.0 */
/* LD_PRELOAD: a disk that fails when told.  While the file $FAULTS_DISK has lines "CALL ERRNO"
 * ("sync 5", "write 28"), that call fails so on every file below the folder $FAULTS_DISK_BELOW.
 * What fails does nothing: whatever was written before stays in the page cache. */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <unistd.h>

#define REAL(type, name, ...)                                                                      \
    static type (*real)(__VA_ARGS__);                                                              \
    if (!real)                                                                                     \
    real = (type(*)(__VA_ARGS__))dlsym(RTLD_NEXT, name)

static bool is_below(int fd)
{
    const char *below = getenv("FAULTS_DISK_BELOW");
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t size = readlink(link, path, sizeof path - 1);
    return below && size > 0 && (size_t)size >= strlen(below) &&
           memcmp(path, below, strlen(below)) == 0;
}

/* 0: the call may go on. */
static int failure(int fd, const char *call)
{
    const char *told = getenv("FAULTS_DISK");
    if (!told || access(told, F_OK))
        return 0;
    int saved = errno, code = 0;
    FILE *file = fopen(told, "re");
    char name[16];
    int number;
    while (file && code == 0 && fscanf(file, "%15s %d", name, &number) == 2)
        if (strcmp(name, call) == 0)
            code = number;
    if (file)
        fclose(file);
    if (code && (fd < 0 || !is_below(fd)))
        code = 0;
    errno = saved;
    return code;
}

#define FAIL_IF_TOLD(fd, call)                                                                     \
    int code = failure(fd, call);                                                                  \
    if (code) {                                                                                    \
        errno = code;                                                                              \
        return -1;                                                                                 \
    }

int fsync(int fd)
{
    REAL(int, "fsync", int);
    FAIL_IF_TOLD(fd, "sync");
    return real(fd);
}

int fdatasync(int fd)
{
    REAL(int, "fdatasync", int);
    FAIL_IF_TOLD(fd, "sync");
    return real(fd);
}

ssize_t pwrite(int fd, const void *bytes, size_t size, off_t at)
{
    REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);
    FAIL_IF_TOLD(fd, "write");
    return real(fd, bytes, size, at);
}

ssize_t pwrite64(int fd, const void *bytes, size_t size, off64_t at)
{
    REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);
    FAIL_IF_TOLD(fd, "write");
    return real(fd, bytes, size, at);
}

ssize_t pwritev(int fd, const struct iovec *parts, int count, off_t at)
{
    REAL(ssize_t, "pwritev", int, const struct iovec *, int, off_t);
    FAIL_IF_TOLD(fd, "write");
    return real(fd, parts, count, at);
}

ssize_t pwritev64(int fd, const struct iovec *parts, int count, off64_t at)
{
    REAL(ssize_t, "pwritev64", int, const struct iovec *, int, off64_t);
    FAIL_IF_TOLD(fd, "write");
    return real(fd, parts, count, at);
}

ssize_t pwritev2(int fd, const struct iovec *parts, int count, off_t at, int flags)
{
    REAL(ssize_t, "pwritev2", int, const struct iovec *, int, off_t, int);
    FAIL_IF_TOLD(fd, "write");
    return real(fd, parts, count, at, flags);
}

ssize_t pwritev64v2(int fd, const struct iovec *parts, int count, off64_t at, int flags)
{
    REAL(ssize_t, "pwritev64v2", int, const struct iovec *, int, off64_t, int);
    FAIL_IF_TOLD(fd, "write");
    return real(fd, parts, count, at, flags);
}

/* LMDB writes a run of one page this way, after a seek. */
ssize_t write(int fd, const void *bytes, size_t size)
{
    REAL(ssize_t, "write", int, const void *, size_t);
    FAIL_IF_TOLD(fd, "write");
    return real(fd, bytes, size);
}

ssize_t writev(int fd, const struct iovec *parts, int count)
{
    REAL(ssize_t, "writev", int, const struct iovec *, int);
    FAIL_IF_TOLD(fd, "write");
    return real(fd, parts, count);
}
