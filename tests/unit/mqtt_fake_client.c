/* SPDX-License-Identifier: Apache-2.0 */
/* The scripted client of the bridge's tests. */
#include "mqtt_fake_client.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct fake fake;

struct mqtt_client {
    const struct mg_host *host;
    const struct mqtt_client_events *events;
    void *arg;
    mg_wake *wake;
    uint32_t first, last; /* asked for and not granted yet */
};
static struct mqtt_client *the_client;

void fake_reset(void)
{
    memset(&fake, 0, sizeof(fake));
}

/* ---- the server's side ---------------------------------------------------------------------- */

struct mqtt_connack fake_connack(bool session_present)
{
    return (struct mqtt_connack){
        .session_present = session_present,
        .retain_available = true,
        .subscription_ids_available = true,
        .shared_available = true,
        .wildcard_available = true,
        .maximum_qos = 2,
        .receive_maximum = 65535,
    };
}

void fake_connected(struct mqtt_connack connack)
{
    struct mqtt_client *client = the_client;
    client->first = client->last = 0;
    client->events->connected(client->arg, &connack);
    for (uint32_t i = client->first; i < client->last; i++)
        client->events->subscribed(client->arg, i, 2);
}

void fake_lost(uint32_t reason, const char *reference)
{
    struct mqtt_client *client = the_client;
    client->events->lost(client->arg, reason, "lost, says the test", reference);
    client->events->ended(client->arg);
}

int fake_message(const char *topic, const char *payload, uint8_t qos, uint64_t receipt, uint32_t id)
{
    struct mqtt_publish publish = {
        .topic = {topic, strlen(topic)},
        .payload = {payload, strlen(payload)},
        .qos = qos,
        .subscription_ids = &id,
        .subscription_id_count = id != 0,
    };
    return the_client->events->message(the_client->arg, &publish, receipt);
}

void fake_confirmed(uint32_t id, uint32_t reason)
{
    the_client->events->confirmed(the_client->arg, id, reason);
}

void fake_returned(uint32_t id)
{
    the_client->events->returned(the_client->arg, id);
}

void fake_writable(void)
{
    the_client->events->writable(the_client->arg);
}

/* ---- the client ----------------------------------------------------------------------------- */

static void on_wake(void *arg)
{
    struct mqtt_client *client = arg;
    client->events->ended(client->arg);
}

static int create(const struct mg_host *host, mg_shard *shard,
                  const struct mqtt_client_options *options,
                  const struct mqtt_client_events *events, void *arg,
                  struct mqtt_client **ret_client, struct mg_err *reterr)
{
    (void)reterr;
    struct mqtt_client *client = calloc(1, sizeof(*client));
    if (!client || the_client)
        abort();
    fake.options = *options;
    *client = (struct mqtt_client){.host = host, .events = events, .arg = arg};
    client->wake = host->wake_new(shard, on_wake, client);
    *ret_client = the_client = client;
    return 0;
}

static int connect_to(struct mqtt_client *client, const char *url)
{
    (void)client;
    snprintf(fake.url, sizeof(fake.url), "%s", url);
    fake.connects++;
    return 0;
}

static int subscribe(struct mqtt_client *client, const struct mqtt_subscription *subscriptions,
                     uint32_t first, uint32_t count)
{
    for (uint32_t i = first; i < first + count && fake.subscribed_count < FAKE_MOST; i++)
        snprintf(fake.subscribed[fake.subscribed_count++], sizeof(fake.subscribed[0]), "%s",
                 subscriptions[i].filter);
    client->first = client->last ? client->first : first;
    client->last = first + count;
    return 0;
}

static int publish(struct mqtt_client *client, const struct mqtt_publish *what, uint32_t id)
{
    (void)client;
    if (fake.publish_answer || fake.publish_count == FAKE_MOST)
        return fake.publish_answer ? fake.publish_answer : -EAGAIN;
    struct fake_publish *kept = &fake.publishes[fake.publish_count++];
    kept->id = id;
    kept->qos = what->qos;
    snprintf(kept->payload, sizeof(kept->payload), "%.*s", (int)what->payload.len,
             (const char *)what->payload.at);
    return 0;
}

static void hold(struct mqtt_client *client, uint64_t receipt)
{
    (void)client;
    if (fake.hold_count < FAKE_MOST)
        fake.holds[fake.hold_count] = receipt;
    fake.hold_count++;
}

static void settle(struct mqtt_client *client, uint64_t receipt, uint32_t outcome)
{
    (void)client;
    if (fake.settle_count < FAKE_MOST)
        fake.settles[fake.settle_count] = (struct fake_settle){receipt, outcome};
    fake.settle_count++;
}

static void flush(struct mqtt_client *client)
{
    (void)client;
}

static void resume(struct mqtt_client *client)
{
    (void)client;
    fake.resumes++;
}

static void forget(struct mqtt_client *client)
{
    (void)client;
    fake.forgets++;
}

static void disconnect(struct mqtt_client *client)
{
    fake.disconnects++;
    client->host->wake(client->wake);
}

static size_t backlog(struct mqtt_client *client)
{
    (void)client;
    return 0;
}

static void destroy(struct mqtt_client *client)
{
    if (!client)
        return;
    client->host->wake_free(client->wake);
    the_client = NULL;
    free(client);
}

const struct mqtt_client_ops mqtt_native_client = {
    .defers_ack = true,
    .keeps_publishes = true,
    .takes_no_id = true,
    .create = create,
    .connect = connect_to,
    .subscribe = subscribe,
    .publish = publish,
    .hold = hold,
    .settle = settle,
    .flush = flush,
    .resume = resume,
    .forget = forget,
    .disconnect = disconnect,
    .backlog = backlog,
    .destroy = destroy,
};
