/* SPDX-License-Identifier: Apache-2.0 */
/* A record of the store as a leg of a lane. */
#include "flow/outlet.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A property that says to the receiver what it could not know otherwise.  Text, since MQTT has no
 * other: a number would go under a longer name that says its type. */
static void add_mark(struct mg_property *properties, size_t *count, const char *name,
                     const char *text)
{
    properties[(*count)++] = (struct mg_property){
        .name = {name, strlen(name)},
        .value = {.type = MG_TEXT, .as.text = {text, strlen(text)}},
    };
}

static mg_event *event_of(const struct gw_stored *stored)
{
    struct mg_message m = stored->record.message;
    uint32_t flags = stored->record.flags;
    char deaths[16];
    if (!(flags & (GW_RECORD_DOUBTFUL | GW_RECORD_REPLAYED)))
        return gw_event_new(&m);
    struct mg_property *properties = malloc((m.property_count + 2) * sizeof *properties);
    if (!properties)
        return NULL;
    if (m.property_count)
        memcpy(properties, m.properties, m.property_count * sizeof *properties);
    snprintf(deaths, sizeof deaths, "%" PRIu32, stored->deaths ? stored->deaths : 1);
    if (flags & GW_RECORD_DOUBTFUL)
        add_mark(properties, &m.property_count, "meshgate-redelivered", deaths);
    if (flags & GW_RECORD_REPLAYED)
        add_mark(properties, &m.property_count, "meshgate-replayed", "1");
    m.properties = properties;
    mg_event *event = gw_event_new(&m);
    free(properties);
    return event;
}

static mg_event *with_properties(const struct mg_host *host, mg_event *event,
                                 const struct gw_record_leg *r)
{
    mg_edit *edit = host->edit_new(event);
    int error = edit ? 0 : -ENOMEM;
    for (size_t i = 0; i < r->property_count && !error; i++) {
        error = host->edit_property(edit, r->properties[i].name, NULL);
        if (!error)
            error = host->edit_property(edit, r->properties[i].name, &r->properties[i].value);
    }
    if (error) {
        host->edit_free(edit);
        return NULL;
    }
    return host->edit_publish(edit);
}

static bool address_of(struct gw_leg *leg, struct mg_str address)
{
    char *at = leg->short_address;
    if (address.len >= sizeof leg->short_address)
        at = leg->long_address = malloc(address.len + 1);
    if (!at)
        return false;
    if (address.len)
        memcpy(at, address.at, address.len);
    at[address.len] = '\0';
    leg->address = (struct mg_str){at, address.len};
    return true;
}

/* A passage that begins in the store: one event, one leg. */
struct gw_leg *gw_outlet_leg(struct mg_sink *k, const struct gw_stored *stored)
{
    struct gw_passage *p = malloc(sizeof *p);
    if (!p)
        return NULL;
    memset(p, 0, offsetof(struct gw_passage, values));
    p->route = k->route;
    p->part = &k->route->parts[k->connection->shard->index];
    p->shard = k->connection->shard;
    p->stage = GW_IN_STORE;
    p->ended = p->told = true;
    p->event_id = stored->record.sequence;
    p->arrived_wall_us = stored->record.arrived_us;
    p->expires_us = stored->record.expires_us;
    atomic_init(&p->refs, 1);
    mg_event *event = event_of(stored);
    p->origin = event;
    p->events = p->only_event;
    p->events[0] = event;
    p->borrowed = true; /* origin has the reference */
    p->event_count = p->event_capacity = 1;
    p->legs = &p->only_leg;
    p->outputs = &p->only_output;
    struct gw_leg *leg = &p->only_leg;
    memset(leg, 0, offsetof(struct gw_leg, short_address));
    p->leg_count = 1;
    leg->passage = p;
    leg->sink = k;
    leg->event = event;
    leg->sequence = stored->record.sequence;
    leg->key = stored->record.key;
    leg->counted = stored->attempts;
    leg->deaths = stored->deaths;
    const struct gw_record_leg *r = &stored->record.legs[stored->leg];
    bool good = event && address_of(leg, r->address);
    if (good && r->property_count) {
        leg->event = leg->own = with_properties(&k->route->gateway->host, event, r);
        good = leg->own;
    }
    if (event)
        event->id = stored->record.sequence;
    if (good)
        return leg;
    gw_passage_unref(p);
    return NULL;
}
