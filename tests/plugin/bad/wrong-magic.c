/* SPDX-License-Identifier: Apache-2.0 */
/* Its descriptor does not begin with the magic number. */
#include "good.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("wrong-magic");
    module.abi.magic = 0x12345678;
    return &module;
}
