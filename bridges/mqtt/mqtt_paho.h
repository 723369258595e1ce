/* SPDX-License-Identifier: Apache-2.0 */
/* The client on Eclipse Paho MQTT C, inside: parts that share one struct.
 *
 *   mqtt_paho.c         the shard: queues operations, takes notes and messages in
 *   mqtt_paho_worker.c  a thread per client, the only one that calls into Paho, so that the shard
 *                       never waits for Paho's process-wide lock
 *   mqtt_paho_packet.c  a PUBLISH of ours to Paho's structs and back
 *   mqtt_paho_calls.c   Paho's callbacks, on its threads, under its lock: they append and return
 *
 * Locks: Paho's, then the client's; the worker holds neither while it calls the other. */
#pragma once
#include "mqtt_client.h"
#include <MQTTAsync.h>
#include <pthread.h>

enum paho_op_kind { PAHO_CONNECT, PAHO_SUBSCRIBE, PAHO_PUBLISH, PAHO_DROP };

/* One operation for the worker, with all that it needs behind it in the same block. */
struct paho_op {
    struct paho_op *next;
    enum paho_op_kind kind;
    uint32_t session;
    const char *url;                       /* CONNECT */
    struct mqtt_subscription subscription; /* SUBSCRIBE */
    uint32_t index;                        /* SUBSCRIBE: of the subscription; PUBLISH: the id */
    const char *topic;                     /* PUBLISH */
    MQTTAsync_message message;             /* PUBLISH */
};

enum paho_note_kind {
    PAHO_CONNECTED,
    PAHO_REFUSED,
    PAHO_LOST,
    PAHO_SUBSCRIBED,
    PAHO_CONFIRMED,
    PAHO_ENDED
};
enum { PAHO_WHY_SIZE = 240, PAHO_REFERENCE_SIZE = 300 };

/* What a callback has to say to the shard. */
struct paho_note {
    enum paho_note_kind kind;
    uint32_t session, index, reason;
};

struct paho_message {
    char *topic;
    size_t topic_length;
    MQTTAsync_message *message;
};

struct paho_messages {
    struct paho_message *items;
    size_t count, capacity, next;
};

/* The context of one operation's callbacks. */
struct paho_call {
    struct mqtt_client *client;
    uint32_t index;
    size_t bytes;           /* shard: of an unconfirmed publish */
    struct paho_call *next; /* worker: of a subscribe */
};

struct mqtt_client {
    const struct mg_host *host;
    mg_shard *shard;
    struct mqtt_client_options options;
    struct mqtt_client_events events;
    void *arg;
    struct paho_call *publishes; /* in_flight_most of them */

    /* shard */
    mg_wake *wake;
    uint32_t session;
    bool down;                       /* refused, lost or disconnected: only `ended` is to come */
    bool paused;                     /* a message was not taken */
    bool wants_room;                 /* a publish was not taken */
    struct paho_op *ops, **ops_last; /* not flushed yet */
    struct paho_op *drop; /* ends the session; made with it, so that ending cannot fail */
    size_t unconfirmed_bytes;
    struct paho_messages taking;
    struct paho_note *noting;
    size_t noting_capacity;
    struct mqtt_publish publish; /* of the message being offered */
    struct mqtt_user *users;
    uint32_t *subscription_ids;
    size_t user_capacity, id_capacity;
    /* The message that a callback waits with; one at a time, since it holds Paho's lock. */
    struct paho_message held;
    uint64_t receipt; /* of its offering; they grow */
    uint32_t holds, outcome;
    mg_timer *again; /* it was given back */

    /* under the lock */
    pthread_mutex_t lock;
    pthread_cond_t work; /* the worker waits for it */
    pthread_cond_t room; /* a callback waits for it */
    bool orphaned;       /* destroyed; the worker frees the rest */
    bool waiting;        /* the worker sleeps */
    struct paho_op *queue, **queue_last;
    struct paho_note *notes;
    size_t note_count, note_capacity;
    struct paho_messages messages;
    bool answered;                 /* the message that a callback waits with is settled */
    bool let_go;                   /* … and need not be any more */
    size_t in_hand, in_hand_bytes; /* messages that the bridge has not taken yet */
    uint32_t dropped;
    int64_t no_wait_until_ms;
    struct mqtt_connack connack;
    char why[PAHO_WHY_SIZE];
    uint32_t why_session;
    char reference[PAHO_REFERENCE_SIZE]; /* the server named instead; "": none */
    char tls_error[PAHO_WHY_SIZE - 90];

    /* worker */
    pthread_t thread;
    MQTTAsync handle;
    bool has_handle;
    uint32_t handle_session;      /* written while there is no handle, read by its callbacks */
    struct paho_call *subscribes; /* of this handle */
};

/* mqtt_paho_worker.c */
int paho_worker_start(struct mqtt_client *client);
/* mqtt_paho.c */
void paho_client_free(struct mqtt_client *client);
/* mqtt_paho_packet.c */
struct paho_op *paho_op_new(enum paho_op_kind kind, size_t behind); /* NULL: out of memory */
void paho_op_free(struct paho_op *op);                              /* NULL is fine */
/* bytes: what mqtt_publish_size says, which is no less than what is copied.  NULL: out of memory.
 */
struct paho_op *paho_op_publish(const struct mqtt_publish *publish, bool v5, size_t bytes);
/* The properties of a received message into client->publish.  0 or -ENOMEM. */
int paho_fill_properties(struct mqtt_client *client, MQTTAsync_message *message);

/* mqtt_paho_calls.c; any thread but the shard. */
void paho_note(struct mqtt_client *client, enum paho_note_kind kind, uint32_t index,
               uint32_t reason, const char *why);
int paho_message_arrived(void *context, char *topic, int topic_length, MQTTAsync_message *message);
void paho_connection_lost(void *context, char *cause);
void paho_disconnected(void *context, MQTTProperties *properties, enum MQTTReasonCodes reason);
void paho_connect_success(void *context, MQTTAsync_successData *data);
void paho_connect_success5(void *context, MQTTAsync_successData5 *data);
void paho_connect_failure(void *context, MQTTAsync_failureData *data);
void paho_connect_failure5(void *context, MQTTAsync_failureData5 *data);
void paho_subscribe_success(void *context, MQTTAsync_successData *data);
void paho_subscribe_success5(void *context, MQTTAsync_successData5 *data);
void paho_subscribe_failure(void *context, MQTTAsync_failureData *data);
void paho_subscribe_failure5(void *context, MQTTAsync_failureData5 *data);
void paho_publish_success(void *context, MQTTAsync_successData *data);
void paho_publish_success5(void *context, MQTTAsync_successData5 *data);
void paho_publish_failure(void *context, MQTTAsync_failureData *data);
void paho_publish_failure5(void *context, MQTTAsync_failureData5 *data);
int paho_tls_error(const char *text, size_t length, void *context);
