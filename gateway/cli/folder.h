/* SPDX-License-Identifier: Apache-2.0 */
/* An empty folder for the store of a rehearsal. */
#pragma once
#include "meshgate/plugin.h"

enum { GW_FOLDER_BYTES = 4096 };
/* Under TMPDIR, or /tmp.  0 or negative errno with reterr. */
int gw_folder_make(char folder[GW_FOLDER_BYTES], struct mg_err *reterr);
void gw_folder_remove(const char *folder); /* with all that is in it */
