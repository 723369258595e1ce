/* SPDX-License-Identifier: Apache-2.0 */
/* The note of how far the data file is on the disk, for who recovers. */
#pragma once
#include "store/format.h"
#include <stdbool.h>

bool gw_synced_is_whole(const struct gw_disk_synced *slot);
/* The note that counts.  False: there is none. */
bool gw_synced_read(int folder_fd, struct gw_disk_synced *ret);
