/* SPDX-License-Identifier: Apache-2.0 */
/* The store: what has been promised, on disk.  One log of staged events for each route, a cursor
 * for each of its sinks; beside them dead letters, windows of identities, archives, ledgers and the
 * state of bridges.  Whatever engine lies below, nothing of it shows here.
 *
 * Writing.  Everything that changes the store is an operation (struct gw_store_op at its head),
 * handed over in a chain.  A chain is one transaction's: all of it is kept, or nothing.  Chains are
 * written in the order in which they were handed over, many to a commit, by the store's own thread;
 * then each operation's done runs, in the same order, on that thread.  done means: kept, as `sync`
 * says.  An operation never fails for want of room or because the disk fails: it waits,
 * gw_store_report says why, and whoever waits for it is held back.
 *
 * What makes room never waits for it: where an append has to wait, the settlements, notes, dead
 * letters and counts behind it in its chain are written at once, and their done runs before its.
 * What has been held back is not overtaken by a later append to the same log, nor by a later entry
 * of state of the same key.
 *
 * Reading happens on any thread but a shard's, since it may wait for the disk. */
#pragma once
#include "meshgate/plugin.h"
#include "store/record.h"
#include <jansson.h>

struct gw_store;
struct gw_store_log;

/* always: a commit is on the disk before done; neither a crash nor a power cut loses anything.
 * interval: on the disk at the latest sync_every_ms later; a crash of the process loses nothing, a
 * power cut what came since.  never: left to the kernel; a crash of the process loses nothing. */
enum gw_store_sync { GW_SYNC_ALWAYS, GW_SYNC_INTERVAL, GW_SYNC_NEVER };

struct gw_store_settings {
    const char *path;      /* a folder; made where it is not there */
    uint32_t sync;         /* enum gw_store_sync */
    int64_t sync_every_ms; /* interval */
    int64_t size_bytes;    /* the most that it takes on disk */
};

struct gw_store_options {
    bool manual; /* no thread: operations are run by gw_store_turn (simulation, tests, the CLI) */
    bool read_only;           /* verify and export of a store that nobody runs */
    bool compact;             /* written anew without its free pages, however few they are */
    int64_t (*wall_us)(void); /* NULL: the clock of the machine */
    const char *boot_id;      /* NULL: the kernel's; another one than before means a power cut */
    /* Before the first done of a transaction's operations, and behind the last; on the thread that
     * calls them.  NULL: nobody wants to know. */
    void (*telling)(void *arg, bool begins);
    void *telling_arg;
};

/* What was found and done, for the log: one call for each finding; at opening, and later on any
 * thread where damage is met.  arg lives as long as the store. */
typedef void gw_store_found_fn(void *arg, uint32_t level /* MG_INFO … */, const char *text);

/* Opens, repairs where that is needed, and starts the thread.  Damage is never an error: what
 * cannot be read is put aside under PATH/quarantine and reported with its place.  -EBUSY: another
 * process has it open; -EPROTONOSUPPORT: written by a later version.  CONTROL. */
int gw_store_open(const struct gw_store_settings *settings, const struct gw_store_options *options,
                  gw_store_found_fn *found, void *arg, struct gw_store **ret_store,
                  struct mg_err *reterr);
/* Writes what was handed over (unless the disk fails), syncs, closes.  NULL is fine.  CONTROL. */
void gw_store_close(struct gw_store *store);
/* Manual: leaves everything as a SIGKILL would; what was handed over and not written is gone, its
 * done still runs with error -ECANCELED so that it can be freed. */
void gw_store_abandon(struct gw_store *store);
/* Manual: writes what was handed over.  true: something was done. */
bool gw_store_turn(struct gw_store *store);

/* ---- logs ----------------------------------------------------------------------------------- */

enum gw_store_full {
    GW_FULL_BLOCK,
    GW_FULL_DROP_NEWEST,
    GW_FULL_DROP_OLDEST,
    GW_FULL_LATEST_PER_KEY
};

struct gw_store_log_settings {
    const char *route;
    const char *const *sinks; /* what each is, for good: "backbone /exchange/amq.topic/{x}" */
    size_t sink_count;        /* 1..GW_RECORD_SINKS_MAX */
    bool any;                 /* one sink's confirmation is enough */
    /* Of each sink's backlog; 0: no limit but the store's. */
    int64_t backlog_bytes, backlog_count, backlog_age_ms;
    uint32_t when_full;                     /* enum gw_store_full */
    int64_t dedup_window_ms, dedup_count;   /* count 0: no dedup */
    int64_t archive_keep_ms, archive_bytes; /* both 0: no archive */
};

/* Finds or makes the route's log, and its sinks in it.  A sink that the log knows and settings do
 * not name is given up: what it had not yet is discarded (said through found).  CONTROL, before any
 * operation on this log.  The log lives as long as the store. */
int gw_store_log_open(struct gw_store *store, const struct gw_store_log_settings *settings,
                      struct gw_store_log **ret_log, struct mg_err *reterr);

/* A small number that stays the route's, 1..65535; for delivery ids. */
uint32_t gw_store_log_number(const struct gw_store_log *log);

/* The terms of the ledger that the store keeps. */
enum gw_store_term {
    GW_TERM_DELIVERED,
    GW_TERM_DROPPED,
    GW_TERM_EXPIRED,
    GW_TERM_DISCARDED,
    GW_TERM_RETURNED,
    GW_TERM_DUPLICATE,
    GW_TERM_DEAD_LETTERED,
    GW_TERMS
};
struct gw_store_ledger {
    uint64_t received;
    uint64_t ended[GW_TERMS];
    uint64_t stored;  /* events (not records) with a sink still missing */
    uint64_t retries; /* sends after the first */
};
/* As of the last commit, life of the store included.  ANY. */
void gw_store_log_ledger(struct gw_store_log *log, struct gw_store_ledger *ret_ledger);
/* What one sink has not settled yet.  ANY. */
struct gw_store_backlog {
    uint64_t count, bytes;
    uint64_t first, end; /* sequences: nothing before first is missing; end is the next append's */
    int64_t oldest_us;   /* wall clock, arrival of the oldest; 0: none */
};
void gw_store_log_backlog(struct gw_store_log *log, uint32_t sink, struct gw_store_backlog *ret);

/* ---- operations ----------------------------------------------------------------------------- */

enum gw_store_op_kind {
    GW_OP_APPEND = 1,
    GW_OP_SETTLE,
    GW_OP_NOTE,
    GW_OP_BURY,
    GW_OP_COUNT,
    GW_OP_STATE,
    GW_OP_CALL /* of the store's own files */
};

struct gw_store_op {
    struct gw_store_op *next; /* in its chain */
    uint32_t kind;
    int error; /* for done: 0, or -ECANCELED where the store was closed before it was kept */
    void (*done)(struct gw_store_op *op); /* on the store's thread; may free the op; never NULL */
};

/* Hands a chain over; first…last are linked by next.  Never waits.  ANY. */
void gw_store_submit(struct gw_store *store, struct gw_store_op *first, struct gw_store_op *last);

/* What one event became: one record, or several where steps made several out of it; the event is
 * done when all of them are.  Waits (and with it what follows in its chain, but not other chains)
 * while a backlog is full under GW_FULL_BLOCK, or the store is. */
struct gw_store_append {
    struct gw_store_op op;
    struct gw_store_log *log;
    void *const *records; /* bytes of gw_record_encode, good until done; not changed */
    const size_t *lengths;
    size_t count;
    /* For the archive, where steps have changed the event; NULL: nothing. */
    const void *original;
    size_t original_length;
    bool identified;
    uint64_t identity[2]; /* for dedup */
    /* State of a bridge that has to be kept with the event; at NULL: none. */
    struct mg_bytes state_key, state_value;
    /* The answer. */
    bool duplicate;          /* nothing was kept: its identity is in the window */
    uint64_t first_sequence; /* of the first record; the others follow */
    uint64_t refused;        /* bit n: sink n does not get it (GW_FULL_DROP_NEWEST) */
};

/* How a sink is done with a record. */
struct gw_settled {
    uint64_t sequence;
    uint32_t term; /* GW_TERM_DELIVERED, _EXPIRED or _DISCARDED */
};
/* Sequences that are settled already, or never were, are passed over. */
struct gw_store_settle {
    struct gw_store_op op;
    struct gw_store_log *log;
    uint32_t sink;
    uint32_t count;
    struct gw_settled *items;
};

/* What has to be known of a record after a restart: how often the sink was tried in vain. */
struct gw_store_note {
    struct gw_store_op op;
    struct gw_store_log *log;
    uint32_t sink;
    uint64_t sequence;
    uint32_t attempts;
};

/* A dead letter.  Of a sink: sequence says which record, and settles it for that sink.  Of a step:
 * sequence is 0, sink UINT32_MAX, and record is the event as it came in; it then counts as
 * received, and as dead_lettered.  Texts are good until done. */
struct gw_store_bury {
    struct gw_store_op op;
    struct gw_store_log *log;
    uint32_t sink;
    uint64_t sequence;
    const void *record;
    size_t record_length;
    const char *step;   /* "confirm", "translate:map" … */
    const char *reason; /* what the peer or the step said; may be NULL */
    uint32_t attempts;
};

/* Events that ended before they were stored, or never were to be. */
struct gw_store_count {
    struct gw_store_op op;
    struct gw_store_log *log;
    uint64_t ended[GW_TERMS]; /* each is received, too */
    uint64_t retries;
};

enum { GW_STORE_STATE_KEY_MAX = 511 };
/* One entry of a bridge's state; a key has 1 to GW_STORE_STATE_KEY_MAX bytes.  value.at NULL:
 * removes it. */
struct gw_store_state {
    struct gw_store_op op;
    struct mg_bytes key, value;
};

/* ---- reading -------------------------------------------------------------------------------- */

/* What the store knows of a record for one sink. */
struct gw_stored {
    struct gw_record record;
    uint32_t leg;      /* which of record.legs is the sink's */
    uint32_t attempts; /* as noted */
    uint32_t deaths;   /* how often the process died while it was in this sink's hand */
};
/* Shows the records that the sink has not settled, in order, from sequence `from` on, until visit
 * returns false or nothing is left; *ret_next is where to go on: behind what was shown last, or the
 * log's end as of the last commit that was read.  visit does not read the store.  Damaged records
 * are quarantined on the way (settled as discarded, reported).  0 or a negative errno. */
int gw_store_read(struct gw_store_log *log, uint32_t sink, uint64_t from,
                  bool (*visit)(void *arg, const struct gw_stored *stored), void *arg,
                  uint64_t *ret_next);

/* The lane of that sink has sent what lies before end: a full backlog does not drop it any more.
 * ANY; never waits. */
void gw_store_log_sent(struct gw_store_log *log, uint32_t sink, uint64_t end);
/* The record goes into the sink's hand, or has come out of it.  What is there when the process dies
 * has one death more in the next life.  What was sent and not settled is in doubt in the next life,
 * however this one ends.  SHARD, of the sink; never waits. */
void gw_store_hand(struct gw_store_log *log, uint32_t sink, uint64_t sequence, bool in_hand);
/* It was not sent after all, and never in this life.  SHARD, of the sink. */
void gw_store_not_sent(struct gw_store_log *log, uint32_t sink, uint64_t sequence);

/* An event with this identity goes into a step on that shard; {0, 0}: it has come out.  Where the
 * process dies in between, the next life is told.  ANY; store NULL: nothing. */
void gw_store_step(struct gw_store *store, uint32_t shard, const uint64_t identity[2]);
void gw_store_was_in_step(const struct gw_store *store, uint32_t shard, uint64_t ret_identity[2]);

/* Every entry of bridges' state whose key begins with prefix, in the order of their bytes. */
int gw_store_state_each(struct gw_store *store, struct mg_bytes prefix,
                        void (*each)(void *arg, struct mg_bytes key, struct mg_bytes value),
                        void *arg);

/* {"path":…,"sync":…,"healthy":true,"reason":"","bytes":…,"size":…,"commits":…,"waiting":…,
 *  "quarantined":…}; new reference.  ANY. */
json_t *gw_store_report(struct gw_store *store);
