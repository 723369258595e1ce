/* SPDX-License-Identifier: Apache-2.0 */
/* Loads the table on the thread pool, and again whenever the file has changed. */
#include "lookup.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One look at the file.  It owns all that it uses, since it may outlive the instance. */
struct load {
    struct context *context; /* NULL: nobody waits for it any more */
    const struct mg_host *host;
    struct table_options options;
    char *path, *key_column, *column, *query, *from_table;
    char **columns;
    atomic_bool given_up;
    struct table_stamp stamp;
    bool tried, changed, settled;
    struct table *table;
    int error;
    struct mg_err err;
};

enum { FIRST_RETRY_MS = 1000 };

static void load_free(struct load *l)
{
    for (size_t i = 0; l->columns && i < l->options.column_count; i++)
        free(l->columns[i]);
    free(l->columns);
    free(l->path);
    free(l->key_column);
    free(l->column);
    free(l->query);
    free(l->from_table);
    table_unref(l->table);
    free(l);
}

static bool copy_text(char **ret, const char *text)
{
    *ret = text ? strdup(text) : NULL;
    return !text || *ret;
}

static struct load *load_new(struct context *c)
{
    const struct settings *s = c->lookup->settings;
    struct load *l = calloc(1, sizeof *l);
    if (!l)
        return NULL;
    l->context = c;
    l->host = c->lookup->host;
    atomic_init(&l->given_up, false);
    l->columns = calloc(s->columns.count + 1, sizeof *l->columns);
    bool copied = l->columns && copy_text(&l->path, s->table) &&
                  copy_text(&l->key_column, s->key_column) && copy_text(&l->column, s->column) &&
                  copy_text(&l->query, s->query) && copy_text(&l->from_table, s->from_table);
    l->options.column_count = l->columns ? s->columns.count : 0;
    for (size_t i = 0; copied && i < s->columns.count; i++)
        copied = copy_text(&l->columns[i], ((const char *const *)s->columns.items)[i]);
    if (!copied) {
        load_free(l);
        return NULL;
    }
    l->options.path = l->path;
    l->options.format = s->format;
    l->options.multiple = s->multiple;
    l->options.key_column = l->key_column;
    l->options.column = l->column;
    l->options.query = l->query;
    l->options.from_table = l->from_table;
    l->options.given_up = &l->given_up;
    l->options.columns = (const char *const *)l->columns;
    l->options.delimiter = *s->delimiter;
    l->options.typed = s->typed;
    l->options.most_bytes = s->most_bytes;
    l->stamp = c->stamp;
    l->tried = c->tried;
    return l;
}

/* On the thread pool. */
static void look(void *arg)
{
    struct load *l = arg;
    struct table_stamp now = {0};
    l->settled = true;
    int error = table_stamp_of(l->path, l->options.format, &now, &l->settled);
    if (l->tried && !memcmp(&now, &l->stamp, sizeof now))
        return;
    l->changed = true;
    l->stamp = now;
    if (error) {
        l->error = error;
        snprintf(l->err.text, sizeof l->err.text, "%s", strerror(-error));
    } else {
        l->error = table_load(&l->options, &l->table, &l->err);
    }
}

static void unref_table(void *table)
{
    table_unref(table);
}

static void unreffed(void *table)
{
    (void)table;
}

/* To free a large table takes milliseconds, which a shard has not. */
static void let_go_shard(struct context *c, struct table *table)
{
    enum { LARGE_ROWS = 10000 };
    if (table && table_count(table) >= LARGE_ROWS &&
        !c->lookup->host->work(c->shard, unref_table, unreffed, table))
        return;
    table_unref(table);
}

static void publish(struct context *by, struct table *table)
{
    struct lookup *p = by->lookup;
    pthread_mutex_lock(&p->lock);
    struct table *old = p->table;
    p->table = table;
    unsigned next = atomic_load(&p->generation) + 1;
    atomic_store(&p->generation, next ? next : 1);
    for (struct context *c = p->contexts; c; c = c->next)
        p->host->wake(c->wake);
    pthread_mutex_unlock(&p->lock);
    let_go_shard(by, old);
}

/* Some errors say nothing about the file, and a change that may follow would not show. */
static bool passes_by(int error)
{
    return error == -ENOMEM || error == -EAGAIN || error == -EMFILE || error == -ENFILE ||
           error == -EIO;
}

static void take_result(struct context *c, struct load *l)
{
    struct lookup *p = c->lookup;
    if (!l->changed)
        return;
    c->stamp = l->stamp;
    c->tried = !passes_by(l->error) && l->settled;
    if (l->error) {
        bool has_old = atomic_load(&p->generation) != 0;
        p->host->count(p->instance, COUNT_LOADS_FAILED, 1);
        p->host->log(p->instance, MG_ERROR, "%s: %s%s", l->path, l->err.text,
                     has_old ? "; the table as it was stays in use"
                             : "; events wait until it can be read");
        return;
    }
    p->host->count(p->instance, COUNT_LOADS, 1);
    /* A database may change at every look. */
    bool often = table_format_of(l->path, l->options.format) == TABLE_SQLITE &&
                 atomic_load(&p->generation) != 0;
    p->host->log(p->instance, often ? MG_DEBUG : MG_INFO, "%s: %zu rows", l->path,
                 table_count(l->table));
    publish(c, l->table);
    l->table = NULL;
}

static void begin(void *arg);

static void looked(void *arg)
{
    struct load *l = arg;
    struct context *c = l->context;
    if (c) {
        const struct settings *s = c->lookup->settings;
        bool has_table;
        c->load = NULL;
        take_result(c, l);
        has_table = atomic_load(&c->lookup->generation) != 0;
        uint64_t wait_ms = s->reload_ms ? (uint64_t)s->reload_ms : has_table ? 0 : FIRST_RETRY_MS;
        if (wait_ms && c->timer)
            c->lookup->host->timer_again(c->timer, wait_ms, 0);
        else if (wait_ms)
            c->timer = c->lookup->host->timer_start(c->shard, wait_ms, 0, begin, c);
    }
    load_free(l);
}

static void begin(void *arg)
{
    struct context *c = arg;
    const struct mg_host *host = c->lookup->host;
    c->load = load_new(c);
    if (c->load && !host->work(c->shard, look, looked, c->load))
        return;
    if (c->load)
        load_free(c->load);
    c->load = NULL;
    if (c->timer)
        host->timer_again(c->timer, FIRST_RETRY_MS, 0);
    else
        c->timer = host->timer_start(c->shard, FIRST_RETRY_MS, 0, begin, c);
}

void lookup_load_begin_shard(struct context *c)
{
    struct lookup *p = c->lookup;
    pthread_mutex_lock(&p->lock);
    c->loads = !p->has_loader;
    p->has_loader = true;
    pthread_mutex_unlock(&p->lock);
    if (c->loads)
        begin(c);
}

void lookup_load_end_shard(struct context *c)
{
    struct lookup *p = c->lookup;
    if (!c->loads)
        return;
    if (c->timer)
        p->host->timer_stop(c->timer);
    if (c->load) {
        c->load->context = NULL;
        atomic_store(&c->load->given_up, true);
    }
    c->timer = NULL;
    c->load = NULL;
    pthread_mutex_lock(&p->lock);
    p->has_loader = false;
    pthread_mutex_unlock(&p->lock);
}

bool lookup_refresh_shard(struct context *c)
{
    struct lookup *p = c->lookup;
    if (c->generation == atomic_load_explicit(&p->generation, memory_order_acquire))
        return c->table;
    pthread_mutex_lock(&p->lock);
    struct table *newer = table_ref(p->table);
    c->generation = atomic_load(&p->generation);
    pthread_mutex_unlock(&p->lock);
    let_go_shard(c, c->table);
    c->table = newer;
    return true;
}
