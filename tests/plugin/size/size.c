/* SPDX-License-Identifier: Apache-2.0 */
/* A filter that lets small events pass: the example of docs/writing-a-module.md. */
#include <meshgate/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

/* 1. What the user may configure.  The gateway fills this struct from the YAML. */
struct settings {
    int64_t limit_bytes;
    uint32_t otherwise; /* an index into otherwise_choices */
};

enum { OTHERWISE_DROP, OTHERWISE_REJECT };
static const char *const otherwise_choices[] = {"drop", "reject", NULL};

static const struct mg_option options[] = {
    {.name = "limit",
     .type = MG_OPT_SIZE,
     .flags = MG_OPT_REQUIRED,
     .least = 0,
     .most = 1 << 30,
     .doc = "The largest payload that passes.",
     .offset = offsetof(struct settings, limit_bytes)},
    {.name = "otherwise",
     .type = MG_OPT_ENUM,
     .choices = otherwise_choices,
     .value = "drop",
     .doc = "What becomes of larger events: dropped by policy, or rejected as an error.",
     .offset = offsetof(struct settings, otherwise)},
    {0},
};

enum { COUNT_LARGE };
static const char *const counters[] = {"large", NULL};

/* 2. One configured instance.  It is read-only after create, since several shards share it. */
struct size {
    const struct mg_host *host;
    mg_instance *instance;
    const struct settings *settings;
};

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    struct size *self = calloc(1, sizeof *self);
    (void)reterr;
    if (!self)
        return -ENOMEM;
    self->host = host;
    self->instance = instance;
    self->settings = settings;
    *ret_self = self;
    return 0;
}

static void destroy(void *self)
{
    free(self); /* NULL is fine */
}

/* 3. The work: one verdict for one event. */
static uint32_t process(void *arg, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    const struct size *self = arg;
    size_t length = self->host->event_payload(call->event).len;
    (void)context;
    if (length <= (uint64_t)self->settings->limit_bytes)
        return MG_PASS;
    self->host->count(self->instance, COUNT_LARGE, 1);
    snprintf(ret_result->err.text, sizeof ret_result->err.text, "%zu bytes, at most %lld may pass",
             length, (long long)self->settings->limit_bytes);
    return self->settings->otherwise == OTHERWISE_REJECT ? MG_REJECT : MG_DROP;
}

/* 4. What the module is. */
static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};
static const struct mg_module module = {
    .abi = MG_ABI_HERE,
    .kind = MG_FILTER,
    .name = "size",
    .version = "1.0.0",
    .summary = "Lets events pass whose payload is not larger than a limit.",
    .options = options,
    .settings_size = sizeof(struct settings),
    .counters = counters,
    .life = &life,
    .ops = &ops,
};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi; /* one module may serve several hosts; this one serves its own major */
    return &module;
}
