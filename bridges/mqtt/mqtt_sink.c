/* SPDX-License-Identifier: Apache-2.0 */
/* Sends: events become publishes, confirmations become settlements, each exactly once. */
#include "mqtt_bridge.h"
#include "mqtt_reason.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    /* MQTT 3.1.1 has no Receive Maximum, but Mosquitto 2.0 ends the connection of whoever has more
     * than 20 QoS 2 messages under way (its default of max_inflight_messages). */
    QOS2_MOST_311 = 20,
};

int mqtt_open_sink(void *context, mg_sink *core, const char *address, const void *settings,
                   void **ret_sink, struct mg_err *reterr)
{
    struct mqtt_link *link = context;
    struct mqtt_sink *sink = calloc(1, sizeof(*sink));
    (void)address;
    if (!sink) {
        snprintf(reterr->text, sizeof(reterr->text), "out of memory");
        return -ENOMEM;
    }
    sink->core = core;
    sink->settings = settings;
    sink->next = link->sinks;
    link->sinks = sink;
    *ret_sink = sink;
    return 0;
}

/* ---- flights -------------------------------------------------------------------------------- */

static uint32_t acknowledged_most(const struct mqtt_link *link, uint8_t qos)
{
    int64_t most = link->bridge->settings->max_inflight;
    if (qos == 2 && link->bridge->settings->version == MQTT_VERSION_311 && most > QOS2_MOST_311)
        most = QOS2_MOST_311;
    return link->connack.receive_maximum < most ? link->connack.receive_maximum : (uint32_t)most;
}

static uint32_t flight_begin(struct mqtt_link *link, mg_token token, bool acknowledged)
{
    uint32_t id = link->free;
    struct mqtt_flight *flight = &link->flights[id];
    link->free = flight->next;
    if (link->free == MQTT_NO_FLIGHT)
        link->last_free = MQTT_NO_FLIGHT;
    *flight = (struct mqtt_flight){.token = token, .busy = true, .acknowledged = acknowledged};
    mqtt_flight_list(link, id);
    if (acknowledged)
        link->acknowledged++;
    else
        link->unacknowledged++;
    return id;
}

static void entered(struct mqtt_link *link, struct mqtt_flight *flight)
{
    struct mqtt_sink *sink = flight->entering;
    flight->entering = NULL;
    if (!sink || --sink->entering || !link->starved || link->state != LINK_UP || link->closing)
        return;
    mqtt_sink_room(link);
}

static mg_token flight_end(struct mqtt_link *link, uint32_t id)
{
    struct mqtt_flight *flight = &link->flights[id];
    mqtt_flight_unlist(link, id);
    if (flight->acknowledged)
        link->acknowledged--;
    else
        link->unacknowledged--;
    mqtt_flight_free(link, id);
    entered(link, flight);
    return flight->token;
}

void mqtt_release_all(struct mqtt_link *link, const char *why)
{
    int64_t released = 0;
    if (link->client)
        link->bridge->client_ops->forget(link->client);
    while (link->first != MQTT_NO_FLIGHT) {
        mg_token token = flight_end(link, link->first);
        if (token) {
            link->host->settle(token, MG_RELEASED, why);
            released++;
        }
    }
    if (released)
        link->host->count(link->bridge->instance, COUNT_RELEASED, released);
}

/* The session is gone with it, on the server's side. */
void mqtt_returned(void *arg, uint32_t id)
{
    struct mqtt_link *link = arg;
    if (id >= link->flight_count || !link->flights[id].busy)
        return;
    if (link->flights[id].kept) {
        mqtt_kept_doubt(link);
        mqtt_kept_remove(link, id);
    }
    if (link->flights[id].left)
        mqtt_left_end(link, link->flights[id].left);
    mg_token token = flight_end(link, id);
    if (!token)
        return;
    link->host->count(link->bridge->instance, COUNT_RELEASED, 1);
    link->host->settle(token, MG_RELEASED, "the server has not kept the session");
}

/* A confirmation may never come, and Paho does not say so: the connection is then worth nothing. */
static void deadline_passed(void *arg)
{
    struct mqtt_link *link = arg;
    mqtt_disarm(link, &link->deadline_timer);
    if (link->first == MQTT_NO_FLIGHT)
        return;
    int64_t left_us = link->flights[link->first].deadline_us - link->host->now_us(link->shard);
    if (left_us > 0)
        mqtt_arm(link, &link->deadline_timer, left_us / 1000 + 1, deadline_passed);
    else
        mqtt_link_fail(link, "a message was not confirmed in time");
}

void mqtt_flights_begin_anew(struct mqtt_link *link)
{
    int64_t most_us = link->bridge->settings->confirm_timeout_ms * 1000;
    int64_t deadline_us = link->host->now_us(link->shard) + most_us;
    for (uint32_t i = link->first; i != MQTT_NO_FLIGHT; i = link->flights[i].next)
        link->flights[i].deadline_us = deadline_us;
    if (link->first != MQTT_NO_FLIGHT)
        mqtt_arm(link, &link->deadline_timer, most_us / 1000, deadline_passed);
}

/* ---- send ----------------------------------------------------------------------------------- */

/* Paho keeps no QoS 2 state of an earlier connection, whose packet identifiers the server would
 * take for repetitions. */
static bool can_qos2(const struct mqtt_settings *settings)
{
    return settings->client != MQTT_CLIENT_PAHO || settings->clean_start;
}

static int choose_qos(const struct mqtt_link *link, const struct mqtt_sink *sink,
                      const struct mg_head *head, bool wanted, uint8_t *ret_qos, struct mg_err *err)
{
    uint32_t qos = sink->settings->qos;
    if (qos == MQTT_QOS_KEEP) {
        qos = head->present & MG_HAS_QOS ? head->qos : 1;
        if (qos > 1 && !can_qos2(link->bridge->settings))
            qos = 1;
        if (!qos && wanted)
            qos = 1;
    }
    if (qos > link->connack.maximum_qos) {
        if (wanted && !link->connack.maximum_qos)
            return mqtt_decline(err, "qos", "the server takes QoS 0 only, which confirms nothing");
        qos = link->connack.maximum_qos;
    }
    *ret_qos = (uint8_t)qos;
    return 0;
}

static int encode(struct mqtt_link *link, const struct mqtt_sink *sink,
                  const struct mg_delivery *delivery, struct mqtt_publish *publish,
                  struct mg_err *err)
{
    const struct mg_host *host = link->host;
    const struct mg_head *head = host->event_head(delivery->event);
    bool v5 = link->bridge->settings->version == MQTT_VERSION_5;
    struct mqtt_encoding encoding = {
        .v5 = v5,
        .tags = sink->settings->tags == MQTT_TAGS_ALL,
        .doubtful = sink->settings->control_characters == MQTT_CONTROL_PLAIN,
        .retain = (enum mqtt_retain)sink->settings->retain,
    };
    size_t count = 0;
    const struct mg_property *properties = host->event_properties(delivery->event, &count);
    int64_t wall_us = head->present & MG_HAS_EXPIRY ? host->wall_us(link->shard) : 0;
    uint8_t qos = 0;
    err->text[0] = 0;
    int rc = choose_qos(link, sink, head, delivery->token, &qos, err);
    if (!rc)
        rc = mqtt_from_event(head, delivery->address, host->event_payload(delivery->event),
                             properties, count, &encoding, wall_us, &link->out, publish, err);
    if (rc)
        return rc;
    publish->qos = qos;
    if (publish->retain && !link->connack.retain_available)
        return mqtt_decline(
            err, "retain", "the server keeps no retained messages; retain: clear sends it without");
    uint64_t size = mqtt_publish_size(publish, v5);
    uint64_t most = link->connack.maximum_packet ? link->connack.maximum_packet : MQTT_PACKET_MOST;
    if (size > most) {
        mqtt_decline(err, NULL, "a packet of %llu bytes, and the server takes at most %llu",
                     (unsigned long long)size, (unsigned long long)most);
        return -EMSGSIZE;
    }
    return 0;
}

static int full(struct mqtt_link *link, uint8_t qos)
{
    link->starved = true;
    link->starved_qos = qos;
    return -EAGAIN;
}

static int not_taken(struct mqtt_link *link, const struct mqtt_publish *publish, int rc,
                     struct mg_err *err)
{
    if (rc == -EINVAL)
        return mqtt_decline(err, NULL, "no MQTT packet can say this event");
    return full(link, publish->qos);
}

/* QoS 0, which nobody confirms. */
static int send_away(struct mqtt_link *link, const struct mqtt_publish *publish, mg_token token,
                     struct mg_err *err)
{
    int rc = link->bridge->client_ops->publish(link->client, publish, MQTT_NO_ID);
    if (rc)
        return not_taken(link, publish, rc, err);
    link->published++;
    link->confirmed++;
    if (token)
        link->host->settle(token, MG_ACCEPTED, NULL);
    return 0;
}

static void begun(struct mqtt_link *link)
{
    if (!link->deadline_timer)
        mqtt_arm(link, &link->deadline_timer, link->bridge->settings->confirm_timeout_ms,
                 deadline_passed);
    link->published++;
}

/* The event of an exchange that an earlier process has begun. */
static int go_on(struct mqtt_link *link, struct mqtt_left *left, struct mqtt_publish *publish,
                 const struct mg_delivery *delivery, struct mg_err *err)
{
    struct mqtt_flight *flight = &link->flights[left->flight];
    if (left->state == LEFT_PUBLISHED) {
        publish->qos = 2; /* whatever the sink's qos is by now */
        int rc = link->bridge->client_ops->publish_kept(link->client, publish, left->flight,
                                                        delivery->id);
        if (rc)
            return not_taken(link, publish, rc, err);
        mqtt_flight_list(link, left->flight);
        begun(link);
    }
    flight->token = delivery->token;
    if (left->state != LEFT_COMPLETE) {
        mqtt_left_end(link, left);
        return 0;
    }
    uint32_t id = left->flight;
    link->confirmed++;
    if (delivery->token)
        link->host->settle(delivery->token, MG_ACCEPTED, NULL);
    mqtt_kept_remove(link, id);
    mqtt_left_end(link, left);
    mqtt_flight_free(link, id);
    return 0;
}

static int send_acknowledged(struct mqtt_link *link, struct mqtt_sink *sink,
                             const struct mqtt_publish *publish, const struct mg_delivery *delivery,
                             struct mg_err *err)
{
    const struct mqtt_client_ops *ops = link->bridge->client_ops;
    bool kept = link->keeps_entries && delivery->id && publish->qos == 2;
    if (link->acknowledged >= acknowledged_most(link, publish->qos)) {
        mqtt_left_make_room(link);
        return full(link, publish->qos);
    }
    if (sink->entering && !kept)
        return full(link, publish->qos); /* it would overtake them */
    int rc = kept ? ops->publish_kept(link->client, publish, link->free, delivery->id)
                  : ops->publish(link->client, publish, link->free);
    if (rc)
        return not_taken(link, publish, rc, err);
    struct mqtt_flight *flight = &link->flights[flight_begin(link, delivery->token, true)];
    if (kept) {
        flight->kept = true;
        flight->entering = sink;
        sink->entering++;
    }
    begun(link);
    return 0;
}

int mqtt_send(void *context, void *of, const struct mg_delivery *delivery, struct mg_err *reterr)
{
    struct mqtt_link *link = context;
    struct mqtt_sink *sink = of;
    struct mqtt_publish publish;
    if (link->state != LINK_UP || link->closing)
        return -EAGAIN; /* sendable is called after the next connect */
    struct mqtt_left *left = delivery->id ? mqtt_left_find(link, delivery->id) : NULL;
    int rc =
        left && left->state != LEFT_PUBLISHED ? 0 : encode(link, sink, delivery, &publish, reterr);
    if (rc)
        return rc == -ENOMEM ? full(link, 0) : rc;
    if (left)
        return go_on(link, left, &publish, delivery, reterr);
    if (publish.qos)
        return send_acknowledged(link, sink, &publish, delivery, reterr);
    if (sink->entering)
        return full(link, 0);
    if (link->bridge->client_ops->takes_no_id)
        return send_away(link, &publish, delivery->token, reterr);
    if (link->unacknowledged >= MQTT_UNACKNOWLEDGED_MOST)
        return full(link, 0);
    rc = link->bridge->client_ops->publish(link->client, &publish, link->free);
    if (rc)
        return not_taken(link, &publish, rc, reterr);
    flight_begin(link, delivery->token, false);
    begun(link);
    return 0;
}

void mqtt_sink_room(struct mqtt_link *link)
{
    link->starved = false;
    link->host->sendable(link->core, NULL);
}

void mqtt_entered(void *arg, uint32_t id)
{
    struct mqtt_link *link = arg;
    entered(link, &link->flights[id]);
}

void mqtt_writable(void *arg)
{
    struct mqtt_link *link = arg;
    if (!link->starved || link->state != LINK_UP || link->closing)
        return;
    mqtt_sink_room(link);
}

void mqtt_confirmed(void *arg, uint32_t id, uint32_t reason)
{
    struct mqtt_link *link = arg;
    if (id >= link->flight_count || !link->flights[id].busy)
        return;
    if (link->flights[id].left) {
        mqtt_left_confirmed(link, link->flights[id].left, reason);
        return;
    }
    uint32_t outcome = mqtt_reason_outcome(reason);
    /* In the same turn as the settlement, so that both are kept or neither; and before the
     * identifier is free. */
    if (link->flights[id].kept)
        mqtt_kept_remove(link, id);
    mg_token token = flight_end(link, id);
    if (outcome == MG_ACCEPTED)
        link->confirmed++;
    else
        link->host->count(link->bridge->instance, COUNT_REFUSED, 1);
    if (token)
        link->host->settle(token, outcome,
                           outcome == MG_ACCEPTED ? NULL : mqtt_reason_text(reason));
    else if (outcome != MG_ACCEPTED)
        link->host->log(link->bridge->instance, MG_WARN, "an event was refused: %s",
                        mqtt_reason_text(reason));
    mqtt_flights_fewer(link);
}

void mqtt_flights_fewer(struct mqtt_link *link)
{
    if (link->starved && link->state == LINK_UP && !link->closing &&
        link->acknowledged <= acknowledged_most(link, link->starved_qos) * 3 / 4 &&
        link->unacknowledged <= MQTT_UNACKNOWLEDGED_MOST * 3 / 4)
        mqtt_sink_room(link);
    mqtt_link_settled(link);
}
