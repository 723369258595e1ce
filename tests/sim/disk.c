/* SPDX-License-Identifier: Apache-2.0 */
/* The disk under the store, as far as it can be full. */
#include "sim.h"
#include <errno.h>
#include <fcntl.h>

int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length);

/* Space is not really taken: the store only wants to know whether there is any. */
int __wrap_fallocate64(int fd, int mode, off_t offset, off_t length)
{
    (void)fd, (void)mode, (void)offset, (void)length;
    if (!sim.disk_full)
        return 0;
    errno = ENOSPC;
    return -1;
}
