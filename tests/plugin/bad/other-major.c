/* SPDX-License-Identifier: Apache-2.0 */
/* It was built for another major version of the ABI. */
#include "good.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("other-major");
    module.abi.major = MG_ABI_MAJOR + 1;
    return &module;
}
