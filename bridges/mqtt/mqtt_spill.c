/* SPDX-License-Identifier: Apache-2.0 */
/* Messages that come while the gateway stops, through a client that acknowledges by itself: no
 * route takes them any more, and the server will not send them again.  They are kept in the store,
 * as PUBLISH packets, and are the first that their sources bring at the next start. */
#include "mqtt_bridge.h"
#include "native/mqtt_packet.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* Key: direction and number.  Value: when it came, wall clock; then the packet.  Big-endian. */
enum { KEY_BYTES = 9, TIME_BYTES = 8 };
#define SPILL_COOKIE (UINT64_C(1) << 63) /* no receipt is that large */

struct mqtt_spilled {
    struct mqtt_spilled *next;
    uint64_t number;
    int64_t wall_us;
    size_t offered_to; /* sources that have it */
    uint32_t holds;
    bool again; /* one has given it back */
    size_t length;
    uint8_t packet[];
};

static void put_number(uint8_t *at, uint64_t number)
{
    for (int i = 0; i < 8; i++)
        at[i] = (uint8_t)(number >> (56 - 8 * i));
}

static uint64_t get_number(const uint8_t *at)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++)
        number = number << 8 | at[i];
    return number;
}

static void key_of(uint64_t number, uint8_t key[KEY_BYTES])
{
    key[0] = 'p';
    put_number(key + 1, number);
}

/* ---- when the gateway stops ----------------------------------------------------------------- */

/* What cannot be kept, for now, comes again. */
static void failed(struct mqtt_link *link, uint64_t receipt)
{
    link->bridge->client_ops->settle(link->client, receipt, MG_RELEASED);
}

static void kept(void *arg)
{
    struct mqtt_link *link = arg;
    uint64_t receipt = link->spilling;
    link->spilling = 0;
    link->bridge->client_ops->settle(link->client, receipt, MG_ACCEPTED);
}

void mqtt_spill(struct mqtt_link *link, const struct mqtt_publish *publish, uint64_t receipt)
{
    const struct mqtt_client_ops *ops = link->bridge->client_ops;
    struct mqtt_publish plain = *publish;
    plain.subscription_id_count = 0; /* they mean nothing to another process */
    uint8_t key[KEY_BYTES];
    size_t most = (size_t)mqtt_publish_size(&plain, true) + TIME_BYTES;
    uint8_t *value = malloc(most);
    ops->hold(link->client, receipt);
    size_t length =
        value ? mqtt_publish_encode(&plain, 1, 0, true, value + TIME_BYTES, most - TIME_BYTES) : 0;
    if (!length || length > most - TIME_BYTES) {
        free(value);
        failed(link, receipt);
        return;
    }
    put_number(value, (uint64_t)link->host->wall_us(link->shard));
    key_of(++link->last_spilled, key);
    link->spilling = receipt;
    if (link->host->state_put(link->core, (struct mg_bytes){key, KEY_BYTES},
                              (struct mg_bytes){value, TIME_BYTES + length}, kept, link)) {
        link->spilling = 0;
        failed(link, receipt);
    }
    free(value);
}

/* ---- when it starts again ------------------------------------------------------------------- */

bool mqtt_spill_load(struct mqtt_link *link, struct mg_bytes key, struct mg_bytes value)
{
    const uint8_t *bytes = value.at;
    if (key.len != KEY_BYTES || *(const char *)key.at != 'p' || value.len <= TIME_BYTES)
        return false;
    struct mqtt_spilled *spilled = malloc(sizeof(*spilled) + value.len - TIME_BYTES);
    if (!spilled)
        return true; /* it stays for another start */
    *spilled = (struct mqtt_spilled){.number = get_number((const uint8_t *)key.at + 1),
                                     .wall_us = (int64_t)get_number(bytes),
                                     .length = value.len - TIME_BYTES};
    memcpy(spilled->packet, bytes + TIME_BYTES, spilled->length);
    if (spilled->number > link->last_spilled)
        link->last_spilled = spilled->number;
    struct mqtt_spilled **at = &link->spilled;
    while (*at)
        at = &(*at)->next;
    *at = spilled;
    return true;
}

static void done_with(struct mqtt_link *link, struct mqtt_spilled *spilled)
{
    uint8_t key[KEY_BYTES];
    struct mqtt_spilled **at = &link->spilled;
    while (*at != spilled)
        at = &(*at)->next;
    *at = spilled->next;
    key_of(spilled->number, key);
    link->host->state_put(link->core, (struct mg_bytes){key, KEY_BYTES}, (struct mg_bytes){NULL, 0},
                          NULL, NULL);
    free(spilled);
}

/* 0: every source has it; -EAGAIN: one takes no more; else it is not usable. */
static int offer(struct mqtt_link *link, struct mqtt_spilled *spilled)
{
    struct mqtt_decoder decoder = {.v5 = true, .server = true};
    struct mqtt_packet packet;
    struct mqtt_fault fault;
    struct mg_message message;
    int rc = mqtt_packet_decode(&decoder, spilled->packet, spilled->length, &packet, &fault);
    if (!rc)
        rc = mqtt_to_message(&packet.publish, spilled->wall_us, &link->in, &message);
    for (size_t i = spilled->offered_to; i < link->source_count && !rc; i++) {
        struct mqtt_source *source = link->sources[i];
        if (mqtt_filter_matches(source->filter, packet.publish.topic)) {
            spilled->holds++;
            rc = link->host->ingest(link->core, source->core, &message,
                                    SPILL_COOKIE | spilled->number);
            if (rc)
                spilled->holds--;
        }
        spilled->offered_to = rc ? i : i + 1;
    }
    mqtt_decoder_fini(&decoder);
    return rc;
}

static void settle_if_done(struct mqtt_link *link, struct mqtt_spilled *spilled)
{
    if (spilled->holds || spilled->offered_to < link->source_count)
        return;
    if (spilled->again) { /* to all of them: one more is better than one less */
        spilled->again = false;
        spilled->offered_to = 0;
        return;
    }
    done_with(link, spilled);
}

void mqtt_spill_offer(struct mqtt_link *link)
{
    struct mqtt_spilled *next;
    if (link->draining || link->spill_busy)
        return;
    link->spill_busy = true; /* ingest may settle, and that may give credit */
    for (struct mqtt_spilled *spilled = link->spilled; spilled; spilled = next) {
        next = spilled->next;
        if (spilled->offered_to == link->source_count)
            continue;
        spilled->holds++; /* of this function */
        int rc = offer(link, spilled);
        spilled->holds--;
        if (rc == -EAGAIN || rc == -ENOMEM)
            break;
        if (rc) {
            link->host->log(link->bridge->instance, MG_ERROR,
                            "a message that was kept at the last stop cannot be read: it is lost");
            done_with(link, spilled);
            continue;
        }
        settle_if_done(link, spilled);
    }
    link->spill_busy = false;
}

bool mqtt_spill_settled(struct mqtt_link *link, uint64_t cookie, uint32_t outcome)
{
    if (!(cookie & SPILL_COOKIE))
        return false;
    struct mqtt_spilled *spilled = link->spilled;
    while (spilled && spilled->number != (cookie & ~SPILL_COOKIE))
        spilled = spilled->next;
    if (!spilled)
        return true;
    spilled->again = spilled->again || outcome == MG_RELEASED || outcome == MG_MODIFIED;
    spilled->holds--;
    settle_if_done(link, spilled);
    return true;
}

void mqtt_spill_fini(struct mqtt_link *link)
{
    while (link->spilled) {
        struct mqtt_spilled *spilled = link->spilled;
        link->spilled = spilled->next;
        free(spilled);
    }
}
