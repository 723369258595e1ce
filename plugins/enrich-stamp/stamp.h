/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the step share: the instance, what each shard has of it, and the work on one
 * event. */
#pragma once
#include "ids.h"
#include "settings.h"
#include "trace.h"
#include <stdatomic.h>

enum { HOST_BYTES_MAX = 256, SCRATCH_SIZE = 64, TRACE_NAME_MAX = 216 };
enum { COUNT_STARTED, COUNT_CONTINUED, COUNT_INVALID, COUNT_CIRCLES };

struct stamper {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct stamps stamps;
    char host_name[HOST_BYTES_MAX];
    char run[UUID_TEXT_SIZE];
    char traceparent[TRACE_NAME_MAX], tracestate[TRACE_NAME_MAX];
    atomic_uint_least64_t sequence;
};

struct context {
    struct stamper *stamper;
    mg_shard *shard;
    struct doc *doc;
    struct random_pool pool;
    mg_event *out[1];
};

/* What is done for one event. */
struct work {
    struct context *c;
    const struct mg_host *host;
    const struct mg_step_call *call;
    struct mg_err *err;
    mg_edit *edit;             /* NULL: nothing has changed yet */
    struct doc_value *payload; /* NULL: not looked at */
    bool payload_changed, has_random;
    uint8_t random[16]; /* one uuid for all places */
    uint64_t sequence;  /* 0: none yet */
    char id[SCRATCH_SIZE];
};

/* value.c.  Each answers a verdict: MG_PASS, or the one that ends the step. */
uint32_t stamp_later(struct work *work, const char *why); /* MG_RETRY */
uint32_t stamp_no_memory(struct work *work);
uint32_t stamp_random(struct work *work, void *out, size_t length);
struct mg_value stamp_text(const char *text);
struct mg_value stamp_number(int64_t number);
/* An id of that kind into out, the same one for each place in this event. */
uint32_t stamp_id(struct work *work, enum stamp_kind kind, char out[static SCRATCH_SIZE]);
/* MG_NULL: there is nothing to stamp with.  scratch holds what the value points to. */
uint32_t stamp_value(struct work *work, enum stamp_kind kind, struct mg_value *ret_value,
                     char scratch[static SCRATCH_SIZE]);

/* place.c: what goes where, and the head. */
uint32_t stamp_place(struct work *work, const struct stamp *stamp);
uint32_t stamp_head(struct work *work);
uint32_t stamp_payload(struct work *work); /* writes it, where it has changed */
/* In the place of all properties of that name; value NULL: removes them. */
uint32_t stamp_put_property(struct work *work, struct mg_str name, const struct mg_value *value);

/* traced.c: goes on with the trace of the event, or begins one. */
uint32_t stamp_trace(struct work *work);
