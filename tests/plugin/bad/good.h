/* SPDX-License-Identifier: Apache-2.0 */
/* A filter and a bridge without fault, from which each module of this folder differs in one thing.
 */
#pragma once
#include "meshgate/plugin.h"

static int good_create(const struct mg_host *host, mg_instance *instance, const void *settings,
                       void **ret_self, struct mg_err *reterr)
{
    (void)host, (void)settings, (void)reterr;
    *ret_self = instance;
    return 0;
}

static void good_destroy(void *self)
{
    (void)self;
}

static uint32_t good_process(void *self, void *context, const struct mg_step_call *call,
                             struct mg_step_result *ret_result)
{
    (void)self, (void)context, (void)call, (void)ret_result;
    return MG_PASS;
}

static const struct mg_life good_life = {.create = good_create, .destroy = good_destroy};
static const struct mg_step_ops good_step_ops = {.size = sizeof good_step_ops,
                                                 .process = good_process};

static inline struct mg_module good_filter(const char *name)
{
    return (struct mg_module){
        .abi = MG_ABI_HERE,
        .kind = MG_FILTER,
        .name = name,
        .version = "1.0.0",
        .summary = "passes everything",
        .life = &good_life,
        .ops = &good_step_ops,
    };
}
