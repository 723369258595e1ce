/* SPDX-License-Identifier: Apache-2.0 */
/* It calls a function that nobody defines. */
#include "good.h"

extern void meshgate_test_defined_nowhere(void);

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("needs-missing-library");
    meshgate_test_defined_nowhere();
    return &module;
}
