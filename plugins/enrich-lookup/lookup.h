/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the lookup share: the instance, and what each shard has of it. */
#pragma once
#include "place.h"
#include "table.h"
#include <pthread.h>
#include <stdatomic.h>

enum { KEY_BYTES_MAX = 4096 };
enum missing { MISSING_PASS, MISSING_DROP, MISSING_REJECT };
enum { COUNT_MISSING, COUNT_LOADS, COUNT_LOADS_FAILED };

struct settings {
    const char *table, *into, *key_column, *column, *delimiter, *query, *from_table;
    const mg_template *key;
    struct mg_list columns; /* of const char * */
    uint32_t format, on_missing, multiple;
    bool typed;
    int64_t reload_ms, most_bytes, waiting;
};

/* An event that waits for the first table. */
struct waiting {
    struct waiting *next;
    mg_token token;
    mg_event *event;
    const mg_scope *scope;
};

struct lookup;

/* A shard's part; SHARD, but for `next`. */
struct context {
    struct context *next; /* under the lookup's lock */
    struct lookup *lookup;
    mg_shard *shard;
    mg_wake *wake; /* a table has come, or the end */
    struct table *table;
    unsigned generation; /* of table */
    struct waiting *first, **last;
    int64_t waiting_count;
    char key[KEY_BYTES_MAX];
    struct doc *doc;
    mg_event **out; /* one, or with multiple: events TABLE_ROWS_OF_KEY_MAX */
    size_t out_count;

    /* Of the one context that loads for all. */
    bool loads;
    struct load *load; /* under way, or NULL */
    mg_timer *timer;
    struct table_stamp stamp; /* of what was tried last */
    bool tried;
};

struct lookup {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct place into;

    pthread_mutex_t lock; /* protects the three below; held for a few instructions */
    struct table *table;
    struct context *contexts;
    bool has_loader;
    atomic_uint generation; /* of table, 0: none yet */
    atomic_bool draining;
};

/* loader.c */
void lookup_load_begin_shard(
    struct context *context); /* makes it the one that loads, where there is none */
void lookup_load_end_shard(struct context *context);
/* The newest table in context->table; false: there is none yet. */
bool lookup_refresh_shard(struct context *context);

/* settings.c */
extern const struct mg_option lookup_options[];
int lookup_check(const void *settings, struct mg_err *reterr);
