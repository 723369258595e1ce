/* SPDX-License-Identifier: Apache-2.0 */
/* ingest and match: an event comes in, finds its routes, and leaves a settlement owed. */
#include "flow/internal.h"
#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Slack of the inbox beyond a window, for events of sources that cannot be held back. */
enum { INBOX_SLACK = 4096 };

struct delivery_task {
    struct gw_task task;
    struct mg_connection *connection;
    struct mg_source *source;
    mg_event *event;
    uint64_t cookie;
};

static struct gw_window *window_of(struct mg_connection *connection, struct mg_source *source)
{
    return source ? &source->window : &connection->window;
}

void gw_window_give_shard(struct mg_connection *connection, struct gw_window *window,
                          uint32_t credit)
{
    window->owed += credit;
    if (!window->listed) {
        window->listed = true;
        window->next_owing = connection->owing;
        connection->owing = window;
    }
    gw_turn_mark_shard(connection);
}

/* The event is no longer in hand: its place may be filled again. */
static void leave_window(struct mg_connection *c, struct gw_window *w)
{
    w->in_hand--;
    gw_window_give_shard(c, w, 1);
}

void gw_window_grant_shard(struct mg_connection *c)
{
    if (!c->opened || c->draining)
        return;
    struct gw_window *w = c->owing;
    c->owing = NULL;
    while (w) {
        struct gw_window *next = w->next_owing;
        w->listed = false;
        /* In steps of an eighth, so that a credit frame serves many events; what is left then goes
         * with the next event, or when nothing is in hand. */
        if (!w->in_hand || w->owed >= w->limit / 8) {
            uint32_t more = w->owed;
            w->owed = 0;
            if (more && c->ops->credit) {
                struct gw_call outer = gw_call_begin(c->instance, "credit");
                c->ops->credit(c->context, w->source ? w->source->context : NULL, more);
                gw_call_end(outer);
            }
        }
        w = next;
    }
}

/* ---- arrivals ------------------------------------------------------------------------------- */

/* A release outweighs a rejection, and that an acceptance: what has to come again must. */
static uint32_t worse(uint32_t a, uint32_t b)
{
    static const uint8_t weight[] = {0, 1, 2, 4, 3};
    return weight[a] >= weight[b] ? a : b;
}

static void settle_source(struct mg_connection *c, struct mg_source *source, uint64_t cookie,
                          uint32_t outcome, const char *reason)
{
    if (!cookie || !c->ops->settled)
        return;
    struct gw_call outer = gw_call_begin(c->instance, "settled");
    c->ops->settled(c->context, source ? source->context : NULL, cookie, outcome, reason);
    gw_call_end(outer);
    gw_turn_mark_shard(c);
}

/* ---- a bridge's entry that has to be kept first ---------------------------------------------- */

static void run_state_kept(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct gw_arrival_state *state =
        (struct gw_arrival_state *)(void *)((char *)task - offsetof(struct gw_arrival_state, task));
    struct gw_arrival *a = state->arrival;
    bool kept = !state->op.op.error;
    settle_source(a->connection, a->source, a->cookie, kept ? MG_ACCEPTED : MG_RELEASED,
                  kept ? NULL : "the store was closed");
    gw_arrival_leave_shard(a);
}

static void state_kept(struct gw_store_op *op)
{
    struct gw_arrival_state *state = (struct gw_arrival_state *)(void *)op;
    gw_shard_queue(state->arrival->connection->shard, &state->task);
}

static void keep_state(struct gw_arrival *a)
{
    a->alive++; /* until it is back */
    a->state->task.run = run_state_kept;
    a->state->op.op = (struct gw_store_op){.kind = GW_OP_STATE, .done = state_kept};
    gw_store_add_shard(a->connection->shard, &a->state->op.op);
    gw_turn_mark_shard(a->connection);
}

static struct gw_arrival_state *new_state(const struct mg_connection *c, struct mg_bytes key,
                                          struct mg_bytes value)
{
    char prefix[GW_STATE_PREFIX_MOST];
    size_t n = gw_state_prefix(c, prefix, sizeof prefix);
    struct gw_arrival_state *state = malloc(sizeof *state + n + key.len + value.len);
    if (!state)
        return NULL;
    *state = (struct gw_arrival_state){
        .op = {.key = {state->bytes, n + key.len},
               .value = {state->bytes + n + key.len, value.len}},
    };
    memcpy(state->bytes, prefix, n);
    memcpy(state->bytes + n, key.at, key.len);
    memcpy(state->bytes + n + key.len, value.at, value.len);
    return state;
}

void gw_arrival_tell_shard(struct gw_arrival *a, uint32_t outcome, const char *reason)
{
    uint32_t before = a->outcome;
    a->outcome = before ? worse(before, outcome) : outcome;
    if (!reason || a->outcome == before)
        reason = a->reason;
    if (--a->untold == 0 && a->outcome == MG_ACCEPTED && a->state && !a->state->kept) {
        keep_state(a);
    } else if (a->untold == 0 && a->replay) {
        gw_replay_told(a->replay, a->outcome);
    } else if (a->untold == 0) {
        settle_source(a->connection, a->source, a->cookie, a->outcome, reason);
    } else if (reason != a->reason) {
        free(a->reason);
        a->reason = gw_reason_copy(reason);
    }
}

void gw_arrival_leave_shard(struct gw_arrival *a)
{
    if (--a->alive)
        return;
    if (a->holds_window)
        leave_window(a->connection, window_of(a->connection, a->source));
    free(a->reason);
    if (a->state && !a->state->handed)
        free(a->state);
    gw_pool_give(&a->connection->shard->arrivals, a);
}

/* ---- match ---------------------------------------------------------------------------------- */

/* A few entries are faster looked through than looked up. */
enum { FEW_ENTRIES = 8 };

static bool fits(const struct gw_entry *e, struct mg_str address)
{
    struct mg_str values[GW_CAPTURES_MAX];
    return !e->match || gw_pattern_match(e->match, address, values);
}

static int room_for(struct gw_matches *m, size_t more)
{
    if (m->count + more <= m->capacity)
        return 0;
    uint32_t *ids = realloc(m->ids, (m->count + more) * 2 * sizeof *ids);
    if (!ids)
        return -ENOMEM;
    m->ids = ids;
    m->capacity = (m->count + more) * 2;
    return 0;
}

static int candidates(struct mg_connection *c, struct mg_source *source, struct mg_str address)
{
    struct gw_matches *m = &c->matches;
    size_t count = source ? source->entry_count : c->entry_count;
    m->count = 0;
    if (count <= FEW_ENTRIES) {
        if (room_for(m, count))
            return -ENOMEM;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t id = source ? source->entries[i] : i;
            if (!c->entries[id].in_company && fits(&c->entries[id], address))
                m->ids[m->count++] = id;
        }
        return 0;
    }
    if (gw_index_match(c->index, address, m) || room_for(m, c->any_count))
        return -ENOMEM;
    for (size_t i = 0; i < c->any_count; i++)
        m->ids[m->count++] = c->any[i];
    return 0;
}

/* The entries that take the event, each route once, in c->matches. */
static int match(struct mg_connection *c, struct mg_source *source, const mg_event *event)
{
    uint64_t arrival = ++c->shard->next_arrival;
    int error = candidates(c, source, event->head.address);
    if (error)
        return error;
    size_t kept = 0;
    for (size_t i = 0; i < c->matches.count; i++) {
        struct gw_entry *e = &c->entries[c->matches.ids[i]];
        struct gw_part *part = &e->route->parts[c->shard->index];
        if ((source && e->source != source) || part->matched == arrival)
            continue;
        part->matched = arrival;
        c->matches.ids[kept++] = c->matches.ids[i];
    }
    c->matches.count = kept;
    c->in_company = false;
    return c->shares ? gw_shared_filters_match_shard(c, event) : 0;
}

/* Does the source's window hold this event until the passage is gone? */
static bool holds(const struct gw_entry *e)
{
    const struct gw_delivery_settings *d = &e->route->config->delivery;
    return d->guarantee != GW_BEST_EFFORT || d->overflow == GW_OVERFLOW_BLOCK;
}

/* The matches, for a loop in which a bridge may be called that ingests again: `few` where they fit,
 * else the connection's own array, which is then the caller's to free. */
static uint32_t *take_matches(struct mg_connection *c, uint32_t *few, size_t few_count)
{
    uint32_t *ids = c->matches.ids;
    if (c->matches.count > few_count) {
        c->matches = (struct gw_matches){0};
        return ids;
    }
    for (size_t i = 0; i < c->matches.count; i++)
        few[i] = ids[i];
    return few;
}

static struct gw_entry *entry_of(const struct mg_connection *c, uint32_t id)
{
    return &c->entries[id & ~(GW_MATCH_PASSED | GW_MATCH_POISON)];
}

/* must: the event has left its peer already and cannot be refused.  While draining it is the
 * bridge that holds its sources; what it still hands over is taken. */
static int take(struct mg_connection *c, struct mg_source *source, const mg_event *event,
                uint64_t cookie, bool must, struct gw_arrival_state *state)
{
    struct gw_window *w = window_of(c, source);
    if (!must && w->in_hand >= w->limit)
        return -EAGAIN;
    if (match(c, source, event))
        return -EAGAIN; /* out of memory is a full window to the source */
    size_t count = c->matches.count;
    struct gw_arrival *a = count ? gw_pool_take(&c->shard->arrivals) : NULL;
    if (count && !a)
        return -EAGAIN;
    c->received++;
    w->in_hand++;
    if (c->shard->taps)
        gw_tap_in_shard(c, event);
    if (count == 0) {
        c->unmatched += !c->in_company;
        settle_source(c, source, cookie, MG_ACCEPTED, NULL);
        leave_window(c, w);
        free(state);
        return 0;
    }
    *a = (struct gw_arrival){
        .connection = c,
        .source = source,
        .cookie = cookie,
        .event = event,
        .state = state,
        .untold = (uint32_t)count,
        .alive = (uint32_t)count + 1, /* one for this loop: passages may end at once */
    };
    if (state)
        state->arrival = a;
    uint32_t deaths = c->company_deaths;
    uint32_t few[64], *ids = take_matches(c, few, sizeof few / sizeof few[0]);
    for (size_t i = 0; i < count; i++)
        a->holds_window = a->holds_window || holds(entry_of(c, ids[i]));
    if (!a->holds_window)
        leave_window(c, w);
    for (size_t i = 0; i < count; i++)
        gw_passage_start_shard(
            entry_of(c, ids[i]), a, c->shard,
            &(struct gw_company){.passed = ids[i] & GW_MATCH_PASSED,
                                 .deaths = ids[i] & GW_MATCH_POISON ? deaths : 0});
    if (ids != few)
        free(ids);
    a->event = NULL;
    gw_arrival_leave_shard(a);
    return 0;
}

/* ---- services ------------------------------------------------------------------------------- */

static int ingest(mg_connection *c, mg_source *source, const struct mg_message *message,
                  uint64_t cookie)
{
    assert(gw_shard_self() == c->shard);
    struct mg_event event;
    gw_event_borrow(&event, message, ++c->shard->next_event_id);
    int error = take(c, source, &event, cookie, false, NULL);
    gw_event_return(&event);
    return error;
}

static int ingest_state(mg_connection *c, mg_source *source, const struct mg_message *message,
                        uint64_t cookie, struct mg_bytes key, struct mg_bytes value)
{
    assert(gw_shard_self() == c->shard);
    if (c->shard->store_closed || !c->gateway->store)
        return ingest(c, source, message, cookie);
    struct gw_arrival_state *state = new_state(c, key, value);
    if (!state)
        return -EAGAIN;
    struct mg_event event;
    gw_event_borrow(&event, message, ++c->shard->next_event_id);
    int error = take(c, source, &event, cookie, false, state);
    gw_event_return(&event);
    if (error)
        free(state);
    return error;
}

static void run_delivery(mg_shard *shard, struct gw_task *task)
{
    struct delivery_task *d = (struct delivery_task *)task;
    struct mg_connection *c = d->connection;
    atomic_fetch_sub(&c->inboxed, 1);
    if (!d->event->id)
        d->event->id = ++shard->next_event_id;
    if (take(c, d->source, d->event, d->cookie, true, NULL)) {
        c->refused++;
        settle_source(c, d->source, d->cookie, MG_RELEASED, "out of memory");
    }
    gw_event_unref(d->event);
    free(d);
}

static int ingest_event(mg_connection *c, mg_source *source, mg_event *event, uint64_t cookie)
{
    if (gw_shard_self() == c->shard) {
        if (!event->id)
            event->id = ++c->shard->next_event_id;
        int error = take(c, source, event, cookie, false, NULL);
        if (!error)
            gw_event_unref(event);
        return error;
    }
    struct gw_window *w = window_of(c, source);
    if (atomic_load_explicit(&c->inboxed, memory_order_relaxed) >= w->limit + INBOX_SLACK)
        return -EAGAIN;
    struct delivery_task *d = malloc(sizeof *d);
    if (!d)
        return -EAGAIN;
    *d = (struct delivery_task){
        .task = {.run = run_delivery},
        .connection = c,
        .source = source,
        .event = event,
        .cookie = cookie,
    };
    atomic_fetch_add(&c->inboxed, 1);
    gw_shard_queue(c->shard, &d->task);
    return 0;
}

void gw_ingest_host_fill(struct mg_host *host)
{
    host->ingest = ingest;
    host->ingest_event = ingest_event;
    host->ingest_state = ingest_state;
}
