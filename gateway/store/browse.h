/* SPDX-License-Identifier: Apache-2.0 */
/* Looking through a store without its configuration, and bit by bit: for operations and the CLI. */
#pragma once
#include "store/store.h"

/* Every log that the store has, with what its sinks are.  Those that
 * nobody has opened with gw_store_log_open are opened as they were left, so nothing of them is
 * given up; nothing may be appended to those.  CONTROL. */
int gw_store_log_each(struct gw_store *store,
                      void (*each)(void *arg, const char *route, struct gw_store_log *log,
                                   const char *const *sinks, size_t sink_count),
                      void *arg);

/* The whole archive of a route from the record behind sequence `after` on (0: from the first),
 * until visit returns false.  -ENOENT: the route has no archive.  Any thread but a shard's. */
int gw_store_archive_after(struct gw_store *store, const char *route, uint64_t after,
                           bool (*visit)(void *arg, const struct gw_record *record), void *arg);
