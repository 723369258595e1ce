/* SPDX-License-Identifier: Apache-2.0 */
#include "store_rig.h"
#include "unit.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int64_t rig_now_us = 1000000000;

static int64_t now_us(void)
{
    return rig_now_us;
}

static void found(void *arg, uint32_t level, const char *text)
{
    struct rig *rig = arg;
    rig->found += level >= MG_WARN;
    snprintf(rig->last_found, sizeof rig->last_found, "%s", text);
    if (getenv("RIG_LOUD"))
        fprintf(stderr, "found: %s\n", text);
}

void rig_init(struct rig *rig)
{
    *rig = (struct rig){0};
    snprintf(rig->path, sizeof rig->path, "/tmp/mg-store-XXXXXX");
    if (!mkdtemp(rig->path))
        abort();
    rig->settings = (struct gw_store_settings){
        .path = rig->path, .sync = GW_SYNC_NEVER, .size_bytes = 64 << 20};
    rig->boot_id = "this boot";
}

void rig_open(struct rig *rig)
{
    struct gw_store_options options = {.manual = true, .wall_us = now_us, .boot_id = rig->boot_id};
    struct mg_err err = {{0}, NULL};
    int error = gw_store_open(&rig->settings, &options, found, rig, &rig->store, &err);
    if (error) {
        fprintf(stderr, "store: %s\n", err.text);
        abort();
    }
    for (uint32_t i = 0; i < RIG_LOGS; i++)
        if (rig->log_settings[i].route)
            rig_log(rig, i, &rig->log_settings[i]);
}

void rig_log(struct rig *rig, uint32_t log, const struct gw_store_log_settings *settings)
{
    struct mg_err err = {{0}, NULL};
    if (&rig->log_settings[log] != settings)
        rig->log_settings[log] = *settings;
    if (gw_store_log_open(rig->store, settings, &rig->logs[log], &err)) {
        fprintf(stderr, "log: %s\n", err.text);
        abort();
    }
}

void rig_close(struct rig *rig)
{
    gw_store_close(rig->store);
    rig->store = NULL;
}

void rig_reopen(struct rig *rig)
{
    rig_close(rig);
    rig_open(rig);
}

void rig_abandon(struct rig *rig)
{
    gw_store_abandon(rig->store);
    rig->store = NULL;
    rig_open(rig);
}

static void remove_tree(int parent, const char *name)
{
    int fd = openat(parent, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *folder = fd < 0 ? NULL : fdopendir(fd);
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        if (unlinkat(fd, entry->d_name, 0))
            remove_tree(fd, entry->d_name);
    }
    if (folder)
        closedir(folder);
    unlinkat(parent, name, AT_REMOVEDIR);
}

void rig_remove(struct rig *rig)
{
    if (rig->store)
        rig_close(rig);
    CU_ASSERT_EQUAL(rig->pending, 0);
    remove_tree(AT_FDCWD, rig->path);
}

/* ---- appending ----------------------------------------------------------------------------------
 */

static void append_done(struct gw_store_op *op)
{
    struct rig_append *append = (struct rig_append *)op;
    append->rig->pending--;
    append->done = true;
    append->cancelled = op->error == -ECANCELED;
}

static void make_record(const char *text, uint32_t index, uint64_t sinks, uint64_t key,
                        void **ret_bytes, size_t *ret_length)
{
    char payload[RIG_TEXT + 8];
    struct gw_record_leg legs[GW_RECORD_SINKS_MAX];
    struct gw_record record = {.arrived_us = rig_now_us, .key = key, .legs = legs};
    snprintf(payload, sizeof payload, index ? "%.*s+%u" : "%.*s", RIG_TEXT, text, index);
    record.origin = record.message.head.address = (struct mg_str){"a/b", 3};
    record.message.payload = (struct mg_bytes){payload, strlen(payload)};
    for (uint32_t i = 0; i < GW_RECORD_SINKS_MAX; i++)
        if (sinks >> i & 1)
            legs[record.leg_count++] = (struct gw_record_leg){.sink = i, .address = {"out", 3}};
    if (gw_record_encode(&record, ret_bytes, ret_length))
        abort();
}

struct rig_append *rig_append_begin(struct rig *rig, uint32_t log, const char *text, uint32_t count,
                                    uint64_t sinks, uint64_t key)
{
    struct rig_append *append = calloc(1, sizeof *append);
    if (!append)
        abort();
    append->rig = rig;
    for (uint32_t i = 0; i < count; i++)
        make_record(text, i, sinks, key, &append->records[i], &append->lengths[i]);
    append->op = (struct gw_store_append){.op = {.kind = GW_OP_APPEND, .done = append_done},
                                          .log = rig->logs[log],
                                          .records = append->records,
                                          .lengths = append->lengths,
                                          .count = count};
    return append;
}

void rig_append_submit(struct rig_append *append)
{
    append->rig->pending++;
    gw_store_submit(append->rig->store, &append->op.op, &append->op.op);
}

void rig_append_free(struct rig_append *append)
{
    for (size_t i = 0; i < append->op.count; i++)
        free(append->records[i]);
    free(append);
}

uint64_t rig_append(struct rig *rig, uint32_t log, const char *text, uint64_t sinks)
{
    struct rig_append *append = rig_append_begin(rig, log, text, 1, sinks, 0);
    rig_append_submit(append);
    gw_store_turn(rig->store);
    if (!append->done)
        abort(); /* a test of waiting uses the calls above */
    uint64_t sequence = append->op.first_sequence;
    rig_append_free(append);
    return sequence;
}

bool rig_append_identified(struct rig *rig, uint32_t log, const char *text, uint64_t identity)
{
    struct rig_append *append = rig_append_begin(rig, log, text, 1, 1, 0);
    append->op.identified = true;
    append->op.identity[0] = identity;
    rig_append_submit(append);
    gw_store_turn(rig->store);
    if (!append->done)
        abort();
    bool duplicate = append->op.duplicate;
    rig_append_free(append);
    return duplicate;
}

/* ---- the others ---------------------------------------------------------------------------------
 */

union any_op {
    struct gw_store_op op;
    struct gw_store_settle settle;
    struct gw_store_note note;
    struct gw_store_bury bury;
    struct gw_store_dead_op dead;
    struct gw_store_state state;
    struct gw_store_count count;
};
struct simple {
    union any_op any;
    struct gw_settled item;
    void *record;
    int *result;
};

static void simple_done(struct gw_store_op *op)
{
    struct simple *simple = (struct simple *)op;
    if (simple->result)
        *simple->result = simple->any.dead.result;
    free(simple->record);
    free(simple);
}

static struct simple *simple(uint32_t kind)
{
    struct simple *s = calloc(1, sizeof *s);
    if (!s)
        abort();
    s->any.op = (struct gw_store_op){.kind = kind, .done = simple_done};
    return s;
}

static void run(struct rig *rig, struct simple *s)
{
    gw_store_submit(rig->store, &s->any.op, &s->any.op);
    gw_store_turn(rig->store);
}

void rig_settle_later(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence,
                      uint32_t term)
{
    struct simple *s = simple(GW_OP_SETTLE);
    s->item = (struct gw_settled){sequence, term};
    s->any.settle.log = rig->logs[log];
    s->any.settle.sink = sink;
    s->any.settle.count = 1;
    s->any.settle.items = &s->item;
    gw_store_submit(rig->store, &s->any.op, &s->any.op);
}

void rig_settle(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence, uint32_t term)
{
    rig_settle_later(rig, log, sink, sequence, term);
    gw_store_turn(rig->store);
}

void rig_note_later(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence,
                    uint32_t attempts)
{
    struct simple *s = simple(GW_OP_NOTE);
    s->any.note.log = rig->logs[log];
    s->any.note.sink = sink;
    s->any.note.sequence = sequence;
    s->any.note.attempts = attempts;
    gw_store_submit(rig->store, &s->any.op, &s->any.op);
}

void rig_note(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence, uint32_t attempts)
{
    rig_note_later(rig, log, sink, sequence, attempts);
    gw_store_turn(rig->store);
}

void rig_bury_later(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence,
                    const char *reason)
{
    struct simple *s = simple(GW_OP_BURY);
    s->any.bury.log = rig->logs[log];
    s->any.bury.sink = sink;
    s->any.bury.sequence = sequence;
    s->any.bury.step = "confirm";
    s->any.bury.reason = reason;
    s->any.bury.attempts = 3;
    gw_store_submit(rig->store, &s->any.op, &s->any.op);
}

void rig_bury(struct rig *rig, uint32_t log, uint32_t sink, uint64_t sequence, const char *reason)
{
    rig_bury_later(rig, log, sink, sequence, reason);
    gw_store_turn(rig->store);
}

void rig_bury_step(struct rig *rig, uint32_t log, const char *text, const char *reason)
{
    struct simple *s = simple(GW_OP_BURY);
    s->any.bury.log = rig->logs[log];
    s->any.bury.sink = UINT32_MAX;
    make_record(text, 0, 0, 0, &s->record, &s->any.bury.record_length);
    s->any.bury.record = s->record;
    s->any.bury.step = "translate:map";
    s->any.bury.reason = reason;
    run(rig, s);
}

int rig_dead(struct rig *rig, uint64_t id, uint32_t action)
{
    int result = 1;
    struct simple *s = simple(0);
    gw_store_dead_op_init(&s->any.dead, id, action);
    s->any.op.done = simple_done;
    s->result = &result;
    if (action == GW_DEAD_EDIT) {
        make_record("edited", 0, 1, 0, &s->record, &s->any.dead.record_length);
        s->any.dead.record = s->record;
    }
    run(rig, s);
    return result;
}

void rig_state_later(struct rig *rig, const char *key, const char *value)
{
    struct simple *s = simple(GW_OP_STATE);
    size_t key_length = strlen(key), value_length = value ? strlen(value) : 0;
    char *copy = malloc(key_length + value_length + 1);
    if (!copy)
        abort();
    memcpy(copy, key, key_length);
    memcpy(copy + key_length, value ? value : "", value_length);
    s->record = copy;
    s->any.state.key = (struct mg_bytes){copy, key_length};
    if (value)
        s->any.state.value = (struct mg_bytes){copy + key_length, value_length};
    gw_store_submit(rig->store, &s->any.op, &s->any.op);
}

void rig_state(struct rig *rig, const char *key, const char *value)
{
    rig_state_later(rig, key, value);
    gw_store_turn(rig->store);
}

void rig_count(struct rig *rig, uint32_t log, uint32_t term, uint64_t count)
{
    struct simple *s = simple(GW_OP_COUNT);
    s->any.count.log = rig->logs[log];
    s->any.count.ended[term] = count;
    run(rig, s);
}

/* ---- looking ------------------------------------------------------------------------------------
 */

struct listing {
    char text[4096];
    uint64_t count, bytes, last;
    bool ordered;
};

static bool list(void *arg, const struct gw_stored *stored)
{
    struct listing *listing = arg;
    struct mg_bytes payload = stored->record.message.payload;
    size_t length = strlen(listing->text);
    listing->ordered = listing->ordered && stored->record.sequence > listing->last;
    listing->last = stored->record.sequence;
    listing->count++;
    if (length + payload.len + 2 < sizeof listing->text)
        snprintf(listing->text + length, sizeof listing->text - length, "%s%.*s", length ? " " : "",
                 (int)payload.len, (const char *)payload.at);
    return true;
}

const char *rig_missing(struct rig *rig, uint32_t log, uint32_t sink)
{
    static struct listing listing;
    uint64_t next;
    listing = (struct listing){.ordered = true};
    if (gw_store_read(rig->logs[log], sink, 0, list, &listing, &next))
        return "(error)";
    return listing.ordered ? listing.text : "(not in order)";
}

struct gw_store_ledger rig_ledger(struct rig *rig, uint32_t log)
{
    struct gw_store_ledger ledger;
    gw_store_log_ledger(rig->logs[log], &ledger);
    return ledger;
}

bool rig_balances(struct rig *rig, uint32_t log)
{
    struct gw_store_ledger ledger = rig_ledger(rig, log);
    uint64_t sum = ledger.stored;
    for (size_t i = 0; i < GW_TERMS; i++)
        sum += ledger.ended[i];
    bool same = sum == ledger.received;
    for (uint32_t i = 0; i < rig->log_settings[log].sink_count; i++) {
        struct listing listing = {.ordered = true};
        struct gw_store_backlog backlog;
        uint64_t next;
        gw_store_log_backlog(rig->logs[log], i, &backlog);
        same = same && !gw_store_read(rig->logs[log], i, 0, list, &listing, &next) &&
               listing.ordered && listing.count == backlog.count && next == backlog.end;
    }
    return same;
}
