/* SPDX-License-Identifier: Apache-2.0 */
/* The mqtt bridge as a module: its descriptor and the life of an instance. */
#include "mqtt_bridge.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Each name behind its length, as TLS wants it. */
static int build_alpn(struct mqtt_bridge *bridge)
{
    const struct mg_list *list = &bridge->settings->tls.alpn;
    const char *const *names = list->items;
    size_t size = 0;
    for (size_t i = 0; i < list->count; i++)
        size += 1 + strlen(names[i]);
    if (!size)
        return 0;
    bridge->alpn = malloc(size);
    if (!bridge->alpn)
        return -ENOMEM;
    unsigned char *end = bridge->alpn;
    for (size_t i = 0; i < list->count; i++) {
        size_t length = strlen(names[i]);
        *end++ = (unsigned char)length;
        memcpy(end, names[i], length);
        end += length;
    }
    bridge->tls.alpn = bridge->alpn;
    bridge->tls.alpn_length = (uint32_t)size;
    return 0;
}

static const struct mqtt_client_ops *client_of(const struct mqtt_settings *settings)
{
#ifdef MQTT_WITH_PAHO
    if (settings->client == MQTT_CLIENT_PAHO)
        return &mqtt_paho_client;
#endif
    (void)settings; /* its check has refused what is not in this build */
    return &mqtt_native_client;
}

static int load(struct mqtt_bridge *bridge)
{
#ifdef MQTT_WITH_PAHO
    if (bridge->client_ops == &mqtt_paho_client) {
        int rc = mqtt_paho_load();
        bridge->loaded = !rc;
        return rc;
    }
#endif
    (void)bridge;
    return 0;
}

static void unload(struct mqtt_bridge *bridge)
{
#ifdef MQTT_WITH_PAHO
    if (bridge->loaded)
        mqtt_paho_unload();
#endif
    bridge->loaded = false;
}

static void destroy(void *self)
{
    struct mqtt_bridge *bridge = self;
    if (!bridge)
        return;
    unload(bridge);
    free(bridge->alpn);
    free(bridge);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *of,
                  void **ret_self, struct mg_err *reterr)
{
    const struct mqtt_settings *settings = of;
    struct mqtt_bridge *bridge = calloc(1, sizeof(*bridge));
    if (!bridge) {
        snprintf(reterr->text, sizeof(reterr->text), "out of memory");
        return -ENOMEM;
    }
    bridge->host = host;
    bridge->instance = instance;
    bridge->settings = settings;
    bridge->client_ops = client_of(settings);
    bridge->will = (struct mqtt_will){
        .topic = settings->will.topic,
        .payload = settings->will.payload,
        .qos = (uint8_t)settings->will.qos,
        .retain = settings->will.retain,
        .delay_s = (uint32_t)(settings->will.delay_ms / 1000),
    };
    bridge->tls = (struct mqtt_tls){
        .ca = settings->tls.ca,
        .ca_path = settings->tls.ca_path,
        .cert = settings->tls.cert,
        .key = settings->tls.key,
        .key_password = settings->tls.key_password,
        .verify = (enum mqtt_verify)settings->tls.verify,
        .server_name = settings->tls.server_name,
    };
    int rc = build_alpn(bridge);
    if (!rc)
        rc = load(bridge);
    if (rc) {
        destroy(bridge);
        snprintf(reterr->text, sizeof(reterr->text), "out of memory");
        return rc;
    }
    *ret_self = bridge;
    return 0;
}

/* The connections are destroyed by now; what their threads still do ends before this returns. */
static void stop(void *self)
{
    unload(self);
}

static const char *const counters[] = {
    [COUNT_RECEIVED] = "received",
    [COUNT_PUBLISHED] = "published",
    [COUNT_CONFIRMED] = "confirmed",
    [COUNT_REFUSED] = "refused",
    [COUNT_RELEASED] = "released",
    [COUNT_DROPPED_FULL] = "dropped_full",
    [COUNT_DROPPED_AT_STOP] = "dropped_at_stop",
    [COUNT_CONNECTS] = "connects",
    [COUNT_REJECTED] = "rejected",
    [COUNT_DOUBTFUL] = "doubtful",
    NULL,
};

static const struct mg_life life = {
    .create = create,
    .stop = stop,
    .destroy = destroy,
};

static const struct mg_bridge_ops ops = {
    .size = sizeof(ops),
    .abilities = MG_SOURCE | MG_SINK | MG_DEFERS_ACK | MG_CONFIRMS | MG_ORDERED | MG_FILTERS |
                 MG_NO_ECHO | MG_COMPETES | MG_STORES,
    .end = mqtt_end,
    .open = mqtt_open,
    .open_source = mqtt_open_source,
    .open_sink = mqtt_open_sink,
    .begin = mqtt_begin,
    .credit = mqtt_credit,
    .settled = mqtt_settled,
    .send = mqtt_send,
    .flush = mqtt_flush,
    .drain = mqtt_drain,
    .close = mqtt_close,
    .destroy = mqtt_destroy,
};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_BRIDGE,
    .name = "mqtt",
    .version = "0.1.0",
    .summary = "MQTT 3.1.1 and 5 over TCP, TLS and WebSocket.",
    .options = mqtt_options,
    .source_options = mqtt_source_options,
    .sink_options = mqtt_sink_options,
    .settings_size = sizeof(struct mqtt_settings),
    .source_settings_size = sizeof(struct mqtt_source_settings),
    .sink_settings_size = sizeof(struct mqtt_sink_settings),
    .counters = counters,
    .check = mqtt_settings_check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    return !host_abi || host_abi->major == MG_ABI_MAJOR ? &module : NULL;
}
