/* SPDX-License-Identifier: Apache-2.0 */
/* `meshgate run`: the control thread, its signals, the control socket, and the ledger in the log.
 */
#include "admin/control.h"
#include "base/log.h"
#include "cli/cli.h"
#include "flow/flow.h"
#include "plugin/crash.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char help[] =
    "usage: meshgate run -c FILE|FOLDER [-m DIR]...\n\n"
    "Runs the gateway.  Peers that are away are waited for.  SIGTERM and SIGINT stop it in good "
    "order:\n"
    "sources take no more, what is in hand is settled within gateway.drain_timeout, the rest goes "
    "back\n"
    "to its sources.  A second signal ends the wait.  SIGUSR1 writes the ledger to the log.\n";

struct run {
    uv_loop_t loop;
    uv_signal_t signals[3];
    uv_timer_t report_timer;
    struct gw_gateway *gateway;
    bool stopping;
};

static void log_route(json_t *route)
{
    char numbers[16][24];
    const char *fields[] = {"received", "delivered", "dropped", "expired",       "discarded",
                            "returned", "in_flight", "stored",  "dead_lettered", "retries"};
    for (size_t i = 0; i < sizeof fields / sizeof fields[0]; i++)
        snprintf(numbers[i], sizeof numbers[i], "%" JSON_INTEGER_FORMAT,
                 json_integer_value(json_object_get(route, fields[i])));
    gw_log(MG_INFO, "ledger", "route", json_string_value(json_object_get(route, "route")),
           "received", numbers[0], "delivered", numbers[1], "dropped", numbers[2], "expired",
           numbers[3], "discarded", numbers[4], "returned", numbers[5], "in_flight", numbers[6],
           "stored", numbers[7], "dead_lettered", numbers[8], "retries", numbers[9], "balanced",
           json_is_true(json_object_get(route, "balanced")) ? "yes" : "NO", NULL);
}

/* Routes that have not seen an event would only make the log long. */
static void log_ledger(struct gw_gateway *gateway)
{
    json_t *report = gw_gateway_report(gateway), *route;
    size_t i;
    json_array_foreach(json_object_get(report, "routes"), i, route)
    {
        if (json_integer_value(json_object_get(route, "received")))
            log_route(route);
    }
    json_decref(report);
}

static void report_due(uv_timer_t *timer)
{
    struct run *r = timer->data;
    log_ledger(r->gateway);
}

static void caught(uv_signal_t *signal, int number)
{
    struct run *r = signal->data;
    if (number == SIGUSR1) {
        log_ledger(r->gateway);
        return;
    }
    r->stopping = true;
    gw_log(MG_INFO, "stopping", "signal", number == SIGTERM ? "SIGTERM" : "SIGINT", NULL);
    uv_stop(&r->loop);
}

static void watch(struct run *r, int64_t report_every_ms)
{
    static const int numbers[] = {SIGTERM, SIGINT, SIGUSR1};
    for (size_t i = 0; i < 3; i++) {
        uv_signal_init(&r->loop, &r->signals[i]);
        r->signals[i].data = r;
        uv_signal_start(&r->signals[i], caught, numbers[i]);
    }
    uv_timer_init(&r->loop, &r->report_timer);
    r->report_timer.data = r;
    if (report_every_ms)
        uv_timer_start(&r->report_timer, report_due, (uint64_t)report_every_ms,
                       (uint64_t)report_every_ms);
}

static void close_all(uv_handle_t *handle, void *arg)
{
    (void)arg;
    if (!uv_is_closing(handle))
        uv_close(handle, NULL);
}

static void log_failure(const char *message, const struct mg_err *err)
{
    gw_log(MG_ERROR, message, "reason", err->text[0] ? err->text : "unknown", NULL);
}

/* A second signal while draining means "now". */
static void restore_signals(void)
{
    signal(SIGTERM, SIG_DFL);
    signal(SIGINT, SIG_DFL);
}

static int serve(struct run *r, const struct gw_model *model)
{
    struct mg_err err = {{0}, NULL};
    struct gw_control *control = NULL;
    struct gw_operation_target target;
    const struct gw_gateway_settings *settings = &model->gateway;
    if (gw_gateway_create(model, &r->gateway, &err)) {
        log_failure("the gateway could not be made", &err);
        return 1;
    }
    watch(r, settings->report_every_ms);
    target = (struct gw_operation_target){.gateway = r->gateway};
    int error = settings->control
                    ? gw_control_open(&r->loop, &target, settings->control, &control, &err)
                    : 0;
    if (error)
        log_failure("the control socket could not be opened", &err);
    else if ((error = gw_gateway_start(r->gateway, &err)))
        log_failure("the gateway could not be started", &err);
    if (!error) {
        target.store = gw_gateway_store(r->gateway);
        char routes[24], bridges[24];
        snprintf(routes, sizeof routes, "%zu", model->route_count);
        snprintf(bridges, sizeof bridges, "%zu", model->bridge_count);
        gw_log(MG_INFO, "gateway ready", "gateway", settings->name, "version", MESHGATE_VERSION,
               "routes", routes, "bridges", bridges, "control", settings->control, NULL);
        uv_run(&r->loop, UV_RUN_DEFAULT);
    }
    gw_control_close(control);
    uv_walk(&r->loop, close_all, NULL);
    uv_run(&r->loop, UV_RUN_DEFAULT);
    restore_signals();

    uint64_t released = gw_gateway_drain(r->gateway, error ? 0 : settings->drain_timeout_ms);
    if (released) {
        char count[24];
        snprintf(count, sizeof count, "%" PRIu64, released);
        gw_log(MG_WARN, "not all could be settled in time; the rest went back to its sources",
               "events", count, NULL);
    }
    log_ledger(r->gateway);
    int hung = gw_gateway_stop(r->gateway);
    gw_log(MG_INFO, "stopped", "gateway", settings->name, NULL);
    if (hung)
        _exit(1); /* a module still runs in its stop: nothing of it may be unloaded */
    gw_gateway_destroy(r->gateway);
    return error ? 1 : 0;
}

int gw_cli_run(int argc, char **argv)
{
    struct gw_cli_options options = {0};
    for (int i = 1; i < argc;) {
        int taken = gw_cli_option(&options, argc, argv, &i);
        if (taken < 1) {
            if (taken == 0)
                fprintf(stderr, "meshgate run: unknown option \"%s\"\n\n%s", argv[i], help);
            return 2;
        }
    }
    if (options.help) {
        fputs(help, stdout);
        return 0;
    }
    struct gw_cli cli;
    struct run r = {0};
    int code = 1;
    void *stack = gw_crash_stack_begin();
    if (gw_cli_open(&cli, &options)) {
        gw_diags_print(&cli.diags, stderr);
    } else {
        gw_diags_print(&cli.diags, stderr);
        gw_log_configure(cli.model->gateway.log_format, cli.model->gateway.log_level);
        gw_crash_folder(cli.model->gateway.store.path);
        uv_loop_init(&r.loop);
        code = serve(&r, cli.model);
        uv_loop_close(&r.loop);
    }
    gw_cli_close(&cli);
    gw_crash_stack_end(stack);
    return code;
}
