/* SPDX-License-Identifier: Apache-2.0 */
/* The way of a message to the sources that it belongs to, and of their outcomes back to the server.
 *
 * A message with a receipt is acknowledged when every source that got it has settled.  One whose
 * source takes no more is parked: the server is owed its acknowledgement, and stops by itself when
 * it has as many of them under way as the Receive Maximum says (MQTT 5 §4.9), while other sources
 * of the connection and the keep-alive go on.  A message without one waits for a while in the
 * socket, and is dropped then. */
#include "mqtt_bridge.h"
#include <errno.h>
#include <stdlib.h>

enum {
    BY_ADDRESS_LEAST = 64, /* with more sources, the core's index finds them faster */
    STALL_MOST_MS = 1000,  /* how long a full window stops the connection */
    SAY_MS = 10000,
    /* Of all sources of a connection.  MQTT 3.1.1 has no Receive Maximum to hold the server to. */
    PARKED_MOST = 10000,
    PARKED_BYTES_MOST = 64 << 20,
};

/* ---- what is lost, and said ----------------------------------------------------------------- */

static void say(struct mqtt_link *link, uint64_t *count, int64_t *said_us, const char *what)
{
    int64_t now_us = link->host->now_us(link->shard);
    if (*said_us && now_us - *said_us < SAY_MS * 1000)
        return;
    *said_us = now_us ? now_us : 1;
    link->host->log(link->bridge->instance, MG_WARN, "%llu events %s", (unsigned long long)*count,
                    what);
    *count = 0;
}

static void count_dropped(struct mqtt_link *link, uint64_t count)
{
    link->host->count(link->bridge->instance, COUNT_DROPPED_FULL, (int64_t)count);
    link->dropped += count;
    say(link, &link->dropped, &link->dropped_said_us,
        "dropped: they came faster than their routes took them");
}

void mqtt_dropped(void *arg, uint32_t count)
{
    count_dropped(arg, count);
}

static void count_rejected(struct mqtt_link *link)
{
    link->host->count(link->bridge->instance, COUNT_REJECTED, 1);
    link->rejected++;
    say(link, &link->rejected, &link->rejected_said_us,
        "refused by their routes; the server has been told, and does not send them again");
}

/* ---- outcomes ------------------------------------------------------------------------------- */

/* What the core keeps of a message: its receipt, and whether it is of QoS 2, whose receipt may
 * outlive its connection. */
static uint64_t cookie_of(uint64_t receipt, uint8_t qos)
{
    return receipt << 1 | (qos == 2);
}

/* Not taken after all.  A server sends a message again on a new connection alone (MQTT 5 §4.4). */
static void give_back(struct mqtt_link *link, uint64_t receipt, uint8_t qos)
{
    const struct mqtt_client_ops *ops = link->bridge->client_ops;
    if (link->stores) { /* it comes again by itself */
        ops->settle(link->client, receipt, MG_RELEASED);
        return;
    }
    if (link->draining || link->keeps) {
        ops->settle(link->client, receipt, MG_RELEASED);
        /* Of an earlier connection it has come again already, with another receipt. */
        if (!link->draining && link->state == LINK_UP &&
            ((link->first_receipt && receipt >= link->first_receipt) || qos == 2))
            link->give_up = true;
        return;
    }
    /* The server forgets it with the connection: it is lost, and takes no place of others. */
    ops->settle(link->client, receipt, MG_REJECTED);
    count_dropped(link, 1);
}

void mqtt_settled(void *context, void *source, uint64_t cookie, uint32_t outcome,
                  const char *reason)
{
    struct mqtt_link *link = context;
    (void)source;
    (void)reason; /* the route has said it */
    if (mqtt_spill_settled(link, cookie, outcome))
        return;
    if (outcome == MG_RELEASED || outcome == MG_MODIFIED) {
        give_back(link, cookie >> 1, cookie & 1 ? 2 : 1);
        return;
    }
    link->bridge->client_ops->settle(link->client, cookie >> 1, outcome);
    if (outcome == MG_REJECTED)
        count_rejected(link);
}

/* ---- parked --------------------------------------------------------------------------------- */

static struct mqtt_intake *intake_of(struct mqtt_link *link, struct mqtt_source *source)
{
    return source ? &source->intake : &link->by_address;
}

static void stall_over(void *arg);

static void append(struct mqtt_intake *intake, struct mqtt_parked *parked)
{
    if (intake->first)
        intake->last->next = parked;
    else
        intake->first = parked;
    intake->last = parked;
}

static void forget(struct mqtt_link *link, struct mqtt_parked *parked)
{
    link->parked_count--;
    link->parked_bytes -= parked->bytes;
    free(parked);
}

static int park(struct mqtt_link *link, struct mqtt_intake *intake,
                const struct mg_message *message, uint64_t receipt, const struct mqtt_kept *entry)
{
    struct mqtt_parked *parked = malloc(sizeof(*parked));
    mg_event *event = parked ? link->host->event_new(message) : NULL;
    if (!event) {
        free(parked);
        return -ENOMEM;
    }
    *parked = (struct mqtt_parked){
        .event = event,
        .receipt = receipt,
        .bytes = sizeof(*parked) + message->head.address.len + message->payload.len,
        .qos = message->head.qos,
        .has_entry = entry,
    };
    if (entry)
        parked->entry = *entry;
    append(intake, parked);
    link->parked_count++;
    link->parked_bytes += parked->bytes;
    /* A window that was full for want of memory gives no credit: asked again now and then. */
    if (!link->stall_timer)
        mqtt_arm(link, &link->stall_timer, STALL_MOST_MS, stall_over);
    return 0;
}

/* 0: the event is the core's. */
static int ingest_parked(struct mqtt_link *link, mg_source *source, struct mqtt_parked *parked)
{
    const struct mg_host *host = link->host;
    uint64_t cookie = cookie_of(parked->receipt, parked->qos);
    if (!parked->has_entry)
        return host->ingest_event(link->core, source, parked->event, cookie);
    struct mg_message message = {.head = *host->event_head(parked->event),
                                 .payload = host->event_payload(parked->event)};
    message.properties = host->event_properties(parked->event, &message.property_count);
    int rc = mqtt_kept_ingest(link, source, &message, cookie, &parked->entry);
    if (!rc)
        host->event_unref(parked->event);
    return rc;
}

static void unpark(struct mqtt_link *link, struct mqtt_source *source)
{
    struct mqtt_intake *intake = intake_of(link, source);
    /* A client that waits for its message ends no connection before. */
    while (intake->first && (link->state == LINK_UP || link->stores)) {
        struct mqtt_parked *parked = intake->first;
        intake->first = parked->next;
        if (ingest_parked(link, source ? source->core : NULL, parked)) {
            parked->next = intake->first;
            intake->first = parked;
            if (!parked->next)
                intake->last = parked;
            return;
        }
        link->received++;
        forget(link, parked);
    }
}

static void unpark_all(struct mqtt_link *link)
{
    unpark(link, NULL);
    for (size_t i = 0; i < link->source_count && link->parked_count; i++)
        unpark(link, link->sources[i]);
}

static void drop_parked(struct mqtt_link *link, struct mqtt_intake *intake, uint8_t qos_most)
{
    struct mqtt_parked *next = intake->first;
    intake->first = intake->last = NULL;
    for (struct mqtt_parked *parked; (parked = next);) {
        next = parked->next;
        parked->next = NULL;
        if (parked->qos > qos_most) {
            append(intake, parked);
            continue;
        }
        link->host->event_unref(parked->event);
        if (link->stores)
            give_back(link, parked->receipt, parked->qos);
        forget(link, parked);
    }
}

static void drop_all_parked(struct mqtt_link *link, uint8_t qos_most)
{
    drop_parked(link, &link->by_address, qos_most);
    for (size_t i = 0; i < link->source_count && link->parked_count; i++)
        drop_parked(link, &link->sources[i]->intake, qos_most);
}

/* A server that has kept the session sends again what is not acknowledged: at QoS 1 all of it, at
 * QoS 2 without those that the client knows to be here.  One that has not has nothing but us. */
void mqtt_parked_resume(struct mqtt_link *link, bool session_present)
{
    link->first_receipt = 0;
    if (link->bridge->client_ops->defers_ack)
        link->offered_to = 0; /* the message that was offered has gone with its connection */
    if (session_present)
        drop_all_parked(link, 1);
    unpark_all(link);
}

/* ---- back-pressure -------------------------------------------------------------------------- */

static void go_on(struct mqtt_link *link)
{
    if (!link->stalled)
        return;
    link->stalled = false;
    link->bridge->client_ops->resume(link->client);
}

void mqtt_sources_stop(struct mqtt_link *link)
{
    if (!mqtt_session_survives(link->bridge->settings) && !link->stores)
        link->dropped_at_stop += link->parked_count;
    drop_all_parked(link, 2);
    mqtt_disarm(link, &link->stall_timer);
    go_on(link);
}

static void stall_over(void *arg)
{
    struct mqtt_link *link = arg;
    mqtt_disarm(link, &link->stall_timer);
    unpark_all(link);
    if (link->parked_count)
        mqtt_arm(link, &link->stall_timer, STALL_MOST_MS, stall_over);
    go_on(link);
}

/* The window is full, and nobody would send the message again.  Waits for a while, in which the
 * socket backs up; then what is for this source is dropped, so that the others and the keep-alive
 * go on.  -EAGAIN or 0: dropped. */
static int stall(struct mqtt_link *link, struct mqtt_intake *intake)
{
    int64_t now_us = link->host->now_us(link->shard);
    int64_t most_us = link->bridge->settings->keep_alive_ms * 1000 / 4;
    if (most_us > STALL_MOST_MS * 1000)
        most_us = STALL_MOST_MS * 1000;
    if (!intake->stalled_us)
        intake->stalled_us = now_us ? now_us : 1;
    if (now_us - intake->stalled_us >= most_us) {
        count_dropped(link, 1);
        return 0;
    }
    if (!link->stall_timer)
        mqtt_arm(link, &link->stall_timer, most_us / 1000 + 1, stall_over);
    return -EAGAIN;
}

void mqtt_credit(void *context, void *of, uint32_t more)
{
    struct mqtt_link *link = context;
    struct mqtt_source *source = of;
    (void)more;
    mqtt_spill_offer(link);
    intake_of(link, source)->stalled_us = 0;
    unpark(link, source);
    if (!link->parked_count)
        mqtt_disarm(link, &link->stall_timer);
    go_on(link);
}

/* ---- to the sources ------------------------------------------------------------------------- */

static void no_memory(struct mqtt_link *link, uint64_t receipt, uint8_t qos)
{
    give_back(link, receipt, qos);
    if (link->give_up)
        mqtt_link_fail(link, "out of memory");
}

/* The core has it, or it is parked: in both cases this source holds the receipt. */
static void ingest_held(struct mqtt_link *link, struct mqtt_source *source,
                        const struct mg_message *message, uint64_t receipt)
{
    const struct mqtt_client_ops *ops = link->bridge->client_ops;
    struct mqtt_intake *intake = intake_of(link, source);
    struct mqtt_kept kept;
    const struct mqtt_kept *entry =
        link->alone && ops->entry(link->client, receipt, &kept) ? &kept : NULL;
    ops->hold(link->client, receipt);
    if (!intake->first && !mqtt_kept_ingest(link, source ? source->core : NULL, message,
                                            cookie_of(receipt, message->head.qos), entry)) {
        link->received++;
        return;
    }
    if (!park(link, intake, message, receipt, entry))
        return;
    no_memory(link, receipt, message->head.qos);
}

static int ingest(struct mqtt_link *link, struct mqtt_source *source,
                  const struct mg_message *message, uint64_t receipt)
{
    struct mqtt_intake *intake = intake_of(link, source);
    if (receipt) {
        ingest_held(link, source, message, receipt);
        return 0;
    }
    if (intake->first) /* it does not overtake them */
        return stall(link, intake);
    int rc = link->host->ingest(link->core, source ? source->core : NULL, message, 0);
    if (rc == -EAGAIN)
        return stall(link, intake);
    intake->stalled_us = 0;
    if (rc)
        count_dropped(link, 1);
    else
        link->received++;
    return 0;
}

/* Ends that had the message before the one that was full are counted in offered_to and skipped. */
static int ingest_chain(struct mqtt_link *link, struct mqtt_source *source,
                        const struct mg_message *message, uint64_t receipt, size_t *position)
{
    for (; source; source = source->next_same, ++*position) {
        if (*position < link->offered_to)
            continue;
        int rc = ingest(link, source, message, receipt);
        if (rc)
            return rc;
        link->offered_to = *position + 1;
    }
    return 0;
}

/* Whether one source gets it, so that its exchange can be kept together with its event.  Of several
 * the first may have it when the last one gives it back; the client then keeps the exchange itself
 * once all have accepted. */
static bool for_one(const struct mqtt_link *link, const struct mqtt_publish *publish, bool by_id)
{
    size_t takers = 0;
    if (!link->keeps_entries || publish->qos < 2)
        return false;
    if (!by_id && link->source_count > BY_ADDRESS_LEAST && !link->any_shared)
        return true;
    for (size_t i = 0; by_id && i < publish->subscription_id_count; i++) {
        uint32_t id = publish->subscription_ids[i];
        const struct mqtt_source *source =
            id && id <= link->sub_count ? link->subs[id - 1].sources : NULL;
        for (; source; source = source->next_same)
            takers++;
    }
    for (size_t i = 0; !by_id && i < link->source_count; i++)
        takers += mqtt_filter_matches(link->sources[i]->filter, publish->topic);
    return takers == 1;
}

static int ingest_by_id(struct mqtt_link *link, const struct mqtt_publish *publish,
                        const struct mg_message *message, uint64_t receipt)
{
    size_t position = 0;
    int rc = 0;
    for (size_t i = 0; i < publish->subscription_id_count && !rc; i++) {
        uint32_t id = publish->subscription_ids[i];
        if (id && id <= link->sub_count)
            rc = ingest_chain(link, link->subs[id - 1].sources, message, receipt, &position);
    }
    return rc;
}

static int ingest_by_filter(struct mqtt_link *link, const struct mqtt_publish *publish,
                            const struct mg_message *message, uint64_t receipt)
{
    if (link->source_count > BY_ADDRESS_LEAST && !link->any_shared)
        return ingest(link, NULL, message, receipt);
    for (size_t i = link->offered_to; i < link->source_count; i++) {
        struct mqtt_source *source = link->sources[i];
        int rc = mqtt_filter_matches(source->filter, publish->topic)
                     ? ingest(link, source, message, receipt)
                     : 0;
        if (rc)
            return rc;
        link->offered_to = i + 1;
    }
    return 0;
}

/* A message that was queued for an earlier process may carry identifiers that meant other filters
 * there, or none. */
static bool ids_fit(const struct mqtt_link *link, const struct mqtt_publish *publish)
{
    if (!link->by_id || !publish->subscription_id_count)
        return false;
    for (size_t i = 0; link->old_ids && i < publish->subscription_id_count; i++) {
        uint32_t id = publish->subscription_ids[i];
        if (!id || id > link->sub_count ||
            !mqtt_filter_matches(link->subs[id - 1].sources->filter, publish->topic))
            return false;
    }
    return true;
}

/* What comes while the gateway stops is not taken.  With a receipt it stays the server's, which
 * sends it again where it keeps the session. */
static int leave(struct mqtt_link *link, const struct mqtt_publish *publish, uint64_t receipt)
{
    if (receipt && link->stores) {
        mqtt_spill(link, publish, receipt);
        return 0;
    }
    if (receipt)
        link->bridge->client_ops->hold(link->client, receipt);
    if (!receipt || !mqtt_session_survives(link->bridge->settings))
        link->dropped_at_stop++;
    return 0;
}

int mqtt_message(void *arg, const struct mqtt_publish *publish, uint64_t receipt)
{
    struct mqtt_link *link = arg;
    struct mg_message message;
    if (link->draining)
        return leave(link, publish, receipt);
    if (receipt && !link->first_receipt)
        link->first_receipt = receipt;
    if (link->stores && link->subs_pending && link->state == LINK_UP)
        mqtt_subscribe_wait(link); /* Paho asks when it has a moment without a message */
    if (receipt && (link->parked_count >= PARKED_MOST || link->parked_bytes >= PARKED_BYTES_MOST)) {
        link->stalled = true;
        return -EAGAIN;
    }
    int64_t wall_us = publish->has_expiry ? link->host->wall_us(link->shard) : 0;
    if (mqtt_to_message(publish, wall_us, &link->in, &message)) {
        if (receipt) {
            link->bridge->client_ops->hold(link->client, receipt);
            no_memory(link, receipt, publish->qos);
        } else {
            count_dropped(link, 1);
        }
        return 0;
    }
    bool by_id = ids_fit(link, publish);
    link->alone = receipt && for_one(link, publish, by_id);
    int rc = by_id ? ingest_by_id(link, publish, &message, receipt)
                   : ingest_by_filter(link, publish, &message, receipt);
    link->stalled = rc == -EAGAIN;
    if (!link->stalled)
        link->offered_to = 0;
    return rc;
}
