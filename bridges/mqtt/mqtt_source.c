/* SPDX-License-Identifier: Apache-2.0 */
/* Subscriptions, and the way of a message to the sources that it belongs to.
 *
 * On MQTT 5 each subscription has an identifier, and every copy of a message names those that it
 * answers: each source gets it once, whether the server sends one copy or several.  Without
 * identifiers only filters that no other filter covers are subscribed, and a message goes to each
 * source whose own filter matches (docs/decisions/0003-overlapping-subscriptions.md). */
#include "mqtt_bridge.h"
#include "mqtt_reason.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    BY_ADDRESS_LEAST = 64, /* with more sources, the core's index finds them faster */
    STALL_MOST_MS = 1000,  /* how long a full window stops the connection */
    DROPPED_SAY_MS = 10000,
};

int mqtt_open_source(void *context, mg_source *core, const char *address, const void *settings,
                     void **ret_source, struct mg_err *reterr)
{
    struct mqtt_link *link = context;
    struct mg_str group, filter;
    int rc = mqtt_share_split(address, &group, &filter, reterr);
    if (rc)
        return rc;
    struct mqtt_source *source = calloc(1, sizeof(*source));
    if (source && link->source_count == link->source_capacity) {
        size_t capacity = link->source_capacity * 2 + 8;
        struct mqtt_source **grown = realloc(link->sources, capacity * sizeof(*grown));
        if (grown) {
            link->sources = grown;
            link->source_capacity = capacity;
        }
    }
    if (!source || link->source_count == link->source_capacity) {
        free(source);
        snprintf(reterr->text, sizeof(reterr->text), "out of memory");
        return -ENOMEM;
    }
    source->link = link;
    source->core = core;
    source->address = address;
    source->filter = filter;
    source->shared = group.len;
    source->settings = settings;
    link->sources[link->source_count++] = source;
    *ret_source = source;
    return 0;
}

/* ---- what to subscribe ---------------------------------------------------------------------- */

void mqtt_subs_free(struct mqtt_link *link)
{
    free(link->subs);
    free(link->subscriptions);
    link->subs = NULL;
    link->subscriptions = NULL;
    link->sub_count = link->subs_pending = link->subs_refused = 0;
}

/* Several sources of one filter share a subscription that suits them all. */
static void subscription_of(const struct mqtt_source *first, uint32_t id,
                            struct mqtt_subscription *ret)
{
    *ret = (struct mqtt_subscription){
        .filter = first->address,
        .retain_handling = MQTT_RETAINED_NONE,
        .no_local = !first->shared, /* MQTT 5 §3.8.3.1 forbids it for shared ones */
        .id = id,
    };
    for (const struct mqtt_source *source = first; source; source = source->next_same) {
        const struct mqtt_source_settings *settings = source->settings;
        ret->qos = settings->qos > ret->qos ? (uint8_t)settings->qos : ret->qos;
        ret->no_local = ret->no_local && settings->no_local;
        ret->retain_as_published = ret->retain_as_published || settings->retain_as_published;
        if (settings->retain_handling < ret->retain_handling)
            ret->retain_handling = (uint8_t)settings->retain_handling;
    }
}

static int compare_addresses(const void *a, const void *b)
{
    const struct mqtt_source *const *x = a, *const *y = b;
    int order = strcmp((*x)->address, (*y)->address);
    return order ? order : (*x > *y) - (*x < *y);
}

/* What a filter has before its first wildcard.  Two filters overlap only where one of these is the
 * beginning of the other, so that thousands of filters need not be compared pair by pair. */
static struct mg_str literal_part(const struct mqtt_source *source)
{
    struct mg_str part = source->filter;
    for (size_t i = 0; i < part.len; i++) {
        if (part.at[i] != '+' && part.at[i] != '#')
            continue;
        part.len = part.at[i] == '#' && i ? i - 1 : i; /* "a/#" matches "a", too */
        break;
    }
    return part;
}

static bool begins_with(struct mg_str text, struct mg_str with)
{
    return text.len >= with.len && !memcmp(text.at, with.at, with.len);
}

static int compare_literal_parts(const void *a, const void *b)
{
    struct mg_str x = literal_part(*(const struct mqtt_source *const *)a);
    struct mg_str y = literal_part(*(const struct mqtt_source *const *)b);
    int order = memcmp(x.at, y.at, x.len < y.len ? x.len : y.len);
    return order ? order : (x.len > y.len) - (x.len < y.len);
}

/* The sources of the inner subscription are served by the outer one, which must suit them, too. */
static void cover(struct mqtt_source *outer, struct mqtt_source *inner)
{
    while (outer->next_same)
        outer = outer->next_same;
    outer->next_same = inner;
}

/* Without identifiers: leaves out every filter that another one covers, and refuses what a server
 * might then still deliver twice. */
static int keep_covering(struct mqtt_source **firsts, size_t *count, struct mg_err *err)
{
    size_t kept = 0;
    qsort(firsts, *count, sizeof(*firsts), compare_literal_parts);
    for (size_t i = 0; i < *count; i++) {
        struct mg_str part = firsts[i] ? literal_part(firsts[i]) : (struct mg_str){NULL, 0};
        for (size_t k = i + 1; firsts[i] && k < *count; k++) {
            struct mqtt_source *mine = firsts[i], *other = firsts[k];
            if (!other)
                continue;
            if (!begins_with(literal_part(other), part))
                break;
            if (!mqtt_filters_overlap(mine->filter, other->filter))
                continue;
            bool shared = mine->shared || other->shared;
            if (!shared && mqtt_filter_covers(mine->filter, other->filter)) {
                cover(mine, other);
                firsts[k] = NULL;
            } else if (!shared && mqtt_filter_covers(other->filter, mine->filter)) {
                cover(other, mine);
                firsts[i] = NULL;
            } else {
                return mqtt_refuse(
                    err, NULL,
                    "'%.70s' and '%.70s' overlap, and this server may deliver what matches both "
                    "twice: use version: 5 with subscription identifiers, or a second bridge",
                    mine->address, other->address);
            }
        }
    }
    for (size_t i = 0; i < *count; i++)
        if (firsts[i])
            firsts[kept++] = firsts[i];
    *count = kept;
    return 0;
}

int mqtt_subs_build(struct mqtt_link *link, bool by_id, struct mg_err *reterr)
{
    mqtt_subs_free(link);
    link->by_id = by_id;
    if (!link->source_count)
        return 0;
    size_t count = 0;
    struct mqtt_source **firsts = calloc(link->source_count, sizeof(*firsts));
    struct mqtt_source **sorted = calloc(link->source_count, sizeof(*sorted));
    link->subs = calloc(link->source_count, sizeof(*link->subs));
    link->subscriptions = calloc(link->source_count, sizeof(*link->subscriptions));
    int rc = firsts && sorted && link->subs && link->subscriptions ? 0 : -ENOMEM;
    if (rc) {
        snprintf(reterr->text, sizeof(reterr->text), "out of memory");
    } else {
        memcpy(sorted, link->sources, link->source_count * sizeof(*sorted));
        qsort(sorted, link->source_count, sizeof(*sorted), compare_addresses);
        for (size_t i = 0; i < link->source_count; i++) {
            sorted[i]->next_same = NULL;
            if (i && !strcmp(sorted[i - 1]->address, sorted[i]->address))
                sorted[i - 1]->next_same = sorted[i];
            else
                firsts[count++] = sorted[i];
        }
        if (!by_id)
            rc = keep_covering(firsts, &count, reterr);
    }
    for (size_t i = 0; !rc && i < count; i++) {
        link->subs[i].sources = firsts[i];
        subscription_of(firsts[i], by_id ? (uint32_t)i + 1 : 0, &link->subscriptions[i]);
    }
    free(firsts);
    free(sorted);
    if (rc)
        mqtt_subs_free(link);
    else
        link->sub_count = (uint32_t)count;
    return rc;
}

int mqtt_subs_send(struct mqtt_link *link)
{
    const struct mqtt_client_ops *ops = link->bridge->client_ops;
    for (uint32_t i = 0; i < link->sub_count; i++)
        link->subs[i].granted = GRANT_PENDING;
    link->subs_pending = link->sub_count;
    link->subs_refused = 0;
    int rc = ops->subscribe(link->client, link->subscriptions, 0, link->sub_count);
    ops->flush(link->client);
    return rc;
}

int mqtt_subs_send_refused(struct mqtt_link *link)
{
    const struct mqtt_client_ops *ops = link->bridge->client_ops;
    int rc = 0;
    for (uint32_t i = 0; i < link->sub_count && !rc; i++) {
        if (link->subs[i].granted != GRANT_REFUSED)
            continue;
        link->subs[i].granted = GRANT_PENDING;
        link->subs_pending++;
        link->subs_refused--;
        rc = ops->subscribe(link->client, link->subscriptions, i, 1);
    }
    mqtt_disarm(link, &link->timer);
    ops->flush(link->client);
    return rc;
}

void mqtt_subscribed(void *arg, uint32_t index, uint32_t reason)
{
    struct mqtt_link *link = arg;
    if (index >= link->sub_count || link->subs[index].granted != GRANT_PENDING)
        return;
    const struct mqtt_subscription *subscription = &link->subscriptions[index];
    bool given = reason < MQTT_REASON_UNSPECIFIED;
    link->subs[index].granted = given ? GRANT_GIVEN : GRANT_REFUSED;
    link->subs_pending--;
    if (!given) {
        char why[240];
        snprintf(why, sizeof(why), "subscription to '%.100s' refused: %s", subscription->filter,
                 mqtt_reason_text(reason));
        link->subs_refused++;
        link->reported = false;
        link->host->log(link->bridge->instance, MG_WARN, "%s", why);
        link->host->status(link->core, false, why);
    } else if (reason < subscription->qos) {
        link->host->log(link->bridge->instance, MG_WARN, "the server grants '%.100s' QoS %u only",
                        subscription->filter, reason);
    }
    if (!link->subs_pending)
        mqtt_disarm(link, &link->timer);
    mqtt_link_settled(link);
}

/* ---- messages ------------------------------------------------------------------------------- */

static void count_dropped(struct mqtt_link *link, uint64_t count)
{
    const struct mg_host *host = link->host;
    int64_t now_us = host->now_us(link->shard);
    host->count(link->bridge->instance, COUNT_DROPPED_FULL, (int64_t)count);
    link->dropped += count;
    if (link->dropped_said_us && now_us - link->dropped_said_us < DROPPED_SAY_MS * 1000)
        return;
    link->dropped_said_us = now_us;
    host->log(link->bridge->instance, MG_WARN,
              "%llu events dropped: they came faster than their routes took them",
              (unsigned long long)link->dropped);
    link->dropped = 0;
}

void mqtt_dropped(void *arg, uint32_t count)
{
    count_dropped(arg, count);
}

static void stall_over(void *arg)
{
    struct mqtt_link *link = arg;
    mqtt_disarm(link, &link->stall_timer);
    link->bridge->client_ops->resume(link->client);
}

/* The window of `source` is full.  Waits for a while, in which the socket backs up; then what is
 * for this source is dropped, so that the others and the keep-alive go on.  -EAGAIN or 0: dropped.
 */
static int stall(struct mqtt_link *link, int64_t *since_us)
{
    int64_t now_us = link->host->now_us(link->shard);
    int64_t most_us = link->bridge->settings->keep_alive_ms * 1000 / 4;
    if (most_us > STALL_MOST_MS * 1000)
        most_us = STALL_MOST_MS * 1000;
    if (!*since_us)
        *since_us = now_us ? now_us : 1;
    if (now_us - *since_us >= most_us) {
        count_dropped(link, 1);
        return 0;
    }
    if (!link->stall_timer)
        mqtt_arm(link, &link->stall_timer, most_us / 1000 + 1, stall_over);
    return -EAGAIN;
}

static int ingest(struct mqtt_link *link, struct mqtt_source *source,
                  const struct mg_message *message)
{
    int64_t *stalled_us = source ? &source->stalled_us : &link->stalled_us;
    int rc = link->host->ingest(link->core, source ? source->core : NULL, message, 0);
    if (rc == -EAGAIN)
        return stall(link, stalled_us);
    *stalled_us = 0;
    if (rc)
        count_dropped(link, 1);
    else
        link->host->count(link->bridge->instance, COUNT_RECEIVED, 1);
    return 0;
}

/* Ends that had the message before the one that was full are counted in offered_to and skipped. */
static int ingest_chain(struct mqtt_link *link, struct mqtt_source *source,
                        const struct mg_message *message, size_t *position)
{
    for (; source; source = source->next_same, ++*position) {
        if (*position < link->offered_to)
            continue;
        int rc = ingest(link, source, message);
        if (rc)
            return rc;
        link->offered_to = *position + 1;
    }
    return 0;
}

static int ingest_by_id(struct mqtt_link *link, const struct mqtt_publish *publish,
                        const struct mg_message *message)
{
    size_t position = 0;
    int rc = 0;
    for (size_t i = 0; i < publish->subscription_id_count && !rc; i++) {
        uint32_t id = publish->subscription_ids[i];
        if (id && id <= link->sub_count)
            rc = ingest_chain(link, link->subs[id - 1].sources, message, &position);
    }
    return rc;
}

static int ingest_by_filter(struct mqtt_link *link, const struct mqtt_publish *publish,
                            const struct mg_message *message)
{
    bool any_shared = false;
    for (size_t i = 0; i < link->source_count && !any_shared; i++)
        any_shared = link->sources[i]->shared;
    if (link->source_count > BY_ADDRESS_LEAST && !any_shared)
        return ingest(link, NULL, message);
    for (size_t i = link->offered_to; i < link->source_count; i++) {
        struct mqtt_source *source = link->sources[i];
        int rc =
            mqtt_filter_matches(source->filter, publish->topic) ? ingest(link, source, message) : 0;
        if (rc)
            return rc;
        link->offered_to = i + 1;
    }
    return 0;
}

int mqtt_message(void *arg, const struct mqtt_publish *publish, uint64_t receipt)
{
    struct mqtt_link *link = arg;
    struct mg_message message;
    (void)receipt;
    if (link->draining)
        return -EAGAIN;
    if (mqtt_to_message(publish, link->host->wall_us(link->shard), &link->in, &message)) {
        count_dropped(link, 1);
        return 0;
    }
    /* A message of an earlier session may carry identifiers of before, or none. */
    int rc = link->by_id && publish->subscription_id_count
                 ? ingest_by_id(link, publish, &message)
                 : ingest_by_filter(link, publish, &message);
    if (rc != -EAGAIN)
        link->offered_to = 0;
    return rc;
}

void mqtt_credit(void *context, void *of, uint32_t more)
{
    struct mqtt_link *link = context;
    struct mqtt_source *source = of;
    (void)more;
    if (source)
        source->stalled_us = 0;
    else
        link->stalled_us = 0;
    if (link->stall_timer) {
        mqtt_disarm(link, &link->stall_timer);
        link->bridge->client_ops->resume(link->client);
    }
}
