/* SPDX-License-Identifier: Apache-2.0 */
/* Enricher "lookup": puts what a table says about an event into its payload or its properties. */
#include "lookup.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *const formats[] = {"auto", "csv", "json", NULL};
static const char *const missings[] = {"pass", "drop", "reject", NULL};
static const char *const counters[] = {"missing", "loads", "loads_failed", NULL};

#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "table",
     .doc = "The file: CSV with a line of column names, or JSON (an object of rows, or a list of "
            "them).",
     .type = MG_OPT_FILE,
     .flags = MG_OPT_REQUIRED,
     .offset = AT(table)},
    {.name = "key",
     .doc = "What is looked up, as \"{machine}\" or \"{property.device}\".",
     .type = MG_OPT_TEMPLATE,
     .flags = MG_OPT_REQUIRED,
     .offset = AT(key)},
    {.name = "into",
     .doc = "Where the row goes: a path in the JSON payload (machine, data.machine), or "
            "property:NAME.",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_REQUIRED,
     .least = 1,
     .most = 1024,
     .offset = AT(into)},
    {.name = "column",
     .doc = "Only this column; its value itself goes there.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1024,
     .offset = AT(column)},
    {.name = "columns",
     .doc = "Only these columns; unset: all but the key's.",
     .type = MG_OPT_TEXT,
     .flags = MG_OPT_LIST,
     .least = 1,
     .most = 1024,
     .offset = AT(columns)},
    {.name = "key_column",
     .doc = "The column of the keys; unset: the first of a CSV table.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1024,
     .offset = AT(key_column)},
    {.name = "on_missing",
     .value = "pass",
     .doc = "What happens to an event whose key the table has not: it passes unchanged, is dropped "
            "or rejected.",
     .type = MG_OPT_ENUM,
     .choices = missings,
     .offset = AT(on_missing)},
    {.name = "format",
     .value = "auto",
     .doc = "auto: JSON where the file's name ends in .json, else CSV.",
     .type = MG_OPT_ENUM,
     .choices = formats,
     .offset = AT(format)},
    {.name = "delimiter",
     .value = "\",\"",
     .doc = "What stands between the cells of a CSV table, one character.",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = 1,
     .offset = AT(delimiter)},
    {.name = "typed",
     .value = "false",
     .doc = "CSV cells that are not quoted and are a number, true, false or null become such "
            "instead of text.",
     .type = MG_OPT_BOOL,
     .offset = AT(typed)},
    {.name = "reload",
     .value = "2s",
     .doc = "How often to see whether the file has changed; 0s: never.",
     .type = MG_OPT_DURATION_MS,
     .least = 0,
     .most = 86400000,
     .offset = AT(reload_ms)},
    {.name = "max_size",
     .value = "64MiB",
     .doc = "A larger file is refused.",
     .type = MG_OPT_SIZE,
     .least = 1,
     .most = 1 << 30,
     .offset = AT(most_bytes)},
    {.name = "waiting",
     .value = "1000",
     .doc = "Events that may wait on each shard until the table is there.",
     .type = MG_OPT_INT,
     .least = 1,
     .most = 1000000,
     .offset = AT(waiting)},
    {0}};

static const char property_prefix[] = "property:";
#define PREFIX_LENGTH (sizeof property_prefix - 1)

/* ---- settings ------------------------------------------------------------------------------- */

static int refuse(struct mg_err *err, const char *option, const char *why)
{
    snprintf(err->text, sizeof err->text, "%s", why);
    err->option = option;
    return -EINVAL;
}

static int check(const void *settings, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct json_path *path = NULL;
    if (s->column && s->columns.count)
        return refuse(
            reterr, "columns",
            "column takes one value, columns makes an object of several: use one of them");
    if (strchr("\"\r\n", *s->delimiter))
        return refuse(reterr, "delimiter",
                      "neither a quote nor a line break can stand between cells");
    if (!strncmp(s->into, property_prefix, PREFIX_LENGTH))
        return s->into[PREFIX_LENGTH]
                   ? 0
                   : refuse(reterr, "into", "property: needs the property's name behind it");
    int error = json_path_compile(s->into, true, &path, reterr);
    json_path_free(path);
    if (error)
        reterr->option = "into";
    else if (!strcmp(s->into, ".") || !strcmp(s->into, "data"))
        error =
            refuse(reterr, "into",
                   "the row needs a place in the payload, as machine; it cannot replace all of it");
    return error;
}

/* ---- life ----------------------------------------------------------------------------------- */

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct lookup *p = calloc(1, sizeof *p);
    if (!p)
        return refuse(reterr, NULL, "out of memory"), -ENOMEM;
    p->host = host;
    p->instance = instance;
    p->settings = s;
    int error = 0;
    if (!strncmp(s->into, property_prefix, PREFIX_LENGTH))
        p->property = s->into + PREFIX_LENGTH;
    else
        error = json_path_compile(s->into, true, &p->path, reterr);
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
    json_path_free(p->path);
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

/* With a table: the verdict, the event of MG_REPLACE in c->out. */
static uint32_t enrich(struct context *c, const mg_event *event, const mg_scope *scope,
                       struct mg_err *err)
{
    const struct lookup *p = c->lookup;
    ptrdiff_t length =
        p->host->expand(p->settings->key, scope, event, c->key, sizeof c->key - 1, err);
    if (length < 0) /* err says which field is missing */
        return missing(c);
    c->key[length] = '\0';
    json_t *value = memchr(c->key, 0, (size_t)length) ? NULL : table_find(c->table, c->key);
    if (!value) {
        snprintf(err->text, sizeof err->text, "the table has no \"%.160s\"", c->key);
        return missing(c);
    }
    return p->path ? lookup_into_payload(c, event, value, err)
                   : lookup_into_properties(c, event, value, err);
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
        return lookup_no_memory(err);
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
        mg_event *out[1] = {c->out[0]};
        host->resume(w->token, verdict, replaced ? out : NULL, replaced,
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
        result->count = 1;
    }
    return verdict;
}

/* ---- shards --------------------------------------------------------------------------------- */

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct lookup *p = self;
    struct context *c = calloc(1, sizeof *c);
    if (c) {
        c->lookup = p;
        c->shard = shard;
        c->last = &c->first;
        c->wake = p->host->wake_new(shard, woken, c);
    }
    if (!c || !c->wake) {
        free(c);
        return refuse(reterr, NULL, "out of memory"), -ENOMEM;
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
    p->host->wake_free(c->wake);
    table_unref(c->table);
    free(c);
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
    .summary = "Looks a key up in a CSV or JSON table and puts the row into the payload or the "
               "properties.",
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
