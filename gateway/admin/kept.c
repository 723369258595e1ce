/* SPDX-License-Identifier: Apache-2.0 */
/* A copy of one record. */
#include "admin/kept.h"
#include <stdlib.h>

int gw_kept_set(struct gw_kept *kept, const struct gw_record *record)
{
    struct mg_err err = {{0}, NULL};
    size_t length;
    gw_kept_clear(kept);
    int error = gw_record_encode(record, &kept->bytes, &length);
    if (!error)
        error = gw_record_decode(kept->bytes, length, &kept->room, &kept->record, &err);
    if (error)
        gw_kept_clear(kept);
    return error;
}

void gw_kept_clear(struct gw_kept *kept)
{
    free(kept->bytes);
    kept->bytes = NULL;
}

void gw_kept_fini(struct gw_kept *kept)
{
    gw_kept_clear(kept);
    gw_record_room_fini(&kept->room);
}
