/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a log anew: the records that a sink may still miss, and beside them cursors, settled
 * places and a ledger that agree with them. */
#include "base/hash.h"
#include "store/salvage_internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void big(uint8_t *to, uint64_t value, size_t length)
{
    for (size_t i = 0; i < length; i++)
        to[i] = (uint8_t)(value >> 8 * (length - 1 - i));
}

static struct gw_disk_place_key place_key(uint32_t log, uint32_t sink, uint64_t place)
{
    struct gw_disk_place_key key;
    big(key.log, log, sizeof key.log);
    big(key.sink, sink, sizeof key.sink);
    big(key.place, place, sizeof key.place);
    return key;
}

static int put(struct gw_salvage_work *work, const char *database, struct mg_bytes key,
               const void *value, size_t length)
{
    return gw_rebuild_put(work->rebuild, database, false, key, gw_salvage_bytes(value, length),
                          (struct mg_bytes){0});
}

static int put_group(struct gw_salvage_work *work, const struct gw_salvage_log *log, uint64_t first,
                     uint32_t left)
{
    struct gw_disk_place_key key = place_key(log->number, 0, first);
    struct gw_disk_group group = {.left = left, .worst = GW_TERM_DELIVERED};
    return put(work, "groups", gw_salvage_bytes(&key, sizeof key), &group, sizeof group);
}

/* The records of one event that are left, from kept[i] on; at least one. */
static size_t event_end(const struct gw_salvage_log *log, size_t i)
{
    const struct gw_salvage_kept *k = log->kept;
    size_t end = i + 1;
    uint64_t first = k[i].sequence - k[i].record->head.group_index;
    while (end < log->count && k[end].record->head.group_count > 1 &&
           k[end].sequence - k[end].record->head.group_index == first)
        end++;
    return end;
}

static int put_records(struct gw_salvage_work *work, struct gw_salvage_log *log)
{
    char name[32];
    snprintf(name, sizeof name, "log.%" PRIu32, log->number);
    int error = gw_rebuild_make(work->rebuild, name, true);
    for (size_t i = 0; i < log->count && !error; i++) {
        const struct gw_salvage_kept *k = &log->kept[i];
        struct gw_disk_head head = k->record->head;
        if (k->sequence != head.sequence)
            head.group_index = head.group_count = 0;
        head.sequence = k->sequence;
        head.targets = k->targets;
        error = gw_salvage_put(work, k->record, name, head, !log->precise);
        for (uint64_t left = k->targets; left; left &= left - 1) {
            uint32_t number = (uint32_t)__builtin_ctzll(left);
            struct gw_salvage_sink *s = &log->sinks[number];
            s->first = s->count++ ? s->first : k->sequence;
            s->bytes += head.length;
            if (number >= log->sink_end)
                log->sink_end = number + 1;
        }
        work->counts->kept++;
    }
    for (size_t i = 0, end; i < log->count && !error; i = end, log->stored++) {
        bool moved = log->kept[i].sequence != log->kept[i].record->head.sequence;
        bool several = !moved && log->kept[i].record->head.group_count > 1;
        end = several ? event_end(log, i) : i + 1;
        if (several)
            error =
                put_group(work, log, log->kept[i].sequence - log->kept[i].record->head.group_index,
                          (uint32_t)(end - i));
    }
    return error;
}

/* How what is still missing ended for other sinks. */
static int put_partial(struct gw_salvage_work *work, const struct gw_salvage_log *log)
{
    int error = 0;
    for (size_t i = 0; i < work->group_count && !error; i++) {
        const struct gw_salvage_group *row = &work->groups[i];
        struct gw_salvage_kept wanted = {.sequence = 0};
        struct gw_disk_place_key key = place_key(log->number, 1, 0);
        if (memcmp(&row->key, &key, sizeof key.log + sizeof key.sink) != 0)
            continue;
        for (size_t k = 0; k < sizeof row->key.place; k++)
            wanted.sequence = wanted.sequence << 8 | row->key.place[k];
        const struct gw_salvage_kept *found =
            log->count
                ? bsearch(&wanted, log->kept, log->count, sizeof wanted, gw_salvage_by_sequence)
                : NULL;
        if (found && found->record->head.sequence == found->sequence)
            error = put(work, "groups", gw_salvage_bytes(&row->key, sizeof row->key), &row->group,
                        sizeof row->group);
    }
    return error;
}

/* A bit for everything from the cursor to the end that the sink does not miss. */
static int put_places(struct gw_salvage_work *work, const struct gw_salvage_log *log,
                      uint32_t number, uint64_t first)
{
    struct gw_disk_place row;
    uint64_t *bits = row.bits, mine = UINT64_C(1) << number;
    size_t k = 0;
    int error = 0;
    for (uint64_t place = first / GW_ROWS_PLACE_BITS;
         place * GW_ROWS_PLACE_BITS < log->end && !error; place++) {
        bool any = false;
        memset(&row, 0, sizeof row);
        for (uint64_t s = place * GW_ROWS_PLACE_BITS;
             s < (place + 1) * GW_ROWS_PLACE_BITS && s < log->end; s++) {
            while (k < log->count && log->kept[k].sequence < s)
                k++;
            bool misses =
                k < log->count && log->kept[k].sequence == s && log->kept[k].targets & mine;
            if (s < first || misses)
                continue;
            bits[s % GW_ROWS_PLACE_BITS / 64] |= UINT64_C(1) << s % 64;
            any = true;
        }
        struct gw_disk_place_key key = place_key(log->number, number, place);
        row.sum = gw_rows_place_sum(&key, row.bits);
        if (any)
            error = put(work, "done", gw_salvage_bytes(&key, sizeof key), &row, sizeof row);
    }
    return error;
}

static int put_cursor(struct gw_salvage_work *work, const struct gw_salvage_log *log,
                      uint32_t number, uint64_t commit)
{
    const struct gw_salvage_sink *s = &log->sinks[number];
    struct gw_disk_cursor cursor = {.magic = GW_DISK_CURSOR_MAGIC,
                                    .log = log->number,
                                    .sink = number,
                                    .first = s->count ? s->first : log->end,
                                    .count = s->count,
                                    .bytes = s->bytes,
                                    .commit = commit};
    struct gw_disk_sink_key key;
    cursor.sum = gw_hash64(&cursor, offsetof(struct gw_disk_cursor, sum));
    big(key.log, log->number, sizeof key.log);
    big(key.sink, number, sizeof key.sink);
    int error = put(work, "cursors", gw_salvage_bytes(&key, sizeof key), &cursor, sizeof cursor);
    return error ? error : put_places(work, log, number, cursor.first);
}

static uint64_t next_commit(const struct gw_salvage_work *work)
{
    uint64_t commit = 0;
    for (size_t i = 0; i < work->scan.cursor_count; i++)
        if (work->scan.cursors[i].commit > commit)
            commit = work->scan.cursors[i].commit;
    return commit + 1;
}

static int put_ledger(struct gw_salvage_work *work, const struct gw_salvage_log *log)
{
    const struct gw_salvage_ledger *row = gw_salvage_ledger_of(work, log->number);
    struct gw_disk_ledger ledger = row ? row->ledger : (struct gw_disk_ledger){0};
    uint32_t key = log->number;
    uint64_t carriers = 0;
    for (size_t i = 0; i < work->carrier_count; i++)
        if (work->carriers[i].log == log->number)
            carriers = work->carriers[i].count;
    ledger.ended[GW_TERM_DISCARDED] += log->lost;
    /* Each of them takes its count along when it leaves. */
    if (ledger.ended[GW_TERM_DEAD_LETTERED] < carriers)
        ledger.ended[GW_TERM_DEAD_LETTERED] = carriers;
    uint64_t received = log->stored;
    for (size_t i = 0; i < GW_TERMS; i++)
        received += ledger.ended[i];
    if (received != ledger.received)
        gw_salvage_say(work, MG_WARN,
                       "route %s: its ledger said %" PRIu64 " received, and says %" PRIu64
                       " so that it balances with what was found",
                       log->entry ? log->entry->name : log->name, ledger.received, received);
    ledger.received = received;
    ledger.next_sequence = log->end;
    return gw_rebuild_put(work->rebuild, "ledger", true, gw_salvage_bytes(&key, sizeof key),
                          gw_salvage_bytes(&ledger, sizeof ledger), (struct mg_bytes){0});
}

static int put_entry(struct gw_salvage_work *work, const struct gw_salvage_log *log)
{
    const char *name = log->entry ? log->entry->name : log->name;
    struct gw_disk_log entry = {.magic = GW_DISK_LOG_MAGIC,
                                .number = log->number,
                                .next_sequence = log->end,
                                .sink_count = log->sink_end,
                                .name_bytes = (uint32_t)strlen(name)};
    char *tail = NULL;
    size_t length = 0;
    FILE *out = open_memstream(&tail, &length);
    if (!out)
        return -ENOMEM;
    fwrite(name, 1, entry.name_bytes, out);
    for (uint32_t i = 0; i < log->sink_end; i++) {
        const char *label = gw_salvage_label_of(log, i);
        if (label)
            fwrite(label, 1, strlen(label), out);
        else if (log->sinks[i].count)
            fprintf(out, "(sink %" PRIu32 ", its name is lost)", i);
        fputc('\0', out);
    }
    if (fclose(out) != 0) {
        free(tail);
        return -ENOMEM;
    }
    entry.label_bytes = (uint32_t)(length - entry.name_bytes);
    uint64_t parts[2] = {gw_hash64(&entry, sizeof entry), gw_hash64(tail, length)};
    entry.sum = gw_hash64(parts, sizeof parts);
    int error =
        gw_rebuild_put(work->rebuild, "logs", false, gw_salvage_bytes(name, entry.name_bytes),
                       gw_salvage_bytes(&entry, sizeof entry), gw_salvage_bytes(tail, length));
    free(tail);
    return error;
}

int gw_salvage_put_log(struct gw_salvage_work *work, struct gw_salvage_log *log)
{
    uint64_t commit = next_commit(work);
    int error = put_records(work, log);
    if (!error)
        error = put_partial(work, log);
    for (uint32_t i = 0; i < log->sink_end && !error; i++) {
        const char *label = gw_salvage_label_of(log, i);
        if ((label && *label) || log->sinks[i].count)
            error = put_cursor(work, log, i, commit);
    }
    if (!error)
        error = put_ledger(work, log);
    return error ? error : put_entry(work, log);
}
