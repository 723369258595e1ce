/* SPDX-License-Identifier: Apache-2.0 */
/* Gets out of a damaged store what can be found in its bytes, and makes a new store of it. */
#pragma once
#include "store/store.h"

struct gw_salvage {
    uint64_t file_bytes;
    uint64_t records;       /* found whole */
    uint64_t kept;          /* of them, those that some sink may still miss, now in the new store */
    uint64_t dead;          /* dead letters, all kept */
    uint64_t archived;      /* records of archives, all kept */
    uint64_t states;        /* entries of bridges' state, all kept */
    uint64_t damaged;       /* begin like one of these, and are not whole */
    uint64_t logs, unnamed; /* logs found; of them, those whose name was not */
};

/* Reads the file at damaged_path and writes a new data.mdb into `folder`, which must not have one.
 * Whatever may have been delivered already comes back marked GW_RECORD_DOUBTFUL: at least once.
 * found gets one line for each damaged place (at most some hundred) and one that sums up.  0 (also
 * where nothing was found: the new store is then empty), -EEXIST, -ENOMEM, -ENOSPC, -EIO: nothing
 * is left in the folder.  CONTROL. */
int gw_salvage(const char *damaged_path, const char *folder, gw_store_found_fn *found, void *arg,
               struct gw_salvage *ret_counts);
