/* SPDX-License-Identifier: Apache-2.0 */
/* Power cuts: a random workload runs on a real store, what it writes is recorded, and the folder is
 * built again as a cut at a random instant may leave it.  Whatever is found, the store opens, and
 * what it had confirmed is there, or it says what is not.
 *
 *   test_store_power [--seed N] [--images N]     (of each kind) */
#include "base/hash.h"
#include "disk.h"
#include "store/store.h"
#include "store/transfer.h"
#include "../kit/unit.h"
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SINKS = 2, EVENTS_MOST = 4000, IN_HAND = 64 };

static uint64_t seed = 1;
static uint32_t images = 60;

/* ---- folders -------------------------------------------------------------------------------- */

static const char *temporary(void)
{
    return access("/dev/shm", W_OK) == 0 ? "/dev/shm" : "/tmp";
}

static void make_folder(char path[64])
{
    snprintf(path, 64, "%s/mg-power-XXXXXX", temporary());
    if (!mkdtemp(path))
        abort();
}

static void remove_folder(const char *path)
{
    DIR *folder = opendir(path);
    for (struct dirent *entry; folder && (entry = readdir(folder));) {
        char full[400];
        if (!strcmp(entry->d_name, ".") || !strcmp(entry->d_name, ".."))
            continue;
        snprintf(full, sizeof full, "%s/%s", path, entry->d_name);
        if (unlink(full) < 0)
            remove_folder(full);
    }
    if (folder)
        closedir(folder);
    rmdir(path);
}

/* ---- the workload --------------------------------------------------------------------------- */

/* Events are numbered; a note in the record of the disk says what was confirmed of one. */
enum { APPENDED = 1, SETTLED, ASKED /* to settle it */ };

static uint64_t note(uint32_t what, uint32_t event, uint32_t sink)
{
    return (uint64_t)what << 40 | (uint64_t)sink << 32 | event;
}

struct event {
    struct gw_store_append op;
    void *record;
    size_t length;
    uint32_t number;
    atomic_bool kept;
};

struct settle {
    struct gw_store_settle op;
    struct gw_settled item;
    uint32_t event;
};

static struct event events[EVENTS_MOST];
static uint32_t event_count;
static atomic_uint in_hand;

static const char *const sinks[SINKS] = {"first", "second"};
static const struct gw_store_log_settings log_settings = {
    .route = "r", .sinks = sinks, .sink_count = SINKS, .dedup_count = 100};

static void appended(struct gw_store_op *op)
{
    struct event *event = (struct event *)op;
    if (!op->error) {
        disk_note(note(APPENDED, event->number, 0));
        atomic_store(&event->kept, true);
    }
    free(event->record);
    event->record = NULL;
    atomic_fetch_sub(&in_hand, 1);
}

static void settled(struct gw_store_op *op)
{
    struct settle *settle = (struct settle *)op;
    if (!op->error)
        disk_note(note(SETTLED, settle->event, settle->op.sink));
    free(settle);
    atomic_fetch_sub(&in_hand, 1);
}

/* The payload's first four bytes are the event's number. */
static void append(struct gw_store *store, struct gw_store_log *log, struct kit_random *random)
{
    static char payload[20000];
    struct gw_record_leg legs[SINKS] = {{.sink = 0, .address = {"a", 1}},
                                        {.sink = 1, .address = {"b", 1}}};
    struct event *event = &events[event_count];
    size_t size = kit_random(random, 20) ? 40 + kit_random(random, 400)
                                         : 4 + kit_random(random, sizeof payload - 4);
    memset(payload, (int)event_count, sizeof payload);
    memcpy(payload, &event_count, sizeof event_count);
    struct gw_record record = {
        .origin = {"a", 1},
        .message = {.head = {.address = {"a", 1}}, .payload = {payload, size}},
        .legs = legs,
        .leg_count = SINKS};
    if (gw_record_encode(&record, &event->record, &event->length))
        abort();
    event->number = event_count++;
    event->op = (struct gw_store_append){.op = {.kind = GW_OP_APPEND, .done = appended},
                                         .log = log,
                                         .records = &event->record,
                                         .lengths = &event->length,
                                         .count = 1,
                                         .identified = true,
                                         .identity = {event->number, 1}};
    atomic_fetch_add(&in_hand, 1);
    gw_store_submit(store, &event->op.op, &event->op.op);
}

static void settle(struct gw_store *store, struct gw_store_log *log, struct kit_random *random)
{
    uint32_t back = kit_random(random, 4) ? 40 : 400;
    uint32_t first = event_count > back ? event_count - back : 0;
    uint32_t number = first + kit_random(random, event_count - first);
    if (!atomic_load(&events[number].kept))
        return;
    struct settle *settle = calloc(1, sizeof *settle);
    if (!settle)
        abort();
    settle->event = number;
    settle->item = (struct gw_settled){events[number].op.first_sequence, GW_TERM_DELIVERED};
    settle->op = (struct gw_store_settle){.op = {.kind = GW_OP_SETTLE, .done = settled},
                                          .log = log,
                                          .sink = kit_random(random, SINKS),
                                          .count = 1,
                                          .items = &settle->item};
    atomic_fetch_add(&in_hand, 1);
    disk_note(note(ASKED, number, settle->op.sink));
    gw_store_submit(store, &settle->op.op, &settle->op.op);
}

static void heard(void *arg, uint32_t level, const char *text)
{
    if (level >= MG_WARN && arg)
        ++*(uint32_t *)arg;
    if (getenv("LOUD"))
        fprintf(stderr, "found: %s\n", text);
}

static struct gw_store *open_store(const char *path, uint32_t sync, const char *boot,
                                   uint32_t *said)
{
    struct gw_store_settings settings = {
        .path = path, .sync = sync, .sync_every_ms = 2, .size_bytes = 64 << 20};
    struct gw_store_options options = {.boot_id = boot};
    struct gw_store *store = NULL;
    struct mg_err err = {{0}};
    int error = gw_store_open(&settings, &options, heard, said, &store, &err);
    if (error)
        fprintf(stderr, "the store does not open: %d %s\n", error, err.text);
    return store;
}

static void work(const char *path, uint32_t sync, struct kit_random *random, uint32_t count)
{
    struct mg_err err;
    struct gw_store_log *log;
    struct gw_store *store = open_store(path, sync, "first boot", NULL);
    CU_ASSERT_PTR_NOT_NULL_FATAL(store);
    CU_ASSERT_EQUAL_FATAL(gw_store_log_open(store, &log_settings, &log, &err), 0);
    memset(events, 0, sizeof events);
    event_count = 0;
    while (event_count < count) {
        append(store, log, random);
        for (uint32_t i = kit_random(random, 4); i > 0; i--)
            settle(store, log, random);
        while (atomic_load(&in_hand) > kit_random(random, IN_HAND))
            sched_yield();
    }
    /* The cut may also come while it closes. */
    gw_store_close(store);
    CU_ASSERT_EQUAL(atomic_load(&in_hand), 0);
}

/* ---- what is found -------------------------------------------------------------------------- */

struct seen {
    uint8_t missing[EVENTS_MOST]; /* a bit for each sink */
    uint32_t sink, strangers;
};

static bool see(void *arg, const struct gw_stored *stored)
{
    struct seen *seen = arg;
    uint32_t number = UINT32_MAX;
    const struct mg_bytes payload = stored->record.message.payload;
    if (payload.len >= sizeof number)
        memcpy(&number, payload.at, sizeof number);
    if (number < event_count && !(seen->missing[number] & 1 << seen->sink))
        seen->missing[number] |= (uint8_t)(1 << seen->sink);
    else
        seen->strangers++;
    return true;
}

struct found {
    struct seen seen;
    uint32_t said;
    bool opened, balances;
};

static void look(const char *path, uint32_t sync, struct found *ret)
{
    struct mg_err err;
    struct gw_store_log *log;
    struct gw_store *store = open_store(path, sync, "second boot", &ret->said);
    ret->opened = store;
    if (!store)
        return;
    CU_ASSERT_EQUAL_FATAL(gw_store_log_open(store, &log_settings, &log, &err), 0);
    for (uint32_t sink = 0; sink < SINKS; sink++) {
        uint64_t next;
        ret->seen.sink = sink;
        CU_ASSERT_EQUAL(gw_store_read(log, sink, 0, see, &ret->seen, &next), 0);
    }
    struct gw_store_ledger ledger;
    gw_store_log_ledger(log, &ledger);
    uint64_t sum = ledger.stored;
    for (size_t i = 0; i < GW_TERMS; i++)
        sum += ledger.ended[i];
    ret->balances = sum == ledger.received;
    gw_store_close(store);
}

/* What is confirmed before a cut, and for sure. */
struct duty {
    uint8_t kept[EVENTS_MOST], done[EVENTS_MOST], asked[EVENTS_MOST]; /* a bit for each sink */
};

static void read_duty(size_t cut, size_t sure, struct duty *ret)
{
    size_t position = 0;
    uint64_t what;
    memset(ret, 0, sizeof *ret);
    while (disk_next_note(cut, &position, &what)) {
        uint32_t event = (uint32_t)what;
        uint8_t bit = (uint8_t)(1 << (what >> 32 & 0xff));
        if (what >> 40 == ASKED)
            ret->asked[event] |= bit;
        else if (what >> 40 == APPENDED && position <= sure)
            ret->kept[event] = (1 << SINKS) - 1;
        else if (what >> 40 == SETTLED && position <= sure)
            ret->done[event] |= bit;
    }
}

/* What was confirmed and is neither there nor was to be settled; and what was settled and is there
 * again. */
static void judge(const struct found *found, const struct duty *duty, uint32_t *ret_lost,
                  uint32_t *ret_again)
{
    *ret_lost = *ret_again = 0;
    for (uint32_t i = 0; i < event_count; i++) {
        uint8_t missing = found->seen.missing[i];
        *ret_lost +=
            (uint32_t)__builtin_popcount(duty->kept[i] & ~missing & ~duty->asked[i] & 0xff);
        *ret_again += (uint32_t)__builtin_popcount(duty->done[i] & missing);
    }
}

/* ---- images --------------------------------------------------------------------------------- */

static void flip_bits(struct kit_random *random, const char *path)
{
    char file[128];
    snprintf(file, sizeof file, "%s/%s", path, kit_random(random, 8) ? "data.mdb" : "synced");
    int fd = open(file, O_RDWR | O_CLOEXEC);
    struct stat stat;
    if (fd < 0 || fstat(fd, &stat) < 0 || !stat.st_size) {
        if (fd >= 0)
            close(fd);
        return;
    }
    for (uint32_t i = 1 + kit_random(random, 6); i > 0; i--) {
        off_t at = (off_t)(kit_random64(random) % (uint64_t)stat.st_size);
        char byte;
        if (pread(fd, &byte, 1, at) != 1)
            abort();
        byte ^= (char)(1 << kit_random(random, 8));
        if (pwrite(fd, &byte, 1, at) != 1)
            abort();
    }
    close(fd);
}

/* Events of the disk's record before which everything that was confirmed is to be there.  Under
 * interval a sync takes a commit, waits for the file and then writes a note of it; what was
 * confirmed before the note before was written, the last note's commit has. */
static size_t sure_until(size_t cut, uint32_t sync)
{
    if (sync == GW_SYNC_ALWAYS)
        return cut;
    return disk_sync_end(disk_sync_end(cut, "synced"), "synced");
}

static void one_image(struct kit_random *random, uint32_t sync, enum disk_variant variant,
                      bool flips, const char *name)
{
    char path[64];
    struct found found = {.said = 0};
    static struct duty duty;
    uint32_t lost, again;
    uint64_t state = random->state;
    size_t cut = 1 + (size_t)(kit_random64(random) % disk_events());
    make_folder(path);
    disk_image(random, cut, variant, path);
    if (flips)
        flip_bits(random, path);
    look(path, sync, &found);
    read_duty(cut, sure_until(cut, sync), &duty);
    judge(&found, &duty, &lost, &again);
    bool right = found.opened && found.balances && found.seen.strangers == 0;
    right = right && (lost == 0 || (flips && found.said > 0));
    right = right && (again == 0 || found.said > 0);
    if (!right)
        fprintf(stderr,
                "%s: --seed %" PRIu64 ", state %" PRIx64 ", cut %zu of %zu, variant %d: %s%s, %u "
                "lost, %u again, %u strangers, %u said; %s\n",
                name, seed, state, cut, disk_events(), (int)variant,
                found.opened ? "opened" : "did not open", found.balances ? "" : ", no balance",
                lost, again, found.seen.strangers, found.said, path);
    CU_ASSERT(right);
    if (right || !getenv("KEEP"))
        remove_folder(path);
}

static void cuts(uint32_t sync, bool flips, const char *name)
{
    struct kit_random random;
    char path[64];
    kit_random_seed(&random, seed + sync * 1000 + flips);
    make_folder(path);
    disk_begin(path);
    work(path, sync, &random, 300 + kit_random(&random, 300));
    for (uint32_t i = 0; i < images; i++)
        one_image(&random, sync, (enum disk_variant)(i % DISK_VARIANTS), flips, name);
    disk_end();
    remove_folder(path);
}

static void always_keeps_what_it_confirmed(void)
{
    cuts(GW_SYNC_ALWAYS, false, "always");
}

static void interval_keeps_what_was_synced(void)
{
    cuts(GW_SYNC_INTERVAL, false, "interval");
}

static void flipped_bits_are_said(void)
{
    cuts(GW_SYNC_ALWAYS, true, "always, bits flipped");
}

int main(int argc, char **argv)
{
    for (int i = 1; i + 1 < argc; i += 2) {
        uint64_t number = strtoull(argv[i + 1], NULL, 10);
        if (!strcmp(argv[i], "--seed"))
            seed = number;
        else if (!strcmp(argv[i], "--images"))
            images = (uint32_t)number;
    }
    fprintf(stderr, "store_power: --seed %" PRIu64 " --images %u\n", seed, images);
    return kit_main("store_power",
                    (const struct kit_test[]){{KIT_TEST(always_keeps_what_it_confirmed)},
                                              {KIT_TEST(interval_keeps_what_was_synced)},
                                              {KIT_TEST(flipped_bits_are_said)},
                                              {0}});
}
