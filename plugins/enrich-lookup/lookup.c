/* SPDX-License-Identifier: Apache-2.0 */
/* Enricher "lookup": puts what a table says about an event into its payload or its properties. */
#include "lookup.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const counters[] = {"missing", "loads", "loads_failed", NULL};

/* ---- life ----------------------------------------------------------------------------------- */

static int out_of_memory(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "out of memory");
    return -ENOMEM;
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct lookup *p = calloc(1, sizeof *p);
    if (!p)
        return out_of_memory(reterr);
    p->host = host;
    p->instance = instance;
    p->settings = s;
    int error = place_init(&p->into, s->into, "into", reterr);
    if (error) {
        free(p);
        return error;
    }
    pthread_mutex_init(&p->lock, NULL);
    *ret_self = p;
    return 0;
}

static int start(void *self, struct mg_err *reterr)
{
    struct lookup *p = self;
    if (!access(p->settings->table, R_OK))
        return 0;
    int error = -errno;
    snprintf(reterr->text, sizeof reterr->text, "%.180s: %s", p->settings->table, strerror(-error));
    reterr->option = "table";
    return error;
}

/* What still waits for a table goes back: it will come again. */
static void drain(void *self)
{
    struct lookup *p = self;
    atomic_store(&p->draining, true);
    pthread_mutex_lock(&p->lock);
    for (struct context *c = p->contexts; c; c = c->next)
        p->host->wake(c->wake);
    pthread_mutex_unlock(&p->lock);
}

static void destroy(void *self)
{
    struct lookup *p = self;
    if (!p)
        return;
    pthread_mutex_destroy(&p->lock);
    place_fini(&p->into);
    table_unref(p->table);
    free(p);
}

/* ---- enriching ------------------------------------------------------------------------------ */

static uint32_t missing(struct context *c)
{
    const struct lookup *p = c->lookup;
    p->host->count(p->instance, COUNT_MISSING, 1);
    return p->settings->on_missing == MISSING_PASS   ? MG_PASS
           : p->settings->on_missing == MISSING_DROP ? MG_DROP
                                                     : MG_REJECT;
}

/* One event with that value; it is counted in out_count. */
static uint32_t add_event(struct context *c, const mg_event *event, struct doc_value **payload,
                          struct doc_value *value, struct mg_err *err)
{
    const struct lookup *p = c->lookup;
    mg_event **out = &c->out[c->out_count];
    uint32_t verdict = place_put(&p->into, p->host, c->doc, event, payload, value, out, err);
    c->out_count += verdict == MG_REPLACE;
    return verdict;
}

static uint32_t put_rows(struct context *c, const mg_event *event, const struct table_row *row,
                         struct mg_err *err)
{
    bool as_list = c->lookup->settings->multiple == MULTIPLE_LIST;
    struct doc_value *list = as_list ? doc_list(c->doc) : NULL, *value, *payload = NULL;
    uint32_t verdict = as_list && !list ? place_no_memory(err) : MG_REPLACE;
    for (; row && verdict == MG_REPLACE; row = row->next) {
        if (doc_parse(c->doc, row->json, &value, err) ||
            (as_list && doc_append(c->doc, list, value)))
            verdict = place_no_memory(err);
        else if (!as_list)
            verdict = add_event(c, event, &payload, value, err);
    }
    return verdict == MG_REPLACE && as_list ? add_event(c, event, &payload, list, err) : verdict;
}

/* With a table: the verdict, the events of MG_REPLACE in c->out. */
static uint32_t enrich(struct context *c, const mg_event *event, const mg_scope *scope,
                       struct mg_err *err)
{
    const struct lookup *p = c->lookup;
    ptrdiff_t length = p->host->expand(p->settings->key, scope, event, c->key, sizeof c->key, err);
    if (length < 0) /* err says which field is missing */
        return missing(c);
    const struct table_row *row = table_find(c->table, (struct mg_str){c->key, (size_t)length});
    if (!row) {
        snprintf(err->text, sizeof err->text, "the table has no \"%.*s\"",
                 (int)(length < 160 ? length : 160), c->key);
        return missing(c);
    }
    c->out_count = 0;
    uint32_t verdict = put_rows(c, event, row, err);
    doc_reset(c->doc);
    while (verdict != MG_REPLACE && c->out_count)
        p->host->event_unref(c->out[--c->out_count]);
    return verdict;
}

/* ---- waiting for the first table ------------------------------------------------------------ */

static uint32_t not_loaded(struct mg_err *err)
{
    snprintf(err->text, sizeof err->text, "the table is not loaded yet");
    return MG_RETRY;
}

static uint32_t wait_for_table(struct context *c, const struct mg_step_call *call,
                               struct mg_err *err)
{
    const struct lookup *p = c->lookup;
    if (c->waiting_count >= p->settings->waiting || atomic_load(&p->draining))
        return not_loaded(err);
    struct waiting *w = malloc(sizeof *w);
    mg_event *event = w ? p->host->event_ref(call->event) : NULL;
    if (!event) {
        free(w);
        return place_no_memory(err);
    }
    *w = (struct waiting){.token = call->pending, .event = event, .scope = call->scope};
    *c->last = w;
    c->last = &w->next;
    c->waiting_count++;
    return MG_PENDING;
}

static void end_waiting(struct context *c, bool has_table)
{
    const struct mg_host *host = c->lookup->host;
    /* Taken off first: resume may bring the next event in here. */
    struct waiting *w = c->first;
    c->first = NULL;
    c->last = &c->first;
    c->waiting_count = 0;
    while (w) {
        struct waiting *next = w->next;
        struct mg_err err = {.text = ""};
        uint32_t verdict = has_table ? enrich(c, w->event, w->scope, &err) : not_loaded(&err);
        bool replaced = verdict == MG_REPLACE;
        host->resume(w->token, verdict, replaced ? c->out : NULL, replaced ? c->out_count : 0,
                     err.text[0] ? err.text : NULL);
        host->event_unref(w->event);
        free(w);
        w = next;
    }
}

static void woken(void *arg)
{
    struct context *c = arg;
    bool has_table = lookup_refresh_shard(c);
    if (has_table || atomic_load(&c->lookup->draining))
        end_waiting(c, has_table);
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    (void)self;
    struct context *c = context;
    /* Behind those that wait already, so that order is kept. */
    if (!lookup_refresh_shard(c) || c->first)
        return wait_for_table(c, call, &result->err);
    uint32_t verdict = enrich(c, call->event, call->scope, &result->err);
    if (verdict == MG_REPLACE) {
        result->events = c->out;
        result->count = c->out_count;
    }
    return verdict;
}

/* ---- shards --------------------------------------------------------------------------------- */

static void free_context(struct lookup *p, struct context *c)
{
    if (!c)
        return;
    p->host->wake_free(c->wake);
    doc_destroy(c->doc);
    table_unref(c->table);
    free(c->out);
    free(c);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct lookup *p = self;
    struct context *c = calloc(1, sizeof *c);
    if (c) {
        bool many = p->settings->multiple == MULTIPLE_EVENTS;
        c->lookup = p;
        c->shard = shard;
        c->last = &c->first;
        c->doc = doc_create();
        c->out = calloc(many ? TABLE_ROWS_OF_KEY_MAX : 1, sizeof(mg_event *));
        c->wake = p->host->wake_new(shard, woken, c);
    }
    if (!c || !c->doc || !c->out || !c->wake) {
        free_context(p, c);
        return out_of_memory(reterr);
    }
    pthread_mutex_lock(&p->lock);
    c->next = p->contexts;
    p->contexts = c;
    pthread_mutex_unlock(&p->lock);
    lookup_load_begin_shard(c);
    *ret_context = c;
    return 0;
}

static void shard_close(void *self, void *context)
{
    struct lookup *p = self;
    struct context *c = context;
    if (!c)
        return;
    lookup_load_end_shard(c);
    pthread_mutex_lock(&p->lock);
    struct context **at = &p->contexts;
    while (*at && *at != c)
        at = &(*at)->next;
    if (*at)
        *at = c->next;
    pthread_mutex_unlock(&p->lock);
    atomic_store(&p->draining, true); /* shards close when all ends: nothing begins to wait again */
    end_waiting(c, false);
    free_context(p, c);
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create,
    .start = start,
    .drain = drain,
    .destroy = destroy,
    .shard_open = shard_open,
    .shard_close = shard_close,
};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_ENRICHER,
    .name = "lookup",
    .version = "1.0.0",
    .summary =
        "Looks a key up in a CSV, JSON or SQLite table and puts the row into the payload or the "
        "properties.",
    .options = lookup_options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = lookup_check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
