/* SPDX-License-Identifier: Apache-2.0 */
/* A dead letter's entry as it lies on disk, taken apart. */
#pragma once
#include "store/internal.h"

/* In the head's flags: the ledger's count of its event goes where this letter goes. */
enum { DEAD_CARRIES = 1 };

struct gw_dead_entry {
    struct gw_disk_head head; /* group_index, group_count: the sequence it had in its log */
    struct gw_disk_dead dead;
    struct mg_str texts[4]; /* route, sink, step, reason */
    const void *record;
    size_t record_length;
};
/* Borrows from value.  False: damaged. */
bool gw_dead_read(MDB_val value, uint64_t id, struct gw_dead_entry *ret);
