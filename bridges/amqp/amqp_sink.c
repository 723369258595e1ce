/* SPDX-License-Identifier: Apache-2.0 */
/* A sink: one or more sending links, and the deliveries that wait for the peer's outcome. */
#include "amqp_sink.h"
#include <errno.h>
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/disposition.h>
#include <proton/session.h>
#include <proton/terminus.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void amqp_sink_written(struct amqp_sink *s)
{
    if (!s->settings->presettled)
        return;
    while (s->first && s->first->presettled)
        amqp_flight_land(s, s->first, MG_ACCEPTED, NULL);
}

enum { KEEP_BYTES = 256 * 1024 };

/* ---- send ----------------------------------------------------------------------------------- */

/* Where a delivery goes, on this connection: the link's address, and what the message says. */
struct course {
    struct mg_str link;
    struct amqp_departure departure;
    char address[AMQP_ADDRESS_MAX], key[AMQP_KEY_MAX + 1];
};

static int plan_course(struct amqp_sink *s, struct mg_str address, struct course *ret,
                       struct mg_err *err)
{
    ret->departure = (struct amqp_departure){.peer = s->c->peer, .durable = s->settings->durable};
    if (address.len >= AMQP_ADDRESS_MAX || (address.len && memchr(address.at, 0, address.len))) {
        snprintf(err->text, sizeof err->text, "the address is longer than %d bytes or holds a NUL",
                 AMQP_ADDRESS_MAX - 1);
        return -EINVAL;
    }
    if (address.len)
        memcpy(ret->address, address.at, address.len);
    ret->address[address.len] = 0;
    ret->link = (struct mg_str){ret->address, address.len};
    if (s->anonymous) {
        ret->departure.to = ret->link;
        ret->link = (struct mg_str){"", 0};
        return 0;
    }
    struct amqp_address a = amqp_address_parse(ret->link);
    if (!s->rabbitmq || !a.key.at)
        return 0;
    for (char *p = ret->address + (a.key.at - ret->address); *p; p++)
        if (*p == '/')
            *p = '.';
    size_t len = amqp_segment_unescape(a.key, ret->key, sizeof ret->key);
    if (len > AMQP_KEY_MAX) {
        snprintf(err->text, sizeof err->text, "the routing key has %zu bytes, AMQP 0-9-1 allows %d",
                 len, AMQP_KEY_MAX);
        return -EINVAL;
    }
    /* RabbitMQ 3 reads addresses as Latin-1, but subjects as bytes. */
    if (s->by_subject || !amqp_ascii(ret->key, len)) {
        ret->departure.subject = (struct mg_str){ret->key, len};
        ret->link.len = a.kind == AMQP_ADDRESS_TOPIC ? 0 : a.node.len;
        if (a.kind == AMQP_ADDRESS_TOPIC)
            ret->link = (struct mg_str){"/exchange/amq.topic", strlen("/exchange/amq.topic")};
    }
    return 0;
}

/* Taken and given back, so that the core tries again in its own time. */
static int no_memory(struct amqp_sink *s, const struct mg_delivery *delivery)
{
    if (!delivery->token)
        return -EINVAL;
    s->c->host->settle(delivery->token, MG_RELEASED, "out of memory");
    return 0;
}

static int transfer(struct amqp_sink *s, struct sender *sender, const struct mg_delivery *delivery,
                    struct course *course, struct mg_err *err)
{
    const struct mg_host *host = s->c->host;
    struct mg_message message = {.head = *host->event_head(delivery->event),
                                 .payload = host->event_payload(delivery->event)};
    message.properties = host->event_properties(delivery->event, &message.property_count);
    uint64_t most = pn_link_remote_max_message_size(sender->pn),
             own = (uint64_t)s->c->bridge->settings->max_message;
    /* The time that is left must be counted from after the event came, however shortly: a clock of
     * this turn's beginning would give it a moment more than it had. */
    if (message.head.present & MG_HAS_EXPIRY)
        course->departure.wall_us = host->wall_us(s->c->shard);
    course->departure.delivery_count = delivery->attempt > 1 ? delivery->attempt - 1 : 0;
    amqp_buffer_reset(&s->out, KEEP_BYTES);
    s->out.limit = (size_t)(most && most < own ? most : own);
    struct mg_bytes rest;
    int r = amqp_encode_apart(s->encoder, &message, &course->departure, &s->out, &rest, err);
    if (r == -ENOMEM)
        return no_memory(s, delivery);
    if (r < 0)
        return r;
    uint64_t tag = ++s->tag;
    bool settled = s->settings->presettled || !delivery->token;
    struct flight *f = delivery->token ? amqp_flight_take(s, sender, delivery->token) : NULL;
    pn_delivery_t *pn = f || !delivery->token
                            ? pn_delivery(sender->pn, pn_dtag((const char *)&tag, sizeof tag))
                            : NULL;
    if (!pn) {
        if (f) {
            amqp_flight_cancel(s, f);
        }
        return no_memory(s, delivery);
    }
    if (f)
        f->presettled = settled;
    pn_delivery_set_context(pn, settled ? NULL : f);
    pn_link_send(sender->pn, (const char *)s->out.at, s->out.len);
    if (rest.len)
        pn_link_send(sender->pn, rest.at, rest.len);
    if (settled)
        pn_delivery_settle(pn);
    else
        pn_link_advance(sender->pn);
    return 0;
}

int amqp_sink_send(struct amqp_sink *s, const struct mg_delivery *delivery, struct mg_err *err)
{
    struct course course;
    if (s->c->state != AMQP_UP) {
        s->blocked = true;
        return -EAGAIN;
    }
    if (!s->c->sent_us) /* one look at the clock serves the confirm timeouts of a loop turn */
        s->c->sent_us = s->c->host->now_us(s->c->shard);
    int r = plan_course(s, delivery->address, &course, err);
    if (r < 0)
        return r;
    struct sender *sender = amqp_sender_find(s, course.link);
    if (!sender)
        sender = amqp_sender_add(s, course.link);
    if (sender)
        sender->used = ++s->uses;
    if (sender && sender->refused && !s->fixed && delivery->token) {
        /* One address that cannot be reached does not hold up the others. */
        char why[AMQP_WHY_MAX];
        snprintf(why, sizeof why, "%s", sender->why);
        s->c->host->settle(delivery->token, MG_MODIFIED, why);
        return 0;
    }
    if (!sender || !sender->pn || pn_link_credit(sender->pn) <= 0) {
        s->blocked = true;
        return -EAGAIN;
    }
    r = transfer(s, sender, delivery, &course, err);
    s->blocked |= r == -EAGAIN;
    return r;
}

/* ---- life ----------------------------------------------------------------------------------- */

struct amqp_sink *amqp_sink_create(struct amqp_connection *c, mg_sink *core, const char *address,
                                   const struct amqp_sink_settings *settings)
{
    struct amqp_sink *s = calloc(1, sizeof *s);
    if (!s)
        return NULL;
    s->c = c;
    s->core = core;
    s->address = address;
    s->settings = settings;
    s->rabbitmq = amqp_is_rabbitmq(c->bridge->settings, address);
    s->fixed = !strpbrk(address, "{}");
    s->encoder = amqp_encoder_create();
    if (!s->encoder) {
        free(s);
        return NULL;
    }
    c->has_presettled |= settings->presettled;
    struct amqp_sink **list = &c->sinks;
    while (*list)
        list = &(*list)->next;
    *list = s;
    return s;
}

static void free_senders(struct amqp_sink *s)
{
    while (s->senders) {
        struct sender *sender = s->senders;
        s->senders = sender->next;
        free(sender);
    }
    s->sender_count = 0;
}

void amqp_sink_destroy(struct amqp_sink *s)
{
    if (!s)
        return;
    free_senders(s);
    while (s->first) {
        struct flight *f = s->first;
        s->first = f->next;
        free(f);
    }
    while (s->spare) {
        struct flight *f = s->spare;
        s->spare = f->next;
        free(f);
    }
    amqp_buffer_fini(&s->out);
    amqp_encoder_destroy(s->encoder);
    free(s);
}

struct amqp_sink *amqp_sink_next(struct amqp_sink *s)
{
    return s->next;
}

void amqp_sink_attach(struct amqp_sink *s)
{
    enum amqp_form_kind kind =
        amqp_address_parse((struct mg_str){s->address, strlen(s->address)}).kind;
    bool keyed = s->rabbitmq && (kind == AMQP_ADDRESS_EXCHANGE || kind == AMQP_ADDRESS_TOPIC);
    uint32_t relay = s->settings->relay;
    s->anonymous = relay == AMQP_RELAY_ANONYMOUS ||
                   (relay == AMQP_RELAY_AUTO && !s->fixed && !keyed && s->c->anonymous_relay);
    s->by_subject = !s->anonymous && keyed &&
                    (relay == AMQP_RELAY_SUBJECT || (relay == AMQP_RELAY_AUTO && !s->fixed));
    if (s->anonymous) {
        amqp_sender_add(s, (struct mg_str){"", 0});
    } else if (s->fixed || s->by_subject) { /* the link's address is known before the first event */
        struct mg_err err;
        struct course course;
        if (plan_course(s, (struct mg_str){s->address, strlen(s->address)}, &course, &err) == 0)
            amqp_sender_add(s, course.link);
    }
    amqp_sink_wake(s);
}

void amqp_sink_forget(struct amqp_sink *s, const char *why)
{
    amqp_flight_release(s, NULL, why);
    free_senders(s); /* Proton's links went with the connection */
    s->session = NULL;
}

void amqp_sink_session_lost(struct amqp_sink *s, const char *why)
{
    (void)why;
    s->session = NULL;
}

const char *amqp_sink_missing(const struct amqp_sink *s)
{
    for (const struct sender *sender = s->senders; sender; sender = sender->next)
        if (!sender->attached && (s->fixed || !sender->pn))
            return sender->why;
    return NULL;
}

int64_t amqp_sink_due(struct amqp_sink *s, int64_t now_us)
{
    int64_t next =
        s->first ? s->first->sent_us + s->settings->confirm_timeout_ms * 1000 : INT64_MAX;
    if (s->first && now_us - s->first->sent_us >= s->settings->confirm_timeout_ms * 1000) {
        s->c->host->count(s->c->bridge->instance, AMQP_COUNT_UNCONFIRMED, 1);
        amqp_io_abort(s->c->io, "the peer did not confirm a message in time");
        return INT64_MAX;
    }
    for (struct sender *sender = s->senders; sender; sender = sender->next) {
        if (sender->attach_at_us <= now_us)
            amqp_sender_attach(sender);
        next = sender->attach_at_us < next ? sender->attach_at_us : next;
    }
    return next;
}
