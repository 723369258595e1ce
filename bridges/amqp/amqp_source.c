/* SPDX-License-Identifier: Apache-2.0 */
/* A source: one receiving link, its credit, and the settlements that it owes. */
#include "amqp_bridge.h"
#include "amqp_slots.h"
#include <errno.h>
#include <proton/condition.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/connection.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { KEEP_BYTES = 256 * 1024 };

struct amqp_source {
    struct amqp_link link; /* first: the Proton link's context */
    struct amqp_source *next;
    struct amqp_connection *c;
    mg_source *core;
    const char *address;
    const struct amqp_source_settings *settings;
    char name[320];
    char *node; /* the address to attach to */
    bool rabbitmq, subject_is_key;
    char *event_address; /* of events that say none */
    size_t event_address_len;

    pn_session_t *session;
    pn_link_t *pn;
    bool attached, stalled, discarding;
    char why[AMQP_WHY_MAX]; /* not attached: why */
    struct amqp_backoff backoff;
    int64_t attached_us, attach_at_us; /* INT64_MAX: not due */

    uint64_t may_take;     /* events that the core would still take */
    uint32_t granted;      /* of them, those that Proton knows of */
    struct amqp_buffer in; /* the delivery that is being received */
    struct amqp_decoder *decoder;
    int64_t wall_us;         /* when what is being received came */
    struct amqp_slots slots; /* a new attach begins a new generation */
};

static const struct amqp_link_ops source_ops;

struct amqp_source *amqp_source_create(struct amqp_connection *c, mg_source *core,
                                       const char *address,
                                       const struct amqp_source_settings *settings)
{
    struct amqp_source *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->link.ops = &source_ops;
    s->c = c;
    s->core = core;
    s->address = address;
    s->settings = settings;
    s->slots.generation = 1;
    s->attach_at_us = INT64_MAX;
    s->in.limit = (size_t)c->bridge->settings->max_message;
    s->rabbitmq = amqp_is_rabbitmq(c->bridge->settings, address);
    s->node = s->rabbitmq ? amqp_binding_address(address) : strdup(address);
    s->decoder = amqp_decoder_create();
    s->event_address =
        s->node ? (s->rabbitmq ? amqp_binding_topic(s->node, address) : strdup(address)) : NULL;
    if (!s->node || !s->event_address || !s->decoder) {
        amqp_source_destroy(s);
        return NULL;
    }
    s->event_address_len = strlen(s->event_address);
    enum amqp_form_kind kind = amqp_address_parse((struct mg_str){address, strlen(address)}).kind;
    struct amqp_source **list = &c->sources;
    while (*list)
        list = &(*list)->next;
    *list = s;
    s->subject_is_key =
        s->rabbitmq && (kind == AMQP_ADDRESS_EXCHANGE || kind == AMQP_ADDRESS_TOPIC);
    snprintf(s->name, sizeof s->name, "%s%.280s",
             settings->name ? "" : "meshgate:", settings->name ? settings->name : address);
    snprintf(s->why, sizeof s->why, "not attached to %.200s yet", address);
    return s;
}

void amqp_source_destroy(struct amqp_source *s)
{
    if (!s)
        return;
    amqp_buffer_fini(&s->in);
    amqp_decoder_destroy(s->decoder);
    amqp_slots_fini(&s->slots);
    free(s->node);
    free(s->event_address);
    free(s);
}

struct amqp_source *amqp_source_next(struct amqp_source *s)
{
    return s->next;
}

/* ---- attach and loss ------------------------------------------------------------------------ */

static void set_terminus(struct amqp_source *s)
{
    static const pn_durability_t durabilities[] = {PN_NONDURABLE, PN_CONFIGURATION, PN_DELIVERIES};
    static const pn_expiry_policy_t policies[] = {PN_EXPIRE_WITH_LINK, PN_EXPIRE_WITH_SESSION,
                                                  PN_EXPIRE_WITH_CONNECTION, PN_EXPIRE_NEVER};
    static const pn_distribution_mode_t modes[] = {PN_DIST_MODE_UNSPECIFIED, PN_DIST_MODE_MOVE,
                                                   PN_DIST_MODE_COPY};
    const struct amqp_source_settings *o = s->settings;
    pn_terminus_t *source = pn_link_source(s->pn);
    pn_durability_t durability = durabilities[o->durable];
    if (s->rabbitmq && strncmp(s->address, "/queue/", 7) == 0 && o->declare_durable)
        durability = PN_DELIVERIES;
    if (o->dynamic)
        pn_terminus_set_dynamic(source, true);
    else
        pn_terminus_set_address(source, s->node);
    pn_terminus_set_durability(source, durability);
    pn_terminus_set_expiry_policy(source, policies[o->expiry]);
    pn_terminus_set_timeout(source, (pn_seconds_t)(o->expiry_timeout_ms / 1000));
    pn_terminus_set_distribution_mode(source, modes[o->distribution]);
    pn_terminus_set_address(pn_link_target(s->pn), s->name);
}

static void grant(struct amqp_source *s);

static void fail_attach(struct amqp_source *s, const char *why)
{
    uint64_t after = amqp_backoff_next(&s->backoff, s->c->bridge);
    snprintf(s->why, sizeof s->why, "source %.100s: %.140s", s->address, why);
    s->attach_at_us = s->c->host->now_us(s->c->shard) + (int64_t)after * 1000;
    amqp_links_soon(s->c, after);
}

void amqp_source_attach(struct amqp_source *s)
{
    pn_connection_t *connection = amqp_io_connection(s->c->io);
    s->attach_at_us = INT64_MAX;
    if (s->pn || s->c->draining || !connection)
        return;
    /* A session of its own: RabbitMQ answers a wrong address by ending the session. */
    s->session = pn_session(connection);
    s->pn = s->session ? pn_receiver(s->session, s->name) : NULL;
    if (!s->pn) {
        if (s->session)
            pn_session_free(s->session);
        s->session = NULL;
        fail_attach(s, "no channel is left on this connection");
        return;
    }
    pn_session_open(s->session);
    set_terminus(s);
    pn_link_set_context(s->pn, &s->link);
    pn_link_set_snd_settle_mode(s->pn, s->settings->presettled ? PN_SND_SETTLED : PN_SND_UNSETTLED);
    pn_link_set_rcv_settle_mode(s->pn, PN_RCV_FIRST);
    pn_link_set_max_message_size(s->pn, s->in.limit);
    pn_link_open(s->pn);
    s->granted = 0;
}

/* Unsettled deliveries are the peer's again; what the core still says of them is late. */
static void lose(struct amqp_source *s)
{
    s->pn = NULL;
    s->session = NULL;
    s->attached = s->stalled = s->discarding = false;
    s->granted = 0;
    amqp_slots_forget(&s->slots);
    amqp_buffer_reset(&s->in, 0);
}

void amqp_source_forget(struct amqp_source *s)
{
    lose(s);
    s->attach_at_us = INT64_MAX;
    s->backoff.last_ms = 0;
    snprintf(s->why, sizeof s->why, "not attached to %.200s", s->address);
}

static void source_lost(struct amqp_link *link, const char *why)
{
    struct amqp_source *s = (struct amqp_source *)link;
    pn_session_t *session = s->session;
    amqp_backoff_settle(&s->backoff, s->c, s->attached ? s->attached_us : INT64_MAX);
    lose(s);
    if (session && !(pn_session_state(session) & PN_REMOTE_CLOSED)) {
        pn_session_close(session);
        pn_session_free(session);
    }
    s->c->host->log(s->c->bridge->instance, MG_WARN, "source %s detached: %s", s->address, why);
    if (!s->c->draining)
        fail_attach(s, why);
}

static void source_opened(struct amqp_link *link, pn_link_t *pn)
{
    struct amqp_source *s = (struct amqp_source *)link;
    /* A refused attach comes without a source, and a detach follows (AMQP 1.0 part 2 §2.6.3). */
    if (pn_terminus_get_type(pn_link_remote_source(pn)) != PN_SOURCE)
        return;
    const char *address = pn_terminus_get_address(pn_link_remote_source(pn));
    if (s->settings->dynamic)
        s->c->host->log(s->c->bridge->instance, MG_INFO, "source %s: the peer made the node %s",
                        s->address, address ? address : "(unnamed)");
    s->attached = true;
    s->attached_us = s->c->host->now_us(s->c->shard);
    grant(s);
    amqp_report(s->c);
}

const char *amqp_source_missing(const struct amqp_source *s)
{
    return s->attached || s->c->draining ? NULL : s->why;
}

int64_t amqp_source_due(struct amqp_source *s, int64_t now_us)
{
    if (s->attach_at_us <= now_us)
        amqp_source_attach(s);
    return s->attach_at_us;
}

/* ---- credit --------------------------------------------------------------------------------- */

static void receive(struct amqp_source *s, pn_delivery_t *delivery);
static void finish(struct amqp_source *s, pn_delivery_t *delivery);

/* Gives the peer what the core allows.  Small steps are gathered: brokers pay for each flow. */
static void grant(struct amqp_source *s)
{
    uint64_t more = s->may_take > s->granted ? s->may_take - s->granted : 0;
    if (!s->attached || s->stalled || s->c->draining || more == 0 || more < s->granted / 3)
        return;
    if (more > INT32_MAX / 2)
        more = INT32_MAX / 2;
    pn_link_flow(s->pn, (int)more);
    s->granted += (uint32_t)more;
}

void amqp_source_credit(struct amqp_source *s, uint32_t more)
{
    s->may_take += more;
    if (s->stalled) {
        s->stalled = false;
        s->wall_us = s->c->host->wall_us(s->c->shard);
        finish(s, pn_link_current(s->pn));
        pn_delivery_t *delivery = s->stalled ? NULL : pn_link_current(s->pn);
        if (delivery && pn_delivery_readable(delivery))
            receive(s, delivery);
    }
    grant(s);
}

void amqp_source_drain(struct amqp_source *s)
{
    /* RabbitMQ 3.10 ends the session with an internal error when it is asked to drain.  It then
     * sends what it has credit for, which is taken; more credit it does not get. */
    if (s->attached && !s->c->rabbitmq_3)
        pn_link_set_drain(s->pn, true);
}

/* ---- settlement ----------------------------------------------------------------------------- */

static void settle_delivery(struct amqp_source *s, pn_delivery_t *delivery, uint32_t outcome,
                            const char *condition, const char *reason)
{
    static const uint64_t states[] = {[MG_ACCEPTED] = PN_ACCEPTED,
                                      [MG_REJECTED] = PN_REJECTED,
                                      [MG_RELEASED] = PN_RELEASED,
                                      [MG_MODIFIED] = PN_MODIFIED};
    uint64_t to = outcome >= MG_ACCEPTED && outcome <= MG_MODIFIED ? states[outcome] : PN_RELEASED;
    pn_disposition_t *local = pn_delivery_local(delivery);
    if (to == PN_MODIFIED && s->c->rabbitmq_3)
        to = PN_RELEASED;
    if (to == PN_REJECTED) {
        pn_condition_set_name(pn_disposition_condition(local), condition);
        if (reason)
            pn_condition_set_description(pn_disposition_condition(local), reason);
    } else if (to == PN_MODIFIED) {
        pn_disposition_set_failed(local, true);
    }
    pn_delivery_update(delivery, to);
    pn_delivery_settle(delivery);
}

void amqp_source_settled(struct amqp_source *s, uint64_t cookie, uint32_t outcome,
                         const char *reason)
{
    pn_delivery_t *delivery = amqp_slots_take(&s->slots, cookie);
    if (delivery && (s->c->state == AMQP_UP || s->c->state == AMQP_CLOSING))
        settle_delivery(s, delivery, outcome, "amqp:precondition-failed", reason);
}

/* ---- deliveries ----------------------------------------------------------------------------- */

static void refuse(struct amqp_source *s, pn_delivery_t *delivery, const char *condition,
                   const char *reason)
{
    s->c->host->count(s->c->bridge->instance, AMQP_COUNT_UNDECODABLE, 1);
    s->c->host->log(s->c->bridge->instance, MG_WARN, "source %s: message rejected: %s", s->address,
                    reason);
    settle_delivery(s, delivery, MG_REJECTED, condition, reason);
}

/* The whole message is in s->in.  False: the core is full, and the delivery stays where it is. */
static bool hand_over(struct amqp_source *s, pn_delivery_t *delivery)
{
    struct amqp_arrival arrival = {.wall_us = s->wall_us,
                                   .address = {s->event_address, s->event_address_len},
                                   .subject_is_key = s->subject_is_key};
    struct mg_message message;
    struct mg_err err = {{0}, NULL};
    bool settled = pn_delivery_settled(delivery);
    int r =
        amqp_decode(s->decoder, (struct mg_bytes){s->in.at, s->in.len}, &arrival, &message, &err);
    if (r == -EBADMSG) {
        refuse(s, delivery, "amqp:decode-error", err.text);
        return true;
    }
    uint64_t cookie = r == 0 && !settled ? amqp_slots_add(&s->slots, delivery) : 0;
    if (r == 0 && (settled || cookie))
        r = s->c->host->ingest(s->c->core, s->core, &message, cookie);
    else
        r = -ENOMEM;
    if (r == 0) {
        s->may_take -= s->may_take > 0;
        if (settled)
            pn_delivery_settle(delivery);
        else if (s->pn && amqp_slots_hold(&s->slots, cookie))
            pn_link_advance(s->pn); /* else ingest settled it, which advances, too */
        return true;
    }
    if (cookie)
        amqp_slots_take(&s->slots, cookie);
    if (r == -EAGAIN) {
        s->stalled = true;
        return false;
    }
    settle_delivery(s, delivery, MG_RELEASED, NULL, NULL);
    return true;
}

/* Settling a delivery moves the link on to the next one. */
static void finish(struct amqp_source *s, pn_delivery_t *delivery)
{
    /* While draining, what the peer still sends for the credit it had is taken as ever. */
    bool closing = s->c->state != AMQP_UP;
    if (closing || s->discarding) {
        if (closing)
            settle_delivery(s, delivery, MG_RELEASED, NULL, NULL);
        else
            refuse(s, delivery, "amqp:link:message-size-exceeded",
                   "larger than the gateway's max_message");
        s->discarding = false;
    } else {
        if (!hand_over(s, delivery))
            return;
    }
    amqp_buffer_reset(&s->in, KEEP_BYTES);
}

/* Takes what Proton has of a delivery, straight to where it is decoded. */
static void take_bytes(struct amqp_source *s, pn_delivery_t *delivery)
{
    size_t pending;
    while ((pending = pn_delivery_pending(delivery)) > 0) {
        char nowhere[4096];
        uint8_t *to = s->discarding ? NULL : amqp_grow(&s->in, pending);
        s->discarding |= !to;
        if (!to && pending > sizeof nowhere)
            pending = sizeof nowhere;
        ssize_t n = pn_link_recv(s->pn, to ? (char *)to : nowhere, pending);
        if (to)
            s->in.len -= pending - (n > 0 ? (size_t)n : 0);
        if (n <= 0)
            return;
    }
}

static void receive(struct amqp_source *s, pn_delivery_t *delivery)
{
    s->wall_us = s->c->host->wall_us(s->c->shard);
    while (delivery && s->pn) {
        if (pn_delivery_aborted(delivery)) {
            s->granted -= s->granted > 0;
            s->discarding = false;
            amqp_buffer_reset(&s->in, KEEP_BYTES);
            pn_delivery_settle(delivery);
        } else {
            take_bytes(s, delivery);
            if (pn_delivery_partial(delivery))
                return;
            s->granted -= s->granted > 0;
            finish(s, delivery);
            if (s->stalled)
                return;
        }
        delivery = s->pn ? pn_link_current(s->pn) : NULL;
        if (delivery && !pn_delivery_readable(delivery))
            return;
    }
}

static void source_delivery(struct amqp_link *link, pn_delivery_t *delivery)
{
    struct amqp_source *s = (struct amqp_source *)link;
    if (!s->stalled && pn_delivery_readable(delivery) && delivery == pn_link_current(s->pn)) {
        receive(s, delivery);
        grant(s);
    } else if (pn_delivery_updated(delivery)) {
        pn_delivery_clear(delivery);
    }
}

static void source_flow(struct amqp_link *link, pn_link_t *pn)
{
    (void)link;
    (void)pn;
}

static const struct amqp_link_ops source_ops = {source_opened, source_flow, source_delivery,
                                                source_lost};
