/* SPDX-License-Identifier: Apache-2.0 */
/* Events that did not come to a sink: each has ended somehow, and each end is expected or said. */
#include "cli/trial.h"
#include <inttypes.h>
#include <string.h>

static bool has_part(const char *text, const char *part)
{
    return !part || !*part || (text && strstr(text, part));
}

/* Refused for good: whatever the route then does with it. */
static bool is_refusal(const struct gw_trial_end *end)
{
    return end->kind == GW_TRIAL_DISCARDED || end->kind == GW_TRIAL_RETURNED ||
           end->kind == GW_TRIAL_DEAD;
}

static bool is_of_sink(const struct gw_trial *t, const struct gw_trial_end *end, uint32_t sink)
{
    const struct gw_sink_config *sinks = t->route->sinks;
    const char *bridge = t->model->bridges[sinks[sink].bridge].name;
    const char *address = gw_template_text(sinks[sink].address);
    size_t n = strlen(bridge), m = strlen(address);
    unsigned again = 1;
    char number[16] = ""; /* as in the store's label: the second of two that are the same is #2 */
    if (!end->sink || strncmp(end->sink, bridge, n) != 0 || end->sink[n] != ' ' ||
        strncmp(end->sink + n + 1, address, m) != 0)
        return false;
    for (uint32_t i = 0; i < sink; i++)
        again += sinks[i].bridge == sinks[sink].bridge &&
                 !strcmp(gw_template_text(sinks[i].address), address);
    if (again > 1)
        snprintf(number, sizeof number, " #%u", again);
    return !strcmp(end->sink + n + 1 + m, number);
}

static bool fits(const struct gw_trial *t, const struct gw_test_end *x,
                 const struct gw_trial_end *end)
{
    static const enum gw_trial_end_kind kinds[] = {[GW_TEST_DROPPED] = GW_TRIAL_DROPPED,
                                                   [GW_TEST_DEAD] = GW_TRIAL_DEAD,
                                                   [GW_TEST_RETURNED] = GW_TRIAL_RETURNED};
    if (end->used || (x->kind == GW_TEST_REJECTED ? !is_refusal(end) : kinds[x->kind] != end->kind))
        return false;
    const char *step = x->step == GW_TEST_ANY ? NULL : t->route->steps[x->step].name;
    return (!step || (end->step && !strcmp(step, end->step))) &&
           (x->sink == GW_TEST_ANY || is_of_sink(t, end, x->sink)) &&
           (!x->attempts || x->attempts == end->attempts) && has_part(end->reason, x->reason);
}

static const char *const expected_names[] = {
    [GW_TEST_DROPPED] = "dropped",
    [GW_TEST_REJECTED] = "rejected",
    [GW_TEST_DEAD] = "dead-lettered",
    [GW_TEST_RETURNED] = "returned to its source",
};
static const char *const end_names[] = {
    [GW_TRIAL_DROPPED] = "dropped",     [GW_TRIAL_EXPIRED] = "expired",
    [GW_TRIAL_DISCARDED] = "discarded", [GW_TRIAL_RETURNED] = "returned to its source",
    [GW_TRIAL_DEAD] = "dead-lettered",
};

static void say_missing(struct gw_trial *t, const struct gw_test_end *x, uint64_t missing)
{
    if (!gw_trial_problem(t))
        return;
    fprintf(t->out, "expected in line %u: %" PRIu64 " event%s %s", x->node->line, missing,
            missing == 1 ? "" : "s", expected_names[x->kind]);
    if (x->step != GW_TEST_ANY)
        fprintf(t->out, " by %s", t->route->steps[x->step].name);
    if (x->sink != GW_TEST_ANY) {
        fputs(" by ", t->out);
        gw_trial_put_sink(t, x->sink);
    }
    if (x->reason && *x->reason)
        fprintf(t->out, " because of \"%s\"", x->reason);
    if (x->attempts)
        fprintf(t->out, " after %" PRId64 " attempts", x->attempts);
    fputs("; there was none such\n", t->out);
}

static void say_unexpected(struct gw_trial *t, const struct gw_trial_end *end)
{
    if (!gw_trial_problem(t))
        return;
    fprintf(t->out, "not expected: %s", end_names[end->kind]);
    if (end->sink && *end->sink)
        fprintf(t->out, " by %s", end->sink);
    else if (end->step)
        fprintf(t->out, " by %s", end->step);
    if (end->attempts)
        fprintf(t->out, " after %u attempt%s", end->attempts, end->attempts == 1 ? "" : "s");
    if (end->address)
        fprintf(t->out, ": %s", end->address);
    if (end->reason)
        fprintf(t->out, " (%s)", end->reason);
    fputc('\n', t->out);
}

static void check_count(struct gw_trial *t, const char *what, uint64_t expected, uint64_t actual)
{
    if (expected == actual || !gw_trial_problem(t))
        return;
    fprintf(t->out, "%s: expected %" PRIu64 ", got %" PRIu64 "\n", what, expected, actual);
}

/* The ends of these kinds are only counted; those above the number are said one by one. */
static void check_kind(struct gw_trial *t, enum gw_trial_end_kind kind, uint64_t expected)
{
    uint64_t there = 0;
    for (size_t i = 0; i < t->end_count && there < expected; i++) {
        if (t->ends[i].kind != kind || t->ends[i].used)
            continue;
        t->ends[i].used = true;
        there++;
    }
    check_count(t, end_names[kind], expected, there);
}

static void check_balance(struct gw_trial *t)
{
    const struct gw_store_ledger *l = &t->ledger.ledger;
    if (!t->ledger.unbalanced || !gw_trial_problem(t))
        return;
    fprintf(t->out,
            "the ledger does not balance: received %" PRIu64 ", delivered %" PRIu64
            ", dropped %" PRIu64 ", expired %" PRIu64 ", discarded %" PRIu64 ", returned %" PRIu64
            ", duplicates %" PRIu64 ", dead-lettered %" PRIu64 ", in flight %" PRIu64
            ", stored %" PRIu64 "\n",
            l->received, l->ended[GW_TERM_DELIVERED], l->ended[GW_TERM_DROPPED],
            l->ended[GW_TERM_EXPIRED], l->ended[GW_TERM_DISCARDED], l->ended[GW_TERM_RETURNED],
            l->ended[GW_TERM_DUPLICATE], l->ended[GW_TERM_DEAD_LETTERED], t->ledger.in_flight,
            l->stored);
}

void gw_trial_check_ends(struct gw_trial *t)
{
    const struct gw_test_config *test = t->test;
    const struct gw_store_ledger *l = &t->ledger.ledger;
    for (size_t i = 0; i < test->end_count; i++) {
        uint64_t missing = (uint64_t)test->ends[i].times;
        for (size_t k = 0; k < t->end_count && missing; k++) {
            if (!fits(t, &test->ends[i], &t->ends[k]))
                continue;
            t->ends[k].used = true;
            missing--;
        }
        if (missing)
            say_missing(t, &test->ends[i], missing);
    }
    check_kind(t, GW_TRIAL_EXPIRED, (uint64_t)test->expired);
    check_kind(t, GW_TRIAL_DISCARDED, (uint64_t)test->discarded);
    for (size_t i = 0; i < t->end_count; i++)
        if (!t->ends[i].used)
            say_unexpected(t, &t->ends[i]);
    check_count(t, "duplicates", (uint64_t)test->duplicates, l->ended[GW_TERM_DUPLICATE]);
    check_count(t, "waiting at the end", (uint64_t)test->waiting, t->ledger.in_flight + l->stored);
    check_count(t, "given, but taken by no source", (uint64_t)test->unmatched, t->unmatched);
    check_balance(t);
}
