/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the sink share: its links, and the events that wait for an outcome. */
#pragma once
#include "amqp_bridge.h"

enum { AMQP_ADDRESS_MAX = 4096 };

/* One event on its way: from send until its token is settled. */
struct flight {
    struct flight *next, *before; /* in the order of sending */
    struct sender *sender;
    mg_token token;
    int64_t sent_us;
    bool presettled;
};

/* A sending link to one address. */
struct sender {
    struct amqp_link link; /* first: the Proton link's context */
    struct sender *next;
    struct amqp_sink *sink;
    pn_link_t *pn;
    bool attached, credited; /* credited: since it attached */
    bool refused;            /* the last attach came to nothing */
    int64_t attached_us;
    size_t flights;
    uint64_t used; /* the sink's clock of uses, for the least recent */
    struct amqp_backoff backoff;
    int64_t attach_at_us; /* not before; INT64_MAX: not due by itself */
    char why[AMQP_WHY_MAX];
    char address[];
};

struct amqp_sink {
    struct amqp_sink *next;
    struct amqp_connection *c;
    mg_sink *core;
    const char *address;
    const struct amqp_sink_settings *settings;
    bool rabbitmq, fixed;       /* fixed: the template has no fields */
    bool by_subject, anonymous; /* on this connection */
    pn_session_t *session;
    struct sender *senders;
    size_t sender_count;
    uint64_t uses;
    bool blocked; /* send answered -EAGAIN */
    bool crowded; /* because every link that it may hold is busy */
    struct flight *first, *last, *spare;
    size_t spare_count;
    uint64_t tag;
    struct amqp_buffer out;
    struct amqp_encoder *encoder;
};

/* A flight for a delivery that is about to be sent; NULL: out of memory. */
struct flight *amqp_flight_take(struct amqp_sink *s, struct sender *sender, mg_token token);
/* Forgets a flight that did not begin. */
void amqp_flight_cancel(struct amqp_sink *s, struct flight *f);
/* Ends the obligation; the flight is gone before the core hears, which may send at once. */
void amqp_flight_land(struct amqp_sink *s, struct flight *f, uint32_t outcome, const char *reason);
/* Releases all of one sender, or of all senders, in the order of sending, each once. */
void amqp_flight_release(struct amqp_sink *s, const struct sender *sender, const char *why);

/* Tells the core that the sink would take more, where it said that it would not. */
void amqp_sink_wake(struct amqp_sink *s);

struct sender *amqp_sender_find(struct amqp_sink *s, struct mg_str address);
/* Attaches a new one.  NULL: all links that the sink may hold are busy, or out of memory. */
struct sender *amqp_sender_add(struct amqp_sink *s, struct mg_str address);
void amqp_sender_attach(struct sender *sender);
