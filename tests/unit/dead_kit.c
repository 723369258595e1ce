/* SPDX-License-Identifier: Apache-2.0 */
/* A store with dead letters. */
#include "dead_kit.h"
#include "unit.h"
#include <ftw.h>
#include <semaphore.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <uv.h>

static void found(void *arg, uint32_t level, const char *text)
{
    (void)arg;
    if (level >= MG_WARN)
        fprintf(stderr, "store: %s\n", text);
}

static void open_store(struct dead_kit *kit)
{
    struct mg_err err = {{0}, NULL};
    struct gw_store_settings settings = {
        .path = kit->folder, .sync = GW_SYNC_NEVER, .size_bytes = (int64_t)1 << 30};
    struct gw_store_options options = {.manual = kit->manual};
    CU_ASSERT_EQUAL_FATAL(gw_store_open(&settings, &options, found, NULL, &kit->store, &err), 0);
}

void dead_kit_open(struct dead_kit *kit, bool manual)
{
    static const char *const hot[] = {"out a/{x}", "side b"}, *const cold[] = {"out c"};
    struct mg_err err = {{0}, NULL};
    *kit = (struct dead_kit){.folder = "/tmp/dead-kit-XXXXXX", .manual = manual};
    CU_ASSERT_PTR_NOT_NULL_FATAL(mkdtemp(kit->folder));
    open_store(kit);
    struct gw_store_log_settings settings = {.route = "hot",
                                             .sinks = hot,
                                             .sink_count = 2,
                                             .archive_bytes = 1 << 24,
                                             .archive_keep_ms = 3600000};
    CU_ASSERT_EQUAL_FATAL(gw_store_log_open(kit->store, &settings, &kit->hot, &err), 0);
    settings = (struct gw_store_log_settings){.route = "cold", .sinks = cold, .sink_count = 1};
    CU_ASSERT_EQUAL_FATAL(gw_store_log_open(kit->store, &settings, &kit->cold, &err), 0);
}

void dead_kit_reopen(struct dead_kit *kit)
{
    gw_store_close(kit->store);
    kit->hot = kit->cold = NULL;
    open_store(kit);
}

static int remove_entry(const char *path, const struct stat *s, int flag, struct FTW *ftw)
{
    (void)s, (void)flag, (void)ftw;
    return remove(path);
}

void dead_kit_close(struct dead_kit *kit)
{
    gw_store_close(kit->store);
    nftw(kit->folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* ---- writing -------------------------------------------------------------------------------- */

static sem_t kept;

static void op_done(struct gw_store_op *op)
{
    CU_ASSERT_EQUAL(op->error, 0);
    sem_post(&kept);
}

static void submit_and_wait(struct dead_kit *kit, struct gw_store_op *op)
{
    sem_init(&kept, 0, 0);
    op->done = op_done;
    gw_store_submit(kit->store, op, op);
    while (kit->manual && gw_store_turn(kit->store))
        ;
    struct timespec limit;
    clock_gettime(CLOCK_REALTIME, &limit);
    limit.tv_sec += 10;
    CU_ASSERT_EQUAL_FATAL(sem_timedwait(&kept, &limit), 0);
    sem_destroy(&kept);
}

static struct mg_str str(const char *text)
{
    return (struct mg_str){text, strlen(text)};
}

static void *encode(const char *address, const char *payload, size_t sinks, size_t *ret_length)
{
    static const char *const to[] = {"a/1", "b"};
    struct gw_record_leg legs[2];
    void *bytes = NULL;
    for (uint32_t i = 0; i < 2; i++)
        legs[i] = (struct gw_record_leg){.sink = i, .address = str(to[i])};
    struct gw_record record = {
        .arrived_us = (int64_t)time(NULL) * 1000000,
        .origin = str(address),
        .message = {.head = {.size = sizeof record.message.head, .address = str(address)},
                    .payload = {payload, strlen(payload)}},
        .legs = legs,
        .leg_count = sinks,
    };
    CU_ASSERT_EQUAL_FATAL(gw_record_encode(&record, &bytes, ret_length), 0);
    return bytes;
}

uint64_t dead_kit_append(struct dead_kit *kit, const char *address, const char *payload)
{
    size_t length;
    void *record = encode(address, payload, 2, &length);
    struct gw_store_append append = {.op = {.kind = GW_OP_APPEND},
                                     .log = kit->hot,
                                     .records = &record,
                                     .lengths = &length,
                                     .count = 1};
    submit_and_wait(kit, &append.op);
    free(record);
    return append.first_sequence;
}

void dead_kit_bury(struct dead_kit *kit, uint32_t sink, uint64_t sequence, const char *reason)
{
    struct gw_store_bury bury = {.op = {.kind = GW_OP_BURY},
                                 .log = kit->hot,
                                 .sink = sink,
                                 .sequence = sequence,
                                 .step = "confirm",
                                 .reason = reason,
                                 .attempts = 3};
    submit_and_wait(kit, &bury.op);
}

void dead_kit_bury_steps(struct dead_kit *kit, struct gw_store_log *log, size_t count,
                         const char *step, const char *reason)
{
    size_t length;
    void *record = encode("in/1", "hello", 0, &length);
    struct gw_store_bury *all = calloc(count, sizeof *all);
    CU_ASSERT_PTR_NOT_NULL_FATAL(all);
    sem_init(&kept, 0, 0);
    for (size_t i = 0; i < count; i++) {
        all[i] = (struct gw_store_bury){.op = {.kind = GW_OP_BURY, .done = op_done},
                                        .log = log,
                                        .sink = UINT32_MAX,
                                        .record = record,
                                        .record_length = length,
                                        .step = step,
                                        .reason = reason,
                                        .attempts = 1};
        gw_store_submit(kit->store, &all[i].op, &all[i].op);
    }
    while (kit->manual && gw_store_turn(kit->store))
        ;
    for (size_t i = 0; i < count; i++)
        sem_wait(&kept);
    sem_destroy(&kept);
    free(all);
    free(record);
}

/* ---- asking --------------------------------------------------------------------------------- */

static void take_lines(struct gw_operation_run *run, json_t *lines)
{
    char *at = run->text;
    size_t left = run->length;
    while (left) {
        char *newline = memchr(at, '\n', left);
        CU_ASSERT_PTR_NOT_NULL_FATAL(newline);
        json_t *line = json_loadb(at, (size_t)(newline - at), JSON_ALLOW_NUL, NULL);
        CU_ASSERT_PTR_NOT_NULL(line);
        json_array_append_new(lines, line);
        left -= (size_t)(newline + 1 - at);
        at = newline + 1;
    }
    run->length = 0;
}

json_t *dead_kit_drive(struct gw_operation_target *target, void (*turn)(void *arg), void *arg,
                       const char *text)
{
    struct gw_operation_run *run = NULL;
    struct mg_err err = {{0}, NULL};
    json_t *request = json_loads(text, JSON_ALLOW_NUL, NULL), *lines = json_array();
    CU_ASSERT_PTR_NOT_NULL_FATAL(request);
    int error = gw_operation_start(target, request, NULL, NULL, &run, &err);
    if (error) {
        json_array_append_new(lines, gw_operation_error(error, &err));
    } else {
        uint64_t limit = uv_hrtime() + UINT64_C(10000000000);
        enum gw_operation_next next;
        do {
            next = gw_operation_step(run, (int64_t)(uv_hrtime() / 1000));
            take_lines(run, lines);
            turn(arg);
            CU_ASSERT_FATAL(uv_hrtime() < limit);
        } while (next != GW_OPERATION_DONE);
        gw_operation_finish(run);
    }
    CU_ASSERT_FALSE(target->sole_at_work);
    json_decref(request);
    return lines;
}

static void turn_store(void *arg)
{
    struct dead_kit *kit = arg;
    if (kit->manual)
        gw_store_turn(kit->store);
}

json_t *dead_kit_ask(struct dead_kit *kit, const char *text)
{
    struct gw_operation_target target = {.store = kit->store};
    return dead_kit_drive(&target, turn_store, kit, text);
}

long dead_kit_count(const json_t *lines, const char *name)
{
    const json_t *last = json_array_get(lines, json_array_size(lines) - 1);
    const json_t *end = json_object_get(last, "end");
    const json_t *value = json_object_get(end ? end : last, name);
    return json_is_integer(value) ? (long)json_integer_value(value) : -1;
}

const char *dead_kit_error(const json_t *lines)
{
    const json_t *last = json_array_get(lines, json_array_size(lines) - 1);
    const char *text = json_string_value(json_object_get(last, "error"));
    return text ? text : "";
}
