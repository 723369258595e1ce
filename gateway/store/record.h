/* SPDX-License-Identifier: Apache-2.0 */
/* One staged event as the store keeps it: what goes to which sink, and what is needed to account
 * for it.  The bytes of a record are the same in a log, a dead letter, an archive and an export. */
#pragma once
#include "meshgate/plugin.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { GW_RECORD_SINKS_MAX = 64, GW_RECORD_BYTES_MAX = 512 << 20 };

enum {
    GW_RECORD_REPLAYED = 1, /* out of the archive: not new to the world */
    GW_RECORD_DOUBTFUL =
        2,                 /* perhaps delivered before: found by a salvage, or in hand at a crash */
    GW_RECORD_RETRIED = 4, /* out of the dead letters */
    GW_RECORD_ORIGINAL = 8, /* in an archive: the event as it came in, before the steps */
    GW_RECORD_STEPPED =
        16, /* what steps made of one; in an archive its original stands before it */
};

/* What one sink gets of the event, beside what all get. */
struct gw_record_leg {
    uint32_t sink; /* place among the route's sinks (in the log: the sink's lasting number) */
    struct mg_str address;
    const struct mg_property *properties; /* set on the way out, in place of those of their name */
    size_t property_count;
};

/* A decoded record borrows from the bytes that it was decoded from. */
struct gw_record {
    uint64_t sequence;    /* in its log; 0: not in one */
    int64_t arrived_us;   /* wall clock, when the gateway took it */
    int64_t expires_us;   /* wall clock; 0: never */
    uint64_t key;         /* hash of the order key; 0: none */
    uint32_t flags;       /* GW_RECORD_* */
    struct mg_str origin; /* the address that the event came in with */
    struct mg_message message;
    const struct gw_record_leg *legs;
    size_t leg_count;
};

/* The bytes of a record: an allocation of malloc's, ended by free.  -ENOMEM; -EMSGSIZE: longer than
 * GW_RECORD_BYTES_MAX; -EINVAL: a value of no known type, or two legs of one sink.  ANY. */
int gw_record_encode(const struct gw_record *record, void **ret_bytes, size_t *ret_length);

/* Memory for what a decoded record points to besides the bytes; reused from record to record. */
struct gw_record_room {
    struct mg_property *properties;
    size_t property_capacity;
    struct gw_record_leg *legs;
    size_t leg_capacity;
};
/* Checks everything, also against hostile bytes.  -EBADMSG: damaged, or no record (said in reterr);
 * -EPROTONOSUPPORT: of a later version; -ENOMEM.  Good while bytes and room are. */
int gw_record_decode(const void *bytes, size_t length, struct gw_record_room *room,
                     struct gw_record *ret_record, struct mg_err *reterr);
void gw_record_room_fini(struct gw_record_room *room);
