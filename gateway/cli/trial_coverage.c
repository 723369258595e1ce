/* SPDX-License-Identifier: Apache-2.0 */
/* What the tests of a route have tried of it: its steps by verdict, its sinks by event. */
#include "cli/trial.h"
#include <inttypes.h>
#include <stdlib.h>

struct gw_trial_coverage *gw_coverage_create(const struct gw_model *model)
{
    struct gw_trial_coverage *all = calloc(model->route_count + 1, sizeof *all);
    for (size_t r = 0; all && r < model->route_count; r++) {
        all[r].steps = calloc(model->routes[r].step_count + 1, sizeof(*all[r].steps));
        all[r].sinks = calloc(model->routes[r].sink_count + 1, sizeof *all[r].sinks);
        if (!all[r].steps || !all[r].sinks) {
            gw_coverage_destroy(all, model);
            return NULL;
        }
    }
    return all;
}

void gw_coverage_destroy(struct gw_trial_coverage *all, const struct gw_model *model)
{
    for (size_t r = 0; all && r < model->route_count; r++) {
        free(all[r].steps);
        free(all[r].sinks);
    }
    free(all);
}

static bool any(const uint64_t verdicts[GW_TRIAL_VERDICTS])
{
    for (size_t v = 0; v < GW_TRIAL_VERDICTS; v++)
        if (verdicts[v])
            return true;
    return false;
}

static void print_step(const struct gw_step_config *step, const uint64_t seen[GW_TRIAL_VERDICTS],
                       FILE *out)
{
    static const char *const names[GW_TRIAL_VERDICTS] = {"passed", "replaced", "dropped",
                                                         "rejected", "tried again"};
    fprintf(out, "  step %-32s ", step->name);
    bool first = true;
    for (size_t v = 0; v < GW_TRIAL_VERDICTS; v++) {
        if (!seen[v])
            continue;
        fprintf(out, "%s%s %" PRIu64, first ? "" : ", ", names[v], seen[v]);
        first = false;
    }
    if (first)
        fputs("NO EVENT CAME HERE", out);
    else if (step->module->kind == MG_FILTER && (!seen[MG_PASS] || !seen[MG_DROP]))
        fprintf(out, "; never %s", names[seen[MG_PASS] ? MG_DROP : MG_PASS]);
    fputc('\n', out);
}

void gw_coverage_print(const struct gw_trial_coverage *all, const struct gw_model *model,
                       uint32_t route, FILE *out)
{
    const struct gw_route_config *r = &model->routes[route];
    const struct gw_trial_coverage *c = &all[route];
    size_t steps = 0, sinks = 0;
    for (size_t i = 0; i < r->step_count; i++)
        steps += any(c->steps[i]);
    for (size_t i = 0; i < r->sink_count; i++)
        sinks += c->sinks[i] > 0;
    fprintf(out, "route %s: %zu test%s, %zu of %zu steps, %zu of %zu sinks\n", r->name,
            r->test_count, r->test_count == 1 ? "" : "s", steps, r->step_count, sinks,
            r->sink_count);
    for (size_t i = 0; i < r->step_count && r->test_count; i++)
        print_step(&r->steps[i], c->steps[i], out);
    for (size_t i = 0; i < r->sink_count && r->test_count; i++) {
        char name[512];
        snprintf(name, sizeof name, "%s %s", model->bridges[r->sinks[i].bridge].name,
                 gw_template_text(r->sinks[i].address));
        fprintf(out, "  sink %-32s ", name);
        if (c->sinks[i])
            fprintf(out, "%" PRIu64 " event%s\n", c->sinks[i], c->sinks[i] == 1 ? "" : "s");
        else
            fputs("NO EVENT CAME HERE\n", out);
    }
}
