/* SPDX-License-Identifier: Apache-2.0 */
/* QoS 2 publishes whose exchange outlives the process: an entry in the store goes ahead of PUBLISH,
 * and of PUBREL (MQTT 5 §4.3.3). */
#include "mqtt_session.h"
#include <errno.h>
#include <stdlib.h>

/* ---- entries on their way ------------------------------------------------------------------- */

static void unlink_keeping(struct mqtt_keeping *keeping)
{
    *keeping->back = keeping->next;
    if (keeping->next)
        keeping->next->back = keeping->back;
}

static void on_kept(void *arg)
{
    struct mqtt_keeping *keeping = arg;
    unlink_keeping(keeping);
    keeping->then(keeping->session, keeping);
    free(keeping);
}

int mqtt_session_keep(struct mqtt_session *s, const struct mqtt_kept *kept, bool remove,
                      void (*then)(struct mqtt_session *s, const struct mqtt_keeping *keeping),
                      uint64_t number, uint32_t life)
{
    const struct mqtt_keeper *keeper = s->options.keeper;
    if (!then)
        return keeper->put(keeper->arg, kept, remove, NULL, NULL);
    struct mqtt_keeping *keeping = malloc(sizeof(*keeping));
    if (!keeping)
        return -ENOMEM;
    *keeping = (struct mqtt_keeping){.next = s->keepings,
                                     .back = &s->keepings,
                                     .session = s,
                                     .then = then,
                                     .number = number,
                                     .life = life};
    int rc = keeper->put(keeper->arg, kept, remove, on_kept, keeping);
    if (rc) {
        free(keeping);
        return rc;
    }
    if (s->keepings)
        s->keepings->back = &keeping->next;
    s->keepings = keeping;
    return 0;
}

void mqtt_session_kept_fini(struct mqtt_session *s)
{
    while (s->keepings) {
        struct mqtt_keeping *keeping = s->keepings;
        unlink_keeping(keeping);
        free(keeping);
    }
}

static int keep_flight(struct mqtt_session *s, uint32_t index, enum mqtt_kept_phase phase,
                       void (*then)(struct mqtt_session *s, const struct mqtt_keeping *keeping))
{
    const struct mqtt_sent *sent = &s->sent[index];
    const struct mqtt_kept kept = {.id = (uint16_t)(index + 1),
                                   .phase = (uint8_t)phase,
                                   .what = sent->delivery,
                                   .order = sent->order};
    return mqtt_session_keep(s, &kept, false, then, index, sent->life);
}

/* The flight that an entry was written for; NULL: it has ended meanwhile. */
static struct mqtt_sent *flight_of(struct mqtt_session *s, const struct mqtt_keeping *keeping,
                                   enum mqtt_flight_state state)
{
    struct mqtt_sent *sent = &s->sent[keeping->number];
    return sent->life == keeping->life && sent->state == state ? sent : NULL;
}

/* ---- PUBLISH -------------------------------------------------------------------------------- */

/* For the first time: its alias is chosen now, since others have been published meanwhile. */
static int write_first(struct mqtt_session *s, uint32_t index)
{
    struct mqtt_sent waited = s->sent[index];
    struct mqtt_decoder decoder;
    struct mqtt_packet packet;
    int rc = mqtt_session_packet(s, index, &decoder, &packet);
    if (!rc)
        rc = mqtt_session_write(s, &packet.publish, index);
    mqtt_decoder_fini(&decoder);
    if (!rc) {
        s->sent[index].aside = false;
        mqtt_session_let_packet_go(s, &waited);
    }
    return rc;
}

int mqtt_session_write_ready(struct mqtt_session *s)
{
    while (s->state == SESSION_UP && s->ready_first != MQTT_NO_ID && s->under_way < s->send_most) {
        uint32_t index = s->ready_first;
        int rc = write_first(s, index);
        if (rc)
            return rc;
        s->ready_first = s->sent[index].ready_next;
        if (s->ready_first == MQTT_NO_ID)
            s->ready_last = MQTT_NO_ID;
        s->answered = true;
    }
    return 0;
}

static void on_published_kept(struct mqtt_session *s, const struct mqtt_keeping *keeping)
{
    struct mqtt_sent *sent = flight_of(s, keeping, FLIGHT_ENTERING);
    uint32_t index = (uint32_t)keeping->number;
    if (!sent)
        return;
    sent->state = FLIGHT_READY;
    sent->ready_next = MQTT_NO_ID;
    *(s->ready_last == MQTT_NO_ID ? &s->ready_first : &s->sent[s->ready_last].ready_next) = index;
    s->ready_last = index;
    if (s->state == SESSION_UP)
        mqtt_session_pump(s); /* without memory it goes with the next one */
    s->events->entered(s->arg, index);
}

/* An exchange of an earlier process goes on.  It keeps its place in the list. */
static int claim(struct mqtt_session *s, const struct mqtt_publish *publish, uint32_t index)
{
    struct mqtt_publish again = *publish;
    again.dup = true;
    int rc = mqtt_session_write(s, &again, index);
    s->starved = s->starved || rc == -ENOMEM;
    return rc;
}

int mqtt_session_publish_kept(struct mqtt_session *s, const struct mqtt_publish *publish,
                              uint32_t index, uint64_t delivery)
{
    struct mqtt_sent *sent = &s->sent[index];
    struct mqtt_slab *slab;
    if (!mqtt_session_has_room(s)) {
        s->starved = true;
        return -EAGAIN;
    }
    if (sent->state == FLIGHT_UNCLAIMED)
        return claim(s, publish, index);
    if (sent->state != FLIGHT_FREE)
        return 0; /* of an earlier process, and the server has said meanwhile that it has it */
    ptrdiff_t length =
        mqtt_session_encode(s, &s->waiting, publish, (uint16_t)(index + 1), 0, &slab);
    if (length < 0) {
        s->starved = length == -ENOMEM;
        return (int)length;
    }
    sent->slab = slab;
    sent->offset = slab->used;
    sent->length = (uint32_t)length;
    sent->aside = sent->kept = true;
    sent->state = FLIGHT_ENTERING;
    sent->delivery = delivery;
    sent->order = ++s->order;
    mqtt_outbox_hold(&s->waiting, slab, (size_t)length);
    mqtt_outbox_add(&s->waiting, slab, (size_t)length);
    mqtt_outbox_wrote(&s->waiting, (size_t)length); /* nobody reads it from there */
    mqtt_session_append(s, index);
    int rc = keep_flight(s, index, MQTT_KEPT_PUBLISHED, on_published_kept);
    if (rc) {
        mqtt_session_drop(s, index);
        s->starved = true;
    }
    return rc;
}

/* ---- PUBREL --------------------------------------------------------------------------------- */

static void on_release_kept(struct mqtt_session *s, const struct mqtt_keeping *keeping)
{
    struct mqtt_sent *sent = flight_of(s, keeping, FLIGHT_RELEASING);
    if (!sent)
        return;
    sent->state = FLIGHT_RELEASED;
    /* While repetitions go out, and have not come to this one, they bring its PUBREL, too. */
    if (s->state == SESSION_UP && (s->resend == MQTT_NO_ID || sent->passed == s->connection))
        mqtt_session_answer(s, MQTT_PUBREL, (uint16_t)(keeping->number + 1), 0);
    /* Without memory for it: confirm_timeout ends the connection, and the next one brings it. */
}

int mqtt_session_keep_release(struct mqtt_session *s, uint32_t index)
{
    struct mqtt_sent *sent = &s->sent[index];
    int rc = keep_flight(s, index, MQTT_KEPT_RELEASED, on_release_kept);
    if (rc)
        return rc;
    sent->state = FLIGHT_RELEASING;
    mqtt_session_let_packet_go(s, sent);
    return 0;
}

/* ---- what an earlier process has left ------------------------------------------------------- */

int mqtt_session_restore(struct mqtt_session *s)
{
    const struct mqtt_keeper *keeper = s->options.keeper;
    for (size_t i = 0; i < keeper->entry_count; i++) {
        const struct mqtt_kept *kept = &keeper->entries[i];
        if (kept->phase == MQTT_KEPT_RECEIVED) {
            int rc = mqtt_session_restore_in(s, kept);
            if (rc)
                return rc;
            continue;
        }
        uint32_t index = kept->id - 1u;
        struct mqtt_sent *sent = &s->sent[index];
        sent->state = kept->phase == MQTT_KEPT_RELEASED ? FLIGHT_RELEASED : FLIGHT_UNCLAIMED;
        sent->kept = true;
        sent->delivery = kept->what;
        sent->order = kept->order;
        mqtt_session_append(s, index);
        if (kept->order > s->order)
            s->order = kept->order;
    }
    return 0;
}

void mqtt_session_abandon(struct mqtt_session *s, uint32_t index)
{
    struct mqtt_sent *sent = &s->sent[index];
    if (sent->state != FLIGHT_UNCLAIMED)
        return;
    sent->state = FLIGHT_RELEASED;
    sent->abandoned = true;
    if (s->state == SESSION_UP && (s->resend == MQTT_NO_ID || sent->passed == s->connection))
        mqtt_session_answer(s, MQTT_PUBREL, (uint16_t)(index + 1), 0);
}
