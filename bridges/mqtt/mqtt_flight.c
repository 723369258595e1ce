/* SPDX-License-Identifier: Apache-2.0 */
/* Flights: the places of what is on its way to the server, by the client's identifiers; the list of
 * those that wait for an answer, in the order of sending; and the free ones. */
#include "mqtt_bridge.h"
#include <errno.h>
#include <stdlib.h>

int mqtt_flights_init(struct mqtt_link *link)
{
    link->flight_count =
        (uint32_t)link->bridge->settings->max_inflight + (uint32_t)link->left_count;
    if (!link->bridge->client_ops->takes_no_id)
        link->flight_count += MQTT_UNACKNOWLEDGED_MOST;
    for (size_t i = 0; i < link->left_count; i++) /* identifiers are what they were */
        if (link->left[i].flight >= link->flight_count)
            link->flight_count = link->left[i].flight + 1;
    link->flights = calloc(link->flight_count, sizeof(*link->flights));
    if (!link->flights)
        return -ENOMEM;
    link->first = link->last = link->free = link->last_free = MQTT_NO_FLIGHT;
    for (size_t i = 0; i < link->left_count; i++)
        link->flights[link->left[i].flight].busy = true;
    for (uint32_t i = 0; i < link->flight_count; i++)
        if (!link->flights[i].busy)
            mqtt_flight_free(link, i);
    return 0;
}

void mqtt_flight_list(struct mqtt_link *link, uint32_t id)
{
    struct mqtt_flight *flight = &link->flights[id];
    flight->deadline_us =
        link->host->now_us(link->shard) + link->bridge->settings->confirm_timeout_ms * 1000;
    flight->next = MQTT_NO_FLIGHT;
    flight->previous = link->last;
    flight->listed = true;
    if (link->last == MQTT_NO_FLIGHT)
        link->first = id;
    else
        link->flights[link->last].next = id;
    link->last = id;
}

void mqtt_flight_unlist(struct mqtt_link *link, uint32_t id)
{
    struct mqtt_flight *flight = &link->flights[id];
    if (!flight->listed)
        return;
    flight->listed = false;
    if (flight->previous == MQTT_NO_FLIGHT)
        link->first = flight->next;
    else
        link->flights[flight->previous].next = flight->next;
    if (flight->next == MQTT_NO_FLIGHT)
        link->last = flight->previous;
    else
        link->flights[flight->next].previous = flight->previous;
}

void mqtt_flight_free(struct mqtt_link *link, uint32_t id)
{
    struct mqtt_flight *flight = &link->flights[id];
    flight->busy = false;
    /* Used again as late as possible: aedes says PUBCOMP before it has forgotten the identifier. */
    flight->next = MQTT_NO_FLIGHT;
    *(link->last_free == MQTT_NO_FLIGHT ? &link->free : &link->flights[link->last_free].next) = id;
    link->last_free = id;
}
