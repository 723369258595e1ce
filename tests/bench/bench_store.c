/* SPDX-License-Identifier: Apache-2.0 */
/* What the store costs: events kept and settled per second, and processor time for each, under each
 * sync; then a million events at once: bytes on disk for each, memory, and how long it takes to
 * open the store after a kill.
 *
 * bench_store FOLDER [EVENTS [STORED]]: one JSON line each.  FOLDER is made, and has to be removed
 * by the caller. */
#include "load.h"
#include "store/store.h"
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { SLOTS = 8192, CHAIN = 256, SETTLES = 64, SETTLE_ITEMS = 512, PAYLOAD = 256 };

struct settle {
    struct gw_store_settle op;
    struct gw_settled items[SETTLE_ITEMS];
    atomic_bool busy;
};

static struct gw_store_append slots[SLOTS];
static struct settle settles[SETTLES];
static atomic_long appended, settled;

static void append_done(struct gw_store_op *op)
{
    (void)op;
    atomic_fetch_add_explicit(&appended, 1, memory_order_release);
}

static void settle_done(struct gw_store_op *op)
{
    struct settle *s = (struct settle *)op;
    atomic_fetch_add(&settled, s->op.count);
    atomic_store(&s->busy, false);
}

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static void *make_record(size_t *ret_length)
{
    static char payload[PAYLOAD];
    static const struct mg_property properties[] = {
        {{"site", 4}, {.type = MG_TEXT, .as.text = {"north", 5}}},
        {{"unit", 4}, {.type = MG_TEXT, .as.text = {"celsius", 7}}}};
    struct gw_record_leg leg = {.address = {"/exchange/amq.topic/plant.a.m1", 30}};
    struct gw_record record = {.arrived_us = 1, .key = 42, .legs = &leg, .leg_count = 1};
    void *bytes;
    memset(payload, 'x', sizeof payload);
    record.origin = record.message.head.address = (struct mg_str){"plant/a/m1/telemetry", 20};
    record.message.head.content_type = (struct mg_str){"application/json", 16};
    record.message.payload = (struct mg_bytes){payload, sizeof payload};
    record.message.properties = properties;
    record.message.property_count = 2;
    if (gw_record_encode(&record, &bytes, ret_length))
        exit(2);
    return bytes;
}

static struct gw_store *open_store(const char *folder, uint32_t sync, bool manual,
                                   struct gw_store_log **ret_log)
{
    static const char *const sinks[] = {"sink"};
    struct gw_store_settings settings = {
        .path = folder, .sync = sync, .sync_every_ms = 100, .size_bytes = INT64_C(8) << 30};
    struct gw_store_options options = {.manual = manual};
    struct gw_store_log_settings log = {.route = "bench", .sinks = sinks, .sink_count = 1};
    struct gw_store *store;
    struct mg_err err;
    if (gw_store_open(&settings, &options, NULL, NULL, &store, &err) ||
        gw_store_log_open(store, &log, ret_log, &err)) {
        fprintf(stderr, "bench_store: %s\n", err.text);
        exit(2);
    }
    return store;
}

static void submit_appends(struct gw_store *store, struct gw_store_log *log, long from, long count,
                           void *const *record, const size_t *length)
{
    for (long i = 0; i < count; i++) {
        struct gw_store_append *op = &slots[(from + i) % SLOTS];
        *op = (struct gw_store_append){.op = {.kind = GW_OP_APPEND, .done = append_done},
                                       .log = log,
                                       .records = record,
                                       .lengths = length,
                                       .count = 1};
        if (i)
            slots[(from + i - 1) % SLOTS].op.next = &op->op;
    }
    gw_store_submit(store, &slots[from % SLOTS].op, &slots[(from + count - 1) % SLOTS].op);
}

/* Settles sequences from … on; returns how many. */
static long submit_settles(struct gw_store *store, struct gw_store_log *log, long from, long ready)
{
    static size_t turn;
    struct settle *s = &settles[turn % SETTLES];
    long count = ready - from < SETTLE_ITEMS ? ready - from : SETTLE_ITEMS;
    if (count <= 0 || atomic_load(&s->busy))
        return 0;
    turn++;
    atomic_store(&s->busy, true);
    s->op = (struct gw_store_settle){.op = {.kind = GW_OP_SETTLE, .done = settle_done},
                                     .log = log,
                                     .count = (uint32_t)count,
                                     .items = s->items};
    for (long i = 0; i < count; i++)
        s->items[i] = (struct gw_settled){(uint64_t)(from + i + 1), GW_TERM_DELIVERED};
    gw_store_submit(store, &s->op.op, &s->op.op);
    return count;
}

static void measure_flow(const char *folder, uint32_t sync, const char *name, long events)
{
    struct gw_store_log *log;
    size_t length;
    void *record = make_record(&length);
    struct gw_store *store = open_store(folder, sync, false, &log);
    struct gw_store_ledger ledger;
    gw_store_log_ledger(log, &ledger);
    long submitted = 0, asked = 0;
    uint64_t base = ledger.received;
    atomic_store(&appended, 0);
    atomic_store(&settled, 0);
    double start = seconds_of(CLOCK_MONOTONIC), all = seconds_of(CLOCK_PROCESS_CPUTIME_ID),
           mine = seconds_of(CLOCK_THREAD_CPUTIME_ID);
    while (atomic_load(&settled) < events) {
        bool idle = true;
        if (submitted < events && submitted + CHAIN - asked <= SLOTS) {
            long count = events - submitted < CHAIN ? events - submitted : CHAIN;
            submit_appends(store, log, submitted, count, &record, &length);
            submitted += count;
            idle = false;
        }
        long now =
            submit_settles(store, log, (long)base + asked, (long)base + atomic_load(&appended));
        asked += now;
        if (idle && !now)
            nanosleep(&(struct timespec){0, 50000}, NULL);
    }
    double took = seconds_of(CLOCK_MONOTONIC) - start;
    all = seconds_of(CLOCK_PROCESS_CPUTIME_ID) - all;
    mine = seconds_of(CLOCK_THREAD_CPUTIME_ID) - mine;
    json_t *report = gw_store_report(store);
    printf("{\"sync\":\"%s\",\"events\":%ld,\"record_bytes\":%zu,\"events_per_s\":%.0f,"
           "\"writer_us_per_event\":%.2f,\"events_per_commit\":%.0f}\n",
           name, events, length, (double)events / took, (all - mine) / (double)events * 1e6,
           (double)events / (double)json_integer_value(json_object_get(report, "commits")));
    fflush(stdout);
    json_decref(report);
    gw_store_close(store);
    free(record);
}

static long resident_kib(void)
{
    long pages = 0, resident = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file || fscanf(file, "%ld %ld", &pages, &resident) != 2)
        resident = 0;
    if (file)
        fclose(file);
    return resident * (sysconf(_SC_PAGESIZE) / 1024);
}

static bool count_one(void *arg, const struct gw_stored *stored)
{
    (void)stored;
    ++*(long *)arg;
    return true;
}

static void measure_stored(const char *folder, long events)
{
    struct gw_store_log *log;
    struct stat st;
    char path[512];
    size_t length;
    long seen = 0, most_kib = 0;
    uint64_t next;
    void *record = make_record(&length);
    struct gw_store *store = open_store(folder, GW_SYNC_NEVER, true, &log);
    long before_kib = resident_kib();
    for (long done = 0; done < events; done += CHAIN) {
        submit_appends(store, log, done, CHAIN, &record, &length);
        gw_store_turn(store);
        if (!done) { /* the sink is away, and its lane is full with the first */
            struct gw_store_backlog backlog;
            gw_store_log_backlog(log, 0, &backlog);
            gw_store_log_sent(log, 0, backlog.end - 1);
        }
        long kib = done % (CHAIN * 64) ? 0 : resident_kib();
        most_kib = kib > most_kib ? kib : most_kib;
    }
    gw_store_abandon(store);
    double start = seconds_of(CLOCK_MONOTONIC);
    store = open_store(folder, GW_SYNC_NEVER, true, &log);
    double opened = seconds_of(CLOCK_MONOTONIC) - start;
    start = seconds_of(CLOCK_MONOTONIC);
    gw_store_read(log, 0, 0, count_one, &seen, &next);
    double read = seconds_of(CLOCK_MONOTONIC) - start;
    snprintf(path, sizeof path, "%s/data.mdb", folder);
    if (stat(path, &st))
        exit(2);
    printf("{\"stored\":%ld,\"record_bytes\":%zu,\"disk_bytes_per_event\":%.0f,\"open_s\":%.3f,"
           "\"read_us_per_event\":%.2f,\"resident_kib_before\":%ld,\"resident_kib_most\":%ld}\n",
           seen, length, (double)st.st_size / (double)events, opened, read / (double)seen * 1e6,
           before_kib, most_kib);
    gw_store_close(store);
    free(record);
}

int main(int argc, char **argv)
{
    if (argc < 2) {
        fprintf(stderr, "usage: bench_store FOLDER [EVENTS [STORED]]\n");
        return 2;
    }
    long events = argc > 2 ? load_number(argv[2], 1, 100000000, "EVENTS") : 500000;
    long stored = argc > 3 ? load_number(argv[3], CHAIN, 100000000, "STORED") : 1000000;
    measure_flow(argv[1], GW_SYNC_ALWAYS, "always", events);
    measure_flow(argv[1], GW_SYNC_INTERVAL, "interval", events);
    measure_flow(argv[1], GW_SYNC_NEVER, "never", events);
    measure_stored(argv[1], stored / CHAIN * CHAIN);
    return 0;
}
