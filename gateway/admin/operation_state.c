/* SPDX-License-Identifier: Apache-2.0 */
/* report, ledger, store.info: how things stand. */
#include "admin/operations.h"
#include "admin/text.h"
#include "store/browse.h"
#include <errno.h>
#include <string.h>

static int report_step(struct gw_operation_run *run, struct mg_err *reterr)
{
    (void)reterr;
    return gw_operation_emit(run, gw_gateway_report(run->target->gateway));
}

const struct gw_operation gw_operation_report = {
    .name = "report",
    .doc = "The ledger of every route, and the state of every connection.",
    .flags = GW_OPERATION_GATEWAY,
    .step = report_step,
};

/* ---- ledger --------------------------------------------------------------------------------- */

/* The names of a report, in the order of enum gw_store_term. */
static const char *const terms[GW_TERMS] = {"delivered", "dropped",    "expired",      "discarded",
                                            "returned",  "duplicates", "dead_lettered"};

struct sum {
    json_t *routes;
    bool balanced, failed;
};

static void set_count(json_t *object, const char *name, uint64_t value)
{
    json_object_set_new(object, name, json_integer((json_int_t)value));
}

static json_t *sinks_of(struct gw_store_log *log, const char *const *sinks, size_t count)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        struct gw_store_backlog backlog;
        gw_store_log_backlog(log, (uint32_t)i, &backlog);
        int64_t age_us = backlog.oldest_us ? gw_clock_us() - backlog.oldest_us : 0;
        json_t *sink = json_object();
        json_object_set_new(sink, "sink",
                            gw_text_json((struct mg_str){sinks[i], strlen(sinks[i])}));
        set_count(sink, "backlog", backlog.count);
        set_count(sink, "bytes", backlog.bytes);
        set_count(sink, "oldest_ms", age_us > 0 ? (uint64_t)age_us / 1000 : 0);
        json_array_append_new(list, sink);
    }
    return list;
}

static void add_route(void *arg, const char *route, struct gw_store_log *log,
                      const char *const *sinks, size_t sink_count)
{
    struct sum *sum = arg;
    struct gw_store_ledger l;
    gw_store_log_ledger(log, &l);
    uint64_t total = l.stored;
    json_t *o = json_object();
    json_object_set_new(o, "route", gw_text_json((struct mg_str){route, strlen(route)}));
    set_count(o, "received", l.received);
    for (size_t i = 0; i < GW_TERMS; i++) {
        set_count(o, terms[i], l.ended[i]);
        total += l.ended[i];
    }
    set_count(o, "in_flight", 0);
    set_count(o, "stored", l.stored);
    set_count(o, "retries", l.retries);
    json_object_set_new(o, "sinks", sinks_of(log, sinks, sink_count));
    json_object_set_new(o, "balanced", json_boolean(total == l.received));
    sum->balanced = sum->balanced && total == l.received;
    sum->failed = json_array_append_new(sum->routes, o) || sum->failed;
}

static int of_store(struct gw_operation_run *run, struct sum *sum)
{
    *sum = (struct sum){.routes = json_array(), .balanced = true};
    int error = gw_store_log_each(run->target->store, add_route, sum);
    if (!error && !sum->failed && sum->routes)
        return 0;
    json_decref(sum->routes);
    return error ? error : -ENOMEM;
}

static int ledger_step(struct gw_operation_run *run, struct mg_err *reterr)
{
    if (run->target->gateway)
        return report_step(run, reterr);
    if (!run->target->store)
        return -ENOTSUP;
    struct sum sum;
    int error = of_store(run, &sum);
    if (error)
        return error;
    return gw_operation_emit(run, json_pack("{s:b, s:b, s:o}", "stopped", 1, "balanced",
                                            sum.balanced, "routes", sum.routes));
}

const struct gw_operation gw_operation_ledger = {
    .name = "ledger",
    .doc = "The ledger of every route; of a stopped gateway, what its store says.",
    .step = ledger_step,
};

/* ---- store.info ----------------------------------------------------------------------------- */

static int info_step(struct gw_operation_run *run, struct mg_err *reterr)
{
    (void)reterr;
    struct sum sum;
    int error = of_store(run, &sum);
    if (error)
        return error;
    return gw_operation_emit(run,
                             json_pack("{s:o, s:o}", "store", gw_store_report(run->target->store),
                                       "routes", sum.routes));
}

const struct gw_operation gw_operation_store_info = {
    .name = "store.info",
    .doc = "The health and size of the store, and the backlog of every sink.",
    .flags = GW_OPERATION_STORE,
    .step = info_step,
};
