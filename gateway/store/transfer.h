/* SPDX-License-Identifier: Apache-2.0 */
/* What is done with a store as a whole: written out as lines of JSON and read in again (the way to
 * another machine, and from one format version to the next), verified, compacted.  The form of an
 * export stands in docs/store-export.md. */
#pragma once
#include "store/store.h"
#include <stdio.h>

/* Writes everything that the store knows; a store opened read_only will do, and a running one is
 * seen as of one commit.  -EIO: out could not be written (or a part of the store not be read, said
 * in reterr).  Any thread but a shard's. */
int gw_store_export(struct gw_store *store, FILE *out, struct mg_err *reterr);

struct gw_store_imported {
    uint64_t lines, records, dead, archived, identities, states;
};
/* Makes a store in `folder` out of an export; the folder must not have one.  It is complete and
 * synced when this returns 0, and not there otherwise.  -EEXIST; -EINVAL: a line is wrong (reterr
 * has its number and says why); -EPROTONOSUPPORT: of a later version; -ENOSPC, -EIO.  CONTROL. */
int gw_store_import(const char *folder, FILE *in, struct gw_store_imported *ret,
                    struct mg_err *reterr);

/* What gw_store_verify found; offset is the place in data.mdb, UINT64_MAX where there is none. */
typedef void gw_store_finding_fn(void *arg, uint64_t offset, const char *text);
struct gw_store_verified {
    uint64_t pages, bytes;            /* of the file */
    uint64_t records, dead, archived; /* read, and sound unless there was a finding */
    uint64_t findings;
};
/* Walks every page, checks every record's sums and contents, and whether cursors and ledgers agree
 * with what is there.  Changes nothing.  0, with the number of findings in ret; -ENOENT: no store
 * there; -EBUSY: another process has it open; -EPROTONOSUPPORT.  CONTROL. */
int gw_store_verify(const char *folder, gw_store_finding_fn *finding, void *arg,
                    struct gw_store_verified *ret, struct mg_err *reterr);

/* Rewrites data.mdb of a store that nobody has open, without its free pages; a crash meanwhile
 * leaves the old one.  Repairs it first where that is needed, as any opening does, and says so
 * through found.  The sizes of before and after.  -ENOENT; -EBUSY; -ENOSPC.  CONTROL. */
int gw_store_compact(const char *folder, gw_store_found_fn *found, void *arg, uint64_t *ret_before,
                     uint64_t *ret_after, struct mg_err *reterr);
