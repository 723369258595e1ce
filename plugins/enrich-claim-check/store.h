/* SPDX-License-Identifier: Apache-2.0 */
/* Where payloads are kept, by the SHA-256 of their bytes: a folder, or a bucket of S3. */
#pragma once
#include "curl_loop.h"
#include "reference.h"
#include <stdatomic.h>

/* The settings of a store, shared by reference: jobs may outlive the instance.  Read-only. */
struct store {
    atomic_uint refs;
    char *folder; /* NULL: S3 */
    bool sync;
    int64_t least_free, keep_ms, sweep_ms;
    char *url; /* of S3: endpoint, bucket and prefix; the hash comes behind it */
    char *signature, *access_key, *secret_key, *session_token, *ca;
    bool verify;
    int64_t timeout_ms;
};
struct settings;
struct store *store_new(const struct settings *settings); /* NULL: out of memory */
struct store *store_ref(struct store *store);             /* ANY */
void store_unref(struct store *store);                    /* ANY; NULL is fine */

/* Writes 64 digits and a NUL.  -ENOMEM. */
int hash_text(struct mg_bytes bytes, char *ret_text);

/* folder.c; all block, and say in reterr what is wrong. */

/* Makes the folder where it is not there, or only looks for it.  A negative errno. */
int folder_open(const struct store *store, bool make, struct mg_err *reterr);
/* Keeps the bytes; *ret_known: they were there, and are as if written now.  A negative errno. */
int folder_put(const struct store *store, const char *sha256, struct mg_bytes bytes,
               bool *ret_known, struct mg_err *reterr);
/* malloc'ed; not compared with the hash yet.  -ENOENT: it is not there; -EBADMSG: it is, in another
 * size; another negative errno. */
int folder_get(const struct store *store, const char *sha256, uint64_t size, void **ret_bytes,
               struct mg_err *reterr);

/* sweep.c: looks at a part of the folder and removes what is older than keep_ms; blocks, for a
 * short while.  Who sweeps holds a lock beside, so that of all gateways one does. */
struct sweep {
    uint32_t place;   /* where to go on, of SWEEP_PLACES */
    uint64_t removed; /* by this call */
    bool ended;       /* all has been seen */
    int64_t began_s;  /* when, by the file system's clock; 0: this one has not the turn yet */
};
enum { SWEEP_PLACES = 65536 };
/* 0, -EAGAIN: it is not due, or another one sweeps; another negative errno. */
int folder_sweep(const struct store *store, struct sweep *sweep, struct mg_err *reterr);
/* Removes the file of that name in dir where fd, opened for writing, is still it, and nobody has
 * stored it again since before_s. */
bool sweep_take_away(int dir, int fd, const char *name, int64_t before_s);
