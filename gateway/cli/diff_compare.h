/* SPDX-License-Identifier: Apache-2.0 */
/* What two configurations make of one event, beside each other. */
#pragma once
#include "cli/diff_run.h"
#include <stdio.h>

enum gw_change {
    GW_CHANGE_GONE = 1,    /* it does not come to where it came */
    GW_CHANGE_NEW = 2,     /* it comes to where it did not come */
    GW_CHANGE_CONTENT = 4, /* it comes as another */
    GW_CHANGE_REFUSED = 8, /* it is refused, or is no longer */
};

/* Outcomes of one event: a part of struct gw_outcomes. */
struct gw_outcome_span {
    struct gw_outcome *items;
    size_t count;
};

/* GW_CHANGE_* of the two; says them, a line each, where out is not NULL. */
uint32_t gw_diff_compare(struct gw_outcome_span old, struct gw_outcome_span now, FILE *out);
