/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a data.mdb from nothing, row by row: for a salvage and for an import.  It appears in its
 * folder when it is whole and on the disk, and not before. */
#pragma once
#include "meshgate/plugin.h"

struct gw_rebuild;

/* folder is there, and has no data.mdb (-EEXIST).  Makes the databases that every store has.  0, or
 * a negative errno. */
int gw_rebuild_begin(const char *folder, struct gw_rebuild **ret);
/* A row of a database, which is made where it is not there yet; a row of the same key is replaced.
 * integer_key: of a key of 4 or 8 bytes, a number.  value is head and tail, one behind the other.
 * After an error only gw_rebuild_end may follow. */
int gw_rebuild_put(struct gw_rebuild *rebuild, const char *database, bool integer_key,
                   struct mg_bytes key, struct mg_bytes head, struct mg_bytes tail);
/* Makes a database without rows, where it is not there yet. */
int gw_rebuild_make(struct gw_rebuild *rebuild, const char *database, bool integer_key);
/* 0: and the row's value; -ENOENT.  Good until the next put. */
int gw_rebuild_get(struct gw_rebuild *rebuild, const char *database, struct mg_bytes key,
                   struct mg_bytes *ret);
/* keep: makes it last; else nothing is left of it.  Ends rebuild in any case; NULL is fine. */
int gw_rebuild_end(struct gw_rebuild *rebuild, bool keep);
