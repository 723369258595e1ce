/* SPDX-License-Identifier: Apache-2.0 */
/* A gateway that rehearses: the real routes, steps and store, in front of bridges that only play
 * their peers, on a clock that is moved by hand.  All CONTROL, with no gateway in the process; what
 * `seen` points to is called on the same thread. */
#pragma once
#include "route/model.h"

struct gw_rehearsal;

enum { GW_REHEARSAL_ANY = UINT32_MAX }; /* every route, sink or bridge */

/* How an event's way through a route ended, without its having reached every sink. */
enum gw_rehearsed_kind {
    GW_REHEARSED_DROPPED,
    GW_REHEARSED_EXPIRED,
    GW_REHEARSED_DISCARDED,
    GW_REHEARSED_RETURNED
};

struct gw_rehearsal_seen {
    /* A sink took an event: for good, or (lost) so that the gateway does not hear of it. */
    void (*arrived)(void *arg, uint32_t route, uint32_t sink, const struct mg_delivery *delivery,
                    bool lost);
    /* A step has looked at an event; verdict as in plugin.h. */
    void (*step)(void *arg, uint32_t route, uint32_t step, uint32_t verdict, size_t count,
                 const char *reason);
    /* Dead letters and what a stored route ends later are in its store and in its ledger. */
    void (*ended)(void *arg, uint32_t route, enum gw_rehearsed_kind kind, struct mg_str address,
                  const char *step, const char *reason);
    void *arg;
};

struct gw_rehearsal_settings {
    const struct gw_model *model;
    uint32_t route;     /* that one alone, or GW_REHEARSAL_ANY; callbacks count in the model */
    const char *folder; /* an empty one, for the store; it is the caller's to remove */
    int64_t wall_us;    /* what the wall clock shows at the beginning */
    /* Real time that the clock waits for a step that has asked somebody outside; 0: five seconds.
     */
    int64_t outside_ms;
    const struct gw_rehearsal_seen *seen;
};

/* 0 or a negative errno with reterr.  The model outlives it. */
int gw_rehearsal_create(const struct gw_rehearsal_settings *settings,
                        struct gw_rehearsal **ret_rehearsal, struct mg_err *reterr);
void gw_rehearsal_destroy(struct gw_rehearsal *rehearsal); /* NULL is fine */

/* Microseconds since the beginning. */
int64_t gw_rehearsal_now_us(const struct gw_rehearsal *rehearsal);

/* Has a peer send the message at that time; it is copied.  bridge: that one's alone (by its place
 * in the model), or GW_REHEARSAL_ANY: the first whose sources take the address, with `each` every
 * such.  Returns how many take it, or -ENOMEM. */
int gw_rehearsal_give(struct gw_rehearsal *rehearsal, uint32_t bridge, bool each,
                      const struct mg_message *message, int64_t at_us);

enum gw_fault_kind {
    GW_FAULT_DOWN,        /* cannot be reached */
    GW_FAULT_REJECTS,     /* refuses for good */
    GW_FAULT_FAILS,       /* gives back; the attempt counts */
    GW_FAULT_UNCONFIRMED, /* takes, and the confirmation is lost */
    GW_FAULT_RESTART      /* of the gateway: it stops in order and starts again */
};
struct gw_fault {
    uint32_t kind;
    uint32_t sink;         /* by its place in its route, or GW_REHEARSAL_ANY */
    int64_t at_us, for_us; /* for_us 0: until the end */
    uint64_t times;        /* 0: any number */
    const char *reason;    /* NULL: none; lives as long as the rehearsal */
};
int gw_rehearsal_fault(struct gw_rehearsal *rehearsal, const struct gw_fault *fault); /* -ENOMEM */

/* Lets time pass until nothing is on its way and nothing is planned, at the latest at until_us.
 * 0: all is at rest; 1: something still waits; negative errno with reterr: the gateway did not come
 * up again. */
int gw_rehearsal_run(struct gw_rehearsal *rehearsal, int64_t until_us, struct mg_err *reterr);

struct gw_rehearsed_ledger {
    struct gw_store_ledger ledger;
    uint64_t in_flight;
    uint64_t unbalanced; /* times that a sum was wrong: at each restart, and now */
};
void gw_rehearsal_ledger(const struct gw_rehearsal *rehearsal, uint32_t route,
                         struct gw_rehearsed_ledger *ret_ledger);
/* NULL: no route of it is stored. */
struct gw_store *gw_rehearsal_store(const struct gw_rehearsal *rehearsal);
