/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the fake host know of each other; tests do not include it. */
#pragma once
#include "fake_host.h"
#include <pthread.h>

struct kit_host;

struct mg_shard {
    struct kit_host *host;
    uint32_t index;
};

/* Handles stay in their list, marked dead, until the end of a turn: their own callback may end
 * them. */
struct mg_io {
    struct mg_io *next;
    mg_shard *shard;
    int fd;
    uint32_t events;
    void (*ready)(void *arg, uint32_t events);
    void *arg;
    bool dead;
};

struct mg_timer {
    struct mg_timer *next;
    mg_shard *shard;
    int64_t due_us; /* -1: not armed */
    int64_t every_us;
    void (*fired)(void *arg);
    void *arg;
    bool dead;
};

struct mg_wake {
    struct mg_wake *next;
    mg_shard *shard;
    void (*woken)(void *arg);
    void *arg;
    bool pending, dead; /* under the host's lock */
};

struct kit_job {
    struct kit_job *next;
    mg_shard *shard;
    pthread_t thread;
    void (*job)(void *arg);
    void (*done)(void *arg);
    void *arg;
    bool finished; /* under the host's lock */
};

enum { KIT_COUNTERS = 64 };

struct mg_instance {
    struct kit_host *host;
    const struct mg_module *module;
    char *name;
    void *self;
    int64_t counters[KIT_COUNTERS]; /* under the host's lock */
    bool context_open;
    void *context; /* of a step, on shard 0 */
};

struct mg_source {
    struct mg_source *next;
    mg_connection *connection;
    char *address;
    void *object;     /* the module's */
    uint32_t in_hand; /* under the host's lock */
    bool stored;
};

struct mg_sink {
    struct mg_sink *next;
    mg_connection *connection;
    char *address;
    void *object;
    size_t sendable; /* under the host's lock */
    size_t sendable_at_refusal;
};

struct mg_connection {
    struct mg_connection *next;
    mg_instance *instance;
    mg_shard *shard;
    void *context;
    struct mg_source *sources;
    struct mg_sink *sinks;
    uint32_t window, index;
    bool opening, crashed;
    bool dirty; /* send or settled was called since the last flush */
    /* under the host's lock: */
    uint32_t in_hand; /* of those ingested without a source */
    bool up, closed;
    char why[256];
    size_t status_changes;
};

/* Lists of records grow by whole chunks that never move, so that a pointer to one stays good. */
struct kit_ingested_entry {
    struct kit_ingested_entry *next;
    struct kit_ingested record;
    bool due;                  /* to be settled at the next turn */
    struct kit_pending_op *op; /* of ingest_state, while it is not committed */
};

struct kit_sent_entry {
    struct kit_sent_entry *next;
    struct kit_sent record;
    bool settled;
};

/* An entry, an event or a settlement on its way into the store. */
struct kit_pending_op {
    struct kit_pending_op *next;
    mg_connection *connection; /* NULL: destroyed meanwhile */
    uint64_t turn;
    char *owner; /* NULL: no entry */
    struct mg_bytes key, value;
    void (*done)(void *arg);
    void *arg;
    struct kit_ingested_entry *ingested;
    struct kit_sent_entry *sent;
};

struct kit_entry {
    struct kit_entry *next;
    char *owner;
    struct mg_bytes key, value;
};

struct kit_store {
    bool open, automatic;
    int put_answer;
    uint64_t turn;
    struct kit_entry *entries; /* by owner and key */
    struct kit_pending_op *ops, **ops_last;
};

struct kit_pending {
    struct kit_pending *next;
    mg_token token;
    uint32_t kind;
    bool pended;
    bool resumed; /* or answered at once */
    struct kit_verdict verdict;
};

struct kit_line {
    struct kit_line *next;
    uint32_t level;
    char text[];
};

struct kit_host {
    struct mg_host table;
    pthread_t thread;
    mg_shard shards[KIT_SHARDS];
    int wake_fds[2]; /* a pipe: any thread ends the poll */
    pthread_mutex_t lock;

    struct mg_io *ios;
    struct mg_timer *timers;
    struct mg_wake *wakes;
    struct kit_job *jobs;
    bool by_hand, turning;
    int64_t now_us, wall_us; /* by hand, or as read last */
    unsigned held;           /* callbacks under way, in which the clocks stand still */

    struct mg_connection *connections;
    /* under the lock: */
    struct kit_ingested_entry *ingested, **ingested_last;
    struct kit_sent_entry *sent;
    struct kit_pending *pending;
    struct kit_line *lines;
    uint64_t last_token;
    size_t faults;
    enum kit_settle_when settle_when;
    uint32_t settle_outcome;
    int ingest_answer;
    size_t refused;

    struct kit_store store;

    struct kit_kept {
        struct kit_kept *next;
        void *what;
        void (*free)(void *what);
    } * kept; /* scopes and templates, freed with the host */
};

extern struct kit_host *kit_the_host;

void *kit_alloc(size_t size); /* zeroed; aborts where there is no memory */
char *kit_copy(const char *text);
void kit_keep(struct kit_host *host, void *what, void (*free_fn)(void *what));
/* Counts and prints a breach of plugin.h. */
void kit_fault(struct kit_host *host, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
/* Aborts unless the calling thread is the shards'. */
void kit_on_shard(struct kit_host *host, const char *service);
void kit_interrupt(struct kit_host *host); /* ends a poll in progress; ANY */

/* Around a callback that comes from no turn of the loop: the clocks stand still in it. */
void kit_clocks_hold(struct kit_host *host);
void kit_clocks_release(struct kit_host *host);

void kit_loop_fill(struct mg_host *table); /* loop.c */
void kit_loop_fini(struct kit_host *host);
void kit_records_fill(struct mg_host *table); /* records.c */
void kit_records_fini(struct kit_host *host);
/* Settles what is due and flushes what is dirty; true where there was anything. */
bool kit_records_turn(struct kit_host *host);
/* As ingest, but never settled before it returns. */
int kit_ingest_later(mg_connection *connection, mg_source *source, const struct mg_message *message,
                     uint64_t cookie, struct kit_ingested_entry **ret_entry);

void kit_store_fill(struct mg_host *table); /* store.c */
void kit_store_fini(struct kit_host *host);
bool kit_store_turn(struct kit_host *host);
void kit_store_settled(struct kit_host *host, struct kit_sent_entry *sent);
void kit_store_keep_until(struct kit_host *host, const struct kit_pending_op *op);
void kit_store_forget_connection(struct kit_host *host, const mg_connection *connection);
