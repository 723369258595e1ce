/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of a rehearsal share. */
#pragma once
#include "flow/internal.h"
#include "flow/rehearsal.h"

/* An event that a peer has, until the gateway has said that it is done with it. */
enum gw_given_state { GW_GIVEN_WAITS, GW_GIVEN_IN_HAND, GW_GIVEN_BACK, GW_GIVEN_DONE };
struct gw_given {
    struct gw_given *next;
    mg_event *event;
    uint32_t bridge;
    int64_t at_us; /* of the virtual clock */
    enum gw_given_state state;
    uint64_t cookie;
};

/* What a sink says at the end of this turn. */
struct gw_answer {
    struct gw_answer *next;
    mg_token token;
    uint32_t outcome;
    const char *reason;
};

struct gw_player { /* of a bridge: the context of its first connection */
    struct gw_rehearsal *rehearsal;
    struct mg_connection *connection;
};

struct gw_planned_fault {
    struct gw_planned_fault *next;
    struct gw_fault fault;
    int64_t from_us, to_us; /* of the virtual clock */
    uint64_t used;
    bool over;
};

struct gw_rehearsal {
    struct gw_model model; /* a copy with one shard, other bridges and a store in `folder` */
    struct gw_bridge_config *bridges;
    struct mg_module *modules;
    struct mg_bridge_ops *ops;
    struct gw_player *players;
    struct gw_gateway *gateway;
    struct gw_rehearsal_seen seen;
    struct gw_trace trace;
    struct gw_store_options store_options;
    uint32_t first_route; /* in the model of the caller */
    int64_t begin_us, outside_ms;
    struct gw_given *given, *last_given; /* in order of time; those that are done are gone */
    uint64_t next_cookie;
    struct gw_answer *answers, *last_answer;
    struct gw_planned_fault *faults;
    uint64_t *unbalanced; /* of each route */
    bool stopping;
    bool gave_up; /* of waiting for answers from outside, until a step has moved again */
};

/* rehearsal_bridge.c: the bridges' part. */
void gw_rehearsal_play(struct gw_rehearsal *r, size_t bridge, const struct mg_module *real);
bool gw_rehearsal_hand_over(struct gw_rehearsal *r); /* what is due; true: something was taken */
bool gw_rehearsal_answer(struct gw_rehearsal *r);    /* true: something was answered */
void gw_rehearsal_sendable(struct gw_rehearsal *r);  /* sinks that were away are back */
void gw_rehearsal_forget(struct gw_rehearsal *r);    /* answers that nobody waits for any more */
