/* SPDX-License-Identifier: Apache-2.0 */
/* Filter "changed": report by exception.  Passes an event when its value differs enough from the
 * last one passed of the same key. */
#include "doc_path.h"
#include "keyed.h"
#include "meshgate/plugin.h"
#include "value.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

enum missing { MISSING_PASS, MISSING_DROP, MISSING_REJECT };

struct settings {
    const char *value, *deadband;
    const mg_template *key;
    int64_t at_least_every_ms, at_most_every_ms, max_keys;
    uint32_t on_missing;
};

struct changed {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct doc_path *path; /* NULL: the whole payload */
    double deadband;
    bool percent;
};

struct context {
    mg_shard *shard;
    struct keyed *keys; /* of struct last */
    struct doc *doc;
};

struct last { /* passed of one key */
    struct value value;
    int64_t passed_us;
};

static const char *const counters[] = {"unchanged", "forgotten_keys", NULL};
enum { COUNT_UNCHANGED, COUNT_FORGOTTEN };

static const char *const missings[] = {"pass", "drop", "reject", NULL};
#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "value",
     .doc = "Path of the value in a JSON payload, as temperature or data.items.0; unset: the whole "
            "payload, which may be a bare number.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1024,
     .offset = AT(value)},
    {.name = "key",
     .value = "\"{event.address}\"",
     .doc = "What is compared with each other: one last value per key.",
     .type = MG_OPT_TEMPLATE,
     .offset = AT(key)},
    {.name = "deadband",
     .value = "0",
     .doc =
         "A number must differ by more than this, absolute (0.5) or of the last one passed (2%).",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 32,
     .offset = AT(deadband)},
    {.name = "at_least_every",
     .value = "0s",
     .doc = "An unchanged value passes when the last one passed so long ago; 0s: never.",
     .type = MG_OPT_DURATION_MS,
     .least = 0,
     .most = 31536000000,
     .offset = AT(at_least_every_ms)},
    {.name = "at_most_every",
     .value = "0s",
     .doc = "A changed value is dropped when one of its key passed so short ago; 0s: never.",
     .type = MG_OPT_DURATION_MS,
     .least = 0,
     .most = 31536000000,
     .offset = AT(at_most_every_ms)},
    {.name = "max_keys",
     .value = "10000",
     .doc = "Keys remembered on each shard; beyond, the one unused for longest is forgotten, and "
            "passes next time.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = KEYED_KEYS_MAX,
     .offset = AT(max_keys)},
    {.name = "on_missing",
     .value = "pass",
     .doc = "What happens to an event whose JSON payload has no such value.",
     .type = MG_OPT_ENUM,
     .choices = missings,
     .offset = AT(on_missing)},
    {0}};

/* ---- settings ------------------------------------------------------------------------------- */

static int parse_deadband(const char *text, double *ret_deadband, bool *ret_percent,
                          struct mg_err *reterr)
{
    char *end;
    double d = strtod(text, &end);
    bool percent = *end == '%';
    if (end == text || end[percent] || !isfinite(d) || d < 0) {
        snprintf(reterr->text, sizeof reterr->text,
                 "\"%.32s\" is neither a number, as 0.5, nor a percentage, as 2%%", text);
        reterr->option = "deadband";
        return -EINVAL;
    }
    *ret_deadband = percent ? d / 100 : d;
    *ret_percent = percent;
    return 0;
}

static int check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    double deadband;
    bool percent;
    struct doc_path *path = NULL;
    int error = parse_deadband(s->deadband, &deadband, &percent, reterr);
    if (!error && s->value) {
        error = doc_path_compile(s->value, true, &path, reterr);
        doc_path_free(path);
        reterr->option = error ? "value" : reterr->option;
    }
    if (!error && s->at_least_every_ms && s->at_least_every_ms < s->at_most_every_ms) {
        snprintf(reterr->text, sizeof reterr->text, "at_least_every is shorter than at_most_every");
        reterr->option = "at_least_every";
        error = -EINVAL;
    }
    return error;
}

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    struct changed *c = self;
    if (c)
        doc_path_free(c->path);
    free(c);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct changed *c = calloc(1, sizeof *c);
    if (!c) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    c->host = host;
    c->instance = instance;
    c->settings = s;
    int error = parse_deadband(s->deadband, &c->deadband, &c->percent, reterr);
    if (!error && s->value)
        error = doc_path_compile(s->value, true, &c->path, reterr);
    if (error) {
        destroy(c);
        return error;
    }
    *ret_self = c;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    struct context *x = context;
    if (!x)
        return;
    keyed_destroy(x->keys);
    doc_destroy(x->doc);
    free(x);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct changed *c = self;
    struct context *x = calloc(1, sizeof *x);
    if (x) {
        x->shard = shard;
        x->keys = keyed_create(c->host, (size_t)c->settings->max_keys, sizeof(struct last));
        x->doc = c->path ? doc_create() : NULL;
    }
    if (!x || !x->keys || (c->path && !x->doc)) {
        shard_close(self, x);
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    *ret_context = x;
    return 0;
}

/* ---- the filter ----------------------------------------------------------------------------- */

/* MG_PASS: it has a value; anything else is the verdict of one that has none, as reterr says. */
static uint32_t value_of(const struct changed *c, struct context *x, const mg_event *event,
                         struct value *ret, struct mg_err *reterr)
{
    struct doc_value *root, *at;
    if (!c->path) {
        *ret = value_of_payload(x->keys, c->host->event_payload(event));
        return MG_PASS;
    }
    uint32_t verdict = MG_PASS;
    if (doc_of_payload(x->doc, c->host, event, &root, reterr)) {
        verdict = MG_REJECT;
    } else if ((at = doc_path_get(c->path, root))) {
        *ret = value_of_json(x->keys, at);
    } else {
        snprintf(reterr->text, sizeof reterr->text, "the payload has no %.128s",
                 doc_path_text(c->path));
        verdict = c->settings->on_missing == MISSING_REJECT ? MG_REJECT : MG_DROP;
    }
    doc_reset(x->doc);
    return verdict;
}

static bool passes(const struct changed *c, const struct last *last, const struct value *now,
                   int64_t now_us, bool repeated)
{
    int64_t since_ms = (now_us - last->passed_us) / 1000;
    const struct settings *s = c->settings;
    /* What its source sends once more was perhaps not delivered when it passed here before. */
    if (repeated && value_same(&last->value, now))
        return true;
    if (value_differs(&last->value, now, c->deadband, c->percent))
        return !s->at_most_every_ms || since_ms >= s->at_most_every_ms;
    return s->at_least_every_ms && since_ms >= s->at_least_every_ms;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct changed *c = self;
    struct context *x = context;
    struct value now;
    struct hash128 key;
    struct mg_str text;
    uint32_t verdict = value_of(c, x, call->event, &now, &result->err);
    if (verdict == MG_DROP && c->settings->on_missing == MISSING_PASS)
        return MG_PASS;
    if (verdict != MG_PASS)
        return verdict;
    if (keyed_key(x->keys, c->settings->key, call, &key, &text, &result->err))
        return MG_REJECT;
    int64_t now_us = c->host->now_us(x->shard);
    struct last *last = keyed_find(x->keys, &key);
    if (last && !passes(c, last, &now, now_us, c->host->event_head(call->event)->duplicate)) {
        c->host->count(c->instance, COUNT_UNCHANGED, 1);
        snprintf(result->err.text, sizeof result->err.text,
                 "not changed enough since the last one of \"%.*s\"",
                 text.len < 128 ? (int)text.len : 128, text.at);
        return MG_DROP;
    }
    if (!last) {
        bool forgotten = false;
        last = keyed_add(x->keys, &key, &forgotten);
        if (forgotten)
            c->host->count(c->instance, COUNT_FORGOTTEN, 1);
    }
    if (last) /* without memory nothing is remembered, and the event passes */
        *last = (struct last){now, now_us};
    return MG_PASS;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "changed",
    .version = "1.0.0",
    .summary = "Passes an event when its value changed by more than a deadband since the last one "
               "of its key.",
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
