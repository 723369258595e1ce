/* SPDX-License-Identifier: Apache-2.0 */
/* The position file: "meshgate-position 1 INODE OFFSET", replaced whole. */
#include "source.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int file_position_load(const char *path, uint64_t *ret_offset, uint64_t *ret_inode)
{
    char text[128];
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
    if (fd < 0)
        return -errno;
    ssize_t n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n < 0)
        return -EIO;
    text[n] = '\0';
    int used = 0;
    if (sscanf(text, "meshgate-position 1 %20" SCNu64 " %20" SCNu64 "%n", ret_inode, ret_offset,
               &used) != 2 ||
        text[used] != '\n')
        return -EINVAL;
    return 0;
}

/* On the disk before it takes the old one's place: a power cut leaves the one or the other. */
int file_position_store(const char *path, uint64_t offset, uint64_t inode)
{
    char *beside, text[128];
    if (asprintf(&beside, "%s.new", path) < 0)
        return -ENOMEM;
    int n =
        snprintf(text, sizeof text, "meshgate-position 1 %" PRIu64 " %" PRIu64 "\n", inode, offset);
    int fd = open(beside, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0666);
    int error = fd < 0 ? -errno : 0;
    if (!error && write(fd, text, (size_t)n) != n)
        error = errno ? -errno : -EIO;
    if (!error && fdatasync(fd))
        error = -errno;
    if (fd >= 0)
        close(fd);
    if (!error && rename(beside, path))
        error = -errno;
    free(beside);
    return error;
}
