/* SPDX-License-Identifier: Apache-2.0 */
/* Before LMDB sees the file: it trusts what its pages say.  After a power cut under sync: interval
 * the file goes back to the commit that is known to be on the disk; a tree that is damaged all the
 * same is put aside, and a new file made of what can be saved. */
#include "store/check.h"
#include "store/internal.h"
#include "store/salvage.h"
#include "store/sync.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { PAGE_NUMBER_BYTES = 8 };

/* The two meta pages as they were, for who wants to look. */
static bool keep_metas(struct gw_store *store, int data, uint32_t page_bytes)
{
    uint8_t metas[2][GW_DISK_META_BYTES];
    char name[96];
    for (int i = 0; i < 2; i++)
        if (pread(data, metas[i], sizeof metas[i], (off_t)i * page_bytes) != sizeof metas[i])
            return false;
    mkdirat(store->folder_fd, "quarantine", 0750);
    snprintf(name, sizeof name, "quarantine/metas-%lld", (long long)(store->wall_us() / 1000));
    int fd = openat(store->folder_fd, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    bool kept = fd >= 0 && write(fd, metas, sizeof metas) == sizeof metas && !fsync(fd);
    if (fd >= 0)
        close(fd);
    return kept;
}

static int put_meta(struct gw_store *store, const struct gw_disk_synced *note)
{
    uint8_t meta[GW_DISK_META_BYTES];
    int data = openat(store->folder_fd, "data.mdb", O_RDWR | O_CLOEXEC);
    int rc = data < 0 ? errno : 0;
    memcpy(meta, note->meta, sizeof meta);
    if (!rc && !keep_metas(store, data, note->page_bytes))
        gw_store_find(store, MG_WARN, "%s: the replaced meta pages could not be kept", store->path);
    for (uint64_t i = 0; i < 2 && !rc; i++) {
        memcpy(meta, &i, PAGE_NUMBER_BYTES); /* a page begins with its own number */
        if (pwrite(data, meta, sizeof meta, (off_t)(i * note->page_bytes)) != sizeof meta)
            rc = errno ? errno : EIO;
    }
    if (!rc && fdatasync(data))
        rc = errno;
    if (data >= 0)
        close(data);
    return rc;
}

static int go_back(struct gw_store *store, struct mg_err *reterr)
{
    struct gw_disk_synced note;
    if (!gw_synced_read(store->folder_fd, &note) || note.clean || note.sync == GW_SYNC_ALWAYS ||
        !strcmp(note.boot, store->boot))
        return 0;
    if (note.sync == GW_SYNC_NEVER) {
        gw_store_find(store, MG_WARN,
                      "%s: the machine went down while the store was open under sync: never; what "
                      "the kernel had not written is lost",
                      store->path);
        return 0;
    }
    int rc = put_meta(store, &note);
    if (rc == ENOENT)
        return 0;
    if (rc)
        return gw_store_fail(reterr, -rc, "%s/data.mdb: %s", store->path, strerror(rc));
    store->went_back = true;
    gw_store_find(store, MG_WARN,
                  "%s: the machine went down while the store was open; it is as of its last sync "
                  "(commit %llu), later ones are lost",
                  store->path, (unsigned long long)note.txnid);
    return 0;
}

/* The new file takes the damaged one's place in one step, so that a crash meanwhile leaves either.
 * The note of the last sync is of the file that leaves. */
static int replace(struct gw_store *store, const char *name)
{
    mkdirat(store->folder_fd, "quarantine", 0750);
    if (linkat(store->folder_fd, "data.mdb", store->folder_fd, name, 0) ||
        (unlinkat(store->folder_fd, "synced", 0) && errno != ENOENT) || fsync(store->folder_fd) ||
        renameat(store->folder_fd, "salvage/data.mdb", store->folder_fd, "data.mdb") ||
        fsync(store->folder_fd))
        return -errno;
    return 0;
}

static int salvage(struct gw_store *store, const struct gw_check *check, struct mg_err *reterr)
{
    char name[80], path[4096], folder[4096];
    struct gw_salvage counts;
    snprintf(name, sizeof name, "quarantine/data-%lld.mdb", (long long)(store->wall_us() / 1000));
    snprintf(path, sizeof path, "%s/data.mdb", store->path);
    snprintf(folder, sizeof folder, "%s/salvage", store->path);
    mkdirat(store->folder_fd, "salvage", 0750);
    unlinkat(store->folder_fd, "salvage/data.mdb", 0); /* of one that did not come to its end */
    gw_store_find(store, MG_ERROR, "%s: damaged at offset %llu: %s; it is put aside as %s", path,
                  (unsigned long long)check->offset, check->text, name);
    int error = gw_salvage(path, folder, store->found, store->found_arg, &counts);
    if (!error)
        error = replace(store, name);
    unlinkat(store->folder_fd, "salvage", AT_REMOVEDIR);
    if (error)
        return gw_store_fail(reterr, error, "%s: damaged, and what is in it cannot be saved: %s",
                             path, strerror(-error));
    return 0;
}

static int look_for_damage(struct gw_store *store, struct mg_err *reterr)
{
    char path[4096];
    struct gw_check check;
    snprintf(path, sizeof path, "%s/data.mdb", store->path);
    int error = gw_check_file(path, &check);
    if (error != -EBADMSG)
        return error == -ENOENT ? 0 : error;
    if (!store->read_only)
        return salvage(store, &check, reterr);
    return gw_store_fail(
        reterr, -EBADMSG,
        "%s: damaged at offset %llu: %s; a gateway that opens it saves what it can", path,
        (unsigned long long)check.offset, check.text);
}

int gw_recover(struct gw_store *store, struct mg_err *reterr)
{
    int error = store->read_only ? 0 : go_back(store, reterr);
    return error ? error : look_for_damage(store, reterr);
}
