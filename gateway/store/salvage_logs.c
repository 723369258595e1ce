/* SPDX-License-Identifier: Apache-2.0 */
/* Which logs there are, and which of their records some sink may still miss. */
#include "store/salvage_internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    SPAN_MOST = 1 << 24, /* sequences from the first to the last; wider: they get new ones */
    JUMP = 1 << 16       /* after damage: sequences that may have been given and are not found */
};

/* ---- which logs there are ------------------------------------------------------------------- */

static int by_number(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return x < y ? -1 : x > y;
}

static bool add_number(uint32_t **numbers, size_t *count, size_t *capacity, uint32_t number)
{
    if (*count && (*numbers)[*count - 1] == number)
        return true;
    if (!gw_scan_grow((void **)numbers, *count, capacity, sizeof **numbers))
        return false;
    (*numbers)[(*count)++] = number;
    return true;
}

/* What the raw bytes alone know of counts only where the trees may have lost it. */
static int all_numbers(struct gw_salvage_work *work, uint32_t **ret, size_t *ret_count)
{
    const struct gw_scan *scans[] = {&work->tree, &work->scan};
    size_t capacity = 0, count = 0;
    bool ok = true;
    for (size_t s = 0; s < 2; s++) {
        for (size_t i = 0; i < scans[s]->log_count && ok && (s == 0 || !work->logs_sound); i++)
            ok = add_number(ret, &count, &capacity, scans[s]->logs[i].log.number);
        for (size_t i = 0; i < scans[s]->record_count && ok; i++) {
            const struct gw_disk_head *head = &scans[s]->records[i].head;
            char name[32];
            snprintf(name, sizeof name, "log.%" PRIu32, head->log);
            if (head->kind == GW_HEAD_LOG && (s == 0 || !gw_salvage_is_sound(work, name)))
                ok = add_number(ret, &count, &capacity, head->log);
        }
    }
    size_t unique = 0;
    if (count)
        qsort(*ret, count, sizeof **ret, by_number);
    for (size_t i = 0; i < count; i++)
        if (!i || (*ret)[i] != (*ret)[i - 1])
            (*ret)[unique++] = (*ret)[i];
    *ret_count = unique;
    return ok ? 0 : -ENOMEM;
}

static const struct gw_scan_log *best_entry(const struct gw_scan *scan, uint32_t number)
{
    const struct gw_scan_log *best = NULL;
    for (size_t i = 0; i < scan->log_count; i++) {
        const struct gw_scan_log *l = &scan->logs[i];
        if (l->log.number == number && (!best || l->log.next_sequence > best->log.next_sequence ||
                                        (l->log.next_sequence == best->log.next_sequence &&
                                         l->log.sink_count >= best->log.sink_count)))
            best = l;
    }
    return best;
}

const char *gw_salvage_label_of(const struct gw_salvage_log *log, uint32_t sink)
{
    const char *at = log->entry ? log->entry->labels : "";
    if (!log->entry || sink >= log->entry->log.sink_count)
        return NULL;
    while (sink-- > 0)
        at += strlen(at) + 1;
    return at;
}

static void find_cursor(const struct gw_salvage_work *work, struct gw_salvage_log *log,
                        uint32_t number)
{
    const struct gw_scan *scan = work->cursors_sound ? &work->tree : &work->scan;
    struct gw_salvage_sink *sink = &log->sinks[number];
    for (size_t i = 0; i < scan->cursor_count; i++) {
        const struct gw_disk_cursor *c = &scan->cursors[i];
        if (c->log != log->number || c->sink != number ||
            (sink->known && c->commit < sink->cursor.commit))
            continue;
        sink->known = true;
        sink->cursor = *c;
    }
}

static void find_sinks(const struct gw_salvage_work *work, struct gw_salvage_log *log)
{
    for (uint32_t i = 0; i < GW_RECORD_SINKS_MAX; i++) {
        const char *label = gw_salvage_label_of(log, i);
        find_cursor(work, log, i);
        /* A sink behind those of the entry was added after that copy of it. */
        log->sinks[i].live = label ? *label != '\0' : !work->logs_sound || !log->entry;
        if (label && *label)
            log->sink_end = i + 1;
    }
}

/* ---- which of its records ------------------------------------------------------------------- */

int gw_salvage_by_sequence(const void *a, const void *b)
{
    uint64_t x = ((const struct gw_salvage_kept *)a)->sequence,
             y = ((const struct gw_salvage_kept *)b)->sequence;
    return x < y ? -1 : x > y;
}

static bool is_settled(const struct gw_salvage_work *work, const struct gw_salvage_log *log,
                       uint32_t sink, uint64_t sequence)
{
    const struct gw_salvage_sink *s = &log->sinks[sink];
    if (s->known && sequence < s->cursor.first)
        return true;
    return s->known &&
           gw_rows_place_has(work->places, work->place_count, log->number, sink, sequence);
}

static uint64_t pending(const struct gw_salvage_work *work, const struct gw_salvage_log *log,
                        const struct gw_scan_record *r, uint64_t targets)
{
    uint64_t left = 0;
    for (; targets; targets &= targets - 1) {
        uint32_t sink = (uint32_t)__builtin_ctzll(targets);
        if (log->sinks[sink].live && !is_settled(work, log, sink, r->head.sequence))
            left |= UINT64_C(1) << sink;
    }
    return left;
}

static int keep(struct gw_salvage_log *log, const struct gw_scan_record *r, uint64_t sequence,
                uint64_t targets)
{
    if (!gw_scan_grow((void **)&log->kept, log->count, &log->capacity, sizeof *log->kept))
        return -ENOMEM;
    log->kept[log->count++] = (struct gw_salvage_kept){r, sequence, targets};
    return 0;
}

static void lose(struct gw_salvage_work *work, struct gw_salvage_log *log,
                 const struct gw_scan_record *r)
{
    log->lost++;
    work->counts->damaged++;
    gw_salvage_say(work, MG_ERROR,
                   "byte %" PRIu64 ": record %" PRIu64 " of route %s is damaged and lost",
                   r->offset, r->head.sequence, log->entry ? log->entry->name : log->name);
}

/* The copies of one sequence, sound ones first.  Several of different content: the sequence was
 * given again after a power cut; all are kept, the further ones at the end. */
static int choose(struct gw_salvage_work *work, struct gw_salvage_log *log,
                  const struct gw_scan_record *r, size_t copies)
{
    bool any = false;
    for (size_t i = 0; i < copies; i++) {
        bool again = i > 0 && !r[i].sound;
        uint64_t targets = r[i].head.targets;
        for (size_t k = 0; k < copies; k++) {
            if (r[i].sound && r[k].sound && r[k].head.body_sum == r[i].head.body_sum) {
                targets |= r[k].head.targets;
                again |= k < i;
            }
        }
        if (again)
            continue;
        work->counts->records += r[i].sound;
        /* Of a head that is lost nobody knows for whom it was. */
        targets = pending(work, log, &r[i], r[i].head.magic ? targets : UINT64_MAX);
        if (!targets)
            continue;
        if (!r[i].sound) {
            lose(work, log, &r[i]);
            continue;
        }
        int error = keep(log, &r[i], any ? UINT64_MAX : r[i].head.sequence, targets);
        if (error)
            return error;
        any = true;
    }
    return 0;
}

static void raise_end(struct gw_salvage_log *log, uint64_t end)
{
    log->end = end > log->end ? end : log->end;
}

const struct gw_salvage_ledger *gw_salvage_ledger_of(const struct gw_salvage_work *work,
                                                     uint32_t number)
{
    for (size_t i = 0; i < work->ledger_count; i++)
        if (work->ledgers[i].log == number)
            return &work->ledgers[i];
    return NULL;
}

static void find_end(const struct gw_salvage_work *work, struct gw_salvage_log *log)
{
    const struct gw_salvage_ledger *ledger = gw_salvage_ledger_of(work, log->number);
    raise_end(log, 1);
    if (ledger)
        raise_end(log, ledger->ledger.next_sequence);
    if (log->entry)
        raise_end(log, log->entry->log.next_sequence);
    for (uint32_t i = 0; i < GW_RECORD_SINKS_MAX; i++)
        if (log->sinks[i].known)
            raise_end(log, log->sinks[i].cursor.first);
    if (!log->precise)
        log->end += JUMP;
}

static int choose_all(struct gw_salvage_work *work, struct gw_salvage_log *log)
{
    const struct gw_scan *from = log->tree ? &work->tree : &work->scan;
    int error = 0;
    for (size_t i = 0, copies; i < from->record_count && !error; i += copies) {
        const struct gw_scan_record *r = &from->records[i];
        for (copies = 1; i + copies < from->record_count; copies++) {
            const struct gw_disk_head *next = &r[copies].head;
            if (next->kind != r->head.kind || next->log != r->head.log ||
                next->sequence != r->head.sequence)
                break;
        }
        if (r->head.kind != GW_HEAD_LOG || r->head.log != log->number)
            continue;
        raise_end(log, r->head.sequence + 1);
        error = choose(work, log, r, copies);
    }
    return error;
}

/* Sequences: as they were, unless they are so far apart that what lies between would have to be
 * written down for ever. */
static void number(struct gw_salvage_log *log)
{
    bool all = log->count && log->end - log->kept[0].sequence > SPAN_MOST;
    for (size_t i = 0; i < log->count; i++)
        if (all || log->kept[i].sequence == UINT64_MAX)
            log->kept[i].sequence = log->end++;
    if (log->count)
        qsort(log->kept, log->count, sizeof *log->kept, gw_salvage_by_sequence);
}

static int salvage_log(struct gw_salvage_work *work, uint32_t log_number)
{
    struct gw_salvage_log log = {.number = log_number};
    char database[32];
    snprintf(database, sizeof database, "log.%" PRIu32, log_number);
    log.entry = best_entry(&work->tree, log_number);
    if (!log.entry)
        log.entry = best_entry(&work->scan, log_number);
    snprintf(log.name, sizeof log.name, "(route %" PRIu32 ", its name is lost)", log_number);
    log.tree = gw_salvage_is_sound(work, database);
    log.precise = log.tree && work->cursors_sound && work->done_sound;
    work->counts->logs++;
    work->counts->unnamed += !log.entry;
    find_sinks(work, &log);
    find_end(work, &log);
    int error = choose_all(work, &log);
    if (!error) {
        number(&log);
        error = gw_salvage_put_log(work, &log);
    }
    if (!error && !log.entry)
        gw_salvage_say(work, MG_ERROR,
                       "the name of a route is lost; its %zu records are kept as those of %s",
                       log.count, log.name);
    free(log.kept);
    return error;
}

int gw_salvage_logs(struct gw_salvage_work *work)
{
    uint32_t *numbers = NULL;
    size_t count;
    int error = all_numbers(work, &numbers, &count);
    for (size_t i = 0; i < count && !error; i++)
        error = salvage_log(work, numbers[i]);
    free(numbers);
    return error;
}
