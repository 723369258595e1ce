/* SPDX-License-Identifier: Apache-2.0 */
/* Names to addresses: getaddrinfo, and the order of RFC 8305 §4. */
#include "mqtt_net_lookup.h"
#include <errno.h>
#include <netdb.h>
#include <string.h>

static const struct addrinfo *next_of(const struct addrinfo *at, int family, bool same)
{
    while (at && (at->ai_family == family) != same)
        at = at->ai_next;
    return at;
}

static void take(struct mqtt_lookup *lookup, const struct addrinfo **at, int family, bool same)
{
    if (!*at || lookup->count == MQTT_ADDRESSES_MOST)
        return;
    struct mqtt_socket_address *address = &lookup->addresses[lookup->count++];
    memcpy(&address->at, (*at)->ai_addr, (*at)->ai_addrlen);
    address->length = (*at)->ai_addrlen;
    *at = next_of((*at)->ai_next, family, same);
}

/* The families in turn, the one that getaddrinfo prefers (RFC 6724) first. */
static void interleave(struct mqtt_lookup *lookup, const struct addrinfo *all)
{
    int family = all->ai_family;
    const struct addrinfo *preferred = all, *other = next_of(all, family, false);
    while ((preferred || other) && lookup->count < MQTT_ADDRESSES_MOST) {
        take(lookup, &preferred, family, true);
        take(lookup, &other, family, false);
    }
}

void mqtt_lookup_run(struct mqtt_lookup *lookup, int flags)
{
    struct addrinfo *all = NULL;
    struct addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = flags | AI_NUMERICSERV};
    lookup->count = 0;
    lookup->error = getaddrinfo(lookup->host, lookup->port, &hints, &all);
    lookup->system_error = errno;
    if (!lookup->error)
        interleave(lookup, all);
    if (all)
        freeaddrinfo(all);
}

const char *mqtt_lookup_error(const struct mqtt_lookup *lookup)
{
    return lookup->error == EAI_SYSTEM ? strerror(lookup->system_error)
                                       : gai_strerror(lookup->error);
}
