/* SPDX-License-Identifier: Apache-2.0 */
/* Not bad at all: within a minor version a descriptor may be longer than the gateway's. */
#include "good.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct {
        struct mg_module module;
        uint64_t appended[4];
    } longer;
    (void)host_abi;
    longer.module = good_filter("longer-descriptor");
    longer.module.abi.module_size = sizeof longer;
    return &longer.module;
}
