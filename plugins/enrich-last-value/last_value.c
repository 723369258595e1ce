/* SPDX-License-Identifier: Apache-2.0 */
/* Enricher "last-value": one step remembers the latest value of a key, another puts it into the
 * events that come by (event-carried state). */
#include "json_scan.h"
#include "settings.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEY_BYTES_MAX = 4096 };
enum { COUNT_REMEMBERED, COUNT_FORGOTTEN, COUNT_WITHOUT_VALUE, COUNT_MISSING };
static const char *const counters[] = {"remembered", "forgotten", "without_value", "missing", NULL};

struct last_value {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct doc_path *value; /* NULL: the whole payload */
    struct place into;
    struct store *remembers, *recalls; /* each NULL: it does not */
};

struct context {
    const struct last_value *step;
    mg_shard *shard;
    struct doc *doc;
    mg_event *out[1];
    char key[KEY_BYTES_MAX];
};

/* ---- life ----------------------------------------------------------------------------------- */

static int out_of_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return -ENOMEM;
}

static void destroy(void *self)
{
    struct last_value *p = self;
    if (!p)
        return;
    doc_path_free(p->value);
    place_fini(&p->into);
    store_release(p->remembers);
    store_release(p->recalls);
    free(p);
}

static int find_stores(struct last_value *p)
{
    const struct settings *s = p->settings;
    const struct mg_host *host = p->host;
    struct mg_str gateway = host->gateway_name(p->instance);
    uint64_t seed = (uint64_t)host->random(UINT32_MAX) << 32 | host->random(UINT32_MAX);
    if (s->remember)
        p->remembers = store_get(gateway, s->remember, seed);
    if (s->recall)
        p->recalls = store_get(gateway, s->recall, seed);
    if ((s->remember && !p->remembers) || (s->recall && !p->recalls))
        return -ENOMEM;
    return p->remembers ? store_grow(p->remembers, (size_t)s->max_keys, (size_t)s->max_size) : 0;
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct last_value *p = calloc(1, sizeof *p);
    if (!p)
        return out_of_memory(reterr);
    p->host = host;
    p->instance = instance;
    p->settings = settings;
    int error = find_stores(p);
    if (error)
        out_of_memory(reterr);
    else
        error = last_value_compile(p->settings, &p->value, &p->into, reterr);
    if (error) {
        destroy(p);
        return error;
    }
    *ret_self = p;
    return 0;
}

/* All steps have been created by now. */
static int start(void *self, struct mg_err *reterr)
{
    const struct last_value *p = self;
    if (!p->recalls || store_is_fed(p->recalls))
        return 0;
    snprintf(reterr->text, sizeof reterr->text,
             "no step of this gateway remembers anything under the name \"%.100s\"",
             store_name(p->recalls));
    reterr->option = "recall";
    return -EINVAL;
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
        return out_of_memory(reterr);
    }
    c->step = self;
    c->shard = shard;
    *ret_context = c;
    return 0;
}

/* ---- remembering ---------------------------------------------------------------------------- */

/* MG_PASS: *ret_text is JSON, to be freed where *ret_owned.  MG_DROP: there is no such value. */
static uint32_t value_of(struct context *c, const mg_event *event, struct mg_bytes *ret_text,
                         char **ret_owned, struct mg_err *err)
{
    const struct last_value *p = c->step;
    struct mg_bytes payload = p->host->event_payload(event);
    struct doc_value *value = NULL;
    if (p->settings->as == AS_TEXT) {
        if (!scan_is_utf8(payload.at, payload.len)) {
            snprintf(err->text, sizeof err->text, "the payload is not UTF-8 text");
            return MG_REJECT;
        }
        value = doc_text(c->doc, (struct mg_str){payload.at, payload.len});
    } else {
        /* Parsed also where all of it is kept as it was written: what cannot be read must not lie
         * in the way of the events that recall it. */
        int error = doc_of_payload(c->doc, p->host, event, &value, err);
        if (error)
            return error == -ENOMEM ? place_no_memory(err) : MG_REJECT;
        if (!p->value) {
            *ret_text = payload;
            return MG_PASS;
        }
        value = doc_path_get(p->value, value);
        if (!value)
            return MG_DROP;
    }
    *ret_owned = value ? doc_write(value, &ret_text->len) : NULL;
    ret_text->at = *ret_owned;
    return *ret_owned ? MG_PASS : place_no_memory(err);
}

/* MG_PASS, or the verdict of one that cannot be remembered. */
static uint32_t remember(struct context *c, const mg_event *event, struct mg_str key,
                         struct mg_err *err)
{
    const struct last_value *p = c->step;
    struct mg_bytes text = {0};
    char *owned = NULL;
    if (!p->host->event_payload(event).len) { /* as MQTT removes a retained message */
        store_remove(p->remembers, key);
        return MG_PASS;
    }
    uint32_t verdict = value_of(c, event, &text, &owned, err);
    if (verdict == MG_DROP) {
        p->host->count(p->instance, COUNT_WITHOUT_VALUE, 1);
        return MG_PASS;
    }
    if (verdict != MG_PASS)
        return verdict;
    size_t forgotten = 0;
    int error = store_set(p->remembers, key, text, p->host->now_us(c->shard), &forgotten);
    free(owned);
    if (error == -EFBIG) {
        snprintf(err->text, sizeof err->text,
                 "a value of %zu bytes is larger than max_size allows for all of them", text.len);
        return MG_REJECT;
    }
    if (error)
        return place_no_memory(err);
    p->host->count(p->instance, COUNT_REMEMBERED, 1);
    if (forgotten)
        p->host->count(p->instance, COUNT_FORGOTTEN, (int64_t)forgotten);
    return MG_PASS;
}

/* ---- recalling ------------------------------------------------------------------------------ */

static uint32_t missing(const struct last_value *p)
{
    static const uint32_t verdicts[] = {
        [MISSING_PASS] = MG_PASS,
        [MISSING_DROP] = MG_DROP,
        [MISSING_REJECT] = MG_REJECT,
        [MISSING_RETRY] = MG_RETRY,
    };
    p->host->count(p->instance, COUNT_MISSING, 1);
    return verdicts[p->settings->on_missing];
}

static uint32_t join(struct context *c, const mg_event *event, const struct value *found,
                     struct mg_err *err)
{
    struct doc_value *value, *payload = NULL;
    int error = doc_parse(c->doc, (struct mg_bytes){found->text, found->length}, &value, err);
    if (error)
        return error == -ENOMEM ? place_no_memory(err) : MG_REJECT;
    return place_put(&c->step->into, c->step->host, c->doc, event, &payload, value, &c->out[0],
                     err);
}

static uint32_t recall(struct context *c, const mg_event *event, struct mg_str key,
                       struct mg_err *err)
{
    const struct last_value *p = c->step;
    struct value *found = store_find(p->recalls, key);
    int64_t most_us = p->settings->max_age_ms * 1000;
    uint32_t verdict;
    if (!found) {
        snprintf(err->text, sizeof err->text, "nothing is remembered of \"%.160s\"", key.at);
        verdict = missing(p);
    } else if (most_us && p->host->now_us(c->shard) - found->since_us > most_us) {
        snprintf(err->text, sizeof err->text, "what is remembered of \"%.160s\" is too old",
                 key.at);
        verdict = missing(p);
    } else {
        verdict = join(c, event, found, err);
    }
    value_unref(found);
    return verdict;
}

/* ---- the step ------------------------------------------------------------------------------- */

static uint32_t enrich(struct context *c, const struct mg_step_call *call, struct mg_err *err)
{
    const struct last_value *p = c->step;
    ptrdiff_t length =
        p->host->expand(p->settings->key, call->scope, call->event, c->key, sizeof c->key, err);
    if (length < 0) /* err says why */
        return p->remembers ? MG_REJECT : missing(p);
    struct mg_str key = {c->key, (size_t)length};
    /* First the old value, then the new one. */
    uint32_t verdict = p->recalls ? recall(c, call->event, key, err) : MG_PASS;
    if (!p->remembers || verdict == MG_REJECT || verdict == MG_RETRY)
        return verdict;
    uint32_t remembered = remember(c, call->event, key, err);
    if (remembered == MG_PASS)
        return p->settings->then == THEN_DROP ? MG_DROP : verdict;
    if (verdict == MG_REPLACE)
        p->host->event_unref(c->out[0]);
    return remembered;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    (void)self;
    struct context *c = context;
    uint32_t verdict = enrich(c, call, &result->err);
    doc_reset(c->doc);
    if (verdict == MG_REPLACE) {
        result->events = c->out;
        result->count = 1;
    }
    return verdict;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {.create = create,
                                    .start = start,
                                    .destroy = destroy,
                                    .shard_open = shard_open,
                                    .shard_close = shard_close};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_ENRICHER,
    .name = "last-value",
    .version = "1.0.0",
    .summary = "Remembers the latest value of a key in one route and puts it into the events of "
               "another.",
    .options = last_value_options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = last_value_check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
