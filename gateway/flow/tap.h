/* SPDX-License-Identifier: Apache-2.0 */
/* A look at events that pass through the running gateway.  Shards put copies into a queue with a
 * bound and never wait: what the queue has no room for, and what comes faster than the tap's rate,
 * is counted and goes on unseen. */
#pragma once
#include "store/record.h"

struct gw_gateway;
struct gw_tap;

enum gw_tap_point { GW_TAP_IN, GW_TAP_OUT };
enum { GW_TAP_BYTES_MOST = 8 << 20, GW_TAP_RATE_DEFAULT = 5000 };

struct gw_tap_settings {
    uint32_t point;     /* enum gw_tap_point: as it came in, or as a sink's bridge has taken it */
    const char *route;  /* NULL: every route, and events that no route takes */
    const char *bridge; /* NULL: every bridge */
    uint64_t rate;      /* events in a second on one shard; 0: any number */
};

/* One event; the names live as long as the gateway. */
struct gw_tapped {
    struct gw_tapped *next;
    struct gw_tap *tap;
    const char *bridge, *route; /* route NULL: at `in` of a tap for every route */
    uint32_t attempt;           /* at `out` */
    void *record;               /* gw_record_encode's */
    size_t length;
};

/* -ENOENT: there is no such route or bridge; -ETIMEDOUT: a shard does not answer.  CONTROL. */
int gw_tap_open(struct gw_gateway *gateway, const struct gw_tap_settings *settings,
                struct gw_tap **ret_tap, struct mg_err *reterr);
/* What has come since, in each shard's order; each is ended by gw_tapped_free.  NULL: nothing. */
struct gw_tapped *gw_tap_take(struct gw_tap *tap);
void gw_tapped_free(struct gw_tapped *tapped); /* one of them */
/* Events that went by unseen, since the last call. */
uint64_t gw_tap_missed(struct gw_tap *tap);
/* CONTROL; NULL is fine. */
void gw_tap_close(struct gw_tap *tap);
