/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the claim check share: settings, the instance, and what each shard has. */
#pragma once
#include "store.h"

enum mode { MODE_STORE, MODE_RESTORE };
enum on_missing { MISSING_RETRY, MISSING_REJECT, MISSING_PASS };
enum {
    COUNT_STORED,
    COUNT_KNOWN,
    COUNT_RESTORED,
    COUNT_MISSING,
    COUNT_DAMAGED,
    COUNT_FAILURES,
    COUNT_REMOVED,
    COUNT_IN_FLIGHT
};

struct settings {
    const char *folder;
    uint32_t mode, on_missing;
    bool sync;
    int64_t threshold, most_bytes, keep_ms, sweep_ms, least_free, in_flight, waiting;
    struct {
        const char *endpoint, *region, *bucket, *prefix, *access_key, *secret_key, *session_token,
            *ca;
        bool verify;
        int64_t timeout_ms;
    } s3;
};
extern const struct mg_option claim_options[];
int claim_check(const void *settings, struct mg_err *reterr);

struct claim {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct store *store;
    atomic_bool has_sweeper;
};

/* One event on its way to the store or back.  It owns all that its jobs use, since the last of them
 * may end after the instance. */
struct task {
    struct context *context; /* NULL: nobody waits for it any more */
    const struct mg_host *host;
    struct store *store;
    struct task *next, *before; /* of those queued, or of those at work */
    bool restores, at_work;
    mg_token token;
    mg_event *event;
    struct reference reference; /* its texts are those of the event, or of `texts` */
    char *texts;
    int error; /* of the last job or transfer; -ENOENT: missing, -EBADMSG: damaged */
    bool known;
    struct mg_err err;
    void *bytes; /* what is restored */
    size_t got;  /* of them, by S3 */
    CURL *easy;  /* of S3, under way */
    struct curl_slist *headers;
    size_t sent;
    char said[512]; /* what S3 says when it refuses */
    size_t said_length;
    char curl_error[CURL_ERROR_SIZE];
};

struct context {
    struct claim *claim;
    mg_shard *shard;
    struct doc *doc;
    struct curl_loop *loop; /* of S3 */
    struct task *queued_first, *queued_last, *working;
    int64_t working_count, waiting_count;
    bool closing, starting;
    mg_event *out[1];
    bool sweeps; /* the one that does it for the instance */
    mg_timer *sweep_timer;
    struct sweep_job *sweep;
    bool sweep_failing;
    int64_t clock_gap_us; /* from the monotonic clock to the wall's */
    int64_t rest_until_us;
};

/* task.c */
uint32_t task_begin_shard(struct context *context, const struct mg_step_call *call,
                          const struct reference *reference, struct mg_err *reterr);
void task_ended_shard(struct task *task); /* S3 has done its part: error says how it went */
void task_give_up_shard(struct context *context);

/* s3.c: begins the transfer; -ENOMEM.  curl_loop's done; what was begun is freed. */
int s3_begin_shard(struct task *task);
void s3_done_shard(void *task, CURLcode result);
void s3_free(struct task *task);

/* sweeper.c */
void sweeper_begin_shard(struct context *context);
void sweeper_end_shard(struct context *context);
