/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as a damaged data.mdb: the salvage ends, and what it makes is sound in every respect.
 */
#include "store/salvage.h"
#include "store/transfer.h"
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct gw_salvage counts;
    struct gw_store_verified verified;
    struct mg_err err;
    char path[64], folder[] = "/dev/shm/fuzz-salvage-XXXXXX", made[64];
    int fd = memfd_create("data.mdb", 0);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size || !mkdtemp(folder))
        abort();
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    snprintf(made, sizeof made, "%s/data.mdb", folder);
    if (gw_salvage(path, folder, NULL, NULL, &counts) ||
        gw_store_verify(folder, NULL, NULL, &verified, &err) || verified.findings)
        abort();
    unlink(made);
    rmdir(folder);
    close(fd);
    return 0;
}
