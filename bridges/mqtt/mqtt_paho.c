/* SPDX-License-Identifier: Apache-2.0 */
/* The client on Eclipse Paho MQTT C, the shard's side. */
#include "mqtt_paho.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Unconfirmed bytes: Paho keeps a copy of each of them. */
enum { UNCONFIRMED_BYTES_MOST = 32 << 20 };
/* Messages offered in one turn of the loop, so that others have theirs. */
enum { OFFERED_MOST = 1024 };

static void free_message(struct paho_message *entry)
{
    if (!entry->message)
        return;
    MQTTAsync_freeMessage(&entry->message);
    MQTTAsync_free(entry->topic);
    *entry = (struct paho_message){NULL, 0, NULL};
}

static void messages_free(struct paho_messages *messages)
{
    for (size_t i = messages->next; i < messages->count; i++) {
        MQTTAsync_freeMessage(&messages->items[i].message);
        MQTTAsync_free(messages->items[i].topic);
    }
    free(messages->items);
}

static void ops_free(struct paho_op *op)
{
    for (struct paho_op *next; op; op = next) {
        next = op->next;
        paho_op_free(op);
    }
}

void paho_client_free(struct mqtt_client *client)
{
    free_message(&client->held);
    messages_free(&client->taking);
    messages_free(&client->messages);
    ops_free(client->ops);
    ops_free(client->queue);
    paho_op_free(client->drop);
    free(client->publishes);
    pthread_cond_destroy(&client->work);
    pthread_cond_destroy(&client->room);
    pthread_mutex_destroy(&client->lock);
    free(client->notes);
    free(client->noting);
    free(client->users);
    free(client->subscription_ids);
    free(client);
}

static size_t backlog(struct mqtt_client *client)
{
    pthread_mutex_lock(&client->lock);
    size_t count = client->in_hand + client->dropped + (client->held.message != NULL);
    pthread_mutex_unlock(&client->lock);
    return count;
}

static void destroy(struct mqtt_client *client)
{
    if (!client)
        return;
    const struct mg_host *host = client->host;
    mg_wake *wake = client->wake;
    host->timer_stop(client->again);
    client->again = NULL;
    pthread_mutex_lock(&client->lock);
    client->orphaned = true; /* nobody wakes the shard any more */
    pthread_cond_signal(&client->work);
    pthread_cond_broadcast(&client->room);
    pthread_mutex_unlock(&client->lock); /* from here on it is the worker's */
    host->wake_free(wake);
}

/* ---- from the callbacks --------------------------------------------------------------------- */

static void end_session(struct mqtt_client *client);

static int offer(struct mqtt_client *client, const struct paho_message *entry, uint64_t receipt)
{
    MQTTAsync_message *message = entry->message;
    client->publish = (struct mqtt_publish){
        .topic = {entry->topic, entry->topic_length},
        .payload = {message->payload, (size_t)message->payloadlen},
        .qos = (uint8_t)message->qos,
        .retain = message->retained,
        .dup = message->dup,
    };
    int rc = client->options.v5 ? paho_fill_properties(client, message) : 0;
    return rc ? rc : client->events.message(client->arg, &client->publish, receipt);
}

/* ---- a message that its callback waits with ------------------------------------------------- */

enum { AGAIN_MS = 100 };

static void settle(struct mqtt_client *client, uint64_t receipt, uint32_t outcome);

/* 0 or -EAGAIN.  Without memory it is offered again. */
static int offer_held(struct mqtt_client *client, const struct paho_message *entry)
{
    struct paho_message held = *entry;
    uint64_t receipt = ++client->receipt;
    client->holds = 1;
    client->outcome = MG_ACCEPTED;
    int rc = offer(client, &held, receipt);
    if (rc == -EAGAIN)
        return rc;
    client->held = held;
    settle(client, receipt, rc ? MG_RELEASED : MG_ACCEPTED);
    return 0;
}

static void offer_again(void *arg)
{
    struct mqtt_client *client = arg;
    client->host->timer_stop(client->again);
    client->again = NULL;
    if (offer_held(client, &client->held))
        client->again = client->host->timer_start(client->shard, AGAIN_MS, 0, offer_again, client);
}

static void hold(struct mqtt_client *client, uint64_t receipt)
{
    if (receipt && receipt == client->receipt)
        client->holds++;
}

static void settle(struct mqtt_client *client, uint64_t receipt, uint32_t outcome)
{
    if (!receipt || receipt != client->receipt || !client->holds)
        return;
    if (outcome > client->outcome)
        client->outcome = outcome;
    if (--client->holds)
        return;
    if (client->outcome >= MG_RELEASED) {
        client->again = client->host->timer_start(client->shard, AGAIN_MS, 0, offer_again, client);
        return;
    }
    free_message(&client->held);
    pthread_mutex_lock(&client->lock);
    client->answered = true;
    pthread_cond_broadcast(&client->room);
    pthread_mutex_unlock(&client->lock);
}

static void let_go(struct mqtt_client *client)
{
    pthread_mutex_lock(&client->lock);
    client->let_go = true;
    pthread_cond_broadcast(&client->room);
    pthread_mutex_unlock(&client->lock);
}

/* ---- messages in ---------------------------------------------------------------------------- */

/* Under the lock: what came in since, once the last lot is through. */
static void swap_messages(struct mqtt_client *client)
{
    struct paho_messages *taking = &client->taking;
    if (taking->next < taking->count)
        return;
    struct paho_messages empty = *taking;
    empty.count = empty.next = 0;
    *taking = client->messages;
    client->messages = empty;
}

/* Offers what is in hand.  true: there is more, and the bridge takes it. */
static bool take_messages(struct mqtt_client *client)
{
    struct paho_messages *taking = &client->taking;
    size_t offered = 0, bytes = 0;
    bool more = false;
    while (taking->next < taking->count && !client->paused && offered < OFFERED_MOST) {
        struct paho_message *entry = &taking->items[taking->next];
        bool waits = client->options.stores && entry->message->qos;
        size_t size = entry->topic_length + (size_t)entry->message->payloadlen;
        if ((waits ? offer_held(client, entry) : offer(client, entry, 0)) == -EAGAIN) {
            client->paused = true;
            break;
        }
        if (!waits)
            free_message(entry);
        taking->next++;
        offered++;
        bytes += size;
    }
    pthread_mutex_lock(&client->lock);
    client->in_hand -= offered;
    client->in_hand_bytes -= bytes;
    swap_messages(client);
    more = taking->next < taking->count && !client->paused;
    if (offered)
        pthread_cond_broadcast(&client->room);
    pthread_mutex_unlock(&client->lock);
    return more;
}

static void confirmed(struct mqtt_client *client, const struct paho_note *note)
{
    struct paho_call *call = &client->publishes[note->index];
    client->unconfirmed_bytes -= call->bytes;
    call->bytes = 0;
    client->events.confirmed(client->arg, note->index, note->reason);
    if (client->wants_room && client->unconfirmed_bytes <= UNCONFIRMED_BYTES_MOST / 4 * 3) {
        client->wants_room = false;
        client->events.writable(client->arg);
    }
}

static void take_note(struct mqtt_client *client, const struct paho_note *note, const char *why,
                      const char *reference, const struct mqtt_connack *connack)
{
    if (client->down || note->session != client->session)
        return;
    switch (note->kind) {
    case PAHO_CONNECTED:
        client->events.connected(client->arg, connack);
        break;
    case PAHO_SUBSCRIBED:
        client->events.subscribed(client->arg, note->index, note->reason);
        break;
    case PAHO_CONFIRMED:
        confirmed(client, note);
        break;
    case PAHO_REFUSED:
        end_session(client);
        client->events.refused(client->arg, note->reason, why, reference);
        break;
    case PAHO_LOST:
        end_session(client);
        client->events.lost(client->arg, note->reason, why, reference);
        break;
    case PAHO_ENDED:
        break;
    }
}

static void woken(void *arg)
{
    struct mqtt_client *client = arg;
    char why[PAHO_WHY_SIZE], reference[PAHO_REFERENCE_SIZE];
    pthread_mutex_lock(&client->lock);
    struct paho_note *notes = client->notes;
    size_t count = client->note_count, capacity = client->note_capacity;
    client->notes = client->noting;
    client->note_capacity = client->noting_capacity;
    client->note_count = 0;
    client->noting = notes;
    client->noting_capacity = capacity;
    struct mqtt_connack connack = client->connack;
    uint32_t dropped = client->dropped;
    client->dropped = 0;
    memcpy(why, client->why, sizeof(why));
    memcpy(reference, client->reference, sizeof(reference));
    swap_messages(client);
    pthread_mutex_unlock(&client->lock);

    bool ended = false;
    for (size_t i = 0; i < count; i++) {
        if (notes[i].kind == PAHO_ENDED)
            ended = notes[i].session == client->session;
        else
            take_note(client, &notes[i], why, *reference ? reference : NULL, &connack);
    }
    if (dropped)
        client->events.dropped(client->arg, dropped);
    if (take_messages(client))
        client->host->wake(client->wake);
    if (ended) {
        client->unconfirmed_bytes = 0;
        client->events.ended(client->arg); /* may destroy the client */
    }
}

/* ---- operations ----------------------------------------------------------------------------- */

static void flush(struct mqtt_client *client)
{
    if (!client->ops)
        return;
    pthread_mutex_lock(&client->lock);
    *client->queue_last = client->ops;
    client->queue_last = client->ops_last;
    if (client->waiting)
        pthread_cond_signal(&client->work);
    pthread_mutex_unlock(&client->lock);
    client->ops = NULL;
    client->ops_last = &client->ops;
}

static void push(struct mqtt_client *client, struct paho_op *op)
{
    op->next = NULL;
    op->session = client->session;
    *client->ops_last = op;
    client->ops_last = &op->next;
}

static int connect_url(struct mqtt_client *client, const char *url)
{
    struct paho_op *op = paho_op_new(PAHO_CONNECT, 0);
    if (op && !client->drop)
        client->drop = paho_op_new(PAHO_DROP, 0);
    if (!op || !client->drop) {
        paho_op_free(op);
        return -ENOMEM;
    }
    client->session++;
    client->down = false;
    op->url = url;
    push(client, op);
    flush(client);
    return 0;
}

static void end_session(struct mqtt_client *client)
{
    client->down = true;
    ops_free(client->ops);
    client->ops = NULL;
    client->ops_last = &client->ops;
    for (uint32_t i = 0; i < client->options.in_flight_most; i++)
        client->publishes[i].bytes = 0;
    client->unconfirmed_bytes = 0;
    client->wants_room = false;
    push(client, client->drop);
    client->drop = NULL;
    flush(client);
}

static void disconnect(struct mqtt_client *client)
{
    if (!client->down)
        end_session(client);
}

static int subscribe(struct mqtt_client *client, const struct mqtt_subscription *subscriptions,
                     uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count; i++) {
        struct paho_op *op = paho_op_new(PAHO_SUBSCRIBE, 0);
        if (!op)
            return -ENOMEM;
        op->subscription = subscriptions[i];
        op->index = i;
        push(client, op);
    }
    return 0;
}

static int publish(struct mqtt_client *client, const struct mqtt_publish *publish, uint32_t id)
{
    size_t bytes = (size_t)mqtt_publish_size(publish, client->options.v5);
    if (client->unconfirmed_bytes && client->unconfirmed_bytes + bytes > UNCONFIRMED_BYTES_MOST) {
        client->wants_room = true;
        return -EAGAIN;
    }
    struct paho_op *op = paho_op_publish(publish, client->options.v5, bytes);
    if (!op)
        return -ENOMEM;
    op->index = id;
    push(client, op);
    client->publishes[id].bytes = bytes;
    client->unconfirmed_bytes += bytes;
    return 0;
}

static void resume(struct mqtt_client *client)
{
    if (!client->paused)
        return;
    client->paused = false;
    client->host->wake(client->wake);
}

/* Nothing is kept that could be forgotten. */
static void forget(struct mqtt_client *client)
{
    (void)client;
}

/* ---- birth ---------------------------------------------------------------------------------- */

static int create(const struct mg_host *host, mg_shard *shard,
                  const struct mqtt_client_options *options,
                  const struct mqtt_client_events *events, void *arg,
                  struct mqtt_client **ret_client, struct mg_err *reterr)
{
    struct mqtt_client *client = calloc(1, sizeof(*client));
    pthread_condattr_t clock;
    if (!client)
        return -ENOMEM;
    client->host = host;
    client->shard = shard;
    client->options = *options;
    client->events = *events;
    client->arg = arg;
    client->down = true;
    client->ops_last = &client->ops;
    client->queue_last = &client->queue;
    pthread_mutex_init(&client->lock, NULL);
    pthread_cond_init(&client->work, NULL);
    pthread_condattr_init(&clock);
    pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
    pthread_cond_init(&client->room, &clock);
    pthread_condattr_destroy(&clock);
    client->publishes = calloc(options->in_flight_most, sizeof(*client->publishes));
    client->notes = calloc(64, sizeof(*client->notes));
    client->noting = calloc(64, sizeof(*client->noting));
    client->note_capacity = client->noting_capacity = 64;
    client->wake = host->wake_new(shard, woken, client);
    int rc = client->publishes && client->notes && client->noting && client->wake ? 0 : -ENOMEM;
    for (uint32_t i = 0; !rc && i < options->in_flight_most; i++)
        client->publishes[i] = (struct paho_call){client, i, 0};
    if (!rc)
        rc = paho_worker_start(client);
    if (rc) {
        if (client->wake)
            host->wake_free(client->wake);
        paho_client_free(client);
        snprintf(reterr->text, sizeof(reterr->text),
                 "no memory or no thread for an MQTT client: %s", strerror(-rc));
        return rc;
    }
    *ret_client = client;
    return 0;
}

const struct mqtt_client_ops mqtt_paho_client = {
    .create = create,
    .connect = connect_url,
    .subscribe = subscribe,
    .publish = publish,
    .hold = hold,
    .settle = settle,
    .let_go = let_go,
    .forget = forget,
    .flush = flush,
    .resume = resume,
    .disconnect = disconnect,
    .backlog = backlog,
    .destroy = destroy,
};
