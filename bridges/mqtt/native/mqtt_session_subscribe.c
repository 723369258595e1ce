/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions: asked for many at a time, answered in any order. */
#include "mqtt_session.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int ask(struct mqtt_session *s, uint32_t index, uint16_t id)
{
    const struct mqtt_subscription *wanted = &s->subscriptions[index];
    struct mqtt_filter filter = {
        .filter = {wanted->filter, strlen(wanted->filter)},
        .qos = wanted->qos,
        .retain_handling = wanted->retain_handling,
        .no_local = wanted->no_local,
        .retain_as_published = wanted->retain_as_published,
    };
    struct mqtt_packet packet = {
        .type = MQTT_SUBSCRIBE,
        .id = id,
        .filters = &filter,
        .filter_count = 1,
    };
    if (wanted->id && s->options.v5) {
        packet.properties.has = MQTT_HAS(MQTT_PROP_SUBSCRIPTION_ID);
        packet.properties.subscription_ids = &wanted->id;
        packet.properties.subscription_id_count = 1;
    }
    return mqtt_session_put(s, &packet);
}

/* One filter for each SUBSCRIBE, since an identifier belongs to the packet. */
static int ask_more(struct mqtt_session *s)
{
    for (uint32_t i = 0; s->queue_count && i < MQTT_SUBSCRIBES_MOST; i++) {
        if (s->asked[i] != MQTT_NO_ID)
            continue;
        uint32_t index = s->queue[s->queue_first];
        int rc = ask(s, index, (uint16_t)(MQTT_SUBSCRIBE_ID + i));
        if (rc)
            return rc;
        s->asked[i] = index;
        s->asked_count++;
        s->queue_first++;
        s->queue_count--;
    }
    return 0;
}

int mqtt_session_subscribe(struct mqtt_session *s, const struct mqtt_subscription *subscriptions,
                           uint32_t first, uint32_t count)
{
    if (!s->queue_count)
        s->queue_first = 0;
    uint32_t end = s->queue_first + s->queue_count;
    if (end + count > s->queue_capacity) {
        uint32_t capacity = (end + count) * 2;
        uint32_t *grown = realloc(s->queue, capacity * sizeof(*grown));
        if (!grown)
            return -ENOMEM;
        s->queue = grown;
        s->queue_capacity = capacity;
    }
    s->subscriptions = subscriptions;
    for (uint32_t i = 0; i < count; i++)
        s->queue[end + i] = first + i;
    s->queue_count += count;
    return s->asked_count ? 0 : ask_more(s);
}

int mqtt_session_subscribed(struct mqtt_session *s, const struct mqtt_packet *packet)
{
    uint32_t place = packet->id - (uint32_t)MQTT_SUBSCRIBE_ID;
    if (packet->id < MQTT_SUBSCRIBE_ID || s->asked[place] == MQTT_NO_ID ||
        packet->reason_count != 1)
        return mqtt_session_fault(s, 0x82, "SUBACK %u, which answers no SUBSCRIBE", packet->id);
    uint32_t index = s->asked[place];
    s->asked[place] = MQTT_NO_ID;
    s->asked_count--;
    s->events->subscribed(s->arg, index, packet->reasons[0]);
    return s->state == SESSION_UP && !s->asked_count ? ask_more(s) : 0;
}
