/* SPDX-License-Identifier: Apache-2.0 */
/* Options of the bridge and its ends, and the checks across them. */
#include "amqp_bridge.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

static const char *const sasl_choices[] = {"auto", "anonymous", "plain", "external", NULL};
static const char *const verify_choices[] = {"name", "peer", "none", NULL};
static const char *const style_choices[] = {"auto", "rabbitmq", "plain", NULL};
static const char *const relay_choices[] = {"auto", "anonymous", "link", "subject", NULL};
static const char *const durable_choices[] = {"keep", "always", "never", NULL};
static const char *const subscription_choices[] = {"none", "configuration", "messages", NULL};
static const char *const expiry_choices[] = {"link-detach", "session-end", "connection-close",
                                             "never", NULL};
static const char *const distribution_choices[] = {"unspecified", "move", "copy", NULL};

#define AT(type, field) .offset = offsetof(struct type, field)

static const struct mg_option tls_options[] = {
    {"ca", NULL, "CA certificates to trust (PEM); the system's where unset.", MG_OPT_FILE, 0,
     AT(amqp_tls_settings, ca)},
    {"cert", NULL, "Certificate chain to show to the peer (PEM).", MG_OPT_FILE, 0,
     AT(amqp_tls_settings, cert)},
    {"key", NULL, "Private key of `cert` (PEM); in the same file where unset.", MG_OPT_FILE, 0,
     AT(amqp_tls_settings, key)},
    {"key_password", NULL, "Password of `key`.", MG_OPT_SECRET, 0,
     AT(amqp_tls_settings, key_password)},
    {"verify", "name",
     "Verify the peer's certificate and its name, the certificate alone, or nothing.", MG_OPT_ENUM,
     0, .choices = verify_choices, AT(amqp_tls_settings, verify)},
    {"server_name", NULL,
     "Name to send (SNI) and to find in the peer's certificate; the URL's host where unset.",
     MG_OPT_TEXT, 0, AT(amqp_tls_settings, server_name)},
    {NULL},
};

static const struct mg_option reconnect_options[] = {
    {"first", "500ms", "Shortest delay before connecting or attaching again.", MG_OPT_DURATION_MS,
     0, 10, 3600000, AT(amqp_reconnect_settings, first_ms)},
    {"most", "30s", "Longest delay; delays grow by decorrelated jitter.", MG_OPT_DURATION_MS, 0, 10,
     3600000, AT(amqp_reconnect_settings, most_ms)},
    {NULL},
};

const struct mg_option amqp_options[] = {
    {"url", NULL,
     "`amqp://` or `amqps://` URLs, [user[:password]@]host[:port][/vhost]; tried in turn.",
     MG_OPT_URL, MG_OPT_REQUIRED | MG_OPT_LIST, AT(amqp_settings, urls)},
    {"user", NULL, "User for SASL PLAIN.", MG_OPT_TEXT, 0, 0, 255, AT(amqp_settings, user)},
    {"password", NULL, "Password for SASL PLAIN.", MG_OPT_SECRET, 0, AT(amqp_settings, password)},
    {"sasl", "auto",
     "SASL mechanism; auto: PLAIN with a user, EXTERNAL with a TLS certificate, else ANONYMOUS.",
     MG_OPT_ENUM, 0, .choices = sasl_choices, AT(amqp_settings, sasl)},
    {"tls", NULL, "TLS of `amqps://` URLs; files are read again on each connect.", MG_OPT_MAP, 0,
     .inside = tls_options, .inside_size = sizeof(struct amqp_tls_settings),
     AT(amqp_settings, tls)},
    {"container_id", NULL, "AMQP container id; `GATEWAY.BRIDGE` where unset.", MG_OPT_TEXT, 0, 1,
     255, AT(amqp_settings, container_id)},
    {"vhost", NULL, "Host name of AMQP's open; RabbitMQ: `vhost:NAME`.", MG_OPT_TEXT, 0, 1, 255,
     AT(amqp_settings, vhost)},
    {"idle_timeout", "30s",
     "The connection is dropped when the peer is silent for so long; 0: never.", MG_OPT_DURATION_MS,
     0, 0, 86400000, AT(amqp_settings, idle_timeout_ms)},
    {"connect_timeout", "10s", "For each of TCP connect and AMQP open.", MG_OPT_DURATION_MS, 0, 100,
     600000, AT(amqp_settings, connect_timeout_ms)},
    {"max_frame", "64KiB", "Largest AMQP frame to accept; messages may span frames.", MG_OPT_SIZE,
     0, 512, 16777216, AT(amqp_settings, max_frame)},
    {"max_message", "64MiB", "Largest message to accept or send; what is larger is rejected.",
     MG_OPT_SIZE, 0, 1024, 1073741824, AT(amqp_settings, max_message)},
    {"reconnect", NULL, "Delays between attempts.", MG_OPT_MAP, 0, .inside = reconnect_options,
     .inside_size = sizeof(struct amqp_reconnect_settings), AT(amqp_settings, reconnect)},
    {"address_style", "auto",
     "How addresses are read; auto: RabbitMQ's forms (`/exchange/`, `/topic/`, `/queue/`, "
     "`/amq/queue/`) by their "
     "beginning, others as they are.",
     MG_OPT_ENUM, 0, .choices = style_choices, AT(amqp_settings, address_style)},
    {NULL},
};

const struct mg_option amqp_source_options[] = {
    {"name", NULL,
     "Link name, which with the container id names a durable subscription; made from the address "
     "where unset.",
     MG_OPT_TEXT, 0, 1, 255, AT(amqp_source_settings, name)},
    {"durable", "none",
     "What the peer keeps of the subscription while the gateway is away (terminus durability).",
     MG_OPT_ENUM, 0, .choices = subscription_choices, AT(amqp_source_settings, durable)},
    {"expiry", "session-end", "When the peer may forget the subscription.", MG_OPT_ENUM, 0,
     .choices = expiry_choices, AT(amqp_source_settings, expiry)},
    {"expiry_timeout", "0s", "How long after that event the peer keeps it.", MG_OPT_DURATION_MS, 0,
     0, 4294967000, AT(amqp_source_settings, expiry_timeout_ms)},
    {"dynamic", "false",
     "Ask the peer for a node of its own (not with RabbitMQ 3); the address is only a label.",
     MG_OPT_BOOL, 0, AT(amqp_source_settings, dynamic)},
    {"distribution", "unspecified", "Take messages from the node (move) or browse them (copy).",
     MG_OPT_ENUM, 0, .choices = distribution_choices, AT(amqp_source_settings, distribution)},
    {"presettled", "false", "Have the peer send settled: faster, and lost where anything fails.",
     MG_OPT_BOOL, 0, AT(amqp_source_settings, presettled)},
    {"declare_durable", "true",
     "RabbitMQ: a `/queue/` that does not exist yet is declared durable.", MG_OPT_BOOL, 0,
     AT(amqp_source_settings, declare_durable)},
    {NULL},
};

const struct mg_option amqp_sink_options[] = {
    {"durable", "keep",
     "Durability of the messages; keep: the event's, or by its QoS (1 and 2: durable).",
     MG_OPT_ENUM, 0, .choices = durable_choices, AT(amqp_sink_settings, durable)},
    {"relay", "auto",
     "How one sink reaches many addresses: the anonymous terminus, a link for each, or one link to "
     "the exchange with "
     "the routing key in `subject` (RabbitMQ); auto: what the peer offers, in that order, subject "
     "for RabbitMQ.",
     MG_OPT_ENUM, 0, .choices = relay_choices, AT(amqp_sink_settings, relay)},
    {"presettled", "false", "Send settled: nothing is confirmed, what is lost is not repeated.",
     MG_OPT_BOOL, 0, AT(amqp_sink_settings, presettled)},
    {"declare_durable", "true",
     "RabbitMQ: a `/queue/` that does not exist yet is declared durable.", MG_OPT_BOOL, 0,
     AT(amqp_sink_settings, declare_durable)},
    {"max_links", "64",
     "Links that one sink may hold open; the least recently used one is detached.", MG_OPT_INT, 0,
     1, 4096, AT(amqp_sink_settings, max_links)},
    {"confirm_timeout", "30s",
     "A confirmation that takes longer drops the connection, and the event is sent again.",
     MG_OPT_DURATION_MS, 0, 100, 3600000, AT(amqp_sink_settings, confirm_timeout_ms)},
    {NULL},
};

bool amqp_is_rabbitmq(const struct amqp_settings *settings, const char *address)
{
    struct mg_str text = {address, strlen(address)};
    return settings->address_style == AMQP_STYLE_RABBITMQ ||
           (settings->address_style == AMQP_STYLE_AUTO &&
            amqp_address_parse(text).kind != AMQP_ADDRESS_PLAIN);
}

static int bad_url(struct mg_err *err, const char *url, const char *what)
{
    const char *host = strrchr(url, '@'); /* what stands before it may be a secret */
    snprintf(err->text, sizeof err->text, "%.160s: %s", host ? host + 1 : url, what);
    err->option = "url";
    return -EINVAL;
}

static bool unescape(const char *from, size_t len, char *to, size_t size)
{
    size_t n = amqp_uri_unescape((struct mg_str){from, len}, to, size - 1);
    if (n >= size || memchr(to, 0, n))
        return false;
    to[n] = 0;
    return true;
}

static bool split_user(struct amqp_url *ret, const char *at, const char *end)
{
    const char *colon = memchr(at, ':', (size_t)(end - at));
    if (!unescape(at, (size_t)((colon ? colon : end) - at), ret->user, sizeof ret->user))
        return false;
    return !colon ||
           unescape(colon + 1, (size_t)(end - colon - 1), ret->password, sizeof ret->password);
}

int amqp_url_parse(const char *url, struct amqp_url *ret, struct mg_err *err)
{
    *ret = (struct amqp_url){0};
    ret->target.tls = strncmp(url, "amqps://", 8) == 0;
    if (!ret->target.tls && strncmp(url, "amqp://", 7) != 0)
        return bad_url(err, url, "must begin with amqp:// or amqps://");
    const char *at = url + (ret->target.tls ? 8 : 7), *end = at + strcspn(at, "/?#"), *user = NULL;
    for (const char *p = at; p < end; p++)
        if (*p == '@')
            user = p;
    if (user && !split_user(ret, at, user))
        return bad_url(err, url, "user or password is too long or holds a NUL");
    if (user)
        at = user + 1;
    const char *host_end, *port;
    if (*at == '[') {
        at++;
        host_end = memchr(at, ']', (size_t)(end - at));
        if (!host_end)
            return bad_url(err, url, "the [ of an IPv6 address is not closed");
        port = host_end + 1;
    } else {
        host_end = memchr(at, ':', (size_t)(end - at));
        if (!host_end)
            host_end = end;
        port = host_end;
    }
    if (host_end == at || (size_t)(host_end - at) >= sizeof ret->target.host)
        return bad_url(err, url, "has no host, or one that is too long");
    memcpy(ret->target.host, at, (size_t)(host_end - at));
    if (port < end && *port == ':') {
        size_t len = (size_t)(end - port - 1);
        unsigned number = 0;
        for (size_t i = 0; i < len && i < 6; i++)
            number = port[1 + i] >= '0' && port[1 + i] <= '9'
                         ? number * 10 + (unsigned)(port[1 + i] - '0')
                         : 99999;
        if (len == 0 || len > 5 || number == 0 || number > 65535)
            return bad_url(err, url, "the port must be a number from 1 to 65535");
        memcpy(ret->target.port, port + 1, len);
    } else if (port != end) {
        return bad_url(err, url, "what follows the host is not a port");
    } else {
        snprintf(ret->target.port, sizeof ret->target.port, "%s",
                 ret->target.tls ? "5671" : "5672");
    }
    if (*end == '?' || *end == '#')
        return bad_url(err, url, "takes no ? or # part");
    if (*end == '/' && end[1]) {
        memcpy(ret->vhost, "vhost:", 6);
        if (!unescape(end + 1, strlen(end + 1), ret->vhost + 6, sizeof ret->vhost - 6))
            return bad_url(err, url, "the virtual host is too long or holds a NUL");
    }
    return 0;
}

int amqp_check(const void *settings, struct mg_err *err)
{
    const struct amqp_settings *s = settings;
    const char *const *urls = s->urls.items;
    for (size_t i = 0; i < s->urls.count; i++) {
        struct amqp_url url;
        int r = amqp_url_parse(urls[i], &url, err);
        bool user = s->user || url.user[0], password = s->password || url.password[0];
        explicit_bzero(url.password, sizeof url.password);
        if (r < 0)
            return r;
        if (s->sasl == AMQP_SASL_PLAIN && (!user || !password)) {
            snprintf(err->text, sizeof err->text, "SASL PLAIN needs user and password");
            err->option = user ? "password" : "user";
            return -EINVAL;
        }
        if (s->sasl == AMQP_SASL_EXTERNAL && (!url.target.tls || !s->tls.cert)) {
            snprintf(err->text, sizeof err->text,
                     "SASL EXTERNAL needs an amqps:// url and tls.cert");
            err->option = "sasl";
            return -EINVAL;
        }
        if (user && !password && s->sasl == AMQP_SASL_AUTO) {
            snprintf(err->text, sizeof err->text,
                     "user without password; name the mechanism by `sasl`");
            err->option = "user";
            return -EINVAL;
        }
    }
    if (s->tls.key && !s->tls.cert) {
        snprintf(err->text, sizeof err->text, "tls.key needs tls.cert");
        err->option = "tls";
        return -EINVAL;
    }
    if (s->reconnect.first_ms > s->reconnect.most_ms) {
        snprintf(err->text, sizeof err->text, "reconnect.first is longer than reconnect.most");
        err->option = "reconnect";
        return -EINVAL;
    }
    return 0;
}
