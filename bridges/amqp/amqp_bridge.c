/* SPDX-License-Identifier: Apache-2.0 */
/* The amqp bridge's descriptor: AMQP 1.0 sources and sinks over qpid-proton-c. */
#include "amqp_bridge.h"
#include "amqp_connection.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void bridge_destroy(void *self)
{
    struct amqp_bridge *b = self;
    if (!b)
        return;
    if (b->urls)
        explicit_bzero(b->urls, b->url_count * sizeof *b->urls);
    free(b->urls);
    free(b);
}

static void fill_target(const struct amqp_bridge *b, struct amqp_url *url)
{
    const struct amqp_settings *s = b->settings;
    struct amqp_target *t = &url->target;
    t->user = url->user[0] ? url->user : s->user;
    t->password = url->user[0] && url->password[0] ? url->password : s->password;
    t->sasl = s->sasl;
    t->ca = s->tls.ca;
    t->cert = s->tls.cert;
    t->key = s->tls.key;
    t->key_password = s->tls.key_password;
    t->server_name = s->tls.server_name;
    t->verify = s->tls.verify;
    t->hostname = url->vhost[0] ? url->vhost : s->vhost ? s->vhost : t->host;
    t->idle_ms = (uint32_t)s->idle_timeout_ms;
    t->max_frame = (uint32_t)s->max_frame;
    t->connect_timeout_ms = (uint64_t)s->connect_timeout_ms;
}

static int bridge_create(const struct mg_host *host, mg_instance *instance, const void *settings,
                         void **ret_self, struct mg_err *err)
{
    struct amqp_bridge *b = calloc(1, sizeof *b);
    const struct amqp_settings *s = settings;
    *ret_self = b;
    if (b)
        b->urls = calloc(s->urls.count, sizeof *b->urls);
    if (!b || !b->urls) {
        snprintf(err->text, sizeof err->text, "out of memory");
        return -ENOMEM;
    }
    b->host = host;
    b->instance = instance;
    b->settings = s;
    b->url_count = s->urls.count;
    struct mg_str gateway = host->gateway_name(instance), name = host->instance_name(instance);
    if (s->container_id)
        snprintf(b->container, sizeof b->container, "%s", s->container_id);
    else
        snprintf(b->container, sizeof b->container, "%.*s.%.*s", (int)gateway.len,
                 gateway.at ? gateway.at : "", (int)name.len, name.at ? name.at : "");
    for (size_t i = 0; i < b->url_count; i++) {
        int r = amqp_url_parse(((const char *const *)s->urls.items)[i], &b->urls[i], err);
        if (r < 0)
            return r;
        fill_target(b, &b->urls[i]);
        if (!b->urls[i].target.tls && b->urls[i].target.password &&
            strncmp(b->urls[i].target.host, "127.", 4) != 0 &&
            strcmp(b->urls[i].target.host, "localhost") != 0)
            host->log(instance, MG_WARN, "the password goes to %s unencrypted; use amqps://",
                      b->urls[i].target.host);
    }
    return 0;
}

/* ---- ends ----------------------------------------------------------------------------------- */

static int refuse(struct mg_err *err, const char *what)
{
    snprintf(err->text, sizeof err->text, "%s", what);
    return -EINVAL;
}

static const uint32_t carries_all =
    MG_CARRIES_PROPERTIES | MG_CARRIES_TYPES | MG_CARRIES_REPLY_TO | MG_CARRIES_CORRELATION |
    MG_CARRIES_CONTENT_TYPE | MG_CARRIES_EXPIRY | MG_CARRIES_PRIORITY | MG_CARRIES_RETAIN |
    MG_CARRIES_MESSAGE_ID | MG_CARRIES_GROUP | MG_CARRIES_SUBJECT | MG_CARRIES_CREATED |
    MG_CARRIES_USER | MG_CARRIES_BINARY | MG_CARRIES_ADDRESS;

static int check_rabbitmq(uint32_t direction, const char *address, struct mg_err *err)
{
    struct amqp_address a = amqp_address_parse((struct mg_str){address, strlen(address)});
    if (a.kind == AMQP_ADDRESS_EXCHANGE && a.node.len == strlen("/exchange/"))
        return refuse(err, "/exchange/ needs the exchange's name");
    if (a.kind == AMQP_ADDRESS_EXCHANGE && memchr(a.node.at, '{', a.node.len))
        return refuse(err,
                      "a field cannot stand for the exchange's name, only for its routing key");
    if ((a.kind == AMQP_ADDRESS_EXCHANGE && direction == MG_SOURCE && !a.key.at) ||
        ((a.kind == AMQP_ADDRESS_TOPIC || a.kind == AMQP_ADDRESS_EXCHANGE) && a.key.at &&
         a.key.len == 0))
        return refuse(err, "the address needs a routing or binding key at its end");
    if (a.key.at && direction == MG_SOURCE && !amqp_ascii(a.key.at, a.key.len))
        return refuse(
            err,
            "RabbitMQ 3 takes only ASCII in a binding key; bind a queue on its side and read that");
    if (a.kind == AMQP_ADDRESS_QUEUE && strchr(address + (address[1] == 'a' ? 11 : 7), '/'))
        return refuse(err, "a '/' in a queue's name is written %2F");
    return 0;
}

/* Do several receivers get each message once among them?  A queue's do.  Elsewhere each has its own
 * copy, unless the configuration asks for messages to be moved (AMQP 1.0 §3.5.3). */
static bool competes(bool rabbitmq, const char *address, const struct amqp_source_settings *o)
{
    if (o->dynamic || o->distribution == AMQP_DISTRIBUTION_COPY)
        return false;
    if (!rabbitmq)
        return o->distribution == AMQP_DISTRIBUTION_MOVE;
    enum amqp_form_kind kind = amqp_address_parse((struct mg_str){address, strlen(address)}).kind;
    return kind == AMQP_ADDRESS_QUEUE || kind == AMQP_ADDRESS_PLAIN;
}

static int bridge_end(const void *settings, uint32_t direction, const char *address,
                      const void *end_settings, struct mg_end *ret_end, struct mg_err *err)
{
    const struct amqp_settings *s = settings;
    bool rabbitmq = amqp_is_rabbitmq(s, address);
    if (rabbitmq) {
        int r = check_rabbitmq(direction, address, err);
        if (r < 0)
            return r;
    }
    ret_end->carries = carries_all;
    if (direction == MG_SOURCE) {
        const struct amqp_source_settings *o = end_settings;
        if (!address[0] && !o->dynamic)
            return refuse(err, "the source needs an address, or `dynamic: true`");
        ret_end->abilities = MG_SOURCE | MG_ORDERED | (o->presettled ? 0 : MG_DEFERS_ACK) |
                             (competes(rabbitmq, address, o) ? MG_COMPETES : 0);
    } else {
        const struct amqp_sink_settings *o = end_settings;
        enum amqp_form_kind kind =
            amqp_address_parse((struct mg_str){address, strlen(address)}).kind;
        if (!address[0])
            return refuse(err, "the sink needs an address");
        if (o->relay == AMQP_RELAY_SUBJECT &&
            !(rabbitmq && (kind == AMQP_ADDRESS_EXCHANGE || kind == AMQP_ADDRESS_TOPIC)))
            return refuse(err, "relay: subject is for RabbitMQ's /exchange/ and /topic/ addresses");
        ret_end->abilities = MG_SINK | MG_ORDERED | (o->presettled ? 0 : MG_CONFIRMS);
    }
    return 0;
}

/* A captured text in an address of RabbitMQ: levels become words of the routing key. */
static size_t bridge_escape(const char *address_template, struct mg_str value, char *buffer,
                            size_t size)
{
    struct amqp_address a =
        amqp_address_parse((struct mg_str){address_template, strlen(address_template)});
    if (a.kind == AMQP_ADDRESS_QUEUE)
        return amqp_segment_escape(value, buffer, size);
    if (a.kind == AMQP_ADDRESS_PLAIN) {
        for (size_t i = 0; i < value.len && i < size; i++)
            buffer[i] = value.at[i];
        return value.len;
    }
    char *key = malloc(value.len * 3 + 1);
    if (!key)
        return SIZE_MAX / 2; /* too long for any buffer: the event is tried again */
    size_t len = amqp_topic_to_key(value, key, value.len * 3);
    size_t need = amqp_segment_escape((struct mg_str){key, len}, buffer, size);
    free(key);
    return need;
}

/* ---- connections ---------------------------------------------------------------------------- */

static int bridge_open(void *self, mg_connection *core, uint32_t index, void **ret_context,
                       struct mg_err *err)
{
    *ret_context = amqp_connection_create(self, core, index);
    return *ret_context ? 0 : (refuse(err, "out of memory"), -ENOMEM);
}

static int bridge_open_source(void *context, mg_source *core, const char *address,
                              const void *settings, void **ret_source, struct mg_err *err)
{
    *ret_source = amqp_source_create(context, core, address, settings);
    return *ret_source ? 0 : (refuse(err, "out of memory"), -ENOMEM);
}

static int bridge_open_sink(void *context, mg_sink *core, const char *address, const void *settings,
                            void **ret_sink, struct mg_err *err)
{
    *ret_sink = amqp_sink_create(context, core, address, settings);
    return *ret_sink ? 0 : (refuse(err, "out of memory"), -ENOMEM);
}

static int bridge_begin(void *context, struct mg_err *err)
{
    return amqp_connection_begin(context, err);
}

static void bridge_credit(void *context, void *source, uint32_t more)
{
    (void)context;
    if (source)
        amqp_source_credit(source, more);
}

static void bridge_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                           const char *reason)
{
    (void)context;
    if (source)
        amqp_source_settled(source, cookie, outcome, reason);
}

static int bridge_send(void *context, void *sink, const struct mg_delivery *delivery,
                       struct mg_err *err)
{
    (void)context;
    return amqp_sink_send(sink, delivery, err);
}

static void bridge_flush(void *context)
{
    amqp_connection_flush(context);
}

static void bridge_drain(void *context)
{
    amqp_connection_drain(context);
}

static void bridge_close(void *context)
{
    amqp_connection_close(context);
}

static void bridge_free(void *context)
{
    amqp_connection_destroy(context);
}

static const struct mg_life life = {.create = bridge_create, .destroy = bridge_destroy};
static const char *const counters[] = {"undecodable", "confirm_timeouts", "reconnects", NULL};
static const struct mg_bridge_ops ops = {
    .size = sizeof ops,
    .abilities = MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_ORDERED | MG_COMPETES,
    .end = bridge_end,
    .open = bridge_open,
    .open_source = bridge_open_source,
    .open_sink = bridge_open_sink,
    .begin = bridge_begin,
    .credit = bridge_credit,
    .settled = bridge_settled,
    .send = bridge_send,
    .flush = bridge_flush,
    .drain = bridge_drain,
    .close = bridge_close,
    .destroy = bridge_free,
    .escape = bridge_escape,
};
static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "amqp",
    .version = "0.1.0",
    .summary = "AMQP 1.0 sources and sinks (RabbitMQ, Artemis, Qpid, any 1.0 peer)",
    .options = amqp_options,
    .source_options = amqp_source_options,
    .sink_options = amqp_sink_options,
    .settings_size = sizeof(struct amqp_settings),
    .source_settings_size = sizeof(struct amqp_source_settings),
    .sink_settings_size = sizeof(struct amqp_sink_settings),
    .counters = counters,
    .check = amqp_check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    return host_abi->major == MG_ABI_MAJOR ? &module : NULL;
}
