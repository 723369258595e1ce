/* SPDX-License-Identifier: Apache-2.0 */
/* QoS 2 over a restart: what the client knows of its exchanges, as entries in the gateway's store,
 * and the exchanges that an earlier process has left.
 *
 * An exchange that was left and whose event comes again goes on where it was.  One whose event does
 * not come (it has expired, or somebody has dropped it) holds a place among those under way: after
 * confirm_timeout, and when another event needs that place, it is ended by PUBREL. */
#include "mqtt_bridge.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Key: direction and packet identifier.  Value: version, phase, then two numbers; all of it
 * big-endian. */
enum { KEY_BYTES = 3, VALUE_BYTES = 18, VALUE_VERSION = 1, ID_MOST = 60000 };

static void put_number(uint8_t *at, uint64_t number, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        at[i] = (uint8_t)(number >> (8 * (bytes - 1 - i)));
}

static uint64_t get_number(const uint8_t *at, size_t bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < bytes; i++)
        number = number << 8 | at[i];
    return number;
}

struct bytes_of_entry {
    uint8_t key[KEY_BYTES], value[VALUE_BYTES];
};

static struct bytes_of_entry to_bytes(const struct mqtt_kept *kept)
{
    struct bytes_of_entry bytes;
    bytes.key[0] = kept->phase == MQTT_KEPT_RECEIVED ? 'i' : 'o';
    put_number(bytes.key + 1, kept->id, 2);
    bytes.value[0] = VALUE_VERSION;
    bytes.value[1] = kept->phase;
    put_number(bytes.value + 2, kept->what, 8);
    put_number(bytes.value + 10, kept->order, 8);
    return bytes;
}

static bool from_bytes(struct mg_bytes key, struct mg_bytes value, struct mqtt_kept *ret_kept)
{
    const uint8_t *k = key.at, *v = value.at;
    if (key.len != KEY_BYTES || value.len != VALUE_BYTES || v[0] != VALUE_VERSION)
        return false;
    bool in = k[0] == 'i';
    *ret_kept = (struct mqtt_kept){.id = (uint16_t)get_number(k + 1, 2),
                                   .phase = v[1],
                                   .what = get_number(v + 2, 8),
                                   .order = get_number(v + 10, 8)};
    return ret_kept->id && (in ? v[1] == MQTT_KEPT_RECEIVED
                               : k[0] == 'o' && ret_kept->id <= ID_MOST &&
                                     (v[1] == MQTT_KEPT_PUBLISHED || v[1] == MQTT_KEPT_RELEASED));
}

static int put(void *arg, const struct mqtt_kept *kept, bool remove, void (*done)(void *arg),
               void *done_arg)
{
    struct mqtt_link *link = arg;
    const struct bytes_of_entry bytes = to_bytes(kept);
    int rc = link->host->state_put(link->core, (struct mg_bytes){bytes.key, KEY_BYTES},
                                   remove ? (struct mg_bytes){NULL, 0}
                                          : (struct mg_bytes){bytes.value, VALUE_BYTES},
                                   done, done_arg);
    return rc ? -ENOMEM : 0; /* whatever it is, it passes or keeps the event waiting */
}

void mqtt_kept_remove(struct mqtt_link *link, uint32_t flight)
{
    const struct mqtt_kept kept = {.id = (uint16_t)(flight + 1), .phase = MQTT_KEPT_PUBLISHED};
    link->flights[flight].kept = false;
    /* Without memory it stays, and after a restart its event does not come. */
    put(link, &kept, true, NULL, NULL);
}

int mqtt_kept_ingest(struct mqtt_link *link, mg_source *source, const struct mg_message *message,
                     uint64_t cookie, const struct mqtt_kept *entry)
{
    if (!entry)
        return link->host->ingest(link->core, source, message, cookie);
    const struct bytes_of_entry bytes = to_bytes(entry);
    return link->host->ingest_state(link->core, source, message, cookie,
                                    (struct mg_bytes){bytes.key, KEY_BYTES},
                                    (struct mg_bytes){bytes.value, VALUE_BYTES});
}

void mqtt_kept_doubt(struct mqtt_link *link)
{
    link->host->count(link->bridge->instance, COUNT_DOUBTFUL, 1);
    if (link->doubt_said)
        return;
    link->doubt_said = true;
    link->host->log(link->bridge->instance, MG_WARN,
                    "the server has forgotten the session with QoS 2 messages under way: they are "
                    "sent anew, and may arrive twice");
}

/* ---- at the start --------------------------------------------------------------------------- */

struct loading {
    struct mqtt_link *link;
    uint8_t (*strange)[16]; /* keys of what is none of ours, behind their length */
    size_t strange_count;
    bool failed;
};

/* What cannot be read is removed: a later version wrote it, or a key is too long to be ours. */
static void note_strange(struct loading *loading, struct mg_bytes key)
{
    uint8_t(*grown)[16] =
        realloc(loading->strange, (loading->strange_count + 1) * sizeof(*loading->strange));
    if (!grown || key.len > 15)
        return;
    loading->strange = grown;
    uint8_t *at = loading->strange[loading->strange_count++];
    at[0] = (uint8_t)key.len;
    memcpy(at + 1, key.at, key.len);
}

static void on_entry(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    struct loading *loading = arg;
    struct mqtt_link *link = loading->link;
    struct mqtt_kept kept;
    if (mqtt_spill_load(link, key, value))
        return;
    if (!link->keeps_entries || !from_bytes(key, value, &kept)) {
        note_strange(loading, key);
        return;
    }
    if (link->entry_count == link->entry_capacity) {
        size_t capacity = link->entry_capacity * 2 + 64;
        struct mqtt_kept *grown = realloc(link->entries, capacity * sizeof(*grown));
        if (!grown) {
            loading->failed = true;
            return;
        }
        link->entries = grown;
        link->entry_capacity = capacity;
    }
    link->entries[link->entry_count++] = kept;
}

static int by_order(const void *a, const void *b)
{
    const struct mqtt_kept *x = a, *y = b;
    return (x->order > y->order) - (x->order < y->order);
}

static int by_delivery(const void *a, const void *b)
{
    const struct mqtt_left *x = a, *y = b;
    return (x->delivery > y->delivery) - (x->delivery < y->delivery);
}

/* The outgoing ones among the entries, to be found by their deliveries. */
static int make_left(struct mqtt_link *link)
{
    link->left = calloc(link->entry_count + 1, sizeof(*link->left));
    if (!link->left)
        return -ENOMEM;
    if (!link->entry_count)
        return 0;
    qsort(link->entries, link->entry_count, sizeof(*link->entries), by_order);
    for (size_t i = 0; i < link->entry_count; i++) {
        const struct mqtt_kept *kept = &link->entries[i];
        if (kept->phase == MQTT_KEPT_RECEIVED)
            continue;
        link->left[link->left_count++] = (struct mqtt_left){
            .delivery = kept->what,
            .order = kept->order,
            .flight = kept->id - 1u,
            .state = kept->phase == MQTT_KEPT_RELEASED ? LEFT_RELEASED : LEFT_PUBLISHED};
    }
    qsort(link->left, link->left_count, sizeof(*link->left), by_delivery);
    return 0;
}

static bool has_store(const struct mg_host *host)
{
    return host->size >= offsetof(struct mg_host, source_stored) + sizeof(host->source_stored) &&
           host->state_put && host->state_each && host->ingest_state && host->source_stored;
}

bool mqtt_source_stored(const struct mqtt_link *link, const struct mqtt_source *source)
{
    return has_store(link->host) && link->host->source_stored(source->core);
}

int mqtt_kept_load(struct mqtt_link *link)
{
    const struct mg_host *host = link->host;
    struct loading loading = {.link = link};
    if (!has_store(host))
        return 0;
    /* Without a session that survives there is nothing that an entry could be true of. */
    link->keeps_entries = mqtt_session_survives(link->bridge->settings) &&
                          link->bridge->client_ops->publish_kept != NULL;
    int rc = host->state_each(link->core, (struct mg_bytes){"", 0}, on_entry, &loading);
    if (rc) {
        link->keeps_entries = false;
        return rc == -ENOTSUP ? 0 : rc;
    }
    for (size_t i = 0; i < loading.strange_count; i++)
        host->state_put(link->core,
                        (struct mg_bytes){loading.strange[i] + 1, loading.strange[i][0]},
                        (struct mg_bytes){NULL, 0}, NULL, NULL);
    free(loading.strange);
    if (loading.failed)
        return -ENOMEM;
    link->keeper = (struct mqtt_keeper){.put = put, .arg = link};
    rc = make_left(link);
    link->keeper.entries = link->entries;
    link->keeper.entry_count = link->entry_count;
    return rc;
}

/* Flights are listed in the order of first sending. */
void mqtt_kept_restore(struct mqtt_link *link)
{
    for (size_t i = 0; i < link->entry_count; i++) {
        const struct mqtt_kept *kept = &link->entries[i];
        if (kept->phase == MQTT_KEPT_RECEIVED)
            continue;
        struct mqtt_flight *flight = &link->flights[kept->id - 1u];
        flight->left = mqtt_left_find(link, kept->what);
        flight->kept = flight->acknowledged = true;
        link->acknowledged++;
        if (kept->phase == MQTT_KEPT_RELEASED)
            mqtt_flight_list(link, kept->id - 1u);
        else
            link->left_published++;
    }
}

void mqtt_kept_loaded(struct mqtt_link *link)
{
    free(link->entries);
    link->entries = NULL;
    link->entry_count = link->entry_capacity = 0;
    link->keeper.entries = NULL;
    link->keeper.entry_count = 0;
}

void mqtt_kept_fini(struct mqtt_link *link)
{
    mqtt_kept_loaded(link);
    mqtt_disarm(link, &link->left_timer);
    mqtt_spill_fini(link);
    free(link->left);
}

/* ---- what was left -------------------------------------------------------------------------- */

struct mqtt_left *mqtt_left_find(struct mqtt_link *link, uint64_t delivery)
{
    const struct mqtt_left key = {.delivery = delivery};
    struct mqtt_left *left = link->left_count ? bsearch(&key, link->left, link->left_count,
                                                        sizeof(*link->left), by_delivery)
                                              : NULL;
    return left && left->state != LEFT_NOT ? left : NULL;
}

void mqtt_left_end(struct mqtt_link *link, struct mqtt_left *left)
{
    if (left->state == LEFT_PUBLISHED)
        link->left_published--;
    if (left->state == LEFT_COMPLETE)
        link->left_complete--;
    left->state = LEFT_NOT;
    link->flights[left->flight].left = NULL;
}

/* Events that never come leave their entries: so many of them are borne with as can be of use. */
static void forget_oldest_complete(struct mqtt_link *link)
{
    struct mqtt_left *oldest = NULL;
    for (size_t i = 0; i < link->left_count; i++) {
        struct mqtt_left *left = &link->left[i];
        if (left->state == LEFT_COMPLETE && (!oldest || left->order < oldest->order))
            oldest = left;
    }
    if (!oldest)
        return;
    uint32_t flight = oldest->flight;
    mqtt_kept_remove(link, flight);
    mqtt_left_end(link, oldest);
    mqtt_flight_free(link, flight);
}

void mqtt_left_confirmed(struct mqtt_link *link, struct mqtt_left *left, uint32_t reason)
{
    uint32_t id = left->flight;
    mqtt_flight_unlist(link, id);
    link->flights[id].acknowledged = false;
    link->acknowledged--;
    if (reason) { /* refused, or the server never had it: the event is sent anew if it comes */
        mqtt_kept_remove(link, id);
        mqtt_left_end(link, left);
        mqtt_flight_free(link, id);
    } else {
        const struct mqtt_kept kept = {.id = (uint16_t)(id + 1),
                                       .phase = MQTT_KEPT_RELEASED,
                                       .what = left->delivery,
                                       .order = left->order};
        if (left->state == LEFT_PUBLISHED) {
            link->left_published--;
            put(link, &kept, false, NULL, NULL);
        }
        left->state = LEFT_COMPLETE;
        if (++link->left_complete > (uint32_t)link->bridge->settings->max_inflight)
            forget_oldest_complete(link);
    }
    mqtt_flights_fewer(link);
}

static void left_late(void *arg)
{
    struct mqtt_link *link = arg;
    mqtt_disarm(link, &link->left_timer);
    link->left_late = true;
    if (link->starved)
        mqtt_left_make_room(link);
}

void mqtt_left_connected(struct mqtt_link *link)
{
    if (link->left_published && !link->left_late && !link->left_timer)
        mqtt_arm(link, &link->left_timer, link->bridge->settings->confirm_timeout_ms, left_late);
}

void mqtt_left_make_room(struct mqtt_link *link)
{
    const struct mqtt_client_ops *ops = link->bridge->client_ops;
    if (!link->left_late || !link->left_published || link->state != LINK_UP)
        return;
    for (size_t i = 0; i < link->left_count; i++)
        if (link->left[i].state == LEFT_PUBLISHED && !link->flights[link->left[i].flight].listed) {
            mqtt_flight_list(link, link->left[i].flight); /* PUBCOMP has its deadline */
            ops->abandon(link->client, link->left[i].flight);
        }
    mqtt_flights_begin_anew(link);
    ops->flush(link->client);
}
