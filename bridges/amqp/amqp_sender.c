/* SPDX-License-Identifier: Apache-2.0 */
/* The sending links of a sink, and what is on its way over them. */
#include "amqp_sink.h"
#include <proton/condition.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct amqp_link_ops sender_ops;

/* ---- flights -------------------------------------------------------------------------------- */

struct flight *amqp_flight_take(struct amqp_sink *s, struct sender *sender, mg_token token)
{
    struct flight *f = s->spare;
    if (f) {
        s->spare = f->next;
        s->spare_count--;
    } else {
        f = malloc(sizeof *f);
    }
    if (!f)
        return NULL;
    *f = (struct flight){
        .before = s->last, .sender = sender, .token = token, .sent_us = s->c->sent_us};
    if (s->last)
        s->last->next = f;
    else
        s->first = f;
    if (s->first == f)
        amqp_links_soon(s->c, (uint64_t)s->settings->confirm_timeout_ms + 1);
    s->last = f;
    sender->flights++;
    return f;
}

static void unlink_flight(struct amqp_sink *s, struct flight *f)
{
    *(f->before ? &f->before->next : &s->first) = f->next;
    *(f->next ? &f->next->before : &s->last) = f->before;
    f->sender->flights--;
}

static void spare_flight(struct amqp_sink *s, struct flight *f)
{
    if (s->spare_count >= 1024) {
        free(f);
        return;
    }
    f->next = s->spare;
    s->spare = f;
    s->spare_count++;
}

void amqp_sink_wake(struct amqp_sink *s)
{
    if (s->blocked) {
        s->blocked = s->crowded = false;
        s->c->host->sendable(s->c->core, s->core);
    }
}

void amqp_flight_cancel(struct amqp_sink *s, struct flight *f)
{
    unlink_flight(s, f);
    spare_flight(s, f);
}

void amqp_flight_land(struct amqp_sink *s, struct flight *f, uint32_t outcome, const char *reason)
{
    mg_token token = f->token;
    unlink_flight(s, f);
    spare_flight(s, f);
    if (token)
        s->c->host->settle(token, outcome, reason);
    if (s->crowded)
        amqp_sink_wake(s);
}

void amqp_flight_release(struct amqp_sink *s, const struct sender *sender, const char *why)
{
    struct flight *mine = NULL, **tail = &mine;
    for (struct flight *f = s->first, *next; f; f = next) {
        next = f->next;
        if (sender && f->sender != sender)
            continue;
        unlink_flight(s, f);
        f->next = NULL;
        *tail = f;
        tail = &f->next;
    }
    while (mine) {
        struct flight *f = mine;
        mg_token token = f->token;
        mine = f->next;
        spare_flight(s, f);
        if (token)
            s->c->host->settle(token, MG_RELEASED, why);
    }
}

/* ---- senders -------------------------------------------------------------------------------- */

struct sender *amqp_sender_find(struct amqp_sink *s, struct mg_str address)
{
    for (struct sender **at = &s->senders, *sender; (sender = *at); at = &sender->next)
        if (strlen(sender->address) == address.len &&
            memcmp(sender->address, address.at, address.len) == 0) {
            *at = sender->next; /* to the front: what is used again is found soon */
            sender->next = s->senders;
            s->senders = sender;
            return sender;
        }
    return NULL;
}

static void drop_sender(struct amqp_sink *s, struct sender *sender)
{
    struct sender **at = &s->senders;
    while (*at != sender)
        at = &(*at)->next;
    *at = sender->next;
    s->sender_count--;
    if (sender->pn) {
        pn_link_set_context(sender->pn, NULL);
        pn_link_close(sender->pn);
        pn_link_free(sender->pn);
    }
    free(sender);
}

/* Makes room for one more link; false: all are busy. */
static bool make_room(struct amqp_sink *s)
{
    struct sender *oldest = NULL;
    if (s->sender_count < (size_t)s->settings->max_links)
        return true;
    for (struct sender *sender = s->senders; sender; sender = sender->next)
        if (sender->flights == 0 && (!oldest || sender->used < oldest->used))
            oldest = sender;
    if (oldest)
        drop_sender(s, oldest);
    return oldest != NULL;
}

static void fail_sender(struct sender *sender, const char *why)
{
    struct amqp_connection *c = sender->sink->c;
    uint64_t after = amqp_backoff_next(&sender->backoff, c->bridge);
    snprintf(sender->why, sizeof sender->why, "sink %.100s: %.140s",
             sender->address[0] ? sender->address : "(anonymous)", why);
    sender->attach_at_us = c->host->now_us(c->shard) + (int64_t)after * 1000;
    amqp_links_soon(c, after);
}

void amqp_sender_attach(struct sender *sender)
{
    struct amqp_sink *s = sender->sink;
    pn_connection_t *connection = amqp_io_connection(s->c->io);
    sender->attach_at_us = INT64_MAX;
    if (sender->pn || !connection)
        return;
    if (!s->session) {
        s->session = pn_session(connection);
        if (s->session) {
            pn_session_set_context(s->session, s);
            pn_session_open(s->session);
        }
    }
    char name[AMQP_ADDRESS_MAX + 64];
    snprintf(name, sizeof name, "meshgate>%s#%llu", sender->address, (unsigned long long)++s->tag);
    sender->pn = s->session ? pn_sender(s->session, name) : NULL;
    if (!sender->pn) {
        fail_sender(sender, "no channel is left on this connection");
        return;
    }
    pn_terminus_t *target = pn_link_target(sender->pn);
    if (sender->address[0])
        pn_terminus_set_address(target, sender->address);
    else
        pn_terminus_set_type(target, PN_TARGET); /* the anonymous terminus has no address */
    if (s->rabbitmq && strncmp(sender->address, "/queue/", 7) == 0 && s->settings->declare_durable)
        pn_terminus_set_durability(target, PN_DELIVERIES);
    pn_terminus_set_address(pn_link_source(sender->pn), s->c->container);
    pn_link_set_snd_settle_mode(sender->pn,
                                s->settings->presettled ? PN_SND_SETTLED : PN_SND_MIXED);
    pn_link_set_rcv_settle_mode(sender->pn, PN_RCV_FIRST);
    pn_link_set_context(sender->pn, &sender->link);
    pn_link_open(sender->pn);
}

struct sender *amqp_sender_add(struct amqp_sink *s, struct mg_str address)
{
    if (!make_room(s)) {
        s->crowded = true;
        return NULL;
    }
    struct sender *sender = calloc(1, sizeof *sender + address.len + 1);
    if (!sender)
        return NULL;
    sender->link.ops = &sender_ops;
    sender->sink = s;
    sender->attach_at_us = INT64_MAX;
    if (address.len)
        memcpy(sender->address, address.at, address.len);
    sender->next = s->senders;
    s->senders = sender;
    s->sender_count++;
    snprintf(sender->why, sizeof sender->why, "not attached to %.200s yet", sender->address);
    amqp_sender_attach(sender);
    return sender;
}

static void sender_opened(struct amqp_link *link, pn_link_t *pn)
{
    struct sender *sender = (struct sender *)link;
    /* A refused attach comes without a target, and a detach follows (AMQP 1.0 part 2 §2.6.3). */
    if (pn_terminus_get_type(pn_link_remote_target(pn)) == PN_UNSPECIFIED)
        return;
    sender->attached = true;
    sender->attached_us = sender->sink->c->host->now_us(sender->sink->c->shard);
    amqp_report(sender->sink->c);
}

static void sender_flow(struct amqp_link *link, pn_link_t *pn)
{
    struct sender *sender = (struct sender *)link;
    if (pn_link_get_drain(pn))
        pn_link_drained(pn);
    if (pn_link_credit(pn) > 0) {
        sender->credited = true;
        sender->refused = false;
        amqp_sink_wake(sender->sink);
    }
}

static void sender_lost(struct amqp_link *link, const char *why)
{
    struct sender *sender = (struct sender *)link;
    struct amqp_sink *s = sender->sink;
    sender->pn = NULL;
    sender->refused = !sender->credited;
    amqp_backoff_settle(&sender->backoff, s->c, sender->attached ? sender->attached_us : INT64_MAX);
    sender->attached = sender->credited = false;
    s->c->host->log(s->c->bridge->instance, MG_WARN, "sink %s: link to %s detached: %s", s->address,
                    sender->address[0] ? sender->address : "the anonymous terminus", why);
    fail_sender(sender, why);
    amqp_flight_release(s, sender, why);
    if (!s->fixed)
        amqp_sink_wake(s); /* what waits for this address hears of the failure */
}

/* ---- outcomes ------------------------------------------------------------------------------- */

static void sender_delivery(struct amqp_link *link, pn_delivery_t *delivery)
{
    struct amqp_sink *s = ((struct sender *)link)->sink;
    struct flight *f = pn_delivery_get_context(delivery);
    pn_disposition_t *remote = pn_delivery_remote(delivery);
    uint64_t state = pn_delivery_remote_state(delivery);
    char reason[AMQP_WHY_MAX] = "";
    uint32_t outcome;
    if (!pn_delivery_updated(delivery))
        return;
    if (!f) {
        pn_delivery_settle(delivery);
        return;
    }
    switch (state) {
    case PN_ACCEPTED:
        outcome = MG_ACCEPTED;
        break;
    case PN_RELEASED:
        outcome = MG_RELEASED;
        break;
    case PN_MODIFIED:
        outcome = MG_MODIFIED;
        break;
    case PN_REJECTED: {
        pn_condition_t *condition = pn_disposition_condition(remote);
        const char *name = pn_condition_get_name(condition),
                   *what = pn_condition_get_description(condition);
        outcome = MG_REJECTED;
        snprintf(reason, sizeof reason, "%s%s%s", name ? name : "rejected by the peer",
                 what ? ": " : "", what ? what : "");
        break;
    }
    default:
        if (!pn_delivery_settled(delivery)) {
            pn_delivery_clear(delivery); /* received so far: not an outcome yet */
            return;
        }
        outcome = MG_MODIFIED; /* settled without an outcome: nobody knows; send it again */
        snprintf(reason, sizeof reason, "settled by the peer without an outcome");
        break;
    }
    pn_delivery_set_context(delivery, NULL);
    pn_delivery_settle(delivery);
    amqp_flight_land(s, f, outcome, reason[0] ? reason : NULL);
}

static const struct amqp_link_ops sender_ops = {sender_opened, sender_flow, sender_delivery,
                                                sender_lost};
