/* SPDX-License-Identifier: Apache-2.0 */
/* The options of the mqtt bridge, and the checks across them. */
#include "mqtt_bridge.h"
#include "native/mqtt_net_url.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define AT(field) offsetof(struct mqtt_settings, field)
#define TLS_AT(field)                                                                              \
    (offsetof(struct mqtt_settings, tls.field) - offsetof(struct mqtt_settings, tls))
#define AUTH_AT(field)                                                                             \
    (offsetof(struct mqtt_settings, auth.field) - offsetof(struct mqtt_settings, auth))
#define WILL_AT(field)                                                                             \
    (offsetof(struct mqtt_settings, will.field) - offsetof(struct mqtt_settings, will))

static const char *const versions[] = {"5", "3.1.1", NULL};
static const char *const clients[] = {"native", "paho", NULL};
static const char *const redirects[] = {"follow", "refuse", NULL};
static const char *const verifies[] = {"full", "chain", "none", NULL};
static const char *const retain_handlings[] = {"send", "new", "none", NULL};
static const char *const sink_qos[] = {"0", "1", "2", "keep", NULL};
static const char *const sink_retain[] = {"keep", "set", "clear", NULL};
static const char *const sink_tags[] = {"all", "none", NULL};
static const char *const sink_control[] = {"tagged", "plain", NULL};

/* clang-format off */
static const struct mg_option tls_options[] = {
    {.name = "ca", .type = MG_OPT_FILE, .offset = TLS_AT(ca),
     .doc = "PEM file with the certificates that are trusted; without it and ca_path, the system's."},
    {.name = "ca_path", .type = MG_OPT_FILE, .offset = TLS_AT(ca_path),
     .doc = "Folder of trusted certificates, named by hash (openssl rehash)."},
    {.name = "cert", .type = MG_OPT_FILE, .offset = TLS_AT(cert),
     .doc = "PEM file with the client's certificate and those that lead to its root."},
    {.name = "key", .type = MG_OPT_FILE, .offset = TLS_AT(key),
     .doc = "PEM file with the client's private key."},
    {.name = "key_password", .type = MG_OPT_SECRET, .offset = TLS_AT(key_password),
     .doc = "The password of the private key."},
    {.name = "verify", .type = MG_OPT_ENUM, .value = "full", .choices = verifies, .offset = TLS_AT(verify),
     .doc = "What of the server's certificate is checked: chain and host name (full), chain, or none."},
    {.name = "alpn", .type = MG_OPT_TEXT, .flags = MG_OPT_LIST, .least = 1, .most = 255,
     .offset = TLS_AT(alpn), .doc = "Application protocols to offer, such as mqtt."},
    {.name = "server_name", .type = MG_OPT_TEXT, .least = 1, .most = 253, .offset = TLS_AT(server_name),
     .doc = "The name that the server's certificate is checked for, where it is not the url's host "
            "(native client)."},
    {0},
};

static const struct mg_option will_options[] = {
    {.name = "topic", .type = MG_OPT_TEXT, .offset = WILL_AT(topic),
     .doc = "Where the server publishes the will; without it there is none."},
    {.name = "payload", .type = MG_OPT_TEXT, .offset = WILL_AT(payload), .doc = "What it publishes."},
    {.name = "qos", .type = MG_OPT_INT, .value = "0", .least = 0, .most = 2, .offset = WILL_AT(qos),
     .doc = "Quality of service of the will."},
    {.name = "retain", .type = MG_OPT_BOOL, .value = "false", .offset = WILL_AT(retain),
     .doc = "Whether the server keeps it as retained message."},
    {.name = "delay", .type = MG_OPT_DURATION_MS, .value = "0s", .offset = WILL_AT(delay_ms),
     .doc = "How long the server waits before it publishes the will (MQTT 5)."},
    {0},
};

static const struct mg_option auth_options[] = {
    {.name = "method", .type = MG_OPT_TEXT, .least = 1, .most = 65535, .offset = AUTH_AT(method),
     .doc = "Its name: SCRAM-SHA-256, which proves user and password without sending the password, or "
            "any other with a fixed answer."},
    {.name = "data", .type = MG_OPT_SECRET, .offset = AUTH_AT(data),
     .doc = "The answer of a method other than SCRAM-SHA-256."},
    {0},
};

static const struct mg_option reconnect_options[] = {
    {.name = "first", .type = MG_OPT_DURATION_MS, .value = "500ms", .least = 10, .most = 3600000,
     .offset = 0, .doc = "The shortest time before another attempt."},
    {.name = "most", .type = MG_OPT_DURATION_MS, .value = "30s", .least = 10, .most = 86400000,
     .offset = sizeof(int64_t), .doc = "The longest time before another attempt."},
    {0},
};

const struct mg_option mqtt_options[] = {
    {.name = "url", .type = MG_OPT_URL, .flags = MG_OPT_REQUIRED | MG_OPT_LIST, .offset = AT(urls),
     .doc = "Servers, tried in turn: mqtt://host:1883, mqtts://host:8883, ws://host:80/path, "
            "wss://host:443/path."},
    {.name = "version", .type = MG_OPT_ENUM, .value = "5", .choices = versions, .offset = AT(version),
     .doc = "Version of MQTT."},
    {.name = "client", .type = MG_OPT_ENUM, .value = "native", .choices = clients, .offset = AT(client),
     .doc = "The implementation: meshgate's own, or Eclipse Paho MQTT C, whose sources cannot defer their "
            "acknowledgement."},
    {.name = "client_id", .type = MG_OPT_TEXT, .least = 1, .most = 65535, .offset = AT(client_id),
     .doc = "Client identifier; default meshgate-GATEWAY-BRIDGE.  Further connections append -1, -2 …"},
    {.name = "clean_start", .type = MG_OPT_BOOL, .value = "true", .offset = AT(clean_start),
     .doc = "Whether the server forgets subscriptions and queued messages of before the gateway started; "
            "with a session_expiry, later connections go on with the session of the first."},
    {.name = "session_expiry", .type = MG_OPT_DURATION_MS, .value = "0s", .offset = AT(session_expiry_ms),
     .doc = "How long the server keeps the session after a disconnect (MQTT 5)."},
    {.name = "keep_alive", .type = MG_OPT_DURATION_MS, .value = "60s", .least = 1000, .most = 65535000,
     .offset = AT(keep_alive_ms), .doc = "The longest silence on the connection, in whole seconds."},
    {.name = "user", .type = MG_OPT_TEXT, .most = 65535, .offset = AT(user), .doc = "User name."},
    {.name = "password", .type = MG_OPT_SECRET, .offset = AT(password), .doc = "Password."},
    {.name = "tls", .type = MG_OPT_MAP, .inside = tls_options,
     .inside_size = sizeof(((struct mqtt_settings *)0)->tls), .offset = AT(tls),
     .doc = "TLS of mqtts and wss."},
    {.name = "auth", .type = MG_OPT_MAP, .inside = auth_options,
     .inside_size = sizeof(((struct mqtt_settings *)0)->auth), .offset = AT(auth),
     .doc = "Enhanced authentication (MQTT 5, native client)."},
    {.name = "redirects", .type = MG_OPT_ENUM, .value = "follow", .choices = redirects,
     .offset = AT(redirects),
     .doc = "A server that refers to another one (MQTT 5) is followed, by the same scheme and path: for one "
            "connection, or where it has moved until the gateway restarts."},
    {.name = "will", .type = MG_OPT_MAP, .inside = will_options,
     .inside_size = sizeof(((struct mqtt_settings *)0)->will), .offset = AT(will),
     .doc = "What the server publishes when this connection breaks."},
    {.name = "receive_maximum", .type = MG_OPT_INT, .value = "1000", .least = 0, .most = 65535,
     .offset = AT(receive_maximum),
     .doc = "Unacknowledged messages that the server may send (MQTT 5); 0: its own choice."},
    {.name = "topic_aliases", .type = MG_OPT_INT, .value = "16", .least = 0, .most = 65535,
     .offset = AT(topic_aliases),
     .doc = "Topics that travel as a number once they were said, at most so many each way (MQTT 5, native "
            "client)."},
    {.name = "max_packet", .type = MG_OPT_SIZE, .value = "0", .least = 0, .most = 268435460,
     .offset = AT(max_packet), .doc = "The largest packet that the server may send (MQTT 5); 0: no limit."},
    {.name = "max_inflight", .type = MG_OPT_INT, .value = "100", .least = 1, .most = 10000,
     .offset = AT(max_inflight),
     .doc = "Unconfirmed QoS 1 and 2 messages on their way to the server; its Receive Maximum lowers it."},
    {.name = "connect_timeout", .type = MG_OPT_DURATION_MS, .value = "10s", .least = 100, .most = 600000,
     .offset = AT(connect_timeout_ms), .doc = "The longest time until the server has accepted the connection."},
    {.name = "confirm_timeout", .type = MG_OPT_DURATION_MS, .value = "30s", .least = 100, .most = 3600000,
     .offset = AT(confirm_timeout_ms),
     .doc = "The longest time until the server confirms a message or a subscription; then the connection "
            "is given up and made anew."},
    {.name = "reconnect", .type = MG_OPT_MAP, .inside = reconnect_options,
     .inside_size = sizeof(((struct mqtt_settings *)0)->reconnect), .offset = AT(reconnect),
     .doc = "Time between attempts to connect, which grows at random."},
    {0},
};

#define SOURCE_AT(field) offsetof(struct mqtt_source_settings, field)
const struct mg_option mqtt_source_options[] = {
    {.name = "qos", .type = MG_OPT_INT, .value = "1", .least = 0, .most = 2, .offset = SOURCE_AT(qos),
     .doc = "The highest quality of service at which the server delivers."},
    {.name = "no_local", .type = MG_OPT_BOOL, .value = "true", .offset = SOURCE_AT(no_local),
     .doc = "Whether the server leaves out what this bridge published itself (MQTT 5; not for $share)."},
    {.name = "retain_as_published", .type = MG_OPT_BOOL, .value = "true",
     .offset = SOURCE_AT(retain_as_published),
     .doc = "Whether the retain flag arrives as it was published (MQTT 5)."},
    {.name = "retain_handling", .type = MG_OPT_ENUM, .value = "send", .choices = retain_handlings,
     .offset = SOURCE_AT(retain_handling),
     .doc = "Retained messages at subscribing: send them, send them to a new subscription, or none (MQTT 5)."},
    {0},
};

#define SINK_AT(field) offsetof(struct mqtt_sink_settings, field)
const struct mg_option mqtt_sink_options[] = {
    {.name = "qos", .type = MG_OPT_ENUM, .value = "1", .choices = sink_qos, .offset = SINK_AT(qos),
     .doc = "Quality of service; keep: that of the event, at least 1 where somebody waits for the outcome."},
    {.name = "retain", .type = MG_OPT_ENUM, .value = "keep", .choices = sink_retain, .offset = SINK_AT(retain),
     .doc = "The retain flag: that of the event, always, or never."},
    {.name = "tags", .type = MG_OPT_ENUM, .value = "all", .choices = sink_tags, .offset = SINK_AT(tags),
     .doc = "Whether what MQTT 5 has no field for goes as user properties named mg:…"},
    {.name = "control_characters", .type = MG_OPT_ENUM, .value = "tagged", .choices = sink_control,
     .offset = SINK_AT(control_characters),
     .doc = "Texts with control characters: as tags, since many brokers end the connection for them, or plain."},
    {0},
};

/* clang-format on */

int mqtt_decline(struct mg_err *err, const char *option, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(err->text, sizeof(err->text), format, args);
    va_end(args);
    err->option = option;
    return -EINVAL;
}

bool mqtt_keeps_session(const struct mqtt_settings *settings)
{
    return settings->version == MQTT_VERSION_5 ? settings->session_expiry_ms > 0
                                               : !settings->clean_start;
}

bool mqtt_session_survives(const struct mqtt_settings *settings)
{
    return !settings->clean_start && mqtt_keeps_session(settings);
}

static int check_urls(const struct mqtt_settings *settings, struct mg_err *err)
{
    bool secure = false;
    for (size_t i = 0; i < settings->urls.count; i++) {
        const char *url = ((const char *const *)settings->urls.items)[i];
        struct mqtt_where where;
        if (strlen(url) > 1000)
            return mqtt_decline(err, "url", "a url has at most 1000 bytes");
        if (strchr(url, '@'))
            return mqtt_decline(err, "url", "a url carries no user: write user: and password:");
        int rc = mqtt_where_parse(url, &where, err);
        if (rc)
            return rc;
        secure = secure || where.tls;
    }
    bool has_tls =
        settings->tls.ca || settings->tls.ca_path || settings->tls.cert || settings->tls.key;
    if (has_tls && !secure)
        return mqtt_decline(err, "tls", "no url is mqtts:// or wss://, so tls would not be used");
    if (!settings->tls.cert != !settings->tls.key)
        return mqtt_decline(err, "tls", "cert and key go together");
    return 0;
}

/* What only one of the clients can do. */
static int check_client(const struct mqtt_settings *settings, struct mg_err *err)
{
    if (settings->client != MQTT_CLIENT_PAHO)
        return 0;
#ifndef MQTT_WITH_PAHO
    return mqtt_decline(err, "client",
                        "paho is not in this build: leave it away (native), or build with Eclipse "
                        "Paho MQTT C and -Dmqtt_paho=enabled");
#endif
    if (settings->auth.method)
        return mqtt_decline(err, "auth", "needs client: native");
    if (settings->tls.server_name)
        return mqtt_decline(err, "tls", "server_name needs client: native");
    return 0;
}

static int check_auth(const struct mqtt_settings *settings, struct mg_err *err)
{
    if (!settings->auth.method)
        return settings->auth.data ? mqtt_decline(err, "auth", "has no method") : 0;
    if (settings->version != MQTT_VERSION_5)
        return mqtt_decline(err, "auth", "needs version: 5");
    if (!mqtt_uses_scram(settings))
        return 0;
    if (settings->auth.data)
        return mqtt_decline(err, "auth",
                            "data has no meaning for " MQTT_SCRAM_METHOD
                            ", which uses user: and password:");
    if (!settings->user || !settings->password)
        return mqtt_decline(err, "auth", MQTT_SCRAM_METHOD " needs user: and password:");
    return 0;
}

int mqtt_settings_check(const void *of, struct mg_err *reterr)
{
    const struct mqtt_settings *settings = of;
    int rc = check_urls(settings, reterr);
    if (rc)
        return rc;
    bool v5 = settings->version == MQTT_VERSION_5;
    rc = check_client(settings, reterr);
    if (!rc)
        rc = check_auth(settings, reterr);
    if (rc)
        return rc;
    if (!v5 && settings->session_expiry_ms)
        return mqtt_decline(reterr, "session_expiry",
                            "needs version: 5; 3.1.1 has clean_start alone");
    if (!v5 && settings->receive_maximum != MQTT_RECEIVE_MAXIMUM_DEFAULT)
        return mqtt_decline(reterr, "receive_maximum", "needs version: 5");
    if (!v5 && settings->topic_aliases != MQTT_TOPIC_ALIASES_DEFAULT)
        return mqtt_decline(reterr, "topic_aliases", "needs version: 5");
    if (!v5 && settings->max_packet)
        return mqtt_decline(reterr, "max_packet", "needs version: 5");
    if (!v5 && settings->will.delay_ms)
        return mqtt_decline(reterr, "will", "a delay needs version: 5");
    if (!v5 && settings->password && !settings->user)
        return mqtt_decline(reterr, "password", "MQTT 3.1.1 takes no password without a user");
    if (v5 && !settings->clean_start && !settings->session_expiry_ms)
        return mqtt_decline(
            reterr, "clean_start",
            "false finds no session, since the server keeps none: set session_expiry, too");
    if (settings->session_expiry_ms / 1000 > UINT32_MAX)
        return mqtt_decline(reterr, "session_expiry", "is at most 4294967295 s");
    if (settings->reconnect.most_ms < settings->reconnect.first_ms)
        return mqtt_decline(reterr, "reconnect", "most is less than first");
    if (settings->client_id &&
        mqtt_text_kind((struct mg_str){settings->client_id, strlen(settings->client_id)}) !=
            MQTT_TEXT_FINE)
        return mqtt_decline(reterr, "client_id", "is no text that MQTT takes");
    if (settings->will.topic) {
        struct mg_str topic = {settings->will.topic, strlen(settings->will.topic)};
        rc = mqtt_topic_name_check(topic, true, reterr);
        if (rc)
            reterr->option = "will";
    } else if (settings->will.payload || settings->will.qos || settings->will.retain) {
        return mqtt_decline(reterr, "will", "has no topic");
    }
    return rc;
}

/* ---- what an end can do --------------------------------------------------------------------- */

enum {
    CARRIES_ALWAYS = MG_CARRIES_RETAIN | MG_CARRIES_BINARY | MG_CARRIES_ADDRESS,
    CARRIES_5 = MG_CARRIES_PROPERTIES | MG_CARRIES_REPLY_TO | MG_CARRIES_CORRELATION |
                MG_CARRIES_CONTENT_TYPE | MG_CARRIES_EXPIRY,
    CARRIES_TAGS = MG_CARRIES_TYPES | MG_CARRIES_PRIORITY | MG_CARRIES_MESSAGE_ID |
                   MG_CARRIES_GROUP | MG_CARRIES_SUBJECT | MG_CARRIES_CREATED | MG_CARRIES_USER,
};

/* Why what is not acknowledged would be lost all the same, and what to do about it; or NULL. */
static const char *cannot_defer(const struct mqtt_settings *settings,
                                const struct mqtt_source_settings *source)
{
    if (settings->client == MQTT_CLIENT_PAHO)
        return "client: paho acknowledges by itself (it serves stored with clean_start: false and "
               "session_expiry, at QoS 1, with MQTT 5 also 2): write client: native, or leave it "
               "away";
    if (!source->qos)
        return "at QoS 0 nothing is acknowledged: write qos: 1";
    if (mqtt_session_survives(settings))
        return NULL;
    return settings->version == MQTT_VERSION_5
               ? "with clean_start: true the server forgets unacknowledged events when the gateway "
                 "restarts: write clean_start: false and session_expiry: 1d in the bridge"
               : "with clean_start: true the server forgets unacknowledged events when the gateway "
                 "restarts: write clean_start: false in the bridge";
}

static int source_end(const struct mqtt_settings *settings, const char *address,
                      const struct mqtt_source_settings *source, struct mg_end *ret_end,
                      struct mg_err *err)
{
    struct mg_str group, filter;
    int rc = mqtt_share_split(address, &group, &filter, err);
    if (rc)
        return rc;
    bool v5 = settings->version == MQTT_VERSION_5;
    ret_end->abilities = MG_SOURCE | MG_FILTERS | MG_ORDERED;
    if (v5 && source->no_local && !group.len)
        ret_end->abilities |= MG_NO_ECHO;
    if (group.len)
        ret_end->abilities |= MG_COMPETES;
    ret_end->carries = CARRIES_ALWAYS | (v5 ? CARRIES_5 : 0);
    ret_end->cannot_defer = cannot_defer(settings, source);
    if (!ret_end->cannot_defer)
        ret_end->abilities |= MG_DEFERS_ACK;
    /* Paho says PUBREC before it hands a message of QoS 2 over, with MQTT 3.1.1. */
    if (settings->client == MQTT_CLIENT_PAHO && source->qos && (v5 || source->qos == 1) &&
        mqtt_session_survives(settings))
        ret_end->abilities |= MG_STORES;
    return 0;
}

static int sink_end(const struct mqtt_settings *settings, const char *address,
                    const struct mqtt_sink_settings *sink, struct mg_end *ret_end,
                    struct mg_err *err)
{
    bool inside = false;
    for (const char *c = address; *c; c++) {
        inside = *c == '{' || (inside && *c != '}');
        if (!inside && (*c == '+' || *c == '#'))
            return mqtt_decline(err, NULL,
                                "the topic '%.100s' holds a wildcard: an event has one address",
                                address);
    }
    if (!*address)
        return mqtt_decline(err, NULL, "a topic has at least one character");
    if (sink->qos == 2 && settings->client == MQTT_CLIENT_PAHO && !settings->clean_start)
        return mqtt_decline(
            err, "qos",
            "2 needs clean_start: true with client: paho, which keeps no QoS 2 state of an earlier "
            "connection: use 1, client: native, or a bridge of its own for this sink");
    bool v5 = settings->version == MQTT_VERSION_5;
    ret_end->abilities = MG_SINK | MG_ORDERED | (sink->qos ? MG_CONFIRMS : 0);
    ret_end->carries = CARRIES_ALWAYS | (v5 ? CARRIES_5 : 0) |
                       (v5 && sink->tags == MQTT_TAGS_ALL ? CARRIES_TAGS : 0);
    return 0;
}

int mqtt_end(const void *settings, uint32_t direction, const char *address,
             const void *end_settings, struct mg_end *ret_end, struct mg_err *reterr)
{
    if (direction == MG_SOURCE)
        return source_end(settings, address, end_settings, ret_end, reterr);
    return sink_end(settings, address, end_settings, ret_end, reterr);
}
