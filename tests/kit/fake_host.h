/* SPDX-License-Identifier: Apache-2.0 */
/* A host for one module under test: every service of struct mg_host, without a gateway.
 *
 * The test plays the core.  It creates an instance, opens connections and ends, runs the loop until
 * something has happened, and looks at what the module did.  The thread that creates the host is
 * the control thread and every shard at once: nothing of the module runs unless a kit_ function is
 * in progress, except its own threads and the jobs that it gave to work().
 *
 * One host at a time per process (a token has no room for more).  What a module does against the
 * contract of plugin.h (settles twice, answers what its kind may not, ends a watch twice, calls a
 * SHARD service from another thread) is printed and counted as a fault: a test ends with
 * CU_ASSERT_EQUAL(kit_host_destroy(host), 0). */
#pragma once
#include "meshgate/plugin.h"

#ifdef __cplusplus
extern "C" {
#endif

struct kit_host;

/* ---- the host ------------------------------------------------------------------------------- */

struct kit_host *kit_host_create(void); /* aborts where memory is short: it is a test */
/* Frees all; instances must have been destroyed.  Returns the number of faults, each handle that is
 * still alive (watch, timer, wake, job) being one. */
size_t kit_host_destroy(struct kit_host *host);
const struct mg_host *kit_host_table(const struct kit_host *host);
enum { KIT_SHARDS = 4 };
mg_shard *kit_shard(struct kit_host *host, uint32_t index); /* index < KIT_SHARDS */
size_t kit_faults(struct kit_host *host);                   /* so far, live handles not counted */
size_t kit_live_handles(struct kit_host *host);

/* ---- the loop and the clock ----------------------------------------------------------------- */

/* Turns the loop until done answers true, at most timeout_ms of real time.  Returns what done
 * answered last.  done NULL: runs for the whole time. */
bool kit_run_until(struct kit_host *host, bool (*done)(void *arg), void *arg, int timeout_ms);
/* One turn that does not wait: what is ready, then flush. */
void kit_turn(struct kit_host *host);
/* From now on the clocks stand still but for kit_clock_advance_ms, which fires what falls due in
 * order, a turn of the loop after each. */
void kit_clock_by_hand(struct kit_host *host);
void kit_clock_advance_ms(struct kit_host *host, uint64_t ms);
int64_t kit_next_timer_ms(struct kit_host *host); /* until the next one is due; -1: none */

/* ---- events, scopes, templates -------------------------------------------------------------- */

/* A NUL-terminated text as mg_str (NULL: unset), and the comparison that tests need. */
struct mg_str kit_str(const char *text);
bool kit_str_is(struct mg_str text, const char *expected);
bool kit_payload_is(const mg_event *event, const char *expected);
/* A message with all defaults and that address and payload; borrows both. */
struct mg_message kit_message(const char *address, const char *payload);
mg_event *kit_event(const char *address, const char *payload); /* owned by the caller */

/* Route name, then pairs of capture name and value, NULL-ended.  Lives as long as the host. */
const mg_scope *kit_scope(struct kit_host *host, const char *route, ...) __attribute__((sentinel));
/* Lives as long as the host; aborts where the text is not a template. */
const mg_template *kit_template(struct kit_host *host, const char *text);

/* ---- instances ------------------------------------------------------------------------------ */

/* The descriptor of a shared object; NULL: reterr says why.  It stays loaded until the process
 * ends, so that leak checkers can name its functions. */
const struct mg_module *kit_module_load(const char *path, struct mg_err *reterr);

/* Would a gateway take this descriptor?  0, or -EINVAL: reterr says what is wrong, and the cure. */
int kit_module_check(const struct mg_module *module, struct mg_err *reterr);

/* The module's cross-field check, if any, then create.  settings: the module's struct, filled by
 * hand or by kit_settings (bind.h); it must outlive the instance. */
int kit_instance_create(struct kit_host *host, const struct mg_module *module, const char *name,
                        const void *settings, mg_instance **ret_instance, struct mg_err *reterr);
int kit_instance_start(mg_instance *instance, struct mg_err *reterr);
void kit_instance_drain(mg_instance *instance);
/* Closes the shard contexts, then stops; connections must have been destroyed. */
void kit_instance_stop(mg_instance *instance);
void kit_instance_destroy(mg_instance *instance); /* NULL is fine */
void *kit_instance_self(const mg_instance *instance);
int64_t kit_counter(mg_instance *instance, uint32_t counter); /* the sum of what it counted */

/* ---- steps ---------------------------------------------------------------------------------- */

struct kit_verdict {
    uint32_t verdict; /* of process, or of resume where that answered MG_PENDING */
    bool pended;
    mg_event **events; /* of MG_REPLACE */
    size_t count;
    struct mg_err err;
};
/* Calls process on shard 0 and waits up to 10 s for a pending verdict.  An answer that the kind of
 * module may not give is a fault, and so is one that never comes (verdict: MG_PENDING). */
struct kit_verdict kit_process(mg_instance *instance, const mg_event *event, const mg_scope *scope);
void kit_verdict_fini(struct kit_verdict *verdict);
/* The two halves of it, for several events at a time: the call, and what kit_process answers.  An
 * instance may be stopped in between. */
struct kit_pending *kit_process_begin(mg_instance *instance, const mg_event *event,
                                      const mg_scope *scope);
bool kit_is_answered(void *kit_pending); /* kit_run_until's done */
struct kit_verdict kit_process_end(struct kit_host *host, struct kit_pending *pending);

/* ---- bridges -------------------------------------------------------------------------------- */

/* The steps of the core, one by one.  Each returns what the module returned. */
int kit_connection_open(mg_instance *instance, uint32_t shard, mg_connection **ret_connection,
                        struct mg_err *reterr);
/* settings must outlive the connection. */
int kit_source_open(mg_connection *connection, const char *address, const void *settings,
                    mg_source **ret_source, struct mg_err *reterr);
int kit_sink_open(mg_connection *connection, const char *address, const void *settings,
                  mg_sink **ret_sink, struct mg_err *reterr);
/* begin, then credit for each source: `window` events may be unsettled before ingest answers
 * -EAGAIN.  Each settlement gives credit for one more. */
int kit_connection_begin(mg_connection *connection, uint32_t window, struct mg_err *reterr);
void kit_connection_drain(mg_connection *connection);
/* close, then turns until the module says closed.  0 or -ETIMEDOUT. */
int kit_connection_close(mg_connection *connection, int timeout_ms);
void kit_connection_destroy(mg_connection *connection); /* NULL is fine */
void *kit_connection_context(const mg_connection *connection);
bool kit_connection_up(mg_connection *connection);         /* as status said last */
const char *kit_connection_why(mg_connection *connection); /* likewise; good until the next call */
size_t kit_status_changes(mg_connection *connection);      /* calls of status that changed `up` */
bool kit_connection_is_up(void *connection);               /* kit_run_until's done */

/* What the module ingested, in order. */
struct kit_ingested {
    mg_connection *connection;
    mg_source *source; /* NULL: found by address */
    mg_event *event;   /* the host's */
    uint64_t cookie;
    uint32_t outcome; /* 0: not settled yet */
    bool kept;        /* by ingest_state, and committed */
};
size_t kit_ingested_count(struct kit_host *host);
/* index < count; good until kit_host_destroy or kit_ingested_clear. */
const struct kit_ingested *kit_ingested(struct kit_host *host, size_t index);
void kit_ingested_clear(struct kit_host *host); /* forgets those that have been settled */
/* kit_run_until's done: at least so many have come. */
struct kit_count {
    struct kit_host *host;
    size_t least;
};
bool kit_has_ingested(void *kit_count);
/* How ingested events are settled: not at all (the test calls kit_settle; this is the default),
 * before ingest returns (ingest_event: at the next turn), or at the next turn. */
enum kit_settle_when { KIT_SETTLE_BY_HAND, KIT_SETTLE_AT_ONCE, KIT_SETTLE_NEXT_TURN };
void kit_settle_when(struct kit_host *host, enum kit_settle_when when, uint32_t outcome);
void kit_settle(struct kit_host *host, size_t index, uint32_t outcome, const char *reason);
/* Further ingests answer this negative errno and take nothing; 0: normal again. */
void kit_ingest_answer(struct kit_host *host, int answer);
size_t kit_refused_count(struct kit_host *host); /* ingests that took nothing */

/* One send; the settlement is found under the token.  token 0 in: best effort. */
struct kit_sent {
    mg_token token; /* 0: best effort, or not taken */
    mg_sink *sink;
    uint32_t outcome; /* 0: not settled yet */
    bool kept;        /* the settlement is committed */
    char reason[256];
};
/* Calls send with a fresh token (want_outcome) or none, attempt 1.  What it returned; on 0
 * *ret_sent (may be NULL) lives as long as the host. */
int kit_send(mg_sink *sink, const mg_event *event, const char *address, bool want_outcome,
             const struct kit_sent **ret_sent, struct mg_err *reterr);
/* The same, of a stored event: with mg_delivery.id. */
int kit_send_stored(mg_sink *sink, const mg_event *event, const char *address, uint64_t id,
                    const struct kit_sent **ret_sent, struct mg_err *reterr);
bool kit_is_settled(void *kit_sent); /* kit_run_until's done */
size_t kit_unsettled_count(struct kit_host *host);
bool kit_all_settled(void *kit_host);     /* kit_run_until's done: no send is unsettled */
size_t kit_sendable_count(mg_sink *sink); /* calls of sendable for it or for its connection */
bool kit_is_sendable(void *sink); /* done: a call came after the last -EAGAIN of that sink */

/* ---- a store -------------------------------------------------------------------------------- */

/* Without kit_store_open there is none: its services answer -ENOTSUP, and ingest_state is ingest.
 * Entries belong to the
 * connection's instance name and index, and outlive both, so that a test can start a module again.
 * What the module puts, ingests with state and settles is on its way, by turns of the loop, until
 * it is committed. */
void kit_store_open(struct kit_host *host);
/* Before begin: a stored route takes events of this source. */
void kit_source_stored(mg_source *source);
/* Commits the oldest `turns` turns (0: all there are), done callbacks included; events of
 * ingest_state are `kept` then, and so are settlements.  false: there was nothing.  An event of
 * ingest_state that is settled as accepted is committed first, with all before it. */
bool kit_store_commit(struct kit_host *host, size_t turns);
void kit_store_automatic(struct kit_host *host, bool automatic); /* at each turn of the loop */
void kit_store_next_turn(struct kit_host *host); /* between callbacks that no loop has called */
void kit_store_answer(struct kit_host *host, int answer); /* of state_put, such as -ENOMEM */
/* The process dies: what is not committed is gone, and whatever the living connections still do
 * does not reach the store.  Destroy them, and open new ones. */
void kit_store_crash(struct kit_host *host);
size_t kit_store_count(struct kit_host *host);   /* of the entries kept */
size_t kit_store_waiting(struct kit_host *host); /* of what is on its way */

/* ---- logs ----------------------------------------------------------------------------------- */

/* KIT_VERBOSE=1 in the environment prints the module's log lines on stderr, too. */
bool kit_logged(struct kit_host *host, uint32_t level, const char *part); /* level or above */

#ifdef __cplusplus
}
#endif
