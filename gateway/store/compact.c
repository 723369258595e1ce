/* SPDX-License-Identifier: Apache-2.0 */
/* A store made as small as it can be. */
#include "store/internal.h"
#include "store/transfer.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

/* What the file takes: its length, whatever is kept allocated behind its end. */
static int size_of(const char *folder, uint64_t *ret, struct mg_err *reterr)
{
    char path[4096];
    struct stat st;
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    if (stat(path, &st))
        return gw_store_fail(reterr, -errno, "%s: %s", path, strerror(errno));
    *ret = (uint64_t)st.st_size;
    return 0;
}

int gw_store_compact(const char *folder, gw_store_found_fn *found, void *arg, uint64_t *ret_before,
                     uint64_t *ret_after, struct mg_err *reterr)
{
    struct gw_store *store = NULL;
    struct gw_store_options options = {.manual = true, .compact = true};
    int error = size_of(folder, ret_before, reterr);
    if (error)
        return error;
    /* No more comes in, so any size will do that is not below what is there. */
    struct gw_store_settings settings = {
        .path = folder, .sync = GW_SYNC_ALWAYS, .size_bytes = (int64_t)*ret_before * 2};
    error = gw_store_open(&settings, &options, found, arg, &store, reterr);
    if (error)
        return error;
    gw_store_close(store);
    return size_of(folder, ret_after, reterr);
}
