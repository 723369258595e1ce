/* SPDX-License-Identifier: Apache-2.0 */
/* Many rows to a transaction; between two of them the map grows. */
#include "store/rebuild.h"
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { DATABASES_MOST = 8192, BATCH_ROWS = 2000, NAME_MOST = 31 };
#define BATCH_BYTES ((uint64_t)8 << 20)
#define SPARE_BYTES ((uint64_t)128 << 20) /* more than a batch of rows can take */

struct database {
    char name[NAME_MOST + 1];
    MDB_dbi dbi;
};

struct gw_rebuild {
    char *path, *part; /* where it will be, and where it grows */
    MDB_env *env;
    MDB_txn *txn;
    uint64_t rows, bytes; /* of the transaction */
    struct database *databases;
    size_t count;
};

static int error_of(int rc)
{
    return rc == 0                 ? 0
           : rc > 0                ? -rc
           : rc == MDB_MAP_FULL    ? -ENOSPC
           : rc == MDB_BAD_VALSIZE ? -EINVAL
                                   : -EIO;
}

/* A transaction with room for `bytes` more. */
static int begin(struct gw_rebuild *r, uint64_t bytes)
{
    MDB_envinfo info;
    MDB_stat stat;
    mdb_env_info(r->env, &info);
    mdb_env_stat(r->env, &stat);
    uint64_t needed = (info.me_last_pgno + 1) * stat.ms_psize + 2 * bytes + SPARE_BYTES;
    int rc = 0;
    if (needed > info.me_mapsize)
        rc = mdb_env_set_mapsize(r->env, (needed + needed / 2) / stat.ms_psize * stat.ms_psize);
    r->rows = r->bytes = 0;
    return error_of(rc ? rc : mdb_txn_begin(r->env, NULL, 0, &r->txn));
}

static int commit(struct gw_rebuild *r)
{
    int rc = mdb_txn_commit(r->txn);
    r->txn = NULL;
    return error_of(rc);
}

static int open_env(struct gw_rebuild *r)
{
    int rc = mdb_env_create(&r->env);
    if (!rc)
        rc = mdb_env_set_maxdbs(r->env, DATABASES_MOST);
    if (!rc)
        rc = mdb_env_set_mapsize(r->env, SPARE_BYTES * 2);
    if (!rc)
        rc = mdb_env_open(r->env, r->part, MDB_NOSUBDIR | MDB_NOLOCK | MDB_NOSYNC, 0600);
    return rc ? error_of(rc) : begin(r, 0);
}

static int make_all(struct gw_rebuild *r)
{
    static const struct {
        const char *name;
        bool integer_key;
    } all[] = {{"meta", false},   {"logs", false},   {"cursors", false}, {"done", false},
               {"marks", false},  {"groups", false}, {"ledger", true},   {"dead", true},
               {"leases", false}, {"state", false}};
    int error = 0;
    for (size_t i = 0; i < sizeof all / sizeof *all && !error; i++)
        error = gw_rebuild_make(r, all[i].name, all[i].integer_key);
    return error;
}

int gw_rebuild_begin(const char *folder, struct gw_rebuild **ret)
{
    struct gw_rebuild *r = calloc(1, sizeof *r);
    if (!r)
        return -ENOMEM;
    int error = 0;
    if (asprintf(&r->path, "%s/data.mdb", folder) < 0 ||
        asprintf(&r->part, "%s/data.mdb.part", folder) < 0)
        error = -ENOMEM;
    else if (access(r->path, F_OK) == 0)
        error = -EEXIST;
    else if (unlink(r->part) < 0 && errno != ENOENT)
        error = -errno;
    else
        error = open_env(r);
    if (!error)
        error = make_all(r);
    if (error)
        gw_rebuild_end(r, false);
    else
        *ret = r;
    return error;
}

static int find(struct gw_rebuild *r, const char *name, unsigned flags, MDB_dbi *ret)
{
    /* Rows come database by database. */
    for (size_t i = r->count; i-- > 0;)
        if (!strcmp(r->databases[i].name, name)) {
            *ret = r->databases[i].dbi;
            return 0;
        }
    struct database *more = realloc(r->databases, (r->count + 1) * sizeof *more);
    if (!more)
        return -ENOMEM;
    r->databases = more;
    if (strlen(name) > NAME_MOST)
        return -EINVAL;
    int rc = mdb_dbi_open(r->txn, name, flags, ret);
    if (rc)
        return rc == MDB_NOTFOUND ? -ENOENT : error_of(rc);
    snprintf(more[r->count].name, sizeof more->name, "%s", name);
    more[r->count++].dbi = *ret;
    return 0;
}

int gw_rebuild_make(struct gw_rebuild *r, const char *database, bool integer_key)
{
    MDB_dbi dbi;
    return find(r, database, MDB_CREATE | (integer_key ? MDB_INTEGERKEY : 0), &dbi);
}

int gw_rebuild_put(struct gw_rebuild *r, const char *database, bool integer_key,
                   struct mg_bytes key, struct mg_bytes head, struct mg_bytes tail)
{
    uint64_t bytes = key.len + head.len + tail.len;
    int error = 0;
    if (r->rows >= BATCH_ROWS || (r->rows && r->bytes + bytes > BATCH_BYTES)) {
        error = commit(r);
        if (!error)
            error = begin(r, bytes);
    } else if (!r->rows && bytes > BATCH_BYTES) {
        error = commit(r);
        if (!error)
            error = begin(r, bytes);
    }
    MDB_dbi dbi;
    if (!error)
        error = find(r, database, MDB_CREATE | (integer_key ? MDB_INTEGERKEY : 0), &dbi);
    if (error)
        return error;
    MDB_val at = {key.len, (void *)(uintptr_t)key.at}, value = {head.len + tail.len, NULL};
    /* Rows mostly come in order; put at the end they fill their pages. */
    int rc = mdb_put(r->txn, dbi, &at, &value, MDB_RESERVE | MDB_APPEND);
    if (rc == MDB_KEYEXIST)
        rc = mdb_put(r->txn, dbi, &at, &value, MDB_RESERVE);
    if (rc)
        return error_of(rc);
    if (head.len)
        memcpy(value.mv_data, head.at, head.len);
    if (tail.len)
        memcpy((char *)value.mv_data + head.len, tail.at, tail.len);
    r->rows++;
    r->bytes += bytes;
    return 0;
}

int gw_rebuild_get(struct gw_rebuild *r, const char *database, struct mg_bytes key,
                   struct mg_bytes *ret)
{
    MDB_dbi dbi;
    int error = find(r, database, 0, &dbi);
    if (error)
        return error;
    MDB_val at = {key.len, (void *)(uintptr_t)key.at}, value;
    int rc = mdb_get(r->txn, dbi, &at, &value);
    if (rc)
        return rc == MDB_NOTFOUND ? -ENOENT : error_of(rc);
    *ret = (struct mg_bytes){value.mv_data, value.mv_size};
    return 0;
}

static int sync_folder(const char *path)
{
    char *folder = strdup(path);
    if (!folder)
        return -ENOMEM;
    char *slash = strrchr(folder, '/');
    *slash = '\0';
    int fd = open(*folder ? folder : "/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int error = fd < 0 || fsync(fd) < 0 ? -errno : 0;
    if (fd >= 0)
        close(fd);
    free(folder);
    return error;
}

int gw_rebuild_end(struct gw_rebuild *r, bool keep)
{
    int error = 0;
    if (!r)
        return 0;
    if (r->txn && keep)
        error = commit(r);
    else if (r->txn)
        mdb_txn_abort(r->txn);
    if (keep && !error)
        error = error_of(mdb_env_sync(r->env, 1));
    if (r->env)
        mdb_env_close(r->env);
    if (keep && !error && rename(r->part, r->path) < 0)
        error = -errno;
    if (keep && !error)
        error = sync_folder(r->path);
    else if (r->part)
        unlink(r->part);
    free(r->databases);
    free(r->path);
    free(r->part);
    free(r);
    return error;
}
