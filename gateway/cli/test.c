/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate test`: runs what stands under tests: of the routes, offline, on a virtual clock. */
#include "base/log.h"
#include "cli/cli.h"
#include "cli/trial.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char help[] =
    "usage: meshgate test -c FILE|FOLDER [--route NAME] [--junit FILE] [--coverage] [--json]\n\n"
    "Runs the tests that stand under tests: of the routes: real steps and real delivery, in front "
    "of\npeers that are played, on a clock that is moved by hand.  Nothing connects to a broker;\n"
    "what steps ask of other services, they really ask.  Exit 0: all pass; 1: some do not;\n"
    "2: the configuration is wrong.\n\n"
    "  --route NAME  only the tests of that route\n"
    "  --junit FILE  writes the results as JUnit's XML, too\n"
    "  --coverage    says what the tests have tried of steps and sinks\n"
    "  --json        prints the results as JSON instead\n";

struct request {
    struct gw_cli_options options;
    const char *route, *junit;
    bool coverage;
};

struct run {
    const struct request *request;
    const struct gw_model *model;
    struct gw_trial_coverage *coverage;
    struct gw_trial_report *report;
    size_t tests, failed;
    uint64_t took_us;
};

static int read_words(struct request *q, int argc, char **argv)
{
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&q->options, argc, argv, &i);
        if (taken < 0)
            return 2;
        if (taken)
            continue;
        bool has_value = i + 1 < argc;
        if (!strcmp(argv[i], "--coverage")) {
            q->coverage = true;
            i++;
        } else if (!strcmp(argv[i], "--route") && has_value) {
            q->route = argv[i + 1];
            i += 2;
        } else if (!strcmp(argv[i], "--junit") && has_value) {
            q->junit = argv[i + 1];
            i += 2;
        } else {
            fprintf(stderr, "meshgate test: what is \"%s\"?\n\n%s", argv[i], help);
            return 2;
        }
    }
    return 0;
}

static void print_result(const struct gw_trial *t, size_t number)
{
    char name[GW_TRIAL_NAME_BYTES];
    printf("%s %s: %s", t->problem_count ? "FAIL" : "ok  ", t->route->name,
           gw_trial_name(t, number, name));
    if (t->problem_count)
        printf(" (%s:%u)\n%s", t->test->node->file, t->test->node->line, t->problems);
    else
        putchar('\n');
}

/* 0, or 2 where it could not be run. */
static int run_one(struct run *r, uint32_t route, size_t number)
{
    struct mg_err err = {{0}, NULL};
    struct gw_trial t = {.model = r->model,
                         .route = &r->model->routes[route],
                         .test = &r->model->routes[route].tests[number],
                         .coverage = &r->coverage[route]};
    int error = gw_trial_run(&t, &err);
    if (!error)
        error = gw_report_add(r->report, &t, number);
    if (error)
        fprintf(stderr, "meshgate test: %s:%u: %s\n", t.test->node->file, t.test->node->line,
                err.text[0] ? err.text : strerror(-error));
    else if (!r->request->options.json)
        print_result(&t, number);
    r->tests++;
    r->failed += t.problem_count > 0;
    r->took_us += t.took_us;
    gw_trial_fini(&t);
    return error ? 2 : 0;
}

static bool is_asked(const struct request *q, const struct gw_route_config *route)
{
    return !q->route || !strcmp(q->route, route->name);
}

static int run_all(struct run *r)
{
    bool any = false;
    for (uint32_t i = 0; i < r->model->route_count; i++) {
        const struct gw_route_config *route = &r->model->routes[i];
        if (!is_asked(r->request, route))
            continue;
        any = true;
        for (size_t k = 0; k < route->test_count; k++)
            if (run_one(r, i, k))
                return 2;
    }
    if (any || !r->request->route)
        return r->failed ? 1 : 0;
    fprintf(stderr, "meshgate test: there is no route \"%s\"\n", r->request->route);
    return 2;
}

static int print_end(struct run *r, int code)
{
    const struct request *q = r->request;
    if (q->options.json)
        gw_report_write_json(r->report, stdout);
    for (uint32_t i = 0; i < r->model->route_count && q->coverage && !q->options.json; i++) {
        if (!is_asked(q, &r->model->routes[i]))
            continue;
        putchar('\n');
        gw_coverage_print(r->coverage, r->model, i, stdout);
    }
    if (!q->options.json && !r->tests)
        puts("no tests: none of these routes has tests:");
    else if (!q->options.json)
        printf("\n%zu test%s: %zu passed, %zu failed, in %.2f s\n", r->tests,
               r->tests == 1 ? "" : "s", r->tests - r->failed, r->failed, (double)r->took_us / 1e6);
    int error = q->junit ? gw_report_write_junit(r->report, q->junit) : 0;
    if (error)
        fprintf(stderr, "meshgate test: %s: %s\n", q->junit, strerror(-error));
    return error ? 2 : code;
}

static int test(const struct request *q, const struct gw_model *model)
{
    struct run r = {.request = q,
                    .model = model,
                    .coverage = gw_coverage_create(model),
                    .report = gw_report_create()};
    int code = 2;
    if (r.coverage && r.report)
        code = run_all(&r);
    else
        fputs("meshgate test: out of memory\n", stderr);
    if (code < 2)
        code = print_end(&r, code);
    gw_report_destroy(r.report);
    gw_coverage_destroy(r.coverage, model);
    return code;
}

int gw_cli_test(int argc, char **argv)
{
    struct request q = {0};
    int code = read_words(&q, argc, argv);
    if (code || q.options.help) {
        if (!code)
            fputs(help, stdout);
        return code;
    }
    struct gw_cli cli;
    gw_log_configure(GW_LOG_LOGFMT, MG_ERROR); /* that faults are logged is part of the play */
    if (gw_cli_open(&cli, &q.options)) {
        gw_diags_print(&cli.diags, stderr);
        code = 2;
    } else {
        code = test(&q, cli.model);
    }
    gw_cli_close(&cli);
    return code;
}
