/* SPDX-License-Identifier: Apache-2.0 */
/* A data file without its free pages, in the place of the old one. */
#include "store/check.h"
#include "store/transfer.h"
#include <errno.h>
#include <fcntl.h>
#include <lmdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DATABASES_MOST = 8192 };

static int fail(struct mg_err *reterr, int error, const char *folder, const char *what)
{
    snprintf(reterr->text, sizeof reterr->text, "%.160s: %s", folder, what);
    return error;
}

static bool is_open(const char *folder)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/owner", folder);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    bool busy = fd >= 0 && flock(fd, LOCK_EX | LOCK_NB) < 0;
    if (fd >= 0)
        close(fd);
    return busy;
}

/* Opening repairs what a crash or a power cut left, and closing syncs. */
static int repair(const char *folder, struct mg_err *reterr)
{
    struct gw_store_settings settings = {.path = folder, .sync = GW_SYNC_ALWAYS};
    struct gw_store_options options = {.manual = true};
    struct gw_store *store;
    int error = gw_store_open(&settings, &options, NULL, NULL, &store, reterr);
    if (!error)
        gw_store_close(store);
    return error;
}

static int copy(int folder_fd, const char *path)
{
    MDB_env *env;
    int fd = openat(folder_fd, "compact.tmp", O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    int rc = fd < 0 ? errno : mdb_env_create(&env);
    if (rc) {
        if (fd >= 0)
            close(fd);
        return rc;
    }
    rc = mdb_env_set_maxdbs(env, DATABASES_MOST);
    if (!rc)
        rc = mdb_env_open(env, path, MDB_NOSUBDIR | MDB_RDONLY | MDB_NOLOCK, 0640);
    if (!rc)
        rc = mdb_env_copyfd2(env, fd, MDB_CP_COMPACT);
    if (!rc && fsync(fd) < 0)
        rc = errno;
    mdb_env_close(env);
    close(fd);
    return rc;
}

/* The note of the last sync is of the old file, which is on the disk: it goes first. */
static int replace(int folder_fd)
{
    if ((unlinkat(folder_fd, "synced", 0) < 0 && errno != ENOENT) || fsync(folder_fd) < 0 ||
        renameat(folder_fd, "compact.tmp", folder_fd, "data.mdb") < 0 || fsync(folder_fd) < 0)
        return errno;
    return 0;
}

static int compact(int folder_fd, const char *path, uint64_t *ret_before, uint64_t *ret_after)
{
    struct stat stat;
    int rc = fstatat(folder_fd, "data.mdb", &stat, 0) < 0 ? errno : 0;
    *ret_before = (uint64_t)stat.st_size;
    if (!rc)
        rc = copy(folder_fd, path);
    if (!rc)
        rc = replace(folder_fd);
    if (!rc)
        rc = fstatat(folder_fd, "data.mdb", &stat, 0) < 0 ? errno : 0;
    *ret_after = (uint64_t)stat.st_size;
    unlinkat(folder_fd, "compact.tmp", 0);
    return rc;
}

int gw_store_compact(const char *folder, uint64_t *ret_before, uint64_t *ret_after,
                     struct mg_err *reterr)
{
    struct gw_check check;
    char path[4096];
    if (is_open(folder))
        return fail(reterr, -EBUSY, folder, "another process has this store open");
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    int error = gw_check_file(path, &check);
    if (error)
        return fail(reterr, error, folder,
                    error == -ENOENT    ? "no store there"
                    : error == -EBADMSG ? "it is damaged; opening it saves what can be saved"
                                        : strerror(-error));
    error = repair(folder, reterr);
    if (error)
        return error;
    int folder_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int owner = folder_fd < 0 ? -1 : openat(folder_fd, "owner", O_RDWR | O_CLOEXEC);
    int rc = owner < 0 || flock(owner, LOCK_EX | LOCK_NB) < 0
                 ? errno
                 : compact(folder_fd, path, ret_before, ret_after);
    if (owner >= 0)
        close(owner);
    if (folder_fd >= 0)
        close(folder_fd);
    if (!rc)
        return 0;
    return fail(reterr, rc == EWOULDBLOCK ? -EBUSY : rc > 0 ? -rc : -EIO, folder, mdb_strerror(rc));
}
