/* SPDX-License-Identifier: Apache-2.0 */
/* send and confirm, under `stored`: a sink's lane with the store behind it.  What is taken into the
 * lane, what is kept out of it for a time, and what may be sent.  All on the sink's shard. */
#include "flow/outlet.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A leg that was in hand at so many deaths of the process goes alone, so that the one at fault is
 * found. */
enum { SUSPECT_DEATHS = 2 };
enum { SEQUENCE_BITS = 42, PLACE_BITS = 6 };

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
    while (k->outlet->spilled)
        gw_keys_unspill(k->outlet, k->outlet->spilled);
    free(k->outlet);
    k->outlet = NULL;
}

void gw_outlet_start_shard(struct mg_sink *k)
{
    struct gw_store_backlog b;
    gw_store_log_backlog(k->route->log, k->outlet->place, &b);
    k->outlet->next = k->outlet->sent_end = b.first;
    k->outlet->missed = b.end;
    gw_outlet_read_shard(k);
}

bool gw_outlet_reading_shard(const struct mg_sink *k)
{
    return k->outlet && k->outlet->reading;
}

/* ---- into the lane -------------------------------------------------------------------------- */

/* again: of a spilled key, read in its turn. */
void gw_outlet_take_shard(struct mg_sink *k, struct gw_leg *leg, bool again)
{
    struct gw_outlet *o = k->outlet;
    if (!again && o->spilled && gw_keys_spilled(o, leg->key)) {
        gw_passage_unref(leg->passage); /* others of its key come first */
        return;
    }
    o->in_hand++;
    o->bytes += leg->event->payload.len;
    if (gw_keys_enter(o, leg))
        gw_lane_put_shard(k, leg);
    else
        leg->state = GW_LEG_BEHIND;
}

/* It stays in the store, or is there already: it is read when its turn comes. */
static void pass_over(struct gw_outlet *o, struct gw_leg *leg)
{
    if (leg->sequence >= o->missed)
        o->missed = leg->sequence + 1;
    leg->state = GW_LEG_DONE;
    gw_passage_unref(leg->passage);
}

static bool has_room(const struct gw_outlet *o)
{
    return o->in_hand < o->sink->route->gateway->lane_most && o->bytes < GW_BYTES_MOST;
}

/* The next one, or one that is not new. */
static void take_next(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    if (leg->sequence != o->next || o->draining || (leg->state != GW_LEG_DONE && !has_room(o))) {
        pass_over(o, leg);
        return;
    }
    o->next++;
    if (leg->state == GW_LEG_DONE)
        gw_passage_unref(leg->passage); /* a full backlog did not let it in */
    else
        gw_outlet_take_shard(k, leg, false);
}

/* Whether the read will have found it is known when the read is back. */
static void keep_late(struct gw_outlet *o, struct gw_leg *leg)
{
    o->in_hand++;
    o->bytes += leg->event->payload.len;
    leg->next = NULL;
    *(o->late ? &o->last_late->next : &o->late) = leg;
    o->last_late = leg;
}

void gw_outlet_take_late_shard(struct mg_sink *k)
{
    struct gw_outlet *o = k->outlet;
    struct gw_leg *late = o->late;
    o->late = NULL;
    for (struct gw_leg *leg = late, *next; leg; leg = next) {
        next = leg->next;
        leg->next = NULL;
        o->in_hand--;
        o->bytes -= leg->event->payload.len;
        take_next(k, leg);
    }
}

/* A leg that its passage brings along, right after the store has it. */
void gw_outlet_offer_shard(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    if (!o->reading)
        take_next(k, leg);
    else if (!o->draining && has_room(o) &&
             (!o->late || leg->sequence == o->last_late->sequence + 1))
        keep_late(o, leg);
    else
        pass_over(o, leg);
    gw_outlet_read_shard(k);
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
    if (d->poison_after && leg->deaths >= (uint64_t)d->poison_after && !leg->pardoned) {
        char text[120];
        snprintf(text, sizeof text, "poison: in hand at %" PRIu32 " ends of the process",
                 leg->deaths);
        gw_outlet_refuse_shard(k, leg, "send", text);
        return false;
    }
    if (d->backlog_full < GW_FULL_DROP_OLDEST && d->require != GW_REQUIRE_ANY)
        return true;
    gw_store_log_backlog(k->route->log, k->outlet->place, &b);
    if (leg->sequence >= b.first)
        return true;
    gw_outlet_leave_shard(
        k, leg); /* it has made room for a newer one, or another sink has it and that is enough */
    return false;
}

void gw_outlet_sending_shard(struct mg_sink *k, const struct gw_leg *leg)
{
    struct gw_outlet *o = k->outlet;
    o->suspect_out = leg->deaths >= SUSPECT_DEATHS;
    gw_store_hand(k->route->log, o->place, leg->sequence, true);
    if (leg->sequence < o->sent_end)
        return;
    o->sent_end = leg->sequence + 1;
    gw_store_log_sent(k->route->log, o->place, o->sent_end);
}

void gw_outlet_back_shard(struct mg_sink *k, const struct gw_leg *leg)
{
    if (leg->state == GW_LEG_SENT) /* not one that expired while it waited */
        k->outlet->suspect_out = false;
    if (leg->attempts)
        gw_store_hand(k->route->log, k->outlet->place, leg->sequence, false);
    else
        gw_store_not_sent(k->route->log, k->outlet->place, leg->sequence);
}

/* What came by other ways than a passage: replays, dead letters retried. */
void gw_outlet_sweep_shard(struct mg_sink *k)
{
    struct gw_store_backlog b;
    gw_store_log_backlog(k->route->log, k->outlet->place, &b);
    if (b.end > k->outlet->missed)
        k->outlet->missed = b.end;
    gw_outlet_read_shard(k);
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
        gw_outlet_leave_shard(k, leg);
    }
    for (size_t i = 0; o->keys && i < GW_KEY_BUCKETS; i++)
        while (o->keys[i])
            gw_outlet_leave_shard(k, o->keys[i]);
}
