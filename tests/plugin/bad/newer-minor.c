/* SPDX-License-Identifier: Apache-2.0 */
/* It was built for a minor version of the ABI that is newer than the gateway. */
#include "good.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("newer-minor");
    module.abi.minor = MG_ABI_MINOR + 1;
    return &module;
}
