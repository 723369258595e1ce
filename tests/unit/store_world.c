/* SPDX-License-Identifier: Apache-2.0 */
/* A store full of everything. */
#include "store_world.h"
#include "base/hash.h"
#include "unit.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const sinks[] = {"backbone a/{x}", "cloud b", "archive c"};
static const struct gw_store_log_settings settings[WORLD_LOGS] = {
    {.route = "one", .sinks = sinks, .sink_count = 1, .dedup_count = 1000},
    {.route = "two", .sinks = sinks, .sink_count = 2, .archive_keep_ms = 3600000},
    {.route = "three", .sinks = sinks, .sink_count = 3}};

struct event {
    struct gw_store_append op;
    void *records[3];
    size_t lengths[3];
};

static void event_done(struct gw_store_op *op)
{
    struct event *event = (struct event *)op;
    for (size_t i = 0; i < event->op.count; i++)
        free(event->records[i]);
}

/* The payload tells records apart. */
static void make_record(struct kit_random *random, uint32_t sink_count, void **ret, size_t *length)
{
    static char payload[40000];
    static uint64_t serial;
    struct gw_record record;
    kit_random_record(random, 1 + kit_random(random, sink_count), &record);
    size_t size =
        kit_random(random, 20) ? 30 + kit_random(random, 300) : 3000 + kit_random(random, 30000);
    memset(payload, 'p', size);
    snprintf(payload, sizeof payload, "%lu", (unsigned long)++serial);
    record.flags = 0;
    record.expires_us = 0;
    record.message.payload = (struct mg_bytes){payload, size};
    if (gw_record_encode(&record, ret, length))
        abort();
}

static uint64_t append(struct rig *rig, struct kit_random *random, uint32_t log)
{
    struct event event = {.op = {.op = {.kind = GW_OP_APPEND, .done = event_done},
                                 .log = rig->logs[log],
                                 .records = event.records,
                                 .lengths = event.lengths,
                                 .count = kit_random(random, 10) ? 1 : 3,
                                 .identified = kit_random(random, 2),
                                 .identity = {kit_random64(random), 7}}};
    for (size_t i = 0; i < event.op.count; i++)
        make_record(random, (uint32_t)settings[log].sink_count, &event.records[i],
                    &event.lengths[i]);
    gw_store_submit(rig->store, &event.op.op, &event.op.op);
    gw_store_turn(rig->store);
    return event.op.first_sequence + event.op.count;
}

void world_open(struct rig *rig)
{
    for (uint32_t i = 0; i < WORLD_LOGS; i++)
        rig->log_settings[i] = settings[i];
    rig_open(rig);
}

void world_make(struct rig *rig, struct kit_random *random, uint32_t appends)
{
    uint64_t ends[WORLD_LOGS] = {1, 1, 1};
    world_open(rig);
    for (uint32_t i = 0; i < appends; i++) {
        uint32_t log = kit_random(random, WORLD_LOGS);
        ends[log] = append(rig, random, log);
        for (uint32_t k = kit_random(random, 4); k > 0; k--) {
            uint32_t sink = kit_random(random, (uint32_t)settings[log].sink_count);
            struct gw_store_backlog backlog;
            gw_store_log_backlog(rig->logs[log], sink, &backlog);
            if (!backlog.count)
                continue;
            uint64_t ahead = ends[log] - backlog.first;
            uint64_t sequence =
                backlog.first + (kit_random(random, 2) ? 0 : kit_random(random, (uint32_t)ahead));
            if (kit_random(random, 30) == 0)
                rig_bury(rig, log, sink, sequence, "refused");
            else if (kit_random(random, 10) == 0)
                rig_note(rig, log, sink, sequence, 2);
            else
                rig_settle(rig, log, sink, sequence, GW_TERM_DELIVERED);
        }
        char key[32];
        snprintf(key, sizeof key, "bridge/%u", kit_random(random, 50));
        if (kit_random(random, 5) == 0)
            rig_state(rig, key, "a value");
    }
    rig_bury_step(rig, 0, "poison", "no");
}

/* ---- looking -------------------------------------------------------------------------------- */

struct look {
    struct world_missing *missing;
    uint32_t log, sink;
};

static bool see(void *arg, const struct gw_stored *stored)
{
    const struct look *look = arg;
    uint64_t **items = &look->missing->items[look->log][look->sink];
    size_t *count = &look->missing->counts[look->log][look->sink];
    const struct mg_bytes payload = stored->record.message.payload;
    *items = realloc(*items, (*count + 1) * sizeof **items);
    if (!*items)
        abort();
    (*items)[(*count)++] = gw_hash64(payload.at, payload.len);
    look->missing->doubtful += !!(stored->record.flags & GW_RECORD_DOUBTFUL);
    return true;
}

static bool see_dead(void *arg, const struct gw_dead *dead)
{
    (void)dead;
    ++*(uint64_t *)arg;
    return true;
}

static bool see_archived(void *arg, const struct gw_record *record)
{
    (void)record;
    ++*(uint64_t *)arg;
    return true;
}

static void see_state(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    (void)key, (void)value;
    ++*(uint64_t *)arg;
}

static int by_number(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

void world_look(struct rig *rig, struct world_missing *ret)
{
    *ret = (struct world_missing){0};
    for (uint32_t log = 0; log < WORLD_LOGS; log++)
        for (uint32_t sink = 0; sink < settings[log].sink_count; sink++) {
            struct look look = {ret, log, sink};
            uint64_t next;
            CU_ASSERT_EQUAL(gw_store_read(rig->logs[log], sink, 0, see, &look, &next), 0);
            if (ret->counts[log][sink])
                qsort(ret->items[log][sink], ret->counts[log][sink], 8, by_number);
        }
    gw_store_dead_each(rig->store, 0, see_dead, &ret->dead);
    gw_store_archive_each(rig->store, "two", 0, 0, see_archived, &ret->archived);
    gw_store_state_each(rig->store, (struct mg_bytes){"", 0}, see_state, &ret->states);
}

void world_missing_fini(struct world_missing *missing)
{
    for (size_t i = 0; i < WORLD_LOGS; i++)
        for (size_t k = 0; k < WORLD_SINKS; k++)
            free(missing->items[i][k]);
}

size_t world_lost(const struct world_missing *a, const struct world_missing *b)
{
    size_t lost = 0;
    for (size_t i = 0; i < WORLD_LOGS; i++)
        for (size_t k = 0; k < WORLD_SINKS; k++)
            for (size_t n = 0; n < a->counts[i][k]; n++)
                lost += !b->counts[i][k] ||
                        !bsearch(&a->items[i][k][n], b->items[i][k], b->counts[i][k], 8, by_number);
    return lost;
}
