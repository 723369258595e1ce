/* SPDX-License-Identifier: Apache-2.0 */
/* Its life cycle has no create. */
#include "good.h"

static const struct mg_life life = {.destroy = good_destroy};

const struct mg_module *mg_module(const struct mg_abi *host_abi)
{
    static struct mg_module module;
    (void)host_abi;
    module = good_filter("missing-create");
    module.life = &life;
    return &module;
}
