/* SPDX-License-Identifier: Apache-2.0 */
/* Questions on their way: equal ones are one, some are in flight, the others queued; and what comes
 * of them is told to all that wait. */
#include "http.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---------------------------------------------------------------------------------- */

static void enqueue(struct context *c, struct ask *a)
{
    a->before = c->queued_last;
    *(c->queued_last ? &c->queued_last->next : &c->queued_first) = a;
    c->queued_last = a;
}

static void dequeue(struct context *c, struct ask *a)
{
    *(a->before ? &a->before->next : &c->queued_first) = a->next;
    *(a->next ? &a->next->before : &c->queued_last) = a->before;
    a->next = a->before = NULL;
}

static void fly(struct context *c, struct ask *a)
{
    a->in_flight = true;
    a->next = c->flying;
    if (c->flying)
        c->flying->before = a;
    c->flying = a;
    c->flying_count++;
    c->http->host->count(c->http->instance, COUNT_IN_FLIGHT, 1);
}

static void land(struct context *c, struct ask *a)
{
    *(a->before ? &a->before->next : &c->flying) = a->next;
    if (a->next)
        a->next->before = a->before;
    a->next = a->before = NULL;
    a->in_flight = false;
    c->flying_count--;
    c->http->host->count(c->http->instance, COUNT_IN_FLIGHT, -1);
}

/* ---- one question --------------------------------------------------------------------------- */

/* Its waiters are told, and it is in no list and not in the cache. */
static void ask_free(struct ask *a)
{
    if (a->easy)
        curl_easy_cleanup(a->easy);
    curl_slist_free_all(a->headers);
    a->context->http->host->event_unref(a->of);
    free(a->copy);
    free(a->url);
    free(a->got);
    free(a);
}

static struct ask *ask_new(struct context *c, const struct question *q, const mg_event *event)
{
    const struct http *p = c->http;
    struct ask *a = calloc(1, sizeof *a);
    if (!a)
        return NULL;
    a->context = c;
    a->last = &a->first;
    memcpy(a->entry.key, q->key, sizeof a->entry.key);
    bool held = true;
    struct question own = *q;
    if (p->settings->method == METHOD_POST && !p->settings->body) {
        a->of = p->host->event_ref(event);
        held = a->of;
        if (held)
            own.body = p->host->event_payload(a->of);
    }
    if (!held || http_prepare(a, &own)) {
        ask_free(a);
        return NULL;
    }
    return a;
}

static bool wait_for(struct context *c, struct ask *a, const struct mg_step_call *call)
{
    struct waiter *w = malloc(sizeof *w);
    mg_event *event = w ? c->http->host->event_ref(call->event) : NULL;
    if (!event) {
        free(w);
        return false;
    }
    *w = (struct waiter){.token = call->pending, .event = event};
    *a->last = w;
    a->last = &w->next;
    c->waiting_count++;
    return true;
}

/* ---- answers -------------------------------------------------------------------------------- */

static void tell(struct context *c, struct waiter *w, enum outcome outcome, struct mg_str value,
                 const char *why)
{
    const struct mg_host *host = c->http->host;
    struct mg_err err = {.text = ""};
    uint32_t verdict = outcome == OUTCOME_FOUND ? http_place(c, w->event, value, &err)
                                                : http_otherwise(c, outcome);
    bool replaced = verdict == MG_REPLACE;
    mg_event *out[1] = {c->out[0]};
    host->resume(w->token, verdict, replaced ? out : NULL, replaced,
                 err.text[0] ? err.text
                 : why[0]    ? why
                             : NULL);
    host->event_unref(w->event);
    free(w);
    c->waiting_count--;
}

/* Takes value. */
static void keep(struct context *c, const uint8_t *key, enum outcome outcome, char *value,
                 size_t length)
{
    const struct settings *s = c->http->settings;
    int64_t now_us = c->http->host->now_us(c->shard);
    int64_t ttl_ms = outcome == OUTCOME_FOUND    ? s->cache.ttl_ms
                     : outcome == OUTCOME_ABSENT ? s->cache.negative_ttl_ms
                                                 : 0;
    /* A waiter that was told may have asked the same again. */
    if (!ttl_ms || cache_find(&c->cache, key, now_us)) {
        free(value);
        return;
    }
    /* What is kept is counted, and no room for more with it. */
    char *exact = value ? realloc(value, length + 1) : NULL;
    value = exact ? exact : value;
    cache_keep(&c->cache, key, outcome == OUTCOME_FOUND ? ENTRY_FOUND : ENTRY_ABSENT, value, length,
               now_us + ttl_ms * 1000);
}

/* Ends a question that is in no list.  Takes value. */
static void finish(struct ask *a, enum outcome outcome, char *value, size_t length, const char *why)
{
    struct context *c = a->context;
    struct waiter *w = a->first;
    cache_remove(&c->cache, &a->entry);
    while (w) {
        struct waiter *next = w->next;
        tell(c, w, outcome, (struct mg_str){value, length}, why);
        w = next;
    }
    doc_reset(c->doc); /* or a large answer would stay until the next event */
    keep(c, a->entry.key, outcome, value, length);
    ask_free(a);
}

/* ---- sending -------------------------------------------------------------------------------- */

static bool held(const struct context *c)
{
    return c->hold_until_us > c->http->host->now_us(c->shard);
}

static void start_queued(struct context *c)
{
    const struct http *p = c->http;
    while (c->queued_first && c->flying_count < p->settings->in_flight && !held(c) && !c->closing) {
        struct ask *a = c->queued_first;
        dequeue(c, a);
        fly(c, a);
        if (!http_transfer(a) && !curl_loop_add(c->loop, a->easy, a)) {
            p->host->count(p->instance, COUNT_REQUESTS, 1);
            continue;
        }
        land(c, a);
        p->host->count(p->instance, COUNT_FAILURES, 1);
        finish(a, OUTCOME_FAILED, NULL, 0, "out of memory, or libcurl lacks what is asked for");
    }
}

static void hold_over(void *arg)
{
    struct context *c = arg;
    c->hold_until_us = 0;
    start_queued(c);
}

static void hold(struct context *c, int64_t seconds)
{
    const struct http *p = c->http;
    int64_t most_ms = p->settings->retry_after_ms;
    int64_t ms = seconds > most_ms / 1000 ? most_ms : seconds * 1000;
    int64_t until_us = p->host->now_us(c->shard) + ms * 1000;
    if (ms <= 0 || until_us <= c->hold_until_us)
        return;
    c->hold_until_us = until_us;
    if (c->hold)
        p->host->timer_again(c->hold, (uint64_t)ms, 0);
    else
        c->hold = p->host->timer_start(c->shard, (uint64_t)ms, 0, hold_over, c);
    if (!c->hold)
        c->hold_until_us = 0;
    if (p->settings->on_failure == OTHERWISE_RETRY)
        return; /* the queue waits */
    for (struct ask *a; (a = c->queued_first);) {
        dequeue(c, a);
        finish(a, OUTCOME_FAILED, NULL, 0, "the server asks to be left alone for a while");
    }
}

/* ---- ends of transfers ---------------------------------------------------------------------- */

static void failed_by_curl(const struct ask *a, CURLcode result, struct mg_err *err)
{
    const struct http *p = a->context->http;
    if (a->too_large || result == CURLE_FILESIZE_EXCEEDED)
        snprintf(err->text, sizeof err->text, "the answer is larger than %lld bytes",
                 (long long)p->settings->most_bytes);
    else
        snprintf(err->text, sizeof err->text, "%.200s",
                 a->error[0] ? a->error : curl_easy_strerror(result));
    if (result == CURLE_OPERATION_TIMEDOUT)
        p->host->count(p->instance, COUNT_TIMEOUTS, 1);
}

static enum outcome by_status(struct ask *a, char **ret_value, size_t *ret_length,
                              struct mg_err *err)
{
    long status = 0;
    curl_off_t after_s = 0;
    curl_easy_getinfo(a->easy, CURLINFO_RESPONSE_CODE, &status);
    if (status == 404 || status == 410 || status == 204) {
        snprintf(err->text, sizeof err->text, "the server has nothing: status %ld", status);
        return OUTCOME_ABSENT;
    }
    if (status >= 200 && status < 300)
        return http_select(a->context, (struct mg_bytes){a->got ? a->got : "", a->got_length},
                           ret_value, ret_length, err);
    snprintf(err->text, sizeof err->text, "the server answers with status %ld", status);
    curl_easy_getinfo(a->easy, CURLINFO_RETRY_AFTER, &after_s);
    if ((status == 429 || status == 503) && after_s > 0)
        hold(a->context, after_s);
    return OUTCOME_FAILED;
}

/* The first failure is said, and the first answer after it; all are counted. */
static void note(struct context *c, enum outcome outcome, const char *why)
{
    const struct http *p = c->http;
    if (outcome == OUTCOME_ABSENT)
        p->host->count(p->instance, COUNT_NOT_FOUND, 1);
    if (outcome == OUTCOME_FAILED)
        p->host->count(p->instance, COUNT_FAILURES, 1);
    if (c->failing == (outcome == OUTCOME_FAILED))
        return;
    c->failing = !c->failing;
    if (c->failing)
        p->host->log(p->instance, MG_WARN, "asking %.*s: %s; further failures are only counted",
                     p->server_length, p->settings->url, why);
    else
        p->host->log(p->instance, MG_INFO, "asking %.*s: it answers again", p->server_length,
                     p->settings->url);
}

void http_ended_shard(void *arg, CURLcode result)
{
    struct ask *a = arg;
    struct context *c = a->context;
    struct mg_err err = {.text = ""};
    char *value = NULL;
    size_t length = 0;
    enum outcome outcome = OUTCOME_FAILED;
    land(c, a);
    if (result)
        failed_by_curl(a, result, &err);
    else
        outcome = by_status(a, &value, &length, &err);
    note(c, outcome, err.text);
    finish(a, outcome, value, length, err.text);
    start_queued(c);
}

/* ---- asking --------------------------------------------------------------------------------- */

static uint32_t too_many(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "too many events wait for answers");
    return MG_RETRY;
}

static uint32_t ask_anew(struct context *c, const struct question *q,
                         const struct mg_step_call *call, struct mg_err *err)
{
    const struct http *p = c->http;
    if (p->settings->on_failure != OTHERWISE_RETRY && held(c)) {
        snprintf(err->text, sizeof err->text, "the server asks to be left alone for a while");
        return http_otherwise(c, OUTCOME_FAILED);
    }
    struct ask *a = ask_new(c, q, call->event);
    if (!a)
        return place_no_memory(err);
    if (!wait_for(c, a, call)) {
        ask_free(a);
        return place_no_memory(err);
    }
    cache_add(&c->cache, &a->entry);
    enqueue(c, a);
    start_queued(c);
    return MG_PENDING;
}

uint32_t http_ask_shard(struct context *c, const struct question *q,
                        const struct mg_step_call *call, struct mg_err *err)
{
    const struct http *p = c->http;
    struct entry *e = cache_find(&c->cache, q->key, p->host->now_us(c->shard));
    if (e && e->state == ENTRY_FOUND) {
        p->host->count(p->instance, COUNT_CACHE_HITS, 1);
        return http_place(c, call->event, (struct mg_str){e->value, e->length}, err);
    }
    if (e && e->state == ENTRY_ABSENT) {
        p->host->count(p->instance, COUNT_NEGATIVE_HITS, 1);
        snprintf(err->text, sizeof err->text, "the server had nothing a short while ago");
        return http_otherwise(c, OUTCOME_ABSENT);
    }
    if (c->closing || c->waiting_count >= p->settings->waiting)
        return too_many(err);
    if (!e)
        return ask_anew(c, q, call, err);
    if (!wait_for(c, (struct ask *)e, call))
        return place_no_memory(err);
    p->host->count(p->instance, COUNT_COALESCED, 1);
    return MG_PENDING;
}

/* MG_RETRY whatever on_failure says: it is the gateway that stops. */
static void give_up(struct ask *a)
{
    struct context *c = a->context;
    cache_remove(&c->cache, &a->entry);
    for (struct waiter *w; (w = a->first);) {
        a->first = w->next;
        c->http->host->resume(w->token, MG_RETRY, NULL, 0, "the gateway stops");
        c->http->host->event_unref(w->event);
        free(w);
        c->waiting_count--;
    }
    ask_free(a);
}

void http_give_up_shard(struct context *c)
{
    c->closing = true;
    for (struct ask *a; (a = c->queued_first);) {
        dequeue(c, a);
        give_up(a);
    }
    for (struct ask *a; (a = c->flying);) {
        land(c, a);
        curl_loop_remove(c->loop, a->easy);
        give_up(a);
    }
    if (c->hold)
        c->http->host->timer_stop(c->hold);
    c->hold = NULL;
}
