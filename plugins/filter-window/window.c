/* SPDX-License-Identifier: Apache-2.0 */
/* Filter "window": passes events at some times of the week or days of the year alone. */
#include "meshgate/plugin.h"
#include "windows.h"
#include "zone.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum by { BY_ARRIVAL, BY_CREATED };
enum otherwise { OTHERWISE_DROP, OTHERWISE_REJECT };

struct settings {
    const struct mg_node *windows, *except;
    const char *zone;
    uint32_t by, otherwise;
    bool invert;
};

struct filter {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct zone *zone;
    struct windows *windows;
};

/* The last answer: a turn of the loop has one time for all its events. */
struct context {
    mg_shard *shard;
    int64_t second; /* since 1970, UTC */
    bool known, inside;
};

static const char *const counters[] = {"outside", NULL};
enum { COUNT_OUTSIDE };

static const char *const bys[] = {"arrival", "created", NULL};
static const char *const otherwises[] = {"drop", "reject", NULL};
#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "windows",
     .doc = "When events pass: a map, or a list of maps, of weekdays ([mon-fri]), dates "
            "([2026-12-24, 12-25, 08-01..08-31]), from (08:00) and to (17:30).",
     .type = MG_OPT_TREE,
     .flags = MG_OPT_REQUIRED,
     .offset = AT(windows)},
    {.name = "except",
     .doc = "Dates, as in windows, on which no window begins: holidays.",
     .type = MG_OPT_TREE,
     .offset = AT(except)},
    {.name = "zone",
     .value = "UTC",
     .doc = "The time zone of all times and dates: UTC, an offset (+02:00), or a name of the "
            "system's tz database (Europe/Berlin).",
     .type = MG_OPT_TEXT,
     .least = 1,
     .most = ZONE_NAME_BYTES_MAX,
     .offset = AT(zone)},
    {.name = "by",
     .value = "arrival",
     .doc = "Which time of an event counts: when it is here, or when it was created, as far as its "
            "sender said that (else when it is here).",
     .type = MG_OPT_ENUM,
     .choices = bys,
     .offset = AT(by)},
    {.name = "invert",
     .value = "false",
     .doc = "Events pass outside of the windows instead.",
     .type = MG_OPT_BOOL,
     .offset = AT(invert)},
    {.name = "otherwise",
     .value = "drop",
     .doc = "What becomes of the other events: dropped by policy, or rejected as an error.",
     .type = MG_OPT_ENUM,
     .choices = otherwises,
     .offset = AT(otherwise)},
    {0}};

/* ---- life ----------------------------------------------------------------------------------- */

static void destroy(void *self)
{
    struct filter *f = self;
    if (!f)
        return;
    zone_destroy(f->zone);
    windows_free(f->windows);
    free(f);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    const struct settings *s = settings;
    struct filter *f = calloc(1, sizeof *f);
    if (!f) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    f->host = host;
    f->instance = instance;
    f->settings = s;
    reterr->option = NULL;
    int error = zone_create(s->zone, &f->zone, reterr);
    if (error)
        reterr->option = "zone";
    else
        error = windows_compile(s->windows, s->except, &f->windows, reterr);
    if (error) {
        destroy(f);
        return error;
    }
    *ret_self = f;
    return 0;
}

static int check(const void *settings, struct mg_err *reterr)
{
    void *filter = NULL;
    int error = create(NULL, NULL, settings, &filter, reterr);
    destroy(filter);
    return error;
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    (void)self;
    struct context *x = calloc(1, sizeof *x);
    if (!x) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    x->shard = shard;
    *ret_context = x;
    return 0;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    free(context);
}

/* ---- the filter ----------------------------------------------------------------------------- */

static bool inside(const struct filter *f, struct context *x, int64_t wall_us)
{
    int64_t second = wall_us / 1000000 - (wall_us % 1000000 < 0); /* a sender may say any */
    if (!x->known || x->second != second) {
        x->inside = windows_have(f->windows, second + zone_offset(f->zone, second));
        x->second = second;
        x->known = true;
    }
    return x->inside;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct filter *f = self;
    struct context *x = context;
    const struct mg_head *head = f->host->event_head(call->event);
    bool created = f->settings->by == BY_CREATED && head->present & MG_HAS_CREATED;
    int64_t wall_us = created ? head->created_us : f->host->wall_us(x->shard);
    if (inside(f, x, wall_us) != f->settings->invert)
        return MG_PASS;
    f->host->count(f->instance, COUNT_OUTSIDE, 1);
    snprintf(result->err.text, sizeof result->err.text, "%s %s of the windows",
             created ? "created" : "it is", f->settings->invert ? "inside" : "outside");
    return f->settings->otherwise == OTHERWISE_REJECT ? MG_REJECT : MG_DROP;
}

/* ---- descriptor ----------------------------------------------------------------------------- */

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {
    .size = sizeof ops, .process = process, .traits = MG_STEP_STATELESS};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "window",
    .version = "1.0.0",
    .summary = "Passes events at some times of the week or days of the year alone.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .check = check,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
