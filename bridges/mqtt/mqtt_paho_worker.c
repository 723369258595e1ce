/* SPDX-License-Identifier: Apache-2.0 */
/* The thread that calls into Paho: a handle per session, made by connect and destroyed by drop. */
#include "mqtt_paho.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void drop_handle(struct mqtt_client *client)
{
    if (!client->has_handle)
        return;
    /* Writes DISCONNECT where it can, closes, and fails what is under way, all before it returns.
     */
    MQTTAsync_destroy(&client->handle);
    client->has_handle = false;
    for (struct paho_call *call = client->subscribes, *next; call; call = next) {
        next = call->next;
        free(call);
    }
    client->subscribes = NULL;
}

/* ---- connect -------------------------------------------------------------------------------- */

/* Paho knows tcp and ssl where users write mqtt and mqtts.  Default ports are Paho's. */
static int paho_url(const char *url, char *buffer, size_t size)
{
    static const char *const schemes[][2] = {
        {"mqtt://", "tcp://"}, {"mqtts://", "ssl://"}, {"ws://", "ws://"}, {"wss://", "wss://"}};
    for (size_t i = 0; i < sizeof(schemes) / sizeof(schemes[0]); i++) {
        size_t length = strlen(schemes[i][0]);
        if (!strncmp(url, schemes[i][0], length)) {
            int used = snprintf(buffer, size, "%s%s", schemes[i][1], url + length);
            return used > 0 && (size_t)used < size ? 0 : -EINVAL;
        }
    }
    return -EINVAL;
}

static int add_number(MQTTProperties *properties, enum MQTTPropertyCodes code, uint32_t value)
{
    MQTTProperty property = {.identifier = code};
    if (MQTTProperty_getType(code) == MQTTPROPERTY_TYPE_TWO_BYTE_INTEGER)
        property.value.integer2 = (unsigned short)value;
    else
        property.value.integer4 = value;
    return MQTTProperties_add(properties, &property);
}

static void connect_properties(const struct mqtt_client_options *options,
                               MQTTProperties *properties)
{
    if (options->session_expiry_s)
        add_number(properties, MQTTPROPERTY_CODE_SESSION_EXPIRY_INTERVAL,
                   options->session_expiry_s);
    if (options->receive_maximum)
        add_number(properties, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, options->receive_maximum);
    if (options->max_packet)
        add_number(properties, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, options->max_packet);
}

static void fill_tls(struct mqtt_client *client, MQTTAsync_SSLOptions *ssl)
{
    const struct mqtt_tls *tls = client->options.tls;
    ssl->trustStore = tls->ca;
    ssl->CApath = tls->ca_path;
    ssl->keyStore = tls->cert;
    ssl->privateKey = tls->key;
    ssl->privateKeyPassword = tls->key_password;
    ssl->enableServerCertAuth = tls->verify != MQTT_VERIFY_NONE;
    ssl->verify = tls->verify == MQTT_VERIFY_FULL;
    ssl->protos = tls->alpn;
    ssl->protos_len = tls->alpn_length;
    ssl->ssl_error_cb = paho_tls_error;
    ssl->ssl_error_context = client;
}

static void fill_will(const struct mqtt_will *from, MQTTAsync_willOptions *will,
                      MQTTProperties *properties)
{
    will->topicName = from->topic;
    will->payload.data = from->payload ? from->payload : "";
    will->payload.len = from->payload ? (int)strlen(from->payload) : 0;
    will->qos = from->qos;
    will->retained = from->retain;
    if (from->delay_s)
        add_number(properties, MQTTPROPERTY_CODE_WILL_DELAY_INTERVAL, from->delay_s);
}

static int call_connect(struct mqtt_client *client)
{
    const struct mqtt_client_options *options = &client->options;
    MQTTAsync_connectOptions v3 = MQTTAsync_connectOptions_initializer;
    MQTTAsync_connectOptions v5 = MQTTAsync_connectOptions_initializer5;
    MQTTAsync_connectOptions connect = options->v5 ? v5 : v3;
    MQTTProperties properties = MQTTProperties_initializer,
                   will_properties = MQTTProperties_initializer;
    MQTTAsync_SSLOptions ssl = MQTTAsync_SSLOptions_initializer;
    MQTTAsync_willOptions will = MQTTAsync_willOptions_initializer;

    connect.keepAliveInterval = options->keep_alive_s;
    connect.maxInflight = (int)options->in_flight_most;
    connect.connectTimeout = 3600; /* the bridge has its own */
    connect.retryInterval = 0;
    connect.username = options->user;
    connect.password = options->password;
    connect.context = client;
    connect.ssl = &ssl;
    if (options->tls)
        fill_tls(client, &ssl);
    if (options->will) {
        fill_will(options->will, &will, &will_properties);
        connect.will = &will;
    }
    if (options->v5) {
        connect.cleanstart = options->clean_start;
        connect.onSuccess5 = paho_connect_success5;
        connect.onFailure5 = paho_connect_failure5;
        connect_properties(options, &properties);
        connect.connectProperties = &properties;
        connect.willProperties = &will_properties;
    } else {
        connect.MQTTVersion = MQTTVERSION_3_1_1;
        connect.cleansession = options->clean_start;
        connect.onSuccess = paho_connect_success;
        connect.onFailure = paho_connect_failure;
    }
    int rc = MQTTAsync_connect(client->handle, &connect);
    MQTTProperties_free(&properties);
    MQTTProperties_free(&will_properties);
    return rc;
}

static void do_connect(struct mqtt_client *client, const struct paho_op *op)
{
    char url[1024];
    MQTTAsync_createOptions v3 = MQTTAsync_createOptions_initializer;
    MQTTAsync_createOptions v5 = MQTTAsync_createOptions_initializer5;
    MQTTAsync_createOptions create = client->options.v5 ? v5 : v3;

    drop_handle(client);
    client->handle_session = op->session;
    pthread_mutex_lock(&client->lock);
    client->tls_error[0] = 0;
    client->reference[0] = 0;
    pthread_mutex_unlock(&client->lock);
    create.maxBufferedMessages = (int)client->options.in_flight_most + 16;
    int rc = paho_url(op->url, url, sizeof(url));
    if (!rc)
        rc = MQTTAsync_createWithOptions(&client->handle, url, client->options.client_id,
                                         MQTTCLIENT_PERSISTENCE_NONE, NULL, &create);
    if (!rc) {
        client->has_handle = true;
        MQTTAsync_setCallbacks(client->handle, client, paho_connection_lost, paho_message_arrived,
                               NULL);
        MQTTAsync_setDisconnected(client->handle, client, paho_disconnected);
        rc = call_connect(client);
    }
    if (rc)
        paho_note(client, PAHO_REFUSED, 0, 0,
                  rc == -EINVAL ? "the url is not usable" : MQTTAsync_strerror(rc));
}

/* ---- subscribe, publish --------------------------------------------------------------------- */

static void do_subscribe(struct mqtt_client *client, const struct paho_op *op)
{
    const struct mqtt_subscription *subscription = &op->subscription;
    MQTTAsync_responseOptions call = MQTTAsync_responseOptions_initializer;
    struct paho_call *context = malloc(sizeof(*context));
    if (!context) {
        paho_note(client, PAHO_LOST, 0, 0, "out of memory");
        return;
    }
    *context = (struct paho_call){.client = client, .index = op->index, .next = client->subscribes};
    client->subscribes = context;
    call.context = context;
    if (client->options.v5) {
        call.onSuccess5 = paho_subscribe_success5;
        call.onFailure5 = paho_subscribe_failure5;
        call.subscribeOptions.noLocal = subscription->no_local;
        call.subscribeOptions.retainAsPublished = subscription->retain_as_published;
        call.subscribeOptions.retainHandling = subscription->retain_handling;
        if (subscription->id)
            add_number(&call.properties, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIER,
                       subscription->id);
    } else {
        call.onSuccess = paho_subscribe_success;
        call.onFailure = paho_subscribe_failure;
    }
    int rc = MQTTAsync_subscribe(client->handle, subscription->filter, subscription->qos, &call);
    MQTTProperties_free(&call.properties);
    if (rc)
        paho_note(client, PAHO_LOST, 0, 0, MQTTAsync_strerror(rc));
}

static void do_publish(struct mqtt_client *client, struct paho_op *op)
{
    MQTTAsync_responseOptions call = MQTTAsync_responseOptions_initializer;
    call.context = &client->publishes[op->index];
    if (client->options.v5) {
        call.onSuccess5 = paho_publish_success5;
        call.onFailure5 = paho_publish_failure5;
    } else {
        call.onSuccess = paho_publish_success;
        call.onFailure = paho_publish_failure;
    }
    int rc = MQTTAsync_sendMessage(client->handle, op->topic, &op->message, &call);
    if (rc == MQTTASYNC_BAD_UTF8_STRING)
        paho_note(client, PAHO_CONFIRMED, op->index, MQTTREASONCODE_TOPIC_NAME_INVALID, NULL);
    else if (rc)
        paho_note(client, PAHO_LOST, 0, 0, MQTTAsync_strerror(rc));
}

static void do_op(struct mqtt_client *client, struct paho_op *op)
{
    /* What was queued for a session that has ended since is nobody's any more. */
    bool current = client->has_handle && op->session == client->handle_session;
    switch (op->kind) {
    case PAHO_CONNECT:
        do_connect(client, op);
        break;
    case PAHO_SUBSCRIBE:
        if (current)
            do_subscribe(client, op);
        break;
    case PAHO_PUBLISH:
        if (current)
            do_publish(client, op);
        break;
    case PAHO_DROP:
        drop_handle(client);
        paho_note(client, PAHO_ENDED, 0, 0, NULL);
        break;
    }
}

/* ---- the thread ----------------------------------------------------------------------------- */

static void *worker(void *arg)
{
    struct mqtt_client *client = arg;
    pthread_mutex_lock(&client->lock);
    while (!client->orphaned) {
        struct paho_op *op = client->queue;
        if (!op) {
            client->waiting = true;
            pthread_cond_wait(&client->work, &client->lock);
            client->waiting = false;
            continue;
        }
        client->queue = NULL;
        client->queue_last = &client->queue;
        pthread_mutex_unlock(&client->lock);
        for (struct paho_op *next; op; op = next) {
            next = op->next;
            do_op(client, op);
            paho_op_free(op);
        }
        pthread_mutex_lock(&client->lock);
    }
    pthread_mutex_unlock(&client->lock);
    drop_handle(client);
    paho_client_free(client);
    return NULL;
}

/* ---- the process ---------------------------------------------------------------------------- */

/* Threads of clients that were destroyed, or soon will be; the last unload waits for them. */
static struct {
    pthread_mutex_t lock;
    uint32_t users;
    pthread_t *threads;
    size_t count, capacity;
    MQTTAsync keeper;
} process = {.lock = PTHREAD_MUTEX_INITIALIZER};

int paho_worker_start(struct mqtt_client *client)
{
    int rc = 0;
    pthread_attr_t attributes;
    pthread_mutex_lock(&process.lock);
    if (process.count == process.capacity) {
        size_t capacity = process.capacity * 2 + 16;
        pthread_t *grown = realloc(process.threads, capacity * sizeof(*grown));
        if (grown) {
            process.threads = grown;
            process.capacity = capacity;
        } else {
            rc = -ENOMEM;
        }
    }
    if (!rc)
        rc = -pthread_attr_init(&attributes);
    if (!rc) {
        pthread_attr_setstacksize(&attributes, 1 << 20); /* thread-local memory included */
        rc = -pthread_create(&client->thread, &attributes, worker, client);
        pthread_attr_destroy(&attributes);
    }
    if (!rc)
        process.threads[process.count++] = client->thread;
    pthread_mutex_unlock(&process.lock);
    return rc;
}

int mqtt_paho_load(void)
{
    int rc = 0;
    pthread_mutex_lock(&process.lock);
    if (!process.users) {
        MQTTAsync_init_options init = MQTTAsync_init_options_initializer;
        init.do_openssl_init = 0; /* OpenSSL does that itself since 1.1.0 */
        MQTTAsync_global_init(&init);
        /* Paho stops its threads and frees its lists with its last handle, and would do so while
         * another connection is being made: one handle that never connects keeps them. */
        if (MQTTAsync_create(&process.keeper, "tcp://localhost:1883", "keeper",
                             MQTTCLIENT_PERSISTENCE_NONE, NULL))
            rc = -ENOMEM;
    }
    if (!rc)
        process.users++;
    pthread_mutex_unlock(&process.lock);
    return rc;
}

void mqtt_paho_unload(void)
{
    pthread_mutex_lock(&process.lock);
    if (--process.users) {
        pthread_mutex_unlock(&process.lock);
        return;
    }
    for (size_t i = 0; i < process.count; i++)
        pthread_join(process.threads[i], NULL);
    free(process.threads);
    process.threads = NULL;
    process.count = process.capacity = 0;
    MQTTAsync_destroy(&process.keeper);
    pthread_mutex_unlock(&process.lock);
}
