/* SPDX-License-Identifier: Apache-2.0 */
/* What the module told the fake host: events, settlements, verdicts, status, counts and log lines.
 */
#include "event/event.h"
#include "host_internal.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- ingest --------------------------------------------------------------------------------- */

static uint32_t *in_hand_of(mg_connection *connection, mg_source *source)
{
    return source ? &source->in_hand : &connection->in_hand;
}

/* Takes the event on success. */
static int take_event(mg_connection *connection, mg_source *source, mg_event *event,
                      uint64_t cookie, bool next_turn, struct kit_ingested_entry **ret_entry)
{
    struct kit_host *host = connection->instance->host;
    struct kit_ingested_entry *entry = kit_alloc(sizeof *entry);
    entry->record = (struct kit_ingested){connection, source, event, cookie, 0, false};
    pthread_mutex_lock(&host->lock);
    uint32_t *in_hand = in_hand_of(connection, source);
    int answer = host->ingest_answer;
    if (!answer && *in_hand >= connection->window)
        answer = -EAGAIN;
    if (!answer) {
        ++*in_hand;
        entry->due = host->settle_when == KIT_SETTLE_NEXT_TURN ||
                     (host->settle_when == KIT_SETTLE_AT_ONCE && next_turn);
        *host->ingested_last = entry;
        host->ingested_last = &entry->next;
    }
    host->refused += answer != 0;
    pthread_mutex_unlock(&host->lock);
    if (answer) {
        free(entry);
        return answer;
    }
    *ret_entry = entry;
    return 0;
}

static void settle_entry(struct kit_host *host, struct kit_ingested_entry *entry, uint32_t outcome,
                         const char *reason)
{
    struct kit_ingested *record = &entry->record;
    mg_connection *connection = record->connection;
    const struct mg_bridge_ops *ops = connection->instance->module->ops;
    if (entry->op && outcome == MG_ACCEPTED)
        kit_store_keep_until(host, entry->op);
    pthread_mutex_lock(&host->lock);
    bool again = record->outcome;
    if (!again) {
        record->outcome = outcome;
        --*in_hand_of(connection, record->source);
    }
    entry->due = false;
    pthread_mutex_unlock(&host->lock);
    if (again) {
        kit_fault(host, "(test) kit_settle twice");
        return;
    }
    void *source = record->source ? record->source->object : NULL;
    if (record->cookie && ops->settled)
        ops->settled(connection->context, source, record->cookie, outcome, reason);
    if (ops->credit)
        ops->credit(connection->context, source, 1);
    connection->dirty = true;
}

static int take_message(mg_connection *connection, mg_source *source,
                        const struct mg_message *message, uint64_t cookie, bool next_turn,
                        struct kit_ingested_entry **ret_entry)
{
    kit_on_shard(connection->instance->host, "ingest");
    mg_event *event = gw_event_new(message);
    if (!event)
        return -ENOMEM;
    int result = take_event(connection, source, event, cookie, next_turn, ret_entry);
    if (result)
        gw_event_unref(event);
    return result;
}

int kit_ingest_later(mg_connection *connection, mg_source *source, const struct mg_message *message,
                     uint64_t cookie, struct kit_ingested_entry **ret_entry)
{
    return take_message(connection, source, message, cookie, true, ret_entry);
}

static int ingest(mg_connection *connection, mg_source *source, const struct mg_message *message,
                  uint64_t cookie)
{
    struct kit_host *host = connection->instance->host;
    struct kit_ingested_entry *entry;
    int result = take_message(connection, source, message, cookie, false, &entry);
    if (!result && host->settle_when == KIT_SETTLE_AT_ONCE)
        settle_entry(host, entry, host->settle_outcome, NULL);
    return result;
}

static int ingest_event(mg_connection *connection, mg_source *source, mg_event *event,
                        uint64_t cookie)
{
    struct kit_ingested_entry *entry;
    int result = take_event(connection, source, event, cookie, true, &entry);
    if (!result)
        kit_interrupt(connection->instance->host);
    return result;
}

static struct kit_ingested_entry *entry_at(struct kit_host *host, size_t index)
{
    pthread_mutex_lock(&host->lock);
    struct kit_ingested_entry *entry = host->ingested;
    while (entry && index--)
        entry = entry->next;
    pthread_mutex_unlock(&host->lock);
    return entry;
}

size_t kit_ingested_count(struct kit_host *host)
{
    size_t count = 0;
    pthread_mutex_lock(&host->lock);
    for (struct kit_ingested_entry *entry = host->ingested; entry; entry = entry->next)
        count++;
    pthread_mutex_unlock(&host->lock);
    return count;
}

const struct kit_ingested *kit_ingested(struct kit_host *host, size_t index)
{
    struct kit_ingested_entry *entry = entry_at(host, index);
    return entry ? &entry->record : NULL;
}

bool kit_has_ingested(void *arg)
{
    const struct kit_count *count = arg;
    return kit_ingested_count(count->host) >= count->least;
}

void kit_ingested_clear(struct kit_host *host)
{
    pthread_mutex_lock(&host->lock);
    host->ingested_last = &host->ingested;
    for (struct kit_ingested_entry *entry; (entry = *host->ingested_last);) {
        if (!entry->record.outcome) {
            host->ingested_last = &entry->next;
            continue;
        }
        *host->ingested_last = entry->next;
        if (entry->op)
            entry->op->ingested = NULL;
        gw_event_unref(entry->record.event);
        free(entry);
    }
    pthread_mutex_unlock(&host->lock);
}

void kit_settle_when(struct kit_host *host, enum kit_settle_when when, uint32_t outcome)
{
    pthread_mutex_lock(&host->lock);
    host->settle_when = when;
    host->settle_outcome = outcome;
    pthread_mutex_unlock(&host->lock);
}

void kit_settle(struct kit_host *host, size_t index, uint32_t outcome, const char *reason)
{
    struct kit_ingested_entry *entry = entry_at(host, index);
    if (entry)
        settle_entry(host, entry, outcome, reason);
    else
        kit_fault(host, "(test) kit_settle: no event %zu", index);
}

size_t kit_refused_count(struct kit_host *host)
{
    pthread_mutex_lock(&host->lock);
    size_t count = host->refused;
    pthread_mutex_unlock(&host->lock);
    return count;
}

void kit_ingest_answer(struct kit_host *host, int answer)
{
    pthread_mutex_lock(&host->lock);
    host->ingest_answer = answer;
    pthread_mutex_unlock(&host->lock);
}

static struct kit_ingested_entry *next_due(struct kit_host *host)
{
    pthread_mutex_lock(&host->lock);
    struct kit_ingested_entry *entry = host->ingested;
    while (entry && !entry->due)
        entry = entry->next;
    pthread_mutex_unlock(&host->lock);
    return entry;
}

bool kit_records_turn(struct kit_host *host)
{
    bool any = kit_store_turn(host);
    for (struct kit_ingested_entry *entry; (entry = next_due(host)); any = true)
        settle_entry(host, entry, host->settle_outcome, NULL);
    for (mg_connection *c = host->connections; c; c = c->next) {
        const struct mg_bridge_ops *ops = c->instance->module->ops;
        if (!c->dirty)
            continue;
        c->dirty = false;
        any = true;
        if (ops->flush)
            ops->flush(c->context);
    }
    return any;
}

/* ---- sinks ---------------------------------------------------------------------------------- */

static void settle(mg_token token, uint32_t outcome, const char *reason)
{
    struct kit_host *host = kit_the_host;
    const char *breach = NULL;
    pthread_mutex_lock(&host->lock);
    struct kit_sent_entry *entry = host->sent;
    while (token && entry && entry->record.token != token)
        entry = entry->next;
    if (!token)
        breach = "settle of token 0, which nobody owes";
    else if (!entry)
        breach = "settle of a token that was never given, or whose event was not taken";
    else if (entry->settled)
        breach = "a second settle of one token";
    else if (outcome < MG_ACCEPTED || outcome > MG_MODIFIED)
        breach = "settle with an outcome that is none of the four";
    if (!breach) {
        entry->settled = true;
        entry->record.outcome = outcome;
        snprintf(entry->record.reason, sizeof entry->record.reason, "%s", reason ? reason : "");
    }
    pthread_mutex_unlock(&host->lock);
    if (breach)
        kit_fault(host, "%s", breach);
    else
        kit_store_settled(host, entry);
    kit_interrupt(host);
}

bool kit_is_settled(void *arg)
{
    const struct kit_sent *sent = arg;
    pthread_mutex_lock(&kit_the_host->lock);
    bool settled = sent->outcome;
    pthread_mutex_unlock(&kit_the_host->lock);
    return settled;
}

size_t kit_unsettled_count(struct kit_host *host)
{
    size_t count = 0;
    pthread_mutex_lock(&host->lock);
    for (struct kit_sent_entry *entry = host->sent; entry; entry = entry->next)
        count += !entry->settled;
    pthread_mutex_unlock(&host->lock);
    return count;
}

bool kit_all_settled(void *host)
{
    return !kit_unsettled_count(host);
}

static void sendable(mg_connection *connection, mg_sink *sink)
{
    struct kit_host *host = connection->instance->host;
    pthread_mutex_lock(&host->lock);
    for (mg_sink *s = connection->sinks; s; s = s->next)
        s->sendable += !sink || s == sink;
    pthread_mutex_unlock(&host->lock);
    kit_interrupt(host);
}

size_t kit_sendable_count(mg_sink *sink)
{
    struct kit_host *host = sink->connection->instance->host;
    pthread_mutex_lock(&host->lock);
    size_t count = sink->sendable;
    pthread_mutex_unlock(&host->lock);
    return count;
}

bool kit_is_sendable(void *arg)
{
    mg_sink *sink = arg;
    struct kit_host *host = sink->connection->instance->host;
    pthread_mutex_lock(&host->lock);
    bool is = sink->sendable > sink->sendable_at_refusal;
    pthread_mutex_unlock(&host->lock);
    return is;
}

/* ---- steps ---------------------------------------------------------------------------------- */

static void resume(mg_token token, uint32_t verdict, mg_event *const *events, size_t count,
                   const char *reason)
{
    struct kit_host *host = kit_the_host;
    mg_event **copies = count ? kit_alloc(count * sizeof *copies) : NULL;
    if (count)
        memcpy(copies, events, count * sizeof *copies);
    pthread_mutex_lock(&host->lock);
    struct kit_pending *pending = host->pending;
    while (pending && pending->token != token)
        pending = pending->next;
    bool known = pending && !pending->resumed;
    if (known) {
        pending->resumed = true;
        pending->verdict =
            (struct kit_verdict){.verdict = verdict, .events = copies, .count = count};
        snprintf(pending->verdict.err.text, sizeof pending->verdict.err.text, "%s",
                 reason ? reason : "");
    }
    pthread_mutex_unlock(&host->lock);
    if (!known) {
        kit_fault(host, "resume of a step that is not pending");
        for (size_t i = 0; i < count; i++)
            gw_event_unref(copies[i]);
        free(copies);
    }
    kit_interrupt(host);
}

/* ---- status, counts, logs ------------------------------------------------------------------- */

static void closed(mg_connection *connection)
{
    struct kit_host *host = connection->instance->host;
    pthread_mutex_lock(&host->lock);
    bool twice = connection->closed;
    connection->closed = true;
    pthread_mutex_unlock(&host->lock);
    if (twice)
        kit_fault(host, "closed twice");
    kit_interrupt(host);
}

static void status(mg_connection *connection, bool up, const char *why)
{
    struct kit_host *host = connection->instance->host;
    pthread_mutex_lock(&host->lock);
    connection->status_changes += connection->up != up;
    connection->up = up;
    snprintf(connection->why, sizeof connection->why, "%s", why ? why : "");
    pthread_mutex_unlock(&host->lock);
    kit_interrupt(host);
}

static void count(mg_instance *instance, uint32_t counter, int64_t by)
{
    struct kit_host *host = instance->host;
    uint32_t known = 0;
    while (instance->module->counters && known < KIT_COUNTERS && instance->module->counters[known])
        known++;
    if (counter >= known) {
        kit_fault(host, "count of counter %u, of %u declared", counter, known);
        return;
    }
    pthread_mutex_lock(&host->lock);
    instance->counters[counter] += by;
    pthread_mutex_unlock(&host->lock);
}

int64_t kit_counter(mg_instance *instance, uint32_t counter)
{
    struct kit_host *host = instance->host;
    pthread_mutex_lock(&host->lock);
    int64_t value = counter < KIT_COUNTERS ? instance->counters[counter] : 0;
    pthread_mutex_unlock(&host->lock);
    return value;
}

static void __attribute__((format(printf, 3, 4)))
log_line(mg_instance *instance, uint32_t level, const char *format, ...)
{
    struct kit_host *host = instance ? instance->host : kit_the_host;
    char text[1024];
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (getenv("KIT_VERBOSE"))
        fprintf(stderr, "%s: %s\n", instance ? instance->name : "?", text);
    size_t size = strlen(text) + 1;
    struct kit_line *line = kit_alloc(sizeof *line + size);
    line->level = level;
    memcpy(line->text, text, size);
    pthread_mutex_lock(&host->lock);
    line->next = host->lines;
    host->lines = line;
    pthread_mutex_unlock(&host->lock);
}

bool kit_logged(struct kit_host *host, uint32_t level, const char *part)
{
    pthread_mutex_lock(&host->lock);
    struct kit_line *line = host->lines;
    while (line && (line->level < level || !strstr(line->text, part)))
        line = line->next;
    pthread_mutex_unlock(&host->lock);
    return line;
}

/* Xorshift with a fixed seed: a test that fails, fails again. */
static uint32_t random_below(uint32_t bound)
{
    static _Thread_local uint32_t state = 2463534242u;
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return bound ? state % bound : 0;
}

void kit_records_fill(struct mg_host *table)
{
    table->ingest = ingest;
    table->ingest_event = ingest_event;
    table->settle = settle;
    table->sendable = sendable;
    table->resume = resume;
    table->closed = closed;
    table->status = status;
    table->count = count;
    table->log = log_line;
    table->random = random_below;
}

void kit_records_fini(struct kit_host *host)
{
    for (struct kit_ingested_entry *entry; (entry = host->ingested);) {
        host->ingested = entry->next;
        gw_event_unref(entry->record.event);
        free(entry);
    }
    for (struct kit_sent_entry *entry; (entry = host->sent);) {
        host->sent = entry->next;
        free(entry);
    }
    for (struct kit_line *line; (line = host->lines);) {
        host->lines = line->next;
        free(line);
    }
}
