/* SPDX-License-Identifier: Apache-2.0 */
/* Writes each log anew: the records that a sink may still miss, and beside them cursors, settled
 * places and a ledger that agree with them. */
#include "base/hash.h"
#include "store/salvage_internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    PLACE = GW_ROWS_PLACE_BITS,
    SINKS = GW_RECORD_SINKS_MAX,
    SPAN_MOST = 1 << 24, /* sequences from the first to the last; wider: they get new ones */
    JUMP = 1 << 16       /* after damage: sequences that may have been given and are not found */
};

struct kept {
    const struct gw_scan_record *record;
    uint64_t sequence, targets;
};

struct sink {
    bool live, known; /* known: with a cursor */
    struct gw_disk_cursor cursor;
    uint64_t first, count, bytes;
};

struct log {
    uint32_t number;
    const struct gw_scan_log *entry; /* NULL: its name is lost */
    char name[64];                   /* then */
    bool tree, precise;
    struct sink sinks[SINKS];
    uint32_t sink_end;
    struct kept *kept;
    size_t count, capacity;
    uint64_t end, stored, lost;
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

static const char *label_of(const struct log *log, uint32_t sink)
{
    const char *at = log->entry ? log->entry->labels : "";
    if (!log->entry || sink >= log->entry->log.sink_count)
        return NULL;
    while (sink-- > 0)
        at += strlen(at) + 1;
    return at;
}

static void find_cursor(const struct gw_salvage_work *work, struct log *log, uint32_t number)
{
    const struct gw_scan *scan = work->cursors_sound ? &work->tree : &work->scan;
    struct sink *sink = &log->sinks[number];
    for (size_t i = 0; i < scan->cursor_count; i++) {
        const struct gw_disk_cursor *c = &scan->cursors[i];
        if (c->log != log->number || c->sink != number ||
            (sink->known && c->commit < sink->cursor.commit))
            continue;
        sink->known = true;
        sink->cursor = *c;
    }
}

static void find_sinks(const struct gw_salvage_work *work, struct log *log)
{
    for (uint32_t i = 0; i < SINKS; i++) {
        const char *label = label_of(log, i);
        find_cursor(work, log, i);
        /* A sink behind those of the entry was added after that copy of it. */
        log->sinks[i].live = label ? *label != '\0' : !work->logs_sound || !log->entry;
        if (label && *label)
            log->sink_end = i + 1;
    }
}

/* ---- which of its records ------------------------------------------------------------------- */

static int by_sequence(const void *a, const void *b)
{
    uint64_t x = ((const struct kept *)a)->sequence, y = ((const struct kept *)b)->sequence;
    return x < y ? -1 : x > y;
}

static bool is_settled(const struct gw_salvage_work *work, const struct log *log, uint32_t sink,
                       uint64_t sequence)
{
    const struct sink *s = &log->sinks[sink];
    if (s->known && sequence < s->cursor.first)
        return true;
    return s->known &&
           gw_rows_place_has(work->places, work->place_count, log->number, sink, sequence);
}

static uint64_t pending(const struct gw_salvage_work *work, const struct log *log,
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

static int keep(struct log *log, const struct gw_scan_record *r, uint64_t sequence,
                uint64_t targets)
{
    if (!gw_scan_grow((void **)&log->kept, log->count, &log->capacity, sizeof *log->kept))
        return -ENOMEM;
    log->kept[log->count++] = (struct kept){r, sequence, targets};
    return 0;
}

static void lose(struct gw_salvage_work *work, struct log *log, const struct gw_scan_record *r)
{
    log->lost++;
    work->counts->damaged++;
    gw_salvage_say(work, MG_ERROR,
                   "byte %" PRIu64 ": record %" PRIu64 " of route %s is damaged and lost",
                   r->offset, r->head.sequence, log->entry ? log->entry->name : log->name);
}

/* The copies of one sequence, sound ones first.  Several of different content: the sequence was
 * given again after a power cut; all are kept, the further ones at the end. */
static int choose(struct gw_salvage_work *work, struct log *log, const struct gw_scan_record *r,
                  size_t copies)
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

static void raise_end(struct log *log, uint64_t end)
{
    log->end = end > log->end ? end : log->end;
}

static const struct gw_salvage_ledger *ledger_of(const struct gw_salvage_work *work,
                                                 uint32_t number)
{
    for (size_t i = 0; i < work->ledger_count; i++)
        if (work->ledgers[i].log == number)
            return &work->ledgers[i];
    return NULL;
}

static void find_end(const struct gw_salvage_work *work, struct log *log)
{
    const struct gw_salvage_ledger *ledger = ledger_of(work, log->number);
    raise_end(log, 1);
    if (ledger)
        raise_end(log, ledger->ledger.next_sequence);
    if (log->entry)
        raise_end(log, log->entry->log.next_sequence);
    for (uint32_t i = 0; i < SINKS; i++)
        if (log->sinks[i].known)
            raise_end(log, log->sinks[i].cursor.first);
    if (!log->precise)
        log->end += JUMP;
}

static int choose_all(struct gw_salvage_work *work, struct log *log)
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
static void number(struct log *log)
{
    bool all = log->count && log->end - log->kept[0].sequence > SPAN_MOST;
    for (size_t i = 0; i < log->count; i++)
        if (all || log->kept[i].sequence == UINT64_MAX)
            log->kept[i].sequence = log->end++;
    if (log->count)
        qsort(log->kept, log->count, sizeof *log->kept, by_sequence);
}

/* ---- writing -------------------------------------------------------------------------------- */

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

static int put_group(struct gw_salvage_work *work, const struct log *log, uint64_t first,
                     uint32_t left)
{
    struct gw_disk_place_key key = place_key(log->number, 0, first);
    struct gw_disk_group group = {.left = left, .worst = GW_TERM_DELIVERED};
    return put(work, "groups", gw_salvage_bytes(&key, sizeof key), &group, sizeof group);
}

/* The records of one event that are left, from kept[i] on; at least one. */
static size_t event_end(const struct log *log, size_t i)
{
    const struct kept *k = log->kept;
    size_t end = i + 1;
    uint64_t first = k[i].sequence - k[i].record->head.group_index;
    while (end < log->count && k[end].record->head.group_count > 1 &&
           k[end].sequence - k[end].record->head.group_index == first)
        end++;
    return end;
}

static int put_records(struct gw_salvage_work *work, struct log *log)
{
    char name[32];
    snprintf(name, sizeof name, "log.%" PRIu32, log->number);
    int error = gw_rebuild_make(work->rebuild, name, true);
    for (size_t i = 0; i < log->count && !error; i++) {
        const struct kept *k = &log->kept[i];
        struct gw_disk_head head = k->record->head;
        if (k->sequence != head.sequence)
            head.group_index = head.group_count = 0;
        head.sequence = k->sequence;
        head.targets = k->targets;
        error = gw_salvage_put(work, k->record, name, head, !log->precise);
        for (uint64_t left = k->targets; left; left &= left - 1) {
            uint32_t number = (uint32_t)__builtin_ctzll(left);
            struct sink *s = &log->sinks[number];
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
static int put_partial(struct gw_salvage_work *work, const struct log *log)
{
    int error = 0;
    for (size_t i = 0; i < work->group_count && !error; i++) {
        const struct gw_salvage_group *row = &work->groups[i];
        struct kept wanted = {.sequence = 0};
        struct gw_disk_place_key key = place_key(log->number, 1, 0);
        if (memcmp(&row->key, &key, sizeof key.log + sizeof key.sink) != 0)
            continue;
        for (size_t k = 0; k < sizeof row->key.place; k++)
            wanted.sequence = wanted.sequence << 8 | row->key.place[k];
        const struct kept *found =
            log->count ? bsearch(&wanted, log->kept, log->count, sizeof wanted, by_sequence) : NULL;
        if (found && found->record->head.sequence == found->sequence)
            error = put(work, "groups", gw_salvage_bytes(&row->key, sizeof row->key), &row->group,
                        sizeof row->group);
    }
    return error;
}

/* A bit for everything from the cursor to the end that the sink does not miss. */
static int put_places(struct gw_salvage_work *work, const struct log *log, uint32_t number,
                      uint64_t first)
{
    struct gw_disk_place row;
    uint64_t *bits = row.bits, mine = UINT64_C(1) << number;
    size_t k = 0;
    int error = 0;
    for (uint64_t place = first / PLACE; place * PLACE < log->end && !error; place++) {
        bool any = false;
        memset(&row, 0, sizeof row);
        for (uint64_t s = place * PLACE; s < (place + 1) * PLACE && s < log->end; s++) {
            while (k < log->count && log->kept[k].sequence < s)
                k++;
            bool misses =
                k < log->count && log->kept[k].sequence == s && log->kept[k].targets & mine;
            if (s < first || misses)
                continue;
            bits[s % PLACE / 64] |= UINT64_C(1) << s % 64;
            any = true;
        }
        struct gw_disk_place_key key = place_key(log->number, number, place);
        row.sum = gw_rows_place_sum(&key, row.bits);
        if (any)
            error = put(work, "done", gw_salvage_bytes(&key, sizeof key), &row, sizeof row);
    }
    return error;
}

static int put_cursor(struct gw_salvage_work *work, const struct log *log, uint32_t number,
                      uint64_t commit)
{
    const struct sink *s = &log->sinks[number];
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

static int put_ledger(struct gw_salvage_work *work, const struct log *log)
{
    const struct gw_salvage_ledger *row = ledger_of(work, log->number);
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

static int put_entry(struct gw_salvage_work *work, const struct log *log)
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
        const char *label = label_of(log, i);
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

static int put_log(struct gw_salvage_work *work, struct log *log)
{
    uint64_t commit = next_commit(work);
    int error = put_records(work, log);
    if (!error)
        error = put_partial(work, log);
    for (uint32_t i = 0; i < log->sink_end && !error; i++) {
        const char *label = label_of(log, i);
        if ((label && *label) || log->sinks[i].count)
            error = put_cursor(work, log, i, commit);
    }
    if (!error)
        error = put_ledger(work, log);
    return error ? error : put_entry(work, log);
}

static int salvage_log(struct gw_salvage_work *work, uint32_t log_number)
{
    struct log log = {.number = log_number};
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
        error = put_log(work, &log);
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
