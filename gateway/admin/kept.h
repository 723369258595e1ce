/* SPDX-License-Identifier: Apache-2.0 */
/* A record taken out of a visit of the store: what may wait for the store's writer must not be done
 * within one, since the writer may be waiting for the visit's end. */
#pragma once
#include "store/record.h"

struct gw_kept {
    void *bytes; /* NULL: nothing is kept */
    struct gw_record record;
    struct gw_record_room room;
};
/* Keeps a copy in place of what was kept.  0 or a negative errno.  All zero is a good beginning. */
int gw_kept_set(struct gw_kept *kept, const struct gw_record *record);
void gw_kept_clear(struct gw_kept *kept);
void gw_kept_fini(struct gw_kept *kept);
