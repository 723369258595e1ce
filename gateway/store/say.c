/* SPDX-License-Identifier: Apache-2.0 */
/* What the store tells people: findings, errors, the report. */
#include "store/internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

void gw_store_find(struct gw_store *store, uint32_t level, const char *format, ...)
{
    char text[512];
    va_list arguments;
    if (!store->found)
        return;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    store->found(store->found_arg, level, text);
}

int gw_store_fail(struct mg_err *reterr, int error, const char *format, ...)
{
    va_list arguments;
    if (!reterr)
        return error;
    va_start(arguments, format);
    vsnprintf(reterr->text, sizeof reterr->text, format, arguments);
    va_end(arguments);
    reterr->option = NULL;
    return error;
}

const char *gw_store_rc_text(int rc)
{
    return rc == MDB_MAP_FULL ? "it has reached its size" : mdb_strerror(rc);
}

json_t *gw_store_report(struct gw_store *store)
{
    static const char *const syncs[] = {"always", "interval", "never"};
    pthread_mutex_lock(&store->lock);
    json_t *report =
        json_pack("{s:s, s:s, s:b, s:s, s:I, s:I, s:I, s:I, s:I}", "path", store->path, "sync",
                  syncs[store->settings.sync <= GW_SYNC_NEVER ? store->settings.sync : 0],
                  "healthy", !store->said.reason[0], "reason", store->said.reason, "bytes",
                  (json_int_t)store->said.bytes, "size", (json_int_t)store->limit_bytes, "commits",
                  (json_int_t)store->said.commits, "waiting", (json_int_t)store->said.waiting,
                  "quarantined", (json_int_t)store->said.quarantined);
    pthread_mutex_unlock(&store->lock);
    return report;
}
