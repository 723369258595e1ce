/* SPDX-License-Identifier: Apache-2.0 */
/* What cannot be read is kept aside and told, and the records' sinks are done with it. */
#include "store/internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

struct lost {
    struct gw_store_op op;
    struct gw_store_log *log;
    uint64_t sequence;
};

static bool keep(struct gw_store *store, const char *name, MDB_val value)
{
    int folder, fd;
    bool kept = false;
    mkdirat(store->folder_fd, "quarantine", 0750);
    folder = openat(store->folder_fd, "quarantine", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return false;
    fd = openat(folder, name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0640);
    if (fd >= 0) {
        kept = write(fd, value.mv_data, value.mv_size) == (ssize_t)value.mv_size && !fsync(fd);
        close(fd);
    }
    close(folder);
    return kept;
}

void gw_quarantine(struct gw_store *store, const char *what, MDB_val value)
{
    char name[96], place[48] = "";
    uint64_t offset = gw_engine_offset(store, value.mv_data);
    pthread_mutex_lock(&store->lock);
    uint64_t number = ++store->said.quarantined;
    pthread_mutex_unlock(&store->lock);
    snprintf(name, sizeof name, "%s-%lld-%llu", what, (long long)(store->wall_us() / 1000),
             (unsigned long long)number);
    if (offset != UINT64_MAX)
        snprintf(place, sizeof place, " at offset %llu", (unsigned long long)offset);
    bool kept = !store->read_only && keep(store, name, value);
    gw_store_find(store, MG_ERROR, "%s/data.mdb%s: a damaged %s of %zu bytes%s%s", store->path,
                  place, what, value.mv_size,
                  kept ? "; its bytes are in quarantine/" : " could not be kept", kept ? name : "");
}

static void free_lost(struct gw_store_op *op)
{
    free(op);
}

void gw_quarantine_later(struct gw_store_log *log, uint64_t sequence)
{
    struct lost *lost = log->store->read_only ? NULL : calloc(1, sizeof *lost);
    if (!lost)
        return; /* the next reader meets it again */
    lost->op.kind = OP_LOST;
    lost->op.done = free_lost;
    lost->log = log;
    lost->sequence = sequence;
    gw_store_submit(log->store, &lost->op, &lost->op);
}

int gw_op_lost(struct gw_store *store, struct gw_store_op *op)
{
    struct lost *lost = (struct lost *)op;
    (void)store;
    return gw_log_lose(lost->log, lost->sequence);
}
