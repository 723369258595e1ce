/* SPDX-License-Identifier: Apache-2.0 */
/* What a configuration makes of recorded events, one after the other. */
#pragma once
#include "cli/recorded.h"
#include "flow/rehearsal.h"

enum gw_outcome_kind {
    GW_OUTCOME_ARRIVED,
    GW_OUTCOME_DROPPED,
    GW_OUTCOME_EXPIRED,
    GW_OUTCOME_DISCARDED,
    GW_OUTCOME_RETURNED,
    GW_OUTCOME_DEAD,
    GW_OUTCOME_UNTAKEN /* no source takes it */
};
struct gw_outcome {
    enum gw_outcome_kind kind;
    const char *route;   /* of the model; NULL: no route */
    const char *bridge;  /* ARRIVED: of the model */
    char *address;       /* ARRIVED */
    mg_event *event;     /* ARRIVED */
    char *step, *reason; /* of what did not arrive */
    bool matched;        /* for whoever compares */
};

struct gw_outcomes {
    struct gw_outcome *items;
    size_t count;
    size_t *first; /* of each event, and one more: its outcomes are first[i] … first[i + 1] */
};

/* The model outlives the outcomes.  0 or negative errno with reterr. */
int gw_diff_run(const struct gw_model *model, const struct gw_recorded_list *events,
                struct gw_outcomes *ret_outcomes, struct mg_err *reterr);
void gw_outcomes_fini(struct gw_outcomes *outcomes); /* all zero is fine */
