/* SPDX-License-Identifier: Apache-2.0 */
/* Which server a connection goes to: the urls in turn, and those that servers refer to
 * (MQTT 5 §4.13). */
#include "mqtt_bridge.h"
#include "mqtt_reason.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static size_t place(const struct mqtt_link *link)
{
    return link->url % link->bridge->settings->urls.count;
}

const char *mqtt_url(const struct mqtt_link *link)
{
    const struct mg_list *urls = &link->bridge->settings->urls;
    if (link->elsewhere)
        return link->elsewhere;
    if (link->moved && link->moved[place(link)])
        return link->moved[place(link)];
    return ((const char *const *)urls->items)[place(link)];
}

/* "host", "host:port" or "[address]:port"; of several, separated by spaces, the first. */
static size_t host_length(const char *reference)
{
    size_t length = strcspn(reference, " ");
    for (size_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)reference[i];
        bool is_alnum = (c | 32) >= 'a' && (c | 32) <= 'z';
        if (!is_alnum && !(c >= '0' && c <= '9') && !strchr("-._:[]%", c))
            return 0;
    }
    return length < 254 ? length : 0;
}

void mqtt_url_refer(struct mqtt_link *link, uint32_t reason, const char *reference)
{
    const struct mg_host *host = link->host;
    link->sent_to = 0;
    if (!reference || (reason != MQTT_REASON_USE_ANOTHER && reason != MQTT_REASON_MOVED))
        return;
    size_t length = host_length(reference);
    if (!length) {
        host->log(link->bridge->instance, MG_WARN,
                  "%s refers to another server by what is no host or host:port: not followed",
                  mqtt_url(link));
        return;
    }
    bool follow = link->bridge->settings->redirects == MQTT_REDIRECTS_FOLLOW;
    host->log(link->bridge->instance, MG_WARN, "%s refers to %.*s, %s: %s", mqtt_url(link),
              (int)length, reference,
              reason == MQTT_REASON_MOVED ? "for good" : "for one connection",
              follow ? "followed" : "not followed (redirects: refuse)");
    if (!follow)
        return;
    snprintf(link->reference, sizeof(link->reference), "%.*s", (int)length, reference);
    link->sent_to = reason;
}

/* The same scheme and path as before. */
static char *build(const char *base, const char *host)
{
    char *url = NULL;
    size_t scheme = (size_t)(strstr(base, "://") - base) + 3;
    const char *path = strchr(base + scheme, '/');
    return asprintf(&url, "%.*s%s%s", (int)scheme, base, host, path ? path : "") < 0 ? NULL : url;
}

void mqtt_url_next(struct mqtt_link *link)
{
    char *url = link->sent_to ? build(mqtt_url(link), link->reference) : NULL;
    free(link->elsewhere);
    link->elsewhere = NULL;
    if (url && link->sent_to == MQTT_REASON_MOVED && !link->moved)
        link->moved = calloc(link->bridge->settings->urls.count, sizeof(*link->moved));
    if (url && link->sent_to == MQTT_REASON_MOVED && link->moved) {
        free(link->moved[place(link)]);
        link->moved[place(link)] = url;
    } else {
        link->elsewhere = url;
    }
    link->sent_to = 0;
}

void mqtt_urls_free(struct mqtt_link *link)
{
    for (size_t i = 0; link->moved && i < link->bridge->settings->urls.count; i++)
        free(link->moved[i]);
    free(link->moved);
    free(link->elsewhere);
}
