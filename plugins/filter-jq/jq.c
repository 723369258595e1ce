/* SPDX-License-Identifier: Apache-2.0 */
/* Filter "jq": passes an event when a jq program finds it true. */
#include "jq_program.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

struct settings {
    struct jq_settings jq;
    uint32_t on_error;
};
enum on_error { ERROR_REJECT, ERROR_DROP, ERROR_PASS };

struct filter {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
    struct jq_program *program;
};

static const char *const on_errors[] = {"reject", "drop", "pass", NULL};
static const char *const counters[] = {"errors", "stopped", NULL};
enum { COUNT_ERRORS, COUNT_STOPPED };

static const struct mg_option options[] = {
    JQ_OPTIONS(offsetof(struct settings, jq)),
    {.name = "on_error",
     .value = "reject",
     .doc = "What becomes of an event whose payload is not JSON, that makes the program fail, or "
            "that takes it too long.",
     .type = MG_OPT_ENUM,
     .choices = on_errors,
     .offset = offsetof(struct settings, on_error)},
    {0}};

static int check(const void *settings, struct mg_err *reterr)
{
    return jq_program_check(&((const struct settings *)settings)->jq, reterr);
}

static void destroy(void *self)
{
    struct filter *f = self;
    if (f)
        jq_program_destroy(f->program);
    free(f);
}

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct filter *f = calloc(1, sizeof *f);
    if (!f) {
        snprintf(reterr->text, sizeof reterr->text, "out of memory");
        return -ENOMEM;
    }
    f->host = host;
    f->instance = instance;
    f->settings = settings;
    int error = jq_program_create(&f->settings->jq, &f->program, reterr);
    if (error) {
        destroy(f);
        return error;
    }
    *ret_self = f;
    return 0;
}

static int shard_open(void *self, mg_shard *shard, void **ret_context, struct mg_err *reterr)
{
    struct filter *f = self;
    struct jq_machine *machine = NULL;
    int error = jq_machine_create(f->program, f->host, f->instance, shard, &machine, reterr);
    *ret_context = machine;
    return error;
}

static void shard_close(void *self, void *context)
{
    (void)self;
    jq_machine_destroy(context);
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    const struct filter *f = self;
    bool truth = false;
    int found = jq_machine_begin(context, call, &result->err);
    if (!found)
        found = jq_machine_next_truth(context, &truth, &result->err);
    jq_machine_end(context);
    if (found >= 0) {
        if (!truth)
            snprintf(result->err.text, sizeof result->err.text, "the program says no");
        return truth ? MG_PASS : MG_DROP;
    }
    f->host->count(f->instance, found == -ETIME ? COUNT_STOPPED : COUNT_ERRORS, 1);
    return f->settings->on_error == ERROR_PASS   ? MG_PASS
           : f->settings->on_error == ERROR_DROP ? MG_DROP
                                                 : MG_REJECT;
}

static const struct mg_life life = {
    .create = create, .destroy = destroy, .shard_open = shard_open, .shard_close = shard_close};
static const struct mg_step_ops ops = {
    .size = sizeof ops, .process = process, .traits = MG_STEP_STATELESS};

static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "jq",
    .version = "1.0.0",
    .summary = "Passes an event when the first output of a jq program is neither null nor false.",
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
