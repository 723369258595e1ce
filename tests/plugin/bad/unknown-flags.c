/* SPDX-License-Identifier: Apache-2.0 */
/* Its descriptor has a flag that this ABI does not know. */
#include "good.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("unknown-flags");
    module.abi.flags = 4;
    return &module;
}
