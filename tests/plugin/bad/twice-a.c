/* SPDX-License-Identifier: Apache-2.0 */
/* The first of two filters of one name. */
#include "good.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("twice");
    return &module;
}
