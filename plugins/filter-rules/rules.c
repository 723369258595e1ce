/* SPDX-License-Identifier: Apache-2.0 */
/* Filter "rules": passes events by their attributes, properties and captures; the payload is not
 * read. */
#include "meshgate/plugin.h"
#include "rule.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum otherwise { OTHERWISE_DROP, OTHERWISE_REJECT };

struct settings {
    const struct mg_node *match;
    uint32_t otherwise;
};

struct filter {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct rules *rules;
};

struct context {
    mg_shard *shard;
    struct expression_scratch *scratch;
    bool warned;
};

static const char *const counters[] = {"too_long", "no_capture", NULL};
enum { COUNT_TOO_LONG, COUNT_NO_CAPTURE };

static const char *const otherwises[] = {"drop", "reject", NULL};
#define AT(field) offsetof(struct settings, field)
static const struct mg_option options[] = {
    {.name = "match",
     .doc = "The rules, all of which must hold: a map of what is looked at (event.qos, "
            "property.site, line) to what it must be; all, any and none take lists of such maps, "
            "not takes one.",
     .type = MG_OPT_TREE,
     .flags = MG_OPT_REQUIRED,
     .offset = AT(match)},
    {.name = "otherwise",
     .value = "drop",
     .doc = "What becomes of the other events: dropped by policy, or rejected as an error.",
     .type = MG_OPT_ENUM,
     .choices = otherwises,
     .offset = AT(otherwise)},
    {0}};

/* ---- life ----------------------------------------------------------------------------------- */

static int no_memory(struct mg_err *reterr)
{
    snprintf(reterr->text, sizeof reterr->text, "out of memory");
    return -ENOMEM;
}

static void destroy(void *self)
{
    struct filter *f = self;
    if (f)
        rules_free(f->rules);
    free(f);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct filter *f = calloc(1, sizeof *f);
    if (!f)
        return no_memory(reterr);
    f->host = host;
    f->instance = instance;
    f->settings = settings;
    int error = rules_compile(f->settings->match, &f->rules, reterr);
    if (error) {
        reterr->option = "match";
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

static void shard_close(void *self, void *context)
{
    (void)self;
    struct context *x = context;
    if (x)
        expression_scratch_destroy(x->scratch);
    free(x);
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct context *x = calloc(1, sizeof *x);
    if (x)
        x->scratch = expression_scratch_create();
    if (!x || !x->scratch) {
        shard_close(self, x);
        return no_memory(reterr);
    }
    x->shard = shard;
    *ret_context = x;
    return 0;
}

/* ---- the filter ----------------------------------------------------------------------------- */

/* A slip in a name that nobody could see before: what a source captures is known to its route. */
static void no_capture(const struct filter *f, struct context *x, const struct rule *rule)
{
    f->host->count(f->instance, COUNT_NO_CAPTURE, 1);
    if (x->warned)
        return;
    x->warned = true;
    f->host->log(f->instance, MG_WARN, "the rule in line %u asks for %s, which is not captured",
                 rule->line, rule->name);
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct filter *f = self;
    struct context *x = context;
    const struct look look = {
        .host = f->host,
        .event = call->event,
        .scope = call->scope,
        .wall_us = f->rules->needs_clock ? f->host->wall_us(x->shard) : 0,
    };
    struct rules_result r = rules_look(f->rules, &look, x->scratch);
    if (r.absent)
        no_capture(f, x, r.absent);
    if (r.holds)
        return MG_PASS;
    if (r.too_long) {
        f->host->count(f->instance, COUNT_TOO_LONG, 1);
        snprintf(result->err.text, sizeof result->err.text,
                 "a text is longer than the %d bytes that glob and regex look at",
                 EXPRESSION_TEXT_MAX);
    } else if (r.failed) {
        snprintf(result->err.text, sizeof result->err.text, "%.128s (line %u) does not hold",
                 r.failed->name, r.failed->line);
    }
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
    .name = "rules",
    .version = "1.0.0",
    .summary = "Passes events by rules on their attributes, properties and captures.",
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
