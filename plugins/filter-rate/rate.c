/* SPDX-License-Identifier: Apache-2.0 */
/* Filter "rate": passes at most so many events, or payload bytes, in a time, of each key. */
#include "keyed.h"
#include "limit.h"
#include "meshgate/plugin.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum otherwise { OTHERWISE_DROP, OTHERWISE_REJECT };
enum repeated { REPEATED_PASS, REPEATED_COUNT };

struct settings {
    const char *rate, *bytes;
    const mg_template *key;
    int64_t burst, burst_bytes, max_keys;
    uint32_t otherwise, repeated;
};

struct rate {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct limit events, bytes;
};

struct buckets { /* of one key */
    int64_t at_us;
    struct bucket events, bytes;
};

struct context {
    mg_shard *shard;
    struct keyed *keys;
};

static const char *const counters[] = {"over_rate", "forgotten_keys", "repeated", NULL};
enum { COUNT_OVER, COUNT_FORGOTTEN, COUNT_REPEATED };

static const char *const otherwises[] = {"drop", "reject", NULL};
static const char *const repetitions[] = {"pass", "count", NULL};
#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "rate",
     .doc = "Events that may pass in a time, as 100/s, 10/m or 1/30s; unset: any number.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 40,
     .offset = AT(rate)},
    {.name = "bytes",
     .doc = "Bytes of payload that may pass in a time, as 64KiB/s or 10MB/5m; unset: any number.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 40,
     .offset = AT(bytes)},
    {.name = "key",
     .doc = "What the limits hold for, each for itself, like \"{machine}\"; unset: all events "
            "together.",
     .type = MG_OPT_TEMPLATE,
     .offset = AT(key)},
    {.name = "burst",
     .value = "0",
     .doc = "Events that may pass at once after a quiet time; 0: as many as rate has in its time.",
     .type = MG_OPT_INT,
     .least = 0,
     .most = 1000000000,
     .offset = AT(burst)},
    {.name = "burst_bytes",
     .value = "0",
     .doc = "Bytes that may pass at once after a quiet time; 0: as many as bytes has in its time.",
     .type = MG_OPT_SIZE,
     .least = 0,
     .most = 1099511627776,
     .offset = AT(burst_bytes)},
    {.name = "otherwise",
     .value = "drop",
     .doc = "What becomes of the events beyond: dropped by policy, or rejected as an error.",
     .type = MG_OPT_ENUM,
     .choices = otherwises,
     .offset = AT(otherwise)},
    {.name = "repeated",
     .value = "pass",
     .doc = "An event that its source sends again passes uncounted, or counts like any other.",
     .type = MG_OPT_ENUM,
     .choices = repetitions,
     .offset = AT(repeated)},
    {.name = "max_keys",
     .value = "10000",
     .doc = "Keys remembered on each shard; beyond, the one unused for longest is forgotten, and "
            "begins with a full burst.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = KEYED_KEYS_MAX,
     .offset = AT(max_keys)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

/* burst without its limit, or the limit without a text: no limit. */
static int read_limit(const char *text, int64_t burst, enum limit_unit unit,
                      struct limit *ret_limit, struct mg_err *reterr)
{
    *ret_limit = (struct limit){0};
    int error = text ? limit_parse(text, unit, ret_limit, reterr) : 0;
    if (error)
        reterr->option = unit == LIMIT_BYTES ? "bytes" : "rate";
    if (burst)
        ret_limit->burst = (uint64_t)burst;
    if (!error && burst && !text) {
        snprintf(reterr->text, sizeof reterr->text, "there is a burst, and no limit it belongs to");
        reterr->option = unit == LIMIT_BYTES ? "burst_bytes" : "burst";
        error = -EINVAL;
    }
    return error;
}

static int read_limits(const struct settings *s, struct limit *ret_events, struct limit *ret_bytes,
                       struct mg_err *reterr)
{
    int error = read_limit(s->rate, s->burst, LIMIT_EVENTS, ret_events, reterr);
    return error ? error : read_limit(s->bytes, s->burst_bytes, LIMIT_BYTES, ret_bytes, reterr);
}

static int check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct limit events, bytes;
    if (!s->rate && !s->bytes) {
        snprintf(reterr->text, sizeof reterr->text, "neither rate nor bytes sets a limit");
        reterr->option = "rate";
        return -EINVAL;
    }
    return read_limits(s, &events, &bytes, reterr);
}

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    free(self);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct rate *r = calloc(1, sizeof *r);
    if (!r) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    r->host = host;
    r->instance = instance;
    r->settings = settings;
    int error = read_limits(settings, &r->events, &r->bytes, reterr);
    if (error) {
        destroy(r);
        return error;
    }
    *ret_self = r;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    struct context *x = context;
    if (x)
        keyed_destroy(x->keys);
    free(x);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    const struct rate *r = self;
    struct context *x = calloc(1, sizeof *x);
    if (x) {
        x->shard = shard;
        x->keys = keyed_create(r->host, r->settings->key ? (size_t)r->settings->max_keys : 1,
                               sizeof(struct buckets));
    }
    if (!x || !x->keys) {
        shard_close(self, x);
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    *ret_context = x;
    return 0;
}

/* ---- the filter ----------------------------------------------------------------------------- */

/* The buckets of that key as they are now.  NULL: out of memory. */
static struct buckets *buckets_of(const struct rate *r, struct context *x,
                                  const struct hash128 *key)
{
    int64_t now_us = r->host->now_us(x->shard);
    struct buckets *b = keyed_find(x->keys, key);
    if (b) {
        bucket_earn(&b->events, &r->events, (uint64_t)(now_us - b->at_us));
        bucket_earn(&b->bytes, &r->bytes, (uint64_t)(now_us - b->at_us));
    } else {
        bool forgotten = false;
        b = keyed_add(x->keys, key, &forgotten);
        if (!b)
            return NULL;
        if (forgotten)
            r->host->count(r->instance, COUNT_FORGOTTEN, 1);
        bucket_fill(&b->events, &r->events);
        bucket_fill(&b->bytes, &r->bytes);
    }
    b->at_us = now_us;
    return b;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct rate *r = self;
    struct context *x = context;
    struct hash128 key;
    struct mg_str text;
    uint64_t size = r->host->event_payload(call->event).len;
    if (keyed_key(x->keys, r->settings->key, call, &key, &text, &result->err))
        return MG_REJECT;
    if (r->settings->repeated == REPEATED_PASS && r->host->event_head(call->event)->duplicate) {
        r->host->count(r->instance, COUNT_REPEATED, 1);
        return MG_PASS;
    }
    struct buckets *b = buckets_of(r, x, &key);
    if (!b) /* nothing can be remembered, so nothing is held against the event */
        return MG_PASS;
    bool events = bucket_has(&b->events, &r->events, 1);
    if (events && bucket_has(&b->bytes, &r->bytes, size)) {
        bucket_take(&b->events, &r->events, 1);
        bucket_take(&b->bytes, &r->bytes, size);
        return MG_PASS;
    }
    r->host->count(r->instance, COUNT_OVER, 1);
    const char *limit = events ? r->settings->bytes : r->settings->rate;
    if (r->settings->key)
        snprintf(result->err.text, sizeof result->err.text, "more than %s of \"%.*s\"", limit,
                 text.len < 128 ? (int)text.len : 128, text.at);
    else
        snprintf(result->err.text, sizeof result->err.text, "more than %s", limit);
    return r->settings->otherwise == OTHERWISE_REJECT ? MG_REJECT : MG_DROP;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "rate",
    .version = "1.0.0",
    .summary = "Passes at most so many events, or payload bytes, in a time, of each key.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
