/* SPDX-License-Identifier: Apache-2.0 */
/* send and confirm: the queue in front of one sink.  Legs leave it in the order in which they came;
 * what comes back goes in front of what has not been sent.  All on the sink's shard. */
#include "flow/internal.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* A sink that has worked for this long starts over with the shortest delay. */
enum { STABLE_US = 10 * 1000 * 1000 };

/* ---- the two lists -------------------------------------------------------------------------- */

static void insert_after(struct gw_leg **first, struct gw_leg **last, struct gw_leg *place,
                         struct gw_leg *leg)
{
    leg->previous = place;
    leg->next = place ? place->next : *first;
    *(leg->next ? &leg->next->previous : last) = leg;
    *(place ? &place->next : first) = leg;
}

static void remove_leg(struct gw_leg **first, struct gw_leg **last, struct gw_leg *leg)
{
    *(leg->previous ? &leg->previous->next : first) = leg->next;
    *(leg->next ? &leg->next->previous : last) = leg->previous;
    leg->previous = leg->next = NULL;
}

static void to_waiting(struct mg_sink *k, struct gw_leg *leg, struct gw_leg *place)
{
    leg->state = GW_LEG_WAITING;
    insert_after(&k->first_waiting, &k->last_waiting, place, leg);
    k->waiting++;
}

static void from_waiting(struct mg_sink *k, struct gw_leg *leg)
{
    if (k->last_returned == leg)
        k->last_returned = leg->previous;
    remove_leg(&k->first_waiting, &k->last_waiting, leg);
    k->waiting--;
}

static void to_sent(struct mg_sink *k, struct gw_leg *leg)
{
    insert_after(&k->first_sent, &k->last_sent, k->last_sent, leg);
    k->sent++;
}

static void from_sent(struct mg_sink *k, struct gw_leg *leg)
{
    remove_leg(&k->first_sent, &k->last_sent, leg);
    k->sent--;
    leg->token = 0;
}

/* By sequence.  Bridges return what a broken link held in order, so the place is nearly always
 * right behind the leg that came back before. */
static void back_to_waiting(struct mg_sink *k, struct gw_leg *leg)
{
    struct gw_leg *place = k->last_returned;
    while (place && place->sequence > leg->sequence)
        place = place->previous;
    for (struct gw_leg *next = place ? place->next : k->first_waiting;
         next && next->sequence < leg->sequence; next = next->next)
        place = next;
    to_waiting(k, leg, place);
    k->last_returned = leg;
}

/* ---- how a leg ends ------------------------------------------------------------------------- */

static void run_done(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct gw_leg *leg = (struct gw_leg *)task;
    struct gw_passage *passage = leg->passage;
    gw_passage_leg_done_shard(leg);
    gw_passage_unref(passage); /* the leg is back */
}

/* The leg is in neither list and has no token.  It may be gone when this returns. */
static void finish(struct mg_sink *k, struct gw_leg *leg, uint32_t outcome, const char *reason)
{
    struct gw_passage *passage = leg->passage;
    if (k->outlet) {
        gw_outlet_ended_shard(k, leg, outcome, reason);
        return;
    }
    leg->state = GW_LEG_DONE;
    leg->outcome = outcome;
    if (reason && outcome != MG_ACCEPTED)
        leg->reason = gw_reason_copy(reason);
    if (leg->orphan) {
        gw_passage_unref(passage);
    } else if (passage->shard == k->connection->shard) {
        gw_passage_leg_done_shard(leg);
    } else {
        leg->task.run = run_done;
        gw_shard_queue(passage->shard, &leg->task);
    }
}

static bool expired(const struct gw_leg *leg, mg_shard *shard)
{
    return leg->passage->expires_us && leg->passage->expires_us <= gw_wall_us(shard);
}

/* ---- waiting after a failure ---------------------------------------------------------------- */

static void backoff_over(void *arg)
{
    struct mg_sink *k = arg;
    k->backing_off = false;
    gw_lane_pump_shard(k);
}

/* Decorrelated jitter: the next delay is uniform between the first and three times the last. */
void gw_lane_back_off_shard(struct mg_sink *k)
{
    const struct gw_delivery_settings *d = &k->route->config->delivery;
    const struct mg_host *host = &k->route->gateway->host;
    int64_t now = gw_now_us(k->connection->shard);
    if (k->backing_off)
        return;
    uint64_t first = (uint64_t)d->retry_first_ms, most = (uint64_t)d->retry_most_ms;
    if (!k->failed_us || now - k->failed_us > STABLE_US)
        k->delay_ms = first;
    k->failed_us = now;
    uint64_t upper = k->delay_ms * 3 > first ? k->delay_ms * 3 : first;
    k->delay_ms =
        first + gw_random((uint32_t)(upper - first < UINT32_MAX ? upper - first + 1 : UINT32_MAX));
    if (k->delay_ms > most)
        k->delay_ms = most;
    if (!k->backoff)
        k->backoff = gw_core_timer_start(host, k->connection->shard, k->delay_ms, backoff_over, k);
    else
        host->timer_again(k->backoff, k->delay_ms, 0);
    k->backing_off = k->backoff != NULL; /* without memory for a timer: at once */
}

/* ---- confirm -------------------------------------------------------------------------------- */

static void leg_settled(mg_shard *shard, void *object, uint32_t outcome, const char *reason)
{
    struct gw_leg *leg = object;
    struct mg_sink *k = leg->sink;
    const struct gw_delivery_settings *d = &k->route->config->delivery;
    gw_token_free_shard(shard, leg->token);
    from_sent(k, leg);
    if (k->outlet) {
        gw_outlet_settled_shard(k, leg, outcome, reason);
        return;
    }
    if (outcome == MG_ACCEPTED || outcome == MG_REJECTED || leg->orphan) {
        finish(k, leg, outcome, reason);
        return;
    }
    /* AMQP 1.0 §3.4.4: only modified says that the attempt was one. */
    if (outcome == MG_MODIFIED)
        leg->counted++;
    if (d->max_attempts && leg->counted >= (uint64_t)d->max_attempts) {
        char text[160];
        snprintf(text, sizeof text, "gave up after %u attempts: %.110s", leg->counted,
                 reason ? reason : "modified");
        finish(k, leg, MG_REJECTED, text);
        return;
    }
    back_to_waiting(k, leg);
    gw_lane_back_off_shard(k);
}

/* ---- send ----------------------------------------------------------------------------------- */

/* Nothing goes out with longer to live than it came in with (MQTT 5 §3.3.2.3.3), also where the
 * wall clock has gone back behind its arrival. */
static int shorten_life(struct mg_sink *k, struct gw_leg *leg)
{
    const struct mg_host *host = &k->route->gateway->host;
    if (!(leg->event->head.present & MG_HAS_EXPIRY))
        return 0;
    int64_t back_us = leg->passage->arrived_wall_us - gw_wall_us(k->connection->shard);
    if (back_us <= leg->back_us)
        return 0;
    mg_edit *edit = host->edit_new(leg->event);
    if (!edit)
        return -ENOMEM;
    host->edit_head(edit)->expires_us -= back_us - leg->back_us;
    mg_event *shorter = host->edit_publish(edit);
    if (!shorter)
        return -ENOMEM;
    host->event_unref(leg->own);
    leg->event = leg->own = shorter;
    leg->back_us = back_us;
    return 0;
}

/* The leg is in neither list.  0: the bridge has it, or it has ended (and may be gone);
 * -EAGAIN: the sink is full. */
static int send_leg(struct mg_sink *k, struct gw_leg *leg)
{
    struct mg_connection *c = k->connection;
    struct mg_err err;
    mg_token token = 0;
    bool confirms = k->confirms;
    if (shorten_life(k, leg))
        return -EAGAIN; /* out of memory is a full sink */
    if (confirms && gw_token_new_shard(c->shard, leg, leg_settled, &token))
        return -EAGAIN; /* likewise */

    /* In the list before the bridge has it, since it may settle before send returns. */
    if (confirms)
        to_sent(k, leg);
    leg->state = GW_LEG_SENT;
    leg->token = token;
    leg->attempts++;
    struct mg_delivery delivery = {
        .event = leg->event,
        .address = leg->address,
        .attempt = leg->attempts + leg->deaths,
        .token = token,
    };
    if (k->outlet) {
        delivery.id = gw_outlet_delivery_id(k, leg);
        gw_outlet_sending_shard(k, leg);
    }
    err.text[0] = '\0'; /* no need to clear the rest of it for every event */
    gw_turn_mark_shard(c);
    struct gw_tapped *tapped = c->shard->taps ? gw_tap_out_shard(k, &delivery) : NULL;
    struct gw_call outer = gw_call_begin(c->instance, "send");
    int error = c->ops->send(c->context, k->context, &delivery, &err);
    gw_call_end(outer);
    if (tapped)
        gw_tap_sent_shard(tapped, !error);
    if (!error && confirms)
        return 0; /* settled later, or already */
    if (confirms && gw_token_object_shard(c->shard, token) != leg)
        return 0; /* the bridge refused and settled: the settlement counts */

    if (confirms) {
        gw_token_free_shard(c->shard, token);
        from_sent(k, leg);
    }
    if ((error == -EAGAIN || error == -ENOMEM) && !leg->orphan) {
        leg->attempts--;
        if (k->outlet)
            gw_outlet_back_shard(k, leg);
        return -EAGAIN;
    }
    const char *why = error ? (err.text[0] ? err.text : strerror(-error)) : NULL;
    finish(k, leg, error ? MG_REJECTED : MG_ACCEPTED, why);
    return 0;
}

static void block(struct mg_sink *k)
{
    struct mg_connection *c = k->connection;
    k->blocked = true;
    if (k->in_blocked)
        return;
    k->in_blocked = true;
    k->next_blocked = NULL;
    *(c->last_blocked ? &c->last_blocked->next_blocked : &c->first_blocked) = k;
    c->last_blocked = k;
}

static bool may_send(const struct mg_sink *k)
{
    return !k->blocked && !k->backing_off && !k->pumping && (!k->outlet || gw_outlet_may_send(k));
}

static bool may_send_leg(const struct mg_sink *k, const struct gw_leg *leg)
{
    return may_send(k) && (!k->outlet || gw_outlet_may_send_leg(k, leg));
}

/* The next leg in order, which is in neither list.  pumping keeps out what its settlement may
 * start.
 */
static void send_or_keep(struct mg_sink *k, struct gw_leg *leg)
{
    k->pumping = true;
    if (expired(leg, k->connection->shard)) {
        finish(k, leg, 0, "expired before it could be sent");
    } else if (k->outlet && !gw_outlet_admit_shard(k, leg)) {
        /* it has left */
    } else if (send_leg(k, leg)) {
        to_waiting(k, leg, NULL);
        block(k);
    }
    k->pumping = false;
}

void gw_lane_pump_shard(struct mg_sink *k)
{
    while (k->first_waiting && may_send_leg(k, k->first_waiting)) {
        struct gw_leg *leg = k->first_waiting;
        from_waiting(k, leg);
        send_or_keep(k, leg);
    }
}

void gw_lane_put_shard(struct mg_sink *k, struct gw_leg *leg)
{
    if (k->first_waiting || !may_send_leg(k, leg))
        to_waiting(k, leg, k->last_waiting);
    else
        send_or_keep(k, leg);
    gw_lane_pump_shard(k);
}

void gw_lane_back_shard(struct mg_sink *k, struct gw_leg *leg)
{
    back_to_waiting(k, leg);
}

void gw_lane_offer_task(mg_shard *shard, struct gw_task *task)
{
    (void)shard;
    struct gw_leg *leg = (struct gw_leg *)task;
    struct mg_sink *k = leg->sink;
    if (k->outlet) {
        gw_outlet_offer_shard(k, leg);
        return;
    }
    leg->sequence = k->next_sequence++;
    gw_lane_put_shard(k, leg);
}

void gw_lane_sendable_shard(struct mg_connection *c, struct mg_sink *sink)
{
    if (sink) {
        sink->blocked = false;
        gw_lane_pump_shard(sink);
        return;
    }
    /* Those that block again go to the end of a new queue, so that no lane is always last. */
    struct mg_sink *k = c->first_blocked;
    c->first_blocked = c->last_blocked = NULL;
    while (k) {
        struct mg_sink *next = k->next_blocked;
        k->in_blocked = false;
        k->blocked = false;
        gw_lane_pump_shard(k);
        k = next;
    }
}

/* ---- the passage no longer waits ------------------------------------------------------------ */

void gw_lane_cancel_task(mg_shard *shard, struct gw_task *task)
{
    struct gw_leg *leg = (struct gw_leg *)(void *)((char *)task - offsetof(struct gw_leg, cancel));
    struct gw_passage *passage = leg->passage;
    struct mg_sink *k = leg->sink;
    bool foreign = passage->shard != shard;
    if (leg->state == GW_LEG_SENT) {
        leg->orphan = true;
        if (foreign)
            gw_passage_unref(passage); /* the leg keeps the reference that it went out with */
        return;
    }
    if (leg->state == GW_LEG_WAITING) {
        from_waiting(k, leg);
        leg->state = GW_LEG_DONE;
        if (foreign)
            gw_passage_unref(passage); /* the one that it went out with */
    }
    gw_passage_unref(passage);
}

void gw_lane_sweep_shard(struct mg_sink *k)
{
    for (struct gw_leg *leg = k->first_waiting; leg;) {
        struct gw_leg *next = leg->next;
        if (expired(leg, k->connection->shard)) {
            /* Ending one leg may end its passage and with it the next leg: hold that one, and start
             * over where it has left the queue. */
            struct gw_passage *held = next ? next->passage : NULL;
            if (held)
                gw_passage_ref(held);
            from_waiting(k, leg);
            finish(k, leg, 0, "expired before it could be sent");
            if (next && next->state != GW_LEG_WAITING)
                next = k->first_waiting;
            if (held)
                gw_passage_unref(held);
        }
        leg = next;
    }
}

void gw_lane_close_shard(struct mg_sink *k)
{
    k->pumping = true; /* nothing goes out any more */
    while (k->first_sent) {
        struct gw_leg *leg = k->first_sent;
        gw_token_free_shard(k->connection->shard, leg->token);
        from_sent(k, leg);
        finish(k, leg, MG_RELEASED, "the gateway stopped");
    }
    while (k->first_waiting) {
        struct gw_leg *leg = k->first_waiting;
        from_waiting(k, leg);
        finish(k, leg, MG_RELEASED, "the gateway stopped");
    }
    if (k->outlet)
        gw_outlet_close_shard(k);
    k->route->gateway->host.timer_stop(k->backoff);
    k->backoff = NULL;
    k->backing_off = false;
}
