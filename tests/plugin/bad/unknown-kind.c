/* SPDX-License-Identifier: Apache-2.0 */
/* It is of a kind that does not exist. */
#include "good.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("unknown-kind");
    module.kind = 9;
    return &module;
}
