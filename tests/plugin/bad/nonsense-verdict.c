/* SPDX-License-Identifier: Apache-2.0 */
/* Its verdict is none of those that there are. */
#include "good.h"

static uint32_t process(void *self, void *context, const struct mg_step_call *call,
                        struct mg_step_result *ret_result)
{
    (void)self, (void)context, (void)call, (void)ret_result;
    return 4711;
}

static const struct mg_step_ops ops = {.size = sizeof ops, .process = process};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("nonsense-verdict");
    module.ops = &ops;
    return &module;
}
