/* SPDX-License-Identifier: Apache-2.0 */
/* Enricher "http": asks a server about an event, and puts the answer into its payload or its
 * properties. */
#include "http.h"
#include <errno.h>
#include <openssl/rand.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const counters[] = {"requests",  "cache_hits", "negative_hits",
                                       "coalesced", "not_found",  "failures",
                                       "timeouts",  "in_flight",  NULL};

/* ---- life ----------------------------------------------------------------------------------- */

static int failed(struct mg_err *err, int error, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    return error;
}

static void destroy(void *self)
{
    struct http *p = self;
    if (!p)
        return;
    address_free(p->address);
    place_fini(&p->into);
    doc_path_free(p->select);
    free(p);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct http *p = calloc(1, sizeof *p);
    if (!p || curl_loop_start()) {
        free(p);
        return failed(reterr, -ENOMEM, "out of memory");
    }
    p->host = host;
    p->instance = instance;
    p->settings = s;
    p->server_length = (int)(8 + strcspn(s->url + 8, "/?"));
    int error = address_compile(s->url, &p->address, reterr);
    if (!error)
        error = place_init(&p->into, s->into, "into", reterr);
    if (!error && s->select)
        error = doc_path_compile(s->select, false, &p->select, reterr);
    if (!error && RAND_bytes(p->seed, sizeof p->seed) != 1)
        error = failed(reterr, -EIO, "the system has no random bytes");
    if (error) {
        destroy(p);
        return error;
    }
    *ret_self = p;
    return 0;
}

/* A wrong path is said now, and not with the first event. */
static int readable(const char *path, struct mg_err *err)
{
    if (!path || !access(path, R_OK))
        return 0;
    int error = -errno;
    snprintf(err->text, sizeof err->text, "%.180s: %s", path, strerror(-error));
    err->option = "tls";
    return error;
}

static int start(void *self, struct mg_err *reterr)
{
    const struct curl_tls *tls = &((struct http *)self)->settings->tls;
    int error = readable(tls->ca, reterr);
    if (!error)
        error = readable(tls->cert, reterr);
    return error ? error : readable(tls->key, reterr);
}

/* ---- shards --------------------------------------------------------------------------------- */

static void shard_close(void *self, void *context)
{
    struct context *c = context;
    (void)self;
    if (!c)
        return;
    http_give_up_shard(c);
    curl_loop_destroy(c->loop);
    cache_fini(&c->cache);
    doc_destroy(c->doc);
    EVP_MD_CTX_free(c->digest);
    free(c);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct http *p = self;
    const struct settings *s = p->settings;
    struct context *c = calloc(1, sizeof *c);
    if (!c || cache_init(&c->cache, s->cache.entries, s->cache.bytes)) {
        free(c);
        return failed(reterr, -ENOMEM, "out of memory");
    }
    c->http = p;
    c->shard = shard;
    c->doc = doc_create();
    c->digest = EVP_MD_CTX_new();
    c->loop = curl_loop_create(p->host, shard, (long)s->in_flight, http_ended_shard);
    if (!c->doc || !c->digest || !c->loop || !EVP_DigestInit_ex2(c->digest, EVP_sha256(), NULL)) {
        shard_close(p, c);
        return failed(reterr, -ENOMEM, "out of memory");
    }
    *ret_context = c;
    return 0;
}

/* ---- events --------------------------------------------------------------------------------- */

/* A capture that no source has is known only now, and easily is a slip of the pen. */
static void say_once(struct context *c, const char *what)
{
    if (!c->lacked_said)
        c->http->host->log(c->http->instance, MG_WARN, "nothing is asked: %s; said once", what);
    c->lacked_said = true;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    struct http *p = self;
    struct context *c = context;
    struct question q;
    uint32_t verdict;
    switch (http_question(c, call, &q, &result->err)) {
    case 0:
        verdict = http_ask_shard(c, &q, call, &result->err);
        break;
    case -ENOENT:
        say_once(c, result->err.text);
        p->host->count(p->instance, COUNT_NOT_FOUND, 1);
        verdict = http_otherwise(c, OUTCOME_ABSENT);
        break;
    case -ENOMEM:
        verdict = place_no_memory(&result->err);
        break;
    default:
        verdict = MG_REJECT;
        break;
    }
    doc_reset(c->doc);
    if (verdict == MG_REPLACE) {
        result->events = c->out;
        result->count = 1;
    }
    return verdict;
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
    .name = "http",
    .version = "1.0.0",
    .summary = "Asks an HTTP server about an event and puts the answer into the payload or the "
               "properties.",
    .options = http_options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = http_check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
