/* SPDX-License-Identifier: Apache-2.0 */
/* send and confirm, under `stored`: fills a sink's lane from the store, keeps what must not go yet
 * out of it, and decides what becomes of what the sink refuses.  All on the sink's shard. */
#include "flow/internal.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Legs of one lane that are in memory, whichever is reached first: the rest waits in the store. */
enum { IN_HAND_MOST = 4096, BYTES_MOST = 8 << 20 };
/* A leg that was in hand at so many deaths of the process goes alone, so that the one at fault is
 * found. */
enum { SUSPECT_DEATHS = 2 };
enum { SEQUENCE_BITS = 42, PLACE_BITS = 6 };

static mg_shard *shard_of(const struct mg_sink *k)
{
    return k->connection->shard;
}

static const struct gw_delivery_settings *settings_of(const struct mg_sink *k)
{
    return &k->route->config->delivery;
}

uint64_t gw_outlet_delivery_id(const struct mg_sink *k, const struct gw_leg *leg)
{
    return (uint64_t)gw_store_log_number(k->route->log) << (SEQUENCE_BITS + PLACE_BITS) |
           (uint64_t)k->outlet->place << SEQUENCE_BITS | leg->sequence;
}

/* ---- life ----------------------------------------------------------------------------------- */

int gw_outlet_create(struct mg_sink *k, uint32_t place)
{
    struct gw_outlet *o = k->outlet = calloc(1, sizeof *o);
    if (!o)
        return -ENOMEM;
    o->sink = k;
    o->place = place;
    if (settings_of(k)->order_by) {
        o->keys = calloc(GW_KEY_BUCKETS, sizeof(*o->keys));
        if (!o->keys)
            return -ENOMEM;
    }
    return 0;
}

void gw_outlet_destroy(struct mg_sink *k)
{
    if (!k->outlet)
        return;
    free(k->outlet->batch);
    free(k->outlet->keys);
    free(k->outlet);
    k->outlet = NULL;
}

/* ---- order per key -------------------------------------------------------------------------- */

static struct gw_leg **bucket_of(struct gw_outlet *o, uint64_t key)
{
    return &o->keys[key % GW_KEY_BUCKETS];
}

/* false: it stands behind another leg of its key. */
static bool enter_key(struct gw_outlet *o, struct gw_leg *leg)
{
    if (!o->keys || !leg->key)
        return true;
    struct gw_leg **bucket = bucket_of(o, leg->key), *head = *bucket;
    while (head && head->key != leg->key)
        head = head->same_bucket;
    leg->behind = NULL;
    if (head) {
        *(head->last_behind ? &head->last_behind->behind : &head->behind) = leg;
        head->last_behind = leg;
        return false;
    }
    leg->last_behind = NULL;
    leg->same_bucket = *bucket;
    *bucket = leg;
    return true;
}

/* The first of its key goes; the one behind it, if any, is the first now. */
static struct gw_leg *leave_key(struct gw_outlet *o, struct gw_leg *leg)
{
    if (!o->keys || !leg->key)
        return NULL;
    struct gw_leg **at = bucket_of(o, leg->key), *next = leg->behind;
    while (*at != leg)
        at = &(*at)->same_bucket;
    if (next) {
        next->same_bucket = leg->same_bucket;
        next->last_behind = leg->last_behind == next ? NULL : leg->last_behind;
        *at = next;
    } else {
        *at = leg->same_bucket;
    }
    leg->behind = leg->same_bucket = NULL;
    return next;
}

/* ---- reading -------------------------------------------------------------------------------- */

/* A batch on its way from the disk: read on the thread pool, taken on the shard. */
struct gw_reading {
    struct mg_sink *sink;
    uint64_t from, next;
    uint32_t most;
    size_t most_bytes, bytes;
    int error;
    struct gw_leg *first, **last; /* by next */
};

static bool has_room(const struct gw_outlet *o)
{
    return o->in_hand < IN_HAND_MOST && o->bytes < BYTES_MOST;
}

/* A property that says to the receiver what it could not know otherwise. */
static bool add_mark(struct mg_property *properties, size_t *count, const char *name, uint64_t n)
{
    properties[(*count)++] = (struct mg_property){
        .name = {name, strlen(name)},
        .value = {.type = MG_UINT, .width = 32, .as.u = n},
    };
    return true;
}

static mg_event *event_of(const struct gw_stored *stored)
{
    struct mg_message m = stored->record.message;
    uint32_t flags = stored->record.flags;
    if (!(flags & (GW_RECORD_DOUBTFUL | GW_RECORD_REPLAYED)))
        return gw_event_new(&m);
    struct mg_property *properties = malloc((m.property_count + 2) * sizeof *properties);
    if (!properties)
        return NULL;
    if (m.property_count)
        memcpy(properties, m.properties, m.property_count * sizeof *properties);
    if (flags & GW_RECORD_DOUBTFUL)
        add_mark(properties, &m.property_count, "meshgate-redelivered",
                 stored->deaths ? stored->deaths : 1);
    if (flags & GW_RECORD_REPLAYED)
        add_mark(properties, &m.property_count, "meshgate-replayed", 1);
    m.properties = properties;
    mg_event *event = gw_event_new(&m);
    free(properties);
    return event;
}

static mg_event *with_properties(const struct mg_host *host, mg_event *event,
                                 const struct gw_record_leg *r)
{
    mg_edit *edit = host->edit_new(event);
    int error = edit ? 0 : -ENOMEM;
    for (size_t i = 0; i < r->property_count && !error; i++) {
        error = host->edit_property(edit, r->properties[i].name, NULL);
        if (!error)
            error = host->edit_property(edit, r->properties[i].name, &r->properties[i].value);
    }
    if (error) {
        host->edit_free(edit);
        return NULL;
    }
    return host->edit_publish(edit);
}

static bool address_of(struct gw_leg *leg, struct mg_str address)
{
    char *at = leg->short_address;
    if (address.len >= sizeof leg->short_address)
        at = leg->long_address = malloc(address.len + 1);
    if (!at)
        return false;
    if (address.len)
        memcpy(at, address.at, address.len);
    at[address.len] = '\0';
    leg->address = (struct mg_str){at, address.len};
    return true;
}

/* A passage that begins in the store: one event, one leg. */
static struct gw_leg *leg_of(struct mg_sink *k, const struct gw_stored *stored)
{
    struct gw_passage *p = malloc(sizeof *p);
    if (!p)
        return NULL;
    memset(p, 0, offsetof(struct gw_passage, values));
    p->route = k->route;
    p->part = &k->route->parts[shard_of(k)->index];
    p->shard = shard_of(k);
    p->stage = GW_IN_STORE;
    p->ended = p->told = true;
    p->event_id = stored->record.sequence;
    p->expires_us = stored->record.expires_us;
    atomic_init(&p->refs, 1);
    mg_event *event = event_of(stored);
    p->origin = event;
    p->events = p->only_event;
    p->events[0] = event;
    p->borrowed = true; /* origin has the reference */
    p->event_count = p->event_capacity = 1;
    p->legs = &p->only_leg;
    p->outputs = &p->only_output;
    struct gw_leg *leg = &p->only_leg;
    memset(leg, 0, offsetof(struct gw_leg, short_address));
    p->leg_count = 1;
    leg->passage = p;
    leg->sink = k;
    leg->event = event;
    leg->sequence = stored->record.sequence;
    leg->key = stored->record.key;
    leg->counted = stored->attempts;
    leg->deaths = stored->deaths;
    const struct gw_record_leg *r = &stored->record.legs[stored->leg];
    bool good = event && address_of(leg, r->address);
    if (good && r->property_count) {
        leg->event = leg->own = with_properties(&k->route->gateway->host, event, r);
        good = leg->own;
    }
    if (event)
        event->id = stored->record.sequence;
    if (good)
        return leg;
    gw_passage_unref(p);
    return NULL;
}

static bool visit(void *arg, const struct gw_stored *stored)
{
    struct gw_reading *r = arg;
    struct gw_leg *leg = leg_of(r->sink, stored);
    if (!leg) {
        r->error = -ENOMEM;
        r->next = stored->record.sequence;
        return false;
    }
    *r->last = leg;
    r->last = &leg->next;
    r->bytes += stored->record.message.payload.len;
    return --r->most && r->bytes < r->most_bytes;
}

/* On the thread pool. */
static void run_reading(void *arg)
{
    struct gw_reading *r = arg;
    uint64_t next = r->from;
    int error =
        gw_store_read(r->sink->route->log, r->sink->outlet->place, r->from, visit, r, &next);
    if (!r->error) {
        r->error = error;
        r->next = next;
    }
}

static void take_leg(struct mg_sink *k, struct gw_leg *leg);

static void read_more(struct mg_sink *k);

static void reading_done(void *arg)
{
    struct gw_reading *r = arg;
    struct mg_sink *k = r->sink;
    struct gw_outlet *o = k->outlet;
    o->reading = false;
    o->reading_now = NULL;
    if (r->next > o->next)
        o->next = r->next;
    for (struct gw_leg *leg = r->first, *next; leg; leg = next) {
        next = leg->next;
        leg->next = NULL;
        if (o->draining)
            gw_passage_unref(leg->passage);
        else
            take_leg(k, leg);
    }
    int error = r->error;
    free(r);
    if (error)
        gw_log(MG_WARN, "the store could not be read; it is tried again", "route",
               k->route->config->name, "reason", strerror(-error), NULL);
    else
        read_more(k);
}

static uint64_t end_of(const struct mg_sink *k)
{
    struct gw_store_backlog b;
    gw_store_log_backlog(k->route->log, k->outlet->place, &b);
    return b.end;
}

static bool behind(const struct mg_sink *k)
{
    return k->outlet->next < end_of(k);
}

/* When half of what may be in hand has gone, so that one read serves many. */
static void read_more(struct mg_sink *k)
{
    struct gw_outlet *o = k->outlet;
    if (o->reading || o->draining || o->in_hand > IN_HAND_MOST / 2 || o->bytes > BYTES_MOST / 2 ||
        !behind(k))
        return;
    struct gw_reading *r = malloc(sizeof *r);
    if (!r)
        return; /* the sweep comes again */
    *r = (struct gw_reading){.sink = k,
                             .from = o->next,
                             .next = o->next,
                             .most = IN_HAND_MOST - o->in_hand,
                             .most_bytes = BYTES_MOST - o->bytes};
    r->last = &r->first;
    o->reading = true;
    o->reading_now = r;
    if (k->route->gateway->host.work(shard_of(k), run_reading, reading_done, r)) {
        o->reading = false;
        o->reading_now = NULL;
        free(r);
    }
}

bool gw_outlet_reading_shard(const struct mg_sink *k)
{
    return k->outlet && k->outlet->reading;
}

void gw_outlet_start_shard(struct mg_sink *k)
{
    struct gw_store_backlog b;
    gw_store_log_backlog(k->route->log, k->outlet->place, &b);
    k->outlet->next = k->outlet->sent_end = b.first;
    read_more(k);
}

/* ---- into the lane -------------------------------------------------------------------------- */

static void take_leg(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    o->in_hand++;
    o->bytes += leg->event->payload.len;
    if (!enter_key(o, leg)) {
        leg->state = GW_LEG_BEHIND;
        return;
    }
    gw_lane_put_shard(k, leg);
}

/* A leg that its passage brings along, right after the store has it. */
void gw_outlet_offer_shard(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    if (leg->sequence == o->next && !o->reading && !o->draining && has_room(o)) {
        o->next++;
        take_leg(k, leg);
        return;
    }
    leg->state = GW_LEG_DONE;
    gw_passage_unref(leg->passage); /* it is read when its turn comes, or was read before */
    read_more(k);
}

/* ---- out of the lane ------------------------------------------------------------------------ */

/* The leg is in no list, and nothing is owed for it any more.  It may be gone when this returns. */
static void leave(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    struct gw_passage *p = leg->passage;
    struct gw_leg *next = leave_key(o, leg);
    o->in_hand--;
    o->bytes -= leg->event->payload.len;
    if (leg->attempts > 1)
        k->route->parts[shard_of(k)->index].ledger.retries += leg->attempts - 1;
    leg->state = GW_LEG_DONE;
    gw_passage_unref(p);
    if (next && !o->draining)
        gw_lane_put_shard(k, next);
    read_more(k);
}

static void done_with(struct mg_sink *k, struct gw_leg *leg, uint32_t term)
{
    gw_store_settle_shard(k, leg->sequence, term);
    leave(k, leg);
}

static void log_leg(struct mg_sink *k, const struct gw_leg *leg, uint32_t level,
                    const char *message, const char *step, const char *reason)
{
    gw_route_log_shard(k->route, shard_of(k), level, message, leg->event, leg->sequence, step,
                       reason);
}

/* ---- refused -------------------------------------------------------------------------------- */

struct burial {
    struct gw_store_bury bury; /* first */
    char texts[];
};

static void free_burial(struct gw_store_op *op)
{
    free(op);
}

static void bury(struct mg_sink *k, struct gw_leg *leg, const char *step, const char *reason)
{
    size_t n = strlen(step) + 1, m = strlen(reason) + 1;
    struct burial *b = malloc(sizeof *b + n + m);
    if (!b) {
        gw_lane_back_shard(k, leg); /* it is tried again, and refused again */
        gw_lane_back_off_shard(k);
        return;
    }
    memcpy(b->texts, step, n);
    memcpy(b->texts + n, reason, m);
    b->bury = (struct gw_store_bury){
        .op = {.kind = GW_OP_BURY, .done = free_burial},
        .log = k->route->log,
        .sink = k->outlet->place,
        .sequence = leg->sequence,
        .step = b->texts,
        .reason = b->texts + n,
        .attempts = leg->attempts,
    };
    log_leg(k, leg, MG_WARN, "dead letter", step, reason);
    gw_store_add_shard(shard_of(k), &b->bury.op);
    leave(k, leg);
}

/* A leg that no repetition will help. */
static void refuse(struct mg_sink *k, struct gw_leg *leg, const char *step, const char *reason)
{
    const struct gw_delivery_settings *d = settings_of(k);
    const char *why = reason ? reason : "refused, without a reason";
    if (d->on_error == GW_ON_ERROR_PAUSE) {
        gw_route_pause(k->route, true, why);
        gw_lane_back_shard(k, leg);
    } else if (d->on_error == GW_ON_ERROR_RETRY && d->dead_letter) {
        bury(k, leg, step, why);
    } else {
        log_leg(k, leg, MG_WARN, "discarded", step, why);
        done_with(k, leg, GW_TERM_DISCARDED);
    }
}

/* ---- again later ---------------------------------------------------------------------------- */

static uint64_t next_delay(const struct gw_delivery_settings *d, uint64_t last)
{
    uint64_t first = (uint64_t)d->retry_first_ms, most = (uint64_t)d->retry_most_ms;
    uint64_t upper = last * 3 > first ? last * 3 : first;
    uint64_t delay =
        first + gw_random((uint32_t)(upper - first < UINT32_MAX ? upper - first + 1 : UINT32_MAX));
    return delay < most ? delay : most;
}

static void arm(const struct mg_host *host, mg_shard *shard, mg_timer **timer, uint64_t after_ms,
                void (*fired)(void *arg), void *arg)
{
    if (*timer)
        host->timer_again(*timer, after_ms, 0);
    else
        *timer = host->timer_start(shard, after_ms, 0, fired, arg);
}

static void let_go(void *arg);

static void arm_held(struct mg_sink *k)
{
    struct gw_outlet *o = k->outlet;
    int64_t now = gw_now_us(shard_of(k)), first = INT64_MAX;
    for (const struct gw_leg *leg = o->held; leg; leg = leg->next_held)
        if (leg->due_us < first)
            first = leg->due_us;
    if (o->held)
        arm(&k->route->gateway->host, shard_of(k), &o->held_timer,
            first > now ? (uint64_t)(first - now) / 1000 + 1 : 0, let_go, k);
}

/* Those that are due go back to the lane. */
static void let_go(void *arg)
{
    struct mg_sink *k = arg;
    struct gw_outlet *o = k->outlet;
    int64_t now = gw_now_us(shard_of(k));
    for (struct gw_leg **at = &o->held; *at;) {
        struct gw_leg *leg = *at;
        if (leg->due_us > now) {
            at = &leg->next_held;
            continue;
        }
        *at = leg->next_held;
        gw_lane_back_shard(k, leg);
    }
    arm_held(k);
    gw_lane_pump_shard(k);
}

/* With order_by only this leg's key waits; without, the whole lane. */
static void try_again(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    if (!o->keys || !leg->key) {
        gw_lane_back_shard(k, leg);
        gw_lane_back_off_shard(k);
        return;
    }
    leg->delay_ms = next_delay(settings_of(k), leg->delay_ms);
    leg->due_us = gw_now_us(shard_of(k)) + (int64_t)leg->delay_ms * 1000;
    leg->state = GW_LEG_HELD;
    leg->next_held = o->held;
    o->held = leg;
    arm_held(k);
}

/* ---- the breaker ---------------------------------------------------------------------------- */

static void try_breaker(void *arg)
{
    struct mg_sink *k = arg;
    k->outlet->breaker = GW_BREAKER_TRYING; /* one leg goes, and decides */
    gw_lane_pump_shard(k);
}

static void works(struct mg_sink *k)
{
    struct gw_outlet *o = k->outlet;
    o->failures = 0;
    if (o->breaker == GW_BREAKER_CLOSED)
        return;
    o->breaker = GW_BREAKER_CLOSED;
    o->breaker_ms = 0;
    gw_log(MG_INFO, "the sink takes events again", "route", k->route->config->name, "bridge",
           k->connection->config->name, NULL);
}

/* What fails together (a connection lost) is one failure. */
static void fails(struct mg_sink *k, const char *reason)
{
    struct gw_outlet *o = k->outlet;
    const struct gw_delivery_settings *d = settings_of(k);
    int64_t now = gw_now_us(shard_of(k));
    if (now == o->failed_turn)
        return;
    o->failed_turn = now;
    o->failures++;
    bool opens =
        o->breaker == GW_BREAKER_TRYING || (o->breaker == GW_BREAKER_CLOSED && d->breaker_after &&
                                            o->failures >= (uint64_t)d->breaker_after);
    if (!opens)
        return;
    if (o->breaker == GW_BREAKER_CLOSED)
        gw_log(MG_WARN, "the sink fails again and again and is left alone for a while", "route",
               k->route->config->name, "bridge", k->connection->config->name, "reason", reason,
               NULL);
    o->breaker = GW_BREAKER_OPEN;
    snprintf(o->breaker_reason, sizeof o->breaker_reason, "%s", reason ? reason : "");
    o->breaker_ms = next_delay(d, o->breaker_ms);
    arm(&k->route->gateway->host, shard_of(k), &o->breaker_timer, o->breaker_ms, try_breaker, k);
    if (!o->breaker_timer)
        o->breaker = GW_BREAKER_TRYING; /* without memory for a timer: at once */
}

/* ---- what the lane asks --------------------------------------------------------------------- */

bool gw_outlet_may_send(const struct mg_sink *k)
{
    const struct gw_outlet *o = k->outlet;
    return !o->draining && !o->suspect_out && o->breaker != GW_BREAKER_OPEN &&
           !(o->breaker == GW_BREAKER_TRYING && k->sent) &&
           !atomic_load_explicit(&k->route->paused, memory_order_relaxed);
}

bool gw_outlet_may_send_leg(const struct mg_sink *k, const struct gw_leg *leg)
{
    return leg->deaths < SUSPECT_DEATHS || !k->sent;
}

bool gw_outlet_admit_shard(struct mg_sink *k, struct gw_leg *leg)
{
    const struct gw_delivery_settings *d = settings_of(k);
    struct gw_store_backlog b;
    if (d->poison_after && leg->deaths >= (uint64_t)d->poison_after) {
        char text[120];
        snprintf(text, sizeof text, "poison: in hand at %" PRIu32 " ends of the process",
                 leg->deaths);
        refuse(k, leg, "send", text);
        return false;
    }
    if (d->backlog_full < GW_FULL_DROP_OLDEST)
        return true;
    gw_store_log_backlog(k->route->log, k->outlet->place, &b);
    if (leg->sequence >= b.first)
        return true;
    leave(k, leg); /* it has made room for a newer one */
    return false;
}

void gw_outlet_sending_shard(struct mg_sink *k, const struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    o->suspect_out = leg->deaths >= SUSPECT_DEATHS;
    o->sent_before = o->sent_end;
    if (leg->sequence < o->sent_end)
        return;
    o->sent_end = leg->sequence + 1;
    gw_store_log_loaded(k->route->log, o->place, o->sent_end);
}

void gw_outlet_not_sent_shard(struct mg_sink *k, const struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    (void)leg;
    o->suspect_out = false;
    if (o->sent_end == o->sent_before)
        return;
    o->sent_end = o->sent_before;
    gw_store_log_loaded(k->route->log, o->place, o->sent_end);
}

void gw_outlet_settled_shard(struct mg_sink *k, struct gw_leg *leg, uint32_t outcome,
                             const char *reason)
{
    const struct gw_delivery_settings *d = settings_of(k);
    k->outlet->suspect_out = false;
    if (outcome == MG_ACCEPTED) {
        works(k);
        done_with(k, leg, GW_TERM_DELIVERED);
    } else if (outcome == MG_REJECTED) {
        refuse(k, leg, "confirm", reason);
    } else {
        char text[160];
        /* AMQP 1.0 §3.4.4: only modified says that the attempt was one. */
        if (outcome == MG_MODIFIED)
            leg->counted++;
        fails(k, reason);
        if (d->max_attempts && leg->counted >= (uint64_t)d->max_attempts) {
            snprintf(text, sizeof text, "gave up after %u attempts: %.110s", leg->counted,
                     reason ? reason : "modified");
            refuse(k, leg, "confirm", text);
        } else {
            if (outcome == MG_MODIFIED && d->max_attempts)
                gw_store_note_shard(k, leg->sequence, leg->counted);
            try_again(k, leg);
        }
    }
    gw_lane_pump_shard(k);
}

void gw_outlet_ended_shard(struct mg_sink *k, struct gw_leg *leg, uint32_t outcome,
                           const char *reason)
{
    if (outcome == MG_ACCEPTED) {
        done_with(k, leg, GW_TERM_DELIVERED);
    } else if (outcome == MG_REJECTED) {
        refuse(k, leg, "send", reason);
    } else if (outcome == 0) {
        log_leg(k, leg, MG_INFO, "expired", "send", reason);
        done_with(k, leg, GW_TERM_EXPIRED);
    } else {
        leave(k, leg); /* the gateway stops: the store keeps it */
    }
}

void gw_outlet_sweep_shard(struct mg_sink *k)
{
    read_more(k); /* what came by other ways than a passage: replays, dead letters retried */
}

/* ---- the end -------------------------------------------------------------------------------- */

/* Nothing is sent any more; what is sent may still be confirmed. */
void gw_outlet_drain_shard(struct mg_sink *k)
{
    k->outlet->draining = true;
}

/* Those that are in none of the lane's lists. */
void gw_outlet_close_shard(struct mg_sink *k)
{
    struct gw_outlet *o = k->outlet;
    const struct mg_host *host = &k->route->gateway->host;
    host->timer_stop(o->held_timer);
    host->timer_stop(o->breaker_timer);
    o->held_timer = o->breaker_timer = NULL;
    o->draining = true;
    while (o->held) {
        struct gw_leg *leg = o->held;
        o->held = leg->next_held;
        leave(k, leg);
    }
    for (size_t i = 0; o->keys && i < GW_KEY_BUCKETS; i++)
        while (o->keys[i])
            leave(k, o->keys[i]);
}
