/* SPDX-License-Identifier: Apache-2.0 */
/* The archive of a route: the records that it staged, kept for a time, to be sent again. */
#pragma once
#include "store/store.h"

/* record.sequence is its place in the archive.  An event that steps have changed is there twice: as
 * it came in (GW_RECORD_ORIGINAL), and behind it what was made of it (GW_RECORD_STEPPED). */

/* In order of arrival, those that arrived in from_us…to_us (wall clock; to_us 0: now), until visit
 * returns false.  -ENOENT: the route has no archive.  Any thread but a shard's. */
int gw_store_archive_each(struct gw_store *store, const char *route, int64_t from_us, int64_t to_us,
                          bool (*visit)(void *arg, const struct gw_record *record), void *arg);
