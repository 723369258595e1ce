/* SPDX-License-Identifier: Apache-2.0 */
/* It is a filter that cannot filter: its table has no process. */
#include "good.h"

static const struct mg_step_ops ops = {.size = sizeof ops};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("missing-operation");
    module.ops = &ops;
    return &module;
}
