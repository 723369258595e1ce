/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the enricher share: its settings, the instance, and what each shard has. */
#pragma once
#include "address.h"
#include "cache.h"
#include "curl_loop.h"
#include "place.h"
#include <openssl/evp.h>

enum {
    HEADERS_MAX = 64,
    HEADER_BYTES_MAX = 16384, /* of all, expanded */
    BODY_BYTES_MAX = 65536    /* of a template, expanded */
};
enum method { METHOD_GET, METHOD_POST };
enum answer_format { ANSWER_JSON, ANSWER_TEXT };
enum otherwise { OTHERWISE_PASS, OTHERWISE_DROP, OTHERWISE_RETRY, OTHERWISE_REJECT };
enum {
    COUNT_REQUESTS,
    COUNT_CACHE_HITS,
    COUNT_NEGATIVE_HITS,
    COUNT_COALESCED,
    COUNT_NOT_FOUND,
    COUNT_FAILURES,
    COUNT_TIMEOUTS,
    COUNT_IN_FLIGHT
};

struct settings {
    const char *url, *into, *select, *user, *password, *bearer, *proxy;
    const mg_template *body;
    struct mg_list headers;        /* of struct mg_pair */
    struct mg_list secret_headers; /* of const char * */
    uint32_t method, answer, on_failure, on_not_found;
    int64_t timeout_ms, connect_timeout_ms, in_flight, waiting, most_bytes, redirects;
    int64_t retry_after_ms;
    struct {
        int64_t ttl_ms, negative_ttl_ms, entries, bytes;
    } cache;
    struct curl_tls tls;
};
extern const struct mg_option http_options[];
int http_check(const void *settings, struct mg_err *reterr);

struct http {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct address *address;
    int server_length; /* of the url: what stands behind it is nobody's business in a log */
    struct place into;
    struct doc_path *select; /* NULL: all of the answer */
    uint8_t seed[16];        /* so that nobody makes questions that share a bucket */
};

/* An event that waits for an answer. */
struct waiter {
    struct waiter *next;
    mg_token token;
    mg_event *event;
};

/* A request in the making, out of one event; the texts are the context's. */
struct question {
    uint8_t key[CACHE_KEY_BYTES];
    const char *url;
    const char *headers[HEADERS_MAX];
    size_t header_count;
    struct mg_bytes body;
};

/* A question that is asked, or was. */
struct ask {
    struct entry entry; /* first */
    struct context *context;
    struct ask *next, *before; /* of those queued, or of those in flight */
    bool in_flight;
    struct waiter *first, **last;
    mg_event *of;         /* whose payload the body is, or NULL */
    struct mg_bytes body; /* in `copy`, or of `of` */
    char *copy, *url;
    struct curl_slist *headers;
    CURL *easy; /* while it is in flight */
    char *got;
    size_t got_length, got_room;
    bool too_large;
    char error[CURL_ERROR_SIZE];
};

struct context {
    struct http *http;
    mg_shard *shard;
    struct curl_loop *loop;
    struct cache cache;
    struct ask *queued_first, *queued_last, *flying;
    int64_t flying_count, waiting_count;
    int64_t hold_until_us; /* the server has asked to be left alone until then */
    mg_timer *hold;
    bool closing, failing; /* failing: the last request; said once in the log */
    bool lacked_said;
    struct doc *doc;
    EVP_MD_CTX *digest;
    mg_event *out[1];
    char url[ADDRESS_BYTES_MAX], headers[HEADER_BYTES_MAX], body[BODY_BYTES_MAX];
};

/* What came of a question. */
enum outcome { OUTCOME_FOUND, OUTCOME_ABSENT, OUTCOME_FAILED };

/* question.c: 0, -ENOENT: a field has no value; -EINVAL: the event can never ask; -ENOMEM. */
int http_question(struct context *context, const struct mg_step_call *call,
                  struct question *ret_question, struct mg_err *reterr);

/* ask.c.  The verdict: MG_PENDING, or what the cache has. */
uint32_t http_ask_shard(struct context *context, const struct question *question,
                        const struct mg_step_call *call, struct mg_err *reterr);
void http_ended_shard(void *ask, CURLcode result); /* curl_loop's done */
void http_give_up_shard(struct context *context);  /* all that wait are tried again later */

/* transfer.c: 0 or -ENOMEM.  The first copies what of the question is the context's. */
int http_prepare(struct ask *ask, const struct question *question);
int http_transfer(struct ask *ask); /* ask->easy */

/* answer.c: verdicts; with MG_REPLACE the new event is in context->out. */
uint32_t http_place(struct context *context, const mg_event *event, struct mg_str value,
                    struct mg_err *reterr);
uint32_t http_otherwise(struct context *context, enum outcome outcome);
/* The answer's part that goes into events, malloc'ed.  OUTCOME_FAILED: reterr says why. */
enum outcome http_select(struct context *context, struct mg_bytes answer, char **ret_value,
                         size_t *ret_length, struct mg_err *reterr);
