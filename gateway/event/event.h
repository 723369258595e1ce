/* SPDX-License-Identifier: Apache-2.0 */
/* Events: immutable once published, reference-counted, copied only where somebody keeps them. */
#pragma once
#include "meshgate/plugin.h"
#include <stdatomic.h>

struct mg_event {
    atomic_uint refs;      /* of a borrowed event: 0 */
    struct mg_event *copy; /* borrowed: what event_ref made of it, with one reference of its own */
    uint64_t id;           /* for logs; an edited event keeps the id of its base */
    struct mg_head head;
    struct mg_bytes payload;
    const struct mg_property *properties;
    size_t property_count;
    struct mg_event *payload_owner; /* a reference to the event whose payload this shares */
    void (*payload_free)(void *arg);
    void *payload_arg;
};

/* Fills the event and edit services of a host table.  Their contracts stand in plugin.h. */
void gw_event_host_fill(struct mg_host *host);

/* Makes *ret_event a view of message, good while message is; gw_event_return ends it.  SHARD: a
 * borrowed event stays on the thread that made it. */
void gw_event_borrow(struct mg_event *ret_event, const struct mg_message *message, uint64_t id);
void gw_event_return(struct mg_event *borrowed);

mg_event *gw_event_new(const struct mg_message *message);
mg_event *gw_event_ref(const mg_event *event);
void gw_event_unref(mg_event *event);
/* The event as input of another ingest.  Borrows from the event. */
struct mg_message gw_event_message(const mg_event *event);
