/* SPDX-License-Identifier: Apache-2.0 */
/* CONNECT, CONNACK, and enhanced authentication between them (MQTT 5 §3.1, §3.2, §4.12). */
#include "mqtt_session.h"
#include "../mqtt_reason.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static struct mg_str text(const char *of)
{
    return (struct mg_str){of, of ? strlen(of) : 0};
}

static void with_will(const struct mqtt_will *will, struct mqtt_connect *connect)
{
    if (!will || !will->topic)
        return;
    connect->has_will = true;
    connect->will_qos = will->qos;
    connect->will_retain = will->retain;
    connect->will_topic = text(will->topic);
    connect->will_payload =
        (struct mg_bytes){will->payload, will->payload ? strlen(will->payload) : 0};
    if (will->delay_s) {
        connect->will_properties.has |= MQTT_HAS(MQTT_PROP_WILL_DELAY);
        connect->will_properties.will_delay_s = will->delay_s;
    }
}

static void with_limits(const struct mqtt_client_options *o, struct mqtt_properties *p)
{
    if (o->session_expiry_s) {
        p->has |= MQTT_HAS(MQTT_PROP_SESSION_EXPIRY);
        p->session_expiry_s = o->session_expiry_s;
    }
    if (o->receive_maximum) {
        p->has |= MQTT_HAS(MQTT_PROP_RECEIVE_MAXIMUM);
        p->receive_maximum = o->receive_maximum;
    }
    if (o->max_packet) {
        p->has |= MQTT_HAS(MQTT_PROP_MAXIMUM_PACKET);
        p->maximum_packet = o->max_packet;
    }
    if (o->topic_aliases) {
        p->has |= MQTT_HAS(MQTT_PROP_TOPIC_ALIAS_MAXIMUM);
        p->topic_alias_maximum = o->topic_aliases;
    }
}

static int refused_by_auth(struct mqtt_session *s, const struct mg_err *err)
{
    s->end_reason = 0x8c; /* bad authentication method */
    snprintf(s->end_why, sizeof(s->end_why), "authentication: %.200s", err->text);
    s->state = SESSION_CLOSING;
    return -EACCES;
}

/* MQTT 5 §4.12: the method, and the data for this step. */
static int with_auth(struct mqtt_session *s, struct mg_bytes challenge, struct mqtt_properties *p)
{
    const struct mqtt_auth *auth = s->options.auth;
    struct mg_err err = {{0}, NULL};
    struct mg_bytes answer = {NULL, 0};
    if (auth->answer(auth->arg, challenge, &answer, &err))
        return refused_by_auth(s, &err);
    p->has |= MQTT_HAS(MQTT_PROP_AUTH_METHOD);
    p->auth_method = text(auth->method);
    if (answer.at) {
        p->has |= MQTT_HAS(MQTT_PROP_AUTH_DATA);
        p->auth_data = answer;
    }
    return 0;
}

int mqtt_session_begin(struct mqtt_session *s)
{
    const struct mqtt_client_options *o = &s->options;
    struct mqtt_packet packet = {
        .type = MQTT_CONNECT,
        .connect =
            {
                .v5 = o->v5,
                /* Asked for once; later connections of this process go on with their session. */
                .clean_start = o->clean_start && !(s->connected_before && mqtt_session_kept(s)),
                .client_id = text(o->client_id),
                .user = text(o->user),
                .password = {o->password, o->password ? strlen(o->password) : 0},
                .keep_alive_s = o->keep_alive_s,
            },
    };
    s->end_why[0] = s->end_reference[0] = '\0';
    s->end_reason = 0;
    s->keep_alive_s = o->keep_alive_s;
    s->state = SESSION_CONNECTING;
    s->wants = 0;
    s->connected = s->authenticating = false;
    with_will(o->will, &packet.connect);
    if (o->v5) {
        with_limits(o, &packet.properties);
        s->authenticating = o->auth;
        int rc = o->auth ? with_auth(s, (struct mg_bytes){NULL, 0}, &packet.properties) : 0;
        if (rc)
            return rc;
    }
    return mqtt_session_put(s, &packet);
}

static int accept_auth(struct mqtt_session *s, const struct mqtt_properties *p)
{
    const struct mqtt_auth *auth = s->options.auth;
    struct mg_err err = {{0}, NULL};
    struct mg_bytes last = {NULL, 0};
    if (!auth)
        return 0;
    if (p->has & MQTT_HAS(MQTT_PROP_AUTH_DATA))
        last = p->auth_data;
    return auth->accepted(auth->arg, last, &err) ? refused_by_auth(s, &err) : 0;
}

static bool is_on(const struct mqtt_properties *p, enum mqtt_property_id id, uint8_t value)
{
    return !(p->has & MQTT_HAS(id)) || value;
}

int mqtt_session_connack(struct mqtt_session *s, const struct mqtt_packet *packet)
{
    const struct mqtt_properties *p = &packet->properties;
    uint32_t reason = s->options.v5 ? packet->reason : mqtt_reason_of_return_code(packet->reason);
    if (s->state != SESSION_CONNECTING)
        return mqtt_session_fault(s, 0x82, "a second CONNACK");
    if (reason) {
        mqtt_session_note_end(s, "", reason, p);
        return -ECONNREFUSED;
    }
    bool clean = s->options.clean_start && !(s->connected_before && mqtt_session_kept(s));
    if (clean && packet->session_present)
        return mqtt_session_fault(s, 0x82, "the server kept a session that was to begin anew");
    int rc = accept_auth(s, p);
    if (rc)
        return rc;
    struct mqtt_connack connack = {
        .session_present = packet->session_present,
        .retain_available = is_on(p, MQTT_PROP_RETAIN_AVAILABLE, p->retain_available),
        .wildcard_available = is_on(p, MQTT_PROP_WILDCARD_AVAILABLE, p->wildcard_available),
        .subscription_ids_available =
            is_on(p, MQTT_PROP_SUBSCRIPTION_IDS_AVAILABLE, p->subscription_ids_available),
        .shared_available = is_on(p, MQTT_PROP_SHARED_AVAILABLE, p->shared_available),
        .maximum_qos = p->has & MQTT_HAS(MQTT_PROP_MAXIMUM_QOS) ? p->maximum_qos : 2,
        .receive_maximum =
            p->has & MQTT_HAS(MQTT_PROP_RECEIVE_MAXIMUM) ? p->receive_maximum : UINT16_MAX,
        .maximum_packet = p->has & MQTT_HAS(MQTT_PROP_MAXIMUM_PACKET) ? p->maximum_packet : 0,
    };
    if (p->has & MQTT_HAS(MQTT_PROP_SERVER_KEEP_ALIVE))
        s->keep_alive_s = p->server_keep_alive_s;
    s->send_most = connack.receive_maximum;
    s->packet_most = connack.maximum_packet;
    s->state = SESSION_UP;
    mqtt_session_in_resume(s, packet->session_present);
    rc = mqtt_session_resume(
        s, packet->session_present,
        p->has & MQTT_HAS(MQTT_PROP_TOPIC_ALIAS_MAXIMUM) ? p->topic_alias_maximum : 0);
    s->connected = s->connected_before = true;
    if (!rc)
        s->events->connected(s->arg, &connack);
    return rc;
}

int mqtt_session_auth(struct mqtt_session *s, const struct mqtt_packet *packet)
{
    const struct mqtt_properties *p = &packet->properties;
    struct mqtt_packet answer = {.type = MQTT_AUTH, .reason = 0x18};
    if (!s->authenticating || s->state != SESSION_CONNECTING || packet->reason != 0x18)
        return mqtt_session_fault(s, 0x82, "AUTH, which nobody asked for");
    size_t length = strlen(s->options.auth->method);
    if (!(p->has & MQTT_HAS(MQTT_PROP_AUTH_METHOD)) || p->auth_method.len != length ||
        memcmp(p->auth_method.at, s->options.auth->method, length))
        return mqtt_session_fault(s, 0x82, "AUTH of another method than CONNECT's");
    struct mg_bytes challenge = {"", 0};
    if (p->has & MQTT_HAS(MQTT_PROP_AUTH_DATA))
        challenge = p->auth_data;
    int rc = with_auth(s, challenge, &answer.properties);
    return rc ? rc : mqtt_session_put(s, &answer);
}
