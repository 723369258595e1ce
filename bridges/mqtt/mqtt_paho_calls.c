/* SPDX-License-Identifier: Apache-2.0 */
/* Paho's callbacks: they run on its threads under its process-wide lock, so they append a note or a
 * message to the client's inbox, wake the shard and return. */
#include "mqtt_paho.h"
#include "mqtt_reason.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* What the inbox of one client holds before messages wait and then drop. */
enum { INBOX_MOST = 8192, INBOX_BYTES_MOST = 64 << 20 };
/* A callback that waits keeps every Paho connection of the process waiting, so it does so only as
 * long as the shard makes room at once, and not again for a while where it did not. */
enum { WAIT_MS = 20, NO_WAIT_MS = 200 };

static int64_t now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

void paho_note(struct mqtt_client *client, enum paho_note_kind kind, uint32_t index,
               uint32_t reason, const char *why)
{
    pthread_mutex_lock(&client->lock);
    if (client->note_count == client->note_capacity) {
        size_t capacity = client->note_capacity * 2 + 64;
        struct paho_note *grown = realloc(client->notes, capacity * sizeof(*grown));
        if (grown) {
            client->notes = grown;
            client->note_capacity = capacity;
        }
    }
    if (client->note_count < client->note_capacity) {
        client->notes[client->note_count++] =
            (struct paho_note){kind, client->handle_session, index, reason};
    } else {
        /* No memory for it: the connection cannot be trusted any more, and this note always fits.
         */
        client->notes[client->note_capacity - 1] =
            (struct paho_note){PAHO_LOST, client->handle_session, 0, 0};
        why = "out of memory";
    }
    /* Often several callbacks tell of one loss; the first knows most. */
    if (why && client->why_session != client->handle_session) {
        client->why_session = client->handle_session;
        snprintf(client->why, sizeof(client->why), "%s", why);
    }
    if (!client->orphaned)
        client->host->wake(client->wake);
    pthread_mutex_unlock(&client->lock);
}

/* ---- messages ------------------------------------------------------------------------------- */

static bool has_room(const struct mqtt_client *client, size_t bytes)
{
    return !client->in_hand ||
           (client->in_hand < INBOX_MOST && client->in_hand_bytes + bytes <= INBOX_BYTES_MOST);
}

static bool wait_for_room(struct mqtt_client *client, size_t bytes)
{
    if (has_room(client, bytes))
        return true;
    if (now_ms() < client->no_wait_until_ms)
        return false;
    struct timespec until;
    clock_gettime(CLOCK_MONOTONIC, &until);
    until.tv_nsec += WAIT_MS * 1000000L;
    if (until.tv_nsec >= 1000000000L) {
        until.tv_sec++;
        until.tv_nsec -= 1000000000L;
    }
    while (!client->orphaned && !has_room(client, bytes))
        if (pthread_cond_timedwait(&client->room, &client->lock, &until))
            break;
    if (has_room(client, bytes))
        return true;
    client->no_wait_until_ms = now_ms() + NO_WAIT_MS;
    return false;
}

static bool append(struct paho_messages *messages, const struct paho_message *message)
{
    if (messages->count == messages->capacity) {
        size_t capacity = messages->capacity * 2 + 64;
        struct paho_message *grown = realloc(messages->items, capacity * sizeof(*grown));
        if (!grown)
            return false;
        messages->items = grown;
        messages->capacity = capacity;
    }
    messages->items[messages->count++] = *message;
    return true;
}

int paho_message_arrived(void *context, char *topic, int topic_length, MQTTAsync_message *message)
{
    struct mqtt_client *client = context;
    struct paho_message entry = {
        .topic = topic,
        .topic_length = topic_length > 0 ? (size_t)topic_length : strlen(topic),
        .message = message,
    };
    size_t bytes = entry.topic_length + (size_t)message->payloadlen;
    pthread_mutex_lock(&client->lock);
    bool taken =
        !client->orphaned && wait_for_room(client, bytes) && append(&client->messages, &entry);
    if (taken) {
        client->in_hand++;
        client->in_hand_bytes += bytes;
    } else {
        client->dropped++;
    }
    bool first = client->messages.count == 1 || client->dropped == 1;
    if (first && !client->orphaned)
        client->host->wake(client->wake);
    /* Paho acknowledges when this returns, whatever it returns; and it does not notice meanwhile
     * that the connection is lost. */
    if (taken && client->options.stores && message->qos) {
        client->answered = false;
        while (!client->answered && !client->let_go && !client->orphaned)
            pthread_cond_wait(&client->room, &client->lock);
    }
    pthread_mutex_unlock(&client->lock);
    if (!taken) {
        MQTTAsync_freeMessage(&message);
        MQTTAsync_free(topic);
    }
    return 1;
}

/* ---- the connection ------------------------------------------------------------------------- */

void paho_connection_lost(void *context, char *cause)
{
    paho_note(context, PAHO_LOST, 0, 0, cause ? cause : "connection lost");
}

static void property_text(MQTTProperties *properties, enum MQTTPropertyCodes code, const char *lead,
                          char *text, size_t size)
{
    MQTTProperty *property = properties ? MQTTProperties_getProperty(properties, code) : NULL;
    size_t used = strlen(text);
    if (property && used < size)
        snprintf(text + used, size - used, "%s%.*s", lead, property->value.data.len,
                 property->value.data.data);
}

void paho_disconnected(void *context, MQTTProperties *properties, enum MQTTReasonCodes reason)
{
    char why[PAHO_WHY_SIZE];
    snprintf(why, sizeof(why), "the server ended it: %s", mqtt_reason_text(reason));
    property_text(properties, MQTTPROPERTY_CODE_REASON_STRING, ": ", why, sizeof(why));
    property_text(properties, MQTTPROPERTY_CODE_SERVER_REFERENCE, "; it names ", why, sizeof(why));
    struct mqtt_client *client = context;
    pthread_mutex_lock(&client->lock);
    property_text(properties, MQTTPROPERTY_CODE_SERVER_REFERENCE, "", client->reference,
                  sizeof(client->reference));
    pthread_mutex_unlock(&client->lock);
    paho_note(context, PAHO_LOST, 0, reason, why);
}

static void connected(struct mqtt_client *client, const struct mqtt_connack *connack)
{
    pthread_mutex_lock(&client->lock);
    client->connack = *connack;
    pthread_mutex_unlock(&client->lock);
    paho_note(client, PAHO_CONNECTED, 0, 0, NULL);
}

static const struct mqtt_connack plain_connack = {
    .retain_available = true,
    .shared_available = true,
    .wildcard_available = true,
    .maximum_qos = 2,
    .receive_maximum = 65535,
};

void paho_connect_success(void *context, MQTTAsync_successData *data)
{
    struct mqtt_connack connack = plain_connack;
    connack.session_present = data->alt.connect.sessionPresent;
    connected(context, &connack);
}

static uint32_t granted(MQTTProperties *properties, enum MQTTPropertyCodes code, uint32_t otherwise)
{
    if (!MQTTProperties_hasProperty(properties, code))
        return otherwise;
    return (uint32_t)MQTTProperties_getNumericValue(properties, code);
}

void paho_connect_success5(void *context, MQTTAsync_successData5 *data)
{
    MQTTProperties *said = &data->properties;
    struct mqtt_connack connack = plain_connack;
    connack.session_present = data->alt.connect.sessionPresent;
    connack.retain_available = granted(said, MQTTPROPERTY_CODE_RETAIN_AVAILABLE, 1);
    connack.subscription_ids_available =
        granted(said, MQTTPROPERTY_CODE_SUBSCRIPTION_IDENTIFIERS_AVAILABLE, 1);
    connack.shared_available = granted(said, MQTTPROPERTY_CODE_SHARED_SUBSCRIPTION_AVAILABLE, 1);
    connack.wildcard_available =
        granted(said, MQTTPROPERTY_CODE_WILDCARD_SUBSCRIPTION_AVAILABLE, 1);
    connack.maximum_qos = (uint8_t)granted(said, MQTTPROPERTY_CODE_MAXIMUM_QOS, 2);
    connack.receive_maximum = (uint16_t)granted(said, MQTTPROPERTY_CODE_RECEIVE_MAXIMUM, 65535);
    connack.maximum_packet = granted(said, MQTTPROPERTY_CODE_MAXIMUM_PACKET_SIZE, 0);
    connected(context, &connack);
}

static void refused(struct mqtt_client *client, int code, uint32_t reason, const char *message)
{
    char why[PAHO_WHY_SIZE];
    pthread_mutex_lock(&client->lock);
    if (reason)
        snprintf(why, sizeof(why), "refused: %s", mqtt_reason_text(reason));
    else
        snprintf(why, sizeof(why), "cannot connect: %.60s%s%s", message ? message : "no connection",
                 client->tls_error[0] ? ": " : "", client->tls_error);
    pthread_mutex_unlock(&client->lock);
    (void)code;
    paho_note(client, PAHO_REFUSED, 0, reason, why);
}

void paho_connect_failure(void *context, MQTTAsync_failureData *data)
{
    int code = data ? data->code : 0;
    refused(context, code, code > 0 ? mqtt_reason_of_return_code((uint32_t)code) : 0,
            data ? data->message : NULL);
}

void paho_connect_failure5(void *context, MQTTAsync_failureData5 *data)
{
    uint32_t reason = data->reasonCode ? (uint32_t)data->reasonCode
                      : data->code > 0 ? (uint32_t)data->code
                                       : 0;
    /* A 3.1.1 server answers with a return code of its own. */
    refused(context, data->code, reason ? mqtt_reason_of_return_code(reason) : 0, data->message);
}

int paho_tls_error(const char *text, size_t length, void *context)
{
    struct mqtt_client *client = context;
    while (length && (text[length - 1] == '\n' || !text[length - 1]))
        length--;
    pthread_mutex_lock(&client->lock);
    snprintf(client->tls_error, sizeof(client->tls_error), "%.*s", (int)length, text);
    pthread_mutex_unlock(&client->lock);
    return 1;
}

/* ---- operations ----------------------------------------------------------------------------- */

void paho_subscribe_success(void *context, MQTTAsync_successData *data)
{
    struct paho_call *call = context;
    paho_note(call->client, PAHO_SUBSCRIBED, call->index, (uint32_t)data->alt.qos, NULL);
}

void paho_subscribe_success5(void *context, MQTTAsync_successData5 *data)
{
    struct paho_call *call = context;
    paho_note(call->client, PAHO_SUBSCRIBED, call->index, data->reasonCode, NULL);
}

void paho_subscribe_failure(void *context, MQTTAsync_failureData *data)
{
    struct paho_call *call = context;
    if (data && data->code == MQTT_BAD_SUBSCRIBE)
        paho_note(call->client, PAHO_SUBSCRIBED, call->index, MQTT_REASON_UNSPECIFIED, NULL);
    else
        paho_note(call->client, PAHO_LOST, 0, 0, "connection lost while subscribing");
}

void paho_subscribe_failure5(void *context, MQTTAsync_failureData5 *data)
{
    struct paho_call *call = context;
    if (data->reasonCode >= MQTTREASONCODE_UNSPECIFIED_ERROR)
        paho_note(call->client, PAHO_SUBSCRIBED, call->index, data->reasonCode, NULL);
    else
        paho_note(call->client, PAHO_LOST, 0, 0, "connection lost while subscribing");
}

void paho_publish_success(void *context, MQTTAsync_successData *data)
{
    struct paho_call *call = context;
    (void)data;
    paho_note(call->client, PAHO_CONFIRMED, call->index, 0, NULL);
}

void paho_publish_success5(void *context, MQTTAsync_successData5 *data)
{
    struct paho_call *call = context;
    (void)data; /* 1.3.12 leaves its reason code unset on PUBACK */
    paho_note(call->client, PAHO_CONFIRMED, call->index, 0, NULL);
}

void paho_publish_failure(void *context, MQTTAsync_failureData *data)
{
    struct paho_call *call = context;
    (void)data;
    paho_note(call->client, PAHO_LOST, 0, 0, "connection lost while publishing");
}

void paho_publish_failure5(void *context, MQTTAsync_failureData5 *data)
{
    struct paho_call *call = context;
    if (data->reasonCode >= MQTTREASONCODE_UNSPECIFIED_ERROR)
        paho_note(call->client, PAHO_CONFIRMED, call->index, data->reasonCode, NULL);
    else
        paho_note(call->client, PAHO_LOST, 0, 0, "connection lost while publishing");
}
