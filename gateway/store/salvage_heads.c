/* SPDX-License-Identifier: Apache-2.0 */
/* Dead letters and archives: exactly those of their databases where these are sound, else all that
 * lie about. */
#include "base/hash.h"
#include "store/salvage_internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int count_carrier(struct gw_salvage_work *work, uint32_t log)
{
    size_t i = 0;
    while (i < work->carrier_count && work->carriers[i].log != log)
        i++;
    if (i == work->carrier_count) {
        if (!gw_scan_grow((void **)&work->carriers, i, &work->carrier_capacity,
                          sizeof *work->carriers))
            return -ENOMEM;
        work->carriers[work->carrier_count++] = (struct gw_salvage_carriers){log, 0};
    }
    work->carriers[i].count++;
    return 0;
}

static int put(struct gw_salvage_work *work, const struct gw_scan_record *record, uint64_t sequence)
{
    char name[32] = "dead";
    struct gw_disk_head head = record->head;
    head.sequence = sequence;
    if (head.kind == GW_HEAD_ARCHIVE)
        snprintf(name, sizeof name, "archive.%" PRIu32, head.log);
    int error = gw_salvage_put(work, record, name, head, false);
    if (!error && head.kind == GW_HEAD_ARCHIVE)
        work->counts->archived++;
    if (error || head.kind == GW_HEAD_ARCHIVE)
        return error;
    work->counts->dead++;
    work->next_dead = sequence >= work->next_dead ? sequence + 1 : work->next_dead;
    return head.flags ? count_carrier(work, head.log) : 0;
}

static bool is_wanted(const struct gw_scan_record *record, uint16_t kind, uint32_t log)
{
    return record->head.kind == kind && (kind == GW_HEAD_DEAD || record->head.log == log);
}

/* All records of one kind and log.  An id that several different ones have is the first one's; the
 * others get new ones. */
static int put_all(struct gw_salvage_work *work, const struct gw_scan *from, size_t first,
                   size_t end)
{
    uint64_t next = end > first ? from->records[end - 1].head.sequence + 1 : 0;
    for (size_t i = first; i < end; i++) {
        const struct gw_scan_record *r = &from->records[i];
        bool again = false;
        for (size_t k = i; k-- > first && from->records[k].head.sequence == r->head.sequence;)
            again |= !r->sound || from->records[k].head.body_sum == r->head.body_sum;
        if (again)
            continue; /* another copy of the same */
        bool other = i > first && from->records[i - 1].head.sequence == r->head.sequence;
        if (!r->sound) {
            work->counts->damaged++;
            gw_salvage_say(work, MG_WARN, "byte %" PRIu64 ": %s %" PRIu64 " is damaged", r->offset,
                           r->head.kind == GW_HEAD_DEAD ? "dead letter" : "archived record",
                           r->head.sequence);
            continue;
        }
        int error = put(work, r, other ? next++ : r->head.sequence);
        if (error)
            return error;
    }
    return 0;
}

static size_t end_of(const struct gw_scan *from, size_t first)
{
    const struct gw_disk_head *head = &from->records[first].head;
    size_t end = first + 1;
    while (end < from->record_count && is_wanted(&from->records[end], head->kind, head->log))
        end++;
    return end;
}

static int put_kinds(struct gw_salvage_work *work, const struct gw_scan *from, bool sound)
{
    int error = 0;
    for (size_t i = 0; i < from->record_count && !error;) {
        const struct gw_disk_head *head = &from->records[i].head;
        size_t end = end_of(from, i);
        char name[32] = "dead";
        if (head->kind == GW_HEAD_ARCHIVE)
            snprintf(name, sizeof name, "archive.%" PRIu32, head->log);
        if ((head->kind == GW_HEAD_DEAD || head->kind == GW_HEAD_ARCHIVE) &&
            gw_salvage_is_sound(work, name) == sound)
            error = put_all(work, from, i, end);
        i = end;
    }
    return error;
}

int gw_salvage_heads(struct gw_salvage_work *work)
{
    int error = put_kinds(work, &work->tree, true);
    if (!error)
        error = put_kinds(work, &work->scan, false);
    if (error || !work->next_dead)
        return error;
    return gw_rebuild_put(work->rebuild, "meta", false, gw_salvage_bytes("dead", 4),
                          gw_salvage_bytes(&work->next_dead, sizeof work->next_dead),
                          (struct mg_bytes){0});
}
