/* SPDX-License-Identifier: Apache-2.0 */
/* A salvage in its parts: what was found (salvage_find.c), and what is made of it (salvage_logs.c).
 *
 * What hangs together in the trees is taken from there, exactly.  Only where a database is damaged
 * are the raw bytes believed: they know neither what was settled out of order nor what was removed
 * and not yet overwritten, so from there some things come back. */
#pragma once
#include "meshgate/plugin.h"
#include "store/rebuild.h"
#include "store/record.h"
#include "store/rows.h"
#include "store/salvage.h"
#include "store/salvage_scan.h"

enum { GW_SALVAGE_SAYINGS = 200 };

struct gw_salvage_database {
    char name[32];
    bool sound;
};

struct gw_salvage_ledger {
    uint32_t log;
    struct gw_disk_ledger ledger;
};

/* Dead letters that carry the count of their event, of one log. */
struct gw_salvage_carriers {
    uint32_t log;
    uint64_t count;
};

struct gw_salvage_group {
    struct gw_disk_place_key key;
    struct gw_disk_group group;
};

struct gw_salvage_work {
    int fd;
    gw_store_found_fn *found;
    void *arg;
    struct gw_salvage *counts;
    uint32_t said;
    int error;

    struct gw_salvage_database *databases;
    size_t database_count, database_capacity;
    bool main_sound, cursors_sound, done_sound, logs_sound;

    struct gw_scan scan; /* of the whole file */
    struct gw_scan tree; /* the same kinds of things, from databases that are sound */
    struct gw_rows_place *places;
    size_t place_count, place_capacity;
    struct gw_salvage_ledger *ledgers;
    size_t ledger_count, ledger_capacity;
    struct gw_salvage_group *groups;
    size_t group_count, group_capacity;
    struct gw_salvage_carriers *carriers;
    size_t carrier_count, carrier_capacity;
    uint64_t next_dead;
    struct gw_rebuild *rebuild;
};

/* A log on its way into the new file. */
struct gw_salvage_kept {
    const struct gw_scan_record *record;
    uint64_t sequence, targets;
};

struct gw_salvage_sink {
    bool live, known; /* known: with a cursor */
    struct gw_disk_cursor cursor;
    uint64_t first, count, bytes;
};

struct gw_salvage_log {
    uint32_t number;
    const struct gw_scan_log *entry; /* NULL: its name is lost */
    char name[64];                   /* then */
    bool tree, precise;
    struct gw_salvage_sink sinks[GW_RECORD_SINKS_MAX];
    uint32_t sink_end;
    struct gw_salvage_kept *kept;
    size_t count, capacity;
    uint64_t end, stored, lost;
};

void gw_salvage_say(struct gw_salvage_work *work, uint32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* salvage_find.c: looks at everything; copies what needs no thought into the new file. */
int gw_salvage_find(struct gw_salvage_work *work);
bool gw_salvage_is_sound(const struct gw_salvage_work *work, const char *database);
/* salvage_logs.c: chooses what of each log is kept. */
int gw_salvage_logs(struct gw_salvage_work *work);
const char *gw_salvage_label_of(const struct gw_salvage_log *log,
                                uint32_t sink);           /* NULL: unknown */
int gw_salvage_by_sequence(const void *a, const void *b); /* of struct gw_salvage_kept */
const struct gw_salvage_ledger *gw_salvage_ledger_of(const struct gw_salvage_work *work,
                                                     uint32_t log);
/* salvage_write.c: writes it, with cursors, settled places and a ledger that agree. */
int gw_salvage_put_log(struct gw_salvage_work *work, struct gw_salvage_log *log);
/* salvage_heads.c: dead letters and archives out of the raw bytes. */
int gw_salvage_heads(struct gw_salvage_work *work);

/* A record's bytes with another head and other flags.  0, -EIO: it is not as it was; -ENOMEM. */
int gw_salvage_put(struct gw_salvage_work *work, const struct gw_scan_record *record,
                   const char *database, struct gw_disk_head head, bool doubtful);
struct mg_bytes gw_salvage_bytes(const void *at, size_t length);
