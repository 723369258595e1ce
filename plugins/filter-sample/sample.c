/* SPDX-License-Identifier: Apache-2.0 */
/* Filter "sample": passes one event of many, by counting or as a share. */
#include "hash128.h"
#include "keyed.h"
#include "meshgate/plugin.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct settings {
    const mg_template *key;
    const char *share, *salt;
    int64_t every, max_keys;
};

struct sample {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    uint64_t limit;      /* of share: hashes below it pass */
    bool all;            /* a share of 100% */
    struct hash128 salt; /* of share with a key: known to everybody with the same settings */
};

struct context {
    struct keyed *keys; /* every: a uint64_t of events since the last that passed */
};

static const char *const counters[] = {"left_out", "forgotten_keys", "repeated", NULL};
enum { COUNT_LEFT_OUT, COUNT_FORGOTTEN, COUNT_REPEATED };

#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "every",
     .doc = "Passes the first of each so many events of a key. Either this or share.",
     .type = MG_OPT_INT,
     .least = 0,
     .most = 1000000000,
     .offset = AT(every)},
    {.name = "share",
     .doc = "Passes about this share of the events, as 1% or 0.01: with a key, all events of some "
            "keys; without, some events by chance.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 32,
     .offset = AT(share)},
    {.name = "key",
     .doc = "What is counted for itself (every), or stays together (share), like "
            "\"{property.traceparent}\"; unset: all events are counted together, or each is left "
            "to chance.",
     .type = MG_OPT_TEMPLATE,
     .offset = AT(key)},
    {.name = "salt",
     .value = "\"\"",
     .doc = "share with a key: the same salt chooses the same keys, on every gateway and after "
            "each start; another one chooses others.",
     .type = MG_OPT_TEXT,
     .least = 0,
     .most = 1024,
     .offset = AT(salt)},
    {.name = "max_keys",
     .value = "10000",
     .doc = "every: keys counted on each shard; beyond, the one unused for longest is forgotten, "
            "and its next event passes.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = KEYED_KEYS_MAX,
     .offset = AT(max_keys)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

static int wrong(struct mg_err *reterr, const char *option, const char *text)
{
    snprintf(reterr->text, sizeof reterr->text, "%s", text);
    reterr->option = option;
    return -EINVAL;
}

/* 0..1 */
static int parse_share(const char *text, double *ret_share, struct mg_err *reterr)
{
    char *end;
    double d = strtod(text, &end);
    bool percent = *end == '%';
    if (end == text || end[percent] || !isfinite(d) || d < 0 || d > (percent ? 100 : 1)) {
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%.32s\" is neither a percentage, as 1%%, nor a part of one, as 0.01", text);
        reterr->option = "share";
        return -EINVAL;
    }
    *ret_share = percent ? d / 100 : d;
    return 0;
}

static int check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    double share;
    if (!s->every && !s->share)
        return wrong(reterr, "every", "neither every nor share says how many pass");
    if (s->every && s->share)
        return wrong(reterr, "share", "every and share are two ways: use one of them");
    if (s->every && s->salt[0])
        return wrong(reterr, "salt", "salt chooses a share; every counts");
    if (s->share && s->salt[0] && !s->key)
        return wrong(reterr, "salt", "without a key chance decides, which salt has no part in");
    return s->share ? parse_share(s->share, &share, reterr) : 0;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    free(self);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    static const struct hash128 fixed = {{0x6d65736867617465, 0x73616d706c652031}};
    const struct settings *s = settings;
    struct sample *f = calloc(1, sizeof *f);
    double share = 0;
    if (!f) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    f->host = host;
    f->instance = instance;
    f->settings = s;
    if (s->share && parse_share(s->share, &share, reterr)) {
        destroy(f);
        return -EINVAL;
    }
    f->all = share >= 1;
    f->limit = f->all ? UINT64_MAX : (uint64_t)ldexp(share, 64);
    f->salt = hash128_of(&fixed, s->salt, strlen(s->salt));
    *ret_self = f;
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
    (void)shard;
    const struct sample *f = self;
    struct context *x = calloc(1, sizeof *x);
    if (x)
        x->keys = keyed_create(f->host, f->settings->every ? (size_t)f->settings->max_keys : 1,
                               sizeof(uint64_t));
    if (!x || !x->keys) {
        shard_close(self, x);
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    *ret_context = x;
    return 0;
}

/* ---- the filter ----------------------------------------------------------------------------- */

static bool is_nth(const struct sample *f, struct context *x, const struct hash128 *key)
{
    uint64_t *since = keyed_find(x->keys, key);
    if (!since) {
        bool forgotten = false;
        since = keyed_add(x->keys, key, &forgotten);
        if (forgotten)
            f->host->count(f->instance, COUNT_FORGOTTEN, 1);
        return true; /* also without memory: once too often rather than never */
    }
    *since += 1;
    if (*since < (uint64_t)f->settings->every)
        return false;
    *since = 0;
    return true;
}

static bool by_chance(const struct sample *f)
{
    uint64_t high = f->host->random(1u << 31), low = f->host->random(1u << 31);
    return f->all || (high << 31 | low) << 2 < f->limit;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct sample *f = self;
    struct context *x = context;
    struct hash128 key;
    struct mg_str text = {0};
    bool by_key = f->settings->share && f->settings->key, passes;
    if (keyed_key(x->keys, f->settings->key, call, &key, &text, &result->err))
        return MG_REJECT;
    /* What was left out is done with, so one that comes again had passed, and may be lost. */
    if (!by_key && f->host->event_head(call->event)->duplicate) {
        f->host->count(f->instance, COUNT_REPEATED, 1);
        return MG_PASS;
    }
    if (by_key)
        passes = f->all || hash128_of(&f->salt, text.at, text.len).word[0] < f->limit;
    else
        passes = f->settings->every ? is_nth(f, x, &key) : by_chance(f);
    if (passes)
        return MG_PASS;
    f->host->count(f->instance, COUNT_LEFT_OUT, 1);
    snprintf(result->err.text, sizeof result->err.text, "not in the sample");
    return MG_DROP;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "sample",
    .version = "1.0.0",
    .summary = "Passes one event of many: every Nth, or a share by chance or by key.",
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
