/* SPDX-License-Identifier: Apache-2.0 */
/* A simulated world around the real core and the real store: time, chance, peers and faults come
 * from one seed, everything runs in one thread, and what happened once happens again.
 *
 * The core is the product's, linked whole but for flow/host_loop.c, whose services loop.c gives
 * with virtual time.  Calls between the core and its store go through watch.c (ld --wrap), which
 * keeps books of its own: what was committed, what was settled, and whether either was right. */
#pragma once
#include "flow/internal.h"

enum {
    SIM_SHARDS = 2,
    SIM_LINKS = 3,
    SIM_SOURCES = 3,
    SIM_ROUTES = 3,
    SIM_SINKS = 3, /* of one route */
    SIM_PARTS = 3, /* of one event */
    SIM_MESSAGES = 4096,
};

/* ---- chance --------------------------------------------------------------------------------- */

struct sim_random {
    uint64_t state;
};
struct sim_random sim_random_of(uint64_t seed, uint64_t purpose);
uint32_t sim_below(struct sim_random *random, uint32_t bound);
bool sim_chance(struct sim_random *random, uint32_t percent);
/* low … high, both included */
int64_t sim_between(struct sim_random *random, int64_t low, int64_t high);

/* ---- the plan: what a seed stands for (plan.c) ------------------------------------------------
 */

struct sim_route_plan {
    uint32_t source, sinks;
    uint32_t links[SIM_SINKS]; /* where each sink is */
    bool any, ordered, dead_letter;
    uint32_t dedup_by, on_error, full;
    int64_t dedup_count, dedup_window_ms;
    int64_t poison_after, max_attempts, breaker, backlog_count, ttl_ms, window;
    bool filters, splits, waits;
    bool archive;
};

/* Lies that a test of the oracles has a sink tell. */
enum sim_lie { SIM_HONEST, SIM_LOSES, SIM_REORDERS, SIM_DOUBLES };

struct sim_plan {
    uint64_t seed;
    enum sim_lie lie;
    uint32_t shards, link_count, source_count, route_count;
    uint32_t link_shard[SIM_LINKS], source_link[SIM_SOURCES];
    struct sim_route_plan routes[SIM_ROUTES];
    uint32_t messages, keys;
    uint32_t twin_percent, reject_percent, huge_percent, trouble_percent, expiry_percent;
    uint32_t event_weight, shard_weight, store_weight, job_weight;
    uint32_t kills, stops, losses, pauses, jumps, troubles, cuts; /* how many are to come */
    int64_t produce_us, wire_us, peer_us;                         /* the longest of each delay */
    uint32_t lane_most; /* legs of one lane in memory; 0: as it is */
    uint32_t sync;
};
void sim_plan_make(struct sim_plan *ret_plan, uint64_t seed);
void sim_plan_yaml(const struct sim_plan *plan, const char *folder, char *buffer, size_t size);

/* ---- messages and who sends them (source.c) ---------------------------------------------------
 */

enum sim_state { SIM_NEW, SIM_SENT, SIM_ACKED, SIM_REFUSED };

struct sim_message {
    uint32_t source, key;
    uint32_t ident;      /* the message that it repeats, or itself */
    uint32_t parts;      /* that a splitting step makes of it */
    bool drops, rejects; /* by a filter */
    bool waits, retries; /* in an enricher */
    uint32_t refused_by; /* bit: sink that rejects it, whatever the route */
    uint32_t huge_for;   /* the same: send answers -EMSGSIZE */
    int64_t expires_us;  /* wall clock, its own; 0: never */
    enum sim_state state;
    uint32_t offers; /* times that a gateway got it */
    bool returned;   /* the gateway gave it back by itself: it may come late */
};

struct sim_source {
    struct sim_link *link;
    mg_source *handle;
    uint32_t number, credit;
    uint32_t epoch; /* cookies of earlier connections mean nothing */
    bool pump_planned;
};

/* ---- the network (link.c, sink.c) --------------------------------------------------------------
 */

/* One delivery that has not been answered yet. */
struct sim_parcel {
    struct sim_parcel *next;
    struct sim_sink *sink;
    mg_token token;
    uint64_t serial, sequence;
    uint32_t message, part, verdict;
    int64_t arrives_us;
    bool flushed, arrived, done;
};

enum sim_mood { SIM_GOOD, SIM_SLOW, SIM_FLAKY, SIM_HANGS, SIM_FULL, SIM_MOODS };

struct sim_sink {
    struct sim_link *link;
    mg_sink *handle;
    uint32_t route, number, capacity, unanswered;
    enum sim_mood mood;
    bool blocked; /* it has said -EAGAIN and owes a sendable */
    /* Of what it took, in the log's order: by key, or of all. */
    uint64_t highest[64];
    uint32_t takes;
};

struct sim_link {
    uint32_t number;
    mg_connection *connection;
    bool up, closing, in_order, draining;
    uint32_t epoch; /* of the connection with the peer */
    struct sim_parcel *first, **last;
    int64_t last_arrival_us, last_answer_us;
    struct sim_ack *first_ack, **last_ack;
};

void sim_link_open(struct sim_link *link, mg_connection *connection);
void sim_link_begin(struct sim_link *link);
void sim_link_lose(struct sim_link *link);  /* the connection breaks, and both sides notice */
void sim_link_die(struct sim_link *link);   /* the gateway has died */
void sim_link_close(struct sim_link *link); /* what ops->close does */
void sim_link_flush(struct sim_link *link);

int sim_sink_send(struct sim_sink *sink, const struct mg_delivery *delivery, struct mg_err *err);
void sim_sink_flush(struct sim_link *link);
void sim_sink_lose(struct sim_link *link, bool tell);
void sim_sink_moods(void); /* plans the next change of each */
void sim_sinks_heal(void);

void sim_source_reset(struct sim_source *source); /* what was not answered comes again */
void sim_source_pump_soon(struct sim_source *source);
void sim_source_answer(struct sim_source *source, uint64_t cookie, uint32_t outcome);
void sim_source_flush(struct sim_link *link);
void sim_source_lose(struct sim_link *link);
void sim_produce_begin(void);
bool sim_sources_done(void);
/* Which message and part an event is; false: none of ours. */
bool sim_parse(struct mg_bytes payload, uint32_t *ret_message, uint32_t *ret_part);
uint32_t sim_copy_of(const mg_event *event); /* the message itself, where it is a repetition */

extern const struct mg_module sim_bridge_module, sim_filter_module, sim_split_module,
    sim_wait_step_module;

/* ---- what has been seen (watch.c, oracle.c) ----------------------------------------------------
 */

/* What is known of one record for one sink. */
struct sim_leg {
    uint32_t sends, takes, accepts, rejects, modifies;
    uint32_t kills; /* ends of the gateway with it in this sink's hand */
    uint32_t notes; /* as noted in the store */
    uint32_t send_life;
    bool out, in_hand, settled;
    bool unsure; /* a power cut may have taken what was known of it */
    bool loose;  /* given back by itself, and late from then on */
    uint32_t term;
};
struct sim_record {
    bool kept;
    uint32_t message, part, key;
    uint32_t parts, index; /* records of its event; which of them */
    int64_t expires_us;
    uint32_t left, worst; /* sinks (a first record: records as well) that are not done */
    struct sim_leg legs[SIM_SINKS];
    uint32_t records_left, event_worst; /* of a first record */
};
struct sim_book {
    struct sim_record *records; /* by sequence */
    uint64_t end, capacity;
    struct gw_store_log *log;
    uint8_t known[SIM_MESSAGES];      /* SIM_KEPT … by copy */
    bool identified[SIM_MESSAGES];    /* by message: some copy of it was kept */
    uint32_t newest[SIM_SOURCES][64]; /* copy that was kept last, and 1 */
    struct gw_store_ledger ledger;    /* as the store's should be */
};
enum { SIM_KEPT = 1, SIM_DUPLICATE = 2, SIM_BURIED = 4 };

void sim_watch_kill(void); /* the gateway dies now */
bool sim_store_turn(void);
/* books.c */
void sim_books_begin(void);
void sim_books_end(void);
struct sim_record *sim_record_at(uint32_t route, uint64_t sequence); /* NULL: not there */
void sim_saw_submit(struct gw_store_op *op);
void sim_saw_commit(struct gw_store_op *op);
/* stored NULL: that was all.  Nothing that the sink misses lies between next and what is shown. */
void sim_saw_shown(uint32_t route, uint32_t sink, uint64_t next, const struct gw_stored *stored);
/* May the sink be rid of it, without having it? */
bool sim_may_refuse(uint32_t route, const struct sim_leg *leg);
/* The sinks of the route may lose what nobody refused. */
bool sim_route_drops(uint32_t route);
void sim_books_close(uint32_t route); /* what a full backlog dropped, at the end */

void sim_saw_send(struct sim_sink *sink, const struct mg_delivery *delivery, uint32_t message,
                  uint32_t part);
void sim_saw_take(struct sim_sink *sink, const struct sim_parcel *parcel);
void sim_saw_refusal(struct sim_sink *sink, const struct sim_parcel *parcel);
void sim_saw_answer(struct sim_sink *sink, const struct sim_parcel *parcel, uint32_t outcome);
void sim_saw_ack(uint32_t copy, uint32_t outcome);
enum sim_end { SIM_STOPPED, SIM_KILLED, SIM_CUT };
void sim_saw_end(enum sim_end how);  /* of this gateway's life */
bool sim_dedups_all(uint32_t route); /* and forgets nothing during the run */
void sim_check_balance(void);
void sim_check_end(void);

/* ---- the world (world.c, loop.c, life.c) --------------------------------------------------------
 */

struct sim {
    struct sim_plan plan;
    struct sim_random chance, jitter; /* the world's; gw_random's */
    int64_t now_us, wall_offset_us;
    uint64_t steps;
    bool over; /* something failed: nothing counts any more */
    bool dead; /* the gateway is being taken apart as if it had never been told */
    bool calm; /* nothing bad happens any more */
    bool drains;
    uint32_t life;

    char folder[64]; /* of the store */
    struct gw_gateway *gateway;
    struct gw_model *model;
    struct gw_store *store;
    uint32_t outstanding; /* operations that the store has */
    bool store_idle, hot[SIM_SHARDS];

    struct sim_link links[SIM_LINKS];
    struct sim_source sources[SIM_SOURCES];
    struct sim_sink sinks[SIM_ROUTES][SIM_SINKS];
    struct sim_message *messages;
    uint32_t message_count;
    struct sim_book books[SIM_ROUTES];

    uint64_t hash; /* of the trace */
    char failure[512];
};
extern struct sim sim;

/* The world's own events; order among equal times is that of planning. */
void sim_after(int64_t us, void (*run)(void *arg, uint64_t number), void *arg, uint64_t number);
void sim_step(void);
void sim_run_until(int64_t us); /* control's wait: the world goes on */
void sim_world_begin(void);
void sim_world_end(void);
/* Runs fn as a callback of that connection's shard. */
void sim_on_shard(mg_shard *shard, void (*fn)(void *arg), void *arg);

/* loop.c */
bool sim_timer_next(int64_t *ret_due_us);
void sim_timer_fire(void);
bool sim_job_waits(void);
void sim_job_run(void); /* one of them, or its done */
void sim_jobs_finish(void);

/* disk.c */
void sim_disk_begin(void);
void sim_disk_end(void);
void sim_disk_ail(void); /* for a time */
void sim_disk_heal(void);
void sim_disk_cut(void); /* the power goes; nobody has the store open */
const char *sim_boot_id(void);

/* life.c */
bool sim_life_begin(void);
void sim_life_kill(bool power_cut);
void sim_life_stop(void);
bool sim_life_prepare(const char *yaml);
void sim_life_unprepare(void);

/* ---- the trace (trace.c) ------------------------------------------------------------------------
 */

void sim_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sim_fail(const char *format, ...) __attribute__((format(printf, 1, 2)));
void sim_trace_begin(bool aloud);
void sim_trace_print(void);

/* ---- one run (run.c) ----------------------------------------------------------------------------
 */

struct sim_options {
    enum sim_lie lie;
    bool aloud; /* the trace as it goes; else the end of it where something fails */
    bool quiet; /* not even that */
};
struct sim_result {
    bool failed;
    char failure[512];
    uint64_t hash, steps;
    uint32_t lives, messages, takes;
};
void sim_run(uint64_t seed, const struct sim_options *options, struct sim_result *ret_result);
