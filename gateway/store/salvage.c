/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a new store of what is found in a damaged one. */
#include "store/salvage.h"
#include "base/hash.h"
#include "store/record_wire.h"
#include "store/salvage_internal.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct mg_bytes gw_salvage_bytes(const void *at, size_t length)
{
    return (struct mg_bytes){at, length};
}

void gw_salvage_say(struct gw_salvage_work *work, uint32_t level, const char *format, ...)
{
    char text[400];
    if (!work->found || (level > MG_INFO && work->said++ >= GW_SALVAGE_SAYINGS))
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    work->found(work->arg, level, text);
}

int gw_salvage_put(struct gw_salvage_work *work, const struct gw_scan_record *record,
                   const char *database, struct gw_disk_head head, bool doubtful)
{
    void *body;
    int error = gw_scan_body(&work->scan, record, &body);
    if (error)
        return error;
    struct gw_record_wire wire;
    if (doubtful && head.length >= sizeof wire) {
        memcpy(&wire, body, sizeof wire);
        if (wire.magic == GW_RECORD_MAGIC && wire.version == GW_RECORD_VERSION) {
            wire.flags |= GW_RECORD_DOUBTFUL;
            memcpy(body, &wire, sizeof wire);
        }
    }
    head.body_sum = gw_hash64(body, head.length);
    head.head_sum = gw_hash64(&head, offsetof(struct gw_disk_head, head_sum));
    error = gw_rebuild_put(
        work->rebuild, database, true, gw_salvage_bytes(&head.sequence, sizeof head.sequence),
        gw_salvage_bytes(&head, sizeof head), gw_salvage_bytes(body, head.length));
    free(body);
    return error;
}

static int put_format(struct gw_salvage_work *work)
{
    uint32_t format = GW_STORE_FORMAT;
    return gw_rebuild_put(work->rebuild, "meta", false, gw_salvage_bytes("format", 6),
                          gw_salvage_bytes(&format, sizeof format), (struct mg_bytes){0});
}

/* Where a database is not sound, nobody else knows of heads that are no longer ones. */
static void count_broken(struct gw_salvage_work *work)
{
    bool sound = work->main_sound;
    for (size_t i = 0; i < work->database_count; i++)
        sound = sound && work->databases[i].sound;
    for (size_t i = 0; i < work->scan.broken_count && !sound; i++) {
        work->counts->damaged++;
        gw_salvage_say(work, MG_WARN, "byte %" PRIu64 ": what may have been a record is damaged",
                       work->scan.broken[i]);
    }
}

static void sum_up(struct gw_salvage_work *work)
{
    const struct gw_salvage *c = work->counts;
    gw_salvage_say(work, MG_INFO,
                   "salvaged from %" PRIu64 " bytes: %" PRIu64 " records of %" PRIu64
                   " routes (%" PRIu64 " found), %" PRIu64 " dead letters, %" PRIu64
                   " archived records, %" PRIu64 " entries of bridges' state; %" PRIu64 " damaged",
                   c->file_bytes, c->kept, c->logs, c->records, c->dead, c->archived, c->states,
                   c->damaged);
}

int gw_salvage(const char *damaged_path, const char *folder, gw_store_found_fn *found, void *arg,
               struct gw_salvage *ret_counts)
{
    *ret_counts = (struct gw_salvage){0};
    struct gw_salvage_work work = {.fd = open(damaged_path, O_RDONLY | O_CLOEXEC),
                                   .found = found,
                                   .arg = arg,
                                   .counts = ret_counts};
    if (work.fd < 0)
        return -errno;
    int error = gw_rebuild_begin(folder, &work.rebuild);
    if (!error)
        error = put_format(&work);
    if (!error)
        error = gw_salvage_find(&work);
    if (!error)
        error = gw_salvage_heads(&work);
    if (!error)
        error = gw_salvage_logs(&work);
    int ended = gw_rebuild_end(work.rebuild, !error);
    error = error ? error : ended;
    if (!error) {
        count_broken(&work);
        sum_up(&work);
    }
    gw_scan_fini(&work.scan);
    gw_scan_fini(&work.tree);
    free(work.databases);
    free(work.places);
    free(work.ledgers);
    free(work.groups);
    free(work.carriers);
    close(work.fd);
    return error;
}
