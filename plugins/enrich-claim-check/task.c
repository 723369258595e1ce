/* SPDX-License-Identifier: Apache-2.0 */
/* Events that wait for the store: so many at a time, the others queued; and what comes of them. */
#include "claim.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- lists ---------------------------------------------------------------------------------- */

static void enqueue(struct context *c, struct task *t)
{
    t->before = c->queued_last;
    *(c->queued_last ? &c->queued_last->next : &c->queued_first) = t;
    c->queued_last = t;
    c->waiting_count++;
}

static void dequeue(struct context *c, struct task *t)
{
    *(t->before ? &t->before->next : &c->queued_first) = t->next;
    *(t->next ? &t->next->before : &c->queued_last) = t->before;
    t->next = t->before = NULL;
}

static void to_work(struct context *c, struct task *t)
{
    t->at_work = true;
    t->next = c->working;
    if (c->working)
        c->working->before = t;
    c->working = t;
    c->working_count++;
    t->host->count(c->claim->instance, COUNT_IN_FLIGHT, 1);
}

static void from_work(struct context *c, struct task *t)
{
    *(t->before ? &t->before->next : &c->working) = t->next;
    if (t->next)
        t->next->before = t->before;
    t->next = t->before = NULL;
    t->at_work = false;
    c->working_count--;
    t->host->count(c->claim->instance, COUNT_IN_FLIGHT, -1);
}

/* ---- one task ------------------------------------------------------------------------------- */

static void task_free(struct task *t)
{
    s3_free(t);
    t->host->event_unref(t->event);
    store_unref(t->store);
    free(t->texts);
    free(t->bytes);
    free(t);
}

/* The reference's texts belong to a document that the next event will use. */
static bool copy_texts(struct task *t, const struct reference *r)
{
    char *at = t->texts = malloc(r->content_type.len + r->content_encoding.len + 1);
    if (!at)
        return false;
    t->reference = *r;
    if (r->content_type.at)
        t->reference.content_type.at = memcpy(at, r->content_type.at, r->content_type.len);
    at += r->content_type.len;
    if (r->content_encoding.at)
        t->reference.content_encoding.at =
            memcpy(at, r->content_encoding.at, r->content_encoding.len);
    return true;
}

static struct task *task_new(struct context *c, const struct mg_step_call *call,
                             const struct reference *reference)
{
    const struct mg_host *host = c->claim->host;
    struct task *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->context = c;
    t->host = host;
    t->store = store_ref(c->claim->store);
    t->token = call->pending;
    t->restores = reference;
    t->event = host->event_ref(call->event);
    if (!t->event || (reference && !copy_texts(t, reference))) {
        task_free(t);
        return NULL;
    }
    if (!reference) {
        const struct mg_head *head = host->event_head(t->event);
        t->reference.size = host->event_payload(t->event).len;
        t->reference.content_type = head->content_type;
        t->reference.content_encoding = head->content_encoding;
    }
    return t;
}

/* ---- what comes of it ----------------------------------------------------------------------- */

static uint32_t no_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return MG_RETRY;
}

static uint32_t count(struct context *c, uint32_t counter, uint32_t verdict)
{
    c->claim->host->count(c->claim->instance, counter, 1);
    return verdict;
}

/* Takes bytes where it succeeds. */
static uint32_t replace(struct context *c, struct task *t, void *bytes, size_t length,
                        struct mg_str content_type, struct mg_str content_encoding)
{
    const struct mg_host *host = t->host;
    mg_edit *edit = host->edit_new(t->event);
    if (!edit || host->edit_payload(edit, (struct mg_bytes){bytes, length}, free, bytes)) {
        host->edit_free(edit);
        free(bytes);
        return no_memory(&t->err);
    }
    struct mg_head *head = host->edit_head(edit);
    head->content_type = content_type;
    head->content_encoding = content_encoding;
    c->out[0] = host->edit_publish(edit);
    return c->out[0] ? MG_REPLACE : no_memory(&t->err);
}

static uint32_t stored(struct context *c, struct task *t)
{
    static const struct mg_str type = {REFERENCE_CONTENT_TYPE, sizeof REFERENCE_CONTENT_TYPE - 1};
    size_t length;
    if (t->error)
        return count(c, COUNT_FAILURES, MG_RETRY);
    char *text = reference_write(c->doc, &t->reference, &length);
    if (!text)
        return no_memory(&t->err);
    return count(c, t->known ? COUNT_KNOWN : COUNT_STORED,
                 replace(c, t, text, length, type, (struct mg_str){0}));
}

static uint32_t restored(struct context *c, struct task *t)
{
    static const uint32_t missing[] = {MG_RETRY, MG_REJECT, MG_PASS};
    void *bytes = t->bytes;
    if (t->error == -ENOENT)
        return count(c, COUNT_MISSING, missing[c->claim->settings->on_missing]);
    if (t->error == -EBADMSG)
        return count(c, COUNT_DAMAGED, MG_REJECT);
    if (t->error)
        return count(c, COUNT_FAILURES, MG_RETRY);
    t->bytes = NULL;
    return count(c, COUNT_RESTORED,
                 replace(c, t, bytes, t->reference.size, t->reference.content_type,
                         t->reference.content_encoding));
}

static void start_queued(struct context *c);

/* The last job, or the last transfer, is over. */
static void finish(void *arg)
{
    struct task *t = arg;
    struct context *c = t->context;
    if (c) {
        from_work(c, t);
        c->waiting_count--;
        uint32_t verdict = t->restores ? restored(c, t) : stored(c, t);
        bool replaced = verdict == MG_REPLACE;
        mg_event *out[1] = {c->out[0]};
        t->host->resume(t->token, verdict, replaced ? out : NULL, replaced,
                        t->err.text[0] ? t->err.text : NULL);
    }
    task_free(t);
    if (c)
        start_queued(c);
}

/* ---- jobs, on the thread pool --------------------------------------------------------------- */

static struct mg_bytes payload_of(const struct task *t)
{
    return t->host->event_payload(t->event);
}

static void hash_job(void *arg)
{
    struct task *t = arg;
    t->error = hash_text(payload_of(t), t->reference.sha256);
}

static void put_job(void *arg)
{
    struct task *t = arg;
    hash_job(t);
    if (!t->error)
        t->error = folder_put(t->store, t->reference.sha256, payload_of(t), &t->known, &t->err);
}

static void verify_job(void *arg)
{
    struct task *t = arg;
    char found[HASH_TEXT_BYTES + 1];
    t->error = hash_text((struct mg_bytes){t->bytes, t->reference.size}, found);
    if (t->error || !strcmp(found, t->reference.sha256))
        return;
    t->error = -EBADMSG;
    snprintf(t->err.text, sizeof t->err.text, "what is kept as %s has the hash %s",
             t->reference.sha256, found);
}

static void get_job(void *arg)
{
    struct task *t = arg;
    t->error = folder_get(t->store, t->reference.sha256, t->reference.size, &t->bytes, &t->err);
    if (!t->error)
        verify_job(t);
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void go(struct task *t, void (*job)(void *), void (*done)(void *))
{
    if (t->host->work(t->context->shard, job, done, t)) {
        t->error = -ENOMEM;
        no_memory(&t->err);
        finish(t);
    }
}

static void transfer(void *arg)
{
    struct task *t = arg;
    if (!t->context || t->error) {
        finish(t);
        return;
    }
    t->error = s3_begin_shard(t);
    if (t->error) {
        no_memory(&t->err);
        finish(t);
    }
}

void task_ended_shard(struct task *t)
{
    if (t->restores && !t->error)
        go(t, verify_job, finish);
    else
        finish(t);
}

static void start_queued(struct context *c)
{
    const struct claim *p = c->claim;
    if (c->starting)
        return; /* one that failed at once: the loop that started it goes on */
    c->starting = true;
    while (c->queued_first && c->working_count < p->settings->in_flight && !c->closing) {
        struct task *t = c->queued_first;
        dequeue(c, t);
        to_work(c, t);
        if (t->store->folder)
            go(t, t->restores ? get_job : put_job, finish);
        else if (t->restores)
            transfer(t);
        else
            go(t, hash_job, transfer);
    }
    c->starting = false;
}

uint32_t task_begin_shard(struct context *c, const struct mg_step_call *call,
                          const struct reference *reference, struct mg_err *err)
{
    if (c->closing || c->waiting_count >= c->claim->settings->waiting) {
        snprintf(err->text, sizeof err->text, "too many events wait for the store");
        return MG_RETRY;
    }
    struct task *t = task_new(c, call, reference);
    if (!t)
        return no_memory(err);
    enqueue(c, t);
    start_queued(c);
    return MG_PENDING;
}

static void give_back(const struct task *t)
{
    t->host->resume(t->token, MG_RETRY, NULL, 0, "the gateway stops");
}

void task_give_up_shard(struct context *c)
{
    c->closing = true;
    for (struct task *t; (t = c->queued_first);) {
        dequeue(c, t);
        give_back(t);
        task_free(t);
    }
    for (struct task *t; (t = c->working);) {
        from_work(c, t);
        give_back(t);
        t->context = NULL;
        if (t->easy) {
            curl_loop_remove(c->loop, t->easy);
            task_free(t);
        } /* else its job ends it */
    }
}
