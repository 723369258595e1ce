/* SPDX-License-Identifier: Apache-2.0 */
/* Proton's events: what the peer's open says, and which link each of the others is for. */
#include "amqp_connection.h"
#include <proton/codec.h>
#include <proton/condition.h>
#include <proton/connection.h>
#include <proton/delivery.h>
#include <proton/session.h>
#include <stdio.h>
#include <string.h>

/* ---- the peer's open ------------------------------------------------------------------------ */

static bool is_symbol(pn_data_t *data, const char *text)
{
    pn_bytes_t symbol;
    if (pn_data_type(data) != PN_SYMBOL && pn_data_type(data) != PN_STRING)
        return false;
    symbol = pn_data_type(data) == PN_SYMBOL ? pn_data_get_symbol(data) : pn_data_get_string(data);
    return symbol.size == strlen(text) && memcmp(symbol.start, text, symbol.size) == 0;
}

static bool offers(pn_data_t *capabilities, const char *name)
{
    bool found = false;
    pn_data_rewind(capabilities);
    if (!pn_data_next(capabilities))
        return false;
    if (pn_data_type(capabilities) != PN_ARRAY)
        return is_symbol(capabilities, name);
    pn_data_enter(capabilities);
    while (!found && pn_data_next(capabilities))
        found = is_symbol(capabilities, name);
    return found;
}

/* Is properties[key] a text that begins with prefix? */
static bool property_begins(pn_data_t *properties, const char *key, const char *prefix)
{
    pn_data_rewind(properties);
    if (!pn_data_next(properties) || pn_data_type(properties) != PN_MAP)
        return false;
    pn_data_enter(properties);
    while (pn_data_next(properties)) {
        bool this_one = is_symbol(properties, key);
        if (!pn_data_next(properties))
            break;
        if (this_one && pn_data_type(properties) == PN_STRING) {
            pn_bytes_t text = pn_data_get_string(properties);
            return text.size >= strlen(prefix) && memcmp(text.start, prefix, strlen(prefix)) == 0;
        }
    }
    return false;
}

static void opened(struct amqp_connection *c, pn_connection_t *pn)
{
    pn_data_t *properties = pn_connection_remote_properties(pn);
    if (c->state != AMQP_CONNECTING)
        return;
    bool rabbitmq3 = property_begins(properties, "product", "RabbitMQ") &&
                     property_begins(properties, "version", "3.");
    c->state = AMQP_UP;
    c->up_since_us = c->host->now_us(c->shard);
    c->host->timer_again(c->timer, UINT32_MAX, 0);
    c->anonymous_relay = offers(pn_connection_remote_offered_capabilities(pn), "ANONYMOUS-RELAY");
    /* What 3.x keeps in AMQP 0-9-1, or ends the session on (docs/mapping.md). */
    c->peer = rabbitmq3 ? AMQP_PEER_NO_DELIVERY_ANNOTATIONS | AMQP_PEER_SHORT_TEXTS |
                              AMQP_PEER_NO_USER | AMQP_PEER_PLAIN_VALUES
                        : 0;
    c->rabbitmq_3 = rabbitmq3;
    for (struct amqp_source *s = c->sources; s; s = amqp_source_next(s))
        amqp_source_attach(s);
    for (struct amqp_sink *s = c->sinks; s; s = amqp_sink_next(s))
        amqp_sink_attach(s);
    amqp_report(c);
}

/* ---- Proton's events ------------------------------------------------------------------------ */

static void condition_words(pn_condition_t *condition, const char *otherwise, char *text,
                            size_t size)
{
    const char *what = pn_condition_get_description(condition);
    if (!pn_condition_is_set(condition))
        snprintf(text, size, "%s", otherwise);
    else
        snprintf(text, size, "%s%s%s", pn_condition_get_name(condition), what ? ": " : "",
                 what ? what : "");
}

static void link_lost(pn_link_t *pn, const char *otherwise)
{
    struct amqp_link *link = pn_link_get_context(pn);
    char why[AMQP_WHY_MAX];
    if (!link)
        return; /* freed when we detached it */
    condition_words(pn_link_remote_condition(pn), otherwise, why, sizeof why);
    pn_link_set_context(pn, NULL);
    pn_link_close(pn);
    pn_link_free(pn); /* the event keeps it until it has been handled */
    link->ops->lost(link, why);
}

/* RabbitMQ ends the session where others would detach the link. */
static void session_lost(struct amqp_connection *c, pn_session_t *session)
{
    char why[AMQP_WHY_MAX];
    struct amqp_sink *sink = pn_session_get_context(session);
    if (pn_session_state(session) & PN_LOCAL_CLOSED)
        return; /* the answer to our own end; it has been freed */
    condition_words(pn_session_remote_condition(session), "the peer ended the session", why,
                    sizeof why);
    for (;;) {
        pn_link_t *pn = pn_link_head(pn_session_connection(session), 0);
        while (pn && (pn_link_session(pn) != session || !pn_link_get_context(pn)))
            pn = pn_link_next(pn, 0);
        if (!pn)
            break;
        struct amqp_link *link = pn_link_get_context(pn);
        pn_link_set_context(pn, NULL);
        link->ops->lost(link, why);
    }
    if (sink)
        amqp_sink_session_lost(sink, why);
    pn_session_close(session);
    pn_session_free(session);
    amqp_report(c);
}

static void link_event(pn_event_t *event)
{
    pn_link_t *pn = pn_event_link(event);
    struct amqp_link *link = pn_link_get_context(pn);
    if (!link)
        return;
    if (pn_event_type(event) == PN_LINK_REMOTE_OPEN)
        link->ops->opened(link, pn);
    else
        link->ops->flow(link, pn);
}

void amqp_event(void *arg, pn_event_t *event)
{
    struct amqp_connection *c = arg;
    char why[AMQP_WHY_MAX];
    switch (pn_event_type(event)) {
    case PN_TRANSPORT:
        break;
    case PN_CONNECTION_BOUND:
        c->host->timer_again(c->timer, (uint64_t)c->bridge->settings->connect_timeout_ms, 0);
        break;
    case PN_CONNECTION_REMOTE_OPEN:
        opened(c, pn_event_connection(event));
        break;
    case PN_CONNECTION_REMOTE_CLOSE:
        condition_words(pn_connection_remote_condition(pn_event_connection(event)),
                        "the peer closed the connection", why, sizeof why);
        pn_connection_close(pn_event_connection(event));
        if (c->state != AMQP_CLOSING)
            amqp_io_abort(c->io, why);
        break;
    case PN_SESSION_REMOTE_CLOSE:
        if (c->state == AMQP_UP)
            session_lost(c, pn_event_session(event));
        else if (c->state == AMQP_CLOSING)
            amqp_connection_sessions_ended(c);
        break;
    case PN_LINK_FLOW:
        if (c->state == AMQP_UP || c->state == AMQP_CLOSING)
            link_event(event);
        break;
    case PN_LINK_REMOTE_OPEN:
        if (c->state == AMQP_UP)
            link_event(event);
        break;
    case PN_LINK_REMOTE_CLOSE:
    case PN_LINK_REMOTE_DETACH:
        if (c->state == AMQP_UP) {
            link_lost(pn_event_link(event), "the peer detached the link");
            amqp_report(c);
        }
        break;
    case PN_DELIVERY: {
        pn_delivery_t *delivery = pn_event_delivery(event);
        struct amqp_link *link = pn_link_get_context(pn_delivery_link(delivery));
        if (link)
            link->ops->delivery(link, delivery);
        break;
    }
    default:
        break;
    }
}
