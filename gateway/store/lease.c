/* SPDX-License-Identifier: Apache-2.0 */
#include "store/internal.h"
int gw_op_lease(struct gw_store *store, struct gw_store_lease *op)
{
    (void)store;
    (void)op;
    return 0;
}
int gw_op_extend(struct gw_store *store, struct gw_store_lease_extend *op)
{
    (void)store;
    (void)op;
    return 0;
}
int gw_lease_forget(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence)
{
    (void)log;
    (void)sink;
    (void)sequence;
    return 0;
}
