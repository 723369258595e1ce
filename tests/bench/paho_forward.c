/* SPDX-License-Identifier: Apache-2.0 */
/* A bare loop on Eclipse Paho: whatever one client receives the other publishes, from the callback,
 * and nothing else.  It tells the cost of the client library from that of the gateway.
 *
 *   paho_forward SOURCE_PORT SINK_PORT FILTER QOS */
#include <MQTTAsync.h>
#include <stdio.h>
#include <unistd.h>

static MQTTAsync source, sink;
static const char *filter, *source_port;
static int qos;

static void die(const char *what, int code)
{
    fprintf(stderr, "paho_forward: %s: %d\n", what, code);
    _exit(1);
}

static void failed(void *context, MQTTAsync_failureData *data)
{
    (void)context;
    die("a request failed", data ? data->code : 0);
}

static int arrived(void *context, char *topic, int length, MQTTAsync_message *message)
{
    (void)context, (void)length;
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    int code =
        MQTTAsync_send(sink, topic, message->payloadlen, message->payload, qos, 0, &response);
    if (code)
        die("send", code);
    MQTTAsync_freeMessage(&message);
    MQTTAsync_free(topic);
    return 1;
}

static void lost(void *context, char *why)
{
    (void)context, (void)why;
    die("connection lost", 0);
}

static void subscribed(void *context, MQTTAsync_successData *data)
{
    (void)context, (void)data;
    fprintf(stderr, "ready\n");
}

static void source_connected(void *context, MQTTAsync_successData *data)
{
    (void)context, (void)data;
    MQTTAsync_responseOptions response = MQTTAsync_responseOptions_initializer;
    response.onSuccess = subscribed;
    response.onFailure = failed;
    int code = MQTTAsync_subscribe(source, filter, qos, &response);
    if (code)
        die("subscribe", code);
}

static void connect_to(MQTTAsync *client, const char *port, const char *id,
                       MQTTAsync_onSuccess *connected)
{
    char url[64];
    snprintf(url, sizeof url, "tcp://127.0.0.1:%s", port);
    int code = MQTTAsync_create(client, url, id, MQTTCLIENT_PERSISTENCE_NONE, NULL);
    if (!code)
        code = MQTTAsync_setCallbacks(*client, NULL, lost, arrived, NULL);
    MQTTAsync_connectOptions connect = MQTTAsync_connectOptions_initializer;
    connect.cleansession = 1;
    connect.maxInflight = 65535;
    connect.onSuccess = connected;
    connect.onFailure = failed;
    if (!code)
        code = MQTTAsync_connect(*client, &connect);
    if (code)
        die("connect", code);
}

static void sink_connected(void *context, MQTTAsync_successData *data)
{
    (void)context, (void)data;
    connect_to(&source, source_port, "paho-source", source_connected);
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: paho_forward SOURCE_PORT SINK_PORT FILTER QOS\n");
        return 2;
    }
    source_port = argv[1];
    filter = argv[3];
    qos = argv[4][0] == '1';
    connect_to(&sink, argv[2], "paho-sink", sink_connected);
    for (;;)
        pause();
}
