/* SPDX-License-Identifier: Apache-2.0 */
/* The store of a gateway: opened before anything connects, closed after everything has ended; and
 * what of a route is kept in it by name. */
#include "flow/internal.h"
#include "store/browse.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void found(void *arg, uint32_t level, const char *text)
{
    (void)arg;
    gw_log(level, "store", "reason", text, NULL);
}

/* What a commit has for a shard wakes it once. */
static void telling(void *arg, bool begins)
{
    gw_shards_gather(arg, begins);
}

/* ---- pauses --------------------------------------------------------------------------------- */

static const char pause_prefix[] = "p"; /* then NUL and the route's name */

struct pause_op {
    struct gw_store_state state; /* first */
    char bytes[];
};

static void free_pause(struct gw_store_op *op)
{
    free(op);
}

static void keep_pause(struct gw_route *route, bool pause, const char *reason)
{
    size_t name = strlen(route->config->name), key = sizeof pause_prefix + name;
    size_t length = strlen(reason);
    struct pause_op *op = malloc(sizeof *op + key + length);
    if (!op) {
        gw_log(MG_ERROR, "out of memory: a pause will not outlive a restart", "route",
               route->config->name, NULL);
        return;
    }
    memcpy(op->bytes, pause_prefix, sizeof pause_prefix);
    memcpy(op->bytes + sizeof pause_prefix, route->config->name, name);
    memcpy(op->bytes + key, reason, length);
    op->state = (struct gw_store_state){.op = {.kind = GW_OP_STATE, .done = free_pause},
                                        .key = {op->bytes, key}};
    if (pause)
        op->state.value = (struct mg_bytes){op->bytes + key, length};
    gw_store_submit(route->gateway->store, &op->state.op, &op->state.op);
}

static void set_reason(struct gw_route *route, const char *reason, size_t length)
{
    pthread_mutex_lock(&route->pause_lock);
    snprintf(route->pause_reason, sizeof route->pause_reason, "%.*s", (int)length, reason);
    pthread_mutex_unlock(&route->pause_lock);
}

void gw_route_pause(struct gw_route *route, bool pause, const char *reason)
{
    set_reason(route, reason, strlen(reason));
    if (atomic_exchange(&route->paused, pause) == pause)
        return;
    gw_log(pause ? MG_WARN : MG_INFO, pause ? "route paused" : "route resumed", "route",
           route->config->name, "reason", *reason ? reason : NULL, NULL);
    keep_pause(route, pause, reason);
}

static void load_pause(void *arg, struct mg_bytes key, struct mg_bytes value)
{
    struct gw_gateway *g = arg;
    const char *name = (const char *)key.at + sizeof pause_prefix;
    size_t length = key.len - sizeof pause_prefix;
    for (size_t r = 0; r < g->model->route_count; r++) {
        struct gw_route *route = &g->routes[r];
        if (!route->stored || strlen(route->config->name) != length ||
            memcmp(route->config->name, name, length))
            continue;
        atomic_store(&route->paused, true);
        set_reason(route, value.at, value.len);
        gw_log(MG_WARN, "route is paused, as before the restart", "route", route->config->name,
               "reason", route->pause_reason, NULL);
    }
}

/* ---- logs ----------------------------------------------------------------------------------- */

/* What a sink is called in the store: its bridge and its address as written, and a number where one
 * route has two of these. */
static char *label_of(const struct gw_route *route, size_t i)
{
    const struct gw_sink_config *sinks = route->config->sinks;
    const struct gw_model *m = route->gateway->model;
    const char *address = gw_template_text(sinks[i].address);
    unsigned again = 1;
    for (size_t k = 0; k < i; k++)
        again += sinks[k].bridge == sinks[i].bridge &&
                 !strcmp(gw_template_text(sinks[k].address), address);
    char *label = NULL;
    int n = again == 1
                ? asprintf(&label, "%s %s", m->bridges[sinks[i].bridge].name, address)
                : asprintf(&label, "%s %s #%u", m->bridges[sinks[i].bridge].name, address, again);
    return n < 0 ? NULL : label;
}

static int open_labelled(struct gw_route *route, const char *const *labels, struct mg_err *err)
{
    const struct gw_delivery_settings *d = &route->config->delivery;
    struct gw_store_log_settings settings = {
        .route = route->config->name,
        .sinks = labels,
        .sink_count = route->config->sink_count,
        .any = d->require == GW_REQUIRE_ANY,
        .backlog_bytes = d->backlog_bytes,
        .backlog_count = d->backlog_count,
        .backlog_age_ms = d->backlog_age_ms,
        .when_full = d->backlog_full,
        .dedup_window_ms = d->dedup_window_ms,
        .dedup_count = d->dedup_by == GW_DEDUP_OFF ? 0 : d->dedup_count,
        .archive_keep_ms = d->archive_keep_ms,
        .archive_bytes = d->archive_bytes,
    };
    return gw_store_log_open(route->gateway->store, &settings, &route->log, err);
}

static int open_log(struct gw_route *route, struct mg_err *err)
{
    size_t count = route->config->sink_count;
    char **labels = calloc(count + 1, sizeof(*labels));
    int error = labels ? 0 : -ENOMEM;
    for (size_t i = 0; i < count && !error; i++) {
        labels[i] = label_of(route, i);
        error = labels[i] ? 0 : -ENOMEM;
    }
    if (!error)
        error = open_labelled(route, (const char *const *)labels, err);
    for (size_t i = 0; labels && i < count; i++)
        free(labels[i]);
    free(labels);
    return error;
}

static void warn_of_rest(struct gw_store_log *log, const char *route, const char *message)
{
    struct gw_store_ledger ledger;
    char count[24];
    gw_store_log_ledger(log, &ledger);
    if (!ledger.stored)
        return;
    snprintf(count, sizeof count, "%llu", (unsigned long long)ledger.stored);
    gw_log(MG_WARN, message, "route", route, "events", count, NULL);
}

/* A log that no route has opened has no sinks yet. */
static void warn_of_stray(void *arg, const char *name, struct gw_store_log *log,
                          const char *const *sinks, size_t sink_count)
{
    (void)arg, (void)sinks;
    if (!sink_count)
        warn_of_rest(log, name,
                     "the store has events of a route that the configuration does not name; they "
                     "stay there until it does");
}

static int open_route(struct gw_route *route, struct mg_err *err)
{
    if (route->config->sink_count > GW_RECORD_SINKS_MAX)
        return 0; /* check refuses `stored` here; its ledger is in memory */
    int error = open_log(route, err);
    if (error)
        return error;
    route->stored = route->config->delivery.guarantee == GW_STORED;
    if (!route->stored)
        warn_of_rest(route->log, route->config->name,
                     "the store has events of a route that is not stored any more; they stay there "
                     "until it is again");
    for (size_t i = 0; route->stored && i < route->config->sink_count && !error; i++)
        error = gw_outlet_create(route->sinks[i], (uint32_t)i);
    return error;
}

int gw_gateway_store_open(struct gw_gateway *g, struct mg_err *err)
{
    const struct gw_store_settings *settings = &g->model->gateway.store;
    if (!settings->path)
        return 0;
    struct gw_store_options options = {0};
    if (g->store_options)
        options = *g->store_options;
    options.telling = telling;
    options.telling_arg = g;
    int error = gw_store_open(settings, &options, found, NULL, &g->store, err);
    for (size_t r = 0; r < g->model->route_count && !error; r++)
        error = open_route(&g->routes[r], err);
    if (!error)
        error = gw_store_log_each(g->store, warn_of_stray, NULL);
    if (!error)
        error = gw_store_state_each(g->store, (struct mg_bytes){pause_prefix, sizeof pause_prefix},
                                    load_pause, g);
    if (!error)
        error = gw_poison_load(g);
    if (error == -ENOMEM && !err->text[0])
        snprintf(err->text, sizeof err->text, "store: out of memory");
    return error;
}

void gw_gateway_store_close(struct gw_gateway *g)
{
    gw_store_close(g->store);
    g->store = NULL;
    free(g->poison);
    g->poison = NULL;
    g->poison_count = 0;
    for (size_t r = 0; g->routes && r < g->model->route_count; r++)
        g->routes[r].log = NULL;
}
