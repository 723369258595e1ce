/* SPDX-License-Identifier: Apache-2.0 */
/* The bridge side of the fake host: a test opens connections and ends, sends, drains and closes. */
#include "host_internal.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static const struct mg_bridge_ops *ops_of(const mg_connection *connection)
{
    return connection->instance->module->ops;
}

int kit_connection_open(mg_instance *instance, uint32_t shard, mg_connection **ret_connection,
                        struct mg_err *reterr)
{
    struct kit_host *host = instance->host;
    mg_connection *connection = kit_alloc(sizeof *connection);
    connection->instance = instance;
    connection->shard = kit_shard(host, shard);
    uint32_t index = 0;
    for (mg_connection *c = host->connections; c; c = c->next)
        index += c->instance == instance;
    connection->next = host->connections;
    connection->index = index;
    host->connections = connection;
    connection->opening = true;
    int result =
        ops_of(connection)->open(instance->self, connection, index, &connection->context, reterr);
    if (result) {
        kit_connection_destroy(connection);
        return result;
    }
    *ret_connection = connection;
    return 0;
}

int kit_source_open(mg_connection *connection, const char *address, const void *settings,
                    mg_source **ret_source, struct mg_err *reterr)
{
    mg_source *source = kit_alloc(sizeof *source);
    source->connection = connection;
    source->address = kit_copy(address);
    source->next = connection->sources;
    connection->sources = source;
    int result = ops_of(connection)
                     ->open_source(connection->context, source, source->address, settings,
                                   &source->object, reterr);
    if (result) {
        connection->sources = source->next;
        free(source->address);
        free(source);
        return result;
    }
    *ret_source = source;
    return 0;
}

int kit_sink_open(mg_connection *connection, const char *address, const void *settings,
                  mg_sink **ret_sink, struct mg_err *reterr)
{
    mg_sink *sink = kit_alloc(sizeof *sink);
    sink->connection = connection;
    sink->address = kit_copy(address);
    sink->next = connection->sinks;
    connection->sinks = sink;
    int result =
        ops_of(connection)
            ->open_sink(connection->context, sink, sink->address, settings, &sink->object, reterr);
    if (result) {
        connection->sinks = sink->next;
        free(sink->address);
        free(sink);
        return result;
    }
    *ret_sink = sink;
    return 0;
}

int kit_connection_begin(mg_connection *connection, uint32_t window, struct mg_err *reterr)
{
    const struct mg_bridge_ops *ops = ops_of(connection);
    connection->window = window;
    int result = ops->begin ? ops->begin(connection->context, reterr) : 0;
    connection->opening = false;
    if (result || !ops->credit)
        return result;
    for (mg_source *source = connection->sources; source; source = source->next)
        ops->credit(connection->context, source->object, window);
    if (ops->abilities & MG_SOURCE)
        ops->credit(connection->context, NULL, window);
    return 0;
}

void kit_connection_drain(mg_connection *connection)
{
    if (ops_of(connection)->drain)
        ops_of(connection)->drain(connection->context);
}

static bool is_closed(void *arg)
{
    mg_connection *connection = arg;
    struct kit_host *host = connection->instance->host;
    pthread_mutex_lock(&host->lock);
    bool closed = connection->closed;
    pthread_mutex_unlock(&host->lock);
    return closed;
}

int kit_connection_close(mg_connection *connection, int timeout_ms)
{
    ops_of(connection)->close(connection->context);
    return kit_run_until(connection->instance->host, is_closed, connection, timeout_ms)
               ? 0
               : -ETIMEDOUT;
}

void kit_connection_destroy(mg_connection *connection)
{
    if (!connection)
        return;
    struct kit_host *host = connection->instance->host;
    ops_of(connection)->destroy(connection->context);
    kit_store_forget_connection(host, connection);
    mg_connection **at = &host->connections;
    while (*at != connection)
        at = &(*at)->next;
    *at = connection->next;
    for (mg_source *source; (source = connection->sources);) {
        connection->sources = source->next;
        free(source->address);
        free(source);
    }
    for (mg_sink *sink; (sink = connection->sinks);) {
        connection->sinks = sink->next;
        free(sink->address);
        free(sink);
    }
    free(connection);
}

void *kit_connection_context(const mg_connection *connection)
{
    return connection->context;
}

bool kit_connection_up(mg_connection *connection)
{
    struct kit_host *host = connection->instance->host;
    pthread_mutex_lock(&host->lock);
    bool up = connection->up;
    pthread_mutex_unlock(&host->lock);
    return up;
}

bool kit_connection_is_up(void *connection)
{
    return kit_connection_up(connection);
}

const char *kit_connection_why(mg_connection *connection)
{
    static char why[sizeof connection->why];
    struct kit_host *host = connection->instance->host;
    pthread_mutex_lock(&host->lock);
    snprintf(why, sizeof why, "%s", connection->why);
    pthread_mutex_unlock(&host->lock);
    return why;
}

size_t kit_status_changes(mg_connection *connection)
{
    struct kit_host *host = connection->instance->host;
    pthread_mutex_lock(&host->lock);
    size_t changes = connection->status_changes;
    pthread_mutex_unlock(&host->lock);
    return changes;
}

static int send_event(mg_sink *sink, const mg_event *event, const char *address, bool want_outcome,
                      uint64_t id, const struct kit_sent **ret_sent, struct mg_err *reterr)
{
    mg_connection *connection = sink->connection;
    struct kit_host *host = connection->instance->host;
    struct kit_sent_entry *entry = kit_alloc(sizeof *entry);
    pthread_mutex_lock(&host->lock);
    entry->record.sink = sink;
    entry->record.token = want_outcome ? ++host->last_token : 0;
    entry->settled = !want_outcome;
    entry->next = host->sent; /* before send: the module may settle inside it */
    host->sent = entry;
    size_t sendable = sink->sendable;
    pthread_mutex_unlock(&host->lock);
    const struct mg_delivery delivery = {.event = event,
                                         .address = kit_str(address),
                                         .attempt = 1,
                                         .token = entry->record.token,
                                         .id = id};
    int result = ops_of(connection)->send(connection->context, sink->object, &delivery, reterr);
    connection->dirty = true;
    pthread_mutex_lock(&host->lock);
    bool settled_untaken = result && want_outcome && entry->settled;
    if (result) {
        entry->record.token = 0;
        entry->settled = true;
    }
    if (result == -EAGAIN)
        sink->sendable_at_refusal = sendable;
    pthread_mutex_unlock(&host->lock);
    if (settled_untaken)
        kit_fault(host, "send answered %d, and settled what it did not take", result);
    if (ret_sent)
        *ret_sent = &entry->record;
    return result;
}

int kit_send(mg_sink *sink, const mg_event *event, const char *address, bool want_outcome,
             const struct kit_sent **ret_sent, struct mg_err *reterr)
{
    return send_event(sink, event, address, want_outcome, 0, ret_sent, reterr);
}

int kit_send_stored(mg_sink *sink, const mg_event *event, const char *address, uint64_t id,
                    const struct kit_sent **ret_sent, struct mg_err *reterr)
{
    return send_event(sink, event, address, true, id, ret_sent, reterr);
}
