/* SPDX-License-Identifier: Apache-2.0 */
/* One connection of the bridge: it connects, stays connected, and ends in order.
 *
 *   IDLE → CONNECTING → UP → ENDING → WAITING → CONNECTING …      close: … ENDING → IDLE, closed */
#include "mqtt_bridge.h"
#include "mqtt_reason.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    CLOSE_WAIT_MS = 1000,    /* for confirmations */
    LET_GO_MS = 3000,        /* for what a client that acknowledges by itself has in hand */
    STABLE_LEAST_MS = 10000, /* a connection that lived shorter does not reset the delay */
};

void mqtt_arm(struct mqtt_link *link, mg_timer **timer, int64_t after_ms, void (*fired)(void *arg))
{
    mqtt_disarm(link, timer);
    *timer = link->host->timer_start(link->shard, (uint64_t)after_ms, 0, fired, link);
    if (!*timer)
        link->host->log(link->bridge->instance, MG_ERROR, "no memory for a timer");
}

void mqtt_disarm(struct mqtt_link *link, mg_timer **timer)
{
    if (*timer)
        link->host->timer_stop(*timer);
    *timer = NULL;
}

static void say(struct mqtt_link *link, bool up, const char *why)
{
    link->reported = up;
    link->host->status(link->core, up, why);
}

/* ---- connecting ----------------------------------------------------------------------------- */

static void connect_now(void *arg);

/* Decorrelated jitter: between the shortest and three times the last delay. */
static void wait_and_connect(struct mqtt_link *link)
{
    int64_t first = link->bridge->settings->reconnect.first_ms,
            most = link->bridge->settings->reconnect.most_ms;
    int64_t last = link->delay_ms < first ? first : link->delay_ms;
    int64_t span = last * 3 - first;
    int64_t delay =
        first + link->host->random((uint32_t)(span < UINT32_MAX ? span : UINT32_MAX - 1) + 1);
    link->delay_ms = delay < most ? delay : most;
    link->state = LINK_WAITING;
    mqtt_arm(link, &link->timer, link->delay_ms, connect_now);
}

static void down(struct mqtt_link *link, const char *why)
{
    const struct mg_host *host = link->host;
    int64_t stable_ms = link->bridge->settings->reconnect.most_ms;
    if (stable_ms < STABLE_LEAST_MS)
        stable_ms = STABLE_LEAST_MS;
    if (link->state == LINK_UP && host->now_us(link->shard) - link->up_since_us >= stable_ms * 1000)
        link->delay_ms = 0;
    link->state = LINK_ENDING;
    mqtt_disarm(link, &link->timer);
    mqtt_disarm(link, &link->deadline_timer);
    link->give_up = false;
    if (!link->closing) {
        host->log(link->bridge->instance, MG_WARN, "%s: %s", mqtt_url(link), why);
        say(link, false, why);
    }
    if (!link->sent_to)
        link->url++;
    if (!link->keeps)
        mqtt_release_all(link, why);
}

void mqtt_link_fail(struct mqtt_link *link, const char *why)
{
    if (link->state != LINK_CONNECTING && link->state != LINK_UP)
        return;
    link->bridge->client_ops->disconnect(link->client);
    down(link, why);
}

static void connect_late(void *arg)
{
    struct mqtt_link *link = arg;
    char why[96];
    snprintf(why, sizeof(why), "no answer to CONNECT within %lld ms",
             (long long)link->bridge->settings->connect_timeout_ms);
    mqtt_link_fail(link, why);
}

static void connect_now(void *arg)
{
    struct mqtt_link *link = arg;
    link->state = LINK_CONNECTING;
    mqtt_url_next(link);
    if (link->bridge->client_ops->connect(link->client, mqtt_url(link))) {
        wait_and_connect(link);
        return;
    }
    mqtt_arm(link, &link->timer, link->bridge->settings->connect_timeout_ms, connect_late);
}

static void on_refused(void *arg, uint32_t reason, const char *why, const char *reference)
{
    mqtt_url_refer(arg, reason, reference);
    down(arg, why);
}

static void on_lost(void *arg, uint32_t reason, const char *why, const char *reference)
{
    mqtt_url_refer(arg, reason, reference);
    down(arg, why);
}

/* Closed, with nothing owed to anybody. */
static void end(struct mqtt_link *link)
{
    link->state = LINK_IDLE;
    mqtt_release_all(link, "the gateway is closing the connection");
    link->host->closed(link->core);
}

static void on_ended(void *arg)
{
    struct mqtt_link *link = arg;
    if (link->closing)
        end(link);
    else
        wait_and_connect(link);
}

/* ---- up ------------------------------------------------------------------------------------- */

static void subscribe_again(void *arg)
{
    struct mqtt_link *link = arg;
    if (mqtt_subs_send_refused(link))
        mqtt_link_fail(link, "out of memory");
}

static void subscribe_late(void *arg)
{
    mqtt_link_fail(arg, "no answer to SUBSCRIBE in time");
}

void mqtt_subscribe_wait(struct mqtt_link *link)
{
    mqtt_arm(link, &link->timer, link->bridge->settings->confirm_timeout_ms, subscribe_late);
}

static void close_now(void *arg)
{
    struct mqtt_link *link = arg;
    mqtt_release_all(link, "the gateway is closing the connection");
    link->bridge->client_ops->disconnect(link->client);
    link->state = LINK_ENDING;
    mqtt_disarm(link, &link->timer);
    mqtt_disarm(link, &link->deadline_timer);
}

void mqtt_link_settled(struct mqtt_link *link)
{
    if (link->state != LINK_UP)
        return;
    if (link->closing) {
        if (link->first == MQTT_NO_FLIGHT)
            close_now(link);
        return;
    }
    if (link->subs_pending) {
        return;
    }
    if (link->subs_refused) {
        if (!link->timer) {
            int64_t first = link->bridge->settings->reconnect.first_ms;
            int64_t delay =
                first * 4 + link->host->random((uint32_t)(first < 100000 ? first * 4 : 400000) + 1);
            int64_t most = link->bridge->settings->reconnect.most_ms;
            mqtt_arm(link, &link->timer, delay < most ? delay : most, subscribe_again);
        }
        return;
    }
    mqtt_disarm(link, &link->timer);
    if (!link->reported && !link->subs_never)
        say(link, true, mqtt_url(link));
}

static void on_connected(void *arg, const struct mqtt_connack *connack)
{
    struct mqtt_link *link = arg;
    const struct mg_host *host = link->host;
    const struct mqtt_settings *settings = link->bridge->settings;
    struct mg_err err = {{0}, NULL};
    bool by_id = settings->version == MQTT_VERSION_5 && connack->subscription_ids_available;
    link->old_ids = link->old_ids || (!link->connected_before && connack->session_present);
    link->connected_before = true;
    link->connack = *connack;
    link->state = LINK_UP;
    link->up_since_us = host->now_us(link->shard);
    host->count(link->bridge->instance, COUNT_CONNECTS, 1);
    host->log(link->bridge->instance, MG_INFO, "connected to %s, %s session", mqtt_url(link),
              connack->session_present ? "an earlier" : "a new");
    mqtt_disarm(link, &link->timer);
    mqtt_flights_begin_anew(link);
    mqtt_left_connected(link);
    if (link->draining) {
        mqtt_link_settled(link);
    } else if (mqtt_subs_build(link, by_id, &err)) {
        mqtt_link_fail(link, err.text);
        return;
    } else if (link->sub_count) {
        mqtt_subscribe_wait(link);
        if (mqtt_subs_send(link))
            mqtt_link_fail(link, "out of memory");
    } else {
        mqtt_link_settled(link);
    }
    if (link->state == LINK_UP && !link->closing)
        host->sendable(link->core, NULL);
    if (link->state == LINK_UP && !link->draining)
        mqtt_parked_resume(link, connack->session_present);
}

/* ---- life ----------------------------------------------------------------------------------- */

static const struct mqtt_client_events events = {
    .connected = on_connected,
    .refused = on_refused,
    .lost = on_lost,
    .ended = on_ended,
    .subscribed = mqtt_subscribed,
    .message = mqtt_message,
    .confirmed = mqtt_confirmed,
    .returned = mqtt_returned,
    .writable = mqtt_writable,
    .entered = mqtt_entered,
    .dropped = mqtt_dropped,
};

static char *make_client_id(const struct mqtt_bridge *bridge, uint32_t index)
{
    struct mg_str gateway = bridge->host->gateway_name(bridge->instance);
    struct mg_str name = bridge->host->instance_name(bridge->instance);
    const char *given = bridge->settings->client_id;
    size_t size = (given ? strlen(given) : gateway.len + name.len + 16) + 16;
    char *id = malloc(size);
    if (!id)
        return NULL;
    int length = given ? snprintf(id, size, "%s", given)
                       : snprintf(id, size, "meshgate-%.*s-%.*s", (int)gateway.len, gateway.at,
                                  (int)name.len, name.at);
    if (index)
        snprintf(id + length, size - (size_t)length, "-%u", index);
    return id;
}

static bool sends_qos2(const struct mqtt_link *link)
{
    for (const struct mqtt_sink *sink = link->sinks; sink; sink = sink->next)
        if (sink->settings->qos >= 2) /* or keep */
            return true;
    return false;
}

static int create_client(struct mqtt_link *link, struct mg_err *err)
{
    const struct mqtt_settings *settings = link->bridge->settings;
    bool v5 = settings->version == MQTT_VERSION_5;
    struct mqtt_client_options options = {
        .v5 = v5,
        .clean_start = settings->clean_start,
        .client_id = link->client_id,
        /* SCRAM exists so that the password is not sent. */
        .user = mqtt_uses_scram(settings) ? NULL : settings->user,
        .password = mqtt_uses_scram(settings) ? NULL : settings->password,
        .session_expiry_s = (uint32_t)((settings->session_expiry_ms + 999) / 1000),
        .keep_alive_s = (uint16_t)(settings->keep_alive_ms / 1000),
        .receive_maximum = v5 ? (uint16_t)settings->receive_maximum : 0,
        .max_packet = (uint32_t)settings->max_packet,
        .in_flight_most = link->flight_count,
        .will = link->bridge->will.topic && !link->index ? &link->bridge->will : NULL,
        .tls = &link->bridge->tls,
        .auth = mqtt_auth_of(link),
        .topic_aliases = v5 ? (uint16_t)settings->topic_aliases : 0,
        .sends_qos2 = sends_qos2(link),
        .keeper = link->keeps_entries ? &link->keeper : NULL,
    };
    for (size_t i = 0; i < link->source_count && !link->bridge->client_ops->defers_ack; i++)
        options.stores = options.stores || mqtt_source_stored(link, link->sources[i]);
    link->stores = options.stores;
    int rc = link->bridge->client_ops->create(link->host, link->shard, &options, &events, link,
                                              &link->client, err);
    mqtt_kept_loaded(link);
    return rc;
}

int mqtt_open(void *self, mg_connection *connection, uint32_t index, void **ret_context,
              struct mg_err *reterr)
{
    struct mqtt_bridge *bridge = self;
    struct mqtt_link *link = calloc(1, sizeof(*link));
    if (link) {
        link->bridge = bridge;
        link->host = bridge->host;
        link->core = connection;
        link->shard = bridge->host->connection_shard(connection);
        link->index = index;
        link->client_id = make_client_id(bridge, index);
        link->keeps = bridge->client_ops->keeps_publishes && mqtt_keeps_session(bridge->settings);
    }
    int rc = link && link->client_id ? mqtt_kept_load(link) : -ENOMEM;
    if (!rc)
        rc = mqtt_flights_init(link);
    if (rc) {
        snprintf(reterr->text, sizeof(reterr->text), "%s",
                 rc == -ENOMEM ? "out of memory" : "the state in the store cannot be read");
        mqtt_destroy(link);
        return rc;
    }
    mqtt_kept_restore(link);
    *ret_context = link;
    return 0;
}

int mqtt_begin(void *context, struct mg_err *reterr)
{
    struct mqtt_link *link = context;
    /* Built anew once the server has said what it can; here it finds what can never work. */
    int rc = mqtt_subs_build(link, link->bridge->settings->version == MQTT_VERSION_5, reterr);
    if (!rc)
        rc = create_client(link, reterr);
    if (rc)
        return rc;
    say(link, false, "connecting");
    connect_now(link);
    return 0;
}

static void count(struct mqtt_link *link, uint32_t counter, int64_t *by)
{
    if (*by)
        link->host->count(link->bridge->instance, counter, *by);
    *by = 0;
}

/* Counters are shared between threads: brought up to date once for a turn, not for each event. */
static void count_all(struct mqtt_link *link)
{
    count(link, COUNT_RECEIVED, &link->received);
    count(link, COUNT_PUBLISHED, &link->published);
    count(link, COUNT_CONFIRMED, &link->confirmed);
}

void mqtt_flush(void *context)
{
    struct mqtt_link *link = context;
    if (link->client)
        link->bridge->client_ops->flush(link->client);
    count_all(link);
    if (link->give_up)
        mqtt_link_fail(link, "an event was given back unsettled; the server sends it again on a "
                             "new connection");
}

void mqtt_drain(void *context)
{
    struct mqtt_link *link = context;
    if (link->draining)
        return;
    link->draining = true;
    mqtt_sources_stop(link);
}

static void let_go(void *arg)
{
    struct mqtt_link *link = arg;
    mqtt_disarm(link, &link->let_go_timer);
    if (link->bridge->client_ops->let_go)
        link->bridge->client_ops->let_go(link->client);
}

void mqtt_close(void *context)
{
    struct mqtt_link *link = context;
    mqtt_drain(link);
    link->closing = true;
    if (link->stores && link->client)
        mqtt_arm(link, &link->let_go_timer, LET_GO_MS, let_go);
    switch (link->state) {
    case LINK_IDLE:
    case LINK_WAITING:
        mqtt_disarm(link, &link->timer);
        end(link);
        break;
    case LINK_CONNECTING:
        close_now(link);
        break;
    case LINK_UP:
        if (link->first == MQTT_NO_FLIGHT)
            close_now(link);
        else
            mqtt_arm(link, &link->timer, CLOSE_WAIT_MS, close_now);
        break;
    case LINK_ENDING:
        break;
    }
}

void mqtt_destroy(void *context)
{
    struct mqtt_link *link = context;
    if (!link)
        return;
    mqtt_disarm(link, &link->timer);
    mqtt_disarm(link, &link->deadline_timer);
    mqtt_disarm(link, &link->stall_timer);
    mqtt_disarm(link, &link->let_go_timer);
    mqtt_kept_fini(link);
    link->state = LINK_IDLE;
    if (link->flights)
        mqtt_release_all(link, "the connection is destroyed");
    if (link->client)
        mqtt_drain(link);
    uint64_t left = link->dropped_at_stop;
    left += link->client ? link->bridge->client_ops->backlog(link->client) : 0;
    if (left) {
        link->host->count(link->bridge->instance, COUNT_DROPPED_AT_STOP, (int64_t)left);
        link->host->log(link->bridge->instance, MG_WARN,
                        "%llu messages came while the gateway stopped, and were not taken: they "
                        "are lost",
                        (unsigned long long)left);
    }
    count_all(link);
    link->bridge->client_ops->destroy(link->client);
    mqtt_subs_free(link);
    for (size_t i = 0; i < link->source_count; i++)
        free(link->sources[i]);
    free(link->sources);
    while (link->sinks) {
        struct mqtt_sink *sink = link->sinks;
        link->sinks = sink->next;
        free(sink);
    }
    mqtt_scratch_fini(&link->in);
    mqtt_scratch_fini(&link->out);
    free(link->flights);
    mqtt_scram_fini(&link->scram);
    mqtt_urls_free(link);
    free(link->client_id);
    free(link);
}
