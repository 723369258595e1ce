/* SPDX-License-Identifier: Apache-2.0 */
/* It makes sets that nobody can ask. */
#include "good.h"

static int set_create(const struct mg_host *host, const void *const *settings, size_t count,
                      void **ret_set, struct mg_err *reterr)
{
    (void)host, (void)settings, (void)count, (void)reterr;
    *ret_set = NULL;
    return 0;
}

static const struct mg_step_ops ops = {
    .size = sizeof ops, .process = good_process, .set_create = set_create};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("half-a-set");
    module.ops = &ops;
    return &module;
}
