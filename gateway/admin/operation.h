/* SPDX-License-Identifier: Apache-2.0 */
/* What can be asked of a gateway: each operation is a name, a table of arguments and functions that
 * answer bit by bit.  They know nothing of who asks: the control socket drives them for a running
 * gateway, the CLI for the store of a stopped one.
 *
 * A request is a JSON object, {"op":"dlq.ls","route":"hot"}.  An answer is JSON objects, a line
 * each: one object, or (GW_OPERATION_LISTS) any number of them and {"end":{…}} with the counts.
 * {"error":"…"} ends an answer at any place. */
#pragma once
#include "flow/flow.h"
#include "store/store.h"

struct gw_operation_run;
struct gw_flights;

enum {
    GW_OPERATION_STORE = 1,   /* needs a store */
    GW_OPERATION_GATEWAY = 2, /* needs the running gateway */
    GW_OPERATION_ACTS = 4,    /* changes something: given up when nobody waits for it any more */
    GW_OPERATION_LISTS = 8,
    GW_OPERATION_SOLE = 16 /* only one of these at a time */
};

/* What a step returns, or a negative errno with reterr.  MORE: go on as soon as what was emitted
 * has been taken.  WAIT: go on when woken, at the latest after run->wait_ms. */
enum gw_operation_next { GW_OPERATION_DONE, GW_OPERATION_MORE, GW_OPERATION_WAIT };

struct gw_operation {
    const char *name, *doc;
    uint32_t flags;
    /* Bound from the request into arguments_size bytes; NULL: none.  MG_OPT_TEXT [const char *],
     * _INT, _DOUBLE, _BOOL, and MG_OPT_TREE [const json_t *], borrowed from the request. */
    const struct mg_option *arguments;
    size_t arguments_size, state_size;
    int (*begin)(struct gw_operation_run *run, struct mg_err *reterr); /* NULL: nothing to do */
    int (*step)(struct gw_operation_run *run, struct mg_err *reterr);
    void (*end)(struct gw_operation_run *run); /* frees what begin made; NULL: nothing to do */
};

extern const struct gw_operation *const gw_operations[]; /* NULL-ended */

/* What operations work on. */
struct gw_operation_target {
    struct gw_store *store;     /* NULL: none */
    struct gw_gateway *gateway; /* NULL: it does not run */
    bool sole_at_work;
};

struct gw_operation_counts {
    uint64_t matched;
    uint64_t done;    /* as the operation's name says */
    uint64_t gone;    /* were not there any more */
    uint64_t skipped; /* cannot be done here */
    uint64_t failed;
};

/* One request that is being answered. */
struct gw_operation_run {
    const struct gw_operation *operation;
    struct gw_operation_target *target;
    void *arguments, *state;
    struct gw_flights *flights; /* NULL: the target has no store */
    int64_t now_us;             /* monotonic, as of this step */
    int64_t wait_ms;
    uint64_t begun_ns; /* when this step began */
    struct gw_operation_counts counts;
    /* What was emitted and not taken yet; whoever takes it sets length to 0. */
    char *text;
    size_t length, capacity;
    json_t *request;
    bool sole; /* holds target->sole_at_work */
};

/* Finds the operation, binds its arguments and begins it.  wake is called when a step that waits
 * may go on, from any thread, until gw_operation_finish.  -EINVAL: the request is wrong, -ENOENT,
 * -ENOTSUP, -EBUSY, -ENOMEM; all said in reterr. */
int gw_operation_start(struct gw_operation_target *target, json_t *request, void (*wake)(void *arg),
                       void *arg, struct gw_operation_run **ret_run, struct mg_err *reterr);
/* One step; it takes some milliseconds at most and emits about GW_OPERATION_CHUNK bytes, or one
 * entry that is larger.  An error is emitted and ends the run. */
enum { GW_OPERATION_CHUNK = 64 << 10, GW_OPERATION_STEP_US = 10000 };
enum gw_operation_next gw_operation_step(struct gw_operation_run *run, int64_t now_us);
/* At any time; NULL is fine. */
void gw_operation_finish(struct gw_operation_run *run);

/* For operations.  Takes the value, NULL included.  0 or -ENOMEM. */
int gw_operation_emit(struct gw_operation_run *run, json_t *value);
/* {"failed":{"id":…,"why":…}}: what became of one entry; kind is a name of the counts. */
int gw_operation_emit_trouble(struct gw_operation_run *run, const char *kind, uint64_t id,
                              int error, const struct mg_err *err);
/* This step has emitted, or taken, enough: visits of the store stop and go on with the next. */
bool gw_operation_yields(const struct gw_operation_run *run);
/* {"progress":{…}}: that something is still at work. */
int gw_operation_emit_progress(struct gw_operation_run *run);
/* How an error is told; new reference. */
json_t *gw_operation_error(int error, const struct mg_err *err);

/* Binds a JSON object by a table of arguments; keys of `request` named "op" are passed over.
 * -EINVAL with reterr. */
int gw_operation_bind(const struct mg_option *arguments, const json_t *request, void *into,
                      struct mg_err *reterr);
