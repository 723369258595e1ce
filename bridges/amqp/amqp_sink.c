/* SPDX-License-Identifier: Apache-2.0 */
/* A sink: one or more sending links, and the deliveries that wait for the peer's outcome. */
#include "amqp_bridge.h"
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

enum { KEEP_BYTES = 256 * 1024, ADDRESS_MAX = 4096 };

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
    bool rabbitmq, fixed; /* fixed: the template has no fields */
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

static const struct amqp_link_ops sender_ops;

/* ---- flights -------------------------------------------------------------------------------- */

static struct flight *take_flight(struct amqp_sink *s, struct sender *sender, mg_token token)
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
    *f = (struct flight){.before = s->last, .sender = sender, .token = token,
                         .sent_us = s->c->host->now_us(s->c->shard)};
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

static void wake_core(struct amqp_sink *s)
{
    if (s->blocked) {
        s->blocked = s->crowded = false;
        s->c->host->sendable(s->c->core, s->core);
    }
}

/* Ends the obligation; the flight is gone before the core hears, which may send at once. */
static void land(struct amqp_sink *s, struct flight *f, uint32_t outcome, const char *reason)
{
    mg_token token = f->token;
    unlink_flight(s, f);
    spare_flight(s, f);
    if (token)
        s->c->host->settle(token, outcome, reason);
    if (s->crowded)
        wake_core(s);
}

/* Releases all of one sender, or of all senders, in the order of sending, each once. */
static void release(struct amqp_sink *s, const struct sender *sender, const char *why)
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

static struct sender *find_sender(struct amqp_sink *s, struct mg_str address)
{
    for (struct sender **at = &s->senders, *sender; (sender = *at); at = &sender->next)
        if (strlen(sender->address) == address.len && memcmp(sender->address, address.at, address.len) == 0) {
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
    snprintf(sender->why, sizeof sender->why, "sink %.100s: %.140s", sender->address[0] ? sender->address : "(anonymous)", why);
    sender->attach_at_us = c->host->now_us(c->shard) + (int64_t)after * 1000;
    amqp_links_soon(c, after);
}

static void attach_sender(struct sender *sender)
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
    char name[ADDRESS_MAX + 64];
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
    pn_link_set_snd_settle_mode(sender->pn, s->settings->presettled ? PN_SND_SETTLED : PN_SND_MIXED);
    pn_link_set_rcv_settle_mode(sender->pn, PN_RCV_FIRST);
    pn_link_set_context(sender->pn, &sender->link);
    pn_link_open(sender->pn);
}

static struct sender *add_sender(struct amqp_sink *s, struct mg_str address)
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
    attach_sender(sender);
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
        wake_core(sender->sink);
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
    release(s, sender, why);
    if (!s->fixed)
        wake_core(s); /* what waits for this address hears of the failure */
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
    case PN_ACCEPTED: outcome = MG_ACCEPTED; break;
    case PN_RELEASED: outcome = MG_RELEASED; break;
    case PN_MODIFIED: outcome = MG_MODIFIED; break;
    case PN_REJECTED: {
        pn_condition_t *condition = pn_disposition_condition(remote);
        const char *name = pn_condition_get_name(condition), *what = pn_condition_get_description(condition);
        outcome = MG_REJECTED;
        snprintf(reason, sizeof reason, "%s%s%s", name ? name : "rejected by the peer", what ? ": " : "", what ? what : "");
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
    land(s, f, outcome, reason[0] ? reason : NULL);
}

void amqp_sink_written(struct amqp_sink *s)
{
    if (!s->settings->presettled)
        return;
    while (s->first && s->first->presettled)
        land(s, s->first, MG_ACCEPTED, NULL);
}

static const struct amqp_link_ops sender_ops = {sender_opened, sender_flow, sender_delivery, sender_lost};

/* ---- send ----------------------------------------------------------------------------------- */

/* Where a delivery goes, on this connection: the link's address, and what the message says. */
struct course {
    struct mg_str link;
    struct amqp_departure departure;
    char address[ADDRESS_MAX], key[AMQP_KEY_MAX + 1];
};

static int plan_course(struct amqp_sink *s, struct mg_str address, struct course *ret, struct mg_err *err)
{
    ret->departure = (struct amqp_departure){.wall_us = s->c->host->wall_us(s->c->shard),
                                             .peer = s->c->peer, .durable = s->settings->durable};
    if (address.len >= ADDRESS_MAX || (address.len && memchr(address.at, 0, address.len))) {
        snprintf(err->text, sizeof err->text, "the address is longer than %d bytes or holds a NUL", ADDRESS_MAX - 1);
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
        snprintf(err->text, sizeof err->text, "the routing key has %zu bytes, AMQP 0-9-1 allows %d", len, AMQP_KEY_MAX);
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
                    const struct course *course, struct mg_err *err)
{
    const struct mg_host *host = s->c->host;
    struct mg_message message = {.head = *host->event_head(delivery->event),
                                 .payload = host->event_payload(delivery->event)};
    message.properties = host->event_properties(delivery->event, &message.property_count);
    uint64_t most = pn_link_remote_max_message_size(sender->pn), own = (uint64_t)s->c->bridge->settings->max_message;
    amqp_buffer_reset(&s->out, KEEP_BYTES);
    s->out.limit = (size_t)(most && most < own ? most : own);
    int r = amqp_encode(s->encoder, &message, &course->departure, &s->out, err);
    if (r == -ENOMEM)
        return no_memory(s, delivery);
    if (r < 0)
        return r;
    uint64_t tag = ++s->tag;
    bool settled = s->settings->presettled || !delivery->token;
    struct flight *f = delivery->token ? take_flight(s, sender, delivery->token) : NULL;
    pn_delivery_t *pn = f || !delivery->token
                            ? pn_delivery(sender->pn, pn_dtag((const char *)&tag, sizeof tag)) : NULL;
    if (!pn) {
        if (f) {
            unlink_flight(s, f);
            spare_flight(s, f);
        }
        return no_memory(s, delivery);
    }
    if (f)
        f->presettled = settled;
    pn_delivery_set_context(pn, settled ? NULL : f);
    pn_link_send(sender->pn, (const char *)s->out.at, s->out.len);
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
    int r = plan_course(s, delivery->address, &course, err);
    if (r < 0)
        return r;
    struct sender *sender = find_sender(s, course.link);
    if (!sender)
        sender = add_sender(s, course.link);
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
    enum amqp_form_kind kind = amqp_address_parse((struct mg_str){s->address, strlen(s->address)}).kind;
    bool keyed = s->rabbitmq && (kind == AMQP_ADDRESS_EXCHANGE || kind == AMQP_ADDRESS_TOPIC);
    uint32_t relay = s->settings->relay;
    s->anonymous = relay == AMQP_RELAY_ANONYMOUS ||
                   (relay == AMQP_RELAY_AUTO && !s->fixed && !keyed && s->c->anonymous_relay);
    s->by_subject = !s->anonymous && keyed &&
                    (relay == AMQP_RELAY_SUBJECT || (relay == AMQP_RELAY_AUTO && !s->fixed));
    if (s->anonymous) {
        add_sender(s, (struct mg_str){"", 0});
    } else if (s->fixed || (s->by_subject && kind == AMQP_ADDRESS_TOPIC)) {
        struct mg_err err;
        struct course course;
        if (plan_course(s, (struct mg_str){s->address, strlen(s->address)}, &course, &err) == 0)
            add_sender(s, course.link);
    }
    wake_core(s);
}

void amqp_sink_forget(struct amqp_sink *s, const char *why)
{
    release(s, NULL, why);
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
    int64_t next = s->first ? s->first->sent_us + s->settings->confirm_timeout_ms * 1000 : INT64_MAX;
    if (s->first && now_us - s->first->sent_us >= s->settings->confirm_timeout_ms * 1000) {
        s->c->host->count(s->c->bridge->instance, AMQP_COUNT_UNCONFIRMED, 1);
        amqp_io_abort(s->c->io, "the peer did not confirm a message in time");
        return INT64_MAX;
    }
    for (struct sender *sender = s->senders; sender; sender = sender->next) {
        if (sender->attach_at_us <= now_us)
            attach_sender(sender);
        next = sender->attach_at_us < next ? sender->attach_at_us : next;
    }
    return next;
}
