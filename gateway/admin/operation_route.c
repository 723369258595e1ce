/* SPDX-License-Identifier: Apache-2.0 */
/* pause, resume: what a route does from now on. */
#include "admin/operations.h"
#include <errno.h>
#include <stddef.h>

struct arguments {
    const char *route, *reason;
};
#define ROUTE_ROW                                                                                  \
    {                                                                                              \
        .name = "route", .type = MG_OPT_TEXT, .flags = MG_OPT_REQUIRED,                            \
        .doc = "The route's name.", .offset = offsetof(struct arguments, route)                    \
    }
static const struct mg_option pause_table[] = {
    ROUTE_ROW,
    {.name = "reason",
     .type = MG_OPT_TEXT,
     .doc = "Why, for whoever looks at the status.",
     .offset = offsetof(struct arguments, reason)},
    {0},
};
static const struct mg_option resume_table[] = {ROUTE_ROW, {0}};

static int set(struct gw_operation_run *run, bool pause, struct mg_err *reterr)
{
    const struct arguments *a = run->arguments;
    int error = gw_gateway_pause(run->target->gateway, a->route, pause, a->reason, reterr);
    if (error)
        return error;
    return gw_operation_emit(run, json_pack("{s:s, s:b}", "route", a->route, "paused", pause));
}

static int pause_step(struct gw_operation_run *run, struct mg_err *reterr)
{
    return set(run, true, reterr);
}

static int resume_step(struct gw_operation_run *run, struct mg_err *reterr)
{
    return set(run, false, reterr);
}

const struct gw_operation gw_operation_pause = {
    .name = "pause",
    .doc = "Stops sending the events of a stored route; they go on to be stored.",
    .flags = GW_OPERATION_GATEWAY | GW_OPERATION_STORE | GW_OPERATION_ACTS,
    .arguments = pause_table,
    .arguments_size = sizeof(struct arguments),
    .step = pause_step,
};
const struct gw_operation gw_operation_resume = {
    .name = "resume",
    .doc = "Sends again what a paused route has stored.",
    .flags = GW_OPERATION_GATEWAY | GW_OPERATION_STORE | GW_OPERATION_ACTS,
    .arguments = resume_table,
    .arguments_size = sizeof(struct arguments),
    .step = resume_step,
};
