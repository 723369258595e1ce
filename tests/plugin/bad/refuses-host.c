/* SPDX-License-Identifier: Apache-2.0 */
/* It has looked at the gateway's ABI and does not want to run there. */
#include "meshgate/plugin.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    (void)host_abi;
    return NULL;
}
