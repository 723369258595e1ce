/* SPDX-License-Identifier: Apache-2.0 */
/* Filter "nothing": passes every event; what a step costs at least. */
#include "meshgate/plugin.h"

static int create(const struct mg_host *host, mg_instance *instance, const void *settings,
                  void **ret_self, struct mg_err *reterr)
{
    (void)host;
    (void)instance;
    (void)settings;
    (void)reterr;
    static char self;
    *ret_self = &self;
    return 0;
}

static void destroy(void *self)
{
    (void)self;
}

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *result)
{
    (void)self;
    (void)context;
    (void)call;
    (void)result;
    return MG_PASS;
}

static const struct mg_life life = {.create = create, .destroy = destroy};
static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};
static const struct mg_module module = {.abi = MG_ABI_HERE,
                                        .kind = MG_FILTER,
                                        .name = "nothing",
                                        .version = "1.0.0",
                                        .summary = "Passes every event.",
                                        .settings_size = 0,
                                        .life = &life,
                                        .ops = &ops};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return &module;
}
