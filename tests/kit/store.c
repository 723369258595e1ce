/* SPDX-License-Identifier: Apache-2.0 */
/* The fake host's store: the entries of each connection, in memory, and what is on its way there,
 * turn by turn, until the test says that it is kept or that the process has died before. */
#include "host_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- what is kept --------------------------------------------------------------------------- */

static char *owner_of(const mg_connection *connection)
{
    size_t size = strlen(connection->instance->name) + 16;
    char *owner = kit_alloc(size);
    snprintf(owner, size, "%s/%u", connection->instance->name, connection->index);
    return owner;
}

static void *copy_of(struct mg_bytes bytes)
{
    void *copy = kit_alloc(bytes.len + 1);
    if (bytes.len)
        memcpy(copy, bytes.at, bytes.len);
    return copy;
}

static int compare(const struct kit_entry *a, const char *owner, struct mg_bytes key)
{
    int order = strcmp(a->owner, owner);
    size_t common = a->key.len < key.len ? a->key.len : key.len;
    if (!order && common)
        order = memcmp(a->key.at, key.at, common);
    return order ? order : (a->key.len > key.len) - (a->key.len < key.len);
}

static void entry_free(struct kit_entry *entry)
{
    free(entry->owner);
    free((void *)entry->key.at);
    free((void *)entry->value.at);
    free(entry);
}

static void keep_entry(struct kit_store *store, const struct kit_pending_op *op)
{
    struct kit_entry **at = &store->entries;
    while (*at && compare(*at, op->owner, op->key) < 0)
        at = &(*at)->next;
    if (*at && !compare(*at, op->owner, op->key)) {
        struct kit_entry *old = *at;
        *at = old->next;
        entry_free(old);
    }
    if (!op->value.at)
        return;
    struct kit_entry *entry = kit_alloc(sizeof *entry);
    *entry = (struct kit_entry){.next = *at,
                                .owner = kit_copy(op->owner),
                                .key = {copy_of(op->key), op->key.len},
                                .value = {copy_of(op->value), op->value.len}};
    *at = entry;
}

/* ---- what is on its way --------------------------------------------------------------------- */

static void op_free(struct kit_pending_op *op)
{
    free(op->owner);
    free((void *)op->key.at);
    free((void *)op->value.at);
    free(op);
}

static struct kit_pending_op *op_new(struct kit_host *host, mg_connection *connection)
{
    struct kit_pending_op *op = kit_alloc(sizeof *op);
    op->connection = connection;
    pthread_mutex_lock(&host->lock); /* a settlement may come from any thread */
    op->turn = host->store.turn;
    *host->store.ops_last = op;
    host->store.ops_last = &op->next;
    pthread_mutex_unlock(&host->lock);
    return op;
}

static void put_entry(struct kit_pending_op *op, struct mg_bytes key, struct mg_bytes value)
{
    op->owner = owner_of(op->connection);
    op->key = (struct mg_bytes){copy_of(key), key.len};
    if (value.at)
        op->value = (struct mg_bytes){copy_of(value), value.len};
}

static int state_put(mg_connection *connection, struct mg_bytes key, struct mg_bytes value,
                     void (*done)(void *arg), void *arg)
{
    struct kit_host *host = connection->instance->host;
    kit_on_shard(host, "state_put");
    if (!host->store.open)
        return -ENOTSUP;
    if (host->store.put_answer)
        return host->store.put_answer;
    if (connection->crashed)
        return 0;
    struct kit_pending_op *op = op_new(host, connection);
    put_entry(op, key, value);
    op->done = done;
    op->arg = arg;
    return 0;
}

static int state_each(mg_connection *connection, struct mg_bytes prefix,
                      void (*each)(void *arg, struct mg_bytes key, struct mg_bytes value),
                      void *arg)
{
    struct kit_host *host = connection->instance->host;
    kit_on_shard(host, "state_each");
    if (!connection->opening)
        kit_fault(host, "state_each outside of open, open_source, open_sink and begin");
    if (!host->store.open)
        return -ENOTSUP;
    char *owner = owner_of(connection);
    for (struct kit_entry *entry = host->store.entries; entry; entry = entry->next)
        if (!strcmp(entry->owner, owner) && entry->key.len >= prefix.len &&
            (!prefix.len || !memcmp(entry->key.at, prefix.at, prefix.len)))
            each(arg, entry->key, entry->value);
    free(owner);
    return 0;
}

static int ingest_state(mg_connection *connection, mg_source *source,
                        const struct mg_message *message, uint64_t cookie, struct mg_bytes key,
                        struct mg_bytes value)
{
    struct kit_host *host = connection->instance->host;
    if (!host->store.open)
        return host->table.ingest(connection, source, message, cookie);
    struct kit_ingested_entry *entry;
    int rc = kit_ingest_later(connection, source, message, cookie, &entry);
    if (rc || connection->crashed)
        return rc;
    struct kit_pending_op *op = op_new(host, connection);
    put_entry(op, key, value);
    op->ingested = entry;
    entry->op = op;
    return 0;
}

void kit_store_settled(struct kit_host *host, struct kit_sent_entry *sent)
{
    if (!host->store.open || sent->record.sink->connection->crashed)
        return;
    op_new(host, sent->record.sink->connection)->sent = sent;
}

/* ---- the test's side ------------------------------------------------------------------------ */

void kit_store_open(struct kit_host *host)
{
    host->store.open = true;
}

void kit_store_automatic(struct kit_host *host, bool automatic)
{
    host->store.automatic = automatic;
}

void kit_store_answer(struct kit_host *host, int answer)
{
    host->store.put_answer = answer;
}

void kit_store_next_turn(struct kit_host *host)
{
    host->store.turn++;
}

static struct kit_pending_op *take_first(struct kit_host *host)
{
    struct kit_store *store = &host->store;
    pthread_mutex_lock(&host->lock);
    struct kit_pending_op *op = store->ops;
    if (op)
        store->ops = op->next;
    if (!store->ops)
        store->ops_last = &store->ops;
    pthread_mutex_unlock(&host->lock);
    return op;
}

static void keep_first(struct kit_host *host)
{
    struct kit_store *store = &host->store;
    struct kit_pending_op *op = take_first(host);
    if (op->owner)
        keep_entry(store, op);
    if (op->ingested) {
        op->ingested->op = NULL;
        op->ingested->record.kept = true;
    }
    if (op->sent)
        op->sent->record.kept = true;
    if (op->done && op->connection) {
        op->connection->dirty = true;
        op->done(op->arg);
    }
    op_free(op);
}

bool kit_store_commit(struct kit_host *host, size_t turns)
{
    bool any = false;
    uint64_t until = host->store.turn++; /* what `done` puts comes later */
    for (size_t i = 0; host->store.ops && (!turns || i < turns); i++) {
        uint64_t turn = host->store.ops->turn;
        if (turn > until)
            break;
        while (host->store.ops && host->store.ops->turn == turn)
            keep_first(host);
        any = true;
    }
    return any;
}

void kit_store_keep_until(struct kit_host *host, const struct kit_pending_op *op)
{
    for (bool last = false; host->store.ops && !last;) {
        last = host->store.ops == op;
        keep_first(host);
    }
}

void kit_store_crash(struct kit_host *host)
{
    for (struct kit_pending_op *op; (op = take_first(host));) {
        if (op->ingested)
            op->ingested->op = NULL;
        op_free(op);
    }
    for (mg_connection *c = host->connections; c; c = c->next)
        c->crashed = true;
}

void kit_store_forget_connection(struct kit_host *host, const mg_connection *connection)
{
    for (struct kit_pending_op *op = host->store.ops; op; op = op->next)
        if (op->connection == connection) {
            op->connection = NULL;
            op->done = NULL;
        }
}

size_t kit_store_count(struct kit_host *host)
{
    size_t count = 0;
    for (struct kit_entry *entry = host->store.entries; entry; entry = entry->next)
        count++;
    return count;
}

size_t kit_store_waiting(struct kit_host *host)
{
    size_t count = 0;
    for (struct kit_pending_op *op = host->store.ops; op; op = op->next)
        count++;
    return count;
}

bool kit_store_turn(struct kit_host *host)
{
    host->store.turn++;
    return host->store.automatic && kit_store_commit(host, 0);
}

static bool source_stored(const mg_source *source)
{
    return source->stored;
}

void kit_source_stored(mg_source *source)
{
    source->stored = true;
}

void kit_store_fill(struct mg_host *table)
{
    table->source_stored = source_stored;
    table->state_put = state_put;
    table->state_each = state_each;
    table->ingest_state = ingest_state;
}

void kit_store_fini(struct kit_host *host)
{
    kit_store_crash(host);
    for (struct kit_entry *entry; (entry = host->store.entries);) {
        host->store.entries = entry->next;
        entry_free(entry);
    }
}
