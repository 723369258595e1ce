/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes on their way to the server, until it has confirmed them. */
#include "mqtt_session.h"
#include "../mqtt_reason.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum {
    UNWRITTEN_MOST = 4 << 20, /* then publishes wait, unless nothing does */
    HELD_MOST = 32 << 20,     /* of those that are not confirmed, likewise */
    ALIAS_LEAST = 8,          /* a shorter topic is not worth one */
    ALIAS_COST = 8,           /* bytes that one adds to a packet at most */
    ALIAS_STALE = 256,        /* publishes after which another topic may take an alias over */
};

/* ---- the list of what is not confirmed ------------------------------------------------------ */

void mqtt_session_append(struct mqtt_session *s, uint32_t index)
{
    struct mqtt_sent *sent = &s->sent[index];
    sent->next = MQTT_NO_ID;
    sent->previous = s->last_sent;
    *(s->last_sent == MQTT_NO_ID ? &s->first_sent : &s->sent[s->last_sent].next) = index;
    s->last_sent = index;
}

void mqtt_session_let_packet_go(struct mqtt_session *s, struct mqtt_sent *sent)
{
    if (sent->slab)
        mqtt_outbox_let_go(sent->aside ? &s->waiting : &s->outbox, sent->slab, sent->length);
    sent->slab = NULL;
    sent->aside = false;
}

static void unpin(struct mqtt_session *s, struct mqtt_sent *sent)
{
    if (sent->alias)
        s->aliases[sent->alias - 1].pins--;
    sent->alias = 0;
}

void mqtt_session_drop(struct mqtt_session *s, uint32_t index)
{
    struct mqtt_sent *sent = &s->sent[index];
    if (s->resend == index)
        s->resend = sent->next;
    unpin(s, sent);
    *(sent->previous == MQTT_NO_ID ? &s->first_sent : &s->sent[sent->previous].next) = sent->next;
    *(sent->next == MQTT_NO_ID ? &s->last_sent : &s->sent[sent->next].previous) = sent->previous;
    mqtt_session_let_packet_go(s, sent);
    sent->state = FLIGHT_FREE;
    sent->kept = sent->abandoned = false;
    sent->life++;
}

void mqtt_session_forget(struct mqtt_session *s)
{
    while (s->first_sent != MQTT_NO_ID)
        mqtt_session_drop(s, s->first_sent);
    s->resend = s->ready_first = s->ready_last = MQTT_NO_ID;
}

/* ---- topic aliases to the server ------------------------------------------------------------ */

/* Each topic has one place where its alias can be.  Returns the alias, 0: none; *ret_known: the
 * server knows it already. */
static uint16_t alias_of(struct mqtt_session *s, struct mg_str topic, bool *ret_known)
{
    *ret_known = false;
    s->published++;
    if (!s->alias_count || topic.len < ALIAS_LEAST)
        return 0;
    uint64_t hash = mqtt_hash(0, topic.at, topic.len);
    uint16_t place = (uint16_t)((hash >> 32) * s->alias_count >> 32);
    struct mqtt_alias *alias = &s->aliases[place];
    if (alias->length == topic.len && !memcmp(alias->topic, topic.at, topic.len)) {
        alias->used = s->published;
        *ret_known = true;
        return place + 1;
    }
    if (alias->pins || (alias->length && s->published - alias->used < ALIAS_STALE))
        return 0;
    if (alias->capacity < topic.len) {
        char *grown = realloc(alias->topic, topic.len);
        if (!grown)
            return 0;
        alias->topic = grown;
        alias->capacity = (uint32_t)topic.len;
    }
    memcpy(alias->topic, topic.at, topic.len);
    alias->length = (uint32_t)topic.len;
    alias->used = s->published;
    return place + 1;
}

static void forget_alias(struct mqtt_session *s, uint16_t alias)
{
    if (alias)
        s->aliases[alias - 1].length = 0;
}

/* ---- publish -------------------------------------------------------------------------------- */

ptrdiff_t mqtt_session_encode(struct mqtt_session *s, struct mqtt_outbox *outbox,
                              const struct mqtt_publish *publish, uint16_t id, uint16_t alias,
                              struct mqtt_slab **ret_slab)
{
    uint8_t *at = mqtt_outbox_room(outbox, 64, ret_slab);
    if (!at)
        return -ENOMEM;
    size_t room = (*ret_slab)->size - (*ret_slab)->used;
    size_t length = mqtt_publish_encode(publish, id, alias, s->options.v5, at, room);
    if (!length)
        return -EINVAL;
    if (length > room) {
        at = mqtt_outbox_room(outbox, length, ret_slab);
        if (!at)
            return -ENOMEM;
        mqtt_publish_encode(publish, id, alias, s->options.v5, at, length);
    }
    return (ptrdiff_t)length;
}

bool mqtt_session_has_room(const struct mqtt_session *s)
{
    return s->state == SESSION_UP && s->resend == MQTT_NO_ID && !s->stale_count &&
           s->outbox.unwritten < UNWRITTEN_MOST && s->outbox.held + s->waiting.held < HELD_MOST;
}

int mqtt_session_write(struct mqtt_session *s, const struct mqtt_publish *publish, uint32_t id)
{
    bool is_known;
    struct mqtt_slab *slab;
    uint16_t alias = alias_of(s, publish->topic, &is_known);
    if (alias && !is_known && s->packet_most &&
        mqtt_publish_size(publish, true) + ALIAS_COST > s->packet_most) {
        forget_alias(s, alias);
        alias = 0;
    }
    struct mqtt_publish as = *publish;
    if (is_known)
        as.topic.len = 0;
    ptrdiff_t length =
        mqtt_session_encode(s, &s->outbox, &as, as.qos ? (uint16_t)(id + 1) : 0, alias, &slab);
    if (length < 0) {
        if (!is_known)
            forget_alias(s, alias);
        return (int)length;
    }
    if (as.qos) {
        struct mqtt_sent *sent = &s->sent[id];
        sent->slab = slab;
        sent->offset = slab->used;
        sent->length = (uint32_t)length;
        sent->state = as.qos == 1 ? FLIGHT_QOS1 : FLIGHT_QOS2;
        if (is_known) {
            sent->alias = alias;
            s->aliases[alias - 1].pins++;
        }
        mqtt_outbox_hold(&s->outbox, slab, (size_t)length);
        s->under_way++;
    }
    mqtt_outbox_add(&s->outbox, slab, (size_t)length);
    return 0;
}

int mqtt_session_publish(struct mqtt_session *s, const struct mqtt_publish *publish, uint32_t id)
{
    if (!mqtt_session_has_room(s)) {
        s->starved = true;
        return -EAGAIN;
    }
    int rc = mqtt_session_write(s, publish, id);
    if (rc)
        s->starved = rc == -ENOMEM;
    else if (publish->qos)
        mqtt_session_append(s, id);
    return rc;
}

/* ---- after a connection was lost ------------------------------------------------------------ */

int mqtt_session_packet(struct mqtt_session *s, uint32_t index, struct mqtt_decoder *decoder,
                        struct mqtt_packet *ret_packet)
{
    const struct mqtt_sent *sent = &s->sent[index];
    struct mqtt_fault fault;
    *decoder = (struct mqtt_decoder){.v5 = s->options.v5, .server = true};
    return mqtt_packet_decode(decoder, sent->slab->at + sent->offset, sent->length, ret_packet,
                              &fault);
}

/* The packet again, with DUP, and with its topic instead of its alias, which meant something to the
 * last connection only (MQTT 5 §3.3.2.3.4). */
static int repeat(struct mqtt_session *s, uint32_t index)
{
    struct mqtt_sent *sent = &s->sent[index];
    struct mqtt_decoder decoder;
    struct mqtt_packet packet;
    struct mqtt_slab *slab;
    ptrdiff_t length = mqtt_session_packet(s, index, &decoder, &packet);
    if (!length) {
        packet.publish.dup = true;
        if (sent->alias)
            packet.publish.topic = (struct mg_str){s->aliases[sent->alias - 1].topic,
                                                   s->aliases[sent->alias - 1].length};
        length = mqtt_session_encode(s, &s->outbox, &packet.publish, packet.id, 0, &slab);
    }
    if (length > 0) {
        unpin(s, sent);
        mqtt_session_let_packet_go(s, sent);
        sent->slab = slab;
        sent->offset = slab->used;
        sent->length = (uint32_t)length;
        mqtt_outbox_hold(&s->outbox, slab, (size_t)length);
        mqtt_outbox_add(&s->outbox, slab, (size_t)length);
    }
    mqtt_decoder_fini(&decoder);
    return length > 0 ? 0 : (int)length;
}

/* The aliases of the connection before, which name the topics of what is sent again until then. */
static void forget_aliases(struct mqtt_session *s)
{
    for (uint16_t i = 0; s->aliases && i < s->options.topic_aliases; i++)
        s->aliases[i].length = 0;
}

/* As many as the server takes at a time, in the order in which they were published; what is new
 * waits until all of them have gone. */
static int resend(struct mqtt_session *s)
{
    if (s->resend == MQTT_NO_ID)
        return 0;
    while (s->resend != MQTT_NO_ID) {
        struct mqtt_sent *sent = &s->sent[s->resend];
        int rc;
        if (sent->state >= FLIGHT_ENTERING) {
            rc = 0; /* what it waits for sends it */
        } else if (sent->state == FLIGHT_RELEASED) {
            rc = mqtt_session_answer(s, MQTT_PUBREL, (uint16_t)(s->resend + 1), 0);
        } else if (s->under_way < s->send_most && s->outbox.unwritten < UNWRITTEN_MOST) {
            rc = repeat(s, s->resend);
            s->under_way++;
        } else {
            return 0;
        }
        if (rc)
            return rc;
        s->answered = true;
        sent->passed = s->connection;
        s->resend = sent->next;
    }
    forget_aliases(s);
    return 0;
}

int mqtt_session_pump(struct mqtt_session *s)
{
    int rc = resend(s);
    return rc || s->resend != MQTT_NO_ID ? rc : mqtt_session_write_ready(s);
}

/* The server may hold QoS 2 identifiers of a process before this one, and would take new messages
 * that use them for repetitions.  Releasing an identifier that it does not know is answered and
 * harmless (MQTT 5 §4.3.3, reason 0x92).  Nothing is published before all of them are answered:
 * were this connection lost, nobody could say which message an identifier means. */
static int release_stale(struct mqtt_session *s)
{
    int rc = 0;
    bool first = s->options.sends_qos2 && !s->connected_before;
    for (uint32_t i = 0; first && i < s->options.in_flight_most; i++) {
        s->sent[i].stale_release = !s->sent[i].kept; /* what is kept is known here, too */
        s->stale_count += s->sent[i].stale_release;
    }
    for (uint32_t i = 0; s->stale_count && i < s->options.in_flight_most && !rc; i++)
        if (s->sent[i].stale_release)
            rc = mqtt_session_answer(s, MQTT_PUBREL, (uint16_t)(i + 1), 0);
    return rc;
}

static void forget_stale(struct mqtt_session *s)
{
    for (uint32_t i = 0; s->stale_count && i < s->options.in_flight_most; i++)
        s->sent[i].stale_release = false;
    s->stale_count = 0;
}

int mqtt_session_resume(struct mqtt_session *s, bool session_present, uint16_t alias_most)
{
    uint16_t count = alias_most < s->options.topic_aliases ? alias_most : s->options.topic_aliases;
    if (count && !s->aliases)
        s->aliases = calloc(s->options.topic_aliases, sizeof(*s->aliases));
    s->alias_count = s->aliases ? count : 0;
    s->under_way = 0;
    s->connection++;
    if (!session_present) {
        forget_stale(s);
        s->ready_first = s->ready_last = MQTT_NO_ID;
        while (s->first_sent != MQTT_NO_ID) {
            uint32_t index = s->first_sent;
            mqtt_session_drop(s, index);
            s->events->returned(s->arg, index);
        }
        s->resend = MQTT_NO_ID;
        forget_aliases(s);
        return 0;
    }
    if (s->options.sends_qos2 || s->stale_count) {
        int rc = release_stale(s);
        if (rc)
            return rc;
    }
    s->resend = s->first_sent;
    if (s->resend == MQTT_NO_ID)
        forget_aliases(s);
    return mqtt_session_pump(s);
}

/* ---- confirmations -------------------------------------------------------------------------- */

static int confirmed(struct mqtt_session *s, uint32_t index, uint32_t reason)
{
    mqtt_session_drop(s, index);
    if (s->under_way)
        s->under_way--;
    s->events->confirmed(s->arg, index, reason);
    return s->state == SESSION_UP ? mqtt_session_pump(s) : 0;
}

static int wrong_answer(struct mqtt_session *s, const struct mqtt_packet *packet)
{
    return mqtt_session_fault(s, 0x82,
                              "%s for the packet identifier %u, which waits for another "
                              "answer",
                              mqtt_type_name(packet->type), packet->id);
}

/* PUBREC for what is not under way: it is answered, and its identifier is not used until that is
 * (MQTT 5 §4.3.3, reason 0x92). */
static int release_unknown(struct mqtt_session *s, struct mqtt_sent *sent, uint16_t id)
{
    if (sent && sent->stale_release)
        return 0; /* PUBREL is on its way */
    if (sent) {
        sent->stale_release = true;
        s->stale_count++;
    }
    return mqtt_session_answer(s, MQTT_PUBREL, id, 0x92);
}

/* A server may say PUBREC once more after a new connection, also for what the process before has
 * sent, or has released. */
static int received(struct mqtt_session *s, uint32_t index, const struct mqtt_packet *packet)
{
    struct mqtt_sent *sent = index < s->options.in_flight_most ? &s->sent[index] : NULL;
    uint8_t state = sent ? sent->state : FLIGHT_FREE;
    bool waited_for = state == FLIGHT_QOS2 || state == FLIGHT_UNCLAIMED;
    if (state == FLIGHT_QOS1)
        return wrong_answer(s, packet);
    if (packet->reason >= 0x80)
        return waited_for ? confirmed(s, index, packet->reason) : 0;
    if (state == FLIGHT_FREE)
        return release_unknown(s, sent, packet->id);
    if (!waited_for)
        return 0; /* PUBREL is on its way, or PUBLISH is still to come */
    if (sent->kept)
        return mqtt_session_keep_release(s, index);
    sent->state = FLIGHT_RELEASED;
    mqtt_session_let_packet_go(s, sent);
    return mqtt_session_answer(s, MQTT_PUBREL, packet->id, 0);
}

static int completed(struct mqtt_session *s, uint32_t index, const struct mqtt_packet *packet)
{
    struct mqtt_sent *sent = index < s->options.in_flight_most ? &s->sent[index] : NULL;
    uint8_t state = sent ? sent->state : FLIGHT_FREE;
    if (sent && sent->stale_release) {
        sent->stale_release = false;
        s->stale_count--;
        return 0;
    }
    if (state == FLIGHT_RELEASED)
        return confirmed(s, index, !sent->abandoned ? 0 : s->options.v5 ? packet->reason : 0x92);
    bool unsent = state == FLIGHT_FREE || state == FLIGHT_ENTERING || state == FLIGHT_READY ||
                  state == FLIGHT_UNCLAIMED;
    return unsent ? 0 : wrong_answer(s, packet);
}

/* PUBACK, PUBREC and PUBCOMP.  What nobody waits for is no harm: PUBREC is answered, the others are
 * ignored. */
int mqtt_session_confirm(struct mqtt_session *s, const struct mqtt_packet *packet)
{
    uint32_t index = packet->id - 1u;
    if (packet->type == MQTT_PUBREC)
        return received(s, index, packet);
    if (packet->type == MQTT_PUBCOMP)
        return completed(s, index, packet);
    uint8_t state = index < s->options.in_flight_most ? s->sent[index].state : FLIGHT_FREE;
    if (state == FLIGHT_FREE)
        return 0;
    return state == FLIGHT_QOS1 ? confirmed(s, index, packet->reason) : wrong_answer(s, packet);
}

/* ---- the end of a connection ---------------------------------------------------------------- */

void mqtt_session_out_end(struct mqtt_session *s)
{
    if (!mqtt_session_kept(s))
        mqtt_session_forget(s);
    mqtt_outbox_clear(&s->outbox);
    s->under_way = 0;
    s->queue_count = s->asked_count = 0;
    for (uint32_t i = 0; i < MQTT_SUBSCRIBES_MOST; i++)
        s->asked[i] = MQTT_NO_ID;
}

void mqtt_session_out_fini(struct mqtt_session *s)
{
    if (s->sent)
        mqtt_session_forget(s);
    for (uint16_t i = 0; s->aliases && i < s->options.topic_aliases; i++)
        free(s->aliases[i].topic);
    free(s->aliases);
    free(s->sent);
    free(s->queue);
    free(s->asked);
}
