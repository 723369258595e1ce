/* SPDX-License-Identifier: Apache-2.0 */
/* One test of a route: it is run on a gateway that rehearses, and what came is compared with what
 * was expected. */
#pragma once
#include "cli/json_same.h"
#include "event/event.h"
#include "event/template.h"
#include "flow/rehearsal.h"
#include <stdio.h>

enum { GW_TRIAL_VERDICTS = MG_RETRY + 1, GW_TRIAL_PROBLEMS_MOST = 20 };

/* What came to a sink. */
struct gw_trial_arrival {
    uint32_t sink;
    int64_t at_us;
    mg_event *event;
    char *address;
    bool lost; /* the gateway did not hear that it was taken */
};

/* How an event ended that did not come to every sink. */
enum gw_trial_end_kind {
    GW_TRIAL_DROPPED,
    GW_TRIAL_EXPIRED,
    GW_TRIAL_DISCARDED,
    GW_TRIAL_RETURNED,
    GW_TRIAL_DEAD
};
struct gw_trial_end {
    enum gw_trial_end_kind kind;
    char *address, *step, *sink, *reason; /* NULL: there is none */
    uint32_t attempts;
    bool used; /* an expectation was for this one */
};

/* What a route's steps and sinks saw, of all its tests together. */
struct gw_trial_coverage {
    uint64_t (*steps)[GW_TRIAL_VERDICTS]; /* of each step, by verdict */
    uint64_t *sinks;                      /* events of each */
};

struct gw_trial {
    const struct gw_model *model;
    const struct gw_route_config *route;
    const struct gw_test_config *test;
    struct gw_trial_coverage *coverage;
    struct gw_rehearsal *rehearsal; /* while it runs */
    struct gw_trial_arrival *arrivals;
    size_t arrival_count;
    struct gw_trial_end *ends;
    size_t end_count;
    uint64_t given, unmatched;
    struct gw_rehearsed_ledger ledger;
    bool out_of_memory;
    FILE *out; /* problems, a line each; what belongs to one is indented */
    char *problems;
    size_t problems_length, problem_count;
    uint64_t took_us; /* on the machine's clock */
};

/* Fills what is zero.  0, or a negative errno with reterr where it could not be run at all. */
int gw_trial_run(struct gw_trial *trial, struct mg_err *reterr);
void gw_trial_fini(struct gw_trial *trial);
/* Begins the line of a problem; false: enough have been said. */
bool gw_trial_problem(struct gw_trial *trial);

/* trial_arrivals.c, trial_ends.c: say what is not as expected. */
void gw_trial_check_arrivals(struct gw_trial *trial);
void gw_trial_check_ends(struct gw_trial *trial);
/* "backbone /exchange/{x}" */
void gw_trial_put_sink(const struct gw_trial *trial, uint32_t sink);
/* trial_coverage.c */
struct gw_trial_coverage *gw_coverage_create(const struct gw_model *model); /* one a route */
void gw_coverage_destroy(struct gw_trial_coverage *coverage, const struct gw_model *model);
void gw_coverage_print(const struct gw_trial_coverage *coverage, const struct gw_model *model,
                       uint32_t route, FILE *out);

/* trial_report.c: JUnit's XML, and one object for --json. */
struct gw_trial_report;
struct gw_trial_report *gw_report_create(void);
int gw_report_add(struct gw_trial_report *report, const struct gw_trial *trial, size_t number);
int gw_report_write_junit(const struct gw_trial_report *report, const char *path);
int gw_report_write_json(const struct gw_trial_report *report, FILE *out);
void gw_report_destroy(struct gw_trial_report *report);
/* The test's name, or its number in the route.  Returns buffer. */
enum { GW_TRIAL_NAME_BYTES = 256 };
const char *gw_trial_name(const struct gw_trial *trial, size_t number,
                          char buffer[GW_TRIAL_NAME_BYTES]);
