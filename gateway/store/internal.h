/* SPDX-License-Identifier: Apache-2.0 */
/* The store, as its own files see it.
 *
 * Threads.  The writer (the store's thread; in manual mode whoever calls gw_store_turn) owns the
 * logs, what is held back and the write transaction, under `turning`.  Readers hold map_lock shared
 * for the length of a short read transaction; the writer takes it alone to grow the map or to open
 * the file again.  `lock` guards the queue and what gw_store_report says.
 *
 * What is in memory of a log is as of the open transaction.  A transaction that fails is aborted,
 * and the logs that it touched are read again from disk: there is no undo.
 *
 * An int that is called rc is 0, LMDB's own code or an errno (positive). */
#pragma once
#include "store/archive.h"
#include "store/dead.h"
#include "store/format.h"
#include "store/hand.h"
#include "store/lease.h"
#include "store/store.h"
#include <lmdb.h>
#include <pthread.h>
#include <stdatomic.h>

enum { RC_BLOCKED = -1 }; /* the operation has to wait; nothing was changed */

/* Operations of our own, in the room that GW_OP_CALL leaves. */
enum {
    OP_DEAD = GW_OP_CALL,
    OP_LEASE,
    OP_EXTEND,
    OP_LOST,
    OP_END = 1u << 31 /* last of its chain */
};

enum {
    DB_META,
    DB_LOGS,
    DB_CURSORS,
    DB_DONE,
    DB_MARKS,
    DB_GROUPS,
    DB_LEDGER,
    DB_DEAD,
    DB_LEASES,
    DB_STATE,
    DB_COUNT
};

/* ---- settled sequences of one sink (places.c) -------------------------------------------------
 */

enum { PLACE_BITS = 512 };
struct gw_place {
    uint64_t bits[PLACE_BITS / 64];
    bool dirty, on_disk;
};
/* Places base … base + count - 1; what is beyond has no bit set. */
struct gw_places {
    uint64_t base;
    struct gw_place *items; /* the first in use is items[head] */
    size_t head, count, capacity;
    uint64_t dirty_first, dirty_end; /* places; equal: none */
};
bool gw_places_has(const struct gw_places *places, uint64_t sequence);
/* rc; first: the sink's cursor, nothing before it is ever set */
int gw_places_set(struct gw_places *places, uint64_t sequence, uint64_t first);
/* The same for all of from … end - 1. */
int gw_places_set_range(struct gw_places *places, uint64_t from, uint64_t end, uint64_t first);
struct gw_place *gw_places_at(struct gw_places *places, uint64_t place); /* NULL: none there */
/* The first sequence from `from` on, below `end`, without its bit; end: none. */
uint64_t gw_places_next_clear(const struct gw_places *places, uint64_t from, uint64_t end);
/* Forgets all places before that one; gone is called for those that are on disk. */
int gw_places_forget(struct gw_places *places, uint64_t place,
                     int (*gone)(void *arg, uint64_t place), void *arg);
void gw_places_fini(struct gw_places *places);

/* ---- identities in the window (identities.c) ---------------------------------------------------
 */

struct gw_identities {
    uint64_t (*slots)[2]; /* {0, 0}: free */
    size_t capacity, count;
};
bool gw_identities_has(const struct gw_identities *set, const uint64_t identity[2]);
int gw_identities_add(struct gw_identities *set, const uint64_t identity[2]); /* rc */
void gw_identities_remove(struct gw_identities *set, const uint64_t identity[2]);
void gw_identities_fini(struct gw_identities *set);

/* ---- logs --------------------------------------------------------------------------------------
 */

struct gw_store_sink {
    char *label;
    uint32_t number; /* lasting */
    uint32_t place;  /* among the settings' sinks; UINT32_MAX: given up */
    uint64_t first, count, bytes;
    uint64_t drop_from; /* nothing before it can be dropped any more */
    uint64_t oldest;    /* oldest_us is that record's arrival; 0: of none */
    int64_t oldest_us;
    struct gw_places settled;
    bool dirty;
    atomic_uint_fast64_t sent_end; /* the lane has sent what is before it */
    struct gw_hand_sink *hand;     /* NULL: nothing is noted */
};

struct gw_store_log {
    struct gw_store *store;
    char *name;
    uint32_t number;
    bool configured, on_disk;
    struct gw_store_log_settings settings; /* route and sinks: not used */
    MDB_dbi dbi, dedup, archive, latest;
    bool has_dedup, has_archive, has_latest;          /* their databases are open */
    uint64_t end;                                     /* the next sequence */
    struct gw_store_sink *sinks[GW_RECORD_SINKS_MAX]; /* by lasting number; NULL: free */
    uint32_t sink_end;                                /* one past the highest */
    uint8_t lasting[GW_RECORD_SINKS_MAX];             /* by place */
    uint32_t places;
    bool same_numbers; /* places are the lasting numbers */
    struct gw_disk_ledger ledger;
    uint64_t stored;
    uint64_t partial; /* entries for records that some sink ended otherwise than delivered */
    uint64_t marks;   /* entries in DB_MARKS */
    struct gw_identities identities;
    uint64_t dedup_first, dedup_next; /* keys; equal: none */
    uint64_t dedup_oldest;            /* the key that dedup_oldest_us is of; 0: none */
    int64_t dedup_oldest_us;

    /* The open transaction. */
    bool dirty;
    struct gw_store_log *next_dirty;
    MDB_cursor *finger;
    bool ended_event; /* the record that ended last was its event's last */
    uint32_t burying; /* low half of the dead letter's id that is being written; 0: none */

    bool stuck; /* one of its appends is held back */

    pthread_mutex_t show_lock; /* guards the two below */
    struct gw_store_ledger shown;
    struct gw_store_backlog shown_sinks[GW_RECORD_SINKS_MAX]; /* by place */
};

/* ---- the store ---------------------------------------------------------------------------------
 */

struct gw_ops {
    struct gw_store_op *first, *last;
};

enum { HELD_KEYS = 4096, GW_BATCH_BYTES = 8 << 20 };

struct gw_store {
    struct gw_store_settings settings;
    char *path;
    bool manual, read_only;
    int64_t (*wall_us)(void);
    gw_store_found_fn *found;
    void *found_arg;
    void (*telling)(void *arg, bool begins);
    void *telling_arg;
    char boot[64];

    int folder_fd, owner_fd, data_fd;
    struct gw_hand *hand; /* NULL: there is no room for it */
    MDB_env *env;
    unsigned max_dbs, used_dbs;
    MDB_dbi dbs[DB_COUNT];
    pthread_rwlock_t map_lock;
    unsigned map_locked; /* how often the writer holds it alone */
    size_t map_bytes, limit_bytes, page_bytes;
    uint64_t reserved_bytes; /* the file has this much space on the disk */
    int64_t refused_ms;      /* when the disk last gave no more; 0: it did */
    MDB_txn *txn;
    uint64_t commit_number, dead_next;
    bool was_clean, has_leases;
    bool went_back;              /* to an earlier commit, after a power cut */
    pthread_mutex_t commit_lock; /* of the syncer: no commit goes on, and the map stays */
    uint64_t commits;
    atomic_int sync_failed; /* rc of the last sync */

    struct gw_store_log **logs; /* changed by the control thread, under turning */
    size_t log_count;
    struct gw_store_log *dirty;

    pthread_mutex_t turning;
    struct gw_ops todo, held, batch;
    uint64_t batch_bytes, batch_count;
    size_t held_count;
    bool settled; /* this transaction made room */
    bool stale;   /* logs in memory are not as on disk; dirty names them */
    bool dead_next_known;
    bool retry_held, full;
    bool tight;          /* nearly full */
    bool told;           /* the log says that what comes in has to wait */
    uint64_t batch_most; /* bytes of one transaction */
    uint16_t held_keys[HELD_KEYS];
    int64_t gather_ns;  /* how long the next transaction waits for what comes close behind */
    uint32_t batch_cap; /* lower after a transaction that did not fit */
    uint32_t failures;  /* transactions in a row that failed */
    const char *full_why;

    pthread_mutex_t lock;
    pthread_cond_t wake;
    struct gw_ops queue;
    bool stopping, threaded;
    pthread_t thread;
    struct {
        char reason[160]; /* empty: healthy */
        uint64_t commits, waiting, quarantined, bytes;
    } said;
    struct gw_syncer *syncer; /* sync: interval */
    uint64_t trimmed_bytes;   /* since the map's pages were given back last */
    char *map_at;             /* the writer's; NULL: not looked for */
};

/* say.c */
void gw_store_find(struct gw_store *store, uint32_t level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
int gw_store_fail(struct mg_err *reterr, int error, const char *format, ...)
    __attribute__((format(printf, 3, 4))); /* returns error */
const char *gw_store_rc_text(int rc);

/* engine.c: the environment and its transactions. */
int gw_engine_open(struct gw_store *store, struct mg_err *reterr);
void gw_engine_close(struct gw_store *store);
int gw_engine_reopen(struct gw_store *store); /* rc; all handles of logs are opened again */
int gw_engine_begin(struct gw_store *store);  /* rc */
int gw_engine_commit(struct gw_store *store); /* rc; the transaction is over in any case */
void gw_engine_abort(struct gw_store *store);
void gw_engine_lock_map(struct gw_store *store); /* alone; may be nested; the writer's */
void gw_engine_unlock_map(struct gw_store *store);
bool gw_engine_grow(struct gw_store *store,
                    bool beyond); /* false: it is as large as it may be; beyond: even so */
int gw_engine_open_named(struct gw_store *store, const char *kind, uint32_t number, bool create,
                         MDB_dbi *ret); /* rc; in the write transaction */
int gw_engine_room_for_dbs(struct gw_store *store, unsigned more); /* rc; outside of transactions */
uint64_t gw_engine_used_bytes(struct gw_store *store);
void gw_engine_look_for_room(struct gw_store *store); /* sets full, full_why */
void gw_engine_trim(struct gw_store *store);
/* Where in the data file a value lies that LMDB showed; UINT64_MAX: unknown. */
uint64_t gw_engine_offset(struct gw_store *store, const void *at);
/* A read transaction; map_lock is held shared until gw_engine_read_end. */
int gw_engine_read_begin(struct gw_store *store, MDB_txn **ret);
void gw_engine_read_end(struct gw_store *store, MDB_txn *txn);

/* recover.c: before LMDB sees the file. */
int gw_recover(struct gw_store *store, struct mg_err *reterr);

/* space.c: a file that is mostly free pages, at open. */
int gw_engine_compact(struct gw_store *store, bool always, struct mg_err *reterr);
/* At the end: space that was kept ready. */
void gw_engine_give_back(struct gw_store *store);

/* log.c: finding, making, loading and writing logs. */
int gw_logs_load(struct gw_store *store);  /* rc; all that the file has; inside a transaction */
int gw_logs_jump(struct gw_store *store);  /* rc; after it went back */
int gw_log_load(struct gw_store_log *log); /* rc; what is in memory of one, again */
int gw_log_open_handles(struct gw_store_log *log); /* rc */
int gw_log_save_entry(struct gw_store_log *log);
struct gw_store_log *gw_log_new(struct gw_store *store, const char *name, uint32_t number);
int gw_log_keep(struct gw_store_log *log); /* rc; into store->logs */
struct gw_store_sink *gw_log_add_sink(struct gw_store_log *log, uint32_t number, const char *label);
void gw_sink_free(struct gw_store_sink *sink);
int gw_logs_write_dirty(struct gw_store *store); /* rc; before a commit */
void gw_logs_publish_dirty(struct gw_store *store);
int gw_logs_reload_dirty(struct gw_store *store);
void gw_log_publish(struct gw_store_log *log);
void gw_log_free(struct gw_store_log *log);
struct gw_store_log *gw_log_find(struct gw_store *store, uint32_t number);
void gw_log_touch(struct gw_store_log *log);
void gw_sink_touch(struct gw_store_sink *sink, struct gw_store_log *log);
bool gw_sink_misses(const struct gw_store_log *log, const struct gw_store_sink *sink,
                    uint64_t sequence);
int gw_sink_advance(struct gw_store_log *log, struct gw_store_sink *sink);
struct gw_store_sink *gw_log_sink(const struct gw_store_log *log, uint32_t place);

/* head.c: what stands in front of a record. */
struct gw_disk_sink_key gw_sink_key(uint32_t log, uint32_t sink);
struct gw_disk_place_key gw_place_key(uint32_t log, uint32_t sink, uint64_t place);
void gw_head_seal(struct gw_disk_head *head);
/* False: damaged, or not of that kind, log (0: any) and sequence. */
bool gw_head_read(MDB_val value, uint16_t kind, uint32_t log, uint64_t sequence,
                  struct gw_disk_head *ret);
bool gw_head_body_is_whole(MDB_val value, const struct gw_disk_head *head);
/* Copies a record to `to`, its legs' sinks translated from places to lasting numbers. */
void gw_head_copy_record(const struct gw_store_log *log, void *to, const void *bytes,
                         size_t length);
bool gw_head_record_sinks(const struct gw_store_log *log, const void *bytes, size_t length,
                          uint64_t *ret_targets); /* false: no record */
/* The same backwards, in a decoded record. */
void gw_head_to_places(const struct gw_store_log *log, struct gw_record *record,
                       struct gw_record_room *room);

/* append.c, budget.c, settle.c … : one operation each; rc, or RC_BLOCKED. */
int gw_op_append(struct gw_store *store, struct gw_store_append *op);
/* Puts one record at the end of a log. */
struct gw_put {
    uint64_t targets;
    uint32_t group_index, group_count;
    bool translated; /* its legs bear lasting numbers already */
};
int gw_log_put(struct gw_store_log *log, const void *bytes, size_t length,
               const struct gw_put *how);
/* Which of targets get an event of that size; RC_BLOCKED.  Makes room where the policy is to. */
int gw_budget_admit(struct gw_store_log *log, const struct gw_store_append *op, uint64_t targets,
                    uint64_t *ret_admitted);
int gw_latest_note(struct gw_store_log *log, uint64_t targets, uint64_t key, uint64_t sequence);
int gw_latest_forget(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t key,
                     uint64_t sequence);
int gw_op_settle(struct gw_store *store, struct gw_store_settle *op);
int gw_log_settle(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence,
                  uint32_t term);
/* A record that cannot be read: for all sinks discarded. */
int gw_op_lost(struct gw_store *store, struct gw_store_op *op);
int gw_log_lose(struct gw_store_log *log, uint64_t sequence);
int gw_log_partial(struct gw_store_log *log, uint64_t sequence, uint32_t term, uint32_t dead);
int gw_log_partial_undo(struct gw_store_log *log, uint64_t sequence, uint32_t dead);
int gw_log_end_unwanted(struct gw_store_log *log, uint64_t sequence);
int gw_op_note(struct gw_store *store, struct gw_store_note *op);
int gw_mark_get(struct gw_store *store, MDB_txn *txn, uint32_t log, uint32_t sink,
                uint64_t sequence, struct gw_disk_mark *ret, bool *ret_there);
int gw_mark_put(struct gw_store_log *log, uint32_t sink, uint64_t sequence,
                const struct gw_disk_mark *mark);
int gw_marks_of_crash(struct gw_store *store); /* rc; after an unclean end */
/* Of `op` only step, reason and attempts count. */
int gw_log_bury(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence,
                const struct gw_store_bury *op);
int gw_op_bury(struct gw_store *store, struct gw_store_bury *op);
int gw_op_dead(struct gw_store *store, struct gw_store_dead_op *op);
int gw_op_count(struct gw_store *store, struct gw_store_count *op);
int gw_op_state(struct gw_store *store, struct gw_store_state *op);
int gw_state_put(struct gw_store *store, struct mg_bytes key, struct mg_bytes value);
bool gw_state_fits(struct mg_bytes key);
int gw_op_lease(struct gw_store *store, struct gw_store_lease *op);
int gw_leases_look(struct gw_store *store); /* rc; are there any? */
int gw_lease_forget(struct gw_store_log *log, struct gw_store_sink *sink, uint64_t sequence);
int gw_op_extend(struct gw_store *store, struct gw_store_lease_extend *op);
int gw_dedup_load(struct gw_store_log *log);
bool gw_dedup_has(struct gw_store_log *log, const uint64_t identity[2]);
int gw_dedup_prune(struct gw_store_log *log);
int gw_dedup_add(struct gw_store_log *log, const uint64_t identity[2]);
int gw_archive_put(struct gw_store_log *log, const void *bytes, size_t length, uint64_t sequence);
int gw_archive_prune(struct gw_store_log *log);

/* quarantine.c */
/* Keeps the bytes of what cannot be read; counts, and reports them with their place. */
void gw_quarantine(struct gw_store *store, const char *what, MDB_val value);
/* From a reader: has the writer settle the record as lost. */
void gw_quarantine_later(struct gw_store_log *log, uint64_t sequence);

/* writer.c */
bool gw_writer_pass(struct gw_store *store); /* true: something was done */
void gw_writer_cancel(struct gw_store *store);
void *gw_writer_run(void *arg);
void gw_writer_wake(struct gw_store *store);

/* sync.c */
int gw_sync_start(struct gw_store *store); /* rc; notes that all up to now is on the disk */
void gw_sync_after_commit(struct gw_store *store);
void gw_sync_try_again(struct gw_store *store); /* by hand, after one that failed */
void gw_sync_stop(struct gw_store *store);      /* its thread */
void gw_sync_end(struct gw_store *store, bool clean);
/* Around closing and opening the environment: no sync goes on in between. */
void gw_sync_release(struct gw_store *store);
int gw_sync_again(struct gw_store *store); /* rc */

static inline MDB_val gw_val(const void *at, size_t length)
{
    return (MDB_val){length, (void *)(uintptr_t)at};
}
