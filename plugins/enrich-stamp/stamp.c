/* SPDX-License-Identifier: Apache-2.0 */
/* Enricher "stamp": says in an event when and where it came by, gives it an id, and puts it into a
 * trace. */
#include "stamp.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static const char *const counters[] = {"traces_started", "traces_continued", "traces_invalid",
                                       "too_many_hops", NULL};

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    struct stamper *p = self;
    if (p)
        stamps_fini(&p->stamps);
    free(p);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct stamper *p = calloc(1, sizeof *p);
    struct random_pool pool = {0};
    uint8_t random[16];
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    int error = p ? 0 : -ENOMEM;
    if (!error) {
        p->host = host;
        p->instance = instance;
        p->settings = settings;
        atomic_init(&p->sequence, 0);
        error = stamps_compile(p->settings, &p->stamps, reterr);
    }
    if (!error && !random_take(&pool, random, sizeof random)) {
        snprintf(reterr->text, sizeof reterr->text, "the system has no random numbers yet");
        error = -EAGAIN;
    }
    if (error) {
        destroy(p);
        return error;
    }
    uuid_v4(random, p->run);
    if (gethostname(p->host_name, sizeof p->host_name - 1))
        p->host_name[0] = '\0';
    snprintf(p->traceparent, sizeof p->traceparent, "%straceparent", p->settings->trace_prefix);
    snprintf(p->tracestate, sizeof p->tracestate, "%stracestate", p->settings->trace_prefix);
    reterr->text[0] = '\0';
    *ret_self = p;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    struct context *c = context;
    if (c)
        doc_destroy(c->doc);
    free(c);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct context *c = calloc(1, sizeof *c);
    if (c)
        c->doc = doc_create();
    if (!c || !c->doc) {
        free(c);
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    c->stamper = self;
    c->shard = shard;
    *ret_context = c;
    return 0;
}

/* ---- the step ------------------------------------------------------------------------------- */

static uint32_t stamp(struct work *w)
{
    const struct stamper *p = w->c->stamper;
    uint32_t verdict = MG_PASS;
    for (size_t i = 0; i < p->stamps.count && verdict == MG_PASS; i++)
        verdict = stamp_place(w, &p->stamps.items[i]);
    if (verdict == MG_PASS)
        verdict = stamp_payload(w);
    if (verdict == MG_PASS)
        verdict = stamp_head(w);
    if (verdict == MG_PASS && p->settings->trace != TRACE_OFF)
        verdict = stamp_trace(w);
    return verdict;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct stamper *p = self;
    struct context *c = context;
    struct work w = {.c = c, .host = p->host, .call = call, .err = &result->err};
    uint32_t verdict = stamp(&w);
    doc_reset(c->doc);
    if (verdict != MG_PASS || !w.edit) {
        p->host->edit_free(w.edit);
        return verdict;
    }
    c->out[0] = p->host->edit_publish(w.edit);
    if (!c->out[0])
        return stamp_no_memory(&w);
    result->events = c->out;
    result->count = 1;
    return MG_REPLACE;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_ENRICHER,
    .name = "stamp",
    .version = "1.0.0",
    .summary = "Sets times, names, hops, ids and the W3C trace context of an event.",
    .options = stamp_options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = stamp_check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
