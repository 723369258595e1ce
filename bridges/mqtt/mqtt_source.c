/* SPDX-License-Identifier: Apache-2.0 */
/* Sources and their subscriptions.
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
    link->any_shared = link->any_shared || source->shared;
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
    link->sub_count = link->subs_pending = link->subs_refused = link->subs_never = 0;
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
                return mqtt_decline(
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

static void say_refused(struct mqtt_link *link, uint32_t index, uint32_t reason)
{
    char why[240];
    snprintf(why, sizeof(why), "subscription to '%.100s' refused: %s",
             link->subscriptions[index].filter, mqtt_reason_text(reason));
    link->reported = false;
    link->host->log(link->bridge->instance, MG_WARN, "%s", why);
    link->host->status(link->core, false, why);
}

/* What the server has said that it does not have (MQTT 5 §3.2.2.3.11, §3.2.2.3.13), as it would
 * answer; 0: it can be asked.  Asking nevertheless is a protocol error. */
static uint32_t impossible(const struct mqtt_link *link, uint32_t index)
{
    const struct mqtt_source *source = link->subs[index].sources;
    if (source->shared && !link->connack.shared_available)
        return MQTT_REASON_NO_SHARED;
    if (!link->connack.wildcard_available && (memchr(source->filter.at, '+', source->filter.len) ||
                                              memchr(source->filter.at, '#', source->filter.len)))
        return MQTT_REASON_NO_WILDCARDS;
    return 0;
}

int mqtt_subs_send(struct mqtt_link *link)
{
    const struct mqtt_client_ops *ops = link->bridge->client_ops;
    uint32_t asked = 0;
    int rc = 0;
    link->subs_pending = link->subs_refused = link->subs_never = 0;
    for (uint32_t i = 0; i < link->sub_count; i++) {
        uint32_t reason = impossible(link, i);
        link->subs[i].granted = reason ? GRANT_NEVER : GRANT_PENDING;
        if (reason) {
            link->subs_never++;
            say_refused(link, i, reason);
        }
    }
    link->subs_pending = link->sub_count - link->subs_never;
    for (uint32_t i = 0; i <= link->sub_count && !rc; i++) { /* in runs without those */
        if (i < link->sub_count && link->subs[i].granted == GRANT_PENDING)
            continue;
        if (i > asked)
            rc = ops->subscribe(link->client, link->subscriptions, asked, i - asked);
        asked = i + 1;
    }
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
        link->subs_refused++;
        say_refused(link, index, reason);
    } else if (reason < subscription->qos) {
        link->host->log(link->bridge->instance, MG_WARN, "the server grants '%.100s' QoS %u only",
                        subscription->filter, reason);
    }
    if (!link->subs_pending)
        mqtt_disarm(link, &link->timer);
    mqtt_link_settled(link);
}
