/* SPDX-License-Identifier: Apache-2.0 */
/* The running core, as its own files see it.  Who may touch what:
 *
 *   arrival, passage   the shard of the connection that ingested
 *   leg, lane          the shard of the sink's connection; a leg travels there and back as a task
 *   ledger             written by one shard each (struct gw_part), read through gw_shard_call
 *
 * arrival: one event as a source handed it over, with the settlement that is owed for it
 * passage: that event's way through one route
 * leg:     one event of a passage on its way to one sink
 * lane:    the queue of legs in front of one sink */
#pragma once
#include "base/log.h"
#include "event/event.h"
#include "event/template.h"
#include "flow/flow.h"
#include "flow/shard.h"
#include "plugin/call.h"
#include "plugin/instance.h"
#include "route/index.h"
#include "route/model.h"
#include "store/store.h"
#include <search.h>

struct gw_arrival;
struct gw_passage;
struct gw_replay;

/* Where a passage can end: the terms of the ledger, in the order of enum gw_store_term. */
enum gw_end_kind {
    GW_DELIVERED,
    GW_DROPPED,
    GW_EXPIRED,
    GW_DISCARDED,
    GW_RETURNED,
    GW_DUPLICATE,
    GW_DEAD_LETTERED,
    GW_END_KINDS
};

/* What has not been handed over to the store's ledger, if there is one. */

struct gw_ledger {
    uint64_t received;
    uint64_t ended[GW_END_KINDS];
    uint64_t in_flight; /* counted on its own: that the sum agrees is a check, not a definition */
    uint64_t retries;   /* sends after the first */
    uint64_t missed;    /* legs given up because `require: any` was content without them */
};

/* One route's share on one shard. */
struct gw_part {
    struct gw_ledger ledger;
    struct gw_passage *oldest, *newest;        /* alive, in order of arrival */
    struct gw_passage *first_step, *last_step; /* in steps: they leave in this order */
    bool releasing;       /* all of them go back: none may overtake one that went back before it */
    bool first_open;      /* the first step's context is opened (see gw_route.alone) */
    void **step_contexts; /* one for each step */
    uint64_t matched;     /* number of the arrival that met this route last */
    int64_t log_second_us;
    uint32_t logged, suppressed;
};

struct gw_step {
    const struct gw_step_config *config;
    struct mg_instance *instance;
    const struct mg_step_ops *ops;
};

struct gw_route {
    struct gw_gateway *gateway;
    const struct gw_route_config *config;
    struct gw_step *steps;
    struct mg_sink **sinks;
    struct gw_part *parts; /* one for each shard */

    struct gw_store_log *log; /* NULL: the gateway has no store */
    bool stored;              /* guarantee: stored, and there is a store (explain has none) */
    bool alone; /* some source of it asks its first step alone; else that opens when it is asked */
    atomic_bool paused;
    pthread_mutex_t pause_lock; /* protects pause_reason */
    char pause_reason[160];
};

/* One `from` of one route. */
struct gw_entry {
    struct gw_route *route;
    const struct gw_pattern *match; /* NULL: every address */
    struct mg_source *source;
    struct gw_shared_filter *shared; /* this entry stands for all that share it; NULL: for itself */
    bool in_company;                 /* another entry stands for this one */
};

/* What is known of an event before its passage through a route with a shared filter begins. */
struct gw_company {
    bool passed;     /* the first step would pass it */
    uint32_t deaths; /* of the process, with the event in the filter */
};

/* What a source may have in hand; `owed` is credit not yet given back to the bridge. */
struct gw_window {
    uint32_t limit, in_hand, owed;
    bool listed; /* among the connection's windows that owe */
    struct gw_window *next_owing;
    struct mg_source *source; /* NULL: the connection's own */
};

struct mg_source {
    struct mg_connection *connection;
    const struct gw_source_config *config;
    void *context;
    struct gw_window window;
    struct mg_source *same_address; /* another of the same address and other keys */
    uint32_t *entries;              /* places in the connection's entries */
    size_t entry_count;
};

struct mg_sink {
    struct mg_connection *connection;
    struct gw_route *route;
    const struct gw_sink_config *config;
    void *context;
    bool confirms;
    /* The lane. */
    struct gw_leg *first_waiting, *last_waiting, *last_returned;
    struct gw_leg *first_sent, *last_sent;
    uint64_t waiting, sent;
    uint64_t next_sequence;
    bool blocked, backing_off, pumping;
    struct mg_sink *next_blocked;
    bool in_blocked; /* linked there, perhaps no longer blocked */
    mg_timer *backoff;
    uint64_t delay_ms;
    int64_t failed_us;        /* when it last failed; 0: never */
    struct gw_outlet *outlet; /* of a stored route: where the lane is filled from; else NULL */
};

enum gw_breaker { GW_BREAKER_CLOSED, GW_BREAKER_OPEN, GW_BREAKER_TRYING };
enum { GW_KEY_BUCKETS = 1024 };

/* What a stored route's lane has beside the lists: its place in the store's log, and the legs that
 * are kept out of the lists.  Of the sink's shard. */
struct gw_outlet {
    struct mg_sink *sink;
    uint32_t place;    /* of the sink, in its route */
    uint64_t next;     /* every record before it is here, or done with */
    uint64_t missed;   /* what is in the store alone ends before it */
    uint64_t sent_end; /* the last that was sent, and one */
    uint32_t in_hand;  /* legs here: waiting, sent, held, late, behind others of their key */
    size_t bytes;      /* of their payloads */
    bool reading, draining, suspect_out;
    struct gw_leg *late, *last_late; /* offered during a read, one sequence after the other */

    struct gw_store_settle *batch; /* of this turn */
    struct gw_outlet *next_settling;
    bool settling; /* listed with the shard */

    struct gw_leg **keys; /* GW_KEY_BUCKETS lists of the first leg of each key; NULL: no order_by */
    struct gw_spilled *spilled; /* keys that are left in the store for a time */
    struct gw_leg *held;        /* to be tried again when due */
    mg_timer *held_timer;

    enum gw_breaker breaker;
    uint32_t failures;   /* turns in a row in which it failed */
    int64_t failed_turn; /* the time of that turn */
    mg_timer *breaker_timer;
    uint64_t breaker_ms;
    char breaker_reason[160];
};

/* The shared filter passes the event; it has killed the process too often. */
#define GW_MATCH_POISON (UINT32_C(1) << 30)
#define GW_MATCH_PASSED (UINT32_C(1) << 31)

struct mg_connection {
    struct gw_gateway *gateway;
    const struct gw_bridge_config *config;
    struct mg_instance *instance;
    mg_shard *shard;
    const struct mg_bridge_ops *ops;
    void *context;
    uint32_t number; /* among its bridge's connections, from 0 */
    char label[12];  /* the same for logs; empty where the bridge has only one */

    struct mg_source *sources;
    size_t source_count;
    struct hsearch_data by_address; /* of the sources, while they are built */
    struct mg_sink **sinks;
    size_t sink_count;
    struct mg_sink *first_blocked, *last_blocked; /* lanes that wait for sendable, in turn */
    struct gw_entry *entries;
    size_t entry_count;
    struct gw_index *index; /* of the entries with a pattern; ids are places in entries */
    uint32_t *any;          /* the entries without one */
    size_t any_count;
    struct gw_matches matches; /* GW_MATCH_* may be set in the ids */
    bool shares;               /* some entries have a shared filter */
    bool in_company;           /* the last event met one */
    uint32_t company_deaths;   /* of the process, with the last event in one, if it is poison */
    struct gw_window window;   /* of events ingested without a source */
    struct gw_window *owing;   /* those with credit to give back */
    uint64_t received, unmatched, refused;

    bool is_dirty, opened, draining;
    struct mg_connection *next_dirty;
    struct gw_task sendable_task;
    atomic_bool sendable_posted, closing, closed;
    atomic_uint inboxed; /* events on their way through the inbox */

    pthread_mutex_t status_lock; /* protects the three below */
    bool up, seen;
    char why[160];
};

/* An entry of a bridge's state that has to be kept before its source hears accepted. */
struct gw_arrival_state {
    struct gw_store_state op; /* first */
    struct gw_task task;
    struct gw_arrival *arrival;
    bool handed, kept; /* with the store, together with the event; there */
    char bytes[];
};

struct gw_arrival {
    struct mg_connection *connection;
    struct mg_source *source; /* NULL: ingested without */
    uint64_t cookie;
    const mg_event *event; /* borrowed until the end of ingest */
    uint32_t untold;       /* passages whose outcome the source still waits for */
    uint32_t alive;
    uint32_t outcome;
    bool holds_window;
    struct gw_replay *replay;       /* who hears the outcome instead of a bridge; NULL: nobody */
    struct gw_arrival_state *state; /* kept with it (ingest_state); NULL: none */
    char *reason;                   /* of the outcome, kept while others are untold; NULL: none */
};

/* A reason that is kept is cut to this; one that is longer helps nobody. */
enum { GW_REASON_MOST = 159, GW_SHORT_ADDRESS = 64 };

/* HELD, BEHIND: in an outlet, not in a list of the lane.  BURIED: until the store has the dead
 * letter.
 */
enum gw_leg_state {
    GW_LEG_NEW,
    GW_LEG_WAITING,
    GW_LEG_SENT,
    GW_LEG_DONE,
    GW_LEG_HELD,
    GW_LEG_BEHIND,
    GW_LEG_BURIED
};

struct gw_leg {
    struct gw_task task;   /* to the lane and back */
    struct gw_task cancel; /* after it, at most once */
    struct gw_passage *passage;
    struct mg_sink *sink;
    const mg_event *event; /* the passage's, or `own` */
    mg_event *own;         /* with the sink's properties set */
    struct mg_str address;
    char *long_address;             /* where it does not fit into short_address */
    char *reason;                   /* why it did not end well; NULL: nobody said */
    struct gw_leg *previous, *next; /* in waiting or sent */
    uint64_t sequence;
    mg_token token;
    uint32_t attempts; /* sends */
    uint32_t counted;  /* of them, those that count against max_attempts */
    uint32_t output;   /* which event of the passage */
    enum gw_leg_state state;
    bool pardoned;    /* the route was paused for it: it is tried again when that is over */
    bool orphan;      /* its passage has ended; holds a reference to it until it is settled */
    uint32_t outcome; /* MG_ACCEPTED, MG_REJECTED, MG_RELEASED (cancelled), or 0: expired */
    int64_t back_us;  /* by which its expiry is nearer than the event's: the clock has gone back */

    /* Of a stored route. */
    uint64_t key;                        /* of order; 0: none */
    struct gw_leg *same_bucket, *behind; /* heads of keys; the next leg of this key */
    struct gw_leg *last_behind;          /* of a head */
    struct gw_leg *next_held;
    int64_t due_us;    /* held until then */
    uint64_t delay_ms; /* its last */
    uint32_t deaths;   /* of the process, with this leg in hand */
    char short_address[GW_SHORT_ADDRESS];
};

/* One event that leaves a passage, and what its sinks said. */
struct gw_output {
    uint32_t open, accepted, rejected;
};

/* STORED: it is the store's, and on its way to its sinks; nothing is owed to the source. */
enum gw_stage { GW_STEPPING, GW_STEPPED, GW_STAGED, GW_STORING, GW_IN_STORE };

/* What of a passage is with the store. */
struct gw_staging {
    struct gw_store_append append;
    struct gw_store_bury bury;      /* of a step's dead letter */
    struct gw_task task;            /* back to the shard */
    struct gw_arrival_state *state; /* kept with the event; NULL: none */
    void *record, *original;
    size_t length, original_length;
    void **records; /* &record where there is one */
    size_t *lengths;
};

/* Begins as zero up to `values`; what follows is written before it is read. */
struct gw_passage {
    struct gw_route *route;
    struct gw_part *part;
    mg_shard *shard;
    struct gw_arrival *arrival; /* NULL once it has been told and left */
    struct gw_passage *older, *newer;
    struct gw_passage *before, *after; /* in the steps queue */
    uint32_t holds;   /* the passage itself, and each function of its shard that is at work on it */
    atomic_uint refs; /* one for all holds, one for each leg elsewhere and each cancellation */
    int64_t arrived_us;      /* monotonic */
    int64_t arrived_wall_us; /* wall clock */
    int64_t expires_us;      /* wall clock; 0: never */
    uint64_t event_id;
    const struct gw_pattern *match;

    const mg_event *origin; /* as it came in: the captures point into its address */
    bool origin_borrowed;   /* origin is the arrival's, not a reference */
    bool borrowed;          /* events[0] is origin, without a reference of its own */
    bool told, ended, in_step_queue, expired;
    enum gw_stage stage;
    const mg_event **events;
    size_t event_count, event_capacity;
    const mg_event *only_event[1];

    /* Steps. */
    size_t step, position; /* the step, and the event in front of it */
    const mg_event **next_events;
    size_t next_count, next_capacity;
    mg_token pending;
    mg_timer *retry;
    uint64_t retry_ms;
    uint32_t step_attempts;

    /* Stage and after. */
    struct gw_leg *legs;
    size_t leg_count, open_legs, satisfied;
    const char *reason; /* the leg's that was the first not to end well */
    struct gw_output *outputs;

    struct gw_captures captures;
    struct mg_str values[GW_CAPTURES_MAX]; /* as many as captures says */
    struct mg_scope scope;
    struct gw_output only_output;
    struct gw_leg only_leg;      /* of one event to one sink, the common case */
    struct gw_staging staging;   /* written where the route is stored */
    uint64_t poison_identity[2]; /* written where the route is stored and has steps */
};

/* The first connection has all sinks and sources; each further one the sources with as many
 * consumers. */
struct gw_bridge {
    const struct gw_bridge_config *config;
    struct mg_instance *instance;
    struct mg_connection **connections; /* a part of gw_gateway.connections */
    uint32_t connection_count;
};

/* Who wants to see an event's way while it goes it: explain and rehearsals. */
struct gw_trace {
    void (*step)(void *arg, const struct gw_passage *passage, const char *step, uint32_t verdict,
                 size_t count, const char *reason);
    void (*end)(void *arg, const struct gw_passage *passage, enum gw_end_kind kind,
                const char *step, const char *reason);
    void *arg;
};

struct gw_gateway {
    const struct gw_model *model;
    struct mg_host host;
    struct mg_shard *shards;
    uint32_t shard_count;
    struct gw_bridge *bridges;
    struct mg_connection **connections; /* of all bridges */
    size_t connection_count;
    struct gw_route *routes;
    struct mg_instance **instances; /* in order of creation */
    size_t instance_count;
    const struct gw_trace *trace; /* NULL: nobody */
    struct gw_store *store;       /* NULL: none */
    struct gw_poison *poison;     /* events that were in a step when the process died; NULL: none */
    size_t poison_count;
    struct gw_watchdog *watchdog; /* NULL: none */
    uint32_t lane_most; /* legs of one stored lane in memory; the rest stays in the store */
    const struct gw_store_options *store_options; /* NULL: those of a gateway that runs */
};

enum { GW_LANE_MOST = 4096 };

/* build.c */
int gw_build(struct gw_gateway *gateway, struct mg_err *err);
void gw_unbuild(struct gw_gateway *gateway); /* takes what a failed build leaves */

/* connections.c: without their sources and sinks, but with room for them. */
int gw_connections_create(struct gw_gateway *gateway);
void gw_connections_destroy(struct gw_gateway *gateway); /* takes what a failed create leaves */

/* watchdog.c: from start on, callbacks that hold a shard up are logged and counted. */
int gw_watchdog_start(struct gw_gateway *gateway);
void gw_watchdog_stop(struct gw_gateway *gateway); /* what never started is fine */

/* report_steps.c */
json_t *gw_steps_report(const struct gw_route *route);

/* shard.c, host_loop.c, host.c */
void gw_shard_close_handles(struct mg_shard *shard);
/* Of the core's own, even where a module's call has led here. */
mg_timer *gw_core_timer_start(const struct mg_host *host, mg_shard *shard, uint64_t after_ms,
                              void (*fired)(void *arg), void *arg);
/* As of this turn where the caller is the shard; as of now elsewhere, and for NULL. */
int64_t gw_now_us(mg_shard *shard);
int64_t gw_wall_us(mg_shard *shard);
uint32_t gw_random(uint32_t bound);

/* token.c: the table of obligations of a shard. */
int gw_token_new_shard(mg_shard *shard, void *object,
                       void (*settled)(mg_shard *, void *object, uint32_t outcome,
                                       const char *reason),
                       mg_token *ret_token);
/* The object, or NULL where the token is no longer (or never was) good. */
void *gw_token_object_shard(mg_shard *shard, mg_token token);
void gw_token_free_shard(mg_shard *shard, mg_token token);
uint32_t gw_token_shard(mg_token token);

/* settle.c: settlements and resumptions from any thread. */
char *gw_reason_copy(const char *reason); /* cut to GW_REASON_MOST; NULL: out of memory */
void gw_settle_host_fill(struct mg_host *host);
mg_shard *gw_shard_of_token(mg_token token); /* gateway.c; NULL: no such shard */

/* ingest.c */
void gw_ingest_host_fill(struct mg_host *host);
void gw_window_give_shard(struct mg_connection *connection, struct gw_window *window,
                          uint32_t credit);
void gw_window_grant_shard(struct mg_connection *connection);
/* A passage's outcome reaches its arrival; and later the passage itself is gone. */
void gw_arrival_tell_shard(struct gw_arrival *arrival, uint32_t outcome, const char *reason);
void gw_arrival_leave_shard(struct gw_arrival *arrival);

/* passage.c */
/* company NULL: all steps are to be taken. */
void gw_passage_start_shard(struct gw_entry *entry, struct gw_arrival *arrival, mg_shard *shard,
                            const struct gw_company *company);
/* kind says how it counts, outcome what the source hears. */
void gw_passage_end_shard(struct gw_passage *passage, enum gw_end_kind kind, uint32_t outcome,
                          const char *step, const char *reason);
/* An event that can never pass, or not now: `direct` returns it to its source, else it is
 * discarded. */
void gw_passage_reject_shard(struct gw_passage *passage, const char *step, const char *reason);
void gw_passage_release_shard(struct gw_passage *passage, const char *step, const char *reason);
void gw_passage_leg_done_shard(struct gw_leg *leg);
/* Decides where it can be decided. */
void gw_passage_decide_shard(struct gw_passage *passage);
/* Makes sure that the passage's events outlive the call that borrowed them.  0 or -ENOMEM. */
int gw_passage_keep_shard(struct gw_passage *passage);
/* For the duration of a call on the passage's own shard. */
void gw_passage_hold_shard(struct gw_passage *passage);
void gw_passage_drop_shard(struct gw_passage *passage);
/* For as long as something of it is on its way between shards. */
void gw_passage_ref(struct gw_passage *passage);   /* ANY */
void gw_passage_unref(struct gw_passage *passage); /* ANY */
void gw_passage_log_shard(struct gw_passage *passage, uint32_t level, const char *message,
                          const char *step, const char *reason);

/* The event has left the shard's ledger for the store's. */
void gw_passage_moved_shard(struct gw_passage *passage);
void gw_route_log_shard(struct gw_route *route, mg_shard *shard, uint32_t level,
                        const char *message, const mg_event *event, uint64_t event_id,
                        const char *step, const char *reason);

/* stage.c */
void gw_passage_stage_shard(struct gw_passage *passage);
void gw_legs_free(struct gw_passage *passage); /* ANY: nobody else has the passage any more */

/* steps.c */
void gw_steps_run_shard(struct gw_passage *passage);
void gw_steps_leave_shard(struct gw_passage *passage); /* out of the queue; the next may go on */
void gw_steps_resumed_shard(struct gw_passage *passage, uint32_t verdict, mg_event *const *events,
                            size_t count, const char *reason);

/* gateway.c: all but first steps that are in a shared filter wherever they are asked; those open
 * when somebody asks one alone. */
int gw_step_open_shard(mg_shard *shard, struct gw_route *route, size_t step, struct mg_err *reterr);
void gw_steps_open_shard(mg_shard *shard, struct gw_gateway *gateway, int *ret_error,
                         struct mg_err *err);
void gw_steps_close_shard(mg_shard *shard, struct gw_gateway *gateway);

/* lane.c: all on the sink's shard. */
void gw_lane_offer_task(mg_shard *shard, struct gw_task *task);
void gw_lane_cancel_task(mg_shard *shard, struct gw_task *task);
void gw_lane_pump_shard(struct mg_sink *sink);
void gw_lane_sendable_shard(struct mg_connection *connection, struct mg_sink *sink);
void gw_lane_sweep_shard(struct mg_sink *sink); /* ends what has expired */
void gw_lane_close_shard(struct mg_sink *sink); /* releases whatever is left */

void gw_lane_put_shard(struct mg_sink *sink, struct gw_leg *leg); /* next in order */
void gw_lane_back_shard(struct mg_sink *sink, struct gw_leg *leg);
void gw_lane_back_off_shard(struct mg_sink *sink);

/* store_in.c: from a passage to the store. */
void gw_passage_store_shard(struct gw_passage *passage);
/* Takes over: the event as it came in becomes a dead letter.  false: it cannot. */
bool gw_passage_bury_shard(struct gw_passage *passage, const char *step, const char *reason);
void gw_staging_free(struct gw_passage *passage);

/* outlet.c, outlet_settled.c: from the store to a lane, and what became of it. */
int gw_outlet_create(struct mg_sink *sink, uint32_t place);
void gw_outlet_destroy(struct mg_sink *sink);
void gw_outlet_start_shard(struct mg_sink *sink);
void gw_outlet_offer_shard(struct mg_sink *sink, struct gw_leg *leg);
void gw_outlet_settled_shard(struct mg_sink *sink, struct gw_leg *leg, uint32_t outcome,
                             const char *reason);
/* The leg has ended without having been sent: outcome as in struct gw_leg. */
void gw_outlet_ended_shard(struct mg_sink *sink, struct gw_leg *leg, uint32_t outcome,
                           const char *reason);
/* May a leg go now; may this one? */
bool gw_outlet_may_send(const struct mg_sink *sink);
bool gw_outlet_may_send_leg(const struct mg_sink *sink, const struct gw_leg *leg);
/* The last look before it is sent.  false: it is not to be, and has left the lane. */
bool gw_outlet_admit_shard(struct mg_sink *sink, struct gw_leg *leg);
/* Before the bridge's send: it is in the sink's hand.  And wherever it has come out of it. */
void gw_outlet_sending_shard(struct mg_sink *sink, const struct gw_leg *leg);
void gw_outlet_back_shard(struct mg_sink *sink, const struct gw_leg *leg);
void gw_outlet_sweep_shard(struct mg_sink *sink);
void gw_outlet_drain_shard(struct mg_sink *sink);
void gw_outlet_close_shard(struct mg_sink *sink);
bool gw_outlet_reading_shard(const struct mg_sink *sink);
uint64_t gw_outlet_delivery_id(const struct mg_sink *sink, const struct gw_leg *leg);

/* store_turn.c: what a shard has for the store goes there at the end of its turn. */
void gw_store_turn_shard(mg_shard *shard);
void gw_store_settle_shard(struct mg_sink *sink, uint64_t sequence, uint32_t term);
void gw_store_note_shard(struct mg_sink *sink, uint64_t sequence, uint32_t attempts);
void gw_store_count_shard(mg_shard *shard); /* the ledgers of all routes */
void gw_store_add_shard(mg_shard *shard, struct gw_store_op *op);
void gw_store_host_fill(struct mg_host *host);
/* What stands in front of the keys of this connection's state. */
enum { GW_STATE_PREFIX_MOST = 128 };
size_t gw_state_prefix(const struct mg_connection *connection, char *buffer, size_t size);

/* store_open.c: between the gateway's model and its store.  CONTROL. */
int gw_gateway_store_open(struct gw_gateway *gateway, struct mg_err *reterr);
void gw_gateway_store_close(struct gw_gateway *gateway);
/* Stops or resumes sending, also after a restart.  ANY; who resumes pumps the lanes. */
void gw_route_pause(struct gw_route *route, bool pause, const char *reason);

/* poison.c: events that kill the process while a step looks at them. */
int gw_poison_load(struct gw_gateway *gateway); /* CONTROL; the store is open */
/* number: of the route's log. */
void gw_poison_identity(const mg_event *event, uint64_t number, uint64_t ret_identity[2]);
uint32_t gw_poison_deaths(struct gw_gateway *gateway, const uint64_t identity[2]); /* ANY */
void gw_poison_forget(struct gw_gateway *gateway, const uint64_t identity[2]);     /* ANY */
/* Before the first step.  true: it has killed too often, by itself or in company, and is refused: a
 * dead letter of a stored route.  Others are asked where it has killed in company: their filter
 * would end the process before the dead letters of the stored ones are kept. */
bool gw_poison_stops_shard(struct gw_passage *passage, uint32_t deaths_in_company);

/* shared_filter.c */
/* Between create_instances and the first event.  CONTROL. */
int gw_shared_filters_create(struct mg_connection *connection, struct mg_err *reterr);
void gw_shared_filters_destroy(struct mg_connection *connection);
/* Replaces, among the connection's matches, each entry with a shared filter by those that the event
 * is for, marked.  -ENOMEM: the event is to be refused, and counts twice when it comes again. */
int gw_shared_filters_match_shard(struct mg_connection *connection, const mg_event *event);
/* What the filters have dropped goes to the ledgers of their routes. */
void gw_shared_filters_count_shard(mg_shard *shard);

/* replay.c: the outcome of what came by the control thread's hand. */
void gw_replay_told(struct gw_replay *replay, uint32_t outcome);

/* report.c: the store's ledger, and of `here` what has not gone over to it yet. */
struct gw_store_ledger gw_route_ledger(const struct gw_route *route, const struct gw_ledger *here);

/* tap.c: only where the shard has taps.  The event has been taken. */
struct gw_tapped;
void gw_tap_in_shard(struct mg_connection *c, const mg_event *event);
/* Before a send, whose event may be gone behind it; and behind it.  NULL: nobody looks. */
struct gw_tapped *gw_tap_out_shard(struct mg_sink *sink, const struct mg_delivery *delivery);
void gw_tap_sent_shard(struct gw_tapped *tapped, bool taken);

/* turn.c */
bool gw_turn_end_shard(mg_shard *shard); /* true: call again soon */
void gw_turn_mark_shard(struct mg_connection *connection);
