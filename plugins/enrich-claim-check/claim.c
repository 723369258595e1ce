/* SPDX-License-Identifier: Apache-2.0 */
/* Enricher "claim-check": large payloads stay in a store, and a reference travels in their place.
 */
#include "claim.h"
#include "json_scan.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const counters[] = {"stored",   "known",   "restored",  "missing", "damaged",
                                       "failures", "removed", "in_flight", NULL};

/* ---- life ----------------------------------------------------------------------------------- */

static int no_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return -ENOMEM;
}

static void destroy(void *self)
{
    struct claim *p = self;
    if (!p)
        return;
    store_unref(p->store);
    free(p);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct claim *p = calloc(1, sizeof *p);
    if (!p)
        return no_memory(reterr);
    p->host = host;
    p->instance = instance;
    p->settings = settings;
    p->store = store_new(settings);
    atomic_init(&p->has_sweeper, false);
    if (!p->store || (!p->store->folder && curl_loop_start())) {
        destroy(p);
        return no_memory(reterr);
    }
    *ret_self = p;
    return 0;
}

static int start(void *self, struct mg_err *reterr)
{
    const struct claim *p = self;
    int error =
        p->store->folder ? folder_open(p->store, p->settings->mode == MODE_STORE, reterr) : 0;
    if (error)
        reterr->option = "folder";
    if (p->store->ca && access(p->store->ca, R_OK)) {
        error = -errno;
        snprintf(reterr->text, sizeof reterr->text, "%.180s: %s", p->store->ca, strerror(-error));
        reterr->option = "s3";
    }
    return error;
}

/* ---- shards --------------------------------------------------------------------------------- */

static void shard_close(void *self, void *context)
{
    struct context *c = context;
    (void)self;
    if (!c)
        return;
    sweeper_end_shard(c);
    task_give_up_shard(c);
    curl_loop_destroy(c->loop);
    doc_destroy(c->doc);
    free(c);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct claim *p = self;
    struct context *c = calloc(1, sizeof *c);
    if (!c)
        return no_memory(reterr);
    c->claim = p;
    c->shard = shard;
    c->doc = doc_create();
    if (!p->store->folder)
        c->loop = curl_loop_create(p->host, shard, (long)p->settings->in_flight, s3_done_shard);
    if (!c->doc || (!p->store->folder && !c->loop)) {
        shard_close(p, c);
        return no_memory(reterr);
    }
    sweeper_begin_shard(c);
    *ret_context = c;
    return 0;
}

/* ---- events --------------------------------------------------------------------------------- */

/* What looks like a reference is stored, too, however small: restore would take it for one. */
static uint32_t store(struct context *c, const struct mg_step_call *call, struct mg_err *err)
{
    const struct claim *p = c->claim;
    const struct mg_head *head = p->host->event_head(call->event);
    struct mg_bytes payload = p->host->event_payload(call->event);
    struct reference unused;
    struct mg_err none;
    if (payload.len <= (uint64_t)p->settings->threshold) {
        int looks = reference_read(c->doc, payload, &unused, &none);
        if (looks == -ENOMEM)
            return no_memory(err), MG_RETRY;
        if (!looks)
            return MG_PASS;
    }
    if (head->content_type.len > REFERENCE_TYPE_BYTES_MAX ||
        head->content_encoding.len > REFERENCE_TYPE_BYTES_MAX) {
        snprintf(err->text, sizeof err->text, "its content type has more than %d bytes",
                 REFERENCE_TYPE_BYTES_MAX);
        return MG_REJECT;
    }
    if (!scan_is_utf8(head->content_type.at, head->content_type.len) ||
        !scan_is_utf8(head->content_encoding.at, head->content_encoding.len)) {
        snprintf(err->text, sizeof err->text, "its content type is not UTF-8");
        return MG_REJECT; /* no reference could say it, and be read */
    }
    return task_begin_shard(c, call, NULL, err);
}

static uint32_t restore(struct context *c, const struct mg_step_call *call, struct mg_err *err)
{
    const struct claim *p = c->claim;
    struct reference reference;
    switch (reference_read(c->doc, p->host->event_payload(call->event), &reference, err)) {
    case 0:
        return MG_PASS;
    case 1:
        break;
    case -ENOMEM:
        return no_memory(err), MG_RETRY;
    default:
        return MG_REJECT;
    }
    if (reference.size <= (uint64_t)p->settings->most_bytes)
        return task_begin_shard(c, call, &reference, err);
    snprintf(err->text, sizeof err->text, "the payload has %llu bytes; max_size allows %lld",
             (unsigned long long)reference.size, (long long)p->settings->most_bytes);
    return MG_REJECT;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct claim *p = self;
    return p->settings->mode == MODE_STORE ? store(context, call, &result->err)
                                           : restore(context, call, &result->err);
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create,
    .start = start,
    .destroy = destroy,
    .shard_open = shard_open,
    .shard_close = shard_close,
};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_ENRICHER,
    .name = "claim-check",
    .version = "1.0.0",
    .summary = "Keeps large payloads in a folder or in S3, and lets a reference travel instead.",
    .options = claim_options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = claim_check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
