/* SPDX-License-Identifier: Apache-2.0 */
#include "store/internal.h"
int gw_sync_start(struct gw_store *store)
{
    (void)store;
    return 0;
}
void gw_sync_after_commit(struct gw_store *store)
{
    (void)store;
}
void gw_sync_stop(struct gw_store *store, bool finish)
{
    (void)store;
    (void)finish;
}
void gw_engine_compact(struct gw_store *store)
{
    (void)store;
}
