/* SPDX-License-Identifier: Apache-2.0 */
/* Its name has capital letters. */
#include "good.h"

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("Bad_Name");
    return &module;
}
