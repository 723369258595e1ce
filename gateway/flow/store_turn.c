/* SPDX-License-Identifier: Apache-2.0 */
/* What a shard has for the store besides events: settlements, bridges' state, the ledger.  It is
 * gathered and handed over as one chain at the end of a turn, settlements first. */
#include "flow/internal.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { SETTLED_MOST = 256 };

static void append_op(struct gw_store_op **first, struct gw_store_op **last, struct gw_store_op *op)
{
    op->next = NULL;
    *(*last ? &(*last)->next : first) = op;
    *last = op;
}

/* ---- settlements ---------------------------------------------------------------------------- */

static void free_op(struct gw_store_op *op)
{
    free(op); /* what is in it begins with it */
}

static void close_batch(mg_shard *shard, struct gw_outlet *o)
{
    append_op(&shard->settles.first, &shard->settles.last, &o->batch->op);
    o->batch = NULL;
}

static struct gw_store_settle *new_batch(struct gw_outlet *o)
{
    struct gw_store_settle *s = malloc(sizeof *s + SETTLED_MOST * sizeof *s->items);
    if (!s)
        return NULL;
    *s = (struct gw_store_settle){.op = {.kind = GW_OP_SETTLE, .done = free_op},
                                  .log = o->sink->route->log,
                                  .sink = o->place,
                                  .items = (struct gw_settled *)(s + 1)};
    return s;
}

void gw_store_settle_shard(struct mg_sink *k, uint64_t sequence, uint32_t term)
{
    struct gw_outlet *o = k->outlet;
    mg_shard *shard = k->connection->shard;
    if (!o->batch)
        o->batch = new_batch(o);
    if (!o->batch) {
        /* It stays in the store, and is sent again after a restart: twice, but not lost. */
        gw_log(MG_ERROR, "out of memory: a settlement was not written down", "route",
               k->route->config->name, NULL);
        return;
    }
    o->batch->items[o->batch->count++] = (struct gw_settled){.sequence = sequence, .term = term};
    if (!o->settling) {
        o->settling = true;
        o->next_settling = shard->settling;
        shard->settling = o;
    }
    if (o->batch->count == SETTLED_MOST)
        close_batch(shard, o);
}

/* Nobody takes them any more. */
static void cancel(struct gw_store_op *first)
{
    for (struct gw_store_op *op = first, *next; op; op = next) {
        next = op->next;
        op->error = -ECANCELED;
        op->done(op);
    }
}

/* ---- the end of a turn ---------------------------------------------------------------------- */

void gw_store_turn_shard(mg_shard *shard)
{
    for (struct gw_outlet *o = shard->settling, *next; o; o = next) {
        next = o->next_settling;
        o->settling = false;
        if (o->batch)
            close_batch(shard, o);
    }
    shard->settling = NULL;
    struct gw_store_op *first = shard->settles.first, *last = shard->settles.last;
    if (shard->states.first) {
        if (last)
            last->next = shard->states.first;
        else
            first = shard->states.first;
        last = shard->states.last;
    }
    shard->settles = shard->states = (struct gw_store_chain){0};
    if (shard->store_closed)
        cancel(first);
    else if (first)
        gw_store_submit(shard->gateway->store, first, last);
}

void gw_store_add_shard(mg_shard *shard, struct gw_store_op *op)
{
    append_op(&shard->states.first, &shard->states.last, op);
}

void gw_store_note_shard(struct mg_sink *k, uint64_t sequence, uint32_t attempts)
{
    struct gw_store_note *op = malloc(sizeof *op);
    if (!op)
        return; /* after a restart it is tried more often than it need be */
    *op = (struct gw_store_note){
        .op = {.kind = GW_OP_NOTE, .done = free_op},
        .log = k->route->log,
        .sink = k->outlet->place,
        .sequence = sequence,
        .attempts = attempts,
    };
    gw_store_add_shard(k->connection->shard, &op->op);
}

/* ---- the ledger ----------------------------------------------------------------------------- */

/* What ended without having been stored goes over to the store's ledger, so that it outlives us. */
static void count_part(mg_shard *shard, struct gw_route *route)
{
    struct gw_ledger *l = &route->parts[shard->index].ledger;
    uint64_t sum = l->retries;
    for (size_t k = 0; k < GW_END_KINDS; k++)
        sum += l->ended[k];
    struct gw_store_count *op = sum ? malloc(sizeof *op) : NULL;
    if (!op)
        return; /* nothing to tell, or later */
    *op = (struct gw_store_count){
        .op = {.kind = GW_OP_COUNT, .done = free_op}, .log = route->log, .retries = l->retries};
    for (size_t k = 0; k < GW_END_KINDS; k++) {
        op->ended[k] = l->ended[k];
        l->received -= l->ended[k];
        l->ended[k] = 0;
    }
    l->retries = 0;
    gw_store_add_shard(shard, &op->op);
}

void gw_store_count_shard(mg_shard *shard)
{
    struct gw_gateway *g = shard->gateway;
    for (size_t r = 0; !shard->store_closed && g->store && r < g->model->route_count; r++)
        if (g->routes[r].log)
            count_part(shard, &g->routes[r]);
}

/* ---- bridges' state ------------------------------------------------------------------------- */

struct state_put {
    struct gw_store_state state; /* first: the store's thread sees it as an op */
    struct gw_task task;
    mg_connection *connection;
    void (*done)(void *arg);
    void *arg;
    char bytes[];
};

/* bridge NUL index NUL key: what one connection writes, no other one sees. */
size_t gw_state_prefix(const struct mg_connection *c, char *buffer, size_t size)
{
    int n = snprintf(buffer, size, "b%c%s%c%u%c", 0, c->config->name, 0, c->number, 0);
    return n < 0 ? 0 : (size_t)n;
}

static void run_put(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct state_put *put =
        (struct state_put *)(void *)((char *)task - offsetof(struct state_put, task));
    struct gw_call outer = gw_call_begin(put->connection->instance, "done");
    put->done(put->arg);
    gw_call_end(outer);
    gw_turn_mark_shard(put->connection);
    free(put);
}

static void put_kept(struct gw_store_op *op)
{
    struct state_put *put = (struct state_put *)(void *)op;
    if (!put->done || op->error) {
        free(put);
        return;
    }
    put->task.run = run_put;
    gw_shard_queue(put->connection->shard, &put->task);
}

static int state_put(mg_connection *c, struct mg_bytes key, struct mg_bytes value,
                     void (*done)(void *arg), void *arg)
{
    char prefix[128];
    size_t n = gw_state_prefix(c, prefix, sizeof prefix);
    if (c->shard->store_closed || !c->gateway->store)
        return -ENOTSUP;
    if (n + key.len > GW_STORE_STATE_KEY_MAX)
        return -EINVAL;
    struct state_put *put = malloc(sizeof *put + n + key.len + value.len);
    if (!put)
        return -ENOMEM;
    *put = (struct state_put){
        .state = {.op = {.kind = GW_OP_STATE, .done = put_kept}},
        .connection = c,
        .done = done,
        .arg = arg,
    };
    memcpy(put->bytes, prefix, n);
    memcpy(put->bytes + n, key.at, key.len);
    put->state.key = (struct mg_bytes){put->bytes, n + key.len};
    if (value.at) {
        memcpy(put->bytes + n + key.len, value.at, value.len);
        put->state.value = (struct mg_bytes){put->bytes + n + key.len, value.len};
    }
    gw_store_add_shard(c->shard, &put->state.op);
    return 0;
}

struct each_state {
    size_t prefix;
    void (*each)(void *arg, struct mg_bytes key, struct mg_bytes value);
    void *arg;
};

static void show_state(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    struct each_state *e = arg;
    struct mg_bytes own = {(const char *)key.at + e->prefix, key.len - e->prefix};
    e->each(e->arg, own, value);
}

static int state_each(mg_connection *c, struct mg_bytes prefix,
                      void (*each)(void *arg, struct mg_bytes key, struct mg_bytes value),
                      void *arg)
{
    char whole[1024];
    size_t n = gw_state_prefix(c, whole, sizeof whole);
    if (!c->gateway->store)
        return -ENOTSUP;
    if (n + prefix.len > sizeof whole)
        return -EINVAL;
    if (prefix.len)
        memcpy(whole + n, prefix.at, prefix.len);
    struct each_state e = {.prefix = n, .each = each, .arg = arg};
    return gw_store_state_each(c->gateway->store, (struct mg_bytes){whole, n + prefix.len},
                               show_state, &e);
}

static bool source_stored(const mg_source *source)
{
    for (size_t i = 0; source && i < source->connection->entry_count; i++) {
        const struct gw_entry *e = &source->connection->entries[i];
        if (e->source == source && e->route->stored)
            return true;
    }
    return false;
}

void gw_store_host_fill(struct mg_host *host)
{
    host->state_put = state_put;
    host->state_each = state_each;
    host->source_stored = source_stored;
}
